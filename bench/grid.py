"""Compiled training steps of networks drawn at random, against the best peer of each.

Depth, widths, batch, activation and update rule come from a seed, one number a network, so that a
network of the list can be looked at alone: ``python -m bench.grid --only SEED``. Left out are
scikit-learn, which was never the fastest, PyTorch compiled, which takes seconds to compile each
network, and for small networks the contenders to which a step is hundreds of microseconds.
"""

from bench import harness  # first: it sets the thread counts

# isort: split
import gc
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as onp

from bench.compiled import best_peer
from bench.steps import agree, contenders
from bench.tasks import RATES, Task

SMALL = ("Backlit", "NumPy by hand", "JAX scan")
LARGE, LARGE_FLOPS = (*SMALL, "PyTorch eager", "JAX jit"), 1e6
# Of one step; beyond it all contenders do the same multiplications for too long to wait for.
MOST_FLOPS = 1e9
AT_LEAST, NEVER_BELOW = 0.95, 0.9


def draw(seed: int) -> tuple[Task, str]:
    """Return a network with its batches and an update rule.

    Widths and batches are spread evenly over their orders of magnitude; half the networks have
    hidden layers of one width, and one in four has widths that are powers of two, as they often
    are in practice.
    """
    rng = onp.random.default_rng(seed)

    def size(most: int) -> int:
        drawn = most ** rng.random()
        return int(2 ** round(onp.log2(drawn)) if powers else drawn)

    while True:
        powers = rng.random() < 0.25
        hidden = int(rng.integers(0, 7))
        same = rng.random() < 0.5
        width = size(1024)
        widths = [width if same else size(1024) for _ in range(hidden)]
        outputs = int(rng.choice([1, 2, 10, size(200)]))
        sizes = (size(1024), *widths, outputs)
        activation = str(rng.choice(["relu", "sigmoid", "tanh"]))
        rule = str(rng.choice(list(RATES)))
        task = Task(f"{seed}", sizes, size(512), 1, activation)
        if task.flops <= MOST_FLOPS:
            steps = int(min(max(5e7 / task.flops, 4), 2000))
            return Task(task.name, sizes, task.batch, steps, activation), rule


def measured(seed: int, rounds: int) -> harness.Table:
    """Measure one network; raise AssertionError if the contenders disagree."""
    task, rule = draw(seed)
    names = LARGE if task.flops >= LARGE_FLOPS else SMALL
    runs = harness.build(contenders(task, rule, names))
    agree(runs, task)
    times = harness.measure(runs, rounds, slot=0.02)
    for one in times.values():
        one.seconds = [s / task.steps for s in one.seconds]
    rate = task.flops / times["Backlit"].median
    title = f"seed {seed}: {task.shape}, {rule}, {task.steps} steps; {rate / 1e9:.1f} GF/s"
    return harness.Table(title, "Backlit", runs, times)


def line_of(seed: int, rounds: int) -> dict[str, Any]:
    """Measure one network and sum it up."""
    task, rule = draw(seed)
    line: dict[str, Any] = {"seed": str(seed), "network": f"{task.shape}, {rule}"}
    try:
        table = measured(seed, rounds)
    except AssertionError as error:
        return line | {
            "ratio": 0.0,
            "best peer": f"disagrees: {str(error).strip().splitlines()[0]}",
        }
    name, ratio = best_peer(table)
    return line | {"µs": table.times["Backlit"].median * 1e6, "ratio": ratio, "best peer": name}


def forget() -> None:
    """Let go of what JAX has compiled."""
    try:
        import jax
    except ModuleNotFoundError:
        return
    jax.clear_caches()
    gc.collect()


def tables(
    rounds: int, cases: int, first: int, only: int | None, worst: int, minutes: float
) -> Iterator[harness.Table | harness.Figures]:
    if only is not None:
        yield measured(only, rounds)
        return
    lines: list[dict[str, Any]] = []
    end = time.monotonic() + 60 * minutes
    while len(lines) < cases and (not lines or time.monotonic() < end):
        line = line_of(first + len(lines), rounds)
        print("{seed}: {network}: {ratio:.2f} {best peer}".format(**line), file=sys.stderr)
        lines.append(line)
        forget()
    ratios = onp.array([line["ratio"] for line in lines])
    cuts = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9)
    spread = [
        {"share of networks": f"{c:.0%}", "below": float(onp.quantile(ratios, c))} for c in cuts
    ]
    verdicts = [
        harness.Verdict(
            "at or above the best peer", float((ratios >= 1).mean()), AT_LEAST, percent=True
        ),
        harness.Verdict("the worst", float(ratios.min()), NEVER_BELOW),
    ]
    title = f"seeds {first} to {first + len(lines) - 1}: time of the best peer over Backlit's"
    yield harness.Figures(title, spread, verdicts)
    ordered = sorted(lines, key=lambda line: line["ratio"])
    title = f"the worst {worst} (one alone: python -m bench.grid --only SEED)"
    yield harness.Figures(title, ordered[:worst])


OPTIONS = {
    "--cases": {"type": int, "default": 100, "help": "networks to draw (default 100)"},
    "--minutes": {"type": float, "default": 10, "help": "when to draw no more (default 10)"},
    "--first": {"type": int, "default": 0, "help": "the first seed (default 0)"},
    "--only": {"type": int, "metavar": "SEED", "help": "one network, with every contender's time"},
    "--worst": {"type": int, "default": 15, "help": "how many of the worst to list (default 15)"},
}

if __name__ == "__main__":
    harness.main("Compiled steps of random networks", tables, rounds=5, options=OPTIONS)
