"""Exceptions that say what went wrong, where in the user's code, and how to fix it."""

from __future__ import annotations

from backlit.core.source import Source


class BacklitError(Exception):
    """Base class of every error raised on purpose by Backlit.

    Parameters
    ----------
    what : str
        One sentence: what is wrong.
    where : Source, optional
        The user's line the message points at.
    fix : str, optional
        What to write instead.

    Examples
    --------
    >>> print(BacklitError("the loss is not a scalar", fix="sum or average it"))
    the loss is not a scalar
      fix: sum or average it
    """

    def __init__(self, what: str, *, where: Source | None = None, fix: str | None = None) -> None:
        self.what = what
        self.where = where
        self.fix = fix
        lines = [what]
        if where is not None:
            lines.append(where.excerpt())
        if fix is not None:
            lines.append(f"  fix: {fix}")
        super().__init__("\n".join(lines))


class InputError(BacklitError, ValueError):
    """Data, a file or an option from the user cannot be used."""


class _OperandError(BacklitError):
    """An operation was given operands it cannot take; points at the user's line by itself."""

    def __init__(self, what: str, *, where: Source | None = None, fix: str | None = None) -> None:
        super().__init__(what, where=where or Source.here(), fix=fix)


class ShapeError(_OperandError, ValueError):
    """Operand shapes do not fit the operation."""


class DTypeError(_OperandError, TypeError):
    """An element type does not fit, for instance the gradient of an integer."""


class IndexRangeError(BacklitError, IndexError):
    """An index lies outside its axis."""


class IntegerRangeError(BacklitError, OverflowError):
    """A Python integer is larger than the type it is to have."""


class TracedValueError(BacklitError, TypeError):
    """A traced value was asked to become a plain number, which would lose its gradient."""


class AbstractBranchError(TracedValueError):
    """Python asked for the value of an array that has only a shape while it is traced."""


class LeakedTracerError(BacklitError, RuntimeError):
    """A traced value outlived the transformation that made it."""


class GraphError(BacklitError, ValueError):
    """A graph breaks a rule of the intermediate representation."""


class DifferentiationError(BacklitError, TypeError):
    """The function, or the way it was called, has no derivative to offer."""
