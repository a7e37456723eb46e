"""Arrays that share memory, and arrays that a body traced by shape may not change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.core.errors import DTypeError, TracedValueError
from backlit.testing import check_grads

X = onp.array([1.5, 2.5, 3.5])
SQUARE = onp.arange(9.0).reshape(3, 3) + 0.5

# What shares memory with a matrix in NumPy, and may not be written to there either (or not always).
SHARING: dict[str, Callable[[Any, Any], Any]] = {
    "diagonal": lambda np, a: np.diagonal(a),
    "diagonal method": lambda np, a: a.diagonal(1),
    "diagonal of a stack": lambda np, a: np.diagonal(a[None], 0, 1, 2),
    "diag": lambda np, a: np.diag(a),
    "broadcast_to": lambda np, a: np.broadcast_to(a, (2, 3, 3)),
    "broadcast_arrays": lambda np, a: np.broadcast_arrays(a, onp.ones((2, 1, 1)))[0],
    "einsum diagonal": lambda np, a: np.einsum("ii->i", a),
    "einsum transposed": lambda np, a: np.einsum("ij->ji", a),
}
COPIES: dict[str, Callable[[Any, Any], Any]] = {
    "conj": lambda np, a: np.conj(a),
    "meshgrid": lambda np, a: np.meshgrid(a[0], a[1])[0],
    "meshgrid of one": lambda np, a: np.meshgrid(a[0])[0],
    "sparse meshgrid": lambda np, a: np.meshgrid(a[0], a[1], sparse=True)[1],
    "nan_to_num": lambda np, a: np.nan_to_num(a),
    "trace": lambda np, a: np.einsum("ii", a)[None],
    "einsum sum": lambda np, a: np.einsum("ij->i", a),
    "diag of a vector": lambda np, a: np.diag(a[0]),
    "tile": lambda np, a: np.tile(a, (2, 1)),
    "repeat": lambda np, a: np.repeat(a, 2, axis=1),
    "full": lambda np, a: np.full((2, 3), a[0]),
    "pad": lambda np, a: np.pad(a, 0, mode="edge"),
}
ITSELF: dict[str, Callable[[Any, Any], Any]] = {
    "conj method": lambda np, a: a.conj(),
    "real": lambda np, a: np.real(a),
    "asanyarray": lambda np, a: np.asanyarray(a),
}


@pytest.mark.parametrize("name", SHARING)
@pytest.mark.parametrize("transform", [bl.grad, bl.jacfwd, bl.trace])
def test_a_view_is_stale_after_its_base_was_assigned_to(name: str, transform: Any) -> None:
    def f(x: Any) -> Any:
        a = x * 2.0
        view = SHARING[name](np, a)
        a[1] = 100.0
        return np.sum(view**2)

    with pytest.raises(TracedValueError, match="view of one that was assigned to"):
        transform(f)(SQUARE)


@pytest.mark.parametrize("name", [name for name in SHARING if "transposed" not in name])
def test_such_a_view_is_not_assigned_to(name: str) -> None:
    def f(x: Any) -> Any:
        a = x * 2.0
        view = SHARING[name](np, a)
        view *= 3.0
        return np.sum(a)

    with pytest.raises(TracedValueError, match="would not reach the array it views"):
        bl.grad(f)(SQUARE)


@pytest.mark.parametrize("name", [*COPIES, *ITSELF])
@pytest.mark.parametrize("which", ["base", "result"])
def test_copies_and_names_behave_as_in_numpy(name: str, which: str) -> None:
    made = {**COPIES, **ITSELF}[name]

    def f(np: Any, x: Any) -> Any:
        a = x * 2.0
        other = made(np, a)
        if which == "base":
            a[0] = a[1] ** 2
        else:
            other[0] = 7.0
        return np.sum(other**2) + 1000.0 * np.sum(a**3)

    assert bl.value_and_grad(lambda x: f(np, x))(SQUARE)[0] == pytest.approx(f(onp, SQUARE))
    check_grads(lambda x: f(np, x), (SQUARE,))


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.nan_to_num(x, copy=False),
        lambda x: np.meshgrid(x, x, copy=False),
    ],
)
def test_what_would_write_in_place_or_share_is_refused(f: Callable[[Any], Any]) -> None:
    with pytest.raises(TracedValueError, match="does not take copy="):
        bl.trace(f)(X)


# --- bodies that are traced by shape ----------------------------------------------------------


def changed(a: Any) -> Any:
    a[0] = 7.0
    return a.sum()


BODIES: dict[str, Callable[[Any], Any]] = {
    "fori_loop": lambda a: bl.fori_loop(0, 5, lambda i, c: c + changed(a), 0.0),
    "scan": lambda a: bl.scan(lambda c, t: (c + changed(a), ()), 0.0, None, length=3)[0],
    "cond": lambda a: bl.cond(a[0] > 0.0, lambda: changed(a), lambda: 0.0),
    "while_loop": lambda a: bl.while_loop(lambda c: c < 3.0, lambda c: c + changed(a), 0.0),
    "test of while_loop": lambda a: bl.while_loop(lambda c: changed(a) < c, lambda c: c, 0.0),
    "jit": lambda a: bl.jit(lambda: changed(a))(),
    "in place": lambda a: bl.fori_loop(0, 5, lambda i, c: (a.__iadd__(c), c)[1], a.sum()),
    "through a view": lambda a: bl.fori_loop(0, 5, lambda i, c: c + changed(a[1:]), 0.0),
    "nested": lambda a: bl.fori_loop(
        0, 2, lambda i, c: bl.fori_loop(0, 2, lambda j, d: d + changed(a), c), 0.0
    ),
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("make", [lambda x: x * 1.0, lambda x: x, lambda x: np.zeros(3)])
@pytest.mark.parametrize(
    "run", [bl.grad, lambda f: lambda x: bl.jvp(f, (x,), (x,)), lambda f: bl.trace(f)]
)
def test_a_body_may_not_assign_to_an_array_from_outside(name: str, make: Any, run: Any) -> None:
    def f(x: Any) -> Any:
        return BODIES[name](make(x)) + x.sum()

    with pytest.raises(TracedValueError, match="carry it") as caught:
        run(f)(X)
    assert "test_alias.py" in str(caught.value)


def test_a_body_may_assign_to_what_it_made_or_carries() -> None:
    def f(x: Any) -> Any:
        def body(i: Any, carry: Any) -> Any:
            own = np.zeros(3)
            own[1:] = x[1:] * 2.0
            copy = x.copy()
            copy *= own
            carry[0] = carry[2] + copy.sum()
            carry += 0.5
            return carry

        return bl.fori_loop(0, 3, body, x * 1.0).sum()

    def reference(x: Any) -> Any:
        carry = x * 1.0
        for _ in range(3):
            carry[0] = carry[2] + 2.0 * (x[1:] ** 2).sum()
            carry += 0.5
        return carry.sum()

    assert f(X) == pytest.approx(reference(X))
    check_grads(f, (X,))


def test_a_gradient_inside_a_body_may_assign_to_its_own_array() -> None:
    def inner(y: Any) -> Any:
        a = y * 1.0
        a[0] = a[1] * a[2]
        return a.sum()

    def f(x: Any) -> Any:
        return bl.fori_loop(0, 2, lambda i, c: c + bl.grad(inner)(x * c).sum(), 1.0)

    check_grads(f, (X,))


def test_a_body_may_assign_to_what_it_computed_from_arrays_outside() -> None:
    fixed = onp.ones(3)

    def f(np: Any, loop: Any, x: Any) -> Any:
        zeros = np.zeros(3)

        def body(i: Any, carry: Any) -> Any:
            own, empty, copy = x * fixed, zeros * 2.0, x.copy()
            before = own * carry + empty
            own[0] = carry[1] * 0.1
            empty[1:] = carry[:2]
            copy *= carry
            return before + own + empty * copy

        return loop(3, body, x * 0.3).sum()

    def plain(n: int, body: Any, carry: Any) -> Any:
        for i in range(n):
            carry = body(i, carry)
        return carry

    def engine(n: int, body: Any, carry: Any) -> Any:
        return bl.fori_loop(0, n, body, carry)

    value, slope = bl.value_and_grad(lambda x: f(np, engine, x))(X)
    assert value == pytest.approx(f(onp, plain, X))
    assert slope == pytest.approx(bl.grad(lambda x: f(np, plain, x))(X))
    assert slope == pytest.approx(bl.jacfwd(lambda x: f(np, engine, x))(X))


@pytest.mark.parametrize("outer", [bl.grad, bl.jacfwd, bl.jacrev])
@pytest.mark.parametrize("inner", ["grad", "jacfwd", "jvp", "vjp", "vjp later", "argument"])
def test_an_inner_derivative_sees_an_outer_array_as_it_was(outer: Any, inner: str) -> None:
    def f(x: Any) -> Any:
        a = x * 1.0

        def g(y: Any) -> Any:
            z = np.sum(a * y * y)
            if inner != "vjp later":
                a[0] = 5.0
            return z

        if inner.startswith("vjp"):
            _, pull = bl.vjp(g, x)
            a[1] = 100.0
            return np.sum(pull(1.0)[0])
        if inner == "jvp":
            return bl.jvp(g, (x,), (onp.ones(3),))[1]
        transform = bl.jacfwd if inner == "jacfwd" else bl.grad
        return np.sum(transform(g)(a * 1.0 if inner == "argument" else x))

    # ∂/∂x of the sum over k of 2 xₖ².
    assert outer(f)(X) == pytest.approx(4.0 * X)


# --- integers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.zeros(3, int).__iadd__(x),
        lambda x: np.ones(3, bool).__imul__(x),
        lambda x: np.ones(3, int).__itruediv__(2),
        lambda x: (x > 2.0).__iadd__(0.5),
        lambda x: np.full_like(onp.arange(3), x[0]),
        lambda x: np.full_like(onp.arange(3), [x[0], 1.0, 2.0]),
        lambda x: np.full_like(x > 2.0, x),
    ],
)
@pytest.mark.parametrize("transform", [bl.grad, bl.jacfwd])
def test_floats_are_not_cut_to_fit_an_array_of_integers(f: Any, transform: Any) -> None:
    with pytest.raises(DTypeError, match="fix: .*float") as caught:
        transform(lambda x: np.sum(f(x) * x))(X)
    assert "test_alias.py" in str(caught.value)


@pytest.mark.parametrize(
    ("cut", "expected"),
    [
        (lambda x: x.astype(int), [1, 2, 3]),
        (lambda x: np.asarray(x, dtype=int), [1, 2, 3]),
        (lambda x: np.array([x[0], x[1], 7], dtype=int), [1, 2, 7]),
        (lambda x: np.full(3, x, dtype=int), [1, 2, 3]),
        (lambda x: np.full_like(x, x, dtype=int), [1, 2, 3]),
        (lambda x: np.sum(x, dtype=int), 6),
        (lambda x: np.cumsum(x, dtype=int), [1, 3, 6]),
        (lambda x: np.concatenate([x[1:], x[:1]], dtype=int), [2, 3, 1]),
        (lambda x: np.stack([x[2], x[1], x[0]], dtype=int), [3, 2, 1]),
        (lambda x: np.einsum("i,i->i", x, x, dtype=int), [1, 4, 9]),
    ],
)
@pytest.mark.parametrize("transform", [bl.grad, bl.jacfwd])
def test_a_type_that_is_asked_for_cuts_as_astype_does(
    transform: Any, cut: Callable[[Any], Any], expected: Any
) -> None:
    slope = transform(lambda x: np.sum(cut(x) * x))(X)
    assert slope.tolist() == onp.broadcast_to(onp.array(expected, float), 3).tolist()


def test_integers_take_integers_in_place() -> None:
    def f(x: Any) -> Any:
        count = np.zeros(3, int)
        count += x > 2.0
        count *= 3
        return np.sum(count * x)

    assert bl.grad(f)(X).tolist() == [0.0, 3.0, 3.0]
