"""Text: aligned, in ASCII where asked, within a width, plain where no terminal shows styles."""

from __future__ import annotations

import re

import pytest

from backlit.explain.document import Bullets, Document, Head, Math, Paragraph, Section, Table
from backlit.explain.equation.tree import Derivative, Name
from backlit.explain.render.terminal import text_of
from tests.explain.render.pages import DOCUMENTS, VIEWS


@pytest.mark.parametrize("name", DOCUMENTS)
def test_ascii_text_has_the_same_lines(name: str) -> None:
    plain, full = text_of(DOCUMENTS[name], ascii=True), text_of(DOCUMENTS[name])
    assert plain.isascii() and len(plain.splitlines()) == len(full.splitlines())
    assert not full.endswith("\n") and "\n\n\n" not in full
    assert all(line == line.rstrip() for line in full.splitlines())


@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_width_is_kept_wherever_words_can_be_broken(name: str, width: int) -> None:
    whole, narrow = text_of(DOCUMENTS[name]), text_of(DOCUMENTS[name], width=width)
    words = set(re.findall(r"[A-Za-z]{3,}", whole))
    assert words == set(re.findall(r"[A-Za-z]{3,}", narrow)) or width == 60
    long = [line for line in narrow.splitlines() if len(line) > width]
    # What is left is a row of numbers or one formula.
    assert len(long) <= sum(len(line) > width for line in whole.splitlines())
    if width == 100:
        prose = [part for part in DOCUMENTS[name].parts if isinstance(part, Paragraph)]
        for part in prose:
            text = text_of(Document((), (part,)), width=width)
            assert max(map(len, text.splitlines())) <= width


def test_columns_of_text_give_way_to_a_width() -> None:
    words = " ".join(["word"] * 30)
    rows = tuple([((f"row {k}",), (words,), (str(k),)) for k in range(3)])
    table = Table("t", (Head("a"), Head("b"), Head("c")), "<<>", rows)
    lines = text_of(Document((), (table,)), width=50).splitlines()
    assert max(map(len, lines)) <= 50 and len(lines) > 10
    assert sum(line.count("word") for line in lines) == 90
    # Numbers stay in the first line of their row, and in their column.
    assert [line for line in lines if line.endswith(("  0", "  1", "  2"))] == [
        line for line in lines if "row" in line
    ]


def test_styles_are_there_only_when_asked_for() -> None:
    for document in DOCUMENTS.values():
        assert "\x1b" not in text_of(document)
    styled = text_of(DOCUMENTS["weight"], color=True)
    assert re.sub(r"\x1b\[\d+m", "", styled) == text_of(DOCUMENTS["weight"])
    assert styled.count("\x1b[0m") == len(re.findall(r"\x1b\[[12]m", styled)) > 5


def test_str_is_the_text() -> None:
    for view in VIEWS.values():
        assert str(view) == view.to_text() == text_of(view.document())


def test_plain_lists_belong_to_their_title() -> None:
    page = Document(("T",), (Section(("Title",), (Bullets(((("one",),), (("two",),))),)),))
    assert text_of(page) == "T\n\nTitle\n  one\n  two"
    numbered = Document((), (Section(("Title",), (Bullets(((("a",), ("b",)),), ordered=True),)),))
    assert text_of(numbered) == "Title\n\n  1. a\n     b"


def test_formulas_without_a_text_are_written_by_the_printer_of_equations() -> None:
    node = Derivative(Name("L"), Name("sigma"))
    page = Document((), (Paragraph((Math(node), " and ", Math(node, "the slope"))),))
    assert text_of(page) == "∂L/∂σ and the slope"
    assert text_of(page, ascii=True) == "dL_dsigma and the slope"
