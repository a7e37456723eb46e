"""Elements of what a function gives: ``softmax(z)_w`` is an element of a variable softmax(z)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction

from backlit.explain.equation.binding.written import letters_in, variables
from backlit.explain.equation.text.entries import Statement
from backlit.explain.equation.text.printing import unicode
from backlit.explain.equation.tree import (
    Binary,
    Call,
    Derivative,
    Element,
    Equation,
    Name,
    Node,
    Number,
)

_ONE = Number(Fraction(1))


def named(statements: Iterable[Statement]) -> list[Statement]:
    """Return statements in which every call with a letter below it is a variable of its own.

    Parameters
    ----------
    statements : iterable of Statement

    Returns
    -------
    list of Statement
        Each of these variables is defined where it is mentioned first.
    """
    found: list[Statement] = []
    known: dict[Node, Name] = {}
    for statement in statements:
        for part in statement.equation.walk():
            if _is_picked(part) and isinstance(part, Element) and part.operand not in known:
                known[part.operand] = Name(unicode(part.operand))
                made = Equation(known[part.operand], part.operand, span=statement.equation.span)
                found.append(replace(statement, equation=made, readings=(made,)))
        found.append(statement.mapped(lambda node: _renamed(node, known)) if known else statement)
    return found


def _renamed(node: Node, known: dict[Node, Name]) -> Node:
    if _is_picked(node) and isinstance(node, Element) and node.operand in known:
        index = tuple([_from_one(part) for part in node.index])
        return replace(known[node.operand], index=index, span=node.span)
    return node


def _is_picked(node: Node) -> bool:
    """Whether letters pick an element of a call of names that have none themselves."""
    if not isinstance(node, Element) or not isinstance(node.operand, Call):
        return False
    if node.operand.keywords or any(isinstance(p, Derivative) for p in node.operand.walk()):
        return False
    inner = [v for v in variables(node.operand) if isinstance(v, Name)]
    return all(_from_one(part) is not part for part in node.index) and not any(
        letters_in(part) for name in inner for part in name.index
    )


def _from_one(part: Node) -> Node:
    """Return j of j − 1, the place of ``_j`` counted from 0."""
    if isinstance(part, Binary) and part.op == "-" and part.right == _ONE:
        return part.left
    return part
