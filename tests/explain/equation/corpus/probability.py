"""The forward passes of probability.md, by hand in NumPy."""

from __future__ import annotations

import numpy as np

from tests.explain.equation.corpus.forward import (
    Run,
    definite,
    network,
    number,
    positive,
    sigmoid,
    unit,
)


@network("The divergence of a variational code", mu=4, sigma=positive(4))
def _(v: Run) -> None:
    v.K = np.sum(v.mu**2 + v.sigma**2 - 2 * np.log(v.sigma) - 1) / 2


@network("The same with a logarithm of the variance", mu=4, logvar=4)
def _(v: Run) -> None:
    v.kl = np.sum(v.mu**2 + np.exp(v.logvar) - 1 - v.logvar) / 2


@network("A variational autoencoder", mu=2, s=2, eps=2, x=4, W=(4, 2), b=4)
def _(v: Run) -> None:
    v.sd = np.sqrt(np.exp(v.s))
    v.z = v.mu + v.sd * v.eps
    v.xr = v.W @ v.z + v.b
    v.rec = np.sum((v.x - v.xr) ** 2) / 2
    v.kl = np.sum(v.mu**2 + np.exp(v.s) - 1 - v.s) / 2
    v.loss = v.rec + v.kl


@network("A decoder of pixels", z=2, V=(4, 2), c=4, x=unit(4))
def _(v: Run) -> None:
    v.a = v.V @ v.z + v.c
    v.p = sigmoid(v.a)
    v.R = -np.sum(v.x * np.log(v.p) + (1 - v.x) * np.log(1 - v.p))


@network("A normal sample", x=4, mu=(), sigma=positive(), n=number(4), ranges={"i": 4, "j": 4})
def _(v: Run) -> None:
    constant = -4 * np.log(np.sqrt(2 * np.pi) * v.sigma)
    v.ell = constant - np.sum((v.x - v.mu) ** 2) / (2 * v.sigma**2)


@network("A normal sample by its variance", x=4, mu=(), v=positive(), n=number(4))
def _(run: Run) -> None:
    run.q = np.sum((run.x - run.mu) ** 2)
    run.ell = -2 * np.log(run.v) - run.q / (2 * run.v)


@network("A normal vector", x=3, mu=3, P=definite(3))
def _(v: Run) -> None:
    v.r = v.x - v.mu
    v.L = v.r @ v.P @ v.r / 2 - np.linalg.slogdet(v.P)[1] / 2


@network("Gaussian process regression", y=3, A=definite(3), s=positive(), v=positive(), n=number(3))
def _(run: Run) -> None:
    run.K = run.s * run.A + run.v * np.identity(3)
    run.alpha = np.linalg.solve(run.K, run.y)
    run.L = run.y @ run.alpha / 2 + np.linalg.slogdet(run.K)[1] / 2


@network("Heads and tails", p=unit(), k=(), n=())
def _(v: Run) -> None:
    v.ell = v.k * np.log(v.p) + (v.n - v.k) * np.log(1 - v.p)


@network("A mixture of two normal distributions", x=(), a=(), b=(), w=unit())
def _(v: Run) -> None:
    v.f = np.exp(-((v.x - v.a) ** 2) / 2)
    v.g = np.exp(-((v.x - v.b) ** 2) / 2)
    v.p = v.w * v.f + (1 - v.w) * v.g
    v.ell = np.log(v.p)
    v.r = v.w * v.f / v.p


@network("Heavy tails", x=(), mu=(), nu=positive())
def _(v: Run) -> None:
    v.r = v.x - v.mu
    v.ell = -(v.nu + 1) / 2 * np.log(1 + v.r**2 / v.nu)


@network("An affine flow", x=3, s=3, t=3)
def _(v: Run) -> None:
    v.y = v.x * np.exp(v.s) + v.t
    v.L = np.sum(v.y**2) / 2 - np.sum(v.s)


@network("From one normal distribution to another", a=(), b=(), s=positive(), t=positive())
def _(v: Run) -> None:
    v.D = np.log(v.t / v.s) + (v.s**2 + (v.a - v.b) ** 2) / (2 * v.t**2) - 0.5
