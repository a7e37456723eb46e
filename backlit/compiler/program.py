"""A planned program as LLVM text: one function per unit, and entry functions that call them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as onp

from backlit.compiler.columns import ColumnLoops
from backlit.compiler.control import ControlLoops
from backlit.compiler.division import bounds, element_bytes, is_divided
from backlit.compiler.elements import Pointers
from backlit.compiler.moves import IndexedLoops, RunningLoops
from backlit.compiler.nests import Nest
from backlit.compiler.products import ProductNest
from backlit.compiler.reductions import combine_partials
from backlit.compiler.rows import RowLoops
from backlit.compiler.target import Target
from backlit.compiler.team import MOST_CHUNKS, share
from backlit.compiler.text import Code, Module
from backlit.compiler.units import (
    TEAM,
    AnyUnit,
    Buffer,
    Control,
    Fallback,
    Indexed,
    Operand,
    Plan,
    Rows,
    Running,
    Unit,
    View,
    size_of,
)
from backlit.compiler.vecmath import FUNCTIONS
from backlit.core.graph import Var

# Calls in one function, and steps of a unit that is inlined.
_LONG, _FEW = 100, 8
# What the last pointers of the table point to.
_LAST = ("scratch", "error", "team")
_TASK = "void @(ptr %args, i64 %chunk)"
# What a pointer takes.
_SLOT = onp.dtype("int64")


def write(plan: Plan, target: Target) -> str:
    """Return a program in LLVM's assembly language.

    Every entry function takes one pointer, to a table of pointers: inputs, outputs, constants, the
    scratch memory, the error word and, if units are divided among threads, the team's memory.

    Parameters
    ----------
    plan : Plan
        With its scratch memory placed.
    target : Target
    """
    module = Module()
    for name, units in zip(parts_of(plan), _runs(plan), strict=True):
        if isinstance(name, str) and isinstance(units, list):
            _entry(module, plan, target, name, units)
    return str(module)


def parts_of(plan: Plan) -> list[str | Fallback]:
    """Return what runs in which order: names of entry functions, and equations for the evaluator.

    Parameters
    ----------
    plan : Plan
    """
    return [run if isinstance(run, Fallback) else f"part{k}" for k, run in enumerate(_runs(plan))]


def _runs(plan: Plan) -> list[list[AnyUnit] | Fallback]:
    """Return a plan's units in runs between those that the evaluator runs."""
    runs: list[list[AnyUnit] | Fallback] = []
    for unit in plan.units:
        if isinstance(unit, Fallback):
            runs.append(unit)
        elif runs and isinstance(runs[-1], list):
            runs[-1].append(unit)
        else:
            runs.append([unit])
    return runs


def table_index(plan: Plan, buffer: Buffer) -> int:
    """Return where the table holds a buffer's pointer; scratch buffers share the last one."""
    inputs, outputs = len(plan.inputs), len(plan.outputs)
    if buffer.kind == "input":
        return buffer.index
    if buffer.kind == "output":
        return inputs + buffer.index
    if buffer.kind == "constant":
        return inputs + outputs + buffer.index
    return inputs + outputs + len(plan.constants) + _LAST.index(buffer.kind)


def _entry(module: Module, plan: Plan, target: Target, name: str, units: Sequence[AnyUnit]) -> None:
    code = Code(module)
    loaded: dict[int, str] = {}

    class Table(dict[Buffer, str]):
        """Pointers, loaded from the table when they are first asked for."""

        def __missing__(self, buffer: Buffer) -> str:
            index = table_index(plan, buffer)
            if index not in loaded:
                slot = code.let(f"getelementptr inbounds ptr, ptr %table, i64 {index}")
                loaded[index] = code.let(f"load ptr, ptr {slot}, align 8")
            base = loaded[index]
            if buffer.kind == "scratch" and buffer.index:
                base = code.let(f"getelementptr inbounds i8, ptr {base}, i64 {buffer.index}")
            self[buffer] = base
            return base

    # One long run of calls takes LLVM more than linear time.
    if len(units) > _LONG:
        for start in range(0, len(units), _LONG):
            part = f"{name}_{start}"
            _entry(module, plan, target, part, units[start : start + _LONG])
            code.do(f"call void @{part}(ptr %table)")
    else:
        _calls(code, target, units, Table())
    module.add(f"define void @{name}(ptr %table) nounwind {{\n{code.body()}}}\n")


