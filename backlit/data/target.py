"""The column to predict: classes or a number, and the way back from what a network says."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as onp

from backlit.core.errors import InputError
from backlit.data import schema
from backlit.data.moments import mean_and_scale
from backlit.data.table import Array, DataWarning, Kind, Table, column_of, missing

Task = Literal["classification", "regression"]
Label = str | int | float | bool

TASKS = ("classification", "regression")
_MOST_INTEGER_CLASSES = 10
_LABEL_KINDS = ("category", "boolean", "integer", "number")


def infer_task(values: Any, kind: Kind | None = None) -> Task:
    """Say whether a column holds classes or numbers to predict.

    Parameters
    ----------
    values : array-like, shape (rows,)
    kind : str, optional
        The column's kind in its table; worked out from the values if left out.

    Returns
    -------
    str
        ``"classification"`` for text, booleans, and integers with at most 10 distinct values;
        ``"regression"`` for other numbers.

    Raises
    ------
    InputError
        If the column holds dates, or no value at all.

    Examples
    --------
    >>> infer_task(["cat", "dog"]), infer_task([0, 1, 1]), infer_task([0.5, 1.0])
    ('classification', 'classification', 'regression')
    """
    if kind is None:
        values, kind = column_of(values, "the target")
    if kind == "empty":
        raise InputError("the target has no value in any row")
    if kind == "date":
        raise InputError(
            "the target holds dates",
            fix="turn it into a number in an SQL query, for instance with date_diff('day', …)",
        )
    if kind in {"category", "boolean"}:
        return "classification"
    values = onp.asarray(values)
    distinct = onp.unique(values[~missing(values)])
    few = len(distinct) <= _MOST_INTEGER_CLASSES
    return "classification" if kind == "integer" and few else "regression"


def drop_unlabelled(table: Table, target: str) -> Table:
    """Drop the rows whose target is missing, with a warning that counts them.

    Parameters
    ----------
    table : Table
    target : str
        Name of the column to predict.

    Returns
    -------
    Table

    Raises
    ------
    InputError
        If there is no such column or it has no value at all.

    Examples
    --------
    >>> len(drop_unlabelled(Table.from_columns({"x": [1, 2], "y": ["a", "b"]}), "y"))
    2
    """
    gone = missing(table[target])
    if bool(gone.all()):
        raise InputError(f"the target {target!r} has no value in any row")
    if bool(gone.any()):
        count = int(gone.sum())
        warnings.warn(
            f"{count} of {len(table)} rows have no {target!r} and are left out",
            DataWarning,
            stacklevel=2,
        )
        table = table.take(~gone)
    return table


@dataclass(frozen=True)
class Target:
    """How the column to predict is encoded for training, and how predictions are decoded.

    Parameters
    ----------
    name : str
        The column's name.
    task : str
        ``"classification"`` or ``"regression"``.
    kind : str
        The column's kind.
    labels : tuple
        Classes in the order of the network's outputs, in their original type: text sorted by
        character codes, numbers by size, False before True. Empty for regression.
    mean, scale : float
        Of the training values, for regression: the network learns ``(y - mean) / scale``.

    Examples
    --------
    >>> target = Target.fit(Table.from_columns({"y": ["b", "a", "b"]}), "y")
    >>> target.labels, target.encode(Table.from_columns({"y": ["a", "b"]}))
    (('a', 'b'), array([0, 1]))
    >>> target.decode([1, 0])
    ['b', 'a']
    """

    name: str
    task: Task
    kind: Kind
    labels: tuple[Label, ...] = ()
    mean: float = 0.0
    scale: float = 1.0

    @classmethod
    def fit(cls, table: Table, name: str, task: Literal["auto"] | Task = "auto") -> Target:
        """Learn the classes, or the mean and scale, of a column.

        Parameters
        ----------
        table : Table
            The training rows.
        name : str
            The column to predict.
        task : str
            ``"auto"`` decides with `infer_task`.

        Returns
        -------
        Target

        Raises
        ------
        InputError
            If the column does not exist, misses a value, has one class or one value only, or does
            not fit the task.

        Examples
        --------
        >>> Target.fit(Table.from_columns({"y": [1.0, 3.0]}), "y").mean
        2.0
        """
        if task != "auto" and task not in TASKS:
            raise InputError(f"unknown task {task!r}", fix=f"use auto, {' or '.join(TASKS)}")
        values, kind = table[name], table.kind(name)
        try:
            inferred = infer_task(values, kind)
        except InputError as error:
            raise InputError(f"column {name!r}: {error.what}", fix=error.fix) from None
        _refuse_missing(table, name)
        chosen = inferred if task == "auto" else task
        if chosen == "regression":
            return cls._fit_regression(table, name)
        if kind == "number":
            refuse_infinite(values, name, table)
        labels = tuple(_original(label, kind) for label in onp.unique(values).tolist())
        if len(labels) < 2:
            raise InputError(
                f"the target {name!r} is {labels[0]!r} in every row, so there is nothing to tell "
                "apart",
                fix="use rows of at least two classes",
            )
        return cls(name, "classification", kind, labels)

    @classmethod
    def _fit_regression(cls, table: Table, name: str) -> Target:
        values, kind = table[name], table.kind(name)
        if kind not in {"integer", "number"}:
            raise InputError(
                f"the target {name!r} holds {'text' if kind == 'category' else 'booleans'}, and "
                "regression predicts a number",
                fix="use the task classification",
            )
        numbers = values.astype(onp.float64)
        refuse_infinite(numbers, name, table)
        mean, scale = mean_and_scale(numbers)
        if scale == 0:
            raise InputError(
                f"the target {name!r} is {values[0]} in every row, so there is nothing to learn"
            )
        return cls(name, "regression", kind, (), mean, scale)

    def encode(self, table: Table) -> Array:
        """Return the column as what the network is trained on.

        Parameters
        ----------
        table : Table
            Must have the target column.

        Returns
        -------
        numpy.ndarray, shape (rows,)
            int64 positions in `labels`, or float32 standardised values.

        Raises
        ------
        InputError
            If the column or a value is missing, or a value cannot be encoded.

        Examples
        --------
        >>> table = Table.from_columns({"y": [1.0, 3.0]})
        >>> Target.fit(table, "y").encode(table)
        array([-1.,  1.], dtype=float32)
        """
        values, kind = table[self.name], table.kind(self.name)
        _refuse_missing(table, self.name)
        numeric = {"integer", "number"}
        if kind != self.kind and not (kind in numeric and self.kind in numeric):
            raise InputError(
                f"the target {self.name!r} was of kind {self.kind} at training and is {kind} here"
            )
        if self.task == "regression":
            refuse_infinite(values.astype(onp.float64), self.name, table)
            return ((values - self.mean) / self.scale).astype(onp.float32)
        index = {label: i for i, label in enumerate(self.labels)}
        try:
            return onp.array([index[value] for value in values.tolist()], dtype=onp.int64)
        except KeyError as error:
            row = values.tolist().index(error.args[0])
            raise InputError(
                f"{table.places([row])[0]} has the target {error.args[0]!r}, a class that "
                "training never saw",
                fix="train on rows of every class",
            ) from None

    def decode(self, encoded: Any) -> list[Label]:
        """Return predictions in the terms of the table.

        Parameters
        ----------
        encoded : array-like, shape (rows,)
            Positions in `labels`, or standardised values.

        Returns
        -------
        list
            Labels in their original type, or floats.

        Examples
        --------
        >>> Target("y", "regression", "number", (), mean=2.0, scale=0.5).decode([0.0, 2.0])
        [2.0, 3.0]
        """
        if self.task == "classification":
            return [self.labels[int(i)] for i in onp.asarray(encoded)]
        values = onp.asarray(encoded, dtype=onp.float64) * self.scale + self.mean
        return cast("list[Label]", values.tolist())

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold, and `from_dict` reads.

        Returns
        -------
        dict

        Examples
        --------
        >>> Target("y", "classification", "boolean", (False, True)).to_dict()["labels"]
        [False, True]
        """
        return {
            "name": self.name,
            "task": self.task,
            "kind": self.kind,
            "labels": list(self.labels),
            "mean": self.mean,
            "scale": self.scale,
        }

    @classmethod
    def from_dict(cls, value: Any) -> Target:
        """Rebuild a target from `to_dict`, checking every field.

        Parameters
        ----------
        value : object
            What JSON gave.

        Returns
        -------
        Target

        Raises
        ------
        InputError
            If it is not the description of a target.

        Examples
        --------
        >>> target = Target("y", "classification", "integer", (3, 5))
        >>> Target.from_dict(target.to_dict()) == target
        True
        """
        where = "the target"
        given = schema.fields(value, ["name", "task", "kind", "labels", "mean", "scale"], where)
        task = schema.choice(given["task"], TASKS, f"{where}'s task")
        kind = schema.choice(given["kind"], _LABEL_KINDS, f"{where}'s kind")
        expected = {"category": str, "boolean": bool, "integer": int, "number": float}[kind]
        labels = schema.items(given["labels"], f"{where}'s labels")
        if any(type(label) is not expected for label in labels):
            raise InputError(f"{where}'s labels are not of kind {kind}")
        if len(set(labels)) != len(labels) or (task == "classification") != (len(labels) >= 2):
            raise InputError(f"{where}'s labels do not fit the task {task}")
        return cls(
            schema.text(given["name"], f"{where}'s name"),
            cast(Task, task),
            cast(Kind, kind),
            tuple(labels),
            schema.number(given["mean"], f"{where}'s mean"),
            schema.number(given["scale"], f"{where}'s scale", positive=True),
        )


