"""The sheet as a whole: what it holds, what is refused, and what is too much."""

from __future__ import annotations

import json

import pytest

import backlit as bl
from backlit.core.errors import InputError
from backlit.explain.equation.verdicts import KINDS
from tests.explain.equation.sheets import assert_as_marked, only

NEURON = "z = w x + b\na = σ(z)\nL = (a - y)²\n"


def test_what_a_sheet_holds():
    sheet = bl.check(NEURON + "dL/dz = 2 (a - y) a (1 - a)\ndL/dw = a\ndL/dq = a")
    right, wrong, refused = sheet.verdicts
    assert not sheet and not sheet.ok and sheet.exit_code == 1
    assert (right.kind, right.suggestion, right.proved) == (None, None, True)
    assert right.points >= 20 and wrong.points >= 20 and refused.points == 0
    assert {wrong.kind, refused.kind} <= set(KINDS)
    assert [wrong.claim[slice(*wrong.span)], refused.claim[slice(*refused.span)]] == ["a", "q"]
    assert json.loads(sheet.to_json()) == [v.to_dict() for v in sheet.verdicts]


def test_a_sheet_that_is_all_right_is_true():
    sheet = bl.check(NEURON + "dL/da = 2 (a - y)")
    assert sheet and sheet.exit_code == 0 and "1 right." in str(sheet)


def test_notes_without_claims():
    sheet = bl.check(NEURON)
    assert sheet.verdicts == () and sheet.exit_code == 0 and "There is no claim" in str(sheet)


def test_a_path_is_read_and_a_text_is_not_a_path(tmp_path):
    path = tmp_path / "notes.md"
    path.write_text(NEURON + "dL/da = 2 (a - y)", encoding="utf-8")
    assert bl.check(path).ok
    assert bl.check(str(path)).verdicts == ()
    with pytest.raises(InputError, match="cannot read"):
        bl.check(tmp_path / "none.md")


def test_the_same_notes_have_the_same_verdicts():
    notes = NEURON + "dL/dw = 2 (a - y) a (1 - a) x\ndL/db = a\ndL/dx = 2 (a - y) a (1 - a)"
    assert bl.check(notes) == bl.check(notes)


def test_two_readings_that_differ_are_both_shown():
    verdict = only("z = x²/4\ndz/dx = 1/2x")
    assert verdict.verdict == "refused" and verdict.message.startswith("Ambiguous")
    assert "is right" in verdict.message and "is wrong" in verdict.message


def test_two_readings_that_agree_are_one():
    assert only("L = 1/2 (a - y)²\ndL/da = (a - y)").verdict == "right"


def test_a_claim_that_no_definition_makes_finite_is_refused():
    verdict = only("z = log(-x²)\ndz/dx = 2/x")
    assert verdict.verdict == "refused" and "‘z’ was not finite" in verdict.message


def test_a_circle_is_refused():
    sheet = bl.check("a = b + 1\nb = a c\nda/dc = 1")
    assert [v.verdict for v in sheet.verdicts] == ["refused"] * 3


def test_an_independent_variable():
    verdict = only("z = w x\nL = z²\nq = 3 r\n∂L/∂r = 2 z w")
    assert (verdict.verdict, verdict.kind) == ("wrong", "independent")
    assert only("z = w x\nL = z²\nq = 3 r\n∂L/∂r = 0").verdict == "right"


def test_a_zero_that_is_harmless_is_not_blamed():
    assert only("h = u x\nL = v h\n∂L/∂x = v u + ∂v/∂h").verdict == "right"


DOUBLING = "f(x) = x + x*x\nz = " + "f(" * 18 + "w" + ")" * 18 + "\ndz/dw = 1"
CHAINED = "\n".join(
    ["L = w²", "d1 = dL/dw + dL/dw", *[f"d{k + 1} = d{k} + d{k}" for k in range(1, 25)], "dw = d25"]
)


@pytest.mark.parametrize(
    "notes",
    [
        DOUBLING,
        CHAINED,
        "z = \\sum_{i=1}^{1000000} x_i\ndz/dx_1 = 1",
        "X: (100000, 100000)\nz = sum(X)\ndz/dX = 1",
        "A^{[l]} = g(W^{[l]} A^{[l-1]})\nJ = \\sum A^{[L]}\n∂J/∂A^{[1000000]} = 1",
        "z = x^{99999999999999}\ndz/dx = 1",
        "z = " + "(" * 500 + "x" + ")" * 500 + "\ndz/dx = 1",
    ],
)
def test_what_is_too_much_is_refused(notes):
    sheet = bl.check(notes)
    assert sheet.exit_code == 3
    assert {v.verdict for v in sheet.verdicts} == {"refused"}


@pytest.mark.parametrize(
    "line",
    [
        "dL/dw = __import__('os').system('true')",
        "dL/dw = open('/etc/passwd').read()",
        "dL/dw = (lambda: 1)()",
        "dL/dw = ().__class__.__bases__[0]",
        "import os",
        "dL/dw = [x for x in (1, 2)]",
        "dL/dw = eval('1')",
    ],
)
def test_code_is_refused(line):
    verdicts = bl.check(NEURON + line).verdicts
    assert [v.verdict for v in verdicts] == ["refused"]


def test_one_fault_does_not_take_the_others_with_it():
    assert_as_marked(
        """
z = w x + b
Q = z + ] 3   %% refused
L = (z - y)²
dL/dz = 2 (z - y)   %% right
dL/dw = 2 (z - y))   %% refused
dL/db = 2 (z - y)   %% right
"""
    )


def test_the_time_for_a_claim_is_bounded(monkeypatch):
    from backlit.explain.equation import sheet

    monkeypatch.setattr(sheet, "_SECONDS_A_CLAIM", -1.0)
    verdict = only(NEURON + "dL/da = 2 (a - y)")
    assert verdict.verdict == "refused" and "exceeds a cap" in verdict.message


def test_what_depends_on_a_line_that_cannot_be_read_is_refused():
    sheet = assert_as_marked(
        """
z = w x + b
L = (z - y]²   %% refused
dw = 2 (z - y) x   %% refused
∂L/∂w = 2 z x   %% refused
∂z/∂w = x   %% right
"""
    )
    assert all("line 2" in v.message for v in sheet.verdicts[1:3])


def test_a_sheet_shows_itself_in_a_notebook():
    notes = "z = w x + b\ndz/dw = x\ndz/db = 0\ndz/dx = <b>"
    html = bl.check(notes)._repr_html_()
    assert "dz/db = <u>0</u>" in html
    assert "<code>∂z/∂b = 1</code>" in html
    assert "Every variable is a number." in html
    assert "1 right, 1 wrong, 1 refused." in html
    # What the notes hold is text, and nothing is fetched or run.
    assert "<b>" not in html and "<u>&lt;</u>b&gt;" in html
    assert not any(word in html for word in ("<script", "http:", "https:", "url("))
