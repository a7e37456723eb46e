"""Python numbers stay weak through Python's operators, traced or not, as they do in Python."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as onp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backlit as bl
import backlit.numpy as np
from backlit.compiler import cache
from backlit.compiler.target import host
from backlit.core import serial
from backlit.core.errors import BacklitError, GraphError, LeakedTracerError
from backlit.core.evaluate import evaluate, values
from backlit.core.graph import Equation, Graph, Var
from backlit.core.verify import verify

Function = Callable[[Any, Any], Any]
X = onp.array([1.0, 2.0, 3.0], onp.float32)

OF_ANY: dict[str, Function] = {
    "step": lambda w, s: w - (s * 0.1) * w,
    "absolute": lambda w, s: abs(s) * w,
    "sum": lambda w, s: w * (s + s),
    "square": lambda w, s: s**2 * w,
    "cube": lambda w, s: s**3 * w,
    "half": lambda w, s: w * (s / 2),
    "floor": lambda w, s: w * (s // 2),
    "remainder": lambda w, s: w * (s % 3),
    "reflected": lambda w, s: w * (2 - s),
    "power of two": lambda w, s: w * (2**s),
    "test": lambda w, s: w + (s > 0.5),
    "test times a number": lambda w, s: w * ((s > 0.5) * 0.5),
    "tests": lambda w, s: w * (((s > 0) & (s < 9)) + 1),
    "quotient": lambda w, s: w / (s * 2.0 + 1),
    "exponent": lambda w, s: w ** (s * 2.0),
    "product of products": lambda w, s: (s * 3) * (w * 2),
    "choice": lambda w, s: np.where(w > s * 2, w, s * 2),
    "compared with a quarter": lambda w, s: w * 0.1 > s * 0.1,
    "of the number alone": lambda w, s: s * 2 - 1,
    "several": lambda w, s: (s, 2, s * 2.0, s > 0),
    "divmod": lambda w, s: divmod(s, 2),
    "NumPy's product": lambda w, s: w * np.multiply(s, 2),
    "NumPy's square": lambda w, s: w * np.square(s),
    "NumPy's power": lambda w, s: w * np.power(s, 2),
    "NumPy's own sum": lambda w, s: w * onp.add(s, 1),
    "NumPy's exponential": lambda w, s: w * np.exp(s * 0.5),
    "minus": lambda w, s: (-s) * w,
    "plus": lambda w, s: (+s) * w,
    "difference": lambda w, s: w * (s - s),
}
OF_TRUTH: dict[str, Function] = {
    "each": lambda w, s: (s + s, s - s, s * s, s // s, s % s, s**s, s / s),
    "with a constant": lambda w, s: (True + s, s + True, True - s, True**s, s**2, s**3, 2**s),
    "one": lambda w, s: (-s, +s, abs(s), s & s, s | True, s ^ s),
    "counted": lambda w, s: w * (s + True),
    "NumPy counts otherwise": lambda w, s: w * np.add(s, s),
}
ARRAYS = [onp.array([1, 2, 3], kind) for kind in ("f4", "f8", "i1", "?")] + [onp.float32(2), 3, 2.5]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings(), onp.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def described(value: Any) -> Any:
    """Return the type of a result, an array without dimensions being NumPy's number."""
    if isinstance(value, tuple):
        return tuple(map(described, value))
    if isinstance(value, (onp.ndarray, onp.generic)):
        return "NumPy's", value.dtype, value.shape
    return type(value)


def ways(f: Function, w: Any, s: Any, moving: bool) -> dict[str, Callable[[], Any]]:
    """Return what must give f's result: compiled, evaluated, and beside its derivatives."""
    compiled = bl.jit(f)

    def evaluated() -> Any:
        graph = compiled.graph(w, s)
        verify(graph)
        again = serial.loads(serial.dumps(graph))
        found = evaluate(again, (w, s))
        assert described(found) == described(evaluate(graph, (w, s)))
        return found if len(found) > 1 else found[0]

    found: dict[str, Callable[[], Any]] = {
        "jit": lambda: compiled(w, s),
        "jit of jit": lambda: bl.jit(lambda w, s: compiled(w, s))(w, s),
        "evaluated": evaluated,
    }
    if moving:
        ones = onp.ones_like(w), 1.0
        found |= {
            "jvp": lambda: bl.jvp(f, (w, s), ones)[0],
            "jvp of jit": lambda: bl.jvp(compiled, (w, s), ones)[0],
            "jit of jvp": lambda: bl.jit(lambda w, s: bl.jvp(f, (w, s), ones)[0])(w, s),
            "vjp": lambda: bl.vjp(f, w, s)[0],
            "vjp of jit": lambda: bl.vjp(compiled, w, s)[0],
            "vjp of vjp": lambda: bl.vjp(lambda w, s: bl.vjp(f, w, s)[0], w, s)[0],
            "in s alone": lambda: bl.vjp(lambda s: f(w, s), s)[0],
        }
    return found


