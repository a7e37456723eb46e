"""What is refused, and that the message says what, where and how to fix it."""

import gzip
import os

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backlit.core.errors import InputError
from backlit.data import read_table


def refused(source: str, *parts: str) -> None:
    with pytest.raises(InputError) as caught:
        read_table(source)
    message = str(caught.value)
    for part in parts:
        assert part in message
    assert "strict_mode" not in message  # DuckDB's own advice
    assert len(message) < 400


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("t.csv", "", ["t.csv is empty"]),
        ("t.csv", "a,b\n", ["t.csv has no rows"]),
        ("t.csv", "\n\n", ["t.csv has only blank lines"]),
        ("t.json", "[]", ["t.json has no rows"]),
        ("t.csv", "a,b\n1,2\n3\n", ["line 3 (row 1, counted from 0)", "1 value where 2 are"]),
        ("t.csv", "a,b\n1,2\n3,4,5\n", ["line 3 (row 1", "3 values where 2 are expected"]),
        ("t.csv", 'a,b\n1,"x\n\ny"\n3,4,5\n', ["line 5 (row 1", "3 values"]),
        ("t.csv", "a\n1\n2,3\n", ["line 3 (row 1", "2 values where 1 is expected"]),
        ("t.csv", 'a,b\n1,"x\n2,3\n', ["quotation mark that is never closed", "line 2"]),
        ("t.csv", b"a,b\n1,caf\xe9\n", ["t.csv is not UTF-8 text", "line 2"]),
        ("t.csv", "a,b\n1,2\n".encode("utf-16"), ["UTF-16", "UTF-8"]),
        ("t.csv", b"\x89PNG\r\n\x1a\n....", ["not a table", "PNG image"]),
        ("t.csv", b"\xff\xd8\xff\xe0....", ["not a table", "JPEG image"]),
        ("t.csv", b"PK\x03\x04....", ["not a table", "Excel"]),
        ("t.csv", bytes(range(256)), ["not a table", "binary"]),
        ("t.csv", bytes(k % 255 + 1 for k in range(0, 35000, 7)), ["not a table", "binary"]),
        ("t.json", bytes(range(256)), ["not a table", "binary"]),
        ("t.csv", "a,b\r\n1,2\n3,4\r\n", ["mixes kinds of line ends", "save it again"]),
        ("t.csv", "a,b,a\n1,2,3\n", ["t.csv has two columns named 'a'"]),
        ("t.xyz", "a,b\n1,2\n", ["t.xyz does not say what kind of table", ".parquet"]),
        ("table", "a,b\n1,2\n", ["does not say what kind of table"]),
        ("t.parquet", "hello, this is no parquet", ["t.parquet is not a table"]),
        ("t.csv.gz", b"a,b\n1,2\n", ["t.csv.gz is damaged, or not compressed"]),
        ("t.csv.gz", gzip.compress(b"a,b\n1,2\n" * 99999)[:300], ["t.csv.gz is damaged"]),
        ("t.csv.zst", b"a,b\n1,2\n", ["t.csv.zst is damaged, or not compressed"]),
        ("t.json", '[{"a": 1}, {"a": 2', ["t.json is not a table", "Malformed JSON"]),
        ("t.json", "[1, 2, 3]", ["t.json is not a table", "its values are not records"]),
        ("t.json", '[{"a": 1, "a": 2}]', ["duplicate key"]),
        ("t.json", '{"a": [1, 2], "b": [3, 4]}', ["column 'a' of t.json holds", "SELECT"]),
        ("t.json", '[{"a": {"b": 1}}]', ["column 'a' of t.json holds", "SELECT"]),
        ("t.json", '[{"a": 1}, {"a": [1]}]', ["column 'a' of t.json holds", "SELECT"]),
    ],
)
def test_bad_files(write, name, content, parts):
    refused(write(name, content), *parts)


def test_bad_places(write):
    write("folder/t.csv", "a\n1\n")
    refused("missing.csv", "there is no file missing.csv")
    refused("folder", "folder is a directory", "folder/*.csv")
    refused("none-*.csv", "no file matches none-*.csv")
    refused("https://example.org/t.csv", "is an address", "download")
    refused("s3://bucket/t.csv", "is an address")
    refused("a\0b.csv", "NUL")
    os.mkfifo("pipe.csv")
    refused("pipe.csv", "not a regular file")
    os.symlink("nowhere.csv", "link.csv")
    refused("link.csv", "there is no file link.csv")


def test_no_permission(write, tmp_path, not_root):
    with not_root(tmp_path):
        os.chmod(write("t.csv", "a\n1\n"), 0)
        refused("t.csv", "no permission to read t.csv")
        os.mkdir("closed")
        write("closed/t.csv", "a\n1\n")
        os.chmod("closed", 0)
        refused("closed/t.csv", "no permission to read closed/t.csv")
        os.chmod("closed", 0o700)


def test_files_that_do_not_belong_together(write):
    write("a1.csv", "a,b\n1,2\n")
    write("a2.csv", "a,c\n1,2\n")
    refused("a*.csv", "a1.csv and a2.csv do not belong together", "columns a, b and a, c")
    write("b1.csv", "a,b\n1,2\n")
    write("b2.csv", "a;b\n1;2\n")
    refused("b*.csv", "commas and semicolons as separators")
    write("c1.csv", "a,b\n1,2\n")
    write("c2.json", '[{"a": 1, "b": 2}]')
    refused("c*", "different types", "c1.csv and c2.json")


