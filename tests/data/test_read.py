"""Reading tables: formats, separators, headers, kinds, order."""

import csv
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backlit.data import DataWarning, Table, read_table


def rows(table: Table) -> list[tuple]:
    """Return the rows with None for what is missing."""
    columns = [
        [None if v is None or v != v else v for v in column.tolist()] for column in table.columns
    ]
    return list(zip(*columns, strict=True))


SMALL = "a,b,c\n1,x,1.5\n2,y,\n"
SMALL_ROWS = [(1, "x", 1.5), (2, "y", None)]
SMALL_KINDS = ("integer", "category", "number")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", SMALL),
        ("t.CSV", SMALL),
        ("t.txt", SMALL),
        ("t.csv", "\ufeff" + SMALL),  # a byte order mark
        ("t.csv", SMALL.replace("\n", "\r\n")),
        ("t.csv", SMALL.rstrip("\n")),
        ("t.csv", "\n\n" + SMALL),
        ("t.csv", SMALL.replace(",", ";")),
        ("t.csv", SMALL.replace(",", ";").replace("1.5", "1,5")),  # a decimal comma
        ("t.csv", SMALL.replace(",", "|")),
        ("t.csv", SMALL.replace(",", "\t")),
        ("t.tsv", SMALL.replace(",", "\t")),
        ("t.csv", SMALL.replace(",", ", ")),
        ("t.csv", '"a","b","c"\n"1","x","1.5"\n"2","y",""\n'),
        ("t.csv.gz", SMALL),
        ("t.json", '[{"a": 1, "b": "x", "c": 1.5}, {"a": 2, "b": "y", "c": null}]'),
        ("t.json", '[{"a": 1, "b": "x", "c": 1.5}, {"a": 2, "b": "y"}]'),
        ("t.ndjson", '{"a": 1, "b": "x", "c": 1.5}\n{"a": 2, "b": "y", "c": null}\n'),
        ("t.jsonl.gz", '{"a": 1, "b": "x", "c": 1.5}\n{"a": 2, "b": "y", "c": null}\n'),
    ],
)
def test_one_table_in_many_spellings(write, name, text):
    data = gzip.compress(text.encode()) if name.endswith(".gz") else text
    table = read_table(write(name, data))
    assert table.names == ("a", "b", "c")
    assert table.kinds == SMALL_KINDS
    assert rows(table) == SMALL_ROWS


@pytest.mark.parametrize("name", ["t.parquet", "t.csv.zst", "t.ndjson.zst"])
def test_formats_that_duckdb_writes(write, name):
    write("t.csv", SMALL)
    form = {".parquet": "PARQUET", ".csv": "CSV", ".ndjson": "JSON"}
    options = f"FORMAT {next(form[s] for s in Path(name).suffixes if s in form)}"
    options += ", COMPRESSION zstd" if name.endswith(".zst") else ""
    with duckdb.connect() as db:
        db.execute(f"COPY (FROM 't.csv') TO '{name}' ({options})")
    table = read_table(name)
    assert table.kinds == SMALL_KINDS
    assert rows(table) == SMALL_ROWS


def test_a_path_object_and_a_home_folder(write, monkeypatch, tmp_path):
    write("t.csv", SMALL)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert rows(read_table(Path("t.csv"))) == SMALL_ROWS
    assert rows(read_table("~/t.csv")) == SMALL_ROWS


def test_a_glob_reads_files_in_order_and_joins_their_kinds(write):
    write("parts/2.csv", "a,b\n2.5,\n")
    write("parts/10.csv", "a,b\n,x\n")
    write("parts/1.csv", "a,b\n1,NA\n")
    table = read_table("parts/*.csv")  # names in alphabetical order: 1, 10, 2
    assert table.kinds == ("number", "category")
    assert rows(table) == [(1.0, None), (None, "x"), (2.5, None)]


def test_globs_of_other_formats(write):
    write("1.ndjson", '{"a": 1}\n')
    write("2.ndjson", '{"b": "x", "a": 2}\n')
    assert rows(read_table("*.ndjson")) == [(1, None), (2, "x")]
    with duckdb.connect() as db:
        for i in range(3):
            db.execute(f"COPY (SELECT {i} AS a) TO 'p{i}.parquet'")
    assert rows(read_table("p?.parquet")) == [(0,), (1,), (2,)]


