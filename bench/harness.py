"""Time several ways of computing the same thing, fairly, on a machine that is shared.

- The contenders take turns inside every round, in an order that rotates, so that a slow moment of
  the machine falls on all of them.
- A ratio is the median over rounds of the ratio *within* a round, which cancels what drifts.
- One core and one thread each: the benchmarks measure overhead and arithmetic, not scheduling.
- Python's garbage collector stays on, as it is when these libraries are used.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# The libraries read these once, when they are first imported; so a benchmark imports this module
# before them.
for variable in (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
):
    os.environ[variable] = "1"
os.environ.setdefault("JAX_PLATFORMS", "cpu")

Run = Callable[[], object]

NOT_INSTALLED = "not installed"


@dataclass(frozen=True)
class Contender:
    """One way to do the work.

    Parameters
    ----------
    name : str
        What the table calls it.
    build : callable
        Imports what it needs and returns the function of no arguments that is timed.
    needs : str
        The module whose absence makes the row say "not installed"; "" if it needs none.
    """

    name: str
    build: Callable[[], Run]
    needs: str = ""


@dataclass(frozen=True)
class Bar:
    """A limit that the project sets itself.

    Parameters
    ----------
    name : str
        The contender it is about.
    at_least : float
        The least ratio of that contender's time to the subject's time that passes.
    meaning : str
        The limit in the words of whoever set it.
    """

    name: str
    at_least: float
    meaning: str


@dataclass
class Times:
    """Seconds per call, one figure a round."""

    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The middle round."""
        return statistics.median(self.seconds)

    @property
    def best(self) -> float:
        """The fastest round."""
        return min(self.seconds)

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles, as a fraction of the median."""
        low, _, high = statistics.quantiles(self.seconds, n=4)
        return (high - low) / 2 / self.median


def pin_to_one_core() -> str:
    """Keep this process on one core where the system can, and say what was done."""
    if not hasattr(os, "sched_setaffinity"):
        return "not pinned: this system has no sched_setaffinity"
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return f"pinned to core {core}"


def build(contenders: Sequence[Contender]) -> dict[str, Run | None]:
    """Make each contender ready to run; None for one whose library is not installed."""
    runs: dict[str, Run | None] = {}
    for contender in contenders:
        try:
            runs[contender.name] = contender.build()
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] != contender.needs:
                raise
            runs[contender.name] = None
    return runs


def measure(runs: Mapping[str, Run | None], rounds: int, slot: float = 0.02) -> dict[str, Times]:
    """Time every contender that is installed.

    Parameters
    ----------
    runs : mapping of str to callable or None
        From `build`.
    rounds : int
        How many times each contender gets its turn.
    slot : float
        Seconds a turn lasts, about: a short function is called many times in it.

    Returns
    -------
    dict of str to Times
    """
    present = [(name, run) for name, run in runs.items() if run is not None]
    calls = {name: _calls_per_slot(run, slot) for name, run in present}
    times = {name: Times() for name, _ in present}
    for turn in range(rounds):
        shift = turn % len(present)
        for name, run in present[shift:] + present[:shift]:
            times[name].seconds.append(_seconds_per_call(run, calls[name]))
    return times


def _calls_per_slot(run: Run, slot: float) -> int:
    run()  # what happens once (imports, caches) is not what is timed
    calls = 1
    while (elapsed := _seconds_per_call(run, calls) * calls) < slot / 4:
        calls *= 4
    return max(1, round(calls * slot / elapsed))


def _seconds_per_call(run: Run, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls


def agree(runs: Mapping[str, Run | None], calls: int = 1, rtol: float = 1e-9) -> None:
    """Raise unless every contender's results equal the first one's: else times mean nothing.

    Parameters
    ----------
    runs : mapping of str to callable or None
        From `build`; a result is a number, an array or a nest of tuples of them.
    calls : int
        How many results in a row to compare, for contenders that keep a state.
    rtol : float
        Largest relative difference.
    """
    import numpy as onp

    results = {
        name: [array for _ in range(calls) for array in _arrays(run())]
        for name, run in runs.items()
        if run is not None
    }
    first, *others = results
    for other in others:
        for a, b in zip(results[first], results[other], strict=True):
            onp.testing.assert_allclose(b, a, rtol=rtol, err_msg=f"{other} against {first}")


def _arrays(result: Any) -> list[Any]:
    import numpy as onp

    if isinstance(result, tuple | list):
        return [array for part in result for array in _arrays(part)]
    return [onp.asarray(result)]


def ratio(times: Times, subject: Times) -> float:
    """Median over rounds of the time of ``times`` over the time of ``subject``."""
    return statistics.median(a / b for a, b in zip(times.seconds, subject.seconds, strict=True))


@dataclass(frozen=True)
class Table:
    """What one benchmark found.

    Parameters
    ----------
    title : str
        What was computed.
    subject : str
        The contender the others are compared with.
    names : sequence of str
        Every contender, installed or not, in the order of the rows.
    times : dict of str to Times
        From `measure`.
    bars : sequence of Bar
        Limits to report on.
    """

    title: str
    subject: str
    names: Sequence[str]
    times: dict[str, Times]
    bars: Sequence[Bar] = ()

    def rows(self) -> list[dict[str, Any]]:
        """One dict a contender: times in microseconds, and its ratio to the subject's time."""
        return [self._row(name) for name in self.names]

    def _row(self, name: str) -> dict[str, Any]:
        if name not in self.times:
            return {"name": name, "status": NOT_INSTALLED}
        times = self.times[name]
        row: dict[str, Any] = {
            "name": name,
            "median_us": times.median * 1e6,
            "best_us": times.best * 1e6,
            "spread": times.spread,
            "ratio": ratio(times, self.times[self.subject]),
        }
        for bar in self.bars:
            if bar.name == name:
                row |= {"bar": bar.meaning, "met": row["ratio"] >= bar.at_least}
        return row

    def __str__(self) -> str:
        width = max(len(name) for name in self.names)
        head = f"{'':{width}}  {'median µs':>10} {'best µs':>10} {'±':>5}  {'ratio':>6}  bar"
        return "\n".join([self.title, head, *(_line(row, width) for row in self.rows())])


