"""Copies that turn rows into columns: square blocks are turned round in registers.

A block of n × n elements is n vectors; log₂ n rounds, in each of which pairs of them exchange half
of their elements, transpose it. (J. O. Eklundh, "A fast computer method for matrix transposing",
IEEE Transactions on Computers C-21(7), 1972.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as onp

from backlit.compiler.elements import Memory
from backlit.compiler.text import Code, Lanes, Module

DType = onp.dtype[Any]
_ZERO = "zeroinitializer"
# Bytes within which processors move elements most easily.
_GROUP = 16


def block_kernel(
    module: Module,
    dtype: DType,
    width: int,
    extents: tuple[int, int, int],
    pitch: int,
    out_pitch: int,
) -> str:
    """Write a function that stores the transpose of a block and return its name.

    Parameters
    ----------
    module : Module
    dtype : numpy.dtype
    width : int
        Lanes of a vector, a power of two.
    extents : tuple of int
        Rows and columns of the block, at most `width`, a row side by side in memory; and how many
        elements of a column are stored, the rows or `width`: what is missing becomes 0.
    pitch, out_pitch : int
        Elements from one row to the next, of the block and of its transpose.
    """
    code = Code(module)
    rows, columns, stored = extents
    lanes = Lanes(code, width)
    block = []
    for k in range(width):
        if k < rows:
            pointer = code.address("%source", k * pitch, dtype)
            block.append(Memory(lanes, columns).load(dtype, pointer))
        else:
            block.append(_ZERO)
    turned = transpose(lanes, dtype, block, columns)
    for k in range(columns):
        pointer = code.address("%target", k * out_pitch, dtype)
        Memory(lanes, stored).store(dtype, turned[k], pointer)
    return module.kernel("turn", "void @(ptr %source, ptr %target)", code.body())


def transpose(
    lanes: Lanes, dtype: DType, rows: Sequence[str], wanted: int | None = None
) -> list[str]:
    """Return the columns of a square block, given its rows; only the first few if so wanted.

    The first rounds interleave pairs of vectors within groups of 16 bytes, the others put the even
    and the odd groups of pairs together: instructions that need neither a table of places nor a
    copy. Nothing is written for rows of zeros on both sides, nor for columns that nobody wants.
    """
    width, kind = lanes.width, lanes.type(dtype)
    group = min(width, max(_GROUP // dtype.itemsize, 1))
    known: dict[tuple[int, int], str] = {}

    def after(step: int, i: int) -> str:
        """Return vector i after the round that joins vectors `step` apart."""
        if step == 0:
            return rows[i]
        if (step, i) not in known:
            a, b = after(step // 2, i & ~step), after(step // 2, i | step)
            order = _order(width, group, step, bool(i & step))
            known[step, i] = a
            if (a, b) != (_ZERO, _ZERO):
                known[step, i] = lanes.code.let(
                    f"shufflevector {kind} {a}, {kind} {b}, <{width} x i32> "
                    f"<{', '.join(f'i32 {k}' for k in order)}>"
                )
        return known[step, i]

    bits = group.bit_length() - 1
    found = []
    for column in range(width if wanted is None else wanted):
        first, place = column - column % group, column % group
        turned = sum((place >> k & 1) << (bits - 1 - k) for k in range(bits))
        found.append(after(width // 2, first + turned))
    return found


def _order(width: int, group: int, step: int, second: bool) -> list[int]:
    """Return which elements of two vectors make one of the two that a round replaces them by."""
    if step < group:  # halves of the groups, interleaved by runs of `step`
        start = group // 2 if second else 0
        return [
            side * width + first + start + run + k
            for first in range(0, width, group)
            for run in range(0, group // 2, step)
            for side in (0, 1)
            for k in range(step)
        ]
    return [
        first + k
        for first in range(group if second else 0, 2 * width, 2 * group)
        for k in range(group)
    ]


def cut(extent: int, width: int) -> list[tuple[int, int, int]]:
    """Cut an axis into (start, number of blocks, elements per block)."""
    whole, rest = divmod(extent, width)
    pieces = [(0, whole, width)] if whole else []
    return [*pieces, (whole * width, 1, rest)] if rest else pieces
