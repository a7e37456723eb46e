"""A compiled training step against its own forward pass: do the rest of the products come cheaper?

Counted in multiplications, forward, backward and update take 2 to 3 times what forward alone does,
as the first layer needs no gradient with respect to the data. Timed, the ratio shows what the way
back costs beside its products. Both are a loop over the same batches in one native call.
"""

from bench import harness  # first: it sets the thread counts

# isort: split
from collections.abc import Iterator
from typing import Any

import numpy as onp

from bench.steps import backlit, backlit_loss
from bench.tasks import TASKS, Task

AT_MOST = 1.15


def forward(task: Task) -> harness.Run:
    """The losses of the batches, without a gradient."""
    import backlit as bl

    def step(count: Any, batch: Any) -> Any:
        weights, X, labels = batch
        return count, backlit_loss(task, weights, X, labels)

    def epoch(weights: Any, X: Any, labels: Any) -> Any:
        return bl.scan(lambda c, b: step(c, (weights, *b)), onp.float32(0), (X, labels))[1]

    weights = task.weights()
    X, labels = task.batches()
    compiled = bl.jit(epoch)
    return lambda: compiled(weights, X, labels)


def table(task: Task, rounds: int) -> harness.Table:
    """Measure one task."""
    runs: dict[str, harness.Run | str] = {
        "Backlit, forward": forward(task),
        "Backlit, whole step": backlit(task, "sgd"),
    }
    # Before the first update both have the same loss.
    losses = {name: (lambda run=run: run()[0]) for name, run in runs.items() if callable(run)}
    harness.agree(losses, rtol=1e-4)
    times = harness.measure(runs, rounds, slot=0.05)
    for one in times.values():
        one.seconds = [s / task.steps for s in one.seconds]
    timed = harness.ratio(times["Backlit, whole step"], times["Backlit, forward"])
    counted = task.flops / task.forward_flops
    text = f"step over forward: {timed:.2f} timed, {counted:.2f} counted; one over the other"
    verdict = harness.Verdict(text, timed / counted, AT_MOST, most=True)
    title = f"{task.name}: {task.shape}"
    return harness.Table(title, "Backlit, forward", runs, times, verdicts=[verdict])


def tables(rounds: int, only: list[str] | None) -> Iterator[harness.Table]:
    for task in TASKS:
        if not only or task.name in only:
            yield table(task, rounds)


OPTIONS = {"--only": {"nargs": "+", "choices": [task.name for task in TASKS], "help": "networks"}}

if __name__ == "__main__":
    harness.main("A whole step beside forward alone", tables, rounds=9, options=OPTIONS)
