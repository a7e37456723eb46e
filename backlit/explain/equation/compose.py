"""Repairs made of what the chain rule gives: a term or a factor put in, or all of it."""

from __future__ import annotations

from collections.abc import Iterator

from backlit.explain.equation.edits import Edit, Surroundings, parts
from backlit.explain.equation.ingredients import Ingredients, ingredients
from backlit.explain.equation.probe import Probe
from backlit.explain.equation.pullback import added
from backlit.explain.equation.tree import (
    Binary,
    Call,
    Equation,
    Function,
    Node,
    Series,
    Unary,
)

_MISSING_TERM = "The term ‘{}’ of the chain rule is missing."
_MISSING_FACTOR = "The factor ‘{}’ of the chain rule is missing."
_MISSING_PATH = "The path through ‘{}’ is missing."
_WHOLE = "The chain rule gives ‘{}’."


def composed(equation: Equation, around: Surroundings, quick: Probe) -> Iterator[Edit]:
    """Yield expressions with a term or a factor put in, then guesses at all of it.

    Parameters
    ----------
    equation : Equation
        A claim about a derivative.
    around : Surroundings
    quick : Probe
        Of the claim.

    Yields
    ------
    Edit
    """
    found = ingredients(equation, around, quick.shape)
    right = equation.right
    for part, term, told in _terms(right, found, quick):
        for made in (added([part, term]), added([part, Unary("-", term)])):
            yield Edit("path", part, made, right.swapped(part, made), told)
    for part in parts(right):
        inside = _is_in_series(right, part)
        for factor in found.inner if inside else found.parts:
            for made in _with_factor(part, factor, None if inside else quick, found.matmul):
                whole = right.swapped(part, made)
                yield Edit("path", part, made, whole, (_MISSING_FACTOR, factor))
    for whole in found.whole:
        yield Edit("other", right, whole, whole, (_WHOLE, whole))


def _terms(
    right: Node, found: Ingredients, quick: Probe
) -> Iterator[tuple[Node, Node, tuple[str, Node]]]:
    """Yield where a term may be missing, the term, and what to say."""
    for path, through in found.paths:
        yield right, path, (_MISSING_PATH, through)
    for term in (*found.terms, *found.parts):
        for part in parts(right):
            shape = quick.shape(part)
            if shape is None or shape == quick.shape(term):
                yield part, term, (_MISSING_TERM, term)


def _with_factor(part: Node, factor: Node, quick: Probe | None, matmul: str) -> Iterator[Node]:
    if quick is None:
        yield Binary(" ", part, factor)
        return
    one, other = quick.shape(part), quick.shape(factor)
    if one is None or other is None:
        return
    if not one or not other:
        yield Binary(" ", part, factor)
        return
    yield Binary("*", part, factor)
    yield Binary(matmul, part, factor)
    yield Binary(matmul, factor, part)
    if len(one) == len(other) == 1:
        yield Call(Function("outer"), (part, factor))
        yield Call(Function("outer"), (factor, part))


def _is_in_series(right: Node, part: Node) -> bool:
    """Tell whether a part stands below the sign of a sum over an index."""
    return any(
        isinstance(node, Series) and node.index and any(inner is part for inner in node.body.walk())
        for node in right.walk()
    )
