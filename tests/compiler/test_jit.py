"""``jit``: what it is allowed to change (nothing), with every transformation, in both orders."""

from __future__ import annotations

import dataclasses
import threading
from dataclasses import dataclass
from typing import Any

import numpy as onp
import pytest
from hypothesis import given, settings

import backlit as bl
import backlit.numpy as np
from backlit import nn, optim
from backlit.compiler.units import Control, Fallback
from backlit.core import tree
from backlit.core.errors import AbstractBranchError, IndexRangeError, TracedValueError
from backlit.core.graph import Literal
from tests.transforms.programs import programs

X = onp.array([0.3, -1.2, 2.0])


def close(found: Any, expected: Any, tolerance: float = 1e-12) -> None:
    found_leaves, found_def = tree.flatten(found)
    leaves, treedef = tree.flatten(expected)
    assert found_def == treedef
    for a, b in zip(found_leaves, leaves, strict=True):
        assert onp.asarray(a).dtype == onp.asarray(b).dtype
        onp.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def f(x: Any) -> Any:
    return (np.tanh(x * 2.0) * np.exp(-(x**2)) + np.sum(x)).sum()


@pytest.mark.parametrize(
    "transform",
    [
        bl.grad,
        bl.value_and_grad,
        bl.hessian,
        bl.jacobian,
        lambda f: bl.jacfwd(bl.grad(f)),
        lambda f: lambda x: bl.jvp(f, (x,), (onp.ones(3),)),
        lambda f: lambda x: bl.vjp(f, x)[1](1.0),
        lambda f: lambda x: bl.hvp(f, (x,), (onp.ones(3),)),
    ],
)
def test_transformations_inside_and_outside(transform: Any) -> None:
    expected = transform(f)(X)
    close(transform(bl.jit(f))(X), expected)
    close(bl.jit(transform(f))(X), expected)
    close(bl.jit(transform(bl.jit(f)))(X), expected)


def test_a_compiled_function_inside_another() -> None:
    inner = bl.jit(lambda x, y: (x * y, x + y))

    def outer(x: Any, y: Any) -> Any:
        a, b = inner(x, y)
        return inner(a, b)[0]

    close(bl.jit(outer)(X, 2.0), outer(X, 2.0))
    close(bl.grad(lambda x: outer(x, 2.0).sum())(X), 2.0 * (2.0 * X + 2.0))
    close(bl.grad(lambda x: bl.jit(lambda y: (y * x).sum())(X))(2.0), X.sum())


@given(programs())
@settings(max_examples=40, deadline=None)
def test_random_programs_their_gradients_and_hessians(program: Any) -> None:
    if any(name == "branch" for name, _, _ in program.steps):
        return
    x = program.inputs[0]
    run = lambda x: program(np, x, *program.inputs[1:])  # noqa: E731
    for function in (run, bl.grad(run), bl.hessian(run)):
        onp.testing.assert_allclose(
            bl.jit(function)(x), function(x), rtol=1e-10, atol=1e-11, equal_nan=True
        )


def test_shapes_and_types_have_their_own_programs_and_numbers_none() -> None:
    runs = []

    @bl.jit
    def scaled(x: Any, rate: Any) -> Any:
        runs.append(1)
        return x * rate

    for rate in (0.1, 0.2, 5, 3.0):
        close(scaled(X, rate), X * rate)
    assert len(runs) == 2  # a Python float and a Python int
    assert scaled(X.astype("float32"), 0.5).dtype == onp.float32
    assert scaled(onp.ones((2, 2)), 2.0).shape == (2, 2)
    assert len(runs) == 4
    close(scaled(X, 0.7), X * 0.7)
    assert len(runs) == 4


