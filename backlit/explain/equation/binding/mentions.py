"""What a resolved tree mentions: variables, and indices that no sum binds."""

from __future__ import annotations

from collections.abc import Iterable

from backlit.explain.equation.tree import Name, Node, Series

# A running index of elements is Name("@i") in a resolved tree, a dimension Name("#m").
RUNNING = "@"
DIMENSION = "#"


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
