"""Question 3: what is propagated backward, and what that saves."""

from __future__ import annotations

import math
from itertools import pairwise

import mpmath
import numpy as onp
import pytest
import q3
import q3_by_hand

import backlit as bl
from backlit.explain.derivation.checking import numbers_of, worked_out
from backlit.explain.equation.text.printing import unicode


def y_in_mpmath(x: float) -> mpmath.mpf:
    return mpmath.exp(mpmath.sin(x**2))


def test_the_numbers_at_one() -> None:
    r = q3.one_variable(1.0)
    assert r.y == pytest.approx(2.319776825, abs=5e-10)
    assert r.slope == pytest.approx(2.506761535, abs=5e-10)
    assert r.factors == pytest.approx((math.exp(math.sin(1)), math.cos(1), 2.0), rel=1e-14)
    assert math.prod(r.factors) == pytest.approx(r.slope, rel=1e-14)


@pytest.mark.parametrize("x", [-1.7, 0.3, 2.1])
def test_the_formula_exists_without_data(x: float) -> None:
    derivation = q3.derivation_without_data()
    assert "nan" not in str(derivation)
    values = worked_out(derivation, (x,))
    found = float(numbers_of(values.of(derivation.gradient("x").left)))
    assert found == pytest.approx(float(mpmath.diff(y_in_mpmath, x)), rel=1e-10)


def test_the_formula_reads_backward() -> None:
    derivation = q3.derivation_without_data()
    forward = [unicode(line.left) for line in derivation.forward]
    backward = [unicode(line.left) for line in derivation.backward]
    assert (forward, backward) == (["u", "v", "y"], ["∂y/∂v", "∂y/∂u", "∂y/∂x"])


def test_the_slip_in_the_backward_pass_by_hand_is_named() -> None:
    found = bl.check_backward(q3_by_hand.forward, q3_by_hand.backward, *q3_by_hand.args)
    verdicts = {s.name: s for s in found.statements}
    assert [verdicts[name].verdict for name in ("dz2", "dW2", "dz1")] == ["right", "right", "wrong"]
    assert verdicts["dz1"].kind == "activation-for-preactivation"
    assert verdicts["dW1"].kind == "upstream"
    # What it should be, by differences of a loss written without the engine.
    W1, W2, x, y = q3_by_hand.args
    step, numeric = 1e-6, onp.zeros_like(W1)

    def loss(W1: onp.ndarray) -> float:
        a1 = 1 / (1 + onp.exp(-W1 @ x))
        return 0.5 * float(((1 / (1 + onp.exp(-W2 @ a1)) - y) ** 2).sum())

    for place in onp.ndindex(W1.shape):
        ends = []
        for sign in (1, -1):
            moved = W1.copy()
            moved[place] += sign * step
            ends.append(loss(moved))
        numeric[place] = (ends[0] - ends[1]) / (2 * step)
    dW1, _ = q3_by_hand.backward(*q3_by_hand.args)
    error = abs(dW1 - numeric).max() / abs(numeric).max()
    assert error > 0.01
    assert verdicts["dW1"].error == pytest.approx(error, rel=1e-5)


@pytest.mark.parametrize("widths", [(1, 1, 1, 1), (7, 5, 3, 1), (1, 3, 5, 7), (4, 4, 4, 4)])
def test_both_orders_give_one_product_at_the_stated_cost(widths: tuple[int, ...]) -> None:
    o = q3.both_orders(widths)
    n0, n1, n2, n3 = widths
    assert o.from_the_left == n3 * n2 * n1 + n3 * n1 * n0
    assert o.from_the_right == n2 * n1 * n0 + n3 * n2 * n0
    assert o.difference < 1e-14 and o.by_engine < 1e-14


def test_a_loss_favours_the_left_and_a_curve_the_right() -> None:
    loss, curve = q3.both_orders((30, 30, 30, 1)), q3.both_orders((1, 30, 30, 30))
    assert loss.from_the_left * 15 <= loss.from_the_right
    assert curve.from_the_right * 15 <= curve.from_the_left


def test_expanded_expressions_are_right_and_dear() -> None:
    found = [q3.expanded_expressions((2,) * depth + (1,)) for depth in (2, 3, 4, 5)]
    assert all(e.difference < 1e-14 for e in found)
    ratios = [e.expanded_operations / e.backprop_operations for e in found]
    assert ratios[0] > 1 and all(b > 1.5 * a for a, b in pairwise(ratios))


