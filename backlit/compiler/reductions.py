"""What a reduction begins with, how two partial results become one, and the lanes of a vector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as onp

from backlit.compiler.elements import Memory, Pointers, start_of
from backlit.compiler.scalars import lowering
from backlit.compiler.text import Code, Index, Lanes
from backlit.compiler.units import Unit

NEUTRAL: dict[str, Callable[[onp.dtype[Any]], Any]] = {
    "sum": lambda dtype: 0,
    "prod": lambda dtype: 1,
    "all": lambda dtype: True,
    "any": lambda dtype: False,
    "max": lambda dtype: -onp.inf if dtype.kind == "f" else _lowest(dtype),
    "min": lambda dtype: onp.inf if dtype.kind == "f" else _highest(dtype),
}
_COMBINE = {
    "sum": "add",
    "prod": "multiply",
    "all": "bitwise_and",
    "any": "bitwise_or",
    "max": "maximum",
    "min": "minimum",
}


# Where a chunk leaves a partial result, whatever its type.
SLOT = onp.dtype("int64")


# So many numbers are added up one after the other; longer sums are put together from such blocks,
# and those from blocks of blocks. The error grows with the sum of the levels, not with the length.
BLOCK = 16

# Writes some turns of a loop: which is the first, how many, the values carried so far.
Walk = Callable[[Index, Index, list[str]], list[str]]


def in_blocks(
    code: Code,
    walk: Walk,
    turns: Index,
    most: int,
    values: list[str],
    fresh: Sequence[tuple[str, str]],
    join: Callable[[list[str], list[str]], list[str]],
    adds: int = 1,
) -> list[str]:
    """Carry partial results through a loop in blocks that are combined afterwards.

    Parameters
    ----------
    code : Code
    walk : callable
        Writes some of the turns.
    turns : int or name
        How many there are.
    most : int
        At most so many.
    values : list of str
        The first values of what is carried.
    fresh : sequence of (type, value)
        What a block begins with.
    join : callable
        Combines the partial results so far with those of a block.
    adds : int
        Additions to one partial result in one turn.

    Returns
    -------
    list of str
        The last values.
    """
    size = max(1, BLOCK // adds)
    if most <= size:
        return walk(0, turns, values)

    def blocks(first: Index, count: Index, values: list[str]) -> list[str]:
        kinds = [kind for kind, _ in fresh]
        with code.loop(count, list(zip(kinds, values, strict=True))) as loop:
            begin = code.times(code.add(loop.i, first), size)
            part = walk(begin, _least(code, turns, begin, size), [value for _, value in fresh])
            loop.next = join(loop.values, part)
        return loop.values

    if isinstance(turns, int):
        count: Index = -(-turns // size)
    else:
        count = code.let(f"udiv i64 {code.add(turns, size - 1)}, {size}")
    return in_blocks(code, blocks, count, -(-most // size), values, fresh, join)


def _least(code: Code, turns: Index, begin: Index, size: int) -> Index:
    """Return how many turns a block has: the last one may be shorter."""
    if size == 1 or (isinstance(turns, int) and turns % size == 0):
        return size
    left = code.let(f"sub nsw i64 {turns}, {begin}")
    return code.call("llvm.smin.i64", "i64", [("i64", left), ("i64", str(size))])


def additions(most: int, adds: int = 1) -> int:
    """Return how often `in_blocks` adds to the values that it was given."""
    size = max(1, BLOCK // adds)
    return most * adds if most <= size else additions(-(-most // size))


def _lowest(dtype: onp.dtype[Any]) -> Any:
    return False if dtype.kind == "b" else onp.iinfo(dtype).min


def _highest(dtype: onp.dtype[Any]) -> Any:
    return True if dtype.kind == "b" else onp.iinfo(dtype).max


def combine(lanes: Lanes, name: str, dtype: onp.dtype[Any], a: str, b: str) -> str:
    """Return two partial results of a reduction as one."""
    write = lowering(_COMBINE[name], dtype)
    assert write is not None
    return write(lanes, dtype, a, b)


def fold_lanes(lanes: Lanes, name: str, dtype: onp.dtype[Any], value: str) -> str:
    """Combine the lanes of one vector into a scalar."""
    if name in ("max", "min") and dtype.kind == "f" and lanes.width > 1:
        return _extreme_lane(lanes, name, dtype, value)
    return _halved(lanes, dtype, value, lambda half, a, b: combine(half, name, dtype, a, b))


def _halved(
    lanes: Lanes, dtype: onp.dtype[Any], value: str, join: Callable[[Lanes, str, str], str]
) -> str:
    """Join the halves of a vector again and again, until a scalar is left."""
    code, width = lanes.code, lanes.width
    while width > 2:
        kind, half = Lanes(code, width).type(dtype), width // 2
        low, high = (
            code.let(
                f"shufflevector {kind} {value}, {kind} poison, <{half} x i32> "
                f"<{', '.join(f'i32 {k}' for k in range(start, start + half))}>"
            )
            for start in (0, half)
        )
        value = join(Lanes(code, half), low, high)
        width = half
    if width == 1:
        return value
    kind = Lanes(code, 2).type(dtype)
    first, second = (code.let(f"extractelement {kind} {value}, i64 {k}") for k in (0, 1))
    return join(Lanes(code, 1), first, second)


def _extreme_lane(lanes: Lanes, name: str, dtype: onp.dtype[Any], value: str) -> str:
    """Return the largest or smallest lane, NaN if there is one.

    The plain comparison is one instruction where the one that minds NaN is four; a single test of
    the whole vector says whether any was there.
    """
    better = "ogt" if name == "max" else "olt"

    def plain(half: Lanes, a: str, b: str) -> str:
        return half.select(half.op(f"fcmp {better}", dtype, a, b), dtype, a, b)

    found = _halved(lanes, dtype, value, plain)
    code, scalar = lanes.code, Lanes(lanes.code, 1)
    wrong = lanes.op("fcmp uno", dtype, value, value)
    bits = code.let(f"bitcast {lanes.of('i1')} {wrong} to i{lanes.width}")
    any_wrong = code.let(f"icmp ne i{lanes.width} {bits}, 0")
    return scalar.select(any_wrong, dtype, scalar.const(onp.nan, dtype), found)


def combine_partials(
    code: Code, unit: Unit, chunks: int, partials: str, pointers: Pointers
) -> None:
    """Combine what the chunks of a nest that reduces everything left, in order, and store it.

    Parameters
    ----------
    code : Code
    unit : Unit
    chunks : int
    partials : str
        Pointer to chunks × reductions numbers of 8 bytes.
    pointers : dict of Buffer to str
    """
    scalar, size = Memory(Lanes(code, 1), 1), len(unit.reductions)
    for k, reduction in enumerate(unit.reductions):
        dtype = reduction.out.dtype
        total = ""
        for chunk in range(chunks):
            slot = code.address(partials, chunk * size + k, SLOT)
            part = scalar.load(dtype, slot)
            total = combine(scalar.lanes, reduction.name, dtype, total, part) if total else part
        scalar.store(dtype, total, start_of(code, pointers, reduction.out))
