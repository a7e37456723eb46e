"""Why an expression has no value."""

from __future__ import annotations

from collections.abc import Sequence

from backlit.core.errors import BacklitError
from backlit.explain.equation import tree
from backlit.explain.equation.tree import Span
from backlit.explain.equation.values.arithmetic import Shape


class EvaluationFault(BacklitError):
    """An expression has no value.

    Parameters
    ----------
    message : str
    span : (int, int)
        What of the line is meant.

    Attributes
    ----------
    message, span
    symbol : str or None
        The variable whose definition it is, if it stands in one.
    """

    symbol: str | None = None

    def __init__(self, message: str, span: Span = tree.NOWHERE) -> None:
        super().__init__(message)
        self.message = message
        self.span = span


class ShapeFault(EvaluationFault):
    """The shapes of an expression's parts do not fit together.

    Parameters
    ----------
    message : str
    span : (int, int)
    shapes : sequence of tuple of int
        The shapes that do not fit.
    """

    def __init__(
        self, message: str, span: Span = tree.NOWHERE, shapes: Sequence[Shape] = ()
    ) -> None:
        super().__init__(message, span)
        self.shapes = tuple(shapes)
