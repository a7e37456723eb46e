"""Rewriting a graph: algebra that costs nothing, stable forms, and everything computed only once.

Rules look at one equation and at what made its operands. Most keep every bit. Those marked stable
give a better number than the program asked for: they may turn an infinity or NaN that came from
overflow on the way into the finite result (docs/conventions.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as onp

from backlit.core.aval import AbstractValue
from backlit.core.graph import Atom, Equation, Graph, Literal, Var
from backlit.core.primitive import registry


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One application of a rule.

    Attributes
    ----------
    rule : str
        What became what.
    equation : Equation
        What it was applied to.
    """

    rule: str
    equation: Equation


class _Context:
    """What a rule may ask, and how it says what it wants instead."""

    def __init__(self) -> None:
        self.makers: dict[Var, Equation] = {}
        self.equations: list[Equation] = []
        self.known: dict[Any, tuple[Var, ...]] = {}
        self.template: Equation | None = None

    def maker(self, atom: Atom, *names: str) -> Equation | None:
        """Return what made a value, if it is one of some operations."""
        found = self.makers.get(atom) if isinstance(atom, Var) else None
        return found if found is not None and found.primitive.name in names else None

    def emit(self, equation: Equation) -> tuple[Atom, ...]:
        """Add an equation, or find the values that an equal one computed before."""
        key = _key(equation)
        found = self.known.get(key) if key is not None else None
        if found is not None:
            return found
        self.equations.append(equation)
        for var in equation.outputs:
            self.makers[var] = equation
        if key is not None:
            self.known[key] = equation.outputs
        return equation.outputs

    def apply(self, name: str, *inputs: Atom, **params: Any) -> Atom:
        """Add an operation in place of the equation that is being rewritten."""
        assert self.template is not None
        old = self.template.outputs[0].aval
        primitive = registry[name]
        aval = primitive.abstract(*[a.aval for a in inputs], **params)
        out = Var(AbstractValue(aval.shape, aval.dtype))
        source, origin = self.template.source, self.template.provenance
        made = self.emit(Equation(primitive, tuple(inputs), params, (out,), source, origin))[0]
        if (made.aval.shape, made.aval.dtype) != (old.shape, old.dtype):
            raise _Unlike
        return made


class _Unlike(Exception):
    """A rewrite would change shape or type: it is not done."""


Rule = Callable[[_Context, Equation], "Atom | None"]


def simplify(graph: Graph) -> tuple[Graph, list[Rewrite]]:
    """Rewrite a graph.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    graph : Graph
        With equal results, within rounding where a stable form was taken.
    rewrites : list of Rewrite
        What was done, in order.
    """
    context = _Context()
    names: dict[Atom, Atom] = {}
    rewrites: list[Rewrite] = []
    for equation in graph.equations:
        inputs = tuple([names.get(a, a) for a in equation.inputs])
        moved = equation if inputs == equation.inputs else replace(equation, inputs=inputs)
        for label, rule in _RULES.get(equation.primitive.name, ()):
            context.template = moved
            try:
                found = rule(context, moved)
            except _Unlike:
                found = None
            if found is not None and _alike(found.aval, moved.outputs[0].aval):
                rewrites.append(Rewrite(label, equation))
                names[equation.outputs[0]] = found
                break
        else:
            made = context.emit(moved)
            if made is not moved.outputs:
                rewrites.append(Rewrite("the same value again → computed once", equation))
                names.update(zip(equation.outputs, made, strict=True))
    outputs = tuple([names.get(a, a) for a in graph.outputs])
    rewritten = Graph(graph.inputs, tuple(context.equations), outputs, (), graph.name)
    return rewritten.pruned(), rewrites


def _alike(a: AbstractValue, b: AbstractValue) -> bool:
    return (a.shape, a.dtype, a.weak) == (b.shape, b.dtype, b.weak)


def _key(equation: Equation) -> Any:
    """Return what two equations share if they compute the same, None if that cannot be said."""
    operands: list[Any] = []
    for atom in equation.inputs:
        if isinstance(atom, Var):
            operands.append(atom)
        elif onp.size(atom.value) == 1:
            value = onp.asarray(atom.value)
            kind = type(atom.value).__name__
            operands.append((kind, value.shape, value.dtype.str, value.tobytes()))
        else:
            operands.append(id(atom.value))
    try:
        key = (equation.primitive.name, tuple(operands), tuple(sorted(equation.params.items())))
        hash(key)
    except TypeError:
        return None
    return key


# --- rules ------------------------------------------------------------------------------------


def _is(atom: Atom, value: float) -> bool:
    """Tell whether an operand is a number."""
    return isinstance(atom, Literal) and onp.size(atom.value) == 1 and bool(atom.value == value)


def _times_one(context: _Context, e: Equation) -> Atom | None:
    a, b = e.inputs
    return a if _is(b, 1) else b if _is(a, 1) else None


