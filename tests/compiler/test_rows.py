"""Units joined row by row, with one row to a lane or one after the other, against the evaluator."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.compiler.memory import place
from backlit.compiler.plan import plan
from backlit.compiler.program import parts_of, write
from backlit.compiler.runtime import Executable, Library, object_code
from backlit.compiler.target import host
from backlit.compiler.units import AnyUnit, Rows
from backlit.core import tree
from backlit.core.evaluate import evaluate
from backlit.nn import losses

planning = importlib.import_module("backlit.compiler.plan")  # the package has a function `plan`

SHAPES = [(1, 10), (2, 2), (3, 5), (4, 4), (5, 16), (8, 10), (15, 3), (16, 16), (17, 10), (33, 9)]
SHAPES += [(40, 17), (6, 40), (70, 1)]
TOLERANCE = {"float32": 3e-6, "float64": 5e-15}


def compiled(f: Callable[..., Any], *args: Any) -> tuple[list[AnyUnit], list[Any]]:
    """Return the units of a program for `host`, as the planner sees it, and its results."""
    target = planning.host()
    planned = plan(bl.jit(f).graph(*args))
    place(planned)
    library = object_code(write(planned, target), host())
    parts = parts_of(planned)
    names = [part for part in parts if isinstance(part, str)]
    program = Executable(planned, parts, Library(library, names, host()), host())
    return planned.units, program([onp.asarray(a) for a in tree.flatten(args)[0]])


def check(f: Callable[..., Any], *args: Any, tolerance: float | None = None) -> list[AnyUnit]:
    """Compare a program's results with the evaluator's; return its units."""
    units, found = compiled(f, *args)
    leaves = [onp.asarray(a) for a in tree.flatten(args)[0]]
    with onp.errstate(all="ignore"):
        wanted = evaluate(bl.jit(f).graph(*args), leaves)
    for a, b in zip(found, wanted, strict=True):
        a, b = onp.asarray(a), onp.asarray(b)
        assert a.dtype == b.dtype and a.shape == b.shape
        slack = TOLERANCE.get(b.dtype.name, 0.0) if tolerance is None else tolerance
        onp.testing.assert_allclose(a, b, rtol=slack, atol=slack)
    return units


@pytest.fixture(params=[64, 32, 16], ids=lambda n: f"{8 * n}-bit")
def vectors(request: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Plan and write programs for vectors of this many bytes."""
    narrow = replace(host(), vector_bytes=request.param, registers=32 if request.param > 32 else 16)
    monkeypatch.setattr(planning, "host", lambda: narrow)
    yield request.param


def numbers(shape: tuple[int, ...], dtype: str, seed: int = 0) -> Any:
    """Return numbers among which some are equal, large, infinite and NaN."""
    rng = onp.random.default_rng(seed)
    x = rng.normal(size=shape).astype(dtype) * 3
    x[rng.random(shape) < 0.2] = 1.5  # ties, now and then of the maximum
    special = [onp.inf, -onp.inf, onp.nan, 100.0, -1000.0, 0.0, -0.0]
    for row in x.reshape(-1, shape[-1])[::3]:
        if shape[-1]:
            row[rng.integers(shape[-1])] = rng.choice(special)
            row[rng.integers(shape[-1])] = rng.choice(special)
    return x


def training_loss(x: Any, labels: Any) -> Any:
    return bl.value_and_grad(lambda x: losses.cross_entropy(x, labels, check=False))(x)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_softmax_and_its_gradient(shape: tuple[int, int], dtype: str, vectors: int) -> None:
    labels = onp.random.default_rng(1).integers(-shape[1], shape[1], shape[0])
    plain = onp.random.default_rng(2).normal(size=shape).astype(dtype)
    check(training_loss, plain, labels)
    check(training_loss, numbers(shape, dtype), labels)


def parts(x: Any) -> Any:
    y = np.log_softmax(x * 0.5, axis=1)
    smallest = np.min(x, axis=1, keepdims=True)
    p = np.exp(y)
    return y, p, np.prod(p, axis=1), (x - smallest) * 0.5, np.max(x, axis=0), np.sum(p, axis=0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_results_of_every_kind_from_special_numbers(
    shape: tuple[int, int], dtype: str, vectors: int
) -> None:
    check(parts, numbers(shape, dtype, 3))


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (0, 0)], ids=str)
def test_without_rows_or_columns(shape: tuple[int, int]) -> None:
    check(lambda x: (x - np.sum(x, axis=1, keepdims=True)) * 2.0, onp.ones(shape))
    check(lambda x: np.exp(np.log_softmax(x[:, :], axis=0)).sum(axis=1), onp.ones((3, *shape)))


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int32", "int64", "bool"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_rows_of_integers_and_booleans(shape: tuple[int, int], dtype: str, vectors: int) -> None:
    x = onp.random.default_rng(0).integers(0, 9, shape).astype(dtype)

    def f(x: Any) -> Any:
        top = np.max(x, axis=1, keepdims=True)
        is_top = np.equal(x, top)
        low = np.min(x, axis=1, keepdims=True)
        down = np.max(x, axis=0), np.any(is_top, axis=0), np.sum(is_top, axis=0)
        return is_top, np.sum(is_top, axis=1), np.all(is_top, axis=1), np.logical_and(x, low), down

    check(f, x)


