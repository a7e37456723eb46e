"""Elementwise operations, one by one: how each is written for a vector of elements.

Arithmetic follows NumPy to the bit: nothing is contracted or reassociated, integers wrap, integer
division by zero gives zero, the maximum with a NaN is NaN. Elementary functions come from
`backlit.compiler.vecmath`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as onp

from backlit.compiler.text import NATIVE, Lanes, scalar_type
from backlit.compiler.vecmath import FUNCTIONS
from backlit.core.aval import AbstractValue
from backlit.core.graph import Atom, Literal, Var

DType = onp.dtype[Any]
Lowering = Callable[..., str]
_BOOL = onp.dtype(bool)
_COMPARISONS = {
    "greater": ("ogt", "gt"),
    "greater_equal": ("oge", "ge"),
    "less": ("olt", "lt"),
    "less_equal": ("ole", "le"),
    "equal": ("oeq", "eq"),
    "not_equal": ("une", "ne"),
}
_LOGICAL = {"logical_and": "and", "logical_or": "or", "logical_xor": "xor"}
_ROUNDING = {"floor": "floor", "ceil": "ceil", "trunc": "trunc", "rint": "rint"}


def cast(lanes: Lanes, value: str, source: DType, target: DType) -> str:
    """Convert as NumPy's astype does."""
    if source == target:
        return value
    a, b = scalar_type(source), scalar_type(target)
    if target == _BOOL:
        zero = lanes.const(0, source)
        return lanes.op("fcmp une" if source.kind == "f" else "icmp ne", source, value, zero)
    if source.kind == "f" and target.kind == "f":
        if (source.itemsize, target.itemsize) == (8, 2):
            value, a = lanes.convert("fptrunc", a, _to_odd(lanes, value), "float"), "float"
        narrowing = source.itemsize > target.itemsize
        return lanes.convert("fptrunc" if narrowing else "fpext", a, value, b)
    if target.kind == "f":
        value = lanes.hidden(value) if source == _BOOL else value
        return lanes.convert("sitofp" if source.kind == "i" else "uitofp", a, value, b)
    if source.kind == "f":
        return _to_integer(lanes, value, source, target)
    if target.itemsize > source.itemsize or source == _BOOL:
        return lanes.convert("sext" if source.kind == "i" else "zext", a, value, b)
    if target.itemsize < source.itemsize:
        return lanes.convert("trunc", a, value, b)
    return value


def _to_odd(lanes: Lanes, x: str) -> str:
    """Cut a float64 to the digits of a float32; what is cut off sets the last digit that is left.

    Rounded once more, to float16, the result is that of rounding x: between two float16, and beside
    the middle of them, it lies where x lies.
    """
    low = lanes.bits((1 << 29) - 1, "i64")
    kind, code = lanes.of("i64"), lanes.code
    bits = lanes.convert("bitcast", "double", x, "i64")
    some = code.let(f"add {kind} {code.let(f'and {kind} {bits}, {low}')}, {low}")
    kept = code.let(f"or {kind} {bits}, {some}")
    kept = code.let(f"and {kind} {kept}, {lanes.bits(-(1 << 29), 'i64')}")
    return lanes.convert("bitcast", "i64", kept, "double")


def _to_integer(lanes: Lanes, value: str, source: DType, target: DType) -> str:
    """Cut off the fraction; what does not fit becomes the smallest integer, as x86's conversion."""
    kind = lanes.type(target)
    info = onp.iinfo(target)
    short = {"float": "f32", "double": "f64", "half": "f16"}[scalar_type(source)]
    width = "" if lanes.width == 1 else f"v{lanes.width}"
    whole = lanes.code.call(
        f"llvm.fptosi.sat.{width}{scalar_type(target)}.{width}{short}",
        kind,
        [(lanes.type(source), value)],
    )
    low = lanes.op("fcmp oge", source, value, lanes.const(float(info.min), source))
    high = lanes.op("fcmp olt", source, value, lanes.const(-float(info.min), source))
    inside = lanes.code.let(f"and {lanes.of('i1')} {low}, {high}")
    return lanes.select(inside, target, whole, lanes.const(info.min, target))


def castable(source: DType, target: DType) -> bool:
    """Tell whether `cast` gives what NumPy gives."""
    if source not in NATIVE or target not in NATIVE:
        return False
    if source.kind == "f" and target.kind in "iu":
        return target.kind == "i" and target.itemsize >= 4
    return True


