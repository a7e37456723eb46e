"""Question 0: why can't the derivatives be computed during the forward pass?

They can, and the asker's own steps are right: that is forward mode, ``bl.jvp``. What is wrong with
it is the price. Run ``python examples/questions/q0.py``; ``--plot DIR`` saves the picture.
"""

from __future__ import annotations

import operator
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as onp
from report import derived, heading, judge, new_figure, parse_options, save, table

import backlit as bl
import backlit.numpy as np
from backlit.explain.derive import Sheet, sheet, tangents
from backlit.explain.equation.text.printing import unicode

Array = Any  # an ndarray outside a transformation, a tracer inside one

# --- one logistic neuron ----------------------------------------------------------------------

X = onp.array([0.5, -1.2, 2.0])
W = onp.array([0.8, 0.3, -0.4])
B, Y = 0.1, 1.0


def neuron(w: Array, b: Array, x: Array, y: Array) -> Array:
    """Return L of the neuron, one step a line."""
    z = np.dot(w, x) + b
    a = np.sigmoid(z)
    L = -(y * np.log(a) + (1 - y) * np.log(1 - a))
    return L


def carried(w: Array, b: Array) -> tuple[Array, Array, Array]:
    """Return z, a and L at the example (X, Y): what a forward pass carries."""
    z = np.dot(w, X) + b
    a = np.sigmoid(z)
    return z, a, log_loss(a, Y)


def log_loss(a: Array, y: float) -> Array:
    """L = −[y log a + (1−y) log(1−a)]."""
    return -(y * np.log(a) + (1 - y) * np.log(1 - a))


def activation(z: Array) -> Array:
    """The neuron's second step alone."""
    a = np.sigmoid(z)
    return a


def neuron_derivation() -> Sheet:
    """Derive the gradient of the neuron; nothing is typed in by hand."""
    return sheet(neuron, W, B, X, Y, wrt=["w", "b"])


def neuron_derivatives() -> list[tuple[str, str, Any, Any]]:
    """Return every derivative of the neuron: name, formula, the formula's value, the engine's."""
    z, a, _ = carried(W, B)
    rows = derived(neuron_derivation(), W, B, X, Y) + derived(sheet(activation, z), z)
    of_w, of_b = bl.grad(neuron, argnums=(0, 1))(W, B, X, Y)
    engine = {
        "∂L/∂a": bl.grad(log_loss)(a, Y),
        "∂a/∂z": bl.grad(activation)(z),
        "∂L/∂z": bl.grad(lambda z: log_loss(np.sigmoid(z), Y))(z),
        "∂L/∂w": of_w,
        "∂L/∂b": of_b,
    }
    return [(name, formula, value, engine[name]) for name, formula, value in rows]


@dataclass(frozen=True)
class Step:
    """What one forward pass carries along for one weight."""

    weight: str
    by_hand: tuple[float, float, float]
    by_jvp: tuple[float, float, float]


def askers_steps() -> list[Step]:
    """Carry dz/dw, da/dw, dL/dw forward, by the asker's formulas and by ``bl.jvp``."""
    z, a, _ = carried(W, B)
    steps = []
    for i, name in enumerate(["w1", "w2", "w3", "b"]):
        dz = X[i] if i < 3 else 1.0
        da = a * (1 - a) * dz
        dL = (-Y / a + (1 - Y) / (1 - a)) * da
        direction = (onp.eye(4)[i, :3], onp.eye(4)[i, 3])
        _, pushed = bl.jvp(carried, (W, B), direction)
        by_jvp = (float(pushed[0]), float(pushed[1]), float(pushed[2]))
        steps.append(Step(name, (float(dz), float(da), float(dL)), by_jvp))
    return steps


# --- n layers ---------------------------------------------------------------------------------


def make_weights(sizes: Sequence[int], seed: int = 0) -> list[Array]:
    """Return one weight matrix (inputs, units) per layer."""
    rng = onp.random.default_rng(seed)
    return [rng.normal(size=pair) for pair in zip(sizes, sizes[1:], strict=False)]


def network_loss(weights: Sequence[Array], x: Array, y: float) -> Array:
    """Return the log loss of a network of sigmoid layers with one output."""
    a = x
    for w in weights:
        a = np.sigmoid(a @ w)
    return log_loss(a, y).sum()


@dataclass(frozen=True)
class Chain:
    """∂L/∂W of one layer as a product of factors, last layer first."""

    factors: list[tuple[str, Any]]
    product: Any
    by_grad: Any


