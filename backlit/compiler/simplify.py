"""Rewriting a graph: algebra that costs nothing, stable forms, and everything computed only once.

Rules look at one equation and at what made its operands. Most keep every bit. Those marked stable
give a better number than the program asked for: they may turn an infinity or NaN that came from
overflow on the way into the finite result (docs/conventions.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as onp

from backlit.compiler import leftovers, stable
from backlit.compiler.algebra import NOTES
from backlit.compiler.rewriting import Context, Rewrite, Rule, Unlike, is_number
from backlit.core.aval import AbstractValue
from backlit.core.graph import Atom, Equation, Graph, Literal, Provenance, Var
from backlit.core.primitive import registry


def simplify(graph: Graph, composites: bool = True) -> tuple[Graph, list[Rewrite]]:
    """Rewrite a graph.

    Parameters
    ----------
    graph : Graph
    composites : bool
        Whether operations may be put together to softmax and logsumexp; False where these have
        just been written out.

    Returns
    -------
    graph : Graph
        With equal results, within rounding where a stable form was taken.
    rewrites : list of Rewrite
        What was done, in order.
    """
    rules, notes = (_RULES, NOTES) if composites else (_LAST_RULES, _LAST_NOTES)
    context = Context(notes)
    names: dict[Atom, Atom] = {}
    rewrites: list[Rewrite] = []
    places: list[int] = []
    for equation in graph.equations:
        inputs = tuple([names.get(a, a) for a in equation.inputs])
        if equation.primitive.name in _BROADCASTING:
            inputs = leftovers.numbers(inputs, equation.outputs[0].aval.shape)
        origin = _placed(equation.provenance, places)
        moved = equation
        if inputs != equation.inputs or origin is not equation.provenance:
            moved = Equation(
                equation.primitive,
                inputs,
                equation.params,
                equation.outputs,
                equation.source,
                origin,
            )
        context.template = moved
        for label, rule in rules.get(equation.primitive.name, ()):
            try:
                found = rule(context, moved)
            except Unlike:
                found = None
            if found is not None and _alike(found.aval, moved.outputs[0].aval):
                rewrites.append(Rewrite(label, equation))
                names[equation.outputs[0]] = found
                places.append(-1)
                break
        else:
            place = len(context.equations)
            made = context.emit(moved)
            places.append(place if made is moved.outputs else -1)
            if made is not moved.outputs:
                rewrites.append(Rewrite("the same value again → computed once", equation))
                names.update(zip(equation.outputs, made, strict=True))
    outputs = tuple([names.get(a, a) for a in graph.outputs])
    rewritten = Graph(graph.inputs, tuple(context.equations), outputs, (), graph.name).pruned()
    return (rewritten if composites else _turned(rewritten, rewrites)), rewrites


def _placed(origin: Provenance | None, places: list[int]) -> Provenance | None:
    """Return where an equation came from, by the place that its origin has now, -1 if none."""
    if origin is None or origin.equation < 0:
        return origin
    place = places[origin.equation]
    if place == origin.equation:
        return origin
    return Provenance(origin.rule, place, origin.slot, origin.role, origin.primitive)


def _turned(graph: Graph, rewrites: list[Rewrite]) -> Graph:
    """Compute (A B)ᵀ as Bᵀ Aᵀ where A B itself is not needed: transposes of operands cost nothing.

    How often a value is used is known when everything else is done, so this comes last.
    """
    turns = {e for e in graph.equations if e.primitive.name == "transpose" and _swaps(e)}
    if not turns:
        return graph
    uses = Counter([a for e in graph.equations for a in e.inputs if isinstance(a, Var)])
    uses.update([a for a in graph.outputs if isinstance(a, Var)])
    # An operand of a product may be transposed as it is.
    elsewhere = {a for e in graph.equations if e.primitive.name != "matmul" for a in e.inputs}
    elsewhere.update(graph.outputs)
    context = Context({})
    names: dict[Atom, Atom] = {}
    places: list[int] = []
    for equation in graph.equations:
        inputs = tuple([names.get(a, a) for a in equation.inputs])
        origin = _placed(equation.provenance, places)
        moved = context.template = replace(equation, inputs=inputs, provenance=origin)
        made = context.maker(inputs[0], "matmul") if equation in turns else None
        if (
            made is not None
            and uses[made.outputs[0]] == 1
            and equation.outputs[0] in elsewhere
            and min(a.aval.ndim for a in made.inputs) > 1
        ):
            a, b = [_swapped(context, x) for x in made.inputs]
            moved = replace(moved, primitive=made.primitive, inputs=(b, a), params=made.params)
            rewrites.append(Rewrite("(A B)ᵀ → Bᵀ Aᵀ", equation))
        places.append(len(context.equations))
        names.update(zip(equation.outputs, context.emit(moved), strict=True))
    outputs = tuple([names.get(a, a) for a in graph.outputs])
    return Graph(graph.inputs, tuple(context.equations), outputs, (), graph.name).pruned()


def _swaps(e: Equation) -> bool:
    """Tell whether a transpose exchanges the last two axes and nothing else."""
    axes, n = e.params["axes"], len(e.params["axes"])
    return n > 1 and axes == (*range(n - 2), n - 1, n - 2)


def _swapped(context: Context, x: Atom) -> Atom:
    """Return a matrix, or a stack of them, transposed."""
    made = context.maker(x, "transpose")
    if made is not None and _swaps(made):
        return made.inputs[0]
    n = x.aval.ndim
    return context.build("transpose", x, axes=(*range(n - 2), n - 1, n - 2))


def _alike(a: AbstractValue, b: AbstractValue) -> bool:
    return (a.shape, a.dtype, a.weak) == (b.shape, b.dtype, b.weak)


# --- rules ------------------------------------------------------------------------------------


def _times_one(context: Context, e: Equation) -> Atom | None:
    a, b = e.inputs
    return a if is_number(b, 1) else b if is_number(a, 1) else None


def _times_minus_one(context: Context, e: Equation) -> Atom | None:
    a, b = e.inputs
    if not (is_number(b, -1) or is_number(a, -1)):
        return None
    factor = a if is_number(b, -1) else b
    if factor.aval.dtype.kind in "bu":  # NumPy negates no booleans, and refuses −1 for the others
        return None
    return context.apply("negative", factor)


def _over_one(context: Context, e: Equation) -> Atom | None:
    return e.inputs[0] if is_number(e.inputs[1], 1) else None


def _minus_zero(context: Context, e: Equation) -> Atom | None:
    zero = e.inputs[1]
    if (
        not isinstance(zero, Literal)
        or not is_number(zero, 0)
        or str(onp.ravel(zero.value)[0])[0] == "-"
    ):
        return None
    return e.inputs[0]


def _twice_negative(context: Context, e: Equation) -> Atom | None:
    inner = context.maker(e.inputs[0], "negative")
    return inner.inputs[0] if inner is not None else None


def _negative_multiple(context: Context, e: Equation) -> Atom | None:
    made = context.maker(e.inputs[0], "multiply")
    if made is None or e.outputs[0].aval.dtype.kind != "f":
        return None
    c, x = made.inputs
    if not isinstance(c, Literal) or type(c.value) is not float:
        return None
    return context.apply("multiply", Literal(-c.value), x)


def _of_constant(context: Context, e: Equation) -> Atom | None:
    """Compute what depends on nothing: other rewrites leave it behind."""
    (x,) = e.inputs
    if not isinstance(x, Literal):
        return None
    return Literal(onp.asarray(e.primitive.impl(x.value, **e.params)))


def _plus_negative(context: Context, e: Equation) -> Atom | None:
    inner = context.maker(e.inputs[1], "negative")
    if inner is None:
        return None
    given = e.inputs[1].aval.dtype
    if given.kind != "f" and given != e.outputs[0].aval.dtype:  # negated, it wraps as its own type
        return None
    return context.apply("subtract", e.inputs[0], inner.inputs[0])


def _square_root(context: Context, e: Equation) -> Atom | None:
    """Return √x for x^½, which it is in NumPy for an exponent that is one number."""
    x, exponent = e.inputs
    dtype = e.outputs[0].aval.dtype
    if not is_number(exponent, 0.5) or x.aval.dtype.kind != "f":
        return None
    if x.aval.dtype != dtype:
        x = context.build("astype", x, dtype=dtype)
    return context.apply("sqrt", x)


def _nothing_to_do(context: Context, e: Equation) -> Atom | None:
    return e.inputs[0]


def _same_type(context: Context, e: Equation) -> Atom | None:
    return e.inputs[0] if e.inputs[0].aval.dtype == e.params["dtype"] else None


def _same_shape(context: Context, e: Equation) -> Atom | None:
    return e.inputs[0] if e.inputs[0].aval.shape == e.outputs[0].aval.shape else None


def _reshaped_twice(context: Context, e: Equation) -> Atom | None:
    inner = context.maker(e.inputs[0], "reshape")
    if inner is None:
        return None
    return context.apply("reshape", inner.inputs[0], shape=e.params["shape"])


def _transposed_twice(context: Context, e: Equation) -> Atom | None:
    inner = context.maker(e.inputs[0], "transpose")
    if inner is None:
        return None
    axes = tuple([inner.params["axes"][k] for k in e.params["axes"]])
    if axes == tuple(range(len(axes))):
        return inner.inputs[0]
    return context.apply("transpose", inner.inputs[0], axes=axes)


def _not_transposed(context: Context, e: Equation) -> Atom | None:
    axes = e.params["axes"]
    return e.inputs[0] if axes == tuple(range(len(axes))) else None


# Operations that treat every element alike, whatever the operands are broadcast from.
_BROADCASTING = frozenset(
    {name for name, p in registry.items() if p.family == "elementwise" and len(p.partials) > 1}
    | {"where", "greater", "greater_equal", "less", "less_equal", "equal", "not_equal"}
    | {"logical_and", "logical_or", "logical_xor"}
)
_CONSTANT = ("of a constant → a constant", _of_constant)
_LOGSUMEXP = ("stable: log Σ eˣ → logsumexp(x)", stable.log_of_sum_of_exps)
_TARGET = (
    "stable: c ((1 − y) / (1 − a) − y / a) a (1 − a) → c (a − y), a = σ(x)",
    stable.differs_from_target,
)
_CANCELS = ("stable: positive factors that cancel → nothing", stable.cancels)
_RULES: dict[str, Sequence[tuple[str, Rule]]] = {
    "multiply": (
        ("x · 1 → x", _times_one),
        ("x · (−1) → −x", _times_minus_one),
        _TARGET,
        _CANCELS,
    ),
    "divide": (
        ("x / 1 → x", _over_one),
        ("stable: 1 / (1 + e⁻ˣ) → σ(x)", stable.quotient_is("sigmoid")),
        ("stable: eˣ / Σ eˣ → softmax(x)", stable.quotient_is("softmax")),
        _TARGET,
        _CANCELS,
    ),
    "reciprocal": (("stable: 1 / (1 + e⁻ˣ) → σ(x)", stable.quotient_is("sigmoid")), _CANCELS),
    "integer_power": (("stable: 1 / (1 + e⁻ˣ) → σ(x)", stable.quotient_is("sigmoid")), _CANCELS),
    "subtract": (
        ("x − 0 → x", _minus_zero),
        ("stable: eˣ − 1 → expm1(x)", stable.exp_minus_one),
        ("stable: 1 − σ(x) → σ(−x)", stable.one_minus_sigmoid),
        _TARGET,
        _CANCELS,
    ),
    "negative": (("−(−x) → x", _twice_negative), ("−(c · x) → (−c) · x", _negative_multiple)),
    "power": (("x^½ → √x", _square_root),),
    "where": (("a choice by a constant → what it takes", leftovers.chosen),),
    "sum": (_CONSTANT,),
    "add": (_TARGET, _CANCELS, ("x + (−y) → x − y", _plus_negative)),
    "positive": (("+x → x", _nothing_to_do),),
    "stop_gradient": (("stop_gradient(x) → x", _nothing_to_do),),
    "astype": (("a conversion to the same type → nothing", _same_type),),
    "broadcast_to": (("a broadcast to the same shape → nothing", _same_shape),),
    "reshape": (
        _CONSTANT,
        ("a reshape to the same shape → nothing", _same_shape),
        ("a reshape of a reshape → one reshape", _reshaped_twice),
    ),
    "transpose": (
        ("a transpose that moves nothing → nothing", _not_transposed),
        ("a transpose of a transpose → one or none", _transposed_twice),
    ),
    "log": (
        ("stable: log σ(x) → log_sigmoid(x)", stable.log_of("sigmoid", "log_sigmoid")),
        ("stable: log softmax(x) → log_softmax(x)", stable.log_of("softmax", "log_softmax")),
        (
            "stable: log σ(x)[i] → log_sigmoid(x)[i]",
            stable.log_of_picked("sigmoid", "log_sigmoid"),
        ),
        (
            "stable: log softmax(x)[i] → log_softmax(x)[i]",
            stable.log_of_picked("softmax", "log_softmax"),
        ),
        ("stable: log eˣ → x", stable.log_of_exp),
        ("stable: log(1 + eˣ) → softplus(x)", stable.log_of_one_plus_exp),
        ("stable: log(eˣ + eʸ) → logaddexp(x, y)", stable.log_of_two_exps),
        _LOGSUMEXP,
        ("stable: log(1 + x) → log1p(x)", stable.log_of_one_plus),
    ),
    "log1p": (("stable: log(1 + eˣ) → softplus(x)", stable.log_of("exp", "softplus")),),
}
_PRODUCTS = (
    ("σ(x) · σ(−x) → a (1 − a) in the derivative of a = σ(x)", leftovers.derivative_of_sigmoid),
    ("0 · ∞ → 0, told by the product", leftovers.guarded),
)
_LAST_RULES = {
    **_RULES,
    "log": tuple([rule for rule in _RULES["log"] if rule is not _LOGSUMEXP]),
    "greater": (("x > 0 → relu(x) > 0, which is kept anyway", leftovers.mask_of_relu),),
    "multiply": (*_PRODUCTS, *_RULES["multiply"]),
}
_LAST_NOTES = {name: note for name, note in NOTES.items() if name != "sum"}
