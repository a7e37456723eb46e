"""The words of the notation, and what the notes around a line make of it."""

from __future__ import annotations

import pytest

from backlit.explain.equation.text.lexer import tokens
from backlit.explain.equation.text.scan import vocabulary
from backlit.explain.equation.text.vocabulary import FUNCTIONS, OPERATIONS, Vocabulary
from backlit.explain.equation.values.functions import BUILTINS


def test_every_function_that_is_read_has_a_value_and_the_other_way_round() -> None:
    # These are operators in the tree.
    operators = {"dot", "matmul", "transpose", "reciprocal"}
    assert set(FUNCTIONS.values()) == set(BUILTINS) - operators
    assert set(FUNCTIONS).isdisjoint(OPERATIONS)


def known(*lines: str) -> Vocabulary:
    return vocabulary([tokens(line) for line in lines])


@pytest.mark.parametrize(
    ("lines", "variables", "functions"),
    [
        (["z = w x + b"], "b w x z", ""),
        (["a = g(z)", "b = g(a) + h"], "a b h z", "g"),
        (["y = \\gamma(x - \\mu) + \\beta"], "beta gamma mu x y", ""),
        (["y = \\phi(x)"], "x y", "phi"),
        (["y = \\sum_{i=1}^m (x_i - 1)"], "m x y", ""),
        (["y = a(1-a)", "z = a"], "a y z", ""),
        (["f(x) = x^2", "df/dx = 2x"], "f x", "f"),
        (["dW = dZ x^T", "z = Wx"], "W dZ x z", ""),
        (["dbeta = dout.sum(axis=0)", "out = beta"], "beta out", ""),
        (["h_t = \\tanh(W_{hh} h_{t-1})"], "W h", ""),
        (["Z^{[l]} = W^{[l]} A^{[l-1]}"], "A W Z", ""),
        (["x = np.exp(y, axis=n)"], "n x y", ""),
        (["Σ = x x^T", "y = Σ^{-1} x"], "Sigma x y", ""),
        (["y = Σ x"], "x y", ""),
        (["e = y - a", "L = e^2"], "L a e y", ""),
    ],
)
def test_what_names_stand_for(lines: list[str], variables: str, functions: str) -> None:
    found = known(*lines)
    assert " ".join(sorted(found.variables)) == variables
    assert " ".join(sorted(found.functions)) == functions


def test_layers_and_squares() -> None:
    assert known("Z^1 = W^1 X", "y = x^2").layered >= {"Z", "W"}
    assert "x" not in known("Z^1 = W^1 X", "y = x^2").layered
    assert known("\\sigma^2 = v").squares == {"sigma"}
    assert known("Z[1] = W[1] @ x[0]", "y = x").bracketed == {"Z", "W"}
