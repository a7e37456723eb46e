"""Derivations before there is data: the same formulas, tried with numbers of their own."""

import json

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit import nn
from backlit.explain.derivation.checking import worked_out


def network(W, b, X, Y):
    Z = X @ W + b
    A = np.sigmoid(Z)
    J = -np.mean(Y * np.log(A) + (1 - Y) * np.log(1 - A))
    return J


SPECS = bl.spec((3, 2)), bl.spec(2), bl.spec((5, 3)), bl.spec((5, 2))


def numbers(seed=1):
    random = onp.random.default_rng(seed)
    return [random.uniform(0.1, 0.9, spec.shape) for spec in SPECS]


def by_differences(f, args, which, step=1e-6):
    gradient = onp.zeros(args[which].shape)
    for place in onp.ndindex(gradient.shape):
        ends = []
        for sign in (1, -1):
            moved = [onp.array(arg) for arg in args]
            moved[which][place] += sign * step
            ends.append(float(f(*moved)))
        gradient[place] = (ends[0] - ends[1]) / (2 * step)
    return gradient


@pytest.mark.parametrize(("wrt", "which"), [("W", 0), ("b", 1), ("X", 2)])
def test_the_formulas_are_the_gradient_once_there_are_numbers(wrt, which):
    found = bl.explain(network, *SPECS, wrt=wrt)
    args = numbers()
    values = worked_out(found.derivation, args)
    stated = onp.asarray(values.of(found.derivation.gradient(wrt).left))
    onp.testing.assert_allclose(stated, by_differences(network, args, which), rtol=1e-6, atol=1e-9)
    assert found.is_tried


def test_every_view_is_written_in_every_format():
    found = bl.explain(network, *SPECS, wrt="W", index=(1, 0))
    whole = found.view("matrices", "steps", "elements", "modes", "second")
    text = whole.to_text()
    for expected in (
        "∂J/∂Z = (1/N) (A - Y)",
        "chain rule",
        "∂J/∂Wᵢⱼ = ",
        "reverse mode is cheaper here",
        "g = dW[1, 0]",
    ):
        assert expected in text
    assert {"is_tried", "derivation", "modes", "second"} == set(json.loads(whole.to_json()))
    assert "<svg" in whole.view("picture").to_svg()
    assert "\\begin{document}" in whole.to_latex()
    assert "<math" in whole.to_html() and "<math" in whole.to_mathml()
    with pytest.raises(bl.InputError, match='the view "picture" has one'):
        whole.view("matrices").to_svg()


def test_second_derivatives_are_those_of_the_engine():
    found = bl.explain(network, *SPECS, wrt="W", index=(1, 0)).second
    args = numbers()
    values = worked_out(found, args)
    row = bl.hessian(lambda W: network(W, *args[1:]))(args[0])[1, 0]
    onp.testing.assert_allclose(onp.asarray(values.of(found.gradient("W").left)), row, rtol=1e-9)


def test_conventions_of_other_texts():
    found = bl.explain(network, *SPECS, wrt="W")
    assert "numerator layout" in found.view(layout="numerator").to_text()
    # The mean is over 5 examples of 2 outputs each, N = 10.
    text = found.view("matrices", averaged=False).to_text()
    assert "∂J/∂Z = (1/N) (A - Y)" in text and "no mean over the examples alone" in text
    one = bl.explain(network, bl.spec((3, 1)), bl.spec(1), bl.spec((5, 3)), bl.spec((5, 1)))
    text = one.view("matrices", turn_examples=True, averaged=False).to_text()
    assert "dZ = A - Y" in text and "dW = (1/m) (dZ Xᵀ)" in text
    assert "every matrix is the transpose of the program's; dZ is m times" in text


def test_a_model_beside_data_that_is_not_there_yet():
    model = nn.MLP([4, 6, 3], seed=0)

    def loss(model, X, labels):
        return nn.cross_entropy(model(X), labels)

    found = bl.explain(loss, model, bl.spec((8, 4), "float32"), bl.spec(8, int), wrt="layers.0.W")
    assert found.is_tried
    text = found.to_text()
    assert "softmax(Z^[2], axis=1) - onehot(labels, 3)" in text
    assert "c1 = [0 1 … 6 7]" in text


def test_large_arrays_are_not_made_to_try_a_derivation():
    def loss(w, x):
        return np.sum(w * x)

    huge = 10**9, 10**9
    found = bl.explain(loss, bl.spec(huge), bl.spec(huge), wrt="w")
    assert not found.is_tried
    assert "not tried with numbers" in found.to_text()


def test_what_is_asked_for_wrongly():
    with pytest.raises(bl.InputError, match="called 'V'"):
        bl.explain(network, *SPECS, wrt="V")
    with pytest.raises(bl.AbstractBranchError, match="truth value"):
        bl.explain(lambda x: x if x > 0 else -x, bl.spec())
    with pytest.raises(bl.DifferentiationError, match="one real number"):
        bl.explain(lambda x: x * 2, bl.spec(3))
    found = bl.explain_formulas(network, *SPECS)
    with pytest.raises(bl.InputError, match="view of what has no numbers yet"):
        found.view("paths")
    with pytest.raises(bl.InputError, match="with respect to one array"):
        found.view("modes").to_text()


@pytest.mark.parametrize(
    ("shape", "dtype"), [((2, -1), float), ((2.5,), float), (3, "complex128"), (3, "nothing")]
)
def test_what_is_no_shape_or_type(shape, dtype):
    with pytest.raises(bl.InputError):
        bl.spec(shape, dtype)
