r"""Finds the places in a text where equations can stand, whatever is written around them.

Markdown and LaTeX furniture (fences, bullets, numbers, tables, ``$``, ``align``, comments, labels)
is left out of the places, never out of the text, so that everything read from a place still knows
where in its line it stood.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from backlit.explain.equation.text import choices, stated
from backlit.explain.equation.text.vocabulary import FUNCTIONS
from backlit.explain.equation.tree import Span

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")
_FENCE = re.compile(r"\s*(?:`{3,}|~{3,})\s*([A-Za-z]*)")
_QUOTED = re.compile(r"""\s*[rRuU]?(?:\"{3}|'{3})""")
_RULE = re.compile(r"\s*[-=*_~|:+ \t]{3,}\s*")
_MATH = (
    r"equation|align|aligned|alignat|gather|gathered|eqnarray|multline|split|displaymath|math|"
    r"flalign|dmath"
)
_DISPLAY = re.compile(rf"\$\$|\\\[|\\begin\{{(?:{_MATH})\*?\}}(?:\{{[^{{}}]*\}})?")
_WRAPPER = re.compile(rf"\\(?:begin|end)\{{(?:{_MATH})\*?\}}(?:\{{[0-9]*\}})?")
_ROW_PART = re.compile(r"\\\\(?:\[[^\]]*\])?|\\begin\{|\\end\{|(?<!\\)%[^\n]*|\n")
_DELIMITER = re.compile(r"\\.|\$\$?|`+")
_TABLE_RULE = re.compile(r"(?=[^-]*--)[|:\- \t]*")
_BULLET = re.compile(
    r"\s*(?:>+\s?|[-*+•‣–]\s+(?:\[[ xX]\]\s+)?|\\item\b(?:\s*\[[^\]]*\])?\s*|"
    r"\(?[0-9]{1,3}[a-z]?[.)]\s+|"
    r"\((?:[a-z]|[ivx]{1,4})\)\s+|[a-z]\)\s+|\\noindent\b|\\displaystyle\b|"
    r"Q[0-9]{1,2}(?:\([a-z]\))?[.)]?\s+)"
)
# (BP1), [3], (2.13), (*) before a derivative or the name of one; (W1) x is a product.
_NUMBERED = re.compile(
    r"\s*(?:\((?:[A-Z]{1,4}-?[0-9]{0,2}|[0-9]{1,2}(?:\.[0-9]{1,2})*|[*†‡★]{1,3})[a-z]?\)|"
    r"\[(?:[A-Z]{1,4}-?[0-9]{0,2}|[0-9]{1,2}(?:\.[0-9]{1,2})*)[a-z]?\]|"
    r"[0-9]{1,2}(?=:)|[A-Za-z](?=\.)|[Ss]tep [0-9]{1,2}(?=\.))[.:]?\s+"
    r"(?=[$`]*(?:\\[dt]?frac|\\partial|\\nabla|\\delta|[∂∇δ]|d[A-Za-z]\S*\s*=|d[A-Za-z]\w*\s?/\s?d|"
    r"grad_)[^=]*=)"
)
_LABEL = re.compile(
    r"\s*(?!(?:while|class|def|try|elif|else|lambda|if)\b|with\b[^:]*\()"
    r"(?:\*\*[^*=]{1,60}\*\*:?|[A-Za-z(][A-Za-z0-9 ()'\-–.]{0,60}?:)"
    r"(?=\s+[^=\s])(?=[^\n]*(?:=|←))"
)
_COMMENT = re.compile(r"(?<![^\s])#[^\n]*|(?<!\\)%[^\n]*")
_OPENS = "([{"
_CLOSES = ")]}"
_LONGEST_JOIN = 12
_LINKS = re.compile(r"(?:&|\\quad|\\qquad|\\,|\\;|\s)*(?:=|:=|≔|\\coloneqq)(?!=)")
_CONTINUES = re.compile(
    r"(?:&|\\quad|\\qquad|\\,|\\;|\s)*(?:[+\-−·⊙*/]|\\cdot\b|\\times\b|\\odot\b)"
)


