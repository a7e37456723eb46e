"""Angles modulo π/2."""

from __future__ import annotations

import math
from dataclasses import dataclass

from backlit.compiler.text import Code, Lanes
from backlit.compiler.vecmath import coefficients as table
from backlit.compiler.vecmath.kernels import ROUNDING, Pair, exact_product, exact_sum, quick_sum
from backlit.compiler.vecmath.values import Mask, Real, Whole, fma

# Up to here three parts of π/2 leave enough digits of the remainder, whatever the argument.
LIMIT = 2.0**40
# What the function for numbers past it returns: n and the two parts of r.
ANGLE = "{ i64, double, double }"


@dataclass(frozen=True, slots=True)
class Angle:
    """An angle n π/2 + r with |r| ≤ π/4; of n the last two bits count."""

    n: Whole
    r: Pair


def reduce_by_half_pi(x: Real, form: str) -> Angle:
    """Split off multiples of π/2 (Cody and Waite); past the limit after Payne and Hanek.

    The first difference is exact: it is a multiple of the last bit of the head of π/2 and not
    above 1. Of an infinity it is NaN.
    """
    first, second, third = table.HALF_PI["float64"]
    shifted = fma(x, table.TWO_OVER_PI["float64"][0], ROUNDING["float64"])
    n = shifted - ROUNDING["float64"]
    r = fma(n, -first, x)
    if form == "short":
        fast = Angle(shifted.bits(), Pair(fma(n, -second, r), r.like(0.0)))
    else:
        product = exact_product(n, second)
        rest = exact_sum(r, -product.hi)
        lo = fma(n, -third, rest.lo - product.lo)
        fast = Angle(shifted.bits(), quick_sum(rest.hi, lo))
    return _with_slow_path(x, fast)


def _with_slow_path(x: Real, fast: Angle) -> Angle:
    """Replace the angles of arguments past the limit, if there are any."""
    lanes, code = x.lanes, x.lanes.code
    far = (x.abs() > LIMIT) & (x.abs() < math.inf)
    slow, done = code.fresh("far"), code.fresh("near")
    before = code.block
    code.do(f"br i1 {far.any()}, label %{slow}, label %{done}")
    code.label(slow)
    careful = _far_angles(x)
    kind = f"select {lanes.of('i1')} {far.name}, {lanes.of('i64')}"
    n_slow = code.let(f"{kind} {careful.n.name}, {lanes.of('i64')} {fast.n.name}")
    r_slow = Pair(
        far.choose(careful.r.hi, fast.r.hi),
        far.choose(careful.r.lo, fast.r.lo),
    )
    code.do(f"br label %{done}")
    code.label(done)

    def join(quick: str, careful: str, scalar: str) -> str:
        return code.let(f"phi {lanes.of(scalar)} [{quick}, %{before}], [{careful}, %{slow}]")

    n = Whole(lanes, "i64", join(fast.n.name, n_slow, "i64"))
    hi, lo = (
        Real(lanes, "float64", join(quick.name, slow_one.name, "double"))
        for quick, slow_one in ((fast.r.hi, r_slow.hi), (fast.r.lo, r_slow.lo))
    )
    return Angle(n, Pair(hi, lo))


def _far_angles(x: Real) -> Angle:
    """Reduce one lane after the other."""
    lanes, code = x.lanes, x.lanes.code
    function = _far_function(code)
    scalars = ("i64", "double", "double")
    packed = ["poison"] * 3
    for i in range(lanes.width):
        item = x.name
        if lanes.width > 1:
            item = code.let(f"extractelement {lanes.of('double')} {x.name}, i64 {i}")
        angle = code.let(f"call {ANGLE} @{function}(double {item})")
        for place, scalar in enumerate(scalars):
            part = code.let(f"extractvalue {ANGLE} {angle}, {place}")
            if lanes.width > 1:
                into = f"{lanes.of(scalar)} {packed[place]}"
                part = code.let(f"insertelement {into}, {scalar} {part}, i64 {i}")
            packed[place] = part
    n, hi, lo = packed
    return Angle(
        Whole(lanes, "i64", n), Pair(Real(lanes, "float64", hi), Real(lanes, "float64", lo))
    )


