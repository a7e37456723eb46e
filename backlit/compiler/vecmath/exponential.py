"""Exponentials, logarithms and what is made of both."""

from __future__ import annotations

import math

from backlit.compiler.vecmath import coefficients as table
from backlit.compiler.vecmath.kernels import (
    MAGIC,
    Pair,
    Reduced,
    exact_product,
    exact_sum,
    exp_reduced,
    exp_short,
    expm1_scaled,
    log_kernel,
    quick_sum,
    quotient,
    reduce_by_ln2,
    scale_by,
    split_exponent,
)
from backlit.compiler.vecmath.values import BIAS, MANTISSA, Real, fma, polynomial

# Beyond these eˣ is infinite or rounds to 0, and so does 2ˣ beyond the second pair.
EXP_RANGE = {"float32": (-104.0, 89.0), "float64": (-746.0, 710.0)}
EXP2_RANGE = {"float32": (-151.0, 129.0), "float64": (-1076.0, 1025.0)}
# Below these eˣ − 1 rounds to −1.
EXPM1_LOW = {"float32": -18.0, "float64": -38.0}
# In float32, where eˣ is a number that is neither infinite nor 0; its exponent has no limits here.
SINGLE_RANGE = 120.0
# So small that x² is nothing beside x.
TINY = {"float32": 2.0**-30, "float64": 2.0**-60}
SMALLEST_NORMAL = {"float32": 2.0**-126, "float64": 2.0**-1022}


def exp(x: Real) -> Real:
    """Return eˣ."""
    low, high = EXP_RANGE[x.dtype]
    reduced = reduce_by_ln2(x.at_most(high).at_least(low))
    return scale_by(reduced)(exp_reduced(reduced.r, x.dtype).hi)


def exp2(x: Real) -> Real:
    """Return 2ˣ = eʳ 2ⁿ with r = (x − n) ln 2."""
    dtype = x.dtype
    low, high = EXP2_RANGE[dtype]
    x = x.at_most(high).at_least(low)
    shifted = x + MAGIC[dtype]
    n = shifted - MAGIC[dtype]
    head, tail = table.LN2[dtype]
    rest = x - n
    product = exact_product(rest, head)
    r = Pair(product.hi, fma(rest, tail, product.lo))
    return scale_by(Reduced(n, shifted, r))(exp_reduced(r, dtype).hi)


def expm1(x: Real) -> Real:
    """Return eˣ − 1 without cancellation near 0."""
    dtype = x.dtype
    x_in = x.at_most(EXP_RANGE[dtype][1]).at_least(EXPM1_LOW[dtype])
    # Half of it, for the largest power of two does not fit; of the tiny there is no half.
    y = expm1_scaled(reduce_by_ln2(x_in), 0.5, dtype).hi * 2.0
    return (x.abs() < TINY[dtype]).choose(x, y)


def log(x: Real) -> Real:
    """Return the natural logarithm."""
    k, f = exponent_and_rest(x)
    return log_ends(x, log_kernel(k, f, None, x.dtype).hi)


def exponent_and_rest(x: Real) -> tuple[Real, Real]:
    """Return k and f of x = 2ᵏ (1 + f), for subnormal x too."""
    up = MANTISSA[x.dtype] + 1
    subnormal = x < SMALLEST_NORMAL[x.dtype]
    split = split_exponent(subnormal.choose(x * 2.0**up, x))
    return split.k - subnormal.choose(float(up), 0.0, x.dtype), split.f


def log_ends(x: Real, y: Real) -> Real:
    """Put in what the logarithm of 0, infinity, NaN and negative numbers is."""
    y = (x < math.inf).choose(y, x)
    y = x.equals(0.0).choose(-math.inf, y)
    return (x < 0.0).choose(math.nan, y)


def log1p_pair(x: Pair, form: str) -> Pair:
    """Return log(1 + x) for −1 < x, given as a sum; |x| may be as large as a number gets."""
    start = exact_sum(x.hi, 1.0)
    split = split_exponent(start.hi)
    # For the largest exponents the inverse is no normal number, and the 1 is nothing beside x.
    inverse = (start.hi < 2.0 ** (BIAS[x.hi.dtype] - 1)).choose(split.inverse(), 0.0)
    f = quick_sum(split.f, start.lo * inverse)
    return log_kernel(split.k, f.hi, fma(x.lo, inverse, f.lo), form)


