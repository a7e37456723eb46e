"""How training ends early, what it hands over then, and how it goes on."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as onp
import pytest

from backlit import nn, optim, train
from backlit.core import tree
from backlit.core.errors import InputError
from backlit.train import loop

RNG = onp.random.default_rng(1)
X = RNG.normal(size=(40, 5)).astype("float32")
Y = RNG.integers(0, 3, 40)
DATA, HELD_OUT = (X[:30], Y[:30]), (X[30:], Y[30:])


def arrays(model: Any) -> list[Any]:
    return tree.flatten(model)[0]


def same_bits(a: Any, b: Any) -> bool:
    pairs = zip(arrays(a), arrays(b), strict=True)
    return all(x.tobytes() == y.tobytes() for x, y in pairs)


def network() -> nn.Sequential:
    return nn.Sequential(nn.Dense(5, 6, "tanh", seed=0), nn.Dropout(0.2), nn.Dense(6, 3, seed=1))


def scripted(values: list[float], **settings: Any) -> train.History:
    """Train a number that counts the steps, with validation losses given in advance."""

    def loss(model: Any, x: Any, y: Any) -> Any:
        if x[0, 0] == 0.0:
            return -model["count"]  # slope −1: each step of sgd(1.0) adds 1
        return values[round(float(model["count"])) - 1]

    data, validation = ([[0.0]], [0.0]), ([[1.0]], [0.0])
    rule = optim.sgd(1.0)
    settings |= {"epochs": len(values), "validation": validation}
    return train.fit({"count": 0.0}, data, loss, rule, **settings)


def count(model: Any) -> int:
    return round(float(model["count"]))


SCRIPT = [5.0, 3.0, 4.0, 2.95, 3.5, 3.2, 3.1, 1.0]


@pytest.mark.parametrize(
    ("patience", "min_delta", "ends", "best"),
    [(1, 0.0, 3, 2), (2, 0.0, 6, 4), (3, 0.0, 7, 4), (4, 0.0, 8, 8), (2, 0.1, 4, 4)],
)
def test_early_stopping_waits_as_long_as_its_patience(
    patience: int, min_delta: float, ends: int, best: int
) -> None:
    rule = train.EarlyStopping(patience=patience, min_delta=min_delta)
    history = scripted(SCRIPT, early_stopping=rule)
    assert history.curve("val_loss") == SCRIPT[:ends]
    assert history.stopped == ("early stopping" if ends < len(SCRIPT) else "finished")
    assert history.best_epoch == best
    assert count(history.model) == count(history.best_model) == best


def test_early_stopping_may_keep_the_last_model() -> None:
    rule = train.EarlyStopping(patience=1, restore_best=False)
    history = scripted(SCRIPT, early_stopping=rule)
    assert count(history.model) == 3 and count(history.best_model) == 2
    assert "val_loss did not improve for 1 epoch" in history.reason


def test_a_validation_loss_that_is_not_a_number_is_no_improvement() -> None:
    script = [2.0, float("nan"), float("inf"), 1.0]
    history = scripted(script, early_stopping=train.EarlyStopping(patience=3))
    assert history.best_epoch == 4
    assert history.to_dict()["epochs"][1]["val_loss"] is None
    history = scripted([float("nan")] * 3, early_stopping=train.EarlyStopping(patience=2))
    assert len(history.epochs) == 2 and history.best_epoch is None
    assert count(history.model) == 2


@pytest.mark.parametrize(("mode", "best"), [("max", 2), ("min", 3)])
def test_any_figure_can_be_watched(mode: Any, best: int) -> None:
    values = iter([0.2, 0.9, 0.1, 0.3])
    history = train.fit(
        network(),
        DATA,
        epochs=4,
        metrics={"odd": lambda P, T: next(values)},
        early_stopping=train.EarlyStopping(monitor="odd", mode=mode),
    )
    assert history.best_epoch == best
    assert same_bits(history.model, history.best_model)


def test_accuracy_is_watched_upwards() -> None:
    assert train.EarlyStopping(monitor="val_accuracy").larger
    assert not train.EarlyStopping(monitor="val_rmse").larger
    with pytest.raises(InputError, match="whether 'val_f1' should be small or large"):
        train.EarlyStopping(monitor="val_f1")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"early_stopping": train.EarlyStopping()}, r"pass validation=\(X, y\)"),
        ({"early_stopping": train.EarlyStopping(monitor="r2")}, "one of loss, accuracy"),
        ({"early_stopping": 5}, r"EarlyStopping\(patience=10\)"),
        ({"callbacks": [train.EarlyStopping()]}, "EarlyStopping is not a callback"),
        ({"callbacks": [3]}, "neither a function"),
        ({"callbacks": 3}, "must be a sequence"),
    ],
)
def test_what_cannot_be_watched_or_called_is_refused(settings: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        train.fit(network(), DATA, epochs=2, **settings)


def test_settings_of_numpy_end_up_in_the_history_as_pythons() -> None:
    rule = train.EarlyStopping(patience=onp.int64(3), min_delta=onp.float32(0.5))
    assert json.loads(json.dumps(rule.describe())) == {
        "patience": 3,
        "min_delta": 0.5,
        "monitor": "val_loss",
        "restore_best": True,
        "mode": None,
    }


def test_a_metric_without_a_number_is_named_and_the_model_kept() -> None:
    def divided(predictions: Any, targets: Any) -> float:
        return 1 / 0

    for metric, message in (
        (divided, "metric 'odd' gives no number: ZeroDivisionError"),
        (lambda P, T: None, "metric 'odd' gives no number: TypeError"),
        (lambda P, T: P, "metric 'odd' gives no number: TypeError"),
    ):
        with pytest.raises(train.TrainingInterrupted, match=message) as caught:
            train.fit(network(), DATA, epochs=1, metrics={"odd": metric})
        assert "returns one number; the model as it was" in str(caught.value)
        assert not same_bits(caught.value.history.model, network())  # its step was made
        with pytest.raises(InputError, match=message):
            train.evaluate(network(), DATA, metrics={"odd": metric})


def test_a_schedule_that_fails_in_the_middle_is_named_and_the_model_kept() -> None:
    rule = optim.sgd(lambda step: 0.1 if step < 3 else None)  # type: ignore[return-value, arg-type]
    with pytest.raises(train.TrainingInterrupted, match="returned None for step 3") as caught:
        train.fit(network(), DATA, optimizer=rule, epochs=9)
    assert caught.value.fix is not None and caught.value.fix.startswith("call it with that step")


@pytest.mark.parametrize(
    "bad",
    [
        {"patience": 0},
        {"patience": "3"},
        {"min_delta": -1.0},
        {"mode": "up"},
        {"monitor": 5},
        {"restore_best": "no"},
    ],
)
def test_early_stopping_refuses_settings_it_cannot_use(bad: Any) -> None:
    with pytest.raises(InputError):
        train.EarlyStopping(**bad)


def test_callbacks_see_every_step_and_epoch() -> None:
    calls: list[Any] = []

    class Watch:
        def on_step_end(self, state: train.TrainingState) -> None:
            calls.append(("step", state.epoch, state.step, state.loss))

        def on_epoch_end(self, state: train.TrainingState) -> None:
            calls.append(("epoch", state.epoch, state.step, state.loss))
            assert state.metrics["loss"] == state.loss and state.epochs == 2

    history = train.fit(network(), DATA, epochs=2, batch_size=20, callbacks=[Watch()])
    assert [call[:3] for call in calls] == [
        ("step", 1, 1),
        ("step", 1, 2),
        ("epoch", 1, 2),
        ("step", 2, 3),
        ("step", 2, 4),
        ("epoch", 2, 4),
    ]
    first, second, epoch = (call[3] for call in calls[:3])
    assert epoch == pytest.approx((20 * first + 10 * second) / 30)
    assert history.curve("loss")[0] == epoch


def test_a_callback_ends_training_after_an_epoch_or_between_steps() -> None:
    def after_two(state: train.TrainingState) -> None:
        if state.epoch == 2:
            state.stop("seen enough")

    history = train.fit(network(), DATA, epochs=9, callbacks=[after_two])
    assert (history.stopped, history.reason, len(history.epochs)) == ("callback", "seen enough", 2)

    class AtStepFive:
        model: Any = None

        def on_step_end(self, state: train.TrainingState) -> None:
            if state.step == 5:
                self.model = state.model
                state.stop()

    callback = AtStepFive()
    history = train.fit(network(), DATA, epochs=9, batch_size=10, callbacks=[callback])
    assert (history.stopped, len(history.epochs)) == ("callback", 1)
    assert same_bits(history.model, callback.model)


def test_callbacks_keep_the_users_floating_point_settings() -> None:
    found: list[Any] = []

    class Look:
        def on_step_end(self, state: train.TrainingState) -> None:
            found.append(onp.geterr())

        def on_epoch_end(self, state: train.TrainingState) -> None:
            found.append(onp.geterr())

    with onp.errstate(divide="raise", over="print"):
        train.fit(network(), DATA, epochs=1, callbacks=[Look()])
        assert found == [onp.geterr()] * 2


def test_an_error_in_a_callback_does_not_lose_the_model() -> None:
    def fails(state: train.TrainingState) -> None:
        if state.epoch == 3:
            raise OSError("disk full")

    with pytest.raises(train.TrainingInterrupted, match="epoch 3, step 9: disk full") as caught:
        train.fit(network(), DATA, epochs=9, batch_size=10, validation=HELD_OUT, callbacks=[fails])
    assert isinstance(caught.value.__cause__, OSError)
    history = caught.value.history
    assert history.stopped == "error" and "OSError" in history.reason
    plain = train.fit(network(), DATA, epochs=3, batch_size=10, validation=HELD_OUT)
    assert same_bits(history.model, plain.model)
    assert same_bits(history.best_model, plain.best_model)
    assert history.curve("loss") == plain.curve("loss")


def test_an_error_of_the_loss_is_itself_at_first_and_carries_the_model_later() -> None:
    def loss(fail_at: int) -> Callable[..., Any]:
        calls = [0]

        def value(model: Any, x: Any, y: Any) -> Any:
            calls[0] += 1
            if calls[0] == fail_at:
                raise KeyError("lost")
            return nn.cross_entropy(model(x), y)

        return value

    with pytest.raises(KeyError, match="lost"):
        train.fit(network(), DATA, loss(1), epochs=2)
    with pytest.raises(train.TrainingInterrupted) as caught:
        train.fit(network(), DATA, loss(6), epochs=9, batch_size=10)
    assert len(caught.value.history.epochs) == 1
    assert isinstance(caught.value.__cause__, KeyError)


def interrupting(epoch: int) -> Callable[[train.TrainingState], None]:
    def callback(state: train.TrainingState) -> None:
        if state.epoch == epoch:
            signal.raise_signal(signal.SIGINT)

    return callback


def test_ctrl_c_returns_the_best_model_so_far() -> None:
    settings: dict[str, Any] = {"validation": HELD_OUT, "optimizer": optim.adam(0.1)}
    full = train.fit(network(), DATA, epochs=20, **settings)
    epoch = full.best_epoch
    assert epoch is not None and epoch < 20
    settings["callbacks"] = [interrupting(epoch + 1)]
    history = train.fit(network(), DATA, epochs=20, **settings)
    assert history.stopped == "interrupted" and len(history.epochs) == epoch + 1
    assert same_bits(history.model, full.best_model)
    assert history.best_epoch == epoch


def test_ctrl_c_without_validation_returns_the_last_model() -> None:
    history = train.fit(network(), DATA, epochs=8, callbacks=[interrupting(3)])
    assert history.stopped == "interrupted"
    assert same_bits(history.model, train.fit(network(), DATA, epochs=3).model)


def test_training_goes_on_after_ctrl_c_as_if_nothing_had_happened() -> None:
    settings: dict[str, Any] = {
        "optimizer": optim.adam(0.02),
        "batch_size": 7,
        "validation": HELD_OUT,
        "early_stopping": train.EarlyStopping(patience=4),
        "seed": 2,
    }
    whole = train.fit(network(), DATA, epochs=8, **settings)
    part = train.fit(network(), DATA, epochs=8, callbacks=[interrupting(3)], **settings)
    assert len(part.epochs) == 3
    resumed = train.fit(part, DATA, epochs=8, **settings)
    assert same_bits(resumed.model, whole.model)
    assert same_bits(resumed.best_model, whole.best_model)
    assert resumed.settings == whole.settings
    assert (resumed.stopped, resumed.best_epoch) == (whole.stopped, whole.best_epoch)
    for name in ("epoch", *whole.figures()):
        assert resumed.curve(name) == whole.curve(name)


def test_a_finished_run_can_be_made_longer() -> None:
    whole = train.fit(network(), DATA, epochs=5)
    part = train.fit(network(), DATA, epochs=2)
    assert same_bits(train.fit(part, DATA, epochs=5).model, whole.model)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seed": 1}, "seed = 0; this call has 1"),
        ({"batch_size": 4}, "batch_size = 32"),
        ({"optimizer": optim.sgd(0.1)}, "optimizer"),
        ({"epochs": 2}, "already has 2 epochs"),
    ],
)
def test_a_run_is_continued_only_as_it_began(changed: Any, message: str) -> None:
    part = train.fit(network(), DATA, epochs=2)
    with pytest.raises(InputError, match=message):
        train.fit(part, DATA, **({"epochs": 3} | changed))


def test_a_run_is_continued_only_on_its_own_data() -> None:
    part = train.fit(network(), DATA, epochs=2)
    with pytest.raises(InputError, match="made with data"):
        train.fit(part, HELD_OUT, epochs=3)


def test_a_history_without_a_checkpoint_cannot_be_continued() -> None:
    bare = train.History(network(), [], {}, "finished", "finished")
    with pytest.raises(InputError, match="no checkpoint"):
        train.fit(bare, DATA, epochs=3)


class InterruptAtLine:
    """Raises KeyboardInterrupt before the n-th line that runs in the loop's own functions."""

    def __init__(self, n: int) -> None:
        self.left = n
        self.names = (
            "_get_ready",
            "_until_stopped",
            "_epoch",
            "_close_epoch",
            "_call",
            "_objective",
        )

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        inside = frame.f_code.co_filename == loop.__file__ and frame.f_code.co_name in self.names
        if not inside:
            return None
        if event == "line":
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
        return self


def test_ctrl_c_at_any_line_loses_nothing() -> None:
    settings: dict[str, Any] = {"batch_size": 16, "validation": HELD_OUT, "seed": 4}
    whole = train.fit(network(), DATA, epochs=2, **settings)
    before = sys.gettrace()
    interrupted = n = 0
    while True:
        n += 1
        sys.settrace(InterruptAtLine(n))
        try:
            history = train.fit(network(), DATA, epochs=2, callbacks=[len_of], **settings)
        finally:
            sys.settrace(before)
        if history.stopped == "finished":
            break
        interrupted += 1
        assert history.stopped == "interrupted"
        assert all(onp.isfinite(leaf).all() for leaf in arrays(history.model))
        if n % 5 == 0 and history.checkpoint is not None and history.checkpoint.epoch < 2:
            resumed = train.fit(history, DATA, epochs=2, **settings)
            assert same_bits(resumed.model, whole.model)
            assert resumed.curve("val_loss") == whole.curve("val_loss")
    assert interrupted > 80
    assert same_bits(history.model, whole.model)


def len_of(state: train.TrainingState) -> int:
    return len(state.metrics)
