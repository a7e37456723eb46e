"""Question 1: "one diagram gave me the aha: forward on the left, backward on the right".

The two-panel picture for any gate and any whole graph, and the claims that usually travel with it,
each put to the test. Run ``python examples/questions/q1.py``; ``--plot DIR`` saves pictures.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as onp
from report import heading, judge, parse_options, table

import backlit as bl
import backlit.numpy as np
from backlit.explain import draw

Array = Any  # an ndarray outside a transformation, a tracer inside one

# --- the two-panel picture --------------------------------------------------------------------


def multiply(x: Array, y: Array) -> Array:
    """The gate of the diagram."""
    z = x * y
    return z


def branching(x: Array, y: Array, w: Array) -> Array:
    """A whole graph in which p is used twice, so that two edges meet in ∂L/∂p."""
    p = x * y
    q = np.sin(p) + w
    L = (q * p) ** 2
    return L


def layer(W: Array, b: Array, X: Array, Y: Array) -> Array:
    """A layer of a network on a batch: the same picture with arrays on the edges."""
    A = np.tanh(X @ W + b)
    L = np.mean((A - Y) ** 2)
    return L


def layer_arguments(seed: int = 0) -> tuple[Any, ...]:
    """Return weights and data for `layer`."""
    rng = onp.random.default_rng(seed)
    shapes = [(3, 2), (2,), (5, 3), (5, 2)]
    return tuple(rng.normal(size=shape) for shape in shapes)


def save_pictures(directory: Path) -> list[Path]:
    """Save the gate and the whole graph as SVG; needs the extra ``draw``."""
    directory.mkdir(parents=True, exist_ok=True)
    pictures = {
        "q1-gate.svg": draw(multiply, 3.0, -4.0, upstream=-2.0),
        "q1-graph.svg": draw(branching, 2.0, 0.3, 0.5),
    }
    for name, picture in pictures.items():
        picture.save(directory / name)
    return [directory / name for name in pictures]


# --- the chain rule, and the loop -------------------------------------------------------------


@dataclass(frozen=True)
class ChainRule:
    """A composition's derivative: factors, their product, the engine's answer."""

    formula: str
    factors: tuple[float, ...]
    product: float
    by_grad: float


def chain_rules(x: float = 0.7) -> list[ChainRule]:
    """Return h(g(x)) and A(B(C(x))) with h, A = exp; g, B = sin; C = x²."""
    g, h = np.sin, np.exp
    two = (bl.grad(h)(g(x)), bl.grad(g)(x))
    A, B, C = np.exp, np.sin, np.square
    three = (bl.grad(A)(B(C(x))), bl.grad(B)(C(x)), bl.grad(C)(x))
    whole = [bl.grad(lambda x: h(g(x)))(x), bl.grad(lambda x: A(B(C(x))))(x)]
    names = ["h′(g(x)) · g′(x)", "A′(B(C(x))) · B′(C(x)) · C′(x)"]
    return [
        ChainRule(name, tuple(map(float, f)), float(onp.prod(f)), float(direct))
        for name, f, direct in zip(names, (two, three), whole, strict=True)
    ]


@dataclass(frozen=True)
class Lap:
    """One round of the training loop."""

    prediction: Any
    loss: float
    gradient: Any
    weights: Any


def training_loop(laps: int = 4, rate: float = 2.0) -> list[Lap]:
    """Train one logistic neuron on AND; weights are (w1, w2, bias)."""
    X = onp.array([[0.0, 0.0, 1.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 1.0]])
    y = onp.array([0.0, 0.0, 0.0, 1.0])

    def forward(w: Array) -> Array:
        return np.sigmoid(X @ w)

    def loss(w: Array) -> Array:
        a = forward(w)
        return -np.mean(y * np.log(a) + (1 - y) * np.log(1 - a))

    w = onp.zeros(3)
    history = []
    for _ in range(laps):
        prediction = forward(w)
        value, gradient = bl.value_and_grad(loss)(w)
        w = w - rate * gradient
        history.append(Lap(prediction, float(value), gradient, w))
    return history


# --- "gradient descent takes the direction of fastest decrease" --------------------------------


def bowl(v: Array) -> Array:
    """½(x² + 25 y²): a narrow valley."""
    return 0.5 * (v[0] ** 2 + 25.0 * v[1] ** 2)


@dataclass(frozen=True)
class Steepest:
    """The best unit step in one norm: found by search, and by the formula."""

    norm: str
    formula: str
    searched: Any
    exact: Any
    slope: float


POINT = onp.array([5.0, 0.4])


def steepest(directions: int = 360_000) -> list[Steepest]:
    """Search all unit vectors of three norms for the smallest ∇f·u at POINT."""
    g = bl.grad(bowl)(POINT)
    angles = onp.linspace(0.0, 2 * onp.pi, directions, endpoint=False)
    circle = onp.stack([onp.cos(angles), onp.sin(angles)])
    largest = onp.where(abs(g) == abs(g).max(), 1.0, 0.0)
    exact = {
        "Euclidean": ("−∇f/‖∇f‖₂", 2.0, -g / onp.linalg.norm(g)),
        "max": ("−sign(∇f)", onp.inf, -onp.sign(g)),
        "1-norm": ("−sign on the largest part", 1.0, -onp.sign(g) * largest),
    }
    found = []
    for norm, (formula, order, u) in exact.items():
        units = circle / onp.linalg.norm(circle, ord=order, axis=0)
        best = units[:, onp.argmin(g @ units)]
        found.append(Steepest(norm, formula, best, u, float(g @ u)))
    return found


def along_gradient(steps: Sequence[float]) -> list[tuple[float, float, float]]:
    """Return step length, first-order change and true change of f along −∇f/‖∇f‖."""
    g = bl.grad(bowl)(POINT)
    u = -g / onp.linalg.norm(g)
    return [(t, t * float(g @ u), float(bowl(POINT + t * u) - bowl(POINT))) for t in steps]


# --- "inference needs only the forward pass" ---------------------------------------------------


@dataclass(frozen=True)
class Memory:
    """Peak memory of a deep network's run, in arrays of the size of one layer's activation."""

    type_seen: str
    peak: float


def inference_and_training(layers: int = 50, width: int = 64, rows: int = 200) -> dict[str, Memory]:
    """Run the same network plainly and under ``bl.grad``; say what flowed and what was kept."""
    rng = onp.random.default_rng(0)
    weights = [rng.normal(size=(width, width)) / width**0.5 for _ in range(layers)]
    x = rng.normal(size=(rows, width))
    seen: list[str] = []

    def network(x: Array) -> Array:
        for w in weights:
            x = np.tanh(x @ w)
        seen.append(type(x).__name__)
        return x.sum()

    def measure(run: Callable[[Any], Any]) -> Memory:
        tracemalloc.start()
        run(x)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return Memory(seen[-1], peak / x.nbytes)

    return {"inference": measure(network), "gradient": measure(bl.grad(network))}


# --- "finds minima", "partials combine", "contribution" ----------------------------------------


def double_well(x: Array) -> Array:
    """x⁴ − 2x²: minima at ±1, a local maximum at 0."""
    return x**4 - 2 * x**2


def descend(start: float, steps: int = 1000, rate: float = 0.05) -> float:
    """Return where gradient descent on the double well ends."""
    x = start
    for _ in range(steps):
        x = x - rate * float(bl.grad(double_well)(x))
    return x


def ridge(x: Array, y: Array) -> Array:
    """xy/(x²+y²), and 0 at the origin."""
    if x == 0 and y == 0:
        return 0.0 * x
    return x * y / (x**2 + y**2)


@dataclass(frozen=True)
class Ridge:
    """The function near the origin."""

    partials: tuple[float, float]
    quotients: list[tuple[float, float]]
    diagonal: list[tuple[float, float]]


def ridge_at_origin() -> Ridge:
    """Return the partials at 0, by the engine and by difference quotients, and f(t, t)."""
    partials = bl.grad(ridge, argnums=(0, 1))(0.0, 0.0)
    steps = [1e-1, 1e-4, 1e-8]
    quotients = [(ridge(h, 0.0) / h, ridge(0.0, h) / h) for h in steps]
    return Ridge(
        (float(partials[0]), float(partials[1])), quotients, [(t, ridge(t, t)) for t in steps]
    )


@dataclass(frozen=True)
class Contribution:
    """Gradients read as contributions, beside what they are."""

    loss: float
    weighted_sum: float
    predicted_change: float
    true_change: float
    removal_predicted: float
    removal_true: float


def contribution(nudge: float = 1e-3) -> Contribution:
    """Compare Σ w·∂L/∂w with L, and ∂L/∂w with what changing or removing one weight does."""
    rng = onp.random.default_rng(3)
    weights = [rng.normal(size=(3, 4)), rng.normal(size=(4, 1))]
    x, y = rng.normal(size=(6, 3)), rng.normal(size=(6, 1))

    def loss(weights: Sequence[Array]) -> Array:
        return 0.5 * np.mean((np.tanh(x @ weights[0]) @ weights[1] - y) ** 2)

    def with_first(value: float) -> float:
        changed = weights[0].copy()
        changed[0, 0] = value
        return float(loss([changed, weights[1]]))

    value, gradient = bl.value_and_grad(loss)(weights)
    total = sum(float((w * g).sum()) for w, g in zip(weights, gradient, strict=True))
    w, g = float(weights[0][0, 0]), float(gradient[0][0, 0])
    return Contribution(
        float(value),
        total,
        g * nudge,
        with_first(w + nudge) - float(value),
        -w * g,
        with_first(0.0) - float(value),
    )


# --- what the asker reads ---------------------------------------------------------------------


def show_pictures(directory: Path | None) -> None:
    heading("The picture for one gate: z = x·y, which receives ∂L/∂z = −2")
    print(draw(multiply, 3.0, -4.0, upstream=-2.0))
    heading("The picture for a whole graph: L = ((sin p + w)·p)² with p = x·y")
    print(draw(branching, 2.0, 0.3, 0.5))
    print("p is used twice: what comes back from both uses is added up.")
    heading("The same with arrays: a tanh layer and a mean squared error")
    print(draw(layer, *layer_arguments()))
    if directory is not None:
        for path in save_pictures(directory):
            print(f"saved {path}")


def show_chain_rule() -> None:
    heading("The chain rule at x = 0.7")
    for rule in chain_rules():
        factors = " · ".join(f"{factor:.6f}" for factor in rule.factors)
        print(f"  {rule.formula} = {factors} = {rule.product:.9f}; bl.grad: {rule.by_grad:.9f}")
    print("\nFor any functions, and for any gate:\n")
    judge("q1-chain-rule")


def show_loop() -> None:
    heading("Forward, loss, backward, update, repeat: one neuron learns AND")
    for k, lap in enumerate(training_loop(), 1):
        print(f"  round {k}")
        print(f"    1 forward   a = {onp.round(lap.prediction, 4)}")
        print(f"    2 loss      L = {lap.loss:.6f}")
        print(f"    3 backward  ∂L/∂(w1, w2, b) = {onp.round(lap.gradient, 4)}")
        print(f"    4 update    (w1, w2, b) = {onp.round(lap.weights, 4)}")
    print("    5 repeat    …")


def show_steepest() -> None:
    heading("“The direction of fastest decrease”")
    print(
        f"f = ½(x² + 25y²) at {POINT}, ∇f = {bl.grad(bowl)(POINT)}. The best of 360,000 unit steps:"
    )
    rows = [
        (
            s.norm,
            str(onp.round(s.searched, 4)),
            s.formula,
            str(onp.round(s.exact, 4)),
            f"{s.slope:.4f}",
        )
        for s in steepest()
    ]
    table(["norm", "found by search", "formula", "value", "∇f·u"], rows)
    print("So −∇f is steepest in the Euclidean norm; another norm gives another direction.")
    print("And it holds to first order only. Along −∇f/‖∇f‖:")
    changes = along_gradient([0.001, 0.1, 1, 5])
    table(
        ["step", "first order", "true change"],
        [(f"{t:g}", f"{first:+.4f}", f"{true:+.4f}") for t, first, true in changes],
    )


def show_inference() -> None:
    heading("“Inference needs only the forward pass”")
    found = inference_and_training()
    print("Yes. A network of 50 layers, run plainly and under bl.grad:")
    rows = [(name, m.type_seen, f"{m.peak:.1f}") for name, m in found.items()]
    table(["", "what flows", "peak memory in activations"], rows)
    print("Without a gradient plain arrays flow, nothing is recorded and nothing is kept.")


def show_claims() -> None:
    heading("“Gradient descent finds local or global minima”")
    for start in (0.0, 1e-6, -2e-1):
        end = descend(start)
        print(f"  x⁴ − 2x² from {start:g}: ends at {end:.6f}, f = {double_well(end):.6f}")
    curvature = bl.grad(bl.grad(double_well))(0.0)
    print(f"At 0 the gradient is {bl.grad(double_well)(0.0):g} and f″ = {curvature:g}: a maximum.")
    print("Only a stationary point is guaranteed.")
    heading("“Partials combine into the full derivative”")
    r = ridge_at_origin()
    print(f"f = xy/(x²+y²), f(0,0) = 0. Partials at 0 by bl.grad: {r.partials}")
    print(f"  difference quotients: {r.quotients}")
    for t, value in r.diagonal:
        print(f"  f({t:g}, {t:g}) = {value}, where the partials promise 0")
    print("f is not even continuous at 0. The step from partials to a derivative needs")
    print("differentiability (continuous partials are enough).")
    heading("A gradient as a weight's “contribution” to the error")
    c = contribution()
    print(f"  L = {c.loss:.6f}, Σ w·∂L/∂w = {c.weighted_sum:.6f}: the parts do not add up to L.")
    nudge = (f"{c.predicted_change:+.4e}", f"{c.true_change:+.4e}")
    removal = (f"{c.removal_predicted:+.4e}", f"{c.removal_true:+.4e}")
    rows = [("nudged by 0.001", *nudge), ("removed (w → 0)", *removal)]
    table(["one weight", "∂L/∂w · change", "true change of L"], rows)
    print("∂L/∂w is a sensitivity: the rate of change of L for a small change of w.")


def main() -> None:
    """Answer the question."""
    options = parse_options("Forward on the left, backward on the right", "graphlay")
    print("Q1. One diagram gave me the aha: forward on the left, backward on the right")
    show_pictures(options.plot)
    show_chain_rule()
    show_loop()
    show_steepest()
    show_inference()
    show_claims()


if __name__ == "__main__":
    main()