def check(f: Function, w: Any, s: Any) -> None:
    plain = f(w, s)
    parts = plain if isinstance(plain, tuple) else (plain,)
    moving = type(s) is float and onp.asarray(w).dtype.kind == "f"
    for name, way in ways(f, w, s, moving).items():
        found = way()
        assert described(found) == described(plain), name
        for a, b in zip(found if isinstance(found, tuple) else (found,), parts, strict=True):
            onp.testing.assert_allclose(a, b, rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("name", OF_ANY)
@pytest.mark.parametrize("s", [0.5, 2, True])
def test_results_have_the_types_of_python(name: str, s: Any) -> None:
    for w in ARRAYS:
        try:
            OF_ANY[name](w, s)
        except (TypeError, ValueError):
            continue  # as NumPy refuses to subtract booleans
        check(OF_ANY[name], w, s)


@pytest.mark.parametrize("name", OF_TRUTH)
def test_truth_values_count_under_pythons_operators(name: str) -> None:
    for w in ARRAYS:
        check(OF_TRUTH[name], w, True)


# --- any expression of numbers -------------------------------------------------------------------

Expression = Callable[[Any], Any]
_STEPS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / (b * b + 1),
    "neg": lambda a, b: -a + 0 * b,
    "abs": lambda a, b: abs(a) - b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
}
_LEAVES: list[Expression] = [lambda s: s, lambda s: s, lambda s: 2, lambda s: 0.25, lambda s: True]


def _joined(step: Callable[[Any, Any], Any], a: Expression, b: Expression) -> Expression:
    return lambda s: step(a(s), b(s))


