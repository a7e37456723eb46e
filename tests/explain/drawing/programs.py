"""Functions to draw: gates, a diamond, a neuron, networks, a long program."""

from __future__ import annotations

from typing import Any

import numpy as onp

import backlit as bl
import backlit.numpy as np
from backlit import nn

Program = tuple[Any, tuple[Any, ...]]


def multiply(x, y):  # type: ignore[no-untyped-def]
    z = x * y
    return z


def diamond(x):  # type: ignore[no-untyped-def]
    a = np.sin(x)
    b = np.exp(x)
    L = a * b
    return L


def neuron(w, x, b, y):  # type: ignore[no-untyped-def]
    z = w * x + b
    a = np.sigmoid(z)
    L = -(y * np.log(a) + (1 - y) * np.log(1 - a))
    return L


def squares(W1, W2, b, x, y):  # type: ignore[no-untyped-def]
    h = np.sigmoid(W1 @ x + b[0])
    o = np.sigmoid(W2 @ h + b[1])
    E = 0.5 * np.sum((o - y) ** 2)
    return E


def cross_entropy(model, X, Y):  # type: ignore[no-untyped-def]
    P = model(X)
    L = nn.cross_entropy(P, Y)
    return L


def branches(x, k):  # type: ignore[no-untyped-def]
    if x < 3.0:  # a sign that markup has a meaning for
        y = x * 2.0
    else:
        y = x
    z = np.where(y > 1.0, y**3, np.abs(y)) + bl.stop_gradient(y)
    return z * k


def chained(x, w):  # type: ignore[no-untyped-def]
    for _ in range(10_000):
        z = x * w
        a = np.sin(z)
        x = a + x
    return np.sum(x)


def network(*sizes: int) -> Program:
    r = onp.random.default_rng(0)
    X = r.normal(size=(5, sizes[0])).astype("float32")
    Y = r.integers(0, sizes[-1], 5)
    return cross_entropy, (nn.MLP(list(sizes), seed=0), X, Y)


def two_two_two() -> Program:
    W1, W2 = onp.array([[0.15, 0.20], [0.25, 0.30]]), onp.array([[0.40, 0.45], [0.50, 0.55]])
    b, x, y = onp.array([0.35, 0.60]), onp.array([0.05, 0.10]), onp.array([0.01, 0.99])
    return squares, (W1, W2, b, x, y)


def tangled(count: int = 22) -> Program:
    """Return a program whose values are used here and there."""
    r = onp.random.default_rng(3)
    sources = [(int(r.integers(max(0, k - 6), k)), int(r.integers(0, k))) for k in range(2, count)]

    def f(a: Any, b: Any) -> Any:
        made = [a, b]
        for k, (i, j) in enumerate(sources):
            made.append(made[i] * made[j] if k % 3 else np.sin(made[i] + made[j]))
        return made[-1] * made[-2] + made[-3] * made[-4]

    return f, (0.3, -0.7)


SMALL: dict[str, Program] = {
    "gate": (multiply, (3.0, -4.0)),
    "diamond": (diamond, (0.5,)),
    "neuron": (neuron, (0.5, 2.0, 0.1, 1.0)),
    "squares": two_two_two(),
    "network": network(4, 8, 8, 8, 3),
    "branches": (branches, (0.4, 2)),
    "tangled": tangled(),
}
