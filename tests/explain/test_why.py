"""Why a gradient is zero, not a number or large: cases whose answer is known by construction."""

from __future__ import annotations

import json
from typing import Any

import numpy as onp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backlit as bl
import backlit.numpy as np
from backlit import nn
from backlit.core import tree
from backlit.core.errors import DifferentiationError, InputError
from backlit.core.evaluate import values
from backlit.explain.flow import flow
from backlit.nn import losses

RNG = onp.random.default_rng(0)
X = RNG.standard_normal((8, 4))
Y = RNG.integers(0, 3, 8)
W1, W2 = RNG.standard_normal((4, 5)), RNG.standard_normal((5, 3))


def network(W1: Any, b1: Any, W2: Any, X: Any) -> Any:
    z = X @ W1 + b1
    h = np.relu(z)
    logits = h @ W2
    return losses.cross_entropy(logits, Y)


def test_dead_relu_is_named_with_its_line() -> None:
    why = bl.why_zero(network, W1, onp.full(5, -100.0), W2, X, wrt="b1")
    assert why.holds
    assert [edge.operation for edge in why.edges] == ["relu"]
    edge = why.edges[0]
    assert edge.code == "h = np.relu(z)"
    assert edge.operand.name == "z"
    assert edge.operand.high < 0
    assert edge.upstream.zeros < edge.upstream.size
    assert edge.contribution.zeros == edge.contribution.size
    assert "relu" in why.statement
    assert edge.source in why.statement


def test_a_living_gradient_is_not_explained_away() -> None:
    why = bl.why_zero(network, W1, onp.zeros(5), W2, X)
    assert not why.holds
    assert not why.edges
    assert not bl.why_nan(network, W1, onp.zeros(5), W2, X).holds
    assert not bl.why_large(network, W1, onp.zeros(5), W2, X, above=1e3).holds


@pytest.mark.parametrize(
    ("f", "args", "operation", "word"),
    [
        (lambda w: np.sigmoid(w) ** 2, (2000.0,), "sigmoid", "saturated"),
        (lambda w: np.tanh(w) * 2.0, (50.0,), "tanh", "saturated"),
        (lambda w: np.maximum(w, 3.0), (1.0,), "maximum", "other operand"),
        (lambda w: np.clip(w, 0.0, 1.0), (3.0,), "clip", "outside"),
        (lambda w: np.floor(w) * 2.0, (3.5,), "floor", "flat"),
        (lambda w: bl.stop_gradient(w) * 2.0, (3.5,), "stop_gradient", "cuts"),
        (lambda w: w.astype(int) * 2.0, (3.5,), "astype", "int64"),
        (lambda w: np.argmax(w) * 1.0, (onp.ones(3),), "argmax", "jump"),
        (lambda w: np.mean(w > 0), (onp.ones(3),), "greater", "True or False"),
        (lambda w: np.sum((w > 0) & (w < 2)) * 1.0, (onp.ones(3),), "greater", "jump"),
        (lambda w: np.sum(np.round(w)), (onp.ones(3) * 1.4,), "rint", "flat"),
        (lambda w: np.where(w > 9.0, w, 1.0), (3.5,), "where", "other branch"),
        (lambda w, v: w * v, (3.5, 0.0), "multiply", "other factor"),
        (lambda w: w**2, (0.0,), "square", "flat at 0"),
        (lambda w: w @ onp.zeros(3), (onp.ones(3),), "matmul", "other factor"),
    ],
)
def test_what_stops_a_gradient(f: Any, args: tuple[Any, ...], operation: str, word: str) -> None:
    assert not onp.any(bl.grad(f)(*args))
    why = bl.why_zero(f, *args)
    assert why.holds
    assert why.edges[0].operation == operation
    assert word in why.edges[0].cause
    assert str(why).startswith("The gradient with respect to w is zero")
    assert json.loads(json.dumps(why.to_dict()))["edges"][0]["operation"] == operation


def test_inputs_that_never_have_a_gradient() -> None:
    assert "int64" in bl.why_zero(lambda w, k: w * k, 1.0, onp.array(3), wrt="k").statement
    assert "does not use" in bl.why_zero(lambda w, v: w * 1.0, 1.0, 2.0, wrt="v").statement
    assert "cancel" in bl.why_zero(lambda w: w - w, 1.0).statement
    with pytest.raises(InputError, match="only they have gradients"):
        bl.why_zero(lambda k: k * 1.0, onp.array(3))
    with pytest.raises(InputError, match="no array called 'q'"):
        bl.why_zero(lambda w: w * 1.0, 1.0, wrt="q")
    with pytest.raises(DifferentiationError, match="one real number"):
        bl.why_zero(lambda w: w, onp.ones(2))


def test_whole_numbers_are_named_as_what_has_no_gradient() -> None:
    with pytest.raises(InputError, match="w holds int64"):
        bl.why_zero(lambda w: np.sum(w**2), onp.arange(3))
    with pytest.raises(InputError, match="w holds int64"):
        bl.why_zero(lambda w: np.sum(w**2), 3)
    with pytest.raises(DifferentiationError, match="returns int64"):
        bl.why_zero(lambda w: np.sum(w > 0), onp.ones(3))


