"""`predict`: from a model file and a table to one prediction per row."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as onp

from backlit import nn
from backlit.core.errors import InputError
from backlit.data import Preprocessor, Table, Target, read_table
from backlit.data.target import Label
from backlit.train.evaluation import predict as outputs_of
from backlit.train.modelfile import Saved, load
from backlit.train.tabular.folder import model_file, refuse_swapped
from backlit.train.tabular.writing import Column, check_path, write_columns

Array = onp.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Predictions:
    """One prediction per row of a table, in its order.

    Attributes
    ----------
    target : str
        The column that is predicted.
    task : str
        "classification" or "regression".
    prediction : list
        Labels in their original type, or numbers in units of the target.
    labels : tuple
        The classes, in the order of `probabilities`' columns; empty for regression.
    probabilities : ndarray of float32, shape (rows, classes)
        Each row sums to 1; no columns for regression.
    """

    target: str
    task: str
    prediction: list[Label]
    labels: tuple[Label, ...]
    probabilities: Array

    def __len__(self) -> int:
        return len(self.prediction)

    def columns(self) -> list[Column]:
        """Return what is written to files: ``prediction``, then ``probability:<label>``."""
        found: list[Column] = [("prediction", self.prediction)]
        for label, values in zip(self.labels, self.probabilities.T, strict=True):
            # The shortest decimals that give the same float32.
            found.append((f"probability:{label_text(label)}", [float(str(v)) for v in values]))
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the columns as plain JSON values.

        Returns
        -------
        dict
            ``target``, ``task``, ``rows`` and ``columns``, a dict of lists.
        """
        return {
            "target": self.target,
            "task": self.task,
            "rows": len(self),
            "columns": dict(self.columns()),
        }


def predict(
    model: str | os.PathLike[str],
    table: str | os.PathLike[str] | Table,
    *,
    out: str | os.PathLike[str] | None = None,
) -> Predictions:
    """Predict the target of every row of a table.

    Parameters
    ----------
    model : path
        A model file, or the folder that training wrote it to.
    table : path, pattern, query or Table
        Must have the columns the model was trained on; others, like the target, are ignored.
    out : path, optional
        File to write: .csv, .tsv, .parquet, .json or .ndjson.

    Returns
    -------
    Predictions

    Raises
    ------
    InputError
        If the model or the table cannot be used, or the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from backlit.train.tabular import train
    >>> table = Table.from_columns({"x": list(range(40)), "y": ["low"] * 20 + ["high"] * 20})
    >>> folder = tempfile.mkdtemp()
    >>> _ = train(table, "y", out=folder, report=False)
    >>> predict(folder, Table.from_columns({"x": [1, 35]})).prediction
    ['low', 'high']
    """
    refuse_swapped(model, table)
    inputs = [os.fspath(model), *([] if isinstance(table, Table) else [os.fspath(table)])]
    path = None if out is None else check_path(out, inputs)
    trained = TableModel.load(model)
    rows = table if isinstance(table, Table) else read_table(table)
    found = trained.predict(rows)
    if path is not None:
        write_columns(path, found.columns())
    return found


@dataclass(frozen=True, eq=False)
class TableModel:
    """A model from a file, with what it needs to read tables.

    Attributes
    ----------
    path : Path
    model : Module
    preprocessor : Preprocessor
    target : Target
    info : dict
        What the file notes about the run.
    """

    path: Path
    model: Any
    preprocessor: Preprocessor
    target: Target
    info: dict[str, Any]

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TableModel:
        """Read a model file, and check that its parts fit together.

        Parameters
        ----------
        path : path
            The file or its folder.

        Returns
        -------
        TableModel

        Raises
        ------
        InputError
            If it is no model file, or not one of a network for tables.
        """
        file = model_file(path)
        saved: Saved = load(file)
        preprocessor = saved.preprocessing
        if preprocessor is None or preprocessor.target is None or not callable(saved.model):
            raise InputError(
                f"{file} holds a model, but not how tables become its inputs",
                fix="use backlit.train.load and call it from Python, or one from backlit train",
            )
        found = cls(file, saved.model, preprocessor, preprocessor.target, saved.info)
        width = (len(preprocessor.target.labels) or 1,)
        features = len(preprocessor.feature_names)
        with onp.errstate(all="ignore"):
            given = outputs_of(saved.model, onp.zeros((1, features), onp.float32)).shape[1:]
        if given != width:
            raise InputError(
                f"{file} is damaged: the network has outputs of shape {given}, and the target "
                f"{preprocessor.target.name!r} needs {width}"
            )
        return found

    def predict(self, table: Table) -> Predictions:
        """Return one prediction per row.

        Parameters
        ----------
        table : Table

        Returns
        -------
        Predictions

        Raises
        ------
        InputError
            If the table lacks a column, or holds values that do not fit the model.
        """
        with onp.errstate(all="ignore"):
            outputs = outputs_of(self.model, self.preprocessor.transform(table))
        wrong = onp.flatnonzero(~onp.isfinite(outputs).all(axis=1))
        if len(wrong):
            raise InputError(
                f"the model has no finite answer for {table.places(wrong[:1])[0]}, one of "
                f"{len(wrong)}",
                fix="its weights are too large: train again with a smaller --rate",
            )
        target = self.target
        if target.task == "regression":
            values = target.decode(outputs[:, 0])
            return Predictions(target.name, target.task, values, (), outputs[:, :0])
        labels = target.decode(outputs.argmax(axis=1))
        chances = onp.asarray(nn.softmax(outputs.astype(onp.float64)), onp.float32)
        return Predictions(target.name, target.task, labels, target.labels, chances)


def label_text(label: Label) -> str:
    """Return a label as a table has it: booleans in lower case.

    Parameters
    ----------
    label : str, int, float or bool

    Returns
    -------
    str

    Examples
    --------
    >>> label_text(True), label_text("True"), label_text(3)
    ('true', 'True', '3')
    """
    return str(label).lower() if isinstance(label, bool) else str(label)
