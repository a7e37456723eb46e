"""Which learning rates a compiled step takes as numbers."""

from __future__ import annotations

from typing import Any

import numpy as onp
import pytest

from backlit import optim
from backlit.train.rates import hides_infinity, open_rates, values_at, with_rates

PARAMS, GRADS = [onp.array([1.0, -2.0])], [onp.array([0.5, 0.25])]


@pytest.mark.parametrize(
    "rule",
    [optim.sgd, optim.momentum, optim.nesterov, optim.adagrad, optim.rmsprop, optim.adam]
    + [optim.adamw, lambda rate: optim.chain(optim.clip_by_value(0.3), optim.adam(rate))],
)
def test_another_rate_makes_the_rule_of_that_rate(rule: Any) -> None:
    assert open_rates(rule(0.1)) == [0.1]
    other, wanted = with_rates(rule(0.1), [0.03]), rule(0.03)
    state = wanted.init(PARAMS)
    found, right = (r.update(GRADS, state, PARAMS)[0][0] for r in (other, wanted))
    assert (found == right).all() and found.any()


def test_functions_that_ignore_the_step_are_called_and_schedules_are_compiled() -> None:
    def ignores(step: Any) -> float:
        return 0.25

    def branches(step: Any) -> float:
        return 0.1 if step < 5 else 0.01

    rules = (ignores, branches, optim.schedules.cosine(0.1, steps=9), lambda step: 0.1 / (1 + step))
    assert [open_rates(optim.sgd(rate)) for rate in rules] == [[ignores], [], [], []]
    assert values_at([ignores, 0.5], 7) == [0.25, 0.5]


def test_a_rule_of_ones_own_is_left_alone_whatever_its_name() -> None:
    def update(grads: Any, state: Any, params: Any) -> Any:
        return [-g for g in grads], state

    rule = optim.Optimizer("sgd", {"rate": 0.1}, lambda params: (), update)
    odd = optim.Optimizer("adam", {"rate": 0.1, "power": 2}, lambda params: (), update)
    assert open_rates(optim.chain(rule, odd)) == []
    assert with_rates(rule, []) is rule
    assert hides_infinity(rule) and not hides_infinity(optim.chain(optim.sgd(0.1)))
