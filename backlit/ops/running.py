"""Products and running totals: prod, cumsum, cumprod, diff."""

from __future__ import annotations

import operator
from typing import Any

import numpy as onp

from backlit.core.aval import AbstractValue
from backlit.core.errors import ShapeError
from backlit.core.primitive import Case
from backlit.core.tracer import bind
from backlit.ops.axes import AXES_CASES, Axes, element_count, keep_axes, reduced, restore_axes
from backlit.ops.elementwise import add, astype, multiply, not_equal, subtract
from backlit.ops.families import custom, dtype_of, engine, linear, shape_of
from backlit.ops.namesake import namesake
from backlit.ops.shaping import (
    concatenate,
    flip,
    normalise_axes,
    normalise_axis,
    ravel,
    reshape,
    stretch,
    transpose,
)

_CASES = (Case(((4,),), {"axis": 0}), Case(((2, 3),), {"axis": 1}), Case(((1, 2),), {"axis": 0}))


def _along(axis: int, start: int | None, stop: int | None) -> tuple[slice, ...]:
    """Return the index of a stretch of one axis."""
    return (*(slice(None),) * axis, slice(start, stop))


# --- cumsum -----------------------------------------------------------------------------------

_cumsum = linear(
    "cumsum",
    lambda x, *, axis: onp.cumsum(x, axis=axis),
    lambda x, *, axis: AbstractValue(x.shape, onp.cumsum(onp.ones(1, x.dtype)).dtype),
    lambda slot, g, x, *, axis: _sums_from(g, axis),
    latex=r"\operatorname{{cumsum}}({0})",
    flops=element_count,
    cases=_CASES,
)


def _sums_from(g: Any, axis: int) -> Any:
    """Return running sums from the end."""
    return flip(cumsum(flip(g, axis), axis), axis)


def _cumulate(primitive: Any, a: Any, axis: int | None, dtype: Any = None) -> Any:
    if dtype is not None:
        a = astype(a, dtype)
    if axis is None:
        a, axis = ravel(a), 0
    result = bind(primitive, a, axis=normalise_axis(axis, len(shape_of(a))))
    return result if dtype is None else astype(result, dtype)  # integers took 64 bits


