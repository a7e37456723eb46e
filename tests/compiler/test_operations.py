"""Every primitive, compiled, against the reference evaluator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
import backlit.random  # its primitives belong to the registry
from backlit.compiler import compile_graph
from backlit.core.aval import aval_of
from backlit.core.errors import BacklitError
from backlit.core.evaluate import evaluate
from backlit.core.graph import Graph
from backlit.core.primitive import Primitive, registry
from backlit.core.tracer import bind
from backlit.core.tracing import trace_flat
from backlit.testing.registry import instances

# The bound the compiler states for elementary functions is 2 ulp; NumPy's own error comes on top.
TOLERANCE = {"float32": 6e-7, "float64": 1.2e-15, "float16": 2e-3}


def graph_of(primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Graph:
    def apply(*x: Any) -> list[Any]:
        out = bind(primitive, *x, **params)
        return list(out) if primitive.multi else [out]

    avals = [aval_of(a) for a in args]
    return trace_flat(apply, avals, [None] * len(args), primitive.name, abstract=True)[0]


def assert_same(found: Any, expected: Any, slack: float = 4.0) -> None:
    found, expected = onp.asarray(found), onp.asarray(expected)
    assert found.dtype == expected.dtype and found.shape == expected.shape
    if expected.dtype.kind != "f":
        onp.testing.assert_array_equal(found, expected)
        return
    tolerance = slack * TOLERANCE[expected.dtype.name]
    onp.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("primitive", registry.values(), ids=lambda p: p.name)
def test_compiled_operations_agree_with_the_evaluator(primitive: Primitive) -> None:
    checked = 0
    for instance in instances(primitive):
        args = list(instance.args)
        try:
            with onp.errstate(all="ignore"):
                graph = graph_of(primitive, args, instance.params)
                expected = evaluate(graph, args)
        except (BacklitError, ValueError):  # NumPy has no such operation for this type
            continue
        for found, value in zip(compile_graph(graph)(args), expected, strict=True):
            assert_same(found, value)
        checked += 1
    assert checked or not instances(primitive)


LENGTHS = [0, 1, 2, 7, 8, 15, 16, 17, 31, 64, 127, 1000]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint8", "bool"])
@pytest.mark.parametrize("n", LENGTHS)
def test_lengths_that_do_not_fill_a_vector(n: int, dtype: str) -> None:
    rng = onp.random.default_rng(n)
    x = (rng.normal(size=(3, n)) * 10).astype(dtype)
    y = (rng.normal(size=(n,)) * 10).astype(dtype)

    def f(x: Any, y: Any) -> Any:
        product = x * y + x
        return product, np.maximum(x, y), product.sum(axis=0), x.sum(axis=1), x > y, x.T.ravel()

    for found, expected in zip(bl.jit(f)(x, y), f(x, y), strict=True):
        # Sums are added up in another order.
        assert_same(found, expected, slack=4.0 * max(n, 1))


def test_integer_division_and_overflow_are_numpys() -> None:
    a = onp.array([7, -7, 7, -7, 0, 5, -(2**63), 2**63 - 1, 2**63 - 1], onp.int64)
    b = onp.array([2, 2, -2, -2, 3, 0, -1, 1, -1], onp.int64)
    for dtype in (onp.int64, onp.int32, onp.int8, onp.uint16):
        x, y = a.astype(dtype), b.astype(dtype)

        def f(x: Any, y: Any) -> Any:
            return x // y, x % y, x * y, x + y, -x, np.abs(x), np.sign(x), x**2

        with onp.errstate(all="ignore"):
            expected = f(x, y)
        for found, value in zip(bl.jit(f)(x, y), expected, strict=True):
            assert_same(found, value)


COMPARISONS = (np.less, np.less_equal, np.equal, np.not_equal, np.greater, np.greater_equal)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint64", "bool"])
def test_integers_are_compared_with_numbers_out_of_their_range(dtype: str) -> None:
    x = onp.array([0, 1, 44, 100, 127, 128, 255, -128]).astype(dtype)
    # As a number that is written out, and as an argument.
    for number in (300, 127, 128, -1, -129, 2**31, 2**62):
        expected = [compare(x, number) for compare in COMPARISONS]
        fixed = bl.jit(lambda x, n=number: [compare(x, n) for compare in COMPARISONS])
        given = bl.jit(lambda x, n: [compare(x, n) for compare in COMPARISONS])
        for found in (fixed(x), given(x, number)):
            onp.testing.assert_array_equal(found, expected)


def test_signed_and_unsigned_integers_are_compared_exactly() -> None:
    signed = onp.array([2**63 - 1, 2**53 + 1, -1, 5])
    unsigned = onp.array([2**63, 2**53, 2**64 - 1, 5], onp.uint64)
    f = bl.jit(lambda a, b: [compare(a, b) for compare in COMPARISONS])
    expected = [compare(signed, unsigned) for compare in COMPARISONS]
    onp.testing.assert_array_equal(f(signed, unsigned), expected)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "float32"])
@pytest.mark.parametrize("factor", [-1, -1.0, 1, 1.0])
def test_factors_of_one_with_operands_of_every_type(dtype: str, factor: float) -> None:
    x = onp.array([0, 1, 127, 128]).astype(dtype)
    if dtype == "uint8" and factor == -1 and isinstance(factor, int):
        with pytest.raises(OverflowError, match="out of bounds for uint8"):
            bl.jit(lambda x: x * factor)(x)
        return
    for f in (lambda x: x * factor, lambda x: factor * x):
        assert_same(bl.jit(f)(x), f(x))


def test_special_values_survive_choices_and_tests() -> None:
    values = [0.0, -0.0, 1.5, -1.5, onp.inf, -onp.inf, onp.nan, 1e-310, 0.5, 2.5, -2.5, 1e30]
    for dtype in ("float32", "float64"):
        with onp.errstate(all="ignore"):
            x = onp.array(values, dtype)
            y = onp.array(values[::-1], dtype)

        def f(x: Any, y: Any) -> Any:
            return (
                *(np.maximum(x, y), np.minimum(x, y), np.clip(x, -1.0, y), np.relu(x), np.sign(x)),
                *(np.isnan(x), np.isinf(x), np.isfinite(x), np.where(x > y, x, y), np.abs(x)),
                *(np.rint(x), np.floor(x), np.ceil(x), np.trunc(x), x == y, x != y),
                *(x // y, x % y, x / y, np.sqrt(x), -x),
            )

        with onp.errstate(all="ignore"):
            expected = f(x, y)
        for k, (found, value) in enumerate(zip(bl.jit(f)(x, y), expected, strict=True)):
            assert found.dtype == value.dtype
            onp.testing.assert_array_equal(found, value, err_msg=f"result {k}")
            if value.dtype.kind == "f" and k > 3:  # which of two zeros is greater NumPy leaves open
                onp.testing.assert_array_equal(
                    onp.signbit(found[value == 0]), onp.signbit(value[value == 0])
                )


def test_conversions_are_numpys() -> None:
    x = onp.array([0.0, 1.9, -1.9, 1e6, -3e9, 3e9, 1e20, -1e20, onp.inf, onp.nan])
    with onp.errstate(all="ignore"):
        for source in ("float32", "float64"):
            given = x.astype(source)
            for target in ("int64", "float32", "float64", "bool"):

                def f(x: Any, target: str = target) -> Any:
                    return np.astype(x, target)

                assert_same(bl.jit(f)(given), given.astype(target))
    whole = onp.array([0, 1, 200, 255], onp.uint8)
    for target in ("int8", "int64", "float32", "bool", "uint16"):
        assert_same(
            bl.jit(lambda x, target=target: np.astype(x, target))(whole), whole.astype(target)
        )


@pytest.mark.parametrize("layout", ["reversed", "strided", "fortran", "misaligned", "read-only"])
def test_arrays_that_do_not_lie_in_order(layout: str) -> None:
    base = onp.arange(24.0).reshape(4, 6)
    if layout == "reversed":
        x = base[::-1, ::-1]
    elif layout == "strided":
        x = onp.arange(96.0).reshape(8, 12)[::2, ::2]
    elif layout == "fortran":
        x = onp.asfortranarray(base)
    elif layout == "misaligned":
        raw = onp.zeros(base.nbytes + 1, onp.uint8)
        x = raw[1:].view(onp.float64).reshape(4, 6)
        x[...] = base
    else:
        x = base.copy()
        x.flags.writeable = False

    def f(x: Any) -> Any:
        return (x * 2.0 + x.T.reshape(4, 6)).sum(axis=0)

    onp.testing.assert_array_equal(bl.jit(f)(x), f(x))


SHAPES: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    *(((3,), (3,)), ((5, 3), (3,)), ((3,), (3, 5)), ((1, 7), (7, 1)), ((33, 1), (1, 65))),
    *(((2, 3, 4), (4, 5)), ((2, 1, 3, 4), (5, 4, 2)), ((17, 129), (129, 31)), ((1, 64), (64, 40))),
    *(((40, 64), (64, 1)), ((100, 10), (10, 17)), ((16, 16), (16, 16)), ((65, 2), (2, 3))),
    *(((64, 256), (256, 64)), ((256, 256), (256, 80)), ((130, 512), (512, 65))),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("left", "right"), SHAPES)
def test_products_of_any_shape_with_what_follows(left: Any, right: Any, dtype: str) -> None:
    rng = onp.random.default_rng(0)
    a, b = rng.normal(size=left).astype(dtype), rng.normal(size=right).astype(dtype)
    eps = onp.finfo(dtype).eps

    def f(a: Any, b: Any) -> Any:
        product = a @ b
        return product, np.relu(product + 1.0) * 2.0, product.sum()

    product = a.astype(float) @ b.astype(float)
    size = onp.abs(a).astype(float) @ onp.abs(b).astype(float)
    bound = eps * (left[-1] + 2) * (size + 1.0)
    found = bl.jit(f)(a, b)
    assert (onp.abs(found[0] - product) <= bound).all()
    assert (onp.abs(found[1] - onp.maximum(product + 1.0, 0) * 2.0) <= 4 * bound).all()
    assert abs(found[2] - product.sum()) <= 4 * onp.sum(bound)
    if a.ndim > 1 and b.ndim > 1:
        turned = bl.jit(lambda a, b: a.swapaxes(-1, -2) @ b.swapaxes(-1, -2))
        at, bt = a.swapaxes(-1, -2).copy(), b.swapaxes(-1, -2).copy()
        assert (onp.abs(turned(at, bt) - product) <= bound).all()


@pytest.mark.parametrize(
    "spec",
    ["ij,jk->ik", "ij,kj->ki", "bij,bjk->bik", "i,j->ij", "ij,ij->", "abc,cd->adb", "ij,j->"],
)
def test_einsum(spec: str) -> None:
    rng = onp.random.default_rng(1)
    sizes = dict(zip("abcdijk", (2, 3, 4, 5, 6, 7, 8), strict=True))
    left, right = spec.split("->")[0].split(",")
    a = rng.normal(size=[sizes[c] for c in left])
    b = rng.normal(size=[sizes[c] for c in right])
    assert_same(
        bl.jit(lambda a, b: np.einsum(spec, a, b))(a, b), onp.einsum(spec, a, b), slack=100.0
    )


def test_an_index_out_of_range_raises_as_in_numpy() -> None:
    table = onp.arange(12.0).reshape(4, 3)
    pick = bl.jit(lambda x, i: np.take(x, i, axis=0) * 2.0)
    onp.testing.assert_array_equal(pick(table, onp.array([0, -1])), table[[0, -1]] * 2.0)
    for bad in (4, -5, 2**40):
        with pytest.raises(IndexError, match="out of bounds"):
            pick(table, onp.array([0, bad]))


@pytest.mark.parametrize("shape", [(4096,), (3000, 7), (7, 3000), (5, 1), (2, 3, 1000)])
@pytest.mark.parametrize("name", ["sum", "mean", "prod"])
def test_float16_is_added_up_in_float32(shape: tuple[int, ...], name: str) -> None:
    """Rounded to float16 once at the end, and a mean twice: half a unit in the last place each."""
    rng = onp.random.default_rng(1)
    # Products stay in range.
    values = onp.exp(rng.normal(0, 0.02, shape)) if name == "prod" else rng.uniform(0.25, 1, shape)
    x = values.astype("float16")
    for axis in (None, *range(len(shape))):
        found = bl.jit(lambda x, axis=axis: getattr(np, name)(x, axis=axis))(x)
        exact = getattr(onp, name)(x.astype("float64"), axis=axis)
        assert found.dtype == onp.float16
        rtol = (2 if name == "mean" else 1) * 2**-11 * 1.01
        onp.testing.assert_allclose(found.astype("float64"), exact, rtol=rtol)


def test_float16_softmax_and_products_are_as_near_as_the_evaluators() -> None:
    rng = onp.random.default_rng(2)
    x, w = rng.random((64, 300)).astype("float16"), rng.random((300, 5)).astype("float16")
    functions: list[Any] = [
        lambda x, w: np.softmax(x, axis=1),
        lambda x, w: np.logsumexp(x, axis=1),
        lambda x, w: x @ w,
        lambda x, w: np.dot(x[0], w[:, 0]),
        lambda x, w: np.einsum("ij,jk->ik", x, w),
        lambda x, w: np.std(x, axis=1),
    ]
    for f in functions:
        wide = [a.astype("float64") for a in (x, w)]
        exact = evaluate(bl.trace(f)(*wide), wide)[0]
        plain = evaluate(bl.trace(f)(x, w), (x, w))[0].astype("float64")
        found = bl.jit(f)(x, w).astype("float64")
        size = onp.abs(exact).max()
        assert onp.abs(found - exact).max() <= onp.abs(plain - exact).max() + 2**-11 * size


@pytest.mark.parametrize("kind", ["uint8", "int8", "uint32", "int64"])
def test_whole_numbers_that_do_not_fit_are_numpys(kind: str) -> None:
    """They are compared by value, and refused in arithmetic, where they would wrap."""
    x = onp.array([0, 1, 5], kind)
    for n in (-1, 300, 2**40, 2**63):
        functions: list[Any] = [
            lambda x, n=n: x < n,
            lambda x, n=n: x != n,
            lambda x, n=n: x * n,
            lambda x, n=n: n - x,
            lambda x, n=n: np.maximum(x, n),
            lambda x, n=n: np.clip(x, 0, n),
        ]
        for f in functions:
            graph = bl.trace(f, abstract=True)(x)
            try:
                expected = evaluate(graph, [x])[0]
            except OverflowError:
                with pytest.raises(OverflowError):
                    bl.jit(f)(x)
            else:
                onp.testing.assert_array_equal(bl.jit(f)(x), expected)
