"""How products of matrices are planned: packed where that pays, as sums where there is one row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as onp

from backlit.compiler.small import small_product
from backlit.compiler.target import Target
from backlit.compiler.tiles import FLAT, panel_height
from backlit.compiler.units import (
    Product,
    Reduction,
    Step,
    Unit,
    View,
    size_of,
    whole_view,
)
from backlit.core.aval import AbstractValue, Shape
from backlit.core.graph import Equation, Var

if TYPE_CHECKING:
    from backlit.compiler.plan import Planner


def plan_matmul(planner: Planner, equation: Equation) -> bool:
    """Plan a product of matrices, vectors or stacks of them; return False if it has no native form.

    Parameters
    ----------
    planner : Planner
    equation : Equation
    """
    left, right = equation.inputs
    out = equation.outputs[0]
    kind = out.aval.dtype
    if kind.kind != "f" or kind.itemsize < 4 or size_of(out.aval.shape) == 0:
        return False
    if left.aval.shape[-1] == 0 or left.aval.dtype != kind or right.aval.dtype != kind:
        return False
    if small_product(planner, left, right, out):
        return True
    (a, ready_a), (b, ready_b) = planner.in_memory(left), planner.in_memory(right)
    if len(a.shape) == 1:
        a = View(a.buffer, (1, *a.shape), (0, *a.strides), a.offset)
    if len(b.shape) == 1:
        b = View(b.buffer, (*b.shape, 1), (*b.strides, 0), b.offset)
    rows, inner, columns = a.shape[-2], a.shape[-1], b.shape[-1]
    lead = onp.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    if columns == 1 or (rows == 1 and abs(b.strides[-1]) != 1):
        _dot(planner, out, a, b, (*lead, rows, inner, columns))
        return True
    if 1 not in b.strides[-2:]:
        b = planner.copied(b)
    a, b = a.broadcast((*lead, rows, inner)), b.broadcast((*lead, inner, columns))
    space = (*lead, rows, columns)
    panel, packs = _height(a, columns, planner.target), _packs(b, rows, planner.target)
    if panel:
        a = _paneled(planner, a, panel)
    result = out if out.aval.shape == space else Var(AbstractValue(space, kind))
    unit = Unit(space, Product(a, b, result, panel, packs))
    place = planner.append(unit)
    assert place >= max(ready_a, ready_b)
    planner.inside[result] = place
    if result is not out:
        view, ready = planner.in_memory(result)
        planner.memory[out] = whole_view(view.buffer, out.aval.shape), ready
    return True


def _height(a: View, columns: int, target: Target) -> int:
    """Return the height of the panels in which the left operand is to be packed, or 0.

    Elements that are a multiple of 1 KiB apart share few places in the nearest cache, and push
    each other out of it before their neighbours are used.
    """
    size = a.dtype.itemsize
    step = max(map(abs, a.strides)) * size
    if len(a.shape) > 2 or step % 1024 or a.nbytes < 32 * 1024 or columns < 64:
        return 0
    if a.shape[1] <= FLAT:
        return 0
    # The gradient of large weights: long pieces of rows are read and written, as in `tiling`.
    large = a.shape[0] * columns * size > target.cache
    if a.strides[0] == 1 and large and a.shape[0] % 4 == 0:
        return 4
    return panel_height(a.shape[0], columns, a.shape[1], target.lanes(size), target.registers)


def _paneled(planner: Planner, a: View, panel: int) -> View:
    """Return a copy of a left operand in panels of so many rows."""
    (rows, inner), (down, along), size = a.shape, a.strides, a.dtype.itemsize
    count = rows // panel
    target = planner.scratch(AbstractValue((count, inner, panel), a.dtype))
    # Rows that lie side by side: all panels that a cache line goes to, before the next line.
    near = max(64 // (panel * size), 1) if down == 1 else 1
    near = near if count % near == 0 else 1
    shape = (count // near, inner, near, panel)
    steps = (near * panel * down, along, panel * down, down)
    source = View(a.buffer, shape, steps, a.offset)
    steps = (near * inner * panel, panel, inner * panel, 1)
    planner.copy(source, View(target.buffer, shape, steps), 0)
    return target


def _packs(b: View, rows: int, target: Target) -> bool:
    """Tell whether the columns of the right operand are to be copied side by side.

    They have to where a row lies scattered. If they are read often enough, it pays where rows
    are a multiple of 1 KiB apart, as for the left operand, and for large matrices.
    """
    if b.strides[-1] != 1:
        return True
    step = b.strides[-2] * b.dtype.itemsize
    if rows < 32 or b.shape[-2] <= FLAT:
        return False
    large = rows >= 256 and b.nbytes > target.cache
    return large or (step % 1024 == 0 and b.nbytes > 32 * 1024)


def _dot(planner: Planner, out: Var, a: View, b: View, extents: Shape) -> None:
    """Plan a product with one row or column: a sum over elementwise products."""
    *lead, rows, inner, columns = extents
    kind = out.aval.dtype
    if columns == 1:
        matrix = a.broadcast((*lead, rows, inner))
        vector = _swapped(b.broadcast((*lead, inner, 1))).broadcast((*lead, rows, inner))
    else:
        matrix = _swapped(b.broadcast((*lead, inner, columns)))
        vector = a.broadcast((*lead, 1, inner)).broadcast((*lead, columns, inner))
    axis = len(matrix.shape) - 1
    if matrix.strides[-1] != 1 and matrix.strides[-2] == 1:
        matrix, vector, axis = _swapped(matrix), _swapped(vector), axis - 1
    product = Var(AbstractValue(matrix.shape, kind))
    step = Step("multiply", {}, (matrix, vector), (kind, kind), kind, product)
    shape = (*matrix.shape[:axis], *matrix.shape[axis + 1 :])
    total = planner.scratch(AbstractValue(shape, kind))
    unit = Unit(
        matrix.shape,
        steps=[step],
        reduced=(axis,),
        reductions=[Reduction("sum", product, total)],
    )
    planner.memory[out] = whole_view(total.buffer, out.aval.shape), planner.append(unit) + 1


def _swapped(view: View) -> View:
    """Return a view with its last two axes exchanged."""
    shape = (*view.shape[:-2], view.shape[-1], view.shape[-2])
    strides = (*view.strides[:-2], view.strides[-1], view.strides[-2])
    return View(view.buffer, shape, strides, view.offset)
