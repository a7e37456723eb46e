"""Types of results and gradients: NumPy 2's promotion, for every kind of operand."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.core.errors import ShapeError
from backlit.core.verify import verify

KINDS: dict[str, Any] = {
    "python bool": True,
    "python int": 3,
    "python float": 2.5,
    "float64": onp.float64(2.5),
    "float32": onp.float32(1.5),
    "int64": onp.int64(2),
    "int8": onp.int8(2),
    "bool": onp.bool_(True),
    "float64[2]": onp.array([1.5, 2.5]),
    "float32[2]": onp.array([1.5, 2.5], "float32"),
    "float16[2]": onp.array([1.5, 2.5], "float16"),
    "int64[2]": onp.array([1, 2]),
    "int32[2]": onp.array([1, 2], "int32"),
    "uint8[2]": onp.array([1, 2], "uint8"),
    "bool[2]": onp.array([True, False]),
}
OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "<": operator.lt,
    "==": operator.eq,
    "maximum": lambda a, b: onp.maximum(a, b),
    "where": lambda a, b: onp.where(onp.array([True, False]), a, b),
}
PAIRS = [
    (a, b)
    for a, b in itertools.product(KINDS, KINDS)
    if not (a.startswith("python") and b.startswith("python"))
]


def outcome(f: Callable[[], Any]) -> Any:
    """Return type and value (to a few digits) of a result, or that there is none."""
    with onp.errstate(all="ignore"):
        try:
            value = f()
        except (TypeError, ValueError, OverflowError):
            return "refused"
    array = onp.asarray(value)
    return array.dtype, onp.array2string(array.astype(float), precision=5)


@pytest.mark.parametrize(("left", "right"), PAIRS, ids=lambda kind: str(kind))
def test_a_traced_operand_promotes_as_an_array_does(left: str, right: str) -> None:
    pair = (KINDS[left], KINDS[right])
    traceable = [k for k, name in enumerate((left, right)) if not name.startswith("python")]
    for symbol, f in OPERATORS.items():
        expected = outcome(lambda f=f: f(*pair))
        for traced in {(k,) for k in traceable} | {tuple(traceable)}:
            for abstract in (False, True):
                # By shape, a negative integer power cannot be told from a positive one.
                if symbol != "**" or not abstract:
                    found = outcome(lambda f=f, t=traced, a=abstract: run(f, pair, t, a))
                    assert found == expected, (symbol, traced, abstract)


def run(f: Any, pair: tuple[Any, Any], traced: tuple[int, ...], abstract: bool) -> Any:
    """Apply an operator with some operands traced, and check that the graph foretells the type."""

    def on(*inputs: Any) -> Any:
        operands = list(pair)
        for k, value in zip(traced, inputs, strict=True):
            operands[k] = value
        return f(*operands)

    args = [pair[k] for k in traced]
    graph = bl.trace(on, abstract)(*args)
    verify(graph)
    (value,) = graph(*args)
    assert graph.outputs[0].aval.dtype == onp.asarray(value).dtype
    return value


@pytest.mark.parametrize("other", KINDS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_gradients_have_the_type_of_their_argument(other: str, dtype: str) -> None:
    x, y = onp.array([1.5, 2.5], dtype), KINDS[other]
    for symbol in ("+", "-", "*", "/", "**", "maximum", "where"):
        f = OPERATORS[symbol]
        with onp.errstate(all="ignore"):
            _gradient_types(
                lambda x, f=f: (f(x, y) * 1.0).sum() + (f(y, x) * 1.0).sum(),
                lambda x, f=f: f(x, y),
                x,
            )


def _gradient_types(loss: Any, f: Any, x: Any) -> None:
    back = bl.grad(loss)(x)
    out, dot = bl.jvp(f, (x,), (onp.ones(2),))
    assert back.dtype == x.dtype and back.shape == x.shape
    assert dot.dtype == out.dtype == f(x).dtype
    hessian = bl.hessian(loss)(x)
    assert hessian.dtype == x.dtype and hessian.shape == (2, 2)


@pytest.mark.parametrize(
    "name", "sum mean var std prod max min cumsum logsumexp softmax log_softmax".split()
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_reductions_keep_the_type(name: str, dtype: str) -> None:
    x = onp.array([[0.5, 1.5], [2.0, 0.1]], dtype)
    f = getattr(np, name)
    assert onp.asarray(f(x)).dtype == dtype
    (value,) = bl.trace(f)(x)(x)
    assert onp.asarray(value).dtype == dtype
    assert bl.grad(lambda x: f(x).sum())(x).dtype == dtype


@pytest.mark.parametrize("name", "sin exp log sqrt tanh sigmoid softplus erf log_sigmoid".split())
@pytest.mark.parametrize("given", [3, True, onp.array([1, 2]), onp.array([1], "int8")])
def test_integers_become_what_numpy_makes_of_them(name: str, given: Any) -> None:
    f = getattr(np, name)
    expected = f(given)
    graph = bl.trace(lambda x: f(x))(given)
    (value,) = graph(given)
    assert onp.asarray(value).dtype == expected.dtype == graph.outputs[0].aval.dtype


def test_a_whole_float32_network_stays_float32() -> None:
    rng = onp.random.default_rng(0)
    w, b, x = (rng.normal(size=s).astype("float32") for s in ((3, 2), (2,), (5, 3)))

    def loss(w: Any, b: Any) -> Any:
        z = np.tanh(x @ w + b) * 2.0 - 1
        return (-np.log_softmax(z)[:, 0]).mean() + 0.5 * (w**2).sum() / 3

    value, gradients = bl.value_and_grad(loss, (0, 1))(w, b)
    assert value.dtype == onp.float32 and all(g.dtype == onp.float32 for g in gradients)
    graph = bl.trace(bl.grad(loss))(w, b)
    wide = [e for e in graph.equations if any(v.aval.dtype == onp.float64 for v in e.outputs)]
    assert not wide, str(graph)


def test_a_python_float_is_weak_and_a_numpy_float_is_not() -> None:
    x = onp.ones(2, "float32")
    assert bl.grad(lambda x: (x * 2.0).sum())(x).dtype == onp.float32
    assert bl.trace(lambda x: x * 2.0)(x)(x)[0].dtype == onp.float32
    assert bl.trace(lambda x: x * onp.float64(2.0))(x)(x)[0].dtype == onp.float64
    value, slope = bl.value_and_grad(lambda s: (s * x).sum())(2.0)
    assert value.dtype == onp.float32 and slope == 2.0


def test_integers_inside_a_function_carry_no_gradient() -> None:
    def f(x: Any) -> Any:
        k = np.argmax(x) + (x > 0.0).sum()
        return x[k - 3] * k + (x * x.astype(int)).sum()

    # argmax 2 and four positive: k = 6, so x[3]·6; d(x·trunc x) = trunc x.
    assert bl.grad(f)(onp.array([1.5, 2.0, 9.5, 3.0])).tolist() == [1.0, 2.0, 9.0, 9.0]
    assert bl.jvp(f, (onp.array([1.5, 2.0, 9.5, 3.0]),), (onp.ones(4),))[1] == 21.0


@pytest.mark.parametrize("cut", [lambda x: x.astype(int), lambda x: np.floor(x), lambda x: x // 1])
def test_rounding_cuts_the_gradient_in_both_modes(cut: Any) -> None:
    f = lambda x: np.sin(cut(x)) * 1.0 + (cut(x) * 2.0)  # noqa: E731
    assert bl.grad(f)(1.5) == 0.0
    assert bl.jvp(f, (1.5,), (1.0,))[1] == 0.0
    assert bl.grad(bl.grad(lambda x: f(x) * x))(1.5) == 0.0


@pytest.mark.parametrize(
    ("left", "right", "fix"),
    [
        ((3, 2), (3,), "a last axis of length one, x[..., None]"),
        ((4,), (5, 4, 3), None),
        ((4, 2), (3, 4, 5), None),
        ((3, 4), (3, 4, 5), "keepdims=True"),
        ((3, 2), (2, 3), "transpose one of them: x.T"),
        ((3,), (4,), "for every pair of elements, x[:, None] and y"),
        ((2, 3), (2, 4), "each pair must be equal or contain a one"),
    ],
)
@pytest.mark.parametrize("abstract", [False, True])
def test_shapes_that_do_not_broadcast_come_with_a_remedy(
    left: Any, right: Any, fix: str | None, abstract: bool
) -> None:
    x, y = onp.ones(left), onp.ones(right)
    with pytest.raises(ShapeError, match="do not broadcast together") as caught:
        bl.trace(lambda x: x * y, abstract)(x)
    assert (fix or "each pair must be equal") in (caught.value.fix or "")
    # What is suggested works.
    if fix is not None and "x[..., None]" in fix:
        assert (x * y[..., None]).shape == left


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sin(x / 3.0),
        lambda x: 2.0**x,
        lambda x: np.power(3, x),
        lambda x: np.hypot(x, 1.0),
        lambda x: np.sinc(x),
        lambda x: np.nan_to_num(x),
        lambda x: np.std(x, axis=0),
        lambda x: np.linspace(x[0], x[1], 4),
    ],
)
def test_nothing_of_a_float32_gradient_is_computed_in_float64(f: Callable[[Any], Any]) -> None:
    x = onp.array([0.5, 1.5, -0.25], onp.float32)
    graph = bl.trace(bl.grad(lambda x: f(x).sum()))(x)
    assert all(v.aval.dtype != onp.float64 for e in graph.equations for v in e.outputs)
    expected = bl.grad(lambda x: f(x).sum())(x.astype(float))
    onp.testing.assert_allclose(graph(x)[0], expected, rtol=1e-5)
