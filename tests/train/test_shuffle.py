"""The compiled draw of an order is the one of `random.permutation`."""

from __future__ import annotations

import numpy as onp
import pytest

from backlit import random
from backlit.train.shuffle import Shuffle


@pytest.mark.parametrize("rows", [2, 7, 64, 1437])
def test_the_order_is_that_of_the_evaluator(rows: int) -> None:
    key = random.key(2**40 + 5)
    shuffle = Shuffle(key, rows)
    for epoch in (1, 2, 3, 2**33):
        wanted = random.permutation(random.fold_in(key, epoch), rows)
        assert (shuffle(epoch) == wanted).all()
        assert sorted(wanted) == list(range(rows))
    assert shuffle(1).dtype == onp.int64
