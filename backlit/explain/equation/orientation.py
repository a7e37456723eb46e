"""Rows and columns: whether vectors that NumPy would take together are one of each.

NumPy's vectors have no orientation, so that aᵀ − y is a − y. Who writes an equation means the one
or the other.
"""

from __future__ import annotations

from collections.abc import Callable

from backlit.explain.equation.faults import ShapeFault
from backlit.explain.equation.functions import builtin
from backlit.explain.equation.tree import Binary, Call, Node, Transpose, Unary


def row_with_column(node: Node, rank: Callable[[Node], int]) -> ShapeFault | None:
    """Find a row that is added to a column, or multiplied with one element by element.

    Parameters
    ----------
    node : Node
        A bound tree that has a value.
    rank : callable
        The number of axes of an expression.

    Returns
    -------
    ShapeFault or None
        With the span of the sum or product.
    """
    for part in node.walk():
        if isinstance(part, Binary) and part.op in "+-*":
            # Only where something is transposed may there be both.
            if not any(isinstance(n, Transpose) for n in part.walk()):
                continue
            if rank(part.left) == rank(part.right) == 1:
                one, other = _is_turned(part.left, rank), _is_turned(part.right, rank)
                if one is not None and other is not None and one != other:
                    what = "a row and a column do not fit element by element"
                    return ShapeFault(what, part.span)
    return None


def _is_turned(node: Node, rank: Callable[[Node], int]) -> bool | None:
    """Tell whether a vector is turned against those that are only named, None if it may be both."""
    if isinstance(node, Transpose):
        inner = _is_turned(node.operand, rank)
        return None if inner is None else not inner
    if isinstance(node, Unary):
        return _is_turned(node.operand, rank)
    if isinstance(node, Call):
        known = builtin(node.function.name)
        elementwise = known is not None and known.family == "elementwise" and len(node.args) == 1
        return _is_turned(node.args[0], rank) if elementwise else None
    if not isinstance(node, Binary):
        return False
    left, right = rank(node.left), rank(node.right)
    if left != 1 or right != 1:
        # A number or a matrix beside a vector: A x is a column, xᵀ A a row, x A is not said.
        vector, matrix = (node.left, right) if left == 1 else (node.right, left)
        turned = _is_turned(vector, rank)
        if matrix == 0 or node.op in "+-*/":
            return turned
        return turned if turned == (left == 1) else None
    one, other = _is_turned(node.left, rank), _is_turned(node.right, rank)
    return one if one is not None else other
