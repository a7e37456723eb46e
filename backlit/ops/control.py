"""Control flow as primitives: ``cond``, ``scan``, ``fori_loop``, ``while_loop``.

The branches and bodies are graphs, traced by shape. Their derivatives are again graphs: the forward
rule runs a body that carries tangents beside values; the reverse rule of `scan` keeps the carries
of every step (O(N) memory) and runs the body's reverse sweep from the last step to the first.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as onp

from backlit.core import tree
from backlit.core.aval import AbstractValue, aval_of
from backlit.core.errors import BacklitError, DTypeError, ShapeError
from backlit.core.evaluate import evaluate
from backlit.core.graph import Graph, Var
from backlit.core.primitive import Params
from backlit.core.source import Source
from backlit.core.tracer import Tracer, bind
from backlit.core.tracing import function_name, trace_flat
from backlit.ops.elementwise import astype, not_equal
from backlit.ops.families import custom, fit, fit_tangent
from backlit.ops.sweep import Recorded, push_forward

Flat = Sequence[Any]


def kept_on_graph(make: Callable[..., Graph]) -> Callable[..., Graph]:
    """Remember what is derived from a graph on the graph itself, so that both go together."""

    @functools.wraps(make)
    def kept(graph: Graph, *options: Any) -> Graph:
        label = (make.__name__, options)
        if label not in graph.derived:
            graph.derived[label] = make(graph, *options)
        found: Graph = graph.derived[label]
        return found

    return kept


# --- graphs of derivatives --------------------------------------------------------------------


def floats(avals: Sequence[AbstractValue]) -> list[int]:
    """Return the places of values that have a derivative."""
    return [k for k, aval in enumerate(avals) if aval.dtype.kind in "fc"]


def _zeros(aval: AbstractValue) -> Any:
    return onp.zeros(aval.shape, aval.dtype)


@kept_on_graph
def forward_graph(graph: Graph) -> Graph:
    """Return the graph that maps (inputs, tangents of float inputs) to (outputs, tangents)."""
    ins = [var.aval for var in graph.inputs]
    outs = [atom.aval for atom in graph.outputs]
    moving = floats(ins)

    def run(*args: Any) -> list[Any]:
        values = args[: len(ins)]
        tangents: list[list[Any]] = [[None] for _ in ins]
        for k, tangent in zip(moving, args[len(ins) :], strict=True):
            tangents[k] = [tangent]
        trace, results = push_forward(lambda *a: evaluate(graph, a), values, tangents)
        primal, dots = [], []
        for aval, out in zip(outs, results, strict=True):
            own = type(out) is Tracer and out.owner is trace
            primal.append(out.value if own else out)
            if aval.dtype.kind in "fc":
                tangent = out.tangents[0] if own and out.id >= 0 else None
                dots.append(_zeros(aval) if tangent is None else tangent)
        return primal + dots

    avals = ins + [ins[k] for k in moving]
    return _strong(run, avals, f"jvp_{graph.name}")


@kept_on_graph
def reverse_graph(graph: Graph) -> Graph:
    """Return the graph that maps (inputs, cotangents of float outputs) to input cotangents."""
    ins = [var.aval for var in graph.inputs]
    outs = [atom.aval for atom in graph.outputs]
    carrying = floats(outs)

    def run(*args: Any) -> list[Any]:
        values, cotangents = args[: len(ins)], args[len(ins) :]
        recorded = Recorded(lambda *a: evaluate(graph, a), values)
        seeds = []
        for k, g in zip(carrying, cotangents, strict=True):
            out = recorded.out[k]
            if type(out) is Tracer and out.owner is recorded.tape and out.id >= 0:
                seeds.append((out.id, g))
        back = recorded.sweep(seeds)
        return [_zeros(ins[k]) if back[k] is None else fit(back[k], values[k]) for k in floats(ins)]

    avals = ins + [outs[k] for k in carrying]
    return _strong(run, avals, f"vjp_{graph.name}")


def _strong(run: Callable[..., Any], avals: Sequence[AbstractValue], label: str) -> Graph:
    strong = [AbstractValue(a.shape, a.dtype) for a in avals]
    graph, captured = trace_flat(run, strong, [None] * len(strong), label, abstract=True)
    if captured:  # pragma: no cover - a graph is closed by construction
        raise BacklitError("a derivative graph captured a traced value")
    return graph.pruned()


def _trace_body(
    f: Callable[..., Any], operands: Sequence[Any], label: str
) -> tuple[Graph, list[Tracer], tree.TreeDef]:
    """Trace a user's function of trees by shape; return graph, captured tracers, result shape."""
    leaves, treedef = tree.flatten(tuple(operands))
    shapes: list[tree.TreeDef] = []

    def flat(*args: Any) -> list[Any]:
        out, out_def = tree.flatten(f(*tree.unflatten(treedef, args)))
        shapes.append(out_def)
        return [a if type(a) is Tracer else onp.asarray(a) for a in out]

    avals = [a if isinstance(a, AbstractValue) else aval_of(a) for a in leaves]
    graph, captured = trace_flat(flat, avals, [None] * len(avals), label, abstract=True)
    return graph, captured, shapes[0]