def test_trees_methods_keywords_and_static_arguments() -> None:
    @bl.jit
    def f(pair: Any, *, scale: Any) -> Any:
        return {"sum": pair[0] + pair[1], "scaled": [pair[0] * scale, None]}

    close(f((X, X), scale=2.0), {"sum": X + X, "scaled": [X * 2.0, None]})
    power = bl.jit(lambda x, n: x**n, static_argnums=1)
    close((power(X, 2), power(X, 3)), (X**2, X**3))
    scaled = bl.jit(lambda x, n: x * n if not isinstance(n, tuple) else x * n[0], static_argnums=1)
    whole = onp.arange(3)
    for n in (1, 1.0, True, (1,), (1.0,)):  # equal, and of different types
        expected = whole * (n[0] if isinstance(n, tuple) else n)
        assert scaled(whole, n).dtype == expected.dtype
    named = bl.jit(
        lambda x, kind: np.sin(x) if kind == "sin" else np.cos(x), static_argnames="kind"
    )
    close((named(X, kind="sin"), named(X, kind="cos")), (onp.sin(X), onp.cos(X)))

    @dataclass(frozen=True)
    class Scaler:
        by: float

        @bl.jit
        def apply(self, x: Any) -> Any:
            return x * self.by

    close(Scaler(3.0).apply(X), X * 3.0)


def test_static_arguments_are_static_however_they_are_passed() -> None:
    def power(x: Any, n: int, *, twice: bool = False) -> Any:
        return x**n * 2.0 if twice else x**n

    by_number = bl.jit(power, static_argnums=-1, static_argnames="twice")
    by_name = bl.jit(power, static_argnames=("n", "twice"))
    for f in (by_number, by_name):
        for n in (2, 3):
            close((f(X, n), f(X, n=n), f(x=X, n=n), f(n=n, x=X)), (X**n,) * 4)
            close(f(X, n, twice=True), 2.0 * X**n)
    several = bl.jit(lambda *args: args[0] if args[-1] else args[1], static_argnums=-1)
    close((several(X, -X, True), several(X, -X, False)), (X, -X))


def test_errors_name_the_line_and_the_fix() -> None:
    with pytest.raises(AbstractBranchError, match="np.where"):
        bl.jit(lambda x: x if x > 0 else -x)(1.0)
    with pytest.raises(TracedValueError, match="returns arrays"):
        bl.jit(lambda x: "text")(1.0)
    with pytest.raises(TracedValueError, match="hashable"):
        bl.jit(lambda x, s: x, static_argnums=1)(1.0, {1, 2})
    with pytest.raises(bl.InputError, match="did you mean"):
        bl.jit(f, backend="cpus")


def test_arrays_may_be_read_only_scattered_or_unaligned() -> None:
    f = bl.jit(lambda x, y: 2.0 * x + y)
    fixed = X.copy()
    fixed.setflags(write=False)
    raw = onp.zeros(X.nbytes + 1, "uint8")
    shifted = raw[1:].view(X.dtype)
    shifted[:] = X
    for x in (fixed, X[::-1], onp.repeat(X, 2)[::2], shifted):
        close(f(x, onp.broadcast_to(0.5, X.shape)), 2.0 * x + 0.5)
    assert f(onp.zeros((0, 3)), onp.zeros((0, 3))).shape == (0, 3)


def test_numbers_in_the_other_byte_order_give_results_in_ours() -> None:
    x = X.astype(X.dtype.newbyteorder())
    expected = {
        "sin": (lambda x: np.sin(x) * 2.0 + X, onp.sin(X) * 2.0 + X),
        "grad": (bl.grad(lambda x: np.sum(x**2)), 2.0 * X),
        "reshape": (lambda x: x.reshape(3, 1), X[:, None]),
        "itself": (lambda x: x, X),
    }
    for name, (function, values) in expected.items():
        found = bl.jit(function)(x)
        assert found.dtype.isnative, name
        close(found, values)
    assert bl.jit(lambda x: x + 1.0, donate_argnums=0)(x).dtype.isnative
    close(x, X.astype(x.dtype))


def test_results_are_the_callers_own() -> None:
    @bl.jit
    def same(x: Any) -> Any:
        return x, x, onp.ones(3), x[:2]

    first = same(X)
    first[0][0] = 99.0
    first[2][0] = 99.0
    assert X[0] == 0.3 and first[1][0] == 0.3
    close(same(X)[2], onp.ones(3))


