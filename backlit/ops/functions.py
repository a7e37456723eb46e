"""The functions users call for elementwise primitives, written out for speed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from types import FrameType, FunctionType
from typing import Any

import numpy as onp

from backlit.core.errors import TracedValueError
from backlit.core.operands import DOUBLE, KINDS, NUMBERS, SINGLE
from backlit.core.primitive import Primitive, registry
from backlit.core.tape import NumberTape, Tape, leaked
from backlit.core.tracer import NO_PARAMS, Tracer, strengthened
from backlit.ops.families import engine
from backlit.ops.namesake import as_operand, gather, holds_tracer, refuse


def unary_function(primitive: Primitive, doc: str) -> Callable[[Any], Any]:
    """Return the public function of a one-operand elementwise primitive.

    Its attribute ``direct`` is the same function for callers outside the engine: it takes the
    calling instruction for the user's without looking further, and records on the spot. Its
    keywords are those of NumPy's functions that a name and a default can hold for nearly nothing.
    """
    impl, selects, frame_at = primitive.impl, primitive.selects, sys._getframe
    primitive.arity = 1

    def function(x: Any, /) -> Any:
        if type(x) is Tracer:
            return x.owner.process(primitive, (x,), NO_PARAMS)
        try:
            return impl(x)
        except TracedValueError:
            if not holds_tracer(x):
                raise
        return function(gather(x))

    def direct(x: Any, /, out: Any = None, dtype: Any = None, where: Any = None) -> Any:
        if out is not None or dtype is not None or where is not None:
            return with_options(function, (x,), {"out": out, "dtype": dtype, "where": where})
        if type(x) is not Tracer:
            try:
                return impl(x)
            except TracedValueError:
                return strengthened(function(x))
        owner = x.owner
        value = x.value
        i = x.id
        if type(owner) is not Tape or type(value) is Tracer or i < 0:
            if type(owner) is NumberTape and type(value) is not Tracer and i >= 0:
                return recorded(primitive, x, (i, -1), (value,), impl(value), frame_at(1))
            return strengthened(owner.process(primitive, (x,), NO_PARAMS))
        result = impl(value)
        frame = frame_at(1)
        node = Tracer()
        node.value = result
        node.owner = owner
        node.primitive = primitive
        node.i = i
        node.a = value
        node.offset = frame.f_lasti
        records = owner.records
        if records is None:
            leaked(x)
        if frame is not owner.frame:
            owner.enter(frame)
        node.id = len(records)
        records.append(node)
        if selects:
            owner.selects = True
        return node

    dressed: Callable[..., Any] = _dress(function, direct, primitive, doc)
    return dressed


def recorded(
    primitive: Primitive,
    x: Tracer,
    ids: tuple[int, int],
    operands: Sequence[Any],
    result: Any,
    frame: FrameType,
) -> Tracer:
    """Record an operation of one or two operands, as `unary_function` and its kin write it out.

    Parameters
    ----------
    primitive : Primitive
    x : Tracer
        An operand, on the tape that records.
    ids : tuple of (int, int)
        Of the operands there; -1 for what is not.
    operands : sequence of array
    result : array
    frame : frame
        Of the user's code.

    Returns
    -------
    Tracer
    """
    node, owner = Tracer(), x.owner
    assert isinstance(owner, Tape)
    node.value = result
    node.owner = owner
    node.primitive = primitive
    node.i, node.j = ids
    node.a, node.b = operands[0], operands[-1]
    node.offset = frame.f_lasti
    records = owner.records
    if records is None:
        leaked(x)
    if frame is not owner.frame:
        owner.enter(frame)
    node.id = len(records)
    records.append(node)
    if primitive.selects:
        owner.selects = True
    return node


def binary_function(primitive: Primitive, doc: str) -> Callable[[Any, Any], Any]:
    """Return the public function of a two-operand elementwise primitive; see `unary_function`.

    What may not stand beside a traced array is left to the general way, which refuses it.
    """
    impl, selects, frame_at = primitive.impl, primitive.selects, sys._getframe
    ndarray = onp.ndarray
    primitive.arity = 2

    def function(x: Any, y: Any, /) -> Any:
        p, q = type(x), type(y)
        if p is list or p is tuple or q is list or q is tuple:
            x, y = as_operand(x), as_operand(y)
        if type(x) is Tracer:
            if type(y) is Tracer and y.owner.level > x.owner.level:
                return y.owner.process(primitive, (x, y), NO_PARAMS)
            return x.owner.process(primitive, (x, y), NO_PARAMS)
        if type(y) is Tracer:
            return y.owner.process(primitive, (x, y), NO_PARAMS)
        return impl(x, y)

    def direct(x: Any, y: Any, /, out: Any = None, dtype: Any = None, where: Any = None) -> Any:
        if out is not None or dtype is not None or where is not None:
            return with_options(function, (x, y), {"out": out, "dtype": dtype, "where": where})
        if type(x) is Tracer:
            owner = x.owner
            a = x.value
            i = x.id
            if type(y) is Tracer:
                b = y.value
                j = y.id
                if y.owner is not owner or i < 0 or j < 0 or type(b) is Tracer:
                    return strengthened(function(x, y))
            elif i < 0:
                return strengthened(function(x, y))
            else:
                b = y
                j = -1
                if type(b) is ndarray:
                    kind = b.dtype
                    if kind is not DOUBLE and kind is not SINGLE and kind.kind not in KINDS:
                        return strengthened(function(x, y))
                elif type(b) is not float and type(b) not in NUMBERS:
                    return strengthened(function(x, y))
        elif type(y) is Tracer:
            owner = y.owner
            a = x
            i = -1
            b = y.value
            j = y.id
            if j < 0 or type(b) is Tracer:
                return strengthened(function(x, y))
            if type(a) is ndarray:
                kind = a.dtype
                if kind is not DOUBLE and kind is not SINGLE and kind.kind not in KINDS:
                    return strengthened(function(x, y))
            elif type(a) is not float and type(a) not in NUMBERS:
                return strengthened(function(x, y))
        else:
            try:
                return impl(x, y)
            except TracedValueError:
                return strengthened(function(x, y))
        if type(owner) is not Tape or type(a) is Tracer:
            if type(owner) is not NumberTape or type(a) is Tracer:
                return strengthened(function(x, y))
        try:
            result = impl(a, b)
        except (TypeError, ValueError):
            return strengthened(function(x, y))  # fails again, with an explanation
        frame = frame_at(1)
        node = Tracer()
        node.value = result
        node.owner = owner
        node.primitive = primitive
        node.i = i
        node.j = j
        node.a = a
        node.b = b
        node.offset = frame.f_lasti
        records = owner.records
        if records is None:
            leaked(x if i >= 0 else y)
        if frame is not owner.frame:
            owner.enter(frame)
        node.id = len(records)
        records.append(node)
        if selects:
            owner.selects = True
        return node

    def numbers(
        x: Any, y: Any, ids: tuple[int, int], operands: tuple[Any, Any], frame: FrameType
    ) -> Any:
        # The same on a tape with Python numbers on it.
        try:
            result = primitive.settled(operands, impl(*operands))
        except (TypeError, ValueError):
            return function(x, y)
        return recorded(primitive, x, ids, operands, result, frame)

    def operator(x: Any, y: Any, /) -> Any:
        # The same for `x op y`: x is traced, and there are no keywords to look for.
        owner = x.owner
        a = x.value
        i = x.id
        if type(y) is Tracer:
            b = y.value
            j = y.id
            if y.owner is not owner or j < 0 or type(b) is Tracer:
                return function(*counted(primitive, x, y))
        else:
            b = y
            j = -1
            if type(b) is ndarray:
                kind = b.dtype
                if kind is not DOUBLE and kind is not SINGLE and kind.kind not in KINDS:
                    return function(*counted(primitive, x, y))
            elif type(b) is not float and type(b) not in NUMBERS:
                return function(*counted(primitive, x, y))
        if i < 0 or type(owner) is not Tape or type(a) is Tracer:
            if i >= 0 and type(owner) is NumberTape and type(a) is not Tracer:
                if type(a) is not bool:  # which counts
                    return numbers(x, y, (i, j), (a, b), frame_at(1))
            return function(*counted(primitive, x, y))
        try:
            result = impl(a, b)
        except (TypeError, ValueError):
            return function(*counted(primitive, x, y))
        frame = frame_at(1)
        node = Tracer()
        node.value = result
        node.owner = owner
        node.primitive = primitive
        node.i = i
        node.j = j
        node.a = a
        node.b = b
        node.offset = frame.f_lasti
        records = owner.records
        if records is None:
            leaked(x)
        if frame is not owner.frame:
            owner.enter(frame)
        node.id = len(records)
        records.append(node)
        if selects:
            owner.selects = True
        return node

    dressed: Callable[..., Any] = _dress(function, direct, primitive, doc)
    direct.operator = operator  # type: ignore[attr-defined]
    operator.__name__ = operator.__qualname__ = primitive.name
    return dressed


_COUNTING = frozenset(
    "add subtract multiply floor_divide remainder power negative positive absolute".split()
)


def counted(primitive: Primitive, *operands: Any) -> Sequence[Any]:
    """Return the operands of an operator of Python's, its truth values as the numbers they count.

    ``True + True`` is 2 there, where NumPy's add takes it for "or". One that stands beside a number
    or an array needs no help.

    Parameters
    ----------
    primitive : Primitive
    *operands
        The operator's.
    """
    if is_truth(operands[-1]) and primitive.name in _COUNTING and is_truth(operands[0]):
        return [engine.multiply(x, 1) if type(x) is Tracer else int(x) for x in operands]
    return operands


def is_truth(x: Any) -> bool:
    """Tell whether an operand is Python's True or False, traced or not."""
    while type(x) is Tracer:
        if x.value is None:
            return x.known.weak and x.known.dtype.kind == "b"
        x = x.value
    return type(x) is bool


def with_options(
    function: Callable[..., Any], operands: Sequence[Any], options: dict[str, Any]
) -> Any:
    """Apply an elementwise operation with NumPy's further arguments.

    Parameters
    ----------
    function : callable
        Of `unary_function` or `binary_function`.
    operands : sequence of array_like
    options : dict
        ``out``, ``dtype``, ``where``; ``None`` means not given. With something traced among the
        operands only a ``dtype`` of floats has a meaning: it is what the operands are converted
        to first.

    Returns
    -------
    ndarray
    """
    primitive: Primitive = function.primitive  # type: ignore[attr-defined]
    given = {name: value for name, value in options.items() if value is not None}
    if given.get("where") is True:
        del given["where"]
    held = holds_tracer((*operands, *given.values()))
    if not held and isinstance(primitive.impl, onp.ufunc):
        return primitive.impl(*operands, **given)
    operands = [as_operand(x) for x in operands]
    dtype = given.get("dtype")
    if dtype is not None and primitive.partials and onp.dtype(dtype).kind == "f":
        del given["dtype"]
        operands = [x if type(x) in (int, float) else engine.astype(x, dtype) for x in operands]
    refuse(primitive.name, given)
    return function(*operands)


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
