"""Settings for a table: each is checked, named, and becomes a plain Python value."""

from __future__ import annotations

import json
from typing import Any

import numpy as onp
import pytest

from backlit.core.errors import InputError
from backlit.train.tabular.recipe import Recipe, recipe_for


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden": 64}, "hidden is 64; it must list the units"),
        ({"hidden": "64"}, "hidden is '64'; it must list the units"),
        ({"hidden": (64, 0)}, "hidden is 0; it must be a whole number from 1 to 999999"),
        ({"hidden": (10**9,)}, "hidden is 1000000000; it must be a whole number from 1 to 999999"),
        ({"activation": "rely"}, r"activation is 'rely'.*\n.*did you mean relu\?"),
        ({"activation": "softmax"}, "activation is 'softmax'; it must be one of identity"),
        ({"optimizer": "sdg"}, r"optimizer is 'sdg'.*\n.*did you mean sgd\?"),
        ({"optimizer": ["adam"]}, r"optimizer is \['adam'\]"),
        ({"rate": 0}, "rate is 0; it must be a finite number above 0"),
        ({"rate": "fast"}, "rate is 'fast'"),
        ({"epochs": 2.0}, r"epochs is 2.0.*\n.*write 2"),
        ({"batch": 0}, "batch is 0; it must be a whole number of at least 1"),
        ({"weight_decay": -1}, "weight_decay is -1; it must be a finite number of at least 0"),
        ({"validation": 1.0}, "validation is 1.0; it must be a number of at least 0 and below 1"),
        ({"patience": 0}, "patience is 0"),
        ({"seed": -1}, "seed is -1; it must be a whole number of at least 0"),
        ({"seed": 2**64}, f"seed is {2**64}; it must be a whole number from 0 to {2**53}"),
    ],
)
def test_settings_that_cannot_be_used_are_named(settings: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        recipe_for(1000, **settings)


def test_numbers_of_numpy_make_the_same_recipe_as_pythons() -> None:
    plain = recipe_for(1000, hidden=(16,), batch=50, rate=0.25, seed=3_000_000_000)
    same = recipe_for(
        1000,
        hidden=onp.array([16]),
        batch=onp.int64(50),
        rate=onp.float32(0.25),
        seed=onp.uint64(3_000_000_000),
    )
    assert same == plain and same.seed == 3_000_000_000
    assert json.loads(json.dumps(same.to_dict())) == plain.to_dict()


def test_a_recipe_made_by_hand_is_checked_too() -> None:
    settings: dict[str, Any] = recipe_for(100).to_dict()
    assert Recipe(**settings) == recipe_for(100)  # a list of units becomes a tuple
    with pytest.raises(InputError, match="batch is None"):
        Recipe(**settings | {"batch": None})


def test_a_network_that_no_memory_holds_is_refused(monkeypatch):
    pages = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1000}
    monkeypatch.setattr("os.sysconf", pages.get)
    recipe = recipe_for(100, hidden=(500, 500))
    # 4,096,000 bytes hold 256,000 weights with gradient and two moments; here are 500 · 512.
    recipe.require_memory(10, 2)
    with pytest.raises(InputError, match="hidden is 500,500; it must be fewer units: 256,500"):
        recipe.require_memory(11, 2)
