"""Derivatives of functions of one number, as texts write them."""

from __future__ import annotations

from collections.abc import Callable

from backlit.explain.derivation.expression import (
    ONE,
    ZERO,
    Expression,
    add,
    divide,
    make,
    multiply,
    negative,
    number,
    power,
)


def _slopes() -> dict[str, Callable[[Expression], Expression]]:
    def f(name: str, x: Expression) -> Expression:
        return make(name, x, shape=x.shape)

    def minus(a: Expression, b: Expression) -> Expression:
        return add(a, negative(b))

    return {
        "sigmoid": lambda x: multiply(f("sigmoid", x), minus(ONE, f("sigmoid", x))),
        "tanh": lambda x: minus(ONE, power(f("tanh", x), 2)),
        "relu": lambda x: make("greater", x, ZERO, shape=x.shape),
        "softplus": lambda x: f("sigmoid", x),
        "log_sigmoid": lambda x: minus(ONE, f("sigmoid", x)),
        "exp": lambda x: f("exp", x),
        "log": lambda x: divide(ONE, x),
        "sqrt": lambda x: divide(ONE, multiply(number(2), f("sqrt", x))),
        "sin": lambda x: f("cos", x),
        "cos": lambda x: negative(f("sin", x)),
        "tan": lambda x: add(ONE, power(f("tan", x), 2)),
        "sinh": lambda x: f("cosh", x),
        "cosh": lambda x: f("sinh", x),
        "absolute": lambda x: f("sign", x),
        "erf": lambda x: multiply(number(1.1283791670955126), f("exp", negative(power(x, 2)))),
        "arctan": lambda x: divide(ONE, add(ONE, power(x, 2))),
    }


SLOPES = _slopes()
