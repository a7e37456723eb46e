"""Text: aligned, in ASCII where asked, within a width, plain where no terminal shows styles."""

from __future__ import annotations

import re
import sys
from typing import Any

import numpy
import pytest

import backlit as bl
import backlit.numpy as bnp
from backlit import nn
from backlit.explain import Explanation, draw, explain_weight, why_zero
from backlit.explain.document import Bullets, Document, Head, Math, Paragraph, Section, Table
from backlit.explain.equation.tree import Derivative, Name
from backlit.explain.render.terminal import text_of
from backlit.explain.selection import VIEWS as VIEW_NAMES
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
    assert text_of(page, ascii=True) == "dL/dsigma and the slope"


def _network() -> Explanation:
    W1, W2 = numpy.full((4, 6), -0.123456), numpy.full((6, 3), 0.654321)
    x, labels = numpy.array([[0.512345, -1.0, 2.0, 0.1], [1.0, 2.0, 3.0, 4.0]]), numpy.array([2, 0])

    def loss(first_weights: Any, second_weights: Any, x: Any, labels: Any) -> Any:
        hidden = bnp.tanh(x @ first_weights)
        mean = bnp.mean(hidden, axis=1, keepdims=True)
        normalized = (hidden - mean) / bnp.sqrt(bnp.mean((hidden - mean) ** 2) + 1e-3)
        return nn.cross_entropy(normalized @ second_weights, labels)

    return explain_weight(loss, W1, W2, x, labels, wrt="first_weights", index=(2, 5))


@pytest.mark.parametrize("width", [70, 80, 100, 120])
def test_an_explanation_is_no_wider_than_asked(width: int) -> None:
    explanation = _network()
    every = explanation.view(*VIEW_NAMES)
    asked = why_zero(lambda x: bnp.sum(bnp.maximum(x, 0.0)) * 3.0, -numpy.ones(3))
    for shown in (explanation, every, asked, draw(lambda x: bnp.sin(x) ** 2, 0.5)):
        for ascii in (False, True):
            lines = shown.to_text(ascii, width).splitlines()
            assert [line for line in lines if len(line) > width] == []


def test_what_gives_way_says_the_same_in_more_lines() -> None:
    whole, narrow = _network().to_text(width=0), _network().to_text(width=80)
    numbers = re.compile(r"-?\d+\.\d+")
    assert sorted(numbers.findall(whole)) == sorted(numbers.findall(narrow))
    assert "\u00a0" not in whole + narrow
    # No name is broken: an element stays beside its place.
    for line in narrow.splitlines():
        assert line.count("[") == line.count("]") or "onehot" in line or "sum(" in line, line


def test_text_is_as_wide_as_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    explanation = _network()
    whole = str(explanation)
    monkeypatch.setenv("COLUMNS", "72")
    assert str(explanation) == whole  # not a terminal
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert str(explanation) == explanation.to_text(width=72) != whole
    assert explanation.to("text") == whole  # a file is read elsewhere


def test_formulas_in_text_have_no_latex_in_them() -> None:
    def loss(P: Any, first_label: Any, labels: Any) -> Any:
        Q = bnp.log(P)
        chosen = Q[bnp.arange(3), labels]
        return bnp.mean(chosen) + Q[0, first_label]

    given = numpy.full((3, 4), 0.5), numpy.array(1), numpy.array([3, 0, 1])
    unknown = bl.spec((3, 4)), bl.spec((), int), bl.spec(3, int)
    model = nn.MLP([2, 12, 3], seed=0)
    rows, classes = numpy.ones((2, 2), "float32"), numpy.array([0, 2])

    def deep(model: Any, rows: Any, classes: Any) -> Any:
        return nn.cross_entropy(model(rows), classes)

    for shown in (
        explain_weight(loss, *given, wrt="P", index=(0, 1)).view(*VIEW_NAMES),
        bl.explain(loss, *unknown, wrt="P"),
        explain_weight(deep, model, rows, classes, wrt="layers.0.W", index=(1, 11)),
    ):
        for ascii in (False, True):
            text = shown.to_text(ascii)
            assert not re.search(r"[\\{}]", text), [x for x in text.splitlines() if "{" in x]
        assert ("dL/d" in text or "dL" not in text) and "np." not in text
    assert "Q[i,labelsᵢ]" in bl.explain(loss, *unknown, wrt="P").to_text()
    assert "∂L/∂W^[1][1,11]" in shown.to_text()


def test_numbers_in_text_have_six_digits_and_all_of_them_in_data() -> None:
    def loss(x: Any) -> Any:
        y = 0.7071067811865476 * x + 1.0 / 3.0
        z = bnp.where(y > 0.333333333333, y, x * 1.23456789e-7)
        return bnp.sum(bnp.exp(z * 2.000000001) * 123456.789012)

    e = explain_weight(loss, numpy.array([0.1234567891, 2.0]), wrt="x", index=0)
    for ascii in (False, True):
        text = e.view(*VIEW_NAMES).to_text(ascii)
        assert "0.707107 x" in text and "1.23457e-7" in text and "2.00000" in text
        code = re.compile(r"\.py:\d+")
        for found in re.findall(r"\d+\.\d+", code.sub("", text)):
            assert len(found.replace(".", "").lstrip("0")) <= 6, found
    assert "0.7071067811865476" in e.to_json() and "0.1234567891" in e.to_json()
