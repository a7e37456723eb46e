"""What an edit of a right side is, and what the notes have that one may be made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from backlit.explain.equation.tree import (
    Call,
    Compare,
    Constant,
    Derivative,
    Equation,
    Name,
    Node,
    Number,
    Power,
    Series,
)

Changes = Iterator[tuple[str, Node]]
"""Expressions that may stand for one, each with the kind of the slip."""


@dataclass(frozen=True)
class Edit:
    """One change to an expression.

    Attributes
    ----------
    kind : str
        Of `backlit.explain.equation.verdicts.KINDS`.
    old : Node
        The part that is wrong.
    new : Node
        What should stand in its place.
    whole : Node
        The whole expression with the change.
    told : (str, Node, …), optional
        What to say of it in particular: a sentence with gaps, and what goes there.
    """

    kind: str
    old: Node
    new: Node
    whole: Node
    told: tuple[str, *tuple[Node, ...]] | None = None

    def mapped(self, change: Callable[[Node], Node]) -> Edit:
        """Return the edit with something done to all that is new in it.

        Parameters
        ----------
        change : callable

        Returns
        -------
        Edit
        """
        told = self.told and (self.told[0], *map(change, self.told[1:]))
        return replace(self, new=change(self.new), whole=change(self.whole), told=told)


@dataclass(frozen=True)
class Surroundings:
    """What the notes around a claim have that may have been meant.

    Attributes
    ----------
    names : tuple of Name
        Variables, as they are written.
    counts : tuple of Name
        Numbers of examples: m.
    definitions : tuple of Equation
    letters : tuple of Name
        Running indices that the claim has.
    left : Node, optional
        What the claim is about.
    """

    names: tuple[Name, ...]
    counts: tuple[Name, ...]
    definitions: tuple[Equation, ...]
    letters: tuple[Name, ...] = ()
    left: Node | None = None

    @cached_property
    def numbers(self) -> tuple[Number, ...]:
        """The numbers that the definitions write."""
        found = (n for d in self.definitions for n in parts(d.right) if isinstance(n, Number))
        return tuple(dict.fromkeys(found))


def parts(node: Node) -> Iterator[Node]:
    """Yield the expressions inside one, but not the names of layers, indices and axes.

    Parameters
    ----------
    node : Node

    Yields
    ------
    Node
        The expression itself first.
    """
    if isinstance(node, Compare) and node.op in ("==", "!="):
        return  # A condition on indices.
    yield node
    if isinstance(node, (Name, Derivative, Number, Constant)):
        return
    if isinstance(node, Call):
        children: Sequence[Node] = node.args
    elif isinstance(node, Series):
        children = (node.body,)
    elif isinstance(node, Power):
        exponent = () if isinstance(node.exponent, Number) else (node.exponent,)
        children = (node.base, *exponent)
    else:
        children = tuple(node.children())
    for child in children:
        yield from parts(child)
