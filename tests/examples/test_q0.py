"""Question 0: forward mode is right, and reverse mode is cheaper."""

from __future__ import annotations

import math
from itertools import pairwise

import mpmath
import numpy as onp
import pytest
import q0

import backlit as bl

# Weights, operations of the two modes and their ratio, as first measured.
PRINTED_RATIOS = {6: 5, 104: 68, 1_568: 753, 6_208: 2_615}


def log_loss_of(w1: float, w2: float, w3: float, b: float) -> mpmath.mpf:
    z = w1 * q0.X[0] + w2 * q0.X[1] + w3 * q0.X[2] + b
    return -mpmath.log(1 / (1 + mpmath.exp(-z)))


def test_formulas_and_engine_agree_with_each_other() -> None:
    derivatives = q0.neuron_derivatives()
    formulas = {name: formula for name, formula, _, _ in derivatives}
    assert formulas == {
        "∂L/∂a": "(a - y)/(a (1 - a))",  # = −y/a + (1−y)/(1−a)
        "∂a/∂z": "a (1 - a)",
        "∂L/∂z": "a - y",
        "∂L/∂w": "(a - y) x",
        "∂L/∂b": "a - y",
    }
    for _, _, value, engine in derivatives:
        assert engine == pytest.approx(value, rel=1e-14)


def test_neuron_agrees_with_mpmath() -> None:
    found = {name: value for name, _, value, _ in q0.neuron_derivatives()}
    point = (*q0.W.tolist(), q0.B)
    orders = onp.eye(4, dtype=int).tolist()
    exact = [float(mpmath.diff(log_loss_of, point, tuple(order))) for order in orders]
    assert [*found["∂L/∂w"], found["∂L/∂b"]] == pytest.approx(exact, rel=1e-9)


def test_the_askers_steps_are_forward_mode() -> None:
    steps = q0.askers_steps()
    assert [s.weight for s in steps] == ["w1", "w2", "w3", "b"]
    for s in steps:
        assert s.by_jvp == pytest.approx(s.by_hand, rel=1e-14)
    exact = {name: value for name, _, value, _ in q0.neuron_derivatives()}
    assert [s.by_jvp[2] for s in steps[:3]] == pytest.approx(exact["∂L/∂w"], rel=1e-14)
    assert steps[3].by_jvp[2] == pytest.approx(exact["∂L/∂b"], rel=1e-14)


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (3, 4, 2, 1), (2, 5, 3, 4, 2)])
def test_the_chain_of_factors_is_the_gradient(sizes: tuple[int, ...]) -> None:
    for layer in range(1, len(sizes)):
        chain = q0.chain_of_factors(sizes, layer)
        assert len(chain.factors) == 2 * (len(sizes) - layer) + 1
        assert chain.product == pytest.approx(chain.by_grad, rel=1e-10)


def test_the_chain_agrees_with_central_differences() -> None:
    sizes, layer, step = (3, 4, 2, 1), 2, 1e-6
    weights = q0.make_weights(sizes)
    x = onp.random.default_rng(1).normal(size=3)
    product = q0.chain_of_factors(sizes, layer).product
    for place in onp.ndindex(weights[layer - 1].shape):
        ends = []
        for sign in (1, -1):
            moved = [w.copy() for w in weights]
            moved[layer - 1][place] += sign * step
            a = x
            for w in moved:
                a = 1 / (1 + onp.exp(-(a @ w)))
            ends.append(-math.log(a.item()))
        assert product[place] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-6, abs=1e-9)


def test_one_unit_per_layer_multiplies_plain_numbers() -> None:
    chain = q0.chain_of_factors((1, 1, 1, 1), 1)
    names = [name for name, _ in chain.factors]
    assert names[0] == "∂L/∂a3" and names[-1] == "∂z1/∂W1"
    product = math.prod(factor.item() for _, factor in chain.factors)
    assert product == pytest.approx(chain.by_grad.item(), rel=1e-13)


