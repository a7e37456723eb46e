r"""Examples of matrices: Σᵢ of y^{(i)} log a^{(i)} where the notes have Y and A for all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from backlit.explain.equation.binding.batch import COUNTS
from backlit.explain.equation.binding.written import INDEX_LETTERS
from backlit.explain.equation.text.entries import Statement
from backlit.explain.equation.text.vocabulary import LOSSES
from backlit.explain.equation.tree import (
    ONE,
    TWO,
    Binary,
    Call,
    Constant,
    Derivative,
    Equation,
    Function,
    Name,
    Node,
    Number,
    Power,
    Series,
    Transpose,
)


def over_columns(statements: Sequence[Statement], declared: Iterable[str]) -> list[Statement]:
    """Read sums over examples as sums over all elements where only the matrices are defined.

    That is what they are where an example has one number of each, as with one output.

    Parameters
    ----------
    statements : sequence of Statement
    declared : iterable of str
        Names with a header.

    Returns
    -------
    list of Statement
    """
    lefts = (s.equation.left for s in statements)
    known = {*declared, *(left.base for left in lefts if isinstance(left, Name))}
    sums = [n for s in statements for n in s.equation.walk() if isinstance(n, Series)]
    inside = Counter(n.base for s in sums for n in s.walk() if isinstance(n, Name))
    names = Counter(n.base for s in statements for n in s.equation.walk() if isinstance(n, Name))
    # Y of y^{(i)} is mentioned elsewhere, or y nowhere else.
    mentioned = {*names, *(base.upper() for base in inside if inside[base] == names[base])}

    def change(node: Node) -> Node:
        if isinstance(node, Series) and node.op == "sum" and node.index:
            whole = _whole(node.body, node.index, known, mentioned)
            if whole is None:
                return _of_columns(node, known) or node
            return Series("sum", whole, "", span=node.span)
        return node

    return [statement.mapped(change) for statement in statements]


def _of_columns(node: Series, known: Collection[str]) -> Node | None:
    r"""Return Σᵢ dZ^{(i)} of matrices as a sum over columns, Σᵢ dZ^{(i)} A^{(i)T} as a product.

    None where it is neither.
    """
    parts = [node.body]
    if isinstance(node.body, Binary) and node.body.op in (" ", ".", "@"):
        parts = [node.body.left, node.body.right]
    turned = len(parts) == 2 and isinstance(parts[1], Transpose)
    bare = [p.operand if isinstance(p, Transpose) and k else p for k, p in enumerate(parts)]
    wholes = [_without_example(part, node.index, known) for part in bare]
    if None in wholes or (len(parts) == 2 and not turned):
        return None
    first, *rest = [whole for whole in wholes if whole is not None]
    if rest:
        return Binary("@", first, Transpose(rest[0]), span=node.span)
    kept: tuple[tuple[str, Node], ...] = (("axis", ONE), ("keepdims", Constant("True")))
    return Call(Function("sum"), (first,), kept, span=node.span)


def _without_example(node: Node, letter: str, known: Collection[str]) -> Node | None:
    """Return dZ^{[l]} of dZ^{[l](i)}, None of anything else."""
    name = node.wrt if isinstance(node, Derivative) else node
    if not isinstance(name, Name) or not name.base[:1].isupper() or name.base not in known:
        return None
    if name.above != (0,) or name.index != (Name(letter),):
        return None
    whole = replace(name, index=(), above=())
    return replace(node, wrt=whole) if isinstance(node, Derivative) else whole


def with_ranges(statements: Sequence[Statement], declared: Iterable[str]) -> list[Statement]:
    r"""Read ``\frac1m \sum_i`` as a sum up to m: the mean, as which it is meant.

    Parameters
    ----------
    statements : sequence of Statement
    declared : iterable of str
        Names with a header.

    Returns
    -------
    list of Statement
    """
    lefts = [s.equation.left for s in statements]
    known = {*declared, *(n.base for n in lefts if isinstance(n, Name))}

    def change(node: Node) -> Node:
        if not isinstance(node, Binary) or node.op not in (" ", "."):
            return node
        sum_of, count = node.right, _divisor(node.left)
        if count is None or count.base in known or not isinstance(sum_of, Series):
            return node
        # Σ_x is a sum over all inputs.
        if sum_of.op != "sum" or sum_of.index not in INDEX_LETTERS or sum_of.high is not None:
            return node
        return replace(node, right=replace(sum_of, low=ONE, high=count))

    return [s if s.equation.is_claim else s.mapped(change) for s in statements]


def _divisor(node: Node) -> Name | None:
    """Return m of 1/m and of 1/(2 m)."""
    if not isinstance(node, Binary) or node.op != "/" or not isinstance(node.left, Number):
        return None
    below = node.right
    if isinstance(below, Binary) and below.op == " " and isinstance(below.left, Number):
        below = below.right
    plain = isinstance(below, Name) and not below.index and below.layer is None
    return below if plain and isinstance(below, Name) and below.base in COUNTS else None


def of_losses(statements: Sequence[Statement], functions: Collection[str]) -> list[Statement]:
    """Read ``L = ½ Σ_t (y_t - d_t)²`` as the sum of all squares, and ``L = ℓ(a, y)`` as a number.

    That is what is meant where y_t = W h_t + b are vectors; of numbers it says the same.

    Parameters
    ----------
    statements : sequence of Statement
    functions : collection of str
        Those that nothing defines.

    Returns
    -------
    list of Statement
    """
    lefts = [s.equation.left for s in statements]
    families = {n.base for n in lefts if isinstance(n, Name) and (n.index or n.layer is not None)}

    def change(node: Node) -> Node:
        is_sum = isinstance(node, Series) and node.op == "sum" and bool(node.index)
        if not is_sum or not isinstance(node, Series) or not isinstance(node.body, Power):
            return node
        names = [n for n in node.body.walk() if isinstance(n, Name) and n.base in families]
        squared = node.body.exponent == TWO and isinstance(node.body.base, Binary)
        return Series("sum", node, span=node.span) if names and squared else node

    def of_function(equation: Node) -> Node:
        if not isinstance(equation, Equation) or not isinstance(equation.right, Call):
            return equation
        if equation.right.function.name not in functions:
            return equation
        # The sum of what is of each element, of a number it is the same.
        whole = Series("sum", Series("sum", equation.right, span=equation.right.span))
        return replace(equation, right=whole)

    def changed(statement: Statement) -> Statement:
        left = statement.equation.left
        if not isinstance(left, Name) or left.base not in LOSSES:
            return statement
        return statement.mapped(change).mapped(of_function)

    return [changed(s) for s in statements]


def _whole(
    body: Node, letter: str, known: Collection[str], mentioned: Collection[str]
) -> Node | None:
    """Return the body of a sum with Y for y^{(i)}; None where that is not what it says."""
    names = [n for n in body.walk() if isinstance(n, Name)]
    counted = [n for n in names if Name(letter) in (n.layer, *n.index)]
    if not counted or any(isinstance(n, Series) and n.index for n in body.walk()):
        return None
    matrices = [_matrix(name, letter) for name in counted]
    if not any(matrix is not None and matrix.base in known for matrix in matrices):
        return None
    for name, matrix in zip(counted, matrices, strict=True):
        if matrix is None or matrix.base not in mentioned or name.base in known:
            return None

    def change(node: Node) -> Node:
        if isinstance(node, Name) and node in counted:
            return _matrix(node, letter) or node
        if isinstance(node, Binary) and node.op == " ":
            return replace(node, op="*")
        return node

    return body.map(change)


def _matrix(name: Name, letter: str) -> Name | None:
    """Return A^{[2]} for a^{[2](i)}, X for x^{(i)}."""
    base = name.base[:1].upper() + name.base[1:]
    if name.is_round and name.layer == Name(letter) and not name.index:
        return Name(base, span=name.span)
    if name.above == (0,) and name.index == (Name(letter),):
        return Name(base, name.layer, span=name.span)
    return None
