"""Picking elements and counting them: take, one-hot, count_nonzero."""

from __future__ import annotations

from typing import Any

import numpy as onp

from backlit.core.aval import AbstractValue
from backlit.core.errors import ShapeError
from backlit.core.primitive import Case
from backlit.core.tracer import Tracer, bind
from backlit.ops.elementwise import astype, equal
from backlit.ops.families import constant, shape_of
from backlit.ops.indexing import getitem
from backlit.ops.namesake import gather, namesake
from backlit.ops.shaping import expand_dims, normalise_axis, ravel


@namesake(onp.take)
def take(
    a: Any, indices: Any, axis: int | None = None, out: Any = None, mode: str = "raise"
) -> Any:
    """Pick elements along an axis, as in NumPy.

    The cotangent goes back to where elements came from, repeated ones adding up.

    Parameters
    ----------
    a : array_like
    indices : array_like of int
    axis : int, optional
        Default: of the flattened array.
    out : ndarray, optional
        Only where nothing is traced.
    mode : str
        Only "raise" for traced arrays.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import backlit as bl
    >>> take(onp.array([1.0, 2.0, 3.0]), [0, 2])
    array([1., 3.])
    >>> bl.grad(lambda x: take(x, [0, 0, 2]).sum())(onp.ones(3))
    array([2., 0., 1.])
    """
    if mode != "raise":
        raise ShapeError(
            f"take from a traced array knows mode='raise', not {mode!r}",
            fix="bring the indices into range first: indices % n, or np.clip(indices, 0, n - 1)",
        )
    indices = _as_places(indices)
    if axis is None:
        return getitem(ravel(a), indices)
    k = normalise_axis(axis, len(shape_of(a)))
    return getitem(a, (*(slice(None),) * k, indices))


def _as_places(indices: Any) -> Any:
    """Return indices as an array of int: here True means 1, it is no mask."""
    indices = gather(indices)
    indices = indices if type(indices) is Tracer else onp.asarray(indices)
    return astype(indices, onp.intp) if indices.dtype.kind == "b" else indices


@namesake(onp.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    """Pick elements per row by matching index arrays, as in NumPy.

    The cotangent goes back to where elements came from, repeated ones adding up.

    Parameters
    ----------
    arr : array_like
    indices : array_like of int
        As many dimensions as arr; the extents of the other axes are arr's or one.
    axis : int or None
        ``None``: of the flattened array.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> take_along_axis(onp.array([[1.0, 2.0], [3.0, 4.0]]), onp.array([[1], [0]]), 1)
    array([[2.],
           [3.]])
    """
    indices = _as_places(indices)
    if axis is None:
        arr, axis = ravel(arr), 0
    shape, rank = shape_of(arr), len(shape_of(indices))
    if rank != len(shape):
        raise ShapeError(
            f"take_along_axis needs indices of {len(shape)} dimensions like the array, not {rank}",
            fix="add the missing axes: indices[..., None], or np.expand_dims(indices, axis)",
        )
    k = normalise_axis(axis, rank)
    grids: list[Any] = [
        indices if j == k else onp.arange(n).reshape([-1 if m == j else 1 for m in range(rank)])
        for j, n in enumerate(shape)
    ]
    return getitem(arr, tuple(grids))


def one_hot(labels: Any, classes: int, dtype: Any = onp.float64) -> Any:
    """Return rows of zeros with a one at each label; labels have no derivative.

    Parameters
    ----------
    labels : array_like of int, shape (...)
        Values in 0 … classes − 1; others give a row of zeros.
    classes : int
    dtype : dtype

    Returns
    -------
    ndarray, shape (..., classes)

    Examples
    --------
    >>> one_hot(onp.array([0, 2]), 3)
    array([[1., 0., 0.],
           [0., 0., 1.]])
    """
    labels = gather(labels)
    labels = labels if type(labels) is Tracer else onp.asarray(labels)
    return astype(equal(expand_dims(labels, -1), onp.arange(classes)), dtype)


_nonzero_size = constant(
    "count_nonzero",
    lambda x: onp.asarray(onp.count_nonzero(x))[()],
    1,
    r"\operatorname{{count}}({0} \ne 0)",
    abstract=lambda x: AbstractValue((), onp.dtype(onp.intp)),
    cases=(Case(((2, 3),)),),
)


def count_nonzero(a: Any) -> Any:
    """Count the elements that are not zero; the number has no derivative.

    Parameters
    ----------
    a : array_like

    Returns
    -------
    int scalar

    Examples
    --------
    >>> int(count_nonzero(onp.array([0.0, 2.0])))
    1
    """
    return bind(_nonzero_size, a)
