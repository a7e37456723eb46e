"""Variables that a line defines from their old value: ``x = relu(x W + b)`` makes a new x."""

from __future__ import annotations

from dataclasses import replace

from backlit.explain.equation.binding.labels import as_condition
from backlit.explain.equation.binding.written import variables
from backlit.explain.equation.text.entries import Statement
from backlit.explain.equation.tree import Name, Node

# Behind the name of a variable that a line defines from its old value.
VERSION = "~"


def in_versions(statement: Statement, versions: dict[str, str]) -> Statement:
    """Tell x from x in ``x = relu(x W + b)``: from that line on it is a new variable.

    Parameters
    ----------
    statement : Statement
    versions : dict of str to str
        What names stand for so far, which is changed.

    Returns
    -------
    Statement
    """

    def renamed(node: Node) -> Node:
        if isinstance(node, Name) and node.layer is None and not node.index:
            return replace(node, base=versions.get(node.base, node.base))
        return node

    old, left = statement.equation, statement.equation.left
    rights = [e.right.map(renamed) for e in statement.readings]
    plain = isinstance(left, Name) and left.layer is None and not left.index
    if plain and isinstance(left, Name) and left in list(variables(old.right)):
        versions[left.base] = versions.get(left.base, left.base) + VERSION
    elif not versions:
        return statement
    readings = tuple(
        [
            replace(e, left=e.left.map(renamed), right=right)
            for e, right in zip(statement.readings, rights, strict=True)
        ]
    )
    return replace(statement, equation=readings[0], readings=readings)


def as_written(node: Node) -> Node:
    """Return an expression with the names that stand in the notes.

    Parameters
    ----------
    node : Node

    Returns
    -------
    Node
    """

    def renamed(part: Node) -> Node:
        if not isinstance(part, Name):
            return part
        return as_condition(replace(part, base=part.base.rstrip(VERSION)))

    return node.map(renamed)
