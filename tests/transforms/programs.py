"""Random programs: directed acyclic graphs of array operations, written against a namespace.

A program is a list of steps; each names an operation and the earlier values it uses. The same
program runs on NumPy, on Backlit and on HIPS autograd, which is what makes the last an independent
reference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as onp
from hypothesis import strategies as st

SHAPES: tuple[tuple[int, ...], ...] = ((), (3,), (2, 3), (3, 3), (2, 1), (1, 3), (2, 3, 2))
Step = tuple[str, tuple[int, ...], tuple[Any, ...]]


def last(x: Any) -> int:
    return onp.ndim(x) - 1


# name -> (number of operands, function of namespace, operands and parameters). All are smooth where
# random numbers fall, and keep values of moderate size.
OPERATIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    "sin": (1, lambda np, x: np.sin(x)),
    "tanh": (1, lambda np, x: np.tanh(x)),
    "exp": (1, lambda np, x: np.exp(np.tanh(x))),
    "log": (1, lambda np, x: np.log(1.5 + np.sin(x))),
    "sqrt": (1, lambda np, x: np.sqrt(1.0 + x**2)),
    "square": (1, lambda np, x: np.square(np.tanh(x))),
    "cube": (1, lambda np, x: np.tanh(x) ** 3),
    "negative": (1, lambda np, x: -x),
    "absolute": (1, lambda np, x: np.abs(x)),
    "reciprocal": (1, lambda np, x: 1.0 / (2.0 + np.cos(x))),
    "add": (2, lambda np, x, y: x + y),
    "subtract": (2, lambda np, x, y: x - 2.0 * y),
    "multiply": (2, lambda np, x, y: np.tanh(x) * y),
    "divide": (2, lambda np, x, y: x / (1.0 + y * y)),
    "power": (2, lambda np, x, y: (1.5 + np.sin(x)) ** np.tanh(y)),
    "maximum": (2, lambda np, x, y: np.maximum(x, y)),
    "arctan2": (2, lambda np, x, y: np.arctan2(2.0 + np.sin(x), 2.0 + np.cos(y))),
    "where": (2, lambda np, x, y, seed: choose(np, x, y, seed)),
    "constant": (1, lambda np, x, seed: x * fixed(onp.shape(x), seed)),
    "branch": (1, lambda np, x: x * 2.0 if (x > 0.1).any() else np.sin(x)),
    "sum": (1, lambda np, x, k, keep: np.sum(x, axis=axis(x, k), keepdims=keep)),
    "mean": (1, lambda np, x, k, keep: np.mean(x, axis=axis(x, k), keepdims=keep)),
    "max": (1, lambda np, x, k, keep: np.max(x, axis=axis(x, k), keepdims=keep)),
    "var": (1, lambda np, x, k, keep: np.var(x, axis=axis(x, k), keepdims=keep)),
    "prod": (1, lambda np, x, k, keep: np.prod(np.tanh(x), axis=axis(x, k))),
    "logsumexp": (1, lambda np, x, k, keep: np.log(np.sum(np.exp(np.tanh(x)), axis=axis(x, k)))),
    "cumsum": (1, lambda np, x, k, keep: np.cumsum(x, axis=axis(x, k))),
    "ravel": (1, lambda np, x: np.reshape(x, (-1,))),
    "transpose": (1, lambda np, x: np.transpose(x)),
    "expand": (1, lambda np, x, k: np.expand_dims(x, k)),
    "flip": (1, lambda np, x: x[..., ::-1] if last(x) >= 0 else x),
    "row": (1, lambda np, x: x[-1] if last(x) >= 0 else x),
    "slice": (1, lambda np, x: x[..., 1:] if last(x) >= 0 and onp.shape(x)[-1] > 1 else x),
    "pick": (1, lambda np, x, seed: x[picks(x, seed)] if last(x) >= 0 else x),
    "grid": (1, lambda np, x, seed: x[grid(x, seed)] if last(x) >= 1 else x),
    "stack": (2, lambda np, x, y: np.stack([x * (0.0 * y + 1.0), y * (0.0 * x + 1.0)])),
    "concatenate": (2, lambda np, x, y: np.concatenate([np.reshape(x, -1), np.reshape(y, -1)])),
    "outer": (2, lambda np, x, y: np.outer(np.tanh(np.ravel(x)), np.ravel(y))),
    "gram": (1, lambda np, x: x @ np.transpose(np.tanh(x)) if last(x) == 1 else x),
    "matmul": (2, lambda np, x, y: product(np, x, y)),
    "einsum": (1, lambda np, x: np.einsum("ij,kj->ik", np.tanh(x), x) if last(x) == 1 else x),
}
PARAMETERS = {
    "where": st.tuples(st.integers(0, 99)),
    "constant": st.tuples(st.integers(0, 99)),
    "pick": st.tuples(st.integers(0, 99)),
    "grid": st.tuples(st.integers(0, 99)),
    "expand": st.tuples(st.sampled_from([0, -1])),
    **{
        name: st.tuples(st.integers(0, 3), st.booleans())
        for name in ("sum", "mean", "max", "var", "prod", "logsumexp", "cumsum")
    },
}


def axis(x: Any, k: int) -> int | None:
    rank = onp.ndim(x)
    return None if k >= rank else k


def choose(np: Any, x: Any, y: Any, seed: int) -> Any:
    shape = onp.broadcast_shapes(onp.shape(x), onp.shape(y))
    mask = onp.random.default_rng(seed).integers(0, 2, shape).astype(bool)
    # autograd's where does not undo broadcasting, so both sides are given the full shape.
    return np.where(mask, x + onp.zeros(shape), y + onp.zeros(shape))


def fixed(shape: Any, seed: int) -> Any:
    return onp.random.default_rng(seed).uniform(0.5, 1.5, shape)


def picks(x: Any, seed: int) -> Any:
    return onp.random.default_rng(seed).integers(-1, onp.shape(x)[0], 4)


def grid(x: Any, seed: int) -> Any:
    rng = onp.random.default_rng(seed)
    rows, columns = onp.shape(x)[:2]
    return rng.integers(0, rows, (2, 1)), rng.integers(0, columns, 3)


def product(np: Any, x: Any, y: Any) -> Any:
    """Multiply whatever has an inner axis in common, and add otherwise."""
    a, b = onp.shape(x), onp.shape(y)
    if not a or not b or a[-1] != (b[-2] if len(b) > 1 else b[-1]) or max(len(a), len(b)) > 2:
        return np.sum(x) + y
    return np.tanh(x) @ y


@dataclass(frozen=True)
class Program:
    """Inputs, steps, and how to run them on a namespace."""

    inputs: tuple[Any, ...]
    steps: tuple[Step, ...]

    def __call__(self, np: Any, *inputs: Any) -> Any:
        """Return a scalar: every value weighs in, so that each path is differentiated."""
        values = list(inputs)
        for name, operands, params in self.steps:
            values.append(OPERATIONS[name][1](np, *[values[k] for k in operands], *params))
        total = 0.0
        for k, value in enumerate(values[len(inputs) :]):
            total = total + np.mean(value) * (1.0 + 0.1 * k)
        return total


@st.composite
def programs(draw: st.DrawFn, steps: int = 12) -> Program:
    """Draw a program whose values stay of moderate size."""
    rng = onp.random.default_rng(draw(st.integers(0, 2**16)))
    shapes = draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3))
    inputs = tuple(onp.asarray(rng.normal(size=shape))[()] for shape in shapes)
    values: list[Any] = list(inputs)
    chosen: list[Step] = []
    for _ in range(draw(st.integers(1, steps))):
        name = draw(st.sampled_from(sorted(OPERATIONS)))
        count, function = OPERATIONS[name]
        operands = tuple(draw(st.integers(0, len(values) - 1)) for _ in range(count))
        params = draw(PARAMETERS.get(name, st.just(())))
        try:
            value = function(onp, *[values[k] for k in operands], *params)
        except ValueError:  # the shapes do not broadcast: not part of the program
            continue
        if onp.size(value) <= 60 and onp.ndim(value) <= 3 and onp.all(onp.abs(value) < 50.0):
            values.append(value)
            chosen.append((name, operands, params))
    return Program(inputs, tuple(chosen))