def chain_of_factors(sizes: Sequence[int], layer: int, seed: int = 0) -> Chain:
    """Multiply ∂L/∂aⁿ · ∂aⁿ/∂zⁿ · ∂zⁿ/∂aⁿ⁻¹ ⋯ ∂zʲ/∂Wʲ, every factor a Jacobian the engine took."""
    weights = make_weights(sizes, seed)
    x = onp.random.default_rng(seed + 1).normal(size=sizes[0])
    a, inputs, sums = x, [], []
    for w in weights:
        inputs.append(a)
        sums.append(a @ w)
        a = np.sigmoid(sums[-1])
    last = len(weights)
    factors = [(f"∂L/∂a{last}", bl.jacobian(lambda a: log_loss(a, Y).sum())(a)[None, :])]
    for k in range(last, layer - 1, -1):
        factors.append((f"∂a{k}/∂z{k}", bl.jacobian(np.sigmoid)(sums[k - 1])))
        if k > layer:
            jacobian = bl.jacobian(operator.matmul)(inputs[k - 1], weights[k - 1])
            factors.append((f"∂z{k}/∂a{k - 1}", jacobian))
    of_weights = bl.jacobian(operator.matmul, argnums=1)(inputs[layer - 1], weights[layer - 1])
    factors.append((f"∂z{layer}/∂W{layer}", of_weights))
    product = factors[0][1]
    for _, factor in factors[1:]:
        product = onp.tensordot(product, factor, axes=1)
    gradient = bl.grad(network_loss)(weights, x, Y)[layer - 1]
    return Chain(factors, product[0], gradient)


# --- fan-out ----------------------------------------------------------------------------------

OUT = onp.array([0.7, -1.1, 0.4])  # weights from the unit to the three units it feeds
TARGETS = onp.array([0.2, 0.9, 0.5])


def fan_out(h: Array) -> tuple[Array, Array]:
    """One unit of activation h feeds three sigmoid units; L is half the squared error."""
    u = np.sigmoid(OUT * h)
    return u, 0.5 * ((u - TARGETS) ** 2).sum()


@dataclass(frozen=True)
class FanOut:
    """A unit's error signal, edge by edge, and the same derivative going forward."""

    edges: list[float]
    total: float
    by_grad: float
    branch_tangents: list[float]
    tangent_of_loss: float


def fan_out_signal(h: float = 0.6) -> FanOut:
    """Return each outgoing edge's part of ∂L/∂h, their sum, and the tangents of a forward pass."""
    u, _ = fan_out(h)
    edges = (u - TARGETS) * u * (1 - u) * OUT
    _, (du, dL) = bl.jvp(fan_out, (h,), (1.0,))
    by_grad = bl.grad(lambda h: fan_out(h)[1])(h)
    return FanOut(edges.tolist(), float(edges.sum()), float(by_grad), du.tolist(), float(dL))


# --- what it costs ----------------------------------------------------------------------------

SIZES: tuple[tuple[int, ...], ...] = ((2, 2, 1), (4, 8, 8, 1), (16, 32, 32, 1), (32, 64, 64, 1))
OUTPUTS = (10, 100, 1000)


@dataclass(frozen=True)
class Comparison:
    """Both modes on one function; seconds are None when nothing was timed."""

    inputs: int
    outputs: int
    forward_flops: int
    reverse_flops: int
    forward_seconds: float | None
    reverse_seconds: float | None
    largest_difference: float

    @property
    def counted(self) -> float:
        """Operations of forward mode for one of reverse mode."""
        return self.forward_flops / self.reverse_flops

    @property
    def timed(self) -> float | None:
        """Time of forward mode for one of reverse mode."""
        if self.forward_seconds is None or self.reverse_seconds is None:
            return None
        return self.forward_seconds / self.reverse_seconds


def typical_time(f: Callable[[], Any], repeats: int) -> float:
    """Return the median of several runs in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        f()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def pass_per_weight(
    loss: Callable[..., Any], weights: list[Array]
) -> tuple[list[Array], list[float]]:
    """Return the gradient in forward mode, one run per single weight, and each run's seconds."""
    gradient = [onp.zeros_like(w) for w in weights]
    direction = [onp.zeros_like(w) for w in weights]
    times = []
    for found, d in zip(gradient, direction, strict=True):
        for place in onp.ndindex(d.shape):
            d[place] = 1.0
            start = time.perf_counter()
            found[place] = bl.jvp(loss, (weights,), (direction,))[1]
            times.append(time.perf_counter() - start)
            d[place] = 0.0
    return gradient, times


