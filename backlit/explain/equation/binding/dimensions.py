"""Dimensions of arrays: numbers, or unknowns that others may turn out to be equal to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backlit.explain.equation.binding.names import BindingError
from backlit.explain.equation.tree import Name, Node, Span

# A positive number, or below zero the name of an unknown.
Dim = int
Shape = tuple[Dim, ...]


class ShapeMismatch(BindingError):
    """Shapes do not fit together.

    Parameters
    ----------
    what : str
    span : (int, int)
    kind : str
        Other than "shape" where a cap is the reason.
    """

    def __init__(self, what: str, span: Span, kind: str = "shape") -> None:
        super().__init__(what, span, kind=kind)


@dataclass(frozen=True)
class Roles:
    """What variables without a header are likely to be.

    Attributes
    ----------
    weights, biases, inputs, matrices : frozenset of str
    targets : frozenset of str
        Those with a header.
    has_odot : bool
        Whether the notes write ⊙, which is meant for arrays: a number stands beside what it
        multiplies.
    is_program : bool
        Whether the notes are written in Python.
    """

    weights: frozenset[str] = frozenset()
    biases: frozenset[str] = frozenset()
    inputs: frozenset[str] = frozenset()
    matrices: frozenset[str] = frozenset()
    targets: frozenset[str] = frozenset()
    has_odot: bool = False
    is_program: bool = False

    def is_weighed(self, factors: Sequence[Node]) -> bool:
        """Tell whether factors are w and x, in a program one weight for all examples."""
        bases = {part.base for part in factors if isinstance(part, Name)}
        return self.is_program and {"w", "x"} <= bases


class Dimensions:
    """Unknown dimensions and what they were found to be.

    Examples
    --------
    >>> dimensions = Dimensions()
    >>> a, b = dimensions.fresh(), dimensions.fresh()
    >>> dimensions.join(a, b) and dimensions.join(b, 3)
    True
    >>> dimensions.find(a), dimensions.join(a, 4)
    (3, False)
    """

    def __init__(self) -> None:
        self._is: dict[Dim, Dim] = {}
        self._made = 0

    def fresh(self) -> Dim:
        """Return a new unknown."""
        self._made += 1
        return -self._made

    def find(self, dim: Dim) -> Dim:
        """Return what a dimension is: a number, or the unknown that stands for all equal ones."""
        while dim in self._is:
            dim = self._is[dim]
        return dim

    def join(self, a: Dim, b: Dim) -> bool:
        """Make two dimensions one; False if they are different numbers."""
        a, b = self.find(a), self.find(b)
        if a == b:
            return True
        if a > 0 and b > 0:
            return False
        unknown, other = (a, b) if a < 0 else (b, a)
        self._is[unknown] = other
        return True

    def shape(self, shape: Shape) -> Shape:
        """Return a shape with every dimension looked up."""
        return tuple([self.find(dim) for dim in shape])
