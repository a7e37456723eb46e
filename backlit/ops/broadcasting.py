"""The shape rule of elementwise operations: NumPy's broadcasting and promotion."""

from __future__ import annotations

import functools
import itertools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as onp

from backlit.core.aval import NUMPY_NUMBERS, AbstractValue, Shape
from backlit.core.errors import ShapeError


@functools.lru_cache(maxsize=4096)
def _result_type(impl: Callable[..., Any], kinds: tuple[Any, ...], params: Any) -> Any:
    stand_ins = [AbstractValue((), dtype, weak).stand_in() for dtype, weak in kinds]
    with warnings.catch_warnings(), onp.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return onp.asarray(impl(*stand_ins, **dict(params))).dtype


def _broadcast_fix(shapes: Sequence[Shape]) -> str:
    """Say what would make two shapes fit: an axis of length one, a transpose, or all pairs."""
    for low, high in itertools.permutations(shapes, 2):
        if low != high and len(low) == len(high) and low[::-1] == high:
            return "transpose one of them: x.T"
        if low and len(low) == len(high) - 1 and _fits((*low, 1), high):
            return (
                f"give the array of shape {low} a last axis of length one, x[..., None]; a sum or "
                "mean keeps the axis with keepdims=True"
            )
    if len(shapes) == 2 and all(len(shape) == 1 for shape in shapes):
        return "make them equally long; for every pair of elements, x[:, None] and y"
    return (
        "lengths are compared from the last axis backward, and each pair must be equal or contain "
        "a one"
    )


def _fits(low: Shape, high: Shape) -> bool:
    pairs = zip(low, high, strict=True)
    return all(m in (n, 1) or n == 1 for m, n in pairs)


def elementwise_abstract(impl: Callable[..., Any]) -> Callable[..., AbstractValue]:
    """Return the shape rule of an elementwise operation: NumPy's broadcasting and promotion."""

    def abstract(*avals: AbstractValue, **params: Any) -> AbstractValue:
        try:
            shape = onp.broadcast_shapes(*[a.shape for a in avals])
        except ValueError:
            shapes = " and ".join(str(a.shape) for a in avals)
            raise ShapeError(
                f"shapes {shapes} do not broadcast together",
                fix=_broadcast_fix([a.shape for a in avals]),
            ) from None
        kinds = tuple([(a.dtype, a.weak) for a in avals])
        return AbstractValue(shape, _result_type(impl, kinds, tuple(params.items())))

    return abstract


# What operators of Python's mean, and what a fixed power is recorded as.
PYTHON_OPERATORS = frozenset(
    "add subtract multiply divide floor_divide remainder power integer_power square negative "
    "positive absolute greater greater_equal less less_equal equal not_equal bitwise_and "
    "bitwise_or bitwise_xor invert".split()
)


def python_abstract(impl: Callable[..., Any]) -> Callable[..., AbstractValue]:
    """Return the shape rule of an operator of Python's: of Python numbers alone it makes one.

    Small integers, which NumPy makes of two truth values, are NumPy's.
    """
    rule = elementwise_abstract(impl)

    def abstract(*avals: AbstractValue, **params: Any) -> AbstractValue:
        out = rule(*avals, **params)
        weak = all(a.weak for a in avals) and out.dtype.type in NUMPY_NUMBERS
        return AbstractValue(out.shape, out.dtype, weak=True) if weak else out

    return abstract
