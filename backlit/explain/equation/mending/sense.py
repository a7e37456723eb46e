"""Repairs that would be right and make no sense: by coincidence, by shape, or in no notation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backlit.explain.equation.binding.written import names_in
from backlit.explain.equation.mending.chain import series_letters
from backlit.explain.equation.mending.ingredients import counting
from backlit.explain.equation.mending.probe import FAULTS, Probe
from backlit.explain.equation.mending.surroundings import Edit, Surroundings
from backlit.explain.equation.tree import (
    Binary,
    Call,
    Derivative,
    Equation,
    Name,
    Node,
    Number,
    Power,
    Series,
    Transpose,
    Unary,
)


class Sense:
    """Whether a repair says something that could have been meant.

    Parameters
    ----------
    equation : Equation
        The claim.
    around : Surroundings
    quick : Probe
        Of the claim.
    is_program : bool
        Whether the claim is a line of a program.
    """

    def __init__(
        self, equation: Equation, around: Surroundings, quick: Probe, is_program: bool
    ) -> None:
        self._left = equation.left
        self._stated = set(equation.right.walk())
        self._quick = quick
        everywhere = (equation, *around.definitions)
        letters = frozenset(letter for e in everywhere for letter in series_letters(e))
        self._shape = counting(quick.shape, letters)
        self._is_program = is_program
        self._has_at = any(
            isinstance(node, Binary) and node.op == "@" for e in everywhere for node in e.walk()
        )
        self._below: dict[str, set[str]] = {}
        for definition in around.definitions:
            if isinstance(definition.left, Name):
                used = {name.base for name in names_in(definition.right)}
                self._below.setdefault(definition.left.base, set()).update(used)

    def __call__(self, changes: Sequence[Edit]) -> bool:
        """Tell whether a repair makes sense.

        Parameters
        ----------
        changes : sequence of Edit

        Returns
        -------
        bool
        """
        added = changes[-1].new
        if isinstance(added, Binary) and added.op in "+-" and self._is_zero(added.right):
            return False
        return all(self._is_meant(node) for node in _new(changes[-1].whole, self._stated))

    def _is_zero(self, node: Node) -> bool:
        try:
            return not any(value.any() for value in self._quick.values(node))
        except FAULTS:
            return False

    def _is_meant(self, node: Node) -> bool:
        if isinstance(node, Derivative):
            return self._is_link(node)
        if isinstance(node, Transpose):
            return self._is_transpose(node)
        if isinstance(node, Binary) and node.op in (" ", ".", "@"):
            return self._is_product(node)
        return True

    # --- derivatives --------------------------------------------------------------------------

    def _is_link(self, node: Derivative) -> bool:
        """Tell whether a derivative lies on a path from the variable to what is differentiated."""
        left = self._left
        if not isinstance(left, Derivative):
            return True
        if self._is_program and left.style == "bare" and node.style != "bare":
            return False
        starts = {name.base for name in names_in(left.wrt)}
        below = any(self._reaches(name.base, starts) for name in names_in(node.wrt))
        if node.target is None or left.target is None:
            return below
        ends = [name.base for name in names_in(left.target)]
        above = {name.base for name in names_in(node.target)}
        return below and any(self._reaches(end, above) for end in ends)

    def _reaches(self, base: str, wanted: set[str]) -> bool:
        """Tell whether a variable is one of some, or depends on one."""
        met, waiting = {base}, [base]
        while waiting:
            name = waiting.pop()
            if name in wanted:
                return True
            new = self._below.get(name, set()) - met
            met |= new
            waiting += new
        return False

    def _is_transpose(self, node: Transpose) -> bool:
        """Tell whether a transpose changes anything: not that of a Jacobian by its diagonal."""
        inner = node.operand
        if self._is_program or (isinstance(inner, Derivative) and inner.target is not None):
            return self._rank(node) != 1 or (
                isinstance(inner, Derivative) and self._rank(inner.target or inner) == 0
            )
        return True

    # --- products -----------------------------------------------------------------------------

    def _is_product(self, node: Binary) -> bool:
        """Tell whether a product has a meaning: neither x x nor xᵀ xᵀ of vectors has one."""
        ranks = self._rank(node.left), self._rank(node.right)
        if node.op == "@" and not self._has_at:
            return False
        if self._is_program:
            return node.op == "@" or 0 in ranks or None in ranks
        if ranks != (1, 1) or node.op != " ":
            return True
        left, right = self._is_row(node.left), self._is_row(node.right)
        return left is None or left != right

    def _is_row(self, node: Node) -> bool | None:
        """Tell whether a vector is written as a row, None if that is not plain to see."""
        if isinstance(node, Transpose):
            return True
        if isinstance(node, (Name, Power)):
            return False
        if isinstance(node, Unary):
            return self._is_row(node.operand)
        if isinstance(node, Call):
            one = len(node.args) == 1 and self._rank(node.args[0]) == 1
            return self._is_row(node.args[0]) if one else None
        if not isinstance(node, Binary):
            return None
        ranks = self._rank(node.left), self._rank(node.right)
        if node.op in (" ", "@") and 2 in ranks:
            return ranks[1] == 2
        # Of what is taken together element by element both lie alike.
        return self._is_row(node.right if ranks[0] == 0 else node.left)

    def _rank(self, node: Node) -> int | None:
        shape = self._shape(node)
        return None if shape is None else len(shape)


def as_program(node: Node) -> Node:
    """Return an expression with the products of numbers written as programs write them.

    Parameters
    ----------
    node : Node

    Returns
    -------
    Node
    """

    def change(part: Node) -> Node:
        if isinstance(part, Binary) and part.op in (" ", "."):
            return Binary("*", part.left, part.right)
        return part

    return node.map(change)


def _new(whole: Node, stated: set[Node]) -> Iterator[Node]:
    for node in whole.walk():
        if node not in stated and not isinstance(node, (Number, Series)):
            yield node
