"""The backward pass over whole arrays, with what every operation sent to every operand kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as onp

from backlit.core.errors import DifferentiationError
from backlit.core.graph import Equation, Graph, Literal, Var
from backlit.explain.scalars import operand_values
from backlit.ops.families import pull_elementwise


@dataclass(frozen=True, eq=False)
class ArrayEdge:
    """What one operation sends back to one of its operands.

    Attributes
    ----------
    equation : int
        Index in the graph.
    slot : int
    operand, result : Var
        Of several results the first that has a gradient.
    upstream : array
        Gradient of the result.
    contribution : array or None
        What reaches the operand by this edge; None where the operation has no derivative.
    """

    equation: int
    slot: int
    operand: Var
    result: Var
    upstream: Any
    contribution: Any


@dataclass(frozen=True, eq=False)
class Flow:
    """Values and gradients of everything between some inputs and the loss.

    Attributes
    ----------
    graph : Graph
    values : dict
        Value of every variable.
    gradients : dict
        Gradient of every variable that depends on the inputs and that something comes back to.
    edges : tuple of ArrayEdge
        In the order of the backward pass.
    active : frozenset of Var
        What depends on the inputs, differentiably or not.
    """

    graph: Graph
    values: dict[Var, Any]
    gradients: dict[Var, Any]
    edges: tuple[ArrayEdge, ...]
    active: frozenset[Var]


def flow(graph: Graph, values: dict[Var, Any], wrt: Sequence[Var], upstream: Any = None) -> Flow:
    """Run the backward pass from the result to some inputs.

    Parameters
    ----------
    graph : Graph
        With one output, the loss.
    values : dict
        Value of every variable.
    wrt : sequence of Var
        Inputs of the graph.
    upstream : array, optional
        Gradient of the output; ones if left out.

    Returns
    -------
    Flow

    Raises
    ------
    DifferentiationError
        If an operation on the way has no reverse mode.

    Examples
    --------
    >>> import backlit as bl
    >>> from backlit.core.evaluate import values
    >>> graph = bl.trace(lambda x: (x * 3.0) ** 2)(2.0)
    >>> found = flow(graph, values(graph, [2.0]), graph.inputs)
    >>> [float(edge.contribution) for edge in found.edges]
    [12.0, 36.0]
    """
    active = set(wrt)
    for equation in graph.equations:
        if not active.isdisjoint(a for a in equation.inputs if isinstance(a, Var)):
            active.update(equation.outputs)
    loss = graph.outputs[0]
    gradients: dict[Var, Any] = {}
    edges: list[ArrayEdge] = []
    if isinstance(loss, Var) and loss in active:
        ones = onp.ones_like(values[loss])
        gradients[loss] = ones if upstream is None else ones * upstream
    behind: set[Var] = set()
    with onp.errstate(all="ignore"):
        for k in range(len(graph.equations) - 1, -1, -1):
            for edge in _edges(graph.equations[k], k, values, gradients, active, behind):
                edges.append(edge)
                if edge.contribution is None:
                    continue
                before = gradients.get(edge.operand)
                gradients[edge.operand] = (
                    edge.contribution if before is None else before + edge.contribution
                )
    return Flow(graph, values, gradients, tuple(edges), frozenset(active))


def _edges(
    equation: Equation,
    number: int,
    values: dict[Var, Any],
    gradients: dict[Var, Any],
    active: set[Var],
    behind: set[Var],
) -> list[ArrayEdge]:
    """Return what an operation sends back; `behind` grows by what lies behind a choice."""
    reached = [var for var in equation.outputs if var in gradients]
    if not reached:
        return []
    primitive = equation.primitive
    needs = [isinstance(a, Var) and a in active for a in equation.inputs]
    if not any(needs):
        return []
    args = operand_values(equation, values)
    outs = tuple([values[var] for var in equation.outputs])
    out = outs if primitive.multi else outs[0]
    cotangents = [gradients.get(var) for var in equation.outputs]
    masked = not behind.isdisjoint(reached)
    parts: Sequence[Any] = [None] * len(args)
    if primitive.simple:
        parts = pull_elementwise(
            primitive, cotangents[0], out, args, equation.params, needs, masked
        )
    elif primitive.pull is None and primitive.family == "custom":
        raise DifferentiationError(
            f"{primitive.name} has no reverse mode", where=equation.source, fix="use bl.scan"
        )
    elif primitive.pull is not None:
        given: Any = cotangents if primitive.multi else cotangents[0]
        parts = primitive.pull(given, out, args, equation.params, needs)
    found = []
    for slot, (atom, part) in enumerate(zip(equation.inputs, parts, strict=True)):
        if needs[slot] and not isinstance(atom, Literal):
            found.append(ArrayEdge(number, slot, atom, reached[0], gradients[reached[0]], part))
            if masked or primitive.selects:
                behind.add(atom)
    return found
