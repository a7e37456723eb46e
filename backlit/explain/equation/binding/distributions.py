"""What use tells of a variable: y of −Σ y log p sums to 1, δ of |r| ≤ δ is positive."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as onp

from backlit.explain.equation.binding.lower import Lowering
from backlit.explain.equation.binding.names import BindingError
from backlit.explain.equation.binding.problem import Defined
from backlit.explain.equation.binding.script import value_of
from backlit.explain.equation.tree import (
    PRODUCTS,
    Binary,
    Call,
    Compare,
    Element,
    Function,
    Name,
    Node,
    Transpose,
    Unary,
)
from backlit.explain.equation.values.draws import Values
from backlit.explain.equation.values.evaluate import EvaluationFault
from backlit.explain.equation.values.points import Point


def assumed(
    defined: Sequence[Defined],
    claims: Iterable[tuple[Node, Node]],
    leaves: Collection[str],
    lower: Lowering,
    point: Point,
) -> dict[str, str]:
    """Return properties of variables that nothing was said of.

    Parameters
    ----------
    defined : sequence of Defined
    claims : iterable of (Node, Node)
        Resolved sides.
    leaves : collection of str
        Variables of which the notes say nothing.
    lower : Lowering
    point : Point

    Returns
    -------
    dict of str to str
    """
    written = [*(d.node for d in defined), *(side for claim in claims for side in claim)]
    weights = _weights_of_distributions(defined, leaves, lower, point)
    classes = _classes(written, leaves)
    return {**dict(_thresholds(written, leaves)), **classes, **dict(weights)}


def _classes(nodes: Iterable[Node], leaves: Collection[str]) -> dict[str, str]:
    """Return the variables that are asked whether they are 0 or 1, or 1 or −1: labels."""
    asked: dict[str, set[Fraction]] = {}
    for node in nodes:
        for part in node.walk():
            if not isinstance(part, Compare) or part.op not in ("==", "!="):
                continue
            for label, value in ((part.left, part.right), (part.right, part.left)):
                number = value_of(value)
                label = label.operand if isinstance(label, Element) else label
                if isinstance(label, Name) and label.base in leaves and number is not None:
                    asked.setdefault(label.base, set()).add(number)
    found = {}
    for symbol, numbers in asked.items():
        if numbers <= {0, 1}:
            found[symbol] = "binary"
        elif numbers <= {1, -1}:
            found[symbol] = "1 or -1"
    return found


def _weights_of_distributions(
    defined: Iterable[Defined], leaves: Collection[str], lower: Lowering, point: Point
) -> Iterator[tuple[str, str]]:
    """Yield the variables that weigh the logarithms of shares, and along which axis.

    Of −Σ y log p, where the p of each example sum to 1, so are those of y taken to do.
    """
    for one in defined:
        for part in one.node.walk():
            found = _weight_of_log(part)
            if found is None or found[0] not in leaves:
                continue
            symbol, inside = found
            try:
                shares = point.evaluate(lower(inside))
            except (BindingError, EvaluationFault):
                continue
            axis = _summing_to_one(shares)
            if axis is not None and shares.shape == point.value(symbol).shape:
                yield symbol, "columns sum to 1" if axis == 0 else "rows sum to 1"


def _thresholds(nodes: Iterable[Node], leaves: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the variables that sizes are compared with, which are positive: δ of |r| ≤ δ."""
    for node in nodes:
        for part in node.walk():
            bound: Node | None = None
            if isinstance(part, Compare):
                sizes = [_is_size(side) for side in (part.left, part.right)]
                if sizes[0] != sizes[1]:
                    bound = part.right if sizes[0] else part.left
            elif isinstance(part, Call) and part.function.name == "clip" and len(part.args) == 3:
                low, high = part.args[1:]
                bound = high if low == Unary("-", high) else None
            if isinstance(bound, Name) and bound.base in leaves:
                yield bound.base, "positive"


def _is_size(node: Node) -> bool:
    return isinstance(node, Call) and node.function.name in ("abs", "norm")


def _weight_of_log(node: Node) -> tuple[str, Node] | None:
    """Return y and p of a product y log p, or None."""
    if not (isinstance(node, Binary) and node.op in PRODUCTS):
        return None
    left = node.left.operand if isinstance(node.left, (Transpose, Element)) else node.left
    right = node.right
    if not isinstance(left, Name) or not isinstance(right, Call) or len(right.args) != 1:
        return None
    inside = right.args[0]
    if right.function.name == "log_softmax":
        inside = replace(right, function=Function("softmax"))
    elif right.function.name != "log":
        return None
    if isinstance(inside, Element):
        inside = inside.operand
    return left.base, inside


def _summing_to_one(shares: Values) -> int | None:
    """Return the axis along which values sum to 1: −1 of a vector."""
    for axis in range(shares.ndim):
        if shares.shape[axis] > 1 and onp.allclose(shares.sum(axis), 1.0):
            return axis - 1 if shares.ndim == 1 else axis
    return None
