"""Operations written out in terms of simpler ones, and calls replaced by what they call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as onp

from backlit import numpy as np
from backlit.core.aval import AbstractValue
from backlit.core.graph import Atom, Equation, Graph, Literal, Var
from backlit.core.tracing import trace_flat
from backlit.ops.families import engine
from backlit.ops.random import philox_words


def expand(graph: Graph, composites: bool = True) -> Graph:
    """Return a graph without calls and without operations that have an expansion.

    Parameters
    ----------
    graph : Graph
    composites : bool
        False leaves the operations as they are, so that only calls are replaced.

    Returns
    -------
    Graph
        Equal results; the new equations keep source and provenance of those they replace, those
        of a called function its lines.
    """
    known: dict[Atom, Atom] = {}
    equations: list[Equation] = []
    logs: dict[Atom, Equation] = {}
    for equation in graph.equations:
        given, inner = equation, None
        if composites and equation.primitive.name == "exp" and equation.inputs[0] in logs:
            given = logs[equation.inputs[0]]
            inner = _traced(_exp_log_softmax, given, equation)
        if inner is None:
            called = equation.primitive.name == "call"
            given, inner = equation, _inner(equation) if composites or called else None
        if equation.primitive.name == "log_softmax":
            logs[equation.outputs[0]] = equation
        inputs = tuple([known.get(a, a) for a in given.inputs])
        if inner is None:
            same = inputs == equation.inputs
            equations.append(equation if same else replace(equation, inputs=inputs))
            continue
        outputs = _inline(expand(inner, composites), inputs, equation, equations)
        for var, atom in zip(equation.outputs, outputs, strict=True):
            known[var] = atom
    outs = tuple([known.get(a, a) for a in graph.outputs])
    return Graph(graph.inputs, tuple(equations), outs, (), graph.name)


def _inline(
    inner: Graph, inputs: Sequence[Atom], caller: Equation, equations: list[Equation]
) -> list[Atom]:
    """Append an inner graph's equations and return what its outputs are called here."""
    names: dict[Atom, Atom] = dict(zip(inner.inputs, inputs, strict=True))
    # A function's own lines say more than the line that calls it; its derivative has none.
    own = caller.primitive.name == "call" and caller.provenance is None
    for e in inner.equations:
        outs = tuple([Var(v.aval, v.name) for v in e.outputs])
        atoms = tuple([names.get(a, a) for a in e.inputs])
        source = (e.source if own else None) or caller.source or e.source
        equations.append(Equation(e.primitive, atoms, e.params, outs, source, caller.provenance))
        names.update(zip(e.outputs, outs, strict=True))
    return [names.get(a, a) for a in inner.outputs]


def _inner(equation: Equation) -> Graph | None:
    if equation.primitive.name == "call":
        graph: Graph = equation.params["graph"]
        return graph
    rule = _RULES.get(equation.primitive.name)
    return None if rule is None else _traced(rule, equation, equation)


def _traced(rule: Expansion, given: Equation, wanted: Equation) -> Graph | None:
    """Return what a rule makes of one equation's operands, in the place of another's result."""
    avals = [a.aval for a in given.inputs]
    function = rule(avals, given.params)
    if function is None:
        return None
    strong = [AbstractValue(a.shape, a.dtype) for a in avals]
    graph, _ = trace_flat(
        lambda *x: [function(*x)], strong, [None] * len(strong), wanted.primitive.name, True
    )
    (out,) = graph.outputs
    want = wanted.outputs[0].aval
    if isinstance(out, Literal) or (out.aval.shape, out.aval.dtype) != (want.shape, want.dtype):
        return None
    return graph


Expansion = Callable[[Sequence[AbstractValue], dict[str, Any]], Callable[..., Any] | None]


def _peak(x: Any, axes: Any) -> Any:
    top = np.max(x, axis=axes, keepdims=True)
    return np.where(np.isfinite(top), top, 0.0)


def _logsumexp(avals: Any, params: Any) -> Any:
    axes = params["axes"]

    def function(x: Any) -> Any:
        top = _peak(x, axes)
        total = np.log(np.sum(np.exp(x - top), axis=axes))
        return total + np.reshape(top, total.shape)

    return function


def _softmax(avals: Any, params: Any) -> Any:
    axes = params["axes"]

    def function(x: Any) -> Any:
        e = np.exp(x - _peak(x, axes))
        return e / np.sum(e, axis=axes, keepdims=True)

    return function


def _log_softmax(avals: Any, params: Any) -> Any:
    def function(x: Any) -> Any:
        shifted, _, others = _parts(x, params["axes"])
        return shifted - np.log1p(others)

    return function


