"""Derivatives of programs: from ``dh[h <= 0] = 0`` on, dh is another variable; dx1 is a piece."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from backlit.explain.equation.text.entries import Statement
from backlit.explain.equation.text.vocabulary import stem
from backlit.explain.equation.tree import PRODUCTS, Binary, Derivative, Equation, Name, Node

# Signs of formulas, in which dZ = Wᵀ dZ is a slip and no change.
_NO_PROGRAM = ("\\", "⊙", "^", "ᵀ")
Add = Callable[[Derivative, Node], bool]


@dataclass
class Updates:
    """What became of the derivatives so far.

    Attributes
    ----------
    mark : str
        What tells a new variable from the one it was made of.
    names : dict of Derivative to Name
        What a bare derivative stands for where it was changed.
    stated : set of Derivative
        What claims were about so far.
    """

    mark: str
    names: dict[Derivative, Name] = field(default_factory=dict)
    stated: set[Derivative] = field(default_factory=set)

    def read(
        self, statement: Statement, add: Callable[[Derivative, Node], bool]
    ) -> Statement | None:
        """Return a line with changed derivatives as variables.

        Parameters
        ----------
        statement : Statement
        add : callable
            ``add(derivative, term)`` adds a term to what was stated of a derivative, as
            ``dW += λ W`` does; False if nothing was.

        Returns
        -------
        Statement or None
            None where the line was added to another.
        """
        left, right = statement.equation.left, statement.equation.right
        is_program = not any(sign in statement.text for sign in _NO_PROGRAM)
        if not isinstance(left, Derivative) or not (is_program and self._changes(left, right)):
            if isinstance(left, Derivative):
                self.names.pop(left, None)  # Stated anew.
                self.stated.add(left)
            return self._with(statement, left, statement.readings) if self.names else statement
        if isinstance(right, Binary) and right.op == "+" and add(left, right.right):
            return None
        old = self.names.get(left)
        base = old.base if old is not None else f"d{_base(left)}"
        made = Name(base + self.mark, span=left.span)
        found = self._with(statement, made, statement.readings)
        self.names[left] = made
        return found

    def _changes(self, left: Derivative, right: Node) -> bool:
        """Tell whether a line adds something to what it is about, or multiplies it."""
        if left.style != "bare" or left not in self.stated or not isinstance(right, Binary):
            return False
        return right.left == left if right.op == "+" else left in _factors(right)

    def _with(self, statement: Statement, left: Node, old: tuple[Equation, ...]) -> Statement:
        def change(node: Node) -> Node:
            if isinstance(node, Derivative) and node in self.names:
                return replace(self.names[node], span=node.span)
            return node

        readings = tuple([replace(e, left=left, right=e.right.map(change)) for e in old])
        return replace(statement, equation=readings[0], readings=readings)


def pieces(statements: Sequence[Statement], declared: Collection[str]) -> list[Statement]:
    """Read dx1 and dx2 of ``dx = dx1 + dx2`` as variables where there is x and no x1.

    Parameters
    ----------
    statements : sequence of Statement
    declared : collection of str
        Names with a header.

    Returns
    -------
    list of Statement
    """
    known = set(declared)
    used: set[Node] = set()
    for statement in statements:
        equation = statement.equation
        sides = [equation.right] if equation.is_claim else [equation.left, equation.right]
        for side in sides:
            inside = [n for n in side.walk() if isinstance(n, Derivative) and n.target is None]
            used |= set(inside)
            wrts = {id(n.wrt) for n in inside}
            names = [n for n in side.walk() if isinstance(n, Name) and id(n) not in wrts]
            known |= {n.base for n in names}
    found = {}
    for statement in statements:
        left = statement.equation.left
        if not isinstance(left, Derivative) or left.style != "bare" or left not in used:
            continue
        base = left.wrt.base if isinstance(left.wrt, Name) else ""
        if base not in known and stem(base) != base and stem(base) in known:
            found[left] = Name(f"d{base}")
    if not found:
        return list(statements)

    def change(node: Node) -> Node:
        if isinstance(node, Derivative) and node in found:
            return replace(found[node], span=node.span)
        return node

    return [statement.mapped(change) for statement in statements]


def _factors(node: Node) -> list[Node]:
    """Return what a product is of."""
    if isinstance(node, Binary) and node.op in PRODUCTS:
        return _factors(node.left) + _factors(node.right)
    return [node]


def _base(derivative: Derivative) -> str:
    return derivative.wrt.base if isinstance(derivative.wrt, Name) else "x"
