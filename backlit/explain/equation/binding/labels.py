"""Classes of examples: ``1[y_i = k]`` is an element of a one-hot array, ``S_{i y_i}`` a sum by it.

As a real number a label would equal no k, every indicator would be 0, and whatever is claimed of
what it multiplies would hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from backlit.explain.equation.binding.written import letters_in
from backlit.explain.equation.text.entries import Statement
from backlit.explain.equation.text.headers import Header
from backlit.explain.equation.tree import (
    Binary,
    Compare,
    Name,
    Node,
    Number,
    Series,
)

_SPARE = "cqrsuvkj"
_ONE = Number(Fraction(1))
_PROPERTY = "one-hot rows"
_HOT = "onehot("


@dataclass(frozen=True)
class _Found:
    labels: frozenset[str]
    spare: str  # a letter for the class that notes do not use


def one_hot(
    statements: Sequence[Statement], headers: Sequence[Header]
) -> tuple[list[Statement], list[Header]]:
    """Return notes with one-hot arrays for the labels in them.

    Parameters
    ----------
    statements : sequence of Statement
    headers : sequence of Header

    Returns
    -------
    list of Statement
    list of Header
        With one for each of these arrays.
    """
    labels = _labels(statements)
    if not labels:
        return list(statements), list(headers)
    names = {n.base for s in statements for n in s.equation.walk() if isinstance(n, Name)}
    spare = next((c for c in _SPARE if c not in names), "")
    found = _Found(frozenset(labels), spare)
    made = [statement.mapped(lambda node: _changed(node, found)) for statement in statements]
    first = statements[0]
    added = [
        Header(first.line, first.text, name, None, frozenset([_PROPERTY]), first.span)
        for name in dict.fromkeys(replace(_hot(n, ()), index=()) for n in labels.values())
    ]
    kept = [header for header in headers if header.name.base not in labels]
    return made, [*kept, *added]


def as_condition(name: Name) -> Node:
    """Return ``y_i = k`` for an element of a one-hot array, any other name as it is.

    Parameters
    ----------
    name : Name

    Returns
    -------
    Node
    """
    if not name.base.startswith(_HOT) or not name.index:
        return name
    base = name.base[len(_HOT) : -1]
    label = replace(name, base=base, index=name.index[:-1])
    return Compare("==", label, name.index[-1], span=name.span)


def _labels(statements: Sequence[Statement]) -> dict[str, Name]:
    """Return the names that stand for a class: compared with running letters, or subscripts."""
    nodes = [n for s in statements for n in s.equation.walk()]
    places = {c for n in nodes if isinstance(n, Name) for part in n.index for c in _letters(part)}
    places |= {n.index for n in nodes if isinstance(n, Series) and n.index}
    defined = {s.equation.left.base for s in statements if isinstance(s.equation.left, Name)}
    found: dict[str, Name] = {}
    apart: list[int] = []
    for node in nodes:
        pair = _compared(node, places)
        if pair is not None:
            found[pair[0].base] = pair[0]
            apart.append(id(pair[0]))
        if isinstance(node, Name):
            for part in node.index:
                if isinstance(part, Name) and part.index:
                    found.setdefault(part.base, part)
                    apart.append(id(part))
    kept = set(apart)
    values = {n.base for n in nodes if isinstance(n, Name) and id(n) not in kept}
    return {b: n for b, n in found.items() if b not in values | defined | places}


def _letters(part: Node) -> set[str]:
    if isinstance(part, Name):  # of y_i only i is a place
        return {c for inner in part.index for c in _letters(inner)} or {part.base}
    return letters_in(part)


def _compared(node: Node, places: set[str]) -> tuple[Name, Name] | None:
    """Return the label and the running letter of ``y_i = k``."""
    if not isinstance(node, Compare) or node.op not in ("==", "!="):
        return None
    for label, letter in ((node.left, node.right), (node.right, node.left)):
        if not (isinstance(label, Name) and isinstance(letter, Name)):
            continue
        if letter.base in places and not letter.index and letter.layer is None:
            if label.base not in places and label.base != letter.base:
                return label, letter
    return None


def _changed(node: Node, found: _Found) -> Node:
    if isinstance(node, Compare) and node.op in ("==", "!="):
        for label, letter in ((node.left, node.right), (node.right, node.left)):
            if isinstance(label, Name) and label.base in found.labels and isinstance(letter, Name):
                hot = _hot(label, (letter,), node)
                return hot if node.op == "==" else Binary("-", _ONE, hot, span=node.span)
    if isinstance(node, Name) and found.spare:
        for part in node.index:
            if isinstance(part, Name) and part.base in found.labels:
                letter = Name(found.spare, span=part.span)
                index = tuple([letter if p is part else p for p in node.index])
                product = Binary(" ", _hot(part, (letter,)), replace(node, index=index))
                return Series("sum", replace(product, span=node.span), letter.base, span=node.span)
    return node


def _hot(label: Name, place: tuple[Name, ...], at: Node | None = None) -> Name:
    """Return the element of the one-hot array of a label."""
    span = label.span if at is None else at.span
    return replace(label, base=f"{_HOT}{label.base})", index=(*label.index, *place), span=span)
