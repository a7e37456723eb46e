"""Dual numbers over any arithmetic: values that carry their derivatives in several directions.

A dual x + ẋ ε, with ε² = 0, goes through a program as a number does, and the factor of ε that comes
out is the derivative. (W. K. Clifford, "Preliminary sketch of biquaternions", Proc. London Math.
Soc. s1-4(1), 1871; as differentiation: R. E. Wengert, Comm. ACM 7(8), 1964.) Over dual numbers they
give second derivatives. The rules here are those of the textbook and know nothing of the engine's.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as onp
from numpy.typing import NDArray

import backlit.numpy as engine
from backlit.explain.equation.values.arithmetic import Arithmetic, Array, Shape
from backlit.explain.equation.values.boxes import Boxes
from backlit.explain.equation.values.faults import EvaluationFault
from backlit.explain.equation.values.special import GAMMA


class Dual:
    """An array with its derivatives.

    Parameters
    ----------
    value : array
        Of the arithmetic below.
    tangent : array or None
        Shape (directions, \\*value.shape); None where the derivative is zero.

    Attributes
    ----------
    value, tangent
    """

    # NumPy leaves operators between its arrays and these to us.
    __array_ufunc__ = None
    __slots__ = ("tangent", "value")

    def __init__(self, value: Array, tangent: Array | None) -> None:
        self.value = value
        self.tangent = tangent

    @property
    def shape(self) -> Shape:
        """Shape of the value."""
        return tuple(self.value.shape)

    def _lifted(self, rank: int) -> Array:
        """Return the tangent with axes for a value of `rank` axes, so that it broadcasts."""
        tangent, shape = self.tangent, self.shape
        assert tangent is not None
        if rank <= len(shape):
            return tangent
        return tangent.reshape((tangent.shape[0], *(1,) * (rank - len(shape)), *shape))

    def __add__(self, other: Dual) -> Dual:
        return _whole(self.value + other.value, _sum(*_scaled(self, None, other, None)))

    def __sub__(self, other: Dual) -> Dual:
        return self + -other

    def __neg__(self) -> Dual:
        return Dual(-self.value, None if self.tangent is None else -self.tangent)

    def __mul__(self, other: Dual) -> Dual:
        parts = _scaled(self, other.value, other, self.value)
        return Dual(self.value * other.value, _sum(*parts))

    def __truediv__(self, other: Dual) -> Dual:
        quotient = self.value / other.value
        if self.tangent is None and other.tangent is None:
            return Dual(quotient, None)
        first, second = _scaled(self, None, other, quotient)
        top = _sum(first, None if second is None else -second)
        return Dual(quotient, None if top is None else top / other.value)

    def __matmul__(self, other: Dual) -> Dual:
        x, y = self.value, other.value
        left = right = None
        if self.tangent is not None:
            # Of stacks of matrices the directions come before the stack.
            left = self._lifted(len(y.shape)) @ y
            if len(x.shape) == 1 < len(y.shape):  # a row beside every matrix
                left = left.reshape((*left.shape[:-2], left.shape[-1]))
        if other.tangent is not None:
            if len(y.shape) > 1:
                right = x @ other._lifted(len(x.shape))
            else:
                # (…, m, n) @ (n,): the directions of a vector are the columns of a matrix.
                moved = x @ other.tangent.transpose((1, 0))
                rank = len(moved.shape)
                right = moved.transpose((rank - 1, *range(rank - 1)))
        return Dual(x @ y, _sum(left, right))

    def __getitem__(self, index: Any) -> Dual:
        places = index if isinstance(index, tuple) else (index,)
        tangent = None if self.tangent is None else self.tangent[(slice(None), *places)]
        return Dual(self.value[index], tangent)

    def reshape(self, shape: Shape) -> Dual:
        """Return the elements in another shape."""
        value, tangent = self.value.reshape(shape), self.tangent
        if tangent is not None:
            tangent = tangent.reshape((tangent.shape[0], *value.shape))
        return Dual(value, tangent)

    def transpose(self, axes: Sequence[int]) -> Dual:
        """Return the array with its axes in another order."""
        tangent = self.tangent
        if tangent is not None:
            tangent = tangent.transpose((0, *(k + 1 for k in axes)))
        return Dual(self.value.transpose(tuple(axes)), tangent)

    def sum(self, axis: Sequence[int], keepdims: bool) -> Dual:
        """Return the sum along axes."""
        tangent = self.tangent
        if tangent is not None:
            tangent = tangent.sum(axis=tuple(k + 1 for k in axis), keepdims=keepdims)
        return Dual(self.value.sum(axis=tuple(axis), keepdims=keepdims), tangent)


def _scaled(
    x: Dual, x_factor: Array | None, y: Dual, y_factor: Array | None
) -> tuple[Array | None, Array | None]:
    """Return the tangents of x and y times factors, ready to be added."""
    rank = max(len(x.shape), len(y.shape))
    first = second = None
    if x.tangent is not None:
        first = x._lifted(rank) if x_factor is None else x._lifted(rank) * x_factor
    if y.tangent is not None:
        second = y._lifted(rank) if y_factor is None else y._lifted(rank) * y_factor
    return first, second


def _whole(value: Array, tangent: Array | None) -> Dual:
    """Return a dual whose tangent may have to be repeated to the shape of the value."""
    if tangent is not None and tangent.shape[1:] != value.shape:
        tangent = repeated(tangent, (tangent.shape[0], *value.shape))
    return Dual(value, tangent)


def _sum(x: Array | None, y: Array | None) -> Array | None:
    if x is None:
        return y
    return x if y is None else x + y


def repeated(x: Array, shape: Shape) -> Array:
    """Return an array of any arithmetic repeated to a shape.

    Parameters
    ----------
    x : array
    shape : tuple of int

    Returns
    -------
    array
    """
    if isinstance(x, Boxes):
        return x.broadcast(shape)
    if not isinstance(x, Dual):
        return engine.broadcast_to(x, shape)
    tangent = x.tangent
    if tangent is not None:
        tangent = repeated(x._lifted(len(shape)), (tangent.shape[0], *shape))
    return Dual(repeated(x.value, shape), tangent)


class Duals(Arithmetic):
    """Dual numbers over the arrays of another arithmetic.

    Parameters
    ----------
    below : Arithmetic
    """

    def __init__(self, below: Arithmetic) -> None:
        self.below = below

    def tangent(self, x: Array, shape: Shape, directions: int = 1) -> Array:
        """Return the derivatives of a result, zeros where it has none."""
        if x.tangent is None:
            return self.below.integers(onp.zeros((directions, *shape), int))
        return self.below.broadcast(x.tangent, (x.tangent.shape[0], *shape))

    def number(self, value: Fraction) -> Dual:
        """Return a number as an array of rank 0."""
        return Dual(self.below.number(value), None)

    def constant(self, name: str) -> Dual:
        """Return ``pi``, ``e`` or ``inf`` as an array of rank 0."""
        return Dual(self.below.constant(name), None)

    def integers(self, values: NDArray[Any]) -> Dual:
        """Return an array of whole numbers."""
        return Dual(self.below.integers(values), None)

    def positive(self, x: Dual) -> Dual:
        """Return 1 where x > 0 and 0 elsewhere."""
        return Dual(self.below.positive(x.value), None)

    def zero(self, x: Dual) -> Dual:
        """Return 1 where x = 0 and 0 elsewhere."""
        return Dual(self.below.zero(x.value), None)

    def choose(self, condition: Dual, x: Dual, y: Dual) -> Dual:
        """Return x where the condition is 1 and y where it is 0."""
        value = self.below.choose(condition.value, x.value, y.value)
        if x.tangent is None and y.tangent is None:
            return Dual(value, None)
        rank = len(value.shape)
        zero = self.below.number(Fraction(0))
        first = zero if x.tangent is None else x._lifted(rank)
        second = zero if y.tangent is None else y._lifted(rank)
        return _whole(value, self.below.choose(condition.value, first, second))

    def apply(self, name: str, x: Dual) -> Dual:
        """Return an elementary function of every element."""
        below = self.below
        y = below.apply(name, x.value)
        if x.tangent is None or name == "floor":
            return Dual(y, None)
        return Dual(y, x.tangent * self._slope(name, x.value, y))

    def _slope(self, name: str, x: Array, y: Array) -> Array:
        """Return the derivative of ``y = name(x)``."""
        below = self.below
        one, two = below.number(Fraction(1)), below.number(Fraction(2))
        if name == "exp":
            return y
        if name == "log":
            return one / x
        if name == "sqrt":
            return one / (two * y)
        if name == "cbrt":
            return one / (below.number(Fraction(3)) * y * y)
        if name == "sin":
            return below.apply("cos", x)
        if name == "cos":
            return -below.apply("sin", x)
        if name == "arcsin":
            return one / below.apply("sqrt", one - x * x)
        if name == "arctan":
            return one / (one + x * x)
        if name == "sigmoid":
            return y * (one - y)
        if name == "tanh":
            return one - y * y
        if name == "softplus":
            return below.apply("sigmoid", x)
        if name in GAMMA[:2]:
            return below.apply(GAMMA[GAMMA.index(name) + 1], x)
        if name != "erf":
            raise EvaluationFault(f"the derivative of {name} is not known here")
        root = below.apply("sqrt", below.constant("pi"))
        return two / root * below.apply("exp", -(x * x))

    def power(self, x: Dual, y: Dual) -> Dual:
        """Return xʸ for positive x."""
        value, slopes = self.below.power(x.value, y.value), [x.value, x.value]
        if x.tangent is not None:
            slopes[0] = y.value * value / x.value
        if y.tangent is not None:
            slopes[1] = value * self.below.apply("log", x.value)
        return self.chain(value, slopes, (x, y))

    def chain(self, value: Array, slopes: Sequence[Array], xs: Sequence[Dual]) -> Dual:
        """Return a value with the tangent Σ slopeᵢ ẋᵢ, element by element."""
        tangent, rank = None, len(value.shape)
        for slope, x in zip(slopes, xs, strict=True):
            if x.tangent is not None:
                tangent = _sum(tangent, x._lifted(rank) * slope)
        return Dual(value, tangent)

    def broadcast(self, x: Dual, shape: Shape) -> Dual:
        """Return x repeated to a shape."""
        dual: Dual = repeated(x, shape)
        return dual

    def concatenate(self, parts: Sequence[Dual], axis: int) -> Dual:
        """Return arrays joined along an axis they have."""
        value = self.below.concatenate([part.value for part in parts], axis)
        counts = {part.tangent.shape[0] for part in parts if part.tangent is not None}
        if not counts:
            return Dual(value, None)
        (directions,) = counts
        tangents = [self.tangent(part, part.shape, directions) for part in parts]
        return Dual(value, self.below.concatenate(tangents, axis + 1))
