"""Blanks what Markdown sets around equations: ``**dz/dw**``, ``*so*``, quotes around a side."""

from __future__ import annotations

import re

_MARKS = ("***", "**", "__", "*", "_")
_BULLET = re.compile(r"[\s>]*(?:[-*+•]|\(?[0-9]{1,3}[.)])\s+")
_SAYS = re.compile(r"(?:[A-Za-z]{2,}[,:;.]?|[,;—–])$")
_QUOTED = re.compile(r"`([^`]*)`")
_STATES = re.compile(r"=|[∂∇]|\\(?:partial|nabla|frac)|d\w*\s?/\s?d\w|(?<!\w)d[A-Za-z]\w*$")


def removed(line: str) -> str:
    """Return a line with the asterisks, underscores and backquotes of Markdown as spaces.

    Parameters
    ----------
    line : str

    Returns
    -------
    str
        Of the same length.

    Examples
    --------
    >>> removed("* **dL/db** = 2 a**b").split()
    ['*', 'dL/db', '=', '2', 'a**b']
    >>> removed("Thus **dz/dx = 6x**.").split(), removed("`dz/dx` = 2").split()
    (['Thus', 'dz/dx', '=', '6x', '.'], ['dz/dx', '=', '2'])
    """
    for mark in _MARKS:
        if mark in line:
            line = _without(line, mark)
    if "`" in line:
        line = _without_quotes(line)
    return line


def _without(line: str, mark: str) -> str:
    at = 0
    while (first := line.find(mark, at)) >= 0:
        at = first + len(mark)
        last = line.find(mark, at)
        if last <= at or line[at].isspace() or line[last - 1].isspace():
            continue
        inner = line[at:last]
        behind = line[last + len(mark) : last + len(mark) + 1]
        if _opens(line[:first], mark, inner) and (not behind or behind in " \t.,;:!?|)"):
            space = " " * len(mark)
            line = line[:first] + space + inner + space + line[last + len(mark) :]
    return line


def _opens(before: str, mark: str, inner: str) -> bool:
    """Whether bold or slanted type begins behind `before`, where no operator can stand."""
    bullet = _BULLET.match(before)
    if bullet is not None and not before[bullet.end() :].strip():
        return True
    if before and before[-1] not in " \t|(":
        return False
    before = before.rstrip()
    if not before or (before[-1] in ":|>.•-=" or (before[-1] == ")" and len(before) <= 4)):
        return True
    if before.endswith((" so", " thus")) or before[-1] == "(":
        return True
    # In the middle of a sentence: an equation, or what stands left of the equals sign.
    is_told = _SAYS.search(before) is not None and "=" not in before
    return is_told and _STATES.search(inner) is not None and (len(mark) > 1 or "=" in inner)


def _without_quotes(line: str) -> str:
    """Blank the quotes of ```dz/dw` = x``, where the equals sign stands outside of them."""
    spans = list(_QUOTED.finditer(line))
    outside = _QUOTED.sub("", line)
    if not spans or "=" not in outside or any("=" in match[1] for match in spans):
        return line
    if "=" in line[: spans[0].start()] or _STATES.search(spans[0][1]) is None:
        return line
    return line.replace("`", " ")
