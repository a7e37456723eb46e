"""Products of matrices: blocks of the result kept in registers, with what follows applied to them.

A block of rows × vectors of the result stays in registers while the loop over the inner dimension
runs; each turn loads the vectors of one row of b and multiplies them by one element of every row
of a. The columns of b that a block needs, a panel, are copied side by side first where they lie
scattered; long sums are taken in passes, so that a panel stays in the second-level cache.
(K. Goto, R. A. van de Geijn, "Anatomy of high-performance matrix multiplication", ACM
Transactions on Mathematical Software 34(3), 2008.)
"""

from __future__ import annotations

from collections.abc import Sequence

from backlit.compiler.elements import Elements, Memory, Pointers, numbered, run_steps, start_of
from backlit.compiler.panels import panel_kernel
from backlit.compiler.target import Target
from backlit.compiler.text import Code, Index, Lanes, memory_type, scalar_type
from backlit.compiler.tiles import Rectangle, rectangles
from backlit.compiler.units import Unit, size_of

# What the epilogue reads is asked for before the sums begin, if it does not stay in the nearest
# cache and the sums take long enough for it to arrive.
_FAR_BYTES, _LONG = 32 * 1024, 32
# So many multiply-adds are written out one after the other instead of in a loop.
_UNROLLED = 64


