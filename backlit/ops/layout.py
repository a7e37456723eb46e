"""One array's elements in another arrangement: reshape, transpose, broadcast, flip."""

from __future__ import annotations

import operator
from typing import Any

import numpy as onp

from backlit.core.alias import note_view
from backlit.core.aval import AbstractValue, Shape
from backlit.core.errors import BacklitError, ShapeError
from backlit.core.primitive import Case
from backlit.core.tracer import Tracer, bind
from backlit.ops.families import linear, shape_of
from backlit.ops.namesake import gather


def normalise_axis(axis: int, ndim: int) -> int:
    """Return an axis counted from the front, or raise naming it."""
    try:
        axis = operator.index(axis)
    except TypeError:
        raise ShapeError(f"an axis is an integer, not {axis!r}", fix="axis=0, or (0, 1)") from None
    if not -ndim <= axis < ndim:
        raise ShapeError(
            f"axis {axis} does not exist in an array of {ndim} dimensions",
            fix=f"count axes from 0 to {ndim - 1}, or from -1 back"
            if ndim
            else "the array is one number: leave the axis out",
        )
    return axis % ndim


def normalise_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """Return axes counted from the front; ``None`` means all of them."""
    if axis is None:
        return tuple(range(ndim))
    if not isinstance(axis, (tuple, list)):
        axis = (axis,)
    axes = tuple([normalise_axis(a, ndim) for a in axis])
    if len(set(axes)) != len(axes):
        raise ShapeError(f"axes {tuple(axis)} name the same axis twice", fix="name every axis once")
    return axes


def as_shape(shape: Any) -> Shape:
    """Return a shape as a tuple of int."""
    try:
        if isinstance(shape, (int, onp.integer, Tracer)):
            return (operator.index(shape),)
        return tuple([operator.index(n) for n in shape])
    except TypeError as error:
        if isinstance(error, BacklitError):
            raise
        raise ShapeError(
            f"a shape is made of integers, not {shape!r}", fix="(2, 3), or -1 for what fits"
        ) from None


def fresh(result: Any) -> Any:
    """Let a result be assigned to: it shares memory only with what nobody else has seen."""
    if type(result) is Tracer:
        result.alias = None
    return result


# --- reshape ----------------------------------------------------------------------------------


def _reshape_abstract(x: AbstractValue, *, shape: Shape) -> AbstractValue:
    if AbstractValue(shape, x.dtype).size != x.size:
        raise ShapeError(
            f"cannot reshape {x.shape} ({x.size} elements) into {shape}",
            fix="keep the number of elements; -1 stands for the length that fits",
        )
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


