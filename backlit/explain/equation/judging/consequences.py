"""What an earlier mistake dragged along: claims are judged by the true derivatives above them, and
what would follow from the student's own is told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as onp

from backlit.explain.equation.judging.claims import Bound
from backlit.explain.equation.tree import Binary, Derivative, Name, Node
from backlit.explain.equation.values.draws import Values
from backlit.explain.equation.values.evaluate import EvaluationFault
from backlit.explain.equation.values.points import Point

_POINTS = 4
_CLOSE = 1e-8


@dataclass(frozen=True)
class Mistake:
    """A wrong claim.

    Attributes
    ----------
    line : int
    what : str
        Its left side, as it was written.
    bounds : sequence of Bound
    """

    line: int
    what: str
    bounds: Sequence[Bound]


def uses(bounds: Sequence[Bound], mistakes: Sequence[Mistake]) -> Mistake | None:
    """Return the first mistake whose derivative stands on the right side of a claim.

    Parameters
    ----------
    bounds : sequence of Bound
    mistakes : sequence of Mistake

    Returns
    -------
    Mistake or None
    """
    right = {
        part for bound in bounds for part in bound.right.walk() if isinstance(part, Derivative)
    }
    for mistake in mistakes:
        if any(_derivative(b.left) in right for b in mistake.bounds):
            return mistake
    return None


def follows(bounds: Sequence[Bound], mistakes: Sequence[Mistake]) -> Mistake | None:
    """Return the mistake from which a wrong claim follows by the chain rule, or None.

    Parameters
    ----------
    bounds : sequence of Bound
        The wrong claim.
    mistakes : sequence of Mistake

    Returns
    -------
    Mistake or None
        With the derivative that it states, this claim would be right.
    """
    for mistake in mistakes:
        pairs = [
            (earlier, later)
            for earlier in mistake.bounds
            for later in bounds
            if earlier.program is later.program
        ]
        if pairs and all(_follows(earlier, later) for earlier, later in pairs[:_POINTS]):
            return mistake
    return None


def _follows(earlier: Bound, later: Bound) -> bool:
    above, below = _derivative(earlier.left), _derivative(later.left)
    if above is None or below is None or above.target != below.target:
        return False
    program = later.program
    if not isinstance(above.wrt, Name) or not isinstance(below.wrt, Name):
        return False
    if above.wrt == below.wrt or not program.depends(above.wrt.base, below.wrt.base):
        return False
    try:
        return all(
            _holds(point, earlier, later, above.wrt.base, below.wrt.base)
            for point in later.scene.points(program, _POINTS)
        )
    except EvaluationFault:
        return False


def _holds(point: Point, earlier: Bound, later: Bound, middle: str, end: str) -> bool:
    """Tell whether a claim is what the chain rule makes of an earlier one, at a point."""
    stated = point.evaluate(earlier.right) / _factor(point, earlier.left)
    if stated.shape != point.value(middle).shape:
        return False
    pulled = point.pulled(middle, end, stated) * _factor(point, later.left)
    claimed = point.evaluate(later.right)
    return pulled.shape == claimed.shape and bool(onp.allclose(pulled, claimed, rtol=_CLOSE))


def _derivative(left: Node) -> Derivative | None:
    """Return the derivative of a left side, without the number of examples."""
    inner = left.right if isinstance(left, Binary) else left
    return inner if isinstance(inner, Derivative) else None


def _factor(point: Point, left: Node) -> Values:
    """Return the number of examples that the convention multiplies a left side with."""
    return point.evaluate(left.left) if isinstance(left, Binary) else onp.asarray(1.0)
