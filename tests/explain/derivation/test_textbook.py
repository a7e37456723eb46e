"""Derivations come out as the textbooks have them; what is expected is written in LaTeX."""

from __future__ import annotations

from typing import Any

import numpy as onp
import pytest

import backlit.numpy as np
from backlit import nn
from backlit.core.aval import AbstractValue
from backlit.core.errors import DifferentiationError, InputError
from backlit.explain.derivation.checking import numbers_of, worked_out
from backlit.explain.derivation.sheet import Line, Sheet
from backlit.explain.derive import second, sheet, tangents
from backlit.explain.equation.text.parser import parse_expression
from backlit.explain.equation.text.printing import unicode
from backlit.explain.equation.text.vocabulary import Vocabulary
from backlit.explain.equation.tree import Derivative, Name, Node
from tests.explain.derivation import networks


def read(text: str, derivation: Sheet) -> tuple[Node, ...]:
    nodes = [node for e in derivation.equations() for node in (e.left, e.right)]
    return parse_expression(text, Vocabulary.of(*nodes))


def says(line: Line, expected: str, derivation: Sheet) -> bool:
    return line.right in read(expected, derivation)


def check(derivation: Sheet, expected: dict[str, str]) -> None:
    for name, text in expected.items():
        line = derivation.gradient(name)
        assert says(line, text, derivation), f"d{name} = {line.right}, not {text}"


def program(derivation: Sheet) -> dict[str, Line]:
    return {line.left.base: line for line in derivation.forward if isinstance(line.left, Name)}


def test_the_users_lines_come_out_as_they_were_written() -> None:
    found = sheet(networks.two_layers, *networks.two_layer_arguments())
    lines = program(found)
    expected = {
        "Z1": "W1 X + b1",
        "A1": r"\tanh(Z1)",
        "Z2": "W2 A1 + b2",
        "A2": r"\sigma(Z2)",
    }
    for name, text in expected.items():
        assert says(lines[name], text, found)
    assert list(lines) == [*expected, "J"]
    assert lines["Z1"].source is not None
    assert lines["Z1"].source.text() == "Z1 = W1 @ X + b1"


def test_logistic_neuron() -> None:
    found = sheet(networks.neuron, 0.5, 0.1, 2.0, 1.0, wrt=["w", "b"])
    check(
        found,
        {
            "a": r"\frac{a - y}{a (1 - a)}",
            "z": "a - y",
            "w": "(a - y) x",
            "b": "a - y",
        },
    )


def test_steps_of_the_logistic_neuron_lead_from_the_chain_rule_to_a_minus_y() -> None:
    found = sheet(networks.neuron, 0.5, 0.1, 2.0, 1.0, wrt="w")
    steps = found.gradient("z").steps
    written = [
        ("chain rule", r"\frac{\partial L}{\partial a} \sigma'(z)"),
        ("local derivative", r"\frac{\partial L}{\partial a} (\sigma(z) (1 - \sigma(z)))"),
        ("name", r"\frac{\partial L}{\partial a} (a (1 - a))"),
        ("substitute", r"\frac{a - y}{a (1 - a)} (a (1 - a))"),
        ("collect", "a - y"),
    ]
    assert [step.rule for step in steps] == [rule for rule, _ in written]
    for step, (_, text) in zip(steps, written, strict=True):
        assert step.right in read(text, found)


def test_vectorised_equations_with_the_mean_in_dz() -> None:
    wrt = ["W1", "b1", "W2", "b2"]
    found = sheet(networks.two_layers, *networks.two_layer_arguments(), wrt=wrt)
    assert found.counts == {"m": 5}
    check(
        found,
        {
            "Z2": r"\frac{1}{m} (A2 - Y)",
            "W2": r"\frac{\partial J}{\partial Z2} A1^T",
            "b2": r"\operatorname{sum}(\frac{\partial J}{\partial Z2}, axis=1, keepdims=True)",
            "A1": r"W2^T \frac{\partial J}{\partial Z2}",
            "Z1": r"(W2^T \frac{\partial J}{\partial Z2}) \odot (1 - A1^2)",
            "W1": r"\frac{\partial J}{\partial Z1} X^T",
            "b1": r"\operatorname{sum}(\frac{\partial J}{\partial Z1}, axis=1, keepdims=True)",
        },
    )


