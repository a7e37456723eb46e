"""Whether A² of a square matrix is A A or the squares of its elements.

In a trace, a determinant, an inverse or a product of matrices it is A A; under a sum of all
elements, in a product element by element or in a function of numbers it is not. By itself it is
either, and the notes as a whole decide.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from backlit.explain.equation.binding.shapes import Shape, ShapeMismatch
from backlit.explain.equation.tree import (
    Binary,
    Call,
    Name,
    Node,
    Number,
    Power,
    Series,
    Transpose,
    Unary,
)
from backlit.explain.equation.values.functions import ALIASES, builtin

_HIGHEST = 10
_MATRIX, _ELEMENTS, _OPEN = "matrix", "elements", "open"


@dataclass
class Powers:
    """How powers of square matrices are read.

    Attributes
    ----------
    written : bool
        Whether the notes may mean powers of matrices at all: programs do not.
    matrix : bool
        What a power is taken for where nothing around it tells.
    met : bool
        Whether there was one.
    """

    written: bool = True
    matrix: bool = True
    met: bool = False

    def of_matrices(self, whole: Node, infer: Callable[[Node], Shape | None]) -> set[int]:
        """Return which powers of an expression are those of matrices.

        Parameters
        ----------
        whole : Node
            A resolved tree.
        infer : callable
            The shape of a part, as numbers.

        Returns
        -------
        set of int
            Their ``id``.
        """
        found: set[int] = set()
        if not self.written or not any(_is_power(node) for node in whole.walk()):
            return found

        def shape(node: Node) -> Shape:
            try:
                return infer(node) or ()
            except ShapeMismatch:
                return ()

        waiting = [(whole, _OPEN)]
        while waiting:
            node, around = waiting.pop()
            if _is_power(node):
                assert isinstance(node, Power)
                if around != _ELEMENTS and self._is_square(node.base, shape, around):
                    if around == _MATRIX or self.matrix:
                        found.add(id(node))
                    self.met |= around == _OPEN
                waiting.append((node.base, _OPEN))
                continue
            inner = _inside(node, around, shape)
            waiting += [(child, inner) for child in node.children()]
        return found

    @staticmethod
    def _is_square(base: Node, shape: Callable[[Node], Shape], around: str) -> bool:
        inner = base.operand if isinstance(base, Transpose) else base
        plain = isinstance(inner, Name) or (isinstance(inner, Binary) and inner.op in " .@")
        dims = shape(base) if plain or around == _MATRIX else ()
        return len(dims) == 2 and dims[0] == dims[1] > 1


def repeated(base: Node, exponent: Node) -> Node:
    """Return a power of a matrix as a product.

    Parameters
    ----------
    base, exponent : Node

    Returns
    -------
    Node
    """
    assert isinstance(exponent, Number)
    product = base
    for _ in range(int(exponent.value) - 1):
        product = Binary("@", product, base, span=base.span)
    return product


def _is_power(node: Node) -> bool:
    if not isinstance(node, Power) or not isinstance(node.exponent, Number):
        return False
    exponent = node.exponent.value
    return exponent.denominator == 1 and 2 <= exponent <= _HIGHEST


def _inside(node: Node, around: str, shape: Callable[[Node], Shape]) -> str:
    """Return how powers in the parts of a node are read, given how it is itself."""
    if isinstance(node, Call):
        name = ALIASES.get(node.function.name, node.function.name)
        if name in ("trace", "det", "inv"):
            return _MATRIX
        found = None if name == "norm" else builtin(name)
        told = found is not None and found.family in ("elementwise", "reduction", "along")
        return _ELEMENTS if told else _OPEN
    if isinstance(node, Series):
        return around if node.index else _ELEMENTS
    if isinstance(node, Binary) and node.op == "*":
        arrays = len(shape(node.left)) == len(shape(node.right)) == 2
        return _ELEMENTS if arrays else around
    if isinstance(node, Binary) and node.op in " .@":
        return _MATRIX if shape(node.left) and shape(node.right) else around
    return around if isinstance(node, (Unary, Binary, Transpose)) else _OPEN
