"""Matrix products: matmul with every NumPy rank rule, dot, outer, inner, tensordot, trace."""

from __future__ import annotations

from typing import Any

import numpy as onp

from backlit.core.aval import AbstractValue, Shape
from backlit.core.errors import ShapeError
from backlit.core.primitive import Case
from backlit.core.tracer import Tracer, bind
from backlit.ops.einsum import LETTERS, einsum
from backlit.ops.elementwise import multiply
from backlit.ops.families import bilinear, shape_of
from backlit.ops.namesake import as_operand, namesake, refuse
from backlit.ops.reduce import sum as sum_
from backlit.ops.shaping import expand_dims, moveaxis, normalise_axis, ravel, squeeze, swapaxes

_ndarray = onp.ndarray

# --- matmul -----------------------------------------------------------------------------------


def _matmul_shape(a: Shape, b: Shape) -> Shape:
    if not a or not b:
        raise ShapeError("matmul does not take 0-dimensional arrays", fix="use * for scalars")
    left = a if len(a) > 1 else (1, *a)
    right = b if len(b) > 1 else (*b, 1)
    if left[-1] != right[-2]:
        raise ShapeError(
            f"shapes {a} and {b} do not multiply: {left[-1]} columns meet {right[-2]} rows",
            fix="the last axis of the left operand must be as long as the second last of the right",
        )
    batch = onp.broadcast_shapes(left[:-2], right[:-2])
    rows = (left[-2],) if len(a) > 1 else ()
    columns = (right[-1],) if len(b) > 1 else ()
    return (*batch, *rows, *columns)


def _matmul_abstract(a: AbstractValue, b: AbstractValue) -> AbstractValue:
    return AbstractValue(_matmul_shape(a.shape, b.shape), onp.result_type(a.dtype, b.dtype))


def _matmul_left(g: Any, a: Any, b: Any) -> Any:
    """∂L/∂A = G Bᵀ (summed over broadcast batches by `fit`)."""
    if type(g) is _ndarray and type(b) is _ndarray and b.ndim == 2 and g.ndim == 2:
        return onp.matmul(g, b.T)
    ra, rb = len(shape_of(a)), len(shape_of(b))
    if ra == 1 and rb == 1:
        return multiply(expand_dims(g, -1), b)
    if rb == 1:  # (…, n, k) @ (k) -> (…, n)
        return multiply(expand_dims(g, -1), b)
    if ra == 1:  # (k) @ (…, k, m) -> (…, m)
        return squeeze(matmul(b, expand_dims(g, -1)), -1)
    return matmul(g, swapaxes(b, -1, -2))


def _matmul_right(g: Any, a: Any, b: Any) -> Any:
    """∂L/∂B = Aᵀ G."""
    if type(g) is _ndarray and type(a) is _ndarray and a.ndim == 2 and g.ndim == 2:
        return onp.matmul(a.T, g)
    ra, rb = len(shape_of(a)), len(shape_of(b))
    if ra == 1 and rb == 1:
        return multiply(expand_dims(g, -1), a)
    if rb == 1:
        return squeeze(matmul(swapaxes(a, -1, -2), expand_dims(g, -1)), -1)
    if ra == 1:
        return multiply(expand_dims(a, -1), expand_dims(g, -2))
    return matmul(swapaxes(a, -1, -2), g)


def _matmul_flops(out: AbstractValue, avals: Any, params: Any) -> int:
    return 2 * out.size * int(avals[0].shape[-1])


_matmul = bilinear(
    "matmul",
    onp.matmul,
    _matmul_abstract,
    _matmul_left,
    _matmul_right,
    latex="{0} {1}",
    flops=_matmul_flops,
    cases=tuple(
        Case(shapes)
        for shapes in (
            ((2, 3), (3, 4)),
            ((3,), (3,)),
            ((2, 3), (3,)),
            ((3,), (3, 2)),
            ((2, 2, 3), (3, 2)),
            ((3,), (2, 3, 2)),
            ((2, 2, 3), (3,)),
            ((2, 1, 2, 3), (3, 3, 2)),
        )
    ),
)


