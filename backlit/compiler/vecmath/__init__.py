"""Elementary functions as LLVM instructions for vectors of any width, and for single numbers.

`FUNCTIONS` maps the name of a primitive to a function that writes it: called with a `Lanes`, the
name of the element type and the names of the operands, it returns the name of the result. Nothing
is called from a library. docs/vecmath.md says how large the errors are.
"""

from __future__ import annotations

from collections.abc import Callable

from backlit.compiler.text import Lanes
from backlit.compiler.vecmath import (
    exponential,
    hyperbolic,
    inverse,
    power,
    special,
    trigonometric,
)
from backlit.compiler.vecmath.values import Real

Emitter = Callable[..., str]


def _native(function: Callable[..., Real]) -> Emitter:
    """Return the emitter of a function that chooses itself how to compute float32."""

    def emit(lanes: Lanes, dtype: str, *operands: str) -> str:
        return function(*(Real(lanes, dtype, x) for x in operands)).name

    return emit


def _wide(function: Callable[..., Real]) -> Emitter:
    """Return the emitter of a function that computes float32 in float64, in short polynomials."""

    def emit(lanes: Lanes, dtype: str, *operands: str) -> str:
        form = "short" if dtype == "float32" else dtype
        values = (Real(lanes, dtype, x).to("float64") for x in operands)
        return function(*values, form).to(dtype).name

    return emit


_NATIVE = (
    exponential.exp,
    exponential.exp2,
    exponential.expm1,
    exponential.log,
    exponential.log1p,
    exponential.sigmoid,
    exponential.softplus,
    exponential.log_sigmoid,
    hyperbolic.tanh,
    power.log2,
    power.log10,
    power.power,
    power.sqrt,
)
_WIDE = (
    exponential.logaddexp,
    trigonometric.sin,
    trigonometric.cos,
    trigonometric.tan,
    hyperbolic.sinh,
    hyperbolic.cosh,
    hyperbolic.arcsinh,
    hyperbolic.arccosh,
    hyperbolic.arctanh,
    inverse.arcsin,
    inverse.arccos,
    inverse.arctan,
    inverse.arctan2,
    power.cbrt,
    power.hypot,
    special.erf,
    special.erfc,
)

FUNCTIONS: dict[str, Emitter] = {
    **{function.__name__: _native(function) for function in _NATIVE},
    **{function.__name__: _wide(function) for function in _WIDE},
}
