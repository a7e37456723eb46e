"""Data and options that cannot be used are refused before the first step, and named."""

from __future__ import annotations

from typing import Any

import numpy as onp
import pytest

import backlit.numpy as np
from backlit import nn, optim, train
from backlit.core.errors import InputError
from backlit.data import Table

NAN = float("nan")
X = onp.arange(12.0).reshape(4, 3)
LABELS = [0, 1, 1, 0]
CLASSIFIER = nn.MLP([3, 5, 2], seed=0)
ONE_OUTPUT = nn.MLP([3, 5, 1], seed=0)


def with_value(array: Any, place: Any, value: float) -> Any:
    changed = onp.array(array, float)
    changed[place] = value
    return changed


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((X, LABELS[:3]), "X has 4 rows but y has 3"),
        ((X[:0], []), "X has no rows"),
        ((with_value(X, (2, 1), NAN), LABELS), r"X\[2, 1\] is nan \(row 2, column 1, counted from"),
        ((with_value(X, (0, 2), -onp.inf), LABELS), r"X\[0, 2\] is -inf"),
        ((with_value(X, slice(0, 2), NAN), LABELS), "and 5 more values are not finite"),
        ((X[:, :2], LABELS), r"X has 2 columns, but the model's first layer \(layers.0\) takes 3"),
        ((X[:, 0], LABELS), r"X has shape \(4,\); the model takes rows of 3 inputs"),
        ((5.0, LABELS), "X is one number"),
        ((X, [0.0, 1.0, 1.0, 0.0]), "y is float64, and cross_entropy needs labels"),
        ((X, [0, 1, 2, 0]), r"y\[2\] is 2, but the model has 2 outputs, so labels run from 0 to 1"),
        ((X, [0, -1, 1, 0]), r"y\[1\] is -1"),
        ((X, ["a", "b", "b", "a"]), "y holds text"),
        ((X, onp.array([["a"], ["b"], ["b"], ["a"]], object)), "y holds text"),
        ((X, [[0, 1], [1, 0]] * 3), "X has 4 rows but y has 6"),
        ((X, [[0, 1, 0]] * 4), r"y has shape \(4, 3\), and the model has 2 outputs"),
        ((X, [[0.5, 0.6]] * 4), r"target row \[0\] sums to 1.1"),
        ((X.astype(str), LABELS), "X holds text"),
        ((X.astype(complex), LABELS), r"X is of type ndarray \(complex128\); it must be"),
        (([[1.0], [2.0, 3.0]], [0, 1]), "X is not an array"),
        ((object(), LABELS), r"X is of type object \(object\)"),
        (X, r"data is a ndarray; it must be the pair \(X, y\)\n.*pair: fit\(model, \(X, y\), …\)"),
        ((X, LABELS, LABELS), "data is a tuple of 3; it must be the pair"),
        (([[1, 2, 3], [1, "a", 3], [1, 2, 3], [1, 2, 3]], LABELS), "X holds text: X.0, 0. is '1'"),
        (([[1, 2, None]] * 4, LABELS), r"X\[0, 2\] is None, which is not a number"),
        ((X.astype(object), LABELS), r"X is of type ndarray \(object\).*\n.*asarray\(…, float\)"),
        ((onp.ma.masked_array(X, X > 9), LABELS), "X is a masked array, and 2 of its values"),
        ((Table.from_columns({"a": [1.0, 2.0]}), LABELS), "X is a Table\n.*Preprocessor.fit"),
        ((X, onp.array(LABELS, object)), r"y is of type ndarray \(object\).*\n.*y.astype\(int\)"),
        ((X * 1e300, LABELS), r"X\[0, 1\] is 1e\+300, more than the model's float32 can hold"),
        ((X, onp.array(["a", "b", "b", "a"])), "y holds text: y.0. is 'a'\n.*unique"),
    ],
)
def test_data_that_do_not_fit_are_named(data: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        train.fit(CLASSIFIER, data, epochs=1)
    with pytest.raises(InputError, match=message):
        train.evaluate(CLASSIFIER, data)


@pytest.mark.parametrize(
    ("model", "loss", "y", "message"),
    [
        (ONE_OUTPUT, "cross_entropy", LABELS, "needs one output per class, and the model has one"),
        (ONE_OUTPUT, "multiclass_hinge", LABELS, "needs one output per class"),
        (CLASSIFIER, "mse", [1.0, 2.0, 3.0, 4.0], r"y has shape \(4,\), but .* returns \(4, 2\)"),
        (ONE_OUTPUT, "mse", [[1.0, 2.0]] * 4, r"y has shape \(4, 2\), but .* returns \(4, 1\)"),
        (ONE_OUTPUT, "mse", [1.0, 2.0, NAN, 4.0], r"y\[2\] is nan \(row 2, counted from 0\)"),
        (ONE_OUTPUT, "binary_cross_entropy", [0, 1, 2, 0], r"target\[2, 0\] is 2"),
        (ONE_OUTPUT, "hinge", LABELS, "hinge needs −1 and 1"),
        (CLASSIFIER, "multiclass_hinge", [0, 1, 2, 0], r"y\[2\] is 2"),
        (ONE_OUTPUT, "rmse", LABELS, "loss is 'rmse'; it must be one of .*mse"),
        (ONE_OUTPUT, 3, LABELS, "loss is 3"),
        ({"W": X}, "mse", LABELS, "the model is a dict, which cannot be called"),
    ],
)
def test_targets_that_do_not_fit_the_loss_are_named(
    model: Any, loss: Any, y: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        train.fit(model, (X, y), loss, epochs=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"epochs": 2.5}, "epochs is 2.5"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": "all"}, "batch_size is 'all'"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 1.5}, "seed is 1.5"),
        ({"optimizer": "adam"}, "optimizer is 'adam'"),
        ({"validation": X}, r"validation is a ndarray; it must be the pair.*\n.*validation=\(X"),
        ({"validation": 0.2}, "validation is a float"),
        ({"validation": (X[:, :2], LABELS)}, "validation X has 2 columns"),
        ({"validation": (X, LABELS[:2])}, "validation X has 4 rows but validation y has 2"),
        ({"validation": (X[:0], [])}, "validation X has no rows"),
        ({"validation": (X, [0, 1, 5, 0])}, r"validation y\[2\] is 5"),
        ({"sample_weight": [1.0, 2.0]}, r"sample_weight has shape \(2,\)"),
        ({"sample_weight": [1.0, 2.0, -1.0, 1.0]}, r"sample_weight\[2\] is -1"),
        ({"sample_weight": [1.0, NAN, 1.0, 1.0]}, r"sample_weight\[1\] is nan"),
        ({"sample_weight": [0, 0, 0, 0]}, "all sample weights are 0"),
        ({"metrics": ["f1"]}, "a metric is 'f1'; it must be one of accuracy"),
        ({"epochs": None}, "epochs is None"),
        ({"epochs": 2.0}, "epochs is 2.0.*\n.*write 2"),
        ({"shuffle": "no"}, "shuffle is 'no'; it must be True or False"),
        ({"optimizer": optim.sgd}, r"optimizer is <function sgd.*\n.*optim.sgd\(1e-3\)"),
        ({"optimizer": 0.1}, r"optimizer is 0.1.*\n.*optim.adam\(1e-3\)"),
        ({"early_stopping": 5}, "early_stopping is 5; it must be an EarlyStopping"),
        ({"sample_weight": "balanced"}, "sample_weight is 'balanced'.*\n.*bincount"),
        ({"metrics": ["r2"]}, r"metric 'r2' gives no number: predictions have shape \(2, 2\)"),
        ({"metrics": 5}, "metrics is 5; it must be a list"),
        ({"metrics": [["rmse"]]}, r"a metric is \['rmse'\]"),
        ({"loss": LABELS}, r"loss is \[0, 1, 1, 0\].*\n.*a pair: fit\(model, \(X, y\), …\)"),
        ({"loss": None}, "loss is None; it must be a name or a function"),
        ({"loss": lambda m, x: 0.0}, r"<lambda> cannot be called as loss\(model, x, y\)"),
        ({"loss": lambda m, x, y, q: 0.0}, "cannot be called .*'q'"),
        (
            {"loss": lambda m, x, y: m(x)},
            r"an array of shape \(4, 2\) for 4 rows.*\n.*mean",
        ),
        ({"loss": lambda m, x, y: 0}, "returned 0 for 4 rows"),
        ({"loss": lambda m, x, y: np.sum(y)}, "returned .* for 4 rows; it must return one float"),
        ({"loss": lambda m, x, y: None}, "returned None for 4 rows; it must return one float"),
        ({"metrics": "accuracy"}, r"metrics=\['accuracy'\]"),
        ({"metrics": {"loss": max}}, "metric 'loss'"),
        ({"metrics": {"seconds": max}}, "cannot be called 'seconds'"),
        ({"metrics": {"val_loss": max}}, "cannot be called 'val_loss'"),
        ({"metrics": {"best": 3}}, "metric 'best' is 3"),
        ({"progress": "bar"}, "progress is 'bar'"),
    ],
)
def test_options_that_cannot_be_used_are_named(options: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        train.fit(CLASSIFIER, (X, LABELS), **({"epochs": 1} | options))


def own_loss(model: Any, x: Any, y: Any) -> Any:
    return nn.cross_entropy(model(x), y)


def test_a_loss_of_ones_own_takes_no_weights_and_no_metrics_unasked() -> None:
    with pytest.raises(InputError, match="weights=None"):
        train.fit(CLASSIFIER, (X, LABELS), own_loss, epochs=1, sample_weight=[1, 1, 1, 1])
    with pytest.raises(InputError, match="does not show them"):
        train.fit(CLASSIFIER, (X, LABELS), own_loss, epochs=1, metrics=["accuracy"])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({}, "holds no array"),
        ({"w": 3}, "w of the model is 3; only floating-point arrays"),
        ({"w": onp.zeros(2, int)}, "w of the model is"),
        ({"w": onp.array([1.0, NAN])}, r"w\[1\] is nan"),
        ({"w": "text"}, "w of the model is 'text'"),
        (nn.MLP, "the model is the class MLP itself"),
        (None, "holds no array to train"),
    ],
)
def test_models_that_cannot_be_trained_are_refused(model: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        train.fit(model, (X, LABELS), own_loss, epochs=1)


class Wrong(nn.Module):
    """A model whose output is not one row per row."""

    w: onp.ndarray[Any, Any]
    kind: str = nn.static("total")

    def __call__(self, x: Any, *, key: Any = None) -> Any:
        Z = x @ self.w
        if self.kind == "total":
            return np.sum(Z)
        if self.kind == "pair":
            return Z, Z
        return (Z > 0).astype(int)


@pytest.mark.parametrize(
    ("kind", "message"),
    [("total", r"of shape \(\)"), ("pair", "a tuple"), ("sign", "int64 of shape")],
)
def test_a_model_that_does_not_return_rows_of_floats_is_refused(kind: str, message: str) -> None:
    with pytest.raises(InputError, match=f"for 2 rows of inputs the model returned .*{message}"):
        train.fit(Wrong(onp.ones((3, 1)), kind=kind), (X, LABELS), "mse", epochs=1)


def test_the_first_layer_is_found_where_it_is_certain() -> None:
    from backlit.train.inputs import first_dense

    inner = nn.Sequential(nn.Activate("tanh"), nn.MLP([7, 2], seed=0))
    found = first_dense(nn.Sequential(nn.Dropout(0.5), inner))
    assert found is not None and found[0] == "layers.1.layers.1.layers.0"
    assert first_dense(nn.Dense(3, 1, seed=0)) is not None
    assert first_dense(Wrong(onp.ones((3, 1)))) is None
    assert first_dense(nn.Sequential(Wrong(onp.ones((3, 1))), nn.Dense(3, 1, seed=0))) is None
    assert first_dense(nn.Sequential("tanh")) is None


@pytest.mark.parametrize("constant", [0.0, onp.float32(0), onp.array(0.0)])
def test_a_loss_may_return_any_single_number(constant: Any) -> None:
    history = train.fit(CLASSIFIER, (X, LABELS), lambda m, x, y: constant, epochs=1)
    assert history.epochs[0]["loss"] == 0.0


def test_measurements_too_large_for_the_model_are_named() -> None:
    with pytest.raises(InputError, match=r"y\[3\].* is 1e\+200|y\[3, 0\] is 1e\+200, more than"):
        train.fit(ONE_OUTPUT, (X, [0.0, 0.0, 0.0, 1e200]), "mse", epochs=1)


def test_targets_are_looked_at_before_training_and_not_at_every_step(monkeypatch: Any) -> None:
    seen: list[int] = []
    looked = nn.targets.extremes
    monkeypatch.setattr(nn.targets, "extremes", lambda v: (seen.append(len(v)), looked(v))[1])
    bits = onp.array(LABELS)
    for epochs in (1, 5):
        seen.clear()
        train.fit(ONE_OUTPUT, (X, bits), "binary_cross_entropy", epochs=epochs, batch_size=2)
        assert seen == [4]
    with pytest.raises(InputError, match=r"target\[1, 0\] is 2"):
        train.fit(ONE_OUTPUT, (X, bits * 2), "binary_cross_entropy", epochs=1, batch_size=2)


def test_a_column_of_labels_and_booleans_are_labels() -> None:
    plain = train.evaluate(CLASSIFIER, (X, LABELS))
    assert train.evaluate(CLASSIFIER, (X, onp.array(LABELS)[:, None])) == plain
    assert train.evaluate(CLASSIFIER, (X, onp.array(LABELS, bool))) == plain


def test_a_loss_may_be_named_like_its_function() -> None:
    for name, other in (("mse", "squared_error"), ("mae", "absolute_error")):
        one, same = (
            train.fit(ONE_OUTPUT, (X, [1.0, 2.0, 3.0, 4.0]), loss, epochs=2)
            for loss in (name, other)
        )
        assert same.settings == one.settings and one.settings["loss"] == name
        assert same.curve("loss") == one.curve("loss") and same.curve("r2") == one.curve("r2")
