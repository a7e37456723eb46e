"""Graphs made from graphs: bodies traced by shape, and their forward and reverse derivatives."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as onp

from backlit.core import tree
from backlit.core.aval import AbstractValue, aval_of
from backlit.core.errors import BacklitError
from backlit.core.evaluate import evaluate
from backlit.core.graph import Graph, as_operand
from backlit.core.tracer import Tracer
from backlit.core.tracing import function_name, trace_flat
from backlit.ops.elementwise import astype
from backlit.ops.families import fit, fit_tangent
from backlit.ops.sweep import Recorded, push_forward


def kept_on_graph(make: Callable[..., Graph]) -> Callable[..., Graph]:
    """Remember what is derived from a graph on the graph itself, so that both go together."""

    @functools.wraps(make)
    def kept(graph: Graph, *options: Any) -> Graph:
        label = (make.__name__, options)
        if label not in graph.derived:
            graph.derived[label] = make(graph, *options)
        found: Graph = graph.derived[label]
        return found

    return kept


def floats(avals: Sequence[AbstractValue]) -> list[int]:
    """Return the places of values that have a derivative."""
    return [k for k, aval in enumerate(avals) if aval.dtype.kind in "fc"]


def zeros_of(aval: AbstractValue) -> Any:
    """Return plain zeros of a type."""
    return onp.zeros(aval.shape, aval.dtype)


@kept_on_graph
def forward_graph(graph: Graph) -> Graph:
    """Return the graph that maps (inputs, tangents of float inputs) to (outputs, tangents).

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    Graph
        Its outputs are those of `graph` and then the tangents of the float ones.
    """
    ins = [var.aval for var in graph.inputs]
    outs = [atom.aval for atom in graph.outputs]
    moving = floats(ins)

    def run(*args: Any) -> list[Any]:
        values = args[: len(ins)]
        tangents: list[list[Any]] = [[None] for _ in ins]
        for k, tangent in zip(moving, args[len(ins) :], strict=True):
            tangents[k] = [tangent]
        trace, results = push_forward(lambda *a: evaluate(graph, a), values, tangents)
        primal, dots = [], []
        for aval, out in zip(outs, results, strict=True):
            primal.append(trace.outside(out))
            if aval.dtype.kind in "fc":
                tangent = out.tangents[0] if trace.owns(out) else None
                dots.append(zeros_of(aval) if tangent is None else tangent)
        return primal + dots

    avals = ins + [strong_aval(ins[k]) for k in moving]
    return closed_graph(run, avals, f"jvp_{graph.name}")


@kept_on_graph
def reverse_graph(graph: Graph) -> Graph:
    """Return the graph that maps (inputs, cotangents of float outputs) to input cotangents.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    Graph
        One output per float input of `graph`, of its shape and type.
    """
    ins = [var.aval for var in graph.inputs]
    outs = [atom.aval for atom in graph.outputs]
    carrying = floats(outs)

    def run(*args: Any) -> list[Any]:
        values, cotangents = args[: len(ins)], args[len(ins) :]
        recorded = Recorded(lambda *a: evaluate(graph, a), values)
        seeds = []
        for k, g in zip(carrying, cotangents, strict=True):
            out = recorded.out[k]
            if recorded.tape.owns(out):
                seeds.append((out.id, g))
        back = recorded.sweep(seeds)
        return [
            zeros_of(ins[k]) if back[k] is None else fit(back[k], values[k]) for k in floats(ins)
        ]

    avals = ins + [strong_aval(outs[k]) for k in carrying]
    return closed_graph(run, avals, f"vjp_{graph.name}")


def closed_graph(run: Callable[..., Any], avals: Sequence[AbstractValue], label: str) -> Graph:
    """Trace a function of flat arrays by shape, of what graphs take and hand out.

    Parameters
    ----------
    run : callable
        Takes and returns flat arrays.
    avals : sequence of AbstractValue
    label : str
        Name of the graph.

    Returns
    -------
    Graph
    """
    graph, captured = trace_flat(run, avals, [None] * len(avals), label, abstract=True)
    if captured:  # pragma: no cover - a graph is closed by construction
        raise BacklitError("a derivative graph captured a traced value")
    return graph.pruned()


def trace_body(
    f: Callable[..., Any], operands: Sequence[Any], label: str
) -> tuple[Graph, list[Tracer], tree.TreeDef]:
    """Trace a user's function of trees by shape.

    Parameters
    ----------
    f : callable
    operands : sequence of tree
        Of arrays or abstract values.
    label : str
        Name of the graph.

    Returns
    -------
    graph : Graph
    captured : list of Tracer
        What f uses from outside, the graph's inputs after the operands' leaves.
    treedef : TreeDef
        Shape of f's result.
    """
    leaves, treedef = tree.flatten(tuple(operands))
    shapes: list[tree.TreeDef] = []

    def flat(*args: Any) -> list[Any]:
        out, out_def = tree.flatten(f(*tree.unflatten(treedef, args)))
        shapes.append(out_def)
        return [as_operand(a) for a in out]

    avals = [a if isinstance(a, AbstractValue) else aval_of(a) for a in leaves]
    graph, captured = trace_flat(flat, avals, [None] * len(avals), label, abstract=True)
    return graph, captured, shapes[0]


def describe(avals: Sequence[AbstractValue]) -> str:
    """Return types as words for a message."""
    return ", ".join(str(a) for a in avals) or "nothing"


def out_avals(graph: Graph) -> list[AbstractValue]:
    """Return the types of a graph's results."""
    return [AbstractValue(a.aval.shape, a.aval.dtype) for a in graph.outputs]


