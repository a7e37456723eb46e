"""What operations along axes have in common."""

from __future__ import annotations

from typing import Any

import numpy as onp

from backlit.core.aval import AbstractValue
from backlit.core.primitive import Case
from backlit.ops.elementwise import astype
from backlit.ops.families import dtype_of, shape_of
from backlit.ops.shaping import expand_dims, fresh, reshape

Axes = tuple[int, ...]

AXES_CASES = tuple(
    Case((shape,), {"axes": axes})
    for shape, axes in (((3,), (0,)), ((2, 3), (1,)), ((2, 3, 2), (0, 2)), ((2, 3), (0, 1)))
)


def reduced(x: AbstractValue, axes: Axes, dtype: Any = None) -> AbstractValue:
    """Return the type of a reduction's result."""
    shape = tuple([n for k, n in enumerate(x.shape) if k not in axes])
    return AbstractValue(shape, x.dtype if dtype is None else onp.dtype(dtype))


def restore_axes(value: Any, like: Any, axes: Axes) -> Any:
    """Put the reduced axes back with length one."""
    if len(axes) == len(shape_of(like)):
        return value
    return expand_dims(value, axes)


def keep_axes(value: Any, like: Any, axes: Axes, keepdims: bool) -> Any:
    """Put reduced axes back with length one if they are to be kept."""
    if not keepdims:
        return value
    shape = tuple([1 if k in axes else n for k, n in enumerate(shape_of(like))])
    return fresh(reshape(value, shape))


def as_float(a: Any) -> Any:
    """Return an array of floats."""
    return a if dtype_of(a).kind in "fc" else astype(a, float)


def element_count(out: AbstractValue, avals: Any, params: Any) -> int:
    """Count one floating-point operation per element of the operand."""
    return int(avals[0].size)
