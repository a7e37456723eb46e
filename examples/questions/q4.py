"""Question 4: how do these vectorised equations come from the chain rule?

The block derived one index at a time; the block as it was printed, judged line by line; which loss
gives dZ = A − Y, log loss at the edge, and logistic regression step by step. Run
``python examples/questions/q4.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as onp
from report import NOTES, derived, heading, judge, parse_options, table

import backlit as bl
import backlit.numpy as np
from backlit.explain.derivation.indices import indexed
from backlit.explain.derivation.layouts import per_example
from backlit.explain.derive import Sheet, sheet
from backlit.explain.equation.text.printing import unicode

Array = Any  # an ndarray outside a transformation, a tracer inside one

# --- where the lines come from ------------------------------------------------------------------


def network(W1: Array, b1: Array, W2: Array, b2: Array, X: Array, Y: Array) -> Array:
    """Two layers, examples in columns, log loss averaged over the examples."""
    Z1 = W1 @ X + b1
    A1 = np.tanh(Z1)
    Z2 = W2 @ A1 + b2
    A2 = np.sigmoid(Z2)
    J = -np.mean(np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2), axis=0))
    return J


def arguments(seed: int = 0) -> tuple[Any, ...]:
    """Return weights and data; no two dimensions are equal, for equal ones hide slips."""
    rng = onp.random.default_rng(seed)
    weights = [rng.normal(size=shape) for shape in [(4, 3), (4, 1), (2, 4), (2, 1), (3, 5)]]
    return (*weights, (rng.uniform(size=(2, 5)) < 0.5).astype(float))


def network_derivation() -> Sheet:
    """Derive the gradient of the network."""
    return sheet(network, *arguments(), wrt=["W1", "b1", "W2", "b2"])


def block_as_printed(depth: int) -> str:
    """Return the notes of the printed block for one number of layers."""
    return f"L = {depth}\n" + (NOTES / "q4-block.md").read_text(encoding="utf-8")


# --- dZ = A − Y, for which loss? ----------------------------------------------------------------


def sigmoid_log_loss(W: Array, X: Array, Y: Array) -> Array:
    Z = W @ X
    A = np.sigmoid(Z)
    J = -np.mean(np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A), axis=0))
    return J


def softmax_cross_entropy(W: Array, X: Array, Y: Array) -> Array:
    Z = W @ X
    A = np.softmax(Z, axis=0)
    J = -np.mean(np.sum(Y * np.log(A), axis=0))
    return J


def linear_half_squared(W: Array, X: Array, Y: Array) -> Array:
    Z = W @ X
    A = +Z
    J = 0.5 * np.mean(np.sum((A - Y) ** 2, axis=0))
    return J


def sigmoid_half_squared(W: Array, X: Array, Y: Array) -> Array:
    Z = W @ X
    A = np.sigmoid(Z)
    J = 0.5 * np.mean(np.sum((A - Y) ** 2, axis=0))
    return J


@dataclass(frozen=True)
class Output:
    """An output and its loss: as a program, and as notes."""

    name: str
    program: Callable[[Array, Array, Array], Array]
    notes: str


_LOG = r"-\frac1m \sum (Y \odot \log A + (1-Y) \odot \log(1-A))"
_SQUARED = r"\frac{1}{2m} \sum (A - Y)^2"
_ONE_HOT = "Y: (k, m) one-hot columns\n"
OUTPUTS = [
    Output("sigmoid + log loss", sigmoid_log_loss, f"A = σ(Z)\nJ = {_LOG}"),
    Output(
        "softmax + cross-entropy",
        softmax_cross_entropy,
        _ONE_HOT + r"A = softmax(Z, axis=0)" + "\n" + r"J = -\frac1m \sum Y \odot \log A",
    ),
    Output("linear + half squared error", linear_half_squared, f"A = Z\nJ = {_SQUARED}"),
    Output("sigmoid + half squared error", sigmoid_half_squared, f"A = σ(Z)\nJ = {_SQUARED}"),
]


def output_data(seed: int = 0) -> tuple[Array, Array, Array]:
    """Return W, X and one-hot Y, examples in columns."""
    rng = onp.random.default_rng(seed)
    W, X = rng.normal(size=(3, 4)), rng.normal(size=(4, 5))
    return W, X, onp.eye(3)[rng.integers(0, 3, 5)].T


@dataclass(frozen=True)
class OutputError:
    """dZ of one output: as derived, its value, and what the checker says of A − Y."""

    output: str
    formula: str
    dZ: Any
    verdict: str
    suggestion: str | None


def output_errors() -> list[OutputError]:
    """Derive dZ, per example, for each output, and judge ``dZ = A − Y``."""
    found = []
    for output in OUTPUTS:
        derivation = per_example(sheet(output.program, *output_data(), wrt="W"))
        (row,) = [row for row in derived(derivation, *output_data()) if row[0] == "dZ"]
        notes = f"Z = W X\n{output.notes}\ndZ = A - Y\ndW = \\frac1m dZ X^T"
        verdict = bl.check(notes).verdicts[0]
        found.append(OutputError(output.name, *row[1:], verdict.verdict, verdict.suggestion))
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
    L = -(y * np.log(a) + (1 - y) * np.log(1 - a))
    return L


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


EXAMPLE = (onp.array([0.4, 0.9]), -0.3, onp.array([1.5, -0.5]), 1.0)  # w, b, x, y


def logistic_loss(w: Array, b: Array, x: Array, y: float) -> Array:
    """Logistic regression on one example."""
    z = np.dot(w, x) + b
    a = np.sigmoid(z)
    L = -(y * np.log(a) + (1 - y) * np.log(1 - a))
    return L


def logistic_regression() -> list[tuple[str, str, Any]]:
    """Derive dL/da → dL/dz → dL/dw, dL/db: name, formula, value on one example."""
    return derived(sheet(logistic_loss, *EXAMPLE, wrt=["w", "b"]), *EXAMPLE)


# --- what the asker reads -----------------------------------------------------------------------


def show_derivation() -> None:
    heading("Where the lines come from: the chain rule, one index at a time")
    found = network_derivation()
    lines = zip(found.backward, per_example(found).backward, strict=True)
    rows = [
        (unicode(indexed(line, found).equation), unicode(line.equation), unicode(other.equation))
        for line, other in lines
    ]
    table(["for one element", "in matrices", "with dZ per example: m · ∂J/∂Z"], rows)
    print(
        "A sum over a shared index is a matrix product; which side and which transpose follow from"
    )
    print("where the index stands. ⊙ appears because g acts on each element alone.")


def show_block() -> None:
    heading("The backward block as it was printed, line by line")
    judge("q4-block")
    print("\nAt L = 2 the indices of the fourth line agree by luck; dW and the product do not:")
    two = bl.check(block_as_printed(2)).verdicts[3]
    print(f"  {two.verdict}: {two.message}\n  try: {two.suggestion}")
    heading("One slip at a time, in square layers with m = the width")
    print("Every shape fits here. Only values tell, at random numbers:\n")
    judge("q4-slips")


def show_output_errors() -> None:
    heading("dZ^{[L]} = A^{[L]} − Y: for which output and loss?")
    rows = [(e.output, e.formula, e.verdict, e.suggestion or "") for e in output_errors()]
    table(["output + loss", "dZ as derived", "A − Y is", "try"], rows)


def show_chain_rule() -> None:
    heading("The reply's chain rule, printed as (f(g(x)))′ = f′(x)·g′(x)")
    judge("q4-chain-rule")
    printed, right, engine = chain_rule_as_printed()
    print("\nWith f = sin, g = x², x = 0.7:")
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
    print("The loss at a = 1 is infinite. bl.why_nan says where that comes from:\n")
    print(bl.why_nan(naive_log_loss, 40.0, 0.0))
    print("\nFrom the logit, max(z,0) − zy + log(1 + e^−|z|), it stays finite, and its derivative")
    print("is a − y as before:\n")
    judge("q4-stable")


def show_logistic_regression() -> None:
    heading("Logistic regression, step by step")
    rows = [(name, form, str(onp.round(value, 6))) for name, form, value in logistic_regression()]
    table(["", "as derived", "value"], rows)
    print()
    judge("q4-logistic")
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
