"""vjp, jvp, Jacobians and Hessians agree with each other, with differences, and count passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.ops import sweep
from backlit.ops.sweep import Recorded
from backlit.testing import check_grads

RNG = onp.random.default_rng(6)
W, X, B = RNG.normal(size=(3, 4)), RNG.normal(size=(5, 3)), RNG.normal(size=4)


def layer(w: Any, b: Any, np: Any = np) -> Any:
    return np.tanh(X @ w + b) * b


# --- vjp and jvp ------------------------------------------------------------------------------


def test_the_pullback_can_be_called_again_and_answers_the_same() -> None:
    _, pullback = bl.vjp(layer, W, B)
    g = RNG.normal(size=(5, 4))
    first = pullback(g)
    pullback(2.0 * g)
    again = pullback(g)
    for a, b in zip(first, again, strict=True):
        assert (a == b).all() and a is not b


def test_pulling_back_is_linear_and_is_the_transpose_of_pushing_forward() -> None:
    out, pullback = bl.vjp(layer, W, B)
    dw, db, g, h = (RNG.normal(size=s) for s in ((3, 4), (4,), (5, 4), (5, 4)))
    value, pushed = bl.jvp(layer, (W, B), (dw, db))
    assert (value == out).all() and (out == layer(W, B)).all()
    back = pullback(g)
    assert (g * pushed).sum() == pytest.approx((back[0] * dw).sum() + (back[1] * db).sum())
    for a, b, c in zip(pullback(2.0 * g + h), back, pullback(h), strict=True):
        onp.testing.assert_allclose(a, 2.0 * b + c)


def test_trees_of_results_take_trees_of_cotangents() -> None:
    def f(x: Any) -> Any:
        return {"a": x * 2.0, "n": 3, "b": (x.sum(), None)}

    out, pullback = bl.vjp(f, B)
    assert out["n"] == 3
    assert pullback({"a": onp.ones(4), "n": 0, "b": (10.0, None)})[0].tolist() == [12.0] * 4
    assert bl.jvp(f, (B,), (onp.ones(4),))[1]["b"] == (4.0, None)


def test_a_diamond_adds_both_paths_once() -> None:
    def f(x: Any) -> Any:
        y = x * x
        left, right = np.sin(y), np.cos(y)
        return left * right + left

    x = 0.7
    y = x * x
    expected = (onp.cos(y) ** 2 - onp.sin(y) ** 2 + onp.cos(y)) * 2.0 * x
    assert bl.grad(f)(x) == pytest.approx(expected)
    assert bl.jvp(f, (x,), (1.0,))[1] == pytest.approx(expected)
    _, pullback = bl.vjp(f, x)
    assert pullback(1.0) == pullback(1.0) == (pytest.approx(expected),)


def test_the_same_argument_twice_and_results_that_are_arguments() -> None:
    assert bl.grad(lambda x, y: x * y, (0, 1))(3.0, 3.0) == (3.0, 3.0)
    assert bl.vjp(lambda x: (x, x), 2.0)[1]((1.0, 10.0)) == (11.0,)
    out, tangent = bl.jvp(lambda x: [x, x * x], (2.0,), (1.0,))
    assert out == [2.0, 4.0] and tangent == [1.0, 4.0]


# --- Jacobians and Hessians ----------------------------------------------------------------------


@pytest.mark.parametrize("transform", [bl.jacobian, bl.jacfwd, bl.jacrev])
def test_jacobians_agree_with_an_independent_implementation(transform: Callable[..., Any]) -> None:
    jw, jb = transform(layer, (0, 1))(W, B)
    assert jw.shape == (5, 4, 3, 4) and jb.shape == (5, 4, 4)
    onp.testing.assert_allclose(jw, autograd.jacobian(lambda w: layer(w, B, anp))(W), atol=1e-12)
    onp.testing.assert_allclose(jb, autograd.jacobian(lambda b: layer(W, b, anp))(B), atol=1e-12)


@pytest.mark.parametrize("transform", [bl.jacobian, bl.jacfwd, bl.jacrev])
def test_jacobians_of_trees_are_trees_of_trees(transform: Callable[..., Any]) -> None:
    found = transform(lambda p: {"u": p["x"] * p["s"], "v": p["x"].sum()})({"x": B, "s": 2.0})
    assert found["u"]["x"].tolist() == (2.0 * onp.eye(4)).tolist()
    assert found["u"]["s"].tolist() == B.tolist()
    assert found["v"]["x"].tolist() == [1.0] * 4 and found["v"]["s"] == 0.0


@pytest.mark.parametrize("transform", [bl.jacobian, bl.jacfwd, bl.jacrev])
def test_jacobians_can_be_differentiated(transform: Callable[..., Any]) -> None:
    f = lambda x: np.stack([np.sin(x[0]) * x[1], x[1] ** 3])  # noqa: E731
    check_grads(transform(f), (onp.array([0.3, 0.8]),), order=1)
    graph = bl.trace(transform(f))(onp.array([0.3, 0.8]))
    point = onp.array([1.0, -2.0])
    onp.testing.assert_allclose(graph(point)[0], transform(f)(point))


class Passes:
    """Counts backward sweeps and forward directions."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.backward = self.forward = 0
        back, on = Recorded.sweep, Recorded.push

        def sweep(recorded: Any, seeds: Any) -> Any:
            self.backward += 1
            return back(recorded, seeds)

        def push(recorded: Any, columns: Any, results: Any) -> Any:
            self.forward += len(columns[0])
            return on(recorded, columns, results)

        monkeypatch.setattr(Recorded, "sweep", sweep)
        monkeypatch.setattr(Recorded, "push", push)


