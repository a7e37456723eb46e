"""The multilayer perceptron."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as onp

from backlit import random
from backlit.core.errors import InputError
from backlit.core.settings import shown, whole
from backlit.nn.activations import Activation, activation_name
from backlit.nn.dense import Dense
from backlit.nn.initializers import Initializer, Seed, as_key
from backlit.nn.module import Module


class MLP(Module):
    """Fully connected layers one after the other; the last one is linear and gives logits.

    Parameters
    ----------
    sizes : iterable of int
        Number of inputs, of units of each hidden layer, and of outputs: at least two numbers.
    activation : str or callable
        Of every layer but the last.
    seed : int or key
        Each layer gets a key of its own, split from this one.
    init : str or callable, optional
        As for `Dense`.
    dtype : dtype
        Floating-point type of the parameters.

    Attributes
    ----------
    layers : tuple of Dense

    Raises
    ------
    InputError
        If an argument cannot be used.

    Examples
    --------
    >>> model = MLP([64, 32, 10], seed=0)
    >>> model
    MLP(
      layers=(
        Dense(W=float32[64,32], b=float32[32], activation='relu'),
        Dense(W=float32[32,10], b=float32[10], activation='identity'),
      ),
    )  # 2,410 parameters
    >>> model(onp.zeros((7, 64), "float32")).shape
    (7, 10)
    """

    layers: tuple[Dense, ...]

    def __init__(
        self,
        sizes: Iterable[int],
        activation: Activation = "relu",
        *,
        seed: Seed,
        init: str | Initializer | None = None,
        dtype: Any = onp.float32,
    ) -> None:
        given = list(sizes) if isinstance(sizes, Iterable) and not isinstance(sizes, str) else []
        if len(given) < 2:
            raise InputError(
                f"sizes is {shown(sizes)}; it must list at least inputs and outputs",
                fix="MLP([64, 32, 10], seed=0)",
            )
        widths = [
            whole(size, f"sizes[{index}]", low=1, example=32) for index, size in enumerate(given)
        ]
        activation_name(activation)  # checked even where no layer is hidden
        count = len(widths) - 1
        keys = random.split(as_key(seed), count)
        self.layers = tuple(
            Dense(
                widths[index],
                widths[index + 1],
                activation if index < count - 1 else None,
                seed=onp.asarray(keys[index]),
                init=init,
                dtype=dtype,
            )
            for index in range(count)
        )

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of inputs, of units of each hidden layer, and of outputs."""
        return (self.layers[0].W.shape[0], *[layer.W.shape[1] for layer in self.layers])

    def __call__(self, x: Any, *, key: Any = None) -> Any:
        """Return the logits.

        Parameters
        ----------
        x : array of shape (..., n_in)
        key : key, optional
            Not used.

        Returns
        -------
        array of shape (..., n_out)
        """
        A = x
        for layer in self.layers:
            A = layer(A)
        return A
