"""Brackets that are missing or stand elsewhere: Uᵀ ((h − y) ⊙ (1 − h²)), 1 − z² for (1 − z)²."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from backlit.explain.equation.tree import PRODUCTS, Binary, Call, Node, Number, Power

BRACKETS = "Brackets are missing, or stand in the wrong place."

_TIMES = (*PRODUCTS, "/")


def regrouped(node: Node) -> Iterator[tuple[str, Node]]:
    """Yield expressions with the same symbols as one and brackets elsewhere.

    Parameters
    ----------
    node : Node

    Yields
    ------
    (str, Node)
        With the kind of the slip.

    Examples
    --------
    >>> from backlit.explain.equation.tree import Name
    >>> u, d, s = Name("u"), Name("d"), Name("s")
    >>> meant = Binary(" ", u, Binary("*", d, s))
    >>> ("elementwise", meant) in regrouped(Binary("*", Binary(" ", u, d), s))
    True
    """
    if isinstance(node, Power):
        yield from _below_power(node)
    elif isinstance(node, Call) and len(node.args) == 1 and not node.keywords:
        inner = node.args[0]
        if isinstance(inner, Binary):
            yield "other", replace(inner, left=replace(node, args=(inner.left,)))
    if not isinstance(node, Binary):
        return
    for turned in _rotations(node):
        yield _kind(node, turned), turned
        # Of a chain of products: (A B ⊙ c) dᵀ is two brackets away from A (B ⊙ c dᵀ).
        for again in _rotations(turned):
            if again != node:
                yield _kind(node, again), again
    if isinstance(node.right, Power) and isinstance(node.right.exponent, Number):
        yield "other", Power(replace(node, right=node.right.base), node.right.exponent)
    if isinstance(node.left, Call) and len(node.left.args) == 1 and not node.left.keywords:
        call = node.left
        yield "other", replace(call, args=(replace(node, left=call.args[0]),))


def _rotations(node: Binary) -> Iterator[Binary]:
    left, right = node.left, node.right
    if isinstance(left, Binary) and not _is_associative(left.op, node.op):
        yield replace(left, right=replace(node, left=left.right))
    if isinstance(right, Binary) and not _is_associative(node.op, right.op):
        yield replace(right, left=replace(node, right=right.left))


def _is_associative(first: str, second: str) -> bool:
    """Tell whether brackets make no difference between two operators."""
    if first == second:
        return first in "+*@"
    return first == "+" and second == "-"


def _below_power(node: Power) -> Iterator[tuple[str, Node]]:
    base = node.base
    if isinstance(base, Binary):
        yield "other", replace(base, right=replace(node, base=base.right))
    elif isinstance(base, Call) and len(base.args) == 1:
        yield "other", replace(base, args=(replace(node, base=base.args[0]),))


def _kind(node: Binary, turned: Node) -> str:
    ops = {node.op, turned.op} if isinstance(turned, Binary) else {node.op}
    return "elementwise" if "*" in ops and ops <= set(_TIMES) and len(ops) > 1 else "other"
