"""The forward passes of questions.md, by hand in NumPy."""

from __future__ import annotations

import numpy as np

from tests.explain.equation.corpus.forward import (
    Array,
    Given,
    Run,
    network,
    number,
    one_hot,
    sigmoid,
    softmax,
    unit,
)


def _fixed(value: float) -> Given:
    return Given(lambda rng: value)


@network("A logistic neuron asked about", w=3, x=3, b=(), y=unit(), n=number(3), ranges={"i": 3})
def _(v: Run) -> None:
    v.z = np.sum(v.w * v.x) + v.b
    v.a = sigmoid(v.z)
    v.L = -(v.y * np.log(v.a) + (1 - v.y) * np.log(1 - v.a))


@network(
    "Layers in a row",
    **dict.fromkeys("a0 w1 b1 w2 b2 w3 b3 y".split(), ()),
    n=number(3),
    ranges={"j": 3},
)
def _(v: Run) -> None:
    for j in (1, 2, 3):
        v[f"z{j}"] = v[f"w{j}"] * v[f"a{j - 1}"] + v[f"b{j}"]
        v[f"a{j}"] = sigmoid(v[f"z{j}"])
    v.L = (v.a3 - v.y) ** 2 / 2


@network("A unit that feeds two units", **dict.fromkeys("w x u v".split(), ()))
def _(run: Run) -> None:
    run.h = sigmoid(run.w * run.x)
    run.p = run.u * run.h
    run.q = run.v * run.h
    run.L = run.p**2 + np.sin(run.q)


def _gate(run: Run, x: Array, y: Array) -> Array:
    return np.sin(x) * y + x * y**2


@network("A gate", x=(), y=(), functions={"f": _gate, "g": lambda v, z: np.exp(z)})
def _(v: Run) -> None:
    v.z = np.sin(v.x) * v.y + v.x * v.y**2
    v.L = np.exp(v.z)


@network(
    "The chain rule",
    x=(),
    functions={
        "f": lambda v, x: np.sin(x) + x**2,
        "g": lambda v, x: np.exp(x),
        "A": lambda v, x: np.tanh(x),
        "B": lambda v, x: x**2 + x,
        "C": lambda v, x: np.cos(x) - x,
    },
)
def _(v: Run) -> None:
    pass  # the functions are all there is


@network("One bias in both layers", **dict.fromkeys("x w1 w2 b y".split(), ()))
def _(v: Run) -> None:
    v.h = sigmoid(v.x * v.w1 + v.b)
    v["y'"] = sigmoid(v.h * v.w2 + v.b)
    v.L = (v.y - v["y'"]) ** 2 / 2
    v.delta2 = (v["y'"] - v.y) * v["y'"] * (1 - v["y'"])


_NAMES = "i1 i2 w1 w2 w3 w4 w5 w6 w7 w8 b1 b2 t1 t2".split()
_NUMBERS = (0.05, 0.10, 0.15, 0.2, 0.25, 0.3, 0.4, 0.45, 0.5, 0.55, 0.35, 0.6, 0.01, 0.99)


@network("The middle layer of two by two by two", **dict.fromkeys(_NAMES, ()))
def _(v: Run) -> None:
    _two_by_two(v)
    v.L = (v.o1 - v.t1) ** 2 / 2 + (v.o2 - v.t2) ** 2 / 2


@network(
    "The published numbers of two by two by two",
    **{name: _fixed(value) for name, value in zip(_NAMES, _NUMBERS, strict=True)},
)
def _(v: Run) -> None:
    _two_by_two(v)
    v.L1 = (v.o1 - v.t1) ** 2 / 2
    v.L2 = (v.o2 - v.t2) ** 2 / 2
    v.L = v.L1 + v.L2


def _two_by_two(v: Run) -> None:
    v.h1 = sigmoid(v.w1 * v.i1 + v.w2 * v.i2 + v.b1)
    v.h2 = sigmoid(v.w3 * v.i1 + v.w4 * v.i2 + v.b1)
    v.o1 = sigmoid(v.w5 * v.h1 + v.w6 * v.h2 + v.b2)
    v.o2 = sigmoid(v.w7 * v.h1 + v.w8 * v.h2 + v.b2)


@network("Three functions in a row", x=())
def _(v: Run) -> None:
    v.y = np.exp(np.sin(v.x**2))


@network("Three functions in a row at one", x=_fixed(1.0))
def _(v: Run) -> None:
    v.y = np.exp(np.sin(v.x**2))


@network(
    "What is propagated",
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
    functions={"g": lambda v, z: np.sin(z)},
)
def _(v: Run) -> None:
    for k in (1, 2, 3):
        v[f"z{k}"] = v[f"W{k}"] @ v[f"a{k - 1}"] + v[f"b{k}"]
        v[f"a{k}"] = np.sin(v[f"z{k}"])
    v.E = np.sum((v.a3 - v.t) ** 2) / 2
    v.delta3 = (v.a3 - v.t) * np.cos(v.z3)
    v.delta2 = (v.delta3 @ v.W3) * np.cos(v.z2)
    v.delta1 = (v.delta2 @ v.W2) * np.cos(v.z1)


