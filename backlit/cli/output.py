"""What the commands print about a training run."""

from __future__ import annotations

import json
import sys
from typing import Any

from backlit.cli.console import has_unicode, styled
from backlit.cli.run import Interrupted
from backlit.core.errors import BacklitError
from backlit.train.tabular.folder import MODEL, typed
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
    # Where stdout cannot hold a character, JSON has an escape for it.
    escaped = not has_unicode(sys.stdout)
    print(json.dumps(value, ensure_ascii=escaped, allow_nan=False))


def print_result(result: TrainResult) -> None:
    """Print the figures of a run, its files, and what to try next.

    Parameters
    ----------
    result : TrainResult
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
    if result.next:
        print(f"\n{styled('What to try next', 'bold')}")
        for command in result.next:
            print(f"  {typed(command)}")


def _places(value: float | None) -> str:
    # A zero has no sign.
    return "not finite" if value is None else f"{round(value, 3) + 0.0:.3f}"


def _percent(share: float | None) -> str:
    return "not finite" if share is None else f"{100 * share:.1f} %"


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
