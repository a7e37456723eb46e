"""NumPy's names for arrays and traced values alike.

Outside a transformation every function hands ndarrays straight to NumPy. What is not here is
fetched from NumPy itself when it is a constant, a type, or a function that makes arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as _np

from backlit.core.tracer import Tracer as _Tracer
from backlit.core.tracer import live_traces as _live_traces
from backlit.ops import elementwise as _ew
from backlit.ops import indexing as _indexing
from backlit.ops import methods as _methods
from backlit.ops import products as _products
from backlit.ops import reduce as _reduce
from backlit.ops import shaping as _shaping
from backlit.ops import softmax as _softmax
from backlit.ops.families import dtype_of as _dtype_of
from backlit.ops.families import shape_of as _shape_of

__all__: list[str] = []


def _export(module: Any, *names: str) -> None:
    for name in names:
        function = getattr(module, name)
        globals()[name] = getattr(function, "direct", function)
        __all__.append(name)


_export(
    _ew, *[name for name, value in vars(_ew).items() if hasattr(value, "direct") and name[0] != "_"]
)
_export(_ew, "power", "clip", "where", "astype")
_export(
    _shaping,
    *("reshape ravel expand_dims squeeze transpose swapaxes moveaxis broadcast_to").split(),
    *("broadcast_arrays concatenate stack vstack hstack split pad flip roll tile repeat").split(),
)
_export(
    _reduce,
    *("sum mean average var std prod max min argmax argmin all any cumsum").split(),
)
_export(_softmax, *"logsumexp softmax log_softmax".split())
_export(_products, *"matmul einsum dot outer inner tensordot trace diagonal".split())
_export(_indexing, *"take take_along_axis one_hot count_nonzero index_set".split())
"""`one_hot`, `sigmoid`, `softplus`, `relu`, `softmax` and the like go beyond NumPy's own list."""

abs = globals()["absolute"]
amax, amin = _reduce.max, _reduce.min
pow = _ew.power
permute_dims = _shaping.transpose
concat = _shaping.concatenate
acos, asin, atan, atan2 = (globals()[f"arc{n}"] for n in ("cos", "sin", "tan", "tan2"))
acosh, asinh, atanh = (globals()[f"arc{n}"] for n in ("cosh", "sinh", "tanh"))
__all__ += ["abs", "amax", "amin", "pow", "permute_dims", "concat"]
__all__ += ["acos", "asin", "atan", "atan2", "acosh", "asinh", "atanh"]


# --- arrays made inside a function ------------------------------------------------------------


def _fillable(value: Any) -> Any:
    """Let an array made inside a transformation receive traced values by item assignment."""
    running = _live_traces()
    return running[-1].constant(value) if running else value


