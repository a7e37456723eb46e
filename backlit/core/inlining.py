"""Functions that were compiled, taken apart into what they compute."""

from __future__ import annotations

from dataclasses import replace

from backlit.core.graph import Atom, Equation, Graph, Var


def without_calls(graph: Graph) -> Graph:
    """Return the graph as it would be if nothing in it had been compiled.

    Every operation keeps the line it was written on, inside the compiled function. The search for
    a cause wants that; a derivation, which names results as the caller does, has an ``inlined`` of
    its own.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    Graph
        With the equations of its calls in their places; the calls inside loops stay.

    Examples
    --------
    >>> import backlit as bl
    >>> graph = bl.trace(bl.jit(lambda x: x * x + 1.0))(2.0)
    >>> [e.primitive.name for e in graph.equations]
    ['call']
    >>> [e.primitive.name for e in without_calls(graph).equations]
    ['multiply', 'add']
    """
    if not any(e.primitive.name == "call" for e in graph.equations):
        return graph
    moved: dict[Var, Atom] = {}
    equations: list[Equation] = []

    def place(atom: Atom) -> Atom:
        return moved.get(atom, atom) if isinstance(atom, Var) else atom

    def add(equation: Equation, numbers: list[int], fresh: bool) -> None:
        """Append an equation; `numbers` says where those before it in its own graph are now."""
        origin = equation.provenance
        if origin is not None:
            # A call has no place of its own any more.
            number = numbers[origin.equation] if origin.equation >= 0 else -1
            origin = replace(origin, equation=number)
        outputs = equation.outputs
        if fresh:  # a function that is called twice has two of everything
            outputs = tuple([Var(var.aval, var.name) for var in outputs])
            moved.update(zip(equation.outputs, outputs, strict=True))
        inputs = tuple([place(atom) for atom in equation.inputs])
        numbers.append(len(equations))
        equations.append(replace(equation, inputs=inputs, outputs=outputs, provenance=origin))

    numbers: list[int] = []
    for equation in graph.equations:
        if equation.primitive.name != "call":
            add(equation, numbers, False)
            continue
        inner = without_calls(equation.params["graph"])
        moved.update(zip(inner.inputs, [place(a) for a in equation.inputs], strict=True))
        inside: list[int] = []
        for part in inner.equations:
            add(part, inside, True)
        moved.update(zip(equation.outputs, [place(a) for a in inner.outputs], strict=True))
        numbers.append(-1)
    outputs = tuple([place(atom) for atom in graph.outputs])
    return Graph(graph.inputs, tuple(equations), outputs, graph.guards, graph.name)
