"""Dense, MLP, Sequential, Activate and Dropout."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as onp
import pytest

import backlit as bl
from backlit import nn
from backlit.core import tree
from backlit.core.errors import InputError, ShapeError


def test_dense_is_x_times_w_plus_b() -> None:
    layer = nn.Dense(3, 2, "tanh", seed=1, dtype="float64")
    layer = dataclasses.replace(layer, b=onp.array([0.5, -0.25]))
    x = onp.arange(12.0).reshape(4, 3) / 10
    expected = onp.tanh(onp.einsum("mi,ij->mj", x, layer.W) + onp.array([0.5, -0.25]))
    onp.testing.assert_allclose(layer(x), expected, rtol=1e-15)


def test_dense_takes_any_number_of_leading_axes_and_lists() -> None:
    layer = nn.Dense(3, 2, seed=1)
    assert layer(onp.ones(3, "float32")).shape == (2,)
    assert layer(onp.ones((5, 4, 3), "float32")).shape == (5, 4, 2)
    assert layer([[1, 2, 3]]).dtype == onp.float32


def test_the_gradient_of_a_dense_layer_is_the_textbook_one() -> None:
    layer = nn.Dense(3, 2, "sigmoid", seed=3, dtype="float64")
    rng = onp.random.default_rng(0)
    x, upstream = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    grads = bl.grad(lambda model: bl.numpy.sum(model(x) * upstream))(layer)
    a = layer(x)
    delta = upstream * a * (1 - a)
    onp.testing.assert_allclose(grads.W, x.T @ delta, rtol=1e-13)
    onp.testing.assert_allclose(grads.b, delta.sum(0), rtol=1e-13)


def test_gradients_of_a_float32_model_are_float32() -> None:
    model = nn.MLP([3, 4, 2], seed=0)
    x = onp.ones((5, 3), "float32")
    loss, grads = bl.value_and_grad(lambda m: nn.cross_entropy(m(x), [0, 1, 0, 1, 1]))(model)
    assert loss.dtype == onp.float32
    assert {leaf.dtype for leaf in tree.flatten(grads)[0]} == {onp.dtype("float32")}


def test_initial_weights_follow_seed_activation_and_init() -> None:
    same = nn.Dense(20, 30, "relu", seed=4)
    assert onp.array_equal(same.W, nn.Dense(20, 30, "relu", seed=4).W)
    assert not onp.array_equal(same.W, nn.Dense(20, 30, "relu", seed=5).W)
    assert onp.array_equal(same.W, nn.initializers.he_normal(4, (20, 30)))
    assert onp.array_equal(
        nn.Dense(20, 30, "tanh", seed=4).W, nn.initializers.glorot_uniform(4, (20, 30))
    )
    assert onp.array_equal(
        nn.Dense(20, 30, init="orthogonal", seed=4).W, nn.initializers.orthogonal(4, (20, 30))
    )
    assert not same.b.any()


def test_a_known_function_is_stored_by_its_name() -> None:
    assert nn.Dense(2, 2, nn.gelu, seed=0).activation == "gelu"
    assert nn.Dense(2, 2, None, seed=0).activation == "identity"
    square = nn.Dense(2, 2, onp.square, seed=0)
    assert square.activation is onp.square
    assert (square(onp.ones(2)) >= 0).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_in": 0}, "n_in is 0"),
        ({"n_out": 2.5}, "n_out is 2.5"),
        ({"n_out": True}, "n_out is True"),
        ({"activation": "rellu"}, "activation is 'rellu'.*leaky_relu.*\n.*mean relu"),
        ({"init": "xavier"}, "init is 'xavier'.*glorot_uniform"),
        ({"dtype": "int32"}, "dtype is int32"),
        ({"dtype": "floaty"}, "dtype is 'floaty'"),
        ({"seed": "zero"}, "seed is 'zero'"),
        ({"seed": True}, "seed is True"),
        ({"seed": 1.5}, "seed is 1.5"),
        ({"seed": 2**64}, f"from 0 to {2**64 - 1}, or a key"),
        ({"activation": ["relu"]}, r"activation is \['relu'\]"),
        ({"activation": 4}, "activation is 4"),
        ({"init": ["he"]}, r"init is \['he'\]"),
        ({"n_in": 3.0}, "n_in is 3.0.*\n.*write 3"),
        ({"init": lambda seed, shape, dtype: onp.zeros(7)}, r"weights of shape \(7,\)"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nn.Dense(**{"n_in": 3, "n_out": 2, "seed": 0, **arguments})


def test_input_of_the_wrong_width_names_the_layer() -> None:
    with pytest.raises(ShapeError, match=r"Dense\(3, 2\) was given an array of shape \(5, 4\)"):
        nn.Dense(3, 2, seed=0)(onp.ones((5, 4)))
    with pytest.raises(ShapeError, match=r"Dense\(3, 2\)"):
        bl.grad(lambda m: bl.numpy.sum(m(onp.ones(4))))(nn.Dense(3, 2, seed=0))


def test_mlp_stacks_dense_layers_and_ends_linear() -> None:
    model = nn.MLP([4, 8, 6, 3], "tanh", seed=0)
    assert [layer.W.shape for layer in model.layers] == [(4, 8), (8, 6), (6, 3)]
    assert [layer.activation for layer in model.layers] == ["tanh", "tanh", "identity"]
    assert model.sizes == (4, 8, 6, 3)
    x = onp.linspace(-1, 1, 12, dtype="float32").reshape(3, 4)
    by_hand = x
    for layer in model.layers:
        by_hand = layer(by_hand)
    assert onp.array_equal(model(x), by_hand)
    assert [path for path, _ in tree.flatten_with_paths(model)[0]][:3] == [
        "layers.0.W",
        "layers.0.b",
        "layers.1.W",
    ]


def test_mlp_layers_start_from_different_weights() -> None:
    first, second, _ = nn.MLP([5, 5, 5, 1], seed=0).layers
    assert not onp.array_equal(first.W, second.W)


def test_mlp_is_repeatable_and_passes_options_on() -> None:
    a, b = (nn.MLP([3, 2, 1], seed=9, init="normal", dtype="float64") for _ in range(2))
    for one, other in zip(tree.flatten(a)[0], tree.flatten(b)[0], strict=True):
        assert onp.array_equal(one, other) and one.dtype == onp.float64


@pytest.mark.parametrize("sizes", [[], [3], 3, None, "ab", [3, 0], [3, 2.0]])
def test_mlp_refuses_impossible_sizes(sizes: Any) -> None:
    with pytest.raises(InputError, match="sizes"):
        nn.MLP(sizes, seed=0)


def test_replacing_a_layer_of_an_mlp() -> None:
    model = nn.MLP([3, 2, 1], seed=0)
    silent = dataclasses.replace(model.layers[1], W=onp.zeros((2, 1), "float32"))
    changed = dataclasses.replace(model, layers=(model.layers[0], silent))
    assert not changed(onp.ones((4, 3), "float32")).any()
    assert model.layers[1].W.any()


def test_sizes_may_come_from_any_iterable() -> None:
    assert nn.MLP((size for size in onp.array([3, 2])), seed=0).sizes == (3, 2)


def test_every_layer_can_be_replaced_in_part() -> None:
    dense = nn.Dense(2, 3, "relu", seed=0)
    silent = dataclasses.replace(dense, b=onp.ones(3, "float32"), activation=nn.tanh)
    assert silent.W is dense.W and silent.b.all() and silent.activation == "tanh"
    with pytest.raises(InputError, match="activation is 'tan'"):
        dataclasses.replace(dense, activation="tan")
    stack = nn.Sequential(dense, nn.Dropout(0.5))
    longer = dataclasses.replace(stack, layers=[*stack.layers, "tanh"])
    assert longer.layers[:2] == stack.layers and longer.layers[2].activation == "tanh"
    assert len(stack.layers) == 2
    for wrong, message in (((), "no layer"), ((3,), "layer 0 of"), (dense, "layers is Dense")):
        with pytest.raises(InputError, match=message):
            dataclasses.replace(stack, layers=wrong)  # type: ignore[arg-type]
    assert dataclasses.replace(stack.layers[1], rate=0.25).rate == 0.25
    with pytest.raises(InputError, match="rate is 2"):
        dataclasses.replace(stack.layers[1], rate=2)
    assert dataclasses.replace(nn.Activate("relu"), activation="elu").activation == "elu"


def test_sequential_applies_layers_in_order() -> None:
    model = nn.Sequential(nn.Dense(2, 2, seed=0), "relu", onp.cumsum)
    x = onp.array([[1.0, -2.0]])
    expected = onp.cumsum(onp.maximum(model.layers[0](x), 0))
    onp.testing.assert_allclose(model(x), expected, rtol=1e-15)
    assert repr(model.layers[1]) == "Activate(activation='relu')  # 0 parameters"


def test_sequential_refuses_what_is_not_a_layer() -> None:
    with pytest.raises(InputError, match="no layer"):
        nn.Sequential()
    with pytest.raises(InputError, match="layer 0 of Sequential is \\["):
        nn.Sequential([nn.Dense(2, 2, seed=0)])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="layer 1 of Sequential is the class Dropout itself"):
        nn.Sequential("relu", nn.Dropout)


def test_dropout_without_a_key_does_nothing() -> None:
    x = onp.ones((4, 3))
    assert nn.Dropout(0.5)(x) is x
    assert nn.Dropout(0.0)(x, key=bl.random.key(0)) is x


def test_dropout_keeps_the_mean_and_the_type() -> None:
    x = onp.ones((400, 250), "float32")
    dropped = nn.Dropout(0.2)(x, key=bl.random.key(3))
    assert dropped.dtype == onp.float32
    assert set(onp.unique(dropped)) == {onp.float32(0), onp.float32(1 / 0.8)}
    # 100,000 draws of 1/0.8 with probability 0.8: the mean's standard deviation is 0.0016.
    assert abs(dropped.mean() - 1) < 0.008


def test_dropout_is_repeatable_by_key_and_differs_between_keys_and_layers() -> None:
    x = onp.ones(200)
    layer, one, two = nn.Dropout(0.5), bl.random.key(1), bl.random.key(2)
    assert onp.array_equal(layer(x, key=one), layer(x, key=one))
    assert not onp.array_equal(layer(x, key=one), layer(x, key=two))
    both = nn.Sequential(layer, layer)(x, key=one)
    # The same mask twice would leave half; independent masks leave a quarter.
    assert 0.1 < (both > 0).mean() < 0.4


def test_dropout_stops_the_gradient_where_it_dropped() -> None:
    key, x = bl.random.key(5), onp.full(50, 3.0)
    layer = nn.Dropout(0.4)
    slope = bl.grad(lambda x: bl.numpy.sum(layer(x, key=key)))(x)
    onp.testing.assert_allclose(slope, layer(x, key=key) / 3.0, rtol=1e-15)


@pytest.mark.parametrize("rate", [-0.1, 1.0, "half", True, float("nan"), None, [0.5]])
def test_dropout_refuses_impossible_rates(rate: Any) -> None:
    with pytest.raises(InputError, match="rate is"):
        nn.Dropout(rate)


def test_every_layer_takes_a_key() -> None:
    key, x = bl.random.key(0), onp.ones((2, 3), "float32")
    for layer in (nn.Dense(3, 3, seed=0), nn.MLP([3, 3], seed=0), nn.Activate("tanh")):
        assert onp.array_equal(layer(x, key=key), layer(x))


def test_an_activation_is_checked_even_if_no_layer_has_it() -> None:
    with pytest.raises(InputError, match="activation is 'rleu'.*\n.*did you mean relu"):
        nn.MLP((4, 2), activation="rleu", seed=0)
