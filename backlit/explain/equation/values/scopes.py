"""The variables of a program with their values and derivatives in one arithmetic.

A derivative is asked for by rows: row k is the derivative of element k of the target, in the shape
of the variable. How rows are found differs from one arithmetic to the next; how they are laid out
is said here, once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as onp
from numpy.typing import NDArray

from backlit.explain.equation import tree
from backlit.explain.equation.tree import Node
from backlit.explain.equation.values.arithmetic import Arithmetic, Array, Shape
from backlit.explain.equation.values.builtin import room
from backlit.explain.equation.values.evaluate import (
    EvaluationFault,
    Layout,
    ShapeFault,
    evaluate,
)
from backlit.explain.equation.values.jacobians import has_matrix, laid_out
from backlit.explain.equation.values.statics import place

if TYPE_CHECKING:
    from backlit.explain.equation.values.program import Program

Functions = Callable[[str], Callable[..., Array]]
Offsets = Mapping[str, Sequence[Array]]
Numbers = NDArray[onp.int64]
Place = int | None
"""Number of an element in C order; None stands for the sum of all elements."""


class Scope:
    """Values of a program's variables.

    Parameters
    ----------
    program : Program
    arithmetic : Arithmetic
    leaves : mapping of str to array
    functions : callable
        ``functions(name)`` stands in for a function of the student's own.
    offsets : mapping of str to sequence of array
        What is added to variables: the zeros, or steps, that derivatives are taken in.
    unmoved : (Scope, str), optional
        A scope that differs only by its offset to a variable: what does not depend on that is
        taken from there.
    """

    def __init__(
        self,
        program: Program,
        arithmetic: Arithmetic,
        leaves: Mapping[str, Array],
        functions: Functions,
        offsets: Offsets | None = None,
        unmoved: tuple[Scope, str] | None = None,
    ) -> None:
        self.program = program
        self.arithmetic = arithmetic
        self.leaves = dict(leaves)
        self.functions = functions
        self.offsets = {symbol: tuple(parts) for symbol, parts in (offsets or {}).items()}
        self._unmoved = unmoved
        self._values: dict[str, Array] = {}

    def shifted(self, symbol: str, step: Array) -> Scope:
        """Return this scope with a step added to a variable.

        Parameters
        ----------
        symbol : str
        step : array

        Returns
        -------
        Scope
        """
        offsets = {**self.offsets, symbol: (*self.offsets.get(symbol, ()), step)}
        around = (self, symbol)
        return type(self)(
            self.program, self.arithmetic, self.leaves, self.functions, offsets, around
        )

    # --- values -----------------------------------------------------------------------------------

    def value(self, symbol: str) -> Array:
        """Return the value of a variable, computing what it needs first.

        Parameters
        ----------
        symbol : str

        Returns
        -------
        array

        Raises
        ------
        EvaluationFault
            If its definition, or one that it needs, has no value: the attribute `symbol` says
            which.
        """
        if symbol not in self._values:
            for other in self.program.above(symbol):
                if other not in self._values:
                    self._values[other] = self._computed(other)
            self._values[symbol] = self._computed(symbol)
        return self._values[symbol]

    def _computed(self, symbol: str) -> Array:
        if self._unmoved is not None and not self.program.depends(symbol, self._unmoved[1]):
            return self._unmoved[0].value(symbol)
        if symbol in self.leaves:
            value = self.leaves[symbol]
        elif symbol in self.program.definitions:
            try:
                value = evaluate(self.program.definitions[symbol], self, self.arithmetic)
            except EvaluationFault as fault:
                fault.symbol = fault.symbol or symbol
                raise
        else:
            raise EvaluationFault(f"{symbol} is not a variable of these definitions")
        for offset in self.offsets.get(symbol, ()):
            value = value + offset
        return value

    def function(self, name: str, order: int) -> Callable[..., Array]:
        """Return a function of the student's own, differentiated `order` times."""

        def call(*xs: Array) -> Array:
            if order and len(xs) > 1:
                raise EvaluationFault(
                    f"{name}′ of several arguments does not say in which it is differentiated"
                )
            return self.functions(name)(self.arithmetic, order, *xs)

        return call

    def evaluate(self, node: Node, layout: Layout = "elementwise") -> Array:
        """Return the value of an expression.

        Parameters
        ----------
        node : Node
            A bound tree over the variables of the program.
        layout : {"elementwise", "numerator", "denominator"}
            Of derivatives of arrays, as for `equation.evaluate.evaluate`.

        Returns
        -------
        array

        Raises
        ------
        EvaluationFault
            If it has none.
        """
        return evaluate(node, self, self.arithmetic, layout)

    # --- derivatives ------------------------------------------------------------------------------

    def diagonal(self, target: str, wrt: str) -> bool:
        """Tell whether each element of a variable depends on that at its place in another only."""
        return self.program.diagonal(target, wrt)

    def rows(self, target: str, wrt: str, places: Sequence[Place]) -> Array:
        """Return derivatives of elements of a variable.

        Parameters
        ----------
        target, wrt : str
        places : sequence of int or None

        Returns
        -------
        array, shape (len(places), \\*shape of wrt)
        """
        raise TypeError(f"{type(self).__name__} has no derivatives")

    def second_rows(
        self, target: str, place: Place, wrt: str, second: str, places: Sequence[Place]
    ) -> Array:
        """Return derivatives, with respect to `second`, of elements of one row.

        Parameters
        ----------
        target : str
        place : int or None
            Which row.
        wrt, second : str
        places : sequence of int or None
            Elements of `wrt`.

        Returns
        -------
        array, shape (len(places), \\*shape of second)
        """
        raise TypeError(f"{type(self).__name__} has no second derivatives")

    def derivative(
        self, target: str | Node, wrt: str | Node, layout: Layout = "elementwise"
    ) -> Array:
        """Return a derivative, laid out.

        Parameters
        ----------
        target, wrt : str or Node
            A variable, by its symbol or as a `Name`, or an `Element` of one.
        layout : {"elementwise", "numerator", "denominator"}

        Returns
        -------
        array
            Of a scalar: in the shape of the variable. With respect to a scalar: in the shape of
            the target.

        Raises
        ------
        ShapeFault
            If the Jacobian does not have the layout.
        """
        above = tree.Name(target) if isinstance(target, str) else target
        below = tree.Name(wrt) if isinstance(wrt, str) else wrt
        return self.differentiated(tree.Derivative(above, below), layout)

    def differentiated(self, node: tree.Derivative, layout: Layout = "elementwise") -> Array:
        """Return what a derivative node stands for; see `derivative`."""
        target, of = self._variable(node.target, node)
        wrt, by = self._variable(node.wrt, node)
        if node.second is not None:
            return self._second(target, of, wrt, by, node)
        long = has_matrix(of.shape, by.shape)
        if of.size > 1 and layout == "elementwise" and by.size > 1:
            if self._is_diagonal(target, of, wrt, by):
                return self.rows(target, wrt, (None,))[0]
            if not long:
                raise _not_diagonal(target, wrt, node, of, by)
        # Before anything is computed: a Jacobian can be large.
        room((of.size, by.size))
        places = [int(k) for k in of.ravel()]
        room((len(places), prod(self.program.shape(wrt))))
        rows = self.rows(target, wrt, places)
        rows = rows.reshape((len(places), -1))
        columns = [int(k) for k in by.ravel()]
        if len(columns) < rows.shape[1]:
            rows = self.arithmetic.concatenate([rows[:, k : k + 1] for k in columns], 1)
        if of.size == 1:
            return rows.reshape(by.shape)
        if by.size == 1:
            return rows.reshape(of.shape)
        if long:
            return laid_out(rows, of.shape, by.shape, numerator=layout != "denominator")
        return rows if layout == "numerator" else rows.transpose((1, 0))

    def _variable(self, node: Node | None, whole: tree.Derivative) -> tuple[str, Numbers]:
        """Return a variable and the numbers of its elements that are meant, in their shape."""
        name = node.operand if isinstance(node, tree.Element) else node
        if not isinstance(name, tree.Name):
            raise EvaluationFault("a derivative needs a variable above and below", whole.span)
        shape = self.program.shape(name.base)
        numbers = onp.arange(prod(shape)).reshape(shape)
        if isinstance(node, tree.Element):
            numbers = onp.asarray(numbers[place(shape, node)])
        return name.base, numbers

    def _is_diagonal(self, target: str, of: Numbers, wrt: str, by: Numbers) -> bool:
        whole = of.shape == self.program.shape(target) and by.shape == self.program.shape(wrt)
        return whole and of.shape == by.shape and self.diagonal(target, wrt)

    def _check_matrix(self, of: Shape, by: Shape, node: tree.Derivative) -> None:
        if has_matrix(of, by):
            message = f"the derivative of shape {of} by shape {by} has more than two indices"
            raise ShapeFault(message, node.span, (of, by))

    def _second(
        self, target: str, of: Numbers, wrt: str, by: Numbers, node: tree.Derivative
    ) -> Array:
        second, by_second = self._variable(node.second, node)
        if of.size > 1:
            for variable, numbers in ((wrt, by), (second, by_second)):
                if numbers.size > 1:
                    if not self._is_diagonal(target, of, variable, numbers):
                        raise _not_diagonal(target, variable, node, of, numbers)
            return self.second_rows(target, None, wrt, second, (None,))[0]
        if by.size > 1 and by_second.size > 1:
            self._check_matrix(by.shape, by_second.shape, node)
        places = [int(k) for k in by.ravel()]
        room((len(places), prod(self.program.shape(second))))
        rows = self.second_rows(target, int(of.ravel()[0]), wrt, second, places)
        rows = rows.reshape((len(places), -1))
        columns = [int(k) for k in by_second.ravel()]
        if len(columns) < rows.shape[1]:
            rows = self.arithmetic.concatenate([rows[:, k : k + 1] for k in columns], 1)
        if by.size == 1:
            return rows.reshape(by_second.shape)
        if by_second.size == 1:
            return rows.reshape(by.shape)
        return rows


def _not_diagonal(
    target: str, wrt: str, node: tree.Derivative, of: Numbers, by: Numbers
) -> ShapeFault:
    message = f"∂{target}/∂{wrt} is a Jacobian: it has an entry for every pair of elements"
    return ShapeFault(message, node.span, (of.shape, by.shape))
