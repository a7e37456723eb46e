"""Tangents, second derivatives, layouts, elements: other views have the values they must."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit import nn
from backlit.core.errors import InputError
from backlit.core.primitive import registry
from backlit.explain.derivation.checking import Values, bound, numbers_of, worked_out
from backlit.explain.derivation.indices import indexed, with_ranges
from backlit.explain.derivation.layouts import (
    examples_turned,
    in_convention,
    numerator,
    per_example,
)
from backlit.explain.derivation.sheet import Sheet
from backlit.explain.derive import modes, second, sheet, tangents
from backlit.explain.equation.text.parser import parse_expression
from backlit.explain.equation.text.vocabulary import Vocabulary
from backlit.explain.equation.tree import Derivative, Name, Node
from backlit.testing.registry import FORWARD_ONLY, instances
from tests.explain.derivation import networks
from tests.explain.derivation.reading import close, read_back

WEIGHTS = ["W1", "b1", "W2", "b2"]
FUNCTIONS: dict[str, tuple[Callable[..., Any], Callable[[], list[Any]]]] = {
    "two layers": (networks.two_layers, networks.two_layer_arguments),
    "squares": (networks.squares, lambda: networks.drawn((4, 3), (3, 2), (5, 4), (5, 2))),
    "softmax": (networks.softmax_regression, lambda: networks.drawn((3, 4), (5, 3), (5, 4))),
    "attention": (networks.attention, lambda: networks.drawn((3, 2), (4, 2), (4, 2), (3, 2))),
    "batch norm": (networks.batch_norm, lambda: networks.drawn((5, 3), (3,), (3,), (5, 3))),
    "recurrent": (
        networks.recurrent,
        lambda: networks.drawn((3, 3), (3, 2), (3,), (2, 2), (3,)),
    ),
    "quadratic": (networks.quadratic, lambda: networks.drawn((3,), (3, 3), (3,))),
    "neuron": (networks.neuron, lambda: [0.3, -0.2, 1.7, 0.4]),
}
ALL = pytest.mark.parametrize("name", sorted(FUNCTIONS))


def value_of(values: Values, target: Name, wrt: Name) -> Any:
    node = bound(Derivative(target, wrt))
    assert isinstance(node, Derivative)
    return numbers_of(values.derivatives[node])


# --- forward mode -----------------------------------------------------------------------------


@ALL
def test_tangents_are_those_of_jvp(name: str) -> None:
    f, arguments = FUNCTIONS[name]
    args = arguments()
    derivation = tangents(f, *args, wrt=str(sheet(f, *args).arguments[0].name.base))
    fresh = arguments()
    direction = networks.RNG.normal(size=onp.shape(fresh[0]))
    moved = derivation.arguments[0].name
    time = derivation.backward[0].left.wrt  # type: ignore[attr-defined]
    given = {Derivative(moved, time): direction} if onp.shape(fresh[0]) else {}
    values = followed(derivation, fresh, given)
    found = value_of(values, derivation.target, time)
    dots = [onp.zeros(onp.shape(a)) for a in fresh]
    dots[0] = direction if onp.shape(fresh[0]) else onp.ones(())
    expected = bl.jvp(f, tuple(fresh), tuple([d[()] for d in dots]))[1]
    assert close(found, expected)


def followed(derivation: Sheet, args: list[Any], given: dict[Derivative, Any]) -> Values:
    """Work out a derivation that is read back, with some derivatives given."""
    start = worked_out(derivation, args, equations=[])
    start.derivatives.update({bound(k): v for k, v in given.items()})  # type: ignore[misc]
    return start.follow(read_back(derivation))


@pytest.mark.parametrize("name", sorted(FORWARD_ONLY))
def test_tangents_of_what_has_no_reverse_mode(name: str) -> None:
    for instance in instances(registry[name]):
        if any(onp.asarray(a).dtype == onp.float32 for a in instance.args):
            continue

        def f(t: Any, instance: Any = instance) -> Any:
            *rest, last = instance.operands
            return np.sum(instance(*rest, last * t)[0])

        derivation = tangents(f, 1.0, wrt="t")
        values = followed(derivation, [1.1], {})
        found = value_of(values, derivation.target, derivation.arguments[0].name)
        assert close(found, bl.jvp(f, (1.1,), (1.0,))[1])


# --- second derivatives -----------------------------------------------------------------------


@ALL
def test_second_derivatives_are_a_row_of_the_hessian(name: str) -> None:
    f, arguments = FUNCTIONS[name]
    args, fresh = arguments(), arguments()
    first = sheet(f, *args).arguments[0].name
    index = tuple([n - 1 for n in onp.shape(args[0])])
    derivation = second(f, *args, wrt=first.base, index=index, others=first.base)
    values = followed(derivation, fresh, {})
    found = value_of(values, derivation.target, first)
    expected = onp.asarray(bl.hessian(f)(*fresh))[index]
    assert close(found, expected)


# --- conventions ------------------------------------------------------------------------------


@ALL
def test_numerator_layout_transposes_the_derivatives_of_matrices(name: str) -> None:
    f, arguments = FUNCTIONS[name]
    plain = sheet(f, *arguments())
    turned = numerator(plain)
    fresh = arguments()
    expected, found = (followed(d, fresh, {}) for d in (plain, turned))
    for argument in plain.arguments:
        a = value_of(expected, plain.target, argument.name)
        assert close(value_of(found, plain.target, argument.name), a.T)


@pytest.mark.parametrize("name", ["two layers", "squares", "softmax", "attention", "batch norm"])
def test_examples_in_rows_or_columns(name: str) -> None:
    f, arguments = FUNCTIONS[name]
    plain = sheet(f, *arguments())
    turned = examples_turned(plain)
    fresh = arguments()
    expected = followed(plain, fresh, {})
    found = followed(turned, [a.T if onp.ndim(a) == 2 else a for a in fresh], {})
    for argument in plain.arguments:
        a = value_of(expected, plain.target, argument.name)
        assert close(value_of(found, plain.target, argument.name), a.T)


def test_a_program_in_rows_becomes_the_textbooks_columns() -> None:
    f, arguments = FUNCTIONS["squares"]
    turned = examples_turned(sheet(f, *arguments(), wrt=["W1", "W2"]))
    assert turned.forward[0].right in read("W1 X", turned)
    assert turned.gradient("W2").right in read(r"\frac{\partial L}{\partial P} A1^T", turned)


def test_conventions_are_asked_for_by_name() -> None:
    plain = sheet(networks.two_layers, *networks.two_layer_arguments(), wrt=WEIGHTS)
    assert in_convention(plain) is plain and plain.layout == "denominator"
    turned = in_convention(plain, layout="numerator", turn_examples=True, averaged=False)
    assert turned.layout == "numerator" and "numerator layout" in str(turned)
    assert turned.gradient("W1").shape == (3, 2)  # of W1ᵀ in rows
    with pytest.raises(InputError, match="no layout"):
        in_convention(plain, layout="rows")


def test_per_example_derivatives_put_one_over_m_into_the_weights() -> None:
    args = networks.two_layer_arguments()
    found = per_example(sheet(networks.two_layers, *args, wrt=WEIGHTS))
    expected = {
        "Z2": "A2 - Y",
        "W2": r"\frac{1}{m} (dZ2 A1^T)",
        "b2": r"\frac{1}{m} \operatorname{sum}(dZ2, axis=1, keepdims=True)",
        "Z1": r"(W2^T dZ2) \odot (1 - A1^2)",
        "W1": r"\frac{1}{m} (dZ1 X^T)",
        "b1": r"\frac{1}{m} \operatorname{sum}(dZ1, axis=1, keepdims=True)",
    }
    lines = {line.left.wrt.base: line for line in found.backward}  # type: ignore[attr-defined]
    for name, text in expected.items():
        assert lines[name].right in read(text, found)
    values, plain = followed(found, args, {}), followed(sheet(networks.two_layers, *args), args, {})
    for name, factor in (("Z2", 5), ("Z1", 5), ("W1", 1), ("b2", 1)):
        mine = [v for k, v in values.derivatives.items() if k.wrt == Name(name)]
        assert close(mine[0], factor * value_of(plain, found.target, Name(name)))


def read(text: str, derivation: Sheet) -> tuple[Node, ...]:
    nodes = [node for e in derivation.equations() for node in (e.left, e.right)]
    return parse_expression(text, Vocabulary.of(*nodes))


# --- as text and as data ----------------------------------------------------------------------


def test_a_derivation_prints_its_equations_and_steps() -> None:
    args = networks.two_layer_arguments()
    found = sheet(networks.two_layers, *args, wrt="W1")
    text = str(found)
    assert "Z1 = W1 X + b1" in text and "networks.py:" in text
    assert "∂J/∂W1 = ∂J/∂Z1 Xᵀ" in text and "the other factor, transposed, from the right" in text
    assert "with m = 5" in text
    assert re.search(r"= ∂J/∂A1 ⊙ \(1 - tanh\(Z1\)²\) +local derivative", text)
    assert found.to_text(ascii=True).isascii() and "dJ/dW1 = dJ/dZ1 X.T" in found.to_text(True)


def test_conditions_and_operators_are_explained_in_the_text() -> None:
    assert "if x > 0 holds (networks.py:" in str(sheet(networks.branched, 2.0))
    model = nn.MLP([4, 3, 2], seed=0, dtype="float64")
    X, Y = networks.drawn((5, 4))[0], onp.array([0, 1, 1, 0, 1])
    assert "onehot: a row for every label" in str(sheet(networks.classifier, model, X, Y))


def test_a_derivation_is_data_that_json_takes() -> None:
    import json

    found = sheet(networks.neuron, 0.5, 0.1, 2.0, 1.0, wrt="w")
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["backward"][-1]["equation"] == r"\frac{\partial L}{\partial w} = (a - y) x"
    assert plain["backward"][-1]["steps"][0]["rule"] == "chain rule"
    assert plain["forward"][0]["shape"] == []


# --- indices ----------------------------------------------------------------------------------


@ALL
def test_elements_are_those_of_the_arrays(name: str) -> None:
    f, arguments = FUNCTIONS[name]
    derivation = sheet(f, *arguments())
    values = followed(derivation, arguments(), {})
    for line in derivation.lines:
        check_elements(derivation, values, line)


def test_elements_of_labels_and_rows() -> None:
    model = nn.MLP([4, 3, 2], seed=0, dtype="float64")
    args = [model, networks.drawn((5, 4))[0], onp.array([0, 1, 1, 0, 1])]
    derivation = sheet(networks.classifier, *args)
    values = followed(derivation, args, {})
    for line in derivation.lines:
        check_elements(derivation, values, line)


def check_elements(derivation: Sheet, values: Values, line: Any) -> None:
    found = indexed(line, derivation)
    whole = numbers_of(values.of(line.left))
    free = [k for k, n in found.ranges.items() if n != 1][: sum(n != 1 for n in line.shape)]
    for place in onp.ndindex(*[found.ranges[k] for k in free]):
        right = with_ranges(found.equation.right, found.ranges)
        numbered = _at(right, dict(zip(free, place, strict=True)))
        here = whole.reshape([n for n in whole.shape if n != 1])[place]
        assert close(numbers_of(values.of(numbered)).reshape(()), here), found.equation


def _at(node: Node, places: dict[str, int]) -> Node:
    from fractions import Fraction

    from backlit.explain.equation.tree import Number

    def change(part: Node) -> Node:
        if isinstance(part, Name) and part.base in places and not part.index:
            return Number(Fraction(places[part.base]))
        return part

    return node.map(change)


def test_a_matrix_product_is_a_sum_over_the_inner_index() -> None:
    derivation = sheet(networks.two_layers, *networks.two_layer_arguments(), wrt=WEIGHTS)
    line = indexed(derivation.forward[0], derivation)
    assert line.ranges == {"i": 3, "j": 5, "k": 2}
    assert line.equation.left in read("Z1_{i,j}", derivation)
    assert line.equation.right in read(r"\sum_k W1_{i,k} X_{k,j} + b1_i", derivation)


# --- both modes -------------------------------------------------------------------------------


def test_modes_multiply_the_same_chain_from_either_end() -> None:
    args = networks.two_layer_arguments()
    found = modes(networks.two_layers, *args, wrt="W1")
    assert [(link.above.base, link.below.base) for link in found.chain] == [
        ("J", "A2"),
        ("A2", "Z2"),
        ("Z2", "A1"),
        ("A1", "Z1"),
        ("Z1", "W1"),
    ]
    sizes = [1, 5, 5, 15, 15, 6]
    reverse, forward = found.associations
    assert reverse.multiplications == tuple(
        sizes[k] * sizes[k + 1] for k in range(1, len(sizes) - 1)
    )
    assert forward.multiplications == tuple(
        sizes[k] * sizes[k + 1] * 6 for k in range(len(sizes) - 3, -1, -1)
    )
    assert found.cost.reverse.flops < found.cost.forward.flops
    assert found.cost.inputs == 6


def test_a_value_that_some_paths_miss_is_no_link() -> None:
    def f(x: Any) -> Any:
        a = np.sin(x)
        b = np.cos(x)
        c = a * b
        return np.sum(c)

    chain = modes(f, onp.ones(3), wrt="x").chain
    assert [(link.above.base, link.below.base) for link in chain] == [("L", "c"), ("c", "x")]


def test_reasons_follow_the_layout() -> None:
    plain = sheet(networks.squares, *networks.drawn((4, 3), (3, 2), (5, 4), (5, 2)), wrt="W1")
    assert "the other factor, transposed, from the left" in str(plain)
    turned = str(numerator(plain))
    assert "the other factor, from the right" in turned and "transposed, from" not in turned


def test_a_mean_of_sums_of_logarithms_can_be_saved_as_json(tmp_path: Any) -> None:
    def cross_entropy(W: Any, b: Any, X: Any, Y: Any) -> Any:
        P = np.softmax(X @ W + b, axis=1)
        return -np.mean(np.sum(Y * np.log(P), axis=1))

    args = [*networks.drawn((3, 4), (4,), (5, 3)), onp.eye(4)[[0, 2, 1, 3, 0]]]
    explained = bl.explain(cross_entropy, *args, wrt="W", index=(0, 0))
    explained.save(tmp_path / "explained.json")
    found = json.loads((tmp_path / "explained.json").read_text("utf-8"))
    assert found["gradient"] == explained.gradient
    assert [c["outcome"] for c in found["derivation"]["conditions"]] == [1.0]
    for view in ("second", "modes", "elements", "matrices", "chain"):
        assert json.loads(explained.view(view).to_json())


def test_second_derivatives_of_the_cross_entropy_of_one_example() -> None:
    """Its one-hot row is a condition, and NumPy has no −True."""
    rng = onp.random.default_rng(0)
    W, X, labels = rng.normal(size=(3, 4)), rng.normal(size=(1, 3)), onp.array([2])

    def loss(W: Any, X: Any, labels: Any) -> Any:
        return nn.cross_entropy(X @ W, labels)

    found = bl.explain(loss, W, X, labels, wrt="W", index=(0, 1)).second
    values = worked_out(found, (W, X, labels))
    row = bl.hessian(lambda W: loss(W, X, labels))(W)[0, 1]
    stated = onp.asarray(values.of(found.gradient("W").left))
    onp.testing.assert_allclose(stated, row, rtol=1e-9, atol=1e-12)


def test_the_reason_says_how_the_factor_stands_in_the_line():
    def scores(v, w):  # a vector in front: the derivative by it has no transpose
        return np.sum(np.tanh(v @ w) ** 2)

    text = str(sheet(scores, onp.ones(3), onp.ones((3, 2)), wrt="v"))
    by_vector = next(line for line in text.splitlines() if line.strip().startswith("∂L/∂v"))
    assert "transposed" not in by_vector or "ᵀ" in by_vector


def test_a_weight_that_is_used_often_is_explained_in_every_format():
    def deep(w, x):
        for _ in range(24):
            x = np.tanh(w @ x)
        return np.sum(x)

    found = bl.explain(deep, 0.3 * onp.eye(3) + 0.1, onp.ones(3), wrt="w", index=(0, 1))
    for text in (str(found), found.to_latex(), found.to_html()):
        assert len(text) > 1000
