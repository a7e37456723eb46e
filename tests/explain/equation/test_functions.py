"""Every function of the notation, in every arithmetic, against NumPy, SciPy and mpmath."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special
from numpy.typing import NDArray

from backlit.explain.equation.values.arithmetic import ELEMENTARY, Arithmetic, Engine, Floats
from backlit.explain.equation.values.evaluate import differentiated
from backlit.explain.equation.values.functions import ALIASES, BUILTINS, builtin
from backlit.explain.equation.values.precise import Precise
from backlit.explain.equation.values.special import GAMMA

Values = NDArray[Any]
BOTH = np.array([-1.3, -0.71, -0.2, 0.33, 0.84, 1.45])
POSITIVE, UNIT, ABOVE = np.abs(BOTH), np.abs(BOTH) / 1.5, 1.0 + np.abs(BOTH)

# Name: (published definition, where it is defined).
ELEMENTWISE: dict[str, tuple[Callable[[Values], Values], Values]] = {
    "exp": (np.exp, BOTH),
    "log": (np.log, POSITIVE),
    "log2": (np.log2, POSITIVE),
    "log10": (np.log10, POSITIVE),
    "log1p": (np.log1p, POSITIVE),
    "expm1": (np.expm1, BOTH),
    "sqrt": (np.sqrt, POSITIVE),
    "cbrt": (np.cbrt, BOTH),
    "square": (np.square, BOTH),
    "reciprocal": (np.reciprocal, BOTH),
    "identity": (np.positive, BOTH),
    "abs": (np.abs, BOTH),
    "sign": (np.sign, BOTH),
    "step": (lambda x: np.heaviside(x, 0.0), BOTH),
    "floor": (np.floor, 3 * BOTH),
    "ceil": (np.ceil, 3 * BOTH),
    "round": (np.round, 3 * BOTH),
    "loggamma": (scipy.special.gammaln, POSITIVE),
    "digamma": (scipy.special.digamma, POSITIVE),
    "trigamma": (lambda x: scipy.special.polygamma(1, x), POSITIVE),
    "gamma": (scipy.special.gamma, POSITIVE),
    "logit": (scipy.special.logit, UNIT),
    "sin": (np.sin, BOTH),
    "cos": (np.cos, BOTH),
    "tan": (np.tan, BOTH),
    "cot": (lambda x: 1 / np.tan(x), BOTH),
    "sec": (lambda x: 1 / np.cos(x), BOTH),
    "csc": (lambda x: 1 / np.sin(x), BOTH),
    "arcsin": (np.arcsin, UNIT),
    "arccos": (np.arccos, UNIT),
    "arctan": (np.arctan, BOTH),
    "sinh": (np.sinh, BOTH),
    "cosh": (np.cosh, BOTH),
    "tanh": (np.tanh, BOTH),
    "sech": (lambda x: 1 / np.cosh(x), BOTH),
    "arcsinh": (np.arcsinh, BOTH),
    "arccosh": (np.arccosh, ABOVE),
    "arctanh": (np.arctanh, UNIT),
    "erf": (scipy.special.erf, BOTH),
    "erfc": (scipy.special.erfc, BOTH),
    "Phi": (scipy.special.ndtr, BOTH),
    "sigmoid": (scipy.special.expit, BOTH),
    "log_sigmoid": (scipy.special.log_expit, BOTH),
    "softplus": (lambda x: np.logaddexp(0.0, x), BOTH),
    "relu": (lambda x: np.where(x > 0, x, 0.0), BOTH),
    "leaky_relu": (lambda x: np.where(x > 0, x, 0.01 * x), BOTH),
    "elu": (lambda x: np.where(x > 0, x, np.expm1(x)), BOTH),
    "selu": (
        lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
        BOTH,
    ),
    "gelu": (lambda x: x * scipy.special.ndtr(x), BOTH),
    "silu": (lambda x: x * scipy.special.expit(x), BOTH),
    "mish": (lambda x: x * np.tanh(np.logaddexp(0.0, x)), BOTH),
    "softsign": (lambda x: x / (1 + np.abs(x)), BOTH),
    "relu6": (lambda x: np.minimum(np.maximum(x, 0.0), 6.0), 5 * BOTH),
    "hardtanh": (lambda x: np.clip(x, -1.0, 1.0), BOTH),
}
ONE_ARGUMENT = {
    name for name, f in BUILTINS.items() if f.family == "elementwise" and f.required == 1
}


def value(name: str, arithmetic: Arithmetic, *xs: Any, **options: Any) -> Any:
    found = builtin(name)
    assert found is not None
    return found.value(arithmetic, *xs, **options)


def test_the_table_below_is_complete() -> None:
    assert set(ELEMENTWISE) == ONE_ARGUMENT
    assert all(name in BUILTINS for name in ALIASES.values())
    assert not set(ALIASES) & set(BUILTINS)


@pytest.mark.parametrize("name", sorted(ELEMENTWISE))
@pytest.mark.parametrize("arithmetic", [Floats(), Engine()], ids=["floats", "engine"])
def test_functions_of_one_number(name: str, arithmetic: Arithmetic) -> None:
    expected, x = ELEMENTWISE[name]
    np.testing.assert_allclose(value(name, arithmetic, x), expected(x), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", sorted(set(ELEMENTWISE) - {"trigamma"}))
def test_derivatives_of_functions_of_one_number(name: str) -> None:
    """By dual numbers, against the complex step."""
    found, (_, x) = BUILTINS[name], ELEMENTWISE[name]
    slope = differentiated(found.value, Floats(), x)
    stepped = np.imag(value(name, Floats(complex), x + 1e-60j)) / 1e-60
    np.testing.assert_allclose(slope, stepped, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", ["exp", "sigmoid", "tanh", "erf", "gelu", "arctan", "sqrt"])
def test_second_derivatives(name: str) -> None:
    x = POSITIVE
    second = differentiated(BUILTINS[name].value, Floats(), x, 2)

    def slope(z: Values) -> Values:
        return np.imag(value(name, Floats(complex), z + 1e-60j)) / 1e-60

    difference = (slope(x + 1e-5) - slope(x - 1e-5)) / 2e-5
    np.testing.assert_allclose(second, difference, rtol=1e-6, atol=1e-8)


MPMATH = {
    "exp": mpmath.exp,
    "log": mpmath.log,
    "sqrt": mpmath.sqrt,
    "cbrt": lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)),
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "arcsin": mpmath.asin,
    "arctan": mpmath.atan,
    "erf": mpmath.erf,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "tanh": mpmath.tanh,
    "floor": mpmath.floor,
    "loggamma": mpmath.loggamma,
    "digamma": mpmath.digamma,
    "trigamma": lambda x: mpmath.polygamma(1, x),
    "softplus": lambda x: mpmath.log(1 + mpmath.exp(x)),
}


@pytest.mark.parametrize("name", sorted(ELEMENTARY))
def test_fifty_digits(name: str) -> None:
    arithmetic = Precise(60)
    xs = [0.001, 0.3, 0.77, 0.999, 1.0, 1.4, 3.75, 9.5, 30.0, -0.4, -0.9, -2.5]
    if name in ("log", "sqrt", *GAMMA):
        xs = [x for x in xs if x > 0]
    if name == "arcsin":
        xs = [x for x in xs if abs(x) <= 1]
    with arithmetic.context(), mpmath.workdps(80):
        found = arithmetic.apply(name, arithmetic.array(xs)).items
        for x, y in zip(xs, found, strict=True):
            expected = MPMATH[name](mpmath.mpf(x))
            assert abs(mpmath.mpf(str(y)) - expected) <= mpmath.mpf("1e-55") * abs(expected) + (
                mpmath.mpf("1e-55") if name in ("sin", "cos", "loggamma") else 0
            )


@pytest.mark.parametrize("arithmetic", [Floats(), Engine()], ids=["floats", "engine"])
def test_of_two_nearest_whole_numbers_the_even_one_is_taken(arithmetic: Arithmetic) -> None:
    halves = np.arange(-3.5, 4.0)
    np.testing.assert_array_equal(value("round", arithmetic, halves), np.round(halves))


def test_what_is_not_real_is_not_a_number() -> None:
    arithmetic = Precise(30)
    with arithmetic.context():
        for name, x in (("log", -1.0), ("sqrt", -1.0), ("arcsin", 1.5)):
            assert arithmetic.apply(name, arithmetic.array([x])).items[0].is_nan()
            with np.errstate(invalid="ignore"):
                assert np.isnan(Floats().apply(name, np.array([x])))[0]


REDUCTIONS: dict[str, Callable[..., Any]] = {
    "sum": np.sum,
    "mean": np.mean,
    "var": np.var,
    "std": np.std,
    "prod": np.prod,
    "max": np.max,
    "min": np.min,
    "logsumexp": scipy.special.logsumexp,
}


@pytest.mark.parametrize("name", sorted(REDUCTIONS))
@pytest.mark.parametrize("arithmetic", [Floats(), Engine()], ids=["floats", "engine"])
@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 2), (2, 1)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_reductions(name: str, arithmetic: Arithmetic, axis: Any, keepdims: bool) -> None:
    x = np.random.default_rng(0).normal(size=(3, 4, 5))
    found = value(name, arithmetic, x, axis=axis, keepdims=keepdims)
    np.testing.assert_allclose(found, REDUCTIONS[name](x, axis=axis, keepdims=keepdims), rtol=1e-12)
    assert name in BUILTINS and BUILTINS[name].family == "reduction"


def test_every_other_function() -> None:
    rng = np.random.default_rng(1)
    x, y, a = rng.normal(size=(3, 4)), rng.normal(size=(3, 4)), rng.normal(size=(4, 4))
    v, w = rng.normal(size=(2, 4))
    floats = Floats()
    cases: dict[str, tuple[Any, Any]] = {
        "norm": (value("norm", floats, x), np.linalg.norm(x)),
        "maximum": (value("maximum", floats, x, y), np.maximum(x, y)),
        "minimum": (value("minimum", floats, x, y), np.minimum(x, y)),
        "clip": (value("clip", floats, x, -0.5, 0.5), np.clip(x, -0.5, 0.5)),
        "where": (value("where", floats, (x > 0) * 1.0, x, y), np.where(x > 0, x, y)),
        "power": (value("power", floats, np.abs(x), y), np.abs(x) ** y),
        "logaddexp": (value("logaddexp", floats, x, y), np.logaddexp(x, y)),
        "softmax": (value("softmax", floats, x, axis=0), scipy.special.softmax(x, axis=0)),
        "log_softmax": (value("log_softmax", floats, x), scipy.special.log_softmax(x, axis=-1)),
        "cumsum": (value("cumsum", floats, x, axis=1), np.cumsum(x, axis=1)),
        "dot": (value("dot", floats, x, v), np.dot(x, v)),
        "matmul": (value("matmul", floats, x, a), x @ a),
        "outer": (value("outer", floats, v, w), np.outer(v, w)),
        "inner": (value("inner", floats, v, w), np.inner(v, w)),
        "trace": (value("trace", floats, a), np.trace(a)),
        "det": (value("det", floats, a), np.linalg.det(a)),
        "inv": (value("inv", floats, a), np.linalg.inv(a)),
        "solve": (value("solve", floats, a, v), np.linalg.solve(a, v)),
        "diag": (value("diag", floats, v), np.diag(v)),
        "transpose": (value("transpose", floats, x), x.T),
        "reshape": (value("reshape", floats, x, shape=(2, -1)), x.reshape(2, -1)),
        "ravel": (value("ravel", floats, x), x.ravel()),
        "expand_dims": (value("expand_dims", floats, x, axis=1), np.expand_dims(x, 1)),
        "squeeze": (value("squeeze", floats, x[:, :1], axis=1), x[:, 0]),
        "concatenate": (value("concatenate", floats, [x, y], axis=1), np.hstack([x, y])),
        "stack": (value("stack", floats, [x, y], axis=2), np.stack([x, y], 2)),
        "swapaxes": (value("swapaxes", floats, x, axis1=0, axis2=1), x.T),
        "broadcast_to": (value("broadcast_to", floats, v, shape=(2, 4)), np.stack([v, v])),
        "hstack": (value("hstack", floats, [x, y]), np.hstack([x, y])),
        "vstack": (value("vstack", floats, [x, v]), np.vstack([x, v])),
        "vec": (value("vec", floats, x), x.ravel(order="F")),
        "shape": (value("shape", floats, x), x.shape),
        "size": (value("size", floats, x), x.size),
        "len": (value("len", floats, x), len(x)),
        "zeros": (value("zeros", floats, shape=(2, 3)), np.zeros((2, 3))),
        "ones": (value("ones", floats, shape=3), np.ones(3)),
        "eye": (value("eye", floats, n=3), np.eye(3)),
        "zeros_like": (value("zeros_like", floats, x), np.zeros_like(x)),
        "ones_like": (value("ones_like", floats, x), np.ones_like(x)),
    }
    for name, (found, expected) in cases.items():
        assert found.shape == np.shape(expected), name
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13, err_msg=name)
    assert set(cases) | set(ELEMENTWISE) | set(REDUCTIONS) == set(BUILTINS)
    np.testing.assert_allclose(value("diag", floats, a), np.diag(a))
    np.testing.assert_allclose(value("norm", floats, v, ord=1), np.linalg.norm(v, 1))
    np.testing.assert_allclose(value("max", floats, x, 0.0), np.maximum(x, 0.0))
    np.testing.assert_allclose(value("leaky_relu", floats, x, 0.2), np.where(x > 0, x, 0.2 * x))


def test_the_table_says_what_its_functions_take() -> None:
    for name, found in BUILTINS.items():
        parameters = list(inspect.signature(found.value).parameters.values())
        taken = [p.name for p in parameters[1:]]
        assert len(taken) == len(found.arrays) + len(found.options), name
        assert taken[len(found.arrays) :] == list(found.options), name
