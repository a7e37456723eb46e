"""What the compiler makes of a graph, to be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backlit.compiler.division import touched
from backlit.compiler.memory import SMALL, minimum, place, written_over
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


@dataclass(frozen=True, repr=False)
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
        Bytes that the units read and write, loops' bodies counted as often.
    results : int
        Bytes of new memory for results: what is written over donated arguments needs none.
    donated : int or None
        Bytes of the results that are written over donated arguments, if there are any such. At a
        call, an argument that does not begin at a cache line, may not be written, or shares memory
        with another one is copied, and the copy is written over: new memory, but for one call only
        where the result is donated again.
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
    donated: int | None
    scratch: int
    minimum: int
    packing: int
    evaluated: list[str]

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        name, count = self.stages[0][1].name, len(self.units)
        units = f"{count} unit{'' if count == 1 else 's'}"
        return f"<inspection of {name}: {units}; print it to see them>"

    def to_text(self, full: bool = False) -> str:
        """Return the inspection as text.

        Parameters
        ----------
        full : bool
            Add the graph after every pass, LLVM's assembly language and the processor's.

        Returns
        -------
        str

        Examples
        --------
        >>> import backlit as bl
        >>> print(bl.jit(lambda x: x * 2.0).inspect(0.5).to_text())  # doctest: +ELLIPSIS
        == traced
        graph <lambda>(x: float64~[]) {
          t1: float64~[] = multiply x 2.0...
          return t1
        }
        <BLANKLINE>
        == rewritten
        nothing: it stays as it was
        <BLANKLINE>
        == units
        nest []: multiply
        <BLANKLINE>
        == predicted
        operations   1
        bytes moved  16
        memory       8 bytes for results; 0 in between, of which liveness needs 0; 0 a thread ...
        evaluated    nothing: all of it is native
        code         ... lines of LLVM, ... of assembly: .ir, .assembly, or .to_text(full=True)
        """
        return "\n\n".join(f"== {title}\n{text}" for title, text in self._sections(full))

    def _donation(self) -> Iterator[str]:
        if self.donated:
            yield (
                f"donated      {self.donated:,} bytes of results lie where arguments were; an "
                "argument that does not begin at a cache line is copied first"
            )
        elif self.donated is not None:
            yield (
                f"donated      nothing is written over: results of {SMALL:,} bytes or more are, "
                "where the argument is not read any more"
            )

    def _sections(self, full: bool) -> Iterator[tuple[str, str]]:
        yield self.stages[0][0], str(self.stages[0][1])
        if full:
            for name, graph, rewrites in self.stages[1:]:
                yield name, "\n".join([*_counted(rewrites), str(graph)])
        else:
            yield "rewritten", "\n".join(self._rewritten())
        yield "units", "\n".join(self.units) or "none"
        lines = [
            f"operations   {self.flops:,}",
            f"bytes moved  {self.nbytes:,}",
            f"memory       {self.results:,} bytes for results; {self.scratch:,} in between, of "
            f"which liveness needs {self.minimum:,}; {self.packing:,} a thread for packing",
            *self._donation(),
            f"evaluated    {', '.join(self.evaluated) or 'nothing: all of it is native'}",
        ]
        if not full:
            lines.append(
                f"code         {_lines_of(self.ir)} lines of LLVM, {_lines_of(self.assembly)} of "
                "assembly: .ir, .assembly, or .to_text(full=True)"
            )
        yield "predicted", "\n".join(lines)
        if full:
            yield "LLVM", self.ir
            yield "assembly", self.assembly

    def _rewritten(self) -> Iterator[str]:
        """Yield what the passes did together, and the graph that is compiled."""
        before, after = str(self.stages[0][1]), str(self.stages[-1][1])
        yield from _counted([r for _, _, rewrites in self.stages for r in rewrites])
        yield after if after != before else "nothing: it stays as it was"


def _counted(rewrites: Sequence[Rewrite]) -> list[str]:
    """Return a line per rule and line of the program, with how often it was applied there."""
    found = Counter(f"{r.rule}   (at {r.equation.source})" for r in rewrites)
    return [line if n == 1 else f"{line} {n} times" for line, n in found.items()]


def _lines_of(text: str) -> str:
    return f"{text.count(chr(10)) + 1:,}"


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
    donated = graph.derived.get("donated", ())
    place(planned, written_over(graph, donated))
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
        donated=sum(v.nbytes for v in planned.outputs if v.buffer.host is not None)
        if donated
        else None,
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
        once = sum(_traffic(u) for body in unit.bodies for u in body.units)
        return once * int(unit.params.get("length", 1))
    views = dict.fromkeys([*unit.reads(), *unit.writes()])
    return (
        sum(touched(view) for view in views)
        if isinstance(unit, Unit)
        else sum(view.nbytes for view in views)
    )
