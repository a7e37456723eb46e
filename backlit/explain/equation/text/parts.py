r"""Splits a line into its equations, and leaves out what only says for which index they hold."""

from __future__ import annotations

import re
from dataclasses import dataclass

from backlit.explain.equation.text.tokens import Token
from backlit.explain.equation.tree import Span

_EQUALS = frozenset(["=", ":=", "<-"])
_JOINING = frozenset("and where with so then thus hence therefore but also gives".split())
_ENDING = frozenset("for if when unless otherwise because since".split())
_LONGEST_RANGE = 24
_WIDE_SPACE = re.compile(r"\\q?quad\b|\u2003| {6,}|\t")


@dataclass(frozen=True)
class Part:
    """The tokens of one equation, or of a chain.

    Attributes
    ----------
    tokens : list of Token
        With an ``end`` token last.
    span : (int, int)
        In the whole text.
    """

    tokens: list[Token]
    span: Span

    @property
    def left(self) -> list[Token]:
        """The tokens before the first equals sign."""
        return self.tokens[: _first_equals(self.tokens)]


def parts(text: str, found: list[Token], names: frozenset[str]) -> list[Part]:
    r"""Split a line at commas, arrows and words between its equations.

    Parameters
    ----------
    text : str
        What the tokens were read from.
    found : list of Token
        With an ``end`` token last.
    names : frozenset of str
        Names that are defined, so that ``with`` could be one.

    Returns
    -------
    list of Part

    Examples
    --------
    >>> from backlit.explain.equation.text.lexer import tokens
    >>> line = r"z = wx, \quad a = σ(z) \text{ where } i = 1, …, n"
    >>> [line[slice(*part.span)] for part in parts(line, tokens(line), frozenset())]
    ['z = wx', 'a = σ(z)']
    """
    pieces: list[list[Token]] = [[]]
    depth = 0
    dropping = False
    previous: Token | None = None
    for place, token in enumerate(found[:-1]):
        depth = max(depth + (token.kind == "open") - (token.kind == "close"), 0)
        kind = "" if depth else _boundary(text, found, place, previous, names)
        previous = token
        if kind:
            pieces.append([])
            dropping = kind == "drop"
            if kind != "before":
                continue
        if not dropping:
            pieces[-1].append(token)
    merged = _merged([piece for piece in pieces if piece])
    return [_part(piece) for piece in merged if _has_equals(piece) and not _is_range(piece)]


def _boundary(
    text: str, found: list[Token], place: int, previous: Token | None, names: frozenset[str]
) -> str:
    """Say whether an equation ends ``at`` a token or ``before`` it, or to ``drop`` what follows."""
    token = found[place]
    if token.kind == "text":
        words = re.findall(r"[a-z]+", token.text.lower())
        return "drop" if any(word in _ENDING for word in words) else "at"
    if token.kind == "op" and token.text in ("=>", "\\\\", ";", ","):
        return "at"
    if token.text == "." and found[place + 1].spaced and not token.spaced:
        return "at"  # the end of a sentence
    if token.kind == "op" and token.text == "∀":
        return "drop"
    if token.kind == "word" and not token.whole and token.text not in names:
        is_called = token.text == "where" and found[place + 1].text == "("
        if token.text.lower() in _JOINING and not is_called:
            return "at"
        if token.text in _ENDING and not any(later.text == "else" for later in found[place:]):
            return "drop"
    if previous is not None and previous.kind != "op" and token.kind != "op":
        if _WIDE_SPACE.search(text, previous.end, token.start):
            return "before"
    return ""


def _merged(pieces: list[list[Token]]) -> list[list[Token]]:
    """Put commas back that do not separate equations: ``y = (a), b`` and ``a, b = c, d``."""
    result: list[list[Token]] = []
    for piece in pieces:
        before = result[-1] if result else None
        if before is None or _separates(before, piece):
            result.append(piece)
        else:
            before.append(Token("op", ",", before[-1].end, piece[0].start))
            before.extend(piece)
    return result


def _separates(before: list[Token], piece: list[Token]) -> bool:
    if _is_range(before):
        return not _is_dots(piece) and not _is_dots(before[-1:])
    return _has_equals(before) and (_has_equals(piece) or _is_words(piece))


def _has_equals(piece: list[Token]) -> bool:
    return _first_equals(piece) < len(piece)


def _first_equals(piece: list[Token]) -> int:
    depth = 0
    for place, token in enumerate(piece):
        depth = max(depth + (token.kind == "open") - (token.kind == "close"), 0)
        if depth == 0 and token.kind == "op" and token.text in _EQUALS:
            return place
    # Python's == between two sides is taken for the equals sign it was meant to be.
    return next((p for p, token in enumerate(piece) if token.text == "=="), len(piece))


def _is_words(piece: list[Token]) -> bool:
    """Whether a piece without an equals sign only says something."""
    words = [t for t in piece if t.kind == "word" and len(t.text) > 2 and not t.whole]
    return len(words) >= 2 or (len(piece) == 1 and bool(words))


def _is_dots(piece: list[Token]) -> bool:
    return bool(piece) and piece[0].text == "..."


def _is_range(piece: list[Token]) -> bool:
    """Whether a piece says which values an index takes: ``i = 1, …, n``."""
    return len(piece) < _LONGEST_RANGE and any(token.text == "..." for token in piece)


def _part(piece: list[Token]) -> Part:
    start, end = piece[0].start, piece[-1].end
    return Part([*piece, Token("end", "", end, end)], (start, end))
