"""Joining, cutting and repeating arrays: concatenate, stack, split, pad, roll, tile, repeat."""

from __future__ import annotations

import operator
from typing import Any

import numpy as onp

from backlit.core.aval import AbstractValue
from backlit.core.errors import ShapeError
from backlit.core.primitive import Case
from backlit.core.tracer import Tracer, bind
from backlit.ops.elementwise import astype, where
from backlit.ops.families import dtype_of, linear, shape_of
from backlit.ops.layout import (
    as_shape,
    expand_dims,
    fresh,
    normalise_axis,
    ravel,
    reshape,
    stretch,
)
from backlit.ops.namesake import as_operand, namesake, refuse

# --- concatenate, stack -----------------------------------------------------------------------


def _concatenate_abstract(*avals: AbstractValue, axis: int) -> AbstractValue:
    first = avals[0].shape
    for other in avals[1:]:
        same = len(other.shape) == len(first) and all(
            m == n for k, (m, n) in enumerate(zip(first, other.shape, strict=True)) if k != axis
        )
        if not same:
            raise ShapeError(
                f"cannot join {first} and {other.shape} along axis {axis}",
                fix="they must agree in all axes but that one; x[None] adds an axis",
            )
    length = sum(a.shape[axis] for a in avals)
    dtype = onp.result_type(*[a.dtype for a in avals])
    return AbstractValue((*first[:axis], length, *first[axis + 1 :]), dtype)


def _concatenate_transpose(slot: int, g: Any, *arrays: Any, axis: int) -> Any:
    start = sum(shape_of(a)[axis] for a in arrays[:slot])
    stop = start + shape_of(arrays[slot])[axis]
    return g[(slice(None),) * axis + (slice(start, stop),)]


_concatenate = linear(
    "concatenate",
    lambda *arrays, axis: onp.concatenate(arrays, axis),
    _concatenate_abstract,
    _concatenate_transpose,
    latex=r"\operatorname{{concatenate}}",
    linear_in=None,
    cases=(Case(((2,), (3,)), {"axis": 0}), Case(((2, 1), (2, 3), (2, 2)), {"axis": 1})),
)


@namesake(onp.concatenate, arrays=-1)
def concatenate(
    arrays: Any, axis: int | None = 0, out: Any = None, *, dtype: Any = None, **options: Any
) -> Any:
    """Join arrays along an existing axis, as in NumPy.

    The cotangent is cut into the pieces again.

    Parameters
    ----------
    arrays : sequence of array_like
    axis : int or None
        ``None``: flatten first.
    out, **options
        NumPy's further arguments, only where nothing is traced.
    dtype : dtype, optional
        Convert to it.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> concatenate([onp.ones(2), onp.zeros(1)])
    array([1., 1., 0.])
    """
    operands = [a if type(a) is Tracer else onp.asarray(a) for a in arrays]
    if dtype is not None:
        operands = [astype(a, dtype) for a in operands]
    if axis is None:
        operands, axis = [ravel(a) for a in operands], 0
    rank = len(shape_of(operands[0]))
    if rank == 0:
        raise ShapeError("0-dimensional arrays cannot be concatenated", fix="use np.stack")
    return bind(_concatenate, *operands, axis=normalise_axis(axis, rank))


@namesake(onp.stack, arrays=-1)
def stack(arrays: Any, axis: int = 0, out: Any = None, *, dtype: Any = None, **options: Any) -> Any:
    """Join arrays of equal shape along a new axis; this is how traced scalars become an array.

    Each array gets its part of the cotangent.

    Parameters
    ----------
    arrays : sequence of array_like
    axis : int
        Place of the new axis in the result.
    out, **options
        NumPy's further arguments, only where nothing is traced.
    dtype : dtype, optional
        Convert to it.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import backlit as bl
    >>> float(bl.grad(lambda x: (stack([x, 2.0 * x]) ** 2).sum())(1.0))
    10.0
    """
    shapes = {shape_of(a) for a in arrays}
    if len(shapes) > 1:
        raise ShapeError(
            f"stack needs equal shapes, got {sorted(shapes)}",
            fix="bring them to one shape first, or join them with np.concatenate",
        )
    axis = normalise_axis(axis, len(shape_of(arrays[0])) + 1)
    return concatenate([expand_dims(a, axis) for a in arrays], axis, dtype=dtype)


@namesake(onp.vstack, arrays=-1)
def vstack(tup: Any, *, dtype: Any = None, **options: Any) -> Any:
    """Stack rows on top of each other, as in NumPy; a vector is one row.

    The cotangent is cut into the pieces again.

    Parameters
    ----------
    tup : sequence of array_like
    dtype : dtype, optional
        Convert to it.
    **options
        NumPy's further arguments, only where nothing is traced.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> vstack([onp.ones(2), onp.zeros(2)]).shape
    (2, 2)
    """
    rows = [reshape(a, (1, -1)) if len(shape_of(a)) < 2 else a for a in tup]
    return concatenate(rows, 0, dtype=dtype)


