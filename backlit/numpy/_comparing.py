"""Comparisons within a tolerance and of whole arrays; their answers have no gradient."""

from __future__ import annotations

from typing import Any

import numpy as onp

from backlit.ops import elementwise as ew
from backlit.ops.families import shape_of
from backlit.ops.namesake import namesake
from backlit.ops.reduce import all as all_


@namesake(onp.isclose, arrays=2)
def isclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> Any:
    """Tell where |a − b| ≤ atol + rtol |b|, as in NumPy; the answer has no gradient.

    Parameters
    ----------
    a, b : array_like
        Broadcast against each other.
    rtol, atol : float
    equal_nan : bool
        Whether NaN is close to NaN.

    Returns
    -------
    ndarray of bool

    Examples
    --------
    >>> isclose([1.0, 2.0], [1.0, 2.1])
    array([ True, False])
    """
    finite = ew.logical_and(ew.isfinite(a), ew.isfinite(b))
    # The difference of two infinities would only warn.
    x, y = ew.where(finite, a, 0), ew.where(finite, b, 0)
    bound = ew.add(atol, ew.multiply(rtol, ew.absolute(y)))
    near = ew.less_equal(ew.absolute(ew.subtract(x, y)), bound)
    close = ew.where(finite, near, ew.equal(a, b))
    return ew.logical_or(close, ew.logical_and(ew.isnan(a), ew.isnan(b))) if equal_nan else close


@namesake(onp.allclose, arrays=2)
def allclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> Any:
    """Tell whether two arrays are close everywhere, as in NumPy; see `isclose`.

    Parameters
    ----------
    a, b : array_like
        Broadcast against each other.
    rtol, atol : float
    equal_nan : bool
        Whether NaN is close to NaN.

    Returns
    -------
    bool

    Examples
    --------
    >>> allclose([1.0, 2.0], [1.0, 2.1])
    False
    """
    return all_(isclose(a, b, rtol, atol, equal_nan))


@namesake(onp.array_equal, arrays=2)
def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    """Tell whether two arrays have the same shape and elements, as in NumPy.

    Parameters
    ----------
    a1, a2 : array_like
    equal_nan : bool
        Whether NaN equals NaN.

    Returns
    -------
    bool

    Examples
    --------
    >>> array_equal([1, 2], [1, 2])
    True
    """
    if shape_of(a1) != shape_of(a2):
        return False
    same = ew.equal(a1, a2)
    if equal_nan:
        same = ew.logical_or(same, ew.logical_and(ew.isnan(a1), ew.isnan(a2)))
    return all_(same)
