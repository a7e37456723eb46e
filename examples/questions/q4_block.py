"""Question 4's backward block: every printed line computed as printed, and where each comes from.

Half of the lines are wrong. Examples are columns of X, as in the question; q4.py shows the result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as onp
from report import heading, table

import backlit as bl
import backlit.numpy as np

Array = Any  # an ndarray outside a transformation, a tracer inside one

# --- the network Z = WA + b, examples in columns ------------------------------------------------


def mean_log_loss(Z: Array, Y: Array) -> Array:
    """Log loss of sigmoid outputs from their logits, averaged over the examples."""
    return np.sum(np.softplus(Z) - Y * Z) / Y.shape[1]


@dataclass(frozen=True)
class Net:
    """A network of tanh layers and a sigmoid output: sizes n⁰…nᴸ, and its data."""

    W: list[Array]
    b: list[Array]
    X: Array
    Y: Array

    @property
    def depth(self) -> int:
        """L."""
        return len(self.W)

    @property
    def m(self) -> int:
        """The number of examples."""
        return int(self.X.shape[1])


def make_net(sizes: Sequence[int], m: int, seed: int = 0) -> Net:
    """Return a network at random points: equal numbers would hide slips."""
    rng = onp.random.default_rng(seed)
    W = [rng.normal(size=(n, k)) for k, n in zip(sizes, sizes[1:], strict=False)]
    b = [rng.normal(size=(n, 1)) for n in sizes[1:]]
    Y = (rng.uniform(size=(sizes[-1], m)) < 0.5).astype(float)
    return Net(W, b, rng.normal(size=(sizes[0], m)), Y)


def cost(W: Sequence[Array], b: Sequence[Array], shifts: Sequence[Array], net: Net) -> Array:
    """Return J; `shifts` are zeros added to every Z, so that ∂J/∂Z can be asked for."""
    A = net.X
    for k in range(net.depth):
        Z = W[k] @ A + b[k] + shifts[k]
        A = np.tanh(Z)
    return mean_log_loss(Z, net.Y)


@dataclass(frozen=True)
class Truth:
    """What the printed lines are made of: forward values, and the gradients by ``bl.grad``.

    A[0] is X; Z, dZ, dW, db and W are numbered from 1 as printed, so index 0 is empty.
    """

    W: list[Any]
    A: list[Any]
    Z: list[Any]
    slope: list[Any]
    dZ: list[Any]
    dW: list[Any]
    db: list[Any]
    m: int

    @property
    def L(self) -> int:
        """The number of layers."""
        return len(self.Z) - 1


def truth(net: Net) -> Truth:
    """Return forward values and true gradients; dZ is per example, m · ∂J/∂Z."""
    A, Z = [net.X], [None]
    for k in range(net.depth):
        Z.append(net.W[k] @ A[-1] + net.b[k])
        A.append(np.sigmoid(Z[-1]) if k == net.depth - 1 else np.tanh(Z[-1]))
    shifts = [onp.zeros_like(z) for z in Z[1:]]
    dW, db, dZ = bl.grad(cost, argnums=(0, 1, 2))(net.W, net.b, shifts, net)
    slope = [None, *[bl.grad(lambda z: np.tanh(z).sum())(z) for z in Z[1:]]]
    per_example = [None, *[net.m * part for part in dZ]]
    return Truth([None, *net.W], A, Z, slope, per_example, [None, *dW], [None, *db], net.m)


# --- the printed block --------------------------------------------------------------------------

Formula = Callable[["Truth", Array], Array]  # of the true quantities and Y


@dataclass(frozen=True)
class Line:
    """A line of the block: as printed, what it stands for, and the repair if it needs one."""

    latex: str
    printed: Formula
    target: Callable[[Truth], Array]
    repair: str = ""
    repaired: Formula | None = None


def row_sums(dZ: Array, m: int) -> Array:
    """Return (1/m) np.sum(dZ, axis=1, keepdims=True)."""
    return onp.sum(dZ, axis=1, keepdims=True) / m


SUM = (
    r"\frac1m\,\operatorname{np.sum}(%s,"
    r"\operatorname{axis}=1,\operatorname{keepdims}=\operatorname{True})"
)

# Juxtaposed matrices are a matrix product.
LINES = [
    Line("dZ^{[L]}=A^{[L]}-Y", lambda t, Y: t.A[t.L] - Y, lambda t: t.dZ[t.L]),
    Line(
        r"dW^{[L]}=\frac1m\,dZ^{[L]}{A^{[L]}}^{T}",
        lambda t, Y: t.dZ[t.L] @ t.A[t.L].T / t.m,
        lambda t: t.dW[t.L],
        "A^{[L-1]} for A^{[L]}",
        lambda t, Y: t.dZ[t.L] @ t.A[t.L - 1].T / t.m,
    ),
    Line(
        "db^{[L]}=" + SUM % "dZ^{[L]}",
        lambda t, Y: row_sums(t.dZ[t.L], t.m),
        lambda t: t.db[t.L],
    ),
    Line(
        "dZ^{[L-1]}={dW^{[L]}}^{T}dZ^{[2]}g'^{[1]}(Z^{[1]})",
        lambda t, Y: t.dW[t.L].T @ t.dZ[2] @ t.slope[1],
        lambda t: t.dZ[t.L - 1],
        "W for dW, L for 2, L-1 for 1, ⊙ for the product",
        lambda t, Y: (t.W[t.L].T @ t.dZ[t.L]) * t.slope[t.L - 1],
    ),
    Line(
        r"dW^{[1]}=\frac1m\,dZ^{[1]}{A^{[1]}}^{T}",
        lambda t, Y: t.dZ[1] @ t.A[1].T / t.m,
        lambda t: t.dW[1],
        "A^{[0]} = X for A^{[1]}",
        lambda t, Y: t.dZ[1] @ t.A[0].T / t.m,
    ),
    Line(
        "db^{[1]}=" + SUM % "dZ^{[1]}",
        lambda t, Y: row_sums(t.dZ[1], t.m),
        lambda t: t.db[1],
    ),
]


@dataclass(frozen=True)
class Verdict:
    """What came of computing a line."""

    outcome: str
    error: float

    def __str__(self) -> str:
        return self.outcome if self.outcome != "wrong" else f"wrong by {self.error:.2g}"


def judge(compute: Callable[[], Array], target: Array) -> Verdict:
    """Compute an expression and compare it with the gradient: right, wrong, or no such shape."""
    try:
        value = compute()
    except ValueError:
        return Verdict("shapes do not fit", float("inf"))
    if value.shape != target.shape:
        return Verdict(f"shape {value.shape}, not {target.shape}", float("inf"))
    error = float(abs(value - target).max())
    return Verdict("right" if error < 1e-12 else "wrong", error)


CONFIGURATIONS: dict[str, tuple[tuple[int, ...], int]] = {
    "L = 2, all sizes different": ((3, 4, 2), 5),
    "L = 3, all sizes different": ((3, 4, 5, 2), 6),
    "L = 2, square, m = width": ((3, 3, 3), 3),
    "L = 3, square, m = width": ((3, 3, 3, 3), 3),
}


def verdicts(sizes: Sequence[int], m: int) -> list[tuple[Verdict, Verdict]]:
    """Return for each line the verdict on it as printed, and on its repair."""
    net = make_net(sizes, m)
    t = truth(net)
    return [
        (
            judge(partial(line.printed, t, net.Y), line.target(t)),
            judge(partial(line.repaired or line.printed, t, net.Y), line.target(t)),
        )
        for line in LINES
    ]


SLIPS = ("dW for W", "index 2 for L", "index 1 for L−1", "matrix product for ⊙")


def one_slip_left(depth: int, size: int = 3) -> dict[str, Verdict]:
    """Repair dZ^{[L-1]} but for one of its slips, square layers, so that shapes never object."""
    net = make_net((size,) * (depth + 1), size)
    t = truth(net)

    def line(slip: str) -> Array:
        left = t.dW[t.L] if slip == SLIPS[0] else t.W[t.L]
        delta = t.dZ[2 if slip == SLIPS[1] else t.L]
        slope = t.slope[1 if slip == SLIPS[2] else t.L - 1]
        back = left.T @ delta
        return back @ slope if slip == SLIPS[3] else back * slope

    return {slip: judge(partial(line, slip), t.dZ[t.L - 1]) for slip in SLIPS}


def only_dW_for_W() -> Verdict:
    """Return the verdict on dWᵀ dZ ⊙ g′ with all sizes different."""
    t = truth(make_net((3, 4, 2), 5))
    return judge(lambda: (t.dW[2].T @ t.dZ[2]) * t.slope[1], t.dZ[1])


@dataclass(frozen=True)
class Contraction:
    """A backward formula beside the chain rule in index notation that it abbreviates."""

    indices: str
    matrices: str
    jacobian_shape: tuple[int, ...]
    difference: float


def from_the_chain_rule() -> list[Contraction]:
    """Contract dZ² with the Jacobians of Z² = W²A¹ + b² and A¹ = g(Z¹), and compare."""
    net = make_net((3, 4, 2), 5)
    t = truth(net)
    W, b, A, dZ = t.W[2], net.b[1], t.A[1], t.dZ[2]
    Z_W, Z_b, Z_A = bl.jacobian(lambda W, b, A: W @ A + b, argnums=(0, 1, 2))(W, b, A)
    A_Z = bl.jacobian(np.tanh)(t.Z[1])
    back = onp.tensordot(dZ, Z_A, axes=2)
    parts = [
        (
            "∂J/∂Wᵢⱼ = ΣₖΣₗ ∂J/∂Zₖₗ · ∂Zₖₗ/∂Wᵢⱼ = (1/m) Σₗ dZᵢₗ Aⱼₗ",
            "dW² = (1/m) dZ² A¹ᵀ",
            Z_W,
            onp.tensordot(dZ, Z_W, axes=2) / t.m - dZ @ A.T / t.m,
        ),
        (
            "∂J/∂bᵢ  = ΣₖΣₗ ∂J/∂Zₖₗ · ∂Zₖₗ/∂bᵢ  = (1/m) Σₗ dZᵢₗ",
            "db² = (1/m) sum of dZ² over axis 1",
            Z_b,
            onp.tensordot(dZ, Z_b, axes=2) / t.m - row_sums(dZ, t.m),
        ),
        (
            "∂J/∂Aⱼₗ = ΣᵢΣₖ ∂J/∂Zᵢₖ · ∂Zᵢₖ/∂Aⱼₗ = (1/m) Σᵢ Wᵢⱼ dZᵢₗ",
            "dA¹ = W²ᵀ dZ²",
            Z_A,
            back - W.T @ dZ,
        ),
        (
            "∂J/∂Z¹ⱼₗ = ∂J/∂A¹ⱼₗ · g′(Z¹ⱼₗ), for unit j of example l alone",
            "dZ¹ = dA¹ ⊙ g′(Z¹)",
            A_Z,
            onp.tensordot(back, A_Z, axes=2) - (W.T @ dZ) * t.slope[1],
        ),
    ]
    return [
        Contraction(indices, matrices, jacobian.shape, float(abs(gap).max()))
        for indices, matrices, jacobian, gap in parts
    ]


# --- what the asker reads -----------------------------------------------------------------------


def show_derivation() -> None:
    heading("Where the lines come from: the chain rule, one index at a time")
    for part in from_the_chain_rule():
        print(f"  {part.indices}")
        shape = "×".join(map(str, part.jacobian_shape))
        print(f"      {part.matrices:36} (Jacobian {shape}, difference {part.difference:.0e})")
    print(
        "A sum over a shared index is a matrix product; which side and which transpose follow from"
    )
    print("where the index stands. ⊙ appears because g acts on each element alone.")


def show_block() -> None:
    heading("The backward block, line by line, computed as printed")
    found = {name: verdicts(*settings) for name, settings in CONFIGURATIONS.items()}
    for k, line in enumerate(LINES):
        print(f"  {line.latex}   {'WRONG' if line.repair else 'right'}")
        for name in CONFIGURATIONS:
            print(f"      {name:28} {found[name][k][0]}")
        if line.repair:
            worst = max(found[name][k][1].error for name in CONFIGURATIONS)
            print(f"      repair: {line.repair}; then right everywhere (to {worst:.0e})")
    print("dZ is per example here: m · ∂J/∂Z. That is why 1/m stands in dW and db and not in dZ.")
    heading("dZ^{[L-1]} is wrong four ways; leave one slip in (square layers, m = width)")
    two, three = one_slip_left(2), one_slip_left(3)
    rows = [(slip, str(two[slip]), str(three[slip])) for slip in SLIPS]
    table(["slip left in", "L = 2", "L = 3"], rows)
    print("Square layers pass every shape check. At L = 2 the indices agree by luck.")
    print(f"dWᵀ for Wᵀ fits whatever the sizes, 3-4-2 with m = 5 too: {only_dW_for_W()}.")
    print("Only values tell: test at random numbers, sizes pairwise different.")
