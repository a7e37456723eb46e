"""Errors that end training and still hand over the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backlit.core.errors import BacklitError
from backlit.core.source import Source

if TYPE_CHECKING:
    from backlit.train.history import History
    from backlit.train.nonfinite import Operation


class TrainingInterrupted(BacklitError, RuntimeError):
    """A callback, or the loss after at least one step, raised an error; it is the ``__cause__``.

    Attributes
    ----------
    history : History
        What was reached; ``history.model`` is the model after the last complete step.

    Examples
    --------
    >>> issubclass(TrainingInterrupted, RuntimeError)
    True
    """

    def __init__(self, what: str, history: History, *, fix: str | None = None) -> None:
        super().__init__(what, fix=fix)
        self.history = history


class NonFiniteError(BacklitError, ArithmeticError):
    """The loss or a gradient is no longer a finite number.

    Attributes
    ----------
    history : History
        ``history.model`` is the last good model: the one before the step that failed.
        ``history.best_model`` is the best by validation, if there was one.
    epoch, step : int
        Counted from 1; steps over the whole run.
    rows : ndarray of int64
        Rows of the training data in the batch of that step, counted from 0.
    operation : Operation or None
        The first operation that went wrong; None if a repetition of the step went well.

    Examples
    --------
    >>> issubclass(NonFiniteError, ArithmeticError)
    True
    """

    def __init__(
        self,
        what: str,
        history: History,
        *,
        epoch: int,
        step: int,
        rows: Any,
        operation: Operation | None,
        where: Source | None = None,
        fix: str | None = None,
    ) -> None:
        super().__init__(what, where=where, fix=fix)
        self.history = history
        self.epoch = epoch
        self.step = step
        self.rows = rows
        self.operation = operation
