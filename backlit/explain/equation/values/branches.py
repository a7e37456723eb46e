"""Which branches a program takes, and which of them an element of a result depends on.

Every condition, every root (of two signs) and every variable with few values is a choice, numbered
in the order in which a program meets them: always the same, since programs here have no jumps.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as onp
from numpy.typing import NDArray

from backlit.explain.equation.values.arithmetic import Arithmetic, Array, Shape
from backlit.explain.equation.values.boxes import Boxes, boxed


class Choices:
    """The choices of one run.

    Parameters
    ----------
    rng : Random
    extreme : int, optional
        0 to choose the first possibility always, −1 the last; otherwise each is drawn.

    Attributes
    ----------
    made : list of int
        What was to be chosen at each place.
    among : list of int
        Between how many possibilities.
    open : set of int
        The places where it did matter: the others followed from earlier choices.
    roots : set of int
        The places of the signs of roots.
    formal : set of int
        Those of roots that could not be taken.
    """

    def __init__(self, rng: random.Random, extreme: int | None = None) -> None:
        self.made: list[int] = []
        self.among: list[int] = []
        self.open: set[int] = set()
        self.roots: set[int] = set()
        self.formal: set[int] = set()
        self._rng = rng
        self._extreme = extreme

    def next(self, among: int = 2) -> tuple[int, int]:
        """Return the next place, and what to choose there if it matters."""
        chosen = self._rng.randrange(among) if self._extreme is None else self._extreme % among
        self.made.append(chosen)
        self.among.append(among)
        return len(self.made) - 1, chosen


class Sources(Boxes):
    """An array of sets of places, each one as the bits of a number; None is an exact zero."""

    __slots__ = ()

    def __add__(self, other: Sources) -> Sources:
        return Sources(_either(self.items, other.items))

    __sub__ = __add__

    def __neg__(self) -> Sources:
        return self

    def __mul__(self, other: Sources) -> Sources:
        return Sources(_both(self.items, other.items))

    __truediv__ = __mul__

    def __matmul__(self, other: Sources) -> Sources:
        x = self.items if len(self.shape) > 1 else self.items[None, :]
        y = other.items if len(other.shape) > 1 else other.items[:, None]
        product = _either.reduce(_both(x[..., :, :, None], y[..., None, :, :]), axis=-2)
        product = product if len(self.shape) > 1 else product[..., 0, :]
        return Sources(product if len(other.shape) > 1 else product[..., 0])

    def sum(self, axis: Sequence[int], keepdims: bool) -> Sources:
        """Return the union along axes."""
        items = self.items
        for k in sorted(axis, reverse=True):
            items = onp.asarray(_either.reduce(items, axis=k, keepdims=keepdims), dtype=object)
        return Sources(items)


def _union(x: int | None, y: int | None) -> int | None:
    if x is None:
        return y
    return x if y is None else x | y


def _product(x: int | None, y: int | None) -> int | None:
    return None if x is None or y is None else x | y


_either: Any = onp.frompyfunc(_union, 2, 1)
_both: Any = onp.frompyfunc(_product, 2, 1)


class Dependence(Arithmetic):
    """Instead of numbers, the choices that they depend on.

    Attributes
    ----------
    choices : Choices
    """

    def __init__(self) -> None:
        self.choices = Choices(random.Random(0))

    def number(self, value: Fraction) -> Sources:
        """Return no places, or zero."""
        return Sources(0 if value else None)

    def integers(self, values: NDArray[Any]) -> Sources:
        """Return no places, or zeros."""
        return Sources(boxed([0 if value else None for value in values.ravel()], values.shape))

    def constant(self, name: str) -> Sources:
        """Return no places."""
        return Sources(0)

    def positive(self, x: Array) -> Sources:
        """Return the places of the conditions with those that x depends on."""
        return self._chosen(x)

    def zero(self, x: Array) -> Sources:
        """Return the places that x depends on."""
        return Sources(boxed([item or 0 for item in x.items.ravel()], x.shape))

    def apply(self, name: str, x: Array) -> Sources:
        """Return the places that x depends on, and those of roots."""
        if name == "sqrt":
            return self._chosen(x)
        return Sources(boxed([item or 0 for item in x.items.ravel()], x.shape))

    def _chosen(self, x: Sources) -> Sources:
        found = [(item or 0) | 1 << self.choices.next()[0] for item in x.items.ravel()]
        return Sources(boxed(found, x.shape))

    def power(self, x: Array, y: Array) -> Sources:
        """Return the places that x and y depend on."""
        return self.unknown("power", (0, 0), (x, y))

    def unknown(self, name: str, orders: tuple[int, ...], xs: Sequence[Array]) -> Sources:
        """Return the places that arguments depend on."""
        total = Sources(0)
        for x in xs:
            total = total + x
        return total

    def broadcast(self, x: Array, shape: Shape) -> Sources:
        """Return x repeated to a shape."""
        repeated: Sources = x.broadcast(shape)
        return repeated

    def concatenate(self, parts: Sequence[Array], axis: int) -> Sources:
        """Return arrays joined along an axis they have."""
        return Sources(onp.concatenate([part.items for part in parts], axis))
