"""The forward passes of attention.md, by hand in NumPy."""

from __future__ import annotations

import numpy as np

from tests.explain.equation.corpus.forward import Run, network, number, sigmoid, softmax


@network("Scaled dot products", Q=(4, 3), K=(5, 3), V=(5, 2), G=(4, 2), d=number(3))
def _(v: Run) -> None:
    v.S = v.Q @ v.K.T / 3**0.5
    v.P = softmax(v.S, axis=1)
    v.O = v.P @ v.V
    v.L = np.sum(v.O * v.G)


@network("Attention with a squared loss", Q=(4, 3), K=(5, 3), V=(5, 2), Y=(4, 2), d=number(3))
def _(v: Run) -> None:
    v.S = v.Q @ v.K.T / 3**0.5
    v.A = softmax(v.S, axis=1)
    v.O = v.A @ v.V
    v.L = np.sum((v.O - v.Y) ** 2) / 2


@network("One query", q=3, K=(5, 3), V=(5, 2), t=2, d=number(3))
def _(v: Run) -> None:
    v.r = v.K @ v.q / 3**0.5
    v.a = softmax(v.r)
    v.o = v.a @ v.V
    v.L = np.sum((v.o - v.t) ** 2) / 2
    v.g = v.V @ (v.o - v.t)


@network("Additive scores", h=3, s=2, W=(4, 3), U=(4, 2), v=4)
def _(run: Run) -> None:
    run.u = run.W @ run.h + run.U @ run.s
    run.f = np.sum(run.v * np.tanh(run.u))


@network("Self-attention without softmax", X=(4, 3), Wq=(3, 2), Wk=(3, 2), Wv=(3, 5), Y=(4, 5))
def _(v: Run) -> None:
    v.Q = v.X @ v.Wq
    v.K = v.X @ v.Wk
    v.V = v.X @ v.Wv
    v.A = np.einsum("ik,jk->ij", v.Q, v.K)
    v.O = v.A @ v.V
    v.L = np.sum((v.O - v.Y) ** 2) / 2


@network("A weighted mean of numbers", s=4, v=4, ranges={"i": 4, "k": 4})
def _(run: Run) -> None:
    run.a = softmax(run.s)
    run.c = np.sum(run.a * run.v)


@network("A bilinear score", x=3, y=4, M=(3, 4))
def _(v: Run) -> None:
    v.z = np.einsum("i,ij,j", v.x, v.M, v.y)
    v.a = sigmoid(v.z)
    v.L = -np.log(v.a)
