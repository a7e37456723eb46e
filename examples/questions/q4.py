"""Question 4: how do these vectorised equations come from the chain rule?

Every printed line is computed as printed and compared with the gradient; half of them are wrong.
Examples are columns of X, as in the question. Run ``python examples/questions/q4.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as onp
from report import heading, parse_options, table

import backlit as bl
import backlit.numpy as np

Array = Any  # an ndarray outside a transformation, a tracer inside one

# --- the network Z = WA + b, examples in columns ------------------------------------------------


def mean_log_loss(Z: Array, Y: Array) -> Array:
    """Log loss of sigmoid outputs from their logits, averaged over the examples."""
    return np.sum(np.softplus(Z) - Y * Z) / Y.shape[1]


def mean_cross_entropy(Z: Array, Y: Array) -> Array:
    """Cross-entropy of softmax outputs from their logits, averaged over the examples."""
    return -np.sum(Y * np.log_softmax(Z, axis=0)) / Y.shape[1]


def half_squared(A: Array, Y: Array) -> Array:
    """Half the squared error, averaged over the examples."""
    return 0.5 * np.sum((A - Y) ** 2) / Y.shape[1]


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

Y_OF = {"net": None}


@dataclass(frozen=True)
class Line:
    """A line of the block: as printed, what it should be, and how to compute both."""

    latex: str
    repair: str
    printed: Callable[[Truth, Array], Array]
    repaired: Callable[[Truth, Array], Array]
    target: Callable[[Truth], Array]


def row_sums(dZ: Array, m: int) -> Array:
    """Return (1/m) np.sum(dZ, axis=1, keepdims=True)."""
    return onp.sum(dZ, axis=1, keepdims=True) / m


LINES = [
    Line(
        "dZ^{[L]}=A^{[L]}-Y",
        "",
        lambda t, Y: t.A[t.L] - Y,
        lambda t, Y: t.A[t.L] - Y,
        lambda t: t.dZ[t.L],
    ),
    Line(
        r"dW^{[L]}=\frac1m\,dZ^{[L]}{A^{[L]}}^{T}",
        "A^{[L-1]} for A^{[L]}",
        lambda t, Y: t.dZ[t.L] @ t.A[t.L].T / t.m,
        lambda t, Y: t.dZ[t.L] @ t.A[t.L - 1].T / t.m,
        lambda t: t.dW[t.L],
    ),
    Line(
        r"db^{[L]}=\frac1m\,\operatorname{np.sum}(dZ^{[L]},\operatorname{axis}=1,…)",
        "",
        lambda t, Y: row_sums(t.dZ[t.L], t.m),
        lambda t, Y: row_sums(t.dZ[t.L], t.m),
        lambda t: t.db[t.L],
    ),
    Line(
        "dZ^{[L-1]}={dW^{[L]}}^{T}dZ^{[2]}g'^{[1]}(Z^{[1]})",
        "W for dW, L for 2, L-1 for 1, ⊙ for the product",
        lambda t, Y: t.dW[t.L].T @ t.dZ[2] @ t.slope[1],
        lambda t, Y: (t.W[t.L].T @ t.dZ[t.L]) * t.slope[t.L - 1],
        lambda t: t.dZ[t.L - 1],
    ),
    Line(
        r"dW^{[1]}=\frac1m\,dZ^{[1]}{A^{[1]}}^{T}",
        "A^{[0]} = X for A^{[1]}",
        lambda t, Y: t.dZ[1] @ t.A[1].T / t.m,
        lambda t, Y: t.dZ[1] @ t.A[0].T / t.m,
        lambda t: t.dW[1],
    ),
    Line(
        r"db^{[1]}=\frac1m\,\operatorname{np.sum}(dZ^{[1]},\operatorname{axis}=1,…)",
        "",
        lambda t, Y: row_sums(t.dZ[1], t.m),
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
            judge(lambda line=line: line.printed(t, net.Y), line.target(t)),  # type: ignore[misc]
            judge(lambda line=line: line.repaired(t, net.Y), line.target(t)),  # type: ignore[misc]
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

    return {slip: judge(lambda slip=slip: line(slip), t.dZ[t.L - 1]) for slip in SLIPS}  # type: ignore[misc]


def only_dW_for_W() -> Verdict:
    """Return the verdict on dWᵀ dZ ⊙ g′ with all sizes different."""
    t = truth(make_net((3, 4, 2), 5))
    return judge(lambda: (t.dW[2].T @ t.dZ[2]) * t.slope[1], t.dZ[1])


# --- dZ = A − Y, for which loss? ----------------------------------------------------------------


@dataclass(frozen=True)
class OutputError:
    """m · ∂J/∂Z for one output and loss, against A − Y and the right formula."""

    output: str
    formula: str
    off_a_minus_y: float
    off_formula: float


def output_errors() -> list[OutputError]:
    """Compare A − Y with the gradient for four pairs of output and loss."""
    rng = onp.random.default_rng(0)
    Z, m = rng.normal(size=(3, 5)), 5
    labels = (rng.uniform(size=(3, 5)) < 0.5).astype(float)
    one_hot = onp.eye(3)[rng.integers(0, 3, 5)].T
    numbers = rng.normal(size=(3, 5))
    cases: list[tuple[str, Callable[..., Any], Callable[..., Any], Any]] = [
        ("sigmoid + log loss", mean_log_loss, np.sigmoid, labels),
        ("softmax + cross-entropy", mean_cross_entropy, lambda Z: np.softmax(Z, axis=0), one_hot),
        ("linear + half squared error", half_squared, lambda Z: Z, numbers),
        (
            "sigmoid + half squared error",
            lambda Z, Y: half_squared(np.sigmoid(Z), Y),
            np.sigmoid,
            labels,
        ),
    ]
    found = []
    for name, loss, activation, Y in cases:
        dZ = m * bl.grad(loss)(Z, Y)
        A = activation(Z)
        with_slope = name == "sigmoid + half squared error"
        formula = (A - Y) * A * (1 - A) if with_slope else A - Y
        found.append(
            OutputError(
                name,
                "(A − Y) ⊙ A(1 − A)" if with_slope else "A − Y",
                float(abs(A - Y - dZ).max()),
                float(abs(formula - dZ).max()),
            )
        )
    return found


# --- the reply's chain rule, log loss at the edge, logistic regression ---------------------------


def chain_rule_as_printed(x: float = 0.7) -> tuple[float, float, float]:
    """Return f′(x)·g′(x), f′(g(x))·g′(x) and ``bl.grad`` of sin(x²)."""
    f, g = np.sin, np.square
    printed = bl.grad(f)(x) * bl.grad(g)(x)
    right = bl.grad(f)(g(x)) * bl.grad(g)(x)
    return float(printed), float(right), float(bl.grad(lambda x: f(g(x)))(x))


def naive_log_loss(z: Array, y: float) -> Array:
    """The textbook formula, through a = σ(z)."""
    a = np.sigmoid(z)
    return -(y * np.log(a) + (1 - y) * np.log(1 - a))


def stable_log_loss(z: Array, y: float) -> Array:
    """max(z, 0) − zy + log(1 + e^−|z|): the same function, from the logit."""
    return np.maximum(z, 0.0) - z * y + np.log1p(np.exp(-np.abs(z)))


@dataclass(frozen=True)
class Edge:
    """Both forms at one logit, y = 0."""

    z: float
    a: float
    naive: float
    naive_slope: float
    stable: float
    stable_slope: float


def at_the_edge(z: float, y: float = 0.0) -> Edge:
    """Return value and derivative of both forms."""
    with onp.errstate(divide="ignore", invalid="ignore"):
        naive, naive_slope = bl.value_and_grad(naive_log_loss)(z, y)
    stable, stable_slope = bl.value_and_grad(stable_log_loss)(z, y)
    a = float(np.sigmoid(z))
    return Edge(z, a, float(naive), float(naive_slope), float(stable), float(stable_slope))


@dataclass(frozen=True)
class Step:
    """One line of the derivation: formula, its value, and the engine's."""

    what: str
    formula: str
    value: Any
    by_engine: Any


