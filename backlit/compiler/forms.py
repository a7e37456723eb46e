"""Sums of products with powers: arithmetic on them, and writing them as equations."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as onp

from backlit.compiler.rewriting import Context, Form, Term
from backlit.core.aval import AbstractValue
from backlit.core.graph import Atom, Literal, Var

_MOST_TERMS = 8
MOST_FACTORS = 8


def constant(value: Any) -> Any:
    """Return a constant as a float if all its elements are equal, None if one is not finite."""
    if isinstance(value, (float, int)):
        return float(value) if math.isfinite(value) else None
    array = onp.asarray(value, onp.float64)
    if not array.size or not onp.isfinite(array).all():
        return None
    first = array.flat[0]
    return float(first) if (array == first).all() else array


def related(context: Context, powers: dict[Var, int]) -> dict[Var, int]:
    """Return the same product in terms of what is known by now."""
    found: dict[Var, int] = {}
    for var, n in powers.items():
        for base, m in context.facts.relations.get(var, {var: 1}).items():
            found[base] = found.get(base, 0) + n * m
    return {var: n for var, n in found.items() if n}


def times(a: Term, b: Term) -> Term:
    """Return the product of two products."""
    powers = dict(a.powers)
    for var, n in b.powers.items():
        if total := powers.get(var, 0) + n:
            powers[var] = total
        else:
            del powers[var]
    left, right = a.coefficient, b.coefficient
    if type(left) is float and type(right) is float:
        return Term(left * right, powers)
    with onp.errstate(all="ignore"):
        return Term(left * right, powers)


def collected(context: Context, terms: Iterable[Term]) -> Form:
    """Add up the coefficients of like products, and leave out what is 0 for every real argument."""
    found: dict[frozenset[tuple[Var, int]], Term] = {}
    for term in terms:
        key = frozenset(term.powers.items())
        other = found.get(key)
        if other is not None:
            with onp.errstate(all="ignore"):
                total = other.coefficient + term.coefficient
            term = Term(total if isinstance(total, float) else _plain(total), term.powers)
        found[key] = term
    return tuple([t for t in found.values() if not _vanishes(context, t)])


def _plain(value: Any) -> Any:
    found = constant(value)
    return value if found is None else found


def _vanishes(context: Context, term: Term) -> bool:
    """Tell whether a product is 0 times what is finite for every real argument."""
    zero = isinstance(term.coefficient, float) and not term.coefficient
    return zero and context.facts.positive.issuperset(term.powers)


def complemented(context: Context, form: Form) -> Form:
    """Replace R − R σ(x) by R σ(−x), as often as that is found."""
    for term in form:
        for up in term.powers:
            made = context.maker(up, "sigmoid")
            if made is None or made.inputs[0].aval.dtype.kind != "f":  # whole numbers wrap
                continue
            rest = times(term, Term(-1.0, {up: -1}))
            one = [t for t in form if _equal(t, rest)]
            if one:
                down = context.build("sigmoid", negated(context, made.inputs[0]))
                context.facts.positive.add(down)
                others = [t for t in form if t is not one[0] and t is not term]
                found = times(rest, Term(1.0, {down: 1}))
                return complemented(context, collected(context, [found, *others]))
    return form


def _equal(a: Term, b: Term) -> bool:
    return a.powers == b.powers and onp.array_equal(a.coefficient, b.coefficient)


def negated(context: Context, x: Atom) -> Atom:
    """Return −x, or z for x = −z."""
    made = context.maker(x, "negative")
    return made.inputs[0] if made is not None else context.build("negative", x)


def inverse(context: Context, form: Form) -> Form | None:
    """Return 1/form, if it is one product of positive factors and a number."""
    if len(form) != 1:
        return None
    (term,) = form
    plain = isinstance(term.coefficient, float) and term.coefficient != 0.0
    if not plain or not context.facts.positive.issuperset(term.powers):
        return None
    return (Term(1.0 / term.coefficient, {var: -n for var, n in term.powers.items()}),)


def is_small(form: Form) -> bool:
    """Tell whether a form is short enough to be followed further."""
    return len(form) <= _MOST_TERMS and all(
        sum(map(abs, t.powers.values())) <= MOST_FACTORS for t in form
    )


def divisions(form: Form) -> int:
    """Count the divisions of a form."""
    return sum([-n for term in form for n in term.powers.values() if n < 0])


def bare(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without leading axes of length one, which broadcasting adds by itself."""
    return next((shape[k:] for k, n in enumerate(shape) if n != 1), ())


