"""Index notation as operations on whole arrays: w_{ij} x_i summed over i, with one axis per index.

What holds element by element is computed for all elements at once. Some subscripts (i + 1, a
diagonal a_{ii}, Kronecker's δ) have no such form; those equations are written out term by term.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from backlit.explain.equation.binding.resolve import DIMENSION, RUNNING
from backlit.explain.equation.binding.shapes import Shape, ShapeOf
from backlit.explain.equation.binding.written import rebuilt
from backlit.explain.equation.tree import (
    Binary,
    Call,
    Compare,
    Constant,
    Derivative,
    Element,
    Function,
    Items,
    Name,
    Node,
    Number,
    Power,
    Series,
    Slice,
    Unary,
)
from backlit.explain.equation.values.functions import builtin
from backlit.explain.equation.values.statics import count

_SCALAR_PRODUCTS = (" ", ".", "*")


class NoAxes(Exception):
    """An expression in indices has no form as operations on arrays."""


class Axes:
    """Turns expressions in running indices into expressions of arrays.

    Parameters
    ----------
    lengths : mapping of str to int
        How far each index goes, in the order of the axes; those that no sum binds come first.
    free : int
        How many no sum binds.
    shapes : mapping of str to shape
        Of the variables.
    named : mapping of str to int
        Numbers of the dimensions with a name.
    derivative : callable, optional
        What becomes of a derivative.
    """

    def __init__(
        self,
        lengths: Mapping[str, int],
        free: int,
        shapes: Mapping[str, Shape | None],
        named: Mapping[str, int],
        derivative: Callable[[Derivative], Node] | None = None,
    ) -> None:
        self.order = list(lengths)
        self.lengths = dict(lengths)
        self.free = self.order[:free]
        self.shapes = shapes
        self.named = named
        self.derivative = derivative

    def __call__(self, node: Node) -> Node:
        """Return the array of an expression's values, with one axis for each free index.

        Parameters
        ----------
        node : Node
            A resolved tree.

        Returns
        -------
        Node

        Raises
        ------
        NoAxes
        """
        whole = self._visit(node)
        used = {n.base for n in node.walk() if isinstance(n, Name)}
        if not set(self.free) <= used:
            # What does not depend on an index is the same for all its values.
            whole = Binary("*", whole, _call("ones", self._shape(self.order)), span=node.span)
        if not self.order:
            return whole
        return _call("reshape", whole, self._shape(self.free))

    def _shape(self, letters: Sequence[str]) -> Node:
        kept = [self.lengths[c] if c in self.free else 1 for c in letters]
        return Items(tuple([_number(n) for n in kept]))

    def _visit(self, node: Node) -> Node:
        if isinstance(node, (Number, Constant)):
            return node
        if isinstance(node, Name):
            return self._name(node)
        if isinstance(node, Element):
            return self._element(node, node.operand)
        if isinstance(node, Derivative):
            return self._derivative(node)
        if isinstance(node, Series):
            return self._series(node)
        if isinstance(node, Binary) and node.op in _SCALAR_PRODUCTS:
            return rebuilt(replace(node, op="*"), self._visit)
        plain = isinstance(node, (Unary, Power, Compare)) or (
            isinstance(node, Binary) and node.op != "@"
        )
        if plain:
            return rebuilt(node, self._visit)
        if isinstance(node, Call) and not node.keywords:
            found = builtin(node.function.name)
            if found is None or found.family == "elementwise":
                return replace(node, args=tuple([self._visit(arg) for arg in node.args]))
        raise NoAxes

    def _name(self, node: Name) -> Node:
        if node.base.startswith(DIMENSION):
            return _number(self.named[node.base[1:]])
        if node.base.startswith(RUNNING) or self.shapes.get(node.base) != ():
            raise NoAxes
        return node

    def _element(self, node: Element, operand: Node) -> Node:
        """Return a variable's elements, or their derivatives, along the axes of its subscripts."""
        if not isinstance(node.operand, Name):
            raise NoAxes
        shape = self.shapes.get(node.operand.base)
        letters = [p.base for p in node.index if isinstance(p, Name)]
        if shape is None or len(shape) != len(node.index) or len(set(letters)) < len(letters):
            raise NoAxes
        if not all(isinstance(p, (Name, Number)) for p in node.index):
            raise NoAxes
        if any(self.lengths.get(p.base) != n for p, n in _lettered(node.index, shape)):
            raise NoAxes
        whole = operand
        if len(letters) < len(node.index):
            places = tuple([p if isinstance(p, Number) else Slice() for p in node.index])
            whole = Element(whole, places, span=node.span)
        return self._along(whole, letters)

    def _along(self, whole: Node, letters: Sequence[str]) -> Node:
        ordered = sorted(letters, key=self.order.index)
        if ordered != list(letters):
            axes = Items(tuple([_number(letters.index(c)) for c in ordered]))
            whole = Call(Function("transpose"), (whole,), (("axes", axes),), span=whole.span)
        if len(letters) == len(self.order):
            return whole
        kept = [self.lengths[c] if c in letters else 1 for c in self.order]
        return _call("reshape", whole, Items(tuple([_number(n) for n in kept])))

    def _derivative(self, node: Derivative) -> Node:
        if node.second is not None or isinstance(node.target, Element):
            raise NoAxes
        if isinstance(node.target, Name) and self.shapes.get(node.target.base) != ():
            raise NoAxes
        wrt = node.wrt.operand if isinstance(node.wrt, Element) else node.wrt
        made: Node = replace(node, wrt=wrt)
        assert isinstance(made, Derivative)
        if self.derivative is not None:
            made = self.derivative(made)
        if isinstance(node.wrt, Element):
            return self._element(node.wrt, made)
        if isinstance(wrt, Name) and self.shapes.get(wrt.base) == ():
            return made
        raise NoAxes

    def _series(self, node: Series) -> Node:
        if not node.index and node.low is not None and node.high is not None:
            # Here every body stands for numbers: each so many times, or to that power.
            times = count(replace(node, low=self._visit(node.low), high=self._visit(node.high)))
            assert times is not None  # both ends are written
            factor = _number(times) if isinstance(times, Fraction) else times
            body = self._visit(node.body)
            if node.op == "sum":
                return Binary("*", body, factor, span=node.span)
            return Power(body, factor, span=node.span)
        length = self.lengths.get(node.index)
        low, high = (self._bound(part) for part in (node.low, node.high))
        if not node.index or low not in (None, 1) or high not in (None, length):
            raise NoAxes
        axis = _number(self.order.index(node.index))
        keywords = (("axis", axis), ("keepdims", Constant("True")))
        name = "sum" if node.op == "sum" else "prod"
        return Call(Function(name), (self._visit(node.body),), keywords, span=node.span)

    def _bound(self, node: Node | None) -> int | None:
        if node is None:
            return None
        if isinstance(node, Name) and node.base.startswith(DIMENSION):
            return self.named[node.base[1:]]
        if isinstance(node, Number) and node.value.denominator == 1:
            return int(node.value)
        raise NoAxes


def lengths_of(infer: ShapeOf, nodes: Sequence[Node], free: Mapping[str, int]) -> dict[str, int]:
    """Return how far all indices of some expressions go, those that no sum binds first.

    Parameters
    ----------
    infer : ShapeOf
        That has seen the expressions.
    nodes : sequence of Node
    free : mapping of str to int

    Returns
    -------
    dict of str to int

    Raises
    ------
    NoAxes
        If one letter is two indices.
    """
    found = dict(free)
    for node in (part for whole in nodes for part in whole.walk()):
        if isinstance(node, Series) and node.index:
            length = infer.range_of(node)
            if length < 1 or node.index in free or found.get(node.index, length) != length:
                raise NoAxes
            found[node.index] = length
    return found


def _lettered(index: Sequence[Node], shape: Shape) -> list[tuple[Name, int]]:
    return [(p, n) for p, n in zip(index, shape, strict=True) if isinstance(p, Name)]


def _number(n: int | Fraction) -> Number:
    return Number(Fraction(n))


def _call(name: str, *args: Node) -> Call:
    return Call(Function(name), args, span=args[0].span)
