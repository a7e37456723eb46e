"""A graph as one operation: what a compiled function is inside another transformation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from backlit.core.aval import aval_of
from backlit.core.evaluate import evaluate
from backlit.core.graph import Graph
from backlit.core.primitive import Params
from backlit.core.tracer import bind
from backlit.ops.derived import (
    floats,
    forward_graph,
    graph_flops,
    instantiate,
    reverse_graph,
    spread,
    zeros_of,
)
from backlit.ops.families import custom

Flat = Sequence[Any]
Runner = Callable[[Graph, Sequence[Any]], Sequence[Any]]


def _call_impl(*operands: Any, graph: Graph) -> tuple[Any, ...]:
    run: Runner = graph.derived.get("runner", evaluate)
    return tuple(run(graph, operands))


def _call_abstract(*avals: Any, graph: Graph) -> tuple[Any, ...]:
    return tuple([atom.aval for atom in graph.outputs])


def _bind(graph: Graph, like: Graph, operands: Sequence[Any]) -> Any:
    """Call a derivative of a graph, which runs the way the graph itself does."""
    if "runner" in like.derived:
        graph.derived["runner"] = like.derived["runner"]
    return bind(_call, *operands, graph=graph)


def _call_push(tangents: Flat, outs: Any, args: Flat, params: Params) -> Any:
    graph = params["graph"]
    avals = [aval_of(a) for a in args]
    dots = [zeros_of(avals[k]) if tangents[k] is None else tangents[k] for k in floats(avals)]
    results = _bind(forward_graph(graph), graph, (*args, *dots))
    return spread(results[len(outs) :], outs)


def _call_pull(g: Any, outs: Any, args: Flat, params: Params, needs: Sequence[bool]) -> Any:
    graph = params["graph"]
    back = _bind(reverse_graph(graph), graph, (*args, *instantiate(g, outs)))
    found: list[Any] = [None] * len(args)
    for k, part in zip(floats([aval_of(a) for a in args]), back, strict=True):
        found[k] = part
    return found


_call = custom(
    "call",
    _call_impl,
    _call_abstract,
    _call_push,
    _call_pull,
    latex=r"\operatorname{{call}}",
    multi=True,
    flops=lambda out, avals, params: graph_flops(params["graph"]),
)


def call(graph: Graph, operands: Sequence[Any]) -> tuple[Any, ...]:
    """Run a graph as one operation.

    Parameters
    ----------
    graph : Graph
        Its ``derived["runner"]``, if set, is what runs it and the graphs of its derivatives.
    operands : sequence of array

    Returns
    -------
    tuple
        One value per output.
    """
    return tuple(bind(_call, *operands, graph=graph))
