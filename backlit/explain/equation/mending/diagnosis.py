"""What is the matter with a wrong claim, as far as its values alone tell."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from backlit.explain.equation.binding.batch import COUNTS
from backlit.explain.equation.binding.script import value_of
from backlit.explain.equation.binding.written import rebuilt
from backlit.explain.equation.judging.claims import Bound, Outcome
from backlit.explain.equation.judging.given import Stated
from backlit.explain.equation.mending.terms import factors, product
from backlit.explain.equation.tree import (
    NOWHERE,
    PRODUCTS,
    Binary,
    Derivative,
    Equation,
    Name,
    Node,
    Span,
)

_CLOSE = 1e-7


@dataclass(frozen=True)
class Case:
    """A wrong claim.

    Attributes
    ----------
    equation : Equation
        In the reading that was judged, as it was written.
    outcome : Outcome
        With the claim tied to each network, and where its sides differ.
    attempt : callable
        ``attempt(equation)`` tells whether an equation is right, at points that no claim was judged
        at; it may be anything the notation can say. False once the time is up.
    write : callable
        Prints an expression as the line is written.
    left : callable
        Seconds that may still be spent.
    per_example : bool
        What bare derivatives are.
    tied : callable
        ``tied(equation)`` ties an equation to the networks.
    is_program : bool
        Whether the claim is a line of a program.
    """

    equation: Equation
    outcome: Outcome
    attempt: Callable[[Equation], bool]
    write: Callable[[Node], str]
    left: Callable[[], float]
    per_example: bool
    tied: Callable[[Equation], Sequence[Bound]]
    is_program: bool = False


@dataclass(frozen=True)
class Diagnosis:
    """What is the matter.

    Attributes
    ----------
    kind : str
    message : str
    suggestion : str or None
    span : (int, int)
    """

    kind: str
    message: str
    suggestion: str | None
    span: Span


def unrepaired(case: Case, hint: Diagnosis | None) -> Diagnosis:
    """Tell what is the matter with a wrong claim that nothing repairs.

    Parameters
    ----------
    case : Case
    hint : Diagnosis or None
        What the ratio of its sides tells.

    Returns
    -------
    Diagnosis
    """
    other = Diagnosis("other", _differs(case), None, case.equation.right.span)
    return misfit(case) or hint or other


# ------------------------------------------------------------------------------- independent


def independent(case: Case) -> Diagnosis | None:
    """Find a derivative of something that does not depend on the variable: ∂w₇/∂h₁."""
    bound = case.outcome.wrong
    if bound is None:
        return None
    if _is_zero(bound, bound.left):
        return _independent_left(case)
    found = [
        (written, tied)
        for written, tied in _pairs(case.equation.right, bound)
        if not bound.program.depends(_symbol(tied.target), _symbol(tied.wrt))
    ]
    if not found:
        return None
    first, _ = found[0]
    assert first.target is not None
    above, below = case.write(first.target), case.write(first.wrt)
    message = (
        f"{above} does not depend on {below}, it is an independent variable: "
        f"{case.write(first)} = 0"
    )
    if case.outcome.comparison is not None and not case.outcome.comparison.right.any():
        message += ", and with it the whole right side"
    message += "."
    repaired, replaced = case.equation.right, []
    for written, _ in found:
        new = _merged(repaired, written)
        if new is not None:
            repaired, merged = new
            replaced.append(merged)
    better = Equation(case.equation.left, repaired)
    if replaced:
        message += f" {case.write(replaced[0])} should stand there."
    suggestion = case.write(better) if replaced and case.attempt(better) else None
    return Diagnosis("independent", message, suggestion, first.span)


def _is_zero(bound: Bound, side: Node) -> bool:
    found = next((n for n in side.walk() if isinstance(n, Derivative)), None)
    return found is not None and not bound.program.depends(
        _symbol(found.target), _symbol(found.wrt)
    )


def _independent_left(case: Case) -> Diagnosis | None:
    left = case.equation.left
    if not isinstance(left, Derivative) or left.target is None:
        return None
    above, below = case.write(left.target), case.write(left.wrt)
    return Diagnosis(
        "independent",
        f"{above} does not depend on {below}: the derivative is 0.",
        f"{case.write(left)} = 0",
        left.span,
    )


def _pairs(node: Node, bound: Bound) -> Iterator[tuple[Derivative, Derivative]]:
    """Yield the derivatives of a right side as they were written and as they are tied."""
    tied = {n.span: n for n in bound.right.walk() if isinstance(n, Derivative)}
    for written in node.walk():
        if isinstance(written, Derivative) and written.target is not None:
            found = tied.get(written.span)
            if found is not None and written.span != NOWHERE:
                yield written, found


def _symbol(node: Node | None) -> str:
    names = [n.base for n in node.walk() if isinstance(n, Name)] if node is not None else []
    return names[0] if names else ""


def _merged(right: Node, wrong: Derivative) -> tuple[Node, Derivative] | None:
    """Return a right side with ∂w/∂h · ∂o/∂w put together to ∂o/∂h."""
    merged: list[Derivative] = []

    def visit(node: Node) -> Node:
        if isinstance(node, Binary) and node.op in PRODUCTS and not merged:
            parts = factors(node)
            if any(f is wrong for f in parts):
                partner = next(
                    (f for f in parts if isinstance(f, Derivative) and f.wrt == wrong.target),
                    None,
                )
                if partner is not None:
                    new = Derivative(partner.target, wrong.wrt, style=wrong.style, span=wrong.span)
                    merged.append(new)
                    kept = [new if f is wrong else f for f in parts if f is not partner]
                    return product(kept, node.op)
        return rebuilt(node, visit)

    made = visit(right)
    return (made, merged[0]) if merged else None


# ------------------------------------------------------------------------------------- shape


def misfit(case: Case) -> Diagnosis | None:
    """Say which shapes do not fit."""
    fault = case.outcome.fault
    if fault is None:
        return None
    span = fault.span if fault.span != NOWHERE else case.equation.right.span
    text = f"{fault.what[:1].upper()}{fault.what[1:].rstrip('.')}."
    if case.outcome.wrong is not None:
        text = _with_names(text, case.outcome.wrong.scene.named)
    return Diagnosis("shape", text, None, span)


def _with_names(text: str, named: Mapping[str, int]) -> str:
    """Return a message with the names of dimensions in its shapes: (n, m) for (4, 5)."""
    names = {str(number): name for name, number in reversed(list(named.items()))}

    def shape(found: re.Match[str]) -> str:
        return re.sub(r"\d+", lambda n: names.get(n[0], n[0]), found[0])

    return re.sub(r"\([\d, ]+\)", shape, text)


# ------------------------------------------------------------------------------------- ratio


def ratio(case: Case) -> Diagnosis | None:
    """Find one number by which the right side is too large at every point."""
    found, bound = case.outcome.comparison, case.outcome.wrong
    if found is None or bound is None or found.ratio is None:
        return None
    span = case.equation.right.span
    value = found.ratio
    if abs(value + 1) < _CLOSE:
        return Diagnosis("sign", "The sign is the opposite one.", None, span)
    for name, size in _counts(bound).items():
        if abs(value - size) < _CLOSE * size:
            text = f"The right side is {name} times too large: 1/{name} is missing."
            return Diagnosis("one-over-m", text, None, span)
        if abs(value * size - 1) < _CLOSE:
            text = f"The right side is {name} times too small: 1/{name} stands once too often."
            return Diagnosis("one-over-m", text, None, span)
    simple = Fraction(value).limit_denominator(24)
    if simple == 1:
        # They differ by so little that no factor tells.
        return None
    if abs(value - simple) > _CLOSE * abs(value) or abs(simple.numerator) > 24:
        return None
    text = f"The right side is {simple} times the derivative."
    return Diagnosis("factor", text, None, span)


def wrong_number(found: Diagnosis, case: Case, stated: Stated) -> Diagnosis:
    """Say what a derivative is where the notes evaluate it.

    Parameters
    ----------
    found : Diagnosis
        Of the claim as one about all values.
    case : Case
    stated : Stated
        The number that stands there.

    Returns
    -------
    Diagnosis
    """
    digits = len(stated.text.lower().partition("e")[0].replace(".", "").lstrip("-−0"))
    is_plain = value_of(case.equation.right) is not None
    value = f"{stated.there:.{max(digits, 3) if is_plain else 6}g}"
    what = case.write(case.equation.left)
    put = stated.text if is_plain else f"{stated.text} = {stated.value:.6g}"
    message = f"With the values of the notes {what} is {value}, not {put}."
    kind = "sign" if stated.is_opposite else found.kind
    return Diagnosis(kind, message, f"{what} = {value}", case.equation.right.span)


def _counts(bound: Bound) -> Mapping[str, float]:
    """Return the numbers of examples by their names."""
    scene = bound.scene
    known = {**scene.script.counts, **scene.choice.sizes.constants, **scene.named}
    if scene.axis is not None and scene.axis not in known.values():
        known.setdefault(COUNTS[0], scene.axis)
    return {name: float(known[name]) for name in COUNTS if name in known}


def _differs(case: Case) -> str:
    found = case.outcome.comparison
    if found is not None and not found.right.any():
        return "The right side is 0 and the derivative is not."
    if found is not None and not found.left.any():
        return "The derivative is 0 and the right side is not."
    return "The right side is not the derivative."
