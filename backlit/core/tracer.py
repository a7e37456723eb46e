"""The tracer and the traces it can belong to.

A `Tracer` stands for an array while a function runs. It belongs to exactly one trace. An operation
is recorded in the innermost trace among its arguments; its operands' *values* are then combined
the same way one trace further out, until plain ndarrays are left. So nested derivatives can never
be confused, and no global "current tape" decides anything.

A tracer is also the record of the operation that made it: one object per operation is what keeps
eager gradients near the speed of NumPy (docs/performance.md). `Tape.process` is the general case of
recording; `backlit.ops.families` writes it out for elementwise operations on arrays.
"""

from __future__ import annotations

import itertools
import sys
import threading
import weakref
from collections.abc import Callable, Sequence
from types import CodeType
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as onp

from backlit.core.aval import AbstractValue, Shape, aval_of
from backlit.core.errors import (
    AbstractBranchError,
    LeakedTracerError,
    ShapeError,
    TracedValueError,
)
from backlit.core.primitive import Params, Primitive
from backlit.core.source import INTERNAL, Source

NO_PARAMS: Params = {}
_levels = itertools.count()
_getframe = sys._getframe
_Array = onp.ndarray


class _Live(threading.local):
    def __init__(self) -> None:
        self.stack: list[Trace] = []


_live = _Live()


def live_traces() -> list[Trace]:
    """Return this thread's running traces, outermost first."""
    return _live.stack


class Tracer:
    """An array that is being traced; use it like an ndarray.

    Attributes
    ----------
    value : ndarray, Tracer or None
        Its value: an array, a tracer of an outer trace, or ``None`` when traced by shape only.
    owner : Trace
        The trace it belongs to.
    id : int
        Place in the trace; -1 for an array that does not depend on the traced inputs.
    primitive : Primitive or None
        What made it, if a tape recorded it; ``None`` for an input and for a further result of an
        operation with several.
    i, j : int
        Ids of the operands of an elementwise operation; -1 for a constant. For any other
        operation `i` is the tuple of ids and `j` the result, a tuple of several.
    a, b : array
        Values of the operands; for any other operation `a` is their tuple and `b` the parameters.
    code, offset : CodeType or None, int
        The instruction of the user's program.
    origin : tuple or None
        The derivative rule it came from.
    """

    __slots__ = (
        "__weakref__",
        "a",
        "alias",
        "b",
        "code",
        "i",
        "id",
        "j",
        "known",
        "offset",
        "origin",
        "owner",
        "primitive",
        "tangents",
        "value",
    )

    value: Any
    owner: Trace
    id: int
    known: AbstractValue
    tangents: Any
    alias: Any
    primitive: Primitive | None
    i: Any
    j: Any
    a: Any
    b: Any
    code: CodeType | None
    offset: int
    origin: Any

    __hash__ = None  # type: ignore[assignment]
    __array_priority__ = 1000.0

    if TYPE_CHECKING:
        # Operators and methods are installed by backlit.ops.methods.
        T: Any
        mT: Any

        def __getattr__(self, name: str) -> Any: ...
        def __getitem__(self, index: Any) -> Any: ...
        def __setitem__(self, index: Any, value: Any) -> None: ...
        def __add__(self, other: Any) -> Any: ...
        def __radd__(self, other: Any) -> Any: ...
        def __sub__(self, other: Any) -> Any: ...
        def __rsub__(self, other: Any) -> Any: ...
        def __mul__(self, other: Any) -> Any: ...
        def __rmul__(self, other: Any) -> Any: ...
        def __truediv__(self, other: Any) -> Any: ...
        def __rtruediv__(self, other: Any) -> Any: ...
        def __pow__(self, other: Any) -> Any: ...
        def __matmul__(self, other: Any) -> Any: ...
        def __rmatmul__(self, other: Any) -> Any: ...
        def __neg__(self) -> Any: ...
        def __lt__(self, other: Any) -> Any: ...
        def __le__(self, other: Any) -> Any: ...
        def __gt__(self, other: Any) -> Any: ...
        def __ge__(self, other: Any) -> Any: ...

    @property
    def aval(self) -> AbstractValue:
        """Shape and element type."""
        return self.known if self.value is None else aval_of(self.value)

    @property
    def shape(self) -> Shape:
        """Shape, a tuple of int."""
        value = self.value
        return value.shape if hasattr(value, "shape") else self.aval.shape

    @property
    def dtype(self) -> onp.dtype[Any]:
        """Element type."""
        value = self.value
        return value.dtype if hasattr(value, "dtype") else self.aval.dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.aval.size

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-dimensional array")
        return self.shape[0]

    def __bool__(self) -> bool:
        return bool(self.owner.concretise(self, "truth value", bool))

    def __index__(self) -> int:
        if self.dtype.kind not in "iub":
            _refuse(self, "an index")
        return int(self.owner.concretise(self, "value as an index", int))

    def __int__(self) -> int:
        if self.dtype.kind not in "iub":
            _refuse(self, "int()")
        return int(self.owner.concretise(self, "integer value", int))

    def __float__(self) -> float:
        return float(self.owner.concretise_float(self, "float()"))

    def __complex__(self) -> complex:
        return complex(self.owner.concretise_float(self, "complex()"))

    def __array__(self, dtype: Any = None, copy: Any = None) -> onp.ndarray[Any, Any]:
        return onp.asarray(self.owner.concretise_float(self, "numpy.asarray()"), dtype=dtype)

    def item(self) -> Any:
        """Return a Python number; refused while that would lose a gradient."""
        return onp.asarray(self.owner.concretise_float(self, ".item()")).item()

    def tolist(self) -> Any:
        """Return nested lists; refused while that would lose a gradient."""
        return onp.asarray(self.owner.concretise_float(self, ".tolist()")).tolist()

    def __repr__(self) -> str:
        value = innermost_value(self)
        if value is None:
            return f"Tracer({self.aval})"
        return f"Tracer({self.aval}, value={onp.array2string(onp.asarray(value), threshold=8)})"

    def __format__(self, spec: str) -> str:
        value = innermost_value(self)
        return repr(self) if value is None or not spec else format(onp.asarray(value).item(), spec)


