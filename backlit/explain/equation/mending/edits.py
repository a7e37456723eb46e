"""The slips that students make, undone: all expressions one edit away from another."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

from backlit.explain.equation.binding.letters import names_in
from backlit.explain.equation.binding.steps import shifted
from backlit.explain.equation.tree import (
    PRODUCTS,
    Binary,
    Call,
    Compare,
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
    Unary,
)

_FACTORS = (Fraction(2), Fraction(1, 2))
_ACTIVATION = "activation-for-preactivation"


@dataclass(frozen=True)
class Edit:
    """One change to an expression.

    Attributes
    ----------
    kind : str
        Of `backlit.explain.equation.verdicts.KINDS`.
    old : Node
        The part that is wrong.
    new : Node
        What should stand in its place.
    whole : Node
        The whole expression with the change.
    told : (str, Node, …), optional
        What to say of it in particular: a sentence with gaps, and what goes there.
    """

    kind: str
    old: Node
    new: Node
    whole: Node
    told: tuple[str, *tuple[Node, ...]] | None = None


@dataclass(frozen=True)
class Surroundings:
    """What the notes around a claim have that may have been meant.

    Attributes
    ----------
    names : tuple of Name
        Variables, as they are written.
    counts : tuple of Name
        Numbers of examples: m.
    definitions : tuple of Equation
    letters : tuple of Name
        Running indices that the claim has.
    left : Node, optional
        What the claim is about.
    """

    names: tuple[Name, ...]
    counts: tuple[Name, ...]
    definitions: tuple[Equation, ...]
    letters: tuple[Name, ...] = ()
    left: Node | None = None

    @cached_property
    def numbers(self) -> tuple[Number, ...]:
        """The numbers that the definitions write."""
        found = (n for d in self.definitions for n in parts(d.right) if isinstance(n, Number))
        return tuple(dict.fromkeys(found))


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
        _indices,
        _symbols,
        _dropped,
        _slopes,
        _numbers,
        _other_numbers,
        _one_over_m,
        _powers,
    ):
        # A number alone is no slip of the pen: it lacks what the chain rule gives.
        for part in inside[rule is _other_numbers :]:
            for kind, new in rule(part, around):
                whole = right.swapped(part, new)
                if whole not in seen:
                    seen.add(whole)
                    told = _TOLD[rule](part, new) if rule in _TOLD else None
                    yield Edit(kind, part, new, whole, told)


def parts(node: Node) -> Iterator[Node]:
    """Yield the expressions inside one, but not the names of layers, indices and axes.

    Parameters
    ----------
    node : Node

    Yields
    ------
    Node
        The expression itself first.
    """
    if isinstance(node, Compare) and node.op in ("==", "!="):
        return  # A condition on indices.
    yield node
    if isinstance(node, (Name, Derivative, Number, Constant)):
        return
    if isinstance(node, Call):
        children: Sequence[Node] = node.args
    elif isinstance(node, Series):
        children = (node.body,)
    elif isinstance(node, Power):
        exponent = () if isinstance(node.exponent, Number) else (node.exponent,)
        children = (node.base, *exponent)
    else:
        children = tuple(node.children())
    for child in children:
        yield from parts(child)


Changes = Iterator[tuple[str, Node]]


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
        kept = tuple([p for p in node.keywords if p[0] != "keepdims"])
        if kept == node.keywords:
            kept = (*kept, ("keepdims", Constant("True")))
        yield "shape", replace(node, keywords=kept)
        yield "axis", replace(node, keywords=tuple(p for p in node.keywords if p[0] == "keepdims"))
        yield "axis", node.args[0]


# --- names ------------------------------------------------------------------------------------


def _indices(node: Node, around: Surroundings) -> Changes:
    """Change a layer or a number in a name, also in what is differentiated."""
    if isinstance(node, Derivative):
        for kind, new in _indices(node.wrt, around):
            yield kind, replace(node, wrt=new)
        if node.target is not None:
            for kind, new in _indices(node.target, around):
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


def _symbols(node: Node, around: Surroundings) -> Changes:
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
        # z (1 − z), where a (1 − a) was meant.
        written = list(names_in(node))
        for name in dict.fromkeys(n for n in written if written.count(n) > 1):
            for other in _beside(name, around):
                changed = node.map(lambda n, a=name, b=other: b if n == a else n)  # type: ignore[misc]
                yield _ACTIVATION, changed


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
    _dropped: _told_of_dropped,
    _slopes: _told_of_slope,
}


def _is_one_over(node: Node, around: Surroundings) -> bool:
    return isinstance(node, Binary) and node.op == "/" and node.right in around.counts
