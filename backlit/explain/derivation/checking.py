"""The value of a derivation, worked out from its equations alone.

Nothing here asks the engine: the equations are evaluated as they stand, in any arithmetic, line
after line. That is how the steps of a derivation are checked, and how it is compared with the
gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from backlit.core.errors import InputError
from backlit.explain.derivation.naming import symbol
from backlit.explain.equation.arithmetic import Arithmetic, Array
from backlit.explain.equation.evaluate import evaluate
from backlit.explain.equation.tree import Call, Derivative, Equation, Items, Name, Node


def bound(node: Node) -> Node:
    """Return a tree with every name written as one symbol, ``W[1]`` for W^{[1]}.

    Parameters
    ----------
    node : Node

    Returns
    -------
    Node
    """

    def change(part: Node) -> Node:
        if isinstance(part, Name) and part.layer is not None and not part.index:
            return Name(symbol(part), span=part.span)
        return part

    return node.map(change)


class Values:
    """What the names and derivatives of some equations are, worked out one after the other.

    Parameters
    ----------
    arithmetic : Arithmetic
    names : mapping of str to array
        The arguments, the constants, the letters for numbers.

    Attributes
    ----------
    names : dict of str to array
    derivatives : dict of Derivative to array
        By bound nodes.
    """

    def __init__(self, arithmetic: Arithmetic, names: Mapping[str, Array]) -> None:
        self.arithmetic = arithmetic
        self.names: dict[str, Any] = dict(names)
        self.derivatives: dict[Derivative, Array] = {}

    def follow(self, equations: Iterable[Equation]) -> Values:
        """Work out equations in order; each uses what is known when it is reached.

        Parameters
        ----------
        equations : iterable of Equation

        Returns
        -------
        Values
            This object.
        """
        for equation in equations:
            left = bound(equation.left)
            if isinstance(left, Call):
                self.names[left.function.name] = self._program(left, bound(equation.right))
                continue
            value = self.of(equation.right)
            if isinstance(left, Derivative):
                self.derivatives[left] = value
            else:
                assert isinstance(left, Name)
                self.names[left.base] = value
        return self

    def of(self, node: Node) -> Array:
        """Return the value of an expression."""
        return evaluate(bound(node), self, self.arithmetic, programs=True)

    def _program(self, left: Call, right: Node) -> Callable[..., list[Array]]:
        """Return a defined function; it sees its arguments and what is defined outside."""

        def run(*arguments: Array) -> list[Array]:
            inside = Values(self.arithmetic, self.names)
            for name, value in zip(left.args, arguments, strict=True):
                assert isinstance(name, Name)
                inside.names[name.base] = value
            results = right.items if isinstance(right, Items) else (right,)
            return [inside.of(result) for result in results]

        return run

    # --- the environment of an evaluation -----------------------------------------------------

    def value(self, symbol: str) -> Array:
        """Return the value of a variable."""
        if symbol not in self.names:
            raise InputError(f"{symbol} has no value yet")
        return self.names[symbol]

    def differentiated(self, node: Derivative, layout: str = "elementwise") -> Array:
        """Return the value of a derivative."""
        found = self.derivatives.get(node)
        if found is None:
            raise InputError(f"{node} has no value yet")
        return found

    def function(self, name: str, order: int) -> Callable[..., Array]:
        """Return a function of the derivation's own."""
        run = self.names[name]

        def single(*arguments: Array) -> Array:
            (result,) = run(*arguments)
            return result

        return single
