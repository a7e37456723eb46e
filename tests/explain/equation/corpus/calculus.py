"""The forward passes of calculus.md, by hand in NumPy."""

from __future__ import annotations

import numpy as np

from tests.explain.equation.corpus.forward import Run, network, positive


@network("A function in a function in a function", x=())
def _(run: Run) -> None:
    run.u = run.x * run.x * run.x
    run.v = np.cos(run.u)
    run.y = np.exp(run.v)


@network("Products and quotients", u=(), v=())
def _(run: Run) -> None:
    run.f = 1 / (1 / run.u + 1 / run.v)
    run.g = run.u * run.u * run.v - run.u / run.v


@network("Derivatives of activation functions", z=())
def _(v: Run) -> None:
    pass  # all that is needed are the functions of the notation


def _f(v: Run, x: np.ndarray) -> np.ndarray:
    return x * x + 1


def _g(v: Run, x: np.ndarray) -> np.ndarray:
    return np.sin(x * x + 1)


@network(
    "Functions of one's own",
    x=(),
    functions={"f": _f, "g": _g, "h": lambda v, x: _f(v, x) * _g(v, x)},
)
def _(v: Run) -> None:
    pass  # the functions are all there is


@network("A curved valley", a=(), b=(), x=(), y=())
def _(v: Run) -> None:
    v.f = (v.a - v.x) ** 2 + v.b * (v.y - v.x * v.x) ** 2


@network("Polar coordinates", r=positive(), theta=())
def _(v: Run) -> None:
    v.x = v.r * np.cos(v.theta)
    v.y = v.r * np.sin(v.theta)
    v.s = np.hypot(v.x, v.y)


@network("Powers and logarithms", x=positive(), a=())
def _(v: Run) -> None:
    v.f = np.exp(v.a * np.log(v.x))
    v.g = np.log1p(v.x * v.x)
    v.h = v.x * np.log(v.x)


@network("A sum and a product gate", x=(), y=(), z=())
def _(v: Run) -> None:
    v.q = v.x + v.y
    v.f = v.q * v.z


@network("A neuron as a circuit", **dict.fromkeys("w0 w1 w2 x0 x1".split(), ()))
def _(v: Run) -> None:
    v.s = v.w0 * v.x0 + v.w1 * v.x1 + v.w2
    v.n = -v.s
    v.e = np.exp(v.n)
    v.d = 1 + v.e
    v.f = 1 / v.d


@network("A distance in the plane", x=(), y=())
def _(v: Run) -> None:
    v.r = np.hypot(v.x, v.y)


@network("One signal, three uses", x=())
def _(v: Run) -> None:
    v.h = np.tanh(v.x)
    v.a = v.h * v.h
    v.b = np.sin(v.h)
    v.c = 3 * v.h
    v.L = v.a * v.b + v.c


@network("An angle", x=positive(), y=())
def _(v: Run) -> None:
    v.phi = np.arctan2(v.y, v.x)


@network("A bell curve", x=(), mu=(), sigma=positive())
def _(v: Run) -> None:
    v.f = np.exp(-(((v.x - v.mu) / v.sigma) ** 2) / 2)


@network("Two more activation functions", x=(), k=(), c=())
def _(v: Run) -> None:
    v.s = v.x / (1 + np.abs(v.x))
    v.u = v.k * v.x + v.k * v.c * v.x**3
    v.g = v.x / (1 + np.exp(-2 * v.u))


@network("A step towards a square root", x=positive(), a=positive())
def _(v: Run) -> None:
    v.y = (v.x * v.x + v.a) / (2 * v.x)
    v.z = (v.y * v.y + v.a) / (2 * v.y)


@network("A rate that saturates", V=(), s=positive(), K=positive())
def _(v: Run) -> None:
    v.v = v.V / (1 + v.K / v.s)
