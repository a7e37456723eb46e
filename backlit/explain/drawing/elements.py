"""The numbers between one weight and the loss as a picture."""

from __future__ import annotations

from backlit.explain.document import Box, Picture
from backlit.explain.drawing.arrays import local_lines, product_lines
from backlit.explain.drawing.measure import shortened
from backlit.explain.formula import number
from backlit.explain.views import Accumulated, Explanation, Term

_MOST = 30
_ENDS = 12  # arrays


def weight_picture(e: Explanation, key: str = "weight") -> Picture | None:
    """Return what an explanation shows of the backward pass as a picture.

    Parameters
    ----------
    e : Explanation
    key : str

    Returns
    -------
    Picture or None
        None if no path leads from the weight to the loss.
    """
    return _Elements(e).picture(key) if e.paths.count else None


class _Elements:
    """Boxes and arrows of one explanation, in the making."""

    def __init__(self, e: Explanation) -> None:
        self.e = e
        self.boxes: list[tuple[Box, Box]] = []
        self.arrows: list[tuple[int, int]] = []
        self.places: dict[str, int] = {}
        operations = {row.name: row.operation for row in e.forward}
        # The loss is explained first and computed last. A long way keeps both of its ends.
        steps = e.backward[::-1]
        if len(steps) > 2 * _ENDS:
            steps = (*steps[:_ENDS], *steps[-_ENDS:])
        self.items = [
            (item, operations.get(step.name, "")) for step in steps for item in step.elements
        ]

    def picture(self, key: str) -> Picture:
        for item, operation in self.items:
            self.places[item.element.label] = len(self.boxes)
            self.boxes.append(self._box(item, operation))
        for item, _ in self.items:
            self._uses(item)
        e = self.e
        title = f"From {e.weight.label} to the loss of {e.function}"
        shown = len(self.items)
        more = sum(step.element_count for step in e.backward) - shown
        about = f"{shown} numbers between the weight and the loss"
        about += f", those that carry most of the gradient; {more:,} more are not drawn." * (
            more > 0
        )
        return Picture(
            key=key,
            title=title,
            about=about.rstrip(".") + ".",
            forward=tuple([ahead for ahead, _ in self.boxes]),
            backward=tuple([back for _, back in self.boxes]),
            arrows=tuple(self.arrows),
        )

    def _box(self, item: Accumulated, operation: str) -> tuple[Box, Box]:
        element = item.element
        kind = "operation"
        if element.label == self.e.symbol:
            kind = "input"
        elif not item.terms:
            kind = "result"
        name, value = shortened(element.label, _MOST), number(element.value)
        lines = [name, value] if kind == "input" else [name, operation, value]
        slope = f"∂{self.e.loss.label}/∂{name}"
        back = [slope, number(item.gradient)]
        told = f"{slope} = {number(item.gradient)}"
        if item.term_count > 1:
            back.append(f"sum of {item.term_count:,} contributions")
            told += f", the sum of {item.term_count:,} contributions"
        about = f"{element.label} = {value}" + (f", by {operation}" if kind != "input" else "")
        return Box(tuple(lines), kind, about=about), Box(tuple(back), kind, about=told)

    def _uses(self, item: Accumulated) -> None:
        start = self.places[item.element.label]
        drawn = [term for term in item.terms if term.result.label in self.places]
        for term in drawn:
            self._edge(start, self.places[term.result.label], item, term)
        hidden = item.term_count - len(drawn)
        if hidden:
            rest = item.gradient - sum(term.contribution for term in drawn)
            uses = f"{hidden:,} more use{'s' * (hidden > 1)}"
            name = shortened(item.element.label, _MOST)
            forward = Box((uses, f"of {name}"), "outside", about=f"{uses} of {name}, not drawn")
            backward = Box((uses, f"send back {number(rest)}"), "outside")
            self.boxes.append((forward, backward))
            self.arrows.append((start, len(self.boxes) - 1))

    def _edge(self, start: int, end: int, item: Accumulated, term: Term) -> None:
        x, y = item.element.label, term.result.label
        local = f"∂{y}/∂{x}"
        forward = local_lines(local, term.rule, term.local)
        head = f"∂{self.e.loss.label}/∂{y} · {local}"
        backward = product_lines(head, term.upstream, term.local, term.contribution)
        place = len(self.boxes)
        self.boxes.append((Box(forward, "local"), Box(backward, "local")))
        self.arrows += [(start, place), (place, end)]
