"""Letters in their plain form: 𝐱 is x, ŷ is y with a hat, and an Arabic digit is no letter."""

from __future__ import annotations

import unicodedata

from backlit.explain.equation.text import symbols
from backlit.explain.equation.text.tokens import NotationError


def plain_letter(char: str) -> tuple[str, str | None]:
    """Return a letter or digit in its plain form and the accent it carries.

    Parameters
    ----------
    char : str

    Returns
    -------
    str
        "" for anything else.
    str or None
        What the accent adds to a name; None without one.

    Examples
    --------
    >>> plain_letter("𝐱"), plain_letter("ŷ"), plain_letter("é"), plain_letter("а")  # Cyrillic
    (('x', None), ('y', 'hat'), ('é', None), ('', None))
    """
    if char.isascii():
        return (char, None) if char.isalnum() else ("", None)
    if char in symbols.SUPERSCRIPTS or char in symbols.SUBSCRIPTS:
        return "", None
    decomposed = unicodedata.normalize("NFKD", char)
    base, marks = decomposed[0], decomposed[1:]
    if base in symbols.GREEK and not marks:
        # 𝜎 and the micro sign; read as one name by the caller.
        return base, None
    if not (base.isascii() and base.isalnum()) or len(marks) > 1:
        return "", None
    if not marks:
        return base, None
    if marks in symbols.ACCENT_MARKS:
        return base, symbols.ACCENT_MARKS[marks]
    return (char, None) if unicodedata.combining(marks) else ("", None)


def unknown_character(char: str, at: int) -> NotationError:
    """Return the error for a character that has no meaning in an equation.

    Parameters
    ----------
    char : str
    at : int
        Where it stands.

    Returns
    -------
    NotationError
        Which names what cannot be seen or is easily taken for another letter.
    """
    span = (at, at + 1)
    name = unicodedata.name(char, "a control character").lower()
    code = f"U+{ord(char):04X}"
    if char in symbols.INVISIBLE or unicodedata.category(char) in ("Cc", "Cf"):
        message = f"there is an invisible character here ({code}, {name})"
        return NotationError(message, span, fix="delete it")
    if char in '"`':
        message = "text in quotes is code, not an equation"
        return NotationError(message, span, fix="write names without quotes", is_code=True)
    if char.isalpha():
        return NotationError(
            f"‘{char}’ is not a Latin or Greek letter ({code}, {name})",
            span,
            fix="type the name again in Latin or Greek letters",
        )
    return NotationError(f"‘{char}’ ({code}) has no meaning in an equation", span)
