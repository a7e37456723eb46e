"""Nested derivatives are never confused with each other: each closes over the right variable."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np


def reverse(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return bl.grad(f)


def forward(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: bl.jvp(f, (x,), (1.0,))[1]


def pulled(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: bl.vjp(f, x)[1](1.0)[0]


MODES = [reverse, forward, pulled, bl.jacfwd, bl.jacrev, bl.jacobian]
PAIRS = list(itertools.product(MODES, MODES))
TRIPLES = list(itertools.product([reverse, forward], repeat=3))


@pytest.mark.parametrize(("outer", "inner"), PAIRS)
def test_the_classic_confusion(outer: Any, inner: Any) -> None:
    # d/dx (x · d/dy (x + y)) = 1; confusing the two perturbations gives 2.
    assert outer(lambda x: x * inner(lambda y: x + y)(1.0))(1.0) == 1.0


@pytest.mark.parametrize(("outer", "inner"), PAIRS)
def test_both_variables_matter_inside(outer: Any, inner: Any) -> None:
    # d/dx [d/dy (x² y³) at y = x] = d/dx 3x⁴ = 12 x³
    f = lambda x: inner(lambda y: x**2 * y**3)(x)  # noqa: E731
    assert outer(f)(2.0) == pytest.approx(96.0)


@pytest.mark.parametrize(("outer", "inner"), PAIRS)
def test_a_closure_that_ignores_its_own_variable(outer: Any, inner: Any) -> None:
    assert outer(lambda x: x * inner(lambda y: x * x)(3.0))(2.0) == 0.0
    assert outer(lambda x: inner(lambda y: x * y)(0.0) + x)(2.0) == 2.0


@pytest.mark.parametrize(("a", "b", "c"), TRIPLES)
def test_three_levels(a: Any, b: Any, c: Any) -> None:
    # x y² z³: ∂z = 3xy²z² at z = y → 3xy⁴; ∂y = 12xy³ at y = x → 12x⁴; ∂x = 48x³.
    f = lambda x: b(lambda y: c(lambda z: x * y**2 * z**3)(y))(x)  # noqa: E731
    assert a(f)(1.5) == pytest.approx(48.0 * 1.5**3)


@pytest.mark.parametrize(("a", "b", "c"), TRIPLES)
def test_three_levels_that_skip_one(a: Any, b: Any, c: Any) -> None:
    # the innermost uses the outermost variable only: d/dx [x · d/dy (y · d/dz (x z))] = 2x
    f = lambda x: x * b(lambda y: y * c(lambda z: x * z)(7.0))(5.0)  # noqa: E731
    assert a(f)(3.0) == pytest.approx(6.0)


@pytest.mark.parametrize("inner", MODES)
def test_a_function_that_differentiates_another_of_the_same_closure(inner: Any) -> None:
    # The curried example of Siskind and Pearlmutter: s(u)(g)(x) = g(x + u).
    def shift(u: Any) -> Any:
        return lambda g: lambda x: g(x + u)

    def d_shift(g: Any) -> Any:
        return lambda x: inner(lambda u: shift(u)(g)(x))(0.0)

    h = np.exp
    assert d_shift(d_shift(h))(1.0) == pytest.approx(onp.e)
    assert d_shift(d_shift(d_shift(h)))(1.0) == pytest.approx(onp.e)


def test_a_gradient_step_can_be_differentiated() -> None:
    def loss(w: Any, rate: Any) -> Any:
        for _ in range(3):
            w = w - rate * bl.grad(lambda v: ((v - 1.0) ** 2).sum())(w)
        return ((w - 1.0) ** 2).sum()

    w, rate = onp.array([3.0, 0.0]), 0.1
    # The error shrinks by (1 − 2r) a step: loss = (1 − 2r)⁶ · 5.
    assert bl.grad(loss, 1)(w, rate) == pytest.approx(-60.0 * 0.8**5)


def test_inner_control_flow_depends_on_outer_values() -> None:
    def outer(x: Any) -> Any:
        def inner(y: Any) -> Any:
            return y * x if x > y else y**2 * x

        return bl.grad(inner)(1.0) + bl.grad(inner)(3.0)

    # x = 2: y = 1 gives x, y = 3 gives 2 y x = 6 x.
    assert bl.value_and_grad(outer)(2.0) == (14.0, 7.0)


def test_gradients_inside_scan_cond_and_while() -> None:
    f = lambda c: c**3  # noqa: E731
    scanned = lambda x: bl.scan(lambda c, _: (bl.grad(f)(c) * x, None), 1.0, length=2)[0]  # noqa: E731
    # c₁ = 3x, c₂ = 3 (3x)² x = 27 x³
    assert bl.grad(scanned)(2.0) == pytest.approx(81.0 * 4.0)
    chosen = lambda x: bl.cond(x > 0, bl.grad(f), lambda c: c, x)  # noqa: E731
    assert bl.grad(chosen)(2.0) == 12.0 and bl.grad(chosen)(-2.0) == 1.0
    looped = lambda x: bl.while_loop(lambda c: c < 50.0, bl.grad(f), x)  # noqa: E731
    # 2 → 12 → 432: derivative 6·2 · 6·12
    assert bl.jvp(looped, (2.0,), (1.0,)) == (432.0, 864.0)


def test_a_pullback_may_be_used_inside_another_derivative() -> None:
    out, pullback = bl.vjp(lambda x: x**3, 2.0)
    # The pullback is linear in its cotangent: 12 g.
    assert bl.grad(lambda g: pullback(g)[0] ** 2)(1.0) == pytest.approx(2.0 * 144.0)
    assert bl.jvp(lambda g: pullback(g)[0], (1.0,), (5.0,)) == (12.0, 60.0)


def test_jacobian_of_a_gradient_is_the_hessian() -> None:
    f = lambda x: (x[0] * x[1]) ** 2 + np.sin(x[1])  # noqa: E731
    x = onp.array([0.5, 2.0])
    hessian = bl.hessian(f)(x)
    for outer, inner in itertools.product([bl.jacobian, bl.jacfwd, bl.jacrev], repeat=2):
        onp.testing.assert_allclose(outer(inner(f))(x), hessian)
