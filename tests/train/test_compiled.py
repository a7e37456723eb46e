"""Compiled training: the same numbers, the same bits each time, and every fault still located."""

from __future__ import annotations

import signal
import threading
from typing import Any

import numpy as onp
import pytest

import backlit.numpy as np
from backlit import InputError, nn, optim, train
from backlit.core import tree
from backlit.core.errors import BacklitError
from backlit.train import EarlyStopping, NonFiniteError
from backlit.train import compiled as compiled_module

RNG = onp.random.default_rng(0)
X = RNG.normal(size=(700, 6)).astype("float32")
LABELS = (X[:, :3].argmax(axis=1)).astype(int)
NUMBERS = (X @ onp.arange(6.0)).astype("float32")


def leaves(history: Any) -> list[Any]:
    return tree.flatten(history.model)[0]


def difference(a: Any, b: Any) -> float:
    return max(float(onp.abs(p - q).max()) for p, q in zip(leaves(a), leaves(b), strict=True))


def run(jit: bool | None, y: Any = LABELS, loss: Any = "cross_entropy", **options: Any) -> Any:
    model = options.pop("model", None) or nn.MLP([6, 16, 3], seed=1, dtype="float64")
    given = {"epochs": 3, "batch_size": 32, "seed": 5, "optimizer": optim.adam(0.01)} | options
    return train.fit(model, (X, y), loss, jit=jit, progress=False, **given)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"shuffle": False},
        {"batch_size": 41},
        {"batch_size": 700 // 20},
        {"metrics": ()},
        {"sample_weight": onp.linspace(0.1, 2.0, 700)},
        {"optimizer": optim.sgd(optim.schedules.one_cycle(0.1, steps=60))},
        {"optimizer": optim.chain(optim.clip_by_global_norm(0.1), optim.adamw(0.01))},
        {"validation": (X[:50], LABELS[:50]), "early_stopping": EarlyStopping(patience=1)},
        {"model": nn.MLP([6, 9, 8, 3], "tanh", seed=2, dtype="float64")},
        {
            "model": nn.Sequential(
                nn.Dense(6, 20, "relu", seed=0, dtype="float64"),
                nn.Dropout(0.3),
                nn.Dense(20, 3, seed=1, dtype="float64"),
            )
        },
    ],
)
def test_compiled_training_gives_the_numbers_of_the_plain_one(options: dict[str, Any]) -> None:
    plain, compiled, again = run(False, **options), run(True, **options), run(True, **options)
    assert difference(plain, compiled) < 1e-10
    assert difference(compiled, again) == 0.0
    for a, b in zip(plain.epochs, compiled.epochs, strict=True):
        assert a.keys() == b.keys()
        for name in a.keys() - {"seconds", "samples_per_second"}:
            assert a[name] == pytest.approx(b[name], rel=1e-7, abs=1e-9)
    assert [r["loss"] for r in compiled.epochs] == [r["loss"] for r in again.epochs]


def test_regression_and_losses_of_ones_own() -> None:
    def huber(model: Any, x: Any, y: Any) -> Any:
        error = model(x)[:, 0] - y
        return np.mean(np.where(np.abs(error) < 1.0, 0.5 * error**2, np.abs(error) - 0.5))

    for loss in ("mse", huber):
        model = nn.MLP([6, 8, 1], seed=0, dtype="float64")
        a, b = (run(jit, NUMBERS, loss, model=model) for jit in (False, True))
        assert difference(a, b) < 1e-10


def test_slices_do_not_change_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(True)
    monkeypatch.setattr(compiled_module, "_SLICE_SECONDS", 1e-9)
    assert difference(whole, run(True)) == 0.0


def test_a_continued_run_has_the_same_bits() -> None:
    straight = run(None, epochs=4)
    half = run(None, epochs=2)
    assert difference(straight, run(None, model=half, epochs=4)) == 0.0


