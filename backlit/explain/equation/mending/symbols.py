"""Slips of names: another index, one variable for another, σ(a) for σ(z)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

from backlit.explain.equation.binding.steps import shifted
from backlit.explain.equation.binding.written import names_in
from backlit.explain.equation.mending.surroundings import Changes, Surroundings
from backlit.explain.equation.tree import (
    PRODUCTS,
    Binary,
    Call,
    Derivative,
    Name,
    Node,
    Power,
)

_MOST_EXCHANGED = 6
_ACTIVATION = "activation-for-preactivation"


def indices(node: Node, around: Surroundings) -> Changes:
    """Change a layer or a number in a name, also in what is differentiated."""
    if isinstance(node, Derivative):
        for kind, new in indices(node.wrt, around):
            yield kind, replace(node, wrt=new)
        if node.target is not None:
            for kind, new in indices(node.target, around):
                yield kind, replace(node, target=new)
    if not isinstance(node, Name):
        return
    for other in around.names:
        if other != node and _family(other) == _family(node):
            yield "index", other
    if node.layer is not None:
        for step in (-1, 1):
            yield "index", replace(node, layer=shifted(node.layer, step))
    for place, part in enumerate(node.index):
        before, behind = node.index[:place], node.index[place + 1 :]
        for new in (shifted(part, -1), shifted(part, 1), *around.letters):
            if new != part:
                yield "index", replace(node, index=(*before, new, *behind))
    if len(node.index) == 2:
        yield "index", replace(node, index=node.index[::-1])


def symbols(node: Node, around: Surroundings) -> Changes:
    """Put one variable for another, also in what is differentiated and what σ′ is applied to."""
    if isinstance(node, Derivative) and node.style == "bare":
        yield "symbol", node.wrt
        for other in around.names:
            if _family(other) != _family(node.wrt):
                yield "symbol", replace(node, wrt=other)
    elif isinstance(node, Derivative):
        for other in around.names:
            yield "symbol", replace(node, wrt=other)
            yield "symbol", replace(node, target=other)
    elif isinstance(node, Name):
        for other in around.names:
            if _family(other) != _family(node):
                yield "symbol", other
        yield "symbol", Derivative(None, node, style="bare")
        # f, where f = log(S) and S was meant.
        for call in (d.right for d in around.definitions if d.left == node):
            if isinstance(call, Call) and len(call.args) == 1:
                yield "symbol", call.args[0]
    elif isinstance(node, Call) and node.function.order:
        # σ′(a), where σ′(z) was meant.
        for other in _beside(node.args[0], around):
            yield _ACTIVATION, replace(node, args=(other,))
        # f′(x) g′(x), where f′(g(x)) g′(x) was meant.
        for args in _applied(node.function.name, around):
            yield "symbol", replace(node, args=args)
    elif isinstance(node, Power) and isinstance(node.base, Name):
        # 1 − z², where 1 − a² was meant.
        for other in _beside(node.base, around):
            yield _ACTIVATION, replace(node, base=other)
    elif isinstance(node, Binary) and node.op in PRODUCTS:
        # σ(a) (1 − σ(a)), where σ(z) (1 − σ(z)) was meant.
        given = [n.args[0] for n in node.walk() if isinstance(n, Call) and len(n.args) == 1]
        for arg in dict.fromkeys(g for g in given if given.count(g) > 1):
            for other in _beside(arg, around):
                yield _ACTIVATION, node.map(lambda n, a=arg, b=other: _applied_to(n, a, b))  # type: ignore[misc]
        # z (1 − z), where a (1 − a) was meant.
        written = list(names_in(node))
        for name in dict.fromkeys(n for n in written if written.count(n) > 1):
            for other in _beside(name, around):
                changed = node.map(lambda n, a=name, b=other: b if n == a else n)  # type: ignore[misc]
                yield _ACTIVATION, changed


def preactivations(node: Node, around: Surroundings) -> Changes:
    """Put σ(a) for a in a claim about σ′(a)."""
    left = around.left
    if isinstance(left, Derivative) and isinstance(left.target, Call) and isinstance(node, Binary):
        call = left.target
        if call.args == (left.wrt,) and not any(n == call for n in node.walk()):
            yield _ACTIVATION, node.map(lambda n: call if n == left.wrt else n)


def exchanges(node: Node, around: Surroundings) -> Changes:
    """Put two variables for each other: 2 λ q − 2 e p for 2 λ p − 2 e q."""
    if isinstance(node, Binary) and node.op in "+-":
        names = list(dict.fromkeys(names_in(node)))[:_MOST_EXCHANGED]
        for one, other in combinations(names, 2):
            pair = {one: other, other: one}
            yield "symbol", node.map(lambda n, p=pair: p.get(n, n))  # type: ignore[misc]


def _beside(node: Node, around: Surroundings) -> Iterator[Name]:
    """Yield the variables of which one is a function, element by element, or that are one of it."""
    if not isinstance(node, Name):
        return
    for definition in around.definitions:
        call, made = definition.right, definition.left
        if not isinstance(call, Call) or not call.args or not isinstance(made, Name):
            continue
        given = call.args[0]
        for one, other in ((made, given), (given, made)):
            if isinstance(one, Name) and isinstance(other, Name) and one.base == node.base:
                if one == node:
                    yield other
                elif one.layer == other.layer and one.index == other.index:
                    # Of one layer, or one moment, whichever is spoken of.
                    yield replace(node, base=other.base)


def _applied_to(node: Node, one: Node, other: Node) -> Node:
    """Return a call of one variable as that of another."""
    if isinstance(node, Call) and node.args == (one,):
        return replace(node, args=(other,))
    return node


def _applied(function: str, around: Surroundings) -> Iterator[tuple[Node, ...]]:
    """Yield what a function is applied to in the notes."""
    places = (*around.definitions, around.left) if around.left else around.definitions
    for place in places:
        for node in place.walk():
            if isinstance(node, Call) and node.function.name == function:
                yield node.args


def _family(node: Node) -> tuple[str, ...]:
    """Return what a name has in common with its siblings: Z1 and Z2, W^{[l]} and W^{[l-1]}."""
    assert isinstance(node, Name)
    stem = re.sub(r"\d+$", "", node.base) or node.base
    return stem, str(node.layer is None), str(len(node.index))
