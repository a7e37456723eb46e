"""Programs divided among threads: the same bits for any number of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit import nn, optim
from backlit.compiler import division, program, runtime
from backlit.compiler.division import bounds, chunks_for, divided_work, overlap
from backlit.compiler.plan import plan
from backlit.compiler.target import host
from backlit.compiler.text import Code, Module
from backlit.core import tree
from tests.compiler.arrays import draw

COUNTS = (1, 2, 3, 5)
pytestmark = pytest.mark.usefixtures("keep_count")


def divided(f: Any, *args: Any) -> int:
    """Return how many units of a program are cut into chunks, those of loops included."""
    text = bl.jit(f).inspect(*args).ir
    return text.count("call void @share(")


def same_for_any_count(f: Any, *args: Any, rounds: int = 4) -> list[Any]:
    """Return results as arrays, after checking that no number of threads changes a bit."""
    g = bl.jit(f)
    first: list[Any] = []
    for count in COUNTS * rounds:
        bl.set_num_threads(count)
        found = [onp.asarray(leaf) for leaf in tree.flatten(g(*args))[0]]
        first = first or found
        for a, b in zip(found, first, strict=True):
            assert a.tobytes() == b.tobytes(), f"{count} threads"
    return first


def check(f: Any, *args: Any, units: int = 1, tolerance: float = 1e-5) -> None:
    assert divided(f, *args) >= units
    found = same_for_any_count(f, *args)
    expected = [onp.asarray(leaf) for leaf in tree.flatten(f(*args))[0]]
    for a, b in zip(found, expected, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        scale = max(float(onp.max(onp.abs(b))), 1e-30) if b.dtype.kind == "f" else 1.0
        onp.testing.assert_allclose(a / scale, b / scale, rtol=tolerance, atol=tolerance)


# --- results ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "shape", [(257, 313, 311), (1, 2000, 3001), (13, 999, 1000), (3001, 997, 3), (320, 320, 320)]
)
def test_products(shape: tuple[int, int, int], dtype: str) -> None:
    m, k, n = shape
    a, b, c = draw(m, k, dtype=dtype), draw(k, n, dtype=dtype), draw(n, dtype=dtype)
    check(lambda a, b, c: np.relu(a @ b + c), a, b, c)
    if m in (257, 320):
        check(lambda a, b: (a.T @ b, a @ b.T), draw(k, m, dtype=dtype), draw(k, m, dtype=dtype))


@pytest.mark.parametrize("lead", [2, 37])
def test_stacks_of_products(lead: int) -> None:
    a, b = draw(lead, 65, 400) / 20, draw(lead, 400, 177)
    check(lambda a, b: np.tanh(a @ b), a, b)
    check(lambda a, b: a @ b[0], a, b)


@pytest.mark.parametrize(
    "shape", [(1_000_003,), (1031, 1037), (3, 400_001), (400_001, 3), (7, 300, 501), (1, 999_999)]
)
def test_nests(shape: tuple[int, ...]) -> None:
    x = draw(*shape)
    check(lambda x: (np.tanh(x) * 2 + x, x > 0), x)
    check(lambda x: np.exp(x) + np.sin(x[..., ::-1]), x)
    check(lambda x: np.astype(x * 100, "int8"), x)


@pytest.mark.parametrize("shape", [(1031, 1037), (4099, 300), (130, 8191), (20, 301, 403)])
def test_reductions(shape: tuple[int, ...]) -> None:
    x = draw(*shape)
    last = len(shape) - 1
    check(lambda x: (np.sum(np.exp(x), axis=0), np.max(x, axis=last), np.min(x, axis=0)), x)
    check(lambda x: (np.sum(x * x, axis=last), np.all(x < 9, axis=0), np.mean(x, axis=last)), x)


@pytest.mark.parametrize("shape", [(3_000_017,), (1731, 1737), (20, 401, 403)])
def test_reductions_of_everything(shape: tuple[int, ...]) -> None:
    x = draw(*shape)
    check(lambda x: (np.sum(np.exp(x)), np.max(x), np.min(x), np.any(x > 99), np.all(x < 99)), x)
    check(lambda x: np.sum(np.astype(x * 1000, "int32")), x)
    x[(-1,) * x.ndim] = onp.nan
    assert onp.isnan(same_for_any_count(lambda x: np.max(x[::2, ...]) + np.max(x), x)[0])


def test_views_that_do_not_lie_side_by_side() -> None:
    x = draw(1031, 1037)[::2, ::-3]
    check(lambda x: np.sqrt(np.abs(x) + 1) + x[:, ::-1] * np.exp(x), x)
    check(lambda x: np.sum(np.exp(np.broadcast_to(x, (5, *x.shape)))), x)


@pytest.mark.parametrize("shape", [(1031, 1037), (4099, 301), (17, 301, 403)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_transposes(shape: tuple[int, ...], dtype: str) -> None:
    x = draw(*shape).astype(dtype) * 100
    onp.testing.assert_array_equal(*[f(x) for f in (bl.jit(np.ravel), np.ravel)])
    check(lambda x: np.ravel(x.T), x)
    check(lambda x: np.concatenate([x, x]), x)


@pytest.mark.parametrize("columns", [3, 10, 60])
@pytest.mark.parametrize("lead", [(60_001,), (3, 20_001), (20_001, 3)])
def test_rows(lead: tuple[int, ...], columns: int) -> None:
    x = draw(*lead, columns)
    check(lambda x: (np.softmax(x, axis=-1), np.logsumexp(x, axis=-1)), x)


def test_a_training_step_and_updates_in_place() -> None:
    X, y = draw(101, 401), onp.random.default_rng(0).integers(0, 10, 101)
    model, rule = nn.MLP([401, 503, 299, 10], seed=0), optim.momentum(1e-2)

    def step(model: Any, state: Any, X: Any, y: Any) -> Any:
        value, grads = bl.value_and_grad(lambda m: nn.losses.cross_entropy(m(X), y))(model)
        updates, state = rule.update(grads, state, model)
        return optim.apply(model, updates), state, value

    check(step, model, rule.init(model), X, y, units=5, tolerance=1e-3)

    def epoch(model: Any, state: Any, X: Any, y: Any) -> Any:
        def turn(carry: Any, _: Any) -> Any:
            model, state, value = step(*carry, X, y)
            return (model, state), value

        return bl.scan(turn, (model, state), None, 3)

    check(epoch, model, rule.init(model), X, y, units=5, tolerance=1e-2)


def test_loops_and_choices() -> None:
    x, w = draw(301, 401), draw(401, 401) / 20

    def f(x: Any, w: Any) -> Any:
        y = bl.fori_loop(0, 3, lambda i, h: np.tanh(h @ w), x)
        z = bl.while_loop(lambda h: np.sum(h * h) > 1.0, lambda h: np.tanh(h @ w) / 2, x)
        return y, z, bl.cond(np.sum(y) > 0, lambda: y @ w, lambda: z @ w)

    check(f, x, w, units=4, tolerance=1e-4)


def test_beside_what_the_evaluator_runs() -> None:
    x = draw(601, 601)

    def f(x: Any) -> Any:
        half = np.astype(np.tanh(x @ x / 30), "float16") ** 0.7
        return np.tanh(x @ np.astype(half, "float32"))

    assert bl.jit(f).inspect(x).evaluated == ["power"]
    check(f, np.abs(x), tolerance=1e-3)


@pytest.fixture
def everything_divided(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Divide units that are far too small for it."""
    monkeypatch.setenv("BACKLIT_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(division, "UNIT", 40)
    monkeypatch.setattr(division, "CHUNK", 20)
    monkeypatch.setattr(runtime, "PROGRAM", 0)


@pytest.mark.usefixtures("everything_divided")
@pytest.mark.parametrize("columns", [3, 17, 70])
def test_jobs_in_quick_succession(columns: int) -> None:
    x, w = draw(37, columns), draw(columns, columns) / max(columns, 9)

    def turn(h: Any, _: Any) -> Any:
        h = np.tanh(h @ w) + np.softmax(h.T, axis=1).T
        return h / (1 + np.max(np.abs(h))), (np.sum(h, axis=0), np.min(h, axis=1), np.sum(h))

    check(lambda x: bl.scan(turn, x, None, 300), x, units=2, tolerance=1e-2)


@pytest.mark.usefixtures("everything_divided")
@pytest.mark.parametrize("most", [1, 3, 7])
def test_more_chunks_than_can_be_counted(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(program, "MOST_CHUNKS", most)
    a, b = draw(300 + most, 90), draw(90, 700)
    check(lambda a, b: (np.tanh(a @ b / 10), np.sum(np.exp(a))), a, b, units=2)


# --- division -----------------------------------------------------------------------------------


@pytest.mark.parametrize("pieces", [5, 32, 33, 1000])
@pytest.mark.parametrize("chunks", [1, 2, 3, 5])
def test_chunks_are_a_partition(pieces: int, chunks: int) -> None:
    code = Code(Module())
    spans = [bounds(code, k, chunks, pieces) for k in range(chunks)]
    assert [stop for _, stop in spans] == [*(start for start, _ in spans[1:]), pieces]
    assert spans[0][0] == 0
    sizes = [int(stop) - int(start) for start, stop in spans]
    assert max(sizes) - min(sizes) <= 1
    # Turns that begin in piece 2: three in each piece but the last, which has one.
    turns = (pieces - 3) * 3 + 1
    found = [overlap(code, span, 2, turns, 3) for span in spans]
    assert sorted(k for a, n in found for k in range(int(a), int(a) + int(n))) == list(range(turns))
    assert bounds(code, None, chunks, pieces) == (0, pieces)


def test_what_is_worth_dividing_depends_on_its_size() -> None:
    def most(f: Any, *args: Any) -> int:
        return max(chunks_for(unit, host()) for unit in plan(bl.jit(f).graph(*args)).units)

    def product(n: int) -> int:
        return most(lambda a, b: a @ b, draw(n, n), draw(n, n))

    assert product(64) == 1 < product(140) < product(1024) == 32
    assert most(np.tanh, draw(1000)) == most(np.sum, draw(1000)) == 1
    assert most(np.tanh, draw(10**6)) == most(np.sum, draw(10**7)) == 32


def test_loops_count_their_turns() -> None:
    x = draw(301, 301)
    once = divided_work(plan(bl.jit(lambda x: np.tanh(x @ x)).graph(x)), host())

    def work(turns: int) -> int:
        f = bl.jit(lambda x: bl.scan(lambda h, _: (np.tanh(h @ h), None), x, None, turns))
        return divided_work(plan(f.graph(x)), host())

    assert once > 0 and work(7) == 7 * once
    small = bl.jit(lambda x: bl.scan(lambda h, _: (np.tanh(h @ h), None), x, None, 10**6))
    assert divided_work(plan(small.graph(draw(20, 20))), host()) == 0
