"""An epoch of `train.fit` beside the bare steps in it.

`train.fit` also shuffles and gathers the rows, sums losses and metrics, keeps a copy to go back to,
looks for what is not finite and writes the record of the epoch. The bare steps are those of
`bench.compiled`, on batches laid out in order; they show what all this costs. Data whose last batch
is short are used on purpose. What happens once in a run, such as compiling, is not counted.
"""

from bench import harness  # first: it sets the thread counts

# isort: split
import time
from collections.abc import Iterator
from typing import Any

from bench.steps import backlit, by_hand
from bench.tasks import RATES, Task

TASKS = (
    Task("xor", (2, 4, 1), 4, 1000, "sigmoid"),
    Task("digits", (64, 32, 10), 32, 45),
    Task("mnist", (784, 128, 64, 10), 64, 60),
    Task("wide", (784, 512, 512, 10), 128, 20),
)
SHORT = 3  # rows that the last batch lacks
SLOT = 0.1  # seconds of a turn, about


def fit(task: Task, jit: bool) -> Any:
    """Return what trains for some epochs and returns the seconds of one, the first not counted."""
    from backlit import nn, optim, train

    X, labels = task.batches()
    rows = task.batch * task.steps - min(SHORT, task.batch - 1)
    data = X.reshape(-1, task.sizes[0])[:rows], labels.reshape(-1)[:rows]
    model = nn.MLP(list(task.sizes), task.activation, seed=0)
    loss = "cross_entropy" if task.sizes[-1] > 1 else "binary_cross_entropy"

    def run(epochs: int) -> float:
        ends: list[float] = []
        train.fit(
            model,
            data,
            loss,
            optim.sgd(RATES["sgd"]),
            epochs=epochs + 1,
            batch_size=task.batch,
            callbacks=[lambda state: ends.append(time.perf_counter())],
            progress=False,
            jit=jit,
        )
        return (ends[-1] - ends[0]) / epochs

    return run


def table(task: Task, rounds: int) -> harness.Table:
    """Measure one task."""
    fits = {
        "Backlit, train.fit": fit(task, True),
        "Backlit, train.fit step by step": fit(task, False),
    }
    bare: dict[str, harness.Run | str] = {
        "Backlit, bare steps": backlit(task, "sgd"),
        "NumPy by hand, bare steps": by_hand(task, "sgd"),
    }
    times = {name: harness.Times() for name in (*fits, *bare)}
    epochs = {name: max(1, round(SLOT / run(1))) for name, run in fits.items()}
    calls = {name: harness.calls_per_slot(run, SLOT) for name, run in bare.items() if callable(run)}
    for _ in range(rounds):
        for name, run in fits.items():
            times[name].seconds.append(run(epochs[name]))
        for name, run in bare.items():
            if callable(run):
                times[name].seconds.append(harness.seconds_per_call(run, calls[name]))
    title = f"{task.name}, an epoch of {task.steps} steps: {task.shape}"
    return harness.Table(title, "Backlit, train.fit", dict.fromkeys(times, lambda: None), times)


def tables(rounds: int, only: list[str] | None) -> Iterator[harness.Table]:
    for task in TASKS:
        if not only or task.name in only:
            yield table(task, rounds)


OPTIONS = {"--only": {"nargs": "+", "choices": [task.name for task in TASKS], "help": "networks"}}

if __name__ == "__main__":
    harness.main("An epoch of train.fit", tables, rounds=9, options=OPTIONS)