@network(
    "Linear units propagate without a derivative",
    z0=3,
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
        v[f"z{k}"] = v[f"W{k}"] @ v[f"z{k - 1}"] + v[f"b{k}"]
    v.E = np.sum((v.z3 - v.t) ** 2) / 2


@network("The slope of the sigmoid", w=(), x=(), b=(), y=())
def _(v: Run) -> None:
    v.z = v.w * v.x + v.b
    v.a = sigmoid(v.z)
    v.L = (v.a - v.y) ** 2 / 2


def _log_loss(y: Array, a: Array) -> Array:
    return -np.sum(y * np.log(a) + (1 - y) * np.log(1 - a))


@network(
    "The vectorised block as it was printed",
    X=(3, 5),
    W1=(4, 3),
    b1=(4, 1),
    W2=(3, 4),
    b2=(3, 1),
    W3=(2, 3),
    b3=(2, 1),
    Y=unit(2, 5),
    L=number(3),
    m=number(5),
    ranges={"l": 3},
    functions={
        "g1": lambda v, z: np.sin(z),
        "g2": lambda v, z: np.tanh(z),
        "g3": lambda v, z: sigmoid(z),
    },
    per_example="A0 Z1 A1 Z2 A2 Z3 A3",
)
def _(v: Run) -> None:
    v.A0 = v.X
    for k, g in ((1, np.sin), (2, np.tanh), (3, sigmoid)):
        v[f"Z{k}"] = v[f"W{k}"] @ v[f"A{k - 1}"] + v[f"b{k}"]
        v[f"A{k}"] = g(v[f"Z{k}"])
    v.J = _log_loss(v.Y, v.A3) / 5


@network(
    "The vectorised block with square layers",
    X=(3, 3),
    W1=(3, 3),
    b1=(3, 1),
    W2=(3, 3),
    b2=(3, 1),
    Y=unit(3, 3),
    m=number(3),
    functions={"g1": lambda v, z: np.tanh(z)},
    per_example="X Z1 A1 Z2 A2",
)
def _(v: Run) -> None:
    v.Z1 = v.W1 @ v.X + v.b1
    v.A1 = np.tanh(v.Z1)
    v.Z2 = v.W2 @ v.A1 + v.b2
    v.A2 = sigmoid(v.Z2)
    v.J = _log_loss(v.Y, v.A2) / 3


_LAYER = {"X": (3, 5), "W": (2, 3), "b": (2, 1), "m": number(5), "per_example": "X Z A"}


@network("Where the first line of the block is right: softmax", **_LAYER, Y=one_hot(2, 5, axis=0))
def _(v: Run) -> None:
    v.Z = v.W @ v.X + v.b
    v.A = softmax(v.Z, axis=0)
    v.J = -np.sum(v.Y * np.log(v.A)) / 5


@network("Where the first line of the block is right: linear", **_LAYER, Y=(2, 5))
def _(v: Run) -> None:
    v.Z = v.W @ v.X + v.b
    v.A = v.Z
    v.J = np.sum((v.A - v.Y) ** 2) / 10


@network("Where the first line of the block is wrong", **_LAYER, Y=(2, 5))
def _(v: Run) -> None:
    v.Z = v.W @ v.X + v.b
    v.A = sigmoid(v.Z)
    v.J = np.sum((v.A - v.Y) ** 2) / 10


@network("The stable log loss", z=(), y=unit())
def _(v: Run) -> None:
    v.a = sigmoid(v.z)
    v.L = -(v.y * np.log(sigmoid(v.z)) + (1 - v.y) * np.log(1 - sigmoid(v.z)))


@network("The bias that is not a constant", w=(), x=(), b=(), y=unit())
def _(v: Run) -> None:
    v.z = v.w * v.x + v.b
    v.a = sigmoid(v.z)
    v.L = -(v.y * np.log(v.a) + (1 - v.y) * np.log(1 - v.a))


@network("Missing factors that equal weights hide", x=(), w1=(), w2=(), w3=())
def _(v: Run) -> None:
    v.h = v.w1 * v.x
    v.p = v.w2 * v.h
    v.q = v.w3 * v.p


@network(
    "The average taken twice",
    X=(3, 5),
    W=(2, 3),
    b=(2, 1),
    Y=unit(2, 5),
    m=number(5),
    averaged="X Z A",
)
def _(v: Run) -> None:
    _averaged(v)


@network("The average never taken", **_LAYER, Y=unit(2, 5))
def _(v: Run) -> None:
    _averaged(v)


@network("A fraction is no shorthand", **_LAYER, Y=unit(2, 5))
def _(v: Run) -> None:
    _averaged(v)


def _averaged(v: Run) -> None:
    v.Z = v.W @ v.X + v.b
    v.A = sigmoid(v.Z)
    v.J = _log_loss(v.Y, v.A) / 5
