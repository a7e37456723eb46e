"""Depth, memory and threads: long programs run, arrays are freed, threads do not meet."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.core.tracer import live_traces
from backlit.core.verify import verify

LONG = 20_000


@pytest.fixture
def without_collector() -> Iterator[None]:
    """Only reference counts free memory: a cycle would keep it."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def chain(x: Any, length: int = LONG) -> Any:
    for _ in range(length):
        x = x * 1.0001
    return x


# --- depth ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "derivative",
    [
        lambda: bl.grad(chain)(1.0),
        lambda: bl.jvp(chain, (1.0,), (1.0,))[1],
        lambda: bl.jacobian(lambda x: np.stack([chain(x), x]))(1.0)[0],
        lambda: bl.vjp(chain, 1.0)[1](1.0)[0],
    ],
)
def test_twenty_thousand_operations_in_a_row(derivative: Callable[[], Any]) -> None:
    assert sys.getrecursionlimit() <= 10_000
    assert derivative() == pytest.approx(1.0001**LONG)


def test_a_graph_of_twenty_thousand_operations() -> None:
    graph = bl.trace(chain)(1.0)
    assert len(graph.equations) == LONG
    verify(graph)
    assert graph(2.0)[0] == pytest.approx(2.0 * 1.0001**LONG)
    assert len(graph.pruned().equations) == LONG
    assert str(graph).count("\n") == LONG + 2
    again = bl.core.serial.loads(graph.to_json())
    assert again(2.0) == graph(2.0)


def test_the_graph_of_a_long_gradient() -> None:
    graph = bl.trace(bl.grad(lambda x: chain(x, 5_000)))(1.0)
    assert graph(1.0)[0] == pytest.approx(1.0001**5_000)


def test_a_wide_fan_out_adds_up() -> None:
    def f(x: Any) -> Any:
        total = 0.0
        for k in range(3_000):
            total = total + x * float(k)
        return total

    assert bl.grad(f)(1.0) == 3_000 * 2_999 / 2


def test_deep_trees_of_arguments() -> None:
    tree: Any = 2.0
    for _ in range(200):
        tree = [tree]

    def f(t: Any) -> Any:
        while type(t) is list:
            (t,) = t
        return t * t

    found = bl.grad(f)(tree)
    while type(found) is list:
        (found,) = found
    assert found == 4.0


# --- memory -----------------------------------------------------------------------------------


class Watched:
    """Arrays that a run made, by weak reference."""

    def __init__(self) -> None:
        self.seen: list[weakref.ref[Any]] = []

    def __call__(self, tracer: Any) -> Any:
        value = bl.core.tracer.innermost_value(tracer)
        if isinstance(value, onp.ndarray):
            self.seen.append(weakref.ref(value))
        return tracer

    def alive(self) -> int:
        return sum(reference() is not None for reference in self.seen)


def program(watch: Watched) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        y = watch(np.sin(x) * 2.0)
        z = watch(y[1:] @ np.ones((2, 2)))
        out = np.zeros(3)
        out[0] = z.sum()
        out[1:] = watch(np.where(z > 0.0, np.sqrt(np.abs(z)), z))
        if out[0] > -1e9:
            out = watch(out * x)
        return watch(np.softmax(out) * out).sum() + watch(x.reshape(3, 1).T @ x).sum()

    return f


RUNS: dict[str, Callable[[Any, Any], Any]] = {
    "grad": lambda f, x: bl.grad(f)(x),
    "value_and_grad": lambda f, x: bl.value_and_grad(f)(x),
    "jvp": lambda f, x: bl.jvp(f, (x,), (x,)),
    "jacobian": lambda f, x: bl.jacobian(lambda x: np.stack([f(x), x[0], x[1], x[2], x[0]]))(x),
    "jacrev": lambda f, x: bl.jacrev(f)(x),
    "hessian": lambda f, x: bl.hessian(f)(x),
    "grad of grad": lambda f, x: bl.grad(lambda x: bl.grad(f)(x).sum())(x),
    "grad of jvp": lambda f, x: bl.grad(lambda x: bl.jvp(f, (x,), (x,))[1])(x),
    "vjp, called": lambda f, x: bl.vjp(f, x)[1](1.0),
    "vjp, dropped": lambda f, x: bl.vjp(f, x)[0],
    "aux": lambda f, x: bl.grad(lambda x: (f(x), None), has_aux=True)(x),
    "scan": lambda f, x: bl.grad(
        lambda x: bl.scan(lambda c, _: (np.tanh(c) * x, None), x, length=3)[0].sum() + f(x)
    )(x),
}


