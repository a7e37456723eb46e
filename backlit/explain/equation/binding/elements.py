r"""Elements and determinants: P_{nc} in two letters, w_{ij} of W, x_j^{(i)} of X, |K| of K."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from backlit.explain.equation.binding.batch import COUNTS
from backlit.explain.equation.binding.written import split_subscripts
from backlit.explain.equation.text.entries import Statement
from backlit.explain.equation.text.headers import Header
from backlit.explain.equation.text.words import LABELS
from backlit.explain.equation.tree import Call, Equation, Function, Name, Node, Series

_BARS = Function("abs")


def with_letters(statements: Sequence[Statement], headers: Sequence[Header]) -> list[Statement]:
    r"""Read P_{nc} as two subscripts where sums run over n and c, or over one and P has two axes.

    Parameters
    ----------
    statements : sequence of Statement
    headers : sequence of Header

    Returns
    -------
    list of Statement
    """
    nodes = [n for s in statements for n in s.equation.walk()]
    running = {n.index for n in nodes if isinstance(n, Series) and n.index}
    ranks = {h.name.base: len(h.dims or ()) for h in headers}

    def change(node: Node) -> Node:
        if not isinstance(node, Name) or not node.index:
            return node
        first = node.index[0]
        letters = set(first.base) if isinstance(first, Name) else set()
        counts = ranks.get(node.base) == len(letters) and letters & running
        parts = split_subscripts(node, letters if counts else running)
        words = [part.base for part in node.index if isinstance(part, Name)]
        return node if len(parts) == 1 or set(words) & LABELS else replace(node, index=parts)

    return [statement.mapped(change) for statement in statements] if running else list(statements)


def determinants(statements: Sequence[Statement], headers: Sequence[Header]) -> list[Statement]:
    r"""Read |K| as the determinant where K is a square matrix.

    Parameters
    ----------
    statements : sequence of Statement
    headers : sequence of Header

    Returns
    -------
    list of Statement
    """
    square = {
        h.name.base for h in headers if len(h.dims or ()) == 2 and len(set(h.dims or ())) == 1
    }

    def change(node: Node) -> Node:
        # np.abs(K), a word, is by element.
        if not isinstance(node, Call) or node.function != _BARS or _length(node.function) != 1:
            return node
        inside = list(node.args[0].walk())
        names = [n for n in inside if isinstance(n, Name) and not n.index]
        calls = {n.function.name for n in inside if isinstance(n, Call)}
        if calls - {"inv"} or not any(n.base in square for n in names):
            return node
        return replace(node, function=Function("det", span=node.function.span))

    return [statement.mapped(change) for statement in statements] if square else list(statements)


def _length(node: Node) -> int:
    return node.span[1] - node.span[0]


def of_matrices(statements: Sequence[Statement], headers: Sequence[Header]) -> list[Statement]:
    """Read w_{ij} in claims as W_{ij} where only the matrix is defined.

    Parameters
    ----------
    statements : sequence of Statement
    headers : sequence of Header

    Returns
    -------
    list of Statement
    """
    stated = [s for s in statements if not s.equation.is_claim]
    known = {n.base for s in stated for n in _names(s.equation)} | {h.name.base for h in headers}
    counted = {h.name.base: _axis(h) for h in headers}
    seen: dict[str, list[Name]] = {}
    for statement in statements:
        for name in _names(statement.equation) if statement.equation.is_claim else ():
            seen.setdefault(name.base, []).append(name)
    small = {base for base, names in seen.items() if _are_elements(base, names, known, counted)}
    if not small:
        return list(statements)

    def change(node: Node) -> Node:
        return _element(node, counted) if isinstance(node, Name) and node.base in small else node

    return [s.mapped(change) if s.equation.is_claim else s for s in statements]


def _names(equation: Equation) -> list[Name]:
    return [n for n in equation.walk() if isinstance(n, Name)]


def _axis(header: Header) -> int | None:
    """Return which axis of a matrix counts examples, by the names of its dimensions."""
    dims = header.dims or ()
    count = next((count for count in COUNTS if count in dims), None)
    return dims.index(count) if count is not None and len(dims) == 2 else None


def _are_elements(
    base: str, names: Sequence[Name], known: Collection[str], counted: Mapping[str, int | None]
) -> bool:
    """Tell whether names of one small letter all have two places, and only the capital is known."""
    large = base.upper()
    if len(base) != 1 or base == large or base in known or large not in known:
        return False
    return all(
        len(split_subscripts(name)) == 2
        or (name.is_round and len(name.index) == 1 and counted.get(large) is not None)
        for name in names
    )


def _element(name: Name, counted: Mapping[str, int | None]) -> Name:
    large = name.base.upper()
    if len(split_subscripts(name)) == 2:
        return replace(name, base=large)
    assert name.layer is not None
    places = (name.layer, *name.index)
    index = places if counted[large] == 0 else places[::-1]
    return replace(name, base=large, layer=None, index=index)
