"""Rows and columns: whether an equation takes vectors as both that the notes take as one.

NumPy's vectors have no orientation: a − yᵀ is a − y, and X dz is X dzᵀ. Who writes an equation
means the one or the other, and what the definitions say is kept to: in z = wᵀ X + b, z is a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from backlit.explain.equation.tree import (
    Binary,
    Call,
    Compare,
    Derivative,
    Name,
    Node,
    Power,
    Series,
    Transpose,
    Unary,
)
from backlit.explain.equation.values.faults import ShapeFault
from backlit.explain.equation.values.functions import builtin

Rank = Callable[[Node], int]
# A vector lies as that of a name does, or the other way: (name, whether it is turned).
Lie = tuple[str, bool]
_COLUMN: Lie = ("", False)
_ROW: Lie = ("", True)


class _Conflict(Exception):
    """Two vectors have to lie alike and do not."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self.node = node


class Orientations:
    """What the definitions say of how their vectors lie.

    Parameters
    ----------
    definitions : mapping of str to Node
        Bound trees.
    rank : callable
        The number of axes of an expression.

    Attributes
    ----------
    consistent : bool
        False where vectors are taken as both, as in programs: then nothing is found fault with.
    """

    def __init__(self, definitions: Mapping[str, Node], rank: Rank) -> None:
        self._rank = rank
        self._like: dict[str, Lie] = {}
        self.consistent = True
        try:
            for symbol, node in definitions.items():
                lie = self._lie(node)
                if lie is not None and rank(Name(symbol)) == 1:
                    self._join((symbol, False), lie, node)
        except _Conflict:
            self.consistent = False

    def fault(self, sides: Iterable[Node]) -> ShapeFault | None:
        """Find a row where a column belongs, or the other way round.

        Parameters
        ----------
        sides : iterable of Node
            Expressions that have a value, which have to lie alike.

        Returns
        -------
        ShapeFault or None
            With the span of the sum or product.
        """
        if not self.consistent:
            return None
        known = dict(self._like)
        node = None
        try:
            first: Lie | None = None
            for node in sides:
                lie = self._lie(node)
                if first is not None and lie is not None:
                    self._join(first, lie, node)
                first = first or lie
        except _Conflict as conflict:
            return ShapeFault(
                "a row stands where a column belongs, or the other way round", conflict.node.span
            )
        finally:
            self._like = known
        return None

    # --- how expressions lie ----------------------------------------------------------------

    def _lie(self, node: Node) -> Lie | None:
        """Return how a vector lies, None for what is no vector or may lie either way."""
        if isinstance(node, Name):
            return (node.base, False) if self._rank(node) == 1 else None
        if isinstance(node, Derivative):
            return self._of_derivative(node)
        if isinstance(node, Transpose):
            return _turned(self._lie(node.operand))
        if isinstance(node, Unary):
            return self._lie(node.operand)
        if isinstance(node, Power):
            return self._lie(node.base)
        if isinstance(node, Series):
            inside = self._lie(node.body)
            return inside if self._rank(node) == 1 else None
        if isinstance(node, Compare) or (isinstance(node, Binary) and node.op in "+-*/"):
            return self._alike(node, (node.left, node.right))
        if isinstance(node, Binary):
            return self._product(node)
        if isinstance(node, Call):
            known = builtin(node.function.name)
            if known is None or known.family in ("elementwise", "along"):
                return self._alike(node, node.args)
            for arg in node.args:
                self._lie(arg)
        return None

    def _of_derivative(self, node: Derivative) -> Lie | None:
        plain = isinstance(node.wrt, Name) and node.second is None
        if not plain or node.target is None or self._rank(node.target):
            return None
        return self._lie(node.wrt)

    def _alike(self, node: Node, parts: Iterable[Node]) -> Lie | None:
        """Return how vectors lie that are taken together element by element."""
        found: Lie | None = None
        for part in parts:
            lie = self._lie(part)
            if self._rank(part) != 1:
                continue
            if found is not None and lie is not None:
                self._join(found, lie, node)
            found = found or lie
        return found if self._rank(node) == 1 else None

    def _product(self, node: Binary) -> Lie | None:
        left, right = self._lie(node.left), self._lie(node.right)
        ranks = self._rank(node.left), self._rank(node.right)
        if 0 in ranks:
            return left or right
        if ranks == (2, 1):
            self._join(right, _COLUMN, node)
            return _COLUMN
        if ranks == (1, 2):
            self._join(left, _ROW, node)
            return _ROW
        if ranks == (1, 1):
            if self._rank(node):
                self._join(left, _COLUMN, node)
                self._join(right, _ROW, node)
            elif isinstance(node.left, Transpose) or isinstance(node.right, Transpose):
                self._join(left, _ROW, node)
                self._join(right, _COLUMN, node)
        return None

    # --- which lie alike --------------------------------------------------------------------

    def _find(self, lie: Lie) -> Lie:
        name, turned = lie
        while name in self._like:
            name, more = self._like[name]
            turned ^= more
        return name, turned

    def _join(self, one: Lie | None, other: Lie | None, node: Node) -> None:
        if one is None or other is None:
            return
        (a, turned), (b, more) = self._find(one), self._find(other)
        if a == b:
            if turned != more:
                raise _Conflict(node)
            return
        # The empty name, of columns, stays what it is.
        a, b = (b, a) if a == "" else (a, b)
        self._like[a] = (b, turned ^ more)


def _turned(lie: Lie | None) -> Lie | None:
    return None if lie is None else (lie[0], not lie[1])
