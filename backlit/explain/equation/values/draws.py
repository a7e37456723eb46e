"""Random values for the variables of a program that nothing defines.

Values are moderate and distinct, so that sums do not saturate a sigmoid and no coincidence (all
weights one half) hides a missing factor; none is 0 or 1 unless its properties ask for that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as onp
from numpy.typing import NDArray

from backlit.core.errors import InputError
from backlit.explain.equation.values.arithmetic import Arithmetic, Array, Shape

Values = NDArray[onp.float64]
Random = onp.random.Generator

RANGES: dict[str, tuple[float, float]] = {
    "positive": (0.2, 1.5),
    "in (0, 1)": (0.1, 0.9),
    "above 1": (1.1, 2.5),
}
"""Intervals that a variable may have to be drawn from."""


_MODERATE = 9


@dataclass(frozen=True)
class Leaf:
    """A variable that nothing defines.

    Attributes
    ----------
    shape : tuple of int
    properties : frozenset of str
        See `PROPERTIES`.
    """

    shape: Shape
    properties: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for name in self.properties:
            if name not in PROPERTIES:
                raise InputError(
                    f"there is no property {name!r}", fix=f"one of {', '.join(PROPERTIES)}"
                )


def draw(leaf: Leaf, rng: Random, interval: str | None = None) -> Values:
    """Return random values for a variable.

    Parameters
    ----------
    leaf : Leaf
    rng : Generator
    interval : str, optional
        A key of `RANGES` to draw from; otherwise values of both signs, 0.2 to 1.5 in size,
        and smaller in arrays so large that sums over them would not be moderate.

    Returns
    -------
    array of float, shape leaf.shape
    """
    for name in RANGES:
        if name in leaf.properties:
            interval = name
    if interval is None:
        scale = (_MODERATE / max((_MODERATE, *leaf.shape))) ** 0.5
        values = scale * rng.uniform(0.2, 1.5, leaf.shape) * rng.choice((-1.0, 1.0), leaf.shape)
    else:
        values = rng.uniform(*RANGES[interval], leaf.shape)
    for name, shaped in PROPERTIES.items():
        if name in leaf.properties:
            values = shaped(onp.asarray(values), rng)
    return onp.asarray(values)


# --- properties -----------------------------------------------------------------------------------


def _one_hot(axis: int) -> Callable[[Values, Random], Values]:
    def shaped(values: Values, rng: Random) -> Values:
        along = axis if values.ndim > 1 else -1
        return onp.where(values == values.max(axis=along, keepdims=True), 1.0, 0.0)

    return shaped


def _sums_to_one(axis: int) -> Callable[[Values, Random], Values]:
    def shaped(values: Values, rng: Random) -> Values:
        along = axis if values.ndim > 1 else -1
        shares = onp.abs(values) / onp.abs(values).sum(axis=along, keepdims=True)
        # Multiples of 2⁻³⁰, so that the sum is 1 exactly, to fifty digits as well.
        shares = onp.moveaxis(onp.round(shares * 2.0**30) / 2.0**30, along, 0)
        shares[0] = 1.0 - shares[1:].sum(axis=0)
        return onp.moveaxis(shares, 0, along)

    return shaped


def _symmetric(values: Values, rng: Random) -> Values:
    lower = onp.tril(values)
    return lower + onp.tril(values, -1).T


def _positive_definite(values: Values, rng: Random) -> Values:
    half = onp.round(values * 2.0**10) / 2.0**10
    return half @ half.T + onp.eye(len(values))


def _binary(values: Values, rng: Random) -> Values:
    if values.size == 1:
        return rng.integers(0, 2, values.shape).astype(float)
    return (values > _middle(values)).astype(float)


def _plain(values: Values, rng: Random) -> Values:
    return values


def _middle(values: Values) -> float:
    # NumPy's median loads masked arrays.
    return float(onp.sort(onp.ravel(values))[values.size // 2])


PROPERTIES: dict[str, Callable[[Values, Random], Values]] = {
    "positive": _plain,
    "in (0, 1)": _plain,
    "above 1": _plain,
    "integer": lambda values, rng: rng.integers(2, 10, values.shape).astype(float),
    "binary": _binary,
    "1 or -1": lambda values, rng: 2.0 * _binary(values, rng) - 1.0,
    "one-hot rows": _one_hot(-1),
    "one-hot columns": _one_hot(0),
    "rows sum to 1": _sums_to_one(-1),
    "columns sum to 1": _sums_to_one(0),
    "symmetric": _symmetric,
    "positive definite": _positive_definite,
    "diagonal": lambda values, rng: onp.diag(onp.diag(values)),
    "upper triangular": lambda values, rng: onp.triu(values),
    "lower triangular": lambda values, rng: onp.tril(values),
}
"""What a header may say of a variable, and how values are made to have it."""

# --- functions of the student's own ---------------------------------------------------------------


class Wave:
    """A function that notes use without saying which: smooth, with values in (0.1, 0.9).

    ½ + 0.2 sin(Σ uᵢ xᵢ + p) + 0.15 sin(Σ vᵢ xᵢ + q) with everything in it drawn: what holds for it
    at random places was not made for a special function, and its derivatives are known to any
    order.

    Parameters
    ----------
    rng : Generator
    """

    def __init__(self, rng: Random) -> None:
        drawn = rng.uniform(0.6, 1.6, (2, 8)), rng.uniform(-1.0, 1.0, 2)
        self._weights = [[Fraction(float(w)) for w in row] for row in drawn[0]]
        self._phases = [Fraction(float(p)) for p in drawn[1]]

    def __call__(self, arithmetic: Arithmetic, order: int, *xs: Array) -> Array:
        """Return the function of arrays, or its derivative of some order (of one array)."""
        a = arithmetic
        result: Any = a.number(Fraction(0 if order else 1, 2))
        for height, weights, phase in zip(_HEIGHTS, self._weights, self._phases, strict=True):
            argument = a.number(phase)
            for weight, x in zip(weights, xs, strict=False):
                argument = argument + a.number(weight) * x
            wave = a.apply("sin" if order % 2 == 0 else "cos", argument)
            sign = -1 if order % 4 in (2, 3) else 1
            result = result + a.number(sign * height * weights[0] ** order) * wave
        return result


_HEIGHTS = (Fraction(1, 5), Fraction(3, 20))


class Waves:
    """Stand-ins for the student's own functions, drawn when they are first asked for."""

    def __init__(self, rng: Random) -> None:
        self._seed = int(rng.integers(2**62))
        self._drawn: dict[str, Wave] = {}

    def __call__(self, name: str) -> Wave:
        """Return the stand-in for a function."""
        if name not in self._drawn:
            words = [self._seed, *name.encode()]
            self._drawn[name] = Wave(onp.random.default_rng(words))
        return self._drawn[name]
