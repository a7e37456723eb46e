"""Question 1: the two-panel picture and the claims that travel with it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as onp
import panels
import pytest
import q1

import backlit as bl
import backlit.numpy as np
from backlit.core.tape import Tape


def branches(x: Any, y: Any) -> Any:
    """A branch on a value, a value used three times, and one that is not used."""
    _ = np.cos(y)
    p = x * y
    if p > 0:
        p = p + x
    return np.exp(p) * p / (p**2 + 1.0)


def several_results(x: Any, y: Any) -> Any:
    """An operation with two results."""
    carry, ys = bl.scan(lambda c, t: (np.sin(c) + t, c * t), x, onp.array([0.3, 0.7]))
    return carry * y + ys.sum()


def picks(x: Any, W: Any) -> Any:
    """Indexing, stacking, a reduction, and constants that are arrays."""
    h = np.tanh(W[1:] @ np.stack([x, 2.0 * x]) + onp.array([0.1, 0.2]))
    return np.logsumexp(h) - h[0] * x


CASES: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (q1.gate, (2.0, 0.3)),
    (q1.branching, (2.0, 0.3, 0.5)),
    (q1.layer, q1.layer_arguments()),
    (branches, (0.8, 1.1)),
    (branches, (-0.8, 1.1)),
    (several_results, (0.4, 1.3)),
    (picks, (0.7, onp.arange(6.0).reshape(3, 2) / 5)),
]


@pytest.mark.parametrize(("f", "args"), CASES)
def test_the_picture_shows_the_gradient_at_every_input(
    f: Callable[..., Any], args: tuple[Any, ...]
) -> None:
    nodes = panels.two_panels(f, *args)
    inputs = [n for n in nodes if n.operation == "input"]
    step = 1e-6
    for k, (node, arg) in enumerate(zip(inputs, args, strict=True)):
        gradient = onp.zeros(onp.shape(arg)) if node.gradient is None else node.gradient
        for place in onp.ndindex(onp.shape(arg)):
            ends = []
            for sign in (1, -1):
                moved = onp.array(arg)
                moved[place] += sign * step
                ends.append(float(f(*args[:k], moved[()], *args[k + 1 :])))
            numeric = (ends[0] - ends[1]) / (2 * step)
            assert onp.asarray(gradient)[place] == pytest.approx(numeric, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize(("f", "args"), CASES)
def test_every_edge_sends_upstream_times_local(
    f: Callable[..., Any], args: tuple[Any, ...]
) -> None:
    nodes = panels.two_panels(f, *args)
    arrived: dict[str, Any] = {nodes[-1].name: 1.0}
    for node in reversed(nodes):
        for edge in node.edges:
            if edge.local is not None:
                sent = onp.tensordot(node.gradient, edge.local, axes=onp.ndim(node.gradient))
                assert edge.sent == pytest.approx(sent, rel=1e-12, abs=1e-15)
            arrived[edge.to] = arrived.get(edge.to, 0.0) + edge.sent
    for node in nodes:
        if node.gradient is None:
            assert node.name not in arrived
        else:
            assert node.gradient == pytest.approx(arrived[node.name], rel=1e-12, abs=1e-15)


def test_values_of_the_gate() -> None:
    nodes = {n.name: n for n in panels.two_panels(q1.gate, 2.0, 0.3)}
    assert nodes["z"].value == pytest.approx(0.6)
    assert nodes["z"].gradient == pytest.approx(math.cos(0.6))
    assert nodes["x"].gradient == pytest.approx(math.cos(0.6) * 0.3)
    assert nodes["y"].gradient == pytest.approx(math.cos(0.6) * 2.0)
    assert [(e.to, e.local) for e in nodes["z"].edges] == [("x", 0.3), ("y", 2.0)]


def test_the_picture_has_two_panels_and_every_edge() -> None:
    text = panels.draw(panels.two_panels(q1.branching, 2.0, 0.3, 0.5))
    head, rule, *rows = text.splitlines()
    assert "forward" in head and "backward" in head and "┼" in rule
    assert all(row.count("│") == 1 for row in rows)
    assert sum("sends" in row for row in rows) == 8
    assert "∂t1/∂p = 0.825336 sends 0.632655 to p" in text
    assert "p = multiply(x, y) = 0.6" in text


def test_an_unused_input_is_said_to_get_nothing() -> None:
    text = panels.draw(panels.two_panels(lambda x, y: x * 2.0, 1.0, 3.0))
    assert "y = 3" in text and "nothing comes back" in text


def test_chain_rules_agree_with_mpmath() -> None:
    two, three = q1.chain_rules(0.7)
    exact = mpmath.diff(lambda x: mpmath.exp(mpmath.sin(x)), 0.7)
    assert two.product == pytest.approx(float(exact), rel=1e-12)
    exact = mpmath.diff(lambda x: mpmath.exp(mpmath.sin(x**2)), 0.7)
    assert three.product == pytest.approx(float(exact), rel=1e-12)
    for rule in (two, three):
        assert rule.by_grad == pytest.approx(rule.product, rel=1e-14)
    assert (len(two.factors), len(three.factors)) == (2, 3)


def test_the_loop_step_by_step_by_hand() -> None:
    laps = q1.training_loop(laps=6, rate=2.0)
    assert laps[0].loss == pytest.approx(math.log(2))
    assert laps[0].gradient == pytest.approx([0.0, 0.0, 0.25])
    X = onp.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]], float)
    y, w = onp.array([0, 0, 0, 1.0]), onp.zeros(3)
    for lap in laps:
        a = 1 / (1 + onp.exp(-X @ w))
        assert lap.prediction == pytest.approx(a)
        gradient = X.T @ (a - y) / 4
        assert lap.gradient == pytest.approx(gradient, abs=1e-15)
        w = w - 2.0 * gradient
        assert lap.weights == pytest.approx(w, abs=1e-15)
    assert all(a.loss > b.loss for a, b in zip(laps, laps[1:], strict=False))


def test_each_norm_has_its_own_steepest_direction() -> None:
    found = {s.norm: s for s in q1.steepest(36_000)}
    g = onp.array([5.0, 10.0])
    # The smallest slope over the unit ball is minus the dual norm of the gradient.
    for name, dual in [("Euclidean", 2), ("max", 1), ("1-norm", onp.inf)]:
        s = found[name]
        assert s.slope == pytest.approx(-onp.linalg.norm(g, dual), rel=1e-12)
        assert s.searched == pytest.approx(s.exact, abs=2e-4)
    directions = {tuple(onp.round(s.exact, 6)) for s in found.values()}
    assert len(directions) == 3


def test_the_gradient_is_steepest_to_first_order_only() -> None:
    changes = q1.along_gradient([1e-4, 5.0])
    (_, first, true), (_, far_first, far_true) = changes
    assert true == pytest.approx(first, rel=1e-3)
    assert far_first < 0 < far_true


def test_inference_keeps_nothing_and_the_gradient_keeps_every_layer() -> None:
    found = q1.inference_and_training()
    assert found["inference"].type_seen == "ndarray" and found["inference"].peak < 5
    assert found["gradient"].type_seen == "Tracer" and found["gradient"].peak > 50


def test_inference_builds_no_tape(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []
    original = Tape.__init__

    def counting(self: Tape) -> None:
        built.append("tape")
        original(self)

    monkeypatch.setattr(Tape, "__init__", counting)
    arguments = q1.layer_arguments()
    q1.layer(*arguments)
    assert built == []
    bl.grad(q1.layer)(*arguments)
    assert built == ["tape"]


def test_gradient_descent_stays_on_the_maximum() -> None:
    assert q1.descend(0.0) == 0.0
    assert q1.descend(1e-6) == pytest.approx(1.0) and q1.descend(-0.2) == pytest.approx(-1.0)
    assert q1.double_well(0.0) > q1.double_well(1e-3) > q1.double_well(1.0)
    assert bl.grad(bl.grad(q1.double_well))(0.0) == -4.0


def test_partials_without_differentiability() -> None:
    r = q1.ridge_at_origin()
    assert r.partials == (0.0, 0.0)
    assert all(pair == (0.0, 0.0) for pair in r.quotients)
    assert all(value == 0.5 for _, value in r.diagonal)
    # Away from the origin the partials exist and run off to infinity on the way in.
    near = [abs(float(bl.grad(q1.ridge)(0.0, t))) for t in (1e-1, 1e-3, 1e-5)]
    assert near == pytest.approx([1e1, 1e3, 1e5])


def test_a_gradient_is_a_sensitivity_not_a_share() -> None:
    c = q1.contribution()
    assert abs(c.weighted_sum - c.loss) > 0.1
    assert c.predicted_change == pytest.approx(c.true_change, rel=1e-3)
    assert abs(c.removal_predicted - c.removal_true) > 0.01
