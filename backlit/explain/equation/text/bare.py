"""Finds functions that stand without what they are applied to: ``f' g + f g'``, ``A'(B)·B'``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from backlit.explain.equation.text.cursor import partners
from backlit.explain.equation.text.tokens import NotationError, Token
from backlit.explain.equation.text.vocabulary import CONSTANTS, FUNCTIONS, MODULES

_NO_FUNCTIONS = frozenset([*CONSTANTS, *MODULES, "T", "d", "e", "partial", "sigma"])


def functions(
    equations: Sequence[Sequence[Token]],
    applied: Collection[str],
    defined: Collection[str] = frozenset(),
) -> frozenset[str]:
    """Return the names that are functions though some equations write them like variables.

    They are applied somewhere and have a prime somewhere or stand alone above ∂ only, ``∂ℓ/∂a``, or
    they stand in a rule for functions as such: ``(f g)' = f' g + f g'``.

    Parameters
    ----------
    equations : sequence of sequence of Token
    applied : collection of str
        Names before a bracket that is no factor.
    defined : collection of str
        Functions that an equation defines, J(w) = …: above ∂ they stand for their values.

    Returns
    -------
    frozenset of str

    Examples
    --------
    >>> from backlit.explain.equation.text.lexer import tokens
    >>> lines = ["y = A(B(x))", "dy/dx = A'(B) B'", "(f g)' = f' g + f g'"]
    >>> sorted(functions([tokens(line) for line in lines], ["A", "B"]))
    ['A', 'B', 'f', 'g']
    """
    primed: set[str] = set()
    ruled: set[str] = set()
    alone: set[str] = set()
    above: set[str] = set()
    for found in equations:
        for place, token in enumerate(found[:-1]):
            if token.kind != "word":
                continue
            if _is_prime(found, place + 1):
                primed.add(token.text)
            elif found[place + 1].text != "(":
                is_target = place > 0 and found[place - 1].text in ("partial", "d")
                (above if is_target else alone).add(token.text)
        ruled |= set(_of_rule(found))
    letters = {letter for word in ruled for letter in word if set(word) <= primed}
    names = primed & {*applied, *defined} | (above - alone) & (set(applied) - set(defined))
    names |= (ruled & primed) | letters
    return frozenset(
        {name for name in names if name not in _NO_FUNCTIONS and name.lower() not in FUNCTIONS}
    )


def _is_prime(found: Sequence[Token], place: int) -> bool:
    """Whether a prime stands here, as it is or as a superscript."""
    texts = [token.text for token in found[place : place + 3]]
    return texts[:1] == ["'"] or texts[:2] == ["^", "'"] or texts == ["^", "{", "'"]


def _of_rule(found: Sequence[Token]) -> Iterator[str]:
    """Yield the words in the brackets of ``(f g)' = …``."""
    if found[0].text != "(":
        return
    try:
        closing = partners(list(found))[0]
    except NotationError:
        return
    if _is_prime(found, closing + 1) and any(token.text == "=" for token in found):
        yield from (token.text for token in found[1:closing] if token.kind == "word")