def test_donated_arrays_are_written_over() -> None:
    big = onp.random.default_rng(0).normal(size=(100, 100))
    step = bl.jit(lambda w, g: w - 0.5 * g, donate_argnums=0)
    w, g = big.copy(), big[::-1].copy()
    found = step(w, g)
    assert found.ctypes.data % 64 == 0
    onp.testing.assert_array_equal(found, big - 0.5 * big[::-1])
    # What begins at a cache line stays where it is; something else is moved to one first.
    assert step(found, g) is found
    onp.testing.assert_array_equal(found, big - 0.5 * g - 0.5 * g)
    odd = onp.empty(big.size + 1)[1:].reshape(big.shape)
    odd[...] = big
    if odd.ctypes.data % 64:
        assert not onp.may_share_memory(step(odd, g), odd)
    small = odd.ravel()[:4000]  # less than 32 KiB
    assert not onp.may_share_memory(step(small, small + 1.0), small)
    # What others still need is left alone: a second argument that is the same array, read-only
    # memory, an array that had to be converted, a value that is read at another place.
    w = big.copy()
    onp.testing.assert_array_equal(step(w, w), big * 0.5)
    onp.testing.assert_array_equal(w, big)
    w.flags.writeable = False
    onp.testing.assert_array_equal(step(w, g), big - 0.5 * g)
    onp.testing.assert_array_equal(w, big)
    product = bl.jit(lambda w: w @ w + w.T, donate_argnums=0)
    onp.testing.assert_allclose(product(big.copy()), big @ big + big.T, rtol=1e-12, atol=1e-12)
    close(bl.grad(lambda w: step(w, g).sum())(big.copy()), onp.ones((100, 100)))


def test_calls_from_several_threads_do_not_meet() -> None:
    step = bl.jit(lambda x: np.cumsum(np.sin(x) @ np.cos(x.T), axis=0))
    inputs = [onp.random.default_rng(k).normal(size=(40, 30)) for k in range(8)]
    expected = [step(x) for x in inputs]
    found: dict[int, Any] = {}

    def work(k: int) -> None:
        for _ in range(30):
            found[k] = step(inputs[k])
            assert (found[k] == expected[k]).all()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((found[k] == expected[k]).all() for k in range(8))


# --- control flow -----------------------------------------------------------------------------


def units(function: Any, *args: Any) -> list[Any]:
    function(*args)
    plan: Any = function.graph(*args).derived["executable"].plan
    return [unit for unit in plan.units if isinstance(unit, (Control, Fallback))]


def recurrence(c: Any, xs: Any, w: Any) -> Any:
    def body(carry: Any, x: Any) -> Any:
        state, count = carry
        new = np.tanh(state * w + x)
        return (new, count + 1), {"sum": (state * x).sum(), "state": new}

    return bl.scan(body, (c, 0), xs)


def newton(a: Any) -> Any:
    def keep_on(state: Any) -> Any:
        x, k = state
        return np.logical_and(np.abs(x * x - a) > 1e-12, k < 60)

    return bl.while_loop(keep_on, lambda s: (0.5 * (s[0] + a / s[0]), s[1] + 1), (a, 0))


def power(x: Any, n: Any) -> Any:
    return bl.fori_loop(0, n, lambda i, y: y * x + i, np.ones_like(x))


def test_loops_compile_to_loops() -> None:
    xs = onp.random.default_rng(0).normal(size=(7, 3))
    args = (X, xs, onp.array([0.1, 0.2, 0.3]))
    compiled = bl.jit(recurrence)
    close(compiled(*args), recurrence(*args))
    assert [type(u) for u in units(compiled, *args)] == [Control]
    backward = bl.jit(lambda c, xs: bl.scan(lambda c, x: (c + x, c * x), c, xs, reverse=True))
    close(backward(X, xs), bl.scan(lambda c, x: (c + x, c * x), X, xs, reverse=True))
    close(bl.jit(newton)(2.0)[0], onp.sqrt(2.0))
    assert [type(u) for u in units(bl.jit(newton), 2.0)] == [Control]
    close(bl.jit(power, static_argnums=1)(X, 5), power(X, 5))
    close(bl.jit(lambda x, n: power(x, n))(X, 5), power(X, 5))  # a traced bound: a while loop
    close(
        bl.jit(lambda x: bl.scan(lambda c, _: (c * 2.0, c), x, length=0))(X), (X, X[:0, None] * X)
    )


