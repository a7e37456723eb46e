"""The training loop against arithmetic done by hand."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit import nn, optim, random, train
from backlit.core import tree
from backlit.optim import schedules

RNG = onp.random.default_rng(0)
XOR = onp.array([[0, 0], [0, 1], [1, 0], [1, 1]], "float32")


def line(w: float = 0.0, b: float = 0.0) -> nn.Dense:
    """One input, one output, in float64."""
    layer = nn.Dense(1, 1, seed=0, dtype="float64")
    return dataclasses.replace(layer, W=onp.array([[w]]), b=onp.array([b]))


def arrays(model: Any) -> list[Any]:
    return tree.flatten(model)[0]


def same_bits(a: Any, b: Any) -> bool:
    pairs = zip(arrays(a), arrays(b), strict=True)
    return all(x.dtype == y.dtype and x.tobytes() == y.tobytes() for x, y in pairs)


def test_full_batch_linear_regression_follows_the_recursion_on_paper() -> None:
    x = onp.array([1.0, 2.0, -1.0, 0.5])
    y = onp.array([3.0, 5.0, -1.0, 2.0])
    history = train.fit(
        line(0.3, -0.2), (x[:, None], y), "mse", optim.sgd(0.05), epochs=50, batch_size=4
    )
    w, b, losses = 0.3, -0.2, []
    for _ in range(50):
        r = w * x + b - y
        losses.append((r * r).mean())
        w, b = w - 0.05 * 2 * (r * x).mean(), b - 0.05 * 2 * r.mean()
    assert history.model.W[0, 0] == pytest.approx(w, rel=1e-13)
    assert history.model.b[0] == pytest.approx(b, rel=1e-13)
    assert history.curve("loss") == pytest.approx(losses, rel=1e-12)
    assert history.stopped == "finished"
    assert history.curve("epoch") == list(range(1, 51))


def test_logistic_regression_takes_the_step_on_paper() -> None:
    X, y = RNG.normal(size=(30, 4)), RNG.integers(0, 2, 30)
    model = nn.Dense(4, 1, seed=3, dtype="float64")
    history = train.fit(
        model, (X, y), "binary_cross_entropy", optim.sgd(0.7), epochs=1, batch_size=30
    )
    p = 1 / (1 + onp.exp(-(X @ model.W[:, 0] + model.b[0])))
    W = model.W[:, 0] - 0.7 * X.T @ (p - y) / 30
    b = model.b[0] - 0.7 * (p - y).mean()
    assert onp.abs(history.model.W[:, 0] - W).max() < 1e-12
    assert abs(history.model.b[0] - b) < 1e-12
    (record,) = history.epochs
    assert record["loss"] == pytest.approx(-onp.log(onp.where(y == 1, p, 1 - p)).mean())
    assert record["accuracy"] == ((p > 0.5) == y).mean()


def test_a_short_last_batch_makes_a_step_and_counts_by_its_rows() -> None:
    # w·x for y, from w = 0: three batches, of rows 0–1, 2–3 and 4 alone.
    x, y = [1.0, 1.0, 2.0, 0.0, 3.0], [2.0, 4.0, 2.0, 0.0, 3.0]

    def loss(model: Any, x: Any, y: Any) -> Any:
        return np.mean(np.square(model["w"] * x - y))

    history = train.fit(
        {"w": 0.0}, (x, y), loss, optim.sgd(0.1), epochs=1, batch_size=2, shuffle=False
    )
    # Batch 1: residuals −2, −4; loss 10; slope (−4 − 8)/2 = −6;       w = 0.6.
    # Batch 2: residuals 1.2 − 2, 0; loss 0.32; slope 2·(−0.8)·2/2 = −1.6; w = 0.76.
    # Batch 3: residual 2.28 − 3; loss 0.5184; slope 2·(−0.72)·3 = −4.32;  w = 1.192.
    assert history.model["w"] == pytest.approx(1.192, rel=1e-14)
    assert history.epochs[0]["loss"] == pytest.approx((2 * 10 + 2 * 0.32 + 1 * 0.5184) / 5)
    assert history.epochs[0]["steps"] == 3
    assert history.epochs[0]["gradient_norm"] == pytest.approx({"w": 4.32})
    assert history.epochs[0]["update_ratio"] == pytest.approx({"w": 0.432 / 0.76})


def test_metrics_of_the_training_data_come_from_the_predictions_of_the_steps() -> None:
    X, y = RNG.normal(size=(7, 1)), RNG.normal(size=7)
    seen: list[Any] = []
    history = train.fit(
        line(),
        (X, y),
        "mse",
        optim.sgd(0.1),
        epochs=2,
        batch_size=3,
        metrics={"first": lambda P, Y: seen.append((P.copy(), Y.copy())) or 0.25},
    )
    assert history.curve("first") == [0.25, 0.25]
    (P, Y), (P2, _) = seen
    assert P.shape == (7, 1) and sorted(Y[:, 0]) == sorted(y)
    assert (P[:3] == 0).all() and (P[3:] != 0).all()  # the model of the first step was all zeros
    assert onp.square(P2 - seen[1][1]).mean() == pytest.approx(history.curve("loss")[1])


def test_rows_come_in_the_documented_order() -> None:
    n, visited = 23, []

    def loss(model: Any, x: Any, y: Any) -> Any:
        visited.append(onp.array(x[:, 0], int))
        assert (y == x[:, 0]).all()
        return np.sum(model["w"]) * 0.0

    X = onp.arange(n, dtype=float)[:, None]
    train.fit({"w": 1.0}, (X, X[:, 0]), loss, epochs=3, batch_size=5, seed=11)
    assert [len(rows) for rows in visited] == [5, 5, 5, 5, 3] * 3
    key = random.fold_in(random.key(11), 0)
    for epoch in (1, 2, 3):
        order = onp.concatenate(visited[5 * (epoch - 1) : 5 * epoch])
        assert sorted(order) == list(range(n))
        assert (order == random.permutation(random.fold_in(key, epoch), n)).all()
    visited.clear()
    train.fit({"w": 1.0}, (X, X[:, 0]), loss, epochs=1, batch_size=5, shuffle=False)
    assert (onp.concatenate(visited) == onp.arange(n)).all()


def dropout_model(seed: int = 0) -> nn.Sequential:
    return nn.Sequential(
        nn.Dense(6, 8, "tanh", seed=seed), nn.Dropout(0.4), nn.Dense(8, 3, seed=seed + 1)
    )


X6 = RNG.normal(size=(50, 6)).astype("float32")
Y3 = RNG.integers(0, 3, 50)


@pytest.mark.parametrize("make", [lambda: nn.MLP([6, 8, 3], seed=0), dropout_model])
def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(make: Any) -> None:
    settings: dict[str, Any] = {"epochs": 3, "batch_size": 8, "validation": (X6[:10], Y3[:10])}
    first = train.fit(make(), (X6, Y3), seed=5, **settings)
    again = train.fit(make(), (X6, Y3), seed=5, **settings)
    other = train.fit(make(), (X6, Y3), seed=6, **settings)
    assert same_bits(first.model, again.model)
    for name in first.figures():
        assert first.curve(name) == again.curve(name)
    assert first.settings == again.settings
    assert not same_bits(first.model, other.model)


def test_the_model_given_is_not_changed() -> None:
    model = nn.MLP([6, 8, 3], seed=0)
    before = [leaf.copy() for leaf in arrays(model)]
    train.fit(model, (X6, Y3), epochs=2)
    assert all((a == b).all() for a, b in zip(arrays(model), before, strict=True))


def test_dropout_gets_a_new_key_each_step_and_none_in_validation() -> None:
    keys: list[Any] = []

    class Noisy(nn.Module):
        w: onp.ndarray[Any, Any]

        def __call__(self, x: Any, *, key: Any = None) -> Any:
            keys.append(None if key is None else bytes(onp.asarray(key)))
            noise = 0.0 if key is None else random.normal(key, x.shape)
            return (x + noise) * self.w

    model = Noisy(onp.ones(1))
    data = (onp.ones((10, 1)), onp.ones(10))
    keys_seen = keys.copy()
    train.fit(model, data, "mse", optim.sgd(0.0), epochs=2, batch_size=4, seed=3, validation=data)
    base = random.fold_in(random.key(3), 1)
    expected = [bytes(random.fold_in(base, step)) for step in range(6)]
    assert [key for key in keys if key is not None and key in expected] == expected
    assert keys_seen == [] and keys[-1] is None


def test_keys_ahead_are_those_of_fold_in() -> None:
    from backlit.train.objective import keys

    base = random.key(2**40 + 5)
    many = keys(base, 2**32 - 2, 5)
    for k in range(5):
        assert (many[k] == random.fold_in(base, 2**32 - 2 + k)).all()


def test_a_loss_of_ones_own_may_take_a_key_and_weights() -> None:
    seen: list[Any] = []

    def loss(model: Any, x: Any, y: Any, *, weights: Any, key: Any) -> Any:
        seen.append((weights, None if key is None else bytes(key)))
        return np.mean(weights * np.square(model(x)[:, 0] - y))

    x, y = onp.array([[1.0], [2.0], [3.0]]), onp.array([1.0, 0.0, 2.0])
    weights = [1.0, 0.0, 3.0]
    own = train.fit(
        line(0.5), (x, y), loss, optim.sgd(0.1), epochs=4, batch_size=3, sample_weight=weights
    )
    named = train.fit(
        line(0.5), (x, y), "mse", optim.sgd(0.1), epochs=4, batch_size=3, sample_weight=weights
    )
    assert arrays(own.model)[0] == pytest.approx(arrays(named.model)[0], rel=1e-13)
    assert len({key for _, key in seen}) == 4
    assert seen[0][0] == pytest.approx([0.75, 0.0, 2.25])


def test_whole_weights_are_repetitions() -> None:
    X, y = RNG.normal(size=(6, 6)), onp.array([0, 1, 2, 0, 1, 2])
    counts = onp.array([1, 3, 0, 2, 1, 1])
    model = nn.MLP([6, 5, 3], activation="tanh", seed=1, dtype="float64")
    rule = optim.momentum(0.2)
    weighted = train.fit(model, (X, y), "cross_entropy", rule, epochs=9, sample_weight=counts)
    repeated = (X.repeat(counts, axis=0), y.repeat(counts))
    plain = train.fit(model, repeated, "cross_entropy", rule, epochs=9)
    for a, b in zip(arrays(weighted.model), arrays(plain.model), strict=True):
        onp.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)
    assert weighted.curve("loss") == pytest.approx(plain.curve("loss"))


def test_weighted_batches_average_to_the_weighted_whole() -> None:
    X, y = RNG.normal(size=(10, 1)), RNG.normal(size=10)
    weights = RNG.random(10)
    weights[3:6] = 0.0  # a batch without any weight
    still = optim.sgd(0.0)
    settings: dict[str, Any] = {"epochs": 1, "shuffle": False, "sample_weight": weights}
    history = train.fit(line(0.4), (X, y), "mse", still, batch_size=3, **settings)
    expected = onp.average((0.4 * X[:, 0] - y) ** 2, weights=weights)
    assert history.epochs[0]["loss"] == pytest.approx(expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_models_type_is_kept_whatever_the_data(dtype: str) -> None:
    model = nn.MLP([2, 4, 1], seed=0, dtype=dtype)
    for X in (XOR.astype("float64"), XOR.astype("int64"), XOR.astype(bool).tolist()):
        for rule in (optim.adam(schedules.cosine(0.01, steps=10)), optim.sgd(lambda k: 0.1)):
            history = train.fit(
                model, (X, [0, 1, 1, 0]), "mse", rule, epochs=2, sample_weight=[1, 2, 3, 4]
            )
            assert {leaf.dtype.name for leaf in arrays(history.model)} == {dtype}


def test_integers_reach_a_model_that_wants_them() -> None:
    class Table(nn.Module):
        rows: onp.ndarray[Any, Any]

        def __call__(self, x: Any, *, key: Any = None) -> Any:
            return self.rows[x]

    model = Table(onp.zeros((5, 1)))
    words, y = onp.array([0, 3, 3, 1]), onp.array([1.0, 2.0, 4.0, -1.0])
    history = train.fit(model, (words, y), "mse", optim.sgd(0.5), epochs=60)
    assert history.model.rows[:, 0] == pytest.approx([1.0, -1.0, 0.0, 3.0, 0.0], abs=1e-4)


@pytest.mark.parametrize("loss", sorted(nn.LOSSES))
def test_every_named_loss_goes_down(loss: str) -> None:
    y: Any = {"hinge": 2 * (Y3 == 0) - 1, "binary_cross_entropy": Y3 == 0}.get(loss, Y3)
    outputs = 3 if loss in ("cross_entropy", "multiclass_hinge") else 1
    model = nn.MLP([6, 16, outputs], seed=2)
    history = train.fit(model, (X6, y), loss, optim.adam(0.02), epochs=100)
    assert history.curve("loss")[-1] < 0.5 * history.curve("loss")[0]
    measured = train.evaluate(history.model, (X6, y), nn.LOSSES[loss])
    assert list(measured) == ["loss", *train.metrics.chosen_metrics(None, loss)]
    assert len(measured) == 2


def test_callables_without_a_signature_are_called_plainly() -> None:
    class Mute:
        __signature__ = "none"

        def __call__(self, model: Any, x: Any, y: Any) -> Any:
            return np.mean(np.square(x[:, 0] * model["w"] - y))

    history = train.fit({"w": 0.0}, (XOR, [0, 1, 1, 0]), Mute(), optim.sgd(0.1), epochs=1)
    assert history.model["w"] == pytest.approx(0.1 * 2 * 1 / 4)
    assert history.settings["loss"]["name"] == "callable"


def test_a_loss_function_of_the_library_stands_for_its_name() -> None:
    by_name = train.fit(nn.Dense(6, 3, seed=0), (X6, Y3), "cross_entropy", epochs=1)
    by_function = train.fit(nn.Dense(6, 3, seed=0), (X6, Y3), nn.cross_entropy, epochs=1)
    assert same_bits(by_name.model, by_function.model)
    assert by_function.settings == by_name.settings


def test_one_hot_targets_and_labels_learn_the_same() -> None:
    model = nn.Dense(6, 3, seed=0, dtype="float64")
    labels = train.fit(model, (X6, Y3), optimizer=optim.sgd(0.1), epochs=3)
    one_hot = train.fit(model, (X6, onp.eye(3)[Y3]), optimizer=optim.sgd(0.1), epochs=3)
    onp.testing.assert_allclose(labels.model.W, one_hot.model.W, rtol=1e-12)
    assert labels.curve("accuracy") == one_hot.curve("accuracy")


def test_a_column_of_targets_is_not_broadcast_against_a_row() -> None:
    x = RNG.normal(size=(8, 1))
    y = 2 * x[:, 0] + 1

    class Flat(nn.Module):
        w: onp.ndarray[Any, Any]

        def __call__(self, x: Any, *, key: Any = None) -> Any:
            return x[:, 0] * self.w[0] + self.w[1]

    flat = Flat(onp.zeros(2))
    for model, targets in ((line(), y), (line(), y[:, None]), (flat, y), (flat, y[:, None])):
        history = train.fit(model, (x, targets), "mse", optim.sgd(0.2), epochs=200)
        assert history.curve("loss")[-1] < 1e-6
        assert history.curve("r2")[-1] > 0.9999


def test_validation_is_measured_by_the_model_after_the_epoch_and_not_learned_from() -> None:
    validation = (X6[:17], Y3[:17])
    models: list[Any] = []
    history = train.fit(
        dropout_model(),
        (X6, Y3),
        epochs=3,
        validation=validation,
        callbacks=[lambda state: models.append(state.model)],
    )
    for model, record in zip(models, history.epochs, strict=True):
        measured = train.evaluate(model, validation)
        assert record["val_loss"] == measured["loss"]
        assert record["val_accuracy"] == measured["accuracy"]
    without = train.fit(dropout_model(), (X6, Y3), epochs=3)
    assert same_bits(without.model, history.model)
    assert history.best_epoch == onp.argmin(history.curve("val_loss")) + 1
    assert same_bits(history.best_model, models[history.best_epoch - 1])
    assert without.best_model is None and without.best_epoch is None


def test_settings_say_what_is_needed_to_repeat_the_run() -> None:
    rate = schedules.step(0.1, every=3, factor=0.5)
    history = train.fit(
        nn.MLP([6, 8, 3], seed=4),
        (X6, Y3),
        optimizer=optim.momentum(rate),
        epochs=4,
        batch_size=16,
        seed=9,
        early_stopping=train.EarlyStopping(patience=2),
        validation=(X6[:9], Y3[:9]),
    )
    told = history.settings
    again = train.fit(
        nn.MLP([6, 8, 3], seed=4),
        (X6, Y3),
        told["loss"],
        optim.from_description(told["optimizer"]),
        epochs=told["epochs"],
        batch_size=told["batch_size"],
        seed=told["seed"],
        shuffle=told["shuffle"],
        metrics=told["metrics"],
        early_stopping=train.EarlyStopping(**told["early_stopping"]),
        validation=(X6[:9], Y3[:9]),
    )
    assert again.settings == told
    assert same_bits(again.model, history.model)
    assert told["data"]["rows"] == 50 and told["validation"]["rows"] == 9
    other = train.fit(nn.MLP([6, 8, 3], seed=4), (X6 + 1, Y3), epochs=1)
    assert other.settings["data"]["sha256"] != told["data"]["sha256"]
    assert other.settings["start"] == told["start"]


def test_rates_see_every_step_once() -> None:
    steps: list[int] = []

    def rate(step: Any) -> float:
        steps.append(int(step))
        return 0.1

    train.fit(line(), (XOR[:, :1], [0, 1, 1, 0]), "mse", optim.sgd(rate), epochs=3, batch_size=3)
    assert steps == [0, 1, 2, 3, 4, 5]


def test_keys_do_not_run_out() -> None:
    settings: dict[str, Any] = {"epochs": 100, "batch_size": 10, "seed": 1}  # 500 steps
    whole = train.fit(dropout_model(), (X6, Y3), **settings)
    part = train.fit(dropout_model(), (X6, Y3), **(settings | {"epochs": 51}))
    assert same_bits(train.fit(part, (X6, Y3), **settings).model, whole.model)


def test_weights_follow_their_rows() -> None:
    seen: list[Any] = []

    def loss(model: Any, x: Any, y: Any, weights: Any) -> Any:
        seen.append((x[:, 0], weights))
        return np.sum(model["w"]) * 0.0

    X = onp.arange(1.0, 8.0)[:, None]
    data = (X, X[:, 0])
    for shuffle in (True, False):
        train.fit(
            {"w": 1.0}, data, loss, epochs=2, batch_size=3, shuffle=shuffle, sample_weight=X[:, 0]
        )
    assert all((weights == x * 7 / 28).all() for x, weights in seen) and len(seen) == 12


def test_gradients_of_the_loop_are_those_of_bl_grad() -> None:
    model = nn.MLP([6, 8, 3], activation="tanh", seed=0, dtype="float64")
    history = train.fit(model, (X6, Y3), optimizer=optim.sgd(1.0), epochs=1, batch_size=50)
    X = X6.astype("float64")
    slope = bl.grad(lambda m: nn.cross_entropy(m(X), Y3))(model)
    for new, old, g in zip(*map(arrays, (history.model, model, slope)), strict=True):
        onp.testing.assert_allclose(new, old - g, rtol=1e-13)
    norms = [float(onp.linalg.norm(g)) for g in arrays(slope)]
    assert list(history.epochs[0]["gradient_norm"].values()) == pytest.approx(norms)
    assert list(history.epochs[0]["gradient_norm"]) == tree.paths(tree.flatten(model)[1])
