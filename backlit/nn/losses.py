"""Losses, computed from logits where that is the stable way.

Every loss takes predictions, targets, and by keyword `weights` (one per example) and `reduction`:
"mean" (the default), "sum", or "none" for one loss per example or element. The weighted mean is
Σ wᵢ ℓᵢ / Σ wᵢ. Results have the floating-point type of the predictions. A loss that not every
target suits looks at the values of the targets, unless ``check=False``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import backlit.numpy as np
from backlit.core.settings import choice, number
from backlit.nn.targets import (
    Reduction,
    as_array,
    check_distributions,
    check_labels,
    check_probabilities,
    check_signs,
    one_hot,
    places,
    reduced,
    targets_like,
)

Loss = Callable[..., Any]


def binary_cross_entropy(
    logits: Any,
    targets: Any,
    *,
    weights: Any = None,
    reduction: Reduction = "mean",
    check: bool = True,
) -> Any:
    """Return the log loss of yes-or-no predictions given as logits.

    Per element, −[y log σ(z) + (1 − y) log(1 − σ(z))] in the form y softplus(−z) + (1 − y)
    softplus(z), where softplus(z) = max(z, 0) + log(1 + e^−|z|): finite for every finite z, small
    losses with all their digits, and with derivative σ(z) − y everywhere, 0 included.

    Parameters
    ----------
    logits : array of shape (examples,) or (examples, outputs)
        z, before any sigmoid.
    targets : array of the same shape
        y, between 0 and 1; shape (examples,) is accepted for one output.
    weights : array of shape (examples,), optional
    reduction : {"mean", "sum", "none"}
        The mean is over examples and outputs.
    check : bool
        False skips looking at the targets' values, for a loop that has done so for all of them.

    Returns
    -------
    array
        Scalar, or one loss per element; natural logarithm (nats).

    Raises
    ------
    InputError
        If a target is not between 0 and 1.
    ShapeError
        If the shapes differ.

    References
    ----------
    Goodfellow, Bengio and Courville, "Deep Learning", 2016, section 6.2.2.2.

    Examples
    --------
    >>> float(binary_cross_entropy([1000.0, 0.0], [0.0, 1.0], reduction="sum").round(4))
    1000.6931
    """
    Z = as_array(logits)
    Y = targets_like(targets, Z)
    if check:
        check_probabilities(Y)
    # The same number as softplus(z) − zy, without the difference of two large ones.
    losses = Y * np.softplus(-Z) + (1.0 - Y) * np.softplus(Z)
    return reduced(losses, weights, reduction)


def cross_entropy(
    logits: Any,
    targets: Any,
    *,
    weights: Any = None,
    reduction: Reduction = "mean",
    check: bool = True,
) -> Any:
    """Return the log loss of a choice among classes, given as logits.

    Per example, −Σₖ yₖ log softmax(z)ₖ, which for a label c is −log softmax(z)_c. The derivative
    with respect to the logits is softmax(z) − y.

    Parameters
    ----------
    logits : array of shape (..., classes)
        z, before any softmax.
    targets : array of int, shape (...), or of shape (..., classes)
        Labels from 0, or one-hot rows; a row may be any distribution over the classes.
    weights : array of shape (examples,), optional
    reduction : {"mean", "sum", "none"}
        The mean is over examples.
    check : bool
        False skips looking at the targets' values, for a loop that has done so for all of them.

    Returns
    -------
    array
        Scalar, or shape (...); natural logarithm (nats).

    Raises
    ------
    InputError
        If a label is out of range, or a one-hot row does not sum to 1.
    ShapeError
        If the shapes do not fit.
    DTypeError
        If labels are not integers.

    References
    ----------
    Bishop, "Pattern Recognition and Machine Learning", 2006, eq. 4.108.

    Examples
    --------
    >>> float(cross_entropy([[2.0, 0.0], [0.0, 2.0]], [0, 1]).round(4))
    0.1269
    >>> float(cross_entropy([[2.0, 0.0], [0.0, 2.0]], [[1, 0], [0, 1]]).round(4))
    0.1269
    """
    Z, Y = as_array(logits), as_array(targets)
    log_P = np.log_softmax(Z)
    if Y.shape == Z.shape:
        Y = targets_like(Y, Z)
        if check:
            check_distributions(Y)
        losses = -np.sum(Y * log_P, axis=-1)
    else:
        check_labels(Y, Z, values=check)
        losses = -log_P[places(Y)]
    return reduced(losses, weights, reduction)


def squared_error(
    predictions: Any, targets: Any, *, weights: Any = None, reduction: Reduction = "mean"
) -> Any:
    """Return the squared error (ŷ − y)² per element; its mean is the mean squared error.

    Parameters
    ----------
    predictions : array of shape (examples,) or (examples, outputs)
        ŷ
    targets : array of the same shape
        y; shape (examples,) is accepted for one output.
    weights : array of shape (examples,), optional
    reduction : {"mean", "sum", "none"}
        The mean is over examples and outputs.

    Returns
    -------
    array
        Scalar, or one loss per element, in squared units of the target.

    Raises
    ------
    ShapeError
        If the shapes differ.

    Examples
    --------
    >>> float(squared_error([1.0, 2.0], [0.0, 4.0]))
    2.5
    """
    Y_hat = as_array(predictions)
    error = Y_hat - targets_like(targets, Y_hat)
    losses = np.square(error)
    return reduced(losses, weights, reduction)


def half_squared_error(
    predictions: Any, targets: Any, *, weights: Any = None, reduction: Reduction = "mean"
) -> Any:
    """Return half the squared distance ½ Σₖ (ŷₖ − yₖ)² per example, as textbooks do.

    Unlike `squared_error` it sums over the outputs, so that the mean over m examples has the
    derivative (ŷ − y) / m however many outputs there are.

    Parameters
    ----------
    predictions : array of shape (examples,) or (examples, outputs)
        ŷ
    targets : array of the same shape
        y; shape (examples,) is accepted for one output.
    weights : array of shape (examples,), optional
    reduction : {"mean", "sum", "none"}
        The mean is over examples.

    Returns
    -------
    array
        Scalar, or shape (examples,), in squared units of the target.

    Raises
    ------
    ShapeError
        If the shapes differ.

    References
    ----------
    Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors", 1986,
    eq. 3.

    Examples
    --------
    >>> float(half_squared_error([[1.0, 2.0]], [[0.0, 4.0]]))
    2.5
    """
    Y_hat = as_array(predictions)
    error = Y_hat - targets_like(targets, Y_hat)
    losses = 0.5 * np.square(error)
    if losses.ndim > 1:
        losses = np.sum(losses, axis=tuple(range(1, losses.ndim)))
    return reduced(losses, weights, reduction)


def absolute_error(
    predictions: Any, targets: Any, *, weights: Any = None, reduction: Reduction = "mean"
) -> Any:
    """Return the absolute error |ŷ − y| per element.

    Parameters
    ----------
    predictions : array of shape (examples,) or (examples, outputs)
        ŷ
    targets : array of the same shape
        y; shape (examples,) is accepted for one output.
    weights : array of shape (examples,), optional
    reduction : {"mean", "sum", "none"}
        The mean is over examples and outputs.

    Returns
    -------
    array
        Scalar, or one loss per element, in units of the target. The derivative at ŷ = y is 0.

    Raises
    ------
    ShapeError
        If the shapes differ.

    Examples
    --------
    >>> float(absolute_error([1.0, 2.0], [0.0, 4.0]))
    1.5
    """
    Y_hat = as_array(predictions)
    error = Y_hat - targets_like(targets, Y_hat)
    losses = np.abs(error)
    return reduced(losses, weights, reduction)


def huber(
    predictions: Any,
    targets: Any,
    *,
    delta: float = 1.0,
    weights: Any = None,
    reduction: Reduction = "mean",
) -> Any:
    """Return Huber's loss: ½r² while |r| ≤ δ and δ(|r| − ½δ) beyond, with r = ŷ − y.

    Computed as c(r − ½c) with c = r limited to [−δ, δ], which is the same and cannot overflow
    where the second branch applies.

    Parameters
    ----------
    predictions : array of shape (examples,) or (examples, outputs)
        ŷ
    targets : array of the same shape
        y; shape (examples,) is accepted for one output.
    delta : float
        δ, above 0: where the parabola turns into a line.
    weights : array of shape (examples,), optional
    reduction : {"mean", "sum", "none"}
        The mean is over examples and outputs.

    Returns
    -------
    array
        Scalar, or one loss per element.

    Raises
    ------
    InputError
        If `delta` is not above 0.
    ShapeError
        If the shapes differ.

    References
    ----------
    Huber, "Robust estimation of a location parameter", 1964.

    Examples
    --------
    >>> huber([0.5, 3.0], [0.0, 0.0], reduction="none")
    array([0.125, 2.5  ])
    """
    delta = number(delta, "delta", positive=True, example=1.0)
    Y_hat = as_array(predictions)
    error = Y_hat - targets_like(targets, Y_hat)
    limited = np.clip(error, -delta, delta)
    losses = limited * (error - 0.5 * limited)
    return reduced(losses, weights, reduction)


def hinge(
    scores: Any,
    targets: Any,
    *,
    weights: Any = None,
    reduction: Reduction = "mean",
    check: bool = True,
) -> Any:
    """Return the hinge loss max(0, 1 − y·s) of yes-or-no predictions.

    Parameters
    ----------
    scores : array of shape (examples,) or (examples, outputs)
        s, positive for yes.
    targets : array of the same shape
        y, −1 or 1; shape (examples,) is accepted for one output.
    weights : array of shape (examples,), optional
    reduction : {"mean", "sum", "none"}
        The mean is over examples and outputs.
    check : bool
        False skips looking at the targets' values, for a loop that has done so for all of them.

    Returns
    -------
    array
        Scalar, or one loss per element. The derivative at the kink y·s = 1 is 0.

    Raises
    ------
    InputError
        If a target is neither −1 nor 1.
    ShapeError
        If the shapes differ.

    References
    ----------
    Cortes and Vapnik, "Support-vector networks", 1995.

    Examples
    --------
    >>> hinge([2.0, 0.5], [1, -1], reduction="none")
    array([0. , 1.5])
    """
    S = as_array(scores)
    Y = targets_like(targets, S)
    if check:
        check_signs(Y)
    losses = np.relu(1.0 - Y * S)
    return reduced(losses, weights, reduction)


def multiclass_hinge(
    scores: Any,
    labels: Any,
    *,
    weights: Any = None,
    reduction: Reduction = "mean",
    check: bool = True,
) -> Any:
    """Return the hinge loss of a choice among classes: max(0, 1 + max over j ≠ c of s_j − s_c).

    Parameters
    ----------
    scores : array of shape (..., classes)
        s
    labels : array of int, shape (...)
        c, counted from 0.
    weights : array of shape (examples,), optional
    reduction : {"mean", "sum", "none"}
        The mean is over examples.
    check : bool
        False skips looking at the targets' values, for a loop that has done so for all of them.

    Returns
    -------
    array
        Scalar, or shape (...).

    Raises
    ------
    InputError
        If a label is out of range.
    ShapeError, DTypeError
        If labels do not fit the scores, or are not integers.

    References
    ----------
    Crammer and Singer, "On the algorithmic implementation of multiclass kernel-based vector
    machines", 2001, eq. 4.

    Examples
    --------
    >>> multiclass_hinge([[3.0, 1.0, 2.5], [0.0, 2.0, 0.0]], [0, 1], reduction="none")
    array([0.5, 0. ])
    """
    S, c = as_array(scores), as_array(labels)
    check_labels(c, S, values=check)
    Y = one_hot(c, S)
    # A margin of 1 is asked of every class but the right one, whose own term is then the 0.
    losses = np.max(S + (1.0 - Y), axis=-1) - np.sum(S * Y, axis=-1)
    return reduced(losses, weights, reduction)


LOSSES: dict[str, Loss] = {
    "cross_entropy": cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
    "mse": squared_error,
    "half_squared_error": half_squared_error,
    "mae": absolute_error,
    "huber": huber,
    "hinge": hinge,
    "multiclass_hinge": multiclass_hinge,
}
"""Every loss by its name: ``loss(predictions, targets, *, weights=None, reduction="mean")``."""


_ALSO = {"squared_error": "mse", "absolute_error": "mae"}  # what their functions are called


def loss_name(name: str) -> str:
    """Return the name of a loss in `LOSSES`, given that or the name of its function.

    Parameters
    ----------
    name : str

    Returns
    -------
    str

    Raises
    ------
    InputError
        If there is none of that name; the message lists them.

    Examples
    --------
    >>> loss_name("squared_error"), loss_name("huber")
    ('mse', 'huber')
    """
    found = choice(name, (*LOSSES, *_ALSO), "loss")
    return _ALSO.get(found, found)


def loss_function(name: str) -> Loss:
    """Return a loss given its name.

    Parameters
    ----------
    name : str
        Of `LOSSES`, or of the function.

    Returns
    -------
    callable

    Raises
    ------
    InputError
        If there is none of that name; the message lists them.

    Examples
    --------
    >>> loss_function("mse") is squared_error
    True
    """
    return LOSSES[loss_name(name)]
