"""The forward passes of networks.md, by hand in NumPy."""

from __future__ import annotations

import numpy as np

from tests.explain.equation.corpus.forward import (
    Run,
    network,
    number,
    one_hot,
    positive,
    relu,
    sigmoid,
    softmax,
    unit,
)


@network("Two units in a row", x=(), y=(), w1=(), b1=(), w2=(), b2=())
def _(v: Run) -> None:
    v.z1 = v.w1 * v.x + v.b1
    v.h = np.tanh(v.z1)
    v.z2 = v.w2 * v.h + v.b2
    v.o = sigmoid(v.z2)
    v.L = (v.o - v.y) ** 2 / 2


def _log_loss(y: np.ndarray, a: np.ndarray) -> np.ndarray:
    return -np.sum(y * np.log(a) + (1 - y) * np.log(1 - a))


@network(
    "Two layers on columns",
    X=(3, 5),
    W1=(4, 3),
    b1=(4, 1),
    W2=(2, 4),
    b2=(2, 1),
    Y=unit(2, 5),
    m=number(5),
    per_example="X Z1 A1 Z2 A2",
)
def _(v: Run) -> None:
    v.Z1 = v.W1 @ v.X + v.b1
    v.A1 = np.tanh(v.Z1)
    v.Z2 = v.W2 @ v.A1 + v.b2
    v.A2 = sigmoid(v.Z2)
    v.J = _log_loss(v.Y, v.A2) / 5


@network(
    "Two layers with the average in front",
    X=(3, 5),
    W1=(4, 3),
    b1=(4, 1),
    W2=(2, 4),
    b2=(2, 1),
    Y=unit(2, 5),
    m=number(5),
    averaged="X Z1 A1 Z2 A2",
)
def _(v: Run) -> None:
    v.Z1 = v.W1 @ v.X + v.b1
    v.A1 = sigmoid(v.Z1)
    v.Z2 = v.W2 @ v.A1 + v.b2
    v.A2 = sigmoid(v.Z2)
    v.cost = _log_loss(v.Y, v.A2) / 5


@network(
    "Two layers on rows",
    X=(5, 3),
    W1=(3, 4),
    b1=4,
    W2=(4, 2),
    b2=2,
    Y=one_hot(5, 2, axis=1),
    n=number(5),
    reg=positive(),
    averaged="X hidden relud scores probs",
    count="n",
)
def _(v: Run) -> None:
    v.hidden = v.X @ v.W1 + v.b1
    v.relud = relu(v.hidden)
    v.scores = v.relud @ v.W2 + v.b2
    v.probs = softmax(v.scores, axis=1)
    decay = v.reg / 2 * (np.sum(v.W1**2) + np.sum(v.W2**2))
    v.loss = -np.sum(v.Y * np.log(v.probs)) / 5 + decay


@network("Error signals of one example", x=3, W1=(4, 3), b1=4, W2=(2, 4), b2=2, y=unit(2))
def _(v: Run) -> None:
    v.z1 = v.W1 @ v.x + v.b1
    v.a1 = sigmoid(v.z1)
    v.z2 = v.W2 @ v.a1 + v.b2
    v.a2 = sigmoid(v.z2)
    v.C = np.sum((v.a2 - v.y) ** 2) / 2
    v.delta2 = (v.a2 - v.y) * v.a2 * (1 - v.a2)
    v.delta1 = (v.delta2 @ v.W2) * v.a1 * (1 - v.a1)


@network(
    "Two layers by components",
    x=3,
    w=(3, 4),
    b=4,
    v=(4, 2),
    t=2,
    ranges={"i": 3, "j": 4, "k": 2},
)
def _(run: Run) -> None:
    run.z = run.x @ run.w + run.b
    run.h = np.tanh(run.z)
    run.o = run.h @ run.v
    run.E = np.sum((run.o - run.t) ** 2) / 2


@network(
    "Any number of layers",
    a0=3,
    W1=(4, 3),
    b1=4,
    W2=(3, 4),
    b2=3,
    W3=(2, 3),
    b3=2,
    t=2,
    L=number(3),
    ranges={"l": 3},
)
def _(v: Run) -> None:
    for k in (1, 2, 3):
        v[f"z{k}"] = v[f"W{k}"] @ v[f"a{k - 1}"] + v[f"b{k}"]
        v[f"a{k}"] = sigmoid(v[f"z{k}"])
    v.E = np.sum((v.a3 - v.t) ** 2) / 2


@network(
    "Any number of layers on columns",
    X=(3, 5),
    W1=(4, 3),
    b1=(4, 1),
    W2=(3, 4),
    b2=(3, 1),
    W3=(2, 3),
    b3=(2, 1),
    Y=(2, 5),
    L=number(3),
    m=number(5),
    ranges={"l": 3},
    functions={"g1": lambda v, z: np.sin(z), "g2": lambda v, z: np.tanh(z), "g3": lambda v, z: z},
    per_example="A0 Z1 A1 Z2 A2 Z3 A3",
)
def _(v: Run) -> None:
    v.A0 = v.X
    for k, g in ((1, np.sin), (2, np.tanh), (3, np.positive)):
        v[f"Z{k}"] = v[f"W{k}"] @ v[f"A{k - 1}"] + v[f"b{k}"]
        v[f"A{k}"] = g(v[f"Z{k}"])
    v.J = np.sum((v.A3 - v.Y) ** 2) / 10


