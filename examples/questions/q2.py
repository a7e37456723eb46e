"""Question 2: how do I get the gradient of the middle layer? Is this equation correct?

The chain with a shared bias, the 2-2-2 network with its numbers, the asker's equation factor by
factor, and the answer's "crude algorithm" with its price. Run ``python examples/questions/q2.py``;
``--plot DIR`` saves the picture of the two paths.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as onp
from report import derived, heading, judge, new_figure, parse_options, save, table

import backlit as bl
import backlit.numpy as np
from backlit.explain import Explanation, explain_weight
from backlit.explain.derive import Sheet, sheet
from backlit.explain.equation.text.printing import unicode

Array = Any  # an ndarray outside a transformation, a tracer inside one

# --- the chain x → h → y′, one bias in both layers ---------------------------------------------

CHAIN_X = onp.array([0.5, -1.0, 2.0])
CHAIN_Y = onp.array([0.3, 0.8, 0.6])
W1, W2, B = 0.7, -1.3, 0.2


def chain_loss(w1: Array, w2: Array, b1: Array, b2: Array, x: Array, y: Array) -> Array:
    """½ Σ (y − y′)² with h = σ(x w1 + b1), y′ = σ(h w2 + b2)."""
    h = np.sigmoid(x * w1 + b1)
    out = np.sigmoid(h * w2 + b2)
    L = 0.5 * np.sum((out - y) ** 2)
    return L


def shared_loss(w1: Array, w2: Array, b: Array, x: Array, y: Array) -> Array:
    """The asker's chain: the same b in both layers."""
    h = np.sigmoid(x * w1 + b)
    out = np.sigmoid(h * w2 + b)
    L = 0.5 * np.sum((out - y) ** 2)
    return L


def shared_derivation() -> Sheet:
    """Derive the gradient of the asker's chain."""
    return sheet(shared_loss, W1, W2, B, CHAIN_X, CHAIN_Y, wrt=["w1", "w2", "b"])


@dataclass(frozen=True)
class SharedBias:
    """Gradients of the chain, by formula and by engine; the bias's two paths."""

    by_formula: tuple[float, float, float]
    by_derivation: tuple[float, float, float]
    by_grad: tuple[float, float, float]
    path_output: float
    path_hidden: float


def shared_bias() -> SharedBias:
    """Return ∂L/∂w1, ∂L/∂w2, ∂L/∂b by the asker's formulas, as derived, and by ``bl.grad``."""
    h = np.sigmoid(CHAIN_X * W1 + B)
    predicted = np.sigmoid(h * W2 + B)
    delta = (predicted - CHAIN_Y) * predicted * (1 - predicted)
    back = W2 * h * (1 - h)
    formula = (delta * back * CHAIN_X, delta * h, delta * (1 + back))
    point = (W1, W2, B, CHAIN_X, CHAIN_Y)
    derivatives = derived(shared_derivation(), *point)
    found = {name: float(value) for name, _, value in derivatives if value.ndim == 0}
    engine = bl.grad(shared_loss, argnums=(0, 1, 2))(*point)
    hidden, output = bl.grad(chain_loss, argnums=(2, 3))(W1, W2, B, B, CHAIN_X, CHAIN_Y)
    w1, w2, b = (float(part.sum()) for part in formula)
    e1, e2, eb = (float(part) for part in engine)
    return SharedBias(
        (w1, w2, b),
        (found["∂L/∂w1"], found["∂L/∂w2"], found["∂L/∂b"]),
        (e1, e2, eb),
        float(output),
        float(hidden),
    )


# --- the 2-2-2 network ------------------------------------------------------------------------

INPUT = onp.array([0.05, 0.10])
TARGET = onp.array([0.01, 0.99])
WEIGHTS = onp.array([0.15, 0.20, 0.25, 0.30, 0.40, 0.45, 0.50, 0.55])
BIASES = (0.35, 0.60)
RATE = 0.5


def hidden_units(w: Array, i: Array) -> Array:
    """Return h1, h2: w1 w2 lead into h1, w3 w4 into h2."""
    return np.sigmoid(w[:4].reshape(2, 2) @ i + BIASES[0])


