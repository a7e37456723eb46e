"""Checking the settings of optimisers and schedules, and writing them down."""

from __future__ import annotations

import math
from typing import Any

import numpy as onp

from backlit.core.errors import InputError


def number(value: Any, name: str, *, low: float = 0.0, below: float = math.inf) -> float:
    """Return a setting as a float if ``low <= value < below``.

    Parameters
    ----------
    value : float
    name : str
        What the caller calls it, for the message.
    low, below : float
        Bounds; `low` itself is allowed.

    Returns
    -------
    float

    Raises
    ------
    InputError
        If it is not a number or out of bounds.

    Examples
    --------
    >>> number(0.9, "momentum", below=1.0)
    0.9
    """
    if isinstance(value, (bool, str)) or onp.ndim(value) != 0 or onp.iscomplexobj(value):
        raise InputError(f"{name} is {value!r}; it must be a number")
    found = float(value)
    if not low <= found < below:
        upper = "finite" if below == math.inf else f"below {below:g}"
        raise InputError(f"{name} is {value!r}; it must be at least {low:g} and {upper}")
    return found


def positive(value: Any, name: str) -> float:
    """Return a setting as a float if it is above zero and finite.

    Parameters
    ----------
    value : float
    name : str

    Returns
    -------
    float

    Raises
    ------
    InputError

    Examples
    --------
    >>> positive(2, "limit")
    2.0
    """
    if number(value, name) == 0.0:
        raise InputError(f"{name} is 0; it must be above 0")
    return float(value)


def whole(value: Any, name: str) -> int:
    """Return a number of steps as an int of at least 1.

    Parameters
    ----------
    value : int
    name : str

    Returns
    -------
    int

    Raises
    ------
    InputError

    Examples
    --------
    >>> whole(100, "steps")
    100
    """
    if number(value, name) < 1 or int(value) != value:
        raise InputError(f"{name} is {value!r}; it must be a whole number, at least 1")
    return int(value)


def description_of(value: Any) -> Any:
    """Return a setting as plain JSON values.

    Parameters
    ----------
    value : number, bool, Schedule, Optimizer, callable, or a sequence of them

    Returns
    -------
    number, bool, list or dict
        Schedules and optimisers by their own `describe`; another function by its name only.

    Examples
    --------
    >>> description_of((0.1, math.sqrt))
    [0.1, {'name': 'callable', 'function': 'math.sqrt'}]
    """
    if hasattr(value, "describe"):
        return value.describe()
    if isinstance(value, (tuple, list)):
        return [description_of(item) for item in value]
    if callable(value):
        where = f"{getattr(value, '__module__', '?')}.{getattr(value, '__qualname__', '?')}"
        return {"name": "callable", "function": where}
    return value.item() if hasattr(value, "item") else value
