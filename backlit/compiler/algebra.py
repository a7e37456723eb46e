"""Products of factors that are positive for every real argument, and what of them cancels.

σ(x), eˣ, 1 + eˣ, softmax(x) and Σ eˣ are positive for every real x, but not every number can hold
them: they become 0 or infinite, and a quotient of two of them NaN, where the value is an ordinary
number. So values that they take part in are followed as sums of products of powers (`Form`), in
which σ(x) and σ(−x) stand for all that belongs to a sigmoid and softmax(x) and Σ eˣ for all that
belongs to a softmax:

    1 + e⁻ˣ = 1/σ(x),  eˣ = σ(x)/σ(−x),  eˣ = softmax(x) · Σ eˣ.

Where divisions by such factors cancel, a product is written anew without them; everywhere else the
program stays what it was. Other factors never cancel: x/x is not 1 at 0. Nor do the last ones with
an argument, which may be NaN: eˣ/eˣ stays, though what is made of it may have a form in which x
takes part again. A form is of bounded size and found from those of the operands, so the time is
linear in the number of equations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as onp

from backlit.compiler.arguments import gone, missing, only_adds_axes, unshifted
from backlit.compiler.forms import (
    MOST_FACTORS,
    bare,
    collected,
    complemented,
    constant,
    divisions,
    inverse,
    is_small,
    negated,
    related,
    reshaped,
    times,
    written,
)
from backlit.compiler.rewriting import Context, Form, Lost, Note, Term, is_number
from backlit.core.graph import Atom, Equation, Literal, Var

_FLOATS = frozenset({onp.dtype(onp.float32), onp.dtype(onp.float64)})
_DEEPEST = 8


# --- forms ------------------------------------------------------------------------------------


def _form(context: Context, atom: Atom, depth: int = _DEEPEST) -> Form | None:
    """Return an operand as a sum of products, looking at what made it if that was not noted."""
    if isinstance(atom, Literal):
        value = constant(atom.value)
        return None if value is None else (Term(value, {}),)
    facts = context.facts
    form = facts.forms.get(atom)
    if form is None:
        made = context.makers.get(atom)
        look = _LOOKS.get(made.primitive.name) if made is not None and depth else None
        if look is not None and made is not None and same_type(made):
            form = look(context, made, depth - 1)
        form = facts.forms[atom] = (Term(1.0, {atom: 1}),) if form is None else form
    if facts.relations and any(not facts.relations.keys().isdisjoint(t.powers) for t in form):
        form = tuple([Term(t.coefficient, related(context, t.powers)) for t in form])
        facts.forms[atom] = form
    return form


@dataclass(frozen=True, slots=True)
class _Product:
    """What an equation is: the sum of products, and the divisions its operands were made of."""

    form: Form
    divisions: int

    @property
    def better(self) -> bool:
        """Whether divisions cancel: some of one product's, or all of a sum's."""
        left = divisions(self.form)
        return left < self.divisions and (len(self.form) == 1 or not left)


def _followed(context: Context, e: Equation, inputs: Sequence[Atom], found: _Product) -> _Product:
    """Note what the form of an equation no longer has of its operands."""
    facts = context.facts
    before = [facts.forms[a] for a in inputs if isinstance(a, Var) and a in facts.forms]
    lost = gone(context, before, found.form)
    already = [facts.lost[a].arguments for a in inputs if a in facts.lost]
    if already:
        lost |= missing(context, frozenset().union(*already), found.form)
    if lost:
        facts.lost[e.outputs[0]] = Lost(lost, found.divisions)
    return found


def _carried(context: Context, e: Equation, form: Form) -> None:
    """Note what the form of a value that is only moved or added up no longer has."""
    x, facts = e.inputs[0], context.facts
    assert isinstance(x, Var)
    lost = facts.lost.get(x)
    arguments = missing(context, lost.arguments, form) if lost is not None else frozenset()
    arguments |= gone(context, [facts.forms[x]], form)
    if arguments:
        facts.lost[e.outputs[0]] = Lost(arguments, _cost(context, x, facts.forms[x]))


def _cost(context: Context, atom: Atom, form: Form) -> int:
    """Return the divisions that an operand was made of."""
    lost = context.facts.lost.get(atom)
    return max(divisions(form), lost.divisions if lost is not None else 0)


def same_type(e: Equation) -> bool:
    """Tell whether an operation does not convert what it adds or multiplies to another float."""
    dtype = e.outputs[0].aval.dtype
    if dtype not in _FLOATS:
        return False
    avals = [atom.aval for atom in e.inputs]
    return all(a.dtype == dtype or a.weak or a.dtype.kind != "f" for a in avals)


def _product(context: Context, e: Equation) -> _Product | None:
    """Return what a product, quotient or power is, if one divides by a positive factor."""
    facts = context.facts
    if facts.last[0] is not e:
        if facts.divided.isdisjoint(e.inputs) and not _divides(context, e):
            return None
        combined = _added if e.primitive.name in ("add", "subtract") else _multiplied
        facts.last = (e, combined(context, e, _DEEPEST) if same_type(e) else None)
    found: _Product | None = facts.last[1]
    return found


def _divides(context: Context, e: Equation) -> bool:
    """Tell whether an equation divides by a product of positive factors."""
    name, x = e.primitive.name, e.inputs[-1]
    if name not in ("divide", "reciprocal", "integer_power") or isinstance(x, Literal):
        return False
    if name == "integer_power" and e.params["n"] >= 0:
        return False
    form = _form(context, x)
    return form is not None and inverse(context, form) is not None


def _multiplied(context: Context, e: Equation, depth: int) -> _Product | None:
    """Return what a product, quotient or power is, if its operands can be multiplied out."""
    inputs = _unguarded(context, e)
    operands = [_form(context, a, depth) for a in inputs]
    name, n = e.primitive.name, e.params.get("n", 1)
    if abs(n) > MOST_FACTORS:
        return None
    times_taken = 2 if name == "square" else abs(n)
    total = 0
    product: Form = (Term(-1.0 if name == "negative" else 1.0, {}),)
    for k, (atom, operand) in enumerate(list(zip(inputs, operands, strict=True)) * times_taken):
        if operand is None:
            return None
        count = _cost(context, atom, operand)
        if n < 0 or name == "reciprocal" or (name == "divide" and k == 1):
            operand = inverse(context, operand)
            if operand is None:
                return None
            count = max(count, divisions(operand))
        total += count
        product = collected(context, [times(a, b) for a in product for b in operand])
        if not is_small(product):
            return None
    return _followed(context, e, inputs, _Product(product, total))


def _added(context: Context, e: Equation, depth: int) -> _Product | None:
    """Return what a sum or a difference is; 1 + eˣ, a positive factor of its own, stays so."""
    left, right = [_form(context, a, depth) for a in e.inputs]
    if left is None or right is None or _plus_one(context, e) is not None:
        return None
    sign = -1.0 if e.primitive.name == "subtract" else 1.0
    total = collected(context, [*left, *[Term(sign * t.coefficient, t.powers) for t in right]])
    total = complemented(context, total)
    if not is_small(total):
        return None
    count = _cost(context, e.inputs[0], left) + _cost(context, e.inputs[1], right)
    return _followed(context, e, e.inputs, _Product(total, count))


def _plus_one(context: Context, e: Equation) -> Equation | None:
    """Return what made eˣ of 1 + eˣ."""
    a, b = e.inputs
    if e.primitive.name == "subtract" or not (is_number(a, 1) or is_number(b, 1)):
        return None
    return context.maker(b if is_number(a, 1) else a, "exp")


def _unguarded(context: Context, e: Equation) -> tuple[Atom, ...]:
    """Return a and b of where(m, 0, a) · where(m, 0, b), which makes 0 · ∞ zero behind a choice."""
    if e.primitive.name != "multiply":
        return e.inputs
    (a, b) = [context.maker(x, "where") for x in e.inputs]
    if a is None or b is None or a.inputs[0] is not b.inputs[0]:
        return e.inputs
    zero = is_number(a.inputs[1], 0) and is_number(b.inputs[1], 0)
    inside = (a.inputs[2], b.inputs[2])
    same = all(x.aval.dtype == e.outputs[0].aval.dtype for x in inside)
    return inside if zero and same else e.inputs


def _look_at_product(context: Context, e: Equation, depth: int) -> Form | None:
    found = _multiplied(context, e, depth)
    if found is None or not (_useful(context, found.form) or e.outputs[0] in context.facts.lost):
        return None
    return found.form


def _look_at_sum(context: Context, e: Equation, depth: int) -> Form | None:
    """Follow sums in which positive factors take part everywhere."""
    found = _added(context, e, depth)
    positive = context.facts.positive
    if found is None or any(positive.isdisjoint(t.powers) for t in found.form):
        context.facts.lost.pop(e.outputs[0], None)
        return None
    return found.form


def _look_at_positive(context: Context, e: Equation, depth: int) -> Form | None:
    (out,) = e.outputs
    context.facts.positive.add(out)
    return (Term(1.0, {out: 1}),)


def _useful(context: Context, form: Form) -> bool:
    """Tell whether a positive factor takes part, or the value is 0."""
    positive = context.facts.positive
    return not form or any(not positive.isdisjoint(term.powers) for term in form)


# --- what is noted of new equations -----------------------------------------------------------


def _note(context: Context, var: Var, form: Form) -> None:
    """Note a form, and whether it has divisions, or may turn out to: eˣ is σ(x)/σ(−x)."""
    facts = context.facts
    facts.forms[var] = form
    if divisions(form) or var in facts.lost or any(v in facts.open for t in form for v in t.powers):
        facts.divided.add(var)


def _note_exp(context: Context, e: Equation) -> None:
    (out,) = e.outputs
    context.facts.open.add(out)
    context.facts.positive.add(out)
    _note(context, out, (Term(1.0, {out: 1}),))


def _note_product(context: Context, e: Equation) -> None:
    found = _product(context, e)
    if found is not None and (e.outputs[0] in context.facts.lost or _useful(context, found.form)):
        _note(context, e.outputs[0], found.form)


def _note_sum(context: Context, e: Equation) -> None:
    made = _plus_one(context, e)
    if made is None:
        _note_product(context, e)
    elif same_type(e):
        _note_logistic(context, e, made)


def _note_logistic(context: Context, e: Equation, made: Equation) -> None:
    """Note that 1 + eˣ is 1/σ(−x), and eˣ is σ(x)/σ(−x)."""
    x, facts = made.inputs[0], context.facts
    if x.aval.dtype != e.outputs[0].aval.dtype:  # whole numbers wrap where they are negated
        return
    up, down = context.build("sigmoid", x), context.build("sigmoid", negated(context, x))
    facts.positive.update((up, down))
    _note(context, e.outputs[0], (Term(1.0, {down: -1}),))
    facts.relations.setdefault(made.outputs[0], {up: 1, down: -1})


def _note_total(context: Context, e: Equation) -> None:
    """Note Σ eˣ, and sums over what is divided by positive factors."""
    made = context.maker(e.inputs[0], "exp")
    if made is not None and e.params.get("axes") is not None and same_type(e):
        _note_softmax(context, e, made)
    elif e.inputs[0] in context.facts.divided and same_type(e):
        form = _look_at_total(context, e, _DEEPEST)
        if form is not None:
            _note(context, e.outputs[0], form)


def _look_at_total(context: Context, e: Equation, depth: int) -> Form | None:
    """Take positive factors that are the same for all terms out of a sum."""
    (x,), (out,), axes, facts = e.inputs, e.outputs, e.params.get("axes"), context.facts
    form = _form(context, x, depth)
    if not form or axes is None:
        return None
    outside = {
        var: n
        for var, n in form[0].powers.items()
        if var in facts.positive
        and all(t.powers.get(var) == n for t in form)
        and _constant_along(var, axes, x.aval.ndim)
    }
    lost = facts.lost.get(x)
    if not outside and lost is None:
        return None
    inside = [
        Term(t.coefficient, {v: n for v, n in t.powers.items() if v not in outside}) for t in form
    ]
    rest = written(context, tuple(inside), x.aval)
    if rest is None:
        return None
    powers = {reshaped(context, v, out.aval.shape): n for v, n in outside.items()}
    facts.positive.update(powers)
    if isinstance(rest, Literal):
        value = constant(onp.sum(rest.value, axis=axes))
        if value is None:
            return None
        total: Form = (Term(value, powers),)
    else:
        total = (Term(1.0, {context.build("sum", rest, **e.params): 1, **powers}),)
    _carried(context, e, total)
    return total


def _constant_along(var: Var, axes: tuple[int, ...], ndim: int) -> bool:
    shape = (1,) * (ndim - var.aval.ndim) + var.aval.shape
    return all(shape[k] == 1 for k in axes)


def _note_softmax(context: Context, e: Equation, made: Equation) -> None:
    """Note that eˣ is softmax(x) · Σ eˣ."""
    (out,), axes, facts = e.outputs, e.params["axes"], context.facts
    if 0 in made.inputs[0].aval.shape:  # an empty row has no largest element
        return
    exponential = made.outputs[0]
    share = context.build("softmax", unshifted(context, made.inputs[0], axes), axes=axes)
    kept = tuple([1 if k in axes else n for k, n in enumerate(exponential.aval.shape)])
    total = reshaped(context, out, kept)
    facts.positive.update((share, out, total))
    for var in (out, total):
        facts.forms[var] = (Term(1.0, {var: 1}),)
    facts.relations.setdefault(exponential, {share: 1, total: 1})


def _note_where(context: Context, e: Equation) -> None:
    if is_number(e.inputs[1], 0) and e.inputs[2] in context.facts.divided:
        context.facts.divided.add(e.outputs[0])


def _note_move(context: Context, e: Equation) -> None:
    if e.inputs[0] in context.facts.divided:
        form = _LOOKS[e.primitive.name](context, e, _DEEPEST)
        if form is not None:
            _note(context, e.outputs[0], form)


def _look_at_broadcast(context: Context, e: Equation, depth: int) -> Form | None:
    form = _form(context, e.inputs[0], depth)
    if form is None or not (_useful(context, form) or e.inputs[0] in context.facts.lost):
        return None
    _carried(context, e, form)
    return form


def _look_at_reshape(context: Context, e: Equation, depth: int) -> Form | None:
    """Follow what only gains or loses axes of length one."""
    (x,), old, new = e.inputs, e.inputs[0].aval.shape, e.outputs[0].aval.shape
    if [n for n in old if n != 1] != [n for n in new if n != 1]:
        return None
    form = _form(context, x, depth)
    if form is None or any(
        [bare(v.aval.shape) not in ((), bare(old)) for t in form for v in t.powers]
        + [onp.shape(t.coefficient) not in ((), old) for t in form]
    ):
        return None
    moved = []
    for term in form:
        powers = {}
        for var, n in term.powers.items():
            there = reshaped(context, var, new)
            powers[there] = n
            if var in context.facts.positive:
                context.facts.positive.add(there)
        value = term.coefficient
        moved.append(Term(value if isinstance(value, float) else value.reshape(new), powers))
    _carried(context, e, tuple(moved))
    return tuple(moved)


def _look_at_getitem(context: Context, e: Equation, depth: int) -> Form | None:
    """Follow what is picked out of something positive, and axes that x[:, None] adds."""
    if only_adds_axes(e):
        return _look_at_reshape(context, e, depth)
    form = _form(context, e.inputs[0], depth)
    if form is None or e.inputs[0] not in context.facts.positive:
        return None
    return _look_at_positive(context, e, depth)


def _look_at_scatter(context: Context, e: Equation, depth: int) -> Form | None:
    """Take out of what is put back into an array what was picked out of another one there."""
    if only_adds_axes(e):
        return _look_at_reshape(context, e, depth)
    form = _form(context, e.inputs[0], depth)
    shared = form[0].powers if form else {}
    for var, n in shared.items():
        made = context.maker(var, "getitem") if var in context.facts.positive else None
        if (
            form is None
            or made is None
            or made.params["parts"] != e.params["parts"]
            or made.inputs[0].aval.shape != e.params["shape"]
            or not all(map(_same, made.inputs[1:], e.inputs[1:]))
            or not all(t.powers.get(var) == n for t in form)
        ):
            continue
        inside = tuple([times(t, Term(1.0, {var: -n})) for t in form])
        rest = written(context, inside, e.inputs[0].aval)
        if rest is None:
            return None
        whole = context.build("scatter_add", rest, *e.inputs[1:], **e.params)
        assert isinstance(made.inputs[0], Var)
        found = (Term(1.0, {whole: 1, made.inputs[0]: n}),)
        _carried(context, e, found)
        return found
    return None


def _same(a: Atom, b: Atom) -> bool:
    """Tell whether two operands are one value."""
    if isinstance(a, Literal) and isinstance(b, Literal):
        return a.value is b.value or onp.array_equal(a.value, b.value)
    return a is b


_PRODUCTS = ("multiply", "divide", "negative", "square", "integer_power", "reciprocal")
_LOOKS: dict[str, Callable[[Context, Equation, int], Form | None]] = {
    **dict.fromkeys(("sigmoid", "softmax", "exp"), _look_at_positive),
    **dict.fromkeys(_PRODUCTS, _look_at_product),
    **dict.fromkeys(("add", "subtract"), _look_at_sum),
    "sum": _look_at_total,
    "reshape": _look_at_reshape,
    "broadcast_to": _look_at_broadcast,
    "getitem": _look_at_getitem,
    "scatter_add": _look_at_scatter,
}
NOTES: dict[str, Note] = {
    "exp": _note_exp,
    **dict.fromkeys(_PRODUCTS, _note_product),
    **dict.fromkeys(("add", "subtract"), _note_sum),
    **dict.fromkeys(("reshape", "broadcast_to", "getitem", "scatter_add"), _note_move),
    "where": _note_where,
    "sum": _note_total,
}
"""What is noted of each operation."""


def better(context: Context, e: Equation) -> Form | None:
    """Return what an equation is, if positive factors cancel in it."""
    found = _product(context, e)
    kept = e.outputs[0] not in context.facts.lost
    return found.form if found is not None and kept and found.better else None
