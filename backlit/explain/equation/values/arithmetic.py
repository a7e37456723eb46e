"""What an expression is evaluated in: the interface, double precision, and the engine.

An arithmetic makes arrays and offers the few functions from which all others are put together.
Its arrays have `shape`, ``+ - * / @``, negation, `reshape`, `transpose`, `sum` and indexing as
NumPy's do. 50-digit numbers, residues and dual numbers have files of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as onp
from numpy.typing import NDArray

import backlit.numpy as engine
from backlit.explain.equation.values.special import GAMMA, gamma_function

Array = Any
Shape = tuple[int, ...]

ELEMENTARY = frozenset(
    (*"exp log sqrt cbrt sin cos arcsin arctan erf sigmoid tanh softplus floor".split(), *GAMMA)
)
"""The functions of one number that `Arithmetic.apply` takes, element by element."""

_HIGH_POWER = 16
_CONSTANTS = {"pi": math.pi, "e": math.e, "inf": math.inf}


class Arithmetic:
    """The operations of an arithmetic beyond those of its arrays.

    Attributes
    ----------
    digits : int
        How many are right.
    """

    digits = 16

    def number(self, value: Fraction) -> Array:
        """Return a number as an array of rank 0."""
        raise TypeError(f"{type(self).__name__} makes no numbers")

    def integers(self, values: NDArray[Any]) -> Array:
        """Return an array of whole numbers."""
        raise TypeError(f"{type(self).__name__} makes no numbers")

    def constant(self, name: str) -> Array:
        """Return ``pi``, ``e`` or ``inf`` as an array of rank 0."""
        raise TypeError(f"{type(self).__name__} has no constants")

    def positive(self, x: Array) -> Array:
        """Return 1 where x > 0 and 0 elsewhere."""
        raise TypeError(f"{type(self).__name__} has no order")

    def zero(self, x: Array) -> Array:
        """Return 1 where x = 0 and 0 elsewhere."""
        raise TypeError(f"{type(self).__name__} has no equality")

    def choose(self, condition: Array, x: Array, y: Array) -> Array:
        """Return x where the condition is 1 and y where it is 0."""
        return y + condition * (x - y)

    def apply(self, name: str, x: Array) -> Array:
        """Return an `ELEMENTARY` function of every element; some follow from exp and log."""
        if name in GAMMA:
            return gamma_function(self, name, x)
        one = self.number(Fraction(1))
        if name == "sigmoid":
            return one / (one + self.apply("exp", -x))
        if name == "tanh":
            return (one + one) * self.apply("sigmoid", x + x) - one
        if name == "softplus":
            return self.apply("log", one + self.apply("exp", x))
        raise TypeError(f"{type(self).__name__} has no {name}")

    def integer_power(self, x: Array, n: int) -> Array:
        """Return xⁿ by squaring, which is exact where products are."""
        if n < 0:
            return self.number(Fraction(1)) / self.integer_power(x, -n)
        if n == 0:
            return self.broadcast(self.number(Fraction(1)), x.shape)
        result = None
        while True:
            if n & 1:
                result = x if result is None else result * x
            n >>= 1
            if not n:
                return result
            x = x * x

    def rational_power(self, x: Array, exponent: Fraction) -> Array:
        """Return x to a fixed power: a whole one by products, half a one through the root."""
        if exponent.denominator == 1:
            return self.integer_power(x, exponent.numerator)
        if exponent.denominator == 2:
            return self.integer_power(self.apply("sqrt", x), exponent.numerator)
        # The fraction apart, so that x^c and x^(c−1) differ by a factor x exactly.
        whole = math.floor(exponent)
        part = self.power(x, self.number(exponent - whole))
        return part * self.integer_power(x, whole) if whole else part

    def power(self, x: Array, y: Array) -> Array:
        """Return xʸ for positive x."""
        return self.apply("exp", y * self.apply("log", x))

    def broadcast(self, x: Array, shape: Shape) -> Array:
        """Return x repeated to a shape."""
        raise TypeError(f"{type(self).__name__} has no arrays")

    def concatenate(self, parts: Sequence[Array], axis: int) -> Array:
        """Return arrays joined along an axis they have."""
        raise TypeError(f"{type(self).__name__} has no arrays")


# --- double precision -----------------------------------------------------------------------------


def _cbrt(x: Array) -> Array:
    side = onp.sign(onp.real(x))
    return side * (side * x) ** (1.0 / 3.0)


def _erf(x: Array) -> Array:
    real = onp.real(x)
    if not onp.iscomplexobj(x):
        return engine.erf(real)
    # To first order in the imaginary part, which is all that a complex step looks at.
    slope = 2.0 / math.sqrt(math.pi) * onp.exp(-real * real)
    return engine.erf(real) + 1j * slope * onp.imag(x)


def _sigmoid(x: Array) -> Array:
    return 1.0 / (1.0 + onp.exp(-x))


def _within(f: Callable[[Array], Array], low: float, high: float) -> Callable[[Array], Array]:
    """Return f with NaN outside its real range, where it would continue as a complex number."""
    return lambda x: onp.where((onp.real(x) >= low) & (onp.real(x) <= high), f(x), onp.nan)


_FLOATS: dict[str, Callable[[Array], Array]] = {
    "exp": onp.exp,
    "log": _within(onp.log, 0.0, math.inf),
    "sqrt": _within(onp.sqrt, 0.0, math.inf),
    "cbrt": _cbrt,
    "sin": onp.sin,
    "cos": onp.cos,
    "arcsin": _within(onp.arcsin, -1.0, 1.0),
    "arctan": onp.arctan,
    "erf": _erf,
    "sigmoid": _sigmoid,
    "tanh": onp.tanh,
    "softplus": lambda x: onp.log(1.0 + onp.exp(x)),
}


class Floats(Arithmetic):
    """Double precision, real or complex.

    Parameters
    ----------
    dtype : dtype
        ``float64``, or ``complex128`` for derivatives by the complex step: order is that of the
        real parts, and every function is continued from its real branch.

    Attributes
    ----------
    nearest : float
        The smallest distance, other than zero, of anything that was compared from the place
        where the comparison turns: how close the point is to a kink.
    """

    def __init__(self, dtype: Any = onp.float64) -> None:
        self.dtype = onp.dtype(dtype)
        self.nearest = math.inf

    def number(self, value: Fraction) -> Array:
        """Return a number as an array of rank 0, infinite if it is too large."""
        try:
            return self.dtype.type(float(value))
        except OverflowError:
            return self.dtype.type(math.inf if value > 0 else -math.inf)

    def constant(self, name: str) -> Array:
        """Return ``pi``, ``e`` or ``inf`` as an array of rank 0."""
        return self.dtype.type(_CONSTANTS[name])

    def integers(self, values: NDArray[Any]) -> Array:
        """Return an array of whole numbers."""
        return values.astype(self.dtype)

    def _seen(self, x: Array) -> Array:
        """Return what is compared with zero, and remember how close it comes.

        An exact zero is the rest of an earlier choice (a dead relu), not a coincidence.
        """
        real = onp.asarray(onp.real(x))
        distances = onp.abs(real[real != 0])
        if distances.size:
            self.nearest = min(self.nearest, float(distances.min()))
        return real

    def positive(self, x: Array) -> Array:
        """Return 1 where x > 0 and 0 elsewhere."""
        return (self._seen(x) > 0).astype(self.dtype)

    def zero(self, x: Array) -> Array:
        """Return 1 where x = 0 and 0 elsewhere."""
        return (self._seen(x) == 0).astype(self.dtype)

    def choose(self, condition: Array, x: Array, y: Array) -> Array:
        """Return x where the condition is 1 and y where it is 0; the other may be infinite."""
        return onp.where(condition != 0, x, y)

    def apply(self, name: str, x: Array) -> Array:
        """Return an `ELEMENTARY` function of every element, NaN outside its real domain."""
        if name == "floor":
            self._seen(x - onp.round(onp.real(x)))
            return onp.floor(onp.real(x)).astype(self.dtype)
        return super().apply(name, x) if name in GAMMA else _FLOATS[name](x)

    def integer_power(self, x: Array, n: int) -> Array:
        """Return xⁿ; a high power of real numbers at once."""
        if abs(n) < _HIGH_POWER or self.dtype.kind == "c":
            return super().integer_power(x, n)
        return engine.power(x, self.number(Fraction(n)))

    def broadcast(self, x: Array, shape: Shape) -> Array:
        """Return x repeated to a shape."""
        return onp.broadcast_to(x, shape)

    def concatenate(self, parts: Sequence[Array], axis: int) -> Array:
        """Return arrays joined along an axis they have."""
        return onp.concatenate(list(parts), axis)


# --- the engine -----------------------------------------------------------------------------------

_ENGINE: dict[str, Callable[[Array], Array]] = {
    name: getattr(engine, name) for name in ELEMENTARY.difference(GAMMA)
}


class Engine(Floats):
    """Backlit's own functions: what is evaluated here can be differentiated by the engine."""

    def positive(self, x: Array) -> Array:
        """Return 1 where x > 0 and 0 elsewhere."""
        return engine.where(engine.greater(x, 0.0), 1.0, 0.0)

    def zero(self, x: Array) -> Array:
        """Return 1 where x = 0 and 0 elsewhere."""
        return engine.where(engine.equal(x, 0.0), 1.0, 0.0)

    def choose(self, condition: Array, x: Array, y: Array) -> Array:
        """Return x where the condition is 1 and y where it is 0; the other may be infinite."""
        return engine.where(engine.not_equal(condition, 0.0), x, y)

    def apply(self, name: str, x: Array) -> Array:
        """Return an `ELEMENTARY` function of every element."""
        return super().apply(name, x) if name in GAMMA else _ENGINE[name](x)

    def broadcast(self, x: Array, shape: Shape) -> Array:
        """Return x repeated to a shape."""
        return engine.broadcast_to(x, shape)

    def concatenate(self, parts: Sequence[Array], axis: int) -> Array:
        """Return arrays joined along an axis they have."""
        return engine.concatenate(list(parts), axis)
