"""Changing a result never changes an argument: results have memory of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.core import tree

V = onp.array([0.5, 1.5])
ROWS = onp.arange(6.0).reshape(3, 2)

RESULTS: dict[str, Callable[[Any], Any]] = {
    "value_and_grad value": lambda v: bl.value_and_grad(lambda x: x)(v[0].reshape(())),
    "value_and_grad extra": lambda v: bl.value_and_grad(
        lambda x: (x.sum(), (x, x[:1], x.T)), has_aux=True
    )(v),
    "grad": lambda v: bl.grad(lambda x: (x * v).sum())(v),
    "vjp": lambda v: bl.vjp(lambda x: (x, x.reshape(1, -1)), v)[0],
    "vjp cotangent": lambda v: bl.vjp(lambda x: x + 1.0, onp.ones(2))[1](v),
    "vjp extra": lambda v: bl.vjp(lambda x: (x * 2.0, x), v, has_aux=True)[2],
    "jvp value": lambda v: bl.jvp(lambda x: (x, x[::-1]), (v,), (onp.ones(2),))[0],
    "jvp tangent": lambda v: bl.jvp(lambda x: (x + 1.0, x[None]), (onp.ones(2),), (v,))[1],
    "jvp extra": lambda v: bl.jvp(lambda x: (x * 2.0, x), (v,), (v,), has_aux=True)[2],
    "jacobian": lambda v: bl.jacobian(lambda x: x * v)(v),
    "jacobian extra": lambda v: bl.jacobian(lambda x: (x * 2.0, x), has_aux=True)(v)[1],
    "jacfwd extra": lambda v: bl.jacfwd(lambda x: (x * 2.0, x[:1]), has_aux=True)(v)[1],
    "hvp": lambda v: bl.hvp(lambda x: (x * x).sum() / 2.0, (v,), (v,)),
    "graph": lambda v: bl.trace(lambda x: (x, x.reshape(2, 1)))(v)(v),
    "guarded graph": lambda v: bl.trace(lambda x: x if x[0] > 0.0 else -x)(v)(v),
    "cond": lambda v: bl.cond(True, lambda v: (v, v[:1]), lambda v: (v * 2.0, v[1:]), v),
    "while_loop": lambda v: bl.while_loop(lambda c: np.all(c < 0.0), lambda c: c * 2.0, v),
    "fori_loop": lambda v: bl.fori_loop(0, 0, lambda i, c: c * 2.0, v),
    "scan": lambda v: bl.scan(lambda c, x: (c, x), v, ROWS),
    "astype": lambda v: np.astype(v, float),
    "tile": lambda v: np.tile(v, 1),
    "repeat": lambda v: np.repeat(v, 1),
    "nan_to_num": lambda v: np.nan_to_num(v),
    "meshgrid": lambda v: np.meshgrid(v, v),
    "index_set": lambda v: np.index_set(v, 0, 1.0),
}


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_shares_no_memory_with_an_argument(name: str) -> None:
    v = V.copy()
    for leaf in tree.flatten(RESULTS[name](v))[0]:
        assert not onp.shares_memory(leaf, v)
        if type(leaf) is onp.ndarray:
            leaf[...] = 77.0
    onp.testing.assert_array_equal(v, V)


def test_the_last_carry_of_a_scan_is_no_view_of_what_was_scanned() -> None:
    rows = ROWS.copy()
    last, _ = bl.scan(lambda c, x: (x, ()), onp.zeros(2), rows)
    last[0] = 77.0
    onp.testing.assert_array_equal(rows, ROWS)


def test_a_large_result_that_is_nobodys_view_is_not_copied() -> None:
    constant = onp.ones(3)
    extra = bl.grad(lambda x: (x.sum(), constant), has_aux=True)(V)[1]
    assert extra is constant  # the function's own business, as without a transformation
