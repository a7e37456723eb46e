"""The value of one element of an equation with indices, an axis of an array for every index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as onp

from backlit.core.primitive import registry
from backlit.core.tracer import bind
from backlit.explain.derivation.checking import Values, numbers_of
from backlit.explain.derivation.expression import LEAF, NUMBER, SERIES, Expression
from backlit.explain.equation.tree import Derivative, Name, Node, Number

# Of one sum that is worked out.
_MOST_NUMBERS = 2_000_000


class Unknown(Exception):
    """An operation that is not treated element by element."""


class Grid:
    """The value of an element of an expression: all terms of a sum at once.

    Parameters
    ----------
    values : Values
    ranges : mapping of str to int
        How far every index runs.
    fixed : mapping of str to int
        Indices that stand for one place.
    delta : str
        What δ is called.
    """

    def __init__(
        self, values: Values, ranges: Mapping[str, int], fixed: Mapping[str, int], delta: str
    ) -> None:
        self._values, self._delta = values, delta
        self._ranges = {letter: n for letter, n in ranges.items() if letter not in fixed}
        self._axes = {letter: axis for axis, letter in enumerate(self._ranges)}
        self._fixed = fixed

    def of(self, part: Expression) -> Any:
        """Return the value, of a sum with an axis of length one for its index."""
        if part.op == LEAF:
            return self._leaf(part.param("node"))
        if part.op == NUMBER:
            return float(part.param("value"))
        args = [self.of(a) for a in part.args]
        if part.op == SERIES:
            axis = self._axes[part.param("index")]
            inside = onp.asarray(args[0])
            if inside.ndim <= axis or inside.shape[axis] == 1:  # the same for every index
                return inside * self._ranges[part.param("index")]
            return onp.sum(inside, axis=axis, keepdims=True)
        if onp.prod(onp.broadcast_shapes(*[onp.shape(a) for a in args])) > _MOST_NUMBERS:
            raise Unknown
        return bind(registry[part.op], *args, **dict(part.params))

    def _leaf(self, node: Node) -> Any:
        if isinstance(node, Number) or (isinstance(node, Name) and self._is_index(node)):
            return self._place(node) * 1.0
        if isinstance(node, Name):
            index = [self._place(k) for k in node.index]
            if node.base == self._delta:
                return onp.equal(*index).astype(float)
            return self._element(replace(node, index=()), index)
        if isinstance(node, Derivative) and isinstance(node.wrt, Name):
            index = [self._place(k) for k in node.wrt.index]
            return self._element(replace(node, wrt=replace(node.wrt, index=())), index)
        raise Unknown

    def _element(self, node: Node, index: Sequence[Any]) -> Any:
        array = numbers_of(self._values.of(node))
        if len(index) != array.ndim:  # an axis of length one has no index
            array = array.reshape([n for n in array.shape if n != 1])
        return array[tuple(index)]

    def _is_index(self, node: Name) -> bool:
        return not node.index and (node.base in self._fixed or node.base in self._axes)

    def _place(self, node: Node) -> Any:
        if isinstance(node, Number):
            return int(node.value)
        if not isinstance(node, Name) or not self._is_index(node):
            raise Unknown
        if node.base in self._fixed:
            return self._fixed[node.base]
        shape = [1] * len(self._axes)
        shape[self._axes[node.base]] = -1
        return onp.arange(self._ranges[node.base]).reshape(shape)
