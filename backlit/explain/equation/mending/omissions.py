"""What a right side lacks of the derivative, found by leaving factors out until the two agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product as combinations

from backlit.explain.equation.mending.probe import FAULTS, Probe, Values, close
from backlit.explain.equation.mending.surroundings import Edit
from backlit.explain.equation.mending.terms import product, summands
from backlit.explain.equation.tree import ONE, PRODUCTS, Binary, Node, Number, Series, Unary

_MOST_FACTORS = 3
_MOST_TERMS = 3
_MOST_VARIANTS = 160
_MOST_SUMS = 4_000
_FACTORS = "The factors {} of the chain rule are missing."
_FACTOR = "The factor ‘{}’ of the chain rule is missing."
_TERMS = "Factors of the chain rule are missing on more than one path: {}."
_PATH = "The path ‘{}’ is missing, and of the others {}."

Dropped = tuple[Node, ...]


def omissions(right: Node, wholes: Sequence[Node], quick: Probe) -> Iterator[Edit]:
    """Yield derivatives of which a right side is what is left when factors are forgotten.

    Parameters
    ----------
    right : Node
    wholes : sequence of Node
        Derivatives, written out.
    quick : Probe
        Of the claim.

    Yields
    ------
    Edit
        The right side with what is missing as factors, else the derivative.
    """
    try:
        stated = quick.values(right)
    except FAULTS:
        return
    for whole in wholes:
        terms = summands(whole)
        if len(terms) > _MOST_TERMS or not quick.fits(whole):
            continue
        choices = [list(_valued(term, quick)) for term in terms]
        if len(terms) > 1:
            zero = [value * 0 for value in quick.left]
            choices = [[*some, (zero, None)] for some in choices]
        for number, chosen in enumerate(combinations(*choices)):
            if number > _MOST_SUMS:
                break
            dropped = [gone for _, gone in chosen]
            if not any(gone is None or gone for gone in dropped):
                continue
            if _agrees(stated, [values for values, _ in chosen]):
                yield from _edits(right, whole, terms, dropped, quick)
                return


def _agrees(stated: Sequence[Values], terms: Sequence[Sequence[Values]]) -> bool:
    for place, value in enumerate(stated):
        found = terms[0][place]
        for other in terms[1:]:
            if other[place].shape != found.shape:
                return False
            found = found + other[place]
        if not close(value, found):
            return False
    return True


def _edits(
    right: Node,
    whole: Node,
    terms: Sequence[Node],
    dropped: Sequence[Dropped | None],
    quick: Probe,
) -> Iterator[Edit]:
    if len(terms) == 1:
        (gone,) = dropped
        assert gone
        text = _FACTOR if len(gone) == 1 else _FACTORS.format(" and ".join(["‘{}’"] * len(gone)))
        if all(quick.shape(node) == () for node in (right, *gone)):
            made = _flat(product([right, *gone]))
            yield Edit("path", right, made, made, (text, *gone))
        yield from _either(right, whole, text, gone)
        return
    lost = [node for gone in dropped for node in gone or ()]
    absent = [term for term, gone in zip(terms, dropped, strict=True) if gone is None]
    listed = ", ".join(["‘{}’"] * len(lost))
    if len(absent) == 1 and lost:
        told = _PATH.replace("{}.", f"{listed}.")
        yield from _either(right, whole, told, [*absent, *lost])
    elif not absent and sum(bool(gone) for gone in dropped) == 1:
        text = _FACTOR if len(lost) == 1 else _FACTORS.format(" and ".join(["‘{}’"] * len(lost)))
        yield from _either(right, whole, text, lost)
    elif not absent and lost:
        yield from _either(right, whole, _TERMS.replace("{}", listed), lost)


def _either(right: Node, whole: Node, text: str, lost: Sequence[Node]) -> Iterator[Edit]:
    """Yield a derivative without the brackets that products do not need, and as it is."""
    for made in dict.fromkeys((_flat(whole), whole)):
        yield Edit("path", right, made, made, (text, *lost))


def _flat(node: Node) -> Node:
    """Return an expression with a (b c) as a b c."""

    def change(part: Node) -> Node:
        inner = part.right if isinstance(part, Binary) else part
        if isinstance(part, Binary) and isinstance(inner, Binary) and part.op == inner.op:
            if part.op in (" ", "*"):
                return change(
                    Binary(part.op, change(Binary(part.op, part.left, inner.left)), inner.right)
                )
        return part

    return node.map(change)


def _valued(term: Node, quick: Probe) -> Iterator[tuple[list[Values], Dropped | None]]:
    """Yield the values of a term without some of its factors, and those factors."""
    found = sorted(_variants(term, _MOST_FACTORS), key=lambda pair: len(pair[1]))
    for node, gone in found[:_MOST_VARIANTS]:
        try:
            yield quick.values(node), gone
        except FAULTS:
            continue


def _variants(node: Node, most: int) -> Iterator[tuple[Node, Dropped]]:
    """Yield a term without some of its factors, the term itself first."""
    yield node, ()
    if isinstance(node, Unary):
        for inner, gone in _variants(node.operand, most):
            if gone:
                yield Unary(node.op, inner), gone
    elif isinstance(node, Series) and node.index:
        for inner, gone in _variants(node.body, most):
            if gone:
                yield Series(node.op, inner, node.index, node.low, node.high), gone
    elif isinstance(node, Binary) and node.op in (*PRODUCTS, "/"):
        others = [*_variants(node.right, most)] if node.op != "/" else [(node.right, ())]
        for left, gone in [*_variants(node.left, most)]:
            for right, more in others:
                if 0 < len(gone) + len(more) <= most:
                    yield Binary(node.op, left, right), (*gone, *more)
            if _is_factor(node.right) and len(gone) < most:
                yield left, (*gone, _inverse(node))
        for right, more in others if node.op != "/" else ():
            if _is_factor(node.left) and len(more) < most:
                yield right, (node.left, *more)


def _is_factor(node: Node) -> bool:
    """Tell whether a part may be forgotten at once, and is not a product of such."""
    if not isinstance(node, Binary):
        return not isinstance(node, Number)
    if node.op in PRODUCTS:
        return _is_slope(node)
    return not (isinstance(node.left, Number) and isinstance(node.right, Number))


def _is_slope(node: Binary) -> bool:
    """Tell whether a product is one factor of the chain rule: a (1 − a)."""
    other = node.right
    return isinstance(other, Binary) and other.op == "-" and other.right == node.left


def _inverse(node: Binary) -> Node:
    return Binary("/", ONE, node.right) if node.op == "/" else node.right
