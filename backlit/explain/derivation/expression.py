"""Expressions with shapes: what lies between a graph and the equations that are printed.

An expression names a primitive of the registry, or one of a few forms that only derivations need
(`KEPT`, `ONE_HOT`, …), its operands and its static parameters. Since the shape is known, a rule
of algebra can tell a broadcast from a product, and the printer an elementwise product from a
matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as onp

from backlit.core.aval import Shape
from backlit.explain.equation.tree import Node

# Forms that are no primitives.
LEAF = "leaf"  # a variable, a derivative, or anything else that is not looked into
NUMBER = "number"
OUTER = "outer"
ONE_HOT = "one_hot"
SERIES = "series"  # Σ over the index `index`
SLOPE = "slope"  # g′(x): `of` names g
# Reductions that may keep an axis with length one.
TRUTHS = frozenset(  # operations whose results are 0 or 1
    "greater greater_equal less less_equal equal not_equal logical_and logical_or logical_xor "
    "logical_not isnan isinf isfinite all any".split()
)
REDUCTIONS = frozenset(("sum", "prod", "max", "min", "logsumexp", "all", "any"))


class Expression:
    """An operation on expressions.

    Attributes
    ----------
    op : str
        A primitive's name, or one of the forms above.
    args : tuple of Expression
    params : tuple of (str, object)
        Sorted by name.
    shape : tuple of int
    size : int
        Number of operations and leaves.
    """

    __slots__ = ("_hash", "args", "op", "params", "shape", "size")

    def __init__(
        self,
        op: str,
        args: Sequence[Expression] = (),
        params: Sequence[tuple[str, Any]] = (),
        shape: Shape = (),
    ) -> None:
        self.op = op
        self.args = tuple(args)
        self.params = tuple(params)
        self.shape = tuple(shape)
        self.size: int = 1 + sum([a.size for a in self.args])
        self._hash = hash((op, self.args, self.params, self.shape))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return (
            isinstance(other, Expression)
            and self._hash == other._hash
            and self.op == other.op
            and self.shape == other.shape
            and self.params == other.params
            and self.args == other.args
        )

    def __repr__(self) -> str:
        inside = ", ".join(map(repr, self.args))
        extra = "".join(f", {k}={v!r}" for k, v in self.params)
        return f"{self.op}({inside}{extra})"

    def param(self, name: str, default: Any = None) -> Any:
        """Return a parameter."""
        return dict(self.params).get(name, default)

    @property
    def value(self) -> Fraction | float | None:
        """The number that every element is, or None."""
        if self.op == NUMBER:
            found: Fraction | float = self.param("value")
            return found
        return self.args[0].value if self.op == "broadcast_to" else None

    def walk(self) -> Iterator[Expression]:
        """Yield every expression in here once, parents first."""
        seen: set[Expression] = set()
        waiting = [self]
        while waiting:
            part = waiting.pop()
            if part not in seen:
                seen.add(part)
                yield part
                waiting.extend(reversed(part.args))

    def map(self, change: Callable[[Expression], Expression]) -> Expression:
        """Return the expression with `change` applied everywhere, operands first."""
        done: dict[Expression, Expression] = {}

        def visit(part: Expression) -> Expression:
            if part not in done:
                args = tuple([visit(a) for a in part.args])
                same = all(a is b for a, b in zip(args, part.args, strict=True))
                whole = part if same else Expression(part.op, args, part.params, part.shape)
                done[part] = change(whole)
            return done[part]

        return visit(self)


def leaf(node: Node, shape: Shape) -> Expression:
    """Return a variable.

    Parameters
    ----------
    node : Node
        What it is printed as.
    shape : tuple of int

    Returns
    -------
    Expression
    """
    return Expression(LEAF, (), (("node", node),), shape)


@lru_cache(maxsize=4096)
def number(value: Any) -> Expression:
    """Return a number, the fraction that the program meant where that is plain.

    Parameters
    ----------
    value : bool, int, float or Fraction

    Returns
    -------
    Expression

    Examples
    --------
    >>> number(0.2).value, number(1 / 3).value, number(3).value
    (Fraction(1, 5), Fraction(1, 3), Fraction(3, 1))
    """
    exact = value if isinstance(value, Fraction) else _meant(value)
    return Expression(NUMBER, (), (("value", exact),))


def _meant(value: Any) -> Fraction | float:
    if isinstance(value, (bool, int, onp.bool_, onp.integer)):
        return Fraction(int(value))
    plain = float(value)
    if not onp.isfinite(plain):
        return plain
    near = Fraction(plain).limit_denominator(10_000)
    if near.numerator / near.denominator == plain:
        return near
    if isinstance(value, onp.floating) and value.dtype.itemsize < 8:
        short = Fraction(str(value))
        near = short.limit_denominator(10_000)
        return near if type(value)(near.numerator / near.denominator) == value else short
    return Fraction(repr(plain))


ZERO, ONE = number(0), number(1)


def make(op: str, *args: Expression, shape: Shape, **params: Any) -> Expression:
    """Return an operation on expressions.

    Parameters
    ----------
    op : str
    *args : Expression
    shape : tuple of int
        Of the result.
    **params
        Static parameters.

    Returns
    -------
    Expression
    """
    return Expression(op, args, tuple(sorted(params.items())), shape)


# --- the forms that rules build ---------------------------------------------------------------


def joint(*args: Expression) -> Shape:
    """Return the shape that operands broadcast to."""
    return onp.broadcast_shapes(*[a.shape for a in args])


def add(*terms: Expression) -> Expression:
    """Return a sum of terms."""
    total = terms[0]
    for term in terms[1:]:
        if term.op == "negative":
            total = make("subtract", total, term.args[0], shape=joint(total, term))
        else:
            total = make("add", total, term, shape=joint(total, term))
    return total


def multiply(*factors: Expression) -> Expression:
    """Return a product of factors, elementwise."""
    total = factors[0]
    for factor in factors[1:]:
        total = make("multiply", total, factor, shape=joint(total, factor))
    return total


def divide(top: Expression, bottom: Expression) -> Expression:
    """Return a quotient, elementwise."""
    return make("divide", top, bottom, shape=joint(top, bottom))


def negative(operand: Expression) -> Expression:
    """Return ``-operand``."""
    return make("negative", operand, shape=operand.shape)


def power(base: Expression, exponent: int) -> Expression:
    """Return a whole power."""
    if exponent == 1:
        return base
    if exponent == 2:
        return make("square", base, shape=base.shape)
    return make("integer_power", base, shape=base.shape, n=exponent)


def stretched(operand: Expression, shape: Shape) -> Expression:
    """Return an operand broadcast to a shape, itself where it has that shape."""
    return operand if operand.shape == shape else make("broadcast_to", operand, shape=shape)


def reduced(op: str, operand: Expression, axes: Sequence[int], kept: bool = False) -> Expression:
    """Return a reduction over axes.

    Parameters
    ----------
    op : str
        One of `REDUCTIONS`.
    operand : Expression
    axes : sequence of int
        Not negative.
    kept : bool
        Keep the axes with length one.

    Returns
    -------
    Expression
    """
    gone = tuple(sorted(axes))
    shape = [1 if k in gone else n for k, n in enumerate(operand.shape) if kept or k not in gone]
    return make(op, operand, shape=tuple(shape), axes=gone, keepdims=kept)


def transposed(operand: Expression) -> Expression:
    """Return the transpose of a matrix; of a transpose, the matrix."""
    if operand.op == "transpose" and operand.param("axes") == (1, 0):
        return operand.args[0]
    shape = operand.shape[::-1]
    return make("transpose", operand, shape=shape, axes=(1, 0))


def matmul(left: Expression, right: Expression) -> Expression:
    """Return a matrix product of operands of rank 1 or 2."""
    shape = left.shape[:-1] + (right.shape[:-2] + right.shape[-1:] if len(right.shape) > 1 else ())
    return make("matmul", left, right, shape=shape)
