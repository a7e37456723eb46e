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
from backlit.compiler.matmul import plan_matmul
from backlit.compiler.merging import merged
from backlit.compiler.rewriting import Rewrite
from backlit.compiler.rows import join_rows
from backlit.compiler.scalars import castable, fits, lowering, working_type
from backlit.compiler.simplify import simplify
from backlit.compiler.target import Target, host
from backlit.compiler.text import NATIVE
from backlit.compiler.units import (
    AnyUnit,
    Buffer,
    Constant,
    Fallback,
    Operand,
    Plan,
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
        self.target: Target = host() if outer is None else outer.target
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
        units = join_rows(self.units, self.target, self.constants)
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
            if not plan_matmul(self, equation):
                self.fallback(equation)
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

    def named(self, view: View, ready: int) -> Var:
        """Return a variable for what lies in memory from a unit on."""
        var = Var(AbstractValue(view.shape, view.dtype))
        self.memory[var] = view, ready
        return var

    def copied(self, view: View) -> View:
        """Return a copy of a view with its elements one after the other."""
        target = self.scratch(AbstractValue(view.shape, view.dtype))
        self.copy(view, target, 0)
        return target

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


def _small_power(equation: Equation) -> bool:
    return equation.outputs[0].aval.dtype.kind == "f" and 0 <= equation.params["n"] <= 8


def plan(graph: Graph) -> Plan:
    """Return the program that computes a graph."""
    return Planner(prepare(graph)).plan()


def passes(graph: Graph) -> list[tuple[str, Graph, list[Rewrite]]]:
    """Return a graph after each of the rewriting passes, with what each of them did."""
    if any(equation.primitive.name == "call" for equation in graph.equations):
        graph = expand(graph, composites=False)
    graph, merges = merged(graph)
    first, rewrites = simplify(graph)
    expanded = expand(first)
    last, more = simplify(expanded, composites=False)
    return [
        ("simplified", first, [*merges, *rewrites]),
        ("composite operations written out", expanded, []),
        ("simplified again", last, more),
    ]


def prepare(graph: Graph) -> Graph:
    """Return a graph rewritten for planning."""
    return passes(graph)[-1][1]
