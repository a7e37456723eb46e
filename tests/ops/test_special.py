"""Values of functions NumPy lacks, against 50-digit arithmetic, over the whole range of floats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as onp
import pytest
import scipy.special

import backlit.numpy as np

mpmath.mp.dps = 50
INF, NAN = float("inf"), float("nan")
TINY = 5e-324
SPECIAL = [0.0, -0.0, INF, -INF, NAN, 1e3, -1e3, TINY, -TINY, 1e-310, -1e-310, 1e308, -1e308]
_rng = onp.random.default_rng(11)
POINTS = onp.concatenate(
    [
        _rng.uniform(-1.0, 1.0, 200),
        _rng.uniform(-7.0, 7.0, 400),
        _rng.uniform(-40.0, 40.0, 300),
        _rng.uniform(-760.0, 760.0, 200),
        10.0 ** _rng.uniform(-300.0, 2.0, 100),
        -(10.0 ** _rng.uniform(-300.0, 2.0, 100)),
        # Where the implementations change formula.
        [0.84375, -0.84375, 0.25, 1.25, -1.25, 1 / 0.35, 6.0, -6.0, 27.2, 27.5, 28.0, 36.7, -36.7],
    ]
)


def exact(name: str, x: float) -> Any:
    """Return the value in 50 digits."""
    x = mpmath.mpf(x)
    if name == "erf":
        return mpmath.erf(x)
    if name == "erfc":
        return mpmath.erfc(x)
    if name == "sigmoid":
        return 1 / (1 + mpmath.exp(-x))
    if name == "softplus":
        return mpmath.log1p(mpmath.exp(x)) if x < 100 else x + mpmath.exp(-x)
    return -mpmath.log1p(mpmath.exp(-x)) if x > -100 else x - mpmath.exp(x)


def ulps(found: onp.ndarray[Any, Any], expected: list[Any]) -> onp.ndarray[Any, Any]:
    """Return errors in units in the last place of the exact value."""
    rounded = onp.array([float(e) for e in expected], found.dtype)
    unit = onp.spacing(onp.abs(rounded)).astype(float)
    errors = [
        abs(mpmath.mpf(float(f)) - e) / mpmath.mpf(u)
        for f, e, u in zip(found, expected, unit, strict=True)
    ]
    return onp.array([float(e) for e in errors])


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "erf": np.erf,
    "erfc": np.erfc,
    "sigmoid": np.sigmoid,
    "softplus": np.softplus,
    "log_sigmoid": np.log_sigmoid,
}


@pytest.mark.parametrize(
    ("name", "bound"),
    [("erf", 1), ("erfc", 4), ("sigmoid", 3), ("softplus", 3), ("log_sigmoid", 3)],
)
def test_float64_is_good_to_a_few_units_in_the_last_place(name: str, bound: float) -> None:
    found = FUNCTIONS[name](POINTS)
    errors = ulps(found, [exact(name, x) for x in POINTS])
    worst = int(onp.argmax(errors))
    assert errors[worst] <= bound, f"{name}({POINTS[worst]!r}) is off by {errors[worst]:.1f} ulp"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_is_good_to_a_few_units_in_the_last_place(name: str) -> None:
    points = POINTS[onp.abs(POINTS) < 80.0].astype("float32")
    found = FUNCTIONS[name](points)
    assert found.dtype == onp.float32
    errors = ulps(found, [exact(name, float(x)) for x in points])
    assert errors.max() <= 4, float(points[errors.argmax()])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # In the order of SPECIAL: ±0, ±inf, nan, ±1000, ±tiny, ±subnormal, ±huge.
        ("erf", [0.0, -0.0, 1, -1, NAN, 1, -1, TINY, -TINY, None, None, 1, -1]),
        ("erfc", [1, 1, 0, 2, NAN, 0, 2, 1, 1, 1, 1, 0, 2]),
        ("sigmoid", [0.5, 0.5, 1, 0, NAN, 1, 0, 0.5, 0.5, 0.5, 0.5, 1, 0]),
        ("softplus", [None, None, INF, 0, NAN, 1e3, 0, None, None, None, None, 1e308, 0]),
        ("log_sigmoid", [None, None, 0, -INF, NAN, 0, -1e3, None, None, None, None, 0, -1e308]),
    ],
)
def test_special_values(name: str, expected: list[float | None]) -> None:
    with onp.errstate(under="ignore"):
        found = FUNCTIONS[name](onp.array(SPECIAL))
    for x, value, wanted in zip(SPECIAL, found, expected, strict=True):
        if wanted is None:
            wanted = float(exact(name, x))
        assert value == wanted or (value != value and wanted != wanted), (name, x, value)
        if wanted == 0.0 and name == "erf":
            assert onp.signbit(value) == onp.signbit(x)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_warning_and_no_nan_for_any_float(name: str) -> None:
    with onp.errstate(all="raise", under="ignore"):
        found = FUNCTIONS[name](onp.concatenate([POINTS, [INF, -INF, 1e308, -1e308, TINY]]))
    assert not onp.isnan(found).any()


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("given", [1, True, 0.5, onp.int32(1), [0.0, 1.0], onp.ones((2, 0))])
def test_any_number_is_taken_and_shapes_are_kept(name: str, given: Any) -> None:
    found = FUNCTIONS[name](given)
    assert onp.shape(found) == onp.shape(given)
    assert found.dtype == onp.float64


def test_scipy_agrees() -> None:
    onp.testing.assert_allclose(np.erf(POINTS), scipy.special.erf(POINTS), rtol=1e-14, atol=0)
    onp.testing.assert_allclose(
        np.sigmoid(POINTS), scipy.special.expit(POINTS), rtol=1e-14, atol=1e-300
    )
    onp.testing.assert_allclose(
        np.log_sigmoid(POINTS), scipy.special.log_expit(POINTS), rtol=1e-14, atol=1e-300
    )


# --- over an axis -----------------------------------------------------------------------------

ROWS = [
    [0.0, 0.0, 0.0],
    [1e3, 1e3, 999.0],
    [-1e3, -1e3, -1001.0],
    [0.1, -0.2, 0.3],
    [700.0, -700.0, 0.0],
    [5.0, 4.0, -INF],
    [TINY, -TINY, 0.0],
    [1e308, 1e308, -1e308],
]


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_logsumexp_and_softmax_against_exact_values(row: list[float], dtype: str) -> None:
    with onp.errstate(over="ignore", under="ignore"):
        x = onp.array(row, dtype)
    if not onp.isfinite(x[0]):
        return  # 1e308 has no float32
    eps = onp.finfo(dtype).eps
    given = [mpmath.mpf(float(v)) for v in x]
    top = max(given)
    shares = [mpmath.exp(v - top) for v in given]
    total = sum(shares)
    with onp.errstate(under="ignore"):
        shares_exact = onp.array([float(s / total) for s in shares], dtype)
        soft, log_soft, log_sum = np.softmax(x), np.log_softmax(x), np.logsumexp(x)
    assert soft.dtype == log_soft.dtype == log_sum.dtype == dtype
    onp.testing.assert_allclose(soft, shares_exact, rtol=8 * eps)
    lse = float(top + mpmath.log(total))
    onp.testing.assert_allclose(log_sum, lse, rtol=4 * eps)
    exact_logs = [float(v - top - mpmath.log(total)) if mpmath.isfinite(v) else -INF for v in given]
    onp.testing.assert_allclose(log_soft, exact_logs, rtol=8 * eps, atol=4 * eps)


@pytest.mark.parametrize("gap", [1.0, 20.0, 80.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_loss_of_a_confident_right_answer_keeps_its_digits(gap: float, dtype: str) -> None:
    x = onp.array([gap, 0.0, 0.25, -1.0], dtype)
    with mpmath.workdps(100):
        exact = -mpmath.log1p(sum(mpmath.exp(mpmath.mpf(v) - gap) for v in x[1:].tolist()))
    # The argument of the exponential is rounded: gap/2 units in the last place of its result.
    onp.testing.assert_allclose(
        np.log_softmax(x)[0], float(exact), rtol=(gap + 4) * onp.finfo(dtype).eps
    )


@pytest.mark.parametrize("axis", [0, 1, -1, (0, 1), None])
def test_axes_agree_with_scipy(axis: Any) -> None:
    x = onp.random.default_rng(0).normal(size=(3, 4)) * 10
    onp.testing.assert_allclose(np.softmax(x, axis), scipy.special.softmax(x, axis), rtol=1e-13)
    # SciPy subtracts the logarithm of a sum near 1, and small results lose digits to that.
    onp.testing.assert_allclose(
        np.log_softmax(x, axis), scipy.special.log_softmax(x, axis), rtol=1e-13, atol=1e-15
    )
    for keepdims in (False, True):
        onp.testing.assert_allclose(
            np.logsumexp(x, axis, keepdims),
            scipy.special.logsumexp(x, axis, keepdims=keepdims),
            rtol=1e-13,
        )


def test_infinite_entries() -> None:
    assert np.logsumexp(onp.array([-INF, -INF])) == -INF
    assert np.logsumexp(onp.array([INF, 0.0])) == INF
    assert onp.isnan(np.logsumexp(onp.array([NAN, 0.0])))
    assert np.softmax(onp.array([-INF, 0.0])).tolist() == [0.0, 1.0]
    assert np.log_softmax(onp.array([-INF, 0.0])).tolist() == [-INF, 0.0]


@pytest.mark.parametrize("function", [np.softmax, np.log_softmax, np.logsumexp])
@pytest.mark.parametrize("row", [[INF, 1e3], [NAN, 1e3], [-INF, 1e300]])
def test_rows_that_are_not_finite_do_not_overflow(function: Any, row: list[float]) -> None:
    with onp.errstate(over="raise"), onp.errstate(invalid="ignore"):
        function(onp.array(row))


@pytest.mark.parametrize("function", [np.softmax, np.log_softmax, np.logsumexp])
def test_integers_become_floats(function: Any) -> None:
    assert function(onp.array([1, 2])).dtype == onp.float64
    assert function([1, 2]).dtype == onp.float64
