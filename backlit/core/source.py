"""Where in the user's program an operation was written.

Recording costs two attribute reads (the code object and the instruction offset); file, line,
columns and names are worked out only when somebody asks.
"""

from __future__ import annotations

import ast
import functools
import linecache
import os
import sys
from dataclasses import dataclass, field
from types import CodeType, FrameType

import numpy as onp

Span = tuple[int, int, int, int]

_package = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_engine = (
    *[_package + part for part in ("core", "ops", "numpy", "transforms", "testing", "compiler")],
    os.path.dirname(os.path.abspath(onp.__file__)) + os.sep,
)


class _Internal(dict[str, bool]):
    """Whether a file belongs to the engine or to NumPy; remembers its answers."""

    def __missing__(self, filename: str) -> bool:
        answer = self[filename] = os.path.abspath(filename).startswith(_engine)
        return answer


INTERNAL = _Internal()


class _Installed(dict[str, bool]):
    """Whether a file came with Python or with a package rather than from the user."""

    def __missing__(self, filename: str) -> bool:
        path = os.path.abspath(filename)
        answer = self[filename] = (
            filename.startswith(("<frozen", _package))
            or path.startswith((os.path.dirname(os.__file__), os.path.dirname(sys.executable)))
            or not {"site-packages", "dist-packages"}.isdisjoint(path.split(os.sep))
        )
        return answer


_INSTALLED = _Installed()


def user_frame() -> FrameType:
    """Return the innermost frame outside the engine and NumPy.

    The library's own layers and losses count as user code here: their lines name the steps of an
    explanation.
    """
    frame = sys._getframe(1)
    while INTERNAL[frame.f_code.co_filename] and frame.f_back is not None:
        frame = frame.f_back
    return frame


@dataclass(frozen=True)
class Source:
    """A span of source text.

    Attributes
    ----------
    file : str
    line, end_line : int
        Counted from 1.
    column, end_column : int
        Characters from the start of the line, from 0; -1 when unknown.
    function : str
        Name of the enclosing function.
    loaded : bool
        Whether it was read from a file. The file that such a place names is never opened.
    assigned : tuple of str
        What `targets` answers for a loaded place.

    Examples
    --------
    >>> print(Source("net.py", 3, 3, 4, 9, "loss"))
    net.py:3
    """

    file: str
    line: int
    end_line: int
    column: int
    end_column: int
    function: str
    loaded: bool = field(default=False, compare=False, repr=False)
    assigned: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @classmethod
    def here(cls) -> Source:
        """Return the line outside this package that is running now, for an error message."""
        frame = user_frame()
        while frame.f_code.co_filename.startswith(_package) and frame.f_back is not None:
            frame = frame.f_back
        # Behind a library that was handed a traced value is the line that handed it over.
        caller: FrameType | None = frame
        while caller is not None and _INSTALLED[caller.f_code.co_filename]:
            caller = caller.f_back
        frame = caller or frame
        return cls.at(frame.f_code, frame.f_lasti)

    @classmethod
    def at(cls, code: CodeType, instruction: int) -> Source:
        """Return the span an instruction was compiled from."""
        span: tuple[int | None, int | None, int | None, int | None] = (None, None, None, None)
        for index, position in enumerate(code.co_positions()):
            if index == instruction // 2:
                span = position
                break
        line, end_line, column, end_column = span
        first = line if line is not None else code.co_firstlineno
        last = end_line if end_line is not None else first
        # co_positions counts UTF-8 bytes; we count characters, as editors do.
        start = -1 if column is None else _characters(code.co_filename, first, column)
        stop = -1 if end_column is None else _characters(code.co_filename, last, end_column)
        return cls(code.co_filename, first, last, start, stop, code.co_qualname)

    def text(self) -> str:
        """Return the line of source, without indentation, or an empty string."""
        return "" if self.loaded else _line(self.file, self.line).strip()

    def excerpt(self) -> str:
        """Return two or three printable lines: place, source line, marks under the span."""
        head = f"  at {self.file}:{self.line}, in {self.function}"
        raw = "" if self.loaded else _line(self.file, self.line).rstrip("\n")
        if not raw.strip():
            return head
        indent = len(raw) - len(raw.lstrip())
        lines = [head, "    " + raw.strip()]
        if self.column >= 0 and self.end_line == self.line and self.end_column > self.column:
            lines.append(
                "    " + " " * (self.column - indent) + "^" * (self.end_column - self.column)
            )
        return "\n".join(lines)

    def targets(self) -> tuple[str, ...]:
        """Return the names the user assigned this expression to, if it is the whole right side.

        For ``Z1 = W1 @ X + b1`` the sum is called ``Z1`` and the product has no name. A result that
        is taken apart, ``h, hs = bl.scan(…)``, has a name per part, as has ``q, k = pair``.
        """
        if self.loaded:
            return self.assigned
        place = self.line, self.column, self.end_line, self.end_column
        return _assignments(self.file).get(place, ())

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def _lines(file: str) -> list[str]:
    """Return the lines of a source; a pipe or a device, which may never end, has none."""
    if file not in linecache.cache and os.path.exists(file) and not os.path.isfile(file):
        return []
    return linecache.getlines(file)


def _line(file: str, line: int) -> str:
    lines = _lines(file)
    return lines[line - 1] if 1 <= line <= len(lines) else ""


def _characters(file: str, line: int, column: int) -> int:
    raw = _line(file, line)
    return column if raw.isascii() else len(raw.encode()[:column].decode(errors="ignore"))


@functools.lru_cache(maxsize=256)
def _parse(file: str, stamp: tuple[str, ...]) -> dict[Span, tuple[str, ...]]:
    try:
        module = ast.parse("".join(stamp))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    spans: dict[Span, tuple[str, ...]] = {}
    for node in ast.walk(module):
        target: ast.expr | None = None
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr, ast.AugAssign)):
            target = node.target
        if target is None:
            continue
        value: ast.AST = node if isinstance(node, ast.AugAssign) else node.value  # type: ignore[attr-defined]
        pairs = [(target, value)]
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            pairs = list(zip(target.elts, value.elts, strict=False))
        for name, expression in pairs:
            parts = _flat(name)
            if parts and hasattr(expression, "lineno"):
                spans[_span(expression, stamp)] = parts
            if len(parts) > 1:  # an array that is taken apart: the rows are read here
                spans[_span(name, stamp)] = parts
    return spans


def _flat(target: ast.expr) -> tuple[str, ...]:
    """Return the names of a target from left to right; none if one takes a number of values."""
    if isinstance(target, (ast.Name, ast.Attribute, ast.Subscript)):
        return (ast.unparse(target),)
    if not isinstance(target, (ast.Tuple, ast.List)):
        return ()
    parts = [_flat(part) for part in target.elts]
    return tuple([name for names in parts for name in names]) if all(parts) else ()


def _span(node: ast.AST, lines: tuple[str, ...]) -> Span:
    first, last = node.lineno, node.end_lineno  # type: ignore[attr-defined]

    def characters(line: int, column: int) -> int:
        raw = lines[line - 1]
        return column if raw.isascii() else len(raw.encode()[:column].decode(errors="ignore"))

    return (
        first,
        characters(first, node.col_offset),  # type: ignore[attr-defined]
        last,
        characters(last, node.end_col_offset),  # type: ignore[attr-defined]
    )


def _assignments(file: str) -> dict[Span, tuple[str, ...]]:
    return _parse(file, tuple(_lines(file)))
