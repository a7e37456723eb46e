"""What is read from some notes: headers, equations, and what could not be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from backlit.explain.equation.text.headers import Header, of_example
from backlit.explain.equation.text.vocabulary import Vocabulary
from backlit.explain.equation.tree import Equation, Node, Span


@dataclass(frozen=True)
class Statement:
    """One equation of the notes.

    Attributes
    ----------
    line : int
        Of its first character, from 1.
    text : str
        That line, with the lines after it where the equation goes on there. All spans count in it.
    span : (int, int)
        Where the equation stands.
    equation : Equation
        The preferred reading.
    readings : tuple of Equation
        All readings, the preferred one first.
    style : str
        ``latex``, ``unicode`` or ``python``.
    """

    line: int
    text: str
    span: Span
    equation: Equation
    readings: tuple[Equation, ...]
    style: str

    @property
    def source(self) -> str:
        """The equation as it was written."""
        return self.text[slice(*self.span)]

    def mapped(self, change: Callable[[Node], Node]) -> Statement:
        """Return the statement with every reading changed, from the leaves up."""
        found = [e.map(change) for e in (self.equation, *self.readings)]
        whole, *readings = [e for e in found if isinstance(e, Equation)]
        return replace(self, equation=whole, readings=tuple(readings))


@dataclass(frozen=True)
class Refusal:
    """A line that looks like an equation, a header or code, and cannot be read.

    Attributes
    ----------
    line : int
        From 1.
    text : str
        The line.
    span : (int, int)
        What cannot be read, in the line.
    message : str
        What is wrong.
    fix : str or None
        What to write instead.
    is_code : bool
        Whether it is a program and no equation.
    """

    line: int
    text: str
    span: Span
    message: str
    fix: str | None = None
    is_code: bool = False


Entry = Header | Statement | Refusal


@dataclass(frozen=True)
class Notes:
    """What was read.

    Attributes
    ----------
    text : str
        As given.
    entries : tuple of Header, Statement or Refusal
        In the order of the lines.
    vocabulary : Vocabulary
        What the names stand for.
    passed_over : tuple of int
        Lines with an equals sign that were taken for prose, or for an update of parameters.
    """

    text: str
    entries: tuple[Entry, ...]
    vocabulary: Vocabulary
    passed_over: tuple[int, ...] = ()

    @property
    def headers(self) -> tuple[Header, ...]:
        """The header lines."""
        found = [entry for entry in self.entries if isinstance(entry, Header)]
        return tuple(map(of_example, found) if self.vocabulary.has_examples else found)

    @property
    def statements(self) -> tuple[Statement, ...]:
        """The equations."""
        return tuple(entry for entry in self.entries if isinstance(entry, Statement))

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """The lines that cannot be read."""
        return tuple(entry for entry in self.entries if isinstance(entry, Refusal))
