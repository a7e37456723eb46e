"""What a derivation prints, read back by the parser and evaluated without the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as onp

import backlit as bl
from backlit.core import tree
from backlit.explain.derivation.checking import Values, bound, numbers_of, worked_out
from backlit.explain.derivation.naming import symbol
from backlit.explain.derivation.sheet import Sheet
from backlit.explain.equation.text.parser import parse
from backlit.explain.equation.text.printing import latex
from backlit.explain.equation.text.vocabulary import Vocabulary
from backlit.explain.equation.tree import Call, Derivative, Equation, Name, Node
from backlit.explain.equation.values.precise import Precise

FIFTY = Precise(50)
STEP = 1e-20


def read_back(derivation: Sheet) -> list[Equation]:
    """Return the equations of a derivation as the parser reads their LaTeX."""
    written = list(derivation.equations())
    known = Vocabulary.of(*[side for e in written for side in (e.left, e.right)])
    return [parse(latex(equation), known)[0] for equation in written]


def close(found: Any, expected: Any, relative: float = 1e-9) -> bool:
    """Compare relative to the largest element, as gradients are used."""
    found, expected = onp.asarray(found, float), onp.asarray(expected, float)
    size = float(onp.max(onp.abs(expected), initial=0.0))
    apart = onp.abs(found - expected)
    return found.shape == expected.shape and bool(onp.all(apart <= relative * size + 1e-300))


def gradients(derivation: Sheet, values: Values) -> list[Any]:
    """Return ∂L/∂argument for every argument, 0 where the derivation has no line for it."""
    found = []
    for argument in derivation.arguments:
        node = bound(Derivative(derivation.target, argument.name))
        assert isinstance(node, Derivative)
        value = values.derivatives.get(node)
        zeros = onp.zeros(argument.aval.shape)
        found.append(zeros if value is None else numbers_of(value))
    return found


def check_faithful(
    f: Callable[..., Any],
    derivation: Sheet,
    args: Sequence[Any],
    differences: int = 12,
    relative: float = 1e-9,
) -> None:
    """Compare the LaTeX of a derivation with the gradient at some arguments.

    The gradient is that of `backlit.grad` in double precision, and central differences of the
    forward equations, read back too, with fifty digits.

    Parameters
    ----------
    f : callable
    derivation : Sheet
    args : sequence of trees
        Where to compare.
    differences : int
        How many elements of every argument to compare with differences.
    relative : float
    """
    equations = read_back(derivation)
    leaves = tree.flatten(tuple(args))[0]
    with FIFTY.context():
        found = gradients(derivation, worked_out(derivation, args, FIFTY, equations))
        numeric = [
            differences_of(derivation, args, equations, k, differences)
            for k, leaf in enumerate(leaves)
            if onp.asarray(leaf).dtype.kind == "f"
        ]
    places = [k for k, leaf in enumerate(leaves) if onp.asarray(leaf).dtype.kind == "f"]
    exact = gradient(f, args, places)
    for k, expected, (chosen, slopes) in zip(places, exact, numeric, strict=True):
        name = symbol(derivation.arguments[k].name)
        assert close(found[k], expected, relative), (name, found[k], expected)
        scale = float(onp.max(onp.abs(found[k]), initial=0.0))
        for place, slope in zip(chosen, slopes, strict=True):
            here = float(onp.ravel(found[k])[place])
            assert abs(here - slope) <= relative * scale + 1e-25, (name, place, here, slope)


def gradient(f: Callable[..., Any], args: Sequence[Any], places: Sequence[int]) -> list[Any]:
    """Return backlit.grad with respect to some leaves."""
    leaves, treedef = tree.flatten(tuple(args))

    def of_floats(*floats: Any) -> Any:
        mine = list(leaves)
        for k, value in zip(places, floats, strict=True):
            mine[k] = value
        return f(*tree.unflatten(treedef, mine))

    floats = [leaves[k] for k in places]
    with onp.errstate(all="ignore"):
        return list(bl.grad(of_floats, argnums=tuple(range(len(places))))(*floats))


def differences_of(
    derivation: Sheet, args: Sequence[Any], equations: Sequence[Equation], which: int, most: int
) -> tuple[list[int], list[float]]:
    """Return central differences of the loss in some elements of one argument."""
    forward = list(equations[: len(derivation.programs) + len(derivation.forward)])
    start = worked_out(derivation, args, FIFTY, forward)
    forward, held = _held(forward, start)
    name = symbol(derivation.arguments[which].name)
    array = start.names[name]
    size = int(onp.prod(array.shape, dtype=int))
    chosen = list(onp.random.default_rng(size).permutation(size)[:most])
    slopes = []
    for place in chosen:
        ends = []
        for side in (1, -1):
            moved = array.items.copy().reshape(-1)
            moved[place] = moved[place] + side * FIFTY.array(STEP).items[()]
            names = {a: start.names[a] for a in _given(derivation)}
            names.update(held)
            names[name] = FIFTY.array(moved.reshape(array.shape))
            ends.append(Values(FIFTY, names).follow(forward).names[symbol(derivation.target)])
        apart = (ends[0] - ends[1]) / FIFTY.array(2 * STEP)
        slopes.append(float(apart.items[()]))
    return chosen, slopes


def _held(equations: Sequence[Equation], start: Values) -> tuple[list[Equation], dict[str, Any]]:
    """Return equations in which what `fixed` holds fixed has the value it has at first."""
    held: dict[str, Any] = {}

    def change(node: Node) -> Node:
        if not isinstance(node, Call) or node.function.name != "fixed":
            return node
        name = f"held{len(held)}"
        held[name] = start.of(node)
        return Name(name)

    return [replace(e, right=e.right.map(change)) for e in equations], held


def _given(derivation: Sheet) -> list[str]:
    arguments = [symbol(argument.name) for argument in derivation.arguments]
    return [*arguments, *derivation.constants, *derivation.counts]
