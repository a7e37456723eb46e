"""What training tells its callbacks, early stopping, and which model was the best."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

from backlit.core import tree
from backlit.core.errors import InputError
from backlit.core.settings import choice, flag, number, shown, whole
from backlit.train.inputs import Array
from backlit.train.metrics import LARGER_IS_BETTER, SMALLER_IS_BETTER


@dataclass(eq=False)
class TrainingState:
    """Where training stands, as shown to callbacks.

    Attributes
    ----------
    epoch, epochs : int
        The current one, counted from 1, and how many there will be.
    step : int
        Steps taken in the whole run.
    loss : float
        After a step, the mean loss of its batch before the step; after an epoch, of the epoch.
    metrics : dict
        After an epoch, its entry in ``history.epochs``; after a step, the one of the epoch before.
    """

    epochs: int
    treedef: tree.TreeDef = field(repr=False)
    leaves: list[Array] = field(default_factory=list, repr=False)
    epoch: int = 0
    step: int = 0
    loss: float = float("nan")
    metrics: dict[str, Any] = field(default_factory=dict)
    stop_reason: str | None = None

    @property
    def model(self) -> Any:
        """The model as it is now."""
        return tree.unflatten(self.treedef, self.leaves)

    def stop(self, reason: str = "a callback asked for it") -> None:
        """Ask training to stop: after a step before the next one, after an epoch at once.

        Parameters
        ----------
        reason : str
            Ends up in ``history.reason``.
        """
        self.stop_reason = reason


Callback = Callable[[TrainingState], Any]


class Callbacks(NamedTuple):
    """Functions to call after each step and after each epoch."""

    step: tuple[Callback, ...]
    epoch: tuple[Callback, ...]


def collected(callbacks: Any) -> Callbacks:
    """Return the functions of a user's callbacks.

    Parameters
    ----------
    callbacks : iterable of callables or objects
        A plain callable is called after each epoch; an object may have ``on_step_end`` and
        ``on_epoch_end``.

    Returns
    -------
    Callbacks

    Raises
    ------
    InputError
        If one of them is neither.

    Examples
    --------
    >>> len(collected([print]).epoch), len(collected([print]).step)
    (1, 0)
    """
    if not isinstance(callbacks, Iterable):
        raise InputError(
            f"callbacks is {callbacks!r:.60}; it must be a sequence", fix="callbacks=[f]"
        )
    steps: list[Callback] = []
    epochs: list[Callback] = []
    for callback in callbacks:
        if isinstance(callback, EarlyStopping):
            raise InputError(
                "EarlyStopping is not a callback", fix="early_stopping=EarlyStopping(…)"
            )
        on_step = getattr(callback, "on_step_end", None)
        on_epoch = getattr(callback, "on_epoch_end", None)
        if on_step is None and on_epoch is None:
            if not callable(callback):
                raise InputError(
                    f"callback {callback!r:.60} is neither a function nor has on_epoch_end or "
                    "on_step_end",
                    fix="def report(state): print(state.epoch, state.loss)",
                )
            on_epoch = callback
        if on_step is not None:
            steps.append(on_step)
        if on_epoch is not None:
            epochs.append(on_epoch)
    return Callbacks(tuple(steps), tuple(epochs))


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when a figure has not improved for a while, and keep the best model.

    Parameters
    ----------
    patience : int
        How many epochs without improvement to wait for one.
    min_delta : float
        What counts as an improvement for `patience`: more than this. The best model is the best
        one however small its lead.
    monitor : str
        A figure of ``history.epochs``: ``"val_loss"``, ``"val_accuracy"``, ``"loss"``, …
    restore_best : bool
        Whether ``history.model`` is the best model, however training ended; else the last one.
    mode : {"min", "max"}, optional
        Whether smaller or larger is better; known for the metrics of `backlit.train.metrics`.

    Raises
    ------
    InputError
        If a setting cannot be used.

    References
    ----------
    Prechelt, "Early stopping — but when?", 1998.

    Examples
    --------
    >>> EarlyStopping(patience=5, monitor="val_accuracy").larger
    True
    """

    patience: int = 10
    min_delta: float = 0.0
    monitor: str = "val_loss"
    restore_best: bool = True
    mode: Literal["min", "max"] | None = None

    def __post_init__(self) -> None:
        checked = {
            "patience": whole(self.patience, "patience", low=1, example=10),
            "min_delta": number(self.min_delta, "min_delta", low=0, example=0.001),
            "restore_best": flag(self.restore_best, "restore_best"),
        }
        for name, value in checked.items():  # numbers of NumPy's become Python's
            object.__setattr__(self, name, value)
        if not isinstance(self.monitor, str):
            raise InputError(
                f"monitor is {shown(self.monitor)}; it must be the name of a figure",
                fix='for instance monitor="val_loss"',
            )
        if self.mode is not None:
            choice(self.mode, ("min", "max"), "mode")
            return
        known = LARGER_IS_BETTER | SMALLER_IS_BETTER
        if self.monitor.removeprefix("val_") not in known:
            raise InputError(
                f"whether {self.monitor!r} should be small or large is not known",
                fix='say mode="min" or mode="max", if there is such a figure',
            )

    @property
    def larger(self) -> bool:
        """Whether larger is better."""
        if self.mode is not None:
            return self.mode == "max"
        return self.monitor.removeprefix("val_") in LARGER_IS_BETTER

    def describe(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        return asdict(self)


class Best(NamedTuple):
    """The best epoch so far, and how long ago the last real improvement was.

    Attributes
    ----------
    epoch : int or None
        Counted from 1.
    value : float
        Figure of that epoch, its sign changed if larger is better.
    leaves : list of ndarray or None
        Parameters after that epoch.
    reference : float
        Figure that has to be undercut by more than `min_delta`.
    waited : int
        Epochs since that happened.
    """

    epoch: int | None = None
    value: float = float("inf")
    leaves: list[Array] | None = None
    reference: float = float("inf")
    waited: int = 0

    def after(
        self, rule: EarlyStopping, record: dict[str, Any], epoch: int, leaves: list[Array]
    ) -> Best:
        """Return the state after one more epoch; a figure that is not a number is no improvement.

        Examples
        --------
        >>> rule = EarlyStopping(patience=2, min_delta=0.1)
        >>> best = Best()
        >>> for epoch, value in enumerate([1.0, 0.95, 0.97], 1):
        ...     best = best.after(rule, {"val_loss": value}, epoch, [])
        >>> best.epoch, best.waited
        (2, 2)
        """
        value = -record[rule.monitor] if rule.larger else record[rule.monitor]
        best = self
        if value < self.value:
            best = best._replace(epoch=epoch, value=value, leaves=leaves)
        if value < self.reference - rule.min_delta:
            return best._replace(reference=value, waited=0)
        return best._replace(waited=self.waited + 1)
