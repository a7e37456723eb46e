"""Scans that go over the same data become one, and collect only what is used."""

from __future__ import annotations

from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.compiler.merging import merged
from backlit.core.evaluate import evaluate
from backlit.core.verify import verify

X = onp.linspace(0, 1, 50)
W = onp.array([0.3, -0.7, 1.1, 0.2])


def total(w: Any) -> Any:
    last, ys = bl.scan(lambda c, v: (np.tanh(c * w + v), c * c), onp.zeros(4), X)
    return np.sum(last) + np.sum(np.sin(ys))


def last_only(w: Any) -> Any:
    return np.sum(bl.scan(lambda c, v: (np.tanh(c * w + v), c * c), 0.5 * w, X)[0])


def nested(w: Any) -> Any:
    return bl.scan(lambda c, v: (c + total(w * v), ()), 0.0, X[:3])[0]


def scans(graph: Any) -> int:
    return sum(e.primitive.name == "scan" for e in graph.equations)


@pytest.mark.parametrize("f", [total, last_only, nested])
@pytest.mark.parametrize("reverse", [bl.grad, bl.value_and_grad])
def test_the_forward_scan_runs_once(f: Any, reverse: Any) -> None:
    graph = bl.jit(reverse(f)).graph(W)
    found, rewrites = merged(graph)
    verify(found)
    assert scans(found) == 2
    assert len(rewrites) == scans(graph.pruned()) - 2
    for a, b in zip(evaluate(found, (W,)), evaluate(graph, (W,)), strict=True):
        onp.testing.assert_array_equal(a, b)
    compiled, eager = bl.jit(reverse(f))(W), reverse(f)(W)
    for a, b in zip(*(t if isinstance(t, tuple) else (t,) for t in (compiled, eager)), strict=True):
        onp.testing.assert_allclose(a, b, rtol=1e-13)


def test_what_a_scan_collects_for_nobody_is_not_computed() -> None:
    units = bl.jit(last_only).inspect(W).units
    assert "  nest [4]: multiply, add, tanh" in units


def test_scans_that_differ_stay() -> None:
    def f(w: Any, x: Any) -> Any:
        step = lambda c, v: (c * w + v, c)  # noqa: E731
        a, _ = bl.scan(step, onp.zeros(4), x)
        b, _ = bl.scan(step, onp.zeros(4), x, reverse=True)
        c, _ = bl.scan(step, onp.ones(4), x)
        return a + 2.0 * b + 3.0 * c

    graph = bl.jit(f).graph(W, X)
    assert scans(merged(graph)[0]) == 3
    onp.testing.assert_allclose(bl.jit(f)(W, X), f(W, X), rtol=1e-13)
