"""Predictions, losses and metrics."""

from __future__ import annotations

import math
from typing import Any

import numpy as onp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backlit.numpy as np
from backlit import nn, train
from backlit.core.errors import InputError, ShapeError
from backlit.train.metrics import METRICS, chosen_metrics

RNG = onp.random.default_rng(5)
X = RNG.normal(size=(11, 4)).astype("float32")


def test_predictions_are_the_models_outputs_however_they_are_cut() -> None:
    model = nn.MLP([4, 6, 3], seed=0)
    whole = model(X)
    for batch_size in (1, 4, 11, 100):
        found = train.predict(model, X.astype("float64"), batch_size=batch_size)
        assert found.dtype == onp.float32 and found.shape == (11, 3)
        onp.testing.assert_allclose(found, whole, rtol=1e-5, atol=1e-7)
    assert train.predict(model, X[:0]).shape == (0, 3)


def test_predictions_are_made_without_dropout() -> None:
    model = nn.Sequential(nn.Dropout(0.9), nn.Dense(4, 1, seed=0))
    assert (train.predict(model, X) == nn.Dense(4, 1, seed=0)(X)).all()


@pytest.mark.parametrize(
    ("model", "rows", "options", "message"),
    [
        ({"w": 1.0}, X, {}, "cannot be called"),
        (nn.Dense(3, 1, seed=0), X, {}, "X has 4 columns"),
        (nn.Dense(4, 1, seed=0), X, {"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_what_cannot_be_predicted_is_refused(
    model: Any, rows: Any, options: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        train.predict(model, rows, **options)


def test_evaluate_weighs_the_loss_and_not_the_metrics() -> None:
    model, y = nn.Dense(4, 1, seed=0, dtype="float64"), RNG.normal(size=11)
    w = RNG.random(11)
    error = (X.astype("float64") @ model.W + model.b)[:, 0] - y
    found = train.evaluate(model, (X, y), "mse", metrics=["rmse", "mae", "r2"], sample_weight=w)
    assert found["loss"] == pytest.approx(onp.average(error**2, weights=w))
    assert found["rmse"] == pytest.approx(onp.sqrt((error**2).mean()))
    assert found["mae"] == pytest.approx(abs(error).mean())
    assert found["r2"] == pytest.approx(1 - (error**2).sum() / ((y - y.mean()) ** 2).sum())


def test_weights_apply_to_losses_with_several_outputs() -> None:
    model, Y = nn.Dense(4, 2, seed=0, dtype="float64"), RNG.normal(size=(11, 2))
    w = RNG.random(11)
    squared = (X.astype("float64") @ model.W + model.b - Y) ** 2
    found = train.evaluate(model, (X, Y), "mse", sample_weight=w)
    assert found["loss"] == pytest.approx(onp.average(squared.mean(axis=1), weights=w))


def test_a_function_of_ones_own_is_averaged_over_chunks_by_their_sizes() -> None:
    sizes: list[int] = []

    def loss(model: Any, x: Any, y: Any) -> Any:
        sizes.append(len(x))
        return np.mean(np.square(x[:, 0] * model["w"] - y))

    x = RNG.normal(size=(5000, 1))
    found = train.evaluate({"w": 2.0}, (x, onp.zeros(5000)), loss)
    assert sizes == [4096, 904]
    assert found == {"loss": pytest.approx((4 * x**2).mean())}


@given(
    st.lists(
        st.tuples(st.floats(-5, 5), st.floats(-5, 5)).map(lambda pair: [pair[0], pair[1]]),
        min_size=1,
        max_size=20,
    ),
    st.data(),
)
@settings(deadline=None)
def test_accuracy_counts_right_answers(scores: Any, data: Any) -> None:
    labels = [data.draw(st.integers(0, 1)) for _ in scores]
    right = sum((b > a) == bool(label) for (a, b), label in zip(scores, labels, strict=True))
    assert train.accuracy(scores, labels) == pytest.approx(right / len(labels))
    assert train.accuracy(scores, onp.eye(2)[labels]) == pytest.approx(right / len(labels))
    logits = [b - a for a, b in scores]
    signs = [2 * label - 1 for label in labels]
    if all(a != b and (b - a > 0) == (b > a) for a, b in scores):
        assert train.binary_accuracy(logits, labels) == pytest.approx(right / len(labels))
        assert train.binary_accuracy(onp.array(logits)[:, None], signs) == pytest.approx(
            right / len(labels)
        )


def test_r2_of_constant_targets_and_of_several_outputs() -> None:
    # 1 − 0/0 and 1 − c/0: undefined, whether the predictions are right or not.
    assert math.isnan(train.r2([1.0, 1.0], [1.0, 1.0]))
    assert math.isnan(train.r2([1.0, 2.0], [1.0, 1.0]))
    assert math.isnan(train.r2([[3.0, 4.0]], [[3.0, 4.0]]))
    Y = RNG.normal(size=(9, 2))
    P = Y + RNG.normal(size=(9, 2))
    each = [train.r2(P[:, k], Y[:, k]) for k in (0, 1)]
    assert train.r2(P, Y) == pytest.approx(sum(each) / 2)
    constant = onp.hstack([Y, onp.ones((9, 1))])
    assert train.r2(onp.hstack([P, P[:, :1]]), constant) == pytest.approx(sum(each) / 2)
    # A large offset must not cancel in float32.
    y = onp.array([1e7, 1e7 + 1, 1e7 + 2], "float32")
    assert train.r2((y + onp.float32([1, -1, 0]))[:, None], y) == 0.0


def test_metrics_refuse_to_broadcast() -> None:
    with pytest.raises(ShapeError):
        train.accuracy(onp.zeros((3, 2)), onp.zeros(2, int))
    for name in ("r2", "rmse", "mae", "binary_accuracy"):
        with pytest.raises(ShapeError):
            METRICS[name](onp.zeros(3), onp.zeros((3, 1)))


def test_every_loss_has_a_metric() -> None:
    for loss in nn.LOSSES:
        assert len(chosen_metrics(None, loss)) == 1
