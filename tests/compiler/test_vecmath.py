"""Generated elementary functions: errors, special values, vector widths, processors."""

from __future__ import annotations

import math
import re
import zlib
from typing import Any

import numpy as np
import pytest

from backlit.compiler.vecmath import FUNCTIONS, coefficients
from bench import minimax
from tests.compiler.elementary import BINARY, build, machine, optimized, source
from tests.compiler.references import MPMATH, NUMPY, errors_in_ulps, float64_error, mp

UNARY = sorted(set(FUNCTIONS) - set(BINARY))
ODD = "sin tan sinh tanh arcsin arctan arcsinh arctanh erf expm1 log1p cbrt sqrt".split()

# The largest errors allowed, in units in the last place; docs/vecmath.md has those found. What is
# computed in float64 and rounded to float32 is almost correctly rounded.
FLOAT32 = {"exp": 0.82, "exp2": 0.82, "expm1": 0.65, "log": 0.69, "log1p": 0.69, "erfc": 0.53}
FLOAT32_ELSE = 0.51
FLOAT64 = {
    **dict.fromkeys("sqrt cbrt".split(), 0.51),
    **dict.fromkeys("arccos arccosh arcsin arcsinh arctanh cosh log log10 log1p".split(), 0.7),
    **dict.fromkeys("arctan cos hypot log2 log_sigmoid logaddexp power sinh tanh".split(), 0.8),
    **dict.fromkeys("erf exp exp2 expm1 sigmoid sin softplus tan".split(), 0.95),
    **dict.fromkeys("arctan2 erfc".split(), 1.35),
}


def seeded(name: str) -> Any:
    return np.random.default_rng(zlib.crc32(name.encode()))


def every_exponent() -> Any:
    """Return float32 numbers of both signs and of every exponent, infinities and NaNs."""
    numbers = np.arange(0, 2**32, 16411, dtype=np.uint64).astype(np.uint32).view(np.float32)
    edges = np.array([0, 1, 2**23 - 1, 2**23, 0x7F7FFFFF, 0x7F800000, 0x3F800000], np.uint32)
    edges = np.concatenate([edges, edges - 1, edges + 1, edges ^ 0x80000000])
    return np.concatenate([numbers, edges.astype(np.uint32).view(np.float32)])


@pytest.mark.parametrize("name", UNARY)
def test_float32_over_all_exponents(name: str) -> None:
    x = every_exponent()
    dense = seeded(name).uniform(-3, 3, 50_000).astype(np.float32)
    x = np.concatenate([x, dense, dense * 30])
    with np.errstate(all="ignore"):
        wanted = NUMPY[name](x.astype(np.float64))
    errors = errors_in_ulps(build(name, "float32", 16)(x), wanted)
    worst = errors.argmax()
    assert errors[worst] <= FLOAT32.get(name, FLOAT32_ELSE), (x[worst], wanted[worst])


def adversaries(name: str, count: int) -> Any:
    """Return float64 numbers: of all exponents, ordinary, and near where functions are hard."""
    rng = seeded(name)
    parts = [
        rng.integers(0, 2**64, count, dtype=np.uint64).view(np.float64),
        np.ldexp(rng.uniform(-2, 2, count), rng.integers(-40, 12, count)),
        rng.integers(0, 2**53, count, dtype=np.uint64).view(np.float64),  # subnormal, mostly
        rng.uniform(-2, 2, count),
        rng.uniform(-40, 40, count),
        rng.uniform(-750, 750, count),
        # Near 1, and near the range in which results are subnormal or too large.
        np.copysign(1, rng.uniform(-1, 1, count)) + np.ldexp(rng.uniform(-1, 1, count), -20),
        1 + np.ldexp(rng.uniform(-1, 1, count), rng.integers(-52, 0, count)),
        rng.choice([-1022, -1074, 1023, 1024], count) + rng.uniform(-3, 3, count),
        rng.choice([-708.4, -745.1, 709.78, 710.47, 26.5, 27.2], count)
        + rng.uniform(-0.3, 0.3, count),
        # Nearest to multiples of π/2 and of log(2)/2.
        rng.integers(-(2**20), 2**20, count) * (math.pi / 2),
        rng.integers(1, 2**39, count) * (math.pi / 2),
        rng.integers(-2000, 2000, count) * (math.log(2) / 2),
    ]
    x = np.concatenate(parts)
    return x[np.isfinite(x)]


