"""The functions users call for elementwise primitives, written out for speed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any

from backlit.core.primitive import Primitive, registry
from backlit.core.tape import Tape, leaked
from backlit.core.tracer import NO_PARAMS, Tracer


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
        out.offset = frame.f_lasti
        records = owner.records
        if records is None:
            leaked(x)
        if frame is not owner.frame:
            owner.enter(frame)
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
        out.offset = frame.f_lasti
        records = owner.records
        if records is None:
            leaked(x if i >= 0 else y)
        if frame is not owner.frame:
            owner.enter(frame)
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
                primitive.shortcut = 0 if primitive.selects else 2
            elif isinstance(primitive.partials[0], FunctionType):
                primitive.shortcut = 4 if primitive.selects else 1
                primitive.local = local = primitive.array_partials[0]
                if not primitive.selects and local.__code__.co_code == _OF_X.__code__.co_code:
                    # The lambda only passes x on to one operation: call that directly.
                    primitive.shortcut = 3
                    primitive.local = plain[local.__code__.co_names[0]]
