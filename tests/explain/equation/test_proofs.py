"""Proofs: what is an identity is found to be one, what is not never is, however close it comes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from backlit.explain.equation.tree import Node
from backlit.explain.equation.values.program import Leaf, Program
from backlit.explain.equation.values.proofs import Prover
from tests.explain.equation.trees import (
    add,
    at,
    beside,
    call,
    compare,
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

Definitions = list[tuple[str, Node]]


def exp(x: Any) -> Node:
    return call("exp", x)


def log(x: Any) -> Node:
    return call("log", x)


def sqrt(x: Any) -> Node:
    return call("sqrt", x)


def sums(x: Any, **options: Any) -> Node:
    return call("sum", x, **options)


@pytest.mark.parametrize(
    "activations",
    [("sigmoid",), ("tanh", "sigmoid"), ("relu", "sigmoid"), ("relu", "g", "sigmoid")],
)
def test_backward_equations_of_networks(activations: tuple[str, ...]) -> None:
    program = mlp(*activations, m=5)
    for left, right in mlp_claims(*activations, m=5):
        assert program.proved(left, right)
        assert not program.proved(left, times(2, right))


def test_masks_of_a_network() -> None:
    """More conditions than could all be tried: they are proved with the conditions left open."""
    program = mlp("relu", "sigmoid", m=5)
    before = beside(t("W2"), d("J", "Z2"))
    for mask in (
        compare(">", "Z1", 0),
        compare(">=", "Z1", 0),
        compare(">", "A1", 0),
        call("sign", "A1"),
        call("step", "A1"),
        call("relu", "Z1", order=1),
        call("where", compare("<", "Z1", 0), 0, 1),
    ):
        assert program.proved(d("J", "Z1"), times(before, mask))
    for mask in (compare("<", "Z1", 0), compare(">=", "A1", 0), call("sign", "Z1"), node(1)):
        assert not program.proved(d("J", "Z1"), times(before, mask))


SCALARS = {name: leaf() for name in "xyuvn"}

# (definition of f, its derivative by x): identities over single numbers.
DERIVATIVES: list[tuple[Node, Node]] = [
    (power("x", 5), times(5, power("x", 4))),
    (power("x", -3), times(-3, power("x", -4))),
    (call("tanh", "x"), sub(1, power("f", 2))),
    (call("tanh", "x"), div(4, power(add(exp("x"), exp(neg("x"))), 2))),
    (call("sigmoid", "x"), times("f", sub(1, "f"))),
    (call("sigmoid", "x"), div(exp(neg("x")), power(add(1, exp(neg("x"))), 2))),
    (call("softplus", "x"), call("sigmoid", "x")),
    (call("silu", "x"), add("f", times(call("sigmoid", "x"), sub(1, "f")))),
    (log(call("cosh", "x")), call("tanh", "x")),
    (exp(call("sin", power("x", 2))), times(2, "x", call("cos", power("x", 2)), "f")),
    (power(call("sin", "x"), 2), call("sin", times(2, "x"))),
    (call("arctan", "x"), div(1, add(1, power("x", 2)))),
    (call("gelu", "x"), add(call("Phi", "x"), times("x", call("Phi", "x", order=1)))),
    (power("x", "n"), times("n", power("x", sub("n", 1)))),
    (power("x", div(2, 3)), times(div(2, 3), power("x", div(-1, 3)))),
    (call("cbrt", "x"), div("f", times(3, "x"))),
    (sqrt("x"), div(1, times(2, "f"))),
    (sqrt("x"), div("f", times(2, "x"))),
    (sqrt("x"), times(0.5, power("x", -0.5))),
    (sqrt(add(power("x", 2), 1)), div("x", "f")),
    (sqrt(power("x", 2)), call("sign", "x")),
    (call("abs", "x"), call("sign", "x")),
    (call("abs", "x"), div("x", call("abs", "x"))),
    (call("relu", "x"), compare(">", "x", 0)),
    (call("relu", "x"), compare(">", "f", 0)),
    (call("relu", times(2, "x")), times(2, compare(">", "x", 0))),
    (call("max", "x", "y"), compare(">", "x", "y")),
    (call("relu", call("relu", "x")), compare(">=", "x", 0)),
    (exp(add("x", "y")), times(exp("x"), exp("y"))),
    (exp(div("x", 2)), div(sqrt(exp("x")), 2)),
    (times("x", log("x")), add(log("x"), 1)),
    (call("g", times("x", "y")), times("y", call("g", times("x", "y"), order=1))),
]


@pytest.mark.parametrize("case", range(len(DERIVATIVES)))
def test_derivatives_of_functions(case: int) -> None:
    definition, derivative = DERIVATIVES[case]
    program = Program([("f", definition)], SCALARS)
    assert program.proved(d("f", "x"), derivative)


# What holds nearly, or nearly everywhere. Each is (definition of f, what f is said to be).
FALSE: list[tuple[Node, Node]] = [
    # A term of size 1e-12, and one of 1e-300.
    (power("x", 2), add(times("x", "x"), times(1e-12, "x"))),
    (power("x", 2), add(power("x", 2), div("y", 10**300))),
    # Coefficients that are zero modulo well-known primes.
    (node("x"), add("x", times(2**127 - 1, "y"))),
    (node("x"), add("x", times((2**61 - 1) * (2**31 - 1) * (2**89 - 1), "y"))),
    # On another branch it is something else, however far away that is.
    (call("relu", add("x", 100)), add("x", 100)),
    (call("relu", add("x", 10**9)), add("x", 10**9)),
    (call("abs", "x"), node("x")),
    (call("max", "x", sub("x", power("y", 2))), node("x")),
    (call("max", "x", "y"), node("x")),
    (call("clip", "x", -1000, 1000), node("x")),
    (call("leaky_relu", "x"), times("x", compare(">", "x", 0))),
    (sqrt(power("x", 2)), node("x")),
    (sqrt(times("x", "x", "y", "y")), times("x", "y")),
    (sqrt(add(add(power("x", 2), times(2, "x", "y")), power("y", 2))), add("x", "y")),
    (times(call("abs", "x"), call("abs", "y")), times("x", "y")),
    (power(power("x", 2), 0.5), node("x")),
    (sqrt(29 * 29), node(-29)),
    (sqrt(29 * 31 * 31), times(-31, sqrt(29))),
    (exp(div(log(power("x", 2)), 2)), node("x")),
    (sqrt(exp(add(log(power("x", 2)), log(power("y", 2))))), times("x", "y")),
    (times(sqrt(power("x", 2)), sqrt("y"), sqrt("y")), times("x", "y")),
    (power(sqrt(sqrt(power("x", 2))), 2), node("x")),
    # What is zero on a branch is not positive there, nor negative.
    (compare(">", call("relu", "x"), 0), node(0)),
    (
        compare(">=", times("y", call("relu", "x")), 0),
        compare(">", times("y", call("relu", "x")), 0),
    ),
    # An equality may hold at some points.
    (times("x", compare("==", call("relu", "x"), 0)), node(0)),
    (call("relu", compare(">=", call("relu", "x"), 0)), compare(">", "x", 0)),
    (call("sign", call("relu", "x")), call("sign", "x")),
    (call("step", call("relu", neg(call("relu", "x"))), 0.5), node(0)),
    # Other functions, the same at one or many places.
    (call("g", "x"), call("sigmoid", "x")),
    (call("g", "x"), call("h", "x")),
    (call("g", neg("x")), call("g", "x")),
    (exp(times("x", "y")), times(exp("x"), exp("y"))),
    (log(add("x", "y")), add(log("x"), log("y"))),
    (call("sin", "x"), sub("x", div(power("x", 3), 6))),
    (call("cos", times(2, "x")), times(2, call("cos", "x"))),
    (call("floor", "x"), node("x")),
    (call("floor", "x"), node(0)),
    (call("erf", "x"), call("tanh", "x")),
    (power("x", "n"), power("x", add("n", 1))),
    (node("x"), node("y")),
    (node(0), node(2**4000)),
]


@pytest.mark.parametrize("case", range(len(FALSE)))
def test_what_is_not_an_identity_is_never_proved(case: int) -> None:
    definition, other = FALSE[case]
    program = Program([("f", definition)], SCALARS)
    for seed in range(8):
        assert not Prover(program, seed).proved(node("f"), other)


def test_degrees_are_kept_track_of() -> None:
    """x to the power 2²⁰⁰ by repeated squaring has too high a degree for any proof."""
    squares = [("a0", times("x", "x"))]
    squares += [(f"a{k}", times(f"a{k - 1}", f"a{k - 1}")) for k in range(1, 200)]
    program = Program(squares, {"x": leaf()})
    assert program.proved(node("a5"), power("x", 64))
    assert not program.proved(node("a199"), times("a198", "a198"))


def layers(n: int, m: int) -> dict[str, Leaf]:
    return {"z": leaf(n, m), "y": leaf(n, m), "w": leaf(n, m)}


STABLE = add(sub(call("maximum", "z", 0), times("z", "y")), log(add(1, exp(neg(call("abs", "z"))))))


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (5, 7)])
def test_every_element_is_tried_on_all_its_branches(shape: tuple[int, int]) -> None:
    """The stable form of the log loss has the gradient a − y on either side of zero."""
    program = Program([("a", call("sigmoid", "z")), ("J", sums(STABLE))], layers(*shape))
    assert program.proved(d("J", "z"), sub("a", "y"))
    # Right where z > 0 only, in one element only.
    wrong = add(sub("a", "y"), times(compare("<", "z", 0), 1e-9))
    assert not program.proved(d("J", "z"), wrong)
    spoilt = call("relu", neg(at("z", shape[0] - 1, shape[1] - 1)))
    assert not program.proved(d("J", "z"), add(sub("a", "y"), spoilt))


def test_branches_that_have_to_come_together() -> None:
    """x > 0 and y > 0 and u > 0 and v < 0: one of sixteen branches makes the difference."""
    corner = times(
        compare(">", "x", 0), compare(">", "y", 0), compare(">", "u", 0), compare("<", "v", 0)
    )
    program = Program([("f", call("abs", "x"))], SCALARS)
    right = times("x", call("sign", "x"))
    assert program.proved(node("f"), right)
    assert not program.proved(node("f"), add(right, corner))


def test_one_hot_rows() -> None:
    one_hot = {"Y": leaf(4, 3, properties="one-hot rows"), "z": leaf(4, 3)}
    program = Program(
        [("P", call("softmax", "z")), ("J", neg(sums(times("Y", log("P")))))], one_hot
    )
    assert program.proved(d("J", "z"), sub("P", "Y"))
    assert program.proved(times("Y", "Y"), node("Y"))
    assert program.proved(times(at("Y", 0, 0), at("Y", 0, 1)), node(0))
    # Of two rows: both may be of one class.
    assert not program.proved(times(at("Y", 0, 0), at("Y", 1, 0)), node(0))
    assert not program.proved(at("Y", 0, 0), node(0))
    assert not program.proved(compare("==", "Y", 1), call("zeros_like", "Y"))
    plain = Program(list(program.definitions.items()), {**one_hot, "Y": leaf(4, 3)})
    assert not plain.proved(d("J", "z"), sub("P", "Y"))
    assert not plain.proved(times("Y", "Y"), node("Y"))


def test_what_properties_say_is_used_and_no_more() -> None:
    leaves = {
        "S": leaf(3, 3, properties="symmetric"),
        "A": leaf(3, 3),
        "b": leaf(4, properties="binary"),
        "p": leaf(3, properties="positive"),
        "k": leaf(properties="integer"),
        "U": leaf(3, 3, properties="upper triangular"),
        "D": leaf(3, 3, properties="diagonal"),
        "q": leaf(5, properties="rows sum to 1"),
    }
    program = Program([("f", sums("A"))], leaves)
    assert program.proved(t("S"), node("S")) and not program.proved(t("A"), node("A"))
    assert program.proved(times("b", "b"), node("b"))
    assert not program.proved(times(at("b", 0), at("b", 1)), node(0))
    assert program.proved(sqrt(times("p", "p")), node("p"))
    assert program.proved(call("abs", "p"), node("p"))
    assert not program.proved(call("abs", sub("p", 0.1)), sub("p", 0.1))
    assert not program.proved(compare("==", "k", 3), node(0))
    assert program.proved(call("det", "U"), call("prod", call("diag", "U")))
    assert program.proved(t("D"), node("D"))
    assert program.proved(sums("q"), node(1))


def test_batch_norm_with_its_roots() -> None:
    """The root of a variance is taken where its square is needed, one column at a time."""
    m = 5
    program = Program(
        [
            ("mu", call("mean", "X", axis=0)),
            ("v", call("mean", power(sub("X", "mu"), 2), axis=0)),
            ("s", sqrt(add("v", 1e-5))),
            ("xhat", div(sub("X", "mu"), "s")),
            ("J", sums(times("xhat", "R"))),
        ],
        {"X": leaf(m, 4), "R": leaf(m, 4)},
    )
    dx = d("J", "xhat")
    inner = sub(sub(times(m, dx), sums(dx, axis=0)), times("xhat", sums(times(dx, "xhat"), axis=0)))
    assert program.proved(d("J", "X"), div(inner, times(m, "s")))
    assert program.proved(sums(d("J", "X"), axis=0), call("zeros", 4))
    assert program.proved(
        d("J", "v"), div(times(-0.5, sums(times(dx, "xhat"), axis=0)), add("v", 1e-5))
    )
    assert not program.proved(d("J", "X"), div(inner, times(m, sqrt("v"))))


def test_matrix_calculus() -> None:
    definite = leaf(3, 3, properties="positive definite")
    program = Program(
        [
            ("f", beside(beside(t("x"), "A"), "x")),
            ("h", log(call("det", "S"))),
            ("k", call("trace", beside(call("inv", "A"), "B"))),
            ("n", call("norm", "x")),
        ],
        {"x": leaf(3), "A": leaf(3, 3), "B": leaf(3, 3), "S": definite},
    )
    inverse = call("inv", "A")
    assert program.proved(d("f", "x"), beside(add("A", t("A")), "x"))
    assert not program.proved(d("f", "x"), times(2, beside("A", "x")))
    assert program.proved(d("f", "A"), beside("x", t("x")))
    assert program.proved(d("h", "S"), t(call("inv", "S")))
    assert program.proved(d("h", "S"), call("inv", "S"))
    assert program.proved(d("k", "A"), neg(t(beside(beside(inverse, "B"), inverse))))
    assert program.proved(d("n", "x"), div("x", "n"))
    assert program.proved(d("f", "x", "x"), add("A", t("A")))


def test_a_proof_that_would_take_too_long_is_not_tried() -> None:
    program = Program([("f", sums(power("X", 2)))], {"X": leaf(300, 200)})
    assert not program.proved(d("f", "X"), times(2, "X"))
    assert program.equal(d("f", "X"), times(2, "X"), [program.draw(np.random.default_rng(0))]).equal
