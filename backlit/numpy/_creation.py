"""Arrays made inside a function. During a transformation they may receive traced values.

Assigning a traced value to an element of an ordinary ndarray cannot work; of these arrays it does.
"""

from __future__ import annotations

from typing import Any

import numpy as onp

from backlit.core.errors import DTypeError, TracedValueError
from backlit.core.tracer import Tracer, live_traces
from backlit.ops import elementwise as ew
from backlit.ops.families import dtype_of, shape_of
from backlit.ops.namesake import holds_tracer, refuse
from backlit.ops.shaping import as_shape, stack, stretch


def fillable(value: Any) -> Any:
    """Let an array made inside a transformation receive traced values by item assignment."""
    running = live_traces()
    return running[-1].constant(value) if running else value


# --- from a shape -----------------------------------------------------------------------------


def zeros(shape: Any, dtype: Any = float, **options: Any) -> Any:
    """Return zeros; inside a transformation the array can be filled with traced values.

    Parameters
    ----------
    shape : int or tuple of int
    dtype : dtype
    **options
        NumPy's further arguments.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import backlit as bl
    >>> def f(x):
    ...     out = zeros(2)
    ...     out[0] = x * x
    ...     return out.sum()
    >>> float(bl.grad(f)(3.0))
    6.0
    """
    return fillable(onp.zeros(as_shape(shape), dtype, **options))


def ones(shape: Any, dtype: Any = float, **options: Any) -> Any:
    """Return ones; see `zeros`.

    Parameters
    ----------
    shape : int or tuple of int
    dtype : dtype
    **options
        NumPy's further arguments.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> ones(2)
    array([1., 1.])
    """
    return fillable(onp.ones(as_shape(shape), dtype, **options))


def empty(shape: Any, dtype: Any = float, **options: Any) -> Any:
    """Return an array to be filled (zeros, so that nothing is undefined); see `zeros`.

    Parameters
    ----------
    shape : int or tuple of int
    dtype : dtype
    **options
        NumPy's further arguments.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> empty(2)
    array([0., 0.])
    """
    return zeros(shape, dtype, **options)


def full(shape: Any, fill_value: Any, dtype: Any = None, **options: Any) -> Any:
    """Return an array of one value, which may be traced: its cotangent is the sum of theirs.

    Parameters
    ----------
    shape : int or tuple of int
    fill_value : array_like
        Broadcast to the shape.
    dtype : dtype, optional
        Default: that of the value.
    **options
        NumPy's further arguments, only where nothing is traced.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> full(2, 7.0)
    array([7., 7.])
    """
    if not holds_tracer(fill_value):
        return fillable(onp.full(as_shape(shape), fill_value, dtype, **options))
    refuse("full", options)
    value = asarray(fill_value, dtype)
    return ew.add(stretch(value, shape), onp.zeros((), value.dtype))


# --- from another array -----------------------------------------------------------------------


def zeros_like(a: Any, dtype: Any = None, **options: Any) -> Any:
    """Return zeros of an array's shape and type; see `zeros`.

    Parameters
    ----------
    a : array_like
    dtype : dtype, optional
        Default: a's.
    **options
        NumPy's further arguments, only where a is not traced.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> zeros_like(onp.ones(2))
    array([0., 0.])
    """
    if not holds_tracer(a):
        return fillable(onp.zeros_like(a, dtype, **options))
    refuse("zeros_like", options)
    return zeros(shape_of(asarray(a)), dtype or dtype_of(asarray(a)))


def ones_like(a: Any, dtype: Any = None, **options: Any) -> Any:
    """Return ones of an array's shape and type; see `zeros`.

    Parameters
    ----------
    a : array_like
    dtype : dtype, optional
        Default: a's.
    **options
        NumPy's further arguments, only where a is not traced.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> ones_like(onp.zeros(2))
    array([1., 1.])
    """
    if not holds_tracer(a):
        return fillable(onp.ones_like(a, dtype, **options))
    refuse("ones_like", options)
    return ones(shape_of(asarray(a)), dtype or dtype_of(asarray(a)))


def empty_like(prototype: Any, dtype: Any = None, **options: Any) -> Any:
    """Return an array to be filled, of another's shape and type (zeros); see `zeros`.

    Parameters
    ----------
    prototype : array_like
    dtype : dtype, optional
        Default: the prototype's.
    **options
        NumPy's further arguments, only where the prototype is not traced.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> empty_like(onp.ones(2))
    array([0., 0.])
    """
    return zeros_like(prototype, dtype, **options)


def full_like(a: Any, fill_value: Any, dtype: Any = None, **options: Any) -> Any:
    """Return an array of one value with another's shape and type; see `full`.

    Parameters
    ----------
    a : array_like
    fill_value : array_like
    dtype : dtype, optional
        Default: a's.
    **options
        NumPy's further arguments, only where nothing is traced.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> full_like(onp.zeros(2), 3.0)
    array([3., 3.])
    """
    if not holds_tracer((a, fill_value)):
        return fillable(onp.full_like(a, fill_value, dtype, **options))
    refuse("full_like", options)
    a = asarray(a)
    value = asarray(fill_value)
    if dtype is None and dtype_of(a).kind in "iub" and dtype_of(value).kind == "f":
        raise DTypeError(
            f"full_like of an array of {dtype_of(a)} would cut the gradient of a traced "
            f"{dtype_of(value)}",
            fix="name a float type: np.full_like(a, value, dtype=float)",
        )
    return full(shape_of(a), value, dtype or dtype_of(a))