def test_derivatives_of_compiled_loops() -> None:
    xs = onp.random.default_rng(1).normal(size=(5, 3))

    def loss(c: Any, xs: Any, w: Any) -> Any:
        (last, _), ys = recurrence(c, xs, w)
        return (last**2).sum() + (ys["sum"] * ys["state"][:, 0]).sum()

    args = (X, xs, onp.array([0.1, 0.2, 0.3]))
    expected = bl.grad(loss, argnums=(0, 1, 2))(*args)
    close(bl.jit(bl.grad(loss, argnums=(0, 1, 2)))(*args), expected)
    close(bl.grad(bl.jit(loss), argnums=(0, 1, 2))(*args), expected)
    close(bl.jit(bl.hessian(loss, argnums=2))(*args), bl.hessian(loss, argnums=2)(*args))


@pytest.mark.parametrize("flag", [True, False])
def test_choices(flag: bool) -> None:
    def choose(flag: Any, x: Any) -> Any:
        return bl.cond(flag, lambda x: (np.sin(x), x @ x), lambda x: (x * 2.0, x.sum()), x)

    compiled = bl.jit(choose)
    close(compiled(onp.array(flag), X), choose(flag, X))
    assert [type(u) for u in units(compiled, onp.array(flag), X)] == [Control]
    gradient = bl.grad(lambda x, flag: choose(flag, x)[1], argnums=0)
    close(bl.jit(gradient)(X, onp.array(flag)), gradient(X, flag))


def test_loops_in_loops_carry_in_place_and_swap() -> None:
    def outer(a: Any, b: Any) -> Any:
        def step(carry: Any, i: Any) -> Any:
            a, b = carry
            # a and b change places; c is updated from its own old value; indices vary.
            c = bl.fori_loop(0, 3, lambda k, v: np.sin(v) + a[i], b)
            return (c, a), a[i] * 2.0

        return bl.scan(step, (a, b), onp.array([0, 2, 1, 1]))

    close(bl.jit(outer)(X, X[::-1].copy()), outer(X, X[::-1].copy()))


# --- a training step --------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "gelu"])
@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
def test_training_steps_in_a_loop_follow_the_eager_ones(activation: str, name: str) -> None:
    rng = onp.random.default_rng(0)
    x, y = rng.normal(size=(90, 5)), rng.integers(0, 3, 90)
    model = nn.MLP([5, 17, 9, 3], activation, seed=0, dtype="float64")
    make = {"sgd": optim.sgd, "momentum": lambda r: optim.momentum(r, 0.9), "adam": optim.adam}
    optimizer = make[name](0.05)

    def step(state: Any, rows: Any) -> Any:
        model, memory = state
        inputs, labels = np.take(x, rows, axis=0), np.take(y, rows)
        value, grads = bl.value_and_grad(lambda m: nn.losses.cross_entropy(m(inputs), labels))(
            model
        )
        updates, memory = optimizer.update(grads, memory, model)
        return (optim.apply(model, updates), memory), value

    def epoch(state: Any, batches: Any) -> Any:
        return bl.scan(step, state, batches)

    batches = onp.stack([rng.permutation(90)[:32] for _ in range(12)])
    state = (model, optimizer.init(model))
    found, losses = bl.jit(epoch)(state, batches)
    expected = []
    for rows in batches:
        state, value = step(state, rows)
        expected.append(value)
    close(losses, onp.array(expected), 1e-10)
    close(found, state, 1e-10)


