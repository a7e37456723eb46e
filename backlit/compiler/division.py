"""Which units are worth dividing among threads, and into how many chunks.

Chunks depend on the shape of the work alone, never on the number of threads: whoever computes a
chunk, it comes out the same to the bit.
"""

from __future__ import annotations

from backlit.compiler.target import Target
from backlit.compiler.text import Code, Index
from backlit.compiler.units import AnyUnit, Control, Plan, Rows, Unit, View, size_of
from backlit.compiler.vecmath import FUNCTIONS

# Cycles that an estimate has to reach. Handing out a unit costs a microsecond or two until the
# other threads have seen it; waking threads that sleep costs the caller about five.
UNIT = 60_000
CHUNK = 15_000
PROGRAM = 300_000
CHUNKS = 32
# Cycles of a vector operation, of an elementary function of a vector, and bytes a cycle moves.
_STEP, _FUNCTION, _BYTES = 1, 16, 16
# A loop whose number of turns is not known is taken to have so many.
_TURNS = 10


def chunks_for(unit: AnyUnit, target: Target) -> int:
    """Return how many chunks a unit is worth being cut into, 1 if it is better left whole.

    Parameters
    ----------
    unit : any unit
    target : Target
    """
    if isinstance(unit, Rows) and unit.turned and not _independent(unit):
        return 1
    cycles = _cycles(unit, target)
    if cycles < UNIT:
        return 1
    return min(1 << (cycles // CHUNK).bit_length() - 1, CHUNKS)


def _independent(unit: Rows) -> bool:
    """Tell whether blocks of rows have nothing to do with each other."""
    return all(not isinstance(part, Unit) or part.reduced != (0,) for part in unit.units)


def is_divided(unit: AnyUnit, target: Target) -> bool:
    """Tell whether a unit, or one in its bodies, is divided among threads.

    Parameters
    ----------
    unit : any unit
    target : Target
    """
    if isinstance(unit, Control):
        return any(is_divided(u, target) for body in unit.bodies for u in body.units)
    return chunks_for(unit, target) > 1


def divided_work(plan: Plan, target: Target) -> int:
    """Return the estimated cycles, in one run of a program, of units that are divided.

    Parameters
    ----------
    plan : Plan
    target : Target
    """
    total = 0
    for unit in plan.units:
        if isinstance(unit, Control):
            bodies = [divided_work(body, target) for body in unit.bodies]
            if unit.name == "cond":
                total += max(bodies)
            else:
                total += sum(bodies) * unit.params.get("length", _TURNS)
        elif chunks_for(unit, target) > 1:
            total += _cycles(unit, target)
    return total


def _cycles(unit: AnyUnit, target: Target) -> int:
    """Return about how many cycles a unit takes on one thread; 0 for units that stay whole."""
    if isinstance(unit, Rows):
        return sum(_cycles(part, target) for part in unit.units)
    if not isinstance(unit, Unit):
        return 0
    size = size_of(unit.space)
    lanes = target.lanes(element_bytes(unit))
    steps = sum(_FUNCTION if step.name in FUNCTIONS else _STEP for step in unit.steps)
    cycles = size * (steps + len(unit.reductions)) // lanes
    if unit.product is not None:
        return cycles + size * unit.product.b.shape[-2] // (2 * lanes)
    views = dict.fromkeys([*unit.reads(), *unit.writes()])
    return max(cycles, sum(touched(view) for view in views) // _BYTES)


def touched(view: View) -> int:
    """Return the bytes of a view's elements, those that are repeated counted once."""
    extents = [n for n, s in zip(view.shape, view.strides, strict=True) if s]
    return size_of(tuple(extents)) * view.dtype.itemsize


def element_bytes(unit: Unit) -> int:
    """Return the size of the elements that decide how many are computed side by side."""
    dtypes = [v.dtype for v in (*unit.reads(), *unit.writes())]
    dtypes += [step.out.aval.dtype for step in unit.steps]
    floats = [d.itemsize for d in dtypes if d.kind == "f"]
    return max(floats or [d.itemsize for d in dtypes] or [8])


def bounds(code: Code, chunk: Index | None, chunks: int, pieces: int) -> tuple[Index, Index]:
    """Return the first piece of a chunk, and the first that is no longer in it.

    Parameters
    ----------
    code : Code
    chunk : int or name, or None
        None for all of it.
    chunks : int
        How many there are; at most `pieces`.
    pieces : int
    """
    if chunk is None:
        return 0, pieces

    def first(k: Index) -> Index:
        if pieces % chunks == 0:
            return code.times(k, pieces // chunks)
        return divided_by(code, code.times(k, pieces), chunks)

    return first(chunk), first(code.add(chunk, 1))


def divided_by(code: Code, value: Index, number: int) -> Index:
    """Return the whole part of a quotient of numbers that are not negative."""
    if isinstance(value, int):
        return value // number
    return value if number == 1 else code.let(f"udiv i64 {value}, {number}")


def overlap(
    code: Code, span: tuple[Index, Index], first: int, count: int, piece: int = 1
) -> tuple[Index, Index]:
    """Return which of some turns lie in a span: the first of them, and how many.

    Parameters
    ----------
    code : Code
    span : (int or name, int or name)
        Pieces, as `bounds` gives them.
    first, count : int
        The piece that the turns begin in, and the number of turns.
    piece : int
        Turns in a piece. The last turns may fill only part of one.
    """
    start, stop = span
    begin = _clamped(code, code.times(code.add(start, -first), piece), count)
    end = _clamped(code, code.times(code.add(stop, -first), piece), count)
    if isinstance(begin, int) and isinstance(end, int):
        return begin, end - begin
    if begin == 0:
        return begin, end
    return begin, code.let(f"sub nsw i64 {end}, {begin}")


def _clamped(code: Code, value: Index, most: int) -> Index:
    """Return a number of turns brought into 0, …, `most`."""
    if isinstance(value, int):
        return min(max(value, 0), most)
    low = code.call("llvm.smax.i64", "i64", [("i64", value), ("i64", "0")])
    return code.call("llvm.smin.i64", "i64", [("i64", low), ("i64", str(most))])
