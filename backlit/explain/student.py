"""What `check_backward` asks of a student's own functions besides what they return."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import CodeType, TracebackType
from typing import Any

from backlit.core.errors import BacklitError, DifferentiationError, InputError
from backlit.core.graph import Graph
from backlit.core.source import Source
from backlit.core.tracing import function_name
from backlit.transforms import trace


@contextmanager
def located(f: Callable[..., Any]) -> Iterator[None]:
    """Say of an error in a student's function in which of its lines it was raised.

    Parameters
    ----------
    f : callable

    Raises
    ------
    InputError
        With the error as its cause. Errors of this library have their line already, and one that
        none of the lines of the file was reached by, as of a missing argument, is passed on.
    """
    try:
        yield
    except BacklitError:
        raise
    except (Exception, SystemExit) as error:
        code = getattr(inspect.unwrap(f), "__code__", None)
        where = _reached(error.__traceback__, code)
        if where is None:
            raise
        raise InputError(
            f"{function_name(f)} stopped with {type(error).__name__}: {error}", where=where
        ) from error


def _reached(traceback: TracebackType | None, code: CodeType | None) -> Source | None:
    """Return the innermost line of a function, or of what its file has it call."""
    found, inside = None, False
    while traceback is not None:
        here = traceback.tb_frame.f_code
        inside = inside or here is code
        if inside and code is not None and here.co_filename == code.co_filename:
            found = Source.at(here, traceback.tb_lasti)
        traceback = traceback.tb_next
    return found


def in_a_loop(f: Callable[..., Any], line: int) -> bool:
    """Whether a line stands in a loop of a function whose source can be read."""
    try:
        lines, start = inspect.getsourcelines(inspect.unwrap(f))
        found = ast.walk(ast.parse(textwrap.dedent("".join(lines))))
    except (OSError, TypeError, SyntaxError):
        return False
    loops = [one for one in found if isinstance(one, (ast.For, ast.While))]
    place = line - max(start, 1) + 1
    return any(one.lineno <= place <= (one.end_lineno or 0) for one in loops)


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
