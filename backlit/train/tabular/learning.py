"""Training the network of a recipe, for as many epochs as a validation part asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as onp

from backlit import nn
from backlit.core import tree
from backlit.data import split_rows
from backlit.train.errors import NonFiniteError
from backlit.train.history import History
from backlit.train.loop import fit
from backlit.train.tabular.problem import Array, Problem
from backlit.train.tabular.recipe import RATES, Recipe

Say = Callable[[str], object]

_ROWS = "  rows of the batch"  # how the line begins that counts rows as `fit` does


def silent(text: str) -> None:
    """Say nothing."""


@dataclass(frozen=True, eq=False)
class Learned:
    """A trained network.

    Attributes
    ----------
    model : MLP
    history : History
        Of the run that decided the number of epochs, or of the only one.
    epochs : int
        How many epochs `model` was trained for.
    interrupted : bool
        Whether Ctrl-C ended training.
    """

    model: nn.MLP
    history: History
    epochs: int
    interrupted: bool


def learn(
    problem: Problem, recipe: Recipe, *, progress: bool | None = None, say: Say = silent
) -> Learned:
    """Train on the training rows of a problem.

    With a validation part, a first run without it finds the number of epochs after which its loss
    is smallest, and a second run trains on all training rows for that long.

    Parameters
    ----------
    problem : Problem
    recipe : Recipe
    progress : bool, optional
        As for `backlit.train.fit`.
    say : callable
        Is told in a sentence what happens next.

    Returns
    -------
    Learned

    Raises
    ------
    InputError
        If a class has too few rows for a validation part.
    NonFiniteError
        If the numbers overflow.
    KeyboardInterrupt
        If Ctrl-C comes before the first step.
    """
    X, y = problem.training
    rows = problem.rows[problem.train]
    if not recipe.validation:
        history = run(problem, recipe, X, y, rows, progress=progress)
        require_change(history, recipe, problem)
        stopped = history.stopped == "interrupted"
        return Learned(history.model, history, len(history.epochs), stopped)
    labels = y if problem.target.labels else None
    # A seed of its own: the rows for validation have nothing to do with those for testing.
    fitting, checking = split_rows(len(y), recipe.validation, recipe.seed + 1, stratify=labels)
    history = run(
        problem,
        recipe,
        X[fitting],
        y[fitting],
        rows[fitting],
        (X[checking], y[checking]),
        progress=progress,
    )
    require_change(history, recipe, problem)
    epochs = history.best_epoch or len(history.epochs)
    if history.stopped == "interrupted":
        return Learned(history.model, history, epochs, True)
    try:
        say(f"{epochs} epochs were best for {len(checking)} rows set aside; learning from them too")
        again = run(problem, recipe, X, y, rows, epochs=epochs, progress=progress)
    except KeyboardInterrupt:  # before `fit` had a step to return
        return Learned(history.model, history, epochs, True)
    if again.stopped == "interrupted":
        return Learned(history.model, history, epochs, True)
    return Learned(again.model, history, epochs, False)


def run(
    problem: Problem,
    recipe: Recipe,
    X: Array,
    y: Array,
    rows: Array,
    validation: tuple[Array, Array] | None = None,
    *,
    epochs: int | None = None,
    progress: bool | None = None,
) -> History:
    """Train a new network on some rows.

    Parameters
    ----------
    problem : Problem
    recipe : Recipe
    X, y : ndarray
        Inputs and encoded targets.
    rows : ndarray of int64
        Where they are in the table, for messages.
    validation : (X, y), optional
    epochs : int, optional
        Fewer than the recipe's; the learning rate follows the recipe's schedule all the same.
    progress : bool, optional

    Returns
    -------
    History

    Raises
    ------
    NonFiniteError
        If the numbers overflow; its rows are those of the table.
    """
    try:
        return fit(
            recipe.model(X.shape[1], problem.outputs),
            (X, y),
            problem.loss,
            recipe.rule(len(X)),
            epochs=epochs or recipe.epochs,
            batch_size=recipe.batch,
            validation=validation,
            seed=recipe.seed,
            early_stopping=None if validation is None else recipe.early_stopping(),
            progress=progress,
            jit=None if recipe.jit else False,
        )
    except NonFiniteError as error:
        raise _overflowed(error, rows[error.rows], recipe) from None


def _overflowed(error: NonFiniteError, rows: Array, recipe: Recipe) -> NonFiniteError:
    """Return the same error for those who have a table and options, and no code of their own."""
    lines = [line for line in error.what.splitlines() if not line.startswith(_ROWS)]
    shown = ", ".join(map(str, rows[:8])) + (", …" if len(rows) > 8 else "")
    return NonFiniteError(
        "\n".join([*lines, f"  rows of the table in that step, counted from 0: {shown}"]),
        error.history,
        epoch=error.epoch,
        step=error.step,
        rows=rows,
        operation=error.operation,
        fix=_calmer(recipe),
    )


def _calmer(recipe: Recipe) -> str:
    """Return which setting to make smaller after an overflow."""
    usual, decay = RATES[recipe.optimizer], recipe.weight_decay
    # Decay multiplies weights by 1 − rate · decay in a step: beyond 2 they grow without end.
    if decay * min(recipe.rate, usual) >= 2.0:
        return f"a smaller weight decay, such as --weight-decay 0.1; it was {decay:g}"
    smaller = usual if recipe.rate > usual else recipe.rate / 10
    return f"a smaller learning rate, such as --rate {smaller:g}; it was {recipe.rate:g}"


def require_change(history: History, recipe: Recipe, problem: Problem) -> None:
    """Raise KeyboardInterrupt after a run that was interrupted before it changed a weight.

    Parameters
    ----------
    history : History
    recipe : Recipe
    problem : Problem

    Raises
    ------
    KeyboardInterrupt
    """
    if history.stopped != "interrupted" or history.epochs:
        return
    start = recipe.model(len(problem.preprocessor.feature_names), problem.outputs)
    leaves: list[Any] = tree.flatten(start)[0]
    if all(map(onp.array_equal, leaves, tree.flatten(history.model)[0])):
        raise KeyboardInterrupt