expressions: st.SearchStrategy[Expression] = st.recursive(
    st.sampled_from(_LEAVES),
    lambda inner: st.builds(_joined, st.sampled_from(list(_STEPS.values())), inner, inner),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(expressions, st.sampled_from([0.5, -3.0, 2, -1, True, False]), st.sampled_from(["f4", "i1"]))
def test_any_expression_of_numbers(expression: Expression, s: Any, kind: str) -> None:
    w = onp.array([1, 2], kind)

    def f(w: Any, s: Any) -> Any:
        return w * expression(s), expression(s)

    try:
        f(w, s)
    except OverflowError:  # no int8
        return
    plain = f(w, s)
    graph = bl.jit(f).graph(w, s)
    verify(graph)
    for found in (bl.jit(f)(w, s), evaluate(graph, (w, s))):
        assert described(tuple(found)) == described(plain)
        for a, b in zip(found, plain, strict=True):
            onp.testing.assert_allclose(a, b, rtol=1e-6)


# --- derivatives ---------------------------------------------------------------------------------


def loss(w: Any, s: Any) -> Any:
    return ((s * 2.0) * w + (1.0 / (s * s + 1.0)) * w * w).sum()


def exact(w: Any, s: float) -> tuple[Any, float]:
    """Return the derivatives of `loss` by hand, in float64."""
    w = onp.asarray(w, float)
    inverse = 1.0 / (s * s + 1.0)
    return 2.0 * s + 2.0 * inverse * w, float((2.0 * w - 2.0 * s * inverse**2 * w * w).sum())


def gradients() -> dict[str, Callable[..., Any]]:
    both = (0, 1)
    return {
        "grad": bl.grad(loss, both),
        "jit of grad": bl.jit(bl.grad(loss, both)),
        "grad of jit": bl.grad(bl.jit(loss), both),
        "jit of grad of jit": bl.jit(bl.grad(bl.jit(loss), both)),
        "traced": lambda w, s: bl.trace(bl.grad(loss, both))(w, s)(w, s),
        "one at a time": lambda w, s: (bl.grad(loss)(w, s), bl.grad(loss, 1)(w, s)),
    }


@pytest.mark.parametrize("name", gradients())
@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_gradients_keep_the_types_of_their_arguments(name: str, kind: str) -> None:
    w, s = X.astype(kind), 0.5
    dw, ds = gradients()[name](w, s)
    assert dw.dtype == onp.dtype(kind) and dw.shape == w.shape
    assert onp.asarray(ds).dtype == onp.float64 and onp.shape(ds) == ()
    onp.testing.assert_allclose(dw, exact(w, s)[0], rtol=1e-6)
    onp.testing.assert_allclose(ds, exact(w, s)[1], rtol=1e-6)


def test_second_derivatives_in_a_python_number() -> None:
    def f(s: Any) -> Any:
        return (((s * s) * 0.5) * X * (s / 2)).sum()  # 6 · s³/4

    for twice in (
        bl.grad(bl.grad(f)),
        bl.jit(bl.grad(bl.grad(f))),
        bl.grad(bl.jit(bl.grad(f))),
        bl.grad(bl.grad(bl.jit(f))),
        lambda s: bl.jvp(bl.grad(f), (s,), (1.0,))[1],
        lambda s: bl.grad(lambda s: bl.jvp(f, (s,), (1.0,))[1])(s),
        lambda s: bl.hvp(f, (s,), (1.0,)),
    ):
        found = onp.ravel(twice(3.0))[0]
        assert found.dtype == onp.float64 and onp.isclose(found, 27.0, rtol=1e-6)
    # On the way the arrays stay float32.
    graph = bl.trace(bl.grad(lambda x, s: (x * (s * 2.0)).sum()), abstract=True)(X, 3.0)
    arrays = [v.aval.dtype for e in graph.equations for v in e.outputs if v.aval.shape]
    assert arrays and set(arrays) == {onp.dtype("f4")}


def test_tangents_have_the_type_of_the_result() -> None:
    def f(w: Any, s: Any) -> Any:
        return w * (s * 2.0)

    for g in (f, bl.jit(f)):
        value, tangent = bl.jvp(g, (X, 0.5), (X, 1.0))
        assert value.dtype == tangent.dtype == onp.float32
        onp.testing.assert_allclose(tangent, X * 1.0 + X * 2.0, rtol=1e-6)


# --- programs ------------------------------------------------------------------------------------


def test_a_step_that_is_fed_back_is_compiled_once() -> None:
    step = bl.jit(lambda w, g, lr: (w - (lr * 0.1) * g, lr * 0.5))
    w: Any = X
    rate: Any = 0.1
    for _ in range(3):
        w, rate = step(w, X, rate)
    assert w.dtype == onp.float32 and type(rate) is float and rate == 0.0125
    assert repr(step).endswith("1 program>")


def test_a_number_comes_back_as_python_has_it() -> None:
    found = bl.jit(lambda s, n, t, x: (s, n + 1, t, 2.0, s > 0.0, np.sin(s)))(0.5, 1, True, X)
    assert found[:5] == (0.5, 2, True, 2.0, True)
    assert [type(a) for a in found] == [float, int, bool, float, bool, onp.float64]
    assert type(bl.value_and_grad(lambda s: s * s)(3.0)[0]) is float


def test_a_constant_of_a_compiled_function_is_weak_beside_a_gradient() -> None:
    inner = bl.jit(lambda x: (x, 2.0))

    def f(x: Any) -> Any:
        y, two = inner(x)
        return (two * 3 * y).sum()

    for g in (f, bl.jit(f)):
        value, slope = bl.value_and_grad(g)(X)
        assert value.dtype == slope.dtype == onp.float32
        assert float(value) == 36.0 and slope.tolist() == [6.0, 6.0, 6.0]


def test_strong_numbers_stay_strong() -> None:
    for s in (onp.float64(0.5), onp.array(0.5)):
        assert bl.jit(lambda w, s: w * (s * 2.0))(X, s).dtype == onp.float64
        assert bl.grad(lambda s: (X * (s * 2.0)).sum())(s) == 12.0
    # The same operation by NumPy's name and by Python's are two.
    graph = bl.jit(lambda w, s: (w > s * 0.1, w > np.multiply(s, 0.1))).graph(X, 1.0)
    assert [v.aval.weak for e in graph.equations[::2] for v in e.outputs] == [True, False]
    tenth = onp.full(2, 0.1, "f4")
    found = bl.jit(lambda w, s: (w > s * 0.1, w > np.multiply(s, 0.1)))(tenth, 1.0)
    assert not found[0].any() and found[1].all()  # 0.1 in float32 is the larger


def test_programs_of_weak_and_strong_numbers_are_kept_apart_on_disk() -> None:
    weak = bl.jit(lambda w, s: w > s * 0.1).graph(X, 1.0)
    strong = bl.jit(lambda w, s: w > np.multiply(s, 0.1)).graph(X, 1.0)
    keys = {cache.key_of(graph, host(), ()) for graph in (weak, strong)}
    assert len(keys) == 2


def test_loops_and_choices_take_and_give_numbers_of_numpys() -> None:
    def f(x: Any, s: Any) -> Any:
        total, ys = bl.scan(lambda c, row: (c + (s * 2) * row, row * (s * 3)), 0.0, x)
        last = bl.while_loop(lambda c: c < 10.0, lambda c: c * (s * 4), s)
        chosen = bl.cond(s > 0.0, lambda s: s * 2, lambda s: s * 3, s)
        scaled = bl.cond(s > 0.0, lambda s, x: s * x, lambda s, x: x, s, x)
        return total, ys, last, chosen, scaled

    plain = f(X, 1.5)
    assert [a.dtype.name for a in plain] == ["float32", "float32", "float64", "float64", "float32"]
    for found in (bl.jit(f)(X, 1.5), bl.trace(f)(X, 1.5)(X, 1.5)):
        assert described(tuple(found)) == described(plain)
        for a, b in zip(found, plain, strict=True):
            onp.testing.assert_allclose(a, b, rtol=1e-6)
    onp.testing.assert_allclose(plain[0], 18.0)
    value, tangent = bl.jvp(f, (X, 1.5), (X, 1.0))
    assert described(value) == described(tangent) == described(plain)

    def total(s: Any) -> Any:
        return bl.scan(lambda c, row: (c + (s * 2) * row, None), 0.0, X)[0]

    for g in (bl.grad(total), bl.jit(bl.grad(total)), bl.grad(bl.jit(total))):
        assert float(g(1.5)) == 12.0


def test_a_graph_takes_numbers_as_weak_as_it_was_traced_for() -> None:
    graph = bl.trace(lambda w, s: w * (s * 2.0))(X, 0.5)
    for s, way in itertools.product((0.5, onp.float64(0.5), onp.array(0.5)), (evaluate, values)):
        found: Any = way(graph, (X, s))
        out = found[0] if isinstance(found, tuple) else found[graph.outputs[0]]
        assert out.dtype == onp.float32
    strong = bl.trace(lambda w, s: w * (s * 2.0))(X, onp.float64(0.5))
    assert strong(X, 0.5)[0].dtype == onp.float64


def test_a_weak_result_of_arrays_is_no_graph() -> None:
    graph = bl.trace(lambda s: s * 2.0)(onp.float64(0.5))
    (e,) = graph.equations
    out = Var(bl.trace(lambda s: s)(0.5).inputs[0].aval)
    broken = Equation(e.primitive, e.inputs, e.params, (out,))
    with pytest.raises(GraphError, match="made of Python numbers alone"):
        verify(Graph(graph.inputs, (broken,), (out,)))


def test_values_are_numpys_where_python_would_raise_or_change_the_kind() -> None:
    cases: list[tuple[Expression, Any, Any]] = [
        (lambda a: a / 0.0, 1.0, onp.inf),
        (lambda a: a**0.5, -1.0, onp.nan),
        (lambda n: n + n, 2**62, -(2**63)),
        (lambda t: ~t, True, False),
        (lambda n: ~n, 1, -2),
    ]
    for f, s, expected in cases:
        for found in (bl.jit(f)(s), evaluate(bl.jit(f).graph(s), (s,))[0]):
            assert type(found) is type(expected)
            onp.testing.assert_equal(found, expected)
    with pytest.raises(BacklitError, match="negative integer powers"):
        bl.jit(lambda n: n**-1)(2)


def test_whole_numbers_that_do_not_fit_are_refused_by_the_evaluator() -> None:
    graph = bl.jit(lambda w, n: w + (n + 200)).graph(onp.ones(2, "i1"), 100)
    with pytest.raises(OverflowError):
        evaluate(graph, (onp.ones(2, "i1"), 100))


def test_numbers_that_outlive_their_trace_are_named() -> None:
    kept: list[Any] = []
    bl.grad(lambda s: kept.append(s * 2.0) or s * s)(1.0)  # type: ignore[func-returns-value]
    for use in (lambda s: s * 2.0, np.sin, lambda s: np.add(s, 1.0)):
        with pytest.raises(LeakedTracerError, match="made at .*test_weak.py"):
            use(kept[0])
