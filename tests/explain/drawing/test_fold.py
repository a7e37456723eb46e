"""Large graphs: folded by module, and in stretches; nothing lost, nothing in a circle."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.core import tree
from backlit.core.evaluate import values
from backlit.core.graph import Var
from backlit.explain.document import Picture
from backlit.explain.drawing.arrays import Facts, summary_line
from backlit.explain.drawing.fold import FLAT, Group, folded
from backlit.explain.drawing.svg import everything, svg
from backlit.explain.flow import flow
from backlit.explain.graphs import draw
from tests.explain.drawing.geometry import panels
from tests.explain.drawing.programs import chained, cross_entropy, network


def facts_of(f: Any, *args: Any) -> Facts:
    graph = bl.trace(f)(*args).pruned()
    known = values(graph, [onp.asarray(leaf) for leaf in tree.flatten(args)[0]])
    floats = [v for v in graph.inputs if v.aval.dtype.kind == "f"]
    return Facts(flow(graph, known, floats))


def groups(group: Group) -> list[Group]:
    return [group, *[g for m in group.members if isinstance(m, Group) for g in groups(m)]]


@pytest.fixture(scope="module")
def deep() -> Facts:
    return facts_of(cross_entropy, *network(4, *[8] * 60, 3)[1])


@pytest.fixture(scope="module")
def long() -> Picture:
    return draw(chained, onp.full(3, 0.1), 0.001).picture


def test_a_small_graph_is_not_folded() -> None:
    small = facts_of(cross_entropy, *network(4, 8, 3)[1])
    assert len(groups(folded(small))) == 1
    assert len(groups(folded(small, most=3))) > 1


def test_every_operation_and_every_argument_is_in_one_place(deep: Facts) -> None:
    units = [m for group in groups(folded(deep)) for m in group.members if not isinstance(m, Group)]
    operations = sorted(unit for unit in units if isinstance(unit, int))
    assert operations == list(range(len(deep.graph.equations)))
    assert {unit for unit in units if isinstance(unit, Var)} == set(deep.graph.inputs)
    assert len(units) == len(set(units))


def test_groups_are_stretches_of_the_program(deep: Facts) -> None:
    for group in groups(folded(deep)):
        found = group.operations
        assert found == list(range(found[0], found[0] + len(found)))
        assert 1 <= len(group.members) <= 40


def test_modules_are_groups_with_their_arrays(deep: Facts) -> None:
    by_title = {group.title: group for group in groups(folded(deep))}
    layer = by_title["layers.7"]
    names = {deep.names[m] for m in layer.members if isinstance(m, Var)}
    assert names == {"layers.7.W", "layers.7.b"}
    primitives = [deep.graph.equations[k].primitive.name for k in layer.operations]
    assert primitives == ["matmul", "add", "relu"]
    # What follows the last layer in another function is no part of it.
    last = by_title["layers.60"]
    assert [deep.graph.equations[k].primitive.name for k in last.operations] == ["matmul", "add"]


def test_inner_modules_are_inside_outer_ones() -> None:
    parts = {f"block{k}": {p: {"W": onp.eye(2) * 0.5} for p in ("up", "down")} for k in range(20)}

    def f(model: Any, x: Any) -> Any:
        for block in model.values():
            h = np.tanh(x @ block["up"]["W"])
            x = x + h @ block["down"]["W"]
        return np.sum(x)

    found = folded(facts_of(f, parts, onp.ones(2)))
    outer = [g for g in groups(found) if g.title == "block7"]
    assert len(outer) == 1
    assert {m.title for m in outer[0].members if isinstance(m, Group)} >= {"block7.up"}


def test_a_module_that_is_used_twice_makes_no_circle() -> None:
    model = {"a": {"W": onp.eye(2)}, "b": {"W": onp.eye(2)}}

    def f(model: Any, x: Any) -> Any:
        for _ in range(12):
            x = np.tanh(x @ model["a"]["W"])
            x = np.sin(x @ model["b"]["W"])
        return np.sum(x)

    picture = draw(f, model, onp.ones(2)).picture
    check_levels(picture)
    titles = [b.lines[0] for one in everything(picture) for b in one.forward if b.kind == "group"]
    assert titles.count("a") == 12
    assert len(set(titles) - {"a", "b"}) == len([t for t in titles if t not in ("a", "b")])


def check_levels(picture: Picture) -> None:
    """Check that boxes can be put in an order in which all arrows lead onward."""
    left = set(picture.arrows)
    waiting = set(range(len(picture.forward)))
    while waiting:
        free = waiting - {end for _, end in left}
        assert free, "a circle"
        waiting -= free
        left = {arrow for arrow in left if arrow[0] not in free}


def test_thirty_thousand_operations_are_an_overview_of_few_boxes(long: Picture) -> None:
    for picture in everything(long):
        check_levels(picture)
        boxes = [box for box in picture.forward if box.kind != "local"]
        assert 3 <= len(boxes) <= 40
        assert len(picture.forward) == len(picture.backward)
    counts = [b.lines[1] for b in long.forward if b.kind == "group"]
    assert sum(int(text.split()[0].replace(",", "")) for text in counts) == 30_000
    assert long.about.startswith("30,001 operations.")
    assert "inner pictures are not drawn" in long.more


def test_numbers_of_the_overview_are_exact(long: Picture) -> None:
    x = onp.full(3, 0.1)
    dx, dw = bl.grad(chained, (0, 1))(x, 0.001)
    back = {box.lines[0]: box.lines for box in long.backward}
    assert back["∂L/∂w"][1:] == (summary_line(dw), "sum of 10,000 contributions")
    assert back["∂L/∂x"][1] == summary_line(dx)
    total = x
    for _ in range(10_000):
        total = onp.sin(total * 0.001) + total
    assert [b.lines[-1] for b in long.forward if b.kind == "result"] == [f"{total.sum():.6g}"]


def test_stretches_of_a_loop_are_cut_between_its_turns(long: Picture) -> None:
    for picture in everything(long):
        for box in picture.forward:
            if box.kind == "group":
                assert int(box.lines[1].split()[0].replace(",", "")) % 3 == 0
                assert box.lines[2] == "multiply, sin, add"


def test_every_link_leads_to_a_picture_and_back(long: Picture) -> None:
    text = svg(long)
    root = ElementTree.fromstring(text)
    views = {view.get("id") for view in root.iter("{http://www.w3.org/2000/svg}view")}
    links = [a.get("href") or "" for a in root.iter("{http://www.w3.org/2000/svg}a")]
    assert len(views) == len(list(everything(long))) and len(links) > len(views)
    assert all(link.startswith("#") and link[1:] in views for link in links)
    assert {link[1:] for link in links} == views
    assert root.get("role") == "group"  # what is inside an image cannot be reached by keyboard


def test_inner_pictures_are_drawn_as_cleanly() -> None:
    drawing = draw(*network(4, *[8] * 30, 3)[:1], *network(4, *[8] * 30, 3)[1])
    found = panels(drawing.to_svg())
    assert len(found) == 2 * len(list(everything(drawing.picture)))
    for panel in found:
        for k, one in enumerate(panel.shapes):
            assert not any(one.overlaps(other) for other in panel.shapes[:k])


def test_many_arguments_are_one_box() -> None:
    def f(**parts: Any) -> Any:
        total = 0.0
        for part in parts.values():
            total = total + np.sin(part) * 2.0
        return total

    names = [f"p{k}" for k in range(20)]

    def of(*args: Any) -> Any:
        return f(**dict(zip(names, args, strict=True)))

    picture = draw(of, *[0.1 * k for k in range(20)]).picture
    check_levels(picture)
    assert [b.lines[0] for b in picture.forward].count("20 arguments") == 1
    inner = next(p for p in picture.inside if p.title == "20 arguments")
    shown = {b.lines[1] for b in inner.backward if b.kind == "input"}
    assert shown == {f"{2 * onp.cos(0.1 * k):.6g}" for k in range(20)}


def test_what_crosses_the_border_of_a_group_is_shown_on_both_sides() -> None:
    def f(x: Any, w: Any) -> Any:
        for _ in range(FLAT):
            x = np.sin(x * w)
        return x

    picture = draw(f, 0.3, 1.5).picture
    inner = next(iter(picture.inside))
    outside = [b for b in inner.forward if b.kind == "outside"]
    assert [b.lines[0] for b in outside] == ["x", "w", "1 operation outside"]
    carried = next(b for b in picture.forward if b.kind == "local" and ": " in b.lines[0])
    name = carried.lines[0].partition(":")[0]
    assert outside[-1].lines[1] == f"read {name}"
    sent = [b for b in inner.backward if b.kind == "outside"][-1].lines[1]
    upstream = next(b for b in picture.backward if f"/∂{name}:" in b.lines[0])
    assert sent.split()[-1] == upstream.lines[0].split()[-1]


def test_every_picture_of_a_file_is_shown_in_its_own_size(long: Picture) -> None:
    root = ElementTree.fromstring(svg(long))
    whole = [float(root.get(name) or 0) for name in ("width", "height")]
    tops = []
    for view in root.iter("{http://www.w3.org/2000/svg}view"):
        left, top, *size = [float(part) for part in (view.get("viewBox") or "").split()]
        assert left == 0 and size == whole
        tops.append(top)
    # One below the other, and each on its own sheet.
    assert tops == pytest.approx([k * whole[1] for k in range(len(tops))], abs=1.0)
    for panel, top in zip(panels(svg(long)), [t for t in tops for _ in range(2)], strict=True):
        assert all(top <= s.top and s.bottom <= top + whole[1] for s in panel.shapes)
        assert all(0 <= s.left and s.right <= whole[0] for s in panel.shapes)
