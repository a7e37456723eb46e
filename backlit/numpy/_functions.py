"""Functions put together from the engine's operations, with NumPy's arguments."""

from __future__ import annotations

from typing import Any

import numpy as onp

from backlit.core.errors import ShapeError
from backlit.core.tracer import Tracer, strengthened
from backlit.ops import elementwise as ew
from backlit.ops import indexing, picking
from backlit.ops.families import dtype_of, shape_of
from backlit.ops.functions import with_options
from backlit.ops.namesake import as_operand, gather, holds_tracer, namesake
from backlit.ops.reduce import sum
from backlit.ops.shaping import ravel, reshape

# --- elementwise ------------------------------------------------------------------------------


def power(x: Any, y: Any, /, out: Any = None, dtype: Any = None, where: Any = None) -> Any:
    """Raise x to the power y, elementwise, as in NumPy.

    The derivatives are y xʸ⁻¹ in x (0 where y is 0) and xʸ log x in y (0 where x is 0).

    Parameters
    ----------
    x, y : array_like
        Broadcast against each other.
    out, dtype, where
        NumPy's further arguments; of these a traced array takes a dtype of floats.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import backlit as bl
    >>> value, slopes = bl.value_and_grad(power, argnums=(0, 1))(2.0, 3.0)
    >>> float(value), [float(slope.round(8)) for slope in slopes]
    (8.0, [12.0, 5.54517744])
    """
    if out is not None or dtype is not None or where is not None:
        options = {"out": out, "dtype": dtype, "where": where}
        return with_options(ew.float_power, (x, y), options)
    # The operator squares truth values with a product, as NumPy's does; this function does not.
    raised = ew.float_power if type(x) is Tracer and x.dtype.kind == "b" else ew.power
    return strengthened(raised(x, y))


@namesake(onp.clip)
def clip(
    a: Any,
    a_min: Any = None,
    a_max: Any = None,
    out: Any = None,
    *,
    min: Any = None,
    max: Any = None,
    **options: Any,
) -> Any:
    """Limit values to an interval, as in NumPy.

    The derivative is 1 inside and at both ends, 0 outside; there it goes to the bound.

    Parameters
    ----------
    a : array_like
    a_min, a_max, min, max : array_like, optional
        The ends of the interval, under either of NumPy's names.
    out, **options
        NumPy's further arguments, only where nothing is traced.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import backlit as bl
    >>> clip(onp.array([-2.0, 0.5, 3.0]), 0.0, 1.0)
    array([0. , 0.5, 1. ])
    >>> bl.grad(lambda x: clip(x, 0.0, 1.0).sum())(onp.array([-2.0, 0.5, 3.0]))
    array([0., 1., 0.])
    """
    low, high = a_min if min is None else min, a_max if max is None else max
    return ew.clip(a, as_operand(low), as_operand(high))


def where(condition: Any, /, *choices: Any) -> Any:
    """Choose elements from x where the condition holds and from y elsewhere: where(c, x, y).

    The branch that is not taken gets a gradient of exactly zero, even where its own derivative
    is infinite (docs/conventions.md). With the condition alone: the indices where it holds.

    Parameters
    ----------
    condition : array_like of bool
    *choices : array_like
        Both x and y, or neither.

    Returns
    -------
    ndarray, or a tuple of index arrays

    Examples
    --------
    >>> import backlit as bl
    >>> f = lambda x: where(x > 0.0, 2.0 * x, 0.0).sum()
    >>> bl.grad(f)(onp.array([3.0, -3.0]))
    array([2., 0.])
    >>> where(onp.array([False, True]))
    (array([1]),)
    """
    if len(choices) == 2:
        x, y = choices
        if type(condition) is not Tracer and type(x) is not Tracer and type(y) is not Tracer:
            if not holds_tracer((condition, x, y)):
                return onp.where(condition, x, y)
        return ew.where(as_operand(condition), as_operand(x), as_operand(y))
    condition = gather(condition)
    if choices or type(condition) is not Tracer:
        plain: Any = onp.where(condition, *choices)
        return plain
    # How many places there are depends on values: they are needed now, as in x[mask].
    grids = onp.indices(condition.shape)
    mask = ew.not_equal(condition, 0)
    return tuple([onp.asarray(indexing.getitem(grid, mask)) for grid in grids])


def astype(x: Any, dtype: Any, /, *, copy: bool = True) -> Any:
    """Convert to another element type, as in NumPy.

    A float's cotangent is converted back; converting to integers has derivative 0.

    Parameters
    ----------
    x : array_like
    dtype : dtype
    copy : bool
        Return a copy even if the type is right already.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> astype(onp.array([1, 2]), float)
    array([1., 2.])
    """
    x = as_operand(x)
    if type(x) is not Tracer:
        return onp.asarray(x).astype(dtype, copy=copy)[()]
    out = ew.astype(x, dtype)
    return x.copy() if out is x and copy else out


