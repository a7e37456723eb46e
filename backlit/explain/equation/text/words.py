"""Takes words apart that stand for products: ``Wx`` is W times x where both are known."""

from __future__ import annotations

from dataclasses import replace

from backlit.explain.equation.text.tokens import Token
from backlit.explain.equation.text.vocabulary import CONSTANTS, FUNCTIONS, MODULES, Vocabulary

_LONGEST_PRODUCT = 24
_INDEX_LETTERS = frozenset("ijklmnpqst")
# Subscripts that are words.
LABELS = frozenset(["in", "is", "it", "min", "st", "pt", "int", "init", "list", "split", "skip"])


def index_letters(word: str) -> tuple[str, ...]:
    """Return the indices that a subscript stands for: ``ij`` are two, ``out`` is one.

    Examples
    --------
    >>> index_letters("ij"), index_letters("i1"), index_letters("out"), index_letters("in")
    (('i', 'j'), ('i', '1'), ('out',), ('in',))
    """
    if len(word) == 1 or len(word) > 3 or word in LABELS:
        return (word,)
    parts: list[str] = []
    for char in word:
        if char in _INDEX_LETTERS:
            parts.append(char)
        elif char.isdigit() and parts:
            parts[-1:] = [parts[-1] + char] if parts[-1].isdigit() else [parts[-1], char]
        else:
            return (word,)
    return tuple(parts)


def separated(found: list[Token], known: Vocabulary) -> list[Token]:
    """Return the tokens with words that are products of known names taken apart.

    Parameters
    ----------
    found : list of Token
    known : Vocabulary

    Returns
    -------
    list of Token

    Examples
    --------
    >>> from backlit.explain.equation.text.lexer import tokens
    >>> known = Vocabulary(frozenset(["W", "x", "b"]))
    >>> [token.text for token in separated(tokens("Wx + xb + wx"), known)][:-1]
    ['W', 'x', '+', 'x', 'b', '+', 'wx']
    """
    result: list[Token] = []
    lowered: list[bool] = [False]  # whether the brackets around are a subscript
    for place, token in enumerate(found):
        if token.kind == "open":
            lowered.append(lowered[-1] or found[place - 1].text == "_")
        elif token.kind == "close" and len(lowered) > 1:
            lowered.pop()
        before = found[place - 1] if place else None
        is_attribute = before is not None and before.text == "." and not token.spaced
        is_one = token.kind != "word" or token.whole or len(token.text) == 1
        if is_one or is_attribute or lowered[-1]:
            result.append(token)
            continue
        pieces = _pieces(token.text, before, found[place + 1], known)
        at = token.start
        for number, piece in enumerate(pieces):
            result.append(
                replace(
                    token,
                    text=piece,
                    start=at,
                    end=at + len(piece),
                    spaced=token.spaced and number == 0,
                    whole=len(pieces) > 1,
                )
            )
            at += len(piece)
    return result


def _pieces(word: str, before: Token | None, after: Token, known: Vocabulary) -> list[str]:
    script = before.text if before is not None and before.kind == "op" else ""
    if script == "^" and word[0] == "T" and not known.has(word):
        return ["T", *_pieces(word[1:], None, after, known)]
    if script == "_":
        rest = word[1:]
        if (
            word[0] in _INDEX_LETTERS
            and word not in LABELS
            and known.has(rest)
            and after.text in ("_", "^", "(")
        ):
            return [word[0], rest]
        return [word]
    if word in MODULES and after.text == ".":
        return [word]
    if known.has(word) or word in CONSTANTS or word in known.functions:
        return [word]
    if word.lower() in FUNCTIONS or (word[0] == "d" and known.knows(word[1:])):
        return [word]
    pieces = _product(word, after, known)
    if len(pieces) == 2 and all(len(piece) > 1 and piece[0] == "d" for piece in pieces):
        return [word]  # dLdW
    return pieces or [word]


def _product(word: str, after: Token, known: Vocabulary) -> list[str]:
    """Return the fewest known names that `word` consists of, or nothing."""
    if len(word) > _LONGEST_PRODUCT:
        return []
    best: list[list[str] | None] = [[]]
    for end in range(1, len(word) + 1):
        options = [
            [*before, word[start:end]]
            for start, before in enumerate(best)
            if before is not None and _is_piece(word[start:end], end == len(word), after, known)
        ]
        best.append(min(options, key=len, default=None))
    pieces = best[-1] or []
    # logvar is a name: functions alone have nothing to be applied to.
    return [] if all(piece in FUNCTIONS for piece in pieces) else pieces


def _is_piece(piece: str, is_last: bool, after: Token, known: Vocabulary) -> bool:
    if known.has(piece) or piece in known.functions:
        return True
    if piece[0] == "d" and len(piece) > 1 and known.has(piece[1:]):
        return True
    if piece == "e":
        return is_last and after.text in ("^", "**")
    return len(piece) > 2 and piece in FUNCTIONS
