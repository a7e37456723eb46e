"""Sums and products of written expressions put shortly, and told apart into terms and factors."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from backlit.explain.equation.tree import (
    ONE,
    PRODUCTS,
    ZERO,
    Binary,
    Node,
    Number,
    Series,
    Transpose,
    Unary,
)

_MOST_TERMS = 12


def negative(node: Node | None) -> Node:
    """Return an expression times −1, None standing for 1."""
    if isinstance(node, Unary):
        return node.operand
    return Unary("-", ONE if node is None else node)


def simplified(node: Node) -> Node:
    """Return an expression with its numbers multiplied out and factors of one left out.

    Parameters
    ----------
    node : Node

    Returns
    -------
    Node

    Examples
    --------
    >>> from backlit.explain.equation.tree import Name
    >>> half = Binary("/", Name("k"), Number(Fraction(2)))
    >>> simplified(Binary(" ", half, Binary(" ", Number(Fraction(2)), Name("w")))) == Binary(
    ...     " ", Name("k"), Name("w")
    ... )
    True
    """
    number, rest = _split(node)
    if rest is None:
        return Number(number)
    if number < 0:
        return Unary("-", _scaled(-number, rest))
    return _scaled(number, rest)


def _scaled(number: Fraction, node: Node) -> Node:
    """Return a positive number times an expression, fractions written as such."""
    above, below = Number(Fraction(number.numerator)), Number(Fraction(number.denominator))
    if number == 1:
        return node
    if isinstance(node, Binary) and node.op == "/":
        scaled = _scaled(Fraction(number.numerator), node.left)
        if node.left == ONE:
            scaled = above
        return Binary("/", scaled, node.right if below == ONE else Binary(" ", below, node.right))
    return Binary(" ", above if below == ONE else Binary("/", above, below), node)


def added(terms: Sequence[Node]) -> Node:
    """Return the sum of some terms, those with a minus taken away."""
    terms = [t for t in terms if t != ZERO] or terms
    total = terms[0]
    for term in terms[1:]:
        if isinstance(term, Unary):
            total = Binary("-", total, term.operand)
        elif isinstance(term, Number) and term.value < 0:
            total = Binary("-", total, Number(-term.value))
        else:
            total = Binary("+", total, term)
    return total


def collected(terms: Sequence[Node]) -> list[Node]:
    """Return terms with those that differ by a number put together: 1 − 2 a for 1 − a − a.

    Parameters
    ----------
    terms : sequence of Node

    Returns
    -------
    list of Node

    Examples
    --------
    >>> from backlit.explain.equation.tree import Name
    >>> collected([Name("a"), Name("b"), Name("a")]) == [
    ...     Binary(" ", Number(Fraction(2)), Name("a")),
    ...     Name("b"),
    ... ]
    True
    """
    numbers: dict[Node | None, Fraction] = {}
    for term in terms:
        number, rest = _split(term)
        numbers[rest] = numbers.get(rest, Fraction(0)) + number
    if len(numbers) == len(terms):
        return list(terms)
    found: list[Node] = []
    for rest, number in numbers.items():
        if rest is None:
            found.append(Number(number))
        elif number < 0:
            found.append(Unary("-", _scaled(-number, rest)))
        elif number:
            found.append(_scaled(number, rest))
    return found or [ZERO]


def summands(node: Node) -> list[Node]:
    """Return what a sum is of, what is taken away with a minus."""
    if isinstance(node, Binary) and node.op in "+-":
        right = summands(node.right)
        return summands(node.left) + (right if node.op == "+" else list(map(negative, right)))
    return [node]


def distributed(node: Node) -> list[Node]:
    """Return the terms of a product of sums multiplied out, each simplified.

    Parameters
    ----------
    node : Node

    Returns
    -------
    list of Node

    Examples
    --------
    >>> from backlit.explain.equation.tree import Name
    >>> total = Binary("-", Name("a"), Name("b"))
    >>> distributed(Binary(" ", Name("x"), total)) == [
    ...     Binary(" ", Name("x"), Name("a")),
    ...     Unary("-", Binary(" ", Name("x"), Name("b"))),
    ... ]
    True
    """
    return [simplified(term) for term in _distributed(node)][:_MOST_TERMS]


def _distributed(node: Node) -> list[Node]:
    if isinstance(node, Binary) and node.op in "+-":
        right = _distributed(node.right)
        return _distributed(node.left) + (right if node.op == "+" else list(map(negative, right)))
    if isinstance(node, Binary) and node.op in PRODUCTS:
        left, right = _distributed(node.left), _distributed(node.right)
        if len(left) * len(right) > _MOST_TERMS:
            return [node]
        return [Binary(node.op, one, other) for one in left for other in right]
    if isinstance(node, Binary) and node.op == "/":
        return [Binary("/", term, node.right) for term in _distributed(node.left)]
    if isinstance(node, Unary):
        return list(map(negative, _distributed(node.operand)))
    return [node]


def cancelled(node: Node) -> Node:
    """Return an expression with what stands above and below a fraction line left out.

    Parameters
    ----------
    node : Node

    Returns
    -------
    Node
        Another value where a factor is an array with zeros or the product one of matrices.

    Examples
    --------
    >>> from backlit.explain.equation.tree import Name
    >>> p, q = Name("p"), Name("q")
    >>> cancelled(Binary("/", Binary("/", p, Binary("/", p, q)), q)) == ONE
    True
    """

    def change(part: Node) -> Node:
        if not isinstance(part, Binary) or part.op not in " *./":
            return part
        above, below = _fraction(part)
        kept = [f for f in above if f != ONE]
        left = []
        for factor in below:
            if factor in kept:
                kept.remove(factor)
            else:
                left.append(factor)
        if len(left) == len(below) and len(kept) == len(above):
            return part
        op = part.op if part.op != "/" else " "
        whole = product(kept, op) if kept else ONE
        return Binary("/", whole, product(left, op)) if left else whole

    return node.map(change)


def _fraction(node: Node) -> tuple[list[Node], list[Node]]:
    """Return the factors above and below the fraction line of a product."""
    if isinstance(node, Binary) and node.op in " *./":
        (one, under), (other, below) = _fraction(node.left), _fraction(node.right)
        return (one + below, under + other) if node.op == "/" else (one + other, under + below)
    return [node], []


def factors(node: Node) -> list[Node]:
    """Return what a product is of, from left to right.

    Parameters
    ----------
    node : Node

    Returns
    -------
    list of Node
    """
    if isinstance(node, Binary) and node.op in PRODUCTS:
        return factors(node.left) + factors(node.right)
    if isinstance(node, Binary) and node.op == "/" and node.left != ONE:
        return [*factors(node.left), Binary("/", ONE, node.right)]
    return [node]


def product(parts: Sequence[Node], op: str = " ") -> Node:
    """Return the product of some factors.

    Parameters
    ----------
    parts : sequence of Node
        At least one.
    op : str
        Of `backlit.explain.equation.tree.PRODUCTS`; by default they are written side by side.

    Returns
    -------
    Node
    """
    result = parts[0]
    for part in parts[1:]:
        result = Binary(op, result, part)
    return result


def _split(node: Node) -> tuple[Fraction, Node | None]:
    """Return a number and what it is multiplied by, None for 1."""
    if isinstance(node, Number):
        return node.value, None
    if isinstance(node, Unary):
        number, rest = _split(node.operand)
        return -number, rest
    if isinstance(node, Binary) and node.op in PRODUCTS:
        (one, left), (other, right) = _split(node.left), _split(node.right)
        if left is None or right is None:
            return one * other, left if right is None else right
        if isinstance(right, Binary) and right.op == "/" and right.left == ONE:
            quotient = None if left == right.right else Binary("/", left, right.right)
            return one * other, quotient
        return one * other, Binary(node.op, left, right)
    if isinstance(node, Binary) and node.op == "/":
        (one, above), (other, below) = _split(node.left), _split(node.right)
        if above is not None and above == below and other:
            return one / other, None
        if below is None and other:
            return one / other, above
        if other and below is not None:
            return one / other, Binary("/", ONE if above is None else above, below)
        return Fraction(1), node
    if isinstance(node, Binary) and node.op in "+-":
        return Fraction(1), Binary(node.op, simplified(node.left), simplified(node.right))
    if isinstance(node, Transpose):
        number, rest = _split(node.operand)
        return number, None if rest is None else Transpose(rest)
    if isinstance(node, Series) and node.op == "sum":
        number, rest = _split(node.body)
        body = ONE if rest is None else rest
        return number, Series("sum", body, node.index, node.low, node.high)
    return Fraction(1), node
