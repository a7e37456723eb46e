"""The functions of the notation, one line each: what they take and what they are.

Every function is put together from the operations of an `Arithmetic`, so that one definition serves
double precision, the engine, decimal numbers, residues and dual numbers alike. Those of numbers are
in `elementwise`, those along axes in `reductions`, the others here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as onp

from backlit.explain.equation.values.arithmetic import Arithmetic, Array, Shape
from backlit.explain.equation.values.builtin import Builtin as Builtin
from backlit.explain.equation.values.builtin import FunctionFault as FunctionFault
from backlit.explain.equation.values.builtin import number as _n
from backlit.explain.equation.values.builtin import room
from backlit.explain.equation.values.elementwise import ELEMENTWISE
from backlit.explain.equation.values.reductions import ALONG, REDUCTIONS, Axis, axes_of

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
    columns = y.shape[-1:] if len(y.shape) > 1 else ()
    room((*x.shape[:-1], *columns), x.shape[-1])
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
    room((prod(x.shape), prod(y.shape)))
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


def _swapaxes(a: Arithmetic, x: Array, axis1: int, axis2: int) -> Array:
    order = list(range(len(x.shape)))
    (i,), (j,) = axes_of(x, axis1), axes_of(x, axis2)
    order[i], order[j] = order[j], order[i]
    return x.transpose(tuple(order))


def _broadcast_to(a: Arithmetic, x: Array, shape: int | tuple[int, ...]) -> Array:
    wanted = shape if isinstance(shape, tuple) else (shape,)
    padded = (1,) * (len(wanted) - len(x.shape)) + x.shape
    if len(padded) != len(wanted) or any(
        m not in (1, n) for m, n in zip(padded, wanted, strict=False)
    ):
        raise FunctionFault(f"an array of shape {x.shape} cannot be repeated to {wanted}")
    return a.broadcast(x, room(wanted))


def _beside(axis: int) -> Callable[..., Array]:
    def joined(a: Arithmetic, parts: Sequence[Array]) -> Array:
        rank = min(len(x.shape) for x in parts)
        if axis == 0:
            rows = [x.reshape((1, *x.shape)) if len(x.shape) < 2 else x for x in parts]
            return _concatenate(a, rows, 0)
        return _concatenate(a, parts, 0 if rank < 2 else axis)

    return joined


def _vec(a: Arithmetic, x: Array) -> Array:
    """Return the columns of x, one below the other, as a vector."""
    return x.transpose(tuple(range(len(x.shape)))[::-1]).reshape((-1,))


_SHAPES = {
    "swapaxes": Builtin(_swapaxes, "shape", options=("axis1", "axis2")),
    "broadcast_to": Builtin(_broadcast_to, "shape", options=("shape",)),
    "hstack": Builtin(_beside(1), "shape", listed=True),
    "vstack": Builtin(_beside(0), "shape", listed=True),
    "vec": Builtin(_vec, "shape"),
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
        if any(not isinstance(n, int) or n < 1 for n in given):
            raise FunctionFault(f"{given} is not a shape")
        return a.integers(onp.full(room(given), value))

    return create


def _eye(a: Arithmetic, n: int) -> Array:
    if not isinstance(n, int) or n < 1:
        raise FunctionFault(f"there is no identity matrix of {n} rows")
    room((n, n))
    return a.integers(onp.eye(n, dtype=int))


def _len(a: Arithmetic, x: Array) -> Array:
    if not x.shape:
        raise FunctionFault("a single number has no length")
    return _n(a, x.shape[0])


_CREATION = {
    "zeros": Builtin(_filled(0), "creation", (), 0, ("shape",)),
    "ones": Builtin(_filled(1), "creation", (), 0, ("shape",)),
    "shape": Builtin(lambda a, x: a.integers(onp.array(x.shape, int)), "size"),
    "size": Builtin(lambda a, x: _n(a, prod(x.shape)), "size"),
    "len": Builtin(_len, "size"),
    "eye": Builtin(_eye, "creation", (), 0, ("n",)),
    "zeros_like": Builtin(lambda a, x: a.integers(onp.zeros(x.shape, int)), "along"),
    "ones_like": Builtin(lambda a, x: a.integers(onp.ones(x.shape, int)), "along"),
}

BUILTINS: dict[str, Builtin] = {
    **ELEMENTWISE,
    **REDUCTIONS,
    **ALONG,
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
    "gammaln": "loggamma",
    "lgamma": "loggamma",
    "flatten": "ravel",
    "id": "identity",
    "inverse": "inv",
    "leakyrelu": "leaky_relu",
    "lse": "logsumexp",
    "ln": "log",
    "logistic": "sigmoid",
    "logsigmoid": "log_sigmoid",
    "logsoftmax": "log_softmax",
    "heaviside": "step",
    "hard_tanh": "hardtanh",
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