def _far_function(code: Code) -> str:
    """Return the name of a function that reduces one large number."""
    inner = Code(code.module)
    one = Lanes(inner, 1)
    let = inner.let
    bits = let("bitcast double %x to i64")
    turns = _turns(inner, bits)
    # Two bits before the point; the rest, signed, is the fraction nearest to 0.
    fraction = let(f"ashr i128 {let(f'shl i128 {turns}, 2')}, 2")
    quarters = let(f"lshr i128 {let(f'sub i128 {turns}, {fraction}')}, 126")
    negative = let(f"icmp slt i128 {fraction}, 0")
    size = let(f"select i1 {negative}, i128 {let(f'sub i128 0, {fraction}')}, i128 {fraction}")
    angle = _times_half_pi(inner, size)
    # x itself may be negative: then both its fraction and its count of quarters change sign.
    below = let(f"icmp slt i64 {bits}, 0")
    flip = Mask(one, let(f"xor i1 {negative}, {below}"))
    r = Pair(flip.choose(-angle.hi, angle.hi), flip.choose(-angle.lo, angle.lo))
    n = let(f"trunc i128 {quarters} to i64")
    n = let(f"select i1 {below}, i64 {let(f'sub i64 0, {n}')}, i64 {n}")
    result = "poison"
    for place, part in enumerate((f"i64 {n}", f"double {r.hi.name}", f"double {r.lo.name}")):
        result = let(f"insertvalue {ANGLE} {result}, {part}, {place}")
    body = inner.body(f"ret {ANGLE} {result}")
    return code.module.kernel("far_angle", f"{ANGLE} @(double %x)", body, "noinline cold nounwind")


def _turns(inner: Code, bits: str) -> str:
    """Return |x| 2/π modulo 4, times 2¹²⁶, for a float64 above the limit.

    With |x| = m 2ᵉ, m an integer, bits of 2/π that times m 2ᵉ give multiples of 4 do not matter,
    nor those that give less than 2⁻¹²⁶; the 192 between make the product (M. Payne and R. Hanek,
    "Radian reduction for trigonometric functions", 1983).
    """
    let = inner.let
    exponent = let(f"and i64 {let(f'lshr i64 {bits}, 52')}, 2047")
    mantissa = let(f"or i64 {let(f'and i64 {bits}, {2**52 - 1}')}, {2**52}")
    # x = mantissa × 2^(exponent − 1075); the first bit of the table that matters, counted from 0.
    first_bit = let(f"sub i64 {exponent}, {1075 + 2 - 64}")
    place = let(f"lshr i64 {first_bit}, 6")
    within = let(f"and i64 {first_bit}, 63")
    kind = f"<{len(table.TWO_OVER_PI_WORDS)} x i64>"
    words = ", ".join(f"i64 {word}" for word in table.TWO_OVER_PI_WORDS)
    found = [
        let(f"extractelement {kind} <{words}>, i64 {let(f'add i64 {place}, {i}')}")
        for i in range(4)
    ]
    factor = let(f"zext i64 {mantissa} to i128")
    products = []
    for left, right in zip(found, found[1:], strict=False):
        word = inner.call("llvm.fshl.i64", "i64", [("i64", v) for v in (left, right, within)])
        products.append(let(f"mul i128 {factor}, {let(f'zext i64 {word} to i128')}"))
    high, middle, low = products
    high, low = let(f"shl i128 {high}, 64"), let(f"lshr i128 {low}, 64")
    return let(f"add i128 {let(f'add i128 {high}, {middle}')}, {low}")


def _times_half_pi(inner: Code, size: str) -> Pair:
    """Return a positive integer times 2⁻¹²⁶ π/2."""
    let, one = inner.let, Lanes(inner, 1)
    zeros = inner.call("llvm.ctlz.i128", "i128", [("i128", size), ("i1", "false")])
    digits = let(f"shl i128 {size}, {zeros}")
    parts = []
    for below in (75, 22):
        word = let(f"trunc i128 {let(f'lshr i128 {digits}, {below}')} to i64")
        parts.append(let(f"uitofp i64 {let(f'and i64 {word}, {2**53 - 1}')} to double"))
    # The unit of the leading digits is 2^(75 − zeros − 126).
    unit = let(f"sub i64 {1023 + 75 - 126}, {let(f'trunc i128 {zeros} to i64')}")
    scale = Real(one, "float64", let(f"bitcast i64 {let(f'shl i64 {unit}, 52')} to double"))
    hi = Real(one, "float64", parts[0]) * scale
    lo = Real(one, "float64", parts[1]) * scale * 2.0**-53
    first, second, _ = table.HALF_PI["float64"]
    product = exact_product(hi, first)
    return quick_sum(product.hi, fma(lo, first, fma(hi, second, product.lo)))
