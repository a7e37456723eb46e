"""Rules that scale each weight's step by the size of its past gradients."""

from __future__ import annotations

from typing import Any, NamedTuple

import backlit.numpy as np
from backlit.core.settings import flag, number
from backlit.optim.optimizer import (
    Leaves,
    Optimizer,
    Rate,
    added,
    check_rate,
    check_same_shapes,
    first_count,
    fit,
    needs_params,
    next_count,
    power,
    rate_at,
    scaled,
    traced,
    zeros_like,
)
from backlit.optim.transformations import decayed


class SquaresState(NamedTuple):
    """Steps taken and, per parameter, the sum or running mean of squared gradients."""

    count: Any
    squares: tuple[Any, ...]


class AdamState(NamedTuple):
    """Steps taken and, per parameter, running means of gradients and of their squares."""

    count: Any
    m: tuple[Any, ...]
    v: tuple[Any, ...]


def adagrad(rate: Rate, eps: float = 1e-10, initial: float = 0.0) -> Optimizer:
    """Divide by the root of the sum of squares: s ← s + g², p ← p − rate · g / (√s + ε).

    Parameters
    ----------
    rate : float or callable
        Learning rate, or a function of the step counted from 0.
    eps : float
        ε, keeps the quotient finite.
    initial : float
        First value of s.

    Returns
    -------
    Optimizer

    References
    ----------
    Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic
    optimization", 2011, figure 1 (diagonal version).

    Examples
    --------
    >>> adagrad(0.1)
    adagrad(rate=0.1, eps=1e-10, initial=0.0)
    """
    rate, eps = check_rate(rate), number(eps, "eps", low=0, example=1e-10)
    initial = number(initial, "initial", low=0, example=0.1)

    def init(params: Leaves) -> SquaresState:
        return SquaresState(first_count(), tuple([z + initial for z in zeros_like(params)]))

    def update(grads: Leaves, state: SquaresState, params: Leaves | None) -> Any:
        check_same_shapes(grads, state.squares, "sums of squares")
        scale = -rate_at(rate, state.count)
        sums, updates = [], []
        for g, old in zip(grads, state.squares, strict=True):
            s = added(g * g, old)
            sums.append(s)
            updates.append(_quotient(g, s, eps, fit(scale, g)))
        return updates, SquaresState(next_count(state.count), tuple(sums))

    return Optimizer("adagrad", {"rate": rate, "eps": eps, "initial": initial}, init, update)


def rmsprop(rate: Rate, decay: float = 0.9, eps: float = 1e-8) -> Optimizer:
    """Divide by a running root mean square: v ← βv + (1−β)g², p ← p − rate · g / (√v + ε).

    Parameters
    ----------
    rate : float or callable
        Learning rate, or a function of the step counted from 0.
    decay : float
        β, what is kept of the mean from one step to the next, in [0, 1).
    eps : float
        ε, keeps the quotient finite.

    Returns
    -------
    Optimizer

    References
    ----------
    Tieleman and Hinton, "Lecture 6.5: divide the gradient by a running average of its recent
    magnitude", 2012.

    Examples
    --------
    >>> rmsprop(1e-3)
    rmsprop(rate=0.001, decay=0.9, eps=1e-08)
    """
    rate, eps = check_rate(rate), number(eps, "eps", low=0, example=1e-8)
    decay = number(decay, "decay", low=0, below=1, example=0.9)

    def init(params: Leaves) -> SquaresState:
        return SquaresState(first_count(), zeros_like(params))

    def update(grads: Leaves, state: SquaresState, params: Leaves | None) -> Any:
        check_same_shapes(grads, state.squares, "mean squares")
        scale = -rate_at(rate, state.count)
        means, updates = [], []
        for g, old in zip(grads, state.squares, strict=True):
            v = _running_mean(old, g * g, decay)
            means.append(v)
            updates.append(_quotient(g, v, eps, fit(scale, g)))
        return updates, SquaresState(next_count(state.count), tuple(means))

    return Optimizer("rmsprop", {"rate": rate, "decay": decay, "eps": eps}, init, update)


