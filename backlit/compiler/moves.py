"""Loops that go element by element: indexing by arrays, running sums, places of extremes."""

from __future__ import annotations

import numpy as onp

from backlit.compiler.elements import Memory, Pointers, start_of
from backlit.compiler.reductions import NEUTRAL, combine
from backlit.compiler.scalars import lowering
from backlit.compiler.target import Target
from backlit.compiler.text import Code, Index, Lanes
from backlit.compiler.units import Indexed, Running

_INT64 = onp.dtype("int64")


class IndexedLoops:
    """Writes the loops of one `Indexed` unit.

    An index out of range would be an error in NumPy: here the nearest element is taken instead and
    the error word is set, upon which the caller asks the evaluator for the error.

    Parameters
    ----------
    code : Code
    target : Target
    unit : Indexed
    pointers : dict of Buffer to str
    """

    def __init__(self, code: Code, target: Target, unit: Indexed, pointers: Pointers) -> None:
        self.code, self.target, self.unit = code, target, unit
        self.scalar = Lanes(code, 1)
        self.base = start_of(code, pointers, unit.array)
        self.other = start_of(code, pointers, unit.other)
        self.tables = [start_of(code, pointers, v) for v in unit.indices]
        self.error = start_of(code, pointers, unit.error)
        self.fixed, self.axes, self.looked_up = self._axes()

    def _axes(self) -> tuple[int, list[tuple[int, int]], list[tuple[int, int, int]]]:
        """Return a fixed offset, per axis of the result (extent, stride), and the looked-up axes.

        An axis along which indices vary has stride 0 here; looked-up axes are (table, stride,
        extent) of the array's axes.
        """
        unit = self.unit
        view, fixed, axis = unit.array, 0, 0
        used = sum(1 for part in unit.parts if part[0] in "isa")
        axes: list[tuple[int, int]] = []
        tables: list[tuple[int, int, int]] = []
        fancy: list[int] = []
        place = 0
        for k, part in enumerate(unit.parts):
            if part[0] == "n":
                axes.append((1, 0))
            elif part[0] == "e":
                for _ in range(len(view.shape) - used):
                    axes.append((view.shape[axis], view.strides[axis]))
                    axis += 1
            elif part[0] == "s":
                chosen = range(*slice(*part[1:]).indices(view.shape[axis]))
                fixed += chosen.start * view.strides[axis] if len(chosen) else 0
                axes.append((len(chosen), chosen.step * view.strides[axis]))
                axis += 1
            else:
                place = len(axes) if not fancy else place
                fancy.append(k)
                if part[0] == "i":
                    fixed += (part[1] % view.shape[axis]) * view.strides[axis]
                else:
                    tables.append((part[1], view.strides[axis], view.shape[axis]))
                axis += 1
        for k in range(axis, len(view.shape)):
            axes.append((view.shape[k], view.strides[k]))
        if fancy[-1] - fancy[0] >= len(fancy):
            place = 0  # indices that are no neighbours put their axes first
        self.common = range(place, place + len(unit.indices[0].shape))
        varying = [(n, 0) for n in unit.indices[0].shape]
        return fixed, [*axes[:place], *varying, *axes[place:]], tables

    def write(self) -> None:
        """Write the loops."""
        base = self.code.address(self.base, self.fixed, self.unit.array.dtype)
        if all(n for n, _ in self.axes):
            self._loop(0, base, self.other, self.tables)

    def _loop(self, axis: int, base: str, other: str, tables: list[str]) -> None:
        code, unit = self.code, self.unit
        if axis == self.common.stop:
            base = self._look_up(base, tables)
        if axis == len(self.axes):
            self._element(Memory(self.scalar, 1), base, other)
            return
        extent, stride = self.axes[axis]
        last = axis == len(self.axes) - 1 and axis not in self.common
        if last and stride == 1 and unit.other.strides[-1] == 1:
            self._row(extent, base, other)
            return
        with code.loop(extent) as loop:
            there = code.address(base, code.times(loop.i, stride), unit.array.dtype)
            here = code.address(
                other, code.times(loop.i, unit.other.strides[axis]), unit.other.dtype
            )
            if axis in self.common:
                k = axis - self.common.start
                tables = [
                    code.address(t, code.times(loop.i, v.strides[k]), v.dtype)
                    for t, v in zip(tables, unit.indices, strict=True)
                ]
            self._loop(axis + 1, there, here, tables)

    def _look_up(self, base: str, tables: list[str]) -> str:
        """Move on by what the indices say."""
        code, lanes = self.code, self.scalar
        offset: Index = 0
        for table, stride, extent in self.looked_up:
            view = self.unit.indices[table]
            given = Memory(lanes, 1).load(view.dtype, tables[table])
            if view.dtype.itemsize < 8:
                widen = "sext" if view.dtype.kind == "i" else "zext"
                given = code.let(f"{widen} {lanes.type(view.dtype)} {given} to i64")
            moved = code.let(f"add i64 {given}, {extent}")
            below = code.let(f"icmp slt i64 {given}, 0")
            index = code.let(f"select i1 {below}, i64 {moved}, i64 {given}")
            outside = code.let(f"icmp uge i64 {index}, {extent}")
            bad, good = code.fresh("bad"), code.fresh("good")
            code.do(f"br i1 {outside}, label %{bad}, label %{good}")
            code.label(bad)
            code.do(f"store i64 {extent + 1}, ptr {self.error}, align 8")
            code.do(f"br label %{good}")
            code.label(good)
            index = code.let(f"select i1 {outside}, i64 0, i64 {index}")
            offset = code.add(offset, code.times(index, stride))
        return code.address(base, offset, self.unit.array.dtype)

    def _row(self, extent: int, base: str, other: str) -> None:
        """Move a run of elements that lie side by side."""
        code, dtype = self.code, self.unit.array.dtype
        width = self.target.lanes(dtype.itemsize)
        whole, rest = divmod(extent, width)
        lanes = Lanes(code, width)
        if whole:
            with code.loop(whole * width, step=width) as loop:
                self._element(
                    Memory(lanes, width),
                    code.address(base, loop.i, dtype),
                    code.address(other, loop.i, dtype),
                )
        if rest:
            narrow = Lanes(code, 1) if rest == 1 else lanes
            self._element(
                Memory(narrow, min(rest, narrow.width)),
                code.address(base, whole * width, dtype),
                code.address(other, whole * width, dtype),
            )

    def _element(self, memory: Memory, base: str, other: str) -> None:
        dtype = self.unit.array.dtype
        if self.unit.what == "gather":
            memory.store(dtype, memory.load(dtype, base), other)
            return
        value = memory.load(dtype, other)
        if self.unit.what == "add":
            value = combine(memory.lanes, "sum", dtype, memory.load(dtype, base), value)
        memory.store(dtype, value, base)


