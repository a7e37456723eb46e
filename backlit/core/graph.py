"""The intermediate representation: a typed, static-single-assignment list of equations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as onp

from backlit.core.aval import AbstractValue, aval_of
from backlit.core.primitive import Params, Primitive
from backlit.core.source import INTERNAL, Source
from backlit.core.tape import Tape, entry
from backlit.core.tracer import Tracer

# How many equations, and elements or names of one kind, a repr still writes out.
_SMALL = 12
_SHOWN = 4


class Var:
    """A value of the graph, defined once.

    Attributes
    ----------
    aval : AbstractValue
    name : str or None
        The argument's name for an input; names of results come from their equation's source.
    """

    __slots__ = ("aval", "name")

    def __init__(self, aval: AbstractValue, name: str | None = None) -> None:
        self.aval = aval
        self.name = name

    def __repr__(self) -> str:
        return f"Var({self.name or '_'}: {self.aval})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Literal:
    """A constant operand.

    Attributes
    ----------
    value : ndarray or Python number
        A Python number stays weak in type promotion.
    """

    value: Any

    def __repr__(self) -> str:
        return f"Literal({_brief(self)})"

    @property
    def aval(self) -> AbstractValue:
        """Shape and element type."""
        return aval_of(self.value)


Atom = Var | Literal


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an equation of a derivative came from.

    Attributes
    ----------
    rule : str
        "vjp" (reverse) or "jvp" (forward).
    equation : int
        Index of the forward equation in the same graph, or -1 if it lies outside.
    slot : int
        Argument of that equation the gradient goes to; -1 when it concerns all of them.
    role : str
        "local" (a local derivative), "product" (upstream × local), "sum" (paths meet).
    primitive : str
        Name of the forward primitive.
    """

    rule: str
    equation: int
    slot: int
    role: str
    primitive: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Equation:
    """``outputs = primitive(*inputs, **params)``.

    Attributes
    ----------
    primitive : Primitive
    inputs : tuple of Var or Literal
    params : dict
        Static parameters: numbers, tuples, names, graphs.
    outputs : tuple of Var
    source : Source or None
        The user's line.
    provenance : Provenance or None
        Set on equations of a derivative.
    """

    primitive: Primitive
    inputs: tuple[Atom, ...]
    params: Params
    outputs: tuple[Var, ...]
    source: Source | None = None
    provenance: Provenance | None = None

    def subgraphs(self) -> Iterator[Graph]:
        """Yield the graphs among its parameters: of a loop, a choice, a compiled function."""
        for value in self.params.values():
            for part in value if isinstance(value, tuple) else (value,):
                if isinstance(part, Graph):
                    yield part

    def __repr__(self) -> str:
        inputs = ", ".join([_brief(a) for a in self.inputs])
        outputs = ", ".join([_brief(var) for var in self.outputs])
        return f"Equation({self.primitive.name}({inputs}) -> {outputs})"


def _brief(atom: Atom) -> str:
    """Return the value of a small constant, the type of anything else."""
    if isinstance(atom, Literal):
        try:
            array = onp.asarray(atom.value)
            return repr(array.tolist()) if array.size <= _SHOWN else str(atom.aval)
        except (TypeError, ValueError):  # a damaged graph still has to print in its error
            return type(atom.value).__name__
    return f"{atom.name}: {atom.aval}" if atom.name else str(atom.aval)


