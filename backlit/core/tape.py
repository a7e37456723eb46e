"""Tapes: traces that keep what was computed, with values or by shape only."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from operator import itemgetter
from types import CodeType, FrameType
from typing import Any, NoReturn

import numpy as onp

from backlit.core.aval import PYTHON_NUMBERS, AbstractValue, aval_of
from backlit.core.errors import (
    AbstractBranchError,
    BacklitError,
    LeakedTracerError,
    ShapeError,
    TracedValueError,
)
from backlit.core.operands import check_operands, check_result
from backlit.core.primitive import Params, Primitive
from backlit.core.source import Source, user_frame
from backlit.core.tracer import NO_PARAMS, Trace, Tracer, bind, live_traces, refuse


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
        # Code object and derivative rule hold for many operations in a row: each is noted with
        # the first index it holds for, which keeps them off the path of every operation.
        self.frame: FrameType | None = None
        self.codes: list[tuple[int, CodeType | None]] = []
        self.origins: list[tuple[int, Any]] = []
        self.guards: list[tuple[int, Any, CodeType | None, int]] = []
        self.selects = False

    def input(self, value: Any) -> Tracer:
        """Add an input."""
        out = self.result(value)
        out.primitive = None
        return out

    def made(self) -> int:
        """Return how many values were traced so far: the ids of later ones are not smaller."""
        return len(self.records)

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
        self.frame = None

    def enter(self, frame: FrameType) -> None:
        """Note that the operations from here on are written in another function."""
        self.frame = frame
        self.codes.append((len(self.records), frame.f_code))

    def code_of(self, index: int) -> CodeType | None:
        """Return the code object that an operation was written in."""
        code: CodeType | None = _valid_at(self.codes, index)
        return code

    def origin_of(self, index: int) -> Any:
        """Return the derivative rule that an operation came from, or None."""
        return _valid_at(self.origins, index)

    def position(self, tracer: Tracer) -> Source | None:
        """Return the user's line that computed a tracer, None for an input."""
        if tracer.id < 0 or tracer.primitive is None:
            return None
        code = self.code_of(tracer.id)
        return None if code is None else Source.at(code, tracer.offset)

    @property
    def origin(self) -> Any:
        """The derivative rule that operations come from now."""
        return self.origins[-1][1] if self.origins else None

    @origin.setter
    def origin(self, rule: Any) -> None:
        self.origins.append((len(self.records), rule))

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
                    a = a.value if a.id < 0 else a
                    nested = nested or type(a) is Tracer
            else:
                ids.append(-1)
            values.append(a)
        if self.records is None and moved:
            self.leaked(next(a for a in args if self.owns(a)))
        if moved:
            check_operands(primitive, args)
        result = self.compute(primitive, args, values, params, moved, nested)
        if not moved:
            return self.unmoved(primitive, args, result)
        if not primitive.multi:
            check_result(primitive, result)
        if primitive.selects:
            self.selects = True
        frame = user_frame()
        if frame is not self.frame:
            self.enter(frame)
        outs = [self.result(part) for part in result] if primitive.multi else [self.result(result)]
        for out in outs[1:]:
            out.primitive = None
        if not outs:
            return ()
        head = outs[0]
        head.primitive = primitive
        head.offset = frame.f_lasti
        if primitive.arity == 1:
            head.i, head.a = ids[0], values[0]
        elif primitive.arity == 2:
            head.i, head.j = ids
            head.a, head.b = values
        else:
            head.i, head.a, head.b, head.j = ids, values, params, result
        return self.handed_out(outs) if primitive.multi else head

    def handed_out(self, outs: Sequence[Tracer]) -> tuple[Any, ...]:
        """Return several results as the user gets them: a Python number is nothing of arrays."""
        return tuple([o.value if type(o.value) in PYTHON_NUMBERS else o for o in outs])

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
            explain_failure(primitive, args, error, params)

    def leaked(self, tracer: Tracer) -> None:
        """Raise if a tracer is used after its trace ended; a constant may be."""
        if self.records is None and tracer.id >= 0:
            leaked(tracer)

    def concretise(self, tracer: Tracer, what: str, kind: Callable[[Any], Any]) -> Any:
        """Return a Python bool or int and remember the branch as a guard."""
        self.leaked(tracer)
        try:
            outcome = kind(tracer.value)
        except ValueError:
            raise ShapeError(
                f"the {what} of an array of shape {tracer.shape} is not one value",
                fix="ask np.all(x) or np.any(x), or choose element by element with np.where",
            ) from None
        if tracer.id >= 0:
            self.guards.append((tracer.id, outcome, *user_position()))
        return outcome

    def concretise_float(self, tracer: Tracer, what: str) -> Any:
        """Return the value of a constant or of ``stop_gradient(x)``; refuse anything else."""
        if tracer.id < 0:
            return tracer.value
        self.leaked(tracer)
        made_by = tracer.primitive
        if made_by is None or made_by.name != "stop_gradient" or tracer.value is None:
            refuse(tracer, what)
        plain = onp.asarray(tracer.value)
        self.guards.append((tracer.id, plain, *user_position()))
        return plain


