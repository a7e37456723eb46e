"""MathML: well formed, of MathML Core only, and it says what the tree says."""

from __future__ import annotations

import re
from fractions import Fraction
from xml.etree import ElementTree
from xml.etree.ElementTree import Element as Node

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backlit.explain.equation import tree
from backlit.explain.render.mathml import mathml
from tests.explain.render.pages import DOCUMENTS, VIEWS

# https://w3c.github.io/mathml-core, with how many children each element must have.
ELEMENTS: dict[str, int | None] = {
    "math": None,
    "mrow": None,
    "mi": 0,
    "mn": 0,
    "mo": 0,
    "mtext": 0,
    "mspace": 0,
    "mfrac": 2,
    "msqrt": None,
    "mroot": 2,
    "msub": 2,
    "msup": 2,
    "msubsup": 3,
    "munder": 2,
    "mover": 2,
    "munderover": 3,
    "mtable": None,
    "mtr": None,
    "mtd": None,
}
ATTRIBUTES = {"display", "alttext", "width", "columnspan"}


def parsed(text: str) -> Node:
    return ElementTree.fromstring(text.replace('xmlns="http://www.w3.org/1998/Math/MathML"', ""))


def check(root: Node) -> None:
    for node in root.iter():
        count = ELEMENTS[node.tag]
        assert count is None or len(node) == count, ElementTree.tostring(node)
        assert set(node.attrib) <= ATTRIBUTES
        if node.tag in ("mi", "mn", "mo"):
            assert (node.text or "").strip()
        elif node.tag not in ("mtext", "mspace"):
            assert not (node.text or "").strip()
        assert not (node.tail or "").strip()
        if node.tag in ("mtable", "mtr"):
            assert {child.tag for child in node} <= {"mtr" if node.tag == "mtable" else "mtd"}


@pytest.mark.parametrize("name", VIEWS)
def test_of_every_view_it_is_mathml_core(name: str) -> None:
    text = VIEWS[name].to_mathml()
    assert text.startswith("<math ") and 'xmlns="http://www.w3.org/1998/Math/MathML"' in text
    check(parsed(text))


def test_every_calculation_is_a_row() -> None:
    root = parsed(VIEWS["weight"].to_mathml())
    assert root[0].tag == "mtable"
    rows = ["".join(row.itertext()) for row in root[0]]
    assert rows[0] == "∂E∂w=∂E∂h[0]⋅∂h[0]∂w"
    assert rows[1:3] == ["=0.0363503⋅0.012065", "=0.000438568"]


# --- read back --------------------------------------------------------------------------------


class Reader:
    """Reads MathML as a mathematician would, and works out the number it stands for."""

    def __init__(self, values: dict[str, float]) -> None:
        self.values = values

    def value(self, node: Node) -> float:
        return self.row(list(node))

    def one(self, node: Node) -> float:
        return self.row([node])

    def row(self, nodes: list[Node]) -> float:
        self.items, place = nodes, 0
        total, place = self.sum(nodes, 0)
        assert place == len(nodes), [ElementTree.tostring(n) for n in nodes[place:]]
        return total

    def sum(self, nodes: list[Node], at: int) -> tuple[float, int]:
        sign = 1.0
        if nodes[at].text == "−":
            sign, at = -1.0, at + 1
        total, at = self.product(nodes, at)
        total *= sign
        while at < len(nodes) and nodes[at].text in ("+", "−"):
            sign = 1.0 if nodes[at].text == "+" else -1.0
            assert nodes[at + 1].text != "−", "a sign behind a sign"
            term, at = self.product(nodes, at + 1)
            total += sign * term
        return total, at

    def product(self, nodes: list[Node], at: int) -> tuple[float, int]:
        total, at = self.beside(nodes, at)
        while at < len(nodes) and nodes[at].text in ("⋅", "⊙"):
            factor, at = self.beside(nodes, at + 1)
            total *= factor
        return total, at

    def beside(self, nodes: list[Node], at: int) -> tuple[float, int]:
        total, at = self.atom(nodes, at)
        while at < len(nodes) and nodes[at].text == "\u2062":
            factor, at = self.atom(nodes, at + 1)
            total *= factor
        return total, at

    def atom(self, nodes: list[Node], at: int) -> tuple[float, int]:
        node = nodes[at]
        if at + 1 < len(nodes) and nodes[at + 1].text == "\u2061":
            assert node.text == "sin"
            return _sin(self.one(nodes[at + 2])), at + 3
        return self.single(node), at + 1

    def single(self, node: Node) -> float:
        if node.tag == "mn":
            return float(node.text or "")
        if node.tag == "mi":
            return self.values[node.text or ""]
        if node.tag == "mfrac":
            return self.one(node[0]) / self.one(node[1])
        if node.tag == "msup":
            base = 2.718281828459045 if node[0].text == "e" else self.one(node[0])
            return base ** self.one(node[1])
        assert node.tag == "mrow", node.tag
        inside = list(node)
        if inside and (inside[0].text, inside[-1].text) == ("(", ")"):
            return self.row(inside[1:-1])
        return self.row(inside)


