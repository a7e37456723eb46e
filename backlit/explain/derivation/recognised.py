"""Operations that a program writes out and that mathematics has a name for.

``np.exp(z) / np.sum(np.exp(z), axis=1, keepdims=True)`` is a softmax, also with the largest element
taken off first. What the program gives a name stays as the program has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from backlit.core.graph import Atom, Equation, Graph, Var
from backlit.core.primitive import registry

# What a softmax is made of.
_PIECES = frozenset(("max", "reshape", "subtract", "exp"))


def recognised(graph: Graph) -> Graph:
    """Return a graph with every softmax that is written out as one operation.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    Graph
        With the same variables, less those inside of what was recognised.

    Examples
    --------
    >>> import backlit as bl, backlit.numpy as np, numpy
    >>> def shares(z):
    ...     return np.sum(np.exp(z - np.max(z)) / np.sum(np.exp(z - np.max(z))) * z)
    >>> graph = bl.trace(shares)(numpy.ones(3))
    >>> [equation.primitive.name for equation in recognised(graph).equations]
    ['softmax', 'multiply', 'sum']
    """
    made = {var: equation for equation in graph.equations for var in equation.outputs}
    named = {*graph.assigned(), *graph.inputs}
    same = _alike(graph)
    found = [_softmax(equation, made, named, same) or equation for equation in graph.equations]
    if all(a is b for a, b in zip(found, graph.equations, strict=True)):
        return graph
    changed = Graph(graph.inputs, tuple(found), graph.outputs, graph.guards, graph.name)
    return _without_unused(changed, named)


def _alike(graph: Graph) -> dict[Atom, Atom]:
    """Return of every value the first that is computed in the same way."""
    found: dict[Atom, Atom] = {}
    seen: dict[object, Var] = {}
    for equation in graph.equations:
        if len(equation.outputs) != 1 or not _PIECES.issuperset([equation.primitive.name]):
            continue
        inputs = tuple([found.get(atom, atom) for atom in equation.inputs])
        key = equation.primitive.name, repr(sorted(equation.params.items())), inputs
        found[equation.outputs[0]] = seen.setdefault(key, equation.outputs[0])
    return found


def _without_unused(graph: Graph, named: set[Var]) -> Graph:
    """Return a graph without what nothing reads and nobody named."""
    wanted: set[Atom] = {*graph.outputs, *[guard.var for guard in graph.guards]}
    kept: list[Equation] = []
    for equation in reversed(graph.equations):
        if not wanted.isdisjoint(equation.outputs) or not named.isdisjoint(equation.outputs):
            kept.append(equation)
            wanted.update(equation.inputs)
    return Graph(graph.inputs, tuple(kept[::-1]), graph.outputs, graph.guards, graph.name)


def _softmax(
    equation: Equation,
    made: Mapping[Var, Equation],
    named: set[Var],
    same: Mapping[Atom, Atom],
) -> Equation | None:
    """Return exp(x) / Σ exp(x) as softmax(x), or None."""
    if equation.primitive.name != "divide":
        return None
    above = _made(equation.inputs[0], made)
    if above is None or above.primitive.name != "exp":
        return None
    operand = above.inputs[0]
    total = _whole_rows("sum", equation.inputs[1], made)
    inside = None if total is None else _made(total.inputs[0], made)
    if total is None or inside is None or inside.primitive.name != "exp":
        return None
    axes = total.params["axes"]
    pieces = {*above.outputs, *inside.outputs, *total.outputs, equation.inputs[1]}
    other = inside.inputs[0]
    if same.get(other, other) != same.get(operand, operand) or not named.isdisjoint(pieces):
        return None
    if equation.inputs[1].aval.shape not in (_kept(operand, axes), _whole(operand, axes)):
        return None
    inner = _shifted(operand, axes, made, named)
    return replace(equation, primitive=registry["softmax"], inputs=(inner,), params={"axes": axes})


def _shifted(
    operand: Atom, axes: tuple[int, ...], made: Mapping[Var, Equation], named: set[Var]
) -> Atom:
    """Return z for z − max z, where that has no name: softmax does not change with it."""
    shift = _made(operand, made)
    if shift is None or operand in named or shift.primitive.name != "subtract":
        return operand
    z, taken = shift.inputs
    largest = _whole_rows("max", taken, made)
    if largest is None or largest.inputs[0] != z or largest.params["axes"] != axes:
        return operand
    return z if taken.aval.shape in (_kept(z, axes), _whole(z, axes)) else operand


def _whole_rows(name: str, atom: Atom, made: Mapping[Var, Equation]) -> Equation | None:
    """Return the reduction that an array is, perhaps with the axes kept, or None."""
    found = _made(atom, made)
    if found is not None and found.primitive.name == "reshape":
        found = _made(found.inputs[0], made)
    return found if found is not None and found.primitive.name == name else None


def _made(atom: Atom, made: Mapping[Var, Equation]) -> Equation | None:
    return made.get(atom) if isinstance(atom, Var) else None


def _kept(atom: Atom, axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple([1 if k in axes else n for k, n in enumerate(atom.aval.shape)])


def _whole(atom: Atom, axes: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the shape of a reduction of everything, which broadcasts without kept axes."""
    return () if len(axes) == len(atom.aval.shape) else None
