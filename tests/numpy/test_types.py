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
