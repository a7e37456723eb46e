"""Overhead of an eager gradient: a chain of 100 operations on 4 elements, where little else counts.

The chain is 50 times (sine, multiply by a constant array), then a sum; every contender returns the
value and the gradient, in float64, and their results are compared before anything is timed. The
second table differentiates the multiplier too, which every step then reaches.
"""

from bench import harness  # first: it sets the thread counts

# isort: split
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as onp

STEPS = 50
X = onp.array([0.3, 0.7, 1.1, 1.9])
C = onp.array([1.3, 1.1, 0.9, 1.2])

BARS = [
    harness.Bar("NumPy by hand", 1 / 2, "Backlit takes ≤ 2 × this"),
    harness.Bar("PyTorch eager", 2, "≥ 2 × Backlit"),
    harness.Bar("HIPS autograd", 3, "≥ 3 × Backlit"),
]


def chain(np: Any, x: Any, c: Any) -> Any:
    """Run the chain in the namespace ``np``: x and c have shape (4,), the result is a scalar."""
    for _ in range(STEPS):
        x = np.sin(x) * c
    return np.sum(x)


def backlit(argnums: int | tuple[int, ...]) -> harness.Run:
    import backlit as bl
    import backlit.numpy as np

    return partial(bl.value_and_grad(partial(chain, np), argnums=argnums), X, C)


def by_hand() -> harness.Run:
    """The gradient in x as one would write it in NumPy: keep what the way back needs, no tape."""

    def run() -> tuple[Any, Any]:
        x = X
        angles = []
        for _ in range(STEPS):
            angles.append(x)
            x = onp.sin(x) * C
        value = onp.sum(x)
        g = onp.ones_like(x)
        for angle in reversed(angles):
            g = g * C * onp.cos(angle)
        return value, g

    return run


def by_hand_both() -> harness.Run:
    """The same with the gradient in the multiplier as well."""

    def run() -> tuple[Any, tuple[Any, Any]]:
        x = X
        kept = []
        for _ in range(STEPS):
            sine = onp.sin(x)
            kept.append((x, sine))
            x = sine * C
        value = onp.sum(x)
        g = onp.ones_like(x)
        g_c = onp.zeros_like(C)
        for angle, sine in reversed(kept):
            g_c = g_c + g * sine
            g = g * C * onp.cos(angle)
        return value, (g, g_c)

    return run


def hips_autograd(argnums: int | tuple[int, ...]) -> harness.Run:
    import autograd
    import autograd.numpy as np

    if isinstance(argnums, int):
        return partial(autograd.value_and_grad(partial(chain, np), argnums), X, C)
    # autograd takes several arguments as one tuple.
    both = autograd.value_and_grad(lambda xc: chain(np, *xc))
    return partial(both, (X, C))


def torch_eager(argnums: int | tuple[int, ...]) -> harness.Run:
    import torch

    torch.set_num_threads(1)
    x = torch.tensor(X, requires_grad=True)
    c = torch.tensor(C, requires_grad=argnums != 0)
    wanted = [x] if argnums == 0 else [x, c]

    def run() -> tuple[Any, Any]:
        value = chain(torch, x, c)
        grads = torch.autograd.grad(value, wanted)
        return value.detach(), grads[0] if argnums == 0 else grads

    return run


def jax_without_jit(argnums: int | tuple[int, ...]) -> harness.Run:
    import jax
    import jax.numpy as np

    jax.config.update("jax_enable_x64", True)
    x, c = np.asarray(X), np.asarray(C)
    gradient = jax.value_and_grad(partial(chain, np), argnums=argnums)
    return lambda: jax.block_until_ready(gradient(x, c))


def table(
    title: str, argnums: int | tuple[int, ...], hand: Callable[[], harness.Run], rounds: int
) -> harness.Table:
    """Measure one variant of the chain."""
    contenders = [
        harness.Contender("Backlit", partial(backlit, argnums)),
        harness.Contender("NumPy by hand", hand),
        harness.Contender("PyTorch eager", partial(torch_eager, argnums), "torch"),
        harness.Contender("HIPS autograd", partial(hips_autograd, argnums), "autograd"),
        harness.Contender("JAX without jit", partial(jax_without_jit, argnums), "jax"),
    ]
    runs = harness.build(contenders)
    harness.agree(runs)
    return harness.Table(title, "Backlit", runs, harness.measure(runs, rounds), BARS)


def tables(rounds: int) -> list[harness.Table]:
    return [
        table("100-op chain, value and gradient in x", 0, by_hand, rounds),
        table("the same, gradient in x and in the multiplier", (0, 1), by_hand_both, rounds),
    ]


if __name__ == "__main__":
    harness.main("Eager overhead", tables, rounds=25)