def reshape(a: Any, shape: Any, order: str = "C", *, copy: bool | None = None) -> Any:
    """Give an array a new shape, as in NumPy; one extent may be −1.

    The cotangent is given the old shape back.

    Parameters
    ----------
    a : array_like
    shape : int or tuple of int
    order : str
        Only "C", row by row, for traced arrays.
    copy : bool, optional
        Whether the result must be, or must not be, a copy.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> reshape(onp.arange(6), (2, -1)).shape
    (2, 3)
    """
    if type(a) is not Tracer:
        a = gather(a)
        if type(a) is not Tracer:
            return onp.reshape(a, shape, order, copy=copy)  # type: ignore[call-overload]
    if order != "C":
        raise ShapeError(
            f"reshape with order={order!r} is not supported", fix="transpose first: x.T.reshape(…)"
        )
    shape = as_shape(shape)
    if -1 in shape:
        known = 1
        for n in shape:
            known *= n if n != -1 else 1
        if shape.count(-1) > 1 or known == 0 or a.size % known:
            raise ShapeError(
                f"cannot reshape {a.shape} into {shape}",
                fix="one extent may be -1, and the others must divide the number of elements",
            )
        shape = tuple([a.size // known if n == -1 else n for n in shape])
    out = note_view(bind(_reshape, a, shape=shape), a)
    return out.copy() if copy else out


def ravel(a: Any, order: str = "C") -> Any:
    """Flatten to one dimension, row by row, as in NumPy.

    The cotangent is given the old shape back.

    Parameters
    ----------
    a : array_like
    order : str
        Only "C", row by row, for traced arrays.

    Returns
    -------
    ndarray, shape (n,)

    Examples
    --------
    >>> ravel(onp.eye(2))
    array([1., 0., 0., 1.])
    """
    return reshape(a, -1, order)


def expand_dims(a: Any, axis: Any) -> Any:
    """Insert axes of length one, as in NumPy.

    The cotangent is given the old shape back.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int
        Where the new axes are in the result.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> expand_dims(onp.ones(3), 0).shape
    (1, 3)
    """
    a = gather(a)
    axes = (axis,) if isinstance(axis, (int, onp.integer)) else tuple(axis)
    shape = shape_of(a)
    rank = len(shape) + len(axes)
    places = normalise_axes(axes, rank)
    rest = iter(shape)
    return reshape(a, tuple([1 if k in places else next(rest) for k in range(rank)]))


def squeeze(a: Any, axis: Any = None) -> Any:
    """Remove axes of length one, as in NumPy.

    The cotangent is given the old shape back.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
        Default: all axes of length one.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> squeeze(onp.ones((1, 3, 1))).shape
    (3,)
    """
    a = gather(a)
    shape = shape_of(a)
    axes = (
        tuple([k for k, n in enumerate(shape) if n == 1])
        if axis is None
        else normalise_axes(axis, len(shape))
    )
    for k in axes:
        if shape[k] != 1:
            raise ShapeError(
                f"cannot squeeze axis {k} of {shape}: its length is not one",
                fix="leave the axis out to remove all those of length one",
            )
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

    The cotangent's axes are permuted back.

    Parameters
    ----------
    a : array_like
    axes : tuple of int, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> transpose(onp.ones((2, 3, 4)), (2, 0, 1)).shape
    (4, 2, 3)
    """
    if type(a) is not Tracer:
        a = gather(a)
        if type(a) is not Tracer:
            return onp.transpose(a, axes)
    if axes is None:
        order = tuple(reversed(range(a.ndim)))
    else:
        order = normalise_axes(axes, a.ndim)
        if len(order) != a.ndim:
            raise ShapeError(
                f"axes {tuple(axes)} do not permute {a.ndim} dimensions",
                fix="name every axis once: x.transpose(1, 0)",
            )
    inverse = tuple([order.index(k) for k in range(len(order))])
    return note_view(
        bind(_transpose, a, axes=order), a, lambda base, new: bind(_transpose, new, axes=inverse)
    )


def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """Exchange two axes, as in NumPy.

    The cotangent's axes are exchanged back.

    Parameters
    ----------
    a : array_like
    axis1, axis2 : int

    Returns
    -------
    ndarray

    Examples
    --------
    >>> swapaxes(onp.ones((2, 3, 4)), 0, 2).shape
    (4, 3, 2)
    """
    a = gather(a)
    rank = len(shape_of(a))
    order = list(range(rank))
    i, j = normalise_axis(axis1, rank), normalise_axis(axis2, rank)
    order[i], order[j] = j, i
    return transpose(a, tuple(order))


def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """Move axes to new places, the others keeping their order, as in NumPy.

    The cotangent's axes are moved back.

    Parameters
    ----------
    a : array_like
    source, destination : int or tuple of int

    Returns
    -------
    ndarray

    Examples
    --------
    >>> moveaxis(onp.ones((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    a = gather(a)
    rank = len(shape_of(a))
    sources, targets = normalise_axes(source, rank), normalise_axes(destination, rank)
    if len(sources) != len(targets):
        raise ShapeError(
            "moveaxis needs as many destinations as sources", fix="np.moveaxis(x, (0, 1), (-2, -1))"
        )
    order = [k for k in range(rank) if k not in sources]
    for target, origin in sorted(zip(targets, sources, strict=True)):
        order.insert(target, origin)
    return transpose(a, tuple(order))


# --- broadcast_to -----------------------------------------------------------------------------


def broadcasts(shape: Shape, target: Shape) -> bool:
    """Tell whether an array of one shape can be repeated to fill another."""
    try:
        return onp.broadcast_shapes(shape, target) == target
    except ValueError:
        return False


def _broadcast_abstract(x: AbstractValue, *, shape: Shape) -> AbstractValue:
    if not broadcasts(x.shape, shape):
        raise ShapeError(
            f"cannot broadcast {x.shape} to {shape}",
            fix="lengths are compared from the last axis backward, and each must be equal or one",
        )
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


def broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    """Repeat along new or unit axes, as in NumPy.

    The cotangents of the copies of an element are added up.

    Parameters
    ----------
    array : array_like
    shape : int or tuple of int
    subok : bool
        Pass subclasses of ndarray through; nothing to a traced array.

    Returns
    -------
    ndarray
        Not to be written to.

    Examples
    --------
    >>> import backlit as bl
    >>> broadcast_to(onp.arange(3), (2, 3)).shape
    (2, 3)
    >>> float(bl.grad(lambda x: broadcast_to(x, 3).sum())(1.0))
    3.0
    """
    array = gather(array)
    if type(array) is not Tracer:
        return onp.broadcast_to(array, shape, subok)
    return note_view(stretch(array, shape), array)


def stretch(array: Any, shape: Any) -> Any:
    """Repeat along new or unit axes for further computation, where nobody assigns to the result."""
    if type(array) is not Tracer:
        return onp.broadcast_to(array, shape)
    shape = as_shape(shape)
    return array if array.shape == shape else bind(_broadcast_to, array, shape=shape)


def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Any, ...]:
    """Broadcast arrays against each other, as in NumPy; see `broadcast_to`.

    Parameters
    ----------
    *args : array_like
    subok : bool
        Pass subclasses of ndarray through; nothing to traced arrays.

    Returns
    -------
    tuple of ndarray
        Not to be written to.

    Examples
    --------
    >>> [a.shape for a in broadcast_arrays(onp.ones(3), onp.ones((2, 1)))]
    [(2, 3), (2, 3)]
    """
    arrays = [gather(a) for a in args]
    shape = onp.broadcast_shapes(*[shape_of(a) for a in arrays])
    return tuple([broadcast_to(a, shape, subok) for a in arrays])


# --- flip -------------------------------------------------------------------------------------

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
    """Reverse the order of elements along axes, as in NumPy.

    The cotangent is reversed back.

    Parameters
    ----------
    m : array_like
    axis : int or tuple of int, optional
        Default: all axes.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> flip(onp.arange(3))
    array([2, 1, 0])
    """
    if type(m) is not Tracer:
        m = gather(m)
        if type(m) is not Tracer:
            return onp.flip(m, axis)
    axes = normalise_axes(axis, m.ndim)
    return note_view(bind(_flip, m, axes=axes), m, lambda base, new: bind(_flip, new, axes=axes))
