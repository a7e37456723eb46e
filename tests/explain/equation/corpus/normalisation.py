"""The forward passes of normalisation.md, by hand in NumPy."""

from __future__ import annotations

import numpy as np

from tests.explain.equation.corpus.forward import Run, network, number, positive


@network("Mean and variance of a sample", x=4, n=number(4), ranges={"i": 4, "j": 4})
def _(v: Run) -> None:
    v.mu = np.sum(v.x) / 4
    v.v = np.sum((v.x - v.mu) ** 2) / 4
    v.s = np.sqrt(v.v)


_BATCH = {"x": (5, 3), "gamma": 3, "beta": 3, "G": (5, 3), "eps": positive(), "N": number(5)}


@network("Batch normalisation on rows", **_BATCH)
def _(v: Run) -> None:
    v.mu = np.sum(v.x, axis=0) / 5
    v.xmu = v.x - v.mu
    v["var"] = np.sum(v.xmu**2, axis=0) / 5
    v.std = np.sqrt(v["var"] + v.eps)
    v.xhat = v.xmu / v.std
    v.out = v.gamma * v.xhat + v.beta
    v.L = np.sum(v.out * v.G)


@network("Batch normalisation in one line", **_BATCH)
def _(v: Run) -> None:
    v.mu = np.sum(v.x, axis=0) / 5
    v["var"] = np.sum((v.x - v.mu) ** 2, axis=0) / 5
    v.xhat = (v.x - v.mu) / np.sqrt(v["var"] + v.eps)
    v.out = v.gamma * v.xhat + v.beta
    v.L = np.sum(v.out * v.G)


@network(
    "Batch normalisation on columns",
    Z=(3, 5),
    gamma=(3, 1),
    beta=(3, 1),
    T=(3, 5),
    epsilon=positive(),
)
def _(v: Run) -> None:
    v.mu = np.sum(v.Z, axis=1)[:, None] / 5
    v.v = np.sum((v.Z - v.mu) ** 2, axis=1)[:, None] / 5
    v.N = (v.Z - v.mu) / np.sqrt(v.v + v.epsilon)
    v.Y = v.gamma * v.N + v.beta
    v.C = np.sum((v.Y - v.T) ** 2) / 2


@network(
    "Batch normalisation of one unit",
    x=5,
    t=5,
    gamma=(),
    beta=(),
    epsilon=positive(),
    m=number(5),
    ranges={"i": 5},
)
def _(v: Run) -> None:
    v.mu = np.sum(v.x) / 5
    v.sigma2 = np.sum((v.x - v.mu) ** 2) / 5
    v.xhat = (v.x - v.mu) / np.sqrt(v.sigma2 + v.epsilon)
    v.y = v.gamma * v.xhat + v.beta
    v.ell = np.sum((v.y - v.t) ** 2) / 2


@network("Layer normalisation of a vector", x=4, g=4, b=4, c=4, epsilon=positive())
def _(v: Run) -> None:
    v.mu = np.sum(v.x) / 4
    v.v = np.sum((v.x - v.mu) ** 2) / 4
    v.s = np.sqrt(v.v + v.epsilon)
    v.z = (v.x - v.mu) / v.s
    v.y = v.g * v.z + v.b
    v.L = np.sum(v.c * v.y)
    v.q = v.c * v.g


@network("Layer normalisation on rows", X=(5, 4), g=4, b=4, T=(5, 4), eps=positive())
def _(v: Run) -> None:
    v.mu = np.sum(v.X, axis=1)[:, None] / 4
    v["var"] = np.sum((v.X - v.mu) ** 2, axis=1)[:, None] / 4
    v.std = np.sqrt(v["var"] + v.eps)
    v.Z = (v.X - v.mu) / v.std
    v.Y = v.Z * v.g + v.b
    v.loss = np.sum((v.Y - v.T) ** 2) / 2


@network("Division by the root mean square", x=4, c=4, n=number(4))
def _(v: Run) -> None:
    v.r = np.sqrt(np.sum(v.x**2) / 4)
    v.y = v.x / v.r
    v.L = np.sum(v.c * v.y)


@network("A vector of length one", x=4, c=4, n=number(4))
def _(v: Run) -> None:
    v.u = v.x / np.sqrt(np.sum(v.x**2))
    v.L = np.sum(v.c * v.u)


@network("Weights as length and direction", v=4, x=4, g=())
def _(run: Run) -> None:
    run.w = run.g * run.v / np.sqrt(np.sum(run.v**2))
    run.y = np.sum(run.w * run.x)
