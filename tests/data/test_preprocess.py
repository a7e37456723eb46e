"""Features: what each kind of column becomes, at training and at prediction."""

import json
import statistics
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlit.core.errors import InputError
from backlit.data import DataWarning, Preprocessor, Table
from backlit.data.encoders import MOST_CATEGORIES
from backlit.data.moments import mean_and_scale

TRAINING = {
    "age": [20, 30, None, 40],
    "height": [1.5, 2.5, 1.5, 2.5],
    "member": [True, False, False, False],
    "city": ["Rome", "Bonn", "Rome", None],
    "day": np.array(["2020-01-01", "2020-01-03", "2020-01-01", "2020-01-03"], "datetime64[D]"),
    "y": ["no", "yes", "no", "yes"],
}


@pytest.fixture
def pre() -> Preprocessor:
    return Preprocessor.fit(Table.from_columns(TRAINING), target="y")


def test_features_of_every_kind(pre):
    assert pre.feature_names == (
        "age",
        "age is missing",
        "height",
        "member",
        "city=Bonn",
        "city=Rome",
        "city is missing",
        "day",
    )
    features = pre.transform(Table.from_columns(TRAINING))
    assert features.dtype == np.float32
    ages = statistics.pstdev([20, 30, 40])
    member = [(v - 0.25) / statistics.pstdev([1, 0, 0, 0]) for v in (1, 0, 0, 0)]
    expected = [
        [-10 / ages, 0, 10 / ages * 0, 10 / ages],
        [0, 0, 1, 0],
        [-1, 1, -1, 1],
        member,
        [0, 1, 0, 0],
        [1, 0, 1, 0],
        [0, 0, 0, 1],
        [-1, 1, -1, 1],
    ]
    np.testing.assert_allclose(features.T, expected, rtol=1e-6, atol=1e-7)


def test_the_target_is_no_feature_and_is_kept(pre):
    assert pre.target is not None
    assert pre.target.labels == ("no", "yes")
    assert pre.target.encode(Table.from_columns(TRAINING)).tolist() == [0, 1, 0, 1]


def test_json_round_trip_gives_the_same_features(pre):
    again = Preprocessor.from_dict(json.loads(json.dumps(pre.to_dict(), allow_nan=False)))
    assert again == pre
    table = Table.from_columns(TRAINING)
    assert (again.transform(table) == pre.transform(table)).all()


def test_only_the_rows_given_are_learned_from():
    table = Table.from_columns({"x": [1.0, 3.0, 1000.0], "c": ["a", "b", "z"]})
    pre = Preprocessor.fit(table.take([0, 1]))
    assert pre.columns[0].mean == 2.0
    assert pre.feature_names == ("x", "c=a", "c=b")


def test_extra_columns_and_order_do_not_matter(pre):
    table = Table.from_columns(TRAINING)
    shuffled = Table.from_columns({"new": ["?"] * 4, **dict(reversed(TRAINING.items()))})
    assert (pre.transform(shuffled) == pre.transform(table)).all()
    assert len(pre.transform(table.drop("y"))) == 4


def test_unseen_categories_are_zeros_and_counted(pre):
    table = Table.from_columns({**TRAINING, "city": ["Oslo", "Bonn", "Riga", None]})
    with pytest.warns(DataWarning, match="2 of 4 values .* row 0 (.*) holds 'Oslo'"):
        features = pre.transform(table)
    assert features[:, 4:7].tolist() == [[0, 0, 0], [1, 0, 0], [0, 0, 0], [0, 0, 1]]


def test_gaps_that_training_never_saw_are_warned_about(pre):
    table = Table.from_columns({**TRAINING, "height": [None, 1.5, 2.5, None]})
    with pytest.warns(DataWarning, match="'height': 2 of 4 values are missing"):
        assert pre.transform(table)[:, 2].tolist() == [0, -1, 1, 0]
    fitted = Preprocessor.fit(Table.from_columns({"c": ["a", "b"]}))
    with pytest.warns(DataWarning, match="1 of 2 values .* row 1 (.*) is missing"):
        features = fitted.transform(Table.from_columns({"c": ["a", None]}))
    assert features.tolist() == [[1, 0], [0, 0]]


def test_a_column_that_is_empty_at_prediction(pre):
    empty = {**TRAINING, "age": [None] * 4, "city": [None] * 4}
    features = pre.transform(Table.from_columns(empty))
    assert features[:, :2].tolist() == [[0, 1]] * 4
    assert features[:, 4:7].tolist() == [[0, 0, 1]] * 4


