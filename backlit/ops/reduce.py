"""Reductions: sum, mean, average, var and std; and, from their own modules, the others."""

from __future__ import annotations

from typing import Any

import numpy as onp

from backlit.core.errors import ShapeError
from backlit.core.tracer import Tracer, bind
from backlit.ops.axes import AXES_CASES as AXES_CASES
from backlit.ops.axes import Axes as Axes
from backlit.ops.axes import as_float as as_float
from backlit.ops.axes import element_count, keep_axes, reduced, restore_axes
from backlit.ops.elementwise import astype, divide, equal, multiply, square, subtract, where
from backlit.ops.extremes import all as all
from backlit.ops.extremes import any as any
from backlit.ops.extremes import argmax as argmax
from backlit.ops.extremes import argmin as argmin
from backlit.ops.extremes import max as max
from backlit.ops.extremes import min as min
from backlit.ops.extremes import ptp as ptp
from backlit.ops.families import dtype_of, elementwise, linear, shape_of
from backlit.ops.namesake import gather, namesake, refuse
from backlit.ops.running import cumprod as cumprod
from backlit.ops.running import cumsum as cumsum
from backlit.ops.running import prod as prod
from backlit.ops.shaping import normalise_axes, reshape, stretch, transpose

__all__ = ["keep_axes", "reduced", "restore_axes"]

# --- sum, mean --------------------------------------------------------------------------------


def _spread(g: Any, x: Any, axes: Axes) -> Any:
    """Give every summed element the cotangent of its sum."""
    if type(g) is onp.float64 and type(x) is onp.ndarray:  # the whole of an array
        out = onp.empty(x.shape)
        out.fill(g)
        return out
    wide = restore_axes(g, x, axes)
    if type(wide) is Tracer:
        return stretch(wide, shape_of(x))
    out = onp.empty(shape_of(x), dtype_of(wide))
    out[...] = wide
    return out


_sum = linear(
    "sum",
    lambda x, *, axes: onp.add.reduce(x, axis=axes),
    lambda x, *, axes: reduced(x, axes, onp.sum(onp.ones(1, x.dtype)).dtype),
    lambda slot, g, x, *, axes: _spread(g, x, axes),
    latex=r"\sum {0}",
    flops=element_count,
    cases=AXES_CASES,
)


def sum(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    **options: Any,
) -> Any:
    """Add up elements over axes, as in NumPy.

    The derivative in every element is 1: the cotangent is spread over the summed axes.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
        Default: all axes.
    dtype : dtype, optional
        Type to add in.
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
    >>> sum(onp.ones((2, 3)), axis=0)
    array([2., 2., 2.])
    >>> bl.grad(sum)(onp.ones(3))
    array([1., 1., 1.])
    """
    if type(a) is not Tracer:
        a = gather(a)
        if type(a) is not Tracer:
            return onp.sum(a, axis=axis, dtype=dtype, out=out, keepdims=keepdims, **options)
    if out is not None or options:
        refuse("sum", {"out": out, **options})
    if dtype is not None:
        a = astype(a, dtype)
    axes = normalise_axes(axis, a.ndim)
    total = keep_axes(bind(_sum, a, axes=axes), a, axes, keepdims)
    return total if dtype is None else astype(total, dtype)  # integers were added in 64 bits


def _count(a: Any, axes: Axes) -> int:
    total = 1
    for k in axes:
        total *= shape_of(a)[k]
    return total


def mean(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    **options: Any,
) -> Any:
    """Average over axes, as in NumPy: the sum divided by the number n of elements.

    The derivative in every element is 1/n. As in NumPy, float16 is added in float32.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
        Default: all axes.
    dtype : dtype, optional
        Type to add in.
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
    >>> float(mean(onp.array([1.0, 2.0, 6.0])))
    3.0
    >>> bl.grad(mean)(onp.array([1.0, 2.0, 6.0, 3.0]))
    array([0.25, 0.25, 0.25, 0.25])
    """
    if type(a) is not Tracer:
        a = gather(a)
        if type(a) is not Tracer:
            return onp.mean(a, axis=axis, dtype=dtype, out=out, keepdims=keepdims, **options)
    if out is not None or options:
        refuse("mean", {"out": out, **options})
    if dtype is not None and onp.dtype(dtype).kind in "iub":  # NumPy divides floats, and cuts
        total = sum(a, axis, dtype, keepdims=keepdims)
        return astype(divide(total, float(_count(a, normalise_axes(axis, a.ndim)))), dtype)
    if dtype is not None:
        a = astype(a, dtype)
    kind = a.dtype
    half = kind.char == "e" and dtype is None
    if half or kind.kind not in "fc":
        a = astype(a, onp.float32 if half else float)
    axes = normalise_axes(axis, a.ndim)
    total = keep_axes(bind(_sum, a, axes=axes), a, axes, keepdims)
    answer = divide(total, float(_count(a, axes)))
    return astype(answer, kind) if half else answer


