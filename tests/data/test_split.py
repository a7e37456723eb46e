"""Splitting rows: every row once, the same each time, classes in proportion."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlit.core.errors import InputError
from backlit.data import split_rows


@given(st.integers(2, 200), st.floats(0.01, 0.99), st.integers(0, 2**64 - 1))
@settings(deadline=None, max_examples=50)
def test_every_row_is_in_one_part(rows, fraction, seed):
    train, test = split_rows(rows, fraction, seed)
    assert sorted([*train, *test]) == list(range(rows))
    assert (np.diff(train) > 0).all()
    assert (np.diff(test) > 0).all()
    assert len(test) == min(max(round(rows * fraction), 1), rows - 1)


@given(st.lists(st.integers(2, 40), min_size=1, max_size=6), st.floats(0.05, 0.95))
@settings(deadline=None, max_examples=100)
def test_classes_are_split_in_proportion(sizes, fraction):
    labels = [name for name, size in enumerate(sizes) for _ in range(size)]
    train, test = split_rows(len(labels), fraction, 0, stratify=labels)
    assert sorted([*train, *test]) == list(range(len(labels)))
    tested = Counter(labels[i] for i in test)
    for name, size in enumerate(sizes):
        assert 1 <= tested[name] <= size - 1
        wanted = size * fraction
        if 1 <= wanted <= size - 1:
            # The share asked for is first rounded to whole rows over all classes together.
            assert abs(tested[name] - wanted) < 1 + size / (2 * len(labels)) + 1e-9


def test_the_seed_decides():
    first = split_rows(100, 0.3, seed=5)
    again = split_rows(100, 0.3, seed=5)
    other = split_rows(100, 0.3, seed=6)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert (first[1] != other[1]).any()


def test_every_row_is_tested_as_often_as_it_should_be():
    """Over 400 seeds each of 20 rows is in a fifth of the test parts: 80 ± 5 standard errors."""
    counts = np.zeros(20)
    for seed in range(400):
        counts[split_rows(20, 0.2, seed)[1]] += 1
    assert counts.sum() == 400 * 4
    assert (np.abs(counts - 80) < 5 * np.sqrt(400 * 0.2 * 0.8)).all()


def test_labels_of_any_type():
    for labels in [["a", "b"] * 5, [True, False] * 5, np.array([3, 7] * 5), [0.5, 1.5] * 5]:
        _, test = split_rows(10, 0.2, 0, stratify=labels)
        assert sorted(Counter(np.asarray(labels)[test].tolist()).values()) == [1, 1]


@pytest.mark.parametrize(
    ("rows", "fraction", "stratify", "message"),
    [
        (10, 0.0, None, "0 of the rows"),
        (10, 1.0, None, "1 of the rows"),
        (10, -0.5, None, "-0.5 of the rows"),
        (10, float("nan"), None, "nan of the rows"),
        (1, 0.5, None, "1 row cannot be split"),
        (0, 0.5, None, "0 rows cannot be split"),
        (3, 0.5, ["a", "b", "a"], "the class 'b' has only 1 row"),
        (3, 0.5, np.array([1, 2, 1]), "the class 2 has only 1 row"),
        (3, 0.5, ["a"], "1 labels for 3 rows"),
    ],
)
def test_what_cannot_be_split(rows, fraction, stratify, message):
    with pytest.raises(InputError, match=message):
        split_rows(rows, fraction, 0, stratify=stratify)
