"""Whatever is written is read back as the same tree, in every notation and with few brackets."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from backlit.explain.equation.text.limits import check_size
from backlit.explain.equation.text.parser import parse, parse_expression
from backlit.explain.equation.text.printing import latex, python, unicode, written
from backlit.explain.equation.text.tokens import NotationError
from backlit.explain.equation.text.vocabulary import FUNCTIONS, Vocabulary
from backlit.explain.equation.tree import (
    Binary,
    Call,
    Compare,
    Constant,
    Derivative,
    Element,
    Function,
    Items,
    Name,
    Node,
    Number,
    Power,
    Series,
    Slice,
    Transpose,
    Unary,
)

STYLES: list[Callable[[Node], str]] = [latex, unicode, python]

numbers = st.one_of(
    st.integers(0, 1000).map(Fraction),
    st.decimals(0, 10, places=3, allow_nan=False).map(Fraction),
    st.sampled_from([Fraction(1, 10**8), Fraction(10**15), Fraction(0)]),
).map(Number)
whole = st.integers(0, 30).map(lambda n: Number(Fraction(n)))
BASES = ["W", "x", "b", "Z1", "W2", "sigma", "lambda", "gamma", "yhat", "xbar", "mutilde", "yhat1"]
BASES += ["loss", "y'", "e", "delta", "T", "L", "ell", "mean", "norm", "l", "Sigma", "net", "x12"]
bases = st.sampled_from(BASES)
letters = st.sampled_from(["i", "j", "k", "t", "n"]).map(Name)
offsets = st.builds(Binary, st.sampled_from("+-"), letters, whole)
labels = st.sampled_from(["xh", "in", "out", "train"]).map(Name)
layers = st.one_of(
    st.none(),
    st.none(),
    whole,
    st.sampled_from([Name("l"), Name("L")]),
    st.builds(Binary, st.sampled_from("+-"), st.just(Name("l")), st.just(Number(Fraction(1)))),
)
subscripts = st.one_of(
    st.just(()),
    st.just(()),
    st.tuples(whole),
    st.tuples(letters),
    st.tuples(labels),
    st.tuples(st.one_of(letters, whole, offsets), st.one_of(letters, whole)),
    st.tuples(offsets),
    st.tuples(st.just(Slice()), letters),
)
names = st.builds(Name, bases, layers, subscripts)
OWN = ["f", "g", "phi", "act"]
# Written otherwise in the tree: power, and functions that the parser gives an operator.
BUILTIN = sorted(set(FUNCTIONS.values()) - {"power", "shape", "size", "len", "gamma", "Phi"})
TWO = ["maximum", "minimum", "inner", "outer", "where", "clip", "solve"]
variables = st.one_of(names, st.builds(Element, st.builds(Name, bases, layers), st.tuples(whole)))


def calls(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    axis = st.sampled_from([(), (("axis", Number(Fraction(1))), ("keepdims", Constant("True")))])
    return st.one_of(
        st.builds(
            lambda name, arg: Call(Function(name), (arg,)),
            st.sampled_from([name for name in BUILTIN if name not in TWO]),
            children,
        ),
        st.builds(
            lambda name, arg, keywords: Call(Function(name), (arg,), keywords),
            st.sampled_from(["sum", "mean", "max", "softmax"]),
            children,
            axis,
        ),
        st.builds(
            lambda name, a, b: Call(Function(name), (a, b)),
            st.sampled_from(TWO[:4]),
            children,
            children,
        ),
        st.builds(
            lambda name, order, arg: Call(Function(name, order=order), (arg,)),
            st.sampled_from(["sigmoid", "tanh", "relu", "leaky_relu", "exp"]),
            st.integers(0, 2),
            children,
        ),
        st.builds(
            lambda name, layer, order, args: Call(Function(name, layer, order), tuple(args)),
            st.sampled_from(OWN),
            layers,
            st.integers(0, 2),
            st.lists(children, min_size=1, max_size=2),
        ),
        st.builds(
            lambda arg: Call(Function("norm"), (arg,), (("ord", Number(Fraction(1))),)), children
        ),
    )  # fmt: skip


def derivatives(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    target = children.filter(lambda node: not isinstance(node, Derivative))
    plain = st.sampled_from([name for name in BASES if name not in ("e", "mean", "norm")])
    return st.one_of(
        st.builds(
            lambda wrt: Derivative(None, wrt, style="bare"),
            st.builds(Name, plain, layers, subscripts),
        ),
        st.builds(Derivative, target, variables),
        st.builds(lambda target, wrt: Derivative(target, wrt, wrt), target, variables),
        st.builds(Derivative, target, names, names),
        st.builds(lambda target, wrt: Derivative(target, wrt, style="nabla"), target, variables),
        st.builds(lambda wrt: Derivative(None, wrt, style="nabla"), variables),
        st.builds(lambda target, wrt: Derivative(target, wrt, wrt, "nabla"), target, names),
    )


def is_condition(node: Node) -> bool:
    return isinstance(node, Compare)


def products(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    """1[z > 0] is read as the condition itself."""
    pairs = st.tuples(children, children).filter(
        lambda pair: not (pair[0] == Number(Fraction(1)) and is_condition(pair[1]))
    )
    return pairs.map(lambda pair: Binary(" ", *pair))


def deeper(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    side = children.filter(lambda node: not is_condition(node))
    places = st.one_of(whole, letters, offsets, st.just(Slice()), st.just(Constant("None")))
    index = st.sampled_from(["i", "j", "k"])
    return st.one_of(
        st.builds(Unary, st.just("-"), children),
        st.builds(Binary, st.sampled_from(list("+-/*@.")), children, children),
        products(children),
        st.builds(Power, children, children),
        st.builds(Transpose, children),
        calls(children),
        st.builds(lambda items: Items(tuple(items)), st.lists(children, min_size=1, max_size=3)),
        st.builds(
            lambda rows: Items(tuple([Items(row) for row in rows])),
            st.lists(st.tuples(children, children), min_size=2, max_size=2),
        ),
        st.builds(
            lambda operand, index: Element(operand, tuple(index)),
            children.filter(lambda node: not isinstance(node, Element | Number)),
            st.lists(places, min_size=1, max_size=2),
        ),
        st.builds(Series, st.sampled_from(["sum", "prod"]), children),
        st.builds(Series, st.sampled_from(["sum", "prod"]), children, index),
        st.builds(Series, st.just("sum"), children, index, whole, names),
        st.builds(Compare, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), side, side),
        derivatives(children),
    )


constants = st.sampled_from(["e", "pi", "inf"]).map(Constant)
leaves = st.one_of(numbers, names, names, constants)


@st.composite
def trees(draw: st.DrawFn, depth: int = 3) -> Node:
    """Draw a tree the parser could have made."""
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return draw(leaves)
    return draw(BRANCHES[depth])


BRANCHES = {depth: deeper(trees(depth - 1)) for depth in (1, 2, 3)}


def has_enormous_power(tree: Node) -> bool:
    try:
        check_size(tree, (0, 0))
    except NotationError:
        return True
    return False


@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(tree=trees())
def test_what_is_written_is_read_back(style: Callable[[Node], str], tree: Node) -> None:
    assume(not has_enormous_power(tree))
    text = style(tree)
    assert parse_expression(text, Vocabulary.of(tree)) == (tree,), text


KNOWN = Vocabulary(
    frozenset(["W", "Z", "A", "X", "Y", "L", "J", "a", "y", "z", "w", "b", "m", "x", "yhat", "h"]),
    frozenset(["g"]),
)

# Read from the first column; written as in the others.
FORMS = [
    (
        r"\frac1m dZ^{[2]} {A^{[1]}}^T",
        r"\frac{1}{m} dZ^{[2]} A^{[1]T}",
        "(1/m) dZ^[2] A^[1]ᵀ",
        "(1/m) dZ[2] A[1].T",
    ),
    (
        "-(y log a + (1-y) log(1-a))",
        r"-(y \log(a) + (1 - y) \log(1 - a))",
        "-(y log(a) + (1 - y) log(1 - a))",
        "-(y np.log(a) + (1 - y) np.log(1 - a))",
    ),
    ("((a*b)+c)/(d)", r"\frac{a \odot b + c}{d}", "(a ⊙ b + c)/d", "(a*b + c)/d"),
    ("(((a)-(b))-(c))", "a - b - c", "a - b - c", "a - b - c"),
    ("a-(b-c)", "a - (b - c)", "a - (b - c)", "a - (b - c)"),
    ("(a*b)*c", r"a \odot b \odot c", "a ⊙ b ⊙ c", "a*b*c"),
    ("a*(b*c)", r"a \odot (b \odot c)", "a ⊙ (b ⊙ c)", "a*(b*c)"),
    ("(-a)*b", r"(-a) \odot b", "(-a) ⊙ b", "(-a)*b"),
    ("-(a*b)", r"-a \odot b", "-a ⊙ b", "-a*b"),
    ("(x+y)^2", "(x + y)^{2}", "(x + y)²", "(x + y)**2"),
    ("(e^(-z))", "e^{-z}", "e^{-z}", "np.e**(-z)"),
    ("∂L/∂w_1", r"\frac{\partial L}{\partial w_{1}}", "∂L/∂w₁", "∂L/∂w_1"),
    ("dL/dW", r"\frac{\partial L}{\partial W}", "∂L/∂W", "dL_dW"),
    ("∂²L/∂w²", r"\frac{\partial^{2} L}{\partial w^{2}}", "∂²L/∂w²", "∂²L/∂w²"),
    ("grad_W", "dW", "dW", "dW"),
    (r"\nabla_W L", r"\nabla_{W} L", "∇_{W} L", "∇_{W} L"),
    ("g'^{[1]}(Z)", "g'^{[1]}(Z)", "g'^[1](Z)", "g'[1](Z)"),
    ("sigmoid'(z)", r"\sigma'(z)", "σ'(z)", "sigmoid'(z)"),
    (
        "np.sum(dZ, axis=1, keepdims=True)",
        r"\operatorname{sum}(dZ, \operatorname{axis}=1, "
        r"\operatorname{keepdims}=\operatorname{True})",
        "sum(dZ, axis=1, keepdims=True)",
        "np.sum(dZ, axis=1, keepdims=True)",
    ),
    ("np.maximum(0, z)", r"\max(0, z)", "max(0, z)", "np.maximum(0, z)"),
    (
        r"\sum_{i=1}^{m} (y_i-a_i)^2",
        r"\sum_{i=1}^{m} (y_{i} - a_{i})^{2}",
        "∑_{i=1}^{m} (yᵢ - aᵢ)²",
        "∑_{i=1}^{m} (y_i - a_i)**2",
    ),
    (r"\|x\|_2^2", r"\lVert x \rVert^{2}", "‖x‖²", "np.linalg.norm(x)**2"),
    ("dA*(Z>0)", r"dA \odot (Z > 0)", "dA ⊙ (Z > 0)", "dA*(Z > 0)"),
    (r"\hat y_i", r"\hat{y}_{i}", "ŷᵢ", "yhat_i"),
    ("W_{ij} h_{t-1}", r"W_{ij} h_{t - 1}", "Wᵢⱼ h_{t - 1}", "W_i_j h_{t - 1}"),
    ("x[:, None]", r"x[:, \operatorname{None}]", "x[:, None]", "x[:, None]"),
    ("W @ X + b", "W @ X + b", "W @ X + b", "W @ X + b"),
    ("½ x", "0.5 x", "0.5 x", "0.5 x"),
    (
        "[[a, b], [x, y]]",
        r"\begin{bmatrix} a & b \\ x & y \end{bmatrix}",
        "((a, b), (x, y))",
        "((a, b), (x, y))",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "in_latex", "in_unicode", "in_python"), FORMS)
def test_forms(text: str, in_latex: str, in_unicode: str, in_python: str) -> None:
    (tree,) = parse_expression(text, KNOWN)
    assert (latex(tree), unicode(tree), python(tree)) == (in_latex, in_unicode, in_python)


def test_an_equation_and_its_style() -> None:
    (equation,) = parse("dW = dZ Xᵀ", KNOWN)
    assert written(equation, "latex") == "dW = dZ X^{T}"
    assert written(equation, "unicode") == "dW = dZ Xᵀ"
    assert written(equation, "python") == "dW = dZ X.T"


def test_numbers_that_decimals_cannot_say_are_operations() -> None:
    third, minus = Number(Fraction(1, 3)), Number(Fraction(-2))
    assert (latex(third), unicode(third), python(third)) == (r"\frac{1}{3}", "1/3", "1/3")
    assert unicode(Binary("*", Name("x"), minus)) == "x ⊙ (-2)"
    assert python(Power(Name("x"), third)) == "x**(1/3)"


def test_sigma_is_spelled_out_where_it_is_a_variable_too() -> None:
    sigmoid = Call(Function("sigmoid"), (Name("sigma"),))
    assert latex(sigmoid) == r"\operatorname{sigmoid}(\sigma)" and unicode(sigmoid) == "sigmoid(σ)"
