"""What a repair may be made of: the parts that the chain rule gives a derivative in some notes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from backlit.explain.equation.edits import Surroundings, shifted, variables
from backlit.explain.equation.pullback import Pullback, ShapeOf, simplified
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
)

_DEEPEST = 3
_MOST_TERMS = 40
_MOST_PARTS = 160
_LARGEST = 25


@dataclass(frozen=True)
class Ingredients:
    """What a derivative is made of.

    Attributes
    ----------
    whole : tuple of Node
        Guesses at all of it, the shortest first.
    parts : tuple of Node
        Expressions that stand in it, or near it.
    """

    whole: tuple[Node, ...]
    parts: tuple[Node, ...]


def ingredients(claim: Equation, around: Surroundings, shape: ShapeOf) -> Ingredients:
    """Return what the right side of a claim may be made of.

    Parameters
    ----------
    claim : Equation
        Of a derivative.
    around : Surroundings
    shape : callable
        The shape of a written expression, None if it has none.

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
    chain = _Chain(left, definitions, Pullback(shape, "@" if is_python else " "))
    whole = list(dict.fromkeys(chain.sums()))
    sources = [*chain.terms, *(d.right for d in definitions), claim.right]
    found: dict[Node, None] = dict.fromkeys(n for n in around.names if shape(n) is not None)
    for source in sources:
        found.update(dict.fromkeys(_parts(source)))
    found.update(dict.fromkeys(chain.links()))
    for name in list(found):
        if isinstance(name, Name) and len(shape(name) or ()) == 2:
            found[Transpose(name)] = None
    parts = [p for p in found if _size(p) <= _LARGEST]
    parts.sort(key=_size)
    return Ingredients(tuple(whole), tuple(parts[:_MOST_PARTS]))


class _Chain:
    """The chain rule from a variable towards what is differentiated."""

    def __init__(self, left: Derivative, definitions: Sequence[Equation], pull: Pullback) -> None:
        self.left = left
        self.definitions = definitions
        self.pull = pull
        self.terms: list[Node] = []

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
            terms = [simplified(term) for term in terms]
            self.terms += terms
            if terms:
                total = terms[0]
                for term in terms[1:]:
                    total = Binary("+", total, term)
                yield total

    def _terms(self, wrt: Name, depth: int) -> list[Node]:
        """Return the terms of ∂target/∂wrt, with the derivatives so many steps away left alone."""
        target = self.left.target
        if target is not None and not isinstance(target, Name):
            return list(self.pull(target, wrt, None))
        terms: list[Node] = []
        for definition in self.definitions:
            of = definition.left
            if not isinstance(of, Name) or not any(n == wrt for n in variables(definition.right)):
                continue
            for seed in self._seeds(of, depth):
                terms += self.pull(definition.right, wrt, seed)
            if len(terms) > _MOST_TERMS:
                break
        return terms[:_MOST_TERMS]

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

    def _is_last(self, name: Name) -> bool:
        return not any(name in variables(d.right) for d in self.definitions)

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
            for name in dict.fromkeys(variables(definition.right)):
                yield Derivative(of, name)


def _instances(claim: Equation, definitions: Sequence[Equation]) -> Iterator[Equation]:
    """Yield definitions for the layers and the indices that a claim speaks of."""
    layers = _counters(claim, "layer")
    indices = _counters(claim, "index")
    for definition in definitions:
        found = {definition: None}
        for slot, wanted in (("layer", layers), ("index", indices)):
            for letter in sorted(_letters(definition, slot)):
                for one in list(found):
                    found.update(dict.fromkeys(_moved(one, slot, letter, to) for to in wanted))
        yield from found


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


def _moved(equation: Equation, slot: str, letter: str, to: Node) -> Equation:
    """Return a definition with a letter in its layers or indices replaced."""

    def place(node: Node) -> Node:
        if node == Name(letter):
            return to
        if isinstance(node, Binary) and node.left == Name(letter) and node.op in "+-":
            step = node.right.value if isinstance(node.right, Number) else None
            if step is not None and step.denominator == 1:
                return shifted(to, int(step) if node.op == "+" else -int(step))
        return node

    def change(node: Node) -> Node:
        if not isinstance(node, Name):
            return node
        if slot == "layer" and node.layer is not None:
            return replace(node, layer=place(node.layer))
        if slot == "index" and node.index:
            return replace(node, index=tuple([place(part) for part in node.index]))
        return node

    moved = equation.map(change)
    assert isinstance(moved, Equation)
    return moved


def _parts(node: Node) -> Iterator[Node]:
    """Yield the expressions inside one that have a value of their own."""
    if isinstance(node, (Number, Constant)):
        return
    yield node
    if isinstance(node, (Name, Derivative, Element)):
        return
    if isinstance(node, Call):
        for arg in node.args:
            yield from _parts(arg)
    elif isinstance(node, Series):
        # What is inside has a value in another sum over the same index only.
        return
    elif isinstance(node, Power):
        yield from _parts(node.base)
    else:
        for child in node.children():
            yield from _parts(child)


def _size(node: Node) -> int:
    return sum(1 for _ in node.walk())
