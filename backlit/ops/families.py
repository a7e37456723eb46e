"""The four families: what a declaration states, and the forward and reverse rules it yields.

The rules are written in the engine's own operations, so the same code runs on ndarrays (eager
gradients), on tracers (higher derivatives) and on shapes (the compiler). Those operations are
themselves declared with these families; `engine` is where the rules find them at call time.
"""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable, Sequence
from types import FunctionType, SimpleNamespace
from typing import Any

import numpy as onp

from backlit.core.aval import AbstractValue, Shape
from backlit.core.errors import DTypeError, ShapeError
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
    registry,
)
from backlit.core.tracer import NO_PARAMS, Tape, Tracer, leaked, live_traces

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
    dtype = dtype_of(like)
    if dtype.kind not in "fc":
        return None
    shape, wide = shape_of(like), shape_of(cotangent)
    if wide != shape:
        extra = len(wide) - len(shape)
        axes = tuple(range(extra)) + tuple(
            k + extra for k, n in enumerate(shape) if n == 1 and wide[k + extra] != 1
        )
        if axes:
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


@functools.lru_cache(maxsize=4096)
def _result_type(impl: Callable[..., Any], kinds: tuple[Any, ...], params: Any) -> Any:
    stand_ins = [AbstractValue((), dtype, weak).stand_in() for dtype, weak in kinds]
    with warnings.catch_warnings(), onp.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return onp.asarray(impl(*stand_ins, **dict(params))).dtype


def elementwise_abstract(impl: Callable[..., Any]) -> Callable[..., AbstractValue]:
    """Return the shape rule of an elementwise operation: NumPy's broadcasting and promotion."""

    def abstract(*avals: AbstractValue, **params: Any) -> AbstractValue:
        try:
            shape = onp.broadcast_shapes(*[a.shape for a in avals])
        except ValueError:
            shapes = " and ".join(str(a.shape) for a in avals)
            raise ShapeError(f"shapes {shapes} do not broadcast together") from None
        kinds = tuple([(a.dtype, a.weak) for a in avals])
        return AbstractValue(shape, _result_type(impl, kinds, tuple(params.items())))

    return abstract


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
        return push_many(primitive, [tangents], out, args, params)[0]

    def pull(
        cotangent: Any, out: Any, args: Sequence[Any], params: Params, needs: Sequence[bool]
    ) -> Sequence[Any]:
        return pull_elementwise(primitive, cotangent, out, args, params, needs, False)

    primitive = Primitive(
        name,
        "elementwise",
        impl,
        elementwise_abstract(impl),
        push,
        pull,
        partials,
        latex,
        simple=True,
        scales=not selects and any(p not in (ZERO, ONE, MINUS_ONE) for p in partials),
        selects=selects,
        domain=domain or (REAL,) * len(partials),
        cases=cases,
    )
    return primitive


def push_many(
    primitive: Primitive, directions: Sequence[Sequence[Any]], out: Any, args: Any, params: Params
) -> list[Any]:
    """Return Σ ∂ᵢ·ẋᵢ for several directions, each local derivative computed once."""
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
            term = _product(tangents[slot], local)
            if primitive.selects and type(local) is not Symbol:
                # What was not chosen has no say, even when its tangent is infinite.
                term = engine.where(engine.equal(local, 0), 0.0, term)
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
        if guarded and type(local) is not Symbol and dtype_of(local).kind != "b":
            local = engine.where(engine.equal(cotangent, 0.0), 0.0, local)
        if watched:
            mark("vjp", primitive, out, slot, "product")
        found.append(fit(_product(cotangent, local), args[slot]))
    return found


def _local(partial: Any, args: Sequence[Any], out: Any, params: Params) -> Any:
    """Return a local derivative, `ONE` and `MINUS_ONE` staying symbols."""
    if partial is FIRST:
        return args[0]
    if partial is SECOND:
        return args[1]
    return partial if type(partial) is Symbol else partial(*args, out, **params)


def _product(factor: Any, local: Any) -> Any:
    if local is ONE:
        return factor
    if local is MINUS_ONE:
        return engine.negative(factor)
    return engine.multiply(factor, local)


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
        abstract or elementwise_abstract(impl),
        latex=latex,
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


# --- the functions users call -----------------------------------------------------------------


