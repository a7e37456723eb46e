"""Compare many float64 numbers: ``python -m tests.exhaustive.float64 [count [name ...]]``.

Random and adversarial arguments, about a dozen kinds of ``count`` each, against mpmath in 160 bits;
and, where there is an 80-bit type (x86 on Linux), a hundred times as many against that. Prints the
largest error of each function and where it is; fails if it is above the bound that the test suite
holds its samples to. A count of 2,000, which is the default, takes a minute or two.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from backlit.compiler.vecmath import FUNCTIONS
from tests.compiler.elementary import BINARY, build
from tests.compiler.references import MPMATH, NUMPY, errors_in_ulps, float64_error, mp
from tests.compiler.test_vecmath import FLOAT64, adversaries, cancellation, pairs

EXTENDED = np.finfo(np.longdouble).nmant == 63
# SciPy computes these in float64 only.
NOT_EXTENDED = ("erf", "erfc")
Worst = tuple[float, tuple[float, ...]]


def arguments(name: str, count: int) -> tuple[Any, ...]:
    """Return the operands of a function, as arrays."""
    return pairs(name, "float64", count) if name in BINARY else (adversaries(name, count),)


def against_mpmath(name: str, count: int) -> Worst:
    """Return the largest error in units in the last place, and its arguments."""
    operands = arguments(name, count)
    found: Worst = (0.0, ())
    for result, *given in zip(build(name, "float64", 8)(*operands), *operands, strict=True):
        numbers = tuple(map(float, given))
        wanted = MPMATH[name](*map(mp.mpf, numbers))
        error = float64_error(result, wanted)
        if name == "logaddexp":
            error *= float(cancellation(*numbers, float(wanted)))
        found = max(found, (error, numbers))
    return found


def against_extended(name: str, count: int) -> Worst:
    """Return the same, found by comparing with NumPy's functions of 80-bit numbers."""
    operands = arguments(name, count)
    with np.errstate(all="ignore"):
        wanted = NUMPY[name](*(x.astype(np.longdouble) for x in operands))
        errors = errors_in_ulps(build(name, "float64", 8)(*operands), wanted)
        if name == "logaddexp":
            errors *= cancellation(*operands, wanted).astype(float)
    place = errors.argmax()
    return float(errors[place]), tuple(float(x[place]) for x in operands)


def main(count: int, names: list[str]) -> int:
    """Check the functions and return how many are too far off."""
    failed = 0
    for name in names or sorted(FUNCTIONS):
        error, place = against_mpmath(name, count)
        if EXTENDED and name not in NOT_EXTENDED:
            error, place = max((error, place), against_extended(name, 100 * count))
        failed += error > FLOAT64[name]
        verdict = "" if error <= FLOAT64[name] else f"  above the bound of {FLOAT64[name]}"
        print(f"{name:12} {error:.4f} at {', '.join(map(repr, place))}{verdict}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(min(main(int((sys.argv[1:] or ["2000"])[0]), sys.argv[2:]), 1))
