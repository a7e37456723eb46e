"""Figures that say how good predictions are: ``metric(predictions, targets) -> float``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as onp

from backlit.core.errors import BacklitError, InputError, ShapeError
from backlit.core.settings import choice, shown
from backlit.nn.targets import targets_like

Metric = Callable[[Any, Any], float]


def accuracy(predictions: Any, targets: Any) -> float:
    """Return the share of examples whose largest score is that of the right class.

    Parameters
    ----------
    predictions : array of shape (..., classes)
        Scores, for instance logits; the first of equal ones counts.
    targets : array of int, shape (...), or of shape (..., classes)
        Labels from 0, or one-hot rows.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ShapeError
        If the shapes do not fit.

    Examples
    --------
    >>> accuracy([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]], [0, 1, 1])
    0.6666666666666666
    """
    scores, labels = onp.asarray(predictions), onp.asarray(targets)
    if scores.ndim and labels.shape == scores.shape:
        labels = labels.argmax(axis=-1)
    if scores.shape[:-1] != labels.shape:
        raise ShapeError(f"scores have shape {scores.shape} and labels {labels.shape}")
    return float((scores.argmax(axis=-1) == labels).mean())


def binary_accuracy(predictions: Any, targets: Any) -> float:
    """Return the share of yes-or-no predictions that are right; yes is a logit above 0.

    Parameters
    ----------
    predictions : array of shape (examples,) or (examples, outputs)
        Logits.
    targets : array of the same shape
        1 for yes, 0 or −1 for no; shape (examples,) is accepted for one output.

    Returns
    -------
    float
        Between 0 and 1, over examples and outputs.

    Raises
    ------
    ShapeError
        If the shapes differ.

    Examples
    --------
    >>> binary_accuracy([1.5, -0.5, 2.0, -1.0], [1, 0, 0, 0])
    0.75
    """
    logits = onp.asarray(predictions)
    wanted = targets_like(targets, logits)
    return float(((logits > 0) == (wanted > 0.5)).mean())


def r2(predictions: Any, targets: Any) -> float:
    """Return the coefficient of determination, 1 − Σ(y − ŷ)² / Σ(y − ȳ)².

    Parameters
    ----------
    predictions : array of shape (examples,) or (examples, outputs)
        ŷ
    targets : array of the same shape
        y; shape (examples,) is accepted for one output.

    Returns
    -------
    float
        1 is perfect, 0 no better than the mean; the average over the outputs whose targets vary.
        NaN if there is none, as for a single example: no share of a spread of 0 can be explained.

    Raises
    ------
    ShapeError
        If the shapes differ.

    References
    ----------
    Draper and Smith, "Applied Regression Analysis", 3rd edition, 1998, section 1.3.

    Examples
    --------
    >>> r2([1.0, 2.0, 4.0], [1.0, 2.0, 3.0]), r2([1.0], [1.0])
    (0.5, nan)
    """
    Y_hat, Y = _float64_pair(predictions, targets)
    residual = onp.square(Y - Y_hat).sum(axis=0)
    total = onp.square(Y - Y.mean(axis=0)).sum(axis=0)
    varies = total > 0.0
    shares = 1.0 - residual[varies] / total[varies]
    return float(shares.mean()) if shares.size else float("nan")


def rmse(predictions: Any, targets: Any) -> float:
    """Return the root of the mean squared error, in units of the target.

    Parameters
    ----------
    predictions : array of shape (examples,) or (examples, outputs)
    targets : array of the same shape
        Shape (examples,) is accepted for one output.

    Returns
    -------
    float

    Raises
    ------
    ShapeError
        If the shapes differ.

    Examples
    --------
    >>> rmse([1.0, 2.0], [4.0, 6.0])
    3.5355339059327378
    """
    Y_hat, Y = _float64_pair(predictions, targets)
    return float(onp.sqrt(onp.square(Y - Y_hat).mean()))


def mae(predictions: Any, targets: Any) -> float:
    """Return the mean absolute error, in units of the target.

    Parameters
    ----------
    predictions : array of shape (examples,) or (examples, outputs)
    targets : array of the same shape
        Shape (examples,) is accepted for one output.

    Returns
    -------
    float

    Raises
    ------
    ShapeError
        If the shapes differ.

    Examples
    --------
    >>> mae([1.0, 2.0], [4.0, 6.0])
    3.5
    """
    Y_hat, Y = _float64_pair(predictions, targets)
    return float(onp.abs(Y - Y_hat).mean())


def _float64_pair(predictions: Any, targets: Any) -> tuple[Any, Any]:
    Y_hat = onp.asarray(predictions, onp.float64)
    return Y_hat, targets_like(targets, Y_hat)


METRICS: dict[str, Metric] = {
    "accuracy": accuracy,
    "binary_accuracy": binary_accuracy,
    "r2": r2,
    "rmse": rmse,
    "mae": mae,
}
"""Every metric by its name."""

LARGER_IS_BETTER = frozenset(("accuracy", "binary_accuracy", "r2"))
SMALLER_IS_BETTER = frozenset(("loss", "rmse", "mae"))

_FOR_LOSS: dict[str, dict[str, Metric]] = {
    "cross_entropy": {"accuracy": accuracy},
    "multiclass_hinge": {"accuracy": accuracy},
    "binary_cross_entropy": {"accuracy": binary_accuracy},
    "hinge": {"accuracy": binary_accuracy},
    "mse": {"r2": r2},
    "half_squared_error": {"r2": r2},
    "mae": {"r2": r2},
    "huber": {"r2": r2},
}

Metrics = Sequence[str] | Mapping[str, Metric] | None


def chosen_metrics(metrics: Metrics, loss: str | None) -> dict[str, Metric]:
    """Return metrics by name, given what the user asked for and the loss.

    Parameters
    ----------
    metrics : sequence of str, mapping of str to callable, or None
        None stands for what suits the loss.
    loss : str or None
        Name of the loss; None for a function of the user's, whose predictions are not known.

    Returns
    -------
    dict of str to callable

    Raises
    ------
    InputError
        If there is no metric of that name, or no predictions to measure.

    Examples
    --------
    >>> list(chosen_metrics(None, "mse")), list(chosen_metrics(["rmse", "mae"], "mse"))
    (['r2'], ['rmse', 'mae'])
    """
    if metrics is None:
        return {} if loss is None else dict(_FOR_LOSS[loss])
    if isinstance(metrics, str):
        raise InputError(f"metrics is {metrics!r}", fix=f"pass a list: metrics=[{metrics!r}]")
    if loss is None and metrics:
        raise InputError(
            "metrics need predictions, and a loss function of your own does not show them",
            fix="name a loss, or compute the figure in a callback",
        )
    if isinstance(metrics, Mapping):
        found = dict(metrics)
    elif isinstance(metrics, Iterable):
        more = "metrics={name: function}"
        found = {name: METRICS[choice(name, METRICS, "a metric", also=more)] for name in metrics}
    else:
        raise InputError(
            f"metrics is {shown(metrics)}; it must be a list of names",
            fix='for instance metrics=["rmse", "mae"]',
        )
    for name, metric in found.items():
        if not callable(metric) or not isinstance(name, str) or name == "loss":
            raise InputError(
                f"metric {name!r} is {metric!r:.60}",
                fix="map a name other than 'loss' to a function of predictions and targets",
            )
    return found


def measured(metrics: Mapping[str, Metric], predictions: Any, targets: Any) -> dict[str, float]:
    """Return the value of each metric, or raise naming the one that has none.

    Parameters
    ----------
    metrics : mapping of str to callable
    predictions, targets : array

    Returns
    -------
    dict of str to float

    Raises
    ------
    InputError

    Examples
    --------
    >>> measured({"mae": mae}, [1.0, 2.0], [4.0, 6.0])
    {'mae': 3.5}
    """
    found = {}
    for name, metric in metrics.items():
        try:
            found[name] = float(metric(predictions, targets))
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            fix = "a function of all predictions and targets that returns one number"
            if isinstance(error, BacklitError):
                why, fix = error.what, "metrics=None takes those that suit the loss"
            raise InputError(f"the metric {name!r} gives no number: {why}", fix=fix) from error
    return found
