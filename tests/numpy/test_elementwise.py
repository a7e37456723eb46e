"""Elementwise functions: NumPy's keywords, and lists that hold traced values."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.core.errors import BacklitError, TracedValueError
from backlit.testing import check_grads

X = onp.array([0.4, 1.7, -0.3])

# --- keywords ---------------------------------------------------------------------------------


def test_plain_arrays_go_to_numpy_with_every_keyword() -> None:
    out, mask = onp.full(3, 7.0), [True, False, True]
    assert np.sin(X, out=out, where=mask) is out
    assert out.tolist() == [onp.sin(0.4), 7.0, onp.sin(-0.3)]
    buffer = onp.empty(3)
    assert np.add(X, 1.0, buffer) is buffer
    onp.testing.assert_array_equal(buffer, X + 1.0)
    for f, args in ((np.add, (X, 1)), (np.exp, (X,)), (np.power, (X, 2))):
        plain = getattr(onp, f.__name__)(*args, dtype=onp.float32)
        assert f(*args, dtype=onp.float32).dtype == onp.float32
        onp.testing.assert_array_equal(f(*args, dtype=onp.float32), plain)


@pytest.mark.parametrize("abstract", [False, True])
@pytest.mark.parametrize(
    "call",
    [
        lambda np, x: np.sin(x, dtype=onp.float32),
        lambda np, x: np.add(x, 1, dtype="float32"),
        lambda np, x: np.multiply(2.0, x, dtype=onp.float32, where=True),
        lambda np, x: np.power(x, 2, dtype=onp.float32),
    ],
)
def test_a_traced_array_takes_a_dtype_of_floats(call: Any, abstract: bool) -> None:
    expected = call(onp, X)
    for module in (np, onp):  # NumPy's own function finds its way here
        found = bl.trace(lambda x, module=module: call(module, x), abstract)(X)(X)[0]
        assert found.dtype == expected.dtype == onp.float32
        onp.testing.assert_allclose(found, expected, rtol=1e-7)
    gradient = bl.grad(lambda x: call(np, x).sum())(X)
    plain = bl.grad(lambda x: call(np, x.astype(onp.float32)).sum())(X)
    assert gradient.dtype == onp.float64
    onp.testing.assert_allclose(gradient, plain)


@pytest.mark.parametrize(
    ("call", "keyword", "fix"),
    [
        (lambda x: np.sin(x, out=onp.ones(3)), "out", r"y = np\.sin\(…\)"),
        (lambda x: np.sin(X, out=x), "out", r"y = np\.sin\(…\)"),
        (lambda x: np.add(x, 1.0, where=[True, False, True]), "where", r"np\.where\(mask"),
        (lambda x: np.sin(x, dtype=int), "dtype", r"np\.sin\(…\)\.astype"),
        (lambda x: np.less(x, 1.0, dtype=bool), "dtype", "astype"),
        (lambda x: np.power(x, 2.0, where=x > 0.0), "where", r"np\.where\(mask"),
        (lambda x: onp.sin(x, where=[True, True, False]), "where", r"np\.where\(mask"),
    ],
)
def test_keywords_that_mean_nothing_to_a_traced_array(call: Any, keyword: str, fix: str) -> None:
    with pytest.raises(TracedValueError, match=f"does not take {keyword}=") as caught:
        bl.grad(lambda x: call(x).sum())(X)
    assert "test_elementwise.py" in str(caught.value)
    assert re.search(fix, caught.value.fix or "")


# --- lists ------------------------------------------------------------------------------------

LISTS: list[tuple[Callable[..., Any], Callable[[Any], Any]]] = [
    (lambda np, x: np.sin([x[0], x[1]]), lambda x: onp.sin(x[:2])),
    (lambda np, x: np.sin((x[0], [x[1]][0])), lambda x: onp.sin(x[:2])),
    (
        lambda np, x: np.add([x[0], 2.0], [[x[1]], [1.0]]),
        lambda x: onp.add([x[0], 2.0], [[x[1]], [1.0]]),
    ),
    (lambda np, x: x + [x[1], 2.0, x[0]], lambda x: x + [x[1], 2.0, x[0]]),
    (lambda np, x: [x[1], 2.0, x[0]] - x, lambda x: onp.array([x[1], 2.0, x[0]]) - x),
    (lambda np, x: np.maximum([x[0], x[2]], 0.1), lambda x: onp.maximum(x[[0, 2]], 0.1)),
    (lambda np, x: np.fmax([x[0], 1.0], 0.2), lambda x: onp.fmax([x[0], 1.0], 0.2)),
    (lambda np, x: np.diag([x[0], 2.0 * x[1]]), lambda x: onp.diag([x[0], 2.0 * x[1]])),
    (lambda np, x: np.atleast_2d([x[0], 1.0]), lambda x: onp.atleast_2d([x[0], 1.0])),
    (lambda np, x: np.logsumexp([x[0], x[1]]), lambda x: onp.logaddexp(x[0], x[1])),
    (
        lambda np, x: np.softmax([x[0], x[1]]),
        lambda x: onp.exp(x[:2]) / onp.exp(x[:2]).sum(),
    ),
    (
        lambda np, x: np.log_softmax([x[0], x[1]]),
        lambda x: x[:2] - onp.logaddexp(x[0], x[1]),
    ),
    (lambda np, x: np.index_set([x[0], 1.0], 1, x[2]), lambda x: x[[0, 2]]),
    (lambda np, x: np.power([x[0], x[1]], 2.0), lambda x: x[:2] ** 2.0),
]


@pytest.mark.parametrize("abstract", [False, True])
@pytest.mark.parametrize(("call", "expected"), LISTS)
def test_a_list_of_traced_values_counts_as_an_array(
    call: Any, expected: Any, abstract: bool
) -> None:
    found = bl.trace(lambda x: call(np, x), abstract)(X)(X)[0]
    onp.testing.assert_allclose(found, expected(X), rtol=1e-12)
    check_grads(lambda x: call(np, x), (X,))


# --- operators --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message", "fix"),
    [
        (lambda x: x << 1, r"bits.*cannot be shifted \(float64 by int64\)", r"x \* 2\*\*n"),
        (lambda x: 1 >> x, "cannot be shifted", r"x // 2\*\*n"),
        (lambda x: np.argmax(x) << 2, r"int64 by int64", r"x \* 2\*\*n"),
        (lambda x: pow(x, 2, 5), "takes no modulus", "%"),
        (lambda x: round(x, 1), "takes one number", r"np\.round"),
    ],
)
def test_operators_without_a_meaning_name_line_and_fix(call: Any, message: str, fix: str) -> None:
    with pytest.raises(BacklitError, match=message) as caught:
        bl.grad(call)(X)
    assert "test_elementwise.py" in str(caught.value)
    assert re.search(fix, caught.value.fix or "")


def test_divmod_round_and_methods_of_an_array() -> None:
    check_grads(lambda x: divmod(x, 0.7)[1] * x, (X,))
    check_grads(lambda x: divmod(3.1, x)[1], (onp.array([0.4, 1.7]),))
    assert bl.grad(lambda x: round(x, 1) * x)(1.26) == 1.3
    assert bl.grad(lambda x: round(x) * x)(1.26) == 1.0
    onp.testing.assert_array_equal(bl.grad(lambda x: (x.round(1) * x).sum())(X), X.round(1))
    onp.testing.assert_allclose(bl.grad(lambda x: np.outer(x, x).trace())(X), 2.0 * X)
    onp.testing.assert_array_equal(
        bl.grad(lambda x: x.cumprod()[-1])(X + 1.0).round(12),
        (onp.prod(X + 1.0) / (X + 1.0)).round(12),
    )
    assert bl.grad(lambda x: x[x.nonzero()].sum())(onp.array([0.0, 2.0])).tolist() == [0.0, 1.0]
    assert bl.grad(lambda x: (x.real * x.nbytes).sum())(X).tolist() == [24.0] * 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: x.sum(axis=1.5), "an axis is an integer, not 1.5"),
        (lambda x: np.max(x, axis="a"), "an axis is an integer, not 'a'"),
        (lambda x: np.softmax(x, (0, None)), "an axis is an integer, not None"),
        (lambda x: x.reshape("a"), "a shape is made of integers, not 'a'"),
        (lambda x: np.broadcast_to(x, (2, 3.0)), r"made of integers, not \(2, 3.0\)"),
        (lambda x: x.reshape(2, 2), "3 elements"),
        (lambda x: x.reshape(2, -1), "cannot reshape"),
    ],
)
def test_axes_and_shapes_that_are_none_name_line_and_fix(call: Any, message: str) -> None:
    with pytest.raises(BacklitError, match=message) as caught:
        bl.grad(lambda x: call(x).sum())(X)
    assert "test_elementwise.py" in str(caught.value) and caught.value.fix is not None
