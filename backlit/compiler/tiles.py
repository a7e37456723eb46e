"""How the result of a product of matrices is cut: numbers only, no code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backlit.compiler.target import Target

# A multiply-add takes four cycles and two begin in each: fewer than eight in flight idle the units.
_LATENCY, _PER_CYCLE, _LOADS = 4, 2, 2
# Elements of one column of vectors of b beyond which two such columns fill half a 32 KiB cache.
_NEAR = 2048
# Work of so many multiply-adds is cut into at least so many chunks, for as many threads.
_DIVISIBLE, _CHUNKS = 1 << 20, 8
# Length of sums up to which a large result is most of the traffic.
FLAT = 16
# Part of the second-level cache that a panel of b may fill, and one that partial sums may.
_PANEL, _SUMS = 8, 4


@dataclass(frozen=True, slots=True)
class Tiling:
    """Blocks of a result that are kept in registers.

    Attributes
    ----------
    rows : list of (first row, block height, number of blocks)
    columns : list of (first column, vectors, active lanes of the last one, number of panels)
    cycles : float
        Of a step along the inner dimension, for all blocks.
    """

    rows: list[tuple[int, int, int]]
    columns: list[tuple[int, int, int, int]]
    cycles: float


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A part of a result that is cut evenly: stripes of rows × panels of columns.

    Attributes
    ----------
    row, rows, stripes : int
        First row, rows in a stripe, number of stripes.
    column, panels, across : int
        First column, number of panels, and how many of them one chunk goes through.
    vectors, active : int
        Vectors across a panel, and active lanes of the last one.
    blocks : list of (first row, block height, number of blocks)
        Of a stripe.
    depth, cuts : int
        The inner dimension is gone through in `cuts` passes of `depth` elements, and a last one.
    """

    row: int
    rows: int
    stripes: int
    column: int
    panels: int
    across: int
    vectors: int
    active: int
    blocks: list[tuple[int, int, int]]
    depth: int
    cuts: int

    @property
    def chunks(self) -> int:
        """Number of parts of equal work, none of which needs another."""
        return self.stripes * (self.panels // self.across)


def tiling(
    m: int,
    n: int,
    inner: int,
    width: int,
    registers: int,
    height: int = 0,
    low: bool = False,
) -> Tiling:
    """Choose the blocks that need the fewest cycles, counting instructions and what they load.

    Parameters
    ----------
    m, n, inner : int
        Rows and columns of the result, length of the sums.
    width : int
        Elements in a vector.
    registers : int
        Of vectors.
    height : int
        Of all blocks, a divisor of m; 0 leaves the choice.
    low : bool
        Whether blocks are to be low and wide: what follows then reads and writes longer pieces of
        rows. Adam's update of 784 × 512 weights takes a fifth less time with 4 × 6 vectors.

    Returns
    -------
    Tiling

    Examples
    --------
    >>> tiling(64, 128, 784, 16, 32).rows, tiling(64, 10, 64, 16, 32).columns
    ([(0, 13, 4), (52, 12, 1)], [(0, 1, 10, 1)])
    >>> tiling(256, 1024, 1024, 16, 32, height=8).rows
    [(0, 8, 32)]
    """
    # A panel of b that outgrows the nearest cache comes from the next one, a vector a cycle.
    far = 1.0 if inner * width > _NEAR else 0.0
    best: tuple[float, int, int] | None = None
    needed = -(-n // width)
    fewest, most = min(2, needed), min(needed, registers - 4)
    if low:
        fewest = most = min(needed, registers // 5)
    for vectors in range(fewest, most + 1):
        limit = min((registers - 1 - vectors) // vectors, m)
        if limit < max(height, 1):
            continue
        blocks = -(-m // (height or limit))
        tallest = -(-m // blocks)
        across, rest = divmod(needed, vectors)
        cost = blocks * across * (_cycles(tallest, vectors) + far * vectors)
        cost += blocks * (_cycles(tallest, rest) + far * rest if rest else 0.0)
        if best is None or cost < best[0]:
            best = cost, blocks, vectors
    assert best is not None
    return _cut(m, n, width, *best)


def _cut(m: int, n: int, width: int, cycles: float, blocks: int, vectors: int) -> Tiling:
    """Cut into blocks of nearly equal height and panels of so many vectors."""
    low, taller = divmod(m, blocks)
    rows = [(0, low + 1, taller)] if taller else []
    rows.append((taller * (low + 1), low, blocks - taller))
    span = vectors * width
    columns = []
    whole, rest = divmod(n, span)
    if whole:
        columns.append((0, vectors, width, whole))
    if rest:
        needed = -(-rest // width)
        columns.append((whole * span, needed, rest - (needed - 1) * width, 1))
    return Tiling(rows, columns, cycles)


def _cycles(height: int, vectors: int) -> float:
    return max(height * vectors / _PER_CYCLE, (height + vectors) / _LOADS, _LATENCY)


def panel_height(m: int, n: int, inner: int, width: int, registers: int) -> int:
    """Return the best height of blocks that are all of one height, or 0 if only low ones are.

    Parameters
    ----------
    m, n, inner, width, registers : int
        As for `tiling`.

    Examples
    --------
    >>> panel_height(256, 1024, 1024, 16, 32), panel_height(1021, 1024, 1024, 16, 32)
    (8, 0)
    """
    vectors = min(2, -(-n // width))
    most = (registers - 1 - vectors) // vectors
    heights = [h for h in range(4, most + 1) if m % h == 0]
    return min(
        heights, key=lambda h: (tiling(m, n, inner, width, registers, h).cycles, -h), default=0
    )


def rectangles(
    m: int,
    n: int,
    inner: int,
    itemsize: int,
    target: Target,
    height: int = 0,
    times: int = 1,
    packs: bool = False,
    low: bool = False,
) -> list[Rectangle]:
    """Cut a product so that what is used again and again stays in the caches.

    Parameters
    ----------
    m, n, inner : int
        Rows and columns of the result, length of the sums.
    itemsize : int
        Bytes of an element.
    target : Target
    height : int
        Of all blocks, a divisor of m; 0 leaves the choice.
    times : int
        How many such products there are side by side.
    packs : bool
        Whether panels of b are copied side by side.
    low : bool
        As for `tiling`.

    Returns
    -------
    list of Rectangle
        Each is cut into chunks of equal work, none of which needs another.

    Examples
    --------
    >>> from backlit.compiler.target import host
    >>> sum(r.rows * r.stripes for r in rectangles(5000, 8, 10, 4, host()))
    5000
    """
    width, registers, found = target.lanes(itemsize), target.registers, []
    # Sums of a few products: the result is most of the traffic, and is gone through row by row.
    flat = inner <= FLAT and m * n * itemsize > target.cache // 2 and not height and not packs
    for row, rows, stripes in _stripes(m, n, inner, itemsize, target, height, times, low):
        if flat:
            cut = _cut(rows, n, width, 0.0, -(-rows // 2), min(registers // 3, -(-n // width)))
        else:
            cut = tiling(rows, n, inner, width, registers, height, low)
        for column, vectors, active, panels in cut.columns:
            span = vectors * width * itemsize
            passes = max(-(-inner * span // (target.cache // _PANEL)), 1)
            depth = -(-inner // passes)
            cuts = -(-inner // depth) - 1
            # Panels that go through a pass together find a in the cache.
            most = max(target.cache // _SUMS // (rows * span), 1) if cuts else panels if flat else 1
            across = max(k for k in range(1, min(most, panels) + 1) if panels % k == 0)
            found.append(
                Rectangle(
                    row=row,
                    rows=rows,
                    stripes=stripes,
                    column=column,
                    panels=panels,
                    across=across,
                    vectors=vectors,
                    active=active,
                    blocks=cut.rows,
                    depth=depth,
                    cuts=cuts,
                )
            )
    return found


def _stripes(
    m: int, n: int, inner: int, itemsize: int, target: Target, height: int, times: int, low: bool
) -> Iterator[tuple[int, int, int]]:
    """Cut the rows into (first row, rows, number of stripes)."""
    cut = tiling(m, n, inner, target.lanes(itemsize), target.registers, height, low)
    tallest = cut.rows[0][1]
    # Rows of a that stay in the cache while the panels pass, beside a panel of partial sums.
    depth = max(
        target.cache // _PANEL // (cut.columns[0][1] * target.lanes(itemsize) * itemsize), 1
    )
    fit = max(target.cache // (min(inner, depth) * itemsize), 1)
    if inner > depth:
        fit = min(fit, depth)
    stripes = -(-m // max(fit, tallest))
    if m * n * inner * times >= _DIVISIBLE:
        panels = sum(number for *_, number in cut.columns)
        stripes = max(stripes, min(-(-_CHUNKS // panels), m // (2 * tallest)))
    rows = -(-m // stripes)
    if height:
        rows = -(-rows // height) * height
    whole, rest = divmod(m, rows)
    yield 0, rows, whole
    if rest:
        yield whole * rows, rest, 1
