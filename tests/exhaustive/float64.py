"""Compare many float64 numbers: ``python -m tests.exhaustive.float64 [count [name ...]]``.

Random and adversarial arguments, twelve kinds of ``count`` each, against mpmath in 160 bits.
Prints the largest error of each function and where it is; fails if it is above the bound that the
test suite holds its samples to. A count of 2,000, which is the default, takes some minutes.
"""

from __future__ import annotations

import sys

import mpmath as mp

from backlit.compiler.vecmath import FUNCTIONS
from tests.compiler.elementary import BINARY, build
from tests.compiler.references import MPMATH, float64_error
from tests.compiler.test_vecmath import FLOAT64, FLOAT64_ELSE, adversaries, cancellation, pairs


def worst_error(name: str, count: int) -> tuple[float, tuple[float, ...]]:
    """Return the largest error in units in the last place, and its arguments."""
    operands = pairs(name, "float64", count) if name in BINARY else (adversaries(name, count),)
    results = build(name, "float64", 8)(*operands)
    found: tuple[float, tuple[float, ...]] = (0.0, ())
    for result, *given in zip(results, *operands, strict=True):
        arguments = tuple(map(float, given))
        wanted = MPMATH[name](*map(mp.mpf, arguments))
        error = float64_error(result, wanted)
        if name == "logaddexp":
            error *= cancellation(*arguments, float(wanted))
        if error > found[0]:
            found = error, arguments
    return found


def main(count: int, names: list[str]) -> int:
    """Check the functions and return how many are too far off."""
    failed = 0
    for name in names or sorted(FUNCTIONS):
        error, arguments = worst_error(name, count)
        bound = FLOAT64.get(name, FLOAT64_ELSE)
        failed += error > bound
        verdict = "" if error <= bound else f"  above the bound of {bound}"
        print(f"{name:12} {error:.4f} at {', '.join(map(repr, arguments))}{verdict}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(min(main(int((sys.argv[1:] or ["2000"])[0]), sys.argv[2:]), 1))
