"""What graphs and their parts look like in an interactive session and in messages."""

from __future__ import annotations

from typing import Any

import numpy as onp

import backlit as bl
import backlit.numpy as np
from backlit.core.graph import Graph, Literal, Var

X = onp.array([1.0, 2.0])


def test_a_small_graph_shows_its_equations() -> None:
    graph = bl.trace(lambda x: np.sin(x) * 2.0)(X)
    assert repr(graph) == str(graph)
    assert "sin x" in repr(graph)


def test_a_large_graph_is_a_line() -> None:
    def f(x: Any, y: Any) -> Any:
        for _ in range(100):
            x = np.sin(x)
        return x, y

    text = repr(bl.trace(f)(X, 1.0))
    assert text == (
        "<graph f(x: float64[2], y: float64~[]) -> (float64[2], float64~[]): 100 equations; "
        "print it to see them>"
    )
    many = bl.trace(lambda *xs: [*xs])(*range(50))
    assert len(repr(Graph(many.inputs, many.equations * 0, many.outputs))) < 3000
    looped = bl.trace(lambda x: bl.fori_loop(0, 3, lambda i, c: c * x, x))(1.5)
    assert "1 equation; print" in repr(looped)


def test_parts_of_a_graph() -> None:
    graph = bl.trace(lambda x: x * onp.arange(9.0).reshape(9, 1) + 2.0)(X)
    first, second = graph.equations
    assert repr(first) == "Equation(multiply(x: float64[2], float64[9,1]) -> float64[9,2])"
    assert repr(second) == "Equation(add(float64[9,2], 2.0) -> float64[9,2])"
    assert repr(graph.inputs[0]) == "Var(x: float64[2])"
    assert repr(second.inputs[1]) == "Literal(2.0)"
    assert repr(Literal(onp.ones(2))) == "Literal([1.0, 1.0])"
    assert repr(Literal(onp.ones(20))) == "Literal(float64[20])"
    assert repr(Literal([[1], [2, 3]])) == "Literal(list)"  # damaged, as a message may meet it
    assert repr(Var(first.outputs[0].aval)) == "Var(_: float64[9,2])"
