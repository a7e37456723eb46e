"""Pictures of answers to why_zero and the like, and of derivations without numbers."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import numpy
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.core.errors import InputError
from backlit.explain.answers import Why
from backlit.explain.document import Box


def dead(W1: Any, b1: Any, W2: Any, x: Any) -> Any:
    z = x @ W1 + b1
    h = np.relu(z)
    out = h @ W2 + 1.0
    return np.sum(out**2)


def distance(p: Any, q: Any) -> Any:
    d = p - q
    return np.sqrt(np.sum(d**2))


def power(W: Any, x: Any) -> Any:
    for _ in range(10):
        x = W @ x
    return np.sum(x)


def zero() -> Why:
    ones = numpy.ones
    return bl.why_zero(dead, ones((2, 3)), numpy.full(3, -9.0), ones((3, 2)), ones(2), wrt="W1")


WHY = {
    "zero": (zero, "h", "z", "stops here"),
    "nan": (
        lambda: bl.why_nan(distance, numpy.ones(2), numpy.ones(2)),
        "L",
        "t2",
        "is not finite here",
    ),
    "large": (
        lambda: bl.why_large(power, 4 * numpy.eye(2), numpy.ones(2), wrt="x"),
        "x_10",
        "x_9",
        "grows here",
    ),
}


def marked(why: Why) -> list[tuple[Box, Box]]:
    assert why.picture is not None
    boxes = zip(why.picture.forward, why.picture.backward, strict=True)
    return [pair for pair in boxes if pair[1].marked]


@pytest.mark.parametrize("name", WHY)
def test_the_edge_where_it_happened_is_marked(name: str) -> None:
    asked, _, _, said = WHY[name]
    why = asked()
    found = marked(why)
    assert found and all(back.lines[-1] == said and ahead.marked for ahead, back in found)
    picture = why.picture
    assert picture is not None
    # One way from an input to the loss: every other box has an arrow in or out of it.
    touched = {place for arrow in picture.arrows for place in arrow}
    assert touched == set(range(len(picture.forward)))
    root = ElementTree.fromstring(why.to_svg())
    groups = [g for g in root.iter() if "marked" in g.get("class", "").split()]
    assert len(groups) == 2 * len(found)
    assert all("marked" not in part for part in why.to_dict())
    assert said in why.to_html() and said in why.to_latex()


def test_the_way_runs_from_the_loss_through_the_edge_to_the_input() -> None:
    picture = zero().picture
    assert picture is not None
    names = [box.lines[0] for box in picture.forward if box.kind != "local"]
    assert names[0] == "W1" and {"z", "h", "out", "L"} <= set(names)
    (edge,) = marked(zero())
    assert edge[0].lines[0] == "∂h/∂z = z > 0"


def test_answers_without_an_edge_have_no_picture_and_say_so() -> None:
    fine = bl.why_nan(distance, numpy.ones(2), numpy.zeros(2))
    assert fine.picture is None
    with pytest.raises(InputError, match="no single edge is to blame"):
        fine.to_svg()
    assert "finite" in fine.to_mathml() and "finite" in fine.to_html()


def test_formulas_are_a_picture_too() -> None:
    found = bl.explain(dead, *[bl.spec(s) for s in ((2, 3), (3,), (3, 2), (2,))], wrt=["W1", "b1"])
    root = ElementTree.fromstring(found.to_svg())
    texts = {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"W1", "h", "= relu(z)", "∂L/∂W1", "∂L/∂z"} <= texts
    assert not any("\\" in (text or "") for text in texts)
    (figure,) = [part for part in found.document().walk() if type(part).__name__ == "Figure"]
    arrows = figure.picture.arrows  # type: ignore[attr-defined]
    labels = [box.lines[0] for box in figure.picture.forward]  # type: ignore[attr-defined]
    assert {(labels[a], labels[b]) for a, b in arrows} >= {("W1", "z"), ("z", "h"), ("h", "out")}
    with pytest.raises(InputError, match='the view "picture" has one'):
        found.view("matrices").to_svg()


def test_what_has_no_calculation_has_its_words_in_mathml() -> None:
    for shown in (zero(), bl.explain.draw(lambda x, y: x * y, 3.0, -4.0)):
        root = ElementTree.fromstring(shown.to_mathml())
        words = " ".join(root.itertext())
        assert len(words) > 100 and len(list(root.iter())) > 20
    said = "".join(ElementTree.fromstring(zero().to_mathml()).itertext())
    assert "relu is off" in said.replace("\u00a0", " ")
