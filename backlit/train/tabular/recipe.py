"""How a table is trained on: the settings, and defaults that suit its number of rows."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from backlit import nn, optim
from backlit.core.errors import InputError
from backlit.core.settings import choice, flag, number, shown, whole
from backlit.optim import schedules
from backlit.train.callbacks import EarlyStopping

__all__ = ["ACTIVATIONS", "RATES", "Recipe", "recipe_for"]

# Peak learning rate of each optimiser if none is given.
RATES = {
    "adamw": 5e-3,
    "adam": 5e-3,
    "rmsprop": 2e-3,
    "adagrad": 3e-2,
    "sgd": 0.2,
    "momentum": 3e-2,
    "nesterov": 3e-2,
}
ACTIVATIONS = tuple(name for name in nn.ACTIVATIONS if "softmax" not in name)

# Measured with bench/tables.py: enough steps for small tables, enough epochs for larger ones, and
# an end to it for very large ones.
_STEPS, _MORE_STEPS = 1500, 6000
_EPOCHS, _FEWEST_EPOCHS = 60, 10
# With fewer steps there is no room for the learning rate to rise and to fall.
_FEWEST_STEPS = 10
# With fewer rows a validation part costs more than knowing when to stop gains.
_ROWS_FOR_VALIDATION = 200
_DECAY = 20.0
_BYTES_PER_WEIGHT = 4 * 4  # in float32: the weight, its gradient, and two moments
_MOST_UNITS = 999_999  # of a layer; no table needs as many, and memory ends before


@dataclass(frozen=True)
class Recipe:
    """Every setting that decides how a network for a table is made and trained.

    Attributes
    ----------
    hidden : tuple of int
        Units of each hidden layer.
    activation : str
        Of the hidden layers.
    optimizer : str
    rate : float
        Peak of the one-cycle schedule that the learning rate follows.
    epochs : int
        Most epochs; the schedule is laid out for them.
    batch : int
        Rows per step.
    weight_decay : float
        Decoupled from the gradient and multiplied by the learning rate; biases are spared.
    validation : float
        Share of the training rows that decides after how many epochs to stop; 0 for none.
    patience : int
        Epochs without a better validation loss after which training stops.
    seed : int
    jit : bool
        Whether training is compiled where that pays; see `backlit.train.fit`.

    Raises
    ------
    InputError
        If a setting cannot be used; the message says what can.

    Examples
    --------
    >>> recipe_for(120).epochs, recipe_for(120).validation
    (375, 0.0)
    >>> recipe_for(1200, hidden=(16,)).hidden
    (16,)
    """

    hidden: tuple[int, ...]
    activation: str
    optimizer: str
    rate: float
    epochs: int
    batch: int
    weight_decay: float
    validation: float
    patience: int
    seed: int
    jit: bool = True

    def __post_init__(self) -> None:
        checked = {
            "hidden": _hidden(self.hidden),
            "activation": choice(self.activation, ACTIVATIONS, "activation"),
            "optimizer": choice(self.optimizer, RATES, "optimizer"),
            "rate": number(self.rate, "rate", positive=True, example=0.005),
            "epochs": whole(self.epochs, "epochs", low=1, example=100),
            "batch": whole(self.batch, "batch", low=1, example=32),
            "weight_decay": number(self.weight_decay, "weight_decay", low=0, example=0.1),
            "validation": number(self.validation, "validation", low=0, below=1, example=0.15),
            "patience": whole(self.patience, "patience", low=1, example=30),
            "seed": whole(self.seed, "seed", example=0),
            "jit": flag(self.jit, "jit"),
        }
        for name, value in checked.items():  # numbers of NumPy's become Python's
            object.__setattr__(self, name, value)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        return asdict(self) | {"hidden": list(self.hidden)}

    def model(self, features: int, outputs: int) -> nn.MLP:
        """Return an untrained network.

        Parameters
        ----------
        features, outputs : int

        Returns
        -------
        MLP
        """
        return nn.MLP((features, *self.hidden, outputs), self.activation, seed=self.seed)

    def require_memory(self, features: int, outputs: int) -> None:
        """Raise if this machine has not the memory to train the network.

        Parameters
        ----------
        features, outputs : int

        Raises
        ------
        InputError
        """
        numbers = sum(n * m for n, m in itertools.pairwise((features, *self.hidden, outputs)))
        needed = numbers * _BYTES_PER_WEIGHT
        try:
            there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        except (AttributeError, ValueError, OSError):
            return  # not known; NumPy will say
        if needed > there:
            raise InputError(
                f"hidden is {','.join(map(str, self.hidden))}; it must be fewer units: {numbers:,} "
                f"weights take {needed / 2**30:,.0f} GiB to train, and this machine has "
                f"{there / 2**30:,.0f}",
                fix="for instance 64,32",
            )

    def rule(self, rows: int) -> optim.Optimizer:
        """Return the optimiser, its learning rate following one cycle over all epochs.

        Parameters
        ----------
        rows : int
            Rows trained on, which decide how many steps an epoch has.

        Returns
        -------
        Optimizer
        """
        steps = self.epochs * math.ceil(rows / min(self.batch, rows))
        rate = self.rate if steps < _FEWEST_STEPS else schedules.one_cycle(self.rate, steps=steps)
        if self.optimizer == "adamw":
            return optim.adamw(rate, decay=self.weight_decay, biases=False)
        rule: optim.Optimizer = getattr(optim, self.optimizer)(rate)
        if not self.weight_decay:
            return rule
        return optim.chain(
            rule, optim.decoupled_weight_decay(self.weight_decay, rate, biases=False)
        )

    def early_stopping(self) -> EarlyStopping | None:
        """Return when to stop, or None if there is no validation part."""
        return EarlyStopping(patience=self.patience) if self.validation else None


def recipe_for(
    rows: int,
    *,
    hidden: Sequence[int] | None = None,
    activation: str | None = None,
    optimizer: str | None = None,
    rate: float | None = None,
    epochs: int | None = None,
    batch: int | None = None,
    weight_decay: float | None = None,
    validation: float | None = None,
    patience: int | None = None,
    seed: int = 0,
    jit: bool = True,
) -> Recipe:
    """Return the settings for a number of training rows, checked; None stands for a default.

    Parameters
    ----------
    rows : int
        Rows of the training part.
    hidden, activation, optimizer, rate, epochs, batch, weight_decay, validation, patience
        As for `Recipe`.
    seed, jit
        As for `Recipe`.

    Returns
    -------
    Recipe

    Raises
    ------
    InputError
        If a setting cannot be used; the message says what can.

    Examples
    --------
    >>> recipe_for(1000, optimizer="sdg")
    Traceback (most recent call last):
    backlit.core.errors.InputError: optimizer is 'sdg'; it must be one of adamw, adam, rmsprop, \
