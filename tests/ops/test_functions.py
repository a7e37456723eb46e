"""Corners of operations that the tables of the other tests do not reach."""

from __future__ import annotations

from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.core.errors import DTypeError, ShapeError
from backlit.testing import check_grads

X = onp.array([0.5, -1.5, 2.0])


@pytest.mark.parametrize("value", [2.0, 3, onp.float64(2.0), X, onp.array(2.0), [1.0, 2.0, 3.0]])
@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "maximum", "arctan2"])
def test_named_functions_take_plain_operands_first_or_second(name: str, value: Any) -> None:
    f = getattr(np, name)
    x = onp.array([0.7, 1.3, -0.4])
    for g in (lambda x: f(value, x), lambda x: f(x, value), lambda x: f(np.ones(3) * 2.0, x)):
        check_grads(g, (x,), order=1)


def test_constants_made_inside_meet_traced_values_on_either_side() -> None:
    def f(x: Any) -> Any:
        c = np.ones(3)
        return (c * x + x * c + c / (x + 5.0) + (x - c) + (c - x) + c + c * 2.0 + 2.0 * c).sum()

    check_grads(f, (X,))
    assert bl.trace(f, abstract=True)(X)(X)[0] == pytest.approx(f(X))


def test_operands_of_two_traces_meet_in_the_inner_one() -> None:
    def outer(x: Any) -> Any:
        inner = bl.grad(lambda y: (x * y + np.maximum(y, x) * 2.0 + np.multiply(x, y)).sum())(X)
        return (inner * x).sum()

    # ∂y: 2x + [2 where y > x]; at x = y + 1, the maximum is x.
    assert bl.grad(outer)(X + 1.0).tolist() == pytest.approx((4.0 * (X + 1.0)).tolist())


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.multiply(onp.ones(2), x),
        lambda x: np.multiply(x, onp.ones(2)),
        lambda x: onp.ones(2) * x,
        lambda x: x * "text",
        lambda x: "text" * x,
        lambda x: np.add(x, None),
        lambda x: np.add({}, x),
        lambda x: x + object(),
    ],
)
@pytest.mark.parametrize("run", [bl.grad, bl.jacfwd, bl.trace])
def test_operands_that_do_not_fit_name_the_line(f: Any, run: Any) -> None:
    with pytest.raises((ShapeError, DTypeError)) as caught:
        run(lambda x: f(x).sum())(X)
    assert "test_functions.py" in str(caught.value) and "fix:" in str(caught.value)


def test_clip_without_bounds_is_the_identity_and_a_new_array() -> None:
    def f(x: Any) -> Any:
        y = np.clip(x)
        y[0] = 0.0
        return (x * y).sum()

    assert bl.grad(f)(X).tolist() == (X * [0, 2, 2]).tolist()


def test_pad_with_a_traced_constant() -> None:
    f = lambda x, c: np.pad(x, ((1, 2),), constant_values=c)  # noqa: E731
    check_grads(f, (X, 0.3))
    check_grads(lambda c: np.pad(X, 1, constant_values=c), (0.3,))
    assert bl.grad(lambda x, c: f(x, c).sum(), (0, 1))(X, 0.3)[1] == 3.0
    assert np.pad(X, 1, mode="edge").tolist() == [0.5, 0.5, -1.5, 2.0, 2.0]


def test_roll_and_repeat_of_nothing() -> None:
    empty = onp.zeros((0, 2))
    for f in (lambda x: np.roll(x, 1, axis=0), lambda x: np.repeat(x, 2, axis=0), np.ravel):
        assert bl.jacrev(f)(empty).size == 0
        assert bl.trace(f)(empty)(empty)[0].shape == f(empty).shape


def test_broadcasting_of_einsum_units_on_either_side() -> None:
    a, b = onp.ones((2, 3)) * X, onp.random.default_rng(0).normal(size=(1, 3))
    check_grads(lambda a, b: np.einsum("ij,ij->ij", a, b), (a, b))
    check_grads(lambda a, b: np.einsum("ij,ij->ij", b, a), (a, b))
    check_grads(lambda a, b: np.einsum("ij,ij", a, b), (a, b))


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 3)])
def test_reductions_of_nothing_have_gradients_of_nothing(shape: tuple[int, ...]) -> None:
    x = onp.zeros(shape)
    for f in (np.sum, np.prod, lambda x: np.cumsum(x).sum(), lambda x: np.prod(x, axis=-1).sum()):
        assert bl.grad(f)(x).shape == shape
        assert bl.jvp(f, (x,), (x,))[1] == 0.0


def test_prod_of_many_is_exact_with_zeros_anywhere() -> None:
    rng = onp.random.default_rng(0)
    for zeros in ([], [0], [3], [1, 4]):
        x = rng.uniform(0.5, 1.5, (2, 5))
        x[0, zeros] = 0.0
        check_grads(lambda x: np.prod(x, axis=1), (x,))
        others = [onp.prod(onp.delete(x[0], k)) for k in range(5)]
        onp.testing.assert_allclose(bl.grad(lambda x: np.prod(x, axis=1).sum())(x)[0], others)


@pytest.mark.parametrize("batch", [(), (3,), (2, 1), (1, 3)])
def test_products_of_stacks_broadcast(batch: tuple[int, ...]) -> None:
    rng = onp.random.default_rng(0)
    a, b = rng.normal(size=(*batch, 2, 3)), rng.normal(size=(1, 3, 3, 2))
    check_grads(np.matmul, (a, b))
    check_grads(np.matmul, (a, b[0, 0]))
    check_grads(np.matmul, (a, b[0, 0, :, 0]))
    check_grads(np.matmul, (a[..., 0, :] if not batch else rng.normal(size=3), b))


def test_products_of_nothing() -> None:
    a, b = onp.zeros((2, 0)), onp.zeros((0, 3))
    da, db = bl.grad(lambda a, b: (a @ b).sum(), (0, 1))(a, b)
    assert da.shape == (2, 0) and db.shape == (0, 3)