def adam(
    rate: Rate = 1e-3, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8
) -> Optimizer:
    """Step along a running mean of gradients over the root of one of their squares.

    m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², p ← p − rate · m̂ / (√v̂ + ε), where m̂ = m / (1−β₁ᵗ)
    and v̂ = v / (1−β₂ᵗ) undo the start from zero.

    Parameters
    ----------
    rate : float or callable
        Learning rate, or a function of the step counted from 0.
    beta1, beta2 : float
        β₁ and β₂, what is kept of the means from one step to the next, in [0, 1).
    eps : float
        ε, keeps the quotient finite.

    Returns
    -------
    Optimizer

    References
    ----------
    Kingma and Ba, "Adam: a method for stochastic optimization", 2015, algorithm 1.

    Examples
    --------
    >>> adam()
    adam(rate=0.001, beta1=0.9, beta2=0.999, eps=1e-08)
    """
    return _adam("adam", rate, beta1, beta2, eps, {})


def adamw(
    rate: Rate = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    decay: float = 0.01,
    biases: bool = True,
) -> Optimizer:
    """Adam with decoupled weight decay: p ← p − rate · (m̂ / (√v̂ + ε) + λp).

    Parameters
    ----------
    rate : float or callable
        Learning rate, or a function of the step counted from 0.
    beta1, beta2 : float
        β₁ and β₂ of `adam`.
    eps : float
        ε of `adam`.
    decay : float
        λ.
    biases : bool
        False spares parameters of fewer than two dimensions.

    Returns
    -------
    Optimizer

    References
    ----------
    Loshchilov and Hutter, "Decoupled weight decay regularization", 2019, algorithm 2, with λ
    multiplied by the learning rate.

    Examples
    --------
    >>> adamw(decay=0.1).settings["decay"]
    0.1
    """
    extra = {
        "decay": number(decay, "decay", low=0, example=0.01),
        "biases": flag(biases, "biases"),
    }
    return _adam("adamw", rate, beta1, beta2, eps, extra)


def _root_of_number(x: Any) -> Any:
    """Return √x: a Python float, so that it adapts to arrays, unless it is traced."""
    return np.sqrt(x) if traced(x) else x**0.5


def _adam(
    name: str, rate: Rate, beta1: float, beta2: float, eps: float, extra: dict[str, Any]
) -> Optimizer:
    rate, eps = check_rate(rate), number(eps, "eps", low=0, example=1e-8)
    beta1 = number(beta1, "beta1", low=0, below=1, example=0.9)
    beta2 = number(beta2, "beta2", low=0, below=1, example=0.999)
    decay, biases = extra.get("decay", 0.0), extra.get("biases", True)

    def init(params: Leaves) -> AdamState:
        return AdamState(first_count(), zeros_like(params), zeros_like(params))

    def update(grads: Leaves, state: AdamState, params: Leaves | None) -> Any:
        check_same_shapes(grads, state.m, "running means")
        count = next_count(state.count)
        scale = -rate_at(rate, state.count)
        # m̂ / (√v̂ + ε) with the two corrections moved out of the arrays, which saves two passes.
        root = _root_of_number(1.0 - power(beta2, count))
        adapted = root / (1.0 - power(beta1, count))
        ms, vs, updates = [], [], []
        for g, old_m, old_v in zip(grads, state.m, state.v, strict=True):
            m = _running_mean(old_m, g, beta1)
            v = _running_mean(old_v, g * g, beta2)
            ms.append(m)
            vs.append(v)
            updates.append(_quotient(m, v, fit(eps * root, g), fit(scale * adapted, g)))
        if decay:
            updates = decayed(updates, needs_params(params, name), scale * decay, biases)
        return updates, AdamState(count, tuple(ms), tuple(vs))

    settings = {"rate": rate, "beta1": beta1, "beta2": beta2, "eps": eps, **extra}
    return Optimizer(name, settings, init, update)


def _running_mean(old: Any, new: Any, keep: float) -> Any:
    """Return keep · old + (1 − keep) · new, written as old + (1 − keep)(new − old)."""
    return added(scaled(new - old, 1.0 - keep), old)


def _quotient(top: Any, square: Any, eps: Any, scale: Any) -> Any:
    """Return scale · top / (√square + eps)."""
    return scaled(top / added(_root(square), eps), scale)


def _root(square: Any) -> Any:
    if not traced(square):
        return np.sqrt(square)
    # The root has no slope at 0, the whole quotient has: there `top` alone decides it.
    positive = square > 0
    return np.where(positive, np.sqrt(np.where(positive, square, 1.0)), 0.0)
