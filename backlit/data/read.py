"""Read a table from files or from an SQL query over files."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from backlit.core.errors import InputError
from backlit.data.delimited import read_delimited
from backlit.data.duck import (
    COMPRESSED,
    ONLY_READS,
    PICK_PARTS,
    check_query,
    complaints,
    connect,
    shorten,
    sql_error,
    to_table,
    unreadable,
)
from backlit.data.near import near_file, near_keyword
from backlit.data.table import Table

if TYPE_CHECKING:
    import duckdb

_FORMATS = {
    ".csv": "delimited",
    ".tsv": "delimited",
    ".tab": "delimited",
    ".txt": "delimited",
    ".data": "delimited",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
}
_ROW_NEEDED = "a table needs at least one row of values"
_BINARY = (".parquet", ".pq", *COMPRESSED)
_EXTENSIONS = "the names of tables end in .csv, .tsv, .parquet, .json or .ndjson, or those + .gz"

_QUERY = re.compile(r"\s*\(*\s*(select|with|from|values)\b\s*\S+", re.IGNORECASE)
_STATEMENT = re.compile(
    r"\s*(insert|update|delete|create|drop|alter|copy|attach|detach|install|load|set|reset|pragma|"
    r"call|export|import|use|describe|summarize|show|explain|pivot|unpivot|vacuum|checkpoint)\s+\S",
    re.IGNORECASE,
)

# How the first bytes of things that are not tables look.
_MAGIC = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a ZIP archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x93NUMPY": "a NumPy array",
    b"\x7fELF": "a program",
    b"SQLite format 3": "an SQLite database",
}


def read_table(source: str | os.PathLike[str]) -> Table:
    """Read a table from a file, several files, or an SQL query over files.

    Rows keep the order of the file, and columns too. See ``docs/data.md`` for how kinds are
    found and what counts as missing.

    Parameters
    ----------
    source : str or path
        A CSV, TSV, Parquet or JSON file (an array of records, or one record per line), which may
        be compressed (``.gz``, ``.zst``); a glob such as ``"parts/*.csv"``, whose files are
        read in alphabetical order; or an SQL query such as
        ``"SELECT a, b FROM 'x.csv' WHERE a > 0"``, which DuckDB answers. A query can only read
        local files.

    Returns
    -------
    Table

    Raises
    ------
    InputError
        If there is no such file, it is not a table, it has no rows, its rows differ in length, it
        may not be read, two columns share a name, or the query does not work or does not only
        read.

    Examples
    --------
    >>> read_table("SELECT 1 AS n, 'a' AS letter UNION ALL SELECT 2, 'b' ORDER BY n")
    Table: 2 rows × 2 columns
          n  letter
    integer  category
          1  a
          2  b
    """
    if not isinstance(source, (str, os.PathLike)):
        raise InputError(f"a table is named by text or a path, not by {source!r:.60}")
    text = os.fspath(source)
    if not text.strip():
        raise InputError("the name of the table is empty", fix="name a file, or write an SQL query")
    # A file whose name happens to read like SQL is still a file.
    if not os.path.lexists(text):
        if _QUERY.match(text):
            return _read_query(text)
        if _STATEMENT.match(text):
            raise InputError(f"{text.split()[0].upper()} is not a query", fix=ONLY_READS)
        _refuse_typing_error(text)
    paths = _find(text)
    table = _read_files(paths)
    if not len(table):
        what = paths[0].name if len(paths) == 1 else text
        raise InputError(f"{what} has no rows", fix=_ROW_NEEDED)
    return table


def _refuse_typing_error(text: str) -> None:
    """Refuse what reads like SQL but for the spelling of its first word."""
    typed = near_keyword(text)
    if typed and text.startswith(typed[0]) and re.search(r"\s(from|select)\s", text, re.IGNORECASE):
        raise InputError(
            f"there is no file of that name, and {typed[0]} does not begin an SQL query",
            fix=f"did you mean {typed[1]}?",
        )


def _read_query(sql: str) -> Table:
    sql = sql.strip().rstrip(";")
    with connect() as db:
        check_query(db, sql)
        with complaints(lambda error: sql_error(error, sql)):
            table = to_table(db, sql, "the query")
    if not len(table):
        raise InputError("the query returns no rows", fix="loosen its conditions")
    return table


def _find(source: str) -> list[Path]:
    """Return the files a path or glob stands for, each checked to be a file that can be read."""
    if "\0" in source:
        raise InputError("a file name cannot hold a NUL character")
    if re.match(r"[a-z][a-z0-9+.-]+://", source, re.IGNORECASE):
        raise InputError(
            f"{source} is an address, not a file on this machine",
            fix="download it first and name the local copy",
        )
    source = os.path.expanduser(source)
    if os.path.lexists(source) or not glob.has_magic(source):
        found = [source]
    else:
        found = sorted(name for name in glob.glob(source, recursive=True) if os.path.isfile(name))
        if not found:
            raise InputError(f"no file matches {source}")
    for name in found:
        _check_file(Path(name))
    return [Path(name) for name in found]


def _check_file(path: Path) -> None:
    """Open a file and look at its first bytes, which explains more than a reader's complaint."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InputError(
                f"{path} is a directory",
                fix=f"name a file in it, or all of one type: '{path}/*.csv'",
            )
        if not stat.S_ISREG(mode):  # opening a pipe could wait for ever
            raise InputError(f"{path} is not a regular file")
        with path.open("rb") as file:
            start = file.read(4096)
    except FileNotFoundError:
        near = near_file(path)
        fix = "an SQL query starts with SELECT, WITH or FROM" if " " in path.name else None
        raise InputError(
            f"there is no file {path}", fix=f"did you mean {near}?" if near else fix
        ) from None
    except PermissionError:
        raise InputError(f"no permission to read {path}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    if not start:
        raise InputError(f"{path.name} is empty")
    for magic, what in _MAGIC.items():
        if start.startswith(magic):
            raise InputError(f"{path.name} is not a table: it looks like {what}")
    if start[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        raise InputError(
            f"{path.name} is text in the encoding UTF-16",
            fix="save the file with the encoding UTF-8",
        )
    if path.suffix.lower() not in _BINARY and _is_binary(start):
        raise InputError(f"{path.name} is not a table: it holds binary data")


def _is_binary(start: bytes) -> bool:
    """Tell whether bytes are no text: text has no NUL, and hardly any other control character."""
    control = sum(byte < 32 and byte not in b"\t\n\v\f\r\x1b" for byte in start)
    return b"\0" in start or control > len(start) / 50


def _format(path: Path) -> str:
    name = path.name.lower()
    for suffix in COMPRESSED:
        name = name.removesuffix(suffix)
    kind = _FORMATS.get(os.path.splitext(name)[1])
    if kind is None:
        raise InputError(f"{path.name} does not say what kind of table it is", fix=_EXTENSIONS)
    return kind


def _read_files(paths: Sequence[Path]) -> Table:
    formats = {_format(path): path for path in paths}
    if len(formats) > 1:
        names = " and ".join(path.name for path in formats.values())
        raise InputError(f"files of different types cannot be read as one table: {names}")
    # DuckDB reads its own wildcards in file names; these names are meant as they stand.
    patterns = [glob.escape(str(path)) for path in paths]
    with connect() as db:
        if "delimited" in formats:
            return read_delimited(db, paths, patterns)
        if "parquet" in formats:
            sql = "SELECT * FROM read_parquet(?, hive_partitioning=false)"
        else:
            sql = (
                "SELECT * FROM read_json(?, records='true', sample_size=-1, union_by_name=true, "
                "map_inference_threshold=-1, field_appearance_threshold=0, hive_partitioning=false)"
            )
        with complaints(lambda error: _described(error, db, paths[0], patterns)):
            return to_table(db, sql, paths[0].name, [patterns])


def _described(
    error: Exception, db: duckdb.DuckDBPyConnection, path: Path, patterns: Sequence[str]
) -> InputError:
    """Return the error for Parquet or JSON files that cannot be read."""
    if "expected records" in str(error):
        return _not_records(db, path, patterns)
    if str(error).startswith("Invalid Input Error: column "):  # raised by our own SQL
        return InputError(shorten(str(error)), fix=PICK_PARTS)
    return unreadable(error, path)


def _not_records(db: duckdb.DuckDBPyConnection, path: Path, patterns: Sequence[str]) -> InputError:
    """Return the error for JSON whose top level holds something else than objects."""
    ((count,),) = db.execute("SELECT count(*) FROM read_json(?)", [list(patterns)]).fetchall()
    if count == 0:
        return InputError(f"{path.name} has no rows", fix=_ROW_NEEDED)
    return InputError(
        f"{path.name} is not a table: its values are not records",
        fix='write an object per row, such as [{"a": 1, "b": 2}, {"a": 3, "b": 4}]',
    )