def reshaped(context: Context, var: Var, shape: tuple[int, ...]) -> Var:
    """Return a value in another shape, or as it is if it is broadcast to that."""
    old = var.aval.shape
    if len(old) <= len(shape) and bare(old) in ((), bare(shape)):
        return var
    made = context.maker(var, "reshape")
    if made is not None and made.inputs[0].aval.shape == shape:
        assert isinstance(made.inputs[0], Var)
        return made.inputs[0]
    return context.build("reshape", var, shape=shape)


# --- a form as equations ----------------------------------------------------------------------


def written(context: Context, form: Form, aval: AbstractValue) -> Atom | None:
    """Return a value computed from a form, or None if that would be of another type."""
    largest = onp.finfo(aval.dtype).max
    if not all((onp.abs(t.coefficient) <= largest).all() for t in form):
        return None
    common = {} if len(form) < 2 else _common(form)
    parts = [times(t, Term(1.0, {v: -n for v, n in common.items()})) for t in form]
    # A sum begins with something that is not subtracted, if there is such a term.
    parts.sort(key=lambda t: isinstance(t.coefficient, float) and t.coefficient < 0.0)
    scale = abs(parts[0].coefficient) if parts and isinstance(parts[0].coefficient, float) else 1.0
    alike = all(isinstance(t.coefficient, float) and abs(t.coefficient) == scale for t in parts)
    scale = scale if alike and len(parts) > 1 else 1.0
    total: Atom | None = None
    for part in parts:
        value = part.coefficient / scale
        minus = isinstance(value, float) and value < 0.0
        if total is None:
            total = _factors(context, Term(value, part.powers), aval)
        else:
            piece = _factors(context, Term(-value if minus else value, part.powers), aval)
            total = context.build("subtract" if minus else "add", total, piece)
    if total is None:
        total = Literal(0.0)
    if common or scale != 1.0:
        shared = _factors(context, Term(scale, common), aval)
        total = context.build("multiply", shared, total)
    return _fitted(context, total, aval)


def _common(form: Form) -> dict[Var, int]:
    """Return the powers that all products of a sum contain."""
    first, *others = form
    found = {v: min([n, *[t.powers.get(v, 0) for t in others]]) for v, n in first.powers.items()}
    return {v: n for v, n in found.items() if n > 0}


def _factors(context: Context, term: Term, aval: AbstractValue) -> Atom:
    """Return one product: positive factors first, then others, then constants."""
    above: Atom | None = None
    below: Atom | None = None
    for var in sorted(term.powers, key=lambda v: v not in context.facts.positive):
        n = term.powers[var]
        for _ in range(abs(n)):
            if n > 0:
                above = var if above is None else context.build("multiply", above, var)
            else:
                below = var if below is None else context.build("multiply", below, var)
    value = term.coefficient
    plain = isinstance(value, float)
    literal = Literal(value if plain else value.astype(aval.dtype))
    if above is None:
        above = literal
    elif plain and value == -1.0:
        above = context.build("negative", above)
    elif not plain or value != 1.0:
        above = context.build("multiply", literal, above)
    return above if below is None else context.build("divide", above, below)


def _fitted(context: Context, atom: Atom, aval: AbstractValue) -> Atom | None:
    """Return a value in the shape of what it stands for."""
    if isinstance(atom, Literal):
        return Literal(onp.full(aval.shape, atom.value, aval.dtype))
    if atom.aval.dtype != aval.dtype or atom.aval.ndim > aval.ndim:
        return None
    if atom.aval.shape != aval.shape:
        return context.build("broadcast_to", atom, shape=aval.shape)
    return atom
