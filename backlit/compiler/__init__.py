"""The compiler: graphs to machine code, through LLVM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakValueDictionary

from backlit.compiler import cache, team
from backlit.compiler.bound import Bound
from backlit.compiler.division import is_divided
from backlit.compiler.inspection import inspect
from backlit.compiler.memory import place, written_over
from backlit.compiler.plan import plan
from backlit.compiler.program import parts_of, write
from backlit.compiler.runtime import Executable, Library, object_code, room
from backlit.compiler.target import host
from backlit.core.collection import collection_put_off
from backlit.core.graph import Graph
from backlit.core.threads import num_threads

__all__ = ["bind", "compile_graph", "inspect", "room", "run"]

# Machine code that is loaded, as long as something runs it.
_libraries: WeakValueDictionary[str, Library] = WeakValueDictionary()


def compile_graph(graph: Graph, donated: Sequence[int] = (), kept: bool = True) -> Executable:
    """Return a graph as machine code for this processor.

    Parameters
    ----------
    graph : Graph
    donated : sequence of int
        Inputs whose memory results may take.
    kept : bool
        Whether machine code is looked for on disk, and kept there.

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
    num_threads()  # raises if the environment holds no such number, whether it matters here or not
    planned = plan(graph)
    place(planned, written_over(graph, donated))
    target = host()
    key = cache.key_of(graph, target, donated)
    parts = parts_of(planned)
    library = _libraries.get(key)
    if library is None:
        names = [part for part in parts if isinstance(part, str)]
        if any(is_divided(unit, target) for unit in planned.units):
            names += team.NAMES
        code = cache.load(key) if kept else None
        if code is None:
            code = object_code(write(planned, target), target) if names else b""
            if kept:
                cache.store(key, code)
        library = _libraries[key] = Library(code, names, target)
    return Executable(planned, parts, library, target)


def run(graph: Graph, args: Sequence[Any], donated: Sequence[int] = ()) -> list[Any]:
    """Run a graph compiled, compiling it the first time.

    Parameters
    ----------
    graph : Graph
    args : sequence of array_like
        One per input.
    donated : sequence of int
        Inputs that may be written over: always the same ones of this graph, or none.

    Returns
    -------
    list of ndarray or scalar
    """
    return _executable(graph, donated)(args)


def bind(graph: Graph, args: Sequence[Any]) -> Bound:
    """Return a graph compiled and tied to its arguments' memory, compiling it the first time.

    Parameters
    ----------
    graph : Graph
        Results are written over its donated inputs, if it has any.
    args : sequence of array_like
        One per input.

    Returns
    -------
    Bound
    """
    return Bound(_executable(graph, graph.derived.get("donated", ())), args)


def _executable(graph: Graph, donated: Sequence[int]) -> Executable:
    kind = "donating executable" if donated else "executable"
    executable: Executable | None = graph.derived.get(kind)
    if executable is None:
        with collection_put_off():
            executable = compile_graph(graph, donated)
        graph.derived[kind] = executable
    return executable
