"""Units that go row by row, joined: a row stays in registers from one unit to the next.

What a softmax does to each row (its maximum, the exponentials, their sum, the logarithm, …) takes
several units, since each needs the one before for the whole row. As they need it for no other row,
one loop over the rows can run them all; what only they use never reaches memory. Many short rows
are turned: one row to a lane (`backlit.compiler.columns`). Sums over all rows, and elements picked
by an index of every row, join those as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as onp

from backlit.compiler.division import bounds, chunks_for, element_bytes, overlap
from backlit.compiler.elements import (
    Elements,
    Env,
    Memory,
    Pointers,
    numbered,
    run_steps,
    start_of,
)
from backlit.compiler.reductions import NEUTRAL, combine, fold_lanes
from backlit.compiler.target import Target
from backlit.compiler.text import Code, Index, Lanes
from backlit.compiler.units import AnyUnit, Buffer, Indexed, Rows, Unit, View
from backlit.compiler.vecmath import FUNCTIONS
from backlit.core.aval import Shape

# So many vectors of a row are written out; longer rows would not fit the registers anyway.
_VECTORS = 4
# Of so many columns every one can be kept in a register, one row to a lane.
_TURNED = 16
# Of turned rows every column is written out: so many operations, elementary functions counting
# for more, take a fifth of the time in which a small network may be compiled.
_LONGEST, _FUNCTION = 2000, 10
# So many units may wait for those around them to be joined.
_WAITING = 4
# So many short rows are treated side by side: one alone would wait for its own results.
_TOGETHER = 4


def join_rows(
    units: Sequence[AnyUnit], target: Target, constants: Sequence[onp.ndarray[Any, Any]]
) -> list[AnyUnit]:
    """Return units with those joined that go row by row.

    A unit between them that does something else waits until they are done, if they need nothing
    from it and it can.

    Parameters
    ----------
    units : sequence of units
        In the order in which they run.
    target : Target
    constants : sequence of ndarray
        Of the program.

    Returns
    -------
    list of units
    """
    uses: dict[Buffer, int] = {}
    for unit in units:
        for view in (*unit.reads(), *unit.writes()):
            uses[view.buffer] = uses.get(view.buffer, 0) + 1
    joined: list[AnyUnit] = []
    group = _Group(target, constants)
    waiting: list[AnyUnit] = []
    for unit in units:
        if _in_order(waiting, unit) and group.add(unit):
            continue
        if group.across and isinstance(unit, Unit) and unit.product is None:
            if len(waiting) < _WAITING:
                waiting.append(unit)
                continue
        joined += [*group.joined(uses), *waiting]
        group, waiting = _Group(target, constants), []
        if not group.add(unit):
            joined.append(unit)
    return [*joined, *group.joined(uses), *waiting]


def _in_order(waiting: Sequence[AnyUnit], unit: AnyUnit) -> bool:
    """Tell whether a unit may run before those that wait."""
    for other in waiting:
        read, written = _buffers(other.reads()), _buffers(other.writes())
        if written & _buffers(unit.reads()) or (read | written) & _buffers(unit.writes()):
            return False
    return True


def _buffers(views: Sequence[View]) -> set[Buffer]:
    return {view.buffer for view in views}


class _Group:
    """Units that go row by row, as they are found one after the other."""

    def __init__(self, target: Target, constants: Sequence[onp.ndarray[Any, Any]]) -> None:
        self.target, self.constants = target, constants
        self.units: list[Unit | Indexed] = []
        self.rows: Shape = ()
        self.columns = 1
        self.bytes = 0
        self.length = 0
        self.across = 0
        self.turned = self.beside = False

    def add(self, unit: AnyUnit) -> bool:
        """Take a unit in if it belongs here."""
        beside = False
        if isinstance(unit, Indexed):
            fits = beside = self.turned and self._index_per_row(unit)
        elif isinstance(unit, Unit) and unit.product is None:
            fits = self._by_rows(unit)
            if not fits and self.turned:
                fits = beside = self._beside(unit)
        else:
            return False
        if not fits or not self._fits(unit):
            return False
        length = self.length + _length(unit)
        if self.turned and length * self.columns > _LONGEST:
            return False
        self.length = length
        if isinstance(unit, Unit):
            if not self.units:
                self.rows, self.bytes = unit.space[:-1], element_bytes(unit)
            if len(unit.space) > len(self.rows):
                self.columns = max(self.columns, unit.space[-1])
            if unit.reduced == (len(self.rows),):
                self.across += len(unit.reductions)
                self.turned = self.turned or self._worth_turning()
        self.beside = self.beside or beside
        self.units.append(unit)
        return True

    def _by_rows(self, unit: Unit) -> bool:
        """Tell whether a unit treats every row alike, and rows are short."""
        last = len(unit.space) - 1
        if last < 1 or unit.reduced not in (None, (last,)) or 0 in unit.space:
            return False
        size = element_bytes(unit)
        if unit.space[-1] > _VECTORS * self.target.lanes(size):
            return False
        # A copy that turns rows into columns has a better way of its own.
        if not (unit.steps or unit.reductions):
            return False
        if not self.units:
            return True
        if unit.space[:-1] != self.rows or size != self.bytes:
            return False
        return 1 in (unit.space[-1], self.columns) or unit.space[-1] == self.columns

    def _worth_turning(self) -> bool:
        """Tell whether fewer vectors are needed with the rows side by side."""
        if not 1 < self.columns <= _TURNED or self.length * self.columns > _LONGEST:
            return False
        width = self.target.lanes(self.bytes)
        per_row = -(-self.columns // width)
        return -(-self.rows[-1] // width) * self.columns <= 2 * self.rows[-1] * per_row

    def _beside(self, unit: Unit) -> bool:
        """Tell whether a unit can go along with turned rows."""
        if 0 in unit.space:
            return False
        if unit.steps and element_bytes(unit) != self.bytes:
            return False
        of_rows = unit.space == self.rows
        of_elements = unit.space[:-1] == self.rows and unit.space[-1] in (1, self.columns)
        over_rows = unit.reduced == (0,) and len(self.rows) == 1
        return (of_rows or of_elements) and (unit.reduced is None or over_rows)

    def _index_per_row(self, unit: Indexed) -> bool:
        """Tell whether a unit moves one element of every row, that at the row's own index."""
        if unit.parts != (("a", 0), ("a", 1)) or unit.array.shape != (*self.rows, self.columns):
            return False
        if unit.array.dtype.itemsize != self.bytes:
            return False
        if len(self.rows) > 1 or unit.other.shape != self.rows or self.columns > _TURNED:
            return False
        first, _ = unit.indices
        if first.buffer.kind != "constant" or not first.whole or first.shape != self.rows:
            return False
        if not onp.array_equal(self.constants[first.buffer.index], onp.arange(self.rows[0])):
            return False
        # What is changed must be known: all of it was written here.
        return unit.what == "gather" or any(
            view == unit.array for u in self.units for view in u.writes()
        )

    def _fits(self, unit: Unit | Indexed) -> bool:
        """Tell whether a unit needs from the others nothing but its own row."""
        for earlier in self.units:
            over = _over_rows(earlier)
            for written in earlier.writes():
                for view in (*unit.reads(), *unit.writes()):
                    if view.buffer is not written.buffer or view.buffer.kind == "error":
                        continue
                    if written in over or not _same_row(written, view, len(self.rows)):
                        return False
            # What the group reads may not be overwritten at another place.
            for read in earlier.reads():
                for view in unit.writes():
                    if view.buffer is read.buffer:
                        return False
        return True

    def joined(self, uses: dict[Buffer, int]) -> Sequence[AnyUnit]:
        """Return what is to run in the place of the units."""
        if len(self.units) < 2:
            return self.units
        here: dict[Buffer, int] = {}
        for unit in self.units:
            for view in (*unit.reads(), *unit.writes()):
                here[view.buffer] = here.get(view.buffer, 0) + 1
        inside = {b for b, count in here.items() if b.kind == "scratch" and uses[b] == count}
        # Read before it is written in here: it comes from outside after all.
        written: set[Buffer] = set()
        for unit in self.units:
            inside -= {v.buffer for v in unit.reads()} - written
            inside -= {view.buffer for view in _over_rows(unit)}
            written.update(v.buffer for v in unit.writes())
        # One sum along rows that fill vectors is not worth turning them.
        full = self.columns % self.target.lanes(self.bytes) == 0
        light = full and self.across == 1 and self.length <= _FUNCTION and not self.beside
        turned = self.turned and not light
        return [Rows(self.units, self.rows, self.columns, inside, turned)]