def output_units(w: Array, h: Array) -> Array:
    """Return o1, o2: w5 w6 lead into o1, w7 w8 into o2."""
    return np.sigmoid(w[4:].reshape(2, 2) @ h + BIASES[1])


def loss_of_outputs(o: Array, y: Array) -> Array:
    """Half the squared error, summed over the outputs."""
    return 0.5 * ((o - y) ** 2).sum()


def network_loss(w: Array, i: Array = INPUT, y: Array = TARGET) -> Array:
    """Return L of the network at weights w1…w8."""
    return loss_of_outputs(output_units(w, hidden_units(w, i)), y)


def every_line(
    w1: Array, w2: Array, w3: Array, w4: Array, w5: Array, w6: Array, w7: Array, w8: Array
) -> Array:
    """The same network, one unit at a time and every number with a name."""
    i1, i2 = INPUT
    z_h1 = w1 * i1 + w2 * i2 + BIASES[0]
    z_h2 = w3 * i1 + w4 * i2 + BIASES[0]
    h1 = np.sigmoid(z_h1)
    h2 = np.sigmoid(z_h2)
    z_o1 = w5 * h1 + w6 * h2 + BIASES[1]
    z_o2 = w7 * h1 + w8 * h2 + BIASES[1]
    o1 = np.sigmoid(z_o1)
    o2 = np.sigmoid(z_o2)
    L = 0.5 * (o1 - TARGET[0]) ** 2 + 0.5 * (o2 - TARGET[1]) ** 2
    return L


@dataclass(frozen=True)
class Factors:
    """Every derivative the two equations for ∂L/∂w1 name, each taken by the engine."""

    h1_w1: float
    o1_h1: float
    o2_h1: float
    L_o1: float
    L_o2: float
    w5_h1: float
    w7_h1: float
    o1_w5: float
    o2_w7: float
    by_grad: float

    @property
    def through_o1(self) -> float:
        """The path w1 → h1 → o1 → L."""
        return self.h1_w1 * self.o1_h1 * self.L_o1

    @property
    def through_o2(self) -> float:
        """The path w1 → h1 → o2 → L."""
        return self.h1_w1 * self.o2_h1 * self.L_o2

    @property
    def correct(self) -> float:
        """The sum over both paths."""
        return self.through_o1 + self.through_o2

    @property
    def asked(self) -> float:
        """The asker's right side, read literally."""
        via_w7 = self.h1_w1 * self.w7_h1 * self.o2_w7 * self.L_o2
        via_w5 = self.h1_w1 * self.w5_h1 * self.o1_w5 * self.L_o1
        return via_w7 + via_w5


def factors(w: Array = WEIGHTS) -> Factors:
    """Return the derivatives of the network at weights w."""
    h = hidden_units(w, INPUT)
    o = output_units(w, h)
    outputs_of_h = bl.jacobian(lambda h: output_units(w, h))(h)
    outputs_of_w = bl.jacobian(lambda w: output_units(w, h))(w)
    # The weights as a function of h1: whatever h1 is, they are what they are.
    weights_of_h = bl.jacobian(lambda h1: w)(h[0])
    at_outputs = bl.grad(loss_of_outputs)(o, TARGET)
    return Factors(
        h1_w1=float(bl.jacobian(hidden_units)(w, INPUT)[0, 0]),
        o1_h1=float(outputs_of_h[0, 0]),
        o2_h1=float(outputs_of_h[1, 0]),
        L_o1=float(at_outputs[0]),
        L_o2=float(at_outputs[1]),
        w5_h1=float(weights_of_h[4]),
        w7_h1=float(weights_of_h[6]),
        o1_w5=float(outputs_of_w[0, 4]),
        o2_w7=float(outputs_of_w[1, 6]),
        by_grad=float(bl.grad(network_loss)(w)[0]),
    )


def explained() -> Explanation:
    """Explain ∂L/∂w1 as a sum over the paths from w1 to L."""
    return explain_weight(every_line, *WEIGHTS.tolist(), wrt="w1")


