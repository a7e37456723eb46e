"""Showing how training goes, on stderr: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO

from backlit.core.errors import InputError

if TYPE_CHECKING:
    from rich.progress import Progress

QUIET = 1.0  # seconds that training may take before anything is shown
REDRAW = 0.1  # seconds between two drawings of the bar
LINE = 1.0  # seconds between two lines, at least
LATE = 10.0  # seconds after which a line comes even if less than a tenth of the epochs is done
MIDWAY = 30.0  # seconds after which a line comes even in the middle of an epoch


class Reporter:
    """Decides when to show something; subclasses show it.

    Parameters
    ----------
    epochs : int
        How many there will be.
    done : int
        How many were done before, when an earlier run is continued.
    at_once : bool
        Whether to show even what takes less than a second.
    clock : callable
        Seconds, always increasing.
    """

    def __init__(
        self,
        epochs: int,
        done: int = 0,
        at_once: bool = True,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.epochs = epochs
        self.done = done
        self.clock = clock
        self.began = clock()
        self.due = self.began if at_once else self.began + QUIET
        self.shown = False

    def step(self, epoch: int, fraction: float, loss: float, rate: float) -> None:
        """Take note of a step.

        Parameters
        ----------
        epoch : int
            Counted from 1.
        fraction : float
            How much of the epoch is done.
        loss : float
            Mean over the epoch so far.
        rate : float
            Rows per second.
        """

    def epoch(self, record: dict[str, Any]) -> None:
        """Take note of an epoch, given its entry of the history."""

    def close(self, reason: str) -> None:
        """Finish, saying why training ended."""

    def left(self, position: float) -> float:
        """Return the seconds that are left at a position counted in epochs."""
        progress = position - self.done
        elapsed = self.clock() - self.began
        return elapsed / progress * (self.epochs - position) if progress > 0 else float("inf")


class Lines(Reporter):
    """Plain lines, for files and pipes.

    Examples
    --------
    >>> lines = Lines(2, stream=sys.stdout)
    >>> lines.epoch({"epoch": 2, "loss": 0.25, "samples_per_second": 1234.5})
    epoch 2/2  loss 0.25  1,234 samples/s  0 s left
    """

    def __init__(self, *args: Any, stream: TextIO, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stream = stream
        self.last = self.began
        self.position = float(self.done)
        self.last_position = float(self.done)

    def step(self, epoch: int, fraction: float, loss: float, rate: float) -> None:
        """Print a line if the epoch is a long one."""
        self.position = epoch - 1 + fraction
        if self.clock() - self.last >= MIDWAY and fraction < 1.0:
            figures = f"loss {loss:.4g}  {rate:,.0f} samples/s"
            self._print(f"epoch {epoch}/{self.epochs} ({fraction:.0%})  {figures}")

    def epoch(self, record: dict[str, Any]) -> None:
        """Print a line if it is time for one."""
        self.position = float(record["epoch"])
        now = self.clock()
        last = record["epoch"] == self.epochs
        since = now - self.last
        tenth = self.position - self.last_position >= self.epochs / 10
        if now < self.due or not (
            (last and (self.shown or self.due == self.began))
            or (since >= LINE and (tenth or since >= LATE))
        ):
            return
        self._print(
            f"epoch {record['epoch']}/{self.epochs}  {figures_of(record)}  "
            f"{record['samples_per_second']:,.0f} samples/s"
        )

    def _print(self, text: str) -> None:
        self.shown = True
        self.last, self.last_position = self.clock(), self.position
        print(f"{text}  {duration(self.left(self.position))} left", file=self.stream, flush=True)

    def close(self, reason: str) -> None:
        """Say why training ended if it ended early."""
        if self.shown and self.position < self.epochs:
            print(f"training ended: {reason}", file=self.stream, flush=True)


class Bar(Reporter):
    """A progress bar, by rich, which is loaded when the bar first shows."""

    def __init__(self, *args: Any, stream: TextIO, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stream = stream
        self.bar: Progress | None = None
        self.text = ""
        self.rate = 0.0

    def step(self, epoch: int, fraction: float, loss: float, rate: float) -> None:
        """Draw the bar if it is time to."""
        if self.clock() < self.due:
            return
        self.rate = rate
        self._draw(epoch - 1 + fraction, self.text or f"loss {loss:.4g}")

    def epoch(self, record: dict[str, Any]) -> None:
        """Take the epoch's figures over into the bar."""
        self.text = figures_of(record)
        self.rate = record["samples_per_second"]
        last = record["epoch"] == self.epochs
        if self.clock() >= self.due or (last and self.shown):
            self._draw(float(record["epoch"]), self.text)

    def _draw(self, position: float, text: str) -> None:
        self.due = self.clock() + REDRAW
        if self.bar is None:
            self.bar = self._start()
        left = duration(self.left(position))
        epoch = min(int(position) + 1, self.epochs)
        self.bar.update(
            self.bar.task_ids[0],
            completed=position,
            description=f"epoch {epoch}/{self.epochs}",
            text=f"{text}  {self.rate:,.0f} samples/s  {left} left",
        )
        self.bar.refresh()

    def _start(self) -> Progress:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[text]}"),
        )
        console = Console(file=self.stream, highlight=False)
        # No thread of rich's own: the loop draws, at most ten times a second.
        bar = Progress(*columns, console=console, auto_refresh=False)
        bar.add_task("", total=self.epochs, text="")
        bar.start()
        self.shown = True
        return bar

    def close(self, reason: str) -> None:
        """Leave the bar as it is and say why training ended if it ended early."""
        if self.bar is None:
            return
        self.bar.stop()
        if self.bar.tasks[0].completed < self.epochs:
            print(f"training ended: {reason}", file=self.stream, flush=True)


def reporter_for(progress: bool | None, epochs: int, done: int) -> Reporter | None:
    """Return what shows the progress of a run, or None for nothing.

    Parameters
    ----------
    progress : bool or None
        None shows it once training has taken a second.
    epochs, done : int

    Returns
    -------
    Reporter or None

    Raises
    ------
    InputError
        If `progress` is something else.
    """
    if progress not in (None, True, False):
        raise InputError(f"progress is {progress!r:.60}", fix="True, False, or None")
    if progress is False or sys.stderr is None:
        return None
    kind = Bar if sys.stderr.isatty() else Lines
    return kind(epochs, done, progress is True, stream=sys.stderr)


def figures_of(record: dict[str, Any]) -> str:
    """Return losses and metrics of an epoch in one line.

    Examples
    --------
    >>> figures_of({"epoch": 1, "loss": 0.123456, "val_loss": 1.0, "seconds": 2.0})
    'loss 0.1235  val_loss 1'
    """
    from backlit.train.history import COUNTS

    return "  ".join(f"{k} {v:.4g}" for k, v in record.items() if k not in COUNTS)


def duration(seconds: float) -> str:
    """Return a number of seconds as text.

    Examples
    --------
    >>> duration(0.4), duration(75), duration(7300)
    ('0 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds == float("inf"):
        return "?"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
