"""CSV and its relatives: find the separator and the header, then read every value once."""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from backlit.core.errors import InputError
from backlit.data.duck import quote, to_table, unreadable
from backlit.data.lines import TextFiles, records
from backlit.data.table import DataWarning, Table, parse_number, reject_duplicates

if TYPE_CHECKING:
    import duckdb

# Written in place of a value that is missing, as is nothing at all.
MISSING = ("NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "?")

_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_TOGETHER = 50  # columns converted in one query
_SAMPLE = 100  # lines looked at to find the separator and the header


class Dialect(NamedTuple):
    """How a delimited file is written.

    Attributes
    ----------
    separator : str
    names : tuple of str
        Column names.
    header : bool
        Whether the first line holds the names.
    """

    separator: str
    names: tuple[str, ...]
    header: bool


def read_delimited(
    db: duckdb.DuckDBPyConnection, paths: Sequence[Path], patterns: Sequence[str]
) -> Table:
    """Read files of separated values with the same columns as one table.

    Parameters
    ----------
    db : duckdb.DuckDBPyConnection
    paths : sequence of Path
    patterns : sequence of str
        The same paths, escaped for DuckDB.

    Returns
    -------
    Table

    Raises
    ------
    InputError
        If a file is not text, a row has too many or too few values, or the files' columns differ.
    """
    tab = paths[0].name.lower().removesuffix(".gz").removesuffix(".zst").endswith((".tsv", ".tab"))
    dialect = find_dialect(_sample(db, paths[0], patterns[0]), paths[0].name, tab)
    for path, pattern in zip(paths[1:], patterns[1:], strict=True):
        other = find_dialect(_sample(db, path, pattern), path.name, tab)
        if other != dialect:
            _explain_difference(dialect, other, paths[0], path)
    if not dialect.header:
        warnings.warn(
            f"the first line of {paths[0].name} holds numbers, so it is read as a row; "
            f"the columns are named {dialect.names[0]} to {dialect.names[-1]}",
            DataWarning,
            stacklevel=3,
        )
    _load_text(db, paths, patterns, dialect)
    # In parts, because the time and memory of one query grow with the square of its columns.
    parts = [
        to_table(db, _typed_query(db, dialect, range(start, start + _TOGETHER)), paths[0].name)
        for start in range(0, len(dialect.names), _TOGETHER)
    ]
    return Table(
        dialect.names,
        tuple(column for part in parts for column in part.columns),
        tuple(kind for part in parts for kind in part.kinds),
        files=TextFiles(tuple(paths), dialect.separator, dialect.header),
    )


def _sample(db: duckdb.DuckDBPyConnection, path: Path, pattern: str) -> list[str]:
    """Return the first lines of a file, decompressed, without blank ones."""
    import duckdb

    # A separator that text files do not contain makes each line one value.
    sql = (
        "SELECT * FROM read_csv(?, columns={'line': 'VARCHAR'}, delim='\x01', quote='', "
        "escape='', header=false, auto_detect=false, strict_mode=false, hive_partitioning=false) "
        f"LIMIT {_SAMPLE}"
    )
    try:
        lines = [row[0] for row in db.execute(sql, [[pattern]]).fetchall()]
    except duckdb.Error as error:
        raise _csv_error(error, path, None) from None
    if any("\0" in line for line in lines if line):
        raise InputError(f"{path.name} is not a table: it holds binary data")
    return [line for line in lines if line is not None]


def find_dialect(lines: Sequence[str], name: str, tab: bool = False) -> Dialect:
    """Work out the separator, the header and the column names from a file's first lines.

    Parameters
    ----------
    lines : sequence of str
        Without line ends.
    name : str
        The file's name, for messages.
    tab : bool
        The separator is known to be a tab.

    Returns
    -------
    Dialect

    Raises
    ------
    InputError
        If two columns share a name.

    Examples
    --------
    >>> find_dialect(["a;b", "1,5;2"], "x.csv")
    Dialect(separator=';', names=('a', 'b'), header=True)
    >>> find_dialect(["5.1,setosa"], "x.csv")
    Dialect(separator=',', names=('column0', 'column1'), header=False)
    """
    if not lines:
        raise InputError(f"{name} has only blank lines")
    best: tuple[float, int, str, list[str]] | None = None
    for separator in ["\t"] if tab else _SEPARATORS:
        records = _records(lines, separator)
        if not records:
            continue
        width = len(records[0])
        agree = sum(len(record) == width for record in records) / len(records)
        score = (agree if width > 1 else 0.0, width, separator, records[0])
        if best is None or score[:2] > best[:2]:
            best = score
    if best is None:
        raise InputError(f"{name} is not a table: its first lines cannot be split into values")
    first = [cell.strip() for cell in best[3]]
    header = all(parse_number(cell) is None for cell in first)
    names = [cell if header and cell else f"column{i}" for i, cell in enumerate(first)]
    reject_duplicates(names, name)
    return Dialect(best[2], tuple(names), header)


def _records(lines: Sequence[str], separator: str) -> list[list[str]]:
    """Split sample lines into values, or return nothing if that is impossible."""
    reader = csv.reader((line + "\n" for line in lines), delimiter=separator)
    try:
        records = [record for record in reader if record]
    except csv.Error:
        return []
    # A quoted value may run past the end of the sample, which spoils the last record only.
    return records[:-1] if len(lines) >= _SAMPLE and len(records) > 1 else records


def _explain_difference(first: Dialect, other: Dialect, path: Path, other_path: Path) -> None:
    if first.names == other.names and first.header == other.header:
        what = f"{_SEPARATORS[first.separator]}s and {_SEPARATORS[other.separator]}s as separators"
    else:
        what = f"columns {', '.join(first.names[:10])} and {', '.join(other.names[:10])}"
    raise InputError(
        f"{path.name} and {other_path.name} do not belong together: they have {what}",
        fix="name files with the same columns in the same order",
    )


def _load_text(
    db: duckdb.DuckDBPyConnection,
    paths: Sequence[Path],
    patterns: Sequence[str],
    dialect: Dialect,
) -> None:
    """Load every value as text into the table ``raw`` with columns c0, c1, …"""
    import duckdb

    names = [f"c{i}" for i in range(len(dialect.names))]
    db.execute(f"CREATE TEMP TABLE raw ({', '.join(f'{name} VARCHAR' for name in names)})")
    # Many files have a space after each separator. Were the empty text among the markers, DuckDB
    # would take the blank lines of a file with one column for values.
    markers = [*MISSING, *(f" {marker}" for marker in MISSING)]
    # OFFSET, because DuckDB would take a blank line at the top for the header.
    sql = (
        f"INSERT INTO raw SELECT * FROM read_csv(?, columns={dict.fromkeys(names, 'VARCHAR')}, "
        f"delim='{dialect.separator}', quote='\"', escape='\"', header=false, "
        f"auto_detect=false, hive_partitioning=false, nullstr={markers}) "
        f"OFFSET {int(dialect.header)}"
    )
    for path, pattern in zip(paths, patterns, strict=True):
        try:
            db.execute(sql, [pattern])
        except duckdb.Error as error:
            raise _csv_error(error, path, dialect) from None


def _typed_query(db: duckdb.DuckDBPyConnection, dialect: Dialect, columns: range) -> str:
    """Return the query that gives some columns of ``raw`` the narrowest type their values fit."""
    columns = columns[: len(dialect.names) - columns.start]
    clean = ", ".join(f"nullif(trim(c{i}), '') AS c{i}" for i in columns)
    source = f"FROM (SELECT {clean} FROM raw)"

    def fit(columns: Sequence[int], *tests: str) -> list[set[int]]:
        """Return, for each test, the columns whose every value passes it or is missing."""
        asked = [
            f"coalesce(bool_and(c{i} IS NULL OR ({test.replace('{c}', f'c{i}')})), true)"
            for test in tests
            for i in columns
        ]
        answers = db.execute(f"SELECT {', '.join(asked)} {source}").fetchall()[0] if asked else ()
        passed = iter(answers)
        return [{i for i in columns if next(passed)} for _ in tests]

    # In a file separated by semicolons a comma is the decimal mark.
    number = "replace({c}, ',', '.')" if dialect.separator == ";" else "{c}"
    numbers, integers = fit(
        columns,
        f"TRY_CAST({number} AS DOUBLE) IS NOT NULL",
        "TRY_CAST({c} AS BIGINT) IS NOT NULL AND NOT contains({c}, '.')",
    )
    booleans, moments = fit(
        [i for i in columns if i not in numbers],
        "lower({c}) IN ('true', 'false')",
        "TRY_CAST({c} AS TIMESTAMP) IS NOT NULL AND {c} LIKE '____-%-%'",
    )

    def expression(i: int) -> str:
        if i in integers:
            return f"CAST(c{i} AS BIGINT)"
        if i in numbers:
            return f"CAST({number.replace('{c}', f'c{i}')} AS DOUBLE)"
        if i in booleans:
            return f"lower(c{i}) = 'true'"
        return f"CAST(c{i} AS TIMESTAMP)" if i in moments else f"c{i}"

    typed = ", ".join(f"{expression(i)} AS {quote(dialect.names[i])}" for i in columns)
    return f"SELECT {typed} {source}"


def _csv_error(error: Exception, path: Path, dialect: Dialect | None) -> InputError:
    """Return DuckDB's complaint about a CSV file in the user's terms."""
    text = str(error)
    line = re.search(r"CSV Error on Line: (\d+)", text)
    at = f" (line {line[1]})" if line else ""
    if "unterminated quote" in text.lower():
        return InputError(
            f"{path.name} has a quotation mark that is never closed{at}",
            fix='close it, or write a quotation mark inside a quoted value as ""',
        )
    if "unicode" in text.lower() or "utf-8" in text.lower():
        return InputError(
            f"{path.name} is not UTF-8 text{at}", fix="save the file with the encoding UTF-8"
        )
    counts = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text)
    if counts and dialect is not None:
        where, found = _locate(path, dialect) or (f"line {line[1]}" if line else "a row", counts[2])
        return InputError(
            f"{where} of {path.name} has {found} value{'s' * (int(found) != 1)} where "
            f"{counts[1]} {'is' if counts[1] == '1' else 'are'} expected",
            fix="make every row as long as the first, and quote values that hold a separator",
        )
    if "invalid state" in text:
        return InputError(
            f"{path.name} mixes kinds of line ends, or has a quotation mark out of place",
            fix="open it in a spreadsheet or an editor and save it again as CSV",
        )
    return unreadable(error, path)


def _locate(path: Path, dialect: Dialect) -> tuple[str, str] | None:
    """Find the first row of the wrong length: where it is, and how many values it has.

    DuckDB counts a value that spans lines as one line, so its line number can be off.
    """
    try:
        for number, (line, record) in enumerate(records(path, dialect.separator)):
            if len(record) != len(dialect.names):
                row = number - int(dialect.header)
                return f"line {line} (row {row}, counted from 0)", str(len(record))
    except (OSError, EOFError, UnicodeDecodeError, csv.Error):
        pass
    return None
