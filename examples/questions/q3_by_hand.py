"""A backward pass written by hand, with the classic slip: a slope taken at the activation.

Run ``backlit check examples/questions/q3_by_hand.py:forward,backward``.
"""

from __future__ import annotations

from typing import Any

import numpy as onp

import backlit.numpy as np

Array = Any  # an ndarray outside a transformation, a tracer inside one

_rng = onp.random.default_rng(0)
args = tuple([_rng.normal(size=shape) for shape in [(4, 3), (2, 4), (3,), (2,)]])


def forward(W1: Array, W2: Array, x: Array, y: Array) -> Array:
    """Return the loss of two sigmoid layers."""
    z1 = W1 @ x
    a1 = np.sigmoid(z1)
    z2 = W2 @ a1
    a2 = np.sigmoid(z2)
    L = 0.5 * np.sum((a2 - y) ** 2)
    return L


def backward(W1: Array, W2: Array, x: Array, y: Array) -> tuple[Array, Array]:
    """Return ∂L/∂W1, which is wrong, and ∂L/∂W2."""
    z1 = W1 @ x
    a1 = np.sigmoid(z1)
    z2 = W2 @ a1
    a2 = np.sigmoid(z2)
    dz2 = (a2 - y) * a2 * (1 - a2)
    dW2 = np.outer(dz2, a1)
    dz1 = W2.T @ dz2 * np.sigmoid(a1) * (1 - np.sigmoid(a1))
    dW1 = np.outer(dz1, x)
    return dW1, dW2
