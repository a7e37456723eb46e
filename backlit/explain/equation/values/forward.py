"""Derivatives in any arithmetic, by running a program on dual numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as onp

from backlit.explain.equation.tree import Node
from backlit.explain.equation.values.arithmetic import Arithmetic, Array
from backlit.explain.equation.values.duals import Dual, Duals
from backlit.explain.equation.values.evaluate import Layout
from backlit.explain.equation.values.precise import Precise
from backlit.explain.equation.values.scopes import Functions, Place, Scope

if TYPE_CHECKING:
    from backlit.explain.equation.values.program import Program


class Forward(Scope):
    """A scope whose derivatives are tangents: one run per variable moves all its elements.

    Parameters
    ----------
    program : Program
    arithmetic : Arithmetic
    leaves : mapping of str to array
    functions : callable
    """

    def __init__(
        self,
        program: Program,
        arithmetic: Arithmetic,
        leaves: Mapping[str, Array],
        functions: Functions,
    ) -> None:
        super().__init__(program, arithmetic, leaves, functions)
        self._moved: dict[str, _Moved] = {}

    def moved(self, wrt: str) -> _Moved:
        """Return the program on dual numbers, with all elements of a variable moving."""
        if wrt not in self._moved:
            self._moved[wrt] = _Moved(self, wrt)
        return self._moved[wrt]

    def rows(self, target: str, wrt: str, places: Sequence[Place]) -> Array:
        """Return derivatives of elements of a variable."""
        shape = self.program.shape(wrt)
        columns = self._columns(self.moved(wrt).value(target), target, prod(shape))
        parts = [_picked(columns, k) for k in places]
        return self.arithmetic.concatenate(parts, 0).reshape((len(places), *shape))

    def second_rows(
        self, target: str, place: Place, wrt: str, second: str, places: Sequence[Place]
    ) -> Array:
        """Return derivatives, with respect to `second`, of elements of one row."""
        shape = self.program.shape(second)
        row = self.moved(second).rows(target, wrt, (place,))
        columns = self._columns(row, wrt, prod(shape))
        parts = [_picked(columns, k) for k in places]
        return self.arithmetic.concatenate(parts, 0).reshape((len(places), *shape))

    def _columns(self, dual: Dual, of: str, directions: int) -> Array:
        """Return the tangents of a dual, one row per direction."""
        shape = self.program.shape(of)
        tangent = dual.tangent
        if tangent is None:
            return self.arithmetic.integers(onp.zeros((directions, prod(shape)), int))
        return tangent.reshape((directions, prod(shape)))


def _picked(columns: Array, place: Place) -> Array:
    """Return the derivative of one element in every direction, or of the sum of all."""
    if place is None:
        return columns.sum(axis=(1,), keepdims=True).transpose((1, 0))
    return columns[:, place : place + 1].transpose((1, 0))


class _Moved(Forward):
    """A program on dual numbers over another scope's, one variable of which moves."""

    def __init__(self, below: Forward, wrt: str) -> None:
        duals = Duals(below.arithmetic)
        super().__init__(below.program, duals, {}, below.functions)
        self.below = below
        self.wrt = wrt
        # One direction per element, in which that element alone moves.
        shape = below.program.shape(wrt)
        directions = onp.eye(prod(shape), dtype=int).reshape((-1, *shape))
        self._tangent = below.arithmetic.integers(directions)

    def _computed(self, symbol: str) -> Any:
        if not self.program.depends(symbol, self.wrt):
            return Dual(self.below.value(symbol), None)
        if symbol == self.wrt:
            return Dual(self.below.value(symbol), self._tangent)
        return super()._computed(symbol)


def precise(point: Scope, node: Node, layout: Layout = "elementwise", digits: int = 60) -> Any:
    """Return the value of an expression at a point with many digits.

    Parameters
    ----------
    point : Scope
        In double precision; its leaves are taken to be exact.
    node : Node
    layout : {"elementwise", "numerator", "denominator"}
    digits : int
        Of every number on the way.

    Returns
    -------
    array of Decimal

    Raises
    ------
    EvaluationFault
        If it has no value.
    """
    arithmetic = Precise(digits)
    with arithmetic.context():
        leaves = {s: arithmetic.array(point.leaves[s]) for s in point.program.leaves}
        return (
            Forward(point.program, arithmetic, leaves, point.functions).evaluate(node, layout).items
        )