def innermost_value(value: Any) -> Any:
    """Return the plain value under any number of tracers, or None if it is abstract."""
    while type(value) is Tracer:
        value = value.value
    return value


def _refuse(tracer: Tracer, what: str) -> NoReturn:
    raise TracedValueError(
        f"{what} of a traced {tracer.aval} would lose its gradient",
        where=Source.here(),
        fix="compute with backlit.numpy and keep the array, or cut the gradient on purpose: "
        "bl.stop_gradient(x); to return extra values use has_aux=True; an array to be filled "
        "with traced values must be made inside the function by backlit.numpy (np.zeros, …)",
    )


class Trace:
    """What happens to an operation on tracers; subclasses decide."""

    level: int
    origin: Any = None

    def begin(self) -> None:
        """Enter the trace: it becomes this thread's innermost."""
        self.level = next(_levels)
        _live.stack.append(self)

    def end(self) -> None:
        """Leave the trace."""
        stack = _live.stack
        if stack[-1] is self:
            stack.pop()
        else:  # generators may leave traces in another order than they entered
            stack.remove(self)

    def process(self, primitive: Primitive, args: Sequence[Any], params: Params) -> Any:
        """Apply any primitive."""
        raise NotImplementedError  # pragma: no cover - abstract

    def concretise(self, tracer: Tracer, what: str, kind: Callable[[Any], Any]) -> Any:
        """Return a Python bool or int for a branch taken on a value."""
        value = tracer.value
        return kind(value)

    def concretise_float(self, tracer: Tracer, what: str) -> Any:
        """Return the plain value if no gradient is lost by it, else raise."""
        _refuse(tracer, what)

    def run(self, f: Callable[..., Any], args: Sequence[Any]) -> Any:
        """Call the user's function inside the trace."""
        self.begin()
        try:
            return f(*args)
        except (TypeError, ValueError) as error:
            # NumPy hides what `array[0] = tracer` raised behind an error of its own.
            if isinstance(error.__cause__, TracedValueError):
                raise error.__cause__ from None
            raise
        finally:
            self.end()

    def unmoved(self, primitive: Primitive, args: Sequence[Any], result: Any) -> Any:
        """Return the result of an operation on constants of this trace.

        A view of an array that may still be filled has to stay known as one.
        """
        if primitive.view and type(result) is _Array and result.ndim:
            if any(type(a) is Tracer and a.owner is self for a in args):
                return self.constant(result)
        return result

    def constant(self, value: Any) -> Tracer:
        """Return a tracer of this trace that depends on none of its inputs."""
        out = Tracer.__new__(Tracer)
        out.value, out.owner, out.id = value, self, -1
        return out


