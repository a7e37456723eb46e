"""Any index NumPy takes: values, results by shape, gradients, and assignment."""

from __future__ import annotations

from typing import Any

import numpy as onp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as extra

import backlit as bl
import backlit.numpy as np
from backlit.core.errors import BacklitError, DTypeError, ShapeError, TracedValueError
from backlit.core.verify import verify
from backlit.testing import check_grads

X4 = onp.array([0.5, 0.1, 2.0, 0.3])
shapes = extra.array_shapes(min_dims=1, max_dims=4, max_side=4)


@st.composite
def indexed(draw: st.DrawFn) -> tuple[Any, Any]:
    """Draw an array and an index of it: basic, advanced, or a mixture."""
    shape = draw(shapes)
    x = onp.random.default_rng(0).normal(size=shape)
    kind = draw(st.sampled_from(["basic", "advanced", "mask", "mixed"]))
    if kind == "basic":
        return x, draw(extra.basic_indices(shape, allow_newaxis=True))
    if kind == "mask":
        rank = draw(st.integers(1, len(shape)))
        return x, draw(extra.arrays(bool, shape[:rank]))
    if kind == "advanced":
        return x, draw(extra.integer_array_indices(shape))
    parts: list[Any] = []
    length = draw(st.integers(1, 3))
    for extent in shape:
        parts.append(
            draw(
                st.integers(-extent, extent - 1)
                | st.slices(extent)
                | extra.arrays(onp.intp, (length,), elements=st.integers(-extent, extent - 1))
                | st.lists(st.integers(-extent, extent - 1), min_size=length, max_size=length)
            )
        )
        if draw(st.booleans()) and len(parts) < 4:
            parts.append(None)
    return x, tuple(parts)


def by_hand(x: Any, index: Any, g: Any) -> Any:
    """Scatter a cotangent back one element at a time."""
    places = onp.arange(x.size).reshape(x.shape)[index]
    out = onp.zeros(x.size)
    for place, value in zip(onp.ravel(places), onp.ravel(g), strict=True):
        out[place] += value
    return out.reshape(x.shape)


@given(indexed())
@settings(max_examples=200, deadline=None)
def test_reading_agrees_with_numpy_and_scatters_back(case: tuple[Any, Any]) -> None:
    x, index = case
    expected = x[index]
    value, pullback = bl.vjp(lambda x: x[index], x)
    onp.testing.assert_array_equal(value, expected)
    assert onp.shape(value) == onp.shape(expected)
    g = onp.random.default_rng(1).normal(size=onp.shape(expected))
    onp.testing.assert_allclose(pullback(g)[0], by_hand(x, index, g), atol=1e-12)
    onp.testing.assert_array_equal(bl.jvp(lambda x: x[index], (x,), (x * 2.0,))[1], expected * 2.0)
    for abstract in (False, True):
        graph = bl.trace(lambda x: x[index], abstract)(x)
        verify(graph)
        onp.testing.assert_array_equal(graph(x)[0], expected)
        assert graph.outputs[0].aval.shape == onp.shape(expected)


@given(indexed(), st.booleans())
@settings(max_examples=200, deadline=None)
def test_writing_agrees_with_numpy_in_value_and_gradient(case: tuple[Any, Any], one: bool) -> None:
    x, index = case
    rng = onp.random.default_rng(2)
    value = rng.normal(size=() if one else onp.shape(x[index]))
    expected = x.copy()
    expected[index] = value

    def write(x: Any, value: Any) -> Any:
        x[index] = value
        return x

    found, pullback = bl.vjp(write, x, value)
    onp.testing.assert_array_equal(found, expected)
    # NumPy itself says who wrote last: number the values, and see which numbers are left.
    g = rng.normal(size=x.shape)
    mark = onp.full(x.shape, -1)
    count = onp.arange(onp.size(x[index])).reshape(onp.shape(x[index]))
    mark[index] = count
    dx, dvalue = pullback(g)
    onp.testing.assert_array_equal(dx, onp.where(mark < 0, g, 0.0))
    each = onp.zeros(onp.shape(x[index]))
    for place in onp.ndindex(x.shape):
        if mark[place] >= 0:
            each.reshape(-1)[mark[place]] += g[place]
    onp.testing.assert_allclose(dvalue, each.sum() if one else each, atol=1e-12)
    for abstract in (False, True):
        graph = bl.trace(lambda x, v: np.index_set(x, index, v), abstract)(x, value)
        verify(graph)
        onp.testing.assert_array_equal(graph(x, value)[0], expected)


