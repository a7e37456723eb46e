"""Which branch a choice took, said in its box."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.explain import draw


def chosen(x: Any) -> Any:
    y = bl.cond(x > 0, lambda z: np.sin(z), lambda z: z**2, x)
    return y * 2.0


def leaky(x: Any) -> Any:
    below = 0.1 * x
    h = np.where(x > 0, x, below)
    return np.sum(h)


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (1.2, "took the branch for true: x > 0"),
        (-0.2, "took the branch for false: not x > 0"),
    ],
)
def test_a_condition_says_which_branch_was_taken(x: float, said: str) -> None:
    found = draw(chosen, x)
    (made,) = [b for b in found.picture.forward if len(b.lines) > 1 and "cond(" in b.lines[1]]
    assert said in made.lines and said in made.about
    assert said in found.to_text() and said.replace(">", "&gt;") in found.to_svg()


@pytest.mark.parametrize(
    ("x", "said"),
    [
        ([1.0, -2.0, 3.0], "took x at 2 of 3, else below"),
        ([1.0, 2.0], "took x everywhere"),
        ([-1.0, -2.0], "took below everywhere"),
    ],
)
def test_a_choice_says_what_it_took(x: list[float], said: str) -> None:
    found = draw(leaky, numpy.array(x))
    (made,) = [b for b in found.picture.forward if len(b.lines) > 1 and "where(" in b.lines[1]]
    assert said in made.lines and said in found.to_text()