def _calls(code: Code, target: Target, units: Sequence[AnyUnit], pointers: Pointers) -> None:
    """Write the calls of units one after the other."""
    for unit in units:
        if isinstance(unit, Unit) and _idle(unit):
            continue
        if isinstance(unit, Unit) and _tiny(unit, target):
            Nest(code, target, unit, pointers).write()
            continue
        kernel, buffers = _kernel(code.module, target, unit)
        operands = ", ".join(f"ptr {pointers[b]}" for b in buffers)
        code.do(f"call void @{kernel}({operands})")


def _tiny(unit: Unit, target: Target) -> bool:
    """Tell whether a unit is a vector or less, and few instructions: a call would take longer."""
    if unit.product is not None or len(unit.steps) > _FEW:
        return False
    if any(step.name in FUNCTIONS for step in unit.steps):
        return False
    return size_of(unit.space) <= target.lanes(element_bytes(unit))


def _idle(unit: Unit) -> bool:
    """Tell whether a unit does nothing: no elements, or a copy of something onto itself."""
    if unit.reductions:
        return False
    if unit.product is None and not unit.steps and len(unit.stores) == 1:
        (source, target) = unit.stores[0]
        if isinstance(source, View) and source.buffer.root is target.buffer.root:
            return (source.strides, source.offset) == (target.strides, target.offset)
    return not size_of(unit.space)


def _kernel(module: Module, target: Target, unit: AnyUnit) -> tuple[str, list[Buffer]]:
    """Write the function of one unit; units of equal shape share it."""
    buffers: dict[Buffer, int] = {}
    for view in (*unit.reads(), *unit.writes()):
        buffers.setdefault(view.buffer.root, len(buffers))
    key = _signature(unit, buffers)
    operands = [TEAM, *buffers] if is_divided(unit, target) else list(buffers)
    if key is not None and key in module.written:
        return module.written[key], operands
    names = {buffer: f"%b{k}" for k, buffer in enumerate(operands)}
    code = Code(module)
    if TEAM in names and isinstance(unit, Unit | Rows):
        prefix = "divided"
        _divide(code, target, unit, names)
    elif isinstance(unit, Control):
        loops = ControlLoops(
            code, target, unit, names, lambda c, body, p: _calls(c, target, body.units, p)
        )
        loops.write()
        prefix = unit.name
    elif isinstance(unit, Indexed):
        IndexedLoops(code, target, unit, names).write()
        prefix = unit.what
    elif isinstance(unit, Running):
        RunningLoops(code, target, unit, names).write()
        prefix = unit.name
    else:
        assert isinstance(unit, Unit | Rows)
        _loops(code, target, unit, names).write()
        prefix = "rows"
        if isinstance(unit, Unit):
            prefix = "nest" if unit.product is None else "matmul"
    head = f"void @({', '.join(f'ptr {n}' for n in names.values())})"
    name = module.kernel(prefix, head, code.body())
    if key is not None:
        module.written[key] = name
    return name, operands


