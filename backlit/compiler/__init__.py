"""The compiler: graphs to machine code, through LLVM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backlit.compiler.memory import place
from backlit.compiler.plan import plan
from backlit.compiler.program import write
from backlit.compiler.runtime import Executable
from backlit.compiler.target import host
from backlit.core.graph import Graph

__all__ = ["compile_graph", "run"]


def compile_graph(graph: Graph) -> Executable:
    """Return a graph as machine code for this processor.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    Executable

    Examples
    --------
    >>> import numpy
    >>> import backlit as bl
    >>> double = compile_graph(bl.trace(lambda x: x + x)(numpy.arange(3.0)))
    >>> double([numpy.array([1.0, 2.0, 3.0])])
    [array([2., 4., 6.])]
    """
    planned = plan(graph)
    place(planned)
    target = host()
    return Executable(planned, write(planned, target), target)


def run(graph: Graph, args: Sequence[Any]) -> list[Any]:
    """Run a graph compiled, compiling it the first time."""
    executable: Executable | None = graph.derived.get("executable")
    if executable is None:
        executable = graph.derived["executable"] = compile_graph(graph)
    return executable(args)
