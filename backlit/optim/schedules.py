"""Learning rates that depend on the number of steps taken.

A schedule is a function of the step, counted from 0 for the first update. Its formula is written
once in the engine's operations, so that it gives a float for an int and can be compiled as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import backlit.numpy as np
from backlit.core.errors import InputError
from backlit.core.settings import number, whole
from backlit.core.tracer import Tracer
from backlit.optim.description import description_of


@dataclass(frozen=True, eq=False)
class Schedule:
    """A learning rate as a function of the step, with a name and settings to repeat it by.

    Attributes
    ----------
    name : str
    settings : mapping of str to number or Schedule
    formula : callable
        ``formula(step) -> rate``

    Examples
    --------
    >>> from backlit.optim import schedules
    >>> schedule = schedules.exponential(0.1, factor=0.5)
    >>> schedule(0), schedule(2)
    (0.1, 0.025)
    """

    name: str
    settings: Mapping[str, Any]
    formula: Callable[[Any], Any]

    def __call__(self, step: Any) -> Any:
        """Return the learning rate of a step counted from 0."""
        rate = self.formula(step)
        return rate if isinstance(rate, Tracer) else float(rate)

    def describe(self) -> dict[str, Any]:
        """Return the name and settings as plain JSON values."""
        settings = {key: description_of(value) for key, value in self.settings.items()}
        return {"name": self.name, **settings}

    def __repr__(self) -> str:
        inside = ", ".join(f"{key}={value!r}" for key, value in self.settings.items())
        return f"{self.name}({inside})"


def constant(rate: float) -> Schedule:
    """Return the same rate at every step.

    Parameters
    ----------
    rate : float

    Returns
    -------
    Schedule

    Examples
    --------
    >>> constant(0.1)(1000)
    0.1
    """
    rate = _rate(rate, "rate")
    return Schedule("constant", {"rate": rate}, lambda step: rate)


def step(rate: float, *, every: int, factor: float = 0.1) -> Schedule:
    """Multiply the rate by `factor` once every `every` steps.

    Parameters
    ----------
    rate : float
        Rate of the first steps.
    every : int
        Steps between two changes.
    factor : float

    Returns
    -------
    Schedule
        rate · factor^⌊step / every⌋

    Examples
    --------
    >>> [step(1.0, every=2, factor=0.5)(t) for t in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    rate, every, factor = _rate(rate, "rate"), _steps(every, "every"), _factor(factor)
    settings = {"rate": rate, "every": every, "factor": factor}
    return Schedule("step", settings, lambda t: rate * np.power(factor, np.floor(t / every)))


def exponential(rate: float, *, factor: float, every: int = 1) -> Schedule:
    """Decay the rate smoothly, by `factor` over each `every` steps.

    Parameters
    ----------
    rate : float
        Rate of the first step.
    factor : float
    every : int

    Returns
    -------
    Schedule
        rate · factor^(step / every)

    Examples
    --------
    >>> exponential(1.0, factor=0.25, every=2)(1)
    0.5
    """
    rate, every, factor = _rate(rate, "rate"), _steps(every, "every"), _factor(factor)
    settings = {"rate": rate, "factor": factor, "every": every}
    return Schedule("exponential", settings, lambda t: rate * np.power(factor, t / every))


def cosine(rate: float, *, steps: int, final: float = 0.0) -> Schedule:
    """Go from `rate` to `final` along half a cosine, then stay there.

    Parameters
    ----------
    rate : float
        Rate of the first step.
    steps : int
        Steps until `final` is reached.
    final : float

    Returns
    -------
    Schedule
        final + (rate − final) · ½(1 + cos(π · min(step, steps) / steps))

    References
    ----------
    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017, eq. 5,
    without the restarts.

    Examples
    --------
    >>> [round(cosine(1.0, steps=4)(t), 3) for t in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """
    rate, steps, final = _rate(rate, "rate"), _steps(steps, "steps"), _rate(final, "final")
    settings = {"rate": rate, "steps": steps, "final": final}
    return Schedule("cosine", settings, lambda t: _half_cosine(t / steps, rate, final))


def one_cycle(
    peak: float,
    *,
    steps: int,
    rising: float = 0.3,
    start_divisor: float = 25.0,
    final_divisor: float = 1e4,
) -> Schedule:
    """Rise from a small rate to `peak`, then fall to a far smaller one, both along half a cosine.

    Parameters
    ----------
    peak : float
        Highest rate, reached at step ``int(rising * steps)``.
    steps : int
        Length of the cycle; the last rate is kept afterwards.
    rising : float
        Part of the cycle spent rising, between 0 and 1.
    start_divisor : float
        The first rate is ``peak / start_divisor``.
    final_divisor : float
        The last rate is the first one divided by this.

    Returns
    -------
    Schedule

    References
    ----------
    Smith and Topin, "Super-convergence: very fast training of neural networks using large
    learning rates", 2018; the cosine in place of straight lines follows common practice.

    Examples
    --------
    >>> schedule = one_cycle(1.0, steps=10, rising=0.5)
    >>> [round(schedule(t), 3) for t in (0, 5, 10)]
    [0.04, 1.0, 0.0]
    """
    peak, steps = _rate(peak, "peak"), _steps(steps, "steps")
    rising = number(rising, "rising", positive=True, below=1, example=0.3)
    start_divisor = number(start_divisor, "start_divisor", positive=True, example=25)
    final_divisor = number(final_divisor, "final_divisor", positive=True, example=1e4)
    top = int(rising * steps)
    if top == 0:  # it cannot reach the last step, as rising is below 1
        raise InputError(
            f"one_cycle(rising={rising!r}, steps={steps}) has no step to rise",
            fix=f"at least {math.ceil(1 / rising)} steps, or a larger part of them to rise",
        )
    start = peak / start_divisor
    final = start / final_divisor
    settings = {
        "peak": peak,
        "steps": steps,
        "rising": rising,
        "start_divisor": start_divisor,
        "final_divisor": final_divisor,
    }

    def formula(t: Any) -> Any:
        rise = _half_cosine(t / top, start, peak)
        fall = _half_cosine((t - top) / (steps - top), peak, final)
        return np.where(t < top, rise, fall)

    return Schedule("one_cycle", settings, formula)


def warm_up(then: float | Schedule, *, steps: int, start: float = 0.0) -> Schedule:
    """Raise the rate in a straight line for some steps, then follow another schedule.

    Parameters
    ----------
    then : float or Schedule
        What comes after; it sees its own steps counted from 0.
    steps : int
        Length of the warm-up.
    start : float
        Rate of the first step.

    Returns
    -------
    Schedule

    Examples
    --------
    >>> schedule = warm_up(cosine(1.0, steps=4), steps=2)
    >>> [round(schedule(t), 3) for t in range(5)]
    [0.0, 0.5, 1.0, 0.854, 0.5]
    """
    if not isinstance(then, Schedule):
        then = constant(number(then, "then", low=0, also="a Schedule", example=1e-3))
    after, steps, start = then, _steps(steps, "steps"), _rate(start, "start")
    top = after(0)

    def formula(t: Any) -> Any:
        line = start + (top - start) * (t / steps)
        return np.where(t < steps, line, after(np.maximum(t - steps, 0)))

    return Schedule("warm_up", {"then": after, "steps": steps, "start": start}, formula)


def _rate(value: Any, name: str) -> float:
    return number(value, name, low=0, example=1e-3)


def _steps(value: Any, name: str) -> int:
    return whole(value, name, low=1, example=1000)


def _factor(value: Any) -> float:
    return number(value, "factor", low=0, example=0.5)


def _half_cosine(part: Any, first: float, last: float) -> Any:
    """Return the point `part` of the way (kept within 0 and 1) from `first` to `last`."""
    part = np.clip(part, 0.0, 1.0)
    return last + (first - last) * (0.5 * (1.0 + np.cos(np.pi * part)))
