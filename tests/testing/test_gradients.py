"""`check_grads` and `gradient_report`: what they accept, what they reject, and what they say."""

from __future__ import annotations

from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.core.errors import DifferentiationError, DTypeError
from backlit.ops import elementwise as ew
from backlit.ops.families import elementwise
from backlit.ops.functions import unary_function
from backlit.testing import GradientCheckError, check_grads, gradient_report
from backlit.testing.differences import difference, join

RNG = onp.random.default_rng(5)
W, X = RNG.normal(size=(3, 2)), RNG.normal(size=(4, 3))


def network(w: Any, x: Any) -> Any:
    h = np.tanh(x @ w)
    return (np.relu(h - 0.1) ** 2).mean()


def rejected(f: Any, args: Any, **options: Any) -> str:
    with pytest.raises(GradientCheckError) as caught:
        check_grads(f, args, **options)
    return str(caught.value)


# --- what passes ------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2, 3])
def test_right_gradients_pass_in_any_order(order: int) -> None:
    check_grads(network, (W, X), order)


def test_float32_passes_with_float32_tolerances() -> None:
    check_grads(network, (W.astype("float32"), X.astype("float32")))


def test_trees_scalars_and_other_leaves_are_fine() -> None:
    def loss(model: Any, labels: Any, name: str) -> Any:
        z = model["w"] * model["scale"][0]
        assert name == "net"
        return {"loss": (z[labels] ** 3).sum(), "count": labels.size}

    check_grads(
        loss, ({"w": onp.array([1.0, 2.0]), "scale": [0.5, None]}, onp.array([0, 1]), "net")
    )


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_the_size_of_inputs_and_results_does_not_matter(scale: float) -> None:
    check_grads(lambda x: scale * np.sin(x), (0.7,))
    check_grads(lambda x: (x / scale) ** 2 * scale, (onp.array([1.3, -0.4]) * scale,))


def test_a_zero_derivative_is_a_derivative() -> None:
    check_grads(lambda x: np.floor(x) + 3.0, (0.5,))
    check_grads(lambda x: onp.float64(3.0), (0.5,))


def test_f_runs_a_number_of_times_that_does_not_depend_on_the_size() -> None:
    def count(size: int) -> int:
        calls = []

        def f(x: Any) -> Any:
            calls.append(1)
            return (x * x).sum()

        check_grads(f, (onp.linspace(0.5, 1.0, size),), order=1)
        return len(calls)

    assert count(2) == count(2000) < 30


# --- what fails, and the message --------------------------------------------------------------


def cut(x: Any) -> Any:
    y = np.sin(x)
    z = bl.stop_gradient(y) * x
    return z.sum()


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_a_lost_gradient_names_mode_element_and_line(mode: str) -> None:
    x = onp.array([0.1, 2.0, 0.2])
    message = rejected(cut, (x,), modes=(mode,))
    assert message.startswith(f"the {mode}-mode derivative of cut (order 1) is not what")
    assert "worst of 3 elements: x[1]: gradient 0.9092974268, by differences 0.077" in message
    assert "first operation that disagrees: stop_gradient" in message
    assert "z = bl.stop_gradient(y) * x" in message and "test_gradients.py" in message


def test_the_argument_is_named_by_its_path() -> None:
    def loss(model: Any, scale: float) -> Any:
        hidden = model["layers"][1] * scale
        return bl.stop_gradient(hidden[1, 0]) + hidden.sum()

    model = {"layers": [onp.ones(2), onp.array([[0.1, 0.2], [0.3, 0.4]])]}
    assert "model.layers.1[1, 0]: gradient 2, by differences 4" in rejected(loss, (model, 2.0))


def test_second_order_says_which_nesting() -> None:
    primitive = elementwise("frozen", onp.sin, lambda x, y: ew.stop_gradient(ew.cos(x)))
    try:
        frozen = unary_function(primitive, "")
        check_grads(frozen, (0.5,), order=1)
        assert "the forward over forward derivative of frozen (order 2)" in rejected(frozen, (0.5,))
        assert "reverse over reverse" in rejected(frozen, (0.5,), modes="reverse")
    finally:
        from backlit.core.primitive import registry

        del registry["frozen"]


