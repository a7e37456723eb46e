"""The reference evaluator: runs a graph with NumPy, or through the tracers it is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as onp

from backlit.core.aval import PYTHON_NUMBERS, aval_of
from backlit.core.errors import BacklitError, GraphError, IndexRangeError
from backlit.core.graph import Equation, Graph, Literal, Var
from backlit.core.tracer import Tracer, bind, innermost_value, strengthened

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
    (21.0,)
    """
    if len(args) != len(graph.inputs):
        raise GraphError(f"{graph.name} takes {len(graph.inputs)} arrays, got {len(args)}")
    steps, template, outputs, numbers = _plan(graph)
    cells = template.copy()
    cells[: len(args)] = args
    for k, dtype in numbers:
        cells[k] = _number(cells[k], dtype)
    traced = any(type(a) is Tracer for a in args) or any(type(c) is Tracer for c in template)
    operands: list[Any] = []
    step: Any = None
    try:
        for step in steps:
            primitive, inputs, params, first, dead, weak = step
            operands = [cells[i] for i in inputs]
            if traced:
                result = bind(primitive, *operands, **params)
                if weak is False:
                    result = strengthened(result)
            else:
                result = primitive.impl(*operands, **params)
                if weak:
                    result = result.item()
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
    return tuple([cells[i] if template[i] is None else _copied(cells[i]) for i in outputs])


def _copied(constant: Any) -> Any:
    return constant if type(constant) in PYTHON_NUMBERS else onp.array(constant)[()]


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
    for k, dtype in _plan(graph)[3]:
        known[graph.inputs[k]] = _number(args[k], dtype)
    for equation in graph.equations:
        operands = [a.value if isinstance(a, Literal) else known[a] for a in equation.inputs]
        result = bind(equation.primitive, *operands, **equation.params)
        if _weakness(equation) is False:
            result = strengthened(result)
        results = result if equation.primitive.multi else (result,)
        known.update(zip(equation.outputs, results, strict=True))
    return known


def _weakness(equation: Equation) -> bool | None:
    """Tell whether a result is a Python number, of an operation that can have such; else None.

    It is none where NumPy's function was asked for by its name: ``np.multiply(2.0, 3.0)``.
    """
    return equation.outputs[0].aval.weak if equation.primitive.python else None


def _number(value: Any, dtype: Any) -> Any:
    """Return a number as weak as the input it is given for, None meaning a Python number."""
    if dtype is None:
        return value.item() if isinstance(value, (onp.ndarray, onp.generic)) else value
    if type(value) in PYTHON_NUMBERS and aval_of(value).dtype.kind == dtype.kind:
        return dtype.type(value)
    return value


_Plan = tuple[list[Any], list[Any], list[int], list[tuple[int, Any]]]


def _plan(graph: Graph) -> _Plan:
    """Number the variables once, note where each is used last, and remember the answer."""
    plan: _Plan | None = graph.derived.get("plan")
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
        weak = _weakness(equation)
        steps.append([equation.primitive, inputs, equation.params, first, (), weak])
    outputs = [cell(a) for a in graph.outputs]
    for i, k in last.items():
        if i not in outputs:
            steps[k][4] = (*steps[k][4], i)
    numbers = [
        (k, None if v.aval.weak else v.aval.dtype)
        for k, v in enumerate(graph.inputs)
        if v.aval.shape == ()
    ]
    plan = graph.derived["plan"] = (steps, template, outputs, numbers)
    return plan
