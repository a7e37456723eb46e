"""Forward mode: ``jvp``. Derivatives computed during the forward pass, one pass per direction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as onp

from backlit.core import tree
from backlit.core.errors import DifferentiationError, ShapeError
from backlit.core.source import Source
from backlit.core.tracer import Tracer
from backlit.core.tracing import require_function
from backlit.ops.families import fit_tangent
from backlit.ops.sweep import ForwardTrace, push_forward
from backlit.transforms.arguments import Selected, detached, strip, value_and_aux, zeros_for


def jvp(
    f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False
) -> tuple[Any, ...]:
    """Run f carrying derivatives along: value and directional derivative in one pass.

    This is "computing the derivatives on the way forward": every intermediate value travels with
    its derivative in one chosen direction. One pass gives one direction (R. E. Wengert, "A simple
    automatic derivative evaluation program", Comm. ACM 7(8), 1964).

    Parameters
    ----------
    f : callable
        Takes `primals`, returns a tree of arrays (with `has_aux`, a pair of it and extra).
    primals : sequence of trees of float arrays
        The arguments.
    tangents : sequence of trees
        The direction, shaped like `primals`.
    has_aux : bool
        Whether f returns ``(value, extra)``.

    Returns
    -------
    out : tree
        f's result.
    tangent : tree
        Its derivative along the direction; zero where the result does not depend on the inputs.
    extra : object
        Only with `has_aux`.

    Raises
    ------
    DifferentiationError
        If primals or tangents are no tuples, or f does not return a pair with `has_aux`.
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
    require_function(f, "jvp")
    primals, tangents = paired("jvp", primals, tangents)
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
                f"`{name}` has shape {shape} and its tangent {t.shape}",
                where=Source.here(),
                fix="a tangent has the shape of its argument: numpy.ones_like(x)",
            )
        dots.append([fit_tangent(t, x)])
    trace, out = push_forward(selected.call, selected.leaves, dots)
    out, aux = value_and_aux(f, out) if has_aux else (out, None)
    leaves, out_def = tree.flatten(out)
    values, pushed = split_duals(leaves, trace, 1)
    kept = [*selected.leaves, *given]
    value = tree.unflatten(out_def, [detached(v, kept) for v in values])
    tangent = tree.unflatten(out_def, [detached(p[0], kept) for p in pushed])
    return (value, tangent, strip(aux, trace, kept)) if has_aux else (value, tangent)


def paired(what: str, primals: Any, tangents: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return arguments and tangents as tuples, or raise."""
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise DifferentiationError(
            f"{what} takes the arguments and their tangents as two tuples",
            where=Source.here(),
            fix=f"{what}(f, (x,), (dx,))",
        )
    return tuple(primals), tuple(tangents)


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