def test_wildcards_in_the_name_of_a_file_are_letters(write):
    write("a1.csv", "x,y\n9,9\n")
    write("a[1].csv", "x,y\n1,2\n")
    write("b*.csv", "x,y\n3,4\n")
    assert rows(read_table("a[1].csv")) == [(1, 2)]
    assert rows(read_table("b*.csv")) == [(3, 4)]


def test_a_file_whose_name_reads_like_a_query(write):
    write("select 1.csv", SMALL)
    assert rows(read_table("select 1.csv")) == SMALL_ROWS


def test_folder_names_with_equals_signs_add_no_column(write):
    write("year=2020/t.csv", SMALL)
    assert read_table("year=2020/t.csv").names == ("a", "b", "c")


def test_quoted_separators_quotes_and_line_breaks(write):
    table = read_table(write("t.csv", 'a,b\n"x, y","say ""hi"""\n"two\n\nlines",z\n'))
    assert rows(table) == [("x, y", 'say "hi"'), ("two\n\nlines", "z")]


def test_what_counts_as_missing(write):
    markers = ["", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "?", " ", " NA", " ?"]
    text = "n,t\n" + "".join(f"{marker},{marker}\n" for marker in markers) + "5,None\n"
    table = read_table(write("t.csv", text))
    assert table.kinds == ("integer", "category")
    assert rows(table) == [(None, None)] * len(markers) + [(5, "None")]


def test_kinds_of_columns(write):
    lines = [
        "integer,number,boolean,date,moment,category,empty,mixed,big",
        "1,1.0,true,2020-01-01,1970-01-02 12:00:00,a,,1,9223372036854775807",
        "-2,1e3,FALSE,1969-12-31,1970-01-01T00:00:00,true,NA,x,9223372036854775808",
    ]
    table = read_table(write("t.csv", "\n".join(lines)))
    assert dict(zip(table.names, table.kinds, strict=True)) == {
        "integer": "integer",
        "number": "number",
        "boolean": "boolean",
        "date": "date",
        "moment": "date",
        "category": "category",
        "empty": "empty",
        "mixed": "category",
        "big": "number",
    }
    assert table["boolean"].dtype == bool
    assert table["date"].tolist() == [18262.0, -1.0]
    assert table["moment"].tolist() == [1.5, 0.0]
    assert table["mixed"].tolist() == ["1", "x"]


def test_words_that_sql_would_take_for_moments_stay_text(write):
    assert read_table(write("t.csv", "a,b\ntoday,1\nepoch,2\n")).kinds[0] == "category"


def test_leading_zeros_are_lost_unless_the_query_says_text(write):
    write("t.csv", "zip,n\n00701,1\n10001,2\n")
    assert read_table("t.csv")["zip"].tolist() == [701, 10001]
    query = "SELECT * FROM read_csv('t.csv', types={'zip': 'VARCHAR'})"
    assert read_table(query)["zip"].tolist() == ["00701", "10001"]


def test_infinite_numbers_are_numbers(write):
    table = read_table(write("t.csv", "a,b\ninf,1\n-Infinity,2\n1,3\n"))
    assert table["a"].tolist() == [np.inf, -np.inf, 1.0]


def test_a_file_without_header_says_so(write):
    write("t.csv", "5.1,3.5,setosa\n4.9,3.0,setosa\n")
    with pytest.warns(DataWarning, match="column0 to column2"):
        table = read_table("t.csv")
    assert table.names == ("column0", "column1", "column2")
    assert len(table) == 2


def test_a_nameless_column_gets_a_name(write):
    assert read_table(write("t.csv", ",a\n0,1\n1,2\n")).names == ("column0", "a")


def test_names_keep_their_case_quotes_and_spaces(write):
    write("t.csv", '"a ""b""", A ,a,ä\'s\n1,2,3,4\n')
    assert read_table("t.csv").names == ('a "b"', "A", "a", "ä's")


def test_json_of_several_types_in_a_column(write):
    table = read_table(write("t.json", '[{"a": 1, "b": true}, {"a": "x", "b": null}]'))
    assert table.kinds == ("category", "boolean")
    assert rows(table) == [("1", True), ("x", None)]