def _describe(avals: Sequence[AbstractValue]) -> str:
    return ", ".join(str(a) for a in avals) or "nothing"


def _out_avals(graph: Graph) -> list[AbstractValue]:
    return [AbstractValue(a.aval.shape, a.aval.dtype) for a in graph.outputs]


# --- cond -------------------------------------------------------------------------------------


def _cond_impl(index: Any, *operands: Any, branches: tuple[Graph, ...]) -> tuple[Any, ...]:
    return evaluate(branches[int(index)], operands)


def _cond_abstract(
    index: AbstractValue, *operands: AbstractValue, branches: tuple[Graph, ...]
) -> tuple[AbstractValue, ...]:
    return tuple(_out_avals(branches[0]))


def _cond_push(tangents: Flat, outs: Any, args: Flat, params: Params) -> Any:
    index, *operands = args
    branches = tuple([forward_graph(b) for b in params["branches"]])
    avals = [aval_of(a) for a in operands]
    moving = floats(avals)
    dots = [tangents[k + 1] for k in moving]
    dots = [_zeros(avals[k]) if t is None else t for k, t in zip(moving, dots, strict=True)]
    results = bind(_cond, index, *operands, *dots, branches=branches)
    return _spread(results[len(outs) :], outs)


def _spread(dots: Sequence[Any], outs: Sequence[Any]) -> tuple[Any, ...]:
    """Give each float output its tangent and the others None."""
    rest = iter(dots)
    return tuple([next(rest) if aval_of(o).dtype.kind in "fc" else None for o in outs])


def _instantiate(cotangents: Sequence[Any], outs: Sequence[Any]) -> list[Any]:
    """Return cotangents of the float outputs, zeros where nothing arrived."""
    avals = [aval_of(o) for o in outs]
    return [
        _zeros(avals[k]) if cotangents[k] is None else fit_tangent(cotangents[k], outs[k])
        for k in floats(avals)
    ]


def _cond_pull(g: Any, outs: Any, args: Flat, params: Params, needs: Sequence[bool]) -> Any:
    index, *operands = args
    branches = tuple([reverse_graph(b) for b in params["branches"]])
    back = bind(_cond, index, *operands, *_instantiate(g, outs), branches=branches)
    found: list[Any] = [None] * len(args)
    for k, part in zip(floats([aval_of(a) for a in operands]), back, strict=True):
        found[k + 1] = part
    return found


def _branch_flops(out: Any, avals: Any, params: Params) -> int:
    return max(graph_flops(b) for b in params["branches"])


def graph_flops(graph: Graph) -> int:
    """Count the floating-point operations of a graph, its branches and bodies included."""
    total = 0
    for e in graph.equations:
        out = e.outputs[0].aval if e.outputs else None
        total += e.primitive.flops(out, [a.aval for a in e.inputs], e.params)  # type: ignore[arg-type]
    return total


_cond = custom(
    "cond",
    _cond_impl,
    _cond_abstract,
    _cond_push,
    _cond_pull,
    latex=r"\operatorname{{cond}}",
    multi=True,
    flops=_branch_flops,
)