def unary_function(primitive: Primitive, doc: str) -> Callable[[Any], Any]:
    """Return the public function of a one-operand elementwise primitive.

    Its attribute ``direct`` is the same function for callers outside the engine: it takes the
    calling instruction for the user's without looking further, and records on the spot.
    """
    impl, selects, frame_at = primitive.impl, primitive.selects, sys._getframe
    primitive.arity = 1

    def function(x: Any, /) -> Any:
        if type(x) is Tracer:
            return x.owner.process(primitive, (x,), NO_PARAMS)
        return impl(x)

    def direct(x: Any, /) -> Any:
        if type(x) is not Tracer:
            return impl(x)
        owner = x.owner
        value = x.value
        i = x.id
        if type(owner) is not Tape or type(value) is Tracer or i < 0:
            return owner.process(primitive, (x,), NO_PARAMS)
        result = impl(value)
        frame = frame_at(1)
        out = Tracer()
        out.value = result
        out.owner = owner
        out.primitive = primitive
        out.i = i
        out.a = value
        out.code = frame.f_code
        out.offset = frame.f_lasti
        out.origin = owner.origin
        records = owner.records
        if records is None:
            leaked(x)
        out.id = len(records)
        records.append(out)
        if selects:
            owner.selects = True
        return out

    dressed: Callable[..., Any] = _dress(function, direct, primitive, doc)
    return dressed


def binary_function(primitive: Primitive, doc: str) -> Callable[[Any, Any], Any]:
    """Return the public function of a two-operand elementwise primitive; see `unary_function`."""
    impl, selects, frame_at = primitive.impl, primitive.selects, sys._getframe
    primitive.arity = 2

    def function(x: Any, y: Any, /) -> Any:
        if type(x) is Tracer:
            if type(y) is Tracer and y.owner.level > x.owner.level:
                return y.owner.process(primitive, (x, y), NO_PARAMS)
            return x.owner.process(primitive, (x, y), NO_PARAMS)
        if type(y) is Tracer:
            return y.owner.process(primitive, (x, y), NO_PARAMS)
        return impl(x, y)

    def direct(x: Any, y: Any, /) -> Any:
        if type(x) is Tracer:
            owner = x.owner
            a = x.value
            i = x.id
            if type(y) is Tracer:
                b = y.value
                j = y.id
                if y.owner is not owner or i < 0 or j < 0 or type(b) is Tracer:
                    return function(x, y)
            elif i < 0:
                return function(x, y)
            else:
                b = y
                j = -1
        elif type(y) is Tracer:
            owner = y.owner
            a = x
            i = -1
            b = y.value
            j = y.id
            if j < 0 or type(b) is Tracer:
                return function(x, y)
        else:
            return impl(x, y)
        if type(owner) is not Tape or type(a) is Tracer:
            return function(x, y)
        try:
            result = impl(a, b)
        except (TypeError, ValueError):
            return function(x, y)  # fails again, with an explanation
        frame = frame_at(1)
        out = Tracer()
        out.value = result
        out.owner = owner
        out.primitive = primitive
        out.i = i
        out.j = j
        out.a = a
        out.b = b
        out.code = frame.f_code
        out.offset = frame.f_lasti
        out.origin = owner.origin
        records = owner.records
        if records is None:
            leaked(x if i >= 0 else y)
        out.id = len(records)
        records.append(out)
        if selects:
            owner.selects = True
        return out

    dressed: Callable[..., Any] = _dress(function, direct, primitive, doc)
    return dressed


def _dress(function: Any, direct: Any, primitive: Primitive, doc: str) -> Any:
    for each in (function, direct):
        each.__name__ = each.__qualname__ = primitive.name
        each.__doc__ = doc
        each.primitive = primitive
    function.direct = direct
    direct.searching = function
    return function


def _OF_X(x: Any, y: Any) -> Any:  # noqa: N802
    return _anything(x)  # type: ignore[name-defined]  # noqa: F821


def bind_partials_to_numpy(namespace: dict[str, Any]) -> None:
    """Give simple primitives a second set of partials that call NumPy without looking.

    The partials are the declared ones, the very same code, evaluated in a copy of their module's
    globals where every elementwise operation is NumPy's function.
    """
    plain = dict(namespace)
    for name, value in namespace.items():
        if hasattr(value, "direct"):
            plain[name] = value.primitive.impl
    for primitive in registry.values():
        if primitive.arity and primitive.simple:
            primitive.array_partials = tuple(
                [
                    FunctionType(p.__code__, plain, p.__name__, p.__defaults__, p.__closure__)
                    if isinstance(p, FunctionType)
                    else p
                    for p in primitive.partials
                ]
            )
            if primitive.arity == 2:
                primitive.shortcut = 2
            elif isinstance(primitive.partials[0], FunctionType):
                primitive.shortcut = 1
                primitive.local = local = primitive.array_partials[0]
                if local.__code__.co_code == _OF_X.__code__.co_code:
                    # The lambda only passes x on to one operation: call that directly.
                    primitive.shortcut = 3
                    primitive.local = plain[local.__code__.co_names[0]]


def require_inexact(value: Any, what: str) -> None:
    """Raise unless a value can carry a gradient."""
    if not is_inexact(value):
        raise DTypeError(
            f"{what} has type {dtype_of(value)}, and only floating-point numbers have gradients",
            fix="pass 3.0 instead of 3, or x.astype(float)",
        )
