"""The two-panel picture: forward on the left, backward on the right, for any traced function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as onp

import backlit as bl
from backlit.core.evaluate import values
from backlit.core.graph import Atom, Equation, Graph, Literal, Var


@dataclass(frozen=True)
class Edge:
    """What a gate sends back along one of its inputs: upstream · local."""

    to: str
    local: Any
    sent: Any


@dataclass(frozen=True)
class Node:
    """One value of the graph: how it was made, and what comes back to it."""

    name: str
    operation: str
    value: Any
    gradient: Any
    edges: tuple[Edge, ...]


def two_panels(f: Callable[..., Any], *args: Any) -> list[Node]:
    """Return every value of a scalar function with what flows back to it, in forward order.

    Parameters
    ----------
    f : callable
        Returns one number.
    *args : float or ndarray

    Returns
    -------
    list of Node
        Inputs first. A node's gradient is the sum of what its users send, None if nothing comes.
    """
    graph = bl.trace(f)(*args).pruned()
    names, known = graph.names(), values(graph, args)
    gradient: dict[Var, Any] = {a: 1.0 for a in graph.outputs if isinstance(a, Var)}
    edges: dict[Var, tuple[Edge, ...]] = {}
    for equation in reversed(graph.equations):
        outs = equation.outputs
        if equation.primitive.pull is not None and any(out in gradient for out in outs):
            sent = _send_back(equation, [gradient.get(out) for out in outs], known)
            edges[outs[0]] = tuple([Edge(names[a], local, part) for a, local, part in sent])
            for a, _, part in sent:
                gradient[a] = gradient[a] + part if a in gradient else part
    operations = _operations(graph, names)
    nodes = []
    for var, value in known.items():
        nodes.append(
            Node(names[var], operations[var], value, gradient.get(var), edges.get(var, ()))
        )
        # What is computed after the result only decided a branch.
        if var is graph.outputs[0]:
            break
    return nodes


def _send_back(
    equation: Equation, upstream: list[Any], known: dict[Var, Any]
) -> list[tuple[Var, Any, Any]]:
    """Return operand, local derivative and what is sent, for every operand with a gradient."""
    operands = [a.value if isinstance(a, Literal) else known[a] for a in equation.inputs]
    pull, params = equation.primitive.pull, equation.params
    assert pull is not None
    outs = tuple([known[out] for out in equation.outputs])
    needs = [isinstance(a, Var) for a in equation.inputs]
    multi = equation.primitive.multi
    result = outs if multi else outs[0]
    parts = pull(upstream if multi else upstream[0], result, operands, params, needs)
    sent = []
    for slot, (a, part) in enumerate(zip(equation.inputs, parts, strict=True)):
        if isinstance(a, Var) and part is not None:
            # An operation with several results has no single local derivative to show.
            local = None if multi else _local(equation, slot, operands, result)
            sent.append((a, local, part))
    return sent


def _local(equation: Equation, slot: int, operands: Sequence[Any], out: Any) -> Any:
    """Return the Jacobian of a gate in one operand, shaped result × operand, a row at a time."""
    assert equation.primitive.pull is not None
    needs = [k == slot for k in range(len(operands))]
    rows = []
    for unit in onp.eye(onp.size(out), dtype=onp.result_type(out)):
        cotangent = unit.reshape(onp.shape(out))[()]
        rows.append(equation.primitive.pull(cotangent, out, operands, equation.params, needs)[slot])
    return onp.asarray(rows).reshape(onp.shape(out) + onp.shape(operands[slot]))[()]


def _operations(graph: Graph, names: dict[Var, str]) -> dict[Var, str]:
    """Return how each variable was made, as text."""

    def text(a: Atom) -> str:
        if isinstance(a, Var):
            return names[a]
        return f"{a.value}" if a.aval.size == 1 else f"constant{a.aval.shape}"

    made = dict.fromkeys(graph.inputs, "input")
    for equation in graph.equations:
        call = f"{equation.primitive.name}({', '.join(map(text, equation.inputs))})"
        made.update(dict.fromkeys(equation.outputs, call))
    return made


def draw(nodes: Sequence[Node]) -> str:
    """Return the picture as text; the edges stand below the value they leave."""
    left = [
        f"{n.name} = {_number(n.value)}"
        if n.operation == "input"
        else f"{n.name} = {n.operation} = {_number(n.value)}"
        for n in nodes
    ]
    width = max(len(text) for text in left)
    lines = [f"  {'forward ↓':{width}} │ backward ↑", f"  {'─' * width}─┼─{'─' * 44}"]
    result = nodes[-1].name
    for text, n in zip(left, nodes, strict=True):
        back = "nothing comes back" if n.gradient is None else _number(n.gradient)
        lines.append(f"  {text:{width}} │ ∂{result}/∂{n.name} = {back}")
        for edge in n.edges:
            local = f"∂{n.name}/∂{edge.to}"
            if onp.ndim(edge.local) == 0 and edge.local is not None:
                local += f" = {_number(edge.local)}"
            elif edge.local is not None:
                local += f" {onp.shape(edge.local)}"
            lines.append(f"  {'':{width}} │   × {local} sends {_number(edge.sent)} to {edge.to}")
    return "\n".join(lines)


def _number(value: Any) -> str:
    """Return a number, or the shape and norm of an array."""
    if onp.ndim(value) == 0:
        return f"{float(value):.6g}"
    return f"array{onp.shape(value)}, norm {onp.linalg.norm(value):.4g}"
