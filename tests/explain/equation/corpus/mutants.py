"""Right claims with one mistake put in, of every kind that students make.

A mutant is the sheet it is from with one right side edited in the tree and written back. Whether
the edit makes the claim wrong is told by the hand-written network, not by the checker.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from backlit.explain.equation.text import printing
from backlit.explain.equation.text.entries import Statement
from backlit.explain.equation.text.notes import read
from backlit.explain.equation.tree import (
    Binary,
    Call,
    Derivative,
    Element,
    Equation,
    Function,
    Name,
    Node,
    Number,
    Series,
    Transpose,
    Unary,
)
from tests.explain.equation.corpus.plain import Misfit, Plain, Unknown, choices, holds
from tests.explain.equation.corpus.reading import Sheet, sheets

_PRODUCTS = (" ", ".", "*", "@")
_TWO, _HALF = Number(Fraction(2)), Number(Fraction(1, 2))


@dataclass(frozen=True)
class Mutant:
    """A sheet with one mistake.

    Attributes
    ----------
    sheet : Sheet
    line : int
    kind : str
        The edit, of `EDITS`.
    original, equation : Equation
        The claim as it was and as it is read now.
    text : str
        The notes with the mistake.
    """

    sheet: Sheet
    line: int
    kind: str
    original: Equation
    equation: Equation
    text: str

    @property
    def claim(self) -> str:
        return self.text.split("\n")[self.line - 1]


@dataclass(frozen=True)
class Scene:
    """What an edit may look up: the claim and the network it is about."""

    sheet: Sheet
    claim: Equation

    def rank(self, node: Node) -> int | None:
        """Return the number of axes that a part of the claim has, None if it has no value."""
        point = self.sheet.points[0]
        for letters in choices(self.claim, point):
            for layout in ("elementwise", "numerator"):
                try:
                    return int(np.ndim(Plain(point, letters, layout)(node)))
                except (Misfit, Unknown):
                    continue
        return None

    def has(self, node: Node) -> bool:
        return self.rank(node) is not None

    def activations(self) -> Iterator[tuple[Node, Name]]:
        """Yield what goes into a function by a definition, and the name of what comes out."""
        for definition in self.sheet.definitions():
            right = definition.right
            if isinstance(definition.left, Name) and isinstance(right, Call):
                yield right.args[0], definition.left


Edit = Callable[[Node, Scene], Iterator[Node]]


def _replaced(root: Node, old: Node, new: Node) -> Node:
    """Return a tree with one of its nodes, told by identity, replaced."""
    return root.map(lambda node: new if node is old else node)


def _each(root: Node, kind: type | tuple[type, ...]) -> Iterator[Node]:
    """Yield the parts of an expression that are of a type, subscripts left out."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, kind):
            yield node
        if isinstance(node, Element):
            waiting.append(node.operand)
        elif not isinstance(node, Name):
            waiting += reversed(list(node.children()))


def _whole(root: Node) -> Iterator[Node]:
    """Yield the variables and derivatives, what a derivative is made of left out."""
    inside = {id(n) for d in _each(root, Derivative) for n in d.children()}
    for node in _each(root, (Name, Derivative)):
        if id(node) not in inside:
            yield node


# ------------------------------------------------------------------------------------- edits


def transpose(root: Node, scene: Scene) -> Iterator[Node]:
    for node in _each(root, Transpose):
        assert isinstance(node, Transpose)
        yield _replaced(root, node, node.operand)
    transposed = {id(n.operand) for n in _each(root, Transpose) if isinstance(n, Transpose)}
    for node in _whole(root):
        if id(node) not in transposed and scene.rank(node) == 2:
            yield _replaced(root, node, Transpose(node))


def order(root: Node, scene: Scene) -> Iterator[Node]:
    for node in _each(root, Binary):
        assert isinstance(node, Binary)
        if node.op in (" ", ".", "@") and scene.rank(node.left) and scene.rank(node.right):
            yield _replaced(root, node, Binary(node.op, node.right, node.left))


def elementwise(root: Node, scene: Scene) -> Iterator[Node]:
    for node in _each(root, Binary):
        assert isinstance(node, Binary)
        if scene.rank(node.left) and scene.rank(node.right):
            if node.op == "*":
                python = any(isinstance(n, Binary) and n.op == "@" for n in root.walk())
                yield _replaced(root, node, replace(node, op="@" if python else " "))
            elif node.op in _PRODUCTS:
                yield _replaced(root, node, replace(node, op="*"))


