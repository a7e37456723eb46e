"""Several slips at once: what a right side says, part by part beside what it should say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from backlit.explain.equation.tree import PRODUCTS, Binary, Call, Derivative, Name, Node, Transpose


@dataclass(frozen=True)
class Slip:
    """One part that is not what it should be.

    Attributes
    ----------
    kind : str
        Of `backlit.explain.equation.verdicts.KINDS`.
    old, new : Node
    """

    kind: str
    old: Node
    new: Node


def slips(stated: Node, meant: Node) -> list[Slip] | None:
    """Compare a product, factor by factor, with the one that was meant.

    Parameters
    ----------
    stated, meant : Node

    Returns
    -------
    list of Slip or None
        None if they are not of like factors in the same order.

    Examples
    --------
    >>> from fractions import Fraction
    >>> from backlit.explain.equation.tree import Number
    >>> one, two = Name("a", Number(Fraction(1))), Name("a", Number(Fraction(2)))
    >>> wrong = Binary(" ", Derivative(None, Name("W"), style="bare"), two)
    >>> [slip.kind for slip in slips(wrong, Binary(" ", Name("W"), one))]
    ['symbol', 'index']
    """
    mine, right = list(_flat(stated)), list(_flat(meant))
    if len(mine) != len(right):
        return None
    found: list[Slip] = []
    for (op, old), (other, new) in zip(mine, right, strict=True):
        slip = _one(old, new)
        if slip is None:
            return None
        if op is not None and other is not None and (op.op == "*") != (other.op == "*"):
            # Only the product is of interest, not what it is of.
            found.append(Slip("elementwise", op, other))
        found += slip
    return found


def _flat(node: Node) -> Iterator[tuple[Binary | None, Node]]:
    """Yield the factors of a product, each with the product it is the right side of."""
    if isinstance(node, Binary) and node.op in PRODUCTS:
        yield from _flat(node.left)
        inner = iter(_flat(node.right))
        _, first = next(inner)
        yield node, first
        yield from inner
    else:
        yield None, node


def _one(old: Node, new: Node) -> list[Slip] | None:
    """Return the slips in one factor, None if the two are not alike."""
    if old == new:
        return []
    if isinstance(old, Transpose) != isinstance(new, Transpose):
        inner = _one(_plain(old), _plain(new))
        return None if inner is None else [Slip("transpose", old, new), *inner]
    if isinstance(old, Transpose) and isinstance(new, Transpose):
        return _one(old.operand, new.operand)
    if isinstance(old, Derivative) and isinstance(new, Name):
        return _symbol(old, new, old.wrt, new)
    if isinstance(old, Name) and isinstance(new, Derivative):
        return _symbol(old, new, old, new.wrt)
    if isinstance(old, Derivative) and isinstance(new, Derivative) and old.target == new.target:
        return [Slip("index", old, new)] if _alike(old.wrt, new.wrt) else None
    if isinstance(old, Name) and isinstance(new, Name):
        return [Slip("index", old, new)] if _alike(old, new) else None
    if isinstance(old, Call) and isinstance(new, Call):
        return _call(old, new)
    return None


def _symbol(old: Node, new: Node, one: Node, other: Node) -> list[Slip] | None:
    """W for dW, and perhaps of another layer."""
    if one == other:
        return [Slip("symbol", old, new)]
    return [Slip("symbol", old, new), Slip("index", one, other)] if _alike(one, other) else None


def _call(old: Call, new: Call) -> list[Slip] | None:
    same = replace(old.function, layer=None) == replace(new.function, layer=None)
    if not same or len(old.args) != len(new.args):
        return None
    found: list[Slip] = []
    if old.function.layer != new.function.layer:
        found.append(Slip("index", replace(old, args=()), replace(new, args=())))
    for one, other in zip(old.args, new.args, strict=True):
        inner = _one(one, other)
        if inner is None:
            return None
        found += inner
    return [Slip("index", old, new)] if found and all(s.kind == "index" for s in found) else found


def _alike(one: Node, other: Node) -> bool:
    return isinstance(one, Name) and isinstance(other, Name) and one.base == other.base


def _plain(node: Node) -> Node:
    return node.operand if isinstance(node, Transpose) else node
