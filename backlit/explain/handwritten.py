"""Running a student's own function and writing down what it assigns, statement by statement."""

from __future__ import annotations

import inspect
import linecache
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as onp

from backlit.core.errors import InputError
from backlit.core.tracing import function_name

_NUMBERS = (int, float, onp.ndarray, onp.generic)
# Values that are kept of one name in a loop, and bytes of all.
_LONGEST = 100
_ROOM = 2**26
_MOST_LINES = 40


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
    first : int
        Line of the statement that made the name.
    again : bool
        Whether the same statement has changed the name before, as in a loop.
    history : tuple of (int, ndarray)
        The values that the name had, each with a number that counts all assignments; of a long loop
        the first ones.
    """

    name: str
    value: Any
    line: int
    code: str
    first: int = 0
    again: bool = False
    history: tuple[tuple[int, Any], ...] = ()


@dataclass(frozen=True, eq=False)
class Run:
    """A function call that was watched.

    Attributes
    ----------
    result : object
    assigned : list of Assigned
        Names in the order of their last change. The arguments are not among them unless they were
        changed. An entry of a dict goes by its key, or by ``grads['w']`` if the key is also the
        name of a variable.
    line : int
        Of the ``return``.
    code : str
        Its text.
    variables : dict
        What the function's names stood for at its end.
    """

    result: Any
    assigned: list[Assigned]
    line: int
    code: str
    variables: dict[str, Any]


def run_watched(f: Callable[..., Any], args: Sequence[Any]) -> Run:
    """Call a Python function and return its result with every number and array it assigned.

    Parameters
    ----------
    f : callable
        Defined in Python.
    args : sequence

    Returns
    -------
    Run

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
    >>> run = run_watched(twice, [3.0])
    >>> run.result, [(one.name, float(one.value)) for one in run.assigned]
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
    line, count, kept = code.co_firstlineno, 0, 0
    variables: dict[str, Any] = {}

    def look(frame: FrameType) -> None:
        nonlocal count, kept
        local = frame.f_locals
        for name, value in list(local.items()):
            for label, array in _numbers(name, value, local):
                before = known.get(label)
                if before is not None and _same(before, array):
                    continue
                known[label] = onp.array(array)
                if line > code.co_firstlineno:
                    count += 1
                    old = found.pop(label, None)
                    history = old.history if old is not None else ()
                    if len(history) < _LONGEST and kept < _ROOM:
                        kept += known[label].nbytes
                        history = (*history, (count, known[label]))
                    first = old.first if old is not None else line
                    text = _statement(code.co_filename, line)
                    again = old is not None and (old.again or old.line == line)
                    value = known[label]
                    found[label] = Assigned(label, value, line, text, first, again, history)

    def local(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal line
        look(frame)
        if event == "line":
            line = frame.f_lineno
        elif event == "return":
            variables.update(frame.f_locals)
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
    text = re.sub(r"^.*?\breturn\b", "return", _statement(code.co_filename, line))
    return Run(result, list(found.values()), line, text, variables)


def _statement(file: str, line: int) -> str:
    """Return the text of a statement, in one line where its brackets stretch over several."""
    text = linecache.getline(file, line).strip()
    for more in range(line + 1, line + _MOST_LINES):
        if sum(text.count(c) for c in "([{") <= sum(text.count(c) for c in ")]}"):
            break
        text = f"{text} {linecache.getline(file, more).strip()}"
    return text


def _numbers(name: str, value: Any, local: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return a value, or the values of a dict by their keys, if they are numbers."""
    if isinstance(value, Mapping):
        return [
            (f"{name}[{key!r}]" if key in local else key, one)
            for key, one in value.items()
            if isinstance(key, str) and isinstance(one, _NUMBERS)
        ]
    return [(name, value)] if isinstance(value, _NUMBERS) else []


def _same(a: Any, b: Any) -> bool:
    b = onp.asarray(b)
    return bool(a.shape == b.shape and a.dtype == b.dtype and onp.array_equal(a, b, equal_nan=True))
