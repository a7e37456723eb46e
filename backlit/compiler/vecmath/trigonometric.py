"""Sine, cosine and tangent."""

from __future__ import annotations

import math
from dataclasses import dataclass

from backlit.compiler.text import Code, Lanes
from backlit.compiler.vecmath import coefficients as table
from backlit.compiler.vecmath.kernels import (
    ROUNDING,
    Pair,
    exact_product,
    exact_sum,
    quick_sum,
    quotient,
)
from backlit.compiler.vecmath.values import Mask, Real, Whole, fma, polynomial

# Up to here three parts of π/2 leave enough digits of the remainder, whatever the argument.
LIMIT = 2.0**40


@dataclass(frozen=True, slots=True)
class Angle:
    """An angle n π/2 + r with |r| ≤ π/4; of n the last two bits count."""

    n: Whole
    r: Pair


def reduce_by_half_pi(x: Real, form: str) -> Angle:
    """Split off multiples of π/2 (Cody and Waite); past the limit after Payne and Hanek.

    The head of π/2 has 53 bits, and so many has the first difference: it is exact.
    """
    first, second, third = table.HALF_PI["float64"]
    shifted = fma(x, table.TWO_OVER_PI["float64"][0], ROUNDING["float64"])
    n = shifted - ROUNDING["float64"]
    r = fma(n, -first, x)
    if form == "short":
        fast = Angle(shifted.bits(), Pair(fma(n, -second, r), r))
    else:
        product = exact_product(n, second)
        rest = exact_sum(r, -product.hi)
        lo = fma(n, -third, rest.lo - product.lo)
        fast = Angle(shifted.bits(), quick_sum(rest.hi, lo))
    return _with_slow_path(x, fast, form)


def _with_slow_path(x: Real, fast: Angle, form: str) -> Angle:
    """Replace the angles of arguments past the limit, if there are any."""
    lanes, code = x.lanes, x.lanes.code
    far = (x.abs() > LIMIT) & (x.abs() < math.inf)
    slow, done = code.fresh("far"), code.fresh("near")
    before = code.block
    code.do(f"br i1 {far.any()}, label %{slow}, label %{done}")
    code.label(slow)
    replaced = _far_angles(x, far, fast)
    last = code.block
    code.do(f"br label %{done}")
    code.label(done)

    def join(a: str, b: str, scalar: str) -> str:
        return code.let(f"phi {lanes.of(scalar)} [{a}, %{before}], [{b}, %{last}]")

    n = join(fast.n.name, replaced.n.name, "i64")
    hi = Real(lanes, "float64", join(fast.r.hi.name, replaced.r.hi.name, "double"))
    lo = hi
    if form != "short":
        lo = Real(lanes, "float64", join(fast.r.lo.name, replaced.r.lo.name, "double"))
    return Angle(Whole(lanes, "i64", n), Pair(hi, lo))


def _far_angles(x: Real, far: Mask, fast: Angle) -> Angle:
    lanes, code = x.lanes, x.lanes.code
    function = _far_function(code)
    kind = "{ i64, double, double }"
    results = {"i64": "poison", "hi": "poison", "lo": "poison"}
    for i in range(lanes.width):
        item = x.name
        if lanes.width > 1:
            item = code.let(f"extractelement {lanes.of('double')} {x.name}, i64 {i}")
        angle = code.let(f"call {kind} @{function}(double {item})")
        for place, (key, scalar) in enumerate((("i64", "i64"), ("hi", "double"), ("lo", "double"))):
            part = code.let(f"extractvalue {kind} {angle}, {place}")
            if lanes.width > 1:
                part = code.let(
                    f"insertelement {lanes.of(scalar)} {results[key]}, {scalar} {part}, i64 {i}"
                )
            results[key] = part
    kind_n = lanes.of("i64")
    n = code.let(
        f"select {lanes.of('i1')} {far.name}, {kind_n} {results['i64']}, {kind_n} {fast.n.name}"
    )
    return Angle(
        Whole(lanes, "i64", n),
        Pair(
            far.choose(Real(lanes, "float64", results["hi"]), fast.r.hi),
            far.choose(Real(lanes, "float64", results["lo"]), fast.r.lo),
        ),
    )


