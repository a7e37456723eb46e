"""Arrays that tests of the compiler compute with."""

from __future__ import annotations

from typing import Any

import numpy as onp


def draw(*shape: int, dtype: str = "float32") -> Any:
    """Return normal numbers, the same for the same shape."""
    return onp.random.default_rng(sum(shape)).normal(size=shape).astype(dtype)
