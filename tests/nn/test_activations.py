"""Activations against mpmath, SciPy and their textbook derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as onp
import pytest

import backlit as bl
from backlit import nn
from backlit.core.errors import InputError
from backlit.nn.activations import activation_name

_lambda, _alpha = mpmath.mpf("1.0507009873554804934"), mpmath.mpf("1.6732632423543772848")

EXACT: dict[str, Callable[[Any], Any]] = {
    "identity": lambda z: z,
    "relu": lambda z: max(z, 0),
    "leaky_relu": lambda z: z if z > 0 else z / 100,
    "elu": lambda z: z if z > 0 else mpmath.expm1(z),
    "selu": lambda z: _lambda * (z if z > 0 else _alpha * mpmath.expm1(z)),
    "gelu": lambda z: z * mpmath.ncdf(z),
    "silu": lambda z: z / (1 + mpmath.exp(-z)),
    "softplus": lambda z: mpmath.log1p(mpmath.exp(z)),
    "sigmoid": lambda z: 1 / (1 + mpmath.exp(-z)),
    "tanh": mpmath.tanh,
}
POINTS = [-30.0, -4.2, -1.0, -0.3, 0.2, 0.9, 3.7, 25.0]


@pytest.mark.parametrize("name", EXACT)
def test_values(name: str) -> None:
    found = nn.activation_function(name)(onp.array(POINTS))
    with mpmath.workdps(40):
        exact = [float(EXACT[name](mpmath.mpf(z))) for z in POINTS]
    # gelu's far left tail goes through 1 + erf, which keeps an absolute, not a relative error.
    onp.testing.assert_allclose(found, exact, rtol=1e-14, atol=2e-15 if name == "gelu" else 1e-300)


@pytest.mark.parametrize("name", EXACT)
def test_derivatives(name: str) -> None:
    function = nn.activation_function(name)
    slopes = bl.grad(lambda z: bl.numpy.sum(function(z)))(onp.array(POINTS))
    with mpmath.workdps(40):
        exact = [float(mpmath.diff(EXACT[name], mpmath.mpf(z))) for z in POINTS]
    onp.testing.assert_allclose(slopes, exact, rtol=1e-11, atol=1e-13)


def test_derivatives_at_zero() -> None:
    # Where left and right differ, the left one: docs/conventions.md for relu.
    expected = {"relu": 0.0, "leaky_relu": 0.01, "elu": 1.0, "selu": float(_lambda * _alpha)}
    expected |= {"identity": 1.0, "gelu": 0.5, "silu": 0.5, "softplus": 0.5, "sigmoid": 0.25}
    for name, slope in expected.items():
        found = bl.grad(nn.activation_function(name))(0.0)
        assert float(found) == pytest.approx(slope, rel=1e-15), name


@pytest.mark.parametrize("name", nn.ACTIVATIONS)
def test_large_inputs_stay_finite_in_float32(name: str) -> None:
    function = nn.ACTIVATIONS[name]
    z = onp.array([-1e4, -100.0, 0.0, 100.0, 1e4], "float32")
    value, slope = bl.value_and_grad(lambda z: bl.numpy.sum(function(z)))(z)
    assert onp.isfinite(value) and onp.isfinite(slope).all()
    assert function(z).dtype == slope.dtype == onp.float32


def test_softmax_and_its_logarithm() -> None:
    z = onp.array([[1.0, 2.0, 3.0], [1000.0, 0.0, -1000.0]])
    e = [math.exp(k) for k in (1, 2, 3)]
    onp.testing.assert_allclose(nn.softmax(z)[0], onp.array(e) / sum(e), rtol=1e-15)
    onp.testing.assert_allclose(nn.log_softmax(z)[1], [0.0, -1000.0, -2000.0], rtol=1e-15)


def test_parameters_of_leaky_relu_and_elu() -> None:
    assert nn.leaky_relu(-2.0, slope=0.2) == pytest.approx(-0.4)
    assert float(nn.elu(-1.0, alpha=3.0)) == pytest.approx(3 * math.expm1(-1))


def test_look_up_by_name_or_function() -> None:
    for name, function in nn.ACTIVATIONS.items():
        assert nn.activation_function(name) is function
        assert activation_name(function) == name
    assert nn.activation_function(onp.sin) is onp.sin


def test_an_unknown_name_lists_the_choices() -> None:
    with pytest.raises(InputError, match="activation is 'ReLU'.*identity, relu, .*\n.*mean relu"):
        nn.activation_function("ReLU")