def zeros(shape: Any, dtype: Any = float) -> Any:
    """Return zeros; inside a transformation the array can be filled with traced values.

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
    return _fillable(_np.zeros(_shaping.as_shape(shape), dtype))


def ones(shape: Any, dtype: Any = float) -> Any:
    """Return ones; see `zeros`.

    Examples
    --------
    >>> ones(2)
    array([1., 1.])
    """
    return _fillable(_np.ones(_shaping.as_shape(shape), dtype))


def empty(shape: Any, dtype: Any = float) -> Any:
    """Return an array to be filled (zeros, so that nothing is undefined); see `zeros`.

    Examples
    --------
    >>> empty(2)
    array([0., 0.])
    """
    return zeros(shape, dtype)


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    """Return an array of one value, which may be traced.

    Examples
    --------
    >>> full(2, 7.0)
    array([7., 7.])
    """
    if type(fill_value) is _Tracer:
        value = fill_value if dtype is None else _ew.astype(fill_value, dtype)
        return _shaping.broadcast_to(value, shape) + _np.zeros((), value.dtype)
    return _fillable(_np.full(_shaping.as_shape(shape), fill_value, dtype))


def zeros_like(a: Any, dtype: Any = None) -> Any:
    """Return zeros of an array's shape and type; see `zeros`.

    Examples
    --------
    >>> zeros_like(_np.ones(2))
    array([0., 0.])
    """
    return zeros(_shape_of(a), dtype or _dtype_of(a))


def ones_like(a: Any, dtype: Any = None) -> Any:
    """Return ones of an array's shape and type; see `zeros`.

    Examples
    --------
    >>> ones_like(_np.zeros(2))
    array([1., 1.])
    """
    return ones(_shape_of(a), dtype or _dtype_of(a))


empty_like = zeros_like


def full_like(a: Any, fill_value: Any, dtype: Any = None) -> Any:
    """Return an array of one value with another's shape and type; see `full`.

    Examples
    --------
    >>> full_like(_np.zeros(2), 3.0)
    array([3., 3.])
    """
    return full(_shape_of(a), fill_value, dtype or _dtype_of(a))


def array(object: Any, dtype: Any = None) -> Any:
    """Make an array from nested lists, whose elements may be traced.

    Examples
    --------
    >>> import backlit as bl
    >>> float(bl.grad(lambda x: array([x, 2.0 * x]).sum())(1.0))
    3.0
    """
    if type(object) is _Tracer:
        return object.copy() if dtype is None else _ew.astype(object, dtype)
    if _holds_tracer(object):
        parts = [array(part, dtype) for part in object]
        return _shaping.stack(parts)
    return _fillable(_np.array(object, dtype))


def asarray(a: Any, dtype: Any = None) -> Any:
    """Return an array or traced value unchanged; make one from anything else.

    Examples
    --------
    >>> asarray([1.0, 2.0])
    array([1., 2.])
    """
    if type(a) is _Tracer:
        return a if dtype is None else _ew.astype(a, dtype)
    return array(a, dtype) if _holds_tracer(a) else _np.asarray(a, dtype)


def _holds_tracer(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return bool(_np.any([_holds_tracer(part) for part in value]))
    return type(value) is _Tracer


def copy(a: Any) -> Any:
    """Return a copy.

    Examples
    --------
    >>> copy(_np.ones(1))
    array([1.])
    """
    return a.copy() if type(a) is _Tracer else _fillable(_np.array(a))


def round(a: Any, decimals: int = 0) -> Any:
    """Round to decimals; the gradient is zero.

    Examples
    --------
    >>> float(round(1.26, 1))
    1.3
    """
    if type(a) is not _Tracer:
        return _np.round(a, decimals)
    scale = 10.0**decimals
    return _ew.rint(a * scale) / scale if decimals else _ew.rint(a)


def shape(a: Any) -> tuple[int, ...]:
    """Return the shape of an array.

    Examples
    --------
    >>> shape([[1, 2]])
    (1, 2)
    """
    return _shape_of(a)


def ndim(a: Any) -> int:
    """Return the number of dimensions.

    Examples
    --------
    >>> ndim([[1, 2]])
    2
    """
    return len(_shape_of(a))


def size(a: Any) -> int:
    """Return the number of elements.

    Examples
    --------
    >>> size([[1, 2]])
    2
    """
    return int(_np.prod(_shape_of(a), dtype=_np.int64))


def atleast_1d(a: Any) -> Any:
    """Give a scalar one dimension.

    Examples
    --------
    >>> atleast_1d(1.0)
    array([1.])
    """
    return _shaping.reshape(a, (1,)) if _shape_of(a) == () else asarray(a)


def diff(a: Any, axis: int = -1) -> Any:
    """Return differences of neighbours along an axis.

    Examples
    --------
    >>> diff(_np.array([1.0, 4.0, 9.0]))
    array([3., 5.])
    """
    if type(a) is not _Tracer:
        return _np.diff(a, axis=axis)
    before = (slice(None),) * _shaping.normalise_axis(axis, a.ndim)
    return a[(*before, slice(1, None))] - a[(*before, slice(None, -1))]


def ptp(a: Any, axis: Any = None) -> Any:
    """Return the largest element less the smallest.

    Examples
    --------
    >>> float(ptp(_np.array([1.0, 4.0])))
    3.0
    """
    return _reduce.max(a, axis) - _reduce.min(a, axis)


__all__ += "zeros ones empty full zeros_like ones_like empty_like full_like array asarray".split()
__all__ += "copy round shape ndim size atleast_1d diff ptp".split()

_methods.register_namespace({name: globals()[name] for name in __all__})

# NumPy's own: constants, types, and functions that only make or describe arrays.
_PASSED_ON = frozenset(
    (
        "pi e inf nan newaxis euler_gamma ndarray generic dtype float16 float32 float64 int8 "
        "int16 int32 int64 uint8 uint16 uint32 uint64 intp bool bool_ integer floating inexact "
        "number finfo iinfo arange linspace logspace geomspace eye identity tri indices "
        "meshgrid result_type promote_types can_cast broadcast_shapes isscalar errstate "
        "array2string set_printoptions tril_indices triu_indices diag_indices unravel_index "
        "ravel_multi_index ix_ issubdtype testing seterr index_exp s_ array_equal allclose "
        "isclose"
    ).split()
)


def __getattr__(name: str) -> Any:
    if name in _PASSED_ON:
        return getattr(_np, name)
    if hasattr(_np, name):
        raise AttributeError(
            f"backlit.numpy does not differentiate numpy.{name}; outside the differentiated "
            f"function use numpy.{name} itself"
        )
    raise AttributeError(f"neither NumPy nor backlit.numpy has {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_PASSED_ON})
