"""What people in the same place ask elsewhere, as far as running it settles it.

Every number of the 2-2-2 network, a hand gradient off by exactly 4, where 1/m and a transpose
belong, gradients that are zero or not a number, large graphs, calling backward twice and in the
wrong order, and what a gradient check should say. Run ``python examples/questions/elsewhere.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as onp
from q2 import WEIGHTS, every_line
from report import heading, judge, parse_options, table

import backlit as bl
import backlit.numpy as np
from backlit.explain import Drawing, draw
from backlit.explain.derivation.layouts import numerator
from backlit.explain.derive import sheet
from backlit.explain.equation.text.printing import unicode

Array = Any  # an ndarray outside a transformation, a tracer inside one

# --- "are my computations correct?" -------------------------------------------------------------


def picture_of_every_line() -> Drawing:
    """Draw the 2-2-2 network of question 2: every value of it, and the gradient there."""
    return draw(every_line, *WEIGHTS.tolist())


# --- "my gradient is off by exactly 4" ----------------------------------------------------------


def product_chain(w: Array, x: float) -> Array:
    """L = w3 w2 w1 x."""
    return w[2] * w[1] * w[0] * x


@dataclass(frozen=True)
class MissingFactors:
    """A hand gradient that lacks path factors, at some weights."""

    weights: tuple[float, ...]
    by_hand: float
    by_grad: float

    @property
    def ratio(self) -> float:
        """By hand ÷ right."""
        return self.by_hand / self.by_grad


def missing_factors(weights: Sequence[float], x: float = 1.5) -> MissingFactors:
    """Return ∂L/∂w1 by a hand formula that forgot w2 and w3, beside the right one."""
    right = bl.grad(product_chain)(onp.array(weights), x)[0]
    return MissingFactors(tuple(weights), x, float(right))


# --- "is 1/m in dZ or in dW?" -------------------------------------------------------------------


@dataclass(frozen=True)
class Convention:
    """dW of a logistic layer under one convention, relative to the gradient."""

    name: str
    ratio: float


def where_does_m_go(m: int = 8) -> list[Convention]:
    """Return dW ÷ ∂J/∂W with 1/m in dW, in dZ, in both."""
    rng = onp.random.default_rng(0)
    W, X = rng.normal(size=(2, 3)), rng.normal(size=(3, m))
    Y = (rng.uniform(size=(2, m)) < 0.5).astype(float)

    def J(W: Array) -> Array:
        Z = W @ X
        return np.sum(np.softplus(Z) - Y * Z) / m

    right = bl.grad(J)(W)
    per_example = np.sigmoid(W @ X) - Y
    mean = per_example / m
    candidates = {
        "dZ = A − Y,       dW = (1/m) dZ Xᵀ": per_example @ X.T / m,
        "dZ = (A − Y) / m, dW = dZ Xᵀ": mean @ X.T,
        "dZ = (A − Y) / m, dW = (1/m) dZ Xᵀ": mean @ X.T / m,
        "dZ = A − Y,       dW = dZ Xᵀ": per_example @ X.T,
    }
    return [Convention(name, float(onp.mean(dW / right))) for name, dW in candidates.items()]


def linear(W: Array, x: Array, y: Array) -> Array:
    """A linear layer with half the squared error; x and y are columns."""
    z = W @ x
    L = 0.5 * np.sum((z - y) ** 2)
    return L


@dataclass(frozen=True)
class Layouts:
    """One derivative in both layouts: equation and shape."""

    denominator: str
    denominator_shape: tuple[int, ...]
    numerator: str
    numerator_shape: tuple[int, ...]


def layouts() -> list[Layouts]:
    """Derive every gradient of `linear` in denominator layout and in numerator layout."""
    rng = onp.random.default_rng(0)
    found = sheet(linear, rng.normal(size=(2, 3)), rng.normal(size=(3, 1)), onp.zeros((2, 1)))
    return [
        Layouts(unicode(a.equation), a.shape, unicode(b.equation), b.shape)
        for a, b in zip(found.backward, numerator(found).backward, strict=True)
    ]


# --- "why is this gradient None, zero, not a number?" --------------------------------------------


def scores(W1: Array, b1: Array, W2: Array, x: Array, unused: Array) -> Array:
    """A layer of relu units, and an argument that nothing depends on."""
    z = x @ W1 + b1
    h = np.relu(z)
    return np.sum(h @ W2)


def dead_layer() -> tuple[Any, ...]:
    """Return arguments of `scores` with a bias so low that no unit is on."""
    return (onp.ones((2, 3)), onp.full(3, -9.0), onp.ones((3, 2)), onp.array([1.0, 2.0]), 1.0)


def distance(p: Array, q: Array) -> Array:
    """The Euclidean distance, whose gradient does not exist where the points meet."""
    return np.sqrt(np.sum((p - q) ** 2))


# --- "draw the backward graph too" ---------------------------------------------------------------


def deep(x: Array, w: Array) -> Array:
    """A thousand steps, two operations each."""
    for _ in range(1000):
        x = np.tanh(w * x)
    return x


# --- "calling backward twice", "why topological order?" -----------------------------------------


def diamond(x: Array) -> Array:
    """a = x² is used by b and by c, which meet in L."""
    a = x**2
    b = np.sin(a)
    c = a**3
    L = b * c
    return L


@dataclass(frozen=True)
class Diamond:
    """∂L/∂x of the diamond, swept properly and improperly."""

    right: float
    wrong_order: float
    first_call: float
    second_call: float
    without_reset: float


def sweep(x: float, order: Sequence[str], store: dict[str, float] | None = None) -> float:
    """Sweep the diamond backward by hand, visiting nodes in the given order.

    Each visit sends on what the node has received so far; `store` keeps gradients between calls.
    """
    a = x**2
    b, c = float(onp.sin(a)), a**3
    edges = {
        "L": [("b", c), ("c", b)],
        "b": [("a", float(onp.cos(a)))],
        "c": [("a", 3 * a**2)],
        "a": [("x", 2 * x)],
    }
    received = dict.fromkeys(["L", "a", "b", "c"], 0.0) | {"L": 1.0}
    kept = {"x": 0.0} if store is None else store
    for node in order:
        for to, local in edges[node]:
            target = kept if to == "x" else received
            target[to] += received[node] * local
    return kept["x"]


def diamond_orders(x: float = 1.2) -> Diamond:
    """Return the diamond's gradient in both orders, and from two calls of one pullback."""
    _, pullback = bl.vjp(diamond, x)
    store = {"x": 0.0}
    sweep(x, ["L", "b", "c", "a"], store)
    return Diamond(
        right=float(bl.grad(diamond)(x)),
        wrong_order=sweep(x, ["L", "b", "a", "c"]),
        first_call=float(pullback(1.0)[0]),
        second_call=float(pullback(1.0)[0]),
        without_reset=sweep(x, ["L", "b", "c", "a"], store),
    )


