"""Elementwise functions put together from others."""

from __future__ import annotations

from typing import Any

import numpy as onp

from backlit.core.aval import aval_of
from backlit.ops import elementwise as ew
from backlit.ops.families import dtype_of
from backlit.ops.methods import copy_, divmod_
from backlit.ops.namesake import namesake, refuse
from backlit.ops.reduce import mean
from backlit.ops.reduce import sum as sum_


def _as_result(ufunc: Any, *operands: Any) -> list[Any]:
    """Return operands converted to the type that NumPy's function gives for them."""
    dtype = ufunc(*[aval_of(x).stand_in() for x in operands]).dtype
    return [x if dtype_of(x) == dtype else ew.astype(x, dtype) for x in operands]


# --- numbers that are missing or not finite ----------------------------------------------------


@namesake(onp.fmax, arrays=2)
def fmax(x1: Any, x2: Any, /, out: Any = None, **options: Any) -> Any:
    """Return the larger of two, ignoring NaN where the other is a number, as in NumPy.

    The derivative is 1 in the one that is returned; at a tie each gets half.

    Parameters
    ----------
    x1, x2 : array_like
        Broadcast against each other.
    out, **options
        NumPy's further arguments, only where nothing is traced.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import backlit as bl
    >>> fmax([1.0, onp.nan], 0.5)
    array([1. , 0.5])
    >>> bl.grad(lambda x: fmax(x, 0.5).sum())(onp.array([1.0, 0.5, onp.nan]))
    array([1. , 0.5, 0. ])
    """
    return _ignoring_nan(ew.maximum, x1, x2)


@namesake(onp.fmin, arrays=2)
def fmin(x1: Any, x2: Any, /, out: Any = None, **options: Any) -> Any:
    """Return the smaller of two, ignoring NaN where the other is a number, as in NumPy.

    The derivative is 1 in the one that is returned; at a tie each gets half.

    Parameters
    ----------
    x1, x2 : array_like
        Broadcast against each other.
    out, **options
        NumPy's further arguments, only where nothing is traced.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> fmin([1.0, onp.nan], 0.5)
    array([0.5, 0.5])
    """
    return _ignoring_nan(ew.minimum, x1, x2)


def _ignoring_nan(choose: Any, a: Any, b: Any) -> Any:
    return ew.where(ew.isnan(a), b, ew.where(ew.isnan(b), a, choose(a, b)))


