"""`train`: from a table to a model file, honest figures and a report."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as onp

from backlit.core.threads import num_threads
from backlit.data import Preprocessor, Table
from backlit.train.errors import NonFiniteError
from backlit.train.tabular.folder import checked_folder, default_folder, joined, made_folder
from backlit.train.tabular.job import Job
from backlit.train.tabular.learning import Learned, Say, learn, run, silent
from backlit.train.tabular.ownership import require_ours
from backlit.train.tabular.problem import Problem, problem_for
from backlit.train.tabular.recipe import Recipe, recipe_for
from backlit.train.tabular.result import TrainResult


def train(
    table: str | os.PathLike[str] | Table,
    target: str,
    *,
    out: str | os.PathLike[str] | None = None,
    task: str = "auto",
    hidden: Sequence[int] | None = None,
    activation: str | None = None,
    optimizer: str | None = None,
    rate: float | None = None,
    epochs: int | None = None,
    batch: int | None = None,
    weight_decay: float | None = None,
    validation: float | None = None,
    patience: int | None = None,
    split: float = 0.2,
    seed: int = 0,
    refit: bool = True,
    report: bool = True,
    jit: bool = True,
    progress: bool | None = None,
    say: Say | None = None,
) -> TrainResult:
    """Train a network to predict one column of a table from the others.

    Part of the rows is held out and used only once, for the figures that are reported. Then the
    saved model learns from all rows, for as many epochs as the measured one did.

    Parameters
    ----------
    table : path, pattern, query or Table
        Anything `backlit.data.read_table` reads.
    target : str
        The column to predict.
    out : path, optional
        Folder for the files, ``backlit-<table>`` by default.
    task : str
        "auto": text, booleans, and integers with at most 10 different values are classes, other
        numbers are predicted as such. Or "classification", or "regression".
    hidden, activation, optimizer, rate, epochs, batch, weight_decay, validation, patience
        As for `Recipe`; by default they go by the number of rows.
    split : float
        Share of the rows to hold out.
    seed : int
        Decides the split, the initial weights and the order of the rows.
    refit : bool
        Whether the saved model learns from all rows in the end.
    report : bool
        Whether to write ``report.html``.
    jit : bool
        Whether to compile training where that pays; without, the numbers are the same within
        rounding.
    progress : bool, optional
        As for `backlit.train.fit`.
    say : callable, optional
        Is told in a sentence what happens next.

    Returns
    -------
    TrainResult

    Raises
    ------
    InputError
        If the table or a setting cannot be used, or a file in the folder that Backlit did not
        write would be replaced.
    NonFiniteError
        If the numbers overflow; the last good model is saved then, and a note of the error says
        where.
    KeyboardInterrupt
        If Ctrl-C comes before the first step of training. Later on it is noted in the result.

    Examples
    --------
    >>> import tempfile
    >>> table = Table.from_columns({"x": list(range(40)), "y": ["low"] * 20 + ["high"] * 20})
    >>> result = train(table, "y", out=tempfile.mkdtemp(), epochs=20, report=False)
    >>> result.task, result.rows, result.refitted
    ('classification', 40, True)
    """
    began = time.perf_counter()
    source = "TABLE" if isinstance(table, Table) else os.fspath(table)
    folder = checked_folder(default_folder(source, target) if out is None else out)
    require_ours(folder)
    problem = problem_for(table, target, task=task, split=split, seed=seed)
    recipe = recipe_for(
        len(problem.train),
        hidden=hidden,
        activation=activation,
        optimizer=optimizer,
        rate=rate,
        epochs=epochs,
        batch=batch,
        weight_decay=weight_decay,
        validation=_validation(problem, validation),
        patience=patience,
        seed=seed,
        jit=jit,
    )
    if recipe.jit:
        num_threads()  # raises if the environment holds no such number; perhaps only the refit asks
    recipe.require_memory(len(problem.preprocessor.feature_names), problem.outputs)
    problem.testing  # noqa: B018  # whatever is wrong with these rows should be said now
    settings = _settings(problem, recipe, split, refit)
    job = Job(
        problem,
        made_folder(folder),
        command(source, folder, settings),
        settings,
        began,
        None if isinstance(table, Table) else source,
    )
    tell = say or silent
    tell(_plan(problem))
    learned = _learn(job, recipe, progress, tell)
    test = job.measure(learned.model)
    saved = (learned.model, problem.preprocessor)
    path = job.store(learned, saved[1], report=report, test=test, epochs=learned.epochs)
    with job.kept(path):
        refitted = None
        if refit and not learned.interrupted:
            score = test[problem.metric]
            figure = "undefined" if score is None else format(score, ".4f")
            tell(f"held-out {problem.metric} {figure}")
            tell(f"learning from all {len(problem.table)} rows")
            refitted = _refit(job, recipe, learned, test, progress)
            learned = replace(learned, interrupted=refitted is None)
        done = refitted is not None
        return job.finish(learned, test, refitted or saved, path, refitted=done, report=report)


def _learn(job: Job, recipe: Recipe, progress: bool | None, say: Say) -> Learned:
    try:
        return learn(job.problem, recipe, progress=progress, say=say)
    except NonFiniteError as error:
        path = job.rescue(error.history.model, job.problem.preprocessor)
        error.add_note(f"the model as it was before that step is in {path}")
        raise


def _refit(
    job: Job,
    recipe: Recipe,
    learned: Learned,
    test: Any,
    progress: bool | None,
) -> tuple[Any, Preprocessor] | None:
    """Replace the saved model by one that learned from all rows, unless Ctrl-C ends that."""
    preprocessor, X, y = job.problem.refitted()
    rows = job.problem.rows
    try:
        history = run(job.problem, recipe, X, y, rows, epochs=learned.epochs, progress=progress)
    except NonFiniteError as error:
        error.add_note(f"the model that was measured is in {job.folder}")
        raise
    if history.stopped == "interrupted":
        return None
    job.save(history.model, preprocessor, test=test, epochs=learned.epochs, refitted=True)
    return history.model, preprocessor


def _validation(problem: Problem, asked: float | None) -> float | None:
    """Return the validation share asked for; none by default where a class is too rare for one."""
    if asked is None and problem.target.labels:
        if int(onp.bincount(problem.training[1]).min()) < 2:
            return 0.0
    return asked


def _plan(problem: Problem) -> str:
    features = len(problem.preprocessor.feature_names)
    what = f"{len(problem.target.labels)} classes" if problem.target.labels else "a number"
    return (
        f"predicting {problem.target.name!r} ({what}) from {features} "
        f"feature{'s' * (features != 1)}: {len(problem.train)} rows to learn from, "
        f"{len(problem.test)} held out"
    )


def _settings(problem: Problem, recipe: Recipe, split: float, refit: bool) -> dict[str, Any]:
    return {
        "target": problem.target.name,
        "task": problem.target.task,
        **recipe.to_dict(),
        "split": split,
        "refit": refit,
    }


def command(source: str, folder: os.PathLike[str], settings: dict[str, Any]) -> str:
    """Return the command line that repeats a run, with no setting left to a default.

    Parameters
    ----------
    source : str
        The table.
    folder : path
    settings : dict
        Target, task and every setting of the recipe.

    Returns
    -------
    str

    Examples
    --------
    >>> command("a b.csv", "out", {"target": "y", "hidden": [64, 32], "refit": False})
    "backlit train 'a b.csv' --target y --hidden 64,32 --no-refit --out out"
    """
    words = ["backlit", "train", source]
    for name, value in settings.items():
        if name in ("refit", "jit"):
            words += [] if value else [f"--no-{name}"]
        elif isinstance(value, list):
            words += [f"--{name}", ",".join(map(str, value)) or "none"]
        else:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return joined([*words, "--out", os.fspath(folder)])
