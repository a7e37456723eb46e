"""Values and derivatives at random points, against NumPy written out and the known equations."""

from __future__ import annotations

import numpy as np
import pytest

from backlit.explain.equation.values.program import Program
from tests.explain.equation.trees import (
    add,
    at,
    call,
    d,
    leaf,
    mlp,
    mlp_claims,
    power,
    sub,
    times,
)

RNG = np.random.default_rng


def test_values_are_those_of_numpy() -> None:
    point = mlp("tanh", "sigmoid").draw(RNG(0))
    v = point.value
    z1 = v("W1") @ v("X") + v("b1")
    a2 = 1 / (1 + np.exp(-(v("W2") @ np.tanh(z1) + v("b2"))))
    loss = -np.sum(v("Y") * np.log(a2) + (1 - v("Y")) * np.log(1 - a2)) / 7
    np.testing.assert_allclose(v("A2"), a2, rtol=1e-14)
    np.testing.assert_allclose(v("J"), loss, rtol=1e-14)


@pytest.mark.parametrize(
    "activations", [("sigmoid",), ("tanh", "sigmoid"), ("relu", "g", "sigmoid")]
)
def test_the_known_backward_equations_hold(activations: tuple[str, ...]) -> None:
    program = mlp(*activations)
    for seed in range(5):
        point = program.draw(RNG(seed))
        for left, right in mlp_claims(*activations):
            x, y = point.evaluate(left), point.evaluate(right)
            assert x.shape == y.shape
            np.testing.assert_allclose(x, y, rtol=1e-11, atol=1e-15)


def test_a_derivative_is_total_downstream_and_holds_what_is_upstream() -> None:
    """The two-layer chain with one bias in both layers: its derivative has both parts."""
    program = Program(
        [
            ("h", call("sigmoid", add(times("x", "w1"), "b"))),
            ("yhat", call("sigmoid", add(times("h", "w2"), "b"))),
            ("L", times(0.5, power(sub("y", "yhat"), 2))),
        ],
        dict.fromkeys(("x", "w1", "w2", "b", "y"), leaf()),
    )
    point = program.draw(RNG(4))
    x, w2, y, h, yhat = (float(point.value(s)) for s in ("x", "w2", "y", "h", "yhat"))
    delta = (yhat - y) * yhat * (1 - yhat)
    assert point.derivative("L", "w2") == pytest.approx(delta * h, rel=1e-13)
    assert point.derivative("L", "w1") == pytest.approx(delta * w2 * h * (1 - h) * x, rel=1e-13)
    assert point.derivative("L", "b") == pytest.approx(delta * (1 + w2 * h * (1 - h)), rel=1e-13)
    assert point.derivative("L", "h") == pytest.approx(delta * w2, rel=1e-13)
    # yhat is not computed from y, and w1 is upstream of h, not the other way round.
    assert not program.depends("w1", "h") and point.derivative("w1", "h") == 0


def test_elements_of_arrays() -> None:
    program = mlp("tanh", "sigmoid")
    point = program.draw(RNG(1))
    whole = point.derivative("J", "W1")
    assert point.evaluate(d("J", at("W1", 2, 3))) == whole[2, 3]
    jacobian = point.evaluate(d(at("Z2", 1, 4), "W2"))
    np.testing.assert_allclose(jacobian[1], point.value("A1")[:, 4], rtol=1e-14)
    assert not jacobian[0].any() and not jacobian[2].any()
    assert point.evaluate(d(at("Z2", 1, 4), at("A1", 2, 4))) == point.value("W2")[1, 2]
