"""Random programs of twelve kinds: what is printed, read back, is the gradient."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit import nn
from backlit.core.tracing import leaf_names
from backlit.explain.derivation.checking import worked_out
from backlit.explain.derivation.kronecker import element_chain
from backlit.explain.derivation.layouts import examples_turned, numerator
from backlit.explain.derive import sheet
from backlit.explain.selection import VIEWS
from tests.explain.derivation.reading import check_faithful, close, gradients

Rng = onp.random.Generator
Drawn = tuple[Callable[..., Any], list[Any]]
KINDS: dict[str, Callable[[Rng], Drawn]] = {}
PROGRAMS = 25


def kind(draw: Callable[[Rng], Drawn]) -> Callable[[Rng], Drawn]:
    KINDS[draw.__name__] = draw
    return draw


def normal(r: Rng, *shapes: tuple[int, ...]) -> list[Any]:
    return [r.normal(size=shape) for shape in shapes]


@kind
def broadcasting(r: Rng) -> Drawn:
    way, axis = int(r.integers(4)), int(r.integers(-3, 3))

    def f(a: Any, b: Any, c: Any) -> Any:
        u = a * b + c
        v = [np.tanh(u), np.exp(-(u**2)), u / (1 + b**2), np.sigmoid(u - a)][way]
        return np.sum(v * np.mean(u, axis=axis, keepdims=True))

    return f, normal(r, (3, 1), (4,), (2, 1, 4))


@kind
def kept_axes(r: Rng) -> Drawn:
    reduce = [np.sum, np.mean, np.max, np.std, np.var][int(r.integers(5))]
    axis = int(r.integers(-2, 2))

    def f(x: Any, w: Any) -> Any:
        s = reduce(x * w, axis=axis, keepdims=True)
        y = (x - s) / (1.5 + s**2)
        return np.mean(y**2) + np.sum(w * np.sum(s))

    return f, normal(r, (3, 4), (4,))


@kind
def products_of_vectors(r: Rng) -> Drawn:
    way = int(r.integers(4))

    def f(v: Any, w: Any, A: Any, B: Any) -> Any:
        p = v @ A
        q = A @ w
        t = [B @ w, v @ B, np.dot(v, q) * B, np.matmul(B, w)][way]
        return (v @ A @ w) * np.sum(np.sin(p)) + np.sum(q * v) + np.sum(t**2)

    return f, normal(r, (3,), (4,), (3, 4), (2, 3, 4))


@kind
def choices(r: Rng) -> Drawn:
    way, axis, low = int(r.integers(5)), int(r.integers(-2, 2)), float(r.normal())

    def f(x: Any, y: Any) -> Any:
        a = np.where(x > y, x * y, y**2)
        b = [
            np.clip(x, low, low + 1.0),
            np.maximum(x, y),
            np.minimum(x * 2, y),
            np.relu(x),
            np.abs(x - y),
        ][way]
        return np.sum(np.max(a + b, axis=axis) ** 2) + np.min(b)

    return f, normal(r, (3, 4), (4,))


@kind
def running_sums(r: Rng) -> Drawn:
    way, axis = int(r.integers(3)), int(r.integers(-2, 2))

    def f(x: Any, w: Any) -> Any:
        c = np.cumsum(x * w, axis=axis)
        d = [np.cumprod(1 + 0.1 * x, axis=axis), np.flip(c, axis=axis), np.cumsum(c, axis=-1)]
        return np.sum(np.tanh(c) * d[way])

    return f, normal(r, (4, 3), (3,))


@kind
def joined_and_cut(r: Rng) -> Drawn:
    start, step = int(r.integers(-3, 3)), int(r.choice([1, 2, -1]))

    def f(x: Any, y: Any) -> Any:
        z = np.concatenate([x, y], axis=0)
        p, q = np.split(x, 2, axis=1)
        u = np.stack([x[0], y[1] * 2], axis=-1)
        total = np.sum(z[::step, start % 4] ** 3) + np.sum(np.sin(z[start:, 1:]))
        return total + np.sum(p * q) + np.sum(u[:, 0] * u[:, -1])

    return f, normal(r, (3, 4), (2, 4))


@kind
def einsums(r: Rng) -> Drawn:
    way = int(r.integers(5))

    def f(a: Any, b: Any, c: Any) -> Any:
        t = [
            lambda: np.einsum("ij,jk,ki->", a, b, c),
            lambda: np.sum(np.einsum("ij,jk->ki", a, b) * c),
            lambda: np.sum(np.einsum("ij,jk->ijk", a, b) ** 2),
            lambda: np.sum(np.einsum("ij->j", a) * np.sum(b, axis=1)),
            lambda: np.einsum("ii", a @ b @ c),
        ][way]()
        return np.sin(0.1 * t) + np.sum(c**2)

    return f, normal(r, (2, 3), (3, 4), (4, 2))


@kind
def whole_numbers(r: Rng) -> Drawn:
    way = int(r.integers(3))

    def f(W: Any, labels: Any, x: Any, n: Any) -> Any:
        rows = W[labels]
        z = x @ W.T
        L = [
            lambda: nn.cross_entropy(z, labels),
            lambda: (1.0 + np.sum(rows * x) ** 2) ** n,
            lambda: np.sum(z[np.arange(4), labels]) * n / 4,
        ][way]()
        return L + np.mean(rows**2) * n

    W, x = normal(r, (5, 3), (4, 3))
    return f, [W, r.integers(0, 5, 4), x, int(r.integers(1, 4))]


@kind
def single_precision(r: Rng) -> Drawn:
    bend = [np.tanh, np.relu, np.sigmoid][int(r.integers(3))]

    def f(W: Any, x: Any, b: Any) -> Any:
        z = x @ W.T + b
        return np.mean(bend(z) ** 2) + np.sum(nn.softmax(z)[:, 0])

    return f, [a.astype("float32") for a in normal(r, (3, 4), (2, 4), (3,))]


@kind
def nested(r: Rng) -> Drawn:
    way = int(r.integers(5))

    @bl.jit
    def g(w: Any, x: Any) -> Any:
        h = np.tanh(w * x)
        return np.sum(h**2)

    def f(w: Any, x: Any) -> Any:
        return [
            lambda: np.sum(np.stack([g(w, row) for row in x])),
            lambda: np.sum(bl.grad(lambda w: g(w, x[0]))(w) * x[1]),
            lambda: g(g(w, x) * w, x[2]),
            lambda: bl.value_and_grad(lambda a: np.sum(np.exp(-a * w)))(x[1])[0] ** 2,
            lambda: np.sum(bl.jvp(lambda a: np.sin(a * w), (x[2],), (x[3],))[1]),
        ][way]()

    return f, normal(r, (3,), (4, 3))


@kind
def other_shapes(r: Rng) -> Drawn:
    way = int(r.integers(5))

    def f(x: Any, y: Any) -> Any:
        t = [
            np.transpose(x, (2, 0, 1)),
            np.swapaxes(x, 0, -1),
            np.moveaxis(x, 1, 0),
            x.reshape(6, 4),
            np.expand_dims(x, 1),
        ][way]
        total = np.sum(np.sin(t) * np.sum(t)) + np.sum((x @ y) ** 2)
        return total + np.sum(np.squeeze(x[:1], 0).T * y) + np.sum(np.repeat(y, 2, axis=0) ** 2)

    return f, normal(r, (2, 3, 4), (4, 3))


@kind
def statistics(r: Rng) -> Drawn:
    way, axis = int(r.integers(5)), int(r.integers(-2, 2))

    def f(x: Any, w: Any) -> Any:
        z = x * w
        s = [
            lambda: np.std(z, axis=axis),
            lambda: np.var(z, axis=axis),
            lambda: np.sqrt(np.sum(z**2, axis=axis)),
            lambda: np.prod(z, axis=axis),
            lambda: np.sum(np.hypot(z, w), axis),
        ][way]()
        return np.sum(s**2) + np.mean(s)

    return f, normal(r, (4, 3), (3,))


@pytest.mark.parametrize("name", sorted(KINDS))
def test_what_is_printed_read_back_is_the_gradient(name: str) -> None:
    # Single precision is what the gradient is computed in, not what is printed.
    relative = 2e-5 if name == "single_precision" else 1e-9
    for seed in range(PROGRAMS):
        f, args = KINDS[name](onp.random.default_rng(seed))
        derivation = sheet(f, *args)
        check_faithful(f, derivation, args, differences=2, relative=relative)
        values = worked_out(derivation, args)
        for line in derivation.backward:
            element_chain(line, derivation, values)  # says None or is checked; raises nothing


@pytest.mark.parametrize("name", sorted(KINDS))
def test_other_layouts_have_the_transposes(name: str) -> None:
    for seed in range(4):
        f, args = KINDS[name](onp.random.default_rng(seed))
        plain = sheet(f, *args)
        expected = gradients(plain, worked_out(plain, args))
        turned = [a.T if onp.ndim(a) == 2 else a for a in args]
        for derivation, given in (
            (numerator(plain), args),
            (examples_turned(plain), turned),
            (numerator(examples_turned(plain)), turned),
        ):
            found = gradients(derivation, worked_out(derivation, given))
            both = derivation.layout == "numerator" and given is turned
            for a, b in zip(found, expected, strict=True):
                assert close(a, b if both or onp.ndim(b) != 2 else b.T) or not onp.any(b)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_view_of_every_kind_can_be_printed(name: str) -> None:
    f, args = KINDS[name](onp.random.default_rng(1))
    which, place = leaf_names(f, args)[0], tuple([0] * onp.ndim(args[0]))
    explanation = bl.explain(f, *args, wrt=which, index=place)
    for view in VIEWS:
        chosen = explanation.view(view, layout="numerator", turn_examples=True, averaged=False)
        assert str(chosen).startswith("The gradient of f") and chosen.to_latex().isascii()
        assert json.loads(chosen.to_json())["gradient"] == explanation.gradient
