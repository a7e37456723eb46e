"""The bias of W A, whose units are rows, and of A W: how large it is meant to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backlit.explain.equation.binding.dimensions import Shape, ShapeMismatch
from backlit.explain.equation.tree import Binary, Name, Node, Transpose

if TYPE_CHECKING:
    from backlit.explain.equation.binding.shapes import ShapeOf

_NO_BIAS, _ONE_NUMBER = 6.0, 5.0


def fit(infer: ShapeOf, node: Binary) -> None:
    """Give a bias that is to be fitted the shape that a sum needs.

    Parameters
    ----------
    infer : ShapeOf
    node : Binary
        A sum.
    """
    for bias, other in ((node.right, node.left), (node.left, node.right)):
        if not isinstance(bias, Name) or bias.base not in infer.fitted:
            continue
        if infer.shapes.get(bias.base) is None:
            try:
                infer(other)
            except ShapeMismatch:
                return
            meant = _meant(infer, other)
            # A number is enough for one unit.
            infer.shapes[bias.base] = meant[0] if meant and set(meant[0]) != {1} else ()


def oddity(infer: ShapeOf, node: Node, bias: str) -> float:
    """Return how odd the shape of a bias is beside what it is added to.

    Parameters
    ----------
    infer : ShapeOf
    node : Node
        That, inferred.
    bias : str

    Returns
    -------
    float
    """
    shape = infer.shapes.get(bias)
    meant = _meant(infer, node)
    if bias not in infer.roles.biases or shape is None or not meant:
        return 0.0
    shape = infer.dimensions.shape(shape)
    if shape in meant:
        return 0.0
    # A number is enough for one unit.
    return _NO_BIAS if shape else _ONE_NUMBER * (meant[0] != () and set(meant[0]) != {1})


def _meant(infer: ShapeOf, node: Node) -> list[Shape]:
    """Return the likely shapes of a bias beside a sum that ends with a product."""
    while isinstance(node, Binary) and node.op == "+":
        node = node.right
    product = infer.products.get(id(node))
    if product is None or not isinstance(node, Binary):
        return []
    product = infer.dimensions.shape(product)
    ranks = [_rank_of_weight(infer, side) for side in (node.left, node.right)]
    if ranks[0] == 2:
        return [product] if len(product) == 1 else [(*product[:1], 1)]
    if ranks[1] == 2 and product:
        return [product[-1:], (1, *product[-1:])]
    return [()] if ranks[1] == 1 or (ranks[0] == 1 and not product) else []


def _rank_of_weight(infer: ShapeOf, node: Node) -> int | None:
    inner = node.operand if isinstance(node, Transpose) else node
    if not isinstance(inner, Name) or inner.base not in infer.roles.weights:
        return None
    shape = infer.shapes.get(inner.base)
    return None if shape is None else len(shape)
