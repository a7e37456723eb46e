"""Python while tracing: branches become guards or errors, and nothing that is lost goes unsaid."""

from __future__ import annotations

import copy
import functools
import pickle
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.core.errors import (
    AbstractBranchError,
    BacklitError,
    DTypeError,
    LeakedTracerError,
    ShapeError,
    TracedValueError,
)
from backlit.core.tracer import live_traces

X = onp.array([1.0, -2.0, 3.0])


@pytest.fixture(autouse=True)
def no_trace_is_left_running() -> Iterator[None]:
    yield
    assert live_traces() == []


# --- guards -----------------------------------------------------------------------------------


def piecewise(x: Any) -> Any:
    if x > 2.0:
        return x**3
    while x < 1.0:
        x = x * 2.0
    return -x


@pytest.mark.parametrize(("x", "slope"), [(3.0, 27.0), (1.5, -1.0), (0.3, -4.0)])
def test_python_branches_work_in_every_transformation(x: float, slope: float) -> None:
    assert bl.grad(piecewise)(x) == slope
    assert bl.jvp(piecewise, (x,), (1.0,))[1] == slope
    assert bl.jacrev(piecewise)(x) == slope
    assert bl.grad(lambda x: bl.grad(piecewise)(x) ** 2)(x) == {3.0: 2 * 27 * 18.0}.get(x, 0.0)


def test_every_branch_on_a_value_is_recorded_with_its_line() -> None:
    graph = bl.trace(piecewise)(0.3)
    assert [g.outcome for g in graph.guards] == [False, True, True, False]
    lines = [g.source.text() for g in graph.guards if g.source]
    assert lines == ["if x > 2.0:"] + ["while x < 1.0:"] * 3
    assert graph(0.3) == (piecewise(0.3),)
    text = str(graph)
    assert text.count("valid where") == 4 and "is False  # test_tracing.py:" in text


@pytest.mark.parametrize(
    ("f", "outcomes"),
    [
        (lambda x: x.sum() if (x > 0.0).any() and not (x > 0.0).all() else x[0], [True, False]),
        (lambda x: x[int(np.argmax(x))], [2]),
        (lambda x: x[: np.argmax(x)].sum(), [2]),
        (lambda x: sum(x[k] for k in range((x > 0.0).sum())), [2]),
        (lambda x: max(x[0], x[1]), [False]),
        (lambda x: x[0] if 3.0 in x else x[1], [True]),
        (lambda x: sorted(x)[0], None),
        (lambda x: x[x > 0.0].sum(), None),
        (lambda x: x[0] if x[0] else x[1], [True]),
    ],
)
def test_guards_hold_the_outcome(f: Callable[[Any], Any], outcomes: list[Any] | None) -> None:
    graph = bl.trace(f)(X)
    assert graph(X)[0] == f(X)
    found = [g.outcome for g in graph.guards]
    if outcomes is None:
        assert found
    else:
        assert found == outcomes


def test_a_mask_guards_the_graph_with_its_value() -> None:
    graph = bl.trace(lambda x: x[x > 0.0].sum())(X)
    assert [g.outcome.tolist() for g in graph.guards] == [[True, False, True]]
    assert "valid where t1 is [ True False  True]" in str(graph)


def test_branches_that_do_not_depend_on_the_inputs_are_not_guards() -> None:
    def f(x: Any, flag: bool = True) -> Any:
        table = np.zeros(2)
        if flag and table[0] == 0.0 and x.shape == (3,) and x.ndim == 1:
            return x.sum()
        return x[0]

    graph = bl.trace(f)(X)
    assert not graph.guards
    assert bl.trace(f, abstract=True)(X)(X) == (2.0,)


def test_guards_of_an_inner_derivative_reach_the_outer_trace() -> None:
    graph = bl.trace(bl.grad(piecewise))(0.3)
    assert [g.outcome for g in graph.guards] == [False, True, True, False]
    graph = bl.trace(lambda x: bl.jvp(piecewise, (x,), (1.0,))[1])(3.0)
    assert [g.outcome for g in graph.guards] == [True]


# --- branches without values -------------------------------------------------------------------


def branching(x: Any) -> Any:
    return x if x > 0.0 else -x


