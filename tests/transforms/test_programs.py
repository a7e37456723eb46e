"""Random programs against NumPy, finite differences and an independent peer (HIPS autograd)."""

from __future__ import annotations

from typing import Any

import autograd
import autograd.numpy as anp
import numpy as onp
from hypothesis import assume, example, given, settings

import backlit as bl
import backlit.numpy as np
from backlit.core.serial import dumps, loads
from backlit.core.verify import verify
from backlit.testing import check_grads
from tests.transforms.programs import OPERATIONS, Program, programs

X, Y = onp.array([[0.3, -1.2, 0.8], [1.1, 0.4, -0.6]]), onp.array([0.9, -0.2, 0.5])
# One of everything on top of one another: what the others are variations of.
EVERYTHING = Program(
    (X, Y),
    tuple(
        (name, (0, 1)[: OPERATIONS[name][0]], {1: (7,), 2: (1, False)}.get(width, ()))
        for name in sorted(OPERATIONS)
        for width in [
            2
            if name in ("sum", "mean", "max", "var", "prod", "logsumexp", "cumsum")
            else 1
            if name in ("where", "constant", "pick", "grid")
            else 0
        ]
        if name != "expand"
    ),
)


def numbers(program: Any) -> tuple[int, ...]:
    return tuple(range(len(program.inputs)))


def close(found: Any, expected: Any) -> None:
    for a, b in zip(found, expected, strict=True):
        assert onp.shape(a) == onp.shape(b)
        onp.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


@given(programs())
@example(EVERYTHING)
@settings(max_examples=150, deadline=None)
def test_values_and_gradients_agree_with_an_independent_peer(program: Any) -> None:
    places = numbers(program)
    value, gradient = bl.value_and_grad(lambda *a: program(np, *a), places)(*program.inputs)
    onp.testing.assert_allclose(value, program(onp, *program.inputs), rtol=1e-12, atol=1e-13)
    if program.steps:  # autograd gives no zeros for a constant function
        with onp.errstate(all="ignore"):
            peer = autograd.grad(lambda a: program(anp, *a))(tuple(program.inputs))
        # Where an element is 0, autograd divides the product by it.
        assume(all(onp.all(onp.isfinite(part)) for part in peer))
        close(gradient, peer)
    close(bl.jacfwd(lambda *a: program(np, *a), places)(*program.inputs), gradient)


@given(programs(steps=6))
@example(EVERYTHING)
@settings(max_examples=40, deadline=None)
def test_second_derivatives_agree_with_differences(program: Any) -> None:
    check_grads(lambda *a: program(np, *a), program.inputs, order=2, rtol=1e-4)


@given(programs(steps=6))
@settings(max_examples=40, deadline=None)
def test_hessians_agree_in_every_nesting_and_with_the_peer(program: Any) -> None:
    x = program.inputs[0]
    f = lambda x: program(np, x, *program.inputs[1:])  # noqa: E731
    hessian = bl.hessian(f)(x)
    for other in (bl.jacrev(bl.grad(f)), bl.jacfwd(bl.jacfwd(f)), bl.jacrev(bl.jacfwd(f))):
        onp.testing.assert_allclose(other(x), hessian, rtol=1e-9, atol=1e-10)
    peer = autograd.hessian(lambda x: program(anp, x, *program.inputs[1:]) + 0.0 * anp.sum(x**2))
    with onp.errstate(all="ignore"):
        expected = peer(onp.asarray(x))
    assume(bool(onp.all(onp.isfinite(expected))))  # autograd's product divides by its elements
    onp.testing.assert_allclose(hessian, expected, rtol=1e-8, atol=1e-9)


@given(programs())
@example(EVERYTHING)
@settings(max_examples=60, deadline=None)
def test_graphs_of_values_and_gradients_run_print_and_survive_json(program: Any) -> None:
    places = numbers(program)
    f = lambda *a: program(np, *a)  # noqa: E731
    for function, expected in (
        (f, [f(*program.inputs)]),
        (bl.grad(f, places), bl.grad(f, places)(*program.inputs)),
    ):
        graph = bl.trace(function)(*program.inputs)
        verify(graph)
        verify(graph.pruned())
        again = loads(dumps(graph))
        assert str(again) == str(graph)
        close(again(*program.inputs), expected)
        close(graph.pruned()(*program.inputs), expected)


@given(programs())
@settings(max_examples=60, deadline=None)
def test_tracing_by_shape_gives_the_same_graph_where_there_is_no_branch(program: Any) -> None:
    if any(name == "branch" for name, _, _ in program.steps):
        return
    f = lambda *a: program(np, *a)  # noqa: E731
    by_value = bl.trace(f)(*program.inputs)
    by_shape = bl.trace(f, abstract=True)(*program.inputs)
    verify(by_shape)
    assert str(by_shape) == str(by_value)
