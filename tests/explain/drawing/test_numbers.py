"""What is written in pictures, against `backlit.grad`, NumPy and closed forms."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.core import tree
from backlit.core.errors import DifferentiationError, InputError
from backlit.core.primitive import registry
from backlit.explain import explain_weight
from backlit.explain.document import Box, Picture
from backlit.explain.drawing.arrays import summary_line
from backlit.explain.drawing.elements import weight_picture
from backlit.explain.drawing.svg import svg
from backlit.explain.graphs import draw
from backlit.testing.registry import FORWARD_ONLY, Instance, instances
from tests.explain.drawing.geometry import panels
from tests.explain.drawing.programs import SMALL, diamond, multiply, network, neuron, two_two_two


def inputs(picture: Picture) -> dict[str, tuple[Box, Box]]:
    """Return the boxes of the arguments by name."""
    pairs = zip(picture.forward, picture.backward, strict=True)
    return {ahead.lines[0]: (ahead, back) for ahead, back in pairs if ahead.kind == "input"}


def edges(picture: Picture) -> list[tuple[str, str, Box, Box]]:
    """Return what is written on every edge, between which boxes."""
    ends = dict(arrow[::-1] for arrow in picture.arrows)
    onward = dict(picture.arrows)
    return [
        (picture.forward[ends[k]].lines[0], picture.forward[onward[k]].lines[0], ahead, back)
        for k, (ahead, back) in enumerate(zip(picture.forward, picture.backward, strict=True))
        if ahead.kind == "local"
    ]


@pytest.mark.parametrize("name", ["diamond", "neuron", "squares", "network", "tangled"])
def test_gradients_of_arguments_are_those_of_grad(name: str) -> None:
    f, args = SMALL[name]
    leaves, _ = tree.flatten(args)
    floats = (0, 1) if name == "network" else tuple(range(len(args)))  # labels are integers
    found = bl.grad(f, floats)(*args)
    expected = [summary_line(g) for g in tree.flatten(found)[0]]
    picture = draw(f, *args).picture
    shown = [back.lines[1] for ahead, back in inputs(picture).values() if not back.faint]
    assert sorted(shown) == sorted(expected)
    values = [summary_line(leaf) for leaf in leaves]
    assert sorted(ahead.lines[1] for ahead, _ in inputs(picture).values()) == sorted(values)


GATES: list[tuple[Callable[..., Any], tuple[float, ...], tuple[float, ...]]] = [
    (lambda x, y: x + y, (3.0, -4.0), (1.0, 1.0)),
    (lambda x, y: x - y, (3.0, -4.0), (1.0, -1.0)),
    (lambda x, y: x * y, (3.0, -4.0), (-4.0, 3.0)),
    (lambda x, y: x / y, (3.0, -4.0), (-1 / 4, -3 / 16)),
    (lambda x, y: np.maximum(x, y), (3.0, -4.0), (1.0, 0.0)),
    (lambda x, y: x**y, (2.0, 3.0), (12.0, 8 * onp.log(2))),
    (lambda x: np.exp(x), (0.5,), (onp.exp(0.5),)),
    (lambda x: np.log(x), (0.5,), (2.0,)),
    (lambda x: np.sin(x), (0.5,), (onp.cos(0.5),)),
    (lambda x: np.tanh(x), (0.5,), (1 / onp.cosh(0.5) ** 2,)),
    (lambda x: np.sqrt(x), (4.0,), (0.25,)),
    (lambda x: 1.0 / x, (4.0,), (-1 / 16,)),
    (lambda x: np.relu(x), (-4.0,), (0.0,)),
    (lambda x: x**2, (4.0,), (8.0,)),
    (lambda x: -x, (4.0,), (-1.0,)),
]


@pytest.mark.parametrize("k", range(len(GATES)))
@pytest.mark.parametrize("upstream", [1.0, -2.5])
def test_any_gate_sends_back_upstream_times_local_derivative(k: int, upstream: float) -> None:
    f, args, partials = GATES[k]
    picture = draw(f, *args, upstream=upstream).picture
    assert [b.lines for b in picture.backward if b.kind == "result"][0][1] == f"{upstream:.6g}"
    on_edges = edges(picture)
    assert len(on_edges) == len(args)
    for (_, _, ahead, back), partial in zip(on_edges, partials, strict=True):
        local = float(re.split("= ?", ahead.lines[-1])[-1])
        assert local == pytest.approx(partial, rel=1e-3, abs=1e-12)
        text = " ".join(back.lines).partition("∂L/∂")[2]
        product = re.search(r"(-?[\d.e-]+) · \(?(-?[\d.e-]+)\)? = (-?[\d.e-]+)$", text)
        assert product is not None, back.lines
        given, factor, sent = map(float, product.groups())
        assert (given, factor) == (upstream, local)
        assert sent == pytest.approx(upstream * partial, rel=1e-3, abs=1e-12)
    shown = [float(back.lines[1]) for _, back in inputs(picture).values()]
    assert shown == pytest.approx([upstream * p for p in partials], rel=1e-5, abs=1e-12)


def test_a_gate_keeps_the_names_of_its_program() -> None:
    picture = draw(multiply, 3.0, -4.0, upstream=2.0).picture
    assert [b.lines for b in picture.forward] == [
        ("x", "3"),
        ("y", "-4"),
        ("z", "x · y", "-12"),
        ("∂z/∂x = y", "= -4"),
        ("∂z/∂y = x", "= 3"),
    ]
    assert [b.lines for b in picture.backward][:3] == [
        ("∂L/∂x", "-8"),
        ("∂L/∂y", "6"),
        ("∂L/∂z", "2"),
    ]


def test_where_paths_meet_the_contributions_add_up() -> None:
    picture = draw(diamond, 0.5).picture
    (x,) = inputs(picture).values()
    assert x[1].lines[2] == "sum of 2 contributions"
    parts = [float(back.lines[-1].split("=")[1]) for a, _, _, back in edges(picture) if a == "x"]
    # L = sin x eˣ: cos x eˣ by the one way, sin x eˣ by the other.
    one, two = onp.cos(0.5) * onp.exp(0.5), onp.sin(0.5) * onp.exp(0.5)
    assert parts == pytest.approx([one, two], rel=1e-3)
    assert float(x[1].lines[1]) == pytest.approx(one + two, rel=1e-5)


def test_local_derivatives_of_the_neuron_are_those_of_the_textbook() -> None:
    picture = draw(neuron, 0.5, 2.0, 0.1, 1.0).picture
    z = 0.5 * 2.0 + 0.1
    a = 1 / (1 + onp.exp(-z))
    by_ends = {(start, end): ahead.lines for start, end, ahead, _ in edges(picture)}
    assert by_ends["z", "a"] == ("∂a/∂z = a·(1 - a)", f"= {a * (1 - a):.4g}")
    slopes = {back.lines[0]: back.lines[1] for back in picture.backward if back.kind != "local"}
    assert slopes["∂L/∂z"] == f"{a - 1.0:.6g}" == slopes["∂L/∂b"]
    assert slopes["∂L/∂w"] == f"{(a - 1.0) * 2.0:.6g}"


def test_matrix_products_say_what_is_transposed() -> None:
    picture = draw(*network(4, 3)[:1], *network(4, 3)[1]).picture
    texts = {(start, end): (a.lines[0], b.lines[0]) for start, end, a, b in edges(picture)}
    assert texts["layers.0.W", "t1"] == ("∂t1/∂layers.0.W: X @ ·", "Xᵀ @ ∂L/∂t1")
    assert texts["X", "t1"] == ("∂t1/∂X: · @ layers.0.W", "∂L/∂t1 @ layers.0.Wᵀ")


def test_what_has_no_gradient_says_so() -> None:
    picture = draw(SMALL["branches"][0], *SMALL["branches"][1]).picture
    pairs = zip(picture.forward, picture.backward, strict=True)
    back = {ahead.lines[1]: back for ahead, back in pairs if ahead.kind != "local"}
    assert back["x < 3"].faint and back["x < 3"].lines[1] == "no gradient"
    assert not back["x · 2"].faint
    texts = [b.lines[0] for _, _, _, b in edges(picture)]
    # Two comparisons, the condition of the choice, stop_gradient, the whole number k.
    assert texts.count("nothing") == 5


def test_only_what_is_asked_for_has_a_gradient() -> None:
    picture = draw(neuron, 0.5, 2.0, 0.1, 1.0, wrt="b").picture
    assert [name for name, (_, back) in inputs(picture).items() if not back.faint] == ["b"]


def test_the_picture_of_a_weight_adds_up() -> None:
    f, args = two_two_two()
    e = explain_weight(f, *args, wrt="W1", index=(0, 0))
    picture = weight_picture(e)
    assert picture is not None
    boxes = {box.lines[0]: box.lines for box in picture.backward if box.kind != "local"}
    assert boxes["∂E/∂w"] == ("∂E/∂w", "0.000438568")  # questions.md
    assert boxes["∂E/∂h[0]"] == ("∂E/∂h[0]", "0.0363503", "sum of 2 contributions")
    parts = [float(back.lines[-1].split("=")[1]) for a, _, _, back in edges(picture) if a == "h[0]"]
    assert sum(parts) == pytest.approx(0.0363503, rel=1e-3)
    assert {box.lines[0]: box.lines[-1] for box in picture.forward}["o[1]"] == "0.772928"


def test_uses_that_are_not_drawn_send_back_the_rest() -> None:
    model, x = network(16, 40, 3)[1][0], onp.full((1, 16), 0.5, "float32")

    def loss(model: Any, x: Any) -> Any:
        return bl.nn.cross_entropy(model(x), onp.array([1]))

    unit = int(onp.argmax(model.layers[0](x)[0]))
    e = explain_weight(loss, model, x, wrt="layers.0.W", index=(2, unit), elements=1)
    picture = weight_picture(e)
    assert picture is not None
    rest = [b for b in picture.backward if b.kind == "outside"]
    assert rest and rest[0].lines[0] == "2 more uses"
    for start, place in [a for a in picture.arrows if picture.forward[a[1]].kind == "outside"]:
        total = float(picture.backward[start].lines[1])
        name = picture.forward[start].lines[0]
        drawn = [float(b.lines[-1].split("=")[1]) for a, _, _, b in edges(picture) if a == name]
        rest_sent = float(picture.backward[place].lines[1].split()[-1])
        assert sum(drawn) + rest_sent == pytest.approx(total, rel=2e-3, abs=1e-9)


def test_a_weight_without_a_path_has_no_picture() -> None:
    e = explain_weight(lambda a, b: b * 2.0, 1.0, 2.0, wrt="a")
    assert weight_picture(e) is None
    with pytest.raises(InputError, match="nothing to draw"):
        e.to_svg()


def test_long_ways_keep_both_ends() -> None:
    def f(x: Any) -> Any:
        for _ in range(150):
            x = np.sin(x)
        return x

    picture = weight_picture(explain_weight(f, 0.5, wrt="x"))
    assert picture is not None and len(picture.forward) < 60
    assert "127 more are not drawn" in picture.about


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(DifferentiationError, match="one array; it returns 2"):
        draw(lambda x: (x, x), 1.0)
    with pytest.raises(DifferentiationError, match="does not depend on its arg"):
        draw(lambda x: 3.0, 1.0)
    with pytest.raises(InputError, match=r"shape \(2,\)"):
        draw(lambda x: x * 2.0, onp.ones(3), upstream=onp.ones(2))
    with pytest.raises(InputError, match="no array called"):
        draw(multiply, 1.0, 2.0, wrt="q")


def test_whole_numbers_are_named_as_what_has_no_gradient() -> None:
    with pytest.raises(InputError, match=r"x holds int64, y holds int64\n  fix: .* 3.0 for 3"):
        draw(lambda x, y: x * y, 3, -4)
    with pytest.raises(InputError, match="int64"):
        draw(lambda x, y: x * y, 3, -4, wrt="x")
    with pytest.raises(DifferentiationError, match="returns bool, and only floating"):
        draw(lambda x: x > 1.0, 2.0)
    with pytest.raises(DifferentiationError, match="returns none"):
        draw(lambda x: None, 2.0)


def test_arrays_with_a_given_gradient() -> None:
    x = onp.array([1.0, 2.0, 3.0])
    given = onp.array([1.0, 0.0, -1.0])
    picture = draw(lambda x: np.exp(x), x, upstream=given).picture
    expected = given * onp.exp(x)
    assert inputs(picture)["x"][1].lines[1] == summary_line(expected)


def test_compiled_functions_are_drawn_as_what_they_compute() -> None:
    inner = bl.jit(lambda x: np.sin(x) * 2.0)
    picture = draw(lambda x: inner(x) ** 2, 0.3).picture
    said = [box.lines[1] for box in picture.forward if box.kind != "local"]
    assert [text.partition("(")[0] for text in said] == ["0.3", "sin", "t1 · 2", "t2²"]
    (x,) = inputs(picture).values()
    assert float(x[1].lines[1]) == pytest.approx(8 * onp.sin(0.3) * onp.cos(0.3), rel=1e-5)


def test_text_of_a_program_stays_text() -> None:
    svg = draw(*SMALL["branches"][:1], *SMALL["branches"][1]).to_svg()
    assert "x &lt; 3" in svg and "x < 3" not in svg.replace("x &lt; 3", "")
    assert any("x < 3" in shape.text for shape in panels(svg)[0].shapes)


# --- every primitive --------------------------------------------------------------------------


BITS = {"bitwise_and", "bitwise_or", "bitwise_xor", "invert"}  # of whole numbers


def differentiable(name: str) -> list[Instance]:
    """Return what a primitive is checked on, where something real comes out of something real."""
    found: list[Instance] = []
    for instance in instances(registry[name]):
        if not instance.operands or len(found) == 2:
            continue
        with onp.errstate(all="ignore"):
            values = instance.value() if registry[name].multi else (instance.value(),)
        if any(onp.result_type(value).kind == "f" for value in values):
            found.append(instance)
    return found


@pytest.mark.parametrize("name", sorted(set(registry) - set(FORWARD_ONLY) - BITS))
def test_every_primitive_is_drawn_with_the_gradients_of_grad(name: str) -> None:
    for instance in differentiable(name):

        def f(*operands: Any, instance: Any = instance) -> Any:
            made = instance(*operands)
            results = made if instance.primitive.multi else (made,)
            return np.sum(next(r for r in results if r.dtype.kind == "f")) * 1.0

        with onp.errstate(all="ignore"):
            places = tuple(range(len(instance.operands)))
            expected = [summary_line(g) for g in bl.grad(f, places)(*instance.operands)]
        picture = draw(f, *instance.operands).picture
        assert len(panels(svg(picture))) == 2
        shown = [back.lines[1] for _, back in inputs(picture).values() if not back.faint]
        assert all(line in expected for line in shown)
        # What has no box is not used, what is faint has no gradient: both are zero.
        missing = [line for line in expected if line not in shown]
        assert all(re.search(r"(^|all |\[)0|float64$", line) for line in missing), missing
