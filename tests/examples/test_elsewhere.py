"""What people ask elsewhere."""

from __future__ import annotations

import math

import elsewhere
import numpy as onp
import pytest


def test_every_line_of_the_network() -> None:
    nodes = {n.name: n for n in elsewhere.check_every_line()}
    assert nodes["L"].value == pytest.approx(0.298371109, abs=5e-10)
    assert nodes["w1"].gradient == pytest.approx(0.000438568, abs=5e-10)
    z_h1 = 0.15 * 0.05 + 0.20 * 0.10 + 0.35
    assert nodes["z_h1"].value == pytest.approx(z_h1)
    h1 = 1 / (1 + math.exp(-z_h1))
    assert nodes["h1"].value == pytest.approx(h1)
    # δ of an output unit is (o − y) o (1 − o); w5's gradient is that times h1.
    o1 = nodes["o1"].value
    assert nodes["w5"].gradient == pytest.approx((o1 - 0.01) * o1 * (1 - o1) * h1)


def test_equal_weights_hide_what_distinct_ones_name() -> None:
    assert elsewhere.missing_factors((0.5, 0.5, 0.5)).ratio == 4.0
    f = elsewhere.missing_factors((0.3, 0.7, -1.1))
    assert f.ratio == pytest.approx(1 / (0.7 * -1.1))


@pytest.mark.parametrize("m", [1, 8, 20])
def test_one_over_m_belongs_in_one_place(m: int) -> None:
    ratios = [c.ratio for c in elsewhere.where_does_m_go(m)]
    assert ratios == pytest.approx([1.0, 1.0, 1 / m, m])


def test_layouts() -> None:
    found = elsewhere.layouts()
    assert (found.numerator, found.denominator, found.gradient) == ((2, 3), (3, 2), (3,))
    assert found.transposes


def test_the_diamond_in_both_orders() -> None:
    d, x = elsewhere.diamond_orders(1.2), 1.2
    # L = sin(x²) x⁶
    exact = 2 * x * math.cos(x**2) * x**6 + math.sin(x**2) * 6 * x**5
    assert d.right == pytest.approx(exact, rel=1e-13)
    # Visiting a before c has reported loses the path L → c → a.
    assert d.wrong_order == pytest.approx(2 * x * math.cos(x**2) * x**6, rel=1e-13)
    assert d.first_call == d.second_call == d.right
    assert d.without_reset == pytest.approx(2 * exact, rel=1e-13)


def test_the_error_curve_has_its_valley_where_theory_says() -> None:
    c = elsewhere.gradient_check()
    best = {}
    for k, dtype in ((1, onp.float64), (2, onp.float32)):
        errors = [row[k] for row in c.curve]
        best[dtype] = c.curve[errors.index(min(errors))][0]
        optimum = float(onp.finfo(dtype).eps) ** (1 / 3)
        assert optimum / 20 < best[dtype] < optimum * 20
        # It falls before the valley and rises after it.
        assert errors[0] > 10 * min(errors) and errors[-1] > 10 * min(errors)
    assert best[onp.float32] > best[onp.float64]
    assert min(row[2] for row in c.curve) > 1000 * min(row[1] for row in c.curve)


def test_the_worst_element_is_the_worst() -> None:
    c = elsewhere.gradient_check()
    rng = onp.random.default_rng(0)
    W, x = rng.normal(size=(3, 4)), rng.normal(size=4)
    exact = onp.outer(onp.exp(onp.sin(W @ x)) * onp.cos(W @ x), x)
    numeric = elsewhere.numeric_gradient(lambda W: elsewhere.smooth_loss(W, x), W, 1e-5)
    assert c.by_grad == pytest.approx(exact[c.worst], rel=1e-13)
    assert c.by_difference == numeric[c.worst]
    assert abs(numeric - exact).max() == pytest.approx(abs(c.by_grad - c.by_difference), rel=1e-3)