# --- what a gradient check should say -----------------------------------------------------------


STEPS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11)


@dataclass(frozen=True)
class Checked:
    """The worst element of a gradient check, and its error by step size and float type."""

    worst: tuple[int, ...]
    by_grad: float
    by_difference: float
    curve: list[tuple[float, float, float]]


def smooth_loss(W: Array, x: Array) -> Array:
    """A function to check: Σ exp(sin(W x))."""
    return np.exp(np.sin(W @ x)).sum()


def numeric_gradient(f: Callable[[Array], Any], W: Array, step: float) -> Array:
    """Return central differences, in W's own float type."""
    found = onp.zeros_like(W)
    for place in onp.ndindex(W.shape):
        up, down = W.copy(), W.copy()
        up[place] += W.dtype.type(step)
        down[place] -= W.dtype.type(step)
        found[place] = (f(up) - f(down)) / W.dtype.type(2 * step)
    return found


def gradient_check(steps: Sequence[float] = STEPS) -> Checked:
    """Compare ``bl.grad`` with differences over step sizes, in float64 and float32."""
    rng = onp.random.default_rng(0)
    W, x = rng.normal(size=(3, 4)), rng.normal(size=4)
    exact = bl.grad(smooth_loss)(W, x)

    def error(step: float, dtype: Any) -> float:
        narrow = x.astype(dtype)
        numeric = numeric_gradient(lambda W: smooth_loss(W, narrow), W.astype(dtype), step)
        return float(abs(numeric - exact).max() / abs(exact).max())

    numeric = numeric_gradient(lambda W: smooth_loss(W, x), W, 1e-5)
    worst = onp.unravel_index(onp.argmax(abs(numeric - exact)), W.shape)
    place = tuple(int(k) for k in worst)
    curve = [(step, error(step, onp.float64), error(step, onp.float32)) for step in steps]
    return Checked(place, float(exact[place]), float(numeric[place]), curve)


# --- what the asker reads -----------------------------------------------------------------------


