"""Functions along axes: those that leave one number of many, and those that keep the shape."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from backlit.explain.equation.values.arithmetic import Arithmetic, Array
from backlit.explain.equation.values.builtin import Builtin, FunctionFault
from backlit.explain.equation.values.builtin import number as _n
from backlit.explain.equation.values.elementwise import absolute, maximum, minimum

Axis = int | tuple[int, ...] | None

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


_max = _folded(maximum)
_min = _folded(minimum)
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
    # A column or a row has the norms of a vector.
    vector = len([k for k in axes_of(x, axis) if x.shape[k] != 1]) <= 1
    if ord is None or (ord == 2 and vector):
        return a.apply("sqrt", _sum(a, x * x, axis, keepdims))
    if ord == 1 and vector:
        return _sum(a, absolute(a, x), axis, keepdims)
    raise FunctionFault(f"the norm of order {ord} of an array of shape {x.shape} is not known here")


_REDUCED = ("axis", "keepdims")
REDUCTIONS = {
    "sum": Builtin(_sum, "reduction", options=_REDUCED),
    "mean": Builtin(_mean, "reduction", options=_REDUCED),
    "var": Builtin(_var, "reduction", options=(*_REDUCED, "ddof")),
    "std": Builtin(_std, "reduction", options=(*_REDUCED, "ddof")),
    "prod": Builtin(_prod, "reduction", options=_REDUCED),
    "max": Builtin(_extreme(_max, maximum), "reduction", ("x", "y"), options=_REDUCED),
    "min": Builtin(_extreme(_min, minimum), "reduction", ("x", "y"), options=_REDUCED),
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


ALONG = {
    "softmax": Builtin(_softmax, "along", options=("axis",)),
    "log_softmax": Builtin(_log_softmax, "along", options=("axis",)),
    "cumsum": Builtin(_cumsum, "along", options=("axis",)),
}
