"""Every rule and schedule, step by step, against what PyTorch and optax did.

The fixtures were recorded by record_fixtures.py; see there for versions.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as onp
import pytest

from backlit import optim
from backlit.optim.catalogue import schedule_from_description

FIXTURES = Path(__file__).parent / "fixtures"
TRAJECTORIES = json.loads((FIXTURES / "trajectories.json").read_text(encoding="utf-8"))
SCHEDULES = json.loads((FIXTURES / "schedules.json").read_text(encoding="utf-8"))


def _name(case: dict[str, Any]) -> str:
    rule = case.get("rule") or case["schedule"]
    parts = [part["name"] for part in rule.get("parts", [])]
    return "-".join([case["peer"], rule["name"], *parts])


def _arrays(numbers: Any) -> list[Any]:
    return [onp.array(leaf, "float64") for leaf in numbers]


@pytest.mark.parametrize("way", ["update", "step"])
@pytest.mark.parametrize("case", TRAJECTORIES["cases"], ids=_name)
def test_each_step_matches_the_peer(case: dict[str, Any], way: str) -> None:
    rule = optim.from_description(case["rule"])
    params = _arrays(TRAJECTORIES["start"])
    state = rule.init(params)
    for number, (grads, expected) in enumerate(
        zip(TRAJECTORIES["gradients"], case["path"], strict=True)
    ):
        if way == "step":
            params, state = rule.step(_arrays(grads), state, params)
        else:
            updates, state = rule.update(_arrays(grads), state, params)
            params = optim.apply(params, updates)
        for found, peer in zip(params, _arrays(expected), strict=True):
            # Differences are of rounding only: formulas agree, orders of operations do not.
            onp.testing.assert_allclose(
                found, peer, rtol=2e-12, atol=1e-14, err_msg=f"step {number}"
            )


@pytest.mark.parametrize("case", SCHEDULES["cases"], ids=_name)
def test_each_rate_matches_the_peer(case: dict[str, Any]) -> None:
    schedule = schedule_from_description(case["schedule"])
    found = [schedule(step) for step in SCHEDULES["steps"]]
    onp.testing.assert_allclose(found, case["rates"], rtol=1e-12, atol=1e-16)


def test_every_rule_and_schedule_has_a_recorded_peer() -> None:
    rules = json.dumps(TRAJECTORIES["cases"])
    schedules = json.dumps(SCHEDULES["cases"])
    for name in optim.catalogue.RULES:
        assert f'"name": "{name}"' in rules, name
    for name in optim.catalogue.SCHEDULES:
        assert f'"name": "{name}"' in schedules, name