adagrad, sgd, momentum, nesterov
      fix: did you mean sgd?
    """
    optimizer = choice(optimizer or "adamw", RATES, "optimizer")
    if batch is None:
        batch = min(_batch_for(rows), rows)
    else:
        batch = whole(batch, "batch", low=1, example=32)
    if epochs is None:
        steps = math.ceil(rows / batch)
        more = min(_EPOCHS, math.ceil(_MORE_STEPS / steps))
        epochs = max(_FEWEST_EPOCHS, math.ceil(_STEPS / steps), more)
    if weight_decay is None:
        weight_decay = round(_DECAY / math.sqrt(rows), 4) if optimizer == "adamw" else 0.0
    if validation is None:
        validation = 0.15 if rows >= _ROWS_FOR_VALIDATION else 0.0
    return Recipe(
        hidden=(64, 32) if hidden is None else _hidden(hidden),
        activation=activation or "relu",
        optimizer=optimizer,
        rate=RATES[optimizer] if rate is None else rate,
        epochs=epochs,
        batch=batch,
        weight_decay=weight_decay,
        validation=validation,
        patience=30 if patience is None else patience,
        seed=seed,
        jit=jit,
    )


def _batch_for(rows: int) -> int:
    return 32 if rows < 4_000 else 64 if rows < 16_000 else 128 if rows < 64_000 else 256


def _hidden(value: Any) -> tuple[int, ...]:
    """Return the units of each hidden layer, checked."""
    if not isinstance(value, Iterable) or isinstance(value, (str, bytes)):
        raise InputError(
            f"hidden is {shown(value)}; it must list the units of each hidden layer",
            fix="for instance hidden=(64, 32)",
        )
    return tuple(
        [whole(units, "hidden", low=1, high=_MOST_UNITS, example="64,32") for units in value]
    )
