"""Question 2: the middle layer's gradient, and whether the asker's equation is correct."""

from __future__ import annotations

import math

import mpmath
import numpy as onp
import pytest
import q2


def chain_in_mpmath(w1: float, w2: float, b: float) -> mpmath.mpf:
    total = mpmath.mpf(0)
    for x, y in zip(q2.CHAIN_X.tolist(), q2.CHAIN_Y.tolist(), strict=True):
        h = 1 / (1 + mpmath.exp(-(x * w1 + b)))
        total += (y - 1 / (1 + mpmath.exp(-(h * w2 + b)))) ** 2 / 2
    return total


def network_in_numpy(w: onp.ndarray, i: onp.ndarray = q2.INPUT) -> float:
    """The 2-2-2 network, one unit at a time."""

    def unit(z: float) -> float:
        return 1 / (1 + math.exp(-z))

    h1 = unit(w[0] * i[0] + w[1] * i[1] + 0.35)
    h2 = unit(w[2] * i[0] + w[3] * i[1] + 0.35)
    o1 = unit(w[4] * h1 + w[5] * h2 + 0.60)
    o2 = unit(w[6] * h1 + w[7] * h2 + 0.60)
    return 0.5 * (o1 - 0.01) ** 2 + 0.5 * (o2 - 0.99) ** 2


def test_shared_bias_formulas_agree_with_mpmath() -> None:
    s = q2.shared_bias()
    orders = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    point = (q2.W1, q2.W2, q2.B)
    exact = [float(mpmath.diff(chain_in_mpmath, point, order)) for order in orders]
    assert s.by_formula == pytest.approx(exact, rel=1e-9)
    assert s.by_derivation == pytest.approx(exact, rel=1e-9)
    assert s.by_grad == pytest.approx(exact, rel=1e-9)


def test_the_bias_needs_both_of_its_paths() -> None:
    s = q2.shared_bias()
    assert s.path_output + s.path_hidden == pytest.approx(s.by_grad[2], rel=1e-13)
    assert abs(s.path_output) > 0.01 and abs(s.path_hidden) > 0.01


def test_numbers_of_the_network() -> None:
    f = q2.factors()
    assert float(q2.network_loss(q2.WEIGHTS)) == pytest.approx(0.298371109, abs=5e-10)
    assert f.through_o1 == pytest.approx(0.000668396, abs=5e-10)
    assert f.through_o2 == pytest.approx(-0.000229828, abs=5e-10)
    assert f.correct == pytest.approx(0.000438568, abs=5e-10)
    assert f.by_grad == pytest.approx(f.correct, rel=1e-13)
    assert q2.train(1)[1] == pytest.approx(0.291027774, abs=5e-10)


def test_the_explained_paths() -> None:
    paths = q2.explained().paths
    assert paths.count == 2
    found = {
        name: path.product
        for path in paths.largest
        for name in ("o1", "o2")
        if name in [element.name for element in path.elements]
    }
    assert found["o1"] == pytest.approx(0.000668396, abs=5e-10)
    assert found["o2"] == pytest.approx(-0.000229828, abs=5e-10)
    assert paths.total == pytest.approx(0.000438568, abs=5e-10)


def test_the_named_network_is_the_same() -> None:
    w = onp.random.default_rng(3).normal(size=8)
    assert float(q2.every_line(*w)) == pytest.approx(network_in_numpy(w), rel=1e-14)


def test_ten_thousand_steps() -> None:
    weights, loss = q2.train(10_000)
    assert loss == pytest.approx(3.5102e-5, abs=5e-10)
    assert network_in_numpy(weights) == pytest.approx(loss, rel=1e-9)


def test_the_network_is_wired_as_described() -> None:
    # Distinct random weights: a swapped connection would show.
    w = onp.random.default_rng(0).normal(size=8)
    assert float(q2.network_loss(w)) == pytest.approx(network_in_numpy(w), rel=1e-14)


def test_the_askers_equation_is_zero_and_the_correct_one_is_not() -> None:
    f = q2.factors()
    assert (f.w5_h1, f.w7_h1) == (0.0, 0.0)
    assert f.asked == 0.0
    # Nothing else in it is zero: the verdict rests on those two factors.
    assert min(abs(v) for v in (f.h1_w1, f.o1_w5, f.o2_w7, f.L_o1, f.L_o2)) > 1e-3


def test_the_correct_equation_at_other_weights() -> None:
    w, step = onp.random.default_rng(1).normal(size=8), 1e-6
    f = q2.factors(w)
    up, down = w.copy(), w.copy()
    up[0] += step
    down[0] -= step
    numeric = (network_in_numpy(up) - network_in_numpy(down)) / (2 * step)
    assert f.correct == pytest.approx(numeric, rel=1e-6)


@pytest.mark.parametrize("widths", q2.WIDTHS)
def test_the_crude_algorithm_is_right(widths: tuple[int, ...]) -> None:
    p = q2.path_expansion(widths)
    assert p.largest_difference < 1e-14
    assert max(abs(part).max() for part in p.by_grad) > 1e-4
    assert p.paths_of_first == p.predicted_paths == math.prod(widths[2:])
    # Every weight of layer l has as many paths as the widths after it multiply to.
    assert p.paths == sum(math.prod(widths[k:]) for k in range(len(widths) - 1))


def test_the_crude_algorithms_cost_explodes() -> None:
    ratios = []
    for depth in (2, 3, 4, 5):
        p = q2.path_expansion((3,) * (depth + 1))
        ratios.append(p.multiplications / p.sweep_operations)
    # One more layer of width 3 multiplies the paths by 3 and adds one layer to the sweep.
    assert all(b > 2 * a for a, b in zip(ratios, ratios[1:], strict=False))


def test_what_is_held_constant() -> None:
    v = q2.variables()
    assert v.right == pytest.approx(0.000438568, abs=5e-10)
    assert v.activations_frozen == 0.0
    assert v.weight_of_input == 0.0


def test_an_updated_weight_depends_on_the_data() -> None:
    v, step = q2.variables(), 1e-4

    def gradient_of_w1(i1: float) -> float:
        i = onp.array([i1, 0.10])
        ends = []
        for sign in (1, -1):
            w = q2.WEIGHTS.copy()
            w[0] += sign * step
            ends.append(network_in_numpy(w, i))
        return (ends[0] - ends[1]) / (2 * step)

    slope = (gradient_of_w1(0.05 + step) - gradient_of_w1(0.05 - step)) / (2 * step)
    assert v.updated_weight_of_input == pytest.approx(-0.5 * slope, rel=1e-5)
    assert v.updated_weight_of_input == pytest.approx(v.by_difference, rel=1e-7)
    assert abs(v.updated_weight_of_input) > 1e-3