@pytest.mark.parametrize("name", UNARY)
def test_float64_against_many_digits(name: str) -> None:
    x = adversaries(name, 30)
    y = build(name, "float64", 8)(x)
    found = [
        (float64_error(a, MPMATH[name](mp.mpf(float(b)))), b) for a, b in zip(y, x, strict=True)
    ]
    assert max(found)[0] <= FLOAT64[name], max(found)


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
@pytest.mark.parametrize("width", [1, 8])
def test_huge_angles(name: str, width: int) -> None:
    rng = seeded(name)
    # Of all float64 numbers 6381956970095103 × 2^797 is the nearest to a multiple of π/2.
    x = np.ldexp(rng.uniform(1, 2, 100), rng.integers(30, 1024, 100))
    x = np.concatenate([x, -x, [math.ldexp(6381956970095103, 797), np.finfo(float).max, 1.0]])
    y = build(name, "float64", width)(x)
    found = [
        (float64_error(a, MPMATH[name](mp.mpf(float(b)))), b) for a, b in zip(y, x, strict=True)
    ]
    assert max(found)[0] <= FLOAT64[name], max(found)


def test_functions_keep_the_sign_of_zero_and_are_odd() -> None:
    x = np.concatenate([[0.0, 5e-324, 1e-310, 1e-30, 0.3], np.geomspace(1e-5, 1e5, 40)])
    for name in ODD:
        for dtype in ("float32", "float64"):
            call = build(name, dtype, 8)
            y, minus = call(x), call(-x)
            assert not np.signbit(y[0]) and np.signbit(minus[0]), name
            if name not in ("expm1", "log1p", "sqrt"):
                np.testing.assert_array_equal(minus, -y, err_msg=name)


