"""Loop nests: elementwise chains and reductions over strided views."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from backlit.compiler.division import bounds, chunks_for, element_bytes, overlap
from backlit.compiler.elements import Elements, Memory, Pointers, run_steps, start_of
from backlit.compiler.reductions import (
    NEUTRAL,
    SLOT,
    Walk,
    additions,
    combine,
    fold_lanes,
    in_blocks,
)
from backlit.compiler.target import Target
from backlit.compiler.text import Code, Index, Lanes
from backlit.compiler.transposes import block_kernel, cut
from backlit.compiler.units import Unit, View


@dataclass(frozen=True, slots=True)
class _Axis:
    extent: int
    reduced: bool
    strides: tuple[int, ...]  # one per view


@dataclass(slots=True)
class _Along:
    """The way along the last axis, which is reduced, in one kind of blocks.

    Attributes
    ----------
    nest : Nest
    axis : _Axis
    part : tuple
        As `Nest._parts` gives it.
    most : int
        At most so many turns.
    """

    nest: Nest
    axis: _Axis
    part: tuple[Index, Index, Lanes, int, int]
    most: int

    @property
    def lanes(self) -> Lanes:
        """What is computed side by side."""
        return self.part[2]

    @property
    def group(self) -> int:
        """Vectors per turn, each with partial results of its own."""
        return self.part[4]

    @property
    def kinds(self) -> list[str]:
        """Types of the partial results."""
        return self.nest._kinds(self.lanes, self.group)

    @property
    def adds(self) -> int:
        """Additions to one partial result."""
        return additions(self.most)

    def carried(self, at: list[str], values: list[str]) -> list[str]:
        """Carry partial results along the axis."""
        nest, axis, (start, count, lanes, active, group) = self.nest, self.axis, self.part
        code, size = nest.code, len(nest.unit.reductions)

        def walk(first: Index, turns: Index, values: list[str]) -> list[str]:
            here = nest._advance(axis, at, code.times(first, group * lanes.width))
            carried = list(zip(self.kinds, values, strict=True))
            with code.loop(code.times(turns, group), carried, step=group) as loop:
                place = code.add(code.times(loop.i, lanes.width), start)
                found: list[str] = []
                for k in range(group):
                    where = nest._advance(axis, here, code.add(place, k * lanes.width))
                    element = Elements(lanes, active, axis.strides, where, nest)
                    found += nest._step(element, loop.values[k * size : (k + 1) * size])
                loop.next = found
            return loop.values

        return nest._added(walk, count, self.most, values, lanes, group, 1)


class Nest:
    """Writes the loops of one unit that is no product.

    Parameters
    ----------
    code : Code
    target : Target
    unit : Unit
    pointers : dict of Buffer to str
        Names of the pointers to every buffer.

    Attributes
    ----------
    chunks : int
        Into how many parts `write` can cut it, 1 if it is left whole.
    partials : int
        Results per chunk that have to be combined afterwards, where everything is reduced.
    """

    def __init__(self, code: Code, target: Target, unit: Unit, pointers: Pointers) -> None:
        self.code, self.unit = code, unit
        self.views: list[View] = []
        self.places: dict[View, int] = {}
        for view in unit.reads():
            self._enter(view)
        strides = [view.strides for view in self.views]
        for view in unit.writes():
            if len(view.shape) == len(unit.space) and view not in self.places:
                self._enter(view)
                strides.append(view.strides)
        for reduction in unit.reductions:
            self.places[reduction.out] = len(self.views)
            self.views.append(reduction.out)
            strides.append(self._spread(reduction.out))
        reduced = unit.reduced or ()
        axes = [
            _Axis(n, k in reduced, tuple([s[k] for s in strides]))
            for k, n in enumerate(unit.space)
            if n != 1
        ]
        self.axes = _collapse(axes) or [_Axis(1, False, (0,) * len(self.views))]
        self.width = target.lanes(element_bytes(unit))
        self.bases = [start_of(code, pointers, view) for view in self.views]
        self.turned = self._turned()
        self.cut, self.chunks = self._division(chunks_for(unit, target))
        whole = any(not axis.reduced for axis in self.axes) or self.chunks == 1
        self.partials = 0 if whole else len(unit.reductions)
        self.span: tuple[Index, Index] | None = None
        self.adds = any(r.name == "sum" and r.out.dtype.kind == "f" for r in unit.reductions)

    def _enter(self, view: View) -> None:
        if view not in self.places:
            self.places[view] = len(self.views)
            self.views.append(view)

    def _spread(self, out: View) -> tuple[int, ...]:
        """Return a reduced result's strides in the unit's space."""
        given = iter(out.strides)
        reduced = self.unit.reduced or ()
        return tuple([0 if k in reduced else next(given) for k in range(len(self.unit.space))])

    # --- chunks -------------------------------------------------------------------------------

    def _division(self, wanted: int) -> tuple[_Axis | None, int]:
        """Return the axis to cut and the number of chunks: the outermost axis that is long enough.

        Reduced axes are only cut where no other is left.
        """
        best, most = None, 1
        for axis in [axis for axis in self.axes if not axis.reduced] or self.axes:
            pieces = self._pieces(axis)
            if pieces > most and most < wanted:
                best, most = axis, pieces
        return best, min(wanted, most)

    def _pieces(self, axis: _Axis) -> int:
        """Return into how many parts an axis can be cut: the last one only between vectors."""
        if axis is not self.axes[-1]:
            side = self.turned is not None and axis is self.axes[self.turned[0]]
            return 1 if side else axis.extent
        if self.turned is not None:
            return -(-axis.extent // self.width)
        blocks = self._blocks(axis.extent)
        return blocks[0][1] + (len(blocks) > 1)

    def leave_partials(self, chunk: Index, memory: str) -> None:
        """Have a chunk leave its partial results elsewhere than where the results belong.

        Parameters
        ----------
        chunk : int or name
        memory : str
            Pointer to `chunks` × `partials` numbers of 8 bytes.
        """
        place = self.code.times(chunk, self.partials)
        for k, reduction in enumerate(self.unit.reductions):
            slot = self.code.address(memory, self.code.add(place, k), SLOT)
            self.bases[self.places[reduction.out]] = slot

    def _span(self, axis: _Axis) -> tuple[Index, Index]:
        """Return which pieces of an axis the chunk has: all, if it is not the one that is cut."""
        if axis is self.cut and self.span is not None:
            return self.span
        return 0, self._pieces(axis)

    def _turns(self, axis: _Axis) -> tuple[Index, Index]:
        """Return the first turn of a loop over an axis, and how many the chunk has."""
        return overlap(self.code, self._span(axis), 0, axis.extent)

    def _parts(self, last: _Axis) -> list[tuple[Index, Index, Lanes, int, int]]:
        """Return what of the last axis belongs to the chunk, as `_blocks` does."""
        blocks = self._blocks(last.extent)
        parts: list[tuple[Index, Index, Lanes, int, int]] = []
        for k, (start, turns, lanes, active, group) in enumerate(blocks):
            # What is left over after the blocks of the first kind is one last piece.
            first, piece = (blocks[0][1], turns) if k else (0, 1)
            begin, count = overlap(self.code, self._span(last), first, turns, piece)
            place = self.code.add(self.code.times(begin, group * lanes.width), start)
            parts.append((place, count, lanes, active, group))
        return parts

    # --- loops --------------------------------------------------------------------------------

    def write(self, chunk: Index | None = None) -> None:
        """Write the nest, or one chunk of it.

        Parameters
        ----------
        chunk : int or name, optional
            Which of `chunks`; all of it if left out.
        """
        if chunk is not None and self.cut is not None:
            self.span = bounds(self.code, chunk, self.chunks, self._pieces(self.cut))
        kept = [axis for axis in self.axes if not axis.reduced]
        inner = [axis for axis in self.axes if axis.reduced]
        last = self.axes[-1]
        if self.turned is not None:
            self._transpose(*self.turned)
        elif last.reduced:
            self._outer(kept, self.bases, lambda at: self._row(inner[:-1], last, at))
        else:
            self._outer(kept[:-1], self.bases, lambda at: self._columns(inner, last, at))

    def _turned(self) -> tuple[int, View, View] | None:
        """Return (axis, source, target) of a plain copy that reads side by side along an axis
        other than the last."""
        unit = self.unit
        if unit.steps or unit.reductions or len(unit.stores) != 1 or len(self.axes) < 2:
            return None
        (source, target), last = unit.stores[0], self.axes[-1]
        if not isinstance(source, View) or source.dtype != target.dtype or self.width == 1:
            return None
        k, n = self.places[source], self.places[target]
        if last.strides[n] != 1 or last.strides[k] in (0, 1) or source.dtype.itemsize < 4:
            return None
        for place, axis in enumerate(self.axes[:-1]):
            if axis.strides[k] == 1 and axis.strides[n]:
                return place, source, target
        return None

    def _transpose(self, place: int, source: View, target: View) -> None:
        """Copy a block of the axis `place` and the last axis at a time."""
        side, last, width, code = self.axes[place], self.axes[-1], self.width, self.code
        k, n = self.places[source], self.places[target]
        rest = [axis for j, axis in enumerate(self.axes[:-1]) if j != place]

        def blocks(at: list[str]) -> None:
            for start, count, rows in cut(last.extent, width):
                begin, turns = overlap(code, self._span(last), start // width, count)
                with code.loop(turns) as outer:
                    block = code.add(outer.i, begin)
                    row = code.add(code.times(block, width), start)
                    down = self._advance(last, at, row)
                    for left, number, columns in cut(side.extent, width):
                        kernel = block_kernel(
                            code.module,
                            source.dtype,
                            width,
                            (rows, columns, rows),
                            last.strides[k],
                            side.strides[n],
                        )
                        with code.loop(number) as inner:
                            column = code.add(code.times(inner.i, width), left)
                            here = self._advance(side, down, column)
                            code.do(f"call void @{kernel}(ptr {here[k]}, ptr {here[n]})")

        self._outer(rest, self.bases, blocks)

    def _outer(
        self, axes: Sequence[_Axis], at: list[str], then: Callable[[list[str]], None]
    ) -> None:
        if not axes:
            then(at)
            return
        first, count = self._turns(axes[0])
        with self.code.loop(count) as loop:
            where = self._advance(axes[0], at, self.code.add(loop.i, first))
            self._outer(axes[1:], where, then)

    def _advance(self, axis: _Axis, at: list[str], i: Index) -> list[str]:
        code = self.code
        return [
            code.address(pointer, code.times(i, stride), view.dtype)
            for pointer, stride, view in zip(at, axis.strides, self.views, strict=True)
        ]

    def _columns(self, inner: Sequence[_Axis], last: _Axis, at: list[str]) -> None:
        """Treat the last axis, which is kept, in vectors; reductions are over other axes."""
        for start, count, lanes, active, group in self._parts(last):
            with self.code.loop(self.code.times(count, group), step=group) as loop:
                place = self.code.add(self.code.times(loop.i, lanes.width), start)
                elements = [
                    Elements(
                        lanes,
                        active,
                        last.strides,
                        self._advance(last, at, self.code.add(place, k * lanes.width)),
                        self,
                    )
                    for k in range(group)
                ]
                if not self.unit.reductions:
                    for element in elements:
                        self._step(element, [])
                    continue
                results = self._reduce(inner, elements, self._neutral(lanes, group))
                for k, element in enumerate(elements):
                    for n, reduction in enumerate(self.unit.reductions):
                        element.put(reduction.out, results[k * len(self.unit.reductions) + n])

    def _row(self, inner: Sequence[_Axis], last: _Axis, at: list[str]) -> None:
        """Treat the last axis, which is reduced, in vectors, and add up their lanes at the end."""
        scalar = Lanes(self.code, 1)
        totals: list[str] | None = None
        most = [turns for _, turns, *_ in self._blocks(last.extent)]
        for part, turns in zip(self._parts(last), most, strict=True):
            _, _, lanes, _, group = part
            first = self._neutral(lanes, group)
            values = self._through(inner, at, first, _Along(self, last, part, turns))
            parts = self._fold(lanes, group, values)
            totals = (
                parts
                if totals is None
                else [
                    combine(scalar, r.name, r.out.dtype, a, b)
                    for r, a, b in zip(self.unit.reductions, totals, parts, strict=True)
                ]
            )
        assert totals is not None
        for reduction, total in zip(self.unit.reductions, totals, strict=True):
            pointer = at[self.places[reduction.out]]
            Memory(scalar, 1).store(reduction.out.dtype, total, pointer)

    def _through(
        self, axes: Sequence[_Axis], at: list[str], values: list[str], along: _Along
    ) -> list[str]:
        """Carry partial results through loops over further reduced axes."""
        if not axes:
            return along.carried(at, values)
        axis, code = axes[0], self.code
        start, count = self._turns(axis)

        def walk(first: Index, turns: Index, values: list[str]) -> list[str]:
            here = self._advance(axis, at, code.add(start, first))
            with code.loop(turns, list(zip(along.kinds, values, strict=True))) as loop:
                where = self._advance(axis, here, loop.i)
                loop.next = self._through(axes[1:], where, loop.values, along)
            return loop.values

        adds = along.adds
        for inner in reversed(axes[1:]):
            adds = additions(inner.extent, adds)
        return self._added(walk, count, axis.extent, values, along.lanes, along.group, adds)

    def _reduce(
        self, inner: Sequence[_Axis], elements: Sequence[Elements], first: list[str]
    ) -> list[str]:
        """Carry partial results, one vector per element, through the reduced loops."""
        size, code = len(self.unit.reductions), self.code
        lanes, kinds = elements[0].lanes, self._kinds(elements[0].lanes, len(elements))

        def turn(axes: Sequence[_Axis], group: Sequence[Elements], values: list[str]) -> list[str]:
            if not axes:
                found: list[str] = []
                for k, element in enumerate(group):
                    found += self._step(element, values[k * size : (k + 1) * size])
                return found
            axis = axes[0]

            def walk(first: Index, turns: Index, values: list[str]) -> list[str]:
                here = [e.at(self._advance(axis, e.pointers, first)) for e in group]
                with code.loop(turns, list(zip(kinds, values, strict=True))) as loop:
                    moved = [e.at(self._advance(axis, e.pointers, loop.i)) for e in here]
                    loop.next = turn(axes[1:], moved, loop.values)
                return loop.values

            adds = 1
            for further in reversed(axes[1:]):
                adds = additions(further.extent, adds)
            return self._added(walk, axis.extent, axis.extent, values, lanes, len(group), adds)

        return turn(inner, elements, first)

    def _added(
        self,
        walk: Walk,
        turns: Index,
        most: int,
        values: list[str],
        lanes: Lanes,
        group: int,
        adds: int,
    ) -> list[str]:
        """Carry partial results through a loop, sums in blocks."""
        if not self.adds:
            return walk(0, turns, values)
        fresh = list(zip(self._kinds(lanes, group), self._neutral(lanes, group), strict=True))
        reductions = list(self.unit.reductions) * group

        def join(totals: list[str], parts: list[str]) -> list[str]:
            return [
                combine(lanes, r.name, r.out.dtype, a, b)
                for r, a, b in zip(reductions, totals, parts, strict=True)
            ]

        return in_blocks(self.code, walk, turns, most, values, fresh, join, adds)

    # --- one vector ---------------------------------------------------------------------------

    def _step(self, element: Elements, partial: Sequence[str]) -> list[str]:
        """Write the steps, stores and reductions for one vector of elements."""
        for view in self.unit.reads():  # before any store: what is stored may overwrite it
            element.read(view)
        env = run_steps(self.unit, element, {})
        for source, view in self.unit.stores:
            element.put(view, element.value(source, env, view.dtype))
        found = []
        for reduction, before in zip(self.unit.reductions, partial, strict=True):
            dtype = reduction.out.dtype
            value = element.value(reduction.operand, env, dtype)
            after = combine(element.lanes, reduction.name, dtype, before, value)
            if element.masked and self.axes[-1].reduced:
                after = element.lanes.select(element.mask, dtype, after, before)
            found.append(after)
        return found

    def _blocks(self, extent: int) -> list[tuple[int, int, Lanes, int, int]]:
        """Cut an axis into (start, turns, lanes, active lanes, vectors per turn)."""
        width, blocks = self.width, []
        whole, rest = divmod(extent, width)
        group = 4 if any(axis.reduced for axis in self.axes) else 1
        lanes = Lanes(self.code, width)
        start = 0
        if whole >= group > 1:
            turns = whole // group
            blocks.append((0, turns, lanes, width, group))
            start, whole = turns * group * width, whole % group
        if whole:
            blocks.append((start, whole, lanes, width, 1))
            start += whole * width
        if rest:
            # A narrower vector where it fits exactly: what is stored under a mask cannot be
            # forwarded to the load of the next unit.
            exact = rest & (rest - 1) == 0
            blocks.append((start, 1, Lanes(self.code, rest) if exact else lanes, rest, 1))
        return blocks

    def _neutral(self, lanes: Lanes, group: int) -> list[str]:
        first = [
            lanes.const(NEUTRAL[r.name](r.out.dtype), r.out.dtype) for r in self.unit.reductions
        ]
        return first * group

    def _kinds(self, lanes: Lanes, group: int) -> list[str]:
        return [lanes.type(r.out.dtype) for r in self.unit.reductions] * group

    def _fold(self, lanes: Lanes, group: int, values: list[str]) -> list[str]:
        """Combine the lanes of partial results, halving again and again."""
        size, totals = len(self.unit.reductions), []
        for n, reduction in enumerate(self.unit.reductions):
            dtype = reduction.out.dtype
            parts = values[n::size]
            while len(parts) > 1:
                parts = [
                    combine(lanes, reduction.name, dtype, a, b)
                    for a, b in zip(parts[::2], parts[1::2], strict=True)
                ]
            totals.append(fold_lanes(lanes, reduction.name, dtype, parts[0]))
        return totals


def _collapse(axes: list[_Axis]) -> list[_Axis]:
    """Join neighbouring axes that every view passes through regularly."""
    joined: list[_Axis] = []
    for axis in axes:
        if joined:
            outer = joined[-1]
            regular = all(
                a == b * axis.extent for a, b in zip(outer.strides, axis.strides, strict=True)
            )
            if outer.reduced == axis.reduced and regular:
                joined[-1] = _Axis(outer.extent * axis.extent, axis.reduced, axis.strides)
                continue
        joined.append(axis)
    return joined
