"""Compiled training steps with two threads, against one thread and against peers with two.

Libraries read their thread counts when they are imported, so that every contender has a process of
its own, which sleeps while the others have their turns. A process with one thread is pinned to one
core, one with two to two. scikit-learn is left out: it calls NumPy's products, and is never faster
than NumPy by hand.
"""

from bench import harness  # first: it sets the thread counts

# isort: split
from collections.abc import Iterator
from contextlib import ExitStack

from bench.compiled import best_peer
from bench.tasks import RATES, TASKS, Task
from bench.turns import Worker

PEERS = ("NumPy by hand", "PyTorch eager", "PyTorch compiled", "JAX jit", "JAX scan")
LARGE = ("wide", "big")
OWN, PEER = 1.7, 1.2
# A small network that takes one thread whatever there are takes as long, within what times spread.
NO_SLOWER = 0.97
ONE = "Backlit, one thread"


def table(task: Task, rule: str, rounds: int) -> harness.Table:
    """Measure one task with one update rule."""
    one, two = harness.CORES[-1:], harness.CORES[-2:]
    wanted = [("Backlit", "Backlit", 2, two), (ONE, "Backlit", 1, one)]
    if task.name in LARGE:
        wanted += [(name, name, 2, two) for name in PEERS]
    times = {name: harness.Times() for name, *_ in wanted}
    rows: dict[str, harness.Run | str] = {}
    with ExitStack() as stack:
        workers = {}
        for name, contender, threads, cores in wanted:
            worker = stack.enter_context(Worker(contender, task.name, rule, threads, cores))
            rows[name] = worker.absent
            if worker.absent:
                del times[name]
            else:
                workers[name] = worker
        losses = {name: (lambda w=w: w.losses) for name, w in workers.items()}
        harness.agree(losses, rtol=2e-3)
        same = workers["Backlit"].losses == workers[ONE].losses
        listed = list(workers.items())
        for turn in range(rounds):
            shift = turn % len(listed)
            for name, worker in listed[shift:] + listed[:shift]:
                times[name].seconds.append(worker.seconds())
    title = f"{task.name}, {rule}: {task.shape}; two threads"
    if len(two) == 1:
        title += " that share one core, as there is no other"
    found = harness.Table(title, "Backlit", rows, times)
    verdicts = _verdicts(task, found)
    verdicts.append(harness.Verdict("losses equal to the bit with one and two threads", same, 1))
    return harness.Table(title, "Backlit", rows, times, verdicts=verdicts)


def _verdicts(task: Task, found: harness.Table) -> list[harness.Verdict]:
    own = harness.ratio(found.times[ONE], found.times["Backlit"])
    if task.name not in LARGE:
        return [harness.Verdict("no slower than one thread", own, NO_SLOWER)]
    verdicts = [harness.Verdict("against one thread", own, OWN)]
    if len(found.times) > 2:
        name, ratio = best_peer(found)
        verdicts.append(harness.Verdict(f"against the best peer, {name}", ratio, PEER))
    return verdicts


def tables(rounds: int, only: list[str] | None, rule: list[str]) -> Iterator[harness.Table]:
    for name in rule:
        for task in TASKS:
            if not only or task.name in only:
                yield table(task, name, rounds)


OPTIONS = {
    "--only": {"nargs": "+", "choices": [task.name for task in TASKS], "help": "networks"},
    "--rule": {
        "nargs": "+",
        "choices": list(RATES),
        "default": ["sgd"],
        "help": "update rules (default sgd)",
    },
}

if __name__ == "__main__":
    harness.main("Two threads", tables, rounds=9, options=OPTIONS)