def train(steps: int) -> tuple[Any, float]:
    """Return weights and loss after full gradient steps, biases frozen."""
    w = WEIGHTS
    gradient = bl.grad(network_loss)
    for _ in range(steps):
        w = w - RATE * gradient(w)
    return w, float(network_loss(w))


# --- the "crude algorithm" --------------------------------------------------------------------

WIDTHS: tuple[tuple[int, ...], ...] = ((2, 2, 2), (2, 3, 4, 2), (4, 4, 4, 4, 4), (4, 8, 8, 8, 8, 1))


@dataclass(frozen=True)
class PathExpansion:
    """All weights' derivatives, each a sum over paths, and what that took."""

    gradient: list[Any]
    by_grad: list[Any]
    paths_of_first: int
    predicted_paths: int
    paths: int
    multiplications: int
    sweep_operations: int

    @property
    def largest_difference(self) -> float:
        """Largest difference from ``bl.grad`` over all weights."""
        pairs = zip(self.gradient, self.by_grad, strict=True)
        return max(float(abs(ours - engine).max()) for ours, engine in pairs)


def random_network(widths: Sequence[int], seed: int = 0) -> list[Array]:
    """Return weights (inputs, units) of a network of sigmoid layers without biases."""
    rng = onp.random.default_rng(seed)
    return [rng.normal(size=pair) for pair in zip(widths, widths[1:], strict=False)]


def sum_of_outputs(weights: Sequence[Array], x: Array) -> Array:
    """Return half the squared norm of the network's output."""
    for w in weights:
        x = np.sigmoid(x @ w)
    return 0.5 * (x**2).sum()


def path_expansion(widths: Sequence[int], seed: int = 0) -> PathExpansion:
    """Differentiate L by the functions one layer back, keep those that depend on w, recurse.

    `widths` includes the inputs. Nothing is shared between paths or between weights.
    """
    weights = random_network(widths, seed)
    x = onp.random.default_rng(seed + 1).normal(size=widths[0])
    activations = [x]
    for w in weights:
        activations.append(np.sigmoid(activations[-1] @ w))
    slopes = [a * (1 - a) for a in activations]
    last = len(weights)
    paths = multiplications = 0

    def expand(layer: int, unit: int, so_far: float) -> float:
        """Follow every edge out of a unit; `so_far` is the product along the path to it."""
        nonlocal paths, multiplications
        if layer == last:
            paths += 1
            multiplications += 1
            return so_far * float(activations[last][unit])
        total = 0.0
        for after in range(widths[layer + 1]):
            multiplications += 2
            edge = float(weights[layer][unit, after]) * float(slopes[layer + 1][after])
            total += expand(layer + 1, after, so_far * edge)
        return total

    gradient = [onp.zeros_like(w) for w in weights]
    paths_of_first = 0
    for layer, found in enumerate(gradient):
        for source, unit in onp.ndindex(found.shape):
            multiplications += 1
            local = float(activations[layer][source]) * float(slopes[layer + 1][unit])
            found[source, unit] = expand(layer + 1, unit, local)
            paths_of_first = paths_of_first or paths
    cost = bl.cost(lambda weights: sum_of_outputs(weights, x), weights)
    return PathExpansion(
        gradient,
        bl.grad(sum_of_outputs)(weights, x),
        paths_of_first,
        math.prod(widths[2:]),
        paths,
        multiplications,
        cost.reverse.flops,
    )


# --- "w is the variable, the rest are constants" ------------------------------------------------


@dataclass(frozen=True)
class Variables:
    """What depends on what, within a pass and across an update."""

    right: float
    activations_frozen: float
    weight_of_input: float
    updated_weight_of_input: float
    by_difference: float


def updated(i1: Array) -> Array:
    """Return w1 after one step on the example (i1, i2)."""
    i = np.stack([i1, INPUT[1]])
    return WEIGHTS[0] - RATE * bl.grad(network_loss)(WEIGHTS, i)[0]


