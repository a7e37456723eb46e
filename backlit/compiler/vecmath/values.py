"""Numbers side by side, written as formulas: ``fma(x, y, 1.0) * z`` writes two instructions.

The values wrap the names that `Lanes` returns, so that the functions of this package read like the
formulas they compute. Nothing is contracted or reassociated: what is written is what is rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backlit.compiler.text import Lanes

INTEGERS = {"float32": "i32", "float64": "i64"}
MANTISSA = {"float32": 23, "float64": 52}
BIAS = {"float32": 127, "float64": 1023}


@dataclass(frozen=True, slots=True)
class Mask:
    """One truth value in every lane."""

    lanes: Lanes
    name: str

    def _combine(self, operation: str, other: str) -> Mask:
        kind = self.lanes.of("i1")
        return Mask(self.lanes, self.lanes.code.let(f"{operation} {kind} {self.name}, {other}"))

    def __and__(self, other: Mask) -> Mask:
        return self._combine("and", other.name)

    def __or__(self, other: Mask) -> Mask:
        return self._combine("or", other.name)

    def __xor__(self, other: Mask) -> Mask:
        return self._combine("xor", other.name)

    def __invert__(self) -> Mask:
        return self._combine("xor", self.lanes.const(True, "bool"))

    def choose(self, yes: Real | float, no: Real | float, dtype: str = "float64") -> Real:
        """Return one or the other, lane by lane; of two constants the type has to be said."""
        for value in (yes, no):
            if isinstance(value, Real):
                dtype = value.dtype
        like = Real(self.lanes, dtype, "")
        name = self.lanes.select(self.name, dtype, like.text(yes), like.text(no))
        return Real(self.lanes, dtype, name)

    def any(self) -> str:
        """Return one bit: whether some lane is true."""
        code, width = self.lanes.code, self.lanes.width
        if width == 1:
            return self.name
        together = code.let(f"bitcast <{width} x i1> {self.name} to i{width}")
        return code.let(f"icmp ne i{width} {together}, 0")


@dataclass(frozen=True, slots=True)
class Whole:
    """Integers of 32 or 64 bits, side by side; they wrap."""

    lanes: Lanes
    kind: str
    name: str

    def _binary(self, operation: str, other: Whole | int) -> Whole:
        right = other.name if isinstance(other, Whole) else self.lanes.bits(other, self.kind)
        kind = self.lanes.of(self.kind)
        name = self.lanes.code.let(f"{operation} {kind} {self.name}, {right}")
        return Whole(self.lanes, self.kind, name)

    def __add__(self, other: Whole | int) -> Whole:
        return self._binary("add", other)

    def __sub__(self, other: Whole | int) -> Whole:
        return self._binary("sub", other)

    def __and__(self, other: Whole | int) -> Whole:
        return self._binary("and", other)

    def __or__(self, other: Whole | int) -> Whole:
        return self._binary("or", other)

    def __xor__(self, other: Whole | int) -> Whole:
        return self._binary("xor", other)

    def __lshift__(self, count: int) -> Whole:
        return self._binary("shl", count)

    def __rshift__(self, count: int) -> Whole:
        """Shift right; zeros come in."""
        return self._binary("lshr", count)

    def equals(self, other: int) -> Mask:
        """Compare with one integer."""
        kind = self.lanes.of(self.kind)
        right = self.lanes.bits(other, self.kind)
        return Mask(self.lanes, self.lanes.code.let(f"icmp eq {kind} {self.name}, {right}"))

    def real(self) -> Real:
        """Return the floating-point number that these bits are."""
        dtype = "float32" if self.kind == "i32" else "float64"
        target = "float" if self.kind == "i32" else "double"
        name = self.lanes.convert("bitcast", self.kind, self.name, target)
        return Real(self.lanes, dtype, name)


@dataclass(frozen=True, slots=True)
class Real:
    """Floating-point numbers side by side."""

    lanes: Lanes
    dtype: str
    name: str

    def text(self, value: Real | float) -> str:
        """Return the name of a value, or a constant of this type in every lane."""
        return value.name if isinstance(value, Real) else self.lanes.const(value, self.dtype)

    def like(self, value: float) -> Real:
        """Return a constant of this type in every lane."""
        return Real(self.lanes, self.dtype, self.text(value))

    def _binary(self, operation: str, left: Real | float, right: Real | float) -> Real:
        name = self.lanes.op(operation, self.dtype, self.text(left), self.text(right))
        return Real(self.lanes, self.dtype, name)

    def _compare(self, predicate: str, other: Real | float) -> Mask:
        name = self.lanes.op(f"fcmp {predicate}", self.dtype, self.name, self.text(other))
        return Mask(self.lanes, name)

    def _unary(self, intrinsic: str) -> Real:
        return Real(self.lanes, self.dtype, self.lanes.intrinsic(intrinsic, self.dtype, self.name))

    def __add__(self, other: Real | float) -> Real:
        return self._binary("fadd", self, other)

    def __radd__(self, other: float) -> Real:
        return self._binary("fadd", other, self)

    def __sub__(self, other: Real | float) -> Real:
        return self._binary("fsub", self, other)

    def __rsub__(self, other: float) -> Real:
        return self._binary("fsub", other, self)

    def __mul__(self, other: Real | float) -> Real:
        return self._binary("fmul", self, other)

    def __rmul__(self, other: float) -> Real:
        return self._binary("fmul", other, self)

    def __truediv__(self, other: Real | float) -> Real:
        return self._binary("fdiv", self, other)

    def __rtruediv__(self, other: float) -> Real:
        return self._binary("fdiv", other, self)

    def __neg__(self) -> Real:
        name = self.lanes.op("fneg", self.dtype, self.name)
        return Real(self.lanes, self.dtype, name)

    # A comparison with a NaN is false.
    def __lt__(self, other: Real | float) -> Mask:
        return self._compare("olt", other)

    def __le__(self, other: Real | float) -> Mask:
        return self._compare("ole", other)

    def __gt__(self, other: Real | float) -> Mask:
        return self._compare("ogt", other)

    def __ge__(self, other: Real | float) -> Mask:
        return self._compare("oge", other)

    def equals(self, other: Real | float) -> Mask:
        """Compare; zeros of either sign are equal."""
        return self._compare("oeq", other)

    def is_nan(self) -> Mask:
        """Tell where this is not a number."""
        return self._compare("uno", self)

    def at_most(self, bound: float) -> Real:
        """Limit from above; NaN stays."""
        return (self > bound).choose(bound, self)

    def at_least(self, bound: float) -> Real:
        """Limit from below; NaN stays."""
        return (self < bound).choose(bound, self)

    def abs(self) -> Real:
        """Return the magnitude."""
        return self._unary("fabs")

    def sqrt(self) -> Real:
        """Return the square root, correctly rounded."""
        return self._unary("sqrt")

    def with_sign_of(self, other: Real) -> Real:
        """Return this magnitude with the sign of another."""
        name = self.lanes.intrinsic("copysign", self.dtype, self.name, other.name)
        return Real(self.lanes, self.dtype, name)

    def bits(self) -> Whole:
        """Return the bits as an integer."""
        source = "float" if self.dtype == "float32" else "double"
        kind = INTEGERS[self.dtype]
        return Whole(self.lanes, kind, self.lanes.convert("bitcast", source, self.name, kind))

    def to(self, dtype: str) -> Real:
        """Convert to the other floating-point type."""
        if dtype == self.dtype:
            return self
        wider = dtype == "float64"
        source, target = ("float", "double") if wider else ("double", "float")
        name = self.lanes.convert("fpext" if wider else "fptrunc", source, self.name, target)
        return Real(self.lanes, dtype, name)


def fma(x: Real, y: Real | float, z: Real | float) -> Real:
    """Return x y + z, rounded once."""
    name = x.lanes.intrinsic("fma", x.dtype, x.name, x.text(y), x.text(z))
    return Real(x.lanes, x.dtype, name)


def polynomial(x: Real, coefficients: Sequence[float]) -> Real:
    """Return Σ cᵢ xⁱ, by halves so that the processor can work on several terms at a time.

    Sources: G. Estrin, "Organization of computer systems: the fixed plus variable structure
    computer" (1960). The lowest terms, whose rounding counts, are added last.
    """
    if len(coefficients) == 1:
        return x * 0.0 + coefficients[0]
    level: list[Real | float] = list(coefficients)
    power = x
    while len(level) > 1:
        pairs: list[Real | float] = []
        for low, high in zip(level[::2], level[1::2], strict=False):
            pairs.append(fma(power, high, low))
        if len(level) % 2:
            pairs.append(level[-1])
        level = pairs
        if len(level) > 1:
            power = power * power
    result = level[0]
    assert isinstance(result, Real)
    return result
