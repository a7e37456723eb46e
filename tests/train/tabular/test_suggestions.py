"""The weight and the row that are suggested are the ones that matter most."""

from __future__ import annotations

from dataclasses import replace

import numpy as onp
import pytest

from backlit import nn
from backlit.data import Table
from backlit.train.tabular.problem import problem_for
from backlit.train.tabular.suggestions import hardest_rows, steepest_weight

RNG = onp.random.default_rng(3)
COLUMNS = {"a": RNG.normal(size=40), "b": RNG.normal(size=40)}
TARGETS = {"classification": ["u", "v", "w", "u"] * 10, "regression": RNG.normal(size=40)}


def loss_of(problem, model, x, y):
    """Return the loss of one row, written out with NumPy alone."""
    z = onp.tanh(x @ model.layers[0].W + model.layers[0].b) @ model.layers[1].W + model.layers[1].b
    if problem.target.labels:
        return float(onp.log(onp.exp(z).sum()) - z[y])
    return float((z[0] - y) ** 2)


@pytest.mark.parametrize("task", TARGETS)
def test_against_finite_differences(task):
    problem = problem_for(Table.from_columns(COLUMNS | {"y": TARGETS[task]}), "y", task=task)
    model = nn.MLP((2, 5, problem.outputs), "tanh", seed=1)
    x, y = (
        part[4].astype(float) if part.dtype.kind == "f" else part[4] for part in problem.testing
    )
    row = problem.table.take(problem.test[[4]])
    slopes = onp.zeros((2, 5))
    for place in onp.ndindex(2, 5):
        for sign in (1, -1):
            W = model.layers[0].W.astype(float)
            W[place] += sign * 1e-5
            moved = replace(model, layers=(replace(model.layers[0], W=W), model.layers[1]))
            slopes[place] += sign * loss_of(problem, moved, x, y) / 2e-5
    i, j = onp.unravel_index(onp.abs(slopes).argmax(), slopes.shape)
    assert steepest_weight(model, problem.preprocessor, row) == f"layers.0.W[{i},{j}]"
    outputs = onp.asarray(model(problem.testing[0]))
    losses = [loss_of(problem, model, *pair) for pair in zip(*problem.testing, strict=True)]
    assert hardest_rows(problem, outputs).tolist() == onp.argsort(-onp.array(losses)).tolist()