def matmul(x1: Any, x2: Any, /, out: Any = None, **options: Any) -> Any:
    """Return the matrix product with NumPy's rank rules: vectors, matrices, stacks of matrices.

    For Y = A B and the cotangent G of Y: Ā = G Bᵀ and B̄ = Aᵀ G.

    Parameters
    ----------
    x1, x2 : array_like
        Of at least one dimension.
    out, **options
        NumPy's further arguments, only where nothing is traced.

    Returns
    -------
    ndarray

    References
    ----------
    M. B. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
    differentiation", Advances in Automatic Differentiation, Springer, 2008, section 2.2.1.

    Examples
    --------
    >>> import backlit as bl
    >>> matmul(onp.eye(2), onp.array([1.0, 2.0]))
    array([1., 2.])
    >>> bl.grad(lambda a: matmul(a, onp.array([1.0, 2.0])).sum())(onp.eye(2))
    array([[1., 2.],
           [1., 2.]])
    """
    if type(x1) is not Tracer and type(x2) is not Tracer:
        x1, x2 = as_operand(x1), as_operand(x2)
        if type(x1) is not Tracer and type(x2) is not Tracer:
            return onp.matmul(x1, x2, out=out, **options)
    if out is not None or options:
        refuse("matmul", {"out": out, **options})
    return bind(_matmul, as_operand(x1), as_operand(x2))


# --- dot, outer, inner, tensordot --------------------------------------------------------------


@namesake(onp.dot, arrays=2)
def dot(a: Any, b: Any, out: Any = None) -> Any:
    """Return the dot product with NumPy's rules: scalars multiply, vectors and matrices contract.

    The derivative is that of `matmul`, or of `multiply` for scalars.

    Parameters
    ----------
    a, b : array_like
    out : ndarray, optional
        Only where nothing is traced.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import backlit as bl
    >>> float(dot(onp.array([1.0, 2.0]), onp.array([3.0, 4.0])))
    11.0
    >>> bl.grad(lambda x: dot(x, onp.array([3.0, 4.0])))(onp.ones(2))
    array([3., 4.])
    """
    ra, rb = len(shape_of(a)), len(shape_of(b))
    if ra == 0 or rb == 0:
        return multiply(a, b)
    if rb <= 2:
        return matmul(a, b)
    return tensordot(a, b, ([ra - 1], [rb - 2]))


@namesake(onp.outer, arrays=2)
def outer(a: Any, b: Any, out: Any = None) -> Any:
    """Return the outer product yᵢⱼ = aᵢ bⱼ of two vectors, flattened if need be.

    With the cotangent G of the result: ā = G b and b̄ = Gᵀ a.

    Parameters
    ----------
    a, b : array_like
    out : ndarray, optional
        Only where nothing is traced.

    Returns
    -------
    ndarray, shape (a.size, b.size)

    Examples
    --------
    >>> outer(onp.array([1.0, 2.0]), onp.array([1.0, 10.0]))
    array([[ 1., 10.],
           [ 2., 20.]])
    """
    return multiply(expand_dims(ravel(a), 1), expand_dims(ravel(b), 0))


@namesake(onp.inner, arrays=2)
def inner(a: Any, b: Any, /) -> Any:
    """Contract the last axes of two arrays, as in NumPy; see `tensordot`.

    Parameters
    ----------
    a, b : array_like
        Last axes of the same length.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> float(inner(onp.array([1.0, 2.0]), onp.array([3.0, 4.0])))
    11.0
    """
    ra, rb = len(shape_of(a)), len(shape_of(b))
    if ra == 0 or rb == 0:
        return multiply(a, b)
    return tensordot(a, b, ([ra - 1], [rb - 1]))


