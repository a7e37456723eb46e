"""The field that proofs are made in."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest

from backlit.explain.equation.values.residues import (
    Residues,
    Undecided,
    inverses,
    random_prime,
    residue,
)


@pytest.mark.parametrize("seed", range(5))
def test_the_prime_has_the_squares_that_signs_need(seed: int) -> None:
    p = random_prime(random.Random(seed))
    assert 2**126 < p < 2**127
    # Fermat's test in bases that the search did not draw.
    assert all(pow(base, p - 1, p) == 1 for base in (2, 3, 5, 7, 11, 13))
    assert pow(p - 1, p // 2, p) == p - 1
    for q in (2, 3, 5, 7, 11, 13, 17, 19, 23):
        assert pow(q, p // 2, p) == 1
        root = pow(q, (p + 1) // 4, p)
        assert root * root % p == q and pow(root, p // 2, p) == 1
    for q in (3, 5, 7, 11, 13):
        assert (p - 1) % q


def test_primes_differ() -> None:
    assert len({random_prime(random.Random(seed)) for seed in range(20)}) == 20


def test_arrays_compute_as_fractions_do() -> None:
    p, rng = random_prime(random.Random(0)), np.random.default_rng(0)
    fractions = [
        np.array([[Fraction(int(n), int(d)) for n, d in row] for row in rows], dtype=object)
        for rows in rng.integers(1, 99, (3, 3, 3, 2))
    ]
    x, y, z = (
        Residues(np.array([[residue(f, p) for f in row] for row in array], dtype=object), p)
        for array in fractions
    )
    a, b, c = fractions
    found = (x @ y - z * x / y + (-z).transpose((1, 0))).sum(axis=(1,), keepdims=False)
    expected = (a @ b - c * a / b - c.T).sum(axis=1)
    assert list(found.items) == [residue(f, p) for f in expected]


def test_inverses_are_all_right_and_zero_has_none() -> None:
    numbers = [3, 5, 2**100, 7]
    p = random_prime(random.Random(1))
    assert all(x * y % p == 1 for x, y in zip(numbers, inverses(numbers, p), strict=True))
    with pytest.raises(Undecided):
        inverses([3, p], p)


def test_degrees_are_bounds() -> None:
    p = random_prime(random.Random(2))
    x = Residues(np.array([2, 3, 4], dtype=object), p, 1.0)
    one = Residues(1, p)
    cubed = x * x * x
    assert (cubed.top, cubed.bottom) == (3.0, 0.0)
    # 1/a + 1/b + 1/c has a denominator of degree 3 and a numerator of degree 2.
    total = (one / x).sum(axis=(0,), keepdims=False)
    assert (total.top, total.bottom) == (2.0, 3.0)
