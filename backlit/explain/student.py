"""What `check_backward` asks of a student's own functions besides what they return."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from backlit.core.errors import DifferentiationError
from backlit.core.graph import Graph
from backlit.core.tracing import function_name
from backlit.transforms import trace


def loss_graph(forward: Callable[..., Any], args: Sequence[Any]) -> Graph:
    """Trace a forward pass, of which the loss is the only or the first result.

    Parameters
    ----------
    forward : callable
    args : sequence

    Returns
    -------
    Graph

    Raises
    ------
    DifferentiationError
        If that is not one real number.
    """
    graph = trace(forward)(*args)
    loss = graph.outputs[0] if graph.outputs else None
    if loss is None or loss.aval.size != 1 or loss.aval.dtype.kind != "f":
        raise DifferentiationError(
            f"{function_name(forward)} has to return the loss, one real number, or a tuple that "
            "begins with it"
        )
    return Graph(graph.inputs, graph.equations, (loss,), graph.guards, graph.name).pruned()


def short_names(paths: Sequence[str]) -> list[str]:
    """Return the last part of every path, where that is a name and only one has it.

    Parameters
    ----------
    paths : sequence of str

    Returns
    -------
    list of str

    Examples
    --------
    >>> short_names(["model.W", "model.b", "other.b"])
    ['W', 'model.b', 'other.b']
    """
    lasts = [path.rpartition(".")[2] for path in paths]
    count = Counter(lasts)
    return [
        last if count[last] == 1 and last.isidentifier() else path
        for path, last in zip(paths, lasts, strict=True)
    ]
