"""What there is to learn: a table split into training and test rows, as arrays and as itself."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as onp

from backlit.core.errors import InputError
from backlit.core.settings import choice, whole
from backlit.data import (
    DataWarning,
    Preprocessor,
    Table,
    Target,
    drop_unlabelled,
    read_table,
    split_rows,
)
from backlit.data.strays import dressed, strays
from backlit.data.table import missing

Array = onp.ndarray[Any, Any]

TASKS = ("auto", "classification", "regression")


@dataclass(frozen=True, eq=False)
class Problem:
    """A table with a target column, split, and encoded by what the training rows teach.

    Attributes
    ----------
    source : str
        Where the table came from: the path, pattern or query.
    table : Table
        Rows with a target.
    rows : ndarray of int64
        Where each of them was in the source, counted from 0.
    train, test : ndarray of int64
        Rows of `table`.
    preprocessor : Preprocessor
        Fitted on the training rows.
    unlabelled : int
        How many rows of the source have no target and were left out.
    """

    source: str
    table: Table
    rows: Array
    train: Array
    test: Array
    preprocessor: Preprocessor
    unlabelled: int = 0

    @property
    def target(self) -> Target:
        """How the target column is encoded."""
        assert self.preprocessor.target is not None
        return self.preprocessor.target

    @property
    def outputs(self) -> int:
        """Number of outputs a network for this problem has."""
        return len(self.target.labels) or 1

    @property
    def loss(self) -> str:
        """Name of the loss that fits the task."""
        return "cross_entropy" if self.target.task == "classification" else "mse"

    @property
    def metric(self) -> str:
        """Name of the figure that says how good predictions are."""
        return "accuracy" if self.target.task == "classification" else "r2"

    @cached_property
    def training(self) -> tuple[Array, Array]:
        """Inputs and encoded targets of the training rows."""
        return self._encode(self.train)

    @cached_property
    def testing(self) -> tuple[Array, Array]:
        """Inputs and encoded targets of the test rows."""
        return self._encode(self.test)

    def _encode(self, rows: Array) -> tuple[Array, Array]:
        part = self.table.take(rows)
        return self.preprocessor.transform(part), self.target.encode(part)

    def refitted(self) -> tuple[Preprocessor, Array, Array]:
        """Return a preprocessor fitted on all rows, and their inputs and encoded targets."""
        with warnings.catch_warnings():
            # Whatever there is to say about the columns was said about the training rows.
            warnings.simplefilter("ignore", DataWarning)
            fitted = Preprocessor.fit(self.table, self.target.name, task=self.target.task)
            assert fitted.target is not None
            return fitted, fitted.transform(self.table), fitted.target.encode(self.table)


def problem_for(
    source: str | os.PathLike[str] | Table,
    target: str,
    *,
    task: str = "auto",
    split: float = 0.2,
    seed: int = 0,
) -> Problem:
    """Read a table and split it.

    Parameters
    ----------
    source : path, pattern, query or Table
    target : str
        Column to predict.
    task : str
        "auto", "classification" or "regression".
    split : float
        Share of the rows to test on.
    seed : int
        Decides which rows those are.

    Returns
    -------
    Problem

    Raises
    ------
    InputError
        If the table cannot be read, or nothing can be learned from it.

    Examples
    --------
    >>> table = Table.from_columns({"x": [1, 2, 3, 4], "y": ["a", "b", "a", "b"]})
    >>> problem = problem_for(table, "y", split=0.5)
    >>> len(problem.train), problem.testing[1].tolist()
    (2, [0, 1])
    """
    choice(task, TASKS, "task")
    whole(seed, "seed")
    if not isinstance(split, float) or not 0 < split < 1:
        raise InputError(f"split is {split!r:.60}", fix="a share of the rows, such as 0.2")
    name = "TABLE" if isinstance(source, Table) else os.fspath(source)
    table = source if isinstance(source, Table) else read_table(source)
    gaps = missing(table[target])
    rows = onp.flatnonzero(~gaps)
    table = drop_unlabelled(table, target)
    if task != "classification":
        _refuse_strays(table, target)
    known = Target.fit(table, target, task)  # type: ignore[arg-type]
    labels = None
    if known.task == "classification":
        labels = known.decode(known.encode(table))
        _check_classes(labels, len(table), target)
    train, test = split_rows(len(table), split, seed, stratify=labels)
    if len(train) < len(test):
        warnings.warn(
            f"split {split:g} leaves {len(train)} row{'s' * (len(train) != 1)} to learn from, and "
            f"holds {len(test)} out; 0.2 is usual",
            DataWarning,
            stacklevel=3,
        )
    fitted = Preprocessor.fit(table.take(train), target, task=known.task, whole=table)
    return Problem(name, table, rows, train, test, fitted, int(gaps.sum()))


def _refuse_strays(table: Table, target: str) -> None:
    """Refuse a target of numbers but for a few values, which would count as classes."""
    found, dress = strays(table, target), dressed(table, target)
    if dress:
        raise InputError(
            f"the target {target!r} counts as text",
            fix=f"{dress}. If these are classes: --task classification",
        )
    if found:
        raise InputError(
            f"the target {target!r} counts as text because of a few values that are not numbers: "
            f"{found}",
            fix="correct them, or leave them empty; rows without a target are left out. If these "
            "are classes: --task classification",
        )


def _check_classes(labels: list[Any], rows: int, target: str) -> None:
    """Refuse a text column that is no class: one that differs from row to row."""
    classes = len(set(labels))
    if classes > 10 and classes > rows / 2:
        raise InputError(
            f"the target {target!r} has {classes} different values in {rows} rows, so there are no "
            "classes to learn",
            fix="choose a column with fewer values, or one with numbers for --task regression",
        )
