"""Every function of `backlit.numpy` computes what NumPy computes: plain, traced, and by shape.

One table of calls; each is run in five ways. A function of the namespace that is not in the table
fails a test.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as onp
import pytest
import scipy.special

import backlit as bl
import backlit.numpy as np
from backlit.core import tree
from backlit.core.verify import verify
from backlit.testing import check_grads
from tests.numpy.composed import BY_VALUE, COMPOSED

RNG = onp.random.default_rng(8)
A, B = RNG.normal(size=(2, 3)), RNG.normal(size=(2, 3))
V, U = RNG.normal(size=3), RNG.normal(size=3)
M, S = RNG.normal(size=(3, 4)), RNG.normal(size=(3, 3))
T = RNG.normal(size=(2, 3, 4))
P = RNG.uniform(0.2, 0.8, size=(2, 3))
ONE = onp.float64(0.7)
I = onp.array([2, 0, 2])  # noqa: E741
MASK = onp.array([[True, False, True], [False, True, True]])

OWN = ("edge", "reflect", "symmetric", "wrap")

Call = tuple[str, Callable[..., Any], tuple[Any, ...]]


def unary(names: str, *args: Any) -> list[Call]:
    return [(n, lambda np, x, n=n: getattr(np, n)(x), (a,)) for n in names.split() for a in args]


def binary(names: str, *pairs: tuple[Any, Any]) -> list[Call]:
    return [
        (n, lambda np, x, y, n=n: getattr(np, n)(x, y), pair)
        for n in names.split()
        for pair in pairs
    ]


CALLS: list[Call] = [
    *unary("negative positive square absolute abs exp exp2 expm1 sin cos tan arctan sinh", A, ONE),
    *unary("cosh tanh arcsinh atan asinh sign floor ceil trunc rint isnan isinf isfinite", A, ONE),
    *unary("reciprocal log log2 log10 log1p sqrt cbrt arcsin arccos arctanh asin acos atanh", P),
    *unary("arccosh acosh", 1.0 + P),
    *unary("logical_not", A, MASK),
    *unary("invert", MASK, I),
    *binary(
        "add subtract multiply maximum minimum logaddexp arctan2 atan2 hypot", (A, V), (P, ONE)
    ),
    *binary("divide floor_divide remainder", (A, P), (V, ONE)),
    *binary("power pow", (P, A), (P, 2.0), (2.0, A)),
    *binary("greater greater_equal less less_equal equal not_equal", (A, V)),
    *binary("logical_and logical_or logical_xor", (A, MASK)),
    *binary("bitwise_and bitwise_or bitwise_xor", (I, I + 1), (MASK, ~MASK)),
    ("clip", lambda np, x: np.clip(x, -0.5, 0.5), (A,)),
    ("clip", lambda np, x: np.clip(x, -0.5, None), (A,)),
    ("clip", lambda np, x: np.clip(x, None, 0.5), (A,)),
    ("clip", lambda np, x, low: np.clip(x, low, 2.0), (A, V - 3.0)),
    ("clip", lambda np, x: np.clip(x, a_min=-0.5, a_max=[0.1, 0.2, 0.3]), (A,)),
    ("clip", lambda np, x: np.clip(x, max=0.5), (A,)),
    ("where", lambda np, x, y: np.where(MASK, x, y), (A, V)),
    ("where", lambda np, x: np.where(x > 0.1, x, 0.0), (A,)),
    ("where", lambda np, x: np.where([True, False, True], x, [1.0, 2.0, 3.0]), (A,)),
    ("astype", lambda np, x: np.astype(x, onp.float32), (A,)),
    # shapes
    ("reshape", lambda np, x: np.reshape(x, (3, 2)), (A,)),
    ("reshape", lambda np, x: np.reshape(x, (-1, 3, 1)), (A,)),
    ("reshape", lambda np, x: np.reshape(x, 6), (A,)),
    ("ravel", lambda np, x: np.ravel(x), (A,)),
    ("expand_dims", lambda np, x: np.expand_dims(x, 1), (A,)),
    ("expand_dims", lambda np, x: np.expand_dims(x, (0, -1)), (A,)),
    ("squeeze", lambda np, x: np.squeeze(x[None, :, None]), (A,)),
    ("squeeze", lambda np, x: np.squeeze(x[None, :, None], (0, -2)), (A,)),
    ("transpose", lambda np, x: np.transpose(x), (T,)),
    ("transpose", lambda np, x: np.transpose(x, (1, -1, 0)), (T,)),
    ("permute_dims", lambda np, x: np.permute_dims(x, (1, 0)), (A,)),
    ("swapaxes", lambda np, x: np.swapaxes(x, 0, -1), (T,)),
    ("moveaxis", lambda np, x: np.moveaxis(x, 0, -1), (T,)),
    ("moveaxis", lambda np, x: np.moveaxis(x, (0, 1), (2, 0)), (T,)),
    ("broadcast_to", lambda np, x: np.broadcast_to(x, (2, 2, 3)), (A,)),
    ("broadcast_to", lambda np, x: np.broadcast_to(x, 3), (ONE,)),
    ("broadcast_arrays", lambda np, x, y: np.broadcast_arrays(x, y), (A, V)),
    ("concatenate", lambda np, x, y: np.concatenate([x, y]), (A, B)),
    ("concatenate", lambda np, x, y: np.concatenate((x, y), axis=-1), (A, B)),
    ("concatenate", lambda np, x, y: np.concatenate([x, y], axis=None), (A, V)),
    ("concat", lambda np, x: np.concat([x, [1.0]]), (V,)),
    ("stack", lambda np, x, y: np.stack([x, y]), (A, B)),
    ("stack", lambda np, x, y: np.stack([x, y, x], axis=-1), (A, B)),
    ("concatenate", lambda np, x: np.concatenate([x, [1, 2]], dtype=onp.float64), (V,)),
    ("stack", lambda np, x, y: np.stack([x, y], dtype=onp.float64), (V, U)),
    ("vstack", lambda np, x, y: np.vstack([x, y]), (A, V)),
    ("vstack", lambda np, x: np.vstack([x, [1.0, 2.0, 3.0]]), (A,)),
    ("vstack", lambda np, x: np.vstack([x, 2.0]), (ONE,)),
    ("hstack", lambda np, x, y: np.hstack([x, y]), (A, B)),
    ("hstack", lambda np, x, y: np.hstack([x, y]), (V, ONE)),
    ("split", lambda np, x: np.split(x, 3, axis=1), (A,)),
    ("split", lambda np, x: np.split(x, [1, 1], axis=1), (A,)),
    ("split", lambda np, x: np.split(x, [1, 5]), (A,)),
    ("pad", lambda np, x: np.pad(x, 1), (A,)),
    ("pad", lambda np, x: np.pad(x, 1) * 2.0, (ONE,)),
    ("pad", lambda np, x: np.pad(x, ((1, 0), (0, 2)), constant_values=3.0), (A,)),
    ("pad", lambda np, x: np.pad(x, 2, constant_values=(1.0, 2.0)), (A,)),
    ("pad", lambda np, x: np.pad(x, ((1, 2), (3, 0)), constant_values=((1, 2), (3, 4))), (A,)),
    *[("pad", lambda np, x, m=m: np.pad(x, ((1, 2), (0, 1)), m), (A,)) for m in OWN],
    *[("pad", lambda np, x, m=m: np.pad(x, 5, mode=m), (V,)) for m in OWN],
    ("pad", lambda np, x: np.pad(x, 2, "edge") * 2.0, (ONE,)),
    ("flip", lambda np, x: np.flip(x), (A,)),
    ("flip", lambda np, x: np.flip(x, 1), (A,)),
    ("roll", lambda np, x: np.roll(x, 2), (A,)),
    ("roll", lambda np, x: np.roll(x, -4, axis=1), (A,)),
    ("roll", lambda np, x: np.roll(x, (1, -1), axis=(0, 1)), (A,)),
    ("roll", lambda np, x: np.roll(x, 1, axis=(1, 1)), (A,)),
    ("roll", lambda np, x: np.roll(x, (1, 1)), (A,)),
    ("tile", lambda np, x: np.tile(x, 1), (A,)),
    ("tile", lambda np, x: np.tile(x, 2), (A,)),
    ("tile", lambda np, x: np.tile(x, (2, 1, 3)), (A,)),
    ("repeat", lambda np, x: np.repeat(x, 2), (A,)),
    ("repeat", lambda np, x: np.repeat(x, 3, axis=0), (A,)),
    ("repeat", lambda np, x: np.repeat(x, [1, 0, 3], axis=1), (A,)),
    ("repeat", lambda np, x: np.repeat(x, onp.array([2]), axis=-1), (A,)),
    ("repeat", lambda np, x: np.repeat(x, onp.arange(6)), (A,)),
    # reductions
    *[
        (n, lambda np, x, n=n, o=options: getattr(np, n)(x, **o), (T,))
        for n in "sum mean var std prod max min amax amin".split()
        for options in ({}, {"axis": 1}, {"axis": (0, -1)}, {"axis": 0, "keepdims": True})
    ],
    ("sum", lambda np, x: np.sum(x, axis=1, dtype=onp.float32), (A,)),
    ("sum", lambda np, x: np.sum(x), (I,)),
    ("sum", lambda np, x: np.sum(x, axis=0), (MASK,)),
    ("mean", lambda np, x: np.mean(x), (I,)),
    ("var", lambda np, x: np.var(x, axis=1, ddof=1), (A,)),
    ("std", lambda np, x: np.std(x, axis=1, ddof=1, keepdims=True), (A,)),
    ("mean", lambda np, x: np.mean(x, 0, onp.float32, None, True), (A,)),
    ("prod", lambda np, x: np.prod(x, 0, onp.float32), (A,)),
    ("var", lambda np, x: np.var(x, 1, onp.float64, None, 1, True), (A,)),
    ("std", lambda np, x: np.std(x, 1, onp.float64), (A,)),
    ("max", lambda np, x: np.max(x, 0, None, True), (A,)),
    ("average", lambda np, x: np.average(x, axis=1), (A,)),
    ("average", lambda np, x: np.average(x, axis=1, returned=True), (A,)),
    ("average", lambda np, x: np.average(x, 0, [1, 3], keepdims=True), (A,)),
    ("average", lambda np, x: np.average(x, (2, 0), onp.arange(8.0).reshape(4, 2)), (T,)),
    ("average", lambda np, x, w: np.average(x, weights=w, returned=True), (V, onp.abs(U))),
    ("average", lambda np, x, w: np.average(x, axis=1, weights=w), (A, onp.abs(V))),
    ("average", lambda np, x, w: np.average(x, weights=w), (A, P)),
    *[
        (n, lambda np, x, n=n, o=options: getattr(np, n)(x, **o), (A,))
        for n in ("argmax", "argmin")
        for options in ({}, {"axis": 1}, {"axis": -2, "keepdims": True}, {"keepdims": True})
    ],
    *[
        (n, lambda np, x, n=n, o=options: getattr(np, n)(x, **o), (x,))
        for n in ("all", "any")
        for options in ({}, {"axis": 0}, {"axis": 1, "keepdims": True})
        for x in (MASK, A)
    ],
    ("cumsum", lambda np, x: np.cumsum(x), (A,)),
    ("cumsum", lambda np, x: np.cumsum(x, axis=-1), (A,)),
    ("cumsum", lambda np, x: np.cumsum(x, 0, onp.float32), (A,)),
    ("cumprod", lambda np, x: np.cumprod(x), (A,)),
    ("cumprod", lambda np, x: np.cumprod(x, axis=-1), (T,)),
    ("cumprod", lambda np, x: np.cumprod(x, 0), (onp.array([2.0, 0.0, 3.0, 0.0, 5.0]),)),
    ("cumprod", lambda np, x: np.cumprod(x), (I,)),
    ("ptp", lambda np, x: np.ptp(x, axis=1), (A,)),
    ("ptp", lambda np, x: np.ptp(x, 0, None, True), (A,)),
    ("diff", lambda np, x: np.diff(x), (A,)),
    ("diff", lambda np, x: np.diff(x, axis=0), (A,)),
    ("diff", lambda np, x: np.diff(x, 0), (A,)),
    ("diff", lambda np, x: np.diff(x, 2), (A,)),
    ("diff", lambda np, x: np.diff(x, 2, 1, 1.0, V[:2, None]), (A,)),
    ("diff", lambda np, x: np.diff(x), (MASK,)),
    ("count_nonzero", lambda np, x: np.count_nonzero(x), (A,)),
    ("count_nonzero", lambda np, x: np.count_nonzero(x, axis=1, keepdims=True), (A,)),
    # products
    *binary(
        "matmul dot", (A, M), (A, V), (V, M), (V, U), (T, RNG.normal(size=(4, 2))), (V, T[:, :, :2])
    ),
    ("matmul", lambda np, x, y: np.matmul(x, y), (T, RNG.normal(size=(2, 4, 1)))),
    ("dot", lambda np, x, y: np.dot(x, y), (ONE, A)),
    ("dot", lambda np, x, y: np.dot(x, y), (A, T)),
    *binary("outer", (V, U), (A, V)),
    *binary("inner", (V, U), (A, B), (ONE, A)),
    ("tensordot", lambda np, x, y: np.tensordot(x, y), (A, T[:, :, 0])),
    ("tensordot", lambda np, x, y: np.tensordot(x, y, 1), (A, M)),
    ("tensordot", lambda np, x, y: np.tensordot(x, y, ([0, -1], [0, 1])), (A, T)),
    ("tensordot", lambda np, x, y: np.tensordot(x, y, (1, 1)), (A, T)),
    ("trace", lambda np, x: np.trace(x), (S,)),
    *[
        (n, lambda np, x, n=n, o=options: getattr(np, n)(x, *o), (a,))
        for n in ("diagonal", "trace")
        for a, options in (
            *((a, (k,)) for a in (S, A, M) for k in (0, 1, -1, 3, -4)),
            *((T, (0, 1, 2)), (T, (1, 2, 0)), (T, (-1, -1, 0)), (T, ())),
        )
    ],
    ("trace", lambda np, x: np.trace(x, dtype=onp.float64), (S,)),
    *[
        ("einsum", lambda np, *a, spec=spec: np.einsum(spec, *a), arrays)
        for spec, arrays in (
            ("ij,jk->ik", (A, M)),
            ("ij,jk", (A, M)),
            ("ij,ij", (A, B)),
            ("i,i->", (V, U)),
            ("ij->ji", (A,)),
            ("ij->", (A,)),
            ("ij->j", (A,)),
            ("ii->i", (S,)),
            ("ii", (S,)),
            ("ii,i->i", (S, V)),
            ("ij,k->k", (A, V)),
            ("ij,k->jk", (A, V)),
            ("aij,aj->ai", (T[:, :, :3], A)),
            ("...ij,jk->...ik", (T, RNG.normal(size=(4, 2)))),
            ("...j,j->...", (T, RNG.normal(size=4))),
            ("i...,i...->...", (A, B)),
            ("...,...", (A, V)),
            ("ij,jk,kl->il", (A, M, RNG.normal(size=(4, 2)))),
            ("ij, jk, ik -> ", (A, M, RNG.normal(size=(2, 4)))),
            ("ij,ij->ij", (A, V[None])),
            ("ijj->ij", (RNG.normal(size=(2, 3, 3)),)),
            ("ijij->ji", (RNG.normal(size=(2, 3, 2, 3)),)),
            ("ba", (A,)),
        )
    ],
    ("einsum", lambda np, x, y: np.einsum("ij,jk", x, y, optimize=True), (A, M)),
    ("einsum", lambda np, x, y: np.einsum("ij,jk", x, y, dtype=onp.float64), (A, M)),
    ("einsum", lambda np, x: np.einsum(x, [1, 0]), (A,)),
    ("einsum", lambda np, x, y: np.einsum(x, [0, 1], y, [1, 26]), (A, M)),
    ("einsum", lambda np, x, y: np.einsum(x, [..., 1], y, [1, 2], [2, ...]), (A, M)),
    # picking
    ("take", lambda np, x: np.take(x, I), (A,)),
    ("take", lambda np, x: np.take(x, I, axis=1), (A,)),
    ("take", lambda np, x: np.take(x, 1, axis=-2), (A,)),
    ("take", lambda np, x: np.take(x, [[0, 1]], axis=0), (A,)),
    ("take", lambda np, x: np.take(x, [True, False, True]), (V,)),
    ("take_along_axis", lambda np, x: np.take_along_axis(x, onp.array([[0, 1]]), 1), (A,)),
    ("take_along_axis", lambda np, x: np.take_along_axis(x, onp.array([3, 3]), None), (A,)),
    (
        "take_along_axis",
        lambda np, x: np.take_along_axis(x, np.argmax(x, 1, keepdims=True), 1),
        (A,),
    ),
    ("take_along_axis", lambda np, x: np.take_along_axis(x, I[None, :, None], 1), (T,)),
    ("take_along_axis", lambda np, x: np.take_along_axis(x, onp.array([[2], [0]]), 1), (A,)),
    ("take_along_axis", lambda np, x: np.take_along_axis(x, onp.array([[1, 0, 1]]), 0), (A,)),
    # making
    ("zeros", lambda np, x: np.zeros((2, 3)) + x, (A,)),
    ("ones", lambda np, x: np.ones(3, onp.float32) * x, (A,)),
    ("empty", lambda np, x: np.empty(3) * 0.0 + x, (A,)),
    ("full", lambda np, x: np.full((2, 3), 7.0) + x, (A,)),
    ("full", lambda np, x: np.full((2, 3), x), (ONE,)),
    ("full", lambda np, x: np.full(2, x, onp.float32), (ONE,)),
    ("zeros_like", lambda np, x: np.zeros_like(x) + x, (A,)),
    ("ones_like", lambda np, x: np.ones_like(x, onp.float32) * x, (A,)),
    ("empty_like", lambda np, x: np.empty_like(x) * 0.0 + x, (A,)),
    ("full_like", lambda np, x: np.full_like(x, 2.0) * x, (A,)),
    ("array", lambda np, x: np.array(x), (A,)),
    ("array", lambda np, x: np.array(x, onp.float32), (A,)),
    ("array", lambda np, x: np.array([[1.0, 2.0], [3.0, 4.0]]) * x, (ONE,)),
    ("asarray", lambda np, x: np.asarray(x) * np.asarray([1, 2, 3]), (A,)),
    ("asarray", lambda np, x: np.asarray(x, onp.float32), (A,)),
    ("asanyarray", lambda np, x: np.asanyarray(x) * np.asanyarray([1, 2, 3]), (A,)),
    ("asanyarray", lambda np, x: np.asanyarray(x, onp.float32), (A,)),
    ("empty_like", lambda np, x: np.empty_like(x, onp.float32) * 0.0 + x, (A,)),
    ("eye", lambda np, x: np.eye(2, 3, 1) * x, (A,)),
    ("identity", lambda np, x: np.identity(3) @ x, (V,)),
    ("tri", lambda np, x: np.tri(2, 3, -1) + x, (A,)),
    ("arange", lambda np, x: np.arange(0.0, 3.0) * x, (A,)),
    ("arange", lambda np, x: x[np.arange(2)], (A,)),
    ("linspace", lambda np, x: np.linspace(0.0, 1.0, 3) * x, (A,)),
    ("linspace", lambda np, x: np.linspace(0.0, 1.0, 3, retstep=True)[0] * x, (A,)),
    ("logspace", lambda np, x: np.logspace(0.0, 1.0, 3) * x, (A,)),
    ("geomspace", lambda np, x: np.geomspace(1.0, 4.0, 3) * x, (A,)),
    ("copy", lambda np, x: np.copy(x), (A,)),
    ("copy", lambda np, x: np.copy(x), (MASK,)),
    ("round", lambda np, x: np.round(x), (A,)),
    ("round", lambda np, x: np.round(x, 2), (A,)),
    ("round", lambda np, x: np.round(x, -1), (37.0 * A,)),
    ("round", lambda np, x: np.round(x), (I,)),
    ("round", lambda np, x: np.round(x, -1), (7 * I,)),
    ("atleast_1d", lambda np, x: np.atleast_1d(x), (ONE,)),
    ("atleast_1d", lambda np, x: np.atleast_1d(x), (A,)),
    ("atleast_1d", lambda np, x, y: np.atleast_1d(x, y), (ONE, A)),
    ("size", lambda np, x: x * np.size(x, 1), (A,)),
    ("shape", lambda np, x: x * np.shape(x)[1], (A,)),
    ("ndim", lambda np, x: x * np.ndim(x), (A,)),
    ("size", lambda np, x: x * np.size(x), (A,)),
    *COMPOSED,
]
# Beyond NumPy: compared with SciPy or with a line of NumPy.
EXTRA: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[Any, ...]]] = {
    "sigmoid": (np.sigmoid, scipy.special.expit, (A,)),
    "softplus": (np.softplus, lambda x: onp.logaddexp(x, 0.0), (A,)),
    "log_sigmoid": (np.log_sigmoid, scipy.special.log_expit, (A,)),
    "erf": (np.erf, scipy.special.erf, (A,)),
    "erfc": (np.erfc, scipy.special.erfc, (A,)),
    "relu": (np.relu, lambda x: onp.maximum(x, 0.0), (A,)),
    "logsumexp": (lambda x: np.logsumexp(x, 1), lambda x: scipy.special.logsumexp(x, 1), (A,)),
    "softmax": (lambda x: np.softmax(x, 0), lambda x: scipy.special.softmax(x, 0), (A,)),
    "log_softmax": (np.log_softmax, lambda x: scipy.special.log_softmax(x, -1), (A,)),
    "one_hot": (
        lambda x: np.one_hot(np.argmax(x, 1), 3) * x,
        lambda x: onp.eye(3)[onp.argmax(x, 1)] * x,
        (A,),
    ),
    "index_set": (
        lambda x: np.index_set(x, (0, slice(1, None)), x[1, :2] ** 2),
        lambda x: onp.concatenate([x[:1, :1], x[1:, :2] ** 2], 1).tolist()[:1] + [x[1].tolist()],
        (A,),
    ),
}
SCALARS_OF_PYTHON = {"shape", "ndim", "size"}


def leaves(value: Any) -> list[Any]:
    return [onp.asarray(leaf) for leaf in tree.flatten(value)[0]]


def same(found: Any, expected: Any) -> None:
    for a, b in zip(leaves(found), leaves(expected), strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        onp.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def label(call: Call) -> str:
    return call[0]


@pytest.mark.parametrize("call", CALLS, ids=label)
def test_outside_a_transformation_it_is_numpy(call: Call) -> None:
    _, f, args = call
    found = f(np, *args)
    same(found, f(onp, *args))
    assert all(type(leaf) is not bl.core.tracer.Tracer for leaf in tree.flatten(found)[0])


@pytest.mark.parametrize("call", CALLS, ids=label)
def test_traced_it_computes_the_same(call: Call) -> None:
    _, f, args = call
    expected = f(onp, *args)
    traced = bl.trace(lambda *a: f(np, *a))(*args)
    verify(traced)
    same(list(traced(*args)), leaves(expected))
    for atom, leaf in zip(traced.outputs, leaves(expected), strict=True):
        assert (atom.aval.shape, atom.aval.dtype) == (leaf.shape, leaf.dtype)


@pytest.mark.parametrize("call", CALLS, ids=label)
def test_by_shape_it_gives_the_same_types(call: Call) -> None:
    _, f, args = call
    graph = bl.trace(lambda *a: f(np, *a), abstract=True)(*args)
    verify(graph)
    same(list(graph(*args)), leaves(f(onp, *args)))


@pytest.mark.parametrize("call", CALLS, ids=label)
def test_numpys_own_function_takes_traced_arrays(call: Call) -> None:
    name, f, args = call
    if name in (
        "zeros",
        "ones",
        "empty",
        "full",
        "array",
        "asarray",
        "asanyarray",
        "astype",
    ) or not hasattr(onp, name):
        return  # these make arrays from their arguments' values
    same(list(bl.trace(lambda *a: f(onp, *a))(*args)(*args)), leaves(f(onp, *args)))


@pytest.mark.parametrize("call", CALLS, ids=label)
def test_derivatives_agree_with_differences(call: Call) -> None:
    name, f, args = call
    result = leaves(f(onp, *args))
    single = any(leaf.dtype == onp.float32 for leaf in result)
    floats = [a for a in args if isinstance(a, float) or a.dtype.kind == "f"]
    # The steps of round(x, 2) are shorter than those of the differences.
    if name != "round" and floats and any(r.dtype.kind == "f" for r in result) and not single:
        check_grads(lambda *a: f(np, *a), args)


@pytest.mark.parametrize("name", EXTRA)
def test_functions_beyond_numpy(name: str) -> None:
    f, reference, args = EXTRA[name]
    for found in (
        f(*args),
        bl.trace(f)(*args)(*args)[0],
        bl.trace(f, abstract=True)(*args)(*args)[0],
    ):
        onp.testing.assert_allclose(found, reference(*args), rtol=1e-12)
    check_grads(f, args)


def test_every_function_is_in_the_table() -> None:
    assert set(np.__all__) == {name for name, _, _ in [*CALLS, *BY_VALUE]} | set(EXTRA)


@pytest.mark.parametrize("call", BY_VALUE, ids=label)
def test_places_that_depend_on_values(call: Call) -> None:
    _, f, args = call
    seen: list[Any] = []
    bl.trace(lambda x: (seen.append(f(np, x)), x)[1])(*args)
    same(seen[0], f(onp, *args))
    same(f(np, *args), f(onp, *args))


def test_constants_types_and_makers_are_numpys_own() -> None:
    assert np.pi == onp.pi and np.float32 is onp.float32 and np.newaxis is None
    assert np.arange(3).tolist() == [0, 1, 2]
    assert set(np.__all__) <= set(dir(np)) and "pi" in dir(np)


def test_a_name_that_is_missing_says_whose_it_is() -> None:
    with pytest.raises(AttributeError, match=r"does not differentiate numpy.fft"):
        _ = np.fft
    with pytest.raises(AttributeError, match="neither NumPy nor backlit.numpy has 'sine'"):
        _ = np.sine


@pytest.mark.parametrize(
    "call",
    [
        lambda x: onp.sum(a=x, axis=0),
        lambda x: onp.mean(x, keepdims=True),
        lambda x: onp.reshape(x, shape=(3, 2)),
        lambda x: onp.concatenate((x, x), axis=1),
        lambda x: onp.where(x > 0, x, 0.0),
        lambda x: onp.clip(x, a_min=-0.5, a_max=0.5),
        lambda x: onp.sum(x, 0, onp.float32, None, True),
    ],
)
def test_numpys_keywords_are_understood(call: Any) -> None:
    same(bl.trace(call)(A)(A)[0], call(A))
