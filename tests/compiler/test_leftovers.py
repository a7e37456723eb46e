"""What differentiation leaves behind is computed with fewer operations, and comes out the same."""

from __future__ import annotations

from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np

SPECIAL = onp.array([-onp.inf, -2.0, -0.0, 0.0, 1.0, 50.0, onp.inf, onp.nan])


def rules(f: Any, *args: Any) -> list[str]:
    """Return the rules that were applied."""
    stages = bl.jit(f).inspect(*args).stages
    return [rewrite.rule for _, _, rewrites in stages for rewrite in rewrites]


def guarded(x: Any, y: Any) -> Any:
    """Return a choice with an elementwise function behind it, so that its derivative is guarded."""
    return np.sum(np.where(y > 0, np.exp(x) * y, 0.0) * np.tanh(x))


def test_zero_times_infinity_is_told_by_the_product() -> None:
    x, y = (a.ravel() for a in onp.meshgrid(SPECIAL, SPECIAL))
    gradient = bl.grad(guarded, argnums=(0, 1))
    assert "0 · ∞ → 0, told by the product" in rules(gradient, x, y)
    with onp.errstate(all="ignore"):
        expected = gradient(x, y)
    for found, want in zip(bl.jit(gradient)(x, y), expected, strict=True):
        onp.testing.assert_array_equal(onp.isnan(found), onp.isnan(want))
        onp.testing.assert_allclose(found, want, rtol=1e-14)


@pytest.mark.parametrize("slope", [0.1, 2.0])
def test_leaky_relu_by_hand(slope: float) -> None:
    def f(z: Any) -> Any:
        return np.sum(np.where(z > 0, z, slope * z) ** 2)

    found = bl.jit(bl.grad(f))(SPECIAL[1:6])
    onp.testing.assert_array_equal(found, bl.grad(f)(SPECIAL[1:6]))
    assert "a choice by a constant → what it takes" in rules(bl.grad(f), SPECIAL)


def test_masks_of_relu_come_from_its_result() -> None:
    f = bl.grad(lambda z: np.sum(np.relu(z) * np.sin(z)))
    assert "x > 0 → relu(x) > 0, which is kept anyway" in rules(f, SPECIAL)
    onp.testing.assert_allclose(bl.jit(f)(SPECIAL[1:6]), f(SPECIAL[1:6]), rtol=1e-15)


def test_a_sigmoid_is_differentiated_without_a_second_exponential() -> None:
    z = onp.linspace(-30, 30, 101)
    f = bl.grad(lambda z: np.sum(np.sigmoid(z) ** 2))
    (last,) = [g for name, g, _ in bl.jit(f).inspect(z).stages if name == "simplified again"]
    assert [e.primitive.name for e in last.equations].count("sigmoid") == 1
    a = 1 / (1 + onp.exp(-z))
    onp.testing.assert_allclose(bl.jit(f)(z), 2 * a * a * (1 - a), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arrays_of_equal_numbers_are_numbers(dtype: str) -> None:
    """Differentiation begins with an array of ones."""
    x = onp.linspace(-2, 2, 7).astype(dtype)
    f = bl.jit(bl.grad(lambda x: np.sum(x**2)))
    assert [e.primitive.name for e in f.inspect(x).stages[1][1].equations] == ["multiply"]
    assert f(x).dtype == dtype
    onp.testing.assert_array_equal(f(x), 2 * x)
    ones, threes = onp.ones(7, dtype), onp.full((3, 7), 3, dtype)
    assert rules(lambda x: x * ones, x) == ["x · 1 → x"]
    # The same constant, whether it is an array or a number.
    f = bl.jit(lambda x: np.sin(x[None] + x * threes) + np.sin(x[None] + 3 * x * threes / 3))
    onp.testing.assert_allclose(f(x), 2 * onp.sin(x + 3 * x) + 0 * threes, rtol=1e-6, atol=1e-6)
    # What gives the result its shape, its type or the sign of its zeros stays.
    assert rules(lambda x: x * threes, x) == []
    assert bl.jit(lambda x: x * threes)(x).shape == (3, 7)
    assert bl.jit(lambda x: x * onp.ones(7))(x).dtype == onp.float64
    mixed = onp.array([0.0, -0.0, 0.0, -0.0, 0.0, -0.0, 0.0], dtype)
    assert onp.signbit(bl.jit(lambda x: np.abs(x) * mixed)(x)).tolist() == [False, True] * 3 + [
        False
    ]


def test_a_printed_graph_shows_the_number_that_a_constant_repeats() -> None:
    graph = bl.trace(lambda x: x * onp.full(100, 0.25) + onp.arange(100.0))(onp.ones(100))
    assert "<float64[100] of 0.25>" in str(graph) and "<float64[100]>" in str(graph)