# The left side of an equation whose equals sign stands on the next line.
_BEGUN = re.compile(r"[\s$*&]*[^=:.,;!?\s][^=:;!?\n]{0,80}")
_WAITS = re.compile(r"(?:[=+\-−·⊙*/@(,]|\\(?:cdot|times|odot))[\s&]*(?:\\\\)?\s*$")
_CASES = re.compile(r"\b(?:if|when|for)\b|[({]\s*[^(){}]*$")
_CLAUSE = re.compile(r"[,;.:]\s")
_SIGN = re.compile(r"[\s&]*([+\-−–·⊙*/@•]|\\(?:cdot|times|odot)(?![A-Za-z]))")


@dataclass(frozen=True)
class Place:
    """Where something that may be an equation stands.

    Attributes
    ----------
    windows : tuple of (int, int)
        Parts of the whole text that belong to it.
    kind : str
        ``math`` between delimiters, ``plain``, ``python`` in a fence that says so, ``comment``
        behind ``#`` on a line of its own.
    links : bool
        Whether it starts with an equals sign and continues the equation before it.
    """

    windows: tuple[Span, ...]
    kind: str
    links: bool = False


@dataclass(frozen=True)
class Line:
    """One physical line.

    Attributes
    ----------
    number : int
        From 1.
    start, end : int
        In the whole text, without the end of the line.
    """

    number: int
    start: int
    end: int


def physical(text: str) -> list[Line]:
    r"""Return the lines of a text.

    Examples
    --------
    >>> [(line.number, line.start, line.end) for line in physical("a\r\nb\n")]
    [(1, 0, 1), (2, 3, 4)]
    """
    lines: list[Line] = []
    at = 0
    while at < len(text):
        match = _LINE.match(text, at)
        assert match is not None
        stripped = match[0].rstrip("\r\n")
        lines.append(Line(len(lines) + 1, at, at + len(stripped)))
        at = match.end()
    return lines


def places(text: str) -> list[Place]:
    r"""Return the places of a text where an equation, a header or code may stand, in order.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of Place

    Examples
    --------
    >>> text = "1. We know $z = wx$.\n2. dz = a - y  # per example"
    >>> [text[start:end] for place in places(text) for start, end in place.windows]
    ['z = wx', 'dz = a - y']
    """
    return list(_Finder(text).run())


