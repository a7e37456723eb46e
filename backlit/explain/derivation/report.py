"""A derivation as rows of text: equations, shapes, and where they come from."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as onp

from backlit.core.source import Source
from backlit.explain.derivation.checking import Values, numbers_of, worked_out
from backlit.explain.derivation.definitions import NAMED
from backlit.explain.derivation.indices import IndexedLine, indexed, with_ranges
from backlit.explain.derivation.modes import Modes
from backlit.explain.derivation.reasons import Reasons
from backlit.explain.derivation.sheet import Line, Sheet
from backlit.explain.equation.operators import builtin
from backlit.explain.equation.tree import (
    Binary,
    Call,
    Derivative,
    Element,
    Name,
    Node,
    Number,
    Series,
    Unary,
)

Write = Callable[[Node], str]
Row = tuple[str, str, str]
# Terms of a sum that are written out with their numbers.
_TERMS = 3
# Lines that are one number and are shown with the numbers put in.
_MOST_NUMBERS = 12
# Characters of a chain, and of what its products cost.
_WIDEST, _MARGIN = 90, 25


def program_rows(derivation: Sheet, write: Write) -> list[Row]:
    """Return what the program computes: equation, shape, line.

    Parameters
    ----------
    derivation : Sheet
    write : callable
        Turns a tree into text.

    Returns
    -------
    list of (str, str, str)
    """
    return [(write(x.equation), shape(x), place(x.source)) for x in derivation.forward]


def gradient_rows(derivation: Sheet, write: Write) -> list[Row]:
    """Return the derivatives: equation, shape, reasons."""
    why = Reasons(derivation)
    return [(write(x.equation), shape(x), "; ".join(why.of(x))) for x in derivation.backward]


def legend(derivation: Sheet, write: Write) -> list[str]:
    """Return what the letters stand for, and what the derivation depends on."""
    turned = "its transpose" if derivation.layout == "numerator" else "its array"
    layout = f"{derivation.layout} layout: a derivative has the shape of {turned}"
    counts = derivation.counts.items()
    lines = [layout, *[f"with {k} = {count}, what the mean is over" for k, count in counts]]
    lines += [f"where {write(equation)}" for equation in derivation.programs]
    lines += [f"{name}: {meaning}" for name, meaning in _operators(derivation)]
    for condition in derivation.conditions:
        outcome = onp.asarray(condition.outcome)
        said = "holds" if outcome.dtype == bool and outcome.all() else f"is {outcome}"
        where = place(condition.source)
        lines.append(f"if {write(condition.left)} {said}{f' ({where})' if where else ''}")
    return lines


def _operators(derivation: Sheet) -> list[tuple[str, str]]:
    """Return the named operators of a derivation with their definitions."""
    names = [
        node.function.name
        for equation in derivation.equations()
        for node in equation.right.walk()
        if isinstance(node, Call)
    ]
    return [(name, NAMED[name]) for name in dict.fromkeys(names) if name in NAMED]


def step_rows(line: Line, write: Write) -> list[tuple[str, str]]:
    """Return how a line was simplified: rule and right side, nothing for a single step."""
    if len(line.steps) < 2:
        return []
    return [(step.rule, write(step.right)) for step in line.steps]


def element_rows(derivation: Sheet, write: Write) -> list[tuple[str, str]]:
    """Return every line for one element, with the ranges of its indices."""
    rows = []
    for line in derivation.lines:
        found = indexed(line, derivation)
        rows.append((write(found.equation), ranges(found)))
    return rows


def ranges(line: IndexedLine) -> str:
    """Return how far the indices of a line run."""
    return ", ".join([f"{k} = 0…{n - 1}" for k, n in line.ranges.items()])


def numbered(
    derivation: Sheet, line: Line, index: Sequence[int], values: Values, write: Write
) -> str:
    """Return one element of a line with numbers for all names, the first terms of every sum.

    Parameters
    ----------
    derivation : Sheet
    line : Line
    index : sequence of int
        Which element.
    values : Values
        From `worked_out`.
    write : callable

    Returns
    -------
    str
        Such as ``0.1·0.5 + 0.2·0.7 + … = 0.31``.
    """
    found = indexed(line, derivation)
    free = list(found.ranges)[: sum(n != 1 for n in line.shape)]
    places = [k for k, n in zip(index, line.shape, strict=True) if n != 1]
    chosen = dict(zip(free, places, strict=True))
    right = _placed(with_ranges(found.equation.right, found.ranges), chosen)
    total = float(numbers_of(values.of(right)).reshape(()))
    left = _placed(found.equation.left, chosen)
    text, result = write(_filled(right, values)), f"{total:.6g}"
    return f"{write(left)} = {text} = {result}" if text != result else f"{write(left)} = {text}"


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


def number_rows(
    derivation: Sheet, args: Sequence[Any], index: Sequence[int], write: Write
) -> list[str]:
    """Return what is one number, and one element of the argument's derivative, with numbers put in.

    Parameters
    ----------
    derivation : Sheet
        With respect to one array.
    args : sequence of trees
        Arguments of the function.
    index : sequence of int
        Which element of the array.
    write : callable

    Returns
    -------
    list of str
    """
    values = worked_out(derivation, args)
    numbers = [line for line in derivation.lines[:-1] if not line.shape]
    rows = [numbered(derivation, line, (), values, write) for line in numbers[-_MOST_NUMBERS:]]
    if derivation.backward:
        rows.append(numbered(derivation, derivation.backward[-1], index, values, write))
    return rows


def mode_rows(both: Modes, write: Write) -> list[str]:
    """Return forward and reverse mode side by side: chains with brackets, operations."""
    lines: list[str] = []
    for association in both.associations if both.chain else ():
        end = "left" if association.mode == "reverse" else "right"
        lines.append(f"{association.mode} mode, from the {end}: {chained(both, end, write)}")
        count = " + ".join([f"{n:,}" for n in association.multiplications])
        if len(association.multiplications) > 1:
            count += f" = {association.total:,}"
        if len(count) > _WIDEST - _MARGIN:
            count = f"{association.total:,}"
        lines.append(f"  multiplications, were the Jacobians written out: {count or 'none'}")
    return lines


def chained(both: Modes, end: str, write: Write) -> str:
    """Return the chain with the brackets of a mode; of a long chain both ends.

    Parameters
    ----------
    both : Modes
    end : str
        ``left`` or ``right``: where the multiplication begins.
    write : callable

    Returns
    -------
    str
    """
    factors = [write(link.factor) for link in both.chain]
    if sum(map(len, factors)) > _WIDEST - 5 * len(factors) and len(factors) > 4:
        factors = [*factors[:2], "…", *factors[-2:]]
    if end == "right":
        factors.reverse()
    text = factors[0]
    for k, factor in enumerate(factors[1:]):
        inner = f"({text})" if k else text
        text = f"{inner} · {factor}" if end == "left" else f"{factor} · {inner}"
    return text


def written(derivation: Sheet, write: Write) -> str:
    """Return a derivation as text: the program, the derivatives, the steps to each.

    Parameters
    ----------
    derivation : Sheet
    write : callable
        Turns a tree into text.

    Returns
    -------
    str
    """
    blocks = [
        aligned(program_rows(derivation, write)),
        aligned(gradient_rows(derivation, write)),
        legend(derivation, write),
    ]
    for line in derivation.backward:
        rows = step_rows(line, write)
        if rows:
            steps = aligned([(rule, text, "") for rule, text in rows])
            blocks.append([write(line.left), *[f"  {step}" for step in steps]])
    return "\n\n".join(["\n".join(block) for block in blocks if block])


def aligned(rows: Sequence[Row]) -> list[str]:
    """Return rows as lines whose columns begin at the same place."""
    widths = [max([len(row[k]) for row in rows], default=0) for k in range(3)]
    return [
        "  ".join([cell.ljust(width) for cell, width in zip(row, widths, strict=True)]).rstrip()
        for row in rows
    ]


def shape(line: Line) -> str:
    """Return a shape as text: ``3×5``."""
    return "×".join(map(str, line.shape)) or "number"


def place(source: Source | None) -> str:
    """Return file and line of a source, or ""."""
    return "" if source is None else f"{os.path.basename(source.file)}:{source.line}"
