"""Pictures as they are drawn: nothing overlaps, text stays in its box, arrows end at boxes."""

from __future__ import annotations

from collections import Counter
from xml.etree import ElementTree

import pytest

from backlit.explain.graphs import draw
from tests.explain.drawing.geometry import Panel, Point, panels, segments, width
from tests.explain.drawing.programs import SMALL, network


def drawn(name: str) -> list[Panel]:
    f, args = SMALL[name]
    return panels(draw(f, *args).to_svg())


@pytest.mark.parametrize("name", SMALL)
def test_there_are_two_panels_with_the_same_boxes_in_the_same_places(name: str) -> None:
    forward, backward = drawn(name)
    assert (forward.side, backward.side) == ("forward", "backward")
    (left, top) = (
        backward.shapes[0].left - forward.shapes[0].left,
        backward.shapes[0].top - forward.shapes[0].top,
    )
    assert left > 0 and top == pytest.approx(0, abs=0.1)
    for ahead, back in zip(forward.shapes, backward.shapes, strict=True):
        assert back.left - ahead.left == pytest.approx(left, abs=0.2)
        assert back.top - ahead.top == pytest.approx(top, abs=0.2)
        assert back.right - back.left == pytest.approx(ahead.right - ahead.left, abs=0.2)
    assert max(s.right for s in forward.shapes) < min(s.left for s in backward.shapes)


@pytest.mark.parametrize("name", SMALL)
def test_no_boxes_overlap_and_all_are_in_the_picture(name: str) -> None:
    f, args = SMALL[name]
    svg = draw(f, *args).to_svg()
    root = ElementTree.fromstring(svg)
    shapes = [shape for panel in panels(svg) for shape in panel.shapes]
    for k, one in enumerate(shapes):
        assert not any(one.overlaps(other) for other in shapes[:k]), one.text
    assert min(s.left for s in shapes) >= 0 and min(s.top for s in shapes) >= 0
    assert max(s.right for s in shapes) <= float(root.get("width") or 0)
    assert max(s.bottom for s in shapes) <= float(root.get("height") or 0)


@pytest.mark.parametrize("name", SMALL)
def test_every_text_is_inside_its_box_in_a_wide_font(name: str) -> None:
    for panel in drawn(name):
        for shape in panel.shapes:
            for text, x, y, size in shape.lines:
                half = width(text, size) / 2
                assert shape.left <= x - half and x + half <= shape.right, text
                # From the top of a letter to the foot of a comma.
                assert shape.top <= y - 0.8 * size and y + 0.25 * size <= shape.bottom, text


@pytest.mark.parametrize("name", SMALL)
def test_lines_of_a_box_do_not_touch(name: str) -> None:
    for panel in drawn(name):
        for shape in panel.shapes:
            feet = [(y, size) for _, _, y, size in shape.lines]
            for (above, _), (below, size) in zip(feet, feet[1:], strict=False):
                assert below - above >= size * 1.15


@pytest.mark.parametrize("name", SMALL)
def test_letters_are_at_least_twelve_pixels(name: str) -> None:
    f, args = SMALL[name]
    svg = draw(f, *args).to_svg()
    sizes = {size for panel in panels(svg) for s in panel.shapes for *_, size in s.lines}
    assert sizes == {12.0, 14.0} and "text { font: 12px" in svg
    assert ".name, .bl-picture .panel { font-size: 14px" in svg


@pytest.mark.parametrize("name", SMALL)
def test_arrows_begin_and_end_at_boxes_and_cross_none(name: str) -> None:
    for panel in drawn(name):
        for arrow in panel.arrows:
            ends = [[s for s in panel.shapes if _touches(s, end)] for end in (arrow[0], arrow[-1])]
            assert len(ends[0]) == 1 and len(ends[1]) == 1, arrow
            own = (*ends[0], *ends[1])
            for shape in panel.shapes:
                if all(shape is not mine for mine in own):
                    assert not any(_crosses(shape, *pair) for pair in segments(arrow)), shape.text


def _touches(shape, end: Point) -> bool:  # type: ignore[no-untyped-def]
    """Whether a point is on the border of a shape, or a tip's length from it."""
    grown = 7.6
    near = (
        shape.left - grown <= end[0] <= shape.right + grown
        and shape.top - grown <= end[1] <= shape.bottom + grown
    )
    return near and not shape.holds(end, 0.6)


def _crosses(shape, start: Point, end: Point) -> bool:  # type: ignore[no-untyped-def]
    steps = 40
    points = [
        (start[0] + (end[0] - start[0]) * k / steps, start[1] + (end[1] - start[1]) * k / steps)
        for k in range(steps + 1)
    ]
    return any(shape.holds(point, 1.0) for point in points)


def test_arrows_lead_down_in_one_panel_and_up_in_the_other() -> None:
    forward, backward = drawn("squares")
    assert all(arrow[0][1] < arrow[-1][1] for arrow in forward.arrows)
    assert all(arrow[0][1] > arrow[-1][1] for arrow in backward.arrows)
    # A tip where an arrow arrives at a box; half of the arrows arrive at what is written on them.
    assert len(forward.tips) == len(backward.tips) == len(forward.arrows) / 2


def test_colour_is_not_all_that_tells_the_ways_apart() -> None:
    svg = draw(*SMALL["gate"][:1], *SMALL["gate"][1]).to_svg()
    assert ".backward .arrow { stroke: var(--back); stroke-dasharray:" in svg
    assert "Forward: values, read down" in svg and "Backward: gradients, read up" in svg
    # Arguments, results and what is written on edges differ in their shape.
    kinds = Counter(shape.kind for shape in panels(svg)[0].shapes)
    assert kinds == {"input": 2, "result": 1, "local": 2}
    root = ElementTree.fromstring(svg)
    radii = {
        node.get("class"): float(node[1].get("rx") or 0)
        for node in root.iter("{http://www.w3.org/2000/svg}g")
        if node.get("class") in ("input", "result")
    }
    assert radii["input"] > 3 * radii["result"]


def test_a_drawing_is_the_same_every_time() -> None:
    f, args = network(4, 8, 3)
    assert draw(f, *args).to_svg() == draw(f, *args).to_svg()
