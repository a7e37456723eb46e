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
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Threads each library may use: one, unless a benchmark of threads starts this process with more.
THREADS = int(os.environ.get("BENCH_THREADS", "1"))

# Where this process was allowed to run when it started, before it is kept on one core.
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []

# The libraries read these once, when they are first imported; so a benchmark imports this module
# before them.
for variable in (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "BACKLIT_NUM_THREADS",
):
    os.environ[variable] = str(THREADS)
os.environ.setdefault("JAX_PLATFORMS", "cpu")

Run = Callable[[], object]

NOT_INSTALLED = "not installed"


class Absent(Exception):
    """A contender cannot run here, and its row says the message in place of times."""


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
        Modules, separated by spaces, whose absence makes the row say "not installed".
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
    if not CORES:
        return "not pinned: this system has no sched_setaffinity"
    os.sched_setaffinity(0, {CORES[-1]})
    return f"pinned to core {CORES[-1]}"


def build(contenders: Sequence[Contender]) -> dict[str, Run | str]:
    """Make each contender ready to run; for one that cannot run here, say why not."""
    runs: dict[str, Run | str] = {}
    for contender in contenders:
        try:
            runs[contender.name] = contender.build()
        except Absent as reason:
            runs[contender.name] = str(reason)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in contender.needs.split():
                raise
            runs[contender.name] = NOT_INSTALLED
    return runs


def measure(runs: Mapping[str, Run | str], rounds: int, slot: float = 0.02) -> dict[str, Times]:
    """Time every contender that is installed.

    Parameters
    ----------
    runs : mapping of str to callable or str
        From `build`.
    rounds : int
        How many times each contender gets its turn.
    slot : float
        Seconds a turn lasts, about: a short function is called many times in it.

    Returns
    -------
    dict of str to Times
    """
    present = [(name, run) for name, run in runs.items() if not isinstance(run, str)]
    calls = {name: calls_per_slot(run, slot) for name, run in present}
    times = {name: Times() for name, _ in present}
    for turn in range(rounds):
        shift = turn % len(present)
        for name, run in present[shift:] + present[:shift]:
            times[name].seconds.append(seconds_per_call(run, calls[name]))
    return times


def calls_per_slot(run: Run, slot: float) -> int:
    """Return how many calls of a run fit into a slot, after a first one that is not counted."""
    run()  # what happens once (imports, caches) is not what is timed
    calls = 1
    while (elapsed := seconds_per_call(run, calls) * calls) < slot / 4:
        calls *= 4
    return max(1, round(calls * slot / elapsed))


def seconds_per_call(run: Run, calls: int) -> float:
    """Call a run so many times and return the seconds of one call."""
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls


def agree(runs: Mapping[str, Run | str], calls: int = 1, rtol: float = 1e-9) -> None:
    """Raise unless every contender's results equal the first one's: else times mean nothing.

    Parameters
    ----------
    runs : mapping of str to callable or str
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
        if not isinstance(run, str)
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
class Verdict:
    """A figure beside the limit that the project sets itself.

    Parameters
    ----------
    text : str
        What is measured.
    value, limit : float
    most : bool
        Whether the limit is the most, and not the least, that passes.
    percent : bool
        Whether to print them as such.
    """

    text: str
    value: float
    limit: float
    most: bool = False
    percent: bool = False

    @property
    def met(self) -> bool:
        """Whether the figure passes."""
        return self.value <= self.limit if self.most else self.value >= self.limit

    def row(self) -> dict[str, Any]:
        """The verdict for JSON."""
        kind = "at_most" if self.most else "at_least"
        return {"text": self.text, "value": self.value, kind: self.limit, "met": self.met}

    def __str__(self) -> str:
        value, limit = (
            f"{x:.1%}" if self.percent else f"{x:.3g}" for x in (self.value, self.limit)
        )
        words = "at most" if self.most else "at least"
        return f"{self.text}: {value}, {words} {limit}: {'met' if self.met else 'MISSED'}"


@dataclass(frozen=True)
class Table:
    """What one benchmark found.

    Parameters
    ----------
    title : str
        What was computed.
    subject : str
        The contender the others are compared with.
    runs : mapping of str to callable or str
        Every contender, in the order of the rows; from `build`.
    times : dict of str to Times
        From `measure`.
    bars : sequence of Bar
        Limits to report on, each at a contender.
    verdicts : sequence of Verdict
        Limits to report on below the rows.
    """

    title: str
    subject: str
    runs: Mapping[str, Run | str]
    times: dict[str, Times]
    bars: Sequence[Bar] = ()
    verdicts: Sequence[Verdict] = ()

    def rows(self) -> list[dict[str, Any]]:
        """One dict a contender: times in microseconds, and its ratio to the subject's time."""
        return [self._row(name) for name in self.runs]

    def _row(self, name: str) -> dict[str, Any]:
        if name not in self.times:
            return {"name": name, "status": self.runs[name]}
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
        width = max(map(len, self.runs))
        head = f"{'':{width}}  {'median µs':>10} {'best µs':>10} {'±':>5}  {'ratio':>6}  bar"
        lines = [_line(row, width) for row in self.rows()]
        return "\n".join([self.title, head, *lines, *map(str, self.verdicts)])


