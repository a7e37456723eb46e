"""How well ``backlit demo`` does on digits it never saw, for ten seeds.

A seed changes the split, the initial weights and the order of the images. What training may look
at is decided in `backlit.train.tabular.showcase`, which this script only calls.
"""

import argparse
import statistics
import tempfile
import time

from backlit.cli.threads import one_blas_thread
from backlit.train.tabular import demo

MEDIAN, WORST = 0.975, 0.965


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, help="instead of the demo's own number")
    chosen = parser.parse_args()
    options = {} if chosen.epochs is None else {"epochs": chosen.epochs}
    print("seed  held-out accuracy    loss  seconds")
    found = []
    with one_blas_thread(), tempfile.TemporaryDirectory() as folder:
        for seed in range(chosen.seeds):
            began = time.perf_counter()
            result = demo(out=folder, seed=seed, report=False, progress=False, **options)
            accuracy = result.test["accuracy"]
            found.append(accuracy)
            seconds = time.perf_counter() - began
            print(f"{seed:>4}  {accuracy:>17.2%}  {result.test['loss']:.4f}  {seconds:>7.1f}")
    median, worst = statistics.median(found), min(found)
    print(f"median {median:.2%} (bar {MEDIAN:.1%}), worst {worst:.2%} (bar {WORST:.1%})")
    return 0 if median >= MEDIAN and worst >= WORST else 1


if __name__ == "__main__":
    raise SystemExit(main())
