"""The two sweeps of automatic differentiation over what a function computed.

Reverse: a `Tape` remembers the operations; `reverse_sweep` walks it backward once, carrying the
cotangent of every value. (S. Linnainmaa, "The representation of the cumulative rounding error of
an algorithm as a Taylor expansion of the local rounding errors", Master's thesis, University of
Helsinki, 1970.)

Forward: a `ForwardTrace` remembers nothing; every value travels with its tangents.
(R. E. Wengert, "A simple automatic derivative evaluation program", Comm. ACM 7(8), 1964.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from itertools import islice
from typing import Any

import numpy as onp

from backlit.core.errors import DifferentiationError
from backlit.core.operands import check_operands, check_result
from backlit.core.primitive import FIRST, MINUS_ONE, ONE, SECOND, Params, Primitive
from backlit.core.source import Source
from backlit.core.tape import entry, explain_failure, leaked, tape_for, user_position
from backlit.core.tracer import Trace, Tracer, bind, live_traces
from backlit.ops.families import engine, fit, mark, pull_elementwise, push_many

_ndarray = onp.ndarray


# --- reverse ----------------------------------------------------------------------------------


class Recorded:
    """What one run of a function left on a tape.

    Attributes
    ----------
    out : object
        What the function returned.
    records : list of Tracer
    inputs : int
    selects : bool
    """

    __slots__ = ("inputs", "out", "records", "selects", "tape")

    def __init__(self, f: Callable[..., Any], values: Sequence[Any]) -> None:
        """Run ``f(*tracers)`` once."""
        self.tape = tape = tape_for(values)
        self.records = tape.records
        self.inputs = len(values)
        self.out = tape.run(f, [tape.input(value) for value in values])
        self.selects = tape.selects
        # Rules refer to results, results to the tape: a cycle, and nobody asks for them any more.
        tape.origins.clear()

    def sweep(self, seeds: Sequence[tuple[int, Any]], everywhere: bool = False) -> list[Any]:
        """Send cotangents from results back to the inputs.

        Parameters
        ----------
        seeds : sequence of (int, array)
            Ids of results and their cotangents.
        everywhere : bool
            Return the cotangent of every record; only with an outer trace looking on.

        Returns
        -------
        list
            Cotangent of each input, ``None`` where nothing arrives.
        """
        cotangents: list[Any] = [None] * len(self.records)
        live = live_traces()
        traced = bool(live)
        for i, g in seeds:
            traced = traced or type(g) is Tracer
            cotangents[i] = g if cotangents[i] is None else engine.add(cotangents[i], g)
        if traced:
            origins = [trace.origin for trace in live]
            quiet = onp.errstate(all="ignore") if self.selects else nullcontext()
            try:
                with quiet:
                    _sweep_traced(self.records, cotangents, self.inputs, self.selects)
            finally:
                for trace, origin in zip(live, origins, strict=True):
                    trace.origin = origin
        elif self.selects:
            with onp.errstate(all="ignore"):
                _sweep_arrays(self.records, cotangents, self.inputs, True)
        else:
            _sweep_arrays(self.records, cotangents, self.inputs, False)
        return cotangents if everywhere else cotangents[: self.inputs]

    def push(self, columns: Sequence[list[Any]], results: Sequence[Any]) -> list[list[Any]]:
        """Push tangents of the inputs forward over the record; f does not run again.

        Parameters
        ----------
        columns : sequence of list
            Per input, one tangent (or None) per direction.
        results : sequence
            Values or tracers whose tangents are wanted.

        Returns
        -------
        list of list
            Per result, one tangent per direction.
        """
        origins = [trace.origin for trace in live_traces()]
        count = len(columns[0]) if columns else 0
        dots: list[list[Any]] = [[None] * count for _ in self.records]
        masked = bytearray(len(self.records))
        dots[: self.inputs] = columns
        for i in range(self.inputs, len(self.records)):
            node = self.records[i]
            if node.primitive is None or node.primitive.push is None:
                continue
            primitive, ids, values, params, out = entry(node)
            push = node.primitive.push
            each = [[None if j < 0 else dots[j][k] for j in ids] for k in range(count)]
            if all(t is None for tangents in each for t in tangents):
                continue
            mask = any(j >= 0 and masked[j] for j in ids)
            width = len(out) if primitive.multi else 1
            masked[i : i + width] = bytes([mask or primitive.selects]) * width
            if primitive.simple:
                with onp.errstate(all="ignore") if mask else nullcontext():
                    dots[i] = push_many(primitive, each, out, values, params, mask)
                continue
            pushed = [
                None if all(t is None for t in tangents) else push(tangents, out, values, params)
                for tangents in each
            ]
            for k in range(width):
                dots[i + k] = [p if p is None or not primitive.multi else p[k] for p in pushed]
        for trace, origin in zip(live_traces(), origins, strict=True):
            trace.origin = origin
        found = []
        for result in results:
            tangents = dots[result.id] if self.tape.owns(result) else [None] * count
            value = self.tape.outside(result)
            zero = engine.zeros_like(value)
            found.append([zero if t is None else t for t in tangents])
        return found


def _sweep_traced(records: list[Tracer], cotangents: list[Any], inputs: int, selects: bool) -> None:
    """Walk the tape backward while an outer trace looks on, telling it which rule is at work."""
    masked = bytearray(len(records))
    for i in range(len(records) - 1, inputs - 1, -1):
        node = records[i]
        if node.primitive is None:
            continue
        primitive, _, _, _, out = entry(node)
        g, mask = cotangents[i], bool(masked[i])
        if primitive.multi:
            g = cotangents[i : i + len(out)]
            mask = any(masked[i : i + len(out)])
        mark("vjp", primitive, out, -1, "product")
        for j, part in _pull(node, g, mask):
            masked[j] |= mask or (selects and primitive.selects)
            if cotangents[j] is None:
                cotangents[j] = part
            else:
                mark("vjp", primitive, out, -1, "sum")
                cotangents[j] = engine.add(cotangents[j], part)


def _pull(node: Tracer, g: Any, mask: bool) -> list[tuple[int, Any]]:
    """Return the ids of an operation's operands with the cotangents they receive."""
    primitive, ids, values, params, out = entry(node)
    dead = all(part is None for part in g) if primitive.multi else g is None
    if dead or not _reversible(primitive, node):
        return []
    needs = [j >= 0 for j in ids]
    if primitive.simple:
        parts: Sequence[Any] = pull_elementwise(primitive, g, out, values, params, needs, mask)
    else:
        parts = primitive.pull(g, out, values, params, needs)  # type: ignore[misc]
    return [(j, part) for j, part in zip(ids, parts, strict=True) if j >= 0 and part is not None]


