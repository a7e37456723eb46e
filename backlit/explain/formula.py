"""A local derivative as a formula in the program's own names, for instance ``A[0]·(1 - A[0])``.

An elementwise operation states its partial derivatives in the engine's operations, so the formula
is the graph of that statement. A bilinear operation's local derivative is an element of its other
factor. Sums and copies have plain numbers for derivatives, which need no formula. The formulas are
trees of `backlit.explain.equation.tree`; `plain` writes them as text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as onp

from backlit.core.evaluate import values as evaluate_all
from backlit.core.graph import Atom, Equation, Graph, Var, as_operand
from backlit.core.primitive import FIRST, MINUS_ONE, ONE, SECOND
from backlit.core.tracing import trace_flat
from backlit.explain.equation.text.printing import readable
from backlit.explain.equation.tree import (
    Binary,
    Call,
    Compare,
    Constant,
    Derivative,
    Element,
    Function,
    Name,
    Node,
    Number,
    Power,
    Unary,
)

_SUM, _PRODUCT, _POWER, _ATOM = 1, 2, 3, 4
_BINARY = {"add": "+", "subtract": "-", "multiply": ".", "divide": "/"}
_COMPARISONS = {
    "greater": ">",
    "greater_equal": ">=",
    "less": "<",
    "less_equal": "<=",
    "equal": "==",
}
# How tightly a binary operator binds, and how it is written.
_WRITTEN = {
    "+": (_SUM, " + "),
    "-": (_SUM, " - "),
    ".": (_PRODUCT, "·"),
    "/": (_PRODUCT, "/"),
}
_SIGNS = {">=": "≥", "<=": "≤", "==": "="}
_SOFTMAX_FAMILY = ("softmax", "log_softmax", "logsumexp")
_LONGEST = 60

Ends = tuple[int, int]
Labels = Callable[[Var, int], Node]


def local_rule(
    equation: Equation,
    args: Sequence[Any],
    outs: Sequence[Any],
    slot: int,
    ends: Ends,
    labels: Labels,
) -> Node | None:
    """Return the formula of one local derivative, or None where there is none to state.

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
        ``labels(var, flat place)`` is what an element is called.

    Returns
    -------
    Node or None
    """
    primitive = equation.primitive
    if primitive.name in _SOFTMAX_FAMILY:
        return _softmax(equation, ends, labels)
    if primitive.family == "bilinear":
        return _factor(equation, args, outs, slot, ends, labels)
    if primitive.family != "elementwise" or primitive.partials[slot] in (ONE, MINUS_ONE):
        return None
    shape = onp.shape(outs[0])
    places = [_source_place(onp.shape(value), shape, ends[0]) for value in (*args, outs[0])]
    values = [
        onp.ravel(value)[place] for value, place in zip((*args, outs[0]), places, strict=True)
    ]
    names = [
        labels(atom, place) if isinstance(atom, Var) else number_node(value)
        for atom, place, value in zip(
            (*equation.inputs, equation.outputs[0]), places, values, strict=True
        )
    ]
    return _partial(equation, slot, values, names)


def array_rule(
    equation: Equation, args: Sequence[Any], out: Any, slot: int, names: Sequence[Node]
) -> Node | None:
    """Return the local derivative of an elementwise operation as a formula in whole arrays.

    Parameters
    ----------
    equation : Equation
    args : sequence of array
        Values of its operands.
    out : array
        Value of its result.
    slot : int
        Operand the derivative is taken with respect to.
    names : sequence of Node
        What the operands and the result are called.

    Returns
    -------
    Node or None
        None for an operation of another family.
    """
    if equation.primitive.family != "elementwise":
        return None
    if equation.primitive.partials[slot] in (ONE, MINUS_ONE):
        one: Node = Number(Fraction(1))
        return one if equation.primitive.partials[slot] is ONE else Unary("-", one)
    return _partial(equation, slot, [*args, out], names, constants=True)


def _softmax(equation: Equation, ends: Ends, labels: Labels) -> Node | None:
    """Return the derivative of a softmax, of its logarithm, or of log Σ eˣ."""
    operand, result = equation.inputs[0], equation.outputs[0]
    row, column = ends
    one = Number(Fraction(1))
    mine = labels(result, row)
    if equation.primitive.name == "logsumexp":
        if not isinstance(operand, Var):
            return None
        return _exp(Binary("-", labels(operand, column), mine))
    other = labels(result, column)
    if equation.primitive.name == "softmax":
        if row == column:
            return Binary(".", mine, Binary("-", one, mine))
        return Binary(".", Unary("-", mine), other)
    return Binary("-", one, _exp(mine)) if row == column else Unary("-", _exp(other))


def _exp(operand: Node) -> Node:
    return Call(Function("exp"), (operand,))


def _partial(
    equation: Equation,
    slot: int,
    values: Sequence[Any],
    names: Sequence[Node],
    constants: bool = False,
) -> Node | None:
    """Return a stated partial derivative; `values` and `names` are of operands and result.

    One that is the same number everywhere counts only with `constants`.
    """
    partial = equation.primitive.partials[slot]
    if partial is FIRST or partial is SECOND:
        return names[0 if partial is FIRST else 1]
    atoms = [*equation.inputs, equation.outputs[0]]
    moving = [k for k, atom in enumerate(atoms) if isinstance(atom, Var)]

    def stated(*tracers: Any) -> list[Any]:
        operands = list(values)
        for k, tracer in zip(moving, tracers, strict=True):
            operands[k] = tracer
        return [partial(*operands, **equation.params)]

    labels = [f"x{k}" for k in moving]
    graph, _ = trace_flat(stated, [values[k] for k in moving], labels, "partial", False)
    stated_out = graph.outputs[0]
    if not isinstance(stated_out, Var):
        value = onp.asarray(stated_out.value)
        return number_node(value.item()) if constants and value.size == 1 else None
    known = evaluate_all(graph, [as_operand(values[k]) for k in moving])
    node = _tree(graph, [names[k] for k in moving], known)
    return node if len(plain(node)) <= _LONGEST else None


def _source_place(mine: tuple[int, ...], shape: tuple[int, ...], row: int) -> int:
    """Return the flat place in an operand that broadcasting puts at `row` of the result."""
    index = onp.unravel_index(row, shape) if shape else ()
    kept = index[len(shape) - len(mine) :]
    place = tuple([0 if n == 1 else k for k, n in zip(kept, mine, strict=True)])
    return int(onp.ravel_multi_index(place, mine)) if mine else 0


def _tree(graph: Graph, names: Sequence[Node], values: Mapping[Var, Any]) -> Node:
    """Return the one output of a graph as a tree; `names` are its inputs.

    What local derivatives say about a division by 0 is left out where nothing is 0.
    """
    known: dict[Var, Node] = dict(zip(graph.inputs, names, strict=False))

    def operand(atom: Atom) -> Node:
        if isinstance(atom, Var):
            return known[atom]
        value = onp.asarray(atom.value)
        return number_node(value.item()) if value.size == 1 else Name("constant")

    for equation in graph.equations:
        parts = [operand(a) for a in equation.inputs]
        test = equation.inputs[0]
        guarded = equation.primitive.name == "where" and isinstance(parts[0], Compare)
        if guarded and isinstance(test, Var) and not onp.any(values[test]):
            known[equation.outputs[0]] = parts[2]
            continue
        known[equation.outputs[0]] = _applied(equation, parts)
    result = graph.outputs[0]
    assert isinstance(result, Var)
    return known[result]


def _applied(equation: Equation, parts: Sequence[Node]) -> Node:
    """Return an operation on trees."""
    name = equation.primitive.name
    if name in ("astype", "broadcast_to"):
        return parts[0]
    if name in _BINARY:
        return Binary(_BINARY[name], *parts)
    if name in _COMPARISONS:
        return Compare(_COMPARISONS[name], *parts)
    if name == "negative":
        return Unary("-", parts[0])
    if name == "square":
        return Power(parts[0], Number(Fraction(2)))
    if name == "integer_power":
        return Power(parts[0], number_node(equation.params["n"]))
    if name == "power":
        return Power(*parts)
    return Call(Function("abs" if name == "absolute" else name), tuple(parts))


def _factor(
    equation: Equation,
    args: Sequence[Any],
    outs: Sequence[Any],
    slot: int,
    ends: Ends,
    labels: Labels,
) -> Node | None:
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
        return None
    if isinstance(atom, Var):
        return labels(atom, int(places[0]))
    return number_node(onp.ravel(atom.value)[places[0]])


# --- as text ----------------------------------------------------------------------------------


def plain(node: Node) -> str:
    """Return a formula as one line of text, as an explanation's tables have it.

    Parameters
    ----------
    node : Node
        Of the forms that local derivatives and sums of products have.

    Returns
    -------
    str

    Examples
    --------
    >>> a = Element(Name("a"), (Number(Fraction(0)),))
    >>> plain(Binary(".", a, Binary("-", Number(Fraction(1)), a)))
    'a[0]·(1 - a[0])'
    """
    return _text(node)[1]


def _text(node: Node) -> tuple[int, str]:
    """Return how tightly a formula binds, and its text."""
    match node:
        case Number(value=value):
            return _ATOM, number(value)
        case Constant(name=name):
            return _ATOM, name
        case Name():
            return _ATOM, readable(node)
        case Element(operand=operand, index=index):
            return _ATOM, f"{plain(operand)}[{','.join(map(plain, index))}]"
        case Derivative(target=Node() as target, wrt=wrt):
            return _ATOM, f"∂{plain(target)}/∂{plain(wrt)}"
        case Unary(operand=operand):
            return _PRODUCT, f"-{_inside(operand, _POWER)}"
        case Power(base=base, exponent=exponent):
            if exponent == Number(Fraction(2)):
                return _POWER, f"{_inside(base, _ATOM)}²"
            return _POWER, f"{_inside(base, _ATOM)}^{_inside(exponent, _ATOM)}"
        case Binary(op=op, left=left, right=right):
            binds, sign = _WRITTEN[op]
            # a - b and a / b need brackets on the right already at equal strength.
            limit = binds + (op in "-/")
            return binds, f"{_inside(left, binds)}{sign}{_inside(right, limit)}"
        case Compare(op=op, left=left, right=right):
            return 0, f"{_inside(left, _SUM)} {_SIGNS.get(op, op)} {_inside(right, _SUM)}"
        case Call(function=function, args=args):
            return _called(function.name, [*args])
    raise TypeError(f"no text for {type(node).__name__}")


def _called(name: str, args: list[Node]) -> tuple[int, str]:
    if name == "abs":
        return _ATOM, f"|{plain(args[0])}|"
    if name == "logical_and":
        return 0, " and ".join(_inside(a, 0) for a in args)
    if name == "logical_not":
        return 0, f"not {_inside(args[0], 0)}"
    written = "σ" if name == "sigmoid" else name
    return _ATOM, f"{written}({', '.join(map(plain, args))})"


def _inside(node: Node, limit: int) -> str:
    binds, text = _text(node)
    return text if binds >= limit else f"({text})"


def number(value: Any) -> str:
    """Return a number with six significant digits.

    Examples
    --------
    >>> number(0.000438567732), number(2.0), number(True)
    ('0.000438568', '2', '1')
    """
    return f"{float(value) + 0.0:.6g}"  # never -0


def number_node(value: Any) -> Node:
    """Return a number as a tree, to the six digits that are shown.

    Parameters
    ----------
    value : number

    Returns
    -------
    Node

    Examples
    --------
    >>> plain(number_node(-0.25)), plain(number_node(float("inf")))
    ('-0.25', 'inf')
    """
    plainly = float(value)
    if math.isnan(plainly):
        return Constant("nan")
    size: Node = Constant("inf") if math.isinf(plainly) else Number(Fraction(number(abs(plainly))))
    return Unary("-", size) if plainly < 0 else size


def counted(count: int) -> str:
    """Return a whole number, roughly where it has very many digits.

    Examples
    --------
    >>> counted(3486784401), counted(3**500)
    ('3,486,784,401', 'about 10^239')
    """
    return f"{count:,}" if count < 10**15 else f"about 10^{math.log10(count):.0f}"
