"""Hyperbolic functions and their inverses."""

from __future__ import annotations

import math

from backlit.compiler.vecmath import coefficients as table
from backlit.compiler.vecmath.exponential import SINGLE_RANGE, log1p_pair
from backlit.compiler.vecmath.kernels import (
    Pair,
    exact_product,
    exact_sum,
    exp_reduced,
    exp_short,
    expm1_scaled,
    expm1_short,
    log_short,
    power_of_two,
    quick_sum,
    quotient,
    reduce_by_ln2,
    root,
    sum_of,
)
from backlit.compiler.vecmath.values import Real, fma, polynomial

# From here on tanh rounds to 1.
TANH_ONE = 19.5
# From here on half of eˣ is infinite, but not a quarter.
OVERFLOW = 710.5
# From here on the inverse functions are log 2x; the square of a bigger number may be infinite.
FAR = 2.0**100


def tanh(x: Real) -> Real:
    """Return the hyperbolic tangent, (e²ˣ − 1)/(e²ˣ + 1)."""
    double = x.abs().at_most(TANH_ONE) * 2.0
    if x.dtype == "float32":
        single = expm1_short(double.to("float64"))
        return (single / (single + 2.0)).to("float32").with_sign_of(x)
    e = expm1_scaled(reduce_by_ln2(double), 1.0, x.dtype)
    below = exact_sum(e.hi, 2.0)
    return quotient(e, Pair(below.hi, below.lo + e.lo)).value().with_sign_of(x)


def sinh(x: Real, form: str) -> Real:
    """Return the hyperbolic sine: with e = e^|x| − 1 it is (e + e/(e + 1))/2."""
    a = x.abs()
    if form == "short":
        e = expm1_short(a.at_most(SINGLE_RANGE))
        return ((e + e / (e + 1.0)) * 0.5).with_sign_of(x)
    # A quarter of e, because e itself may be infinite.
    quarter = expm1_scaled(reduce_by_ln2(a.at_most(OVERFLOW)), 0.25, form)
    below = exact_sum(quarter.hi, 0.25)
    share = quotient(quarter, Pair(below.hi, below.lo + quarter.lo))
    y = sum_of(quarter, Pair(share.hi * 0.25, share.lo * 0.25)).value() * 2.0
    # Of a subnormal number there is no quarter.
    return (a < 2.0**-30).choose(x, y.with_sign_of(x))


def cosh(x: Real, form: str) -> Real:
    """Return the hyperbolic cosine: with e = e^|x| it is (e + 1/e)/2."""
    a = x.abs()
    if form == "short":
        e = exp_short(a.at_most(SINGLE_RANGE))
        return (e + 1.0 / e) * 0.5
    reduced = reduce_by_ln2(a.at_most(OVERFLOW))
    scale = power_of_two(reduced.shifted - 2.0)
    whole = exp_reduced(reduced.r, form)
    quarter = Pair(whole.hi * scale, whole.lo * scale)
    share = quotient(Pair(scale.like(1.0 / 16.0), scale.like(0.0)), quarter)
    return sum_of(quarter, share).value() * 2.0


def arcsinh(x: Real, form: str) -> Real:
    """Return the inverse of sinh: log(1 + a + a²/(1 + √(1 + a²))) with the sign of x."""
    a = x.abs()
    if form == "short":
        z = a * a
        y = _log1p_short(a + z / ((z + 1.0).sqrt() + 1.0))
        return (a < math.inf).choose(y, a).with_sign_of(x)
    far = a > FAR
    near = far.choose(1.0, a)
    square = exact_product(near, near)
    below = exact_sum(square.hi, 1.0)
    length = root(Pair(below.hi, below.lo + square.lo))
    below = exact_sum(length.hi, 1.0)
    share = quotient(square, Pair(below.hi, below.lo + length.lo))
    y = _log1p_or_log_twice(a, sum_of(Pair(near, near.like(0.0)), share), form)
    return y.with_sign_of(x)


def arccosh(x: Real, form: str) -> Real:
    """Return the inverse of cosh: log(1 + t + √(t (x + 1))) with t = x − 1."""
    if form == "short":
        above = x - 1.0
        y = _log1p_short(above + (above * (x + 1.0)).sqrt())
        return (x < 1.0).choose(math.nan, y)
    near = (x > FAR).choose(1.0, x)
    t = exact_sum(near, -1.0)
    square = exact_product(near, near)
    start = exact_sum(square.hi, -1.0)
    length = root(quick_sum(start.hi, start.lo + square.lo))
    y = _log1p_or_log_twice(x, sum_of(t, length), form)
    return (x < 1.0).choose(math.nan, y)


def arctanh(x: Real, form: str) -> Real:
    """Return the inverse of tanh, log(1 + 2a/(1 − a))/2 with the sign of x."""
    a = x.abs()
    if form == "short":
        y = _log1p_short(a * 2.0 / (1.0 - a)) * 0.5
    else:
        below = exact_sum(-a, 1.0)
        share = quotient(Pair(a * 2.0, a.like(0.0)), below)
        y = a.equals(1.0).choose(math.inf, log1p_pair(share, form).hi * 0.5)
    return (a > 1.0).choose(math.nan, y.with_sign_of(x))


def _log1p_short(x: Real) -> Real:
    """Return log(1 + x) in float64, x ≥ 0, for a result that will be rounded to float32."""
    small = fma(x * x, polynomial(x, (-0.5, 1.0 / 3.0, -0.25)), x)
    y = (x < 2.0**-12).choose(small, log_short(x + 1.0))
    return (x < math.inf).choose(y, x)


def _log1p_or_log_twice(x: Real, near: Pair, form: str) -> Real:
    """Return log(1 + near), or log 2x where x is large."""
    far = x > FAR
    y = log1p_pair(Pair(far.choose(x, near.hi), far.choose(0.0, near.lo)), form)
    start = quick_sum(y.hi, far.choose(table.LN2[x.dtype][0], 0.0, x.dtype))
    value = start.hi + (start.lo + y.lo)
    return (x < math.inf).choose(value, x)