def _sweep_arrays(records: list[Tracer], cotangents: list[Any], inputs: int, selects: bool) -> None:
    """Walk the tape backward on plain arrays: the same rules, written out for speed.

    `cotangents` grows shorter as the walk goes on, until those of the inputs are left.
    """
    multiply, negative, plus, pop = onp.multiply, onp.negative, onp.add, cotangents.pop
    masked = bytearray(len(records))
    further: list[Any] = []
    for node in islice(reversed(records), len(records) - inputs):
        g = pop()
        primitive = node.primitive
        if primitive is None:
            further.append(g)
            continue
        shortcut = primitive.shortcut
        if selects and shortcut and masked[len(cotangents)] and primitive.scales:
            shortcut = 0
        if not shortcut:
            i = len(cotangents)
            mask = bool(masked[i])
            if primitive.multi:
                g = [g, *reversed(further)]
                mask = any(masked[i : i + len(g)])
                further.clear()
            for j, part in _pull(node, g, mask):
                before = cotangents[j]
                cotangents[j] = part if before is None else plus(before, part)
                if mask or (selects and primitive.selects):
                    masked[j] = 1
            continue
        if g is None:
            continue
        j = node.i
        if shortcut != 2:
            if shortcut == 3:
                part = multiply(g, primitive.local(node.a))
            elif shortcut == 1:
                part = multiply(g, primitive.local(node.a, node.value))
            else:
                part = onp.where(primitive.local(node.a, node.value), g, 0.0)
            before = cotangents[j]
            cotangents[j] = part if before is None else plus(before, part)
            k = -1
        else:
            a = node.a
            b = node.b
            first, second = primitive.array_partials
            if j >= 0:
                if first is SECOND:
                    part = multiply(g, b)
                elif first is ONE:
                    part = g
                else:
                    part = multiply(g, first(a, b, node.value))
                # Broadcasting and promotion only ever enlarge: equal rank and bytes mean equal.
                size = part.nbytes
                if type(a) is not _ndarray or size != a.nbytes or part.ndim != a.ndim or not size:
                    part = fit(part, a)
                if part is not None:
                    before = cotangents[j]
                    cotangents[j] = part if before is None else plus(before, part)
            k = node.j
            if k >= 0:
                if second is FIRST:
                    part = multiply(g, a)
                elif second is ONE:
                    part = g
                elif second is MINUS_ONE:
                    part = negative(g)
                else:
                    part = multiply(g, second(a, b, node.value))
                size = part.nbytes
                if type(b) is not _ndarray or size != b.nbytes or part.ndim != b.ndim or not size:
                    part = fit(part, b)
                if part is not None:
                    before = cotangents[k]
                    cotangents[k] = part if before is None else plus(before, part)
        if selects and (masked[len(cotangents)] or primitive.selects):
            if j >= 0:
                masked[j] = 1
            if k >= 0:
                masked[k] = 1