def show_every_line() -> None:
    heading("“Are my computations correct?” Every line of the 2-2-2 network")
    judge("q2-numbers")
    print("\nAll values and gradients to compare with:\n")
    print(picture_of_every_line())


def show_off_by_four() -> None:
    heading("A hand gradient off by exactly 4")
    print("L = w₃ w₂ w₁ x; by hand: ∂L/∂w₁ = x, the path factors w₂ and w₃ forgotten.")
    for weights in [(0.5, 0.5, 0.5), (0.3, 0.7, -1.1)]:
        f = missing_factors(weights)
        print(f"  w = {weights}: by hand {f.by_hand:g}, right {f.by_grad:g}, ratio {f.ratio:.6g}")
    product = 1 / (0.7 * -1.1)
    print("All weights 0.5 make it look like a lost constant. At distinct numbers the ratio is")
    print(f"1 / (w₂ w₃) = {product:.6g}: it names the missing factors.")
    print("The checker compares at random points, whatever values the notes give:\n")
    judge("elsewhere-equal-weights")


def show_conventions() -> None:
    heading("“Is 1/m in dZ or in dW?”")
    rows = [(c.name, f"{c.ratio:.6g}") for c in where_does_m_go(8)]
    table(["m = 8", "dW ÷ ∂J/∂W"], rows)
    print("Either is right if kept to. In both it is off by exactly 1/m, in neither by m.\n")
    judge("elsewhere-per-example")
    print()
    judge("elsewhere-one-over-m")
    heading("Off by a transpose")
    rows = [
        (
            found.denominator,
            f"{found.denominator_shape}",
            found.numerator,
            f"{found.numerator_shape}",
        )
        for found in layouts()
    ]
    table(["denominator layout", "shape", "numerator layout", "shape"], rows)
    print("bl.grad has the argument's own shape: denominator layout. bl.jacobian is numerator.\n")
    judge("elsewhere-transpose")


def show_why() -> None:
    heading("“Why is this gradient None, zero, or not a number?”")
    print(bl.why_zero(scores, *dead_layer(), wrt="W1"))
    print()
    print(bl.why_zero(scores, *dead_layer(), wrt="unused"))
    print()
    print(bl.why_nan(distance, onp.ones(2), onp.ones(2)))


def show_large_graph() -> None:
    heading("“Draw the backward graph too”, of thousands of operations")
    print(draw(deep, 0.5, 0.99))
    print("Each box of many operations can be opened in the page that `save('deep.html')` writes.")


def show_diamond() -> None:
    heading("“Why topological order?” and “why did calling backward twice differ?”")
    d = diamond_orders()
    print("The diamond a = x², b = sin a, c = a³, L = b c at x = 1.2:")
    print(f"  L, b, c, a (users first):   ∂L/∂x = {d.right:.9f}")
    print(f"  L, b, a, c (a too early):   ∂L/∂x = {d.wrong_order:.9f}, c's part never passed on")
    print(f"  a pullback called twice:    {d.first_call:.9f}, {d.second_call:.9f}")
    print(f"  gradients kept in the nodes and not reset: {d.without_reset:.9f}, twice as much")


def show_gradient_check() -> None:
    heading("What a gradient check should say")
    c = gradient_check()
    print(f"The worst element of W is {list(c.worst)}:")
    print(f"  bl.grad {c.by_grad:.12f}, central differences {c.by_difference:.12f}")
    print("Largest relative error of central differences by step size:")
    rows = [(f"{step:.0e}", f"{wide:.1e}", f"{narrow:.1e}") for step, wide, narrow in c.curve]
    table(["step", "float64", "float32"], rows)
    print(
        "Both curves fall as step², until rounding takes over and they rise. The best step is near"
    )
    print("the cube root of the precision: 6e-6 in float64, 5e-3 in float32. A check that fails in")
    print("float32 may only mean that float32 cannot tell.")
    print("bl.check_grads does this along random directions and names the worst element:\n")
    try:
        bl.check_grads(np.relu, (onp.array([0.7, 0.0]),), order=1)
    except bl.testing.GradientCheckError as error:
        print(error)


def main() -> None:
    """Answer what can be answered by running."""
    parse_options("What people ask elsewhere about backpropagation")
    print("What people in the same place ask elsewhere")
    show_every_line()
    show_off_by_four()
    show_conventions()
    show_why()
    show_large_graph()
    show_diamond()
    show_gradient_check()


if __name__ == "__main__":
    main()