def _far_function(code: Code) -> str:
    """Return the name of a function that reduces one large number with as many digits as it takes.

    With x = m 2ᵉ, m an integer, bits of 2/π that times m 2ᵉ give multiples of 4 do not matter, nor
    those that give less than 2⁻¹²⁶; the 192 between make the product modulo 4 (M. Payne and R.
    Hanek, "Radian reduction for trigonometric functions", 1983).
    """
    inner = Code(code.module)
    one = Lanes(inner, 1)
    let = inner.let
    bits = let("bitcast double %x to i64")
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
    wide = let(f"zext i64 {mantissa} to i128")
    products = []
    for left, right in zip(found, found[1:], strict=False):
        word = inner.call("llvm.fshl.i64", "i64", [("i64", v) for v in (left, right, within)])
        products.append(let(f"mul i128 {wide}, {let(f'zext i64 {word} to i128')}"))
    high, middle, low = products
    high, low = let(f"shl i128 {high}, 64"), let(f"lshr i128 {low}, 64")
    turns = let(f"add i128 {let(f'add i128 {high}, {middle}')}, {low}")
    # Two bits before the point; the rest, signed, is the fraction nearest to 0.
    fraction = let(f"ashr i128 {let(f'shl i128 {turns}, 2')}, 2")
    quarter = let(f"lshr i128 {let(f'sub i128 {turns}, {fraction}')}, 126")
    negative = let(f"icmp slt i128 {fraction}, 0")
    size = let(f"select i1 {negative}, i128 {let(f'sub i128 0, {fraction}')}, i128 {fraction}")
    zeros = inner.call("llvm.ctlz.i128", "i128", [("i128", size), ("i1", "false")])
    digits = let(f"shl i128 {size}, {zeros}")
    mask = 2**53 - 1
    parts = []
    for position in (75, 22):
        low = let(f"trunc i128 {let(f'lshr i128 {digits}, {position}')} to i64")
        parts.append(let(f"uitofp i64 {let(f'and i64 {low}, {mask}')} to double"))
    # The leading digits' unit is 2^(75 − zeros − 126).
    unit = let(f"sub i64 {1023 + 75 - 126}, {let(f'trunc i128 {zeros} to i64')}")
    scale = Real(one, "float64", let(f"bitcast i64 {let(f'shl i64 {unit}, 52')} to double"))
    hi = Real(one, "float64", parts[0]) * scale
    lo = Real(one, "float64", parts[1]) * scale * 2.0**-53
    first, second, _ = table.HALF_PI["float64"]
    product = exact_product(hi, first)
    r = quick_sum(product.hi, fma(lo, first, fma(hi, second, product.lo)))
    flip = Mask(one, let(f"xor i1 {negative}, {let(f'icmp slt i64 {bits}, 0')}"))
    r_hi, r_lo = flip.choose(-r.hi, r.hi), flip.choose(-r.lo, r.lo)
    # For a negative number the count of quarters is negative too.
    n = let(f"trunc i128 {quarter} to i64")
    below = let(f"icmp slt i64 {bits}, 0")
    n = let(f"select i1 {below}, i64 {let(f'sub i64 0, {n}')}, i64 {n}")
    kind = "{ i64, double, double }"
    a = let(f"insertvalue {kind} poison, i64 {n}, 0")
    b = let(f"insertvalue {kind} {a}, double {r_hi.name}, 1")
    c = let(f"insertvalue {kind} {b}, double {r_lo.name}, 2")
    body = inner.body(f"ret {kind} {c}")
    return code.module.kernel("far_angle", f"{kind} @(double %x)", body, "noinline cold nounwind")


def _sine(r: Pair, form: str) -> Pair:
    """Return sin r for |r| ≤ π/4."""
    z = r.hi * r.hi
    tail = polynomial(z, table.SIN[form]) * z
    if form == "short":
        return Pair(fma(r.hi, tail, r.hi), r.hi)
    return Pair(r.hi, fma(r.hi, tail, r.lo * fma(z, -0.5, 1.0)))


def _cosine(r: Pair, form: str) -> Pair:
    """Return cos r for |r| ≤ π/4."""
    square = exact_product(r.hi, r.hi)
    z = square.hi
    tail = polynomial(z, table.COS[form]) * z
    if form == "short":
        return Pair(fma(z, tail, fma(z, -0.5, 1.0)), z)
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
    y = _wave(x, form, 0)
    y = (x.abs() < math.inf).choose(y, math.nan)
    # The sum of a positive and a negative zero has lost the sign.
    return (x.abs() < 2.0**-60).choose(x, y)


def cos(x: Real, form: str) -> Real:
    """Return the cosine."""
    return (x.abs() < math.inf).choose(_wave(x, form, 1), math.nan)


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
    y = (x.abs() < math.inf).choose(y, math.nan)
    return (x.abs() < 2.0**-60).choose(x, y)
