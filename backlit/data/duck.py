"""DuckDB, locked down: it reads local files, and does nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as onp

from backlit.core.errors import InputError
from backlit.data.near import bare_file, near_file, near_keyword
from backlit.data.table import Array, Kind, Table, reject_duplicates

if TYPE_CHECKING:
    import duckdb

# One thread, because with several the rows of a query with a join or a long IN list come in a
# different order each time, and a training run could not be repeated.
# Extensions could reach the network or run code, so none is installed or loaded; SQL sees no
# Python variables; nothing spills to disk; and no query can change any of this afterwards.
_LOCKED = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "python_enable_replacements": "false",
    "preserve_insertion_order": "true",
    "temp_directory": "",
    "threads": "1",
    "lock_configuration": "true",
}

# Every table function a query may call. Others read memory addresses or change settings.
_TABLE_FUNCTIONS = frozenset(
    "read_csv read_csv_auto sniff_csv read_parquet parquet_scan parquet_schema parquet_metadata "
    "read_json read_json_auto read_json_objects read_json_objects_auto read_ndjson "
    "read_ndjson_auto read_ndjson_objects read_text glob range generate_series unnest "
    "json_each json_tree".split()
)

_INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"}
_NUMBERS = {"FLOAT", "DOUBLE", "DECIMAL", "UBIGINT", "HUGEINT", "UHUGEINT", "BIGNUM", "VARINT"}
_TEXTS = {"VARCHAR", "ENUM", "UUID"}
ONLY_READS = "write one SELECT (or WITH … SELECT, or FROM …), which only reads"
PICK_PARTS = "pick its parts with an SQL query, for instance SELECT part.x, other FROM 'file.json'"

COMPRESSED = (".gz", ".zst")
_DAY_US = 86_400_000_000


@contextmanager
def connect() -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an in-memory DuckDB that can read local files and nothing else.

    Yields
    ------
    duckdb.DuckDBPyConnection

    Raises
    ------
    KeyboardInterrupt
        If Ctrl-C comes during a query, which DuckDB has an error of its own for.

    Examples
    --------
    >>> with connect() as db:
    ...     db.execute("SELECT 1 + 1").fetchall()
    [(2,)]
    """
    import duckdb

    with duckdb.connect(":memory:", config=dict(_LOCKED)) as db:
        try:
            yield db
        except RuntimeError as error:
            if "interrupted" in str(error).lower():
                raise KeyboardInterrupt from None
            raise


@contextmanager
def complaints(described: Callable[[Exception], InputError]) -> Iterator[None]:
    """Turn what DuckDB has to complain about into an error for the user.

    Parameters
    ----------
    described : callable
        Returns the error to raise, given DuckDB's.

    Yields
    ------
    None

    Examples
    --------
    >>> with complaints(lambda error: InputError("the file is damaged")):
    ...     raise RuntimeError("conversion error!")
    Traceback (most recent call last):
    backlit.core.errors.InputError: the file is damaged
    """
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise described(error) from None
    except (RuntimeError, UnicodeError) as error:
        # Names and values that are no text fail on their way to Python, past DuckDB's own errors.
        if "interrupted" in str(error).lower():
            raise
        raise described(error) from None


def quote(name: str) -> str:
    """Return an SQL identifier, quoted.

    Parameters
    ----------
    name : str

    Returns
    -------
    str

    Examples
    --------
    >>> print(quote('5" disk'))
    "5"" disk"
    """
    return '"' + name.replace('"', '""') + '"'


