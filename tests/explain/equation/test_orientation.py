"""Rows and columns are told apart by what the definitions say of vectors."""

from __future__ import annotations

import pytest

from backlit.explain.equation.sheet import check

ROWS_OF_EXAMPLES = r"""z = w^T X + b
a = \sigma(z)
J = -\frac1m \sum (y \odot \log a + (1 - y) \odot \log(1 - a))
"""


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        # z is a row, as the first line says; NumPy would not tell.
        (r"dz = a - y", "right"),
        (r"dz = a^T - y", "wrong"),
        (r"dz = (a - y)^T", "wrong"),
        (r"dw = \frac1m X dz^T", "right"),
        (r"dw = \frac1m X dz", "wrong"),
        (r"dw = \frac1m dz X^T", "wrong"),
        (r"\frac{\partial J}{\partial w} = \frac1m X (a - y)^T", "right"),
        (r"\frac{\partial J}{\partial w} = \frac1m X (a - y)", "wrong"),
        (r"db = \frac1m \sum dz", "right"),
    ],
)
def test_rows_and_columns_are_told_apart(claim: str, verdict: str) -> None:
    assert check(ROWS_OF_EXAMPLES + claim).verdicts[-1].verdict == verdict


def test_a_fraction_may_be_a_row_as_a_whole() -> None:
    notes = "x: (n,)\nW: (k, n)\nz = W x\nL = ½ ‖z - y‖²\n"
    for claim in ("∂L/∂x = W^T (z - y)", "∂L/∂x = (z - y)^T W", "∂L/∂W = (z - y) x^T"):
        assert check(notes + claim).verdicts[-1].verdict == "right"
    assert check(notes + "∂L/∂x = (z - y) W").verdicts[-1].verdict == "wrong"


def test_vectors_of_programs_have_no_orientation() -> None:
    notes = "X: (m, d)\nw: (d,)\ny: (m,)\np = X @ w\nL = np.sum((p - y)**2)\n"
    assert check(notes + "dw = 2 * (p - y) @ X").verdicts[-1].verdict == "right"
