"""Joined rows with one row to a lane: what goes along a row is then done without crossing lanes.

Short rows leave most of a vector empty, and a sum along them takes several rounds of folding. With
as many rows side by side as there are lanes, every column is a vector: sums along a row are sums of
vectors, what a row has one of (its maximum, its sum, the logarithm of it) is computed for all rows
at once, and the element at a row's own index is chosen by comparing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as onp

from backlit.compiler.division import bounds, chunks_for, element_bytes, overlap
from backlit.compiler.elements import Elements, Memory, Pointers, numbered, run_steps, start_of
from backlit.compiler.reductions import NEUTRAL, combine, fold_lanes, in_blocks
from backlit.compiler.scalars import cast
from backlit.compiler.target import Target
from backlit.compiler.text import Code, Index, Lanes, scalar_type
from backlit.compiler.transposes import transpose
from backlit.compiler.units import Buffer, Indexed, Reduction, Rows, Unit, View, size_of

DType = onp.dtype[Any]
_BOOL, _BYTE = onp.dtype(bool), onp.dtype("uint8")


@dataclass(frozen=True, slots=True)
class _Down:
    """A reduction over the rows, carried from block to block.

    Attributes
    ----------
    reduction : Reduction
    vectors : int
        How many are carried: one per column, or as many as a row takes.
    of_rows : bool
        Which of them.
    """

    reduction: Reduction
    vectors: int
    of_rows: bool


class ColumnLoops:
    """Writes the loop of one `Rows` that is turned.

    Parameters
    ----------
    code : Code
    target : Target
    unit : Rows
    pointers : dict of Buffer to str

    Attributes
    ----------
    chunks : int
        Into how many parts `write` can cut it, 1 if it is left whole.
    """

    def __init__(self, code: Code, target: Target, unit: Rows, pointers: Pointers) -> None:
        self.code, self.unit, self.rows = code, unit, unit.rows
        self.bytes = next(element_bytes(u) for u in unit.units if isinstance(u, Unit))
        self.width = min(target.lanes(self.bytes), 1 << (self.rows[-1] - 1).bit_length())
        self.lanes = Lanes(code, self.width)
        self.places = numbered((*unit.reads(), *unit.writes()))
        self.views = list(self.places)
        self.bases = [start_of(code, pointers, view) for view in self.views]
        self.down = [
            _Down(reduction, *self._carried(part, reduction))
            for part in unit.units
            if isinstance(part, Unit) and part.reduced == (0,)
            for reduction in part.reductions
        ]
        # What the first axis is cut between: blocks of rows, if there is no other.
        self.pieces = self.rows[0] if len(self.rows) > 1 else -(-self.rows[0] // self.width)
        self.chunks = min(chunks_for(unit, target), self.pieces)
        over = {down.reduction.out for down in self.down}
        self.moving = [v not in over and len(v.shape) >= len(self.rows) for v in self.views]

    def _carried(self, part: Unit, reduction: Reduction) -> tuple[int, bool]:
        """Return how many vectors a result over the rows takes, and whether those are of rows.

        What is stored row by row is there as rows anyway: they are added to each other then, not
        the lanes of every column.
        """
        columns = part.space[1] if len(part.space) > 1 else 1
        for source, view in part.stores:
            if source is reduction.operand and view.buffer not in self.unit.inside:
                if self.by_rows(view) and view.dtype == reduction.out.dtype != _BOOL:
                    return -(-columns // self.width), True
        return columns, False

    def by_rows(self, view: View) -> bool:
        """Tell whether a view's rows, but not its columns, lie side by side."""
        axis = len(self.rows) - 1
        if len(view.shape) == axis + 1 or view.shape[-1] == 1:
            return False
        return view.strides[-1] == 1 and view.strides[axis] not in (0, 1)

    def write(self, chunk: Index | None = None) -> None:
        """Write the loop, or one chunk of it.

        Parameters
        ----------
        chunk : int or name, optional
            Which of `chunks`; all of it if left out.
        """
        self.span = bounds(self.code, chunk, self.chunks, self.pieces)
        self._lead(0, self.bases)

    def _lead(self, axis: int, at: list[str]) -> None:
        if axis == len(self.rows) - 1:
            self._blocks(at)
            return
        count = self.rows[axis]
        begin, turns = (0, count) if axis else overlap(self.code, self.span, 0, count)
        with self.code.loop(turns) as loop:
            self._lead(axis + 1, self._move(at, axis, self.code.add(loop.i, begin)))

    def _move(self, at: list[str], axis: int, i: Index) -> list[str]:
        code = self.code
        return [
            code.address(pointer, code.times(i, view.strides[axis]), view.dtype)
            if moves
            else pointer
            for pointer, view, moves in zip(at, self.views, self.moving, strict=True)
        ]

    def _blocks(self, at: list[str]) -> None:
        """Treat the rows, a vector of them at a time."""
        code, axis = self.code, len(self.rows) - 1
        whole, rest = divmod(self.rows[axis], self.width)
        span = (0, whole + 1) if axis else self.span
        totals: list[str] = []
        kinds: list[str] = []
        for down in self.down:
            dtype = down.reduction.out.dtype
            totals += [_neutral(self.lanes, down.reduction)] * down.vectors
            kinds += [self.lanes.type(dtype)] * down.vectors
        if whole:
            begin, turns = overlap(code, span, 0, whole)

            def walk(first: Index, turns: Index, values: list[str]) -> list[str]:
                with code.loop(turns, list(zip(kinds, values, strict=True))) as loop:
                    row = code.times(code.add(code.add(loop.i, first), begin), self.width)
                    here = self._move(at, axis, row)
                    loop.next = _Block(self, self.width, here, loop.values).run()
                return loop.values

            fresh = list(zip(kinds, totals, strict=True))
            totals = (
                in_blocks(code, walk, turns, whole, totals, fresh, self._joined)
                if self.down
                else walk(0, turns, [])
            )
        if rest:
            _, turns = overlap(code, span, whole, 1)
            with code.loop(turns, list(zip(kinds, totals, strict=True))) as loop:
                here = self._move(at, axis, whole * self.width)
                loop.next = _Block(self, rest, here, loop.values).run()
            totals = loop.values
        for down in self.down:
            self._settle(down, totals[: down.vectors])
            totals = totals[down.vectors :]

    def _joined(self, totals: list[str], parts: list[str]) -> list[str]:
        """Combine what was carried so far with what another block of rows gave."""
        given = [down.reduction for down in self.down for _ in range(down.vectors)]
        return [
            combine(self.lanes, r.name, r.out.dtype, a, b)
            for r, a, b in zip(given, totals, parts, strict=True)
        ]

    def _settle(self, down: _Down, totals: list[str]) -> None:
        """Store what was carried; of a vector per column the lanes are folded."""
        out, name, lanes = down.reduction.out, down.reduction.name, self.lanes
        pointer = self.bases[self.places[out]]
        columns = size_of(out.shape)
        if columns == 1:
            total = fold_lanes(lanes, name, out.dtype, totals[0])
            Memory(Lanes(self.code, 1), 1).store(out.dtype, total, pointer)
            return
        for start in range(0, columns, self.width):
            count = min(columns - start, self.width)
            if down.of_rows:
                total = totals[start // self.width]
            else:
                block = totals[start : start + count]
                total = _tree(lanes, name, out.dtype, turned(lanes, out.dtype, block, self.width))
            place = self.code.address(pointer, start * out.strides[0], out.dtype)
            Memory(lanes, count).scatter(out.dtype, total, place, out.strides[0])


class _Block:
    """As many rows as there are lanes, and what is known of them."""

    def __init__(self, loops: ColumnLoops, active: int, at: list[str], totals: list[str]) -> None:
        self.loops, self.active, self.at, self.totals = loops, active, at, totals
        self.code, self.lanes, self.axis = loops.code, loops.lanes, len(loops.rows) - 1
        self.memory = Memory(loops.lanes, active)
        self.held: dict[Buffer, list[str]] = {}
        self.loaded: dict[View, list[str]] = {}
        self.chosen: dict[tuple[View, int], str] = {}
        self.as_rows: dict[View, list[list[str]]] = {}

    def run(self) -> list[str]:
        """Write the units one after the other; return what is carried on."""
        after: list[str] = []
        for unit in self.loops.unit.units:
            if isinstance(unit, Unit):
                after += self._unit(unit, self.totals[len(after) :])
            else:
                self._indexed(unit)
        return after

    def _unit(self, unit: Unit, before: Sequence[str]) -> list[str]:
        columns = unit.space[-1] if len(unit.space) > self.axis + 1 else 1
        stored: list[list[str]] = [[] for _ in unit.stores]
        operands: list[list[str]] = [[] for _ in unit.reductions]
        for j in range(columns):
            element = _ColumnElements(self, j)
            env = run_steps(unit, element, {})
            for (source, view), values in zip(unit.stores, stored, strict=True):
                values.append(element.value(source, env, view.dtype))
            for reduction, values in zip(unit.reductions, operands, strict=True):
                values.append(element.value(reduction.operand, env, reduction.out.dtype))
        for (_, view), values in zip(unit.stores, stored, strict=True):
            self._keep(view, values)
        after: list[str] = []
        for reduction, values in zip(unit.reductions, operands, strict=True):
            if unit.reduced == (0,):
                after += self._down(unit, reduction, values, before[len(after) :])
            else:
                total = _tree(self.lanes, reduction.name, reduction.out.dtype, values)
                self._keep(reduction.out, [total])
        return after

    def _down(
        self, unit: Unit, reduction: Reduction, values: list[str], before: Sequence[str]
    ) -> list[str]:
        """Return what is carried on of a reduction over the rows."""
        name, dtype, lanes = reduction.name, reduction.out.dtype, self.lanes
        neutral = _neutral(lanes, reduction)
        (of_rows,) = (d.of_rows for d in self.loops.down if d.reduction is reduction)
        if of_rows:
            view = next(v for source, v in unit.stores if source is reduction.operand)
            values = [_tree(lanes, name, dtype, rows) for rows in self.as_rows[view]]
        elif self.memory.masked:
            values = [lanes.select(self.memory.mask, dtype, value, neutral) for value in values]
        return [
            value if earlier == neutral else combine(lanes, name, dtype, earlier, value)
            for earlier, value in zip(before, values, strict=False)
        ]

    # --- the element at a row's index ---------------------------------------------------------

    def _indexed(self, unit: Indexed) -> None:
        lanes, dtype = self.lanes, unit.array.dtype
        columns = unit.array.shape[-1]
        index = self._index(unit, columns)
        kind = f"i{8 * self.loops.bytes}"
        here = [
            self.code.let(f"icmp eq {lanes.of(kind)} {index}, {lanes.bits(j, kind)}")
            for j in range(columns)
        ]
        values = self.read(unit.array)
        if unit.what == "gather":
            found = values[0]
            for mask, value in zip(here[1:], values[1:], strict=True):
                found = lanes.select(mask, dtype, value, found)
            self._keep(unit.other, [found])
            return
        (given,) = self.read(unit.other)
        changed = []
        for mask, value in zip(here, values, strict=True):
            new = given if unit.what == "set" else combine(lanes, "sum", dtype, value, given)
            changed.append(lanes.select(mask, dtype, new, value))
        self._keep(unit.array, changed)

    def _index(self, unit: Indexed, columns: int) -> str:
        """Return every row's index, and set the error word if one is out of range."""
        view = unit.indices[-1]
        if (view, columns) in self.chosen:
            return self.chosen[view, columns]
        code, lanes = self.code, self.lanes
        (given,) = self.read(view)
        if view.dtype.itemsize < 8:
            given = lanes.convert(
                "sext" if view.dtype.kind == "i" else "zext", scalar_type(view.dtype), given, "i64"
            )
        long = lanes.of("i64")
        moved = code.let(f"add {long} {given}, {lanes.bits(columns, 'i64')}")
        below = code.let(f"icmp slt {long} {given}, {lanes.bits(0, 'i64')}")
        index = code.let(f"select {lanes.of('i1')} {below}, {long} {moved}, {long} {given}")
        outside = code.let(f"icmp uge {long} {index}, {lanes.bits(columns, 'i64')}")
        if lanes.width > 1:
            flags = code.let(f"bitcast {lanes.of('i1')} {outside} to i{lanes.width}")
            any_outside = code.let(f"icmp ne i{lanes.width} {flags}, 0")
        else:
            any_outside = outside
        bad, good = code.fresh("bad"), code.fresh("good")
        code.do(f"br i1 {any_outside}, label %{bad}, label %{good}")
        code.label(bad)
        code.do(f"store i64 {columns + 1}, ptr {self.at[self.loops.places[unit.error]]}, align 8")
        code.do(f"br label %{good}")
        code.label(good)
        kind = f"i{8 * self.loops.bytes}"
        if kind != "i64":
            index = lanes.convert("trunc", "i64", index, kind)
        self.chosen[view, columns] = index
        return index

    # --- memory -------------------------------------------------------------------------------

    def read(self, view: View) -> list[str]:
        """Return the columns of a view, a single one if all are alike."""
        known = self.held.get(view.buffer)
        if known is not None:
            return known
        if view not in self.loaded:
            self.loaded[view] = self._load(view)
        return self.loaded[view]

    def _shape(self, view: View) -> tuple[int, int, int]:
        """Return a view's stride from row to row, its columns and its stride between those."""
        axis = self.axis
        if len(view.shape) == axis + 1 or view.strides[-1] == 0 or view.shape[-1] == 1:
            return view.strides[axis], 1, 0
        return view.strides[axis], view.shape[-1], view.strides[-1]

    def _load(self, view: View) -> list[str]:
        down, columns, right = self._shape(view)
        code, dtype, lanes = self.code, view.dtype, self.lanes
        pointer = self.at[self.loops.places[view]]
        if not self.loops.by_rows(view):
            places = [code.address(pointer, j * right, dtype) for j in range(columns)]
            return [self.memory.gather(dtype, place, down) for place in places]
        found: list[str] = []
        raw = _BYTE if dtype == _BOOL else dtype
        for start in range(0, columns, lanes.width):
            count = min(columns - start, lanes.width)
            places = [code.address(pointer, r * down + start, dtype) for r in range(self.active)]
            block = [Memory(lanes, count).load(raw, place) for place in places]
            found += turned(lanes, raw, block, count)
        return [cast(lanes, value, raw, dtype) for value in found]

    def _keep(self, view: View, values: list[str]) -> None:
        """Hold a result, and store it if others use it."""
        self.held[view.buffer] = values
        if view.buffer in self.loops.unit.inside:
            return
        down, columns, right = self._shape(view)
        code, dtype, lanes = self.code, view.dtype, self.lanes
        pointer = self.at[self.loops.places[view]]
        if not self.loops.by_rows(view):
            for j, value in enumerate(values):
                self.memory.scatter(dtype, value, code.address(pointer, j * right, dtype), down)
            return
        raw = _BYTE if dtype == _BOOL else dtype
        self.as_rows[view] = []
        for start in range(0, columns, lanes.width):
            block = [cast(lanes, v, dtype, raw) for v in values[start : start + lanes.width]]
            rows = turned(lanes, raw, block, self.active)
            self.as_rows[view].append(rows)
            for r, row in enumerate(rows):
                place = code.address(pointer, r * down + start, dtype)
                Memory(lanes, len(block)).store(raw, row, place)


class _ColumnElements(Elements):
    """One column of a block."""

    def __init__(self, block: _Block, column: int) -> None:
        super().__init__(block.lanes, block.active, (), block.at, block.loops)
        self.block, self.column = block, column

    def read(self, view: View) -> str:
        """Return a view's elements in this column."""
        values = self.block.read(view)
        return values[self.column if len(values) > 1 else 0]


def _neutral(lanes: Lanes, reduction: Reduction) -> str:
    """Return what a reduction begins with."""
    dtype = reduction.out.dtype
    return lanes.const(NEUTRAL[reduction.name](dtype), dtype)


def _tree(lanes: Lanes, name: str, dtype: DType, values: Sequence[str]) -> str:
    """Combine vectors in pairs, those in pairs again, and so on."""
    if name in ("max", "min") and dtype.kind == "f":
        return _extreme(lanes, name, dtype, values)
    return _paired(values, lambda a, b: combine(lanes, name, dtype, a, b))


def _paired(values: Sequence[str], join: Any) -> str:
    while len(values) > 1:
        joined = [join(a, b) for a, b in zip(values[::2], values[1::2], strict=False)]
        values = [*joined, *values[len(values) & ~1 :]]
    return values[0]


def _extreme(lanes: Lanes, name: str, dtype: DType, values: Sequence[str]) -> str:
    """Return the largest or smallest of each lane, NaN where there is one.

    The plain comparison is one instruction, and one more tells of two numbers whether any is NaN.
    """
    better = "ogt" if name == "max" else "olt"

    def plain(a: str, b: str) -> str:
        return lanes.select(lanes.op(f"fcmp {better}", dtype, a, b), dtype, a, b)

    pairs = [(a, values[min(k + 1, len(values) - 1)]) for k, a in enumerate(values) if not k % 2]
    wrong = [lanes.op("fcmp uno", dtype, a, b) for a, b in pairs]
    any_wrong = _paired(wrong, lambda a, b: lanes.op("or", _BOOL, a, b))
    found = _paired(values, plain)
    return lanes.select(any_wrong, dtype, lanes.const(onp.nan, dtype), found)


def turned(lanes: Lanes, dtype: DType, block: Sequence[str], count: int) -> list[str]:
    """Return the first columns of a block of at most as many rows as there are lanes."""
    filled = [*block, *["zeroinitializer"] * (lanes.width - len(block))]
    return transpose(lanes, dtype, filled, count)
