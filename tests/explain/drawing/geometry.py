"""Reads an SVG back: which boxes, texts and arrows it has, and where."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.etree import ElementTree

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

SVG = "{http://www.w3.org/2000/svg}"
Point = tuple[float, float]


@dataclass
class Shape:
    kind: str
    left: float
    top: float
    right: float
    bottom: float
    lines: list[tuple[str, float, float, float]] = field(default_factory=list)
    link: str = ""

    @property
    def text(self) -> list[str]:
        return [line[0] for line in self.lines]

    def overlaps(self, other: Shape, gap: float = 0.5) -> bool:
        across = self.left < other.right - gap and other.left < self.right - gap
        return across and self.top < other.bottom - gap and other.top < self.bottom - gap

    def holds(self, point: Point, inset: float = 0.0) -> bool:
        x, y = point
        across = self.left + inset <= x <= self.right - inset
        return across and self.top + inset <= y <= self.bottom - inset


@dataclass
class Panel:
    side: str
    shapes: list[Shape]
    arrows: list[list[Point]]
    tips: list[Point]


def panels(svg: str) -> list[Panel]:
    """Return every panel of a drawing, in absolute places."""
    root = ElementTree.fromstring(svg)
    found: list[Panel] = []
    _collect(root, (0.0, 0.0), "", found)
    return found


def _collect(node: ElementTree.Element, shift: Point, link: str, found: list[Panel]) -> None:
    shift = _moved(node, shift)
    kinds = (node.get("class") or "").split()
    if node.tag == f"{SVG}g" and kinds in (["forward"], ["backward"]):
        found.append(Panel(kinds[0], [], [], []))
    if node.tag == f"{SVG}a":
        link = node.get("href") or ""
    rect = node.find(f"{SVG}rect")
    if node.tag == f"{SVG}g" and rect is not None and found:
        found[-1].shapes.append(_shape(node, rect, kinds, shift, link))
        return
    if node.tag == f"{SVG}path":
        found[-1].arrows.append(_corners(node.get("d") or "", shift))
    if node.tag == f"{SVG}polygon":
        x, y = (node.get("points") or "").split()[0].split(",")
        found[-1].tips.append((float(x) + shift[0], float(y) + shift[1]))
    for child in node:
        _collect(child, shift, link, found)


def _moved(node: ElementTree.Element, shift: Point) -> Point:
    move = re.fullmatch(r"translate\(([-\d.]+)[ ,]([-\d.]+)\)", node.get("transform") or "")
    return (shift[0] + float(move[1]), shift[1] + float(move[2])) if move else shift


def _shape(
    node: ElementTree.Element,
    rect: ElementTree.Element,
    kinds: list[str],
    shift: Point,
    link: str,
) -> Shape:
    x, y, width, height = (float(rect.get(name) or 0) for name in ("x", "y", "width", "height"))
    left, top = x + shift[0], y + shift[1]
    shape = Shape(kinds[0], left, top, left + width, top + height, link=link)
    for text in node.iter(f"{SVG}text"):
        assert text.get("text-anchor") == "middle"
        size = 14.0 if text.get("class") == "name" else 12.0
        middle = (float(text.get("x") or 0) + shift[0], float(text.get("y") or 0) + shift[1])
        shape.lines.append((text.text or "", *middle, size))
    return shape


def _corners(path: str, shift: Point) -> list[Point]:
    """Return the points of a path; a bend is taken for its corner."""
    found: list[Point] = []
    for command, rest in re.findall(r"([MLQ])([^MLQ]*)", path):
        numbers = [float(number) for number in rest.split()]
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
        if command == "Q":  # the corner instead of where it is entered
            found[-1] = points[0]
            found.append(points[1])
        else:
            found += points
    return [(x + shift[0], y + shift[1]) for x, y in found]


def segments(points: list[Point]) -> Iterator[tuple[Point, Point]]:
    yield from zip(points, points[1:], strict=False)


_FONT = FT2Font(font_manager.findfont("DejaVu Sans"))


def width(text: str, size: float) -> float:
    """Return how wide a text is in DejaVu Sans, wider than most fonts a reader has."""
    _FONT.set_size(size, 72)
    return sum(_FONT.load_char(ord(c)).linearHoriAdvance / 65536 for c in text)
