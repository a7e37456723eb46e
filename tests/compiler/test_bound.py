"""Programs tied to their memory."""

from __future__ import annotations

from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.compiler import bind, room
from backlit.core.errors import GraphError


def test_new_arguments_are_written_into_the_old_ones() -> None:
    rng = onp.random.default_rng(0)
    A, x = rng.normal(size=(5, 7)), rng.normal(size=7)
    program = bind(bl.trace(lambda A, x: (A @ x, np.sum(x)))(A, x), [A, x])
    for _ in range(3):
        x[:] = rng.normal(size=7)
        program()
        onp.testing.assert_allclose(program.outputs[0], A @ x, rtol=1e-13)
        assert program.outputs[1] == pytest.approx(x.sum(), rel=1e-13)


def test_donated_inputs_are_updated_where_they_are() -> None:
    w, g = room((200, 100), onp.dtype("float32")), onp.ones((200, 100), "float32")
    w[...] = 0.0
    graph = bl.jit(lambda w, g: w - 0.5 * g, donate_argnums=0).graph(w, g)
    program = bind(graph, [w, g])
    assert program.outputs[0] is w
    program()
    program()
    assert (w == -1.0).all()
    # What others need as well is not written over.
    other = bind(graph, [g, g])
    other()
    assert (g == 1.0).all() and (other.outputs[0] == 0.5).all()


def test_what_lies_out_of_order_is_copied_once() -> None:
    x = onp.arange(12.0).reshape(3, 4).T
    program = bind(bl.trace(lambda x: x * 2.0)(x), [x])
    program()
    assert (program.outputs[0] == 2.0 * x).all() and program.inputs[0] is not x


def test_an_index_out_of_range_raises_and_the_next_call_is_fine() -> None:
    x, k = onp.arange(5.0), onp.array([1, 7])
    program = bind(bl.jit(lambda x, k: np.take(x, k)).graph(x, k), [x, k])
    with pytest.raises(IndexError, match="out of bounds"):
        program()
    k[1] = 2
    program()
    assert program.outputs[0].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("args", [[onp.zeros(3)], [onp.zeros(2), onp.zeros(2)]])
def test_arguments_of_another_number_or_shape_are_refused(args: Any) -> None:
    with pytest.raises(GraphError, match="inputs|shape"):
        bind(bl.trace(lambda x: x + 1.0)(onp.zeros(2)), args)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_share_the_work_of_a_bound_program(threads: int) -> None:
    rng = onp.random.default_rng(1)
    a, b = (rng.normal(size=(512, 512)).astype("float32") for _ in range(2))
    before = bl.num_threads()
    bl.set_num_threads(threads)
    try:
        program = bind(bl.trace(lambda a, b: a @ b)(a, b), [a, b])
        program()
        program()
    finally:
        bl.set_num_threads(before)
    wanted = a.astype("float64") @ b.astype("float64")
    onp.testing.assert_allclose(program.outputs[0], wanted, rtol=1e-3, atol=1e-3)
