r"""Claims as they stand in notes, slides and forums: each has its verdict, and none is skipped.

The derivatives are those of z = w x + b, r = relu(x) and L = z², done by hand.
"""

from __future__ import annotations

import pytest

from backlit.explain.equation.sheet import check
from backlit.explain.equation.text.marks import blanked
from backlit.explain.equation.text.notes import read
from backlit.explain.equation.verdicts import REFUSED, RIGHT, WRONG

DEFINITIONS = "z = w x + b\nr = relu(x)\nL = z**2\n"

ONE_RIGHT = [
    "dz/dw = x // comment",
    "dz/dw = x % the input of the layer",
    "dz/dw = x # a comment",
    "dz/dw = x -- by the chain rule",
    "∂L/∂w = 2 z x ---- (3)",
    "dL/dw = 2zx — obviously",
    "dz/dw = x ← check this",
    "dz/dw = x <-- check",
    r"\boxed{∂z/∂w = x}",
    "\\[\n\\boxed{\n\\frac{dz}{dw} = x\n}\n\\]",
    r"{\color{red} \frac{\partial L}{\partial w} = 2zx}",
    r"\textcolor{blue}{\frac{\partial L}{\partial w}} = 2zx",
    "=> dz/dw = x",
    "∴ dz/dw = x",
    r"\therefore \frac{\partial L}{\partial w} = 2zx",
    r"\Rightarrow\; \frac{\partial L}{\partial w} \;=\; 2\,z\,x",
    "z'(w) = x",
    "grad_w z = x",
    "**dz/dw** = x",
    "_dz/dw_ = x",
    "***dz/dw = x***",
    "* **Claim:** $\\frac{dz}{dw} = x$ ✅",
    "1) ∂z/∂w = x ✓ done",
    "🎉 dz/dw = x 🎉",
    "👉 dz/dw = x",
    "dz/dw = x [^1]",
    "dz/dw = x ∎",
    "dz/dw = x  (QED)",
    r"dz/dw = x \checkmark",
    r"$$\boxed{\frac{dz}{dw} = x} \qquad \blacksquare$$",
    r"(3) \quad \frac{\partial z}{\partial w} = x \tag{3}",
    r"\frac{\partial z}{\partial w} &= x \label{eq:a} \notag \\",
    r"$$\displaystyle \frac{\mathrm{d}z}{\mathrm{d}w} = x$$",
    r"dz/dw = \underbrace{x}_{\text{input}}",
    r"dz/dw = {x \over 1}",
    r"dz/dw = \dfrac{x}{1}",
    r"\frac{\partial L}{\partial w} \stackrel{(1)}{=} 2zx",
    "∂z／∂w ＝ x",
    "d z / d w = x",
    "### dL/dw = 2zx",
    "<b>dL/dw</b> = 2zx",
    "Ex 1.2: dL/dw = 2zx",
    "My answer dz/dw = x",
    "is dL/dw = 2zx?",
    "The derivative of the loss that we all want to find is dL/dw = 2zx",
    "dz/dw\n= x",
    "dz/dw =\n x",
    "dz/dw\n\n= x",
    "dz/dw = x +\n 0",
    "dz/dw = x\n + 0",
    "Since L = z², dL/dw\n= 2 z x",
]

CASES = [
    "1 if x > 0 else 0",
    "(1 if x > 0 else 0)",
    "0 if x <= 0 else 1",
    "1 if x > 2 else 1 if x > 0 else 0",
    "np.where(x > 0, 1, 0)",
    r"\begin{cases} 1 & \text{if } x > 0 \\ 0 & \text{otherwise} \end{cases}",
    r"\begin{cases} 1, & \text{if $x > 0$,} \\ 0, & \text{else.} \end{cases}",
    "\\begin{cases}\n1 & x > 0 \\\\\n0 & \\text{otherwise}\n\\end{cases}",
    r"\left\{ \begin{array}{ll} 1 & x > 0 \\ 0 & \text{otherwise} \end{array} \right.",
    "{ 1 if x > 0, 0 otherwise",
    "{ 1 if x > 0\n        { 0 otherwise",
    "1 if x > 0\n        0 otherwise",
    "1 (x > 0), 0 otherwise",
    "1 (if x > 0), 0 (otherwise)",
    "1, if x > 0; 0, otherwise",
    "1 if x > 0, otherwise 0",
    "1 if x > 0 and 0 otherwise",
    "1 where x > 0, else 0",
    "1 for x > 0, 0 for x <= 0",
    "1 if x > 0 and x > -1, 0 otherwise",
    "1[x > 0]",
    "𝟙{x>0}",
    "I(x > 0)",
]

