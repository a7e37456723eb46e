"""Checks of single settings: is it a number, a whole number, one of these words?

They say the same of every value, whether it was passed to a function, typed as an option or read
from a file: what it is called, what it is, and what it must be.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Any

import numpy as onp

from backlit.core.errors import InputError

# Up to here JSON, and the floats that many programs read it into, keep every whole number.
MOST_WHOLE = 2**53


def number(
    value: Any,
    name: str,
    *,
    low: float = -math.inf,
    below: float = math.inf,
    positive: bool = False,
    also: str = "",
    example: Any = None,
) -> float:
    """Return a setting as a float if it is a finite number with ``low <= value < below``.

    Parameters
    ----------
    value : object
        Python's and NumPy's real numbers are numbers; booleans and texts are not.
    name : str
        What the caller calls it, for the message.
    low, below : float
        Bounds; `low` itself is allowed.
    positive : bool
        Refuse 0 and what is below it.
    also : str
        What else the caller takes, for the message.
    example : object, optional
        A value that would do, for the message.

    Returns
    -------
    float

    Raises
    ------
    InputError

    Examples
    --------
    >>> number(0.9, "momentum", low=0.0, below=1.0)
    0.9
    >>> number("fast", "rate", low=0.0, example=0.001)
    Traceback (most recent call last):
    backlit.core.errors.InputError: rate is 'fast'; it must be a finite number of at least 0
      fix: for instance 0.001
    """
    plain = _scalar(value)
    if isinstance(plain, Real) and not isinstance(plain, bool):
        try:
            found = float(plain)
        except OverflowError:
            found = math.inf
        if math.isfinite(found) and low <= found < below and (found > 0.0 or not positive):
            return found
    finite = "finite " if below == math.inf else ""
    bounds = ["above 0"] if positive else [f"of at least {low:g}"] if low > -math.inf else []
    bounds += [f"below {below:g}"] if below < math.inf else []
    wanted = f"a {finite}number {' and '.join(bounds)}".rstrip()
    raise _refused(value, name, wanted, also, _for_instance(example))


def whole(
    value: Any,
    name: str,
    *,
    low: int = 0,
    high: int = MOST_WHOLE,
    also: str = "",
    example: Any = None,
) -> int:
    """Return a setting as an int if it is a whole number with ``low <= value <= high``.

    Parameters
    ----------
    value : object
        Python's and NumPy's integers are whole numbers; 2.0 is not, because the formula it comes
        from will give 2.5 another time.
    name : str
    low, high : int
        Both are allowed.
    also : str
    example : object, optional
        As for `number`.

    Returns
    -------
    int

    Raises
    ------
    InputError

    Examples
    --------
    >>> whole(100, "steps", low=1)
    100
    """
    plain = _scalar(value)
    integral = isinstance(plain, Integral) and not isinstance(plain, bool)
    if integral and low <= plain <= high:
        return int(plain)
    limited = high != MOST_WHOLE or (integral and plain > high)
    wanted = "a whole number " + (f"from {low} to {high}" if limited else f"of at least {low}")
    fix = _for_instance(example)
    if isinstance(plain, float) and plain.is_integer() and low <= plain <= high:
        fix = f"write {int(plain)}, or int(…) around the formula"
    raise _refused(value, name, wanted, also, fix)


def choice(value: Any, options: Collection[str], name: str, *, also: str = "") -> str:
    """Return a word that is one of several, or raise naming all of them and the nearest one.

    Parameters
    ----------
    value : object
    options : collection of str
    name : str
    also : str
        As for `number`.

    Returns
    -------
    str

    Raises
    ------
    InputError

    Examples
    --------
    >>> choice("auto", ["auto", "regression"], "task")
    'auto'
    >>> choice("Auto", ["auto", "regression"], "task")
    Traceback (most recent call last):
    backlit.core.errors.InputError: task is 'Auto'; it must be one of auto, regression
      fix: did you mean auto?
    """
    if isinstance(value, str) and value in options:
        return value
    word = value.lower().strip() if isinstance(value, str) else ""
    near = get_close_matches(word, options, n=1) or [o for o in options if word and word in o]
    fix = f"did you mean {' or '.join(near[:3])}?" if near else None
    raise _refused(value, name, "one of " + ", ".join(options), also, fix)


def flag(value: Any, name: str) -> bool:
    """Return a setting as a bool if it is one; "no" and 0 are not.

    Parameters
    ----------
    value : object
    name : str

    Returns
    -------
    bool

    Raises
    ------
    InputError

    Examples
    --------
    >>> flag(True, "shuffle")
    True
    """
    plain = _scalar(value)
    if isinstance(plain, (bool, onp.bool_)):
        return bool(plain)
    raise _refused(value, name, "True or False", "", None)


def path(value: Any, name: str = "path") -> str:
    """Return the name of a file or folder as text.

    Parameters
    ----------
    value : str, bytes or os.PathLike
    name : str

    Returns
    -------
    str

    Raises
    ------
    InputError

    Examples
    --------
    >>> path(b"model.safetensors")
    'model.safetensors'
    """
    try:
        found = os.fsdecode(value)
    except TypeError:
        raise _refused(value, name, "the name of a file", "", None) from None
    if "\0" in found:
        raise _refused(value, name, "the name of a file", "", "no name holds the character 0")
    return found


def shown(value: Any) -> str:
    """Return the beginning of a value's representation, on one line, for a message.

    Parameters
    ----------
    value : object

    Returns
    -------
    str
        At most 60 characters.

    Examples
    --------
    >>> shown(onp.eye(2))
    'array([[1., 0.], [0., 1.]])'
    """
    try:
        text = " ".join(repr(value).split())
    except Exception:  # some number too long to be written, or somebody's broken __repr__
        return f"a {type(value).__name__}"
    return text if len(text) <= 60 else text[:59] + "…"


def _scalar(value: Any) -> Any:
    return value[()] if isinstance(value, onp.ndarray) and value.ndim == 0 else value


def _for_instance(example: Any) -> str | None:
    return None if example is None else f"for instance {example}"


def _refused(value: Any, name: str, wanted: str, also: str, fix: str | None) -> InputError:
    other = f", or {also}" if also else ""
    return InputError(f"{name} is {shown(value)}; it must be {wanted}{other}", fix=fix)
