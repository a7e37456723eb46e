"""Optimisers as pure functions that compose, and learning-rate schedules."""

from backlit.optim import schedules
from backlit.optim.adaptive import adagrad, adam, adamw, rmsprop
from backlit.optim.catalogue import from_description
from backlit.optim.descent import momentum, nesterov, sgd
from backlit.optim.optimizer import Optimizer, apply, chain
from backlit.optim.schedules import Schedule
from backlit.optim.transformations import (
    clip_by_global_norm,
    clip_by_value,
    decoupled_weight_decay,
    global_norm,
    weight_decay,
)

__all__ = [
    "Optimizer",
    "Schedule",
    "adagrad",
    "adam",
    "adamw",
    "apply",
    "chain",
    "clip_by_global_norm",
    "clip_by_value",
    "decoupled_weight_decay",
    "from_description",
    "global_norm",
    "momentum",
    "nesterov",
    "rmsprop",
    "schedules",
    "sgd",
    "weight_decay",
]