def test_a_kink_is_called_one() -> None:
    message = rejected(lambda x: np.relu(x).sum(), (onp.array([1.0, 0.0]),))
    assert "x[1]: gradient 0, by differences 0.5" in message
    assert "first operation that disagrees: relu" in message
    assert "kink here: slope 0 on the left, 1 on the right" in message.replace("-0 ", "0 ")


def cancelling(x: Any) -> Any:
    return (x + 3e5) ** 2 - x**2 - 6e5 * x + x


def test_float32_is_named_when_it_is_the_culprit() -> None:
    message = rejected(cancelling, (onp.float32(0.3),))
    assert "float32: rounding hides the gradient; pass float64" in message
    check_grads(cancelling, (0.3,))


def test_float32_is_not_blamed_for_a_wrong_gradient() -> None:
    assert "rounding" not in rejected(cut, (onp.array([0.1, 2.0], "float32"),))


@pytest.mark.parametrize("factor", [1.001, -1.0, 0.0])
@pytest.mark.parametrize("slot", [0, 1])
def test_small_and_large_errors_in_either_operand_are_found(factor: float, slot: int) -> None:
    def wrong(a: Any, b: Any) -> Any:
        right = np.exp(a) * b
        part = (np.exp(a) * bl.stop_gradient(b), bl.stop_gradient(np.exp(a)) * b)[slot]
        # d part = the share of one operand; the value is unchanged.
        return right + (factor - 1.0) * (part - bl.stop_gradient(part))

    rejected(wrong, (onp.array([0.3, -0.2]), onp.array([1.5, 0.7])), order=1)


def test_results_that_change_under_tracing_are_reported() -> None:
    def shared(x: Any) -> Any:
        return x * 2.0 if type(x) in (float, onp.float64) else x * 3.0

    assert "in forward mode and [2.6] without" in rejected(shared, (1.3,))


def test_a_function_that_changes_by_itself_is_reported() -> None:
    calls = []

    def noisy(x: Any) -> Any:
        calls.append(1)
        return x * len(calls)

    assert "different results for the same arguments" in rejected(noisy, (1.0,))


def test_values_that_are_not_finite_are_reported() -> None:
    assert "log is not finite" in rejected(np.log, (-1.0,))


