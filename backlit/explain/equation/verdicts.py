"""What is said about a claim, and about a sheet of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from backlit.explain.equation.tree import Span

RIGHT, WRONG, REFUSED = "right", "wrong", "refused"

KINDS = {
    "transpose": "a factor is, or is not, transposed",
    "elementwise": "a matrix product for an element-by-element one, or the other way round",
    "sign": "the opposite sign",
    "factor": "a number too many or missing: 2, ½",
    "one-over-m": "the average over m examples is missing, or taken twice",
    "axis": "a sum over the wrong axis, or none where the examples share a variable",
    "index": "the wrong layer, step or element",
    "symbol": "one variable for another (dW for W), or one that the notes do not have",
    "path": "a path from the variable to the loss, or a factor on one, is missing",
    "independent": "a derivative of something that does not depend on the variable",
    "activation-for-preactivation": "σ′ of the activation instead of what goes into it",
    "shape": "the shapes do not fit",
    "other": "none of these",
}
"""What can be the matter with a claim."""


@dataclass(frozen=True)
class Verdict:
    """What was found about one claim.

    Attributes
    ----------
    line : int
        Counted from 1.
    claim : str
        As it was written.
    verdict : str
        ``right``, ``wrong`` or ``refused``.
    proved : bool
        Whether the two sides were shown to be equal exactly, and not only at the points.
    kind : str or None
        What is the matter, of `KINDS`; None if right.
    message : str
        One or two sentences.
    suggestion : str or None
        What would be right, or what to do; None if right, or if nothing was found.
    span : (int, int)
        The characters of the line that the message is about.
    points : int
        At how many random points the sides were compared.
    """

    line: int
    claim: str
    verdict: str
    proved: bool
    kind: str | None
    message: str
    suggestion: str | None
    span: Span
    points: int

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        return {
            "line": self.line,
            "claim": self.claim,
            "verdict": self.verdict,
            "proved": self.proved,
            "kind": self.kind,
            "message": self.message,
            "suggestion": self.suggestion,
            "span": list(self.span),
            "points": self.points,
        }


@dataclass(frozen=True)
class Sheet:
    """The verdicts on some notes.

    Attributes
    ----------
    verdicts : tuple of Verdict
        One for each claim, in order, and one for each definition that is refused.
    assumptions : tuple of str
        What was taken for granted because the notes do not say it.
    lines : tuple of str
        The notes.
    """

    verdicts: tuple[Verdict, ...]
    assumptions: tuple[str, ...] = ()
    lines: tuple[str, ...] = field(default=(), repr=False)

    @property
    def ok(self) -> bool:
        """Whether every claim is right."""
        return all(v.verdict == RIGHT for v in self.verdicts)

    def __bool__(self) -> bool:
        return self.ok

    @property
    def exit_code(self) -> int:
        """What ``backlit check`` ends with: 0 all right, 1 something wrong, 3 something refused."""
        found = {v.verdict for v in self.verdicts}
        return 1 if WRONG in found else 3 if REFUSED in found else 0

    def to_json(self) -> str:
        """Return the verdicts as a JSON list.

        Returns
        -------
        str
        """
        return json.dumps([v.to_dict() for v in self.verdicts], ensure_ascii=False, indent=2)

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        from backlit.explain.render.verdicts import fragment_of_sheet

        return fragment_of_sheet(self)

    def to_text(self, ascii: bool = False) -> str:
        """Return a report to read.

        Parameters
        ----------
        ascii : bool
            Whether it stays within ASCII; the notes are then shown as one would type them.

        Returns
        -------
        str
        """
        from backlit.explain.equation.report import report

        return report(self, ascii)
