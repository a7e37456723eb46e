"""Initial weights: their distribution, their seeds."""

from __future__ import annotations

import math
from typing import Any

import numpy as onp
import pytest
from scipy import stats

import backlit as bl
from backlit.core.errors import InputError
from backlit.nn import initializers
from backlit.nn.initializers import INITIALIZERS, as_key, fans, initializer_for

SHAPE = (300, 200)
VARIANCE = {"glorot": 2 / 500, "he": 2 / 300, "lecun": 1 / 300}


@pytest.mark.parametrize("family", VARIANCE)
def test_normal_initializers_have_the_distribution_of_the_paper(family: str) -> None:
    draws = INITIALIZERS[f"{family}_normal"](11, SHAPE, "float64").ravel()
    assert stats.kstest(draws, "norm", (0, math.sqrt(VARIANCE[family]))).pvalue > 1e-3


@pytest.mark.parametrize("family", VARIANCE)
def test_uniform_initializers_have_the_distribution_of_the_paper(family: str) -> None:
    draws = INITIALIZERS[f"{family}_uniform"](12, SHAPE, "float64").ravel()
    limit = math.sqrt(3 * VARIANCE[family])  # the variance of U(−l, l) is l²/3
    assert abs(draws).max() <= limit
    assert stats.kstest(draws, "uniform", (-limit, 2 * limit)).pvalue > 1e-3


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5), (2, 3, 4)])
def test_orthogonal_matrices_are_orthonormal(shape: tuple[int, ...]) -> None:
    Q = initializers.orthogonal(3, shape, "float64", gain=2.0).reshape(-1, shape[-1]) / 2
    small = Q.T @ Q if Q.shape[0] >= Q.shape[1] else Q @ Q.T
    onp.testing.assert_allclose(small, onp.eye(len(small)), atol=1e-14)


def test_orthogonal_matrices_are_drawn_evenly() -> None:
    # Without the sign correction the first entry would be negative every time (LAPACK's choice).
    firsts = [initializers.orthogonal(seed, (3, 3))[0, 0] for seed in range(200)]
    assert 60 < sum(first > 0 for first in firsts) < 140


@pytest.mark.parametrize("name", INITIALIZERS)
def test_shape_type_and_seed_decide_everything(name: str) -> None:
    draw = INITIALIZERS[name]
    for dtype in ("float32", "float64"):
        once, again = draw(5, (4, 3), dtype), draw(5, (4, 3), dtype)
        assert once.shape == (4, 3) and once.dtype == dtype
        assert onp.array_equal(once, again)
        assert name == "zeros" or not onp.array_equal(once, draw(6, (4, 3), dtype))
    assert onp.array_equal(draw(bl.random.key(5), (4, 3), "float32"), draw(5, (4, 3), "float32"))


def test_scale_of_plain_distributions() -> None:
    assert initializers.normal(0, (20_000,), scale=3.0).std() == pytest.approx(3, rel=0.03)
    draws = initializers.uniform(0, (20_000,), limit=3.0)
    assert -3 <= draws.min() < -2.9 and 2.9 < draws.max() <= 3


def test_fans_of_windows_count_their_positions() -> None:
    assert fans((3, 5, 16, 32)) == (240, 480)
    with pytest.raises(InputError, match=r"weights of shape \(3,\)"):
        initializers.he_normal(0, (3,))


@pytest.mark.parametrize("seed", [onp.int64(3), 3])
def test_any_whole_number_is_a_seed(seed: Any) -> None:
    assert onp.array_equal(as_key(seed), bl.random.key(3))


@pytest.mark.parametrize(
    "seed", [None, 1.0, "1", -1, 2**64, True, onp.zeros(2), onp.zeros(3, "uint32")]
)
def test_other_things_are_not_seeds(seed: Any) -> None:
    with pytest.raises(InputError, match="seed is"):
        as_key(seed)


@pytest.mark.parametrize(
    ("activation", "name"),
    [
        ("relu", "he_normal"),
        ("leaky_relu", "he_normal"),
        ("gelu", "he_normal"),
        ("selu", "lecun_normal"),
        ("tanh", "glorot_uniform"),
        ("sigmoid", "glorot_uniform"),
        ("identity", "glorot_uniform"),
        (onp.sin, "glorot_uniform"),
    ],
)
def test_the_default_follows_the_activation(activation: Any, name: str) -> None:
    assert initializer_for(None, activation) is INITIALIZERS[name]
