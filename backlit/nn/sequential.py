"""Layers one after the other, and the small layers that only make sense among others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import backlit.numpy as np
from backlit import random
from backlit.core.errors import InputError
from backlit.core.settings import number, shown
from backlit.nn.activations import Activation, activation_function, activation_name
from backlit.nn.module import Module, static


class Activate(Module):
    """An activation function as a layer.

    Attributes
    ----------
    activation : str or callable
        A name of `backlit.nn.activations`, or a function of one array.

    Examples
    --------
    >>> float(Activate("relu")(-1.0))
    0.0
    """

    activation: Activation = static()

    def __post_init__(self) -> None:
        self.activation = activation_name(self.activation)

    def __call__(self, x: Any, *, key: Any = None) -> Any:
        """Return the activation of every element.

        Parameters
        ----------
        x : array of any shape
        key : key, optional
            Not used.

        Returns
        -------
        array
            Shape of `x`.
        """
        g = activation_function(self.activation)
        A = g(x)
        return A


class Dropout(Module):
    """Set a random part of the inputs to zero while training, and scale up the rest to make up.

    Attributes
    ----------
    rate : float
        Probability of a zero, in [0, 1).

    References
    ----------
    Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout: a simple way to prevent
    neural networks from overfitting", 2014; scaled while training instead of afterwards.

    Examples
    --------
    >>> import numpy as onp
    >>> layer = Dropout(0.5)
    >>> layer(onp.ones(3))  # no key: inference
    array([1., 1., 1.])
    >>> sorted(set(layer(onp.ones(100), key=random.key(0)).tolist()))
    [0.0, 2.0]
    """

    rate: float = static(0.5)

    def __post_init__(self) -> None:
        self.rate = number(self.rate, "rate", low=0, below=1, example=0.5)

    def __call__(self, x: Any, *, key: Any = None) -> Any:
        """Return the input with a random part set to zero, or the input itself without a key.

        Parameters
        ----------
        x : array of any shape
        key : key, optional
            A new one for every call, else the same elements are dropped.

        Returns
        -------
        array
            Shape and dtype of `x`.
        """
        if key is None or self.rate == 0.0:
            return x
        keep = 1.0 - self.rate
        kept = random.bernoulli(key, keep, x.shape)
        A = np.where(kept, x / keep, 0.0)
        return A


class Sequential(Module):
    """Layers applied one after the other.

    Parameters
    ----------
    *layers : Module, callable or str
        A function, or the name of an activation, becomes an `Activate` layer.

    Attributes
    ----------
    layers : tuple of Module

    Raises
    ------
    InputError
        If there is none, or one of them is not a layer.

    Examples
    --------
    >>> from backlit import nn
    >>> Sequential(nn.Dense(4, 3, "relu", seed=0), Dropout(0.1), nn.Dense(3, 1, seed=1))
    Sequential(
      layers=(
        Dense(W=float32[4,3], b=float32[3], activation='relu'),
        Dropout(rate=0.1),
        Dense(W=float32[3,1], b=float32[1], activation='identity'),
      ),
    )  # 19 parameters
    """

    layers: tuple[Any, ...]

    def __init__(self, *layers: Module | Callable[[Any], Any] | str) -> None:
        self.layers = layers
        self.__post_init__()

    def __post_init__(self) -> None:
        if not isinstance(self.layers, Iterable) or isinstance(self.layers, (str, Module)):
            raise InputError(
                f"layers is {shown(self.layers)}; it must be a tuple of layers",
                fix="layers=(Dense(…), Dense(…))",
            )
        layers = tuple(self.layers)
        if not layers:
            raise InputError("Sequential was given no layer", fix="Sequential(Dense(…), Dense(…))")
        for index, layer in enumerate(layers):
            if isinstance(layer, type):
                raise InputError(
                    f"layer {index} of Sequential is the class {layer.__name__} itself",
                    fix=f"make one: {layer.__name__}(…)",
                )
            if not callable(layer) and not isinstance(layer, str):
                raise InputError(
                    f"layer {index} of Sequential is {shown(layer)}, which is not a layer",
                    fix="pass the layers one by one: Sequential(*layers)",
                )
        self.layers = tuple(
            layer if isinstance(layer, Module) else Activate(layer) for layer in layers
        )

    def __call__(self, x: Any, *, key: Any = None) -> Any:
        """Return the output of the last layer.

        Parameters
        ----------
        x : array
            Input of the first layer.
        key : key, optional
            Each layer gets a key of its own, derived from this one.

        Returns
        -------
        array
        """
        A = x
        for index, layer in enumerate(self.layers):
            A = layer(A) if key is None else layer(A, key=random.fold_in(key, index))
        return A
