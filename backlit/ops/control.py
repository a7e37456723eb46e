"""Control flow as primitives: ``cond``, ``while_loop``, ``fori_loop`` (and `backlit.ops.scan`).

The branches and bodies are graphs, traced by shape; their derivatives are again graphs.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as onp

from backlit.core import tree
from backlit.core.aval import AbstractValue, aval_of
from backlit.core.errors import DTypeError, ShapeError
from backlit.core.evaluate import apart, evaluate
from backlit.core.graph import Graph, Var
from backlit.core.primitive import Params
from backlit.core.tracer import Tracer, bind, strengthened
from backlit.core.tracing import function_name, require_function
from backlit.ops.derived import (
    describe,
    floats,
    forward_graph,
    graph_flops,
    instantiate,
    out_avals,
    reverse_graph,
    settle,
    spread,
    strong_aval,
    trace_body,
    zeros_of,
)
from backlit.ops.elementwise import astype, not_equal
from backlit.ops.families import custom
from backlit.ops.scan import scan

Flat = Sequence[Any]

# --- cond -------------------------------------------------------------------------------------


def _cond_impl(index: Any, *operands: Any, branches: tuple[Graph, ...]) -> tuple[Any, ...]:
    return tuple(map(strengthened, evaluate(branches[int(index)], operands)))


def _cond_abstract(
    index: AbstractValue, *operands: AbstractValue, branches: tuple[Graph, ...]
) -> tuple[AbstractValue, ...]:
    return tuple(out_avals(branches[0]))


def _cond_push(tangents: Flat, outs: Any, args: Flat, params: Params) -> Any:
    index, *operands = args
    branches = tuple([forward_graph(b) for b in params["branches"]])
    avals = [aval_of(a) for a in operands]
    moving = floats(avals)
    dots = [tangents[k + 1] for k in moving]
    dots = [zeros_of(avals[k]) if t is None else t for k, t in zip(moving, dots, strict=True)]
    results = bind(_cond, index, *operands, *dots, branches=branches)
    return spread(results[len(outs) :], outs)


def _cond_pull(g: Any, outs: Any, args: Flat, params: Params, needs: Sequence[bool]) -> Any:
    index, *operands = args
    branches = tuple([reverse_graph(b) for b in params["branches"]])
    back = bind(_cond, index, *operands, *instantiate(g, outs), branches=branches)
    found: list[Any] = [None] * len(args)
    for k, part in zip(floats([aval_of(a) for a in operands]), back, strict=True):
        found[k + 1] = part
    return found


def _branch_flops(out: Any, avals: Any, params: Params) -> int:
    return max(graph_flops(b) for b in params["branches"])


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
    require_function(true_fun, "cond")
    require_function(false_fun, "cond")
    if aval_of(pred).dtype.kind not in "biuf":
        raise DTypeError(
            f"cond needs a condition that is true or false, not {str(pred)[:40]!r}",
            fix="compare: bl.cond(x > 0.0, f, g, x)",
        )
    if aval_of(pred).shape != ():
        raise ShapeError(
            f"cond needs a scalar condition, got shape {aval_of(pred).shape}",
            fix="choose element by element with np.where(condition, a, b)",
        )
    yes, yes_captured, yes_def = trace_body(true_fun, operands, function_name(true_fun))
    no, no_captured, no_def = trace_body(false_fun, operands, function_name(false_fun))
    wanted = _settled_types(yes, no)
    if wanted is not None:
        # A branch that returns a Python number takes the other branch's type.
        yes, yes_captured, yes_def = trace_body(
            _cast_results(true_fun, wanted), operands, function_name(true_fun)
        )
        no, no_captured, no_def = trace_body(
            _cast_results(false_fun, wanted), operands, function_name(false_fun)
        )
    yes_avals, no_avals = out_avals(yes), out_avals(no)
    if yes_def != no_def or yes_avals != no_avals:
        raise ShapeError(
            f"the branches of cond return different things: {describe(yes_avals)} and "
            f"{describe(no_avals)}",
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
    return tree.unflatten(yes_def, apart(out, leaves))


def _settled_types(yes: Graph, no: Graph) -> list[Any] | None:
    """Return the result types that two branches agree on once Python numbers adapt, or None."""
    pairs = [(a.aval, b.aval) for a, b in zip(yes.outputs, no.outputs, strict=False)]
    if not any(a.dtype != b.dtype and a.weak != b.weak for a, b in pairs):
        return None
    return [b.dtype if a.weak and not b.weak else a.dtype for a, b in pairs]


def _cast_results(f: Callable[..., Any], dtypes: list[Any]) -> Callable[..., Any]:
    def cast(*operands: Any) -> Any:
        leaves, treedef = tree.flatten(f(*operands))
        return tree.unflatten(treedef, [astype(a, d) for a, d in zip(leaves, dtypes, strict=True)])

    return cast


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


# --- loops ------------------------------------------------------------------------------------


def _while_impl(*operands: Any, test: Graph, body: Graph, tests: int, bodies: int) -> Any:
    for_test, for_body = operands[:tests], operands[tests : tests + bodies]
    carry: Any = operands[tests + bodies :]
    while evaluate(test, (*for_test, *carry))[0]:
        carry = evaluate(body, (*for_body, *carry))
    return tuple(map(strengthened, carry))


def _while_abstract(*avals: Any, test: Graph, body: Graph, tests: int, bodies: int) -> Any:
    return tuple(out_avals(body))


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
        return zeros_of(avals[tests + k]) if tangent is None else tangent

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
    return spread(results[len(outs) :], outs)


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
    require_function(cond_fun, "while_loop")
    require_function(body_fun, "while_loop")
    leaves, treedef = tree.flatten(init_val)
    leaves = settle(lambda c, _: (body_fun(c), ()), leaves, treedef, ())
    avals = [strong_aval(a) for a in leaves]
    value = tree.unflatten(treedef, avals)
    body, for_body, out_def = trace_body(body_fun, (value,), function_name(body_fun))
    test, for_test, _ = trace_body(cond_fun, (value,), function_name(cond_fun))
    if out_def != treedef or out_avals(body) != avals:
        raise ShapeError(
            f"the body of while_loop takes {describe(avals)} and returned "
            f"{describe(out_avals(body))}",
            fix="return the same structure, shapes and types",
        )
    if [(a.shape, a.dtype.kind) for a in out_avals(test)] != [((), "b")]:
        raise DTypeError(
            f"the test of while_loop must return one boolean, not {describe(out_avals(test))}",
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
    return tree.unflatten(treedef, apart(out, leaves))


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

    Raises
    ------
    DTypeError
        If a bound is not an integer.
    ShapeError
        If the body changes structure, shape or type.

    Examples
    --------
    >>> float(fori_loop(0, 5, lambda i, x: x * 2.0, 1.0))
    32.0
    """
    require_function(body_fun, "fori_loop")
    for bound in (lower, upper):
        if aval_of(bound).shape != () or aval_of(bound).dtype.kind not in "iub":
            raise DTypeError(
                f"fori_loop counts between integers, and a bound is {aval_of(bound)}",
                fix="convert it: int(n), or n.astype(int) for a traced number",
            )
    if type(lower) is not Tracer and type(upper) is not Tracer:
        indices = onp.arange(operator.index(lower), operator.index(upper))
        return scan(lambda value, i: (body_fun(i, value), ()), init_val, indices)[0]
    _, value = while_loop(
        lambda state: state[0] < upper,
        lambda state: (state[0] + 1, body_fun(state[0], state[1])),
        (lower, init_val),
    )
    return value
