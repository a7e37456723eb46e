"""What the operands and the result of a traced operation may be made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as onp

from backlit.core.aval import PYTHON_NUMBERS, is_lookalike, refuse_subclass
from backlit.core.errors import DTypeError
from backlit.core.primitive import Primitive
from backlit.core.tracer import Tracer

DOUBLE, SINGLE = onp.dtype(onp.float64), onp.dtype(onp.float32)
KINDS = "fiub"
NUMBERS = frozenset({float, int, bool, onp.float64, onp.float32, onp.int64, onp.bool_})
_ndarray = onp.ndarray


def check_operands(primitive: Primitive, operands: Sequence[Any]) -> None:
    """Raise unless every constant operand is made of floats, integers or booleans.

    Nothing flows through an array of Python objects, of text or of complex numbers, and the mask
    of a masked array would be forgotten: a gradient would be wrong without a word.
    """
    for operand in operands:
        while type(operand) is Tracer and operand.id < 0:
            operand = operand.value
        kind = type(operand)
        if kind is _ndarray:
            dtype = operand.dtype
            if dtype is not DOUBLE and dtype is not SINGLE and dtype.kind not in KINDS:
                refuse_operand(primitive.name, operand)
        elif kind is not Tracer and kind not in NUMBERS:
            check_operand(primitive, operand)


def check_operand(primitive: Primitive, operand: Any) -> None:
    """Raise unless a constant operand, of whatever type, can stand in a traced operation."""
    if is_lookalike(operand) or onp.asarray(operand).dtype.kind not in KINDS:
        refuse_operand(primitive.name, operand)


def check_input(dtype: onp.dtype[Any], name: str) -> None:
    """Raise if a function cannot be traced at a value of some type."""
    if dtype.kind not in KINDS:
        raise DTypeError(f"`{name}` is {_words(dtype)}, which cannot be traced", fix=_fix(dtype))


def check_result(primitive: Primitive, result: Any) -> None:
    """Raise if a traced operation would give something that no gradient can pass."""
    if primitive.python and type(result) in PYTHON_NUMBERS:
        return
    # One element of an array of Python objects is the object itself.
    dtype = result.dtype if hasattr(result, "dtype") else onp.dtype(object)
    if dtype.kind not in KINDS:
        raise DTypeError(
            f"{primitive.name} of a traced array would give {_words(dtype)}, which "
            "no gradient can pass",
            fix=_fix(dtype),
        )


def refuse_operand(name: str, operand: Any) -> NoReturn:
    """Raise, saying what the operand is and what it should be."""
    if is_lookalike(operand):
        refuse_subclass(operand, f"an operand of {name}, beside a traced array,")
    if isinstance(operand, _ndarray):
        raise DTypeError(
            f"{name} of a traced array cannot take {_words(operand.dtype)}", fix=_fix(operand.dtype)
        )
    dtype = onp.asarray(operand).dtype
    fix = _fix(dtype)
    if operand is None:
        fix = "give it a number; a function that ends without a return gives None"
    elif isinstance(operand, str):
        fix = "make it a number: float(text)"
    elif dtype.kind == "O":
        fix = "make it a number, float(value), or an array of numbers: x.astype(float)"
    raise DTypeError(
        f"{name} of a traced array cannot take {_brief(operand)}, which is no real number", fix=fix
    )


def _brief(value: Any) -> str:
    """Return a value as it is printed if that is short, else its type."""
    text = repr(value)
    return text if len(text) <= 40 else f"a {type(value).__name__}"


def _words(dtype: onp.dtype[Any]) -> str:
    if dtype.kind == "O":
        return "an array of Python objects"
    return f"an array of type {dtype}"


def _fix(dtype: onp.dtype[Any]) -> str:
    if dtype.kind == "c":
        return "work with the real and imaginary parts; complex numbers are not supported yet"
    return "make it floats: x.astype(float)"
