"""Layers and indices some places on: l + 1 for l, L − 2 for l − 1 where l is L − 1."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from backlit.explain.equation.tree import Binary, Equation, Function, Name, Node, Number


def shifted(layer: Node, step: int) -> Node:
    """Return a layer or an index some places on: l − 1 for l + 1 and −2.

    Parameters
    ----------
    layer : Node
    step : int

    Returns
    -------
    Node
    """
    if isinstance(layer, Number):
        return Number(layer.value + step)
    if isinstance(layer, Binary) and isinstance(layer.right, Number) and layer.op in "+-":
        value = layer.right.value * (1 if layer.op == "+" else -1) + step
        base = layer.left
    else:
        value, base = Fraction(step), layer
    if not value:
        return base
    return Binary("+" if value > 0 else "-", base, Number(abs(value)))


def moved(node: Equation, slot: str, letter: str, to: Node) -> Equation:
    """Return an equation with a letter in its layers or indices replaced: l − 1 becomes L − 2.

    Parameters
    ----------
    node : Equation
    slot : {"layer", "index"}
    letter : str
    to : Node
        What stands for the letter.

    Returns
    -------
    Equation
    """

    def place(node: Node) -> Node:
        if node == Name(letter):
            return to
        if isinstance(node, Binary) and node.left == Name(letter) and node.op in "+-":
            step = node.right.value if isinstance(node.right, Number) else None
            if step is not None and step.denominator == 1:
                return shifted(to, int(step) if node.op == "+" else -int(step))
        return node

    def change(node: Node) -> Node:
        if isinstance(node, (Name, Function)) and slot == "layer" and node.layer is not None:
            return replace(node, layer=place(node.layer))
        if isinstance(node, Name) and slot == "index" and node.index:
            return replace(node, index=tuple([place(part) for part in node.index]))
        return node

    changed = node.map(change)
    assert isinstance(changed, Equation)
    return changed
