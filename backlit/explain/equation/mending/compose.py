"""Repairs made of what the chain rule gives: a term or a factor put in, or all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from math import prod

from backlit.explain.equation.mending.ingredients import Ingredients, effort, size
from backlit.explain.equation.mending.probe import FAULTS, Probe, Values, close
from backlit.explain.equation.mending.slips import slips
from backlit.explain.equation.mending.surroundings import Edit, parts
from backlit.explain.equation.mending.terms import (
    added,
    collected,
    distributed,
    factors,
    negative,
    product,
    summands,
)
from backlit.explain.equation.tree import (
    ONE,
    Binary,
    Call,
    Derivative,
    Equation,
    Function,
    Name,
    Node,
    Series,
    Unary,
)

_MISSING_TERM = "The term ‘{}’ of the chain rule is missing."
_MISSING_FACTOR = "The factor ‘{}’ of the chain rule is missing."
_MISSING_TERMS = "The terms ‘{}’ of the chain rule are missing."
_MISSING_FACTORS = "The factors ‘{}’ of the chain rule are missing."
_MISSING_SUM = "The sum over ‘{}’ is missing: every term of it is a path."
_MISSING_PATH = "The path through ‘{}’ is missing."
WHOLE = "The right side is not the derivative. The chain rule gives ‘{}’."

# What lacks more is another expression.
_MOST_PIECES, _MOST_MISSING = 8, 3
_SHORT = 8


def _total(values: Sequence[Values]) -> Values:
    return sum(values[1:], values[0])


def _times(values: Sequence[Values]) -> Values:
    return prod(values[1:], start=values[0])


def composed(equation: Equation, found: Ingredients, quick: Probe) -> Iterator[Edit]:
    """Yield expressions with a term or a factor put in, each near the right side.

    Parameters
    ----------
    equation : Equation
        A claim about a derivative.
    found : Ingredients
    quick : Probe
        Of the claim.

    Yields
    ------
    Edit
    """
    right = equation.right
    for letter in found.unsummed:
        for part in parts(right):
            summed = Series("sum", part, letter)
            told = _MISSING_SUM, Name(letter)
            yield Edit("path", part, summed, right.swapped(part, summed), told)
    # Of arrays rather the term itself than ∂L/∂Z · ∂Z/∂W, whose factors have no usual product.
    is_number = quick.shape(equation.left) == ()
    plain = [(path, v) for path, v in found.paths if is_number and quick.shape(v) == ()]
    yield from _paths(right, plain)
    short = [part for part in found.parts if size(part) <= _SHORT]
    yield from _factored(right, short, found, quick)
    every = sorted({**dict.fromkeys(found.parts), **dict.fromkeys(found.terms)}, key=effort)
    if isinstance(equation.left, Derivative) and equation.left.second is not None:
        # Of ½ λ ‖w‖².
        numbers = [n for n in found.parts if isinstance(n, Name) and quick.shape(n) == ()]
        every += [Binary(" ", number, Name("I")) for number in numbers]
    for term in every:
        for part in parts(right):
            shape = quick.shape(part)
            if shape is None or part is right or shape == quick.shape(term):
                for made in (added([part, term]), added([part, Unary("-", term)])):
                    whole = right.swapped(part, made)
                    yield Edit("path", part, made, whole, (_MISSING_TERM, term))
    yield from _factored(right, found.parts[len(short) :], found, quick)
    yield from _paths(right, [pair for pair in found.paths if pair not in plain])


def _paths(right: Node, paths: Sequence[tuple[Node, Name]]) -> Iterator[Edit]:
    for path, through in paths:
        made = added([right, path])
        yield Edit("path", right, made, made, (_MISSING_PATH, through))


def anew(equation: Equation, found: Ingredients, quick: Probe) -> Iterator[Edit]:
    """Yield guesses at all of a right side, and what it lacks of one of them.

    Parameters
    ----------
    equation : Equation
        A claim about a derivative.
    found : Ingredients
    quick : Probe
        Of the claim.

    Yields
    ------
    Edit
    """
    right = equation.right
    fitting = [whole for whole in found.whole if quick.fits(whole)]
    # Rather the one that is like what was stated.
    fitting.sort(key=lambda whole: slips(right, whole) is None)
    for whole in fitting:
        terms = distributed(whole)
        # Rather whole paths than parts of one.
        missing = _missing(right, summands(whole), quick, _total)
        missing = missing or _missing(right, terms, quick, _total)
        if missing is None:
            # They have no values of their own here, so that each has to be tried.
            for term in terms[1:] and terms:
                made = added([right, term])
                yield Edit("path", right, made, made, (_MISSING_TERM, term))
        elif missing:
            missing = collected(missing)
            made = added([right, *missing])
            told = _MISSING_TERM if len(missing) == 1 else _MISSING_TERMS
            yield Edit("path", right, made, made, (told, added(missing)))
        for quotient in _quotients(right, (terms, summands(whole))):
            for made in (product([quotient, right]), product([right, quotient])):
                yield Edit("path", right, made, made, (_MISSING_FACTOR, quotient))
        missing = _missing(right, factors(whole), quick, _times)
        if missing:
            told = _MISSING_FACTOR if len(missing) == 1 else _MISSING_FACTORS
            made = product([*missing, right])
            made = made if quick.fits(made) else whole
            yield Edit("path", right, made, made, (told, product(missing)))
    for whole in fitting:
        yield Edit("other", right, whole, whole, (WHOLE, whole))


def _quotients(right: Node, sums: Sequence[Sequence[Node]]) -> Iterator[Node]:
    return (q for q in (_quotient(right, terms) for terms in sums) if q is not None)


def _quotient(right: Node, terms: Sequence[Node]) -> Node | None:
    """Return what terms add up to when the factors of a right side are left out of each."""
    rests = []
    for term in terms:
        is_taken = isinstance(term, Unary)
        rest = factors(term.operand if isinstance(term, Unary) else term)
        for factor in factors(right):
            if factor not in rest:
                return None
            rest.remove(factor)
        left = product(rest) if rest else ONE
        rests.append(negative(left) if is_taken else left)
    return added(collected([term for rest in rests for term in summands(rest)])) if rests else None


def _missing(
    right: Node, pieces: Sequence[Node], quick: Probe, combine: Callable[..., Values]
) -> list[Node] | None:
    """Return the pieces without which the others make up a right side, None if it has no value."""
    if not 2 <= len(pieces) <= _MOST_PIECES:
        return []
    try:
        values = [quick.values(piece) for piece in pieces]
        stated = quick.values(right)
    except FAULTS:
        return None
    if any(v.ndim > s.ndim for value in values for v, s in zip(value, stated, strict=True)):
        return []
    least = max(1, len(pieces) - _MOST_MISSING)
    for kept in range(len(pieces) - 1, least - 1, -1):
        for some in combinations(range(len(pieces)), kept):
            try:
                made = [combine([values[k][place] for k in some]) for place in range(len(stated))]
            except ValueError:  # Shapes that do not fit element by element.
                return []
            if all(close(x, y) for x, y in zip(stated, made, strict=True)):
                return [piece for k, piece in enumerate(pieces) if k not in some]
    return []


def _factored(right: Node, new: Sequence[Node], found: Ingredients, quick: Probe) -> Iterator[Edit]:
    """Yield expressions with one part multiplied by something."""
    for part in parts(right):
        if isinstance(part, Unary):
            continue  # −(x y), not (−x) y: what stands behind the minus has its turn.
        inside = _is_in_series(right, part)
        for factor in found.inner if inside else new:
            for made in _with_factor(part, factor, None if inside else quick, found.matmul):
                whole = right.swapped(part, made)
                divided = isinstance(made, Binary) and made.op == "/"
                missing = Binary("/", ONE, factor) if divided else factor
                yield Edit("path", part, made, whole, (_MISSING_FACTOR, missing))


def _with_factor(part: Node, factor: Node, quick: Probe | None, matmul: str) -> Iterator[Node]:
    if quick is None:
        yield _beside(part, factor)
        return
    one, other = quick.shape(part), quick.shape(factor)
    if one is None or other is None:
        return
    if not one or not other:
        # A number stands in front: λ I.
        yield _beside(factor, part) if one else _beside(part, factor)
        if not other:
            yield Binary("/", part, factor)
        return
    yield Binary("*", part, factor)
    yield Binary(matmul, part, factor)
    yield Binary(matmul, factor, part)
    if len(one) == len(other) == 1:
        yield Call(Function("outer"), (part, factor))
        yield Call(Function("outer"), (factor, part))


def _beside(part: Node, factor: Node) -> Node:
    """Return a product with a number, without brackets around a factor that is a product."""
    if part == ONE:
        return factor
    if isinstance(factor, Binary) and factor.op == " ":
        return _beside(_beside(part, factor.left), factor.right)
    return Binary(" ", part, factor)


def _is_in_series(right: Node, part: Node) -> bool:
    """Tell whether a part stands below the sign of a sum over an index."""
    return any(
        isinstance(node, Series) and node.index and any(inner is part for inner in node.body.walk())
        for node in right.walk()
    )
