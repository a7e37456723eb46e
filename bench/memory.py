"""Memory that a compiled training step takes beside its arguments and results.

The closed form is what a person would set aside: the activations of the batch, the largest
gradient, and what packing takes, on the stack (*packing*) and as the largest copy of an operand.
*planned* is what the compiler places, as ``inspect`` reports it, *liveness* the least that what it
keeps at the same time allows; both without what lies on the stack.
*asked for* is what NumPy was asked for at most during the first call of the compiled step, and
*resident* what the process grew by, where the system says: pages that were touched, those of the
stack included.

Weights and the optimizer's state are donated, as a training loop does. *A whole epoch* is what a
pass over all batches in one call plans.
"""

from bench import harness  # first: it sets the thread counts

# isort: split
import ctypes
import os
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as onp

from bench.steps import backlit_step
from bench.tasks import RATES, TASKS, Task

AT_MOST = 1.2
# Below the first, buffers are small beside the cache lines they are aligned to; below the second,
# beside Python's objects for a call.
LEAST_PLANNED, LEAST_ASKED = 4096, 65536
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def closed_form(task: Task, packed: int) -> int:
    """Return activations, largest gradient and packing, in bytes."""
    activations = task.batch * sum(task.sizes[1:])
    return 4 * (activations + max(a * b for a, b in task.pairs)) + packed


def largest_copy(units: list[str]) -> int:
    """Return the bytes of the largest copy among the units of an inspection."""
    shapes = [re.fullmatch(r"nest \[([\d,]+)\]: copy", unit.strip()) for unit in units]
    return max(
        [4 * int(onp.prod([int(n) for n in s[1].split(",")])) for s in shapes if s], default=0
    )


def measure(run: Callable[[], Any]) -> tuple[int, int | None]:
    """Return the bytes that NumPy was asked for at most, and those the process grew by."""
    _give_back()
    before = _resident("VmRSS", reset=True)
    tracemalloc.start()
    result = run()
    _, asked = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    after = _resident("VmHWM")
    del result
    return asked, None if before is None or after is None else max(after - before, 0)


def _give_back() -> None:
    """Return freed memory to the system, where that can be asked, so that it counts when taken."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)


def _resident(name: str, reset: bool = False) -> int | None:
    try:
        if reset:
            CLEAR.write_text("5")  # the greatest extent is counted from here
        found = re.search(rf"{name}:\s*(\d+) kB", STATUS.read_text())
    except OSError:
        return None
    return None if found is None else int(found[1]) * 1024


def line(task: Task, rule: str) -> tuple[dict[str, Any], list[harness.Verdict]]:
    """Look at one task with one update rule."""
    import backlit as bl
    from backlit.compiler import compile_graph
    from backlit.core import tree

    step, carry = backlit_step(task, rule)
    X, labels = task.batches()
    batch = X[0], labels[0]
    compiled = bl.jit(step, donate_argnums=0)
    graph = compiled.graph(carry, batch)
    executable = compile_graph(graph, graph.derived["donated"])
    inputs = [onp.array(a) for a in tree.flatten((carry, batch))[0]]
    asked, resident = measure(lambda: executable(inputs))
    results = [r for r in executable(inputs) if not any(onp.may_share_memory(r, a) for a in inputs)]
    asked -= sum(r.nbytes for r in results)
    epoch = bl.jit(lambda c, X, labels: bl.scan(step, c, (X, labels)), donate_argnums=0)
    whole = epoch.graph(carry, X, labels)
    seen = compiled.inspect(carry, batch)
    closed = closed_form(task, seen.packing + largest_copy(seen.units))
    planned = executable.plan.scratch
    found = {
        "step": f"{task.name}, {rule}",
        "closed form": closed,
        "packing": seen.packing,
        "liveness": seen.minimum,
        "planned": planned,
        "asked for": asked,
        "resident": "–" if resident is None else resident,
        "a whole epoch": compile_graph(whole, whole.derived["donated"]).plan.scratch,
        "planned / liveness": planned / seen.minimum,
        "taken / closed form": (asked + seen.packing) / closed,
    }
    verdicts = []
    if planned >= LEAST_PLANNED:
        text = f"{task.name}, {rule}: planned over what liveness allows"
        verdicts.append(harness.Verdict(text, planned / seen.minimum, AT_MOST, most=True))
    if closed >= LEAST_ASKED:
        text = f"{task.name}, {rule}: asked for and packing over the closed form"
        taken = (asked + seen.packing) / closed
        verdicts.append(harness.Verdict(text, taken, AT_MOST, most=True))
    return found, verdicts


def tables(rounds: int, only: list[str] | None) -> list[harness.Figures]:
    del rounds  # memory does not scatter
    chosen = [task for task in TASKS if not only or task.name in only]
    found = [line(task, rule) for rule in RATES for task in chosen]
    verdicts = [verdict for _, several in found for verdict in several]
    return [harness.Figures("bytes", [line for line, _ in found], verdicts)]


OPTIONS = {"--only": {"nargs": "+", "choices": [task.name for task in TASKS], "help": "networks"}}

if __name__ == "__main__":
    harness.main("Memory of a compiled training step", tables, rounds=2, options=OPTIONS)