def test_data_that_are_zero_are_not_taken_for_weights() -> None:
    why = bl.why_zero(lambda w, x: np.sum(w * x), onp.ones(2), onp.zeros(2), wrt="w")
    assert "x is zero throughout" in why.edges[0].fix and "weights" not in why.edges[0].fix
    why = bl.why_zero(
        lambda W1, W2: np.sum(W2 @ np.tanh(W1)), onp.ones(2), onp.zeros((1, 2)), wrt="W1"
    )
    assert "draw weights at random" in why.edges[0].fix


def test_steps_of_a_loop_are_one_entry_with_their_number() -> None:
    def recurrent(W: Any, x: Any) -> Any:
        h = np.zeros(4)
        for _ in range(30):
            h = W @ h + x
        return np.sum(h)

    why = bl.why_large(recurrent, onp.eye(4) * 3, onp.ones(4), wrt="W")
    assert [edge.operand.name.partition("_")[0] for edge in why.edges] == ["h", "W"]
    assert why.more == 0
    # Every state but the first, which is constant, passes on three times what it gets.
    assert why.edges[0].count == 29
    assert str(why).count("W @ h + x") == 2 and "29 times" in str(why)


def test_all_zero_arrays_of_a_model_are_found_without_being_named() -> None:
    model = nn.MLP([4, 5, 3], "relu", seed=0)

    def loss(model: Any) -> Any:
        return losses.cross_entropy(model(X), Y) + 0.0 * np.sum(model.layers[0].b)

    assert not bl.why_zero(loss, model).holds
    dead = bl.why_zero(lambda model: losses.cross_entropy(model.layers[1](X @ W1), Y), model)
    assert dead.wrt == ("model.layers.0.W", "model.layers.0.b")


def test_where_a_loss_stops_being_finite() -> None:
    why = bl.why_nan(lambda p: -np.sum(np.log(p) * 2.0), onp.array([0.5, 0.0]))
    assert why.holds
    assert why.edges[0].operation == "log"
    assert why.edges[0].operand.zeros == 1
    why = bl.why_nan(lambda x: np.sum(np.exp(x)), onp.array([1.0, 1e4]))
    assert why.edges[0].operation == "exp"
    assert "709" in why.edges[0].cause
    why = bl.why_nan(lambda x: x * 2.0, onp.nan)
    assert "input x" in why.statement


def test_where_a_derivative_stops_being_finite() -> None:
    def f(x: Any) -> Any:
        r = np.sqrt(np.sum(x * x))
        return r * 3.0

    with onp.errstate(all="ignore"):
        assert onp.isnan(bl.grad(f)(onp.zeros(3))).all()
    why = bl.why_nan(f, onp.zeros(3))
    assert why.edges[0].operation == "sqrt"
    assert why.edges[0].code == "r = np.sqrt(np.sum(x * x))"
    assert why.edges[0].contribution.wrong == 1


def test_a_masked_infinity_is_not_blamed() -> None:
    def safe(x: Any) -> Any:
        return np.sum(np.where(x > 0, np.log(x), 0.0))

    with onp.errstate(all="ignore"):
        assert onp.isfinite(bl.grad(safe)(onp.array([1.0, 0.0]))).all()
        why = bl.why_nan(safe, onp.array([1.0, 0.0]))
    assert not why.holds


def test_growth_is_found_where_it_was_put() -> None:
    def deep(x: Any) -> Any:
        for k in range(6):
            x = np.tanh(x * (1000.0 if k == 2 else 0.5))
        return np.sum(x)

    why = bl.why_large(deep, onp.array([1e-4, 2e-4]))
    assert why.holds
    assert why.edges[0].operation == "multiply"
    assert "1000" in why.edges[0].cause
    assert why.edges[0].contribution.largest == pytest.approx(1000 * why.edges[0].upstream.largest)


def product(x: Any, *Ws: Any) -> Any:
    h1 = Ws[0] @ x
    h2 = np.relu(Ws[1] @ h1)
    h3 = Ws[2] @ h2
    h4 = Ws[3] @ h3
    return np.sum(h4**2)


def test_growth_over_many_steps_is_added_up() -> None:
    # A permutation times 15 makes every gradient 15 times as large.
    Ws = [15.0 * onp.eye(3)[RNG.permutation(3)] for _ in range(4)]
    why = bl.why_large(product, onp.full(3, 0.1), *Ws, wrt="x")
    first, last = [product.__code__.co_firstlineno + k for k in (1, 4)]
    place = f"(test_why.py:{first} to test_why.py:{last})"
    said = f"about 15 times at each of 4 steps of matmul {place}, 5.06e+04 times in all, and 10125"
    assert said in why.statement and "square (test_why.py" in why.statement
    assert [(edge.operation, edge.count) for edge in why.edges] == [("matmul", 4), ("square", 1)]
    assert why.edges[0].code == "h4 = Ws[3] @ h3"


