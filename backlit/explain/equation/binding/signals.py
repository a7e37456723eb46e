"""Names for derivatives: after δ = ∂L/∂z, a line δ = (a − y) x is a claim about ∂L/∂z."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from backlit.explain.equation.binding.steps import moved
from backlit.explain.equation.text.entries import Statement
from backlit.explain.equation.tree import Derivative, Equation, Name, Node


@dataclass
class Signals:
    """The names that lines have given to derivatives so far.

    Attributes
    ----------
    derivatives : dict of Name to Node
        By the name as it was written: δ^{(l)} for ∂L/∂z^{(l)}.
    formulas : set of Name
        Names that were given another meaning first.
    """

    derivatives: dict[Name, Node] = field(default_factory=dict)
    formulas: set[Name] = field(default_factory=set)

    def stated(self, statement: Statement) -> Statement:
        """Return a line as the claim that it is, if its left side is the name of a derivative.

        Parameters
        ----------
        statement : Statement

        Returns
        -------
        Statement
        """
        left, right = statement.equation.left, statement.equation.right
        if not isinstance(left, Name):
            return statement
        meant = self._meant(left)
        if meant is not None and meant != right:
            return _about(statement, replace(meant, span=left.span))
        if isinstance(right, Derivative):
            if left in self.formulas:
                # δ = a − y, and then δ = ∂L/∂z: the same claim the other way round.
                turned = tuple([Equation(e.right, e.left, span=e.span) for e in statement.readings])
                return replace(statement, equation=turned[0], readings=turned)
            self.derivatives[left] = right
        else:
            self.formulas.add(left)
        return statement

    def _meant(self, left: Name) -> Node | None:
        """Return the derivative that a name stands for: ∂L/∂z^{(L)} for δ^{(L)}."""
        if left in self.derivatives:
            return self.derivatives[left]
        for name, derivative in self.derivatives.items():
            places = _places(name, left)
            if places is not None:
                found = Equation(name, derivative)
                for slot, letter, to in places:
                    found = moved(found, slot, letter, to)
                return found.right
        return None


def _places(name: Name, left: Name) -> list[tuple[str, str, Node]] | None:
    """Return what the letters of a name are for another: l is L and j is 1 of δ_1^L for δ_j^l.

    None if the other is no member of that family.
    """
    if name.base != left.base or len(name.index) != len(left.index):
        return None
    if (name.layer is None) != (left.layer is None):
        return None
    pairs = [("index", *pair) for pair in zip(name.index, left.index, strict=True)]
    if name.layer is not None and left.layer is not None:
        pairs.append(("layer", name.layer, left.layer))
    found = []
    for slot, letter, to in pairs:
        if letter == to:
            continue
        if not isinstance(letter, Name) or letter.index or letter.layer is not None:
            return None
        found.append((slot, letter.base, to))
    return found


def _about(statement: Statement, left: Node) -> Statement:
    readings = tuple([replace(e, left=left) for e in statement.readings])
    return replace(statement, equation=readings[0], readings=readings)
