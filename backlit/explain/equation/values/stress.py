"""Points far from moderate ones: large, tiny, and on both sides of the numbers that are written.

At moderate points min(x, 5) is x and σ(1000 x) is flat. What is not proved is tried here too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as onp

from backlit.explain.equation.tree import Node
from backlit.explain.equation.values.draws import Leaf, Random, Values, draw
from backlit.explain.equation.values.faults import EvaluationFault
from backlit.explain.equation.values.points import Point
from backlit.explain.equation.values.statics import rational

if TYPE_CHECKING:
    from backlit.explain.equation.values.program import Program

_SEED = 7_919
_MOST, _FEWEST, _WORK = 96, 6, 1e5
_MOST_WRITTEN, _LARGEST = 8, 1e15
# What takes a few values only, or is one because of how its elements go together.
_FIXED = frozenset(
    (
        "integer",
        "binary",
        "1 or -1",
        "one-hot rows",
        "one-hot columns",
        "rows sum to 1",
        "columns sum to 1",
    )
)
_SHAPED = frozenset(
    ("symmetric", "positive definite", "diagonal", "upper triangular", "lower triangular")
)

Change = Callable[[Values, Random], Values]


def written(nodes: Iterable[Node]) -> tuple[float, ...]:
    """Return the sizes of the numbers that stand in some expressions, without 0 and 1.

    Parameters
    ----------
    nodes : iterable of Node

    Returns
    -------
    tuple of float
        The largest ones, if there are many.
    """
    found = set()
    for node in nodes:
        for part in node.walk():
            value = rational(part)
            if value and abs(value) != 1 and 1 / _LARGEST < abs(value) < _LARGEST:
                found.add(abs(float(value)))
    return tuple(sorted(found, reverse=True)[:_MOST_WRITTEN])


def points(program: Program, numbers: tuple[float, ...], share: float = 1.0) -> list[Point]:
    """Return points of a program at several scales, the same ones every time.

    Parameters
    ----------
    program : Program
    numbers : tuple of float
        Sizes to reach with every variable.
    share : float
        Of as many points as the program is small enough for.

    Returns
    -------
    list of Point
        Not all of their values need be finite; none lies on a kink.
    """
    rng = onp.random.default_rng([_SEED, len(numbers)])
    count = int(max(_FEWEST, min(_MOST, share * _WORK / program.work)))
    found = []
    for _, change in zip(range(count), _changes(numbers), strict=False):
        leaves = {
            symbol: _stretched(leaf, program.assumed.get(symbol), change, rng)
            for symbol, leaf in program.leaves.items()
        }
        try:
            point = program.point(leaves, rng)
        except EvaluationFault:
            continue
        found.append(point)
    return found


def _changes(numbers: tuple[float, ...]) -> Iterator[Change]:
    """Yield what to do to moderate values; the first ones are those that tell most."""
    near = [r for c in numbers for r in _reached(c)]
    around = 0
    while True:
        yield from map(_moved, (0.0,) * 4, (4.0, 1e-3, 30.0, 1e-5))
        for _ in range(6 if near else 0):
            yield _moved(*near[around % len(near)])
            around += 1
        yield _each_scaled
        yield _scaled


def _moved(centre: float, scale: float) -> Change:
    return lambda x, rng: centre + scale * x


def _each_scaled(x: Values, rng: Random) -> Values:
    return onp.asarray(x * 10.0 ** rng.uniform(-3, 2, x.shape))


def _scaled(x: Values, rng: Random) -> Values:
    return onp.asarray(x * 10.0 ** rng.uniform(-2, 4))


def _reached(c: float) -> list[tuple[float, float]]:
    """Return centres and widths near a written number, near what gives it, and on both sides."""
    sources = (c, math.sqrt(c), abs(math.log(c)), 1 / c)
    near = [(sign * c * factor, width) for factor, width in _SIDES for sign in (1, -1)]
    return [*near, *((sign * s * 1.3, 0.3 * s) for s in sources[1:] for sign in (1, -1))]


# Around a number, and well beyond it.
_SIDES = ((1.0, 2.0), (1.6, 0.1))


def _stretched(leaf: Leaf, interval: str | None, change: Change, rng: Random) -> Values:
    moderate = draw(leaf, rng, interval)
    has = leaf.properties | {interval}
    if has & _FIXED:
        return moderate
    if has & _SHAPED:
        return moderate * abs(float(change(onp.ones(()), rng)))
    changed = onp.asarray(change(moderate, rng))
    if "in (0, 1)" in has:
        tiny = onp.minimum(onp.abs(changed), 1.0) * moderate * 0.5
        return onp.where(rng.random(changed.shape) < 0.5, tiny, 1.0 - tiny)
    if "positive" in has:
        return onp.abs(changed)
    return 1.0 + onp.abs(changed) if "above 1" in has else changed