def _exp_log_softmax(avals: Any, params: Any) -> Any:
    """Return the exponential of `log_softmax` from the exponentials that are there already.

    A row with +∞ in it, the only one with a sum of +∞, gives 0 for the finite numbers, and NaN for
    the infinite ones; a large number's exponential would be +∞ too.
    """

    def function(x: Any) -> Any:
        shifted, e, others = _parts(x, params["axes"])
        total = others + 1.0
        limit = np.where(np.equal(shifted, onp.inf), shifted - shifted, 0.0)
        return np.where(np.equal(total, onp.inf), limit, e * np.reciprocal(total))

    return function


def _parts(x: Any, axes: Any) -> tuple[Any, Any, Any]:
    """Return x without its maximum, its exponentials, and their sum without one at the maximum."""
    shifted = x - _peak(x, axes)
    e, first = np.exp(shifted), np.equal(shifted, 0.0)
    above = np.sum(np.where(first, 0.0, e), axis=axes, keepdims=True)
    ties = np.sum(np.astype(first, x.dtype), axis=axes, keepdims=True) - 1.0
    return shifted, e, above + ties


def _truth(name: str) -> Expansion:
    def rule(avals: Any, params: Any) -> Any:
        if avals[0].dtype == onp.dtype(bool):
            return None
        return lambda x: getattr(np, name)(np.not_equal(x, 0), axis=params["axes"])

    return rule


def _count_nonzero(avals: Any, params: Any) -> Any:
    return lambda x: np.sum(np.astype(np.not_equal(x, 0), onp.intp), axis=params.get("axes"))


def _einsum(avals: Any, params: Any) -> Any:
    """Return a product over two operands as transpositions around one matrix product."""
    operands, out = params["spec"].split("->")
    left, right = operands.split(",")
    sizes: dict[str, int] = {}
    for term, aval in zip((left, right), avals, strict=True):
        if len(set(term)) != len(term):
            return None
        for letter, n in zip(term, aval.shape, strict=True):
            if sizes.setdefault(letter, n) != n:
                return None  # a length of one that is broadcast
    if set(out) - set(left) - set(right):
        return None
    batch = [c for c in out if c in left and c in right]
    rows = [c for c in left if c in out and c not in right]
    columns = [c for c in right if c in out and c not in left]
    inner = [c for c in left if c in right and c not in out]
    alone = [c for c in left + right if c not in out and (c in left) != (c in right)]
    dtype = onp.result_type(*[a.dtype for a in avals])

    def size(letters: Sequence[str]) -> int:
        total = 1
        for c in letters:
            total *= sizes[c]
        return total

    def arranged(x: Any, term: str, first: Sequence[str], second: Sequence[str]) -> Any:
        gone = tuple([k for k, c in enumerate(term) if c in alone])
        if gone:
            x, term = np.sum(x, axis=gone), "".join([c for c in term if c not in alone])
        x = np.transpose(x, [term.index(c) for c in (*batch, *first, *second)])
        return np.reshape(x, (*[sizes[c] for c in batch], size(first), size(second)))

    def function(a: Any, b: Any) -> Any:
        a, b = engine.astype(a, dtype), engine.astype(b, dtype)
        product = np.matmul(arranged(a, left, rows, inner), arranged(b, right, inner, columns))
        order = [*batch, *rows, *columns]
        product = np.reshape(product, [sizes[c] for c in order])
        return np.transpose(product, [order.index(c) for c in out])

    return function


def _philox(counter: Sequence[Any], key: Any) -> list[Any]:
    """Return the four words that `backlit.random` draws for counters under a key."""
    words = philox_words(
        counter,
        [np.astype(key[k], onp.uint64) for k in (0, 1)],
        lambda x: x // onp.uint64(2**32),  # the graph has no shift
    )
    return [np.astype(word, onp.uint32) for word in words]


def _random_bits(avals: Any, params: Any) -> Any:
    shape = params["shape"]
    count = AbstractValue(shape, onp.dtype(onp.uint32)).size
    blocks = -(-count // 4)
    if not count:
        return None
    index = onp.arange(blocks, dtype=onp.uint64)
    zero = onp.zeros(blocks, onp.uint64)

    def function(key: Any) -> Any:
        low, high = index & onp.uint64(0xFFFFFFFF), index >> onp.uint64(32)
        words = _philox((low, high, zero, zero), key)
        return np.reshape(np.reshape(np.stack(words, axis=1), -1)[:count], shape)

    return function


def _random_fold_in(avals: Any, params: Any) -> Any:
    def function(key: Any, data: Any) -> Any:
        number = np.astype(data, onp.uint64)
        low = number & onp.uint64(0xFFFFFFFF)
        counter = (low, number // onp.uint64(2**32), onp.uint64(0), onp.uint64(1))
        return np.stack(_philox(counter, key)[:2])

    return function


_RULES: dict[str, Expansion] = {
    "logsumexp": _logsumexp,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "all": _truth("all"),
    "any": _truth("any"),
    "count_nonzero": _count_nonzero,
    "einsum": _einsum,
    "random_bits": _random_bits,
    "random_fold_in": _random_fold_in,
}
