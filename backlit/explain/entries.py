"""Local derivatives of one operation, element by element.

They come from the rules the operation declares, the ones `backlit.grad` uses, never from finite
differences. An elementwise operation states its partials; of any other operation single columns of
its Jacobian are obtained by pushing a unit tangent, or single rows by pulling a unit cotangent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as onp
from numpy.typing import NDArray

from backlit.core.errors import InputError
from backlit.core.graph import Equation
from backlit.core.primitive import FIRST, MINUS_ONE, ONE, SECOND, ZERO

Places = NDArray[onp.intp]
# One unit vector costs one run of the operation's rule over whole arrays.
_MOST_WORK = 200_000_000


@dataclass(frozen=True)
class Entries:
    """Part of a Jacobian in coordinate form.

    Attributes
    ----------
    result : int
        Which result of the operation.
    rows, columns : array of int
        Flat places in the result and in the operand.
    values : array of float64
        ∂result[row] / ∂operand[column]. Zeros are kept where the operation connects the two
        elements all the same: a relu that is off, a factor that happens to be zero.
    """

    result: int
    rows: Places
    columns: Places
    values: NDArray[onp.float64]


def local_derivatives(
    equation: Equation, args: Sequence[Any], outs: Sequence[Any], slot: int, reached: Places
) -> list[Entries]:
    """Return the local derivatives of an operation with respect to some elements of one operand.

    Parameters
    ----------
    equation : Equation
    args, outs : sequence of array
        Values of its operands and results.
    slot : int
        Which operand.
    reached : array of int
        Flat places in that operand.

    Returns
    -------
    list of Entries
        Empty if the operation has no derivative.

    Raises
    ------
    InputError
        If it would take too long: the elements of one operand are many and all mixed.
    """
    primitive = equation.primitive
    if primitive.family == "elementwise":
        return _elementwise(equation, args, outs[0], slot, reached)
    targets = [k for k, out in enumerate(outs) if _kind(out) == "f"]
    if not targets or (primitive.push is None and primitive.pull is None):
        return []
    found = _probe(equation, args, outs, slot, reached, targets)
    if primitive.family == "bilinear" and not onp.all(args[1 - slot]):
        # A zero in the other factor hides a connection that is there: look at the pattern.
        ones = list(args)
        ones[1 - slot] = onp.ones_like(args[1 - slot])
        pattern = _probe(equation, ones, outs, slot, reached, targets)
        found = [_spread(a, b) for a, b in zip(found, pattern, strict=True)]
    return [entries for entries in found if entries.rows.size]


def _kind(value: Any) -> str:
    return onp.result_type(value).kind


def _elementwise(
    equation: Equation, args: Sequence[Any], out: Any, slot: int, reached: Places
) -> list[Entries]:
    primitive = equation.primitive
    partial, shape = primitive.partials[slot], onp.shape(out)
    if partial is ZERO or _kind(out) != "f":
        return []
    if partial is ONE or partial is MINUS_ONE:
        local: Any = 1.0 if partial is ONE else -1.0
    elif partial is FIRST or partial is SECOND:
        local = args[0 if partial is FIRST else 1]
    elif primitive.simple:
        local = partial(*args, out, **equation.params)
    else:
        # `where` chooses instead of multiplying; operands of full shape keep its rule elementwise.
        assert primitive.pull is not None
        wide = [onp.broadcast_to(a, shape) for a in args]
        needs = [k == slot for k in range(len(args))]
        local = primitive.pull(onp.ones_like(out), out, wide, equation.params, needs)[slot]
    size, mine = onp.size(args[slot]), onp.shape(args[slot])
    wanted = onp.zeros(size, bool)
    wanted[reached] = True
    rows = onp.flatnonzero(onp.broadcast_to(wanted.reshape(mine), shape))
    places = onp.broadcast_to(onp.arange(size).reshape(mine), shape)
    values = onp.broadcast_to(onp.asarray(local, onp.float64), shape)
    return [Entries(0, rows, places.ravel()[rows], values.ravel()[rows])]


def _probe(
    equation: Equation,
    args: Sequence[Any],
    outs: Sequence[Any],
    slot: int,
    reached: Places,
    targets: Sequence[int],
) -> list[Entries]:
    """Return one `Entries` per result in `targets`, by whichever way takes fewer unit vectors."""
    primitive = equation.primitive
    rows = sum(onp.size(outs[k]) for k in targets)
    push = primitive.pull is None or (primitive.push is not None and len(reached) <= rows)
    work = (len(reached) if push else rows) * max(onp.size(a) for a in (*args, *outs))
    if work > _MOST_WORK:
        raise InputError(
            f"explaining {primitive.name} of {len(reached):,} elements into {rows:,} one by one "
            "would take minutes",
            where=equation.source,
            fix="explain the gradient on one row, or a few, instead of the whole batch",
        )
    if push:
        return _push(equation, args, outs, slot, reached, targets)
    return [_pull(equation, args, outs, slot, reached, k) for k in targets]


def _unit(like: Any, place: int) -> Any:
    unit = onp.zeros(onp.size(like), onp.result_type(like))
    unit[place] = 1
    return unit.reshape(onp.shape(like))


def _push(
    equation: Equation,
    args: Sequence[Any],
    outs: Sequence[Any],
    slot: int,
    reached: Places,
    targets: Sequence[int],
) -> list[Entries]:
    primitive = equation.primitive
    assert primitive.push is not None
    result = tuple(outs) if primitive.multi else outs[0]
    found: dict[int, list[tuple[Places, int, Any]]] = {k: [] for k in targets}
    for column in reached:
        tangents: list[Any] = [None] * len(args)
        tangents[slot] = _unit(args[slot], column)
        dots = primitive.push(tangents, result, args, equation.params)
        for k in targets:
            dot = dots[k] if primitive.multi and dots is not None else dots
            if dot is not None:
                flat = onp.asarray(dot, onp.float64).ravel()
                rows = onp.flatnonzero(flat)
                found[k].append((rows, column, flat[rows]))
    return [
        Entries(
            k,
            _joined([rows for rows, _, _ in parts]),
            _joined([onp.full(len(rows), column) for rows, column, _ in parts]),
            _joined([values for _, _, values in parts], onp.float64),
        )
        for k, parts in found.items()
    ]


def _pull(
    equation: Equation,
    args: Sequence[Any],
    outs: Sequence[Any],
    slot: int,
    reached: Places,
    target: int,
) -> Entries:
    primitive = equation.primitive
    assert primitive.pull is not None
    result = tuple(outs) if primitive.multi else outs[0]
    needs = [k == slot for k in range(len(args))]
    found: list[tuple[Places, int, Any]] = []
    for row in range(onp.size(outs[target])):
        cotangent: Any = _unit(outs[target], row)
        if primitive.multi:
            cotangent = [cotangent if k == target else None for k in range(len(outs))]
        part = primitive.pull(cotangent, result, args, equation.params, needs)[slot]
        if part is not None:
            flat = onp.asarray(part, onp.float64).ravel()[reached]
            hits = onp.flatnonzero(flat)
            found.append((reached[hits], row, flat[hits]))
    return Entries(
        target,
        _joined([onp.full(len(columns), row) for columns, row, _ in found]),
        _joined([columns for columns, _, _ in found]),
        _joined([values for _, _, values in found], onp.float64),
    )


def _joined(parts: list[Any], dtype: Any = onp.intp) -> Any:
    return onp.concatenate([onp.empty(0, dtype), *parts]).astype(dtype)


def _spread(entries: Entries, pattern: Entries) -> Entries:
    """Return the entries at the places of the pattern, zero where there was none."""
    width = 1 + max(int(part.columns.max(initial=0)) for part in (entries, pattern))
    values = onp.zeros(len(pattern.rows))
    _, here, there = onp.intersect1d(
        entries.rows * width + entries.columns,
        pattern.rows * width + pattern.columns,
        assume_unique=True,
        return_indices=True,
    )
    values[there] = entries.values[here]
    return Entries(entries.result, pattern.rows, pattern.columns, values)