def _line(row: Mapping[str, Any], width: int) -> str:
    if "status" in row:
        return f"{row['name']:{width}}  {row['status']:>10}"
    verdict = f"{row['bar']}: {'met' if row['met'] else 'MISSED'}" if "bar" in row else ""
    digits = 2 if row["ratio"] >= 1 else 3
    return (
        f"{row['name']:{width}}  {row['median_us']:10.1f} {row['best_us']:10.1f}"
        f" {row['spread']:5.0%}  {row['ratio']:6.{digits}f}  {verdict}"
    ).rstrip()


def main(description: str, tables: Callable[[int], Sequence[Table]], rounds: int) -> None:
    """Run one benchmark script: read its options, measure, and print.

    Parameters
    ----------
    description : str
        What ``--help`` says, and the heading of the output.
    tables : callable
        Takes the number of rounds and returns what it measured.
    rounds : int
        The default number of rounds.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=rounds, help=f"default {rounds}")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    options = parser.parse_args()
    if options.rounds < 2:
        parser.error("--rounds must be at least 2: a spread needs two figures")
    where = f"Python {platform.python_version()}, {platform.machine()}, {pin_to_one_core()}"
    found = tables(options.rounds)
    if options.json:
        listed = [{"title": table.title, "rows": table.rows()} for table in found]
        print(json.dumps({"machine": where, "rounds": options.rounds, "tables": listed}, indent=1))
        return
    print(f"{description}\n{where}, {options.rounds} rounds; ratio = time / Backlit's time\n")
    print("\n\n".join(map(str, found)), end="\n\n")