def sign(root: Node, scene: Scene) -> Iterator[Node]:
    for node in _each(root, (Binary, Unary)):
        if isinstance(node, Binary) and node.op in "+-":
            yield _replaced(root, node, replace(node, op="-" if node.op == "+" else "+"))
        elif isinstance(node, Unary):
            yield _replaced(root, node, node.operand)
    if not isinstance(root, Unary):
        yield Unary("-", root)


def factor(root: Node, scene: Scene) -> Iterator[Node]:
    # A sum is multiplied as a whole; elsewhere the number joins the first factor.
    yield Binary("*" if _is_python(root) else " ", _TWO, root)
    yield Binary("*" if _is_python(root) else " ", _HALF, root)
    for node in _each(root, Binary):
        assert isinstance(node, Binary)
        if node.op in _PRODUCTS and isinstance(node.left, Number):
            yield _replaced(root, node, node.right)
        elif node.op == "/" and isinstance(node.right, Number):
            yield _replaced(root, node, node.left)


def _is_python(root: Node) -> bool:
    return any(isinstance(n, Binary) and n.op == "@" for n in root.walk())


def count(root: Node, scene: Scene) -> Iterator[Node]:
    """1/m left out, or once too often."""
    letters = {
        node.right.base
        for definition in scene.sheet.definitions()
        for node in definition.right.walk()
        if isinstance(node, Binary) and node.op == "/" and isinstance(node.right, Name)
    } & {"m", "n", "N"}
    for node in _each(root, (Binary, Call)):
        if isinstance(node, Binary) and node.op == "/":
            if isinstance(node.right, Name) and node.right.base in letters:
                if node.left == Number(Fraction(1)):
                    yield from _without(root, node)
                else:
                    yield _replaced(root, node, node.left)
        elif isinstance(node, Call) and node.function.name == "mean":
            yield _replaced(root, node, replace(node, function=Function("sum")))
    for letter in sorted(letters):
        yield Binary("/", root, Name(letter))


def _without(root: Node, old: Node) -> Iterator[Node]:
    """Yield a tree without one factor of a product."""
    for node in _each(root, Binary):
        assert isinstance(node, Binary)
        if node.op in _PRODUCTS and old in (node.left, node.right):
            yield _replaced(root, node, node.right if node.left is old else node.left)


def axis(root: Node, scene: Scene) -> Iterator[Node]:
    for node in _each(root, Call):
        assert isinstance(node, Call)
        for place, (key, value) in enumerate(node.keywords):
            if key == "axis" and isinstance(value, Number):
                other = ("axis", Number(1 - value.value))
                changed = (*node.keywords[:place], other, *node.keywords[place + 1 :])
                yield _replaced(root, node, replace(node, keywords=changed))


def index(root: Node, scene: Scene) -> Iterator[Node]:
    """Another layer, step or element."""
    for node in _each(root, Name):
        assert isinstance(node, Name)
        if node.layer is not None:
            for other in _neighbours(node.layer, scene):
                yield from _known(root, node, replace(node, layer=other), scene)
        for place, part in enumerate(node.index):
            for other in _neighbours(part, scene):
                changed = (*node.index[:place], other, *node.index[place + 1 :])
                yield from _known(root, node, replace(node, index=changed), scene)
        letters = node.base.rstrip("0123456789")
        if letters != node.base and node.layer is None and not node.index:
            digit = int(node.base[len(letters) :])
            for near in (digit - 1, digit + 1):
                if near >= 0:
                    yield from _known(root, node, Name(f"{letters}{near}"), scene)


def _neighbours(node: Node, scene: Scene) -> Iterator[Node]:
    ranges = scene.sheet.network.ranges
    if isinstance(node, Number):
        yield Number(node.value + 1)
        if node.value >= 1:
            yield Number(node.value - 1)
    elif isinstance(node, Name) and node.base in "lLtTn":
        yield Binary("-", node, Number(Fraction(1)))
    elif isinstance(node, Name) and node.base in ranges:
        used = {n.base for n in scene.claim.walk() if isinstance(n, Name)}
        for letter in sorted(used & set(ranges) - {node.base}):
            yield Name(letter)
    elif isinstance(node, Binary) and node.op in "+-":
        yield node.left