def test_missing_columns_are_named(pre):
    table = Table.from_columns(TRAINING)
    with pytest.raises(InputError, match="lacks the column 'age'"):
        pre.transform(table.drop("age"))
    with pytest.raises(InputError, match="lacks the columns 'age', 'city'"):
        pre.transform(table.drop("age", "city"))


def test_text_where_numbers_were_names_row_and_value(pre):
    table = Table.from_columns({**TRAINING, "age": ["20", None, "abc", "x"]})
    with pytest.raises(InputError, match=r"'age' held numbers .* row 2 .* 'abc'"):
        pre.transform(table)
    table = Table.from_columns({**TRAINING, "day": ["a", "b", "c", "d"]})
    with pytest.raises(InputError, match=r"'day' held dates .* row 0"):
        pre.transform(table)


def test_numbers_written_as_text_are_numbers(pre):
    as_text = Table.from_columns({**TRAINING, "age": ["20", "30", None, "4e1"]})
    assert (pre.transform(as_text) == pre.transform(Table.from_columns(TRAINING))).all()


def test_kinds_that_cannot_stand_for_each_other(pre):
    with pytest.raises(InputError, match="'day' held dates at training and holds numbers here"):
        pre.transform(Table.from_columns({**TRAINING, "day": [1, 2, 3, 4]}))
    with pytest.raises(InputError, match="'age' held numbers at training and holds dates here"):
        pre.transform(Table.from_columns({**TRAINING, "age": TRAINING["day"]}))
    zero_one = Table.from_columns({**TRAINING, "member": [1, 0, 0, 0]})
    assert (pre.transform(zero_one) == pre.transform(Table.from_columns(TRAINING))).all()


def test_numbers_where_text_was_are_matched_as_text():
    pre = Preprocessor.fit(Table.from_columns({"c": ["7", "x", "true", "0.5", "2020-01-01"]}))
    for values, column in [
        ([7, 7], "c=7"),
        ([7, None], "c=7"),
        ([0.5, 0.5], "c=0.5"),
        ([True, True], "c=true"),
        (np.array(["2020-01-01"] * 2, "datetime64[D]"), "c=2020-01-01"),
    ]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)
            features = pre.transform(Table.from_columns({"c": values}))
        assert features[0].tolist() == [float(name == column) for name in pre.feature_names]


def test_useless_columns_are_dropped_with_the_reason():
    count = 30
    table = Table.from_columns(
        {
            "x": range(count),
            "nothing": [None] * count,
            "same": [7] * count,
            "word": ["w"] * count,
            "id": [f"id{i}" for i in range(count)],
        }
    )
    with pytest.warns(DataWarning) as caught:
        pre = Preprocessor.fit(table)
    assert pre.feature_names == ("x",)
    assert list(pre.dropped) == ["nothing", "same", "word", "id"]
    assert len(caught) == 4
    assert "no value in any row" in pre.dropped["nothing"]
    assert "7 in every row" in pre.dropped["same"]
    assert "'w' in every row" in pre.dropped["word"]
    assert "30 texts in 30 rows" in pre.dropped["id"]
    assert pre.transform(table.select(["x"])).shape == (count, 1)


def test_a_constant_with_gaps_leaves_its_indicator():
    table = Table.from_columns({"x": [5.0, None, 5.0], "c": ["a", "a", None]})
    pre = Preprocessor.fit(table)
    assert pre.feature_names == ("x is missing", "c=a", "c is missing")
    assert pre.transform(table).tolist() == [[0, 1, 0], [1, 1, 0], [0, 0, 1]]


def test_a_few_distinct_texts_are_no_identifier():
    names = [f"n{i}" for i in range(15)]
    assert len(Preprocessor.fit(Table.from_columns({"c": names})).feature_names) == 15


def test_a_stray_word_among_numbers_is_pointed_out():
    values = [str(i) for i in range(30)]
    values[12] = "n.a."
    table = Table.from_columns({"x": range(30), "size": values})
    with pytest.warns(DataWarning) as caught:
        pre = Preprocessor.fit(table)
    assert "because of a few values that are not numbers: 'n.a.' in row 12" in str(
        caught[0].message
    )
    assert list(pre.dropped) == ["size"]
    # Of a part, the rows of the whole are named, whichever part they are in.
    with pytest.warns(DataWarning) as caught:
        Preprocessor.fit(table.take(range(25, 30)), whole=table)
    assert "'n.a.' in row 12 (rows count from 0)" in str(caught[0].message)
    with pytest.warns(DataWarning) as caught:
        Preprocessor.fit(table.take([*range(13, 30), *range(13)]))
    assert "'n.a.' in row 12 (rows count from 0)" in str(caught[0].message)
    sizes = Table.from_columns({"size": ["0", "1", "2", "3+"] * 10})
    assert len(Preprocessor.fit(sizes).feature_names) == 4  # nothing odd about that


