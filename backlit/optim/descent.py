"""Gradient descent and its two classical accelerations."""

from __future__ import annotations

from typing import Any, NamedTuple

from backlit.core.settings import number
from backlit.optim.optimizer import (
    Leaves,
    Optimizer,
    Rate,
    added,
    check_rate,
    check_same_shapes,
    first_count,
    fit,
    next_count,
    rate_at,
    scaled,
    zeros_like,
)


class CountState(NamedTuple):
    """State of a rule that only counts its steps."""

    count: Any


class MomentumState(NamedTuple):
    """Steps taken and the velocity of each parameter."""

    count: Any
    velocity: tuple[Any, ...]


def sgd(rate: Rate) -> Optimizer:
    """Step against the gradient: p ← p − rate · g.

    Parameters
    ----------
    rate : float or callable
        Learning rate, or a function of the step counted from 0, such as a schedule.

    Returns
    -------
    Optimizer

    References
    ----------
    Robbins and Monro, "A stochastic approximation method", 1951.

    Examples
    --------
    >>> sgd(0.1)
    sgd(rate=0.1)
    """
    rate = check_rate(rate)

    def init(params: Leaves) -> CountState:
        return CountState(first_count())

    def update(grads: Leaves, state: CountState, params: Leaves | None) -> Any:
        scale = -rate_at(rate, state.count)
        return [g * fit(scale, g) for g in grads], CountState(next_count(state.count))

    return Optimizer("sgd", {"rate": rate}, init, update)


def momentum(rate: Rate, momentum: float = 0.9) -> Optimizer:
    """Step along a decaying sum of gradients: v ← µv + g, p ← p − rate · v.

    Parameters
    ----------
    rate : float or callable
        Learning rate, or a function of the step counted from 0.
    momentum : float
        µ, what is kept of the velocity from one step to the next, in [0, 1).

    Returns
    -------
    Optimizer

    References
    ----------
    Polyak, "Some methods of speeding up the convergence of iteration methods", 1964. The rate
    multiplies the velocity, so that a change of rate takes effect at once.

    Examples
    --------
    >>> momentum(0.1)
    momentum(rate=0.1, momentum=0.9)
    """
    return _with_velocity("momentum", rate, momentum, ahead=False)


def nesterov(rate: Rate, momentum: float = 0.9) -> Optimizer:
    """Step along the velocity as it will be: v ← µv + g, p ← p − rate · (g + µv).

    Parameters
    ----------
    rate : float or callable
        Learning rate, or a function of the step counted from 0.
    momentum : float
        µ, what is kept of the velocity from one step to the next, in [0, 1).

    Returns
    -------
    Optimizer

    References
    ----------
    Nesterov, "A method for solving the convex programming problem with convergence rate
    O(1/k²)", 1983, in the form of Sutskever, Martens, Dahl and Hinton, "On the importance of
    initialization and momentum in deep learning", 2013, section 2.

    Examples
    --------
    >>> nesterov(0.1)
    nesterov(rate=0.1, momentum=0.9)
    """
    return _with_velocity("nesterov", rate, momentum, ahead=True)


def _with_velocity(name: str, rate: Rate, momentum: float, *, ahead: bool) -> Optimizer:
    rate = check_rate(rate)
    keep = number(momentum, "momentum", low=0, below=1, example=0.9)

    def init(params: Leaves) -> MomentumState:
        return MomentumState(first_count(), zeros_like(params))

    def update(grads: Leaves, state: MomentumState, params: Leaves | None) -> Any:
        check_same_shapes(grads, state.velocity, "velocities")
        scale = -rate_at(rate, state.count)
        velocities, updates = [], []
        for g, old in zip(grads, state.velocity, strict=True):
            v = added(old * keep, g)
            velocities.append(v)
            if ahead:
                updates.append(scaled(added(v * keep, g), fit(scale, g)))
            else:
                updates.append(v * fit(scale, g))
        return updates, MomentumState(next_count(state.count), tuple(velocities))

    return Optimizer(name, {"rate": rate, "momentum": keep}, init, update)
