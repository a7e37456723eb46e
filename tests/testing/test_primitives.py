"""The checks that every primitive passes are able to fail: each is shown a primitive it rejects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as onp
import pytest

from backlit.core.aval import AbstractValue
from backlit.core.primitive import Case, Primitive
from backlit.core.tracer import live_traces
from backlit.ops import elementwise as ew
from backlit.ops.families import custom, elementwise, linear
from backlit.testing import GradientCheckError, PrimitiveError, check_primitive

Declare = Callable[[], Primitive]


def same(x: AbstractValue) -> AbstractValue:
    return AbstractValue(x.shape, x.dtype)


def own_sin(partial: Any, impl: Any = onp.sin, latex: str = "{0}") -> Primitive:
    return elementwise("scratch", impl, partial, latex=latex)


def own_custom(push: Any, pull: Any, impl: Any = onp.sin, **options: Any) -> Primitive:
    cases = (Case(((3,),)), Case(((2, 2),)))
    return custom("scratch", impl, same, push, pull, cases=cases, latex="{0}", **options)


def right_push(t: Any, y: Any, args: Any, params: Any) -> Any:
    return None if t[0] is None else t[0] * ew.cos(args[0])


def right_pull(g: Any, y: Any, args: Any, params: Any, needs: Any) -> Any:
    return (g * ew.cos(args[0]),)


def frozen_cos(x: Any) -> Any:
    """cos whose own derivative is missing: wrong in second order only."""
    return ew.stop_gradient(ew.cos(x))


@pytest.mark.usefixtures("scratch")
@pytest.mark.parametrize(
    "declare",
    [
        lambda: own_sin(lambda x, y: ew.cos(x)),
        lambda: own_custom(right_push, right_pull),
    ],
)
def test_a_right_declaration_passes(declare: Declare) -> None:
    assert check_primitive(declare()) > 0


@pytest.mark.usefixtures("scratch")
@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: own_sin(lambda x, y: ew.sin(x)), "order 1"),
        (lambda: own_sin(lambda x, y: 1.001 * ew.cos(x)), "order 1"),
        (lambda: own_sin(lambda x, y: frozen_cos(x)), "order 2"),
        (lambda: own_custom(lambda *a: -1.0 * right_push(*a), right_pull), "forward-mode"),
        (lambda: own_custom(right_push, lambda *a: (-right_pull(*a)[0],)), "reverse-mode"),
        (
            lambda: linear(
                "scratch",
                lambda x: 2.0 * x,
                same,
                lambda slot, g, x: g,
                latex="{0}",
                cases=(Case(((3,),)),),
            ),
            "reverse-mode",
        ),
    ],
)
def test_a_wrong_derivative_fails(declare: Declare, message: str) -> None:
    with pytest.raises(GradientCheckError, match=message):
        check_primitive(declare(), ["derivatives"])


@pytest.mark.usefixtures("scratch")
@pytest.mark.parametrize(
    ("check", "declare", "message"),
    [
        (
            "types",
            lambda: linear(
                "scratch",
                onp.transpose,
                same,
                lambda slot, g, x: ew.positive(g),
                latex="{0}",
                cases=(Case(((2, 3),)),),
            ),
            r"the rule says float64\[2,3\], NumPy gives float64\[3,2\]",
        ),
        (
            "types",
            lambda: own_custom(right_push, right_pull, impl=lambda x: onp.float64(1.0) * x),
            "the rule says float32",
        ),
        (
            "graph",
            lambda: own_custom(right_push, right_pull, impl=Counting()),
            "its graph gives",
        ),
        ("description", lambda: own_sin(lambda x, y: ew.cos(x), latex=""), "bad LaTeX"),
        (
            "description",
            lambda: own_custom(right_push, right_pull, flops=lambda out, avals, params: -1),
            "flops are -1",
        ),
        (
            "gradient types",
            lambda: own_custom(
                right_push,
                lambda g, y, args, p, needs: (
                    onp.float64(1.0) * right_pull(g, y, args, p, needs)[0],
                ),
            ),
            r"cotangent of float32\[3\] is float64\[3\]",
        ),
        (
            "slots",
            lambda: own_custom(lambda t, y, a, p: 0.0 if t[0] is None else t[0] * y, right_pull),
            "no tangents give a tangent",
        ),
        (
            "gradient graph",
            lambda: own_custom(
                right_push,
                lambda g, *rest: (right_pull(g, *rest)[0] * (2.0 if live_traces() else 1.0),),
            ),
            "its graph gives",
        ),
        (
            "complex step",
            lambda: own_sin(lambda x, y: (1.0 + 1e-9) * ew.cos(x)),
            "a complex step gives",
        ),
    ],
)
def test_a_broken_rule_fails(check: str, declare: Declare, message: str) -> None:
    with pytest.raises(PrimitiveError, match=message):
        check_primitive(declare(), [check])


class Counting:
    """An implementation that gives something else every time."""

    calls = 0

    def __call__(self, x: Any) -> Any:
        self.calls += 1
        return x + onp.asarray(self.calls, x.dtype)