def spread(dots: Sequence[Any], outs: Sequence[Any]) -> tuple[Any, ...]:
    """Give each float output its tangent and the others None."""
    rest = iter(dots)
    return tuple([next(rest) if aval_of(o).dtype.kind in "fc" else None for o in outs])


def instantiate(cotangents: Sequence[Any], outs: Sequence[Any]) -> list[Any]:
    """Return cotangents of the float outputs, zeros where nothing arrived."""
    avals = [aval_of(o) for o in outs]
    return [
        zeros_of(avals[k]) if cotangents[k] is None else fit_tangent(cotangents[k], outs[k])
        for k in floats(avals)
    ]


def graph_flops(graph: Graph) -> int:
    """Count the floating-point operations of a graph, its branches and bodies included."""
    total = 0
    for e in graph.equations:
        out = e.outputs[0].aval if e.outputs else None
        total += e.primitive.flops(out, [a.aval for a in e.inputs], e.params)  # type: ignore[arg-type]
    return total


def strong_aval(value: Any) -> AbstractValue:
    """Return the type of a value, or a type itself, a Python number's being no longer weak."""
    aval = aval_of(value)
    return AbstractValue(aval.shape, aval.dtype)


def settle(f: Any, carry: list[Any], carry_def: tree.TreeDef, slices: Any) -> list[Any]:
    """Let Python numbers in the first carry take the type that the body gives them.

    Parameters
    ----------
    f : callable
        The body, ``f(carry, slices) -> (carry, results)``.
    carry : list of array_like
    carry_def : TreeDef
    slices : tree of AbstractValue
        What one step gets of the arrays that are walked along.

    Returns
    -------
    list of array
    """
    weak = [aval_of(a).weak for a in carry]
    carry = [a if type(a) is Tracer else onp.asarray(a)[()] for a in carry]
    if True not in weak:
        return carry
    avals = [
        AbstractValue(aval_of(a).shape, aval_of(a).dtype, w)
        for a, w in zip(carry, weak, strict=True)
    ]
    body, _, _ = trace_body(f, (tree.unflatten(carry_def, avals), slices), function_name(f))
    outs = out_avals(body)
    return [
        astype(a, out.dtype) if w and out.dtype.kind in "fciub" else a
        for a, w, out in zip(carry, weak, outs, strict=False)
    ] + carry[len(outs) :]
