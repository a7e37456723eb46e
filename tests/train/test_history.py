"""What a run leaves behind: figures, JSON, text and pictures."""

from __future__ import annotations

import builtins
import json
import sys
from pathlib import Path
from typing import Any

import numpy as onp
import pytest

from backlit import nn, optim, train
from backlit.core.errors import InputError

RNG = onp.random.default_rng(6)
X = RNG.normal(size=(30, 3)).astype("float32")
Y = RNG.integers(0, 2, 30)


def trained(epochs: int = 3, **settings: Any) -> train.History:
    model = nn.MLP([3, 4, 2], seed=0)
    return train.fit(model, (X, Y), epochs=epochs, validation=(X[:9], Y[:9]), **settings)


def test_a_history_is_json_and_back() -> None:
    history = trained(optimizer=optim.adam(lambda step: 0.01), seed=onp.uint32([1, 2]))
    told = json.loads(json.dumps(history.to_dict(), allow_nan=False))
    assert [record["loss"] for record in told["epochs"]] == history.curve("loss")
    assert told["stopped"] == "finished"
    assert told["best_epoch"] == history.best_epoch
    assert told["settings"]["seed"] == [1, 2]
    assert told["settings"]["optimizer"]["rate"]["name"] == "callable"
    assert set(told["epochs"][0]["update_ratio"]) == {
        "layers.0.W",
        "layers.0.b",
        "layers.1.W",
        "layers.1.b",
    }


def test_figures_are_losses_and_metrics() -> None:
    history = trained()
    assert history.figures() == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert all(history.curve("samples_per_second")[k] > 0 for k in range(3))
    with pytest.raises(InputError, match="one of epoch, loss, accuracy"):
        history.curve("acuracy")


def test_a_long_history_prints_its_first_and_last_epochs() -> None:
    text = repr(trained(epochs=20))
    assert text.startswith("History: 20 of 20 epochs, finished; best after epoch")
    lines = text.splitlines()
    assert len(lines) == 10
    assert lines[1].split() == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
    assert [line.split()[0] for line in lines[2:]] == ["1", "2", "3", "...", "17", "18", "19", "20"]
    assert len(repr(trained(epochs=2)).splitlines()) == 4


def test_the_picture_holds_the_curves(tmp_path: Path) -> None:
    history = trained(epochs=4)
    figure = history.plot(tmp_path / "history.svg")
    loss, accuracy, ratios = figure.axes
    assert list(loss.lines[0].get_ydata()) == history.curve("loss")
    assert list(loss.lines[1].get_ydata()) == history.curve("val_loss")
    assert list(accuracy.lines[1].get_ydata()) == history.curve("val_accuracy")
    assert len(ratios.lines) == 4
    assert "<svg" in (tmp_path / "history.svg").read_text(encoding="utf-8")


def test_a_model_that_stands_still_can_be_drawn() -> None:
    figure = trained(optimizer=optim.sgd(0.0)).plot()
    figure.canvas.draw()
    assert [line.get_ydata()[0] for line in figure.axes[-1].lines] == [0.0] * 4


def test_there_is_nothing_to_draw_without_an_epoch() -> None:
    empty = train.History(None, [], {}, "interrupted", "interrupted by Ctrl-C")
    with pytest.raises(InputError, match="nothing to plot"):
        empty.plot()
    assert repr(empty) == "History: 0 of 0 epochs, interrupted by Ctrl-C"


def test_without_matplotlib_the_message_says_how_to_get_it(monkeypatch: Any) -> None:
    real = builtins.__import__

    def refusing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refusing)
    for name in [name for name in sys.modules if name.startswith("matplotlib")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(InputError, match=r"fix: \S+ -m pip install matplotlib$"):
        trained(epochs=1).plot()