@pytest.mark.parametrize("lead", [(2, 3), (3, 1, 5)], ids=str)
def test_rows_along_several_axes(lead: tuple[int, ...], vectors: int) -> None:
    x = numbers((*lead, 7), "float32", 5)
    units = check(lambda x: np.exp(np.log_softmax(x, axis=-1)) * 2.0, x)
    assert isinstance(units[0], Rows)


@pytest.mark.parametrize("axis", [0, 1])
def test_rows_that_are_read_and_stored_in_other_orders(axis: int, vectors: int) -> None:
    x, bias = numbers((9, 9), "float32", 6), onp.arange(9, dtype="float32")

    def f(x: Any, bias: Any) -> Any:
        y = np.softmax(np.transpose(x) + bias, axis=axis)
        return np.transpose(y), y[:, ::2] * 2.0, y * bias[:, None]

    check(f, x, bias)


@pytest.mark.parametrize("kind", ["int8", "uint8", "int32", "int64", "uint64"])
@pytest.mark.parametrize("shape", [(4, 4), (17, 10), (32, 3)], ids=str)
def test_the_element_at_an_index_of_every_row(
    shape: tuple[int, int], kind: str, vectors: int
) -> None:
    rows = onp.arange(shape[0])
    labels = onp.random.default_rng(0).integers(0, shape[1], shape[0]).astype(kind)
    if kind.startswith("i"):
        labels[::2] -= shape[1]

    def f(x: Any, labels: Any) -> Any:
        shifted = x - np.max(x, axis=1, keepdims=True)
        return shifted[rows, labels] * 2.0, np.sum(shifted, axis=1)

    units = check(f, onp.random.default_rng(1).normal(size=shape).astype("float32"), labels)
    if shape[0] >= 16:
        (joined,) = units
        assert isinstance(joined, Rows) and joined.turned
    x = numbers(shape, "float32", 7)
    check(f, x, labels)
    check(lambda x, labels: bl.grad(lambda x: np.sum(f(x, labels)[0]))(x), x, labels)


@pytest.mark.parametrize("wrong", [10, -11, 2**40, -(2**62)])
@pytest.mark.parametrize("place", [0, 16, 20])
def test_an_index_out_of_range_is_an_error(place: int, wrong: int, vectors: int) -> None:
    x, labels = onp.ones((21, 10), "float32"), onp.zeros(21, "int64")
    units, _ = compiled(training_loss, x, labels)
    assert any(isinstance(unit, Rows) and unit.turned for unit in units)
    labels[place] = wrong
    with pytest.raises(IndexError):
        compiled(training_loss, x, labels)


def test_other_indices_than_one_of_every_row() -> None:
    x = onp.random.default_rng(0).normal(size=(6, 5))
    order, labels = onp.array([1, 0, 2, 3, 5, 4]), onp.array([0, 1, 2, 3, 4, 0])

    def f(x: Any) -> Any:
        y = np.log_softmax(x, axis=1)
        return y[order, labels], y[labels], y[:, labels], y[onp.arange(6), labels] - 1.0

    check(f, x)
    check(bl.grad(lambda x: np.sum(np.square(f(x)[0])) + np.sum(f(x)[2])), x)


ROWS, COLUMNS = 18, 6


def program(seed: int) -> Callable[..., Any]:
    """Return a random program on matrices, columns, rows and numbers."""

    def f(x: Any, y: Any, bias: Any, labels: Any) -> Any:
        rng = onp.random.default_rng(seed)
        full, tall, flat = [x, y], [x[:, :1]], [bias]
        outs: list[Any] = []
        for _ in range(12):
            a, b = (full[k] for k in rng.integers(len(full), size=2))
            c, d = tall[rng.integers(len(tall))], flat[rng.integers(len(flat))]
            kind = rng.integers(10)
            if kind < 3:
                full.append([a - c, np.tanh(a * b), np.maximum(a, d)][kind])
            elif kind < 6:
                reduce = [np.sum, np.max, np.min][kind - 3]
                tall.append(reduce(a * 0.5, axis=1, keepdims=True))
            elif kind == 6:
                flat.append(np.sum(np.tanh(a), axis=0))
            elif kind == 7:
                tall.append(a[onp.arange(ROWS), labels][:, None])
            elif kind == 8:
                outs.append(np.sum(c) + np.max(a))
            else:
                b = b[::-1] if rng.random() < 0.3 else b
                full.append(np.where(np.greater(labels[:, None], 2), b, d))
                count = np.sum(np.astype(np.isfinite(b), "int64"), axis=1, keepdims=True)
                tall.append(np.astype(count, b.dtype) * c)
        kept: Sequence[Any] = (full[-1], tall[-1], flat[-1], *outs)
        return kept

    return f


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(30))
def test_random_programs(seed: int, dtype: str) -> None:
    rng = onp.random.default_rng(seed)
    x, y = rng.normal(size=(2, ROWS, COLUMNS)).astype(dtype)
    args = x, y, rng.normal(size=COLUMNS).astype(dtype), rng.integers(0, COLUMNS, ROWS)
    slack = 2e-4 if dtype == "float32" else 1e-12
    check(program(seed), *args, tolerance=slack)
    results = program(seed)
    if seed % 3 == 0:
        check(bl.grad(lambda *a: sum(np.sum(o) for o in results(*a))), *args, tolerance=10 * slack)