def variables() -> Variables:
    """Freeze the activations, then differentiate w1 by the data before and after one update."""

    def frozen(w: Array) -> Array:
        return loss_of_outputs(output_units(w, bl.stop_gradient(hidden_units(w, INPUT))), TARGET)

    i1, step = float(INPUT[0]), 1e-5
    return Variables(
        right=float(bl.grad(network_loss)(WEIGHTS)[0]),
        activations_frozen=float(bl.grad(frozen)(WEIGHTS)[0]),
        weight_of_input=float(bl.grad(lambda i1: WEIGHTS[0])(i1)),
        updated_weight_of_input=float(bl.grad(updated)(i1)),
        by_difference=float((updated(i1 + step) - updated(i1 - step)) / (2 * step)),
    )


# --- the picture of the two paths ---------------------------------------------------------------

PLACES = {
    "i₁": (0.0, 1.0),
    "i₂": (0.0, 0.0),
    "h₁": (1.2, 1.0),
    "h₂": (1.2, 0.0),
    "o₁": (2.4, 1.0),
    "o₂": (2.4, 0.0),
    "L": (3.4, 0.5),
}
EDGES = ("i₁h₁", "i₂h₁", "i₁h₂", "i₂h₂", "h₁o₁", "h₂o₁", "h₁o₂", "h₂o₂", "o₁L", "o₂L")


def plot(directory: Path) -> Path:
    """Save the network with the two paths from w₁ to L, and their factors."""
    f = factors()
    figure, axes = new_figure(7.8, 3.2, 1)
    first, second = "#b3361f", "#2f5fc4"
    colours = {"i₁h₁": first, "h₁o₁": first, "o₁L": first, "h₁o₂": second, "o₂L": second}
    for edge in EDGES:
        (x1, y1), (x2, y2) = PLACES[edge[:2]], PLACES[edge[2:]]
        colour = colours.get(edge, "#b8bfc9")
        line = "--" if colour == second else "-"
        axes.plot([x1, x2], [y1, y2], line, color=colour, linewidth=2 if edge in colours else 1)
    # w₁ lies on both paths.
    axes.plot([0.0, 1.2], [0.97, 0.97], "--", color=second, linewidth=2)
    for name, (x, y) in PLACES.items():
        axes.plot([x], [y], "o", markersize=28, markerfacecolor="white", markeredgecolor="#1d2129")
        axes.text(x, y, name, ha="center", va="center", fontsize=12)
    labels = [
        (0.6, 1.1, f"w₁: ∂h₁/∂w₁ = {f.h1_w1:.6f}", "#1d2129"),
        (1.8, 1.1, f"∂o₁/∂h₁ = {f.o1_h1:.6f}", first),
        (3.1, 1.0, f"∂L/∂o₁ = {f.L_o1:.6f}", first),
        (1.5, 0.75, f"∂o₂/∂h₁ = {f.o2_h1:.6f}", second),
        (3.1, 0.0, f"∂L/∂o₂ = {f.L_o2:.6f}", second),
        (0.6, 1.36, f"through o₁: {f.through_o1:+.9f}", first),
        (1.8, 1.36, f"through o₂: {f.through_o2:+.9f}", second),
        (3.0, 1.36, f"the sum: {f.correct:+.9f}", "#1d2129"),
    ]
    behind = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    for x, y, text, colour in labels:
        axes.text(x, y, text, ha="center", va="center", fontsize=10, color=colour, bbox=behind)
    axes.set(xlim=(-0.25, 3.65), ylim=(-0.2, 1.46))
    axes.axis("off")
    return save(figure, directory, "q2-paths.svg")


# --- what the asker reads ---------------------------------------------------------------------