def cond(
    pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any
) -> Any:
    """Run one of two functions, chosen by a value that may be traced.

    Parameters
    ----------
    pred : bool scalar
        The choice.
    true_fun, false_fun : callable
        Take `operands` and return trees of the same shape and types. Both are traced; one runs.
    *operands : tree of arrays

    Returns
    -------
    tree
        What the chosen function returns.

    Raises
    ------
    ShapeError
        If the two results differ in structure, shape or type.

    Examples
    --------
    >>> import backlit as bl
    >>> f = lambda x: cond(x > 0.0, lambda x: x * x, lambda x: -x, x)
    >>> float(bl.grad(f)(3.0)), float(bl.grad(f)(-3.0))
    (6.0, -1.0)
    """
    if aval_of(pred).shape != ():
        raise ShapeError(
            f"cond needs a scalar condition, got shape {aval_of(pred).shape}",
            where=Source.here(),
            fix="choose element by element with np.where(condition, a, b)",
        )
    yes, yes_captured, yes_def = _trace_body(true_fun, operands, function_name(true_fun))
    no, no_captured, no_def = _trace_body(false_fun, operands, function_name(false_fun))
    yes_avals, no_avals = _out_avals(yes), _out_avals(no)
    if yes_def != no_def or yes_avals != no_avals:
        raise ShapeError(
            f"the branches of cond return different things: {_describe(yes_avals)} and "
            f"{_describe(no_avals)}",
            where=Source.here(),
            fix="make both return the same structure, shapes and types",
        )
    leaves = _operand_leaves(operands)
    captured = _union(yes_captured, no_captured)
    count = len(leaves)
    branches = (
        _with_captures(no, no_captured, captured, count),
        _with_captures(yes, yes_captured, captured, count),
    )
    index = astype(not_equal(pred, 0), onp.intp)
    out = bind(_cond, index, *leaves, *captured, branches=branches)
    return tree.unflatten(yes_def, list(out))


def _operand_leaves(operands: Any) -> list[Any]:
    leaves = tree.flatten(tuple(operands))[0]
    return [a if type(a) is Tracer else onp.asarray(a) for a in leaves]


def _union(*groups: list[Tracer]) -> list[Tracer]:
    seen: dict[int, Tracer] = {}
    for group in groups:
        for tracer in group:
            seen.setdefault(id(tracer), tracer)
    return list(seen.values())


def _with_captures(graph: Graph, mine: list[Tracer], everyone: list[Tracer], count: int) -> Graph:
    """Let a branch take every captured tracer, its own and the other branch's."""
    own = {id(t): var for t, var in zip(mine, graph.inputs[count:], strict=True)}
    extra = tuple([own.get(id(t)) or Var(t.aval) for t in everyone])
    return Graph(
        graph.inputs[:count] + extra, graph.equations, graph.outputs, graph.guards, graph.name
    )


# --- scan -------------------------------------------------------------------------------------


def _scan_impl(
    *operands: Any, body: Graph, carries: int, xs: int, length: int, reverse: bool
) -> Any:
    carry = list(operands[:carries])
    columns = operands[carries : carries + xs]
    constants = operands[carries + xs :]
    avals = _out_avals(body)[carries:]
    ys = [onp.empty((length, *a.shape), a.dtype) for a in avals]
    for t in reversed(range(length)) if reverse else range(length):
        out = evaluate(body, (*carry, *[column[t] for column in columns], *constants))
        carry = list(out[:carries])
        for y, value in zip(ys, out[carries:], strict=True):
            y[t] = value
    return (*carry, *ys)


def _scan_abstract(
    *avals: Any, body: Graph, carries: int, xs: int, length: int, reverse: bool
) -> Any:
    outs = _out_avals(body)
    stacked = [AbstractValue((length, *a.shape), a.dtype) for a in outs[carries:]]
    return (*outs[:carries], *stacked)


def _scan_push(tangents: Flat, outs: Any, args: Flat, params: Params) -> Any:
    body, carries, xs = params["body"], params["carries"], params["xs"]
    avals = [aval_of(a) for a in args]
    inner = [var.aval for var in body.inputs]
    moving = floats(inner)
    dots = {k: _zeros(avals[k]) if tangents[k] is None else tangents[k] for k in moving}
    out_avals = _out_avals(body)
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
    y_dots = results[carries + moving_carries + len(out_avals) - carries :]
    return _spread([*carry_dots, *y_dots], outs)


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
    out_floats = floats(_out_avals(body))
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
    outs = _out_avals(body)
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
        *[ins[k] for k in carry_floats],
        *[ins[k] for k in constant_floats],
        *ins[:carries],
        *ins[carries : carries + xs],
        *[outs[k] for k in y_floats],
        *ins[carries + xs :],
    ]
    return _strong(step, avals, f"vjp_{body.name}")


