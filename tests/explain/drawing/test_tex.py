"""Pictures in LaTeX: what is drawn is read back and compared with the SVG of the same picture."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as onp
import pytest

from backlit.explain.drawing.svg import lay, svg
from backlit.explain.drawing.tex import picture_environments
from backlit.explain.graphs import draw
from backlit.explain.render import latex
from backlit.explain.render.characters import to_latex
from backlit.explain.render.latex import latex_of
from tests.explain.drawing.geometry import panels
from tests.explain.drawing.programs import SMALL, chained

Point = tuple[float, float]
NUMBER = r"(-?[\d.]+)"
PUT = re.compile(rf"\\put\({NUMBER},{NUMBER}\)\{{(.*)\}}$", re.M)
PICTURE = re.compile(rf"\\begin\{{picture\}}\({NUMBER},{NUMBER}\)(.*?)\\end\{{picture\}}", re.S)
WAY = re.compile(rf"\\(line|vector)\((-?[01]),(-?[01])\)\{{{NUMBER}\}}")
FRAME = re.compile(rf"\\(framebox|oval|dashbox\{{3\}})\({NUMBER},{NUMBER}\)")
# Coordinates have one decimal.
CLOSE = 0.25
ALL = pytest.mark.parametrize("name", sorted(SMALL))


@dataclass
class Read:
    """What one `picture` environment draws."""

    width: float
    height: float
    frames: list[tuple[float, float, float, float]] = field(default_factory=list)
    texts: list[tuple[Point, str]] = field(default_factory=list)
    ways: list[tuple[Point, Point, bool]] = field(default_factory=list)


def read(text: str) -> list[Read]:
    found = []
    for width, height, body in PICTURE.findall(text):
        panel = Read(float(width), float(height))
        for across, up, what in PUT.findall(body):
            x, y = float(across), float(up)
            if way := WAY.fullmatch(what):
                right, upwards, length = int(way[2]), int(way[3]), float(way[4])
                assert abs(right) + abs(upwards) == 1 and length > 0
                end = x + right * length, y + upwards * length
                panel.ways.append(((x, y), end, way[1] == "vector"))
            elif frame := FRAME.search(what):
                w, h = float(frame[2]), float(frame[3])
                left, low = (x - w / 2, y - h / 2) if frame[1] == "oval" else (x, y)
                panel.frames.append((left, low, left + w, low + h))
            elif what.startswith(r"\makebox(0,0)"):
                panel.texts.append(((x, y), what))
        found.append(panel)
    return found


@ALL
def test_boxes_texts_and_tips_are_those_of_the_svg(name: str) -> None:
    f, args = SMALL[name]
    picture = draw(f, *args).picture
    found = read(picture_environments(picture, 510.0, 690.0))
    whole = panels(svg(picture))
    assert len(found) == len(whole) == 2
    for mine, theirs in zip(found, whole, strict=True):
        shapes = [shape for shape in theirs.shapes if shape.kind != "local"]
        assert len(mine.frames) == len(shapes)
        right = shapes[0].left - mine.frames[0][0]
        down = shapes[0].bottom + mine.frames[0][1]
        for shape, (left, low, far, high) in zip(shapes, mine.frames, strict=True):
            corners = left + right, far + right, down - high, down - low
            places = shape.left, shape.right, shape.top, shape.bottom
            assert onp.allclose(corners, places, atol=CLOSE)
        lines = [line[0] for shape in theirs.shapes for line in shape.lines]
        assert len(lines) == len(mine.texts)
        assert all(to_latex(t) in what for t, (_, what) in zip(lines, mine.texts, strict=True))
        tips = sorted((x + right, down - y) for _, (x, y), tipped in mine.ways if tipped)
        assert onp.allclose(tips, sorted(theirs.tips), atol=2 * CLOSE)


@ALL
def test_everything_is_inside(name: str) -> None:
    f, args = SMALL[name]
    for panel in read(picture_environments(draw(f, *args).picture, 510.0, 690.0)):
        places = [p for start, end, _ in panel.ways for p in (start, end)]
        places += [p for left, low, far, high in panel.frames for p in ((left, low), (far, high))]
        places += [p for p, _ in panel.texts]
        assert all(-CLOSE <= x <= panel.width + CLOSE for x, _ in places)
        assert all(-CLOSE <= y <= panel.height + CLOSE for _, y in places)


@ALL
@pytest.mark.parametrize("room", [(510.0, 690.0), (120.0, 690.0), (510.0, 90.0)])
def test_a_panel_is_made_smaller_until_it_fits(name: str, room: tuple[float, float]) -> None:
    f, args = SMALL[name]
    picture = draw(f, *args).picture
    text = picture_environments(picture, *room)
    scales = [float(scale) for scale in re.findall(r"\\scalebox\{([\d.]+)\}", text)]
    for scale, panel in zip(scales, read(text), strict=True):
        assert 0 < scale <= 1
        assert 0.75 * scale * panel.width <= room[0] and 0.75 * scale * panel.height <= room[1]
    assert lay(picture).placed.width > 0


def test_a_long_program_is_an_overview_and_some_of_its_parts() -> None:
    picture = draw(chained, onp.full(3, 0.1), 0.001).picture
    text = picture_environments(picture, 510.0, 690.0)
    assert 2 <= len(read(text)) <= 26
    assert "more pictures of what is folded" in text


def test_without_graphlay_a_sentence_stands_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latex, "can_draw", lambda: False)
    f, args = SMALL["gate"]
    page = latex_of(draw(f, *args).document())
    assert "needs graphlay" in page and "{picture}" not in page
