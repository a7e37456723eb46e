"""Control flow as primitives: values and derivatives equal those of the same Python, unrolled."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.core.errors import DifferentiationError, DTypeError, ShapeError
from backlit.testing import check_grads

RNG = onp.random.default_rng(3)
W, H0, XS = RNG.normal(size=(3, 3)) * 0.5, RNG.normal(size=3), RNG.normal(size=(5, 3))


def close(found: Any, expected: Any) -> None:
    leaves, treedef = bl.core.tree.flatten(found)
    others, other_def = bl.core.tree.flatten(expected)
    assert treedef == other_def
    for a, b in zip(leaves, others, strict=True):
        onp.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def same_derivatives(f: Any, g: Any, *args: Any) -> None:
    """Compare two functions of floats in value, every mode and nesting, and with differences."""
    numbers = tuple(range(len(args)))
    close(f(*args), g(*args))
    for transform in (bl.grad, bl.jacfwd, bl.hessian):
        close(transform(f, numbers)(*args), transform(g, numbers)(*args))
    close(bl.jacrev(bl.grad(f, numbers), numbers)(*args), bl.hessian(g, numbers)(*args))
    check_grads(f, args)


# --- scan -------------------------------------------------------------------------------------


def cell(w: Any, h: Any, x: Any) -> Any:
    return np.tanh(w @ h + x)


def scanned(reverse: bool) -> Callable[..., Any]:
    def f(w: Any, h: Any, xs: Any) -> Any:
        # w is a closure over an outer tracer inside the body.
        def step(h: Any, x: Any) -> Any:
            new = cell(w, h, x)
            return new, (new * x).sum()

        last, ys = bl.scan(step, h, xs, reverse=reverse)
        return (last**2).sum() + (ys * onp.arange(1.0, 6.0)).sum()

    return f


def unrolled(reverse: bool) -> Callable[..., Any]:
    def f(w: Any, h: Any, xs: Any) -> Any:
        total = 0.0
        for t in reversed(range(5)) if reverse else range(5):
            h = cell(w, h, xs[t])
            total = total + (h * xs[t]).sum() * (t + 1.0)
        return (h**2).sum() + total

    return f


@pytest.mark.parametrize("reverse", [False, True])
def test_scan_equals_the_unrolled_loop(reverse: bool) -> None:
    same_derivatives(scanned(reverse), unrolled(reverse), W, H0, XS)


class State(NamedTuple):
    position: Any
    speed: Any


def test_carries_columns_and_results_may_be_trees() -> None:
    def f(k: Any, forces: Any) -> Any:
        def step(s: State, force: Any) -> Any:
            speed = s.speed + 0.1 * (force["push"] - k * s.position)
            new = State(s.position + 0.1 * speed, speed)
            return new, {"energy": (speed**2).sum(), "steps": s.position * 1.0}

        last, out = bl.scan(step, State(onp.ones(2), onp.zeros(2)), {"push": forces})
        assert isinstance(last, State) and out["steps"].shape == (4, 2)
        return last.position.sum() + out["energy"].sum()

    def g(k: Any, forces: Any) -> Any:
        position, speed, total = onp.ones(2), onp.zeros(2), 0.0
        for t in range(4):
            speed = speed + 0.1 * (forces[t] - k * position)
            position = position + 0.1 * speed
            total = total + (speed**2).sum()
        return position.sum() + total

    same_derivatives(f, g, onp.array(0.7), RNG.normal(size=(4, 2)))


def test_length_alone_repeats() -> None:
    def f(x: Any) -> Any:
        return bl.scan(lambda c, nothing: (c * x, c), 1.0, length=4)[0]

    assert f(2.0) == 16.0
    assert bl.grad(f)(2.0) == pytest.approx(32.0)
    assert bl.scan(lambda c, nothing: (c, nothing), 1.0, length=2)[1] is None


def test_no_steps_return_the_first_carry() -> None:
    def f(x: Any) -> Any:
        last, ys = bl.scan(lambda c, row: (c * row.sum(), c * 2.0), x, onp.ones((0, 3)))
        assert ys.shape == (0,)
        return last * 3.0 + ys.sum()

    assert f(2.0) == 6.0 and bl.grad(f)(2.0) == 3.0 and bl.jvp(f, (2.0,), (1.0,))[1] == 3.0


def test_one_operand_at_a_time() -> None:
    f, numbers = scanned(False), (0, 1, 2)
    together = bl.grad(f, numbers)(W, H0, XS)
    for k in numbers:
        close(bl.grad(f, k)(W, H0, XS), together[k])


def test_integers_travel_along_without_a_gradient() -> None:
    def f(x: Any) -> Any:
        def step(state: Any, index: Any) -> Any:
            count, total = state
            return (count + index, total + x * count), count

        (count, total), counts = bl.scan(step, (0, 0.0), onp.arange(4))
        assert counts.dtype == onp.int64
        return total * count

    # counts 0, 0, 1, 3: total 4 x; the last count 6.
    assert f(2.0) == 48.0 and bl.grad(f)(2.0) == 24.0
    assert bl.jvp(f, (2.0,), (1.0,)) == (48.0, 24.0)


def test_float32_stays_float32() -> None:
    x = onp.ones((3, 2), "float32")

    def f(x: Any) -> Any:
        return bl.scan(lambda c, row: (c + row.sum(), None), 0.0, x)[0]

    assert f(x).dtype == onp.float32
    assert bl.grad(f)(x).dtype == onp.float32


def test_scans_nest() -> None:
    def f(w: Any, h: Any, xs: Any) -> Any:
        def outer(h: Any, x: Any) -> Any:
            def inner(c: Any, k: Any) -> Any:
                return np.sin(w @ c) + k * x, c.sum()

            last, sums = bl.scan(inner, h, onp.arange(2.0))
            return last, sums.sum()

        last, sums = bl.scan(outer, h, xs)
        return last.sum() + (sums**2).sum()

    def g(w: Any, h: Any, xs: Any) -> Any:
        total = 0.0
        for t in range(5):
            sums = 0.0
            for k in (0.0, 1.0):
                sums = sums + h.sum()
                h = np.sin(w @ h) + k * xs[t]
            total = total + sums**2
        return h.sum() + total

    same_derivatives(f, g, W, H0, XS)


def test_a_gradient_may_be_taken_inside_a_body() -> None:
    def descend(rate: Any) -> Any:
        loss = lambda x: (x**4).sum()  # noqa: E731
        return bl.scan(lambda x, _: (x - rate * bl.grad(loss)(x), None), onp.ones(2), length=3)[
            0
        ].sum()

    def by_hand(rate: Any) -> Any:
        x = onp.ones(2)
        for _ in range(3):
            x = x - rate * 4.0 * x**3
        return x.sum()

    same_derivatives(descend, by_hand, onp.array(0.05))


def test_repeated_indices_inside_a_body() -> None:
    rows = onp.array([[0, 0], [1, 2], [2, 2]])

    def f(v: Any) -> Any:
        def step(c: Any, index: Any) -> Any:
            out = np.zeros(3)
            out[index] = c * v[:2]
            return c + out.sum() * 0.1 + np.take(v, index).sum(), out * np.take(v, index[0])

        return bl.scan(step, onp.ones(2), rows)[1].sum()

    def g(v: Any) -> Any:
        c, total = onp.ones(2), 0.0
        for index in rows:
            out = np.zeros(3)
            out[index] = c * v[:2]
            c = c + out.sum() * 0.1 + v[index].sum()
            total = total + (out * v[index[0]]).sum()
        return total

    same_derivatives(f, g, onp.array([2.0, 3.0, -0.5]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bl.scan(lambda c, x: (c, x), 0.0), "one number of steps; nothing gives one"),
        (
            lambda: bl.scan(lambda c, x: (c, x), 0.0, (onp.ones(2), onp.ones(3))),
            r"one number of steps; its arrays \(and length, if given\) say 2 and 3",
        ),
        (lambda: bl.scan(lambda c, x: (c, x), 0.0, onp.ones(2), length=3), "one number of steps"),
        (lambda: bl.scan(lambda c, x: (c, x), 0.0, onp.float64(2)), "one number of steps"),
        (lambda: bl.scan(lambda c, x: c, 0.0, onp.ones(2)), r"must return \(carry, y\)"),
        (
            lambda: bl.scan(lambda c, x: (onp.ones(2), x), 0.0, onp.ones(2)),
            r"a carry of float64\[\]; it returned float64\[2\]",
        ),
        (
            lambda: bl.scan(lambda c, x: (c.astype("float32"), x), onp.zeros(()), onp.ones(2)),
            "it returned float32",
        ),
        (lambda: bl.scan(lambda c, x: ((c, c), x), 0.0, onp.ones(2)), r"must return \(carry, y\)"),
    ],
)
def test_wrong_scans_are_explained(call: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message) as caught:
        call()
    assert "test_control.py" in str(caught.value) and "fix:" in str(caught.value)


# --- cond -------------------------------------------------------------------------------------


def chosen(x: Any, w: Any) -> Any:
    return bl.cond(
        x.sum() > 0.0, lambda x: np.sin(x * w).sum(), lambda x: (x * x).sum() + w.sum(), x
    )


def plain(x: Any, w: Any) -> Any:
    if onp.sum(bl.core.tracer.innermost_value(x)) > 0.0:
        return np.sin(x * w).sum()
    return (x * x).sum() + w.sum()


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_cond_equals_if(sign: float) -> None:
    same_derivatives(chosen, plain, sign * onp.array([0.3, 1.0]), onp.array([0.5, -2.0]))


def test_cond_runs_one_branch_and_keeps_its_graph_general() -> None:
    graph = bl.trace(lambda x: bl.cond(x > 0, np.log, lambda x: -x, x))(2.0)
    assert not graph.guards
    with onp.errstate(all="raise"):
        assert graph(onp.float64(-3.0)) == (3.0,)
        assert graph(onp.float64(1.0)) == (0.0,)


def test_branches_may_close_over_different_values_and_return_trees() -> None:
    def f(a: Any, b: Any, test: Any) -> Any:
        out = bl.cond(test, lambda: {"v": a * a, "n": 1}, lambda: {"v": b * 3.0, "n": 2})
        return out["v"] * out["n"]

    assert bl.grad(f, (0, 1))(2.0, 5.0, True) == (4.0, 0.0)
    assert bl.grad(f, (0, 1))(2.0, 5.0, False) == (0.0, 6.0)


@pytest.mark.parametrize("pred", [True, 1, 2, 0.5, onp.bool_(True), onp.array(7), -1])
def test_any_true_value_takes_the_first_branch(pred: Any) -> None:
    assert bl.cond(pred, lambda: 1.0, lambda: 2.0) == 1.0


@pytest.mark.parametrize("pred", [False, 0, 0.0, onp.bool_(False)])
def test_any_false_value_takes_the_second(pred: Any) -> None:
    assert bl.cond(pred, lambda: 1.0, lambda: 2.0) == 2.0


def test_a_python_number_takes_the_type_of_the_other_branch() -> None:
    x = onp.float32(2.0)
    f = lambda x: bl.cond(x > 1.0, lambda x: x * x, lambda x: 0, x)  # noqa: E731
    assert f(x).dtype == onp.float32 and f(onp.float32(0.5)).dtype == onp.float32
    assert bl.grad(f)(x) == 4.0 and bl.grad(f)(onp.float32(0.5)) == 0.0
    out = bl.cond(False, lambda: (1.0, onp.float32(1.0)), lambda: (onp.float32(2.0), 3))
    assert [o.dtype for o in out] == [onp.float32, onp.float32] and out == (2.0, 3.0)


def test_a_cond_inside_a_scan_inside_a_cond() -> None:
    def f(x: Any, xs: Any) -> Any:
        def step(c: Any, row: Any) -> Any:
            new = bl.cond(row > 0.0, lambda c: c * x + row, lambda c: np.cos(c) * row, c)
            return new, new**2

        def run(c: Any) -> Any:
            last, squares = bl.scan(step, c, xs)
            return last + squares.sum()

        return bl.cond(x > 0.0, run, lambda c: c * 0.0, 0.5)

    def g(x: Any, xs: Any) -> Any:
        c, total = 0.5, 0.0
        for t in range(4):
            c = c * x + xs[t] if t % 2 == 0 else np.cos(c) * xs[t]
            total = total + c**2
        return c + total

    same_derivatives(f, g, onp.array(0.8), onp.array([0.5, -0.3, 1.2, -0.7]))


@pytest.mark.parametrize(
    ("call", "message", "fix"),
    [
        (lambda: bl.cond(onp.array([True]), lambda: 1, lambda: 2), "scalar condition", "np.where"),
        (lambda: bl.cond(True, lambda: 1.0, lambda: 2), r"float64\[\] and int64\[\]", "both"),
        (lambda: bl.cond(True, lambda: 1.0, lambda: onp.ones(2)), r"and float64\[2\]", "both"),
        (lambda: bl.cond(True, lambda: (1.0,), lambda: [1.0]), "different things", "both"),
        (lambda: bl.cond(True, lambda: (), lambda: 1.0), "nothing and float64", "both"),
    ],
)
def test_wrong_conds_are_explained(call: Any, message: str, fix: str) -> None:
    with pytest.raises(ShapeError, match=message) as caught:
        call()
    assert fix in str(caught.value) and "test_control.py" in str(caught.value)


# --- loops ------------------------------------------------------------------------------------


def test_fori_loop_with_known_bounds_has_both_modes() -> None:
    def f(x: Any) -> Any:
        return bl.fori_loop(1, 5, lambda i, c: c * x + i, 0.5)

    def g(x: Any) -> Any:
        c = 0.5
        for i in range(1, 5):
            c = c * x + i
        return c

    same_derivatives(f, g, onp.array(1.1))
    assert bl.fori_loop(3, 1, lambda i, c: c + 1.0, 0.5) == 0.5


def newton(x: Any) -> Any:
    def step(state: Any) -> Any:
        root, _ = state
        return 0.5 * (root + x / root), root

    return bl.while_loop(lambda s: np.abs(s[0] - s[1]) > 1e-12, step, (x, x + 1.0))[0]


def test_while_loop_has_forward_mode_to_any_order() -> None:
    assert newton(2.0) == pytest.approx(2.0**0.5, rel=1e-15)
    slope = lambda x: bl.jvp(newton, (x,), (1.0,))[1]  # noqa: E731
    assert slope(2.0) == pytest.approx(0.5 / 2.0**0.5)
    assert bl.jvp(slope, (2.0,), (1.0,))[1] == pytest.approx(-0.25 * 2.0**-1.5)
    assert bl.jacfwd(newton)(2.0) == slope(2.0)
    check_grads(newton, (2.0,), modes="forward")


def test_while_loop_refuses_reverse_mode() -> None:
    with pytest.raises(DifferentiationError, match="while_loop has no reverse mode") as caught:
        bl.grad(newton)(2.0)
    message = str(caught.value)
    assert "return bl.while_loop(lambda s" in message and "test_control.py" in message
    assert "bl.scan or bl.fori_loop" in message and "bl.jvp" in message


def test_a_loop_whose_result_does_not_matter_may_be_reversed() -> None:
    def f(x: Any) -> Any:
        newton(x)
        return x * x

    assert bl.grad(f)(3.0) == 6.0
    assert bl.grad(lambda x: x * bl.stop_gradient(newton(x)))(4.0) == pytest.approx(2.0)


def test_loops_close_over_traced_values_in_test_and_body() -> None:
    def f(x: Any, limit: Any) -> Any:
        return bl.while_loop(lambda c: c < limit * 10.0, lambda c: c * x, 1.0)

    # 2^4 = 16 is the first power of two from 10 on.
    assert f(2.0, 1.0) == 16.0
    assert bl.jvp(f, (2.0, 1.0), (1.0, 1.0)) == (16.0, 32.0)


def test_fori_loop_with_a_traced_bound_is_a_while_loop() -> None:
    def f(x: Any, n: Any) -> Any:
        return bl.fori_loop(0, n, lambda i, c: c * x, 1.0)

    graph = bl.trace(f)(2.0, 3)
    assert list(graph.subgraphs()) and "while_loop" in str(graph)
    assert graph(onp.float64(2.0), onp.int64(5))[0] == 32.0
    assert bl.jvp(lambda x: f(x, 3), (2.0,), (1.0,))[1] == 12.0


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda: bl.while_loop(lambda c: c, lambda c: c, 1.0),
            DTypeError,
            r"one boolean, not float64\[\]",
        ),
        (
            lambda: bl.while_loop(lambda c: c > 0, lambda c: c, onp.ones(2)),
            DTypeError,
            r"one boolean, not bool\[2\]",
        ),
        (
            lambda: bl.while_loop(lambda c: c.sum() > 0, lambda c: c[:1], onp.ones(2)),
            ShapeError,
            r"takes float64\[2\] and returned float64\[1\]",
        ),
        (
            lambda: bl.while_loop(lambda c: c > 0, lambda c: (c, c), 1.0),
            ShapeError,
            "returned float64",
        ),
        (
            lambda: bl.cond("a", lambda x: x, lambda x: x, 1.0),
            DTypeError,
            "true or false, not 'a'",
        ),
        (lambda: bl.cond(None, lambda x: x, lambda x: x, 1.0), DTypeError, "not 'None'"),
    ],
)
def test_wrong_loops_are_explained(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        call()
    assert "test_control.py" in str(caught.value) and "fix:" in str(caught.value)


# --- memory and cost --------------------------------------------------------------------------


@pytest.mark.parametrize("transform", [bl.grad, bl.jacfwd, bl.hessian])
def test_arrays_that_a_body_closes_over_are_freed(transform: Any) -> None:
    def run() -> Any:
        big = onp.ones(1000)
        kept = weakref.ref(big)

        def f(x: Any) -> Any:
            return bl.scan(lambda c, _: (c + (big * c).sum(), None), x, length=2)[0]

        transform(f)(1.0)
        return kept

    kept = run()
    gc.collect()
    assert kept() is None


def test_the_cost_of_a_scan_is_length_times_its_body() -> None:
    def f(x: Any, n: int) -> Any:
        return bl.scan(lambda c, _: (np.sin(c * x), None), 1.0, length=n)[0]

    flops = [bl.cost(lambda x, n=n: f(x, n), 2.0).value.flops for n in (1, 10, 100)]
    assert flops == [2, 20, 200]
