"""The value of a derivation, worked out from its equations alone.

Nothing here asks the engine: the equations are evaluated as they stand, in any arithmetic, line
after line. That is how the steps of a derivation are checked, and how it is compared with the
gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as onp

from backlit.core import tree
from backlit.core.errors import InputError
from backlit.core.tape import is_array
from backlit.explain.derivation.naming import symbol
from backlit.explain.derivation.sheet import Line, Sheet, Step
from backlit.explain.equation.tree import Call, Derivative, Element, Equation, Items, Name, Node
from backlit.explain.equation.values.arithmetic import Arithmetic, Array, Floats
from backlit.explain.equation.values.boxes import Boxes
from backlit.explain.equation.values.evaluate import evaluate
from backlit.explain.equation.values.precise import Precise
from backlit.explain.equation.values.statics import place

_CLOSE, _DIGITS, _NOTHING = 1e-9, 50, 1e-40


def worked_out(
    derivation: Sheet,
    args: Sequence[Any],
    arithmetic: Floats | Precise | None = None,
    equations: Iterable[Equation] | None = None,
) -> Values:
    """Return the value of every line of a derivation.

    Parameters
    ----------
    derivation : Sheet
    args : sequence of trees of arrays
        Arguments of the function, at which to work it out.
    arithmetic : Floats or Precise, optional
        Double precision if left out. With `Precise`, inside its context.
    equations : iterable of Equation, optional
        Those of the derivation, read from elsewhere.

    Returns
    -------
    Values

    Raises
    ------
    InputError
        If a condition of the derivation does not hold there.
    """
    a = Floats() if arithmetic is None else arithmetic
    leaves = [leaf for leaf in tree.flatten(tuple(args))[0] if is_array(leaf)]
    given = dict(zip([symbol(x.name) for x in derivation.arguments], leaves, strict=True))
    given.update(derivation.constants)
    names = {name: array_of(a, value) for name, value in given.items()}
    names.update({name: a.number(Fraction(n)) for name, n in derivation.counts.items()})
    values = Values(a, names).follow(derivation.equations() if equations is None else equations)
    for condition in derivation.conditions:
        found = numbers_of(values.of(condition.left))
        if not onp.allclose(found, onp.asarray(condition.outcome, float)):
            holds = "it divides by nothing that is 0" if condition.is_guard else ""
            raise InputError(
                f"the derivation holds only where {holds or 'the program takes the same branches'}",
                where=condition.source,
                fix="derive the gradient at these arguments",
            )
    return values


def array_of(arithmetic: Floats | Precise, value: Any) -> Array:
    """Return a program's array as one of an arithmetic, whole numbers exactly."""
    array = onp.asarray(value)
    if isinstance(arithmetic, Floats):
        return array.astype(arithmetic.dtype)
    items = array.astype(float) if array.dtype.kind == "f" else array.astype(object)
    return arithmetic.array(items)


def numbers_of(value: Array) -> Any:
    """Return an array of an arithmetic in double precision."""
    return onp.asarray(value.items if isinstance(value, Boxes) else value).astype(float)


@dataclass(frozen=True)
class Check:
    """How far a step of a derivation is from the value of its line.

    Attributes
    ----------
    line : Line
    step : Step
    difference : float
        Largest difference of any element; infinite where only one of the two is finite.
    size : float
        Largest element of the line.
    """

    line: Line
    step: Step
    difference: float
    size: float


def checks(derivation: Sheet, values: Values) -> list[Check]:
    """Evaluate every step of a derivation and compare it with its line.

    Parameters
    ----------
    derivation : Sheet
    values : Values
        From `worked_out`.

    Returns
    -------
    list of Check
    """
    found = []
    for line in derivation.backward:
        expected = numbers_of(values.of(line.left))
        for step in line.steps:
            value = numbers_of(values.of(step.right))
            with onp.errstate(invalid="ignore"):
                same = (value == expected) | (onp.isnan(value) & onp.isnan(expected))
                apart = onp.where(same, 0.0, onp.nan_to_num(onp.abs(value - expected), nan=onp.inf))
            size = float(onp.max(onp.abs(expected), initial=0.0))
            found.append(Check(line, step, float(onp.max(apart, initial=0.0)), size))
    return found


def doubtful(derivation: Sheet, args: Sequence[Any]) -> list[Check]:
    """Return the steps of a derivation that do not have the value of their line.

    Double precision acquits; what differs there, for many digits may cancel, is judged with fifty.

    Parameters
    ----------
    derivation : Sheet
    args : sequence of trees of arrays
        Arguments of the function.

    Returns
    -------
    list of Check
        Empty if every step is right there.
    """
    with onp.errstate(all="ignore"):
        found = checks(derivation, worked_out(derivation, args))
    if not any(map(_apart, found)):
        return []
    precise = Precise(_DIGITS)
    with precise.context():
        found = checks(derivation, worked_out(derivation, args, precise))
    # What is infinite or undefined with fifty digits, too, has no value to compare; and where the
    # derivative is 0, all there is to compare is the rounding of the last digits.
    return [c for c in found if _apart(c) and _NOTHING < c.difference < onp.inf]


def _apart(check: Check) -> bool:
    return not check.difference <= _CLOSE * check.size


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
        if found is None and isinstance(node.wrt, Element):
            whole = self.differentiated(replace(node, wrt=node.wrt.operand))
            return whole[place(whole.shape, node.wrt)]
        if found is None and isinstance(node.target, Element):
            whole = self.differentiated(replace(node, target=node.target.operand))
            return whole[place(whole.shape, node.target)]
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