class _Finder:
    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = physical(text)
        self.at = 0  # the line that comes next

    def run(self) -> Iterator[Place]:
        fence = ""
        while self.at < len(self.lines):
            line = self.lines[self.at]
            written = self.text[line.start : line.end]
            fenced = _FENCE.match(written)
            if fenced:
                fence = "" if fence else (fenced[1].lower() or "text")
                self.at += 1
            elif not written.strip() or _RULE.fullmatch(written):
                self.at += 1
            elif _QUOTED.match(written):
                self._skip_quoted('"""' if '"""' in written else "'''")
            elif "<!--" in written:
                self._skip_until("-->")
            else:
                display = _DISPLAY.search(written)
                if display and not written[: display.start()].strip(" \t>*-+."):
                    yield from self._display(line.start + display.start(), display[0])
                elif self._is_table_row():
                    yield from self._cells(line)
                    self.at += 1
                else:
                    yield from self._plain(line, "python" if fence.startswith("py") else "plain")

    def _skip_quoted(self, mark: str) -> None:
        line = self.lines[self.at]
        self.at += 1
        if self.text.count(mark, line.start, line.end) % 2 == 0:
            return
        while self.at < len(self.lines):
            line = self.lines[self.at]
            self.at += 1
            if mark in self.text[line.start : line.end]:
                return

    def _skip_until(self, mark: str) -> None:
        while self.at < len(self.lines):
            line = self.lines[self.at]
            self.at += 1
            if mark in self.text[line.start : line.end]:
                return

    # -- displayed mathematics --------------------------------------------------------------------

    def _display(self, start: int, opening: str) -> Iterator[Place]:
        """Read to the end of a displayed block and yield its rows."""
        inner = start + len(opening)
        if opening == "$$":
            closing = "$$"
        elif opening == "\\[":
            closing = "\\]"
        else:
            closing = opening.partition("}")[0].replace("begin", "end") + "}"
        end = self.text.find(closing, inner)
        end = len(self.text) if end < 0 else end
        after = min(end + len(closing), len(self.text))
        while self.at < len(self.lines) and self.lines[self.at].start < after:
            self.at += 1
        yield from self._rows(inner, end)
        yield from self._within(after, self.lines[self.at - 1].end, "plain")

    def _rows(self, start: int, end: int) -> Iterator[Place]:
        rows: list[list[Span]] = [[]]
        depth, first = 0, start
        for match in _ROW_PART.finditer(self.text, start, end):
            wrapper = _WRAPPER.match(self.text, match.start(), end)
            if wrapper:
                rows[-1].append((first, match.start()))
                first = wrapper.end()
            elif match[0].startswith("\\begin"):
                depth += 1
            elif match[0].startswith("\\end"):
                depth -= 1
            elif match[0].startswith("%"):
                rows[-1].append((first, match.start()))
                first = match.end()
            elif match[0] == "\n":
                rows[-1].append((first, match.start()))
                first = match.end()
                if depth <= 0 and self._starts_equation(rows[-1], first, end):
                    rows.append([])
            elif depth <= 0:
                rows[-1].append((first, match.start()))
                first = match.end()
                rows.append([])
        rows[-1].append((first, end))
        yield from self._joined(rows)

    def _starts_equation(self, row: list[Span], first: int, end: int) -> bool:
        """Whether the line at `first` is an equation of its own though no ``\\\\`` precedes it."""
        so_far = "".join([self.text[a:b] for a, b in row])
        following = self.text[first:end].partition("\n")[0].partition("\\\\")[0]
        if "=" not in so_far or "=" not in following or _LINKS.match(following):
            return False
        return _depth(so_far) == 0 and not _CONTINUES.match(following)

    def _joined(self, rows: list[list[Span]]) -> Iterator[Place]:
        """Yield rows as places; a row that starts with an operator continues the one before."""
        waiting: list[Span] = []
        links = False
        for row in rows:
            windows = [window for window in (self._stripped(*w) for w in row) if window]
            if not windows:
                continue
            written = self.text[windows[0][0] : windows[-1][1]]
            if waiting and _CONTINUES.match(written) and "=" not in written:
                waiting.extend(windows)
                continue
            if waiting:
                yield Place(tuple(waiting), "math", links)
            waiting, links = windows, bool(_LINKS.match(written))
        if waiting:
            yield Place(tuple(waiting), "math", links)

    def _stripped(self, start: int, end: int) -> Span | None:
        written = self.text[start:end]
        if not written.strip():
            return None
        return start + len(written) - len(written.lstrip()), start + len(written.rstrip())

    # -- tables -----------------------------------------------------------------------------------

    def _is_table_row(self) -> bool:
        """Whether the next line is a row of a Markdown table: a rule stands above or below."""
        if not self._has_pipe(self.at):
            return False
        for step in (-1, 1):
            at = self.at + step
            while 0 <= at < len(self.lines) and self._has_pipe(at):
                line = self.lines[at]
                if _TABLE_RULE.fullmatch(self.text, line.start, line.end):
                    return True
                at += step
        return False

    def _has_pipe(self, at: int) -> bool:
        line = self.lines[at]
        return "|" in self.text[line.start : line.end]

    def _cells(self, line: Line) -> Iterator[Place]:
        start = line.start
        written = self.text[line.start : line.end]
        # A bar inside a formula stands for a size.
        for inner in formulas(written, 0, len(written)):
            written = written[: inner[0]] + " " * (inner[1] - inner[0]) + written[inner[1] :]
        for match in re.finditer(r"(?<!\\)\||$", written):
            yield from self._within(start, line.start + match.start(), "plain")
            start = line.start + match.end()

    # -- plain lines ------------------------------------------------------------------------------

    def _plain(self, line: Line, kind: str) -> Iterator[Place]:
        self.at += 1
        start, end = line.start, line.end
        written = self.text[start:end]
        if written.lstrip().startswith("#"):
            first = start + len(written) - len(written.lstrip(" \t#"))
            if first >= end:
                return
            if not written.lstrip().startswith("##"):
                yield Place(((first, end),), "comment")
                return
            start = first  # a heading of Markdown
        start, end = self._bare(start, end)
        if start >= end:
            return
        windows = [(start, end), *self._rest_of_brackets(start, end)]
        windows += self._rest_of_equation(windows)
        if len(windows) > 1:
            yield Place(tuple(windows), kind)
        else:
            yield from self._within(start, end, kind)

    def _bare(self, start: int, end: int, is_first: bool = True) -> Span:
        """Leave out a comment, and before an equation bullets, numbers and a label."""
        comment = _COMMENT.search(self.text, start, end)
        while comment and comment[0].startswith("%") and not self._is_tex(start, end):
            comment = _COMMENT.search(self.text, comment.start() + 1, end)
        if comment:
            end = comment.start()
        for _ in range(4 if is_first else 0):
            found = (p.match(self.text, start, end) for p in (_BULLET, _NUMBERED, _LABEL))
            match = next((match for match in found if match), None)
            if not match or match.end() == start:
                break
            start = match.end()
        window = self._stripped(start, end)
        return window or (end, end)

    def _is_tex(self, start: int, end: int) -> bool:
        written = self.text[start:end]
        return "\\" in written or "$" in written or written.lstrip().startswith("%")

    def _rest_of_brackets(self, start: int, end: int) -> list[Span]:
        """Return the windows of the indented lines that close a bracket this line leaves open."""
        windows: list[Span] = []
        depth = _depth(self.text[start:end])
        if depth <= 0 or "=" not in self.text[start:end]:
            return []
        for at in range(self.at, min(self.at + _LONGEST_JOIN, len(self.lines))):
            line = self.lines[at]
            written = self.text[line.start : line.end]
            if not written.startswith((" ", "\t", ")", "]")):
                return []
            windows.append(self._bare(line.start, line.end, is_first=False))
            depth += _depth(self.text[slice(*windows[-1])])
            if depth <= 0:
                self.at = at + 1
                return windows
        return []

    def _rest_of_equation(self, windows: list[Span]) -> list[Span]:
        """Return the windows of the lines on which an equation goes on that this line begins."""
        found: list[Span] = []
        written = "".join([self.text[a:b] for a, b in windows])
        while len(found) < _LONGEST_JOIN:
            at = self.at
            while at < len(self.lines) and at < self.at + 2 and self._is_blank(at):
                at += 1
            if at >= len(self.lines):
                break
            line = self.lines[at]
            following = self.text[line.start : line.end]
            if not self._goes_on(written, following, at - self.at):
                break
            window = self._bare(line.start, line.end, is_first=False)
            if window[0] >= window[1]:
                break
            found.append(window)
            written += " " + self.text[slice(*window)]
            self.at = at + 1
        return found

    def _is_blank(self, at: int) -> bool:
        return not self.text[self.lines[at].start : self.lines[at].end].strip()

    def _goes_on(self, written: str, following: str, blank: int) -> bool:
        """Whether a line continues what is written before it."""
        if "$" in following or "`" in following or _FENCE.match(following):
            return False
        if not _has_equals(written):
            begins = _BEGUN.fullmatch(written) is not None and _LINKS.match(following) is not None
            return begins and not _RULE.fullmatch(following)
        tail = _CLAUSE.split(written)[-1]
        if not _has_equals(tail) and stated.is_derivative(tail) and _LINKS.match(following):
            return not blank
        if written.count("\\begin{") > written.count("\\end{"):
            return True
        if blank or _has_equals(following.replace("==", "")) or not following.strip():
            return False
        if _WAITS.search(written):
            return _is_mathematics(following)
        if _CASES.search(written) and choices.CASE.search(following):
            return True
        indented = following[0] in " \t"
        sign = _SIGN.match(following)
        if sign is None or not _is_mathematics(following):
            return False
        spaced = following[sign.end() : sign.end() + 1].isspace()  # @name decorates a function
        return indented or (spaced and sign[1] not in "-*+–•")

    def _within(self, start: int, end: int, kind: str) -> Iterator[Place]:
        """Yield the formulas inside a line of prose, or the line itself."""
        window = self._stripped(start, end)
        if window is None:
            return
        start, end = window
        inner = formulas(self.text, start, end)
        outer = [start, *[place for span in inner for place in span], end]
        outside = "".join([self.text[a:b] for a, b in zip(outer[::2], outer[1::2], strict=True)])
        if not inner or (":" in outside and "(" in outside) or _has_equals(outside):
            links = bool(_LINKS.match(self.text, start, end))
            yield Place(((start, end),), kind, links)
            return
        for a, b in inner:
            bare = self._stripped(a, b)
            if bare is not None:
                yield Place((bare,), "math", bool(_LINKS.match(self.text, *bare)))


