"""Compare every float32 number: ``python -m tests.exhaustive.float32 [name ...]``.

All 2³² arguments of each function of one operand, infinities and NaNs too, against NumPy and SciPy
in float64. Prints the largest error of each function and where it is; fails if it is above the
bound that the test suite holds samples to. A function takes about a minute.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from tests.compiler.elementary import build
from tests.compiler.references import NUMPY, errors_in_ulps
from tests.compiler.test_vecmath import FLOAT32, FLOAT32_ELSE, UNARY

CHUNK = 2**20


def worst_error(name: str) -> tuple[float, np.float32]:
    """Return the largest error in units in the last place, and its argument."""
    call = build(name, "float32", 16)
    found = (0.5, np.float32(0))  # what rounding alone may give
    numbers = np.arange(CHUNK, dtype=np.uint32)
    with np.errstate(all="ignore"):
        for start in range(0, 2**32, CHUNK):
            x = (numbers + np.uint32(start)).view(np.float32)
            errors = errors_in_ulps(call(x), NUMPY[name](x.astype(np.float64)))
            place = errors.argmax()
            found = max(found, (float(errors[place]), x[place]), key=lambda pair: pair[0])
    return found


def main(names: list[str]) -> int:
    """Check the functions and return how many are too far off."""
    failed = 0
    for name in names or UNARY:
        start = time.perf_counter()
        error, x = worst_error(name)
        bound = FLOAT32.get(name, FLOAT32_ELSE)
        failed += error > bound
        verdict = "" if error <= bound else f"  above the bound of {bound}"
        print(
            f"{name:12} {error:.4f} at {x!s:>15}   {time.perf_counter() - start:4.0f} s{verdict}",
            flush=True,
        )
    return failed


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
