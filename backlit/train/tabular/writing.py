"""Writing columns to a file: CSV, TSV, Parquet or JSON by its extension, whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from backlit.core.errors import InputError
from backlit.data.tensorfile import replace_file

Column = tuple[str, Sequence[Any]]

_FORMATS = (".csv", ".tsv", ".parquet", ".json", ".ndjson", ".jsonl")
_ROWS_AT_A_TIME = 10_000


def check_path(path: str | os.PathLike[str], inputs: Iterable[str] = ()) -> Path:
    """Return where to write, or raise before any work is done.

    Parameters
    ----------
    path : path
    inputs : iterable of str
        Files that are read and so must not be replaced.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If the extension is unknown, the folder does not exist or may not be written to, or the
        file is an input.

    Examples
    --------
    >>> check_path("predictions.xlsx")
    Traceback (most recent call last):
    backlit.core.errors.InputError: predictions.xlsx does not say what format to write
      fix: end its name in .csv, .tsv, .parquet, .json, .ndjson or .jsonl
    """
    found = Path(os.path.expanduser(os.fspath(path)))
    if found.is_dir():
        raise InputError(f"{found} is a directory", fix=f"name a file: {found / 'predictions.csv'}")
    if found.suffix.lower() not in _FORMATS:
        raise InputError(
            f"{found.name} does not say what format to write",
            fix=f"end its name in {', '.join(_FORMATS[:-1])} or {_FORMATS[-1]}",
        )
    if not found.parent.is_dir():
        raise InputError(
            f"there is no folder {found.parent} to write {found.name} into",
            fix=f"make it first, or write into this folder: {found.name}",
        )
    if not os.access(found.parent, os.W_OK | os.X_OK):
        raise InputError(f"no permission to write into {found.parent.absolute()}")
    for name in inputs:
        if os.path.exists(name) and found.exists() and os.path.samefile(name, found):
            raise InputError(f"{found} is read from, so it is not written to", fix="another name")
    return found


def write_columns(path: Path, columns: Sequence[Column]) -> None:
    """Write columns of equal length to a file.

    Parameters
    ----------
    path : Path
        Checked by `check_path`.
    columns : sequence of (name, values)
        Values are text, booleans, ints or floats, of one type per column.

    Raises
    ------
    InputError
        If the file cannot be written; one that was there before is as it was.

    Examples
    --------
    >>> path = Path(tempfile.mkdtemp()) / "out.ndjson"
    >>> write_columns(path, [("a", [1, 2]), ("b", ["x", "y"])])
    >>> print(path.read_text().splitlines()[0])
    {"a": 1, "b": "x"}
    """
    kind = path.suffix.lower()
    if kind == ".parquet":
        replace_file(path, [_parquet(columns)])
    elif kind == ".json":
        replace_file(path, _encoded(_json(columns)))
    elif kind in (".ndjson", ".jsonl"):
        replace_file(path, _encoded(f"{line}\n" for line in _records(columns)))
    else:
        replace_file(path, _encoded(_delimited(columns, "\t" if kind == ".tsv" else ",")))


def print_csv(columns: Sequence[Column], stream: TextIO) -> None:
    """Write columns as CSV to an open stream.

    Parameters
    ----------
    columns : sequence of (name, values)
    stream : text stream

    Examples
    --------
    >>> import sys
    >>> print_csv([("a", [1.5]), ("b", [True])], sys.stdout)
    a,b
    1.5,true
    """
    for text in _delimited(columns, ","):
        stream.write(text)


def _encoded(texts: Iterable[str]) -> Iterator[bytes]:
    return (text.encode("utf-8") for text in texts)


def _delimited(columns: Sequence[Column], delimiter: str) -> Iterator[str]:
    """Yield the text of a table with a header, some rows at a time."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\n")
    writer.writerow([name for name, _ in columns])
    rows = zip(*[values for _, values in columns], strict=True)
    for number, row in enumerate(rows, 1):
        writer.writerow([str(v).lower() if isinstance(v, bool) else v for v in row])
        if number % _ROWS_AT_A_TIME == 0:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def _records(columns: Sequence[Column]) -> Iterator[str]:
    names = [name for name, _ in columns]
    for row in zip(*[values for _, values in columns], strict=True):
        yield json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False)


def _json(columns: Sequence[Column]) -> Iterator[str]:
    yield "["
    for number, record in enumerate(_records(columns)):
        yield f"{',' if number else ''}\n  {record}"
    yield "\n]\n"


_TYPES = {bool: "BOOLEAN", int: "BIGINT", float: "DOUBLE", str: "VARCHAR"}


def _parquet(columns: Sequence[Column]) -> bytes:
    """Return a Parquet file, made by DuckDB from JSON records with given types."""
    import duckdb

    types = {name: _TYPES[type(values[0])] for name, values in columns}
    with tempfile.TemporaryDirectory() as folder:
        records, result = Path(folder, "rows.ndjson"), Path(folder, "rows.parquet")
        with records.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in _records(columns))
        with duckdb.connect() as db:
            db.execute(
                "CREATE TABLE rows AS SELECT * FROM read_json(?, columns=?, "
                "format='newline_delimited')",
                [str(records), types],
            )
            db.execute("COPY rows TO '" + str(result).replace("'", "''") + "' (FORMAT parquet)")
        return result.read_bytes()
