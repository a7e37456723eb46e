"""Scratch memory: which values live at the same time, and where each is kept."""

from __future__ import annotations

from bisect import insort
from typing import Any

from backlit.compiler.units import Buffer, Plan

ALIGNMENT = 64


def place(plan: Plan) -> None:
    """Give every scratch buffer an offset; buffers that never live together may share memory.

    Parameters
    ----------
    plan : Plan
        Its buffers and `Plan.scratch` are set.
    """
    buffers: dict[Buffer, None] = {}
    for position, unit in enumerate(plan.units):
        for view in (*unit.writes(), *unit.reads()):
            buffer = view.buffer
            if buffer.kind == "scratch":
                if buffer not in buffers:
                    buffers[buffer] = None
                    buffer.first = position
                buffer.last = position
    starts: dict[int, list[Buffer]] = {}
    ends: dict[int, list[Buffer]] = {}
    for buffer in buffers:
        starts.setdefault(buffer.first, []).append(buffer)
        ends.setdefault(buffer.last, []).append(buffer)
    used: list[tuple[int, int]] = []  # (start, end) of memory in use, in order
    top = 0
    for position in range(len(plan.units)):
        for buffer in sorted(starts.get(position, ()), key=_size, reverse=True):
            buffer.index = _gap(used, _size(buffer))
            insort(used, (buffer.index, buffer.index + _size(buffer)))
            top = max(top, buffer.index + _size(buffer))
        for buffer in ends.get(position, ()):
            used.remove((buffer.index, buffer.index + _size(buffer)))
    plan.scratch = top


def _size(buffer: Any) -> int:
    return max(-(-buffer.nbytes // ALIGNMENT), 1) * ALIGNMENT


def _gap(used: list[tuple[int, int]], size: int) -> int:
    """Return the start of the tightest free piece of memory that is large enough."""
    best, best_size, end = -1, 0, 0
    for start, stop in used:
        free = start - end
        if free >= size and (best < 0 or free < best_size):
            best, best_size = end, free
        end = max(end, stop)
    return end if best < 0 else best
