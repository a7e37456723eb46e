"""A local derivative as a formula in the program's own names, for instance ``A[0]·(1 - A[0])``.

An elementwise operation states its partial derivatives in the engine's operations, so the formula
is the graph of that statement, printed. A bilinear operation's local derivative is an element of
its other factor. Sums and copies have plain numbers for derivatives, which need no formula.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as onp

from backlit.core.graph import Atom, Equation, Graph, Var
from backlit.core.primitive import FIRST, MINUS_ONE, ONE, SECOND
from backlit.core.tracing import trace_flat

_SUM, _PRODUCT, _POWER, _ATOM = 1, 2, 3, 4
# How tightly a formula binds, and how it is written; anything else reads name(operands).
_WRITTEN = {
    "add": (_SUM, "{0} + {1}"),
    "subtract": (_SUM, "{0} - {1}"),
    "multiply": (_PRODUCT, "{0}·{1}"),
    "divide": (_PRODUCT, "{0}/{1}"),
    "negative": (_PRODUCT, "-{0}"),
    "square": (_POWER, "{0}²"),
    "power": (_POWER, "{0}^{1}"),
    "greater": (0, "{0} > {1}"),
    "greater_equal": (0, "{0} ≥ {1}"),
    "less": (0, "{0} < {1}"),
    "less_equal": (0, "{0} ≤ {1}"),
    "equal": (0, "{0} = {1}"),
    "logical_and": (0, "{0} and {1}"),
    "logical_not": (0, "not {0}"),
    "absolute": (_ATOM, "|{0}|"),
    "sigmoid": (_ATOM, "σ({0})"),
}
_SOFTMAX_FAMILY = ("softmax", "log_softmax", "logsumexp")
_LONGEST = 60

Ends = tuple[int, int]


def rule_text(
    equation: Equation, args: Sequence[Any], outs: Sequence[Any], slot: int, ends: Ends, labels: Any
) -> str:
    """Return the formula of one local derivative, or "" where there is none to state.

    Parameters
    ----------
    equation : Equation
    args, outs : sequence of array
        Values of its operands and results.
    slot : int
        Operand the derivative is taken with respect to.
    ends : pair of int
        Flat places in the result and in that operand.
    labels : callable
        ``labels(var, flat place) -> str``.

    Returns
    -------
    str
    """
    primitive = equation.primitive
    if primitive.name in _SOFTMAX_FAMILY:
        return _softmax_text(equation, ends, labels)
    if primitive.family == "bilinear":
        return _factor_text(equation, args, outs, slot, ends, labels)
    if primitive.family != "elementwise" or primitive.partials[slot] in (ONE, MINUS_ONE):
        return ""
    atoms = [*equation.inputs, equation.outputs[0]]
    shape = onp.shape(outs[0])
    places = [_source_place(onp.shape(value), shape, ends[0]) for value in (*args, outs[0])]
    names = [
        labels(atom, place) if isinstance(atom, Var) else number(onp.ravel(atom.value)[place])
        for atom, place in zip(atoms, places, strict=True)
    ]
    partial = primitive.partials[slot]
    if partial is FIRST or partial is SECOND:
        return str(names[0 if partial is FIRST else 1])
    values = [
        onp.ravel(value)[place] for value, place in zip((*args, outs[0]), places, strict=True)
    ]
    return _partial_text(partial, equation, atoms, values, names)


def _softmax_text(equation: Equation, ends: Ends, labels: Any) -> str:
    """Return the derivative of a softmax, of its logarithm, or of log Σ eˣ."""
    operand, result = equation.inputs[0], equation.outputs[0]
    row, column = ends
    mine = labels(result, row)
    if equation.primitive.name == "logsumexp":
        return f"exp({labels(operand, column)} - {mine})" if isinstance(operand, Var) else ""
    other = labels(result, column)
    if equation.primitive.name == "softmax":
        return f"{mine}·(1 - {mine})" if row == column else f"-{mine}·{other}"
    return f"1 - exp({mine})" if row == column else f"-exp({other})"


def _partial_text(
    partial: Any, equation: Equation, atoms: Sequence[Atom], values: list[Any], names: list[str]
) -> str:
    moving = [k for k, atom in enumerate(atoms) if isinstance(atom, Var)]

    def stated(*tracers: Any) -> list[Any]:
        operands = list(values)
        for k, tracer in zip(moving, tracers, strict=True):
            operands[k] = tracer
        return [partial(*operands, **equation.params)]

    graph, _ = trace_flat(
        stated, [values[k] for k in moving], [names[k] for k in moving], "partial", False
    )
    if not isinstance(graph.outputs[0], Var):
        return ""
    text = _written(graph)
    return text if len(text) <= _LONGEST else ""


def _source_place(mine: tuple[int, ...], shape: tuple[int, ...], row: int) -> int:
    """Return the flat place in an operand that broadcasting puts at `row` of the result."""
    index = onp.unravel_index(row, shape) if shape else ()
    kept = index[len(shape) - len(mine) :]
    place = tuple([0 if n == 1 else k for k, n in zip(kept, mine, strict=True)])
    return int(onp.ravel_multi_index(place, mine)) if mine else 0


def _written(graph: Graph) -> str:
    """Return the one output of a graph of scalars as an infix formula."""
    texts: dict[Var, tuple[int, str]] = {v: (_ATOM, v.name or "") for v in graph.inputs}

    def operand(atom: Atom) -> tuple[int, str]:
        return texts[atom] if isinstance(atom, Var) else (_ATOM, number(atom.value))

    for equation in graph.equations:
        name = equation.primitive.name
        parts = [operand(a) for a in equation.inputs]
        if name == "astype":
            texts[equation.outputs[0]] = parts[0]
            continue
        if name == "integer_power":
            binds, pattern = _POWER, "{0}^" + str(equation.params["n"])
        else:
            binds, pattern = _WRITTEN.get(name, (_ATOM, ""))
        if not pattern:
            texts[equation.outputs[0]] = (_ATOM, f"{name}({', '.join(p for _, p in parts)})")
            continue
        # a - b, a / b and a ^ b need brackets on the right already at equal strength.
        right = binds + (name in ("subtract", "divide", "power"))
        limits = [binds + (name in ("negative", "power", "square", "integer_power")), right]
        inside = [
            part if strength >= limit or binds == _ATOM else f"({part})"
            for (strength, part), limit in zip(parts, limits, strict=False)
        ]
        texts[equation.outputs[0]] = (binds, pattern.format(*inside))
    result = graph.outputs[0]
    assert isinstance(result, Var)
    return texts[result][1]


def _factor_text(
    equation: Equation, args: Sequence[Any], outs: Sequence[Any], slot: int, ends: Ends, labels: Any
) -> str:
    """Return the element of the other factor that is a bilinear operation's local derivative."""
    other = 1 - slot
    atom = equation.inputs[other]
    probe, cotangent = list(args), onp.zeros(onp.size(outs[0]))
    cotangent[ends[0]] = 1.0
    unit = onp.zeros(onp.size(args[slot]))
    unit[ends[1]] = 1.0
    # With 1 in this place and 0 elsewhere, the result's gradient shows which elements multiply it.
    probe[slot] = unit.reshape(onp.shape(args[slot]))
    probe[other] = onp.zeros(onp.shape(args[other]))
    pull = equation.primitive.pull
    assert pull is not None
    out = cotangent.reshape(onp.shape(outs[0]))
    found = pull(out, out, probe, equation.params, [k == other for k in range(2)])[other]
    places = onp.flatnonzero(found)
    if len(places) != 1:
        return ""
    if isinstance(atom, Var):
        return str(labels(atom, int(places[0])))
    return number(onp.ravel(atom.value)[places[0]])


def number(value: Any) -> str:
    """Return a number with six significant digits.

    Examples
    --------
    >>> number(0.000438567732), number(2.0), number(True)
    ('0.000438568', '2', '1')
    """
    return f"{float(value) + 0.0:.6g}"  # never -0


def counted(count: int) -> str:
    """Return a whole number, roughly where it has very many digits.

    Examples
    --------
    >>> counted(3486784401), counted(3**500)
    ('3,486,784,401', 'about 10^239')
    """
    return f"{count:,}" if count < 10**15 else f"about 10^{math.log10(count):.0f}"
