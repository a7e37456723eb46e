"""Local derivatives as formulas in the program's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as onp
import pytest

import backlit.numpy as np
from backlit.explain import explain_weight


def rules(f: Callable[..., Any], *args: Any, index: Any = ()) -> list[str]:
    e = explain_weight(f, *args, wrt="a", index=index)
    return [term.rule for term in e.backward[-1].elements[0].terms]


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (lambda a, b: a + b, ""),
        (lambda a, b: a * b, "b"),
        (lambda a, b: b * a, "b"),
        (lambda a, b: a / b, "1/b"),
        (lambda a, b: b / a, "-(L/a)"),
        (lambda a, b: a**2, "2·a"),
        (lambda a, b: a**5, "5·a^4"),
        (lambda a, b: np.exp(a), "L"),
        (lambda a, b: np.log(a), "1/a"),
        (lambda a, b: np.sin(a), "cos(a)"),
        (lambda a, b: np.cos(a), "-sin(a)"),
        (lambda a, b: np.tanh(a), "1 - L²"),
        (lambda a, b: np.sigmoid(a), "L·(1 - L)"),
        (lambda a, b: np.sqrt(a), "0.5/L"),
        (lambda a, b: np.softplus(a), "σ(a)"),
        (lambda a, b: np.relu(a), "a > 0"),
        (lambda a, b: np.abs(a), "sign(a)"),
        (lambda a, b: np.erf(a), "1.12838·exp(-a²)"),
        (lambda a, b: 1.0 / a, "-(L/a)"),
        (lambda a, b: np.maximum(a, b), "(a > b) + 0.5·(a = b)"),
    ],
)
def test_formula_of_an_elementwise_operation(f: Callable[..., Any], expected: str) -> None:
    assert rules(f, 0.7, 1.3) == [expected]


def test_formula_names_the_elements_that_broadcasting_pairs() -> None:
    b = onp.arange(1.0, 7.0).reshape(2, 3)
    found = rules(lambda a, b: np.sum(a * b), onp.ones(3), b, index=1)
    assert sorted(found) == ["b[0,1]", "b[1,1]"]
    assert rules(lambda a: np.sum(a * onp.array([[2.0], [7.0]])), onp.ones(3), index=1) == [
        "7",
        "2",
    ]


def test_the_other_factor_of_a_product_is_named() -> None:
    b = onp.arange(1.0, 7.0).reshape(3, 2)
    assert rules(lambda a, b: np.sum(a @ b), onp.ones((2, 3)), b, index=(1, 2)) == [
        "b[2,1]",
        "b[2,0]",
    ]
    f = lambda a, b: np.einsum("ij,ij->", a, b)  # noqa: E731
    assert rules(f, onp.ones((3, 2)), b, index=(1, 1)) == ["b[1,1]"]
    assert rules(lambda a: np.sum(a @ b), onp.ones((1, 3)), index=(0, 0)) == ["2", "1"]


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (np.softmax, {"P[0]·(1 - P[0])", "-P[1]·P[0]", "-P[2]·P[0]"}),
        (np.log_softmax, {"1 - exp(P[0])", "-exp(P[0])"}),
        (np.logsumexp, {"exp(w - P)"}),
    ],
)
def test_softmax_and_its_relatives(f: Callable[..., Any], expected: set[str]) -> None:
    a = onp.array([0.1, 0.5, -0.3])

    def loss(a: Any) -> Any:
        P = f(a)
        return np.sum(P**2)

    e = explain_weight(loss, a, wrt="a", index=0)
    terms = e.backward[-1].elements[0].terms
    assert {term.rule for term in terms} == expected
    # The formulas are the numbers: evaluate them by hand.
    P = onp.asarray(f(a))
    local = {
        "P[0]·(1 - P[0])": lambda: P[0] * (1 - P[0]),
        "-P[1]·P[0]": lambda: -P[1] * P[0],
        "-P[2]·P[0]": lambda: -P[2] * P[0],
        "1 - exp(P[0])": lambda: 1 - onp.exp(P[0]),
        "-exp(P[0])": lambda: -onp.exp(P[0]),
        "exp(w - P)": lambda: onp.exp(a[0] - P),
    }
    for term in terms:
        assert term.local == pytest.approx(float(local[term.rule]()), rel=1e-12)