@namesake(onp.cumsum)
def cumsum(a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    """Return running sums along an axis, as in NumPy.

    Each element adds to itself and to all that follow, so its cotangent is the sum of theirs.

    Parameters
    ----------
    a : array_like
    axis : int, optional
        Default: over the flattened array.
    dtype : dtype, optional
        Type to add in.
    out : ndarray, optional
        Only where nothing is traced.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import backlit as bl
    >>> cumsum(onp.array([1.0, 2.0, 3.0]))
    array([1., 3., 6.])
    >>> bl.grad(lambda x: cumsum(x).sum())(onp.ones(3))
    array([3., 2., 1.])
    """
    return _cumulate(_cumsum, a, axis, dtype)


# --- cumprod ----------------------------------------------------------------------------------


def _recurrence(a: Any, b: Any, axis: int) -> Any:
    """Return h with hᵢ = aᵢ hᵢ₋₁ + bᵢ along an axis, in log₂ n steps that double in reach.

    After each step, hᵢ = aᵢ hᵢ₋ₛ + bᵢ with s twice as long (P. M. Kogge, H. S. Stone, IEEE Trans.
    Comput. C-22, 1973). No division, so zeros are harmless.
    """
    length, step = shape_of(b)[axis], 1
    while step < length:
        early, late = _along(axis, None, step), _along(axis, step, None)
        before = _along(axis, None, -step)
        far = a[late]
        b = concatenate([b[early], add(b[late], multiply(far, b[before]))], axis)
        if 2 * step < length:
            a = concatenate([a[early], multiply(far, a[before])], axis)
        step *= 2
    return b


def _later(x: Any, axis: int) -> Any:
    """Return x moved one place on, with ones at the start."""
    first = shape_of(x)
    one = onp.ones((*first[:axis], 1, *first[axis + 1 :]), dtype_of(x))
    return concatenate([one, x[_along(axis, None, -1)]], axis) if first[axis] else x


def _cumprod_push(t: Any, y: Any, args: Any, p: Any) -> Any:
    # ẏᵢ = xᵢ ẏᵢ₋₁ + yᵢ₋₁ ẋᵢ
    if t[0] is None:
        return None
    return _recurrence(args[0], multiply(_later(y, p["axis"]), t[0]), p["axis"])


def _cumprod_pull(g: Any, y: Any, args: Any, p: Any, needs: Any) -> Any:
    # x̄ᵢ = yᵢ₋₁ rᵢ with rᵢ = ȳᵢ + xᵢ₊₁ rᵢ₊₁, the recurrence run backwards.
    axis = p["axis"]
    backwards = _recurrence(_later(flip(args[0], axis), axis), flip(g, axis), axis)
    return (multiply(_later(y, axis), flip(backwards, axis)),)


_cumprod = custom(
    "cumprod",
    lambda x, *, axis: onp.cumprod(x, axis=axis),
    lambda x, *, axis: AbstractValue(x.shape, onp.cumprod(onp.ones(1, x.dtype)).dtype),
    _cumprod_push,
    _cumprod_pull,
    latex=r"\operatorname{{cumprod}}({0})",
    flops=element_count,
    cases=_CASES,
)


@namesake(onp.cumprod)
def cumprod(a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    """Return running products along an axis, as in NumPy.

    The derivative of yᵢ = x₀ … xᵢ in an element is the product of the others, computed without
    division, so it is exact where elements are zero.

    Parameters
    ----------
    a : array_like
    axis : int, optional
        Default: over the flattened array.
    dtype : dtype, optional
        Type to multiply in.
    out : ndarray, optional
        Only where nothing is traced.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import backlit as bl
    >>> cumprod(onp.array([1.0, 2.0, 3.0]))
    array([1., 2., 6.])
    >>> bl.grad(lambda x: cumprod(x)[-1])(onp.array([0.0, 2.0, 3.0]))
    array([6., 0., 0.])
    """
    return _cumulate(_cumprod, a, axis, dtype)


# --- prod -------------------------------------------------------------------------------------


def _others_product(x: Any, axes: Axes) -> Any:
    """Return, per element, the product of all the others: correct where elements are zero."""
    shape = shape_of(x)
    if 0 in shape:
        return onp.ones(shape, dtype_of(x))
    rest = tuple([k for k in range(len(shape)) if k not in axes])
    order = (*rest, *axes)
    moved = transpose(x, order)
    flat = reshape(moved, (*[shape[k] for k in rest], -1))
    last = len(rest)
    # What comes before an element times what comes after it.
    before = _later(bind(_cumprod, flat, axis=last), last)
    after = flip(_later(bind(_cumprod, flip(flat, last), axis=last), last), last)
    product = reshape(multiply(before, after), shape_of(moved))
    return transpose(product, tuple([order.index(k) for k in range(len(shape))]))


_prod = custom(
    "prod",
    lambda x, *, axes: onp.prod(x, axis=axes),
    lambda x, *, axes: reduced(x, axes, onp.prod(onp.ones(1, x.dtype)).dtype),
    lambda t, y, args, p: (
        None
        if t[0] is None
        else engine.sum(multiply(t[0], _others_product(args[0], p["axes"])), p["axes"])
    ),
    lambda g, y, args, p, needs: (
        multiply(restore_axes(g, args[0], p["axes"]), _others_product(args[0], p["axes"])),
    ),
    latex=r"\prod {0}",
    flops=element_count,
    cases=AXES_CASES,
)


@namesake(onp.prod)
def prod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    **options: Any,
) -> Any:
    """Multiply elements over axes, as in NumPy.

    The derivative in an element is the product of the others, exact where elements are zero.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
        Default: all axes.
    dtype : dtype, optional
        Type to multiply in.
    out, **options
        NumPy's further arguments, only where nothing is traced.
    keepdims : bool
        Keep reduced axes with length one.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import backlit as bl
    >>> bl.grad(prod)(onp.array([0.0, 2.0, 3.0]))
    array([6., 0., 0.])
    """
    if dtype is not None:
        a = astype(a, dtype)
    axes = normalise_axes(axis, a.ndim)
    result = keep_axes(bind(_prod, a, axes=axes), a, axes, keepdims)
    return result if dtype is None else astype(result, dtype)


# --- diff -------------------------------------------------------------------------------------


def _difference(a: Any, axis: int) -> Any:
    high, low = a[_along(axis, 1, None)], a[_along(axis, None, -1)]
    return not_equal(high, low) if dtype_of(a).kind == "b" else subtract(high, low)


@namesake(onp.diff)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Return differences of neighbours along an axis, taken n times, as in NumPy.

    Linear: the cotangent of each difference goes to one neighbour and, negated, to the other.

    Parameters
    ----------
    a : array_like
    n : int
        How often to take differences.
    axis : int
    prepend, append : array_like, optional
        Put before and after a first.

    Returns
    -------
    ndarray
        Shorter by n along the axis.

    Examples
    --------
    >>> import backlit as bl
    >>> diff(onp.array([1.0, 4.0, 9.0]))
    array([3., 5.])
    >>> bl.grad(lambda x: diff(x, 2).sum())(onp.array([1.0, 4.0, 9.0]))
    array([ 1., -2.,  1.])
    """
    n = operator.index(n)
    if n < 0:
        raise ShapeError(f"diff takes differences n times, and n is {n}", fix="n=1")
    rank = len(shape_of(a))
    if n == 0:
        return a
    if rank == 0:
        raise ShapeError("diff needs an array of at least one dimension", fix="np.atleast_1d(x)")
    axis = normalise_axis(axis, rank)
    edge = (*shape_of(a)[:axis], 1, *shape_of(a)[axis + 1 :])
    pieces = [
        stretch(part, edge) if shape_of(part) == () else part
        for part in (prepend, a, append)
        if part is not None
    ]
    total = concatenate(pieces, axis) if len(pieces) > 1 else a
    for _ in range(n):
        total = _difference(total, axis)
    return total