def test_traced_integers_index_plain_and_traced_arrays() -> None:
    table = onp.arange(12.0).reshape(3, 4)

    def f(x: Any) -> Any:
        k = np.argmax(x)
        rows = np.stack([k, k])
        picked = (table[rows] @ x).sum() + (np.take(table, rows, axis=0) @ x).sum()
        return table[k, 0] * x[k] + picked + x[rows].sum() + table[:, k].sum()

    x = onp.array([0.5, 0.1, 2.0, 0.3])
    check_grads(f, (x,))
    assert len(bl.trace(f)(x).guards) >= 2


def test_by_shape_plain_arrays_are_indexed_with_take() -> None:
    table = onp.arange(12.0).reshape(3, 4)
    graph = bl.trace(lambda x, k: x[k] + np.take(table, k, axis=0), abstract=True)(X4, 1)
    assert (graph(X4, 2)[0] == X4[2] + table[2]).all()
    rows = bl.trace(lambda k: np.take(table, k, axis=0), abstract=True)(onp.array([0, 1]))
    assert rows(onp.array([2, 0]))[0].tolist() == table[[2, 0]].tolist()
    for k in (1, onp.array([0, 1])):
        with pytest.raises(TracedValueError, match="np.take") as caught:
            bl.trace(lambda k: table[k], abstract=True)(k)
        assert "table[k]" in str(caught.value)


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_take_scatters_back_repeated_elements(axis: int | None) -> None:
    x = onp.random.default_rng(0).normal(size=(3, 4))
    check_grads(lambda x: np.take(x, onp.array([[0, 2], [0, -1]]), axis), (x,))


def test_one_hot_of_labels_outside_the_classes_is_zero() -> None:
    assert np.one_hot([0, 3, -1], 3).tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert np.one_hot(1, 2, onp.float32).dtype == onp.float32
    assert np.one_hot(onp.array([[1], [0]]), 2).shape == (2, 1, 2)
    graph = bl.trace(lambda k: np.one_hot(k, 3), abstract=True)(onp.array([1]))
    assert graph(onp.array([2]))[0].tolist() == [[0.0, 0.0, 1.0]]


@pytest.mark.parametrize(
    ("index", "kind", "message"),
    [
        (5, ShapeError, "out of bounds"),
        ((0, 0, 0), ShapeError, "too many indices"),
        (onp.array([0, 9]), ShapeError, "out of bounds"),
        (1.5, DTypeError, "cannot be an index"),
        (onp.array([0.5]), DTypeError, "float64 cannot be an index"),
        ("name", DTypeError, "cannot be an index"),
        (True, DTypeError, "a single boolean"),
        (onp.array([True]), ShapeError, "index|mask|boolean|bounds"),
    ],
)
def test_wrong_indices_name_the_line(index: Any, kind: type[BacklitError], message: str) -> None:
    x = onp.ones((2, 3))
    if isinstance(index, onp.ndarray) and index.dtype == bool:
        x = onp.ones(0)
    for f in (lambda x: x[index].sum(), lambda x: np.index_set(x, index, 1.0).sum()):
        with pytest.raises(kind, match=message) as caught:
            bl.grad(lambda x, f=f: f(x))(x)
        assert "test_indexing.py" in str(caught.value)


def test_scalars_are_not_indexed_but_may_gain_axes() -> None:
    with pytest.raises(ShapeError, match="0-dimensional"):
        bl.grad(lambda x: x[0])(1.0)
    assert bl.grad(lambda x: x[None, ...].sum() + x[()])(onp.float64(1.0)) == 2.0
    assert bl.grad(lambda x: x[[]].sum() + x.sum())(onp.ones(2)).tolist() == [1.0, 1.0]


def test_assigning_the_wrong_shape_is_refused_by_value_and_by_shape() -> None:
    def f(x: Any) -> Any:
        out = np.zeros((2, 3))
        out[0] = x
        return out.sum()

    for run in (bl.grad, lambda f: bl.trace(f, abstract=True)):
        with pytest.raises(ShapeError, match=r"test_indexing.py"):
            run(f)(onp.ones(2))
