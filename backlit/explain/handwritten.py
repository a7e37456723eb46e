"""Running a student's own function and writing down what it assigns, statement by statement."""

from __future__ import annotations

import ast
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
        Its text, without the other statements of the line.
    before : tuple of str
        The statements that stand before it in that line.
    first : (int, int)
        Place of the statement that made the name.
    again : bool
        Whether the same statement has changed the name before, as in a loop.
    history : tuple of (int, ndarray)
        The values that the name had, each with a number that counts all assignments; of a long loop
        the first ones.
    made : tuple of (int, str)
        Line and text of the statements that gave it these values.
    """

    name: str
    value: Any
    line: int
    code: str
    before: tuple[str, ...] = ()
    first: tuple[int, int] = (0, 0)
    again: bool = False
    history: tuple[tuple[int, Any], ...] = ()
    made: tuple[tuple[int, str], ...] = ()

    @property
    def place(self) -> tuple[int, int]:
        """The line, and how many statements stand before this one in it."""
        return self.line, len(self.before)


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
    before : tuple of str
        The statements that stand before it in its line.
    variables : dict
        What the function's names stood for at its end.
    """

    result: Any
    assigned: list[Assigned]
    line: int
    code: str
    before: tuple[str, ...]
    variables: dict[str, Any]


@dataclass(frozen=True)
class Statement:
    """One statement of a line.

    Attributes
    ----------
    code : str
    names, keys : frozenset of str
        What it assigns, and keys under which it puts something into a dict. Empty for a line of one
        statement.
    """

    code: str
    names: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()


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
    parts: dict[int, list[Statement]] = {}
    line, count, kept = code.co_firstlineno, 0, 0
    variables: dict[str, Any] = {}

    def look(frame: FrameType) -> None:
        nonlocal count, kept
        local = frame.f_locals
        changed: list[str] = []
        for name, value in list(local.items()):
            for label, array in _numbers(name, value, local):
                old = known.get(label)
                if old is not None and _same(old, array):
                    continue
                known[label] = onp.array(array)
                changed.append(label)
        if not changed or line <= code.co_firstlineno:
            return
        if line not in parts:
            parts[line] = statements_of(_statement(code.co_filename, line))
        changed = [
            one for one in changed if one not in found or not _aliased(one, parts[line], local)
        ]
        # A line is seen as a whole; its statements say in which order its names were assigned.
        for label in sorted(changed, key=lambda one: _part(parts[line], one)):
            part = _part(parts[line], label)
            before = tuple([one.code for one in parts[line][:part]])
            text = parts[line][part].code
            count += 1
            last = found.pop(label, None)
            history, made = (last.history, last.made) if last is not None else ((), ())
            if len(history) < _LONGEST and kept < _ROOM:
                kept += known[label].nbytes
                history = (*history, (count, known[label]))
                made = (*made, (line, text))
            first = last.first if last is not None else (line, part)
            again = last is not None and (last.again or last.line == line)
            value = known[label]
            found[label] = Assigned(label, value, line, text, before, first, again, history, made)

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
    whole = _statement(code.co_filename, line)
    text = re.sub(r"^.*?\breturn\b", "return", whole)
    earlier = tuple([one.code for one in statements_of(whole)[:-1]])
    return Run(result, list(found.values()), line, text, earlier, variables)


def _statement(file: str, line: int) -> str:
    """Return the text of a statement, in one line where its brackets stretch over several."""
    text = linecache.getline(file, line).strip()
    for more in range(line + 1, line + _MOST_LINES):
        if sum(text.count(c) for c in "([{") <= sum(text.count(c) for c in ")]}"):
            break
        text = f"{text} {linecache.getline(file, more).strip()}"
    return text


def statements_of(text: str) -> list[Statement]:
    """Return the statements that stand in one line, in the order in which they run.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of Statement
        The text as it is if there is one, or if it is not a whole statement.

    Examples
    --------
    >>> [one.code for one in statements_of("db = dz.sum(0); dw = x.T @ dz")]
    ['db = dz.sum(0)', 'dw = x.T @ dz']
    """
    try:
        todo: list[ast.stmt] = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return [Statement(text)]
    if len(todo) == 1 and isinstance(todo[0], (ast.Assign, ast.AugAssign, ast.AnnAssign)):
        return [Statement(text)]
    found = []
    while todo:
        one = todo.pop(0)
        inner = [*getattr(one, "body", []), *getattr(one, "orelse", [])]
        todo = [*inner, *todo]
        if not inner:
            code = ast.get_source_segment(text, one) or text
            found.append(Statement(code, *_changed(one)))
    return found or [Statement(text)]


def _changed(statement: ast.AST) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names that a statement assigns, and the keys that it puts into a dict."""
    names: set[str] = set()
    keys: set[str] = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            base, key = ast.unparse(node.value), node.slice
            names.add(base)
            if isinstance(key, ast.Constant):
                keys |= {str(key.value), f"{base}[{key.value!r}]"}
        elif isinstance(node, ast.Dict):
            keys |= {str(k.value) for k in node.keys if isinstance(k, ast.Constant)}
        elif isinstance(node, ast.keyword) and node.arg:
            keys.add(node.arg)
    return frozenset(names), frozenset(keys)


def _part(statements: Sequence[Statement], label: str) -> int:
    """Return which statement of a line is the last that changes a name; 0 if none can be told."""
    last = range(len(statements) - 1, -1, -1)
    plain = label.partition("[")[0]
    changing = [k for k in last if label in statements[k].names | statements[k].keys]
    return next(iter([*changing, *[k for k in last if plain in statements[k].names]]), 0)


def _aliased(label: str, line: Sequence[Statement], local: Mapping[str, Any]) -> bool:
    """Whether a line changed an array by another name of it: dA behind dZ = dA; dZ *= A."""
    try:
        names = {n for one in line for n in _changed(ast.parse(one.code))[0]}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    value = local.get(label)
    return (
        isinstance(value, onp.ndarray)
        and label not in names
        and any(local.get(name) is value for name in names)
    )


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
