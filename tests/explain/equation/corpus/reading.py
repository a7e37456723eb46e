"""The sheets of the corpus: notes whose claims say at their end what they are.

A file ``topic.md`` holds sheets, each with a title, a sentence on where its formulas are met, and
notes in which ``%%`` is followed by the verdict. ``topic.py`` beside it computes the same networks
forward, in plain NumPy.
"""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass, field
from pathlib import Path

from backlit.explain.equation.text.entries import Notes
from backlit.explain.equation.text.notes import read
from backlit.explain.equation.tree import Equation, Name, Number
from tests.explain.equation.corpus.forward import NETWORKS, Network, Point
from tests.explain.equation.sheets import unmarked

_HERE = Path(__file__).parent
TOPICS = tuple(sorted(path.stem for path in _HERE.glob("*.md")))


@dataclass(frozen=True)
class Sheet:
    """Some notes and what they should be found to be.

    Attributes
    ----------
    topic, title : str
    text : str
        Without the marks.
    marks : dict of int to str
        Verdicts by line.
    """

    topic: str
    title: str
    text: str
    marks: dict[int, str] = field(hash=False)

    @property
    def network(self) -> Network:
        return NETWORKS[self.title]

    @functools.cached_property
    def notes(self) -> Notes:
        return read(self.text)

    @functools.cached_property
    def points(self) -> tuple[Point, ...]:
        """Two points of the network, drawn by its title."""
        seed = sum(self.title.encode())
        return Point(self.network, seed), Point(self.network, seed + 1)

    def claims(self) -> dict[int, list[Equation]]:
        """Return the equations of the marked lines; a line of two equals signs has two."""
        found: dict[int, list[Equation]] = {line: [] for line in self.marks}
        for statement in self.notes.statements:
            if statement.line in found:
                found[statement.line].append(statement.equation)
        return found

    def definitions(self) -> list[Equation]:
        """Return the equations that say what a variable is, numbers to evaluate at left out."""
        found = [s.equation for s in self.notes.statements if s.line not in self.marks]
        return [e for e in found if isinstance(e.left, Name) and not isinstance(e.right, Number)]

    def line(self, number: int) -> str:
        return self.text.split("\n")[number - 1]


@functools.cache
def sheets() -> tuple[Sheet, ...]:
    """Return all sheets."""
    return tuple([sheet for topic in TOPICS for sheet in _sheets(topic)])


def _sheets(topic: str) -> list[Sheet]:
    importlib.import_module(f"tests.explain.equation.corpus.{topic}")
    found = []
    text = (_HERE / f"{topic}.md").read_text(encoding="utf-8")
    for section in text.split("\n## ")[1:]:
        title, _, rest = section.partition("\n")
        _, notes, _ = rest.split("```\n")
        found.append(Sheet(topic, title, *unmarked(notes)))
    return found
