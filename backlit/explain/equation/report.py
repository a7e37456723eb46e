"""The report of a sheet: each claim, its verdict, and the wrong part underlined."""

from __future__ import annotations

import textwrap
import unicodedata

from backlit.explain.equation.verdicts import REFUSED, RIGHT, WRONG, Sheet, Verdict
from backlit.explain.render.characters import to_ascii

MARKS = {RIGHT: ("✓", "ok"), WRONG: ("✗", "x"), REFUSED: ("?", "?")}
_WIDTH = 88
_LONGEST = 300  # characters of a line that are shown


def report(sheet: Sheet, ascii: bool = False) -> str:
    """Return the report of a sheet.

    Parameters
    ----------
    sheet : Sheet
    ascii : bool
        Whether it stays within ASCII; the notes are then shown as one would type them.

    Returns
    -------
    str
    """
    parts = [_entry(v, sheet.lines, ascii) for v in sheet.verdicts]
    if sheet.assumptions:
        listed = [_wrapped(f"- {text}", "  ") for text in sheet.assumptions]
        parts.insert(0, "\n".join(["Assumed, because the notes do not say:", *listed]))
    parts.append(summary(sheet))
    text = "\n\n".join(parts)
    return to_ascii(text) if ascii else text


def _entry(verdict: Verdict, lines: tuple[str, ...], ascii: bool) -> str:
    mark = MARKS[verdict.verdict][ascii]
    first, count = verdict.line - 1, verdict.claim.count("\n") + 1
    rows = []
    head = f"{mark} line {verdict.line}: "
    start, end = verdict.span if verdict.verdict != RIGHT else (0, 0)
    width = _typed_columns if ascii else _columns
    for line in lines[first : first + count] or verdict.claim.splitlines():
        text, at, to = _shortened(line.replace("\t", " "), start, end)
        rows.append(head + text.strip())
        head = " " * len(head)
        wrong = text[max(at, 0) : max(to, 0)]
        if wrong.strip() or at == len(text) < to:
            before = text[len(text) - len(text.lstrip()) : max(at, 0)]
            rows.append(head + " " * width(before) + "^" * max(width(wrong.rstrip()), 1))
        start, end = start - len(line) - 1, end - len(line) - 1
    rows.append(_wrapped(f"{verdict.verdict}: {verdict.message}", "    "))
    if verdict.suggestion is not None:
        word = "try" if verdict.verdict == WRONG else "fix"
        rows.append(_wrapped(f"{word}: {verdict.suggestion}", "    "))
    return "\n".join(rows)


def _shortened(text: str, start: int, end: int) -> tuple[str, int, int]:
    """Return the part of a very long line around a span, and where the span is in it."""
    if len(text) <= _LONGEST:
        return text, start, end
    first = max(min(start - _LONGEST // 3, len(text) - _LONGEST), 0)
    shown = text[first : first + _LONGEST]
    before, behind = "…" * (first > 0), "…" * (first + _LONGEST < len(text))
    moved = [min(max(place - first, 0), len(shown)) + len(before) for place in (start, end)]
    return before + shown + behind, moved[0], moved[1]


def _columns(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


def _typed_columns(text: str) -> int:
    return len(to_ascii(text))


def _wrapped(text: str, indent: str) -> str:
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def summary(sheet: Sheet) -> str:
    """Return how many claims of a sheet are right, wrong and refused.

    Parameters
    ----------
    sheet : Sheet

    Returns
    -------
    str
    """
    if not sheet.verdicts:
        return "There is no claim: no line has a derivative on its left side."
    counts = [
        f"{n} {word}"
        for word in (RIGHT, WRONG, REFUSED)
        if (n := sum(v.verdict == word for v in sheet.verdicts))
    ]
    return ", ".join(counts) + "."