def _reversible(primitive: Primitive, node: Tracer) -> bool:
    if primitive.pull is not None:
        return True
    if primitive.family == "custom":
        raise DifferentiationError(
            f"{primitive.name} has no reverse mode: how many steps it takes is not known before "
            "(a fori_loop whose bounds are traced is one)",
            where=node.owner.position(node),
            fix="use bl.scan or bl.fori_loop with a known number of steps (under bl.jit, bounds "
            "from static arguments), or forward mode (bl.jvp, bl.jacfwd)",
        )
    return False


# --- forward ----------------------------------------------------------------------------------


class ForwardTrace(Trace):
    """Every value travels with its tangents, one per direction; a tangent of None is zero.

    A tracer's ``b`` says whether its tangents went by a choice, so that zeros in them are final.
    """

    def __init__(self, directions: int) -> None:
        self.directions = directions
        self.count = 0

    def made(self) -> int:
        """Return how many values were traced so far: the ids of later ones are not smaller."""
        return self.count

    def dual(self, value: Any, tangents: list[Any]) -> Tracer:
        """Return a tracer of a value and its tangents."""
        out = Tracer.__new__(Tracer)
        out.value, out.owner, out.id, out.tangents = value, self, self.count, tangents
        self.count += 1
        out.b = False
        return out

    def end(self) -> None:
        """Leave the trace."""
        super().end()
        self.directions = -1

    def process(self, primitive: Primitive, args: Sequence[Any], params: Params) -> Any:
        """Compute the value and push the tangents through."""
        values, tangents = [], []
        masked = False
        for a in args:
            own = type(a) is Tracer and (a.owner is self or a.id < 0)
            values.append(a.value if own else a)
            tangents.append(a.tangents if own and a.id >= 0 else None)
            if tangents[-1] is not None:
                self.leaked(a)
                masked = masked or a.b
        moved = any(t is not None for t in tangents)
        if moved:
            check_operands(primitive, args)
        try:
            out = bind(primitive, *values, **params)  # of Python numbers alone it is one
        except (TypeError, ValueError, IndexError) as error:
            explain_failure(primitive, args, error, params)
        if moved and not primitive.multi:
            check_result(primitive, out)
        if primitive.push is None or not moved:
            return self.unmoved(primitive, args, out)
        origins = [trace.origin for trace in live_traces()]
        mark("jvp", primitive, out, -1, "product")
        each = [[None if t is None else t[k] for t in tangents] for k in range(self.directions)]
        if primitive.simple:
            with onp.errstate(all="ignore") if masked else nullcontext():
                pushed = push_many(primitive, each, out, values, params, masked)
        else:
            pushed = [primitive.push(t, out, values, params) for t in each]
        masked = masked or primitive.selects
        for trace, origin in zip(live_traces(), origins, strict=True):
            trace.origin = origin
        if primitive.multi:
            parts = [[None if p is None else p[k] for p in pushed] for k in range(len(out))]
            return tuple([self._wrap(o, p, masked) for o, p in zip(out, parts, strict=True)])
        return self._wrap(out, pushed, masked)

    def _wrap(self, value: Any, tangents: list[Any], masked: bool) -> Any:
        if all(t is None for t in tangents):
            return value
        out = self.dual(value, tangents)
        out.b = masked
        out.a, out.offset = user_position()
        return out

    def position(self, tracer: Tracer) -> Source | None:
        """Return the user's line that computed a tracer, None for an input."""
        code = getattr(tracer, "a", None)
        return None if code is None else Source.at(code, tracer.offset)

    def leaked(self, tracer: Tracer) -> None:
        """Raise if a tracer is used after its trace ended; a constant may be."""
        if self.directions < 0 and tracer.id >= 0:
            leaked(tracer)

    def concretise(self, tracer: Tracer, what: str, kind: Callable[[Any], Any]) -> Any:
        """Return a Python bool or int for a branch taken on a value."""
        self.leaked(tracer)
        return super().concretise(tracer, what, kind)

    def concretise_float(self, tracer: Tracer, what: str) -> Any:
        """Refuse: the tangent would be lost."""
        if tracer.id < 0:
            return tracer.value
        self.leaked(tracer)
        return super().concretise_float(tracer, what)


def push_forward(
    f: Callable[..., Any], values: Sequence[Any], tangents: Sequence[list[Any]]
) -> tuple[ForwardTrace, Any]:
    """Run ``f`` once with tangents; return the trace and what f returned.

    Parameters
    ----------
    f : callable
    values : sequence
        Inputs.
    tangents : sequence of list
        Per input, one tangent (or None) per direction.
    """
    trace = ForwardTrace(len(tangents[0]) if tangents else 0)
    return trace, trace.run(f, [trace.dual(v, t) for v, t in zip(values, tangents, strict=True)])
