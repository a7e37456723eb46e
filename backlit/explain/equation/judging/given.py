"""Claims that state a number: ∂L/∂w₅ = 0.0822 in notes that give every variable a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as onp

from backlit.explain.equation.binding.script import value_of
from backlit.explain.equation.judging.claims import Bound
from backlit.explain.equation.tree import Derivative, Items, Name, Node, Number, Series
from backlit.explain.equation.values.arithmetic import Floats
from backlit.explain.equation.values.draws import Values
from backlit.explain.equation.values.evaluate import EvaluationFault
from backlit.explain.equation.values.points import Point

_SIGNIFICANT, _RELATIVE = 2, 1e-9


def is_number(node: Node) -> bool:
    """Tell whether a right side is a number, or a formula with numbers put in.

    Parameters
    ----------
    node : Node

    Returns
    -------
    bool

    Examples
    --------
    >>> from backlit.explain.equation.tree import ONE, TWO, Binary
    >>> is_number(Binary("+", ONE, TWO)), is_number(Binary("+", ONE, Name("x")))
    (True, False)
    """
    return not any(isinstance(n, (Name, Derivative, Series)) for n in node.walk())


@dataclass(frozen=True)
class Stated:
    """A number that a claim states, and the derivative where the notes evaluate it.

    Attributes
    ----------
    text : str
        As it is written.
    value : float
        What that comes to.
    rounding : float
        How far it may be off because the numbers in it were rounded.
    there : float
        The derivative.
    """

    text: str
    value: float
    rounding: float
    there: float

    @property
    def holds(self) -> bool:
        """Whether it is the derivative."""
        return self._is(self.there)

    @property
    def is_opposite(self) -> bool:
        """Whether only the sign is wrong."""
        return self._is(-self.there)

    def _is(self, value: float) -> bool:
        allowed = 1.0000002 * self.rounding + _RELATIVE * abs(value)
        return abs(self.value - value) <= allowed


def stated(bound: Bound, given: Mapping[Name, Node], right: Node, text: str) -> Stated | None:
    """Return the number that a claim states.

    Parameters
    ----------
    bound : Bound
        The claim.
    given : mapping of Name to Node
        What the notes set variables to.
    right : Node
        Its right side as it is written, with no names in it.
    text : str
        The line.

    Returns
    -------
    Stated or None
        None if the notes do not give every value that is needed, or it is no number.
    """
    point = _given_point(bound, given)
    if point is None:
        return None

    def at(node: Node) -> float:
        return float(onp.ravel(point.evaluate(node))[0])

    try:
        value = at(right)
        rounding = 0.0
        for number in [n for n in right.walk() if isinstance(n, Number)]:
            last = Fraction(_last_place(text[slice(*number.span)]))
            moved = replace(number, value=number.value + last / 2)
            rounding += abs(at(right.swapped(number, moved)) - value)
    except EvaluationFault:
        return None
    return Stated(text[slice(*right.span)].strip(), value, rounding, at(bound.left))


def _last_place(written: str) -> float:
    """Return the value of a 1 in the last place of a number: 0.001 for 0.082, 1e-7 for 1.2e-6.

    A whole number, or a single digit, is meant exactly.

    Examples
    --------
    >>> _last_place("0.082"), _last_place("1.2e-6"), _last_place("3")
    (0.001, 1e-07, 0.0)
    """
    digits, _, exponent = written.strip().lower().lstrip("+-−").partition("e")
    whole, _, after = digits.partition(".")
    if not after or len((whole + after).strip().lstrip("0")) < _SIGNIFICANT:
        return 0.0
    decimals = len(after)
    power = int(exponent) if exponent.lstrip("+-").isdigit() else 0
    return float(Fraction(10) ** (power - decimals))


def _given_point(bound: Bound, given: Mapping[Name, Node]) -> Point | None:
    program = bound.program
    find = bound.scene.binding.resolver.symbols.find
    values = {find(name): _array(node) for name, node in given.items()}
    needed: set[str] = set()
    for node in bound.left.walk():
        if isinstance(node, Derivative):
            for name in node.walk():
                if isinstance(name, Name):
                    needed |= {name.base, *program.ancestors(name.base)}
    if program.functions:
        return None
    drawn = bound.scene.points(program, 1)[0]
    leaves = dict(drawn.leaves)
    for symbol in needed & set(program.leaves):
        value = values.get(symbol)
        if value is None or value.shape != program.shapes[symbol]:
            return None
        leaves[symbol] = value
    return Point(program, leaves, drawn.functions, Floats())


def _array(node: Node) -> Values:
    if isinstance(node, Items):
        return onp.stack([_array(item) for item in node.items])
    value = value_of(node)
    assert value is not None
    return onp.asarray(float(value))
