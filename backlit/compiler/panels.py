"""Panels: columns of a matrix copied side by side, for the inner loop of a product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as onp

from backlit.compiler.elements import Memory
from backlit.compiler.text import Code, Lanes, Module
from backlit.compiler.transposes import block_kernel, cut

# Rows of a matrix lie too far apart for the processor to foresee which one is read next.
_AHEAD = 8


def panel_kernel(
    module: Module,
    dtype: onp.dtype[Any],
    width: int,
    extents: tuple[int, int, int],
    strides: Sequence[int],
) -> str:
    """Write a function that copies a panel and return its name.

    Parameters
    ----------
    module : Module
    dtype : numpy.dtype
    width : int
        Lanes of a vector, a power of two.
    extents : tuple of int
        Rows, vectors across, active lanes of the last vector; the others become 0.
    strides : sequence of int
        Elements from one row, and from one column, to the next; one of them is 1.
    """
    code = Code(module)
    (rows, vectors, active), (down, across) = extents, strides
    span, lanes = vectors * width, Lanes(code, width)
    edges = [width] * (vectors - 1) + [active]
    if across == 1:
        with code.loop(rows) as loop:
            row = code.address("%source", code.times(loop.i, down), dtype)
            out = code.address("%target", code.times(loop.i, span), dtype)
            for v, edge in enumerate(edges):
                code.prefetch(code.address(row, _AHEAD * down + v * width, dtype))
                value = Memory(lanes, edge).load(dtype, code.address(row, v * width, dtype))
                Memory(lanes, width).store(dtype, value, code.address(out, v * width, dtype))
    else:
        for v, edge in enumerate(edges):
            for start, count, columns in cut(rows, width):
                extents = edge, columns, width
                kernel = block_kernel(module, dtype, width, extents, across, span)
                with code.loop(count) as loop:
                    k = code.add(code.times(loop.i, width), start)
                    block = code.address("%source", code.add(k, v * width * across), dtype)
                    place = code.add(code.times(k, span), v * width)
                    target = code.address("%target", place, dtype)
                    code.do(f"call void @{kernel}(ptr {block}, ptr {target})")
    return module.kernel("panel", "void @(ptr %source, ptr %target)", code.body())
