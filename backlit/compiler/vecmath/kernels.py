"""What several functions are made of: the exponential and the logarithm, in more digits than one
number has.

A `Pair` is an unevaluated sum of a number and a small correction; a function that ends by adding
the two is rounded once, and so is off by little more than half a unit in the last place.
Sources: T. J. Dekker, "A floating-point technique for extending the available precision" (1971);
W. J. Cody and W. Waite, *Software Manual for the Elementary Functions* (1980), for the reductions;
J.-M. Muller, *Elementary Functions*, 3rd ed. (2016).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from backlit.compiler.vecmath import coefficients as table
from backlit.compiler.vecmath.values import BIAS, MANTISSA, Real, Whole, fma, polynomial

# Adding 1.5 × 2^p to a small number rounds it to an integer, which is then in the lowest bits; with
# the bias of the exponents in them too, they are the exponent of a power of two.
ROUNDING = {"float32": 1.5 * 2.0**23, "float64": 1.5 * 2.0**52}
MAGIC = {dtype: number + BIAS[dtype] for dtype, number in ROUNDING.items()}
# Bits of √½, rounded up.
ROOT_HALF_BITS = {"float32": 0x3F3504F4, "float64": 0x3FE6A09E667F3BCD}


@dataclass(frozen=True, slots=True)
class Pair:
    """A sum ``hi + lo`` that is not carried out; ``lo`` is small beside ``hi``.

    In arithmetic for results in float32 (``form == "short"``) one number has digits enough: ``lo``
    is 0, and nobody looks at it.
    """

    hi: Real
    lo: Real

    def value(self) -> Real:
        """Return the rounded sum."""
        return self.hi + self.lo


def quick_sum(a: Real | float, b: Real) -> Pair:
    """Return a + b exactly, given that |a| ≥ |b| or a = 0 (Dekker)."""
    total = a + b
    return Pair(total, b - (total - a))


def exact_sum(a: Real, b: Real | float) -> Pair:
    """Return a + b exactly (Knuth, *The Art of Computer Programming*, volume 2, 4.2.2)."""
    total = a + b
    back = total - a
    return Pair(total, (a - (total - back)) + (b - back))


def exact_product(a: Real, b: Real | float) -> Pair:
    """Return a b exactly."""
    product = a * b
    return Pair(product, fma(a, b, -product))


def quotient(a: Pair, b: Pair) -> Pair:
    """Return a/b: a division and one correction by the remainder."""
    inverse = 1.0 / b.hi
    first = a.hi * inverse
    remainder = fma(-first, b.hi, a.hi) + fma(-first, b.lo, a.lo)
    return Pair(first, remainder * inverse)


def root(a: Pair) -> Pair:
    """Return √a for a > 0, and 0 for 0: a root and one correction by the remainder."""
    first = a.hi.sqrt()
    remainder = fma(-first, first, a.hi) + a.lo
    # The bound only keeps 0/0 away.
    return Pair(first, remainder * 0.5 / first.at_least(1e-300))


def sum_of(a: Pair, b: Pair) -> Pair:
    """Return a + b."""
    total = exact_sum(a.hi, b.hi)
    return quick_sum(total.hi, total.lo + (a.lo + b.lo))


def product(a: Pair, b: Pair) -> Pair:
    """Return a b."""
    start = exact_product(a.hi, b.hi)
    return quick_sum(start.hi, fma(a.hi, b.lo, fma(a.lo, b.hi, start.lo)))


@dataclass(frozen=True, slots=True)
class Reduced:
    """A number x = n ln 2 + r with |r| ≤ ln 2 / 2.

    Attributes
    ----------
    n : Real
    shifted : Real
        ``n`` plus the magic number.
    r : Pair
    """

    n: Real
    shifted: Real
    r: Pair


def reduce_by_ln2(x: Real) -> Reduced:
    """Split off the power of two of eˣ."""
    magic = MAGIC[x.dtype]
    log2e = table.LOG2E[x.dtype][0]
    head, tail = table.LN2[x.dtype]
    shifted = fma(x, log2e, magic)
    n = shifted - magic
    # Exact: a multiple of the last bit of the head of ln 2, and not above ½.
    first = fma(n, -head, x)
    r = fma(n, -tail, first)
    return Reduced(n, shifted, Pair(r, fma(n, -tail, first - r)))


def exp_reduced(r: Pair, form: str) -> Pair:
    """Return eʳ for a reduced argument."""
    start = quick_sum(1.0, r.hi)
    tail = fma(r.hi * r.hi, polynomial(r.hi, table.EXP[form]), r.lo)
    return quick_sum(start.hi, start.lo + tail)


def expm1_scaled(reduced: Reduced, one: float, form: str) -> Pair:
    """Return (eˣ − 1) one, where ``one`` is a power of two and 2ⁿ one a normal number."""
    r = reduced.r
    half = r.hi * 0.5
    square = exact_product(r.hi, half)
    first = quick_sum(r.hi, square.hi)
    cube = polynomial(r.hi, table.EXP[form][1:]) * r.hi
    tail = first.lo + fma(r.hi * r.hi, cube, square.lo + r.lo)
    scale = power_of_two(reduced.shifted + math.log2(one))
    whole = exact_sum(scale, -one)
    start = quick_sum(whole.hi, scale * first.hi)
    return quick_sum(start.hi, fma(scale, tail, start.lo + whole.lo))


def power_of_two(shifted: Real) -> Real:
    """Return 2ⁿ, where it is a normal number, from n plus the magic number."""
    return (shifted.bits() << MANTISSA[shifted.dtype]).real()


@dataclass(frozen=True, slots=True)
class Scale:
    """A power of two in two factors, so that neither overflows and the product is rounded once."""

    first: Real
    second: Real

    def __call__(self, x: Real) -> Real:
        """Return x 2ⁿ."""
        return x * self.first * self.second


def scale_by(reduced: Reduced) -> Scale:
    """Return the multiplication by 2ⁿ, also where the result is subnormal or overflows."""
    dtype = reduced.n.dtype
    half = fma(reduced.n, 0.5, MAGIC[dtype])
    rest = reduced.shifted.bits() - half.bits() + BIAS[dtype]
    return Scale(power_of_two(half), (rest << MANTISSA[dtype]).real())


@dataclass(frozen=True, slots=True)
class Split:
    """A positive normal number 2ᵏ (1 + f) with √½ ≤ 1 + f < √2.

    Attributes
    ----------
    k, f : Real
    biased : Whole
        The exponent as it is stored.
    """

    k: Real
    f: Real
    biased: Whole

    def inverse(self) -> Real:
        """Return 2⁻ᵏ, where it is a normal number."""
        dtype = self.f.dtype
        opposite = (self.biased ^ -1) + (2 * BIAS[dtype] + 1)
        return (opposite << MANTISSA[dtype]).real()


def split_exponent(x: Real) -> Split:
    """Take a positive normal number apart by its bits."""
    dtype = x.dtype
    p, bias = MANTISSA[dtype], BIAS[dtype]
    one, root_half = bias << p, ROOT_HALF_BITS[dtype]
    # The exponent steps at √2 times a power of two once the bits are moved by this much.
    moved = x.bits() + (one - root_half)
    biased = moved >> p
    m = ((moved & ((1 << p) - 1)) + root_half).real()
    # The exponent as the low bits of a number whose own unit is 1.
    anchor = 2.0**p
    k = (biased | ((bias + p) << p)).real() - (anchor + bias)
    return Split(k, m - 1.0, biased)


def log_kernel(k: Real | None, f: Real, lost: Real | None, form: str) -> Pair:
    """Return k ln 2 + log(1 + f + lost) for √½ ≤ 1 + f ≤ √2, without cancellation for small f."""
    square = exact_product(f, f)
    tail = fma(f * square.hi, polynomial(f, table.LOG[form]), square.lo * -0.5)
    if lost is not None:
        # The derivative 1/(1 + f), roughly: it multiplies the last bits only.
        tail = fma(lost, polynomial(f, table.SLOPE[form]), tail)
    start = quick_sum(f, square.hi * -0.5)
    if k is not None:
        head, rest = table.LN2_SHORT[f.dtype]
        high = quick_sum(k * head, start.hi)
        tail = fma(k, rest, tail + start.lo) + high.lo
        return quick_sum(high.hi, tail)
    return quick_sum(start.hi, start.lo + tail)


def _exp_parts(x: Real) -> tuple[Real, Real]:
    """Return 2ⁿ and eʳ − 1 for x = n ln 2 + r, in float64 for a result in float32."""
    shifted = fma(x, table.LOG2E["float64"][0], MAGIC["float64"])
    r = fma(shifted - MAGIC["float64"], -table.LN2["float64"][0], x)
    return power_of_two(shifted), fma(r * r, polynomial(r, table.EXP["short"]), r)


def exp_short(x: Real) -> Real:
    """Return eˣ for |x| ≤ 700 in float64, for a result that will be rounded to float32."""
    scale, rest = _exp_parts(x)
    return fma(scale, rest, scale)


def expm1_short(x: Real) -> Real:
    """Return eˣ − 1 for |x| ≤ 700 in float64, for a result that will be rounded to float32."""
    scale, rest = _exp_parts(x)
    return fma(scale, rest, scale - 1.0)


def log1p_short(f: Real) -> Real:
    """Return log(1 + f) for √½ ≤ 1 + f ≤ √2 in float64, for a result in float32."""
    return fma(f * f, polynomial(f, table.LOG["short"]) * f - 0.5, f)


def log_short(x: Real) -> Real:
    """Return log x in float64, x normal, for a result that will be rounded to float32."""
    split = split_exponent(x)
    return fma(split.k, table.LN2["float64"][0], log1p_short(split.f))
