r"""Families of equations, Z^{[l]} = W^{[l]} A^{[l-1]} + b^{[l]}, written out layer by layer."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from backlit.explain.equation.binding.letters import Family, Letters, runs_over
from backlit.explain.equation.binding.names import BindingError
from backlit.explain.equation.binding.written import (
    is_word,
    letters_in,
    rebuilt,
    slots_of,
    variables,
)
from backlit.explain.equation.tree import (
    Binary,
    Equation,
    Function,
    Name,
    Node,
    Number,
    Series,
    Unary,
)

SIZES = (2, 3, 4)
LARGEST = 30
# What letters are, by where they stand: l in a superscript is not l in a subscript.
Counts = Mapping[tuple[str, str], int]


@dataclass(frozen=True)
class Sizes:
    """How long each family is in one of the networks that are tried.

    Attributes
    ----------
    last : tuple of int
        The last number of each family of `letters.families`.
    constants : mapping of str to int
        L, T, m.
    """

    last: tuple[int, ...]
    constants: Mapping[str, int]

    def counts(self, letters: Letters) -> dict[tuple[str, str], int]:
        """Return the constants by where they may stand.

        Parameters
        ----------
        letters : Letters

        Returns
        -------
        dict of (str, str) to int
        """
        return {
            (slot[0], name): self.constants[name]
            for family in letters.families
            for slot in family.slots
            for name in family.constants
        }


def sizes_to_try(
    letters: Letters, known: Mapping[str, int], conflicts: Iterable[int] = ()
) -> list[Sizes]:
    """Return the numbers of layers, steps and examples to try.

    Parameters
    ----------
    letters : Letters
    known : mapping of str to int
        What the notes or the dimensions say: L = 3.
    conflicts : iterable of int
        Numbers that define something otherwise than the last layer does, and so are not the last.

    Returns
    -------
    list of Sizes

    Examples
    --------
    >>> slots, none = frozenset({("layer", "Z")}), frozenset()
    >>> layers = Family(slots, frozenset("l"), frozenset("L"), none, counted=True)
    >>> [dict(s.constants) for s in sizes_to_try(Letters([layers]), {})]
    [{'L': 2}, {'L': 3}, {'L': 4}]
    >>> [dict(s.constants) for s in sizes_to_try(Letters([layers]), {"L": 5})]
    [{'L': 5}]
    """
    choices = [_choices(family, known, max(conflicts, default=0)) for family in letters.families]
    rounds = max((len(choice) for choice in choices), default=2 if letters.fixed else 1)
    found = []
    for k in range(rounds):
        last = tuple(
            # Turned a little, so that two families are not always of one size.
            choice[(k + turn) % len(choice)]
            for turn, choice in enumerate(choices)
        )
        constants = {
            name: size
            for family, size in zip(letters.families, last, strict=True)
            for name in family.constants
        }
        # The second element or the first: every array has those.
        constants.update({name: known.get(name, 2 - k % 2) for name in letters.fixed})
        found.append(Sizes(last, constants))
    return found


def _choices(family: Family, known: Mapping[str, int], conflict: int) -> Sequence[int]:
    # What is beyond the largest is refused where it stands.
    written = max([n for n in family.numbers if n <= LARGEST], default=0)
    given = {known[name] for name in family.constants if name in known}
    if given:
        return [max(given)]
    if not family.counted and written and not family.constants:
        return [written]
    least = max(written, conflict + 1 if family.counted else 0, SIZES[0])
    return [size + least - SIZES[0] for size in SIZES]


# ---------------------------------------------------------------------------------- one instance


def number_in(node: Node, counts: Counts, kind: str) -> int | None:
    """Return the whole number that stands in a subscript or superscript, or None.

    Parameters
    ----------
    node : Node
    counts : mapping
        What the letters are.
    kind : str
        "layer" or "index".

    Returns
    -------
    int or None

    Examples
    --------
    >>> number_in(Binary("-", Name("L"), Number(Fraction(1))), {("layer", "L"): 3}, "layer")
    2
    """
    if isinstance(node, Number) and node.value.denominator == 1:
        return int(node.value)
    if isinstance(node, Name) and node.layer is None and not node.index:
        return counts.get((kind, node.base))
    if isinstance(node, Unary):
        inner = number_in(node.operand, counts, kind)
        return None if inner is None else -inner
    if isinstance(node, Binary) and node.op in ("+", "-", " ", "*"):
        left, right = (number_in(part, counts, kind) for part in (node.left, node.right))
        if left is None or right is None:
            return None
        return {"+": left + right, "-": left - right}.get(node.op, left * right)
    return None


def instance(node: Node, letters: Letters, counts: Counts) -> Node:
    """Return an equation with every number of a family written out.

    Parameters
    ----------
    node : Node
    letters : Letters
    counts : mapping
        What the letters of families are.

    Returns
    -------
    Node

    Raises
    ------
    BindingError
        If a number is not known.
    """
    if isinstance(node, (Name, Function)):
        return _numbered(node, letters, counts)
    if isinstance(node, Series) and node.index:
        kind = next((k for k in ("layer", "index") if letters.running(k, node.index)), None)
        if kind is not None and runs_over(node, kind):
            return _written_out(node, letters, counts, kind)
    return rebuilt(node, lambda child: instance(child, letters, counts))


def _numbered(node: Name | Function, letters: Letters, counts: Counts) -> Node:
    layer = node.layer
    if layer is not None and not is_word(layer):
        layer = _as_number(layer, counts, "layer")
    if isinstance(node, Function):
        return replace(node, layer=layer) if layer is not node.layer else node
    index = node.index
    if any(slot[0] == "index" and letters.family(slot) for slot, _ in slots_of(node)):
        index = (_as_number(index[0], counts, "index"), *index[1:])
    return replace(node, layer=layer, index=index)


def _as_number(part: Node, counts: Counts, kind: str) -> Node:
    number = number_in(part, counts, kind)
    if number is None:
        unknown = sorted(c for c in letters_in(part) if (kind, c) not in counts)
        what = f"the letter {unknown[0]} counts nothing here" if unknown else "this is no number"
        raise BindingError(
            f"{what}; a layer or step is a number, or a letter the notes use", part.span
        )
    if number < 0:
        raise BindingError("a layer or step before the first", part.span)
    return Number(Fraction(number), span=part.span)


def _written_out(node: Series, letters: Letters, counts: Counts, kind: str) -> Node:
    family = letters.running(kind, node.index)
    low = 1 if node.low is None else number_in(node.low, counts, kind)
    high = counts.get((kind, "last:" + node.index)) if node.high is None else None
    if node.high is not None:
        high = number_in(node.high, counts, kind)
    if family is None or low is None or high is None:
        raise BindingError("the range of this sum is not known", node.span)
    if high - low >= LARGEST:
        raise BindingError(f"a sum of more than {LARGEST} terms: exceeds a cap", node.span)
    op = "+" if node.op == "sum" else "*"
    total: Node | None = None
    for k in range(low, high + 1):
        part = instance(node.body, letters, {**counts, (kind, node.index): k})
        total = part if total is None else Binary(op, total, part, span=node.span)
    return total if total is not None else Number(Fraction(op == "*"), span=node.span)


def with_ends(letters: Letters, sizes: Sizes) -> dict[tuple[str, str], int]:
    """Return the constants, and where the range of each running letter ends.

    Parameters
    ----------
    letters : Letters
    sizes : Sizes

    Returns
    -------
    dict of (str, str) to int
    """
    counts = sizes.counts(letters)
    for family, last in zip(letters.families, sizes.last, strict=True):
        for slot, letter in itertools.product(family.slots, family.letters):
            counts[slot[0], "last:" + letter] = last
    return counts


# ------------------------------------------------------------------------------------- all of them


def running_letters(node: Node, letters: Letters) -> list[tuple[str, str, Family]]:
    """Return the letters of families over which an equation holds, each with its family.

    Parameters
    ----------
    node : Node
    letters : Letters

    Returns
    -------
    list of (str, str, Family)
        "layer" or "index", the letter, the family.
    """
    found: dict[tuple[str, str], Family] = {}
    bound = {n.index for n in node.walk() if isinstance(n, Series)}
    for variable in variables(node):
        for slot, part in slots_of(variable):
            family = letters.family(slot)
            if family is None or is_word(part):
                continue
            for letter in sorted((letters_in(part) & family.letters) - bound):
                found[slot[0], letter] = family
    return [(kind, letter, family) for (kind, letter), family in found.items()]


def instances(
    node: Node, letters: Letters, sizes: Sizes, *, first: int
) -> Iterator[tuple[dict[tuple[str, str], int], Node]]:
    """Yield an equation for every value of its running letters that it can be written for.

    Parameters
    ----------
    node : Node
        An equation, or a side of one.
    letters : Letters
    sizes : Sizes
    first : int
        The least value of a letter.

    Yields
    ------
    (dict, Node)
        What the letters are, and the equation written out.

    Raises
    ------
    BindingError
        If it can be written for none.
    """
    counts = with_ends(letters, sizes)
    last = {id(f): n for f, n in zip(letters.families, sizes.last, strict=True)}
    free = running_letters(node, letters)
    ranges = [range(first, last[id(family)] + 1) for _, _, family in free]
    fault, any_made = None, False
    for values in itertools.product(*ranges):
        own = {(kind, letter): v for (kind, letter, _), v in zip(free, values, strict=True)}
        try:
            made = instance(node, letters, {**counts, **own})
        except BindingError as error:
            fault = error
            continue
        if not _beyond(made, letters, last):
            any_made = True
            yield {**counts, **own}, made
    if not any_made and fault is not None:
        raise fault


def _beyond(node: Node, letters: Letters, last: Mapping[int, int]) -> bool:
    """Tell whether an instance speaks of a layer after the last one."""
    for variable in variables(node):
        for slot, part in slots_of(variable):
            family = letters.family(slot)
            if family is not None and isinstance(part, Number) and part.value > last[id(family)]:
                return True
    return False


def generalised(equation: Equation, number: int, letter: str) -> Equation:
    """Return the equation of one layer as that of layer `letter`.

    What a page with dots leaves out: from the second layer it shows, the third is told.

    Parameters
    ----------
    equation : Equation
        Written out for the layer `number`.
    number : int
    letter : str

    Returns
    -------
    Equation

    Examples
    --------
    >>> second = Equation(Name("Z", Number(Fraction(2))), Name("A", Number(Fraction(1))))
    >>> general = generalised(second, 2, "l")
    >>> general.left.layer.base, general.right.layer.op
    ('l', '-')
    """

    def change(node: Node) -> Node:
        if not isinstance(node, (Name, Function)) or not isinstance(node.layer, Number):
            return node
        shift = int(node.layer.value) - number
        here: Node = Name(letter)
        if shift:
            here = Binary("-" if shift < 0 else "+", here, Number(Fraction(abs(shift))))
        return replace(node, layer=here)

    made = equation.map(change)
    assert isinstance(made, Equation)
    return made
