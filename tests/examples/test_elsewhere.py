"""What people ask elsewhere."""

from __future__ import annotations

import math

import elsewhere
import numpy as onp
import pytest

import backlit as bl
from backlit.explain import draw


def test_every_line_of_the_network() -> None:
    picture = elsewhere.picture_of_every_line().picture
    pairs = zip(picture.forward, picture.backward, strict=True)
    boxes = {a.lines[0]: (a.lines[-1], b.lines[1]) for a, b in pairs if a.kind != "local"}
    value = {name: float(ahead) for name, (ahead, _) in boxes.items()}
    gradient = {name: float(back) for name, (_, back) in boxes.items()}
    assert value["L"] == pytest.approx(0.298371109, rel=2e-6)
    assert gradient["w1"] == pytest.approx(0.000438568, abs=5e-10)
    z_h1 = 0.15 * 0.05 + 0.20 * 0.10 + 0.35
    assert value["z_h1"] == pytest.approx(z_h1)
    h1 = 1 / (1 + math.exp(-z_h1))
    assert value["h1"] == pytest.approx(h1, rel=1e-5)
    # δ of an output unit is (o − y) o (1 − o); w5's gradient is that times h1.
    o1 = value["o1"]
    assert gradient["w5"] == pytest.approx((o1 - 0.01) * o1 * (1 - o1) * h1, rel=1e-5)


def test_equal_weights_hide_what_distinct_ones_name() -> None:
    assert elsewhere.missing_factors((0.5, 0.5, 0.5)).ratio == 4.0
    f = elsewhere.missing_factors((0.3, 0.7, -1.1))
    assert f.ratio == pytest.approx(1 / (0.7 * -1.1))


@pytest.mark.parametrize("m", [1, 8, 20])
def test_one_over_m_belongs_in_one_place(m: int) -> None:
    ratios = [c.ratio for c in elsewhere.where_does_m_go(m)]
    assert ratios == pytest.approx([1.0, 1.0, 1 / m, m])


def test_layouts() -> None:
    found = {one.denominator.split(" ")[0]: one for one in elsewhere.layouts()}
    W, x = found["∂L/∂W"], found["∂L/∂x"]
    assert (W.denominator_shape, W.numerator_shape) == ((2, 3), (3, 2))
    assert (W.denominator, W.numerator) == ("∂L/∂W = ∂L/∂z xᵀ", "∂L/∂W = x ∂L/∂z")
    assert (x.denominator_shape, x.numerator_shape) == ((3, 1), (1, 3))
    assert (x.denominator, x.numerator) == ("∂L/∂x = Wᵀ ∂L/∂z", "∂L/∂x = ∂L/∂z W")


def test_a_gradient_of_zero_is_traced_to_the_dead_units() -> None:
    # Every z is 1 + 2 − 9 = −6.
    why = bl.why_zero(elsewhere.scores, *elsewhere.dead_layer(), wrt="W1")
    assert why.edges[0].operation == "relu" and "-6" in why.edges[0].cause
    source = (elsewhere.__file__ or "").rsplit("/", 1)[-1]
    assert source in str(why) and "h = np.relu(z)" in str(why)
    unused = bl.why_zero(elsewhere.scores, *elsewhere.dead_layer(), wrt="unused")
    assert "does not use it" in str(unused)


def test_a_gradient_that_is_no_number_is_traced_to_the_root() -> None:
    why = bl.why_nan(elsewhere.distance, onp.ones(2), onp.ones(2))
    assert why.edges[0].operation == "sqrt"
    assert bl.why_nan(elsewhere.distance, onp.ones(2), onp.zeros(2)).edges == ()


def test_a_large_graph_is_folded() -> None:
    drawing = draw(elsewhere.deep, 0.5, 0.99)
    text = str(drawing)
    assert "2,000 operations" in text and "1,000 contributions" in text
    assert len(drawing.picture.forward) < 40
    # dx_n/dx_0 = Π w (1 − x_k²).
    x, slope = 0.5, 1.0
    for _ in range(1000):
        x = math.tanh(0.99 * x)
        slope *= 0.99 * (1 - x**2)
    assert f"{slope:.6g}" in text


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
