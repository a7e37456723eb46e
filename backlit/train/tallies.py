"""Metrics as sums over rows, which compiled code adds up batch by batch.

What `backlit.train.metrics` computes from all predictions at once, computed without keeping them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as onp

import backlit.numpy as np
from backlit.nn.targets import targets_like
from backlit.train.inputs import Array
from backlit.train.metrics import METRICS, Metric


class Tally(NamedTuple):
    """How a metric is summed.

    Attributes
    ----------
    of_batch : callable
        ``of_batch(predictions, y)``, a sum over the rows of a batch, traced.
    value : callable
        ``value(sum, y, output)``, the metric, given the sum over all rows, their targets and the
        shape of a prediction.
    """

    of_batch: Callable[[Any, Any], Any]
    value: Callable[[Any, Array, tuple[int, ...]], float]


def tallies_for(metrics: Mapping[str, Metric], output: tuple[int, ...]) -> dict[str, Tally] | None:
    """Return how to sum metrics, or None if one of them needs all predictions at once.

    Parameters
    ----------
    metrics : mapping of str to callable
    output : tuple of int
        Shape of a prediction.

    Returns
    -------
    dict of str to Tally, or None

    Examples
    --------
    >>> tallies_for({"mine": max}, ()) is None
    True
    >>> import numpy
    >>> tally = tallies_for({"error": METRICS["mae"]}, ())["error"]
    >>> tally.value(tally.of_batch(numpy.array([1.0, 2.0]), numpy.array([4.0, 3.0])), [0, 0], ())
    2.0
    """
    found = {}
    for name, metric in metrics.items():
        known = next((key for key, ours in METRICS.items() if ours is metric), None)
        # Scores of one class, a number per row, have no classes to choose from.
        if known is None or (known == "accuracy" and not output):
            return None
        found[name] = _TALLIES[known]
    return found


def _right_classes(P: Any, y: Any) -> Any:
    labels = np.argmax(y, axis=-1) if y.ndim == P.ndim else y
    # The first of the largest scores, written so that rows can be taken a vector at a time.
    classes = onp.arange(P.shape[-1], dtype=P.dtype)
    largest = P == np.max(P, axis=-1, keepdims=True)
    chosen = np.min(np.where(largest, classes, float(P.shape[-1])), axis=-1)
    return np.sum(chosen == np.astype(labels, P.dtype))


def _right_answers(P: Any, y: Any) -> Any:
    return np.sum((P > 0) == (targets_like(y, P) > 0.5))


def _error(P: Any, y: Any) -> Any:
    P = np.astype(P, onp.float64)
    return P - targets_like(y, P)


def _mean(total: Any, y: Array, output: tuple[int, ...]) -> float:
    return float(total) / (len(y) * math.prod(output))


def _share_explained(residual: Any, y: Array, output: tuple[int, ...]) -> float:
    Y = onp.asarray(y, onp.float64).reshape(len(y), *output)
    total = onp.square(Y - Y.mean(axis=0)).sum(axis=0)
    varies = total > 0.0
    shares = 1.0 - onp.asarray(residual)[varies] / total[varies]
    return float(shares.mean()) if shares.size else math.nan


_TALLIES: dict[str, Tally] = {
    "accuracy": Tally(_right_classes, lambda count, y, output: _mean(count, y, output[:-1])),
    "binary_accuracy": Tally(_right_answers, _mean),
    "r2": Tally(lambda P, y: np.sum(_error(P, y) ** 2, axis=0), _share_explained),
    "rmse": Tally(
        lambda P, y: np.sum(_error(P, y) ** 2), lambda s, y, output: math.sqrt(_mean(s, y, output))
    ),
    "mae": Tally(lambda P, y: np.sum(np.abs(_error(P, y))), _mean),
}
