"""The fully connected layer."""

from __future__ import annotations

from typing import Any

import numpy as onp

from backlit.core.errors import InputError, ShapeError
from backlit.core.settings import shown, whole
from backlit.nn.activations import ACTIVATIONS, Activation, activation_name
from backlit.nn.initializers import Initializer, Seed, initializer_for
from backlit.nn.module import Module, static


class Dense(Module):
    """A fully connected layer: A = g(x W + b).

    Parameters
    ----------
    n_in, n_out : int
        Number of inputs and of units.
    activation : str or callable, optional
        g; the identity if left out.
    seed : int or key
        Where the initial weights come from; biases start at 0.
    init : str or callable, optional
        Distribution of the initial weights, see `backlit.nn.initializers`; by default the one
        that suits the activation.
    dtype : dtype
        Floating-point type of `W` and `b`.

    Attributes
    ----------
    W : array of shape (n_in, n_out)
        ``W[i, j]`` leads from input i to unit j.
    b : array of shape (n_out,)
    activation : str or callable
        Name of the activation; the function itself if it has no name here.

    Raises
    ------
    InputError
        If an argument cannot be used.

    Examples
    --------
    >>> layer = Dense(3, 2, "relu", seed=0)
    >>> layer
    Dense(W=float32[3,2], b=float32[2], activation='relu')  # 8 parameters
    >>> layer(onp.ones((5, 3), "float32")).shape
    (5, 2)
    """

    W: Any
    b: Any
    activation: Activation = static("identity")

    def __init__(
        self,
        n_in: int,
        n_out: int,
        activation: Activation | None = None,
        *,
        seed: Seed,
        init: str | Initializer | None = None,
        dtype: Any = onp.float32,
    ) -> None:
        shape = (whole(n_in, "n_in", low=1, example=64), whole(n_out, "n_out", low=1, example=32))
        kind = float_type(dtype)
        self.activation = activation_name(activation)
        self.W = initializer_for(init, self.activation)(seed, shape, kind)
        if onp.shape(self.W) != shape:
            raise ShapeError(f"init gave weights of shape {onp.shape(self.W)}, not {shape}")
        self.b = onp.zeros(shape[1:], kind)

    def __post_init__(self) -> None:
        self.activation = activation_name(self.activation)  # dataclasses.replace takes any name

    def __call__(self, x: Any, *, key: Any = None) -> Any:
        """Return the activations of the layer.

        Parameters
        ----------
        x : array of shape (..., n_in)
        key : key, optional
            Not used.

        Returns
        -------
        array of shape (..., n_out)

        Raises
        ------
        ShapeError
            If the last axis of `x` is not n_in long.
        """
        W, b, activation = self.W, self.b, self.activation
        if not hasattr(x, "shape"):
            x = onp.asarray(x, W.dtype)
        if x.shape[-1:] != W.shape[:1]:
            n_in, n_out = W.shape
            raise ShapeError(
                f"Dense({n_in}, {n_out}) was given an array of shape {x.shape}",
                fix=f"its last axis must hold the layer's {n_in} inputs: (…, {n_in})",
            )
        Z = x @ W + b
        if activation == "identity":
            return Z
        g = ACTIVATIONS[activation] if isinstance(activation, str) else activation
        A = g(Z)
        return A


def float_type(dtype: Any) -> onp.dtype[Any]:
    """Return a floating-point dtype, or raise: weights of another kind cannot be trained."""
    try:
        kind: onp.dtype[Any] = onp.dtype(dtype)
    except TypeError as error:
        raise InputError(f"dtype is {shown(dtype)}; {error}", fix='dtype="float32"') from None
    if kind.kind != "f":
        raise InputError(
            f"dtype is {kind.name}; weights need a floating-point type", fix='dtype="float32"'
        )
    return kind
