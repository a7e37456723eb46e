"""Stable rules: the functions made for what a program writes as an overflowing expression."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as onp

from backlit.compiler.algebra import better, same_type
from backlit.compiler.arguments import gone, unshifted
from backlit.compiler.forms import collected, constant, times, written
from backlit.compiler.rewriting import Context, Form, Rule, Term, is_number
from backlit.core.graph import Atom, Equation, Literal, Var

_DEEPEST = 3


# --- functions of exponentials ----------------------------------------------------------------


def log_of(inner: str, outer: str) -> Rule:
    """Return the rule that makes one function of the logarithm of another."""

    def rule(context: Context, e: Equation) -> Atom | None:
        made = context.maker(e.inputs[0], inner)
        return context.apply(outer, *made.inputs, **made.params) if made is not None else None

    return rule


def log_of_picked(inner: str, outer: str) -> Rule:
    """Return the same rule for elements that were picked before the logarithm was taken."""

    def rule(context: Context, e: Equation) -> Atom | None:
        picked = context.maker(e.inputs[0], "getitem")
        made = context.maker(picked.inputs[0], inner) if picked is not None else None
        if picked is None or made is None:
            return None
        whole = context.build(outer, *made.inputs, **made.params)
        return context.apply("getitem", whole, *picked.inputs[1:], **picked.params)

    return rule


def log_of_exp(context: Context, e: Equation) -> Atom | None:
    """Return x for log eˣ."""
    made = context.maker(e.inputs[0], "exp")
    same = made is not None and made.inputs[0].aval.dtype == e.outputs[0].aval.dtype
    return made.inputs[0] if made is not None and same else None


def log_of_one_plus_exp(context: Context, e: Equation) -> Atom | None:
    """Return softplus(x) for log(1 + eˣ)."""
    made = context.maker(e.inputs[0], "add")
    if made is None:
        return None
    a, b = made.inputs
    power = context.maker(b if is_number(a, 1) else a, "exp")
    if power is None or not (is_number(a, 1) or is_number(b, 1)):
        return None
    return context.apply("softplus", power.inputs[0])


def log_of_two_exps(context: Context, e: Equation) -> Atom | None:
    """Return logaddexp(x, y) for log(eˣ + eʸ)."""
    made = context.maker(e.inputs[0], "add")
    powers = [context.maker(a, "exp") for a in made.inputs] if made is not None else []
    inputs = [p.inputs[0] for p in powers if p is not None]
    return context.apply("logaddexp", *inputs) if len(inputs) == 2 else None


def log_of_sum_of_exps(context: Context, e: Equation) -> Atom | None:
    """Return log Σ eˣ; not of what was already shifted by its largest element."""
    x = e.inputs[0]
    kept = context.maker(x, "reshape")
    total = context.maker(kept.inputs[0] if kept is not None else x, "sum")
    power = context.maker(total.inputs[0], "exp") if total is not None else None
    if total is None or power is None or total.params.get("axes") is None:
        return None
    axes, inside = total.params["axes"], power.inputs[0]
    if (
        total.outputs[0].aval.dtype != inside.aval.dtype
        or 0 in inside.aval.shape
        or unshifted(context, inside, axes) is not inside
    ):
        return None
    found = context.build("logsumexp", inside, axes=axes)
    if kept is None:
        return found
    return context.apply("reshape", found, shape=e.outputs[0].aval.shape)


def log_of_one_plus(context: Context, e: Equation) -> Atom | None:
    """Return log1p(x) for log(1 + x); a sum of whole numbers may have wrapped."""
    made = context.maker(e.inputs[0], "add")
    if made is None or made.outputs[0].aval.dtype.kind != "f":
        return None
    a, b = made.inputs
    if is_number(a, 1) or is_number(b, 1):
        return context.apply("log1p", b if is_number(a, 1) else a)
    return None


def exp_minus_one(context: Context, e: Equation) -> Atom | None:
    """Return expm1(x) for eˣ − 1."""
    made = context.maker(e.inputs[0], "exp")
    if made is None or not is_number(e.inputs[1], 1):
        return None
    return context.apply("expm1", made.inputs[0])


def one_minus_sigmoid(context: Context, e: Equation) -> Atom | None:
    """Return σ(−x) for 1 − σ(x)."""
    made = context.maker(e.inputs[1], "sigmoid")
    if made is None or not is_number(e.inputs[0], 1):
        return None
    if made.inputs[0].aval.dtype.kind != "f":  # whole numbers wrap where they are negated
        return None
    return context.apply("sigmoid", context.apply("negative", made.inputs[0]))


# --- quotients and products -------------------------------------------------------------------


def quotient_is(name: str) -> Rule:
    """Return the rule that finds a function in a quotient of exponentials.

    Parameters
    ----------
    name : {"sigmoid", "softmax"}

    Returns
    -------
    callable
    """

    def rule(context: Context, e: Equation) -> Atom | None:
        form = better(context, e)
        if form is None or len(form) != 1 or len(form[0].powers) != 1:
            return None
        ((var, n),) = form[0].powers.items()
        plain = n == 1 and isinstance(form[0].coefficient, float) and form[0].coefficient == 1.0
        return var if plain and context.maker(var, name) is not None else None

    return rule


def differs_from_target(context: Context, e: Equation) -> Atom | None:
    """Return c (σ(x) − y) for c ((1 − y) / (1 − a) − y / a) a (1 − a), where a = σ(x)."""
    form = better(context, e)
    if form is None or len(form) < 2:
        return None
    simpler, changed = _simplest(context, form)
    if not changed or gone(context, [form], simpler):
        return None
    found = written(context, simpler, e.outputs[0].aval)
    if isinstance(found, Var):
        context.facts.forms.setdefault(found, form)
    return found


def cancels(context: Context, e: Equation) -> Atom | None:
    """Return a product without those positive factors that it is also divided by."""
    form = better(context, e)
    found = written(context, form, e.outputs[0].aval) if form is not None else None
    if form is not None and isinstance(found, Var):
        context.facts.forms.setdefault(found, form)
    return found


# --- sums of a sigmoid and its complement -----------------------------------------------------


def _simplest(context: Context, form: Form) -> tuple[Form, bool]:
    """Replace A σ(x) + B σ(−x) by C (σ(x) − y), as often as that is found."""
    terms = form
    while True:
        pairs = [(a, b) for a in terms for b in terms if a is not b]
        # Where A = B nothing is left of the sigmoids: that first.
        for alike in (True, False):
            merged = next(_merged(context, terms, pairs, alike), None)
            if merged is not None:
                break
        if merged is None:
            return terms, terms is not form
        terms = merged


def _merged(
    context: Context, terms: Form, pairs: Sequence[tuple[Term, Term]], alike: bool
) -> Iterator[Form]:
    for a, b in pairs:
        same = onp.array_equal(a.coefficient, b.coefficient)
        found = _difference(context, a, b) if same == alike else None
        if found is not None:
            others = [t for t in terms if t is not a and t is not b]
            yield collected(context, [found, *others])


def _difference(context: Context, a: Term, b: Term) -> Term | None:
    """Return A R σ(x) + B R σ(−x) as one product, if it is one."""
    for up in a.powers:
        one = context.maker(up, "sigmoid")
        if one is None:
            continue
        for down in b.powers:
            other = context.maker(down, "sigmoid")
            minus = context.maker(other.inputs[0], "negative") if other is not None else None
            if minus is None or minus.inputs[0] is not one.inputs[0]:
                continue
            left = times(a, Term(1.0, {up: -1}))
            right = times(b, Term(1.0, {down: -1}))
            for _ in range(_DEEPEST):
                found = _target(context, up, down, left, right)
                if found is not None:
                    return found
                left, right = _opened(context, left), _opened(context, right)
    return None


def _target(context: Context, up: Var, down: Var, a: Term, b: Term) -> Term | None:
    """Return a · up + b · down, of which up + down = 1, as one product."""
    if a.powers == b.powers:
        total = _rounded(a.coefficient - b.coefficient, up.aval.dtype)
        if total is None:
            return None
        if not total:
            return b
        y = constant(b.coefficient / -total)
        if y is None:
            return None
        if isinstance(y, float) and y == 1.0:
            return times(Term(-total, a.powers), Term(1.0, {down: 1}))
        dtype = up.aval.dtype
        literal = Literal(y if isinstance(y, float) else y.astype(dtype))
        return times(Term(total, a.powers), Term(1.0, {_less(context, up, literal): 1}))
    if not onp.array_equal(a.coefficient, -b.coefficient):
        return None
    for one, two, kept, sign in ((a, b, up, 1.0), (b, a, down, 1.0)):
        lone = [v for v, n in one.powers.items() if two.powers.get(v) != n]
        rest = [v for v, n in two.powers.items() if one.powers.get(v) != n]
        if len(lone) == len(rest) == 1 and one.powers[lone[0]] == two.powers[rest[0]] == 1:
            made = context.maker(lone[0], "subtract")
            if made is not None and is_number(made.inputs[0], 1) and made.inputs[1] is rest[0]:
                shared = {v: n for v, n in one.powers.items() if v is not lone[0]}
                less = Term(sign, {_less(context, kept, rest[0]): 1})
                return times(Term(one.coefficient, shared), less)
    return None


def _less(context: Context, share: Var, y: Atom) -> Var:
    return context.build("subtract", share, y)


def _rounded(value: Any, dtype: onp.dtype[Any]) -> float | None:
    """Return the one number that all elements are within rounding, if there is one."""
    if isinstance(value, float):
        return value
    first = float(value.flat[0])
    near = onp.abs(value - first) <= 4 * onp.finfo(dtype).eps * abs(first)
    return first if near.all() else None


def _opened(context: Context, term: Term) -> Term:
    """Return a product with those of its factors written out that are products themselves."""
    found = Term(term.coefficient, {})
    for var, n in term.powers.items():
        made = context.maker(var, "multiply", "negative") if n == 1 else None
        parts = [Term(1.0, {var: n})]
        if made is not None and same_type(made):
            sign = -1.0 if made.primitive.name == "negative" else 1.0
            forms = [_plain(a) for a in made.inputs]
            if None not in forms:
                parts = [Term(sign, {}), *[f for f in forms if f is not None]]
        for part in parts:
            found = times(found, part)
    return found


def _plain(atom: Atom) -> Term | None:
    if isinstance(atom, Var):
        return Term(1.0, {atom: 1})
    value = constant(atom.value)
    return None if value is None else Term(value, {})
