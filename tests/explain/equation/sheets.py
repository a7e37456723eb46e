"""Notes whose claims say at their end what they are: ``dz/dw = x   %% right``, ``%% wrong``."""

from __future__ import annotations

from backlit.explain.equation.sheet import check
from backlit.explain.equation.verdicts import Sheet, Verdict


def unmarked(marked: str) -> tuple[str, dict[int, str]]:
    """Return notes without their marks, and the marks by line."""
    lines, marks = [], {}
    for number, line in enumerate(marked.strip("\n").split("\n"), start=1):
        text, _, mark = line.partition("%%")
        lines.append(text.rstrip())
        if mark:
            marks[number] = mark.strip()
    return "\n".join(lines), marks


def assert_as_marked(marked: str) -> Sheet:
    """Check notes, and that every line with a mark, and no other, has that verdict."""
    text, marks = unmarked(marked)
    sheet = check(text)
    with_kind = {line for line, mark in marks.items() if " " in mark}
    found = {
        v.line: f"{v.verdict} {v.kind}" if v.line in with_kind else v.verdict
        for v in sheet.verdicts
    }
    assert found == marks, "\n".join(
        f"{v.line}: {v.verdict} {v.kind}: {v.message}" for v in sheet.verdicts
    )
    return sheet


def only(text: str) -> Verdict:
    """Return the verdict on notes with one claim."""
    (verdict,) = check(text).verdicts
    return verdict
