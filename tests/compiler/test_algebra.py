"""Stable algebra: sigmoids, softmax and exponentials cancel where they are positive factors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as onp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backlit as bl
import backlit.numpy as np
from backlit.compiler.plan import passes
from backlit.compiler.simplify import simplify
from backlit.core.evaluate import evaluate
from backlit.core.verify import verify

FAR = onp.array([0.0, 1e-3, -1e-3, 3.0, -3.0, 40.0, -40.0, 1000.0, -1000.0])
LABELS = onp.array([0.0, 1, 1, 0, 1, 0, 1, 1, 0])
SIGMOIDS: dict[str, Callable[[Any], Any]] = {
    "sigmoid": np.sigmoid,
    "1/(1+exp(-z))": lambda z: 1 / (1 + np.exp(-z)),
    "1.0/(exp(-z)+1.0)": lambda z: 1.0 / (np.exp(-z) + 1.0),
    "exp(z)/(1+exp(z))": lambda z: np.exp(z) / (1 + np.exp(z)),
    "reciprocal": lambda z: np.reciprocal(1 + np.exp(-z)),
    "**-1": lambda z: (1 + np.exp(-z)) ** -1,
}


def names(graph: Any) -> list[str]:
    return [e.primitive.name for e in graph.equations]


def simplified(f: Any, *args: Any) -> Any:
    """Return the graph before composite operations are written out, checked."""
    traced = bl.jit(f).graph(*args)
    graph, rewrites = simplify(traced)
    verify(graph)
    return graph, [r.rule for r in rewrites if r.rule.startswith("stable")]


def sigmoid(z: Any) -> Any:
    """σ(z) from the exponential that does not overflow, in extended precision."""
    z = onp.asarray(z, onp.longdouble)
    e = onp.exp(-onp.abs(z))
    return onp.where(z >= 0, 1 / (1 + e), e / (1 + e))


def log_loss(z: Any, y: Any) -> Any:
    """−y log σ(z) − (1 − y) log(1 − σ(z)), in extended precision."""
    z = onp.asarray(z, onp.longdouble)
    return onp.maximum(z, 0) - z * y + onp.log1p(onp.exp(-onp.abs(z)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", SIGMOIDS)
@pytest.mark.parametrize("constant", [True, False])
def test_log_loss_of_a_sigmoid_has_the_gradient_a_minus_y(
    form: str, dtype: str, constant: bool
) -> None:
    z, y = FAR.astype(dtype), LABELS.astype(dtype)

    def loss(z: Any, t: Any) -> Any:
        t = y if constant else t
        a = SIGMOIDS[form](z)
        return -np.mean(t * np.log(a) + (1 - t) * np.log(1 - a))

    graph, rules = simplified(bl.grad(loss), z, y)
    if constant and form == "exp(z)/(1+exp(z))":
        assert names(graph) == ["sigmoid", "multiply", "add"]  # a/n − y/n
    else:
        assert names(graph) == ["sigmoid", "subtract", "multiply"]
        assert any("a − y" in rule for rule in rules)
    value, gradient = bl.jit(bl.value_and_grad(loss))(z, y)
    eps = onp.finfo(dtype).eps
    assert gradient.dtype == value.dtype == dtype
    onp.testing.assert_allclose(gradient, (sigmoid(z) - y) / z.size, rtol=4 * eps, atol=eps / 4)
    onp.testing.assert_allclose(value, log_loss(z, y).mean(), rtol=8 * eps)


@pytest.mark.parametrize("form", [name for name in SIGMOIDS if name != "exp(z)/(1+exp(z))"])
@pytest.mark.parametrize("y", [0.0, 1.0, 0.3])
def test_second_derivatives_are_finite_too(form: str, y: float) -> None:
    def loss(z: Any) -> Any:
        a = SIGMOIDS[form](z)
        return -np.sum(y * np.log(a) + (1 - y) * np.log(1 - a))

    expected = sigmoid(FAR) * sigmoid(-FAR)
    for z, second in zip(FAR, expected, strict=True):
        found = bl.jit(bl.grad(bl.grad(loss)))(float(z))
        onp.testing.assert_allclose(found, float(second), rtol=1e-13, atol=4e-16)
    found = bl.jit(bl.hessian(loss))(FAR)
    onp.testing.assert_allclose(found, onp.diag(expected).astype(float), rtol=1e-13, atol=4e-16)


@pytest.mark.parametrize("form", SIGMOIDS)
def test_second_derivatives_of_a_sigmoid_are_finite_far_out(form: str) -> None:
    def total(z: Any) -> Any:
        return np.sum(SIGMOIDS[form](z))

    a, b = sigmoid(FAR), sigmoid(-FAR)
    expected = (a * b * (b - a)).astype(float)
    found = bl.jit(bl.hessian(total))(FAR)
    onp.testing.assert_allclose(found, onp.diag(expected), rtol=1e-12, atol=1e-15)
    for z, second in zip(FAR, expected, strict=True):
        found = bl.jit(bl.grad(bl.grad(total)))(float(z))
        onp.testing.assert_allclose(found, second, rtol=1e-12, atol=1e-15)


def test_the_formulas_of_a_textbook_without_autodiff() -> None:
    def hand(z: Any, y: Any) -> Any:
        a = 1 / (1 + np.exp(-z))
        da = -(np.divide(y, a) - np.divide(1 - y, 1 - a))
        return da * a * (1 - a)

    graph, _ = simplified(hand, FAR, LABELS)
    assert names(graph) == ["sigmoid", "subtract"]
    onp.testing.assert_allclose(
        bl.jit(hand)(FAR, LABELS), sigmoid(FAR) - LABELS, rtol=1e-15, atol=1e-16
    )


def softmax_by_hand(z: Any, axis: int) -> Any:
    e = np.exp(z)
    return e / np.sum(e, axis=axis, keepdims=True)


def softmax_shifted(z: Any, axis: int) -> Any:
    e = np.exp(z - np.max(z, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def softmax_without_keepdims(z: Any, axis: int) -> Any:
    e = np.exp(z)
    return e / np.sum(e, axis=0) if axis == 0 else e / np.sum(e, axis=1)[:, None]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(
    "form", [np.softmax, softmax_by_hand, softmax_shifted, softmax_without_keepdims]
)
@pytest.mark.parametrize("constant", [True, False])
def test_cross_entropy_of_a_softmax_never_divides_by_it(
    form: Any, axis: int, dtype: str, constant: bool
) -> None:
    z = onp.array([[0.3, -2.0, 1.0], [0.0, 1000.0, -1000.0], [40.0, -40.0, 3.0]], dtype)
    y = onp.array([[0.0, 1.0, 0.0], [0.2, 0.3, 0.5], [0.0, 0.0, 1.0]], dtype)
    z, y = (z, y) if axis == 1 else (z.T.copy(), y.T.copy())

    def loss(z: Any, t: Any) -> Any:
        return -np.sum((y if constant else t) * np.log(form(z, axis=axis))) / 3

    graph, _ = simplified(bl.grad(loss), z, y)
    if form is not softmax_shifted:  # its largest elements share the gradient by a division
        assert "divide" not in names(graph)
    assert "exp" not in names(graph)
    wide = z.astype(onp.longdouble)
    shifted = wide - wide.max(axis, keepdims=True)
    total = onp.exp(shifted).sum(axis, keepdims=True)
    p, log_p = onp.exp(shifted) / total, shifted - onp.log(total)
    value, gradient = bl.jit(bl.value_and_grad(loss))(z, y)
    eps = onp.finfo(dtype).eps
    assert gradient.dtype == dtype
    expected = (p * y.astype(onp.longdouble).sum(axis, keepdims=True) - y) / 3
    onp.testing.assert_allclose(gradient, expected, rtol=8 * eps, atol=eps)
    onp.testing.assert_allclose(value, -(y * log_p).sum() / 3, rtol=8 * eps)


@pytest.mark.parametrize("form", [np.softmax, softmax_by_hand])
def test_the_probability_of_a_label_may_be_picked(form: Any) -> None:
    z = onp.array([[0.3, -2.0, 1.0], [0.0, 1000.0, -1000.0]])
    labels = onp.array([1, 2])

    def loss(z: Any) -> Any:
        return -np.mean(np.log(form(z, axis=1)[np.arange(2), labels]))

    graph, _ = simplified(bl.value_and_grad(loss), z)
    assert not {"log", "exp", "isfinite", "where"} & set(names(graph))
    value, gradient = bl.jit(bl.value_and_grad(loss))(z)
    reference = bl.value_and_grad(
        lambda z: -np.mean(np.log_softmax(z, axis=1)[np.arange(2), labels])
    )(z)
    onp.testing.assert_allclose(value, reference[0], rtol=1e-15)
    onp.testing.assert_allclose(gradient, reference[1], rtol=1e-14, atol=1e-16)


@pytest.mark.parametrize(
    ("f", "left", "expected"),
    [
        (lambda z: np.log(1 + np.exp(z)), ["softplus"], lambda z: onp.logaddexp(0, z)),
        (lambda z: np.log1p(np.exp(z)), ["softplus"], lambda z: onp.logaddexp(0, z)),
        (lambda z: np.log(np.exp(z) + np.exp(-z)), ["negative", "logaddexp"], onp.abs),
        (lambda z: np.log(np.exp(z)), [], lambda z: z),
        (lambda z: np.log(np.sum(np.exp(z))), ["logsumexp"], lambda z: 1000.0),
        (lambda z: z * np.exp(z) / np.exp(z), [], lambda z: z),
        (SIGMOIDS["exp(z)/(1+exp(z))"], ["sigmoid"], sigmoid),
        (lambda z: np.exp(z) / np.sum(np.exp(z)), ["softmax"], lambda z: onp.exp(z - 1000)),
        (lambda z: np.sum(z * np.exp(z)) / np.sum(np.exp(z)), None, lambda z: 1000.0),
        (lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2, None, lambda z: sigmoid(z) * sigmoid(-z)),
    ],
)
def test_other_forms_stay_finite(f: Any, left: list[str] | None, expected: Any) -> None:
    z = onp.array([-1000.0, 1000.0, 500.0])
    graph, _ = simplified(f, z)
    if left is not None:
        assert names(graph) == left
    onp.testing.assert_allclose(bl.jit(f)(z), onp.asarray(expected(z), float), rtol=1e-15)


def test_gradients_of_hand_written_forms_are_finite() -> None:
    z = onp.array([-1000.0, 1000.0, 500.0])
    gradient = bl.jit(bl.grad(lambda z: np.log(np.sum(np.exp(z)))))(z)
    onp.testing.assert_allclose(gradient, onp.exp(z - 1000), rtol=1e-14)
    squares = bl.jit(bl.grad(lambda z: np.sum((1 / (1 + np.exp(-z)) - 0.5) ** 2)))(z)
    a, rest = sigmoid(z), sigmoid(-z)
    expected = (2 * (a - 0.5) * a * rest).astype(float)
    onp.testing.assert_allclose(squares, expected, rtol=1e-14, atol=1e-300)


def test_an_upstream_factor_and_shapes_that_are_broadcast() -> None:
    rng = onp.random.default_rng(0)
    x, y = rng.normal(size=(4, 3)), (rng.random((4, 2)) > 0.5).astype(float)
    w, b, scale = 300 * rng.normal(size=(3, 2)), rng.normal(size=2), rng.normal(size=(4, 1))

    def loss(w: Any, b: Any, scale: Any) -> Any:
        a = 1 / (1 + np.exp(-(x @ w + b)))
        return -np.mean(scale * (y * np.log(a) + (1 - y) * np.log(1 - a)))

    graph, _ = simplified(bl.grad(loss, argnums=(0, 1)), w, b, scale)
    assert not {"divide", "exp"} & set(names(graph))
    dz = (scale * (sigmoid(x @ w + b) - y) / y.size).astype(float)
    dw, db = bl.jit(bl.grad(loss, argnums=(0, 1)))(w, b, scale)
    onp.testing.assert_allclose(dw, x.T @ dz, rtol=1e-12, atol=1e-16)
    onp.testing.assert_allclose(db, dz.sum(0), rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x / x,
        lambda x: x * (1 / x),
        lambda x: (x * x) / x,
        lambda x: np.square(x) / np.square(x),
        lambda x: np.sigmoid(x) * (1 - x) * x,
        lambda x: x / np.sigmoid(x),
        lambda x: x / np.exp(x),
        lambda x: np.exp(x) * x + np.exp(-x),
        lambda x: np.exp(np.log(x)),
        lambda x: 1 / (2 + np.exp(-x)),
        lambda x: np.exp(x) / np.sum(np.exp(2 * x)),
        lambda x: (x + 1 / np.sigmoid(x)) / x,
        lambda x: np.tanh(x) / np.tanh(x),
    ],
)
def test_bits_stay_where_nothing_that_is_always_positive_cancels(f: Any) -> None:
    x = onp.array([-2.0, 0.0, 0.5, 3.0, 800.0])
    traced = bl.trace(f, abstract=True)(x)
    graph, rules = simplified(f, x)
    with onp.errstate(all="ignore"):
        plain, rewritten = evaluate(traced, (x,))[0], evaluate(graph, (x,))[0]
    assert not [rule for rule in rules if "1 − σ" not in rule]
    onp.testing.assert_array_equal(plain, rewritten)


def test_other_types_are_left_alone() -> None:
    half = onp.array([0.5, 1.0], "float16")
    assert "divide" in names(simplified(lambda x: 1 / (1 + np.exp(-x)), half)[0])
    mixed = simplified(lambda x: onp.float64(1.0) / (1 + np.exp(-x)), onp.ones(2, "float32"))[0]
    assert mixed.outputs[0].aval.dtype == onp.float64


def test_a_nan_or_an_infinite_weight_stays() -> None:
    def loss(z: Any) -> Any:
        a = np.sigmoid(z)
        return -np.sum(LABELS[:2] * np.log(a) + (1 - LABELS[:2]) * np.log(1 - a))

    assert onp.isnan(bl.jit(bl.grad(loss))(onp.array([onp.nan, 1.0]))).tolist() == [True, False]
    f = bl.jit(lambda x, z: x * np.exp(z) / np.exp(z))
    assert onp.isnan(f(onp.array([onp.nan]), onp.array([1.0])))[0]


def picked(p: Any) -> Any:
    return p[onp.arange(2), onp.array([0, 2])]


@pytest.mark.parametrize(
    "f",
    [
        lambda z: np.exp(z) / np.exp(z),
        lambda z: 3 * np.sigmoid(z) / np.sigmoid(z),
        lambda z: np.sigmoid(z) / np.sigmoid(-z) * np.exp(-z) * (1 + np.exp(z)) / (1 + np.exp(z)),
        lambda z: (np.sigmoid(z) - np.sigmoid(z)) / np.sigmoid(-z) * np.sigmoid(-z),
        lambda z: np.sum(np.exp(z), axis=1) / np.sum(np.exp(z), axis=1),
        lambda z: np.exp(z) / np.sum(np.exp(z), axis=1)[:, None] / np.softmax(z, axis=1),
        lambda z: 2 * picked(np.softmax(z, axis=1)) / picked(np.softmax(z, axis=1)),
        lambda z: np.exp(z - np.max(z, axis=1, keepdims=True)) * np.sum(np.exp(z)) / np.exp(z - 1),
        lambda z: np.sum(np.softmax(z, axis=1) / np.softmax(z, axis=1), axis=1),
        lambda z: np.reshape(np.exp(z) * (2 / np.exp(z)), (3, 2)) * 3.0,
        lambda z: np.exp(z[:, :1]) / np.exp(z[:, :1]) * np.exp(z[:, 1:]),
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_a_nan_in_data_is_seen_in_every_result(f: Any, inside: bool) -> None:
    """The last factor with an argument does not cancel: NaNs are where the evaluator has them."""
    z = onp.array([[0.5, onp.nan, 1.0], [0.3, -0.2, 2.0]])
    if inside:
        z = onp.array([[onp.nan, 0.1, 1.0], [0.3, -0.2, 2.0]])
    with onp.errstate(all="ignore"):
        expected = onp.asarray(evaluate(bl.trace(f, abstract=True)(z), [z])[0])
    found = onp.asarray(bl.jit(f)(z))
    assert onp.isnan(found).any() or not onp.isnan(expected).any()
    assert onp.isnan(found[onp.isnan(expected)]).all()
    onp.testing.assert_allclose(found[~onp.isnan(found)], expected[~onp.isnan(found)], rtol=1e-13)


@pytest.mark.parametrize("form", [np.softmax, softmax_by_hand, softmax_without_keepdims])
def test_gradients_that_cancel_still_have_their_nans(form: Any) -> None:
    z = onp.array([[0.5, onp.nan, 1.0], [0.3, 1000.0, -1000.0]])
    y = onp.array([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    loss = bl.grad(lambda z: -np.sum(y * np.log(form(z, axis=1))))
    found = bl.jit(loss)(z)
    assert onp.isnan(found[0]).all() and found[1].tolist() == [0.0, 0.0, 0.0]


def test_functions_compiled_on_their_own_are_looked_into() -> None:
    z, y = onp.array([[0.3, 1000.0, -1000.0]]), onp.array([[0.0, 0.0, 1.0]])
    softmax = bl.jit(lambda z: softmax_by_hand(z, 1))
    f = bl.jit(bl.value_and_grad(lambda z: -np.sum(y * np.log(softmax(z)))))
    value, gradient = f(z)
    assert value == 2000.0 and gradient.tolist() == [[0.0, 1.0, -1.0]]


def test_the_composite_operations_are_not_put_together_again() -> None:
    stages = passes(bl.jit(lambda z: np.softmax(z) + np.logsumexp(z)).graph(FAR))
    assert not {"softmax", "logsumexp"} & set(names(stages[-1][1]))


FACTORS: list[Callable[[Any, Any], Any]] = [
    lambda z, x: np.sigmoid(z),
    lambda z, x: 1 - np.sigmoid(z),
    lambda z, x: np.exp(z),
    lambda z, x: np.exp(-z),
    lambda z, x: 1 + np.exp(z),
    lambda z, x: 1 + np.exp(-z),
    lambda z, x: x,
    lambda z, x: -x,
    lambda z, x: 2.5,
]
STEP = st.tuples(st.sampled_from("*/+-"), st.integers(0, len(FACTORS) - 1))


@settings(max_examples=150)
@given(st.lists(STEP, min_size=2, max_size=7))
def test_any_chain_keeps_its_value(steps: list[tuple[str, int]]) -> None:
    def chain(z: Any, x: Any) -> Any:
        total = x
        for sign, k in steps:
            factor = FACTORS[k](z, x)
            if sign == "*":
                total = total * factor
            elif sign == "/":
                total = total / factor
            else:
                total = total + factor if sign == "+" else total - factor
        return total

    z, x = onp.array([0.25, -1.5, 3.0]), onp.array([0.75, -2.0, 1.25])
    traced = bl.trace(chain, abstract=True)(z, x)
    graph, _ = simplify(traced)
    verify(graph)
    value, rewritten = evaluate(traced, (z, x))[0], evaluate(graph, (z, x))[0]
    # What every step is made of bounds its rounding: the same chain of absolute values.
    scale = onp.abs(x)
    for sign, k in steps:
        factor = onp.abs(onp.asarray(FACTORS[k](z, x)))
        scale = scale * factor if sign == "*" else scale / factor if sign == "/" else scale + factor
    onp.testing.assert_allclose(rewritten / scale, value / scale, rtol=0, atol=1e-13)


def test_the_time_is_linear_in_the_number_of_equations() -> None:
    def chain(n: int) -> int:
        def f(z: Any) -> Any:
            x = z
            for _ in range(n):
                x = x * np.sigmoid(z) / (1 + np.exp(-z)) + x / np.exp(z)
            return x

        return len(simplify(bl.trace(f, abstract=True)(FAR))[0].equations)

    counts = [chain(n) for n in (20, 40, 80)]
    assert counts[2] - counts[1] == 2 * (counts[1] - counts[0])


@pytest.mark.parametrize("shapes", [((3, 4), (4, 5)), ((2, 3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5))])
def test_a_transposed_product_is_a_product_of_transposes(shapes: Any) -> None:
    rng = onp.random.default_rng(0)
    a, b = (rng.normal(size=s) for s in shapes)
    f = bl.jit(lambda a, b: np.swapaxes(a @ b, -1, -2) + 1.0)
    assert [line.split()[0] for line in f.inspect(a, b).units] == ["product"]
    onp.testing.assert_allclose(f(a, b), onp.swapaxes(a @ b, -1, -2) + 1.0, rtol=1e-13)


def test_the_gradient_of_weights_used_transposed_is_not_copied() -> None:
    rng = onp.random.default_rng(0)
    x, w = rng.normal(size=(6, 3)), rng.normal(size=(4, 3))
    step = bl.jit(lambda w: w - 0.1 * bl.grad(lambda w: np.sum(np.tanh(x @ w.T)))(w))
    units = step.inspect(w).units
    assert units[-1] == "product [4,3] over 6, then multiply, subtract"
    expected = w - 0.1 * (1 - onp.tanh(x @ w.T) ** 2).T @ x
    onp.testing.assert_allclose(step(w), expected, rtol=1e-12, atol=1e-15)


def test_a_product_that_is_also_used_as_it_is_stays() -> None:
    a, b = onp.ones((30, 40)), onp.ones((40, 30))
    units = bl.jit(lambda a, b: ((a @ b).T, a @ b)).inspect(a, b).units
    assert len([u for u in units if u.startswith("product")]) == 1


def test_transposes_that_are_there_already_are_shared() -> None:
    rng = onp.random.default_rng(0)
    a, b = rng.normal(size=(3, 4)), rng.normal(size=(4, 5))
    f = bl.jit(lambda a, b: ((a @ b).T + 1.0, b.T * 2.0, np.exp(b.T)))
    verify(passes(f.graph(a, b))[-1][1])
    for found, expected in zip(f(a, b), ((a @ b).T + 1, b.T * 2, onp.exp(b.T)), strict=True):
        onp.testing.assert_allclose(found, expected, rtol=1e-13)
    step = bl.grad(lambda a, b: np.sum(np.tanh(a @ np.tanh(a.T @ a @ b))), argnums=(0, 1))
    for _, graph, _ in passes(bl.jit(step).graph(a, b)):
        verify(graph)
    onp.testing.assert_allclose(bl.jit(step)(a, b)[0], step(a, b)[0], rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("kind", ["uint8", "int8", "uint32", "int32", "int64", "uint64"])
def test_whole_numbers_wrap_as_they_are_written(kind: str) -> None:
    info = onp.iinfo(kind)
    x = onp.array([info.min, 0, 1, 2, info.max], kind)
    forms = [
        lambda x: 1 / (1 + np.exp(x)),
        lambda x: 1 / (1 + np.exp(-x)),
        lambda x: 1 - np.sigmoid(x),
        lambda x: np.log(1 + x),
    ]
    for f in forms:
        with onp.errstate(all="ignore"):
            expected = f(x)
        rtol = 64 * onp.finfo(expected.dtype).eps
        onp.testing.assert_allclose(bl.jit(f)(x), expected, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("kind", ["uint8", "int8", "uint32", "int32"])
@pytest.mark.parametrize("wider", ["int64", "float64"])
def test_a_negative_wraps_before_it_is_added_to_another_type(kind: str, wider: str) -> None:
    info = onp.iinfo(kind)
    x = onp.array([info.min, 0, 1, info.max], kind)
    wide = onp.arange(4).astype(wider)
    onp.testing.assert_array_equal(bl.jit(lambda w, x: w + -x)(wide, x), wide + -x)


def test_a_sum_over_a_division_by_a_factor_of_lower_rank() -> None:
    rng = onp.random.default_rng(0)
    b, a = rng.normal(size=(3, 2, 4)), rng.normal(size=4)

    def f(b: Any, a: Any) -> Any:
        return np.sum(b / np.exp(a), axis=0)

    onp.testing.assert_allclose(bl.jit(f)(b, a), (b / onp.exp(a)).sum(axis=0), rtol=1e-14)


def test_empty_rows_have_no_softmax() -> None:
    z = onp.zeros((4, 0))

    def shares(z: Any) -> Any:
        return np.exp(z) / np.sum(np.exp(z), axis=-1, keepdims=True)

    assert bl.jit(shares)(z).shape == (4, 0)
    with onp.errstate(all="ignore"):
        found = bl.jit(lambda z: np.log(np.sum(np.exp(z), axis=-1)))(z)
    onp.testing.assert_array_equal(found, onp.full(4, -onp.inf))
