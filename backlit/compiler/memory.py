"""Memory: which values live at the same time, what is updated in place, and where each is kept."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from backlit.compiler.units import AnyUnit, Buffer, Control, Plan, Unit, View
from backlit.core.graph import Graph

ALIGNMENT = 64
# Smaller buffers stay in the nearest cache anyway, and where rows are loaded and stored in the same
# memory, the load of the next row waits for the store of this one: two places are faster.
SMALL = 32 * 1024
# So many buffers are placed in the order of their sizes; more would take too long.
_FEW = 400

_Life = tuple[Buffer, int, int]  # with the first and last unit that uses it


@dataclass(slots=True)
class _Uses:
    """Where a buffer is read and written, as (position, view), in order."""

    reads: list[tuple[int, View]] = field(default_factory=list)
    writes: list[tuple[int, View]] = field(default_factory=list)

    @property
    def first(self) -> int:
        return min(uses[0][0] for uses in (self.reads, self.writes) if uses)

    @property
    def last(self) -> int:
        return max(uses[-1][0] for uses in (self.reads, self.writes) if uses)


def place(plan: Plan, carried: Iterable[tuple[int, int]] = ()) -> None:
    """Decide where every buffer is kept.

    Parameters
    ----------
    plan : Plan
        Its scratch buffers get offsets, `Plan.scratch` is set, and a buffer that may overwrite
        another gets `Buffer.host`.
    carried : iterable of (int, int)
        Outputs that may be written over inputs, such as what a loop carries.
    """
    uses = _all_uses(plan.units)
    for out, given in carried:
        buffer, host = plan.outputs[out].buffer, plan.inputs[given]
        if buffer.kind == "output" and _may_overwrite(plan, uses, buffer, host):
            buffer.host = host
    guests: dict[Buffer, Buffer] = {}
    for position, unit in enumerate(plan.units):
        if isinstance(unit, Unit):
            _update_in_place(plan, uses, guests, position, unit)
    _pack(plan, uses)


def written_over(graph: Graph, donated: Sequence[int]) -> list[tuple[int, int]]:
    """Return which output may take the memory of which donated input: the first of its kind.

    Parameters
    ----------
    graph : Graph
    donated : sequence of int
        Inputs.
    """
    free = list(donated)
    pairs = []
    for k, atom in enumerate(graph.outputs):
        for i in free:
            given = graph.inputs[i].aval
            if (given.shape, given.dtype) == (atom.aval.shape, atom.aval.dtype):
                pairs.append((k, i))
                free.remove(i)
                break
    return pairs


def _all_uses(units: list[AnyUnit]) -> dict[Buffer, _Uses]:
    uses: dict[Buffer, _Uses] = {}
    for position, unit in enumerate(units):
        for view in unit.writes():
            uses.setdefault(view.buffer, _Uses()).writes.append((position, view))
        for view in unit.reads():
            uses.setdefault(view.buffer, _Uses()).reads.append((position, view))
    return uses


def _may_overwrite(plan: Plan, uses: dict[Buffer, _Uses], buffer: Buffer, host: Buffer) -> bool:
    """Tell whether a buffer may be written where another is, which nobody needs any more then.

    The first unit to write it writes the whole of it; the other is read no later, and by that unit
    only at the element that is being written.
    """
    if buffer not in uses or buffer.size != host.size or buffer.dtype != host.dtype:
        return False
    if buffer.nbytes < SMALL:
        return False
    if buffer.host is not None:
        return False
    writes = uses[buffer].writes
    position, target = writes[0]
    if any(p <= position for p, _ in (*writes[1:], *uses[buffer].reads)):
        return False
    unit = plan.units[position]
    if isinstance(unit, Control):
        return host in uses and _carried_in_place(unit, uses[host], position, target, host)
    if not isinstance(unit, Unit) or not target.whole or target.shape != unit.space:
        return False
    product = unit.product
    for p, view in (*uses[host].reads, *uses[host].writes) if host in uses else ():
        if p > position:
            return False
        if p == position:
            if product is not None and view in (product.a, product.b):
                return False
            if (view.shape, view.strides, view.offset) != (
                target.shape,
                target.strides,
                target.offset,
            ):
                return False
    return True


def _carried_in_place(
    unit: Control, uses: _Uses, position: int, target: View, host: Buffer
) -> bool:
    """Tell whether a loop may carry something where its first value is, which nobody else reads."""
    pairs = [first for first, last in unit.carried if last is target]
    if uses.last > position or len(pairs) != 1:
        return False
    here = [view for p, view in (*uses.reads, *uses.writes) if p == position]
    return len(here) == 1 and here[0] is pairs[0] and pairs[0].buffer is host and pairs[0].whole


def _update_in_place(
    plan: Plan,
    uses: dict[Buffer, _Uses],
    guests: dict[Buffer, Buffer],
    position: int,
    unit: Unit,
) -> None:
    """Let what a unit writes take the memory of what it reads for the last time.

    `guests` has the buffer that took some memory last; those before it are not needed any more.
    """
    taken: set[Buffer] = set()
    for _, target in unit.stores:
        buffer = target.buffer
        if buffer.kind != "scratch" or buffer.host is not None or buffer.nbytes < SMALL:
            continue
        for view in unit.reads():
            root = view.buffer.root
            if view.buffer.kind != "scratch" or root in taken:
                continue
            living = guests.get(root, root)
            if uses[living].last == position and _may_overwrite(plan, uses, buffer, living):
                buffer.host = root
                guests[root] = buffer
                taken.add(root)
                break


def _pack(plan: Plan, uses: dict[Buffer, _Uses]) -> None:
    """Give scratch buffers offsets; those that never live together may share memory."""
    first: dict[Buffer, int] = {}
    last: dict[Buffer, int] = {}
    for buffer, use in uses.items():
        root = buffer.root
        if root.kind == "scratch":
            first[root] = min(first.get(root, use.first), use.first)
            last[root] = max(last.get(root, use.last), use.last)
    lives = [(buffer, begin, last[buffer]) for buffer, begin in first.items()]
    pack = _largest_first if len(lives) <= _FEW else _as_they_come
    plan.scratch = pack(lives)


def _largest_first(lives: Sequence[_Life]) -> int:
    """Place the largest first, each as low as what lives at the same time permits.

    In time quadratic in their number it comes within a few percent of what is possible.
    """
    placed: list[tuple[int, int, int, int]] = []
    most = 0
    for buffer, begin, last in sorted(lives, key=lambda life: -_padded(life[0])):
        size, at = _padded(buffer), 0
        taken = sorted([(s, e) for s, e, b, n in placed if b <= last and begin <= n])
        for start, end in taken:
            if at + size <= start:
                break
            at = max(at, end)
        buffer.index = at
        placed.append((at, at + size, begin, last))
        most = max(most, at + size)
    return most


def _as_they_come(lives: Sequence[_Life]) -> int:
    """Place buffers in the order in which they come to life, in the tightest gap."""
    starts: dict[int, list[Buffer]] = {}
    ends: dict[int, list[Buffer]] = {}
    for buffer, begin, last in lives:
        starts.setdefault(begin, []).append(buffer)
        ends.setdefault(last, []).append(buffer)
    memory = _Memory()
    for position in sorted({*starts, *ends}):
        for buffer in sorted(starts.get(position, ()), key=_padded, reverse=True):
            buffer.index = memory.take(_padded(buffer))
        for buffer in ends.get(position, ()):
            memory.free(buffer.index, _padded(buffer))
    return memory.most


def _padded(buffer: Buffer) -> int:
    return max(-(-buffer.nbytes // ALIGNMENT), 1) * ALIGNMENT


class _Memory:
    """Memory that is handed out in pieces: the tightest gap that is large enough, else at the end.

    Attributes
    ----------
    most : int
        How much was in use at most, gaps included.
    """

    def __init__(self) -> None:
        self.most = 0
        self._end = 0
        self._gaps: list[tuple[int, int]] = []  # (size, start), in order
        self._starts: dict[int, int] = {}  # of the gaps, and where they end
        self._ends: dict[int, int] = {}

    def take(self, size: int) -> int:
        """Return the start of a piece that is now in use."""
        place = bisect_left(self._gaps, (size, 0))
        if place == len(self._gaps):
            start = self._end
            self._end += size
            self.most = max(self.most, self._end)
            return start
        length, start = self._gaps[place]
        self._close(start, start + length)
        if length > size:
            self._open(start + size, start + length)
        return start

    def free(self, start: int, size: int) -> None:
        """Take a piece back."""
        end = start + size
        if start in self._ends:
            before = self._ends[start]
            self._close(before, start)
            start = before
        if end in self._starts:
            after = self._starts[end]
            self._close(end, after)
            end = after
        if end == self._end:
            self._end = start
        else:
            self._open(start, end)

    def _open(self, start: int, end: int) -> None:
        insort(self._gaps, (end - start, start))
        self._starts[start], self._ends[end] = end, start

    def _close(self, start: int, end: int) -> None:
        del self._gaps[bisect_left(self._gaps, (end - start, start))]
        del self._starts[start], self._ends[end]


def minimum(plan: Plan) -> int:
    """Return the least scratch memory that liveness allows: the most that is live at one time."""
    uses = _all_uses(plan.units)
    change = [0] * (len(plan.units) + 1)
    roots: dict[Buffer, tuple[int, int]] = {}
    for buffer, use in uses.items():
        if buffer.root.kind == "scratch":
            first, last = roots.get(buffer.root, (use.first, use.last))
            roots[buffer.root] = min(first, use.first), max(last, use.last)
    for buffer, (first, last) in roots.items():
        change[first] += buffer.nbytes
        change[last + 1] -= buffer.nbytes
    return max(accumulate(change), default=0)
