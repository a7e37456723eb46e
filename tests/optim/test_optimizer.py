"""Optimisers as pure functions: state, composition, types, errors, description."""

from __future__ import annotations

import functools
import json
import math
from typing import Any

import numpy as onp
import pytest

import backlit as bl
from backlit import nn, optim
from backlit.core import tree
from backlit.core.errors import BacklitError, DTypeError, InputError, ShapeError
from backlit.optim import schedules
from backlit.optim.catalogue import RULES, schedule_from_description

EVERY: list[optim.Optimizer] = [
    optim.sgd(0.1),
    optim.momentum(0.1),
    optim.nesterov(0.1),
    optim.adagrad(0.5),
    optim.rmsprop(0.05),
    optim.adam(0.1),
    optim.adamw(0.1, decay=1e-3),
    optim.chain(optim.weight_decay(1e-3), optim.clip_by_global_norm(1.0), optim.momentum(0.1)),
    optim.chain(optim.clip_by_value(0.5), optim.sgd(schedules.cosine(0.4, steps=200))),
    optim.chain(optim.adam(0.1), optim.decoupled_weight_decay(0.01, 0.1, biases=False)),
]
each = pytest.mark.parametrize("rule", EVERY, ids=repr)


def params() -> dict[str, Any]:
    return {"W": onp.array([[1.0, -2.0], [0.5, 3.0]]), "b": onp.array([0.3, -0.1])}


def grads() -> dict[str, Any]:
    return {"W": onp.array([[0.4, 0.1], [-3.0, 0.0]]), "b": onp.array([1.0, -0.2])}


@each
def test_arguments_are_never_changed(rule: optim.Optimizer) -> None:
    p, g, state = params(), grads(), rule.init(params())
    state = rule.update(g, state, p)[1]
    before = [onp.copy(leaf) for leaf in tree.flatten((p, g, state))[0]]
    updates, _ = rule.update(g, state, p)
    optim.apply(p, updates)
    rule.step(g, state, p)
    for old, new in zip(before, tree.flatten((p, g, state))[0], strict=True):
        assert onp.array_equal(old, new)


