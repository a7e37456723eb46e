"""Arrays of Python's own numbers, which are as long as they have to be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any, Self

import numpy as onp
from numpy.typing import NDArray

from backlit.explain.equation.values.arithmetic import Shape


def boxed(values: Iterable[Any], shape: Shape) -> NDArray[Any]:
    """Return an array of objects.

    Parameters
    ----------
    values : iterable
        The elements in C order.
    shape : tuple of int

    Returns
    -------
    array of object
    """
    items = onp.empty(prod(shape), dtype=object)
    items[:] = list(values)
    return items.reshape(shape)


class Boxes:
    """An array of Python numbers that is still an array when it has one element only.

    Its kinds add the operations in which their numbers differ.

    Parameters
    ----------
    items : array of object

    Attributes
    ----------
    items
    """

    # NumPy leaves operators between its arrays and these to us.
    __array_ufunc__ = None
    __slots__ = ("items",)

    def __init__(self, items: Any) -> None:
        self.items: NDArray[Any] = onp.asarray(items, dtype=object)

    @property
    def shape(self) -> Shape:
        """Lengths of the axes."""
        return self.items.shape

    def like(self, items: Any) -> Self:
        """Return an array of the same kind, of elements that are taken from this one."""
        return type(self)(items)

    def __getitem__(self, index: Any) -> Self:
        return self.like(self.items[index])

    def reshape(self, shape: Shape) -> Self:
        """Return the elements in another shape."""
        return self.like(self.items.reshape(shape))

    def transpose(self, axes: Sequence[int]) -> Self:
        """Return the array with its axes in another order."""
        return self.like(self.items.transpose(tuple(axes)))

    def broadcast(self, shape: Shape) -> Self:
        """Return the array repeated to a shape."""
        return self.like(onp.broadcast_to(self.items, shape))
