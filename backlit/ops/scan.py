"""``scan``: a loop of known length that carries a state, with both modes of differentiation.

The forward rule runs a body that carries tangents beside values. The reverse rule keeps the carries
of every step (O(N) memory) and runs the body's reverse sweep from the last step to the first.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as onp

from backlit.core import tree
from backlit.core.aval import AbstractValue, aval_of
from backlit.core.errors import ShapeError
from backlit.core.evaluate import apart, evaluate
from backlit.core.graph import Graph
from backlit.core.primitive import Params
from backlit.core.tracer import Tracer, bind, strengthened
from backlit.core.tracing import function_name, require_function
from backlit.ops.derived import (
    closed_graph,
    describe,
    floats,
    forward_graph,
    graph_flops,
    instantiate,
    kept_on_graph,
    out_avals,
    reverse_graph,
    settle,
    spread,
    strong_aval,
    trace_body,
    zeros_of,
)
from backlit.ops.families import custom

Flat = Sequence[Any]


def _scan_impl(
    *operands: Any, body: Graph, carries: int, xs: int, length: int, reverse: bool
) -> Any:
    carry = list(operands[:carries])
    columns = operands[carries : carries + xs]
    constants = operands[carries + xs :]
    avals = out_avals(body)[carries:]
    ys = [onp.empty((length, *a.shape), a.dtype) for a in avals]
    for t in reversed(range(length)) if reverse else range(length):
        out = evaluate(body, (*carry, *[column[t] for column in columns], *constants))
        carry = list(out[:carries])
        for y, value in zip(ys, out[carries:], strict=True):
            y[t] = value
    return (*map(strengthened, carry), *ys)


def _scan_abstract(
    *avals: Any, body: Graph, carries: int, xs: int, length: int, reverse: bool
) -> Any:
    outs = out_avals(body)
    stacked = [AbstractValue((length, *a.shape), a.dtype) for a in outs[carries:]]
    return (*outs[:carries], *stacked)


def _scan_push(tangents: Flat, outs: Any, args: Flat, params: Params) -> Any:
    body, carries, xs = params["body"], params["carries"], params["xs"]
    avals = [aval_of(a) for a in args]
    inner = [var.aval for var in body.inputs]
    moving = floats(inner)
    dots = {k: zeros_of(avals[k]) if tangents[k] is None else tangents[k] for k in moving}
    outputs = len(body.outputs)
    ends = (0, carries, carries + xs, len(args))
    groups = [range(a, b) for a, b in zip(ends, ends[1:], strict=False)]
    # (carry, ċarry, x, ẋ, constants, ċonstants) in that order for the doubled loop.
    order = [*groups[0], *[("d", k) for k in groups[0] if k in dots]]
    order += [*groups[1], *[("d", k) for k in groups[1] if k in dots]]
    order += [*groups[2], *[("d", k) for k in groups[2] if k in dots]]
    operands = [dots[k[1]] if isinstance(k, tuple) else args[k] for k in order]
    doubled = _doubled_body(body, carries, tuple(order))
    moving_carries = len([k for k in groups[0] if k in dots])
    results = bind(
        _scan,
        *operands,
        body=doubled,
        carries=carries + moving_carries,
        xs=xs + len([k for k in groups[1] if k in dots]),
        length=params["length"],
        reverse=params["reverse"],
    )
    carry_dots = results[carries : carries + moving_carries]
    y_dots = results[carries + moving_carries + outputs - carries :]
    return spread([*carry_dots, *y_dots], outs)


@kept_on_graph
def _doubled_body(body: Graph, carries: int, order: tuple[Any, ...]) -> Graph:
    """Reorder the forward graph of a body so that tangents of carries are carries too."""
    forward = forward_graph(body)
    count = len(body.inputs)
    tangent_place = {k: count + n for n, k in enumerate(floats([v.aval for v in body.inputs]))}
    inputs = tuple(
        [forward.inputs[tangent_place[k[1]] if isinstance(k, tuple) else k] for k in order]
    )
    outs = len(body.outputs)
    out_floats = floats(out_avals(body))
    primal, dots = forward.outputs[:outs], forward.outputs[outs:]
    carry_dots = [d for k, d in zip(out_floats, dots, strict=True) if k < carries]
    y_dots = [d for k, d in zip(out_floats, dots, strict=True) if k >= carries]
    outputs = (*primal[:carries], *carry_dots, *primal[carries:], *y_dots)
    return Graph(inputs, forward.equations, outputs, forward.guards, forward.name)


@kept_on_graph
def _saving_body(body: Graph, carries: int) -> Graph:
    """Return the body that also hands out the carry it was given."""
    saved = body.inputs[:carries]
    outputs = (*body.outputs[:carries], *saved)
    return Graph(body.inputs, body.equations, outputs, body.guards, body.name).pruned()


@kept_on_graph
def _back_body(body: Graph, carries: int, xs: int) -> Graph:
    """Return one step of the reverse loop.

    Carry: cotangents of the float carries and sums of cotangents of the float constants.
    Per step: the saved carry, x, and cotangents of the float ys. Yields cotangents of float xs.
    """
    ins = [var.aval for var in body.inputs]
    outs = out_avals(body)
    moving = floats(ins)
    kinds = [
        sum(1 for k in moving if low <= k < high)
        for low, high in ((0, carries), (carries, carries + xs), (carries + xs, len(ins)))
    ]
    carry_floats = [k for k in moving if k < carries]
    constant_floats = [k for k in moving if k >= carries + xs]
    y_floats = [k for k in floats(outs) if k >= carries]
    back = reverse_graph(body)

    def step(*args: Any) -> list[Any]:
        rest = list(args)
        carry_g = [rest.pop(0) for _ in carry_floats]
        sums = [rest.pop(0) for _ in constant_floats]
        carry = [rest.pop(0) for _ in range(carries)]
        x = [rest.pop(0) for _ in range(xs)]
        y_g = [rest.pop(0) for _ in y_floats]
        found = list(evaluate(back, (*carry, *x, *rest, *carry_g, *y_g)))
        new_carry = found[: kinds[0]]
        x_g = found[kinds[0] : kinds[0] + kinds[1]]
        constants = found[kinds[0] + kinds[1] :]
        return [*new_carry, *[s + c for s, c in zip(sums, constants, strict=True)], *x_g]

    avals = [
        *[strong_aval(ins[k]) for k in carry_floats],
        *[strong_aval(ins[k]) for k in constant_floats],
        *ins[:carries],
        *ins[carries : carries + xs],
        *[outs[k] for k in y_floats],
        *ins[carries + xs :],
    ]
    return closed_graph(step, avals, f"vjp_{body.name}")


def _scan_pull(g: Any, outs: Any, args: Flat, params: Params, needs: Sequence[bool]) -> Any:
    body, carries, xs = params["body"], params["carries"], params["xs"]
    length, reverse = params["length"], params["reverse"]
    ins = [var.aval for var in body.inputs]
    moving = floats(ins)
    cotangents = instantiate(g, outs)
    count = len([k for k in floats([aval_of(o) for o in outs]) if k < carries])
    carry_g, y_g = cotangents[:count], cotangents[count:]
    saving = _saving_body(body, carries)
    saved = bind(_scan, *args, body=saving, carries=carries, xs=xs, length=length, reverse=reverse)[
        carries:
    ]
    constants = args[carries + xs :]
    sums = [zeros_of(ins[k]) for k in moving if k >= carries + xs]
    results = bind(
        _scan,
        *carry_g,
        *sums,
        *saved,
        *args[carries : carries + xs],
        *y_g,
        *constants,
        body=_back_body(body, carries, xs),
        carries=len(carry_g) + len(sums),
        xs=carries + xs + len(y_g),
        length=length,
        reverse=not reverse,
    )
    first = [k for k in moving if k < carries]
    middle = [k for k in moving if carries <= k < carries + xs]
    last = [k for k in moving if k >= carries + xs]
    found: list[Any] = [None] * len(args)
    for k, part in zip([*first, *last, *middle], results, strict=True):
        found[k] = part
    return found


_scan = custom(
    "scan",
    _scan_impl,
    _scan_abstract,
    _scan_push,
    _scan_pull,
    latex=r"\operatorname{{scan}}",
    multi=True,
    flops=lambda out, avals, params: params["length"] * graph_flops(params["body"]),
)


def _count_steps(columns: Flat, length: int | None) -> int:
    """Return the number of steps that the arrays and the given length agree on, or raise."""
    lengths = {aval_of(a).shape[0] if aval_of(a).shape else None for a in columns}
    if length is not None:
        lengths.add(operator.index(length))
    if None in lengths:
        raise ShapeError(
            "scan slices every array of xs along its first axis; one of them is a single number",
            fix="make a list of numbers an array first: np.array([1.0, 2.0])",
        )
    if len(lengths) != 1:
        found = " and ".join([str(n) for n in sorted(n for n in lengths if n is not None)])
        what = f"its arrays (and length, if given) say {found}" if found else "nothing gives one"
        raise ShapeError(
            f"scan needs one number of steps; {what}",
            fix="give all of xs the same first axis, or pass length=",
        )
    (steps,) = lengths
    assert steps is not None
    return steps


def _check_pair(
    out_def: tree.TreeDef,
    outs: list[AbstractValue],
    carry_def: tree.TreeDef,
    avals: list[AbstractValue],
) -> None:
    """Raise unless the body returned a pair whose first part is a carry like the first one."""
    if out_def.kind is not tuple or len(out_def.children) != 2:
        raise ShapeError(
            f"the body of scan must return (carry, y), a pair; it returned {describe(outs)}",
            fix="return (carry, y), or (carry, ()) if there is nothing to collect",
        )
    if out_def.children[0] != carry_def or outs[: len(avals)] != avals:
        raise ShapeError(
            f"the body of scan must return (carry, y) with a carry of {describe(avals)}; "
            f"it returned {describe(outs)}",
            fix="keep structure, shapes and types of the carry the same (astype, np.zeros of the "
            "right shape)",
        )


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """Carry a state over the leading axis of arrays, collecting a result per step.

    Parameters
    ----------
    f : callable
        ``f(carry, x) -> (carry, y)``; traced by shape, once, or twice where a first carry is a
        Python number whose type the body decides.
    init : tree of arrays
        First carry; every step must return the same structure, shapes and types.
    xs : tree of arrays, optional
        Sliced along their first axis.
    length : int, optional
        Number of steps when there are no `xs`.
    reverse : bool
        Go from the last slice to the first.

    Returns
    -------
    carry : tree
        The last carry.
    ys : tree
        The ys, stacked along a new first axis.

    Raises
    ------
    ShapeError
        If the lengths disagree or the carry changes shape or type.

    Examples
    --------
    >>> import backlit as bl
    >>> total, running = scan(lambda c, x: (c + x, c + x), 0.0, onp.array([1.0, 2.0, 3.0]))
    >>> float(total), running.tolist()
    (6.0, [1.0, 3.0, 6.0])
    """
    require_function(f, "scan")
    columns, xs_def = tree.flatten(xs)
    rows = [aval_of(a) for a in columns]  # which refuses what only looks like an array
    columns = [a if type(a) is Tracer else onp.asarray(a) for a in columns]
    steps = _count_steps(columns, length)
    slices = tree.unflatten(xs_def, [AbstractValue(a.shape[1:], a.dtype) for a in rows])
    carry, carry_def = tree.flatten(init)
    carry = settle(f, carry, carry_def, slices)
    avals = [strong_aval(a) for a in carry]
    body, captured, out_def = trace_body(
        f, (tree.unflatten(carry_def, avals), slices), function_name(f)
    )
    _check_pair(out_def, out_avals(body), carry_def, avals)
    results = bind(
        _scan,
        *carry,
        *columns,
        *captured,
        body=body,
        carries=len(carry),
        xs=len(columns),
        length=steps,
        reverse=reverse,
    )
    results = apart(results, (*carry, *columns))
    last = tree.unflatten(carry_def, results[: len(carry)])
    return last, tree.unflatten(out_def.children[1], results[len(carry) :])
