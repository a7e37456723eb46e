"""The charts of one run: loss, metric, gradient norms, update ratios, residuals."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as onp

from backlit.train.history import History
from backlit.train.report.axes import text_of
from backlit.train.report.charts import Series, line_chart, scatter, thin
from backlit.train.report.html import Html, table

Array = onp.ndarray[Any, Any]

_NAMES = {"r2": "R²"}


def learning_curves(history: History, metric: str, best: int | None) -> list[Html]:
    """Draw loss and metric over the epochs.

    Parameters
    ----------
    history : History
    metric : str
        "accuracy" or "r2".
    best : int, optional
        Epoch with the smallest validation loss, if the model was trained for so many.

    Returns
    -------
    list of Html
    """
    epochs = [float(record["epoch"]) for record in history.epochs]
    if not epochs:
        return []
    made = []
    for name, title in (("loss", "Loss"), (metric, _NAMES.get(metric, metric.capitalize()))):
        series = [
            Series(where, epochs, history.curve(key))
            for where, key in (("training", name), ("validation", f"val_{name}"))
            if key in history.epochs[0]
        ]
        about = " ".join(_in_words(title, s) for s in series)
        if name == "r2":  # NaN where it is undefined, and there is nothing to draw
            series = [s for s in series if any(map(math.isfinite, s.y))]
        if not series:
            continue
        mark = (
            (float(best), f"lowest validation loss: epoch {best}")
            if best and len(series) > 1
            else None
        )
        log = name == "loss" and all(v > 0 for s in series for v in s.y)
        made.append(
            line_chart(
                f"curve-{name}",
                f"{title} over the epochs",
                about,
                series,
                x_label="epoch",
                y_label=f"{title.lower() if name != 'r2' else title}",
                log=log,
                mark=mark,
            )
        )
    return made


def _in_words(title: str, series: Series) -> str:
    if title == _NAMES["r2"] and not any(map(math.isfinite, series.y)):
        return (
            f"{title} is undefined on the {series.name} rows: there is one, or their targets are "
            "all equal."
        )
    first, last = series.y[0], series.y[-1]
    extreme = min if title == "Loss" else max
    known = [v for v in series.y if math.isfinite(v)]
    best = extreme(known) if known else last
    word = "lowest" if title == "Loss" else "highest"
    return (
        f"{title} on the {series.name} rows: {text_of(first)} after the first epoch, "
        f"{text_of(last)} after the last; {word} {text_of(best)}."
    )


def layer_histories(history: History) -> list[Html]:
    """Draw how large each layer's gradient was, and how far its weights moved per step.

    Parameters
    ----------
    history : History

    Returns
    -------
    list of Html
    """
    if not history.epochs:
        return []
    epochs = [float(record["epoch"]) for record in history.epochs]
    paths = list(history.epochs[0]["gradient_norm"])
    layers: dict[str, list[str]] = {}
    for path in paths:
        layers.setdefault(path.rpartition(".")[0] or path, []).append(path)
    smooth = len(epochs) // 20 | 1  # an odd number, so that a median is one of the values
    norms = [
        Series(layer, epochs, [_norm(r["gradient_norm"], own) for r in history.epochs])
        for layer, own in layers.items()
    ]
    weights = [path for path in paths if not path.endswith("b")] or paths
    ratios = [
        Series(path, epochs, [float(r["update_ratio"][path]) for r in history.epochs])
        for path in weights
    ]
    return [
        line_chart(
            "gradients",
            "Gradient of each layer",
            "Length of the gradient of each layer's weights and biases, in the last step of each "
            "epoch. Lines that lie orders of magnitude apart mean that the gradient vanishes or "
            "explodes on its way back. " + _medians(norms, smooth),
            norms,
            x_label="epoch",
            y_label="‖gradient‖",
            log=True,
            smooth=smooth,
        ),
        line_chart(
            "updates",
            "Update ratio of each layer",
            "How far one step moved each layer's weights, as a share of their own length. Around "
            "10⁻³ is usual in the middle of training; far above it training is unstable, far below "
            "it slow. " + _medians(ratios, smooth),
            ratios,
            x_label="epoch",
            y_label="‖update‖ / ‖weights‖",
            log=True,
            smooth=smooth,
        ),
    ]


def _norm(values: Mapping[str, float], paths: Iterable[str]) -> float:
    return math.hypot(*[values[path] for path in paths])


def _medians(series: Sequence[Series], smooth: int) -> str:
    listed = ", ".join(f"{s.name} {text_of(statistics.median(s.y), 2)}" for s in series)
    bold = f"Bold lines are medians over {smooth} epochs. " if smooth > 1 else ""
    return f"{bold}Medians of the whole run: {listed}."


def residuals(target: str, expected: Array, predicted: Array) -> list[Html]:
    """Draw predictions against what was right, and what was wrong with them.

    Parameters
    ----------
    target : str
        Name of the column.
    expected, predicted : ndarray of float64, shape (rows,)
        In units of the target.

    Returns
    -------
    list of Html
    """
    errors = predicted - expected
    size = onp.abs(errors)
    quantiles = [(f"{q} % of the rows are off by at most", onp.quantile(size, q / 100))
                 for q in (50, 75, 90, 100)]  # fmt: skip
    figures = [
        ("root mean squared error", math.sqrt(float(onp.square(errors).mean()))),
        ("mean absolute error", float(size.mean())),
        ("mean error (predicted − actual)", float(errors.mean())),
        *quantiles,
    ]
    summary = table(
        ["figure", f"in units of {target}"],
        [[name, text_of(float(value))] for name, value in figures],
        "Errors on the held-out rows",
    )
    sample = thin(range(len(expected)), 24)
    rows = table(
        ["actual", "predicted", "residual"],
        [[text_of(float(v[k])) for v in (expected, predicted, errors)] for k in sample],
        f"{len(sample)} of {len(expected)} held-out rows",
    )
    return [
        scatter(
            "predicted",
            "Predicted and actual",
            "Each dot is a held-out row. On the line the prediction is exact.",
            list(zip(expected.tolist(), predicted.tolist(), strict=True)),
            summary,
            x_label=f"actual {target}",
            y_label="predicted",
            diagonal=True,
        ),
        scatter(
            "residuals",
            "Residuals",
            "What each prediction was off by. A pattern here is something the network has not "
            "learned.",
            list(zip(predicted.tolist(), errors.tolist(), strict=True)),
            rows,
            x_label=f"predicted {target}",
            y_label="predicted − actual",
            diagonal=False,
        ),
    ]