def check_query(db: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Refuse SQL that is anything but one statement that reads.

    Parameters
    ----------
    db : duckdb.DuckDBPyConnection
    sql : str

    Raises
    ------
    InputError
        If the text is not SQL, holds several statements, would write or change something, or
        calls a table function that does more than read files.

    Examples
    --------
    >>> with connect() as db:
    ...     check_query(db, "COPY (SELECT 1) TO 'x.csv'")
    Traceback (most recent call last):
    ...
    backlit.core.errors.InputError: the query is a COPY statement
      fix: write one SELECT (or WITH … SELECT, or FROM …), which only reads
    """
    import duckdb

    try:
        statements = db.extract_statements(sql)
    except duckdb.Error as error:
        raise sql_error(error, sql) from None
    if len(statements) != 1:
        raise InputError(f"the query holds {len(statements)} SQL statements", fix=ONLY_READS)
    if statements[0].type != duckdb.StatementType.SELECT:
        raise InputError(f"the query is a {statements[0].type.name} statement", fix=ONLY_READS)
    try:
        ((serialised,),) = db.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()
    except duckdb.Error as error:
        raise sql_error(error, sql) from None
    parsed = json.loads(serialised)
    if parsed["error"]:
        # DESCRIBE and the like count as SELECT above but have no serialised form.
        raise InputError("the query is not a plain SELECT", fix=ONLY_READS)
    for name in sorted(_table_functions(parsed)):
        if name not in _TABLE_FUNCTIONS:
            raise InputError(
                f"the query calls the table function {name!r}, which does more than read files",
                fix="use read_csv, read_parquet or read_json, or name the file in quotes",
            )


def _table_functions(parsed: Any) -> set[str]:
    """Collect the names of table functions anywhere in a serialised query."""
    found: set[str] = set()
    waiting = [parsed]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, dict):
            if node.get("type") == "TABLE_FUNCTION":
                function = node.get("function")
                name = function.get("function_name") if isinstance(function, dict) else None
                found.add(str(name).lower())
            waiting.extend(node.values())
    return found


def sql_error(error: Exception, sql: str) -> InputError:
    """Return DuckDB's complaint about a query, cut to what the user needs.

    Parameters
    ----------
    error : duckdb.Error
    sql : str
        The query.

    Returns
    -------
    InputError

    Examples
    --------
    >>> error = Exception('Parser Error: syntax error at or near "1"\\n\\nLINE 1: SELEC 1')
    >>> print(sql_error(error, "SELEC 1"))
    the SQL query does not work: syntax error at or near "1"
      fix: write SELECT instead of SELEC
    """
    text = str(error)
    if "requires the extension" in text:
        return InputError(
            "the query asks for something beyond local CSV, Parquet and JSON files",
            fix="download the file first and name the local copy",
        )
    return _no_such_file(text) or InputError(
        f"the SQL query does not work: {shorten(text)}", fix=_syntax_fix(text, sql)
    )


def _no_such_file(text: str) -> InputError | None:
    """Return the error for a name in a query that leads to no file, if it is that."""
    table = re.search(r"Table with name (.+?) does not exist", text)
    file = re.search(r'No files found that match the pattern "(.+)"', text)
    found = table or file
    if found is None:
        return None
    near = near_file(found[1])
    if file:
        what = f"the query reads {file[1]}, and there is no such file"
        return InputError(what, fix=f"did you mean '{near}'?" if near else None)
    return InputError(
        f"the query reads {found[1]}, which is no file",
        fix=f"name a file, in quotes: FROM '{near or found[1] + '.csv'}'",
    )


def _syntax_fix(text: str, sql: str) -> str | None:
    if "syntax error" not in text:
        return None
    bare, typed = bare_file(sql), near_keyword(sql)
    if bare:
        return f"put the name of the file in quotes: FROM '{bare}'"
    return f"write {typed[1]} instead of {typed[0]}" if typed else None


def shorten(message: str) -> str:
    """Return the first paragraph of a DuckDB message without its advice on DuckDB's options.

    Parameters
    ----------
    message : str

    Returns
    -------
    str

    Examples
    --------
    >>> shorten("Binder Error: no column x\\nCandidates: y\\n\\nLINE 1: SELECT x")
    'no column x; Candidates: y'
    """
    text = re.split(r"\n\s*\n|\nLINE \d+:|\nPossible (?:fixes|Solution)|\nTry setting", message)[0]
    text = re.sub(r"^(?:[A-Z][A-Za-z]* )*(?:Error|Exception): ", "", text.strip())
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())


def unreadable(error: Exception, path: Path) -> InputError:
    """Return DuckDB's complaint about a file.

    Parameters
    ----------
    error : duckdb.Error
    path : Path

    Returns
    -------
    InputError

    Examples
    --------
    >>> print(unreadable(Exception("IO Error: Input is not a GZIP stream"), Path("t.csv.gz")))
    t.csv.gz is damaged, or not compressed the way its name says
    """
    import duckdb

    text = str(error)
    if isinstance(error, RuntimeError | UnicodeError) and not isinstance(error, duckdb.Error):
        return InputError(f"{path.name} is damaged: it holds text that cannot be read")
    plain_cause = re.search(r"CSV Error on Line|JSON", text)
    if path.suffix.lower() in COMPRESSED and not plain_cause:
        return InputError(f"{path.name} is damaged, or not compressed the way its name says")
    return InputError(f"{path.name} is not a table that can be read: {shorten(text)}")


def to_table(db: duckdb.DuckDBPyConnection, sql: str, where: str, params: Any = None) -> Table:
    """Run a query and return its rows as a table, in order.

    Parameters
    ----------
    db : duckdb.DuckDBPyConnection
    sql : str
        A query that has been checked, or that the library wrote itself.
    where : str
        What is being read, for messages.
    params : list, optional
        Values for the query's placeholders.

    Returns
    -------
    Table

    Raises
    ------
    InputError
        If two columns share a name, or a column holds lists, structures or binary data.

    Examples
    --------
    >>> with connect() as db:
    ...     to_table(db, "SELECT 1 AS a, 'x' AS b", "the query")
    Table: 1 row × 2 columns
          a  b
    integer  category
          1  x
    """
    relation = db.sql(sql, params=params)
    names, types = list(relation.columns), [str(t) for t in relation.types]
    reject_duplicates(names, where)
    expressions = [
        f"{_expression(quote(name), name, type_, where)} AS c{i}"
        for i, (name, type_) in enumerate(zip(names, types, strict=True))
    ]
    arrays = relation.project(", ".join(expressions)).fetchnumpy()
    made = [_column(arrays[f"c{i}"], type_) for i, type_ in enumerate(types)]
    return Table(tuple(names), tuple(values for values, _ in made), tuple(kind for _, kind in made))


def _base(type_: str) -> str:
    return "NESTED" if type_.endswith("]") else type_.split("(")[0].strip('"')


def _expression(column: str, name: str, type_: str, where: str) -> str:
    """Return SQL that turns a column into int64, float64, bool or text."""
    base = _base(type_)
    if base in _INTEGERS:
        return f"CAST({column} AS BIGINT)"
    if base in _NUMBERS or base == "NULL":
        return f"CAST({column} AS DOUBLE)"
    if base == "BOOLEAN":
        return column
    if base in _TEXTS:
        return f"nullif(CAST({column} AS VARCHAR), '')"
    if base == "JSON":
        # Values of several types: text if they are all plain, refused below if any is nested.
        nested = f"json_type({column}) IN ('ARRAY', 'OBJECT')"
        message = f"column {name!r} of {where} holds lists or objects".replace("'", "''")
        return f"CASE WHEN {nested} THEN error('{message}') ELSE nullif({column} ->> '$', '') END"
    if base == "DATE" or base.startswith("TIMESTAMP"):
        moment = f"CAST({column} AS TIMESTAMP{'TZ' if 'TIME ZONE' in type_ else ''})"
        return f"CASE WHEN isfinite({moment}) THEN epoch_us({moment}) / {_DAY_US}.0::DOUBLE END"
    if base in {"TIME", "INTERVAL"}:
        return f"CAST(epoch({column}) AS DOUBLE)"
    raise InputError(
        f"column {name!r} of {where} holds {type_} values, not numbers, booleans, text or dates",
        fix=PICK_PARTS,
    )


def _column(values: Any, type_: str) -> tuple[Array, Kind]:
    base = _base(type_)
    gaps = onp.ma.getmaskarray(values)
    data = onp.ma.getdata(values)
    if bool(gaps.all()) and len(gaps):
        return onp.full(len(data), onp.nan), "empty"
    if base in _TEXTS or base == "JSON":
        text = data.astype(object)
        text[gaps] = None
        return text, "category"
    kind: Kind = (
        "integer" if base in _INTEGERS
        else "boolean" if base == "BOOLEAN"
        else "date" if base == "DATE" or base.startswith("TIMESTAMP")
        else "number"
    )  # fmt: skip
    if kind in {"integer", "boolean"} and not bool(gaps.any()):
        return onp.array(data, dtype=onp.int64 if kind == "integer" else bool), kind
    floats = onp.array(data, dtype=onp.float64)
    floats[gaps] = onp.nan
    return floats, "empty" if len(floats) and bool(onp.isnan(floats).all()) else kind
