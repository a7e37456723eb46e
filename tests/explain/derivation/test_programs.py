"""Other programs: compiled parts, trees of parameters, loops, assignment, random numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit import nn, random
from backlit.explain.derivation.naming import symbol
from backlit.explain.derivation.sheet import Sheet
from backlit.explain.derive import confirm, sheet
from backlit.explain.equation.text.printing import unicode
from backlit.explain.equation.tree import Name
from tests.explain.derivation.networks import drawn
from tests.explain.derivation.reading import check_faithful


@bl.jit
def layer(W: Any, x: Any) -> Any:
    z = W @ x
    return np.tanh(z)


def compiled(W: Any, x: Any) -> Any:
    a = layer(W, x)
    L = np.sum(a**2)
    return L


def parameters(p: Any, x: Any) -> Any:
    h = np.relu(p["W1"] @ x + p["b1"])
    out = p["W2"] @ h
    return np.sum(out**2)


def listed(ws: Any, x: Any) -> Any:
    for w in ws:
        x = np.tanh(w @ x)
    return np.sum(x)


def dropped(W: Any, x: Any, key: Any) -> Any:
    mask = random.uniform(key, (3,)) > 0.5
    h = np.where(mask, W @ x, 0.0)
    return np.sum(h**2)


def scanned(W: Any, xs: Any, start: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        h = np.tanh(W @ h + x)
        return h, h

    last, everything = bl.scan(step, start, xs)
    return np.sum(everything**2) + np.sum(last)


def branches(x: Any) -> Any:
    return bl.cond(x[0] > 0, lambda v: np.sum(v * v), lambda v: -np.sum(v), x)


def held(x: Any) -> Any:
    y = bl.stop_gradient(x) * x
    return np.sum(y)


def assigned(x: Any, k: Any) -> Any:
    out = np.zeros(4)
    for i in range(4):
        out[i] = np.sum(x[i : i + 3] * k)
    return np.sum(out**2)


def traced_norm(A: Any) -> Any:
    return np.trace(A @ A.T) + np.sum(np.diag(A))


def extremes(x: Any) -> Any:
    return np.logsumexp(x) + np.max(x) + np.prod(x) + np.std(x)


def running(x: Any) -> Any:
    return np.sum(np.cumsum(x) * np.cumprod(x) * np.flip(x))


def of_a_gradient(x: Any) -> Any:
    g = bl.grad(lambda t: np.sum(np.sin(t) ** 3))(x)
    return np.sum(g**2)


def odd_names(e: Any, sum: Any, log_x: Any, α: Any) -> Any:
    y_hat = e * sum
    return np.sum(np.sin(y_hat) * log_x) * α


def huber(x: Any, y: Any) -> Any:
    r = x - y
    return np.mean(np.where(np.abs(r) < 1, 0.5 * r**2, np.abs(r) - 0.5))


def hinge(w: Any, X: Any, y: Any) -> Any:
    return np.mean(np.maximum(0.0, 1 - y * (X @ w)))


PROGRAMS: list[tuple[Callable[..., Any], Callable[[], list[Any]]]] = [
    (compiled, lambda: drawn((3, 2), (2,))),
    (
        parameters,
        lambda: [
            dict(zip(("W1", "b1", "W2"), drawn((3, 2), (3,), (2, 3)), strict=True)),
            *drawn((2,)),
        ],
    ),
    (listed, lambda: [drawn((3, 3), (3, 3)), *drawn((3,))]),
    (dropped, lambda: [*drawn((3, 2), (2,)), random.key(3)]),
    (scanned, lambda: drawn((3, 3), (4, 3), (3,))),
    (branches, lambda: drawn((3,))),
    (held, lambda: drawn((3,))),
    (assigned, lambda: drawn((6,), (3,))),
    (traced_norm, lambda: drawn((3, 3))),
    (extremes, lambda: drawn((4,))),
    (running, lambda: drawn((4,))),
    (of_a_gradient, lambda: drawn((3,))),
    (odd_names, lambda: [*drawn((3,), (3,), (3,)), 0.7]),
    (huber, lambda: drawn((5,), (5,))),
    (hinge, lambda: [*drawn((3,), (5, 3)), onp.array([1.0, -1.0, 1.0, 1.0, -1.0])]),
]


@pytest.mark.parametrize(("f", "arguments"), PROGRAMS, ids=[f.__name__ for f, _ in PROGRAMS])
def test_program(f: Callable[..., Any], arguments: Callable[[], list[Any]]) -> None:
    first = arguments()
    derivation = sheet(f, *first)
    confirm(derivation, first)
    for args in (first, arguments()):
        check_faithful(f, derivation, args, differences=4)
    assert str(derivation) and derivation.to_text(ascii=True).isascii()


def names(derivation: Sheet) -> list[str]:
    return [symbol(line.left) for line in derivation.forward if isinstance(line.left, Name)]


def test_what_a_compiled_function_computes_is_written_out_under_both_names() -> None:
    found = sheet(compiled, *drawn((3, 2), (2,)))
    assert [unicode(line.equation) for line in found.forward] == [
        "z = W x",
        "a = tanh(z)",
        "L = ∑ a²",
    ]


def test_a_sum_that_has_no_name_carries_the_derivatives_of_its_terms() -> None:
    found = sheet(
        parameters, {"W1": onp.ones((3, 2)), "b1": onp.ones(3), "W2": onp.ones((2, 3))}, onp.ones(2)
    )
    assert names(found) == ["t2", "h", "out", "L"]
    assert unicode(found.gradient("W1").right) == "∂L/∂t2 xᵀ"
    assert unicode(found.gradient("b1").right) == "∂L/∂t2"


def test_names_that_mean_something_else_are_changed() -> None:
    found = sheet(odd_names, *drawn((3,), (3,), (3,)), 0.7)
    arguments = [symbol(argument.name) for argument in found.arguments]
    assert arguments == ["e0", "sum0", "logx", "alpha"]
    assert names(found) == ["yhat", "L"]


def test_loops_over_lists_count_as_layers() -> None:
    found = sheet(listed, drawn((3, 3), (3, 3)), *drawn((3,)))
    assert [symbol(argument.name) for argument in found.arguments] == ["ws[1]", "ws[2]", "x"]
    assert names(found) == ["x[1]", "x[2]", "L"]


def test_elements_written_elsewhere_are_left_out() -> None:
    found = sheet(assigned, *drawn((6,), (3,)))
    assert unicode(found.gradient("out[2]").right) == "(∂L/∂t12)[1]"


def test_a_compiled_function_that_is_called_twice_is_written_out_twice() -> None:
    @bl.jit
    def g(w: Any, x: Any) -> Any:
        h = np.tanh(w * x)
        return np.sum(h**2)

    def f(w: Any, x: Any) -> Any:
        return g(w, x[0]) * g(g(w, x[1]) * w, x[2])

    w, x = drawn((3,), (3, 3))
    derivation = sheet(f, w, x)
    assert [unicode(line.left) for line in derivation.forward][:-1] == ["h^[1]", "h^[2]", "h^[3]"]
    check_faithful(f, derivation, [w, x])


def test_a_loop_calls_what_it_only_reads_by_its_name() -> None:
    def rnn(W: Any, U: Any, xs: Any) -> Any:
        h, hs = bl.scan(lambda h, x: (np.tanh(W @ h + U @ x), h), np.zeros(2), xs)
        L = np.sum(h**2) + np.sum(hs)
        return L

    W, U, xs = drawn((2, 2), (2, 3), (4, 3))
    derivation = sheet(rnn, W, U, xs)
    assert [unicode(line.left) for line in derivation.forward] == ["h", "hs", "L"]
    assert unicode(derivation.programs[0]) == "f1(x1, x2, W, U) = (tanh(W x1 + U x2), x1)"
    check_faithful(rnn, derivation, [W, U, xs])
    # One array that is read twice is one parameter by its name and one without.
    twice = sheet(lambda W: np.sum(bl.scan(lambda h, _: (W @ h @ W, 0.0), W, length=2)[0]), W)
    check_faithful(
        lambda W: np.sum(bl.scan(lambda h, _: (W @ h @ W, 0.0), W, length=2)[0]), twice, [W]
    )


def looked_up(table: Any, ids: Any, w: Any) -> Any:
    rows = table[ids]
    return np.sum(np.tanh(rows @ w))


def softmax_by_hand(Z: Any, labels: Any) -> Any:
    shifted = Z - np.max(Z, axis=1, keepdims=True)
    P = np.exp(shifted) / np.sum(np.exp(shifted), axis=1, keepdims=True)
    return -np.mean(np.log(P[np.arange(2), labels]))


def test_rows_of_a_table_come_back_by_one_hot() -> None:
    table, w = drawn((5, 3), (3,))
    found = sheet(looked_up, table, onp.array([1, 4, 1]), w, wrt="table")
    assert unicode(found.gradient("table").right) == "onehot(ids, 5)ᵀ ∂L/∂rows"
    # Counted from the end, a place is no label.
    found = sheet(looked_up, table, onp.array([1, -1, 1]), w, wrt="table")
    assert "scatter" in unicode(found.gradient("table").right)
    confirm(found, (table, onp.array([1, -1, 1]), w))


def test_a_softmax_written_out_is_a_softmax() -> None:
    (Z,) = drawn((2, 3))
    found = sheet(softmax_by_hand, Z, onp.array([2, 0]), wrt="Z")
    lines = {symbol(x.left): unicode(x.right) for x in found.forward if isinstance(x.left, Name)}
    assert lines["P"] == "softmax(shifted, axis=1)"
    assert unicode(found.gradient("P").right) == "-(1/m) (onehot(labels, 3)/P)"
    assert unicode(found.gradient("shifted").right) == "(1/m) (P - onehot(labels, 3))"
    confirm(found, (Z, onp.array([2, 0])))
    # A probability of 0 is not divided by.
    far = onp.array([[0.0, 1000.0, 0.0], [1.0, 2.0, 3.0]])
    confirm(sheet(softmax_by_hand, far, onp.array([1, 0]), wrt="Z"), (far, onp.array([1, 0])))


def test_one_label_is_one_hot_too() -> None:
    def picked(z: Any, label: Any) -> Any:
        return -nn.log_softmax(z)[label]

    (z,) = drawn((4,))
    found = sheet(picked, z, onp.array(2), wrt="z")
    assert unicode(found.gradient("z").right) == "softmax(z, axis=0) - onehot(label, 4)"
    confirm(found, (z, onp.array(2)))
    confirm(sheet(picked, z, onp.array(-2), wrt="z"), (z, onp.array(-2)))
