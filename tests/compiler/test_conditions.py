"""Conditions that can be known before the program runs: LLVM finds them late, and stops at some."""

from collections.abc import Callable
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np

CASES: dict[str, Callable[[Any], Any]] = {
    "a boolean above 2": lambda s: (2 < s) / 17.0 + 2,
    "a boolean above True": lambda s: np.where(s > True, 1.0, 2.0),
    "a truth value above 2": lambda s: np.where((s > 0) > 2, 1.5, 2.5),
    "half a truth value": lambda s: ((s == 7) == 3) / 2 + 1.5,
    "a remainder above its divisor": lambda s: np.where(s % 4 > 9, 0.25, 4.0),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("s", [True, False, 3, onp.int8(5), onp.uint8(200), onp.bool_(True)])
def test_a_condition_that_never_holds(case: str, s: Any) -> None:
    def f(w: Any, s: Any) -> Any:
        return w * CASES[case](s), CASES[case](s)

    for kind in ("int8", "float32", "float64"):
        w = onp.array([1, 2], kind)
        found = bl.jit(f)(w, s)
        for one, other in zip(found, f(w, s), strict=True):
            onp.testing.assert_array_equal(one, other)
            assert onp.asarray(one).dtype == onp.asarray(other).dtype
