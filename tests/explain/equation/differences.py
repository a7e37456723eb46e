"""Central differences with so many digits that they are right to half of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import prod
from typing import Any

import numpy as np

from backlit.explain.equation.tree import Node
from backlit.explain.equation.values.arithmetic import Array
from backlit.explain.equation.values.precise import Decimals, Precise
from backlit.explain.equation.values.program import Program
from backlit.explain.equation.values.scopes import Functions, Offsets, Place, Scope

# A first derivative is then right to some 60 digits, a second one to some 50.
_DIGITS, _STEP = 120, Decimal("1e-30")


class Differences(Scope):
    """Values with many digits, derivatives by central differences.

    Parameters
    ----------
    program : Program
    arithmetic : Precise
    leaves : mapping of str to Decimals
    functions : callable
    offsets : mapping of str to sequence of Decimals
    unmoved : (Scope, str), optional
    """

    def __init__(
        self,
        program: Program,
        arithmetic: Precise,
        leaves: Mapping[str, Decimals],
        functions: Functions,
        offsets: Offsets | None = None,
        unmoved: tuple[Scope, str] | None = None,
    ) -> None:
        super().__init__(program, arithmetic, leaves, functions, offsets, unmoved)
        self._steps: dict[tuple[str, int], tuple[Scope, Scope]] = {}

    def rows(self, target: str, wrt: str, places: Sequence[Place]) -> Array:
        """Return derivatives of elements of a variable."""
        shape = self.program.shape(wrt)
        columns = [
            self._difference(wrt, k, lambda scope: scope.value(target)) for k in range(prod(shape))
        ]
        return _rows(columns, places, shape)

    def second_rows(
        self, target: str, place: Place, wrt: str, second: str, places: Sequence[Place]
    ) -> Array:
        """Return derivatives, with respect to `second`, of elements of one row."""
        shape = self.program.shape(second)
        columns = [
            self._difference(second, k, lambda scope: scope.rows(target, wrt, (place,)))
            for k in range(prod(shape))
        ]
        return _rows(columns, places, shape)

    def _difference(self, wrt: str, k: int, result: Any) -> Array:
        """Return the derivative of a result with respect to one element, as a flat array."""
        if (wrt, k) not in self._steps:
            shape = self.program.shape(wrt)
            step = np.full(prod(shape), Decimal(0), dtype=object)
            step[k] = _STEP
            moved = Decimals(step.reshape(shape))
            self._steps[wrt, k] = self.shifted(wrt, moved), self.shifted(wrt, -moved)
        up, down = self._steps[wrt, k]
        return np.ravel((result(up) - result(down)).items) / (2 * _STEP)


def _rows(columns: Sequence[Any], places: Sequence[Place], shape: tuple[int, ...]) -> Decimals:
    jacobian = np.stack(columns, axis=1)
    picked = [jacobian.sum(axis=0) if k is None else jacobian[k] for k in places]
    return Decimals(np.stack(picked).reshape((len(places), *shape)))


def central(point: Scope, node: Node, layout: Any = "elementwise") -> Any:
    """The value of an expression at a point, its derivatives by central differences."""
    arithmetic = Precise(_DIGITS)
    with arithmetic.context():
        leaves = {s: arithmetic.array(point.leaves[s]) for s in point.program.leaves}
        scope = Differences(point.program, arithmetic, leaves, point.functions)
        return scope.evaluate(node, layout).items
