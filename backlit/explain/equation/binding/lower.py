"""The last step before numbers: sums over indices written out, dimensions and targets filled in.

What comes out is the bound tree: every variable one symbol, every subscript a number.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from backlit.explain.equation.binding.axes import Axes, NoAxes, lengths_of
from backlit.explain.equation.binding.names import BindingError
from backlit.explain.equation.binding.powers import Powers, repeated
from backlit.explain.equation.binding.resolve import DIMENSION, IDENTITY, RUNNING
from backlit.explain.equation.binding.shapes import Shape, ShapeOf
from backlit.explain.equation.binding.written import rebuilt
from backlit.explain.equation.tree import (
    Binary,
    Call,
    Compare,
    Derivative,
    Element,
    Function,
    Items,
    Name,
    Node,
    Number,
    Power,
    Series,
    Unary,
)
from backlit.explain.equation.values.functions import ALIASES
from backlit.explain.equation.values.statics import rational

_MOST_TERMS = 2_000
Indices = Mapping[str, int]


class Lowering:
    """Turns resolved trees into bound ones.

    Parameters
    ----------
    infer : ShapeOf
        Over shapes whose dimensions are all numbers.
    named : mapping of str to int
        Numbers of the dimensions with a name.
    derivative : callable, optional
        What becomes of a derivative, once what is in it is bound.
    lenient : bool
        Whether arrays of one shape side by side, ``Y log A``, are multiplied element by element
        where they have no matrix product: in definitions, which are not judged.
    softmax_axis : callable, optional
        The axis of a softmax without one, by the shape of its argument.
    powers : Powers, optional
        Which powers of a square matrix are products of matrices.
    """

    def __init__(
        self,
        infer: ShapeOf,
        named: Mapping[str, int],
        *,
        derivative: Callable[[Derivative], Node] | None = None,
        lenient: bool = False,
        softmax_axis: Callable[[Node, Shape], int | None] | None = None,
        powers: Powers | None = None,
    ) -> None:
        self.infer = infer
        self.named = named
        self.derivative = derivative
        self.lenient = lenient
        self.softmax_axis = softmax_axis
        self.powers = powers or Powers(written=False)
        self.terms = 0
        self.relaxed: list[Binary] = []
        self._of_matrices: set[int] = set()

    def __call__(self, node: Node, indices: Indices | None = None) -> Node:
        """Return the bound tree.

        Parameters
        ----------
        node : Node
            A resolved tree whose shape has been inferred, so that the ranges of sums are known.
        indices : mapping of str to int, optional
            The running indices that no sum binds, counted from 0.

        Returns
        -------
        Node

        Raises
        ------
        BindingError
            If a subscript falls outside its array, or there are too many terms.
        """
        self._of_matrices = self.powers.of_matrices(node, self.infer)
        return self._lower(node, dict(indices or {}))

    def by_axes(self, nodes: Sequence[Node], free: Mapping[str, int]) -> list[Node]:
        """Return bound trees of whole arrays for expressions in running indices.

        Parameters
        ----------
        nodes : sequence of Node
            Resolved trees whose shapes have been inferred.
        free : mapping of str to int
            Indices that no sum binds, and how far they go.

        Returns
        -------
        list of Node
            With one axis for each free index.

        Raises
        ------
        NoAxes
            If they have no such form, or there are no indices.
        """
        lengths = lengths_of(self.infer, nodes, free)
        if not lengths:
            raise NoAxes
        shapes = self.infer.shapes
        axes = Axes(lengths, len(free), shapes, self.named, self.derivative)
        return [axes(node) for node in nodes]

    def _lower(self, node: Node, indices: dict[str, int]) -> Node:
        if isinstance(node, Name):
            return self._name(node, indices)
        if isinstance(node, Series) and node.index:
            return self._series(node, indices)
        lowered = rebuilt(node, lambda child: self._lower(child, indices))
        if isinstance(lowered, Element):
            return replace(lowered, index=tuple([_place(part) for part in lowered.index]))
        if isinstance(lowered, Compare):
            return _compared(lowered)
        if isinstance(lowered, Derivative) and self.derivative is not None:
            return self.derivative(lowered)
        if isinstance(lowered, Call):
            return self._call(node, lowered)
        if isinstance(lowered, Power) and _whole(lowered.exponent) == -1:
            return self._inverse(node, lowered)
        if isinstance(lowered, Power) and id(node) in self._of_matrices:
            return repeated(lowered.base, lowered.exponent)
        if self.lenient and isinstance(lowered, Binary) and lowered.op == " ":
            return self._side_by_side(node, lowered)
        return lowered

    def _name(self, node: Name, indices: Indices) -> Node:
        if node.base.startswith(RUNNING):
            if node.base not in indices:
                raise BindingError(
                    f"the index {node.base[1:]} runs over nothing here",
                    node.span,
                    fix="write the number of the element, or sum over it",
                )
            return Number(Fraction(indices[node.base]), span=node.span)
        if node.base.startswith(DIMENSION):
            return Number(Fraction(self.named[node.base[1:]]), span=node.span)
        return node

    def _series(self, node: Series, indices: dict[str, int]) -> Node:
        length = self.infer.range_of(node)
        low = 0 if node.low is None else _bound(self._lower(node.low, indices), node) - 1
        high = None if node.high is None else _bound(self._lower(node.high, indices), node)
        if high is None:
            if length < 1:
                raise BindingError(
                    f"how far {node.index[1:]} runs is not known",
                    node.span,
                    fix="write the range, or give the array a header line",
                )
            high = length
        counts = _counts_places(node)
        if counts and (low < 0 or 1 <= length < high):
            raise BindingError(f"{node.index[1:]} runs beyond the array", node.span)
        self.terms += high - low
        if self.terms > _MOST_TERMS:
            raise BindingError(f"more than {_MOST_TERMS} terms: exceeds a cap", node.span)
        op = "+" if node.op == "sum" else "*"
        terms = [self._lower(node.body, {**indices, node.index: k}) for k in range(low, high)]
        return _balanced(op, terms, node)

    def _call(self, node: Node, lowered: Call) -> Node:
        if lowered == IDENTITY:
            return self._identity(lowered)
        name = ALIASES.get(lowered.function.name, lowered.function.name)
        given = any(word == "axis" for word, _ in lowered.keywords) or len(lowered.args) > 1
        if name not in ("softmax", "log_softmax") or given or self.softmax_axis is None:
            return lowered
        assert isinstance(node, Call)
        shape = self.infer(node.args[0])
        axis = None if shape is None else self.softmax_axis(node.args[0], shape)
        if axis is None:
            return lowered
        return replace(lowered, keywords=(("axis", Number(Fraction(axis))),))

    def _identity(self, node: Call) -> Node:
        size = self.infer.dimensions.find(self.infer.letter(DIMENSION))
        if size < 1:
            raise BindingError(
                "the size of the identity matrix I is not known", node.span, fix="write eye(n)"
            )
        return replace(node, args=(Number(Fraction(size)),))

    def _inverse(self, node: Node, lowered: Power) -> Node:
        """Return the inverse where a square matrix has the exponent −1."""
        assert isinstance(node, Power)
        shape = self.infer(node.base)
        if shape is None or len(shape) != 2 or shape[0] != shape[1] or shape[0] == 1:
            return lowered
        return Call(Function("inv"), (lowered.base,), span=lowered.span)

    def _side_by_side(self, node: Node, lowered: Binary) -> Node:
        assert isinstance(node, Binary)
        if _vectors_in_a_row(node, self.infer):
            return _by_element(lowered)
        left, right = self.infer(node.left), self.infer(node.right)
        if left is None or right is None or len(left) < 2 or left != right:
            return lowered
        if left[-1] == right[-2]:
            return lowered
        self.relaxed.append(node)
        return replace(lowered, op="*")


def _by_element(node: Node) -> Node:
    if isinstance(node, Binary) and node.op == " ":
        return replace(node, op="*", left=_by_element(node.left))
    return node


def _vectors_in_a_row(node: Binary, infer: ShapeOf) -> bool:
    """Tell whether a product begins one of three vectors or more, (y − t) y (1 − y)."""
    factors: list[Node] = [node]
    while isinstance(factors[0], Binary) and factors[0].op == " ":
        factors[:1] = [factors[0].left, factors[0].right]
    shapes = [shape for shape in map(infer, factors) if shape != ()]
    first = shapes[0] if shapes else None
    is_row = first is not None and len(first) == 1 and all(shape == first for shape in shapes)
    return is_row and len(shapes) > 2


def stacked(lower: Lowering, node: Node, letters: Sequence[str]) -> Node:
    """Return ``z_j = …`` for all j as one array.

    Parameters
    ----------
    lower : Lowering
    node : Node
        The right side.
    letters : sequence of str
        Running indices of the left side.

    Returns
    -------
    Node
    """

    lengths = {
        letter: lower.infer.dimensions.find(lower.infer.letters[letter]) for letter in letters
    }
    try:
        return lower.by_axes([node], lengths)[0]
    except NoAxes:
        pass

    def level(depth: int, indices: dict[str, int]) -> Node:
        if depth == len(letters):
            return lower(node, indices)
        rows = [
            level(depth + 1, {**indices, letters[depth]: k}) for k in range(lengths[letters[depth]])
        ]
        return Items(tuple(rows), span=node.span)

    return level(0, {})


def all_indices(lengths: Mapping[str, int]) -> list[dict[str, int]]:
    """Return every choice of values for running indices.

    Parameters
    ----------
    lengths : mapping of str to int

    Returns
    -------
    list of dict of str to int

    Examples
    --------
    >>> all_indices({"@i": 2, "@j": 1})
    [{'@i': 0, '@j': 0}, {'@i': 1, '@j': 0}]
    """
    ranges = [range(n) for n in lengths.values()]
    return [dict(zip(lengths, values, strict=True)) for values in itertools.product(*ranges)]


def _balanced(op: str, terms: Sequence[Node], series: Series) -> Node:
    """Return a sum or product of many terms as a tree that is not deep."""
    if not terms:
        return Number(Fraction(op == "*"), span=series.span)
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    left, right = (_balanced(op, part, series) for part in (terms[:half], terms[half:]))
    return Binary(op, left, right, span=series.span)


def _place(part: Node) -> Node:
    """Return a subscript as the number it comes to."""
    number = _whole(part)
    if number is None or isinstance(part, Unary):
        return part  # Python's x[-1] counts from the end.
    if number < 0:
        raise BindingError("a subscript before the first element", part.span)
    return Number(number, span=part.span)


def whole_at(node: Node, indices: Indices) -> int | None:
    """Return what a subscript comes to where its running indices have some values.

    Parameters
    ----------
    node : Node
    indices : mapping of str to int

    Returns
    -------
    int or None
        None where it is no whole number.
    """

    def change(part: Node) -> Node:
        if isinstance(part, Name) and part.base in indices:
            return Number(Fraction(indices[part.base]))
        return part

    found = _whole(node.map(change))
    return None if found is None or found.denominator != 1 else int(found)


def _counts_places(series: Series) -> bool:
    """Tell whether the index of a sum stands in a subscript, not only as a number."""
    return any(
        isinstance(name, Name) and name.base == series.index
        for part in series.body.walk()
        if isinstance(part, Element)
        for place in part.index
        for name in place.walk()
    )


def _bound(node: Node, series: Series) -> int:
    number = _whole(node)
    if number is None or number.denominator != 1:
        raise BindingError(f"how far {series.index[1:]} runs is not known", series.span)
    return int(number)


def _whole(node: Node) -> Fraction | None:
    if isinstance(node, Number):
        return node.value
    if isinstance(node, Unary):
        inner = _whole(node.operand)
        return None if inner is None else -inner
    if isinstance(node, Binary) and node.op in ("+", "-", " ", "*"):
        left, right = _whole(node.left), _whole(node.right)
        if left is None or right is None:
            return None
        return {"+": left + right, "-": left - right}.get(node.op, left * right)
    if isinstance(node, Power):
        return rational(node)
    return None


def _compared(node: Compare) -> Node:
    left, right = _whole(node.left), _whole(node.right)
    if left is None or right is None or node.op not in ("==", "!="):
        return node
    return Number(Fraction(int((left == right) == (node.op == "=="))), span=node.span)