INF, NAN, HALF_PI = math.inf, math.nan, math.pi / 2
# At -inf, inf, NaN, -1, 0, 1; log(2) and π stand for their nearest numbers.
SPECIAL = {
    "exp": (0, INF, NAN, math.exp(-1), 1, math.e),
    "exp2": (0, INF, NAN, 0.5, 1, 2),
    "expm1": (-1, INF, NAN, math.expm1(-1), 0, math.expm1(1)),
    "log": (NAN, INF, NAN, NAN, -INF, 0),
    "log2": (NAN, INF, NAN, NAN, -INF, 0),
    "log10": (NAN, INF, NAN, NAN, -INF, 0),
    "log1p": (NAN, INF, NAN, -INF, 0, math.log(2)),
    "sin": (NAN, NAN, NAN, -math.sin(1), 0, math.sin(1)),
    "cos": (NAN, NAN, NAN, math.cos(1), 1, math.cos(1)),
    "tan": (NAN, NAN, NAN, -math.tan(1), 0, math.tan(1)),
    "sinh": (-INF, INF, NAN, -math.sinh(1), 0, math.sinh(1)),
    "cosh": (INF, INF, NAN, math.cosh(1), 1, math.cosh(1)),
    "tanh": (-1, 1, NAN, -math.tanh(1), 0, math.tanh(1)),
    "arcsin": (NAN, NAN, NAN, -HALF_PI, 0, HALF_PI),
    "arccos": (NAN, NAN, NAN, math.pi, HALF_PI, 0),
    "arctan": (-HALF_PI, HALF_PI, NAN, -HALF_PI / 2, 0, HALF_PI / 2),
    "arcsinh": (-INF, INF, NAN, -math.asinh(1), 0, math.asinh(1)),
    "arccosh": (NAN, INF, NAN, NAN, NAN, 0),
    "arctanh": (NAN, NAN, NAN, -INF, 0, INF),
    "sqrt": (NAN, INF, NAN, NAN, 0, 1),
    "cbrt": (-INF, INF, NAN, -1, 0, 1),
    "sigmoid": (0, 1, NAN, 1 / (1 + math.e), 0.5, 1 / (1 + math.exp(-1))),
    "softplus": (0, INF, NAN, math.log1p(math.exp(-1)), math.log(2), 1 + math.log1p(math.exp(-1))),
    "log_sigmoid": (
        -INF, 0, NAN, -1 - math.log1p(math.exp(-1)), -math.log(2), -math.log1p(math.exp(-1))
    ),
    "erf": (-1, 1, NAN, math.erf(-1), 0, math.erf(1)),
    "erfc": (2, 0, NAN, math.erfc(-1), 1, math.erfc(1)),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_special_values(dtype: str) -> None:
    assert sorted(SPECIAL) == UNARY
    x = np.array([-INF, INF, NAN, -1, 0, 1])
    for name, wanted in SPECIAL.items():
        tolerance = 1e-7 if dtype == "float32" else 3e-16
        got = build(name, dtype, 8)(x)
        np.testing.assert_allclose(got, np.array(wanted, dtype), tolerance, 0, err_msg=name)


def test_exact_results_are_exact() -> None:
    for dtype, span in (("float32", 126), ("float64", 1022)):
        k = np.arange(-span, span + 1)
        powers = np.ldexp(np.ones(k.size), k).astype(dtype)
        np.testing.assert_array_equal(build("exp2", dtype, 8)(k), powers)
        np.testing.assert_array_equal(build("log2", dtype, 8)(powers), k.astype(dtype))
        tens = np.arange(0, 11 if dtype == "float32" else 23)
        np.testing.assert_array_equal(
            build("log10", dtype, 8)(np.array([10.0**i for i in tens])), tens.astype(dtype)
        )
        whole = np.arange(-50.0, 51.0)
        np.testing.assert_array_equal(build("cbrt", dtype, 8)(whole**3), whole.astype(dtype))
        np.testing.assert_array_equal(
            build("power", dtype, 8)(whole, np.full(whole.size, 3.0)), (whole**3).astype(dtype)
        )
        np.testing.assert_array_equal(
            build("hypot", dtype, 8)(3.0 * whole, 4.0 * whole), 5.0 * abs(whole).astype(dtype)
        )


@np.errstate(all="ignore")
def pairs(name: str, dtype: str, count: int) -> tuple[Any, Any]:
    """Return operands of a function of two: ordinary, of all sizes, near each other, integers."""
    rng = seeded(name + dtype)
    info = np.finfo(dtype)
    top = math.log(float(info.max))
    size = np.ldexp(rng.uniform(1, 2, count), rng.integers(info.minexp, info.maxexp, count))
    near = 1 + np.ldexp(rng.uniform(-1, 1, count), -rng.integers(0, info.nmant, count))
    ordinary, shift = rng.uniform(0.7, 1.4, count), rng.uniform(-4, 4, count)
    left = [
        rng.uniform(-3, 3, count),
        rng.uniform(0, 3, count),
        size,
        -size,
        size,
        ordinary,
        near,
        rng.integers(-20, 20, count),
        shift * 200,
    ]
    right = [
        rng.uniform(-3, 3, count),
        rng.uniform(-200, 200, count),
        size * rng.uniform(0.1, 4, count),
        size * np.ldexp(1.0, rng.integers(-30, 30, count)),
        rng.uniform(-top, top, count) / np.log(size),
        rng.uniform(-top, top, count) / np.log(ordinary),
        np.ldexp(rng.uniform(-1, 1, count), rng.integers(0, 30, count)),
        rng.integers(-30, 30, count),
        shift * 200 + rng.uniform(-3, 3, count),
    ]
    a, b = np.concatenate(left).astype(dtype), np.concatenate(right).astype(dtype)
    fine = np.isfinite(a) & np.isfinite(b)
    return a[fine], b[fine]


def cancellation(a: Any, b: Any, wanted: Any) -> Any:
    """Return how small log(eᵃ + eᵇ) is beside its larger operand: its errors are one of that."""
    larger = np.maximum(np.maximum(abs(a), abs(b)), abs(wanted))
    return abs(wanted) / np.where(larger == 0, 1, larger)


@pytest.mark.parametrize("name", BINARY)
def test_two_operands_in_float32(name: str) -> None:
    a, b = pairs(name, "float32", 20_000)
    with np.errstate(all="ignore"):
        wanted = NUMPY[name](a.astype(np.float64), b.astype(np.float64))
    errors = errors_in_ulps(build(name, "float32", 16)(a, b), wanted)
    if name == "logaddexp":
        errors *= cancellation(a, b, wanted)
    worst = errors.argmax()
    assert errors[worst] <= FLOAT32_ELSE, (a[worst], b[worst], wanted[worst])


@pytest.mark.parametrize("name", BINARY)
def test_two_operands_in_float64(name: str) -> None:
    a, b = pairs(name, "float64", 60)
    y = build(name, "float64", 8)(a, b)
    for got, p, q in zip(y, a, b, strict=True):
        wanted = MPMATH[name](mp.mpf(float(p)), mp.mpf(float(q)))
        error = float64_error(got, wanted)
        if name == "logaddexp":
            error *= cancellation(p, q, float(wanted))
        assert error <= FLOAT64[name], (p, q, wanted)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", BINARY)
def test_special_pairs(name: str, dtype: str) -> None:
    info = np.finfo(dtype)
    values = [0, 1, 2, 0.5, 3, 1.5, INF, info.max, info.tiny, info.smallest_subnormal, 2.0**60]
    values += [1 + info.eps, 2.0**info.nmant + 1, 2.0**info.nmant * 2 - 1, NAN]
    values = np.array(values + [-v for v in values], dtype)
    a, b = (grid.ravel() for grid in np.meshgrid(values, values))
    got = build(name, dtype, 8)(a, b)
    with np.errstate(all="ignore"):
        wanted = NUMPY[name](a, b)
    np.testing.assert_allclose(got, wanted, 8 * info.eps, 4 * info.smallest_subnormal)
    plain = ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(got)[plain], np.signbit(wanted)[plain])


