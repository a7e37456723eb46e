"""Readings of whole notes: what a line means given the lines around it."""

from __future__ import annotations

import pytest

from backlit.explain.equation.sheet import check
from backlit.explain.equation.text.notes import read
from backlit.explain.equation.text.printing import python
from backlit.explain.equation.verdicts import REFUSED
from tests.explain.equation.sheets import assert_as_marked


@pytest.mark.parametrize(
    ("notes", "readings"),
    [
        # A word before a bracket that holds a sum is a factor, unless people call it a function.
        ("u = k (x + c x³)", ["u = k (x + c x**3)"]),
        ("u = f (x + c x³)", ["u = f(x + c x**3)"]),
        ("u = k(x)", ["u = k(x)"]),
        # π and d are names where they are defined.
        ("π = softmax(θ)\nL = r log π", ["pi = softmax(theta)", "L = r np.log(pi)"]),
        ("y = 2 π x", ["y = 2 np.pi x"]),
        ("d = 1 + x\ndd = 2 d", ["d = 1 + x", "dd = 2 d"]),
        # where( is a function, and “where” a word.
        ("a = np.where(z > 0, z, 0)", ["a = np.where(z > 0, z, 0)"]),
        ("a = where(z > 0, z, 0)", ["a = np.where(z > 0, z, 0)"]),
        ("a = 2 z, where z is the input", ["a = 2 z"]),
        # A bracket is no remark behind an operator, or with one in it.
        ("v = U @ (yhat - y)", ["v = U @ (yhat - y)"]),
        ("v = U (yhat - other)", ["v = U (yhat - other)"]),
        ("v = U z (element-wise)", ["v = U z"]),
        # dfdz is a derivative where f and z are names.
        ("f = q z\ndfdz = q", ["f = q z", "df_dz = q"]),
        ("loss = w1**2\ndlossdw1 = 2 w1", ["loss = w1**2", "dloss_dw1 = 2 w1"]),
        # A gradient that the loss is made of is given, and no derivative of that loss.
        ("L = sum(out * dout)\ndx = dout", ["L = np.sum(out*dout)", "dx = dout"]),
        # ∇f(x) says its variable; logvar is a name; d before a bracket is a factor.
        ("f(x) = x²\n∇f(x) = 2 x", ["f(x) = x**2", "∇_{x} f(x) = 2 x"]),
        ("L = exp(logvar)", ["L = np.exp(logvar)"]),
        ("L = ‖A − B‖²_F", ["L = np.linalg.norm(A - B)**2"]),
        ("g = p − 1[i = 3]", ["g = p - (i == 3)"]),
        ("f = q z\ndodo = q", ["f = q z", "dodo = q"]),
    ],
)
def test_lines_are_read_in_the_light_of_the_others(notes: str, readings: list[str]) -> None:
    assert [python(s.equation) for s in read(notes).statements] == readings


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("cross_entropy(z, y)", "cross_entropy"),
        ("CrossEntropy(z, y)", "CrossEntropy"),
        ("mse(z, y)", "mse"),
        (r"\mathrm{MSE}(z, y)", "MSE"),
        ("argmax(z)", "argmax"),
        ("np.argmin(z)", "np.argmin"),
        ("sum(y * one_hot(z))", "one_hot"),
        ("isnan(z)", "isnan"),
        ("np.sum(np.nan_to_num(z))", "np.nan_to_num"),
    ],
)
def test_functions_of_libraries_are_refused_by_name(call: str, name: str) -> None:
    """They are no function of the student's own, of which nothing is known."""
    notes = f"z: (3,)\ny: (3,)\nL = {call}\ndz = z - y"
    definition, claim = check(notes).verdicts
    assert definition.verdict == REFUSED and definition.kind == "other"
    assert f"‘{name}’" in definition.message and definition.suggestion
    assert claim.verdict == REFUSED


def test_functions_of_libraries_may_be_defined():
    assert_as_marked("mse(a, y) = (a - y)²/2\nL = mse(w x, y)\ndL/dw = (w x - y) x  %% right")


def test_a_sum_may_run_over_a_later_subscript():
    assert_as_marked(
        "A: (2, 3)\nX: (3, 4)\nC: (2, 4)\nL = sum(C * (A X))\n"
        "∂L/∂A_ij = Σ_k C_ik X_jk  %% right\n"
        "∂L/∂A_ij = Σ_k C_ki X_jk  %% wrong\n"
    )


def test_shapes_come_from_what_is_created_and_from_lengths():
    assert_as_marked(
        "y: (n,)\nA: (n, n) symmetric\nK = s A + v eye(n)\na = K^{-1} y\nL = ½ yᵀ a\n"
        "∂L/∂y = a  %% right\n"
        "∂L/∂v = -½ aᵀ a  %% right\n"
        "∂L/∂v = ½ aᵀ a  %% wrong\n"
    )
    assert_as_marked(
        "Z = W @ X + b\nm = Y.shape[1]\nL = np.sum((Z - Y)**2)/(2*m)\n"
        "dZ = (Z - Y)/m  %% right\n"
        "dW = dZ @ X.T  %% right\n"
        "db = np.sum(dZ, axis=1, keepdims=True)  %% right\n"
        "db = np.sum(dZ, axis=0, keepdims=True)  %% wrong\n"
    )
