"""Random numbers: the published generator, the documented layout, and the right distributions."""

from __future__ import annotations

from typing import Any

import numpy as onp
import pytest
import scipy.stats

import backlit as bl
from backlit.core.errors import DTypeError, ShapeError
from backlit.ops.random import order_of, philox

KEY = bl.random.key(2024)


# --- the generator ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        # The known-answer vectors that the Random123 library publishes for philox4x32, 10 rounds:
        # zeros, ones, and digits of pi.
        (
            "00000000 00000000 00000000 00000000",
            "00000000 00000000",
            "6627e8d5 e169c58d bc57ac4c 9b00dbd8",
        ),
        (
            "ffffffff ffffffff ffffffff ffffffff",
            "ffffffff ffffffff",
            "408f276d 41c83b0e a20bc7c6 6d5451fd",
        ),
        (
            "243f6a88 85a308d3 13198a2e 03707344",
            "a4093822 299f31d0",
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_known_answers(counter: str, key: str, expected: str) -> None:
    def words(text: str) -> Any:
        return onp.array([int(word, 16) for word in text.split()], onp.uint32)

    found = philox(words(counter)[:, None], words(key))
    assert [f"{int(word):08x}" for word in found[:, 0]] == expected.split()


def philox_by_hand(counter: list[int], key: list[int]) -> list[int]:
    """The generator in plain Python integers, straight from the paper's figures."""
    mask = 0xFFFFFFFF
    for _ in range(10):
        left, right = counter[0] * 0xD2511F53, counter[2] * 0xCD9E8D57
        counter = [
            (right >> 32) ^ counter[1] ^ key[0],
            right & mask,
            (left >> 32) ^ counter[3] ^ key[1],
            left & mask,
        ]
        key = [(key[0] + 0x9E3779B9) & mask, (key[1] + 0xBB67AE85) & mask]
    return counter


def test_word_k_of_a_draw_is_word_k_mod_4_of_block_k_over_4() -> None:
    key = [int(word) for word in KEY]
    words = [word for block in range(3) for word in philox_by_hand([block, 0, 0, 0], key)]
    assert bl.random.bits(KEY, (2, 5)).reshape(-1).tolist() == words[:10]


def test_a_longer_draw_starts_with_the_shorter_one() -> None:
    assert (bl.random.bits(KEY, 103)[:10] == bl.random.bits(KEY, 10)).all()


def test_keys_hold_the_seed_in_two_words() -> None:
    assert bl.random.key(5 + (7 << 32)).tolist() == [5, 7]
    assert bl.random.key(5).dtype == onp.uint32


def test_derived_keys_use_blocks_that_draws_never_reach() -> None:
    key = [int(word) for word in KEY]
    expected = philox_by_hand([3, 1, 0, 1], key)[:2]
    assert bl.random.fold_in(KEY, 3 + (1 << 32)).tolist() == expected
    many = {tuple(bl.random.fold_in(KEY, k).tolist()) for k in range(1000)}
    assert len(many) == 1000 and tuple(KEY.tolist()) not in many
    assert [k.tolist() for k in bl.random.split(KEY, 3)] == [
        bl.random.fold_in(KEY, k).tolist() for k in range(3)
    ]


def test_a_negative_number_folds_in_like_its_two_complement() -> None:
    assert (bl.random.fold_in(KEY, -1) == bl.random.fold_in(KEY, onp.uint64(2**64 - 1))).all()


# --- from bits to numbers ---------------------------------------------------------------------


def test_float32_uniforms_are_the_upper_24_bits() -> None:
    words = bl.random.bits(KEY, (100,))
    expected = [(int(word) >> 8) * 2.0**-24 for word in words]
    found = bl.random.uniform(KEY, (100,), onp.float32)
    assert found.dtype == onp.float32 and found.tolist() == expected


def test_float64_uniforms_are_53_bits_of_two_words() -> None:
    words = bl.random.bits(KEY, (100, 2)).astype(object)
    expected = [((a >> 5) * 2**26 + (b >> 6)) / 2**53 for a, b in words]
    found = bl.random.uniform(KEY, (100,))
    assert found.dtype == onp.float64 and found.tolist() == expected


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normals_are_box_and_mullers_cosine_branch(dtype: str) -> None:
    u = bl.random.uniform(KEY, (50, 2), dtype).astype(float)
    expected = onp.sqrt(-2.0 * onp.log1p(-u[:, 0])) * onp.cos(2.0 * onp.pi * u[:, 1])
    found = bl.random.normal(KEY, 50, dtype)
    assert found.dtype == dtype
    onp.testing.assert_allclose(
        found, expected, rtol=1e-5 if dtype == "float32" else 1e-12, atol=1e-6
    )


# --- distributions ----------------------------------------------------------------------------
# Each test has a fixed key, so it passes always or never; a p below 0.001 would mean a wrong
# distribution, not bad luck.


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", [0, 1, 2**63])
def test_uniform_and_normal_pass_kolmogorov_and_smirnov(seed: int, dtype: str) -> None:
    key = bl.random.key(seed)
    uniform = bl.random.uniform(key, (20_000,), dtype, low=-1.0, high=3.0)
    assert scipy.stats.kstest(uniform, scipy.stats.uniform(-1.0, 4.0).cdf).pvalue > 0.001
    assert -1.0 <= uniform.min() and uniform.max() < 3.0
    normal = bl.random.normal(key, (100, 200), dtype).reshape(-1)
    assert scipy.stats.kstest(normal, scipy.stats.norm.cdf).pvalue > 0.001


def test_neighbours_and_split_keys_are_uncorrelated() -> None:
    draw = bl.random.normal(KEY, (50_000,))
    left, right = (bl.random.normal(k, (50_000,)) for k in bl.random.split(KEY))
    for a, b in ((draw[:-1], draw[1:]), (left, right), (draw, left)):
        assert abs(onp.corrcoef(a, b)[0, 1]) < 4.0 / onp.sqrt(50_000)


def test_randint_is_uniform_and_in_range() -> None:
    draw = bl.random.randint(KEY, (30_000,), -3, 4)
    assert draw.dtype == onp.int64 and set(draw.tolist()) == set(range(-3, 4))
    assert scipy.stats.chisquare(onp.bincount(draw + 3)).pvalue > 0.001
    wide = bl.random.randint(KEY, (1000,), 0, 2**32)
    assert wide.min() >= 0 and wide.max() < 2**32 and wide.max() > 2**31


def test_bernoulli_draws_with_the_given_probability() -> None:
    draw = bl.random.bernoulli(KEY, 0.3, (30_000,))
    assert draw.dtype == onp.bool_
    assert scipy.stats.binomtest(int(draw.sum()), draw.size, 0.3).pvalue > 0.001
    assert bl.random.bernoulli(KEY, 1.0, (100,)).all()
    assert not bl.random.bernoulli(KEY, 0.0, (100,)).any()


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 64, 65, 1437])
@pytest.mark.parametrize("places", [0, 4, 58])
def test_equal_sort_keys_stay_in_order(rows: int, places: int) -> None:
    rng = onp.random.default_rng(rows)
    few = rng.integers(0, 50, rows, dtype=onp.uint64) << onp.uint64(places)
    many = rng.integers(0, 2**64, rows, dtype=onp.uint64)
    for keys in (few, many):
        pairs = sorted((int(value), place) for place, value in enumerate(keys))
        assert order_of(keys).tolist() == [place for _, place in pairs]


