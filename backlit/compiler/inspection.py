"""What the compiler makes of a graph, to be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backlit.compiler.division import touched
from backlit.compiler.memory import minimum, place, written_over
from backlit.compiler.plan import Planner, passes
from backlit.compiler.products import ProductNest
from backlit.compiler.program import write
from backlit.compiler.rewriting import Rewrite
from backlit.compiler.runtime import assembly
from backlit.compiler.target import Target, host
from backlit.compiler.text import Code, Module
from backlit.compiler.units import (
    AnyUnit,
    Control,
    Fallback,
    Indexed,
    Plan,
    Rows,
    Running,
    Unit,
    View,
)
from backlit.core.graph import Graph
from backlit.ops.derived import graph_flops


@dataclass(frozen=True)
class Inspection:
    """A graph on its way to machine code.

    Attributes
    ----------
    stages : list of (str, Graph, list of Rewrite)
        The graph as it was traced and after each pass, with the rewrites that pass made.
    units : list of str
        What is computed together, in order: one line each, those of loops indented.
    ir : str
        LLVM assembly language.
    assembly : str
        Instructions of the processor.
    flops : int
        Floating-point operations, every elementary function counted as one; a loop's body counts
        as often as it runs, if that is known.
    nbytes : int
        Bytes that the units read and write, loops' bodies counted once.
    results : int
        Bytes of new memory for results: what is written over donated arguments needs none.
    scratch, minimum : int
        Bytes of memory beside arguments and results, and the least that liveness allows.
    packing : int
        Bytes that each thread needs besides, to pack operands of products and for partial sums.
    evaluated : list of str
        Operations without a native form, which the evaluator runs between native parts.

    Examples
    --------
    >>> import backlit as bl
    >>> import backlit.numpy as np
    >>> seen = bl.jit(lambda x: np.log(np.sigmoid(x)) * 1.0).inspect(0.5)
    >>> [rewrite.rule for _, _, rewrites in seen.stages for rewrite in rewrites]
    ['stable: log σ(x) → log_sigmoid(x)', 'x · 1 → x']
    >>> seen.units
    ['nest []: log_sigmoid']
    """

    stages: list[tuple[str, Graph, list[Rewrite]]]
    units: list[str]
    ir: str
    assembly: str
    flops: int
    nbytes: int
    results: int
    scratch: int
    minimum: int
    packing: int
    evaluated: list[str]

    def __str__(self) -> str:
        return "\n\n".join(f"== {title}\n{text}" for title, text in self._sections())

    def _sections(self) -> Iterator[tuple[str, str]]:
        for name, graph, rewrites in self.stages:
            lines = [f"{r.rule}   (at {r.equation.source})" for r in rewrites]
            yield name, "\n".join([*lines, str(graph)])
        yield "units", "\n".join(self.units)
        lines = [
            f"operations   {self.flops:,}",
            f"bytes moved  {self.nbytes:,}",
            f"memory       {self.results:,} bytes for results; {self.scratch:,} in between, of "
            f"which liveness needs {self.minimum:,}; {self.packing:,} a thread for packing",
            f"evaluated    {', '.join(self.evaluated) or 'nothing: all of it is native'}",
        ]
        yield "predicted", "\n".join(lines)
        yield "LLVM", self.ir
        yield "assembly", self.assembly


def inspect(graph: Graph) -> Inspection:
    """Compile a graph and return everything on the way.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    Inspection
    """
    stages: list[tuple[str, Graph, list[Rewrite]]] = [("traced", graph, [])]
    stages += passes(graph)
    planned = Planner(stages[-1][1]).plan()
    place(planned, written_over(graph, graph.derived.get("donated", ())))
    target = host()
    text = write(planned, target)
    units = list(_lines(planned, ""))
    return Inspection(
        stages=stages,
        units=units,
        ir=text,
        assembly=assembly(text, target),
        flops=graph_flops(stages[-1][1]),
        nbytes=sum(_traffic(unit) for unit in planned.units),
        results=sum(view.nbytes for view in planned.outputs if view.buffer.host is None),
        scratch=planned.scratch,
        minimum=minimum(planned),
        packing=_packing(planned, target),
        evaluated=[u.equation.primitive.name for u in planned.units if isinstance(u, Fallback)],
    )


def _lines(planned: Plan, indent: str) -> Iterator[str]:
    for unit in planned.units:
        yield indent + _describe(unit)
        if isinstance(unit, Control):
            for body in unit.bodies:
                yield from _lines(body, indent + "  ")


def _describe(unit: AnyUnit) -> str:
    if isinstance(unit, Fallback):
        return f"evaluator: {unit.equation.primitive.name}"
    if isinstance(unit, Indexed):
        return f"{unit.what} {_shape(unit.other)}"
    if isinstance(unit, Running):
        return f"{unit.name} {_shape(unit.source)}"
    if isinstance(unit, Control):
        return f"{unit.name}:"
    if isinstance(unit, Rows):
        return f"rows of {unit.columns}: {'; '.join(_describe(u) for u in unit.units)}"
    steps = [step.name for step in unit.steps]
    steps += [f"{r.name} over axes {unit.reduced}" for r in unit.reductions]
    space = f"[{','.join(map(str, unit.space))}]"
    if unit.product is None:
        return f"nest {space}: {', '.join(steps) or 'copy'}"
    head = f"product {space} over {unit.product.b.shape[-2]}"
    return f"{head}, then {', '.join(steps)}" if steps else head


def _packing(planned: Plan, target: Target) -> int:
    """Return the bytes that the most demanding product takes on the stack."""
    most = 0
    for unit in planned.units:
        if isinstance(unit, Control):
            most = max([most, *[_packing(body, target) for body in unit.bodies]])
        elif isinstance(unit, Unit) and unit.product is not None:
            pointers = {v.buffer.root: "null" for v in (*unit.reads(), *unit.writes())}
            nest = ProductNest(Code(Module()), target, unit, pointers)
            most = max(most, nest.local_bytes)
    return most


def _shape(view: View) -> str:
    return f"[{','.join(map(str, view.shape))}]"


def _traffic(unit: AnyUnit) -> int:
    """Return the bytes a unit reads and writes, each view once."""
    if isinstance(unit, Control):
        return sum(_traffic(u) for body in unit.bodies for u in body.units)
    views = dict.fromkeys([*unit.reads(), *unit.writes()])
    return (
        sum(touched(view) for view in views)
        if isinstance(unit, Unit)
        else sum(view.nbytes for view in views)
    )
