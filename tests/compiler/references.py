"""What elementary functions should give, computed by NumPy, SciPy and mpmath, and how far off a
result is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import scipy.special

Function = Callable[..., Any]

mp = mpmath.MPContext()
mp.prec = 160


def _sigmoid(x: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-x))


def _softplus(x: Any) -> Any:
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


# In float64, for results in float32.
NUMPY: dict[str, Function] = {
    **{
        name: getattr(np, name)
        for name in """exp exp2 expm1 log log2 log10 log1p sin cos tan sinh cosh tanh arcsin arccos
        arctan arcsinh arccosh arctanh sqrt cbrt power logaddexp arctan2 hypot""".split()
    },
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "log_sigmoid": lambda x: 0.0 - _softplus(-x),  # the evaluator has +0, not −0
    "erf": scipy.special.erf,
    "erfc": scipy.special.erfc,
}


def _exact_sum_log(a: Any, b: Any) -> Any:
    return max(a, b) + mp.log1p(mp.exp(-abs(a - b)))


def _real(function: Function) -> Function:
    """Return the function with NaN where it is not real."""

    def real(*args: Any) -> Any:
        try:
            y = function(*args)
        except (ValueError, ZeroDivisionError):
            return mp.nan
        return mp.nan if isinstance(y, mp.mpc) else y

    return real


# At finite numbers, in 160 bits. Where an argument is so large that the result is plain, it is
# given without a computation in millions of digits.
MPMATH: dict[str, Function] = {
    "exp": lambda x: mp.exp(mp.mpf(min(max(x, -2000), 2000))),
    "exp2": lambda x: mp.mpf(2) ** min(max(x, -2000), 2000),
    "expm1": lambda x: mp.expm1(min(max(x, -2000), 2000)),
    "log": _real(lambda x: mp.log(x) if x else -mp.inf),
    "log2": _real(lambda x: mp.log(x, 2) if x else -mp.inf),
    "log10": _real(lambda x: mp.log(x, 10) if x else -mp.inf),
    "log1p": _real(lambda x: mp.log1p(x) if x != -1 else -mp.inf),
    "sin": lambda x: _with_digits(mp.sin, x),
    "cos": lambda x: _with_digits(mp.cos, x),
    "tan": lambda x: _with_digits(mp.tan, x),
    "sinh": lambda x: mp.sinh(min(max(x, -2000), 2000)),
    "cosh": lambda x: mp.cosh(min(max(x, -2000), 2000)),
    "tanh": lambda x: mp.tanh(min(max(x, -2000), 2000)),
    "arcsin": _real(mp.asin),
    "arccos": _real(mp.acos),
    "arctan": mp.atan,
    "arctan2": mp.atan2,
    "arcsinh": mp.asinh,
    "arccosh": _real(mp.acosh),
    "arctanh": _real(lambda x: mp.sign(x) * mp.inf if abs(x) == 1 else mp.atanh(x)),
    "sqrt": _real(mp.sqrt),
    "cbrt": lambda x: mp.sign(x) * mp.cbrt(abs(x)),
    "hypot": mp.hypot,
    "sigmoid": lambda x: 1 / (1 + mp.exp(-min(max(x, -2000), 2000))),
    "softplus": lambda x: _softplus_mp(x),
    "log_sigmoid": lambda x: -_softplus_mp(-x),
    "logaddexp": _exact_sum_log,
    "erf": lambda x: mp.erf(x) if abs(x) < 30 else mp.sign(x),
    "erfc": lambda x: mp.erfc(x) if abs(x) < 40 else mp.mpf(0 if x > 0 else 2),
    "power": _real(lambda x, y: _power(x, y)),
}


def _with_digits(function: Function, x: Any) -> Any:
    """Compute with as many more bits as the argument has before the point."""
    with mp.extraprec(1100 if abs(x) > 1e9 else 40):
        return function(x)


def _softplus_mp(x: Any) -> Any:
    return max(x, mp.mpf(0)) + mp.log1p(mp.exp(-min(abs(x), mp.mpf(5000))))


def _power(x: Any, y: Any) -> Any:
    if x == 0:
        return mp.mpf(1) if y == 0 else mp.mpf(0) if y > 0 else mp.inf
    size = y * mp.log(abs(x))
    if x < 0 and y != mp.floor(y):
        return mp.nan
    value = mp.exp(min(max(size, mp.mpf(-2000)), mp.mpf(2000)))
    odd = x < 0 and mp.floor(y / 2) * 2 != y
    return -value if odd else value


def float64_error(result: float, value: Any) -> float:
    """Return the distance of a float64 from mpmath's number in units in its last place.

    A NaN is right only for a NaN, and an infinity only where the value rounds to it.
    """
    result = float(result)
    if mp.isnan(value) or np.isnan(result):
        return 0.0 if mp.isnan(value) and np.isnan(result) else np.inf
    if mp.isinf(value):
        return 0.0 if result == float(value) else np.inf
    if np.isinf(result):
        # Infinity is where 2^1024 would be, were there a bigger exponent.
        beyond = mp.sign(result) * value >= mp.mpf(2) ** 1024 * (1 - mp.mpf(2) ** -54)
        if beyond:
            return 0.0
        result_mp = mp.sign(result) * mp.mpf(2) ** 1024
    else:
        result_mp = mp.mpf(result)
    exponent = mp.frexp(value)[1] - 1 if value else -1022
    unit = mp.mpf(2) ** (max(exponent, -1022) - 52)
    return float(abs(result_mp - value) / unit)


def errors_in_ulps(result: Any, value: Any) -> Any:
    """Return the distance of results from values in units in the last place of the results' type.

    Where the result is the rounded value, which is almost everywhere, 0 stands for at most ½.

    Parameters
    ----------
    result : array of float32 or float64
    value : array of float64 or a longer type
    """
    info = np.finfo(result.dtype)
    kind = np.dtype(f"u{result.itemsize}")
    with np.errstate(all="ignore"):
        rounded = value.astype(result.dtype)
    same = result.view(kind) == rounded.view(kind)
    errors = np.zeros(result.shape)
    (places,) = np.nonzero(~same & ~(np.isnan(result) & np.isnan(rounded)))
    y, r = result[places].astype(value.dtype), value[places]
    # Infinity is where the next power of two would be, were there a bigger exponent.
    y = np.where(np.isinf(y), np.copysign(np.ldexp(value.dtype.type(1), info.maxexp), y), y)
    exponent = np.where(r == 0, info.minexp, np.maximum(np.frexp(r)[1] - 1, info.minexp))
    distance = np.abs(y - r) / np.ldexp(value.dtype.type(1), exponent - info.nmant)
    # A zero of the wrong sign is wrong, and so is a NaN or an infinity where there is none.
    distance = np.where((y == 0) & (r == 0), np.inf, distance)
    errors[places] = np.where(np.isnan(distance), np.inf, distance)
    return errors
