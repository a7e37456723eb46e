"""Coefficients of the polynomials in `backlit.compiler.vecmath`, derived from nothing but mpmath.

``python -m bench.minimax`` prints ``backlit/compiler/vecmath/coefficients.py``; a name after it
prints the one polynomial and its error. Needs mpmath.

The fit is near to the minimax polynomial: least squares whose weights are multiplied by the errors
again and again (C. L. Lawson, 1961; J. R. Rice, *The Approximation of Functions*, volume 2).
Coefficients are rounded to the working type from the lowest on, and the remaining ones are fitted
again after each rounding, so that they make up for it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np

mp = mpmath.MPContext()
mp.dps = 80
ROUNDS = 6  # of reweighting
Function = Callable[[Any], Any]


@dataclass(frozen=True)
class Fit:
    """A function to be approximated on an interval.

    Attributes
    ----------
    function, weight : callable
        The largest ``|weight(x) (polynomial(x) - function(x))|`` is made small.
    low, high : number
    degree : int
    dtype : str
        Type that the coefficients are rounded to.
    pairs : int
        So many of the lowest coefficients are wanted as a sum of two numbers of the type: the
        leading parts come in the table, the trailing parts in a second one.
    """

    function: Function
    weight: Function
    low: Any
    high: Any
    degree: int
    dtype: str = "float64"
    pairs: int = 0


def rounded(value: Any, dtype: str) -> Any:
    """Return the nearest number of the type, as mpmath's."""
    if dtype == "float32":
        with mp.workprec(24):
            return +value
    with mp.workprec(53):
        return +value


def value(coefficients: list[Any], x: Any) -> Any:
    """Return a polynomial, lowest coefficient first, by Horner's rule."""
    total = mp.mpf(0)
    for c in reversed(coefficients):
        total = total * x + c
    return total


def best(fit: Fit, fixed: list[Any]) -> tuple[list[Any], Any]:
    """Return all coefficients, of which the lowest are given, and the largest weighted error."""
    low, high = mp.mpf(fit.low), mp.mpf(fit.high)
    first, count = len(fixed), fit.degree + 1
    points = [
        (low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * (2 * i + 1) / (8 * count))
        for i in range(4 * count)
    ]
    weights = [mp.mpf(fit.weight(x)) for x in points]
    rest = [fit.function(x) - value(fixed, x) for x in points]
    rows = [[x**j for j in range(first, count)] for x in points]
    importance = [mp.mpf(1)] * len(points)
    chosen: tuple[list[Any], Any] = (fixed, mp.inf)
    for _ in range(ROUNDS if first < count else 1):
        solution: list[Any] = []
        if first < count:
            square = mp.matrix(count - first)
            right = mp.matrix(count - first, 1)
            for row, w, y, p in zip(rows, weights, rest, importance, strict=True):
                scale = p * w * w
                for i, a in enumerate(row):
                    right[i] += scale * a * y
                    for j in range(i + 1):
                        square[i, j] += scale * a * row[j]
            for i in range(count - first):
                for j in range(i):
                    square[j, i] = square[i, j]
            solution = list(mp.lu_solve(square, right))
        errors = [
            abs(w * (mp.fdot(row, solution) - y))
            for row, w, y in zip(rows, weights, rest, strict=True)
        ]
        if max(errors) < chosen[1]:
            chosen = (fixed + solution, max(errors))
        importance = [p * e for p, e in zip(importance, errors, strict=True)]
        total = mp.fsum(importance)
        importance = [p / total if total else mp.mpf(1) for p in importance]
    return chosen


def solve(fit: Fit) -> tuple[list[Any], list[Any], Any]:
    """Return rounded coefficients, the trailing parts of the first few, and the error."""
    fixed: list[Any] = []
    tails: list[Any] = []
    for i in range(fit.degree + 1):
        c, _ = best(fit, fixed)
        head = rounded(c[i], fit.dtype)
        if i < fit.pairs:
            tail = rounded(c[i] - head, fit.dtype)
            tails.append(tail)
            fixed.append(head + tail)
        else:
            fixed.append(head)
    _, error = best(fit, fixed)
    heads = [rounded(c, fit.dtype) for c in fixed]
    return heads, tails, error


def by_series(function: Function, terms: Function, small: str = "0.01") -> Function:
    """Return the function with a power series near 0, where the formula cancels."""
    return lambda x: terms(x) if abs(x) < mp.mpf(small) else function(x)


def series(term: Callable[[int], Any], count: int = 40) -> Function:
    """Return the sum of ``term(i) x**i``."""
    c = [mp.mpf(term(i)) for i in range(count)]
    return lambda x: value(c, x)


def kinds(
    function: Function, weight: Function, low: Any, high: Any, **degrees: int
) -> dict[str, Fit]:
    """Return the fits of one function, of a degree for each kind of arithmetic."""
    types = {"float32": "float32", "float64": "float64", "short": "float64"}
    return {
        kind: Fit(function, weight, low, high, degree, types[kind])
        for kind, degree in degrees.items()
    }


