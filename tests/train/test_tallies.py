"""Metrics as sums over batches, against the metrics of all predictions at once."""

from __future__ import annotations

from typing import Any

import numpy as onp
import pytest

from backlit.train.metrics import METRICS
from backlit.train.tallies import tallies_for

RNG = onp.random.default_rng(4)


def in_batches(name: str, P: Any, y: Any) -> float:
    found = tallies_for({name: METRICS[name]}, P.shape[1:])
    assert found is not None
    total = sum(found[name].of_batch(P[k : k + 7], y[k : k + 7]) for k in range(0, len(P), 7))
    return found[name].value(total, y, P.shape[1:])


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("output", [(), (1,), (3,), (2, 3)])
@pytest.mark.parametrize("name", ["binary_accuracy", "r2", "rmse", "mae"])
def test_numbers(name: str, output: tuple[int, ...], kind: Any) -> None:
    P, y = (RNG.normal(size=(40, *output)).astype(kind) for _ in range(2))
    y = (y > 0).astype(kind) if name == "binary_accuracy" else y
    assert in_batches(name, P, y) == pytest.approx(METRICS[name](P, y), rel=1e-12)


@pytest.mark.parametrize("output", [(3,), (2, 3), (1,)])
@pytest.mark.parametrize("one_hot", [True, False])
def test_classes_where_many_scores_are_equal(output: tuple[int, ...], one_hot: bool) -> None:
    P = RNG.integers(0, 2, (40, *output)).astype("float32")
    y = RNG.integers(0, output[-1], (40, *output[:-1]))
    targets = onp.eye(output[-1], dtype="float32")[y] if one_hot else y
    found = in_batches("accuracy", P, targets)
    assert found == METRICS["accuracy"](P, targets) == (P.argmax(axis=-1) == y).mean()


def test_no_share_of_a_spread_of_nothing_can_be_explained() -> None:
    y = onp.column_stack([onp.ones(20), onp.arange(20.0)])
    P = y + RNG.normal(size=y.shape)
    assert in_batches("r2", P, y) == pytest.approx(METRICS["r2"](P, y))
    assert onp.isnan(in_batches("r2", P[:, :1], y[:, :1]))


def test_what_wants_all_predictions_at_once_is_not_summed() -> None:
    assert tallies_for({"mine": lambda P, y: 0.0}, (3,)) is None
    assert tallies_for({"accuracy": METRICS["accuracy"]}, ()) is None
    assert tallies_for({}, (3,)) == {}