@each
def test_a_step_can_be_repeated(rule: optim.Optimizer) -> None:
    p, state = params(), rule.init(params())
    first, second = (tree.flatten(rule.step(grads(), state, p))[0] for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert onp.array_equal(one, other)


@each
def test_the_state_is_a_tree_of_arrays(rule: optim.Optimizer) -> None:
    state = rule.update(grads(), rule.init(params()), params())[1]
    leaves, treedef = tree.flatten(state)
    assert all(isinstance(leaf, onp.ndarray) for leaf in leaves)
    assert tree.flatten(rule.init(params()))[1] == treedef
    rule.update(grads(), tree.unflatten(treedef, leaves), params())


@each
def test_float32_parameters_stay_float32(rule: optim.Optimizer) -> None:
    narrow = functools.partial(tree.map, lambda leaf: leaf.astype("float32"))
    p, state = narrow(params()), rule.init(narrow(params()))
    for _ in range(3):
        p, state = rule.step(narrow(grads()), state, p)
    for leaf in tree.flatten((p, state))[0]:
        assert leaf.dtype == (onp.int64 if leaf.ndim == 0 else onp.float32)


def test_wide_updates_do_not_widen_parameters() -> None:
    narrow, wide = onp.ones(2, "float32"), onp.full(2, 0.25)
    assert optim.apply([narrow], [wide])[0].dtype == onp.float32
    rule = optim.sgd(1.0)
    moved = rule.step([wide], rule.init([narrow]), [narrow])[0][0]
    assert moved.dtype == onp.float32 and moved.tolist() == [0.75, 0.75]


@each
def test_a_bowl_is_descended(rule: optim.Optimizer) -> None:
    target = onp.array([1.0, -2.0, 0.5])
    scale = onp.array([1.0, 4.0, 0.5])

    def bowl(p: Any) -> Any:
        return bl.numpy.sum(scale * (p - target) ** 2)

    p = onp.zeros(3)
    state = rule.init(p)
    for _ in range(400):
        p, state = rule.step(bl.grad(bowl)(p), state, p)
    assert float(bowl(p)) < 1e-2 * float(bowl(onp.zeros(3)))


@each
def test_a_step_of_a_traced_gradient_is_the_same(rule: optim.Optimizer) -> None:
    state = rule.update(grads(), rule.init(params()), params())[1]
    g, treedef = tree.flatten(grads())
    expected = tree.flatten(rule.step(grads(), state, params())[0])[0]

    def stepped(*leaves: Any) -> Any:
        return tree.flatten(rule.step(tree.unflatten(treedef, leaves), state, params())[0])[0]

    found, _ = bl.jvp(stepped, tuple(g), tuple(onp.ones_like(leaf) for leaf in g))
    for one, other in zip(found, expected, strict=True):
        onp.testing.assert_allclose(one, other, rtol=1e-14)


@each
def test_the_whole_step_can_be_traced_by_shape(rule: optim.Optimizer) -> None:
    # Three steps inside one scan: state, count and schedule included.
    p, state = params(), rule.init(params())

    def body(carry: Any, _: Any) -> Any:
        return rule.step(grads(), carry[1], carry[0]), 0.0

    (found, _), _ = bl.scan(body, (p, state), None, length=3)
    for _ in range(3):
        p, state = rule.step(grads(), state, p)
    for one, other in zip(tree.flatten(found)[0], tree.flatten(p)[0], strict=True):
        onp.testing.assert_allclose(one, other, rtol=1e-12)


def test_a_weight_depends_on_the_data_through_the_update() -> None:
    x, y, w = 1.5, 2.0, 0.3
    rule = optim.sgd(0.1)

    def after(x: Any) -> Any:
        slope = bl.grad(lambda w: 0.5 * (w * x - y) ** 2)(w)
        return rule.step(slope, rule.init(w), w)[0]

    # w' = w − rate (wx − y) x, so dw'/dx = −rate (2wx − y).
    assert float(bl.grad(after)(x)) == pytest.approx(-0.1 * (2 * w * x - y))


def test_the_rate_itself_can_be_differentiated() -> None:
    def after(rate: Any) -> Any:
        rule = optim.sgd(rate)
        return rule.step(2.0, rule.init(1.0), 1.0)[0]

    assert float(bl.grad(after)(0.1)) == -2.0


def test_updates_have_a_slope_where_a_gradient_is_zero() -> None:
    # m / (√v + ε) has the slope (1 − β₁) / ε there, though √v alone has none.
    rule = optim.adam(1.0, eps=0.5)
    state = rule.init(0.0)
    found = bl.grad(lambda g: rule.update(g, state)[0])(0.0)
    assert float(found) == pytest.approx(-1 / 0.5, rel=1e-12)
    clip = optim.clip_by_global_norm(1.0)
    assert float(bl.grad(lambda g: clip.update(g, ())[0])(0.0)) == 1.0


def test_clipping_by_norm_removes_the_slope_along_the_gradient() -> None:
    clip = optim.clip_by_global_norm(1.0)
    g = onp.array([3.0, 4.0])
    found = bl.jacobian(lambda g: clip.update(g, ())[0])(g)
    unit = g / 5
    onp.testing.assert_allclose(found, (onp.eye(2) - onp.outer(unit, unit)) / 5, atol=1e-15)


def test_rules_take_any_tree_a_model_included() -> None:
    model = nn.MLP([2, 3, 1], seed=0)
    rule = optim.adam(0.01)
    gradient = tree.map(onp.ones_like, model)
    updates, state = rule.update(gradient, rule.init(model), model)
    moved = optim.apply(model, updates)
    assert isinstance(moved, nn.MLP)
    onp.testing.assert_allclose(moved.layers[0].W, model.layers[0].W - 0.01, atol=1e-6)
    assert int(state.count) == 1


def test_chain_passes_updates_from_part_to_part() -> None:
    g = [onp.array([30.0, 40.0])]
    clip_first = optim.chain(optim.clip_by_global_norm(5.0), optim.sgd(0.1))
    clip_last = optim.chain(optim.sgd(0.1), optim.clip_by_global_norm(5.0))
    assert clip_first.update(g, clip_first.init(g))[0][0] == pytest.approx([-0.3, -0.4])
    assert clip_last.update(g, clip_last.init(g))[0][0] == pytest.approx([-3.0, -4.0])


def test_adamw_is_adam_with_decoupled_decay() -> None:
    fused = optim.adamw(0.05, decay=0.3, biases=False)
    parts = optim.chain(optim.adam(0.05), optim.decoupled_weight_decay(0.3, 0.05, biases=False))
    p, q = params(), params()
    s, t = fused.init(p), parts.init(q)
    for _ in range(4):
        p, s = fused.step(grads(), s, p)
        q, t = parts.step(grads(), t, q)
    for key in p:
        onp.testing.assert_allclose(p[key], q[key], rtol=1e-14)


def test_the_global_norm_survives_overflow_and_underflow() -> None:
    huge = [onp.array([3e30, 4e30], "float32"), onp.zeros(2, "float32")]
    assert optim.global_norm(huge) == pytest.approx(5e30, rel=1e-6)
    clip = optim.clip_by_global_norm(1.0)
    assert clip.update(huge, ())[0][0] == pytest.approx([0.6, 0.8], rel=1e-6)
    tiny = [onp.array([3e-30, 4e-30], "float32")]
    assert optim.global_norm(tiny) == pytest.approx(5e-30, rel=1e-6)
    assert optim.global_norm([onp.zeros(3)]) == 0.0
    assert optim.global_norm([onp.array([math.inf, 1.0])]) == math.inf
    assert math.isnan(optim.global_norm([onp.array([math.nan, math.inf])]))


def test_the_global_norm_has_a_gradient() -> None:
    arrays = [onp.array([3.0]), onp.array([[4.0]])]
    first, second = bl.grad(optim.global_norm)(arrays)
    assert first == pytest.approx([0.6]) and second[0] == pytest.approx([0.8])


def test_a_short_gradient_is_not_stretched() -> None:
    g = [onp.array([0.1, 0.2])]
    assert optim.clip_by_global_norm(1.0).update(g, ())[0][0] is g[0]


@pytest.mark.parametrize("rule", ["clip_by_value", "clip_by_global_norm"])
def test_clipping_lets_nan_through(rule: str) -> None:
    clip = optim.from_description({"name": rule, "limit": 1.0})
    clipped = clip.update([onp.array([math.nan, 3.0])], ())[0][0]
    assert math.isnan(clipped[0])


@each
def test_a_description_is_json_and_builds_the_same_rule(rule: optim.Optimizer) -> None:
    text = json.dumps(rule.describe())
    again = optim.from_description(json.loads(text))
    assert again.describe() == rule.describe()
    p = params()
    one = rule.step(grads(), rule.init(p), p)[0]
    other = again.step(grads(), again.init(p), p)[0]
    assert all(onp.array_equal(one[key], other[key]) for key in p)


def test_a_description_has_every_setting() -> None:
    assert optim.adam(1e-3).describe() == {
        "name": "adam",
        "rate": 0.001,
        "beta1": 0.9,
        "beta2": 0.999,
        "eps": 1e-08,
    }
    warm = optim.sgd(schedules.warm_up(schedules.cosine(0.1, steps=9), steps=3))
    assert warm.describe()["rate"]["then"] == {
        "name": "cosine",
        "rate": 0.1,
        "steps": 9,
        "final": 0.0,
    }
    assert repr(optim.chain(optim.sgd(0.1))) == "chain(sgd(rate=0.1))"


def halving(step: int) -> float:
    return 0.5**step


def test_any_function_of_the_step_is_a_rate_but_only_its_name_is_described() -> None:
    rule = optim.sgd(halving)
    g = [onp.array([1.0])]
    state = rule.init(g)
    seen = []
    for _ in range(3):
        updates, state = rule.update(g, state)
        seen.append(float(updates[0][0]))
    assert seen == [-1.0, -0.5, -0.25]
    description = rule.describe()
    assert description["rate"]["function"].endswith("halving")
    with pytest.raises(InputError, match="halving"):
        optim.from_description(description)


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"name": "adaam"}, "optimiser is 'adaam'.*adagrad, rmsprop, adam,.*\n.*did you mean adam"),
        ({}, "name of the optimiser is None"),
        ({"name": "adam", "speed": 3}, "'adam'.*speed"),
        ({"name": "sgd"}, "'sgd'.*rate"),
        (
            {"name": "sgd", "rate": {"name": "cosinus"}},
            "schedule is 'cosinus'.*\n.*did you mean cosine",
        ),
        ({"name": "sgd", "rate": -1}, "rate is -1"),
        ({"name": "momentum", "rate": 0.1, "momentum": 1.0}, "momentum is 1.0.*below 1"),
        ({"name": "adam", "beta2": 2}, "beta2 is 2"),
        ({"name": "adam", "rate": [1, 2]}, r"rate is \[1, 2\]"),
        ({"name": "clip_by_value", "limit": 0}, "limit is 0"),
        ({"name": ["adam"]}, r"name of the optimiser is \['adam'\]"),
        ({"name": "adamw", "biases": "no"}, "biases is 'no'; it must be True or False"),
        ({"name": "sgd", "rate": {}}, "name of the schedule is None"),
        ("adam", "description of the optimiser is 'adam'; it must be a mapping"),
    ],
)
def test_descriptions_that_cannot_be_built_are_named(description: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        optim.from_description(description)


def test_schedules_are_described_like_rules() -> None:
    cycle = schedules.one_cycle(0.4, steps=12, rising=0.5)
    again = schedule_from_description(json.loads(json.dumps(cycle.describe())))
    assert [again(t) for t in range(15)] == [cycle(t) for t in range(15)]


def test_gradients_of_other_parameters_are_refused() -> None:
    rule = optim.sgd(0.1)
    g, p = [onp.ones(2)], [onp.ones(2), onp.ones(3)]
    with pytest.raises(ShapeError, match="1 gradient arrays but 2 parameters"):
        rule.update(g, rule.init(p), p)
    with pytest.raises(ShapeError, match=r"gradient 0 has shape \(2,\) .* shape \(2, 1\)"):
        rule.step(g, rule.init(g), [onp.ones((2, 1))])
    with pytest.raises(ShapeError):
        optim.apply([onp.ones((2, 1))], g)


@pytest.mark.parametrize("name", ["momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"])
def test_a_state_of_other_parameters_is_refused(name: str) -> None:
    rule = optim.from_description({"name": name, "rate": 0.1})
    with pytest.raises(ShapeError, match="gradient 0 has shape"):
        rule.update([onp.ones(3)], rule.init([onp.ones(2)]))


def test_rules_that_look_at_parameters_ask_for_them() -> None:
    g = [onp.ones(2)]
    for rule in (
        optim.adamw(0.1),
        optim.weight_decay(0.1),
        optim.decoupled_weight_decay(0.1, 0.1),
    ):
        with pytest.raises(BacklitError, match="looks at the parameters"):
            rule.update(g, rule.init(g))


def test_chain_takes_optimisers_only() -> None:
    with pytest.raises(InputError, match="not an optimiser"):
        optim.chain(optim.sgd(0.1), 0.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("rate", [None, {}, "0.1", [0.1], True, -1, math.nan, math.inf, 1j])
@pytest.mark.parametrize("make", [optim.adam, optim.sgd, optim.momentum, optim.rmsprop])
def test_rates_that_are_none_are_named(make: Any, rate: Any) -> None:
    with pytest.raises(InputError, match="^rate is .*a finite number of at least 0, or a function"):
        make(rate)


def test_functions_that_are_no_rates_are_named() -> None:
    with pytest.raises(InputError, match=r"cannot be called with a step alone: .*'steps'"):
        optim.adam(optim.schedules.cosine)
    with pytest.raises(InputError, match="cannot be called with a step alone"):
        optim.sgd(lambda: 0.1)  # type: ignore[arg-type, misc]
    g = [onp.ones(2)]
    for wrong in (None, onp.ones(3), "fast", -0.1, math.nan):
        rule = optim.sgd(lambda step, wrong=wrong: wrong)  # type: ignore[misc]
        with pytest.raises(InputError, match="function returned .* for step 0; it must return a"):
            rule.update(g, rule.init(g))


def test_numbers_of_numpy_are_described_like_pythons() -> None:
    rule = optim.adam(onp.float64(0.5), beta1=onp.float32(0.5), eps=onp.array(0.25))
    assert json.loads(json.dumps(rule.describe())) == optim.adam(0.5, 0.5, eps=0.25).describe()


@pytest.mark.parametrize("params", [onp.array([1, 2]), onp.array([True, False]), onp.int64(3)])
def test_parameters_that_are_not_floats_are_refused_instead_of_cut(params: Any) -> None:
    updates = onp.full(onp.shape(params), 0.5)
    rule = optim.sgd(0.1)
    with pytest.raises(DTypeError, match="cannot hold the float64 it is updated to"):
        optim.apply([params], [updates])
    with pytest.raises(DTypeError, match="cannot hold"):
        rule.step([updates], rule.init([params]), [params])
    with pytest.raises(DTypeError, match="a parameter is float64, which cannot hold the complex"):
        optim.apply([updates], [updates * 1j])


def test_integers_are_refused_even_where_the_sum_is_whole() -> None:
    with pytest.raises(DTypeError, match="a parameter is int64"):
        optim.apply([onp.array([1])], [onp.array([1])])


def test_a_forgotten_init_is_named() -> None:
    g = [onp.ones(2)]
    for call in (optim.adam().update, optim.adam().step):
        with pytest.raises(InputError, match="the state is None\n.*init"):
            call(g, None, g)


def test_all_rules_are_known_by_name() -> None:
    assert set(RULES) <= set(optim.__all__)
