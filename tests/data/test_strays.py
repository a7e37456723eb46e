"""Columns that are text though they were meant as numbers."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from backlit.core.errors import InputError
from backlit.data import DataWarning, Preprocessor, Table, read_table
from backlit.data.strays import dressed, strays
from backlit.train.tabular import train


def of(values) -> Table:
    return Table.from_columns({"x": values})


def test_only_a_few_values_among_many_numbers_are_strays():
    numbers = [str(k) for k in range(100)]
    assert strays(of(numbers), "x") == ""
    assert strays(of([*numbers, None]), "x") == ""
    assert strays(of(range(100)), "x") == ""
    found = strays(of([*numbers, *["?!"] * 7]), "x")
    assert found.startswith("'?!' in row 100 (rows count from 0); '?!' in row 101")
    assert found.endswith("row 104 (rows count from 0); and 2 more")
    assert strays(of([*numbers, *["?!"] * 20]), "x") == ""  # more than a tenth is no accident
    assert strays(of([f"w{k}" for k in range(60)]), "x") == ""
    assert strays(of(["0", "1", "2", "3+"] * 30), "x") == ""  # categories


@pytest.mark.parametrize(
    ("name", "write", "signs"),
    [
        ("price", "${:,.2f}", "'$' and ','"),
        ("price", "{:,.0f} €", "' ' and ',' and '€'"),
        ("order", "{:.1f}%", "'%'"),
        ('5" disk', "{:_.0f}'", "\"'\" and '_'"),
    ],
)
def test_the_query_for_dressed_numbers_gives_the_numbers(tmp_path, name, write, signs):
    numbers = [1234.0 * k for k in range(40)]
    path = tmp_path / "it's.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([[name], *[[write.format(number)] for number in numbers]])
    table = read_table(path)
    advice = dressed(table, name)
    assert f"numbers with {signs}, which" in advice
    again = read_table(advice.partition("takes away: ")[2])
    np.testing.assert_allclose(again[name], numbers, rtol=1e-12)
    assert dressed(again, name) == ""
    with pytest.warns(DataWarning) as caught:
        Preprocessor.fit(Table.from_columns({"n": range(40), name: table[name].tolist()}))
    assert "counts as text; its values are numbers with" in str(caught[0].message)


def test_text_is_not_dressed():
    assert dressed(of([f"A {k}" for k in range(40)]), "x") == ""
    assert dressed(of(["1,5", "2,5"] * 40), "x") == ""
    assert dressed(of([str(k) for k in range(40)]), "x") == ""


def test_a_dressed_target_is_refused_with_the_query():
    prices = [f"${k},000" for k in range(40)]
    table = Table.from_columns({"n": range(40), "price": prices})
    with pytest.raises(InputError, match="the target 'price' counts as text") as caught:
        train(table, "price")
    assert "regexp_replace(price, '[$,]', '', 'g')" in (caught.value.fix or "")