def _known(root: Node, old: Node, new: Node, scene: Scene) -> Iterator[Node]:
    if scene.has(new):
        yield _replaced(root, old, new)


def symbol(root: Node, scene: Scene) -> Iterator[Node]:
    """dW for W, Z for A, and the other way round."""
    bare = any(isinstance(n, Derivative) and n.target is None for n in scene.claim.walk())
    pairs = [(inner, outer) for inner, outer in scene.activations() if isinstance(inner, Name)]
    for node in _whole(root):
        if isinstance(node, Derivative):
            if node.target is None:
                yield _replaced(root, node, node.wrt)
        elif bare and scene.rank(node):
            yield _replaced(root, node, Derivative(None, node, style="bare"))
        for inner, outer in pairs:
            if node == outer:
                yield _replaced(root, node, inner)
            elif node == inner:
                yield _replaced(root, node, outer)


def term(root: Node, scene: Scene) -> Iterator[Node]:
    """A path left out: one term of a sum that is no error such as a − y."""
    terms = list(_terms(root))
    if len(terms) < 2 or all(isinstance(part, Name) for _, part in terms):
        return
    for left_out in range(len(terms)):
        if not _is_number(terms[left_out][1]):
            yield _sum(terms[:left_out] + terms[left_out + 1 :])


def _terms(node: Node, positive: bool = True) -> Iterator[tuple[bool, Node]]:
    """Yield the terms of a sum, and whether they are added."""
    if isinstance(node, Binary) and node.op in "+-":
        yield from _terms(node.left, positive)
        yield from _terms(node.right, positive == (node.op == "+"))
    elif isinstance(node, Unary):
        yield from _terms(node.operand, not positive)
    else:
        yield positive, node


def _sum(terms: list[tuple[bool, Node]]) -> Node:
    positive, total = terms[0]
    total = total if positive else Unary("-", total)
    for positive, node in terms[1:]:
        total = Binary("+" if positive else "-", total, node)
    return total


def missing(root: Node, scene: Scene) -> Iterator[Node]:
    """A factor of a path left out."""
    for _, path in _terms(root):
        inner = path
        while isinstance(inner, Series) or (isinstance(inner, Call) and inner.keywords):
            inner = inner.body if isinstance(inner, Series) else inner.args[0]
        for node in _products(inner):
            for left_out, kept in ((node.left, node.right), (node.right, node.left)):
                is_one = not (isinstance(left_out, Binary) and left_out.op in _PRODUCTS)
                if is_one and not _is_number(left_out) and not _is_number(kept):
                    yield _replaced(root, node, kept)


def _products(node: Node) -> Iterator[Binary]:
    if isinstance(node, Binary) and node.op in _PRODUCTS:
        yield node
        yield from _products(node.left)
        yield from _products(node.right)


def _is_number(node: Node) -> bool:
    """Tell whether an expression is of numbers and counts only, as 1/m is."""
    return not any(isinstance(n, Derivative | Call) for n in node.walk()) and all(
        n.base in ("m", "n", "N") for n in node.walk() if isinstance(n, Name)
    )


def preactivation(root: Node, scene: Scene) -> Iterator[Node]:
    """σ′(a) for σ′(z)."""
    for node in _each(root, Call):
        assert isinstance(node, Call)
        if node.function.order:
            for inner, outer in scene.activations():
                if _same_family(node.args[0], inner):
                    moved = _renamed(node.args[0], outer)
                    yield _replaced(root, node, replace(node, args=(moved,)))


def _same_family(one: Node, other: Node) -> bool:
    return isinstance(one, Name) and isinstance(other, Name) and one.base == other.base


def _renamed(node: Node, name: Name) -> Node:
    assert isinstance(node, Name)
    return replace(node, base=name.base)


EDITS: dict[str, Edit] = {
    "transpose": transpose,
    "order": order,
    "elementwise": elementwise,
    "sign": sign,
    "factor": factor,
    "count": count,
    "axis": axis,
    "index": index,
    "symbol": symbol,
    "term": term,
    "missing": missing,
    "preactivation": preactivation,
}

