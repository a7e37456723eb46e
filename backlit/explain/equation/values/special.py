"""The gamma function and its kin, for positive numbers, in any arithmetic that has a logarithm.

Stirling's series at a number that the recurrence Γ(x + 1) = x Γ(x) has made large enough.
(M. Abramowitz and I. A. Stegun, "Handbook of mathematical functions", 1964, 6.1.41, 6.3.18 and
6.4.12.)
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from math import comb
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backlit.explain.equation.values.arithmetic import Arithmetic, Array

GAMMA = ("loggamma", "digamma", "trigamma")
"""log Γ, its derivative, and the derivative of that."""

# By how much a number is raised, and how many terms are then right to 16, or to 60 digits.
_DOUBLE, _LONG = (12, 9), (60, 44)


@cache
def bernoulli(n: int) -> Fraction:
    """Return a Bernoulli number.

    Parameters
    ----------
    n : int

    Returns
    -------
    Fraction

    Examples
    --------
    >>> [str(bernoulli(n)) for n in (2, 4, 6)]
    ['1/6', '-1/30', '1/42']
    """
    if n == 0:
        return Fraction(1)
    return -sum((comb(n + 1, k) * bernoulli(k) for k in range(n)), Fraction(0)) / (n + 1)


def gamma_function(a: Arithmetic, name: str, x: Array) -> Array:
    """Return one of `GAMMA`.

    Parameters
    ----------
    a : Arithmetic
        Of at most 60 digits.
    name : str
    x : array
        Positive.

    Returns
    -------
    array
    """
    raised, terms = _DOUBLE if a.digits <= 16 else _LONG

    def n(value: int | Fraction) -> Array:
        return a.number(Fraction(value))

    one = n(1)
    large = x + n(raised)
    inverse = one / large
    square, power = inverse * inverse, inverse
    order = GAMMA.index(name)
    logarithm = a.apply("log", large)
    if order == 0:
        half_log = a.apply("log", n(2) * a.constant("pi")) * n(Fraction(1, 2))
        total = (large - n(Fraction(1, 2))) * logarithm - large + half_log
    elif order == 1:
        total, power = logarithm - inverse * n(Fraction(1, 2)), square
    else:
        total, power = inverse + square * n(Fraction(1, 2)), square * inverse
    for k in range(1, terms + 1):
        factor = (
            bernoulli(2 * k) * (Fraction(1, 2 * k * (2 * k - 1)), Fraction(-1, 2 * k), 1)[order]
        )
        total, power = total + n(factor) * power, power * square
    for k in range(raised):
        step = x + n(k)
        if order == 0:
            total = total - a.apply("log", step)
        else:
            total = total - one / step if order == 1 else total + one / (step * step)
    return total
