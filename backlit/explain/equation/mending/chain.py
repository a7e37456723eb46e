"""The chain rule from a variable to what is differentiated, in the letters of the notes."""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from dataclasses import replace

from backlit.explain.equation.binding.steps import moved, shifted
from backlit.explain.equation.binding.written import names_in
from backlit.explain.equation.mending.places import rebound
from backlit.explain.equation.mending.pullback import Pullback
from backlit.explain.equation.mending.terms import added, collected, simplified
from backlit.explain.equation.tree import (
    Binary,
    Call,
    Derivative,
    Equation,
    Name,
    Node,
    Series,
    Unary,
)

_DEEPEST = 3
_DEPTHS = (8, 4, 2)
_MOST_TERMS = 40


class Chain:
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
        self._known: dict[tuple[Name, int], list[Node]] = {}

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
            terms = self._short(terms)
            self.terms += terms
            if terms:
                yield added(collected(terms))

    def learn(self) -> None:
        """Note the terms of the array that a variable is an element of."""
        wrt = self.left.wrt
        if isinstance(wrt, Name) and wrt.index and not self.terms:
            for depth in range(_DEEPEST):
                self.terms += self._short(self._terms(replace(wrt, index=()), depth))

    def deepest(self) -> Iterator[Node]:
        """Yield the derivative in terms of nothing but variables, and one step less."""
        wrt = self.left.wrt
        if isinstance(wrt, Name) and self.left.second is None:
            found: dict[Node, None] = {}
            for depth in _DEPTHS:
                terms = collected(self._short(self._terms(wrt, depth)))
                if 0 < len(terms) < _MOST_TERMS:
                    found[added(terms)] = None
            yield from found

    def _short(self, terms: Sequence[Node]) -> list[Node]:
        return [simplified(term.map(self._tidied)) for term in terms]

    def _terms(self, wrt: Name, depth: int) -> list[Node]:
        if (wrt, depth) not in self._known:
            self._known[wrt, depth] = self._pulled(wrt, depth)
        return list(self._known[wrt, depth])

    def _pulled(self, wrt: Name, depth: int) -> list[Node]:
        """Return the terms of ∂target/∂wrt, with the derivatives so many steps away left alone."""
        target = self.left.target
        if target is not None and not isinstance(target, Name):
            return list(self.pull(self._written_out(target), wrt, None))
        terms: list[Node] = []
        for definition in self.definitions:
            of = definition.left
            right = definition.right
            if not _meets(right, wrt):
                # It may stand in a function that the notes define.
                right = right.map(self._written_out)
            if not isinstance(of, Name) or not _meets(right, wrt) or not self._leads(of):
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
        own = counters_in(of) & self.counters - counters_in(wrt)
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
                if isinstance(of, Name) and of not in met and _leads_into(name, definition.right):
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


def _meets(node: Node, wrt: Name) -> bool:
    """Tell whether a variable stands in an expression: o_{t+1} does in Σ_t o_t."""
    if wrt in names_in(node):
        return True
    return any(
        isinstance(part, Name)
        and (part.base, part.layer, len(part.index)) == (wrt.base, wrt.layer, len(wrt.index))
        and any(own == Name(series.index) for own in part.index)
        for series in node.walk()
        if isinstance(series, Series) and series.index
        for part in series.body.walk()
    )


def _leads_into(name: Name, node: Node) -> bool:
    """Tell whether a variable, of some step or layer, stands in an expression."""
    if name.layer is None and not name.index:
        return name in names_in(node)
    return any(other.base == name.base for other in names_in(node))


def _sum(term: Node, letters: Sequence[str]) -> Node:
    """Return a term summed over some indices, a minus outside."""
    if isinstance(term, Unary) and letters:
        return Unary(term.op, _sum(term.operand, letters))
    for letter in letters:
        term = Series("sum", term, letter)
    return term


def instances(claim: Equation, definitions: Sequence[Equation]) -> Iterator[Equation]:
    """Yield definitions for the layers and the indices that a claim speaks of."""
    layers = _counters(claim, "layer")
    indices = _counters(claim, "index")
    for definition in definitions:
        found = {definition: None}
        for slot, wanted in (("layer", layers), ("index", indices)):
            for letter in sorted(_letters(definition, slot) - series_letters(definition)):
                for one in list(found):
                    found.update(dict.fromkeys(_moved(one, slot, letter, to) for to in wanted))
        yield from found


def _moved(definition: Equation, slot: str, letter: str, to: Node) -> Equation:
    """Move a definition to another index; a sum over that very letter gets another one."""
    taken = {n.base for n in (*definition.walk(), *to.walk()) if isinstance(n, Name)}
    for bound in series_letters(definition) & {n.base for n in to.walk() if isinstance(n, Name)}:
        free = next(c for c in string.ascii_lowercase[10:] + string.ascii_letters if c not in taken)
        made = rebound(definition, bound, free)
        assert isinstance(made, Equation)
        definition = made
        taken.add(free)
    return moved(definition, slot, letter, to)


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


def series_letters(node: Node) -> frozenset[str]:
    """Return the indices that the sums in an expression run over.

    Parameters
    ----------
    node : Node

    Returns
    -------
    frozenset of str
    """
    return frozenset(n.index for n in node.walk() if isinstance(n, Series) and n.index)


def counters_in(node: Node) -> set[str]:
    """Return the letters that count layers, examples or elements in an expression."""
    return _letters(node, "layer") | _letters(node, "index")
