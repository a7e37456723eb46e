"""Mean and standard deviation that neither overflow nor mistake rounding for spread."""

from __future__ import annotations

import numpy as onp

from backlit.data.table import Array

_SMALLEST = float(onp.nextafter(0.0, 1.0))


def mean_and_scale(values: Array) -> tuple[float, float]:
    """Return the mean and the population standard deviation of finite values.

    Parameters
    ----------
    values : numpy.ndarray of float64, shape (n,)
        At least one value.

    Returns
    -------
    mean : float
    scale : float
        Exactly 0 if all values are equal, and positive otherwise.

    Examples
    --------
    >>> mean_and_scale(onp.array([1.0, 3.0]))
    (2.0, 1.0)
    >>> mean_and_scale(onp.array([0.1, 0.1, 0.1]))
    (0.1, 0.0)
    """
    low, high = float(values.min()), float(values.max())
    if low == high:
        return low, 0.0
    # In units of half the range around its middle, so that squares cannot overflow or vanish.
    middle, half = low / 2 + high / 2, high / 2 - low / 2
    unit = (values / 2 - middle / 2) / (half / 2) if half else values * 0.0
    mean, scale = float(unit.mean()), float(unit.std())
    return middle + mean * half, max(scale * half, _SMALLEST)
