"""A derivation as data: lines of equations, with the steps that led to each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as onp

from backlit.core.aval import AbstractValue, Shape
from backlit.core.graph import Graph
from backlit.core.source import Source
from backlit.explain.derivation.expression import Expression
from backlit.explain.derivation.naming import symbol
from backlit.explain.document import Document
from backlit.explain.equation.tree import Derivative, Equation, Name, Node
from backlit.explain.notation import to_tree
from backlit.explain.shown import Shown


@dataclass(frozen=True)
class Step:
    """One step of a derivation.

    Attributes
    ----------
    rule : str
        Name of the rule.
    because : str
        The equation it performs.
    expression : Expression
        The right side after it.
    """

    rule: str
    because: str
    expression: Expression

    @property
    def right(self) -> Node:
        """The right side after it, as a tree."""
        return to_tree(self.expression)


@dataclass(frozen=True)
class Line:
    """One line of a derivation.

    Attributes
    ----------
    left : Node
        A `Name`, or a `Derivative` with respect to one.
    expression : Expression
        The right side.
    steps : tuple of Step
        From the chain rule to the right side; empty for a line of the program.
    source : Source or None
        The user's line.
    """

    left: Node
    expression: Expression
    steps: tuple[Step, ...] = ()
    source: Source | None = None

    @property
    def right(self) -> Node:
        """The right side as a tree."""
        return to_tree(self.expression)

    @property
    def equation(self) -> Equation:
        """The line as a tree."""
        return Equation(self.left, self.right)

    @property
    def shape(self) -> Shape:
        """Shape of both sides."""
        return self.expression.shape

    def to_dict(self) -> dict[str, Any]:
        """Return nested dicts, lists and strings; equations are LaTeX."""
        from backlit.explain.equation.text.printing import latex

        return {
            "equation": latex(self.equation),
            "shape": list(self.shape),
            "source": None if self.source is None else str(self.source),
            "steps": [
                {"rule": s.rule, "because": s.because, "right": latex(s.right)} for s in self.steps
            ],
        }


@dataclass(frozen=True)
class Argument:
    """An array that the function is given.

    Attributes
    ----------
    name : Name
    path : str
        Where it is among the arguments: ``model.layers.0.W``.
    aval : AbstractValue
        Its shape and type.
    """

    name: Name
    path: str
    aval: AbstractValue


@dataclass(frozen=True)
class Condition:
    """A branch that the program took on a value; the derivation holds where it does so again.

    Attributes
    ----------
    left : Node
        What was looked at.
    outcome : bool, int or array
    source : Source or None
    is_guard : bool
        Whether it is no branch of the program: the derivation divides by what must not be 0.
    """

    left: Node
    outcome: Any
    source: Source | None
    is_guard: bool = False


@dataclass(frozen=True, eq=False)
class Sheet(Shown):
    """A derivation.

    Attributes
    ----------
    function : str
        Name of the function.
    target : Name
        What it returns: the loss.
    forward : tuple of Line
        What the program computes.
    backward : tuple of Line
        Derivatives: of the loss with respect to each name (reverse mode), or of each name in one
        direction (forward mode).
    shapes : dict of str to tuple of int
        Of every name on the sheet.
    arguments : tuple of Argument
    constants : dict of str to array
        Arrays that the program holds.
    counts : dict of str to int
        Letters for numbers of elements: m.
    graphs : dict of str to Graph
        Functions that operators of control flow run.
    programs : tuple of Equation
        Their definitions.
    conditions : tuple of Condition
    layout : str
        ``denominator``: ∂L/∂W has the shape of W; ``numerator``: that of Wᵀ.
    """

    function: str
    target: Name
    forward: tuple[Line, ...]
    backward: tuple[Line, ...]
    shapes: dict[str, Shape]
    arguments: tuple[Argument, ...]
    constants: dict[str, Any]
    counts: dict[str, int]
    graphs: dict[str, Graph]
    programs: tuple[Equation, ...]
    conditions: tuple[Condition, ...]
    layout: str = "denominator"

    @property
    def lines(self) -> tuple[Line, ...]:
        """All lines, forward and then backward: each uses only what stands above it."""
        return self.forward + self.backward

    def gradient(self, name: str) -> Line:
        """Return the line that says what ∂L/∂name is.

        Parameters
        ----------
        name : str
            ``W1``, or ``W[1]`` for W^{[1]}.

        Returns
        -------
        Line

        Raises
        ------
        KeyError
            If there is no such line.
        """
        for line in self.backward:
            if isinstance(line.left, Derivative) and isinstance(line.left.wrt, Name):
                if symbol(line.left.wrt) == name and line.left.target in (self.target, None):
                    return line
        raise KeyError(name)

    def document(self) -> Document:
        """Return the derivation as a tree of parts: equations, shapes, reasons, steps."""
        from backlit.explain.derivation.report import sheet_page

        return sheet_page(self)

    def to_dict(self) -> dict[str, Any]:
        """Return nested dicts, lists and strings; equations are LaTeX.

        Returns
        -------
        dict
        """
        from backlit.explain.equation.text.printing import latex

        return {
            "function": self.function,
            "target": latex(self.target),
            "layout": self.layout,
            "forward": [line.to_dict() for line in self.forward],
            "backward": [line.to_dict() for line in self.backward],
            "counts": dict(self.counts),
            "programs": [latex(equation) for equation in self.programs],
            "conditions": [
                {"left": latex(c.left), "outcome": _data(c.outcome)} for c in self.conditions
            ],
        }

    def equations(self) -> Iterator[Equation]:
        """Yield every equation: definitions of functions, the program, the derivatives."""
        yield from self.programs
        for line in self.lines:
            yield line.equation


def _data(outcome: Any) -> Any:
    """Return an outcome as JSON can hold it: a fraction is written in decimals."""
    array = onp.asarray(outcome)
    return (array.astype(float) if array.dtype == object else array).tolist()
