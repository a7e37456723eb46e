"""The compiler: graphs to machine code, through LLVM."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from backlit.compiler import cache
from backlit.compiler.inspection import inspect
from backlit.compiler.memory import place
from backlit.compiler.plan import plan
from backlit.compiler.program import outline, write
from backlit.compiler.runtime import Executable, Library, object_code
from backlit.compiler.target import Target, host
from backlit.core.graph import Graph

__all__ = ["compile_graph", "inspect", "run"]


def compile_graph(graph: Graph, donated: Sequence[int] = ()) -> Executable:
    """Return a graph as machine code for this processor.

    Parameters
    ----------
    graph : Graph
    donated : sequence of int
        Inputs whose memory results may take.

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
    place(planned, _pairs(graph, donated))
    target = host()
    key = cache.key_of(graph, target, donated)
    code = cache.load(key)
    program = write(planned, target) if code is None else outline(planned)
    names = [part for part in program.parts if isinstance(part, str)]
    if code is None:
        code = object_code(program.text, target) if names else b""
        cache.store(key, code)
    return Executable(planned, program, _library(key, code, tuple(names), target))


def _pairs(graph: Graph, donated: Sequence[int]) -> list[tuple[int, int]]:
    """Return which output may take the memory of which donated input: the first of its kind."""
    free = list(donated)
    pairs = []
    for k, atom in enumerate(graph.outputs):
        for i in free:
            given = graph.inputs[i].aval
            if (given.shape, given.dtype) == (atom.aval.shape, atom.aval.dtype):
                pairs.append((k, i))
                free.remove(i)
                break
    return pairs


@functools.lru_cache(maxsize=256)
def _library(key: str, code: bytes, names: tuple[str, ...], target: Target) -> Library:
    """Load machine code once per process."""
    return Library(code, names, target)


def run(graph: Graph, args: Sequence[Any]) -> list[Any]:
    """Run a graph compiled, compiling it the first time."""
    executable: Executable | None = graph.derived.get("executable")
    if executable is None:
        executable = compile_graph(graph, graph.derived.get("donated", ()))
        graph.derived["executable"] = executable
    return executable(args)