class Tape(Trace):
    """A list of what was computed, in order, with the values.

    Attributes
    ----------
    records : list of Tracer
        Inputs, then one tracer per result; a tracer's ``id`` is its index. ``None`` once ended,
        which is what makes a leaked tracer fail at no cost while tracing.
    guards : list
        Branches taken on values: id, outcome, code, offset.
    selects : bool
        Whether an operation chose between operands (docs/conventions.md, zero times infinity).
    """

    def __init__(self) -> None:
        self.records: list[Tracer] = []
        self.guards: list[tuple[int, Any, CodeType | None, int]] = []
        self.selects = False

    def input(self, value: Any) -> Tracer:
        """Add an input."""
        out = self.result(value)
        out.primitive = None
        return out

    def result(self, value: Any) -> Tracer:
        """Append a tracer of a value."""
        out = Tracer.__new__(Tracer)
        out.value, out.owner, out.id = value, self, len(self.records)
        self.records.append(out)
        return out

    def end(self) -> None:
        """Leave the trace: its tracers may no longer be used."""
        super().end()
        # Letting go of the records also breaks the cycle tape → tracer → tape.
        self.records = None  # type: ignore[assignment]

    def process(self, primitive: Primitive, args: Sequence[Any], params: Params) -> Any:
        """Apply and record any primitive."""
        ids: list[int] = []
        values: list[Any] = []
        moved = nested = False
        for a in args:
            if type(a) is Tracer:
                if a.owner is self:
                    ids.append(a.id)
                    moved = moved or a.id >= 0
                    a = a.value
                    nested = nested or type(a) is Tracer
                else:
                    ids.append(-1)
                    nested = True
            else:
                ids.append(-1)
            values.append(a)
        records = self.records
        if records is None:
            leaked(next((a for a in args if type(a) is Tracer and a.owner is self), None))
        result = self.compute(primitive, args, values, params, moved, nested)
        if not moved:
            return self.unmoved(primitive, args, result)
        if primitive.selects:
            self.selects = True
        outs = [self.result(part) for part in result] if primitive.multi else [self.result(result)]
        for out in outs[1:]:
            out.primitive = None
        if not outs:
            return ()
        head = outs[0]
        head.primitive = primitive
        head.code, head.offset = user_position()
        head.origin = self.origin
        if primitive.arity == 1:
            head.i, head.a = ids[0], values[0]
        elif primitive.arity == 2:
            head.i, head.j = ids
            head.a, head.b = values
        else:
            head.i, head.a, head.b, head.j = ids, values, params, result
        return tuple(outs) if primitive.multi else head

    def compute(
        self,
        primitive: Primitive,
        args: Sequence[Any],
        values: Sequence[Any],
        params: Params,
        moved: bool,
        nested: bool,
    ) -> Any:
        """Return the value of an operation; `nested` says that operands are tracers in turn."""
        try:
            if nested:
                return bind(primitive, *values, **params)
            return primitive.impl(*values, **params)
        except (TypeError, ValueError, IndexError) as error:
            explain_failure(primitive, args, error)

    def concretise(self, tracer: Tracer, what: str, kind: Callable[[Any], Any]) -> Any:
        """Return a Python bool or int and remember the branch as a guard."""
        outcome = kind(tracer.value)
        if self.records is None:
            leaked(tracer)
        if tracer.id >= 0:
            self.guards.append((tracer.id, outcome, *user_position()))
        return outcome

    def concretise_float(self, tracer: Tracer, what: str) -> Any:
        """Return the value of a constant or of ``stop_gradient(x)``; refuse anything else."""
        if tracer.id < 0:
            return tracer.value
        if self.records is None:
            leaked(tracer)
        made_by = tracer.primitive
        if made_by is None or made_by.name != "stop_gradient" or tracer.value is None:
            _refuse(tracer, what)
        plain = onp.asarray(tracer.value)
        self.guards.append((tracer.id, plain, *user_position()))
        return plain


