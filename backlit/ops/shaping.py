"""Primitives that move data: reshape, transpose, broadcast, concatenate, pad, reverse."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as onp

from backlit.core.alias import note_view
from backlit.core.aval import AbstractValue, Shape
from backlit.core.errors import ShapeError
from backlit.core.primitive import Case
from backlit.core.tracer import Tracer, bind
from backlit.ops.families import linear, shape_of


def normalise_axis(axis: int, ndim: int) -> int:
    """Return an axis counted from the front, or raise naming it."""
    axis = operator.index(axis)
    if not -ndim <= axis < ndim:
        raise ShapeError(f"axis {axis} does not exist in an array of {ndim} dimensions")
    return axis % ndim


def normalise_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """Return axes counted from the front; ``None`` means all of them."""
    if axis is None:
        return tuple(range(ndim))
    if isinstance(axis, (int, onp.integer)):
        axis = (axis,)
    axes = tuple([normalise_axis(a, ndim) for a in axis])
    if len(set(axes)) != len(axes):
        raise ShapeError(f"axes {tuple(axis)} name the same axis twice")
    return axes


def as_shape(shape: Any) -> Shape:
    """Return a shape as a tuple of int."""
    if isinstance(shape, (int, onp.integer, Tracer)):
        return (operator.index(shape),)
    return tuple([operator.index(n) for n in shape])


# --- reshape ----------------------------------------------------------------------------------


def _reshape_abstract(x: AbstractValue, *, shape: Shape) -> AbstractValue:
    if AbstractValue(shape, x.dtype).size != x.size:
        raise ShapeError(f"cannot reshape {x.shape} ({x.size} elements) into {shape}")
    return AbstractValue(shape, x.dtype)


_reshape = linear(
    "reshape",
    lambda x, *, shape: onp.reshape(x, shape),
    _reshape_abstract,
    lambda slot, g, x, *, shape: reshape(g, shape_of(x)),
    latex=r"\operatorname{{reshape}}({0})",
    view=True,
    cases=(Case(((2, 3),), {"shape": (3, 2)}), Case(((4,),), {"shape": (2, 1, 2)})),
)


def reshape(a: Any, shape: Any, order: str = "C") -> Any:
    """Give an array a new shape, as in NumPy; one extent may be −1.

    Examples
    --------
    >>> reshape(onp.arange(6), (2, -1)).shape
    (2, 3)
    """
    if order != "C":
        raise ShapeError(
            f"reshape with order={order!r} is not supported", fix="transpose first: x.T.reshape(…)"
        )
    if type(a) is not Tracer:
        return onp.reshape(a, shape)
    shape = as_shape(shape)
    if -1 in shape:
        known = 1
        for n in shape:
            known *= n if n != -1 else 1
        if shape.count(-1) > 1 or known == 0 or a.size % known:
            raise ShapeError(f"cannot reshape {a.shape} into {shape}")
        shape = tuple([a.size // known if n == -1 else n for n in shape])
    return note_view(bind(_reshape, a, shape=shape), a)


def ravel(a: Any) -> Any:
    """Flatten to one dimension, row by row.

    Examples
    --------
    >>> ravel(onp.eye(2))
    array([1., 0., 0., 1.])
    """
    return reshape(a, (-1,))


def expand_dims(a: Any, axis: Any) -> Any:
    """Insert axes of length one, as in NumPy.

    Examples
    --------
    >>> expand_dims(onp.ones(3), 0).shape
    (1, 3)
    """
    axes = (axis,) if isinstance(axis, (int, onp.integer)) else tuple(axis)
    rank = len(shape_of(a)) + len(axes)
    places = normalise_axes(axes, rank)
    rest = iter(shape_of(a))
    return reshape(a, tuple([1 if k in places else next(rest) for k in range(rank)]))


def squeeze(a: Any, axis: Any = None) -> Any:
    """Remove axes of length one, as in NumPy.

    Examples
    --------
    >>> squeeze(onp.ones((1, 3, 1))).shape
    (3,)
    """
    shape = shape_of(a)
    axes = (
        tuple([k for k, n in enumerate(shape) if n == 1])
        if axis is None
        else normalise_axes(axis, len(shape))
    )
    for k in axes:
        if shape[k] != 1:
            raise ShapeError(f"cannot squeeze axis {k} of {shape}: its length is not one")
    return reshape(a, tuple([n for k, n in enumerate(shape) if k not in axes]))


# --- transpose --------------------------------------------------------------------------------

_transpose = linear(
    "transpose",
    lambda x, *, axes: onp.transpose(x, axes),
    lambda x, *, axes: AbstractValue(tuple([x.shape[k] for k in axes]), x.dtype),
    lambda slot, g, x, *, axes: transpose(g, tuple([axes.index(k) for k in range(len(axes))])),
    latex="{0}^{{T}}",
    view=True,
    cases=(Case(((2, 3),), {"axes": (1, 0)}), Case(((2, 3, 4),), {"axes": (2, 0, 1)})),
)


def transpose(a: Any, axes: Any = None) -> Any:
    """Permute axes (reverse them by default), as in NumPy.

    Examples
    --------
    >>> transpose(onp.ones((2, 3, 4)), (2, 0, 1)).shape
    (4, 2, 3)
    """
    if type(a) is not Tracer:
        return onp.transpose(a, axes)
    if axes is None:
        order = tuple(reversed(range(a.ndim)))
    else:
        order = normalise_axes(axes, a.ndim)
        if len(order) != a.ndim:
            raise ShapeError(f"axes {tuple(axes)} do not permute {a.ndim} dimensions")
    return note_view(bind(_transpose, a, axes=order), a)


def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """Exchange two axes.

    Examples
    --------
    >>> swapaxes(onp.ones((2, 3, 4)), 0, 2).shape
    (4, 3, 2)
    """
    rank = len(shape_of(a))
    order = list(range(rank))
    i, j = normalise_axis(axis1, rank), normalise_axis(axis2, rank)
    order[i], order[j] = j, i
    return transpose(a, tuple(order))


def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """Move axes to new places, the others keeping their order.

    Examples
    --------
    >>> moveaxis(onp.ones((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    rank = len(shape_of(a))
    sources, targets = normalise_axes(source, rank), normalise_axes(destination, rank)
    if len(sources) != len(targets):
        raise ShapeError("moveaxis needs as many destinations as sources")
    order = [k for k in range(rank) if k not in sources]
    for target, origin in sorted(zip(targets, sources, strict=True)):
        order.insert(target, origin)
    return transpose(a, tuple(order))


# --- broadcast_to -----------------------------------------------------------------------------


def _broadcast_abstract(x: AbstractValue, *, shape: Shape) -> AbstractValue:
    if onp.broadcast_shapes(x.shape, shape) != shape:
        raise ShapeError(f"cannot broadcast {x.shape} to {shape}")
    return AbstractValue(shape, x.dtype)


_broadcast_to = linear(
    "broadcast_to",
    lambda x, *, shape: onp.broadcast_to(x, shape),
    _broadcast_abstract,
    lambda slot, g, x, *, shape: g,  # `fit` sums it back
    latex="{0}",
    view=True,
    cases=(Case(((3,),), {"shape": (2, 3)}), Case(((2, 1),), {"shape": (2, 3)})),
)


def broadcast_to(array: Any, shape: Any) -> Any:
    """Repeat along new or unit axes, as in NumPy.

    Examples
    --------
    >>> broadcast_to(onp.arange(3), (2, 3)).shape
    (2, 3)
    """
    if type(array) is not Tracer:
        return onp.broadcast_to(array, shape)
    shape = as_shape(shape)
    return array if array.shape == shape else bind(_broadcast_to, array, shape=shape)


def broadcast_arrays(*args: Any) -> tuple[Any, ...]:
    """Broadcast arrays against each other.

    Examples
    --------
    >>> [a.shape for a in broadcast_arrays(onp.ones(3), onp.ones((2, 1)))]
    [(2, 3), (2, 3)]
    """
    shape = onp.broadcast_shapes(*[shape_of(a) for a in args])
    return tuple([broadcast_to(a, shape) for a in args])


# --- concatenate, stack, split ----------------------------------------------------------------


def _concatenate_abstract(*avals: AbstractValue, axis: int) -> AbstractValue:
    first = avals[0].shape
    for other in avals[1:]:
        same = len(other.shape) == len(first) and all(
            m == n for k, (m, n) in enumerate(zip(first, other.shape, strict=True)) if k != axis
        )
        if not same:
            raise ShapeError(f"cannot join {first} and {other.shape} along axis {axis}")
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


def concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    """Join arrays along an existing axis, as in NumPy.

    Examples
    --------
    >>> concatenate([onp.ones(2), onp.zeros(1)])
    array([1., 1., 0.])
    """
    arrays = list(arrays)
    if not any(type(a) is Tracer for a in arrays):
        return onp.concatenate(arrays, axis)
    if axis is None:
        arrays, axis = [ravel(a) for a in arrays], 0
    rank = len(shape_of(arrays[0]))
    if rank == 0:
        raise ShapeError("0-dimensional arrays cannot be concatenated", fix="use np.stack")
    operands = [a if type(a) is Tracer else onp.asarray(a) for a in arrays]
    return bind(_concatenate, *operands, axis=normalise_axis(axis, rank))


def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """Join arrays of equal shape along a new axis; this is how traced scalars become an array.

    Examples
    --------
    >>> stack([1.0, 2.0])
    array([1., 2.])
    """
    arrays = list(arrays)
    if not any(type(a) is Tracer for a in arrays):
        return onp.stack(arrays, axis)
    shapes = {shape_of(a) for a in arrays}
    if len(shapes) > 1:
        raise ShapeError(f"stack needs equal shapes, got {sorted(shapes)}")
    axis = normalise_axis(axis, len(shape_of(arrays[0])) + 1)
    return concatenate([expand_dims(a, axis) for a in arrays], axis)


def vstack(arrays: Sequence[Any]) -> Any:
    """Stack rows.

    Examples
    --------
    >>> vstack([onp.ones(2), onp.zeros(2)]).shape
    (2, 2)
    """
    return concatenate([expand_dims(a, 0) if len(shape_of(a)) == 1 else a for a in arrays], 0)


def hstack(arrays: Sequence[Any]) -> Any:
    """Stack columns (vectors end to end).

    Examples
    --------
    >>> hstack([onp.ones(2), onp.zeros(1)])
    array([1., 1., 0.])
    """
    arrays = [reshape(a, (1,)) if shape_of(a) == () else a for a in arrays]
    return concatenate(arrays, 0 if len(shape_of(arrays[0])) == 1 else 1)


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Cut an array into equal sections, or at the given places, as in NumPy.

    Examples
    --------
    >>> [part.tolist() for part in split(onp.arange(4), 2)]
    [[0, 1], [2, 3]]
    """
    axis = normalise_axis(axis, len(shape_of(ary)))
    length = shape_of(ary)[axis]
    if isinstance(indices_or_sections, (int, onp.integer)):
        if length % indices_or_sections:
            raise ShapeError(f"an axis of {length} cannot be cut into {indices_or_sections}")
        step = length // int(indices_or_sections)
        cuts = list(range(step, length, step))
    else:
        cuts = [int(k) for k in indices_or_sections]
    edges = [0, *cuts, length]
    before = (slice(None),) * axis
    return [ary[(*before, slice(a, b))] for a, b in zip(edges, edges[1:], strict=False)]


# --- pad, flip, roll, tile, repeat ------------------------------------------------------------


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


def pad(array: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Any:
    """Surround an array with a constant, as in NumPy.

    Examples
    --------
    >>> pad(onp.ones(2), 1, constant_values=5.0)
    array([5., 1., 1., 5.])
    """
    if type(array) is not Tracer and type(constant_values) is not Tracer:
        options = {"constant_values": constant_values} if mode == "constant" else {}
        return onp.pad(array, pad_width, mode, **options)  # type: ignore[call-overload]
    if mode != "constant":
        raise ShapeError(
            f"pad of a traced array knows mode='constant', not {mode!r}",
            fix="build the border with np.concatenate",
        )
    rank = len(shape_of(array))
    pairs = onp.broadcast_to(onp.asarray(pad_width), (rank, 2)).tolist()
    width = tuple([(int(low), int(high)) for low, high in pairs])
    out = bind(_pad, array, width=width)
    if type(constant_values) is not Tracer and onp.ndim(constant_values) == 0:
        if constant_values == 0:
            return out
    elif shape_of(constant_values) != ():
        raise ShapeError("pad of a traced array takes one constant for all borders")
    border = onp.pad(onp.zeros(shape_of(array), bool), width, constant_values=True)
    from backlit.ops.elementwise import astype, where

    return where(border, astype(constant_values, array.dtype), out)


_flip = linear(
    "flip",
    lambda x, *, axes: onp.flip(x, axes),
    lambda x, *, axes: AbstractValue(x.shape, x.dtype),
    lambda slot, g, x, *, axes: flip(g, axes),
    latex=r"\operatorname{{flip}}({0})",
    view=True,
    cases=(Case(((2, 3),), {"axes": (1,)}),),
)


def flip(m: Any, axis: Any = None) -> Any:
    """Reverse the order of elements along axes.

    Examples
    --------
    >>> flip(onp.arange(3))
    array([2, 1, 0])
    """
    if type(m) is not Tracer:
        return onp.flip(m, axis)
    return note_view(bind(_flip, m, axes=normalise_axes(axis, m.ndim)), m)


def roll(a: Any, shift: int, axis: int | None = None) -> Any:
    """Shift elements around an axis, as in NumPy.

    Examples
    --------
    >>> roll(onp.arange(4), 1)
    array([3, 0, 1, 2])
    """
    if type(a) is not Tracer:
        return onp.roll(a, shift, axis)
    if axis is None:
        return reshape(roll(ravel(a), shift, 0), a.shape)
    axis = normalise_axis(axis, a.ndim)
    length = a.shape[axis]
    if length == 0:
        return a
    cut = -operator.index(shift) % length
    before = (slice(None),) * axis
    return concatenate([a[(*before, slice(cut, None))], a[(*before, slice(0, cut))]], axis)


def tile(A: Any, reps: Any) -> Any:
    """Repeat a whole array, as in NumPy.

    Examples
    --------
    >>> tile(onp.arange(2), 2)
    array([0, 1, 0, 1])
    """
    counts = as_shape(reps)
    shape = shape_of(A)
    rank = max(len(counts), len(shape))
    counts = (1,) * (rank - len(counts)) + counts
    shape = (1,) * (rank - len(shape)) + shape
    paired = [n for pair in zip(counts, shape, strict=True) for n in pair]
    spread = [n for k in shape for n in (1, k)]
    wide = broadcast_to(reshape(A, spread), paired)
    return reshape(wide, [c * n for c, n in zip(counts, shape, strict=True)])


def repeat(a: Any, repeats: int, axis: int | None = None) -> Any:
    """Repeat each element, as in NumPy (one count for all elements).

    Examples
    --------
    >>> repeat(onp.arange(2), 2)
    array([0, 0, 1, 1])
    """
    if type(a) is not Tracer:
        return onp.repeat(a, repeats, axis)
    if axis is None:
        a, axis = ravel(a), 0
    axis = normalise_axis(axis, a.ndim)
    count = operator.index(repeats)
    wide = list(a.shape)
    wide.insert(axis + 1, count)
    out = broadcast_to(expand_dims(a, axis + 1), wide)
    return reshape(out, (*a.shape[:axis], a.shape[axis] * count, *a.shape[axis + 1 :]))
