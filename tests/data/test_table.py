"""Tables: kinds, selection, printing, and what they refuse."""

import numpy as np
import pytest

from backlit.core.errors import InputError
from backlit.data.table import NUMBER, Table, column_of, missing, parse_number


def test_kinds_of_python_values():
    table = Table.from_columns(
        {
            "integer": [1, 2, None],
            "number": [1, 2.5, float("nan")],
            "boolean": [True, None, False],
            "category": ["a", "", None],
            "empty": [None, "", float("nan")],
        }
    )
    assert table.kinds == table.names
    assert [missing(column).tolist() for column in table.columns] == [
        [False, False, True],
        [False, False, True],
        [False, True, False],
        [False, True, True],
        [True, True, True],
    ]


def test_kinds_of_arrays():
    assert column_of(np.array([1, 2], dtype=np.int8), "x")[0].dtype == np.int64
    assert column_of(np.array([1, 2], dtype=np.uint64), "x")[1] == "number"
    assert column_of(np.array([1, 2], dtype=np.float32), "x")[1] == "number"
    assert column_of(np.array([np.nan]), "x")[1] == "empty"
    assert column_of(np.array([True]), "x")[1] == "boolean"
    assert column_of(np.array(["a", "b"]), "x")[1] == "category"
    days, kind = column_of(np.array(["1970-01-02", "1969-12-31T12"], dtype="datetime64[h]"), "x")
    assert kind == "date"
    assert days.tolist() == [1.0, -0.5]


def test_integers_too_large_for_int64_become_numbers():
    values, kind = column_of([2**70, 1], "x")
    assert kind == "number"
    assert values.tolist() == [2.0**70, 1.0]


@pytest.mark.parametrize(
    "values", [["a", 1], [True, 1], [[1], [2]], [object()], [b"x"], np.zeros((2, 2)), [1j]]
)
def test_mixed_or_unsuitable_values_are_refused(values):
    with pytest.raises(InputError, match="'x'"):
        column_of(values, "x")


def test_select_drop_take():
    table = Table.from_columns({"a": [1, 2, 3], "b": ["x", "y", None]})
    assert table.select(["b", "a"]).names == ("b", "a")
    assert table.drop("a").names == ("b",)
    assert table.take([2, 0, 0])["a"].tolist() == [3, 1, 1]
    assert table.take(np.array([False, True, True]))["b"].tolist() == ["y", None]
    assert table.take([])["a"].shape == (0,)
    assert "a" in table
    assert list(table) == ["a", "b"]


def test_unknown_column_suggests_the_nearest():
    table = Table.from_columns({"species": [1], "petal_length": [2]})
    with pytest.raises(InputError, match="did you mean 'petal_length'"):
        table["petal length"]
    with pytest.raises(InputError, match="The columns are: species, petal_length"):
        table.select(["zzz"])
    with pytest.raises(InputError, match="did you mean 'species'"):
        table.drop("Species")


def test_malformed_tables_are_refused():
    one = np.zeros(1)
    with pytest.raises(InputError, match="two columns named 'a'"):
        Table(("a", "a"), (one, one), ("number", "number"))
    with pytest.raises(InputError, match="'b' has shape"):
        Table(("a", "b"), (one, np.zeros(2)), ("number", "number"))
    with pytest.raises(InputError, match="1 names, 2 arrays"):
        Table(("a",), (one, one), ("number",))
    with pytest.raises(InputError, match="unknown kind"):
        Table(("a",), (one,), ("complex",))  # type: ignore[arg-type]


def test_printing_shortens_long_tables_and_texts():
    shown = repr(Table.from_columns({"n": range(9), "text": ["line\n" * 20] * 9}))
    assert "9 rows × 2 columns" in shown
    assert "… 4 more rows" in shown
    assert max(map(len, shown.splitlines())) < 60
    assert len(shown.splitlines()) == 9
    assert repr(Table((), (), ())) == "Table: 0 rows × 0 columns"


@pytest.mark.parametrize("text", ["1", "-1.5", "+.5", "5.", "1e3", " 2 ", "1E-2"])
def test_number_grammar_accepts(text):
    assert parse_number(text) == float(text)


@pytest.mark.parametrize("text", ["", "1_000", "nan", "inf", "0x1", "1,5", "a", "٣", ".", "1e"])
def test_number_grammar_rejects(text):
    assert parse_number(text) is None
    assert NUMBER
