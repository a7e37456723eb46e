"""What a repair may be made of: the parts that the chain rule gives a derivative in some notes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import permutations

from backlit.explain.equation.binding.written import names_in
from backlit.explain.equation.mending.chain import Chain, counters_in, instances, series_letters
from backlit.explain.equation.mending.places import free_letters
from backlit.explain.equation.mending.pullback import Pullback, ShapeOf
from backlit.explain.equation.mending.surroundings import Surroundings, parts
from backlit.explain.equation.mending.terms import (
    distributed,
    factors,
    product,
)
from backlit.explain.equation.tree import (
    Binary,
    Call,
    Constant,
    Derivative,
    Element,
    Equation,
    Function,
    Name,
    Node,
    Number,
    Power,
    Series,
    Transpose,
)
from backlit.explain.equation.values.arithmetic import Shape

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
    deep : tuple of Node
        All of it, written out as far as it goes.
    unsummed : tuple of str
        Indices of sums in the notes, and others without one, on the right side and not on the left.
    matmul : {"@", " "}
        How a matrix product is written.
    """

    whole: tuple[Node, ...]
    paths: tuple[tuple[Node, Name], ...]
    terms: tuple[Node, ...]
    parts: tuple[Node, ...]
    inner: tuple[Node, ...]
    deep: tuple[Node, ...]
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
    definitions = list(instances(claim, around.definitions))
    is_python = any(
        isinstance(n, Binary) and n.op == "@" for e in (claim, *definitions) for n in e.walk()
    )
    matmul = "@" if is_python else " "
    counters = frozenset(c for e in (claim, *around.definitions) for c in series_letters(e))
    shape = counting(shape, counters)
    chain = Chain(left, definitions, Pullback(shape, matmul, length), counters)
    whole = [w for w in dict.fromkeys(chain.sums()) if not states(w, left)]
    chain.learn()
    deep = [w for w in chain.deepest() if not states(w, left)]
    sources = [*chain.terms, *(d.right for d in definitions), claim.right]
    found: dict[Node, None] = dict.fromkeys(n for n in around.names if shape(n) is not None)
    for source in sources:
        found.update(dict.fromkeys(_valued(source)))
    found.update(dict.fromkeys(chain.links()))
    found.update(dict.fromkeys(_errors(definitions, shape)))
    found.update(dict.fromkeys(_signs(definitions)))
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
        tuple(deep),
        tuple(
            dict.fromkeys(
                [
                    *free_letters(left, claim.right),
                    *sorted(counters & counters_in(claim.right) - counters_in(left)),
                ]
            )
        ),
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


def _signs(definitions: Sequence[Equation]) -> Iterator[Node]:
    """Yield the slopes of absolute values."""
    for definition in definitions:
        for node in definition.right.walk():
            if isinstance(node, Call) and node.function.name == "abs":
                yield Call(Function("sign"), node.args)


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


def counting(shape: ShapeOf, letters: frozenset[str]) -> ShapeOf:
    """Return shapes also of what stands below a sign of a sum: those of its first term.

    Parameters
    ----------
    shape : callable
    letters : frozenset of str
        The indices that sums run over.

    Returns
    -------
    callable
    """
    first = Number(Fraction(1))

    def at_first(part: Node) -> Node:
        return first if isinstance(part, Name) and part.base in letters else part

    def found(node: Node) -> Shape | None:
        known = shape(node)
        return shape(node.map(at_first)) if known is None and letters else known

    return found


def _counted(right: Node, sources: Sequence[Node], letters: Sequence[Name]) -> Iterator[Node]:
    """Yield what may be a factor below the signs of sums in a claim, in terms of their indices."""
    summed = series_letters(right)
    for source in sources if summed else ():
        for part in parts(source):
            if size(part) <= _LARGEST_ELEMENT and summed & counters_in(part):
                yield part
                if isinstance(part, Name) and part.layer is not None and not part.index:
                    # Of the vector of an example the element that the claim is about.
                    yield from (replace(part, index=(letter,)) for letter in letters)


def effort(node: Node) -> int:
    """Return how much there is to read: g′(z) is rather understood than ∂a/∂z."""
    is_link = isinstance(node, Derivative) and isinstance(node.target, Name)
    return size(node) + _LINK * is_link


def size(node: Node) -> int:
    """Return of how many parts an expression is."""
    return sum(1 for _ in node.walk())
