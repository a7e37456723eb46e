"""What overflows is told in rows of the table and options of the command line."""

from __future__ import annotations

import numpy as onp
import pytest

from backlit.data import Table
from backlit.train.errors import NonFiniteError
from backlit.train.history import History
from backlit.train.tabular import learning
from backlit.train.tabular.problem import problem_for
from backlit.train.tabular.recipe import recipe_for


@pytest.mark.parametrize(("rate", "advised"), [(1e30, "0.005"), (0.004, "0.0004")])
def test_rows_and_advice(monkeypatch, rate, advised):
    columns = {"x": range(60), "y": [None, "a", "b"] * 20}
    with pytest.warns(match="20 of 60 rows have no 'y'"):
        problem = problem_for(Table.from_columns(columns), "y", split=0.25)
    history = object.__new__(History)

    def fit(*args, **options):
        raise NonFiniteError(
            "training stopped\n  rows of the batch: 3, 0, 1",
            history,
            epoch=2,
            step=5,
            rows=onp.array([3, 0, 1]),
            operation=None,
            fix="optim.chain(…)",
        )

    monkeypatch.setattr(learning, "fit", fit)
    with pytest.raises(NonFiniteError) as caught:
        learning.learn(problem, recipe_for(30, rate=rate))
    error = caught.value
    # Training row k is row rows[train[k]] of the source, whose every third row has no target.
    sources = [row for row in range(60) if row % 3]
    wanted = [sources[problem.train[k]] for k in (3, 0, 1)]
    assert error.rows.tolist() == wanted and (error.epoch, error.step) == (2, 5)
    assert f"counted from 0: {', '.join(map(str, wanted))}\n" in str(error)
    assert "batch" not in str(error) and "optim" not in str(error)
    assert error.fix == f"a smaller learning rate, such as --rate {advised}; it was {rate:g}"
    assert error.history is history


def test_an_overflow_by_weight_decay_is_not_blamed_on_the_rate():
    table = Table.from_columns({"x": range(60), "y": [0.5 * k for k in range(60)]})
    problem = problem_for(table, "y")
    with pytest.raises(NonFiniteError) as caught:
        learning.learn(problem, recipe_for(48, weight_decay=1e300), progress=False)
    assert caught.value.fix == "a smaller weight decay, such as --weight-decay 0.1; it was 1e+300"
    with pytest.raises(NonFiniteError) as caught:
        learning.learn(problem, recipe_for(48, rate=1e30), progress=False)
    assert caught.value.fix == "a smaller learning rate, such as --rate 0.005; it was 1e+30"
