"""Question 4: the printed backward block, line by line."""

from __future__ import annotations

import math

import mpmath
import numpy as onp
import pytest
import q4
import q4_block

DIFFERENT = ["L = 2, all sizes different", "L = 3, all sizes different"]
SQUARE = ["L = 2, square, m = width", "L = 3, square, m = width"]
# Right or wrong, in the order the lines were printed.
PRINTED_VERDICTS = ["right", "wrong", "right", "wrong", "wrong", "right"]


def numeric_truth(net: q4_block.Net, step: float = 1e-6) -> tuple[list[onp.ndarray], ...]:
    """∂J/∂W, ∂J/∂b and m·∂J/∂Z by central differences, J written without the engine."""
    shifts = [onp.zeros((W.shape[0], net.m)) for W in net.W]

    def J() -> float:
        A = net.X
        for k, (W, b) in enumerate(zip(net.W, net.b, strict=True)):
            Z = W @ A + b + shifts[k]
            A = onp.tanh(Z)
        A = 1 / (1 + onp.exp(-Z))
        return -float((net.Y * onp.log(A) + (1 - net.Y) * onp.log(1 - A)).sum()) / net.m

    def differences(arrays: list[onp.ndarray], scale: float) -> list[onp.ndarray]:
        found = []
        for array in arrays:
            numeric = onp.zeros_like(array)
            for place in onp.ndindex(array.shape):
                before, ends = array[place], []
                for sign in (1, -1):
                    array[place] = before + sign * step
                    ends.append(J())
                array[place] = before
                numeric[place] = scale * (ends[0] - ends[1]) / (2 * step)
            found.append(numeric)
        return found

    return differences(net.W, 1), differences(net.b, 1), differences(shifts, net.m)