def test_expanded_operations_counted_by_hand() -> None:
    # a = σ(wx): w x and σ are 2. ∂a/∂w = a (1 − a) x writes a out twice: 2 + 2 + 3.
    assert q3.expanded_expressions((1, 1)).expanded_operations == 7
    # a₂ = σ(w₂ σ(w₁ x)) is 4. ∂a₂/∂w₂ = a₂ (1 − a₂) a₁ is 4 + 4 + 3 + 2;
    # ∂a₂/∂w₁ = a₂ (1 − a₂) w₂ a₁ (1 − a₁) x is 4 + 4 + 3, 1 for w₂, and 7 as above.
    assert q3.expanded_expressions((1, 1, 1)).expanded_operations == 13 + 19


def numeric_gradient(layers: list[q3.Layer], x: onp.ndarray, y: onp.ndarray) -> list[q3.Layer]:
    """Central differences of ½‖a − y‖² with tanh layers, written without the engine."""

    def loss(layers: list[q3.Layer]) -> float:
        a = x
        for W, b in layers:
            a = onp.tanh(W @ a + b)
        return 0.5 * float(((a - y) ** 2).sum())

    found, step = [], 1e-6
    for k, pair in enumerate(layers):
        parts = []
        for slot, array in enumerate(pair):
            numeric = onp.zeros_like(array)
            for place in onp.ndindex(array.shape):
                ends = []
                for sign in (1, -1):
                    moved = array.copy()
                    moved[place] += sign * step
                    changed = (moved, pair[1]) if slot == 0 else (pair[0], moved)
                    ends.append(loss([*layers[:k], changed, *layers[k + 1 :]]))
                numeric[place] = (ends[0] - ends[1]) / (2 * step)
            parts.append(numeric)
        found.append((parts[0], parts[1]))
    return found


def test_the_recursion_agrees_with_central_differences() -> None:
    layers = q3.make_layers((3, 4, 2, 3))
    rng = onp.random.default_rng(1)
    x, y = rng.normal(size=3), rng.normal(size=3)
    ours = q3.delta_recursion(layers, x, y, q3.ACTIVATIONS["tanh"])
    for (dW, db), (W, b) in zip(ours, numeric_gradient(layers, x, y), strict=True):
        assert dW == pytest.approx(W, rel=1e-6, abs=1e-9)
        assert db == pytest.approx(b, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("activation", q3.ACTIVATIONS)
@pytest.mark.parametrize("depth", [1, 2, 3, 8, 16])
def test_the_recursion_at_any_depth(activation: str, depth: int) -> None:
    assert q3.recursion_error(activation, (3,) * (depth + 1)) < 1e-12


@pytest.mark.parametrize("activation", q3.ACTIVATIONS)
def test_leaving_the_slope_out_is_right_for_linear_units_only(activation: str) -> None:
    error = q3.recursion_error(activation, (4, 5, 3, 2), forget_slope=True)
    assert error < 1e-12 if activation == "linear" else error > 0.1


def test_the_first_layers_gradient_needs_the_later_deltas() -> None:
    forward, first, every = q3.first_layer_cost()
    # 20-20-20-20-1: a product and a sum per weight, then 61 biases, 61 tanh, and the loss.
    assert 2 * 1220 + 2 * 61 <= forward <= 2 * 1220 + 2 * 61 + 10
    assert first > 1.5 * forward
    assert first > 0.75 * every


def test_arbitrary_graphs() -> None:
    assert q3.arbitrary_graph_error() < 1e-8


def test_the_sigmoids_slope_peaks_at_a_quarter() -> None:
    z = onp.linspace(-30, 30, 60_001)
    slopes = bl.grad(lambda z: bl.numpy.sigmoid(z).sum())(z)
    assert slopes.max() == 0.25 and z[slopes.argmax()] == pytest.approx(0.0, abs=1e-12)
    assert float(bl.grad(bl.numpy.sigmoid)(2.0)) == pytest.approx(
        float(mpmath.diff(lambda z: 1 / (1 + mpmath.exp(-z)), 2.0)), rel=1e-10
    )


def test_the_classic_slip_gives_another_gradient() -> None:
    assert q3.recursion_error("sigmoid", (4, 5, 3, 2), slip=True) > 0.1


def test_past_the_edge_the_loss_rises() -> None:
    r = q3.rate_past_the_edge([1e-3, 0.5, 0.999, 1.001, 3.0])
    assert [loss < r.start for _, loss in r.after] == [True, True, True, False, False]
    # Exactly at the edge a quadratic neither rises nor falls.
    assert q3.rate_past_the_edge([1.0]).after[0][1] == pytest.approx(r.start, rel=1e-12)


def test_the_thesis_is_cited() -> None:
    assert q3.__doc__ is not None
    assert "Linnainmaa" in q3.__doc__ and "1970" in q3.__doc__ and "Helsinki" in q3.__doc__