BODIES: dict[str, Callable[[], Any]] = {
    "abstract trace": lambda: bl.trace(branching, abstract=True)(1.0),
    "scan": lambda: bl.scan(lambda c, x: (c + branching(x), None), 0.0, X),
    "fori_loop": lambda: bl.fori_loop(0, 3, lambda i, c: branching(c), 1.0),
    "while_loop": lambda: bl.while_loop(lambda c: c < 3.0, branching, 1.0),
    "cond": lambda: bl.cond(True, branching, lambda x: x, 1.0),
    "gradient in scan": lambda: bl.scan(lambda c, x: (bl.grad(branching)(c), None), 0.0, X),
    "tangent in scan": lambda: bl.scan(
        lambda c, x: (bl.jvp(branching, (c,), (1.0,))[1], None), 0.0, X
    ),
    "scan in gradient": lambda: bl.grad(
        lambda x: bl.scan(lambda c, _: (branching(c), None), x, length=2)[0]
    )(1.0),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_branch_on_a_shape_names_line_and_fix(name: str) -> None:
    with pytest.raises(AbstractBranchError) as caught:
        BODIES[name]()
    message = str(caught.value)
    assert "Python asked for the truth value of a traced bool" in message
    assert "return x if x > 0.0 else -x" in message and "in branching" in message
    for fix in ("np.where", "bl.cond", "bl.scan"):
        assert fix in message


@pytest.mark.parametrize(
    ("f", "kind", "what"),
    [
        (lambda x: range(np.argmax(x)), AbstractBranchError, "asked for the"),
        (lambda x: int(np.argmax(x)), AbstractBranchError, "asked for the"),
        (lambda x: float(x[0]), TracedValueError, "float()"),
        (lambda x: onp.asarray(x), TracedValueError, "numpy.asarray()"),
        (lambda x: float(bl.stop_gradient(x[0])), TracedValueError, "float()"),
        (lambda x: x[x > 0.0], DTypeError, "unknown length"),
        (lambda x: len(x[0]), TypeError, "0-dimensional"),
    ],
)
def test_other_questions_that_a_shape_cannot_answer(
    f: Callable[[Any], Any], kind: type[Exception], what: str
) -> None:
    with pytest.raises(kind) as caught:
        bl.trace(lambda x: f(x), abstract=True)(X)
    assert what in str(caught.value)
    if issubclass(kind, BacklitError):
        assert "test_tracing.py" in str(caught.value) and "fix:" in str(caught.value)


def test_shapes_lengths_and_loops_over_rows_need_no_values() -> None:
    def f(x: Any) -> Any:
        total = 0.0
        for k, row in enumerate(x):
            total = total + row * k
        return total + len(x) + x.shape[0] + x.ndim

    assert bl.trace(f, abstract=True)(X)(X) == (f(X),)


# --- tracers that outlive their trace -----------------------------------------------------------

kept: list[Any] = []


def keep(value: Any) -> Any:
    kept.append(value)
    return value


class Holder:
    value: Any = None


holder = Holder()


def by_closure(x: Any) -> Any:
    keep(x * 2.0)
    return x


def by_object(x: Any) -> Any:
    holder.value = x * 2.0
    kept.append(holder.value)
    return x


def by_generator(x: Any) -> Any:
    kept.append(y * 2.0 for y in [x * 2.0])
    return x


def by_default(x: Any) -> Any:
    y = x * 2.0
    kept.append(lambda v=y: v + 1.0)
    return x


WAYS = {"closure": by_closure, "object": by_object, "generator": by_generator, "lambda": by_default}
RUNS: dict[str, Callable[[Any], Any]] = {
    "grad": lambda f: bl.grad(f)(1.0),
    "vjp": lambda f: bl.vjp(f, 1.0),
    "jvp": lambda f: bl.jvp(f, (1.0,), (1.0,)),
    "jacfwd": lambda f: bl.jacfwd(f)(1.0),
    "trace": lambda f: bl.trace(f)(1.0),
    "abstract": lambda f: bl.trace(f, abstract=True)(1.0),
    "scan": lambda f: bl.scan(lambda c, _: (f(c), None), 1.0, length=2),
    "inner": lambda f: bl.grad(lambda x: bl.grad(f)(x) * x)(1.0),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("run", RUNS)
def test_a_leaked_tracer_raises_when_it_is_used(way: str, run: str) -> None:
    kept.clear()
    RUNS[run](WAYS[way])
    leak = kept[0]
    with pytest.raises(LeakedTracerError) as caught:
        if way == "generator":
            next(leak)
        elif way == "lambda":
            leak()
        else:
            leak + 1.0
    message = str(caught.value)
    assert "used after the transformation that made it had ended" in message
    assert "fix: return it from the function (has_aux=True" in message
    if run in ("grad", "vjp", "trace", "abstract", "inner"):
        assert "it was made at" in message and "x * 2.0" in message


@pytest.mark.parametrize("run", ["grad", "vjp", "jvp", "trace", "scan"])
@pytest.mark.parametrize(
    "use",
    [
        lambda v: v * 2.0,
        lambda v: 2.0 * v,
        lambda v: onp.ones(2) * v,
        lambda v: np.sin(v),
        lambda v: onp.sin(v),
        lambda v: v @ onp.ones(1),
        lambda v: v.sum(),
        lambda v: v.reshape(1),
        lambda v: np.where(True, v, 0.0),
        lambda v: np.stack([v, 1.0]),
        lambda v: v > 0.0,
        lambda v: bl.scan(lambda c, _: (c + v, None), 0.0, length=1),
    ],
)
def test_any_use_of_a_leaked_tracer_raises(run: str, use: Callable[[Any], Any]) -> None:
    kept.clear()
    RUNS[run](by_closure)
    with pytest.raises(LeakedTracerError):
        use(kept[0])


@pytest.mark.parametrize("run", ["grad", "trace", "jvp"])
@pytest.mark.parametrize("question", [bool, float, int, onp.asarray, lambda v: v.item()])
def test_a_leaked_tracer_answers_no_question(run: str, question: Callable[[Any], Any]) -> None:
    kept.clear()
    RUNS[run](by_closure)
    with pytest.raises((LeakedTracerError, TracedValueError)):
        question(kept[0])


@pytest.mark.parametrize("outer", [bl.grad, bl.jacfwd])
def test_an_inner_tracer_does_not_leak_into_an_outer_function(outer: Any) -> None:
    def f(x: Any) -> Any:
        kept.clear()
        bl.grad(by_closure)(x)
        return kept[0] * x

    with pytest.raises(LeakedTracerError, match="x \\* 2.0"):
        outer(f)(1.0)


@pytest.mark.parametrize(
    "run",
    [
        bl.grad,
        bl.value_and_grad,
        bl.jacfwd,
        bl.jacrev,
        bl.jacobian,
        bl.trace,
        lambda f: lambda x: bl.vjp(f, x),
        lambda f: lambda x: bl.jvp(f, (x,), (1.0,)),
        lambda f: lambda x: bl.scan(lambda c, _: (f(c), None), x, length=1),
        lambda f: lambda x: bl.grad(lambda y: (y, f(y)), has_aux=True)(x),
    ],
)
def test_a_leaked_tracer_may_not_be_a_result(run: Any) -> None:
    kept.clear()
    bl.grad(by_closure)(1.0)
    with pytest.raises(LeakedTracerError):
        run(lambda x: kept[0])(1.0)


def test_a_graph_of_its_own_cannot_hold_an_outer_tracer() -> None:
    def outer(x: Any) -> Any:
        return bl.trace(lambda y: y * x)(2.0)(3.0)[0]

    with pytest.raises(TracedValueError, match="outer transformation"):
        bl.grad(outer)(1.0)
    inner = bl.grad(lambda x: bl.trace(lambda y, x: y * x)(2.0, x)(3.0, x)[0])
    assert inner(1.0) == 3.0


def test_a_tracer_of_a_helper_thread_that_ended_is_a_leak_too() -> None:
    kept.clear()
    worker = threading.Thread(target=lambda: bl.grad(by_closure)(1.0))
    worker.start()
    worker.join()
    with pytest.raises(LeakedTracerError):
        kept[0] * 2.0


def test_a_constant_of_a_by_shape_trace_has_a_value() -> None:
    def f(x: Any) -> Any:
        if np.array(True) and bool(np.ones(1)[0]) and int(np.array(3)) == 3:
            return x * float(np.full((), 2.0))
        return x

    assert bl.trace(f, abstract=True)(1.0)(5.0) == (10.0,)


def test_an_outer_tracer_may_be_used_in_an_inner_function() -> None:
    assert bl.grad(lambda x: bl.grad(lambda y: y * x)(5.0))(2.0) == 1.0


def test_a_generator_that_runs_inside_is_fine() -> None:
    def f(x: Any) -> Any:
        return sum(y * y for y in (x * k for k in range(4)))

    assert bl.grad(f)(1.0) == 28.0


def test_traces_that_end_out_of_order_are_all_removed() -> None:
    def steps(x: Any) -> Iterator[Any]:
        yield bl.grad(lambda y: y * x)(1.0)
        yield bl.grad(lambda y: y * x * x)(1.0)

    first, second = steps(2.0), steps(3.0)
    assert [next(first), next(second), next(first), next(second)] == [2.0, 3.0, 4.0, 9.0]


def test_an_exception_ends_the_trace() -> None:
    def f(x: Any) -> Any:
        keep(x)
        raise KeyError("stop")

    kept.clear()
    for run in RUNS.values():
        with pytest.raises(KeyError, match="stop"):
            run(f)
        assert live_traces() == []
    assert bl.grad(lambda x: x * x)(3.0) == 6.0


def test_errors_end_traces_in_reverse_mode_too() -> None:
    with pytest.raises(BacklitError):
        bl.grad(lambda x: bl.while_loop(lambda c: c < 9.0, lambda c: c * x, 1.0))(2.0)
    assert live_traces() == []


# --- copies -----------------------------------------------------------------------------------


@pytest.mark.parametrize("run", [bl.grad, bl.jacfwd, bl.jacrev, bl.jacobian])
@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda tree: copy.deepcopy([tree])[0]]
)
def test_copies_of_traced_arrays_keep_their_gradient(run: Any, duplicate: Any) -> None:
    def f(model: Any) -> Any:
        again = duplicate(model)
        again["w"] = again["w"] * 1.0
        return (again["w"] ** 2).sum() + duplicate(model["w"])[0]

    assert run(f)({"w": X})["w"].tolist() == [3.0, -4.0, 6.0]
    assert bl.trace(f)({"w": X})(X) == (f({"w": X}),)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_copies_of_traced_arrays_are_copies(duplicate: Any) -> None:
    def f(x: Any) -> Any:
        again = duplicate(x)
        again[0] = 10.0
        return (x * again).sum()

    assert bl.grad(f)(X).tolist() == [10.0, -4.0, 6.0]