class RunningLoops:
    """Writes the loops of one `Running` unit.

    Parameters
    ----------
    code : Code
    target : Target
    unit : Running
    pointers : dict of Buffer to str
    """

    def __init__(self, code: Code, target: Target, unit: Running, pointers: Pointers) -> None:
        self.code, self.unit, self.lanes = code, unit, Lanes(code, 1)
        self.source = start_of(code, pointers, unit.source)
        self.out = start_of(code, pointers, unit.out)

    def write(self) -> None:
        """Write the loops."""
        axes = [k for k in range(len(self.unit.source.shape)) if k != self.unit.axis]
        if all(self.unit.source.shape):
            self._loop(axes, self.source, self.out)

    def _move(self, axis: int, source: str, out: str, i: Index) -> tuple[str, str]:
        code, unit = self.code, self.unit
        return (
            code.address(source, code.times(i, unit.source.strides[axis]), unit.source.dtype),
            code.address(out, code.times(i, unit.out.strides[axis]), unit.out.dtype),
        )

    def _loop(self, axes: list[int], source: str, out: str) -> None:
        if axes:
            with self.code.loop(self.unit.source.shape[axes[0]]) as loop:
                self._loop(axes[1:], *self._move(axes[0], source, out, loop.i))
        elif self.unit.name.startswith("arg"):
            self._place(source, out)
        else:
            self._running(source, out)

    def _running(self, source: str, out: str) -> None:
        """Write running sums or products."""
        code, lanes, dtype = self.code, self.lanes, self.unit.out.dtype
        name = "sum" if self.unit.name == "cumsum" else "prod"
        memory, axis = Memory(lanes, 1), self.unit.axis
        first = lanes.const(NEUTRAL[name](dtype), dtype)
        with code.loop(self.unit.source.shape[axis], [(lanes.type(dtype), first)]) as loop:
            here, there = self._move(axis, source, out, loop.i)
            total = combine(lanes, name, dtype, loop.values[0], memory.load(dtype, here))
            memory.store(dtype, total, there)
            loop.next = [total]

    def _place(self, source: str, out: str) -> None:
        """Find where the extreme is: the first of equal ones, the first NaN before all."""
        code, lanes, dtype = self.code, self.lanes, self.unit.source.dtype
        memory, axis, kind = Memory(lanes, 1), self.unit.axis, lanes.type(dtype)
        first = memory.load(dtype, source)
        count = self.unit.source.shape[axis]
        better = lowering("greater" if self.unit.name == "argmax" else "less", dtype)
        assert better is not None
        with code.loop(count, [(kind, first), ("i64", "0")]) as loop:
            here, _ = self._move(axis, source, out, loop.i)
            best, place = loop.values
            value = memory.load(dtype, here)
            wins = better(lanes, dtype, value, best)
            if dtype.kind == "f":
                nan = code.let(f"fcmp uno {kind} {value}, {value}")
                sane = code.let(f"fcmp ord {kind} {best}, {best}")
                wins = code.let(f"or i1 {wins}, {nan}")
                wins = code.let(f"and i1 {wins}, {sane}")
            loop.next = [
                lanes.select(wins, dtype, value, best),
                lanes.select(wins, _INT64, str(loop.i), place),
            ]
        memory.store(_INT64, loop.values[1], out)
