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
    "q0-jacobians": [RIGHT],
    "q0-fan-out": [RIGHT, (WRONG, "path")],
    "q1-chain-rule": [RIGHT, RIGHT, (WRONG, "any"), RIGHT, RIGHT],
    "q2-shared-bias": [RIGHT, RIGHT, RIGHT, (WRONG, "path")],
    "q2-middle-layer": [(WRONG, "independent"), RIGHT],
    "q2-numbers": [*[RIGHT] * 6, (WRONG, "any")],
    "q3-one-variable": [RIGHT, (WRONG, "any")],
    "q3-delta": [RIGHT, RIGHT, (WRONG, "path")],
    "q3-linear": [RIGHT],
    "q3-sigmoid": [RIGHT, RIGHT, (WRONG, "activation-for-preactivation")],
    "q4-block": [RIGHT, (WRONG, "index"), RIGHT, (WRONG, "any"), (WRONG, "index"), RIGHT],
    "q4-slips": [
        RIGHT,
        (WRONG, "symbol"),
        (WRONG, "index"),
        (WRONG, "any"),
        (WRONG, "elementwise"),
        RIGHT,
    ],
    "q4-chain-rule": [(WRONG, "any"), RIGHT],
    "q4-logistic": [RIGHT, RIGHT, RIGHT, RIGHT, (WRONG, "any"), RIGHT, RIGHT],
    "q4-stable": [RIGHT],
    "elsewhere-equal-weights": [RIGHT, (WRONG, "any"), (WRONG, "index")],
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
    for verdict, (_, kind) in zip(verdicts, EXPECTED[name], strict=True):
        assert verdict.kind == kind or (kind == "any" and verdict.kind is not None)


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


def test_the_middle_layer_is_told_what_the_matter_is() -> None:
    wrong, _ = bl.check(NOTES / "q2-middle-layer.md").verdicts
    for part in ("w₇ does not depend on h₁", "independent variable", "∂w₇/∂h₁ = 0"):
        assert part in wrong.message
    assert wrong.suggestion == ("∂L/∂w₁ = ∂h₁/∂w₁ · ∂o₂/∂h₁ · ∂L/∂o₂ + ∂h₁/∂w₁ · ∂o₁/∂h₁ · ∂L/∂o₁")
