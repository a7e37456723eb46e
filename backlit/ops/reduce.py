"""Reductions: sum, mean, var, std, prod, max, min, argmax, logsumexp, softmax, cumsum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as onp

from backlit.core.aval import AbstractValue
from backlit.core.errors import ShapeError
from backlit.core.primitive import Case
from backlit.core.tracer import Tracer, bind
from backlit.ops.elementwise import (
    astype,
    divide,
    equal,
    multiply,
    sqrt,
    square,
    subtract,
    where,
)
from backlit.ops.families import constant, custom, dtype_of, linear, shape_of
from backlit.ops.shaping import (
    broadcast_to,
    concatenate,
    expand_dims,
    flip,
    normalise_axes,
    normalise_axis,
    ravel,
    reshape,
    transpose,
)

Axes = tuple[int, ...]


def reduced(x: AbstractValue, axes: Axes, dtype: Any = None) -> AbstractValue:
    """Return the type of a reduction's result."""
    shape = tuple([n for k, n in enumerate(x.shape) if k not in axes])
    return AbstractValue(shape, x.dtype if dtype is None else onp.dtype(dtype))


def restore_axes(value: Any, like: Any, axes: Axes) -> Any:
    """Put the reduced axes back with length one."""
    if len(axes) == len(shape_of(like)):
        return value
    return expand_dims(value, axes)


def keep_axes(value: Any, like: Any, axes: Axes, keepdims: bool) -> Any:
    """Put reduced axes back with length one if they are to be kept."""
    if not keepdims:
        return value
    return reshape(value, tuple([1 if k in axes else n for k, n in enumerate(shape_of(like))]))


AXES_CASES = tuple(
    Case((shape,), {"axes": axes})
    for shape, axes in (((3,), (0,)), ((2, 3), (1,)), ((2, 3, 2), (0, 2)), ((2, 3), (0, 1)))
)


def _size(out: AbstractValue, avals: Any, params: Any) -> int:
    return int(avals[0].size)


# --- sum, mean, var, std ----------------------------------------------------------------------


def _spread(g: Any, x: Any, axes: Axes) -> Any:
    """Give every summed element the cotangent of its sum."""
    wide = restore_axes(g, x, axes)
    if type(wide) is Tracer:
        return broadcast_to(wide, shape_of(x))
    out = onp.empty(shape_of(x), dtype_of(wide))
    out[...] = wide
    return out


_sum = linear(
    "sum",
    lambda x, *, axes: onp.add.reduce(x, axis=axes),
    lambda x, *, axes: reduced(x, axes, onp.sum(onp.ones(1, x.dtype)).dtype),
    lambda slot, g, x, *, axes: _spread(g, x, axes),
    latex=r"\sum {0}",
    flops=_size,
    cases=AXES_CASES,
)


