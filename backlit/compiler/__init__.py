"""The compiler: graphs to machine code, through LLVM."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from backlit.compiler import cache
from backlit.compiler.memory import place
from backlit.compiler.plan import plan
from backlit.compiler.program import outline, write
from backlit.compiler.runtime import Executable, Library, object_code
from backlit.compiler.target import Target, host
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
    key = cache.key_of(graph, target)
    code = cache.load(key)
    program = write(planned, target) if code is None else outline(planned)
    names = [part for part in program.parts if isinstance(part, str)]
    if code is None:
        code = object_code(program.text, target) if names else b""
        cache.store(key, code)
    return Executable(planned, program, _library(key, code, tuple(names), target))


@functools.lru_cache(maxsize=256)
def _library(key: str, code: bytes, names: tuple[str, ...], target: Target) -> Library:
    """Load machine code once per process."""
    return Library(code, names, target)


def run(graph: Graph, args: Sequence[Any]) -> list[Any]:
    """Run a graph compiled, compiling it the first time."""
    executable: Executable | None = graph.derived.get("executable")
    if executable is None:
        executable = graph.derived["executable"] = compile_graph(graph)
    return executable(args)
