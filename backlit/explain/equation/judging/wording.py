"""Verdicts put into words."""

from __future__ import annotations

import re
from collections.abc import Callable

from backlit.explain.equation.binding.names import BindingError
from backlit.explain.equation.binding.script import Claim
from backlit.explain.equation.binding.versions import as_written
from backlit.explain.equation.judging.claims import Outcome
from backlit.explain.equation.text import conditions, printing
from backlit.explain.equation.text.entries import Refusal
from backlit.explain.equation.tree import Equation, Node, Span
from backlit.explain.equation.values.evaluate import EvaluationFault
from backlit.explain.equation.verdicts import REFUSED, Verdict

# y_hat, which is ŷ, of y_hat and dy_hat.
_ACCENTED = re.compile(r"\bd?([A-Za-z]\d*)_(hat|bar|tilde)\b")


def printer_of(claim: Claim) -> Callable[[Node], str]:
    """Return what writes an expression as the line of a claim is written."""
    accented = {"".join(found): "_".join(found) for found in _ACCENTED.findall(claim.text)}
    has_stars = claim.style == "unicode" and "*" in claim.text and "⊙" not in claim.text

    def write(node: Node) -> str:
        node = as_written(node)
        only = conditions.stated(node) if isinstance(node, Equation) else None
        if only is not None:
            words = r" \text{ for } " if claim.style == "latex" else " for "
            return write(only[0]) + words + write(only[1])
        text = printing.written(node, claim.style)
        if claim.style == "python":
            for base, spelt in accented.items():
                text = re.sub(rf"\b(d?){base}\b", rf"\g<1>{spelt}", text)
        return text.replace("⊙", "*") if has_stars else text

    return write


def holds_at(outcome: Outcome) -> str:
    """Say at how many points a claim holds."""
    if outcome.points == 1:
        return "The derivative has this value where the notes evaluate it."
    told = f"Holds at {outcome.points} random points"
    if outcome.proved:
        told += ", and was proved"
    if outcome.layout != "elementwise":
        told += f", in {outcome.layout} layout"
    return f"{told}."


def verdict_of(
    claim: Claim,
    outcome: Outcome,
    kind: str | None,
    message: str,
    suggestion: str | None,
    span: Span,
) -> Verdict:
    """Return the verdict on a claim that was judged."""
    return Verdict(
        claim.line,
        claim.source,
        outcome.status,
        outcome.proved,
        kind,
        message,
        suggestion,
        span if span[1] > span[0] else claim.span,
        outcome.points,
    )


def refused(claim: Claim, fault: BindingError | EvaluationFault) -> Verdict:
    """Return the verdict on a claim that could not be judged."""
    span = fault.span if fault.span[1] > fault.span[0] else claim.span
    kind, what = "other", fault.what
    if isinstance(fault, BindingError):
        kind = fault.kind
    elif fault.symbol is not None:
        what = what.replace(fault.symbol, f"‘{fault.symbol}’", 1)
    return Verdict(
        claim.line, claim.source, REFUSED, False, kind, sentence(what), fault.fix, span, 0
    )


def unread(fault: Refusal) -> Verdict:
    """Return the verdict on a line that could not be read."""
    return Verdict(
        fault.line,
        fault.text.strip(),
        REFUSED,
        False,
        "other",
        sentence(fault.message),
        fault.fix,
        fault.span,
        0,
    )


def sentence(text: str) -> str:
    """Return a text with a capital and a full stop."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
