"""Question 3: where is the *back-propagation* in this?

What goes backward is the order of a product, and what is propagated is δ = ∂L/∂z. XOR's surprises
are in q3_xor.py, which this script runs too. Run ``python examples/questions/q3.py``; with
``--plot DIR`` it saves XOR's picture.

Reverse mode was found by Seppo Linnainmaa: "The representation of the cumulative rounding error of
an algorithm as a Taylor expansion of the local rounding errors" (in Finnish), Master's thesis,
University of Helsinki, 1970.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as onp
import q3_by_hand
import q3_xor
from report import derived, heading, judge, parse_options, table

import backlit as bl
import backlit.numpy as np
from backlit.explain.derive import Sheet, modes, sheet
from backlit.explain.equation.text.printing import unicode

Array = Any  # an ndarray outside a transformation, a tracer inside one

# --- y = exp(sin(x²)) ---------------------------------------------------------------------------


def y_of(x: Array) -> Array:
    """exp(sin(x²)), one step a line."""
    u = x**2
    v = np.sin(u)
    y = np.exp(v)
    return y


@dataclass(frozen=True)
class OneVariable:
    """Value and derivative at a point, and the factors from the left."""

    y: float
    slope: float
    factors: tuple[float, float, float]


def one_variable(x: float = 1.0) -> OneVariable:
    """Return y, y′ by ``bl.grad``, and the factors exp(sin x²), cos x², 2x."""
    u = x**2
    v = np.sin(u)
    factors = (float(bl.grad(np.exp)(v)), float(bl.grad(np.sin)(u)), float(bl.grad(np.square)(x)))
    value, slope = bl.value_and_grad(y_of)(x)
    return OneVariable(float(value), float(slope), factors)


def derivation_without_data() -> Sheet:
    """Derive y′ from shapes alone: the argument is not even a number."""
    return sheet(y_of, onp.nan, abstract=True)


# --- one product, two orders --------------------------------------------------------------------


def network_layers(widths: Sequence[int], seed: int = 0) -> list[Callable[[Array], Array]]:
    """Return tanh layers as functions of the activation below."""
    rng = onp.random.default_rng(seed)

    def layer(W: Array) -> Callable[[Array], Array]:
        return lambda a: np.tanh(W @ a)

    pairs = zip(widths, widths[1:], strict=False)
    return [layer(rng.normal(size=(n_out, n_in)) / n_in**0.5) for n_in, n_out in pairs]


@dataclass(frozen=True)
class Orders:
    """The Jacobian of a network as one product, taken in both orders."""

    widths: tuple[int, ...]
    from_the_left: int
    from_the_right: int
    difference: float
    by_engine: float


def both_orders(widths: Sequence[int]) -> Orders:
    """Multiply J_n ⋯ J_1 from the left (reverse) and from the right (forward), counting."""
    layers = network_layers(widths)
    x = a = onp.random.default_rng(1).normal(size=widths[0])
    jacobians = []
    for layer in layers:
        jacobians.append(bl.jacobian(layer)(a))
        a = layer(a)

    def product(first: Array, others: Sequence[Array], left: bool) -> tuple[Array, int]:
        total, count = first, 0
        for J in others:
            A, C = (total, J) if left else (J, total)
            count += A.shape[0] * A.shape[1] * C.shape[1]
            total = A @ C
        return total, count

    # From the right the product can grow while the forward pass is running.
    right, right_count = product(jacobians[0], jacobians[1:], left=False)
    left, left_count = product(jacobians[-1], jacobians[-2::-1], left=True)

    def network(a: Array) -> Array:
        for layer in layers:
            a = layer(a)
        return a

    engine = bl.jacobian(network)(x)
    return Orders(
        tuple(widths),
        left_count,
        right_count,
        float(abs(left - right).max()),
        float(abs(left - engine).max()),
    )


# --- "differentiate each weight's expanded expression" ------------------------------------------


def sigmoid_loss(weights: Sequence[Array], x: Array) -> Array:
    """Return the sum of the outputs of sigmoid layers; weights are (units, inputs)."""
    for W in weights:
        x = np.sigmoid(W @ x)
    return x.sum()


@dataclass(frozen=True)
class Expanded:
    """All weights' derivatives by expansion, against backpropagation."""

    difference: float
    expanded_operations: int
    backprop_operations: int