def test_the_exponential_of_log_softmax_where_a_row_is_infinite() -> None:
    inf, nan = onp.inf, onp.nan
    x = onp.array(
        [[inf, 100.0, -inf, 0.0], [-inf] * 4, [inf] * 4, [-inf, 1.0, 1.0, 0.0], [nan, 1, inf, 0]],
        "float32",
    )
    f = bl.jit(lambda x: np.exp(np.log_softmax(x, axis=1)))
    wanted = [[nan, 0, 0, 0], [nan] * 4, [nan] * 4]
    onp.testing.assert_array_equal(f(x)[:3], onp.array(wanted, "float32"))
    onp.testing.assert_allclose(
        f(x)[3], [0.0, *onp.exp([1, 1, 0]) / onp.exp([1, 1, 0]).sum()], 3e-7
    )
    assert onp.isnan(f(x)[4]).all()
    # The exponentials are computed once.
    (stage,) = [g for name, g, _ in f.inspect(x).stages if name == "simplified again"]
    assert [e.primitive.name for e in stage.equations].count("exp") == 1


SIZES = [(1, 1, 1), (3, 1, 70), (5, 2, 3), (2, 4, 4), (4, 4, 2), (1, 9, 5), (4, 3, 5), (3, 5, 4)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_small_products(sizes: tuple[int, int, int], dtype: str, vectors: int) -> None:
    m, k, n = sizes
    rng = onp.random.default_rng(m + k + n)
    a, b = rng.normal(size=(m, k)).astype(dtype), rng.normal(size=(k, n)).astype(dtype)
    check(lambda a, b: (a @ b, np.exp(a @ b) + 1.0), a, b)
    check(lambda a, b: np.transpose(a) @ np.transpose(b) - 1.0, onp.ascontiguousarray(a.T), b.T)
    check(lambda a, b: bl.grad(lambda a, b: np.sum(np.tanh(a @ b)), (0, 1))(a, b), a, b)
    check(lambda a, b: np.tanh(a) @ np.exp(b), a[:, ::-1], b[::-1])


def test_a_small_network_is_one_unit_and_updates() -> None:
    rng = onp.random.default_rng(0)
    weights = [rng.normal(size=s).astype("float32") for s in ((2, 4), (4,), (4, 1), (1,))]
    x, labels = rng.normal(size=(4, 2)).astype("float32"), onp.array([0, 1, 1, 0])

    def loss(weights: Any, x: Any) -> Any:
        hidden = np.sigmoid(x @ weights[0] + weights[1])
        return losses.binary_cross_entropy((hidden @ weights[2] + weights[3])[:, 0], labels * 1.0)

    def step(weights: Any, x: Any) -> Any:
        return [w - 0.1 * g for w, g in zip(weights, bl.grad(loss)(weights, x), strict=True)]

    first, *others = check(step, weights, x)
    assert isinstance(first, Rows) and first.turned
    assert all(max(unit.space) <= 4 for unit in others)  # type: ignore[union-attr]


@pytest.mark.parametrize("rows", [20, 6])
def test_what_waits_for_joined_rows_still_sees_what_it_should(rows: int) -> None:
    x = onp.random.default_rng(0).normal(size=(rows, 6))

    def f(x: Any) -> Any:
        top = np.max(x, axis=1, keepdims=True)
        whole = np.sum(top) * 0.1  # of all rows: not row by row
        shifted = np.exp(x - top)
        down = np.sum(shifted, axis=0)
        return shifted - whole, shifted - down, down * 2.0, np.sum(shifted * whole, axis=1)

    def g(x: Any) -> Any:
        shifted = np.exp(x - np.max(x, axis=1, keepdims=True))
        down = np.sum(shifted, axis=0)  # as many columns as there are rows, but not of a row
        return down * 2.0, np.sum(shifted, axis=1) * 2.0

    check(f, x)
    check(g, x)


@pytest.mark.parametrize("shape", [(1, 1), (5, 1), (1, 4), (5, 3), (5, 40), (40, 9)], ids=str)
@pytest.mark.parametrize("axis", [0, 1])
def test_what_is_written_twice_has_its_last_value(shape: tuple[int, int], axis: int) -> None:
    rng = onp.random.default_rng(0)
    a, b, c, d = (rng.normal(size=shape) for _ in range(4))

    def f(a: Any, b: Any, c: Any, d: Any) -> Any:
        sums = a + b
        filled = np.zeros_like(d)
        filled[...] = d  # zeros first, and then d
        scaled = c * (sums - np.sum(sums * c, axis=axis, keepdims=True))
        return np.flip(filled + np.where(a > 0, scaled, 0.0), axis=0)

    check(f, a, b, c, d, tolerance=1e-13)
