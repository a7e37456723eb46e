"""Rules that change gradients or updates on their way: clipping and weight decay."""

from __future__ import annotations

import math
from typing import Any

import numpy as onp

import backlit.numpy as np
from backlit.core.settings import flag, number
from backlit.optim.descent import CountState
from backlit.optim.optimizer import (
    Leaves,
    Optimizer,
    Rate,
    added,
    check_rate,
    first_count,
    fit,
    needs_params,
    next_count,
    rate_at,
    traced,
)


def clip_by_value(limit: float) -> Optimizer:
    """Move every component of the gradient into [−limit, limit].

    Parameters
    ----------
    limit : float

    Returns
    -------
    Optimizer
        To be chained before a rule that makes steps.

    Examples
    --------
    >>> rule = clip_by_value(1.0)
    >>> rule.update([onp.array([-3.0, 0.5])], rule.init([onp.zeros(2)]))[0]
    [array([-1. ,  0.5])]
    """
    limit = number(limit, "limit", positive=True, example=1.0)

    def update(grads: Leaves, state: Any, params: Leaves | None) -> Any:
        return [np.clip(g, -limit, limit) for g in grads], state

    return Optimizer("clip_by_value", {"limit": limit}, _no_state, update)


def clip_by_global_norm(limit: float) -> Optimizer:
    """Shorten the whole gradient to a Euclidean norm of at most `limit`, keeping its direction.

    Parameters
    ----------
    limit : float
        Largest norm of all gradient arrays taken together as one vector.

    Returns
    -------
    Optimizer
        To be chained before a rule that makes steps.

    References
    ----------
    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", 2013,
    algorithm 1.

    Examples
    --------
    >>> rule = clip_by_global_norm(1.0)
    >>> rule.update([onp.array([3.0]), onp.array([4.0])], ())[0]
    [array([0.6]), array([0.8])]
    """
    limit = number(limit, "limit", positive=True, example=1.0)

    def update(grads: Leaves, state: Any, params: Leaves | None) -> Any:
        if any(traced(g) for g in grads):
            # The same without a branch, and without a root of 0, which has no slope.
            # In float64, where the squares of an exploding float32 gradient are finite.
            square = sum(np.sum(np.square(g.astype(onp.float64))) for g in grads)
            scale = limit / np.sqrt(np.maximum(square, limit * limit))
            return [g * fit(scale, g) for g in grads], state
        norm = global_norm(grads)
        return ([g * (limit / norm) for g in grads] if norm > limit else grads), state

    return Optimizer("clip_by_global_norm", {"limit": limit}, _no_state, update)


def global_norm(arrays: Any) -> Any:
    """Return the Euclidean norm of arrays taken together as one vector.

    Parameters
    ----------
    arrays : sequence of arrays

    Returns
    -------
    float, or a traced scalar if an array is traced
        Finite whenever the norm itself is, however large the components.

    Examples
    --------
    >>> global_norm([onp.array([3.0]), onp.array([[4.0]])])
    5.0
    """
    if any(traced(a) for a in arrays):
        return np.sqrt(sum(np.sum(a * a) for a in arrays))
    flat = [onp.ravel(a) for a in arrays]
    with onp.errstate(over="ignore", under="ignore"):
        total = sum(float(onp.dot(a, a)) for a in flat)
    if 1e-30 < total < math.inf or total == 0.0 or total != total:
        return math.sqrt(total)
    largest = max(float(onp.max(onp.abs(a))) for a in flat if a.size)
    # Exploding gradients are what clipping is for: their squares may overflow, they must not.
    return largest if math.isinf(largest) else largest * global_norm([a / largest for a in flat])


def weight_decay(decay: float, biases: bool = True) -> Optimizer:
    """Add λp to the gradient: L2 regularisation, the gradient of the penalty ½λ‖p‖².

    Parameters
    ----------
    decay : float
        λ.
    biases : bool
        False spares parameters of fewer than two dimensions.

    Returns
    -------
    Optimizer
        To be chained before a rule that makes steps.

    Examples
    --------
    >>> rule = weight_decay(0.1)
    >>> rule.update([onp.array([1.0])], (), [onp.array([20.0])])[0]
    [array([3.])]
    """
    decay, biases = _decay(decay), flag(biases, "biases")

    def update(grads: Leaves, state: Any, params: Leaves | None) -> Any:
        return decayed(grads, needs_params(params, "weight_decay"), decay, biases), state

    return Optimizer("weight_decay", {"decay": decay, "biases": biases}, _no_state, update)


def decoupled_weight_decay(decay: float, rate: Rate, biases: bool = True) -> Optimizer:
    """Shrink the parameters beside the step itself: update ← update − rate · λp.

    Parameters
    ----------
    decay : float
        λ.
    rate : float or callable
        Learning rate, usually that of the rule before it.
    biases : bool
        False spares parameters of fewer than two dimensions.

    Returns
    -------
    Optimizer
        To be chained after a rule that makes steps.

    References
    ----------
    Loshchilov and Hutter, "Decoupled weight decay regularization", 2019.

    Examples
    --------
    >>> rule = decoupled_weight_decay(0.1, rate=0.5)
    >>> rule.update([onp.array([1.0])], rule.init([onp.zeros(1)]), [onp.array([2.0])])[0]
    [array([0.9])]
    """
    decay, rate, biases = _decay(decay), check_rate(rate), flag(biases, "biases")

    def init(params: Leaves) -> CountState:
        return CountState(first_count())

    def update(grads: Leaves, state: CountState, params: Leaves | None) -> Any:
        values = needs_params(params, "decoupled_weight_decay")
        amount = -rate_at(rate, state.count) * decay
        return decayed(grads, values, amount, biases), CountState(next_count(state.count))

    settings = {"decay": decay, "rate": rate, "biases": biases}
    return Optimizer("decoupled_weight_decay", settings, init, update)


def decayed(updates: Leaves, params: Leaves, amount: Any, biases: bool) -> list[Any]:
    """Return updates + amount · params, sparing biases if asked.

    Parameters
    ----------
    updates, params : sequence of arrays
    amount : float or traced scalar
    biases : bool

    Returns
    -------
    list of arrays

    Examples
    --------
    >>> decayed([onp.array([1.0])], [onp.array([2.0])], -0.5, biases=True)
    [array([0.])]
    """
    changed = []
    for update, p in zip(updates, params, strict=True):
        if biases or onp.ndim(p) >= 2:
            update = added(p * fit(amount, p), update)
        changed.append(update)
    return changed


def _decay(value: Any) -> float:
    return number(value, "decay", low=0, example=0.01)


def _no_state(params: Leaves) -> tuple[()]:
    return ()
