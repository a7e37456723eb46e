"""From expressions back to the engine's operations, so that a derivation can be differentiated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as onp

from backlit.core.graph import Graph
from backlit.core.primitive import registry
from backlit.core.tracer import bind
from backlit.explain.derivation.expression import (
    LEAF,
    NUMBER,
    ONE_HOT,
    OUTER,
    REDUCTIONS,
    Expression,
)
from backlit.explain.equation.tree import Node
from backlit.ops.families import dtype_of, engine


def lowered(expression: Expression, values: Mapping[Node, Any], graphs: Mapping[str, Graph]) -> Any:
    """Compute an expression with the engine.

    Parameters
    ----------
    expression : Expression
        Without primes: g′(x) written out.
    values : mapping of Node to array or tracer
        Of the leaves, by what they are printed as.
    graphs : mapping of str to Graph
        What operators of control flow run, by name.

    Returns
    -------
    array or tracer
    """
    done: dict[Expression, Any] = {}

    def visit(part: Expression) -> Any:
        if part not in done:
            if part.op == LEAF:
                done[part] = values[part.param("node")]
            else:
                args = [visit(a) for a in part.args]
                done[part] = _FORMS.get(part.op, _primitive)(part, args, graphs)
        return done[part]

    return visit(expression)


_ARITHMETIC = frozenset(["add", "subtract", "multiply", "divide", "negative"])


def _primitive(part: Expression, args: Sequence[Any], graphs: Mapping[str, Graph]) -> Any:
    params = {name: _graph(value, graphs) for name, value in part.params}
    result = params.pop("result", None)
    if part.op in REDUCTIONS:
        kept = params.pop("keepdims")
        value = bind(registry[part.op], *args, **params)
        return bind(registry["reshape"], value, shape=part.shape) if kept else value
    if part.op in ("reshape", "broadcast_to"):
        params["shape"] = part.shape
    if part.op in _ARITHMETIC:
        # In formulas a condition counts as 0 or 1; NumPy has no −True.
        args = [_counted(a) for a in args]
    value = bind(registry[part.op], *args, **params)
    return value if result is None else value[result]


def _counted(value: Any) -> Any:
    if dtype_of(value).kind != "b":
        return value
    return engine.astype(value, "float64")


def _graph(value: Any, graphs: Mapping[str, Graph]) -> Any:
    if isinstance(value, str) and value in graphs:
        return graphs[value]
    if (
        isinstance(value, tuple)
        and value
        and all(isinstance(v, str) and v in graphs for v in value)
    ):
        return tuple([graphs[v] for v in value])
    return value


def _number(part: Expression, args: Sequence[Any], graphs: Mapping[str, Graph]) -> Any:
    value = part.param("value")
    if isinstance(value, Fraction) and value.denominator == 1:
        return float(value.numerator)
    return float(value)


def _outer(part: Expression, args: Sequence[Any], graphs: Mapping[str, Graph]) -> Any:
    column = bind(registry["reshape"], args[0], shape=(part.shape[0], 1))
    return bind(registry["multiply"], column, args[1])


def _one_hot(part: Expression, args: Sequence[Any], graphs: Mapping[str, Graph]) -> Any:
    column = bind(registry["reshape"], args[0], shape=(*part.shape[:-1], 1))
    return bind(registry["equal"], column, onp.arange(part.shape[-1]))


_FORMS: dict[str, Callable[[Expression, Sequence[Any], Mapping[str, Graph]], Any]] = {
    NUMBER: _number,
    OUTER: _outer,
    ONE_HOT: _one_hot,
}