def _scan_pull(g: Any, outs: Any, args: Flat, params: Params, needs: Sequence[bool]) -> Any:
    body, carries, xs = params["body"], params["carries"], params["xs"]
    length, reverse = params["length"], params["reverse"]
    ins = [var.aval for var in body.inputs]
    moving = floats(ins)
    cotangents = _instantiate(g, outs)
    count = len([k for k in floats([aval_of(o) for o in outs]) if k < carries])
    carry_g, y_g = cotangents[:count], cotangents[count:]
    saving = _saving_body(body, carries)
    saved = bind(_scan, *args, body=saving, carries=carries, xs=xs, length=length, reverse=reverse)[
        carries:
    ]
    constants = args[carries + xs :]
    sums = [_zeros(ins[k]) for k in moving if k >= carries + xs]
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
        ``f(carry, x) -> (carry, y)``; traced once, by shape.
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
    columns, xs_def = tree.flatten(xs)
    columns = [a if type(a) is Tracer else onp.asarray(a) for a in columns]
    lengths = {aval_of(a).shape[0] if aval_of(a).shape else None for a in columns}
    if length is not None:
        lengths.add(operator.index(length))
    if len(lengths) != 1 or None in lengths:
        raise ShapeError(
            f"scan needs one number of steps, got {sorted(map(str, lengths)) or 'none'}",
            where=Source.here(),
            fix="give all of xs the same first axis, or pass length=",
        )
    steps = lengths.pop()
    slices = tree.unflatten(
        xs_def, [AbstractValue(aval_of(a).shape[1:], aval_of(a).dtype) for a in columns]
    )
    carry, carry_def = tree.flatten(init)
    carry = _settle(f, carry, carry_def, slices)
    avals = [_strong_aval(a) for a in carry]
    body, captured, out_def = _trace_body(
        f, (tree.unflatten(carry_def, avals), slices), function_name(f)
    )
    pair = out_def.kind is tuple and len(out_def.children) == 2
    outs = _out_avals(body)
    if not pair or out_def.children[0] != carry_def or outs[: len(avals)] != avals:
        raise ShapeError(
            f"the body of scan must return (carry, y) with a carry of {_describe(avals)}; "
            f"it returned {_describe(outs)}",
            where=Source.here(),
            fix="keep structure, shapes and types of the carry the same (astype, np.zeros of the "
            "right shape)",
        )
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
    last = tree.unflatten(carry_def, list(results[: len(carry)]))
    return last, tree.unflatten(out_def.children[1], list(results[len(carry) :]))


def _strong_aval(value: Any) -> AbstractValue:
    aval = aval_of(value)
    return AbstractValue(aval.shape, aval.dtype)


def _settle(f: Any, carry: list[Any], carry_def: tree.TreeDef, slices: Any) -> list[Any]:
    """Let Python numbers in the first carry take the type that the body gives them."""
    weak = [aval_of(a).weak for a in carry]
    carry = [a if type(a) is Tracer else onp.asarray(a)[()] for a in carry]
    if True not in weak:
        return carry
    avals = [
        AbstractValue(aval_of(a).shape, aval_of(a).dtype, w)
        for a, w in zip(carry, weak, strict=True)
    ]
    body, _, _ = _trace_body(f, (tree.unflatten(carry_def, avals), slices), function_name(f))
    outs = _out_avals(body)
    return [
        astype(a, out.dtype) if w and out.dtype.kind in "fciub" else a
        for a, w, out in zip(carry, weak, outs, strict=False)
    ] + carry[len(outs) :]


# --- loops ------------------------------------------------------------------------------------


def _while_impl(*operands: Any, test: Graph, body: Graph, tests: int, bodies: int) -> Any:
    for_test, for_body = operands[:tests], operands[tests : tests + bodies]
    carry: Any = operands[tests + bodies :]
    while evaluate(test, (*for_test, *carry))[0]:
        carry = evaluate(body, (*for_body, *carry))
    return tuple(carry)


def _while_abstract(*avals: Any, test: Graph, body: Graph, tests: int, bodies: int) -> Any:
    return tuple(_out_avals(body))


