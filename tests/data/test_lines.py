"""Messages name the row of the source and the line of the file, also after a split."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from backlit.data import DataWarning, Preprocessor, read_table
from backlit.data.lines import TextFiles, records

# A value over two lines, a blank line, and a quoted separator before the last row.
AWKWARD = 'a,b\n1,"two\nlines"\n\n2,"x,y"\n3,z\n'


def test_lines_where_values_span_several_and_lines_are_blank(tmp_path):
    (tmp_path / "t.csv").write_text(AWKWARD)
    table = read_table(tmp_path / "t.csv")
    assert table["b"].tolist() == ["two\nlines", "x,y", "z"]
    places = [f"row {row}, line {line} of t.csv" for row, line in ((0, 2), (1, 5), (2, 6))]
    assert table.places([0, 1, 2]) == places
    assert table.take([2, 0]).places([0, 1]) == [places[2], places[0]]
    assert table.select(["b"]).take([1]).drop().places([0]) == [places[1]]


def test_lines_of_several_files_with_and_without_a_header(tmp_path):
    for name, text in (("p0.csv", "a,b\n1,x\n2,y\n"), ("p1.csv", "a,b\n3,z\n")):
        (tmp_path / name).write_text(text)
    assert read_table(str(tmp_path / "p*.csv")).places([1, 2]) == [
        "row 1, line 3 of p0.csv",
        "row 2, line 2 of p1.csv",
    ]
    (tmp_path / "bare.csv").write_text("1,x\n2,y\n")
    with pytest.warns(DataWarning, match="holds numbers, so it is read as a row"):
        bare = read_table(tmp_path / "bare.csv")
    assert bare.places([0, 1]) == ["row 0, line 1 of bare.csv", "row 1, line 2 of bare.csv"]


def test_lines_of_compressed_files_and_of_files_that_are_gone(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(AWKWARD.encode()))
    table = read_table(path)
    assert table.places([1]) == ["row 1, line 5 of t.csv.gz"]
    path.unlink()
    assert table.places([1]) == ["row 1 (rows count from 0)"]
    assert TextFiles((Path("t.csv.zst"),), ",", True).lines([0]) == {}


def test_rows_of_a_query_have_no_lines(tmp_path):
    (tmp_path / "t.csv").write_text(AWKWARD)
    table = read_table(f"SELECT * FROM '{tmp_path / 't.csv'}' WHERE a > 1")
    assert table.places([1]) == ["row 1 (rows count from 0)"]


def test_records_begin_where_they_begin(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(AWKWARD)
    assert [line for line, _ in records(path, ",")] == [1, 2, 5, 6]


def test_typing_errors_in_a_column_of_numbers_are_named(tmp_path):
    lines = [f"{k}.5,{k}" for k in range(60)]
    for row in (4, 50):
        lines[row] = f"5O,{row}"
    (tmp_path / "t.csv").write_text("\n".join(["size,n", *lines]) + "\n")
    table = read_table(tmp_path / "t.csv")
    with pytest.warns(DataWarning, match="counts as text") as caught:
        Preprocessor.fit(table.take(range(10, 20)), whole=table)
    assert "'5O' in row 4, line 6 of t.csv; '5O' in row 50, line 52 of t.csv. Correct them" in str(
        caught[0].message
    )
