"""What every loss does around its formula: check the targets, weigh and average the examples.

Values are checked whenever they are there, at the price of two passes over the targets: a label
out of range or a silent broadcast costs an afternoon. Training checks all targets once instead.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as onp

import backlit.numpy as np
from backlit.core.errors import DTypeError, InputError, ShapeError
from backlit.core.settings import choice, shown
from backlit.core.tracer import Tracer

Reduction = Literal["mean", "sum", "none"]


def as_array(value: Any) -> Any:
    """Return a tracer as it is and anything else as an ndarray of numbers."""
    if isinstance(value, Tracer):
        return value
    array = onp.asarray(value)
    if array.dtype.kind not in "fiubc":
        raise DTypeError(
            f"a loss was given {shown(value)}; predictions, targets and weights are numbers",
            fix="number the classes: classes, y = numpy.unique(y, return_inverse=True)",
        )
    return array


def targets_like(targets: Any, predictions: Any) -> Any:
    """Return targets in the shape and floating-point type of the predictions.

    Parameters
    ----------
    targets : array
        Of the shape of `predictions`, or without its last axis if that has length 1.
    predictions : array

    Returns
    -------
    array

    Raises
    ------
    ShapeError
        If the shapes differ in another way: broadcasting would compare every prediction with
        every target.

    Examples
    --------
    >>> targets_like([1, 0], onp.zeros((2, 1), "float32"))
    array([[1.],
           [0.]], dtype=float32)
    """
    targets = as_array(targets)
    shape = predictions.shape
    if targets.shape != shape:
        if (*targets.shape, 1) != shape:
            raise ShapeError(
                f"predictions have shape {shape} and targets {targets.shape}",
                fix="give both the same shape, one row per example",
            )
        targets = np.reshape(targets, shape)
    if targets.dtype != predictions.dtype and predictions.dtype.kind == "f":
        targets = targets.astype(predictions.dtype)
    return targets


def extremes(values: Any) -> tuple[Any, Any] | None:
    """Return the smallest and the largest value, or None if they are not known or there is none."""
    if isinstance(values, Tracer) or not values.size:
        return None
    return onp.minimum.reduce(values, axis=None), onp.maximum.reduce(values, axis=None)


def place(wrong: Any) -> str:
    """Return where the first True of an array is, for a message."""
    where = [int(i) for i in onp.argwhere(wrong)[0]]
    return f"[{', '.join(map(str, where))}]"


def check_probabilities(targets: Any) -> None:
    """Raise unless all targets that are known lie within 0 and 1."""
    found = extremes(targets)
    if found is not None and not (found[0] >= 0 and found[1] <= 1):
        wrong = ~((targets >= 0) & (targets <= 1))
        raise InputError(
            f"target{place(wrong)} is {targets[wrong][0]:g}; it must be between 0 and 1",
            fix="encode the two classes as 0 and 1, for instance (y + 1) / 2 from −1 and 1",
        )


def check_signs(targets: Any) -> None:
    """Raise unless all targets that are known are −1 or 1."""
    found = None if isinstance(targets, Tracer) else extremes(onp.abs(targets))
    if found is not None and not (found[0] == 1 and found[1] == 1):
        wrong = onp.abs(targets) != 1
        raise InputError(
            f"target{place(wrong)} is {targets[wrong][0]:g}; hinge needs −1 and 1",
            fix="2 * y - 1 turns 0 and 1 into −1 and 1",
        )


def check_distributions(targets: Any) -> None:
    """Raise unless each row of known targets sums to 1."""
    if isinstance(targets, Tracer) or not targets.size:
        return
    check_probabilities(targets)
    sums = onp.add.reduce(targets, axis=-1)
    wrong = onp.abs(sums - 1) > 1e-3
    if wrong.any():
        raise InputError(
            f"target row {place(wrong)} sums to {sums[wrong][0]:g}; one-hot rows sum to 1",
            fix="if several labels can be true at once, use binary_cross_entropy",
        )


def check_labels(labels: Any, scores: Any, values: bool = True) -> None:
    """Raise unless labels are whole numbers from 0, fit the scores' rows and number of classes.

    Parameters
    ----------
    labels : array of int, shape (...)
    scores : array of shape (..., classes)
    values : bool
        Whether to look at the labels' values as well as at their shape and type.
    """
    if labels.shape != scores.shape[:-1]:
        raise ShapeError(
            f"scores of shape {scores.shape} need labels of shape {scores.shape[:-1]} or one-hot "
            f"rows of shape {scores.shape}, not {labels.shape}",
            fix="one label per row of scores",
        )
    if labels.dtype.kind not in "iu":
        raise DTypeError(
            f"labels are {labels.dtype.name}; they must be whole numbers",
            fix="y.astype(int), or one-hot rows",
        )
    found, classes = extremes(labels) if values else None, scores.shape[-1]
    if found is not None and not (found[0] >= 0 and found[1] < classes):
        wrong = (labels < 0) | (labels >= classes)
        raise InputError(
            f"label {labels[wrong][0]} at {place(wrong)} is out of range: {classes} classes have "
            f"labels from 0 to {classes - 1}",
            fix="give the model one output per class, or number the classes from 0",
        )


def places(labels: Any) -> tuple[Any, ...]:
    """Return the index that picks each label's own score out of an array of scores."""
    if labels.ndim == 1:
        return onp.arange(labels.shape[0]), labels
    return (*onp.ogrid[tuple(slice(n) for n in labels.shape)], labels)


