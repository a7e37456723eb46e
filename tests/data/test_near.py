"""Names and words that are nearly right."""

from __future__ import annotations

import pytest

from backlit.core.errors import InputError
from backlit.data import read_table
from backlit.data.near import bare_file, near_file, near_keyword


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("flower.csv", "flowers.csv"),
        ("Flowers.CSV", "flowers.csv"),
        ("flowers", "flowers.csv"),
        ("flowers.parquet", "flowers.csv"),
        ("parts/p7.csv", "parts/p1.csv"),
        ("something.csv", None),
        ("nowhere/flowers.csv", None),
    ],
)
def test_the_nearest_file(tmp_path, monkeypatch, typed, meant):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flowers.csv").write_text("a\n1\n")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "p1.csv").write_text("a\n1\n")
    assert near_file(typed) == meant
    with pytest.raises(InputError, match=f"there is no file {typed}") as caught:
        read_table(typed)
    assert caught.value.fix == (f"did you mean {meant}?" if meant else None)


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("SELECT * FORM 'x.csv'", ("FORM", "FROM")),
        ("SELECT * FROM 'form.csv' WHRE a > 1", ("WHRE", "WHERE")),
        ("SELECT a FROM 'selec.csv'", None),
        ("with x as (select 1) select * from x", None),
    ],
)
def test_words_of_sql(sql, found):
    assert near_keyword(sql) == found


def test_files_without_quotes():
    assert bare_file("SELECT * FROM parts/p-0.csv WHERE a") == "parts/p-0.csv"
    assert bare_file("SELECT * FROM 'a-b.csv' JOIN c-d.csv USING (x)") == "c-d.csv"
    assert bare_file("SELECT * FROM 'join a-b.csv'") is None


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_name(empty):
    with pytest.raises(InputError, match="the name of the table is empty"):
        read_table(empty)


def test_what_is_no_name():
    with pytest.raises(InputError, match="named by text or a path, not by 5"):
        read_table(5)  # type: ignore[arg-type]