class ProductNest:
    """Writes the loops of one product and its epilogue.

    Parameters
    ----------
    code : Code
    target : Target
    unit : Unit
    pointers : dict of Buffer to str

    Attributes
    ----------
    chunks : int
        Into how many parts the work can be divided, whatever the number of threads.
    """

    def __init__(self, code: Code, target: Target, unit: Unit, pointers: Pointers) -> None:
        assert unit.product is not None
        self.code, self.unit, self.product = code, unit, unit.product
        self.dtype = unit.product.out.aval.dtype
        self.width = target.lanes(self.dtype.itemsize)
        a, b = unit.product.a, unit.product.b
        read = [view for view in unit.reads() if view is not a and view is not b]
        self.read = frozenset(read)
        self.places = numbered((*read, *unit.writes()))
        self.views = list(self.places)
        everything = [a, b, *self.views]
        self.inner = b.shape[-2]
        self.strides = [view.strides for view in everything]
        if unit.product.panel:
            self.strides[0] = (self.inner, unit.product.panel)
        self.bases = [start_of(code, pointers, view) for view in everything]
        self.dtypes = [v.dtype for v in everything]
        *self.lead, m, n = unit.space
        m = self._fold(m)
        self.packs = unit.product.packs
        far = sum(view.nbytes > _FAR_BYTES for view in self.read)
        low = far > 1 and not unit.product.panel
        size, times = self.dtype.itemsize, size_of(tuple(self.lead))
        self.parts = rectangles(
            m, n, self.inner, size, target, unit.product.panel, times, self.packs, low
        )
        # Along the rows b does not move, along the columns a does not.
        self._down = [self.strides[0][-2], 0, *[s[-2] for s in self.strides[2:]]]
        self._right = [0, self.strides[1][-1], *[s[-1] for s in self.strides[2:]]]
        self.chunks = sum(part.chunks for part in self.parts)

    def _fold(self, m: int) -> int:
        """Let products side by side that share b be one taller product; return its rows."""
        while self.lead and self.strides[1][-3] == 0:
            others = [s for k, s in enumerate(self.strides) if k != 1]
            if any(s[-3] != s[-2] * m for s in others):
                break
            m *= self.lead.pop()
            self.strides = [(*s[:-3], *s[-2:]) for s in self.strides]
        return m

    # --- loops --------------------------------------------------------------------------------

    def write(self, chunk: Index | None = None) -> None:
        """Write the product, or one chunk of it.

        Parameters
        ----------
        chunk : int or name, optional
            Which one; all of them if not given.
        """
        if 0 in self.lead:
            return
        self.panel, self.sums = map(self._local, self._room())
        before = 0
        for part in self.parts:
            panels = part.panels // part.across
            if chunk is None:
                with self.code.loop(part.stripes) as outer, self.code.loop(panels) as inner:
                    self._chunk(part, outer.i, inner.i)
            else:
                here = self.code.add(chunk, -before)
                with self.code.when(f"icmp ult i64 {here}, {part.chunks}"):
                    stripe = self.code.let(f"udiv i64 {here}, {panels}")
                    gone = self.code.times(stripe, -panels)
                    self._chunk(part, stripe, self.code.add(here, gone))
            before += part.chunks

    def _span(self, part: Rectangle) -> int:
        """Return the elements across a panel."""
        return part.vectors * self.width

    def _room(self) -> tuple[int, int]:
        """Return the elements of a packed panel, and those of partial sums."""
        spans = [(part, self._span(part)) for part in self.parts]
        panel = max(p.depth * span for p, span in spans) if self.packs else 0
        return panel, max(p.rows * span * p.across * (p.cuts > 0) for p, span in spans)

    @property
    def local_bytes(self) -> int:
        """Bytes on the stack of each thread, for packing and for partial sums."""
        return sum(self._room()) * self.dtype.itemsize

    def _local(self, size: int) -> str:
        """Return memory on the stack for some elements."""
        if not size:
            return "null"
        return self.code.let(f"alloca [{size} x {memory_type(self.dtype)}], align 64")

    def _chunk(self, part: Rectangle, stripe: Index, group: Index) -> None:
        """Write one chunk, of all products that lie side by side."""
        row = self.code.add(self.code.times(stripe, part.rows), part.row)
        column = self.code.times(group, self._span(part) * part.across)
        column = self.code.add(column, part.column)
        at = self._move(self._move(self.bases, self._down, row), self._right, column)
        self._side_by_side(part, 0, at)

    def _move(self, at: Sequence[str], steps: Sequence[int], i: Index) -> list[str]:
        """Return the pointers to a, b and the views some steps further on."""
        code = self.code
        return [
            code.address(pointer, code.times(i, step), dtype)
            for pointer, step, dtype in zip(at, steps, self.dtypes, strict=True)
        ]

    def _side_by_side(self, part: Rectangle, axis: int, at: list[str]) -> None:
        if axis == len(self.lead):
            self._passes(part, at)
            return
        with self.code.loop(self.lead[axis]) as loop:
            steps = [s[axis] for s in self.strides]
            self._side_by_side(part, axis + 1, self._move(at, steps, loop.i))

    def _passes(self, part: Rectangle, at: list[str]) -> None:
        """Write the passes along the inner dimension; the last one goes on with the epilogue."""
        code, span = self.code, self._span(part)
        if not part.cuts:
            self._blocks(part, at, "", self.inner, last=True)
            return
        size = part.rows * span
        nbytes = part.across * size * self.dtype.itemsize
        code.module.declare("llvm.memset.p0.i64", "void", ["ptr", "i8", "i64", "i1"])
        code.do(f"call void @llvm.memset.p0.i64(ptr {self.sums}, i8 0, i64 {nbytes}, i1 false)")

        def panels(at: list[str], depth: int, last: bool = False) -> None:
            with code.loop(part.across) as loop:
                sums = code.address(self.sums, code.times(loop.i, size), self.dtype)
                here = self._move(at, self._right, code.times(loop.i, span))
                self._blocks(part, here, sums, depth, last)

        with code.loop(part.cuts) as loop:
            panels(self._along(at, code.times(loop.i, part.depth)), part.depth)
        gone = part.cuts * part.depth
        panels(self._along(at, gone), self.inner - gone, last=True)

    def _along(self, at: list[str], k: Index) -> list[str]:
        """Return the pointers with those to a and b some elements along the sums."""
        steps = [self.strides[0][-1], self.strides[1][-2], *[0] * len(self.views)]
        return self._move(at, steps, k)

    def _blocks(self, part: Rectangle, at: list[str], sums: str, depth: int, last: bool) -> None:
        """Write one pass over a panel: pack it, then go down the stripe."""
        code, span = self.code, self._span(part)
        if self.packs:
            extents = depth, part.vectors, part.active
            kernel = panel_kernel(
                code.module, self.dtype, self.width, extents, self.strides[1][-2:]
            )
            code.do(f"call void @{kernel}(ptr {at[1]}, ptr {self.panel})")
            at = [at[0], self.panel, *at[2:]]
        for row, height, count in part.blocks:
            kernel = self._kernel(height, part, depth, last)
            with code.loop(count) as loop:
                place = code.add(code.times(loop.i, height), row)
                pointers = self._move(at, self._down, place)
                if not last:
                    del pointers[2:]
                if sums:
                    pointers.append(code.address(sums, code.times(place, span), self.dtype))
                with code.loop(1 if sums else part.across) as panel:
                    if panel.i != 0:
                        pointers = self._move(pointers, self._right, code.times(panel.i, span))
                    code.do(f"call void @{kernel}({', '.join(f'ptr {p}' for p in pointers)})")

    # --- one block ----------------------------------------------------------------------------

    def _kernel(self, height: int, part: Rectangle, depth: int, last: bool) -> str:
        """Write the function that computes one block; equal blocks share it."""
        code = Code(self.code.module)
        lanes = Lanes(code, self.width)
        span, size = self._span(part), height * part.vectors
        names = [f"%p{k}" for k in range(len(self.bases) if last else 2)]
        places = [
            code.address("%sums", i * span + v * self.width, self.dtype)
            for i in range(height)
            for v in range(part.vectors)
            if part.cuts
        ]
        memory = Memory(lanes, self.width)
        sums = [memory.load(self.dtype, p) for p in places]
        if not sums:
            sums = [lanes.const(0.0, self.dtype)] * size
        if last and depth >= _LONG:
            self._ask(code, part, height, names)
        sums = self._sums(lanes, part, depth, sums)
        if last:
            for k, total in enumerate(sums):
                self._finish(lanes, part, divmod(k, part.vectors), names, total)
        else:
            for place, total in zip(places, sums, strict=True):
                memory.store(self.dtype, total, place)
        operands = [*names, "%sums"] if part.cuts else names
        signature = f"void @({', '.join(f'ptr {name}' for name in operands)})"
        return code.module.kernel("product", signature, code.body(), "nounwind noinline")

    def _ask(self, code: Code, part: Rectangle, height: int, names: Sequence[str]) -> None:
        """Ask for what the epilogue will read."""
        for i in range(height):
            for v in range(part.vectors):
                for name, s, view in zip(names[2:], self.strides[2:], self.views, strict=True):
                    if view in self.read and s[-1] == 1 and s[-2] and view.nbytes > _FAR_BYTES:
                        offset = i * s[-2] + v * self.width
                        code.prefetch(code.address(name, offset, view.dtype))

    def _finish(
        self, lanes: Lanes, part: Rectangle, place: tuple[int, int], names: list[str], total: str
    ) -> None:
        """Write the epilogue of one vector of the block."""
        i, v = place
        edge = part.active if v == part.vectors - 1 else self.width
        at = [
            lanes.code.address(name, i * s[-2] + v * self.width * s[-1], dtype)
            for name, s, dtype in zip(names[2:], self.strides[2:], self.dtypes[2:], strict=True)
        ]
        elements = Elements(lanes, edge, [s[-1] for s in self.strides[2:]], at, self)
        for view in self.views:
            if view in self.read:
                elements.read(view)
        env = run_steps(self.unit, elements, {self.product.out: total})
        for source, view in self.unit.stores:
            elements.put(view, elements.value(source, env, view.dtype))

    def _sums(self, lanes: Lanes, part: Rectangle, depth: int, sums: list[str]) -> list[str]:
        """Write the loop over the inner dimension; return the sums, row by row."""
        code, dtype, width, vectors = lanes.code, self.dtype, self.width, part.vectors
        height = len(sums) // vectors
        packed = self.packs
        a_row = 1 if self.product.panel else self.strides[0][-2]
        a_inner = self.strides[0][-1]
        b_inner, b_column = (vectors * width, 1) if packed else self.strides[1][-2:]
        kind = lanes.type(dtype)
        one = Memory(Lanes(code, 1), 1)

        def turn(k: Index, sums: list[str]) -> list[str]:
            line = code.address("%p1", code.times(k, b_inner), dtype)
            column = code.address("%p0", code.times(k, a_inner), dtype)
            row = []
            for v in range(vectors):
                edge = part.active if v == vectors - 1 and not packed else width
                place = code.address(line, v * width * b_column, dtype)
                row.append(Memory(lanes, edge).gather(dtype, place, b_column))
            found = []
            for i in range(height):
                item = one.load(dtype, code.address(column, i * a_row, dtype))
                factor = lanes.splat(item, scalar_type(dtype))
                for v in range(vectors):
                    total = sums[i * vectors + v]
                    found.append(lanes.intrinsic("fma", dtype, factor, row[v], total))
            return found

        if depth * len(sums) <= _UNROLLED:
            for k in range(depth):
                sums = turn(k, sums)
            return sums
        with code.loop(depth, [(kind, value) for value in sums]) as loop:
            loop.next = turn(loop.i, loop.values)
        return loop.values
