"""What the letters in subscripts and superscripts count: layers, time steps and examples, whose
names are expanded to one variable each, or the elements of one array."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from backlit.explain.equation.binding.names import stem
from backlit.explain.equation.binding.written import (
    INDEX_LETTERS,
    Slot,
    is_word,
    letters_in,
    slots_of,
    split_subscripts,
    variables,
)
from backlit.explain.equation.tree import Binary, Equation, Function, Name, Node, Number, Series

# Letters of the class that an example belongs to.
_CLASSES = frozenset("cy")


@dataclass(frozen=True)
class Family:
    """Names that one counter numbers: the layers of a network, the steps of a sequence.

    Attributes
    ----------
    slots : frozenset of (str, str)
        ("layer", "Z") for Z^{[l]}, ("index", "h") for h_t.
    letters : frozenset of str
        Running ones: l, t.
    constants : frozenset of str
        Those that stand for the last number: L, T.
    numbers : frozenset of int
        Written ones.
    counted : bool
        Whether a constant stands in a name, as in A^{[L]}, and not only in the range of a sum.
    """

    slots: frozenset[Slot]
    letters: frozenset[str]
    constants: frozenset[str]
    numbers: frozenset[int]
    counted: bool


@dataclass
class Letters:
    """The letters of some notes.

    Attributes
    ----------
    families : list of Family
    arrays : dict of str to int
        Stems of names whose subscripts are places in an array, and how many subscripts they have.
    elements : set of str
        Letters that run over places.
    fixed : set of str
        Letters that stand for one place, the same throughout: c of L = −log p_c.
    """

    families: list[Family] = field(default_factory=list)
    arrays: dict[str, int] = field(default_factory=dict)
    elements: set[str] = field(default_factory=set)
    fixed: set[str] = field(default_factory=set)

    def family(self, slot: Slot) -> Family | None:
        """Return the family numbered at a slot.

        Parameters
        ----------
        slot : (str, str)

        Returns
        -------
        Family or None
        """
        return next((f for f in self.families if slot in f.slots), None)

    def running(self, kind: str, letter: str) -> Family | None:
        """Return the family that a letter runs over.

        Parameters
        ----------
        kind : str
            "layer" or "index".
        letter : str

        Returns
        -------
        Family or None
        """
        return next(
            (
                f
                for f in self.families
                if letter in f.letters and any(slot[0] == kind for slot in f.slots)
            ),
            None,
        )


def classify(
    definitions: Iterable[Equation],
    claims: Iterable[Equation],
    *,
    sized: Mapping[str, int],
    values: Collection[str],
) -> Letters:
    """Tell what each letter counts.

    Parameters
    ----------
    definitions, claims : iterable of Equation
    sized : mapping of str to int
        Stems of the names with a header, and their ranks.
    values : collection of str
        Names that the notes set to a whole number: L = 3.

    Returns
    -------
    Letters
    """
    definitions, claims = list(definitions), list(claims)
    families = _families(definitions, claims, values)
    taken = {slot for family in families for slot in family.slots}
    letters = Letters(families)
    _elements(letters, [*definitions, *claims], sized, taken)
    letters.fixed = _fixed(letters, definitions) - set(values)
    letters.elements -= letters.fixed
    return letters


# ------------------------------------------------------------------------------------ families


def _families(
    definitions: list[Equation], claims: list[Equation], values: Collection[str]
) -> list[Family]:
    equations = [*definitions, *claims]
    timed = _recurrent(definitions)
    groups: dict[tuple[str, ...], set[tuple[str, ...]]] = {}

    def join(a: tuple[str, ...], b: tuple[str, ...]) -> None:
        merged = groups.get(a, {a}) | groups.get(b, {b})
        for member in merged:
            groups[member] = merged

    def is_family(slot: Slot, part: Node) -> bool:
        return slot[0] == "layer" or bool(letters_in(part) & timed) or slot in groups

    # Twice, so that h_0 and h_T are seen to belong to the family of h_t wherever they stand.
    for _ in range(2):
        for node in (v for e in equations for v in variables(e)):
            for slot, part in slots_of(node):
                if is_family(slot, part) and not is_word(part):
                    join(slot, slot)
                    for letter in letters_in(part):
                        join(slot, ("letter", slot[0], letter))
    for equation in definitions:
        # Z^{[1]} = W^{[1]} X + b^{[1]} numbers the layers of one network.
        numbered = [
            slot
            for v in variables(equation)
            for slot, part in slots_of(v)
            if slot in groups and isinstance(part, Number)
        ]
        for one, other in itertools.pairwise(numbered):
            if one[0] == other[0]:
                join(one, other)
    for series in (n for e in equations for n in e.walk() if isinstance(n, Series) and n.index):
        _join_range(series, groups, join)
    fixed = _free(definitions) | set(values)
    return [
        _family(group, equations, fixed)
        for group in {id(g): g for g in groups.values()}.values()
        if any(member[0] in ("layer", "index") for member in group)
    ]


def _recurrent(definitions: list[Equation]) -> set[str]:
    """Return the letters of subscripts that step through a recurrence: t of h_{t-1}."""
    found = set()
    lefts = [e.left for e in definitions if isinstance(e.left, Name) and e.left.index]
    stepping = {stem(left.base) for left in lefts}
    for equation in definitions:
        left = equation.left
        own = letters_in(left.index[0]) if isinstance(left, Name) and left.index else set()
        for node in variables(equation.right):
            if not isinstance(node, Name) or stem(node.base) not in stepping:
                continue
            if node.index and isinstance(node.index[0], Binary):
                found |= own & letters_in(node.index[0])
    return found


def _free(definitions: list[Equation]) -> set[str]:
    """Return the letters that definitions use without running over them: n of L = −log a^{(n)}."""
    found = set()
    for equation in definitions:
        bound = {n.index for n in equation.walk() if isinstance(n, Series)}
        left, right = _counters(equation.left), _counters(equation.right)
        found |= right - left - bound
    return found


def _counters(node: Node) -> set[str]:
    return {c for v in variables(node) for _, part in slots_of(v) for c in letters_in(part)}


def _join_range(
    series: Series,
    groups: dict[tuple[str, ...], set[tuple[str, ...]]],
    join: Callable[[tuple[str, ...], tuple[str, ...]], None],
) -> None:
    for kind in ("layer", "index"):
        member = ("letter", kind, series.index)
        if member in groups and runs_over(series, kind):
            if isinstance(series.high, Name):
                join(member, ("bound", series.high.base))
            elif isinstance(series.high, Number):
                join(member, ("number", str(series.high.value)))


def runs_over(series: Series, kind: str) -> bool:
    """Tell whether the index of a sum stands in superscripts, or in subscripts, of its body.

    Parameters
    ----------
    series : Series
    kind : str
        "layer" or "index".

    Returns
    -------
    bool
    """
    return any(
        series.index in letters_in(part)
        for v in variables(series.body)
        for part in (_subscripts(v) if kind == "index" else _layer(v))
    )


def _subscripts(node: Name | Function) -> tuple[Node, ...]:
    return split_subscripts(node) if isinstance(node, Name) else ()


def _layer(node: Name | Function) -> tuple[Node, ...]:
    return () if node.layer is None else (node.layer,)


def _family(group: set[tuple[str, ...]], equations: list[Equation], fixed: set[str]) -> Family:
    slots = frozenset((m[0], m[1]) for m in group if m[0] in ("layer", "index"))
    letters = {m[2] for m in group if m[0] == "letter"}
    inside = {c for c in letters if c.isupper() or c in fixed}
    bounds = {m[1] for m in group if m[0] == "bound"}
    numbers = {int(m[1]) for m in group if m[0] == "number"}
    for variable in (v for e in equations for v in variables(e)):
        for slot, part in slots_of(variable):
            if slot in slots and isinstance(part, Number) and part.value.denominator == 1:
                numbers.add(int(part.value))
    return Family(
        slots,
        frozenset(letters - inside - bounds),
        frozenset(inside | bounds),
        frozenset(numbers),
        bool(inside),
    )


# ------------------------------------------------------------------------------------ elements


def _elements(
    letters: Letters, equations: list[Equation], sized: Mapping[str, int], taken: set[Slot]
) -> None:
    """Find the arrays whose elements are written, growing from headers and sums."""
    every = [v for e in equations for v in variables(e) if isinstance(v, Name)]
    names = [n for n in every if n.index and ("index", stem(n.base)) not in taken]
    summed = {n.index for e in equations for n in e.walk() if isinstance(n, Series) and n.index}
    letters.elements |= summed & {c for name in names for p in name.index for c in _all_letters(p)}
    stems = {stem(n.base) for n in names}
    arrays = {base: rank for base, rank in sized.items() if rank and base in stems}
    size = -1
    while size != len(arrays) + len(letters.elements):
        size = len(arrays) + len(letters.elements)
        for name in names:
            base, places = stem(name.base), split_subscripts(name)
            own = {c for p in places for c in _counters_of(p)}
            if base in arrays:
                letters.elements |= own & INDEX_LETTERS
                if len(places) == sized.get(base) == 2 and own & letters.elements:
                    letters.elements |= {c for c in own if len(c) == 1 and c.islower()}
            elif own and own <= letters.elements and _are_places(places):
                arrays[base] = len(places)
    whole = {(n.base, n.layer is None) for n in every if not n.index}
    left_names = [e.left for e in equations if isinstance(e.left, Name)]
    lefts = {left.base for left in left_names if left.index and not _runs(left)}
    defined = {left.base for left in left_names if not left.index}
    # W_z beside W_r, and W: the gates have their letters.
    gates = {n.base for n in names if n.base.isupper() and not _letters(n) <= INDEX_LETTERS}
    for name in names:
        # x_1 or x_j beside a whole x, where no x_1 stands on a left side.
        places = split_subscripts(name)
        counters = _letters(name)
        known = (name.base, name.layer is None) in whole and name.base not in lefts
        known = known and (name.base not in gates - defined or len(places) > 1)
        # p_c beside p = softmax(z) is an element too, and nothing says which.
        picked = all(len(c) == 1 and c.islower() for c in counters)
        is_element = counters <= INDEX_LETTERS or (name.base in defined and picked)
        if known and is_element and _are_places(places):
            arrays.setdefault(name.base, len(places))
            letters.elements |= counters
        if stem(name.base) in arrays and counters <= _CLASSES:
            letters.elements |= counters
    letters.arrays = arrays


def _letters(name: Name) -> set[str]:
    return {p.base for p in split_subscripts(name) if isinstance(p, Name)}


def _are_places(parts: tuple[Node, ...]) -> bool:
    return all(isinstance(part, (Name, Number, Binary)) for part in parts)


def _runs(left: Name) -> bool:
    """Tell whether a left side holds for all elements: y_k, not y_1 or W_xh."""
    return all(isinstance(p, Name) and p.base in INDEX_LETTERS for p in split_subscripts(left))


def _fixed(letters: Letters, definitions: list[Equation]) -> set[str]:
    """Return the letters that definitions use for a place and never run over.

    Where i, j or k picks two elements, a sum was left out: −y_k log p_k.
    """
    running = {n.index for e in definitions for n in e.walk() if isinstance(n, Series)}
    running |= {c for e in definitions for v in variables(e.left) for c in _places(v)}
    found = {}
    for equation in definitions:
        picked = [
            c
            for v in variables(equation.right)
            if stem(v.base if isinstance(v, Name) else v.name) in letters.arrays
            for c in set(_places(v)) & letters.elements - running
        ]
        found.update({c: c not in INDEX_LETTERS or picked.count(c) == 1 for c in set(picked)})
    return {c for c, once in found.items() if once}


def _places(node: Name | Function) -> Iterator[str]:
    for part in _subscripts(node):
        yield from letters_in(part)


def _counters_of(place: Node) -> set[str]:
    """Return what a subscript counts by: i of i, i and k of i + k − 1, or a word."""
    return {place.base} if isinstance(place, Name) else letters_in(place)


def _all_letters(part: Node) -> set[str]:
    return {c for n in part.walk() if isinstance(n, Name) for c in n.base}
