"""What characters become where they cannot be written: in ASCII, and in LaTeX's text."""

from __future__ import annotations

import re
import unicodedata

from backlit.explain.equation.text.symbols import GREEK

_ASCII = {
    "∂": "d",
    "∇": "grad ",
    "·": "*",
    "⋅": "*",
    "×": "x",
    "⊙": "(*)",
    "−": "-",
    "–": "-",
    "—": "-",
    "→": "->",
    "←": "<-",
    "↑": "^",
    "↓": "v",
    "⇒": "=>",
    "…": "..",
    "≥": ">=",
    "≤": "<=",
    "≠": "!=",
    "≈": "~",
    "∞": "inf",
    "√": "sqrt",
    "∛": "cbrt",
    "∑": "sum",
    "Σ": "sum",
    "∏": "prod",
    "∈": "in",
    "‖": "||",
    "½": "1/2",
    "¼": "1/4",
    "¾": "3/4",
    "′": "'",
    "″": "''",
    "‴": "'''",
    "’": "'",
    "‘": "'",
    "“": '"',
    "”": '"',
    "ᵀ": "^T",
    "⊤": "^T",
    "ℓ": "l",
    "°": " degrees",
    "\u00a0": " ",
    "\u2009": " ",
    "\u202f": " ",
}
_ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u ",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r ",
    "\u030b": "H ",
    "\u030c": "v ",
    "\u0327": "c ",
    "\u0328": "k ",
}
_NUMBERED = re.compile(r"([A-Za-z]+)_?(\d+)")
_SCRIPTS = re.compile("([⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾⁼ⁿᵏˡʲⁱ⁻]+)|([₀₁₂₃₄₅₆₇₈₉₊₋₍₎₌ₐₑᵢⱼₖₗₘₙₚᵣₛₜᵤᵥₓ]+)")
_MORE_SCRIPTS = {"ʲ": "j", "ᵏ": "k", "ˡ": "l"}


def numbered(name: str) -> tuple[str, str]:
    """Return letter and number of a name that is one letter with a number, else name and "".

    Parameters
    ----------
    name : str

    Returns
    -------
    letter : str
    digits : str

    Examples
    --------
    >>> numbered("W1"), numbered("Z_2"), numbered("sigma3"), numbered("conv2")
    (('W', '1'), ('Z', '2'), ('sigma', '3'), ('conv2', ''))
    """
    match = _NUMBERED.fullmatch(name)
    if match and (len(match[1]) == 1 or match[1] in GREEK.values()):
        return match[1], match[2]
    return name, ""


def to_ascii(text: str) -> str:
    """Return text in ASCII, as a mathematician would type it.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        What has no such form is escaped as in Python.

    Examples
    --------
    >>> to_ascii("∂L/∂W₁ = δ·aᵀ → σ(z²)"), to_ascii("naïve é 網")
    ('dL/dW_1 = delta*a^T -> sigma(z^2)', 'na\\\\xefve \\\\xe9 \\\\u7db2')
    """
    if text.isascii():
        return text
    flat = _SCRIPTS.sub(_typed_script, text)
    plain = "".join([_ASCII.get(c) or GREEK.get(c) or c for c in flat])
    return plain.encode("ascii", "backslashreplace").decode()


def _typed_script(match: re.Match[str]) -> str:
    sign = "^" if match[1] else "_"
    inside = _script(match[0])
    return f"{sign}{inside}" if len(inside) == 1 else f"{sign}({inside})"


def _script(raised: str) -> str:
    """Return the letters that raised or lowered ones are of."""
    letters = [_MORE_SCRIPTS.get(c) or unicodedata.normalize("NFKC", c) for c in raised]
    return "".join(letters).replace("−", "-")


# --- LaTeX ------------------------------------------------------------------------------------

_RESERVED = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"$\mathdollar$",  # \$ may need a further font
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    '"': "''",
}
_LATEX = {
    "∂": r"$\partial$",
    "∇": r"$\nabla$",
    "·": r"$\cdot$",
    "⋅": r"$\cdot$",
    "×": r"$\times$",
    "÷": r"$\div$",
    "±": r"$\pm$",
    "⊙": r"$\odot$",
    "∘": r"$\circ$",
    "−": "$-$",
    "–": "--",
    "—": "---",
    "→": r"$\rightarrow$",
    "←": r"$\leftarrow$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "⇒": r"$\Rightarrow$",
    "…": r"\dots{}",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "≠": r"$\neq$",
    "≈": r"$\approx$",
    "∞": r"$\infty$",
    "√": r"$\surd$",
    "∑": r"$\sum$",
    "∏": r"$\prod$",
    "∈": r"$\in$",
    "‖": r"$\Vert$",
    "½": r"$\frac12$",
    "¼": r"$\frac14$",
    "¾": r"$\frac34$",
    "′": r"$'$",
    "″": r"$''$",
    "’": "'",
    "‘": "`",
    "“": "``",
    "”": "''",
    "ᵀ": r"$^{T}$",
    "⊤": r"$^{\top}$",
    "ℓ": r"$\ell$",
    "°": r"$^{\circ}$",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "å": r"\aa{}",
    "Å": r"\AA{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
    "\u00a0": "~",
    "\u2009": r"\,",
    "\u202f": r"\,",
}
# Greek letters that LaTeX has no command for look like these.
_LATIN = dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΧο", "ABEZHIKMNOPTXo", strict=True))


def to_latex(text: str) -> str:
    r"""Return text for LaTeX: what it reserves and what ASCII lacks is written as commands.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        In ASCII.

    Examples
    --------
    >>> print(to_latex("50 % of ∂L/∂w_1 → ü²"))
    50 \% of $\partial$L/$\partial$w\_1 $\rightarrow$ \"{u}$^{2}$
    """
    pieces, last = [], 0
    for match in _SCRIPTS.finditer(text):
        pieces += [_latex(c) for c in text[last : match.start()]]
        pieces.append(f"${'^' if match[1] else '_'}{{{_script(match[0])}}}$")
        last = match.end()
    return "".join([*pieces, *[_latex(c) for c in text[last:]]])


def _latex(character: str) -> str:
    found = _RESERVED.get(character) or _LATEX.get(character)
    if found is not None:
        return found
    if character.isascii():
        return character if character.isprintable() else " "
    if character in _LATIN:
        return f"${_LATIN[character]}$"
    if character in GREEK:
        return f"$\\{GREEK[character]}$"
    return _accented(character) or rf"\texttt{{[U+{ord(character):04X}]}}"


def _accented(character: str) -> str:
    """Return a letter with an accent, or ""."""
    parts = unicodedata.normalize("NFD", character)
    if len(parts) == 2 and parts[0].isascii() and parts[1] in _ACCENTS:
        return rf"\{_ACCENTS[parts[1]]}{{{parts[0]}}}"
    plain = unicodedata.normalize("NFKC", character)
    return plain if plain.isascii() and plain.isalnum() else ""