def test_permutations_are_equally_likely() -> None:
    keys = [bl.random.fold_in(KEY, k) for k in range(3000)]
    drawn = [tuple(bl.random.permutation(key, 3).tolist()) for key in keys]
    counts = [drawn.count(order) for order in set(drawn)]
    assert len(counts) == 6 and scipy.stats.chisquare(counts).pvalue > 0.001


# --- under transformations --------------------------------------------------------------------


def test_a_graph_and_a_scan_draw_the_same_numbers() -> None:
    graph = bl.trace(lambda key: bl.random.normal(key, (4,)))(KEY)
    assert (graph(KEY)[0] == bl.random.normal(KEY, (4,))).all()
    other = bl.random.key(9)
    assert (graph(other)[0] == bl.random.normal(other, (4,))).all()

    def step(key: Any, number: Any) -> Any:
        return key, bl.random.uniform(bl.random.fold_in(key, number), (2,), onp.float32)

    drawn = bl.scan(step, KEY, onp.arange(3))[1]
    for k in range(3):
        expected = bl.random.uniform(bl.random.fold_in(KEY, k), (2,), onp.float32)
        assert (drawn[k] == expected).all()


def test_draws_carry_gradients_of_their_parameters_only() -> None:
    def mean(low: Any, high: Any) -> Any:
        return bl.random.uniform(KEY, (1000,), low=low, high=high).mean()

    unit = bl.random.uniform(KEY, (1000,)).mean()
    low, high = bl.grad(mean, argnums=(0, 1))(1.0, 2.0)
    assert (low, high) == pytest.approx((1.0 - unit, unit))
    assert bl.grad(lambda x: (x * bl.random.normal(KEY, (3,))).sum())(2.0) == pytest.approx(
        bl.random.normal(KEY, (3,)).sum()
    )


