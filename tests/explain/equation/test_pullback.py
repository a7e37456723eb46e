"""The chain rule in the letters of some notes: what it gives is judged by the checker."""

from __future__ import annotations

import pytest

from backlit.explain.equation.mending.ingredients import ingredients
from backlit.explain.equation.mending.pullback import Pullback
from backlit.explain.equation.mending.surroundings import Surroundings
from backlit.explain.equation.mending.terms import added, distributed, simplified
from backlit.explain.equation.sheet import check
from backlit.explain.equation.text.notes import read
from backlit.explain.equation.text.parser import parse_expression
from backlit.explain.equation.tree import Derivative, Name, Node


def parsed(text: str) -> Node:
    return parse_expression(text)[0]


RULES = [
    # A rule of the chain rule each; what is claimed is far from right.
    ("L = (w x - y)^2", "dL/dw"),
    ("L = x / w + w / x", "dL/dw"),
    ("L = e^{w x}", "dL/dw"),
    ("L = exp(w) + log(w) + sqrt(w)", "dL/dw"),
    ("L = sin(w) cos(w)", "dL/dw"),
    ("L = softplus(w) + relu(w) + abs(w)", "dL/dw"),
    ("L = square(w) - σ(w) tanh(w)", "dL/dw"),
    ("L = max(w, x) + min(w, x)", "dL/dw"),
    ("h = w x\np = w h\nL = p h", "dL/dw"),
    ("L = g(w x)", "dL/dw"),
    ("x: (n,)\ny: (n,)\nL = ½ ‖x - y‖²", "∂L/∂x"),
    ("x: (n,)\nL = ‖x‖", "∂L/∂x"),
    ("x: (n,)\ny: (n,)\nL = x^T y", "∂L/∂x"),
    ("x: (n,)\nA: (n, n)\nL = x^T A x", "∂L/∂x"),
    ("x: (n,)\nA: (k, n)\ny: (k,)\nL = ½ ‖A x - y‖²", "∂L/∂A"),
    ("X: (n, d)\nw: (d,)\ny: (n,)\nL = np.sum((X @ w - y)**2) / 2", "∂L/∂w"),
    ("X: (n, d)\nW: (d, k)\nY: (n, k)\nZ = X @ W\nL = np.sum((Z - Y)**2)", "∂L/∂W"),
    ("A: (n, n)\nB: (n, n)\nL = tr(A B)", "∂L/∂A"),
    ("x: (n,)\nt: (n,)\np = softmax(x)\nL = -Σ t log p", "∂L/∂x"),
    ("x: (n,)\nL = np.mean(x**2)", "∂L/∂x"),
    ("x: (n,)\nL = np.sum(np.where(x > 0, x**2, 3*x))", "∂L/∂x"),
    ("L = Σ_i (x_i - μ)^2", "∂L/∂μ"),
    ("x: (n,)\nL = np.var(x)", "∂L/∂x"),
    ("Z: (n, k)\nY: (n, k)\nP = softmax(Z, axis=1)\nL = -np.sum(Y * np.log(P))", "∂L/∂Z"),
    (
        "x: (N, D)\nmu = np.mean(x, axis=0)\nvar = np.var(x, axis=0)\n"
        "h = (x - mu) / np.sqrt(var + eps)\nL = np.sum(h**3)",
        "∂L/∂x",
    ),
    ("f = x^3 y", "∂²f/∂x∂y"),
]


@pytest.mark.parametrize(("notes", "left"), RULES)
def test_each_rule_gives_a_right_derivative(notes: str, left: str) -> None:
    found = check(f"{notes}\n{left} = 17").verdicts[-1]
    assert found.verdict == "wrong"
    assert found.suggestion is not None, found.message
    assert check(f"{notes}\n{found.suggestion}").verdicts[-1].verdict == "right"


def test_terms_are_told_apart_by_the_paths_they_come_by() -> None:
    (definition,) = read("z = w x + w y").statements
    equation = definition.equation
    pull = Pullback(lambda node: (), " ")
    assert list(pull(equation.right, Name("w"), None)) == [Name("x"), Name("y")]
    claim = read("z = w x + w y\n∂z/∂w = 0").statements[1].equation
    found = ingredients(claim, Surroundings((), (), (equation,)), lambda node: ())
    assert isinstance(claim.left, Derivative)
    assert found.whole[0] == parsed("x + y")
    assert set(found.terms) >= {Name("x"), Name("y")}


@pytest.mark.parametrize(
    ("given", "short"),
    [
        ("2 (3 x)", "6 x"),
        ("-(-x)", "x"),
        ("(x / 2) (4 y)", "2 (x y)"),
        ("-x / (2 y)", "-(x / (2 y))"),
        ("(1/3) x", "(1/3) x"),
    ],
)
def test_numbers_are_multiplied_out(given: str, short: str) -> None:
    assert simplified(parsed(given)) == parsed(short)


def test_products_of_sums_are_multiplied_out() -> None:
    terms = distributed(parsed("(a - b) (c + 2)"))
    assert added(terms) == parsed("a c + 2 a - b c - 2 b")
