"""Residues modulo a large prime, in which identities of rational functions can be proved.

Two rational functions that differ agree at a random point of a field of q elements with probability
at most degree/q. (J. T. Schwartz, "Fast probabilistic algorithms for verification of polynomial
identities", J. ACM 27(4), 1980; R. Zippel, EUROSAM 1979.) The prime is drawn too, with 127 bits, so
that it divides no coefficient of what is tested.

It is drawn so that residues behave like real numbers with signs. The squares play the positive
numbers: a product of squares is one, −1 is none, 2 and the odd primes to 23 are. So a residue or
its negative is a square, and a square has one root that is itself a square.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as onp

from backlit.explain.equation.values.boxes import Boxes, boxed

_ODD_PRIMES = (3, 5, 7, 11, 13, 17, 19, 23)
SQUARE_PRIMES = (2, *_ODD_PRIMES)
"""They have roots in the field, which are squares themselves."""

_BITS = 127


class Undecided(Exception):
    """Something has no residue: a division by zero, infinity."""


def random_prime(rng: random.Random) -> int:
    """Return a prime of 127 bits for which −1 is no square and the primes up to 23 are squares.

    Parameters
    ----------
    rng : Random

    Returns
    -------
    int
        7 modulo 8 and 2 modulo 3, so that cube roots are unique as well.
    """
    residue, modulus = 7, 8
    for q in _ODD_PRIMES:
        # By quadratic reciprocity q is a square modulo p ≡ 7 (mod 8) exactly if ±p is one modulo
        # q, with the sign of q modulo 4.
        side = 1 if q % 4 == 1 else -1
        squares = {k * k % q for k in range(1, q)}
        allowed = [k for k in range(2, q) if side * k % q in squares]
        wanted = rng.choice(allowed)
        step = (wanted - residue) * pow(modulus, -1, q) % q
        residue, modulus = residue + modulus * step, modulus * q
    low, high = (1 << (_BITS - 1)) // modulus + 1, (1 << _BITS) // modulus - 1
    while True:
        candidate = residue + modulus * rng.randint(low, high)
        if _is_prime(candidate, rng):
            return candidate


def _is_prime(n: int, rng: random.Random) -> bool:
    """Tell whether n is prime, by 40 rounds of Miller and Rabin's test for n ≡ 3 (mod 4)."""
    if any(n % q == 0 for q in (*_ODD_PRIMES, 29, 31, 37, 41, 43, 47)):
        return False
    return all(pow(rng.randrange(2, n - 1), n // 2, n) in (1, n - 1) for _ in range(40))


class Residues(Boxes):
    """An array of residues, with a bound on the degrees of the fractions they come from.

    Parameters
    ----------
    items : array of int
    prime : int
    top, bottom : float
        At most these are the total degrees of numerator and denominator of any element, as a
        rational function of what was drawn at random.
    vanishing : bool
        Whether an element may stand for a number that is exactly zero on a whole branch.

    Attributes
    ----------
    items, prime, top, bottom, vanishing
    """

    __slots__ = ("bottom", "prime", "top", "vanishing")

    def __init__(
        self,
        items: Any,
        prime: int,
        top: float = 0.0,
        bottom: float = 0.0,
        vanishing: bool = False,
    ) -> None:
        super().__init__(items)
        self.prime = prime
        self.top = top
        self.bottom = bottom
        self.vanishing = vanishing

    def like(self, items: Any) -> Residues:
        """Return an array of elements that are taken from this one."""
        return Residues(items, self.prime, self.top, self.bottom, self.vanishing)

    def _sum(self, items: Any, other: Residues) -> Residues:
        top = max(self.top + other.bottom, other.top + self.bottom)
        bottom, vanishing = self.bottom + other.bottom, self.vanishing or other.vanishing
        return Residues(items % self.prime, self.prime, top, bottom, vanishing)

    def _total(self, items: Any, terms: int) -> Residues:
        """Return sums of this many elements of this degree."""
        terms = max(1, terms)
        top, bottom = self.top + (terms - 1) * self.bottom, terms * self.bottom
        return Residues(items % self.prime, self.prime, top, bottom, self.vanishing)

    def _product(self, items: Any, other: Residues) -> Residues:
        top, bottom = self.top + other.top, self.bottom + other.bottom
        vanishing = self.vanishing or other.vanishing
        return Residues(items, self.prime, top, bottom, vanishing)

    def __add__(self, other: Residues) -> Residues:
        return self._sum(self.items + other.items, other)

    def __sub__(self, other: Residues) -> Residues:
        return self._sum(self.items - other.items, other)

    def __neg__(self) -> Residues:
        return self.like(-self.items % self.prime)

    def __mul__(self, other: Residues) -> Residues:
        return self._product(self.items * other.items % self.prime, other)

    def __truediv__(self, other: Residues) -> Residues:
        return self * other.inverse()

    def inverse(self) -> Residues:
        """Return the inverses.

        Raises
        ------
        Undecided
            If an element is zero.
        """
        found = inverses([int(x) for x in self.items.ravel()], self.prime)
        items = boxed(found, self.shape)
        return Residues(items, self.prime, self.bottom, self.top, self.vanishing)

    def __matmul__(self, other: Residues) -> Residues:
        return self._product(0, other)._total(self.items @ other.items, self.shape[-1])

    def sum(self, axis: Sequence[int], keepdims: bool) -> Residues:
        """Return the sum along axes."""
        total = self.items.sum(axis=tuple(axis), keepdims=keepdims)
        return self._total(total, self.items.size // max(1, onp.size(total)))


def inverses(numbers: Sequence[int], prime: int) -> list[int]:
    """Return inverses modulo a prime, all by one inversion (P. L. Montgomery, 1987).

    Parameters
    ----------
    numbers : sequence of int
    prime : int

    Returns
    -------
    list of int

    Raises
    ------
    Undecided
        If a number is zero.

    Examples
    --------
    >>> inverses([2, 3], 7)
    [4, 5]
    """
    before, product = [], 1
    for x in numbers:
        before.append(product)
        product = product * x % prime
    if not product:
        raise Undecided("a division by zero")
    inverse, found = pow(product, -1, prime), []
    for x, rest in zip(reversed(numbers), reversed(before), strict=True):
        found.append(inverse * rest % prime)
        inverse = inverse * x % prime
    return found[::-1]


def residue(value: Fraction, prime: int) -> int:
    """Return a fraction modulo a prime.

    Parameters
    ----------
    value : Fraction
    prime : int

    Returns
    -------
    int

    Raises
    ------
    Undecided
        If the prime divides the denominator.

    Examples
    --------
    >>> residue(Fraction(1, 2), 7)
    4
    """
    if not value.denominator % prime:
        raise Undecided("a division by zero")
    return value.numerator * pow(value.denominator, -1, prime) % prime