def sum(a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """Add up elements over axes, as in NumPy.

    Examples
    --------
    >>> sum(onp.ones((2, 3)), axis=0)
    array([2., 2., 2.])
    """
    if type(a) is not Tracer:
        return onp.sum(a, axis=axis, dtype=dtype, keepdims=keepdims)
    if dtype is not None:
        a = astype(a, dtype)
    axes = normalise_axes(axis, a.ndim)
    return keep_axes(bind(_sum, a, axes=axes), a, axes, keepdims)


def as_float(a: Any) -> Any:
    """Return an array of floats."""
    return a if dtype_of(a).kind in "fc" else astype(a, float)


def _count(a: Any, axes: Axes) -> int:
    total = 1
    for k in axes:
        total *= shape_of(a)[k]
    return total


def mean(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Average over axes: the sum divided by the number of elements.

    Examples
    --------
    >>> float(mean(onp.array([1.0, 2.0, 6.0])))
    3.0
    """
    if type(a) is not Tracer:
        return onp.mean(a, axis=axis, keepdims=keepdims)
    a = as_float(a)
    return divide(
        sum(a, axis=axis, keepdims=keepdims), float(_count(a, normalise_axes(axis, a.ndim)))
    )


def average(a: Any, axis: int | None = None, weights: Any = None) -> Any:
    """Weighted average, as in NumPy.

    Examples
    --------
    >>> float(average(onp.array([1.0, 3.0]), weights=onp.array([3.0, 1.0])))
    1.5
    """
    if weights is None:
        return mean(a, axis)
    if axis is not None and len(shape_of(weights)) == 1 and len(shape_of(a)) > 1:
        k = normalise_axis(axis, len(shape_of(a)))
        weights = reshape(weights, [-1 if j == k else 1 for j in range(len(shape_of(a)))])
    return divide(
        sum(multiply(a, weights), axis), sum(multiply(weights, onp.ones(shape_of(a))), axis)
    )


def var(a: Any, axis: Any = None, ddof: float = 0, keepdims: bool = False) -> Any:
    """Variance over axes: the mean square distance from the mean.

    Examples
    --------
    >>> float(var(onp.array([1.0, 3.0])))
    1.0
    """
    if type(a) is not Tracer:
        return onp.var(a, axis=axis, ddof=ddof, keepdims=keepdims)
    a = as_float(a)
    distance = subtract(a, mean(a, axis=axis, keepdims=True))
    total = sum(square(distance), axis=axis, keepdims=keepdims)
    return divide(total, float(_count(a, normalise_axes(axis, a.ndim)) - ddof))


def std(a: Any, axis: Any = None, ddof: float = 0, keepdims: bool = False) -> Any:
    """Standard deviation over axes.

    Examples
    --------
    >>> float(std(onp.array([1.0, 3.0])))
    1.0
    """
    if type(a) is not Tracer:
        return onp.std(a, axis=axis, ddof=ddof, keepdims=keepdims)
    return sqrt(var(a, axis=axis, ddof=ddof, keepdims=keepdims))


# --- prod, cumsum -----------------------------------------------------------------------------

_cumsum = linear(
    "cumsum",
    lambda x, *, axis: onp.cumsum(x, axis=axis),
    lambda x, *, axis: AbstractValue(x.shape, onp.cumsum(onp.ones(1, x.dtype)).dtype),
    lambda slot, g, x, *, axis: flip(cumsum(flip(g, axis), axis), axis),
    latex=r"\operatorname{{cumsum}}({0})",
    flops=_size,
    cases=(Case(((4,),), {"axis": 0}), Case(((2, 3),), {"axis": 1})),
)


def cumsum(a: Any, axis: int | None = None) -> Any:
    """Running sum along an axis, as in NumPy.

    Examples
    --------
    >>> cumsum(onp.array([1.0, 2.0, 3.0]))
    array([1., 3., 6.])
    """
    if type(a) is not Tracer:
        return onp.cumsum(a, axis=axis)
    if axis is None:
        a, axis = ravel(a), 0
    return bind(_cumsum, a, axis=normalise_axis(axis, a.ndim))


def _others_product(x: Any, axes: Axes) -> Any:
    """Return, per element, the product of all the others: correct where elements are zero."""
    rank = len(shape_of(x))
    if 0 in shape_of(x):
        return onp.ones(shape_of(x), dtype_of(x))
    rest = tuple([k for k in range(rank) if k not in axes])
    order = (*rest, *axes)
    moved = transpose(x, order)
    flat = reshape(moved, (*[shape_of(x)[k] for k in rest], -1))
    one = onp.ones((*shape_of(flat)[:-1], 1), dtype_of(x))
    last = len(shape_of(flat)) - 1
    before = (slice(None),) * last
    pieces_left, pieces_right = [one], [one]
    n = shape_of(flat)[-1]
    # Prefix and suffix products; n − 1 multiplications each, no division, so zeros are harmless.
    for k in range(n - 1):
        pieces_left.append(multiply(pieces_left[-1], flat[(*before, slice(k, k + 1))]))
        pieces_right.append(multiply(pieces_right[-1], flat[(*before, slice(n - 1 - k, n - k))]))
    prefix = concatenate(pieces_left, last)
    suffix = concatenate(list(reversed(pieces_right)), last)
    product = reshape(multiply(prefix, suffix), shape_of(moved))
    return transpose(product, tuple([order.index(k) for k in range(rank)]))


_prod = custom(
    "prod",
    lambda x, *, axes: onp.prod(x, axis=axes),
    lambda x, *, axes: reduced(x, axes, onp.prod(onp.ones(1, x.dtype)).dtype),
    lambda t, y, args, p: (
        None
        if t[0] is None
        else sum(multiply(t[0], _others_product(args[0], p["axes"])), p["axes"])
    ),
    lambda g, y, args, p, needs: (
        multiply(restore_axes(g, args[0], p["axes"]), _others_product(args[0], p["axes"])),
    ),
    latex=r"\prod {0}",
    flops=_size,
    cases=AXES_CASES,
)


def prod(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Multiply elements over axes; the gradient is exact where elements are zero.

    Examples
    --------
    >>> import backlit as bl
    >>> bl.grad(prod)(onp.array([0.0, 2.0, 3.0]))
    array([6., 0., 0.])
    """
    if type(a) is not Tracer:
        return onp.prod(a, axis=axis, keepdims=keepdims)
    axes = normalise_axes(axis, a.ndim)
    return keep_axes(bind(_prod, a, axes=axes), a, axes, keepdims)


# --- max, min, argmax -------------------------------------------------------------------------


def _winners(x: Any, y: Any, axes: Axes) -> Any:
    """Return each element's share of the extreme value: ties share equally."""
    mask = astype(equal(x, restore_axes(y, x, axes)), dtype_of(x))
    return divide(mask, restore_axes(sum(mask, axes), x, axes))


def _winning_tangent(tangent: Any, y: Any, x: Any, axes: Axes) -> Any:
    if tangent is None:
        return None
    share = _winners(x, y, axes)
    # An element that lost has no say, even when its tangent is infinite.
    return sum(where(equal(share, 0.0), 0.0, multiply(tangent, share)), axes)


def _extreme(name: str, impl: Callable[..., Any], latex: str) -> Any:
    return custom(
        name,
        lambda x, *, axes: impl(x, axis=axes),
        lambda x, *, axes: _nonempty(name, x, axes),
        lambda t, y, args, p: _winning_tangent(t[0], y, args[0], p["axes"]),
        lambda g, y, args, p, needs: (
            multiply(restore_axes(g, args[0], p["axes"]), _winners(args[0], y, p["axes"])),
        ),
        latex=latex,
        selects=True,
        flops=_size,
        cases=AXES_CASES,
    )


def _nonempty(name: str, x: AbstractValue, axes: Axes) -> AbstractValue:
    if 0 in [x.shape[k] for k in axes]:
        raise ShapeError(f"{name} over an empty axis has no value")
    return reduced(x, axes)


_max = _extreme("max", onp.max, r"\max {0}")
_min = _extreme("min", onp.min, r"\min {0}")


def max(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Return the largest element over axes; tied elements share the gradient equally.

    Examples
    --------
    >>> import backlit as bl
    >>> bl.grad(max)(onp.array([1.0, 3.0, 3.0]))
    array([0. , 0.5, 0.5])
    """
    if type(a) is not Tracer:
        return onp.max(a, axis=axis, keepdims=keepdims)
    axes = normalise_axes(axis, a.ndim)
    return keep_axes(bind(_max, a, axes=axes), a, axes, keepdims)


def min(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Return the smallest element over axes; tied elements share the gradient equally.

    Examples
    --------
    >>> float(min(onp.array([2.0, 1.0])))
    1.0
    """
    if type(a) is not Tracer:
        return onp.min(a, axis=axis, keepdims=keepdims)
    axes = normalise_axes(axis, a.ndim)
    return keep_axes(bind(_min, a, axes=axes), a, axes, keepdims)


def _index_of(name: str, impl: Callable[..., Any]) -> Any:
    return constant(
        name,
        lambda x, *, axis: impl(x, axis=axis),
        1,
        rf"\operatorname{{{{{name}}}}}({{0}})",
        lambda x, *, axis: reduced(x, (axis,), onp.intp),
        (Case(((2, 3),), {"axis": 1}),),
        _size,
    )


_argmax, _argmin = _index_of("argmax", onp.argmax), _index_of("argmin", onp.argmin)


def _arg_function(primitive: Any, a: Any, axis: int | None, keepdims: bool) -> Any:
    if type(a) is not Tracer:
        return (
            primitive.impl(a, axis=axis)
            if not keepdims
            else onp.expand_dims(
                primitive.impl(a, axis=axis),
                axis if axis is not None else tuple(range(onp.ndim(a))),
            )
        )
    if axis is None:
        out = bind(primitive, ravel(a), axis=0)
        return keep_axes(out, a, tuple(range(a.ndim)), keepdims)
    k = normalise_axis(axis, a.ndim)
    return keep_axes(bind(primitive, a, axis=k), a, (k,), keepdims)


def argmax(a: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Return the index of the largest element; it has no gradient.

    Examples
    --------
    >>> int(argmax(onp.array([1.0, 3.0, 2.0])))
    1
    """
    return _arg_function(_argmax, a, axis, keepdims)


def argmin(a: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Return the index of the smallest element; it has no gradient.

    Examples
    --------
    >>> int(argmin(onp.array([1.0, 3.0, 2.0])))
    0
    """
    return _arg_function(_argmin, a, axis, keepdims)


def _logic(name: str, impl: Callable[..., Any]) -> Any:
    return constant(
        name,
        lambda x, *, axes: impl(x, axis=axes),
        1,
        rf"\operatorname{{{{{name}}}}}({{0}})",
        lambda x, *, axes: reduced(x, axes, bool),
        (Case(((2, 3),), {"axes": (1,)}),),
        _size,
    )


_all, _any = _logic("all", onp.all), _logic("any", onp.any)


def all(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Tell whether all elements over axes are true.

    Examples
    --------
    >>> bool(all(onp.array([1.0, 0.0])))
    False
    """
    if type(a) is not Tracer:
        return onp.all(a, axis=axis, keepdims=keepdims)
    axes = normalise_axes(axis, a.ndim)
    return keep_axes(bind(_all, a, axes=axes), a, axes, keepdims)


def any(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Tell whether any element over axes is true.

    Examples
    --------
    >>> bool(any(onp.array([1.0, 0.0])))
    True
    """
    if type(a) is not Tracer:
        return onp.any(a, axis=axis, keepdims=keepdims)
    axes = normalise_axes(axis, a.ndim)
    return keep_axes(bind(_any, a, axes=axes), a, axes, keepdims)