def expanded_expressions(widths: Sequence[int], seed: int = 0) -> Expanded:
    """Evaluate each weight's fully expanded derivative, sharing nothing, and count operations."""
    rng = onp.random.default_rng(seed)
    pairs = zip(widths, widths[1:], strict=False)
    weights = [rng.normal(size=(n_out, n_in)) for n_in, n_out in pairs]
    x = rng.normal(size=widths[0])
    count = 0

    def activation(layer: int, unit: int) -> float:
        """Return a unit's activation, written out down to the inputs."""
        nonlocal count
        if layer == 0:
            return float(x[unit])
        W = weights[layer - 1]
        z = sum(float(W[unit, i]) * activation(layer - 1, i) for i in range(W.shape[1]))
        count += 2 * W.shape[1]  # n products, n − 1 sums, one σ
        return float(1 / (1 + onp.exp(-z)))

    def derivative(layer: int, unit: int, of: tuple[int, int, int]) -> float:
        """Return ∂a/∂w for the weight (layer, row, column), written out."""
        nonlocal count
        if layer < of[0] or (layer == of[0] and unit != of[1]):
            return 0.0
        slope = activation(layer, unit) * (1 - activation(layer, unit))
        count += 3
        if layer == of[0]:
            return slope * activation(layer - 1, of[2])
        W = weights[layer - 1]
        inner = sum(float(W[unit, i]) * derivative(layer - 1, i, of) for i in range(W.shape[1]))
        count += 2 * W.shape[1] - 1
        return slope * inner

    found = [onp.zeros_like(W) for W in weights]
    for k, G in enumerate(found):
        for row, column in onp.ndindex(G.shape):
            G[row, column] = sum(
                derivative(len(weights), o, (k + 1, row, column)) for o in range(widths[-1])
            )
            count += widths[-1] - 1
    engine = bl.grad(sigmoid_loss)(weights, x)
    difference = max(float(abs(a - b).max()) for a, b in zip(found, engine, strict=True))
    cost = bl.cost(lambda weights: sigmoid_loss(weights, x), weights)
    return Expanded(difference, count, cost.reverse.flops)


# --- what is propagated: δ ----------------------------------------------------------------------

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "linear": lambda z: z,
    "sigmoid": np.sigmoid,
    "tanh": np.tanh,
    "softplus": np.softplus,
}
Layer = tuple[Array, Array]  # W (units, inputs), b (units,)


def make_layers(widths: Sequence[int], seed: int = 0) -> list[Layer]:
    """Return weights and biases of a network."""
    rng = onp.random.default_rng(seed)
    pairs = zip(widths, widths[1:], strict=False)
    return [(rng.normal(size=(n, m)) / m**0.5, 0.1 * rng.normal(size=n)) for m, n in pairs]


def mlp_loss(layers: Sequence[Layer], x: Array, y: Array, g: Callable[[Array], Array]) -> Array:
    """Half the squared error of a network of any depth."""
    a = x
    for W, b in layers:
        a = g(W @ a + b)
    return 0.5 * ((a - y) ** 2).sum()


def delta_recursion(
    layers: Sequence[Layer],
    x: Array,
    y: Array,
    g: Callable[[Array], Array],
    forget_slope: bool = False,
    slip: bool = False,
) -> list[Layer]:
    """Backpropagate by hand: δ from layer to layer, gradients read off locally.

    Parameters
    ----------
    layers : sequence of (W, b)
    x, y : ndarray
    g : callable
        Activation of every layer.
    forget_slope : bool
        Leave g′ out of the recursion.
    slip : bool
        Pass the activation to g′ instead of z.

    Returns
    -------
    list of (dW, db)
    """
    slope = bl.grad(lambda z: g(z).sum())
    a, inputs, sums = x, [], []
    for W, b in layers:
        inputs.append(a)
        sums.append(W @ a + b)
        a = g(sums[-1])
    slopes = [slope(g(z) if slip else z) for z in sums]
    deltas = [(a - y) * slopes[-1]]
    for k in range(len(layers) - 2, -1, -1):
        sent = layers[k + 1][0].T @ deltas[0]
        deltas.insert(0, sent if forget_slope else sent * slopes[k])
    # Reading off may start anywhere; here from the first layer, the one computed last.
    return [(onp.outer(d, below), d) for d, below in zip(deltas, inputs, strict=True)]


def recursion_error(
    activation: str, widths: Sequence[int], forget_slope: bool = False, slip: bool = False
) -> float:
    """Return the largest error of the recursion relative to the largest gradient element."""
    layers = make_layers(widths)
    rng = onp.random.default_rng(1)
    x, y = rng.normal(size=widths[0]), rng.normal(size=widths[-1])
    g = ACTIVATIONS[activation]
    ours = delta_recursion(layers, x, y, g, forget_slope, slip)
    engine = bl.grad(mlp_loss)(layers, x, y, g)
    error = max(
        abs(a - b).max()
        for p, q in zip(ours, engine, strict=True)
        for a, b in zip(p, q, strict=True)
    )
    scale = max(abs(part).max() for pair in engine for part in pair)
    return float(error / scale)


