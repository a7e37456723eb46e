"""A derivation as parts of a document: equations, shapes, and where they come from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as onp

from backlit.core.source import Source
from backlit.explain.derivation.checking import Values, numbers_of
from backlit.explain.derivation.definitions import NAMED
from backlit.explain.derivation.indices import IndexedLine, OutOfLettersError, indexed, with_ranges
from backlit.explain.derivation.kronecker import element_chain
from backlit.explain.derivation.modes import Modes
from backlit.explain.derivation.reasons import Reasons
from backlit.explain.derivation.sheet import Line, Sheet
from backlit.explain.document import (
    NOTHING,
    Bullets,
    Code,
    Content,
    Document,
    Figure,
    Formula,
    Listing,
    Math,
    Paragraph,
    Part,
    Section,
    Steps,
    Table,
)
from backlit.explain.document import Step as Calculated
from backlit.explain.equation.text.printing import unicode
from backlit.explain.equation.tree import (
    Binary,
    Call,
    Derivative,
    Element,
    Equation,
    Name,
    Node,
    Number,
    Series,
    Unary,
)
from backlit.explain.equation.values.operators import builtin

# Terms of a sum that are written out with their numbers.
_TERMS = 3
# Lines that are one number and are shown with the numbers put in.
_MOST_NUMBERS = 12
# Derivatives whose chain rule is written for one element, those nearest the weight.
_MOST_CHAINS = 2
# Rows of one table where a printer has to be short.
_MOST_ROWS = 16
# Characters of a chain, and of what its products cost.
_WIDEST, _MARGIN = 90, 25

Row = tuple[Content, ...]


def sheet_page(derivation: Sheet) -> Document:
    """Return a derivation as a document: the program, the derivatives, the steps to each.

    Parameters
    ----------
    derivation : Sheet

    Returns
    -------
    Document
    """
    parts: list[Part] = [
        _picture(derivation),
        Section(("What the program computes",), (program_table(derivation),)),
        Section(("Its derivatives",), (gradient_table(derivation),)),
    ]
    told = legend(derivation)
    if told.items:
        parts.append(Section(("Letters and conditions",), (told,)))
    steps = [steps_of(line) for line in derivation.backward if len(line.steps) > 1]
    if steps:
        parts.append(Section(("Step by step",), tuple(steps)))
    return Document((f"The derivation of {derivation.function}",), tuple(parts))


def _picture(derivation: Sheet) -> Figure:
    from backlit.explain.drawing.formulas import sheet_picture

    return Figure(sheet_picture(derivation, f"{derivation.function} in formulas"))


def modes_page(both: Modes) -> Document:
    """Return both modes of a function as a document.

    Parameters
    ----------
    both : Modes

    Returns
    -------
    Document
    """
    reverse, forward = both.reverse, both.forward
    parts: list[Part] = [
        _picture(reverse),
        Section(("What the program computes",), (program_table(reverse),)),
        Section(("Reverse mode: from the loss back",), (gradient_table(reverse),)),
        Section(("Forward mode: along with the values",), (tangent_table(forward),)),
        Section(("What either mode costs",), tuple(mode_parts(both))),
    ]
    return Document((f"Both modes of {reverse.function}",), tuple(parts))


# --- tables -----------------------------------------------------------------------------------


def program_table(derivation: Sheet) -> Table:
    """Return what the program computes: equation, shape, line."""
    rows: list[Row] = [
        (_math(x.equation), (shape(x),), _code(place(x.source))) for x in derivation.forward
    ]
    return Table("The program", (), "<<<", tuple(rows), _MOST_ROWS)


def gradient_table(derivation: Sheet) -> Table:
    """Return the derivatives: equation, shape, reasons."""
    why = Reasons(derivation)
    rows: list[Row] = [
        (_math(x.equation), (shape(x),), ("; ".join(why.of(x)),)) for x in derivation.backward
    ]
    return Table("The derivatives", (), "<<<", tuple(rows), _MOST_ROWS)


def tangent_table(derivation: Sheet) -> Table:
    """Return tangents: equation and shape."""
    rows: list[Row] = [(_math(x.equation), (shape(x),)) for x in derivation.backward]
    return Table("The tangents", (), "<<", tuple(rows), _MOST_ROWS)


def element_table(derivation: Sheet) -> Table:
    """Return every line for one element, with the ranges of its indices."""
    rows: list[Row] = []
    for line in derivation.lines:
        try:
            found = indexed(line, derivation)
        except OutOfLettersError as fault:
            rows.append((_math(line.equation), (f"all elements at once: {fault.what}",)))
        else:
            rows.append((_math(found.equation), (ranges(found),)))
    return Table("Element by element", (), "<<", tuple(rows), _MOST_ROWS)


def element_chains(derivation: Sheet, values: Values) -> list[Part]:
    """Return the chain rule for one element of every derivative, as far as it can be written.

    Parameters
    ----------
    derivation : Sheet
    values : Values
        From `worked_out`; every step is checked with them.

    Returns
    -------
    list of Part
    """
    found = [
        element_chain(line, derivation, values) for line in derivation.backward[-_MOST_CHAINS:]
    ]
    chains = [chain for chain in found if chain is not None]
    parts: list[Part] = []
    for chain in chains:
        local = [Formula(Math(equation)) for equation in chain.local]
        steps = [Calculated(_math(step.right), (step.rule,)) for step in chain.steps]
        parts += [*local, Steps(Math(chain.left), tuple(steps))]
    if parts:
        i, k = Name("i"), Name("k")
        sign = Math(Name(chains[0].delta, index=(i, k)))
        said = (sign, " is 1 where ", Math(i), " and ", Math(k), " are the same, 0 elsewhere")
        parts.insert(0, Paragraph(said))
    return parts


def _math(node: Node) -> Content:
    return (Math(node),)


def _code(text: str) -> Content:
    return (Code(text),) if text else NOTHING


def ranges(line: IndexedLine) -> str:
    """Return how far the indices of a line run."""
    return ", ".join([f"{k} = 0…{n - 1}" for k, n in line.ranges.items()])


def shape(line: Line) -> str:
    """Return a shape as text: ``3×5``."""
    return "×".join(map(str, line.shape)) or "number"


def place(source: Source | None) -> str:
    """Return file and line of a source, or ""."""
    return "" if source is None else f"{os.path.basename(source.file)}:{source.line}"


# --- lists and steps --------------------------------------------------------------------------


def legend(derivation: Sheet) -> Bullets:
    """Return what the letters stand for, and what the derivation depends on."""
    turned = "its transpose" if derivation.layout == "numerator" else "its array"
    layout = f"{derivation.layout} layout: a derivative has the shape of {turned}"
    counts = derivation.counts.items()
    lines: list[Content] = [(layout,)]
    lines += [
        ("with ", *_math(Name(letter)), f" = {count}, what the mean is over")
        for letter, count in counts
    ]
    lines += [(f"{name} = {_listed(value)}",) for name, value in derivation.constants.items()]
    lines += [("where ", *_math(equation)) for equation in derivation.programs]
    lines += [(f"{name}: {meaning}",) for name, meaning in _operators(derivation)]
    for condition in derivation.conditions:
        if condition.is_guard:
            lines.append(("as long as ", *_math(condition.left)))
            continue
        outcome = onp.asarray(condition.outcome)
        said = "holds" if outcome.dtype == bool and outcome.all() else f"is {outcome}"
        where = place(condition.source)
        lines.append(("if ", *_math(condition.left), f" {said}{f' ({where})' if where else ''}"))
    return Bullets(tuple([(line,) for line in lines]))


def _listed(constant: Any) -> str:
    """Return an array of the program in a few characters."""
    text = onp.array2string(onp.asarray(constant), precision=4, threshold=6, edgeitems=2)
    return " ".join(text.replace("...", "…").split())


def _operators(derivation: Sheet) -> list[tuple[str, str]]:
    """Return the named operators of a derivation with their definitions."""
    names = [
        node.function.name
        for equation in derivation.equations()
        for node in equation.right.walk()
        if isinstance(node, Call)
    ]
    return [(name, NAMED[name]) for name in dict.fromkeys(names) if name in NAMED]


def steps_of(line: Line) -> Steps:
    """Return how a line was brought into its form, with the rule of every step."""
    steps = [Calculated(_math(step.right), (step.rule,)) for step in line.steps]
    return Steps(Math(line.left), tuple(steps))


# --- with numbers -----------------------------------------------------------------------------


def numbered(derivation: Sheet, line: Line, index: Sequence[int], values: Values) -> Content:
    """Return one element of a line with numbers for all names, the first terms of every sum.

    Parameters
    ----------
    derivation : Sheet
    line : Line
    index : sequence of int
        Which element.
    values : Values
        From `worked_out`.

    Returns
    -------
    tuple of Inline
        Such as ``z = 0.1·0.5 + 0.2·0.7 + … = 0.31``.
    """
    try:
        found = indexed(line, derivation)
    except OutOfLettersError:
        return _math(line.equation)
    free = list(found.ranges)[: sum(n != 1 for n in line.shape)]
    places = [k for k, n in zip(index, line.shape, strict=True) if n != 1]
    chosen = dict(zip(free, places, strict=True))
    right = _placed(with_ranges(found.equation.right, found.ranges), chosen)
    total = float(numbers_of(values.of(right)).reshape(()))
    left = _placed(found.equation.left, chosen)
    filled, result = _filled(right, values), f"{total + 0.0:.6g}"
    whole = Math(Equation(left, filled))
    return (whole,) if unicode(filled) == result else (whole, f" = {result}")


def _placed(node: Node, places: dict[str, int]) -> Node:
    def change(part: Node) -> Node:
        if isinstance(part, Name) and part.base in places and not part.index:
            return Number(Fraction(places[part.base]))
        return part

    return node.map(change)


def _filled(node: Node, values: Values) -> Node:
    """Return a tree with numbers for names, elements and derivatives; sums are written out."""
    if isinstance(node, Series) and node.index:
        return _written_out(node, values)
    if isinstance(node, (Name, Element, Derivative)):
        return _rounded(float(numbers_of(values.of(node)).reshape(-1)[0]))
    if isinstance(node, Binary) and node.op == " ":
        node = replace(node, op=".")  # between numbers a product needs its sign
    changes: dict[str, Any] = {}
    for name in ("left", "right", "operand", "base", "exponent", "body"):
        part = getattr(node, name, None)
        if isinstance(part, Node):
            changes[name] = _filled(part, values)
    if isinstance(node, Call):
        known = builtin(node.function.name)
        if known is None or known.family != "elementwise":
            return _rounded(float(numbers_of(values.of(node)).reshape(-1)[0]))
        changes["args"] = tuple([_filled(part, values) for part in node.args])
    return replace(node, **changes) if changes else node


def _written_out(node: Series, values: Values) -> Node:
    assert isinstance(node.low, Number) and isinstance(node.high, Number)
    low, high = int(node.low.value), int(node.high.value)
    total: Node | None = None
    for k in range(low, min(high, low + _TERMS - 1) + 1):
        term = _filled(_placed(node.body, {node.index: k}), values)
        total = term if total is None else Binary("+", total, term)
    if high - low >= _TERMS:
        total = Binary("+", total or Number(Fraction(0)), Name("…"))
    return total or Number(Fraction(0))


def _rounded(value: float) -> Node:
    """Return a number to be read, not computed with: six digits, as they are."""
    written = Name(f"{abs(value):.6g}")
    return Unary("-", written) if value < 0 else written


def number_list(derivation: Sheet, values: Values, index: Sequence[int]) -> Bullets:
    """Return what is one number, and one element of the argument's derivative, with numbers put in.

    Parameters
    ----------
    derivation : Sheet
        With respect to one array.
    values : Values
        From `worked_out`.
    index : sequence of int
        Which element of the array.

    Returns
    -------
    Bullets
    """
    numbers = [line for line in derivation.lines[:-1] if not line.shape]
    rows = [numbered(derivation, line, (), values) for line in numbers[-_MOST_NUMBERS:]]
    if derivation.backward:
        rows.append(numbered(derivation, derivation.backward[-1], index, values))
    return Bullets(tuple([(row,) for row in rows]))


# --- both modes -------------------------------------------------------------------------------


def mode_parts(both: Modes) -> list[Part]:
    """Return forward and reverse mode side by side: chains with brackets, operations."""
    items = []
    for association in both.associations if both.chain else ():
        end = "left" if association.mode == "reverse" else "right"
        count = " + ".join([f"{n:,}" for n in association.multiplications])
        if len(association.multiplications) > 1:
            count += f" = {association.total:,}"
        if len(count) > _WIDEST - _MARGIN:
            count = f"{association.total:,}"
        head = (f"{association.mode} mode, from the {end}: ", *chained(both, end))
        said = f"  multiplications, were the Jacobians written out: {count or 'none'}"
        items.append((head, (said,)))
    return [Bullets(tuple(items)), Listing(str(both.cost), "Counted operations")]


def chained(both: Modes, end: str) -> Content:
    """Return the chain with the brackets of a mode; of a long chain both ends.

    Parameters
    ----------
    both : Modes
    end : str
        ``left`` or ``right``: where the multiplication begins.

    Returns
    -------
    tuple of Inline
    """
    factors: list[Content] = [_math(link.factor) for link in both.chain]
    length = sum(len(unicode(link.factor)) for link in both.chain)
    if length > _WIDEST - 5 * len(factors) and len(factors) > 4:
        factors = [*factors[:2], ("…",), *factors[-2:]]
    if end == "right":
        factors.reverse()
    product = factors[0]
    for k, factor in enumerate(factors[1:]):
        inner: Content = ("(", *product, ")") if k else product
        product = (*inner, " · ", *factor) if end == "left" else (*factor, " · ", *inner)
    return product