def fits(atom: Atom, dtype: DType) -> bool:
    """Tell whether an operand can be converted, a whole number without wrapping."""
    if not isinstance(atom, Literal) or type(atom.value) is not int or dtype.kind not in "iu":
        return True
    limits = onp.iinfo(dtype)
    return bool(limits.min <= atom.value <= limits.max)


def working_type(name: str, atoms: Sequence[Atom], out: AbstractValue) -> DType | None:
    """Return the type in which an operation is computed, or None if there is none.

    That is where it takes mixed operands, and where signed integers are compared with uint64: as
    floats, as which they are added, different ones may be equal.
    """
    if name in ("astype", "where", "clip", "integer_power", "random_bits"):
        return None
    if name in _LOGICAL or name == "logical_not":
        return _BOOL
    if out.dtype != _BOOL:
        return out.dtype
    whole = all(a.aval.dtype.kind in "iub" for a in atoms)
    # A Python integer that is an argument may be out of the range of what it is compared with.
    kinds = [
        a.aval.dtype.type(0).item()
        if a.aval.weak and not (whole and isinstance(a, Var))
        else a.aval.dtype
        for a in atoms
    ]
    kind = onp.result_type(*kinds)
    return None if whole and kind.kind == "f" else kind


def lowering(name: str, kind: DType | None) -> Lowering | None:
    """Return the function that writes an operation for operands of a type, or None.

    It is called as ``write(lanes, dtype, *operands)``.
    """
    if kind is None or kind not in NATIVE:
        return None
    if kind.kind == "f" and kind.itemsize > 2 and name in FUNCTIONS:
        function = FUNCTIONS[name]
        return lambda lanes, dtype, *x: function(lanes, dtype.name, *x)
    if name in _COMPARISONS:
        return lambda lanes, dtype, a, b: _compare(lanes, dtype, name, a, b)
    if name in _LOGICAL:
        return lambda lanes, dtype, a, b: lanes.op(_LOGICAL[name], dtype, a, b)
    if name in _ROUNDING and kind.kind == "f":
        return lambda lanes, dtype, a: lanes.intrinsic(_ROUNDING[name], dtype, a)
    if name in _ROUNDING:
        return lambda lanes, dtype, a: a
    table = _FLOAT if kind.kind == "f" else _BOOLEAN if kind == _BOOL else _INTEGER
    return table.get(name) or _ANY.get(name)


def _compare(lanes: Lanes, dtype: DType, name: str, a: str, b: str) -> str:
    real, whole = _COMPARISONS[name]
    if dtype.kind == "f":
        return lanes.op(f"fcmp {real}", dtype, a, b)
    sign = "" if whole in ("eq", "ne") else "s" if dtype.kind == "i" else "u"
    return lanes.op(f"icmp {sign}{whole}", dtype, a, b)


# --- floats -----------------------------------------------------------------------------------


def _absolute(lanes: Lanes, dtype: DType, x: str) -> str:
    return lanes.intrinsic("fabs", dtype, x)


def _extreme(better: str) -> Lowering:
    def write(lanes: Lanes, dtype: DType, a: str, b: str) -> str:
        # NumPy: a if a is better or NaN, else b (which may be NaN).
        first = lanes.op(f"fcmp {better}", dtype, a, b)
        nan = lanes.op("fcmp uno", dtype, a, a)
        return lanes.select(lanes.code.let(f"or {lanes.of('i1')} {first}, {nan}"), dtype, a, b)

    return write


def _relu(lanes: Lanes, dtype: DType, x: str) -> str:
    zero = lanes.const(0.0, dtype)
    return lanes.select(lanes.op("fcmp olt", dtype, x, zero), dtype, zero, x)


def _sign(lanes: Lanes, dtype: DType, x: str) -> str:
    zero = lanes.const(0.0, dtype)
    up = lanes.op("fcmp ogt", dtype, x, zero)
    down = lanes.op("fcmp olt", dtype, x, zero)
    nan = lanes.op("fcmp uno", dtype, x, x)
    low = lanes.select(down, dtype, lanes.const(-1.0, dtype), zero)
    signed = lanes.select(up, dtype, lanes.const(1.0, dtype), low)
    return lanes.select(nan, dtype, x, signed)


def _isfinite(lanes: Lanes, dtype: DType, x: str) -> str:
    return lanes.op("fcmp olt", dtype, _absolute(lanes, dtype, x), lanes.const(onp.inf, dtype))


