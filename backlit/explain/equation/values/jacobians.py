"""Jacobians of and by matrices: one axis for each index of the variable above and of that below.

A derivative of a vector by a matrix has three indices. In a chain of Jacobians it is multiplied
along the axes of the variable above, and what comes out has the shape of the one below. That is
the chain rule with all elements of the matrix in one long row, brought back into its shape.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from backlit.explain.equation.tree import Binary, Derivative, Name, Node
from backlit.explain.equation.values.arithmetic import Array, Shape
from backlit.explain.equation.values.builtin import room

_PRODUCTS = (" ", ".", "@")


def is_vector(shape: Shape) -> bool:
    """Tell whether an array is a vector, a row or a column.

    Parameters
    ----------
    shape : tuple of int

    Returns
    -------
    bool

    Examples
    --------
    >>> is_vector((3,)), is_vector((3, 1)), is_vector((3, 2))
    (True, True, False)
    """
    return sum(n != 1 for n in shape) <= 1 and len(shape) <= 2


def has_matrix(of: Shape, by: Shape) -> bool:
    """Tell whether a Jacobian has more than two indices.

    Parameters
    ----------
    of, by : tuple of int
        Shapes of the variables above and below.

    Returns
    -------
    bool
    """
    return prod(of) > 1 and prod(by) > 1 and not (is_vector(of) and is_vector(by))


def laid_out(rows: Array, of: Shape, by: Shape, *, numerator: bool) -> Array:
    """Return a Jacobian with one axis for each index, those of a vector being one.

    Parameters
    ----------
    rows : array, shape (elements above, elements below)
    of, by : tuple of int
    numerator : bool
        Whether the axes of the variable above come first.

    Returns
    -------
    array
    """
    above = _axes(of)
    if numerator:
        return rows.reshape((*above, *by))
    return rows.transpose((1, 0)).reshape((*by, *above))


def contracted(
    left: Array, right: Array, node: Binary, shape_of: Callable[[str], Shape], *, numerator: bool
) -> Array | None:
    """Return the product of a chain with a Jacobian along the axes of the variable between them.

    Parameters
    ----------
    left, right : array
    node : Binary
        The product.
    shape_of : callable
        The shape of a variable.
    numerator : bool
        Whether the variable above comes first in a Jacobian, and the outermost one in a chain.

    Returns
    -------
    array or None
        None where it is a product of other things, or one of matrices.
    """
    jacobian, other = (right, left) if numerator else (left, right)
    near = _end(node.right if numerator else node.left, first=numerator)
    if near is None or not isinstance(near.target, Name):
        return None
    above = _axes(shape_of(near.target.base))
    axes = len(above)
    long = len(jacobian.shape) > 2
    if long and (jacobian.shape[:axes] if numerator else jacobian.shape[-axes:]) == above:
        made = jacobian.shape[axes:] if numerator else jacobian.shape[:-axes]
        kept = _beside(other.shape, above, last=numerator)
    elif numerator and other.shape == (*above, 1) and _is_gradient(node.left, shape_of):
        # A gradient that was given the shape of a column stands as a row in front of a Jacobian.
        far = _end(node.right, first=False)
        if jacobian.shape[:1] != above or far is None or not isinstance(far.wrt, Name):
            return None
        made, kept = shape_of(far.wrt.base), ()
    else:
        return None
    if kept is None or prod(made) * prod(above) != prod(jacobian.shape):
        return None
    length = prod(above)
    room((*kept, *made), length)
    if numerator:
        flat = other.reshape((-1, length)) @ jacobian.reshape((length, -1))
        return flat.reshape((*kept, *made))
    flat = jacobian.reshape((-1, length)) @ other.reshape((length, -1))
    return flat.reshape((*made, *kept))


def _axes(shape: Shape) -> Shape:
    """Return the axes that the indices of a variable take in a Jacobian."""
    return (prod(shape),) if is_vector(shape) else shape


def _beside(shape: Shape, above: Shape, *, last: bool) -> Shape | None:
    """Return the axes of a factor other than those it is multiplied along, or None without them."""
    axes = len(above)
    if len(shape) >= axes and (shape[-axes:] if last else shape[:axes]) == above:
        kept = shape[:-axes] if last else shape[axes:]
        return () if axes == 1 and kept == (1,) else kept
    return () if is_vector(shape) and (prod(shape),) == above else None


def _end(node: Node, *, first: bool) -> Derivative | None:
    """Return the first or last factor of a product if it is a derivative."""
    while isinstance(node, Binary) and node.op in _PRODUCTS:
        node = node.left if first else node.right
    return node if isinstance(node, Derivative) else None


def _is_gradient(node: Node, shape_of: Callable[[str], Shape]) -> bool:
    """Tell whether a chain begins with the derivative of a number."""
    outer = _end(node, first=True)
    if outer is None:
        return False
    return not isinstance(outer.target, Name) or prod(shape_of(outer.target.base)) == 1
