"""The forward passes of recurrent.md, by hand in NumPy."""

from __future__ import annotations

import numpy as np

from tests.explain.equation.corpus.forward import (
    Run,
    drawn,
    network,
    number,
    one_hot,
    sigmoid,
    softmax,
    unit,
)


@network("Two steps of a recurrent unit", **dict.fromkeys("w u x1 x2 h0 y".split(), ()))
def _(v: Run) -> None:
    v.h1 = np.tanh(v.w * v.x1 + v.u * v.h0)
    v.h2 = np.tanh(v.w * v.x2 + v.u * v.h1)
    v.L = (v.h2 - v.y) ** 2 / 2


@network("Three steps of a linear recurrence", **dict.fromkeys("w s0 x1 x2 x3 y".split(), ()))
def _(v: Run) -> None:
    v.s1 = v.w * v.s0 + v.x1
    v.s2 = v.w * v.s1 + v.x2
    v.s3 = v.w * v.s2 + v.x3
    v.L = (v.s3 - v.y) ** 2 / 2


@network(
    "A recurrent layer over time",
    h0=4,
    W=(4, 4),
    U=(4, 3),
    b=4,
    V=(2, 4),
    c=2,
    T=number(3),
    ranges={"t": 3},
    **drawn("x", 3, 3),
    **drawn("y", 3, 2),
)
def _(v: Run) -> None:
    for t in (1, 2, 3):
        v[f"h{t}"] = np.tanh(v.W @ v[f"h{t - 1}"] + v.U @ v[f"x{t}"] + v.b)
        v[f"o{t}"] = v.V @ v[f"h{t}"] + v.c
        v[f"E{t}"] = np.sum((v[f"o{t}"] - v[f"y{t}"]) ** 2) / 2
    v.E = v.E1 + v.E2 + v.E3


@network("Two steps of a recurrent layer", h0=4, x1=3, x2=3, W=(4, 4), U=(4, 3), y=4)
def _(v: Run) -> None:
    v.a1 = v.W @ v.h0 + v.U @ v.x1
    v.h1 = np.tanh(v.a1)
    v.a2 = v.W @ v.h1 + v.U @ v.x2
    v.h2 = np.tanh(v.a2)
    v.L = np.sum((v.h2 - v.y) ** 2) / 2


@network("A memory cell with gates", **dict.fromkeys("z1 z2 z3 z4 p y".split(), ()))
def _(v: Run) -> None:
    v.f = sigmoid(v.z1)
    v.i = sigmoid(v.z2)
    v.g = np.tanh(v.z3)
    v.o = sigmoid(v.z4)
    v.c = v.f * v.p + v.i * v.g
    v.h = v.o * np.tanh(v.c)
    v.L = (v.h - v.y) ** 2 / 2


@network(
    "A layer of memory cells",
    h0=4,
    c0=4,
    **dict.fromkeys("Wf Wi Wo Wg".split(), (4, 3)),
    **dict.fromkeys("Uf Ui Uo Ug".split(), (4, 4)),
    **dict.fromkeys("bf bi bo bg".split(), 4),
    T=number(2),
    ranges={"t": 2},
    **drawn("x", 2, 3),
)
def _(v: Run) -> None:
    for t in (1, 2):
        for gate in "fiog":
            z = v["W" + gate] @ v[f"x{t}"] + v["U" + gate] @ v[f"h{t - 1}"] + v["b" + gate]
            v[f"{gate}{t}"] = np.tanh(z) if gate == "g" else sigmoid(z)
        v[f"c{t}"] = v[f"f{t}"] * v[f"c{t - 1}"] + v[f"i{t}"] * v[f"g{t}"]
        v[f"h{t}"] = v[f"o{t}"] * np.tanh(v[f"c{t}"])


@network(
    "A gated recurrent unit",
    x=3,
    h0=4,
    y=4,
    **dict.fromkeys("Wz Wr Wn".split(), (4, 3)),
    **dict.fromkeys("Uz Ur Un".split(), (4, 4)),
)
def _(v: Run) -> None:
    v.az = v.Wz @ v.x + v.Uz @ v.h0
    v.ar = v.Wr @ v.x + v.Ur @ v.h0
    v.z = sigmoid(v.az)
    v.r = sigmoid(v.ar)
    v.q = v.Un @ v.h0
    v.an = v.Wn @ v.x + v.r * v.q
    v.n = np.tanh(v.an)
    v.h1 = v.n + v.z * (v.h0 - v.n)
    v.L = np.sum((v.h1 - v.y) ** 2) / 2


@network("Through a step of gradient descent", w=(), x=(), y=(), eta=unit())
def _(run: Run) -> None:
    run.v = run.w - run.eta * (run.w * run.x - run.y) * run.x
    run.M = (run.v * run.x - run.y) ** 2 / 2


@network("A moving average", m0=(), g1=(), g2=(), beta=unit())
def _(v: Run) -> None:
    v.m1 = v.beta * v.m0 + (1 - v.beta) * v.g1
    v.m2 = v.beta * v.m1 + (1 - v.beta) * v.g2


@network("One step of a language model", x=3, s=4, W=(4, 3), U=(4, 4), V=(5, 4), y=one_hot(5))
def _(v: Run) -> None:
    v.h = sigmoid(v.W @ v.x + v.U @ v.s)
    v.yhat = softmax(v.V @ v.h)
    v.L = -np.sum(v.y * np.log(v.yhat))


@network(
    "Two steps of an integrator",
    x0=(),
    a=(),
    tau=unit(),
    functions={"f": lambda v, x: v.a * x * (1 - x)},
)
def _(v: Run) -> None:
    v.x1 = v.x0 + v.tau * v.a * v.x0 * (1 - v.x0)
    v.x2 = v.x1 + v.tau * v.a * v.x1 * (1 - v.x1)