def array(object: Any, dtype: Any = None, **options: Any) -> Any:
    """Make an array from nested lists, whose elements may be traced; copy an array.

    Each element gets its part of the cotangent.

    Parameters
    ----------
    object : array_like
    dtype : dtype, optional
    **options
        NumPy's further arguments, only where nothing is traced.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import backlit as bl
    >>> float(bl.grad(lambda x: array([x, 2.0 * x]).sum())(1.0))
    3.0
    """
    if not holds_tracer(object):
        return fillable(onp.array(object, dtype, **options))
    refuse("array", options)
    if type(object) is not Tracer:
        return stack([array(part, dtype) for part in object])
    out = object if dtype is None else ew.astype(object, dtype)
    out = object.copy() if out is object else out
    return out if type(out) is Tracer else fillable(out)


def asarray(a: Any, dtype: Any = None, **options: Any) -> Any:
    """Return an array or traced value unchanged; make an array from anything else.

    Parameters
    ----------
    a : array_like
    dtype : dtype, optional
    **options
        NumPy's further arguments, only where nothing is traced.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> asarray([1.0, 2.0])
    array([1., 2.])
    """
    if not holds_tracer(a):
        return onp.asarray(a, dtype, **options)
    refuse("asarray", options)
    if type(a) is Tracer:
        return a if dtype is None else ew.astype(a, dtype)
    return array(a, dtype)


def asanyarray(a: Any, dtype: Any = None, **options: Any) -> Any:
    """Return an array, of whatever class, or traced value unchanged; see `asarray`.

    Parameters
    ----------
    a : array_like
    dtype : dtype, optional
    **options
        NumPy's further arguments, only where nothing is traced.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> asanyarray([1.0, 2.0])
    array([1., 2.])
    """
    if not holds_tracer(a):
        return onp.asanyarray(a, dtype, **options)
    return asarray(a, dtype, **options)


def copy(a: Any, **options: Any) -> Any:
    """Return a copy; the derivative is 1.

    Parameters
    ----------
    a : array_like
    **options
        NumPy's further arguments, only where nothing is traced.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> copy(onp.ones(1))
    array([1.])
    """
    if not holds_tracer(a):
        return fillable(onp.copy(a, **options))
    refuse("copy", options)
    return array(a)


# --- ranges and special matrices --------------------------------------------------------------


def arange(*args: Any, **options: Any) -> Any:
    """Return evenly spaced numbers, as in NumPy; floats can be filled, see `zeros`.

    Integers stay an ordinary ndarray, so that they can index one.

    Parameters
    ----------
    *args
        Stop; or start and stop; or start, stop and step.
    **options
        NumPy's further arguments.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> arange(3)
    array([0, 1, 2])
    >>> arange(0.0, 1.0, 0.25)
    array([0.  , 0.25, 0.5 , 0.75])
    """
    try:
        made = onp.arange(*args, **options)
    except TracedValueError as error:
        raise TracedValueError(
            "arange of a traced value: how many numbers it gives is not known",
            where=error.where,
            fix="arange(n) of an integer, times or plus what is traced; under bl.jit make the "
            "argument that n comes from static (static_argnums or static_argnames)",
        ) from None
    return fillable(made) if made.dtype.kind in "fc" else made


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = float, **options: Any) -> Any:
    """Return ones on a diagonal and zeros elsewhere, as in NumPy; see `zeros`.

    Parameters
    ----------
    N, M : int
        Rows and columns; as many columns as rows by default.
    k : int
        Columns to the right of the main diagonal; negative: below it.
    dtype : dtype
    **options
        NumPy's further arguments.

    Returns
    -------
    ndarray, shape (N, M)

    Examples
    --------
    >>> eye(2)
    array([[1., 0.],
           [0., 1.]])
    """
    return fillable(onp.eye(N, M, k, dtype, **options))


def identity(n: int, dtype: Any = float, **options: Any) -> Any:
    """Return the identity matrix, as in NumPy; see `zeros`.

    Parameters
    ----------
    n : int
    dtype : dtype
    **options
        NumPy's further arguments.

    Returns
    -------
    ndarray, shape (n, n)

    Examples
    --------
    >>> identity(2)
    array([[1., 0.],
           [0., 1.]])
    """
    return fillable(onp.identity(n, dtype, **options))


def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = float, **options: Any) -> Any:
    """Return ones on and below a diagonal and zeros above it, as in NumPy; see `zeros`.

    Parameters
    ----------
    N, M : int
        Rows and columns; as many columns as rows by default.
    k : int
        Columns to the right of the main diagonal; negative: below it.
    dtype : dtype
    **options
        NumPy's further arguments.

    Returns
    -------
    ndarray, shape (N, M)

    Examples
    --------
    >>> tri(2)
    array([[1., 0.],
           [1., 1.]])
    """
    return fillable(onp.tri(N, M, k, dtype, **options))
