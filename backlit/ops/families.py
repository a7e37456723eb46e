"""The four families: what a declaration states, and the forward and reverse rules it yields.

The rules are written in the engine's own operations, so the same code runs on ndarrays (eager
gradients), on tracers (higher derivatives) and on shapes (the compiler). Those operations are
themselves declared with these families; `engine` is where the rules find them at call time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as onp

from backlit.core.aval import AbstractValue, Shape
from backlit.core.primitive import (
    FIRST,
    MINUS_ONE,
    ONE,
    SECOND,
    ZERO,
    Case,
    Params,
    Primitive,
    Symbol,
)
from backlit.core.tracer import Tracer, live_traces
from backlit.ops.broadcasting import PYTHON_OPERATORS, elementwise_abstract, python_abstract

engine = SimpleNamespace()
_ndarray = onp.ndarray
REAL = (-2.0, 2.0)


def mark(rule: str, primitive: Primitive, result: Any, slot: int, role: str) -> None:
    """Tell the running traces which rule the next operations come from."""
    for trace in live_traces():
        trace.origin = (rule, primitive, result, slot, role)


def shape_of(value: Any) -> Shape:
    """Return the shape of an array, tracer or number."""
    shape: Shape = value.shape if hasattr(value, "shape") else onp.shape(value)
    return shape


def dtype_of(value: Any) -> onp.dtype[Any]:
    """Return the element type of an array, tracer or number."""
    return value.dtype if hasattr(value, "dtype") else onp.asarray(value).dtype


def is_inexact(value: Any) -> bool:
    """Tell whether a value has a gradient at all."""
    return dtype_of(value).kind in "fc"


def fit(cotangent: Any, like: Any) -> Any:
    """Undo broadcasting and promotion: sum a cotangent down to the operand it belongs to.

    Returns None for an integer operand, which has no gradient.
    """
    if (
        type(cotangent) is _ndarray
        and type(like) is _ndarray
        and cotangent.dtype is like.dtype
        and cotangent.shape == like.shape
    ):
        return cotangent
    if type(like) is float and type(cotangent) is onp.float64:
        return cotangent
    dtype = dtype_of(like)
    if dtype.kind not in "fc":
        return None
    shape, wide = shape_of(like), shape_of(cotangent)
    if len(wide) < len(shape):  # an assignment may drop leading axes of length one
        wide = (1,) * (len(shape) - len(wide)) + wide
        cotangent = engine.reshape(cotangent, wide)
    if wide != shape:
        extra = len(wide) - len(shape)
        axes = tuple(range(extra)) + tuple(
            k + extra for k, n in enumerate(shape) if n == 1 and wide[k + extra] != 1
        )
        if axes and type(cotangent) is _ndarray:
            cotangent = onp.add.reduce(cotangent, axis=axes)
        elif axes:
            cotangent = engine.sum(cotangent, axis=axes)
        if shape_of(cotangent) != shape:
            cotangent = engine.reshape(cotangent, shape)
    if dtype_of(cotangent) != dtype:
        cotangent = engine.astype(cotangent, dtype)
    return cotangent


def fit_tangent(tangent: Any, out: Any) -> Any:
    """Give a tangent the shape and type of the value it belongs to."""
    if shape_of(tangent) != shape_of(out):
        tangent = engine.broadcast_to(tangent, shape_of(out))
    if dtype_of(tangent) != dtype_of(out):
        tangent = engine.astype(tangent, dtype_of(out))
    return tangent


# --- elementwise ------------------------------------------------------------------------------


def elementwise(
    name: str,
    impl: Callable[..., Any],
    *partials: Any,
    latex: str = "",
    domain: tuple[tuple[float, float], ...] | None = None,
    selects: bool = False,
    cases: tuple[Case, ...] = (),
) -> Primitive:
    """Declare an operation that treats every element alike.

    Parameters
    ----------
    name : str
    impl : callable
        NumPy function.
    *partials
        Per operand: `ZERO`, `ONE`, `MINUS_ONE` or ``partial(*args, out, **params)``.
    latex : str
    domain : tuple of (float, float), optional
        Where it is smooth, per operand.
    selects : bool
        Whether partials are exact zeros by choice (relu, maximum, …).
    cases : tuple of Case

    Returns
    -------
    Primitive
    """
    primitive: Primitive

    def push(tangents: Sequence[Any], out: Any, args: Sequence[Any], params: Params) -> Any:
        return push_many(primitive, [tangents], out, args, params, False)[0]

    def pull(
        cotangent: Any, out: Any, args: Sequence[Any], params: Params, needs: Sequence[bool]
    ) -> Sequence[Any]:
        return pull_elementwise(primitive, cotangent, out, args, params, needs, False)

    primitive = Primitive(
        name,
        "elementwise",
        impl,
        _elementwise_abstract(name, impl),
        push,
        pull,
        partials,
        latex,
        simple=True,
        scales=not selects and any(p not in (ZERO, ONE, MINUS_ONE) for p in partials),
        selects=selects,
        python=name in PYTHON_OPERATORS,
        domain=domain or (REAL,) * len(partials),
        cases=cases,
    )
    return primitive


def _elementwise_abstract(name: str, impl: Callable[..., Any]) -> Callable[..., AbstractValue]:
    return (python_abstract if name in PYTHON_OPERATORS else elementwise_abstract)(impl)


def push_many(
    primitive: Primitive,
    directions: Sequence[Sequence[Any]],
    out: Any,
    args: Any,
    params: Params,
    guarded: bool,
) -> list[Any]:
    """Return Σ ∂ᵢ·ẋᵢ for several directions, each local derivative computed once.

    `guarded` makes a tangent of exactly zero contribute zero, as in `pull_elementwise`.
    """
    watched = bool(live_traces())
    totals: list[Any] = [None] * len(directions)
    for slot, partial in enumerate(primitive.partials):
        if partial is ZERO or all(tangents[slot] is None for tangents in directions):
            continue
        if watched:
            mark("jvp", primitive, out, slot, "local")
        local = _local(partial, args, out, params)
        for k, tangents in enumerate(directions):
            if tangents[slot] is None:
                continue
            if watched:
                mark("jvp", primitive, out, slot, "product")
            term = _product(tangents[slot], local, primitive.selects, guarded)
            if totals[k] is not None and watched:
                mark("jvp", primitive, out, -1, "sum")
            totals[k] = term if totals[k] is None else engine.add(totals[k], term)
    return [None if total is None else fit_tangent(total, out) for total in totals]


def pull_elementwise(
    primitive: Primitive,
    cotangent: Any,
    out: Any,
    args: Sequence[Any],
    params: Params,
    needs: Sequence[bool],
    guarded: bool,
) -> list[Any]:
    """Return unbroadcast(∂ᵢ·ȳ) per operand.

    `guarded` makes a cotangent of exactly zero contribute zero even through an infinite or NaN
    local derivative (docs/conventions.md, "zero times infinity").
    """
    watched = bool(live_traces())
    found: list[Any] = []
    for slot, (needed, partial) in enumerate(zip(needs, primitive.partials, strict=True)):
        if not needed or partial is ZERO:
            found.append(None)
            continue
        if watched:
            mark("vjp", primitive, out, slot, "local")
        local = _local(partial, args, out, params)
        if watched:
            mark("vjp", primitive, out, slot, "product")
        found.append(fit(_product(cotangent, local, primitive.selects, guarded), args[slot]))
    return found


def _guarded_product(factor: Any, local: Any) -> Any:
    """Return factor × local derivative, zero times an infinity or NaN being zero.

    A finite value must stay even where the other is zero: a higher derivative asks how the product
    changes with each. Where one of them is a constant zero nothing can change.
    """
    if not isinstance(factor, Tracer) and not isinstance(local, Tracer):
        product = onp.multiply(factor, local)
        bad = onp.isnan(product)
        if not onp.any(bad):
            return product
        return onp.where(bad & (onp.equal(factor, 0) | onp.equal(local, 0)), 0.0, product)
    zero = engine.equal(factor, 0.0), engine.equal(local, 0.0)
    if not isinstance(factor, Tracer):
        return engine.multiply(factor, engine.where(zero[0], 0.0, local))
    if not isinstance(local, Tracer):
        return engine.multiply(engine.where(zero[1], 0.0, factor), local)
    finite = engine.logical_and(engine.isfinite(factor), engine.isfinite(local))
    bad = engine.logical_and(engine.logical_or(*zero), engine.logical_not(finite))
    return engine.multiply(engine.where(bad, 0.0, factor), engine.where(bad, 0.0, local))


def _local(partial: Any, args: Sequence[Any], out: Any, params: Params) -> Any:
    """Return a local derivative, `ONE` and `MINUS_ONE` staying symbols."""
    if partial is FIRST:
        return args[0]
    if partial is SECOND:
        return args[1]
    return partial if type(partial) is Symbol else partial(*args, out, **params)


def _product(factor: Any, local: Any, selects: bool, guarded: bool) -> Any:
    """Return factor × local derivative; of a choice, what was not chosen has no say at all."""
    if local is ONE:
        return factor
    if local is MINUS_ONE:
        return engine.negative(factor)
    if not selects:
        return (_guarded_product if guarded else engine.multiply)(factor, local)
    if dtype_of(local).kind == "b":
        return engine.where(local, factor, 0.0)
    return engine.where(engine.equal(local, 0.0), 0.0, engine.multiply(factor, local))


def constant(
    name: str,
    impl: Callable[..., Any],
    arity: int,
    latex: str = "",
    abstract: Callable[..., Any] | None = None,
    cases: tuple[Case, ...] = (),
    flops: Callable[..., int] | None = None,
) -> Primitive:
    """Declare an operation without derivative: comparisons, rounding, indices, random bits."""
    primitive = Primitive(
        name,
        "constant",
        impl,
        abstract or _elementwise_abstract(name, impl),
        latex=latex,
        python=name in PYTHON_OPERATORS,
        domain=(REAL,) * arity,
        cases=cases,
    )
    if flops is not None:
        primitive.flops = flops
    return primitive


# --- linear -----------------------------------------------------------------------------------


def linear(
    name: str,
    impl: Callable[..., Any],
    abstract: Callable[..., AbstractValue],
    transpose: Callable[..., Any],
    *,
    latex: str = "",
    linear_in: int | None = 1,
    view: bool = False,
    flops: Callable[..., int] | None = None,
    cases: tuple[Case, ...] = (),
    selects: bool = False,
) -> Primitive:
    """Declare an operation linear in its first operands; the derivative is the operation itself.

    Parameters
    ----------
    name : str
    impl : callable
        NumPy function ``impl(*arrays, **params)``.
    abstract : callable
        Shape rule.
    transpose : callable
        ``transpose(slot, cotangent, *args, **params)``: the adjoint, for one linear operand.
    latex : str
    linear_in : int or None
        How many leading operands it is linear in (the rest, indices, have no derivative);
        ``None``: all, however many there are.
    view : bool
        Whether NumPy's result shares memory with its operand.
    flops : callable, optional
        Default: one addition per element for results, zero for pure data movement given.
    cases : tuple of Case
    selects : bool
        Whether the adjoint fills in zeros.

    Returns
    -------
    Primitive
    """
    primitive: Primitive

    def push(tangents: Sequence[Any], out: Any, args: Sequence[Any], params: Params) -> Any:
        count = len(args) if linear_in is None else linear_in
        if all(t is None for t in tangents[:count]):
            return None
        operands = [
            engine.zeros_like(a) if t is None else t
            for t, a in zip(tangents[:count], args[:count], strict=True)
        ]
        return fit_tangent(engine.bind(primitive, *operands, *args[count:], **params), out)

    def pull(
        cotangent: Any, out: Any, args: Sequence[Any], params: Params, needs: Sequence[bool]
    ) -> Sequence[Any]:
        count = len(args) if linear_in is None else linear_in
        found: list[Any] = [None] * len(args)
        for slot in range(count):
            if needs[slot] and is_inexact(args[slot]):
                part = transpose(slot, cotangent, *args, **params)
                found[slot] = fit(part, args[slot])
        return found

    primitive = Primitive(
        name,
        "linear",
        impl,
        abstract,
        push,
        pull,
        latex=latex,
        view=view,
        cases=cases,
        selects=selects,
    )
    primitive.flops = flops or (lambda out, avals, params: 0)
    return primitive


# --- bilinear ---------------------------------------------------------------------------------


def bilinear(
    name: str,
    impl: Callable[..., Any],
    abstract: Callable[..., AbstractValue],
    left: Callable[..., Any],
    right: Callable[..., Any],
    *,
    latex: str = "",
    flops: Callable[..., int],
    cases: tuple[Case, ...] = (),
) -> Primitive:
    """Declare an operation linear in each of two operands: matmul and its kin.

    Parameters
    ----------
    name : str
    impl, abstract : callable
        NumPy function and shape rule.
    left, right : callable
        ``left(cotangent, a, b, **params)`` gives a's cotangent, `right` gives b's.
    latex : str
    flops : callable
    cases : tuple of Case

    Returns
    -------
    Primitive
    """
    primitive: Primitive

    def push(tangents: Sequence[Any], out: Any, args: Sequence[Any], params: Params) -> Any:
        (da, db), (a, b) = tangents, args
        first = None if da is None else engine.bind(primitive, da, b, **params)
        second = None if db is None else engine.bind(primitive, a, db, **params)
        if first is None or second is None:
            total = second if first is None else first
        else:
            if live_traces():
                mark("jvp", primitive, out, -1, "sum")
            total = engine.add(first, second)
        return None if total is None else fit_tangent(total, out)

    def pull(
        cotangent: Any, out: Any, args: Sequence[Any], params: Params, needs: Sequence[bool]
    ) -> Sequence[Any]:
        found: list[Any] = []
        watched = bool(live_traces())
        for slot, rule in enumerate((left, right)):
            if watched:
                mark("vjp", primitive, out, slot, "product")
            wanted = needs[slot] and is_inexact(args[slot])
            part = rule(cotangent, *args, **params) if wanted else None
            found.append(None if part is None else fit(part, args[slot]))
        return found

    primitive = Primitive(
        name, "bilinear", impl, abstract, push, pull, latex=latex, flops=flops, cases=cases
    )
    return primitive


def custom(
    name: str,
    impl: Callable[..., Any],
    abstract: Callable[..., Any],
    push: Callable[..., Any],
    pull: Callable[..., Any] | None,
    *,
    latex: str = "",
    multi: bool = False,
    selects: bool = False,
    flops: Callable[..., int] | None = None,
    cases: tuple[Case, ...] = (),
    domain: tuple[tuple[float, float], ...] = (),
) -> Primitive:
    """Declare an operation with both rules written out."""
    primitive = Primitive(
        name,
        "custom",
        impl,
        abstract,
        push,
        pull,
        latex=latex,
        multi=multi,
        selects=selects,
        cases=cases,
        domain=domain,
    )
    if flops is not None:
        primitive.flops = flops
    return primitive