def logistic_regression() -> list[Step]:
    """Derive dL/da → dL/dz → dL/dw, dL/db on one example, each step checked."""
    x, w, b, y = onp.array([1.5, -0.5]), onp.array([0.4, 0.9]), -0.3, 1.0

    def z_of(w: Array, b: Array) -> Array:
        return np.dot(w, x) + b

    def loss(w: Array, b: Array) -> Array:
        return naive_log_loss(z_of(w, b), y)

    z = z_of(w, b)
    a = np.sigmoid(z)
    of_a = bl.grad(lambda a: -(y * np.log(a) + (1 - y) * np.log(1 - a)))(a)
    z_w, z_b = bl.grad(z_of, argnums=(0, 1))(w, b)
    L_w, L_b = bl.grad(loss, argnums=(0, 1))(w, b)
    return [
        Step("dL/da", "−y/a + (1−y)/(1−a)", -y / a + (1 - y) / (1 - a), of_a),
        Step("da/dz", "a(1−a)", a * (1 - a), bl.grad(np.sigmoid)(z)),
        Step("dL/dz", "dL/da · da/dz = a − y", a - y, bl.grad(naive_log_loss)(z, y)),
        Step("∂z/∂w", "x (no b in it)", x, z_w),
        Step("∂z/∂b", "1 (not 0)", 1.0, z_b),
        Step("dL/dw", "dL/dz · ∂z/∂w = (a−y) x", (a - y) * x, L_w),
        Step("dL/db", "dL/dz · ∂z/∂b = a − y", a - y, L_b),
    ]


