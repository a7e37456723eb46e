"""The typed tree that equations are read into, judged on and printed from.

The parser makes it from what a student wrote, the derivation makes it from a graph, and the
printers turn it into LaTeX, Unicode or Python. Every node knows which characters of its line it was
read from, so that a verdict can point. Nothing in it is ever run: a tree is data.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

Span = tuple[int, int]
NOWHERE: Span = (0, 0)


@dataclass(frozen=True)
class Node:
    """Base of all nodes.

    Attributes
    ----------
    span : (int, int)
        First character and the one after the last, in the line the node was read from. Two nodes
        are equal wherever they stand.
    """

    span: Span = field(default=NOWHERE, compare=False, kw_only=True)

    def children(self) -> Iterator[Node]:
        """Yield the nodes directly below, in the order they are written."""
        for attribute in _attributes(type(self)):
            yield from _nodes(getattr(self, attribute))

    def walk(self) -> Iterator[Node]:
        """Yield this node and all below it, parents first.

        Examples
        --------
        >>> product = Binary("@", Name("W"), Transpose(Name("X")))
        >>> [type(node).__name__ for node in product.walk()]
        ['Binary', 'Name', 'Transpose', 'Name']
        """
        waiting: list[Node] = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(list(node.children())))

    def map(self, change: Callable[[Node], Node]) -> Node:
        """Return the tree with `change` applied to every node, leaves first.

        Examples
        --------
        >>> negated = Unary("-", Name("x"))
        >>> negated.map(lambda node: Name("y") if node == Name("x") else node) == Unary(
        ...     "-", Name("y")
        ... )
        True
        """
        changes = {}
        for attribute in _attributes(type(self)):
            old = getattr(self, attribute)
            new = _mapped(old, change)
            if new is not old:
                changes[attribute] = new
        return change(dataclasses.replace(self, **changes) if changes else self)

    def swapped(self, old: Node, new: Node) -> Node:
        """Return the tree with one node, that very object, replaced.

        Examples
        --------
        >>> left, right = Name("x"), Name("x")
        >>> Binary("+", left, right).swapped(right, Name("y")) == Binary("+", left, Name("y"))
        True
        """
        if self is old:
            return new
        for attribute in _attributes(type(self)):
            value = getattr(self, attribute)
            changed = _swapped(value, old, new)
            if changed is not value:
                return dataclasses.replace(self, **{attribute: changed})
        return self


_known_attributes: dict[type, tuple[str, ...]] = {}


def _attributes(kind: type[Node]) -> tuple[str, ...]:
    """Return the attributes of a kind of node that may hold nodes."""
    found = _known_attributes.get(kind)
    if found is None:
        found = tuple([a.name for a in dataclasses.fields(kind) if a.compare])
        _known_attributes[kind] = found
    return found


def _swapped(value: Any, old: Node, new: Node) -> Any:
    if isinstance(value, Node):
        return value.swapped(old, new)
    if isinstance(value, tuple):
        for place, part in enumerate(value):
            changed = _swapped(part, old, new)
            if changed is not part:
                return (*value[:place], changed, *value[place + 1 :])
    return value


def _nodes(value: Any) -> Iterator[Node]:
    if isinstance(value, Node):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from _nodes(part)


def _mapped(value: Any, change: Callable[[Node], Node]) -> Any:
    if isinstance(value, Node):
        return value.map(change)
    if isinstance(value, tuple) and any(True for _ in _nodes(value)):
        parts = tuple([_mapped(part, change) for part in value])
        return parts if any(a is not b for a, b in zip(parts, value, strict=True)) else value
    return value


@dataclass(frozen=True)
class Number(Node):
    """A written number, exactly.

    Attributes
    ----------
    value : Fraction
        ``0.1`` is one tenth.
    """

    value: Fraction


ZERO, ONE, TWO = Number(Fraction(0)), Number(Fraction(1)), Number(Fraction(2))


@dataclass(frozen=True)
class Constant(Node):
    """``e``, ``pi``, ``inf``, or one of Python's ``True``, ``False``, ``None``.

    Attributes
    ----------
    name : str
    """

    name: str


@dataclass(frozen=True)
class Name(Node):
    r"""A variable.

    Attributes
    ----------
    base : str
        Letters, with the digits written directly behind them, in one spelling: ``Z1``, ``sigma``
        (for σ and ``\sigma``), ``yhat`` (for ``\hat y``, ŷ and ``y_hat``), ``y'`` (for ``y^\prime``
        where it is part of the name).
    layer : Node or None
        What stands in ``^{[…]}`` or ``^{(…)}``: a number, ``l``, ``L-1``.
    index : tuple of Node
        Subscripts, or what stands in brackets after a name: numbers are counted as written.
    is_round : bool
        Whether the layer was written in round brackets, ``x^{(i)}``; the name is the same.
    above : tuple of int
        Which of the subscripts were written above, ``a^{[1](i)}``; the name is the same.
    """

    base: str
    layer: Node | None = None
    index: tuple[Node, ...] = ()
    is_round: bool = field(default=False, compare=False, repr=False, kw_only=True)
    above: tuple[int, ...] = field(default=(), compare=False, repr=False, kw_only=True)


@dataclass(frozen=True)
class Unary(Node):
    """``-x``.

    Attributes
    ----------
    op : str
        ``-`` (a leading + is dropped).
    operand : Node
    """

    op: str
    operand: Node


@dataclass(frozen=True)
class Binary(Node):
    r"""Two operands.

    Attributes
    ----------
    op : str
        ``+``, ``-``, ``/``; the products ``*`` (elementwise: ⊙ ∘ ``\odot``, Python's ``*``), ``@``
        (matrix product, ``np.dot``), ``.`` (``\cdot``, ``\times``), and " " (written side by side):
        the last two are scalar, matrix or inner products by the shapes.
    left, right : Node
    """

    op: str
    left: Node
    right: Node


PRODUCTS = (" ", ".", "*", "@")
"""The operators of `Binary` that are products."""


@dataclass(frozen=True)
class Power(Node):
    """``base`` to the power ``exponent``, elementwise for an array.

    Attributes
    ----------
    base, exponent : Node
    """

    base: Node
    exponent: Node


@dataclass(frozen=True)
class Transpose(Node):
    """The transpose of `operand`.

    Attributes
    ----------
    operand : Node
    """

    operand: Node


@dataclass(frozen=True)
class Function(Node):
    """What is applied in a `Call`: a function by name, or its derivative.

    Attributes
    ----------
    name : str
        ``sigmoid``, ``exp``, ``sum``, …, or a function of the student's own: ``g``.
    layer : Node or None
        As in `Name`: ``g^{[l]}``.
    order : int
        How many times it is differentiated: 1 for g′.
    """

    name: str
    layer: Node | None = None
    order: int = 0


@dataclass(frozen=True)
class Call(Node):
    """A function applied to arguments.

    Attributes
    ----------
    function : Function
    args : tuple of Node
    keywords : tuple of (str, Node)
        ``axis=1``, ``keepdims=True``.
    """

    function: Function
    args: tuple[Node, ...]
    keywords: tuple[tuple[str, Node], ...] = ()


@dataclass(frozen=True)
class Items(Node):
    """Several values in brackets: a tuple of axes, a vector, a matrix given by rows.

    Attributes
    ----------
    items : tuple of Node
    """

    items: tuple[Node, ...]


@dataclass(frozen=True)
class Slice(Node):
    """``start:stop:step`` in a subscript, any part of it left out.

    Attributes
    ----------
    start, stop, step : Node or None
    """

    start: Node | None = None
    stop: Node | None = None
    step: Node | None = None


@dataclass(frozen=True)
class Element(Node):
    """Elements of an array by place, Python's ``x[0, :]``, counted from 0.

    Attributes
    ----------
    operand : Node
    index : tuple of Node
    """

    operand: Node
    index: tuple[Node, ...]


@dataclass(frozen=True)
class Series(Node):
    r"""``\sum_{i=1}^{n} body`` or ``\prod``; without an index the sum of all elements of `body`.

    Attributes
    ----------
    op : str
        ``sum`` or ``prod``.
    body : Node
    index : str
        The running index, or "".
    low, high : Node or None
        Its range, counted as written; None: all there are.
    """

    op: str
    body: Node
    index: str = ""
    low: Node | None = None
    high: Node | None = None


@dataclass(frozen=True)
class Compare(Node):
    """A condition, 1 where it holds and 0 elsewhere: ``Z > 0``.

    Attributes
    ----------
    op : str
        ``<``, ``<=``, ``>``, ``>=``, ``==``, ``!=``.
    left, right : Node
    """

    op: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Derivative(Node):
    """∂`target`/∂`wrt`, however it was written.

    Attributes
    ----------
    target : Node or None
        What is differentiated; None for a bare ``dW``, whose target the definitions tell.
    wrt : Node
        A `Name`, for an element of an array one with its index.
    second : Node or None
        The second variable of a second derivative: `wrt` itself for ∂²L/∂w².
    style : str
        ``bare`` (``dW``, ``dL_dW`` is a fraction), ``fraction`` (∂L/∂W, ``dL/dW``), ``nabla``.
    """

    target: Node | None
    wrt: Node
    second: Node | None = None
    style: str = "fraction"


@dataclass(frozen=True)
class Equation(Node):
    """``left = right``.

    Attributes
    ----------
    left, right : Node
    """

    left: Node
    right: Node

    @property
    def is_claim(self) -> bool:
        """Whether the left side is a derivative."""
        return isinstance(self.left, Derivative)
