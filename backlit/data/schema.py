"""Strict checks of values that came from a file: each takes what JSON gave and says what it is.

Numbers, words and switches are checked as all other settings are.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from typing import Any

from backlit.core.errors import InputError
from backlit.core.settings import choice, flag, number, whole

__all__ = [
    "MOST_VALUES",
    "choice",
    "count_values",
    "fields",
    "flag",
    "items",
    "loads",
    "number",
    "text",
    "whole",
]

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
