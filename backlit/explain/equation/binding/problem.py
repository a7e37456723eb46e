"""What shapes are wanted for: definitions, leaves and claims, and what their letters say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeGuard

from backlit.explain.equation.binding.batch import COUNTS, DATA
from backlit.explain.equation.binding.names import stem
from backlit.explain.equation.binding.shapes import Shape
from backlit.explain.equation.tree import Binary, Call, Name, Node, Series, Transpose


@dataclass(frozen=True)
class Defined:
    """A definition, resolved.

    Attributes
    ----------
    symbol : str
    node : Node
    letters : tuple of str
        Running indices on the left side, in their order: "@i".
    line : int
    """

    symbol: str
    node: Node
    letters: tuple[str, ...] = ()
    line: int = 0


@dataclass(frozen=True)
class Leaf:
    """A variable that nothing defines.

    Attributes
    ----------
    symbol : str
    shape : tuple of int, optional
        By its header.
    places : int
        How many subscripts its elements are written with, beside the dimensions of a header.
    """

    symbol: str
    shape: Shape | None = None
    places: int = 0


@dataclass(frozen=True)
class Problem:
    """What shapes are wanted for.

    Attributes
    ----------
    definitions : sequence of Defined
        Each after those that it uses.
    leaves : sequence of Leaf
    claims : sequence of (Derivative or Node, Node)
        Left and right sides.
    named : mapping of str to int
        Numbers of the dimensions with a name.
    has_odot : bool
        Whether the notes write ⊙.
    is_program : bool
        Whether they are written in Python.
    """

    definitions: Sequence[Defined]
    leaves: Sequence[Leaf]
    claims: Sequence[tuple[Node, Node]]
    named: Mapping[str, int]
    has_odot: bool = False
    is_program: bool = False

    @cached_property
    def calls(self) -> tuple[Call, ...]:
        """The functions that the definitions apply."""
        return tuple([n for n in self._nodes if isinstance(n, Call)])

    @cached_property
    def matrices(self) -> frozenset[str]:
        """Letters of weights that are matrices in small letters too: transposed in claims alone.

        Those of w a, of x w, and of a @ w; what has a capital, Wf, is one beside @ in any case.
        """
        products = [n for n in self._nodes if _is_product(n)]
        beside = {n.left.base for n in products if isinstance(n.left, Name)}
        for node in products:
            for side in (node.left, node.right):
                of_data = isinstance(node.left, Name) and kind_of(node.left.base) == "x"
                if isinstance(side, Name) and (node.op == "@" or of_data):
                    beside.add(side.base)
        found = beside & self._turned
        sides = [side for n in products if n.op == "@" for side in (n.left, n.right)]
        found |= {n.base for n in sides if isinstance(n, Name) and n.base[0].isupper()}
        return frozenset(map(kind_of, found)) - DATA

    @cached_property
    def rows(self) -> frozenset[str]:
        """Letters of data that are rows: x of x w whose transpose stands in claims alone."""
        lefts = [n.left for n in self._nodes if _is_product(n)]
        found = {n.base for n in lefts if isinstance(n, Name)} & self._turned
        return frozenset(map(kind_of, found)) & DATA

    @cached_property
    def _turned(self) -> set[str]:
        claimed = [n for sides in self.claims for side in sides for n in side.walk()]
        # wᵀ w is the square of a length.
        lengths = {id(n.left) for n in claimed if _is_product(n) and n.left == Transpose(n.right)}
        turned = [n for n in claimed if id(n) not in lengths]
        return _transposed(turned) - _transposed(self._nodes)

    @cached_property
    def layered(self) -> frozenset[str]:
        """The letters of weights w₁, w₂ that multiply what was made with another of them."""
        made = {d.symbol for d in self.definitions}
        found = set()
        for node in self._nodes:
            if _is_product(node) and isinstance(node.left, Name) and isinstance(node.right, Name):
                if node.left.base not in made and node.right.base in made:
                    found.add(kind_of(node.left.base))
        kinds = [kind_of(leaf.symbol) for leaf in self.leaves if leaf.shape is None]
        turned = {kind_of(base) for base in _transposed(self._nodes)}
        return frozenset(k for k in found - turned if kinds.count(k) > 1) - DATA

    @cached_property
    def inputs(self) -> frozenset[str]:
        """Leaves such as H of H V that have rows of examples: they are data and no weights."""
        shapes = {leaf.symbol: leaf.shape for leaf in self.leaves}
        counts = {self.named[name] for name in COUNTS if name in self.named}
        found = set()
        for node in self._nodes:
            if _is_product(node) and isinstance(node.left, Name) and isinstance(node.right, Name):
                left, right = node.left.base, node.right.base
                rows = (shapes.get(left) or (0,))[0] in counts
                if rows or (_is_weight(right) and not _is_weight(left)):
                    found.add(left)
        return frozenset(found)

    @cached_property
    def _nodes(self) -> tuple[Node, ...]:
        return tuple([n for d in self.definitions for n in d.node.walk()])

    @cached_property
    def upstream(self) -> frozenset[str]:
        """Leaves such as dout of L = sum(out dout), which are as large as what they are of."""
        made = {f"d{d.symbol}" for d in self.definitions}
        return frozenset(x.symbol for x in self.leaves if x.shape is None and x.symbol in made)

    @cached_property
    def ranges(self) -> frozenset[str]:
        """What stands above a sum, V of Σ_{w=1}^V, which is a number whatever it is called."""
        nodes = [*(d.node for d in self.definitions), *(n for c in self.claims for n in c)]
        highs = [n.high for node in nodes for n in node.walk() if isinstance(n, Series)]
        return frozenset(high.base for high in highs if isinstance(high, Name))


def _is_product(node: Node) -> TypeGuard[Binary]:
    return isinstance(node, Binary) and node.op in (" ", ".", "@")


def _transposed(nodes: Iterable[Node]) -> set[str]:
    inner = (n.operand for n in nodes if isinstance(n, Transpose))
    return {n.base for n in inner if isinstance(n, Name)}


def _is_weight(symbol: str) -> bool:
    kind = kind_of(symbol)
    return kind[0] in "WwVU" or kind.startswith(("theta", "Theta", "kernel"))


def kind_of(symbol: str) -> str:
    """Return the letters by which variables are taken for alike.

    Parameters
    ----------
    symbol : str

    Returns
    -------
    str

    Examples
    --------
    >>> kind_of("W1"), kind_of("W_xh"), kind_of("x~")
    ('W', 'W', 'x')
    """
    return stem(symbol.rstrip("~")).partition("_")[0]