HALF_LN2 = mp.log(2) / 2 * mp.mpf("1.0001")
ROOT = mp.sqrt(2)

EXP = by_series(lambda r: (mp.exp(r) - 1 - r) / r**2, series(lambda i: 1 / mp.factorial(i + 2)))
LOG = by_series(
    lambda f: (mp.log(1 + f) - f + f * f / 2) / f**3,
    series(lambda i: mp.mpf((-1) ** i) / (i + 3)),
)


def odd(term: Callable[[int], Any], function: Function) -> Function:
    """Return (function(x) − x)/x³ as a function of x², given its series."""
    return by_series(
        lambda z: (function(mp.sqrt(z)) - mp.sqrt(z)) / mp.sqrt(z) ** 3, series(term), "0.001"
    )


SIN = odd(lambda i: mp.mpf((-1) ** (i + 1)) / mp.factorial(2 * i + 3), mp.sin)
COS = by_series(
    lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2,
    series(lambda i: mp.mpf((-1) ** i) / mp.factorial(2 * i + 4)),
    "0.001",
)
LOG1P = by_series(
    lambda e: mp.log(1 + e) / e, series(lambda i: mp.mpf((-1) ** i) / (i + 1)), "0.001"
)
ARCTAN = odd(lambda i: mp.mpf((-1) ** (i + 1)) / (2 * i + 3), mp.atan)
ARCSIN = odd(lambda i: mp.binomial(2 * i + 2, i + 1) / mp.mpf(4) ** (i + 1) / (2 * i + 3), mp.asin)
ARTANH = by_series(
    lambda z: (2 * mp.atanh(mp.sqrt(z)) - 2 * mp.sqrt(z)) / mp.sqrt(z) ** 5 - 2 / (3 * z),
    series(lambda i: mp.mpf(2) / (2 * i + 5)),
    "0.001",
)
ERF = by_series(
    lambda z: (mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 2 / mp.sqrt(mp.pi)) / z,
    series(lambda i: 2 / mp.sqrt(mp.pi) * (-1) ** (i + 1) / mp.factorial(i + 1) / (2 * i + 3)),
    "0.001",
)


def tail_of_erfc(center: int) -> Function:
    """Return (x + ⅜) e^(x²) erfc x, which is almost constant, as a function of (x − c)/(x + c)."""

    def function(t: Any) -> Any:
        x = center * (1 + t) / (1 - t)
        return (x + mp.mpf("0.375")) * mp.exp(x * x) * mp.erfc(x)

    return function


def tail_fit(center: int, low: str, high: str, degree: int, pairs: int = 0) -> Fit:
    """Return the fit of `tail_of_erfc` for x from low to high."""
    function = tail_of_erfc(center)
    ends = [(mp.mpf(x) - center) / (mp.mpf(x) + center) for x in (low, high)]
    return Fit(function, lambda t: 1 / function(t), ends[0], ends[1], degree, pairs=pairs)


def inverse_root(m: Any) -> Any:
    """Return m^(−1/3)."""
    return 1 / mp.cbrt(m)


QUARTER = (mp.pi / 4) ** 2 * mp.mpf("1.0001")
FITS: dict[str, dict[str, Fit]] = {
    "EXP": kinds(EXP, abs, -HALF_LN2, HALF_LN2, float32=5, float64=10, short=5),
    "LOG": kinds(LOG, lambda f: f * f, 1 / ROOT - 1, ROOT - 1, float32=8, float64=20, short=11),
    "SLOPE": kinds(
        lambda f: 1 / (1 + f), lambda f: 1, 1 / ROOT - 1, ROOT - 1, float32=4, float64=4, short=4
    ),
    "LOG1P": kinds(LOG1P, lambda e: 1, 0, 1, short=13),
    "SIN": kinds(SIN, abs, 0, QUARTER, float64=6, short=3),
    "COS": kinds(COS, lambda z: z * z, 0, QUARTER, float64=5, short=3),
    "ARCTAN": kinds(ARCTAN, abs, 0, (ROOT - 1) ** 2 * mp.mpf("1.0001"), float64=10, short=5),
    "ARCSIN": kinds(ARCSIN, abs, 0, mp.mpf("0.2501"), float64=12, short=6),
    "ARTANH": kinds(ARTANH, lambda z: z * z / 2, 0, mp.mpf("0.0295"), float64=7),
    "ERF": kinds(ERF, abs, 0, mp.mpf("0.5626"), float64=10, short=5),
    "ERFC": {
        "float64": tail_fit(4, "0.699", "27.4", 21, 1),
        "short": tail_fit(3, "0.749", "10.3", 9),
    },
    "CBRT": kinds(inverse_root, lambda m: mp.cbrt(m), 1 / (2 * ROOT), 2 * ROOT, float64=4, short=4),
}