@namesake(onp.tensordot, arrays=2)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Contract several axes of two arrays, as in NumPy.

    The cotangent of one array is the result's contracted with the other over its own axes.

    Parameters
    ----------
    a, b : array_like
    axes : int, or pair of (sequences of) int
        How many axes, the last of a with the first of b; or which.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> tensordot(onp.ones((2, 3)), onp.ones((3, 4)), 1).shape
    (2, 4)
    """
    shape_a, shape_b = shape_of(a), shape_of(b)
    ra, rb = len(shape_a), len(shape_b)
    if isinstance(axes, (int, onp.integer)):
        if axes > min(ra, rb):
            raise ShapeError(
                f"tensordot over {axes} axes of arrays of {ra} and {rb} dimensions",
                fix="name no more axes than both arrays have",
            )
        first, second = list(range(ra - int(axes), ra)), list(range(int(axes)))
    else:
        first, second = (list(onp.atleast_1d(onp.asarray(k, int))) for k in axes)
    first = [normalise_axis(k, ra) for k in first]
    second = [normalise_axis(k, rb) for k in second]
    if [shape_a[k] for k in first] != [shape_b[k] for k in second]:
        raise ShapeError(
            f"axes {first} of {shape_a} and axes {second} of {shape_b} do not contract: they "
            "differ in number or length",
            fix="name as many axes of one as of the other, of equal lengths",
        )
    left = list(LETTERS[:ra])
    right = list(LETTERS[ra : ra + rb])
    for i, j in zip(first, second, strict=True):
        right[j] = left[i]
    kept = [c for k, c in enumerate(left) if k not in first]
    kept += [c for k, c in enumerate(right) if k not in second]
    return einsum(f"{''.join(left)},{''.join(right)}->{''.join(kept)}", a, b)


# --- trace, diagonal --------------------------------------------------------------------------


@namesake(onp.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return a diagonal of a matrix, or of a stack of matrices, as in NumPy.

    The cotangent is put back on the diagonal, with zeros elsewhere.

    Parameters
    ----------
    a : array_like
        Of at least two dimensions.
    offset : int
        Columns to the right of the main diagonal; negative: below it.
    axis1, axis2 : int
        Which axes are rows and columns.

    Returns
    -------
    ndarray
        The diagonal is the last axis.

    Examples
    --------
    >>> import backlit as bl
    >>> diagonal(onp.eye(2))
    array([1., 1.])
    >>> bl.grad(lambda x: diagonal(x, 1).sum())(onp.eye(2))
    array([[0., 1.],
           [0., 0.]])
    """
    rank = len(shape_of(a))
    if rank < 2:
        raise ShapeError(
            f"a diagonal needs an array of two dimensions, not {rank}",
            fix="np.diag makes a matrix from a vector",
        )
    rows, columns = normalise_axis(axis1, rank), normalise_axis(axis2, rank)
    if rows == columns:
        raise ShapeError("a diagonal needs two different axes", fix="axis1=0, axis2=1")
    down, right = max(0, -offset), max(0, offset)
    length = max(0, min(shape_of(a)[rows] - down, shape_of(a)[columns] - right))
    if (down, right) != (0, 0) or not shape_of(a)[rows] == shape_of(a)[columns] == length:
        index = [slice(None)] * rank
        index[rows] = slice(down, down + length)
        index[columns] = slice(right, right + length)
        a = a[tuple(index)]
    return einsum("...ii->...i", moveaxis(a, (rows, columns), (-2, -1)))


@namesake(onp.trace)
def trace(
    a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None
) -> Any:
    """Return the sum of a diagonal, as in NumPy; see `diagonal`.

    The derivative is 1 in the elements of the diagonal.

    Parameters
    ----------
    a : array_like
        Of at least two dimensions.
    offset : int
        Columns to the right of the main diagonal; negative: below it.
    axis1, axis2 : int
        Which axes are rows and columns.
    dtype : dtype, optional
        Type to add in.
    out : ndarray, optional
        Only where nothing is traced.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import backlit as bl
    >>> float(trace(onp.eye(3)))
    3.0
    >>> bl.grad(trace)(onp.ones((2, 2)))
    array([[1., 0.],
           [0., 1.]])
    """
    return sum_(diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype)
