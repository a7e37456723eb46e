"""Units that go row by row, joined: a row stays in registers from one unit to the next.

What a softmax does to each row (its maximum, the exponentials, their sum, the logarithm, …) takes
several units, since each needs the one before for the whole row. As they need it for no other row,
one loop over the rows can run them all; what only they use never reaches memory.
"""

from __future__ import annotations

from collections.abc import Sequence

from backlit.compiler.division import bounds, chunks_for, element_bytes, overlap
from backlit.compiler.elements import Elements, Env, Memory, Pointers, run_steps, start_of
from backlit.compiler.reductions import NEUTRAL, combine, fold_lanes
from backlit.compiler.target import Target
from backlit.compiler.text import Code, Index, Lanes
from backlit.compiler.units import AnyUnit, Buffer, Rows, Unit, View

# So many vectors of a row are written out; longer rows would not fit the registers anyway.
_VECTORS = 4
# So many short rows are treated side by side: one alone would wait for its own results.
_TOGETHER = 4


def join_rows(units: Sequence[AnyUnit], target: Target) -> list[AnyUnit]:
    """Return units with those neighbours joined that go row by row.

    Parameters
    ----------
    units : sequence of units
        In the order in which they run.
    target : Target

    Returns
    -------
    list of units
    """
    uses: dict[Buffer, int] = {}
    for unit in units:
        for view in (*unit.reads(), *unit.writes()):
            uses[view.buffer] = uses.get(view.buffer, 0) + 1
    joined: list[AnyUnit] = []
    group: list[Unit] = []

    def finish() -> None:
        if len(group) < 2:
            joined.extend(group)
        else:
            joined.append(_joined(list(group), uses))
        group.clear()

    for unit in units:
        if isinstance(unit, Unit) and _by_rows(unit, target):
            if group and not _fits(group, unit):
                finish()
            group.append(unit)
        else:
            finish()
            joined.append(unit)
    finish()
    return joined


def _by_rows(unit: Unit, target: Target) -> bool:
    """Tell whether a unit treats every row alike, and rows are short."""
    last = len(unit.space) - 1
    if unit.product is not None or last < 1 or unit.reduced not in (None, (last,)):
        return False
    width = target.lanes(element_bytes(unit))
    if not 0 < unit.space[-1] <= _VECTORS * width or 0 in unit.space:
        return False
    # A copy that turns rows into columns has a better way of its own.
    return bool(unit.steps or unit.reductions)


def _fits(group: Sequence[Unit], unit: Unit) -> bool:
    """Tell whether a unit needs from a group nothing but its own row."""
    rows = group[0].space[:-1]
    columns = {u.space[-1] for u in (*group, unit)} - {1}
    if unit.space[:-1] != rows or len(columns) > 1:
        return False
    if element_bytes(unit) != element_bytes(group[0]):
        return False
    for earlier in group:
        for written in earlier.writes():
            for view in (*unit.reads(), *unit.writes()):
                if view.buffer is written.buffer and not _same_row(written, view, len(rows)):
                    return False
        # What the group reads may not be overwritten at another place.
        for read in earlier.reads():
            for view in unit.writes():
                if view.buffer is read.buffer:
                    return False
    return True


def _same_row(written: View, view: View, rows: int) -> bool:
    if written.offset != view.offset or written.strides[:rows] != view.strides[:rows]:
        return False
    if len(written.shape) == rows or written.shape[-1] == 1:
        return len(view.shape) == rows or view.shape[-1] == 1 or view.strides[-1] == 0
    return written.shape[-1] == view.shape[-1] and written.strides[-1] == view.strides[-1]


def _joined(units: list[Unit], uses: dict[Buffer, int]) -> Rows:
    here: dict[Buffer, int] = {}
    for unit in units:
        for view in (*unit.reads(), *unit.writes()):
            here[view.buffer] = here.get(view.buffer, 0) + 1
    inside = {b for b, count in here.items() if b.kind == "scratch" and uses[b] == count}
    # Read before it is written in here: it comes from outside after all.
    written: set[Buffer] = set()
    for unit in units:
        inside -= {v.buffer for v in unit.reads()} - written
        written.update(v.buffer for v in unit.writes())
    return Rows(units, max(unit.space[-1] for unit in units), inside)


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
        self.code, self.unit = code, unit
        self.rows = unit.units[0].space[:-1]
        self.width = target.lanes(element_bytes(unit.units[0]))
        self.places: dict[View, int] = {}
        self.views: list[View] = []
        for view in (*unit.reads(), *unit.writes()):
            if view not in self.places:
                self.places[view] = len(self.views)
                self.views.append(view)
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
        for unit in self.unit.units:
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
        self.held.setdefault(view.buffer, []).append(value)
        if view.buffer in self.loops.unit.inside:
            return
        stride, dtype = self._stride(view), view.dtype
        start = self.pointers[self.owner.places[view]]
        pointer = self.lanes.code.address(start, self.place * self.loops.width * stride, dtype)
        if self.lanes.width == 1:
            Memory(self.lanes, 1).store(dtype, value, pointer)
        else:
            self.scatter(dtype, value, pointer, stride)
