"""The reference evaluator: runs a graph with NumPy, or through the tracers it is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as onp

from backlit.core.aval import aval_of
from backlit.core.errors import BacklitError, GraphError, IndexRangeError
from backlit.core.graph import Equation, Graph, Literal, Var
from backlit.core.tracer import Tracer, bind, innermost_value

INDEX_FIX = "count from 0 to n - 1 along an axis of length n, or from -1 back; see x.shape"


def evaluate(graph: Graph, args: Sequence[Any]) -> tuple[Any, ...]:
    """Run a graph.

    Parameters
    ----------
    graph : Graph
    args : sequence
        One array or tracer per input; tracers make the run differentiable.

    Returns
    -------
    tuple
        One value per output.

    Raises
    ------
    GraphError
        If the number of arguments differs from the number of inputs.
    IndexRangeError
        If an index is out of bounds.

    Examples
    --------
    >>> import backlit as bl
    >>> graph = bl.trace(lambda x, y: x * y + 1.0)(2.0, 3.0)
    >>> evaluate(graph, (4.0, 5.0))
    (np.float64(21.0),)
    """
    if len(args) != len(graph.inputs):
        raise GraphError(f"{graph.name} takes {len(graph.inputs)} arrays, got {len(args)}")
    steps, template, outputs = _plan(graph)
    cells = template.copy()
    cells[: len(args)] = args
    traced = any(type(a) is Tracer for a in args) or any(type(c) is Tracer for c in template)
    operands: list[Any] = []
    step: Any = None
    try:
        for step in steps:
            primitive, inputs, params, first, dead = step
            operands = [cells[i] for i in inputs]
            if traced:
                result = bind(primitive, *operands, **params)
            else:
                result = primitive.impl(*operands, **params)
            if primitive.multi:
                cells[first : first + len(result)] = result
            else:
                cells[first] = result
            for i in dead:
                cells[i] = None
    except IndexError as error:
        place = next(k for k, other in enumerate(steps) if other is step)
        raise wrong_index(graph.equations[place], operands, error) from None
    # A constant result is copied: the caller may change what it is given.
    return tuple([cells[i] if template[i] is None else onp.array(cells[i])[()] for i in outputs])


def wrong_index(equation: Equation, operands: Sequence[Any], error: IndexError) -> IndexError:
    """Return NumPy's complaint about an index with the user's line and what to do about it.

    Parameters
    ----------
    equation : Equation
        What was computed.
    operands : sequence of array
    error : IndexError
        One that says so already is returned as it is.

    Returns
    -------
    IndexError
    """
    if isinstance(error, BacklitError):
        return error
    origin, name = equation.provenance, equation.primitive.name
    if origin is not None:  # nobody wrote scatter_add
        name = f"the derivative of {origin.primitive}"
    return IndexRangeError(
        f"{name} cannot take {' and '.join([str(aval_of(a)) for a in operands])}: {error}",
        where=equation.source,
        fix=INDEX_FIX,
    )


def evaluate_checked(graph: Graph, args: Sequence[Any]) -> tuple[Any, ...]:
    """Run a graph after checking that it holds for these arguments.

    Parameters
    ----------
    graph : Graph
    args : sequence
        One array or tracer per input.

    Returns
    -------
    tuple
        One value per output.

    Raises
    ------
    GraphError
        If an array has another shape than the graph was traced for, or a branch that was taken
        on a value while tracing would not be taken here.

    Examples
    --------
    >>> import backlit as bl
    >>> graph = bl.trace(lambda x: x if x > 0.0 else -x)(2.0)
    >>> try:
    ...     evaluate_checked(graph, (-3.0,))
    ... except GraphError as error:
    ...     print(error.what)
    graph <lambda> holds only where its branches are taken as they were, and t1 would be False
    """
    if len(args) != len(graph.inputs):
        return evaluate(graph, args)  # which says so
    for var, a in zip(graph.inputs, args, strict=True):
        if aval_of(a).shape != var.aval.shape:
            raise GraphError(
                f"graph {graph.name} was traced for {var.name or 'an input'} of shape "
                f"{var.aval.shape}, and got {aval_of(a).shape}",
                fix="trace the function again for the new shape",
            )
    if not graph.guards:
        return apart(evaluate(graph, args), args)
    guarded = graph.derived.get("guarded")
    if guarded is None:
        outputs = (*graph.outputs, *[guard.var for guard in graph.guards])
        guarded = Graph(graph.inputs, graph.equations, outputs, (), graph.name)
        graph.derived["guarded"] = guarded
    results = evaluate(guarded, args)
    count = len(graph.outputs)
    for guard, value in zip(graph.guards, results[count:], strict=True):
        found = innermost_value(value)
        if found is not None and not onp.array_equal(found, guard.outcome):
            raise GraphError(
                f"graph {graph.name} holds only where its branches are taken as they were, and "
                f"{graph.names()[guard.var]} would be {found}",
                where=guard.source,
                fix="trace the function again at these arguments",
            )
    return apart(results[:count], args)


def apart(results: Sequence[Any], args: Sequence[Any]) -> tuple[Any, ...]:
    """Return results with arrays that share an argument's memory copied.

    The caller may change a result, and must not change an argument with it.

    Parameters
    ----------
    results, args : sequence of arrays or tracers

    Returns
    -------
    tuple
    """
    given = {id(a) for a in args}
    return tuple(
        [
            r.copy() if type(r) is onp.ndarray and (r.base is not None or id(r) in given) else r
            for r in results
        ]
    )


def values(graph: Graph, args: Sequence[Any]) -> dict[Var, Any]:
    """Run a graph and keep every intermediate value.

    Parameters
    ----------
    graph : Graph
    args : sequence
        One array per input.

    Returns
    -------
    dict
        Value of every variable.
    """
    known: dict[Var, Any] = dict(zip(graph.inputs, args, strict=True))
    for equation in graph.equations:
        operands = [a.value if isinstance(a, Literal) else known[a] for a in equation.inputs]
        result = bind(equation.primitive, *operands, **equation.params)
        results = result if equation.primitive.multi else (result,)
        known.update(zip(equation.outputs, results, strict=True))
    return known


def _plan(graph: Graph) -> tuple[list[Any], list[Any], list[int]]:
    """Number the variables once, note where each is used last, and remember the answer."""
    plan: tuple[list[Any], list[Any], list[int]] | None = graph.derived.get("plan")
    if plan is not None:
        return plan
    place: dict[Var, int] = {var: k for k, var in enumerate(graph.inputs)}
    template: list[Any] = [None] * len(graph.inputs)
    constants: dict[int, int] = {}

    def cell(atom: Var | Literal) -> int:
        if isinstance(atom, Var):
            return place[atom]
        if id(atom) not in constants:
            constants[id(atom)] = len(template)
            template.append(atom.value)
        return constants[id(atom)]

    steps: list[Any] = []
    last: dict[int, int] = {}
    for k, equation in enumerate(graph.equations):
        inputs = tuple([cell(a) for a in equation.inputs])
        first = len(template)
        for var in equation.outputs:
            place[var] = len(template)
            template.append(None)
            last[place[var]] = k
        for atom, i in zip(equation.inputs, inputs, strict=True):
            if isinstance(atom, Var):
                last[i] = k
        steps.append([equation.primitive, inputs, equation.params, first, ()])
    outputs = [cell(a) for a in graph.outputs]
    for i, k in last.items():
        if i not in outputs:
            steps[k][4] = (*steps[k][4], i)
    plan = graph.derived["plan"] = (steps, template, outputs)
    return plan