def _length(unit: Unit | Indexed) -> int:
    """Return about how many operations a unit does per element."""
    if isinstance(unit, Indexed):
        return 2
    functions = sum(1 for step in unit.steps if step.name in FUNCTIONS)
    return len(unit.steps) + len(unit.reductions) + (_FUNCTION - 1) * functions


def _over_rows(unit: Unit | Indexed) -> list[View]:
    """Return what a unit reduces over the rows: results that need all of them."""
    if isinstance(unit, Indexed) or unit.reduced != (0,):
        return []
    return [reduction.out for reduction in unit.reductions]


def _same_row(written: View, view: View, rows: int) -> bool:
    if written.offset != view.offset:
        return False
    pairs = zip(written.shape[:rows], written.strides, view.strides, strict=False)
    if any(n > 1 and a != b for n, a, b in pairs):
        return False
    if len(written.shape) == rows or written.shape[-1] == 1:
        return len(view.shape) == rows or view.shape[-1] == 1 or view.strides[-1] == 0
    if len(view.shape) == rows:
        return False
    return written.shape[-1] == view.shape[-1] and written.strides[-1] == view.strides[-1]


class RowLoops:
    """Writes the loop of one `Rows`.

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
        self.units = [part for part in unit.units if isinstance(part, Unit)]
        self.width = target.lanes(element_bytes(self.units[0]))
        self.places = numbered((*unit.reads(), *unit.writes()))
        self.views = list(self.places)
        self.bases = [start_of(code, pointers, view) for view in self.views]
        self.together = _TOGETHER if unit.columns <= self.width else 1
        # What the first axis is cut between: rows that are treated together.
        self.pieces = -(-self.rows[0] // (self.together if len(self.rows) == 1 else 1))
        self.chunks = min(chunks_for(unit, target), self.pieces)
        self.span: tuple[Index, Index] = 0, self.pieces

    def write(self, chunk: Index | None = None) -> None:
        """Write the loop, or one chunk of it.

        Parameters
        ----------
        chunk : int or name, optional
            Which of `chunks`; all of it if left out.
        """
        self.span = bounds(self.code, chunk, self.chunks, self.pieces)
        self._rows(0, self.bases)

    def _rows(self, axis: int, at: list[str]) -> None:
        count = self.rows[axis]
        if axis < len(self.rows) - 1:
            begin, turns = overlap(self.code, self.span, 0, count) if axis == 0 else (0, count)
            with self.code.loop(turns) as loop:
                self._rows(axis + 1, self._move(at, axis, self.code.add(loop.i, begin)))
            return
        together = self.together
        whole, rest = divmod(count, together)
        # What is left over after the rows that are treated together is one last piece.
        for start, number, step, piece in ((0, whole, together, 1), (whole, rest, 1, rest)):
            if number:
                begin, turns = 0, number
                if axis == 0:
                    begin, turns = overlap(self.code, self.span, start, number, piece)
                with self.code.loop(self.code.times(turns, step), step=step) as loop:
                    first = self.code.add(self.code.times(begin, step), start * together)
                    first = self.code.add(loop.i, first)
                    rows = [self.code.add(first, k) for k in range(step)]
                    self._run([self._move(at, axis, row) for row in rows])

    def _move(self, at: list[str], axis: int, i: Index) -> list[str]:
        code = self.code
        return [
            code.address(pointer, code.times(i, view.strides[axis]), view.dtype)
            for pointer, view in zip(at, self.views, strict=True)
        ]

    def _run(self, rows: Sequence[list[str]]) -> None:
        """Write the units for some rows, one unit after the other."""
        held: list[dict[Buffer, list[str]]] = [{} for _ in rows]
        for unit in self.units:
            for at, values in zip(rows, held, strict=True):
                self._unit(unit, at, values)

    def _unit(self, unit: Unit, at: list[str], held: dict[Buffer, list[str]]) -> None:
        scalar = Lanes(self.code, 1)
        partial: list[list[str]] = [[] for _ in unit.reductions]
        for k, (lanes, active) in enumerate(self._vectors(unit.space[-1])):
            element = _RowElements(self, lanes, active, k, at, held)
            for view in unit.reads():  # before any store: what is stored may overwrite it
                element.read(view)
            env: Env = run_steps(unit, element, {})
            for source, view in unit.stores:
                value = element.value(source, env, view.dtype)
                element.keep(view, value)
            for reduction, parts in zip(unit.reductions, partial, strict=True):
                dtype = reduction.out.dtype
                value = element.value(reduction.operand, env, dtype)
                if element.masked:
                    neutral = lanes.const(NEUTRAL[reduction.name](dtype), dtype)
                    value = lanes.select(element.mask, dtype, value, neutral)
                parts.append(fold_lanes(lanes, reduction.name, dtype, value))
        for reduction, parts in zip(unit.reductions, partial, strict=True):
            total = parts[0]
            for part in parts[1:]:
                total = combine(scalar, reduction.name, reduction.out.dtype, total, part)
            _RowElements(self, scalar, 1, 0, at, held).keep(reduction.out, total)

    def _vectors(self, columns: int) -> list[tuple[Lanes, int]]:
        if columns == 1:
            return [(Lanes(self.code, 1), 1)]
        lanes = Lanes(self.code, self.width)
        whole, rest = divmod(columns, self.width)
        return [(lanes, self.width)] * whole + ([(lanes, rest)] if rest else [])


class _RowElements(Elements):
    """One vector of a row, some of whose values are held in registers."""

    def __init__(
        self,
        loops: RowLoops,
        lanes: Lanes,
        active: int,
        place: int,
        at: list[str],
        held: dict[Buffer, list[str]],
    ) -> None:
        super().__init__(lanes, active, (), at, loops)
        self.loops, self.place, self.held = loops, place, held

    def _stride(self, view: View) -> int:
        """Return how far apart the elements of a row are."""
        rows = len(self.loops.rows)
        return view.strides[-1] if len(view.shape) > rows and view.shape[-1] > 1 else 0

    def read(self, view: View) -> str:
        """Return a view's elements: held ones, or loaded ones."""
        if view not in self._loaded:
            known = self.held.get(view.buffer)
            if known is None:
                stride, dtype = self._stride(view), view.dtype
                start = self.pointers[self.owner.places[view]]
                offset = self.place * self.loops.width * stride
                pointer = self.lanes.code.address(start, offset, dtype)
                self._loaded[view] = self.gather(dtype, pointer, stride)
            elif self._stride(view) or self.lanes.width == 1:
                self._loaded[view] = known[self.place]
            else:
                kind = Lanes(self.lanes.code, 1).type(view.dtype)
                self._loaded[view] = self.lanes.splat(known[0], kind)
        return self._loaded[view]

    def keep(self, view: View, value: str) -> None:
        """Hold a result, and store it if others use it."""
        held = self.held.setdefault(view.buffer, [])
        held[self.place : self.place + 1] = [value]  # in the place of what was written before
        if view.buffer in self.loops.unit.inside:
            return
        stride, dtype = self._stride(view), view.dtype
        start = self.pointers[self.owner.places[view]]
        pointer = self.lanes.code.address(start, self.place * self.loops.width * stride, dtype)
        if self.lanes.width == 1:
            Memory(self.lanes, 1).store(dtype, value, pointer)
        else:
            self.scatter(dtype, value, pointer, stride)
