"""Notes as people write them, in many notations: right claims are right, wrong ones are not.

The right ones are closed forms from textbooks; in each wrong one a sign, a factor, a transpose or a
path is missing.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from backlit.explain.equation.sheet import check
from backlit.explain.equation.verdicts import REFUSED, RIGHT
from tests.explain.equation.sheets import assert_as_marked

_SECTIONS = [
    section
    for path in sorted((Path(__file__).parent / "notes").glob("*.md"))
    for section in path.read_text(encoding="utf-8").split("\n## ")[1:]
]


@pytest.mark.parametrize("section", _SECTIONS, ids=lambda section: section.partition("\n")[0])
def test_notes_are_judged_as_marked(section: str) -> None:
    assert_as_marked(section.partition("\n")[2].strip("\n"))


def test_there_are_many_right_and_wrong_claims() -> None:
    marks = [line.partition("%%")[2].strip() for s in _SECTIONS for line in s.split("\n")]
    assert marks.count("right") >= 120 and marks.count("wrong") >= 50


def test_a_claim_that_reaches_beyond_an_array_for_some_elements_is_not_right() -> None:
    """For k = 1 it holds; for the others there is no x_0."""
    notes = "y_i = Σ_k w_k x_{i+k-1}\nL = Σ_i g_i y_i\n∂L/∂w_k = Σ_i g_i x_{i-k+1}"
    (verdict,) = check(notes).verdicts
    assert verdict.verdict == REFUSED and "some elements" in verdict.message


def test_large_arrays_are_judged_at_fewer_points() -> None:
    notes = (
        "x: (300,)\nA = outer(x, x)\nL = sum(A @ A)\n"
        "dL/dx = 2 (xᵀx) sum(x) ones(300) + 2 sum(x)² x  %% right\n"
        "dL/dx = 2 (xᵀx) sum(x) ones(300) + 2 sum(x) x  %% wrong"
    )
    right = next(v for v in assert_as_marked(notes).verdicts if v.verdict == RIGHT)
    assert 3 <= right.points < 20


def test_a_jacobian_that_is_too_large_is_not_computed() -> None:
    (verdict,) = check("x: (300,)\nA = outer(x, x)\nL = sum(A)\n∂A/∂x = x").verdicts
    assert verdict.verdict != RIGHT


@pytest.mark.parametrize(
    "notes",
    [
        "x: (300,)\nA = outer(x, x)\nB = outer(A, A)\nL = sum(B)\ndx = 0",
        "x: (3,)\nL = Σ_{i=1}^{5000} x_i\ndx = 0",
        "x: (3,)\nL = sum(zeros((2000, 2000)))*sum(x)\ndx = 0",
    ],
)
def test_caps_are_no_faults_of_shapes(notes: str) -> None:
    found = check(notes).verdicts
    assert {v.verdict for v in found} == {REFUSED}
    assert {v.kind for v in found} == {"other"}
    assert any("cap" in v.message for v in found)


def test_a_derivative_and_its_right_side_may_stand_on_two_lines():
    sheet = check("z = w x\nL = z²\n\ndL/dw\n  = 2 z w\n  = 2 z x")
    assert [(v.line, v.verdict, v.suggestion) for v in sheet.verdicts] == [
        (4, "wrong", "∂L/∂w = 2 z x"),
        (6, "right", None),
    ]
    above, below, mark = sheet.to_text().partition("✗")[2].splitlines()[:3]
    assert above == " line 4: dL/dw" and below.strip() == "= 2 z w"
    assert below[mark.index("^") :] == "w" and mark.strip() == "^"
