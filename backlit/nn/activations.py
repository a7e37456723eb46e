"""Activation functions, by name and by function.

Most are the engine's own operations under another address, so that an explanation names the line
of the layer that applies them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import backlit.numpy as np
from backlit.core.settings import choice
from backlit.numpy import log_softmax, relu, sigmoid, softmax, softplus, tanh

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "activation_function",
    "activation_name",
    "elu",
    "gelu",
    "identity",
    "leaky_relu",
    "log_softmax",
    "relu",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]

Activation = str | Callable[[Any], Any]


def identity(z: Any) -> Any:
    """Return the input.

    Parameters
    ----------
    z : array of any shape

    Returns
    -------
    array
        `z` itself.

    Examples
    --------
    >>> identity(2.0)
    2.0
    """
    return z


def leaky_relu(z: Any, slope: float = 0.01) -> Any:
    """Return z where it is positive, slope · z elsewhere.

    Parameters
    ----------
    z : array of any shape
    slope : float
        Derivative on the negative side, and at 0.

    Returns
    -------
    array
        Shape and dtype of `z`.

    References
    ----------
    Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models", 2013.

    Examples
    --------
    >>> float(leaky_relu(-2.0, slope=0.5))
    -1.0
    """
    A = np.where(z > 0, z, slope * z)
    return A


def elu(z: Any, alpha: float = 1.0) -> Any:
    """Return z where it is positive, α(eᶻ − 1) elsewhere.

    Parameters
    ----------
    z : array of any shape
    alpha : float
        Minus the limit on the negative side.

    Returns
    -------
    array
        Shape and dtype of `z`.

    References
    ----------
    Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by exponential
    linear units (ELUs)", 2016, eq. 15.

    Examples
    --------
    >>> float(elu(3.0))
    3.0
    """
    above = z > 0
    # The inner choice keeps the exponential of large z, which nobody asked for, finite.
    A = np.where(above, z, alpha * np.expm1(np.where(above, 0.0, z)))
    return A


def selu(z: Any) -> Any:
    """Return λz where z is positive, λα(eᶻ − 1) elsewhere, with the self-normalising λ and α.

    Parameters
    ----------
    z : array of any shape

    Returns
    -------
    array
        Shape and dtype of `z`.

    References
    ----------
    Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks", 2017, eq. 2.

    Examples
    --------
    >>> round(float(selu(1.0)), 4)
    1.0507
    """
    A = 1.0507009873554805 * elu(z, 1.6732632423543772)
    return A


def gelu(z: Any) -> Any:
    """Return z · Φ(z), Φ being the standard normal distribution function.

    Parameters
    ----------
    z : array of any shape

    Returns
    -------
    array
        Shape and dtype of `z`.

    References
    ----------
    Hendrycks and Gimpel, "Gaussian error linear units (GELUs)", 2016; the exact form with erf.

    Examples
    --------
    >>> round(float(gelu(1.0)), 4)
    0.8413
    """
    A = z * (0.5 + 0.5 * np.erf(z * 0.7071067811865476))
    return A


def silu(z: Any) -> Any:
    """Return z · σ(z), also called swish.

    Parameters
    ----------
    z : array of any shape

    Returns
    -------
    array
        Shape and dtype of `z`.

    References
    ----------
    Elfwing, Uchibe and Doya, "Sigmoid-weighted linear units for neural network function
    approximation in reinforcement learning", 2018.

    Examples
    --------
    >>> round(float(silu(1.0)), 4)
    0.7311
    """
    A = z * np.sigmoid(z)
    return A


ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "identity": identity,
    "relu": relu,
    "leaky_relu": leaky_relu,
    "elu": elu,
    "selu": selu,
    "gelu": gelu,
    "silu": silu,
    "softplus": softplus,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "softmax": softmax,
    "log_softmax": log_softmax,
}
"""Every activation by its name."""


def activation_function(activation: Activation) -> Callable[[Any], Any]:
    """Return an activation function given its name, or the function itself.

    Parameters
    ----------
    activation : str or callable

    Returns
    -------
    callable

    Raises
    ------
    InputError
        If there is none of that name; the message lists them.

    Examples
    --------
    >>> float(activation_function("elu")(2.0))
    2.0
    """
    if callable(activation):
        return activation
    return ACTIVATIONS[
        choice(activation, ACTIVATIONS, "activation", also="a function of one array")
    ]


def activation_name(activation: Activation | None) -> Activation:
    """Return what a layer stores: the name of a known activation, or else the function.

    Names survive in model files and explanations.

    Parameters
    ----------
    activation : str, callable or None
        None is the identity.

    Returns
    -------
    str or callable

    Raises
    ------
    InputError
        If there is none of that name.

    Examples
    --------
    >>> activation_name(elu), activation_name(None)
    ('elu', 'identity')
    """
    if activation is None:
        return "identity"
    function = activation_function(activation)
    for name, known in ACTIVATIONS.items():
        if known is function:
            return name
    return function
