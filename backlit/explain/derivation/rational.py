"""Elementwise arithmetic as algebra: collect, multiply out, cancel.

Sums, differences, products, quotients and whole powers of arrays obey the laws of a field element
by element. Whatever else stands in an expression is an unknown to this module. A value is kept as
a product of powers of polynomials, so that ``a(1 − a)`` is never multiplied out and a denominator
is always a product of known factors; a sum is brought to a common denominator, and what came out
is divided by every factor of it (exact division of polynomials in several unknowns).
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import gcd

from backlit.explain.derivation.expression import (
    NUMBER,
    Expression,
    add,
    divide,
    multiply,
    negative,
    number,
    power,
)

# A sum of more terms is left as it stands.
_MOST_TERMS = 60

Monomial = tuple[tuple[int, int], ...]
Polynomial = tuple[tuple[Monomial, Fraction], ...]
_UNIT: Monomial = ()


class TooLarge(Exception):
    """A sum has too many terms to be worth multiplying out."""


class Product:
    """A number times powers of polynomials.

    Attributes
    ----------
    scale : Fraction
    factors : dict of Polynomial to int
        Exponents, never 0; every polynomial is primitive and its first coefficient positive.
    """

    __slots__ = ("factors", "scale")

    def __init__(self, scale: Fraction, factors: dict[Polynomial, int] | None = None) -> None:
        self.scale = scale
        self.factors = {} if factors is None or not scale else factors

    def times(self, other: Product, sign: int = 1) -> Product:
        """Return the product with another one, or the quotient for ``sign = -1``."""
        factors = dict(self.factors)
        for factor, exponent in other.factors.items():
            total = factors.pop(factor, 0) + sign * exponent
            if total:
                factors[factor] = total
        scale = self.scale * other.scale if sign > 0 else self.scale / other.scale
        return Product(scale, factors)

    def raised(self, exponent: int) -> Product:
        """Return a whole power."""
        return Product(
            self.scale**exponent, {f: k * exponent for f, k in self.factors.items() if exponent}
        )


class Field:
    """Turns expressions into products and back; remembers what each unknown stands for."""

    def __init__(self) -> None:
        self._unknowns: dict[Expression, int] = {}
        self._order: list[Expression] = []

    # --- from expressions ---------------------------------------------------------------------

    def product(self, expression: Expression) -> Product:
        """Return an expression as a product of powers.

        Raises
        ------
        TooLarge
            If a sum has too many terms.
        ZeroDivisionError
            If a denominator is identically zero.
        """
        op, args = expression.op, expression.args
        if op == NUMBER:
            value = expression.value
            return Product(value) if isinstance(value, Fraction) else self._unknown(expression)
        if op in ("add", "subtract"):
            first, second = self.product(args[0]), self.product(args[1])
            return self._sum(
                first, second if op == "add" else Product(-second.scale, second.factors)
            )
        if op == "multiply":
            return self.product(args[0]).times(self.product(args[1]))
        if op == "divide":
            return self.product(args[0]).times(self.product(args[1]), -1)
        if op == "reciprocal":
            return Product(Fraction(1)).times(self.product(args[0]), -1)
        if op == "negative":
            inner = self.product(args[0])
            return Product(-inner.scale, inner.factors)
        if op == "square":
            return self.product(args[0]).raised(2)
        if op == "integer_power":
            return self.product(args[0]).raised(expression.param("n"))
        return self._unknown(expression)

    def _unknown(self, expression: Expression) -> Product:
        if expression not in self._unknowns:
            self._unknowns[expression] = len(self._order)
            self._order.append(expression)
        single: Polynomial = ((((self._unknowns[expression], 1),), Fraction(1)),)
        return Product(Fraction(1), {single: 1})

    def _sum(self, first: Product, second: Product) -> Product:
        if not first.scale or not second.scale:
            return second if not first.scale else first
        shared: dict[Polynomial, int] = {}
        for factor in {**first.factors, **second.factors}:
            exponent = min(first.factors.get(factor, 0), second.factors.get(factor, 0))
            if exponent:
                shared[factor] = exponent
        common = Product(Fraction(1), shared)
        total: dict[Monomial, Fraction] = {}
        for part in (first.times(common, -1), second.times(common, -1)):
            for monomial, coefficient in expanded(part).items():
                total[monomial] = total.get(monomial, Fraction(0)) + coefficient
        total = {m: c for m, c in total.items() if c}
        if not total:
            return Product(Fraction(0))
        scale, content, rest = split(total)
        result = Product(scale, {}).times(common)
        for index, exponent in content:
            result = result.times(Product(Fraction(1), {((((index, 1),), Fraction(1)),): exponent}))
        return self._cancelled(result, rest)

    def _cancelled(self, rest: Product, polynomial: Polynomial) -> Product:
        """Return a product times a polynomial, divided by what divides it."""
        for factor, exponent in list(rest.factors.items()):
            while exponent < 0 and len(polynomial) > 1:
                quotient = divided(dict(polynomial), dict(factor))
                if quotient is None:
                    break
                scale, content, polynomial = split(quotient)
                rest = rest.times(Product(scale, {factor: 1}))
                for index, times in content:
                    single: Polynomial = ((((index, 1),), Fraction(1)),)
                    rest = rest.times(Product(Fraction(1), {single: times}))
                exponent += 1
        if polynomial == ((_UNIT, Fraction(1)),):
            return rest
        return rest.times(Product(Fraction(1), {polynomial: 1}))

    # --- and back -----------------------------------------------------------------------------

    def expression(self, value: Product) -> Expression:
        """Return a product as it is best read: scalars in front, no leading minus if avoidable."""
        if not value.scale:
            return number(0)
        scale, factors = value.scale, dict(value.factors)
        # 1 − a is read more easily than a − 1, and a − y than −(y − a).
        flipped = {f for f, e in factors.items() if e % 2 and dict(f).get(_UNIT, 0) < 0}
        scale *= (-1) ** len(flipped)
        if scale < 0:
            odd = [f for f, e in factors.items() if e % 2 and f not in flipped]
            mixed = [f for f in odd if min(c for _, c in f) < 0 < max(c for _, c in f)]
            mixed.sort(key=lambda f: (dict(f).get(_UNIT, 0) > 0, factors[f] < 0))
            if mixed:
                flipped.add(mixed[0])
                scale = -scale
        above: list[Expression] = []
        below: list[Expression] = []
        for factor, exponent in factors.items():
            written = self._written(factor, -1 if factor in flipped else 1)
            (above if exponent > 0 else below).append(power(written, abs(exponent)))
        above.sort(key=_reading_order)
        below.sort(key=_reading_order)
        return quotient(scale, above, below)

    def _written(self, factor: Polynomial, sign: int) -> Expression:
        """Return a polynomial as a sum whose positive terms come first."""
        terms = sorted([(m, sign * c) for m, c in factor], key=lambda term: term[1] < 0)
        return add(*[self._term(m, c) for m, c in terms])

    def _term(self, monomial: Monomial, coefficient: Fraction) -> Expression:
        parts = [power(self._order[index], exponent) for index, exponent in monomial]
        return quotient(coefficient, sorted(parts, key=_reading_order), [])


def _reading_order(part: Expression) -> tuple[bool, bool]:
    return bool(part.shape), part.op in ("add", "subtract")  # a(1 − a), numbers in front


def quotient(scale: Fraction, above: list[Expression], below: list[Expression]) -> Expression:
    """Return scale · Π above / Π below with the numbers where they are read best.

    Parameters
    ----------
    scale : Fraction
    above, below : list of Expression

    Returns
    -------
    Expression
    """
    sign, size = scale < 0, abs(scale)
    scalars = [f for f in above if not f.shape]
    arrays = [f for f in above if f.shape]
    under = [f for f in below if not f.shape]
    over = [f for f in below if f.shape]
    top, bottom = size.numerator, size.denominator
    if top != 1:
        scalars.insert(0, number(top))
    if bottom != 1:
        under.insert(0, number(bottom))
    head: Expression | None = None
    if under:
        head = divide(multiply(*scalars) if scalars else number(1), multiply(*under))
    elif scalars:
        head = multiply(*scalars)
    body: Expression | None = None
    if over:
        body = divide(multiply(*arrays) if arrays else number(1), multiply(*over))
    elif arrays:
        body = multiply(*arrays)
    if head is not None and body is not None:
        whole = multiply(head, body)
    else:
        whole = head or body or number(1)
    return negative(whole) if sign else whole


# --- polynomials ------------------------------------------------------------------------------


def expanded(value: Product) -> dict[Monomial, Fraction]:
    """Return a product without negative exponents, multiplied out."""
    total: dict[Monomial, Fraction] = {_UNIT: value.scale}
    for factor, exponent in value.factors.items():
        for _ in range(exponent):
            grown: dict[Monomial, Fraction] = {}
            for left, a in total.items():
                for right, b in factor:
                    monomial = merged(left, right)
                    grown[monomial] = grown.get(monomial, Fraction(0)) + a * b
            total = grown
            if len(total) > _MOST_TERMS:
                raise TooLarge
    return total


def merged(left: Monomial, right: Monomial) -> Monomial:
    """Return the product of two monomials."""
    if not left or not right:
        return left or right
    exponents = dict(left)
    for index, exponent in right:
        exponents[index] = exponents.get(index, 0) + exponent
    return tuple(sorted(exponents.items()))


def split(
    polynomial: dict[Monomial, Fraction],
) -> tuple[Fraction, Iterable[tuple[int, int]], Polynomial]:
    """Return number, common monomial and primitive polynomial whose product is the given one."""
    monomials = list(polynomial)
    common = dict(monomials[0])
    for monomial in monomials[1:]:
        exponents = dict(monomial)
        common = {i: min(e, exponents[i]) for i, e in common.items() if i in exponents}
    top = gcd(*[c.numerator for c in polynomial.values()])
    bottom = 1
    for coefficient in polynomial.values():
        bottom = bottom * coefficient.denominator // gcd(bottom, coefficient.denominator)
    ordered = sorted(polynomial.items(), key=lambda term: _monomial_order(term[0]))
    scale = Fraction(top, bottom) * (1 if ordered[0][1] > 0 else -1)
    rest = tuple(
        [
            (tuple([(i, e - common.get(i, 0)) for i, e in m if e > common.get(i, 0)]), c / scale)
            for m, c in ordered
        ]
    )
    return scale, tuple(common.items()), rest


def _monomial_order(monomial: Monomial) -> tuple[int, Monomial]:
    return -sum(e for _, e in monomial), monomial


def divided(
    top: dict[Monomial, Fraction], bottom: dict[Monomial, Fraction]
) -> dict[Monomial, Fraction] | None:
    """Return the exact quotient of two polynomials, or None if there is a remainder."""
    lead = min(bottom, key=_lexicographic)
    quotient_: dict[Monomial, Fraction] = {}
    rest = dict(top)
    while rest:
        first = min(rest, key=_lexicographic)
        have, need = dict(first), dict(lead)
        if any(have.get(i, 0) < e for i, e in need.items()):
            return None
        exponents = {i: e - need.get(i, 0) for i, e in have.items()}
        step = tuple([(i, e) for i, e in exponents.items() if e])
        coefficient = rest[first] / bottom[lead]
        quotient_[step] = coefficient
        for monomial, value in bottom.items():
            place = merged(step, monomial)
            left = rest.get(place, Fraction(0)) - coefficient * value
            if left:
                rest[place] = left
            else:
                rest.pop(place, None)
        if len(rest) > _MOST_TERMS:
            return None
    return quotient_


def _lexicographic(monomial: Monomial) -> tuple[tuple[int, int], ...]:
    """Order monomials as dictionaries do: the highest power of the first unknown comes first.

    An unknown that is missing has exponent 0 and so comes after; the end mark makes a prefix,
    which lacks what the longer monomial has, come after it too.
    """
    return (*[(i, -e) for i, e in monomial], (1 << 60, 0))
