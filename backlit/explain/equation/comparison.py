"""Whether two expressions have the same values at random points.

In double precision equal things differ by rounding, and by how much depends on what cancelled on
the way. So there are three answers: the same to nine digits, element by element; clearly not the
same; and in between, where a proof or many digits decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as onp

from backlit.explain.equation.draws import Values
from backlit.explain.equation.evaluate import Layout, ShapeFault
from backlit.explain.equation.forward import precise
from backlit.explain.equation.points import Point
from backlit.explain.equation.tree import Node

if TYPE_CHECKING:
    from backlit.explain.equation.program import Program

# Relative to the larger of the two elements.
_SAME, _DIFFERENT = 1e-9, 1e-5
# Relative to the largest number on the way, of which a difference may be the rounding.
_ROUNDING = 1e-11
# Multiplications of decimal numbers that a verdict may take, and what is the same beyond.
_MOST_WORK, _SAME_IF_LARGE = 1e7, 1e-7
# With many digits: relative, and what may be left of an exact zero.
_SAME_DIGITS, _NOTHING = Decimal("1e-25"), Decimal("1e-40")


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two expressions at random points.

    Attributes
    ----------
    equal : bool
    points : int
        At how many both are finite.
    how : str
        What decided: ``values``, ``proof`` or ``digits``.
    left, right : array of float, shape (points, number of elements)
        Values at those points.
    """

    equal: bool
    points: int
    how: str
    left: Values
    right: Values

    @property
    def ratio(self) -> float | None:
        """``right / left``, if that is one number over all points and elements; else None."""
        return _ratio(self.left, self.right)


def compare(
    program: Program,
    left: Node,
    right: Node,
    points: Sequence[Point],
    layout: Layout = "elementwise",
) -> Comparison:
    """Compare two expressions.

    Parameters
    ----------
    program : Program
    left, right : Node
    points : sequence of Point
    layout : {"elementwise", "numerator", "denominator"}

    Returns
    -------
    Comparison

    Raises
    ------
    ShapeFault
        If they have different shapes; (1, 1), (1,) and () count as one. The fault has no span
        then: it is the two sides that do not fit.
    EvaluationFault
        If one of them has no value.
    """
    finite, x, y = _values(left, right, points, layout)
    if not finite:
        return Comparison(False, 0, "values", x, y)
    larger = onp.maximum(onp.abs(x), onp.abs(y))
    apart = onp.abs(x - y)
    if onp.all(apart <= _SAME * larger):
        return Comparison(True, len(finite), "values", x, y)
    beyond_rounding = apart > _ROUNDING * program.largest(layout, left, right)
    if onp.any((apart > _DIFFERENT * larger) & beyond_rounding):
        return Comparison(False, len(finite), "values", x, y)
    if program.work * (1 + program.directions(left, right)) > _MOST_WORK:
        equal = not onp.any((apart > _SAME_IF_LARGE * larger) & beyond_rounding)
        return Comparison(equal, len(finite), "values", x, y)
    if program.proved(left, right, layout):
        return Comparison(True, len(finite), "proof", x, y)
    relative = onp.max(apart / onp.where(larger > 0, larger, 1.0), axis=1)
    equal = _same_digits(left, right, finite[int(onp.argmax(relative))], layout)
    return Comparison(equal, len(finite), "digits", x, y)


def _values(
    left: Node, right: Node, points: Sequence[Point], layout: Layout
) -> tuple[list[Point], Values, Values]:
    """Return the points at which both sides are finite, with their elements there."""
    finite, xs, ys = [], [], []
    with onp.errstate(all="ignore"):
        for point in points:
            x, y = point.evaluate(left, layout), point.evaluate(right, layout)
            if x.shape != y.shape and not x.size == y.size == 1:
                message = f"the left side has shape {x.shape}, the right side {y.shape}"
                raise ShapeFault(message, shapes=(x.shape, y.shape))
            if onp.all(onp.isfinite(x)) and onp.all(onp.isfinite(y)):
                finite.append(point)
                xs.append(onp.ravel(x))
                ys.append(onp.ravel(y))
    if not finite:
        return [], onp.zeros((0, 0)), onp.zeros((0, 0))
    return finite, onp.stack(xs), onp.stack(ys)


def _same_digits(left: Node, right: Node, point: Point, layout: Layout) -> bool:
    x = onp.ravel(precise(point, left, layout))
    y = onp.ravel(precise(point, right, layout))
    for a, b in zip(x, y, strict=True):
        apart = abs(a - b)
        if not (apart <= _SAME_DIGITS * max(abs(a), abs(b)) or apart <= _NOTHING):
            return False
    return True


def _ratio(x: Values, y: Values) -> float | None:
    """Return y/x if it is one number, over all elements that are not nearly zero."""
    if not x.size or not onp.any(x) or not onp.any(y):
        return None
    weighty = onp.abs(x) > 1e-6 * onp.max(onp.abs(x), initial=0.0)
    if not onp.any(weighty) or onp.any(onp.abs(y[~weighty]) > 1e-5 * onp.max(onp.abs(y))):
        return None
    ratios = y[weighty] / x[weighty]
    middle = float(onp.median(ratios))
    return middle if onp.all(onp.abs(ratios - middle) <= 1e-6 * abs(middle)) else None
