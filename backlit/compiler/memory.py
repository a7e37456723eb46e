"""Memory: which values live at the same time, what is updated in place, and where each is kept."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate

from backlit.compiler.units import AnyUnit, Buffer, Plan, Unit, View

ALIGNMENT = 64
# Smaller buffers stay in the nearest cache anyway, and where rows are loaded and stored in the same
# memory, the load of the next row waits for the store of this one: two places are faster.
_SMALL = 32 * 1024


@dataclass(slots=True)
class _Uses:
    """Where a buffer is read and written, as (position, view), in order."""

    reads: list[tuple[int, View]] = field(default_factory=list)
    writes: list[tuple[int, View]] = field(default_factory=list)

    @property
    def last(self) -> int:
        return max(p for p, _ in (*self.reads, *self.writes))


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
    guests: dict[Buffer, list[Buffer]] = {}
    for position, unit in enumerate(plan.units):
        if isinstance(unit, Unit):
            _update_in_place(plan, uses, guests, position, unit)
    _pack(plan, uses)


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
    if buffer.nbytes < _SMALL:
        return False
    writes = uses[buffer].writes
    if host.root is not host or buffer.host is not None:
        return False
    position, target = writes[0]
    if any(p <= position for p, _ in (*writes[1:], *uses[buffer].reads)):
        return False
    unit = plan.units[position]
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


def _update_in_place(
    plan: Plan,
    uses: dict[Buffer, _Uses],
    guests: dict[Buffer, list[Buffer]],
    position: int,
    unit: Unit,
) -> None:
    """Let what a unit writes take the memory of what it reads for the last time.

    `guests` lists the buffers that took the memory of another.
    """
    taken: set[Buffer] = set()
    for _, target in unit.stores:
        buffer = target.buffer
        if buffer.kind != "scratch" or buffer.host is not None or buffer.nbytes < _SMALL:
            continue
        for view in unit.reads():
            host = view.buffer
            if host.kind != "scratch" or host.root in taken:
                continue
            root = host.root
            lives = [root, *guests.get(root, ())]
            if max(uses[b].last for b in lives) != position:
                continue
            if all(_may_overwrite_shared(plan, uses, buffer, b, position) for b in lives):
                buffer.host = root
                guests.setdefault(root, []).append(buffer)
                taken.add(root)
                break


def _may_overwrite_shared(
    plan: Plan, uses: dict[Buffer, _Uses], buffer: Buffer, host: Buffer, position: int
) -> bool:
    known, host.host = host.host, None
    allowed = _may_overwrite(plan, uses, buffer, host) or uses[host].last < position
    host.host = known
    return allowed


def _pack(plan: Plan, uses: dict[Buffer, _Uses]) -> None:
    """Give scratch buffers offsets; those that never live together may share memory."""
    first: dict[Buffer, int] = {}
    last: dict[Buffer, int] = {}
    size: dict[Buffer, int] = {}
    for buffer, use in uses.items():
        root = buffer.root
        if root.kind != "scratch":
            continue
        begin = min(p for p, _ in (*use.writes, *use.reads))
        first[root] = min(first.get(root, begin), begin)
        last[root] = max(last.get(root, use.last), use.last)
        size[root] = max(-(-root.nbytes // ALIGNMENT), 1) * ALIGNMENT
    starts: dict[int, list[Buffer]] = {}
    ends: dict[int, list[Buffer]] = {}
    for buffer, position in first.items():
        starts.setdefault(position, []).append(buffer)
        ends.setdefault(last[buffer], []).append(buffer)
    used: list[tuple[int, int]] = []  # (start, end) of memory in use, in order
    plan.scratch = 0
    for position in range(len(plan.units)):
        for buffer in sorted(starts.get(position, ()), key=lambda b: size[b], reverse=True):
            buffer.index = _gap(used, size[buffer])
            insort(used, (buffer.index, buffer.index + size[buffer]))
            plan.scratch = max(plan.scratch, buffer.index + size[buffer])
        for buffer in ends.get(position, ()):
            used.remove((buffer.index, buffer.index + size[buffer]))


def minimum(plan: Plan) -> int:
    """Return the least scratch memory that liveness allows: the most that is live at one time."""
    uses = _all_uses(plan.units)
    change = [0] * (len(plan.units) + 1)
    roots: dict[Buffer, tuple[int, int]] = {}
    for buffer, use in uses.items():
        if buffer.root.kind == "scratch":
            begin = min(p for p, _ in (*use.writes, *use.reads))
            first, last = roots.get(buffer.root, (begin, use.last))
            roots[buffer.root] = min(first, begin), max(last, use.last)
    for buffer, (first, last) in roots.items():
        change[first] += buffer.nbytes
        change[last + 1] -= buffer.nbytes
    return max(accumulate(change), default=0)


def _gap(used: list[tuple[int, int]], size: int) -> int:
    """Return the start of the tightest free piece of memory that is large enough."""
    best, best_size, end = -1, 0, 0
    for start, stop in used:
        free = start - end
        if free >= size and (best < 0 or free < best_size):
            best, best_size = end, free
        end = max(end, stop)
    return end if best < 0 else best
