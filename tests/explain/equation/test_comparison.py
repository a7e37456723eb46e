"""Verdicts by values: rounding is not an error, and what cancels does not hide one."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from backlit.explain.equation.tree import Node
from backlit.explain.equation.values.comparison import Comparison
from backlit.explain.equation.values.evaluate import EvaluationFault, ShapeFault
from backlit.explain.equation.values.forward import precise
from backlit.explain.equation.values.points import Point
from backlit.explain.equation.values.program import Program
from tests.explain.equation.trees import (
    add,
    beside,
    call,
    d,
    div,
    leaf,
    mlp,
    mlp_claims,
    neg,
    node,
    power,
    sub,
    t,
    times,
)

RNG = np.random.default_rng


def judged(program: Program, left: Any, right: Any) -> Comparison:
    rng = RNG(0)
    points = [program.draw(rng) for _ in range(20)]
    return program.equal(node(left), node(right), points)


def test_a_sheet_of_a_network() -> None:
    activations = ("tanh", "relu", "sigmoid")
    program = mlp(*activations)
    for left, right in mlp_claims(*activations):
        found = judged(program, left, right)
        assert found.equal and found.points == 20 and found.how == "values"
        wrong = judged(program, left, neg(right))
        assert not wrong.equal and wrong.ratio == pytest.approx(-1.0)


@pytest.mark.parametrize("factor", [-1.0, 2.0, 0.5, 7.0, 1 / 7, 1.001, 1 + 1e-6, 1 + 1e-8])
def test_the_ratio_of_a_wrong_claim(factor: float) -> None:
    program = mlp("sigmoid", m=3)
    found = judged(program, d("J", "W1"), times(beside(d("J", "Z1"), t("X")), factor))
    assert not found.equal and found.ratio == pytest.approx(factor, rel=1e-9)


def test_no_ratio_where_it_varies() -> None:
    program = mlp("sigmoid", m=3)
    assert judged(program, d("J", "W1"), node("W1")).ratio is None
    assert judged(program, d("J", "W1"), call("zeros_like", "W1")).ratio is None
    found = judged(program, call("zeros_like", "W1"), d("J", "W1"))
    assert found.ratio is None


CANCELLING: list[tuple[Node, Node]] = [
    # Right, and the rounding of the left side is larger than what remains.
    (sub(add(10**12, "x"), 10**12), node("x")),
    (sub(add(10**15, "x"), 10**15), node("x")),
    (div(sub(power(add("x", 1e-7), 2), power("x", 2)), 1e-7), add(times(2, "x"), 1e-7)),
    (sub(call("exp", "x"), add(call("sinh", "x"), call("cosh", "x"))), node(0)),
]


@pytest.mark.parametrize("case", range(4))
def test_rounding_does_not_make_a_right_claim_wrong(case: int) -> None:
    left, right = CANCELLING[case]
    program = Program([("f", left)], {"x": leaf(), "y": leaf()})
    assert judged(program, "f", right).equal
    # The same by digits alone.
    point = program.draw(RNG(1))
    x, y = precise(point, node("f")), precise(point, right)
    assert abs(x.item() - y.item()) < Decimal("1e-40")


@pytest.mark.parametrize("case", range(4))
@pytest.mark.parametrize("size", [1e-3, 1e-6, 1e-8])
def test_cancellation_does_not_make_a_wrong_claim_right(case: int, size: float) -> None:
    left, right = CANCELLING[case]
    program = Program([("f", left)], {"x": leaf(), "y": leaf()})
    found = judged(program, "f", add(right, times(size, "y")))
    assert not found.equal


def test_what_is_exactly_zero() -> None:
    """In front of a batch norm a bias has no influence: its gradient is zero up to rounding."""
    program = Program(
        [
            ("Z", add("X", "b")),
            ("C", sub("Z", call("mean", "Z", axis=0))),
            ("S", div("C", call("sqrt", add(call("mean", power("C", 2), axis=0), 1e-5)))),
            ("J", call("sum", times("R", call("tanh", "S")))),
        ],
        {"X": leaf(5, 3), "b": leaf(3), "R": leaf(5, 3)},
    )
    found = judged(program, d("J", "b"), call("zeros", 3))
    assert found.equal and found.how == "proof"
    assert not judged(program, d("J", "b"), times(1e-12, "b")).equal
    assert not judged(program, call("zeros", 3), times(1e-20, "b")).equal


def test_a_small_epsilon_that_was_left_out() -> None:
    program = Program(
        [("s", call("sqrt", add("v", 1e-8))), ("f", div("x", "s"))],
        {"x": leaf(), "v": leaf(properties="positive")},
    )
    found = judged(program, d("f", "x"), div(1, call("sqrt", "v")))
    assert not found.equal and found.how == "digits"
    assert judged(program, d("f", "x"), div(1, "s")).equal


def test_shapes_of_the_two_sides() -> None:
    program = Program([("f", call("sum", "W"))], {"W": leaf(2, 3), "s": leaf(1, 1), "u": leaf(1)})
    for right in (node(0), t("W"), call("ones", 3)):
        with pytest.raises(ShapeFault) as caught:
            judged(program, d("f", "W"), right)
        assert len(caught.value.shapes) == 2 and caught.value.span == (0, 0)
    assert judged(program, times("s", "u"), beside("s", "s")).points == 20


def test_where_a_side_is_not_finite() -> None:
    """What holds for some values only is not judged; none left is not right."""
    program = Program([("f", node("x"))], {"x": leaf()})
    fourth = power(call("sqrt", "x"), 4)
    with pytest.raises(EvaluationFault, match="positive"):
        judged(program, power("f", 2), fourth)
    positive = Program([("f", node("x"))], {"x": leaf(properties="positive")})
    assert judged(positive, power("f", 2), fourth).equal
    nowhere = judged(program, "f", call("sqrt", neg(power("x", 2))))
    assert not nowhere.equal and nowhere.points == 0


def test_the_engine_is_checked_by_the_complex_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A derivative that the engine got wrong is not passed on as the student's mistake."""
    program = Program([("f", power("x", 3))], {"x": leaf()})
    honest: Callable[..., Any] = Point.rows
    monkeypatch.setattr(Point, "rows", lambda *args: 1.001 * honest(*args))
    with pytest.raises(EvaluationFault, match="complex step"):
        judged(program, d("f", "x"), times(3, power("x", 2)))
