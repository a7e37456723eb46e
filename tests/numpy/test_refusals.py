"""What `backlit.numpy` refuses, and NumPy on a traced array: with the line and a fix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.core.errors import BacklitError, TracedValueError

RNG = onp.random.default_rng(8)
A, V = RNG.normal(size=(2, 3)), RNG.normal(size=3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: np.reshape(x, (4, -1)), r"cannot reshape \(2, 3\) into \(4, -1\)"),
        (lambda x: np.reshape(x, (-1, -1)), "cannot reshape"),
        (lambda x: np.reshape(x, (5,)), r"cannot (reshape|take)"),
        (lambda x: np.reshape(x, (6,), order="F"), "order='F' is not supported"),
        (lambda x: np.squeeze(x, 0), "its length is not one"),
        (lambda x: np.transpose(x, (0,)), "do not permute 2 dimensions"),
        (lambda x: np.transpose(x, (0, 0)), "name the same axis twice"),
        (lambda x: np.moveaxis(x, (0, 1), 0), "as many destinations"),
        (lambda x: np.sum(x, axis=2), "axis 2 does not exist in an array of 2 dimensions"),
        (lambda x: np.broadcast_to(x, (2, 2)), "broadcast"),
        (lambda x: np.concatenate([x, onp.ones((3, 2))]), "concatenate|join"),
        (lambda x: np.concatenate([x[0, 0], x[0, 0]]), "np.stack"),
        (lambda x: np.stack([x, x[0]]), "stack needs equal shapes"),
        (lambda x: np.split(x, 2, axis=1), "cannot be cut into 2"),
        (lambda x: np.pad(x, 1, mode="mean"), "does not know mode='mean'"),
        (lambda x: np.pad(x, (1, -1)), r"the widths \(1, -1\)"),
        (lambda x: np.pad(x, (1, 2, 3)), r"the widths \(1, 2, 3\)"),
        (lambda x: np.pad(x, 1.5), "the widths 1.5"),
        (lambda x: np.pad(x[:0], 1, mode="edge"), "axis 0 is empty"),
        (lambda x: np.pad(x, 1, mode="reflect", reflect_type="odd"), "reflect_type="),
        (lambda x: np.einsum("ij,jk", x), "2 terms for 1 arrays"),
        (lambda x: np.einsum("ijk->i", x), "does not fit an array of shape"),
        (lambda x: np.einsum("ij,ij", x, onp.ones((2, 2))), "both 3 and 2"),
        (lambda x: np.einsum("ij->k", x), "does not follow from"),
        (lambda x: np.matmul(x, onp.float64(2.0)), "matmul"),
        (lambda x: np.matmul(x, onp.ones((2, 2))), "last axis of the left"),
        (lambda x: np.max(x[:, :0], axis=1), "max"),
        (lambda x: x + onp.ones(4), r"broadcast together"),
    ],
)
@pytest.mark.parametrize("abstract", [False, True])
def test_wrong_shapes_name_the_line(
    call: Callable[[Any], Any], message: str, abstract: bool
) -> None:
    with pytest.raises((BacklitError), match=message) as caught:
        bl.trace(lambda x: call(x), abstract)(A)
    assert "test_refusals.py" in str(caught.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: onp.linalg.norm(x),
        lambda x: onp.sort(x),
        lambda x: onp.add.reduce(x),
        lambda x: onp.add(x, 1.0, dtype=onp.int64),
        lambda x: onp.nextafter(x, 1.0),
        lambda x: onp.clip(x, -0.5, 0.5, casting="no"),
    ],
)
def test_what_numpy_cannot_do_on_traced_arrays_names_line_and_fix(call: Any) -> None:
    with pytest.raises(TracedValueError) as caught:
        bl.grad(lambda x: call(x))(V)
    assert "numpy." in str(caught.value) and "traced" in str(caught.value)
    assert "test_refusals.py" in str(caught.value) and "fix:" in str(caught.value)