def loss_of_weights(sizes: Sequence[int]) -> tuple[Callable[[list[Array]], Array], list[Array]]:
    """Return a network's loss as a function of its weights, and the weights."""
    x = onp.random.default_rng(1).normal(size=sizes[0])
    return lambda weights: network_loss(weights, x, Y), make_weights(sizes)


def many_weights(sizes: Sequence[int], timed: bool = True) -> Comparison:
    """Compare the modes on a loss: many inputs (the weights), one output."""
    loss, weights = loss_of_weights(sizes)
    cost = bl.cost(loss, weights)
    forward, times = pass_per_weight(loss, weights)
    # Passes × the median pass: a run interrupted now and then would flatter reverse mode.
    forward_seconds = len(times) * statistics.median(times)
    reverse = bl.grad(loss)(weights)
    difference = max(abs(f - r).max() for f, r in zip(forward, reverse, strict=True))
    reverse_seconds = typical_time(lambda: bl.grad(loss)(weights), 25) if timed else None
    return Comparison(
        cost.inputs,
        cost.outputs,
        cost.forward.flops,
        cost.reverse.flops,
        forward_seconds if timed else None,
        reverse_seconds,
        float(difference),
    )


def oscillations(count: int) -> Callable[[Array], Array]:
    """Return a curve in many dimensions: one input, `count` outputs."""
    frequencies = onp.arange(1.0, count + 1)

    def curve(t: Array) -> Array:
        return np.sin(frequencies * t) / frequencies

    return curve


def many_outputs(count: int, timed: bool = True) -> Comparison:
    """Compare the modes on a curve: one input, `count` outputs."""
    curve = oscillations(count)
    cost = bl.cost(curve, 0.3)
    difference = abs(bl.jacfwd(curve)(0.3) - bl.jacrev(curve)(0.3)).max()
    return Comparison(
        cost.inputs,
        cost.outputs,
        cost.forward.flops,
        cost.reverse.flops,
        typical_time(lambda: bl.jacfwd(curve)(0.3), 15) if timed else None,
        typical_time(lambda: bl.jacrev(curve)(0.3), 5) if timed else None,
        float(difference),
    )


def plot(directory: Path) -> Path:
    """Save the counted operations of both modes, one by the other, on logarithmic axes."""
    figure, (left, right) = new_figure(8.0, 3.4, 2)
    costs = [bl.cost(*loss_of_weights(sizes)) for sizes in SIZES]
    left.loglog([c.inputs for c in costs], [c.forward.flops / c.reverse.flops for c in costs], "o-")
    left.set(xlabel="weights", ylabel="operations, forward ÷ reverse")
    left.set_title("A loss: a pass per weight or one sweep", fontsize=10)
    costs = [bl.cost(oscillations(count), 0.3) for count in OUTPUTS]
    ratios = [c.reverse.flops / c.forward.flops for c in costs]
    right.loglog([c.outputs for c in costs], ratios, "o-")
    right.set(xlabel="outputs", ylabel="operations, reverse ÷ forward")
    right.set_title("A curve: one pass or a sweep per output", fontsize=10)
    for axes in (left, right):
        axes.minorticks_off()
        axes.grid(True, linewidth=0.4)
    return save(figure, directory, "q0-forward-and-reverse.svg")


# --- what the asker reads ---------------------------------------------------------------------


def show_neuron() -> None:
    heading("One logistic neuron: local and chained derivatives")
    z, a, loss = carried(W, B)
    print(f"x = {X}, w = {W}, b = {B}, y = {Y:g}")
    print(f"Forward: z = {z:.6f}, a = σ(z) = {a:.6f}, L = {loss:.6f}\n")
    rows = [
        (name, formula, str(onp.round(value, 6)), str(onp.round(engine, 6)))
        for name, formula, value, engine in neuron_derivatives()
    ]
    table(["", "as derived", "by the formula", "by the engine"], rows)
    print("\nHow each formula came about:\n")
    print(neuron_derivation())
    heading("The same, as the question writes it, judged")
    judge("q0-neuron")