def show_chain() -> None:
    heading("The chain x → h → y′ with the same b in both layers")
    judge("q2-shared-bias")
    print("\nThe same derived (y′ is called out), for a sum over samples:")
    for line in shared_derivation().backward:
        print(f"  {unicode(line.equation)}")
    s = shared_bias()
    names = ["∂L/∂w₁", "∂L/∂w₂", "∂L/∂b"]
    columns = zip(names, s.by_formula, s.by_derivation, s.by_grad, strict=True)
    rows = [(name, *[f"{value:+.9f}" for value in values]) for name, *values in columns]
    table(["in numbers", "by the formula", "as derived", "bl.grad"], rows)
    print(f"b reaches L twice: {s.path_output:+.9f} through the output's sum and")
    print(f"{s.path_hidden:+.9f} through h. Leave either out and the bias's gradient is wrong.")


def show_equation() -> None:
    heading("The 2-2-2 network: is the equation for ∂L/∂w₁ correct?")
    judge("q2-middle-layer")
    f = factors()
    print(f"\nIn numbers, where L = {float(network_loss(WEIGHTS)):.9f}:")
    print(
        f"  asked:   {f.h1_w1:.6f}·{f.w7_h1:g}·{f.o2_w7:.6f}·({f.L_o2:.6f})"
        f" + {f.h1_w1:.6f}·{f.w5_h1:g}·{f.o1_w5:.6f}·{f.L_o1:.6f} = {f.asked:g}"
    )
    print(
        f"  correct: {f.h1_w1:.6f}·{f.o2_h1:.6f}·({f.L_o2:.6f})"
        f" + {f.h1_w1:.6f}·{f.o1_h1:.6f}·{f.L_o1:.6f} = {f.correct:.9f}"
    )
    print("The paths from w₁ to L, by bl.explain:")
    paths = explained().paths
    for path in paths.largest:
        names = [element.name for element in path.elements]
        print(f"  path through {'o₁' if 'o1' in names else 'o₂'} {path.product:+.9f}")
    print(f"  total           {paths.total:+.9f}; bl.grad {f.by_grad:+.9f}")
    print("\nEvery line of the calculation, and one that forgot the second path:\n")
    judge("q2-numbers")
    heading("Training it, rate 0.5, biases frozen")
    for steps in (0, 1, 10_000):
        weights, loss = train(steps)
        print(f"  after {steps:6,} steps L = {loss:.9g}, w₁ = {weights[0]:.9f}")


def show_crude_algorithm() -> None:
    heading("The answer's “crude algorithm”")
    print("Differentiate L by the functions one layer back, keep those that depend on w, recurse.")
    print("It is right. It walks every path from w to L, and their number is the product of the")
    print("widths of the layers after the weight:")
    rows = []
    for widths in WIDTHS:
        p = path_expansion(widths)
        name = "-".join(map(str, widths))
        difference = f"{p.largest_difference:.0e}"
        counts = (p.paths_of_first, p.paths, p.multiplications, p.sweep_operations)
        rows.append((name, *counts, difference))
    head = ["network", "paths of w₁", "of all weights", "their products", "one sweep", "difference"]
    table(head, rows)
    print(
        "One backward sweep gives all weights too; counted are all its floating-point operations,"
    )
    print("the forward pass included. It shares what the paths have in common.")


def show_variables() -> None:
    heading("“w is the variable, the rest are constants”")
    v = variables()
    print("The other weights are held constant. The activations are not: they carry w₁ to L.")
    print(f"  ∂L/∂w₁ = {v.right:+.9f}; with h held constant it would be {v.activations_frozen:g}")
    print("Within a pass a weight does not depend on the data; after an update it does:")
    print(f"  ∂w₁/∂i₁ before = {v.weight_of_input:g}")
    print(f"  ∂(w₁ − 0.5 ∂L/∂w₁)/∂i₁ = {v.updated_weight_of_input:+.9f} (bl.grad through bl.grad)")
    print(f"  by central differences   {v.by_difference:+.9f}")


def main() -> None:
    """Answer the question."""
    options = parse_options("How do I get the gradient of the middle layer?", "matplotlib")
    print("Q2. How do I get the gradient of the middle layer? Is this equation correct?")
    show_chain()
    show_equation()
    show_crude_algorithm()
    show_variables()
    if options.plot:
        print(f"\nsaved {plot(options.plot)}")


if __name__ == "__main__":
    main()
