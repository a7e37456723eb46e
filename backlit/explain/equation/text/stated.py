r"""Finds where a text seems to state a derivative, so that no claim is passed over in silence."""

from __future__ import annotations

import re

from backlit.explain.equation.text.vocabulary import FUNCTIONS

_D = r"(?:[∂𝜕ⅆδ]|d|\\partial|\\(?:mathrm|text|operatorname|rm)\s*\{?\s*d\s*\}?)"
_LETTER = r"\\?[A-Za-zα-ωΑ-Ωℓ({𝐀-𝟋]"
_DERIVATIVE = re.compile(
    r"[∂𝜕∇]|\\(?:partial|nabla)(?![A-Za-z])|(?<![A-Za-z\\])grad(?:_|(?=[\s(]))|"
    rf"(?<![A-Za-z\\]){_D}[\s²^{{}}2]*[^\s/=+]{{0,24}}[ ]?/\s*\(?\s*{_D}\s*{_LETTER}|"
    rf"\\[dtc]?frac\s*\{{\s*{_D}[^=\n]{{0,60}}?\}}\s*\{{\s*{_D}|"
    r"(?<![A-Za-z\\])d[A-Za-z]\w{0,20}_d[A-Za-z]|"
    r"(?<![A-Za-z\\])[A-Za-zα-ω]['′’]{1,2}\s?\([^()=\n]{1,20}\)(?=[\s$*]*=)"
)
_BARE = re.compile(r"(?<![A-Za-z\\0-9_^{])d ?(?P<name>[A-Za-zα-ω]\w{0,5})[^\s=]{0,12}[\s$*&]*$")
_RELATION = re.compile(
    r"(?<![<>!=:])=(?![>=])|:=|==(?!=|>)|≔|≡|≜|\\(?:coloneqq|equiv|triangleq)(?![A-Za-z])|"
    r"[≈≃≅∝≐]|\\(?:approx|simeq|propto|cong|sim|doteq)(?![A-Za-z])|(?<=\s)~(?=\s)"
)
_INEXACT = "≈≃≅∝~"
_BOUNDARY = re.compile(
    r"[;⇒⟹⇔]|=>|,\s|[.?!]\s|\\(?:implies|Rightarrow|quad|qquad)(?![A-Za-z])|\\\\"
)
_WORD = re.compile(r"(?<![\\A-Za-z_^{])[A-Za-z]{3,}(?![A-Za-z(])")
_PUT_IN = re.compile(r"(?:\\right\s*|(?<![|‖]))(?:\||\\r?vert(?![A-Za-z]))\s*_\s*\{?[^|]*=")
_LETTERS = re.compile(r"(?<![A-Za-z0-9\\])[A-Za-zα-ω][0-9]?(?![A-Za-z0-9])")
_IDLE = frozenset("now also then just simply therefore thus hence equals".split())
_WORDS_ONLY = re.compile(r"[A-Za-z ,:;'’\"\-–—.0-9()?!]*[A-Za-z]{2,}[A-Za-z ,:;'’\"\-–—.0-9()?!]*")


def claims(text: str, start: int, end: int, names: frozenset[str]) -> list[tuple[int, int]]:
    """Return where derivatives stand directly left of an equals sign, and that sign.

    Parameters
    ----------
    text : str
    start, end : int
    names : frozenset of str
        Names that the notes define.

    Returns
    -------
    list of (int, int)

    Examples
    --------
    >>> line = "We want dz/dw. So dz/dw = x"
    >>> claims(line, 0, len(line), frozenset("z"))
    [(18, 24)]
    """
    found: list[tuple[int, int]] = []
    at = start
    for relation in _RELATION.finditer(text, start, end):
        stretch = (at, relation.start())
        at = relation.end()
        if stretch[1] - stretch[0] > 600:
            stretch = (stretch[1] - 600, stretch[1])
        for boundary in _BOUNDARY.finditer(text, *stretch):
            stretch = (boundary.end(), stretch[1])
        place = _left(text, *stretch, names)
        if place is not None:
            found.append((place, relation.start()))
    return found


def _left(text: str, start: int, end: int, names: frozenset[str]) -> int | None:
    """Return where the first derivative stands from which on there are no words."""
    place: int | None = None
    for match in reversed(list(_DERIVATIVE.finditer(text, start, end))):
        words = [w for w in _WORD.findall(text[match.start() : end]) if not _idle(w, names)]
        if words and not match[0].startswith("\\"):
            break
        if any(len(w) > 3 for w in words):
            break
        place = match.start()
    if place is None:
        bare = _BARE.search(text, start, end)
        if bare is not None and bare["name"] in names:
            place = bare.start()
    return place


def _idle(word: str, names: frozenset[str]) -> bool:
    lower = word.lower()
    return word in names or lower in _IDLE or lower in FUNCTIONS or lower in ("frac", "grad")


def letters(text: str) -> frozenset[str]:
    """Return the letters, with digits behind them, that stand alone somewhere in a text.

    Examples
    --------
    >>> sorted(letters("z = w1 x, dz = 1"))
    ['w1', 'x', 'z']
    """
    return frozenset(_LETTERS.findall(text))


def lead(text: str, start: int, end: int, names: frozenset[str]) -> int:
    """Return where the first claim of a line starts if only words stand before it, else `start`.

    Parameters
    ----------
    text : str
    start, end : int
    names : frozenset of str

    Returns
    -------
    int

    Examples
    --------
    >>> line = "My answer dz/dw = x"
    >>> lead(line, 0, len(line), frozenset("z"))
    10
    """
    found = claims(text, start, end, names)
    if not found:
        return start
    before = text[start : found[0][0]]
    words = [word for word in _WORD.findall(before) if not _idle(word, names)]
    return found[0][0] if words and _WORDS_ONLY.fullmatch(before) else start


def is_derivative(written: str) -> bool:
    """Whether there is a derivative in a stretch of text.

    Examples
    --------
    >>> is_derivative("grad_w z"), is_derivative("a / b")
    (True, False)
    """
    return _DERIVATIVE.search(written) is not None


def has_bar(text: str) -> bool:
    r"""Whether values are put in behind a bar: ``\left. … \right|_{x=1}``, ``|_{w=2}``.

    Examples
    --------
    >>> has_bar(r"\frac{dz}{dw} |_{w=2} = x"), has_bar("||x||_2 = 1")
    (True, False)
    """
    return _PUT_IN.search(text) is not None


def inexact(text: str, start: int, end: int, names: frozenset[str]) -> tuple[int, int] | None:
    """Return the claim that a derivative is only about equal to something, if that is stated.

    Parameters
    ----------
    text : str
    start, end : int
    names : frozenset of str

    Returns
    -------
    (int, int) or None

    Examples
    --------
    >>> inexact("dz/dw ≈ x", 0, 9, frozenset()), inexact("dz/dw = 1/3 ≈ 0.33", 0, 18, frozenset())
    ((0, 9), None)
    """
    found = claims(text, start, end, names)
    if found and is_inexact(text[found[0][1] : found[0][1] + 7]):
        return found[0][0], end
    return None


def is_inexact(sign: str) -> bool:
    """Whether a sign says that two sides are only about equal, or proportional.

    Examples
    --------
    >>> is_inexact("≈"), is_inexact("=")
    (True, False)
    """
    return sign[:1] in _INEXACT or sign.startswith(("\\approx", "\\sim", "\\prop", "\\cong"))
