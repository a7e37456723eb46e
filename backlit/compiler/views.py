"""Operations that move elements: most are another view of the same memory and cost nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from numpy import broadcast_shapes

from backlit.compiler.units import Constant, Indexed, Running, View, size_of, strides_of
from backlit.core.aval import Shape
from backlit.core.graph import Equation
from backlit.ops.indexing import result_shape

if TYPE_CHECKING:
    from backlit.compiler.plan import Planner

Made = tuple[View, int] | None
Rule = Callable[["Planner", Equation], Made]


def reshaped(view: View, shape: Shape) -> View | None:
    """Return the elements of a view in another shape, or None where they would have to move."""
    if size_of(shape) == 0:
        return View(view.buffer, shape, strides_of(shape), view.offset)
    # Axes of length one say nothing. The others fall into groups of equal size on both sides; the
    # old axes of a group must lie regularly.
    old = [(n, s) for n, s in zip(view.shape, view.strides, strict=True) if n != 1]
    new = [n for n in shape if n != 1]
    strides: list[int] = []
    i = j = 0
    while i < len(old):
        first, given, wanted = j, old[i][0], new[j]
        while given != wanted:
            if given < wanted:
                i += 1
                if old[i - 1][1] != old[i][0] * old[i][1]:
                    return None
                given *= old[i][0]
            else:
                j += 1
                wanted *= new[j]
        step, group = old[i][1], []
        for n in reversed(new[first : j + 1]):
            group.append(step)
            step *= n
        strides += reversed(group)
        i, j = i + 1, j + 1
    places = iter(strides)
    spread = tuple([0 if n == 1 else next(places) for n in shape])
    return View(view.buffer, shape, spread, view.offset)


def _reshape(planner: Planner, equation: Equation) -> Made:
    view, ready = planner.in_memory(equation.inputs[0])
    shape = equation.outputs[0].aval.shape
    found = reshaped(view, shape)
    if found is not None:
        return found, ready
    target = planner.scratch(equation.outputs[0].aval)
    ready = planner.copy(view, View(target.buffer, view.shape, strides_of(view.shape)), ready)
    return target, ready


def _transpose(planner: Planner, equation: Equation) -> Made:
    view, ready = planner.in_memory(equation.inputs[0])
    axes = equation.params["axes"]
    shape = tuple([view.shape[k] for k in axes])
    strides = tuple([view.strides[k] for k in axes])
    return View(view.buffer, shape, strides, view.offset), ready


def _broadcast_to(planner: Planner, equation: Equation) -> Made:
    view, ready = planner.in_memory(equation.inputs[0])
    return view.broadcast(equation.outputs[0].aval.shape), ready


def _flip(planner: Planner, equation: Equation) -> Made:
    view, ready = planner.in_memory(equation.inputs[0])
    strides, offset = list(view.strides), view.offset
    for axis in equation.params["axes"]:
        offset += max(view.shape[axis] - 1, 0) * strides[axis]
        strides[axis] = -strides[axis]
    return View(view.buffer, view.shape, tuple(strides), offset), ready


def _getitem(planner: Planner, equation: Equation) -> Made:
    view, ready = planner.in_memory(equation.inputs[0])
    if len(equation.inputs) == 1:
        return _basic(view, equation.params["parts"]), ready
    target = planner.scratch(equation.outputs[0].aval)
    return target, _indexed(planner, "gather", view, target, equation, 1)


def _indexed(
    planner: Planner, what: str, array: View, other: View, equation: Equation, first: int
) -> int:
    """Plan indexing by the arrays from an operand on; return the unit that may use the result."""
    tables = [planner.in_memory(atom)[0] for atom in equation.inputs[first:]]
    shape = broadcast_shapes(*[view.shape for view in tables])
    tables = [view.broadcast(shape) for view in tables]
    parts = equation.params["parts"]
    return planner.append(Indexed(what, array, other, tables, parts, planner.error)) + 1


def _result_of(equation: Equation, shape: Shape, first: int) -> Shape:
    """Return the shape of an index expression."""
    avals = [a.aval for a in equation.inputs[first:]]
    return result_shape(shape, equation.params["parts"], avals)


def _part(target: View, start: tuple[int, ...], shape: Shape) -> View:
    """Return a block of a view."""
    offset = target.offset + sum(k * s for k, s in zip(start, target.strides, strict=True))
    return View(target.buffer, shape, target.strides, offset)


def _concatenate(planner: Planner, equation: Equation) -> Made:
    aval = equation.outputs[0].aval
    if any(a.aval.dtype != aval.dtype for a in equation.inputs):
        return None
    target = planner.scratch(aval)
    axis = equation.params["axis"] % len(aval.shape)
    place = ready = 0
    for atom in equation.inputs:
        view, _ = planner.in_memory(atom)
        start = tuple([place if k == axis else 0 for k in range(len(aval.shape))])
        if size_of(view.shape):
            ready = max(ready, planner.copy(view, _part(target, start, view.shape), 0))
        place += view.shape[axis]
    return target, ready


def _pad(planner: Planner, equation: Equation) -> Made:
    aval = equation.outputs[0].aval
    view, _ = planner.in_memory(equation.inputs[0])
    target = planner.scratch(aval)
    ready = planner.copy(Constant(0, aval.dtype), target, 0)
    start = tuple([low for low, _ in equation.params["width"]])
    if size_of(view.shape):
        ready = planner.copy(view, _part(target, start, view.shape), ready)
    return target, ready


def _scatter_add(planner: Planner, equation: Equation) -> Made:
    aval = equation.outputs[0].aval
    view, _ = planner.in_memory(equation.inputs[0])
    target = planner.scratch(aval)
    ready = planner.copy(Constant(0, aval.dtype), target, 0)
    if len(equation.inputs) > 1:
        view = view.broadcast(_result_of(equation, aval.shape, 1))
        return target, _indexed(planner, "add", target, view, equation, 1)
    return _store_at(planner, view, target, equation.params["parts"], ready)


def _index_set(planner: Planner, equation: Equation) -> Made:
    (old, _), (value, _) = map(planner.in_memory, equation.inputs[:2])
    if old.dtype != value.dtype:
        return None
    target = planner.scratch(equation.outputs[0].aval)
    ready = planner.copy(old, target, 0)
    if len(equation.inputs) > 2:
        value = _fitted(value, _result_of(equation, target.shape, 2))
        return target, _indexed(planner, "set", target, value, equation, 2)
    return _store_at(planner, value, target, equation.params["parts"], ready)


def _store_at(planner: Planner, value: View, target: View, parts: Any, ready: int) -> Made:
    """Write a value into a basic slice of a target."""
    where = _basic(target, parts)
    if size_of(where.shape):
        ready = planner.copy(_fitted(value, where.shape), where, ready)
    return target, ready


def _fitted(value: View, shape: Shape) -> View:
    """Return a value as NumPy's assignment broadcasts it: it drops leading axes of length one."""
    extra = len(value.shape) - len(shape)
    if extra > 0:
        value = View(value.buffer, value.shape[extra:], value.strides[extra:], value.offset)
    return value.broadcast(shape)