@network("Three layers of leaky units", x=3, W1=(4, 3), W2=(5, 4), W3=(2, 5), t=2)
def _(v: Run) -> None:
    v.z1 = v.W1 @ v.x
    v.a1 = relu(v.z1) - 0.1 * relu(-v.z1)
    v.z2 = v.W2 @ v.a1
    v.a2 = relu(v.z2) - 0.1 * relu(-v.z2)
    v.s = v.W3 @ v.a2
    v.L = np.sum((v.s - v.t) ** 2) / 2


@network("Smooth rectifiers", w=(), x=(), b=())
def _(v: Run) -> None:
    v.z = v.w * v.x + v.b
    v.s = np.log(1 + np.exp(v.z))
    v.o = v.s / (1 + np.exp(-v.s))


@network("A residual block", x=3, W1=(4, 3), W2=(3, 4), t=3)
def _(v: Run) -> None:
    v.u = v.W1 @ v.x
    v.h = np.tanh(v.u)
    v.o = v.x + v.W2 @ v.h
    v.L = np.sum((v.o - v.t) ** 2) / 2


@network("An autoencoder with tied weights", x=4, W=(3, 4), b=3, c=4)
def _(v: Run) -> None:
    v.a = v.W @ v.x + v.b
    v.h = sigmoid(v.a)
    v.r = v.h @ v.W + v.c
    v.L = np.sum((v.r - v.x) ** 2) / 2


@network("A deep linear network", x=3, W1=(4, 3), W2=(5, 4), W3=(2, 5), t=2)
def _(v: Run) -> None:
    v.y = v.W3 @ (v.W2 @ (v.W1 @ v.x))
    v.L = np.sum((v.y - v.t) ** 2) / 2


@network("A highway layer", x=4, g=4, u=4, c=4)
def _(v: Run) -> None:
    v.h = np.tanh(v.u)
    v.s = sigmoid(v.g)
    v.y = v.s * v.h + (1 - v.s) * v.x
    v.L = np.sum(v.y * v.c)


@network("Dropout", x=3, W=(4, 3), v=4, mask=4, keep=positive(), t=())
def _(run: Run) -> None:
    run.z = run.W @ run.x
    run.a = np.tanh(run.z)
    run.out = run.a * run.mask / run.keep
    run.L = (np.sum(run.v * run.out) - run.t) ** 2


@network(
    "Weight decay",
    X=(3, 5),
    W1=(4, 3),
    W2=(2, 4),
    Y=(2, 5),
    m=number(5),
    per_example="X Z1 A1 Z2",
    **{"lambda": positive()},
)
def _(v: Run) -> None:
    v.Z1 = v.W1 @ v.X
    v.A1 = np.tanh(v.Z1)
    v.Z2 = v.W2 @ v.A1
    decay = v["lambda"] / 10 * (np.sum(v.W1**2) + np.sum(v.W2**2))
    v.J = np.sum((v.Z2 - v.Y) ** 2) / 10 + decay


@network(
    "Two inputs, two hidden units, two outputs",
    **dict.fromkeys("i1 i2 w1 w2 w3 w4 w5 w6 w7 w8 b1 b2 t1 t2".split(), ()),
)
def _(v: Run) -> None:
    v.h1 = sigmoid(v.w1 * v.i1 + v.w2 * v.i2 + v.b1)
    v.h2 = sigmoid(v.w3 * v.i1 + v.w4 * v.i2 + v.b1)
    v.o1 = sigmoid(v.w5 * v.h1 + v.w6 * v.h2 + v.b2)
    v.o2 = sigmoid(v.w7 * v.h1 + v.w8 * v.h2 + v.b2)
    v.L = (v.o1 - v.t1) ** 2 / 2 + (v.o2 - v.t2) ** 2 / 2


@network("A connection that skips a layer", x=(), y=(), w1=(), w2=(), w3=())
def _(v: Run) -> None:
    v.h = np.tanh(v.w1 * v.x)
    v.o = v.w2 * v.h + v.w3 * v.x
    v.L = (v.o - v.y) ** 2


@network("One weight in two layers", w=(), x=(), y=())
def _(v: Run) -> None:
    v.h = np.tanh(v.w * v.x)
    v.o = np.tanh(v.w * v.h)
    v.L = (v.o - v.y) ** 2 / 2


@network("The larger of two units", w1=(), w2=(), x=(), y=())
def _(v: Run) -> None:
    v.p = v.w1 * v.x
    v.q = v.w2 * v.x
    v.h = max(v.p, v.q)
    v.L = (v.h - v.y) ** 2


@network("Two tasks with one trunk", **dict.fromkeys("w x u v y r lambda".split(), ()))
def _(run: Run) -> None:
    run.h = sigmoid(run.w * run.x)
    run.p = run.u * run.h
    run.q = run.v * run.h
    run.L1 = (run.p - run.y) ** 2
    run.L2 = (run.q - run.r) ** 2
    run.L = run.L1 + run["lambda"] * run.L2


@network("A convolution in one dimension", x=6, w=3, t=4, ranges={"i": 4, "k": 3})
def _(v: Run) -> None:
    v.y = np.convolve(v.x, v.w[::-1], "valid")
    v.L = np.sum((v.y - v.t) ** 2) / 2