def _isinf(lanes: Lanes, dtype: DType, x: str) -> str:
    return lanes.op("fcmp oeq", dtype, _absolute(lanes, dtype, x), lanes.const(onp.inf, dtype))


def _remainder(lanes: Lanes, dtype: DType, a: str, b: str) -> str:
    """Return the remainder with the divisor's sign, as Python's and NumPy's % has it."""
    zero = lanes.const(0.0, dtype)
    rest = lanes.op("frem", dtype, a, b)
    opposite = lanes.code.let(
        f"xor {lanes.of('i1')} {lanes.op('fcmp olt', dtype, b, zero)}, "
        f"{lanes.op('fcmp olt', dtype, rest, zero)}"
    )
    moved = lanes.select(opposite, dtype, lanes.op("fadd", dtype, rest, b), rest)
    none = lanes.intrinsic("copysign", dtype, zero, b)
    return lanes.select(lanes.op("fcmp oeq", dtype, rest, zero), dtype, none, moved)


def _floor_divide(lanes: Lanes, dtype: DType, a: str, b: str) -> str:
    """Return floor(a / b) computed from the exact remainder, as NumPy does."""
    zero, one = lanes.const(0.0, dtype), lanes.const(1.0, dtype)
    rest = lanes.op("frem", dtype, a, b)
    quotient = lanes.op("fdiv", dtype, lanes.op("fsub", dtype, a, rest), b)
    opposite = lanes.code.let(
        f"xor {lanes.of('i1')} {lanes.op('fcmp olt', dtype, b, zero)}, "
        f"{lanes.op('fcmp olt', dtype, rest, zero)}"
    )
    uneven = lanes.op("fcmp une", dtype, rest, zero)
    lower = lanes.code.let(f"and {lanes.of('i1')} {opposite}, {uneven}")
    quotient = lanes.select(lower, dtype, lanes.op("fsub", dtype, quotient, one), quotient)
    whole = lanes.intrinsic("floor", dtype, quotient)
    above = lanes.op("fsub", dtype, quotient, whole)
    round_up = lanes.op("fcmp ogt", dtype, above, lanes.const(0.5, dtype))
    whole = lanes.select(round_up, dtype, lanes.op("fadd", dtype, whole, one), whole)
    ratio = lanes.op("fdiv", dtype, a, b)
    signed_zero = lanes.intrinsic("copysign", dtype, zero, ratio)
    whole = lanes.select(lanes.op("fcmp une", dtype, quotient, zero), dtype, whole, signed_zero)
    # By zero: the plain quotient, infinite or NaN.
    return lanes.select(lanes.op("fcmp oeq", dtype, b, zero), dtype, ratio, whole)


def _simple(name: str) -> Lowering:
    return lambda lanes, dtype, *x: lanes.op(name, dtype, *x)


def _square(product: str) -> Lowering:
    return lambda lanes, dtype, x: lanes.op(product, dtype, x, x)


_FLOAT: dict[str, Lowering] = {
    "add": _simple("fadd"),
    "subtract": _simple("fsub"),
    "multiply": _simple("fmul"),
    "divide": _simple("fdiv"),
    "negative": _simple("fneg"),
    "reciprocal": lambda lanes, dtype, x: lanes.op("fdiv", dtype, lanes.const(1.0, dtype), x),
    "square": _square("fmul"),
    "absolute": _absolute,
    "maximum": _extreme("oge"),
    "minimum": _extreme("ole"),
    "relu": _relu,
    "sign": _sign,
    "sqrt": lambda lanes, dtype, x: lanes.intrinsic("sqrt", dtype, x),
    "root_of_variance": lambda lanes, dtype, x: lanes.intrinsic("sqrt", dtype, x),
    "isnan": lambda lanes, dtype, x: lanes.op("fcmp uno", dtype, x, x),
    "isinf": _isinf,
    "isfinite": _isfinite,
    "remainder": _remainder,
    "floor_divide": _floor_divide,
}

# --- integers and booleans --------------------------------------------------------------------


def _integer_extreme(up: bool) -> Lowering:
    def write(lanes: Lanes, dtype: DType, a: str, b: str) -> str:
        sign = "s" if dtype.kind == "i" else "u"
        return lanes.intrinsic(f"{sign}{'max' if up else 'min'}", dtype, a, b)

    return write