def test_what_cannot_be_traced_by_shape_trains_step_by_step() -> None:
    def branching(model: Any, x: Any, y: Any) -> Any:
        error = model(x)[:, 0] - y
        return np.mean(error**2) if np.sum(error) > 0 else np.mean(np.abs(error))

    model = nn.MLP([6, 4, 1], seed=0)
    assert len(run(None, NUMBERS, branching, model=model, epochs=1).epochs) == 1
    with pytest.raises(BacklitError, match="truth value"):
        run(True, NUMBERS, branching, model=model, epochs=1)

    def not_for_tracers(model: Any, x: Any, y: Any) -> Any:
        if isinstance(x, onp.ndarray):
            return np.mean((model(x)[:, 0] - y) ** 2)
        raise ValueError("plain arrays only")

    assert len(run(None, NUMBERS, not_for_tracers, model=model, epochs=1).epochs) == 1
    with pytest.raises(InputError, match="jit"):
        run("yes")  # type: ignore[arg-type]


@pytest.mark.parametrize("rate", [1e30, 1e18])
def test_a_number_that_is_not_finite_is_located_as_in_plain_training(rate: float) -> None:
    model = nn.MLP([6, 16, 16, 3], "relu", seed=1)
    found = []
    for jit in (False, True):
        with pytest.raises(NonFiniteError) as caught:
            run(jit, model=model, optimizer=optim.sgd(rate), epochs=5)
        found.append(caught.value)
    plain, compiled = found
    assert (plain.epoch, plain.step) == (compiled.epoch, compiled.step)
    assert plain.rows.tolist() == compiled.rows.tolist()
    assert str(plain.operation) == str(compiled.operation)
    assert all(onp.isfinite(leaf).all() for leaf in leaves(compiled.history))


def test_a_row_that_spoils_everything_is_found_behind_a_relu() -> None:
    def loss(model: Any, x: Any, y: Any) -> Any:
        # The logarithm of one row is NaN; the gradient of that row is, too.
        return np.mean(np.relu(np.log(x[:, 0] + 10.0 + 0.01 * np.tanh(model(x)[:, 0]))))

    bad = X.copy()
    bad[321, 0] = -11.0
    model = nn.MLP([6, 1], seed=0)
    with pytest.raises(NonFiniteError) as caught:
        train.fit(model, (bad, NUMBERS), loss, optim.sgd(1e-3), epochs=1, jit=True, progress=False)
    assert 321 in caught.value.rows
    assert caught.value.operation is not None and caught.value.operation.primitive == "log"


def test_ctrl_c_in_a_long_compiled_run_returns_the_history() -> None:
    timers = []

    def soon(state: train.TrainingState) -> None:
        if state.epoch == 1:  # all is compiled by now
            timers.append(threading.Timer(0.3, lambda: signal.raise_signal(signal.SIGINT)))
            timers[0].start()

    model = nn.MLP([6, 512, 512, 3], seed=0)
    try:
        history = run(True, model=model, epochs=100_000, callbacks=[soon])
    finally:
        timers[0].cancel()
    assert history.stopped == "interrupted" and 0 < len(history.epochs) < 100_000
    assert all(onp.isfinite(leaf).all() for leaf in leaves(history))


@pytest.mark.parametrize("phase", ["compiled.CompiledSteps.compile", "held_out.HeldOut"])
def test_ctrl_c_while_the_steps_are_compiled_returns_the_history(
    phase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    held_out: dict[str, Any] = {"validation": (X[:50], LABELS[:50])}
    begun = run(True, epochs=1, **held_out)
    monkeypatch.setattr(f"backlit.train.{phase}", stop)
    history = run(True, epochs=2, **held_out)
    assert (history.stopped, history.epochs) == ("interrupted", [])
    start = tree.flatten(nn.MLP([6, 16, 3], seed=1, dtype="float64"))[0]
    assert all(a.tobytes() == b.tobytes() for a, b in zip(leaves(history), start, strict=True))
    again = run(True, model=begun, epochs=2, **held_out)
    assert again.stopped == "interrupted" and len(again.epochs) == 1
    monkeypatch.undo()
    assert difference(run(True, model=again, epochs=2, **held_out), run(True, epochs=2)) == 0.0


def test_what_cannot_be_compiled_is_said_plainly_when_a_run_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any) -> None:
        raise InputError("no program for this")

    begun = run(True, epochs=1)
    monkeypatch.setattr("backlit.train.compiled.CompiledSteps.compile", refuse)
    with pytest.raises(InputError, match="no program for this"):
        run(True, model=begun, epochs=2)