def show_steps() -> None:
    heading("Your steps: carry dz/dw, da/dw, dL/dw forward")
    print("Correct. This is forward mode; as formulas, for a change ∂w/∂t of the weights:")
    for line in tangents(neuron, W, B, X, Y, wrt="w").backward:
        print(f"  {unicode(line.equation)}")
    print("bl.jvp does it, one pass for each weight:")
    rows = [
        (s.weight, *[f"{v:.6f}" for v in s.by_hand], *[f"{v:.6f}" for v in s.by_jvp])
        for s in askers_steps()
    ]
    head = ["weight", "dz", "da", "dL by hand", "dz", "da", "dL by jvp"]
    table(head, rows)
    print("Four weights took four passes. One backward sweep gives all four (last section).")


def show_layers() -> None:
    heading("n layers: one long product")
    chain = chain_of_factors((1, 1, 1, 1), layer=1)
    numbers = " · ".join(f"{factor.item():.4f}" for _, factor in chain.factors)
    print("One unit per layer, three layers: " + " · ".join(name for name, _ in chain.factors))
    print(f"  = {numbers} = {chain.product.item():.8f}")
    print(f"  bl.grad says {chain.by_grad.item():.8f}")
    chain = chain_of_factors((3, 4, 2, 1), layer=1)
    print("Several units per layer (3-4-2-1): the factors are Jacobians, the order matters:")
    table(["factor", "shape"], [(name, str(factor.shape)) for name, factor in chain.factors])
    gap = abs(chain.product - chain.by_grad).max()
    print(f"  product and bl.grad, both {chain.by_grad.shape}, differ by at most {gap:.1e}")
    print("As equations: any number of layers of one unit, then two layers of several:")
    judge("q0-layers")
    judge("q0-jacobians")


def show_fan_out() -> None:
    heading("A unit whose output feeds several units")
    signal = fan_out_signal()
    for k, part in enumerate(signal.edges, 1):
        print(f"  through unit {k}: ∂L/∂u{k} · u{k}(1−u{k}) · v{k} = {part:+.8f}")
    print(f"  sum over the edges                 = {signal.total:+.8f}")
    print(f"  bl.grad                            = {signal.by_grad:+.8f}")
    print("As equations, with all edges and with one forgotten:")
    judge("q0-fan-out")
    heading("“Several outputs make it impossible to go forward”")
    print("No. A forward pass crosses the same fan-out; each branch carries its own tangent,")
    print(f"  du/dh = {onp.round(signal.branch_tangents, 6)},")
    print(f"and the sum forms where the branches meet: dL/dh = {signal.tangent_of_loss:+.8f}.")
    print("The same number. The reason against forward mode is its cost.")


def show_cost(growing: Sequence[Comparison], opposite: Sequence[Comparison]) -> None:
    heading("Why reverse mode anyway: the cost")
    print(
        "Forward mode runs the network once per weight. Reverse mode runs it once and sweeps back."
    )
    rows = [
        (
            c.inputs,
            c.forward_flops,
            c.reverse_flops,
            f"{c.counted:,.0f} ×",
            f"{1e3 * (c.forward_seconds or 0):,.2f} ms",
            f"{1e3 * (c.reverse_seconds or 0):,.3f} ms",
            f"{c.timed:,.0f} ×",
        )
        for c in growing
    ]
    head = ["weights", "operations fwd", "rev", "ratio", "time fwd", "rev", "ratio"]
    table(head, rows)
    print("Both give the same gradient; the ratio grows with the number of weights.")
    print("\nThe opposite case, one input and many outputs: one forward pass gives them all.")
    rows = [
        (
            c.outputs,
            c.forward_flops,
            c.reverse_flops,
            f"{1 / c.counted:,.0f} ×",
            f"{1e3 * (c.forward_seconds or 0):,.3f} ms",
            f"{1e3 * (c.reverse_seconds or 0):,.2f} ms",
            f"{1 / (c.timed or 1):,.0f} ×",
        )
        for c in opposite
    ]
    table(["outputs", "operations fwd", "rev", "ratio", "time fwd", "rev", "ratio"], rows)
    print("A loss has one output and many weights, so training uses reverse mode.")


def main() -> None:
    """Answer the question; with ``--plot DIR`` save the picture as well."""
    options = parse_options(
        "Why can't the derivatives be computed during the forward pass?", "matplotlib"
    )
    print("Q0. Why can't the derivatives be computed during the forward pass?")
    show_neuron()
    show_steps()
    show_layers()
    show_fan_out()
    growing = [many_weights(sizes) for sizes in SIZES]
    opposite = [many_outputs(count) for count in OUTPUTS]
    show_cost(growing, opposite)
    if options.plot:
        print(f"\nsaved {plot(options.plot)}")


if __name__ == "__main__":
    main()
