"""What stands in trees as they are written: names, their layers and their subscripts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator
from typing import Any

from backlit.explain.equation.binding.names import stem
from backlit.explain.equation.tree import Function, Name, Node

# Where a family is numbered: "layer" for superscripts, "index" for the first subscript.
Slot = tuple[str, str]
INDEX_LETTERS = frozenset("ijklmnpqrst")


def rebuilt(node: Node, change: Callable[[Node], Node]) -> Node:
    """Return a node with `change` applied to the nodes directly below it.

    Parameters
    ----------
    node : Node
    change : callable

    Returns
    -------
    Node
    """
    changes: dict[str, Any] = {}
    for attribute in dataclasses.fields(node):
        old = getattr(node, attribute.name)
        new = _changed(old, change)
        if new is not old:
            changes[attribute.name] = new
    return dataclasses.replace(node, **changes) if changes else node


def _changed(value: Any, change: Callable[[Node], Node]) -> Any:
    if isinstance(value, Node):
        return change(value)
    if isinstance(value, tuple):
        parts = tuple([_changed(part, change) for part in value])
        return parts if any(a is not b for a, b in zip(parts, value, strict=True)) else value
    return value


def letters_in(node: Node) -> set[str]:
    """Return the single letters of an expression in a subscript or superscript.

    Parameters
    ----------
    node : Node

    Returns
    -------
    set of str

    Examples
    --------
    >>> from backlit.explain.equation.tree import Binary, Number
    >>> letters_in(Binary("-", Name("L"), Number(1)))
    {'L'}
    """
    return {n.base for n in node.walk() if isinstance(n, Name) and len(n.base) == 1}


def variables(node: Node) -> Iterator[Name | Function]:
    """Yield the variables and functions of an expression, not what stands in their subscripts.

    Parameters
    ----------
    node : Node

    Yields
    ------
    Name or Function

    Examples
    --------
    >>> from backlit.explain.equation.tree import Binary
    >>> [v.base for v in variables(Binary("+", Name("x", index=(Name("i"),)), Name("b")))]
    ['x', 'b']
    """
    if isinstance(node, (Name, Function)):
        yield node
        return
    for child in node.children():
        yield from variables(child)


def names_in(node: Node) -> Iterator[Name]:
    """Yield the variables of an expression, without functions and what stands in subscripts.

    Parameters
    ----------
    node : Node

    Yields
    ------
    Name
    """
    return (found for found in variables(node) if isinstance(found, Name))


def slots_of(node: Node) -> Iterator[tuple[Slot, Node]]:
    """Yield where a name or function may be numbered, with what stands there.

    Parameters
    ----------
    node : Node

    Yields
    ------
    (Slot, Node)
    """
    if isinstance(node, Name):
        if node.layer is not None:
            yield ("layer", stem(node.base)), node.layer
        if node.index:
            yield ("index", stem(node.base)), node.index[0]
    elif isinstance(node, Function) and node.layer is not None:
        yield ("layer", node.name), node.layer


def is_word(part: Node) -> bool:
    """Tell whether a layer or a subscript is a word, as in W_out: it counts nothing."""
    return isinstance(part, Name) and len(part.base) > 1


def split_subscripts(name: Name, letters: Collection[str] = INDEX_LETTERS) -> tuple[Node, ...]:
    """Return the subscripts of a name one by one where several are written together.

    Parameters
    ----------
    name : Name
    letters : collection of str
        What may be written together.

    Returns
    -------
    tuple of Node

    Examples
    --------
    >>> [n.base for n in split_subscripts(Name("w", index=(Name("ij"),)))]
    ['i', 'j']
    >>> [n.base for n in split_subscripts(Name("W", index=(Name("xh"),)))]
    ['xh']
    """
    if len(name.index) != 1:
        return name.index
    part = name.index[0]
    if not isinstance(part, Name) or not 1 < len(part.base) <= 3:
        return name.index
    if not set(part.base) <= set(letters):
        return name.index
    start = part.span[0]
    return tuple([Name(c, span=(start + k, start + k + 1)) for k, c in enumerate(part.base)])
