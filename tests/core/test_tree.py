"""Trees: what is a container, in what order its leaves come, and how they are put back."""

from __future__ import annotations

import collections
from typing import Any, NamedTuple

import numpy as onp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backlit as bl
from backlit.core import tree
from backlit.core.errors import BacklitError


class Pair(NamedTuple):
    left: Any
    right: Any


class Box:
    """Registered with a static part."""

    def __init__(self, content: Any, label: str) -> None:
        self.content, self.label = content, label


class Strange:
    """Not registered: a leaf."""


@pytest.fixture(autouse=True)
def registered() -> Any:
    tree.register(
        Box,
        lambda b: (("content",), (b.content,), b.label),
        lambda label, kids: Box(kids[0], label),
    )
    yield
    del tree._registry[Box]


SAMPLE = {"b": [1.0, (2.0, None)], "a": Pair(3.0, {"x": 4.0}), "c": Box([5.0], "five")}


def test_leaves_come_left_to_right_and_dicts_in_sorted_order() -> None:
    leaves, _ = tree.flatten(SAMPLE)
    assert leaves == [3.0, 4.0, 1.0, 2.0, 5.0]


def test_paths_name_every_leaf() -> None:
    pairs, _ = tree.flatten_with_paths(SAMPLE)
    assert dict(pairs) == {
        "a.left": 3.0,
        "a.right.x": 4.0,
        "b.0": 1.0,
        "b.1.0": 2.0,
        "c.content.0": 5.0,
    }
    assert tree.flatten_with_paths(7.0)[0] == [("", 7.0)]
    assert tree.paths(tree.flatten((1, [2]))[1], "x") == ["x.0", "x.1.0"]
    assert tree.paths(tree.flatten(1)[1], "x") == ["x"]


def test_long_lists_are_numbered_to_the_end() -> None:
    pairs, _ = tree.flatten_with_paths([0.0] * 100)
    assert [path for path, _ in pairs] == [str(k) for k in range(100)]


def test_unflatten_is_the_inverse() -> None:
    leaves, treedef = tree.flatten(SAMPLE)
    again = tree.unflatten(treedef, [leaf * 10 for leaf in leaves])
    assert again["b"] == [10.0, (20.0, None)]
    assert type(again["a"]) is Pair and again["a"] == Pair(30.0, {"x": 40.0})
    assert again["c"].content == [50.0] and again["c"].label == "five"


class Leafy(dict):  # type: ignore[type-arg]
    """A subclass is not the class that was registered."""


@pytest.mark.parametrize(
    "leaf",
    [1, 1.0, "text", onp.ones(2), Strange(), {1.0}, Leafy(), collections.Counter(), range(3)],
)
def test_everything_else_is_a_leaf(leaf: Any) -> None:
    leaves, treedef = tree.flatten(leaf)
    assert leaves[0] is leaf and treedef == tree.LEAF


def test_an_ordered_dict_keeps_its_order() -> None:
    given = collections.OrderedDict(b=1.0, a=(2.0, 3.0))
    pairs, treedef = tree.flatten_with_paths(given)
    assert pairs == [("b", 1.0), ("a.0", 2.0), ("a.1", 3.0)]
    again = tree.unflatten(treedef, [10.0, 20.0, 30.0])
    assert type(again) is collections.OrderedDict and list(again) == ["b", "a"]
    assert again == {"b": 10.0, "a": (20.0, 30.0)}
    assert treedef != tree.flatten(collections.OrderedDict(a=(2.0, 3.0), b=1.0))[1]


def test_a_defaultdict_keeps_what_a_missing_key_holds() -> None:
    given = collections.defaultdict(list, b=[1.0], a=[2.0, 3.0])
    pairs, treedef = tree.flatten_with_paths(given)
    assert pairs == [("a.0", 2.0), ("a.1", 3.0), ("b.0", 1.0)]
    again = tree.unflatten(treedef, [20.0, 30.0, 10.0])
    assert again == {"b": [10.0], "a": [20.0, 30.0]} and again["new"] == []
    assert treedef == tree.flatten(collections.defaultdict(list, a=[0.0, 0.0], b=[0.0]))[1]
    assert treedef != tree.flatten(collections.defaultdict(dict, a=[0.0, 0.0], b=[0.0]))[1]


def test_dicts_whose_keys_do_not_sort_keep_their_order() -> None:
    leaves, treedef = tree.flatten({2: "a", "1": "b"})
    assert leaves == ["a", "b"]
    assert tree.unflatten(treedef, leaves) == {2: "a", "1": "b"}


