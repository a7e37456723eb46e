"""A number that is not finite stops training, and its cause is named."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit import nn, optim, train
from backlit.core import tree
from backlit.core.errors import BacklitError
from backlit.train.nonfinite import find_operation

RNG = onp.random.default_rng(2)
X = RNG.normal(size=(20, 4)).astype("float32")
Y = RNG.integers(0, 3, 20)


def arrays(model: Any) -> list[Any]:
    return tree.flatten(model)[0]


def same_bits(a: Any, b: Any) -> bool:
    pairs = zip(arrays(a), arrays(b), strict=True)
    return all(x.tobytes() == y.tobytes() for x, y in pairs)


def network() -> nn.MLP:
    return nn.MLP([4, 6, 3], seed=0)


def failure(*args: Any, **settings: Any) -> train.NonFiniteError:
    with pytest.raises(train.NonFiniteError) as caught:
        train.fit(*args, **settings)
    assert isinstance(caught.value, (BacklitError, ArithmeticError))
    return caught.value


def careless(model: Any, x: Any, y: Any) -> Any:
    """Cross-entropy as one should not write it."""
    P = np.softmax(model(x))
    right = P[onp.arange(len(y)), y]
    return -np.mean(np.log(right))


def test_the_operation_its_line_its_layer_and_its_inputs_are_named() -> None:
    model = network()
    last = model.layers[1]
    loud = dataclasses.replace(
        model, layers=(model.layers[0], dataclasses.replace(last, W=last.W * 1e4))
    )
    error = failure(loud, (X, Y), careless, epochs=1, batch_size=20)
    found = error.operation
    assert found is not None
    assert (found.primitive, found.direction) == ("log", "forward")
    assert (found.layer, found.inside) == ("layers.1", False)
    (operand,) = found.operands
    assert (operand.name, operand.kind, operand.low, operand.wrong) == (
        "right",
        "float32[20]",
        0.0,
        0,
    )
    P = onp.exp(loud(X).astype("float64") - loud(X).max(axis=1, keepdims=True))
    gone = (P / P.sum(axis=1, keepdims=True))[onp.arange(20), Y] < 1e-46
    assert found.result.wrong == gone.sum() > 0
    assert found.source is not None and found.source.file == __file__
    assert found.source.text() == "return -np.mean(np.log(right))"
    text = str(error)
    assert "epoch 1, step 1: the loss is inf" in text
    assert "reads right: float32[20] from 0 to" in text
    assert "np.log(right)" in text and "nn.cross_entropy" in text and "history.model" in text
    assert same_bits(error.history.model, loud)
    assert error.history.stopped == "non-finite" and error.history.epochs == []


def blowing_up(at: int) -> Any:
    """A loss whose logarithm meets a 0 in one step only."""
    calls = [0]

    def loss(model: Any, x: Any, y: Any) -> Any:
        calls[0] += 1
        L = nn.cross_entropy(model(x), y)
        z = 1.0 if calls[0] < at else 0.0
        return L + np.log(z * (1.0 + 0.0 * L))

    return loss


def test_the_last_good_model_is_the_one_before_the_step() -> None:
    models: list[Any] = []

    class Keep:
        def on_step_end(self, state: train.TrainingState) -> None:
            models.append(state.model)

    settings: dict[str, Any] = {"batch_size": 6, "seed": 3, "callbacks": [Keep()]}
    error = failure(network(), (X, Y), blowing_up(7), epochs=9, **settings)
    assert (error.epoch, error.step) == (2, 7)
    assert len(models) == 6 and same_bits(error.history.model, models[-1])
    assert len(error.history.epochs) == 1
    order = []

    def spy(model: Any, x: Any, y: Any) -> Any:
        order.append(x.copy())
        return nn.cross_entropy(model(x), y)

    train.fit(network(), (X, Y), spy, epochs=2, batch_size=6, seed=3)
    assert (X[error.rows] == order[6]).all()
    assert f"in the data given to fit: {', '.join(map(str, error.rows))}" in str(error)


def test_the_best_model_by_validation_is_kept_too() -> None:
    validation = (X[:8], Y[:8])
    plain = train.fit(network(), (X, Y), epochs=3, validation=validation)

    def loss(model: Any, x: Any, y: Any) -> Any:
        L = nn.cross_entropy(model(x), y)
        return L + (np.log(L * 0.0) if len(failed) == 3 else 0.0)

    failed: list[int] = []
    error = failure(
        network(),
        (X, Y),
        loss,
        epochs=9,
        validation=validation,
        callbacks=[lambda state: failed.append(state.epoch)],
    )
    assert len(error.history.epochs) == 3
    assert same_bits(error.history.best_model, plain.best_model)


def test_a_derivative_that_goes_wrong_is_found_on_the_way_back() -> None:
    def loss(model: Any, x: Any, y: Any) -> Any:
        Z = model(x)
        distance = np.sqrt(np.sum(np.square(Z - Z), axis=1))
        return np.mean(distance)

    error = failure(network(), (X, Y), loss, epochs=1)
    found = error.operation
    assert found is not None
    assert (found.primitive, found.direction) == ("sqrt", "backward")
    assert found.source is not None and found.source.text().startswith("distance = np.sqrt")
    assert "the gradient is not finite" in str(error)
    assert "the derivative of sqrt, on the way backward" in str(error)
    assert "np.sqrt(x + 1e-12)" in str(error)


def test_a_branch_that_where_did_not_take_is_not_blamed() -> None:
    def loss(model: Any, x: Any, y: Any) -> Any:
        Z = model(x)
        safe = np.where(Z > 0.0, np.log(Z), 0.0)  # infinities and nans, never taken
        big = np.exp(1e3 * np.square(Z))
        return np.mean(safe) + np.mean(big)

    error = failure(network(), (X, Y), loss, epochs=1)
    assert error.operation is not None and error.operation.primitive == "exp"
    assert "709 in float64" in error.operation.fix


def test_several_wrong_branches_lead_to_the_earliest_cause() -> None:
    def loss(model: Any, x: Any, y: Any) -> Any:
        w = model["w"]
        early = np.log(w - 1.0)
        late = np.log(w - 1.0 + 0.0 * w)
        both = early + late
        return np.sum(both) + np.sum(both * both)

    error = failure({"w": onp.ones(2)}, (X, Y), loss, epochs=1)
    assert error.operation is not None and error.operation.source is not None
    assert error.operation.source.text().startswith("early =")
    assert error.operation.layer == "" and "after" not in str(error.operation)


def test_a_where_that_took_the_wrong_branch_leads_to_its_cause() -> None:
    def loss(model: Any, x: Any, y: Any) -> Any:
        Z = model(x)
        taken = np.where(Z > 0.0, Z, np.log(Z))
        return np.mean(taken)

    error = failure(network(), (X, Y), loss, epochs=1)
    assert error.operation is not None and error.operation.primitive == "log"


def test_the_layer_that_overflows_is_named() -> None:
    model = network()
    layer = model.layers[1]
    huge = dataclasses.replace(layer, W=layer.W * onp.float32(1e38))
    model = dataclasses.replace(model, layers=(model.layers[0], huge))
    error = failure(model, (X * 100, Y), epochs=1)
    found = error.operation
    assert found is not None
    assert (found.primitive, found.layer, found.inside) == ("matmul", "layers.1", True)
    assert [operand.name for operand in found.operands] == ["A", "layers.1.W"]
    assert "clip_by_global_norm" in str(error)


def test_inputs_and_constants_are_called_what_they_are() -> None:
    x, y = onp.array([[1e300]]), onp.array([2.0])

    def loss(model: Any, x: Any, y: Any) -> Any:
        return np.sum(np.square(x * model["w"]) - y)

    def hidden(model: Any, x: Any, y: Any) -> Any:
        return np.sum(model["w"] * onp.array([onp.inf]))

    model = {"w": onp.array([[1e10]])}
    found = failure(model, (x, y), loss, epochs=1).operation
    assert found is not None and found.primitive == "multiply"
    assert [operand.name for operand in found.operands] == ["x", "w"]
    found = failure(model, (x, y), hidden, epochs=1).operation
    assert found is not None
    assert [operand.name for operand in found.operands] == ["w", "a constant"]
    assert found.operands[1].wrong == 1
    assert "a constant: float64[1], not finite" in str(found)


def below_zero(model: Any, x: Any, y: Any) -> Any:
    h = np.sqrt(0.5 - np.square(x[:, 1]))
    h = np.relu(h)
    z = model(x)
    return nn.cross_entropy(z, y) + np.mean(h * z[:, 0])


def over_zero(model: Any, x: Any, y: Any) -> Any:
    far = np.mean(1.0 / (x[:, 0] - X[7, 0]))
    return nn.cross_entropy(model(x), y) * far


def wrong_labels(model: Any, x: Any, y: Any) -> Any:
    weights = np.log(y - 1.0)
    return np.mean(weights * model(x)[:, 0])


@pytest.mark.parametrize("jit", [True, False])
@pytest.mark.parametrize(
    "loss, primitive, line, reads",
    [
        (below_zero, "sqrt", "h = np.sqrt(", "the result of subtract"),
        (over_zero, "divide", "far = ", "a constant"),
        (wrong_labels, "log", "weights = np.log(", "the result of subtract"),
    ],
)
def test_what_is_made_from_the_data_alone_is_found(
    loss: Any, primitive: str, line: str, reads: str, jit: bool
) -> None:
    error = failure(network(), (X, Y), loss, epochs=1, batch_size=10, jit=jit)
    found = error.operation
    assert found is not None and found.source is not None
    assert (found.primitive, found.direction, found.origin) == (primitive, "forward", "data")
    assert found.source.text().startswith(line) and found.layer == ""
    assert found.operands[0].name == reads and found.operands[0].wrong == 0
    assert "on the way forward, from the data alone" in str(error)
    assert "correct or leave out the rows" in str(error)
    assert "lower the learning rate" not in str(error)


def endless_slope(model: Any, x: Any, y: Any) -> Any:
    Z = model(x)
    distance = np.sqrt(np.sum(np.square(Z - Z), axis=1))
    return np.mean(distance)


def twice(model: Any, x: Any, y: Any) -> Any:
    part = bl.jit(lambda z, shift: np.sum(np.log(z + shift)))
    return part(np.square(model(x)), 1.0) + part(np.square(model(x)), -1e30)


@pytest.mark.parametrize("loss", [below_zero, endless_slope, twice])
def test_a_compiled_loss_is_looked_into(loss: Any) -> None:
    loud = tree.map(lambda leaf: leaf * onp.float32(1e3), network())
    plain = failure(loud, (X, Y), loss, epochs=1, jit=False)
    compiled = failure(loud, (X, Y), bl.jit(loss), epochs=1, jit=False)
    assert plain.operation is not None and compiled.operation == plain.operation
    assert compiled.operation.source is not None
    assert str(compiled) == str(plain)


def test_a_loss_that_hands_its_data_to_numpy_is_followed_as_far_as_that() -> None:
    def labels(model: Any, x: Any, y: Any) -> Any:
        root = np.sqrt(x)
        return np.mean(root * (model(x) @ onp.eye(3)[y].T)[:, :1])

    def everything(model: Any, x: Any, y: Any) -> Any:
        return np.mean(onp.sqrt(onp.asarray(x)) * model(x)[:, :1])

    found = failure(network(), (X, Y), labels, epochs=1).operation
    assert found is not None and (found.primitive, found.origin) == ("sqrt", "data")
    assert found.operands[0].name == "x"
    found = failure(network(), (X, Y), everything, epochs=1).operation
    assert found is not None and (found.primitive, found.origin) == ("multiply", "constant")
    assert "not finite before it meets the model" in found.fix


class Recorder:
    """Keeps the model after each step."""

    def __init__(self, models: list[Any]) -> None:
        self.models = models

    def on_step_end(self, state: train.TrainingState) -> None:
        self.models.append(state.model)


@pytest.mark.parametrize("batch_size", [4, 10])
def test_an_update_that_overflows_names_the_parameter(batch_size: int) -> None:
    def loss(model: Any, x: Any, y: Any) -> Any:
        return np.mean(model["w"])

    # 1 − 2e38 is a float32, 1 − 4e38 is none: in the middle of an epoch the step after notices
    # it, at the end of an epoch (two batches of 10) nothing has to.
    steps: list[Any] = []
    error = failure(
        {"w": onp.ones(1, "float32")},
        (X, Y),
        loss,
        optim.sgd(2e38),
        epochs=1,
        batch_size=batch_size,
        callbacks=[Recorder(steps)],
    )
    assert error.step == 2 and len(error.rows) == batch_size
    assert "epoch 1, step 2: the update of w is not finite" in str(error)
    assert error.operation is None and error.history.epochs == []
    assert error.history.model["w"].tolist() == [onp.float32(-2e38)]
    assert same_bits(error.history.model, steps[0])


def test_an_overflow_that_saturates_is_noticed_at_the_end_of_the_epoch() -> None:
    def hidden(model: Any, x: Any, y: Any) -> Any:
        return np.sum(np.clip(model["w"], -1.0, 1.0))

    jump = optim.Optimizer(
        "jump", {}, lambda params: (), lambda g, s, p: ([onp.array([onp.inf])] * len(g), s)
    )
    error = failure({"w": onp.zeros(1)}, (X, Y), hidden, jump, epochs=1, batch_size=5)
    assert "the update of w is not finite" in str(error)
    assert error.history.model["w"].tolist() == [0.0]


def test_a_clipped_gradient_does_not_hide_that_it_was_infinite() -> None:
    def loss(model: Any, x: Any, y: Any) -> Any:
        return np.sum(np.sqrt(model["w"]))

    rule = optim.chain(optim.clip_by_value(1.0), optim.sgd(0.1))
    error = failure({"w": onp.zeros(2)}, (X, Y), loss, rule, epochs=1)
    assert error.operation is not None and error.operation.primitive == "sqrt"


def test_a_loss_that_cannot_be_repeated_is_said_to_be_one() -> None:
    calls = [0]

    def loss(model: Any, x: Any, y: Any) -> Any:
        calls[0] += 1
        return np.sum(model["w"]) + (onp.inf if calls[0] == 2 else 0.0)

    error = failure({"w": onp.ones(2)}, (X, Y), loss, epochs=3)
    assert error.operation is None
    assert "not a pure function" in str(error)


def test_large_finite_gradients_are_no_error() -> None:
    def loss(model: Any, x: Any, y: Any) -> Any:
        return np.sum(model["w"] * onp.float32(1e25))

    history = train.fit({"w": onp.ones(2, "float32")}, (X, Y), loss, optim.sgd(1e-26), epochs=2)
    assert history.stopped == "finished"
    assert history.epochs[0]["gradient_norm"]["w"] == pytest.approx(2**0.5 * 1e25)


def test_no_warning_of_numpys_comes_first() -> None:
    # Warnings are errors here: an overflow that NumPy reported would not be a NonFiniteError.
    def loss(model: Any, x: Any, y: Any) -> Any:
        return np.sum(np.exp(model["w"] * 1e4))

    assert failure({"w": onp.ones(2)}, (X, Y), loss, epochs=1).operation is not None


def test_a_parameter_that_is_not_finite_to_begin_with_is_named() -> None:
    model = {"w": onp.array([1.0, onp.nan])}
    assert find_operation(lambda model: np.sum(np.exp(model["w"])), model, []) == "w"
    assert find_operation(lambda model: np.sum(model["w"]), {"w": onp.ones(2)}, []) is None
