"""The text form, and the examples of docs/explain.md."""

from __future__ import annotations

import doctest
import inspect
import re
from pathlib import Path
from typing import Any

import numpy
import pytest

import backlit.numpy as np
from backlit import nn
from backlit.explain import Explanation, explain_weight

GUIDE = Path(__file__).parents[2] / "docs" / "explain.md"


def loss(W1, W2, b, x, y):  # type: ignore[no-untyped-def]
    h = np.sigmoid(W1 @ x + b[0])
    o = np.sigmoid(W2 @ h + b[1])
    E = 0.5 * np.sum((o - y) ** 2)
    return E


def small() -> Explanation:
    W1 = numpy.array([[0.15, 0.20], [0.25, 0.30]])
    W2 = numpy.array([[0.40, 0.45], [0.50, 0.55]])
    b = numpy.array([0.35, 0.60])
    x, y = numpy.array([0.05, 0.10]), numpy.array([0.01, 0.99])
    return explain_weight(loss, W1, W2, b, x, y, wrt="W1", index=(0, 0))


@pytest.fixture(scope="module")
def network() -> Explanation:
    model = nn.MLP([64, 128, 64, 10], seed=0)
    x = numpy.random.default_rng(0).uniform(0, 1, (1, 64)).astype("float32")

    def loss(model: Any, x: Any, y: Any) -> Any:
        return nn.cross_entropy(model(x), y)

    unit = int(numpy.argmax(model.layers[0](x)[0]))
    return explain_weight(loss, model, x, numpy.array([4]), wrt="layers.0.W", index=(5, unit))


def test_the_guide_shows_what_is_printed() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    assert inspect.getsource(loss).replace("  # type: ignore[no-untyped-def]", "") in guide

    def without_lines(text: str) -> list[str]:
        return [re.sub(r"\w+\.py:\d+$", "", line).rstrip() for line in text.splitlines()]

    block = re.search(r"```text\n(.*?)```", guide, re.DOTALL)
    assert block is not None
    assert without_lines(block[1]) == without_lines(str(small()))


def test_every_example_of_the_guide_runs() -> None:
    result = doctest.testfile(str(GUIDE), module_relative=False)
    assert result.failed == 0 and result.attempted > 12


def test_tables_are_aligned(network: Explanation) -> None:
    lines = str(network).splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith("2. "))
    end = next(k for k, line in enumerate(lines) if line.startswith("3. "))
    rows = [line for line in lines[start:end] if " · " in line and line.startswith("  ")]
    assert len(rows) > 20
    assert len({line.index(" · ") for line in rows}) == 1
    # Contributions are set flush right.
    assert len({len(line) for line in rows}) == 1


def test_text_of_a_network_fits_and_ends_with_one_line(network: Explanation) -> None:
    lines = str(network).splitlines()
    assert max(map(len, lines)) <= 130 and len(lines) < 210
    assert lines[-1] == network.statement and lines[-2] == ""
    assert "(summed over 640 paths)" in lines[-1]
    titles = [line for line in lines if re.match(r"\d\. ", line)]
    assert [title[:2] for title in titles] == [f"{k}." for k in range(1, 8)]


def test_hidden_elements_and_paths_are_accounted_for(network: Explanation) -> None:
    text = str(network)
    assert "… 61 more of A^[2]" in text and "… 61 more uses" in text and "… 62 more" in text
    assert "the other 635 paths" in text
    unit = next(step for step in network.backward if step.name == "A^[1]").elements[0]
    assert unit.term_count == 64 and len(unit.terms) == 3


def test_numbers_have_six_significant_digits(network: Explanation) -> None:
    for found in re.findall(r"(?<![\w.\[,])-?\d+\.\d+(?:e[+-]\d+)?(?![\w.\]])", str(network)):
        digits = found.partition("e")[0].replace("-", "").replace(".", "").lstrip("0")
        assert len(digits) <= 6, found


def test_ascii_text_has_the_same_tables(network: Explanation) -> None:
    plain = network.to_text(ascii=True)
    assert plain.isascii() and "dL/dw = " in plain and " -> " in plain
    assert len(plain.splitlines()) == len(str(network).splitlines())

    def f(ü: Any) -> Any:
        return ü * 2.0

    assert r"\xfc" in explain_weight(f, 1.0, wrt="ü").to_text(ascii=True)


def test_long_programs_keep_both_ends() -> None:
    def f(x: Any) -> Any:
        for _ in range(150):
            x = np.sin(x)
        return x

    e = explain_weight(f, 0.5, wrt="x")
    text = str(e)
    assert len(e.forward) == 151 and len(text.splitlines()) < 400
    # 151 rows, of which the first and the last 40 are kept.
    assert "… 71 lines left out …" in text
    assert "… · " in text and "… → " in text


def test_enormous_counts_are_readable() -> None:
    def f(x: Any) -> Any:
        for _ in range(1100):
            x = x * x * 0.5
        return x

    e = explain_weight(f, 1.9, wrt="x")
    assert e.paths.count == 2**1100 and "about 10^331 paths" in str(e)
    assert e.to_dict()["paths"]["count"] is None
