"""The forward passes of matrices.md, by hand in NumPy."""

from __future__ import annotations

import numpy as np

from tests.explain.equation.corpus.forward import Run, definite, network, number, symmetric


@network("A quadratic form", A=(3, 3), x=3, ranges={"i": 3, "j": 3})
def _(v: Run) -> None:
    v.f = np.einsum("i,ij,j", v.x, v.A, v.x)


@network("A quadratic function with a minimum", A=symmetric(3), x=3, b=3, c=())
def _(v: Run) -> None:
    v.f = np.einsum("i,ij,j", v.x, v.A, v.x) / 2 - np.sum(v.b * v.x) + v.c


@network("A bilinear form", A=(3, 4), x=3, y=4, ranges={"i": 3, "j": 4})
def _(v: Run) -> None:
    v.f = np.einsum("i,ij,j", v.x, v.A, v.y)


@network("Traces", A=(5, 3), X=(3, 4), B=(4, 5), S=(3, 3))
def _(v: Run) -> None:
    v.f = np.einsum("ij,jk,ki", v.A, v.X, v.B)
    v.g = np.einsum("ji,jk,ki", v.X, v.S, v.X)
    v.h = np.sum(v.X**2)


@network("Determinants and inverses", X=definite(3, symmetric=False), a=3, b=3)
def _(v: Run) -> None:
    v.f = np.linalg.slogdet(v.X)[1]
    v.g = v.a @ np.linalg.solve(v.X, v.b)


@network("Least squares for a matrix", A=(4, 3), X=(3, 2), B=(4, 2))
def _(v: Run) -> None:
    v.E = np.einsum("ij,jk->ik", v.A, v.X) - v.B
    v.f = np.sum(v.E * v.E)


@network("Rayleigh's quotient", A=symmetric(3), x=3)
def _(v: Run) -> None:
    v.R = np.einsum("i,ij,j", v.x, v.A, v.x) / np.sum(v.x * v.x)


@network("A distance with a metric", S=definite(3), x=3, mu=3)
def _(v: Run) -> None:
    v.u = v.x - v.mu
    v.d = np.einsum("i,ij,j", v.u, v.S, v.u)
    v.D = np.sqrt(v.d)


@network("Lengths", x=4, ranges={"i": 4})
def _(v: Run) -> None:
    v.r = np.sqrt(np.sum(v.x * v.x))
    v.s = np.sum(v.x * v.x)
    v.q = 1 / np.sum(v.x * v.x)


@network("Functions of an inner product", a=3, x=3)
def _(v: Run) -> None:
    v.z = np.sum(v.a * v.x)
    v.f = np.sin(v.z) * np.exp(v.z)


@network("A product of matrices", A=(4, 3), X=(3, 2), C=(4, 2), ranges={"i": 4, "j": 3, "k": 2})
def _(v: Run) -> None:
    v.Y = np.einsum("ij,jk->ik", v.A, v.X)
    v.L = np.sum(v.C * v.Y)


@network("Elementwise functions of a vector", x=3, A=(4, 3))
def _(run: Run) -> None:
    run.u = run.x**2
    run.v = np.exp(run.x)
    run.w = run.A @ run.u


@network("The nearest matrix of rank one", x=3, M=symmetric(3))
def _(v: Run) -> None:
    v.E = v.x[:, None] * v.x - v.M
    v.L = np.sum(v.E**2) / 2


@network("A smooth maximum of linear functions", A=(4, 3), x=3, b=4, k=number(4))
def _(v: Run) -> None:
    v.z = v.A @ v.x + v.b
    v.f = np.log(np.sum(np.exp(v.z)))
