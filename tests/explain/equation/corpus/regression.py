"""The forward passes of regression.md, by hand in NumPy."""

from __future__ import annotations

import numpy as np

from tests.explain.equation.corpus.forward import (
    Run,
    drawn,
    network,
    number,
    positive,
    sigmoid,
    symmetric,
    unit,
)


@network("One weight and one bias", w=(), x=(), b=(), y=())
def _(v: Run) -> None:
    v.z = v.w * v.x + v.b
    v.L = (v.z - v.y) ** 2 / 2


@network("An error called e", w=(), x=(), y=())
def _(v: Run) -> None:
    v.a = v.w * v.x
    v.e = v.a - v.y
    v.s = v.e**2
    v.L = v.s / 2


@network("A linear unit with several inputs", x=3, w=3, b=(), y=(), ranges={"j": 3})
def _(v: Run) -> None:
    v.yhat = np.sum(v.w * v.x) + v.b
    v.L = (v.yhat - v.y) ** 2


@network(
    "Linear regression on columns",
    X=(4, 5),
    W=(2, 4),
    b=(2, 1),
    Y=(2, 5),
    m=number(5),
    per_example="X Z",
)
def _(v: Run) -> None:
    v.Z = v.W @ v.X + v.b
    v.J = np.sum((v.Z - v.Y) ** 2) / 10


@network("Linear regression on rows", X=(5, 3), w=3, b=(), y=5, m=number(5))
def _(v: Run) -> None:
    v.r = v.X @ v.w + v.b - v.y
    v.J = np.sum(v.r * v.r) / 5


@network("The normal equations", X=(4, 3), w=3, y=4)
def _(v: Run) -> None:
    r = v.X @ v.w - v.y
    v.f = r @ r


@network("Ridge regression", X=(4, 3), w=3, y=4, n=number(4), **{"lambda": positive()})
def _(v: Run) -> None:
    r = v.y - v.X @ v.w
    v.J = r @ r / 4 + v["lambda"] * (v.w @ v.w)


@network(
    "Ridge regression with one slope",
    x=4,
    y=4,
    w=(),
    ranges={"i": 4, "j": 4},
    **{"lambda": positive()},
)
def _(v: Run) -> None:
    v.J = np.sum((v.y - v.w * v.x) ** 2) + v["lambda"] * v.w**2


@network("Generalised least squares", X=(4, 3), w=3, y=4, C=symmetric(4))
def _(v: Run) -> None:
    v.r = v.X @ v.w - v.y
    v.J = v.r @ v.C @ v.r / 2


@network("Elastic net with one weight", w=(), x=(), y=(), alpha=positive(), beta=positive())
def _(v: Run) -> None:
    v.L = (v.w * v.x - v.y) ** 2 / 2 + v.alpha * np.abs(v.w) + v.beta * v.w**2 / 2


@network("A parabola", a=(), b=(), c=(), x=(), y=())
def _(v: Run) -> None:
    v.p = v.a * v.x**2 + v.b * v.x + v.c
    v.L = (v.p - v.y) ** 2


@network("The smooth Huber loss", w=(), x=(), y=(), delta=positive())
def _(v: Run) -> None:
    v.r = v.w * v.x - v.y
    v.L = v.delta**2 * (np.sqrt(1 + (v.r / v.delta) ** 2) - 1)


@network("The log-cosh loss", z=4, y=4)
def _(v: Run) -> None:
    v.L = np.sum(np.log((np.exp(v.z - v.y) + np.exp(v.y - v.z)) / 2))


@network("The pinball loss", tau=unit(), y=(), q=())
def _(v: Run) -> None:
    v.L = v.tau * (v.y - v.q) if v.y > v.q else (v.tau - 1) * (v.y - v.q)


@network("Poisson regression", x=3, w=3, y=positive())
def _(v: Run) -> None:
    v.z = v.w @ v.x
    v.mu = np.exp(v.z)
    v.L = v.mu - v.y * v.z


# The rate alone is varied in the first derivatives, so n may be a constant.
@network(
    "Waiting times",
    x=positive(4),
    n=number(4),
    ranges={"i": 4, "j": 4},
    **{"lambda": positive()},
)
def _(v: Run) -> None:
    v.ell = 4 * np.log(v["lambda"]) - v["lambda"] * np.sum(v.x)


@network("Logistic loss of a margin", x=3, w=3, b=(), y=())
def _(v: Run) -> None:
    v.z = v.w @ v.x + v.b
    v.L = np.log(1 + np.exp(-v.y * v.z))


@network(
    "Logistic regression on columns",
    X=(3, 5),
    w=(3, 1),
    b=(),
    y=unit(1, 5),
    m=number(5),
    per_example="X z a",
)
def _(v: Run) -> None:
    v.z = v.w.T @ v.X + v.b
    v.a = sigmoid(v.z)
    v.J = -np.sum(v.y * np.log(v.a) + (1 - v.y) * np.log(1 - v.a)) / 5


@network(
    "Logistic regression on rows",
    X=(5, 3),
    w=3,
    b=(),
    y=unit(5),
    lam=positive(),
    m=number(5),
)
def _(v: Run) -> None:
    v.p = sigmoid(v.X @ v.w + v.b)
    loss = v.y * np.log(v.p) + (1 - v.y) * np.log(1 - v.p)
    v.J = -np.sum(loss) / 5 + v.lam / 2 * (v.w @ v.w)


@network(
    "The likelihood of logistic regression",
    theta=3,
    m=number(4),
    ranges={"i": 4, "j": 3},
    **drawn("x", 4, 3),
    **drawn("y", 4, unit()),
)
def _(v: Run) -> None:
    for i in "1234":
        v[f"h{i}"] = sigmoid(v.theta @ v[f"x{i}"])
    v.ell = sum(
        v[f"y{i}"] * np.log(v[f"h{i}"]) + (1 - v[f"y{i}"]) * np.log(1 - v[f"h{i}"]) for i in "1234"
    )


@network("The log loss of a logit", w=(), x=(), b=(), y=unit())
def _(v: Run) -> None:
    v.z = v.w * v.x + v.b
    v.a = sigmoid(v.z)
    v.L = np.log(1 + np.exp(v.z)) - v.z * v.y


@network("A logistic neuron with a gate", u=(), v=(), x=())
def _(run: Run) -> None:
    run.g = sigmoid(run.u * run.x)
    run.s = sigmoid(run.v * run.x)
    run.o = run.g * run.s
    run.L = -np.log(run.o)
