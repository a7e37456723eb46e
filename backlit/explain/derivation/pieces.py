"""The pieces of notation: calls, numbers, places, contractions, operators of control flow."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from backlit.explain.derivation.expression import Expression
from backlit.explain.equation.tree import (
    Binary,
    Call,
    Constant,
    Element,
    Function,
    Items,
    Name,
    Node,
    Number,
    Series,
    Slice,
    Unary,
)

YES = Constant("True")


def call(name: str, *args: Node, **keywords: Node) -> Call:
    """Return a function applied to arguments.

    Parameters
    ----------
    name : str
    *args : Node
    **keywords : Node

    Returns
    -------
    Call
    """
    return Call(Function(name), args, tuple(keywords.items()))


def whole(value: int) -> Node:
    """Return a whole number; a negative one as it is written, with its sign in front."""
    return Number(Fraction(value)) if value >= 0 else Unary("-", Number(Fraction(-value)))


def written_number(value: Fraction | float) -> Node:
    """Return a number: a whole one, a short decimal or a fraction.

    Parameters
    ----------
    value : Fraction, or an infinity or NaN

    Returns
    -------
    Node

    Examples
    --------
    >>> written_number(Fraction(-3)) == Unary("-", Number(Fraction(3)))
    True
    """
    if isinstance(value, float):
        if value != value:
            return Constant("nan")
        return Constant("inf") if value > 0 else Unary("-", Constant("inf"))
    if value < 0:
        return Unary("-", written_number(-value))
    top, bottom = value.numerator, value.denominator
    decimal = bottom
    for prime in (2, 5):
        while decimal % prime == 0:
            decimal //= prime
    if bottom == 1 or (decimal == 1 and bottom > 10):
        return Number(value)
    return Binary("/", Number(Fraction(top)), Number(Fraction(bottom)))


def extents(values: Sequence[int]) -> Node:
    """Return a tuple of whole numbers."""
    return Items(tuple([whole(int(v)) for v in values]))


def axis_of(axes: Sequence[int]) -> Node:
    """Return one axis as a number, several as a tuple."""
    return whole(axes[0]) if len(axes) == 1 else extents(axes)


# --- names of primitives ----------------------------------------------------------------------

FUNCTIONS = {
    "absolute": "abs",
    "rint": "round",
    "remainder": "mod",
    "root_of_variance": "sqrt",
    "stop_gradient": "fixed",
    "bitwise_and": "bitand",
    "bitwise_or": "bitor",
    "bitwise_xor": "bitxor",
    "invert": "bitnot",
    "broadcast_to": "broadcast",
    "scatter_add": "scatter",
    "index_set": "put",
    "last_writes": "lasting",
    "random_bits": "philox",
    "random_fold_in": "philoxkey",
    "while_loop": "repeat",
}
"""Names that primitives are printed under, where they are not their own."""


# --- places -----------------------------------------------------------------------------------


def _places(parts: Sequence[tuple[Any, ...]], arrays: Sequence[Node], rank: int) -> list[Node]:
    """Return an index with a subscript for every axis; the ellipsis is written out."""
    index: list[Node] = []
    used = sum(1 for kind, *_ in parts if kind in "isa")
    for kind, *rest in parts:
        if kind == "i":
            index.append(whole(rest[0]))
        elif kind == "s":
            index.append(Slice(*[None if k is None else whole(k) for k in rest]))
        elif kind == "n":
            index.append(Constant("None"))
        elif kind == "e":
            index += [Slice()] * (rank - used)
        else:
            index.append(arrays[rest[0]])
    if all(kind != "e" for kind, *_ in parts):
        index += [Slice()] * (rank - used)
    return index


def element(part: Expression, args: list[Node]) -> Node:
    """Return elements by place, ``x[0, :]``."""
    index = _places(part.param("parts"), args[1:], len(part.args[0].shape))
    return Element(args[0], tuple(index)) if index else args[0]


def _positions(shape: Sequence[int], index: Sequence[Node]) -> Node:
    """Return which elements an index selects: the same index of an array of their numbers."""
    everything = call("places", extents(shape))
    return Element(everything, tuple(index)) if index else everything


def scattered(part: Expression, args: list[Node]) -> Node:
    """Return zeros to whose selected elements an array is added."""
    shape = part.param("shape")
    index = _places(part.param("parts"), args[1:], len(shape))
    return call("scatter", args[0], _positions(shape, index), extents(shape))


def replaced(part: Expression, args: list[Node]) -> Node:
    """Return an array with some elements replaced."""
    shape = part.args[0].shape
    index = _places(part.param("parts"), args[2:], len(shape))
    return call("put", args[0], _positions(shape, index), args[1])


def last_writes(part: Expression, args: list[Node]) -> Node:
    """Return which of several places that are written to do not come again."""
    shape = part.param("shape")
    return call("lasting", _positions(shape, _places(part.param("parts"), args, len(shape))))


def one_hot(part: Expression, args: list[Node]) -> Node:
    """Return a row for every label."""
    return call("onehot", args[0], whole(part.shape[-1]))


# --- contractions -----------------------------------------------------------------------------


def einsum(part: Expression, args: list[Node]) -> Node:
    """Return a sum of products over labelled axes."""
    terms, out = part.param("spec").split("->")
    letters = {c: k for k, c in enumerate(dict.fromkeys(terms.replace(",", "")))}
    inputs = terms.split(",")
    if "" in inputs:  # a number times an array, part of which may be summed over
        return _contracted("".join(inputs), out, Binary(" ", *args))
    labels = [extents([letters[c] for c in term]) for term in inputs]
    name = "einsum" if len(inputs) == 2 else "diagonal"
    if out:
        return call(name, *args, *labels, extents([letters[c] for c in out]))
    return Series("sum", call(name, *args, *labels, extents(list(letters.values()))))


def _contracted(term: str, out: str, array: Node) -> Node:
    """Return an array with the axes summed over that `out` lacks, and the others in its order."""
    gone = [k for k, c in enumerate(term) if c not in out]
    kept = [c for c in term if c in out]
    if not kept:
        return Series("sum", array) if term else array
    total = call("sum", array, axis=axis_of(gone)) if gone else array
    order = [kept.index(c) for c in out]
    return total if order == sorted(order) else call("permute", total, extents(order))


# --- randomness -------------------------------------------------------------------------------


def bits(part: Expression, args: list[Node]) -> Node:
    """Return random words under a key."""
    if not part.shape:
        return Element(call("philox", *args, extents((1,))), (whole(0),))
    return call("philox", *args, extents(part.shape))


# --- control flow -----------------------------------------------------------------------------


def controlled(part: Expression, args: list[Node]) -> Node:
    """Return an operator whose first arguments are the functions it runs, by their names."""
    functions: list[Node] = []
    keywords: dict[str, Node] = {}
    for name, value in part.params:
        if isinstance(value, (tuple, str)):
            functions += [Name(f) for f in (value if isinstance(value, tuple) else (value,))]
        elif isinstance(value, bool):
            keywords[name] = YES if value else Constant("False")
        else:
            keywords[_OPTIONS.get(name, name)] = whole(int(value))
    name = FUNCTIONS.get(part.op, part.op)
    return call(name, Items(tuple(args)), *functions, **keywords)


_OPTIONS = {"xs": "rows", "bodies": "steps"}