def _signature(unit: AnyUnit, buffers: dict[Buffer, int]) -> Any:
    """Return what units that compute the same on other memory have in common, or None.

    `buffers` has numbers for the memory that the unit uses.
    """
    parts = unit.units if isinstance(unit, Rows) else [unit]
    numbers: dict[Var, int] = {}
    inside: dict[Buffer, int] = {}

    def number(var: Var) -> Any:
        return numbers.setdefault(var, len(numbers)), var.aval.dtype

    def operand(o: Operand) -> Any:
        if isinstance(o, View):
            place: Any = buffers.get(o.buffer.root)
            if place is None:  # held inside a row: its number among those
                place = "inside", inside.setdefault(o.buffer, len(inside))
            return place, o.buffer.dtype, o.shape, o.strides, o.offset
        return number(o) if isinstance(o, Var) else (type(o.value), repr(o.value), o.dtype)

    key: list[Any] = [isinstance(unit, Rows)]
    for part in parts:
        if not isinstance(part, Unit):
            return None
        if part.product is not None:
            p = part.product
            key += [operand(p.a), operand(p.b), number(p.out), p.panel, p.packs]
        key += [part.space, part.reduced]
        for step in part.steps:
            key += [step.name, *sorted(step.params.items()), *map(operand, step.operands)]
            key += [*step.types, step.working, number(step.out)]
        key += [(operand(source), operand(view)) for source, view in part.stores]
        key += [(r.name, operand(r.operand), operand(r.out)) for r in part.reductions]
    try:
        found = tuple(key)
        hash(found)
    except TypeError:
        return None
    return found


def _divide(code: Code, target: Target, unit: Unit | Rows, names: Pointers) -> None:
    """Write a unit as a task that computes one chunk, and what has it run for all of them."""
    module, buffers = code.module, [b for b in names if b is not TEAM]
    task = Code(module)
    pointers = {}
    for k, buffer in enumerate(buffers):
        place = task.address("%args", k, _SLOT)
        pointers[buffer] = task.let(f"load ptr, ptr {place}, align 8")
    nest = _loops(task, target, unit, pointers)
    whole = nest.chunks == 1
    if isinstance(nest, Nest) and nest.partials:
        place = task.address("%args", len(buffers), _SLOT)
        nest.leave_partials("%chunk", task.let(f"load ptr, ptr {place}, align 8"))
    nest.write(None if whole else "%chunk")
    name, chunks = module.kernel("task", _TASK, task.body()), nest.chunks
    if chunks > MOST_CHUNKS:
        name, chunks = _several(module, name, chunks), MOST_CHUNKS
    args = code.let(f"alloca [{len(buffers) + 1} x ptr], align 8")
    found = [names[buffer] for buffer in buffers]
    if isinstance(nest, Nest) and nest.partials:
        found.append(code.let(f"alloca [{nest.chunks * nest.partials} x i64], align 8"))
    for k, pointer in enumerate(found):
        code.do(f"store ptr {pointer}, ptr {code.address(args, k, _SLOT)}, align 8")
    how = share(module, target)
    if whole:
        code.do(f"call void @{name}(ptr {args}, i64 0)")
        return
    code.do(f"call void @{how}(ptr {names[TEAM]}, ptr @{name}, ptr {args}, i64 {chunks})")
    if isinstance(nest, Nest) and nest.partials:
        combine_partials(code, nest.unit, nest.chunks, found[-1], names)


def _several(module: Module, task: str, chunks: int) -> str:
    """Write a task whose chunks are several neighbouring ones of another task."""
    code = Code(module)
    start, stop = bounds(code, "%chunk", MOST_CHUNKS, chunks)
    with code.loop(code.let(f"sub i64 {stop}, {start}")) as loop:
        code.do(f"call void @{task}(ptr %args, i64 {code.add(loop.i, start)})")
    return module.kernel("tasks", _TASK, code.body())


def _loops(
    code: Code, target: Target, unit: Unit | Rows, pointers: Pointers
) -> Nest | ProductNest | RowLoops | ColumnLoops:
    """Return what writes the loops of a unit that can be cut into chunks."""
    if isinstance(unit, Rows):
        return (ColumnLoops if unit.turned else RowLoops)(code, target, unit, pointers)
    return (Nest if unit.product is None else ProductNest)(code, target, unit, pointers)