def test_one_strong_operation_is_named_before_many_weak_ones() -> None:
    def f(x: Any) -> Any:
        for _ in range(4):
            x = x * 3.0
        return np.sum(x * 1000.0)

    why = bl.why_large(f, onp.ones(2))
    assert "grows most at multiply" in why.statement and "is 1000; besides" in why.statement
    assert "about 3 times at each of 4 steps of multiply" in why.statement
    assert [edge.count for edge in why.edges] == [1, 4]


def test_what_grows_and_shrinks_again_is_no_steady_growth() -> None:
    def f(x: Any) -> Any:
        for _ in range(6):
            x = (x * 20.0) / 20.0
        return np.sum(np.exp(x * 5.0))

    why = bl.why_large(f, onp.ones(2))
    assert "steadily" not in why.statement and "grows most at exp" in why.statement


def of_logarithms(x: Any) -> Any:
    h = np.log(x - 5.0)
    return np.sum(h)


def of_roots(x: Any) -> Any:
    return np.sum(np.sqrt(x - 1.0))


def of_relus(x: Any) -> Any:
    h = np.relu(x - 3.0)
    return np.sum(h)


def of_exponentials(x: Any) -> Any:
    return np.sum(np.exp(x * 50.0))


@pytest.mark.parametrize(
    "why, f",
    [
        (bl.why_nan, of_logarithms),
        (bl.why_nan, of_roots),
        (bl.why_zero, of_relus),
        (bl.why_large, of_exponentials),
    ],
)
def test_compiled_functions_are_looked_into(why: Any, f: Any) -> None:
    asked = why(f, onp.ones(2))
    assert asked.holds and asked.edges[0].operation != "call"
    assert str(why(bl.jit(f), onp.ones(2))) == str(asked)
    part = bl.jit(f)

    def whole(x: Any) -> Any:
        return part(x) + 1.0

    found = why(whole, onp.ones(2)).edges[0]
    assert (found.operation, found.source, found.code) == (
        asked.edges[0].operation,
        asked.edges[0].source,
        asked.edges[0].code,
    )


def test_what_the_loss_does_not_use_of_a_compiled_function_is_not_blamed() -> None:
    both = bl.jit(lambda x: (np.log(x - 5.0), x * 2.0))

    with onp.errstate(all="ignore"):
        why = bl.why_nan(lambda x: np.sum(both(x)[1]) / np.sum(x - 1.0), onp.ones(2))
    assert why.holds and why.edges[0].operation == "divide"


def test_while_loops_are_refused_as_by_grad() -> None:
    def f(x: Any) -> Any:
        return bl.while_loop(lambda v: v < 10.0, lambda v: v * 2.0, x)

    with pytest.raises(DifferentiationError, match="no reverse mode"):
        bl.why_zero(f, 1.0)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_the_flow_is_the_gradient(seed: int) -> None:
    rng = onp.random.default_rng(seed)
    sizes = [4, *rng.integers(1, 6, rng.integers(1, 4)), 3]
    model = nn.MLP([int(n) for n in sizes], str(rng.choice(["relu", "tanh", "sigmoid"])), seed=seed)

    def loss(model: Any, x: Any) -> Any:
        return losses.cross_entropy(model(x), Y) + np.max(x) + np.sum(x[2:] * np.softmax(x[:6]))

    graph = bl.trace(loss)(model, X).pruned()
    leaves = [*tree.flatten(model)[0], X]
    found = flow(graph, values(graph, leaves), graph.inputs)
    expected = tree.flatten(bl.grad(loss, (0, 1))(model, X))[0]
    for var, gradient in zip(graph.inputs, expected, strict=True):
        onp.testing.assert_allclose(found.gradients[var], gradient, rtol=1e-12, atol=1e-14)
    # What the edges into an array carry adds up to its gradient.
    for var, gradient in found.gradients.items():
        parts = [e.contribution for e in found.edges if e.operand is var]
        if parts:
            onp.testing.assert_allclose(sum(parts), gradient, rtol=1e-12, atol=1e-14)


def test_an_input_of_whole_numbers_is_named_without_being_asked_about() -> None:
    def scaled(counts: Any, x: Any) -> Any:
        return np.sum(counts * np.maximum(x, 0.0))

    counts = onp.array([1, 2])
    said = "counts holds int64, and only floating-point numbers have gradients."
    zero = bl.why_zero(scaled, counts, -onp.ones(2))
    assert zero.holds and zero.statement.startswith("The gradient with respect to x is zero: ")
    assert zero.statement.endswith(f"; {said}") and zero.wrt == ("x",)
    fine = bl.why_zero(scaled, counts, onp.ones(2))
    assert fine.statement == f"The gradient with respect to x is not zero; {said}"
    assert "counts" not in bl.why_zero(scaled, counts, onp.ones(2), wrt="x").statement
    both = bl.why_zero(
        lambda x, a, b: np.sum(x * a * b), onp.ones(2), counts, onp.array([True, False])
    )
    assert "a, b hold int64 and bool, and only" in both.statement
