"""The LaTeX of a derivation, read back and evaluated at new points, is the gradient.

The evaluator shares no code with the primitives; both sides of the comparison with differences have
fifty digits, so that rounding is no excuse.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as onp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backlit as bl
import backlit.numpy as np
from backlit import nn
from backlit.core import tree
from backlit.core.errors import BacklitError, InputError
from backlit.core.primitive import Primitive, registry
from backlit.explain.derivation.checking import checks, worked_out
from backlit.explain.derivation.expression import negative
from backlit.explain.derive import DerivationError, confirm, sheet
from backlit.testing.registry import FORWARD_ONLY, Instance, draw, instances
from tests.explain.derivation import networks
from tests.explain.derivation.reading import check_faithful
from tests.transforms.programs import Program, programs

# --- every primitive --------------------------------------------------------------------------


def of_double_precision(primitive: Primitive) -> list[Instance]:
    """Return applications to arrays that are not empty; whole numbers where floats are refused."""
    found = []
    for instance in instances(primitive):
        kinds = {onp.asarray(a).dtype.kind for a in instance.args}
        single = any(onp.asarray(a).dtype == onp.float32 for a in instance.args)
        empty = any(0 in onp.shape(a) for a in instance.args) or instance.params.get("length") == 0
        if single or empty or "b" in kinds:
            continue
        try:
            with onp.errstate(all="raise", under="ignore"):
                instance.value()
        except (TypeError, ValueError, FloatingPointError):
            continue
        found.append(instance)
    return found


def weighted(instance: Instance) -> Any:
    """Return a function of a scale and of the operands, all results weighing in differently."""
    rng = onp.random.default_rng(1)
    with onp.errstate(all="ignore"):
        results = instance.value() if instance.primitive.multi else [instance.value()]
    weights = [rng.uniform(0.5, 1.5, onp.shape(r)) for r in results]

    def f(scale: Any, *operands: Any) -> Any:
        args = list(instance.args)
        for k, value in zip(_arrays(instance), operands, strict=True):
            args[k] = value
        found = Instance(instance.primitive, tuple(args), instance.params)
        outs = found(*found.operands) if instance.primitive.multi else [found(*found.operands)]
        total = 0.0
        for weight, out in zip(weights, outs, strict=True):
            total = total + np.sum(weight * out)
        return scale * total

    return f


def _arrays(instance: Instance) -> list[int]:
    return [k for k, a in enumerate(instance.args) if hasattr(a, "dtype") or type(a) is float]


def moved(instance: Instance, seed: int) -> list[Any]:
    """Return other operands: floats drawn anew, whole numbers (labels, places) as they are."""
    rng = onp.random.default_rng(seed)
    domain = instance.primitive.domain or ((-2.0, 2.0),) * len(instance.args)
    fresh = []
    for k in _arrays(instance):
        value = instance.args[k]
        if onp.asarray(value).dtype.kind != "f":
            fresh.append(value)
            continue
        new = draw(onp.shape(value), domain[min(k, len(domain) - 1)], "float64", rng)
        fresh.append(onp.asarray(new)[()])
    return fresh


@pytest.mark.parametrize("name", sorted(set(registry) - set(FORWARD_ONLY)))
def test_primitive(name: str) -> None:
    cases = of_double_precision(registry[name])
    assert cases
    for instance in cases:
        f = weighted(instance)
        operands = [instance.args[k] for k in _arrays(instance)]
        with onp.errstate(all="ignore"):
            derivation = sheet(f, 0.7, *operands)
        data = derivation.to_dict()
        assert json.loads(json.dumps(data, allow_nan=False)) == data
        for seed in (11, 12):
            check_faithful(f, derivation, [1.3, *moved(instance, seed)])


@pytest.mark.parametrize("name", sorted(set(registry) - set(FORWARD_ONLY)))
def test_an_explanation_of_a_primitive_can_become_json(name: str) -> None:
    for instance in of_double_precision(registry[name])[:2]:
        operands = [instance.args[k] for k in _arrays(instance)]
        with onp.errstate(all="ignore"):
            explained = bl.explain(weighted(instance), 0.7, *operands, wrt="scale")
        assert json.loads(explained.to_json())


# --- drawn functions --------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(programs(), st.integers(0, 2**16))
def test_drawn_functions(program: Program, seed: int) -> None:
    def f(*inputs: Any) -> Any:
        return program(np, *inputs)

    try:
        derivation = sheet(f, *program.inputs)
    except BacklitError as error:
        assert "constant" in str(error)
        return
    rng = onp.random.default_rng(seed)
    fresh = [onp.asarray(rng.normal(size=onp.shape(x)))[()] for x in program.inputs]
    try:
        check_faithful(f, derivation, fresh, differences=2)
    except InputError as error:
        assert "branches" in str(error)  # printed as a condition, and it does not hold here
        check_faithful(f, derivation, program.inputs, differences=2)


@settings(max_examples=25, deadline=None)
@given(
    widths=st.lists(st.integers(1, 4), min_size=2, max_size=6),
    activation=st.sampled_from(["relu", "tanh", "sigmoid", "softplus", "identity"]),
    loss=st.sampled_from(["squares", "labels", "log loss"]),
    seed=st.integers(0, 2**16),
)
def test_networks_of_any_depth(widths: list[int], activation: str, loss: str, seed: int) -> None:
    rng = onp.random.default_rng(seed)
    rows = int(rng.integers(1, 5))

    def arguments() -> list[Any]:
        model = nn.MLP(widths, activation, seed=0, dtype="float64")
        model = tree.map(lambda p: rng.normal(size=p.shape), model)  # no bias of 0: relu's kink
        X = rng.normal(size=(rows, widths[0]))
        labels: dict[str, Any] = {
            "squares": lambda: rng.normal(size=(rows, widths[-1])),
            "labels": lambda: rng.integers(0, widths[-1], rows),
            "log loss": lambda: rng.uniform(size=(rows, widths[-1])),
        }
        return [model, X, labels[loss]()]

    def f(model: Any, X: Any, Y: Any) -> Any:
        if loss == "squares":
            return np.mean((model(X) - Y) ** 2)
        if loss == "labels":
            return networks.classifier(model, X, Y)
        return networks.detector(model, X, Y)

    derivation = sheet(f, *arguments())
    check_faithful(f, derivation, arguments(), differences=2)


def test_a_wrong_step_is_not_shown() -> None:
    args = networks.drawn((3,), (3, 3), (3,))
    found = sheet(networks.quadratic, *args, wrt="x")
    confirm(found, args)
    line = found.gradient("x")
    spoilt = replace(line.steps[0], expression=negative(line.steps[0].expression))
    bad = replace(line, steps=(spoilt, *line.steps[1:]))
    wrong = replace(found, backward=(*found.backward[:-1], bad))
    with pytest.raises(DerivationError, match="'chain rule' in the derivation of ∂L/∂x"):
        confirm(wrong, args)


def test_cancellation_is_no_mistake() -> None:
    # (a − y)/(a(1 − a)) · a(1 − a) for a within 1e-13 of 1.
    args = (30.0, 0.0, 1.0, 0.0)
    confirm(sheet(networks.neuron, *args), args)


# --- steps ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "shapes"),
    [
        (networks.two_layers, ((3, 2), (3, 1), (1, 3), (1, 1), (2, 5), (1, 5))),
        (networks.squares, ((4, 3), (3, 2), (5, 4), (5, 2))),
        (networks.softmax_regression, ((3, 4), (5, 3), (5, 4))),
        (networks.attention, ((3, 2), (4, 2), (4, 2), (3, 2))),
        (networks.batch_norm, ((5, 3), (3,), (3,), (5, 3))),
        (networks.recurrent, ((3, 3), (3, 2), (3,), (2, 2), (3,))),
        (networks.quadratic, ((3,), (3, 3), (3,))),
        (networks.divergence, ((3,), (3,))),
        (networks.unnamed, ((4, 2), (2,), (5, 4), (5, 2))),
    ],
)
def test_every_step_has_the_value_of_its_line(f: Any, shapes: tuple[Any, ...]) -> None:
    derivation = sheet(f, *networks.drawn(*shapes))
    fresh = networks.drawn(*shapes)
    found = checks(derivation, worked_out(derivation, fresh))
    assert len(found) >= len(derivation.backward)
    for check in found:
        assert check.difference <= 1e-11 * check.size + 1e-300, (check.line.left, check.step.rule)
    check_faithful(f, derivation, fresh, differences=3)


def test_a_derivative_that_is_zero_is_derived() -> None:
    """Where all there is to compare is rounding, as at the least cross entropy there is."""

    def cross_entropy(z: Any) -> Any:
        p = np.softmax(z, axis=1)
        return -np.sum(0.3 * np.log(p))

    args = (onp.ones((2, 3)),)
    assert onp.allclose(bl.grad(cross_entropy)(*args), 0, atol=1e-15)
    confirm(sheet(cross_entropy, *args, wrt="z"), args)
