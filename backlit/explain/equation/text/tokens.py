"""Tokens of a line, and the error that says what in it cannot be read."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from backlit.core.errors import BacklitError
from backlit.explain.equation.tree import Span


class NotationError(BacklitError, ValueError):
    """What is written cannot be read as an equation.

    Parameters
    ----------
    what : str
        One sentence: what is wrong.
    span : (int, int)
        The characters it is about.
    fix : str, optional
        What to write instead.
    is_code : bool
        Whether it is refused because it is a program and not an equation.

    Attributes
    ----------
    span : (int, int)
    is_code : bool
    """

    def __init__(
        self, what: str, span: Span, *, fix: str | None = None, is_code: bool = False
    ) -> None:
        super().__init__(what, fix=fix)
        self.span = span
        self.is_code = is_code


@dataclass(frozen=True, slots=True)
class Token:
    """One word, number, operator or bracket.

    Attributes
    ----------
    kind : str
        ``number``, ``word``, ``op``, ``open``, ``close``, ``command``, ``text`` or ``end``.
    text : str
        Its one spelling.
    start, end : int
        Where it stands in the line.
    spaced : bool
        Whether there is space before it.
    whole : bool
        Whether a word is one name for certain (``\\sigma``, ``\\mathrm{loss}``), not letters that
        may stand for a product.
    value : Fraction
        Of a number.
    """

    kind: str
    text: str
    start: int
    end: int
    spaced: bool = False
    whole: bool = False
    value: Fraction = Fraction(0)

    @property
    def span(self) -> Span:
        """Where it stands in the line."""
        return self.start, self.end
