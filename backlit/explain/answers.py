"""What the answers to `why_zero`, `why_nan` and `why_large` consist of."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as onp

from backlit.explain.document import (
    Bullets,
    Document,
    Figure,
    Paragraph,
    Part,
    Picture,
    Section,
    Table,
)
from backlit.explain.formula import number
from backlit.explain.shown import Shown
from backlit.explain.views import View


@dataclass(frozen=True)
class Summary(View):
    """An array in a few numbers.

    Attributes
    ----------
    name : str
    shape : tuple of int
    low, high : float
        Smallest and largest finite element; NaN if there is none.
    zeros, wrong, size : int
        How many elements are exactly zero, are not finite, and are there.
    """

    name: str
    shape: tuple[int, ...]
    low: float
    high: float
    zeros: int
    wrong: int
    size: int

    @property
    def largest(self) -> float:
        """The largest finite element without its sign."""
        return max(abs(self.low), abs(self.high))

    def __str__(self) -> str:
        shape = "×".join(map(str, self.shape)) if self.shape else "a number"
        if not self.size:
            return f"{self.name}: {shape}, empty"
        if self.wrong == self.size:
            what = "nothing finite"
        elif self.low == self.high:
            what = number(self.low) if self.size == 1 else f"{number(self.low)} everywhere"
        else:
            what = f"from {number(self.low)} to {number(self.high)}"
        if 0 < self.wrong < self.size:
            what += f", {self.wrong:,} of {self.size:,} not finite"
        if 0 < self.zeros < self.size:
            what += f", {self.zeros:,} of {self.size:,} zero"
        return f"{self.name}: {shape}, {what}"


@dataclass(frozen=True)
class Edge(View):
    """One operation on the way back, and one of its operands.

    Attributes
    ----------
    operation : str
    operand, result : Summary
        Their values.
    others : tuple of Summary
        The other operands.
    upstream, contribution : Summary
        The gradient that arrives at the result, and what is sent on to the operand.
    cause : str
        Why, in a sentence.
    fix : str
        What helps, or "".
    source, code : str
        File and line, and the text of that line, or "".
    count : int
        How many edges this one stands for: those of the other steps of a loop, or of a steady
        growth, are alike.
    """

    operation: str
    operand: Summary
    result: Summary
    others: tuple[Summary, ...]
    upstream: Summary
    contribution: Summary
    cause: str
    fix: str
    source: str
    code: str
    count: int = 1

    def part(self) -> Section:
        """Return the edge as a part of a document."""
        where = f", {self.source}" if self.source else ""
        code = f": {self.code}" if self.code else ""
        title = f"{self.operation}, from {self.operand.name} to {self.result.name}{where}{code}"
        if self.count > 1:
            title += f" ({self.count:,} times; here the first)"
        read = (self.operand, *self.others)
        rows = [("reads", str(one)) for one in read]
        rows += [("upstream", str(self.upstream)), ("sends on", str(self.contribution))]
        cells = tuple([((word,), (text,)) for word, text in rows])
        said = [((self.cause,),), *([((f"fix: {self.fix}",),)] if self.fix else [])]
        numbers = Table("What it reads and what it sends on", (), "<<", cells)
        return Section((title,), (numbers, Bullets(tuple(said))))


@dataclass(frozen=True)
class Why(View, Shown):
    """The answer to `why_zero`, `why_nan` or `why_large`.

    Attributes
    ----------
    function : str
    wrt : tuple of str
        The inputs asked about.
    holds : bool
        Whether the gradient is what the question says it is.
    edges : tuple of Edge
        Where it became so, the one nearest the loss first.
    more : int
        How many further edges of the kind there are.
    statement : str
        The answer in a sentence.
    picture : Picture or None
        The way from the loss to the first edges, which are marked, and on to the inputs.
    """

    function: str
    wrt: tuple[str, ...]
    holds: bool
    edges: tuple[Edge, ...]
    more: int
    statement: str
    picture: Picture | None = field(
        default=None, compare=False, repr=False, metadata={"apart": True}
    )
    _nothing_to_draw = "there is nothing to draw: no single edge is to blame"

    def document(self) -> Document:
        """Return the answer as a tree of parts."""
        parts: list[Part] = [edge.part() for edge in self.edges]
        if self.more:
            parts.append(Paragraph((f"and {self.more:,} more of the kind",)))
        found: list[Part] = [Paragraph((self.statement,))]
        if self.picture is not None:
            found.append(Figure(self.picture))
        return Document((), (*found, Section((), tuple(parts))) if parts else tuple(found))


def summary(name: str, value: Any) -> Summary:
    """Return an array in a few numbers.

    Parameters
    ----------
    name : str
    value : array

    Returns
    -------
    Summary

    Examples
    --------
    >>> print(summary("z", onp.array([[1.0, -2.0], [0.0, onp.inf]])))
    z: 2×2, from -2 to 1, 1 of 4 not finite, 1 of 4 zero
    """
    array = onp.asarray(value)
    good = array[onp.isfinite(array)] if array.dtype.kind == "f" else array.ravel()
    low, high = (float(good.min()), float(good.max())) if good.size else (math.nan, math.nan)
    zeros = int(good.size - onp.count_nonzero(good))
    return Summary(name, array.shape, low, high, zeros, array.size - good.size, array.size)
