"""Inverse trigonometric functions."""

from __future__ import annotations

import math

from backlit.compiler.vecmath import coefficients as table
from backlit.compiler.vecmath.kernels import Pair, exact_sum, quick_sum, quotient, root
from backlit.compiler.vecmath.values import Mask, Real, fma, polynomial

# tan(π/8) and tan(3π/8), between which the arctangent is taken from π/4.
LOW, HIGH = math.sqrt(2.0) - 1.0, math.sqrt(2.0) + 1.0


def _arcsine_core(a: Real, big: Mask, form: str) -> Pair:
    """Return arcsin a for a ≤ ½, and arcsin √((1 − a)/2) = arccos(a)/2 for a > ½."""
    z = big.choose((1.0 - a) * 0.5, a * a)
    tail = polynomial(z, table.ARCSIN[form]) * z
    if form == "short":
        s = big.choose(z.sqrt(), a)
        return Pair(fma(s, tail, s), z.like(0.0))
    length = root(Pair(z, z.like(0.0)))
    s = big.choose(length.hi, a)
    return Pair(s, fma(s, tail, big.choose(length.lo, 0.0)))


def arcsin(x: Real, form: str) -> Real:
    """Return the arcsine; near 1 it is π/2 − 2 arcsin √((1 − x)/2)."""
    a = x.abs()
    big = a > 0.5
    core = _arcsine_core(a, big, form)
    head, tail, _ = table.HALF_PI["float64"]
    if form == "short":
        y = big.choose(fma(core.hi, -2.0, head), core.hi)
    else:
        rest = quick_sum(head, core.hi * -2.0)
        far = rest.hi + (rest.lo + fma(core.lo, -2.0, tail))
        y = big.choose(far, core.value())
    y = (a > 1.0).choose(math.nan, y)
    return y.with_sign_of(x)


def arccos(x: Real, form: str) -> Real:
    """Return the arccosine; near 1 it is 2 arcsin √((1 − x)/2), near −1 that taken from π."""
    a = x.abs()
    big, left = a > 0.5, x < 0.0
    core = _arcsine_core(a, big, form)
    head, tail, _ = table.HALF_PI["float64"]
    # Near ±1: base + factor × core with base 0 or π and factor ±2; else π/2 ± core.
    factor = big.choose(left.choose(-2.0, 2.0), left.choose(1.0, -1.0))
    turns = big.choose(left.choose(2.0, 0.0), 1.0)
    base = turns * head
    if form == "short":
        y = fma(core.hi, factor, base)
    else:
        start = quick_sum(base, core.hi * factor)
        y = start.hi + (start.lo + fma(core.lo, factor, turns * tail))
    return (a > 1.0).choose(math.nan, y)


def _arctangent(above: Real, below: Real, form: str) -> Pair:
    """Return arctan(above/below) for numbers ≥ 0 that are not both 0 or infinite.

    It is arctan t, π/4 + arctan t or π/2 + arctan t with |t| ≤ tan(π/8).
    """
    low, high = above <= below * LOW, above > below * HIGH
    over = low.choose(above, high.choose(-below, above - below))
    under = low.choose(below, high.choose(above, above + below))
    head, tail, _ = table.HALF_PI["float64"]
    turns = low.choose(0.0, high.choose(1.0, 0.5))
    if form == "short":
        t = over / under
        z = t * t
        y = fma(t * z, polynomial(z, table.ARCTAN[form]), t)
        return Pair(fma(turns, head, y), z.like(0.0))
    middle_over, middle_under = exact_sum(above, -below), exact_sum(above, below)
    middle = ~(low | high)
    ratio = quotient(
        Pair(over, middle.choose(middle_over.lo, 0.0)),
        Pair(under, middle.choose(middle_under.lo, 0.0)),
    )
    z = ratio.hi * ratio.hi
    rest = fma(ratio.hi * z, polynomial(z, table.ARCTAN[form]), ratio.lo)
    start = quick_sum(turns * head, ratio.hi)
    return quick_sum(start.hi, start.lo + fma(turns, tail, rest))


def arctan(x: Real, form: str) -> Real:
    """Return the arctangent."""
    a = x.abs()
    # From here on it is π/2 to the last digit, and the reciprocal is still a normal number.
    near = a.at_most(2.0**80)
    return _arctangent(near, near.like(1.0), form).hi.with_sign_of(x)


def arctan2(y: Real, x: Real, form: str) -> Real:
    """Return the angle of the point (x, y)."""
    above, below = y.abs(), x.abs()
    # Both 0 is an angle of 0, both infinite one of π/4; an infinity alone is as good as 1 to 0.
    alike = above.equals(below)
    above = alike.choose((above > 0.0).choose(1.0, 0.0), above)
    below = alike.choose(1.0, below)
    above_far, below_far = above.equals(math.inf), below.equals(math.inf)
    above = below_far.choose(0.0, above_far.choose(1.0, above))
    below = below_far.choose(1.0, above_far.choose(0.0, below))
    if form != "short":
        # Neither the sum nor the reciprocal may overflow.
        larger = (above > below).choose(above, below)
        scale = (larger > 2.0**900).choose(2.0**-200, (larger < 2.0**-800).choose(2.0**200, 1.0))
        above, below = above * scale, below * scale
    angle = _arctangent(above, below, form)
    left = (x.bits() >> 63).equals(1)
    head, tail, _ = table.HALF_PI["float64"]
    if form == "short":
        value = left.choose(2.0 * head - angle.hi, angle.hi)
    else:
        back = quick_sum(2.0 * head, -angle.hi)
        value = left.choose(back.hi + (back.lo + (2.0 * tail - angle.lo)), angle.value())
    value = (x.is_nan() | y.is_nan()).choose(math.nan, value)
    return value.with_sign_of(y)
