"""Building optimisers and schedules back from what they say of themselves."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from backlit.core.errors import InputError
from backlit.core.settings import choice, shown
from backlit.optim import schedules
from backlit.optim.adaptive import adagrad, adam, adamw, rmsprop
from backlit.optim.descent import momentum, nesterov, sgd
from backlit.optim.optimizer import Optimizer, chain
from backlit.optim.transformations import (
    clip_by_global_norm,
    clip_by_value,
    decoupled_weight_decay,
    weight_decay,
)

RULES: dict[str, Callable[..., Optimizer]] = {
    "sgd": sgd,
    "momentum": momentum,
    "nesterov": nesterov,
    "adagrad": adagrad,
    "rmsprop": rmsprop,
    "adam": adam,
    "adamw": adamw,
    "clip_by_value": clip_by_value,
    "clip_by_global_norm": clip_by_global_norm,
    "weight_decay": weight_decay,
    "decoupled_weight_decay": decoupled_weight_decay,
}
"""Optimisers and what can be chained with them, by name."""

SCHEDULES: dict[str, Callable[..., schedules.Schedule]] = {
    "constant": schedules.constant,
    "step": schedules.step,
    "exponential": schedules.exponential,
    "cosine": schedules.cosine,
    "one_cycle": schedules.one_cycle,
    "warm_up": schedules.warm_up,
}
"""Learning-rate schedules by name."""


def from_description(description: Mapping[str, Any]) -> Optimizer:
    """Build the optimiser that `Optimizer.describe` described.

    Parameters
    ----------
    description : mapping
        ``"name"`` and settings; settings left out take their defaults.

    Returns
    -------
    Optimizer

    Raises
    ------
    InputError
        If the name or a setting is unknown; the message lists the names.

    Examples
    --------
    >>> from_description({"name": "adam", "rate": 0.01})
    adam(rate=0.01, beta1=0.9, beta2=0.999, eps=1e-08)
    """
    if isinstance(description, Mapping) and description.get("name") == "chain":
        return chain(*[from_description(part) for part in description.get("parts", ())])
    built: Optimizer = _build(RULES, "optimiser", description)
    return built


def schedule_from_description(description: Mapping[str, Any]) -> schedules.Schedule:
    """Build the schedule that `Schedule.describe` described.

    Parameters
    ----------
    description : mapping
        ``"name"`` and settings.

    Returns
    -------
    Schedule

    Raises
    ------
    InputError
        If the name or a setting is unknown.

    Examples
    --------
    >>> schedule_from_description({"name": "cosine", "rate": 0.1, "steps": 100})(50)
    0.05
    """
    built: schedules.Schedule = _build(SCHEDULES, "schedule", description)
    return built


def _build(known: dict[str, Callable[..., Any]], kind: str, description: Mapping[str, Any]) -> Any:
    if not isinstance(description, Mapping):
        raise InputError(
            f"the description of the {kind} is {shown(description)}; it must be a mapping",
            fix='{"name": …} and settings, as describe() returns them',
        )
    name = description.get("name")
    if name == "callable":
        raise InputError(
            f"a {kind} was the function {description.get('function')!r}, which a description "
            "cannot carry",
            fix="pass the function itself again",
        )
    rule = known[choice(name, known, f"the name of the {kind}")]
    settings = {
        key: schedule_from_description(value) if isinstance(value, Mapping) else value
        for key, value in description.items()
        if key != "name"
    }
    try:
        inspect.signature(rule).bind(**settings)
    except TypeError as error:
        raise InputError(
            f"the settings of the {kind} {name!r} do not fit: {error}",
            fix=f"it takes {', '.join(inspect.signature(rule).parameters)}",
        ) from None
    return rule(**settings)