@pytest.mark.parametrize("empty", [(), [], {}, None, ((), [None])])
def test_empty_containers_hold_no_leaf(empty: Any) -> None:
    leaves, treedef = tree.flatten(empty)
    assert leaves == [] and tree.unflatten(treedef, []) == empty


def test_shapes_compare_by_structure() -> None:
    shape = tree.flatten(SAMPLE)[1]
    assert shape == tree.flatten(tree.map(lambda x: -x, SAMPLE))[1]
    assert hash(shape) == hash(tree.flatten(SAMPLE)[1])
    assert shape != tree.flatten({**SAMPLE, "c": Box([5.0], "six")})[1]
    assert tree.flatten((1, 2))[1] != tree.flatten([1, 2])[1]
    assert tree.flatten({"a": 1})[1] != tree.flatten({"b": 1})[1]
    assert tree.flatten(1)[1] != 1
    assert repr(tree.flatten({"a": (1, None)})[1]) == "dict(a=tuple(0=*, 1=NoneType()))"


def test_map_takes_several_trees_of_one_shape() -> None:
    assert tree.map(lambda a, b: a + b, [1, (2, None)], [10, (20, None)]) == [11, (22, None)]
    with pytest.raises(BacklitError, match=r"trees differ in shape: tuple.* and list"):
        tree.map(lambda a, b: a, (1,), [1])


def test_a_wrong_number_of_leaves_is_refused() -> None:
    with pytest.raises(BacklitError, match="a tree of 2 leaves cannot hold 3"):
        tree.unflatten(tree.flatten((1, 2))[1], [1, 2, 3])


def test_gradients_come_back_in_the_tree_of_the_argument() -> None:
    def loss(t: Any) -> Any:
        return t["b"][0] ** 2 + t["b"][1][0] * t["a"].left + t["c"].content[0]

    found = bl.grad(loss)(SAMPLE)
    assert found["b"] == [2.0, (3.0, None)]
    assert found["a"] == Pair(2.0, {"x": 0.0})
    assert found["c"].content == [1.0] and found["c"].label == "five"


trees = st.recursive(
    st.floats(allow_nan=False) | st.none(),
    lambda kids: (
        st.lists(kids, max_size=4)
        | st.lists(kids, max_size=3).map(tuple)
        | st.dictionaries(st.text("abc", max_size=2), kids, max_size=3)
        | st.tuples(kids, kids).map(lambda pair: Pair(*pair))
    ),
    max_leaves=20,
)


@given(trees)
@settings(max_examples=100, deadline=None)
def test_any_tree_survives_the_round_trip(value: Any) -> None:
    leaves, treedef = tree.flatten(value)
    assert treedef.size == len(leaves) == len(tree.paths(treedef))
    assert tree.unflatten(treedef, leaves) == value
    assert len(set(tree.paths(treedef))) <= len(leaves)


def signed(value: Any) -> tuple[list[Any], tuple[Any, ...]]:
    leaves: list[Any] = []
    parts: list[Any] = []
    tree.signature(value, leaves, parts)
    return leaves, tuple(parts)


@given(st.lists(trees, min_size=2, max_size=2))
@settings(max_examples=200, deadline=None)
def test_signatures_are_equal_where_shapes_of_trees_are(values: Any) -> None:
    shapes = [tree.flatten(value) for value in values]
    found = [signed(value) for value in values]
    assert [leaves for leaves, _ in found] == [leaves for leaves, _ in shapes]
    (_, first), (_, second) = found
    assert (first == second) == (shapes[0][1] == shapes[1][1])
    assert first == signed(tree.map(lambda x: x + 1.0, values[0]))[1]
    assert hash(first) == hash(signed(tree.map(lambda x: x + 1.0, values[0]))[1])


def test_signatures_tell_arrays_and_static_parts_apart() -> None:
    one = signed((onp.zeros(2), Box([1.0], "a")))[1]
    assert one == signed((onp.ones(2), Box([2.0], "a")))[1]
    for other in (
        (onp.zeros(3), Box([1.0], "a")),
        (onp.zeros(2, "float32"), Box([1.0], "a")),
        (onp.zeros(2), Box([1.0], "b")),
        (0.0, Box([1.0], "a")),
    ):
        assert one != signed(other)[1]
    # What cannot be hashed is compared.
    lists = [signed(Box(1.0, label))[1] for label in (["a"], ["a"], ["b"])]
    assert lists[0] == lists[1] != lists[2] and len(set(lists)) == 2
