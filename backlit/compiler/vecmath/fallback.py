"""Functions of the C library, called lane by lane."""

from __future__ import annotations

from collections.abc import Callable

from backlit.compiler.text import Lanes, scalar_type

Emitter = Callable[..., str]

NAMES = {
    "log2": "log2",
    "log10": "log10",
    "sin": "sin",
    "cos": "cos",
    "tan": "tan",
    "tanh": "tanh",
    "sinh": "sinh",
    "cosh": "cosh",
    "erf": "erf",
    "erfc": "erfc",
    "power": "pow",
    "cbrt": "cbrt",
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "arctan2": "atan2",
    "hypot": "hypot",
    "arcsinh": "asinh",
    "arccosh": "acosh",
    "arctanh": "atanh",
}


def _library(name: str) -> Emitter:
    def emit(lanes: Lanes, dtype: str, *operands: str) -> str:
        code, scalar = lanes.code, scalar_type(dtype)
        symbol = name + ("f" if scalar == "float" else "")
        if lanes.width == 1:
            return code.call(symbol, scalar, [(scalar, x) for x in operands])
        kind, result = lanes.of(scalar), "poison"
        for i in range(lanes.width):
            items = [code.let(f"extractelement {kind} {x}, i64 {i}") for x in operands]
            item = code.call(symbol, scalar, [(scalar, x) for x in items])
            result = code.let(f"insertelement {kind} {result}, {scalar} {item}, i64 {i}")
        return result

    return emit


def _sqrt(lanes: Lanes, dtype: str, x: str) -> str:
    return lanes.intrinsic("sqrt", dtype, x)


FUNCTIONS: dict[str, Emitter] = {
    "sqrt": _sqrt,
    **{name: _library(symbol) for name, symbol in NAMES.items()},
}
