"""Text columns that were meant as numbers, and what stands in the way."""

from __future__ import annotations

import re

from backlit.data.near import KEYWORDS
from backlit.data.table import Table, parse_number

_FEW = 20  # so many different texts, or fewer, may well be categories
_MOST_STRAYS = 5  # values that are named
_DRESS = re.compile(r"[\s$€£¥%'’,_]")


def strays(table: Table, name: str) -> str:
    """Name the few values that make a column text whose other values are numbers.

    Parameters
    ----------
    table : Table
    name : str

    Returns
    -------
    str
        Values with their rows; "" if the column is of another kind, or truly text.

    Examples
    --------
    >>> strays(Table.from_columns({"x": [*map(str, range(99)), "n.a."]}), "x")
    "'n.a.' in row 99 (rows count from 0)"
    """
    if table.kind(name) != "category":
        return ""
    values = table[name]
    texts = {value for value in values if value is not None}
    wrong = {text for text in texts if parse_number(text) is None}
    if not wrong or len(texts) <= _FEW or len(wrong) >= len(texts) / 2:
        return ""
    rows = [row for row, value in enumerate(values) if value in wrong]
    if len(rows) >= len(values) / 10:
        return ""
    listed = [
        f"{values[row][:40]!r} in {place}"
        for row, place in zip(rows, table.places(rows[:_MOST_STRAYS]), strict=False)
    ]
    more = [f"and {len(rows) - len(listed)} more"] if len(rows) > len(listed) else []
    return "; ".join([*listed, *more])


def dressed(table: Table, name: str) -> str:
    """Say how to read a text column whose values are numbers but for signs such as $ and %.

    Parameters
    ----------
    table : Table
    name : str

    Returns
    -------
    str
        An SQL query in a sentence; "" if the column is of another kind, or truly text.

    Examples
    --------
    >>> prices = Table.from_columns({"price": [f"${k},000" for k in range(30)]})
    >>> dressed(prices, "price").split(": ")[0]
    "its values are numbers with '$' and ',', which an SQL query takes away"
    """
    if table.kind(name) != "category":
        return ""
    texts = {value for value in table[name] if value is not None}
    bare = [text for text in texts if parse_number(_DRESS.sub("", text)) is not None]
    if len(texts) <= _FEW or len(bare) < 0.9 * len(texts):
        return ""
    signs = sorted({sign for text in bare for sign in _DRESS.findall(text.strip())})
    if not signs:
        return ""
    listed = " and ".join(map(repr, signs))
    pattern = "".join(signs).replace("'", "''")
    files = table.files.paths if table.files is not None else ()
    source = str(files[0]).replace("'", "''") if len(files) == 1 else "FILE"
    # Without quotes where they are not needed, for the query goes between such in a shell.
    plain = re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) and name.upper() not in KEYWORDS
    column = name if plain else '"' + name.replace('"', '""') + '"'
    return (
        f"its values are numbers with {listed}, which an SQL query takes away: SELECT * REPLACE "
        f"(CAST(regexp_replace({column}, '[{pattern}]', '', 'g') AS DOUBLE) AS {column}) "
        f"FROM '{source}'"
    )
