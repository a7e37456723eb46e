"""Letters in their plain form: 𝐱 is x, ŷ is y with a hat, and an Arabic digit is no letter."""

from __future__ import annotations

import unicodedata

from backlit.explain.equation import symbols


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
