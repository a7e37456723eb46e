"""Explained gradients against formulas worked out by hand, finite differences and enumeration."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit import nn
from backlit.core.errors import DifferentiationError, InputError
from backlit.explain import Explanation, ExplanationError, explain_weight


def sigmoid(z: Any) -> Any:
    return 1.0 / (1.0 + onp.exp(-z))


def textbook_loss(W1: Any, W2: Any, b: Any, x: Any, y: Any) -> Any:
    h = np.sigmoid(W1 @ x + b[0])
    o = np.sigmoid(W2 @ h + b[1])
    E = 0.5 * np.sum((o - y) ** 2)
    return E


TEXTBOOK = (
    onp.array([[0.15, 0.20], [0.25, 0.30]]),
    onp.array([[0.40, 0.45], [0.50, 0.55]]),
    onp.array([0.35, 0.60]),
    onp.array([0.05, 0.10]),
    onp.array([0.01, 0.99]),
)


def assert_consistent(e: Explanation) -> None:
    """Check that every sum and product an explanation shows is one."""
    near = {"rel": 1e-9, "abs": 1e-300}
    for step in e.backward:
        for item in step.elements:
            for term in item.terms:
                assert term.contribution == pytest.approx(term.upstream * term.local, **near)
            if item.terms:
                total = sum(term.contribution for term in item.terms) + item.rest
                scale = sum(abs(term.contribution) for term in item.terms) + abs(item.rest)
                assert abs(item.gradient - total) <= 1e-12 * scale
    gradient = 1.0
    for factor in e.chain:
        assert factor.upstream == gradient
        expected = factor.upstream * factor.local
        assert factor.gradient == pytest.approx(expected, rel=1e-6, abs=1e-12)
        gradient = factor.gradient
    for path in e.paths.largest:
        assert path.product == pytest.approx(onp.prod(path.factors), **near)
        assert len(path.elements) == len(path.factors) + 1
    products = [abs(path.product) for path in e.paths.largest]
    assert all(a >= b * (1 - 1e-12) for a, b in itertools.pairwise(products))
    assert e.paths.total == e.gradient
    assert e.paths.shown + e.paths.rest == pytest.approx(e.gradient, rel=1e-6, abs=1e-12)


# --- worked by hand ---------------------------------------------------------------------------


def test_the_two_paths_of_the_textbook_network() -> None:
    e = explain_weight(textbook_loss, *TEXTBOOK, wrt="W1", index=(0, 0))
    assert e.loss.value == pytest.approx(0.298371109, abs=5e-10)
    assert e.gradient == pytest.approx(0.000438568, abs=5e-10)
    by_output = {path.elements[-5].label: path.product for path in e.paths.largest}
    assert set(by_output) == {"o[0]", "o[1]"}
    assert by_output["o[0]"] == pytest.approx(0.000668396, abs=5e-10)
    assert by_output["o[1]"] == pytest.approx(-0.000229828, abs=5e-10)
    assert e.paths.count == e.paths.open == 2 and e.paths.rest == 0.0
    assert_consistent(e)


def test_the_error_signal_of_a_unit_is_the_sum_over_its_outgoing_edges() -> None:
    W1, W2, b, x, y = TEXTBOOK
    e = explain_weight(textbook_loss, *TEXTBOOK, wrt="W1", index=(0, 0))
    h = sigmoid(W1 @ x + b[0])
    o = sigmoid(W2 @ h + b[1])
    delta = (o - y) * o * (1 - o)
    (unit,) = [a for step in e.backward if step.name == "h" for a in step.elements]
    assert unit.gradient == pytest.approx(float(W2[:, 0] @ delta), rel=1e-12)
    parts = {term.rule: term for term in unit.terms}
    for k in range(2):
        term = parts[f"W2[{k},0]"]
        assert (term.local, term.upstream) == pytest.approx((W2[k, 0], delta[k]), rel=1e-12)


def test_chain_of_one_logistic_neuron() -> None:
    def neuron(w: Any, b: Any, x: Any, y: Any) -> Any:
        z = w @ x + b
        a = np.sigmoid(z)
        L = -(y * np.log(a) + (1.0 - y) * np.log(1.0 - a))
        return L

    w, x, b, y = onp.array([0.3, -0.2]), onp.array([1.5, 2.0]), 0.1, 1.0
    e = explain_weight(neuron, w, b, x, y, wrt="w", index=1)
    a = float(sigmoid(w @ x + b))
    factors = {f.element.label: f for f in e.chain}
    assert factors["a"].gradient == pytest.approx(-y / a + (1 - y) / (1 - a))
    # a is used in both logarithms: what comes back is the sum of the two.
    assert factors["a"].paths == 2
    assert factors["z"].local == pytest.approx(a * (1 - a))
    assert factors["z"].gradient == pytest.approx(a - y)
    assert e.gradient == pytest.approx((a - y) * x[1])
    assert (factors["z"].operation, factors["z"].rule) == ("sigmoid", "a·(1 - a)")
    assert_consistent(e)


def test_softmax_cross_entropy_gives_a_minus_y_at_the_logits() -> None:
    model = nn.MLP([3, 4, 5], "tanh", seed=1, dtype="float64")
    x = onp.array([[0.2, -1.0, 0.7]])

    def loss(model: Any, x: Any, y: Any) -> Any:
        return nn.cross_entropy(model(x), y)

    e = explain_weight(loss, model, x, onp.array([3]), wrt="1.W", index=(2, 4), elements=10)
    logits = model(x)[0]
    a = onp.exp(logits) / onp.exp(logits).sum()
    (found,) = [s for s in e.backward if s.name == "Z^[2]"]
    assert [item.element.label for item in found.elements] == ["Z^[2][0,4]"]
    assert found.elements[0].gradient == pytest.approx(a[4], rel=1e-12)
    hidden = onp.tanh(x @ model.layers[0].W)[0]
    assert e.gradient == pytest.approx(hidden[2] * a[4], rel=1e-12)
    first = explain_weight(loss, model, x, onp.array([3]), wrt="0.b", index=0, elements=10)
    (found,) = [s for s in first.backward if s.name == "Z^[2]"]
    deltas = [item.gradient for item in found.elements]
    assert deltas == pytest.approx(list(a - onp.eye(5)[3]), rel=1e-12)


def test_a_dead_unit_is_named_with_its_place_and_line() -> None:
    def loss(W1: Any, W2: Any, x: Any) -> Any:
        Z = x @ W1
        A = np.relu(Z)
        L = np.sum(A @ W2)
        return L

    W1 = onp.array([[1.0, -1.0], [1.0, -1.0]])
    e = explain_weight(loss, W1, onp.ones((2, 1)), onp.array([[1.0, 2.0]]), wrt="W1", index=(0, 1))
    assert e.gradient == 0.0 and (e.paths.count, e.paths.open) == (1, 0)
    line = loss.__code__.co_firstlineno + 2
    assert e.zeros == (f"∂A[0,1]/∂Z[0,1] = 0: relu is off at Z[0,1] = -3 (test_weight.py:{line})",)
    assert e.zeros[0] in e.statement
    factor = next(f for f in e.chain if f.local == 0.0)
    assert (factor.result.label, factor.element.label) == ("A[0,1]", "Z[0,1]")


def test_only_the_first_few_of_many_dead_units_are_named() -> None:
    def loss(w: Any) -> Any:
        Z = w * onp.full(10, -1.0)
        return np.sum(np.relu(Z))

    e = explain_weight(loss, 2.0, wrt="w")
    assert (e.paths.count, e.paths.open) == (10, 0)
    assert [text[:15] for text in e.zeros[:3]] == [f"∂t1[{k}]/∂Z[{k}] = "[:15] for k in range(3)]
    assert e.zeros[3] == "and 7 more of the kind"


def test_a_zero_input_is_a_path_with_a_zero_factor_not_a_missing_path() -> None:
    model = nn.MLP([3, 4, 2], "tanh", seed=0)
    x = onp.array([[0.0, 1.0, 2.0]], "float32")
    e = explain_weight(
        lambda model, x: np.sum(model(x)), model, x, wrt="model.layers.0.W", index=(0, 1)
    )
    assert e.gradient == 0.0 and (e.paths.count, e.paths.open) == (2, 0)
    assert "x[0,0]" in e.zeros[0]


# --- paths ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(2, 3, 1), (3, 4, 5, 2), (2, 2, 3, 2, 4)])
def test_paths_of_a_network_number_the_product_of_the_widths_after(sizes: tuple[int, ...]) -> None:
    model = nn.MLP(sizes, "tanh", seed=0, dtype="float64")
    x = onp.linspace(-1.0, 1.0, sizes[0])

    def loss(model: Any, x: Any) -> Any:
        return np.sum(model(x) ** 2)

    for layer in range(len(sizes) - 1):
        expected = int(onp.prod(sizes[layer + 2 :]))
        index = (sizes[layer] - 1, 0)
        e = explain_weight(loss, model, x, wrt=f"{layer}.W", index=index, paths=1000)
        assert e.paths.count == e.paths.open == len(e.paths.largest) == expected
        assert sum(p.product for p in e.paths.largest) == pytest.approx(e.reverse_mode, rel=1e-12)
        assert len({tuple(el.label for el in p.elements) for p in e.paths.largest}) == expected
        assert_consistent(e)


def test_largest_paths_are_the_largest() -> None:
    model = nn.MLP([3, 6, 5, 2], "relu", seed=2)
    x = onp.array([0.3, -0.8, 1.1], "float32")

    def loss(model: Any, x: Any) -> Any:
        return np.sum(model(x))

    unit = int(onp.argmax(model.layers[0](x)))
    everything = explain_weight(loss, model, x, wrt="0.W", index=(0, unit), paths=1000).paths
    assert len(everything.largest) == everything.count == 10
    sizes = sorted((abs(p.product) for p in everything.largest), reverse=True)
    assert everything.open == sum(size > 0 for size in sizes) < 10
    for k in (0, 1, 3):
        few = explain_weight(loss, model, x, wrt="0.W", index=(0, unit), paths=k).paths
        assert [abs(p.product) for p in few.largest] == sizes[:k]
        assert few.rest == pytest.approx(everything.total - few.shown)


def test_paths_are_counted_without_being_listed() -> None:
    def chain(x: Any) -> Any:
        for _ in range(70):
            x = x * x * 0.5 + 0.4 * np.sin(x)
        return x

    e = explain_weight(chain, 0.9, wrt="x")
    assert e.paths.count == 3**70
    assert len(e.paths.largest) == 5
    assert_consistent(e)


def test_the_chain_passes_exactly_the_waists_of_the_program() -> None:
    e = explain_weight(textbook_loss, *TEXTBOOK, wrt="W1", index=(1, 0))
    assert [factor.paths for factor in e.chain] == [1, 2, 1, 1, 1]
    names = [factor.element.label for factor in e.chain]
    assert names[1] == "h[1]" and names[-1] == "w"


# --- any function -----------------------------------------------------------------------------

RNG = onp.random.default_rng(7)
X = RNG.normal(size=(3, 4))
P = onp.abs(X) + 0.5


def recurrent(w: Any, xs: Any) -> Any:
    state, _ = bl.scan(lambda s, x: (np.tanh(w @ s + x), ()), np.zeros(4), xs)
    return np.sum(state)


def assigned(w: Any) -> Any:
    table = np.zeros((2, 4))
    table[0] = w[1] * 2.0
    table[1, 1] = w[0, 0] ** 3
    return np.sum(table**2)


FUNCTIONS: dict[str, tuple[Callable[..., Any], Any]] = {
    "broadcast": (lambda w: np.sum((w + w[0]) * w[:, :1] / 3.0), X),
    "same operand twice": (lambda w: np.sum(w * w + w @ w.T), X[:, :3]),
    "einsum": (lambda w: np.sum(np.sin(np.einsum("ij,kj->ik", w, w[::-1]))), X),
    "batched matmul": (lambda w: np.sum(np.matmul(w.reshape(3, 2, 2), w.reshape(3, 2, 2))), X),
    "vector matmul": (lambda w: w[0] @ w[1] + np.sum(w @ w[2]), X),
    "logsumexp": (lambda w: np.sum(np.logsumexp(w, axis=0) * w[0]), X),
    "softmax": (lambda w: np.sum(np.softmax(w) * w), X),
    "log_softmax": (lambda w: -np.log_softmax(w)[0, 1], X),
    "max and min": (lambda w: np.max(w) * np.min(w, axis=1).sum(), X),
    "prod": (lambda w: np.prod(w[0]) + np.var(w), X),
    "cumsum": (lambda w: np.sum(np.cumsum(w, axis=1) ** 2), X),
    "powers": (lambda w: np.sum(w**2.5 + w**3 + 2.0**w), P),
    "choices": (lambda w: np.sum(np.where(w > 0, w**2, np.exp(w)) + np.maximum(w, 0.1)), X),
    "clip and abs": (lambda w: np.sum(np.clip(w, -0.5, 0.5) * np.abs(w)), X),
    "layout": (
        lambda w: np.sum(np.concatenate([w, w.T.reshape(3, 4)]) * np.arange(24.0).reshape(6, 4)),
        X,
    ),
    "indexing": (lambda w: np.sum(w[onp.array([0, 0, 2])] ** 2) + w[1, ::2] @ w[1, ::2], X),
    "assignment": (assigned, X),
    "scan": (lambda w: recurrent(w, onp.ones((3, 4))), RNG.normal(size=(4, 4)) / 2),
    "scan of many": (lambda w: recurrent(w @ w, onp.ones((3, 4))), RNG.normal(size=(4, 4)) / 2),
    "float condition": (lambda w: np.sum(np.where(w, w**2, 2.0)), X),
    "cond": (lambda w: bl.cond(w[0, 0] > 0, lambda a: np.sum(a**2), lambda a: np.sum(a), w), X),
    "erf and friends": (lambda w: np.sum(np.erf(w) + np.log1p(w) * np.tanh(w) + np.sqrt(w)), P),
    "weight norm": (lambda w: np.sum(w / np.sqrt(np.sum(w**2))), X),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_any_function_against_central_differences(name: str) -> None:
    f, w = FUNCTIONS[name]
    for index in [(0, 0), (1, 1), (2, 2), (0, w.shape[1] - 1)]:
        e = explain_weight(lambda w: f(w), w, wrt="w", index=index)
        step = onp.zeros_like(w)
        step[index] = 1e-5
        slope = (f(w + step) - f(w - step)) / 2e-5
        assert e.gradient == pytest.approx(slope, rel=2e-6, abs=1e-8), index
        assert_consistent(e)
        json.dumps(e.to_dict(), allow_nan=False)
        assert e.to_text(ascii=True).isascii()


def test_every_weight_of_a_model_against_central_differences() -> None:
    model = nn.MLP([3, 4, 2], "sigmoid", seed=5, dtype="float64")
    x, y = RNG.normal(size=(6, 3)), onp.array([0, 1, 1, 0, 1, 0])
    W = model.layers[0].W

    def loss(W: Any) -> Any:
        hidden = np.sigmoid(x @ W + model.layers[0].b)
        return nn.cross_entropy(model.layers[1](hidden), y)

    for index in onp.ndindex(W.shape):
        e = explain_weight(loss, W, wrt="W", index=index)
        step = onp.zeros_like(W)
        step[index] = 1e-5
        slope = (loss(W + step) - loss(W - step)) / 2e-5
        assert e.gradient == pytest.approx(float(slope), rel=1e-6, abs=1e-10)
        # Six rows, each with a path through either logit to the loss of its row.
        assert e.paths.count == 12


def test_single_precision_is_explained_within_its_rounding() -> None:
    model = nn.MLP([64, 128, 64, 10], seed=0)
    x = onp.random.default_rng(0).uniform(0, 1, (1, 64)).astype("float32")

    def loss(model: Any, x: Any, y: Any) -> Any:
        return nn.cross_entropy(model(x), y)

    unit = int(onp.argmax(model.layers[0](x)[0]))
    e = explain_weight(loss, model, x, onp.array([4]), wrt="layers.0.W", index=(5, unit))
    assert e.paths.count == 64 * 10
    assert 0 < e.difference < 1e-6 * max(abs(p.product) for p in e.paths.largest) * 640
    assert_consistent(e)


# --- zeros, infinities, branches --------------------------------------------------------------


def test_gradients_that_cancel_are_told_from_gradients_that_stop() -> None:
    cancelled = explain_weight(lambda x: x - x, 3.0, wrt="x")
    assert cancelled.gradient == 0.0 and cancelled.zeros == ()
    assert "cancel exactly" in cancelled.statement
    stopped = explain_weight(lambda x: x * 0.0, 3.0, wrt="x")
    assert "by multiply" in stopped.zeros[0]
    small = explain_weight(lambda x: x * 1e-200 * 1e-200, 3.0, wrt="x")
    assert "too small" in small.statement


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda x, y: y * 2.0, "is not used"),
        (lambda x, y: bl.stop_gradient(x) * y, "stop_gradient cuts the gradient of x"),
        (lambda x, y: np.floor(x) * y, "floor of x has no derivative"),
        (lambda x, y: np.max(np.stack([x, y])), "max"),
    ],
)
def test_weights_without_a_path_are_told_why(f: Callable[..., Any], words: str) -> None:
    e = explain_weight(f, 3.0, 4.0, wrt="x")
    assert e.gradient == 0.0 and e.paths.count == 0 and e.chain == () and e.backward == ()
    assert words in e.zeros[0] and "no path leads from x to L" in e.statement
    assert e.statement in str(e)


def test_zero_times_infinity_behind_a_choice_is_zero_as_in_the_engine() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.where(x > 0, np.log(x), 0.0))

    x = onp.array([0.0, 2.0])
    e = explain_weight(f, x, wrt="x", index=0)
    assert e.gradient == 0.0 and e.reverse_mode == 0.0
    assert "by where" in e.zeros[0]
    terms = e.backward[-1].elements[0].terms
    assert terms[0].rule == "0 behind a choice"
    assert explain_weight(f, x, wrt="x", index=1).gradient == 0.5


def test_an_infinite_gradient_is_explained_as_one() -> None:
    e = explain_weight(lambda x: np.sqrt(x), 0.0, wrt="x")
    assert e.gradient == onp.inf and e.to_dict()["gradient"] is None
    e = explain_weight(lambda x: np.sqrt(x) * x - np.sqrt(x), 0.0, wrt="x")
    assert e.reverse_mode == -onp.inf or onp.isnan(e.reverse_mode)
    e = explain_weight(lambda x: np.sqrt(x) * 0.0, 0.0, wrt="x")
    assert onp.isnan(e.gradient) and onp.isnan(e.reverse_mode)
    assert "not a number" in e.statement and str(e)


def test_branches_taken_on_values_are_listed() -> None:
    def f(x: Any) -> Any:
        if x > 0.5:
            return x * x
        return x

    e = explain_weight(f, 0.7, wrt="x")
    assert e.gradient == pytest.approx(1.4)
    assert len(e.guards) == 1 and "is True in `if x > 0.5:`" in e.guards[0]
    assert e.guards[0] in str(e)


def test_the_weight_may_be_the_loss_itself() -> None:
    e = explain_weight(lambda x: x, 3.0, wrt="x")
    assert (e.gradient, e.paths.count, e.chain) == (1.0, 1, ())
    assert str(e)


def test_the_package_is_the_function_too() -> None:
    assert bl.explain(lambda x: x * 2.0, 3.0, wrt="x").gradient == 2.0


# --- refusals ---------------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_names_the_first_operation() -> None:
    def loss(x: Any) -> Any:
        y = np.log(x - 2.0)
        return y * y

    with pytest.raises(InputError, match=r"first result that is not finite is y, by log") as info:
        explain_weight(loss, 1.0, wrt="x")
    assert "np.log(x - 2.0)" in str(info.value)
    with pytest.raises(InputError, match="the loss is nan"):
        explain_weight(lambda x: x, float("nan"), wrt="x")


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda x: np.stack([x, x]), r"array float64\[2\]"),
        (lambda x: (x, x), "2 arrays"),
        (lambda x: np.argmax(np.stack([x, x])), "array int64"),
    ],
)
def test_functions_that_are_no_loss_are_refused(f: Callable[..., Any], words: str) -> None:
    with pytest.raises(DifferentiationError, match=words):
        explain_weight(f, 1.0, wrt="x")


def test_too_large_a_batch_is_refused_before_it_takes_minutes() -> None:
    model = nn.MLP([4, 64, 64, 10], "tanh", seed=0)
    x, y = onp.ones((2000, 4), "float32"), onp.zeros(2000, int)
    with pytest.raises(InputError, match="one by one") as info:
        explain_weight(lambda model: nn.cross_entropy(model(x), y), model, wrt="0.W", index=(0, 0))
    assert "instead of the whole batch" in str(info.value)


def test_a_function_that_changes_between_calls_is_caught() -> None:
    calls = itertools.count(1)

    def moody(x: Any) -> Any:
        return x * float(next(calls))

    with pytest.raises(ExplanationError, match="but backlit.grad gives"):
        explain_weight(moody, 1.0, wrt="x")


@pytest.mark.parametrize("options", [{"paths": -1}, {"elements": 0}])
def test_impossible_limits_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(InputError, match="cannot show"):
        explain_weight(lambda x: x, 1.0, wrt="x", **options)


def test_paths_that_pass_the_same_names_say_where_they_differ() -> None:
    def loss(w: Any, x: Any) -> Any:
        a = np.sin(w * x)
        L = np.exp(a) + a**2
        return L

    text = str(explain_weight(loss, 0.5, 2.0, wrt="w"))
    ways = [line.strip() for line in text.splitlines() if " → " in line]
    assert len(ways) == 2 and len({way.partition(". ")[2] for way in ways}) == 2


def test_shares_and_products_of_zero_have_no_sign() -> None:
    def loss(w: Any, y: Any) -> Any:
        a = np.sin(w)
        L = -(y * np.log(a) + (1 - y) * np.log(1 - a))
        return L

    assert "(-0 %)" not in str(explain_weight(loss, 0.5, 1.0, wrt="w"))
