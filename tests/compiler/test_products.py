"""Products of matrices: every cut covers the result once, and the sums are right."""

from __future__ import annotations

from typing import Any

import numpy as onp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backlit as bl
import backlit.numpy as np
from backlit.compiler.target import Target, host
from backlit.compiler.tiles import panel_height, rectangles

SIZES = st.sampled_from([1, 2, 3, 5, 10, 16, 17, 31, 33, 64, 100, 127, 300])


def close(found: Any, a: Any, b: Any) -> None:
    """Compare a product with one in higher precision, within what rounding of the sums allows."""
    exact = onp.matmul(a.astype(onp.longdouble), b.astype(onp.longdouble))
    scale = onp.matmul(abs(a).astype("float64"), abs(b).astype("float64"))
    bound = (a.shape[-1] ** 0.5 + 4) * onp.finfo(a.dtype).eps
    assert found.shape == exact.shape
    assert (abs(found - exact) <= bound * scale).all()


@settings(deadline=None)
@given(
    m=st.integers(1, 3000),
    n=st.integers(1, 400),
    inner=st.integers(1, 20000),
    itemsize=st.sampled_from([4, 8]),
    machine=st.sampled_from([(16, 16, 1 << 18), (32, 16, 1 << 18), (64, 32, 1 << 20)]),
    packed=st.booleans(),
)
def test_rectangles_cover_the_result_and_the_sums_once(
    m: int, n: int, inner: int, itemsize: int, machine: Any, packed: bool
) -> None:
    target = Target("", "", "", *machine)
    width = target.lanes(itemsize)
    height = panel_height(m, n, inner, width, target.registers) if packed else 0
    covered = onp.zeros((m, n), int)
    for part in rectangles(m, n, inner, itemsize, target, height):
        assert 0 < inner - part.cuts * part.depth <= part.depth
        span = part.vectors * width
        assert part.depth * span * itemsize <= max(target.cache // 2, span * itemsize)
        for stripe in range(part.stripes):
            for first, tall, count in part.blocks:
                # The sums of a block and one row of each operand fit the registers.
                assert tall * part.vectors + part.vectors + 1 <= target.registers
                assert not height or tall == height
                top = part.row + stripe * part.rows + first
                for panel in range(part.panels):
                    assert part.panels % part.across == 0
                    left = part.column + panel * span
                    right = left + span - width + part.active
                    covered[top : top + tall * count, left:right] += 1
    assert (covered == 1).all()


@settings(deadline=None, max_examples=60)
@given(m=SIZES, n=SIZES, inner=SIZES, kind=st.sampled_from(["f4", "f8"]), turned=st.integers(0, 3))
def test_products_of_every_layout(m: int, n: int, inner: int, kind: str, turned: int) -> None:
    rng = onp.random.default_rng(m * n + inner)
    a = rng.normal(size=(m, inner)).astype(kind)
    b = rng.normal(size=(inner, n)).astype(kind)
    first = onp.ascontiguousarray(a.T) if turned & 1 else a
    second = onp.ascontiguousarray(b.T) if turned & 2 else b

    def f(a: Any, b: Any) -> Any:
        return (a.T if turned & 1 else a) @ (b.T if turned & 2 else b)

    close(bl.jit(f)(first, second), a, b)


# Long sums go in passes, tall results in stripes, rows 1 KiB apart are packed.
@pytest.mark.parametrize(
    ("m", "n", "inner"),
    [
        (5, 40, 30000),
        (512, 96, 300),
        (768, 700, 129),
        (2500, 40, 1100),
        (300, 700, 2900),
        (64, 1024, 2049),
        (70, 512, 256),
        (3000, 1, 9),
    ],
)
@pytest.mark.parametrize("turned", [0, 1, 2, 3])
def test_large_products(m: int, n: int, inner: int, turned: int) -> None:
    rng = onp.random.default_rng(0)
    a = rng.normal(size=(m, inner)).astype("f4")
    b = rng.normal(size=(inner, n)).astype("f4")
    first = onp.ascontiguousarray(a.T) if turned & 1 else a
    second = onp.ascontiguousarray(b.T) if turned & 2 else b
    c = rng.normal(size=n).astype("f4")

    def f(a: Any, b: Any, c: Any) -> Any:
        return ((a.T if turned & 1 else a) @ (b.T if turned & 2 else b) + c) * 2

    found = bl.jit(f)(first, second, c)
    exact = 2 * (a.astype("f8") @ b.astype("f8") + c)
    scale = abs(a).astype("f8") @ abs(b).astype("f8") + abs(c)
    assert (abs(found - exact) <= 4 * inner**0.5 * onp.finfo("f4").eps * scale).all()


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((3, 5, 7), (7, 11)),
        ((3, 5, 7), (3, 7, 11)),
        ((2, 3, 5, 7), (7, 40)),
        ((2, 1, 5, 7), (3, 7, 40)),
        ((5, 7), (3, 7, 2)),
        ((0, 5, 7), (7, 2)),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_products_side_by_side(left: Any, right: Any, turned: bool) -> None:
    rng = onp.random.default_rng(0)
    a, b = rng.normal(size=left), rng.normal(size=right)

    def f(a: Any, b: Any) -> Any:
        return np.maximum(a @ (np.swapaxes(b, -1, -2) if turned else b), 0)

    given = onp.swapaxes(b, -1, -2).copy() if turned else b
    onp.testing.assert_allclose(bl.jit(f)(a, given), onp.maximum(a @ b, 0), rtol=1e-12, atol=1e-13)


def test_inspect_counts_the_memory_for_packing() -> None:
    a, b = onp.ones((64, 300), "f4"), onp.ones((300, 40), "f4")
    assert bl.jit(lambda a, b: a @ b).inspect(a, b).packing == 0
    # A panel of a transposed operand holds at least one vector of columns of every row.
    turned = bl.jit(lambda a, b: a @ b.T).inspect(a, onp.ones((40, 300), "f4"))
    assert 300 * 4 * host().lanes(4) <= turned.packing <= host().cache
