"""Random points: what variables are said to be, what definitions need, and what may go wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from backlit.core.errors import InputError
from backlit.explain.equation.values.arithmetic import Floats
from backlit.explain.equation.values.draws import PROPERTIES, RANGES, Leaf, Wave, draw
from backlit.explain.equation.values.evaluate import EvaluationFault, ShapeFault
from backlit.explain.equation.values.program import Program
from tests.explain.equation.trees import (
    add,
    beside,
    call,
    compare,
    d,
    div,
    leaf,
    mlp,
    neg,
    node,
    power,
    sub,
    t,
    times,
)

RNG = np.random.default_rng


def test_values_are_moderate_distinct_and_not_special() -> None:
    values = draw(leaf(30, 9), RNG(0)) * (30 / 9) ** 0.5
    assert np.all((np.abs(values) >= 0.2) & (np.abs(values) <= 1.5))
    assert len(np.unique(np.abs(values))) == values.size
    assert (values > 0).any() and (values < 0).any()


HOLDS: dict[str, Any] = {
    "positive": lambda x: np.all(x > 0),
    "in (0, 1)": lambda x: np.all((x > 0) & (x < 1)),
    "above 1": lambda x: np.all(x > 1),
    "integer": lambda x: np.all(x == np.round(x)) and np.all(x > 1),
    "binary": lambda x: set(np.unique(x)) == {0.0, 1.0},
    "1 or -1": lambda x: set(np.unique(x)) == {-1.0, 1.0},
    "one-hot rows": lambda x: np.all(np.sort(x, axis=1)[:, -1] == 1) and np.all(x.sum(1) == 1),
    "one-hot columns": lambda x: np.all(np.sort(x, axis=0)[-1] == 1) and np.all(x.sum(0) == 1),
    "rows sum to 1": lambda x: np.all(x > 0) and np.all(x.sum(1) == 1),
    "columns sum to 1": lambda x: np.all(x > 0) and np.all(x.sum(0) == 1),
    "symmetric": lambda x: np.all(x == x.T),
    "positive definite": lambda x: np.all(x == x.T) and np.linalg.eigvalsh(x).min() > 0,
    "diagonal": lambda x: np.all(x == np.diag(np.diag(x))) and np.all(np.diag(x) != 0),
    "upper triangular": lambda x: np.all(x == np.triu(x)),
    "lower triangular": lambda x: np.all(x == np.tril(x)),
}


@pytest.mark.parametrize("name", sorted(PROPERTIES))
def test_properties(name: str) -> None:
    assert set(HOLDS) == set(PROPERTIES)
    drawn = [draw(leaf(4, 4, properties=name), RNG(seed)) for seed in range(5)]
    assert all(x.shape == (4, 4) and HOLDS[name](x) for x in drawn)
    assert any(not np.array_equal(drawn[0], x) for x in drawn[1:])


def test_a_single_label_takes_both_values() -> None:
    drawn = {float(draw(leaf(properties="binary"), RNG(seed))) for seed in range(20)}
    assert drawn == {0.0, 1.0}


def test_properties_together_and_of_vectors() -> None:
    both = draw(leaf(4, 4, properties="positive;symmetric"), RNG(0))
    assert np.all(both > 0) and np.all(both == both.T)
    assert sorted(draw(leaf(5, properties="one-hot columns"), RNG(0))) == [0, 0, 0, 0, 1]
    with pytest.raises(InputError, match="no property 'odd'"):
        Leaf((2,), frozenset(["odd"]))


def test_a_function_of_the_students_own() -> None:
    wave, floats = Wave(RNG(0)), Floats()
    x = RNG(1).normal(size=50) * 3
    value = wave(floats, 0, x)
    assert np.all((value > 0.1) & (value < 0.9))
    for order in range(4):
        slope = (wave(floats, order, x + 1e-6) - wave(floats, order, x - 1e-6)) / 2e-6
        np.testing.assert_allclose(wave(floats, order + 1, x), slope, atol=1e-8)
    other = Wave(RNG(2))
    assert np.abs(other(floats, 0, x) - value).max() > 0.01


NEEDS = [
    (call("log", "x"), "x"),
    (call("sqrt", "x"), "x"),
    (call("log", sub(1, "x")), "x"),
    (call("log", sub(1, power("x", 2))), "x"),
    (call("arctanh", "x"), "x"),
    (call("arccosh", "x"), "x"),
    (call("log", times("x", "y")), "x"),
    (power("x", 0.3), "x"),
    (call("log", call("log", "x")), "x"),
]


@pytest.mark.parametrize("case", range(len(NEEDS)))
def test_what_a_definition_needs_is_assumed_and_told(case: int) -> None:
    expression, name = NEEDS[case]
    # Through another definition and in an array, so that chance does not help.
    program = Program([("z", node("x")), ("f", expression)], {"x": leaf(6), "y": leaf(6)})
    points = [program.draw(RNG(seed)) for seed in range(10)]
    assert all(np.all(np.isfinite(point.value("f"))) for point in points)
    assert program.assumed[name] in RANGES
    assert "z" not in program.assumed


def test_nothing_is_assumed_that_is_not_needed() -> None:
    program = mlp("tanh", "sigmoid")
    for seed in range(5):
        program.draw(RNG(seed))
    assert program.assumed == {}
    rooted = Program(
        [("p", call("softmax", "z")), ("L", call("log", "p")), ("s", call("sqrt", power("z", 2)))],
        {"z": leaf(3)},
    )
    rooted.draw(RNG(0))
    assert rooted.assumed == {}


def test_points_keep_away_from_kinks() -> None:
    program = Program(
        [("Z", beside("W", "X")), ("A", call("relu", "Z")), ("M", compare(">", "A", 0))],
        {"W": leaf(5, 4), "X": leaf(4, 6)},
    )
    for seed in range(20):
        assert np.abs(program.draw(RNG(seed)).value("Z")).min() > 1e-5


def test_a_tie_that_is_always_there_is_no_kink_to_keep_away_from() -> None:
    program = Program(
        [
            ("A", call("max", "z", axis=0)),
            ("M", compare("==", "z", "A")),
            ("f", call("max", "z", "z")),
        ],
        {"z": leaf(4)},
    )
    assert program.draw(RNG(0)).value("M").sum() == 1


def test_what_is_never_finite() -> None:
    program = Program(
        [("a", times("x", "x")), ("f", call("log", neg(call("exp", "x"))))], {"x": leaf()}
    )
    with pytest.raises(EvaluationFault, match="f was not finite") as caught:
        program.draw(RNG(0))
    assert caught.value.symbol == "f"


def test_large_arrays_stay_moderate() -> None:
    program = mlp("relu", "relu", "sigmoid", m=100, sizes=(784, 64, 32, 10))
    point = program.draw(RNG(0))
    assert max(np.abs(point.value(s)).max() for s in program.symbols) < 100


def test_definitions_are_sorted_and_checked() -> None:
    program = Program([("b", add("a", 1)), ("a", times("x", 2))], {"x": leaf()})
    assert list(program.definitions) == ["a", "b"]
    assert program.ancestors("b") == {"a", "x"}
    with pytest.raises(InputError, match="through itself"):
        Program([("a", node("b")), ("b", node("a"))], {})
    with pytest.raises(InputError, match="c, in the definition of a, is not defined"):
        Program([("a", node("c"))], {})
    with pytest.raises(InputError, match="2 times"):
        Program([("a", node("x")), ("a", node("x"))], {"x": leaf()})
    with pytest.raises(InputError, match="2 times"):
        Program([("x", node(1))], {"x": leaf()})


def test_a_fault_says_in_which_definition() -> None:
    program = Program([("a", node("x")), ("b", add("a", "y"))], {"x": leaf(2), "y": leaf(3)})
    for ask in (lambda: program.shapes, lambda: program.draw(RNG(0))):
        with pytest.raises(ShapeFault) as caught:
            ask()
        assert caught.value.symbol == "b" and caught.value.shapes == ((2,), (3,))


def test_a_program_too_large() -> None:
    program = Program([("A", call("outer", "x", "x"))], {"x": leaf(1500)})
    with pytest.raises(EvaluationFault, match="cap") as caught:
        program.draw(RNG(0))
    assert caught.value.symbol == "A"
    with pytest.raises(EvaluationFault, match="cap"):
        Program([("a", node("x"))], {"x": leaf(3000, 3000)}).draw(RNG(0))


def test_unknown_variables_of_a_claim() -> None:
    point = mlp("sigmoid").draw(RNG(0))
    for claim in (node("Q"), d("J", "Q"), d("Q", "W1"), div(1, t("Q"))):
        with pytest.raises(EvaluationFault, match="Q is not a variable"):
            point.evaluate(claim)
