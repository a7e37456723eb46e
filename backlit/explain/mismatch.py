"""How one array differs from another that it should equal, in numbers alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as onp

from backlit.explain.formula import number

_CLOSE = 1e-6
# A larger whole number is hardly a factor that was forgotten.
_LARGEST = 1000


@dataclass(frozen=True)
class Mismatch:
    """What a comparison found.

    Attributes
    ----------
    kind : str or None
        None if the two agree.
    message : str
    error : float
        Largest difference, relative to the largest element of what is right.
    repair : str
        Python that makes it right, with ``{}`` for the expression; "" if none is known.
    """

    kind: str | None
    message: str
    error: float
    repair: str = ""


def agree(found: Any, right: Any) -> bool:
    """Whether two arrays have one shape and, to within rounding of a long sum, the same elements.

    Parameters
    ----------
    found, right : array

    Returns
    -------
    bool

    Examples
    --------
    >>> agree(onp.ones(2), onp.ones(2) + 1e-12), agree(onp.ones(2), onp.ones((2, 1)))
    (True, False)
    """
    if onp.shape(found) != onp.shape(right):
        return False
    return _error(found, right) <= _CLOSE


def compare(found: Any, right: Any, known: Mapping[str, Any], examples: int) -> Mismatch:
    """Say how an array differs from what it should be.

    Parameters
    ----------
    found, right : array
    known : mapping of str to array
        Arrays that may have come in as a factor too many or too few.
    examples : int
        The number of examples if gradients are taken per example, else 1.

    Returns
    -------
    Mismatch

    Examples
    --------
    >>> compare(onp.array([2.0, -4.0]), onp.array([-2.0, 4.0]), {}, 1).message
    'it has the opposite sign'
    """
    found, right = onp.asarray(found), onp.asarray(right)
    if found.shape != right.shape:
        return _shapes(found, right)
    error = _error(found, right)
    if error <= _CLOSE:
        return Mismatch(None, "", error)
    if not onp.isfinite(found).all():
        return Mismatch("other", "it is not finite", error)
    if right.ndim == 2 and right.shape[0] == right.shape[1] and agree(found, right.T):
        return Mismatch("transpose", "it is the transpose of the gradient", error, "{}.T")
    ratio = ratio_of(found, right)
    if ratio is not None:
        kind, message, repair = _words(ratio, known, examples)
        return Mismatch(kind, message, error, repair)
    factor, repair = _factor(found, right, known)
    if factor:
        return Mismatch("path", factor, error, repair)
    worst = onp.unravel_index(int(onp.argmax(onp.abs(found - right))), right.shape)
    place = f"[{', '.join(str(int(k)) for k in worst)}]" if right.ndim else ""
    text = f"element {place} is" if place else "it is"
    return Mismatch(
        "other", f"{text} {number(found[worst])} and should be {number(right[worst])}", error
    )


def _error(found: Any, right: Any) -> float:
    if not onp.size(right):
        return 0.0
    largest = float(onp.max(onp.abs(right)))
    difference = float(onp.max(onp.abs(onp.asarray(found, float) - right)))
    if difference == 0.0:
        return 0.0
    return difference / largest if largest > 0 else float("inf")


def _shapes(found: Any, right: Any) -> Mismatch:
    text = f"its shape is {found.shape}, that of the gradient {right.shape}"
    for axis in range(found.ndim):
        for keep in (True, False):
            if agree(found.sum(axis, keepdims=keep), right):
                option = ", keepdims=True" if keep else ""
                repair = f"np.sum({{}}, axis={axis}{option})"
                what = f"{text}: a sum over axis {axis} is missing"
                return Mismatch("axis", what, float("inf"), repair)
    if agree(found.T, right):
        return Mismatch("transpose", f"{text}: it is the transpose", float("inf"), "{}.T")
    if found.size == right.size and agree(found.reshape(right.shape), right):
        return Mismatch("shape", f"{text}; the numbers are right", float("inf"))
    return Mismatch("shape", text, float("inf"))


def ratio_of(found: Any, right: Any) -> float | None:
    """Return the one number that an array is too large by, if there is one.

    Parameters
    ----------
    found, right : array
        Of one shape.

    Returns
    -------
    float or None
    """
    alive = right != 0
    if not alive.any() or (found[~alive] != 0).any():
        return None
    ratios = found[alive] / right[alive]
    middle = float(onp.median(ratios))
    return middle if agree(ratios, onp.full_like(ratios, middle)) else None


def _words(ratio: float, known: Mapping[str, Any], examples: int) -> tuple[str, str, str]:
    if ratio < 0:
        if abs(ratio + 1) <= _CLOSE:
            return "sign", "it has the opposite sign", "-{}"
        kind, message, repair = _words(-ratio, known, examples)
        if not repair:
            return "factor", f"it is {number(ratio)} times what it should be", ""
        return kind, message.replace("it is", "it has the opposite sign and is", 1), f"-{repair}"
    # A small number is a factor of its own, unless it is known to be the number of examples.
    sizes = {n for value in known.values() for n in onp.shape(value) if n > 2} | {examples} - {1}
    for size in sorted(sizes):
        if abs(ratio - size) <= _CLOSE * size:
            text = f"it is {size} times too large: 1/{size} is missing"
            return "one-over-m", text, f"{{}} / {_called(size, known)}"
        if abs(ratio * size - 1) <= _CLOSE:
            text = f"it is {size} times too small: 1/{size} is taken twice"
            return "one-over-m", text, f"{{}} * {_called(size, known)}"
    for times in (ratio, 1 / ratio if ratio else 0.5):
        if times > _LARGEST or abs(times - round(times)) > _CLOSE * abs(times):
            continue
        repair = f"{{}} / {round(times)}" if times == ratio else f"{round(times)} * {{}}"
        return "factor", f"it is {number(ratio)} times what it should be", repair
    return "factor", f"it is {number(ratio)} times what it should be", ""


def _called(size: int, known: Mapping[str, Any]) -> str:
    """Return the name of a whole number in the student's code, or its digits."""
    for name, value in known.items():
        if onp.ndim(value) == 0 and onp.asarray(value).dtype.kind == "i" and int(value) == size:
            return name
    return str(size)


def _factor(found: Any, right: Any, known: Mapping[str, Any]) -> tuple[str, str]:
    """Return the array that a gradient was not multiplied by, or was and should not be."""
    for name, value in known.items():
        array = onp.asarray(value)
        if array.dtype.kind != "f" or array.shape != right.shape:
            continue
        for text, factor in (
            (name, array),
            (f"{name} * (1 - {name})", array * (1 - array)),
            (f"(1 - {name}**2)", 1 - array**2),
            (f"({name} > 0)", array > 0),
        ):
            if agree(found * factor, right):
                return f"the factor {text} is missing", f"{{}} * {text}"
            if agree(found, right * factor):
                return f"the factor {text} is one too many", ""
    return "", ""
