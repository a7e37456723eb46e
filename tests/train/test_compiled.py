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
    timer = threading.Timer(1.5, lambda: signal.raise_signal(signal.SIGINT))
    model = nn.MLP([6, 512, 512, 3], seed=0)
    timer.start()
    try:
        history = run(True, model=model, epochs=100_000)
    finally:
        timer.cancel()
    assert history.stopped == "interrupted" and len(history.epochs) < 100_000
    assert all(onp.isfinite(leaf).all() for leaf in leaves(history))
