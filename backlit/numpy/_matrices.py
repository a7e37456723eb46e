"""Parts and products of matrices, by way of indexing and elementwise operations."""

from __future__ import annotations

from typing import Any

import numpy as onp

from backlit.core.errors import ShapeError
from backlit.ops import elementwise as ew
from backlit.ops.families import dtype_of, shape_of
from backlit.ops.indexing import getitem, index_set
from backlit.ops.namesake import namesake
from backlit.ops.products import diagonal, tensordot
from backlit.ops.reduce import sum as sum_
from backlit.ops.shaping import (
    moveaxis,
    ravel,
    reshape,
    stack,
)

# --- parts of matrices ------------------------------------------------------------------------


@namesake(onp.diag)
def diag(v: Any, k: int = 0) -> Any:
    """Make a matrix from its diagonal, or return the diagonal of a matrix, as in NumPy.

    The cotangent goes back to the elements they came from.

    Parameters
    ----------
    v : array_like of one or two dimensions
    k : int
        Columns to the right of the main diagonal; negative: below it.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import backlit as bl
    >>> diag([1.0, 2.0])
    array([[1., 0.],
           [0., 2.]])
    >>> bl.grad(lambda m: diag(m).sum())(onp.ones((2, 2)))
    array([[1., 0.],
           [0., 1.]])
    """
    shape = shape_of(v)
    if len(shape) == 2:
        return diagonal(v, k)
    if len(shape) != 1:
        raise ShapeError(f"diag takes one or two dimensions, not {len(shape)}", fix="np.diagonal")
    places = onp.arange(shape[0])
    size = shape[0] + (k if k > 0 else -k)
    zeros = onp.zeros((size, size), dtype_of(v))
    return index_set(zeros, (places + (-k if k < 0 else 0), places + (k if k > 0 else 0)), v)


@namesake(onp.diagflat)
def diagflat(v: Any, k: int = 0) -> Any:
    """Make a matrix with the flattened input on a diagonal, as in NumPy; see `diag`.

    Parameters
    ----------
    v : array_like
    k : int

    Returns
    -------
    ndarray

    Examples
    --------
    >>> diagflat([[1, 2]])
    array([[1, 0],
           [0, 2]])
    """
    return diag(ravel(v), k)


@namesake(onp.tril)
def tril(m: Any, k: int = 0) -> Any:
    """Keep the lower triangle of the last two axes and set the rest to zero, as in NumPy.

    The cotangent of the rest is 0.

    Parameters
    ----------
    m : array_like of at least two dimensions
    k : int
        Columns to the right of the main diagonal where the triangle ends.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> tril(onp.ones((2, 2)))
    array([[1., 0.],
           [1., 1.]])
    """
    rows, columns = shape_of(m)[-2:]
    mask = onp.tri(rows, columns, k, dtype=bool)
    return ew.where(mask, m, dtype_of(m).type(0))


@namesake(onp.triu)
def triu(m: Any, k: int = 0) -> Any:
    """Keep the upper triangle of the last two axes and set the rest to zero, as in NumPy.

    The cotangent of the rest is 0.

    Parameters
    ----------
    m : array_like of at least two dimensions
    k : int
        Columns to the right of the main diagonal where the triangle begins.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> triu(onp.ones((2, 2)))
    array([[1., 1.],
           [0., 1.]])
    """
    rows, columns = shape_of(m)[-2:]
    mask = ~onp.tri(rows, columns, k - 1, dtype=bool)
    return ew.where(mask, m, dtype_of(m).type(0))


@namesake(onp.vander)
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """Return the powers of x as columns, as in NumPy.

    Parameters
    ----------
    x : array_like, shape (m,)
    N : int, optional
        Number of columns; default: m.
    increasing : bool
        From x⁰ up, instead of down to it.

    Returns
    -------
    ndarray, shape (m, N)

    Examples
    --------
    >>> vander([2.0, 3.0], 3)
    array([[4., 2., 1.],
           [9., 3., 1.]])
    """
    count = shape_of(x)[0] if N is None else N
    powers = range(count) if increasing else range(count - 1, -1, -1)
    return stack([ew.power(x, n) if n else ew.add(ew.multiply(x, 0), 1) for n in powers], -1)


# --- products ---------------------------------------------------------------------------------


@namesake(onp.kron, arrays=2)
def kron(a: Any, b: Any) -> Any:
    """Return the Kronecker product, blocks of b times the elements of a, as in NumPy.

    Parameters
    ----------
    a, b : array_like

    Returns
    -------
    ndarray

    Examples
    --------
    >>> kron([1, 10], [1, 2])
    array([ 1,  2, 10, 20])
    """
    rank = max(len(shape_of(a)), len(shape_of(b)))
    m, n = [(1,) * (rank - len(shape_of(x))) + shape_of(x) for x in (a, b)]
    left = reshape(a, tuple([e for k in m for e in (k, 1)]))
    right = reshape(b, tuple([e for k in n for e in (1, k)]))
    shape = tuple([i * j for i, j in zip(m, n, strict=True)])
    return reshape(ew.multiply(left, right), shape)


@namesake(onp.vdot, arrays=2)
def vdot(a: Any, b: Any, /) -> Any:
    """Return the inner product of two flattened arrays, as in NumPy.

    Parameters
    ----------
    a, b : array_like

    Returns
    -------
    scalar

    Examples
    --------
    >>> float(vdot([1.0, 2.0], [3.0, 4.0]))
    11.0
    """
    return tensordot(ravel(a), ravel(b), 1)


@namesake(onp.cross, arrays=2)
def cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None
) -> Any:
    """Return the vector product of vectors of three components, as in NumPy.

    For c = a × b and the cotangent g of c: ā = b × g and b̄ = g × a.

    Parameters
    ----------
    a, b : array_like
    axisa, axisb, axisc : int
        Where the components are, in a, b and the result.
    axis : int, optional
        All three at once.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> cross([1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    array([0., 0., 1.])
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = moveaxis(a, axisa, 0), moveaxis(b, axisb, 0)
    if shape_of(a)[0] != 3 or shape_of(b)[0] != 3:
        raise ShapeError(
            f"cross takes vectors of three components, not {shape_of(a)[0]} and {shape_of(b)[0]}",
            fix="give vectors in a plane a third component of 0",
        )
    u, v = [getitem(a, k) for k in range(3)], [getitem(b, k) for k in range(3)]
    parts = [
        ew.subtract(ew.multiply(u[i], v[j]), ew.multiply(u[j], v[i]))
        for i, j in ((1, 2), (2, 0), (0, 1))
    ]
    return moveaxis(stack(parts, 0), 0, axisc)


@namesake(onp.trapezoid, arrays=2)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """Integrate by the trapezoidal rule, as in NumPy.

    Parameters
    ----------
    y : array_like
        Values of the function.
    x : array_like, optional
        Where, along the axis or shaped like y; default: `dx` apart.
    dx : float
    axis : int

    Returns
    -------
    ndarray

    Examples
    --------
    >>> float(trapezoid([1.0, 2.0, 3.0]))
    4.0
    """
    y = moveaxis(y, axis, -1)
    step = dx
    if x is not None:
        x = moveaxis(x, axis, -1) if len(shape_of(x)) > 1 else x
        step = ew.subtract(getitem(x, (..., slice(1, None))), getitem(x, (..., slice(None, -1))))
    middle = ew.add(getitem(y, (..., slice(1, None))), getitem(y, (..., slice(None, -1))))
    return sum_(ew.multiply(step, ew.divide(middle, 2.0)), -1)
