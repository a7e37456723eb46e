"""Products of matrices: blocks of the result kept in registers, with what follows applied to them.

A block of rows × vectors of the result stays in registers while the loop over the inner dimension
runs; each turn loads the vectors of one row of b and multiplies them by one element of every row
of a. (K. Goto, R. A. van de Geijn, "Anatomy of high-performance matrix multiplication", ACM
Transactions on Mathematical Software 34(3), 2008.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backlit.compiler.elements import Elements, Pointers, run_steps, start_of
from backlit.compiler.target import Target
from backlit.compiler.text import Code, Index, Lanes
from backlit.compiler.units import Unit, View

# A multiply-add takes four cycles and two begin in each: fewer than eight in flight idle the units.
_LATENCY, _PER_CYCLE, _LOADS = 4, 2, 2
# Elements of one column of vectors of b beyond which two such columns fill half a 32 KiB cache.
_NEAR = 2048


@dataclass(frozen=True, slots=True)
class Tiling:
    """How the result is cut into blocks.

    Attributes
    ----------
    rows : list of (first row, block height, number of blocks)
    columns : list of (first column, vectors, active lanes of the last one, number of blocks)
    """

    rows: list[tuple[int, int, int]]
    columns: list[tuple[int, int, int, int]]


def tiling(m: int, n: int, inner: int, width: int, registers: int, *, even: bool = False) -> Tiling:
    """Choose the blocks that need the fewest cycles, counting instructions and what they load.

    Parameters
    ----------
    m, n, inner : int
        Rows and columns of the result, length of the sums.
    width : int
        Elements in a vector.
    registers : int
        Of vectors.
    even : bool
        Whether all blocks must be of one height.

    Returns
    -------
    Tiling

    Examples
    --------
    >>> tiling(64, 128, 784, 16, 32).rows, tiling(64, 10, 64, 16, 32).columns
    ([(0, 13, 4), (52, 12, 1)], [(0, 1, 10, 1)])
    >>> tiling(256, 1024, 1024, 16, 32, even=True).rows
    [(0, 8, 32)]
    """
    # A panel of b that outgrows the nearest cache comes from the next one, a vector a cycle.
    far = 1.0 if inner * width > _NEAR else 0.0
    best: tuple[float, int, int] | None = None
    needed = -(-n // width)
    for vectors in range(min(2, needed), min(needed, 6) + 1):
        limit = min((registers - 1 - vectors) // vectors, m)
        if even:
            limit = max([h for h in range(1, limit + 1) if m % h == 0], default=0)
        if limit < 1:
            continue
        blocks = -(-m // limit)
        height = -(-m // blocks)
        across, rest = divmod(needed, vectors)
        cost = blocks * across * (_cycles(height, vectors) + far * vectors)
        cost += blocks * (_cycles(height, rest) + far * rest if rest else 0.0)
        if best is None or cost < best[0]:
            best = cost, blocks, vectors
    assert best is not None
    _, blocks, vectors = best
    height, taller = divmod(m, blocks)
    rows = [(0, height + 1, taller)] if taller else []
    rows.append((taller * (height + 1), height, blocks - taller))
    span = vectors * width
    columns = []
    whole = n // span
    if whole:
        columns.append((0, vectors, width, whole))
    rest = n - whole * span
    if rest:
        needed = -(-rest // width)
        columns.append((whole * span, needed, rest - (needed - 1) * width, 1))
    return Tiling(rows, columns)


def _cycles(height: int, vectors: int) -> float:
    return max(height * vectors / _PER_CYCLE, (height + vectors) / _LOADS, _LATENCY)


class ProductNest:
    """Writes the loops of one product and its epilogue.

    Parameters
    ----------
    code : Code
    target : Target
    unit : Unit
    pointers : dict of Buffer to str
    """

    def __init__(self, code: Code, target: Target, unit: Unit, pointers: Pointers) -> None:
        assert unit.product is not None
        self.code, self.target, self.unit, self.product = code, target, unit, unit.product
        self.dtype = unit.product.out.aval.dtype
        self.views: list[View] = []
        self.places: dict[View, int] = {}
        for view in unit.reads():
            if view is not unit.product.a and view is not unit.product.b:
                self._enter(view)
        self.read = frozenset(self.views)
        for view in unit.writes():
            self._enter(view)
        a, b = unit.product.a, unit.product.b
        everything = [a, b, *self.views]
        self.inner = b.shape[-2]
        self.strides = [view.strides for view in everything]
        if unit.product.panel:
            self.strides[0] = (self.inner, unit.product.panel)
        self.bases = [start_of(code, pointers, view) for view in everything]
        self.dtypes = [v.dtype for v in everything]

    def _enter(self, view: View) -> None:
        if view not in self.places:
            self.places[view] = len(self.views)
            self.views.append(view)

    def write(self) -> None:
        """Write the whole product."""
        self._lead(0, self.bases)

    def _move(self, at: Sequence[str], steps: Sequence[int], i: Index) -> list[str]:
        code = self.code
        return [
            code.address(pointer, code.times(i, step), dtype)
            for pointer, step, dtype in zip(at, steps, self.dtypes, strict=True)
        ]

    def _lead(self, axis: int, at: list[str]) -> None:
        if axis < len(self.unit.space) - 2:
            if self.unit.space[axis] == 0:
                return
            with self.code.loop(self.unit.space[axis]) as loop:
                self._lead(axis + 1, self._move(at, [s[axis] for s in self.strides], loop.i))
            return
        m, n = self.unit.space[-2:]
        width = self.target.lanes(self.dtype.itemsize)
        registers, packed = self.target.registers, bool(self.product.panel)
        cut = tiling(m, n, self.inner, width, registers, even=packed)
        a_row = self.strides[0][-2] if not self.product.panel else 1
        # Along the rows b does not move, along the columns a does not.
        down = [self.strides[0][-2], 0, *[s[-2] for s in self.strides[2:]]]
        right = [0, self.strides[1][-1], *[s[-1] for s in self.strides[2:]]]
        for column, vectors, active, across in cut.columns:
            with self.code.loop(across) as loop:
                offset = self.code.add(self.code.times(loop.i, vectors * width), column)
                panel = self._move(at, right, offset)
                for row, height, count in cut.rows:
                    kernel = self._kernel(height, vectors, width, active, a_row)
                    with self.code.loop(count) as inner:
                        place = self.code.add(self.code.times(inner.i, height), row)
                        operands = ", ".join(f"ptr {p}" for p in self._move(panel, down, place))
                        self.code.do(f"call void @{kernel}({operands})")

    def _kernel(self, height: int, vectors: int, width: int, active: int, a_row: int) -> str:
        """Write the function that computes one block; equal blocks share it."""
        code = Code(self.code.module)
        lanes = Lanes(code, width if width > 1 else 1)
        names = [f"%p{k}" for k in range(len(self.bases))]
        sums = self._block(code, lanes, names[0], names[1], height, vectors, active, a_row)
        for i in range(height):
            for v in range(vectors):
                edge = active if v == vectors - 1 else width
                strides = [s[-1] for s in self.strides[2:]]
                at = [
                    code.address(name, i * s[-2] + v * width * s[-1], dtype)
                    for name, s, dtype in zip(
                        names[2:], self.strides[2:], self.dtypes[2:], strict=True
                    )
                ]
                elements = Elements(lanes, edge, strides, at, self)
                for view in self.views:
                    if view in self.read:
                        elements.read(view)
                env = run_steps(self.unit, elements, {self.product.out: sums[i][v]})
                for source, view in self.unit.stores:
                    elements.put(view, elements.value(source, env, view.dtype))
        signature = f"void @({', '.join(f'ptr {name}' for name in names)})"
        return code.module.kernel("product", signature, code.body(), "nounwind noinline")

    def _block(
        self,
        code: Code,
        lanes: Lanes,
        a: str,
        b: str,
        height: int,
        vectors: int,
        active: int,
        a_row: int,
    ) -> list[list[str]]:
        """Write the loop over the inner dimension; return the sums, row by row."""
        dtype, width = self.dtype, lanes.width
        a_inner, (b_inner, b_column) = self.strides[0][-1], self.strides[1][-2:]
        inner = self.inner
        kind, zero = lanes.type(dtype), lanes.const(0.0, dtype)
        one = Elements(Lanes(code, 1), 1, (), [], self)

        def turn(k: Index, sums: list[str]) -> list[str]:
            line = code.address(b, code.times(k, b_inner), dtype)
            column = code.address(a, code.times(k, a_inner), dtype)
            row = []
            for v in range(vectors):
                edge = active if v == vectors - 1 else width
                part = code.address(line, v * width * b_column, dtype)
                row.append(Elements(lanes, edge, (), [], self).gather(dtype, part, b_column))
            found = []
            for i in range(height):
                item = one.load(dtype, code.address(column, i * a_row, dtype))
                factor = lanes.splat(item, "float" if dtype.itemsize == 4 else "double")
                for v in range(vectors):
                    total = sums[i * vectors + v]
                    found.append(lanes.intrinsic("fma", dtype, factor, row[v], total))
            return found

        carried = [(kind, zero)] * (height * vectors)
        if inner * height * vectors <= 64:
            sums = [zero] * (height * vectors)
            for k in range(inner):
                sums = turn(k, sums)
        else:
            unroll = 1
            with code.loop(inner, carried, step=unroll) as loop:
                sums = loop.values
                for u in range(unroll):
                    sums = turn(code.add(loop.i, u), sums)
                loop.next = sums
            sums = loop.values
        return [sums[i * vectors : (i + 1) * vectors] for i in range(height)]