def test_squared_error_with_examples_in_rows() -> None:
    arguments = networks.drawn((4, 3), (3, 2), (5, 4), (5, 2))
    found = sheet(networks.squares, *arguments, wrt=["W1", "W2"])
    check(
        found,
        {
            "P": "P - Y",
            "W2": r"A1^T \frac{\partial L}{\partial P}",
            "Z1": r"(\frac{\partial L}{\partial P} W2^T) \odot (A1 \odot (1 - A1))",
            "W1": r"X^T \frac{\partial L}{\partial Z1}",
        },
    )


def test_softmax_and_cross_entropy_give_p_minus_y_where_the_rows_add_up_to_one() -> None:
    W, X, Y = networks.drawn((3, 4), (5, 3), (5, 4))
    found = sheet(networks.softmax_regression, W, X, Y, wrt="W")
    total = r"\operatorname{sum}(Y, axis=1, keepdims=True)"
    check(found, {"Z": rf"\frac{{1}}{{m}} (P \odot {total} - Y)"})
    assert found.conditions == ()
    one_hot = onp.eye(4)[[0, 3, 1, 1, 2]]
    found = sheet(networks.softmax_regression, W, X, one_hot, wrt="W")
    check(found, {"Z": r"\frac{1}{m} (P - Y)", "W": r"X^T \frac{\partial J}{\partial Z}"})
    (condition,) = found.conditions
    assert condition.left in read(total, found) and condition.outcome == 1


def test_attention() -> None:
    arguments = networks.drawn((3, 2), (4, 2), (4, 2), (3, 2))
    found = sheet(networks.attention, *arguments, wrt=["Q", "K", "V"])
    dA, dS, dU = (rf"\frac{{\partial L}}{{\partial {k}}}" for k in "ASU")
    check(
        found,
        {
            "U": "2 (U - T)",
            "V": rf"A^T {dU}",
            "A": rf"{dU} V^T",
            "S": rf"A \odot ({dA} - \operatorname{{sum}}({dA} \odot A, axis=1, keepdims=True))",
            "Q": rf"{dS} K",
            "K": rf"{dS}^T Q",
        },
    )


def test_batch_norm() -> None:
    arguments = networks.drawn((5, 3), (3,), (3,), (5, 3))
    found = sheet(networks.batch_norm, *arguments, wrt=["x", "gamma", "beta"])
    dy, dn = (rf"\frac{{\partial L}}{{\partial {k}}}" for k in "yn")
    check(
        found,
        {
            "beta": rf"\operatorname{{sum}}({dy}, axis=0)",
            "gamma": rf"\operatorname{{sum}}({dy} \odot n, axis=0)",
            "n": rf"{dy} \odot gamma",
            "s": rf"-\operatorname{{sum}}({dn} \odot \frac{{n}}{{s}}, axis=0)",
            "v": r"\frac{\partial L}{\partial s} \odot \frac{1}{2 s}",
        },
    )


def test_loops_count_their_turns() -> None:
    arguments = networks.drawn((3, 3), (3, 2), (3,), (2, 2), (3,))
    found = sheet(networks.recurrent, *arguments, wrt=["W", "U", "b"])
    dt1, dt2 = (rf"\frac{{\partial L}}{{\partial t{k}}}" for k in (5, 10))
    check(
        found,
        {
            "h[2]": "h^{[2]} - y",
            "t10": r"(h^{[2]} - y) \odot (1 - (h^{[2]})^2)",
            "h[1]": rf"W^T {dt2}",
            "b": rf"{dt2} + {dt1}",
            "W": rf"{dt2} (h^{{[1]}})^T",
        },
    )


def test_quadratic_form_and_divergence() -> None:
    found = sheet(networks.quadratic, *networks.drawn((3,), (3, 3), (3,)), wrt="x")
    check(found, {"x": r"\frac{1}{2} (x A + A x) - b"})
    found = sheet(networks.divergence, *networks.drawn((3,), (3,)))
    check(found, {"mu": "mu", "s": r"\frac{1}{2} \exp(s) - \frac{1}{2}"})


def test_models_are_named_by_their_paths() -> None:
    model = nn.MLP([4, 3, 2], seed=0, dtype="float64")
    (X,) = networks.drawn((5, 4))
    found = sheet(networks.classifier, model, X, onp.array([0, 1, 1, 0, 1]), wrt="model")
    dZ1, dZ2 = (rf"\frac{{\partial L}}{{\partial Z^{{[{k}]}}}}" for k in (1, 2))
    softmax = r"\operatorname{softmax}(Z^{[2]}, axis=1)"
    check(
        found,
        {
            "Z[2]": rf"\frac{{1}}{{m}} ({softmax} - \operatorname{{onehot}}(Y, 2))",
            "W[2]": rf"A^T {dZ2}",
            "b[2]": rf"\operatorname{{sum}}({dZ2}, axis=0)",
            "Z[1]": rf"(Z^{{[1]}} > 0) \odot ({dZ2} (W^{{[2]}})^T)",
            "W[1]": rf"X^T {dZ1}",
        },
    )
    paths = [argument.path for argument in found.arguments]
    assert paths[:2] == ["model.layers.0.W", "model.layers.0.b"]


