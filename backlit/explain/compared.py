"""What `check_backward` answers with."""

from __future__ import annotations

import json
from dataclasses import dataclass

from backlit.explain.equation.report import MARKS
from backlit.explain.formula import number
from backlit.explain.render.characters import to_ascii
from backlit.explain.render.columns import folded
from backlit.explain.shown import terminal_width
from backlit.explain.views import View


@dataclass(frozen=True)
class CheckedStatement(View):
    """One name that the backward pass assigned, or one value that it returned, judged.

    Attributes
    ----------
    name : str
        "return" where the order of what is returned is judged.
    gradient : str
        What it is compared with, for instance ∂J/∂W1.
    line : int
        In the file of the backward pass.
    code : str
    verdict : {"right", "wrong"}
    kind : str or None
        What is the matter, of `backlit.explain.equation.verdicts.KINDS`; "upstream" where the
        statement is right and what it starts from is not; "order" where the returned gradients are
        right and stand in each other's places. None if right.
    message : str
    suggestion : str or None
        What would be right, in Python with names that the function has, where that was found.
    error : float
        The largest difference, relative to the largest element of the gradient; infinite where the
        shapes differ.
    """

    name: str
    gradient: str
    line: int
    code: str
    verdict: str
    kind: str | None
    message: str
    suggestion: str | None
    error: float


@dataclass(frozen=True)
class BackwardCheck(View):
    """What `check_backward` found.

    Attributes
    ----------
    forward, backward : str
        Names of the functions.
    file : str
    loss : float
    statements : tuple of CheckedStatement
        In the order of the backward pass.
    unknown : tuple of str
        Names that no gradient of the forward pass belongs to.
    missing : tuple of str
        Arguments whose gradient should have been returned and was not: it was computed, or that of
        the other array of the layer was returned. If nothing could be compared, all arguments that
        hold floats.
    convention : str
        Whether dZ stands for ∂J/∂Z or for the gradient per example.
    notes : tuple of str
        What is worth knowing besides, and nothing wrong.
    """

    forward: str
    backward: str
    file: str
    loss: float
    statements: tuple[CheckedStatement, ...]
    unknown: tuple[str, ...]
    missing: tuple[str, ...]
    convention: str
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether something could be judged, all of it is right, and nothing is missing."""
        right = all(s.verdict == "right" for s in self.statements)
        return bool(self.statements) and right and not self.missing

    @property
    def exit_code(self) -> int:
        """0 if all is right, 1 if something is wrong, 3 if nothing could be judged."""
        return 3 if not self.statements else 0 if self.ok else 1

    def to_json(self) -> str:
        """Return everything as JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=2)

    def __str__(self) -> str:
        return self.to_text()

    def to_text(self, ascii: bool = False, width: int | None = None) -> str:
        """Return a report to read.

        Parameters
        ----------
        ascii : bool
            Whether it stays within ASCII.
        width : int, optional
            Columns there are, as for an explanation.

        Returns
        -------
        str
        """
        text = "\n".join(self._lines(ascii))
        text = to_ascii(text) if ascii else text
        width = terminal_width() if width is None else width
        if not width:
            return text
        lines: list[str] = []
        for line in text.splitlines():
            words = line.lstrip()
            lines += folded(words, width, line[: len(line) - len(words)], "  " if words else "")
        return "\n".join(lines)

    def _lines(self, ascii: bool) -> list[str]:
        lines = [f"{self.backward} beside the engine, at a loss of {number(self.loss)}", ""]
        for s in self.statements:
            mark = MARKS[s.verdict][ascii]
            lines.append(f"  {mark} {self.file}:{s.line}  {s.code}")
            if s.verdict == "wrong" or s.message:
                lines.append(f"      {s.name}: {s.message}")
            if s.suggestion:
                lines.append(f"      instead: {s.suggestion}")
        if self.convention:
            lines += ["", f"  {self.convention}"]
        if self.unknown:
            lines += ["", "  not compared: " + ", ".join(self.unknown)]
        for note in self.notes:
            lines += ["", f"  {note}"]
        if not self.statements:
            return [*lines, *_NOTHING]
        if self.missing:
            names = ", ".join(self.missing)
            lines += ["", f"  {MARKS['wrong'][ascii]} no gradient was returned for {names}"]
        wrong = sum(s.verdict == "wrong" for s in self.statements)
        total = f"{len(self.statements)} statement{'s' * (len(self.statements) != 1)} compared"
        found = [f"{wrong} wrong"] if wrong else []
        found += [f"{len(self.missing)} missing"] if self.missing else []
        lines += ["", f"{total}, {', '.join(found) or 'all right'}."]
        return lines


_NOTHING = (
    "",
    "Nothing could be compared: no gradient of an argument was returned, and no name is known.",
    "  fix: return the gradients in the order of the arguments of the forward pass, or in a dict",
    '       such as {"W1": …}; or give them names such as dW1, dL_dW1, grad_W1 or gW1',
)
