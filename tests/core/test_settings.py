"""Checks of settings: what passes comes back as Python's own type, what does not is named."""

from __future__ import annotations

import math
import pathlib
from fractions import Fraction
from typing import Any

import numpy as onp
import pytest

from backlit.core import settings
from backlit.core.errors import InputError

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    "value", [3, 3.0, onp.int8(3), onp.float32(3), onp.array(3), onp.array(3.0), Fraction(6, 2)]
)
def test_numbers_of_any_kind_become_floats(value: Any) -> None:
    found = settings.number(value, "rate")
    assert type(found) is float and found == 3.0


@pytest.mark.parametrize(
    "value",
    [None, "3", True, onp.True_, {}, [3.0], (3.0,), onp.ones(1), 3 + 0j, NAN, INF, -INF, 10**400],
)
def test_what_is_no_finite_number_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match="^rate is .*; it must be a finite number$"):
        settings.number(value, "rate")


@pytest.mark.parametrize(
    ("options", "good", "bad", "range_"),
    [
        ({"low": 0}, [0, 1e300], [-1e-300], "a finite number of at least 0"),
        ({"low": 0, "below": 1}, [0, 0.999], [1, -0.1, INF], "a number of at least 0 and below 1"),
        ({"positive": True}, [1e-300], [0, -0.0, -1], "a finite number above 0"),
        ({"positive": True, "below": 1}, [0.5], [0, 1], "a number above 0 and below 1"),
        ({"below": 2}, [-1e9], [2], "a number below 2"),
    ],
)
def test_bounds_of_numbers(options: Any, good: Any, bad: Any, range_: str) -> None:
    for value in good:
        assert settings.number(value, "x", **options) == value
    for value in bad:
        with pytest.raises(InputError) as caught:
            settings.number(value, "x", **options, also="a key", example=0.5)
        assert str(caught.value) == (
            f"x is {value!r}; it must be {range_}, or a key\n  fix: for instance 0.5"
        )


@pytest.mark.parametrize("value", [7, onp.int64(7), onp.uint8(7), onp.array(7)])
def test_whole_numbers_become_ints(value: Any) -> None:
    found = settings.whole(value, "epochs", low=1)
    assert type(found) is int and found == 7


@pytest.mark.parametrize("value", [0, -1, None, "7", True, [7], 2.5, NAN, INF, onp.ones(2, int)])
def test_what_is_no_such_whole_number_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match="^epochs is .*; it must be a whole number of at least 1$"):
        settings.whole(value, "epochs", low=1)


def test_a_whole_number_beyond_the_limit_is_told_the_limit() -> None:
    assert settings.whole(2**53, "seed") == 2**53
    with pytest.raises(InputError, match=f"must be a whole number from 0 to {2**53}$"):
        settings.whole(2**53 + 1, "seed")
    with pytest.raises(InputError, match="from 1 to 10$"):
        settings.whole("a", "hidden", low=1, high=10)
    with pytest.raises(InputError, match="^seed is a int; it must be"):
        settings.whole(10**5000, "seed")


def test_a_float_that_happens_to_be_whole_is_refused_with_the_int_it_stands_for() -> None:
    with pytest.raises(InputError, match=r"steps is 10000.0.*\n  fix: write 10000, or int\("):
        settings.whole(1e4, "steps", low=1)


def test_words() -> None:
    options = ["relu", "tanh"]
    assert settings.choice("tanh", options, "activation") == "tanh"
    for wrong, fix in (("Relu", "\n  fix: did you mean relu?"), ("xyz", ""), (None, ""), ([], "")):
        with pytest.raises(InputError) as caught:
            settings.choice(wrong, options, "activation", also="a function")
        assert str(caught.value) == (
            f"activation is {wrong!r}; it must be one of relu, tanh, or a function{fix}"
        )
    with pytest.raises(InputError, match="did you mean he_uniform or he_normal"):
        settings.choice("he", ["zeros", "he_uniform", "he_normal"], "init")


def test_switches() -> None:
    assert settings.flag(True, "shuffle") is True
    assert settings.flag(onp.False_, "shuffle") is False
    for wrong in (0, 1, "no", None, [True]):
        with pytest.raises(InputError, match="^shuffle is .*; it must be True or False$"):
            settings.flag(wrong, "shuffle")


def test_paths() -> None:
    assert settings.path(pathlib.Path("a") / "b") == str(pathlib.Path("a") / "b")
    assert settings.path(b"a") == settings.path("a") == "a"
    for wrong in (None, 5, ["a"], "a\0b"):
        with pytest.raises(InputError, match="^path is .*; it must be the name of a file"):
            settings.path(wrong)


def test_long_and_broken_values_are_shown_on_one_short_line() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    assert settings.shown("a" * 500) == "'" + "a" * 58 + "…"
    assert "\n" not in settings.shown(onp.ones((9, 9)))
    assert settings.shown(Broken()) == "a Broken"
    assert settings.shown(math.pi) == "3.141592653589793"
