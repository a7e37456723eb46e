"""Question 4: how do these vectorised equations come from the chain rule?

The printed backward block is taken apart in q4_block.py, which this script runs first; then which
loss gives dZ = A − Y, log loss at the edge, and logistic regression step by step. Run
``python examples/questions/q4.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as onp
from q4_block import mean_log_loss, show_block, show_derivation
from report import heading, parse_options, table

import backlit as bl
import backlit.numpy as np

Array = Any  # an ndarray outside a transformation, a tracer inside one

# --- dZ = A − Y, for which loss? ----------------------------------------------------------------


def mean_cross_entropy(Z: Array, Y: Array) -> Array:
    """Cross-entropy of softmax outputs from their logits, averaged over the examples."""
    return -np.sum(Y * np.log_softmax(Z, axis=0)) / Y.shape[1]


def half_squared(A: Array, Y: Array) -> Array:
    """Half the squared error, averaged over the examples."""
    return 0.5 * np.sum((A - Y) ** 2) / Y.shape[1]


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
    show_derivation()
    show_block()
    show_output_errors()
    show_chain_rule()
    show_edge()
    show_logistic_regression()


if __name__ == "__main__":
    main()
