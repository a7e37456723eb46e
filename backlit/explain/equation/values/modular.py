"""Proofs of identities: exact arithmetic modulo a prime, at one random point.

Rational operations are exact. Other functions are atoms: the first time a function meets an
argument its value is drawn at random, and the same argument gives the same value again. Only
relations that hold for all real arguments tie atoms together: exp(−x) = 1/exp(x),
exp(nx) = exp(x)ⁿ, exp(x + y) = exp(x) exp(y), the same of logarithms, log exp(x) = x,
sin² + cos² = 1, the double angle. So what holds here holds whatever the functions are, and with
them for the real ones. An identity that needs another relation is not found, which says nothing
about it.

A condition x > 0 is an atom c, with 1 − c for −x, drawn from the whole field: what holds for every
c holds for 0 and 1, on all branches at once. Likewise a root is an atom. Some identities need
c² = c, or √x² = ±x. For those each run makes choices: conditions are 0 or 1, roots are roots, of
either sign; and it takes as many runs as there are branches (see `branches`).
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import math
import random
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as onp
from numpy.typing import NDArray

from backlit.explain.equation.values.arithmetic import Arithmetic, Array, Shape
from backlit.explain.equation.values.boxes import boxed
from backlit.explain.equation.values.branches import Choices
from backlit.explain.equation.values.duals import Duals
from backlit.explain.equation.values.residues import SQUARE_PRIMES, Residues, Undecided, residue
from backlit.explain.equation.values.special import GAMMA

_MULTIPLES = range(2, 8)
# So many known exponentials or logarithms are looked through for two that add up.
_PAIRS = 400


class Modular(Arithmetic):
    """Residues at one random point.

    Parameters
    ----------
    prime : int
        From `residues.random_prime`.
    seed : int
        Of everything that is drawn at random.
    choices : Choices, optional
        What conditions and roots are; None to leave them free.
    discrete : bool
        Whether a variable takes a few values only and is represented by others: then nothing
        follows from numbers being unequal.

    Attributes
    ----------
    choices
    conditional : bool
        Whether there was a condition or a root.
    """

    def __init__(
        self,
        prime: int,
        seed: int,
        choices: Choices | None = None,
        discrete: bool = False,
    ) -> None:
        self.prime = prime
        self.choices = choices
        self.conditional = False
        self._discrete = discrete
        self._rng = random.Random(seed)
        self._key = seed.to_bytes(32, "big")
        self._atoms: dict[Any, int] = {}
        self._exps: dict[int, int] = {0: 1}
        self._logs: dict[int, int] = {1: 0}
        self._angles: dict[int, tuple[int, int]] = {0: (1, 0)}
        self._signs: dict[int, int] = {}
        # What stands for a positive number with its root; written numbers; the positive ones
        # among them, small ones, and their inverses.
        self._squares: set[int] = set()
        self._numbers: dict[int, Fraction] = {}
        self._factors = {k for n in range(1, 13) for k in (n, pow(n, -1, prime))}
        # Inverses of what has a known sign.
        self._scales: dict[int, int] = {}
        self._functions: dict[str, Callable[[int], int]] = {
            "exp": self._exp,
            "log": self._log,
            "sqrt": self._sqrt,
            "cbrt": lambda x: pow(x, (2 * prime - 1) // 3, prime),
            "sin": lambda x: self._angle(x)[1],
            "cos": lambda x: self._angle(x)[0],
            "arcsin": lambda x: self._odd("arcsin", x),
            "arctan": lambda x: self._odd("arctan", x),
            "erf": lambda x: self._odd("erf", x),
            "floor": lambda x: self._atom("floor", x),
            **{name: functools.partial(self._atom, name) for name in GAMMA},
        }

    # --- numbers ----------------------------------------------------------------------------------

    def number(self, value: Fraction) -> Residues:
        """Return a number as an array of rank 0."""
        found = residue(value, self.prime)
        self._signs[found] = int(value > 0)
        self._numbers[found] = value
        if value > 0:
            self._factors |= {found, pow(found, -1, self.prime)}
        return Residues(found, self.prime)

    def constant(self, name: str) -> Residues:
        """Return ``pi`` or ``e`` as an array of rank 0."""
        if name == "inf":
            raise Undecided("infinity")
        found = self._exp(1) if name == "e" else self._atom("pi", positive=True)
        return Residues(found, self.prime, 2.0)

    def integers(self, values: NDArray[Any]) -> Residues:
        """Return an array of whole numbers."""
        return Residues(values.astype(object) % self.prime, self.prime)

    def array(self, items: Any, vanishing: bool = False) -> Residues:
        """Return residues that were drawn at random, or are squares of such."""
        return Residues(items, self.prime, 2.0, 0.0, vanishing)

    def drawn(self, positive: bool = False) -> int:
        """Return a random residue other than zero; to stand for a positive number, a square."""
        x = self._rng.randrange(2, self.prime - 1)
        return self._square(x) if positive else x

    def _atom(self, *key: Any, positive: bool = False) -> int:
        """Return the random residue that belongs to a key: the same in every run from this seed."""
        if key not in self._atoms:
            words = hashlib.blake2b(repr(key).encode(), key=self._key, digest_size=32).digest()
            x = int.from_bytes(words, "big") % (self.prime - 2) + 1
            self._atoms[key] = self._square(x) if positive else x
        return self._atoms[key]

    def _square(self, x: int) -> int:
        x = x * x % self.prime
        self._squares.add(x)
        self._sign(x, 1)
        return x

    def is_square(self, x: int) -> bool:
        """Tell whether a residue is a square other than zero."""
        return pow(x, self.prime // 2, self.prime) == 1

    # --- conditions -------------------------------------------------------------------------------

    def positive(self, x: Array) -> Residues:
        """Return 1 where x > 0 and 0 elsewhere, or the atom that stands for it."""
        items = boxed([self._condition(k, x.vanishing) for k in x.items.ravel()], x.shape)
        if self.choices is None:
            return Residues(items, self.prime, 1.0, 0.0, True)
        return Residues(items, self.prime)

    def _condition(self, x: int, vanishing: bool) -> int:
        self.conditional = True
        place, chosen = (0, 0) if self.choices is None else self.choices.next()
        if not x:
            return 0
        sign = self._signs.get(x)
        if sign is not None:
            return sign
        if self.choices is not None:
            sign = self._similar_sign(x)
            if sign is None:
                self.choices.open.add(place)
                sign = chosen
            self._sign(x, sign)
            return sign
        # What vanishes on a branch is there neither positive nor negative.
        mirrored = None if vanishing else self._signs.get(self.prime - x)
        self._signs[x] = self._atom("sign", x) if mirrored is None else (1 - mirrored) % self.prime
        return self._signs[x]

    def _sign(self, x: int, sign: int) -> None:
        self._signs[x] = sign
        self._signs[self.prime - x] = 1 - sign
        self._scales[x] = pow(x, -1, self.prime)

    def _similar_sign(self, x: int) -> int | None:
        """Return the sign of x if it is a positive number times something of known sign."""
        for other, inverse in itertools.islice(self._scales.items(), _PAIRS):
            ratio = x * inverse % self.prime
            if ratio in self._factors:
                return self._signs[other]
            if self.prime - ratio in self._factors:
                return 1 - self._signs[other]
        return None

    def zero(self, x: Array) -> Residues:
        """Return 1 where x = 0 and 0 elsewhere.

        Raises
        ------
        Undecided
            If a residue other than zero may stand for a number that is zero at some points.
        """
        found = _each(lambda item: int(not item), x)
        free = self.choices is None and self.conditional
        if (self._discrete or free) and not onp.all(found):
            raise Undecided("an equality that may hold at some points")
        return Residues(found, self.prime, vanishing=True)

    def choose(self, condition: Array, x: Array, y: Array) -> Residues:
        """Return x where the condition is 1 and y where it is 0."""
        result: Residues = super().choose(condition, x, y)
        if self.choices is None and not onp.any(y.items):
            # max(x, 0) is positive exactly where x is, and never negative.
            parts = onp.broadcast_arrays(condition.items, x.items, result.items)
            for c, part, whole in zip(*(p.ravel() for p in parts), strict=True):
                if whole and self._signs.get(part) == c:
                    self._signs.setdefault(whole, c)
                    self._signs.setdefault(self.prime - whole, 0)
        return result

    # --- functions --------------------------------------------------------------------------------

    def apply(self, name: str, x: Array) -> Residues:
        """Return an elementary function of every element."""
        if name not in self._functions:
            result: Residues = super().apply(name, x)
            return result
        found = _each(self._functions[name], x)
        if name in ("sqrt", "cbrt"):
            top, bottom = 3.0 * (x.top + 1.0), 3.0 * (x.bottom + 1.0)
            return Residues(found, self.prime, top, bottom, x.vanishing)
        # Of a whole number that is not zero, sign and size are open: it may vanish on a branch.
        return Residues(found, self.prime, 8.0, 8.0, x.vanishing or name == "floor")

    def _exp(self, x: int) -> int:
        if x not in self._exps:
            parts = self._exp_parts(x)
            if parts is None:
                y = self._atom("exp", x, positive=True)
            else:
                y = math.prod(pow(part, n, self.prime) for part, n in parts) % self.prime
                self._sign(y, 1)
                if all(part in self._squares for part, _ in parts):
                    self._squares.add(y)
            self._exps[x] = y
            self._logs.setdefault(y, x)
        return self._exps[x]

    def _exp_parts(self, x: int) -> list[tuple[int, int]] | None:
        """Return powers whose product is eˣ, from e to multiples or parts of x that are known."""
        p, known = self.prime, self._exps
        if p - x in known:
            return [(known[p - x], -1)]
        for n in _MULTIPLES:
            part = x * pow(n, -1, p) % p
            for side, base in ((1, part), (-1, p - part)):
                if base in known:
                    return [(known[base], side * n)]
            for side, base in ((1, x * n % p), (-1, -x * n % p)):
                if known.get(base) in self._squares:
                    return [(known[base], side * pow(n, -1, p // 2))]
        for u, y in itertools.islice(known.items(), _PAIRS):
            if not u:
                continue
            for v, first, second in ((x - u, 1, 1), (x + u, -1, 1), (u - x, 1, -1)):
                if v % p in known:
                    return [(y, first), (known[v % p], second)]
        return None

    def _log(self, x: int) -> int:
        if not x:
            raise Undecided("the logarithm of zero")
        if x not in self._logs:
            y = self._related_log(x)
            self._logs[x] = self._atom("log", x) if y is None else y
            self._exps.setdefault(self._logs[x], x)
        return self._logs[x]

    def _related_log(self, x: int) -> int | None:
        """Return log x where it follows from that of 1/x, or of two factors."""
        p, known = self.prime, self._logs
        inverse = pow(x, -1, p)
        if inverse in known:
            return (p - known[inverse]) % p
        for u, y in itertools.islice(known.items(), _PAIRS):
            if u == 1:
                continue
            if x * u % p in known:
                return (known[x * u % p] - y) % p
            if inverse * u % p in known:
                return (y - known[inverse * u % p]) % p
            if inverse * u * u % p == 1:
                return 2 * y % p
        return None

    def _sqrt(self, x: int) -> int:
        self.conditional = True
        place, chosen = (0, 0) if self.choices is None else self.choices.next()
        if self.choices is not None:
            self.choices.roots.add(place)
        if not x:
            return 0
        root = pow(x, (self.prime + 1) // 4, self.prime)
        if x in self._squares or _is_smooth(self._numbers.get(x)):
            return root
        if self.choices is None or not self.is_square(x):
            if self.choices is not None:
                self.choices.formal.add(place)
            return self._atom("sqrt", x, positive=True)
        sign = self._signs.get(root)
        if sign is None:
            self.choices.open.add(place)
            sign = chosen
        root = root if sign else self.prime - root
        self._sign(root, 1)
        return root

    def power(self, x: Array, y: Array) -> Residues:
        """Return xʸ for positive x: an atom, but a factor x between xʸ and the next power."""
        arrays = onp.broadcast_arrays(x.items, y.items)
        found = [self._power(*pair) for pair in zip(*(a.ravel() for a in arrays), strict=True)]
        vanishing = x.vanishing or y.vanishing
        return Residues(boxed(found, arrays[0].shape), self.prime, 8.0, 8.0, vanishing)

    def _power(self, x: int, y: int) -> int:
        for n in (0, 1, -1, 2, -2):
            key = ("power", x, (y + n) % self.prime)
            if key in self._atoms:
                return self._atoms[key] * pow(x, -n, self.prime) % self.prime
        self._atoms["power", x, y] = self._exp(y * self._log(x) % self.prime)
        return self._atoms["power", x, y]

    def _angle(self, x: int) -> tuple[int, int]:
        """Return cosine and sine."""
        p = self.prime
        if x not in self._angles:
            half = x * pow(2, -1, p) % p
            if p - x in self._angles:
                c, s = self._angles[p - x]
                self._angles[x] = c, (p - s) % p
                return self._angles[x]
            if half not in self._angles and p - half not in self._angles:
                u = self._atom("angle", half)
                inverse = pow(1 + u * u, -1, p)
                self._angles[half] = (1 - u * u) * inverse % p, 2 * u * inverse % p
            c, s = self._angle(half)
            self._angles[x] = (c * c - s * s) % p, 2 * c * s % p
        return self._angles[x]

    def _odd(self, name: str, x: int) -> int:
        """Return a function with f(−x) = −f(x)."""
        if not x:
            return 0
        mirrored = (name, self.prime - x)
        return (
            self.prime - self._atoms[mirrored] if mirrored in self._atoms else self._atom(name, x)
        )

    def unknown(self, name: str, orders: tuple[int, ...], xs: Sequence[Array]) -> Residues:
        """Return a function of the student's own, differentiated by its arguments, as atoms."""
        arrays = onp.broadcast_arrays(*(x.items for x in xs))
        places = zip(*(array.ravel() for array in arrays), strict=True)
        found = [self._atom("unknown", name, orders, place) for place in places]
        vanishing = any(x.vanishing for x in xs)
        return Residues(boxed(found, arrays[0].shape), self.prime, 1.0, 0.0, vanishing)

    # --- arrays -----------------------------------------------------------------------------------

    def broadcast(self, x: Array, shape: Shape) -> Residues:
        """Return x repeated to a shape."""
        found: Residues = x.broadcast(shape)
        return found

    def concatenate(self, parts: Sequence[Array], axis: int) -> Residues:
        """Return arrays joined along an axis they have."""
        items = onp.concatenate([part.items for part in parts], axis)
        top, bottom = max(part.top for part in parts), max(part.bottom for part in parts)
        return Residues(items, self.prime, top, bottom, any(part.vanishing for part in parts))


