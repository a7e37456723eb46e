"""Loop nests: elementwise chains and reductions over strided views."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as onp

from backlit.compiler.elements import Elements, Memory, Pointers, run_steps, start_of
from backlit.compiler.scalars import lowering
from backlit.compiler.target import Target
from backlit.compiler.text import Code, Index, Lanes
from backlit.compiler.transposes import block_kernel, cut
from backlit.compiler.units import Unit, View

NEUTRAL: dict[str, Callable[[onp.dtype[Any]], Any]] = {
    "sum": lambda dtype: 0,
    "prod": lambda dtype: 1,
    "all": lambda dtype: True,
    "any": lambda dtype: False,
    "max": lambda dtype: -onp.inf if dtype.kind == "f" else _lowest(dtype),
    "min": lambda dtype: onp.inf if dtype.kind == "f" else _highest(dtype),
}
_COMBINE = {
    "sum": "add",
    "prod": "multiply",
    "all": "bitwise_and",
    "any": "bitwise_or",
    "max": "maximum",
    "min": "minimum",
}


def _lowest(dtype: onp.dtype[Any]) -> Any:
    return False if dtype.kind == "b" else onp.iinfo(dtype).min


def _highest(dtype: onp.dtype[Any]) -> Any:
    return True if dtype.kind == "b" else onp.iinfo(dtype).max


@dataclass(frozen=True, slots=True)
class _Axis:
    extent: int
    reduced: bool
    strides: tuple[int, ...]  # one per view


def combine(lanes: Lanes, name: str, dtype: onp.dtype[Any], a: str, b: str) -> str:
    """Return two partial results of a reduction as one."""
    write = lowering(_COMBINE[name], dtype)
    assert write is not None
    return write(lanes, dtype, a, b)


class Nest:
    """Writes the loops of one unit that is no product.

    Parameters
    ----------
    code : Code
    target : Target
    unit : Unit
    pointers : dict of Buffer to str
        Names of the pointers to every buffer.
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
        self.axes = _collapse(axes)
        self.width = target.lanes(element_bytes(unit))
        self.bases = [start_of(code, pointers, view) for view in self.views]

    def _enter(self, view: View) -> None:
        if view not in self.places:
            self.places[view] = len(self.views)
            self.views.append(view)

    def _spread(self, out: View) -> tuple[int, ...]:
        """Return a reduced result's strides in the unit's space."""
        given = iter(out.strides)
        reduced = self.unit.reduced or ()
        return tuple([0 if k in reduced else next(given) for k in range(len(self.unit.space))])

    # --- loops --------------------------------------------------------------------------------

    def write(self) -> None:
        """Write the whole nest."""
        kept = [axis for axis in self.axes if not axis.reduced]
        inner = [axis for axis in self.axes if axis.reduced]
        last = self.axes[-1] if self.axes else None
        if last is None:
            last = _Axis(1, False, (0,) * len(self.views))
            kept = [last]
        turned = self._turned()
        if turned is not None:
            self._transpose(*turned)
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
                with code.loop(count) as outer:
                    row = code.add(code.times(outer.i, width), start)
                    down = self._advance(last, at, row)
                    for begin, number, columns in cut(side.extent, width):
                        kernel = block_kernel(
                            code.module,
                            source.dtype,
                            width,
                            (rows, columns, rows),
                            last.strides[k],
                            side.strides[n],
                        )
                        with code.loop(number) as inner:
                            column = code.add(code.times(inner.i, width), begin)
                            here = self._advance(side, down, column)
                            code.do(f"call void @{kernel}(ptr {here[k]}, ptr {here[n]})")

        self._outer(rest, self.bases, blocks)

    def _outer(
        self, axes: Sequence[_Axis], at: list[str], then: Callable[[list[str]], None]
    ) -> None:
        if not axes:
            then(at)
            return
        with self.code.loop(axes[0].extent) as loop:
            self._outer(axes[1:], self._advance(axes[0], at, loop.i), then)

    def _advance(self, axis: _Axis, at: list[str], i: Index) -> list[str]:
        code = self.code
        return [
            code.address(pointer, code.times(i, stride), view.dtype)
            for pointer, stride, view in zip(at, axis.strides, self.views, strict=True)
        ]

    def _columns(self, inner: Sequence[_Axis], last: _Axis, at: list[str]) -> None:
        """Treat the last axis, which is kept, in vectors; reductions are over other axes."""
        for start, count, lanes, active, group in self._blocks(last.extent, bool(inner)):
            with self.code.loop(count * group, step=group) as loop:
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
        for start, count, lanes, active, group in self._blocks(last.extent, True):
            first = self._neutral(lanes, group)
            kinds = self._kinds(lanes, group)

            def turn(
                at: list[str],
                values: list[str],
                start: int = start,
                count: int = count,
                lanes: Lanes = lanes,
                active: int = active,
                group: int = group,
                kinds: list[str] = kinds,
            ) -> list[str]:
                carried = list(zip(kinds, values, strict=True))
                with self.code.loop(count * group, carried, step=group) as loop:
                    place = self.code.add(self.code.times(loop.i, lanes.width), start)
                    found: list[str] = []
                    size = len(self.unit.reductions)
                    for k in range(group):
                        where = self._advance(last, at, self.code.add(place, k * lanes.width))
                        element = Elements(lanes, active, last.strides, where, self)
                        found += self._step(element, loop.values[k * size : (k + 1) * size])
                    loop.next = found
                return loop.values

            values = self._through(inner, at, first, kinds, turn)
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
        self,
        axes: Sequence[_Axis],
        at: list[str],
        values: list[str],
        kinds: list[str],
        turn: Callable[[list[str], list[str]], list[str]],
    ) -> list[str]:
        """Carry partial results through loops over further reduced axes."""
        if not axes:
            return turn(at, values)
        with self.code.loop(axes[0].extent, list(zip(kinds, values, strict=True))) as loop:
            where = self._advance(axes[0], at, loop.i)
            loop.next = self._through(axes[1:], where, loop.values, kinds, turn)
        return loop.values

    def _reduce(
        self, inner: Sequence[_Axis], elements: Sequence[Elements], first: list[str]
    ) -> list[str]:
        """Carry partial results, one vector per element, through the reduced loops."""
        size = len(self.unit.reductions)

        def turn(axes: Sequence[_Axis], group: Sequence[Elements], values: list[str]) -> list[str]:
            if not axes:
                found: list[str] = []
                for k, element in enumerate(group):
                    found += self._step(element, values[k * size : (k + 1) * size])
                return found
            kinds = self._kinds(group[0].lanes, len(group))
            with self.code.loop(axes[0].extent, list(zip(kinds, values, strict=True))) as loop:
                moved = [e.at(self._advance(axes[0], e.pointers, loop.i)) for e in group]
                loop.next = turn(axes[1:], moved, loop.values)
            return loop.values

        return turn(inner, elements, first)

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

    def _blocks(self, extent: int, reducing: bool) -> list[tuple[int, int, Lanes, int, int]]:
        """Cut an axis into (start, turns, lanes, active lanes, vectors per turn)."""
        width, blocks = self.width, []
        whole, rest = divmod(extent, width)
        group = 4 if reducing else 1
        lanes = Lanes(self.code, width)
        start = 0
        if whole >= group > 1:
            turns = whole // group
            blocks.append((0, turns, lanes, width, group))
            start, whole = turns * group * width, whole % group
        if whole:
            blocks.append((start, whole, lanes, width, 1))
            start += whole * width
        if rest == 1:
            blocks.append((start, 1, Lanes(self.code, 1), 1, 1))
        elif rest:
            blocks.append((start, 1, lanes, rest, 1))
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


