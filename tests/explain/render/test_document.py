"""The tree of parts as data."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backlit.core.errors import InputError
from backlit.explain.document import Document, Figure, Formula, Math, Paragraph, Table, joined
from backlit.explain.equation import tree
from backlit.explain.render.terminal import text_of
from tests.explain.render.pages import DOCUMENTS


@pytest.mark.parametrize("name", DOCUMENTS)
def test_json_is_read_back_as_the_same_document(name: str) -> None:
    document = DOCUMENTS[name]
    again = Document.from_dict(json.loads(document.to_json()))
    assert again == document
    assert text_of(again) == text_of(document)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_json_is_plain(name: str) -> None:
    def plain(value: object) -> bool:
        if isinstance(value, dict):
            return all(isinstance(k, str) and plain(v) for k, v in value.items())
        if isinstance(value, list):
            return all(plain(item) for item in value)
        return value is None or isinstance(value, (str, int, bool))

    assert plain(DOCUMENTS[name].to_dict())


NUMBERS = st.fractions().map(tree.Number)
INDICES = st.tuples() | st.tuples(NUMBERS)
NAMES = st.builds(tree.Name, st.text(min_size=1, max_size=5), st.none() | NUMBERS, INDICES)


@given(
    st.recursive(
        NUMBERS | NAMES | st.builds(tree.Constant, st.sampled_from(["pi", "inf"])),
        lambda inner: st.one_of(
            st.builds(tree.Binary, st.sampled_from(["+", "@", " "]), inner, inner),
            st.builds(tree.Slice, st.none() | inner, st.none() | inner, st.none()),
            st.builds(
                tree.Call,
                st.builds(tree.Function, st.text(max_size=4), st.none() | inner, st.integers(0, 3)),
                st.tuples(inner),
                st.tuples(st.tuples(st.just("axis"), inner)),
            ),
            st.builds(tree.Items, st.lists(inner, max_size=3).map(tuple)),
            st.builds(tree.Derivative, st.none() | inner, inner, st.none() | inner),
            st.builds(tree.Series, st.just("sum"), inner, st.just("i"), inner, inner),
        ),
        max_leaves=10,
    )
)
def test_equations_are_read_back_exactly(node: tree.Node) -> None:
    document = Document(("t",), (Formula(Math(node, "text")),))
    assert Document.from_dict(json.loads(document.to_json())) == document


def test_where_an_equation_was_read_from_is_no_part_of_it() -> None:
    node = tree.Name("x", span=(3, 4))
    assert "span" not in Document((), (Formula(Math(node)),)).to_json()


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"is": "Paragraph", "content": ["a"]},
        {"is": "Document"},
        {"is": "Unknown"},
        {"is": "Document", "title": [], "parts": [], "more": 1},
        {"is": "Document", "title": [], "parts": [{"is": "Number", "value": "x"}]},
        {"is": "os", "title": []},
    ],
)
def test_what_is_no_document_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(InputError, match="no document"):
        Document.from_dict(data)


def test_parts_are_found_in_the_order_of_reading() -> None:
    tables = DOCUMENTS["weight"].find(Table)
    assert [t.caption for t in tables[:3]] == [
        "What is explained",
        "The forward pass",
        "The backward pass",
    ]
    assert len(DOCUMENTS["weight"].find(Figure)) == 1
    assert isinstance(DOCUMENTS["weight"].find(Paragraph)[-1], Paragraph)


def test_heads_of_tables_cover_their_columns() -> None:
    for document in DOCUMENTS.values():
        for table in document.find(Table):
            assert all(len(row) == len(table.align) for row in table.rows)
            assert not table.heads or sum(h.span for h in table.heads) == len(table.align)
            assert table.caption and set(table.align) <= {"<", ">"}


def test_numbers_stay_exact() -> None:
    third = Document((), (Formula(Math(tree.Number(Fraction(1, 3)))),))
    assert '"value": "1/3"' in third.to_json()


def test_joining() -> None:
    assert joined([], ", ") == () and joined([("a",)], ", ") == ("a",)