@namesake(onp.average, arrays=1)
def average(
    a: Any,
    axis: Any = None,
    weights: Any = None,
    returned: bool = False,
    *,
    keepdims: bool = False,
) -> Any:
    """Return a weighted average, as in NumPy: Σ wᵢ aᵢ / Σ wᵢ.

    The derivative in aᵢ is wᵢ / Σ w, in wᵢ it is (aᵢ − average) / Σ w. Weights that add up to
    zero are an error in NumPy; traced, they give inf or NaN.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
        Default: all axes.
    weights : array_like, optional
        As a, or of the extents of the axes. Default: all equal.
    returned : bool
        Return the sum of the weights as well.
    keepdims : bool
        Keep reduced axes with length one.

    Returns
    -------
    ndarray, or tuple of two

    Examples
    --------
    >>> import backlit as bl
    >>> w = onp.array([3.0, 1.0])
    >>> float(average(onp.array([1.0, 3.0]), weights=w))
    1.5
    >>> bl.grad(lambda x: average(x, weights=w))(onp.array([1.0, 3.0]))
    array([0.75, 0.25])
    """
    shape = shape_of(a)
    axes = normalise_axes(axis, len(shape))
    if weights is None:
        answer = mean(a, axis, keepdims=keepdims)
        scale = onp.full(shape_of(answer), _count(a, axes), dtype_of(answer))
        return (answer, scale) if returned else answer
    weights = gather(weights)
    if shape_of(weights) != shape:
        if shape_of(weights) != tuple([shape[k] for k in axes]) or axis is None:
            raise ShapeError(
                f"weights of shape {shape_of(weights)} fit neither the array, {shape}, nor its "
                f"axes {axes}",
                fix="give a weight for every element, or for every place along the axis",
            )
        weights = transpose(weights, sorted(range(len(axes)), key=lambda j: axes[j]))
        weights = reshape(weights, [n if k in axes else 1 for k, n in enumerate(shape)])
    dtype = onp.result_type(dtype_of(a), dtype_of(weights))
    if dtype_of(a).kind in "iub" or dtype.kind not in "fc":  # as in NumPy: narrow floats lose them
        dtype = onp.result_type(dtype, float)
    weights = stretch(astype(weights, dtype), shape)
    scale = sum(weights, axes, keepdims=keepdims)
    answer = divide(sum(multiply(a, weights), axes, keepdims=keepdims), scale)
    return (answer, scale) if returned else answer


# --- var, std ---------------------------------------------------------------------------------


def _variance(a: Any, axis: Any, dtype: Any, ddof: float, keepdims: bool) -> Any:
    a = as_float(a if dtype is None else astype(a, dtype))
    if a.dtype.itemsize == 2 and dtype is None:
        a = astype(a, onp.float32)  # squares of float16 soon overflow; NumPy does the same
    distance = subtract(a, mean(a, axis=axis, keepdims=True))
    total = sum(square(distance), axis=axis, keepdims=keepdims)
    freedom = _count(a, normalise_axes(axis, a.ndim)) - ddof
    return divide(total, float(freedom if freedom > 0 else 0))


def _like(value: Any, a: Any, dtype: Any) -> Any:
    narrow = dtype is None and a.dtype.kind == "f" and a.dtype.itemsize == 2
    return astype(value, a.dtype) if narrow else value


@namesake(onp.var)
def var(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    **options: Any,
) -> Any:
    """Return the variance over axes, as in NumPy: Σ (aᵢ − mean)² / (n − ddof).

    The derivative in aᵢ is 2 (aᵢ − mean) / (n − ddof).

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
        Default: all axes.
    dtype : dtype, optional
        Type to compute in.
    out, **options
        NumPy's further arguments, only where nothing is traced.
    ddof : float
        Degrees of freedom that are lost: 1 for the unbiased estimate from a sample.
    keepdims : bool
        Keep reduced axes with length one.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import backlit as bl
    >>> float(var(onp.array([1.0, 3.0])))
    1.0
    >>> bl.grad(var)(onp.array([1.0, 3.0]))
    array([-1.,  1.])
    """
    return _like(_variance(a, axis, dtype, ddof, keepdims), a, dtype)


# sqrt with derivative 0 at 0, where a standard deviation is smallest (docs/conventions.md).
_root = elementwise(
    "root_of_variance",
    onp.sqrt,
    lambda x, y: divide(0.5, where(equal(y, 0.0), float("inf"), y)),
    latex=r"\sqrt{{{0}}}",
    domain=((0.2, 3.0),),
)


@namesake(onp.std)
def std(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    **options: Any,
) -> Any:
    """Return the standard deviation over axes, as in NumPy: the square root of `var`.

    The derivative in aᵢ is (aᵢ − mean) / ((n − ddof) std), and 0 where all elements are equal.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
        Default: all axes.
    dtype : dtype, optional
        Type to compute in.
    out, **options
        NumPy's further arguments, only where nothing is traced.
    ddof : float
        Degrees of freedom that are lost: 1 for the unbiased estimate from a sample.
    keepdims : bool
        Keep reduced axes with length one.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import backlit as bl
    >>> float(std(onp.array([1.0, 3.0])))
    1.0
    >>> bl.grad(std)(onp.array([1.0, 3.0]))
    array([-0.5,  0.5])
    >>> bl.grad(std)(onp.array([2.0, 2.0]))
    array([0., 0.])
    """
    return _like(bind(_root, _variance(a, axis, dtype, ddof, keepdims)), a, dtype)
