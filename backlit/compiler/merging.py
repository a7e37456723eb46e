"""Scans over the same data run once: reverse mode runs a scan's body again to keep its carries."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as onp

from backlit.compiler.rewriting import Rewrite
from backlit.core.graph import Atom, Equation, Graph, Var


def merged(graph: Graph) -> tuple[Graph, list[Rewrite]]:
    """Join scans with the same operands whose bodies are parts of one body.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    graph : Graph
    rewrites : list of Rewrite
        What was joined to an earlier scan.
    """
    if all(e.primitive.name != "scan" for e in graph.equations):
        return graph, []
    graph = graph.pruned()
    partners = _partners(graph)
    names: dict[Atom, Atom] = {}
    equations = []
    for place, e in enumerate(graph.equations):
        e = replace(e, inputs=tuple([names.get(a, a) for a in e.inputs]))
        for other in partners.get(place, ()):
            e = _joined(e, other, names)
        equations.append(e)
    outputs = tuple([names.get(a, a) for a in graph.outputs])
    # What was joined is dropped with it: nothing reads its results.
    used = {a for e in equations for a in e.inputs} | {*outputs}
    equations = [_trimmed(e, used) if e.primitive.name == "scan" else e for e in equations]
    joined = Graph(graph.inputs, tuple(equations), outputs, (), graph.name).pruned()
    rule = "two scans over the same → one"
    return joined, [Rewrite(rule, e) for others in partners.values() for e in others]


def _partners(graph: Graph) -> dict[int, list[Equation]]:
    """Return, by the place of a scan, later ones that compute nothing else."""
    first: dict[Any, int] = {}
    partners: dict[int, list[Equation]] = {}
    for place, e in enumerate(graph.equations):
        if e.primitive.name != "scan":
            continue
        inputs = tuple([a if isinstance(a, Var) else _same(a.value) for a in e.inputs])
        how = [e.params[name] for name in ("carries", "xs", "length", "reverse")]
        body = e.params["body"]
        key = (inputs, *how, body.inputs, body.outputs[: e.params["carries"]])
        start = first.setdefault(key, place)
        if start != place and _within(e, graph.equations[start]):
            partners.setdefault(start, []).append(e)
    return partners


def _trimmed(e: Equation, used: set[Atom]) -> Equation:
    """Return a scan that collects only what is used."""
    carries, body = e.params["carries"], e.params["body"]
    kept = [k for k, var in enumerate(e.outputs) if k < carries or var in used]
    if len(kept) == len(e.outputs):
        return e
    outputs = tuple([body.outputs[k] for k in kept])
    smaller = Graph(body.inputs, body.equations, outputs, body.guards, body.name).pruned()
    params = {**e.params, "body": smaller}
    return replace(e, params=params, outputs=tuple([e.outputs[k] for k in kept]))


def _same(value: Any) -> Any:
    """Return what stands for a constant: its bits if it is one number, else the array itself."""
    if onp.size(value) != 1:
        return id, id(value)
    array = onp.asarray(value)
    return type(value), array.shape, array.dtype.str, array.tobytes()


def _within(later: Equation, earlier: Equation) -> bool:
    """Tell whether everything that a scan's body computes is computed by another's."""
    known = {e.outputs for e in earlier.params["body"].equations}
    return all(e.outputs in known for e in later.params["body"].equations)


def _joined(e: Equation, other: Equation, names: dict[Atom, Atom]) -> Equation:
    """Return a scan that also collects what another one collects, and note its new names."""
    carries, body = e.params["carries"], e.params["body"]
    more = other.params["body"].outputs[carries:]
    outputs = tuple([Var(var.aval, var.name) for var in other.outputs[carries:]])
    names.update(zip(other.outputs, (*e.outputs[:carries], *outputs), strict=True))
    whole = Graph(body.inputs, body.equations, (*body.outputs, *more), body.guards, body.name)
    return replace(e, params={**e.params, "body": whole}, outputs=(*e.outputs, *outputs))
