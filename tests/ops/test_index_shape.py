"""The shape of an indexed array, worked out from shapes alone, against NumPy's indexing."""

from __future__ import annotations

from typing import Any

import numpy as onp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlit.ops.indexing import _encode, result_shape


@st.composite
def indexed(draw: Any) -> tuple[tuple[int, ...], tuple[Any, ...]]:
    """Draw a shape and an index into it: every kind of part, in every order."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=5)))
    used = draw(st.integers(0, len(shape)))
    gap = len(shape) - used
    ellipsis = draw(st.integers(0, used)) if draw(st.booleans()) else None
    common = draw(st.sampled_from([(), (2,), (3, 1), (2, 3)]))
    shapes = [common, common[1:], (1,) * len(common), ()]
    end = st.one_of(st.none(), st.integers(-6, 6))
    parts: list[Any] = []
    for k in range(used):
        if ellipsis == k:
            parts.append(Ellipsis)
        if draw(st.integers(0, 5)) == 0:
            parts.append(None)
        n = shape[k + (gap if ellipsis is not None and k >= ellipsis else 0)]
        kind = draw(st.sampled_from(["integer", "slice", "array", "array", "array"]))
        if kind == "integer":
            parts.append(draw(st.integers(-n, n - 1)))
        elif kind == "slice":
            step = draw(st.sampled_from([None, 1, 2, -1, -3]))
            parts.append(slice(draw(end), draw(end), step))
        else:
            extents = draw(st.sampled_from(shapes))
            size = int(onp.prod(extents))
            values = draw(st.lists(st.integers(-n, n - 1), min_size=size, max_size=size))
            parts.append(onp.array(values, int).reshape(extents))
    if ellipsis == used:
        parts.append(Ellipsis)
    return shape, tuple(parts)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(indexed())
def test_the_shape_is_numpys(case: tuple[tuple[int, ...], tuple[Any, ...]]) -> None:
    shape, index = case
    assert result_shape(shape, *_encode(index)) == onp.empty(shape)[index].shape


A = onp.array([0, 1])


@pytest.mark.parametrize(
    "index",
    [
        (slice(None), A, Ellipsis, A, A),  # an ellipsis of no axes still separates
        (None, A, None, A),
        (0, slice(None), A),  # an integer beside an array counts as one
        (slice(None), 0, A),
        (A[:0], slice(None), 1),
        (slice(5, 2), A),
    ],
)
def test_corners(index: Any) -> None:
    x = onp.empty((7, 3, 2, 5))
    assert result_shape(x.shape, *_encode(index)) == x[index].shape


@pytest.mark.parametrize("index", [3, -4, (0, 0, 0), (Ellipsis, Ellipsis), (A, [0, 1, 1])])
def test_what_numpy_refuses_is_refused(index: Any) -> None:
    with pytest.raises((IndexError, ValueError)):
        onp.empty((3, 2))[index]
    with pytest.raises((IndexError, ValueError)):
        result_shape((3, 2), *_encode(index))