def test_many_categories_keep_the_most_frequent():
    common = [f"c{i:03}" for i in range(MOST_CATEGORIES)]
    rare = [f"r{i:03}" for i in range(20)]
    table = Table.from_columns({"c": common * 3 + rare})
    with pytest.warns(DataWarning, match="70 different texts; the 50 most frequent"):
        pre = Preprocessor.fit(table)
    assert pre.feature_names == tuple(f"c={name}" for name in common)
    features = pre.transform(table)  # rare texts are expected, so nothing is said
    assert (features.sum(axis=1) == [1] * 150 + [0] * 20).all()


def test_tables_without_anything_to_learn_from():
    with pytest.raises(InputError, match="no column can be learned from.*'a': it has no value"):
        Preprocessor.fit(Table.from_columns({"a": [None, None], "b": [1, 1]}))
    with pytest.raises(InputError, match="there is only the target"):
        Preprocessor.fit(Table.from_columns({"y": [1, 2]}), target="y")
    with pytest.raises(InputError, match="no rows"):
        Preprocessor.fit(Table.from_columns({"y": []}))
    with pytest.raises(InputError, match="'a' holds an infinite value in row 1"):
        Preprocessor.fit(Table.from_columns({"a": [1.0, float("inf")]}))


def test_values_too_far_away_to_compute_with():
    pre = Preprocessor.fit(Table.from_columns({"a": [0.0, 1e-30]}))
    with pytest.raises(InputError, match="'a' holds 1e\\+30 in row 1"):
        pre.transform(Table.from_columns({"a": [0.0, 1e30]}))
    with pytest.raises(InputError, match="infinite value in row 0"):
        pre.transform(Table.from_columns({"a": [float("inf")]}))


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False, width=64), min_size=1, max_size=20)
)
def test_moments_agree_with_exact_arithmetic(values):
    """`statistics` computes with fractions, so neither overflow nor rounding touches it."""
    mean, scale = mean_and_scale(np.array(values))
    largest = max(map(abs, values))
    exact_scale = statistics.pstdev(values) if len(set(values)) > 1 else 0.0
    assert (scale == 0) == (len(set(values)) == 1)
    assert abs(mean - statistics.mean(values)) <= 1e-14 * largest + 5e-324
    assert abs(scale - exact_scale) <= 1e-13 * largest + 5e-324


GOOD = {
    "columns": [
        {"name": "a", "kind": "number", "mean": 0.0, "scale": 1.0, "indicator": False},
        {
            "name": "b",
            "kind": "category",
            "categories": ["x", "y"],
            "indicator": False,
            "complete": True,
        },
    ],
    "target": None,
    "dropped": {"c": "it is 7 in every row"},
}


def changed(**changes: object) -> dict:
    return {**GOOD, **changes}


def column(index: int, **changes: object) -> dict:
    columns = [dict(c) for c in GOOD["columns"]]
    columns[index].update(changes)
    return changed(columns=columns)


@pytest.mark.parametrize(
    "forged",
    [
        None,
        [],
        "x",
        {},
        changed(columns=[]),
        changed(columns={}),
        changed(columns=[None]),
        changed(columns=[[]]),
        changed(columns=GOOD["columns"] * 2),
        changed(target={}),
        changed(target=[]),
        changed(dropped=["c"]),
        changed(dropped={"c": 1}),
        changed(dropped={"a": "twice"}),
        changed(more=1),
        column(0, name=1),
        column(0, kind="text"),
        column(0, kind=[]),
        column(0, mean=None),
        column(0, mean=float("nan")),
        column(0, scale=0),
        column(0, scale=-1.0),
        column(0, scale=float("inf")),
        column(0, scale="1"),
        column(0, indicator=1),
        column(0, more=1),
        column(1, categories=[]),
        column(1, categories="xy"),
        column(1, categories=["x", "x"]),
        column(1, categories=["x", 1]),
        column(1, categories=[["x"]]),
        column(1, complete=None),
        column(1, indicator="yes"),
    ],
)
def test_forged_descriptions_are_refused(forged):
    assert Preprocessor.from_dict(GOOD).to_dict() == GOOD
    with pytest.raises(InputError):
        Preprocessor.from_dict(forged)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.sampled_from(sorted(GOOD)), json_values)
def test_any_json_is_read_or_refused(key, value):
    try:
        assert Preprocessor.from_dict(changed(**{key: value}))
    except InputError:
        pass
