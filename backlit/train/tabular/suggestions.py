"""What to try next with a trained model: commands that work on its files as they stand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as onp

from backlit import nn
from backlit import numpy as np
from backlit.data import Preprocessor, Table
from backlit.train.tabular.folder import joined
from backlit.train.tabular.problem import Array, Problem
from backlit.transforms import grad


def steepest_weight(model: Any, preprocessor: Preprocessor, row: Table) -> str:
    """Return the weight of the first layer that the loss of a row depends on most.

    Parameters
    ----------
    model : MLP
    preprocessor : Preprocessor
        With the target.
    row : Table
        One row, with its target.

    Returns
    -------
    str
        As ``backlit explain`` takes it: "layers.0.W[2,5]".
    """
    target = preprocessor.target
    assert target is not None
    x, y = preprocessor.transform(row), target.encode(row)

    def loss(model: Any) -> Any:
        if target.labels:
            return nn.cross_entropy(model(x), y)
        return np.sum(np.square(model(x)[:, 0] - y))

    slope = onp.abs(onp.nan_to_num(grad(loss)(model).layers[0].W))
    i, j = onp.unravel_index(slope.argmax(), slope.shape)
    return f"layers.0.W[{i},{j}]"


def hardest_rows(problem: Problem, outputs: Array) -> Array:
    """Return the held-out rows by their loss, the largest first.

    Parameters
    ----------
    problem : Problem
    outputs : ndarray, shape (held-out rows, outputs)
        What the model returned for them.

    Returns
    -------
    ndarray of int64, shape (held-out rows,)
        Places in the held-out part.
    """
    wanted = problem.testing[1]
    if problem.target.labels:
        scores = onp.asarray(nn.log_softmax(outputs.astype(onp.float64)))
        return onp.argsort(scores[onp.arange(len(wanted)), wanted], kind="stable")
    return onp.argsort(-onp.abs(outputs[:, 0] - wanted), kind="stable")


def predict_command(model: Path, table: str | os.PathLike[str]) -> str:
    """Return the command that predicts the rows of a table.

    Parameters
    ----------
    model : Path
        A model file or its folder.
    table : str or path

    Returns
    -------
    str

    Examples
    --------
    >>> predict_command(Path("out"), "my flowers.csv")
    "backlit predict out 'my flowers.csv' --out out/predictions.csv"
    """
    folder = model.parent if model.suffix == ".safetensors" else model
    words = ("predict", model, table, "--out", folder / "predictions.csv")
    return joined(["backlit", *map(str, words)])


def explain_command(model: Path, table: str | os.PathLike[str], row: int, weight: str) -> str:
    """Return the command that explains a weight's gradient for a row of a table.

    Parameters
    ----------
    model : Path
        A model file or its folder.
    table : str or path
    row : int
    weight : str

    Returns
    -------
    str

    Examples
    --------
    >>> explain_command(Path("out"), "t.csv", 7, "layers.0.W[1,2]")
    "backlit explain out t.csv --row 7 --weight 'layers.0.W[1,2]'"
    """
    words = ("explain", model, table, "--row", row, "--weight", weight)
    return joined(["backlit", *map(str, words)])