def _original(label: Label, kind: Kind) -> Label:
    """Return a label as the table's kind has it, which gaps may have turned into a float."""
    return int(label) if kind == "integer" else bool(label) if kind == "boolean" else label


def refuse_infinite(values: Array, name: str, table: Table) -> None:
    """Raise an error at the first infinite value of a column.

    Parameters
    ----------
    values : numpy.ndarray of float64, shape (rows,)
    name : str
    table : Table
        Which the column is of.

    Raises
    ------
    InputError

    Examples
    --------
    >>> table = Table.from_columns({"x": [1.0, float("inf")]})
    >>> refuse_infinite(table["x"], "x", table)
    Traceback (most recent call last):
    backlit.core.errors.InputError: column 'x' holds an infinite value in row 1 (rows count from 0)
      fix: remove the row, or replace the value
    """
    rows = onp.flatnonzero(onp.isinf(values))
    if len(rows):
        raise InputError(
            f"column {name!r} holds an infinite value in {table.places(rows[:1])[0]}",
            fix="remove the row, or replace the value",
        )


def _refuse_missing(table: Table, name: str) -> None:
    rows = onp.flatnonzero(missing(table[name]))
    if len(rows):
        raise InputError(
            f"the target {name!r} is missing in {table.places(rows[:1])[0]}, one of {len(rows)}",
            fix="leave those rows out",
        )
