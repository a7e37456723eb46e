"""Progress goes to stderr: a bar on a terminal, a few lines elsewhere, nothing for short runs."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from typing import Any

import numpy as onp
import pytest

from backlit import nn, train
from backlit.train.progress import Bar, Lines, Reporter, duration, reporter_for

DATA = (onp.zeros((8, 2)), onp.array([0, 1] * 4))


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """Text that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


def record(epoch: int) -> dict[str, Any]:
    return {"epoch": epoch, "loss": 1 / epoch, "accuracy": 0.5, "samples_per_second": 2000.0}


def run(reporter: Reporter, clock: Clock, seconds: float, epochs: int, until: int = 0) -> None:
    """Pass through epochs of some seconds each, two steps to an epoch."""
    for epoch in range(reporter.done + 1, (until or epochs) + 1):
        for half in (0.5, 1.0):
            clock.now += seconds / 2
            reporter.step(epoch, half, 0.7, 1000.0)
        reporter.epoch(record(epoch))


def lines_of(seconds: float, epochs: int, at_once: bool = True, done: int = 0) -> list[str]:
    clock, stream = Clock(), io.StringIO()
    lines = Lines(epochs, done, at_once, clock, stream=stream)
    run(lines, clock, seconds, epochs)
    lines.close("finished")
    return stream.getvalue().splitlines()


def wide(epoch: int) -> dict[str, Any]:
    return record(epoch) | {"val_loss": 0.123456, "val_accuracy": 0.987654}


def test_lines_fit_eighty_columns() -> None:
    clock, stream = Clock(), io.StringIO()
    lines = Lines(3000, 0, True, clock, stream=stream)
    for epoch in range(1, 3001):
        clock.now += 1.2
        lines.step(epoch, 1.0, 0.7, 1e6)
        lines.epoch(wide(epoch))
    shown = stream.getvalue().splitlines()
    assert len(shown) > 100 and max(map(len, shown)) <= 80
    assert "val_loss 0.1235  val_accuracy 0.9877" in shown[-1] and shown[-1].endswith(" left")


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 200])
def test_the_bar_fits_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    clock, stream = Clock(), Terminal()
    bar = Bar(1000, 0, True, clock, stream=stream)
    for epoch in range(1, 4):
        clock.now += 60.0
        bar.step(epoch, 1.0, 0.123456, 1e6)
        bar.epoch(wide(epoch))
    bar.close("interrupted")
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    shown = [line.rstrip() for line in re.split(r"[\r\n]+", plain) if "epoch" in line]
    assert shown and max(map(len, shown)) <= columns
    assert all("loss " in line and "…" not in line for line in shown)
    assert ("samples/s" in shown[-1]) == (columns == 200)


def test_a_line_holds_epoch_loss_metric_speed_and_time_left() -> None:
    first = lines_of(2.0, 10)[0]
    assert first == "epoch 1/10  loss 1  accuracy 0.5  2,000 samples/s  18 s left"


@pytest.mark.parametrize(
    ("seconds", "epochs", "shown"),
    [
        (2.0, 5, [1, 2, 3, 4, 5]),  # slow epochs: each of them
        (2.0, 20, [2, 4, 6, 8, 10, 12, 14, 16, 18, 20]),  # a line per tenth
        (0.01, 500, [100, 200, 300, 400, 500]),  # fast ones: a line per second
        (0.001, 100, [100]),
        (11.0, 100, list(range(1, 101))),  # nobody waits longer than ten seconds
    ],
)
def test_lines_come_neither_too_often_nor_too_rarely(
    seconds: float, epochs: int, shown: list[int]
) -> None:
    found = [int(line.split()[1].split("/")[0]) for line in lines_of(seconds, epochs)]
    assert len(found) == len(shown)
    assert all(abs(a - b) <= 5 for a, b in zip(found, shown, strict=True))
    assert found[-1] == epochs


def test_short_runs_are_quiet_unless_asked() -> None:
    assert lines_of(0.09, 10, at_once=False) == []
    assert len(lines_of(0.3, 10, at_once=False)) >= 2
    assert len(lines_of(0.01, 10, at_once=True)) == 1


def test_long_epochs_tell_where_they_are() -> None:
    clock, stream = Clock(), io.StringIO()
    lines = Lines(2, 0, True, clock, stream=stream)
    for step in range(1, 9):
        clock.now += 20.0
        lines.step(1, step / 10, 0.25, 500.0)
    told = stream.getvalue().splitlines()
    assert told[0] == "epoch 1/2 (20%)  loss 0.25  500 samples/s  6 min 0 s left"
    assert len(told) == 4


