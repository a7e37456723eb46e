"""Pictures as SVG: two panels with the same boxes in the same places."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backlit.explain.document import Box, Picture
from backlit.explain.drawing.layout import Placed, Point, place
from backlit.explain.drawing.measure import width_of
from backlit.train.report.html import Html, tag

# Letters, in pixels: the name of a box, and everything else.
NAME, TEXT = 14.0, 12.0
_LEADING = 1.35
_PAD = 9.0
_MARGIN = 16.0
_BETWEEN = 40.0
_TITLE = 34.0
_ROUND = 6.0
_TIP = 7.0
INSET = 3.0
_HEAD = 26.0
TITLES = {"forward": "Forward: values, read down", "backward": "Backward: gradients, read up"}

STYLE = """
.bl-picture { --paper: #fff; --ink: #1d2129; --soft: #4b5563; --line: #8a94a3; --card: #f3f5f8;
  --way: #2f5fc4; --back: #b3361f; background: var(--paper); }
@media (prefers-color-scheme: dark) { .bl-picture { --paper: #14171c; --ink: #e6e9ee;
  --soft: #b3bcc9; --line: #77818f; --card: #1f242c; --way: #84a9ff; --back: #f0836c; } }
.bl-picture text { font: 12px system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif;
  fill: var(--soft); }
.bl-picture .name, .bl-picture .panel { font-size: 14px; fill: var(--ink); }
.bl-picture rect { fill: var(--card); stroke: var(--line); stroke-width: 1.2; }
.bl-picture .paper { fill: var(--paper); stroke: none; }
.bl-picture .local rect { fill: var(--paper); stroke: none; }
.bl-picture .result rect { stroke: var(--ink); stroke-width: 2.4; }
.bl-picture .outside rect { fill: none; stroke-dasharray: 5 4; }
.bl-picture .arrow { fill: none; stroke: var(--way); stroke-width: 1.5; }
.bl-picture .tip { fill: var(--way); }
.bl-picture .backward .arrow { stroke: var(--back); stroke-dasharray: 6 3; }
.bl-picture .backward .tip { fill: var(--back); }
.bl-picture .faint rect { stroke-dasharray: 2 3; }
.bl-picture .faint .arrow, .bl-picture .faint .tip { opacity: .45; }
.bl-picture .marked rect { stroke: var(--back); stroke-width: 2.6; }
.bl-picture .marked text { fill: var(--ink); }
.bl-picture a .name { text-decoration: underline; }
.bl-picture a:focus-visible rect { stroke: var(--way); stroke-width: 3; }
"""


@dataclass(frozen=True)
class Laid:
    """A picture with places.

    Attributes
    ----------
    picture : Picture
    sizes : tuple of (width, height)
    placed : Placed
    """

    picture: Picture
    sizes: tuple[tuple[float, float], ...]
    placed: Placed

    @property
    def panels(self) -> list[tuple[str, tuple[Box, ...]]]:
        """The panels there are: "forward" and perhaps "backward", each with its boxes."""
        found = [("forward", self.picture.forward)]
        return [*found, ("backward", self.picture.backward)] if self.picture.backward else found

    @property
    def panel_width(self) -> float:
        """Width of one panel."""
        return max(self.placed.width, *[width_of(t, NAME) for t in TITLES.values()])

    @property
    def width(self) -> float:
        """Width of all panels."""
        count = len(self.panels)
        return 2 * _MARGIN + count * self.panel_width + (count - 1) * _BETWEEN

    @property
    def height(self) -> float:
        """Height of all panels."""
        return 2 * _MARGIN + _TITLE + self.placed.height


def lay(picture: Picture) -> Laid:
    """Find places for the boxes of a picture.

    Parameters
    ----------
    picture : Picture

    Returns
    -------
    Laid
    """
    sides = [picture.forward, picture.backward or picture.forward]
    sizes = []
    for pair in zip(*sides, strict=True):
        needed = [_size(box) for box in pair]
        sizes.append((max(w for w, _ in needed), max(h for _, h in needed)))
    return Laid(picture, tuple(sizes), place(sizes, picture.arrows))


def _size(box: Box) -> tuple[float, float]:
    widths = [width_of(line, size) for line, size in lines_of(box)]
    pad = 3.0 if box.kind == "local" else _PAD
    ends = _PAD if box.kind == "input" else 0.0  # its corners are round
    if box.kind == "group":
        pad += INSET
    height = sum(size * _LEADING for _, size in lines_of(box)) + 1.5 * pad
    return max(widths, default=0.0) + 2 * (pad + ends), height


def lines_of(box: Box) -> list[tuple[str, float]]:
    """Return the lines of a box, each with the size of its letters.

    Parameters
    ----------
    box : Box

    Returns
    -------
    list of (str, float)
    """
    named = box.kind != "local"
    return [(line, NAME if named and not k else TEXT) for k, line in enumerate(box.lines)]


def svg(picture: Picture) -> str:
    """Return a picture as a file of its own.

    Parameters
    ----------
    picture : Picture
        What is folded in it is drawn below it; a link leads from the box, and another one back.

    Returns
    -------
    str

    Raises
    ------
    InputError
        If graphlay is not installed.
    """
    laid = [lay(one) for one in everything(picture)]
    # All are shown on a sheet of the same size, so that a link changes nothing but what is on it.
    heads = [0.0, *[_HEAD] * (len(laid) - 1)]
    width = max(one.width for one in laid)
    height = max(one.height + head for one, head in zip(laid, heads, strict=True))
    parts: list[Html] = []
    for k, (one, head) in enumerate(zip(laid, heads, strict=True)):
        view = f"0 {_at(k * height)} {_at(width)} {_at(height)}"
        parts.append(tag("view", id=one.picture.key, viewBox=view))
        if head:
            parts.append(_back(one, picture, k * height))
        parts.append(_drawn(one, k * height + head))
    made = tag(
        "svg",
        tag("title", picture.title),
        tag("desc", picture.about),
        tag("style", Html(STYLE)),
        tag("rect", width=_at(width), height=_at(len(laid) * height), class_="paper"),
        parts,
        **_frame(picture, width, height),
    )
    return f"{made}\n"


def panels(picture: Picture) -> list[Html]:
    """Return every panel of a picture as an element of its own, without a style.

    Parameters
    ----------
    picture : Picture
        What is folded in it is left out.

    Returns
    -------
    list of Html

    Raises
    ------
    InputError
        If graphlay is not installed.
    """
    laid = lay(picture)
    width = 2 * _MARGIN + laid.panel_width
    return [
        tag(
            "svg",
            tag("title", f"{picture.title}: {TITLES[side]}"),
            tag(
                "g",
                _panel(laid, side, boxes),
                transform=f"translate({_at(_MARGIN)} {_at(_MARGIN)})",
            ),
            **_frame(picture, width, laid.height),
        )
        for side, boxes in laid.panels
    ]


def everything(picture: Picture) -> Iterator[Picture]:
    """Yield a picture and all that is folded in it."""
    yield picture
    for inner in picture.inside:
        yield from everything(inner)


def _frame(picture: Picture, width: float, height: float) -> dict[str, str]:
    links = any(box.link for one in everything(picture) for box in one.forward)
    return {
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": f"0 0 {_at(width)} {_at(height)}",
        "width": _at(width),
        "height": _at(height),
        # What is inside an image cannot be reached by keyboard.
        "role": "group" if links else "img",
        "class_": "bl-picture",
    }


def _back(laid: Laid, whole: Picture, top: float) -> Html:
    """Return the title of an inner picture, a link to the whole."""
    title = f"{laid.picture.title}: back to the overview"
    text = tag("text", title, x=_at(_MARGIN), y=_at(top + _HEAD - 4), class_="name")
    return tag("a", text, href=f"#{whole.key}")


def _drawn(laid: Laid, top: float) -> Html:
    """Return all panels side by side."""
    parts = []
    for k, (side, boxes) in enumerate(laid.panels):
        x = _MARGIN + k * (laid.panel_width + _BETWEEN)
        place = f"translate({_at(x)} {_at(top + _MARGIN)})"
        parts.append(tag("g", _panel(laid, side, boxes), transform=place))
    return tag("g", parts)


def _panel(laid: Laid, side: str, boxes: Sequence[Box]) -> Html:
    """Return one panel with its upper left corner at 0, 0."""
    title = tag("text", TITLES[side], x=0, y=_at(NAME), class_="panel")
    parts = []
    for (start, end), route in zip(laid.picture.arrows, laid.placed.routes, strict=True):
        towards = boxes[end] if side == "forward" else boxes[start]
        way = route if side == "forward" else route[::-1]
        faint = boxes[start].faint or boxes[end].faint
        parts.append(_arrow(way, towards.kind != "local", faint))
    for box, corner, size in zip(boxes, laid.placed.corners, laid.sizes, strict=True):
        parts.append(_box(box, corner, size))
    inside = tag("g", parts, transform=f"translate({_at(_shift(laid))} {_at(_TITLE)})")
    return tag("g", title, inside, class_=side)


def _shift(laid: Laid) -> float:
    """Return how far a drawing narrower than its title is moved to stand in the middle."""
    return (laid.panel_width - laid.placed.width) / 2


def _box(box: Box, corner: Point, size: tuple[float, float]) -> Html:
    (x, y), (width, height) = corner, size
    round_ = height / 2 if box.kind == "input" else 2.0 if box.kind == "local" else _ROUND
    shape = {
        "x": _at(x),
        "y": _at(y),
        "width": _at(width),
        "height": _at(height),
        "rx": _at(round_),
    }
    parts = [tag("title", box.about)] if box.about else []
    parts.append(tag("rect", **shape))
    if box.kind == "group":  # a second border: there is more inside
        inner = [_at(v) for v in (x + INSET, y + INSET, width - 2 * INSET, height - 2 * INSET)]
        names = ("x", "y", "width", "height")
        parts.append(tag("rect", **dict(zip(names, inner, strict=True)), rx=_at(_ROUND - 2)))
    lines = lines_of(box)
    base = y + (height - sum(s * _LEADING for _, s in lines)) / 2
    for text, letters in lines:
        base += letters * _LEADING
        named = "name" if letters == NAME else None
        place = {"x": _at(x + width / 2), "y": _at(base - letters * 0.32)}
        parts.append(tag("text", text, **place, text_anchor="middle", class_=named))
    classes = [box.kind, *["faint"] * box.faint, *["marked"] * box.marked]
    made = tag("g", parts, class_=" ".join(classes))
    return tag("a", made, href=f"#{box.link}") if box.link else made


def _arrow(route: Sequence[Point], tipped: bool, faint: bool) -> Html:
    points = list(route)
    tip: Html | None = None
    if tipped:
        points, tip = _with_tip(points)
    return tag(
        "g", tag("path", d=_rounded(points), class_="arrow"), tip, class_="faint" if faint else None
    )


def _with_tip(points: list[Point]) -> tuple[list[Point], Html]:
    """Return a way that ends earlier, and the tip that fills the rest."""
    (x0, y0), (x1, y1) = points[-2], points[-1]
    length = math.hypot(x1 - x0, y1 - y0) or 1.0
    dx, dy = (x1 - x0) / length, (y1 - y0) / length
    foot = (x1 - _TIP * dx, y1 - _TIP * dy)
    sides = [(foot[0] - s * dy * _TIP / 2, foot[1] + s * dx * _TIP / 2) for s in (1, -1)]
    corners = " ".join([f"{_at(x)},{_at(y)}" for x, y in [(x1, y1), *sides]])
    return [*points[:-1], foot], tag("polygon", points=corners, class_="tip")


def _rounded(points: Sequence[Point]) -> str:
    """Return a path along points with its corners rounded."""
    commands = [f"M{_at(points[0][0])} {_at(points[0][1])}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        enter, leave = _towards(corner, before), _towards(corner, after)
        commands.append(f"L{_at(enter[0])} {_at(enter[1])}")
        bend = f"Q{_at(corner[0])} {_at(corner[1])} {_at(leave[0])} {_at(leave[1])}"
        commands.append(bend)
    commands.append(f"L{_at(points[-1][0])} {_at(points[-1][1])}")
    return "".join(commands)


def _towards(start: Point, end: Point) -> Point:
    """Return the point a little away from `start` in the direction of `end`."""
    length = math.dist(start, end)
    share = min(_ROUND, length / 2) / length if length else 0.0
    return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])


def _at(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
