"""Jacobians in compiled functions: a loop over directions, with the eager numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.core import tree
from backlit.core.verify import verify

RNG = onp.random.default_rng(4)
X = RNG.normal(size=24)
A = RNG.normal(size=(30, 24))


def rosenbrock(x: Any) -> Any:
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def branching(x: Any) -> Any:
    """Return a function with choices whose other side is infinite, and a loop."""
    safe = np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), np.relu(x) * x)
    last, _ = bl.scan(lambda c, v: (np.tanh(c + v), ()), 0.1, x)
    return np.sum(safe * x) + last * np.sum(np.exp(-x * x))


FUNCTIONS: list[Callable[[Any], Any]] = [
    rosenbrock,
    branching,
    lambda x: np.sum(np.sigmoid(A @ x) ** 2),
    lambda x: np.prod(1.5 + 0.1 * np.sin(x)),
    lambda x: np.max(x) * np.sum(x[::2]),
]


@pytest.mark.parametrize("f", FUNCTIONS)
@pytest.mark.parametrize(
    "second",
    [
        bl.hessian,
        lambda f: bl.jacfwd(bl.grad(f)),
        lambda f: bl.jacrev(bl.grad(f)),
        lambda f: bl.jacobian(bl.grad(f)),
        lambda f: bl.jacfwd(bl.jacfwd(f)),
    ],
)
def test_second_derivatives_are_those_of_the_eager_sweeps(f: Any, second: Any) -> None:
    expected = second(f)(X)
    onp.testing.assert_allclose(bl.jit(second(f))(X), expected, rtol=1e-11, atol=1e-11)


def test_trees_several_results_and_extra_values() -> None:
    def f(p: Any, s: Any) -> Any:
        u = A[:5] @ p["w"].reshape(24) + p["b"]
        return {"u": u, "n": np.sum(u) * s}, np.sum(p["w"])

    p = {"w": X.reshape(4, 6), "b": onp.arange(5.0)}
    for transform in (bl.jacfwd, bl.jacrev, bl.jacobian):
        g = transform(f, argnums=(0, 1), has_aux=True)
        found, expected = bl.jit(g)(p, 2.0), g(p, 2.0)
        a, b = tree.flatten(found)[0], tree.flatten(expected)[0]
        assert len(a) == len(b) == 7
        for left, right in zip(a, b, strict=True):
            assert left.shape == right.shape and left.dtype == right.dtype
            onp.testing.assert_allclose(left, right, rtol=1e-13, atol=1e-13)


def test_float32_stays_and_what_does_not_depend_is_zero() -> None:
    x = X.astype("float32")

    def f(x: Any, y: Any) -> Any:
        return np.sin(x), onp.ones(20) * 1.0, y

    found = bl.jit(bl.jacobian(f, argnums=(0, 1)))(x, 2.0 * x)
    assert found[0][0].dtype == onp.float32
    onp.testing.assert_allclose(found[0][0], onp.diag(onp.cos(x)), rtol=1e-6)
    assert not found[0][1].any() and not found[1][0].any() and found[1][0].shape == (20, 24)
    onp.testing.assert_array_equal(found[2][1], onp.eye(24))


def test_the_program_does_not_grow_with_the_number_of_directions() -> None:
    sizes = []
    for n in (17, 200):
        graph = bl.jit(bl.hessian(rosenbrock)).graph(onp.ones(n))
        verify(graph)
        sizes.append(sum(len(g.equations) for g in (graph, *graph.subgraphs())))
    assert sizes[0] == sizes[1] < 150


def test_the_loop_itself_is_differentiated() -> None:
    def trace(x: Any) -> Any:
        return np.trace(bl.hessian(rosenbrock)(x))

    expected = bl.grad(trace)(X)
    onp.testing.assert_allclose(bl.jit(bl.grad(trace))(X), expected, rtol=1e-12, atol=1e-9)
    onp.testing.assert_allclose(bl.grad(bl.jit(trace))(X), expected, rtol=1e-12, atol=1e-9)
