"""The value of a tree: products by shape, indices, options, and what is said of faults."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from backlit.explain.equation import tree
from backlit.explain.equation.tree import Node
from backlit.explain.equation.values.arithmetic import Floats
from backlit.explain.equation.values.evaluate import EvaluationFault, ShapeFault, evaluate
from tests.explain.equation.trees import (
    add,
    at,
    beside,
    call,
    compare,
    div,
    dot,
    matmul,
    neg,
    node,
    power,
    sub,
    t,
    times,
    total,
)

RNG = np.random.default_rng(0)
VALUES: dict[str, Any] = {
    "s": np.float64(1.7),
    "one": RNG.normal(size=(1, 1)),
    "u": RNG.normal(size=3),
    "v": RNG.normal(size=3),
    "w": RNG.normal(size=4),
    "A": RNG.normal(size=(2, 3)),
    "B": RNG.normal(size=(3, 4)),
    "C": RNG.normal(size=(2, 3)),
    "col": RNG.normal(size=(3, 1)),
    "row": RNG.normal(size=(1, 3)),
    "P": np.abs(RNG.normal(size=(2, 3))),
}


class Names:
    """Variables with fixed values, and one function of the student's own."""

    def value(self, symbol: str) -> Any:
        return VALUES[symbol]

    def differentiated(self, node: tree.Derivative, layout: str) -> Any:
        raise AssertionError("nothing here is differentiated")

    def function(self, name: str, order: int) -> Any:
        assert name == "f"
        return lambda *xs: sum(xs) + order


def value(expression: Any) -> Any:
    return evaluate(node(expression), Names(), Floats())


V = VALUES
PRODUCTS: list[tuple[Node, Any]] = [
    (beside("A", "B"), V["A"] @ V["B"]),
    (beside("A", "u"), V["A"] @ V["u"]),
    (beside("u", "B"), V["u"] @ V["B"]),
    (beside("u", "v"), V["u"] @ V["v"]),
    (beside(t("u"), "v"), V["u"] @ V["v"]),
    (beside("u", t("w")), np.outer(V["u"], V["w"])),
    (dot("u", t("v")), np.outer(V["u"], V["v"])),
    (beside(beside(t("u"), "B"), "w"), V["u"] @ V["B"] @ V["w"]),
    (beside("s", "A"), V["s"] * V["A"]),
    (beside("A", "s"), V["s"] * V["A"]),
    (beside("one", "A"), V["one"][0, 0] * V["A"]),
    (beside("A", "one"), V["one"][0, 0] * V["A"]),
    (beside("one", "row"), V["one"] @ V["row"]),
    (beside("row", "col"), V["row"] @ V["col"]),
    (beside("col", "row"), V["col"] @ V["row"]),
    (dot("A", "C"), V["A"] * V["C"]),
    (dot("A", "B"), V["A"] @ V["B"]),
    (times("A", "C"), V["A"] * V["C"]),
    (times("col", "row"), V["col"] * V["row"]),
    (times("A", "u"), V["A"] * V["u"]),
    (matmul("A", "s"), V["A"] * V["s"]),
    (matmul("A", "u"), V["A"] @ V["u"]),
]


@pytest.mark.parametrize("case", range(len(PRODUCTS)))
def test_products_follow_the_shapes(case: int) -> None:
    expression, expected = PRODUCTS[case]
    found = value(expression)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-14)


OTHERS: list[tuple[Any, Any]] = [
    (0.1, 0.1),
    (tree.Constant("e"), np.e),
    (tree.Constant("pi"), np.pi),
    (True, 1.0),
    (power(tree.Constant("e"), "u"), np.exp(V["u"])),
    (power("u", 2), V["u"] ** 2),
    (power("u", -3), V["u"] ** -3.0),
    (power("P", 0.5), np.sqrt(V["P"])),
    (power("P", div(-1, 3)), V["P"] ** (-1 / 3)),
    (power("P", "s"), V["P"] ** V["s"]),
    (call("power", "u", 2), V["u"] ** 2),
    (neg("u"), -V["u"]),
    (sub(add("A", 1), "C"), V["A"] + 1 - V["C"]),
    (div("A", "row"), V["A"] / V["row"]),
    (compare(">", "u", 0), V["u"] > 0),
    (compare("<=", "u", "v"), V["u"] <= V["v"]),
    (compare("!=", "u", "u"), np.zeros(3)),
    (("s", "s", 2), [V["s"], V["s"], 2]),
    ((("s", 1), (2, "s")), [[V["s"], 1], [2, V["s"]]]),
    (at("B", 1, 2), V["B"][1, 2]),
    (at("B", -1), V["B"][-1]),
    (at("col", 2), V["col"][2, 0]),
    (at("row", 2), V["row"][0, 2]),
    (tree.Element(node("B"), (tree.Slice(None, node(2)), node(0))), V["B"][:2, 0]),
    (total(power(sub("u", "v"), 2)), np.sum((V["u"] - V["v"]) ** 2)),
    (total("u", "prod"), np.prod(V["u"])),
    (total("s"), V["s"]),
    (call("f", "u", "v"), V["u"] + V["v"]),
    (call("sum", "B", 0), V["B"].sum(axis=0)),
    (call("sum", "B", axis=1, keepdims=True), V["B"].sum(axis=1, keepdims=True)),
    (call("sum", "B", axis=(0, 1)), V["B"].sum()),
    (call("max", 0, "u"), np.maximum(0, V["u"])),
    (call("leaky_relu", "u", alpha=0.3), np.where(V["u"] > 0, V["u"], 0.3 * V["u"])),
    (call("zeros", call("shape", "B")), np.zeros((3, 4))),
    (call("ones", tree.Element(call("shape", "B"), (node(1),))), np.ones(4)),
    (div(1, call("len", "B")), 1 / 3),
    (call("reshape", "B", 2, 6), V["B"].reshape(2, 6)),
    (call("concatenate", ("A", "C"), axis=0), np.concatenate([V["A"], V["C"]])),
    (call("sigmoid", "u", order=1), np.exp(-V["u"]) / (1 + np.exp(-V["u"])) ** 2),
    (call("f", "u", order=1), V["u"] + 1),
]


