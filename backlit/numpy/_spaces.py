"""Ranges between two ends, which may be traced."""

from __future__ import annotations

from typing import Any

import numpy as onp

from backlit.numpy._creation import fillable
from backlit.ops import elementwise as ew
from backlit.ops.families import dtype_of, shape_of
from backlit.ops.namesake import as_operand, holds_tracer
from backlit.ops.shaping import moveaxis

# A whole number of steps in the shape (num, 1, …), the number of the last one, and how many there
# are between the ends.
Steps = tuple[Any, Any, int]


def _steps(num: int, endpoint: bool, like: Any) -> Steps:
    between = num - 1 if endpoint else num
    steps = onp.arange(num, dtype=dtype_of(like)).reshape(-1, *(1,) * len(shape_of(like)))
    return steps, steps == between, max(between, 1)


def _finished(values: Any, dtype: Any, axis: int) -> Any:
    values = values if dtype is None else ew.astype(values, dtype)
    return moveaxis(values, 0, axis) if axis else values


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    **options: Any,
) -> Any:
    """Return evenly spaced numbers from start to stop, as in NumPy; they can be filled.

    With t running from 0 to 1, the derivative is 1 − t in start and t in stop.

    Parameters
    ----------
    start, stop : array_like
        Broadcast against each other.
    num : int
        How many.
    endpoint : bool
        Whether stop is the last of them.
    retstep : bool
        Return the distance between neighbours too.
    dtype : dtype, optional
        Of the result.
    axis : int
        Where the numbers are in the result, if start and stop are arrays.
    **options
        NumPy's further arguments, only where nothing is traced.

    Returns
    -------
    ndarray, or with `retstep` a tuple of it and the step

    Examples
    --------
    >>> import backlit as bl
    >>> linspace(0.0, 1.0, 3)
    array([0. , 0.5, 1. ])
    >>> bl.grad(lambda ends: linspace(ends[0], ends[1], 5).sum())(onp.array([0.0, 1.0]))
    array([2.5, 2.5])
    """
    if not holds_tracer((start, stop)):
        numpys: Any = onp.linspace
        made = numpys(start, stop, num, endpoint, retstep, dtype, axis, **options)
        return (fillable(made[0]), made[1]) if isinstance(made, tuple) else fillable(made)
    start, stop = as_operand(start), as_operand(stop)
    length = ew.subtract(stop, start)
    steps, last, between = _steps(num, endpoint, length)
    step = ew.divide(length, float(between))
    values = ew.add(start, ew.multiply(steps, step))
    values = ew.where(last, stop, values) if endpoint and num > 1 else values
    values = _finished(values, dtype, axis)
    return (values, step) if retstep else values


def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """Return powers of a base with evenly spaced exponents, as in NumPy; see `linspace`.

    Parameters
    ----------
    start, stop : array_like
        Exponents.
    num : int
        How many.
    endpoint : bool
        Whether stop is the last exponent.
    base : array_like
    dtype : dtype, optional
        Of the result.
    axis : int
        Where the numbers are in the result, if start and stop are arrays.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> logspace(0.0, 2.0, 3)
    array([  1.,  10., 100.])
    """
    if not holds_tracer((start, stop, base)):
        return fillable(onp.logspace(start, stop, num, endpoint, base, dtype, axis))
    exponents = linspace(start, stop, num, endpoint)
    return _finished(ew.power(as_operand(base), exponents), dtype, axis)


def geomspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Any:
    """Return numbers in geometric progression from start to stop, as in NumPy.

    They are start¹⁻ᵗ stopᵗ with t running from 0 to 1.

    Parameters
    ----------
    start, stop : array_like
        Of the same sign, not zero.
    num : int
        How many.
    endpoint : bool
        Whether stop is the last of them.
    dtype : dtype, optional
        Of the result.
    axis : int
        Where the numbers are in the result, if start and stop are arrays.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> geomspace(1.0, 4.0, 3)
    array([1., 2., 4.])
    """
    if not holds_tracer((start, stop)):
        return fillable(onp.geomspace(start, stop, num, endpoint, dtype, axis))
    start, stop = as_operand(start), as_operand(stop)
    ratio = ew.divide(stop, start)
    steps, last, between = _steps(num, endpoint, ratio)
    values = ew.multiply(start, ew.power(ratio, steps / between))
    values = ew.where(last, stop, values) if endpoint and num > 1 else values
    return _finished(values, dtype, axis)