def test_parquet_types(write):
    write("here", "")
    columns = {
        "CAST(1 AS UTINYINT)": ("integer", 1),
        "CAST(1.25 AS DECIMAL(5, 2))": ("number", 1.25),
        "CAST(18446744073709551615 AS UBIGINT)": ("number", 2.0**64),
        "CAST(1.5 AS FLOAT)": ("number", 1.5),
        "TRUE": ("boolean", True),
        "DATE '1970-01-11'": ("date", 10.0),
        "TIMESTAMP '1970-01-11 06:00:00'": ("date", 10.25),
        "TIMESTAMPTZ '1970-01-11 06:00:00+06'": ("date", 10.0),
        "TIME '01:00:00'": ("number", 3600.0),
        "CAST('a' AS ENUM ('a', 'b'))": ("category", "a"),
        "UUID '00000000-0000-0000-0000-000000000001'": (
            "category",
            "00000000-0000-0000-0000-000000000001",
        ),
        "''": ("empty", None),
        "CAST(NULL AS INTEGER)": ("empty", None),
        "CAST('nan' AS DOUBLE)": ("empty", None),
        "DATE 'infinity'": ("empty", None),
    }
    listed = ", ".join(f"{sql} AS c{i}" for i, sql in enumerate(columns))
    with duckdb.connect() as db:
        db.execute(f"COPY (SELECT {listed}) TO 't.parquet'")
    table = read_table("t.parquet")
    assert list(zip(table.kinds, rows(table)[0], strict=True)) == list(columns.values())


def test_many_rows_come_in_the_order_of_the_file_every_time(write):
    """Large enough that DuckDB, left to itself, reads the parts of the file at once."""
    count = 120_000
    text = "i,pad\n" + "".join(f"{i},{'x' * 150}\n" for i in range(count))
    write("t.csv", text)
    expected = np.arange(count)
    assert (read_table("t.csv")["i"] == expected).all()
    listed = ", ".join(f"'{k}'" for k in range(20))
    query = f"SELECT i FROM 't.csv' WHERE pad NOT IN ({listed})"
    assert (read_table(query)["i"] == expected).all()


def test_a_wide_table(write):
    names = [f"c{i}" for i in range(700)]
    text = ",".join(names) + "\n" + ",".join(str(i) for i in range(700)) + "\n"
    table = read_table(write("t.csv", text))
    assert table.names == tuple(names)
    assert rows(table)[0] == tuple(range(700))


cell = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["a", "b c", "d,e", 'f"g', "h\ni", "é"]),
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(
    st.lists(st.tuples(cell, cell, cell), min_size=1, max_size=6),
    st.sampled_from([",", ";", "\t", "|"]),
)
def test_what_pythons_csv_module_writes_is_read_back(tmp_path, data, separator):
    """Columns whose values are all numbers come back as numbers, others as the text written."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator)
    writer.writerow(["first", "second", "third"])
    writer.writerows(data)
    path = tmp_path / "t.csv"
    path.write_text(out.getvalue(), newline="")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = read_table(path)
    assert len(table) == len(data)
    for values, kind, got in zip(zip(*data, strict=True), table.kinds, table.columns, strict=True):
        present = [v for v in values if v is not None]
        if not present:
            assert kind == "empty"
        elif any(isinstance(v, str) for v in present):
            assert kind == "category"
            assert got.tolist() == [None if v is None else str(v) for v in values]
        else:
            assert kind in {"integer", "number"}
            whole = kind == "integer" and None not in values
            assert [v for v in got.tolist() if v == v] == [
                v if whole else float(v) for v in present
            ]


def test_json_round_trip_of_awkward_texts(write):
    texts = ["a,b", "line\nbreak", "''", '"', "\u00e9", "\U0001f600", "null", "NA"]
    write("t.json", json.dumps([{"t": text, "n": i} for i, text in enumerate(texts)]))
    table = read_table("t.json")
    assert table["t"].tolist() == texts
    assert table["n"].tolist() == list(range(len(texts)))


def test_reading_leaves_nothing_behind(write):
    write("t.csv", SMALL)
    read_table("t.csv")
    read_table("SELECT * FROM 't.csv' ORDER BY a DESC")
    assert os.listdir() == ["t.csv"]


def test_importing_the_package_does_not_load_the_reader_s_library():
    program = "import sys, backlit.data; print('duckdb' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_ctrl_c_during_a_query_is_ctrl_c():
    timer = threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        read_table("SELECT sum(a.range * b.range) AS s FROM range(1000000) a, range(1000000) b")
    timer.join()
