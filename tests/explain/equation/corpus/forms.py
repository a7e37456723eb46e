"""The forward passes of forms.md, by hand in NumPy."""

from __future__ import annotations

import numpy as np

from tests.explain.equation.corpus.forward import Array, Run, network, number, sigmoid, unit


def _log_loss(y: Array, a: Array) -> Array:
    return -np.sum(y * np.log(a) + (1 - y) * np.log(1 - a))


_LAYERS = {"X": (3, 5), "W1": (4, 3), "b1": (4, 1), "W2": (2, 4), "b2": (2, 1), "Y": unit(2, 5)}
_COLUMNS = {**_LAYERS, "m": number(5), "per_example": "X Z1 A1 Z2 A2"}


@network("A Python function", **_COLUMNS)
def _(v: Run) -> None:
    v.Z1 = v.W1 @ v.X + v.b1
    v.A1 = np.tanh(v.Z1)
    v.Z2 = v.W2 @ v.A1 + v.b2
    v.A2 = sigmoid(v.Z2)
    v.cost = _log_loss(v.Y, v.A2) / 5


@network("An aligned block", x=3, w=3, b=(), y=unit())
def _(v: Run) -> None:
    v.z = np.sum(v.w * v.x) + v.b
    v.a = sigmoid(v.z)
    v.L = _log_loss(v.y, v.a)


@network("Bullets and prose", **dict.fromkeys("x y w1 b1 w2 b2".split(), ()))
def _(v: Run) -> None:
    v.z1 = v.w1 * v.x + v.b1
    v.h = np.tanh(v.z1)
    v.o = v.w2 * v.h + v.b2
    v.L = (v.o - v.y) ** 2 / 2


@network("Layers as plain superscripts", **_COLUMNS)
def _(v: Run) -> None:
    v.Z1 = v.W1 @ v.X + v.b1
    v.A1 = sigmoid(v.Z1)
    v.Z2 = v.W2 @ v.A1 + v.b2
    v.A2 = sigmoid(v.Z2)
    v.J = np.sum((v.A2 - v.Y) ** 2) / 10


@network("Layers in round brackets", x=3, W1=(4, 3), b1=4, W2=(2, 4), b2=2, y=2)
def _(v: Run) -> None:
    v.z1 = v.W1 @ v.x + v.b1
    v.a1 = np.tanh(v.z1)
    v.z2 = v.W2 @ v.a1 + v.b2
    v.yhat = v.z2
    v.ell = np.sum((v.yhat - v.y) ** 2) / 2


@network("A chain on every line", **dict.fromkeys("w x b y".split(), ()))
def _(v: Run) -> None:
    v.z = v.w * v.x + v.b
    v.a = sigmoid(v.z)
    v.L = (v.a - v.y) ** 2


@network(
    "Every notation at once",
    X=(3, 5),
    W=(2, 3),
    b=(2, 1),
    Y=unit(2, 5),
    m=number(5),
    per_example="X Z A",
)
def _(v: Run) -> None:
    v.Z = v.W @ v.X + v.b
    v.A = sigmoid(v.Z)
    v.J = _log_loss(v.Y, v.A) / 5
