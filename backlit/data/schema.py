"""Strict checks of values that came from a file: each takes what JSON gave and says what it is."""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from typing import Any

from backlit.core.errors import InputError

# Most values in a JSON text, which bounds the memory that parsing takes.
MOST_VALUES = 500_000


def count_values(text: str) -> int:
    """Return how many values a JSON text holds, or somewhat more.

    Parameters
    ----------
    text : str

    Returns
    -------
    int

    Examples
    --------
    >>> count_values('{"a": [1, 2]}')
    4
    """
    return 1 + text.count(",") + text.count("[") + text.count("{")


def loads(text: str, where: str) -> Any:
    """Parse JSON strictly: no duplicate keys, no NaN or infinity, a bounded number of values.

    Parameters
    ----------
    text : str
    where : str
        What the text is, for messages.

    Returns
    -------
    object

    Raises
    ------
    InputError
        If the text is not such JSON.

    Examples
    --------
    >>> loads('{"a": [1, 2]}', "the file")
    {'a': [1, 2]}
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise InputError(f"{where} names the same key twice")
        return found

    def refuse(constant: str) -> Any:
        raise InputError(f"{where} holds {constant:.20}, which JSON does not have")

    def finite(digits: str) -> float:
        value = float(digits)
        return value if math.isfinite(value) else refuse(digits)

    if count_values(text) > MOST_VALUES:
        raise InputError(f"{where} holds more than {MOST_VALUES:,} values")
    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=refuse, parse_float=finite)
    except InputError:
        raise
    except RecursionError:
        raise InputError(f"{where} is nested too deeply") from None
    except ValueError as error:
        raise InputError(f"{where} is not valid JSON: {error}") from None


def fields(value: Any, required: Collection[str], where: str) -> dict[str, Any]:
    """Check that a value is an object with exactly the named fields.

    Parameters
    ----------
    value : object
    required : collection of str
    where : str
        What the value is, for messages.

    Returns
    -------
    dict

    Raises
    ------
    InputError

    Examples
    --------
    >>> fields({"a": 1}, ["a"], "the record")
    {'a': 1}
    """
    if not isinstance(value, dict):
        raise InputError(f"{where} is not an object")
    if set(value) != set(required):
        wrong = sorted(map(str, set(value) ^ set(required)))
        raise InputError(f"{where} has missing or unknown fields: {', '.join(wrong)[:200]}")
    return value


def text(value: Any, where: str) -> str:
    """Check that a value is text.

    Parameters
    ----------
    value : object
    where : str

    Returns
    -------
    str

    Raises
    ------
    InputError

    Examples
    --------
    >>> text("a", "the name")
    'a'
    """
    if not isinstance(value, str):
        raise InputError(f"{where} is not text")
    return value


def choice(value: Any, options: Collection[str], where: str) -> str:
    """Check that a value is one of several words.

    Parameters
    ----------
    value : object
    options : collection of str
    where : str

    Returns
    -------
    str

    Raises
    ------
    InputError

    Examples
    --------
    >>> choice("a", ["a", "b"], "the kind")
    'a'
    """
    if not isinstance(value, str) or value not in options:
        raise InputError(f"{where} is not one of {', '.join(options)}")
    return value


def number(value: Any, where: str, *, positive: bool = False) -> float:
    """Check that a value is a finite number.

    Parameters
    ----------
    value : object
    where : str
    positive : bool
        Also refuse zero and negative numbers.

    Returns
    -------
    float

    Raises
    ------
    InputError

    Examples
    --------
    >>> number(2, "the mean")
    2.0
    """
    try:
        finite = (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and math.isfinite(float(value))
        )
    except OverflowError:
        finite = False
    if not finite:
        raise InputError(f"{where} is not a finite number")
    if positive and not value > 0:
        raise InputError(f"{where} is not positive")
    return float(value)


def whole(value: Any, where: str, low: int = 0, high: int = 2**53) -> int:
    """Check that a value is a whole number in a range.

    Parameters
    ----------
    value : object
    where : str
    low, high : int
        Inclusive.

    Returns
    -------
    int

    Raises
    ------
    InputError

    Examples
    --------
    >>> whole(3, "the count")
    3
    """
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise InputError(f"{where} is not a whole number from {low} to {high}")
    return value


def flag(value: Any, where: str) -> bool:
    """Check that a value is true or false.

    Parameters
    ----------
    value : object
    where : str

    Returns
    -------
    bool

    Raises
    ------
    InputError

    Examples
    --------
    >>> flag(True, "the switch")
    True
    """
    if not isinstance(value, bool):
        raise InputError(f"{where} is not true or false")
    return value


def items(value: Any, where: str) -> list[Any]:
    """Check that a value is a list.

    Parameters
    ----------
    value : object
    where : str

    Returns
    -------
    list

    Raises
    ------
    InputError

    Examples
    --------
    >>> items([1], "the sizes")
    [1]
    """
    if not isinstance(value, list):
        raise InputError(f"{where} is not a list")
    return value
