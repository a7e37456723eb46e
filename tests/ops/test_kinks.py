"""docs/conventions.md, line by line: kinks, and zero times infinity behind a choice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit import nn

INF = float("inf")


def both_modes(f: Callable[..., Any], *args: Any) -> list[Any]:
    """Return the gradient, after checking that the two modes and a graph of it agree."""
    numbers = tuple(range(len(args)))
    with onp.errstate(all="ignore"):
        back = bl.grad(f, numbers)(*args)
        forward = bl.jacfwd(f, numbers)(*args)
        (again) = bl.trace(bl.grad(f, numbers))(*args)(*args)
    for a, b, c in zip(back, forward, again, strict=True):
        onp.testing.assert_array_equal(a, b)
        onp.testing.assert_array_equal(a, c)
    return [onp.asarray(part).tolist() for part in back]


# --- kinks ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "args", "expected"),
    [
        (np.relu, (0.0,), [0.0]),
        (np.relu, (-0.0,), [0.0]),
        (np.abs, (0.0,), [0.0]),
        (abs, (0.0,), [0.0]),
        (np.maximum, (1.0, 1.0), [0.5, 0.5]),
        (np.minimum, (1.0, 1.0), [0.5, 0.5]),
        (lambda x: np.maximum(x, 0.0), (0.0,), [0.5]),
        (lambda x: np.maximum(x, x), (3.0,), [1.0]),
        (lambda x: np.clip(x, 0.0, 1.0), (0.0,), [1.0]),
        (lambda x: np.clip(x, 0.0, 1.0), (1.0,), [1.0]),
        (lambda x: np.clip(x, 0.0, 1.0), (1.5,), [0.0]),
        (lambda x: np.clip(x, 0.0, None), (0.0,), [1.0]),
        (lambda x: np.clip(x, None, 1.0), (1.0,), [1.0]),
        (np.clip, (2.0, 0.0, 1.0), [0.0, 0.0, 1.0]),
        (np.clip, (-2.0, 0.0, 1.0), [0.0, 1.0, 0.0]),
        (np.clip, (0.5, 0.0, 1.0), [1.0, 0.0, 0.0]),
        (lambda x: x**0, (0.0,), [0.0]),
        (lambda x: x**1, (0.0,), [1.0]),
        (lambda x: x**2, (0.0,), [0.0]),
        (lambda x: x**2.0, (0.0,), [0.0]),
        (lambda x: x**1.0, (0.0,), [1.0]),
        (lambda x: x**0.0, (0.0,), [0.0]),
        (lambda x: x ** onp.array([0.0, 1.0, 2.0]) @ onp.ones(3), (0.0,), [1.0]),
        (np.power, (0.0, 2.0), [0.0, 0.0]),
        (np.sqrt, (0.0,), [INF]),
        (lambda x: x % 2.0, (4.0,), [1.0]),
        (np.remainder, (5.0, 2.0), [1.0, -2.0]),
        (np.remainder, (4.0, 2.0), [1.0, -2.0]),
        (np.sign, (0.0,), [0.0]),
        (np.floor, (1.0,), [0.0]),
        (lambda x: np.round(x), (0.5,), [0.0]),
        (lambda x: (x > 0.0) * 1.0, (0.0,), [0.0]),
    ],
)
def test_scalars(f: Callable[..., Any], args: tuple[float, ...], expected: list[float]) -> None:
    assert both_modes(f, *args) == expected


@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (np.max, [1.0, 3.0, 3.0], [0.0, 0.5, 0.5]),
        (np.min, [1.0, 1.0, 1.0, 4.0], [1 / 3, 1 / 3, 1 / 3, 0.0]),
        (lambda x: np.max(x, axis=0).sum(), [[1.0, 2.0], [1.0, 0.0]], [[0.5, 1.0], [0.5, 0.0]]),
        (np.prod, [0.0, 2.0, 3.0], [6.0, 0.0, 0.0]),
        (np.prod, [0.0, 0.0, 3.0], [0.0, 0.0, 0.0]),
        (lambda x: np.argmax(x) * 1.0, [1.0, 3.0], [0.0, 0.0]),
    ],
)
def test_arrays(f: Callable[[Any], Any], x: Any, expected: Any) -> None:
    assert both_modes(f, onp.array(x)) == [expected]


def test_the_second_derivative_of_a_power_is_finite_at_zero() -> None:
    for n in (0, 1, 2, 3, 0.0, 1.0, 2.0, 3.0):
        second = bl.grad(bl.grad(lambda x, n=n: x**n))(0.0)
        assert second == {2: 2.0}.get(n, 0.0), n


@pytest.mark.parametrize(
    ("activation", "left_slope"),
    [(nn.leaky_relu, 0.01), (nn.elu, 1.0), (nn.selu, 1.7580993408473766)],
)
def test_activations_take_the_slope_of_the_left_side(
    activation: Callable[[Any], Any], left_slope: float
) -> None:
    assert both_modes(activation, 0.0) == pytest.approx([left_slope])


# --- zero times infinity ----------------------------------------------------------------------

GUARDED = {
    "where": lambda x: np.where(x > 0.0, np.sqrt(x), 0.0),
    "where of log": lambda x: np.where(x > 0.0, np.log(x) * x, 0.0),
    "where of a quotient": lambda x: np.where(x == 0.0, 1.0, np.sin(x) / x),
    "where of exp": lambda x: np.where(x < 1.0, x, np.exp(1e3 * (x + 1.0))),
    "where, other branch": lambda x: np.where(x <= 0.0, 0.0, x**0.5),
    "a chain behind where": lambda x: np.where(x > 0.0, np.tanh(1.0 / np.sqrt(x)) ** 2, 0.0),
    "relu": lambda x: np.relu(np.log(x)),
    "maximum": lambda x: np.maximum(np.log(x), -1.0),
    "minimum": lambda x: np.minimum(1.0 / np.sqrt(x), 1.0),
    "clip": lambda x: np.clip(np.log(x), -1.0, 1.0),
    "max": lambda x: np.max(np.stack([np.log(x), -1.0 + 0.0 * x])),
    "indexing": lambda x: np.stack([np.log(x), x])[1] * 0.0,
    "assignment": lambda x: np.index_set(np.stack([np.sqrt(x), x]), 0, 2.0)[0],
    "where of an array": lambda x: np.where(
        onp.array([True, True]), x * 0.0, np.sqrt(x + onp.zeros(2))
    ).sum(),
}


@pytest.mark.parametrize("name", GUARDED)
@pytest.mark.parametrize(
    "derivative",
    [
        bl.grad,
        bl.jacfwd,
        lambda f: bl.grad(bl.grad(f)),
        lambda f: bl.jacfwd(bl.grad(f)),
        lambda f: bl.jacfwd(bl.jacfwd(f)),
        lambda f: bl.grad(bl.jacfwd(f)),
    ],
    ids=["r", "f", "rr", "fr", "ff", "rf"],
)
def test_a_branch_that_was_not_taken_contributes_nothing(
    name: str, derivative: Callable[[Any], Any]
) -> None:
    f = GUARDED[name]
    if name == "where of exp":
        expected = {bl.grad: 1.0, bl.jacfwd: 1.0}.get(derivative, 0.0)
    else:
        expected = 0.0
    with onp.errstate(all="ignore"):
        assert derivative(f)(0.0) == expected


@pytest.mark.parametrize("derivative", [bl.grad, lambda f: bl.grad(bl.grad(f))], ids=["r", "rr"])
def test_the_backward_pass_does_not_warn_behind_a_choice(
    derivative: Callable[[Any], Any],
) -> None:
    # sqrt(0) itself is fine; only its derivative divides by zero.
    assert derivative(GUARDED["where"])(0.0) == 0.0


def test_the_taken_branch_is_right_beside_one_that_is_not() -> None:
    x = onp.array([0.0, 4.0, -1.0])
    with onp.errstate(all="ignore"):
        f = lambda x: np.where(x > 0.0, np.sqrt(x), x * 3.0).sum()  # noqa: E731
        assert bl.grad(f)(x).tolist() == [3.0, 0.25, 3.0]
        assert onp.diag(bl.hessian(f)(x)).tolist() == [0.0, -0.03125, 0.0]


def test_an_infinite_gradient_without_a_choice_stays_infinite() -> None:
    with onp.errstate(all="ignore"):
        assert bl.grad(np.sqrt)(0.0) == INF
        assert onp.isnan(bl.grad(lambda x: 0.0 * np.sqrt(x))(0.0))
        assert bl.jvp(np.log, (0.0,), (1.0,))[1] == INF


def test_a_nan_behind_the_taken_branch_is_not_hidden() -> None:
    with onp.errstate(all="ignore"):
        assert onp.isnan(bl.grad(lambda x: np.where(x < 0.0, np.sqrt(x), 0.0))(-1.0))


def test_stop_gradient_is_the_identity_with_derivative_zero() -> None:
    x = onp.array([1.0, 2.0])
    assert bl.stop_gradient(x) is x
    assert both_modes(lambda x: (x * bl.stop_gradient(x)).sum(), x) == [[1.0, 2.0]]
    assert bl.hessian(lambda x: (bl.stop_gradient(x) * x**2).sum())(x).tolist() == [[2, 0], [0, 4]]


def test_hypot_at_the_origin_is_flat_like_the_absolute_value() -> None:
    assert bl.grad(np.hypot, argnums=(0, 1))(0.0, 0.0) == (0.0, 0.0)
    assert bl.grad(lambda x: np.hypot(x, 0.0))(0.0) == bl.grad(np.abs)(0.0) == 0.0
    assert bl.jvp(np.hypot, (0.0, 0.0), (1.0, 1.0))[1] == 0.0
    assert bl.grad(np.hypot)(onp.float32(3.0), 4.0).dtype == onp.float32


def test_fmax_and_fmin_share_at_a_tie_and_pass_over_nan() -> None:
    for f in (np.fmax, np.fmin):
        assert bl.grad(f, argnums=(0, 1))(2.0, 2.0) == (0.5, 0.5)
        assert bl.grad(f, argnums=(0, 1))(onp.nan, 2.0) == (0.0, 1.0)
        assert bl.grad(f, argnums=(0, 1))(2.0, onp.nan) == (1.0, 0.0)
