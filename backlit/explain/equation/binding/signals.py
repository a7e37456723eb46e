"""Names for derivatives: after δ = ∂L/∂z, a line δ = (a − y) x is a claim about ∂L/∂z."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from backlit.explain.equation.binding.steps import moved
from backlit.explain.equation.text.notes import Statement
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
            letter = name.layer
            if name.base == left.base and isinstance(letter, Name) and left.layer is not None:
                if not name.index and not left.index:
                    return moved(Equation(name, derivative), "layer", letter.base, left.layer).right
        return None


def _about(statement: Statement, left: Node) -> Statement:
    readings = tuple([replace(e, left=left) for e in statement.readings])
    return replace(statement, equation=readings[0], readings=readings)
