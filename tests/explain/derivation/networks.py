"""Functions whose gradients are derived by hand in the textbooks."""

from __future__ import annotations

from typing import Any

import numpy as onp

import backlit.numpy as np
from backlit import nn

RNG = onp.random.default_rng(7)


def drawn(*shapes: tuple[int, ...]) -> list[Any]:
    return [RNG.normal(size=shape) for shape in shapes]


def neuron(w: Any, b: Any, x: Any, y: Any) -> Any:
    z = w * x + b
    a = np.sigmoid(z)
    L = -(y * np.log(a) + (1 - y) * np.log(1 - a))
    return L


def two_layers(W1: Any, b1: Any, W2: Any, b2: Any, X: Any, Y: Any) -> Any:
    Z1 = W1 @ X + b1
    A1 = np.tanh(Z1)
    Z2 = W2 @ A1 + b2
    A2 = np.sigmoid(Z2)
    J = -np.mean(Y * np.log(A2) + (1 - Y) * np.log(1 - A2))
    return J


def two_layer_arguments() -> list[Any]:
    labels = (RNG.uniform(size=(1, 5)) > 0.5) * 1.0
    return [*drawn((3, 2), (3, 1), (1, 3), (1, 1), (2, 5)), labels]


def squares(W1: Any, W2: Any, X: Any, Y: Any) -> Any:
    Z1 = X @ W1
    A1 = np.sigmoid(Z1)
    P = A1 @ W2
    L = 0.5 * np.sum((P - Y) ** 2)
    return L


def softmax_regression(W: Any, X: Any, Y: Any) -> Any:
    Z = X @ W
    P = np.softmax(Z, axis=1)
    J = -np.mean(np.sum(Y * np.log(P), axis=1))
    return J


def attention(Q: Any, K: Any, V: Any, T: Any) -> Any:
    S = Q @ K.T
    A = np.softmax(S, axis=-1)
    U = A @ V
    L = np.sum((U - T) ** 2)
    return L


def batch_norm(x: Any, gamma: Any, beta: Any, t: Any) -> Any:
    mu = np.mean(x, axis=0)
    v = np.mean((x - mu) ** 2, axis=0)
    s = np.sqrt(v + 1e-5)
    n = (x - mu) / s
    y = gamma * n + beta
    L = np.sum((y - t) ** 2)
    return L


def recurrent(W: Any, U: Any, b: Any, x: Any, y: Any) -> Any:
    h = np.zeros(3)
    for k in range(2):
        h = np.tanh(W @ h + U @ x[k] + b)
    L = 0.5 * np.sum((h - y) ** 2)
    return L


def quadratic(x: Any, A: Any, b: Any) -> Any:
    q = x @ A @ x
    return 0.5 * q - b @ x


def divergence(mu: Any, s: Any) -> Any:
    return -0.5 * np.sum(1 + s - mu**2 - np.exp(s))


def classifier(model: Any, X: Any, Y: Any) -> Any:
    return nn.losses.cross_entropy(model(X), Y)


def detector(model: Any, X: Any, Y: Any) -> Any:
    return nn.losses.binary_cross_entropy(model(X), Y)


def unnamed(W: Any, b: Any, X: Any, y: Any) -> Any:
    return np.mean((np.tanh(X @ W + b) - y) ** 2)


def branched(x: Any) -> Any:
    if x > 0:
        y = x * x
    else:
        y = -x
    return y


def guarded(x: Any) -> Any:
    y = np.where(x > 0, np.sqrt(x), 0.0)
    return np.sum(y)