def test_a_units_signal_is_the_sum_over_its_edges() -> None:
    h, step = 0.6, 1e-6
    signal = q0.fan_out_signal(h)

    def loss(u: onp.ndarray) -> float:
        return 0.5 * float(((u - q0.TARGETS) ** 2).sum())

    def units(h: float) -> onp.ndarray:
        return 1 / (1 + onp.exp(-q0.OUT * h))

    for k, edge in enumerate(signal.edges):
        # Only unit k feels the change: the part of this edge alone.
        ends = []
        for sign in (1, -1):
            u = units(h)
            u[k] = units(h + sign * step)[k]
            ends.append(loss(u))
        assert edge == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-6)
    assert signal.total == pytest.approx(sum(signal.edges), rel=1e-14)
    assert signal.by_grad == pytest.approx(signal.total, rel=1e-14)


def test_tangents_travel_forward_through_fan_out() -> None:
    signal = q0.fan_out_signal(0.6)
    step = 1e-6
    u = [1 / (1 + onp.exp(-q0.OUT * (0.6 + sign * step))) for sign in (1, -1)]
    assert signal.branch_tangents == pytest.approx((u[0] - u[1]) / (2 * step), rel=1e-7)
    assert signal.tangent_of_loss == pytest.approx(signal.total, rel=1e-14)


@pytest.fixture(scope="module")
def growing() -> list[q0.Comparison]:
    # Counting all four sizes is quick, running 6,208 passes is not: the last stays with q0.main.
    return [q0.many_weights(sizes, timed=False) for sizes in q0.SIZES[:3]]


@pytest.fixture(scope="module")
def opposite() -> list[q0.Comparison]:
    return [q0.many_outputs(count, timed=False) for count in q0.OUTPUTS]


def test_the_ratio_grows_with_the_number_of_weights() -> None:
    costs = [bl.cost(*q0.loss_of_weights(sizes)) for sizes in q0.SIZES]
    assert [c.inputs for c in costs] == list(PRINTED_RATIOS)
    assert all((c.outputs, c.reverse_passes) == (1, 1) for c in costs)
    assert all(c.forward_passes == c.inputs for c in costs)
    ratios = [c.forward.flops / c.reverse.flops for c in costs]
    assert all(a < b for a, b in pairwise(ratios))
    assert all(r >= p for r, p in zip(ratios, PRINTED_RATIOS.values(), strict=True))


def test_counts_stay_within_what_theory_allows() -> None:
    for sizes in q0.SIZES:
        c = bl.cost(*q0.loss_of_weights(sizes))
        # A pass per weight, each with at least a multiplication and an addition per weight for
        # the values and as many for the tangents.
        assert c.forward.flops >= c.inputs * 4 * (c.inputs - 1)
        # Baur and Strassen (1983): value and gradient within five times the value's operations,
        # which are two per weight, one per unit, and a few for the loss.
        assert c.reverse.flops <= 5 * (2 * c.inputs + sum(sizes[1:]) + 10)


def test_both_modes_give_the_same_gradient(growing: list[q0.Comparison]) -> None:
    assert all(c.largest_difference < 1e-12 for c in growing)
    assert [c.inputs for c in growing] == list(PRINTED_RATIOS)[:3]
    assert all(a.counted < b.counted for a, b in pairwise(growing))


def test_one_input_and_many_outputs_turn_it_around(opposite: list[q0.Comparison]) -> None:
    assert [(c.inputs, c.outputs) for c in opposite] == [(1, 10), (1, 100), (1, 1000)]
    assert all(c.counted < 1 for c in opposite)
    assert all(1 / a.counted < 1 / b.counted for a, b in pairwise(opposite))
    assert all(c.largest_difference < 1e-13 for c in opposite)


def test_untimed_comparisons_claim_no_time(growing: list[q0.Comparison]) -> None:
    assert growing[0].timed is None
    timed = q0.many_weights((2, 2, 1)).timed
    assert timed is not None and timed > 0
