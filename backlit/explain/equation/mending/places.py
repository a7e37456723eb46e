"""Slips of running indices: a sum over the wrong one, i for j, a 1 for Kronecker's δ."""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

from backlit.explain.equation.mending.pullback import renamed
from backlit.explain.equation.mending.terms import added
from backlit.explain.equation.tree import (
    ONE,
    Binary,
    Derivative,
    Name,
    Node,
    Series,
    Unary,
)

_MOST_LETTERS = 4
KRONECKER = "‘{}’ is 1 where the indices are the same, and 0 elsewhere."


def relettered(node: Node, letters: Sequence[Name]) -> Iterator[Node]:
    """Yield expressions with a sum over another index, or with two indices for each other.

    Parameters
    ----------
    node : Node
    letters : sequence of Name
        The running indices of a claim.

    Yields
    ------
    Node

    Examples
    --------
    >>> i, j = Name("i"), Name("j")
    >>> summed = Series("sum", Name("W", index=(i, j)), "j")
    >>> Series("sum", Name("W", index=(i, j)), "i") in relettered(summed, [i, j])
    True
    """
    if not isinstance(node, Series) or not node.index:
        return
    for letter in letters:
        if letter.base != node.index:
            yield replace(node, index=letter.base)
    for one, other in combinations(letters[:_MOST_LETTERS], 2):
        yield swapped(node, one, other)


def swapped(node: Node, one: Name, other: Name) -> Node:
    """Return an expression with two running letters for each other.

    Parameters
    ----------
    node : Node
    one, other : Name

    Returns
    -------
    Node
    """
    names = {one: other, other: one}
    bases = {one.base: other.base, other.base: one.base}

    def change(part: Node) -> Node:
        if isinstance(part, Series) and part.index in bases:
            return replace(part, index=bases[part.index])
        return names.get(part, part) if isinstance(part, Name) else part

    return node.map(change)


def kronecker(node: Node, left: Node | None) -> Iterator[Node]:
    """Yield δ_{ij} for a 1 in the derivative of an element by an element.

    Parameters
    ----------
    node : Node
    left : Node or None
        What a claim is about.

    Yields
    ------
    Node
    """
    if not isinstance(left, Derivative) or left.second is not None:
        return
    above, below = left.target, left.wrt
    if not isinstance(above, Name) or not isinstance(below, Name):
        return
    if len(above.index) != 1 or len(below.index) != 1 or above.index == below.index:
        return
    same = Name("delta", index=(*above.index, *below.index))
    if node == ONE:
        yield same
    elif isinstance(node, Binary) and node.op in " .*":
        yield Binary(" ", node, same)
    if isinstance(node, Unary) or (isinstance(node, Binary) and node.op in " .*"):
        # −p_i p_j, where p_i (δ_ij − p_j) was meant.
        yield added([Binary(" ", above, same), node])


def unclashed(node: Node, left: Node | None) -> Node:
    """Return an expression with other letters for sums over those of a left side.

    Parameters
    ----------
    node : Node
    left : Node or None

    Returns
    -------
    Node
        Σ_j for Σ_i in ∂f/∂x_i.
    """
    own = {n.base for n in left.walk() if isinstance(n, Name)} if left is not None else set()

    def change(part: Node) -> Node:
        if isinstance(part, Series) and part.index in own:
            taken = own | {n.base for n in part.walk() if isinstance(n, Name)}
            free = next(c for c in "jklmn" + string.ascii_letters if c not in taken)
            return rebound(part, part.index, free)
        return part

    return node.map(change)


def rebound(node: Node, bound: str, free: str) -> Node:
    """Return an expression with the sums over one letter going over another.

    Parameters
    ----------
    node : Node
    bound, free : str

    Returns
    -------
    Node
    """

    def change(part: Node) -> Node:
        if isinstance(part, Series) and part.index == bound:
            return replace(part, index=free, body=renamed(part.body, bound, Name(free)))
        return part

    return node.map(change)


def free_letters(left: Node, right: Node) -> list[str]:
    """Return the running letters on the right side of a claim that nothing binds.

    Parameters
    ----------
    left, right : Node

    Returns
    -------
    list of str
    """
    known = {n.base for n in left.walk() if isinstance(n, Name)}
    bound = {n.index for n in right.walk() if isinstance(n, Series)}
    found = dict.fromkeys(
        part.base
        for node in right.walk()
        if isinstance(node, Name)
        for place in node.index
        for part in place.walk()
        if isinstance(part, Name) and len(part.base) == 1 and part.base.islower()
    )
    return [letter for letter in found if letter not in known and letter not in bound]
