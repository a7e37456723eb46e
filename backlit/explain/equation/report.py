"""The report of a sheet: each claim, its verdict, and the wrong part underlined."""

from __future__ import annotations

import textwrap
import unicodedata

from backlit.explain.equation.verdicts import REFUSED, RIGHT, WRONG, Sheet, Verdict
from backlit.explain.render.characters import to_ascii

MARKS = {RIGHT: ("✓", "ok"), WRONG: ("✗", "x"), REFUSED: ("?", "?")}
_WIDTH = 88


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
        text = line.replace("\t", " ")
        rows.append(head + text.strip())
        head = " " * len(head)
        wrong = text[max(start, 0) : max(end, 0)]
        if wrong.strip() or start == len(text) < end:
            before = text[len(text) - len(text.lstrip()) : max(start, 0)]
            rows.append(head + " " * width(before) + "^" * max(width(wrong.rstrip()), 1))
        start, end = start - len(line) - 1, end - len(line) - 1
    rows.append(_wrapped(f"{verdict.verdict}: {verdict.message}", "    "))
    if verdict.suggestion is not None:
        word = "try" if verdict.verdict == WRONG else "fix"
        rows.append(_wrapped(f"{word}: {verdict.suggestion}", "    "))
    return "\n".join(rows)


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