ONE_REFUSED = [
    ("dz/dw ≈ x", "about equal"),
    ("dz/dw ∝ x", "about equal"),
    (r"\left. \frac{dz}{dw} \right|_{x=1} = x", "bar"),
    ("dz/dw |_{x=1} = 1", "bar"),
    ("dz/dw = x!", "factorial"),
    ("dz/dw = 3!", "factorial"),
    ("dz = (x + 1)!", "factorial"),
    ("dL = 2 z dz", "differentials"),
    ("dr/dx = 1 when x > 0", "condition"),
    ("dr/dx = 2 if x > 1, 1 if x < 0", "condition"),
    ("dr/dx = 1 if x else 0", "compare"),
    ("2 dL/dw = 4 z x", "left side"),
    ("-dL/dw = -2 z x", "left side"),
    ("so dz/dw = x? No!", "?"),
    ("dL/dw = ...", "missing"),
]


@pytest.mark.parametrize("claim", ONE_RIGHT)
def test_a_right_claim_in_the_wild_is_right(claim: str) -> None:
    assert [v.verdict for v in check(DEFINITIONS + claim).verdicts] == [RIGHT]


@pytest.mark.parametrize("cases", CASES)
def test_cases_in_words_are_read_as_one_choice(cases: str) -> None:
    right = check(f"{DEFINITIONS}dr/dx = {cases}").verdicts
    assert [v.verdict for v in right] == [RIGHT], right
    other = cases.replace(">", "@").replace("<", ">").replace("@", "<")
    wrong = check(f"{DEFINITIONS}dr/dx = {other}").verdicts
    assert [v.verdict for v in wrong] == [WRONG], wrong


@pytest.mark.parametrize(("claim", "part"), ONE_REFUSED)
def test_what_cannot_be_judged_is_refused_and_said(claim: str, part: str) -> None:
    (verdict,) = check(DEFINITIONS + claim).verdicts
    assert verdict.verdict == REFUSED and part in verdict.message


def test_cases_define_too() -> None:
    notes = "p = { x if x > 0, 0 otherwise\ndp/dx = 1[x > 0]\ndp/dx = 1"
    assert [v.verdict for v in check(notes).verdicts] == [RIGHT, WRONG]


def test_several_claims_in_one_line_have_a_verdict_each() -> None:
    for line in (
        "dz/dw = x and dz/dx = x",
        "dz/dw = x where dz/dx = x",
        "so $dz/dw = x$, and therefore $dz/dx = x$.",
    ):
        assert [v.verdict for v in check(DEFINITIONS + line).verdicts] == [RIGHT, WRONG]


def test_a_chain_down_the_page_has_a_verdict_for_each_line() -> None:
    found = check(DEFINITIONS + "dL/dw\n  = dL/dz dz/dw\n  = 2 z").verdicts
    assert [(v.line, v.verdict) for v in found] == [(4, RIGHT), (6, WRONG)]


def test_a_decorator_is_no_product() -> None:
    (code, claim) = check("z = w x\n@decorator\ndz/dw = x").verdicts
    assert (code.line, code.verdict, claim.verdict) == (2, REFUSED, RIGHT)


def test_the_trace_of_a_differential_states_a_gradient() -> None:
    notes = "Z = W X\nL = 1/2 ||Z - T||_F^2\n"
    right = check(notes + "dL = tr((Z - T)^T dW X)").verdicts
    assert [v.verdict for v in right] == [RIGHT]
    wrong = check(notes + "dL = tr((Z - T)^T dW)").verdicts
    assert [v.verdict for v in wrong] == [WRONG]


def test_a_mention_is_no_claim() -> None:
    for line in ("We want dz/dw.", "What is dz/dw when x = 0?", "% dz/dw = w", "// dz/dw = w"):
        assert check(DEFINITIONS + line).verdicts == ()


def test_a_long_line_is_shown_in_part() -> None:
    sheet = check("z = w x\ndz/dw = " + "x " * 40_000)
    (verdict,) = sheet.verdicts
    assert verdict.verdict == REFUSED and verdict.span[1] > 80_000
    assert len(verdict.claim) < 300 and len(sheet.to_text()) < 2_000


def test_a_long_product_is_not_called_nested() -> None:
    (verdict,) = check("z = w x\ndz/dw = " + "x " * 300).verdicts
    assert verdict.verdict == REFUSED and "300 terms" in verdict.message
    (verdict,) = check("z = w x\ndz/dw = " + "(" * 120 + "x" + ")" * 120).verdicts
    assert verdict.verdict == REFUSED and "nested" in verdict.message.lower()


@pytest.mark.parametrize("text", [*ONE_RIGHT, "a **2 + b** 2 = c", "{" * 3_000, "x ★ y = z"])
def test_marks_are_blanked_in_place(text: str) -> None:
    assert len(blanked(text)) == len(text)
    assert all(s.text[slice(*s.span)] in text for s in read(text).statements)


def test_an_operator_is_no_mark() -> None:
    for text in ("a = b**2 c**2", "a = b * c * d", "a = {b} c", "x ★ y = z", "a = b // 2"):
        assert blanked(text) == text
