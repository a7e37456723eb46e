"""Whether two expressions have the same values at random points.

In double precision equal things differ by rounding, and by how much depends on what cancelled on
the way. So there are three answers: the same to nine digits, element by element; clearly not the
same; and in between, where a proof or many digits decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext
from typing import TYPE_CHECKING

import numpy as onp

from backlit.explain.equation.tree import Node
from backlit.explain.equation.values import stress
from backlit.explain.equation.values.draws import Values
from backlit.explain.equation.values.evaluate import EvaluationFault, Layout, ShapeFault
from backlit.explain.equation.values.forward import precise
from backlit.explain.equation.values.points import Point

if TYPE_CHECKING:
    from backlit.explain.equation.values.program import Program

# Relative to the larger of the two elements.
_SAME, _DIFFERENT = 1e-9, 1e-5
# Relative to the largest number on the way, of which a difference may be the rounding.
_ROUNDING = 1e-11
# Multiplications of decimal numbers that a verdict may take, and what is the same beyond.
_MOST_WORK, _SAME_IF_LARGE = 1e7, 1e-7
# With many digits: relative, how many are tried, and how many of them rounding may take.
_SAME_DIGITS, _DIGITS, _LOST = Decimal("1e-25"), (60, 400), 20
# Where doubles are 0 because they are so small.
_UNDERFLOW, _MANY_DIGITS = 1e-290, (1200,)
# From how many points on an equality has to be proved or tried at points that are not moderate; at
# how many of those many digits decide, in programs of so much work; in larger ones the doubles.
_ENOUGH, _SUSPECTS, _LITTLE_WORK, _SURELY = 3, 6, 1e6, 1e-3


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two expressions at random points.

    Attributes
    ----------
    equal : bool
    points : int
        At how many both are finite.
    how : str
        What decided: ``values``, ``proof``, ``digits`` or ``stress``.
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
        If one of them has no value, or only the right side has none at some of the points.
    """
    found = _at_points(program, left, right, points, layout)
    if not found.equal or found.how == "proof" or len(points) < _ENOUGH:
        return found
    if found.points < len(points) and _undefined(left, right, points, layout):
        raise EvaluationFault(
            "the right side has no value at some points where the left side has one, although "
            "wherever both have one they are equal; say in a header what is positive, or add "
            "absolute values",
            right.span,
        )
    if program.proved(left, right, layout):
        return found
    # e^{-1000} is 0 in doubles, and so is everything beside it.
    lost = onp.maximum(onp.abs(found.left), onp.abs(found.right)) < _UNDERFLOW
    small = program.work * (1 + program.directions(left, right)) <= _LITTLE_WORK
    if onp.all(lost) and small and not _same_digits(left, right, points[0], layout, _MANY_DIGITS):
        return replace(found, equal=False, how="digits")
    return _at_stress(program, left, right, points[0], layout) or found


def _at_points(
    program: Program, left: Node, right: Node, points: Sequence[Point], layout: Layout
) -> Comparison:
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


def _undefined(left: Node, right: Node, points: Sequence[Point], layout: Layout) -> bool:
    """Tell whether the right side alone has no value at a point, as log x for log |x|."""
    for point in points:
        x, y = point.evaluate(left, layout), point.evaluate(right, layout)
        if onp.all(onp.isfinite(x)) and not onp.all(onp.isfinite(y)):
            return True
    return False


def _at_stress(
    program: Program, left: Node, right: Node, moderate: Point, layout: Layout
) -> Comparison | None:
    """Look for a difference at points that are not moderate, and beyond the digits of doubles."""
    used = [program.definitions[s] for s in program.needed(left, right)]
    numbers = stress.written([*used, left, right])
    finite, x, y = _values(left, right, program.stressed(numbers), layout)
    suspects: list[Point] = []
    if finite:
        apart, larger = onp.abs(x - y), onp.maximum(onp.abs(x), onp.abs(y))
        relative = onp.max(apart / onp.where(larger > 0, larger, 1.0), axis=1)
        order = onp.argsort(-relative, kind="stable")
        suspects = [finite[k] for k in order[:_SUSPECTS] if relative[k] > _SAME]
    small = program.work * (1 + program.directions(left, right)) <= _LITTLE_WORK
    for point in [*suspects, moderate] if small else suspects:
        if not small:
            rounding = _ROUNDING * program.largest(layout, left, right, at=point)
            k = finite.index(point)
            same = not onp.any((apart[k] > _SURELY * larger[k]) & (apart[k] > 1e3 * rounding))
        else:
            same = _same_digits(left, right, point, layout)
        if not same:
            return Comparison(False, len(finite), "stress", x, y)
    return None


def _same_digits(
    left: Node, right: Node, point: Point, layout: Layout, many: tuple[int, ...] | None = None
) -> bool:
    """Compare with many digits, with more where a difference may still be their rounding."""
    largest = Decimal(point.program.largest(layout, left, right, at=point))
    for digits in many or _DIGITS:
        try:
            x = onp.ravel(precise(point, left, layout, digits))
            y = onp.ravel(precise(point, right, layout, digits))
        except (EvaluationFault, ArithmeticError):
            return True  # Nothing is known beyond what doubles say.
        rounding = largest.scaleb(_LOST - digits)
        with localcontext(Context(prec=digits, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])):
            pairs = [(a, b) for a, b in zip(x, y, strict=True) if a.is_finite() and b.is_finite()]
            differing = [
                abs(a - b) for a, b in pairs if abs(a - b) > _SAME_DIGITS * max(abs(a), abs(b))
            ]
        if not differing:
            return True
        if max(differing) > rounding:
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
    middle = float(onp.sort(ratios)[ratios.size // 2])
    return middle if onp.all(onp.abs(ratios - middle) <= 1e-6 * abs(middle)) else None
