"""Reverse mode: ``vjp``, ``grad``, ``value_and_grad``.

One forward run, one backward sweep, whatever the number of inputs (S. Linnainmaa 1970; see
`backlit.ops.sweep`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as onp

from backlit.core import tree
from backlit.core.alias import pin
from backlit.core.errors import ShapeError
from backlit.core.source import Source
from backlit.core.tracer import Tracer, live_traces
from backlit.core.tracing import function_name, require_function
from backlit.ops.families import fit_tangent
from backlit.ops.sweep import Recorded
from backlit.transforms.arguments import (
    Argnums,
    Selected,
    detached,
    scalar_output,
    strip,
    value_and_aux,
    zeros_for,
)

_ONE = onp.float64(1.0)


def _gradient(
    f: Callable[..., Any],
    argnums: Argnums,
    has_aux: bool,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    what: str,
) -> tuple[Any, Any, Any]:
    """Return value, gradient and aux."""
    selected = Selected(f, args, argnums, what, kwargs)
    leaves = selected.leaves
    recorded = Recorded(selected.call, leaves)
    out, aux = recorded.out, None
    if has_aux:
        out, aux = value_and_aux(f, out)
        aux = strip(aux, recorded.tape, leaves)
    one: Any = _ONE
    if type(out) is not Tracer or type(out.value) is not onp.float64:
        scalar_output(out, f, what)
        one = out.dtype.type(1.0) if type(out) is Tracer else one
    if not recorded.tape.owns(out):
        value = detached(recorded.tape.outside(out))
        return value, selected.pack([zeros_for(leaf) for leaf in leaves]), aux
    value = detached(out.value, leaves)
    found = recorded.sweep([(out.id, one)])
    return value, selected.pack(own_arrays(found, leaves)), aux


def own_arrays(found: list[Any], leaves: Sequence[Any], others: Sequence[Any] = ()) -> list[Any]:
    """Return gradients the caller may change: no views, no array twice, zeros for None."""
    seen = {id(array) for array in others}
    for k, part in enumerate(found):
        if part is None:
            found[k] = zeros_for(leaves[k])
        elif type(part) is onp.ndarray:
            if part.base is not None or id(part) in seen:
                found[k] = part.copy()
            if not part.ndim and type(leaves[k]) is not onp.ndarray:
                found[k] = part[()]
            seen.add(id(part))
    return found


def value_and_grad(
    f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Return a function that computes f and its gradient in one forward and one backward pass.

    Parameters
    ----------
    f : callable
        Returns one real number (with `has_aux`, a pair of it and anything else).
    argnums : int or sequence of int
        Which positional arguments to differentiate; each may be a tree of float arrays.
    has_aux : bool
        Whether f returns ``(value, extra)``.

    Returns
    -------
    callable
        ``(value, gradient)`` or ``((value, extra), gradient)``. The gradient has the structure,
        shapes and types of the argument; an input that does not reach the result has gradient
        zero.

    Raises
    ------
    DTypeError
        If an argument is not made of floats.
    DifferentiationError
        If f does not return one real number.

    Examples
    --------
    >>> value, slope = value_and_grad(lambda x: x * x)(3.0)
    >>> float(value), float(slope)
    (9.0, 6.0)
    """
    require_function(f, "value_and_grad")

    @functools.wraps(f)
    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        value, gradient, aux = _gradient(f, argnums, has_aux, args, kwargs, "value_and_grad")
        return ((value, aux) if has_aux else value), gradient

    return value_and_gradient


def grad(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Return a function that computes the gradient of f.

    Parameters
    ----------
    f : callable
        Returns one real number (with `has_aux`, a pair of it and anything else).
    argnums : int or sequence of int
        Which positional arguments to differentiate; each may be a tree of float arrays.
    has_aux : bool
        Whether f returns ``(value, extra)``; the result is then ``(gradient, extra)``.

    Returns
    -------
    callable
        Same arguments as f; returns the gradient, in the structure, shapes and types of the
        argument (a tuple of them if `argnums` is a sequence). An input that does not reach the
        result has gradient zero.

    Raises
    ------
    DTypeError
        If an argument is not made of floats.
    DifferentiationError
        If f does not return one real number.

    Examples
    --------
    >>> import numpy
    >>> grad(lambda w: (w * w).sum())(numpy.array([1.0, 2.0]))
    array([2., 4.])
    >>> float(grad(grad(lambda x: x**3))(2.0))
    12.0
    """
    require_function(f, "grad")

    @functools.wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        _, found, aux = _gradient(f, argnums, has_aux, args, kwargs, "grad")
        return (found, aux) if has_aux else found

    return gradient


def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """Run f once and return its result with a function that sends cotangents back.

    Parameters
    ----------
    f : callable
        Takes `primals`, returns a tree of arrays (with `has_aux`, a pair of it and extra).
    *primals : tree of float arrays
    has_aux : bool

    Returns
    -------
    out : tree
        f's result.
    pullback : callable
        ``pullback(cotangent)``, the cotangent shaped like `out`, returns a tuple with one
        cotangent per primal. It may be called again and always answers afresh.
    extra : object
        Only with `has_aux`.

    Raises
    ------
    DTypeError
        If a primal is not made of floats.
    ShapeError
        If a cotangent does not have the shape of the result.

    Examples
    --------
    >>> import numpy
    >>> out, pullback = vjp(lambda x: x * x, numpy.array([1.0, 2.0]))
    >>> pullback(numpy.array([1.0, 10.0]))
    (array([ 2., 40.]),)
    """
    require_function(f, "vjp")
    selected = Selected(f, primals, tuple(range(len(primals))), "vjp")
    # The pullback may run long after the caller changed an array in place: keep our own.
    leaves = [x.copy() if type(x) is onp.ndarray else x for x in selected.leaves]
    recorded = Recorded(selected.call, leaves)
    result, aux = value_and_aux(f, recorded.out) if has_aux else (recorded.out, None)
    out_leaves, out_def = tree.flatten(result)
    tape = recorded.tape
    values = [tape.outside(o) for o in out_leaves]
    if live_traces():
        pin(recorded.records)

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        given, given_def = tree.flatten(cotangent)
        if given_def != out_def:
            raise ShapeError(
                f"the cotangent has structure {given_def}, the result of {function_name(f)} "
                f"{out_def}",
                where=Source.here(),
                fix="give one cotangent per result, in the structure of the result",
            )
        seeds = []
        for g, o, value in zip(given, out_leaves, values, strict=True):
            g = g if type(g) is Tracer else onp.asarray(g)
            shape = value.shape if hasattr(value, "shape") else ()
            if g.shape != shape:
                raise ShapeError(
                    f"a cotangent of shape {g.shape} was given for a result of shape {shape}",
                    where=Source.here(),
                    fix="a cotangent has the shape of its result: numpy.ones_like(out)",
                )
            if tape.owns(o) and o.dtype.kind == "f":
                seeds.append((o.id, fit_tangent(g, value)))
        found = recorded.sweep(seeds)
        return tuple(selected.pack(own_arrays(found, leaves, given)))

    # The pullback keeps the values; the caller gets arrays of its own to change.
    out = tree.unflatten(out_def, [_copied(v) for v in values])
    if not has_aux:
        return out, pullback
    return out, pullback, strip(aux, tape, [*values, *leaves])


def _copied(value: Any) -> Any:
    return value.copy() if type(value) is onp.ndarray else value
