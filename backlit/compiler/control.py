"""Loops and choices: bodies are planned like programs, and called turn by turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as onp

from backlit.compiler.elements import Pointers, start_of
from backlit.compiler.memory import ALIGNMENT, place
from backlit.compiler.target import Target
from backlit.compiler.text import Code
from backlit.compiler.units import (
    TEAM,
    Buffer,
    Control,
    Fallback,
    Plan,
    View,
    whole_view,
)
from backlit.core.graph import Equation, Graph

if TYPE_CHECKING:
    from backlit.compiler.plan import Planner

Call = Callable[[Code, Plan, Pointers], None]
_BYTE = onp.dtype("uint8")


def plan_control(
    planner: Planner, equation: Equation, plan_body: Any
) -> list[tuple[View, int]] | None:
    """Plan a loop or choice; return where its results are, or None if the evaluator must run it.

    Parameters
    ----------
    planner : Planner
    equation : Equation
    plan_body : callable
        Plans a graph, sharing the planner's constants.
    """
    params = equation.params
    graphs: list[Graph] = {
        "scan": lambda: [params["body"]],
        "while_loop": lambda: [params["test"], params["body"]],
        "cond": lambda: list(params["branches"]),
    }[equation.primitive.name]()
    kept = len(planner.constants)
    bodies = [plan_body(graph) for graph in graphs]
    if any(isinstance(unit, Fallback) for body in bodies for unit in body.units):
        del planner.constants[kept:]
        return None
    operands = [planner.contiguous(atom) for atom in equation.inputs]
    outs = [planner.scratch(var.aval) for var in equation.outputs]
    size = 0
    carried = _carried(equation)
    for body in bodies:
        place(body, carried if body is bodies[-1] else ())
        size = max(size, body.scratch)
    size += sum(_beside(bodies[-1], outs[: len(carried)])) + ALIGNMENT
    scratch = whole_view(Buffer("scratch", size, _BYTE), ())
    captured: dict[Buffer, View] = {}
    for body in bodies:
        for unit in body.units:
            for view in (*unit.reads(), *unit.writes()):
                if view.buffer.kind in ("constant", "error"):
                    captured.setdefault(view.buffer, whole_view(view.buffer, (view.buffer.size,)))
    unit = Control(
        equation.primitive.name, params, bodies, operands, outs, scratch, list(captured.values())
    )
    ready = planner.append(unit) + 1
    return [(view, ready) for view in outs]


def _carried(equation: Equation) -> list[tuple[int, int]]:
    """Return which outputs of the body come back as which of its inputs."""
    params = equation.params
    if equation.primitive.name == "scan":
        return [(k, k) for k in range(params["carries"])]
    if equation.primitive.name == "while_loop":
        return [(k, params["bodies"] + k) for k in range(len(equation.outputs))]
    return []


def _beside(body: Plan, outs: Sequence[View]) -> list[int]:
    """Return the bytes for next values of what is carried: none where the body updates in place."""
    return [
        0 if made.buffer.host is not None else -(-out.nbytes // ALIGNMENT) * ALIGNMENT
        for made, out in zip(body.outputs, outs, strict=False)
    ]


class ControlLoops:
    """Writes one `Control` unit.

    Parameters
    ----------
    code : Code
    target : Target
    unit : Control
    pointers : dict of Buffer to str
    call : callable
        Writes the calls of a body's units: ``call(code, plan, pointers)``.
    """

    def __init__(
        self, code: Code, target: Target, unit: Control, pointers: Pointers, call: Call
    ) -> None:
        self.code, self.unit, self.call = code, unit, call
        self.operands = [start_of(code, pointers, v) for v in unit.operands]
        self.outs = [start_of(code, pointers, v) for v in unit.outs]
        self.scratch = start_of(code, pointers, unit.scratch)
        self.constants = {v.buffer: pointers[v.buffer.root] for v in unit.captured}
        if TEAM in pointers:
            self.constants[TEAM] = pointers[TEAM]
        self.body_bytes = max(body.scratch for body in unit.bodies)

    def write(self) -> None:
        """Write the loops."""
        getattr(self, f"_{self.unit.name}")()

    def _run(self, body: Plan, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        pointers: Pointers = dict(self.constants)
        pointers.update(zip(body.inputs, inputs, strict=True))
        for view, name in zip(body.outputs, outputs, strict=True):
            pointers.setdefault(view.buffer.root, name)
        for unit in body.units:
            for view in (*unit.writes(), *unit.reads()):
                buffer = view.buffer
                if buffer.kind == "scratch" and buffer not in pointers:
                    pointers[buffer] = self.code.address(self.scratch, buffer.index, _BYTE)
        self.call(self.code, body, pointers)

    def _copy(self, target: str, source: str, size: int) -> None:
        if not size or target == source:
            return
        self.code.module.declare("llvm.memcpy.p0.p0.i64", "void", ["ptr", "ptr", "i64", "i1"])
        self.code.do(
            f"call void @llvm.memcpy.p0.p0.i64(ptr {target}, ptr {source}, i64 {size}, i1 false)"
        )

    def _second(self, count: int) -> list[str]:
        """Return memory for the next values of what is carried."""
        names, offset = [], self.body_bytes
        for size in _beside(self.unit.bodies[-1], self.unit.outs[:count]):
            names.append(self.code.address(self.scratch, offset, _BYTE))
            offset += size
        self.flag_at = offset
        return names

    def _scan(self) -> None:
        code, params = self.code, self.unit.params
        carries, xs, length = params["carries"], params["xs"], params["length"]
        (body,) = self.unit.bodies
        sizes = [view.nbytes for view in self.unit.outs[:carries]]
        for out, first, size in zip(self.outs, self.operands, sizes, strict=False):
            self._copy(out, first, size)
        if not length:
            return
        second = self._second(carries)
        carried = [("ptr", p) for p in (*self.outs[:carries], *second)]
        with code.loop(length, carried) as loop:
            turn = loop.i
            if params["reverse"]:
                turn = code.let(f"sub i64 {length - 1}, {loop.i}") if loop.i != 0 else 0
            now, after = loop.values[:carries], loop.values[carries:]
            rows = [
                code.address(p, code.times(turn, v.nbytes // length), _BYTE)
                for p, v in zip(
                    self.operands[carries : carries + xs],
                    self.unit.operands[carries : carries + xs],
                    strict=True,
                )
            ]
            ys = [
                code.address(p, code.times(turn, v.nbytes // length), _BYTE)
                for p, v in zip(self.outs[carries:], self.unit.outs[carries:], strict=True)
            ]
            self._run(body, [*now, *rows, *self.operands[carries + xs :]], [*after, *ys])
            loop.next = self._swapped(body, now, after)
        self._settle(loop.values[:carries], sizes)

    def _swapped(self, body: Plan, now: Sequence[str], after: Sequence[str]) -> list[str]:
        """Return the memory of the next turn's values; what is updated in place stays there."""
        same = [view.buffer.host is not None for view in body.outputs[: len(now)]]
        pairs = list(zip(same, now, after, strict=True))
        return [n if s else a for s, n, a in pairs] + [a if s else n for s, n, a in pairs]

    def _settle(self, now: Sequence[str], sizes: Sequence[int]) -> None:
        """Put the last values where the results belong, unless they are there."""
        code = self.code
        for out, last, size in zip(self.outs, now, sizes, strict=False):
            there = code.let(f"icmp eq ptr {out}, {last}")
            move, done = code.fresh("move"), code.fresh("done")
            code.do(f"br i1 {there}, label %{done}, label %{move}")
            code.label(move)
            self._copy(out, last, size)
            code.do(f"br label %{done}")
            code.label(done)

    def _while_loop(self) -> None:
        code, params = self.code, self.unit.params
        tests, bodies = params["tests"], params["bodies"]
        test, body = self.unit.bodies
        for_test, for_body = self.operands[:tests], self.operands[tests : tests + bodies]
        first = self.operands[tests + bodies :]
        count = len(first)
        sizes = [view.nbytes for view in self.unit.outs]
        for out, given, size in zip(self.outs, first, sizes, strict=True):
            self._copy(out, given, size)
        second = self._second(count)
        flag = code.address(self.scratch, self.flag_at, _BYTE)
        head, again, done = code.fresh("test"), code.fresh("again"), code.fresh("done")
        before = code.block
        code.do(f"br label %{head}")
        code.label(head)
        names = [f"%{code.fresh('c')}" for _ in range(2 * count)]
        places = []
        for name, start in zip(names, (*self.outs, *second), strict=True):
            places.append((len(code.lines), name, start))
            code.do("")
        self._run(test, [*for_test, *names[:count]], [flag])
        value = code.let(f"load i8, ptr {flag}, align 1")
        more = code.let(f"icmp ne i8 {value}, 0")
        code.do(f"br i1 {more}, label %{again}, label %{done}")
        code.label(again)
        self._run(body, [*for_body, *names[:count]], names[count:])
        tail = code.block
        code.do(f"br label %{head}")
        following = self._swapped(body, names[:count], names[count:])
        for (line, name, start), after in zip(places, following, strict=True):
            code.lines[line] = f"  {name} = phi ptr [{start}, %{before}], [{after}, %{tail}]"
        code.label(done)
        self._settle(names[:count], sizes)

    def _cond(self) -> None:
        code = self.code
        chosen = code.let(f"load i64, ptr {self.operands[0]}, align 8")
        done = code.fresh("done")
        labels = [code.fresh("branch") for _ in self.unit.bodies]
        cases = " ".join(f"i64 {k}, label %{label}" for k, label in enumerate(labels))
        code.do(f"switch i64 {chosen}, label %{labels[-1]} [{cases}]")
        for label, body in zip(labels, self.unit.bodies, strict=True):
            code.label(label)
            self._run(body, self.operands[1:], self.outs)
            code.do(f"br label %{done}")
        code.label(done)
