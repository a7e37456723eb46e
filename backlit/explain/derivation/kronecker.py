"""The chain rule element by element: ∂Zᵢ/∂Wₖₗ = δᵢₖ Xₗ, and what is left of the sums.

Texts that derive with indices write δᵢₖ, which is 1 where i = k and 0 elsewhere, for ∂Wᵢ/∂Wₖ. Under
a sum over i only the term i = k stays. Here every equation of the program is differentiated that
way, from the equation alone; that the outcome is the derivative which the engine found is checked
with numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as onp

from backlit.core.errors import BacklitError
from backlit.explain.derivation.checking import Values, numbers_of
from backlit.explain.derivation.expression import (
    LEAF,
    NUMBER,
    ONE,
    SERIES,
    ZERO,
    Expression,
    add,
    divide,
    leaf,
    make,
    multiply,
    negative,
    number,
    power,
)
from backlit.explain.derivation.grid import Grid, Unknown
from backlit.explain.derivation.indices import Indexing
from backlit.explain.derivation.rules import collected, tidied
from backlit.explain.derivation.sheet import Line, Sheet
from backlit.explain.derivation.slopes import SLOPES
from backlit.explain.equation.text.printing import unicode
from backlit.explain.equation.tree import Derivative, Equation, Name, Node, Series
from backlit.explain.notation import to_tree

# Elements at which the steps are checked, and how close they have to be.
_CHECKED = 4
_CLOSE = 1e-6
# Denominators beyond this are written as decimals.
_LONG = 1_000_000
_DELTAS = ("delta", "I", "delta0")
Pair = tuple[Node, Node]


@dataclass(frozen=True)
class ElementStep:
    """One right side of the chain rule for one element.

    Attributes
    ----------
    rule : str
    right : Node
    """

    rule: str
    right: Node


@dataclass(frozen=True)
class ElementChain:
    """How one element of a derivative follows from the equations of the program.

    Attributes
    ----------
    left : Node
        ∂L/∂Wₖₗ
    local : tuple of Equation
        ∂Zᵢ/∂Wₖₗ = δᵢₖ Xₗ for every equation of the program that W stands in, but for that of L.
    steps : tuple of ElementStep
        Their right sides all have the value of the line.
    ranges : dict of str to int
        How far every index runs.
    delta : str
        What δ is called.
    """

    left: Node
    local: tuple[Equation, ...]
    steps: tuple[ElementStep, ...]
    ranges: dict[str, int]
    delta: str


@dataclass(frozen=True)
class _Term:
    """Σ over `sums` of factor · δ · δ …"""

    factor: Expression
    deltas: tuple[Pair, ...] = ()
    sums: tuple[str, ...] = ()

    def times(self, other: Expression) -> _Term:
        return replace(self, factor=_product(other, self.factor))

    def expression(self, delta: str) -> Expression:
        signs = [leaf(Name(delta, index=pair), ()) for pair in self.deltas]
        negated = self.factor.op == "negative"
        plain = self.factor.args[0] if negated else self.factor
        factors = [*signs, *([] if plain == ONE and signs else [plain])]
        total = multiply(*factors)
        for letter in reversed(self.sums):
            total = make(SERIES, total, shape=(), index=letter)
        return negative(total) if negated else total


@dataclass(frozen=True)
class _User:
    """An equation Z = … of the program that W stands in.

    Attributes
    ----------
    local : Equation
        ∂Zᵢ/∂Wₖₗ
    upstream : Expression or None
        ∂L/∂Zᵢ; None where Z is L.
    terms : list of _Term
        Of the local derivative.
    sums : tuple of str
        Indices of Z.
    right : Expression
        The local derivative.
    """

    local: Equation
    upstream: Expression | None
    terms: list[_Term]
    sums: tuple[str, ...]
    right: Expression


def element_chain(line: Line, derivation: Sheet, values: Values) -> ElementChain | None:
    """Derive one line of a derivation element by element.

    Parameters
    ----------
    line : Line
        ∂L/∂W, in denominator layout.
    derivation : Sheet
    values : Values
        From `worked_out`: the steps are checked with these numbers.

    Returns
    -------
    ElementChain or None
        None if there is no index to write a δ for, if the program does something to W that has no
        element of its own in this notation, or if a step does not have the value of the line.
    """
    left = line.left
    if not isinstance(left, Derivative) or not isinstance(left.wrt, Name):
        return None
    if left.target != derivation.target or derivation.layout != "denominator":
        return None
    try:
        made = _Chain(line, left.wrt, derivation)
        return made.chain(values)
    except (Unknown, BacklitError):  # what the notation of elements does not have
        return None


class _Chain:
    """The chain rule for one element, under way."""

    def __init__(self, line: Line, wrt: Name, derivation: Sheet) -> None:
        self.line, self.wrt, self.derivation = line, wrt, derivation
        self.indexing = Indexing.of(derivation)
        self.index = tuple([self.indexing.letter(n) for n in line.shape])
        self.left = self.indexing.placed(line.left, line.shape, self.index)
        mine = self.indexing.placed(wrt, line.shape, self.index)
        if mine == wrt or not isinstance(mine, Name):
            raise Unknown
        self.mine = mine
        self._named: dict[Expression, Expression] = {}
        taken = {name.partition("[")[0] for name in derivation.shapes}
        self.delta = next((name for name in _DELTAS if name not in taken), "")
        if not self.delta:
            raise Unknown

    def chain(self, values: Values) -> ElementChain | None:
        """Return the finished chain, if its steps have the value of the line."""
        users = [x for x in self.derivation.forward if _mentions(x.expression, self.wrt)]
        parts = [self._user(user) for user in users]
        direct = any(part.upstream is None for part in parts)
        if not any(t.deltas for part in parts for t in part.terms) or (direct and len(parts) > 1):
            return None
        found = [("local derivative", add(*[self._summed(p, p.right) for p in parts]))]
        left = tidied(add(*[self._left(part) for part in parts]))
        if left != found[-1][1]:
            found.append(("one term of a sum is left", left))
        own = self.indexing.element(self.line.expression, self.index)
        if _canonical(to_tree(own)) != _canonical(to_tree(left)):
            found.append(("in the form above", own))
        if not self._right(found, values):
            return None
        if not direct:
            first = add(*[self._summed(p, leaf(p.local.left, ())) for p in parts])
            found.insert(0, ("chain rule", first))
        steps = tuple([ElementStep(rule, to_tree(right)) for rule, right in found])
        local = tuple([part.local for part in parts if part.upstream is not None])
        return ElementChain(self.left, local, steps, self.indexing.ranges, self.delta)

    def _user(self, user: Line) -> _User:
        """Differentiate one equation of the program."""
        assert isinstance(user.left, Name)
        index = tuple([self.indexing.letter(n) for n in user.shape])
        sums = tuple([k.base for k in index if isinstance(k, Name)])
        whole = self.indexing.placed(user.left, user.shape, index)
        mine = leaf(whole, ())
        direct = user.left == self.derivation.target
        terms = self._softmax(user, index) or self._of(self._opened(user, index, mine))
        if not direct:
            terms = [self._reduced(term) for term in terms]
        derivative = Derivative(whole, self.mine)
        right = tidied(add(*[term.expression(self.delta) for term in terms])) if terms else ZERO
        upstream: Expression | None = None
        if not direct:
            above = Derivative(self.derivation.target, user.left)
            upstream = leaf(self.indexing.placed(above, user.shape, index), ())
        return _User(Equation(derivative, to_tree(right)), upstream, terms, sums, right)

    def _opened(self, user: Line, index: Sequence[Node], mine: Expression) -> Expression:
        """Return one element of the right side; what it is called is known to `_of`."""
        right = self.indexing.element(user.expression, tuple(index))
        self._named = {right: mine}
        return right

    # --- differentiation ----------------------------------------------------------------------

    def _of(self, part: Expression) -> list[_Term]:
        """Return the derivative of an expression of numbers as terms."""
        if part.op == LEAF:
            return self._of_leaf(part.param("node"))
        if not _mentions(part, self.wrt):
            return []
        if part.op == SERIES:
            letter = part.param("index")
            return [replace(t, sums=(letter, *t.sums)) for t in self._of(part.args[0])]
        if part.op in SLOPES:
            slope = SLOPES[part.op](part.args[0])
            slope = slope.map(lambda inner: self._named.get(inner, inner))
            return [t.times(slope) for t in self._of(part.args[0])]
        rule = _PRODUCTS.get(part.op)
        if rule is None:
            raise Unknown
        return [t.times(f) for f, inner in rule(part) for t in self._of(inner)]

    def _of_leaf(self, node: Node) -> list[_Term]:
        if isinstance(node, Name) and _is(node, self.wrt):
            if len(node.index) != len(self.mine.index):
                raise Unknown
            return [_Term(ONE, tuple(zip(node.index, self.mine.index, strict=True)))]
        if any(isinstance(part, Name) and _is(part, self.wrt) for part in node.walk()):
            raise Unknown
        return []

    def _softmax(self, user: Line, index: Sequence[Node]) -> list[_Term]:
        """Return ∂Aᵢ/∂Zⱼ = Aᵢ (δᵢⱼ − Aⱼ) for a softmax of W itself; for log A, δᵢⱼ − Aⱼ."""
        part = user.expression
        if part.op not in ("softmax", "log_softmax") or len(part.param("axes")) != 1:
            return []
        if part.args[0].op != LEAF or part.args[0].param("node") != self.wrt:
            return []
        (axis,) = part.param("axes")
        pairs = [(a, b) for a, b in zip(index, self.index, strict=True) if isinstance(a, Name)]
        kept = tuple([pair for pair in pairs if pair[0] != index[axis]])
        other = [
            b if k == axis else a for k, (a, b) in enumerate(zip(index, self.index, strict=True))
        ]
        mine, moved = (
            leaf(self.indexing.placed(user.left, user.shape, tuple(places)), ())
            for places in (index, other)
        )
        if part.op == "log_softmax":
            moved, mine = make("exp", moved, shape=()), ONE
        rest = moved if mine == ONE else multiply(mine, moved)
        return [_Term(mine, tuple(pairs)), _Term(negative(rest), kept)]

    # --- sums ---------------------------------------------------------------------------------

    def _reduced(self, term: _Term) -> _Term:
        """Return a term without the sums over indices that a δ fixes."""
        factor, sums = term.factor, list(term.sums)
        deltas: list[Pair] = []
        waiting = list(term.deltas)
        while waiting:
            a, b = waiting.pop(0)
            if (
                isinstance(b, Name)
                and b.base in sums
                and not (isinstance(a, Name) and a.base in sums)
            ):
                a, b = b, a
            if a == b:
                continue
            if isinstance(a, Name) and a.base in sums:
                sums.remove(a.base)
                factor = _replaced(factor, a.base, b)
                waiting = [(_place(x, a.base, b), _place(y, a.base, b)) for x, y in waiting]
                deltas = [(_place(x, a.base, b), _place(y, a.base, b)) for x, y in deltas]
            else:
                deltas.append((a, b))
        factor = (collected(factor) or factor).map(_readable)
        return _Term(factor, tuple(deltas), tuple(sums))

    def _left(self, user: _User) -> Expression:
        """Return Σ ∂L/∂Zᵢ ∂Zᵢ/∂W after every δ has picked its term."""
        whole = [t if user.upstream is None else t.times(user.upstream) for t in user.terms]
        whole = [self._reduced(replace(t, sums=(*user.sums, *t.sums))) for t in whole]
        return add(*[t.expression(self.delta) for t in whole])

    def _summed(self, user: _User, right: Expression) -> Expression:
        """Return Σ ∂L/∂Zᵢ · right"""
        if user.upstream is None:
            return right
        total = _product(user.upstream, right)
        for letter in reversed(user.sums):
            total = make(SERIES, total, shape=(), index=letter)
        return total

    # --- with numbers -------------------------------------------------------------------------

    def _right(self, found: Sequence[tuple[str, Expression]], values: Values) -> bool:
        """Tell whether expressions have the value of the line, at a few of its elements."""
        expected = numbers_of(values.of(self.line.left))
        size = float(onp.max(onp.abs(expected), initial=0.0))
        count = expected.size
        for flat in dict.fromkeys([0, count - 1, count // 2, count // 3][:_CHECKED]):
            place = onp.unravel_index(flat, expected.shape)
            fixed = {
                k.base: int(n)
                for k, n in zip(self.index, place, strict=True)
                if isinstance(k, Name)
            }
            numbers = Grid(values, self.indexing.ranges, fixed, self.delta)
            for _, right in found:
                apart = abs(float(onp.reshape(numbers.of(right), ())) - expected[place])
                if not apart <= _CLOSE * size:
                    return False
        return True


# --- pieces -----------------------------------------------------------------------------------

_MINUS = negative(ONE)


def _product(first: Expression, second: Expression) -> Expression:
    """Return a product, its sign in front."""
    if first == ONE or second == ONE:
        return second if first == ONE else first
    signs = (first.op == "negative") != (second.op == "negative")
    plain = [a.args[0] if a.op == "negative" else a for a in (first, second)]
    product = plain[0] if plain[1] == ONE else plain[1] if plain[0] == ONE else multiply(*plain)
    return negative(product) if signs else product


def _readable(part: Expression) -> Expression:
    """Return 0.7071… for the quotient of two numbers with many digits."""
    value = part.value
    long = isinstance(value, Fraction) and value.denominator > _LONG
    return number(float(value)) if part.op == NUMBER and long and value else part


def _is(node: Name, wrt: Name) -> bool:
    return node.base == wrt.base and node.layer == wrt.layer


def _mentions(part: Expression, wrt: Name) -> bool:
    return any(
        isinstance(node, Name) and _is(node, wrt)
        for inner in part.walk()
        if inner.op == LEAF
        for node in inner.param("node").walk()
    )


def _place(node: Node, letter: str, other: Node) -> Node:
    """Return a node with an index replaced, but for sums that run over it themselves."""
    return node.map(lambda k: other if k == Name(letter) else k)


def _replaced(part: Expression, letter: str, other: Node) -> Expression:
    if part.op == SERIES and part.param("index") == letter:
        return part
    if part.op == LEAF:
        return leaf(_place(part.param("node"), letter, other), part.shape)
    args = [_replaced(a, letter, other) for a in part.args]
    return Expression(part.op, args, part.params, part.shape)


def _canonical(node: Node) -> list[str]:
    """Return what an expression is made of, whatever the indices of its sums are called."""
    letters = {part.index for part in node.walk() if isinstance(part, Series)}

    def plain(part: Node) -> Node:
        return Name("_") if isinstance(part, Name) and part.base in letters else part

    return sorted(
        unicode(part.map(plain)) if isinstance(part, (Name, Derivative)) else type(part).__name__
        for part in node.walk()
    )


def _divided(part: Expression) -> list[tuple[Expression, Expression]]:
    top, bottom = part.args
    return [(divide(ONE, bottom), top), (negative(divide(top, power(bottom, 2))), bottom)]


def _powered(part: Expression) -> list[tuple[Expression, Expression]]:
    base = part.args[0]
    if part.op == "power":
        exponent = part.args[1].value
        if not isinstance(exponent, Fraction):
            raise Unknown
        lowered = make("power", base, number(exponent - 1), shape=())
        return [(multiply(number(exponent), lowered), base)]
    n = part.param("n", 2)
    return [(multiply(number(n), power(base, n - 1)), base)]


def _chosen(part: Expression) -> list[tuple[Expression, Expression]]:
    test, first, second = part.args
    yes, no = make("where", test, ONE, ZERO, shape=()), make("where", test, ZERO, ONE, shape=())
    return [(yes, first), (no, second)]


# d(operation) as a list of factor · d(operand).
_PRODUCTS: dict[str, Callable[[Expression], list[tuple[Expression, Expression]]]] = {
    "add": lambda x: [(ONE, x.args[0]), (ONE, x.args[1])],
    "subtract": lambda x: [(ONE, x.args[0]), (_MINUS, x.args[1])],
    "negative": lambda x: [(_MINUS, x.args[0])],
    "multiply": lambda x: [(x.args[1], x.args[0]), (x.args[0], x.args[1])],
    "divide": _divided,
    "reciprocal": lambda x: [(negative(divide(ONE, power(x.args[0], 2))), x.args[0])],
    "square": _powered,
    "integer_power": _powered,
    "power": _powered,
    "where": _chosen,
    "astype": lambda x: [(ONE, x.args[0])],
    "positive": lambda x: [(ONE, x.args[0])],
}