class AbstractTape(Tape):
    """A tape of shapes and types only: the function's numbers are not known yet."""

    def result(self, value: AbstractValue) -> Tracer:
        """Append a tracer of a shape and type."""
        out = super().result(None)
        out.known = value
        return out

    def compute(
        self,
        primitive: Primitive,
        args: Sequence[Any],
        values: Sequence[Any],
        params: Params,
        moved: bool,
        nested: bool,
    ) -> Any:
        """Return the result's shape and type, or its value if it does not depend on the inputs."""
        if not moved:
            return super().compute(primitive, args, values, params, moved, nested)
        try:
            return primitive.abstract(*[aval_of(a) for a in args], **params)
        except (TypeError, ValueError, IndexError) as error:
            explain_failure(primitive, args, error)

    def concretise(self, tracer: Tracer, what: str, kind: Callable[[Any], Any]) -> Any:
        """Refuse: there is no value to branch on."""
        if tracer.id < 0:
            return kind(tracer.value)
        raise AbstractBranchError(
            f"Python asked for the {what} of a traced {tracer.aval}, which has no value yet "
            "because the function is traced by shape (inside jit, cond, scan or a loop)",
            where=Source.here(),
            fix="choose between values with np.where(test, a, b), between computations with "
            "bl.cond(test, f, g, *args), and repeat with bl.scan, bl.fori_loop or bl.while_loop",
        )


def bind(primitive: Primitive, *args: Any, **params: Any) -> Any:
    """Apply a primitive to arrays, tracers or both, in the innermost trace among them."""
    trace: Trace | None = None
    for a in args:
        if type(a) is Tracer and (trace is None or a.owner.level > trace.level):
            trace = a.owner
    if trace is None:
        return primitive.impl(*args, **params)
    return trace.process(primitive, args, params)


def user_position() -> tuple[CodeType | None, int]:
    """Return the instruction of user code that is running now."""
    frame = _getframe(2)
    while INTERNAL[frame.f_code.co_filename]:
        frame = frame.f_back  # type: ignore[assignment]
        if frame is None:  # pragma: no cover - there is always a caller outside the engine
            return None, 0
    return frame.f_code, frame.f_lasti


def entry(node: Tracer) -> tuple[Primitive, Sequence[int], Sequence[Any], Params, Any]:
    """Return primitive, ids, operand values, parameters and result(s) of a recorded operation."""
    primitive = node.primitive
    assert primitive is not None
    if primitive.arity == 1:
        return primitive, (node.i,), (node.a,), NO_PARAMS, node.value
    if primitive.arity == 2:
        return primitive, (node.i, node.j), (node.a, node.b), NO_PARAMS, node.value
    result = node.j if primitive.multi else node.value
    return primitive, node.i, node.a, node.b, result


def made_at(tracer: Tracer) -> Source | None:
    """Return the user's line that computed a tracer."""
    code = getattr(tracer, "code", None)
    return None if code is None else Source.at(code, tracer.offset)


