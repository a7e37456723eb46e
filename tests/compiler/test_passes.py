"""Rewrites, memory, and what `inspect` shows of them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit import nn
from backlit.compiler import rewriting
from backlit.compiler.memory import minimum, place
from backlit.compiler.plan import plan
from backlit.compiler.program import write
from backlit.compiler.simplify import simplify
from backlit.compiler.target import host
from backlit.core.evaluate import evaluate
from backlit.core.verify import verify

X = onp.array([[0.3, -1.2, 2.0], [0.5, 1.5, -0.7]])


def names(graph: Any) -> list[str]:
    return [e.primitive.name for e in graph.equations]


@pytest.mark.parametrize(
    ("f", "left"),
    [
        (lambda x: x * 1.0 / 1.0 - 0.0, []),
        (lambda x: x * -1.0, ["negative"]),
        (lambda x: np.negative(np.negative(x)), []),
        (lambda x: x + (-np.sin(x)), ["sin", "subtract"]),
        (lambda x: x.T.T, []),
        (lambda x: np.transpose(x[None], (2, 0, 1)).transpose(1, 2, 0), ["getitem"]),
        (lambda x: x.reshape(3, 2).reshape(6), ["reshape"]),
        (lambda x: np.astype(x, "float64"), []),
        (lambda x: np.log(np.sigmoid(x)), ["log_sigmoid"]),
        (lambda x: np.log(np.softmax(x, axis=1)), ["log_softmax"]),
        (lambda x: np.log(1.0 + x * x), ["multiply", "log1p"]),
        (lambda x: np.exp(x) - 1.0, ["expm1"]),
        (lambda x: 1.0 - np.sigmoid(x), ["negative", "sigmoid"]),
        (lambda x: np.sin(x) * np.cos(x) + np.sin(x), ["sin", "cos", "multiply", "add"]),
        (lambda x: bl.stop_gradient(x) + 0.0, ["add"]),  # −0 + 0 is +0
    ],
)
def test_rewrites_keep_values(f: Any, left: list[str]) -> None:
    graph = bl.trace(f, abstract=True)(X)
    rewritten, _ = simplify(graph)
    verify(rewritten)
    assert names(rewritten) == left
    onp.testing.assert_allclose(
        evaluate(rewritten, (X,))[0], evaluate(graph, (X,))[0], rtol=1e-15, atol=1e-16
    )


def test_stable_forms_survive_where_the_plain_ones_overflow() -> None:
    far = onp.array([-1000.0, 0.0, 1000.0])
    with onp.errstate(all="ignore"):
        assert onp.log(np.sigmoid(far))[0] == -onp.inf
    assert bl.jit(lambda x: np.log(np.sigmoid(x)))(far).tolist() == [-1000.0, -onp.log(2.0), 0.0]


def test_memory_is_reused_and_near_what_liveness_allows() -> None:
    def chain(x: Any) -> Any:
        for k in range(30):
            x = np.cumsum(x * (k + 1.0), axis=0)  # a unit of its own, every time
        return x

    planned = plan(bl.jit(chain).graph(onp.ones((64, 64))))
    place(planned)
    assert minimum(planned) <= planned.scratch <= 1.2 * minimum(planned)
    assert planned.scratch <= 2 * 64 * 64 * 8


def test_what_lives_together_lies_apart() -> None:
    rng = onp.random.default_rng(1)
    sizes = rng.integers(1, 90, 40).tolist()

    def f(x: Any) -> Any:
        kept = []
        for n in sizes:
            x = x @ np.full((x.shape[1], n), 0.01)
            kept.append(x)
        for k in rng.permutation(len(kept)):
            x = x + np.sum(kept[k])
        return x

    planned = plan(bl.trace(f)(onp.ones((3, 5))))
    place(planned)
    lives: dict[Any, list[int]] = {}
    for position, unit in enumerate(planned.units):
        for view in (*unit.reads(), *unit.writes()):
            if view.buffer.root.kind == "scratch":
                lives.setdefault(view.buffer.root, []).append(position)
    assert len(lives) > len(sizes)
    pieces = [(b.index, b.index + b.nbytes, min(at), max(at)) for b, at in lives.items()]
    for k, (start, end, first, last) in enumerate(pieces):
        assert 0 <= start and end <= planned.scratch
        for other, stop, begin, until in pieces[:k]:
            assert end <= other or stop <= start or last < begin or until < first
    assert planned.scratch <= 1.5 * minimum(planned)


def test_units_stay_short_however_long_a_program_is() -> None:
    def chain(x: Any) -> Any:
        y = x
        for _ in range(40):
            y = np.sin(y) * x + 1.5
        return y

    many = [X[0] + k for k in range(300)]
    for f, args in ((chain, [X.ravel()]), (lambda *xs: [2.0 * x + 1.0 for x in xs], many)):
        planned = plan(bl.trace(f)(*args))
        assert len(planned.units) > 1
        assert max(len(unit.steps) for unit in planned.units) <= 128
        for got, expected in zip(
            onp.atleast_2d(bl.jit(f)(*args)), onp.atleast_2d(f(*args)), strict=True
        ):
            onp.testing.assert_allclose(got, expected, rtol=1e-12)


def test_the_memory_of_a_training_step_is_near_the_closed_form() -> None:
    sizes, batch = [100, 80, 60, 10], 64
    model = nn.MLP(sizes, seed=0)
    x, y = onp.ones((batch, 100), "float32"), onp.zeros(batch, int)

    def step(model: Any) -> Any:
        return bl.grad(lambda m: nn.losses.cross_entropy(m(x), y))(model)

    planned = plan(bl.jit(step).graph(model))
    place(planned)
    assert planned.scratch <= 1.2 * minimum(planned)


def test_what_goes_row_by_row_is_one_loop_that_keeps_a_row_in_registers() -> None:
    x = onp.random.default_rng(0).normal(size=(6, 10))
    f = bl.jit(lambda x: np.exp(np.log_softmax(x * 2.0, axis=1)) + 1.0)
    (line,) = f.inspect(x).units
    assert line.startswith("rows of 10: ")
    assert f.inspect(x).scratch == 0
    expected = onp.exp(2.0 * x)
    onp.testing.assert_allclose(f(x), expected / expected.sum(1, keepdims=True) + 1.0, rtol=1e-14)
    # A row that needs its neighbours does not join.
    g = bl.jit(lambda x: (x / x.sum(axis=1, keepdims=True))[::-1] * np.exp(x))
    assert len(g.inspect(x).units) == 2
    onp.testing.assert_allclose(g(x), (x / x.sum(1)[:, None])[::-1] * onp.exp(x), rtol=1e-13)


def test_inspect_shows_every_stage() -> None:
    matrix = onp.tile(X, (2, 2))
    seen = bl.jit(lambda x: np.log(np.sigmoid(x @ x.T)).sum()).inspect(matrix)
    text = seen.to_text(full=True)
    for part in ("traced", "log σ(x) → log_sigmoid(x)", "product [4,4] over 6", "define", "ret"):
        assert part in text
    assert seen.flops > 0 and seen.nbytes > 0 and not seen.evaluated
    assert seen.results == 8 and "8 bytes for results" in text
    loop = bl.jit(lambda x: bl.scan(lambda c, r: (c + r, c), x[0], x)).inspect(X)
    assert loop.flops == 6 and loop.nbytes == 2 * 24 + 2 * 4 * 24  # two turns
    assert loop.units[0] == "scan:" and loop.units[1].startswith("  nest [3]: add")
    assert bl.jit(lambda x: np.astype(x, "float16") ** 0.7).inspect(X).evaluated == ["power"]


def test_parameters_that_are_equal_but_not_the_same_are_told_apart() -> None:
    (equation,) = bl.trace(lambda x: x + x)(1.0).equations

    def key(**params: Any) -> Any:
        return rewriting._key(replace(equation, params=params))

    values: list[Any] = [0, 0.0, -0.0, False, onp.float32(0), onp.float64(0), math.nan, -math.nan]
    values += [(0,), (0.0,), (-0.0,), (False,), 1, 1.0, True, (1, (1.0,)), (1, (True,)), "1"]
    keys = [key(value=value) for value in values]
    assert len(set(keys)) == len(values)
    assert keys == [key(value=value) for value in values]
    assert key(value=[1]) is None  # what cannot be hashed


def test_inspect_shows_the_program_that_runs_where_arguments_are_donated() -> None:
    w = onp.ones((100, 100))
    step = bl.jit(lambda w, g: (w - 0.5 * g, g.sum()), donate_argnums=0)
    seen = step.inspect(w, w)
    assert seen.results == 8  # the new weights lie where the old ones were
    assert seen.donated == w.nbytes
    assert "donated      80,000 bytes of results lie where arguments were" in str(seen)
    assert bl.jit(lambda w, g: w - 0.5 * g).inspect(w, w).results == w.nbytes
    step(w, w)
    program: Any = step.graph(w, w).derived["donating executable"]
    assert seen.ir == write(program.plan, host())


@pytest.mark.parametrize(
    "rows, f",
    [
        (4095, lambda w: w * 2.0),  # less than 32 KiB
        (4096, lambda w: w[::-1] * 2.0),  # read at another place
        (4096, lambda w: np.sum(w)),  # of another shape
    ],
)
def test_inspect_says_where_donating_saves_nothing(rows: int, f: Any) -> None:
    w = onp.ones(rows)
    seen = bl.jit(f, donate_argnums=0).inspect(w)
    assert (seen.donated, seen.results) == (0, f(w).nbytes)
    assert "donated      nothing is written over: results of 32,768 bytes or more" in str(seen)
    assert bl.jit(lambda w: w * 2.0, donate_argnums=0).inspect(onp.ones(4096)).donated == 32768
    plain = bl.jit(f).inspect(w)
    assert plain.donated is None and "donated" not in str(plain)


def test_a_printed_inspection_is_a_page() -> None:
    x = onp.linspace(-1.0, 1.0, 1000)
    seen = bl.jit(lambda x: np.sum(np.log(np.sigmoid(x)) + np.log(np.sigmoid(2 * x)))).inspect(x)
    text = str(seen)
    assert len(text.splitlines()) < 40
    for part in ("== traced", "log σ(x) → log_sigmoid(x)", "== units", "bytes moved  8,008", ".ir"):
        assert part in text
    assert repr(seen) == "<inspection of <lambda>: 1 unit; print it to see them>"
    assert "define" not in text and seen.ir in seen.to_text(full=True)
    plain = str(bl.jit(lambda x: x + 1.0).inspect(x))
    assert plain.count("add x") == 1 and "nothing: it stays as it was" in plain
