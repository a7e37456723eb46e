"""A graph as a tree of groups: modules, and stretches of a long program.

A group is a stretch of the program, so that no arrow can lead from a group back to itself. The
operations that read a module's arrays belong to it, and what follows them in the same function.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from backlit.core.graph import Var
from backlit.explain.drawing.arrays import Facts, Unit
from backlit.explain.names import written_in

# Boxes of one picture: a graph with up to so many operations is not folded at all.
FLAT = 30
_MOST = 16
_ROOM = 20

Path = tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """A part of a graph.

    Attributes
    ----------
    title : str
    members : tuple of Unit or Group
        In the order of the program; inputs that only it reads are among them.
    """

    title: str
    members: tuple[Unit | Group, ...]

    @cached_property
    def operations(self) -> list[int]:
        """Numbers of all operations in here, in order."""
        found: list[int] = []
        for member in self.members:
            if isinstance(member, Group):
                found += member.operations
            elif isinstance(member, int):
                found.append(member)
        return found


def folded(facts: Facts, most: int = FLAT) -> Group:
    """Return a graph as a tree of groups.

    Parameters
    ----------
    facts : Facts
    most : int
        A graph of so many operations has no groups.

    Returns
    -------
    Group

    Examples
    --------
    >>> import backlit as bl
    >>> from backlit.core.evaluate import values
    >>> from backlit.explain.flow import flow
    >>> def f(x):
    ...     for _ in range(100):
    ...         x = x * 1.01
    ...     return x
    >>> graph = bl.trace(f)(1.0)
    >>> tree = folded(Facts(flow(graph, values(graph, [1.0]), graph.inputs)))
    >>> [member.title for member in tree.members if isinstance(member, Group)][:2]
    ['operations 1–15', 'operations 16–30']
    """
    graph = facts.graph
    count = len(graph.equations)
    if count <= most:
        return Group(graph.name, (*_read(facts), *range(count)))
    whole = Group(graph.name, tuple(_Folding(facts).grouped(list(range(count)), 0)))
    return _with_arrays(facts, whole)


def _modules(facts: Facts) -> list[Path]:
    """Return the path of the module that each operation belongs to, () for none."""
    own = {
        var: tuple(facts.names[var].split(".")[:-1])
        for var in facts.graph.inputs
        if "." in facts.names[var]
    }
    found: list[Path] = []
    last: Path = ()
    home: tuple[str, str] | None = None
    waiting = 0  # how many operations since the function began have no module yet
    for equation in facts.graph.equations:
        paths = [own[a] for a in equation.inputs if isinstance(a, Var) and a in own]
        here = written_in(equation)
        if here != home:
            last, home, waiting = (), here, 0
        if paths:
            last = max(paths, key=len)
            if waiting and here is not None:
                found[-waiting:] = [last] * waiting
            waiting = 0
        elif not last:
            waiting += 1
        found.append(last)
    return found


class _Folding:
    """The groups of one graph, in the making."""

    def __init__(self, facts: Facts) -> None:
        self.modules = _modules(facts)
        self.sources = [equation.source for equation in facts.graph.equations]

    def grouped(self, operations: list[int], depth: int) -> list[Unit | Group]:
        """Return stretches of one module as groups, and long lists of anything as stretches."""
        members: list[Unit | Group] = []
        start = 0
        while start < len(operations):
            path = self.modules[operations[start]]
            end = start + 1
            while end < len(operations) and _same(self.modules[operations[end]], path, depth):
                end += 1
            stretch = operations[start:end]
            if len(path) > depth:
                inner = self.grouped(stretch, depth + 1)
                title = ".".join(path[: depth + 1])
                # A module with nothing beside one part of it goes by the name of that part.
                alone = len(inner) == 1 and isinstance(inner[0], Group)
                members.append(inner[0] if alone else Group(title, tuple(inner)))
            else:
                members += stretch
            start = end
        return self.stretches(_opened(members))

    def stretches(self, members: list[Unit | Group]) -> list[Unit | Group]:
        """Return a list short enough for one picture."""
        if len(members) <= _ROOM:
            return members
        levels = math.ceil(math.log(len(members), _MOST) - 1e-9)
        count = math.ceil(len(members) / _MOST ** (levels - 1))
        size = math.ceil(len(members) / count)
        turn = self.turn(members)
        size = max(size // turn, 1) * turn  # a loop is cut between its turns
        found: list[Unit | Group] = []
        for start in range(0, len(members), size):
            part = members[start : start + size]
            inner = tuple(self.stretches(part))
            found.append(Group(_title(part), inner) if len(part) > 1 else part[0])
        return found

    def turn(self, members: Sequence[Unit | Group]) -> int:
        """Return how many operations one turn of a loop has, 1 where there is no loop."""
        sources = [self.sources[m] if isinstance(m, int) else None for m in members]
        if sources[0] is None or sources[0] not in sources[1:]:
            return 1
        length = sources.index(sources[0], 1)
        return length if sources[: 2 * length] == sources[:length] * 2 else 1


def _opened(members: list[Unit | Group]) -> list[Unit | Group]:
    """Replace groups of nothing but groups by what is in them, where there is room."""
    found = list(members)
    for member in members:
        if isinstance(member, Group) and all(isinstance(m, Group) for m in member.members):
            if len(found) - 1 + len(member.members) <= _ROOM:
                place = found.index(member)
                found[place : place + 1] = member.members
    return found


def _same(path: Path, first: Path, depth: int) -> bool:
    return len(path) > depth and len(first) > depth and path[: depth + 1] == first[: depth + 1]


def _title(part: Sequence[Unit | Group]) -> str:
    titles = [member.title for member in part if isinstance(member, Group)]
    if len(set(titles)) == len(part):
        return f"{titles[0]} to {titles[-1]}"
    operations = Group("", tuple(part)).operations
    return f"operations {operations[0] + 1:,}–{operations[-1] + 1:,}"


def _with_arrays(facts: Facts, whole: Group) -> Group:
    """Put a module's arrays where they are read; other arguments stay in the first picture."""
    read = _read(facts)
    own = {var: span for var, span in read.items() if "." in facts.names[var]}
    found = _with_own(whole, own)
    others = [var for var in read if var not in own]
    return Group(found.title, (*_together(others, "arguments"), *found.members))


