"""The engine's derivatives against differences with many digits, dual numbers and residues."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlit.explain.equation.tree import Node
from backlit.explain.equation.values.arithmetic import Floats
from backlit.explain.equation.values.differences import complex_step
from backlit.explain.equation.values.duals import Dual
from backlit.explain.equation.values.evaluate import EvaluationFault, ShapeFault
from backlit.explain.equation.values.forward import Forward
from backlit.explain.equation.values.modular import Modular, Unknown
from backlit.explain.equation.values.program import Program
from backlit.explain.equation.values.residues import random_prime
from tests.explain.equation.differences import central
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
    neg,
    node,
    power,
    sub,
    t,
    times,
    total,
)

RNG = np.random.default_rng

# --- programs drawn at random ---------------------------------------------------------------------

LEAVES = {"s": leaf(), "v": leaf(3), "M": leaf(2, 3), "N": leaf(3, 2), "Q": leaf(3, 3)}
SMOOTH = ("sin", "tanh", "sigmoid", "softplus", "exp", "arctan", "erf", "gelu", "silu", "g")
KINKED = ("relu", "abs", "leaky_relu", "elu")


@st.composite
def programs(draw: Any, rational: bool = False) -> Program:
    """Draw a program of a few definitions that ends in a single number J."""
    shapes = {name: x.shape for name, x in LEAVES.items()}
    definitions: list[tuple[str, Node]] = []
    for k in range(draw(st.integers(2, 6))):
        names = sorted(shapes)
        x = draw(st.sampled_from(names))
        options: list[tuple[Node, tuple[int, ...]]] = [
            (power(x, 2), shapes[x]),
            (neg(x), shapes[x]),
            (t(x), shapes[x][::-1]),
            (total(x), ()),
            (call("relu", x), shapes[x]),
            (times(x, compare(">", x, "s")), shapes[x]),
        ]
        if shapes[x]:
            options.append((call("sum", x, axis=-1), shapes[x][:-1]))
            options.append((call("mean", x, axis=0, keepdims=True), (1, *shapes[x][1:])))
            options.append((call("max", x, axis=0), shapes[x][1:]))
            options.append((call("stack", (x, times(2, x))), (2, *shapes[x])))
            options.append((at(x, -1), shapes[x][1:]))
        for y in names:
            if shapes[y] in (shapes[x], ()):
                options.append((add(x, y), shapes[x]))
                options.append((times(x, y), shapes[x]))
                options.append((sub(times("s", x), y), shapes[x]))
                options.append((call("where", compare(">", "s", 0), y, x), shapes[x]))
                options.append((call("maximum", x, y), shapes[x]))
            if shapes[x] and shapes[y] and shapes[x][-1] == shapes[y][max(0, len(shapes[y]) - 2)]:
                if len(shapes[x]) <= 2 and len(shapes[y]) <= 2:
                    options.append((beside(x, y), (*shapes[x][:-1], *shapes[y][1:])))
        if not rational:
            f = draw(st.sampled_from((*SMOOTH, *KINKED)))
            options.append((call(f, x), shapes[x]))
            options.append((div(x, add(2, power(x, 2))), shapes[x]))
            if shapes[x]:
                options.append((call("softmax", x, axis=-1), shapes[x]))
                options.append((call("std", x), ()))
        if rational and len(shapes[x]) != 1:
            options = [o for o in options if o[1] != (1,)]
        expression, shape = draw(st.sampled_from(options))
        definitions.append((f"a{k}", expression))
        shapes[f"a{k}"] = shape
    last = [total(name) for name, _ in definitions]
    definitions.append(("J", add(*last) if len(last) > 1 else last[0]))
    return Program(definitions, LEAVES)


def agree(x: Any, y: Any, largest: float = 1.0) -> None:
    x, y = np.asarray(x, float), np.asarray(y, float)
    assert x.shape == y.shape
    largest = max(largest, np.abs(x).max(initial=0.0))
    np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-11 * largest)


@settings(max_examples=60, deadline=None)
@given(programs(), st.integers(0, 10**6), st.data())
def test_the_engine_agrees_with_everything_else(program: Program, seed: int, data: Any) -> None:
    point = program.draw(RNG(seed))
    # max(x, relu(x)) has no derivative by relu(x) alone where the two are one number.
    symbols = sorted(LEAVES) if _branching(program) else program.symbols
    wrt = data.draw(st.sampled_from(symbols))
    engine, largest = point.derivative("J", wrt), program.largest("elementwise")
    agree(engine, central(point, d("J", wrt)), largest)
    agree(engine.ravel(), complex_step(point, "J", wrt)[0], largest)
    duals = Forward(program, Floats(), point.leaves, point.functions)
    agree(engine, duals.derivative("J", wrt), largest)
    other = data.draw(st.sampled_from(symbols))
    second = d("J", wrt, other)
    if program.shape(wrt) == () or program.shape(other) == ():
        agree(point.evaluate(second), central(point, second), largest)
        agree(point.evaluate(second), duals.evaluate(second), largest)


@settings(max_examples=60, deadline=None)
@given(programs(rational=True), st.integers(0, 10**6), st.data())
def test_the_engine_agrees_with_residues(program: Program, seed: int, data: Any) -> None:
    """With whole numbers in them, programs of products and sums are exact in both."""
    rng = RNG(seed)
    leaves = {name: rng.choice([-3.0, -2.0, 2.0, 3.0, 5.0], x.shape) for name, x in LEAVES.items()}
    point = program.draw(rng)
    point = type(point)(program, leaves, point.functions, Floats())
    prime = random_prime(random.Random(seed))
    wrt = data.draw(st.sampled_from(program.symbols))
    engine = point.derivative("J", wrt)
    if np.abs(engine).max() > 2**50 or _branching(program):
        return
    modular = Modular(prime, seed)
    exact = {
        name: modular.array(np.vectorize(int, otypes=[object])(x) % prime)
        for name, x in leaves.items()
    }
    residues = Forward(program, modular, exact, Unknown).derivative("J", wrt).items
    numerators = np.vectorize(round, otypes=[object])(np.asarray(engine) * 12)
    assert np.all(numerators % prime == residues * 12 % prime)


def _branching(program: Program) -> bool:
    text = str(list(program.definitions.values()))
    return any(word in text for word in (*KINKED, "max", "Compare"))


# --- layouts --------------------------------------------------------------------------------------


def layered() -> Program:
    return Program(
        [("z", beside("W", "x")), ("a", call("tanh", "z")), ("J", total(power("a", 2)))],
        {"W": leaf(3, 4), "x": leaf(4)},
    )


def test_layouts_of_a_jacobian() -> None:
    point = layered().draw(RNG(0))
    w, slope = point.value("W"), 1 - point.value("a") ** 2
    np.testing.assert_allclose(point.derivative("z", "x", "numerator"), w, rtol=1e-14)
    np.testing.assert_allclose(point.derivative("z", "x", "denominator"), w.T, rtol=1e-14)
    np.testing.assert_allclose(point.derivative("a", "z", "elementwise"), slope, rtol=1e-14)
    np.testing.assert_allclose(point.derivative("a", "z", "numerator"), np.diag(slope), rtol=1e-14)
    with pytest.raises(ShapeFault, match="Jacobian"):
        point.derivative("z", "x")
    # ∂z_i/∂W_jk = x_k for i = j.
    long = np.einsum("ij,k->ijk", np.eye(3), point.value("x"))
    np.testing.assert_allclose(point.derivative("z", "W", "numerator"), long, rtol=1e-14)
    back = np.moveaxis(long, 0, -1)
    np.testing.assert_allclose(point.derivative("z", "W", "denominator"), back, rtol=1e-14)


@pytest.mark.parametrize("layout", ["numerator", "denominator"])
def test_the_chain_rule_with_a_matrix_below(layout: Any) -> None:
    program = layered()
    points = [program.draw(RNG(k)) for k in range(3)]
    factors = (d("J", "a"), d("a", "z"), d("z", "W"))
    product = beside(*(factors if layout == "numerator" else factors[::-1]))
    assert program.equal(d("J", "W"), product, points, layout).equal
    assert program.proved(d("J", "W"), product, layout)
    ends = (d("J", "a"), d("z", "W"))
    short = beside(*(ends if layout == "numerator" else ends[::-1]))
    assert not program.equal(d("J", "W"), short, points, layout).equal


@pytest.mark.parametrize("layout", ["numerator", "denominator"])
def test_the_chain_rule_in_both_conventions(layout: Any) -> None:
    program = layered()
    points = [program.draw(RNG(k)) for k in range(3)]
    factors = (d("J", "a"), d("a", "z"), d("z", "x"))
    product = beside(*(factors if layout == "numerator" else factors[::-1]))
    assert program.equal(d("J", "x"), product, points, layout).equal
    assert program.proved(d("J", "x"), product, layout)
    assert program.proved(d("a", "x"), beside(*factors[1:]), "numerator")


def test_a_softmax_is_not_elementwise() -> None:
    program = Program([("p", call("softmax", "z"))], {"z": leaf(4)})
    point = program.draw(RNG(0))
    p = point.value("p")
    np.testing.assert_allclose(
        point.derivative("p", "z", "numerator"), np.diag(p) - np.outer(p, p), rtol=1e-13
    )
    with pytest.raises(ShapeFault):
        point.derivative("p", "z")
    with pytest.raises(EvaluationFault, match="matrix"):
        point.evaluate(call("softmax", "z", order=1))


def test_a_row_and_a_column_are_vectors() -> None:
    program = Program([("z", beside("W", "x")), ("r", t("z"))], {"W": leaf(3, 4), "x": leaf(4, 1)})
    point = program.draw(RNG(0))
    for target in ("z", "r"):
        np.testing.assert_array_equal(point.derivative(target, "x", "numerator"), point.value("W"))


def test_second_derivatives() -> None:
    program = Program(
        [("z", beside("W", "x")), ("a", call("g", "z")), ("J", total(power("a", 2)))],
        {"W": leaf(3, 4), "x": leaf(4)},
    )
    point = program.draw(RNG(0))
    for claim in (d("J", "x", "x"), d("J", "z", "x"), d("J", at("W", 1, 2), at("x", 3))):
        agree(point.evaluate(claim), central(point, claim))
    assert program.proved(d("a", "z", "z"), call("g", "z", order=2))
    assert program.proved(d("J", "x", "x"), beside(beside(t("W"), d("J", "z", "z")), "W"))
    with pytest.raises(ShapeFault, match="more than two indices"):
        point.evaluate(d("J", "W", "W"))


# --- derivatives inside definitions ---------------------------------------------------------------


def stepped() -> Program:
    """One step of gradient descent, and the loss after it."""
    return Program(
        [
            ("J2", total(power(sub(call("g", beside("W2", "x")), "y"), 2))),
            ("a", call("g", beside("W", "x"))),
            ("J", total(power(sub("a", "y"), 2))),
            ("W2", sub("W", times("eta", d("J", "W")))),
        ],
        {"W": leaf(3, 4), "x": leaf(4), "y": leaf(3), "eta": leaf()},
    )


@pytest.mark.parametrize("wrt", ["W", "eta", "y", "W2", "a"])
def test_differentiating_through_an_update_step(wrt: str) -> None:
    point = stepped().draw(RNG(0))
    agree(point.derivative("J2", wrt), central(point, d("J2", wrt)))


def test_what_depends_on_what() -> None:
    program = stepped()
    assert program.depends("J2", "eta") and program.depends("W2", "y")
    assert not program.depends("J", "eta") and not program.depends("W", "W2")
    point = program.draw(RNG(0))
    assert not point.derivative("J", "eta").any()
    by_hand = neg(total(times(d("J2", "W2"), d("J", "W"))))
    assert program.proved(d("J2", "eta"), by_hand)


def test_a_delta_that_is_defined_by_derivatives() -> None:
    base = mlp("tanh", "sigmoid", m=4)
    delta = ("delta", times(d("J", "A1"), d("A1", "Z1")))
    program = Program([delta, *base.definitions.items()], base.leaves)
    points = [program.draw(RNG(0))]
    assert program.equal(node("delta"), d("J", "Z1"), points).equal
    assert program.proved(node("delta"), d("J", "Z1"))
    assert program.proved(d("J", "W1"), beside("delta", t("X")))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((2, 3), (5, 3, 4)),
        ((3,), (5, 3, 4)),
        ((5, 2, 3), (3, 4)),
        ((5, 2, 3), (5, 3, 4)),
        ((2, 3), (3, 4)),
        ((3,), (3,)),
        ((5, 2, 3), (3,)),
        ((3,), (3, 4)),
    ],
)
def test_directions_of_matrix_products_of_stacks(one: Any, other: Any) -> None:
    rng = RNG(0)
    x, y = rng.normal(size=one), rng.normal(size=other)
    dx, dy = rng.normal(size=(6, *one)), rng.normal(size=(6, *other))
    both = (Dual(x, dx) @ Dual(y, dy)).tangent
    left, right = (Dual(x, dx) @ Dual(y, None)).tangent, (Dual(x, None) @ Dual(y, dy)).tangent
    expected = np.stack([dx[k] @ y + x @ dy[k] for k in range(6)])
    np.testing.assert_allclose(both, expected, rtol=1e-12)
    np.testing.assert_allclose(left + right, expected, rtol=1e-12)
