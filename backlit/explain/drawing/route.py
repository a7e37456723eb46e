"""The way of a gradient from the loss to an input, with the edge at which something happens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as onp

from backlit.core.graph import Var
from backlit.explain.document import Box, Picture
from backlit.explain.drawing.arrays import Facts
from backlit.explain.flow import ArrayEdge

# Operations that are drawn on either side of an edge.
_NEAR = 6

Hop = tuple[int, int]  # operation, slot


def route_picture(
    facts: Facts, edges: Sequence[ArrayEdge], wrt: Iterable[Var], title: str, said: str
) -> Picture:
    """Return the ways from the loss through some edges to the inputs that were asked about.

    Parameters
    ----------
    facts : Facts
    edges : sequence of ArrayEdge
        Each of them is marked.
    wrt : iterable of Var
    title : str
    said : str
        What is written on a marked edge.

    Returns
    -------
    Picture
    """
    inputs = set(wrt)
    hops: dict[Hop, None] = {}
    cut = False
    for edge in edges:
        down, up = _down(facts, edge.operand, inputs), _up(facts, edge.result)
        cut = cut or len(down) > _NEAR or len(up) > _NEAR
        down = down if len(down) <= _NEAR else down[-_NEAR:]
        hops.update(dict.fromkeys([*down, (edge.equation, edge.slot), *up[:_NEAR]]))
    marked = {(edge.equation, edge.slot) for edge in edges}
    boxes: list[tuple[Box, Box]] = []
    arrows: list[tuple[int, int]] = []
    places: dict[Var | int, int] = {}

    def placed(unit: Var | int) -> int:
        if unit not in places:
            places[unit] = len(boxes)
            boxes.append(facts.boxes(unit))
        return places[unit]

    for equation, slot in sorted(hops):
        operand = facts.graph.equations[equation].inputs[slot]
        assert isinstance(operand, Var)
        start, end = placed(facts.home[operand]), placed(equation)
        ahead, back = facts.chips(equation, slot)
        if (equation, slot) in marked:
            back = replace(back, lines=(*back.lines, said), marked=True, faint=False)
            ahead = replace(ahead, marked=True, faint=False)
        chip = len(boxes)
        boxes.append((ahead, back))
        arrows += [(start, chip), (chip, end)]
    about = f"The way between the loss and the input. The edge that is marked says: {said}."
    return Picture(
        key="route",
        title=title,
        about=f"{about} Operations further away are left out." if cut else about,
        forward=tuple([ahead for ahead, _ in boxes]),
        backward=tuple([back for _, back in boxes]),
        arrows=tuple(arrows),
    )


def _up(facts: Facts, var: Var) -> list[Hop]:
    """Return a shortest way from an array to the loss along which a gradient comes back."""
    readers: dict[Var, list[Hop]] = {}
    for edge in facts.flow.edges:
        if edge.contribution is not None and onp.any(edge.upstream):
            readers.setdefault(edge.operand, []).append((edge.equation, edge.slot))

    def beyond(var: Var) -> Iterable[tuple[Hop, Var]]:
        for hop in readers.get(var, ()):
            yield from [(hop, out) for out in facts.graph.equations[hop[0]].outputs]

    return _shortest(var, lambda v: v is facts.result, beyond)


def _down(facts: Facts, var: Var, inputs: set[Var]) -> list[Hop]:
    """Return a shortest way from one of some inputs to an array."""
    made = {out: k for k, e in enumerate(facts.graph.equations) for out in e.outputs}

    def beyond(var: Var) -> Iterable[tuple[Hop, Var]]:
        if var in made:
            for slot, atom in enumerate(facts.graph.equations[made[var]].inputs):
                if isinstance(atom, Var) and atom in facts.flow.active:
                    yield (made[var], slot), atom

    return _shortest(var, lambda v: v in inputs, beyond)[::-1]


def _shortest(
    start: Var, is_end: Callable[[Var], bool], beyond: Callable[[Var], Iterable[tuple[Hop, Var]]]
) -> list[Hop]:
    """Return the steps of a shortest way, none where there is no way."""
    came: dict[Var, tuple[Var, Hop] | None] = {start: None}
    waiting = [start]
    for var in waiting:
        if is_end(var):
            way: list[Hop] = []
            step = came[var]
            while step is not None:
                var, hop = step
                way.append(hop)
                step = came[var]
            return way[::-1]
        for hop, other in beyond(var):
            if other not in came:
                came[other] = var, hop
                waiting.append(other)
    return []
