"""What the tree and the shapes alone tell: written numbers, subscripts, common shapes."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from backlit.explain.equation import tree
from backlit.explain.equation.tree import Node
from backlit.explain.equation.values.arithmetic import Shape
from backlit.explain.equation.values.faults import EvaluationFault, ShapeFault


def broadcast_shape(x: Shape | None, y: Shape) -> Shape | None:
    """Return the shape that arrays of two shapes have together, element by element.

    Parameters
    ----------
    x, y : tuple of int

    Returns
    -------
    tuple of int or None
        None if they do not fit.

    Examples
    --------
    >>> broadcast_shape((3, 1), (4,))
    (3, 4)
    """
    if x is None:
        return None
    rank = max(len(x), len(y))
    long_x, long_y = (1,) * (rank - len(x)) + x, (1,) * (rank - len(y)) + y
    if any(m != n and 1 not in (m, n) for m, n in zip(long_x, long_y, strict=True)):
        return None
    return tuple(n if m == 1 else m for m, n in zip(long_x, long_y, strict=True))


def rational(node: Node) -> Fraction | None:
    """Return what a subtree of numbers alone is, or None."""
    if isinstance(node, tree.Number):
        return node.value
    if isinstance(node, tree.Unary):
        operand = rational(node.operand)
        return None if operand is None else -operand
    if isinstance(node, tree.Binary):
        left, right = rational(node.left), rational(node.right)
        if left is None or right is None:
            return None
        if node.op == "+":
            return left + right
        if node.op == "-":
            return left - right
        if node.op == "/":
            return left / right if right else None
        return left * right
    if isinstance(node, tree.Power):
        base, exponent = rational(node.base), rational(node.exponent)
        if base and exponent is not None and exponent in range(-_HIGHEST, _HIGHEST + 1):
            return base ** int(exponent)
    return None


def count(series: tree.Series) -> Fraction | Node | None:
    """Return how many terms a sum has whose index stands nowhere in them.

    Parameters
    ----------
    series : Series

    Returns
    -------
    Fraction or Node or None
        An expression where the range is not made of written numbers alone; None where no range is
        written.

    Raises
    ------
    EvaluationFault
        If only one end is written, or the range has no whole number of terms.
    """
    if series.low is None and series.high is None:
        return None
    if series.low is None or series.high is None:
        raise EvaluationFault("how far this sum runs is not known", series.span)
    one = tree.Number(Fraction(1))
    node = tree.Binary("+", tree.Binary("-", series.high, series.low), one, span=series.span)
    number = rational(node)
    if number is None:
        return node
    if number.denominator != 1:
        raise EvaluationFault("this sum runs over no whole number of terms", series.span)
    return max(number, Fraction(0))


_HIGHEST = 100


def place(shape: Shape, node: tree.Element) -> tuple[Any, ...]:
    """Return the subscripts of an element, checked against the shape of its array.

    Parameters
    ----------
    shape : tuple of int
        Of the operand.
    node : Element
        One subscript alone counts along a vector, whether it stands as a row or a column.

    Returns
    -------
    tuple of int and slice

    Raises
    ------
    ShapeFault
        If there is no such element.
    """
    index = [subscript(part) for part in node.index]
    if len(index) > len(shape):
        message = f"{len(index)} subscripts for an array of shape {shape}"
        raise ShapeFault(message, node.span, (shape,))
    if len(index) == 1 and len(shape) == 2 and 1 in shape and isinstance(index[0], int):
        index = [index[0], 0] if shape[1] == 1 else [0, index[0]]
    for k, n in zip(index, shape, strict=False):
        if isinstance(k, int) and not -n <= k < n:
            message = f"there is no element {k}, counted from 0, along an axis of length {n}"
            raise ShapeFault(message, node.span, (shape,))
    return tuple(index)


def subscript(node: Node) -> int | slice:
    """Return what one subscript says.

    Parameters
    ----------
    node : Node

    Returns
    -------
    int or slice

    Raises
    ------
    EvaluationFault
        If it is not made of written whole numbers.
    """
    if isinstance(node, tree.Slice):
        parts = [None if p is None else _whole(p) for p in (node.start, node.stop, node.step)]
        if parts[2] == 0:
            raise EvaluationFault("a step of 0", node.span)
        return slice(*parts)
    return _whole(node)


def _whole(node: Node) -> int:
    value = rational(node)
    if value is None or value.denominator != 1:
        raise EvaluationFault("a subscript has to be a whole number", node.span)
    return value.numerator


def whole_numbers(node: Node | None) -> tuple[int, ...] | None:
    """Return the whole numbers that an option is written as: 0, −1, (0, 1).

    Parameters
    ----------
    node : Node or None

    Returns
    -------
    tuple of int or None
        None if it is written as something else.
    """
    if isinstance(node, tree.Number) and node.value.denominator == 1:
        return (int(node.value),)
    if isinstance(node, tree.Unary):
        inner = whole_numbers(node.operand)
        return None if inner is None else tuple([-n for n in inner])
    if isinstance(node, tree.Items):
        parts = [whole_numbers(item) for item in node.items]
        return tuple([n for part in parts if part is not None for n in part])
    return None
