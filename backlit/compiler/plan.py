"""From a graph to units of work: what is computed together, and what has to be stored.

Units are kept in the order in which they will run. An elementwise operation joins a unit over the
same space that runs late enough for its operands; so chains of operations become one loop nest,
the operations after a product its epilogue, and what nobody else reads is never stored.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import numpy as onp

from backlit.compiler import views
from backlit.compiler.control import plan_control
from backlit.compiler.expand import expand
from backlit.compiler.rewriting import Rewrite
from backlit.compiler.rows import join_rows
from backlit.compiler.scalars import castable, fits, lowering, working_type
from backlit.compiler.simplify import simplify
from backlit.compiler.small import small_product
from backlit.compiler.target import host
from backlit.compiler.text import NATIVE
from backlit.compiler.tiles import FLAT, panel_height
from backlit.compiler.units import (
    AnyUnit,
    Buffer,
    Constant,
    Fallback,
    Operand,
    Plan,
    Product,
    Reduction,
    Step,
    Unit,
    View,
    size_of,
    whole_view,
)
from backlit.compiler.vecmath import FUNCTIONS
from backlit.core.aval import AbstractValue, Shape
from backlit.core.graph import Atom, Equation, Graph, Literal, Var

_REDUCTIONS = frozenset(("sum", "prod", "max", "min", "all", "any"))
_CONTROL = frozenset(("scan", "while_loop", "cond"))
_SPECIAL = frozenset(("where", "astype", "clip", "integer_power"))
# A unit of so many steps takes no more: long functions take LLVM more than linear time. An
# elementary function and a reduction are written in many instructions.
_LONG = 128
_FUNCTION = 16


class Planner:
    """Plans one graph, equation by equation.

    Parameters
    ----------
    graph : Graph
    outer : Planner, optional
        The planner of the program whose loop or choice this is the body of.
    """

    def __init__(self, graph: Graph, outer: Planner | None = None) -> None:
        self.graph = graph
        self.units: list[AnyUnit] = []
        self.constants: list[Any] = [] if outer is None else outer.constants
        self.error: View = (
            whole_view(Buffer("error", 1, onp.dtype("int64")), ()) if outer is None else outer.error
        )
        # Where a value is: in memory from a unit on, or only inside the unit that computes it.
        self.memory: dict[Var, tuple[View, int]] = {}
        self.inside: dict[Var, int] = {}
        # Units that may take further steps, by their space, and how long their functions are.
        self.spaces: dict[Shape, list[int]] = {}
        self.lengths: dict[int, int] = {}
        self.pool: dict[int, tuple[Literal, View]] = {}
        self.inputs: list[Buffer] = []
        for k, var in enumerate(graph.inputs):
            buffer = Buffer("input", var.aval.size, var.aval.dtype, k)
            self.inputs.append(buffer)
            self.memory[var] = whole_view(buffer, var.aval.shape), 0

    def plan(self) -> Plan:
        """Return the program."""
        for equation in self.graph.equations:
            self.equation(equation)
        outputs = [self.output(k, atom) for k, atom in enumerate(self.graph.outputs)]
        units = join_rows(self.units, host(), self.constants)
        return Plan(self.graph, units, self.inputs, outputs, self.constants)

    def equation(self, equation: Equation) -> None:
        """Plan one equation."""
        name = equation.primitive.name
        avals = [var.aval for var in equation.outputs]
        avals += [a.aval for a in equation.inputs]
        if not all(a.dtype in NATIVE for a in avals):
            self.fallback(equation)
        elif name in _REDUCTIONS:
            self.reduction(equation)
        elif name == "matmul":
            self.matmul(equation)
        elif (rule := views.RULES.get(name)) is not None and (
            made := rule(self, equation)
        ) is not None:
            self.memory[equation.outputs[0]] = made
        elif name in _CONTROL and (
            found := plan_control(
                self, equation, lambda graph: Planner(prepare(graph), self).plan()
            )
        ):
            self.memory.update(zip(equation.outputs, found, strict=True))
        elif self.elementwise(equation):
            pass
        else:
            self.fallback(equation)

    # --- operands -----------------------------------------------------------------------------

    def constant(self, literal: Literal) -> View:
        """Return a constant array in memory."""
        found = self.pool.get(id(literal))
        if found is None:
            array = onp.ascontiguousarray(literal.value)
            buffer = Buffer("constant", array.size, array.dtype, len(self.constants))
            self.constants.append(array)
            found = self.pool[id(literal)] = literal, whole_view(buffer, array.shape)
        return found[1]

    def in_memory(self, atom: Atom) -> tuple[View, int]:
        """Return a value's place in memory and the first unit that may read it."""
        if isinstance(atom, Literal):
            return self.constant(atom), 0
        if atom not in self.memory:
            place = self.inside[atom]
            view = self.scratch(atom.aval)
            self.unit(place).stores.append((atom, view))
            self.memory[atom] = view, place + 1
        return self.memory[atom]

    def contiguous(self, atom: Atom) -> View:
        """Return a value's place in memory, its elements one after the other."""
        view, ready = self.in_memory(atom)
        if view.contiguous:
            return view
        target = self.scratch(atom.aval)
        self.copy(view, target, ready)
        return target

    def scratch(self, aval: AbstractValue) -> View:
        """Return new scratch memory for a value."""
        return whole_view(Buffer("scratch", aval.size, aval.dtype), aval.shape)

    # --- elementwise --------------------------------------------------------------------------

    def elementwise(self, equation: Equation) -> bool:
        """Plan an elementwise operation; return False if it has no native form."""
        name, out = equation.primitive.name, equation.outputs[0]
        types = [a.aval.dtype for a in equation.inputs]
        working = None
        if name in _SPECIAL:
            if name == "astype" and not castable(types[0], out.aval.dtype):
                return False
            if name == "integer_power" and not _small_power(equation):
                return False
        elif equation.primitive.family not in ("elementwise", "constant"):
            return False
        else:
            working = working_type(name, equation.inputs, out.aval)
            if lowering(name, working) is None:
                return False
            if any(not castable(t, working) for t in types):  # type: ignore[arg-type]
                return False
        taken = out.aval.dtype if working is None else working
        if name != "astype" and not all(fits(atom, taken) for atom in equation.inputs):
            return False  # NumPy knows the comparison, or raises
        self.step(name, equation.params, equation.inputs, types, working, out)
        return True

    def step(
        self,
        name: str,
        params: dict[str, Any],
        atoms: Sequence[Atom],
        types: Sequence[Any],
        working: Any,
        out: Var,
    ) -> None:
        """Add a step to the unit where it fits best."""
        space = out.aval.shape
        place = self.place(space, atoms)
        unit = self.unit(place)
        operands = [self.operand(a, space, place) for a in atoms]
        unit.steps.append(Step(name, params, operands, types, working, out))
        self.inside[out] = place
        self.grow(place, _FUNCTION if name in FUNCTIONS else 1)

    def grow(self, place: int, steps: int) -> None:
        """Note that a unit has become longer; a long one takes no more."""
        before = self.lengths.get(place, 0)
        self.lengths[place] = before + steps
        if before < _LONG <= before + steps:
            self.spaces[self.unit(place).space].remove(place)

    def operand(self, atom: Atom, space: Shape, place: int) -> Operand:
        """Return an operand as a unit sees it."""
        if isinstance(atom, Literal):
            if atom.aval.shape == ():
                return Constant(atom.value, atom.aval.dtype)
        elif self.inside.get(atom) == place and atom.aval.shape == space:
            return atom
        return self.in_memory(atom)[0].broadcast(space)

    def place(self, space: Shape, atoms: Sequence[Atom], reduced: Any = None) -> int:
        """Return the unit that an operation over a space joins, a new one if need be."""
        earliest = 0
        for atom in atoms:
            if isinstance(atom, Literal):
                continue
            inside = self.inside.get(atom)
            if inside is None:
                ready = self.memory[atom][1]
            else:
                ready = inside if atom.aval.shape == space else inside + 1
            earliest = max(earliest, ready)
        places = self.spaces.setdefault(space, [])
        candidates = range(bisect_left(places, earliest), len(places))
        # What is not stored is used where it is; what is, as late as possible: so weights are
        # updated where their gradient is computed, and what a backward pass derives from an
        # activation is not kept in between.
        if not any(a in self.inside and a not in self.memory for a in atoms):
            candidates = candidates[::-1]
        for k in candidates:
            unit = self.unit(places[k])
            if reduced is None or (unit.product is None and unit.reduced in (None, reduced)):
                return places[k]
        return self.append(Unit(space))

    def unit(self, place: int) -> Unit:
        """Return a unit that steps may join."""
        unit = self.units[place]
        assert isinstance(unit, Unit)
        return unit

    def append(self, unit: AnyUnit) -> int:
        """Add a unit at the end."""
        self.units.append(unit)
        place = len(self.units) - 1
        if isinstance(unit, Unit):
            self.spaces.setdefault(unit.space, []).append(place)
        return place

    # --- the rest -----------------------------------------------------------------------------

    def reduction(self, equation: Equation) -> None:
        """Plan a reduction over axes."""
        (atom,), out = equation.inputs, equation.outputs[0]
        axes, name = tuple(sorted(equation.params["axes"])), equation.primitive.name
        source, target = atom.aval.dtype, out.aval.dtype
        if name in ("all", "any") and source != onp.dtype(bool):
            self.fallback(equation)
            return
        # What float16 adds up or multiplies is rounded to it once, at the end, as in NumPy.
        half = target == onp.float16 and name in ("sum", "prod")
        working = onp.dtype(onp.float32) if half else target
        if source != working:  # NumPy sums booleans and small integers as int64
            converted = Var(AbstractValue(atom.aval.shape, working))
            self.step("astype", {"dtype": working}, (atom,), (source,), None, converted)
            atom = converted
        space = atom.aval.shape
        if isinstance(atom, Literal) or size_of(space) == 0:
            self.fallback(equation)
            return
        view = self.scratch(AbstractValue(out.aval.shape, working))
        ready = self.reduce(name, atom, axes, view)
        if half:
            total = self.named(view, ready)
            self.step("astype", {"dtype": target}, (total,), (working,), None, out)
        else:
            self.memory[out] = view, ready

    def reduce(self, name: str, var: Var, axes: tuple[int, ...], out: View) -> int:
        """Add a reduction to the unit where it fits best; return the first that may read it."""
        space = var.aval.shape
        place = self.place(space, (var,), axes)
        unit = self.unit(place)
        operand = self.operand(var, space, place)
        unit.reduced = axes
        unit.reductions.append(Reduction(name, operand, out))  # type: ignore[arg-type]
        self.grow(place, _FUNCTION)
        return place + 1

    def matmul(self, equation: Equation) -> None:
        """Plan a product of matrices, vectors or stacks of them."""
        left, right = equation.inputs
        out = equation.outputs[0]
        kind = out.aval.dtype
        if kind.kind != "f" or kind.itemsize < 4 or size_of(out.aval.shape) == 0:
            self.fallback(equation)
            return
        if left.aval.shape[-1] == 0 or left.aval.dtype != kind or right.aval.dtype != kind:
            self.fallback(equation)
            return
        if small_product(self, left, right, out):
            return
        (a, ready_a), (b, ready_b) = self.in_memory(left), self.in_memory(right)
        if len(a.shape) == 1:
            a = View(a.buffer, (1, *a.shape), (0, *a.strides), a.offset)
        if len(b.shape) == 1:
            b = View(b.buffer, (*b.shape, 1), (*b.strides, 0), b.offset)
        rows, inner, columns = a.shape[-2], a.shape[-1], b.shape[-1]
        lead = onp.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        if columns == 1 or (rows == 1 and abs(b.strides[-1]) != 1):
            self.dot(out, a, b, (*lead, rows, inner, columns))
            return
        if 1 not in b.strides[-2:]:
            b = self.copied(b)
        a, b = a.broadcast((*lead, rows, inner)), b.broadcast((*lead, inner, columns))
        space = (*lead, rows, columns)
        panel, packs = self.panel(a, columns), self.packs(b, rows)
        if panel:
            a = self.paneled(a, panel)
        result = out if out.aval.shape == space else Var(AbstractValue(space, kind))
        unit = Unit(space, Product(a, b, result, panel, packs))
        place = self.append(unit)
        assert place >= max(ready_a, ready_b)
        self.inside[result] = place
        if result is not out:
            view, ready = self.in_memory(result)
            self.memory[out] = whole_view(view.buffer, out.aval.shape), ready

    def named(self, view: View, ready: int) -> Var:
        """Return a variable for what lies in memory from a unit on."""
        var = Var(AbstractValue(view.shape, view.dtype))
        self.memory[var] = view, ready
        return var

    def panel(self, a: View, columns: int) -> int:
        """Return the height of the panels in which the left operand is to be packed, or 0.

        Elements that are a multiple of 1 KiB apart share few places in the nearest cache, and push
        each other out of it before their neighbours are used.
        """
        size, target = a.dtype.itemsize, host()
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

    def paneled(self, a: View, panel: int) -> View:
        """Return a copy of a left operand in panels of so many rows."""
        (rows, inner), (down, along), size = a.shape, a.strides, a.dtype.itemsize
        count = rows // panel
        target = self.scratch(AbstractValue((count, inner, panel), a.dtype))
        # Rows that lie side by side: all panels that a cache line goes to, before the next line.
        near = max(64 // (panel * size), 1) if down == 1 else 1
        near = near if count % near == 0 else 1
        shape = (count // near, inner, near, panel)
        steps = (near * panel * down, along, panel * down, down)
        source = View(a.buffer, shape, steps, a.offset)
        steps = (near * inner * panel, panel, inner * panel, 1)
        self.copy(source, View(target.buffer, shape, steps), 0)
        return target

    def packs(self, b: View, rows: int) -> bool:
        """Tell whether the columns of the right operand are to be copied side by side.

        They have to where a row lies scattered. If they are read often enough, it pays where rows
        are a multiple of 1 KiB apart, as for the left operand, and for large matrices.
        """
        if b.strides[-1] != 1:
            return True
        step = b.strides[-2] * b.dtype.itemsize
        if rows < 32 or b.shape[-2] <= FLAT:
            return False
        large = rows >= 256 and b.nbytes > host().cache
        return large or (step % 1024 == 0 and b.nbytes > 32 * 1024)

    def copied(self, view: View) -> View:
        """Return a copy of a view with its elements one after the other."""
        target = self.scratch(AbstractValue(view.shape, view.dtype))
        self.copy(view, target, 0)
        return target

    def dot(self, out: Var, a: View, b: View, extents: Shape) -> None:
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
        total = self.scratch(AbstractValue(shape, kind))
        unit = Unit(
            matrix.shape,
            steps=[step],
            reduced=(axis,),
            reductions=[Reduction("sum", product, total)],
        )
        self.memory[out] = whole_view(total.buffer, out.aval.shape), self.append(unit) + 1

    def fallback(self, equation: Equation) -> None:
        """Leave an equation to the reference evaluator."""
        operands: list[View | Constant] = []
        for atom in equation.inputs:
            if isinstance(atom, Literal):
                operands.append(Constant(atom.value, atom.aval.dtype))
            else:
                operands.append(self.in_memory(atom)[0])
        outs = [self.scratch(var.aval) for var in equation.outputs]
        place = self.append(Fallback(equation, operands, outs))
        for var, view in zip(equation.outputs, outs, strict=True):
            self.memory[var] = view, place + 1

    def copy(self, source: Operand, target: View, ready: int) -> int:
        """Write a view's elements into another; return the first unit that may read them."""
        return self.append(Unit(target.shape, stores=[(source, target)])) + 1

    def output(self, index: int, atom: Atom) -> View:
        """Give an output a buffer of its own and see that its value gets there."""
        aval = atom.aval
        buffer = Buffer("output", aval.size, aval.dtype, index)
        target = whole_view(buffer, aval.shape)
        if isinstance(atom, Literal):
            source: Operand = (
                Constant(atom.value, aval.dtype) if aval.shape == () else self.constant(atom)
            )
            self.copy(source, target, 0)
            return target
        if atom in self.inside and atom not in self.memory:
            self.unit(self.inside[atom]).stores.append((atom, target))
            self.memory[atom] = target, self.inside[atom] + 1
            return target
        view, ready = self.in_memory(atom)
        if view.buffer.kind == "scratch" and view.whole:
            # The memory it lies in becomes the output's.
            view.buffer.kind, view.buffer.index = "output", index
            return view
        self.copy(view, target, ready)
        return target


def _swapped(view: View) -> View:
    """Return a view with its last two axes exchanged."""
    shape = (*view.shape[:-2], view.shape[-1], view.shape[-2])
    strides = (*view.strides[:-2], view.strides[-1], view.strides[-2])
    return View(view.buffer, shape, strides, view.offset)


def _small_power(equation: Equation) -> bool:
    return equation.outputs[0].aval.dtype.kind == "f" and 0 <= equation.params["n"] <= 8


def plan(graph: Graph) -> Plan:
    """Plan a graph.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    Plan
    """
    return Planner(prepare(graph)).plan()


def passes(graph: Graph) -> list[tuple[str, Graph, list[Rewrite]]]:
    """Return a graph after each of the rewriting passes, with what each of them did."""
    if any(equation.primitive.name == "call" for equation in graph.equations):
        graph = expand(graph, composites=False)
    first, rewrites = simplify(graph)
    expanded = expand(first)
    last, more = simplify(expanded, composites=False)
    return [
        ("simplified", first, rewrites),
        ("composite operations written out", expanded, []),
        ("simplified again", last, more),
    ]


def prepare(graph: Graph) -> Graph:
    """Return a graph rewritten for planning."""
    return passes(graph)[-1][1]
