"""Names for derivatives: after δ = ∂L/∂z, a line δ = (a − y) x is a claim about ∂L/∂z."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from backlit.explain.equation.binding.steps import moved
from backlit.explain.equation.text.entries import Statement
from backlit.explain.equation.tree import Derivative, Equation, Name, Node


def implied(statements: Sequence[Statement]) -> Statement | None:
    """Return the line that notes lack which state the recursion of δ and never say what δ is.

    Parameters
    ----------
    statements : sequence of Statement

    Returns
    -------
    Statement or None
        δ^{(l)} = ∂L/∂z^{(l)}; None if the notes say it, or have no recursion.
    """
    equations = [s.equation for s in statements]
    if any(_says(e.left, e.right) or _says(e.right, e.left) for e in equations):
        return None
    lefts = [e.left for e in equations if isinstance(e.left, Name) and e.left.layer is not None]
    inputs = [left.base for left in lefts if left.base in ("z", "Z")]
    for statement in statements:
        equation, left = statement.equation, statement.equation.left
        if not isinstance(left, Name) or left.base != "delta" or not inputs:
            continue
        if isinstance(left.layer, Name) and any(
            isinstance(n, Name) and n.base == "delta" and n.layer not in (None, left.layer)
            for n in equation.right.walk()
        ):
            meant = Derivative(None, replace(left, base=inputs[0]), style="bare")
            made = Equation(left, meant, span=equation.span)
            return replace(statement, equation=made, readings=(made,))
    return None


def _says(left: Node, right: Node) -> bool:
    """Whether δ is the name of a derivative by an input of a layer."""
    if not isinstance(left, Name) or left.base != "delta" or not isinstance(right, Derivative):
        return False
    return isinstance(right.wrt, Name) and right.wrt.base not in ("b", "beta", "theta")


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
        if left.index:  # δ_j after δ = ∂L/∂z of all elements
            whole = self._meant(replace(left, index=()))
            wrt = whole.wrt if isinstance(whole, Derivative) else None
            if isinstance(whole, Derivative) and isinstance(wrt, Name) and not wrt.index:
                return replace(whole, wrt=replace(wrt, index=left.index))
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
