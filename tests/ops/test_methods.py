"""A traced array behaves like the ndarray it stands for: operators, methods, NumPy beside it."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.core.errors import TracedValueError
from backlit.testing import check_grads

RNG = onp.random.default_rng(1)
A, V, S = RNG.normal(size=(2, 3)), RNG.normal(size=3), RNG.normal(size=(3, 3))
K = onp.array([2, 0, 1])


def traced(f: Callable[[Any], Any], x: Any) -> Any:
    """Return what f computes on a traced array, every leaf as a plain array."""
    return list(bl.trace(f)(x)(x))


def flat(value: Any) -> list[Any]:
    return [onp.asarray(leaf) for leaf in bl.core.tree.flatten(value)[0]]


def same(f: Callable[[Any], Any], x: Any) -> None:
    for a, b in zip(traced(f, x), flat(f(x)), strict=True):
        a = onp.asarray(a)
        assert a.shape == b.shape and a.dtype == b.dtype
        onp.testing.assert_allclose(a, b, rtol=1e-12)


METHODS: list[Callable[[Any], Any]] = [
    lambda x: x.reshape(3, 2),
    lambda x: x.reshape((3, -1)),
    lambda x: x.reshape(-1),
    lambda x: x.transpose(),
    lambda x: x.transpose(1, 0),
    lambda x: x.transpose((1, 0)),
    lambda x: x.transpose(None),
    lambda x: x.T,
    lambda x: x.mT,
    lambda x: x.ravel(),
    lambda x: x.flatten(),
    lambda x: x[None].squeeze(),
    lambda x: x[None].squeeze(axis=0),
    lambda x: x.swapaxes(0, 1),
    lambda x: x.repeat(2, axis=1),
    lambda x: x.astype("float32"),
    lambda x: x.astype(int),
    lambda x: x.copy(),
    lambda x: (x > 0.0).copy(),
    lambda x: x.clip(-0.5, 0.5),
    lambda x: x.sum(),
    lambda x: x.sum(0),
    lambda x: x.sum(axis=1, keepdims=True),
    lambda x: x.mean(axis=0),
    lambda x: x.var(ddof=1),
    lambda x: x.std(axis=1),
    lambda x: x.prod(),
    lambda x: x.max(axis=1),
    lambda x: x.min(),
    lambda x: x.argmax(),
    lambda x: x.argmin(axis=1),
    lambda x: (x > 0.0).all(axis=0),
    lambda x: (x > 0.0).any(),
    lambda x: x.cumsum(axis=1),
    lambda x: x.dot(V),
    lambda x: x.take(K, axis=1),
    lambda x: (x.T @ x).diagonal(),
    lambda x: -x,
    lambda x: +x,
    lambda x: abs(x),
    lambda x: ~(x > 0.0),
    lambda x: [row * 2.0 for row in x],
    lambda x: [*x[0]],
    lambda x: x * len(x) + x.ndim + x.size + x.shape[1],
    lambda x: x * (x.dtype == onp.float64),
    lambda x: x.sum() if 1.0 in x else x[0],
]


@pytest.mark.parametrize("method", METHODS)
def test_methods_are_numpys(method: Callable[[Any], Any]) -> None:
    same(method, A)


OPERATORS = [
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.mod, operator.floordiv),
    *(operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne),
]
OPERANDS = [2.0, 3, onp.float64(1.5), onp.array(2.5), V, A, onp.ones((4, 2, 1)), onp.int64(2)]


@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.parametrize("other", OPERANDS, ids=repr)
def test_operators_take_numpy_on_either_side(op: Callable[[Any, Any], Any], other: Any) -> None:
    same(lambda x: op(x, other), A)
    same(lambda x: op(other, x), A)


@pytest.mark.parametrize("op", OPERATORS[:5])
@pytest.mark.parametrize("other", OPERANDS, ids=repr)
def test_gradients_flow_whatever_side_numpy_is_on(
    op: Callable[[Any, Any], Any], other: Any
) -> None:
    if op is operator.mod:
        return  # jumps; its derivative is checked in the registry
    check_grads(lambda x: op(x, other), (A,), order=1)
    check_grads(lambda x: op(other, x), (A,), order=1)


def test_products_take_numpy_on_either_side() -> None:
    same(lambda x: x @ S, A)
    same(lambda x: onp.ones((2, 2)) @ x, A)
    same(lambda x: V @ x.T, A)
    check_grads(lambda x: (S @ x.T) @ x, (A,))


def test_powers_take_numpy_on_either_side() -> None:
    p = onp.abs(A) + 0.1
    for exponent in (2, -1, 0, 0.5, onp.float64(1.5), [1.0, 2.0, 3.0], V):
        same(lambda x, e=exponent: x**e, p)
        check_grads(lambda x, e=exponent: x**e, (p,))
    for base in (2, 2.0, onp.abs(V)):
        same(lambda x, b=base: b**x, p)
        check_grads(lambda x, b=base: b**x, (p,))


def test_lists_on_either_side() -> None:
    same(lambda x: x + [1.0, 2.0, 3.0], A)
    same(lambda x: [1, 2, 3] * x, A)
    check_grads(lambda x: [1.0, 2.0, 3.0] * x / [3.0, 2.0, 1.0], (A,))


def test_logic_between_masks() -> None:
    def f(x: Any) -> Any:
        m = (x > 0.0) & (x < 1.0) | ~(x > -1.0) ^ onp.array([True, False, True])
        return np.where(m, x, 2.0 * x), True & m, False | m, True ^ m

    same(f, A)


def test_numpys_functions_take_traced_arrays() -> None:
    def f(x: Any) -> Any:
        return (
            onp.sin(x),
            onp.add(x, V),
            onp.sum(x, axis=0),
            onp.mean(x),
            onp.maximum(0.0, x),
            onp.where(x > 0, x, 0.0),
            onp.concatenate([x, A]),
            onp.stack([x[0], V]),
            onp.dot(x, V),
            onp.einsum("ij,j->i", x, V),
            onp.transpose(x),
            onp.exp(x).sum(),
            onp.abs(x),
            onp.shape(x)[0] * x,
        )

    same(f, A)
    check_grads(f, (A,))


def test_numpys_functions_name_the_users_line_in_the_graph() -> None:
    graph = bl.trace(lambda x: onp.sin(x) + V * onp.cos(x))(A)
    assert [e.primitive.name for e in graph.equations] == ["sin", "cos", "multiply", "add"]
    for equation in graph.equations:
        assert equation.source is not None and equation.source.file == __file__
        assert "onp.sin(x)" in equation.source.text()


def test_integers_of_a_traced_array_work_as_indices_and_counts() -> None:
    def f(x: Any) -> Any:
        k = np.argmax(x)
        return [10.0, 20.0, 30.0][k] * x[k] + sum(x[i] for i in range(k)) + int(k)

    x = onp.array([1.0, 5.0, 2.0])
    value, slope = bl.value_and_grad(f)(x)
    assert value == 20.0 * 5.0 + 1.0 + 1 and slope.tolist() == [1.0, 20.0, 0.0]
    assert len(bl.trace(f)(x).guards) == 3


def test_formatting_shows_the_value_and_loses_nothing() -> None:
    seen: list[str] = []

    def f(x: Any) -> Any:
        seen.extend([f"{x[0]:.2f}", f"{x}", repr(x), str(x * 2.0)])
        return x.sum()

    bl.grad(bl.grad(lambda s: f(onp.array([1.0, 2.0]) * s)))(1.0)
    assert seen[0] == "1.00"
    assert seen[1] == seen[2] == "Tracer(float64[2], value=[1. 2.])"
    assert "[2. 4.]" in seen[3]
    assert repr(onp.zeros(1)) == "array([0.])"

    def g(x: Any) -> Any:
        seen.extend([repr(x), f"{x}", f"{x:.3f}"])
        return x

    bl.trace(g, abstract=True)(1.0)
    assert seen[-3:] == ["Tracer(float64~[])"] * 3


# --- what would lose a gradient ----------------------------------------------------------------


def store(x: Any) -> Any:
    out = onp.zeros(3)
    out[0] = x[0]
    return out.sum()


def add_in_place(x: Any) -> Any:
    total = onp.zeros(3)
    total += x
    return total.sum()


@pytest.mark.parametrize(
    ("f", "what"),
    [
        (lambda x: float(x[0]), "float()"),
        (lambda x: complex(x[0]), "complex()"),
        (lambda x: int(x[0]), "int()"),
        (lambda x: math.sin(x[0]), "float()"),
        (lambda x: math.floor(x[0]), "float()"),
        (lambda x: onp.asarray(x).sum(), "numpy.asarray()"),
        (lambda x: onp.array([x[0], x[1]]).sum(), "numpy.asarray()"),
        (lambda x: onp.float64(x[0]), ""),
        (lambda x: x[0].item(), ".item()"),
        (lambda x: x.tolist()[0], ".tolist()"),
        (lambda x: range(x[0]), "an index"),
        (lambda x: [1.0, 2.0][x[0]], "an index"),
        (store, ""),
        (add_in_place, "write a traced value into a plain array"),
        (lambda x: onp.add(x, 1.0, out=onp.zeros(3)).sum(), "write a traced value"),
        (lambda x: onp.random.default_rng(0).normal(x).sum(), ""),
    ],
)
@pytest.mark.parametrize(
    "run",
    [
        lambda f: bl.grad(f)(V),
        lambda f: bl.jacfwd(f)(V),
        lambda f: bl.trace(f)(V),
        lambda f: bl.grad(bl.grad(lambda s: f(s * onp.ones(3))))(1.0),
    ],
    ids=["reverse", "forward", "trace", "nested"],
)
def test_losing_a_gradient_is_refused_with_line_and_fix(
    f: Callable[[Any], Any], what: str, run: Callable[[Callable[[Any], Any]], Any]
) -> None:
    with pytest.raises(TracedValueError) as caught:
        run(f)
    message = str(caught.value)
    assert what in message
    assert "test_methods.py" in message and "fix:" in message


def test_the_marks_are_under_the_expression() -> None:
    with pytest.raises(TracedValueError) as caught:
        bl.grad(store)(V)
    lines = str(caught.value).splitlines()
    place = next(k for k, line in enumerate(lines) if "test_methods.py" in line)
    assert lines[place].endswith("in store")
    assert lines[place + 1].strip() == "out[0] = x[0]"
    start, stop = lines[place + 2].index("^"), lines[place + 2].rindex("^") + 1
    assert lines[place + 1][start:stop] == "out[0]"


def test_numbers_may_be_looked_at_after_stop_gradient() -> None:
    def f(x: Any) -> Any:
        scale = float(bl.stop_gradient(x.sum()))
        seen = onp.asarray(bl.stop_gradient(x)), bl.stop_gradient(x[0]).item()
        assert seen[1] == seen[0][0]
        return (x * scale).sum()

    assert bl.grad(f)(onp.array([1.0, 2.0])).tolist() == [3.0, 3.0]
    assert bl.jvp(f, (onp.array([1.0, 2.0]),), (onp.ones(2),))[1] == 6.0
    graph = bl.trace(f)(onp.array([1.0, 2.0]))
    assert "valid where" in str(graph) and len(graph.guards) == 3


def test_arrays_that_do_not_depend_on_the_inputs_may_be_looked_at() -> None:
    def f(x: Any) -> Any:
        table = np.zeros(3)
        table[1] = 2.0
        return x * float(table[1]) + onp.asarray(table).sum() + len(table.tolist())

    assert bl.value_and_grad(f)(1.0) == (7.0, 2.0)


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: len(x[0]), "0-dimensional"),
        (lambda x: list(x[0]), "0-dimensional"),
        (lambda x: {x: 1}, "unhashable"),
    ],
)
def test_what_python_itself_refuses(f: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        bl.grad(f)(V)


def test_the_truth_of_many_is_ambiguous_as_in_numpy() -> None:
    with pytest.raises(ValueError, match="ambiguous"):
        bl.grad(lambda x: x.sum() if x > 0.0 else x[0])(V)
