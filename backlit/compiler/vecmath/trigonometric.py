"""Sine, cosine and tangent."""

from __future__ import annotations

from backlit.compiler.vecmath import coefficients as table
from backlit.compiler.vecmath.angles import reduce_by_half_pi
from backlit.compiler.vecmath.kernels import Pair, exact_product, quick_sum, quotient
from backlit.compiler.vecmath.values import Real, fma, polynomial

# From here down sin x and tan x are x.
TINY = 2.0**-60


def _sine(r: Pair, form: str) -> Pair:
    """Return sin r for |r| ≤ π/4."""
    z = r.hi * r.hi
    tail = polynomial(z, table.SIN[form]) * z
    if form == "short":
        return Pair(fma(r.hi, tail, r.hi), z.like(0.0))
    return Pair(r.hi, fma(r.hi, tail, r.lo * fma(z, -0.5, 1.0)))


def _cosine(r: Pair, form: str) -> Pair:
    """Return cos r for |r| ≤ π/4."""
    square = exact_product(r.hi, r.hi)
    z = square.hi
    tail = polynomial(z, table.COS[form]) * z
    if form == "short":
        return Pair(fma(z, tail, fma(z, -0.5, 1.0)), z.like(0.0))
    start = quick_sum(1.0, z * -0.5)
    rest = fma(r.hi, -r.lo, fma(square.lo, -0.5, start.lo))
    return Pair(start.hi, fma(z, tail, rest))


def _value(pair: Pair, form: str) -> Real:
    return pair.hi if form == "short" else pair.value()


def _wave(x: Real, form: str, quarters: int) -> Real:
    """Return sin(x + quarters π/2)."""
    angle = reduce_by_half_pi(x, form)
    n = angle.n + quarters if quarters else angle.n
    even = (n & 1).equals(0)
    y = even.choose(_value(_sine(angle.r, form), form), _value(_cosine(angle.r, form), form))
    sign = (n & 2) << 62
    return (y.bits() ^ sign).real()


def sin(x: Real, form: str) -> Real:
    """Return the sine."""
    # The sum of a positive and a negative zero loses the sign.
    return (x.abs() < TINY).choose(x, _wave(x, form, 0))


def cos(x: Real, form: str) -> Real:
    """Return the cosine."""
    return _wave(x, form, 1)


def tan(x: Real, form: str) -> Real:
    """Return the tangent as a quotient."""
    angle = reduce_by_half_pi(x, form)
    even = (angle.n & 1).equals(0)
    s, c = _sine(angle.r, form), _cosine(angle.r, form)
    if form == "short":
        y = even.choose(s.hi, -c.hi) / even.choose(c.hi, s.hi)
    else:
        s, c = quick_sum(s.hi, s.lo), quick_sum(c.hi, c.lo)
        above = Pair(even.choose(s.hi, -c.hi), even.choose(s.lo, -c.lo))
        below = Pair(even.choose(c.hi, s.hi), even.choose(c.lo, s.lo))
        y = quotient(above, below).value()
    return (x.abs() < TINY).choose(x, y)
