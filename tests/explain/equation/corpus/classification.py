"""The forward passes of classification.md, by hand in NumPy."""

from __future__ import annotations

import numpy as np

from tests.explain.equation.corpus.forward import (
    Run,
    network,
    number,
    one_hot,
    positive,
    sigmoid,
    softmax,
    unit,
)


@network("Softmax by components", z=4, y=one_hot(4), ranges={"i": 4, "j": 4})
def _(v: Run) -> None:
    v.p = np.exp(v.z) / np.sum(np.exp(v.z))
    v.L = -np.sum(v.y * np.log(v.p))


@network("A softmax layer for one example", x=3, W=(4, 3), b=4, y=one_hot(4))
def _(v: Run) -> None:
    v.z = v.W @ v.x + v.b
    v.p = softmax(v.z)
    v.L = -np.sum(v.y * np.log(v.p))


@network(
    "Softmax on columns",
    X=(3, 5),
    W1=(4, 3),
    b1=(4, 1),
    Y=one_hot(4, 5, axis=0),
    m=number(5),
    per_example="X Z1 A1",
)
def _(v: Run) -> None:
    v.Z1 = v.W1 @ v.X + v.b1
    v.A1 = np.exp(v.Z1) / np.sum(np.exp(v.Z1), axis=0)
    v.J = -np.sum(v.Y * np.log(v.A1)) / 5


@network(
    "Softmax on rows",
    X=(5, 3),
    W=(3, 4),
    b=4,
    Y=one_hot(5, 4, axis=1),
    n=number(5),
    averaged="X scores expo probs",
    count="n",
)
def _(v: Run) -> None:
    v.scores = v.X @ v.W + v.b
    v.expo = np.exp(v.scores)
    v.probs = v.expo / np.sum(v.expo, axis=1)[:, None]
    v.loss = -np.sum(v.Y * np.log(v.probs)) / 5


@network("Softmax with a temperature", z=4, y=one_hot(4), tau=positive())
def _(v: Run) -> None:
    v.u = v.z / v.tau
    v.p = softmax(v.u)
    v.L = -np.sum(v.y * np.log(v.p))


@network("The logarithm of a sum of exponentials", z=4, k=number(4), ranges={"i": 4, "j": 4})
def _(v: Run) -> None:
    v.f = np.log(np.sum(np.exp(v.z)))


@network("Smoothed labels", z=4, y=one_hot(4), k=number(4), epsilon=unit())
def _(v: Run) -> None:
    v.p = softmax(v.z)
    v.q = (1 - v.epsilon) * v.y + v.epsilon / 4
    v.L = -np.sum(v.q * np.log(v.p))


# The targets keep the margin away from its kink and on the side where there is a slope.
@network("The hinge loss", x=3, w=3, b=(), y=())
def _(v: Run) -> None:
    v.z = np.sum(v.w * v.x) + v.b
    v.L = max(0.0, 1 - v.y * v.z)


@network("The squared hinge loss", w=(), x=(), y=())
def _(v: Run) -> None:
    v.z = v.w * v.x
    v.L = max(0.0, 1 - v.y * v.z) ** 2


@network("The focal loss", z=(), gamma=positive())
def _(v: Run) -> None:
    v.p = sigmoid(v.z)
    v.L = -((1 - v.p) ** v.gamma) * np.log(v.p)


@network("The divergence of two softmax distributions", u=4, z=4)
def _(v: Run) -> None:
    v.p = softmax(v.u)
    v.q = softmax(v.z)
    v.D = np.sum(v.p * (np.log(v.p) - np.log(v.q)))


@network("The entropy of a softmax", z=4)
def _(v: Run) -> None:
    v.p = softmax(v.z)
    v.H = -np.sum(v.p * np.log(v.p))


@network("The policy gradient of a bandit", theta=4, a=one_hot(4), R=(), ranges={"i": 4})
def _(v: Run) -> None:
    v.pi = softmax(v.theta)
    v.J = v.R * np.sum(v.a * np.log(v.pi))


@network("Several labels at once", x=3, W=(4, 3), b=4, y=unit(4), ranges={"i": 4, "j": 3})
def _(v: Run) -> None:
    v.z = v.W @ v.x + v.b
    v.a = sigmoid(v.z)
    v.L = -np.sum(v.y * np.log(v.a) + (1 - v.y) * np.log(1 - v.a))


@network("Squared error of a softmax", z=4, y=4)
def _(v: Run) -> None:
    v.p = softmax(v.z)
    v.L = np.sum((v.p - v.y) ** 2)


@network("Two classes, two exponentials", u=(), v=())
def _(run: Run) -> None:
    run.p = 1 / (1 + np.exp(run.v - run.u))