def first_layer_cost(widths: Sequence[int] = (20, 20, 20, 20, 1)) -> tuple[int, int, int]:
    """Return operations of a forward pass, of the first layer's gradient, of all layers'."""
    layers = make_layers(widths)
    x, y = onp.ones(widths[0]), onp.zeros(widths[-1])

    def of_first(W: Array) -> Array:
        return mlp_loss([(W, layers[0][1]), *layers[1:]], x, y, np.tanh)

    first = bl.cost(of_first, layers[0][0])
    every = bl.cost(lambda layers: mlp_loss(layers, x, y, np.tanh), layers)
    return every.value.flops, first.reverse.flops, every.reverse.flops


def graph_with_everything(p: dict[str, Array]) -> Array:
    """No layers at all: a shared weight, a skip connection, a product gate, a value used thrice."""
    h = np.tanh(p["W"] @ p["x"])
    h = np.tanh(p["W"] @ h + p["x"])
    gate = np.sigmoid(h) * np.sin(h)
    return np.logsumexp(gate + h) + (p["W"] ** 2).sum()


def arbitrary_graph_error(step: float = 1e-5) -> float:
    """Return the largest difference of that graph's gradient from central differences."""
    rng = onp.random.default_rng(0)
    p = {"W": rng.normal(size=(3, 3)), "x": rng.normal(size=3)}
    gradient = bl.grad(graph_with_everything)(p)
    worst = 0.0
    for name, array in p.items():
        for place in onp.ndindex(array.shape):
            ends = []
            for sign in (1, -1):
                moved = array.copy()
                moved[place] += sign * step
                ends.append(float(graph_with_everything({**p, name: moved})))
            worst = max(worst, abs((ends[0] - ends[1]) / (2 * step) - gradient[name][place]))
    return worst


# --- w ← w − γ ∂L/∂w ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Rates:
    """Loss after one step at several multiples of the edge."""

    start: float
    edge: float
    after: list[tuple[float, float]]


def rate_past_the_edge(multiples: Sequence[float] = (0.01, 0.5, 0.9, 1.1, 2.0)) -> Rates:
    """Return the loss of a linear least-squares fit after one step of each rate.

    To second order L changes by −γ g·g + ½γ² g·Hg, which is negative for γ < 2 g·g / g·Hg.
    """
    rng = onp.random.default_rng(0)
    X, y = rng.normal(size=(20, 3)), rng.normal(size=20)

    def loss(w: Array) -> Array:
        return 0.5 * np.mean((X @ w - y) ** 2)

    w = rng.normal(size=3)
    start, g = bl.value_and_grad(loss)(w)
    edge = float(2 * (g @ g) / (g @ bl.hvp(loss, (w,), (g,))))
    return Rates(float(start), edge, [(m, float(loss(w - m * edge * g))) for m in multiples])


# --- what the asker reads -----------------------------------------------------------------------


def show_one_variable() -> None:
    heading("y = exp(sin(x²)): where is the backward?")
    r = one_variable()
    print(f"At x = 1: y = {r.y:.9f}, y′ = 2x cos(x²) exp(sin x²) = {r.slope:.9f}")
    print("Written from the outside in, the product starts at y and ends at x:")
    print(
        f"  exp(sin x²) · cos(x²) · 2x = {r.factors[0]:.6f} · {r.factors[1]:.6f} · {r.factors[2]:g}"
    )
    print("Read left to right it goes backward through the program. That is the back in the name.")
    print("Seppo Linnainmaa found the method: master's thesis, University of Helsinki, 1970.")
    judge("q3-one-variable")
    heading("The formula exists before the forward pass, its values do not")
    derivation = derivation_without_data()
    print("Derived with no data (x was not a number, only a type):")
    print(derivation)
    name, formula, value = derived(derivation, 1.0)[-1]
    print(f"With data, x = 1: {name} = {formula} = {float(value):.9f}")


def show_orders() -> None:
    heading("Association order: the same product, different cost")
    print("Multiplications for J_n ⋯ J_1 of a network:")
    rows = []
    for widths in [(1, 1, 1, 1), (100, 100, 100, 1), (1, 100, 100, 100), (20, 20, 20, 20)]:
        o = both_orders(widths)
        name = "-".join(map(str, widths))
        rows.append(
            (name, o.from_the_left, o.from_the_right, f"{max(o.difference, o.by_engine):.0e}")
        )
    table(["network", "from the left (reverse)", "from the right (forward)", "difference"], rows)
    print("\nexp(sin(x²)) again, as each mode multiplies; without brackets from the left:")
    for way in modes(y_of, 1.0, wrt="x").associations:
        print(f"  {way.mode}: {unicode(way.product)}")
    heading("“Can the gradient be started before the forward pass ends?”")
    print(
        "From the right, yes: J_2 J_1, J_3 J_2 J_1, … grow as the layers run, matrix times matrix."
    )
    print("From the left, no: the first factor is ∂L/∂aⁿ, which waits for the loss; but then every")
    print("product is a vector times a matrix. Row 2 is a loss: see the price of starting early.")


