"""Losses: values against exact arithmetic, gradients against closed forms and differences."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as onp
import pytest

import backlit as bl
from backlit import nn
from backlit.core.errors import BacklitError, DTypeError, InputError, ShapeError

RNG = onp.random.default_rng(7)
Z2 = RNG.normal(size=(6, 3)) * 2
LABELS = onp.array([0, 2, 1, 1, 0, 2])
ONE_HOT = onp.eye(3)[LABELS]
BITS = onp.array([[0, 1, 1], [1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 0, 1], [0, 1, 0]])
REAL = RNG.normal(size=(6, 3))
WEIGHTS = onp.array([0.5, 2.0, 0.0, 1.0, 3.0, 0.25])

# Name, targets for predictions Z2, and the loss of one example (a row) written out plainly.
CASES: list[tuple[str, Any, Callable[[Any, Any], Any]]] = [
    (
        "cross_entropy",
        LABELS,
        lambda z, y: -math.log(math.exp(z[y]) / sum(math.exp(v) for v in z)),
    ),
    (
        "cross_entropy",
        ONE_HOT * 0.7 + 0.1,
        lambda z, y: (
            -sum(
                p * math.log(math.exp(v) / sum(math.exp(u) for u in z))
                for p, v in zip(y, z, strict=True)
            )
        ),
    ),
    (
        "binary_cross_entropy",
        BITS,
        lambda z, y: [
            -math.log(1 / (1 + math.exp(-v if bit else v))) for v, bit in zip(z, y, strict=True)
        ],
    ),
    ("mse", REAL, lambda z, y: [(v - t) ** 2 for v, t in zip(z, y, strict=True)]),
    (
        "half_squared_error",
        REAL,
        lambda z, y: sum((v - t) ** 2 for v, t in zip(z, y, strict=True)) / 2,
    ),
    ("mae", REAL, lambda z, y: [abs(v - t) for v, t in zip(z, y, strict=True)]),
    (
        "huber",
        REAL,
        lambda z, y: [
            (v - t) ** 2 / 2 if abs(v - t) <= 1 else abs(v - t) - 0.5
            for v, t in zip(z, y, strict=True)
        ],
    ),
    (
        "hinge",
        2 * BITS - 1,
        lambda z, y: [max(0.0, 1 - v * t) for v, t in zip(z, y, strict=True)],
    ),
    (
        "multiclass_hinge",
        LABELS,
        lambda z, y: max(0.0, 1 + max(v for j, v in enumerate(z) if j != y) - z[y]),
    ),
]
IDS = [f"{name}-{index}" for index, (name, _, _) in enumerate(CASES)]


@pytest.mark.parametrize(("name", "targets", "plain"), CASES, ids=IDS)
def test_values_weights_and_reductions(name: str, targets: Any, plain: Any) -> None:
    loss = nn.loss_function(name)
    expected = onp.array([plain(z, y) for z, y in zip(Z2, targets, strict=True)])
    wide = WEIGHTS.reshape(-1, *[1] * (expected.ndim - 1))
    close = {"rtol": 1e-12}
    onp.testing.assert_allclose(loss(Z2, targets, reduction="none"), expected, **close)
    onp.testing.assert_allclose(loss(Z2, targets, reduction="sum"), expected.sum(), **close)
    onp.testing.assert_allclose(loss(Z2, targets), expected.mean(), **close)
    onp.testing.assert_allclose(
        loss(Z2, targets, weights=WEIGHTS),
        onp.average(expected, weights=onp.broadcast_to(wide, expected.shape)),
        **close,
    )
    onp.testing.assert_allclose(
        loss(Z2, targets, weights=WEIGHTS, reduction="none"), expected * wide, **close
    )
    onp.testing.assert_allclose(
        loss(Z2, targets, weights=list(WEIGHTS), reduction="sum"), (expected * wide).sum(), **close
    )


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize(("name", "targets", "plain"), CASES, ids=IDS)
def test_gradients_match_central_differences(
    name: str, targets: Any, plain: Any, weights: Any
) -> None:
    loss = nn.loss_function(name)

    def total(z: Any) -> Any:
        return loss(z, targets, weights=weights)

    found = bl.grad(total)(Z2)
    step = 1e-6
    for index in onp.ndindex(Z2.shape):
        there, back = Z2.copy(), Z2.copy()
        there[index] += step
        back[index] -= step
        slope = (float(total(there)) - float(total(back))) / (2 * step)
        assert found[index] == pytest.approx(slope, abs=2e-9)


def test_closed_forms_of_the_gradient() -> None:
    m = len(Z2)
    p = onp.exp(Z2) / onp.exp(Z2).sum(1, keepdims=True)
    onp.testing.assert_allclose(
        bl.grad(nn.cross_entropy)(Z2, LABELS), (p - ONE_HOT) / m, rtol=1e-12, atol=1e-16
    )
    s = 1 / (1 + onp.exp(-Z2))
    onp.testing.assert_allclose(
        bl.grad(nn.binary_cross_entropy)(Z2, BITS), (s - BITS) / Z2.size, rtol=1e-12, atol=1e-16
    )
    onp.testing.assert_allclose(
        bl.grad(nn.half_squared_error)(Z2, REAL), (Z2 - REAL) / m, rtol=1e-13
    )


def test_gradients_at_the_kinks() -> None:
    zero = onp.zeros(1)
    # σ(0) − y, which the form with max and |z| only gives by luck of its conventions.
    assert bl.grad(nn.binary_cross_entropy)(zero, [1.0]) == -0.5
    assert bl.grad(nn.absolute_error)(zero, [0.0]) == 0.0
    assert bl.grad(nn.hinge)(onp.ones(1), [1.0]) == 0.0
    assert bl.grad(nn.huber)(onp.ones(1), [0.0]) == 1.0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("z", [0.0, -1e-3, 5.0, -40.0, 90.0, -750.0, 1e4])
def test_log_loss_is_stable_for_any_logit(z: float, dtype: str) -> None:
    eps = onp.finfo(dtype).eps
    for y in (0.0, 0.3, 1.0):
        with mpmath.workdps(5000 if abs(z) > 1000 else 400):
            s = 1 / (1 + mpmath.exp(-mpmath.mpf(z)))
            exact = float(-(y * mpmath.log(s) + (1 - y) * mpmath.log(1 - s)))
            slope = float(s - y)
        logit = onp.array([z], dtype)
        found, gradient = bl.value_and_grad(nn.binary_cross_entropy)(logit, [y])
        assert found.dtype == gradient.dtype == dtype
        # Rounding of |z| is all that is lost.
        assert abs(float(found) - exact) <= 4 * eps * max(1.0, abs(z))
        assert abs(float(gradient[0]) - slope) <= 4 * eps


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_small_log_loss_keeps_all_its_digits(dtype: str) -> None:
    kind = onp.dtype(dtype).type
    for z in (*onp.linspace(-80, 80, 33), 1e-8, -1e-8, 20.0, -20.0):
        for y in (0.0, 1.0, 0.25, 0.999):
            logit, target = kind(z), kind(y)
            with mpmath.workdps(200):
                s = 1 / (1 + mpmath.exp(-mpmath.mpf(float(logit))))
                t = mpmath.mpf(float(target))
                exact = float(-(t * mpmath.log(s) + (1 - t) * mpmath.log(1 - s)))
            found = float(nn.binary_cross_entropy(onp.array([logit]), onp.array([target])))
            assert abs(found - exact) <= 3 * onp.finfo(dtype).eps * exact, (z, y)


@pytest.mark.parametrize("delta", [0.5, 1.0, 3.0])
def test_huber_keeps_all_its_digits(delta: float) -> None:
    for r in (1e-160, 1e-3, 0.49999, 0.5, 0.9999, 3.0, 3.0001, 1e160):
        exact = mpmath.mpf(r)
        exact = exact**2 / 2 if r <= delta else delta * (exact - mpmath.mpf(delta) / 2)
        for sign in (1.0, -1.0):
            found = float(nn.huber(onp.array([sign * r]), onp.zeros(1), delta=delta))
            assert found == pytest.approx(float(exact), rel=4e-16)


def test_cross_entropy_is_stable_for_any_logits() -> None:
    z = onp.array([[1e4, 0.0, -1e4], [-750.0, -700.0, -800.0]], "float32")
    found, slope = bl.value_and_grad(nn.cross_entropy)(z, [2, 1])
    assert float(found) == pytest.approx(1e4, rel=1e-6)
    onp.testing.assert_allclose(slope, [[0.5, 0, -0.5], [0, 0, 0]], atol=1e-7)


def test_a_small_loss_keeps_its_digits_beside_large_logits() -> None:
    z = onp.array([[1000.0, 990.0]], "float32")
    assert float(nn.cross_entropy(z, [0])) == pytest.approx(math.log1p(math.exp(-10)), rel=1e-3)


def test_labels_in_more_dimensions() -> None:
    z = RNG.normal(size=(2, 4, 3))
    y = onp.array([[0, 1, 2, 0], [2, 2, 1, 0]])
    flat = nn.cross_entropy(z.reshape(8, 3), y.ravel(), reduction="none")
    onp.testing.assert_allclose(nn.cross_entropy(z, y, reduction="none").ravel(), flat)
    weights = onp.array([1.0, 3.0])
    expected = (flat.reshape(2, 4).mean(1) * weights).sum() / 4
    assert float(nn.cross_entropy(z, y, weights=weights)) == pytest.approx(expected)


def test_targets_without_the_single_output_axis_are_taken_as_a_column() -> None:
    z, y = onp.array([[1.0], [2.0]], "float32"), onp.array([0, 1])
    column = nn.binary_cross_entropy(z, y[:, None])
    assert nn.binary_cross_entropy(z, y) == column and column.dtype == onp.float32


def test_targets_never_widen_a_float32_loss() -> None:
    z = onp.ones((6, 3), "float32")
    for name, targets, _ in CASES:
        for weights in (None, WEIGHTS):
            value, slope = bl.value_and_grad(nn.LOSSES[name])(z, targets, weights=weights)
            assert value.dtype == slope.dtype == onp.float32, name


def test_half_squared_error_of_a_single_output() -> None:
    assert nn.half_squared_error([1.0, 2.0], [0.0, 4.0], reduction="none").tolist() == [0.5, 2.0]


def test_traced_distributions_are_not_checked_but_differentiated() -> None:
    slope = bl.grad(lambda y: nn.cross_entropy(Z2, y))(ONE_HOT)
    onp.testing.assert_allclose(slope, -nn.log_softmax(Z2) / len(Z2), rtol=1e-14)


def test_hubers_delta() -> None:
    found = nn.huber([0.5, 3.0], [0.0, 0.0], delta=2.0, reduction="none")
    assert found.tolist() == [0.125, 2 * (3 - 1)]
    with pytest.raises(InputError, match="delta is 0"):
        nn.huber([0.5], [0.0], delta=0)
    for wrong in ("a", math.nan, None):
        with pytest.raises(InputError, match="delta is"):
            nn.huber([0.5], [0.0], delta=wrong)  # type: ignore[arg-type]


BAD: list[tuple[str, Any, Any, dict[str, Any], type[BacklitError], str]] = [
    (
        "cross_entropy",
        onp.ones((3, 10)),
        [1, 10, 2],
        {},
        InputError,
        r"label 10 at \[1\] is out of"
        " range: 10 classes have labels from 0 to 9",
    ),
    ("cross_entropy", Z2, LABELS - 1, {}, InputError, r"label -1 at \[0\]"),
    ("multiclass_hinge", Z2, LABELS + 1, {}, InputError, r"label 3 at \[1\]"),
    ("cross_entropy", Z2, LABELS.astype(float), {}, DTypeError, "labels are float64"),
    ("cross_entropy", Z2, LABELS[:, None], {}, ShapeError, r"not \(6, 1\)"),
    ("cross_entropy", Z2, LABELS[:4], {}, ShapeError, r"labels of shape \(6,\)"),
    ("cross_entropy", Z2, BITS, {}, InputError, r"row \[0\] sums to 2"),
    ("cross_entropy", Z2, ONE_HOT * 2 - 1, {}, InputError, "between 0 and 1"),
    ("binary_cross_entropy", Z2, BITS * 2 - 1, {}, InputError, r"target\[0, 0\] is -1"),
    ("binary_cross_entropy", Z2[:, 0], [0, 1, onp.nan, 1, 0, 0], {}, InputError, r"\[2\] is nan"),
    ("binary_cross_entropy", Z2[:, :1], BITS[:5, 0], {}, ShapeError, r"targets \(5,\)"),
    ("hinge", Z2, BITS, {}, InputError, r"target\[0, 0\] is 0; hinge needs −1 and 1"),
    ("mse", Z2[:, 0], REAL[:, :1], {}, ShapeError, r"\(6,\) and targets \(6, 1\)"),
    ("mse", Z2, REAL, {"weights": [1, 2]}, ShapeError, r"weighted by an array of shape \(2,\)"),
    ("mse", Z2, REAL, {"weights": -WEIGHTS}, InputError, r"weight\[0\] is -0.5"),
    ("mse", Z2, REAL, {"weights": 0 * WEIGHTS}, InputError, "sum to 0"),
    ("mse", onp.ones((0, 2)), onp.ones((0, 2)), {}, InputError, "no example"),
    ("mse", Z2, REAL, {"reduction": "avg"}, InputError, "reduction is 'avg'"),
]


BAD += [
    ("cross_entropy", [[1.0, 2.0]], ["a"], {}, DTypeError, r"given \['a'\]; .* are numbers"),
    ("cross_entropy", [[1.0, 2.0]], None, {}, DTypeError, "given None"),
    ("mse", ["a"], [1.0], {}, DTypeError, r"given \['a'\]"),
    ("mse", Z2, REAL, {"reduction": ["mean"]}, InputError, r"reduction is \['mean'\]"),
]


@pytest.mark.parametrize(("name", "z", "y", "options", "kind", "message"), BAD)
def test_bad_targets_weights_and_options_are_named(
    name: str, z: Any, y: Any, options: Any, kind: Any, message: str
) -> None:
    with pytest.raises(kind, match=message):
        nn.LOSSES[name](z, y, **options)


def test_a_loss_can_be_named_like_its_function() -> None:
    for name, loss in nn.LOSSES.items():
        assert nn.loss_function(name) is loss
        assert nn.loss_function(loss.__name__) is loss


def test_an_unknown_loss_lists_the_choices() -> None:
    with pytest.raises(InputError, match="loss is 'crossentropy'.*mse.*\n.*mean cross_entropy"):
        nn.loss_function("crossentropy")


CHECKING = ["cross_entropy", "binary_cross_entropy", "hinge", "multiclass_hinge"]


@pytest.mark.parametrize("name", CHECKING)
def test_values_of_targets_are_looked_at_unless_told_not_to(name: str) -> None:
    loss = nn.LOSSES[name]
    for known, targets, _ in CASES:
        if known == name:
            plain = loss(Z2, targets, reduction="none")
            assert (loss(Z2, targets, reduction="none", check=False) == plain).all()
    wrong = LABELS - 1 if name in ("cross_entropy", "multiclass_hinge") else BITS * 3
    with pytest.raises(InputError):
        loss(Z2, wrong)
    loss(Z2, wrong, check=False)
    with pytest.raises(BacklitError):  # what costs nothing is looked at all the same
        loss(Z2, wrong[:3], check=False)


def test_labels_may_be_traced_by_shape() -> None:
    z, y = RNG.normal(size=(3, 5, 4)), RNG.integers(0, 4, (3, 5))
    for name in ("cross_entropy", "multiclass_hinge"):
        loss = nn.LOSSES[name]
        _, found = bl.scan(lambda carry, x, loss=loss: (carry, loss(*x)), 0.0, (z, y))
        onp.testing.assert_allclose(found, [loss(*pair) for pair in zip(z, y, strict=True)])


def test_traced_targets_and_weights_have_gradients_too() -> None:
    y, w = onp.array([0.2, 0.9]), onp.array([1.0, 2.0])
    z = onp.array([0.5, -1.5])
    by_target = bl.grad(lambda y: nn.binary_cross_entropy(z, y))(y)
    onp.testing.assert_allclose(by_target, -z / 2, rtol=1e-14)
    by_weight = bl.grad(lambda w: nn.squared_error(z, y, weights=w))(w)
    squares = (z - y) ** 2
    mean = (w * squares).sum() / w.sum()
    onp.testing.assert_allclose(by_weight, (squares - mean) / w.sum(), rtol=1e-13)
