"""What the checker makes of the corpus, and how good that has to be."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass

from backlit.explain.equation.sheet import check
from backlit.explain.equation.text.notes import read
from backlit.explain.equation.tree import Derivative, Equation
from backlit.explain.equation.verdicts import RIGHT, WRONG, Verdict
from tests.explain.equation.corpus.mutants import ACCEPTED, EDITS, Mutant
from tests.explain.equation.corpus.plain import Misfit, Unknown, holds
from tests.explain.equation.corpus.reading import Sheet

# Of the right claims, so many are called right.
CALLED_RIGHT = 0.99
# Of the claims with one mistake, for so many the mistake is named and what is offered is right.
DIAGNOSED = 0.90


@functools.cache
def verdicts(sheet: Sheet) -> dict[int, Verdict]:
    """Return what the checker says about the lines of a sheet."""
    return {v.line: v for v in check(sheet.text).verdicts}


@dataclass(frozen=True)
class Judged:
    """What the checker says about a mutant.

    Attributes
    ----------
    mutant : Mutant
    verdict : Verdict or None
        None if it does not see the claim.
    fault : str
        What is not good about the diagnosis, or "".
    """

    mutant: Mutant
    verdict: Verdict | None
    fault: str

    @property
    def is_right(self) -> bool:
        return self.verdict is not None and self.verdict.verdict == RIGHT

    def __str__(self) -> str:
        where = f"{self.mutant.sheet.title}, {self.mutant.kind}: {self.mutant.claim.strip()}"
        was = self.mutant.sheet.line(self.mutant.line).strip()
        return f"{where}\n    was {was}\n    {self.fault or 'called right'}"


def judged(mutant: Mutant) -> Judged:
    """Check the notes with the mistake."""
    found = [v for v in check(mutant.text).verdicts if v.line == mutant.line]
    if not found:
        return Judged(mutant, None, "is not seen to be a claim")
    return Judged(mutant, found[0], _fault(mutant, found[0]))


def _fault(mutant: Mutant, verdict: Verdict) -> str:
    if verdict.verdict != WRONG:
        return f"is {verdict.verdict}: {verdict.message}"
    if verdict.kind not in ACCEPTED[mutant.kind]:
        return f"is of the kind {verdict.kind}: {verdict.message}"
    if verdict.suggestion is None:
        return f"nothing is offered: {verdict.message}"
    offered = _offered(mutant, verdict.suggestion)
    if offered is None:
        return f"what is offered cannot be read: {verdict.suggestion}"
    if _is_idle(offered):
        return f"what is offered says nothing: {verdict.suggestion}"
    try:
        if offered.left == mutant.original.left and _is_right(mutant.sheet, offered):
            return ""
    except (Misfit, Unknown):
        pass
    return f"what is offered is not right: {verdict.suggestion}"


def _offered(mutant: Mutant, suggestion: str) -> Equation | None:
    """Read what is offered in the place of the line with the mistake."""
    lines = mutant.text.split("\n")
    lines[mutant.line - 1] = suggestion
    found = [s.equation for s in read("\n".join(lines)).statements if s.line == mutant.line]
    return found[0] if len(found) == 1 else None


def _is_idle(equation: Equation) -> bool:
    """Tell whether the derivative is said to be itself."""
    return equation.left in list(equation.right.walk()) and isinstance(equation.left, Derivative)


def _is_right(sheet: Sheet, equation: Equation) -> bool:
    return all(holds(equation, point) for point in sheet.points)


def table(found: Iterable[Judged]) -> str:
    """Return how many mutants of each kind there are and what became of them."""
    everything = list(found)
    rows = [f"{'edit':14}{'mutants':>9}{'right':>8}{'not seen':>10}{'diagnosed':>11}"]
    for kind in [*EDITS, ""]:
        some = [j for j in everything if not kind or j.mutant.kind == kind]
        if some:
            good = sum(not j.fault for j in some) / len(some)
            unseen = sum(j.verdict is None for j in some)
            called = sum(j.is_right for j in some)
            name = kind or "all"
            rows.append(f"{name:14}{len(some):>9}{called:>8}{unseen:>10}{good:>11.1%}")
    return "\n".join(rows)
