"""The nearest right equation: what a wrong claim becomes right by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from backlit.explain.equation.binding.batch import COUNTS
from backlit.explain.equation.binding.names import BindingError
from backlit.explain.equation.binding.written import names_in
from backlit.explain.equation.judging.claims import LAYOUTS, Bound, has_jacobian
from backlit.explain.equation.judging.given import is_number
from backlit.explain.equation.mending.compose import WHOLE, anew, composed
from backlit.explain.equation.mending.diagnosis import (
    Case,
    Diagnosis,
    independent,
    ratio,
    unrepaired,
)
from backlit.explain.equation.mending.edits import edits
from backlit.explain.equation.mending.ingredients import ingredients, states
from backlit.explain.equation.mending.omissions import omissions
from backlit.explain.equation.mending.places import unclashed
from backlit.explain.equation.mending.probe import Probe, probe
from backlit.explain.equation.mending.sense import Sense, as_program
from backlit.explain.equation.mending.slips import Slip, slips
from backlit.explain.equation.mending.surroundings import Edit, Surroundings
from backlit.explain.equation.mending.symmetry import symmetric_only
from backlit.explain.equation.mending.terms import cancelled
from backlit.explain.equation.mending.totals import totals
from backlit.explain.equation.tree import (
    NOWHERE,
    Binary,
    Call,
    Derivative,
    Equation,
    Name,
    Node,
    Number,
    Power,
    Series,
    Transpose,
)
from backlit.explain.equation.values.evaluate import EvaluationFault

# Of kinds whose slips come in pairs, how many first edits a second one is tried on.
_PAIRED = ("elementwise", "transpose", "index", "symbol", "sign", "axis")
_MOST_FIRST = 60
_SYMMETRIC = frozenset(["symmetric", "positive definite", "diagonal"])
# What is nearer than a sum that is missing.
_NEAREST = ("elementwise", "transpose", "axis", "sign")
_RESERVE = 0.2
_MAY_BE_SYMMETRIC = ("transpose", "path", "factor", "other")
# How many repairs are looked at. By number, not by time, so that a slow machine says the same.
_MOST_COMPOSED = 6_000
_MOST_PAIRS = 4_000

_WORDS = {
    "elementwise": "The product there is of the other kind: elementwise for a matrix product, or "
    "the other way round.",
    "transpose": "A transpose, or the order of the factors, is wrong.",
    "sign": "A sign is wrong.",
    "factor": "A number is wrong, missing or too many.",
    "one-over-m": "The average over the examples is missing, or taken once too often.",
    "axis": "The sum goes over the wrong axis.",
    "index": "The index is wrong.",
    "shape": "The sum drops an axis that has to stay, or keeps one that has to go.",
    "symbol": "The wrong variable stands there.",
    "other": "That is not the derivative.",
    "path": "A factor or a term of the chain rule is missing, or one too many.",
    "activation-for-preactivation": "The activation stands where what goes into it belongs, or "
    "the other way round.",
}


def explained(case: Case, around: Surroundings) -> Diagnosis:
    """Say what is the matter with a wrong claim and, where it is found, what is right.

    Parameters
    ----------
    case : Case
    around : Surroundings

    Returns
    -------
    Diagnosis
    """
    letters = dict.fromkeys(_running(case.equation))
    around = replace(around, letters=tuple(letters), left=case.equation.left)
    found = independent(case)
    if found is not None:
        if found.suggestion is None:
            mended = repair(case, around)
            found = found if mended is None else replace(found, suggestion=mended.suggestion)
        return found
    hint = ratio(case)
    mended = repair(case, around, "" if hint is None else hint.kind)
    if hint is None and (mended is None or mended.kind in _MAY_BE_SYMMETRIC):
        found = symmetric_only(case)
        if found is not None and mended is not None and mended.kind == "other":
            general = mended.message.rpartition(". ")[2]
            return replace(
                found, message=f"{found.message} {general}", suggestion=mended.suggestion
            )
        if found is not None and mended is not None:
            return replace(mended, message=f"{mended.message} {found.message}")
        if found is not None:
            return found
    if mended is None:
        return unrepaired(case, hint)
    if mended.kind == "other" and is_number(case.equation.right) and mended.suggestion is not None:
        stated = case.write(case.equation.right)
        said = f"The right side is the number {stated}, and the derivative is an expression."
        return replace(mended, message=f"{said} {mended.message.rpartition('. ')[2]}")
    if hint is not None and hint.kind == mended.kind:
        return replace(mended, message=hint.message)
    return mended


def repair(case: Case, around: Surroundings, likely: str = "") -> Diagnosis | None:
    """Search for the nearest right equation, by one edit and then by two.

    Parameters
    ----------
    case : Case
    around : Surroundings
    likely : str
        The kind of edit to try first.

    Returns
    -------
    Diagnosis or None
        None if there is none, or time is up.
    """
    probes = _probes(case)
    if not probes:
        return None
    quick = probes[0]
    # A capital M may be a matrix.
    counts = tuple([name for name in around.counts if quick.shape(name) == ()])
    others = tuple([name for name in around.counts if name not in counts])
    around = replace(around, counts=counts, names=(*around.names, *others))
    sense = Sense(case.equation, around, quick, case.is_program)
    for changes in _repairs(case.equation, around, quick, likely):
        if case.left() < _RESERVE:
            return None
        whole = changes[-1].whole
        fits = any(quick.fits(whole) for quick in probes)
        if fits and sense(changes) and case.attempt(Equation(case.equation.left, whole)):
            return _found(case, changes)
    return None


def _repairs(
    equation: Equation, around: Surroundings, quick: Probe, likely: str
) -> Iterator[list[Edit]]:
    """Yield repairs, the nearest first."""
    single = [e for e in edits(equation.right, around) if not states(e.new, equation.left)]
    single.sort(key=lambda edit: (edit.kind != likely, _is_turned(edit, quick)))
    first = [edit for edit in single if edit.kind in _NEAREST]
    yield from ([edit] for edit in first)
    yield from totals(equation, around, quick)
    yield from ([edit] for edit in single if edit.kind not in _NEAREST)
    found = None
    if isinstance(equation.left, Derivative):
        found = ingredients(equation, around, quick.shape, quick.length)
        made = composed(equation, found, quick)
        yield from ([edit] for edit in islice(made, _MOST_COMPOSED))
        yield from ([edit] for edit in omissions(equation.right, found.deep, quick))
    firsts = [edit for edit in single if edit.kind in _PAIRED][:_MOST_FIRST]
    yield from islice(_pairs(equation, firsts, around), _MOST_PAIRS)
    if found is not None:
        yield from ([edit] for edit in anew(equation, found, quick))


def _pairs(
    equation: Equation, firsts: Sequence[Edit], around: Surroundings
) -> Iterator[list[Edit]]:
    """Yield two edits, of which the second does not replace what the first put in."""
    stated = set(equation.right.walk())
    for first in firsts:
        put = set(first.new.walk()) - stated
        for second in edits(first.whole, around):
            if second.kind in _PAIRED and not states(second.new, equation.left):
                replaced = second.old in put or first.new in second.old.walk()
                # The z of a derivative by z does not stand there.
                gone = isinstance(second.new, Derivative) or first.new not in second.new.walk()
                if not (replaced and gone):
                    yield [first, second]


def _is_turned(edit: Edit, quick: Probe) -> bool:
    """Tell whether a vector has come to stand left of a matrix: x @ W is rather W.T @ x."""
    old, new = edit.old, edit.new
    if edit.kind != "transpose" or not isinstance(old, Binary) or not isinstance(new, Binary):
        return False
    if new.left is not old.right or new.right is not old.left:
        return False
    shapes = quick.shape(new.left), quick.shape(new.right)
    return [len(shape or ()) for shape in shapes] == [1, 2]


def _probes(case: Case) -> list[Probe]:
    """Return what takes the first look, in each layout in which the left side has a value."""
    found = [] if case.outcome.wrong is None else _probes_of(case, [case.outcome.wrong])
    if found:
        return found
    left = case.equation.left
    try:
        return _probes_of(case, case.tied(Equation(left, left)))
    except (BindingError, EvaluationFault):
        return []


def _probes_of(case: Case, bounds: Sequence[Bound]) -> list[Probe]:
    layouts = [case.outcome.layout]
    if case.outcome.fault is not None and any(map(has_jacobian, bounds)):
        layouts = [*LAYOUTS]
    found = [probe(bounds, case.equation, case.per_example, layout) for layout in layouts]
    return [one for one in found if one is not None]


def _running(equation: Equation) -> Iterator[Name]:
    """Yield the running indices of a claim."""
    for node in equation.walk():
        for part in node.index if isinstance(node, Name) else ():
            if isinstance(part, Name) and part.layer is None and not part.index:
                yield part


def _found(case: Case, changes: list[Edit]) -> Diagnosis:
    changes = [*changes[:-1], _tidied(case, changes[-1])]
    changes = [edit.mapped(lambda node: unclashed(node, case.equation.left)) for edit in changes]
    if case.is_program:
        changes = [edit.mapped(as_program) for edit in changes]
    whole = changes[-1].whole
    suggestion = case.write(Equation(case.equation.left, whole))
    kinds = list(dict.fromkeys(change.kind for change in changes))
    told = changes[0].told if len(changes) == 1 else None
    words = " ".join(dict.fromkeys(_words(case, change) for change in changes)).strip()
    if kinds == ["other"] and (told is None or told[0] == WHOLE):
        several = slips(case.equation.right, whole)
        if several:
            return Diagnosis(
                several[0].kind, _listed(case, several), suggestion, case.equation.right.span
            )
        return Diagnosis("other", words, suggestion, case.equation.right.span)
    shown = " and ".join(
        f"‘{case.write(change.old)}’ should be ‘{case.write(change.new)}’" for change in changes
    )
    message = f"{shown[:1].upper()}{shown[1:]}. {words}".strip()
    return Diagnosis(kinds[0], message, suggestion, _span(changes[0].old, case.equation.right))


def _words(case: Case, change: Edit) -> str:
    if change.told is None:
        return _WORDS.get(change.kind, "")
    text, *gaps = change.told
    return text.format(*map(case.write, gaps))


def _tidied(case: Case, change: Edit) -> Edit:
    """Return an edit with its fractions cancelled, where it is right even so."""
    shorter = _without_transposes(case)
    new = cancelled(shorter(change.new))
    if new == change.new:
        return change
    whole = change.whole.swapped(change.new, new)
    if not case.attempt(Equation(case.equation.left, whole)):
        return change
    told = change.told and (change.told[0], *[cancelled(shorter(n)) for n in change.told[1:]])
    return replace(change, new=new, whole=whole, told=told)


def _without_transposes(case: Case) -> Callable[[Node], Node]:
    """Return what leaves out the transposes of names that a claim has not, if some are symmetric.

    Whether it is right even so is to be tried.
    """
    leaves = [leaf for bound in case.outcome.bounds[:1] for leaf in bound.program.leaves.values()]
    if not any(leaf.properties & _SYMMETRIC for leaf in leaves):
        return lambda node: node
    stated = {n for n in case.equation.right.walk() if isinstance(n, Transpose)}

    def change(part: Node) -> Node:
        inner = part.operand if isinstance(part, Transpose) else part
        base = inner.base if isinstance(inner, Power) else inner
        is_new = isinstance(part, Transpose) and part not in stated and isinstance(base, Name)
        return inner if is_new else part

    return lambda node: node.map(change)


def _listed(case: Case, several: list[Slip]) -> str:
    """Name several slips: each part, and what should stand there."""
    told = []
    for slip in several:
        if slip.kind == "elementwise":
            assert isinstance(slip.new, Binary)
            kind = "elementwise" if slip.new.op == "*" else "a matrix product"
            told.append(f"the product with ‘{case.write(slip.new.right)}’ is {kind}")
        else:
            told.append(f"‘{case.write(slip.old)}’ should be ‘{case.write(slip.new)}’")
    return f"{len(told)} slips: {'; '.join(told)}." if len(told) > 1 else f"{told[0]}."


def _span(old: Node, right: Node) -> tuple[int, int]:
    """Return the characters to underline; of a longer part the brackets would be cut."""
    short = isinstance(old, (Name, Derivative, Number, Call, Transpose))
    return old.span if short and old.span != NOWHERE else right.span


def surroundings(
    names: tuple[Name, ...], definitions: tuple[Equation, ...], dims: tuple[Name, ...] = ()
) -> Surroundings:
    """Return what the notes have that may have been meant.

    Parameters
    ----------
    names : tuple of Name
        Of headers.
    definitions : tuple of Equation
    dims : tuple of Name
        Dimensions that headers name.

    Returns
    -------
    Surroundings
    """
    found = dict.fromkeys([*names, *(dim for dim in dims if dim.base == COUNTS[0])])
    for definition in definitions:
        found.update(dict.fromkeys(names_in(definition)))
    computed = {d.left for d in definitions if not _is_count(d.right)}
    counts = tuple(
        [
            n
            for n in found
            if n.base in COUNTS
            and n.layer is None
            and n not in computed
            and (n in names or not _is_factor(n, definitions))
        ]
    )
    rest = tuple(n for n in found if n not in counts)
    return Surroundings(rest, counts, definitions)


def _is_factor(name: Name, definitions: tuple[Equation, ...]) -> bool:
    """Tell whether a name is used as a quantity and never as a number: the mass m of m g l."""
    used = [node for d in definitions for node in d.right.walk()]
    if not any(node == name for node in used):
        return False
    below = [n.right for n in used if isinstance(n, Binary) and n.op == "/"]
    ranges = [n.high for n in used if isinstance(n, Series) and n.high is not None]
    return not any(name in place.walk() for place in (*below, *ranges))


def _is_count(node: Node) -> bool:
    """Tell whether an expression is a number, or the length of an array."""
    sizes = ("shape", "size", "len")
    return isinstance(node, Number) or any(
        isinstance(part, Call) and part.function.name in sizes for part in node.walk()
    )
