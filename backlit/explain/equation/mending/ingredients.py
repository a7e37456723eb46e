"""What a repair may be made of: the parts that the chain rule gives a derivative in some notes."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import permutations

from backlit.explain.equation.binding.letters import names_in
from backlit.explain.equation.binding.steps import moved, shifted
from backlit.explain.equation.mending.edits import Surroundings, parts
from backlit.explain.equation.mending.pullback import Pullback, ShapeOf, renamed
from backlit.explain.equation.mending.terms import added, distributed, factors, product, simplified
from backlit.explain.equation.tree import (
    Binary,
    Call,
    Constant,
    Derivative,
    Element,
    Equation,
    Name,
    Node,
    Number,
    Power,
    Series,
    Transpose,
    Unary,
)
from backlit.explain.equation.values.arithmetic import Shape

_DEEPEST = 3
_MOST_TERMS = 40
_MOST_PARTS = 160
_LARGEST = 25
_LARGEST_ELEMENT = 9
_LINK = 3


@dataclass(frozen=True)
class Ingredients:
    """What a derivative is made of.

    Attributes
    ----------
    whole : tuple of Node
        Guesses at all of it, the shortest first.
    paths : tuple of (Node, Name)
        A term for each path, ∂L/∂v · ∂v/∂w, and the variable v that it leads through.
    terms : tuple of Node
        What it is the sum of.
    parts : tuple of Node
        Other expressions that stand in it, or near it.
    inner : tuple of Node
        What stands below signs of sums, in terms of their indices.
    unsummed : tuple of str
        Indices of sums in the notes that stand on the right side and not on the left.
    matmul : {"@", " "}
        How a matrix product is written.
    """

    whole: tuple[Node, ...]
    paths: tuple[tuple[Node, Name], ...]
    terms: tuple[Node, ...]
    parts: tuple[Node, ...]
    inner: tuple[Node, ...]
    unsummed: tuple[str, ...]
    matmul: str


def ingredients(
    claim: Equation,
    around: Surroundings,
    shape: ShapeOf,
    length: Callable[[int], Name | None] = lambda length: None,
) -> Ingredients:
    """Return what the right side of a claim may be made of.

    Parameters
    ----------
    claim : Equation
        Of a derivative.
    around : Surroundings
    shape : callable
        The shape of a written expression, None if it has none.
    length : callable, optional
        The name of a dimension by its length, None if it has none.

    Returns
    -------
    Ingredients
    """
    left = claim.left
    assert isinstance(left, Derivative)
    definitions = list(_instances(claim, around.definitions))
    is_python = any(
        isinstance(n, Binary) and n.op == "@" for e in (claim, *definitions) for n in e.walk()
    )
    matmul = "@" if is_python else " "
    counters = frozenset(c for e in (claim, *around.definitions) for c in _series_letters(e))
    shape = _counting(shape, counters)
    chain = _Chain(left, definitions, Pullback(shape, matmul, length), counters)
    whole = [w for w in dict.fromkeys(chain.sums()) if not states(w, left)]
    sources = [*chain.terms, *(d.right for d in definitions), claim.right]
    found: dict[Node, None] = dict.fromkeys(n for n in around.names if shape(n) is not None)
    for source in sources:
        found.update(dict.fromkeys(_valued(source)))
    found.update(dict.fromkeys(chain.links()))
    found.update(dict.fromkeys(_errors(definitions, shape)))
    elements = list(_elements(list(found), around.letters, shape))
    found.update(dict.fromkeys(elements))
    for name in list(found):
        if isinstance(name, Name) and len(shape(name) or ()) == 2:
            found[Transpose(name)] = None
    others = [p for p in found if size(p) <= _LARGEST and not states(p, left)]
    others.sort(key=effort)
    terms = dict.fromkeys(t for term in chain.terms for t in (term, *distributed(term)))
    return Ingredients(
        tuple(whole),
        tuple(chain.paths(around.names)),
        tuple([t for t in terms if not states(t, left)]),
        tuple(others[:_MOST_PARTS]),
        tuple(dict.fromkeys([*_counted(claim.right, sources, around.letters), *elements])),
        tuple(sorted(counters & _counters_in(claim.right) - _counters_in(left))),
        matmul,
    )


def _errors(definitions: Sequence[Equation], shape: ShapeOf) -> Iterator[Node]:
    """Yield a − y for what is computed and what is given in one shape: errors of outputs."""
    defined = [d.left for d in definitions if isinstance(d.left, Name)]
    used = dict.fromkeys(n for d in definitions for n in names_in(d.right))
    for made in dict.fromkeys(defined):
        for given in used:
            if given not in defined and shape(given) == shape(made) is not None:
                yield Binary("-", made, given)


def _elements(found: Sequence[Node], letters: Sequence[Name], shape: ShapeOf) -> Iterator[Node]:
    """Yield elements of arrays at the running indices of a claim: a_i − y_i of a − y."""
    for part in found if letters else ():
        names = [n for n in part.walk() if isinstance(n, Name)]
        if size(part) > _LARGEST_ELEMENT or any(n.index for n in names):
            continue
        ranks = {n: len(shape(n) or ()) for n in names}
        if len(shape(part) or ()) == 1 and set(ranks.values()) <= {0, 1}:
            for letter in letters:
                yield _at(part, {n: (letter,) for n in names if ranks[n] == 1})
        elif isinstance(part, Name) and ranks[part] == 2:
            for place in permutations(letters, 2):
                yield _at(part, {part: place})


def _at(node: Node, places: Mapping[Name, tuple[Node, ...]]) -> Node:
    def change(part: Node) -> Node:
        if isinstance(part, Name) and part in places:
            return replace(part, index=places[part])
        return part

    return node.map(change)


def states(node: Node, left: Node) -> bool:
    """Tell whether an expression contains the derivative that a claim is about: it says nothing."""
    return isinstance(left, Derivative) and any(
        isinstance(n, Derivative) and n.wrt == left.wrt and n.target in (None, left.target)
        for n in node.walk()
    )


class _Chain:
    """The chain rule from a variable towards what is differentiated."""

    def __init__(
        self,
        left: Derivative,
        definitions: Sequence[Equation],
        pull: Pullback,
        counters: frozenset[str],
    ) -> None:
        self.left = left
        self.definitions = definitions
        self.pull = pull
        self.terms: list[Node] = []
        self.counters = counters

    def sums(self) -> Iterator[Node]:
        """Yield the derivative in short: in terms of those next to it, then of those beyond."""
        wrt = self.left.wrt
        if not isinstance(wrt, Name):
            return
        for depth in range(_DEEPEST):
            terms = self._terms(wrt, depth)
            if self.left.second is not None and isinstance(self.left.second, Name):
                again = self.left.second
                terms = [t for term in terms for t in self.pull(term, again, None)]
            terms = [simplified(term.map(self._tidied)) for term in terms]
            self.terms += terms
            if terms:
                yield added(terms)

    def _terms(self, wrt: Name, depth: int) -> list[Node]:
        """Return the terms of ∂target/∂wrt, with the derivatives so many steps away left alone."""
        target = self.left.target
        if target is not None and not isinstance(target, Name):
            return list(self.pull(self._written_out(target), wrt, None))
        terms: list[Node] = []
        for definition in self.definitions:
            of = definition.left
            right = definition.right
            if wrt not in names_in(right):
                # It may stand in a function that the notes define.
                right = right.map(self._written_out)
            if not isinstance(of, Name) or wrt not in names_in(right) or not self._leads(of):
                continue
            over = self._summed_over(of, wrt)
            if over is None:
                continue
            for seed in self._seeds(of, depth):
                terms += [_sum(term, over) for term in self.pull(right, wrt, seed)]
            if len(terms) > _MOST_TERMS:
                break
        return terms[:_MOST_TERMS]

    def _summed_over(self, of: Name, wrt: Name) -> list[str] | None:
        """Return the indices of a definition that a variable without them meets every value of.

        None for an instance of it for one of these values: the sum has it already.
        """
        own = _counters_in(of) & self.counters - _counters_in(wrt)
        plain = {n.base for n in (*of.index, *(of.layer,) * bool(of.layer)) if isinstance(n, Name)}
        return sorted(own) if own <= plain else None

    def _seeds(self, of: Name, depth: int) -> list[Node | None]:
        """Return what ∂target/∂of is: one thing, the sum of its terms."""
        if of == self.left.target or (self.left.target is None and self._is_last(of)):
            return [None]
        if depth:
            terms = self._terms(of, depth - 1)
            if terms:
                return list(terms)
        style = self.left.style if self.left.target is None else "fraction"
        return [Derivative(self.left.target, of, style=style)]

    def _tidied(self, node: Node) -> Node:
        """Return a for σ(z) where the notes have a = σ(z), and products with numbers as such."""
        if isinstance(node, Binary) and node.op == "*" and self.pull.is_scaling(node):
            return Binary(" ", node.left, node.right)
        if isinstance(node, Call):
            for definition in self.definitions:
                if definition.right == node and isinstance(definition.left, Name):
                    return definition.left
        return node

    def _written_out(self, target: Node) -> Node:
        """Return what a function of the notes is where it is applied."""
        for definition in self.definitions:
            head = definition.left
            if isinstance(head, Call) and isinstance(target, Call):
                if head.function == target.function and len(head.args) == len(target.args):
                    given = dict(zip(head.args, target.args, strict=True))
                    return definition.right.map(lambda n, g=given: g.get(n, n))  # type: ignore[misc]
        return target

    def paths(self, names: Sequence[Name]) -> Iterator[tuple[Node, Name]]:
        """Yield a term for the path through each variable: ∂L/∂v · ∂v/∂w."""
        left = self.left
        style = left.style if left.target is None else "fraction"
        for name in names:
            upstream = Derivative(left.target, name, style=style)
            if name not in (left.wrt, left.target) and left.second is None:
                yield Binary(".", upstream, Derivative(name, left.wrt)), name

    def _leads(self, start: Name) -> bool:
        """Tell whether what is differentiated depends on a variable, by the definitions."""
        target = self.left.target
        if not isinstance(target, Name):
            return True
        met, waiting = {start}, [start]
        while waiting:
            name = waiting.pop()
            for definition in self.definitions:
                of = definition.left
                if isinstance(of, Name) and of not in met and name in names_in(definition.right):
                    met.add(of)
                    waiting.append(of)
        return target in met

    def _is_last(self, name: Name) -> bool:
        return not any(name in names_in(d.right) for d in self.definitions)

    def links(self) -> Iterator[Node]:
        """Yield the derivatives that the definitions link: ∂a/∂z, ∂L/∂a."""
        target = self.left.target
        for definition in self.definitions:
            of = definition.left
            if not isinstance(of, Name):
                continue
            if target is None:
                yield Derivative(None, of, style="bare")
            elif of != target:
                yield Derivative(target, of)
            for name in dict.fromkeys(names_in(definition.right)):
                yield Derivative(of, name)


def _sum(term: Node, letters: Sequence[str]) -> Node:
    """Return a term summed over some indices, a minus outside."""
    if isinstance(term, Unary) and letters:
        return Unary(term.op, _sum(term.operand, letters))
    for letter in letters:
        term = Series("sum", term, letter)
    return term


def _instances(claim: Equation, definitions: Sequence[Equation]) -> Iterator[Equation]:
    """Yield definitions for the layers and the indices that a claim speaks of."""
    layers = _counters(claim, "layer")
    indices = _counters(claim, "index")
    for definition in definitions:
        found = {definition: None}
        for slot, wanted in (("layer", layers), ("index", indices)):
            for letter in sorted(_letters(definition, slot) - _series_letters(definition)):
                for one in list(found):
                    found.update(dict.fromkeys(_moved(one, slot, letter, to) for to in wanted))
        yield from found


def _moved(definition: Equation, slot: str, letter: str, to: Node) -> Equation:
    """Move a definition to another index; a sum over that very letter gets another one."""
    taken = {n.base for n in (*definition.walk(), *to.walk()) if isinstance(n, Name)}
    for bound in _series_letters(definition) & {n.base for n in to.walk() if isinstance(n, Name)}:
        free = next(c for c in string.ascii_lowercase[10:] + string.ascii_letters if c not in taken)
        definition = _rebound(definition, bound, free)
        taken.add(free)
    return moved(definition, slot, letter, to)


def _rebound(definition: Equation, bound: str, free: str) -> Equation:
    def change(node: Node) -> Node:
        if isinstance(node, Series) and node.index == bound:
            return replace(node, index=free, body=renamed(node.body, bound, Name(free)))
        return node

    made = definition.map(change)
    assert isinstance(made, Equation)
    return made


def _counters(node: Node, slot: str) -> list[Node]:
    """Return what layers or indices are said to be, and their neighbours."""
    found: dict[Node, None] = {}
    for part in node.walk():
        if isinstance(part, Name):
            given = (part.layer,) if slot == "layer" else part.index
            found.update(dict.fromkeys(g for g in given if g is not None))
    for place in list(found):
        found.update(dict.fromkeys(shifted(place, step) for step in (1, -1)))
    return list(found)[:9]


def _letters(node: Node, slot: str) -> set[str]:
    found: set[str] = set()
    for part in node.walk():
        if isinstance(part, Name):
            given = (part.layer,) if slot == "layer" else part.index
            for place in given:
                if place is not None:
                    found |= {n.base for n in place.walk() if isinstance(n, Name)}
    return {letter for letter in found if len(letter) == 1 and letter.islower()}


def _valued(node: Node) -> Iterator[Node]:
    """Yield the expressions inside one that have a value of their own."""
    if isinstance(node, (Number, Constant)):
        return
    yield node
    if isinstance(node, (Name, Derivative, Element)):
        return
    if isinstance(node, Binary) and node.op in (" ", "@"):
        # A product of matrices may be taken in any order: W₁ x is a part of W₂ W₁ x.
        chain = factors(node)
        for start in range(1, len(chain) - 1):
            yield product(chain[start:], node.op)
    if isinstance(node, Call):
        for arg in node.args:
            yield from _valued(arg)
    elif isinstance(node, Series):
        # What is inside has a value in another sum over the same index only.
        return
    elif isinstance(node, Power):
        yield from _valued(node.base)
    else:
        for child in node.children():
            yield from _valued(child)


def _series_letters(node: Node) -> frozenset[str]:
    """Return the indices that the sums in an expression run over."""
    return frozenset(n.index for n in node.walk() if isinstance(n, Series) and n.index)


def _counting(shape: ShapeOf, letters: frozenset[str]) -> ShapeOf:
    """Return shapes also of what stands below a sign of a sum: those of its first term."""
    first = Number(Fraction(1))

    def at_first(part: Node) -> Node:
        return first if isinstance(part, Name) and part.base in letters else part

    def found(node: Node) -> Shape | None:
        known = shape(node)
        return shape(node.map(at_first)) if known is None and letters else known

    return found


def _counted(right: Node, sources: Sequence[Node], letters: Sequence[Name]) -> Iterator[Node]:
    """Yield what may be a factor below the signs of sums in a claim, in terms of their indices."""
    summed = _series_letters(right)
    for source in sources if summed else ():
        for part in parts(source):
            if size(part) <= _LARGEST_ELEMENT and summed & _counters_in(part):
                yield part
                if isinstance(part, Name) and part.layer is not None and not part.index:
                    # Of the vector of an example the element that the claim is about.
                    yield from (replace(part, index=(letter,)) for letter in letters)


def _counters_in(node: Node) -> set[str]:
    """Return the letters that count layers, examples or elements in an expression."""
    return _letters(node, "layer") | _letters(node, "index")


def effort(node: Node) -> int:
    """Return how much there is to read: g′(z) is rather understood than ∂a/∂z."""
    is_link = isinstance(node, Derivative) and isinstance(node.target, Name)
    return size(node) + _LINK * is_link


def size(node: Node) -> int:
    """Return of how many parts an expression is."""
    return sum(1 for _ in node.walk())
