"""A derivation as a picture: what is computed from what, and the derivatives, all in formulas."""

from __future__ import annotations

from collections.abc import Sequence

from backlit.explain.derivation.sheet import Line, Sheet
from backlit.explain.document import Box, Picture
from backlit.explain.drawing.measure import shortened
from backlit.explain.equation.text.printing import readable
from backlit.explain.equation.tree import Derivative, Name, Node
from backlit.explain.render.columns import folded

# Characters in one line, lines of one formula, and boxes of one picture.
_MOST = 40
_MOST_LINES = 3
_MOST_BOXES = 40


def sheet_picture(derivation: Sheet, title: str) -> Picture:
    """Return a derivation as a picture without numbers.

    Parameters
    ----------
    derivation : Sheet
    title : str

    Returns
    -------
    Picture
        A box per argument and per line of the program. On the way back it has the derivative with
        respect to it, on the way forward the formula it is computed by.
    """
    slopes = {
        line.left.wrt: line
        for line in derivation.backward
        if isinstance(line.left, Derivative) and line.left.second is None
    }
    lines = [line for line in derivation.forward if isinstance(line.left, Name)]
    left_out = max(len(lines) - _MOST_BOXES, 0)
    lines = lines[-_MOST_BOXES:]
    used = {part for line in lines for part in line.right.walk() if isinstance(part, Name)}
    places: dict[Node, int] = {}
    boxes: list[tuple[Box, Box]] = []
    arrows: list[tuple[int, int]] = []
    for argument in derivation.arguments:
        if argument.name in used:
            places[argument.name] = len(boxes)
            shape = "×".join(map(str, argument.aval.shape)) or "number"
            ahead = _box(argument.name, [shape], "input")
            boxes.append((ahead, _back(argument.name, "input", slopes, derivation)))
    for line in lines:
        kind = "result" if line.left == derivation.target else "operation"
        place = len(boxes)
        shape = "×".join(map(str, line.shape)) or "number"
        boxes.append(
            (
                _box(line.left, [f"= {readable(line.right)}", shape], kind),
                _back(line.left, kind, slopes, derivation),
            )
        )
        read = dict.fromkeys([part for part in line.right.walk() if isinstance(part, Name)])
        arrows += [(places[name], place) for name in read if name in places]
        places[line.left] = place
    return Picture(
        key="derivation",
        title=title,
        about="What is computed from what, and the derivatives, in formulas.",
        forward=tuple([ahead for ahead, _ in boxes]),
        backward=tuple([back for _, back in boxes]),
        arrows=tuple(arrows),
        more=f"{left_out:,} earlier lines are not drawn." if left_out else "",
    )


def _box(name: Node, lines: Sequence[str], kind: str) -> Box:
    about = " ".join([readable(name), *lines])
    shown: list[str] = []
    for line in lines:
        pieces = folded(line, _MOST)
        if len(pieces) > _MOST_LINES:
            pieces = [*pieces[: _MOST_LINES - 1], shortened("… " + pieces[-1], _MOST)]
        shown += pieces
    return Box((readable(name), *shown), kind, about=about)


def _back(name: Node, kind: str, slopes: dict[Node, Line], derivation: Sheet) -> Box:
    """Return the box of a derivative: its name and its formula."""
    line = slopes.get(name)
    if line is not None:
        return _box(line.left, [f"= {readable(line.right)}"], kind)
    if name == derivation.target:
        return _box(Derivative(name, name), ["= 1"], kind)
    return Box((readable(name), "not asked for"), kind, faint=True)
