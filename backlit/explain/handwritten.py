"""Running a student's own function and writing down what it assigns, statement by statement."""

from __future__ import annotations

import inspect
import linecache
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as onp

from backlit.core.errors import InputError
from backlit.core.tracing import function_name

_NUMBERS = (int, float, onp.ndarray, onp.generic)


@dataclass(frozen=True, eq=False)
class Assigned:
    """The value that a name has after the last statement that changed it.

    Attributes
    ----------
    name : str
    value : ndarray
        A copy.
    line : int
        Line of the statement in its file; of several lines the first.
    code : str
        Its text.
    """

    name: str
    value: Any
    line: int
    code: str


def run_watched(f: Callable[..., Any], args: Sequence[Any]) -> tuple[Any, list[Assigned]]:
    """Call a Python function and return its result with every number and array it assigned.

    Parameters
    ----------
    f : callable
        Defined in Python.
    args : sequence

    Returns
    -------
    result : object
    assigned : list of Assigned
        Names in the order of their last change. The arguments are not among them unless they were
        changed.

    Raises
    ------
    InputError
        If f is not a Python function.

    Examples
    --------
    >>> def twice(x):
    ...     y = x + 1.0
    ...     y *= 2.0
    ...     return y
    >>> result, assigned = run_watched(twice, [3.0])
    >>> result, [(one.name, float(one.value)) for one in assigned]
    (8.0, [('y', 8.0)])
    """
    code = getattr(inspect.unwrap(f), "__code__", None)
    if code is None:
        raise InputError(
            f"{function_name(f)} is not a function written in Python, so its statements cannot be "
            "followed",
            fix="pass a function made with def",
        )
    known: dict[str, Any] = {}
    found: dict[str, Assigned] = {}
    line = code.co_firstlineno

    def look(frame: FrameType) -> None:
        for name, value in list(frame.f_locals.items()):
            for label, array in _numbers(name, value):
                before = known.get(label)
                if before is not None and _same(before, array):
                    continue
                known[label] = onp.array(array)
                if line > code.co_firstlineno:
                    text = linecache.getline(code.co_filename, line).strip()
                    found.pop(label, None)
                    found[label] = Assigned(label, known[label], line, text)

    def local(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal line
        look(frame)
        if event == "line":
            line = frame.f_lineno
        return local

    def started(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code is not code:
            return None
        look(frame)
        return local

    # A debugger or a coverage tool may be at work already; it goes on afterwards.
    before = sys.gettrace()
    sys.settrace(started)
    try:
        result = f(*args)
    finally:
        sys.settrace(before)
    return result, list(found.values())


def _numbers(name: str, value: Any) -> list[tuple[str, Any]]:
    """Return a value, or the values of a dict by their keys, if they are numbers."""
    if isinstance(value, Mapping):
        return [
            (key, one)
            for key, one in value.items()
            if isinstance(key, str) and isinstance(one, _NUMBERS)
        ]
    return [(name, value)] if isinstance(value, _NUMBERS) else []


def _same(a: Any, b: Any) -> bool:
    b = onp.asarray(b)
    return bool(a.shape == b.shape and a.dtype == b.dtype and onp.array_equal(a, b, equal_nan=True))
