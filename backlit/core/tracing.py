"""Running a function on tracers to obtain its graph."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from backlit.core import tree
from backlit.core.aval import AbstractValue, aval_of
from backlit.core.errors import DifferentiationError
from backlit.core.graph import Graph, graph_from_tape
from backlit.core.operands import check_input
from backlit.core.source import Source
from backlit.core.tape import AbstractTape, tape_for
from backlit.core.tracer import Tracer


def function_name(f: Callable[..., Any]) -> str:
    """Return a name to print for a function."""
    name = getattr(f, "__name__", None)
    return name if isinstance(name, str) else type(f).__name__


def require_function(f: Any, what: str) -> None:
    """Raise unless f can be called: grad(f(3.0)) gives the transformation a number."""
    if not callable(f):
        raise DifferentiationError(
            f"{what} takes a function, got a {type(f).__name__}",
            where=Source.here(),
            fix=f"name the function without calling it: {what}(f), not {what}(f(x))",
        )


def argument_names(f: Callable[..., Any], count: int) -> list[str]:
    """Return the names of the first positional parameters of a function."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names: list[str] = []
    for parameter in parameters:
        if parameter.kind is parameter.VAR_POSITIONAL:
            names += [f"{parameter.name}{k}" for k in range(count - len(names))]
        elif parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            names.append(parameter.name)
    names += [f"arg{k}" for k in range(len(names), count)]
    return names[:count]


def leaf_names(f: Callable[..., Any], args: Sequence[Any]) -> list[str]:
    """Return a dotted name for every leaf of a function's arguments: ``model.layers.0.W``."""
    names: list[str] = []
    for label, arg in zip(argument_names(f, len(args)), args, strict=True):
        names += tree.paths(tree.flatten(arg)[1], label)
    return names


def trace_flat(
    f: Callable[..., Sequence[Any]],
    values: Sequence[Any],
    names: Sequence[str | None],
    label: str,
    abstract: bool,
) -> tuple[Graph, list[Tracer]]:
    """Trace a function of flat arrays that returns flat arrays.

    Parameters
    ----------
    f : callable
    values : sequence
        Arrays, or abstract values if `abstract`.
    names : sequence of str or None
        Names of the inputs.
    label : str
        Name of the graph.
    abstract : bool
        Trace by shape only.

    Returns
    -------
    graph : Graph
    captured : list of Tracer
        Tracers of outer traces, the graph's inputs after the first ``len(values)``.
    """
    for value, name in zip(values, names, strict=True):
        check_input(value.dtype if hasattr(value, "dtype") else aval_of(value).dtype, name or label)
    tape = AbstractTape() if abstract else tape_for(values)
    records = tape.records
    out = tape.run(lambda *inputs: list(f(*inputs)), [tape.input(value) for value in values])
    avals = [v if isinstance(v, AbstractValue) else aval_of(v) for v in values]
    traced = graph_from_tape(tape, records, out, avals, names, label)
    tape.origins.clear()  # rules refer to results, results to the tape
    return traced
