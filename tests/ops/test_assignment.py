"""Filling arrays inside a function: NumPy's results, NumPy's gradients, and no silent surprises."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.core.errors import BacklitError, DTypeError, ShapeError, TracedValueError
from backlit.testing import check_grads

X = onp.array([1.5, -0.5, 2.0, 0.25])


class Both:
    """A function written once against a namespace, so that NumPy itself is the reference."""

    def __init__(self, f: Callable[[Any, Any], Any]) -> None:
        self.f = f

    def check(self, x: Any) -> None:
        expected = self.f(onp, onp.array(x))
        given = onp.array(x)
        for transform in (bl.grad, bl.jacfwd, bl.hessian):
            transform(lambda x: self.f(np, x))(given)
        value = bl.value_and_grad(lambda x: self.f(np, x))(given)[0]
        assert value == pytest.approx(expected)
        assert (given == x).all(), "the argument was changed"
        check_grads(
            lambda x: self.f(np, x) if type(x) is bl.core.tracer.Tracer else self.f(onp, x.copy()),
            (given,),
        )


def running_sum(np: Any, x: Any) -> Any:
    out = np.zeros(4)
    for k in range(4):
        out[k] = x[k] ** 2 + (out[k - 1] if k else 0.0)
    return (out * onp.arange(1.0, 5.0)).sum()


def block(np: Any, x: Any) -> Any:
    out = np.ones((3, 4))
    out[1] = x
    out[:, 2] = x[:3] * 2.0
    out[0, 1:3] = out[1, 1:3] + 1.0
    return (out**2).sum()


def advanced(np: Any, x: Any) -> Any:
    out = np.full((4, 2), 0.5)
    out[onp.array([3, 0]), onp.array([0, 1])] = x[:2] * 3.0
    out[onp.array([True, False, True, False])] = x[2]
    return (out**3).sum()


def overwritten(np: Any, x: Any) -> Any:
    out = np.zeros(4)
    out[:] = x
    out[1] = 7.0
    out[onp.array([2, 2])] = x[:2]
    return (out * x).sum()


def argument(np: Any, x: Any) -> Any:
    y = x.sum()
    x[0] = x[1] * x[2]
    x[-1] = 2.0
    return (x**2).sum() + y


def copies(np: Any, x: Any) -> Any:
    a, b, c, d = x.copy(), x.astype(float), x**1, x.flatten()
    for part in (a, b, c, d):
        part[0] = 0.0
    return (a * b * c * d + x).sum()


def prior_elements(np: Any, x: Any) -> Any:
    out = np.zeros(4)
    out[0] = x[0]
    before = out[0]
    out[1] = before * x[1]
    out[2] = before * x[2]
    return (out**2).sum()


def recurrence(np: Any, x: Any) -> Any:
    state = np.empty((3, 2))
    state[0] = x[:2]
    for t in range(1, 3):
        state[t, 0] = state[t - 1, 0] * x[2] - state[t - 1, 1]
        state[t, 1] = state[t - 1, 0]
    return (state[-1] ** 2).sum()


def like(np: Any, x: Any) -> Any:
    out = np.zeros_like(x)
    out[1:] = np.diff(x)
    rest = np.array([1.0, 2.0])
    rest[0] = x[0]
    kept = np.copy(onp.ones(2))
    kept[1] = x[3]
    return (out**2).sum() + (rest * kept).sum()


def rows(np: Any, x: Any) -> Any:
    grid = np.zeros((2, 2))
    grid[0, :] = x[:2]
    grid[1, :] = x[2:]
    grid = grid @ grid
    grid[0, 0] = 1.0
    return grid.sum() * x[0]


def in_place(np: Any, x: Any) -> Any:
    total = np.zeros(4)
    same = total
    for k in range(3):
        total += x * float(k)
    total *= 2.0
    total -= x**2
    total /= 3.0
    total **= 2
    total[1] += x[0]
    total[2:] -= x[:2]
    return same.sum()


def in_place_argument(np: Any, x: Any) -> Any:
    y = x * 1.0
    x += 1.0
    x *= y
    return (x * y).sum()


@pytest.mark.parametrize(
    "f",
    [
        *(
            in_place,
            in_place_argument,
            running_sum,
            block,
            advanced,
            overwritten,
            argument,
            copies,
            prior_elements,
            recurrence,
        ),
        *(like, rows),
    ],
)
def test_filling_an_array_is_numpys_and_has_a_gradient(f: Callable[[Any, Any], Any]) -> None:
    Both(f).check(X)


def test_in_place_operators_keep_shape_and_type_and_bind_scalars_anew() -> None:
    def narrow(x: Any) -> Any:
        out = np.zeros(2, onp.float32)
        out += x
        assert out.dtype == onp.float32 and out.shape == (2,)
        return out.sum()

    assert bl.grad(narrow)(2.0) == 2.0

    def scalar(x: Any) -> Any:
        y = x
        y += 1.0
        return x * y

    assert bl.value_and_grad(scalar)(3.0) == (12.0, 7.0)
    for grow in (
        lambda x: operator.iadd(np.zeros(2), x * onp.ones(3)),
        lambda x: operator.iadd(x * onp.ones(1), onp.ones(3)),
    ):
        with pytest.raises(ShapeError) as caught:
            bl.grad(lambda x, grow=grow: grow(x).sum())(1.0)
        assert "test_assignment.py" in str(caught.value)
    with pytest.raises(TracedValueError, match="view"):
        bl.grad(lambda x: operator.iadd((x * 1.0).reshape(2, 2), 1.0).sum())(X)


def test_assigned_values_may_have_leading_axes_of_length_one() -> None:
    def f(x: Any) -> Any:
        out = np.zeros((3, 4))
        out[1] = x[None, :]
        out[2, 1:3] = x[None, None, 2:]
        return (out * onp.arange(12.0).reshape(3, 4)).sum()

    check_grads(f, (X,))
    assert bl.trace(f, abstract=True)(X)(X)[0] == pytest.approx(bl.value_and_grad(f)(X)[0])


def test_assignment_inside_every_kind_of_trace() -> None:
    def f(x: Any) -> Any:
        out = np.zeros(2)
        out[0] = x * x
        out[1] = 3.0
        return out.sum()

    assert f(2.0) == 7.0
    assert bl.trace(f)(2.0)(5.0) == (28.0,)
    assert bl.trace(f, abstract=True)(2.0)(5.0) == (28.0,)
    assert bl.jvp(f, (2.0,), (1.0,)) == (7.0, 4.0)
    assert bl.grad(bl.grad(f))(2.0) == 2.0
    assert bl.scan(lambda c, x: (c + f(x), None), 0.0, onp.array([1.0, 2.0]))[0] == 11.0


def test_an_outer_tracer_may_be_stored_in_an_inner_array_and_the_other_way_round() -> None:
    def outer(x: Any) -> Any:
        def inner(y: Any) -> Any:
            out = np.zeros(2)
            out[0] = x
            out[1] = y
            return out[0] * out[1] ** 2

        return bl.grad(inner)(x)  # 2 x²

    assert bl.value_and_grad(outer)(3.0) == (18.0, 12.0)


def test_plain_arrays_stay_plain_outside() -> None:
    out = np.zeros(2)
    assert type(out) is onp.ndarray
    bl.grad(lambda x: x)(1.0)
    assert type(np.ones(2)) is onp.ndarray and type(np.array([1.0])) is onp.ndarray


RUNS = (bl.grad, bl.jacfwd, bl.trace, lambda f: bl.trace(f, abstract=True))

# --- views ------------------------------------------------------------------------------------

VIEWS: list[Callable[[Any], Any]] = [
    lambda a: a[:2],
    lambda a: a[None],
    lambda a: a[...],
    lambda a: a.reshape(2, 2),
    lambda a: a.T,
    lambda a: a.ravel(),
    lambda a: a[None].squeeze(),
    lambda a: np.flip(a),
    lambda a: a[1:][::-1],
    lambda a: np.swapaxes(a[None], 0, 1),
]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("make", [lambda x: np.zeros(4), lambda x: x * 1.0, lambda x: x])
def test_a_view_may_not_be_used_after_its_base_was_assigned_to(
    view: Callable[[Any], Any], make: Callable[[Any], Any]
) -> None:
    def f(x: Any) -> Any:
        base = make(x)
        seen = view(base)
        base[0] = x[1]
        return seen.sum()

    for run in RUNS:
        with pytest.raises(TracedValueError, match="view of one that was assigned to") as caught:
            run(f)(X)
        message = str(caught.value)
        assert "base[0] = x[1]" in message or "test_assignment.py:" in message
        assert "return seen.sum()" in message and "take the view again" in message


# NumPy's reshape copies where memory is not in order: these views may not be assigned to.
RESHAPED = (3, 5, 6)


@pytest.mark.parametrize("view", [VIEWS[k] for k in RESHAPED])
def test_assigning_into_a_reshaped_view_is_refused(view: Callable[[Any], Any]) -> None:
    def f(x: Any) -> Any:
        base = x * 1.0
        seen = view(base)
        seen[0] = 1.0
        return base.sum()

    for run in RUNS:
        with pytest.raises(TracedValueError, match="assignment into a view") as caught:
            run(f)(X)
        assert "seen[0] = 1.0" in str(caught.value) and "copy" in str(caught.value)


@pytest.mark.parametrize("view", [v for k, v in enumerate(VIEWS) if k not in RESHAPED])
def test_assigning_into_a_view_reaches_the_array_it_was_taken_from(
    view: Callable[[Any], Any],
) -> None:
    def f(np: Any, x: Any) -> Any:
        base = x * 1.0
        seen = view(base)
        seen[..., 0] = x[3] ** 2
        seen += x[1]
        seen *= seen
        weights = onp.arange(1.0, 5.0)
        return (base * weights).sum() + (seen**3).sum()

    Both(f).check(X)


def through_rows(np: Any, x: Any) -> Any:
    table = x.reshape(2, 2) * np.ones((2, 2))
    for k, row in enumerate(table):
        row *= k + 2.0
        row[1:] -= x[0]
    return (table * table).sum()


def view_of_a_view(np: Any, x: Any) -> Any:
    table = np.zeros((3, 4))
    table[:] = x
    part = table.T[1:]
    corner = part[:2, ::2]
    corner += x[:2]
    corner[0] *= 3.0
    part[2] = x[3]
    return (table**2).sum() + part[0, 0]


def filled_view_of_constants(np: Any, x: Any) -> Any:
    table = np.zeros((2, 3))
    middle = table[:, 1]
    middle += 1.0
    middle[0] = x[2]
    return (table * onp.arange(6.0).reshape(2, 3)).sum() + x[0]


@pytest.mark.parametrize("f", [through_rows, view_of_a_view, filled_view_of_constants])
def test_views_of_views(f: Callable[[Any, Any], Any]) -> None:
    Both(f).check(X)


def test_a_view_that_is_no_longer_used_does_no_harm() -> None:
    def f(x: Any) -> Any:
        base = np.zeros(4)
        first = base[:2]
        total = first.sum()
        base[0] = x[0]
        again = base[:2]
        return total + again.sum()

    assert bl.grad(f)(X).tolist() == [1.0, 0.0, 0.0, 0.0]


def test_a_copy_of_a_view_may_be_used_and_assigned_to() -> None:
    def f(x: Any) -> Any:
        base = x * 1.0
        part = base[:2].copy()
        base[0] = 5.0
        part[1] = 7.0
        return (part * base[:2]).sum()

    assert bl.value_and_grad(f)(X) == (pytest.approx(4.0), pytest.approx([5.0, 7.0, 0.0, 0.0]))


def test_advanced_indexing_copies() -> None:
    def f(x: Any) -> Any:
        base = x * 1.0
        part = base[onp.array([0, 1])]
        base[0] = 5.0
        part[1] = 7.0
        return (part * base[:2]).sum()

    assert bl.value_and_grad(f)(X)[0] == 1.5 * 5.0 + 7.0 * -0.5


# --- refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "kind", "message"),
    [
        (
            lambda a, x: a.__setitem__(0, x),
            ShapeError,
            "cannot assign",
        ),
        (lambda a, x: a.__setitem__(5, x[0]), ShapeError, "out of bounds"),
        (lambda a, x: a.__setitem__(x[0], 1.0), DTypeError, "cannot be an index"),
        (lambda a, x: np.zeros(2, int).__setitem__(0, x[0]), DTypeError, "lose its gradient"),
    ],
)
def test_wrong_assignments_name_the_line(
    f: Callable[[Any, Any], Any], kind: type[BacklitError], message: str
) -> None:
    def run(x: Any) -> Any:
        f(np.zeros(2), x)
        return x.sum()

    with pytest.raises(kind, match=message) as caught:
        bl.grad(run)(X)
    assert "test_assignment.py" in str(caught.value)


def test_an_array_of_an_outer_function_filled_inside_may_not_leave_the_inner_gradient() -> None:
    def outer(x: Any) -> Any:
        kept = np.zeros(1)

        def inner(y: Any) -> Any:
            kept[0] = y
            return y * y

        bl.grad(inner)(x)
        return kept.sum()

    with pytest.raises(BacklitError, match="after the transformation that made it had ended"):
        bl.grad(outer)(2.0)


def test_index_set_is_the_same_as_a_function() -> None:
    out = np.index_set(X, slice(0, 2), onp.array([9.0, 8.0]))
    assert out.tolist() == [9.0, 8.0, 2.0, 0.25] and X[0] == 1.5
    check_grads(lambda x, v: np.index_set(x, onp.array([0, 2, 0]), v), (X, onp.ones(3)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: 2.0 * np.ones(3),
        lambda: -np.zeros(3),
        lambda: np.eye(3)[0] + 1.0,
        lambda: np.linspace(0.0, 1.0, 3) ** 2,
        lambda: np.concatenate([np.zeros(1), np.ones(2)]),
        lambda: np.cumsum(np.ones((1, 3)), axis=1).reshape(3) * onp.ones(3),
    ],
)
@pytest.mark.parametrize("transform", [bl.grad, bl.jacfwd, bl.hessian])
def test_what_is_computed_from_an_array_that_can_be_filled_can_be_filled(
    transform: Any, make: Callable[[], Any]
) -> None:
    def f(x: Any) -> Any:
        out = make()
        out[1] = x * x
        out += x
        return (out * onp.array([1.0, 10.0, 100.0])).sum()

    expected = 20.0 if transform is bl.hessian else 10.0 * 6.0 + 111.0
    assert transform(f)(3.0) == pytest.approx(expected)
