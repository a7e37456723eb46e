"""Jacobians of functions that are traced by shape: a loop over directions.

Written out, each direction would be a program of its own, and compiling a Hessian of 500 inputs
would take as long as compiling 500 gradients. The loop's body holds one direction; it reads what
the function's run left on the tape, so that this is computed once. A few directions stay written
out: what they have in common is then computed once as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as onp

from backlit.core.aval import AbstractValue, aval_of
from backlit.core.tracer import Tracer, innermost_value
from backlit.ops.elementwise import astype, equal, subtract
from backlit.ops.scan import scan
from backlit.ops.shaping import moveaxis, reshape
from backlit.ops.sweep import Recorded
from backlit.transforms.arguments import zeros_for

_FEW = 16


def looped(values: Sequence[Any], directions: int) -> bool:
    """Tell whether so many directions are a loop: where values are known by shape only.

    Parameters
    ----------
    values : sequence
        The inputs.
    directions : int
    """
    abstract = any(type(v) is Tracer and innermost_value(v) is None for v in values)
    return abstract and directions > _FEW


def pushed(recorded: Recorded, results: Sequence[Any], leaves: Sequence[Any]) -> list[list[Any]]:
    """Return, per result and input, the result's tangents along the input's elements.

    Parameters
    ----------
    recorded : Recorded
    results : sequence
    leaves : sequence
        The inputs.

    Returns
    -------
    list of list of array
        Of shape ``result.shape + (elements of the input,)``.
    """
    avals = [aval_of(leaf) for leaf in leaves]
    starts = onp.cumsum([0, *[aval.size for aval in avals]]).tolist()

    def body(carry: Any, i: Any) -> Any:
        units = [[_unit(aval, i, start)] for aval, start in zip(avals, starts, strict=False)]
        return carry, [dots[0] for dots in recorded.push(units, results)]

    _, columns = scan(body, (), onp.arange(starts[-1]))
    return [
        [moveaxis(column[a:b], 0, -1) for a, b in zip(starts, starts[1:], strict=False)]
        for column in columns
    ]


def swept(recorded: Recorded, out: Any, leaves: Sequence[Any]) -> list[Any]:
    """Return, per input, the cotangents that the elements of a result send back.

    Parameters
    ----------
    recorded : Recorded
    out : Tracer
    leaves : sequence
        The inputs.

    Returns
    -------
    list of array
        Of shape ``(elements of the result,) + input.shape``.
    """
    aval = aval_of(out)

    def body(carry: Any, i: Any) -> Any:
        found = recorded.sweep([(out.id, _unit(aval, i, 0))])
        parts = [
            zeros_for(leaf) if part is None else part
            for part, leaf in zip(found, leaves, strict=True)
        ]
        return carry, parts

    rows: list[Any] = scan(body, (), onp.arange(aval.size))[1]
    return rows


def _unit(aval: AbstractValue, i: Any, start: int) -> Any:
    """Return the unit vector of a direction in one leaf, zero if the direction is another's."""
    places = onp.arange(aval.size)
    return reshape(astype(equal(places, subtract(i, start)), aval.dtype), aval.shape)