def log1p(x: Real) -> Real:
    """Return log(1 + x) without loss for small x."""
    y = log1p_pair(Pair(x, x.like(0.0)), x.dtype).hi
    y = (x < math.inf).choose(y, x)
    y = x.equals(-1.0).choose(-math.inf, y)
    y = (x < -1.0).choose(math.nan, y)
    return (x.abs() < TINY[x.dtype]).choose(x, y)


def _exp_below_one(x: Real) -> Pair:
    """Return eˣ for x ≤ 0 as a sum."""
    reduced = reduce_by_ln2(x.at_least(EXP_RANGE[x.dtype][0]))
    e, scale = exp_reduced(reduced.r, x.dtype), scale_by(reduced)
    return Pair(scale(e.hi), scale(e.lo))


def sigmoid(x: Real) -> Real:
    """Return 1/(1 + e⁻ˣ); with e = e⁻|ˣ| it is 1/(1 + e) or e/(1 + e), and no tail is lost.

    What does not depend on the sign is written as `softplus` writes it: a derivative asks for σ(x),
    σ(−x) and softplus(±x) together, and the code generator computes equal instructions once.
    """
    left = x < 0.0
    if x.dtype == "float32":
        single = exp_short(-x.abs().at_most(SINGLE_RANGE).to("float64"))
        share = 1.0 / (single + 1.0)
        return left.choose((single * share).to("float32"), share.to("float32"))
    e = _exp_below_one(-x.abs())
    below = quick_sum(1.0, e.hi)
    above = Pair(left.choose(e.hi, 1.0), left.choose(e.lo, 0.0))
    return quotient(above, Pair(below.hi, below.lo + e.lo)).value()


def _log1p_of_exp(e: Pair) -> Pair:
    """Return log(1 + e) for 0 ≤ e ≤ 1."""
    dtype = e.hi.dtype
    start = quick_sum(1.0, e.hi)
    big = start.hi > math.sqrt(2.0)
    scale, k = big.choose(0.5, 1.0), big.choose(1.0, 0.0)
    f = quick_sum(fma(start.hi, scale, -1.0), start.lo * scale)
    return log_kernel(k, f.hi, fma(e.lo, scale, f.lo), dtype)


def _add_rounded_once(a: Real, b: Pair) -> Real:
    """Return a + b."""
    total = exact_sum(a, b.hi)
    return total.hi + (total.lo + b.lo)


def softplus(x: Real) -> Real:
    """Return log(1 + eˣ) = max(x, 0) + log(1 + e⁻|ˣ|)."""
    if x.dtype == "float32":
        e = exp_short(-x.abs().at_most(SINGLE_RANGE).to("float64"))
        y = fma(e, polynomial(e, table.LOG1P["short"]), x.at_least(0.0).to("float64"))
        return y.to("float32")
    y = _add_rounded_once(x.at_least(0.0), _log1p_of_exp(_exp_below_one(-x.abs())))
    # An infinity has no exact sum; beyond the range of the exponential there is nothing to add.
    return (x < EXP_RANGE[x.dtype][1]).choose(y, x)


def log_sigmoid(x: Real) -> Real:
    """Return log σ(x) = −log(1 + e⁻ˣ), 0 (not −0) where that is too small to be told apart."""
    return 0.0 - softplus(-x)


def logaddexp(a: Real, b: Real, form: str) -> Real:
    """Return log(eᵃ + eᵇ) = max + log(1 + e^(min − max))."""
    bigger = a > b
    high, low = bigger.choose(a, b), bigger.choose(b, a)
    # Equal infinities differ by nothing.
    same = a.equals(b)
    high_in, low_in = same.choose(0.0, high), same.choose(0.0, low)
    if form == "short":
        e = exp_short((low_in - high_in).at_least(-SINGLE_RANGE))
        y = fma(e, polynomial(e, table.LOG1P[form]), high)
    else:
        # The difference loses half of its last bit, times a power that is small if it is big.
        y = _add_rounded_once(high, _log1p_of_exp(_exp_below_one(low_in - high_in)))
        y = (high.abs() < math.inf).choose(y, high)
    return (a.is_nan() | b.is_nan()).choose(math.nan, y)
