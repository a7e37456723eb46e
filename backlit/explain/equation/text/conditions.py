r"""Conditions on indices behind an equation: ``-p_i p_j \quad \text{for } i \neq j``."""

from __future__ import annotations

import re
from dataclasses import replace

from backlit.explain.equation.tree import Call, Compare, Equation, Function, Name, Node

_WORD = r"(?:for|if|when|where|with|and)"
_SPACE = r"(?:\s|~|\\(?:quad|qquad|[;,:!> ])(?![A-Za-z]))"
_CONDITION = re.compile(
    rf"(?:[,;(\[]|\\q?quad(?![A-Za-z])|\\(?:text|mathrm|textrm|rm|mbox)\s*\{{\s*,?\s*{_WORD}\s*\}}|"
    rf"(?<![A-Za-z\\]){_WORD}(?![A-Za-z]))"
    rf"(?:{_SPACE}|[,;(\[]|\\(?:text|mathrm|textrm|rm|mbox)\s*\{{[\s,]*(?:{_WORD})?[\s,]*\}}|{_WORD}(?![A-Za-z]))*"
    r"\$?(?P<one>[a-z])\s*(?P<op>==?|≠|!=|\\neq?(?![A-Za-z]))\s*(?P<other>[a-z])\$?"
    r"\s*[)\]]?[\s.$*]*\Z"
)


def trailing(text: str, start: int, end: int) -> tuple[int, Compare | None]:
    """Return where a condition on two indices begins, and the condition.

    Parameters
    ----------
    text : str
    start, end : int
        Of an equation.

    Returns
    -------
    int
        `end` if the equation ends with no condition, or the letters are no subscripts in it.
    Compare or None

    Examples
    --------
    >>> line = "dp_i/dz_j = -p_i p_j for i != j"
    >>> place, condition = trailing(line, 0, len(line))
    >>> line[:place], condition.op
    ('dp_i/dz_j = -p_i p_j ', '!=')
    """
    # From the last few characters: conditions are short, and a line may be long.
    match = _CONDITION.search(text[:end], max(start, end - 60))
    if match is None:
        return end, None
    before = text[start : match.start()]
    letters = match["one"], match["other"]
    if not all(re.search(rf"_\s*(?:{c}|\{{[^{{}}]*{c}[^{{}}]*\}})", before) for c in letters):
        return end, None
    span = match.start("one"), match.end() - len(match[0]) + len(match[0].rstrip(" .$*\n"))
    op = "==" if match["op"] in ("=", "==") else "!="
    return match.start(), Compare(op, Name(letters[0]), Name(letters[1]), span=span)


def applied(readings: tuple[Equation, ...], condition: Compare | None) -> tuple[Equation, ...]:
    """Return a claim that says nothing where a condition does not hold.

    Its right side is then the left one, so that it is judged for the other indices alone.

    Parameters
    ----------
    readings : tuple of Equation
    condition : Compare or None

    Returns
    -------
    tuple of Equation
    """
    if condition is None or not readings[0].is_claim:
        return readings
    return tuple([replace(e, right=_under(e, condition)) for e in readings])


def _under(equation: Equation, condition: Compare) -> Node:
    right, left = equation.right, equation.left
    return Call(Function("where"), (condition, right, left), span=right.span)


def stated(equation: Equation) -> tuple[Equation, Compare] | None:
    """Return the equation and the condition of what `applied` made, None for any other.

    Parameters
    ----------
    equation : Equation

    Returns
    -------
    (Equation, Compare) or None
    """
    right: Node = equation.right
    if not isinstance(right, Call) or right.function.name != "where" or len(right.args) != 3:
        return None
    condition, value, rest = right.args
    if rest != equation.left or not isinstance(condition, Compare):
        return None
    return replace(equation, right=value), condition