def show_expanded() -> None:
    heading("“Just differentiate each weight's fully expanded expression”")
    print("Correct for any depth. But the expressions repeat each other:")
    rows = []
    for widths in [(2, 2, 1), (2, 2, 2, 1), (2, 2, 2, 2, 1), (3, 3, 3, 3, 1), (3, 3, 3, 3, 3, 1)]:
        e = expanded_expressions(widths)
        ratio = e.expanded_operations / e.backprop_operations
        name = "-".join(map(str, widths))
        counts = (e.expanded_operations, e.backprop_operations)
        rows.append((name, *counts, f"{ratio:,.1f} ×", f"{e.difference:.0e}"))
    table(["network", "operations expanded", "backpropagation", "ratio", "difference"], rows)


def show_delta() -> None:
    heading("What is propagated: δ = ∂L/∂z, layer to layer")
    judge("q3-delta")
    print("\nIn numbers:")
    rows = [
        (
            name,
            f"{recursion_error(name, (4, 5, 3, 2)):.0e}",
            f"{recursion_error(name, (4, 5, 3, 2), forget_slope=True):.0e}",
        )
        for name in ACTIVATIONS
    ]
    table(["units", "error against bl.grad", "error with g′ left out"], rows)
    print("Leaving g′ out is right for linear units only:")
    judge("q3-linear")
    forward, first, every = first_layer_cost()
    print("“What is propagated is ∂L/∂W” is imprecise: ∂L/∂W² does not enter ∂L/∂W¹, δ² does.")
    print("Gradients may be read off in any order, but the first layer's needs every later δ:")
    print(f"  forward pass {forward:,} operations; with the gradient of layer 1 alone {first:,};")
    print(f"  with the gradients of all four layers {every:,}.")
    heading("Any number of layers, and no layers at all")
    depths = [1, 2, 4, 8, 16]
    errors = ", ".join(f"{d}: {recursion_error('tanh', (3,) * (d + 1)):.0e}" for d in depths)
    print(f"δ recursion against bl.grad by depth: {errors}")
    print(f"A graph with a shared weight, a skip and a gate: {arbitrary_graph_error():.0e} from")
    print("central differences. The rule is per operation, so any graph will do.")


def show_sigmoid() -> None:
    heading("σ′(z) = σ(z)(1 − σ(z))")
    z = onp.linspace(-10, 10, 2001)
    slopes = bl.grad(lambda z: np.sigmoid(z).sum())(z)
    print(f"Largest value {slopes.max():g}, at z = {z[slopes.argmax()]:g}.")
    right = float(bl.grad(np.sigmoid)(2.0))
    wrong = float(bl.grad(np.sigmoid)(np.sigmoid(2.0)))
    print("The classic slip: passing the activation a to a function that expects z.")
    judge("q3-sigmoid")
    print("\nIn a backward pass written by hand:")
    print("$ backlit check examples/questions/q3_by_hand.py:forward,backward\n")
    print(bl.check_backward(q3_by_hand.forward, q3_by_hand.backward, *q3_by_hand.args))
    print(f"  z = 2: σ′(z) = {right:.6f}; σ′(a) = {wrong:.6f}")
    error = recursion_error("sigmoid", (4, 5, 3, 2), slip=True)
    print(f"  in a 4-5-3-2 network the gradient is then off by {100 * error:.0f} % of its")
    print("  largest element")


def show_rates() -> None:
    heading("w ← w − γ ∂L/∂w lowers L for a small enough rate only")
    r = rate_past_the_edge()
    print(f"Least squares from L = {r.start:.6f}; to second order the edge is")
    print(f"γ = 2 g·g / g·Hg = {r.edge:.4f} (exact here). After one step:")
    for multiple, loss in r.after:
        verdict = "lower" if loss < r.start else "HIGHER"
        print(f"  γ = {multiple:4g} of the edge: L = {loss:.6f}  {verdict}")


def main() -> None:
    """Answer the question; with ``--plot DIR`` save XOR's picture as well."""
    options = parse_options("Where is the back-propagation in this?", "matplotlib")
    print("Q3. Where is the back-propagation in this?")
    show_one_variable()
    show_orders()
    show_expanded()
    show_delta()
    show_sigmoid()
    show_rates()
    q3_xor.show(options.plot)


if __name__ == "__main__":
    main()