def _together(inputs: Sequence[Var], what: str) -> tuple[Unit | Group, ...]:
    """Return inputs, in a group of their own if they are many."""
    many = len(inputs) > _MOST
    return (Group(f"{len(inputs):,} {what}", tuple(inputs)),) if many else tuple(inputs)


def _with_own(group: Group, read: dict[Var, tuple[int, int]]) -> Group:
    """Put arrays into the smallest group that holds all that reads them.

    `read` has the first and the last operation that does.
    """
    members: list[Unit | Group] = []
    here = dict(read)
    for member in group.members:
        if isinstance(member, Group):
            first, last = member.operations[0], member.operations[-1]
            inner = {
                var: (start, end)
                for var, (start, end) in here.items()
                if first <= start and end <= last
            }
            for var in inner:
                del here[var]
            member = _with_own(member, inner)
        members.append(member)
    return Group(group.title, (*_together(list(here), "arrays"), *members))


def _read(facts: Facts) -> dict[Var, tuple[int, int]]:
    """Return the first and the last operation that reads each input."""
    found: dict[Var, tuple[int, int]] = {}
    for k, equation in enumerate(facts.graph.equations):
        for atom in equation.inputs:
            if isinstance(atom, Var) and isinstance(facts.home[atom], Var):
                found[atom] = (found.get(atom, (k, k))[0], k)
    # In the order in which the program takes them.
    return {var: found[var] for var in facts.graph.inputs if var in found}
