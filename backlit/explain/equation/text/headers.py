r"""Reads header lines: ``W^{[1]}: (4, 2)``, ``y: (3,) positive``, ``Y: (k, m) one-hot columns``."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from backlit.explain.equation.text.parser import parse_expression
from backlit.explain.equation.text.tokens import NotationError
from backlit.explain.equation.text.vocabulary import Vocabulary
from backlit.explain.equation.tree import Name, Node, Number, Span

Dimension = int | str | Node
PROPERTIES = (
    "one-hot rows",
    "one-hot columns",
    "positive",
    "in (0, 1)",
    "symmetric",
    "positive definite",
    "diagonal",
)
_LARGEST_DIMENSION = 1_000_000

_PROPERTY = re.compile(
    r"(?P<rows>one[- ]hot\s+rows?)|(?P<columns>one[- ]hot\s+col(?:umn)?s?)|"
    r"\(?(?P<hot>one[- ]hot)(?:[- ](?:encoded|encoding|vectors?|labels?)){0,2}(?![- ]?\w)\)?|"
    r"(?P<definite>positive[- ]definite)|(?P<positive>positive)|(?P<diagonal>diagonal)|"
    r"(?P<unit>(?:in|∈|\\in)\s*\(\s*0\s*,\s*1\s*\))|(?P<symmetric>symmetric)|(?P<scalar>scalar)",
    re.IGNORECASE,
)
_HOT = "one-hot"
_SPELLED = {
    "hot": _HOT,
    "rows": "one-hot rows",
    "columns": "one-hot columns",
    "positive": "positive",
    "unit": "in (0, 1)",
    "symmetric": "symmetric",
    "definite": "positive definite",
    "diagonal": "diagonal",
}
# A dimension may have a layer: (n^{[l]}, m), (d^{(k)}, d^{(k-1)}).
_DIMS = re.compile(
    r"[(\[](?P<inside>[^()\[\]]*(?:(?:\[[^()\[\]]*\]|\([^()\[\]]*\))[^()\[\]]*)*)[)\]]"
)
_TIMES = re.compile(r"\s*(?:,|×|\\times\b|\\cdot\b|\*|(?<=[0-9\s])x(?=[0-9\s]))\s*")
_PLAIN_DIMS = re.compile(r"[0-9]+\s*[x×]\s*[0-9]+")
_MEMBER = re.compile(r"∈|\\in(?![A-Za-z])")
_SPACE = re.compile(
    r"\s*(?:\\mathbb\s*\{?\s*R\s*\}?|ℝ|R(?=[\s^$`.,;]|$))\s*(?:\^\s*(?P<dims>[^$`]*))?"
)
_GROUP = re.compile(r"\{(?P<inside>[^{}]*(?:\{[^{}]*\}[^{}]*)*)\}")
_LEAD = re.compile(
    r"\s*(?:where|with|let|given|here|for|assume|suppose|shapes?|dimensions?|sizes?)\b\s*[:,]?\s+",
    re.IGNORECASE,
)
_FOLLOWING = re.compile(
    r"(?:[,;]\s*(?:and\s+)?|\s+and\s+)(?=[^,:()\[\]]*(?:\^\s*\{?[(\[][^,:()\[\]]*[)\]]\}?)?\s*:\s*[(\[])"
)
_LONGEST_NAME = 80
_LONGEST_DIMS = 400
_MOST_NAMES = 50
_AROUND = " \t\r\n$`*"


@dataclass(frozen=True)
class Header:
    """What a line says about the shape and the values of a name.

    Attributes
    ----------
    line : int
        From 1.
    text : str
        The line.
    name : Name
    dims : tuple of (int, str or Node), or None
        A number, a dimension's name, or for a family an expression such as ``n^{[l]}``; None where
        the line says nothing of the shape.
    properties : frozenset of str
        Of `PROPERTIES`.
    span : (int, int)
        In the line.
    """

    line: int
    text: str
    name: Name
    dims: tuple[Dimension, ...] | None
    properties: frozenset[str]
    span: Span


@dataclass(frozen=True)
class _Found:
    names: Span
    dims: Span | None
    rest: Span


def looks_like_header(text: str, start: int, end: int) -> bool:
    """Whether ``text[start:end]`` has the form of a header.

    Examples
    --------
    >>> [looks_like_header(t, 0, len(t)) for t in ("W: (4, 2)", "a: positive", "Note: see (2)")]
    [True, True, False]
    """
    return _find(text, start, end) is not None


def read_headers(text: str, start: int, end: int, line: int) -> list[Header]:
    r"""Read a header line, ``W1: (4, 2)`` or several with commas between them.

    Parameters
    ----------
    text : str
        The line.
    start, end : int
        Which part of it.
    line : int
        Its number.

    Returns
    -------
    list of Header

    Raises
    ------
    NotationError

    Examples
    --------
    >>> header, = read_headers("Y: (k, m) one-hot columns", 0, 25, 1)
    >>> header.name.base, header.dims, sorted(header.properties)
    ('Y', ('k', 'm'), ['one-hot columns'])
    """
    headers: list[Header] = []
    while start < end:
        found = _find(text, start, end)
        if found is None or len(headers) > _MOST_NAMES:
            raise NotationError("this is not a header", (start, end), fix="write W: (4, 2)")
        following = _FOLLOWING.search(text, found.rest[0], end)
        stop = following.start() if following else end
        properties = _properties(text, found.rest[0], stop)
        dims: tuple[Dimension, ...] | None = () if "scalar" in properties else None
        if found.dims is not None:
            dims = _dims(text, *found.dims)
        if _HOT in properties:
            properties = properties - {_HOT} | {_hot(dims, (found.rest[0], stop))}
        for name in _names(text, *found.names):
            span = (name.span[0], stop)
            headers.append(Header(line, text, name, dims, properties - {"scalar"}, span))
        start = following.end() if following else end
    return headers


def _find(text: str, start: int, end: int) -> _Found | None:
    """Return where the name, the dimensions and the properties of a header stand."""
    if "\n" in text[start:end]:
        return None
    lead = _LEAD.match(text, start, end)
    start = lead.end() if lead is not None else start
    near = min(end, start + _LONGEST_NAME)
    member = _MEMBER.search(text, start, near)
    if member and (space := _SPACE.match(text, member.end(), end)):
        return _in_space(text, (start, member.start()), space, end)
    colon = text.find(":", start, near)
    names = _bare(text, start, colon)
    if colon < 0 or "=" in text[start : colon + 2] or names[0] >= names[1]:
        return None
    after, stop = _bare(text, colon + 1, end)
    dims = _DIMS.match(text, after, min(stop, after + _LONGEST_DIMS))
    dims = dims or _PLAIN_DIMS.match(text, after, stop)
    if dims is None:
        stated = _PROPERTY.match(text, after, stop)
        is_stated = stated is not None and stated.lastgroup != "hot"
        return _Found(names, None, (after, end)) if is_stated else None
    inside = dims.span("inside") if dims.re is _DIMS else dims.span()
    # "Two layers: (see above)" and "Note: (4, 2) is a point of the plane" are prose.
    words = re.search(r"[A-Za-z]{2,}\s+[A-Za-z]{2,}", f"{text[slice(*names)]}: {dims[0]}")
    if words or len(re.findall(r"[A-Za-z]{3,}", text[dims.end() : end])) > 5:
        return None
    return _Found(names, inside, (dims.end(), end))


def _in_space(text: str, names: Span, space: re.Match[str], end: int) -> _Found | None:
    names = _bare(text, *names)
    if names[0] >= names[1]:
        return None
    if space["dims"] is None:
        after = space.end()
        return _Found(names, (after, after), (after, end))
    start = space.start("dims")
    if text[start] == "{":
        close = text.find("}", start)
        while (
            0 <= close < end and text.count("{", start, close) > text.count("}", start, close) + 1
        ):
            close = text.find("}", close + 1)
        return _Found(names, (start + 1, close), (close + 1, end)) if close > 0 else None
    stop = re.compile(r"[\w×]*").match(text, start, end)
    after = stop.end() if stop else start
    return _Found(names, (start, after), (after, end))


def _bare(text: str, start: int, end: int) -> Span:
    """Leave out spaces and delimiters around a part of a line."""
    while start < end and text[start] in _AROUND:
        start += 1
    while end > start and text[end - 1] in _AROUND:
        end -= 1
    return start, end


def _names(text: str, start: int, end: int) -> list[Name]:
    names: list[Name] = []
    for match in re.finditer(r"[^,]+(?:\{[^{}]*\}[^,]*)*", text[start:end]):
        a, b = start + match.start(), start + match.end()
        # Every word is one name here: nothing is known yet.
        base = re.match(r"\s*([A-Za-z]\w*?)'*(?![A-Za-z0-9])", text[a:b])
        known = frozenset([base[1]]) if base else frozenset()
        primed = re.match(
            r"\s*([A-Za-z][A-Za-z0-9]*)(?:'|′|\^\s*\{?\s*\\prime\s*\}?)\s*$", text[a:b]
        )
        if primed:
            known |= {primed[1] + "'"}
        bracketed = re.match(r"\s*([A-Za-z]+)\[", text[a:b])
        node = parse_expression(
            text,
            Vocabulary(
                variables=known,
                layered=frozenset(re.findall(r"[A-Za-z]+", text[a:b])),
                bracketed=frozenset([bracketed[1]]) if bracketed else frozenset(),
            ),
            a,
            b,
        )[0]
        if not isinstance(node, Name):
            raise NotationError(
                "a header starts with a name", (a, b), fix="write it as W^{[1]}: (4, 2)"
            )
        names.append(node)
    return names


def of_example(header: Header) -> Header:
    """Return a header of ``x^{(i)}`` with i for the number of an example, not of a layer.

    Parameters
    ----------
    header : Header

    Returns
    -------
    Header
    """
    name = header.name
    if name.layer is None or not name.is_round:
        return header
    index = (*name.index, name.layer)
    made = replace(name, layer=None, is_round=False, index=index, above=(len(name.index),))
    return replace(header, name=made)


def _dims(text: str, start: int, end: int) -> tuple[Dimension, ...]:
    if not text[start:end].strip():
        return ()
    found: list[Dimension] = []
    at = start
    for match in [*_TIMES.finditer(text, start, end), None]:
        stop = match.start() if match else end
        if text[at:stop].strip():
            found.append(_dimension(text, at, stop))
        elif match is not None or not found:
            raise NotationError(
                "a dimension is missing", (at, stop + 1), fix="write (4, 2) or (3,)"
            )
        at = match.end() if match else end
    return tuple(found)


def _dimension(text: str, start: int, end: int) -> Dimension:
    node = parse_expression(text, None, start, end)[0]
    if isinstance(node, Number):
        if node.value.denominator != 1 or not 1 <= node.value <= _LARGEST_DIMENSION:
            raise NotationError("a dimension is a whole number from 1", node.span)
        return int(node.value)
    if isinstance(node, Name) and node.layer is None and not node.index:
        return node.base
    return node


def _properties(text: str, start: int, end: int) -> frozenset[str]:
    found: set[str] = set()
    at = start
    for match in _PROPERTY.finditer(text, start, end):
        _only_separators(text, at, match.start())
        found.add(_SPELLED.get(match.lastgroup or "", "scalar"))
        at = match.end()
    _only_separators(text, at, end)
    return frozenset(found)


def _hot(dims: tuple[Dimension, ...] | None, span: Span) -> str:
    """Return along what a variable is one-hot, of which the header only says that it is."""
    if dims is not None and (len(dims) == 1 or (len(dims) == 2 and dims[0] == 1)):
        return "one-hot rows"
    if dims is not None and len(dims) == 2 and dims[1] == 1:
        return "one-hot columns"
    raise NotationError(
        "‘one-hot’ does not say along which axis of the array",
        span,
        fix="write one-hot rows or one-hot columns",
    )


def _only_separators(text: str, start: int, end: int) -> None:
    left = re.sub(r"[\s,;.$`*\[\]]|\band\b|\bentries\b|\bvalues\b", "", text[start:end])
    if left:
        raise NotationError(
            f"‘{text[start:end].strip(' ,;')}’ is not a property",
            (start, end),
            fix=f"properties are {', '.join(PROPERTIES)}",
        )