@pytest.mark.parametrize("name", q4_block.CONFIGURATIONS)
def test_what_the_lines_are_judged_by(name: str) -> None:
    net = q4_block.make_net(*q4_block.CONFIGURATIONS[name])
    t = q4_block.truth(net)
    for ours, numeric in zip((t.dW, t.db, t.dZ), numeric_truth(net), strict=True):
        for a, b in zip(ours[1:], numeric, strict=True):
            assert a == pytest.approx(b, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("name", [*DIFFERENT, *SQUARE])
def test_every_printed_line_gets_its_verdict(name: str) -> None:
    found = q4_block.verdicts(*q4_block.CONFIGURATIONS[name])
    outcomes = ["right" if printed.outcome == "right" else "wrong" for printed, _ in found]
    assert outcomes == PRINTED_VERDICTS
    assert all(repaired.outcome == "right" for _, repaired in found)
    assert [bool(line.repair) for line in q4_block.LINES] == [v == "wrong" for v in outcomes]


def test_the_lines_are_quoted_as_printed() -> None:
    assert [line.latex for line in q4_block.LINES] == [
        "dZ^{[L]}=A^{[L]}-Y",
        r"dW^{[L]}=\frac1m\,dZ^{[L]}{A^{[L]}}^{T}",
        r"db^{[L]}=\frac1m\,\operatorname{np.sum}"
        r"(dZ^{[L]},\operatorname{axis}=1,\operatorname{keepdims}=\operatorname{True})",
        r"dZ^{[L-1]}={dW^{[L]}}^{T}dZ^{[2]}g'^{[1]}(Z^{[1]})",
        r"dW^{[1]}=\frac1m\,dZ^{[1]}{A^{[1]}}^{T}",
        r"db^{[1]}=\frac1m\,\operatorname{np.sum}"
        r"(dZ^{[1]},\operatorname{axis}=1,\operatorname{keepdims}=\operatorname{True})",
    ]


@pytest.mark.parametrize("name", DIFFERENT)
def test_different_sizes_show_the_wrong_lines_by_shape(name: str) -> None:
    found = q4_block.verdicts(*q4_block.CONFIGURATIONS[name])
    assert all(found[k][0].error == math.inf for k in (1, 3, 4))


@pytest.mark.parametrize("name", SQUARE)
def test_square_layers_hide_them_from_shape_checks(name: str) -> None:
    found = q4_block.verdicts(*q4_block.CONFIGURATIONS[name])
    assert all(found[k][0].outcome == "wrong" for k in (1, 3, 4))
    assert all(0.01 < found[k][0].error < math.inf for k in (1, 3, 4))


def test_square_but_m_unlike_the_width_shows_the_missing_elementwise_product() -> None:
    found = q4_block.verdicts((3, 3, 3), 5)
    assert found[3][0].outcome == "shapes do not fit"
    assert found[1][0].outcome == found[4][0].outcome == "wrong"


def test_each_of_the_four_slips_alone_is_wrong() -> None:
    three, two = q4_block.one_slip_left(3), q4_block.one_slip_left(2)
    assert [three[slip].outcome for slip in q4_block.SLIPS] == ["wrong"] * 4
    # At L = 2 the indices agree.
    assert [two[slip].outcome for slip in q4_block.SLIPS] == ["wrong", "right", "right", "wrong"]


def test_dW_for_W_passes_every_shape_check() -> None:
    verdict = q4_block.only_dW_for_W()
    assert verdict.outcome == "wrong" and verdict.error > 0.1


def test_judging_reports_shapes() -> None:
    target = onp.zeros((2, 3))
    assert str(q4_block.judge(lambda: onp.zeros((3, 2)), target)) == "shape (3, 2), not (2, 3)"
    assert str(q4_block.judge(lambda: onp.ones((2, 3)), target)) == "wrong by 1"
    assert str(q4_block.judge(lambda: target @ target, target)) == "shapes do not fit"
    assert str(q4_block.judge(lambda: target, target)) == "right"


def test_the_lines_come_from_the_chain_rule() -> None:
    parts = q4_block.from_the_chain_rule()
    assert [p.jacobian_shape for p in parts] == [
        (2, 5, 2, 4),
        (2, 5, 2, 1),
        (2, 5, 4, 5),
        (4, 5, 4, 5),
    ]
    assert all(p.difference < 1e-14 for p in parts)


def test_for_which_losses_the_error_is_a_minus_y() -> None:
    found = {e.output: e for e in q4.output_errors()}
    assert len(found) == 4
    for name, e in found.items():
        assert e.off_formula < 1e-14
        if name == "sigmoid + half squared error":
            assert e.off_a_minus_y > 0.1 and "⊙" in e.formula
        else:
            assert e.off_a_minus_y < 1e-14


def test_the_replys_chain_rule() -> None:
    printed, right, engine = q4.chain_rule_as_printed(0.7)
    exact = float(mpmath.diff(lambda x: mpmath.sin(x**2), 0.7))
    assert right == pytest.approx(exact, rel=1e-12)
    assert engine == pytest.approx(exact, rel=1e-12)
    assert printed == pytest.approx(math.cos(0.7) * 1.4) and abs(printed - exact) > 0.1


@pytest.mark.parametrize("z", [40.0, 800.0])
def test_log_loss_at_one(z: float) -> None:
    e = q4.at_the_edge(z)
    assert e.a == 1.0 and e.naive == math.inf
    with mpmath.workdps(400):
        exact = mpmath.log(1 + mpmath.exp(z))
    assert e.stable == pytest.approx(float(exact), rel=1e-15)
    assert e.stable_slope == pytest.approx(1.0, rel=1e-15)


@pytest.mark.parametrize("z", [-3.0, 0.2, 2.0])
@pytest.mark.parametrize("y", [0.0, 1.0])
def test_both_forms_are_one_function(z: float, y: float) -> None:
    e = q4.at_the_edge(z, y)
    assert e.stable == pytest.approx(e.naive, rel=1e-12)
    assert e.stable_slope == pytest.approx(e.a - y, rel=1e-12)
    assert e.naive_slope == pytest.approx(e.a - y, rel=1e-12)


def test_logistic_regression_step_by_step() -> None:
    steps = {s.what: s for s in q4.logistic_regression()}
    for s in steps.values():
        assert s.by_engine == pytest.approx(s.value, rel=1e-12)
    assert steps["∂z/∂b"].by_engine == 1.0

    def loss(w1: float, w2: float, b: float) -> mpmath.mpf:
        return mpmath.log(1 + mpmath.exp(-(1.5 * w1 - 0.5 * w2 + b)))

    orders = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    exact = [float(mpmath.diff(loss, (0.4, 0.9, -0.3), order)) for order in orders]
    assert [*steps["dL/dw"].by_engine, steps["dL/db"].by_engine] == pytest.approx(exact, rel=1e-9)