@dataclass(frozen=True)
class Figures:
    """A table of what is not a contest of times.

    Parameters
    ----------
    title : str
    lines : list of dict
        One a row; the keys are the columns.
    verdicts : sequence of Verdict
    """

    title: str
    lines: list[dict[str, Any]]
    verdicts: Sequence[Verdict] = ()

    def rows(self) -> list[dict[str, Any]]:
        """The rows as they are."""
        return self.lines

    def __str__(self) -> str:
        columns = list(dict.fromkeys(key for line in self.lines for key in line))
        cells = [columns, *[[_cell(line.get(c, "")) for c in columns] for line in self.lines]]
        widths = [max(len(row[k]) for row in cells) for k in range(len(columns))]
        shown = [
            "  ".join(
                cell.rjust(w) if k else cell.ljust(w)
                for k, (cell, w) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in cells
        ]
        return "\n".join([self.title, *shown, *map(str, self.verdicts)])


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _line(row: Mapping[str, Any], width: int) -> str:
    if "status" in row:
        return f"{row['name']:{width}}  {row['status']:>10}"
    verdict = f"{row['bar']}: {'met' if row['met'] else 'MISSED'}" if "bar" in row else ""
    digits = 2 if row["ratio"] >= 1 else 3
    return (
        f"{row['name']:{width}}  {row['median_us']:10.1f} {row['best_us']:10.1f}"
        f" {row['spread']:5.0%}  {row['ratio']:6.{digits}f}  {verdict}"
    ).rstrip()


def main(
    description: str,
    tables: Callable[..., Iterable[Table | Figures]],
    rounds: int,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Run one benchmark script: read its options, measure, and print.

    Parameters
    ----------
    description : str
        What ``--help`` says, and the heading of the output.
    tables : callable
        Takes the number of rounds, and `options` by name, and returns what it measured, all at
        once or one after the other.
    rounds : int
        The default number of rounds.
    options : mapping of str to mapping, optional
        More options of the script: what ``add_argument`` takes, by name.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=rounds, help=f"default {rounds}")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    for name, settings in (options or {}).items():
        parser.add_argument(name, **settings)
    given = vars(parser.parse_args())
    rounds, as_json = given.pop("rounds"), given.pop("json")
    if rounds < 2:
        parser.error("--rounds must be at least 2: a spread needs two figures")
    where = f"Python {platform.python_version()}, {platform.machine()}, {pin_to_one_core()}"
    found = tables(rounds, **given)
    if as_json:
        listed = [_listed(table) for table in found]
        print(json.dumps({"machine": where, "rounds": rounds, "tables": listed}, indent=1))
        return
    print(f"{description}\n{where}, {rounds} rounds; ratio = time / Backlit's time\n")
    for table in found:
        print(table, end="\n\n", flush=True)


def _listed(table: Table | Figures) -> dict[str, Any]:
    verdicts = [verdict.row() for verdict in table.verdicts]
    return {"title": table.title, "rows": table.rows(), "verdicts": verdicts}
