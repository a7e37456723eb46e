"""Whatever is proved holds: expressions are rewritten by rules that are right, and that are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from backlit.explain.equation.tree import Binary, Name, Node
from backlit.explain.equation.values.arithmetic import Floats
from backlit.explain.equation.values.points import Point
from backlit.explain.equation.values.program import Program
from tests.explain.equation.trees import (
    add,
    call,
    compare,
    div,
    leaf,
    neg,
    node,
    power,
    sub,
    times,
)

Rule = Callable[[Node, Node], Node]

# For any x and y, and for numbers at which both are defined.
RIGHT: list[Rule] = [
    lambda x, y: add(x, times(0, y)),
    lambda x, y: sub(add(x, y), y),
    lambda x, y: sub(call("relu", x), call("relu", neg(x))),
    lambda x, y: times(call("abs", x), call("sign", x)),
    lambda x, y: add(times(x, compare(">", x, 0)), times(x, compare("<=", x, 0))),
    lambda x, y: sub(add(call("max", x, y), call("min", x, y)), y),
    lambda x, y: sub(add(x, call("log", call("exp", call("tanh", y)))), call("tanh", y)),
    lambda x, y: div(times(x, call("sigmoid", y)), call("sigmoid", y)),
    lambda x, y: times(call("sqrt", call("abs", x)), call("sqrt", call("abs", x)), call("sign", x)),
    lambda x, y: power(call("cbrt", x), 3),
    lambda x, y: add(y, times(compare(">", x, y), sub(x, y)), neg(call("relu", sub(y, x)))),
    lambda x, y: call("where", compare(">", y, 0), x, x),
    lambda x, y: times(x, add(power(call("sin", y), 2), power(call("cos", y), 2))),
    lambda x, y: sub(call("relu", add(x, call("abs", x))), call("abs", x)),
]
# Wrong somewhere, most of them on a branch only.
WRONG: list[Rule] = [
    lambda x, y: call("abs", x),
    lambda x, y: call("relu", x),
    lambda x, y: call("max", x, y),
    lambda x, y: call("sqrt", power(x, 2)),
    lambda x, y: add(x, times(call("relu", neg(add(x, 3))), 1e-9)),
    lambda x, y: add(x, times(compare(">", times(x, y), 0), compare("<", add(x, y), 0))),
    lambda x, y: times(x, compare(">=", call("relu", x), 0), compare(">", y, -5)),
    lambda x, y: call("where", compare("==", call("relu", x), 0), y, x),
    lambda x, y: add(x, call("relu", compare("<", call("relu", y), 0.001))),
    lambda x, y: call("clip", x, -4, 4),
]


@st.composite
def expressions(draw: Any) -> Node:
    """Draw an expression in x, y and z."""
    result = node(draw(st.sampled_from("xyz")))
    for _ in range(draw(st.integers(1, 3))):
        other = node(draw(st.sampled_from("xyz")))
        result = draw(
            st.sampled_from(
                [
                    add(result, other),
                    times(result, other),
                    sub(other, result),
                    call("relu", result),
                    call("abs", result),
                    call("tanh", result),
                    call("max", result, other),
                    call("leaky_relu", result),
                    div(other, add(1, power(result, 2))),
                ]
            )
        )
    return result


def rewritten(draw: Any, expression: Node, rules: list[Rule]) -> Node:
    """Apply a rule to a part of an expression."""
    parts = [part for part in expression.walk() if isinstance(part, (Name, Binary))]
    chosen = draw(st.sampled_from(parts))
    rule, other = draw(st.sampled_from(rules)), node(draw(st.sampled_from("xyz")))
    # The first of equal parts only.
    left = [chosen]

    def change(part: Node) -> Node:
        if left and part == left[0]:
            left.clear()
            return rule(part, other)
        return part

    return expression.map(change)


def differ(f: Node, g: Node, *wrt: str) -> bool:
    """Tell whether two expressions, or their derivatives, differ at many points near and far."""
    rng = np.random.default_rng(0)
    sizes = np.repeat([0.1, 1.0, 10.0, 100.0], 400)
    program = Program([("f", f), ("g", g)], {name: leaf(sizes.size) for name in "xyz"})
    leaves = {name: rng.normal(0.0, sizes) for name in "xyz"}
    floats = Floats()
    point = Point(program, leaves, program.draw(rng).functions, floats)
    x, y = [point.value("f")], [point.value("g")]
    for name in wrt:
        x.append(point.rows("f", name, (None,))[0])
        y.append(point.rows("g", name, (None,))[0])
    if floats.nearest < 1e-12:
        return False  # a tie, which rounding breaks
    return any(_apart(a, b, sizes) for a, b in zip(x, y, strict=True))


def _apart(x: Any, y: Any, sizes: Any) -> bool:
    rounding = 1e-9 * (np.abs(x) + np.abs(y)) + 1e-10 * sizes
    finite = np.isfinite(x) & np.isfinite(y)
    return bool(np.any(finite & (np.abs(x - y) > rounding)))


@settings(max_examples=80, deadline=None)
@given(st.data(), expressions(), st.sampled_from([(), (2,), (2, 3)]))
def test_what_is_proved_holds_everywhere(data: Any, f: Node, shape: tuple[int, ...]) -> None:
    g = rewritten(data.draw, f, WRONG + RIGHT)
    program = Program([("f", f), ("g", g)], {name: leaf(*shape) for name in "xyz"})
    if program.proved(node("f"), node("g")):
        assert not differ(f, g, *"xyz")


@settings(max_examples=80, deadline=None)
@given(st.data(), expressions())
def test_what_differs_is_not_proved(data: Any, f: Node) -> None:
    g = rewritten(data.draw, rewritten(data.draw, f, RIGHT), WRONG)
    program = Program([("f", f), ("g", g)], {name: leaf() for name in "xyz"})
    if differ(f, g):
        assert not program.proved(node("f"), node("g"))


def test_most_of_what_holds_is_proved() -> None:
    """Each right rule alone, on a variable, a sum and behind a relu."""
    missing = []
    for number, rule in enumerate(RIGHT):
        for x in (node("x"), add("x", times("y", "z")), call("relu", "x")):
            program = Program([("f", x)], {name: leaf() for name in "xyz"})
            if not program.proved(x, rule(x, node("y"))):
                missing.append((number, x))
    assert not missing
