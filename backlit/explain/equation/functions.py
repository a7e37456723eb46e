"""The functions of the notation, one line each: what they take and what they are.

Every function is put together from the operations of an `Arithmetic`, so that one definition serves
double precision, the engine, 50-digit numbers, residues and dual numbers alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any

import numpy as onp

from backlit.explain.equation.arithmetic import Arithmetic, Array, Shape

Axis = int | tuple[int, ...] | None


class FunctionFault(Exception):
    """A function was given what it cannot take; whoever calls it knows where that was written."""


@dataclass(frozen=True)
class Builtin:
    """A function of the notation.

    Attributes
    ----------
    value : callable
        ``value(arithmetic, *arrays, **options)``.
    family : str
        How the shape follows: ``elementwise`` (its arguments broadcast), ``reduction`` (over
        `axis`), ``along`` (that of the argument), ``matrix``, ``shape`` or ``creation``.
    arrays : tuple of str
        Names of the array arguments.
    required : int
        How many of them must be given.
    options : tuple of str
        Names of what must be a written number, tuple or truth value, in their order: ``axis``.
    listed : bool
        Whether the one array argument is a list of arrays.
    """

    value: Callable[..., Array]
    family: str
    arrays: tuple[str, ...] = ("x",)
    required: int = 1
    options: tuple[str, ...] = ()
    listed: bool = False


def _n(arithmetic: Arithmetic, value: Any) -> Array:
    return arithmetic.number(Fraction(value))


# --- elementwise ----------------------------------------------------------------------------------


def _elementary(name: str) -> Builtin:
    return Builtin(lambda a, x: a.apply(name, x), "elementwise")


def _one(value: Callable[[Arithmetic, Array], Array]) -> Builtin:
    return Builtin(value, "elementwise")


def _absolute(a: Arithmetic, x: Array) -> Array:
    return a.choose(a.positive(x), x, -x)


def _relu(a: Arithmetic, x: Array) -> Array:
    return a.choose(a.positive(x), x, _n(a, 0) * x)


def _leaky_relu(a: Arithmetic, x: Array, alpha: Array | None = None) -> Array:
    slope = _n(a, Fraction(1, 100)) if alpha is None else alpha
    return a.choose(a.positive(x), x, slope * x)


def _elu(a: Arithmetic, x: Array, alpha: Array | None = None) -> Array:
    scale = _n(a, 1) if alpha is None else alpha
    return a.choose(a.positive(x), x, scale * (a.apply("exp", x) - _n(a, 1)))


# Klambauer, Unterthiner, Mayr, Hochreiter, "Self-normalizing neural networks", 2017, eq. 2.
_SELU_ALPHA, _SELU_SCALE = Fraction("1.6732632423543772"), Fraction("1.0507009873554805")


def _selu(a: Arithmetic, x: Array) -> Array:
    return _n(a, _SELU_SCALE) * _elu(a, x, _n(a, _SELU_ALPHA))


def _gelu(a: Arithmetic, x: Array) -> Array:
    # Hendrycks and Gimpel, "Gaussian error linear units", 2016: x Φ(x).
    return x * _normal(a, x)


def _normal(a: Arithmetic, x: Array) -> Array:
    return _n(a, Fraction(1, 2)) * (_n(a, 1) + a.apply("erf", x / a.apply("sqrt", _n(a, 2))))


def _softplus(a: Arithmetic, x: Array) -> Array:
    return a.apply("softplus", x)


def _maximum(a: Arithmetic, x: Array, y: Array) -> Array:
    return a.choose(a.positive(x - y), x, y)


def _minimum(a: Arithmetic, x: Array, y: Array) -> Array:
    return a.choose(a.positive(x - y), y, x)


def _clip(a: Arithmetic, x: Array, low: Array, high: Array) -> Array:
    return _minimum(a, _maximum(a, x, low), high)


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


_ELEMENTWISE = {
    **{name: _elementary(name) for name in ("exp", "log", "sqrt", "cbrt", "sin", "cos", "arcsin")},
    **{name: _elementary(name) for name in ("arctan", "erf", "sigmoid", "tanh", "softplus")},
    "log2": _one(_log_over(2)),
    "log10": _one(_log_over(10)),
    "log1p": _one(lambda a, x: a.apply("log", _n(a, 1) + x)),
    "expm1": _one(lambda a, x: a.apply("exp", x) - _n(a, 1)),
    "square": _one(lambda a, x: x * x),
    "reciprocal": _one(lambda a, x: _n(a, 1) / x),
    "identity": _one(lambda a, x: x),
    "abs": _one(_absolute),
    "sign": _one(lambda a, x: a.positive(x) - a.positive(-x)),
    "step": _one(lambda a, x: a.positive(x)),
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
    "softsign": _one(lambda a, x: x / (_n(a, 1) + _absolute(a, x))),
    "relu6": _one(lambda a, x: _clip(a, x, _n(a, 0), _n(a, 6))),
    "hardtanh": _one(lambda a, x: _clip(a, x, _n(a, -1), _n(a, 1))),
    "maximum": Builtin(_maximum, "elementwise", ("x", "y"), 2),
    "minimum": Builtin(_minimum, "elementwise", ("x", "y"), 2),
    "clip": Builtin(_clip, "elementwise", ("x", "low", "high"), 3),
    "power": Builtin(lambda a, x, y: a.power(x, y), "elementwise", ("x", "y"), 2),
    "where": Builtin(
        lambda a, c, x, y: a.choose(c, x, y), "elementwise", ("condition", "x", "y"), 3
    ),
}

# --- reductions -----------------------------------------------------------------------------------


def axes_of(x: Array, axis: Axis) -> tuple[int, ...]:
    """Return the axes an `axis` option names, counted from the front.

    Parameters
    ----------
    x : array
    axis : int, tuple of int, or None

    Returns
    -------
    tuple of int

    Raises
    ------
    FunctionFault
        If x has no such axis.
    """
    rank = len(x.shape)
    if axis is None:
        return tuple(range(rank))
    given = axis if isinstance(axis, tuple) else (axis,)
    for k in given:
        if not isinstance(k, int) or not -rank <= k < rank:
            raise FunctionFault(f"there is no axis {k} in an array of shape {x.shape}")
    axes = tuple(sorted(k % rank for k in given))
    if len(set(axes)) < len(axes):
        raise FunctionFault(f"axis {axis} names an axis twice")
    return axes


def _count(x: Array, axis: Axis) -> int:
    return prod(x.shape[k] for k in axes_of(x, axis))


def _sum(a: Arithmetic, x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    return x.sum(axis=axes_of(x, axis), keepdims=keepdims)


def _mean(a: Arithmetic, x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    return _sum(a, x, axis, keepdims) / _n(a, _count(x, axis))


def _var(
    a: Arithmetic, x: Array, axis: Axis = None, keepdims: bool = False, ddof: int = 0
) -> Array:
    distance = x - _mean(a, x, axis, True)
    return _sum(a, distance * distance, axis, keepdims) / _n(a, _count(x, axis) - ddof)


def _std(
    a: Arithmetic, x: Array, axis: Axis = None, keepdims: bool = False, ddof: int = 0
) -> Array:
    return a.apply("sqrt", _var(a, x, axis, keepdims, ddof))


def _folded(step: Callable[[Arithmetic, Array, Array], Array]) -> Callable[..., Array]:
    """Return a reduction that takes the elements along its axes one after the other."""

    def fold(a: Arithmetic, x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
        axes = axes_of(x, axis)
        kept = tuple(k for k in range(len(x.shape)) if k not in axes)
        count = _count(x, axis)
        if not count:
            raise FunctionFault(f"nothing to reduce in an array of shape {x.shape}")
        rows = x.transpose(axes + kept).reshape((count, *(x.shape[k] for k in kept)))
        result = rows[0]
        for k in range(1, count):
            result = step(a, result, rows[k])
        shape = tuple(1 if k in axes else n for k, n in enumerate(x.shape))
        return result.reshape(shape) if keepdims else result

    return fold


_max = _folded(_maximum)
_min = _folded(_minimum)
_prod = _folded(lambda a, x, y: x * y)


def _extreme(fold: Callable[..., Array], pair: Callable[..., Array]) -> Callable[..., Array]:
    """Return ``max`` as texts use it: over an array, or of two arguments, ``max(0, z)``."""

    def extreme(
        a: Arithmetic, x: Array, y: Array | None = None, axis: Axis = None, keepdims: bool = False
    ) -> Array:
        return fold(a, x, axis, keepdims) if y is None else pair(a, x, y)

    return extreme


def _logsumexp(a: Arithmetic, x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    return a.apply("log", _sum(a, a.apply("exp", x), axis, keepdims))


def _norm(
    a: Arithmetic, x: Array, ord: int | None = None, axis: Axis = None, keepdims: bool = False
) -> Array:
    vector = len(axes_of(x, axis)) <= 1
    if ord is None or (ord == 2 and vector):
        return a.apply("sqrt", _sum(a, x * x, axis, keepdims))
    if ord == 1 and vector:
        return _sum(a, _absolute(a, x), axis, keepdims)
    raise FunctionFault(f"the norm of order {ord} of an array of shape {x.shape} is not known here")


_REDUCED = ("axis", "keepdims")
_REDUCTIONS = {
    "sum": Builtin(_sum, "reduction", options=_REDUCED),
    "mean": Builtin(_mean, "reduction", options=_REDUCED),
    "var": Builtin(_var, "reduction", options=(*_REDUCED, "ddof")),
    "std": Builtin(_std, "reduction", options=(*_REDUCED, "ddof")),
    "prod": Builtin(_prod, "reduction", options=_REDUCED),
    "max": Builtin(_extreme(_max, _maximum), "reduction", ("x", "y"), options=_REDUCED),
    "min": Builtin(_extreme(_min, _minimum), "reduction", ("x", "y"), options=_REDUCED),
    "logsumexp": Builtin(_logsumexp, "reduction", options=_REDUCED),
    "norm": Builtin(_norm, "reduction", options=("ord", *_REDUCED)),
}

# --- along an axis --------------------------------------------------------------------------------


def _softmax(a: Arithmetic, x: Array, axis: Axis = -1) -> Array:
    e = a.apply("exp", x)
    return e / _sum(a, e, axis, True)


def _log_softmax(a: Arithmetic, x: Array, axis: Axis = -1) -> Array:
    return x - _logsumexp(a, x, axis, True)


def _cumsum(a: Arithmetic, x: Array, axis: int | None = None) -> Array:
    if axis is None:
        x, axis = x.reshape((-1,)), 0
    (k,) = axes_of(x, axis)
    front = (slice(None),) * k
    rows = [x[(*front, slice(0, 1))]]
    for i in range(1, x.shape[k]):
        rows.append(rows[-1] + x[(*front, slice(i, i + 1))])
    return a.concatenate(rows, k)


_ALONG = {
    "softmax": Builtin(_softmax, "along", options=("axis",)),
    "log_softmax": Builtin(_log_softmax, "along", options=("axis",)),
    "cumsum": Builtin(_cumsum, "along", options=("axis",)),
}

# --- matrices -------------------------------------------------------------------------------------


def product(x: Array, y: Array) -> Array:
    """Return the matrix product of NumPy's ``@``.

    Parameters
    ----------
    x, y : array

    Returns
    -------
    array

    Raises
    ------
    FunctionFault
        If the shapes do not fit.
    """
    if not fits(x.shape, y.shape):
        raise FunctionFault(
            f"the matrix product of shapes {x.shape} and {y.shape} needs equal inner dimensions"
        )
    return x @ y


def fits(x: Shape, y: Shape) -> bool:
    """Tell whether arrays of two shapes have a matrix product.

    Parameters
    ----------
    x, y : tuple of int

    Returns
    -------
    bool
    """
    if not x or not y or x[-1] != (y[-2] if len(y) > 1 else y[0]):
        return False
    return all(m in (1, n) or n == 1 for m, n in zip(x[-3::-1], y[-3::-1], strict=False))


def _dot(a: Arithmetic, x: Array, y: Array) -> Array:
    return x * y if not x.shape or not y.shape else product(x, y)


def _outer(a: Arithmetic, x: Array, y: Array) -> Array:
    return x.reshape((-1, 1)) * y.reshape((1, -1))


def _inner(a: Arithmetic, x: Array, y: Array) -> Array:
    if x.shape != y.shape:
        raise FunctionFault(f"the inner product of shapes {x.shape} and {y.shape}")
    return (x * y).sum(axis=axes_of(x, None), keepdims=False)


def _square_matrix(x: Array, what: str) -> int:
    if len(x.shape) != 2 or x.shape[0] != x.shape[1]:
        raise FunctionFault(f"the {what} of an array of shape {x.shape}, which is not square")
    return int(x.shape[0])


def _entries(a: Arithmetic, x: Array, what: str) -> list[Array]:
    return [x[k, k] for k in range(_square_matrix(x, what))]


def _trace(a: Arithmetic, x: Array) -> Array:
    first, *others = _entries(a, x, "trace")
    for entry in others:
        first = first + entry
    return first


def _diag(a: Arithmetic, x: Array) -> Array:
    if len(x.shape) == 1:
        return x.reshape((-1, 1)) * _eye(a, x.shape[0])
    return a.concatenate([entry.reshape((1,)) for entry in _entries(a, x, "diagonal")], 0)


def _eliminated(a: Arithmetic, x: Array, right: Array) -> tuple[Array, Array]:
    """Return the determinant of x and x⁻¹ `right`, by Gauss and Jordan's elimination.

    Without a choice of pivots, so that the same operations are done in every arithmetic; of
    matrices drawn at random no pivot is zero.
    """
    n = _square_matrix(x, "inverse")
    rows = a.concatenate([x, right], 1)
    determinant = None
    for k in range(n):
        pivot = rows[k, k]
        determinant = pivot if determinant is None else determinant * pivot
        row = (rows[k] / pivot).reshape((1, -1))
        rows = rows - rows[:, k].reshape((-1, 1)) * row
        rows = a.concatenate([rows[:k], row, rows[k + 1 :]], 0)
    return determinant, rows[:, n:]


def _det(a: Arithmetic, x: Array) -> Array:
    return _eliminated(a, x, x)[0]


def _inv(a: Arithmetic, x: Array) -> Array:
    return _eliminated(a, x, _eye(a, _square_matrix(x, "inverse")))[1]


def _solve(a: Arithmetic, x: Array, y: Array) -> Array:
    n = _square_matrix(x, "inverse")
    if not y.shape or y.shape[0] != n or len(y.shape) > 2:
        raise FunctionFault(f"solving a system of {n} equations for shape {y.shape}")
    return _eliminated(a, x, y.reshape((n, -1)))[1].reshape(y.shape)


def _transpose(a: Arithmetic, x: Array, axes: tuple[int, ...] | None = None) -> Array:
    order = tuple(range(len(x.shape)))[::-1] if axes is None else axes
    if sorted(order) != list(range(len(x.shape))):
        raise FunctionFault(f"axes {axes} are not those of an array of shape {x.shape}")
    return x.transpose(order)


_PAIR = ("x", "y")
_MATRICES = {
    "dot": Builtin(_dot, "matrix", _PAIR, 2),
    "matmul": Builtin(lambda a, x, y: product(x, y), "matrix", _PAIR, 2),
    "outer": Builtin(_outer, "matrix", _PAIR, 2),
    "inner": Builtin(_inner, "matrix", _PAIR, 2),
    "trace": Builtin(_trace, "matrix"),
    "det": Builtin(_det, "matrix"),
    "inv": Builtin(_inv, "matrix"),
    "solve": Builtin(_solve, "matrix", _PAIR, 2),
    "diag": Builtin(_diag, "matrix"),
    "transpose": Builtin(_transpose, "matrix", options=("axes",)),
}

# --- shapes ---------------------------------------------------------------------------------------


def _reshape(a: Arithmetic, x: Array, shape: int | tuple[int, ...]) -> Array:
    given = shape if isinstance(shape, tuple) else (shape,)
    known = prod(n for n in given if n != -1)
    size = prod(x.shape)
    if given.count(-1) > 1 or known <= 0 or size % known or (-1 not in given and size != known):
        raise FunctionFault(f"an array of shape {x.shape} cannot be reshaped to {given}")
    return x.reshape(given)


def _expand_dims(a: Arithmetic, x: Array, axis: int) -> Array:
    rank = len(x.shape) + 1
    if not isinstance(axis, int) or not -rank <= axis < rank:
        raise FunctionFault(f"there is no place {axis} for an axis in shape {x.shape}")
    k = axis % rank
    return x.reshape((*x.shape[:k], 1, *x.shape[k:]))


def _squeeze(a: Arithmetic, x: Array, axis: Axis = None) -> Array:
    chosen = None if axis is None else axes_of(x, axis)
    if chosen is not None and any(x.shape[k] != 1 for k in chosen):
        raise FunctionFault(f"axis {axis} of shape {x.shape} is not of length 1")
    return x.reshape(
        tuple(
            n for k, n in enumerate(x.shape) if n != 1 or (chosen is not None and k not in chosen)
        )
    )


def _concatenate(a: Arithmetic, parts: Sequence[Array], axis: int = 0) -> Array:
    if len({len(x.shape) for x in parts}) != 1 or not parts[0].shape:
        raise FunctionFault("arrays that are joined need the same number of axes")
    (k,) = axes_of(parts[0], axis)
    rest = {(*x.shape[:k], *x.shape[k + 1 :]) for x in parts}
    if len(rest) != 1:
        shapes = " and ".join(str(x.shape) for x in parts)
        raise FunctionFault(f"shapes {shapes} cannot be joined along axis {axis}")
    return a.concatenate(parts, k)


def stacked(a: Arithmetic, parts: Sequence[Array], axis: int = 0) -> Array:
    """Return arrays of one shape joined along a new axis.

    Parameters
    ----------
    a : Arithmetic
    parts : sequence of array
    axis : int

    Returns
    -------
    array

    Raises
    ------
    FunctionFault
        If the shapes differ.
    """
    if len({x.shape for x in parts}) != 1:
        shapes = " and ".join(str(x.shape) for x in parts)
        raise FunctionFault(f"shapes {shapes} cannot be stacked")
    return a.concatenate([_expand_dims(a, x, axis) for x in parts], axis)


_SHAPES = {
    "reshape": Builtin(_reshape, "shape", options=("shape",)),
    "ravel": Builtin(lambda a, x: x.reshape((-1,)), "shape"),
    "expand_dims": Builtin(_expand_dims, "shape", options=("axis",)),
    "squeeze": Builtin(_squeeze, "shape", options=("axis",)),
    "concatenate": Builtin(_concatenate, "shape", options=("axis",), listed=True),
    "stack": Builtin(stacked, "shape", options=("axis",), listed=True),
}

# --- creation -------------------------------------------------------------------------------------


def _filled(value: int) -> Callable[..., Array]:
    def create(a: Arithmetic, shape: int | tuple[int, ...]) -> Array:
        given = shape if isinstance(shape, tuple) else (shape,)
        if any(not isinstance(n, int) or not 0 < n < 10_000 for n in given):
            raise FunctionFault(f"{given} is not a shape")
        return a.integers(onp.full(given, value))

    return create


def _eye(a: Arithmetic, n: int) -> Array:
    if not isinstance(n, int) or not 0 < n < 1_000:
        raise FunctionFault(f"there is no identity matrix of {n} rows")
    return a.integers(onp.eye(n, dtype=int))


_CREATION = {
    "zeros": Builtin(_filled(0), "creation", (), 0, ("shape",)),
    "ones": Builtin(_filled(1), "creation", (), 0, ("shape",)),
    "eye": Builtin(_eye, "creation", (), 0, ("n",)),
    "zeros_like": Builtin(lambda a, x: a.integers(onp.zeros(x.shape, int)), "along"),
    "ones_like": Builtin(lambda a, x: a.integers(onp.ones(x.shape, int)), "along"),
}

BUILTINS: dict[str, Builtin] = {
    **_ELEMENTWISE,
    **_REDUCTIONS,
    **_ALONG,
    **_MATRICES,
    **_SHAPES,
    **_CREATION,
}
"""Every function of the notation by its name."""

ALIASES = {
    "absolute": "abs",
    "acos": "arccos",
    "acosh": "arccosh",
    "amax": "max",
    "amin": "min",
    "arcosh": "arccosh",
    "arsinh": "arcsinh",
    "artanh": "arctanh",
    "asin": "arcsin",
    "asinh": "arcsinh",
    "atan": "arctan",
    "atanh": "arctanh",
    "average": "mean",
    "expit": "sigmoid",
    "flatten": "ravel",
    "id": "identity",
    "inverse": "inv",
    "leakyrelu": "leaky_relu",
    "lse": "logsumexp",
    "ln": "log",
    "logistic": "sigmoid",
    "logsigmoid": "log_sigmoid",
    "logsoftmax": "log_softmax",
    "pow": "power",
    "ReLU": "relu",
    "sgn": "sign",
    "sigma": "sigmoid",
    "swish": "silu",
    "tr": "trace",
    "Var": "var",
}
"""Other names of the same functions."""


def builtin(name: str) -> Builtin | None:
    """Return a function of the notation.

    Parameters
    ----------
    name : str

    Returns
    -------
    Builtin or None
        None if the notation has no function of this name.

    Examples
    --------
    >>> builtin("ln") is builtin("log")
    True
    >>> builtin("softmax").options
    ('axis',)
    """
    return BUILTINS.get(ALIASES.get(name, name))
