"""Sums that are missing: of a bias, which all examples share, and of what a number multiplies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from backlit.explain.equation.binding.written import names_in
from backlit.explain.equation.mending.edits import edits
from backlit.explain.equation.mending.probe import Probe
from backlit.explain.equation.mending.surroundings import Edit, Surroundings, parts
from backlit.explain.equation.tree import (
    PRODUCTS,
    Binary,
    Call,
    Constant,
    Derivative,
    Equation,
    Function,
    Name,
    Node,
    Number,
    Series,
    Transpose,
    Unary,
)

_EXAMPLES = "The sum over the examples is missing: each of them has its share in ‘{}’."
_ELEMENTS = "The sum over all elements is missing: ‘{}’ belongs to each of them."
_SLIGHT = ("sign", "factor", "one-over-m")
_MOST_SLIGHT = 400


def totals(equation: Equation, around: Surroundings, quick: Probe) -> Iterator[list[Edit]]:
    """Yield repairs of a right side that has more elements than the left one: a part summed.

    Parameters
    ----------
    equation : Equation
        A claim about a derivative.
    around : Surroundings
    quick : Probe
        Of the claim.

    Yields
    ------
    list of Edit
        The sum, and perhaps a sign or a number as well.
    """
    left, right = equation.left, equation.right
    if not isinstance(left, Derivative) or left.second is not None:
        return
    wanted = quick.shape(left)
    if wanted is None:
        return
    yield from _of(right, left.wrt, wanted, around, quick)
    # (a − y) a (1 − a) of vectors: the products are element by element as well.
    alike = right.map(_by_element)
    if alike != right:
        first = Edit("elementwise", right, alike, alike)
        for changes in _of(alike, left.wrt, wanted, around, quick):
            if len(changes) == 1:
                yield [first, *changes]


def _of(
    right: Node, wrt: Node, wanted: tuple[int, ...], around: Surroundings, quick: Probe
) -> Iterator[list[Edit]]:
    stated = quick.shape(right)
    if not stated or len(wanted) > len(stated) or wanted == stated:
        return
    has_series = any(
        isinstance(n, Series) and n.op == "sum" and not n.index
        for e in (right, *around.definitions)
        for n in e.walk()
    )
    shared = _shared(wrt, around)
    found = []
    for part in dict.fromkeys([_core(right, quick), *parts(right)]):
        shape = quick.shape(part)
        for summed in _summed(part, shape, wanted, has_series) if shape else ():
            whole = right.swapped(part, summed)
            if quick.shape(whole) != wanted:
                continue
            per_example = any(_base(n) in shared for n in part.walk())
            told = (_EXAMPLES if per_example else _ELEMENTS), wrt
            found.append(Edit("axis", part, summed, whole, told))
    yield from ([edit] for edit in found)
    tried = 0
    for edit in found:
        for second in edits(edit.whole, around):
            if second.kind in _SLIGHT and tried < _MOST_SLIGHT:
                tried += 1
                yield [edit, second]


def _by_element(node: Node) -> Node:
    if isinstance(node, Binary) and node.op in (" ", "."):
        if not any(isinstance(part, (Number, Transpose)) for part in (node.left, node.right)):
            return replace(node, op="*")
    return node


def _core(node: Node, quick: Probe) -> Node:
    """Return what is left of an expression without its sign and the numbers it is multiplied by."""
    while True:
        if isinstance(node, Unary):
            node = node.operand
        elif isinstance(node, Binary) and node.op in (*PRODUCTS, "/"):
            if quick.shape(node.left) == () and node.op != "/":
                node = node.right
            elif quick.shape(node.right) == ():
                node = node.left
            else:
                return node
        else:
            return node


def _summed(
    part: Node, shape: tuple[int, ...], wanted: tuple[int, ...], has_series: bool
) -> Iterator[Node]:
    if wanted == ():
        yield Series("sum", part) if has_series else Call(Function("sum"), (part,))
    elif len(shape) == 2:
        keep = (("keepdims", Constant("True")),) if len(wanted) == 2 else ()
        for axis in range(2):
            along = ("axis", Number(Fraction(axis)))
            yield Call(Function("sum"), (part,), (along, *keep))


def _shared(wrt: Node, around: Surroundings) -> set[str]:
    """Return the variables that depend on one, by the definitions."""
    found = {n.base for n in wrt.walk() if isinstance(n, Name)}
    size = 0
    while size < len(found):
        size = len(found)
        for definition in around.definitions:
            if isinstance(definition.left, Name):
                if any(n.base in found for n in names_in(definition.right)):
                    found.add(definition.left.base)
    return found


def _base(node: Node) -> str:
    return node.base if isinstance(node, Name) else ""