@namesake(onp.hstack, arrays=-1)
def hstack(tup: Any, *, dtype: Any = None, **options: Any) -> Any:
    """Put columns beside each other, as in NumPy; vectors end to end.

    The cotangent is cut into the pieces again.

    Parameters
    ----------
    tup : sequence of array_like
    dtype : dtype, optional
        Convert to it.
    **options
        NumPy's further arguments, only where nothing is traced.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> hstack([onp.ones(2), onp.zeros(1)])
    array([1., 1., 0.])
    """
    columns = [reshape(a, (1,)) if shape_of(a) == () else a for a in tup]
    return concatenate(columns, 0 if len(shape_of(columns[0])) == 1 else 1, dtype=dtype)


@namesake(onp.split)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Cut an array into equal sections, or at the given places, as in NumPy.

    The cotangents of the pieces are joined again.

    Parameters
    ----------
    ary : array_like
    indices_or_sections : int or sequence of int
        A number of sections, or the places where a new piece begins.
    axis : int

    Returns
    -------
    list of ndarray

    Examples
    --------
    >>> [part.tolist() for part in split(onp.arange(4), 2)]
    [[0, 1], [2, 3]]
    """
    axis = normalise_axis(axis, len(shape_of(ary)))
    length = shape_of(ary)[axis]
    if shape_of(indices_or_sections) == ():
        sections = operator.index(indices_or_sections)
        if sections < 1 or length % sections:
            raise ShapeError(
                f"an axis of {length} cannot be cut into {sections}",
                fix="name the places to cut at, or allow unequal parts: np.array_split",
            )
        cuts = list(range(length // sections, length, length // sections)) if length else []
        cuts = cuts or [0] * (sections - 1)
    else:
        cuts = [operator.index(k) for k in indices_or_sections]
    edges = [0, *cuts, length]
    before = (slice(None),) * axis
    return [ary[(*before, slice(a, b))] for a, b in zip(edges, edges[1:], strict=False)]


# --- pad --------------------------------------------------------------------------------------


def _pad_abstract(x: AbstractValue, *, width: tuple[tuple[int, int], ...]) -> AbstractValue:
    shape = tuple([n + low + high for n, (low, high) in zip(x.shape, width, strict=True)])
    return AbstractValue(shape, x.dtype)


_pad = linear(
    "pad",
    lambda x, *, width: onp.pad(x, width),
    _pad_abstract,
    lambda slot, g, x, *, width: g[
        tuple([slice(low, low + n) for (low, _), n in zip(width, shape_of(x), strict=True)])
    ],
    latex=r"\operatorname{{pad}}({0})",
    cases=(Case(((2, 3),), {"width": ((1, 0), (0, 2))}),),
)
_BORROWING = ("edge", "reflect", "symmetric", "wrap")


@namesake(onp.pad)
def pad(
    array: Any,
    pad_width: Any,
    mode: str = "constant",
    *,
    constant_values: Any = 0,
    **options: Any,
) -> Any:
    """Surround an array with constants or with elements of its own, as in NumPy.

    The cotangent loses its border again; what the border repeats gets the border's as well.

    Parameters
    ----------
    array : array_like
    pad_width : int, pair of int, or a pair per axis
    mode : str
        Of traced arrays "constant", "edge", "reflect", "symmetric" or "wrap".
    constant_values : float, pair of float, or a pair per axis
        The constants before and after, which may be traced; their cotangents are the sums of
        the border's.
    **options
        NumPy's further arguments, only where nothing is traced.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> pad(onp.ones(2), 1, constant_values=5.0)
    array([5., 1., 1., 5.])
    >>> import backlit as bl
    >>> bl.grad(lambda x: pad(x, (2, 0), "edge").sum())(onp.ones(3))
    array([3., 1., 1.])
    """
    refuse("pad", options)
    if mode not in ("constant", *_BORROWING):
        raise ShapeError(
            f"pad of a traced array does not know mode={mode!r}",
            fix=f"one of 'constant', {', '.join(map(repr, _BORROWING))}; or build the border with "
            "np.concatenate",
        )
    rank = len(shape_of(array))
    if rank == 0:  # there is no border, whatever its width
        return array
    width = _border_widths(pad_width, rank)
    if mode != "constant":
        return _pad_with_own(array, width, mode)
    constants = as_operand(constant_values)
    if shape_of(constants) == ():
        out = bind(_pad, array, width=width)
        if type(constants) is not Tracer and constants == 0:
            return out
        border = onp.pad(onp.zeros(shape_of(array), bool), width, constant_values=True)
        return where(border, astype(constants, dtype_of(array)), out)
    constants = stretch(astype(constants, dtype_of(array)), (rank, 2))
    for axis, (low, high) in enumerate(width):  # corners take the last axis' constants
        length = shape_of(array)[axis]
        array = bind(_pad, array, width=_only(axis, (low, high), rank))
        place = onp.arange(low + length + high).reshape(_only(axis, -1, rank, 1))
        array = where(place < low, constants[axis, 0], array)
        array = where(place >= low + length, constants[axis, 1], array)
    return array


def _border_widths(pad_width: Any, rank: int) -> tuple[tuple[int, int], ...]:
    """Return the widths before and after, per axis."""
    try:
        pairs = onp.broadcast_to(onp.asarray(pad_width), (rank, 2)).tolist()
        width = tuple([(operator.index(low), operator.index(high)) for low, high in pairs])
    except (TypeError, ValueError):
        width = ((-1, -1),)
    if any(n < 0 for pair in width for n in pair):
        raise ShapeError(
            f"pad cannot use the widths {pad_width!r} for an array of {rank} dimensions",
            fix="a number, a pair (before, after), or a pair per axis; none is negative",
        )
    return width


def _only(axis: int, value: Any, rank: int, other: Any = (0, 0)) -> tuple[Any, ...]:
    """Return a tuple with a value for one axis and another for all others."""
    return tuple([value if k == axis else other for k in range(rank)])


def _pad_with_own(array: Any, width: tuple[tuple[int, int], ...], mode: str) -> Any:
    """Surround an array with its own elements: NumPy tells which, from their places."""
    out = array.copy()
    for axis, pair in enumerate(width):
        length = shape_of(array)[axis]
        if pair == (0, 0):
            continue
        if not length:
            raise ShapeError(
                f"axis {axis} is empty: mode={mode!r} finds nothing to put around it",
                fix="mode='constant'",
            )
        places = onp.pad(onp.arange(length), pair, mode)  # type: ignore[call-overload]
        out = out[(*(slice(None),) * axis, places)]
    return out


# --- roll, tile, repeat -----------------------------------------------------------------------


@namesake(onp.roll)
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """Shift elements around axes, as in NumPy.

    The cotangent is shifted back.

    Parameters
    ----------
    a : array_like
    shift : int or tuple of int
        Places to shift by, per axis.
    axis : int or tuple of int, optional
        Default: the flattened array.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> roll(onp.arange(4), 1)
    array([3, 0, 1, 2])
    """
    if axis is None:
        return fresh(reshape(roll(ravel(a), shift, 0), a.shape))
    shifts, axes = onp.broadcast_arrays(
        onp.array([operator.index(k) for k in onp.atleast_1d(shift)]), onp.atleast_1d(axis)
    )
    out = a
    for places, k in zip(shifts.tolist(), axes.tolist(), strict=True):
        out = _roll_axis(out, places, normalise_axis(k, a.ndim))
    return a.copy() if out is a else out


def _roll_axis(a: Any, places: int, axis: int) -> Any:
    length = a.shape[axis]
    if length == 0:
        return a
    cut = -places % length
    before = (slice(None),) * axis
    return concatenate([a[(*before, slice(cut, None))], a[(*before, slice(0, cut))]], axis)


@namesake(onp.tile)
def tile(A: Any, reps: Any) -> Any:
    """Repeat a whole array, as in NumPy.

    The cotangents of the copies are added up.

    Parameters
    ----------
    A : array_like
    reps : int or tuple of int
        Copies per axis.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import backlit as bl
    >>> tile(onp.arange(2), 2)
    array([0, 1, 0, 1])
    >>> bl.grad(lambda x: tile(x, 3).sum())(onp.ones(2))
    array([3., 3.])
    """
    counts = as_shape(reps)
    shape = shape_of(A)
    rank = max(len(counts), len(shape))
    counts = (1,) * (rank - len(counts)) + counts
    shape = (1,) * (rank - len(shape)) + shape
    if all(n == 1 for n in counts):
        return reshape(A, shape).copy()
    paired = [n for pair in zip(counts, shape, strict=True) for n in pair]
    spread = [n for k in shape for n in (1, k)]
    wide = stretch(reshape(A, spread), paired)
    return fresh(reshape(wide, [c * n for c, n in zip(counts, shape, strict=True)]))


@namesake(onp.repeat)
def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    """Repeat each element, as in NumPy.

    The cotangents of the copies are added up.

    Parameters
    ----------
    a : array_like
    repeats : int or array_like of int
        Copies of every element, or of each along the axis.
    axis : int, optional
        Default: the flattened array.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import backlit as bl
    >>> repeat(onp.arange(2), 2)
    array([0, 0, 1, 1])
    >>> bl.grad(lambda x: repeat(x, [1, 3]).sum())(onp.ones(2))
    array([1., 3.])
    """
    if axis is None:
        a, axis = ravel(a), 0
    axis = normalise_axis(axis, len(shape_of(a)))
    length = shape_of(a)[axis]
    if shape_of(repeats) not in ((), (1,)):
        counts = [operator.index(k) for k in repeats]
        if len(counts) != length:
            raise ShapeError(
                f"repeat got {len(counts)} counts for an axis of {length}",
                fix="give one count, or one for every element along the axis",
            )
        return a[(*(slice(None),) * axis, onp.repeat(onp.arange(length), counts))]
    count = operator.index(repeats if shape_of(repeats) == () else repeats[0])
    if count == 1:
        return a.copy()
    wide = list(shape_of(a))
    wide.insert(axis + 1, count)
    out = stretch(expand_dims(a, axis + 1), wide)
    return fresh(reshape(out, [*wide[:axis], length * count, *wide[axis + 2 :]]))
