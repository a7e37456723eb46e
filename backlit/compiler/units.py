"""What a program is made of once it is planned: buffers, views of them, and units of work.

A unit is one loop nest. Its steps compute one element of its space from elements of its operands;
a product computes elements by sums of products first, and its steps then go on with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as onp

from backlit.core.aval import Shape
from backlit.core.graph import Equation, Graph, Var


@dataclass(eq=False, slots=True)
class Buffer:
    """A piece of memory.

    Attributes
    ----------
    kind : str
        "input", "output", "constant", "scratch", "error" for the word that units set when an
        index is out of range (to the length of the axis, plus one), or "team" for the memory by
        which threads are given work.
    size : int
        Number of elements.
    dtype : numpy.dtype
    index : int
        Which input, output or constant; for scratch memory its offset in bytes, once planned.
    host : Buffer or None
        The buffer whose memory it takes over.
    """

    kind: str
    size: int
    dtype: onp.dtype[Any]
    index: int = -1
    host: Buffer | None = None

    @property
    def root(self) -> Buffer:
        """The buffer whose memory this is."""
        return self if self.host is None else self.host.root

    @property
    def nbytes(self) -> int:
        """Bytes it takes."""
        return self.size * self.dtype.itemsize


# Where divided units find the threads; its pointer is null where a program runs on one.
TEAM = Buffer("team", 1, onp.dtype("uint8"))


@dataclass(frozen=True, slots=True)
class View:
    """Elements of a buffer as an array.

    Attributes
    ----------
    buffer : Buffer
    shape : tuple of int
    strides : tuple of int
        In elements; 0 along an axis that is broadcast.
    offset : int
        First element.
    """

    buffer: Buffer
    shape: Shape
    strides: tuple[int, ...]
    offset: int = 0

    @property
    def dtype(self) -> onp.dtype[Any]:
        """Element type."""
        return self.buffer.dtype

    @property
    def nbytes(self) -> int:
        """Bytes its elements take."""
        return size_of(self.shape) * self.dtype.itemsize

    @property
    def contiguous(self) -> bool:
        """Whether the elements lie one after the other, last axis fastest."""
        return all(
            n == 1 or a == b
            for n, a, b in zip(self.shape, self.strides, strides_of(self.shape), strict=True)
        )

    @property
    def whole(self) -> bool:
        """Whether the view is the whole buffer in order."""
        return self.contiguous and self.offset == 0 and size_of(self.shape) == self.buffer.size

    def broadcast(self, shape: Shape) -> View:
        """Return the view as an array of a larger shape."""
        extra = len(shape) - len(self.shape)
        strides = tuple(
            [
                0
                if k < extra or (self.shape[k - extra] == 1 and n != 1)
                else self.strides[k - extra]
                for k, n in enumerate(shape)
            ]
        )
        return View(self.buffer, shape, strides, self.offset)


def size_of(shape: Shape) -> int:
    """Return the number of elements of a shape."""
    size = 1
    for n in shape:
        size *= n
    return size


def strides_of(shape: Shape) -> tuple[int, ...]:
    """Return the strides, in elements, of an array whose last axis is fastest."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides))


def whole_view(buffer: Buffer, shape: Shape) -> View:
    """Return a buffer as an array of a shape."""
    return View(buffer, shape, strides_of(shape))


@dataclass(frozen=True, slots=True)
class Constant:
    """A number known when compiling; a Python number adapts to the type it meets."""

    value: Any
    dtype: onp.dtype[Any]


Operand = Var | View | Constant


@dataclass(eq=False, slots=True)
class Step:
    """One elementwise operation of a unit.

    Attributes
    ----------
    name : str
        Of the primitive.
    params : dict
    operands : sequence of Var, View or Constant
        A Var is the result of an earlier step of the same unit, or its product.
    types : sequence of numpy.dtype
        Element types of the operands.
    working : numpy.dtype or None
        The type in which it is computed.
    out : Var
    """

    name: str
    params: dict[str, Any]
    operands: Sequence[Operand]
    types: Sequence[onp.dtype[Any]]
    working: onp.dtype[Any] | None
    out: Var


@dataclass(eq=False, slots=True)
class Reduction:
    """A sum, product, maximum, minimum, all or any over the reduced axes of a unit.

    Attributes
    ----------
    name : str
    operand : Var or View
    out : View
        Of the shape without the reduced axes.
    """

    name: str
    operand: Var | View
    out: View


@dataclass(eq=False, slots=True)
class Product:
    """``out[..., i, j] = Σₖ a[..., i, k] b[..., k, j]``; the sum goes into the unit's steps.

    Attributes
    ----------
    a, b : View
        Of shapes (..., M, K) and (..., K, N), broadcast to the unit's leading axes.
    out : Var
    panel : int
        If not 0, `a` lies packed: of shape (M / panel, K, panel), so that the rows of a block are
        side by side.
    packs : bool
        Whether the columns of `b` that a block needs are copied side by side first.
    """

    a: View
    b: View
    out: Var
    panel: int = 0
    packs: bool = False


