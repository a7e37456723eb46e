"""Elementary functions: generated code beside NumPy (``python -m bench.vecmath``).

Nanoseconds per element on arrays that fit the second cache, one thread; the best of many turns,
which the contenders take one after the other. ``--cpu x86-64-v3 --bytes 32`` generates code for a
processor with AVX2.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from backlit.compiler.vecmath import FUNCTIONS
from tests.compiler.elementary import BINARY, build, machine

SIZE, TURNS = 2**14, 300
DOMAIN = {"arccosh": (1.0, 5.0), "arcsin": (-1, 1), "arccos": (-1, 1), "arctanh": (-1, 1)}
POSITIVE = ("log", "log2", "log10", "log1p", "sqrt", "power")


def best_times(contenders: list[Callable[[], object]]) -> list[float]:
    """Return the shortest time of each in nanoseconds per element."""
    best = [float("inf")] * len(contenders)
    for _ in range(TURNS):
        for i, run in enumerate(contenders):
            start = time.perf_counter()
            run()
            best[i] = min(best[i], time.perf_counter() - start)
    return [seconds / SIZE * 1e9 for seconds in best]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cpu")
    parser.add_argument("--bytes", type=int, default=64, help="of a vector")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    print(f"{'function':12}" + "".join(f"{t:>10} {'NumPy':>7}" for t in ("float32", "float64")))
    for name in sorted(FUNCTIONS):
        cells = []
        for dtype in ("float32", "float64"):
            low, high = DOMAIN.get(name, (0.0 if name in POSITIVE else -5.0, 5.0))
            operands = [rng.uniform(low, high, SIZE).astype(dtype) for _ in range(2)]
            operands = operands if name in BINARY else operands[:1]
            out = np.empty(SIZE, dtype)
            width = options.bytes // out.itemsize
            call = build(name, dtype, width, machine(options.cpu) if options.cpu else None)
            places = [x.ctypes.data for x in (out, operands[0], operands[-1])]
            contenders: list[Callable[[], object]] = [
                lambda kernel=call.kernel, places=places: kernel(*places, SIZE)
            ]
            numpy = getattr(np, name, None)
            if numpy is not None:
                contenders.append(lambda f=numpy, xs=operands, out=out: f(*xs, out=out))
            times = [f"{t:.2f}" for t in best_times(contenders)]
            cells.append(f"{times[0]:>10} {times[1] if numpy else '–':>7}")
        print(f"{name:12}" + "".join(cells), flush=True)


if __name__ == "__main__":
    main()