def one_hot(labels: Any, scores: Any) -> Any:
    """Return one row per label, 1 at the label and 0 elsewhere, in the type of the scores."""
    return np.one_hot(labels, scores.shape[-1], dtype=scores.dtype)


def reduced(losses: Any, weights: Any, reduction: Reduction) -> Any:
    """Return the loss of a batch from the losses of its examples.

    Parameters
    ----------
    losses : array of shape (examples, ...)
    weights : array of shape (examples,), optional
        Weight of each example: any shape that `losses` begins with.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the sum of the weights (times the number of outputs).

    Returns
    -------
    array
        Scalar, or the shape of `losses` for "none".

    Raises
    ------
    InputError
        If the reduction is unknown, a weight is negative, or all are zero.
    ShapeError
        If there is not one weight per example.

    Examples
    --------
    >>> float(reduced(onp.array([1.0, 3.0]), [3.0, 1.0], "mean"))
    1.5
    """
    if not losses.size:
        raise InputError("there is no example to take the loss of")
    if weights is not None:
        weights = _weights(weights, losses)
        if reduction == "mean":
            total = np.sum(weights)
            if not isinstance(total, Tracer) and total == 0:
                raise InputError("the weights sum to 0, so there is no mean")
            L = np.sum(losses * (weights / (total * (losses.size / weights.size))))
            return L
        losses = losses * weights
    if reduction == "mean":
        L = np.mean(losses)
    elif reduction == "sum":
        L = np.sum(losses)
    else:
        choice(reduction, ("mean", "sum", "none"), "reduction")
        L = losses
    return L


def _weights(weights: Any, losses: Any) -> Any:
    weights = as_array(weights)
    shape = losses.shape
    if weights.shape != shape[: weights.ndim]:
        raise ShapeError(
            f"losses of shape {shape} cannot be weighted by an array of shape {weights.shape}",
            fix="one weight per example",
        )
    found = extremes(weights)
    if found is not None and not found[0] >= 0:
        wrong = ~(weights >= 0)
        raise InputError(f"weight{place(wrong)} is {weights[wrong][0]:g}; it must not be negative")
    if weights.dtype != losses.dtype:
        weights = weights.astype(losses.dtype)
    return np.reshape(weights, weights.shape + (1,) * (len(shape) - weights.ndim))
