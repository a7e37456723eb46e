"""The column to predict: which task it is, labels in their own type, standardised numbers."""

import json
import statistics

import numpy as np
import pytest

from backlit.core.errors import InputError
from backlit.data import DataWarning, Table, Target, drop_unlabelled, infer_task


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["a", "b"], "classification"),
        ([str(i) for i in range(100)], "classification"),
        ([True, False], "classification"),
        ([True, None, False], "classification"),
        (list(range(10)), "classification"),
        ([*range(10), None], "classification"),
        (list(range(11)), "regression"),
        ([0.0, 1.0], "regression"),
        ([0.5], "regression"),
        (np.array([1, 2, 2], dtype=np.int8), "classification"),
        (np.array([1, 2, 2], dtype=np.float32), "regression"),
    ],
)
def test_task_is_inferred(values, task):
    assert infer_task(values) == task


def test_columns_without_a_task():
    with pytest.raises(InputError, match="no value"):
        infer_task([None, None])
    with pytest.raises(InputError, match="dates"):
        infer_task(np.array(["2020-01-01"], dtype="datetime64[D]"))


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (["b", "a", "B", "b"], ("B", "a", "b")),
        ([3, 1, 3], (1, 3)),
        ([True, False], (False, True)),
        ([-1, 1], (-1, 1)),
    ],
)
def test_labels_keep_their_type_through_json(values, labels):
    table = Table.from_columns({"y": values})
    target = Target.fit(table, "y")
    assert target.labels == labels
    assert [type(label) for label in target.labels] == [type(labels[0])] * len(labels)
    again = Target.from_dict(json.loads(json.dumps(target.to_dict())))
    assert again == target
    assert [type(label) for label in again.labels] == [type(labels[0])] * len(labels)
    encoded = target.encode(table)
    assert encoded.dtype == np.int64
    assert target.decode(encoded) == values


def test_labels_keep_their_type_when_rows_without_label_are_dropped():
    table = Table.from_columns({"i": [3, None, 1, 3], "b": [True, None, False, True]})
    for name, labels in {"i": (1, 3), "b": (False, True)}.items():
        with pytest.warns(DataWarning, match="1 of 4 rows have no"):
            kept = drop_unlabelled(table, name)
        assert len(kept) == 3
        target = Target.fit(kept, name)
        assert target.labels == labels
        assert {type(label) for label in target.labels} == {type(labels[0])}
        assert target.encode(kept).tolist() == [1, 0, 1]


def test_nothing_is_dropped_or_said_when_every_row_has_a_label():
    table = Table.from_columns({"y": [1, 2]})
    assert drop_unlabelled(table, "y") is table
    with pytest.raises(InputError, match="no value in any row"):
        drop_unlabelled(Table.from_columns({"y": [None]}), "y")


def test_regression_standardises_and_comes_back():
    values = [3.0, 4.5, -2.0, 8.0]
    table = Table.from_columns({"y": values})
    target = Target.fit(table, "y")
    assert target.mean == pytest.approx(statistics.fmean(values), rel=1e-15)
    assert target.scale == pytest.approx(statistics.pstdev(values), rel=1e-15)
    encoded = target.encode(table)
    assert encoded.dtype == np.float32
    assert encoded.mean() == pytest.approx(0, abs=1e-7)
    assert encoded.std() == pytest.approx(1, rel=1e-6)
    assert target.decode(encoded) == pytest.approx(values, rel=1e-6)
    assert Target.from_dict(json.loads(json.dumps(target.to_dict()))) == target


def test_the_task_can_be_chosen():
    table = Table.from_columns({"i": [1, 2, 3], "f": [0.5, 1.5, 0.5], "t": ["a", "b", "a"]})
    assert Target.fit(table, "i", "regression").mean == 2
    assert Target.fit(table, "f", "classification").labels == (0.5, 1.5)
    with pytest.raises(InputError, match="holds text, and regression"):
        Target.fit(table, "t", "regression")
    with pytest.raises(InputError, match="unknown task 'rank'"):
        Target.fit(table, "t", "rank")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["a", "a"], "is 'a' in every row"),
        ([2.5, 2.5], "2.5 in every row"),
        ([None, None], "no value in any row"),
        (["a", None, "b", None], "missing in row 1 .*one of 2"),
        ([1.5, float("inf")], "infinite value in row 1"),
    ],
)
def test_targets_that_cannot_be_learned(values, message):
    with pytest.raises(InputError, match=message):
        Target.fit(Table.from_columns({"y": values}), "y")


def test_an_unknown_target_is_named():
    with pytest.raises(InputError, match="no column 'z'"):
        Target.fit(Table.from_columns({"y": [1]}), "z")


def test_a_label_that_training_never_saw_is_named():
    target = Target.fit(Table.from_columns({"y": ["a", "b"]}), "y")
    with pytest.raises(InputError, match=r"row 1 \(.*\) has the target 'c'"):
        target.encode(Table.from_columns({"y": ["a", "c"]}))
    with pytest.raises(InputError, match="was of kind category at training and is integer"):
        target.encode(Table.from_columns({"y": [1, 2]}))


GOOD = Target("y", "classification", "category", ("a", "b")).to_dict()


@pytest.mark.parametrize(
    "change",
    [
        {"labels": ["a"]},
        {"labels": ["a", "a"]},
        {"labels": ["a", 1]},
        {"labels": "ab"},
        {"labels": []},
        {"kind": "date"},
        {"kind": ["category"]},
        {"kind": "integer", "labels": [True, False]},
        {"kind": "boolean", "labels": [0, 1]},
        {"task": "regression"},
        {"task": None},
        {"scale": 0.0},
        {"scale": -1},
        {"scale": True},
        {"mean": "0"},
        {"mean": float("nan")},
        {"mean": 10**400},
        {"name": 3},
        {"extra": 1},
    ],
)
def test_forged_descriptions_are_refused(change):
    assert Target.from_dict(GOOD)
    with pytest.raises(InputError):
        Target.from_dict({**GOOD, **change})