def near(a: Any, b: Any) -> None:
    """Assert that two runs have the same figures, times apart."""
    for p, q in zip(a.epochs, b.epochs, strict=True):
        assert list(p) == list(q)
        for name in p.keys() - {"seconds", "samples_per_second"}:
            assert p[name] == pytest.approx(q[name], rel=1e-7, abs=1e-9), name
    assert difference(a, b) < 1e-10


@pytest.mark.parametrize("shuffle", [True, False])
def test_every_metric_is_the_one_of_all_predictions(shuffle: bool) -> None:
    def mine(P: Any, y: Any) -> float:
        return float(onp.median(onp.abs(P.reshape(y.shape) - y)))

    cases: list[tuple[str, Any, Any]] = [
        ("mse", NUMBERS, ["r2", "rmse", "mae"]),
        ("binary_cross_entropy", LABELS == 1, ["binary_accuracy"]),
        ("mse", NUMBERS, {"median error": mine, "fit": train.METRICS["r2"]}),
    ]
    for loss, y, metrics in cases:
        model = nn.MLP([6, 8, 1], seed=0, dtype="float64")
        options = {"model": model, "metrics": metrics, "validation": (X[:90], y[:90])}
        a, b = (run(jit, y, loss, shuffle=shuffle, **options) for jit in (False, True))
        near(a, b)
    one_hot = onp.eye(3)[LABELS]
    near(run(False, one_hot, metrics=["accuracy"]), run(True, one_hot, metrics=["accuracy"]))


def test_validation_data_are_measured_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = run(False, validation=(X, LABELS))
    monkeypatch.setattr("backlit.train.held_out.CHUNK", 300)
    near(plain, run(True, validation=(X, LABELS)))


def test_a_model_that_looks_at_values_in_inference_only_is_measured_step_by_step() -> None:
    def loss(model: Any, x: Any, y: Any, key: Any) -> Any:
        error = np.mean((model(x)[:, 0] - y) ** 2)
        return error if key is not None or error > 0.0 else error * 2.0

    model = nn.MLP([6, 4, 1], seed=0, dtype="float64")
    options = {"model": model, "validation": (X[:40], NUMBERS[:40])}
    near(run(False, NUMBERS, loss, **options), run(True, NUMBERS, loss, **options))


@pytest.mark.parametrize("batch_size", [700, 400])
def test_an_epoch_of_one_or_two_steps_can_be_compiled(batch_size: int) -> None:
    a, b = (run(jit, batch_size=batch_size, shuffle=False) for jit in (False, True))
    near(a, b)


