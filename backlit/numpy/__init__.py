"""NumPy's names for arrays and traced values alike.

With nothing traced among its arguments every function is NumPy's of the same name, whatever the
arguments (elementwise functions take no keywords, and `sigmoid`, `softplus`, `log_sigmoid`, `erf`,
`erfc`, `relu`, `softmax`, `log_softmax`, `logsumexp`, `one_hot` and `index_set` are not in NumPy).
What is not here is fetched from NumPy itself when it is a constant, a type, or a function that
describes arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as _np

from backlit.numpy._creation import (
    arange,
    array,
    asarray,
    copy,
    empty,
    empty_like,
    eye,
    full,
    full_like,
    geomspace,
    identity,
    linspace,
    logspace,
    ones,
    ones_like,
    tri,
    zeros,
    zeros_like,
)
from backlit.numpy._elementwise import (
    absolute,
    add,
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    bitwise_and,
    bitwise_or,
    bitwise_xor,
    cbrt,
    ceil,
    cos,
    cosh,
    divide,
    equal,
    erf,
    erfc,
    exp,
    exp2,
    expm1,
    floor,
    floor_divide,
    greater,
    greater_equal,
    hypot,
    invert,
    isfinite,
    isinf,
    isnan,
    less,
    less_equal,
    log,
    log1p,
    log2,
    log10,
    log_sigmoid,
    logaddexp,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    maximum,
    minimum,
    multiply,
    negative,
    not_equal,
    positive,
    reciprocal,
    relu,
    remainder,
    rint,
    sigmoid,
    sign,
    sin,
    sinh,
    softplus,
    sqrt,
    square,
    subtract,
    tan,
    tanh,
    trunc,
)
from backlit.numpy._functions import (
    astype,
    atleast_1d,
    clip,
    count_nonzero,
    ndim,
    round,
    shape,
    size,
    where,
)
from backlit.ops.einsum import (
    einsum,
)
from backlit.ops.elementwise import (
    power,
)
from backlit.ops.indexing import (
    index_set,
    one_hot,
    take,
    take_along_axis,
)
from backlit.ops.methods import register_namespace as _register_namespace
from backlit.ops.products import (
    diagonal,
    dot,
    inner,
    matmul,
    outer,
    tensordot,
    trace,
)
from backlit.ops.reduce import (
    all,
    any,
    argmax,
    argmin,
    average,
    cumprod,
    cumsum,
    max,
    mean,
    min,
    prod,
    ptp,
    std,
    sum,
    var,
)
from backlit.ops.running import (
    diff,
)
from backlit.ops.shaping import (
    broadcast_arrays,
    broadcast_to,
    concatenate,
    expand_dims,
    flip,
    hstack,
    moveaxis,
    pad,
    ravel,
    repeat,
    reshape,
    roll,
    split,
    squeeze,
    stack,
    swapaxes,
    tile,
    transpose,
    vstack,
)
from backlit.ops.softmax import (
    log_softmax,
    logsumexp,
    softmax,
)

abs = absolute
amax, amin = max, min
pow = power
permute_dims = transpose
concat = concatenate
acos, asin, atan, atan2 = arccos, arcsin, arctan, arctan2
acosh, asinh, atanh = arccosh, arcsinh, arctanh

__all__ = [
    "abs",
    "absolute",
    "acos",
    "acosh",
    "add",
    "all",
    "amax",
    "amin",
    "any",
    "arange",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "argmax",
    "argmin",
    "array",
    "asarray",
    "asin",
    "asinh",
    "astype",
    "atan",
    "atan2",
    "atanh",
    "atleast_1d",
    "average",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "broadcast_arrays",
    "broadcast_to",
    "cbrt",
    "ceil",
    "clip",
    "concat",
    "concatenate",
    "copy",
    "cos",
    "cosh",
    "count_nonzero",
    "cumprod",
    "cumsum",
    "diagonal",
    "diff",
    "divide",
    "dot",
    "einsum",
    "empty",
    "empty_like",
    "equal",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expand_dims",
    "expm1",
    "eye",
    "flip",
    "floor",
    "floor_divide",
    "full",
    "full_like",
    "geomspace",
    "greater",
    "greater_equal",
    "hstack",
    "hypot",
    "identity",
    "index_set",
    "inner",
    "invert",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "linspace",
    "log",
    "log10",
    "log1p",
    "log2",
    "log_sigmoid",
    "log_softmax",
    "logaddexp",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logspace",
    "logsumexp",
    "matmul",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "moveaxis",
    "multiply",
    "ndim",
    "negative",
    "not_equal",
    "one_hot",
    "ones",
    "ones_like",
    "outer",
    "pad",
    "permute_dims",
    "positive",
    "pow",
    "power",
    "prod",
    "ptp",
    "ravel",
    "reciprocal",
    "relu",
    "remainder",
    "repeat",
    "reshape",
    "rint",
    "roll",
    "round",
    "shape",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "size",
    "softmax",
    "softplus",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "subtract",
    "sum",
    "swapaxes",
    "take",
    "take_along_axis",
    "tan",
    "tanh",
    "tensordot",
    "tile",
    "trace",
    "transpose",
    "tri",
    "trunc",
    "var",
    "vstack",
    "where",
    "zeros",
    "zeros_like",
]

_register_namespace({name: globals()[name] for name in __all__})

# NumPy's own: constants, types, and functions that only describe arrays or index them.
_PASSED_ON = frozenset(
    (
        "pi e inf nan newaxis euler_gamma ndarray generic dtype float16 float32 float64 int8 "
        "int16 int32 int64 uint8 uint16 uint32 uint64 intp bool bool_ integer floating inexact "
        "number finfo iinfo indices meshgrid result_type promote_types can_cast "
        "broadcast_shapes isscalar errstate array2string set_printoptions tril_indices "
        "triu_indices diag_indices unravel_index ravel_multi_index ix_ issubdtype testing seterr "
        "index_exp s_ array_equal allclose isclose"
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