def aligned(values: Any) -> Any:
    """Return a copy that begins at a cache line, so that it can be written over."""
    values = onp.asarray(values)
    raw = onp.empty(values.nbytes + 64, onp.uint8)
    start = -raw.ctypes.data % 64
    copy = raw[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    copy[...] = values
    return copy


def test_what_a_function_closes_over_is_not_written_over() -> None:
    w = aligned(onp.ones(65536))
    step = bl.jit(lambda x: x * 2.0 + np.asarray(w), donate_argnums=0)
    given = (w, aligned(onp.ones(65536)), aligned(onp.ones(65536)))
    assert [float(step(x)[0]) for x in given] == [3.0, 3.0, 3.0]


def test_nothing_is_written_over_inside_another_transformation() -> None:
    w = onp.random.default_rng(0).normal(size=(128, 128))
    step = bl.jit(lambda w: np.sin(w) * w, donate_argnums=0)
    slope = onp.cos(w) * w + onp.sin(w)
    once = onp.ones_like(w)
    for found in (
        lambda w: bl.grad(lambda w: step(w).sum())(w),
        lambda w: bl.vjp(step, w)[1](once)[0],
        lambda w: bl.jvp(step, (w,), (once,))[1],
        lambda w: bl.grad(bl.jit(lambda w: step(w).sum()))(w),
        lambda w: bl.grad(lambda w: bl.scan(lambda c, _: (step(c), ()), w, None, 1)[0].sum())(w),
    ):
        given = aligned(w)
        close(found(given), slope)
        onp.testing.assert_array_equal(given, w)
    given = aligned(w)
    assert step(given) is given  # alone it is, before and after


@pytest.mark.parametrize("classes", [None, 3])
def test_a_wrong_index_is_an_error_where_the_indices_are_donated(classes: int | None) -> None:
    size = 16384
    places = onp.arange(size) % (classes or size)
    places[5] = size + 7

    def pick(x: Any, i: Any) -> Any:
        total = x[onp.arange(size), i] if classes else x[i]
        return np.tanh(total), i * 0

    take = bl.jit(pick, donate_argnums=1)
    x = onp.ones((size, classes) if classes else size)
    with pytest.raises(IndexRangeError, match=f"axis with size {classes or size}") as caught:
        take(x, aligned(places))
    assert isinstance(caught.value, IndexError)
    assert "x[i]" in str(caught.value) or "x[onp.arange" in str(caught.value)
    with pytest.raises(IndexError, match=f"index {size + 7} is out of bounds"):
        bl.jit(pick)(x, places)


def test_static_values_that_hold_equal_numbers_of_another_kind() -> None:
    @dataclasses.dataclass(frozen=True)
    class Factor:
        n: Any

    times = bl.jit(lambda x, factor: x * factor.n, static_argnums=1)
    x = onp.arange(3)
    assert times(x, Factor(2)).dtype == int and times(x, Factor(2.0)).dtype == float
    signed = bl.jit(lambda x, s: x * s, static_argnums=1)
    assert not onp.signbit(signed(onp.ones(2), 0.0)).any()
    assert onp.signbit(signed(onp.ones(2), -0.0)).all()


def test_constants_are_those_of_the_time_of_tracing() -> None:
    w, rates, place = onp.arange(4.0), onp.ones((3, 4)), onp.array([1, 2])
    bias = onp.array(2.0)

    def plain(x: Any) -> Any:
        total = bl.scan(lambda h, r: (h + r * w, None), x, rates)[0]
        picked = np.cumsum(total * w)[place]  # `take` with indices, and what the evaluator runs
        return total + w[1:] @ np.ones((3, 1)) + bias, picked, np.asarray(w)

    f, inner = bl.jit(plain), bl.jit(lambda x: np.sum(x * w * x))
    outer = bl.jit(bl.grad(lambda x: inner(x) * 1.0))
    x = onp.ones(4)
    first = [onp.array(leaf) for leaf in (*f(x), inner(x), outer(x))]
    for array in (w, rates, bias):
        array *= 7.0
    place += 1
    for a, b in zip(first, (*f(x), inner(x), outer(x)), strict=True):
        onp.testing.assert_array_equal(a, b)
    onp.testing.assert_array_equal(f(x)[2], onp.arange(4.0))
    # Another shape is another program, traced now.
    onp.testing.assert_array_equal(bl.jit(lambda x: x * w)(x), w)


def test_a_constant_used_often_is_copied_once() -> None:
    w = onp.ones(1000)
    graph = bl.jit(lambda x: x * w + w - w / (x + w)).graph(onp.ones(1000))
    held = {id(a.value) for e in graph.equations for a in e.inputs if isinstance(a, Literal)}
    assert len(held) == 1 and id(w) not in held