def test_bounds_do_not_change_the_type() -> None:
    plain = bl.random.uniform(KEY, (5,), onp.float32)
    for low, high in ((onp.float64(-0.5), 1.5), (onp.full(5, -0.5), onp.array(1.5)), (-0.5, 1.5)):
        draw = bl.random.uniform(KEY, (5,), onp.float32, low, high)
        assert draw.dtype == onp.float32
        onp.testing.assert_array_equal(draw, plain * onp.float32(2.0) - onp.float32(0.5))
    slopes = bl.grad(lambda a, b: bl.random.uniform(KEY, (5,), "f", a, b).sum(), (0, 1))(0.0, 1.0)
    assert slopes == pytest.approx((5.0 - plain.sum(), plain.sum()), rel=1e-6)


def test_split_takes_its_number_by_name() -> None:
    assert len(bl.random.split(KEY)) == 2 and len(bl.random.split(KEY, n=4)) == 4


# --- wrong calls ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: bl.random.uniform(3), DTypeError, r"two uint32 words.*bl.random.key\(seed\)"),
        (lambda: bl.random.bits(onp.zeros(2)), DTypeError, "two uint32 words, not float64"),
        (lambda: bl.random.key(-1), DTypeError, r"between 0 and.*fix: .*n % 2\*\*64"),
        (lambda: bl.random.key(1.5), DTypeError, r"an integer, not 1.5.*fix: .*int\(seed\)"),
        (lambda: bl.random.key("a"), DTypeError, "an integer, not 'a'"),
        (
            lambda: bl.jit(lambda s: bl.random.key(s))(3),
            DTypeError,
            r"not a traced int64~.*fold_in\(bl.random.key\(0\), seed\)",
        ),
        (lambda: bl.jit(lambda s: bl.random.key(s))(3.0), DTypeError, "outside and pass it"),
        (lambda: bl.random.normal(KEY, (-1,)), ShapeError, r"shape \(-1, 2\)|shape \(-1,\)"),
        (lambda: bl.random.uniform(KEY, (2, -3)), ShapeError, "fix: give every axis"),
        (lambda: bl.random.bits(KEY, -1), ShapeError, "test_random.py"),
        (lambda: bl.random.key(2**64), DTypeError, "between 0 and"),
        (lambda: bl.random.fold_in(KEY, 1.5), DTypeError, "an integer, not float64"),
        (lambda: bl.random.uniform(KEY, (2,), onp.int32), DTypeError, "float32 or float64"),
        (lambda: bl.random.randint(KEY, (2,), 3, 3), ShapeError, "low < high"),
        (lambda: bl.random.randint(KEY, (2,), 0, 2**33), ShapeError, "low < high"),
    ],
)
def test_wrong_calls_are_explained(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=f"(?s){message}"):
        call()


@pytest.mark.parametrize("seed", [0, 2**64 - 1])
def test_extreme_seeds_are_fine(seed: int) -> None:
    assert bl.random.bits(bl.random.key(seed), (3,)).shape == (3,)


def test_empty_draws_are_fine() -> None:
    assert bl.random.uniform(KEY, (0, 3)).shape == (0, 3)
    assert bl.random.permutation(KEY, 0).shape == (0,)
    assert bl.random.normal(KEY).shape == ()
