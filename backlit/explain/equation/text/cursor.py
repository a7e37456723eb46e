"""Walks over the tokens of one expression: what comes next, which brackets belong together."""

from __future__ import annotations

from backlit.explain.equation.text import symbols
from backlit.explain.equation.text.tokens import NotationError, Token
from backlit.explain.equation.text.vocabulary import Vocabulary
from backlit.explain.equation.tree import Span

DEEPEST = 100
_FIXES = {
    "⊗": "write ⊙ for the elementwise product, outer(a, b) for the outer product",
    "...": "dots are not filled in: write all terms, or use Σ or Π with an index",
    "//": "write / for a quotient",
    "&": "write * for a product of conditions",
    "∫": "integrals are not part of the notation",
    "±": "write two equations",
    "=": "set an equation on a line of its own",
    "≈": "write = for what has to be equal",
    ":": "slices stand in square brackets behind a name: x[0:2]",
    "+": "write max(0, z) for the positive part of z",
    "\\\\": "set an equation on a line of its own",
}


class Cursor:
    """A place among tokens.

    Parameters
    ----------
    found : list of Token
        With an ``end`` token last.
    vocabulary : Vocabulary
    choices : mapping of str to int
        Which reading to take where a kind of place has several; 0 where it is not named.

    Attributes
    ----------
    met : set of str
        Kinds of places with several readings that were met.
    """

    def __init__(
        self, found: list[Token], vocabulary: Vocabulary, choices: dict[str, int] | None = None
    ) -> None:
        self.tokens = found
        self.at = 0
        self.vocabulary = vocabulary
        self.choices = choices or {}
        self.met: set[str] = set()
        self.partners = partners(found)

    @property
    def token(self) -> Token:
        """The token that comes next."""
        return self.tokens[self.at]

    def ahead(self, distance: int = 1) -> Token:
        """Return a later token, the last one where there are not so many."""
        return self.tokens[min(self.at + distance, len(self.tokens) - 1)]

    def take(self) -> Token:
        """Return the token that comes next and step over it."""
        token = self.tokens[self.at]
        if token.kind != "end":
            self.at += 1
        return token

    def is_op(self, *texts: str) -> bool:
        """Whether one of these operators comes next."""
        token = self.token
        return token.kind == "op" and token.text in texts

    def is_open(self, *texts: str) -> bool:
        """Whether one of these opening brackets comes next."""
        token = self.token
        return token.kind == "open" and token.text in texts

    def take_op(self, *texts: str) -> bool:
        """Step over one of these operators if it comes next."""
        if self.is_op(*texts):
            self.at += 1
            return True
        return False

    @property
    def last_end(self) -> int:
        """Where the token just taken ends."""
        return self.tokens[self.at - 1].end if self.at else self.tokens[0].start

    def choose(self, kind: str) -> int:
        """Return which reading to take at a place of this kind, and remember that it was met."""
        self.met.add(kind)
        return self.choices.get(kind, 0)

    def close(self) -> None:
        """Step over the closing bracket that has to come next."""
        token = self.take()
        if token.kind != "close":
            raise self.unexpected(token)

    def unexpected(self, token: Token, wanted: str = "") -> NotationError:
        """Return the error for a token that does not belong where it is."""
        if token.kind == "end":
            last = self.tokens[-2] if len(self.tokens) > 1 else token
            return NotationError(
                "something is missing at the end of the expression" + wanted, last.span
            )
        if token.kind == "text":
            return NotationError(
                f"‘{token.text.strip()}’ is text, not part of an equation", token.span
            )
        message = f"‘{token.text}’ is not expected here{wanted}"
        return NotationError(message, token.span, fix=_FIXES.get(token.text))


def partners(found: list[Token]) -> dict[int, int]:
    """Return the place of the closing bracket by the place of its opening one.

    Raises
    ------
    NotationError
        If brackets do not match, or are nested too deep.
    """
    pairs: dict[int, int] = {}
    waiting: list[int] = []
    for place, token in enumerate(found):
        if token.kind == "open":
            waiting.append(place)
            if len(waiting) > DEEPEST:
                raise too_deep(token.span)
        elif token.kind == "close":
            opened = found[waiting[-1]].text if waiting else ""
            if token.text not in (symbols.PAIRS.get(opened), f"end of {opened}"):
                raise NotationError(
                    "a closing bracket without its opening one",
                    token.span,
                    fix="match the brackets",
                )
            pairs[waiting.pop()] = place
    if waiting:
        raise NotationError(
            "a bracket that is never closed", found[waiting[-1]].span, fix="match the brackets"
        )
    return pairs


def too_deep(span: Span) -> NotationError:
    """Return the error for an expression that is nested too deep."""
    return NotationError(
        f"nested more than {DEEPEST} deep", span, fix="give the parts names of their own"
    )
