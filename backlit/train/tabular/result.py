"""What training on a table leads to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backlit.train.history import History


@dataclass(frozen=True, eq=False)
class TrainResult:
    """What came of training on a table.

    Attributes
    ----------
    task : str
        "classification" or "regression".
    rows : int
        Rows with a target, for training and testing together.
    features : int
        Inputs of the network: numbers, and one per category.
    test : mapping of str to float
        "accuracy" or "r2", and "loss", on rows that training never saw; None for what is not
        finite, and for r2 where it is undefined: of one row, or of targets that are all equal.
        The loss is the mean cross-entropy in nats, or the mean squared error in units of
        the target's variance.
    model, report : Path or None
        The files written. The model is in ``interrupted-model.safetensors`` if Ctrl-C ended
        training and there was one in the folder before.
    seconds : float
        From reading the table to the report.
    target : str
        The column that is predicted.
    test_rows : int
        How many rows `test` was measured on.
    baseline : float or None
        The same figure for always giving the most frequent class, or the mean.
    epochs : int
        Epochs that the measured model was trained for.
    refitted : bool
        Whether the saved model has learned from all rows since.
    interrupted : bool
        Whether Ctrl-C ended training; the saved model is then the best so far.
    command : str
        The command line that repeats the run.
    history : History
        Of the run whose curves the report shows.
    next : tuple of str
        Commands to try on the same table; none if it came from no file.
    unreported : str
        Why there is no report although one was asked for; "" otherwise.
    """

    task: str
    rows: int
    features: int
    test: Mapping[str, float | None]
    model: Path
    report: Path | None
    seconds: float
    target: str
    test_rows: int
    baseline: float | None
    epochs: int
    refitted: bool
    interrupted: bool
    command: str
    history: History = field(repr=False)
    next: tuple[str, ...] = ()
    unreported: str = ""

    @property
    def metric(self) -> str:
        """Which figure `test` holds besides the loss."""
        return next(name for name in self.test if name != "loss")

    @property
    def undefined(self) -> str:
        """Why R² has no value for these held-out rows; "" where it has one."""
        if self.test[self.metric] is not None or self.test["loss"] is None:
            return ""
        why = "one row" if self.test_rows == 1 else "all targets are equal"
        return f"undefined ({why})"

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as plain JSON values.

        Returns
        -------
        dict
            ``task``, ``rows``, ``features``, ``test``, ``model``, ``report``, ``seconds``.
        """
        return {
            "task": self.task,
            "rows": self.rows,
            "features": self.features,
            "test": dict(self.test),
            "model": str(self.model),
            "report": None if self.report is None else str(self.report),
            "seconds": round(self.seconds, 3),
        }