@dataclass(frozen=True, slots=True, eq=False)
class Guard:
    """A branch taken on a value: the graph is valid only where it would be taken again.

    Attributes
    ----------
    var : Var
    outcome : bool, int or ndarray
    source : Source or None
    """

    var: Var
    outcome: Any
    source: Source | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Graph:
    """A program: inputs, equations in order, outputs.

    Attributes
    ----------
    inputs : tuple of Var
    equations : tuple of Equation
    outputs : tuple of Var or Literal
    guards : tuple of Guard
    name : str
    derived : dict
        What others made from this graph and want to find again: its evaluation plan, the graphs
        of its derivatives.

    Examples
    --------
    >>> import backlit as bl, backlit.numpy as np
    >>> print(bl.trace(lambda x: np.sin(x) * 2.0)(1.0))  # doctest: +ELLIPSIS
    graph <lambda>(x: float64~[]) {
      t1: float64[] = sin x ...
      t2: float64[] = multiply t1 2.0 ...
      return t2
    }
    """

    inputs: tuple[Var, ...]
    equations: tuple[Equation, ...]
    outputs: tuple[Atom, ...]
    guards: tuple[Guard, ...] = ()
    name: str = "f"
    derived: dict[Any, Any] = field(init=False, default_factory=dict, repr=False)

    def __call__(self, *args: Any) -> tuple[Any, ...]:
        """Evaluate at other arrays of the same shapes, where the same branches are taken.

        Raises
        ------
        GraphError
            If an array does not have the shape the graph was traced for, or a guard fails.
        """
        from backlit.core.evaluate import evaluate_checked

        return evaluate_checked(self, args)

    @staticmethod
    def from_json(text: str) -> Graph:
        """Return the graph that `to_json` wrote; see `backlit.core.serial`."""
        from backlit.core.serial import loads

        return loads(text)

    def __repr__(self) -> str:
        if len(self.equations) <= _SMALL and not any(self.subgraphs()):
            return str(self)
        inputs = ", ".join([_brief(var) for var in self.inputs[:_SHOWN]])
        more = ", …" if len(self.inputs) > _SHOWN else ""
        outputs = ", ".join([str(a.aval) for a in self.outputs[:_SHOWN]])
        count = len(self.equations)
        return (
            f"<graph {self.name}({inputs}{more}) -> ({outputs}"
            f"{', …' if len(self.outputs) > _SHOWN else ''}): {count} "
            f"equation{'' if count == 1 else 's'}; print it to see them>"
        )

    def __str__(self) -> str:
        from backlit.core.printer import format_graph

        return format_graph(self)

    def to_json(self) -> str:
        """Return the graph as versioned JSON; see `backlit.core.serial`."""
        from backlit.core.serial import dumps

        return dumps(self)

    def names(self) -> dict[Var, str]:
        """Return a unique name per variable, the user's own where there is one."""
        names: dict[Var, str] = {}
        taken: dict[str, int] = {}
        for k, var in enumerate(self.inputs):
            _claim(var, var.name or f"arg{k}", names, taken)
        # A loop assigns a name again and again: Z, Z_2, Z_3.
        count = 0
        for place, equation in enumerate(self.equations):
            for var, target in zip(equation.outputs, self._targets(place), strict=True):
                if target is None:
                    count += 1
                    while f"t{count}" in taken:
                        count += 1
                _claim(var, target or f"t{count}", names, taken)
        return names

    def assigned(self) -> dict[Var, str]:
        """Return the variables that the user assigned to a name, and to which."""
        return {
            var: target
            for place, equation in enumerate(self.equations)
            for var, target in zip(equation.outputs, self._targets(place), strict=True)
            if target is not None
        }

    def _targets(self, place: int) -> Sequence[str | None]:
        """Return what the results of an equation were assigned to, each by itself."""
        equation = self.equations[place]
        count = len(equation.outputs)
        none: list[str | None] = [None] * count
        if equation.source is None or equation.provenance is not None:
            return none
        targets = equation.source.targets()
        if len(targets) == 1:
            # A name belongs to the last equation of the assigned expression that is not a
            # derivative: np.mean is a sum and a division.
            user = self._user_nearby(place)
            inside = user is not None and user.primitive is not equation.primitive
            return none if inside else [*targets, *[f"{targets[0]}.{k}" for k in range(1, count)]]
        if not targets or count == len(targets):
            return targets or none
        # Parts that are taken from one array one after the other: q, k, v = np.split(x, 3).
        first = place
        while first > 0 and _alike(self.equations[first - 1], equation):
            first -= 1
        last = place
        while last + 1 < len(self.equations) and _alike(self.equations[last + 1], equation):
            last += 1
        whole = count == 1 and last + 1 - first == len(targets)
        return [targets[place - first]] if whole else none

    def subgraphs(self) -> Iterator[Graph]:
        """Yield the graphs that equations of control flow carry."""
        for equation in self.equations:
            yield from equation.subgraphs()

    def _user_nearby(self, place: int) -> Equation | None:
        """Return the first of the next equations of the same expression that reads this one."""
        equation = self.equations[place]
        for other in self.equations[place + 1 : place + 1 + _NEARBY]:
            if other.source != equation.source or other.provenance is not None:
                return None
            if not set(equation.outputs).isdisjoint(other.inputs):
                return other
        return None

    def pruned(self) -> Graph:
        """Return the graph without equations that neither outputs nor guards need."""
        needed: set[Var] = {a for a in self.outputs if isinstance(a, Var)}
        needed.update(guard.var for guard in self.guards)
        kept: list[int] = []
        for index in range(len(self.equations) - 1, -1, -1):
            equation = self.equations[index]
            if any(var in needed for var in equation.outputs):
                kept.append(index)
                needed.update(a for a in equation.inputs if isinstance(a, Var))
        kept.reverse()
        moved = {old: new for new, old in enumerate(kept)}
        equations = []
        for index in kept:
            equation = self.equations[index]
            origin = equation.provenance
            if origin is not None and moved.get(origin.equation, -1) != origin.equation:
                origin = replace(origin, equation=moved.get(origin.equation, -1))
                equation = replace(equation, provenance=origin)
            equations.append(equation)
        return Graph(self.inputs, tuple(equations), self.outputs, self.guards, self.name)


