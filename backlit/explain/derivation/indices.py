"""Equations element by element: ``Z = W X + b`` as Z_{ij} = Σ_k W_{ik} X_{kj} + b_i.

Sums without bounds run over all there is. Axes of length one get no index, so that a column of
biases is b_i.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from backlit.core.errors import BacklitError
from backlit.explain.derivation.build import is_elementwise
from backlit.explain.derivation.expression import (
    LEAF,
    NUMBER,
    ONE_HOT,
    OUTER,
    SERIES,
    Expression,
    divide,
    leaf,
    make,
    multiply,
)
from backlit.explain.derivation.sheet import Line, Sheet
from backlit.explain.equation.tree import (
    Derivative,
    Element,
    Equation,
    Name,
    Node,
    Number,
    Series,
)
from backlit.explain.notation import to_tree

# Those that Unicode has below the line come first.
_LETTERS = "ijklprsuvxqwyzabcdefgh"
_FIRST = Number(Fraction(0))
Index = tuple[Node, ...]


@dataclass(frozen=True)
class IndexedLine:
    """A line of a derivation for one element.

    Attributes
    ----------
    equation : Equation
    ranges : dict of str to int
        How far every index runs, those of the left side first.
    """

    equation: Equation
    ranges: dict[str, int]


def indexed(line: Line, derivation: Sheet) -> IndexedLine:
    """Return a line for one element.

    Parameters
    ----------
    line : Line
    derivation : Sheet
        The derivation it is from: its names are not used as indices.

    Returns
    -------
    IndexedLine

    Raises
    ------
    OutOfLettersError
        If it has too many sums, as where a weight is used at many places.
    """
    indexing = Indexing.of(derivation)
    index = tuple([indexing.letter(n) for n in line.shape])
    left = indexing.placed(line.left, line.shape, index)
    right = to_tree(indexing.element(line.expression, index))
    return IndexedLine(Equation(left, right), indexing.ranges)


class OutOfLettersError(BacklitError, RuntimeError):
    """A line has more sums than there are letters for indices."""


class Indexing:
    """Indices under way; every letter is used once."""

    def __init__(self, loss: Name, letters: Sequence[str]) -> None:
        self._loss = loss
        self._letters = iter(letters)
        self.ranges: dict[str, int] = {}

    @classmethod
    def of(cls, derivation: Sheet) -> Indexing:
        """Return indices that are no names of a derivation."""
        taken = {name.partition("[")[0] for name in derivation.shapes} | {"e", "d"}
        return cls(derivation.target, [k for k in _LETTERS if k not in taken])

    def placed(self, node: Node, shape: Sequence[int], index: Index) -> Node:
        """Return an element of what a node stands for; axes of length one go without saying."""
        kept = index
        if len(shape) <= 2:
            kept = tuple([part for part, n in zip(index, shape, strict=True) if n != 1])
        if not kept:
            return node
        if isinstance(node, Name):
            return replace(node, index=kept)
        if isinstance(node, Derivative):
            # Of the loss, which is one number, or the tangent of an array.
            if isinstance(node.target, Name) and node.target != self._loss:
                return replace(node, target=replace(node.target, index=kept))
            if isinstance(node.wrt, Name):
                return replace(node, wrt=replace(node.wrt, index=kept))
        return Element(node, index)

    def letter(self, extent: int) -> Node:
        """Return a new index, or the only place along an axis of length one."""
        if extent == 1:
            return _FIRST
        letter = next(self._letters, None)
        if letter is None:
            raise OutOfLettersError("more sums than there are letters for their indices")
        self.ranges[letter] = extent
        return Name(letter)

    def element(self, part: Expression, index: Index) -> Expression:
        """Return one element of an expression, as an expression of numbers."""
        if part.op == NUMBER or not part.shape and part.op == LEAF:
            return part
        if part.op == LEAF:
            return leaf(self.placed(part.param("node"), part.shape, index), ())
        rule = _RULES.get(part.op)
        if rule is not None:
            found: Expression | None = rule(self, part, index)
            if found is not None:
                return found
        if is_elementwise(part.op) or part.op == "slope":
            args = [self.element(a, _aligned(a, part, index)) for a in part.args]
            return make(part.op, *args, shape=(), **dict(part.params))
        return leaf(self.placed(to_tree(part), part.shape, index), ())

    def summed(self, body: Callable[[Index], Expression], extents: Sequence[int]) -> Expression:
        """Return Σ over new indices."""
        letters = tuple([self.letter(n) for n in extents])
        total = body(letters)
        for letter in reversed(letters):
            if isinstance(letter, Name):
                total = make(SERIES, total, shape=(), index=letter.base)
        return total

    # --- operations ---------------------------------------------------------------------------

    def _matmul(self, part: Expression, index: Index) -> Expression | None:
        left, right = part.args
        if len(left.shape) > 2 or len(right.shape) > 2:
            return None
        row = index[:1] if len(left.shape) == 2 else ()
        column = index[len(row) :]

        def body(k: Index) -> Expression:
            return multiply(self.element(left, (*row, *k)), self.element(right, (*k, *column)))

        return self.summed(body, (left.shape[-1],))

    def _sum(self, part: Expression, index: Index) -> Expression:
        operand, axes = part.args[0], part.param("axes")
        rest = iter(index)
        if part.param("keepdims"):
            rest = iter([place for k, place in enumerate(index) if k not in axes])

        def body(ks: Index) -> Expression:
            inside, mine = iter(ks), []
            for axis in range(len(operand.shape)):
                mine.append(next(inside) if axis in axes else next(rest))
            return self.element(operand, tuple(mine))

        return self.summed(body, [operand.shape[k] for k in axes])

    def _transpose(self, part: Expression, index: Index) -> Expression:
        axes = part.param("axes")
        place = {axis: index[k] for k, axis in enumerate(axes)}
        return self.element(part.args[0], tuple([place[k] for k in range(len(axes))]))

    def _broadcast_to(self, part: Expression, index: Index) -> Expression:
        return self.element(part.args[0], _aligned(part.args[0], part, index))

    def _reshape(self, part: Expression, index: Index) -> Expression | None:
        operand = part.args[0]
        long = [place for place, n in zip(index, part.shape, strict=True) if n != 1]
        if [n for n in part.shape if n != 1] != [n for n in operand.shape if n != 1]:
            return None
        rest = iter(long)
        return self.element(
            operand, tuple([_FIRST if n == 1 else next(rest) for n in operand.shape])
        )

    def _outer(self, part: Expression, index: Index) -> Expression:
        first, second = part.args
        return multiply(self.element(first, index[:1]), self.element(second, index[1:]))

    def _one_hot(self, part: Expression, index: Index) -> Expression:
        label = self.element(part.args[0], index[:-1])
        return make("equal", label, leaf(index[-1], ()), shape=())

    def _softmax(self, part: Expression, index: Index) -> Expression:
        operand, axes = part.args[0], part.param("axes")
        top = make("exp", self.element(operand, index), shape=())
        return divide(top, self._exponentials(operand, axes, index))

    def _log_softmax(self, part: Expression, index: Index) -> Expression:
        operand, axes = part.args[0], part.param("axes")
        total = make("log", self._exponentials(operand, axes, index), shape=())
        return make("subtract", self.element(operand, index), total, shape=())

    def _exponentials(self, operand: Expression, axes: Sequence[int], index: Index) -> Expression:
        def body(ks: Index) -> Expression:
            inside = iter(ks)
            mine = [next(inside) if k in axes else place for k, place in enumerate(index)]
            return make("exp", self.element(operand, tuple(mine)), shape=())

        return self.summed(body, [operand.shape[k] for k in axes])

    def _getitem(self, part: Expression, index: Index) -> Expression | None:
        """Return an element of an element: only whole axes, numbers and arrays of places."""
        operand, arrays = part.args[0], part.args[1:]
        if operand.op != LEAF or any(len(a.shape) != 1 for a in arrays):
            return None
        kinds = part.param("parts")
        if any(p[0] not in "ia" and p != ("s", None, None, None) for p in kinds):
            return None
        if sum(p[0] == "a" for p in kinds) > 1 and not _neighbours(kinds):
            return None
        rest = iter(index)
        shared: Node | None = None
        mine: list[Node] = []
        for kind, *values in kinds:
            if kind == "i":
                mine.append(Number(Fraction(values[0])))
            elif kind == "s":
                mine.append(next(rest))
            else:
                shared = next(rest) if shared is None else shared
                array = arrays[values[0]]
                counting = array.op == LEAF and array.param("counting") is not None
                place = shared if counting else to_tree(self.element(array, (shared,)))
                mine.append(place)
        mine += list(rest)
        if any(isinstance(place, Number) and place.value < 0 for place in mine):
            return None
        return leaf(self.placed(operand.param("node"), operand.shape, tuple(mine)), ())


def _neighbours(parts: Sequence[tuple[Any, ...]]) -> bool:
    places = [k for k, part in enumerate(parts) if part[0] in "ia"]
    return places[-1] - places[0] < len(places)


def _aligned(operand: Expression, whole: Expression, index: Index) -> Index:
    """Return the index of the element that broadcasting puts at `index`."""
    mine = index[len(whole.shape) - len(operand.shape) :]
    return tuple([_FIRST if n == 1 else k for k, n in zip(mine, operand.shape, strict=True)])


_RULES: dict[str, Callable[[Indexing, Expression, Index], Expression | None]] = {
    "matmul": Indexing._matmul,
    "sum": Indexing._sum,
    "transpose": Indexing._transpose,
    "broadcast_to": Indexing._broadcast_to,
    "reshape": Indexing._reshape,
    OUTER: Indexing._outer,
    ONE_HOT: Indexing._one_hot,
    "softmax": Indexing._softmax,
    "log_softmax": Indexing._log_softmax,
    "getitem": Indexing._getitem,
}


def with_ranges(node: Node, ranges: dict[str, int]) -> Node:
    """Return an indexed equation with the range of every sum and elements counted from 0.

    Parameters
    ----------
    node : Node
    ranges : dict of str to int

    Returns
    -------
    Node
        What `equation.values.evaluate` takes.
    """

    def change(part: Node) -> Node:
        if isinstance(part, Series) and part.index:
            last = Number(Fraction(ranges[part.index] - 1))
            return replace(part, low=_FIRST, high=last)
        if isinstance(part, Name) and part.index:
            return Element(replace(part, index=()), part.index)
        return part

    return node.map(change)