def test_a_gradient_that_is_nan_is_wrong() -> None:
    def f(x: Any) -> Any:
        return np.sqrt(x * 0.0) + x

    with onp.errstate(all="ignore"):
        assert "gradient nan, by differences 1" in rejected(f, (0.5,))


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: check_grads(np.sin, 1.0), DTypeError, "come as a tuple, not as a float"),
        (lambda: check_grads(np.sin, (1,)), DTypeError, "no floating-point argument"),
        (lambda: check_grads(np.sin, (1.0,), modes=("sideways",)), DifferentiationError, "modes"),
        (lambda: check_grads(np.sin, (1.0,), modes=()), DifferentiationError, "modes"),
        (lambda: check_grads(np.sin, (1.0,), order=0), DifferentiationError, "order is 1, 2"),
        (lambda: gradient_report(np.sin, (1.0,), mode="up"), DifferentiationError, "unknown mode"),
        (
            lambda: gradient_report(np.sin, (onp.zeros(0),)),
            DifferentiationError,
            "hold no elements",
        ),
    ],
)
def test_wrong_calls_are_explained(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        call()
    assert "test_gradients.py" in str(caught.value)


def test_the_error_is_an_assertion_error() -> None:
    assert issubclass(GradientCheckError, AssertionError)


def test_a_function_that_insists_on_float32_is_differenced_in_float32() -> None:
    def f(x: Any) -> Any:
        if x.dtype != onp.float32:
            raise TypeError("float32, please")
        return np.sin(x) * x

    check_grads(f, (onp.array([0.3, 1.1], "float32"),), order=1)
    rejected(lambda x: f(x) + bl.stop_gradient(x), (onp.array([0.3], "float32"),), order=1)


# --- the report -------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_the_report_holds_the_worst_element_and_the_curve(mode: str) -> None:
    report = gradient_report(lambda x: (x**3).sum(), (onp.array([[1.0, 2.0]]),), mode)
    assert report.agrees and report.mode == mode and report.dtype == "float64"
    assert (report.checked, report.elements) == (2, 2)
    assert report.operation is None and report.hint is None
    steps, errors = zip(*report.curve, strict=True)
    assert steps == tuple(10.0**-k for k in range(1, 13))
    # x³ at 2: the central difference is 12 + h², so the relative error at h = 0.1 is 0.01/12.
    if report.worst.index == (0, 1):
        assert errors[0] == pytest.approx(0.01 / 12.01, rel=1e-6)
    assert min(errors) < 1e-9 and errors[-1] > min(errors)


def test_the_report_prints_a_table() -> None:
    text = str(gradient_report(cut, (onp.array([0.1, 2.0]),)))
    assert text.startswith("gradient of cut, reverse mode, float64: DISAGREES with differences")
    assert "hint" not in text and "stop_gradient" in text
    assert sum("e-" in line and len(line.split()) == 2 for line in text.splitlines()) == 12


def test_the_curve_of_float32_turns_earlier() -> None:
    def best(dtype: str) -> float:
        report = gradient_report(np.exp, (onp.asarray(0.5, dtype)[()],))
        return min(report.curve, key=lambda point: point[1])[0]

    assert best("float32") > 10 * best("float64")


def test_results_that_are_not_scalars_are_weighted() -> None:
    report = gradient_report(lambda x: x @ W, (X,), "forward")
    assert report.agrees and report.elements == 12


def test_large_arguments_are_sampled() -> None:
    report = gradient_report(lambda x: (x * x).sum(), (onp.linspace(0.0, 1.0, 700),))
    assert (report.checked, report.elements) == (512, 700)
    assert "worst of 512 of 700 elements" in str(report)


# --- differences ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "x", "slope"),
    [
        (onp.exp, 1.0, onp.e),
        (onp.sin, 0.3, onp.cos(0.3)),
        (lambda x: x**9, 1.7, 9 * 1.7**8),
        (onp.log, 0.02, 50.0),
        (onp.sqrt, 1e-3, 0.5 / onp.sqrt(1e-3)),
    ],
)
def test_differences_are_good_to_ten_digits_and_know_their_error(
    f: Any, x: float, slope: float
) -> None:
    found = difference(lambda leaves: join([f(leaves[0])]), [x], [x])
    assert found.value[0] == pytest.approx(slope * x, rel=1e-10)
    assert abs(found.value[0] - slope * x) <= 10 * found.error[0] + 1e-12 * abs(slope * x)


def test_differences_of_float32_take_longer_steps() -> None:
    found = difference(lambda leaves: join([onp.exp(leaves[0])]), [onp.float32(1.0)], [1.0])
    assert found.value[0] == pytest.approx(onp.e, rel=1e-3)


def test_only_the_chosen_arguments_are_checked() -> None:
    def f(x: Any, y: Any) -> Any:
        return np.sin(x) * bl.stop_gradient(y)

    check_grads(f, (0.3, 1.2), argnums=0)
    check_grads(f, (0.3, 2), argnums=(0,))
    with pytest.raises(GradientCheckError):
        check_grads(f, (0.3, 1.2), argnums=(0, 1))
    with pytest.raises(GradientCheckError):
        check_grads(f, (0.3, 1.2))
    with pytest.raises(DTypeError, match="no floating-point argument"):
        check_grads(f, (0.3, 1), argnums=1)
    with pytest.raises(DifferentiationError, match="check_grads of f asks for argument 2"):
        check_grads(f, (0.3, 1.2), argnums=2)
