"""A graph together with its derivative, both as equations of one graph.

The engine's own sweep runs over the engine's own record while an outer trace looks on. So the
derivative that is explained is the one that is computed, rule by rule, and every equation of it
says which rule it came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from backlit.core.aval import AbstractValue
from backlit.core.errors import DifferentiationError
from backlit.core.graph import Atom, Equation, Graph, Literal, Var
from backlit.core.tracer import bind
from backlit.core.tracing import trace_flat
from backlit.ops.sweep import Recorded


@dataclass(frozen=True, eq=False)
class Differentiated:
    """A graph that computes every value of another one and a derivative for each.

    Attributes
    ----------
    graph : Graph
        Its inputs are those of the first graph and then one seed per direction or result.
    seeds : tuple of Var
        Cotangent of the result (reverse mode), or tangents of the inputs (forward mode).
    value : dict of Var to Var or Literal
        Where each variable of the first graph is found in this one.
    derivative : dict of Var to Var or Literal
        Cotangents (reverse mode) or tangents (forward mode); what has none is left out.
    """

    graph: Graph
    seeds: tuple[Var, ...]
    value: dict[Var, Atom]
    derivative: dict[Var, Atom]


def inlined(graph: Graph, names: dict[Var, str]) -> tuple[Graph, dict[Var, str]]:
    """Return a graph with compiled functions replaced by what they compute.

    Parameters
    ----------
    graph : Graph
    names : dict of Var to str
        Names of its variables.

    Returns
    -------
    graph : Graph
    names : dict of Var to str
        Names inside a function are those it has in its own graph, of its results the caller's.
    """
    if not any(e.primitive.name == "call" for e in graph.equations):
        return graph, names
    moved: dict[Var, Atom] = {}
    known = dict(names)
    equations = []

    def place(atom: Atom) -> Atom:
        return moved.get(atom, atom) if isinstance(atom, Var) else atom

    for equation in graph.equations:
        operands = tuple([place(atom) for atom in equation.inputs])
        if equation.primitive.name != "call":
            equations.append(replace(equation, inputs=operands))
            continue
        inner: Graph = equation.params["graph"]
        inner, inside = inlined(inner, inner.names())
        assigned = set(inner.assigned())
        moved.update(zip(inner.inputs, operands, strict=True))
        called = dict(zip(inner.outputs, equation.outputs, strict=True))
        for part in inner.equations:
            atoms = tuple([place(atom) for atom in part.inputs])
            # A function that is called twice has two of everything.
            fresh = tuple([Var(var.aval, var.name) for var in part.outputs])
            moved.update(zip(part.outputs, fresh, strict=True))
            mine = {var: inside[var] for var in part.outputs}
            if not called.keys().isdisjoint(part.outputs) and assigned.isdisjoint(part.outputs):
                # A result is called as the caller calls it.
                mine.update({v: names[called[v]] for v in part.outputs if v in called})
                part = replace(part, source=equation.source)
            known.update({new: mine[old] for old, new in zip(part.outputs, fresh, strict=True)})
            equations.append(replace(part, inputs=atoms, outputs=fresh))
        moved.update(zip(equation.outputs, [place(a) for a in inner.outputs], strict=True))
    outputs = tuple([place(atom) for atom in graph.outputs])
    return Graph(graph.inputs, tuple(equations), outputs, graph.guards, graph.name), known


def reverse(graph: Graph, loss: Var) -> Differentiated:
    """Return a graph with the cotangent of every variable.

    Parameters
    ----------
    graph : Graph
        Without `call`; see `inlined`.
    loss : Var
        A real number of the graph; the cotangent of this one is the seed.

    Returns
    -------
    Differentiated
    """

    def sweep(found: dict[Var, Any], recorded: Recorded, seeds: Sequence[Any]) -> list[Any]:
        out = found[loss]
        if not recorded.tape.owns(out):
            return [None] * len(recorded.records)
        return recorded.sweep([(out.id, seeds[0])], everywhere=True)

    seed = AbstractValue(loss.aval.shape, loss.aval.dtype)
    return _differentiated(graph, [seed], sweep)


def forward(graph: Graph, moving: Sequence[Var]) -> Differentiated:
    """Return a graph with the tangent of every variable.

    Parameters
    ----------
    graph : Graph
        Without `call`; see `inlined`.
    moving : sequence of Var
        Inputs that have a tangent: the seeds, in this order.

    Returns
    -------
    Differentiated
    """

    def push(found: dict[Var, Any], recorded: Recorded, seeds: Sequence[Any]) -> list[Any]:
        dots: dict[Var, Any] = dict(zip(moving, seeds, strict=True))
        columns = [[dots.get(var)] for var in graph.inputs if _is_float(var)]
        pushed = recorded.push(columns, recorded.records)
        return [column[0] for column in pushed]

    return _differentiated(graph, [var.aval for var in moving], push)


def _is_float(var: Var) -> bool:
    return var.aval.dtype.kind == "f"


def _differentiated(graph: Graph, seeds: Sequence[AbstractValue], rule: Any) -> Differentiated:
    """Trace a run of a graph and a rule that finds a derivative for each of its records."""
    order: list[list[Var]] = []

    def both(*operands: Any) -> list[Any]:
        given = dict(zip(graph.inputs, operands, strict=False))
        found: dict[Var, Any] = {}

        def run(*floats: Any) -> None:
            found.update(given)
            found.update(zip([v for v in graph.inputs if _is_float(v)], floats, strict=True))
            _evaluate(graph, found)

        recorded = Recorded(run, [given[v] for v in graph.inputs if _is_float(v)])
        tape = recorded.tape
        derivatives = rule(found, recorded, operands[len(graph.inputs) :])
        moved = [v for v in found if tape.owns(found[v]) and derivatives[found[v].id] is not None]
        order.extend((list(found), moved))
        values = [tape.outside(found[var]) for var in found]
        return values + [derivatives[found[var].id] for var in moved]

    avals = [AbstractValue(v.aval.shape, v.aval.dtype, v.aval.weak) for v in graph.inputs]
    labels = [var.name for var in graph.inputs]
    whole, captured = trace_flat(
        both, [*avals, *seeds], [*labels, *[None] * len(seeds)], graph.name, abstract=True
    )
    if captured:
        raise DifferentiationError("an explanation cannot run inside another transformation")
    whole = unguarded(whole)
    known, moved = order
    value = dict(zip(known, whole.outputs, strict=False))
    derivative = dict(zip(moved, whole.outputs[len(known) :], strict=True))
    return Differentiated(whole, whole.inputs[len(graph.inputs) :], value, derivative)


def unguarded(graph: Graph) -> Graph:
    """Return a graph whose derivatives multiply plainly.

    Behind a choice the engine multiplies ``where(bad, 0, f) · where(bad, 0, l)``, where *bad* is
    that one factor is zero and not both are finite (docs/conventions.md, zero times infinity).
    """
    maker = {var: e for e in graph.equations for var in e.outputs}

    def plain(atom: Atom) -> Atom | None:
        choice = maker.get(atom) if isinstance(atom, Var) else None
        if choice is None or choice.primitive.name != "where" or choice.provenance is None:
            return None
        return choice.inputs[2] if _is_guard(choice.inputs[0], maker) else None

    equations = []
    for equation in graph.equations:
        if equation.primitive.name == "multiply":
            inner = [part for part in map(plain, equation.inputs) if part is not None]
            if len(inner) == 2:
                equation = replace(equation, inputs=tuple(inner))
        equations.append(equation)
    return Graph(graph.inputs, tuple(equations), graph.outputs, graph.guards, graph.name)


def _is_guard(atom: Atom, maker: dict[Var, Equation]) -> bool:
    """Tell the condition that one factor is zero and not both are finite."""

    def made(part: Atom, by: str) -> tuple[Atom, ...] | None:
        equation = maker.get(part) if isinstance(part, Var) else None
        return equation.inputs if equation and equation.primitive.name == by else None

    both = made(atom, "logical_and")
    unlike = both and made(both[1], "logical_not")
    finite = unlike and made(unlike[0], "logical_and")
    return bool(
        both and made(both[0], "logical_or") and finite and all(made(f, "isfinite") for f in finite)
    )


def _evaluate(graph: Graph, found: dict[Var, Any]) -> None:
    """Run a graph, adding every result to `found`."""
    for equation in graph.equations:
        operands = [a.value if isinstance(a, Literal) else found[a] for a in equation.inputs]
        result = bind(equation.primitive, *operands, **equation.params)
        results = result if equation.primitive.multi else (result,)
        found.update(zip(equation.outputs, results, strict=True))
