"""How weights are named, and what is said about names that do not fit."""

from __future__ import annotations

from typing import Any

import numpy as onp
import pytest

import backlit.numpy as np
from backlit import nn
from backlit.core.errors import InputError
from backlit.explain import explain_weight, parse_weight
from backlit.explain.derivation.checking import numbers_of, worked_out
from backlit.explain.document import Figure
from backlit.explain.equation.text.printing import readable


def loss(model: Any, x: Any, scale: Any) -> Any:
    return np.sum(model(x)) * scale["a"]


ARGS = (nn.MLP([2, 3, 1], "tanh", seed=0), onp.ones(2, "float32"), {"a": 2.0, "n": 3})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("layers.0.W[5,3]", ("layers.0.W", (5, 3))),
        (" 0.W [ 5 , 3 ] ", ("0.W", (5, 3))),
        ("b[7]", ("b", (7,))),
        ("scale", ("scale", ())),
        ("scale[]", ("scale", ())),
    ],
)
def test_text_form_of_a_weight(text: str, expected: tuple[str, tuple[int, ...]]) -> None:
    assert parse_weight(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1]",
        "W[1",
        "W[-1]",
        "W[1.5]",
        "W[a]",
        "W[1,,2]",
        "W[1][2]",
        "W[7,]",
        "W[,]",
        "W[" + "9" * 5000 + "]",
    ],
)
def test_text_that_names_no_weight(text: str) -> None:
    with pytest.raises(InputError, match="does not name a weight"):
        parse_weight(text)


@pytest.mark.parametrize("path", ["model.layers.0.W", "layers.0.W", "0.W"])
def test_a_path_may_be_given_by_its_end(path: str) -> None:
    e = explain_weight(loss, *ARGS, wrt=path, index=(1, 2))
    assert e.weight.label == "layers.0.W[1,2]" and e.symbol == "w"


def test_an_unknown_path_lists_what_there_is() -> None:
    with pytest.raises(InputError) as info:
        explain_weight(loss, *ARGS, wrt="layers.2.W", index=(0, 0))
    text = str(info.value)
    assert "loss takes no array called 'layers.2.W'" in text
    assert "model.layers.0.W (2, 3), model.layers.0.b (3,)" in text and "x (2,)" in text


def test_an_ambiguous_path_lists_the_candidates_only() -> None:
    with pytest.raises(InputError, match="several arrays called 'W'") as info:
        explain_weight(loss, *ARGS, wrt="W", index=(0, 0))
    assert "model.layers.1.W (3, 1)" in str(info.value) and "x (2,)" not in str(info.value)


@pytest.mark.parametrize(
    "index", [(), 0, (0,), (2, 0), (0, 3), (-1, 0), (0, 0, 0), (0.0, 1), (True, 0)]
)
def test_places_that_do_not_exist(index: Any) -> None:
    with pytest.raises(InputError, match=r"has shape \(2, 3\)") as info:
        explain_weight(loss, *ARGS, wrt="0.W", index=index)
    assert "give 2 indices, counted from 0: 0 to 1 and 0 to 2" in str(info.value)


def test_a_scalar_takes_no_index() -> None:
    assert explain_weight(loss, *ARGS, wrt="a").gradient == pytest.approx(
        float(np.sum(ARGS[0](ARGS[1])))
    )
    with pytest.raises(InputError, match="leave the index out"):
        explain_weight(loss, *ARGS, wrt="a", index=0)


def test_an_integer_is_no_weight() -> None:
    with pytest.raises(InputError, match=r"scale\.n holds int64.*floating-point"):
        explain_weight(loss, *ARGS, wrt="scale.n")


def test_names_of_the_program_are_kept_and_never_shared() -> None:
    def f(x: Any, w: Any) -> Any:
        L = w * x
        return np.sum(L**2) * 2.0

    e = explain_weight(f, 2.0, onp.array([1.0, 2.0]), wrt="w", index=1)
    # Both letters are taken by other arrays: the weight keeps its place, the loss becomes J.
    assert (e.symbol, e.loss.label) == ("w[1]", "J")
    assert "L[1]" in [factor.element.label for factor in e.chain]
    assert "∂J/∂L[1] · ∂L[1]/∂w[1]" in str(e)
    assert e.statement.startswith("∂J/∂w[1] = 32: ")


def test_temporaries_and_users_names_are_told_apart() -> None:
    def f(W: Any, x: Any) -> Any:
        Z = W @ x + 1.0
        return np.sum(np.tanh(Z))

    e = explain_weight(f, onp.ones((2, 2)), onp.ones(2), wrt="W", index=(0, 1))
    named = {row.name for row in e.forward if row.named}
    assert named == {"W", "x", "Z"}
    assert len(e.forward) == 6


def test_one_value_has_one_name_in_every_view() -> None:
    def normalized(x: Any, gamma: Any, target: Any) -> Any:
        mean_of_x = np.mean(x, axis=1, keepdims=True)
        y_hat = gamma * (x - mean_of_x) / np.sqrt(np.mean((x - mean_of_x) ** 2) + 1e-3)
        total_loss = np.sum((y_hat - target) ** 2)
        return total_loss

    def deep(model: Any, rows: Any, classes: Any) -> Any:
        return nn.cross_entropy(model(rows), classes)

    random = onp.random.default_rng(0)
    table = random.normal(size=(2, 3)), random.normal(size=3), random.normal(size=(2, 3))
    model = nn.MLP([2, 4, 3], "tanh", seed=0, dtype="float64")
    rows, classes = random.normal(size=(2, 2)), onp.array([0, 2])
    for e in (
        explain_weight(normalized, *table, wrt="x", index=(0, 1)),
        explain_weight(deep, model, rows, classes, wrt="layers.0.W", index=(1, 3)),
    ):
        values = worked_out(e.derivation, e.explained.args)
        lines = [*[a.name for a in e.derivation.arguments], *[x.left for x in e.derivation.forward]]
        derived = {readable(name): numbers_of(values.of(name)) for name in lines}
        shared = [row for row in e.forward if row.name in derived]
        assert len(shared) >= 4
        for row in shared:
            assert onp.isclose(row.low, derived[row.name].min()), row.name
            assert onp.isclose(row.high, derived[row.name].max()), row.name
        # What the tables call a value, pictures, LaTeX and the derivation do too.
        (figure,) = e.document().find(Figure)
        places = {item.element.label for step in e.backward for item in step.elements}
        assert {box.lines[0] for box in figure.picture.forward if box.kind == "operation"} <= places
        assert f"∂{e.loss.label}/∂{e.symbol} = " in str(e)
        assert readable(e.derivation.target) == e.loss.label
        paths = [row.operands for row in e.forward if row.operation == "argument"]
        assert ("gamma",) in paths or ("layers.0.W",) in paths
    assert "Z^[2][0,1]" in str(e) and "Z_2" not in str(e) and "Z_{2}" not in e.to_latex()
    assert "Z^{[2]}" in e.to_latex()


def test_names_in_reasons_and_in_tables_are_written_alike() -> None:
    def scaled(x: Any, gamma: Any) -> Any:
        y = gamma * x
        return np.sum(y**2)

    e = explain_weight(scaled, onp.ones((4, 3)), onp.ones(3), wrt="gamma", index=1)
    assert "a sum: γ is used 4 times" in str(e)
    assert r"$\gamma$ & \texttt{argument gamma}" in e.to_latex()
    assert "<mi>γ</mi>" in e.to_html()
