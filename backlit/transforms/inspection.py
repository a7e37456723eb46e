"""Looking at a function: its graph, and what its derivatives cost in each mode."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as onp

from backlit.core import tree
from backlit.core.aval import aval_of
from backlit.core.errors import TracedValueError
from backlit.core.graph import Graph, as_operand
from backlit.core.source import Source
from backlit.core.tape import is_array
from backlit.core.tracing import function_name, leaf_names, require_function, trace_flat
from backlit.ops.derived import graph_flops
from backlit.transforms.arguments import Argnums, argument_places
from backlit.transforms.forward import jvp
from backlit.transforms.jit import Compiled
from backlit.transforms.reverse import vjp


def trace(f: Callable[..., Any], abstract: bool = False) -> Callable[..., Graph]:
    """Return a function that runs f and returns its graph.

    Parameters
    ----------
    f : callable
        Takes and returns trees of arrays.
    abstract : bool
        Trace by shape only: a branch on data raises instead of becoming a guard.

    Returns
    -------
    callable
        Same arguments as f. The graph's inputs are the leaves of the arguments in order, its
        outputs the leaves of the result; it prints, evaluates and serialises.

    Examples
    --------
    >>> graph = trace(lambda x, y: x * y + 1.0)(2.0, 3.0)
    >>> [equation.primitive.name for equation in graph.equations]
    ['multiply', 'add']
    """
    require_function(f, "trace")

    @functools.wraps(f)
    def traced(*args: Any, **kwargs: Any) -> Graph:
        leaves, treedef = tree.flatten(args)
        # Text, functions and the like are part of the program, not inputs of it.
        places = [k for k, leaf in enumerate(leaves) if is_array(leaf)]

        def flat(*inputs: Any) -> list[Any]:
            out = f(*tree.unflatten(treedef, _replaced(leaves, places, inputs)), **kwargs)
            return [as_operand(leaf) for leaf in tree.flatten(out)[0]]

        values = [aval_of(leaves[k]) if abstract else leaves[k] for k in places]
        names = leaf_names(f, args)
        labels = [names[k] for k in places]
        graph, captured = trace_flat(flat, values, labels, function_name(f), abstract)
        if captured:
            raise TracedValueError(
                f"{function_name(f)} uses a {captured[0].aval} that an outer transformation is "
                "tracing; a graph of it alone cannot hold that",
                where=Source.here(),
                fix="pass the value to the traced function as an argument",
            )
        return graph

    return traced


def _replaced(leaves: Sequence[Any], places: Sequence[int], values: Sequence[Any]) -> list[Any]:
    """Return leaves with those at some places replaced."""
    out = list(leaves)
    for k, value in zip(places, values, strict=True):
        out[k] = value
    return out


@dataclass(frozen=True)
class Work:
    """What one run of a graph does, equation by equation, nothing fused.

    Attributes
    ----------
    flops : int
        Floating-point operations; an elementary function counts as one.
    bytes : int
        Bytes read and written.
    equations : int
    """

    flops: int
    bytes: int
    equations: int

    def __mul__(self, times: int) -> Work:
        return Work(self.flops * times, self.bytes * times, self.equations * times)


@dataclass(frozen=True)
class Cost:
    """What a function and all its first derivatives cost.

    Attributes
    ----------
    inputs, outputs : int
        Number of scalar inputs and outputs.
    value : Work
        One plain evaluation.
    reverse_pass : Work
        One evaluation followed by one backward sweep.
    forward_pass : Work
        One evaluation carrying one tangent.
    reverse : Work
        The whole Jacobian in reverse mode: one evaluation and `outputs` sweeps.
    forward : Work
        The whole Jacobian in forward mode: `inputs` passes.

    Examples
    --------
    >>> c = cost(lambda w: (w * w).sum(), onp.ones(100))
    >>> c.inputs, c.outputs, c.forward.flops > 30 * c.reverse.flops
    (100, 1, True)
    """

    inputs: int
    outputs: int
    value: Work
    reverse_pass: Work
    forward_pass: Work

    @property
    def reverse_passes(self) -> int:
        """Backward sweeps the whole Jacobian takes: one per output."""
        return self.outputs

    @property
    def forward_passes(self) -> int:
        """Forward passes the whole Jacobian takes: one per input."""
        return self.inputs

    @property
    def reverse(self) -> Work:
        """The whole Jacobian in reverse mode; the evaluation is shared by all sweeps."""
        extra = Work(
            self.reverse_pass.flops - self.value.flops,
            self.reverse_pass.bytes - self.value.bytes,
            self.reverse_pass.equations - self.value.equations,
        )
        all_sweeps = extra * self.outputs
        return Work(
            self.value.flops + all_sweeps.flops,
            self.value.bytes + all_sweeps.bytes,
            self.value.equations + all_sweeps.equations,
        )

    @property
    def forward(self) -> Work:
        """The whole Jacobian in forward mode, a pass per input."""
        return self.forward_pass * self.inputs

    @property
    def better(self) -> str:
        """Return "reverse" or "forward", the mode with fewer operations, "reverse" for as many."""
        return "reverse" if self.reverse.flops <= self.forward.flops else "forward"

    def __str__(self) -> str:
        rows = [
            ("value", "1", self.value),
            ("reverse mode", f"{self.reverse_passes}", self.reverse),
            ("forward mode", f"{self.forward_passes}", self.forward),
        ]
        base = max(self.value.flops, 1)
        lines = [
            f"{_counted(self.inputs, 'input')}, {_counted(self.outputs, 'output')}",
            f"{'':14}{'passes':>9}{'operations':>16}{'bytes':>16}{'× value':>11}",
        ]
        for name, passes, work in rows:
            lines.append(
                f"{name:14}{passes:>9}{work.flops:>16,}{work.bytes:>16,}{work.flops / base:>11,.1f}"
            )
        same = self.reverse.flops == self.forward.flops
        lines.append(
            "either mode costs the same" if same else f"{self.better} mode is cheaper here"
        )
        return "\n".join(lines)


def work_of(graph: Graph) -> Work:
    """Count the operations and bytes of a graph.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    Work
    """
    moved, count = 0, 0
    for equation in graph.equations:
        if equation.primitive.name == "call":  # what a compiled function does, equation by equation
            inner = work_of(equation.params["graph"])
            moved, count = moved + inner.bytes, count + inner.equations
            continue
        moved += sum(a.aval.nbytes for a in (*equation.inputs, *equation.outputs))
        count += 1
    return Work(graph_flops(graph), moved, count)


def cost(f: Callable[..., Any], *args: Any, argnums: Argnums | None = None) -> Cost:
    """Count what f, its reverse mode and its forward mode cost at these arguments.

    Parameters
    ----------
    f : callable
        Returns a tree of float arrays.
    *args : tree
        Derivatives are counted with respect to every float array in them; integers (labels,
        indices) and whatever is no array are held fixed.
    argnums : int or sequence of int, optional
        Hold the other arguments fixed too: the data that a loss is computed from.

    Returns
    -------
    Cost
        Prints as a table.

    Raises
    ------
    DifferentiationError
        If `argnums` names an argument that is not there.

    Examples
    --------
    >>> print(cost(lambda w: (w * w).sum(), onp.ones(3)))
    3 inputs, 1 output
                     passes      operations           bytes    × value
    value                 1               6             104        1.0
    reverse mode          1              15             320        2.5
    forward mode          3              54           1,056        9.0
    reverse mode is cheaper here
    """
    require_function(f, "cost")
    if isinstance(f, Compiled):
        f = f.__wrapped__
    chosen = range(len(args)) if argnums is None else argument_places(f, args, argnums, "cost")
    leaves, treedef = tree.flatten(args)
    owners = [n for n, child in enumerate(treedef.children) for _ in tree.paths(child, "")]
    places = [
        k
        for k, (n, a) in enumerate(zip(owners, leaves, strict=True))
        if n in chosen and is_array(a) and aval_of(a).dtype.kind == "f"
    ]
    floats = [leaves[k] for k in places]

    def fixed(*inputs: Any) -> Any:
        return f(*tree.unflatten(treedef, _replaced(leaves, places, inputs)))

    out = [aval_of(leaf) for leaf in tree.flatten(f(*args))[0]]

    def backward(*primals: Any) -> Any:
        result, pullback = vjp(fixed, *primals)
        shaped = tree.map(lambda leaf: onp.ones(aval_of(leaf).shape, aval_of(leaf).dtype), result)
        return result, pullback(shaped)

    def onward(*primals: Any) -> Any:
        direction = tree.map(lambda x: onp.ones(aval_of(x).shape, aval_of(x).dtype), primals)
        return jvp(fixed, primals, direction)

    return Cost(
        inputs=sum(aval_of(leaf).size for leaf in floats),
        outputs=sum(aval.size for aval in out),
        value=work_of(trace(fixed)(*floats).pruned()),
        reverse_pass=work_of(trace(backward)(*floats).pruned()),
        forward_pass=work_of(trace(onward)(*floats).pruned()),
    )


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
