"""Forward mode: ``jvp``. Derivatives computed during the forward pass, one pass per direction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as onp

from backlit.core import tree
from backlit.core.errors import DifferentiationError, ShapeError
from backlit.core.source import Source
from backlit.core.tracer import Tracer
from backlit.ops.families import fit_tangent
from backlit.ops.sweep import ForwardTrace, push_forward
from backlit.transforms.arguments import Selected, zeros_for


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Run f carrying derivatives along: value and directional derivative in one pass.

    This is "computing the derivatives on the way forward": every intermediate value travels with
    its derivative in one chosen direction. One pass gives one direction (R. E. Wengert, "A simple
    automatic derivative evaluation program", Comm. ACM 7(8), 1964).

    Parameters
    ----------
    f : callable
    primals : sequence of trees of float arrays
        The arguments.
    tangents : sequence of trees
        The direction, shaped like `primals`.

    Returns
    -------
    out : tree
        f's result.
    tangent : tree
        Its derivative along the direction; zero where the result does not depend on the inputs.

    Raises
    ------
    DTypeError
        If a primal is not made of floats.
    ShapeError
        If tangents do not have the structure and shapes of the primals.

    Examples
    --------
    >>> value, slope = jvp(lambda x: x**3, (2.0,), (1.0,))
    >>> float(value), float(slope)
    (8.0, 12.0)
    """
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise DifferentiationError(
            "jvp takes the arguments and their tangents as two tuples",
            where=Source.here(),
            fix="jvp(f, (x,), (dx,))",
        )
    primals, tangents = tuple(primals), tuple(tangents)
    selected = Selected(f, primals, tuple(range(len(primals))), "jvp")
    given, given_def = tree.flatten(tangents)
    if given_def != selected.treedef:
        raise ShapeError(
            f"the tangents have structure {given_def}, the arguments {selected.treedef}",
            where=Source.here(),
            fix="give one tangent per argument, of the same structure",
        )
    dots = []
    for name, x, t in zip(selected.names(f), selected.leaves, given, strict=True):
        t = t if type(t) is Tracer else onp.asarray(t)
        shape = x.shape if hasattr(x, "shape") else ()
        if t.shape != shape:
            raise ShapeError(
                f"`{name}` has shape {shape} and its tangent {t.shape}", where=Source.here()
            )
        dots.append([fit_tangent(t, x)])
    trace, out = push_forward(lambda *x: f(*selected.arguments(x)), selected.leaves, dots)
    leaves, out_def = tree.flatten(out)
    values, pushed = split_duals(leaves, trace, 1)
    return tree.unflatten(out_def, values), tree.unflatten(out_def, [p[0] for p in pushed])


def split_duals(
    leaves: Sequence[Any], trace: ForwardTrace, directions: int
) -> tuple[list[Any], list[list[Any]]]:
    """Return values and tangents of results, zeros where nothing moves."""
    values: list[Any] = []
    pushed: list[list[Any]] = []
    for leaf in leaves:
        value = trace.outside(leaf)
        dots = leaf.tangents if trace.owns(leaf) else [None] * directions
        values.append(value)
        pushed.append([zeros_for(value) if t is None else t for t in dots])
    return values, pushed
