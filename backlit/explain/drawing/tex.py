r"""Pictures in LaTeX's own `picture` environment: the layout of the SVG, without further packages.

All arrows run straight down, up or across, and these are the lines that `picture` can draw
everywhere. Coordinates are those of the SVG, turned upside down.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backlit.explain.document import Box, Picture
from backlit.explain.drawing.layout import Point
from backlit.explain.drawing.svg import INSET, NAME, TITLES, Laid, everything, lay, lines_of
from backlit.explain.render.characters import to_latex

# Points per unit of the layout, before a panel is made smaller to fit the page.
_UNIT = 0.75
_LEADING = 1.35
# Of folded parts, each with a picture of its own.
_MOST = 12


def picture_environments(picture: Picture, width: float, height: float) -> str:
    r"""Return a picture and what is folded in it, a `picture` environment for every panel.

    Parameters
    ----------
    picture : Picture
    width, height : float
        Room on a page, in points.

    Returns
    -------
    str
        In ASCII; it needs the package graphicx. Panels that fit stand side by side.

    Raises
    ------
    InputError
        If graphlay is not installed.
    """
    every = list(everything(picture))
    parts = []
    for one in every[: _MOST + 1]:
        laid = lay(one)
        title = [rf"\textbf{{{to_latex(one.title)}}}\nopagebreak"]
        panels = [_panel(laid, side, boxes, width, height) for side, boxes in laid.panels]
        parts.append("\n\n".join([*title, "\n\\hfil\n".join(panels)]))
        if one.more:
            parts.append(to_latex(one.more))
    if len(every) > _MOST + 1:
        left = len(every) - _MOST - 1
        parts.append(to_latex(f"{left:,} more pictures of what is folded: in the page and the SVG"))
    return "\n\n".join(parts)


def _panel(laid: Laid, side: str, boxes: Sequence[Box], width: float, height: float) -> str:
    across = max(laid.placed.width, 1.0)
    down = max(laid.placed.height, 1.0)
    title = 2 * NAME
    scale = min(1.0, width / (across * _UNIT), height / ((down + title) * _UNIT))
    lines = [
        rf"\scalebox{{{int(scale * 1000) / 1000:g}}}{{\setlength{{\unitlength}}{{{_UNIT}pt}}"
        rf"\begin{{picture}}({_at(across)},{_at(down + title)})",
        rf"\put(0,{_at(down + title - NAME)}){{\normalsize {to_latex(TITLES[side])}}}",
    ]
    for (start, end), route in zip(laid.picture.arrows, laid.placed.routes, strict=True):
        towards = boxes[end] if side == "forward" else boxes[start]
        way = route if side == "forward" else route[::-1]
        lines += _way([(x, down - y) for x, y in way], towards.kind != "local")
    for box, (x, y), size in zip(boxes, laid.placed.corners, laid.sizes, strict=True):
        lines += _box(box, (x, down - y - size[1]), size)
    return "\n".join([*lines, r"\end{picture}}"])


def _way(points: Sequence[Point], tipped: bool) -> Iterator[str]:
    """Yield the stretches of an arrow, the last with its tip."""
    found = [pair for pair in zip(points, points[1:], strict=False) if _length(*pair)]
    for k, (start, end) in enumerate(found):
        word = "vector" if tipped and k == len(found) - 1 else "line"
        (x0, y0), (x1, y1) = start, end
        right, up = (_sign(x1 - x0), 0) if abs(x1 - x0) > abs(y1 - y0) else (0, _sign(y1 - y0))
        yield rf"\put({_at(x0)},{_at(y0)}){{\{word}({right},{up}){{{_length(start, end)}}}}}"


def _length(start: Point, end: Point) -> str:
    """Return how long a stretch along an axis is, "" for none."""
    length = _at(max(abs(end[0] - start[0]), abs(end[1] - start[1])))
    return "" if length == "0" else length


def _sign(value: float) -> int:
    return 1 if value > 0 else -1


def _box(box: Box, corner: Point, size: tuple[float, float]) -> Iterator[str]:
    """Yield the frame of a box and its lines of text."""
    (x, y), (width, height) = corner, size
    middle = x + width / 2
    whole = f"({_at(width)},{_at(height)})"
    if box.marked:
        yield rf"\put({_at(x)},{_at(y)}){{\thicklines\framebox{whole}{{}}}}"
    elif box.kind == "local":
        pass  # words on an edge
    elif box.kind == "outside" or box.faint:
        yield rf"\put({_at(x)},{_at(y)}){{\dashbox{{3}}{whole}{{}}}}"
    elif box.kind == "input":
        yield rf"\put({_at(middle)},{_at(y + height / 2)}){{\oval{whole}}}"
    elif box.kind == "result":
        yield rf"\put({_at(x)},{_at(y)}){{\thicklines\framebox{whole}{{}}}}"
    else:
        yield rf"\put({_at(x)},{_at(y)}){{\framebox{whole}{{}}}}"
    if box.kind == "group":  # a second border: there is more inside
        inner = f"({_at(width - 2 * INSET)},{_at(height - 2 * INSET)})"
        yield rf"\put({_at(x + INSET)},{_at(y + INSET)}){{\framebox{inner}{{}}}}"
    lines = lines_of(box)
    top = y + height - (height - sum(s * _LEADING for _, s in lines)) / 2
    for text, letters in lines:
        top -= letters * _LEADING
        kind = "normalsize" if letters == NAME else "small"
        place = f"({_at(middle)},{_at(top + letters * _LEADING / 2)})"
        yield rf"\put{place}{{\makebox(0,0){{\{kind} {to_latex(text)}}}}}"


def _at(value: float) -> str:
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text
