"""Schedules: their corners, their errors, and that they can be traced."""

from __future__ import annotations

from typing import Any

import numpy as onp
import pytest

import backlit as bl
from backlit.core.errors import InputError
from backlit.optim import schedules

ALL = [
    schedules.constant(0.3),
    schedules.step(0.3, every=4, factor=0.5),
    schedules.exponential(0.3, factor=0.9, every=3),
    schedules.cosine(0.3, steps=10, final=0.1),
    schedules.one_cycle(0.3, steps=10),
    schedules.warm_up(schedules.cosine(0.3, steps=6), steps=3, start=0.01),
]


@pytest.mark.parametrize("schedule", ALL, ids=lambda s: s.name)
def test_a_rate_is_a_plain_float(schedule: schedules.Schedule) -> None:
    for step in (0, 3, onp.int64(5), onp.array(9)):
        assert type(schedule(step)) is float


@pytest.mark.parametrize("schedule", ALL, ids=lambda s: s.name)
def test_the_same_formula_can_be_traced(schedule: schedules.Schedule) -> None:
    # A traced step gives a traced rate, so an epoch with its schedule can be one graph.
    rates = bl.scan(lambda t, _: (t + 1.0, schedule(t) + 0.0 * t), 0.0, None, length=14)[1]
    onp.testing.assert_allclose(rates, [schedule(t) for t in range(14)], rtol=1e-12)


def test_the_slope_of_a_schedule_is_that_of_its_formula() -> None:
    slope = bl.grad(schedules.cosine(1.0, steps=8))(2.0)
    assert float(slope) == pytest.approx(-onp.pi / 16 * onp.sin(onp.pi / 4))


def test_corners() -> None:
    cosine = schedules.cosine(0.4, steps=5, final=0.2)
    assert cosine(0) == 0.4 and cosine(5) == cosine(1000) == pytest.approx(0.2)
    cycle = schedules.one_cycle(1.0, steps=10, rising=0.4, start_divisor=8, final_divisor=100)
    assert cycle(0) == pytest.approx(1 / 8)
    assert max(cycle(t) for t in range(20)) == cycle(4) == 1.0
    assert cycle(10) == cycle(99) == pytest.approx(1 / 800)
    warm = schedules.warm_up(0.5, steps=4, start=0.1)
    assert [warm(0), warm(2), warm(4), warm(50)] == pytest.approx([0.1, 0.3, 0.5, 0.5])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: schedules.constant(-1), "rate is -1"),
        (lambda: schedules.constant(float("nan")), "rate is nan"),
        (lambda: schedules.constant("fast"), "rate is 'fast'"),  # type: ignore[arg-type]
        (lambda: schedules.step(0.1, every=0), "every is 0"),
        (lambda: schedules.step(0.1, every=2.5), "every is 2.5"),  # type: ignore[arg-type]
        (lambda: schedules.cosine(0.1, steps=-3), "steps is -3"),
        (lambda: schedules.cosine(0.1, steps=True), "steps is True"),
        (lambda: schedules.one_cycle(0.1, steps=2), "no step to rise"),
        (lambda: schedules.one_cycle(0.1, steps=20, rising=1.0), "rising is 1.0.*below 1"),
        (lambda: schedules.one_cycle(0.1, steps=20, final_divisor=0), "final_divisor is 0"),
        (lambda: schedules.one_cycle(0.1, steps=20, rising="a"), "rising is 'a'"),  # type: ignore[arg-type]
        (lambda: schedules.one_cycle(0.1, steps=20, rising=float("nan")), "rising is nan"),
        (
            lambda: schedules.one_cycle(0.1, steps=3, rising=0.3),
            "rise.*\n.*at least 4 steps",
        ),
        (lambda: schedules.cosine(0.1, steps=1e4), "steps is 10000.0.*\n.*write 10000"),  # type: ignore[arg-type]
        (lambda: schedules.warm_up(-0.1, steps=5), "then is -0.1"),
        (lambda: schedules.warm_up(None, steps=5), "then is None.*, or a Schedule"),  # type: ignore[arg-type]
        (lambda: schedules.warm_up(lambda t: 0.1, steps=5), "then is <function.*, or a Schedule"),  # type: ignore[arg-type]
    ],
)
def test_impossible_settings_are_named(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()
