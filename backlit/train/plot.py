"""Pictures of a training run, by matplotlib, which is loaded on first use."""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING, Any

from backlit.core.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from backlit.train.history import History


def install_command(package: str) -> str:
    """Return the command that installs a package for the Python that is running.

    Parameters
    ----------
    package : str

    Returns
    -------
    str
        With the path to this Python, relative if it is in the current folder, as ``.venv`` is.

    Examples
    --------
    >>> install_command("matplotlib").endswith(" -m pip install matplotlib")
    True
    """
    python = sys.executable or "python"
    here = os.path.join(os.getcwd(), "")
    return f"{shlex.quote(python.removeprefix(here))} -m pip install {package}"


def plot_history(history: History, path: str | os.PathLike[str] | None = None) -> Figure:
    """Draw loss, metrics and update ratios over the epochs; see `History.plot`."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise InputError(
            "plots need matplotlib, which is not installed", fix=install_command("matplotlib")
        ) from error
    if not history.epochs:
        raise InputError("no epoch was completed, so there is nothing to plot")
    names = [name for name in history.figures() if not name.startswith("val_")]
    figure = Figure(figsize=(4.2 * (len(names) + 1), 3.4), layout="constrained")
    panels = figure.subplots(1, len(names) + 1, squeeze=False)[0]
    epochs = history.curve("epoch")
    for panel, name in zip(panels, names, strict=False):
        for label, curve in (("training", name), ("validation", f"val_{name}")):
            if curve in history.epochs[0]:
                panel.plot(epochs, history.curve(curve), label=label)
        if history.best_epoch is not None:
            panel.axvline(history.best_epoch, linestyle=":", color="gray", label="best")
        _finish(panel, name)
    for parameter in history.epochs[0]["update_ratio"]:
        ratios = [record["update_ratio"][parameter] for record in history.epochs]
        panels[-1].plot(epochs, ratios, label=parameter)
    # Ratios of 0 (a layer that stands still) have no place on a logarithmic axis.
    if any(ratio > 0 for record in history.epochs for ratio in record["update_ratio"].values()):
        panels[-1].set_yscale("log", nonpositive="mask")
    _finish(panels[-1], "‖update‖ / ‖parameter‖")
    if path is not None:
        figure.savefig(path)
    return figure


def _finish(panel: Any, title: str) -> None:
    panel.set_title(title)
    panel.set_xlabel("epoch")
    panel.legend(fontsize="small")