def test_the_time_left_of_a_continued_run_counts_only_its_own_epochs() -> None:
    first = lines_of(2.0, 10, done=8)[0]
    assert first.startswith("epoch 9/10") and first.endswith("2 s left")


def test_an_early_end_is_told() -> None:
    clock, stream = Clock(), io.StringIO()
    lines = Lines(9, 0, True, clock, stream=stream)
    run(lines, clock, 2.0, 9, until=3)
    lines.close("val_loss did not improve for 2 epochs")
    assert stream.getvalue().splitlines()[-1].startswith("training ended: val_loss did not")


def test_the_bar_draws_at_most_ten_times_a_second() -> None:
    clock, stream = Clock(), Terminal()
    bar = Bar(4, 0, True, clock, stream=stream)
    drawn = 0
    draw = bar._draw

    def counting(position: float, text: str) -> None:
        nonlocal drawn
        drawn += 1
        draw(position, text)

    bar._draw = counting  # type: ignore[method-assign]
    for epoch in range(1, 5):
        for step in range(1, 101):
            clock.now += 0.005
            bar.step(epoch, step / 100, 0.25, 1000.0)
        bar.epoch(record(epoch))
    bar.close("finished")
    assert 10 <= drawn <= 25
    text = stream.getvalue()
    assert "epoch 4/4" in text and "loss 0.25" in text and "accuracy 0.5" in text
    assert "2,000 samples/s" in text and "0 s left" in text


def test_the_bar_of_a_short_run_never_shows_and_an_early_end_is_told() -> None:
    clock, stream = Clock(), Terminal()
    bar = Bar(3, 0, False, clock, stream=stream)
    run(bar, clock, 0.1, 3)
    bar.close("finished")
    assert stream.getvalue() == ""
    bar = Bar(9, 0, True, clock, stream=stream)
    run(bar, clock, 1.0, 9, until=2)
    bar.close("interrupted by Ctrl-C")
    assert "training ended: interrupted by Ctrl-C" in stream.getvalue()


def test_terminals_get_the_bar_and_files_the_lines(monkeypatch: Any) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert isinstance(reporter_for(None, 5, 0), Bar)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert isinstance(reporter_for(True, 5, 0), Lines)
    assert reporter_for(False, 5, 0) is None
    monkeypatch.setattr(sys, "stderr", None)  # a program without a console
    assert reporter_for(True, 5, 0) is None


def test_fit_reports_on_stderr_and_only_when_it_should(capsys: Any, monkeypatch: Any) -> None:
    train.fit(nn.MLP([2, 2], seed=0), DATA, epochs=3)
    train.fit(nn.MLP([2, 2], seed=0), DATA, epochs=3, progress=False)
    assert capsys.readouterr() == ("", "")
    train.fit(nn.MLP([2, 2], seed=0), DATA, epochs=3, progress=True)
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("epoch 3/3  loss 0.69") and err.count("\n") == 1
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    train.fit(nn.MLP([2, 2], seed=0), DATA, epochs=3, progress=True)
    assert "epoch 3/3" in terminal.getvalue()


def test_the_bar_is_closed_when_training_fails(monkeypatch: Any) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    closed: list[str] = []
    monkeypatch.setattr(Bar, "close", lambda self, reason: closed.append(reason))

    def failing(state: train.TrainingState) -> None:
        raise ValueError

    with pytest.raises(train.TrainingInterrupted):
        train.fit(nn.MLP([2, 2], seed=0), DATA, epochs=3, callbacks=[failing])
    with pytest.raises(KeyError):
        train.fit(nn.MLP([2, 2], seed=0), DATA, lambda m, x, y: {}["no"], epochs=3)
    assert closed == ["a callback raised ValueError", "an error"]


def test_durations() -> None:
    assert [duration(s) for s in (0, 59.9, 60, 3599, 3600, float("inf"))] == [
        "0 s",
        "59 s",
        "1 min 0 s",
        "59 min 59 s",
        "1 h 0 min",
        "?",
    ]


def test_training_loads_neither_rich_nor_matplotlib() -> None:
    program = (
        "import sys; from backlit import nn, train; "
        "train.fit(nn.MLP([2, 2], seed=0), ([[0.0, 1.0]], [1]), epochs=2, progress=True); "
        "print([m for m in ('rich', 'matplotlib', 'duckdb', 'safetensors') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
