"""Contenders in processes of their own, which take turns: for thread counts, set before an import.

A process that waits for its turn is asleep. It reads a number of calls from its standard input,
makes them, and answers with the seconds that one took.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Worker:
    """One contender with its own number of threads, to be used in a ``with``.

    Parameters
    ----------
    contender, task, rule : str
    threads : int
    cores : sequence of int
        Where it may run; anywhere if empty.

    Attributes
    ----------
    absent : str
        Why it cannot run here; "" if it can.
    losses : list of float
        Of the first pass.
    calls : int
        How many passes fit into one turn.
    steps : int
        In one pass.
    """

    def __init__(
        self, contender: str, task: str, rule: str, threads: int, cores: Sequence[int]
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.turns", contender, task, rule, *map(str, cores)],
            cwd=Path(__file__).parents[1],
            env=os.environ | {"BENCH_THREADS": str(threads)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        first = self._answer()
        self.absent: str = first["absent"]
        self.losses: list[float] = first["losses"]
        self.calls: int = first["calls"]
        self.steps: int = first["steps"]

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *raised: object) -> None:
        self.process.communicate()  # closes its input, upon which it ends

    def seconds(self) -> float:
        """Take a turn and return the seconds of one step."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{self.calls}\n")
        self.process.stdin.flush()
        taken: float = self._answer()
        return taken / self.steps

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"a contender's process ended: {self.process.args!r}")
        return json.loads(line)


def _work(contender: str, name: str, rule: str) -> None:
    """Be a worker's process."""
    from bench import harness, steps, tasks

    (task,) = (task for task in tasks.TASKS if task.name == name)
    ((_, run),) = harness.build(steps.contenders(task, rule, [contender])).items()
    first: dict[str, Any] = {"absent": "", "losses": [], "calls": 0, "steps": task.steps}
    if isinstance(run, str):
        print(json.dumps(first | {"absent": run}), flush=True)
        return
    losses: Any = run()
    calls = harness.calls_per_slot(run, 0.05)
    print(json.dumps(first | {"losses": losses.tolist(), "calls": calls}), flush=True)
    for line in sys.stdin:
        print(harness.seconds_per_call(run, int(line)), flush=True)


if __name__ == "__main__":
    if sys.argv[4:] and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(map(int, sys.argv[4:])))
    _work(*sys.argv[1:4])
