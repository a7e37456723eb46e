"""Arguments of `backlit.numpy`: NumPy's own, lists of traced values, and what is refused."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.core.errors import BacklitError, ShapeError
from backlit.testing import check_grads

RNG = onp.random.default_rng(3)
A, V = RNG.normal(size=(2, 3)), RNG.normal(size=3)
HALF = onp.array([True, False, True])

# --- nothing traced: NumPy's own, with arguments we know nothing of ---------------------------

PLAIN: list[Callable[[Any], Any]] = [
    lambda np: np.sum(A, 1, None, onp.zeros(2)),
    lambda np: np.sum(A, where=HALF),
    lambda np: np.mean(A, 0, onp.float32),
    lambda np: np.mean([[1, 2], [3, 4]], axis=1, where=[True, False]),
    lambda np: np.max(A, initial=10.0),
    lambda np: np.min(A, axis=1, out=onp.zeros(2)),
    lambda np: np.prod(A, initial=2.0),
    lambda np: np.var(A, 0, onp.float32, None, 1),
    lambda np: np.std(A, mean=onp.mean(A)),
    lambda np: np.any(A, where=False),
    lambda np: np.argmax([1.0, 3.0], keepdims=True),
    lambda np: np.cumsum([1, 2, 3], dtype=float),
    lambda np: np.average(onp.ones(3, "f"), weights=[1.0, 2.0, 3.0]),
    lambda np: np.ptp([1, 5]),
    lambda np: np.diff([1, 4, 9], 2),
    lambda np: np.diff([1, 4, 9], prepend=0),
    lambda np: np.trace(A, 1),
    lambda np: np.trace(RNG.normal(size=(2, 2, 2)) * 0.0),
    lambda np: np.diagonal(A, -1),
    lambda np: np.einsum("ij->j", A, order="F"),
    lambda np: np.tensordot([[1.0, 2.0]], [[3.0], [4.0]], 1),
    lambda np: np.inner([1, 2], [3, 4]),
    lambda np: np.outer([1, 2], [3, 4]),
    lambda np: np.dot([1, 2], [3, 4]),
    lambda np: np.matmul([[1, 2]], [3, 4], dtype=float),
    lambda np: np.take(V, [0, 5], mode="wrap"),
    lambda np: np.take_along_axis(A, onp.array([[0, 1]]), 1),
    lambda np: np.reshape([[1, 2], [3, 4]], 4, "F"),
    lambda np: np.concatenate([[1], [2.5]], dtype=onp.float32),
    lambda np: np.vstack([1.0, 2.0]),
    lambda np: np.split(V, [1, 7]),
    lambda np: np.pad(V, 1, "reflect"),
    lambda np: np.pad(V, 1, "constant", constant_values=(1.0, 2.0)),
    lambda np: np.roll(A, (1, 1), (0, 1)),
    lambda np: np.repeat([1, 2], [2, 1]),
    lambda np: np.tile([1, 2], 2),
    lambda np: np.clip([1, 5], a_min=2, a_max=None),
    lambda np: np.clip(onp.array([onp.nan, 1.0]), 0.0, None),
    lambda np: np.where(HALF),
    lambda np: np.where([True, False], 1, 2),
    lambda np: np.round([1.25, 2.35], 1),
    lambda np: np.count_nonzero(A, axis=0, keepdims=True),
    lambda np: np.zeros(2, order="F"),
    lambda np: np.zeros_like([1, 2], shape=3),
    lambda np: np.full_like([1, 2], 7.9),
    lambda np: np.array([1, 2], ndmin=2),
    lambda np: np.asarray([1, 2], order="F"),
    lambda np: np.atleast_1d(1.0, [2.0]),
    lambda np: np.linspace(0.0, 1.0, 4, endpoint=False),
    lambda np: np.arange(4, dtype=onp.int32),
    lambda np: np.logspace(0.0, 3.0, 4, base=2.0),
]


@pytest.mark.parametrize("call", PLAIN)
def test_with_nothing_traced_every_argument_is_numpys(call: Callable[[Any], Any]) -> None:
    found, expected = call(np), call(onp)
    assert type(found) is type(expected)
    pairs = (
        zip(found, expected, strict=True) if type(found) in (list, tuple) else [(found, expected)]
    )
    for a, b in pairs:
        assert onp.asarray(a).dtype == onp.asarray(b).dtype
        onp.testing.assert_array_equal(a, b)


def test_parameters_are_in_numpys_order() -> None:
    for name in np.__all__:
        try:
            ours, theirs = (
                inspect.signature(getattr(np, name)),
                inspect.signature(getattr(onp, name)),
            )
        except (AttributeError, ValueError):
            continue  # beyond NumPy, or a signature that NumPy does not tell
        order, mine = (
            [p.name for p in signature.parameters.values() if p.kind <= p.POSITIONAL_OR_KEYWORD]
            for signature in (theirs, ours)
        )
        if name == "einsum" or mine == ["x", "y"] or not set(mine) <= set(order):
            continue  # positional only, under other names
        assert mine == [n for n in order if n in mine] and mine == order[: len(mine)], name


def test_results_of_plain_calls_are_not_views_of_their_operand() -> None:
    x = onp.ones(3)
    for copied in (np.tile(x, 1), np.repeat(x, 1), np.astype(x, float), np.roll(x, 0)):
        copied[0] = 7.0
    assert x.tolist() == [1.0, 1.0, 1.0]


def test_results_may_be_assigned_to_as_in_numpy() -> None:
    def f(x: Any) -> Any:
        made = [
            np.tile(x, 1),
            np.tile(x, 2),
            np.repeat(x, 1),
            np.repeat(x, 2),
            np.roll(x, 1),
            np.sum(x, keepdims=True),
            np.einsum("i,j->ji", x, x),
            np.astype(x, float),
        ]
        for part in made:
            part[0] = 0.0
        return sum(np.sum(part) for part in made)

    check_grads(f, (V,))


# --- lists of traced values -------------------------------------------------------------------

LISTS: list[Callable[[Any, Any, Any], Any]] = [
    lambda np, x, y: np.sum([x, 2.0 * x]),
    lambda np, x, y: np.sum(a=[x, y], axis=0),
    lambda np, x, y: np.mean([[x, y], [y, 1.0]], axis=1),
    lambda np, x, y: np.max([x, y], 0),
    lambda np, x, y: np.std([x, y, 0.3]),
    lambda np, x, y: np.cumprod([x, y, 3.0]),
    lambda np, x, y: np.diff([x, y, 1.0]),
    lambda np, x, y: np.dot([x, y], V[:2]),
    lambda np, x, y: np.dot(V[:2], b=[x, y]),
    lambda np, x, y: np.matmul([[x, y]], [[y], [2.0]]),
    lambda np, x, y: np.outer([x, y], [1.0, y]),
    lambda np, x, y: np.einsum("i,i->", [x, y], [y, y]),
    lambda np, x, y: np.concatenate([[x], [x, y]]),
    lambda np, x, y: np.vstack([[x, y], [1.0, x]]),
    lambda np, x, y: np.hstack([x, [y, 2.0]]),
    lambda np, x, y: np.stack([[x, y], [1.0, x]], axis=1),
    lambda np, x, y: np.reshape([x, y, y, x], (2, 2)),
    lambda np, x, y: np.transpose([[x, y]]),
    lambda np, x, y: np.broadcast_to([x, y], (3, 2)),
    lambda np, x, y: np.flip([x, y]),
    lambda np, x, y: np.take([x, y], [1, 1, 0]),
    lambda np, x, y: np.where([True, False], [x, y], [y, x]),
    lambda np, x, y: np.clip([x, y], 0.0, [0.6, 9.0]),
    lambda np, x, y: np.average([x, y], weights=[y, 2.0]),
    lambda np, x, y: np.trace([[x, y], [y, x * y]]),
    lambda np, x, y: np.full((2, 2), [x, y]),
    lambda np, x, y: np.shape([x, y])[0] * x + np.ndim([[y]]) * np.size([x, y, x]),
]


@pytest.mark.parametrize("call", LISTS)
def test_a_list_of_traced_values_is_an_array(call: Callable[..., Any]) -> None:
    x, y = onp.float64(0.7), onp.float64(1.4)
    expected = call(onp, x, y)
    for abstract in (False, True):
        graph = bl.trace(lambda x, y: call(np, x, y), abstract)(x, y)
        onp.testing.assert_allclose(graph(x, y)[0], expected, rtol=1e-12)
    check_grads(lambda x, y: call(np, x, y), (x, y))


# --- what has no traced counterpart -----------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "keyword"),
    [
        (lambda x: np.sum(x, out=onp.zeros(())), "out="),
        (lambda x: np.sum(x, where=HALF), "where="),
        (lambda x: np.mean(x, where=HALF), "where="),
        (lambda x: np.max(x, initial=0.0), "initial="),
        (lambda x: np.max(x, 0, onp.zeros(())), "out="),
        (lambda x: np.std(x, correction=1), "correction="),
        (lambda x: np.var(x, mean=onp.zeros(1)), "mean="),
        (lambda x: np.matmul(x, x, casting="no"), "casting="),
        (lambda x: np.dot(x, x, onp.zeros(())), "out="),
        (lambda x: np.concatenate([x, x], casting="no"), "casting="),
        (lambda x: np.einsum("i->", x, order="F"), "order="),
        (lambda x: np.zeros_like(x, shape=3), "shape="),
        (lambda x: np.array(x, ndmin=2), "ndmin="),
        (lambda x: np.take(x, 0, mode="wrap"), "mode="),
        (lambda x: onp.sum(x, where=HALF), "where="),
        (lambda x: np.flip(x).sum(initial=1.0), "initial="),
    ],
)
def test_an_argument_without_traced_counterpart_is_named(call: Any, keyword: str) -> None:
    with pytest.raises(BacklitError) as caught:
        bl.grad(lambda x: call(x))(V)
    message = str(caught.value)
    assert keyword in message and "fix:" in message and "test_arguments.py" in message


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: np.tensordot(x[:, None], onp.ones((3, 4)), 1), "do not contract"),
        (lambda x: np.inner(x[:, None], onp.ones((4, 3))), "do not contract"),
        (lambda x: np.tensordot(x, x, 2), "over 2 axes of arrays of 1 and 1"),
        (lambda x: np.einsum("...i->i", A * x), r"no '\.\.\.' for the axes"),
        (lambda x: np.take_along_axis(x * A, onp.array([0]), 1), "indices of 2 dimensions"),
        (lambda x: np.average(x, weights=onp.ones(2)), "fit neither the array"),
        (lambda x: np.repeat(x, [1, 2]), "2 counts for an axis of 3"),
        (lambda x: np.split(x, 0), "cannot be cut into 0"),
        (lambda x: np.diff(x, -1), "n is -1"),
        (lambda x: np.diff(x[0]), "at least one dimension"),
        (lambda x: np.diagonal(x), "two dimensions, not 1"),
        (lambda x: np.trace(x * A, 0, 1, 1), "two different axes"),
    ],
)
def test_wrong_shapes_are_explained_where_numpy_refuses_them_too(call: Any, message: str) -> None:
    with pytest.raises((ValueError, IndexError, TypeError, ArithmeticError)):
        call(V)
    with pytest.raises(ShapeError, match=message) as caught:
        bl.grad(lambda x: call(x))(V)
    assert "test_arguments.py" in str(caught.value)


def test_where_with_a_condition_alone_asks_for_values_and_leaves_a_guard() -> None:
    def f(x: Any) -> Any:
        (places,) = np.where(x > 0.0)
        return (x[places] ** 2).sum()

    x = onp.array([1.0, -2.0, 3.0])
    assert bl.grad(f)(x).tolist() == [2.0, 0.0, 6.0]
    assert bl.trace(f)(x).guards
    with pytest.raises(BacklitError, match="unknown length"):
        bl.trace(f, abstract=True)(x)


# --- where NumPy takes care -------------------------------------------------------------------


def test_averages_of_float16_are_added_in_float32() -> None:
    x = onp.full(70_000, 1.0, onp.float16)
    for f in (np.mean, np.var, np.std):
        value, slope = bl.value_and_grad(f)(x)
        assert value.dtype == slope.dtype == onp.float16
        assert value == f(x.astype(float)) and onp.isfinite(slope).all()
    y = onp.array([1.0, 300.0, 60000.0], onp.float16)
    assert bl.trace(np.std)(y)(y)[0] == onp.float16(onp.std(y.astype(float)))


def test_average_keeps_float32() -> None:
    x, w = onp.arange(3, dtype="f"), onp.ones(3, "f")
    assert np.average(x, weights=w).dtype == onp.float32
    assert bl.trace(lambda x: np.average(x, weights=w))(x)(x)[0].dtype == onp.float32
    with pytest.raises(ZeroDivisionError):
        np.average(x, weights=[0.0, 0.0, 0.0])


def test_standard_deviation_of_equal_elements_has_slope_zero() -> None:
    for derivative in (bl.grad, bl.jacfwd):
        assert derivative(np.std)(onp.full(3, 2.0)).tolist() == [0.0, 0.0, 0.0]
        rows = onp.array([[1.0, 1.0], [1.0, 3.0]])
        found = bl.grad(lambda x: np.std(x, axis=1).sum())(rows)
        assert found.tolist() == [[0.0, 0.0], [-0.5, 0.5]]
    assert onp.isfinite(bl.hessian(np.std)(onp.full(3, 2.0))).all()


@pytest.mark.parametrize("zeros", [[], [3], [0, 4], [1, 2, 4]])
@pytest.mark.parametrize("f", [np.prod, lambda x: np.cumprod(x) @ onp.arange(1.0, 6.0)])
def test_products_with_zeros_have_exact_derivatives_of_every_order(f: Any, zeros: Any) -> None:
    x = RNG.uniform(0.5, 2.0, 5)
    x[zeros] = 0.0
    check_grads(lambda x: f(x) + (x**4).sum(), (x,), order=3)
    # d/dxᵢ of a product is the product with xᵢ replaced by 1, less it with 0: exactly.
    expected = [
        f(onp.where(onp.arange(5) == i, 1.0, x)) - f(onp.where(onp.arange(5) == i, 0.0, x))
        for i in range(5)
    ]
    onp.testing.assert_allclose(bl.grad(f)(x), expected, rtol=1e-13, atol=1e-15)


def test_a_gradient_of_a_long_product_is_a_short_graph() -> None:
    x = RNG.uniform(0.9, 1.1, 500)
    graph = bl.trace(bl.grad(np.prod))(x)
    assert len(graph.equations) < 40
    onp.testing.assert_allclose(graph(x)[0], onp.prod(x) / x, rtol=1e-12)
    assert len(bl.trace(bl.grad(bl.grad(lambda s: np.prod(s * x))))(1.0).equations) < 400


# --- arrays made inside -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.eye(3),
        lambda: np.identity(3),
        lambda: np.tri(3),
        lambda: np.arange(3.0),
        lambda: np.linspace(0.0, 1.0, 3),
        lambda: np.logspace(0.0, 1.0, 3),
        lambda: np.geomspace(1.0, 2.0, 3),
        lambda: np.empty_like(onp.ones(3)),
        lambda: np.full_like(onp.ones(3), 2.0),
        lambda: np.copy(onp.ones(3)),
    ],
)
def test_arrays_made_inside_can_be_filled(make: Callable[[], Any]) -> None:
    def f(x: Any) -> Any:
        out = np.copy(make())
        other = make()
        other[..., 1:] = x[1:]
        out[..., 0] = x[0] * x[2]
        return out.sum() + (other**2).sum()

    check_grads(f, (V,))


def test_integer_ranges_index_plain_arrays() -> None:
    table = onp.array([1.0, 2.0, 3.0])
    assert bl.grad(lambda x: (x * table[np.arange(2)]).sum())(1.0) == 3.0


# --- sources and help -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.diff(x),
        lambda x: np.ptp(x),
        lambda x: np.round(x, 1),
        lambda x: np.full(2, x[0]),
        lambda x: np.prod(x),
        lambda x: np.std(x),
        lambda x: np.average(x, weights=[1.0, 2.0, 3.0]),
        lambda x: bl.random.uniform(bl.random.key(0), (2,), low=x[0], high=x[1]),
        lambda x: bl.random.normal(bl.random.key(0), (3,)) * x,
    ],
)
def test_every_equation_knows_its_line(f: Any) -> None:
    for equation in bl.trace(f)(V).equations:
        assert equation.source is not None and equation.source.file == __file__


def test_every_function_says_what_it_does_and_shows_it() -> None:
    for name in np.__all__:
        doc = inspect.getdoc(getattr(np, name)) or ""
        assert doc.split("\n")[0].rstrip().endswith((".", ":", ")")) and ">>> " in doc, name
