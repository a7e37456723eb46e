"""Types and values of what is put together from other operations, for every pair of types."""

from __future__ import annotations

from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.core.evaluate import evaluate

DTYPES = ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")
ONE = ("deg2rad", "rad2deg", "radians", "degrees", "fabs")
TWO = ("fmod", "heaviside", "copysign")


def values(dtype: str) -> Any:
    kind = onp.dtype(dtype).kind
    if kind == "f":
        return onp.array([0.5, -1.5, 2.0, 0.0, -7.25, 5.5], dtype)
    if kind == "b":
        return onp.array([True, False, True, False, True, True])
    info = onp.iinfo(dtype)
    return onp.array([1, 3, info.min, info.max, 0, info.max - 2], dtype)


def check(name: str, *args: Any, compiled: bool = True) -> None:
    try:
        with onp.errstate(all="ignore"):
            expected = getattr(onp, name)(*args)
    except TypeError:  # NumPy has it for other types only
        return
    f = getattr(np, name)
    with onp.errstate(all="ignore"):
        graph = bl.trace(f)(*args)
    for run in (lambda *args: evaluate(graph, args)[0], *([bl.jit(f)] if compiled else [])):
        with onp.errstate(all="ignore"):
            found = run(*args)
        assert found.dtype == expected.dtype
        rtol = 2 * onp.finfo(expected.dtype).eps if expected.dtype.kind == "f" else 0
        message = f"{name} of {[a.dtype.name for a in args]}"
        onp.testing.assert_allclose(found, expected, rtol=rtol, err_msg=message)


@pytest.mark.parametrize("a", DTYPES)
@pytest.mark.parametrize("name", ONE)
def test_functions_of_one_array_have_numpys_type(name: str, a: str) -> None:
    check(name, values(a))


@pytest.mark.parametrize("a", DTYPES)
@pytest.mark.parametrize("name", TWO)
def test_functions_of_two_arrays_have_numpys_type(name: str, a: str) -> None:
    for b in DTYPES:
        check(name, values(a), values(b)[::-1].copy(), compiled=b in ("i4", "u8", "f4"))


def test_fmod_of_the_smallest_integers() -> None:
    least = onp.array([-(2**31), -(2**31), 5, 2**31 - 1, -7, 7, 4], "i4")
    other = onp.array([3, -1, -(2**31), -(2**31), 4, -4, 0], "i4")
    check("fmod", least, other)
    check("fmod", onp.array([5.5]), onp.array([-(2**31)], "i4"))


def test_fmod_keeps_the_sign_of_zero_and_its_derivative() -> None:
    a, b = onp.array([-0.0, 0.0, -6.0, 6.0, 2.0, -2.0]), onp.array([3.0, -3.0, 3.0, -3.0, 5.0, 5.0])
    expected = onp.fmod(a, b)
    for found in (bl.jit(lambda a, b: np.fmod(a, b))(a, b), bl.vjp(np.fmod, a, b)[0]):
        onp.testing.assert_array_equal(found, expected)
        onp.testing.assert_array_equal(onp.signbit(found), onp.signbit(expected))
    slopes = bl.grad(lambda a, b: np.fmod(a, b).sum(), argnums=(0, 1))(a, b)
    onp.testing.assert_array_equal(slopes[0], onp.ones(6))
    onp.testing.assert_array_equal(slopes[1], -onp.trunc(a / b))


@pytest.mark.parametrize("name", ["mean", "nanmean", "average", "var", "std"])
def test_averages_of_large_integers_do_not_wrap(name: str) -> None:
    """The sum of three of them fits no integer type."""
    for a in (
        onp.array([2**62] * 3),
        onp.full((2, 3), 2**64 - 1, "u8"),
        onp.array([200] * 9, "u1"),
    ):
        check(name, a)
    for dtype in DTYPES[:9]:
        check(name, onp.array([[1, 0, 1], [1, 1, 1]], dtype))


def test_nanmean_of_integers_along_an_axis_and_in_a_type() -> None:
    a = onp.array([[2**62, 2**62, 2**62], [1, 2, 4]])
    for options in ({"axis": 1}, {"axis": 0, "keepdims": True}, {"dtype": "f4"}):
        expected = onp.nanmean(a, **options)  # type: ignore[call-overload]
        found = bl.jit(lambda a, options=options: np.nanmean(a, **options))(a)
        assert found.dtype == expected.dtype and found.shape == expected.shape
        onp.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("weights", ["?", "u1", "i8", "f2", "f4", "f8"])
@pytest.mark.parametrize("a", DTYPES)
def test_weighted_averages_have_numpys_type(a: str, weights: str) -> None:
    x, w = onp.array([100, 99, 3]).astype(a), onp.array([1, 0, 1]).astype(weights)
    expected = onp.average(x, weights=w)
    found = bl.jit(lambda x, w: np.average(x, weights=w))(x, w)
    assert found.dtype == expected.dtype
    onp.testing.assert_allclose(found, expected, rtol=2 * onp.finfo(expected.dtype).eps)


def test_nan_to_num_of_booleans_is_a_copy() -> None:
    x = onp.array([True, False])

    def changed(x: Any) -> Any:
        y = np.nan_to_num(x)
        y[0] = False
        return x, y

    for run in (bl.jit(changed), bl.trace(changed)(x)):
        given, found = run(x)
        assert found.dtype == bool and found.tolist() == [False, False]
        assert given.tolist() == x.tolist() == [True, False]


@pytest.mark.parametrize("dtype", [*DTYPES, int, float])
@pytest.mark.parametrize("name", ["sum", "nansum", "mean", "nanmean", "prod", "cumsum", "cumprod"])
def test_what_is_added_up_in_a_type_is_of_that_type(name: str, dtype: Any) -> None:
    for a in (onp.array([[100, 0, 99], [3, 101, 7]]), onp.array([True, False, True])):
        with onp.errstate(over="ignore"):
            expected = getattr(onp, name)(a, axis=0, dtype=dtype)
        for run in (bl.jit, lambda f: lambda x: bl.trace(f)(x)(x)[0]):
            found = run(lambda a: getattr(np, name)(a, axis=0, dtype=dtype))(a)
            assert found.dtype == expected.dtype
            onp.testing.assert_array_equal(found, expected)