def _each(f: Callable[[int], int], x: Residues) -> Any:
    return boxed([f(item) for item in x.items.ravel()], x.shape)


def _is_smooth(value: Fraction | None) -> bool:
    """Tell whether a number is positive and all its primes are squares of the field."""
    if value is None or value <= 0:
        return False
    for part in (value.numerator, value.denominator):
        for q in SQUARE_PRIMES:
            while part % q == 0:
                part //= q
        if part != 1:
            return False
    return True


class Unknown:
    """A function of the student's own of which nothing is known, not even its derivative.

    Parameters
    ----------
    name : str
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, arithmetic: Any, order: int, *xs: Array) -> Array:
        """Return the function of arrays, or its derivative of some order (of one array)."""
        return self._value(arithmetic, (order, *(0,) * (len(xs) - 1)), xs)

    def _value(self, arithmetic: Any, orders: tuple[int, ...], xs: Sequence[Array]) -> Array:
        if not isinstance(arithmetic, Duals):
            return arithmetic.unknown(self.name, orders, xs)
        below, values = arithmetic.below, [x.value for x in xs]
        raised = [tuple(n + (i == k) for i, n in enumerate(orders)) for k in range(len(xs))]
        slopes = [
            self._value(below, more, values) if x.tangent is not None else None
            for more, x in zip(raised, xs, strict=True)
        ]
        return arithmetic.chain(self._value(below, orders, values), slopes, xs)
