"""Largest and smallest elements, where they are, and tests over axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as onp

from backlit.core.aval import AbstractValue
from backlit.core.errors import ShapeError
from backlit.core.primitive import Case
from backlit.core.tracer import bind
from backlit.ops.axes import AXES_CASES, Axes, element_count, keep_axes, reduced, restore_axes
from backlit.ops.elementwise import astype, divide, equal, multiply, subtract, where
from backlit.ops.families import constant, custom, dtype_of, engine
from backlit.ops.namesake import namesake
from backlit.ops.shaping import normalise_axes, normalise_axis, ravel

# --- max, min ---------------------------------------------------------------------------------


def _winners(x: Any, y: Any, axes: Axes) -> Any:
    """Return each element's share of the extreme value: ties share equally."""
    mask = astype(equal(x, restore_axes(y, x, axes)), dtype_of(x))
    return divide(mask, restore_axes(engine.sum(mask, axes), x, axes))


def _winning_tangent(tangent: Any, y: Any, x: Any, axes: Axes) -> Any:
    if tangent is None:
        return None
    share = _winners(x, y, axes)
    # An element that lost has no say, even when its tangent is infinite.
    return engine.sum(where(equal(share, 0.0), 0.0, multiply(tangent, share)), axes)


def _winning_cotangent(g: Any, y: Any, x: Any, axes: Axes) -> Any:
    share = _winners(x, y, axes)
    # Nor does it get any of an infinite cotangent.
    return where(equal(share, 0.0), 0.0, multiply(restore_axes(g, x, axes), share))


def _extreme(name: str, impl: Callable[..., Any], latex: str) -> Any:
    return custom(
        name,
        lambda x, *, axes: impl(x, axis=axes),
        lambda x, *, axes: _nonempty(name, x, axes),
        lambda t, y, args, p: _winning_tangent(t[0], y, args[0], p["axes"]),
        lambda g, y, args, p, needs: (_winning_cotangent(g, y, args[0], p["axes"]),),
        latex=latex,
        selects=True,
        flops=element_count,
        cases=AXES_CASES,
    )


def _nonempty(name: str, x: AbstractValue, axes: Axes) -> AbstractValue:
    if 0 in [x.shape[k] for k in axes]:
        raise ShapeError(
            f"{name} over an empty axis has no value",
            fix="leave empty arrays out, or put a value in: np.append(x, lowest)",
        )
    return reduced(x, axes)


_max = _extreme("max", onp.max, r"\max {0}")
_min = _extreme("min", onp.min, r"\min {0}")


def _over_axes(primitive: Any, a: Any, axis: Any, keepdims: bool) -> Any:
    axes = normalise_axes(axis, a.ndim)
    return keep_axes(bind(primitive, a, axes=axes), a, axes, keepdims)


@namesake(onp.max)
def max(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, **options: Any) -> Any:
    """Return the largest element over axes, as in NumPy.

    The gradient goes to that element; tied elements share it equally.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
        Default: all axes.
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
    >>> bl.grad(max)(onp.array([1.0, 3.0, 3.0]))
    array([0. , 0.5, 0.5])
    """
    return _over_axes(_max, a, axis, keepdims)


@namesake(onp.min)
def min(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, **options: Any) -> Any:
    """Return the smallest element over axes, as in NumPy.

    The gradient goes to that element; tied elements share it equally.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
        Default: all axes.
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
    >>> bl.grad(min)(onp.array([2.0, 1.0, 4.0]))
    array([0., 1., 0.])
    """
    return _over_axes(_min, a, axis, keepdims)


@namesake(onp.ptp)
def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    """Return the largest element less the smallest, as in NumPy ("peak to peak").

    The derivative is 1 in the largest element, −1 in the smallest; ties share.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
        Default: all axes.
    out : ndarray, optional
        Only where nothing is traced.
    keepdims : bool
        Keep reduced axes with length one.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import backlit as bl
    >>> bl.grad(ptp)(onp.array([1.0, 4.0, 2.0]))
    array([-1.,  1.,  0.])
    """
    return subtract(_over_axes(_max, a, axis, keepdims), _over_axes(_min, a, axis, keepdims))