def test_log_loss_from_logits_gives_sigmoid_minus_target() -> None:
    model = nn.MLP([4, 3, 1], "tanh", seed=0, dtype="float64")
    (X,) = networks.drawn((5, 4))
    found = sheet(networks.detector, model, X, onp.array([0, 1, 1, 0, 1]), wrt="model")
    check(found, {"Z[2]": r"\frac{1}{m} (\sigma(Z^{[2]}) - targets)"})


def test_what_has_no_name_and_is_used_again_gets_one() -> None:
    arguments = networks.drawn((4, 2), (2,), (5, 4), (5, 2))
    found = sheet(networks.unnamed, *arguments, wrt=["W", "b"])
    assert list(program(found)) == ["t2", "L"]
    assert found.counts == {"N": 10}  # of all elements, not of examples
    check(found, {"t2": r"\frac{2}{N} ((\tanh(t2) - y) \odot (1 - \tanh(t2)^2))"})


def test_branches_become_conditions() -> None:
    found = sheet(networks.branched, 2.0)
    (condition,) = found.conditions
    assert condition.left in read("x > 0", found) and condition.outcome is True
    assert condition.source is not None and condition.source.text() == "if x > 0:"
    check(found, {"x": "2 x"})
    check(sheet(networks.branched, -2.0), {"x": "-1"})


def test_a_choice_keeps_the_product_it_guards() -> None:
    found = sheet(networks.guarded, onp.array([1.0, 2.0, 3.0]))
    check(found, {"x": r"\operatorname{where}(x > 0, \frac{1}{2 \sqrt{x}}, 0)"})


# --- other derivations ------------------------------------------------------------------------


def test_tangents_travel_with_the_values() -> None:
    found = tangents(networks.neuron, 0.5, 0.1, 2.0, 1.0, wrt="w")
    lines = {line.left.target: line for line in found.backward if isinstance(line.left, Derivative)}
    assert says(lines[Name("z")], "x", found)
    assert says(lines[Name("a")], "x (a (1 - a))", found)
    assert says(lines[Name("L")], "x (a - y)", found)
    found = tangents(networks.two_layers, *networks.two_layer_arguments(), wrt="W1")
    first = found.backward[0]
    assert says(first, r"\frac{\partial W1}{\partial t} X", found)


def test_second_derivatives_of_the_logistic_neuron() -> None:
    found = second(networks.neuron, 0.5, 0.1, 2.0, 1.0, wrt="w", others=["w", "b"])
    assert [line.left for line in found.forward] == [Name("z"), Name("a"), Name("g")]
    assert says(found.forward[-1], "(a - y) x", found)
    check(
        found,
        {
            "z": "x (a (1 - a))",
            "w": r"\frac{\partial g}{\partial z} x",
            "b": r"\frac{\partial g}{\partial z}",
        },
    )


def test_before_there_is_data_shapes_are_enough() -> None:
    shapes = [AbstractValue(a.shape, a.dtype) for a in networks.two_layer_arguments()]
    wrt = ["W1", "b1", "W2", "b2"]
    symbolic = sheet(networks.two_layers, *shapes, wrt=wrt, abstract=True)
    numeric = sheet(networks.two_layers, *networks.two_layer_arguments(), wrt=wrt)
    assert list(symbolic.equations()) == list(numeric.equations())


# --- errors -----------------------------------------------------------------------------------


def test_an_array_is_no_loss() -> None:
    with pytest.raises(DifferentiationError, match="one real number"):
        sheet(lambda x: np.sin(x), onp.ones(3))


def test_a_constant_has_no_derivation() -> None:
    with pytest.raises(DifferentiationError, match="constant"):
        sheet(lambda x: 3.0, 1.0)


@pytest.mark.parametrize("wrt", ["V", ["w", "V"]])
def test_an_unknown_argument_is_named_with_those_there_are(wrt: Any) -> None:
    with pytest.raises(InputError, match="called 'V'") as caught:
        sheet(networks.neuron, 0.5, 0.1, 2.0, 1.0, wrt=wrt)
    assert "w, b, x, y" in str(caught.value)