def _diagonal_of(planner: Planner, equation: Equation) -> Made:
    view, ready = planner.in_memory(equation.inputs[0])
    given, wanted = equation.params["spec"].split("->")
    shape = tuple([view.shape[given.index(c)] for c in wanted])
    strides = tuple(
        [sum(s for c, s in zip(given, view.strides, strict=True) if c == w) for w in wanted]
    )
    if set(given) != set(wanted):
        return None
    return View(view.buffer, shape, strides, view.offset), ready


def _running(planner: Planner, equation: Equation) -> Made:
    (atom,), aval = equation.inputs, equation.outputs[0].aval
    if atom.aval.dtype != aval.dtype or not atom.aval.shape:
        return None
    view, _ = planner.in_memory(atom)
    target = planner.scratch(aval)
    axis = equation.params["axis"] % len(view.shape)
    return target, planner.append(Running(equation.primitive.name, view, target, axis)) + 1


def _place(planner: Planner, equation: Equation) -> Made:
    view, _ = planner.in_memory(equation.inputs[0])
    if not size_of(view.shape) or view.dtype.kind == "b":
        return None
    axis = equation.params["axis"] % len(view.shape)
    target = planner.scratch(equation.outputs[0].aval)
    longer = (*target.strides[:axis], 0, *target.strides[axis:])
    shape = (*target.shape[:axis], 1, *target.shape[axis:])
    out = View(target.buffer, shape, longer)
    return target, planner.append(Running(equation.primitive.name, view, out, axis)) + 1


def _basic(view: View, parts: Any) -> View:
    """Return a view's elements at an index of integers, slices, new axes and an ellipsis."""
    shape: list[int] = []
    strides: list[int] = []
    offset, axis = view.offset, 0
    used = sum(1 for part in parts if part[0] in "is")
    for part in parts:
        if part[0] == "n":
            shape.append(1)
            strides.append(0)
        elif part[0] == "e":
            count = len(view.shape) - used
            shape += view.shape[axis : axis + count]
            strides += view.strides[axis : axis + count]
            axis += count
        elif part[0] == "i":
            offset += (part[1] % view.shape[axis]) * view.strides[axis]
            axis += 1
        else:
            chosen = range(*slice(*part[1:]).indices(view.shape[axis]))
            offset += chosen.start * view.strides[axis] if len(chosen) else 0
            shape.append(len(chosen))
            strides.append(chosen.step * view.strides[axis])
            axis += 1
    shape += view.shape[axis:]
    strides += view.strides[axis:]
    return View(view.buffer, tuple(shape), tuple(strides), offset)


RULES: dict[str, Rule] = {
    "reshape": _reshape,
    "transpose": _transpose,
    "broadcast_to": _broadcast_to,
    "flip": _flip,
    "getitem": _getitem,
    "concatenate": _concatenate,
    "pad": _pad,
    "scatter_add": _scatter_add,
    "index_set": _index_set,
    "diagonal_of": _diagonal_of,
    "cumsum": _running,
    "cumprod": _running,
    "argmax": _place,
    "argmin": _place,
}
