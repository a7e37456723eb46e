"""The forward passes of embeddings.md, by hand in NumPy."""

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


@network("One rating", p=3, q=3, r=(), **{"lambda": positive()})
def _(v: Run) -> None:
    v.e = v.r - np.sum(v.p * v.q)
    v.L = v.e**2 / 2 + v["lambda"] / 2 * (np.sum(v.p**2) + np.sum(v.q**2))


@network("A matrix of ratings", R=(4, 5), P=(4, 2), Q=(5, 2))
def _(v: Run) -> None:
    v.E = v.R - np.einsum("ik,jk->ij", v.P, v.Q)
    v.L = np.sum(v.E**2) / 2


@network("A matrix with gaps", R=(4, 5), M=(4, 5), P=(4, 2), Q=(5, 2), lam=positive())
def _(v: Run) -> None:
    v.E = v.M * (v.R - np.einsum("ik,jk->ij", v.P, v.Q))
    v.L = np.sum(v.E**2) / 2 + v.lam * np.sum(v.P**2) / 2


@network("Words and their neighbours", v=3, u=3, N=(4, 3))
def _(run: Run) -> None:
    negative = np.sum(np.log(sigmoid(-(run.N @ run.v))))
    run.L = -np.log(sigmoid(np.sum(run.u * run.v))) - negative


@network("Words with a full softmax", v=3, U=(4, 3), y=one_hot(4))
def _(run: Run) -> None:
    run.scores = run.U @ run.v
    run.yhat = softmax(run.scores)
    run.L = -np.sum(run.y * np.log(run.yhat))


@network("Pairs that are alike or not", a=unit(2), b=unit(2), y=unit())
def _(v: Run) -> None:
    v.r = v.a - v.b
    v.D = np.sqrt(np.sum(v.r**2))
    v.h = max(0.0, 2 - v.D)
    v.L = v.y * v.D**2 + (1 - v.y) * v.h**2


@network("Triplets", a=3, p=3, n=3, alpha=positive())
def _(v: Run) -> None:
    v.T = np.sum((v.a - v.p) ** 2) - np.sum((v.a - v.n) ** 2) + v.alpha
    v.L = max(0.0, v.T)


@network("A bump around a centre", x=3, c=3, s=positive())
def _(v: Run) -> None:
    v.phi = np.exp(-np.sum((v.x - v.c) ** 2) / (2 * v.s**2))


@network("A network of bumps", x=(), c=4, gamma=positive(4), w=4, t=(), ranges={"j": 4})
def _(v: Run) -> None:
    v.phi = np.exp(-v.gamma * (v.x - v.c) ** 2)
    v.y = np.sum(v.w * v.phi)
    v.L = (v.y - v.t) ** 2 / 2


@network("The cosine of an angle", a=3, b=3)
def _(v: Run) -> None:
    v.c = np.sum(v.a * v.b) / np.sqrt(np.sum(v.a**2) * np.sum(v.b**2))


@network("Counts of words together", w=3, c=3, b=(), k=(), f=(), N=positive())
def _(v: Run) -> None:
    v.r = np.sum(v.w * v.c) + v.b + v.k - np.log(v.N)
    v.L = v.f * v.r**2


@network("The mean of several vectors", X=(4, 3), W=(2, 3), y=2, n=number(4))
def _(v: Run) -> None:
    v.h = np.sum(v.X, axis=0) / 4
    v.L = np.sum((v.W @ v.h - v.y) ** 2) / 2