@pytest.mark.parametrize(
    "rule",
    [optim.sgd, optim.adam, lambda r: optim.chain(optim.clip_by_value(0.1), optim.momentum(r))],
)
def test_a_rate_that_a_callback_changes_is_obeyed_and_compiles_nothing(
    rule: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def halving(jit: bool) -> Any:
        now = {"rate": 0.1}

        def halve(state: train.TrainingState) -> None:
            now["rate"] *= 0.5
            if jit:  # all is compiled by now
                monkeypatch.setattr("backlit.compiler.compile_graph", None)

        return run(jit, optimizer=rule(lambda step: now["rate"]), callbacks=[halve])

    near(halving(False), halving(True))


def test_a_new_learning_rate_shares_the_machine_code(monkeypatch: pytest.MonkeyPatch) -> None:
    run(True, optimizer=optim.nesterov(0.1), epochs=1)
    monkeypatch.setattr("backlit.compiler.object_code", None)
    near(
        run(True, optimizer=optim.nesterov(0.03)),
        run(False, optimizer=optim.nesterov(0.03)),
    )


def test_what_a_callback_writes_into_the_parameters_stays() -> None:
    def clip(state: train.TrainingState) -> None:
        for leaf in state.leaves:
            onp.clip(leaf, -0.3, 0.3, out=leaf)

    a, b = (run(jit, callbacks=[clip]) for jit in (False, True))
    assert difference(a, b) < 1e-10
    assert difference(a, run(True)) > 0.01


def test_models_that_callbacks_keep_do_not_change() -> None:
    kept: list[Any] = []
    history = run(True, callbacks=[lambda state: kept.append((state.model, state.metrics))])
    first, again = kept[0][0], run(True, epochs=1)
    pairs = zip(tree.flatten(first)[0], leaves(again), strict=True)
    assert all((p == q).all() for p, q in pairs)
    assert (
        [metrics["epoch"] for _, metrics in kept]
        == [1, 2, 3]
        == [e["epoch"] for e in history.epochs]
    )


@pytest.mark.parametrize("pace", [0.0, 1e9])
def test_the_wrong_step_is_found_whatever_the_slices_and_copies(
    pace: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loss(model: Any, x: Any, y: Any) -> Any:
        return np.mean((model["used"] * x[:, 0] - y) ** 2)

    # Nothing reads this parameter, and no loss or gradient ever shows that it overflows.
    model = {"used": onp.zeros((), "float32"), "dead": onp.ones(3, "float32")}

    def update(grads: Any, state: Any, params: Any) -> Any:
        return [p if p.shape else -1e-3 * g for g, p in zip(grads, params, strict=True)], state

    doubling = optim.Optimizer("doubling", {}, lambda params: (), update)
    monkeypatch.setattr(compiled_module, "_SLICE_SECONDS", 1e-9 if pace else 0.05)
    monkeypatch.setattr(compiled_module, "_COPYING", 1e-9 if pace else 1e9)
    with pytest.raises(NonFiniteError, match="update of dead is not finite") as caught:
        run(True, NUMBERS, loss, model=model, optimizer=doubling, epochs=20)
    steps = 0
    value = onp.ones(3, "float32")
    with onp.errstate(over="ignore"):
        while onp.isfinite(value).all():
            value, steps = value + value, steps + 1
    assert (caught.value.step, caught.value.epoch) == (steps, -(-steps // 22))
    found = tree.flatten(caught.value.history.model)[0]
    assert all(onp.isfinite(leaf).all() for leaf in found)


def test_an_infinite_gradient_that_clipping_would_hide_is_located() -> None:
    def loss(model: Any, x: Any, y: Any) -> Any:
        return np.mean(np.sqrt(np.abs(model["w"] * (x[:, 0] - 5.0))) + 0.0 * y)

    # The root has an infinite slope at 0, where the parameter of the loss gets in no time.
    model = {"w": onp.zeros((), "float32")}
    rule = optim.chain(optim.clip_by_value(1.0), optim.sgd(1e-3))
    found = []
    for jit in (False, True):
        with pytest.raises(NonFiniteError) as caught:
            run(jit, NUMBERS, loss, model=model, optimizer=rule)
        found.append(str(caught.value))
    assert found[0] == found[1] and "the gradient is not finite" in found[0]


def test_an_exploding_gradient_is_clipped_in_float32_too() -> None:
    def loss(model: Any, x: Any, y: Any) -> Any:
        return np.mean(1e25 * model["w"] * x[:, 0])

    rule = optim.chain(optim.clip_by_global_norm(1.0), optim.sgd(1e-3))
    options = {"model": {"w": onp.ones((), "float32")}, "optimizer": rule, "epochs": 1}
    a, b = (run(jit, NUMBERS, loss, **options) for jit in (False, True))
    assert difference(a, b) < 1e-6 < abs(float(leaves(b)[0]) - 1.0)


def test_an_index_out_of_range_is_shown_at_its_line() -> None:
    def loss(model: Any, x: Any, y: Any) -> Any:
        return np.mean((np.take(model["table"], x, axis=0) @ model["w"] - y) ** 2)

    rows = RNG.integers(0, 5, 700)
    rows[333] = 9
    model = {"table": RNG.normal(size=(5, 3)), "w": onp.ones(3)}
    found = []
    for jit in (False, True):
        with pytest.raises(train.TrainingInterrupted, match="index 9 is out of bounds") as caught:
            train.fit(
                model, (rows, NUMBERS), loss, optim.sgd(0.1), epochs=2, jit=jit, progress=False
            )
        found.append((str(caught.value), caught.value.history.checkpoint))
    assert found[0][0] == found[1][0]
