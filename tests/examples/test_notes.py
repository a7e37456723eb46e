"""The equations of the questions, as notes: the verdicts of the texts they are from."""

from __future__ import annotations

import pytest
from report import NOTES

import backlit as bl

RIGHT = ("right", None)
WRONG = "wrong"

# For each claim its verdict and, if it is wrong, of what kind it is.
EXPECTED: dict[str, list[tuple[str, str | None]]] = {
    "q0-neuron": [RIGHT] * 5,
    "q0-layers": [RIGHT] * 2,
    "q0-jacobians": [RIGHT, RIGHT],
    "q0-fan-out": [RIGHT, (WRONG, "path")],
    "q1-chain-rule": [RIGHT, RIGHT, (WRONG, "symbol"), RIGHT, RIGHT],
    "q2-shared-bias": [RIGHT, RIGHT, RIGHT, (WRONG, "path")],
    "q2-middle-layer": [(WRONG, "independent"), RIGHT],
    "q2-numbers": [*[RIGHT] * 6, (WRONG, "other")],
    "q3-one-variable": [RIGHT, (WRONG, "path")],
    "q3-delta": [RIGHT, RIGHT, (WRONG, "path")],
    "q3-linear": [RIGHT],
    "q3-sigmoid": [RIGHT, RIGHT, (WRONG, "activation-for-preactivation")],
    "q4-block": [RIGHT, (WRONG, "index"), RIGHT, (WRONG, "symbol"), (WRONG, "index"), RIGHT],
    "q4-slips": [
        RIGHT,
        (WRONG, "symbol"),
        (WRONG, "index"),
        (WRONG, "index"),
        (WRONG, "elementwise"),
        RIGHT,
    ],
    "q4-chain-rule": [(WRONG, "symbol"), RIGHT],
    "q4-logistic": [RIGHT, RIGHT, RIGHT, RIGHT, (WRONG, "path"), RIGHT, RIGHT],
    "q4-stable": [RIGHT],
    "elsewhere-equal-weights": [RIGHT, (WRONG, "path"), (WRONG, "index")],
    "elsewhere-per-example": [RIGHT, RIGHT, (WRONG, "one-over-m")],
    "elsewhere-one-over-m": [RIGHT, RIGHT, (WRONG, "one-over-m")],
    "elsewhere-transpose": [RIGHT, (WRONG, "transpose"), RIGHT, (WRONG, "transpose")],
}


def test_all_notes_are_there() -> None:
    assert sorted(path.stem for path in NOTES.iterdir()) == sorted(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_each_line_gets_its_verdict(name: str) -> None:
    path = NOTES / f"{name}.md"
    verdicts = bl.check(path).verdicts
    assert [v.verdict for v in verdicts] == [verdict for verdict, _ in EXPECTED[name]]
    assert [v.kind for v in verdicts] == [kind for _, kind in EXPECTED[name]]
    assert all((v.suggestion is None) == (v.verdict == "right") for v in verdicts)


@pytest.mark.parametrize("name", EXPECTED)
def test_what_is_suggested_is_right(name: str) -> None:
    """Put where the wrong line stands, every suggestion is judged to be right."""
    lines = (NOTES / f"{name}.md").read_text(encoding="utf-8").splitlines()
    for verdict in bl.check("\n".join(lines)).verdicts:
        if verdict.suggestion is not None:
            place = verdict.line - 1
            mended = "\n".join([*lines[:place], verdict.suggestion, *lines[place + 1 :]])
            (again,) = [v for v in bl.check(mended).verdicts if v.line == verdict.line]
            assert again.verdict == "right", verdict.suggestion


def test_the_printed_lines_are_repaired_as_they_have_to_be() -> None:
    found = [v.suggestion for v in bl.check(NOTES / "q4-block.md").verdicts]
    assert found == [
        None,
        r"dW^{[L]} = \frac{1}{m} dZ^{[L]} A^{[L - 1]T}",
        None,
        r"dZ^{[L - 1]} = W^{[L]T} dZ^{[L]} \odot g'^{[L - 1]}(Z^{[L - 1]})",
        r"dW^{[1]} = \frac{1}{m} dZ^{[1]} A^{[0]T}",
        None,
    ]
    fourth = bl.check(NOTES / "q4-block.md").verdicts[3]
    for slip in ("‘dW^{[L]}’", "‘dZ^{[2]}’", "elementwise", "‘g'^{[1]}(Z^{[1]})’"):
        assert slip in fourth.message


def test_the_replys_chain_rule_is_repaired() -> None:
    assert bl.check(NOTES / "q4-chain-rule.md").verdicts[0].suggestion == (
        "∂f(g(x))/∂x = f'(g(x)) · g'(x)"
    )


def test_the_middle_layer_is_told_what_the_matter_is() -> None:
    wrong, _ = bl.check(NOTES / "q2-middle-layer.md").verdicts
    for part in ("w₇ does not depend on h₁", "independent variable", "∂w₇/∂h₁ = 0"):
        assert part in wrong.message
    assert wrong.suggestion == ("∂L/∂w₁ = ∂h₁/∂w₁ · ∂o₂/∂h₁ · ∂L/∂o₂ + ∂h₁/∂w₁ · ∂o₁/∂h₁ · ∂L/∂o₁")
