"""What the left side of an equation is: a derivative, several names, a parameter that steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from backlit.explain.equation.text import stated
from backlit.explain.equation.tree import (
    Binary,
    Call,
    Derivative,
    Element,
    Equation,
    Items,
    Name,
    Node,
    Number,
    Transpose,
)


def from_primes(left: Node) -> Node:
    """Return ``f'(x)``, ``z'(w)`` or ``(f(g(x)))'`` on the left of a claim as a derivative by x."""
    if isinstance(left, Binary) and left.op == " " and isinstance(left.left, Transpose):
        target, wrt = left.left.operand, left.right
        if isinstance(target, Name) and isinstance(wrt, Name) and wrt.span[1] < left.span[1]:
            return Derivative(target, wrt, span=left.span)
    if isinstance(left, Call) and left.function.order in (1, 2) and len(left.args) == 1:
        wrt = left.args[0]
        if isinstance(wrt, Name):
            target = replace(left, function=replace(left.function, order=0))
            second = wrt if left.function.order == 2 else None
            return Derivative(target, wrt, second, span=left.span)
    if isinstance(left, Transpose) and any(isinstance(node, Call) for node in left.walk()):
        names = [node for node in left.walk() if isinstance(node, Name)]
        if len(set(names)) == 1:
            return Derivative(left.operand, names[0], span=left.span)
    return left


def unpacked(equation: Equation) -> list[Equation]:
    """Return the equations of ``a, b = c, d`` and of ``m, n = X.shape``."""
    left, right = equation.left, equation.right
    if not isinstance(left, Items):
        return []
    if isinstance(right, Items) and len(right.items) == len(left.items):
        return [
            Equation(a, b, span=equation.span) for a, b in zip(left.items, right.items, strict=True)
        ]
    if isinstance(right, Call) and right.function.name == "shape":
        return [
            Equation(
                item,
                Element(right, (Number(Fraction(place)),), span=right.span),
                span=equation.span,
            )
            for place, item in enumerate(left.items)
        ]
    return []


def is_update(equation: Equation) -> bool:
    """Whether a parameter takes a step: ``w := w - α dw``."""
    return _redefines(equation) and any(
        isinstance(node, Derivative) for node in equation.right.walk()
    )


def _redefines(equation: Equation) -> bool:
    left = equation.left
    return isinstance(left, Name) and any(name == left for name in _variables(equation.right))


def _variables(node: Node) -> Iterator[Name]:
    """Yield the names in an expression, not those in their subscripts: W_Q is no Q."""
    if isinstance(node, Name):
        yield node
        return
    for child in node.children():
        yield from _variables(child)


def is_more_than_derivative(equation: Equation, written: str) -> bool:
    """Whether a derivative, or what looks like one, is only a part of the left side.

    Parameters
    ----------
    equation : Equation
    written : str
        The line up to the right side.

    Returns
    -------
    bool
    """
    left = equation.left
    if equation.is_claim or isinstance(left, Name | Call | Items):
        return False
    return stated.is_derivative(written) or any(isinstance(n, Derivative) for n in left.walk())
