"""How far long sums are from the exact ones, and that threads do not change them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np

RNG = onp.random.default_rng(3)
LONG = 1_000_003
SUMS: dict[str, tuple[Callable[..., Any], Any, int]] = {
    "of one tenth": (np.sum, onp.full(10**7, 0.1, "float32"), 10**7),
    "whole": (np.sum, RNG.random(LONG, "float32"), LONG),
    "mean": (lambda x: np.mean(x), RNG.random(LONG, "float32"), LONG),
    "of squares": (lambda x: np.mean((x - 0.5) ** 2), RNG.random(LONG, "float32"), LONG),
    "dot": (lambda x: np.dot(x, x), RNG.random(LONG, "float32"), LONG),
    "of long rows": (lambda x: np.sum(x, 1), RNG.random((7, 60_000), "float32"), 60_000),
    "of short rows": (lambda x: np.sum(x, 1), RNG.random((60_000, 7), "float32"), 7),
    "of long columns": (lambda x: np.sum(x, 0), RNG.random((200_000, 10), "float32"), 200_000),
    "of wide columns": (lambda x: np.sum(x, 0), RNG.random((3_000, 300), "float32"), 3_000),
    "strided": (lambda x: np.sum(x[:, :30]), RNG.random((30_001, 50), "float32"), 900_030),
    "of outer axes": (
        lambda x: np.sum(x, (0, 2)),
        RNG.random((300, 3, 301), "float32"),
        300 * 301,
    ),
    "of two inner axes": (
        lambda x: np.sum(x[:, :, :9], (1, 2)),
        RNG.random((3, 20_001, 11), "float32"),
        9 * 20_001,
    ),
    "of a loss": (
        lambda x: -np.mean(np.log_softmax(x, 1)[:, 3]),
        RNG.random((100_001, 5), "float32"),
        100_001,
    ),
}


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = bl.num_threads()
    yield
    bl.set_num_threads(before)


@pytest.mark.parametrize("name", SUMS)
def test_long_sums_are_put_together_from_blocks(name: str) -> None:
    """Sixteen additions in a row per level: the bound of docs/conventions.md."""
    f, x, count = SUMS[name]
    exact = onp.asarray(f(x.astype("float64")))
    roundings = 16 * math.ceil(math.log(count, 16)) + 24
    sizes = []
    for threads in (1, 2):
        bl.set_num_threads(threads)
        found = onp.asarray(bl.jit(f)(x))
        onp.testing.assert_allclose(found, exact, rtol=roundings * 2.0**-24)
        sizes.append(found.tobytes())
    assert sizes[0] == sizes[1]


def test_infinities_and_nans_are_added_up_as_they_are() -> None:
    x = onp.ones(100_000, "float32")
    x[70_000] = onp.inf
    total = bl.jit(np.sum)
    assert total(x) == onp.inf
    x[3] = -onp.inf
    assert onp.isnan(total(x))


@pytest.mark.parametrize("count", [*range(1, 40), 255, 256, 257, 1023, 1025, 4095, 4097, 16_385])
def test_every_number_is_added_once(count: int) -> None:
    """Whole numbers in float64 are added exactly, in any order."""
    x = onp.arange(1.0, count + 1)
    assert bl.jit(np.sum)(x) == count * (count + 1) / 2
    rows = onp.stack([x, 2 * x, 3 * x], axis=1)
    expected = (onp.array([1.0, 2.0, 3.0]) * count * (count + 1) / 2).tolist()
    assert bl.jit(lambda x: np.sum(x, 0))(rows).tolist() == expected
    assert bl.jit(lambda x: np.sum(x[:, :2]))(rows) == 3 * count * (count + 1) / 2