def test_one_argument_moves_in_forward_mode() -> None:
    model = nn.MLP([4, 3, 2], seed=0, dtype="float64")
    arguments = (model, networks.drawn((5, 4))[0], onp.array([0, 1, 1, 0, 1]))
    with pytest.raises(InputError, match="several"):
        tangents(networks.classifier, *arguments, wrt="model")


def test_second_derivatives_need_one_number() -> None:
    arguments = networks.two_layer_arguments()
    with pytest.raises(InputError, match=r"no element \(5, 0\)"):
        second(networks.two_layers, *arguments, wrt="W1", index=(5, 0))
    with pytest.raises(InputError, match="6 derivatives"):
        second(networks.two_layers, *arguments, wrt=["W1", "b1", "W2", "b2", "X", "Y"])


def normalised(x: Any, g: Any) -> Any:
    z = x - np.mean(x, axis=0)
    s = np.std(x, axis=0)
    L = np.sum((g * z / s) ** 3)
    return L


def test_a_deviation_of_zero_is_excluded_by_a_condition_not_by_a_where() -> None:
    x, g = networks.drawn((4, 3), (3,))
    found = sheet(normalised, x, g)
    assert not any("where" in unicode(line.equation) for line in found.lines)
    assert [unicode(c.left) for c in found.conditions] == ["s ≠ 0"]
    assert "as long as s ≠ 0" in str(found) and "guard" in str(found)
    flat = x.copy()
    flat[:, 1] = 7.0
    with onp.errstate(all="ignore"), pytest.raises(InputError, match="derivation holds only"):
        worked_out(found, (flat, g))


def test_a_guard_that_is_needed_at_the_arguments_stays() -> None:
    def length(x: Any, y: Any) -> Any:
        r = np.hypot(x, y)
        L = np.sum(r**2)
        return L

    x, y = onp.array([3.0, 0.0]), onp.array([4.0, 0.0])
    open_ = sheet(length, x + 1, y, wrt="x").gradient("x")
    kept = sheet(length, x, y, wrt="x")
    assert "where" not in unicode(open_.right) and "where" in unicode(kept.gradient("x").right)
    values = worked_out(kept, (x, y))
    onp.testing.assert_allclose(numbers_of(values.of(kept.gradient("x").left)), 2 * x, rtol=1e-15)
    before = sheet(length, x, y, wrt="x", abstract=True)
    assert [unicode(c.left) for c in before.conditions] == ["r ≠ 0"]


def test_a_choice_of_the_program_stays_a_choice() -> None:
    def safe(x: Any) -> Any:
        L = np.sum(np.where(x == 0, 1.0, np.sin(x) / np.where(x == 0, 1.0, x)))
        return L

    found = sheet(safe, onp.array([0.5, 2.0]))
    assert "where(x == 0" in unicode(found.backward[-1].right) and not found.conditions


def stacked(k: Any, x: Any) -> Any:
    s = np.stack([np.sum(k * x[i : i + 2]) for i in range(3)])
    L = np.sum(s**2)
    return L


def test_a_stack_has_one_name_and_its_parts_are_elements() -> None:
    found = sheet(stacked, *networks.drawn((2,), (4,)))
    assert [unicode(line.left) for line in found.forward] == ["s", "L"]
    right = unicode(found.gradient("k").right)
    assert right.count("(∂L/∂s)[") == 3 and "[0:1]" not in right and "[0]" in right


def test_signs_are_in_front_and_kept_axes_dropped() -> None:
    def centred(x: Any) -> Any:
        z = x - np.mean(x, keepdims=True)
        L = np.sum(z**3)
        return L

    found = sheet(centred, onp.array([0.5, -1.0, 2.0]))
    assert unicode(found.gradient("x").right) == "∂L/∂z - (∑ ∂L/∂z)/m"


def test_a_sum_over_one_index_is_a_product() -> None:
    def f(W: Any, x: Any) -> Any:
        L = np.sum(np.sum(W * x, axis=1) ** 2)
        return L

    W, x = networks.drawn((3, 2), (2,))
    found = second(f, W, x, wrt="W", index=(1, 0), others=["W", "x"])
    assert any("matrix product" in [s.rule for s in line.steps] for line in found.backward)
    values = worked_out(sheet(f, W, x), (W, x))
    onp.testing.assert_allclose(
        numbers_of(values.of(sheet(f, W, x).gradient("W").left)), 2 * onp.outer(W @ x, x)
    )