def _while_push(tangents: Flat, outs: Any, args: Flat, params: Params) -> Any:
    test, body, tests, bodies = (params[k] for k in ("test", "body", "tests", "bodies"))
    forward = forward_graph(body)
    count = len(body.inputs)
    moving = floats([var.aval for var in body.inputs])
    in_body = [k for k in moving if k < bodies]
    in_carry = [k for k in moving if k >= bodies]
    avals = [aval_of(a) for a in args]

    def dot(k: int) -> Any:
        tangent = tangents[tests + k]
        return _zeros(avals[tests + k]) if tangent is None else tangent

    place = {k: forward.inputs[count + n] for n, k in enumerate(moving)}
    inputs = (
        *forward.inputs[:bodies],
        *[place[k] for k in in_body],
        *forward.inputs[bodies:count],
        *[place[k] for k in in_carry],
    )
    doubled = Graph(inputs, forward.equations, forward.outputs, (), forward.name)
    extra = tuple([Var(var.aval) for var in doubled.outputs[len(outs) :]])
    longer = Graph((*test.inputs, *extra), test.equations, test.outputs, (), test.name)
    results = bind(
        _while,
        *args[: tests + bodies],
        *[dot(k) for k in in_body],
        *args[tests + bodies :],
        *[dot(k) for k in in_carry],
        test=longer,
        body=doubled,
        tests=tests,
        bodies=bodies + len(in_body),
    )
    return _spread(results[len(outs) :], outs)


_while = custom(
    "while_loop",
    _while_impl,
    _while_abstract,
    _while_push,
    None,
    latex=r"\operatorname{{while}}",
    multi=True,
    flops=lambda out, avals, params: graph_flops(params["test"]) + graph_flops(params["body"]),
)


def while_loop(
    cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init_val: Any
) -> Any:
    """Repeat a function while a test on its result holds; forward mode only.

    Parameters
    ----------
    cond_fun : callable
        ``cond_fun(value) -> bool scalar``.
    body_fun : callable
        ``body_fun(value) -> value``, same structure, shapes and types.
    init_val : tree of arrays

    Returns
    -------
    tree
        The first value for which the test fails.

    Raises
    ------
    ShapeError
        If the body changes structure, shape or type.
    DifferentiationError
        When its gradient is asked for in reverse mode: the number of steps is not known, so there
        is no bound on what would have to be kept. `scan` and `fori_loop` have one.

    Examples
    --------
    >>> float(while_loop(lambda x: x < 100.0, lambda x: 2.0 * x, 1.0))
    128.0
    """
    leaves, treedef = tree.flatten(init_val)
    leaves = _settle(lambda c, _: (body_fun(c), ()), leaves, treedef, ())
    avals = [_strong_aval(a) for a in leaves]
    value = tree.unflatten(treedef, avals)
    body, for_body, out_def = _trace_body(body_fun, (value,), function_name(body_fun))
    test, for_test, _ = _trace_body(cond_fun, (value,), function_name(cond_fun))
    if out_def != treedef or _out_avals(body) != avals:
        raise ShapeError(
            f"the body of while_loop takes {_describe(avals)} and returned "
            f"{_describe(_out_avals(body))}",
            where=Source.here(),
            fix="return the same structure, shapes and types",
        )
    if [(a.shape, a.dtype.kind) for a in _out_avals(test)] != [((), "b")]:
        raise DTypeError(
            f"the test of while_loop must return one boolean, not {_describe(_out_avals(test))}",
            where=Source.here(),
            fix="compare: x < limit; for arrays use np.all or np.any",
        )
    count = len(leaves)
    out = bind(
        _while,
        *for_test,
        *for_body,
        *leaves,
        test=_captures_first(test, count),
        body=_captures_first(body, count),
        tests=len(for_test),
        bodies=len(for_body),
    )
    return tree.unflatten(treedef, list(out))


def _captures_first(graph: Graph, count: int) -> Graph:
    inputs = (*graph.inputs[count:], *graph.inputs[:count])
    return Graph(inputs, graph.equations, graph.outputs, graph.guards, graph.name)


def fori_loop(lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init_val: Any) -> Any:
    """Repeat ``value = body_fun(i, value)`` for i from `lower` up to (not including) `upper`.

    Parameters
    ----------
    lower, upper : int
        With plain integers the loop has a known length and both modes work; a traced bound makes
        it a `while_loop`.
    body_fun : callable
    init_val : tree of arrays

    Returns
    -------
    tree

    Examples
    --------
    >>> float(fori_loop(0, 5, lambda i, x: x * 2.0, 1.0))
    32.0
    """
    if type(lower) is not Tracer and type(upper) is not Tracer:
        indices = onp.arange(operator.index(lower), operator.index(upper))
        return scan(lambda value, i: (body_fun(i, value), ()), init_val, indices)[0]
    _, value = while_loop(
        lambda state: state[0] < upper,
        lambda state: (state[0] + 1, body_fun(state[0], state[1])),
        (lower, init_val),
    )
    return value
