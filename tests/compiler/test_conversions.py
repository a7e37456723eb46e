"""Conversions between every pair of element types, and signs of zeros, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np

DTYPES = ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")


def halves() -> Any:
    """Return every finite float16 but the negative ones, ascending, and 65536, where ∞ begins."""
    return onp.append(onp.arange(0x7C00, dtype="uint16").view("f2").astype("f8"), 65536.0)


def check(x: Any, dtype: str) -> None:
    with onp.errstate(all="ignore"):
        expected = x.astype(dtype)
        found = bl.jit(lambda x: x.astype(dtype))(x)
    assert found.dtype == expected.dtype
    onp.testing.assert_array_equal(found, expected, err_msg=f"{x.dtype} to {dtype}")
    if found.dtype.kind == "f":
        onp.testing.assert_array_equal(onp.signbit(found), onp.signbit(expected))


def test_float64_to_float16_is_rounded_once() -> None:
    """At every float16, at every middle between two, and just beside both."""
    x = halves()
    places = onp.concatenate([x, (x[1:] + x[:-1]) / 2])
    steps = [places]
    for relative in (
        2.0**-52,
        2.0**-50,
        2.0**-40,
        2.0**-30,
        2.0**-26,
        2.0**-25,
        2.0**-24,
        2.0**-12,
    ):
        steps += [places * (1 + relative), places * (1 - relative)]
    steps += [onp.nextafter(places, onp.inf), onp.nextafter(places, -onp.inf)]
    steps.append(onp.array([onp.inf, onp.nan, 5e-324, 1e-310, 1e-45, 1e-40, 1e300, 70000.0]))
    every = onp.concatenate(steps)
    check(onp.concatenate([every, -every]), "f2")


def test_a_nan_whose_mark_is_its_last_bit_stays_one() -> None:
    x = onp.array([0x7FF0000000000001, 0xFFF0000000000001], "uint64").view("f8")
    assert onp.isnan(bl.jit(lambda x: x.astype("f2"))(x)).all()


def test_float32_to_float16_is_rounded_once() -> None:
    x = halves()
    places = onp.concatenate([x, (x[1:] + x[:-1]) / 2]).astype("f4")
    beside = [places, onp.nextafter(places, onp.float32(1e9)), onp.nextafter(places, -places)]
    check(onp.concatenate(beside), "f2")


@pytest.mark.parametrize("source", DTYPES)
def test_every_pair_of_types(source: str) -> None:
    rng = onp.random.default_rng(1)
    if source == "?":
        x = onp.array([True, False, True])
    elif source[0] == "f":
        x = onp.concatenate([rng.normal(0, 50, 101), [0.0, -0.0, 0.4, 0.6, 120.5]]).astype(source)
    else:
        info = onp.iinfo(source)
        x = rng.integers(info.min, info.max, 300, dtype=source, endpoint=True)
        x[:4] = [info.min, info.max, info.min // 2 + 1, 0]
    for target in DTYPES:
        check(abs(x) if source[0] == "f" and target[0] == "u" else x, target)
    if source[0] == "f":
        for target in ("?", "f2", "f4", "f8", "i4", "i8"):
            check(onp.array([onp.inf, -onp.inf, onp.nan, 0.0, -0.0, 1e-7, 6e4], source), target)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_log_sigmoid_has_the_evaluators_zero(dtype: str) -> None:
    x = onp.array([0.0, 50.0, 800.0, 1e5, 1e30, onp.inf, -onp.inf, -1e30], dtype)
    found, expected = bl.jit(np.log_sigmoid)(x), np.log_sigmoid(x)
    assert onp.signbit(found).tolist() == onp.signbit(expected).tolist()
