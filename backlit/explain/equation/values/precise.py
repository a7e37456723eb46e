"""Many decimal digits, where double precision cannot decide.

The elementary functions that Python's `decimal` lacks are its exp and ln, or Taylor series, at the
precision of the context.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as onp
from numpy.typing import NDArray

from backlit.explain.equation.values.arithmetic import Arithmetic, Array, Shape
from backlit.explain.equation.values.boxes import Boxes, boxed

_NAN = Decimal("nan")


class Decimals(Boxes):
    """An array of decimal numbers; see `Boxes`."""

    __slots__ = ()

    def __add__(self, other: Decimals) -> Decimals:
        return Decimals(self.items + other.items)

    def __sub__(self, other: Decimals) -> Decimals:
        return Decimals(self.items - other.items)

    def __neg__(self) -> Decimals:
        return Decimals(-self.items)

    def __mul__(self, other: Decimals) -> Decimals:
        return Decimals(self.items * other.items)

    def __truediv__(self, other: Decimals) -> Decimals:
        return Decimals(self.items / other.items)

    def __matmul__(self, other: Decimals) -> Decimals:
        return Decimals(self.items @ other.items)

    def sum(self, axis: Sequence[int], keepdims: bool) -> Decimals:
        """Return the sum along axes."""
        return Decimals(self.items.sum(axis=tuple(axis), keepdims=keepdims))


# --- functions of one number ----------------------------------------------------------------------


def _series(term: Decimal, ratio: Callable[[int], Decimal]) -> Decimal:
    """Return term·(1 + ratio(1) + ratio(1)·ratio(2) + …), until nothing more is added."""
    total, k = term, 0
    while True:
        k += 1
        term *= ratio(k)
        if total + term == total:
            return total
        total += term


@cache
def _pi(precision: int) -> Decimal:
    # Machin, 1706.
    return 16 * _arctan_series(Decimal(1) / 5) - 4 * _arctan_series(Decimal(1) / 239)


def _arctan_series(x: Decimal) -> Decimal:
    return _series(x, lambda k: -x * x * (2 * k - 1) / (2 * k + 1))


def pi() -> Decimal:
    """Return π at the precision of the context.

    Returns
    -------
    Decimal
    """
    return _pi(decimal.getcontext().prec)


def _sin(x: Decimal) -> Decimal:
    if not x.is_finite():
        return _NAN
    x -= 2 * pi() * (x / (2 * pi())).to_integral_value()
    return _series(x, lambda k: -x * x / (2 * k * (2 * k + 1))) if x else x


def _cos(x: Decimal) -> Decimal:
    if not x.is_finite():
        return _NAN
    x -= 2 * pi() * (x / (2 * pi())).to_integral_value()
    return _series(Decimal(1), lambda k: -x * x / ((2 * k - 1) * 2 * k))


def _arctan(x: Decimal) -> Decimal:
    if x.is_nan() or not x:
        return x
    if abs(x) > 1:
        half = (pi() / 2).copy_sign(x)
        return half if x.is_infinite() else half - _arctan(1 / x)
    doubled = 0
    while abs(x) > Decimal("0.1"):
        # arctan x = 2 arctan(x / (1 + √(1 + x²)))
        x = x / (1 + (1 + x * x).sqrt())
        doubled += 1
    return _arctan_series(x) * (1 << doubled)


def _arcsin(x: Decimal) -> Decimal:
    if x.is_nan() or abs(x) > 1:
        return _NAN
    if abs(x) == 1:
        return (pi() / 2).copy_sign(x)
    return _arctan(x / (1 - x * x).sqrt())


def _cbrt(x: Decimal) -> Decimal:
    if x.is_nan() or x.is_infinite() or not x:
        return x
    root = (abs(x).ln() / 3).exp()
    return ((2 * root + abs(x) / (root * root)) / 3).copy_sign(x)


def _erf(x: Decimal) -> Decimal:
    if x.is_nan() or not x:
        return x
    if abs(x) > 20:
        return Decimal(1).copy_sign(x)
    # e^(−x²) Σ 2ᵏ x^(2k+1) / (2k+1)!!, all terms of one sign (Abramowitz and Stegun 7.1.6).
    total = _series(x, lambda k: 2 * x * x / (2 * k + 1))
    return 2 / pi().sqrt() * (-x * x).exp() * total


_FUNCTIONS: dict[str, Callable[[Decimal], Decimal]] = {
    "exp": lambda x: x.exp(),
    "log": lambda x: x.ln(),
    "sqrt": lambda x: x.sqrt(),
    "cbrt": _cbrt,
    "sin": _sin,
    "cos": _cos,
    "arcsin": _arcsin,
    "arctan": _arctan,
    "erf": _erf,
    "floor": lambda x: x if x.is_nan() else x.to_integral_value(decimal.ROUND_FLOOR),
}


class Precise(Arithmetic):
    """Decimal numbers of a chosen precision.

    Use its values inside ``with precise.context():``, which sets the precision of Python's
    `decimal` for the current thread.

    Parameters
    ----------
    digits : int
    """

    def __init__(self, digits: int = 50) -> None:
        self.digits = digits

    def context(self) -> Any:
        """Return the context to compute in: what is undefined is NaN, as in double precision."""
        own = decimal.Context(
            prec=self.digits, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN, traps=[]
        )
        return decimal.localcontext(own)

    def array(self, values: Any) -> Decimals:
        """Return doubles, or anything else that `Decimal` takes, exactly."""
        items = onp.asarray(values, dtype=object)
        return Decimals(boxed([Decimal(x) for x in items.ravel()], items.shape))

    def number(self, value: Fraction) -> Decimals:
        """Return a number as an array of rank 0."""
        return Decimals(Decimal(value.numerator) / Decimal(value.denominator))

    def integers(self, values: NDArray[Any]) -> Decimals:
        """Return an array of whole numbers."""
        return self.array(values.astype(object))

    def constant(self, name: str) -> Decimals:
        """Return ``pi``, ``e`` or ``inf`` as an array of rank 0."""
        if name == "inf":
            return Decimals(Decimal("inf"))
        return Decimals(pi() if name == "pi" else Decimal(1).exp())

    def positive(self, x: Array) -> Decimals:
        """Return 1 where x > 0 and 0 elsewhere."""
        return self._each(x, lambda item: Decimal(int(not item.is_nan() and item > 0)))

    def zero(self, x: Array) -> Decimals:
        """Return 1 where x = 0 and 0 elsewhere."""
        return self._each(x, lambda item: Decimal(int(item == 0)))

    def choose(self, condition: Array, x: Array, y: Array) -> Decimals:
        """Return x where the condition is 1 and y where it is 0; the other may be infinite."""
        return Decimals(onp.where(condition.items != 0, x.items, y.items))

    def apply(self, name: str, x: Array) -> Decimals:
        """Return an elementary function of every element, NaN outside its real domain."""
        if name not in _FUNCTIONS:
            derived: Decimals = super().apply(name, x)
            return derived
        return self._each(x, _FUNCTIONS[name])

    def _each(self, x: Array, f: Callable[[Decimal], Decimal]) -> Decimals:
        return Decimals(boxed([f(item) for item in x.items.ravel()], x.shape))

    def broadcast(self, x: Array, shape: Shape) -> Decimals:
        """Return x repeated to a shape."""
        repeated: Decimals = x.broadcast(shape)
        return repeated

    def concatenate(self, parts: Sequence[Array], axis: int) -> Decimals:
        """Return arrays joined along an axis they have."""
        return Decimals(onp.concatenate([part.items for part in parts], axis))
