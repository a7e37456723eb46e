"""From a table to the array of features a network reads, with what was learned kept as JSON."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as onp

from backlit.core.errors import InputError
from backlit.data import schema
from backlit.data.encoders import Encoder, encoder_from_dict, fit_encoder
from backlit.data.strays import dressed, strays
from backlit.data.table import Array, DataWarning, Table
from backlit.data.target import Target, Task


@dataclass(frozen=True)
class Preprocessor:
    """Turns tables into features the same way at training and at prediction.

    Fit it on the training rows only: everything it learns (means, scales, categories, labels)
    comes from the rows it is given.

    Parameters
    ----------
    columns : tuple of encoders
        One per column that yields features, in the order of the table.
    target : Target or None
        The column to predict.
    dropped : dict of str to str
        Columns that yield nothing, each with the reason.

    Examples
    --------
    >>> table = Table.from_columns({"size": [1.0, 3.0], "kind": ["a", "b"], "y": ["no", "yes"]})
    >>> pre = Preprocessor.fit(table, target="y")
    >>> pre.feature_names
    ('size', 'kind=a', 'kind=b')
    >>> pre.transform(table)
    array([[-1.,  1.,  0.],
           [ 1.,  0.,  1.]], dtype=float32)
    >>> pre.target.encode(table)
    array([0, 1])
    """

    columns: tuple[Encoder, ...]
    target: Target | None = None
    dropped: dict[str, str] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        table: Table,
        target: str | None = None,
        *,
        task: Literal["auto"] | Task = "auto",
        whole: Table | None = None,
    ) -> Preprocessor:
        """Learn from the training rows how to encode each column.

        Parameters
        ----------
        table : Table
            The training rows.
        target : str, optional
            The column to predict, which becomes no feature.
        task : str
            ``"auto"``, ``"classification"`` or ``"regression"``.
        whole : Table, optional
            The table that the training rows are a part of. Nothing is learned from it; a warning
            about values out of place names those of all its rows.

        Returns
        -------
        Preprocessor

        Raises
        ------
        InputError
            If there are no rows, no column yields a feature, or the target cannot be learned.

        Warns
        -----
        DataWarning
            For each column that is dropped (no value at all, the same value in every row, or text
            that differs in nearly every row) or shortened to its most frequent categories, and
            for each that is text only because of a few values among numbers.

        Examples
        --------
        >>> Preprocessor.fit(Table.from_columns({"x": [1, 2, 3]})).columns[0].mean
        2.0
        """
        if not len(table):
            raise InputError("there are no rows to learn from")
        learned = Target.fit(table, target, task) if target is not None else None
        encoders: list[Encoder] = []
        dropped: dict[str, str] = {}
        for name in table.names:
            if name == target:
                continue
            _warn_of_strays(table if whole is None else whole, name)
            encoder = fit_encoder(table, name)
            if isinstance(encoder, str):
                dropped[name] = encoder
            else:
                encoders.append(encoder)
        if not encoders:
            reasons = "; ".join(f"{name!r}: {reason}" for name, reason in list(dropped.items())[:5])
            raise InputError(
                f"no column can be learned from ({reasons or 'there is only the target'})",
                fix="add a column with values that differ from row to row",
            )
        for name, reason in dropped.items():
            warnings.warn(f"column {name!r} is left out: {reason}", DataWarning, stacklevel=2)
        return cls(tuple(encoders), learned, dropped)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Name of each feature, in the order of `transform`'s columns."""
        return tuple(name for column in self.columns for name in column.feature_names)

    def transform(self, table: Table) -> Array:
        """Return the features of a table.

        Parameters
        ----------
        table : Table
            Must have every column that yielded features at training; others are ignored.

        Returns
        -------
        numpy.ndarray of float32, shape (rows, features)

        Raises
        ------
        InputError
            If a column is missing, or holds text or dates where training had numbers.

        Warns
        -----
        DataWarning
            Per column with categories or gaps that training never saw, counting them.

        Examples
        --------
        >>> pre = Preprocessor.fit(Table.from_columns({"x": [1.0, 3.0]}))
        >>> pre.transform(Table.from_columns({"x": [5.0], "other": ["?"]}))
        array([[3.]], dtype=float32)
        """
        absent = [column.name for column in self.columns if column.name not in table]
        if absent:
            raise InputError(
                f"the table lacks the column{'s' * (len(absent) > 1)} "
                f"{', '.join(map(repr, absent[:10]))}, which the model was trained on",
                fix="add them, left empty if their values are unknown"
                if absent[1:]
                else "add it, left empty if its values are unknown",
            )
        return onp.concatenate([column.transform(table) for column in self.columns], axis=1)

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold, and `from_dict` reads.

        Returns
        -------
        dict

        Examples
        --------
        >>> Preprocessor.fit(Table.from_columns({"x": [1.0, 3.0]})).to_dict()["columns"][0]["mean"]
        2.0
        """
        return {
            "columns": [column.to_dict() for column in self.columns],
            "target": None if self.target is None else self.target.to_dict(),
            "dropped": dict(self.dropped),
        }

    @classmethod
    def from_dict(cls, value: Any) -> Preprocessor:
        """Rebuild a preprocessor from `to_dict`, checking every field.

        Parameters
        ----------
        value : object
            What JSON gave.

        Returns
        -------
        Preprocessor

        Raises
        ------
        InputError
            If it is not the description of a preprocessor.

        Examples
        --------
        >>> pre = Preprocessor.fit(Table.from_columns({"x": [1.0, 3.0]}))
        >>> Preprocessor.from_dict(pre.to_dict()) == pre
        True
        """
        given = schema.fields(value, ["columns", "target", "dropped"], "the preprocessing")
        columns = tuple(encoder_from_dict(column) for column in schema.items(
            given["columns"], "the preprocessing's columns"))  # fmt: skip
        target = None if given["target"] is None else Target.from_dict(given["target"])
        dropped = given["dropped"]
        if not isinstance(dropped, dict) or any(not isinstance(v, str) for v in dropped.values()):
            raise InputError("the preprocessing's dropped columns are not text by name")
        names = [column.name for column in columns]
        taken = [*names, *([target.name] if target else []), *dropped]
        if not names or len(set(taken)) != len(taken):
            raise InputError("the preprocessing names no column, or one twice")
        return cls(columns, target, dropped)


def _warn_of_strays(table: Table, name: str) -> None:
    found, dress = strays(table, name), dressed(table, name)
    if dress:
        warnings.warn(f"column {name!r} counts as text; {dress}", DataWarning, stacklevel=3)
    elif found:
        warnings.warn(
            f"column {name!r} counts as text because of a few values that are not numbers: "
            f"{found}. Correct them, or leave them empty, and it counts as numbers",
            DataWarning,
            stacklevel=3,
        )