# --- what the asker reads -----------------------------------------------------------------------


def show_block() -> None:
    heading("The backward block, line by line, computed as printed")
    found = {name: verdicts(*settings) for name, settings in CONFIGURATIONS.items()}
    for k, line in enumerate(LINES):
        print(f"  {line.latex}")
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


def show_output_errors() -> None:
    heading("dZ^{[L]} = A^{[L]} − Y: for which output and loss?")
    rows = [
        (e.output, f"{e.off_a_minus_y:.2g}", e.formula, f"{e.off_formula:.2g}")
        for e in output_errors()
    ]
    table(["output + loss", "A − Y is off by", "formula", "off by"], rows)


def show_chain_rule() -> None:
    heading("The reply's chain rule, printed as (f(g(x)))′ = f′(x)·g′(x)")
    printed, right, engine = chain_rule_as_printed()
    print("With f = sin, g = x², x = 0.7:")
    print(f"  f′(x)·g′(x)    = {printed:.9f}   as printed: wrong")
    print(f"  f′(g(x))·g′(x) = {right:.9f}   right; bl.grad: {engine:.9f}")


def show_edge() -> None:
    heading("Log loss at a = 1, y = 0")
    rows = []
    for z in (2.0, 40.0, 800.0):
        e = at_the_edge(z)
        naive = (f"{e.naive:.6g}", f"{e.naive_slope:.6g}")
        rows.append((f"{z:g}", f"{e.a:.6g}", *naive, f"{e.stable:.6g}", f"{e.stable_slope:.6g}"))
    head = ["z", "a", "−log(1−a)", "its dL/dz", "from the logit", "its dL/dz"]
    table(head, rows)
    print(
        "The loss at a = 1 is infinite. From the logit, max(z,0) − zy + log(1 + e^−|z|), it stays"
    )
    print("finite, and its derivative is a − y as before.")


def show_logistic_regression() -> None:
    heading("Logistic regression, step by step")
    rows = [
        (s.what, s.formula, str(onp.round(s.value, 6)), str(onp.round(s.by_engine, 6)))
        for s in logistic_regression()
    ]
    table(["", "", "value", "bl.grad"], rows)
    print("“The bias is constant, so its derivative is 0” holds for ∂z/∂w only: b is held constant")
    print("there. For ∂z/∂b the bias is the variable, and the derivative is 1.")


def main() -> None:
    """Answer the question."""
    parse_options("How do these vectorised equations come from the chain rule?")
    print("Q4. How do these vectorised equations come from the chain rule?")
    show_block()
    show_output_errors()
    show_chain_rule()
    show_edge()
    show_logistic_regression()


if __name__ == "__main__":
    main()
