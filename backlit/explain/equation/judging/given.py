"""Claims that state a number: ∂L/∂w₅ = 0.0822 in notes that give every variable a value."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as onp

from backlit.explain.equation.binding.script import value_of
from backlit.explain.equation.judging.claims import Bound
from backlit.explain.equation.tree import Derivative, Items, Name, Node
from backlit.explain.equation.values.arithmetic import Floats
from backlit.explain.equation.values.draws import Values
from backlit.explain.equation.values.points import Point

_SIGNIFICANT, _EXACT = 2, 1e-12


def is_number(node: Node) -> bool:
    """Tell whether a right side is a number, and no formula.

    Parameters
    ----------
    node : Node

    Returns
    -------
    bool
    """
    return value_of(node) is not None


def value_there(bound: Bound, given: Mapping[Name, Node]) -> float | None:
    """Return a derivative where the notes evaluate it.

    Parameters
    ----------
    bound : Bound
        A claim whose right side is a number.
    given : mapping of Name to Node
        What the notes set variables to.

    Returns
    -------
    float or None
        None if the notes do not give every value that is needed.
    """
    point = _given_point(bound, given)
    return None if point is None else float(onp.ravel(point.evaluate(bound.left))[0])


def is_rounded(value: float, written: str) -> bool:
    """Tell whether a written number is a value, its last digit perhaps rounded.

    Parameters
    ----------
    value : float
    written : str

    Returns
    -------
    bool

    Examples
    --------
    >>> is_rounded(0.0821670, "0.0822"), is_rounded(0.0821670, "0.0821")
    (True, False)
    """
    stated = float(written.strip().replace("−", "-"))
    return abs(value - stated) <= 0.5000001 * _last_place(written)


def _last_place(written: str) -> float:
    """Return the value of a 1 in the last place of a number: 0.001 for 0.082, 1e-7 for 1.2e-6.

    A whole number, or a single digit, is meant exactly.
    """
    digits, _, exponent = written.strip().lower().lstrip("+-−").partition("e")
    whole, _, after = digits.partition(".")
    if not after or len((whole + after).strip().lstrip("0")) < _SIGNIFICANT:
        return _EXACT
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
