r"""Reads a student's notes: headers, definitions and claims, line by line, in any notation.

Everything that cannot be read is said with its place; prose is passed over. Nothing is run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from backlit.explain.equation.text import (
    changes,
    choices,
    conditions,
    differential_forms,
    gradients,
    lefts,
    prose,
    stated,
)
from backlit.explain.equation.text.entries import Entry, Notes, Refusal, Statement
from backlit.explain.equation.text.headers import Header, looks_like_header, read_headers
from backlit.explain.equation.text.lexer import LONGEST_LINE, tokens
from backlit.explain.equation.text.lines import Line, Place, physical, places
from backlit.explain.equation.text.marks import blanked
from backlit.explain.equation.text.parser import read_chain
from backlit.explain.equation.text.parts import Part, parts
from backlit.explain.equation.text.scan import vocabulary
from backlit.explain.equation.text.tokens import NotationError, Token
from backlit.explain.equation.text.vocabulary import Vocabulary
from backlit.explain.equation.tree import (
    NOWHERE,
    Call,
    Compare,
    Derivative,
    Equation,
    Name,
    Node,
    Span,
)

LONGEST_NOTES = 1_000_000
MOST_LINES = 20_000
MOST_PLACES = 5_000
_SHOWN = 200  # characters of a line that is too long to be read
_PYTHON = re.compile(r"\bnp\.|\bnumpy\.|@|\*\*|\.T\b|\.(?:sum|dot|mean|reshape)\(")
_AUGMENTED = re.compile(r"[^=<>!:]*(?<=[^=<>!:\s\-+*/@])\s*(?P<op>[-+*/@])=(?!=)")
_DIFFERENTIAL = "an equation between differentials is not judged"
_STATE = "state the derivative: ∂L/∂w = …"
_EXACT = "write = and the exact derivative"
_BAR = "state the derivative itself, without the values put in"
_ALONE = "set the equation alone on its line"
# Before the d of ``\\text{d}L``, whose token is the letter alone.
_UPRIGHT = re.compile(r"\\(?:text|mathrm|operatorname|rm|textrm)\s*\{?\s*\Z")
_LEFT_WORD = re.compile(r"[\s$`]*([A-Za-z][A-Za-z0-9]*)\s*(?:\([^()=]*\)\s*)?:?=")


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
    return _Reading(plain, blanked(plain)).notes()


@dataclass
class _Equation:
    """An equation whose tokens are found and which waits for the vocabulary."""

    part: Part
    place: Place
    first: Line
    text: str
    left: list[Token] | None  # of the equation that it continues
    is_plain: bool
    condition: Compare | None = None


class _Reading:
    def __init__(self, original: str, text: str) -> None:
        self.original = original
        self.text = text
        self.lines = physical(text)
        self.stated: list[int] = []  # where a derivative stands left of an equals sign
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
        self.letters = self.names | stated.letters(self.text)
        for place in found[:MOST_PLACES]:
            self._place(place)
        if len(found) > MOST_PLACES:
            self._refuse(found[MOST_PLACES].windows[0], f"more than {MOST_PLACES:,} lines")
        equations = self._spelled()
        parts = [*[entry.part.tokens for entry in equations], *self.mentions]
        known = vocabulary(parts, self.declared, self.bracketed)
        entries: list[Entry] = []
        for entry in self.found:
            if isinstance(entry, _Equation):
                entries.extend(self._read(entry, known))
            else:
                entries.append(entry)
        entries = _without_differentials(entries)
        entries = sorted([*entries, *self._unsaid(entries)], key=lambda entry: entry.line)
        return Notes(self.original, tuple(entries), known, tuple(sorted(set(self.passed_over))))

    def _spelled(self) -> list[_Equation]:
        """Return the equations with their gradients in one spelling: d_W is dW."""
        labels: list[tuple[str, ...]] = [(word,) for word in self.declared]
        for header in self.found:
            if isinstance(header, Header):
                index = [node.base for node in header.name.index if isinstance(node, Name)]
                labels.append((header.name.base, *index))
        places = [place for place, e in enumerate(self.found) if isinstance(e, _Equation)]
        equations = [e for e in self.found if isinstance(e, _Equation)]
        every = [e.part.tokens for e in equations]
        every += [[*(e.left or ()), e.part.tokens[-1]] for e in equations]
        written = gradients.spelled(every, labels)
        for number, (place, entry) in enumerate(zip(places, equations, strict=True)):
            part = replace(entry.part, tokens=written[number])
            left = None if entry.left is None else written[number + len(places)][:-1]
            self.found[place] = replace(entry, part=part, left=left)
        return [e for e in self.found if isinstance(e, _Equation)]

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
        text = self.original[line.start : line.end]
        if len(text) > LONGEST_LINE:
            text = f"{text[:_SHOWN]}…"
        self.found.append(Refusal(line.number, text, inside, message, fix, is_code))

    def _place(self, place: Place) -> None:
        start, end = place.windows[0][0], place.windows[-1][1]
        if end - start > LONGEST_LINE:  # a line of its own, or rows without any break
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
        for window in place.windows if len(place.windows) == 1 else ((start, end),):
            claims = stated.claims(self.text, *window, self.letters)
            self.stated.extend(position for position, _ in claims)
        equals = prose.has_equals(self.text, start, end)
        code = prose.code(written, self.names) if is_plain or "\\" in written else None
        if code is not None:
            message, span = code
            self._refuse((start + span[0], start + span[1]), message, None, True)
            return
        inexact = stated.inexact(self.text, start, end, self.names)
        if inexact is not None:
            self._refuse(
                inexact, "what is only about equal, or proportional, is not judged", _EXACT
            )
            return
        if not equals:
            if not is_plain:
                self._mention(place)
            return
        if is_plain and prose.is_sentence(self._core(start, end), self.names):
            begun = stated.claims(self.text, start, end, self.letters)
            if not begun:
                self.passed_over.append(self._line_at(start).number)
                return
            start = begun[0][0]
        elif is_plain:
            start = stated.lead(self.text, start, end, self.names)
        windows = ((max(start, place.windows[0][0]), place.windows[0][1]), *place.windows[1:])
        self._equations(replace(place, windows=windows), is_plain)

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
        rest: Span | None = None
        stop, when = conditions.trailing(self.text, *windows[-1])
        windows[-1] = (windows[-1][0], stop)
        if len(windows) == 1:
            windows = [prose.trimmed(self.text, *windows[0])]
            rest = (windows[0][1], place.windows[0][1])
        elif is_plain:
            windows[0] = (prose.trimmed(self.text, *windows[0])[0], windows[0][1])
        first = self._line_at(windows[0][0])
        last = next(line for line in self.lines[first.number - 1 :] if line.end >= windows[-1][1])
        text = self.original[first.start : last.end]
        augmented = _AUGMENTED.match(self.text[first.start : last.end])
        is_change = changes.is_change(self.text[first.start : last.end])
        is_change = is_change or changes.is_sum(
            self.text[first.start : last.end], self.names, self.text[: first.start]
        )
        if augmented and is_plain and not is_change:
            self._augmented(first, augmented)
            return
        try:
            found = self._tokens(windows)
        except NotationError as error:
            self._refuse(error.span, error.what, error.fix, error.is_code)
            return
        if len(found) < 2:
            return
        left: list[Token] | None = None
        if place.links:
            previous = next((e for e in reversed(self.found) if isinstance(e, _Equation)), None)
            left = (previous.left or previous.part.left) if previous is not None else None
        for part in parts(self.text, found, self.names):
            self.found.append(_Equation(part, place, first, text, left, is_plain, when))
            left = None
        later = stated.claims(self.text, *rest, self.names) if rest is not None else []
        if later and rest is not None:
            begun = (later[0][0], rest[1])
            self._equations(replace(place, windows=(begun,), links=False), is_plain)

    def _tokens(self, windows: list[Span]) -> list[Token]:
        """Return the tokens of an equation, with cases in words as calls of ``where``."""
        found: list[Token] = []
        for window in windows:
            is_case = choices.CASE.search(self.text, *window) is not None
            if found and is_case and not any(t.text == "cases" for t in found):
                found.append(Token("op", ";", window[0], window[0]))
            found.extend(tokens(self.text, *window)[:-1])
        end = windows[-1][1]
        found.append(Token("end", "", end, end))
        found = changes.written_out(found)
        try:
            return choices.rewritten(found)
        except NotationError as error:
            self._refuse(error.span, error.what, error.fix)
            return choices.before(found, error)

    def _augmented(self, line: Line, match: re.Match[str]) -> None:
        behind = self.text[line.start + match.end() :].lstrip()
        is_less = match["op"] == "-" or (match["op"] == "+" and behind.startswith("-"))
        is_less = is_less or changes.is_step(self.text[line.start : line.end])
        if is_less and match[0].lstrip()[:1] != "d":  # a step of gradient descent
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
            for readings in read_chain(found, known):
                under = conditions.applied(readings, entry.condition)
                yield from self._statements(entry, under)
        except NotationError as error:
            yield from self._unread(entry, error)

    def _unread(self, entry: _Equation, error: NotationError) -> Iterator[Refusal]:
        start = entry.first.start
        a, b = error.span[0] - start, error.span[1] - start
        if a < 0:  # in the left side of the line before, refused there
            a, b = entry.part.span[0] - start, entry.part.span[1] - start
        what, fix = error.what, error.fix
        if stated.has_bar(entry.text):
            what, fix = "values put in behind a bar ‘|’ are not read", _BAR
        yield Refusal(entry.first.number, entry.text, (a, max(a, b)), what, fix, error.is_code)

    def _unsaid(self, entries: list[Entry]) -> Iterator[Refusal]:
        """Refuse the claims that nothing was read from."""
        said: list[Span] = []
        for entry in entries:
            start = self.lines[entry.line - 1].start
            if isinstance(entry, Statement):
                upright = _UPRIGHT.search(entry.text[: max(entry.span[0], 0)])
                begun = entry.span[0] if upright is None else upright.start()
                said.append((start + begun, start + entry.span[1]))
            else:
                said.append((start, start + len(entry.text)))
        for number in self.passed_over:
            said.append((self.lines[number - 1].start, self.lines[number - 1].end))
        told: set[int] = set()
        for position in self.stated:
            line = next(line for line in self.lines if line.end >= position)
            if line.number in told or any(a <= position < b for a, b in said):
                continue
            told.add(line.number)
            span = (position - line.start, line.end - line.start)
            text = self.original[line.start : line.end]
            yield Refusal(
                line.number, text, span, "this states a derivative, but cannot be read", _ALONE
            )

    def _statements(
        self, entry: _Equation, readings: tuple[Equation, ...]
    ) -> Iterator[Statement | Refusal]:
        unpacked: list[tuple[Equation, ...]] = [(e,) for e in lefts.unpacked(readings[0])]
        for options in unpacked or [readings]:
            moved = tuple([_moved(option, entry.first.start) for option in options])
            first = moved[0]
            left = entry.text[: max(first.right.span[0], 0)] if not first.is_claim else ""
            if lefts.is_update(first):
                self.passed_over.append(entry.first.number)
            elif lefts.is_more_than_derivative(first, left):
                yield Refusal(
                    entry.first.number,
                    entry.text,
                    first.left.span,
                    "the left side is no derivative of a variable that the notes define",
                    "define the variables, and state one derivative alone: ∂L/∂w = …",
                )
            else:
                a, b = [place - entry.first.start for place in entry.part.span]
                b = b if entry.condition is None else entry.condition.span[1] - entry.first.start
                is_program = entry.place.kind == "python"
                style = "python" if is_program else _style(entry.text[a:b])
                yield Statement(entry.first.number, entry.text, (a, b), first, moved, style)


def _without_differentials(entries: list[Entry]) -> list[Entry]:
    """Take ``dL = tr(Gᵀ dW)`` for a derivative; refuse other equations between differentials."""
    equations = [entry.equation for entry in entries if isinstance(entry, Statement)]
    outputs = differential_forms.outputs(equations)
    found: list[Entry] = []
    for entry in entries:
        if isinstance(entry, Statement) and differential_forms.is_of(entry.equation, outputs):
            stated = differential_forms.gradient(entry.equation)
            if stated is None:
                refused = Refusal(entry.line, entry.text, entry.span, _DIFFERENTIAL, _STATE)
                found.append(refused)
                continue
            entry = replace(entry, equation=stated, readings=(stated,))
        found.append(entry)
    return found


def _moved(equation: Equation, start: int) -> Equation:
    """Return an equation with its spans counted from `start`, and a derivative on its left."""

    def move(node: Node) -> Node:
        a, b = node.span[0] - start, node.span[1] - start
        return replace(node, span=(a, b) if a >= 0 and node.span != NOWHERE else NOWHERE)

    moved = equation.map(move)
    assert isinstance(moved, Equation)
    if isinstance(moved.right, Derivative) and not isinstance(moved.left, Name | Derivative | Call):
        return replace(moved, left=moved.right, right=moved.left)
    return replace(moved, left=lefts.from_primes(moved.left))


def _style(text: str) -> str:
    if "\\" in text or (text.isascii() and ("^{" in text or "_{" in text)):
        return "latex"
    return "python" if _PYTHON.search(text) else "unicode"
