"""How wide text can become, so that it stays in its box in whatever font a reader has."""

from __future__ import annotations

import unicodedata

# In hundredths of the size: the advance widths of a font that is wider than nearly all others
# (DejaVu Sans), rounded up. A reader's own font may be narrower.
_WIDTHS = {
    28: "'ijl",
    30: "IJ",
    32: " ,.·",
    34: "/:;\\|",
    36: "f",
    37: "-",
    40: "()[]t",
    41: "!ᵀ²³¹⁰⁴⁵⁶⁷⁸⁹ⁿ₀₁₂₃₄₅₆₇₈₉",
    42: "r",
    46: '"',
    50: "*_`‖′",
    53: "szx∂",
    55: "c?",
    60: "vyLFkP",
    65: "$0123456789ESTYabdeghnopqu{}σΣ√λδπτ",
    70: "ABCKRVXZ∇αβγθμρφ",
    80: "&DGHNOQU",
    85: "w#+<=>^~×⊙−→←↑↓≥≤≠≈∞",
    90: "Mω∈",
    100: "%mW@…",
}
_WIDTH = {character: width for width, group in _WIDTHS.items() for character in group}
_WIDTH["x"] = 60


def width_of(text: str, size: float) -> float:
    """Return how wide a line of text may become.

    Parameters
    ----------
    text : str
    size : float
        Of the letters, in the unit of the result.

    Returns
    -------
    float

    Examples
    --------
    >>> width_of("W1", 10.0)
    16.5
    """
    return size * sum(_WIDTH.get(c) or _other(c) for c in text) / 100


def _other(character: str) -> int:
    # Chinese, Japanese and Korean letters are square; no other letter is wider than W.
    return 110 if unicodedata.east_asian_width(character) in "WF" else 100


def shortened(text: str, most: int) -> str:
    """Return text without its middle if it is long.

    Parameters
    ----------
    text : str
    most : int
        Characters.

    Returns
    -------
    str

    Examples
    --------
    >>> shortened("model.encoder.layers.0.W", 15)
    'model.e…ers.0.W'
    """
    if len(text) <= most:
        return text
    half = (most - 1) // 2
    return f"{text[:half]}…{text[-(most - half - 1) :]}"