ACCEPTED = {
    "transpose": {"transpose", "shape"},
    "order": {"order", "transpose", "elementwise", "shape"},
    "elementwise": {"elementwise", "shape"},
    "sign": {"sign"},
    "factor": {"factor"},
    "count": {"one-over-m", "factor"},
    "axis": {"axis", "shape"},
    "index": {"index", "symbol", "activation-for-preactivation", "independent"},
    "symbol": {"symbol", "index", "activation-for-preactivation"},
    "term": {"path", "factor"},
    "missing": {"path", "factor", "symbol"},
    "preactivation": {"activation-for-preactivation", "symbol"},
}
"""The kinds of the checker that name an edit, or one that comes to the same."""


# ----------------------------------------------------------------------------------- mutants


def mutants(sheet: Sheet, statement: Statement, kind: str) -> Iterator[Mutant]:
    """Yield the wrong claims that one kind of edit makes of a right one."""
    claim = statement.equation
    if kind in _OF_ARRAYS and not _has_arrays(sheet, statement):
        return
    seen = {claim.right}
    for right in EDITS[kind](claim.right, Scene(sheet, claim)):
        if right in seen:
            continue
        seen.add(right)
        made = _written(sheet, statement, right)
        if made is not None and _is_wrong(sheet, statement, made[1]):
            text, equation = made
            yield Mutant(sheet, statement.line, kind, claim, equation, text)


_OF_ARRAYS = {"transpose", "order", "elementwise"}


def _has_arrays(sheet: Sheet, statement: Statement) -> bool:
    """Tell whether the other lines do not fit numbers, with which these mistakes are none."""
    others = [s.equation for s in sheet.notes.statements if s is not statement]
    return bool(sheet.notes.headers) or any(
        isinstance(node, Transpose) or (isinstance(node, Call) and node.keywords)
        for equation in others
        for node in equation.walk()
    )


def right_claims(sheet: Sheet) -> list[Statement]:
    marks = sheet.marks
    return [s for s in sheet.notes.statements if marks.get(s.line) == "right"]


def _written(sheet: Sheet, statement: Statement, right: Node) -> tuple[str, Equation] | None:
    """Return the notes with another right side, and the claim as it is then read."""
    lines = sheet.text.split("\n")
    start, end = statement.equation.right.span
    old = lines[statement.line - 1]
    # The brackets around all of a right side are no part of it.
    before = old[:start].removesuffix("\\left")
    lines[statement.line - 1] = before + printing.written(right, statement.style) + old[end:]
    text = "\n".join(lines)
    at = [s for s in sheet.notes.statements if s.line == statement.line].index(statement)
    found = [s.equation for s in read(text).statements if s.line == statement.line]
    return (text, found[at]) if at < len(found) and _alike(found[at].right, right) else None


def _alike(one: Node, other: Node) -> bool:
    """Tell whether a tree is read back as it was meant, whatever stands for a product."""

    def plain(node: Node) -> Node:
        if isinstance(node, Binary) and node.op in _PRODUCTS:
            return replace(node, op=" ")
        return node

    return one.map(plain) == other.map(plain)


def _is_wrong(sheet: Sheet, statement: Statement, equation: Equation) -> bool:
    """Tell whether an edited claim is wrong in every way the notes can be meant."""
    network = sheet.network
    ways = [network.per_example]
    if network.examples and not _is_settled(sheet, statement.line):
        ways.append(not network.per_example)
    try:
        return not any(holds(equation, point, way) for point in sheet.points for way in ways)
    except Unknown:
        return False


def _is_settled(sheet: Sheet, line: int) -> bool:
    """Tell whether a claim above a line holds in the convention of the notes only."""
    other = not sheet.network.per_example
    return any(
        not holds(s.equation, sheet.points[0], other)
        for s in right_claims(sheet)
        if s.line < line and isinstance(s.equation.left, Derivative) and not s.equation.left.target
    )


def every() -> Iterator[Mutant]:
    """Yield all mutants of all sheets."""
    for sheet in sheets():
        for statement in right_claims(sheet):
            for kind in EDITS:
                yield from mutants(sheet, statement, kind)


def sample(size: int, seed: int) -> list[Mutant]:
    """Return some mutants, as many of each kind."""
    rng = random.Random(seed)
    places = [(sheet, s) for sheet in sheets() for s in right_claims(sheet)]
    found: list[Mutant] = []
    for kind in EDITS:
        wanted = size // len(EDITS)
        for sheet, statement in rng.sample(places, len(places)):
            some = list(mutants(sheet, statement, kind))
            if some:
                found.append(rng.choice(some))
                wanted -= 1
            if not wanted:
                break
    return found
