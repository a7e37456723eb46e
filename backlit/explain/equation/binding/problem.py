"""What shapes are wanted for: definitions, leaves and claims, and what their letters say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeGuard

from backlit.explain.equation.binding.batch import DATA
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
        nodes = (n for d in self.definitions for n in d.node.walk())
        return tuple([n for n in nodes if isinstance(n, Call)])

    @cached_property
    def turned(self) -> frozenset[str]:
        """The letters of weights w in w a whose transpose stands in claims alone: matrices."""
        nodes = [n for d in self.definitions for n in d.node.walk()]
        weights = {n.left.base for n in nodes if _is_product(n) and isinstance(n.left, Name)}
        claimed = [n for sides in self.claims for side in sides for n in side.walk()]
        kinds = map(kind_of, weights & (_transposed(claimed) - _transposed(nodes)))
        return frozenset(kinds) - DATA

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
