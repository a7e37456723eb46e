"""What a user may have meant: a file of nearly that name, a word of SQL spelled nearly so."""

from __future__ import annotations

import os
import re
from difflib import get_close_matches
from pathlib import Path

KEYWORDS = (
    "SELECT FROM WHERE WITH VALUES JOIN USING GROUP ORDER HAVING LIMIT OFFSET DISTINCT UNION "
    "LEFT RIGHT INNER OUTER CROSS BETWEEN CASE WHEN THEN ELSE END AND"
).split()
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
_BARE_FILE = re.compile(r"\b(?:from|join)\s+([\w~./-]*[./-][\w./-]*)", re.IGNORECASE)


def near_file(name: str | os.PathLike[str]) -> str | None:
    """Return the file in the same folder whose name is nearest to one that does not exist.

    Parameters
    ----------
    name : str or path

    Returns
    -------
    str or None
        As it can be typed in its place.
    """
    path = Path(name)
    try:
        names = sorted(entry.name for entry in os.scandir(path.parent) if entry.is_file())
    except OSError:
        return None
    by_folded = {found.casefold(): found for found in reversed(names)}
    by_stem = {Path(found).stem.casefold(): found for found in reversed(names)}
    folded = path.name.casefold()
    same = by_folded.get(folded) or by_stem.get(path.stem.casefold()) or by_stem.get(folded)
    near = [by_folded[match] for match in get_close_matches(folded, by_folded, n=1, cutoff=0.75)]
    found = same or next(iter(near), None)
    return None if found is None else str(path.parent / found)


def near_keyword(sql: str) -> tuple[str, str] | None:
    """Return the first word that is nearly one of SQL, and that word.

    Parameters
    ----------
    sql : str

    Returns
    -------
    (str, str) or None

    Examples
    --------
    >>> near_keyword("SELEC a FROM 'x.csv'"), near_keyword("my data.csv")
    (('SELEC', 'SELECT'), None)
    """
    for word in re.findall(r"[A-Za-z]+", _QUOTED.sub(" ", sql)):
        near = get_close_matches(word.upper(), KEYWORDS, n=1, cutoff=0.75)
        if near and near[0] != word.upper():
            return word, near[0]
    return None


def bare_file(sql: str) -> str | None:
    """Return the first file that a query names without quotes.

    Parameters
    ----------
    sql : str

    Returns
    -------
    str or None

    Examples
    --------
    >>> bare_file("SELECT * FROM my-data.csv"), bare_file("SELECT * FROM 'my-data.csv'")
    ('my-data.csv', None)
    """
    match = _BARE_FILE.search(_QUOTED.sub("''", sql))
    return match[1] if match else None
