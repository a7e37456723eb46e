"""Bounds on what is read, so that nothing later runs out of memory or time."""

from __future__ import annotations

from fractions import Fraction

from backlit.explain.equation.text.cursor import DEEPEST, too_deep
from backlit.explain.equation.text.tokens import NotationError
from backlit.explain.equation.tree import Binary, Node, Number, Power, Span, Unary

MOST_NODES = 5_000
LARGEST_POWER = 10_000


def check_size(node: Node, span: Span) -> None:
    """Refuse a tree that later stages could not walk over safely and soon.

    Parameters
    ----------
    node : Node
    span : (int, int)
        What the message points at.

    Raises
    ------
    NotationError
        If it has too many parts, is too deep, or has an enormous power in it.
    """
    layer: list[Node] = [node]
    count = depth = 0
    while layer:
        count += len(layer)
        depth += 1
        if count > MOST_NODES:
            raise NotationError(
                f"more than {MOST_NODES:,} parts", span, fix="give the parts names of their own"
            )
        if depth > DEEPEST:
            raise _too_long(node, span) or too_deep(span)
        for part in layer:
            if isinstance(part, Power):
                _check_power(part)
        layer = [child for part in layer for child in part.children()]


def _too_long(node: Node, span: Span) -> NotationError | None:
    """Return the error for a long product or sum, whose tree is deep though nothing is nested."""
    for start in node.walk():
        count, part = 0, start
        while isinstance(part, Binary):
            count, part = count + 1, part.left
        if count > DEEPEST // 2:
            return NotationError(
                f"a product or sum of {count + 1:,} terms is too long to judge",
                span,
                fix="give parts of it names of their own, or write a power",
            )
    return None


def _check_power(power: Power) -> None:
    """Refuse exponents of numbers alone that no arithmetic could hold."""
    exponent = _bound(power.exponent)
    if exponent is not None and exponent > LARGEST_POWER:
        raise NotationError(
            f"an exponent beyond {LARGEST_POWER:,}", power.exponent.span, fix="write a smaller one"
        )


def _bound(node: Node) -> Fraction | float | None:
    """Return about the size of an expression of numbers alone, None if it has names."""
    if isinstance(node, Number):
        return abs(node.value)
    if isinstance(node, Unary):
        return _bound(node.operand)
    if isinstance(node, Binary | Power):
        parts = [_bound(part) for part in node.children()]
        if any(part is None for part in parts):
            return None
        left, right = (float(min(part or 0, 10**6)) for part in parts)
        if isinstance(node, Binary):
            return left / max(right, 1e-6) if node.op == "/" else max(left + right, left * right)
        return float("inf") if right > 64 and left > 1 else left**right
    return None
