"""Question 4: the printed backward block, line by line, and what goes with it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import mpmath
import numpy as onp
import pytest
import q4

import backlit as bl

Array = onp.ndarray


@dataclass
class Net:
    """A network of tanh layers and a sigmoid output; index 0 of A is X, of the others empty."""

    W: list[Array]
    b: list[Array]
    Y: Array
    A: list[Array]
    Z: list[Array]
    dW: list[Array]
    db: list[Array]
    dZ: list[Array]

    @property
    def L(self) -> int:
        return len(self.W) - 1

    @property
    def m(self) -> int:
        return self.Y.shape[1]


def sigmoid(z: Array) -> Array:
    return 1 / (1 + onp.exp(-z))


def net(sizes: tuple[int, ...], m: int, step: float = 1e-6) -> Net:
    """Return a network at random points, its gradients by central differences of its loss."""
    rng = onp.random.default_rng(0)
    empty = onp.zeros(0)
    W = [empty, *[rng.normal(size=(n, k)) for k, n in zip(sizes, sizes[1:], strict=False)]]
    b = [empty, *[rng.normal(size=(n, 1)) for n in sizes[1:]]]
    X, Y = rng.normal(size=(sizes[0], m)), (rng.uniform(size=(sizes[-1], m)) < 0.5).astype(float)
    shifts = [empty, *[onp.zeros((n, m)) for n in sizes[1:]]]

    def forward() -> tuple[list[Array], list[Array]]:
        A, Z = [X], [empty]
        for k in range(1, len(W)):
            Z.append(W[k] @ A[-1] + b[k] + shifts[k])
            A.append(sigmoid(Z[-1]) if k == len(W) - 1 else onp.tanh(Z[-1]))
        return A, Z

    def J() -> float:
        A, _ = forward()
        return -float((Y * onp.log(A[-1]) + (1 - Y) * onp.log(1 - A[-1])).sum()) / m

    def differences(arrays: list[Array], scale: float) -> list[Array]:
        found = []
        for array in arrays:
            numeric = onp.zeros_like(array)
            for place in onp.ndindex(array.shape):
                before, ends = array[place], []
                for sign in (1, -1):
                    array[place] = before + sign * step
                    ends.append(J())
                array[place] = before
                numeric[place] = scale * (ends[0] - ends[1]) / (2 * step)
            found.append(numeric)
        return found

    A, Z = forward()
    # dZ is per example: m · ∂J/∂Z.
    return Net(W, b, Y, A, Z, differences(W, 1), differences(b, 1), differences(shifts, m))


def slope(z: Array) -> Array:
    return 1 - onp.tanh(z) ** 2


def row_sums(dZ: Array) -> Array:
    return dZ.sum(axis=1, keepdims=True) / dZ.shape[1]


# What each printed line says, what it is to be, and what is right, in plain NumPy.
Value = Callable[[Net], Array]
LINES: list[tuple[Value, Value, Value]] = [
    (lambda t: t.A[t.L] - t.Y, lambda t: t.dZ[t.L], lambda t: t.A[t.L] - t.Y),
    (
        lambda t: t.dZ[t.L] @ t.A[t.L].T / t.m,
        lambda t: t.dW[t.L],
        lambda t: t.dZ[t.L] @ t.A[t.L - 1].T / t.m,
    ),
    (lambda t: row_sums(t.dZ[t.L]), lambda t: t.db[t.L], lambda t: row_sums(t.dZ[t.L])),
    (
        lambda t: t.dW[t.L].T @ t.dZ[2] @ slope(t.Z[1]),
        lambda t: t.dZ[t.L - 1],
        lambda t: t.W[t.L].T @ t.dZ[t.L] * slope(t.Z[t.L - 1]),
    ),
    (lambda t: t.dZ[1] @ t.A[1].T / t.m, lambda t: t.dW[1], lambda t: t.dZ[1] @ t.A[0].T / t.m),
    (lambda t: row_sums(t.dZ[1]), lambda t: t.db[1], lambda t: row_sums(t.dZ[1])),
]
NETS = {
    2: [((3, 4, 2), 5), ((3, 3, 3), 3), ((3, 3, 3), 5)],
    3: [((3, 4, 5, 2), 6), ((3, 3, 3, 3), 3), ((3, 3, 3, 3), 5)],
}


def holds(value: Value, target: Array, t: Net) -> bool:
    try:
        found = value(t)
    except ValueError:  # the shapes do not fit
        return False
    return found.shape == target.shape and bool(abs(found - target).max() < 1e-6)


@pytest.mark.parametrize("depth", NETS)
def test_the_checker_finds_what_numbers_find(depth: int) -> None:
    verdicts = [v.verdict for v in bl.check(q4.block_as_printed(depth)).verdicts]
    assert verdicts == ["right", "wrong", "right", "wrong", "wrong", "right"]
    for sizes, m in NETS[depth]:
        t = net(sizes, m)
        for verdict, (printed, target, repaired) in zip(verdicts, LINES, strict=True):
            assert holds(printed, target(t), t) is (verdict == "right")
            assert holds(repaired, target(t), t)


@pytest.mark.parametrize("depth", NETS)
def test_square_layers_hide_the_slips_from_shape_checks(depth: int) -> None:
    # The missing ⊙ needs m = the width as well; with another m its shapes do not fit.
    t = net(*NETS[depth][1])
    assert all(printed(t).shape == target(t).shape for printed, target, _ in LINES)
    t = net(*NETS[depth][2])
    with pytest.raises(ValueError, match="matmul"):
        LINES[3][0](t)


def test_each_of_the_four_slips_alone_is_wrong() -> None:
    left = {
        "dW for W": lambda t: t.dW[t.L].T @ t.dZ[t.L] * slope(t.Z[t.L - 1]),
        "2 for L": lambda t: t.W[t.L].T @ t.dZ[2] * slope(t.Z[t.L - 1]),
        "1 for L-1": lambda t: t.W[t.L].T @ t.dZ[t.L] * slope(t.Z[1]),
        "no ⊙": lambda t: t.W[t.L].T @ t.dZ[t.L] @ slope(t.Z[t.L - 1]),
    }
    three, two = net(*NETS[3][1]), net(*NETS[2][1])
    assert [holds(f, three.dZ[2], three) for f in left.values()] == [False] * 4
    # At L = 2 the indices agree.
    assert [holds(f, two.dZ[1], two) for f in left.values()] == [False, True, True, False]
    verdicts = [v.verdict for v in bl.check(q4.NOTES / "q4-slips.md").verdicts]
    assert verdicts == ["right", *["wrong"] * 4, "right"]


def test_the_derived_lines_are_the_gradient() -> None:
    arguments = q4.arguments()
    found = {name: value for name, _, value in q4.derived(q4.network_derivation(), *arguments)}
    W1, b1, W2, b2, X, Y = arguments
    m, step = X.shape[1], 1e-6

    def J() -> float:
        A2 = sigmoid(W2 @ onp.tanh(W1 @ X + b1) + b2)
        return -float((Y * onp.log(A2) + (1 - Y) * onp.log(1 - A2)).sum()) / m

    for name, array in {"W1": W1, "b1": b1, "W2": W2, "b2": b2}.items():
        for place in onp.ndindex(array.shape):
            before, ends = array[place], []
            for sign in (1, -1):
                array[place] = before + sign * step
                ends.append(J())
            array[place] = before
            numeric = (ends[0] - ends[1]) / (2 * step)
            assert found[f"∂J/∂{name}"][place] == pytest.approx(numeric, rel=1e-5, abs=1e-9)


# J for all examples, from Z and Y: numerically, one output after the other.
COSTS: dict[str, Callable[[Array, Array], float]] = {
    "sigmoid + log loss": lambda Z, Y: (
        -(Y * onp.log(sigmoid(Z)) + (1 - Y) * onp.log(1 - sigmoid(Z))).sum()
    ),
    "softmax + cross-entropy": lambda Z, Y: -(Y * (Z - onp.log(onp.exp(Z).sum(axis=0)))).sum(),
    "linear + half squared error": lambda Z, Y: 0.5 * ((Z - Y) ** 2).sum(),
    "sigmoid + half squared error": lambda Z, Y: 0.5 * ((sigmoid(Z) - Y) ** 2).sum(),
}


def test_for_which_losses_the_error_is_a_minus_y() -> None:
    found = {e.output: e for e in q4.output_errors()}
    assert list(found) == list(COSTS)
    W, X, Y = q4.output_data()
    Z, step = W @ X, 1e-6
    for name, e in found.items():
        for place in onp.ndindex(Z.shape):
            ends = []
            for sign in (1, -1):
                moved = Z.copy()
                moved[place] += sign * step
                ends.append(float(COSTS[name](moved, Y)))
            numeric = (ends[0] - ends[1]) / (2 * step)
            assert e.dZ[place] == pytest.approx(numeric, rel=1e-5, abs=1e-8)
        slower = name == "sigmoid + half squared error"
        assert e.verdict == ("wrong" if slower else "right")
        assert (e.suggestion is not None) is slower
    slow = q4.OUTPUTS[-1]
    for line in (found[slow.name].suggestion, "dZ = (A - Y) ⊙ A ⊙ (1 - A)"):
        notes = f"Z = W X\n{slow.notes}\n{line}\ndW = \\frac1m dZ X^T"
        assert bl.check(notes).verdicts[0].verdict == "right"


def test_the_replys_chain_rule() -> None:
    printed, right, engine = q4.chain_rule_as_printed(0.7)
    exact = float(mpmath.diff(lambda x: mpmath.sin(x**2), 0.7))
    assert right == pytest.approx(exact, rel=1e-12)
    assert engine == pytest.approx(exact, rel=1e-12)
    assert printed == pytest.approx(math.cos(0.7) * 1.4) and abs(printed - exact) > 0.1


@pytest.mark.parametrize("z", [40.0, 800.0])
def test_log_loss_at_one(z: float) -> None:
    e = q4.at_the_edge(z)
    assert e.a == 1.0 and e.naive == math.inf
    with mpmath.workdps(400):
        exact = mpmath.log(1 + mpmath.exp(z))
    assert e.stable == pytest.approx(float(exact), rel=1e-15)
    assert e.stable_slope == pytest.approx(1.0, rel=1e-15)


@pytest.mark.parametrize("z", [-3.0, 0.2, 2.0])
@pytest.mark.parametrize("y", [0.0, 1.0])
def test_both_forms_are_one_function(z: float, y: float) -> None:
    e = q4.at_the_edge(z, y)
    assert e.stable == pytest.approx(e.naive, rel=1e-12)
    assert e.stable_slope == pytest.approx(e.a - y, rel=1e-12)
    assert e.naive_slope == pytest.approx(e.a - y, rel=1e-12)


def test_logistic_regression_step_by_step() -> None:
    found = {name: value for name, _, value in q4.logistic_regression()}

    def loss(w1: float, w2: float, b: float) -> mpmath.mpf:
        return mpmath.log(1 + mpmath.exp(-(1.5 * w1 - 0.5 * w2 + b)))

    orders = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    exact = [float(mpmath.diff(loss, (0.4, 0.9, -0.3), order)) for order in orders]
    assert [*found["∂L/∂w"], found["∂L/∂b"]] == pytest.approx(exact, rel=1e-9)
    assert found["∂L/∂z"] == pytest.approx(exact[2], rel=1e-9)