# --- argmax, argmin ---------------------------------------------------------------------------


def _index_of(name: str, impl: Callable[..., Any]) -> Any:
    return constant(
        name,
        lambda x, *, axis: impl(x, axis=axis),
        1,
        rf"\operatorname{{{{{name}}}}}({{0}})",
        lambda x, *, axis: reduced(x, (axis,), onp.intp),
        (Case(((2, 3),), {"axis": 1}),),
        element_count,
    )


_argmax, _argmin = _index_of("argmax", onp.argmax), _index_of("argmin", onp.argmin)


def _place(primitive: Any, a: Any, axis: int | None, keepdims: bool) -> Any:
    if axis is None:
        return keep_axes(bind(primitive, ravel(a), axis=0), a, tuple(range(a.ndim)), keepdims)
    k = normalise_axis(axis, a.ndim)
    return keep_axes(bind(primitive, a, axis=k), a, (k,), keepdims)


@namesake(onp.argmax)
def argmax(a: Any, axis: int | None = None, out: Any = None, *, keepdims: bool = False) -> Any:
    """Return the index of the largest element, as in NumPy; an index has no gradient.

    Parameters
    ----------
    a : array_like
    axis : int, optional
        Default: into the flattened array.
    out : ndarray, optional
        Only where nothing is traced.
    keepdims : bool
        Keep the reduced axis with length one.

    Returns
    -------
    ndarray of int

    Examples
    --------
    >>> int(argmax(onp.array([1.0, 3.0, 2.0])))
    1
    """
    return _place(_argmax, a, axis, keepdims)


@namesake(onp.argmin)
def argmin(a: Any, axis: int | None = None, out: Any = None, *, keepdims: bool = False) -> Any:
    """Return the index of the smallest element, as in NumPy; an index has no gradient.

    Parameters
    ----------
    a : array_like
    axis : int, optional
        Default: into the flattened array.
    out : ndarray, optional
        Only where nothing is traced.
    keepdims : bool
        Keep the reduced axis with length one.

    Returns
    -------
    ndarray of int

    Examples
    --------
    >>> int(argmin(onp.array([1.0, 3.0, 2.0])))
    0
    """
    return _place(_argmin, a, axis, keepdims)


# --- all, any ---------------------------------------------------------------------------------


def _logic(name: str, impl: Callable[..., Any]) -> Any:
    return constant(
        name,
        lambda x, *, axes: impl(x, axis=axes),
        1,
        rf"\operatorname{{{{{name}}}}}({{0}})",
        lambda x, *, axes: reduced(x, axes, bool),
        (Case(((2, 3),), {"axes": (1,)}),),
        element_count,
    )


_all, _any = _logic("all", onp.all), _logic("any", onp.any)


@namesake(onp.all)
def all(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, **options: Any) -> Any:
    """Tell whether all elements over axes are true, as in NumPy; a test has no gradient.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
        Default: all axes.
    out, **options
        NumPy's further arguments, only where nothing is traced.
    keepdims : bool
        Keep reduced axes with length one.

    Returns
    -------
    ndarray of bool

    Examples
    --------
    >>> bool(all(onp.array([1.0, 0.0])))
    False
    """
    return _over_axes(_all, a, axis, keepdims)


@namesake(onp.any)
def any(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, **options: Any) -> Any:
    """Tell whether any element over axes is true, as in NumPy; a test has no gradient.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
        Default: all axes.
    out, **options
        NumPy's further arguments, only where nothing is traced.
    keepdims : bool
        Keep reduced axes with length one.

    Returns
    -------
    ndarray of bool

    Examples
    --------
    >>> bool(any(onp.array([1.0, 0.0])))
    True
    """
    return _over_axes(_any, a, axis, keepdims)
