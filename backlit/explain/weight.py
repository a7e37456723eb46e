"""`explain_weight`: the gradient of one weight as a chain of local derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as onp

from backlit.core import tree
from backlit.core.errors import BacklitError, DifferentiationError, InputError
from backlit.core.evaluate import values as evaluate_all
from backlit.core.graph import Graph, Literal, Var, as_operand
from backlit.core.tracing import function_name, leaf_names
from backlit.explain.names import Names, find_weight
from backlit.explain.parts import Parts
from backlit.explain.scalars import ScalarGraph, scalar_graph
from backlit.explain.views import Explanation, Program
from backlit.transforms import grad, trace


class ExplanationError(BacklitError, RuntimeError):
    """An explanation does not add up to the gradient it explains."""


def explain_weight(
    f: Callable[..., Any],
    *args: Any,
    wrt: str | None = None,
    index: int | tuple[int, ...] = (),
    paths: int = 5,
    elements: int = 3,
) -> Explanation:
    """Explain the gradient of one weight: every local derivative between it and the loss.

    The explained gradient is the sum over all paths from the weight to the loss of the products of
    the local derivatives along the path; it is checked against `backlit.grad`.

    Parameters
    ----------
    f : callable
        Returns one number, the loss.
    *args : trees of arrays
        Its arguments.
    wrt : str
        Path of the weight's array among the arguments, ``"model.layers.0.W"`` or, where it is
        clear, the end of it, ``"layers.0.W"``; for a plain array argument its name.
    index : int or tuple of int
        Place in that array, counted from 0; ``()`` for a scalar.
    paths : int
        How many of the largest paths to show.
    elements : int
        How many elements of an array, and contributions to one element, to show.

    Returns
    -------
    Explanation

    Raises
    ------
    InputError
        If there is no such weight, the loss is not finite, or the weight reaches too many numbers
        to treat one by one.
    DifferentiationError
        If f does not return one real number.

    References
    ----------
    F. L. Bauer, "Computational graphs and rounding error", SIAM J. Numer. Anal. 11(1), 1974: the
    derivative as a sum over paths.

    Examples
    --------
    >>> import backlit.numpy as np
    >>> def loss(w, x, y):
    ...     a = np.sigmoid(w * x)
    ...     return (a - y) ** 2
    >>> explanation = explain_weight(loss, 0.5, 2.0, 1.0, wrt="w")
    >>> round(explanation.gradient, 6), explanation.paths.count
    (-0.211508, 1)
    >>> explanation.statement.partition(":")[0]
    '∂L/∂w = -0.211508'
    """
    if paths < 0 or elements < 1:
        raise InputError(f"cannot show {paths} paths and {elements} elements")
    if wrt is None:
        names = leaf_names(f, args)
        raise InputError(
            "whose gradient is to be explained? wrt is missing",
            fix=f'wrt="{names[0]}", or one of {", ".join(names)}'
            if names
            else "give the arguments of the function, and wrt= the path of an array among them",
        )
    # NumPy's warnings: f has shown them when the user ran it.
    with onp.errstate(all="ignore"):
        return _explain(f, args, wrt, index, paths, elements)


def _explain(
    f: Callable[..., Any], args: tuple[Any, ...], wrt: str, index: Any, paths: int, elements: int
) -> Explanation:
    leaves, treedef = tree.flatten(args)
    names = leaf_names(f, args)
    which, where = find_weight(f, names, leaves, wrt, index)
    shape = onp.shape(leaves[which])
    place = int(onp.ravel_multi_index(where, shape)) if shape else 0

    def of_leaf(leaf: Any) -> Any:
        return f(*tree.unflatten(treedef, [*leaves[:which], leaf, *leaves[which + 1 :]]))

    graph = trace(f)(*args).pruned()
    _require_loss(graph, f)
    exact = float(onp.ravel(grad(of_leaf)(leaves[which]))[place])
    values = evaluate_all(graph, [as_operand(leaf) for leaf in leaves])
    loss, weight = graph.outputs[0], graph.inputs[which]
    value = loss.value if isinstance(loss, Literal) else values[loss]
    if not onp.isfinite(value):
        raise _not_finite(graph, values, float(value))
    scalars = scalar_graph(graph, values, weight, place, loss)
    parts = Parts(scalars, Names(graph, values, weight, place, loss), paths, elements)
    _check(scalars, parts.gradient, exact, f)
    program = Program(f, args, names[which], where)
    return parts.explanation(function_name(f), weight, place, float(value), exact, program)


def _require_loss(graph: Graph, f: Callable[..., Any]) -> None:
    """Raise unless the function returns one real number."""
    avals = [atom.aval for atom in graph.outputs]
    if len(avals) == 1 and avals[0].shape == () and avals[0].dtype.kind == "f":
        return
    found = f"{len(avals)} arrays" if len(avals) != 1 else f"an array {avals[0]}"
    raise DifferentiationError(
        f"an explanation needs a function that returns one real number; {function_name(f)} "
        f"returned {found}",
        fix="wrap it in a function that returns the loss alone: lambda *args: f(*args)[0], or "
        "sum or average an array",
    )


def _not_finite(graph: Graph, values: dict[Var, Any], loss: float) -> InputError:
    """Return the error that names the first operation with a result that is not finite."""
    known = dict(graph.names())
    for equation in graph.equations:
        bad = [v for v in equation.outputs if not onp.all(onp.isfinite(values[v]))]
        if bad:
            return InputError(
                f"the loss is {loss}, which has no gradient to explain; the first result that is "
                f"not finite is {known[bad[0]]}, by {equation.primitive.name}",
                where=equation.source,
                fix="keep its operands where the operation is defined (np.where, np.clip, or a "
                "stable form of the loss)",
            )
    return InputError(f"the loss is {loss}, which has no gradient to explain")


def _check(scalars: ScalarGraph, explained: float, exact: float, f: Callable[..., Any]) -> None:
    """Raise unless the explained gradient is the one that reverse mode computes."""
    if explained == exact or (onp.isnan(explained) and onp.isnan(exact)):
        return
    # Both round; the bound is the usual one, in terms of the sum of the absolute products.
    types = [var.aval.dtype for var in scalars.places] or [onp.dtype(float)]
    unit = max(float(onp.finfo(dtype).eps) for dtype in types)
    scale = 0.0
    if scalars.size:
        weights = [onp.abs(link.local) for link in scalars.links]
        scale = float(scalars.gather(weights, scalars.size - 1)[0])
    longest = max((len(link.rows) for link in scalars.links), default=1)
    bound = unit * scale * (8 * len(scalars.links) + 8 + longest)
    if not abs(explained - exact) <= bound + float(onp.finfo(float).tiny):
        raise ExplanationError(
            f"the explanation gives a gradient of {explained!r}, but backlit.grad gives {exact!r}",
            fix=f"if {function_name(f)} gives the same loss every time it is called, this is a "
            "bug in Backlit; please report it with the function",
        )
