"""What a training run leaves behind."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from backlit.core.errors import InputError
from backlit.train.callbacks import Best
from backlit.train.inputs import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# What an epoch's entry holds besides losses and metrics.
COUNTS = ("epoch", "steps", "seconds", "samples_per_second", "gradient_norm", "update_ratio")


class Checkpoint(NamedTuple):
    """Everything that decides how training goes on after an epoch.

    Attributes
    ----------
    epoch, step : int
        Epochs and steps completed.
    leaves : list of ndarray
        Parameters.
    state : tree of arrays
        State of the optimiser.
    best : Best
    """

    epoch: int
    step: int
    leaves: list[Array]
    state: Any
    best: Best


@dataclass(eq=False, repr=False)
class History:
    """The trained model and how it came about.

    Attributes
    ----------
    model : tree of arrays
        The trained model: after the last epoch, or the best one where early stopping restores it.
        After Ctrl-C the best by validation, or without validation the model of the last step.
    epochs : list of dict
        One entry per completed epoch: ``epoch`` (from 1), ``loss`` and metrics, the same with
        ``val_`` before them if there is validation, ``steps``, ``seconds``,
        ``samples_per_second``, and of the epoch's last step ``gradient_norm`` (‖gradient‖) and
        ``update_ratio`` (‖update‖ / ‖parameter‖), a dict from the path of each parameter.
    settings : dict
        What is needed to repeat the run, as plain JSON values.
    stopped : str
        Why training ended: ``"finished"``, ``"early stopping"``, ``"callback"``,
        ``"interrupted"`` (Ctrl-C), ``"non-finite"`` or ``"error"`` (in the history that an
        exception carries).
    reason : str
        The same in a sentence.
    best_model : tree of arrays or None
        The best model after any epoch by the figure that was watched (early stopping's, else the
        validation loss); None if there was none to watch.
    best_epoch : int or None
        Its epoch.
    """

    model: Any
    epochs: list[dict[str, Any]]
    settings: dict[str, Any]
    stopped: str
    reason: str
    best_model: Any = None
    best_epoch: int | None = None
    checkpoint: Checkpoint | None = field(default=None)

    def curve(self, name: str) -> list[float]:
        """Return one figure of every epoch.

        Parameters
        ----------
        name : str
            ``"loss"``, ``"val_loss"``, ``"accuracy"``, …

        Returns
        -------
        list of float

        Raises
        ------
        InputError
            If there is no such figure.

        Examples
        --------
        >>> History(None, [{"epoch": 1, "loss": 0.5}], {}, "finished", "").curve("loss")
        [0.5]
        """
        if self.epochs and name not in self.epochs[0]:
            raise InputError(
                f"the history has no {name!r}", fix="one of " + ", ".join(self.epochs[0])
            )
        return [record[name] for record in self.epochs]

    def figures(self) -> list[str]:
        """Return the names of losses and metrics: ``["loss", "accuracy", "val_loss", …]``."""
        return [name for name in (self.epochs[0] if self.epochs else ()) if name not in COUNTS]

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the models as plain JSON values.

        Returns
        -------
        dict
            ``epochs``, ``settings``, ``stopped``, ``reason``, ``best_epoch``. A figure that is not
            finite, which only validation can produce, becomes None.

        Examples
        --------
        >>> History(None, [], {"seed": 0}, "finished", "").to_dict()["settings"]
        {'seed': 0}
        """
        return {
            "epochs": _plain(self.epochs),
            "settings": _plain(self.settings),
            "stopped": self.stopped,
            "reason": self.reason,
            "best_epoch": self.best_epoch,
        }

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """Draw loss, metrics and update ratios over the epochs, with matplotlib.

        Parameters
        ----------
        path : path, optional
            Where to save the picture; the format goes by the extension.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        InputError
            If there is no epoch to draw, or matplotlib is not installed.
        """
        from backlit.train.plot import plot_history

        return plot_history(self, path)

    def __repr__(self) -> str:
        total = self.settings.get("epochs", len(self.epochs))
        head = f"History: {len(self.epochs)} of {total} epochs, {self.reason or self.stopped}"
        if self.best_epoch is not None:
            head += f"; best after epoch {self.best_epoch}"
        names = self.figures()
        if not names:
            return head
        widths = {name: max(len(name), 9) for name in names}
        lines = [head, "  epoch  " + "  ".join(f"{n:>{w}}" for n, w in widths.items())]
        for record in _shown(self.epochs):
            if record is None:
                lines.append("    ...")
                continue
            cells = [f"{figure_text(name, record[name], 5):>{w}}" for name, w in widths.items()]
            lines.append(f"  {record['epoch']:>5}  " + "  ".join(cells))
        return "\n".join(lines)


def figure_text(name: str, value: float, digits: int) -> str:
    """Return a figure for a table or a progress line.

    Parameters
    ----------
    name : str
        "loss", "val_r2", …
    value : float
    digits : int
        Significant ones.

    Returns
    -------
    str

    Examples
    --------
    >>> figure_text("loss", 0.125, 4), figure_text("val_r2", math.nan, 4)
    ('0.125', 'undefined')
    """
    # R² has no value for one row; anything else that is NaN has gone wrong.
    undefined = name in ("r2", "val_r2") and math.isnan(value)
    return "undefined" if undefined else f"{value:.{digits}g}"


def _shown(records: list[dict[str, Any]]) -> list[dict[str, Any] | None]:
    """Return all records if they are few, else the first and last ones."""
    if len(records) <= 8:
        return list(records)
    return [*records[:3], None, *records[-4:]]


def _plain(value: Any) -> Any:
    """Return a copy of nested dicts, lists and numbers that JSON can hold."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
