"""Elementary functions as LLVM instructions for vectors of any width, and for single numbers.

`FUNCTIONS` maps the name of a primitive to a function that writes it: called with a `Lanes`, the
name of the element type and the names of the operands, it returns the name of the result. Nothing
is called from a library. A program that uses a function often has it once more as a function of
its own, and calls that: otherwise most of a long program would be copies of polynomials.
docs/vecmath.md says how large the errors are.
"""

from __future__ import annotations

from collections.abc import Callable

from backlit.compiler.text import Code, Lanes
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


# So often a function is written where it is used, for each element type and vector width. Short
# programs, whose loops are the hot ones, use none as often.
_WRITTEN_OUT = 32


def _shared(name: str, emit: Emitter) -> Emitter:
    """Return an emitter that calls the function from some number of uses on."""

    def write(lanes: Lanes, dtype: str, *operands: str) -> str:
        module, key = lanes.code.module, (name, dtype, lanes.width)
        module.uses[key] += 1
        if module.uses[key] <= _WRITTEN_OUT:
            return emit(lanes, dtype, *operands)
        kind = lanes.type(dtype)
        if key not in module.written:
            code = Code(module)
            names = [f"%x{k}" for k in range(len(operands))]
            result = emit(Lanes(code, lanes.width), dtype, *names)
            head = f"{kind} @({', '.join(f'{kind} {x}' for x in names)})"
            module.written[key] = module.kernel(name, head, code.body(f"ret {kind} {result}"))
        given = ", ".join(f"{kind} {x}" for x in operands)
        return lanes.code.let(f"call {kind} @{module.written[key]}({given})")

    return write


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
    "sqrt": _native(power.sqrt),
    **{f.__name__: _shared(f.__name__, _native(f)) for f in _NATIVE},
    **{f.__name__: _shared(f.__name__, _wide(f)) for f in _WIDE},
}