class NumberTape(Tape):
    """A tape with a Python number among its inputs: what Python's operators make of it is one.

    A tape of arrays has none, and what records on it looks for none: a class of its own is what
    sends every operation here through `process`.
    """

    def handed_out(self, outs: Sequence[Tracer]) -> tuple[Any, ...]:
        """Return several results as the user gets them."""
        return tuple(outs)

    def compute(
        self,
        primitive: Primitive,
        args: Sequence[Any],
        values: Sequence[Any],
        params: Params,
        moved: bool,
        nested: bool,
    ) -> Any:
        """Return the value of an operation, a Python number where Python would have one."""
        result = super().compute(primitive, args, values, params, moved, nested)
        return result if nested else primitive.settled(values, result)


def tape_for(values: Sequence[Any]) -> Tape:
    """Return a new tape to record what a function makes of values."""
    return Tape() if PYTHON_NUMBERS.isdisjoint(map(type, values)) else NumberTape()


class AbstractTape(Tape):
    """A tape of shapes and types only: the function's numbers are not known yet.

    Attributes
    ----------
    before : dict of int to int
        For the level of every trace further out, how many values it had traced before.
    """

    def begin(self) -> None:
        """Enter the trace: it becomes this thread's innermost."""
        self.before = {trace.level: trace.made() for trace in live_traces()}
        super().begin()

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
            explain_failure(primitive, args, error, params)

    def concretise(self, tracer: Tracer, what: str, kind: Callable[[Any], Any]) -> Any:
        """Refuse: there is no value to branch on."""
        if tracer.id < 0:
            return kind(tracer.value)
        fix = (
            "choose between values with np.where(test, a, b), between computations with "
            "bl.cond(test, f, g, *args), and repeat with bl.scan, bl.fori_loop or bl.while_loop"
        )
        if tracer.dtype.kind in "iu":
            fix = (
                "a shape or a number of steps has to be known: take it from x.shape, or make the "
                "argument it comes from static (static_argnums or static_argnames of bl.jit); look "
                "up table[k] as np.take(table, k); " + fix
            )
        raise AbstractBranchError(
            f"Python asked for the {what} of a traced {tracer.aval}, which has no value yet "
            "because the function is traced by shape (inside jit, cond, scan or a loop)",
            where=Source.here(),
            fix=fix,
        )

    def concretise_float(self, tracer: Tracer, what: str) -> Any:
        """Return the value of a constant; nothing else has one."""
        if tracer.id < 0:
            return tracer.value
        self.leaked(tracer)
        raise AbstractBranchError(
            f"{what} was asked of a traced {tracer.aval}, which has no value yet because the "
            "function is traced by shape (inside jit, cond, scan or a loop)",
            where=Source.here(),
            fix="keep it an array: backlit.numpy computes with it, and a body or branch returns "
            "what is to be seen outside",
        )


def _valid_at(notes: list[tuple[int, Any]], index: int) -> Any:
    place = bisect_right(notes, index, key=itemgetter(0))
    return notes[place - 1][1] if place else None


def user_position() -> tuple[CodeType, int]:
    """Return the instruction of user code that is running now."""
    frame = user_frame()
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


def _leak_error(tracer: Tracer | None) -> LeakedTracerError:
    made = None if tracer is None else tracer.owner.position(tracer)
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


def explain_failure(
    primitive: Primitive, args: Sequence[Any], error: Exception, params: Params = NO_PARAMS
) -> NoReturn:
    """Turn NumPy's complaint into one that names the operands and the user's line."""
    if isinstance(error, BacklitError):
        raise error
    for a in args:
        if type(a) is Tracer:
            a.owner.leaked(a)
    try:
        primitive.abstract(*[aval_of(a) for a in args], **params)
    except ShapeError as plainer:  # our own rule says it better than NumPy does
        raise plainer from None
    except Exception:
        pass
    operands = " and ".join(str(aval_of(a)) if is_array(a) else repr(a)[:40] for a in args)
    kind = ShapeError if isinstance(error, (ValueError, IndexError)) else TracedValueError
    raise kind(
        f"{primitive.name} cannot take {operands}: {error}",
        where=Source.here(),
        fix=_failure_fix(primitive, error),
    ) from None


def _failure_fix(primitive: Primitive, error: Exception) -> str:
    """Say what to do about a complaint of NumPy's."""
    if isinstance(error, IndexError):
        return "count from 0 to n - 1 along an axis of length n, or from -1 back; see x.shape"
    if primitive.name in ("invert", "bitwise_and", "bitwise_or", "bitwise_xor"):
        return (
            "only integers and booleans have bits: compare first, x > 0.0, or convert with "
            "x.astype(int)"
        )
    return f"see the shapes and types that numpy.{primitive.name} takes"


def is_array(value: Any) -> bool:
    """Tell whether a value can be an operand: tracer, ndarray, or number."""
    return isinstance(value, (Tracer, onp.ndarray, onp.generic, bool, int, float, complex))
