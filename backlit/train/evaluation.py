"""Using a model on data without changing it: predictions, loss and metrics."""

from __future__ import annotations

from typing import Any

import numpy as onp

from backlit.core.errors import InputError
from backlit.core.settings import whole
from backlit.train.inputs import (
    Array,
    Examples,
    check_rows,
    inputs_for,
    numbers,
    pair,
    parameters,
    targets_for,
    weights_for,
)
from backlit.train.metrics import Metric, Metrics, chosen_metrics, measured
from backlit.train.objective import CHUNK, Loss, Objective, objective_for, output_of, predictions


def predict(model: Any, X: Any, *, batch_size: int = CHUNK) -> Array:
    """Return what a model makes of many rows, in inference mode: dropout is off.

    Parameters
    ----------
    model : Module or callable tree of arrays
    X : array_like, shape (rows, ...)
        Floats are cast to the floating-point type of the model.
    batch_size : int
        How many rows to compute at a time, which bounds the memory.

    Returns
    -------
    ndarray, shape (rows, ...)
        The model's outputs: logits for a classifier, so ``predict(model, X).argmax(axis=1)`` are
        labels and ``backlit.nn.softmax(predict(model, X))`` probabilities.

    Raises
    ------
    InputError
        If `X` does not fit the model.

    Examples
    --------
    >>> from backlit import nn
    >>> predict(nn.MLP([2, 4, 3], seed=0), [[0.0, 1.0], [1.0, 0.0]]).shape
    (2, 3)
    """
    if not callable(model):
        raise InputError(f"the model is a {type(model).__name__}, which cannot be called on inputs")
    leaves, _, _ = parameters(model)
    array = inputs_for(model, X, onp.result_type(*leaves))
    size = whole(batch_size, "batch_size", low=1, example=CHUNK)
    return onp.asarray(predictions(model, array, size))


def evaluate(
    model: Any,
    data: tuple[Any, Any],
    loss: Loss = "cross_entropy",
    *,
    metrics: Metrics = None,
    sample_weight: Any = None,
) -> dict[str, float]:
    """Return the loss and the metrics of a model on data, in inference mode: dropout is off.

    Parameters
    ----------
    model : tree of arrays
    data : (X, y)
        Inputs of shape (rows, ...) and targets, as for `fit`.
    loss : str or callable
        As for `fit`. A function of your own is called on up to 4,096 rows at a time, and the
        values are averaged by the numbers of rows.
    metrics : sequence of str, mapping of str to callable, optional
        As for `fit`; they are not weighted.
    sample_weight : array_like of shape (rows,), optional
        The loss is then Σ wᵢ ℓᵢ / Σ wᵢ.

    Returns
    -------
    dict of str to float
        ``"loss"`` and each metric by its name.

    Raises
    ------
    InputError
        If the data do not fit the model or the loss.

    Examples
    --------
    >>> from backlit import nn
    >>> import backlit.numpy as np
    >>> model = nn.Dense(1, 1, seed=0, init="zeros")
    >>> evaluate(model, ([[1.0], [2.0]], [3.0, 1.0]), "mse", metrics=["mae"])
    {'loss': 5.0, 'mae': 2.0}
    """
    leaves, _, _ = parameters(model)
    objective = objective_for(loss, model)
    chosen = chosen_metrics(metrics, objective.name)
    examples = examples_for(model, data, objective, onp.result_type(*leaves), sample_weight)
    return measure(model, examples, objective, chosen)


def examples_for(
    model: Any,
    data: Any,
    objective: Objective,
    dtype: Any,
    sample_weight: Any = None,
    name: str = "data",
) -> Examples:
    """Return checked examples, in the shapes and types the model and the loss want.

    Parameters
    ----------
    model : tree of arrays
    data : (X, y)
    objective : Objective
    dtype : dtype
        Floating-point type of the model.
    sample_weight : array_like, optional
    name : str
        What the data are called in messages: "data" or "validation".

    Returns
    -------
    Examples

    Raises
    ------
    InputError
        If something does not fit.
    """
    X, y = pair(data, name)
    prefix = "" if name == "data" else f"{name} "
    X = inputs_for(model, X, dtype, prefix + "X")
    rows = len(X)
    y = numbers(y, prefix + "y")
    check_rows(rows, y, prefix + "y", prefix + "X")
    if not rows:
        raise InputError(f"{prefix}X has no rows")
    output, kind = ((), dtype) if objective.name is None else output_of(model, X)
    y = targets_for(y, rows, objective.name, output, kind, prefix + "y")
    if sample_weight is not None and not objective.takes_weights:
        raise InputError(
            "there are sample weights, but the loss function takes none",
            fix="loss(model, x, y, weights=None): multiply the losses of the rows by the weights "
            "before averaging",
        )
    if objective.name is not None and y.shape == (rows, *output):
        # Let the loss look at all targets now, not when an unlucky batch meets a wrong one.
        objective.formula(onp.zeros_like(y), y, reduction="none")
    return Examples(X, y, weights_for(sample_weight, rows, kind))


def measure(
    model: Any, examples: Examples, objective: Objective, metrics: dict[str, Metric]
) -> dict[str, float]:
    """Return loss and metrics of checked examples."""
    value, P = objective.mean(model, *examples)
    return {"loss": value} | measured(metrics, P, examples.y)
