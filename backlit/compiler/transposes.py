"""Copies that turn rows into columns: square blocks are turned round in registers.

A block of n × n elements is n vectors; log₂ n rounds of exchanging quarters between pairs of them
transpose it. (J. O. Eklundh, "A fast computer method for matrix transposing", IEEE Transactions on
Computers C-21(7), 1972.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as onp

from backlit.compiler.elements import Memory
from backlit.compiler.text import Code, Lanes, Module

DType = onp.dtype[Any]


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
            block.append("zeroinitializer")
    turned = transpose(lanes, dtype, block)
    for k in range(columns):
        pointer = code.address("%target", k * out_pitch, dtype)
        Memory(lanes, stored).store(dtype, turned[k], pointer)
    return module.kernel("turn", "void @(ptr %source, ptr %target)", code.body())


def transpose(lanes: Lanes, dtype: DType, rows: Sequence[str]) -> list[str]:
    """Return the columns of a square block, given its rows."""
    width, kind = lanes.width, lanes.type(dtype)
    block = list(rows)
    half = width // 2
    while half:
        low = [k if not k & half else k - half + width for k in range(width)]
        high = [k + half if not k & half else k + width for k in range(width)]
        for i in range(width):
            if not i & half:
                a, b = block[i], block[i + half]
                block[i], block[i + half] = (
                    lanes.code.let(
                        f"shufflevector {kind} {a}, {kind} {b}, <{width} x i32> "
                        f"<{', '.join(f'i32 {k}' for k in order)}>"
                    )
                    for order in (low, high)
                )
        half //= 2
    return block


def cut(extent: int, width: int) -> list[tuple[int, int, int]]:
    """Cut an axis into (start, number of blocks, elements per block)."""
    whole, rest = divmod(extent, width)
    pieces = [(0, whole, width)] if whole else []
    return [*pieces, (whole * width, 1, rest)] if rest else pieces