# How many operations of one expression are looked through, such as those of np.stack.
_NEARBY = 64


def _alike(one: Equation, other: Equation) -> bool:
    """Tell whether two equations take parts of the same array at the same place of the program."""
    names = one.primitive.name, other.primitive.name
    return names == ("getitem",) * 2 and one.inputs == other.inputs and one.source == other.source


def _claim(var: Var, wish: str, names: dict[Var, str], taken: dict[str, int]) -> None:
    """Give a variable the name it asks for, with a number if it is taken."""
    name = wish
    while name in taken:
        taken[wish] += 1
        name = f"{wish}_{taken[wish]}"
    taken[name] = 1
    names[var] = name


def graph_from_tape(
    tape: Tape,
    records: Sequence[Tracer],
    outputs: Sequence[Any],
    avals: Sequence[AbstractValue],
    input_names: Sequence[str | None],
    name: str,
) -> tuple[Graph, list[Tracer]]:
    """Turn what a tape recorded into a graph.

    Parameters
    ----------
    tape : Tape
    records : sequence of Tracer
        What it recorded; the first ``len(avals)`` entries are the inputs.
    outputs : sequence
        Tracers of the tape, or constants.
    avals : sequence of AbstractValue
        Types of the inputs.
    input_names : sequence of str or None
    name : str

    Returns
    -------
    graph : Graph
        Tracers of outer traces that were met become further inputs.
    captured : list of Tracer
        Those tracers, in the order of the further inputs.
    """
    variables: dict[int, Var] = {}
    for k, (aval, label) in enumerate(zip(avals, input_names, strict=True)):
        variables[k] = Var(aval, label)
    inputs = list(variables.values())
    captured: dict[int, tuple[Tracer, Var]] = {}

    def atom(index: int, value: Any) -> Atom:
        if index >= 0:
            return variables[index]
        if type(value) is not Tracer:
            return Literal(as_operand(value))
        # The same outer tracer may be met many times; identity is what makes it one input.
        if id(value) not in captured:
            captured[id(value)] = (value, Var(value.aval))
        return captured[id(value)][1]

    equations: list[Equation] = []
    place: dict[int, int] = {}
    for start, node in enumerate(records):
        if node.primitive is None:
            continue
        primitive, ids, values, params, _ = entry(node)
        code, origin = tape.code_of(start), tape.origin_of(start)
        width = len(node.j) if primitive.multi else 1
        outs = []
        for k in range(start, start + width):
            variables[k] = var = Var(records[k].aval)
            outs.append(var)
            place[k] = len(equations)
        source, provenance = None, None
        if origin is not None:
            provenance = _provenance(origin, tape, place)
        if provenance is not None and provenance.equation >= 0:
            source = equations[provenance.equation].source
        elif code is not None and not INTERNAL[code.co_filename]:
            source = Source.at(code, node.offset)
        atoms = tuple([atom(i, v) for i, v in zip(ids, values, strict=True)])
        equations.append(Equation(primitive, atoms, params, tuple(outs), source, provenance))

    outs_atoms: list[Atom] = []
    for out in outputs:
        index = out.id if tape.owns(out) else -1
        outs_atoms.append(atom(index, tape.outside(out)))
    guards = tuple(
        Guard(variables[i], outcome, None if code is None else Source.at(code, offset))
        for i, outcome, code, offset in tape.guards
    )
    inputs += [var for _, var in captured.values()]
    graph = Graph(tuple(inputs), tuple(equations), tuple(outs_atoms), guards, name)
    return graph, [tracer for tracer, _ in captured.values()]


def _provenance(origin: Any, tape: Tape, place: dict[int, int]) -> Provenance:
    """Resolve an origin noted by a derivative rule to an equation of this graph."""
    rule, primitive, result, slot, role = origin
    if primitive.multi and isinstance(result, tuple) and result:
        result = result[0]
    while type(result) is Tracer and result.owner is not tape:
        result = result.value
    index = -1
    if type(result) is Tracer and result.id >= 0:
        index = place.get(result.id, -1)
    return Provenance(rule, index, slot, role, primitive.name)


def as_operand(value: Any) -> Any:
    """Return a tracer or number unchanged, anything else as an ndarray."""
    if isinstance(value, (Tracer, onp.ndarray, onp.generic, bool, int, float)):
        return value
    return onp.asarray(value)