@namesake(onp.nan_to_num)
def nan_to_num(
    x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    """Replace what is not finite by numbers, as in NumPy.

    The derivative is 1 where x is finite and 0 where it was replaced.

    Parameters
    ----------
    x : array_like
    copy : bool
        Only ``True`` for traced arrays.
    nan, posinf, neginf : float, optional
        Replacements; by default 0 and the largest and smallest finite number.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import backlit as bl
    >>> nan_to_num(onp.array([1.0, onp.nan]))
    array([1., 0.])
    >>> bl.grad(lambda x: nan_to_num(x).sum())(onp.array([1.0, onp.nan]))
    array([1., 0.])
    """
    if not copy:
        refuse("nan_to_num", {"copy": False})
    dtype = dtype_of(x)
    if dtype.kind != "f":
        return copy_(x)
    limits = onp.finfo(dtype)
    high = limits.max if posinf is None else posinf
    low = limits.min if neginf is None else neginf
    x = ew.where(ew.isnan(x), dtype.type(nan), x)
    x = ew.where(ew.equal(x, onp.inf), dtype.type(high), x)
    return ew.where(ew.equal(x, -onp.inf), dtype.type(low), x)


@namesake(onp.nansum)
def nansum(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    **options: Any,
) -> Any:
    """Return the sum of the elements that are not NaN, as in NumPy; those get no gradient.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
        Default: all axes.
    dtype : dtype, optional
        Of the result.
    keepdims : bool
        Keep reduced axes with length one.
    out, **options
        NumPy's further arguments, only where nothing is traced.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import backlit as bl
    >>> bl.grad(nansum)(onp.array([1.0, onp.nan, 2.0]))
    array([1., 0., 1.])
    """
    return sum_(ew.where(ew.isnan(a), dtype_of(a).type(0), a), axis, dtype, keepdims=keepdims)


@namesake(onp.nanmean)
def nanmean(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    **options: Any,
) -> Any:
    """Return the mean of the elements that are not NaN, as in NumPy; those get no gradient.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
        Default: all axes.
    dtype : dtype, optional
        Of the result.
    keepdims : bool
        Keep reduced axes with length one.
    out, **options
        NumPy's further arguments, only where nothing is traced.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import backlit as bl
    >>> bl.grad(nanmean)(onp.array([1.0, onp.nan, 2.0]))
    array([0.5, 0. , 0.5])
    """
    if dtype_of(a).kind != "f":  # nothing is missing, and a sum of integers may wrap
        return mean(a, axis, dtype, keepdims=keepdims)
    missing = ew.isnan(a)
    total = sum_(ew.where(missing, dtype_of(a).type(0), a), axis, dtype, keepdims=keepdims)
    count = sum_(ew.logical_not(missing), axis, keepdims=keepdims)
    return ew.divide(total, ew.astype(count, dtype_of(total)))


# --- steps, quotients and remainders ----------------------------------------------------------


@namesake(onp.heaviside, arrays=2)
def heaviside(x1: Any, x2: Any, /, out: Any = None, **options: Any) -> Any:
    """Return 0 where x1 < 0, x2 where x1 = 0 and 1 where x1 > 0, as in NumPy.

    The derivative is 0 in x1, and 1 in x2 where x1 is 0.

    Parameters
    ----------
    x1, x2 : array_like
        Broadcast against each other.
    out, **options
        NumPy's further arguments, only where nothing is traced.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> heaviside([-1.0, 0.0, 2.0], 0.5)
    array([0. , 0.5, 1. ])
    """
    x1, x2 = _as_result(onp.heaviside, x1, x2)
    step = ew.where(ew.isnan(x1), x1, ew.astype(ew.greater(x1, 0), dtype_of(x1)))
    return ew.where(ew.equal(x1, 0), x2, ew.stop_gradient(step))


@namesake(onp.divmod, arrays=2)
def divmod(x1: Any, x2: Any, /, out: Any = None, **options: Any) -> Any:
    """Return quotient and remainder, ``x1 // x2`` and ``x1 % x2``, as in NumPy.

    The quotient's derivative is 0, the remainder's 1 in x1 and −⌊x1 / x2⌋ in x2.

    Parameters
    ----------
    x1, x2 : array_like
        Broadcast against each other.
    out, **options
        NumPy's further arguments, only where nothing is traced.

    Returns
    -------
    tuple of two ndarrays

    Examples
    --------
    >>> divmod(7.0, 2.0)
    (np.float64(3.0), np.float64(1.0))
    """
    return divmod_(x1, x2)


@namesake(onp.fmod, arrays=2)
def fmod(x1: Any, x2: Any, /, out: Any = None, **options: Any) -> Any:
    """Return the remainder with the sign of x1, as in NumPy.

    The derivatives are 1 in x1 and −trunc(x1 / x2) in x2.

    Parameters
    ----------
    x1, x2 : array_like
        Broadcast against each other.
    out, **options
        NumPy's further arguments, only where nothing is traced.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> fmod([-3.0, 3.0], 2.0)
    array([-1.,  1.])
    """
    x1, x2 = _as_result(onp.fmod, x1, x2)
    if dtype_of(x1).kind == "f":
        rest = ew.remainder(ew.absolute(x1), ew.absolute(x2))
        signed = ew.where(ew.less(x1, 0), ew.negative(rest), rest)
        return ew.where(ew.equal(rest, x1), x1, signed)  # −0 is not less than 0
    # The smallest integer has no absolute value: from the remainder with the sign of x2.
    rest = ew.remainder(x1, x2)
    opposite = ew.not_equal(ew.less(x1, 0), ew.less(rest, 0))
    uneven = ew.logical_and(opposite, ew.not_equal(rest, 0))
    return ew.where(uneven, ew.subtract(rest, x2), rest)


@namesake(onp.copysign, arrays=2)
def copysign(x1: Any, x2: Any, /, out: Any = None, **options: Any) -> Any:
    """Return |x1| with the sign of x2, as in NumPy.

    The derivative is ±1 in x1, whether the sign changed, 0 where x1 is 0, and 0 in x2.

    Parameters
    ----------
    x1, x2 : array_like
        Broadcast against each other.
    out, **options
        NumPy's further arguments, only where nothing is traced.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> copysign([1.0, -2.0], -1.0)
    array([-1., -2.])
    """
    size = ew.absolute(_as_result(onp.copysign, x1, x2)[0])
    # The angle of (−1, x2) is negative even where x2 is −0, and −∞ is no exception either.
    negative = ew.less(ew.arctan2(x2, -1.0), 0)
    return ew.where(negative, ew.negative(size), size)


# --- angles and complex parts -----------------------------------------------------------------


@namesake(onp.deg2rad)
def deg2rad(x: Any, /, out: Any = None, **options: Any) -> Any:
    """Convert degrees to radians, as in NumPy; the derivative is π / 180.

    Parameters
    ----------
    x : array_like
    out, **options
        NumPy's further arguments, only where nothing is traced.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> float(deg2rad(180.0))
    3.141592653589793
    """
    return ew.multiply(_as_result(onp.deg2rad, x)[0], onp.pi / 180.0)


@namesake(onp.rad2deg)
def rad2deg(x: Any, /, out: Any = None, **options: Any) -> Any:
    """Convert radians to degrees, as in NumPy; the derivative is 180 / π.

    Parameters
    ----------
    x : array_like
    out, **options
        NumPy's further arguments, only where nothing is traced.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> float(rad2deg(onp.pi))
    180.0
    """
    return ew.multiply(_as_result(onp.rad2deg, x)[0], 180.0 / onp.pi)


@namesake(onp.sinc)
def sinc(x: Any) -> Any:
    """Return sin(πx) / (πx), and 1 at 0, as in NumPy.

    The derivative is (cos(πx) − sinc x) / x, and 0 at 0.

    Parameters
    ----------
    x : array_like

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import backlit as bl
    >>> sinc([0.0, 0.5]).round(6)
    array([1.     , 0.63662])
    >>> float(bl.grad(sinc)(0.0))
    0.0
    """
    small = ew.less(ew.absolute(x), 1e-3)
    angle = ew.multiply(onp.pi, ew.where(small, 1.0, x))
    # Near 0 the quotient's derivatives cancel; 1 − t/6 + t²/120 with t = (πx)² is exact there.
    t = ew.square(ew.multiply(onp.pi, ew.where(small, x, 0.0)))
    near = ew.add(1.0, ew.multiply(t, ew.subtract(ew.divide(t, 120.0), 1.0 / 6.0)))
    return ew.where(small, near, ew.divide(ew.sin(angle), angle))


@namesake(onp.fabs)
def fabs(x: Any, /, out: Any = None, **options: Any) -> Any:
    """Return the absolute value as a float, as in NumPy; the derivative is sign x, 0 at 0.

    Parameters
    ----------
    x : array_like
    out, **options
        NumPy's further arguments, only where nothing is traced.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> fabs([-1, 2])
    array([1., 2.])
    """
    return ew.absolute(_as_result(onp.fabs, x)[0])


@namesake(onp.conjugate)
def conjugate(x: Any, /, out: Any = None, **options: Any) -> Any:
    """Return the complex conjugate, as in NumPy; a traced array is real and its own.

    Parameters
    ----------
    x : array_like
    out, **options
        NumPy's further arguments, only where nothing is traced.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> conjugate([1.0, 2.0])
    array([1., 2.])
    """
    return ew.positive(x) if dtype_of(x).kind != "c" else x.conj()


@namesake(onp.real)
def real(val: Any) -> Any:
    """Return the real part, as in NumPy; a traced array is real.

    Parameters
    ----------
    val : array_like

    Returns
    -------
    ndarray

    Examples
    --------
    >>> real([1.0, 2.0])
    array([1., 2.])
    """
    return val.real
