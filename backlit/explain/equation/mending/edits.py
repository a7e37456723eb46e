"""The slips that students make, undone: all expressions one edit away from another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction

from backlit.explain.equation.mending.groupings import BRACKETS, regrouped
from backlit.explain.equation.mending.places import KRONECKER, kronecker, relettered
from backlit.explain.equation.mending.surroundings import Changes, Edit, Surroundings, parts
from backlit.explain.equation.mending.symbols import exchanges, indices, preactivations, symbols
from backlit.explain.equation.tree import (
    PRODUCTS,
    Binary,
    Call,
    Constant,
    Derivative,
    Function,
    Name,
    Node,
    Number,
    Power,
    Series,
    Transpose,
    Unary,
)

_FACTORS = (Fraction(2), Fraction(1, 2))


def edits(right: Node, around: Surroundings) -> Iterator[Edit]:
    """Yield every expression one edit away, the commonest slips first.

    Parameters
    ----------
    right : Node
    around : Surroundings

    Yields
    ------
    Edit

    Examples
    --------
    >>> product = Binary("@", Name("W"), Name("x"))
    >>> found = [e.whole for e in edits(product, Surroundings((), (), ()))]
    >>> Binary("@", Transpose(Name("W")), Name("x")) in found, product in found
    (True, False)
    """
    seen = {right}
    inside = list(parts(right))
    for rule in (
        _untransposed,
        _axes,
        _products,
        _orders,
        _transposed,
        _signs,
        indices,
        symbols,
        preactivations,
        exchanges,
        _places,
        _kroneckers,
        _brackets,
        _dropped,
        _slopes,
        _numbers,
        _other_numbers,
        _one_over_m,
        _powers,
        _identities,
    ):
        # A number alone is no slip of the pen: it lacks what the chain rule gives.
        for part in inside[rule is _other_numbers :]:
            for kind, new in rule(part, around):
                whole = right.swapped(part, new)
                if whole not in seen:
                    seen.add(whole)
                    told = _TOLD[rule](part, new) if rule in _TOLD else None
                    yield Edit(kind, part, new, whole, told)


# --- products ---------------------------------------------------------------------------------


def _products(node: Node, around: Surroundings) -> Changes:
    if isinstance(node, Binary) and node.op in PRODUCTS:
        # u vᵀ of vectors is a matrix, and u @ vᵀ a number.
        for op in ("*", "@", " "):
            if node.op != op:
                yield "elementwise", replace(node, op=op)


def _untransposed(node: Node, around: Surroundings) -> Changes:
    if isinstance(node, Transpose):
        yield "transpose", node.operand


def _transposed(node: Node, around: Surroundings) -> Changes:
    if isinstance(node, (Name, Derivative, Binary, Call)):
        yield "transpose", Transpose(node)


def _orders(node: Node, around: Surroundings) -> Changes:
    if not isinstance(node, Binary):
        return
    if node.op in ("@", " ", "."):
        yield "transpose", replace(node, left=node.right, right=node.left)
        # Of a chain of factors the last two; of x A for Aᵀ x the order and a transpose.
        first = node.left
        if isinstance(first, Binary) and first.op in ("@", " ", "."):
            swapped = replace(first, right=node.right)
            yield "transpose", replace(node, left=swapped, right=first.right)
        yield "transpose", replace(node, left=Transpose(node.right), right=node.left)
        yield "transpose", replace(node, left=node.right, right=Transpose(node.left))
        # u vᵀ for v uᵀ.
        if isinstance(node.right, Transpose) and not isinstance(node.left, Transpose):
            yield "transpose", replace(node, left=node.right.operand, right=Transpose(node.left))
    if node.op == "-":
        yield "sign", replace(node, left=node.right, right=node.left)


# --- numbers ----------------------------------------------------------------------------------


def _signs(node: Node, around: Surroundings) -> Changes:
    if isinstance(node, Binary) and node.op in "+-":
        yield "sign", replace(node, op="-" if node.op == "+" else "+")
    elif isinstance(node, Unary):
        yield "sign", node.operand
    elif not isinstance(node, Number):
        yield "sign", Unary("-", node)


def _numbers(node: Node, around: Surroundings) -> Changes:
    if isinstance(node, Number):
        for factor in _FACTORS:
            yield "factor", Number(node.value * factor)
        return
    for factor in _FACTORS:
        yield "factor", Binary(" ", Number(factor), node)


def _other_numbers(node: Node, around: Surroundings) -> Changes:
    if isinstance(node, Number):
        yield from (("factor", other) for other in around.numbers if other != node)


def _one_over_m(node: Node, around: Surroundings) -> Changes:
    for count in around.counts:
        yield "one-over-m", Binary("/", node, count)
        yield "one-over-m", Binary(" ", count, node)
    if isinstance(node, Call) and node.function.name in ("sum", "mean"):
        other = "mean" if node.function.name == "sum" else "sum"
        yield "one-over-m", replace(node, function=Function(other))


def _powers(node: Node, around: Surroundings) -> Changes:
    if isinstance(node, Power) and isinstance(node.exponent, Number):
        yield "other", node.base
        for step in (1, -1):
            yield "other", replace(node, exponent=Number(node.exponent.value + step))
    elif isinstance(node, (Name, Call)):
        yield "other", Power(node, Number(Fraction(2)))


def _axes(node: Node, around: Surroundings) -> Changes:
    if not isinstance(node, Call):
        return
    given = dict(node.keywords)
    for axis in range(2):
        wanted = Number(Fraction(axis))
        if "axis" in given and given["axis"] != wanted:
            keywords = tuple((k, wanted if k == "axis" else v) for k, v in node.keywords)
            yield "axis", replace(node, keywords=keywords)
        elif "axis" not in given and node.function.name in ("sum", "mean", "max", "min"):
            yield "axis", replace(node, keywords=(("axis", wanted), *node.keywords))
    if "axis" in given:
        other = Number(Fraction(1)) if given["axis"] == Number(Fraction(0)) else None
        if other is not None and "keepdims" not in given:
            keywords = (("axis", other), ("keepdims", Constant("True")))
            yield "axis", replace(node, keywords=keywords)
        kept = tuple([p for p in node.keywords if p[0] != "keepdims"])
        if kept == node.keywords:
            kept = (*kept, ("keepdims", Constant("True")))
        yield "shape", replace(node, keywords=kept)
        yield "axis", replace(node, keywords=tuple(p for p in node.keywords if p[0] == "keepdims"))
        yield "axis", node.args[0]


# --- names ------------------------------------------------------------------------------------


def _identities(node: Node, around: Surroundings) -> Changes:
    """Put λ I for the λ that is added to a matrix."""
    if isinstance(node, (Name, Number)) or (isinstance(node, Binary) and node.op == " "):
        yield "shape", Binary(" ", node, Name("I"))


def _places(node: Node, around: Surroundings) -> Changes:
    """Change the index of a sum, or swap two."""
    return (("index", new) for new in relettered(node, around.letters))


def _kroneckers(node: Node, around: Surroundings) -> Changes:
    return (("index", new) for new in kronecker(node, around.left))


def _told_of_kronecker(part: Node, new: Node) -> tuple[str, Node]:
    found = (n for n in new.walk() if isinstance(n, Name) and n.base == "delta" and n.index)
    return KRONECKER, next(found)


def _brackets(node: Node, around: Surroundings) -> Changes:
    return regrouped(node)


# --- factors and terms ------------------------------------------------------------------------


def _dropped(node: Node, around: Surroundings) -> Changes:
    """Leave out a factor or a term, or the sign of a sum."""
    if isinstance(node, Series) and node.index:
        yield "path", node.body
    if not isinstance(node, Binary):
        return
    for kept, gone in ((node.left, node.right), (node.right, node.left)):
        if node.op == "/" and kept is node.right:
            continue
        kind = "factor" if isinstance(gone, Number) and node.op not in "+-" else "path"
        kind = "one-over-m" if gone in around.counts or _is_one_over(gone, around) else kind
        yield kind, Unary("-", kept) if node.op == "-" and kept is node.right else kept


def _told_of_dropped(part: Node, kept: Node) -> tuple[str, Node]:
    if isinstance(part, Series):
        return "The sum over ‘{}’ is one too many.", Name(part.index)
    assert isinstance(part, Binary)
    gone = part.right if kept is part.left else part.left
    what = "term" if part.op in "+-" else "factor"
    return f"The {what} ‘{{}}’ is one too many.", gone


def _slopes(node: Node, around: Surroundings) -> Changes:
    """Put the slope of tanh for that of σ, and the other way round."""
    if not isinstance(node, Binary):
        return
    one = Number(Fraction(1))
    if node.op in PRODUCTS and isinstance(node.right, Binary) and node.right.left == one:
        name, op = node.right.right, node.op
        before = node.left if isinstance(node.left, Binary) else None
        beside = before.right if before is not None and before.op in PRODUCTS else node.left
        if node.right.op == "-" and beside == name and _is_made(name, "tanh", around):
            slope = Binary("-", one, Power(name, Number(Fraction(2))))
            yield "path", slope if before is None else Binary(op, before.left, slope)
    elif node.op == "-" and node.left == one and isinstance(node.right, Power):
        name = node.right.base
        if node.right.exponent == Number(Fraction(2)) and _is_made(name, "sigmoid", around):
            yield "path", Binary("*", name, Binary("-", one, name))


def _is_made(name: Node, function: str, around: Surroundings) -> bool:
    """Tell whether a variable is defined as a function of something."""
    return any(
        d.left == name and isinstance(d.right, Call) and d.right.function == Function(function)
        for d in around.definitions
    )


def _told_of_slope(part: Node, slope: Node) -> tuple[str]:
    if isinstance(part, Binary) and part.op in PRODUCTS:
        return ("a (1 - a) is the slope of the sigmoid; that of a = tanh(z) is 1 - a².",)
    return ("1 - a² is the slope of tanh; that of a = σ(z) is a (1 - a).",)


_TOLD: Mapping[Callable[..., Changes], Callable[[Node, Node], tuple[str, *tuple[Node, ...]]]] = {
    _kroneckers: _told_of_kronecker,
    _brackets: lambda part, new: (BRACKETS,),
    _dropped: _told_of_dropped,
    _identities: lambda part, new: ("To a matrix ‘{}’ is added times the identity matrix.", part),
    _slopes: _told_of_slope,
}


def _is_one_over(node: Node, around: Surroundings) -> bool:
    return isinstance(node, Binary) and node.op == "/" and node.right in around.counts
