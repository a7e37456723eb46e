"""A graph of arrays as a picture, with a picture for everything that is folded in it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import numpy as onp

from backlit.core.graph import Var
from backlit.explain.document import Box, Picture
from backlit.explain.drawing.arrays import Facts, Unit, summary_line
from backlit.explain.drawing.fold import Group, folded
from backlit.explain.formula import number

# Pictures of groups that one document holds, and names of arrays on one arrow.
_MOST_PICTURES = 60
_MOST_NAMES = 2
# Boxes for what lies outside a group, on either side.
_MOST_OUTSIDE = 6

Use = tuple[Unit, int, int, Var]  # producer, reader, slot, array


def graph_picture(facts: Facts, key: str, title: str) -> Picture:
    """Return a graph as a picture.

    Parameters
    ----------
    facts : Facts
    key : str
        Begins the key of every picture.
    title : str

    Returns
    -------
    Picture
    """
    return _Pictures(facts, key).whole(title)


class _Pictures:
    """The pictures of one graph, in the making."""

    def __init__(self, facts: Facts, key: str) -> None:
        self.facts = facts
        self.key = key
        self.root = folded(facts)
        self.keys = self._keys()

    def whole(self, title: str) -> Picture:
        hidden = self._groups() - (len(self.keys) - 1)
        more = f"{hidden:,} inner pictures are not drawn." if hidden else ""
        return self._picture(self.root, title, self._uses(), more)

    def _groups(self) -> int:
        count, waiting = 0, [self.root]
        while waiting:
            inner = [m for m in waiting.pop().members if isinstance(m, Group)]
            count += len(inner)
            waiting += inner
        return count

    def _keys(self) -> dict[int, str]:
        """Return the keys of the groups that are drawn, the outer ones first."""
        found = {id(self.root): self.key}
        level = [self.root]
        while level:
            level = [m for group in level for m in group.members if isinstance(m, Group)]
            for group in level:
                if len(found) <= _MOST_PICTURES:
                    found[id(group)] = f"{self.key}-{len(found)}"
        return found

    def _uses(self) -> list[Use]:
        """Return every use of an array by an operation."""
        home = self.facts.home
        return [
            (home[atom], k, slot, atom)
            for k, equation in enumerate(self.facts.graph.equations)
            for slot, atom in enumerate(equation.inputs)
            if isinstance(atom, Var)
        ]

    def _picture(self, group: Group, title: str, uses: list[Use], more: str = "") -> Picture:
        """Return the picture of a group; `uses` are those that begin or end in it."""
        level = _Level(self.facts, group, self.keys)
        for use in uses:
            level.add(use)
        level.finish()
        inside = [
            self._picture(member, member.title, level.touching[place])
            for place, member in enumerate(group.members)
            if isinstance(member, Group) and id(member) in self.keys
        ]
        count = len(group.operations)
        about = f"{count:,} operation{'s' * (count != 1)}."
        if inside:
            about += " A box with a double border can be opened."
        return Picture(
            key=self.keys[id(group)],
            title=title,
            about=about,
            forward=tuple([ahead for ahead, _ in level.boxes]),
            backward=tuple([back for _, back in level.boxes]),
            arrows=tuple(level.arrows),
            inside=tuple(inside),
            more=more,
        )


class _Level:
    """Boxes and arrows of one picture, in the making."""

    def __init__(self, facts: Facts, group: Group, keys: dict[int, str]) -> None:
        self.facts = facts
        self.group = group
        self.boxes: list[tuple[Box, Box]] = []
        self.arrows: list[tuple[int, int]] = []
        self.place: dict[Unit, int] = {}
        for member in group.members:
            place = len(self.boxes)
            if isinstance(member, Group):
                self.place.update(dict.fromkeys(_units(member), place))
                self.boxes.append(self._group_box(member, keys.get(id(member), "")))
            else:
                self.place[member] = place
                self.boxes.append(facts.boxes(member))
        self.touching: dict[int, list[Use]] = {k: [] for k in range(len(self.boxes))}
        self._plain = {k for k, member in enumerate(group.members) if not isinstance(member, Group)}
        self._between: dict[tuple[int, int], list[Use]] = {}
        self._arriving: dict[Var, list[Use]] = {}
        self._leaving: dict[int, list[Use]] = {}

    def add(self, use: Use) -> None:
        """Take in one use of an array."""
        producer, reader, slot, var = use
        start, end = self.place.get(producer), self.place.get(reader)
        for touched in {start, end} - {None}:
            assert touched is not None
            self.touching[touched].append(use)
        if start is None and end is not None:
            self._arriving.setdefault(var, []).append(use)
        elif end is None and start is not None:
            self._leaving.setdefault(start, []).append(use)
        elif start is not None and end is not None and start != end:
            if start in self._plain and end in self._plain:
                self._chip(start, end, self.facts.chips(reader, slot))
            else:
                self._between.setdefault((start, end), []).append(use)

    def finish(self) -> None:
        """Draw what needs all uses: arrows of groups, and what lies outside."""
        for (start, end), uses in self._between.items():
            if start in self._plain:
                self.arrows.append((start, end))
            else:
                self._chip(start, end, self._carried(uses))
        arriving = list(self._arriving.items())
        for var, uses in arriving[:_MOST_OUTSIDE]:
            self._from_outside([var], uses)
        if rest := arriving[_MOST_OUTSIDE:]:
            self._from_outside([var for var, _ in rest], [use for _, uses in rest for use in uses])
        for start, uses in self._leaving.items():
            self._to_outside(start, uses)

    def _chip(self, start: int, end: int, pair: tuple[Box, Box]) -> None:
        place = len(self.boxes)
        self.boxes.append(pair)
        self.arrows += [(start, place), (place, end)]

    def _group_box(self, group: Group, key: str) -> tuple[Box, Box]:
        equations = self.facts.graph.equations
        names = Counter([equations[k].primitive.name for k in group.operations])
        ops = ", ".join([name for name, _ in names.most_common(3)])
        count = len(group.operations)
        counted = f"{count:,} operation{'s' * (count != 1)}"
        lines = [group.title, counted]
        if ops:
            lines.append(ops if len(names) <= 3 else f"{ops}, …")
        weights = sum(v.aval.size for v in _units(group) if isinstance(v, Var))
        if weights:
            lines.append(f"{weights:,} numbers of its own")
        largest = self._largest(_units(group))
        back = [group.title, "no gradient" if largest is None else "largest gradient inside:"]
        if largest is not None:
            back.append(number(largest))
        about = f"{group.title}: {counted}"
        return (
            Box(tuple(lines), "group", about=about, link=key),
            Box(tuple(back), "group", faint=largest is None, about=about, link=key),
        )

    def _largest(self, units: Iterable[Unit]) -> float | None:
        """Return the largest element of any gradient, without its sign."""
        sizes = self.facts.sizes
        found = [sizes[unit] for unit in units if unit in sizes]
        return max(found, default=None)

    def _carried(self, uses: list[Use]) -> tuple[Box, Box]:
        """Return what is written on an arrow that starts at a group."""
        variables = list(dict.fromkeys([var for *_, var in uses]))
        if len(variables) > _MOST_NAMES:
            many = f"{len(variables):,} arrays"
            return Box((many,), "local"), Box((f"{many}' gradients",), "local")
        forward, backward = [], []
        for var in variables:
            name, gradient = self.facts.name(var), self.facts.flow.gradients.get(var)
            forward.append(f"{name}: {summary_line(self.facts.flow.values[var])}")
            backward.append("no gradient")
            if gradient is not None:
                backward[-1] = f"{self.facts.slope(name)}: {summary_line(gradient)}"
        return Box(tuple(forward), "local"), Box(tuple(backward), "local")

    def _from_outside(self, variables: list[Var], uses: list[Use]) -> None:
        """Draw arrays that are made elsewhere."""
        place = len(self.boxes)
        if len(variables) == 1:
            ahead, back = self.facts.boxes(self.facts.home[variables[0]])
            name = self.facts.name(variables[0])
            shown = (name, ahead.lines[-1])
            forward = Box(shown, "outside", about=ahead.about)
            backward = Box(back.lines[:2], "outside", faint=back.faint, about=back.about)
        else:
            many = f"{len(variables):,} more arrays"
            forward, backward = Box((many,), "outside"), Box((f"{many}' gradients",), "outside")
        self.boxes.append((forward, backward))
        ends: set[int] = set()
        for _, reader, slot, _ in uses:
            end = self.place[reader]
            if end in self._plain and len(variables) == 1:
                self._chip(place, end, self.facts.chips(reader, slot))
            elif end not in ends:
                ends.add(end)
                self.arrows.append((place, end))

    def _to_outside(self, start: int, uses: list[Use]) -> None:
        """Draw what reads a result elsewhere, and what comes back from there."""
        variables = list(dict.fromkeys([var for *_, var in uses]))
        count = len({reader for _, reader, _, _ in uses})
        many = f"{count:,} operation{'s' * (count != 1)} outside"
        names = ", ".join([self.facts.name(var) for var in variables[:_MOST_NAMES]])
        if len(variables) > _MOST_NAMES:
            names = f"{len(variables):,} arrays"
        back = "nothing"
        if len(variables) == 1:
            sent = [self.facts.sent.get((reader, slot)) for _, reader, slot, _ in uses]
            parts = [e.contribution for e in sent if e is not None and e.contribution is not None]
            if parts:
                back = summary_line(onp.sum(onp.stack(onp.broadcast_arrays(*parts)), axis=0))
        else:
            back = "several gradients"
        self.boxes.append(
            (Box((many, f"read {names}"), "outside"), Box((many, f"send back {back}"), "outside"))
        )
        self.arrows.append((start, len(self.boxes) - 1))


def _units(group: Group) -> list[Unit]:
    """Return everything in a group, however deep."""
    found: list[Unit] = []
    for member in group.members:
        found += _units(member) if isinstance(member, Group) else [member]
    return found


def slug(text: str) -> str:
    """Return a text as part of an id.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Examples
    --------
    >>> slug("The gradient of W1[0,3]")
    'the-gradient-of-w1-0-3'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "graph"
