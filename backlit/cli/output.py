"""What the commands print about a training run."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from typing import Any

from backlit.cli.console import styled
from backlit.cli.run import Interrupted
from backlit.core.errors import BacklitError
from backlit.train.tabular.folder import MODEL
from backlit.train.tabular.result import TrainResult


def print_json(value: Any) -> None:
    """Print plain data as one line of JSON.

    Parameters
    ----------
    value : dict

    Examples
    --------
    >>> print_json({"task": "classification"})
    {"task": "classification"}
    """
    print(json.dumps(value, ensure_ascii=False, allow_nan=False))


def print_result(result: TrainResult, next_steps: Sequence[str]) -> None:
    """Print the figures of a run, its files, and what to try next.

    Parameters
    ----------
    result : TrainResult
    next_steps : sequence of str
        Commands.
    """
    score, loss = result.test[result.metric], result.test["loss"]
    rows = f"{result.test_rows} held-out row{'s' * (result.test_rows != 1)}"
    if result.metric == "accuracy":
        name = "accuracy"
        figure = _percent(score)
        beside = f"always the most frequent class: {_percent(result.baseline)}"
    else:
        name, figure = "R²", result.undefined or _places(score)
        beside = f"always the mean: {result.undefined or _places(result.baseline)}"
    learned = f"learned from all {result.rows} rows" if result.refitted else "the one measured"
    if result.interrupted:
        learned = "the best so far"
    lines = [
        (name, f"{styled(figure, 'bold')} on {rows} ({beside})"),
        ("loss", "not finite" if loss is None else f"{loss:.4f}"),
        ("model", f"{result.model} ({learned})"),
        *([("report", str(result.report))] if result.report is not None else []),
    ]
    for title, text in lines:
        print(f"{title:<9} {text}")
    print(f"{'time':<9} {result.seconds:.1f} s")
    if next_steps:
        print(f"\n{styled('What to try next', 'bold')}")
        for step in next_steps:
            print(f"  {step}")


def _places(value: float | None) -> str:
    # A zero has no sign.
    return "not finite" if value is None else f"{round(value, 3) + 0.0:.3f}"


def _percent(share: float | None) -> str:
    return "not finite" if share is None else f"{100 * share:.1f} %"


def typed(command: str) -> str:
    """Return a command as it can be typed here.

    Parameters
    ----------
    command : str
        Starting with ``backlit``.

    Returns
    -------
    str
        With the path this program was started by, where ``backlit`` alone would not be found.
    """
    started = sys.argv[0]
    if os.path.basename(started) != "backlit" or shutil.which("backlit"):
        return command
    return shlex.quote(started) + command.removeprefix("backlit")


def require_finished(result: TrainResult) -> None:
    """Raise if Ctrl-C ended training or the report is missing, after everything was printed.

    Parameters
    ----------
    result : TrainResult

    Raises
    ------
    Interrupted
    BacklitError
        If there is no report although one was asked for.
    """
    sys.stdout.flush()
    if result.interrupted:
        beside = result.model.name != MODEL
        other = f"; {result.model.with_name(MODEL)} is as it was" if beside else ""
        raise Interrupted(f"interrupted; the best model so far is in {result.model}{other}")
    if result.unreported:
        raise BacklitError(
            f"{result.unreported}; the model is saved in {result.model}",
            fix="make room, then run the command again for the report",
        )