@dataclass(eq=False, slots=True)
class Unit:
    """One loop nest.

    Attributes
    ----------
    space : tuple of int
        Its extents.
    product : Product or None
    steps : list of Step
    stores : list of (Var or View or Constant, View)
        What is written where, for every element of the space.
    reduced : tuple of int or None
        Axes that its reductions sum over.
    reductions : list of Reduction
    """

    space: Shape
    product: Product | None = None
    steps: list[Step] = field(default_factory=list)
    stores: list[tuple[Operand, View]] = field(default_factory=list)
    reduced: tuple[int, ...] | None = None
    reductions: list[Reduction] = field(default_factory=list)

    def reads(self) -> list[View]:
        """Return every view that is read, as often as it is read."""
        views = [o for step in self.steps for o in step.operands if isinstance(o, View)]
        views += [o for o, _ in self.stores if isinstance(o, View)]
        views += [r.operand for r in self.reductions if isinstance(r.operand, View)]
        if self.product is not None:
            views += [self.product.a, self.product.b]
        return views

    def writes(self) -> list[View]:
        """Return every view that is written."""
        return [view for _, view in self.stores] + [r.out for r in self.reductions]


@dataclass(eq=False, slots=True)
class Indexed:
    """Elements moved by arrays of indices: ``x[i]``, ``x[i] += v``, ``x[i] = v``.

    Attributes
    ----------
    what : str
        "gather", "add" or "set".
    array : View
        The array that is indexed.
    other : View
        The elements, in the shape of the index expression: written by a gather, else read.
    indices : list of View
        Of integers, broadcast together.
    parts : tuple
        The index, as `getitem` stores it.
    error : View
        Set where an index is out of range, to the length of the axis plus one.
    """

    what: str
    array: View
    other: View
    indices: list[View]
    parts: tuple[Any, ...]
    error: View

    def reads(self) -> list[View]:
        """Return every view that is read."""
        return [self.array if self.what == "gather" else self.other, *self.indices]

    def writes(self) -> list[View]:
        """Return every view that is written."""
        return [self.other if self.what == "gather" else self.array, self.error]


@dataclass(eq=False, slots=True)
class Rows:
    """Several units, row by row.

    Attributes
    ----------
    units : list of Unit or Indexed
        Over (..., columns) or (..., 1); reductions are over the last axis. Where the rows are
        turned also over (...), with reductions over the first axis, or with an index per row.
    rows : tuple of int
        Extents of the axes before the columns.
    columns : int
    inside : set of Buffer
        What only these units use.
    turned : bool
        Whether the rows lie side by side in a vector, not the elements of one row.
    """

    units: Sequence[Unit | Indexed]
    rows: Shape
    columns: int
    inside: set[Buffer]
    turned: bool = False

    def reads(self) -> list[View]:
        """Return every view that is read from memory."""
        written: set[Buffer] = set()
        views: list[View] = []
        for unit in self.units:
            views += [v for v in unit.reads() if v.buffer not in written]
            written.update(v.buffer for v in unit.writes())
        return views

    def writes(self) -> list[View]:
        """Return every view that is written to memory."""
        return [v for u in self.units for v in u.writes() if v.buffer not in self.inside]


@dataclass(eq=False, slots=True)
class Running:
    """Something that goes along one axis in order: running sums and products, places of extremes.

    Attributes
    ----------
    name : str
        "cumsum", "cumprod", "argmax" or "argmin".
    source, out : View
        Of equal shapes; for a place `out` has length one along the axis.
    axis : int
    """

    name: str
    source: View
    out: View
    axis: int

    def reads(self) -> list[View]:
        """Return every view that is read."""
        return [self.source]

    def writes(self) -> list[View]:
        """Return every view that is written."""
        return [self.out]


@dataclass(eq=False, slots=True)
class Control:
    """A loop or a choice whose bodies are plans of their own.

    Attributes
    ----------
    name : str
        "scan", "while_loop" or "cond".
    params : dict
        Of the equation.
    bodies : list of Plan
        Their inputs and outputs are buffers of kind "input" and "output", given at each turn.
    operands : list of View
        Contiguous.
    outs : list of View
    scratch : View
        Memory for the bodies and for what is carried.
    captured : list of View
        Constants that the bodies read, so that they are known outside.
    """

    name: str
    params: dict[str, Any]
    bodies: list[Plan]
    operands: list[View]
    outs: list[View]
    scratch: View
    captured: list[View]

    @property
    def carried(self) -> list[tuple[View, View]]:
        """First values of what a loop carries, and where the last ones go."""
        if self.name == "scan":
            first, count = 0, self.params["carries"]
        elif self.name == "while_loop":
            first, count = self.params["tests"] + self.params["bodies"], len(self.outs)
        else:
            return []
        return list(zip(self.operands[first:], self.outs[:count], strict=False))

    def reads(self) -> list[View]:
        """Return every view that is read."""
        return [*self.operands, *self.captured]

    def writes(self) -> list[View]:
        """Return every view that is written."""
        return [*self.outs, self.scratch]


@dataclass(eq=False, slots=True)
class Fallback:
    """An equation that the reference evaluator runs between native parts.

    Attributes
    ----------
    equation : Equation
    operands : sequence of View or Constant
    outs : sequence of View
    """

    equation: Equation
    operands: Sequence[View | Constant]
    outs: Sequence[View]

    def reads(self) -> list[View]:
        """Return every view that is read."""
        return [o for o in self.operands if isinstance(o, View)]

    def writes(self) -> list[View]:
        """Return every view that is written."""
        return list(self.outs)


@dataclass(eq=False, slots=True)
class Plan:
    """A whole program.

    Attributes
    ----------
    graph : Graph
        After simplification.
    units : list of Unit or Fallback
        In the order in which they run.
    inputs : list of Buffer
    outputs : list of View
        One per output of the graph, each the whole of an output buffer.
    constants : list of ndarray
    scratch : int
        Bytes of scratch memory.
    """

    graph: Graph
    units: list[AnyUnit]
    inputs: list[Buffer]
    outputs: list[View]
    constants: list[Any]
    scratch: int = 0


AnyUnit = Unit | Rows | Indexed | Running | Control | Fallback