def fold_lanes(lanes: Lanes, name: str, dtype: onp.dtype[Any], value: str) -> str:
    """Combine the lanes of one vector into a scalar."""
    if name in ("max", "min") and dtype.kind == "f" and lanes.width > 1:
        return _extreme_lane(lanes, name, dtype, value)
    return _halved(lanes, dtype, value, lambda half, a, b: combine(half, name, dtype, a, b))


def _halved(
    lanes: Lanes, dtype: onp.dtype[Any], value: str, join: Callable[[Lanes, str, str], str]
) -> str:
    """Join the halves of a vector again and again, until a scalar is left."""
    code, width = lanes.code, lanes.width
    while width > 2:
        kind, half = Lanes(code, width).type(dtype), width // 2
        low, high = (
            code.let(
                f"shufflevector {kind} {value}, {kind} poison, <{half} x i32> "
                f"<{', '.join(f'i32 {k}' for k in range(start, start + half))}>"
            )
            for start in (0, half)
        )
        value = join(Lanes(code, half), low, high)
        width = half
    if width == 1:
        return value
    kind = Lanes(code, 2).type(dtype)
    first, second = (code.let(f"extractelement {kind} {value}, i64 {k}") for k in (0, 1))
    return join(Lanes(code, 1), first, second)


def _extreme_lane(lanes: Lanes, name: str, dtype: onp.dtype[Any], value: str) -> str:
    """Return the largest or smallest lane, NaN if there is one.

    The plain comparison is one instruction where the one that minds NaN is four; a single test of
    the whole vector says whether any was there.
    """
    better = "ogt" if name == "max" else "olt"

    def plain(half: Lanes, a: str, b: str) -> str:
        return half.select(half.op(f"fcmp {better}", dtype, a, b), dtype, a, b)

    found = _halved(lanes, dtype, value, plain)
    code, scalar = lanes.code, Lanes(lanes.code, 1)
    wrong = lanes.op("fcmp uno", dtype, value, value)
    bits = code.let(f"bitcast {lanes.of('i1')} {wrong} to i{lanes.width}")
    any_wrong = code.let(f"icmp ne i{lanes.width} {bits}, 0")
    return scalar.select(any_wrong, dtype, scalar.const(onp.nan, dtype), found)


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


def element_bytes(unit: Unit) -> int:
    """Return the size of the elements that decide how many are computed side by side."""
    dtypes = [v.dtype for v in (*unit.reads(), *unit.writes())]
    dtypes += [step.out.aval.dtype for step in unit.steps]
    floats = [d.itemsize for d in dtypes if d.kind == "f"]
    return max(floats or [d.itemsize for d in dtypes] or [8])
