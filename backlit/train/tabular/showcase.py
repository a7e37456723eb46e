"""`demo`: handwritten digits, from the images that ship with the package to a model file."""

from __future__ import annotations

import io
import os
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as onp

from backlit.data import Preprocessor, Table, Target, digits_table, split_rows
from backlit.data.encoders import NumberEncoder
from backlit.train.loop import fit
from backlit.train.tabular.folder import MODEL, checked_folder, joined, made_folder
from backlit.train.tabular.job import Job
from backlit.train.tabular.learning import Learned, Say, require_change, silent
from backlit.train.tabular.ownership import require_ours
from backlit.train.tabular.problem import Problem
from backlit.train.tabular.recipe import Recipe
from backlit.train.tabular.result import TrainResult
from backlit.train.tabular.suggestions import predict_command
from backlit.train.tabular.writing import Column, print_csv, write_columns

Array = onp.ndarray[Any, Any]

_TARGET = "digit"
_DARKEST = 16.0
_SIDE = 8
_SHIFT = 0.5  # of a pixel
_SHIFTS = ((0, _SHIFT), (0, -_SHIFT), (1, _SHIFT), (1, -_SHIFT))
_EPOCHS = 30


@dataclass(frozen=True, eq=False)
class DemoResult(TrainResult):
    """What came of the demo.

    Attributes
    ----------
    table : Path
        All digits, as ``backlit train`` reads them.
    held_out : Path
        Those the model never saw.
    """

    table: Path = Path()
    held_out: Path = Path()

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as plain JSON values: those of training, and the tables written."""
        return {
            **super().to_dict(),
            "table": str(self.table),
            "held_out": str(self.held_out),
            "next": list(self.next),
        }


def demo(
    *,
    out: str | os.PathLike[str] = "backlit-demo",
    seed: int = 0,
    epochs: int = _EPOCHS,
    report: bool = True,
    progress: bool | None = None,
    say: Say | None = None,
) -> DemoResult:
    """Train a network on handwritten digits.

    A fifth of the images is held out and used for nothing but the figures that are reported. Of
    the others, a tenth is set aside for the curves of the report, and the rest is learned from,
    each image also moved half a pixel up, down, left and right.

    Parameters
    ----------
    out : path
        Folder for model, report and tables.
    seed : int
        Decides which images are held out, the initial weights and the order of the images.
    epochs : int
    report : bool
        Whether to write ``report.html``.
    progress : bool, optional
        As for `backlit.train.fit`.
    say : callable, optional
        Is told in a sentence what happens next.

    Returns
    -------
    DemoResult

    Raises
    ------
    InputError
        If a setting cannot be used, or a file in the folder that Backlit did not write would be
        replaced.
    KeyboardInterrupt
        If Ctrl-C comes before the first step of training. Later on it is noted in the result.
    """
    began = time.perf_counter()
    folder = checked_folder(out)
    whole, held_out = folder / "digits.csv", folder / "held-out.csv"
    require_ours(folder, {whole.name: _is_digits, held_out.name: _is_digits})
    recipe = _recipe(seed, epochs)
    problem = digits_problem(seed)
    settings = recipe.to_dict() | {"copies": f"moved {_SHIFT} pixel up, down, left and right"}
    words = ["backlit", "demo", "--seed", str(seed), "--epochs", str(epochs), "--out", str(folder)]
    job = Job(problem, made_folder(folder), joined(words), settings, began, str(whole))
    (say or silent)(
        f"learning {len(problem.train)} handwritten digits of 8 × 8 pixels; "
        f"{len(problem.test)} more are held out"
    )
    learned = learn_digits(problem, recipe, progress=progress)
    test = job.measure(learned.model)
    saved = (learned.model, problem.preprocessor)
    path = job.store(learned, saved[1], report=report, test=test, epochs=learned.epochs)
    with job.kept(path):
        _write(whole, problem.table)
        _write(held_out, problem.table.take(problem.test))
        result = job.finish(learned, test, saved, path, refitted=False, report=report)
    known = {field.name: getattr(result, field.name) for field in fields(TrainResult)}
    _, explain = known.pop("next")
    place = folder if path.name == MODEL else path
    words = ["backlit", "train", str(whole), "--target", _TARGET, "--out", f"{folder}-table"]
    return DemoResult(
        **known,
        table=whole,
        held_out=held_out,
        next=(predict_command(place, held_out), explain, joined(words)),
    )


def digits_problem(seed: int) -> Problem:
    """Return the digits, a fifth of each class held out; pixels are divided by 16.

    Parameters
    ----------
    seed : int

    Returns
    -------
    Problem

    Examples
    --------
    >>> problem = digits_problem(0)
    >>> len(problem.train), len(problem.test), float(problem.training[0].max())
    (1438, 359, 1.0)
    """
    table = digits_table()
    pixels = tuple(name for name in table.names if name != _TARGET)
    encoders = tuple(
        NumberEncoder(name, "integer", mean=0.0, scale=_DARKEST, indicator=False) for name in pixels
    )
    target = Target.fit(table, _TARGET, "classification")
    train, test = split_rows(len(table), 0.2, seed, stratify=table[_TARGET])
    return Problem(
        "the handwritten digits of Backlit",
        table,
        onp.arange(len(table)),
        train,
        test,
        Preprocessor(encoders, target),
    )


def _recipe(seed: int, epochs: int) -> Recipe:
    return Recipe(
        hidden=(128, 64),
        activation="relu",
        optimizer="adamw",
        rate=4e-3,
        epochs=epochs,
        batch=64,
        weight_decay=0.01,
        validation=0.1,
        patience=epochs,
        seed=seed,
    )


def learn_digits(problem: Problem, recipe: Recipe, *, progress: bool | None = None) -> Learned:
    """Train on the training rows of the digits.

    Parameters
    ----------
    problem : Problem
    recipe : Recipe
    progress : bool, optional

    Returns
    -------
    Learned
    """
    X, y = problem.training
    part, watch = split_rows(len(y), recipe.validation, recipe.seed + 1, stratify=y)
    images, digits = moved_copies(X[part]), onp.tile(y[part], 1 + len(_SHIFTS))
    history = fit(
        recipe.model(X.shape[1], problem.outputs),
        (images, digits),
        problem.loss,
        recipe.rule(len(images)),
        epochs=recipe.epochs,
        batch_size=recipe.batch,
        validation=(X[watch], y[watch]),
        seed=recipe.seed,
        progress=progress,
    )
    require_change(history, recipe, problem)
    stopped = history.stopped == "interrupted"
    return Learned(history.model, history, len(history.epochs), stopped)


def moved_copies(X: Array) -> Array:
    """Return images, followed by the same images moved half a pixel in each direction.

    Parameters
    ----------
    X : ndarray, shape (images, 64)

    Returns
    -------
    ndarray, shape (5 · images, 64)

    Examples
    --------
    >>> dot = onp.zeros((1, 8, 8)); dot[0, 3, 3] = 1.0
    >>> below = moved_copies(dot.reshape(1, 64))[1].reshape(8, 8)
    >>> below[3, 3], below[4, 3]
    (np.float64(0.5), np.float64(0.5))
    """
    images = X.reshape(-1, _SIDE, _SIDE)
    copies = [images]
    for axis, shift in _SHIFTS:
        # What lies between two pixels is their weighted mean; beyond the edge there is no ink.
        neighbour = onp.roll(images, 1 if shift > 0 else -1, axis + 1)
        edge: list[Any] = [slice(None)] * 3
        edge[axis + 1] = 0 if shift > 0 else -1
        neighbour[tuple(edge)] = 0.0
        copies.append((1.0 - abs(shift)) * images + abs(shift) * neighbour)
    moved: Array = onp.concatenate(copies).reshape(-1, _SIDE * _SIDE).astype(X.dtype)
    return moved


def _write(path: Path, table: Table) -> None:
    write_columns(path, _columns(table))


def _columns(table: Table) -> list[Column]:
    return [(name, table[name].tolist()) for name in table.names]


def _is_digits(path: Path) -> bool:
    """Tell whether a file holds digits as `_write` writes them, and nothing else."""
    written = io.StringIO()
    print_csv(_columns(digits_table()), written)
    head, *rows = written.getvalue().splitlines()
    try:
        found = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    return found[:1] == [head] and set(found) <= {head, *rows}
