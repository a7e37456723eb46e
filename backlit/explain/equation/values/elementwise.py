"""Functions of one number, and of a few, element by element."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from backlit.explain.equation.values.arithmetic import Arithmetic, Array
from backlit.explain.equation.values.builtin import Builtin
from backlit.explain.equation.values.builtin import number as _n
from backlit.explain.equation.values.special import GAMMA

# --- elementwise ----------------------------------------------------------------------------------


def _elementary(name: str) -> Builtin:
    return Builtin(lambda a, x: a.apply(name, x), "elementwise")


def _one(value: Callable[[Arithmetic, Array], Array]) -> Builtin:
    return Builtin(value, "elementwise")


def absolute(a: Arithmetic, x: Array) -> Array:
    """Return |x|.

    Parameters
    ----------
    a : Arithmetic
    x : array

    Returns
    -------
    array
    """
    return a.choose(a.positive(x), x, -x)


def _relu(a: Arithmetic, x: Array) -> Array:
    return a.choose(a.positive(x), x, _n(a, 0) * x)


def _leaky_relu(a: Arithmetic, x: Array, alpha: Array | None = None) -> Array:
    slope = _n(a, Fraction(1, 100)) if alpha is None else alpha
    return a.choose(a.positive(x), x, slope * x)


def _elu(a: Arithmetic, x: Array, alpha: Array | None = None) -> Array:
    scale = _n(a, 1) if alpha is None else alpha
    return a.choose(a.positive(x), x, scale * (a.apply("exp", x) - _n(a, 1)))


def _step(a: Arithmetic, x: Array, y: Array | None = None) -> Array:
    """Return 1 for positive and 0 for negative x, and y (or 0) at zero."""
    return a.positive(x) if y is None else a.positive(x) + y * a.zero(x)


def _logaddexp(a: Arithmetic, x: Array, y: Array) -> Array:
    return x + a.apply("softplus", y - x)


# Klambauer, Unterthiner, Mayr, Hochreiter, "Self-normalizing neural networks", 2017, eq. 2.
_SELU_ALPHA, _SELU_SCALE = Fraction("1.6732632423543772"), Fraction("1.0507009873554805")


def _selu(a: Arithmetic, x: Array) -> Array:
    return _n(a, _SELU_SCALE) * _elu(a, x, _n(a, _SELU_ALPHA))


def _gelu(a: Arithmetic, x: Array) -> Array:
    # Hendrycks and Gimpel, "Gaussian error linear units", 2016: x Φ(x).
    return x * _normal(a, x)


def _normal(a: Arithmetic, x: Array) -> Array:
    return _n(a, Fraction(1, 2)) * (_n(a, 1) + a.apply("erf", x / a.apply("sqrt", _n(a, 2))))


def maximum(a: Arithmetic, x: Array, y: Array) -> Array:
    """Return the larger of x and y, element by element.

    Parameters
    ----------
    a : Arithmetic
    x, y : array

    Returns
    -------
    array
    """
    return a.choose(a.positive(x - y), x, y)


def minimum(a: Arithmetic, x: Array, y: Array) -> Array:
    """Return the smaller of x and y, element by element.

    Parameters
    ----------
    a : Arithmetic
    x, y : array

    Returns
    -------
    array
    """
    return a.choose(a.positive(x - y), y, x)


def _round(a: Arithmetic, x: Array) -> Array:
    """Return the nearest whole number, of two the even one, as NumPy does."""
    half = _n(a, Fraction(1, 2))
    up = a.apply("floor", x + half)
    is_tie = a.zero(up - x - half)
    is_odd = up - _n(a, 2) * a.apply("floor", up * half)
    return up - is_tie * is_odd


def _clip(a: Arithmetic, x: Array, low: Array, high: Array) -> Array:
    return minimum(a, maximum(a, x, low), high)


def _hyperbolic(a: Arithmetic, x: Array, side: int) -> Array:
    e = a.apply("exp", x)
    return _n(a, Fraction(1, 2)) * (e + _n(a, side) / e)


def _log_over(base: int) -> Callable[[Arithmetic, Array], Array]:
    return lambda a, x: a.apply("log", x) / a.apply("log", _n(a, base))


def _sine_over_cosine(a: Arithmetic, x: Array) -> Array:
    return a.apply("sin", x) / a.apply("cos", x)


def _area(a: Arithmetic, x: Array, side: int) -> Array:
    """Return the inverse of sinh (side 1) or cosh (side −1)."""
    return a.apply("log", x + a.apply("sqrt", x * x + _n(a, side)))


def _arctanh(a: Arithmetic, x: Array) -> Array:
    one = _n(a, 1)
    return _n(a, Fraction(1, 2)) * a.apply("log", (one + x) / (one - x))


ELEMENTWISE = {
    **{name: _elementary(name) for name in ("exp", "log", "sqrt", "cbrt", "sin", "cos", "arcsin")},
    **{name: _elementary(name) for name in ("arctan", "erf", "sigmoid", "tanh", "softplus")},
    **{name: _elementary(name) for name in GAMMA},
    "gamma": _one(lambda a, x: a.apply("exp", a.apply("loggamma", x))),
    "log2": _one(_log_over(2)),
    "log10": _one(_log_over(10)),
    "log1p": _one(lambda a, x: a.apply("log", _n(a, 1) + x)),
    "expm1": _one(lambda a, x: a.apply("exp", x) - _n(a, 1)),
    "square": _one(lambda a, x: x * x),
    "reciprocal": _one(lambda a, x: _n(a, 1) / x),
    "identity": _one(lambda a, x: x),
    "abs": _one(absolute),
    "sign": _one(lambda a, x: a.positive(x) - a.positive(-x)),
    "step": Builtin(_step, "elementwise", ("x", "y")),
    "floor": _elementary("floor"),
    "ceil": _one(lambda a, x: -a.apply("floor", -x)),
    "round": _one(_round),
    "logit": _one(lambda a, x: a.apply("log", x / (_n(a, 1) - x))),
    "logaddexp": Builtin(_logaddexp, "elementwise", ("x", "y"), 2),
    "tan": _one(_sine_over_cosine),
    "cot": _one(lambda a, x: a.apply("cos", x) / a.apply("sin", x)),
    "sec": _one(lambda a, x: _n(a, 1) / a.apply("cos", x)),
    "csc": _one(lambda a, x: _n(a, 1) / a.apply("sin", x)),
    "arccos": _one(lambda a, x: a.constant("pi") / _n(a, 2) - a.apply("arcsin", x)),
    "sinh": _one(lambda a, x: _hyperbolic(a, x, -1)),
    "cosh": _one(lambda a, x: _hyperbolic(a, x, 1)),
    "sech": _one(lambda a, x: _n(a, 1) / _hyperbolic(a, x, 1)),
    "arcsinh": _one(lambda a, x: _area(a, x, 1)),
    "arccosh": _one(lambda a, x: _area(a, x, -1)),
    "arctanh": _one(_arctanh),
    "erfc": _one(lambda a, x: _n(a, 1) - a.apply("erf", x)),
    "Phi": _one(_normal),
    "log_sigmoid": _one(lambda a, x: -a.apply("softplus", -x)),
    "relu": _one(_relu),
    "leaky_relu": Builtin(_leaky_relu, "elementwise", ("x", "alpha")),
    "elu": Builtin(_elu, "elementwise", ("x", "alpha")),
    "selu": _one(_selu),
    "gelu": _one(_gelu),
    "silu": _one(lambda a, x: x * a.apply("sigmoid", x)),
    "mish": _one(lambda a, x: x * a.apply("tanh", a.apply("softplus", x))),
    "softsign": _one(lambda a, x: x / (_n(a, 1) + absolute(a, x))),
    "relu6": _one(lambda a, x: _clip(a, x, _n(a, 0), _n(a, 6))),
    "hardtanh": _one(lambda a, x: _clip(a, x, _n(a, -1), _n(a, 1))),
    "maximum": Builtin(maximum, "elementwise", ("x", "y"), 2),
    "minimum": Builtin(minimum, "elementwise", ("x", "y"), 2),
    "clip": Builtin(_clip, "elementwise", ("x", "low", "high"), 3),
    "power": Builtin(lambda a, x, y: a.power(x, y), "elementwise", ("x", "y"), 2),
    "where": Builtin(
        lambda a, c, x, y: a.choose(c, x, y), "elementwise", ("condition", "x", "y"), 3
    ),
}