def _leak_error(tracer: Tracer | None) -> LeakedTracerError:
    made = None if tracer is None else made_at(tracer)
    what = "a traced value was used after the transformation that made it had ended"
    if made is not None:
        what += f"; it was made at {made} by `{made.text()}`"
    return LeakedTracerError(
        what,
        where=Source.here(),
        fix="return it from the function (has_aux=True for extra values) instead of storing it "
        "in a global, a closure or an object",
    )


def leaked(tracer: Any) -> NoReturn:
    """Raise the error for a tracer that outlived its trace."""
    raise _leak_error(tracer if type(tracer) is Tracer else None) from None


def explain_failure(primitive: Primitive, args: Sequence[Any], error: Exception) -> NoReturn:
    """Turn NumPy's complaint into one that names the operands and the user's line."""
    if isinstance(error, (TracedValueError, LeakedTracerError, ShapeError)):
        raise error
    for a in args:
        if type(a) is Tracer and isinstance(a.owner, Tape) and a.owner.records is None:
            leaked(a)
    operands = " and ".join(str(aval_of(a)) if is_array(a) else repr(a)[:40] for a in args)
    fix = None
    if primitive.name == "matmul" and "mismatch" in str(error):
        fix = "the last axis of the left operand must be as long as the second last of the right"
    kind = ShapeError if isinstance(error, (ValueError, IndexError)) else TracedValueError
    raise kind(
        f"{primitive.name} cannot take {operands}: {error}", where=Source.here(), fix=fix
    ) from None


def is_array(value: Any) -> bool:
    """Tell whether a value can be an operand: tracer, ndarray, or number."""
    return isinstance(value, (Tracer, _Array, onp.generic, bool, int, float, complex))


def note_view(view: Any, base: Any) -> Any:
    """Remember that NumPy's result would share memory with `base`; return the result."""
    if type(view) is Tracer and type(base) is Tracer and view.shape:
        kind, root = getattr(base, "alias", None) or (None, None)
        while kind == "view":
            base = root
            kind, root = base.alias
        if kind is None:
            base.alias = ("base", [])
        base.alias[1].append(weakref.ref(view))
        view.alias = ("view", base)
    return view


def rebind(tracer: Tracer, new: Any) -> None:
    """Let a tracer stand for a new value after an item assignment.

    NumPy would also change every array that shares its memory. A view that is still in use is
    therefore spoiled (using it raises); writing into a view is refused.
    """
    kind, others = getattr(tracer, "alias", None) or (None, ())
    if kind == "view":
        raise TracedValueError(
            "assignment into a view of a traced array would not reach the array it views",
            where=Source.here(),
            fix="assign through the array itself, x[i, j] = v, or take a copy first",
        )
    for reference in others:
        view = reference()
        if view is not None:
            view.owner = _Spoiled(Source.here())
    # The tape holds tracers: what is recorded so far must stay, under another object.
    if isinstance(tracer.owner, Tape) and tracer.id >= 0 and tracer.owner.records is not None:
        old = Tracer.__new__(Tracer)
        _copy_slots(tracer, old)
        tracer.owner.records[tracer.id] = old
    if type(new) is Tracer:
        _copy_slots(new, tracer)
    else:
        tracer.value, tracer.id = new, -1
    tracer.alias = None


def _copy_slots(source: Tracer, target: Tracer) -> None:
    for name in Tracer.__slots__:
        if name != "__weakref__" and hasattr(source, name):
            setattr(target, name, getattr(source, name))


class _Spoiled(Trace):
    """Where views go whose base was assigned to afterwards."""

    def __init__(self, where: Source | None) -> None:
        self.level = next(_levels)
        self.where = where

    def process(self, primitive: Primitive, args: Sequence[Any], params: Params) -> Any:
        """Refuse any use."""
        raise TracedValueError(
            f"this array is a view of one that was assigned to at {self.where}; "
            "NumPy would show the new values here",
            where=Source.here(),
            fix="take the view again after the assignment, or copy it before",
        )

    def concretise(self, tracer: Tracer, what: str, kind: Callable[[Any], Any]) -> Any:
        """Refuse any use."""
        return self.process(None, (), NO_PARAMS)  # type: ignore[arg-type]