def _times_minus_one(context: _Context, e: Equation) -> Atom | None:
    a, b = e.inputs
    if _is(b, -1) or _is(a, -1):
        return context.apply("negative", a if _is(b, -1) else b)
    return None


def _over_one(context: _Context, e: Equation) -> Atom | None:
    return e.inputs[0] if _is(e.inputs[1], 1) else None


def _minus_zero(context: _Context, e: Equation) -> Atom | None:
    zero = e.inputs[1]
    if not isinstance(zero, Literal) or not _is(zero, 0) or str(onp.ravel(zero.value)[0])[0] == "-":
        return None
    return e.inputs[0]


def _twice_negative(context: _Context, e: Equation) -> Atom | None:
    inner = context.maker(e.inputs[0], "negative")
    return inner.inputs[0] if inner is not None else None


def _plus_negative(context: _Context, e: Equation) -> Atom | None:
    inner = context.maker(e.inputs[1], "negative")
    return context.apply("subtract", e.inputs[0], inner.inputs[0]) if inner is not None else None


def _nothing_to_do(context: _Context, e: Equation) -> Atom | None:
    return e.inputs[0]


def _same_type(context: _Context, e: Equation) -> Atom | None:
    return e.inputs[0] if e.inputs[0].aval.dtype == e.params["dtype"] else None


def _same_shape(context: _Context, e: Equation) -> Atom | None:
    return e.inputs[0] if e.inputs[0].aval.shape == e.outputs[0].aval.shape else None


def _reshaped_twice(context: _Context, e: Equation) -> Atom | None:
    inner = context.maker(e.inputs[0], "reshape")
    if inner is None:
        return None
    return context.apply("reshape", inner.inputs[0], shape=e.params["shape"])


def _transposed_twice(context: _Context, e: Equation) -> Atom | None:
    inner = context.maker(e.inputs[0], "transpose")
    if inner is None:
        return None
    axes = tuple([inner.params["axes"][k] for k in e.params["axes"]])
    if axes == tuple(range(len(axes))):
        return inner.inputs[0]
    return context.apply("transpose", inner.inputs[0], axes=axes)


def _not_transposed(context: _Context, e: Equation) -> Atom | None:
    axes = e.params["axes"]
    return e.inputs[0] if axes == tuple(range(len(axes))) else None


def _log_of(inner: str, outer: str) -> Rule:
    def rule(context: _Context, e: Equation) -> Atom | None:
        made = context.maker(e.inputs[0], inner)
        return context.apply(outer, *made.inputs, **made.params) if made is not None else None

    return rule


def _log_of_one_plus(context: _Context, e: Equation) -> Atom | None:
    made = context.maker(e.inputs[0], "add")
    if made is None:
        return None
    a, b = made.inputs
    if _is(a, 1) or _is(b, 1):
        return context.apply("log1p", b if _is(a, 1) else a)
    return None


def _exp_minus_one(context: _Context, e: Equation) -> Atom | None:
    made = context.maker(e.inputs[0], "exp")
    if made is None or not _is(e.inputs[1], 1):
        return None
    return context.apply("expm1", made.inputs[0])


def _one_minus_sigmoid(context: _Context, e: Equation) -> Atom | None:
    made = context.maker(e.inputs[1], "sigmoid")
    if made is None or not _is(e.inputs[0], 1):
        return None
    return context.apply("sigmoid", context.apply("negative", made.inputs[0]))


_RULES: dict[str, Sequence[tuple[str, Rule]]] = {
    "multiply": (("x · 1 → x", _times_one), ("x · (−1) → −x", _times_minus_one)),
    "divide": (("x / 1 → x", _over_one),),
    "subtract": (
        ("x − 0 → x", _minus_zero),
        ("stable: eˣ − 1 → expm1(x)", _exp_minus_one),
        ("stable: 1 − σ(x) → σ(−x)", _one_minus_sigmoid),
    ),
    "negative": (("−(−x) → x", _twice_negative),),
    "add": (("x + (−y) → x − y", _plus_negative),),
    "positive": (("+x → x", _nothing_to_do),),
    "stop_gradient": (("stop_gradient(x) → x", _nothing_to_do),),
    "astype": (("a conversion to the same type → nothing", _same_type),),
    "broadcast_to": (("a broadcast to the same shape → nothing", _same_shape),),
    "reshape": (
        ("a reshape to the same shape → nothing", _same_shape),
        ("a reshape of a reshape → one reshape", _reshaped_twice),
    ),
    "transpose": (
        ("a transpose that moves nothing → nothing", _not_transposed),
        ("a transpose of a transpose → one or none", _transposed_twice),
    ),
    "log": (
        ("stable: log σ(x) → log_sigmoid(x)", _log_of("sigmoid", "log_sigmoid")),
        ("stable: log softmax(x) → log_softmax(x)", _log_of("softmax", "log_softmax")),
        ("stable: log(1 + x) → log1p(x)", _log_of_one_plus),
    ),
}