@pytest.mark.usefixtures("without_collector")
@pytest.mark.parametrize("name", RUNS)
def test_nothing_is_kept_after_a_derivative(name: str) -> None:
    watch = Watched()
    x = onp.array([0.3, -0.4, 0.9])
    result = RUNS[name](program(watch), x)
    assert result is not None and len(watch.seen) >= 5
    assert watch.alive() == 0


@pytest.mark.usefixtures("without_collector")
def test_a_failed_run_keeps_nothing_once_its_error_is_gone() -> None:
    watch = Watched()

    def f(x: Any) -> Any:
        program(watch)(x)
        raise KeyError

    try:
        bl.grad(f)(onp.ones(3))
    except KeyError:
        pass
    assert watch.alive() == 0


@pytest.mark.usefixtures("without_collector")
def test_a_pullback_keeps_what_it_needs_and_no_longer() -> None:
    watch = Watched()
    _, pullback = bl.vjp(program(watch), onp.array([0.3, -0.4, 0.9]))
    assert watch.alive() > 0
    pullback(1.0)
    assert watch.alive() > 0
    del pullback
    assert watch.alive() == 0


@pytest.mark.usefixtures("without_collector")
def test_an_evaluated_graph_drops_values_after_their_last_use() -> None:
    graph = bl.trace(lambda x: chain(x, 50).sum())(onp.ones(10))
    alive: list[int] = []
    multiply = graph.equations[0].primitive
    plain = multiply.impl
    seen: list[weakref.ref[Any]] = []

    def counting(a: Any, b: Any) -> Any:
        out = plain(a, b)
        seen.append(weakref.ref(out))
        alive.append(sum(r() is not None for r in seen))
        return out

    multiply.impl = counting
    try:
        graph(onp.ones(10))
    finally:
        multiply.impl = plain
    assert max(alive) <= 2


def test_evaluating_many_graphs_does_not_accumulate_objects() -> None:
    def once() -> None:
        bl.grad(lambda x: bl.scan(lambda c, _: (c * x, None), x, length=3)[0])(2.0)
        bl.hessian(lambda x: bl.cond(x > 0, np.sin, np.cos, x))(2.0)

    for _ in range(5):
        once()
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(40):
        once()
    gc.collect()
    assert len(gc.get_objects()) - before < 2_000


# --- threads ----------------------------------------------------------------------------------


def test_eight_threads_differentiate_at_once() -> None:
    barrier = threading.Barrier(8)

    def work(k: int) -> Any:
        barrier.wait()
        found = []
        for step in range(30):
            x = onp.linspace(0.1, 1.0, 5) * (k + 1) + step * 0.01

            def f(x: Any) -> Any:
                out = np.zeros(5)
                out[1:] = np.sin(x[1:]) * x[:-1]
                return (out**2).sum() * (k + 1)

            found.append((bl.grad(f)(x), bl.hessian(f)(x)))
        assert live_traces() == []
        return found

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(work, range(8)))
    barrier = threading.Barrier(1)
    for k in range(8):
        for (g, h), (g2, h2) in zip(together[k], work(k), strict=True):
            assert (g == g2).all() and (h == h2).all()


def test_a_thread_may_help_inside_a_function() -> None:
    def f(x: Any) -> Any:
        with ThreadPoolExecutor(2) as pool:
            parts = list(pool.map(lambda k: np.sin(x * k), [1.0, 2.0, 3.0]))
        return parts[0] + parts[1] + parts[2]

    expected = sum(k * onp.cos(0.5 * k) for k in (1.0, 2.0, 3.0))
    assert bl.grad(f)(0.5) == pytest.approx(expected)


def test_a_trace_in_one_thread_does_not_reach_another() -> None:
    seen: list[Any] = []

    def f(x: Any) -> Any:
        worker = threading.Thread(target=lambda: seen.append((np.zeros(2), live_traces())))
        worker.start()
        worker.join()
        return x * x

    assert bl.grad(f)(3.0) == 6.0
    assert type(seen[0][0]) is onp.ndarray and seen[0][1] == []