@pytest.mark.parametrize(
    ("inputs", "outputs", "passes"),
    [(2, 7, (0, 2)), (7, 2, (2, 0)), (3, 3, (3, 0)), (1, 1, (1, 0)), (6, 1, (1, 0))],
)
def test_jacobian_takes_the_mode_with_fewer_passes(
    inputs: int, outputs: int, passes: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    m = RNG.normal(size=(outputs, inputs))
    calls = []

    def f(x: Any) -> Any:
        calls.append(1)
        return np.sin(m @ x)

    x = RNG.normal(size=inputs)
    count = Passes(monkeypatch)
    found = bl.jacobian(f)(x)
    assert (count.backward, count.forward) == passes
    assert len(calls) == 1
    onp.testing.assert_allclose(found, onp.cos(m @ x)[:, None] * m)


def test_the_tree_of_all_arguments_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    count = Passes(monkeypatch)
    bl.jacobian(lambda a, b: np.stack([a[0], b, b * b]), (0, 1))(onp.ones(1), 2.0)
    assert (count.backward, count.forward) == (0, 2)
    bl.jacobian(lambda a, b: np.stack([a[0], b, b * b]), (0, 1))(onp.ones(3), 2.0)
    assert (count.backward, count.forward) == (3, 2)


@pytest.mark.parametrize(
    "transform", [bl.jacfwd, bl.jacrev, bl.grad, bl.hessian, bl.value_and_grad]
)
def test_the_function_runs_once(transform: Callable[..., Any]) -> None:
    calls = []

    def f(x: Any) -> Any:
        calls.append(1)
        return (x**3).sum()

    transform(f)(B)
    assert len(calls) == 1


def test_vjp_jvp_and_hvp_run_the_function_once() -> None:
    calls = []

    def f(x: Any) -> Any:
        calls.append(1)
        return (x**3).sum()

    _, pullback = bl.vjp(f, B)
    pullback(1.0), pullback(2.0)
    assert len(calls) == 1
    bl.jvp(f, (B,), (B,))
    assert len(calls) == 2
    bl.hvp(f, (B,), (B,))
    assert len(calls) == 3


def energy(w: Any, b: Any, np: Any = np) -> Any:
    return (np.tanh(X @ w + b) ** 2 * b).sum()


def test_hessians_agree_with_an_independent_implementation_and_are_symmetric() -> None:
    (hww, hwb), (hbw, hbb) = bl.hessian(energy, (0, 1))(W, B)
    onp.testing.assert_allclose(
        hww, autograd.hessian(lambda w: energy(w, B, anp))(W), rtol=1e-8, atol=1e-10
    )
    onp.testing.assert_allclose(
        hbb, autograd.hessian(lambda b: energy(W, b, anp))(B), rtol=1e-8, atol=1e-10
    )
    onp.testing.assert_allclose(hwb, onp.moveaxis(hbw, 0, -1), rtol=1e-10, atol=1e-12)
    flat = hww.reshape(12, 12)
    onp.testing.assert_allclose(flat, flat.T, rtol=1e-10, atol=1e-12)


def test_hvp_is_the_hessian_times_the_vector() -> None:
    dw, db = RNG.normal(size=W.shape), RNG.normal(size=B.shape)
    (hww, hwb), (hbw, hbb) = bl.hessian(energy, (0, 1))(W, B)
    found = bl.hvp(energy, (W, B), (dw, db))
    onp.testing.assert_allclose(found[0], onp.tensordot(hww, dw, 2) + hwb @ db)
    onp.testing.assert_allclose(found[1], onp.tensordot(hbw, dw, 2) + hbb @ db)
    alone = bl.hvp(lambda b: energy(W, b), (B,), (db,))
    onp.testing.assert_allclose(alone, hbb @ db)


def test_third_and_fourth_derivatives() -> None:
    f = lambda x: np.sin(x) * np.exp(x)  # noqa: E731
    x = 0.4
    third = bl.grad(bl.grad(bl.grad(f)))(x)
    assert third == pytest.approx(2.0 * onp.exp(x) * (onp.cos(x) - onp.sin(x)))
    fourth = bl.jacfwd(bl.grad(bl.jacfwd(bl.grad(f))))(x)
    assert fourth == pytest.approx(-4.0 * f(x))


def test_a_sweep_over_nothing_changes_nothing() -> None:
    recorded = sweep.Recorded(lambda x: x * 2.0, [1.0])
    assert recorded.sweep([]) == [None]
