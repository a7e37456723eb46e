r"""Reads a student's notes: headers, definitions and claims, line by line, in any notation.

Everything that cannot be read is said with its place; prose is passed over. Nothing is run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from backlit.explain.equation import prose
from backlit.explain.equation.headers import Header as Header
from backlit.explain.equation.headers import looks_like_header, read_headers
from backlit.explain.equation.lexer import LONGEST_LINE, tokens
from backlit.explain.equation.lines import Line, Place, physical, places
from backlit.explain.equation.parser import read_chain
from backlit.explain.equation.parts import Part, parts
from backlit.explain.equation.scan import vocabulary
from backlit.explain.equation.tokens import NotationError, Token
from backlit.explain.equation.tree import (
    NOWHERE,
    Call,
    Derivative,
    Element,
    Equation,
    Items,
    Name,
    Node,
    Number,
    Span,
    Transpose,
)
from backlit.explain.equation.vocabulary import Vocabulary

LONGEST_NOTES = 1_000_000
MOST_LINES = 20_000
MOST_PLACES = 5_000
_PYTHON = re.compile(r"\bnp\.|\bnumpy\.|@|\*\*|\.T\b|\.(?:sum|dot|mean|reshape)\(")
_AUGMENTED = re.compile(r"[^=<>!:]*(?<=[^=<>!:\s\-+*/@])\s*(?P<op>[-+*/@])=(?!=)")
_LEFT_WORD = re.compile(r"[\s$`]*([A-Za-z][A-Za-z0-9]*)\s*(?:\([^()=]*\)\s*)?:?=")


@dataclass(frozen=True)
class Statement:
    """One equation of the notes.

    Attributes
    ----------
    line : int
        Of its first character, from 1.
    text : str
        That line, with the lines after it where the equation goes on there. All spans count in it.
    span : (int, int)
        Where the equation stands.
    equation : Equation
        The preferred reading.
    readings : tuple of Equation
        All readings, the preferred one first.
    style : str
        ``latex``, ``unicode`` or ``python``.
    """

    line: int
    text: str
    span: Span
    equation: Equation
    readings: tuple[Equation, ...]
    style: str

    @property
    def source(self) -> str:
        """The equation as it was written."""
        return self.text[slice(*self.span)]


@dataclass(frozen=True)
class Refusal:
    """A line that looks like an equation, a header or code, and cannot be read.

    Attributes
    ----------
    line : int
        From 1.
    text : str
        The line.
    span : (int, int)
        What cannot be read, in the line.
    message : str
        What is wrong.
    fix : str or None
        What to write instead.
    is_code : bool
        Whether it is a program and no equation.
    """

    line: int
    text: str
    span: Span
    message: str
    fix: str | None = None
    is_code: bool = False


Entry = Header | Statement | Refusal


@dataclass(frozen=True)
class Notes:
    """What was read.

    Attributes
    ----------
    text : str
        As given.
    entries : tuple of Header, Statement or Refusal
        In the order of the lines.
    vocabulary : Vocabulary
        What the names stand for.
    passed_over : tuple of int
        Lines with an equals sign that were taken for prose, or for an update of parameters.
    """

    text: str
    entries: tuple[Entry, ...]
    vocabulary: Vocabulary
    passed_over: tuple[int, ...] = ()

    @property
    def headers(self) -> tuple[Header, ...]:
        """The header lines."""
        return tuple(entry for entry in self.entries if isinstance(entry, Header))

    @property
    def statements(self) -> tuple[Statement, ...]:
        """The equations."""
        return tuple(entry for entry in self.entries if isinstance(entry, Statement))

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """The lines that cannot be read."""
        return tuple(entry for entry in self.entries if isinstance(entry, Refusal))


def read(text: str) -> Notes:
    r"""Read notes in plain text, Markdown, LaTeX or Python.

    Parameters
    ----------
    text : str

    Returns
    -------
    Notes

    Examples
    --------
    >>> notes = read("W: (4, 3)\nz = Wx + b\nL = Σ z²\n\nTherefore $dW = dz x^T$.")
    >>> [header.name.base for header in notes.headers]
    ['W']
    >>> [(s.line, s.source, s.equation.is_claim) for s in notes.statements]
    [(2, 'z = Wx + b', False), (3, 'L = Σ z²', False), (5, 'dW = dz x^T', True)]
    """
    lines = text.count("\n") + text.count("\r")
    if len(text) > LONGEST_NOTES or lines > MOST_LINES:
        size = f"{len(text):,} characters in {lines + 1:,} lines"
        limit = f"{LONGEST_NOTES:,} and {MOST_LINES:,}"
        refusal = Refusal(
            1,
            text[:200].splitlines()[0],
            (0, 0),
            f"{size} are more than the {limit} allowed",
            "check them in parts",
        )
        return Notes(text, (refusal,), Vocabulary())
    # A tab is a space: a line read from a table or an editor means the same.
    plain = text.removeprefix("\ufeff").rjust(len(text)).replace("\t", " ")
    return _Reading(plain).notes()


@dataclass
class _Equation:
    """An equation whose tokens are found and which waits for the vocabulary."""

    part: Part
    place: Place
    first: Line
    text: str
    left: list[Token] | None  # of the equation that it continues
    is_plain: bool


class _Reading:
    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = physical(text)
        self.found: list[Header | Refusal | _Equation] = []
        self.mentions: list[list[Token]] = []
        self.declared: list[str] = []
        self.bracketed: list[str] = []
        self.passed_over: list[int] = []
        self.line = 0

    def notes(self) -> Notes:
        found = places(self.text)
        self.names = frozenset(
            match[1]
            for place in found
            if (match := _LEFT_WORD.match(self.text, *place.windows[0])) is not None
        )
        for place in found[:MOST_PLACES]:
            self._place(place)
        if len(found) > MOST_PLACES:
            self._refuse(found[MOST_PLACES].windows[0], f"more than {MOST_PLACES:,} lines")
        equations = [entry for entry in self.found if isinstance(entry, _Equation)]
        parts = [*[entry.part.tokens for entry in equations], *self.mentions]
        known = vocabulary(parts, self.declared, self.bracketed)
        entries: list[Entry] = []
        for entry in self.found:
            if isinstance(entry, _Equation):
                entries.extend(self._read(entry, known))
            else:
                entries.append(entry)
        return Notes(self.text, tuple(entries), known, tuple(sorted(set(self.passed_over))))

    # -- first pass: what stands where ------------------------------------------------------------

    def _line_at(self, position: int) -> Line:
        """Return the line of a place; places come in order, so the search goes on from the last."""
        while self.line + 1 < len(self.lines) and self.lines[self.line + 1].start <= position:
            self.line += 1
        return self.lines[self.line]

    def _refuse(
        self, span: Span, message: str, fix: str | None = None, is_code: bool = False
    ) -> None:
        line = self._line_at(span[0])
        inside = (span[0] - line.start, max(span[1] - line.start, span[0] - line.start))
        text = self.text[line.start : line.end]
        self.found.append(Refusal(line.number, text[:LONGEST_LINE], inside, message, fix, is_code))

    def _place(self, place: Place) -> None:
        start, end = place.windows[0][0], place.windows[-1][1]
        if end - start > LONGEST_LINE:
            self._refuse((start, end), f"a line of {end - start:,} characters", "split it")
            return
        written = self.text[start:end]
        if looks_like_header(self.text, start, end):
            self._header(start, end, place.kind == "comment")
            return
        if place.kind == "comment":
            return
        is_plain = place.kind != "math"
        self.declared.extend(prose.declared(written))
        if is_plain and (prose.is_furniture(written) or prose.is_unpacking(written)):
            return
        equals = prose.has_equals(self.text, start, end)
        code = prose.code(written, self.names) if is_plain or "\\" in written else None
        if code is not None:
            message, span = code
            self._refuse((start + span[0], start + span[1]), message, None, True)
            return
        if not equals:
            if not is_plain:
                self._mention(place)
            return
        if is_plain and prose.is_sentence(self._core(start, end), self.names):
            self.passed_over.append(self._line_at(start).number)
            return
        self._equations(place, is_plain)

    def _core(self, start: int, end: int) -> str:
        return self.text[slice(*prose.trimmed(self.text, start, end))]

    def _header(self, start: int, end: int, is_comment: bool) -> None:
        line = self._line_at(start)
        text = self.text[line.start : line.end]
        try:
            headers = read_headers(text, start - line.start, end - line.start, line.number)
        except NotationError as error:
            if not is_comment:
                a, b = error.span
                self._refuse((line.start + a, line.start + b), error.what, error.fix)
            return
        for header in headers:
            self.found.append(header)
            self.declared.append(header.name.base)
            self.declared.extend(dim for dim in header.dims or () if isinstance(dim, str))
            if re.match(rf"\W*{re.escape(header.name.base)}\[", text[header.span[0] :]):
                self.bracketed.append(header.name.base)

    def _mention(self, place: Place) -> None:
        """Remember the names in a formula without an equals sign."""
        try:
            self.mentions.append(tokens(self.text, *place.windows[0]))
        except NotationError:
            return

    def _equations(self, place: Place, is_plain: bool) -> None:
        windows = list(place.windows)
        if len(windows) == 1:
            windows = [prose.trimmed(self.text, *windows[0])]
        first = self._line_at(windows[0][0])
        last = next(line for line in self.lines[first.number - 1 :] if line.end >= windows[-1][1])
        text = self.text[first.start : last.end]
        augmented = _AUGMENTED.match(text)
        if augmented and is_plain:
            self._augmented(first, augmented)
            return
        try:
            found = [token for window in windows for token in tokens(self.text, *window)[:-1]]
        except NotationError as error:
            self._refuse(error.span, error.what, error.fix, error.is_code)
            return
        if not found:
            return
        end = windows[-1][1]
        left: list[Token] | None = None
        if place.links:
            previous = next((e for e in reversed(self.found) if isinstance(e, _Equation)), None)
            left = (previous.left or previous.part.left) if previous is not None else None
        for part in parts(self.text, [*found, Token("end", "", end, end)], self.names):
            self.found.append(_Equation(part, place, first, text, left, is_plain))
            left = None

    def _augmented(self, line: Line, match: re.Match[str]) -> None:
        if match["op"] == "-":  # a step of gradient descent
            self.passed_over.append(line.number)
            return
        self._refuse(
            (line.start + match.start("op"), line.start + match.end()),
            f"‘{match['op']}=’ changes a value; an equation says what it is",
            "write the whole expression after =",
        )

    # -- second pass: reading ---------------------------------------------------------------------

    def _read(self, entry: _Equation, known: Vocabulary) -> Iterator[Entry]:
        found = entry.part.tokens
        if entry.left is not None:
            found = [*entry.left, *found]
        try:
            links = read_chain(found, known)
            for readings in links:
                yield from self._statements(entry, readings)
        except NotationError as error:
            yield from self._unread(entry, error)

    def _unread(self, entry: _Equation, error: NotationError) -> Iterator[Refusal]:
        start = entry.first.start
        a, b = error.span[0] - start, error.span[1] - start
        if a < 0:  # in the left side of the line before, refused there
            a, b = entry.part.span[0] - start, entry.part.span[1] - start
        yield Refusal(
            entry.first.number, entry.text, (a, max(a, b)), error.what, error.fix, error.is_code
        )

    def _statements(
        self, entry: _Equation, readings: tuple[Equation, ...]
    ) -> Iterator[Statement | Refusal]:
        unpacked: list[tuple[Equation, ...]] = [(e,) for e in _unpacked(readings[0])]
        for options in unpacked or [readings]:
            moved = tuple([_moved(option, entry.first.start) for option in options])
            first = moved[0]
            if _is_update(first):
                self.passed_over.append(entry.first.number)
            else:
                span = tuple([place - entry.first.start for place in entry.part.span])
                yield Statement(
                    entry.first.number,
                    entry.text,
                    (span[0], span[1]),
                    first,
                    moved,
                    "python" if entry.place.kind == "python" else _style(entry.text[slice(*span)]),
                )


def _moved(equation: Equation, start: int) -> Equation:
    """Return an equation with its spans counted from `start`, and a derivative on its left."""

    def move(node: Node) -> Node:
        a, b = node.span[0] - start, node.span[1] - start
        return replace(node, span=(a, b) if a >= 0 and node.span != NOWHERE else NOWHERE)

    moved = equation.map(move)
    assert isinstance(moved, Equation)
    if isinstance(moved.right, Derivative) and not isinstance(moved.left, Name | Derivative | Call):
        return replace(moved, left=moved.right, right=moved.left)
    return replace(moved, left=_from_primes(moved.left))


def _from_primes(left: Node) -> Node:
    """Return ``f'(x)`` or ``(f(g(x)))'`` on the left of a claim as a derivative by x."""
    if isinstance(left, Call) and left.function.order in (1, 2) and len(left.args) == 1:
        wrt = left.args[0]
        if isinstance(wrt, Name):
            target = replace(left, function=replace(left.function, order=0))
            second = wrt if left.function.order == 2 else None
            return Derivative(target, wrt, second, span=left.span)
    if isinstance(left, Transpose) and any(isinstance(node, Call) for node in left.walk()):
        names = [node for node in left.walk() if isinstance(node, Name)]
        if len(set(names)) == 1:
            return Derivative(left.operand, names[0], span=left.span)
    return left


def _unpacked(equation: Equation) -> list[Equation]:
    """Return the equations of ``a, b = c, d`` and of ``m, n = X.shape``."""
    left, right = equation.left, equation.right
    if not isinstance(left, Items):
        return []
    if isinstance(right, Items) and len(right.items) == len(left.items):
        return [
            Equation(a, b, span=equation.span) for a, b in zip(left.items, right.items, strict=True)
        ]
    if isinstance(right, Call) and right.function.name == "shape":
        return [
            Equation(
                item,
                Element(right, (Number(Fraction(place)),), span=right.span),
                span=equation.span,
            )
            for place, item in enumerate(left.items)
        ]
    return []


def _is_update(equation: Equation) -> bool:
    """Whether a parameter takes a step: ``w := w - α dw``."""
    return _redefines(equation) and any(
        isinstance(node, Derivative) for node in equation.right.walk()
    )


def _redefines(equation: Equation) -> bool:
    left = equation.left
    return isinstance(left, Name) and any(name == left for name in _variables(equation.right))


def _variables(node: Node) -> Iterator[Name]:
    """Yield the names in an expression, not those in their subscripts: W_Q is no Q."""
    if isinstance(node, Name):
        yield node
        return
    for child in node.children():
        yield from _variables(child)


def _style(text: str) -> str:
    if "\\" in text or (text.isascii() and ("^{" in text or "_{" in text)):
        return "latex"
    return "python" if _PYTHON.search(text) else "unicode"
