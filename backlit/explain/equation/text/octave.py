"""Octave and MATLAB: ``.*`` is element by element, ``*`` the matrix product, sums count from 1."""

from __future__ import annotations

import re

_SURE = re.compile(r"=[^\n]*(?:[A-Za-z_)\]']|[A-Za-z_][A-Za-z0-9_]*|\s)\.[*^/]\s*[\w(\[-]")
_PYTHON = re.compile(r"\bnp\.|\*\*|\\[a-z]|(?<=\s)@(?=\s)")
_STAR = re.compile(r"(?<![.*])\*(?![*.=])")
_AXIS = re.compile(r"(?<![A-Za-z_])(?:sum|mean|prod|cumsum)\(")
_FENCE_OR_BULLET = re.compile(r"^\s*(?:[*]\s|`{3})")


def translated(text: str) -> str:
    """Return notes in Octave with the operators of the notation, any others as they are.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        Of the same length.

    Examples
    --------
    >>> translated("dZ = (W' * d) .* A .^ 2;"), translated("J = sum(a .* b, 2)")
    ("dZ = (W' · d)  * A  ^ 2;", 'J = sum(a  * b, 1)')
    >>> translated("y = 2.*x * z")
    'y = 2.*x * z'
    """
    if _SURE.search(text) is None or _PYTHON.search(text):
        return text
    return "".join([_line(line) for line in text.splitlines(keepends=True)])


def _line(line: str) -> str:
    bullet = _FENCE_OR_BULLET.match(line)
    start = bullet.end() if bullet else 0
    body = _STAR.sub("·", line[start:])
    body = re.sub(r"\.(?=[*/^])(?!\.[*/^]{2})", " ", body)
    return line[:start] + _from_zero(body)


def _from_zero(line: str) -> str:
    """Count the axes of sums from 0: ``sum(x, 1)`` is over the rows."""
    for match in _AXIS.finditer(line):
        depth, at = 1, match.end()
        while at < len(line) and depth:
            depth += (line[at] in "([") - (line[at] in ")]")
            at += 1
        axis = re.search(r",\s*([12])\s*\)$", line[match.start() : at])
        if axis is not None:
            place = match.start() + axis.start(1)
            line = line[:place] + str(int(line[place]) - 1) + line[place + 1 :]
    return line
