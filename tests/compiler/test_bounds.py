"""Compiled code touches no byte that is not its own: every array lies against a forbidden page."""

from __future__ import annotations

import ctypes
import mmap
import sys
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit import nn, optim
from backlit.compiler import compile_graph
from backlit.core import tree

PAGE = mmap.PAGESIZE
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="uses mprotect")


class Guarded:
    """Arrays between two pages that may be neither read nor written."""

    def __init__(self) -> None:
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        self.maps: list[tuple[Any, int, int]] = []

    def array(self, shape: Any, dtype: Any, at_end: bool, aligned: int = 1) -> Any:
        """Return an array that ends (or begins) where a forbidden page begins (or ends)."""
        dtype = onp.dtype(dtype)
        nbytes = int(onp.prod(shape, dtype=int)) * dtype.itemsize
        nbytes = -(-nbytes // aligned) * aligned
        inner = -(-max(nbytes, 1) // PAGE) * PAGE
        block = mmap.mmap(-1, inner + 2 * PAGE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(block))
        offset = PAGE + (inner - nbytes if at_end else 0)
        found = onp.ndarray(shape, dtype, onp.frombuffer(block, onp.uint8), offset)
        for page in (start, start + PAGE + inner):
            assert self.libc.mprotect(page, PAGE, 0) == 0
            self.maps.append((block, page, PAGE))
        return found

    def close(self) -> None:
        for _, page, size in self.maps:
            self.libc.mprotect(page, size, 3)


@pytest.fixture
def guarded() -> Any:
    pages = Guarded()
    yield pages
    pages.close()


def check(guarded: Guarded, f: Any, *args: Any) -> None:
    leaves = [onp.asarray(a) for a in tree.flatten(args)[0]]
    program = compile_graph(bl.jit(f).graph(*args))
    expected = program(leaves)
    for at_end in (True, False):
        inputs = []
        for leaf in leaves:
            inputs.append(guarded.array(leaf.shape, leaf.dtype, at_end))
            inputs[-1][...] = leaf
        outputs = [guarded.array(onp.shape(e), onp.asarray(e).dtype, at_end) for e in expected]
        scratch = guarded.array((program.plan.scratch,), "uint8", at_end, 64)
        assert program.run(inputs, outputs, scratch) is None
        for found, value in zip(outputs, expected, strict=True):
            onp.testing.assert_array_equal(found, value)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 3, 8, 13, 16, 17, 64, 65])
def test_nests_reductions_and_moves(guarded: Guarded, n: int, dtype: str) -> None:
    rng = onp.random.default_rng(n)
    x, y = rng.normal(size=(5, n)).astype(dtype), rng.normal(size=n).astype(dtype)
    index = rng.integers(0, n, size=4)

    def f(x: Any, y: Any, index: Any) -> Any:
        z = np.tanh(x) + y
        return (
            *(z.sum(axis=0), z.sum(axis=1), z.sum(), z.max(axis=1), z > 0, np.argmax(z, axis=1)),
            *(np.cumsum(z, axis=1), x.T + 0.0, np.concatenate([x, z], axis=1), np.pad(x, 1)),
            *(np.take(x, index, axis=1), x[:, ::2] * 2.0, np.flip(x), np.softmax(x, axis=1)),
            *(bl.scan(lambda c, r: (c + r, c * r), y, x)[1], x.T.ravel(), np.einsum("ij->ji", x)),
        )

    check(guarded, f, x, y, index)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "shape",
    [(1, 1, 1), (3, 5, 7), (16, 16, 16), (17, 33, 9), (64, 10, 31), (2, 100, 1), (1, 9, 40)],
)
def test_products(guarded: Guarded, shape: tuple[int, int, int], dtype: str) -> None:
    m, k, n = shape
    rng = onp.random.default_rng(0)
    a, b = rng.normal(size=(m, k)).astype(dtype), rng.normal(size=(k, n)).astype(dtype)
    at, bt = a.T.copy(), b.T.copy()

    def f(a: Any, b: Any, at: Any, bt: Any) -> Any:
        return (np.relu(a @ b + 1.0), at.T @ b, a @ bt.T, (at.T @ bt.T) * 2.0)

    check(guarded, f, a, b, at, bt)


def test_a_training_step(guarded: Guarded) -> None:
    rng = onp.random.default_rng(0)
    x, y = rng.normal(size=(13, 7)).astype("float32"), rng.integers(0, 3, 13)
    model = nn.MLP([7, 11, 3], seed=0)
    rule = optim.adam(1e-2)

    def step(model: Any, state: Any, x: Any, y: Any) -> Any:
        value, grads = bl.value_and_grad(lambda m: nn.losses.cross_entropy(m(x), y))(model)
        updates, state = rule.update(grads, state, model)
        return optim.apply(model, updates), state, value

    check(guarded, step, model, rule.init(model), x, y)
