"""Forward mode and reverse mode side by side: the same product, bracketed from either end.

∂L/∂w is a product of Jacobians, one for every step from w to L. Reverse mode multiplies from the
left, where the loss is one number, so every product is a vector times a matrix. Forward mode
multiplies from the right: a matrix times a vector for one weight, a matrix times a matrix for
all. The product is the same, what it costs is not. (A. Griewank and A. Walther, "Evaluating
derivatives", SIAM, 2nd edition 2008, section 3.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backlit.core.graph import Graph, Var
from backlit.explain.derivation.sheet import Sheet
from backlit.explain.document import Document
from backlit.explain.equation.tree import Binary, Derivative, Name, Node
from backlit.explain.shown import Shown
from backlit.transforms import Cost


@dataclass(frozen=True)
class Link:
    """One Jacobian of the chain.

    Attributes
    ----------
    above, below : Name
        ∂above/∂below.
    rows, columns : int
        Elements of each: the size of the Jacobian.
    """

    above: Name
    below: Name
    rows: int
    columns: int

    @property
    def factor(self) -> Derivative:
        """The Jacobian as a tree."""
        return Derivative(self.above, self.below)


@dataclass(frozen=True)
class Association:
    """One way to bracket the chain.

    Attributes
    ----------
    mode : str
        ``reverse`` or ``forward``.
    product : Node
        Nested as it is multiplied: from the left, or from the right.
    multiplications : tuple of int
        Of every product, in the order in which they are done, were the Jacobians multiplied as
        matrices.
    """

    mode: str
    product: Node
    multiplications: tuple[int, ...]

    @property
    def total(self) -> int:
        """All multiplications."""
        return sum(self.multiplications)


@dataclass(frozen=True, eq=False)
class Modes(Shown):
    """Forward and reverse mode of one function.

    Attributes
    ----------
    reverse, forward : Sheet
        The two derivations: ∂L/∂name from the loss back, ∂name/∂t along with the values.
    cost : Cost
        Counted operations of both, for all elements of the argument.
    chain : tuple of Link
        From the loss to the argument, through values that every path passes.
    """

    reverse: Sheet
    forward: Sheet
    cost: Cost
    chain: tuple[Link, ...]

    @property
    def associations(self) -> tuple[Association, Association]:
        """The product of the chain, bracketed as reverse and as forward mode multiply."""
        return leftwards(self.chain), rightwards(self.chain)

    def document(self) -> Document:
        """Return both modes as a tree of parts."""
        from backlit.explain.derivation.report import modes_page

        return modes_page(self)

    def to_dict(self) -> dict[str, Any]:
        """Return nested dicts, lists, strings and numbers; equations are LaTeX."""
        return {
            "reverse": self.reverse.to_dict(),
            "forward": self.forward.to_dict(),
            "multiplications": {a.mode: list(a.multiplications) for a in self.associations},
        }


def leftwards(chain: Sequence[Link]) -> Association:
    """Return the product as reverse mode multiplies: ((∂L/∂a ∂a/∂b) ∂b/∂w).

    Parameters
    ----------
    chain : sequence of Link

    Returns
    -------
    Association
    """
    product: Node = chain[0].factor
    counts = []
    for link in chain[1:]:
        product = Binary(" ", product, link.factor)
        counts.append(chain[0].rows * link.rows * link.columns)
    return Association("reverse", product, tuple(counts))


def rightwards(chain: Sequence[Link]) -> Association:
    """Return the product as forward mode multiplies: (∂L/∂a (∂a/∂b ∂b/∂w)).

    Parameters
    ----------
    chain : sequence of Link

    Returns
    -------
    Association
    """
    product: Node = chain[-1].factor
    counts = []
    for link in reversed(chain[:-1]):
        product = Binary(" ", link.factor, product)
        counts.append(link.rows * link.columns * chain[-1].columns)
    return Association("forward", product, tuple(counts))


def chain_of(graph: Graph, names: dict[Var, Name], start: Var, end: Var) -> tuple[Link, ...]:
    """Return the Jacobians between values that every path from one value to another passes.

    Parameters
    ----------
    graph : Graph
    names : dict of Var to Name
        Only values with a name become links.
    start, end : Var
        The argument and the loss.

    Returns
    -------
    tuple of Link
        The loss's first.
    """
    into: dict[Var, int] = {start: 1}
    for equation in graph.equations:
        ways = sum(into.get(a, 0) for a in equation.inputs if isinstance(a, Var))
        if ways:
            into.update(dict.fromkeys(equation.outputs, ways))
    out: dict[Var, int] = {end: 1}
    for equation in reversed(graph.equations):
        ways = sum(out.get(v, 0) for v in equation.outputs)
        for atom in equation.inputs:
            if isinstance(atom, Var) and ways:
                out[atom] = out.get(atom, 0) + ways
    total = out.get(start, 0)
    waists = [v for v in into if v in names and into[v] * out.get(v, 0) == total]
    return tuple(
        [
            Link(names[top], names[low], math.prod(top.aval.shape), math.prod(low.aval.shape))
            for low, top in reversed(list(zip(waists, waists[1:], strict=False)))
        ]
    )