def test_a_traced_array_cannot_be_pickled() -> None:
    for run in (bl.grad, bl.jacfwd, bl.trace):
        with pytest.raises(TracedValueError, match="pickl") as caught:
            run(lambda x: pickle.dumps(x))(X)
        assert "test_tracing.py" in str(caught.value)


# --- constants made inside ----------------------------------------------------------------------


@functools.cache
def table(n: int) -> Any:
    return np.ones(n) * 2.0


@functools.cache
def fillable(n: int) -> Any:
    return np.ones(n)


def test_constants_are_plain_numbers_to_numpy_and_outlive_their_trace() -> None:
    table.cache_clear()
    fillable.cache_clear()

    def f(x: Any) -> Any:
        norm = onp.linalg.norm(np.ones(4))
        total = onp.add.reduce(np.array([1.0, 2.0]))
        first = np.array([3.0, 1.0]).argsort()[0]
        return x * norm * total + first + (x * table(3)).sum() + (x * fillable(2)).sum()

    for _ in range(2):
        assert bl.value_and_grad(f)(1.0) == (15.0, 14.0)
        assert bl.jvp(f, (1.0,), (1.0,)) == (15.0, 14.0)


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda x: float(x), "float()"),
        (lambda x: x.item(), ".item()"),
        (lambda x: onp.asarray(x), "numpy.asarray()"),
        (lambda x: float(bl.stop_gradient(x)), "float()"),
    ],
)
def test_a_number_asked_of_a_shape_is_said_to_be_missing(call: Any, what: str) -> None:
    with pytest.raises(AbstractBranchError, match="has no value yet") as caught:
        bl.trace(call, abstract=True)(1.0)
    assert caught.value.what.startswith(what) and "lose" not in caught.value.what
    assert caught.value.fix is not None


def test_fori_loop_counts_between_integers() -> None:
    with pytest.raises(DTypeError, match=r"counts between integers.*float64") as caught:
        bl.fori_loop(0, 2.5, lambda i, x: x, 1.0)
    assert "int(n)" in (caught.value.fix or "")
    with pytest.raises(DTypeError, match="counts between integers"):
        bl.grad(lambda x: bl.fori_loop(0, x, lambda i, c: c, 1.0))(2.0)


def test_a_body_that_returns_no_pair_is_told_to() -> None:
    with pytest.raises(ShapeError, match=r"must return \(carry, y\), a pair") as caught:
        bl.scan(lambda c, x: c, 0.0, onp.ones(2))
    assert caught.value.fix == "return (carry, y), or (carry, ()) if there is nothing to collect"