@namesake(onp.round)
def round(a: Any, decimals: int = 0, out: Any = None) -> Any:
    """Round to decimals, halves to the even digit, as in NumPy; the derivative is 0.

    Parameters
    ----------
    a : array_like
    decimals : int
        Negative: tens, hundreds, …
    out : ndarray, optional
        Only where nothing is traced.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> float(round(1.26, 1))
    1.3
    """
    if dtype_of(a).kind in "iub":
        if decimals >= 0:
            return a.copy()
        scale = 10**-decimals
        return ew.astype(ew.multiply(ew.rint(ew.divide(a, scale)), scale), a.dtype)
    if decimals == 0:
        return ew.rint(a)
    scale = 10.0 ** (decimals if decimals > 0 else -decimals)
    up, down = (ew.multiply, ew.divide) if decimals > 0 else (ew.divide, ew.multiply)
    return down(ew.rint(up(a, scale)), scale)


# --- places -----------------------------------------------------------------------------------


@namesake(onp.nonzero)
def nonzero(a: Any) -> tuple[Any, ...]:
    """Return the places of elements that are not zero, an index array per axis, as in NumPy.

    How many there are depends on values, so that a graph holds only where they stay the same.

    Parameters
    ----------
    a : array_like

    Returns
    -------
    tuple of ndarray of int

    Examples
    --------
    >>> nonzero([0.0, 2.0])
    (array([1]),)
    """
    places: tuple[Any, ...] = where(a)
    return places


@namesake(onp.flatnonzero)
def flatnonzero(a: Any) -> Any:
    """Return the places of elements that are not zero in the flattened array; see `nonzero`.

    Parameters
    ----------
    a : array_like

    Returns
    -------
    ndarray of int

    Examples
    --------
    >>> flatnonzero([[0, 2], [3, 0]])
    array([1, 2])
    """
    return where(ravel(a))[0]


# --- descriptions -----------------------------------------------------------------------------


def result_type(*arrays_and_dtypes: Any) -> Any:
    """Return the element type that an operation on these has, as in NumPy.

    Parameters
    ----------
    *arrays_and_dtypes : array_like or dtype

    Returns
    -------
    dtype

    Examples
    --------
    >>> result_type(onp.float32(1.0), 2.0)
    dtype('float32')
    """
    plain = [a.aval.stand_in() if type(a) is Tracer else a for a in arrays_and_dtypes]
    return onp.result_type(*plain)


def shape(a: Any) -> tuple[int, ...]:
    """Return the shape of an array.

    Parameters
    ----------
    a : array_like

    Returns
    -------
    tuple of int

    Examples
    --------
    >>> shape([[1, 2]])
    (1, 2)
    """
    return shape_of(gather(a))


def ndim(a: Any) -> int:
    """Return the number of dimensions.

    Parameters
    ----------
    a : array_like

    Returns
    -------
    int

    Examples
    --------
    >>> ndim([[1, 2]])
    2
    """
    return len(shape(a))


def size(a: Any, axis: Any = None) -> int:
    """Return the number of elements.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
        Along these axes; default: in all.

    Returns
    -------
    int

    Examples
    --------
    >>> size([[1, 2]])
    2
    """
    return onp.size(onp.broadcast_to(0, shape(a)), axis)


@namesake(onp.count_nonzero)
def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Count elements that are not zero, as in NumPy; a count has no gradient.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
        Default: all axes.
    keepdims : bool
        Keep counted axes with length one.

    Returns
    -------
    int or ndarray of int

    Examples
    --------
    >>> int(count_nonzero(onp.array([0.0, 2.0])))
    1
    """
    if axis is None and not keepdims:
        return picking.count_nonzero(a)
    return sum(ew.not_equal(a, 0), axis, onp.intp, keepdims=keepdims)


@namesake(onp.atleast_1d)
def atleast_1d(*arys: Any) -> Any:
    """Give a scalar one dimension, as in NumPy; the cotangent is given the old shape back.

    Parameters
    ----------
    *arys : array_like

    Returns
    -------
    ndarray, or a tuple of them if there are several

    Examples
    --------
    >>> atleast_1d(1.0)
    array([1.])
    """
    if not arys:
        raise ShapeError("atleast_1d needs an array", fix="np.atleast_1d(x)")
    arrays = [as_operand(a) for a in arys]
    raised = tuple([reshape(a, (1,)) if shape_of(a) == () else a for a in arrays])
    return raised if len(raised) > 1 else raised[0]
