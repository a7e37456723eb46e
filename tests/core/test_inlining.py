"""A graph without its calls computes the same, and says of each operation where it is from."""

from __future__ import annotations

from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.core.inlining import without_calls
from backlit.core.verify import verify

X = onp.array([0.5, 1.5, 2.5])


@bl.jit
def inner(x: Any) -> Any:
    s = np.sin(x)
    return s * 2.0, np.cos(x), x, 3.0


@bl.jit
def middle(x: Any) -> Any:
    a, b, same, number = inner(x)
    c, _, _, _ = inner(a)
    return a + b * c * number + same


def outer(x: Any) -> Any:
    return np.sum(middle(x) * middle(x + 1.0))


@pytest.mark.parametrize("f", [outer, bl.jit(outer), bl.grad(outer), bl.grad(bl.jit(outer))])
def test_what_is_computed_stays_the_same(f: Any) -> None:
    graph = bl.trace(f)(X)
    plain = without_calls(graph)
    verify(plain)
    assert "call" in {e.primitive.name for e in graph.equations}
    assert "call" not in {e.primitive.name for e in plain.equations}
    (result,) = plain(X)
    onp.testing.assert_allclose(result, f(X), rtol=1e-12)
    assert without_calls(plain) is plain


def test_operations_keep_their_lines() -> None:
    plain = without_calls(bl.trace(outer)(X))
    sines = [e for e in plain.equations if e.primitive.name == "sin"]
    assert len(sines) == 4 and all(e.source is not None for e in sines)
    assert {e.source.text() for e in sines if e.source} == {"s = np.sin(x)"}
    assert {plain.assigned().get(e.outputs[0]) for e in sines} == {"s"}


def test_derivatives_of_what_was_not_compiled_keep_their_origin() -> None:
    plain = without_calls(bl.trace(bl.grad(lambda x: np.exp(outer(np.sin(x)))))(X))
    origins = [e.provenance for e in plain.equations if e.provenance is not None]
    known = [origin for origin in origins if origin.equation >= 0]
    assert {"exp", "sin"} <= {origin.primitive for origin in known}
    for origin in known:
        assert plain.equations[origin.equation].primitive.name == origin.primitive