NOTES = {
    "EXP": "(eʳ − 1 − r)/r² for |r| ≤ ln 2 / 2; error of r + r² q relative to r",
    "LOG": "(log(1 + f) − f + f²/2)/f³ for √½ ≤ 1 + f ≤ √2; error of the sum relative to f",
    "SLOPE": "1/(1 + f) for √½ ≤ 1 + f ≤ √2",
    "LOG1P": "log(1 + e)/e for 0 ≤ e ≤ 1; error of the product relative to e",
    "SIN": "(sin r − r)/r³ as a function of r², |r| ≤ π/4; error of the sum relative to r",
    "COS": "(cos r − 1 + r²/2)/r⁴ as a function of r², |r| ≤ π/4; error of the sum",
    "ARCTAN": "(arctan t − t)/t³ as a function of t², |t| ≤ tan(π/8); error relative to t",
    "ARCSIN": "(arcsin s − s)/s³ as a function of s², |s| ≤ ½; error relative to s",
    "ARTANH": "(2 artanh s − 2s)/s⁵ − 2/(3s²) as a function of s², as for LOG; relative to 2s",
    "ERF": "(erf x/x − 2/√π)/x² as a function of x², |x| ≤ ¾; error relative to x",
    "ERFC": "(x + ⅜) e^(x²) erfc x as a function of t = (x − c)/(x + c); relative error",
    "CBRT": "m^(−1/3), √½/2 ≤ m ≤ 2√2; relative error, with which an iteration starts",
}


def parts(value: Any, dtype: str, widths: tuple[int, ...]) -> tuple[float, ...]:
    """Return numbers that add up to the value; each has so many bits, the last all of the type."""
    result = []
    for width in widths:
        with mp.workprec(min(width, 24 if dtype == "float32" else 53)):
            part = +value
        result.append(float(part))
        value = value - part
    return tuple(result)


CONSTANTS: dict[str, tuple[str, Any, dict[str, tuple[int, ...]]]] = {
    "LOG2E": ("1/ln 2", 1 / mp.log(2), {"float32": (24,), "float64": (53, 53)}),
    "LOG10E": ("1/ln 10", 1 / mp.log(10), {"float64": (53, 53)}),
    "LN2": ("ln 2", mp.log(2), {"float32": (24, 24), "float64": (53, 53)}),
    "LN2_SHORT": (
        "ln 2, so short that it times an exponent is exact, and the rest",
        mp.log(2),
        {"float32": (15, 24), "float64": (41, 53)},
    ),
    "TWO_THIRDS": ("2/3", mp.mpf(2) / 3, {"float64": (53, 53)}),
    "ERF_SLOPE": ("2/√π", 2 / mp.sqrt(mp.pi), {"float64": (53, 53)}),
    "TWO_OVER_PI": ("2/π", 2 / mp.pi, {"float64": (53,)}),
    "HALF_PI": ("π/2", mp.pi / 2, {"float64": (53, 53, 53)}),
}


def two_over_pi_words() -> str:
    """Return a word of zeros and the first 1216 bits of 2/π as Python source."""
    with mp.workprec(1400):
        bits = int(mp.floor(2 / mp.pi * mp.mpf(2) ** 1216))
    words = [0] + [(bits >> (64 * i)) & (2**64 - 1) for i in reversed(range(19))]
    lines = [
        "# 2/π in words of 64 bits; the first is what is before the point",
        "TWO_OVER_PI_WORDS = (",
    ]
    return "\n".join([*lines, *(f"    0x{word:016X}," for word in words), ")"]) + "\n"


def constant(name: str) -> str:
    """Return the parts of one constant as Python source."""
    note, value, widths = CONSTANTS[name]
    lines = [f"# {note}", f"{name} = {{"]
    for dtype, bits in widths.items():
        lines.append(f'    "{dtype}": {parts(value, dtype, bits)!r},')
    return "\n".join([*lines, "}"]) + "\n"


HEAD = '''"""Coefficients of the polynomials, lowest first; made by ``python -m bench.minimax``.

``float32`` and ``float64`` are for arithmetic in these types, ``short`` is for arithmetic in
float64 whose result will be rounded to float32. The logarithm beside each is that of the largest
weighted error, in bits.
"""
'''


def text(name: str) -> str:
    """Return the tables of one function as Python source."""
    lines = [f"# {NOTES[name]}", f"{name} = {{"]
    seconds = []
    for kind, fit in FITS[name].items():
        heads, tails, error = solve(fit)
        bits = float(mp.log(error, 2)) if error else -np.inf
        lines.append(f'    "{kind}": (  # {bits:.1f}')
        lines += [f"        {float(c)!r}," for c in heads]
        lines.append("    ),")
        if tails:
            seconds.append(f'    "{kind}": (')
            seconds += [f"        {float(c)!r}," for c in tails]
            seconds.append("    ),")
    lines.append("}")
    if seconds:
        lines += [f"{name}_TAILS = {{", *seconds, "}"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    names = sys.argv[1:]
    if not names:
        print(HEAD)
        print("\n".join(constant(name) for name in CONSTANTS))
        print(two_over_pi_words())
    print("\n".join(text(name) for name in names or FITS))
