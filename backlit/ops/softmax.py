"""logsumexp, softmax and log softmax, stable for inputs of any size."""

from __future__ import annotations

from typing import Any

import numpy as onp

from backlit.core.aval import AbstractValue
from backlit.core.tracer import Tracer, bind
from backlit.ops.elementwise import exp, multiply, subtract
from backlit.ops.families import custom
from backlit.ops.namesake import as_operand
from backlit.ops.reduce import AXES_CASES, Axes, as_float, keep_axes, reduced, restore_axes, sum
from backlit.ops.shaping import normalise_axes


def _peak(x: Any, axes: Axes) -> Any:
    top = onp.maximum.reduce(x, axis=axes, keepdims=True)
    if onp.isfinite(top).all():
        return top
    return onp.where(onp.isfinite(top), top, 0).astype(top.dtype)


# An input of inf or NaN gives inf or NaN; a warning about the exp in here would explain nothing.


def _logsumexp_impl(x: Any, *, axes: Axes) -> Any:
    x = onp.asarray(x)
    with onp.errstate(all="ignore"):
        top = _peak(x, axes)
        total = onp.log(onp.add.reduce(onp.exp(x - top), axis=axes))
    return total + onp.squeeze(top, axes)


def _softmax_impl(x: Any, *, axes: Axes) -> Any:
    x = onp.asarray(x)
    with onp.errstate(all="ignore"):
        e = onp.exp(x - _peak(x, axes))
        e /= onp.add.reduce(e, axis=axes, keepdims=True)
    return e


def _log_softmax_impl(x: Any, *, axes: Axes) -> Any:
    with onp.errstate(all="ignore"):
        shifted = x - _peak(x, axes)
        e = onp.exp(shifted)
        # The total is at least 1: of a confident prediction only what is above 1 says anything.
        first = shifted == 0
        e[first] = 0
        above = onp.add.reduce(e, axis=axes, keepdims=True)
        ties = onp.count_nonzero(first, axis=axes, keepdims=True) - 1
        return shifted - onp.log1p(above + ties.astype(e.dtype))


def _same(x: AbstractValue, *, axes: Axes) -> AbstractValue:
    return AbstractValue(x.shape, x.dtype)


def _share(y: Any, x: Any, axes: Axes) -> Any:
    """Return softmax(x) = e^(x − logsumexp x)."""
    return exp(subtract(x, restore_axes(y, x, axes)))


def _softmax_rule(g: Any, y: Any, axes: Axes) -> Any:
    # diag(y) − y yᵀ is symmetric: the same rule serves both directions.
    return multiply(y, subtract(g, sum(multiply(g, y), axes, keepdims=True)))


def _log_softmax_pull(g: Any, y: Any, axes: Axes) -> Any:
    return subtract(g, multiply(exp(y), sum(g, axes, keepdims=True)))


def _log_softmax_push(t: Any, y: Any, axes: Axes) -> Any:
    return subtract(t, sum(multiply(t, exp(y)), axes, keepdims=True))


_logsumexp = custom(
    "logsumexp",
    _logsumexp_impl,
    lambda x, *, axes: reduced(x, axes),
    lambda t, y, args, p: (
        None if t[0] is None else sum(multiply(t[0], _share(y, args[0], p["axes"])), p["axes"])
    ),
    lambda g, y, args, p, needs: (
        multiply(restore_axes(g, args[0], p["axes"]), _share(y, args[0], p["axes"])),
    ),
    latex=r"\log \sum e^{{{0}}}",
    flops=lambda out, avals, params: 4 * avals[0].size,
    cases=AXES_CASES,
)
_softmax = custom(
    "softmax",
    _softmax_impl,
    _same,
    lambda t, y, args, p: None if t[0] is None else _softmax_rule(t[0], y, p["axes"]),
    lambda g, y, args, p, needs: (_softmax_rule(g, y, p["axes"]),),
    latex=r"\operatorname{{softmax}}({0})",
    flops=lambda out, avals, params: 5 * out.size,
    cases=AXES_CASES,
)
_log_softmax = custom(
    "log_softmax",
    _log_softmax_impl,
    _same,
    lambda t, y, args, p: None if t[0] is None else _log_softmax_push(t[0], y, p["axes"]),
    lambda g, y, args, p, needs: (_log_softmax_pull(g, y, p["axes"]),),
    latex=r"\log \operatorname{{softmax}}({0})",
    flops=lambda out, avals, params: 5 * out.size,
    cases=AXES_CASES,
)


def _operand(a: Any) -> Any:
    a = as_operand(a)
    return as_float(a if type(a) is Tracer else onp.asarray(a))


def logsumexp(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Return log Σ eᵃ over axes without overflow.

    The derivative is softmax(a).

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
        Default: all axes.
    keepdims : bool
        Keep summed axes with length one.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> round(float(logsumexp(onp.array([1000.0, 1000.0]))), 4)
    1000.6931
    """
    a = _operand(a)
    axes = normalise_axes(axis, a.ndim)
    return keep_axes(bind(_logsumexp, a, axes=axes), a, axes, keepdims)


def softmax(a: Any, axis: Any = -1) -> Any:
    """Return y = eᵃ / Σ eᵃ over axes without overflow.

    Its derivative is ∂yᵢ/∂aⱼ = yᵢ (δᵢⱼ − yⱼ): the cotangent g becomes y (g − Σ g y).

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int
        Along which the results add up to one.

    Returns
    -------
    ndarray
        Of the shape of a.

    Examples
    --------
    >>> import backlit as bl
    >>> softmax(onp.array([0.0, 0.0]))
    array([0.5, 0.5])
    >>> bl.jacobian(softmax)(onp.array([0.0, 0.0]))
    array([[ 0.25, -0.25],
           [-0.25,  0.25]])
    """
    a = _operand(a)
    return bind(_softmax, a, axes=normalise_axes(axis, a.ndim))


def log_softmax(a: Any, axis: Any = -1) -> Any:
    """Return log softmax(a) = a − logsumexp(a) over axes.

    Its derivative is ∂yᵢ/∂aⱼ = δᵢⱼ − e^yⱼ: the cotangent g becomes g − e^y Σ g.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int
        Over which the sum is taken.

    Returns
    -------
    ndarray
        Of the shape of a.

    Examples
    --------
    >>> log_softmax(onp.array([0.0, 0.0])).round(4)
    array([-0.6931, -0.6931])
    """
    a = _operand(a)
    return bind(_log_softmax, a, axes=normalise_axes(axis, a.ndim))
