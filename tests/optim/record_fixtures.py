"""Record what PyTorch and optax do, step by step, for the tests of `backlit.optim`.

Run with the interpreter that holds the peers::

    .venv-peers/bin/python tests/optim/record_fixtures.py

Recorded with torch 2.13.0 (CPU), optax 0.2.8 and jax 0.10.2, all in float64; the file repeats the
versions. Every rule starts from the same parameters and is fed the same gradients, so that the
trajectories can be compared number by number.

A rule is recorded under the description `Optimizer.describe` would give of ours; the test builds
it from that. Peers are imported inside functions because pytest looks into every file here.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "fixtures"

START = [[[0.9, -1.3], [0.4, 2.1]], [0.05, -0.7]]
# Ordinary gradients, a long one (for clipping), a tiny one and a zero one (for epsilon).
GRADIENTS = [
    [[[0.3, -0.2], [1.1, 0.7]], [-0.4, 0.1]],
    [[[-0.6, 0.5], [0.9, -1.4]], [0.2, 0.3]],
    [[[30.0, -12.0], [4.0, 7.5]], [-9.0, 2.0]],
    [[[1e-9, -2e-9], [3e-10, 0.0]], [0.0, 5e-9]],
    [[[0.0, 0.0], [0.0, 0.0]], [0.0, 0.0]],
    [[[0.8, 0.1], [-0.3, 0.2]], [0.6, -0.5]],
    [[[-0.2, 0.4], [0.5, -0.9]], [-0.7, 0.8]],
    [[[0.1, -0.3], [0.25, 0.65]], [0.35, -0.15]],
]
SCHEDULE_STEPS = list(range(26))


def torch_trajectory(make: Any) -> list[Any]:
    """Return the parameters after each step of a torch.optim optimiser."""
    import torch

    params = [torch.tensor(p, dtype=torch.float64, requires_grad=True) for p in START]
    optimizer = make(params)
    path = []
    for grads in GRADIENTS:
        for p, g in zip(params, grads, strict=True):
            p.grad = torch.tensor(g, dtype=torch.float64)
        optimizer.step()
        path.append([p.detach().tolist() for p in params])
    return path


def optax_trajectory(rule: Any) -> list[Any]:
    """Return the parameters after each step of an optax transformation."""
    import jax.numpy as jnp
    import optax

    params = [jnp.asarray(p, jnp.float64) for p in START]
    state = rule.init(params)
    path = []
    for grads in GRADIENTS:
        arrays = [jnp.asarray(g, jnp.float64) for g in grads]
        updates, state = rule.update(arrays, state, params)
        params = optax.apply_updates(params, updates)
        path.append([p.tolist() for p in params])
    return path


def wide(schedule: Any) -> Any:
    """Return an optax schedule evaluated in float64; its counter is int32, hence float32."""
    import jax.numpy as jnp

    return lambda count: schedule(jnp.asarray(count, jnp.float64))


def torch_cases() -> list[dict[str, Any]]:
    """Return every rule recorded from PyTorch."""
    from torch import optim

    decay = {"name": "weight_decay", "decay": 0.05}
    momentum = {"name": "momentum", "rate": 0.1, "momentum": 0.8}
    recipes: list[tuple[dict[str, Any], Any]] = [
        ({"name": "sgd", "rate": 0.1}, lambda p: optim.SGD(p, lr=0.1)),
        (momentum, lambda p: optim.SGD(p, lr=0.1, momentum=0.8)),
        (
            {"name": "nesterov", "rate": 0.1, "momentum": 0.8},
            lambda p: optim.SGD(p, lr=0.1, momentum=0.8, nesterov=True),
        ),
        (
            {"name": "adagrad", "rate": 0.2, "eps": 1e-10, "initial": 0.3},
            lambda p: optim.Adagrad(p, lr=0.2, eps=1e-10, initial_accumulator_value=0.3),
        ),
        (
            {"name": "adagrad", "rate": 0.2},
            lambda p: optim.Adagrad(p, lr=0.2),
        ),
        (
            {"name": "rmsprop", "rate": 0.01, "decay": 0.9, "eps": 1e-8},
            lambda p: optim.RMSprop(p, lr=0.01, alpha=0.9, eps=1e-8),
        ),
        (
            {"name": "adam", "rate": 0.01, "beta1": 0.85, "beta2": 0.98, "eps": 1e-6},
            lambda p: optim.Adam(p, lr=0.01, betas=(0.85, 0.98), eps=1e-6),
        ),
        (
            {"name": "adamw", "rate": 0.01, "decay": 0.1},
            lambda p: optim.AdamW(p, lr=0.01, weight_decay=0.1),
        ),
        (
            {"name": "chain", "parts": [decay, momentum]},
            lambda p: optim.SGD(p, lr=0.1, momentum=0.8, weight_decay=0.05),
        ),
        (
            {"name": "chain", "parts": [decay, {"name": "adam", "rate": 0.01}]},
            lambda p: optim.Adam(p, lr=0.01, weight_decay=0.05),
        ),
        (
            {
                "name": "chain",
                "parts": [
                    {"name": "weight_decay", "decay": 0.05, "biases": False},
                    {"name": "sgd", "rate": 0.1},
                ],
            },
            lambda p: optim.SGD(
                [{"params": p[:1], "weight_decay": 0.05}, {"params": p[1:]}], lr=0.1
            ),
        ),
    ]
    return [
        {"peer": "torch", "rule": rule, "path": torch_trajectory(make)} for rule, make in recipes
    ]


def optax_cases() -> list[dict[str, Any]]:
    """Return every rule recorded from optax."""
    import optax

    cosine = {"name": "cosine", "rate": 0.3, "steps": 6, "final": 0.03}
    warm = {"name": "warm_up", "steps": 3, "start": 0.0, "then": cosine}
    optax_cosine = wide(optax.cosine_decay_schedule(0.3, 6, alpha=0.1))
    line = wide(optax.linear_schedule(0.0, 0.3, 3))
    optax_warm = optax.join_schedules([line, optax_cosine], [3])
    clip = {"name": "clip_by_global_norm", "limit": 1.0}
    recipes: list[tuple[dict[str, Any], Any]] = [
        ({"name": "sgd", "rate": cosine}, optax.sgd(optax_cosine)),
        ({"name": "momentum", "rate": warm, "momentum": 0.7}, optax.sgd(optax_warm, momentum=0.7)),
        (
            {"name": "nesterov", "rate": 0.05, "momentum": 0.9},
            optax.sgd(0.05, momentum=0.9, nesterov=True),
        ),
        (
            {"name": "rmsprop", "rate": 0.02, "decay": 0.8, "eps": 1e-7},
            optax.rmsprop(0.02, decay=0.8, eps=1e-7, eps_in_sqrt=False),
        ),
        ({"name": "adam", "rate": 0.01}, optax.adam(0.01)),
        ({"name": "adam", "rate": warm, "eps": 1e-4}, optax.adam(optax_warm, eps=1e-4)),
        (
            {"name": "adamw", "rate": cosine, "decay": 0.2, "beta1": 0.8},
            optax.adamw(optax_cosine, b1=0.8, weight_decay=0.2),
        ),
        (
            {"name": "adamw", "rate": 0.01, "decay": 0.2, "biases": False},
            optax.adamw(0.01, weight_decay=0.2, mask=[True, False]),
        ),
        (
            {"name": "chain", "parts": [clip, {"name": "sgd", "rate": 0.1}]},
            optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.1)),
        ),
        (
            {
                "name": "chain",
                "parts": [
                    {"name": "clip_by_value", "limit": 0.5},
                    {"name": "momentum", "rate": 0.1, "momentum": 0.9},
                ],
            },
            optax.chain(optax.clip(0.5), optax.sgd(0.1, momentum=0.9)),
        ),
        (
            {
                "name": "chain",
                "parts": [
                    clip,
                    {"name": "momentum", "rate": cosine, "momentum": 0.9},
                    {"name": "decoupled_weight_decay", "decay": 0.1, "rate": cosine},
                ],
            },
            optax.chain(
                optax.clip_by_global_norm(1.0),
                optax.trace(0.9),
                optax.add_decayed_weights(0.1),
                optax.scale_by_learning_rate(optax_cosine),
            ),
        ),
    ]
    return [
        {"peer": "optax", "rule": rule, "path": optax_trajectory(peer)} for rule, peer in recipes
    ]


def torch_rates(make: Any, rate: float) -> list[float]:
    """Return the learning rates a torch scheduler sets."""
    import torch

    parameter = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([parameter], lr=rate)
    scheduler = make(optimizer)
    rates = []
    for _ in SCHEDULE_STEPS:
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return rates


def schedule_cases() -> list[dict[str, Any]]:
    """Return every schedule, evaluated at the first steps."""
    import optax
    from torch.optim import lr_scheduler

    exponential = {"name": "exponential", "rate": 0.4, "factor": 0.9}
    cosine = {"name": "cosine", "rate": 0.3, "steps": 20, "final": 0.06}
    optax_cosine = optax.cosine_decay_schedule(0.3, 20, alpha=0.2)
    with_optax: list[tuple[dict[str, Any], Any]] = [
        ({"name": "constant", "rate": 0.125}, optax.constant_schedule(0.125)),
        (
            {"name": "step", "rate": 0.4, "every": 5, "factor": 0.3},
            optax.exponential_decay(0.4, 5, 0.3, staircase=True),
        ),
        ({**exponential, "every": 7}, optax.exponential_decay(0.4, 7, 0.9)),
        (cosine, optax_cosine),
        (
            {"name": "one_cycle", "peak": 0.5, "steps": 20},
            optax.cosine_onecycle_schedule(20, 0.5, 0.3, 25.0, 1e4),
        ),
        (
            {
                "name": "one_cycle",
                "peak": 0.5,
                "steps": 23,
                "rising": 0.45,
                "start_divisor": 10.0,
                "final_divisor": 100.0,
            },
            optax.cosine_onecycle_schedule(23, 0.5, 0.45, 10.0, 100.0),
        ),
        (
            {"name": "warm_up", "steps": 4, "start": 0.02, "then": cosine},
            optax.join_schedules([optax.linear_schedule(0.02, 0.3, 4), optax_cosine], [4]),
        ),
        (
            {"name": "warm_up", "steps": 6, "then": {"name": "constant", "rate": 0.2}},
            optax.warmup_constant_schedule(0.0, 0.2, 6),
        ),
    ]
    with_torch: list[tuple[dict[str, Any], Any, float]] = [
        (
            {"name": "step", "rate": 0.4, "every": 4, "factor": 0.5},
            lambda o: lr_scheduler.StepLR(o, 4, 0.5),
            0.4,
        ),
        (exponential, lambda o: lr_scheduler.ExponentialLR(o, 0.9), 0.4),
        (
            # PyTorch's cosine turns upwards after its last step; ours stays: compare up to there.
            {"name": "cosine", "rate": 0.3, "steps": 25, "final": 0.06},
            lambda o: lr_scheduler.CosineAnnealingLR(o, 25, 0.06),
            0.3,
        ),
    ]
    cases = [
        {"peer": "optax", "schedule": ours, "rates": [float(peer(t)) for t in SCHEDULE_STEPS]}
        for ours, peer in with_optax
    ]
    cases += [
        {"peer": "torch", "schedule": ours, "rates": torch_rates(make, rate)}
        for ours, make, rate in with_torch
    ]
    return cases


def versions() -> dict[str, str]:
    """Return the versions of the peers."""
    import jax
    import optax
    import torch

    return {"torch": torch.__version__, "optax": optax.__version__, "jax": jax.__version__}


def write(name: str, head: dict[str, Any], cases: list[dict[str, Any]]) -> None:
    """Write a fixture with one case per line, so that a change shows as few changed lines."""
    lines = [f'"{key}": {json.dumps(value)}' for key, value in head.items()]
    body = ",\n".join(json.dumps(case) for case in cases)
    text = "{\n" + ",\n".join(lines) + ',\n"cases": [\n' + body + "\n]\n}\n"
    assert all(math.isfinite(x) for x in _numbers(json.loads(text)))
    (HERE / name).write_text(text, encoding="utf-8")


def _numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [x for item in value.values() for x in _numbers(item)]
    if isinstance(value, list):
        return [x for item in value for x in _numbers(item)]
    return [float(value)] if isinstance(value, (int, float)) else []


def main() -> None:
    """Record all fixtures."""
    import jax

    jax.config.update("jax_enable_x64", True)
    HERE.mkdir(exist_ok=True)
    head = {"versions": versions(), "start": START, "gradients": GRADIENTS}
    write("trajectories.json", head, torch_cases() + optax_cases())
    write("schedules.json", {"versions": versions(), "steps": SCHEDULE_STEPS}, schedule_cases())


if __name__ == "__main__":
    main()
