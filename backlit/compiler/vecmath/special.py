"""The error function and its complement."""

from __future__ import annotations

from backlit.compiler.vecmath import coefficients as table
from backlit.compiler.vecmath.kernels import (
    Pair,
    exact_product,
    exact_sum,
    exp_reduced,
    exp_short,
    quick_sum,
    quotient,
    reduce_by_ln2,
    scale_by,
)
from backlit.compiler.vecmath.values import Real, fma, polynomial

# Below this erf is an odd polynomial; from there on it is 1 − erfc. For erfc it is the other way
# round, and the better place is where less is lost by subtracting from 1.
SMALL = 0.75
SMALL_COMPLEMENT = {"float64": 0.7, "short": 0.75}
# From here on erfc is 0, also as a subnormal number.
FAR = {"float64": 27.3, "short": 10.2}
# e^(x²) erfc x is nearly a multiple of 1/(x + ⅜).
SHIFT = 0.375
CENTER = {"float64": 4.0, "short": 3.0}


def _small(x: Real, form: str) -> Pair:
    """Return erf x for |x| ≤ ¾."""
    head, rest = table.ERF_SLOPE["float64"]
    if form == "short":
        z = x * x
        y = x * fma(polynomial(z, table.ERF[form]), z, head)
        return Pair(y, y.like(0.0))
    square = exact_product(x, x)
    inner = polynomial(square.hi, table.ERF[form])
    start = exact_product(x, head)
    tail = fma(inner, square.hi, fma(inner, square.lo, rest))
    return quick_sum(start.hi, fma(x, tail, start.lo))


def _complement(a: Real, form: str) -> Pair:
    """Return erfc a for a ≥ 0.7 (¾ for float32) as e^(−a²) P(t)/(a + ⅜) with t = (a − c)/(a + c).

    Source of the transformation: J. L. Schonfelder, "Chebyshev expansions for the error and related
    functions" (1978).
    """
    a = a.at_most(FAR[form])
    center = CENTER[form]
    if form == "short":
        outer, inner = a + center, a + SHIFT
        inverse = 1.0 / (outer * inner)
        t = (a - center) * inner * inverse
        y = exp_short(-(a * a)) * polynomial(t, table.ERFC[form]) * (outer * inverse)
        return Pair(y, y.like(0.0))
    t = (a - center) / (a + center)
    first, *others = table.ERFC[form]
    height = quick_sum(first, t * polynomial(t, others))
    height = Pair(height.hi, height.lo + table.ERFC_TAILS[form][0])
    square = exact_product(a, a)
    reduced = reduce_by_ln2(-square.hi)
    e = exp_reduced(quick_sum(reduced.r.hi, reduced.r.lo - square.lo), form)
    share = quotient(height, exact_sum(a, SHIFT))
    start = exact_product(e.hi, share.hi)
    value = quick_sum(start.hi, fma(e.hi, share.lo, fma(e.lo, share.hi, start.lo)))
    scale = scale_by(reduced)
    return Pair(scale(value.hi), scale(value.lo))


def erf(x: Real, form: str) -> Real:
    """Return the error function."""
    a = x.abs()
    small, rest = _small(a, form), _complement(a, form)
    if form == "short":
        y = (a < SMALL).choose(small.hi, 1.0 - rest.hi)
        return y.with_sign_of(x)
    back = quick_sum(1.0, -rest.hi)
    y = (a < SMALL).choose(small.value(), back.hi + (back.lo - rest.lo))
    return y.with_sign_of(x)


def erfc(x: Real, form: str) -> Real:
    """Return 1 − erf x without cancellation."""
    a, left = x.abs(), x < 0.0
    small, rest = _small(x, form), _complement(a, form)
    if form == "short":
        tail = left.choose(2.0 - rest.hi, rest.hi)
        return (a < SMALL_COMPLEMENT[form]).choose(1.0 - small.hi, tail)
    near = quick_sum(1.0, -small.hi)
    far = quick_sum(2.0, -rest.hi)
    tail = left.choose(far.hi + (far.lo - rest.lo), rest.hi)
    return (a < SMALL_COMPLEMENT[form]).choose(near.hi + (near.lo - small.lo), tail)