def test_the_file_of_a_glob_with_a_ragged_row_is_named(write):
    write("p1.csv", "a,b\n1,2\n")
    write("p2.csv", "a,b\n1,2\n3,4,5\n")
    refused("p*.csv", "line 3 (row 1, counted from 0) of p2.csv has 3 values")


QUERIES = {
    "SELECT nope FROM 't.csv'": ["nope", "not found"],
    "SELECT * FROM 'missing.csv'": ["missing.csv"],
    "SELECT FROM WHERE": ["the SQL query does not work", "syntax error"],
    "SELECT a, a FROM 't.csv'": ["the query has two columns named 'a'"],
    "SELECT * FROM 't.csv' WHERE a > 99": ["the query returns no rows"],
    "SELECT [1, 2] AS l": ["column 'l' of the query holds"],
    "SELECT 1; SELECT 2": ["2 SQL statements"],
    "SELECT 1; COPY (SELECT 1) TO 'out.csv'": ["2 SQL statements"],
    "COPY (SELECT 1) TO 'out.csv'": ["COPY is not a query", "SELECT"],
    "WITH x AS (SELECT 1) INSERT INTO t FROM x": ["INSERT statement"],
    "ATTACH 'out.db'": ["ATTACH is not a query"],
    "INSTALL httpfs": ["INSTALL is not a query"],
    "LOAD httpfs": ["LOAD is not a query"],
    "SET threads = 4": ["SET is not a query"],
    "PRAGMA database_list": ["PRAGMA is not a query"],
    "CREATE TABLE x AS SELECT 1": ["CREATE is not a query"],
    "EXPORT DATABASE 'out'": ["EXPORT is not a query"],
    "SELECT * FROM 'https://example.org/t.csv'": ["local"],
    "SELECT * FROM read_parquet('s3://bucket/x.parquet')": ["local"],
    "FROM enable_profiling(save_location='out.json')": ["'enable_profiling'"],
    "FROM enable_logging()": ["'enable_logging'"],
    "FROM query('SELECT 1')": ["'query'"],
    "SELECT * FROM t, LATERAL (SELECT * FROM checkpoint())": ["'checkpoint'"],
    "WITH t AS (FROM arrow_scan(1, 2, 3)) FROM t": ["'arrow_scan'"],
    "SELECT (SELECT max(value) FROM duckdb_settings())": ["'duckdb_settings'"],
    "SELECT * FROM local_table": ["reads local_table, which is no file", "FROM 'local_table.csv'"],
    "SELECT * FROM t": ["reads t, which is no file", "fix: name a file, in quotes: FROM 't.csv'"],
    "SELECT * FROM 'T.CSV.gz'": ["reads T.CSV.gz, and there is no such file"],
    "SELECT * FROM 't.cvs'": ["reads t.cvs, which is no file", "in quotes: FROM 't.csv'"],
    "SELECT * FROM my-data.csv": ["put the name of the file in quotes: FROM 'my-data.csv'"],
    "SELECT * FORM 't.csv'": ["fix: write FROM instead of FORM"],
    "SELEC * FROM 't.csv'": ["SELEC does not begin an SQL query", "did you mean SELECT?"],
}


@pytest.mark.parametrize("query", QUERIES)
def test_bad_queries(write, query):
    local_table = duckdb.__version__  # a Python variable is not a table for SQL
    assert local_table
    write("t.csv", "a,b\n1,2\n")
    refused(query, *QUERIES[query])
    assert os.listdir() == ["t.csv"]


@pytest.mark.parametrize("comment", ["", "-- a note\n", "/* a note */ "])
def test_queries_that_only_read(write, comment):
    write("t.csv", "a,b\n1,2\n3,4\n")
    for query in [
        f"SELECT {comment} a FROM 't.csv'",
        f"select{' '}{comment}a from 't.csv';",
        f"  WITH t AS (FROM 't.csv') {comment} SELECT a FROM t",
        "FROM 't.csv' SELECT a",
        "(SELECT a FROM 't.csv')",
        "SELECT a FROM read_csv('t.csv')",
        "SELECT t.a FROM 't.csv' AS t JOIN (VALUES (1), (3)) AS v(a) USING (a) ORDER BY t.a",
    ]:
        assert read_table(query)["a"].tolist() == [1, 3]


@settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.binary(max_size=200),
    st.sampled_from(["t.csv", "t.tsv", "t.json", "t.ndjson", "t.parquet", "t.csv.gz", "t.txt"]),
)
@pytest.mark.filterwarnings("ignore::backlit.data.table.DataWarning")
def test_any_bytes_are_a_table_or_an_input_error(tmp_path, content, name):
    path = tmp_path / name
    path.write_bytes(content)
    try:
        assert len(read_table(path)) > 0
    except InputError as error:
        assert name in str(error)


def test_a_parquet_file_whose_text_is_none(tmp_path):
    path = tmp_path / "t.parquet"
    with duckdb.connect() as db:
        options = "FORMAT parquet, COMPRESSION uncompressed"
        db.execute(f"COPY (SELECT 'a' AS named, 1 AS y) TO '{path}' ({options})")
    path.write_bytes(path.read_bytes().replace(b"named", b"na\xff\xfed"))
    refused(str(path), "t.parquet is damaged: it holds text that cannot be read")
    refused(f"SELECT * FROM '{path}'", "the SQL query does not work")