def same(a: Any, b: Any) -> bool:
    """Tell whether arrays are equal to the bit, whatever the bits of a NaN."""
    return bool(np.all((a.view("u1").reshape(a.size, -1) == b.view("u1").reshape(a.size, -1)).all(1)
                       | (np.isnan(a) & np.isnan(b))))  # fmt: skip


def samples(dtype: str) -> tuple[Any, Any]:
    rng = np.random.default_rng(5)
    kind = np.uint32 if dtype == "float32" else np.uint64
    x = rng.integers(0, np.iinfo(kind).max, 1000, kind).view(dtype)
    plain = rng.normal(0, 3, 1000).astype(dtype)
    return np.concatenate([x, plain]), np.concatenate([plain[::-1], x])


@pytest.mark.parametrize(("dtype", "widths"), [("float32", (3, 8, 16)), ("float64", (3, 4, 8))])
@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_width_gives_the_same_bits(name: str, dtype: str, widths: tuple[int, ...]) -> None:
    x, y = samples(dtype)
    single = build(name, dtype, 1)(x, y)
    for width in widths:
        assert same(build(name, dtype, width)(x, y), single), width


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["exp", "log", "tanh", "sin", "power"])
def test_processor_of_the_oldest_kind_gives_the_same_bits(name: str, dtype: str) -> None:
    x, y = samples(dtype)
    oldest = machine(cpu="x86-64" if "x86" in machine().triple else "generic")
    assert same(build(name, dtype, 4, oldest)(x, y), build(name, dtype, 8)(x, y))


@pytest.mark.parametrize(
    ("triple", "cpu", "called"),
    [
        ("aarch64-unknown-linux-gnu", "generic", set()),
        ("x86_64-unknown-linux-gnu", "x86-64-v3", set()),
        # Without the instruction, a multiplication and addition rounded once is a function.
        ("x86_64-unknown-linux-gnu", "x86-64", {"fma", "fmaf"}),
    ],
)
def test_nothing_is_called_from_a_library(triple: str, cpu: str, called: set[str]) -> None:
    target = machine(cpu, "", triple)
    found = set()
    for name, (dtype, width) in zip(
        sorted(FUNCTIONS) * 2,
        [("float32", 4)] * len(FUNCTIONS) + [("float64", 2)] * len(FUNCTIONS),
        strict=True,
    ):
        text = target.emit_assembly(optimized(source(name, dtype, width), target))
        for line in text.splitlines():
            match = re.match(
                r"\s+(?:callq|bl|b|jmp)\s+([A-Za-z_]\w*)|\s+movabsq\s+\$([A-Za-z_]\w*)", line
            )
            found |= {group for group in match.groups() if group} if match else set()
    assert {name for name in found if not name.startswith(("kernel", "far_angle"))} == called


def test_coefficients_are_those_of_the_program_that_derives_them() -> None:
    for name, kind in (("CBRT", "float64"), ("SLOPE", "float32"), ("EXP", "float32")):
        heads, _, _ = minimax.solve(minimax.FITS[name][kind])
        assert tuple(map(float, heads)) == getattr(coefficients, name)[kind]


def test_error_measures_notice_errors() -> None:
    one = np.array([1.0, 0.0, 3e38, np.nan, 1e-45], np.float32)
    off = np.array([1.0 + 2.0**-23, -0.0, np.inf, 1.0, 0.0], np.float64)
    errors = errors_in_ulps(one, off)
    assert errors[0] == 1 and np.all(np.isinf(errors[1:4])) and errors[4] == 1
    assert float64_error(1.0, mp.mpf(1) + mp.mpf(2) ** -52) == 1
    assert float64_error(math.inf, mp.mpf(10) ** 309) == 0
    assert float64_error(1e308, mp.mpf(10) ** 309) > 1e15
    assert float64_error(0.0, mp.nan) == math.inf
