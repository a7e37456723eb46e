"""Neural networks: layers that are frozen dataclasses and trees, activations, losses."""

from backlit.nn import initializers, losses
from backlit.nn.activations import (
    ACTIVATIONS,
    activation_function,
    elu,
    gelu,
    identity,
    leaky_relu,
    log_softmax,
    relu,
    selu,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)
from backlit.nn.dense import Dense
from backlit.nn.losses import (
    LOSSES,
    absolute_error,
    binary_cross_entropy,
    cross_entropy,
    half_squared_error,
    hinge,
    huber,
    loss_function,
    multiclass_hinge,
    squared_error,
)
from backlit.nn.mlp import MLP
from backlit.nn.module import FrozenModuleError, Module, ModuleError, count_parameters, static
from backlit.nn.sequential import Activate, Dropout, Sequential

__all__ = [
    "ACTIVATIONS",
    "LOSSES",
    "MLP",
    "Activate",
    "Dense",
    "Dropout",
    "FrozenModuleError",
    "Module",
    "ModuleError",
    "Sequential",
    "absolute_error",
    "activation_function",
    "binary_cross_entropy",
    "count_parameters",
    "cross_entropy",
    "elu",
    "gelu",
    "half_squared_error",
    "hinge",
    "huber",
    "identity",
    "initializers",
    "leaky_relu",
    "log_softmax",
    "loss_function",
    "losses",
    "multiclass_hinge",
    "relu",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "squared_error",
    "static",
    "tanh",
]
