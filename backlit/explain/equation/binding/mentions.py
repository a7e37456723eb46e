"""What a resolved tree mentions: variables, functions, and indices that no sum binds."""

from __future__ import annotations

from collections.abc import Iterable

from backlit.explain.equation.tree import Call, Function, Name, Node, Series
from backlit.explain.equation.values.functions import builtin

# A running index of elements is Name("@i") in a resolved tree, a dimension Name("#m").
RUNNING = "@"
DIMENSION = "#"
# The identity matrix of whatever size fits: I, where nothing else is called so.
IDENTITY = Call(Function("eye"), ())


def free_running(node: Node) -> list[str]:
    """Return the running indices of a resolved equation that no sum binds, in their order.

    Parameters
    ----------
    node : Node

    Returns
    -------
    list of str
        With their mark: "@i".
    """
    found: dict[str, None] = {}

    def visit(part: Node, bound: frozenset[str]) -> None:
        if isinstance(part, Name) and part.base.startswith(RUNNING) and part.base not in bound:
            found[part.base] = None
        inner = bound | {part.index} if isinstance(part, Series) else bound
        for child in part.children():
            visit(child, inner)

    visit(node, frozenset())
    return list(found)


def used(nodes: Iterable[Node]) -> set[str]:
    """Return the symbols of the variables in resolved trees.

    Parameters
    ----------
    nodes : iterable of Node

    Returns
    -------
    set of str
    """
    return {
        n.base
        for node in nodes
        for n in node.walk()
        if isinstance(n, Name) and not n.base.startswith((RUNNING, DIMENSION))
    }


def open_functions(nodes: Iterable[Node]) -> dict[str, Function]:
    """Return the functions in resolved trees of which no more is known than their name.

    Parameters
    ----------
    nodes : iterable of Node

    Returns
    -------
    dict of str to Function
        Where each stands first.
    """
    found: dict[str, Function] = {}
    for node in nodes:
        for part in node.walk():
            if isinstance(part, Call) and builtin(part.function.name) is None:
                found.setdefault(part.function.name, part.function)
    return found


def has_lengths(node: Node) -> bool:
    """Tell whether an expression has a sum over an index or an I, whose lengths are to be found.

    Parameters
    ----------
    node : Node

    Returns
    -------
    bool
    """
    return any((isinstance(n, Series) and n.index) or n == IDENTITY for n in node.walk())
