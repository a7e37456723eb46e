"""Showing how training goes, on stderr: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TextIO

from backlit.core.errors import InputError

if TYPE_CHECKING:
    from rich.progress import Progress

QUIET = 1.0  # seconds that training may take before anything is shown
REDRAW = 0.1  # seconds between two drawings of the bar
LINE = 1.0  # seconds between two lines, at least
LATE = 10.0  # seconds after which a line comes even if less than a tenth of the epochs is done
MIDWAY = 30.0  # seconds after which a line comes even in the middle of an epoch
WIDTH = 80  # columns of a line in a file or a pipe
RATE = "samples_per_second"  # in the history
_BAR = 24  # columns of the bar, half of it on a narrow terminal


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
            self._print(f"epoch {epoch}/{self.epochs} ({fraction:.0%})", {"loss": loss}, rate)

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
        self._print(f"epoch {self.position:.0f}/{self.epochs}", record, record[RATE])

    def _print(self, start: str, record: Mapping[str, Any], rate: float) -> None:
        self.shown = True
        self.last, self.last_position = self.clock(), self.position
        width = WIDTH - len(start) - 2
        text = status(record, rate, self.left(self.position), width)
        print(f"{start}  {text}", file=self.stream, flush=True)

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
        self.record: Mapping[str, Any] = {}
        self.rate = 0.0
        self.bar_width = _BAR

    def step(self, epoch: int, fraction: float, loss: float, rate: float) -> None:
        """Draw the bar if it is time to."""
        if self.clock() < self.due:
            return
        self.rate = rate
        self._draw(epoch - 1 + fraction, self.record or {"loss": loss})

    def epoch(self, record: dict[str, Any]) -> None:
        """Take the epoch's figures over into the bar."""
        self.record = record
        self.rate = record[RATE]
        last = record["epoch"] == self.epochs
        if self.clock() >= self.due or (last and self.shown):
            self._draw(float(record["epoch"]), record)

    def _draw(self, position: float, record: Mapping[str, Any]) -> None:
        self.due = self.clock() + REDRAW
        if self.bar is None:
            self.bar = self._start()
        epoch = min(int(position) + 1, self.epochs)
        start = f"epoch {epoch}/{self.epochs}"
        # The terminal may have changed its width. Two spaces stand between the three parts, and
        # the last column stays free.
        width = self.bar.console.width - len(start) - self.bar_width - 3
        self.bar.update(
            self.bar.task_ids[0],
            completed=position,
            description=start,
            text=status(record, self.rate, self.left(position), width),
        )
        self.bar.refresh()

    def _start(self) -> Progress:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.table import Column

        console = Console(file=self.stream, highlight=False)
        self.bar_width = _BAR if console.width >= 100 else _BAR // 2
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=self.bar_width),
            TextColumn("{task.fields[text]}", table_column=Column(no_wrap=True)),
        )
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


def status(record: Mapping[str, Any], rate: float, left: float, width: int) -> str:
    """Return losses, metrics, speed and the time that is left in one line.

    Parameters
    ----------
    record : mapping
        An epoch's entry of the history.
    rate : float
        Rows per second.
    left : float
        Seconds.
    width : int
        Columns there are; the least important parts are left out where they do not suffice.

    Returns
    -------
    str

    Examples
    --------
    >>> record = {"epoch": 1, "loss": 0.123456, "accuracy": 0.5, "val_loss": 1.0, "seconds": 2.0}
    >>> status(record, 1234.5, 75.0, 80)
    'loss 0.1235  accuracy 0.5  val_loss 1  1,234 samples/s  1 min 15 s left'
    >>> status(record, 1234.5, 75.0, 45)
    'loss 0.1235  val_loss 1  1 min 15 s left'
    """
    from backlit.train.history import COUNTS, figure_text

    parts = {
        name: f"{name} {figure_text(name, value, 4)}"
        for name, value in record.items()
        if name not in COUNTS
    }
    validation = [name for name in parts if name.startswith("val_")]
    parts |= {RATE: f"{rate:,.0f} samples/s", "left": f"{duration(left)} left"}
    least = [name for name in parts if name not in ("loss", "left", *validation)]
    for name in (*reversed(least), *reversed(validation[1:]), "left", *validation[:1]):
        if len("  ".join(parts.values())) <= width:
            break
        del parts[name]
    return "  ".join(parts.values())


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