def _integer_divide(remainder: bool) -> Lowering:
    def write(lanes: Lanes, dtype: DType, a: str, b: str) -> str:
        zero, one = lanes.const(0, dtype), lanes.const(1, dtype)
        none = lanes.op("icmp eq", dtype, b, zero)
        divisor = lanes.select(none, dtype, one, b)
        if dtype.kind == "u":
            value = lanes.op("urem" if remainder else "udiv", dtype, a, divisor)
            return lanes.select(none, dtype, zero, value)
        # The one quotient that does not fit traps: −2ⁿ⁻¹ / −1; divide by −1 as a negation.
        minus = lanes.op("icmp eq", dtype, b, lanes.const(-1, dtype))
        divisor = lanes.select(minus, dtype, one, divisor)
        quotient, rest = lanes.op("sdiv", dtype, a, divisor), lanes.op("srem", dtype, a, divisor)
        bit = lanes.of("i1")
        opposite = lanes.op("icmp slt", dtype, lanes.op("xor", dtype, rest, divisor), zero)
        uneven = lanes.op("icmp ne", dtype, rest, zero)
        lower = lanes.code.let(f"and {bit} {opposite}, {uneven}")
        if remainder:
            value = lanes.select(lower, dtype, lanes.op("add", dtype, rest, divisor), rest)
            value = lanes.select(minus, dtype, zero, value)
        else:
            value = lanes.select(lower, dtype, lanes.op("sub", dtype, quotient, one), quotient)
            value = lanes.select(minus, dtype, lanes.op("sub", dtype, zero, a), value)
        return lanes.select(none, dtype, zero, value)

    return write


def _integer_absolute(lanes: Lanes, dtype: DType, x: str) -> str:
    if dtype.kind == "u":
        return x
    negative = lanes.op("icmp slt", dtype, x, lanes.const(0, dtype))
    return lanes.select(negative, dtype, lanes.op("sub", dtype, lanes.const(0, dtype), x), x)


def _integer_sign(lanes: Lanes, dtype: DType, x: str) -> str:
    zero, one = lanes.const(0, dtype), lanes.const(1, dtype)
    if dtype.kind == "u":
        return lanes.select(lanes.op("icmp ne", dtype, x, zero), dtype, one, zero)
    low = lanes.select(lanes.op("icmp slt", dtype, x, zero), dtype, lanes.const(-1, dtype), zero)
    return lanes.select(lanes.op("icmp sgt", dtype, x, zero), dtype, one, low)


def _always(value: bool) -> Lowering:
    return lambda lanes, dtype, x: lanes.const(value, _BOOL)


def _integer_relu(lanes: Lanes, dtype: DType, x: str) -> str:
    return _integer_extreme(True)(lanes, dtype, x, lanes.const(0, dtype))


_INTEGER: dict[str, Lowering] = {
    "add": _simple("add"),
    "subtract": _simple("sub"),
    "multiply": _simple("mul"),
    "negative": lambda lanes, dtype, x: lanes.op("sub", dtype, lanes.const(0, dtype), x),
    "square": _square("mul"),
    "absolute": _integer_absolute,
    "maximum": _integer_extreme(True),
    "minimum": _integer_extreme(False),
    "relu": _integer_relu,
    "sign": _integer_sign,
    "floor_divide": _integer_divide(remainder=False),
    "remainder": _integer_divide(remainder=True),
    "bitwise_and": _simple("and"),
    "bitwise_or": _simple("or"),
    "bitwise_xor": _simple("xor"),
    "invert": lambda lanes, dtype, x: lanes.op("xor", dtype, x, lanes.const(-1, dtype)),
    "isnan": _always(False),
    "isinf": _always(False),
    "isfinite": _always(True),
}


def _not(lanes: Lanes, dtype: DType, x: str) -> str:
    return lanes.op("xor", dtype, x, lanes.const(True, dtype))


_BOOLEAN: dict[str, Lowering] = {
    "add": _simple("or"),
    "multiply": _simple("and"),
    "maximum": _simple("or"),
    "minimum": _simple("and"),
    "bitwise_and": _simple("and"),
    "bitwise_or": _simple("or"),
    "bitwise_xor": _simple("xor"),
    "invert": _not,
    "logical_not": _not,
    "square": lambda lanes, dtype, x: x,
    "absolute": lambda lanes, dtype, x: x,
    "isnan": _always(False),
    "isinf": _always(False),
    "isfinite": _always(True),
}
_ANY: dict[str, Lowering] = {
    "positive": lambda lanes, dtype, x: x,
    "stop_gradient": lambda lanes, dtype, x: x,
}