def formulas(text: str, start: int, end: int) -> list[Span]:
    r"""Return where formulas stand between ``$``, ``\(``, ``\[`` or backquotes in a line.

    Parameters
    ----------
    text : str
    start, end : int

    Returns
    -------
    list of (int, int)
        Without their delimiters.

    Examples
    --------
    >>> line = r"If $a = b$, `c = d` and \(e = f\) cost $5."
    >>> [line[slice(*span)] for span in formulas(line, 0, len(line))]
    ['a = b', 'c = d', 'e = f']
    """
    marks = [match for match in _DELIMITER.finditer(text, start, end) if _is_mark(match[0])]
    # Where each kind of mark closes next, found from the back so that this takes linear time.
    following: list[int | None] = [None] * len(marks)
    last: dict[str, int] = {}
    for place in range(len(marks) - 1, -1, -1):
        mark = marks[place][0]
        following[place] = last.get(_CLOSING.get(mark, mark))
        last[mark] = place
    found: list[Span] = []
    place = 0
    while place < len(marks):
        closing = following[place]
        if closing is None or marks[place][0] in _CLOSING.values():
            place += 1
            continue
        inner = (marks[place].end(), marks[closing].start())
        if text[slice(*inner)].strip():
            found.append(inner)
        place = closing + 1
    return found


_CLOSING = {"\\(": "\\)", "\\[": "\\]"}


def _is_mark(mark: str) -> bool:
    return mark[0] in "$`" or mark in ("\\(", "\\)", "\\[", "\\]")


def _is_mathematics(written: str) -> bool:
    """Whether a line is no sentence: it has few words of several letters."""
    words = re.findall(r"(?<![\\A-Za-z_{^.])[A-Za-z]{2,}(?![A-Za-z(_^])", written)
    return len([word for word in words if word.lower() not in FUNCTIONS]) <= 1


def _has_equals(written: str) -> bool:
    return bool(re.search(r"=|≔|←|\\gets|\\leftarrow|\\coloneqq", written))


def _depth(written: str) -> int:
    """Return how many brackets are left open."""
    return sum((char in _OPENS) - (char in _CLOSES) for char in written)
