"""Powers, roots and logarithms of other bases."""

from __future__ import annotations

import math
from collections.abc import Mapping

from backlit.compiler.vecmath import coefficients as table
from backlit.compiler.vecmath.exponential import SINGLE_RANGE, exponent_and_rest, log_ends
from backlit.compiler.vecmath.kernels import (
    MAGIC,
    Pair,
    exact_product,
    exact_sum,
    exp_reduced,
    exp_short,
    log1p_short,
    log_kernel,
    log_short,
    power_of_two,
    product,
    quick_sum,
    quotient,
    reduce_by_ln2,
    root,
    scale_by,
    split_exponent,
)
from backlit.compiler.vecmath.values import MANTISSA, Mask, Real, fma, polynomial

# Beyond this eˣ is infinite or 0.
FAR = 800.0


def sqrt(x: Real) -> Real:
    """Return the square root, correctly rounded."""
    return x.sqrt()


def log2(x: Real) -> Real:
    """Return the logarithm to base 2: the exponent and log(1 + f)/log 2."""
    if x.dtype == "float32":
        split = split_exponent(x.to("float64"))
        y = log1p_short(split.f) * table.LOG2E["float64"][0] + split.k
        return log_ends(x, y.to("float32"))
    k, f = exponent_and_rest(x)
    rest = product(log_kernel(None, f, None, x.dtype), _pair(f, table.LOG2E))
    start = quick_sum(k, rest.hi)
    return log_ends(x, start.hi + (start.lo + rest.lo))


def log10(x: Real) -> Real:
    """Return the logarithm to base 10, log x/log 10."""
    if x.dtype == "float32":
        y = log_short(x.to("float64")) * table.LOG10E["float64"][0]
        return log_ends(x, y.to("float32"))
    k, f = exponent_and_rest(x)
    return log_ends(x, product(log_kernel(k, f, None, x.dtype), _pair(f, table.LOG10E)).hi)


def _pair(like: Real, constant: Mapping[str, tuple[float, ...]]) -> Pair:
    """Return a constant of twice the digits in every lane."""
    hi, lo = constant[like.dtype]
    return Pair(like.like(hi), like.like(lo))


def _log_long(a: Real) -> Pair:
    """Return log a to some 65 bits, for a > 0, because y log a may be as large as 745.

    With s = f/(2 + f) it is k log 2 + 2s + s³ (2/3 + s² T(s²)), of which only T is computed in
    single numbers.
    """
    k, f = exponent_and_rest(a)
    s = quotient(Pair(f, f.like(0.0)), exact_sum(f, 2.0))
    s = quick_sum(s.hi, s.lo)
    z = product(s, s)
    inner = exact_product(z.hi, polynomial(z.hi, table.ARTANH[f.dtype]))
    head, rest = table.TWO_THIRDS[f.dtype]
    factor = quick_sum(head, inner.hi)
    factor = Pair(factor.hi, factor.lo + (inner.lo + rest))
    cube = product(product(s, z), factor)
    start = quick_sum(s.hi * 2.0, cube.hi)
    tail = start.lo + fma(s.lo, 2.0, cube.lo)
    head, rest = table.LN2_SHORT[f.dtype]
    whole = quick_sum(k * head, start.hi)
    return quick_sum(whole.hi, fma(k, rest, whole.lo + tail))


def power(x: Real, y: Real) -> Real:
    """Return xʸ = e^(y log |x|) with the sign and the exceptions of IEEE 754's pow."""
    a = x.abs()
    if x.dtype == "float32":
        exponent = log_short(a.to("float64")) * y.to("float64")
        size = exp_short(exponent.at_most(SINGLE_RANGE).at_least(-SINGLE_RANGE))
        return _power_ends(x, y, a, size.to("float32"))
    log_a = _log_long(a)
    start = exact_product(log_a.hi, y)
    rest = (start.hi.abs() < FAR).choose(fma(log_a.lo, y, start.lo), 0.0)
    reduced = reduce_by_ln2(start.hi.at_most(FAR).at_least(-FAR))
    r = quick_sum(reduced.r.hi, reduced.r.lo + rest)
    return _power_ends(x, y, a, scale_by(reduced)(exp_reduced(r, x.dtype).hi))


def _power_ends(x: Real, y: Real, a: Real, size: Real) -> Real:
    """Put in the sign, and what the power of 0, 1, infinity and NaN is; ``a`` is |x|."""
    grows = (a > 1.0) ^ (y < 0.0)
    extreme = a.equals(0.0) | a.equals(math.inf) | y.abs().equals(math.inf)
    size = extreme.choose(grows.choose(math.inf, 0.0, x.dtype), size)
    size = a.equals(1.0).choose(1.0, size)
    whole = _is_whole(y)
    odd = whole & ~_is_whole(y * 0.5)
    size = ((x < 0.0) & ~whole & ~extreme).choose(math.nan, size)
    size = size.with_sign_of(odd.choose(x, 1.0))
    size = (x.is_nan() | y.is_nan()).choose(math.nan, size)
    return (x.equals(1.0) | y.equals(0.0)).choose(1.0, size)


def _is_whole(y: Real) -> Mask:
    """Tell integers; infinity is one, and even."""
    a = y.abs()
    big = 2.0 ** MANTISSA[y.dtype]
    return (a >= big) | ((a + big) - big).equals(a)


def cbrt(x: Real, form: str) -> Real:
    """Return the cube root: that of the exponent, and m r² with r = m^(−1/3) by Newton's method.

    The iteration r + r e/3 + 2 r e²/9, e = 1 − m r³, triples the number of digits.
    """
    a = x.abs()
    k, f = exponent_and_rest(a)
    shifted = fma(k, 1.0 / 3.0, MAGIC["float64"])
    third = shifted - MAGIC["float64"]
    m = (f + 1.0) * power_of_two(fma(third, -3.0, k) + MAGIC["float64"])
    r = polynomial(m, table.CBRT[form])
    for _ in range(1 if form == "short" else 2):
        e = fma(m * r, -(r * r), 1.0)
        r = fma(r * e, fma(e, 2.0 / 9.0, 1.0 / 3.0), r)
    y = m * (r * r)
    square = exact_product(y, y)
    remainder = fma(-y, square.hi, m) - y * square.lo
    y = fma(remainder, r * r * (1.0 / 3.0), y) * power_of_two(shifted)
    y = ((a < math.inf) & (a > 0.0)).choose(y, a)
    return y.with_sign_of(x)


def hypot(x: Real, y: Real, form: str) -> Real:
    """Return √(x² + y²) without overflow on the way."""
    a, b = x.abs(), y.abs()
    if form == "short":
        value = fma(a, a, b * b).sqrt()
    else:
        swap = a < b
        a, b = swap.choose(b, a), swap.choose(a, b)
        large, small = a > 2.0**500, a < 2.0**-400
        scale = large.choose(2.0**-600, small.choose(2.0**600, 1.0))
        back = large.choose(2.0**600, small.choose(2.0**-600, 1.0))
        a, b = a * scale, b * scale
        first, second = exact_product(a, a), exact_product(b, b)
        total = quick_sum(first.hi, second.hi)
        value = root(quick_sum(total.hi, total.lo + (first.lo + second.lo))).value() * back
    value = (x.is_nan() | y.is_nan()).choose(math.nan, value)
    infinite = x.abs().equals(math.inf) | y.abs().equals(math.inf)
    return infinite.choose(math.inf, value)
