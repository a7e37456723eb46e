"""A compiled training step, from the smallest network to a large one, in float32 on one core.

One table a network for plain gradient descent and one for Adam. Losses of all steps, and the
weights after them, are compared before anything is timed. A turn is one pass over the batches,
timed per step. "Peak" is what a loop of multiply-adds on registers reaches in the same run;
operations are those of the matrix products, without the gradient with respect to the data.
"""

from bench import harness  # first: it sets the thread counts

# isort: split
import ctypes
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as onp

from bench.steps import agree, contenders
from bench.tasks import RATES, TASKS, Task


@dataclass(frozen=True)
class Bars:
    """What a task is to reach: times the best peer's speed, and a share of the peak with "sgd"."""

    ratio: float
    share: float = 0.0


BARS = {
    "xor": Bars(10),
    "digits": Bars(3, 0.60),
    "mnist": Bars(1.4, 0.75),
    "deep": Bars(1.5, 0.70),
    "wide": Bars(1.25, 0.80),
    "big": Bars(1.1, 0.85),
}


def peak() -> float:
    """Return multiply-adds on registers, in floating-point operations per second."""
    from backlit.compiler.runtime import Library, object_code
    from backlit.compiler.target import host
    from backlit.compiler.text import Code, Lanes, Module

    target = host()
    module = Module()
    code, count, turns = Code(module), 24 if target.registers == 32 else 12, 1_000_000
    lanes = Lanes(code, target.lanes(4))
    kind = lanes.type("float32")
    a = lanes.splat(code.let("load float, ptr %p, align 4"), "float")
    carried = [(kind, lanes.const(0.0, "float32"))] * count
    with code.loop(turns, carried) as loop:
        loop.next = [lanes.intrinsic("fma", "float32", a, a, v) for v in loop.values]
    total = loop.values[0]
    for value in loop.values[1:]:
        total = lanes.op("fadd", "float32", total, value)
    code.do(f"store {kind} {total}, ptr %p, align 4")
    module.add(f"define void @peak(ptr %p) nounwind {{\n{code.body()}}}\n")
    library = Library(object_code(str(module), target), ["peak"], target)
    memory = onp.full(64, 0.5, onp.float32)
    best = 1e9
    for _ in range(7):
        start = time.perf_counter()
        library.functions["peak"](ctypes.c_void_p(memory.ctypes.data))
        best = min(best, time.perf_counter() - start)
    return 2.0 * lanes.width * count * turns / best


def best_peer(table: harness.Table) -> tuple[str, float]:
    """Name the other library whose ratio is least, and its ratio."""
    peers = [row for row in table.rows() if not row["name"].startswith("Backlit")]
    ratios = {row["name"]: row["ratio"] for row in peers if "ratio" in row}
    return min(ratios.items(), key=lambda item: item[1])


def table(task: Task, rule: str, rounds: int, speed: float) -> harness.Table:
    """Measure one task with one update rule."""
    runs = harness.build(contenders(task, rule))
    agree(runs, task)
    times = harness.measure(runs, rounds, slot=0.05)
    for one in times.values():
        one.seconds = [s / task.steps for s in one.seconds]
    rate = task.flops / times["Backlit"].best  # as the peak is
    title = f"{task.name}, {rule}: {task.shape}; {rate / 1e9:.0f} of {speed / 1e9:.0f} GF/s"
    bars, verdicts = BARS[task.name], []
    found = harness.Table(title, "Backlit", runs, times)
    if len(times) > 1:
        name, ratio = best_peer(found)
        verdicts.append(harness.Verdict(f"against the best peer, {name}", ratio, bars.ratio))
    if bars.share and rule == "sgd":
        share = rate / speed
        verdicts.append(harness.Verdict("share of peak", share, bars.share, percent=True))
    return harness.Table(title, "Backlit", runs, times, verdicts=verdicts)


def tables(rounds: int, only: list[str] | None, rule: list[str] | None) -> Iterator[harness.Table]:
    for name in rule or RATES:
        for task in TASKS:
            if not only or task.name in only:
                # Turbo changes what the machine can do while it is being measured.
                yield table(task, name, rounds, peak())


OPTIONS = {
    "--only": {"nargs": "+", "choices": list(BARS), "help": "networks to measure"},
    "--rule": {"nargs": "+", "choices": list(RATES), "help": "update rules to measure"},
}

if __name__ == "__main__":
    harness.main("A compiled training step", tables, rounds=9, options=OPTIONS)
