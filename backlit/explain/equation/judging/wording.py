"""Verdicts put into words."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from backlit.explain.equation.binding.names import BindingError, nearest
from backlit.explain.equation.binding.script import Claim
from backlit.explain.equation.binding.versions import as_written
from backlit.explain.equation.judging.claims import Outcome
from backlit.explain.equation.text import conditions, printing
from backlit.explain.equation.text.entries import Refusal
from backlit.explain.equation.tree import Equation, Name, Node, Span
from backlit.explain.equation.values.evaluate import EvaluationFault
from backlit.explain.equation.verdicts import REFUSED, Verdict

# y_hat, which is ŷ, of y_hat and dy_hat.
_VARIANCE = re.compile(r"σ²|\\sigma\s*\^\s*\{?\s*2")
_ACCENTED = re.compile(r"\bd?([A-Za-z]\d*)_(hat|bar|tilde)\b")


# The word below the line of dL/dalpah.
_BELOW = re.compile(r"/\s*(?:d|∂|\\partial\s)_?([A-Za-z]\w+)\s*$")


def printer_of(claim: Claim, style: str | None = None) -> Callable[[Node], str]:
    """Return what writes an expression as the line of a claim is written, or in another style."""
    style = claim.style if style is None else style
    accented = {"".join(found): "_".join(found) for found in _ACCENTED.findall(claim.text)}
    has_variance = _VARIANCE.search(claim.text) is not None
    has_stars = style == "unicode" and "*" in claim.text and "⊙" not in claim.text

    def write(node: Node) -> str:
        node = as_written(node)
        only = conditions.stated(node) if isinstance(node, Equation) else None
        if only is not None:
            words = r" \text{ for } " if style == "latex" else " for "
            return write(only[0]) + words + write(only[1])
        text = printing.written(node, style)
        if style == "python":
            for base, spelt in accented.items():
                text = re.sub(rf"\b(d?){base}\b", rf"\g<1>{spelt}", text)
        elif has_variance:
            text = text.replace(r"\sigma2", r"\sigma^2").replace("σ2", "σ²")
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


def unread(fault: Refusal, known: Sequence[Name] = ()) -> Verdict:
    """Return the verdict on a line that could not be read.

    Parameters
    ----------
    fault : Refusal
    known : sequence of Name
        The variables of the notes: one of them may be misspelt, as in dL/dalpah.

    Returns
    -------
    Verdict
    """
    message, fix = fault.message, fault.fix
    below = _BELOW.search(fault.text.partition("=")[0])
    if below is not None and all(name.base != below[1] for name in known):
        spelt = {name.base: printing.written(Name(name.base), "unicode") for name in known}
        near = [spelt[base] for base in nearest(below[1], spelt)]
        if near:
            message = f"the notes have no variable ‘{below[1]}’"
            fix = f"did you mean {' or '.join(near)}?"
    return Verdict(
        fault.line,
        fault.text.strip(),
        REFUSED,
        False,
        "other",
        sentence(message),
        fix,
        fault.span,
        0,
    )


def sentence(text: str) -> str:
    """Return a text with a capital and a full stop."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
