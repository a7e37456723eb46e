"""Derivatives of programs: from ``dh[h <= 0] = 0`` on, dh is another variable; dx1 is a piece."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from backlit.explain.equation.text.entries import Statement
from backlit.explain.equation.text.vocabulary import stem
from backlit.explain.equation.tree import PRODUCTS, Binary, Call, Derivative, Equation, Name, Node

# Signs of formulas, in which dZ = Wᵀ dZ is a slip and no change.
_NO_PROGRAM = ("\\", "⊙", "^", "ᵀ")
_RECTIFIERS = frozenset("relu maximum clip where leaky_relu elu selu relu6 hardtanh".split())
Add = Callable[[Derivative, str, Node, Statement], bool]


def rectified(statements: Iterable[Statement]) -> frozenset[Node]:
    """Return what definitions apply a relu to: h of ``h_relu = np.maximum(h, 0)``.

    Parameters
    ----------
    statements : iterable of Statement

    Returns
    -------
    frozenset of Node
    """
    calls = [
        node
        for s in statements
        if isinstance(s.equation.left, Name)
        for node in s.equation.right.walk()
        if isinstance(node, Call) and node.function.name in _RECTIFIERS
    ]
    return frozenset({arg for call in calls for arg in call.args if isinstance(arg, Name)})


@dataclass
class Updates:
    """What became of the derivatives so far.

    Attributes
    ----------
    mark : str
        What tells a new variable from the one it was made of.
    rectified : collection of Node
        What the definitions apply a relu to.
    names : dict of Derivative to Name
        What a bare derivative stands for where it was changed.
    stated : set of Derivative
        What claims were about so far.
    """

    mark: str
    rectified: Collection[Node] = ()
    names: dict[Derivative, Name] = field(default_factory=dict)
    stated: set[Derivative] = field(default_factory=set)
    last: Equation | None = None

    def read(self, statement: Statement, add: Add) -> Statement | None:
        """Return a line with changed derivatives as variables.

        Parameters
        ----------
        statement : Statement
        add : callable
            ``add(derivative, op, term, statement)`` joins a term of a statement to what was stated
            of a derivative, as ``dW += λ W`` does; False if nothing was.

        Returns
        -------
        Statement or None
            None where the line was joined to another.
        """
        before, self.last = self.last, statement.equation
        left, right = statement.equation.left, statement.equation.right
        is_program = not any(sign in statement.text for sign in _NO_PROGRAM)
        if is_program and self._begins(left, right):
            statement = _from_nothing(statement)
        elif isinstance(left, Derivative) and is_program and self._changes(left, right):
            assert isinstance(right, Binary)
            joins = right.op in "+-/" or (right.left == left and self._is_half(before, left))
            if joins and add(left, right.op, right.right, statement):
                return None
            old = self.names.get(left)
            base = old.base if old is not None else f"d{_base(left)}"
            made = Name(base + self.mark, span=left.span)
            found = self._with(statement, made, statement.readings)
            self.names[left] = made
            return found
        if isinstance(left, Derivative):
            self.names.pop(left, None)  # Stated anew.
            self.stated.add(left)
        return self._with(statement, left, statement.readings) if self.names else statement

    def _begins(self, left: Node, right: Node) -> bool:
        """Tell whether a line adds to a derivative of which nothing was stated: dx += dz."""
        if not isinstance(left, Derivative) or left in self.stated or left.style != "bare":
            return False
        return isinstance(right, Binary) and right.op == "+" and right.left == left

    def _changes(self, left: Derivative, right: Node) -> bool:
        """Tell whether a line adds something to what it is about, or multiplies it."""
        if left.style != "bare" or left not in self.stated or not isinstance(right, Binary):
            return False
        return right.left == left if right.op in "+-/" else left in _factors(right)

    def _is_half(self, before: Equation | None, left: Derivative) -> bool:
        """Tell whether the line before only begins what this one ends: dh = da, dh[h < 0] = 0."""
        if before is None or before.left != left:
            return False
        right = before.right
        is_copy = isinstance(right, Derivative) and right.style == "bare"
        return is_copy or left.wrt in self.rectified

    def _with(self, statement: Statement, left: Node, old: tuple[Equation, ...]) -> Statement:
        def change(node: Node) -> Node:
            if isinstance(node, Derivative) and node in self.names:
                return replace(self.names[node], span=node.span)
            return node

        readings = tuple([replace(e, left=left, right=e.right.map(change)) for e in old])
        return replace(statement, equation=readings[0], readings=readings)


def _from_nothing(statement: Statement) -> Statement:
    """Return ``dx = dz`` for ``dx = dx + dz``."""
    found = [e for e in statement.readings if isinstance(e.right, Binary)]
    readings = tuple(
        [replace(e, right=e.right.right) for e in found if isinstance(e.right, Binary)]
    )
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