def _sin(x: float) -> float:
    import math

    return math.sin(x)


def worked_out(node: tree.Node, values: dict[str, float]) -> float:
    """Work the tree out by itself."""
    match node:
        case tree.Number(value=value):
            return float(value)
        case tree.Name(base=base):
            return values[base]
        case tree.Unary(operand=operand):
            return -worked_out(operand, values)
        case tree.Power(base=inner, exponent=tree.Number(value=power)):
            return worked_out(inner, values) ** int(power)
        case tree.Call(function=tree.Function(name="exp"), args=(one,)):
            return 2.718281828459045 ** worked_out(one, values)
        case tree.Call(args=(one,)):
            return _sin(worked_out(one, values))
        case tree.Binary(op=op, left=left, right=right):
            a, b = worked_out(left, values), worked_out(right, values)
            if op in "+-":
                return a + b if op == "+" else a - b
            return a / b if op == "/" else a * b
    raise TypeError(node)


LEAVES = st.one_of(
    st.sampled_from("abc").map(tree.Name),
    st.sampled_from([1, 2, 3, Fraction(1, 2), Fraction(1, 3)]).map(
        lambda n: tree.Number(Fraction(n))
    ),
)


def grown(inner: st.SearchStrategy[tree.Node]) -> st.SearchStrategy[tree.Node]:
    return st.one_of(
        st.builds(tree.Unary, st.just("-"), inner),
        st.builds(tree.Binary, st.sampled_from(["+", "-", "*", ".", " ", "/"]), inner, inner),
        st.builds(
            tree.Power, inner, st.sampled_from([2, 3]).map(lambda n: tree.Number(Fraction(n)))
        ),
        st.builds(lambda x: tree.Call(tree.Function("sin"), (x,)), inner),
        st.builds(lambda x: tree.Call(tree.Function("exp"), (x,)), inner),
    )


@given(st.recursive(LEAVES, grown, max_leaves=12))
def test_what_is_read_has_the_value_of_the_tree(node: tree.Node) -> None:
    values = {"a": 0.37, "b": 1.21, "c": -0.53}
    try:
        expected = worked_out(node, values)
    except (ZeroDivisionError, OverflowError):
        return
    root = ElementTree.fromstring(mathml(node))
    check(root)
    if isinstance(expected, float) and abs(expected) < 1e100:
        assert Reader(values).value(root) == pytest.approx(expected, rel=1e-9, abs=1e-9)


# --- forms ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node", "text", "tags"),
    [
        (tree.Name("W1"), "W1", ["msub"]),
        (tree.Name("Z_2"), "Z2", ["msub"]),
        (tree.Name("yhat"), "y^", ["mover"]),
        (tree.Name("yhat1"), "y^1", ["msub", "mover"]),
        (tree.Name("log_P"), "log_P", []),
        (tree.Name("conv2"), "conv2", []),
        (tree.Name("sigma"), "σ", []),
        (tree.Name("loss"), "loss", []),
        (tree.Name("W", tree.Number(Fraction(2))), "W[2]", ["msup"]),
        (tree.Transpose(tree.Name("W1")), "W1T", ["msubsup"]),
        (tree.Derivative(tree.Name("L"), tree.Name("w")), "∂L/∂w", []),
        (
            tree.Equation(tree.Derivative(tree.Name("L"), tree.Name("w")), tree.Name("g")),
            "∂L∂w=g",
            ["mfrac"],
        ),
        (tree.Call(tree.Function("sqrt"), (tree.Name("x"),)), "x", ["msqrt"]),
        (tree.Call(tree.Function("abs"), (tree.Name("x"),)), "|x|", []),
        (tree.Call(tree.Function("sigmoid", order=1), (tree.Name("z"),)), "σ′\u2061(z)", ["msup"]),
        (tree.Series("sum", tree.Name("x"), "i"), "∑ix", ["munder"]),
        (tree.Compare(">=", tree.Name("a"), tree.Number(Fraction(0))), "a≥0", []),
        (tree.Number(Fraction(1, 3)), "13", ["mfrac"]),
        (tree.Number(Fraction("0.0335429")), "0.0335429", []),
        (tree.Number(Fraction(1, 10**9)), "1⋅10−9", ["msup"]),
        (tree.Element(tree.Name("h"), (tree.Number(Fraction(0)),)), "h[0]", []),
    ],
)
def test_forms(node: tree.Node, text: str, tags: list[str]) -> None:
    root = ElementTree.fromstring(mathml(node))
    check(root)
    assert "".join(root.itertext()) == text
    found = [n.tag for n in root.iter() if n.tag not in ("math", "mrow", "mi", "mn", "mo")]
    assert found == tags


def test_text_within_formulas_keeps_its_blanks_and_is_escaped() -> None:
    text = DOCUMENTS["all"]
    from backlit.explain.render.mathml import mathml_of

    found = mathml_of(text)
    check(parsed(found))
    assert "why\u00a0&amp;\u00a0how" in found and not re.search(r"<script", found)
