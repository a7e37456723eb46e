"""Question 1: the two-panel picture and the claims that travel with it."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath
import numpy as onp
import pytest
import q1

import backlit as bl
from backlit.core.tape import Tape
from backlit.explain import draw


def shown(f: Callable[..., Any], *args: Any, **options: Any) -> dict[str, tuple[str, str]]:
    """Return what a picture writes at each name: on the way forward, on the way back."""
    picture = draw(f, *args, **options).picture
    pairs = zip(picture.forward, picture.backward, strict=True)
    boxes = [(ahead, back) for ahead, back in pairs if ahead.kind != "local"]
    return {ahead.lines[0]: (ahead.lines[-1], back.lines[1]) for ahead, back in boxes}


def test_the_gate_sends_back_upstream_times_local() -> None:
    boxes = shown(q1.multiply, 3.0, -4.0, upstream=-2.0)
    assert boxes == {"x": ("3", "8"), "y": ("-4", "-6"), "z": ("-12", "-2")}


def test_the_picture_of_the_whole_graph_shows_values_and_gradients() -> None:
    x, y, w, step = 2.0, 0.3, 0.5, 1e-6

    def L(x: float, y: float, w: float) -> float:
        p = x * y
        return ((math.sin(p) + w) * p) ** 2

    boxes = shown(q1.branching, x, y, w)
    assert float(boxes["L"][0]) == pytest.approx(L(x, y, w), rel=1e-5)
    for k, name in enumerate("xyw"):
        moved = [[v + sign * step * (j == k) for j, v in enumerate((x, y, w))] for sign in (1, -1)]
        numeric = (L(*moved[0]) - L(*moved[1])) / (2 * step)
        assert float(boxes[name][1]) == pytest.approx(numeric, rel=1e-5)
    p, q = 0.6, math.sin(0.6) + 0.5
    both = 2 * q * p * (q + p * math.cos(p))
    assert float(boxes["p"][1]) == pytest.approx(both, rel=1e-5)
    assert "sum of 2 contributions" in str(draw(q1.branching, x, y, w))


def test_the_pictures_are_saved(tmp_path: Path) -> None:
    for path in q1.save_pictures(tmp_path / "new"):
        picture = ElementTree.parse(path).getroot()
        words = " ".join("".join(text.itertext()) for text in picture.iter() if "text" in text.tag)
        assert "Forward" in words and "Backward" in words and "∂L/∂" in words


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
