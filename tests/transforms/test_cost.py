"""`cost`: numbers that a hand count gives, and the ratio that answers "why reverse mode"."""

from __future__ import annotations

from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.core.errors import DifferentiationError


def mlp(sizes: tuple[int, ...], batch: int) -> tuple[Any, tuple[Any, ...]]:
    rng = onp.random.default_rng(0)
    weights = [rng.normal(size=(a, b)) for a, b in zip(sizes, sizes[1:], strict=False)]
    biases = [onp.zeros(b) for b in sizes[1:]]
    x, y = rng.normal(size=(batch, sizes[0])), rng.normal(size=(batch, sizes[-1]))

    def loss(weights: Any, biases: Any) -> Any:
        h = x
        for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
            h = h @ w + b
            if k < len(weights) - 1:
                h = np.tanh(h)
        return ((h - y) ** 2).sum()

    return loss, (weights, biases)


def test_the_value_of_a_small_network_counted_by_hand() -> None:
    m, i, h, o = 5, 3, 4, 2
    loss, args = mlp((i, h, o), m)
    cost = bl.cost(loss, *args)
    first = 2 * m * i * h + m * h + m * h  # product, bias, tanh
    second = 2 * m * h * o + m * o  # product, bias
    loss_ops = m * o + m * o + m * o  # difference, square, sum
    assert cost.value.flops == first + second + loss_ops
    assert (cost.inputs, cost.outputs) == (i * h + h * o + h + o, 1)


def test_the_backward_pass_of_a_small_network_counted_by_hand() -> None:
    m, i, h, o = 5, 3, 4, 2
    loss, args = mlp((i, h, o), m)
    cost = bl.cost(loss, *args)
    back = m * o + m * o  # 2 (h − y), times upstream
    back += m * o + 2 * h * m * o + 2 * m * o * h  # bias sum, ∂W₂ = Hᵀ G, ∂H = G W₂ᵀ
    back += 3 * m * h  # 1 − t², product with upstream
    back += m * h + 2 * i * m * h  # bias sum, ∂W₁ = Xᵀ G; x needs no gradient
    assert cost.reverse_pass.flops - cost.value.flops == back
    assert cost.reverse == cost.reverse_pass and cost.reverse_passes == 1


def test_one_forward_pass_of_a_product_counted_by_hand() -> None:
    a, b = onp.ones((2, 3)), onp.ones((3, 4))
    cost = bl.cost(lambda a, b: a @ b, a, b)
    product = 2 * 2 * 3 * 4
    assert cost.value.flops == product
    # The value, Ȧ B, A Ḃ, and their sum.
    assert cost.forward_pass.flops == 3 * product + 8
    assert cost.forward_passes == 18 and cost.forward.flops == 18 * (3 * product + 8)
    # The value, then per output G Bᵀ and Aᵀ G.
    assert cost.reverse_passes == 8 and cost.reverse.flops == product + 8 * 2 * product
    assert cost.value.bytes == 8 * (6 + 12 + 8) and cost.value.equations == 1


def test_reverse_mode_wins_more_the_more_weights_there_are() -> None:
    ratios = []
    for width in (2, 8, 32):
        loss, args = mlp((4, width, 1), 16)
        cost = bl.cost(loss, *args)
        assert cost.better == "reverse"
        assert cost.reverse.flops < 4 * cost.value.flops
        ratios.append(cost.forward.flops / cost.reverse.flops)
    assert ratios[0] > 5 and ratios[1] > 3 * ratios[0] and ratios[2] > 3 * ratios[1]


def test_forward_mode_wins_with_one_input_and_many_outputs() -> None:
    cost = bl.cost(lambda t: np.sin(t * onp.arange(100.0)), 0.5)
    assert cost.better == "forward" and (cost.inputs, cost.outputs) == (1, 100)
    assert cost.reverse.flops > 20 * cost.forward.flops
    assert "forward mode is cheaper here" in str(cost)


def test_the_table_shows_passes_operations_and_ratios() -> None:
    loss, args = mlp((3, 4, 2), 5)
    cost = bl.cost(loss, *args)
    lines = str(cost).splitlines()
    assert lines[0] == "26 inputs, 1 output"
    assert lines[1].split() == ["passes", "operations", "bytes", "×", "value"]
    rows = {line[:14].strip(): line[14:].split() for line in lines[2:5]}
    assert rows["value"][0] == rows["reverse mode"][0] == "1" and rows["forward mode"][0] == "26"
    assert int(rows["forward mode"][1].replace(",", "")) == cost.forward.flops
    assert lines[5] == "reverse mode is cheaper here"


def test_trees_integers_and_constants_count_as_they_should() -> None:
    labels = onp.array([0, 1])

    def loss(p: Any) -> Any:
        return {"nll": -np.log_softmax(p["w"] @ onp.ones((3, 2)))[[0, 1], labels].sum(), "n": 2.0}

    cost = bl.cost(loss, {"w": onp.ones((2, 3))})
    assert (cost.inputs, cost.outputs) == (6, 2)
    assert cost.value.flops == 2 * 2 * 3 * 2 + 5 * 4 + 2 + 1


def test_a_function_of_nothing_costs_nothing() -> None:
    cost = bl.cost(lambda x: onp.float64(3.0), 1.0)
    assert cost.value.flops == 0 and cost.value.equations == 0
    assert "value" in str(cost)


@pytest.mark.parametrize("times", [0, 3])
def test_work_multiplies(times: int) -> None:
    work = bl.cost(lambda x: x * x, 2.0).value
    assert (work * times).flops == times * work.flops
    assert (work * times).bytes == times * work.bytes


def test_cost_in_some_arguments_holds_the_data_fixed() -> None:
    def loss(w: Any, X: Any, y: Any) -> Any:
        return ((X @ w - y) ** 2).mean()

    w, X, y = onp.ones(4), onp.ones((10, 4)), onp.zeros(10)
    assert bl.cost(loss, w, X, y).forward_passes == 54
    found = bl.cost(loss, w, X, y, argnums=0)
    assert (found.inputs, found.outputs, found.forward_passes) == (4, 1, 4)
    assert bl.cost(loss, w, X, y, argnums=(0, -1)).inputs == 14
    plain = bl.cost(lambda w: loss(w, X, y), w)
    assert (found.value, found.reverse) == (plain.value, plain.reverse)
    with pytest.raises(DifferentiationError, match="cost of loss asks for argument 3"):
        bl.cost(loss, w, X, y, argnums=3)