@pytest.mark.parametrize("case", range(len(OTHERS)))
def test_expressions(case: int) -> None:
    expression, expected = OTHERS[case]
    found = value(expression)
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_sums_over_a_running_index() -> None:
    i, k = tree.Name("i"), tree.Name("k")
    inner = tree.Series("sum", times(tree.Element(node("B"), (i, k)), i), "k", node(0), add("i", 1))
    expected = sum(i * V["B"][i, k] for i in range(3) for k in range(i + 2))
    assert value(tree.Series("sum", inner, "i", node(0), node(2))) == pytest.approx(expected)
    product = tree.Series("prod", tree.Element(node("u"), (i,)), "i", node(0), node(1))
    assert value(product) == pytest.approx(V["u"][0] * V["u"][1])
    assert value(tree.Series("sum", node(1), "i", node(3), node(2))) == 0


SHAPES: list[tuple[Node, tuple[tuple[int, ...], ...]]] = [
    (beside("A", "C"), ((2, 3), (2, 3))),
    (beside("B", "A"), ((3, 4), (2, 3))),
    (beside("u", "w"), ((3,), (4,))),
    (add("A", "B"), ((2, 3), (3, 4))),
    (times("u", "w"), ((3,), (4,))),
    (matmul("col", "u"), ((3, 1), (3,))),
    (power("P", "B"), ((2, 3), (3, 4))),
    (call("maximum", "u", "w"), ((3,), (4,))),
    (call("f", "u", "w"), ((3,), (4,))),
    (node(("u", "w")), ((3,), (4,))),
    (call("inv", "A"), ((2, 3),)),
    (call("sum", "A", axis=2), ((2, 3),)),
    (at("u", 3), ((3,),)),
    (at("u", 0, 0), ((3,),)),
    (call("reshape", "A", 4, 2), ((2, 3),)),
]


@pytest.mark.parametrize("case", range(len(SHAPES)))
def test_shapes_that_do_not_fit(case: int) -> None:
    expression, shapes = SHAPES[case]
    marked = tree.Unary("-", dataclasses.replace(expression, span=(3, 9)))
    with pytest.raises(ShapeFault) as caught:
        value(marked)
    assert caught.value.shapes == shapes and caught.value.span == (3, 9)
    assert len(shapes) == 1 or all(str(shape) in caught.value.message for shape in shapes)


REFUSED: list[tuple[Any, str]] = [
    (power("u", 10**4000), "cap"),
    (power("u", Fraction(10**9, 7)), "cap"),
    (call("ones", (5000, 5000)), "cap"),
    (call("outer", call("ones", 2000), call("ones", 2000)), "cap"),
    (times(call("ones", (2000, 1)), call("ones", 2000)), "cap"),
    (beside(call("ones", 2000), t(call("ones", 2000))), "cap"),
    (matmul(call("ones", (900, 900)), call("ones", (900, 900))), "cap"),
    (call("eye", 100_000), "cap"),
    (call("diag", call("ones", 5000)), "cap"),
    (call("broadcast_to", "s", (10_000, 10_000)), "cap"),
    (tree.Series("sum", node("s"), "i", node(0), node(10**9)), "terms"),
    (tree.Series("sum", node("s"), "i", None, None), "range"),
    (None, "not a number"),
    (call("sigmoid"), "needs 1 argument"),
    (call("sigmoid", "u", "u", "u"), "at most"),
    (call("sum", "u", where=1), "no option where"),
    (call("sum", "u", axis="s"), "whole number"),
    (call("sum", "u", axis=0.5), "whole number"),
    (call("softmax", "u", order=1), "matrix"),
    (call("f", "u", axis=1), "takes no options"),
    (call("concatenate", "u"), "list of arrays"),
    (tree.Element(node("u"), (node("s"),)), "whole number"),
    (tree.Element(node("u"), (tree.Slice(None, None, node(0)),)), "step of 0"),
    (call("zeros", (-1, 2)), "not a shape"),
    (tree.Equation(node(1), node(1)), "no value"),
]


@pytest.mark.parametrize("case", range(len(REFUSED)))
def test_what_has_no_value_says_why(case: int) -> None:
    expression, message = REFUSED[case]
    with pytest.raises(EvaluationFault, match=message):
        value(expression)


def test_operators_of_programs_are_not_part_of_notes() -> None:
    with pytest.raises(AssertionError):  # the environment is asked for a function `while`
        value(call("while", "u", "v"))
    with pytest.raises(EvaluationFault):
        value(tree.Element(node("u"), (node("v"),)))
