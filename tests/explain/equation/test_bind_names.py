"""Which written names are one variable, and what becomes of those that are none."""

from __future__ import annotations

import pytest

from backlit.explain.equation.binding.names import Symbols, defined_apart, nearest
from backlit.explain.equation.sheet import check
from backlit.explain.equation.tree import Name, Number
from tests.explain.equation.sheets import assert_as_marked, only

SPELLINGS = ["W1", "W_1", "W_{1}", "W^{[1]}", "W^{(1)}", "W₁"]


@pytest.mark.parametrize("defined", SPELLINGS)
@pytest.mark.parametrize("claimed", SPELLINGS)
def test_one_variable_in_six_spellings(defined, claimed):
    verdict = only(f"z = {defined} x + b\n\\frac{{\\partial z}}{{\\partial {claimed}}} = x")
    assert verdict.verdict == "right", verdict.message


def test_names_the_notes_define_apart_are_two():
    assert_as_marked(
        """
Z1 = w x
Z_1 = v x
L = Z1 Z_1
dL/dZ1 = v x   %% right
dL/dZ_1 = w x   %% right
dL/dZ_1 = v x   %% wrong
"""
    )


def test_apart_only_if_both_are_defined_differently():
    one, two = Name("Z1"), Name("Z", index=(Number(1),))
    assert defined_apart([(one, Name("a")), (two, Name("a"))]) == set()
    assert defined_apart([(one, Name("a")), (two, Name("b"))]) == {("Z", "1")}


def test_twelve_and_one_two_are_apart_where_both_stand():
    symbols = Symbols()
    both = (Number(1), Number(12)), (Number(11), Number(2))
    found = {symbols.add(Name("x", index=index)) for index in both}
    assert len(found) == 2
    assert Symbols().add(Name("w12")) == "w12"


@pytest.mark.parametrize(
    ("name", "known", "first"),
    [
        ("W3", ["b3", "X", "W1"], "W1"),
        ("alpah", ["beta", "alpha"], "alpha"),
        ("z", ["Z", "x"], "Z"),
    ],
)
def test_the_nearest_name_comes_first(name, known, first):
    assert nearest(name, known)[0] == first


@pytest.mark.parametrize(
    ("claim", "name", "near"),
    [
        ("dZ2 = A2 - Q", "Q", None),
        ("dW3 = dZ2 A1^T", "W3", "W1"),
        ("dL/dW2 = dZ2 A_3^T", "A_3", "A1"),
        ("∂J/∂W2 = dZ2 A1^T", "J", None),
    ],
)
def test_an_unknown_name_is_refused_where_it_stands(claim, name, near):
    notes = "Z1 = W1 X\nA1 = tanh(Z1)\nZ2 = W2 A1\nA2 = σ(Z2)\nL = Σ (A2 - Y)^2\n"
    verdict = only(notes + claim)
    assert verdict.verdict == "refused" and f"‘{name}’" in verdict.message
    start, end = verdict.span
    assert claim[start:end].replace("_", "").lstrip("d") == name.replace("_", "")
    if near:
        assert near in verdict.suggestion


def test_a_second_name_only_where_the_notes_say_so():
    notes = "Z = W X + b\nA = σ(Z)\nL = Σ (A - Y)^2\n"
    assert only(notes + "dL/dA = 2(\\hat y - Y)").verdict == "refused"
    assert only(notes + "\\hat y = A\ndL/dA = 2(\\hat y - Y)").verdict == "right"
    assert only(notes + "\\hat y = A\ndL/d\\hat y = 2(A - Y)").verdict == "right"


def test_a_copy_that_is_used_is_a_variable_of_its_own():
    """Two uses of one weight: the derivative of each, and of both together."""
    assert_as_marked(
        """
u = w
v = w
L = u x + v^2
dL/du = x   %% right
dL/dv = 2 v   %% right
dL/dw = x + 2 w   %% right
dL/dw = x   %% wrong
"""
    )


def test_subscripts_of_an_array_are_places():
    """Counted from 1 in mathematical notation, from 0 in Python's brackets."""
    assert_as_marked(
        """
x: (3,)
w: (3,)
z = w^T x
dz/dw_1 = x_1   %% right
dz/dw_1 = x[0]   %% right
dz/dw[1] = x_2   %% right
dz/dw_2 = x[2]   %% wrong
dz/dw_j = x_j   %% right
"""
    )


def test_two_digits_are_two_subscripts_of_a_matrix():
    assert_as_marked(
        """
W: (2, 3)
x: (3,)
z = W x
s = Σ z
ds/dW_{12} = x_2   %% right
ds/dW_{1,3} = x_3   %% right
ds/dW_{12} = x_1   %% wrong
"""
    )


def test_a_place_beyond_the_array_is_no_place():
    assert only("x: (3,)\ns = Σ x\nds/dx_4 = 1").verdict == "wrong"


def test_a_definition_by_elements_and_its_array():
    assert_as_marked(
        r"""
z_j = \sum_i w_{ij} x_i + b_j
h_j = \tanh(z_j)
o = \sum_j v_j h_j
L = \frac12 (o - t)^2
∂L/∂v_j = (o - t) h_j   %% right
∂L/∂w_{ij} = (o - t) v_j (1 - h_j^2) x_i   %% right
∂L/∂w_{ij} = (o - t) v_j (1 - h_j^2)   %% wrong
∂L/∂x_i = \sum_j (o - t) v_j (1 - h_j^2) w_{ij}   %% right
∂L/∂x_i = (o - t) v_i (1 - h_i^2)   %% wrong
"""
    )


def test_kronecker():
    assert_as_marked(
        r"""
p_i = e^{z_i} / \sum_k e^{z_k}
∂p_i/∂z_j = p_i (\delta_{ij} - p_j)   %% right
∂p_i/∂z_j = p_i (1 - p_j)   %% wrong
∂p_i/∂z_i = p_i (1 - p_i)   %% right
"""
    )


def test_functions_of_the_notes():
    assert_as_marked(
        """
f(x) = x³
g(x) = f(2x)
f'(x) = 3x²   %% right
g'(x) = f'(2x)   %% wrong
g'(x) = 2 f'(2x)   %% right
z = w x
L = f(z)
dL/dw = 3 z² x   %% right
"""
    )


def test_a_letter_stands_for_the_loss_and_for_the_last_layer():
    assert_as_marked(
        r"""
a^{[l]} = \tanh(w^{[l]} a^{[l-1]})
L = (a^{[L]} - y)^2
∂L/∂a^{[L]} = 2 (a^{[L]} - y)   %% right
∂L/∂a^{[L-1]} = ∂L/∂a^{[L]} (1 - (a^{[L]})^2) w^{[L]}   %% right
"""
    )


def test_what_was_inferred_is_echoed():
    sheet = check("X: (3, m)\nZ = W X + b\nJ = 1/m Σ Z^2\ndW = 2/m Z X^T")
    assert [v.verdict for v in sheet.verdicts] == ["right"]
    assert "W: a matrix." in sheet.assumptions
