"""The definitions in force for one number of layers: families written out, gaps filled, and second
names of one variable told apart from copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from backlit.explain.equation.binding.families import (
    Counts,
    Sizes,
    generalised,
    instance,
    instances,
    number_in,
    running_letters,
    with_ends,
)
from backlit.explain.equation.binding.letters import Letters
from backlit.explain.equation.binding.names import BindingError, Entry, Key, defined_apart, entry
from backlit.explain.equation.binding.resolve import Functions, OwnFunction
from backlit.explain.equation.binding.script import Definition, FunctionDefinition
from backlit.explain.equation.binding.written import slots_of, variables
from backlit.explain.equation.tree import Equation, Function, Name, Node, Number


@dataclass(frozen=True)
class Written:
    """A definition with its layer numbers written out.

    Attributes
    ----------
    left : Name
    right : Node
    source : Definition
        The line it comes from.
    loose : int
        How many letters were filled in: an equation for layer 1 goes before one for layer l.
    reading : int
        Which of the readings of the line.
    """

    left: Name
    right: Node
    source: Definition
    loose: int
    reading: int = 0


@dataclass
class Expansion:
    """What is defined for one number of layers.

    Attributes
    ----------
    written : list of Written
    second_names : list of (Name, Name)
        Names that are only another way to write a variable: ŷ for A^{[L]}.
    functions : dict
        Functions of the notes by name and layer.
    faults : dict of int to BindingError
        By line, what could not be written out.
    conflicts : set of int
        Layers that one line defines by number and another as the last one, differently.
    apart : set of Key
        Names of which two spellings are two variables.
    """

    written: list[Written] = field(default_factory=list)
    second_names: list[tuple[Name, Name]] = field(default_factory=list)
    functions: Functions = field(default_factory=dict)
    faults: dict[int, BindingError] = field(default_factory=dict)
    conflicts: set[int] = field(default_factory=set)
    apart: set[Key] = field(default_factory=set)


def expand(
    definitions: Sequence[Definition],
    functions: Sequence[FunctionDefinition],
    letters: Letters,
    sizes: Sizes,
    readings: Mapping[int, int],
) -> Expansion:
    """Write out all definitions.

    Parameters
    ----------
    definitions : sequence of Definition
        Those in force, in their order.
    functions : sequence of FunctionDefinition
    letters : Letters
    sizes : Sizes
    readings : mapping of int to int
        Which reading to take of a line, if not the first.

    Returns
    -------
    Expansion
    """
    made = Expansion(apart=defined_apart([(d.left, d.readings[0]) for d in definitions]))
    made.functions = _functions(functions, letters, sizes, made)
    by_key: dict[Entry, Written] = {}
    for definition in definitions:
        reading = min(readings.get(definition.line, 0), len(definition.readings) - 1)
        equation = Equation(definition.left, definition.readings[reading])
        try:
            found = list(_instances(equation, letters, sizes))
        except BindingError as fault:
            made.faults[definition.line] = fault
            continue
        for loose, left, right in found:
            new = Written(left, right, definition, loose, reading)
            _settle(by_key, new, letters, made)
    _fill(by_key, letters, sizes)
    made.written = list(by_key.values())
    _find_second_names(made)
    return made


def _instances(equation: Equation, letters: Letters, sizes: Sizes) -> list[tuple[int, Name, Node]]:
    loose = len(running_letters(equation.left, letters))
    shift = _shift(equation.left, letters)
    found = []
    for _, made in instances(equation, letters, sizes, first=1 - shift):
        assert isinstance(made, Equation) and isinstance(made.left, Name)
        found.append((loose, made.left, made.right))
    return found


def _shift(left: Node, letters: Letters) -> int:
    """Return k of a left side Z^{[l+k]}: its letter starts so that the first one is layer 1."""
    for variable in variables(left):
        for slot, part in slots_of(variable):
            family = letters.family(slot)
            if family is not None:
                number = number_in(part, {(slot[0], c): 0 for c in family.letters}, slot[0])
                return max(number or 0, 0)
    return 0


def _settle(by_key: dict[Entry, Written], new: Written, letters: Letters, made: Expansion) -> None:
    """Keep the closer of two definitions of a variable, the later of two equally close."""
    key = entry(new.left, made.apart)
    old = by_key.get(key)
    if old is None:
        by_key[key] = new
        return
    if _is_name(new.right) and old.source.line <= new.source.line and new.right != old.right:
        # A chain Z = g(A) = Ŷ, whose end is a second name.
        right = new.right
        assert isinstance(right, Name)
        if entry(right, made.apart) not in by_key:
            made.second_names.append((right, new.left))
            return
    if old.right != new.right and new.loose == old.loose == 0:
        numbered = [w for w in (old, new) if _is_numbered(w.source.left)]
        number = _layer(new.left, letters)
        if len(numbered) == 1 and number is not None:
            made.conflicts.add(number)
    if new.loose <= old.loose:
        by_key[key] = new


def _is_name(node: Node) -> bool:
    return isinstance(node, Name)


def _is_numbered(left: Name) -> bool:
    return all(isinstance(part, Number) for _, part in slots_of(left))


def _layer(name: Name, letters: Letters) -> int | None:
    for slot, part in slots_of(name):
        if letters.family(slot) is not None and isinstance(part, Number):
            return int(part.value)
    return None


def _functions(
    functions: Sequence[FunctionDefinition], letters: Letters, sizes: Sizes, made: Expansion
) -> dict[tuple[str, int | None], OwnFunction | str]:
    found: dict[tuple[str, int | None], OwnFunction | str] = {}
    looseness: dict[tuple[str, int | None], int] = {}
    for definition in functions:
        body = definition.body
        equation = Equation(
            definition.function, body if isinstance(body, Node) else Number(Fraction(0))
        )
        try:
            loose = len(running_letters(definition.function, letters))
            for _, one in instances(equation, letters, sizes, first=1):
                assert isinstance(one, Equation) and isinstance(one.left, Function)
                layer = one.left.layer
                number = int(layer.value) if isinstance(layer, Number) else None
                key = (one.left.name, number)
                if loose <= looseness.get(key, loose):
                    looseness[key] = loose
                    own = OwnFunction(definition.parameters, one.right)
                    found[key] = body if isinstance(body, str) else own
        except BindingError as fault:
            made.faults[definition.line] = fault
    return found


# ------------------------------------------------------------------------------------------ gaps


def _fill(by_key: dict[Entry, Written], letters: Letters, sizes: Sizes) -> None:
    """Define the layers that a page shows as dots like the one that comes before them."""
    for family, last in zip(letters.families, sizes.last, strict=True):
        if not family.counted:
            continue
        for kind, base in sorted(family.slots):
            known = {
                int(part.value): written
                for written in by_key.values()
                for slot, part in slots_of(written.left)
                if slot == (kind, base) and isinstance(part, Number) and kind == "layer"
            }
            if known:
                _fill_one(by_key, letters, with_ends(letters, sizes), known, last)


def _fill_one(
    by_key: dict[Entry, Written],
    letters: Letters,
    counts: Counts,
    known: Mapping[int, Written],
    last: int,
) -> None:
    """Define the missing layers of one name like the first that is not at an end."""
    order = [n for n in sorted(known) if 1 < n < last] or [last, min(known)]
    number = next(n for n in order if n in known)
    model = known[number]
    general = generalised(Equation(model.left, model.right), number, "l")
    for missing in range(min(known) + 1, last + 1):
        if missing not in known:
            made = instance(general, letters, {**counts, ("layer", "l"): missing})
            assert isinstance(made, Equation) and isinstance(made.left, Name)
            new = replace(model, left=made.left, right=made.right, loose=1)
            by_key[entry(made.left, ())] = new


# ---------------------------------------------------------------------------------- second names


def _find_second_names(made: Expansion) -> None:
    """Find names that copy a variable and that no definition uses: ŷ = A^{[2]}."""
    names = (v for w in made.written for v in variables(w.right) if isinstance(v, Name))
    used = {entry(name, made.apart) for name in names}
    kept = []
    for written in made.written:
        right = written.right
        if isinstance(right, Name) and entry(written.left, made.apart) not in used:
            if not any(isinstance(part, Name) for part in (*right.index, *written.left.index)):
                made.second_names.append((written.left, right))
                continue
        kept.append(written)
    made.written = kept
