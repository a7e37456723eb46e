"""What a function of the notation is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any

from backlit.explain.equation.values.arithmetic import Arithmetic, Array, Shape
from backlit.explain.equation.values.faults import EvaluationFault


class FunctionFault(Exception):
    """A function was given what it cannot take; whoever calls it knows where that was written."""


@dataclass(frozen=True)
class Builtin:
    """A function of the notation.

    Attributes
    ----------
    value : callable
        ``value(arithmetic, *arrays, **options)``.
    family : str
        How the shape follows: ``elementwise`` (its arguments broadcast), ``reduction`` (over
        `axis`), ``along`` (that of the argument), ``matrix``, ``shape``, ``creation``; ``size``
        is a number or numbers that the shape tells.
    arrays : tuple of str
        Names of the array arguments.
    required : int
        How many of them must be given.
    options : tuple of str
        Names of what must be a written number, tuple or truth value, in their order: ``axis``.
    listed : bool
        Whether the one array argument is a list of arrays.
    """

    value: Callable[..., Array]
    family: str
    arrays: tuple[str, ...] = ("x",)
    required: int = 1
    options: tuple[str, ...] = ()
    listed: bool = False


MOST_ELEMENTS = 1_000_000
_MOST_PRODUCTS = 300_000_000


def room(shape: Shape, terms: int = 1) -> Shape:
    """Return a shape if there is room for an array of it.

    Parameters
    ----------
    shape : tuple of int
    terms : int
        How many products are added for each element.

    Returns
    -------
    tuple of int

    Raises
    ------
    EvaluationFault
        If it exceeds the cap on elements or on products.
    """
    size = prod(shape)
    if size > MOST_ELEMENTS:
        raise EvaluationFault(f"an array of shape {shape} exceeds the cap of a million elements")
    if size * terms > _MOST_PRODUCTS:
        raise EvaluationFault(f"{size * terms:,} products exceed the cap of {_MOST_PRODUCTS:,}")
    return shape


def number(arithmetic: Arithmetic, value: Any) -> Array:
    """Return a number as an array of rank 0.

    Parameters
    ----------
    arithmetic : Arithmetic
    value : int or Fraction

    Returns
    -------
    array
    """
    return arithmetic.number(Fraction(value))
