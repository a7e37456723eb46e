"""Norms of arrays, and whether everything in them is finite, in one pass where that suffices."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as onp

from backlit.optim import global_norm


def square(array: Any) -> float:
    """Return the sum of squares of an array: not finite if one of its elements is not.

    Parameters
    ----------
    array : ndarray

    Returns
    -------
    float
        Infinite also where only the squares overflow.
    """
    flat = array.ravel()
    return float(flat.dot(flat))


def norm(array: Any) -> float:
    """Return the Euclidean norm of an array.

    Parameters
    ----------
    array : ndarray

    Returns
    -------
    float

    Examples
    --------
    >>> norm(onp.array([[3.0], [4.0]]))
    5.0
    """
    found = square(array)
    # Beyond these bounds squares in float32 have lost something.
    return math.sqrt(found) if 1e-30 < found < math.inf else float(global_norm([array]))


def finite(arrays: Iterable[Any]) -> bool:
    """Tell whether everything is finite, also where a sum of squares would overflow.

    Parameters
    ----------
    arrays : iterable of ndarray

    Returns
    -------
    bool

    Examples
    --------
    >>> finite([onp.array([1e300])]), finite([onp.array([1.0, onp.nan])])
    (True, False)
    """
    with onp.errstate(over="ignore", invalid="ignore"):
        return all(math.isfinite(square(a)) or bool(onp.isfinite(a).all()) for a in arrays)
