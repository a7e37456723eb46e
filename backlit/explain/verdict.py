"""What the numbers of an explanation say, in words: why a gradient is zero, and the last line."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from backlit.core.graph import Equation
from backlit.explain.formula import counted, number
from backlit.explain.scalars import Link

if TYPE_CHECKING:
    from backlit.explain.parts import Parts

_MOST = 3


def blocked(parts: Parts) -> tuple[str, ...]:
    """Return where the gradient stops: the first local derivatives of exactly zero on the way.

    They are found by following, from the weight, the edges that are not zero.

    Parameters
    ----------
    parts : Parts

    Returns
    -------
    tuple of str
        One sentence each; empty unless the gradient is zero.
    """
    if parts.gradient != 0 or math.isnan(parts.gradient):
        return ()
    if not parts.scalars.size:
        return _dead_ends(parts)
    found: list[str] = []
    more = 0
    open_nodes = {0}
    for node in range(parts.scalars.size):
        if node not in open_nodes:
            continue
        for link, k in parts.edges(node):
            if link.local[k] != 0 or link.masked[k]:
                open_nodes.add(int(link.rows[k]))
            elif len(found) < _MOST:
                found.append(_zero(parts, node, int(link.rows[k]), parts.rule(link, k)[0], link))
            else:
                more += 1
    if parts.scalars.size - 1 in open_nodes:
        # Open all the way: the zero is a sum that cancels, or a product too small to represent.
        return ()
    return (*found, f"and {more:,} more of the kind") if more else tuple(found)


def _zero(parts: Parts, node: int, target: int, rule: str, link: Link) -> str:
    element, result = parts.element(node), parts.element(target)
    equation = parts.equation(link)
    text, operation = f"∂{result.label}/∂{element.label}", equation.primitive.name
    if operation == "relu":
        return f"{text} = 0: relu is off at {element.label} = {_at(element.value, equation)}"
    if rule and not rule[0].isdigit() and ">" not in rule:
        text += f" = {rule}"
    return f"{text} = {_at(0.0, equation)}, by {operation}"


def _at(value: float, equation: Equation) -> str:
    source = equation.source
    place = "" if source is None else f" ({os.path.basename(source.file)}:{source.line})"
    return f"{number(value)}{place}"


def _dead_ends(parts: Parts) -> tuple[str, ...]:
    """Say where the influence of the weight ends if no path leads to the loss."""
    texts: list[str] = []
    for var, place, number_of in parts.scalars.dead_ends:
        equation = parts.scalars.graph.equations[number_of]
        name = equation.primitive.name
        source, label = equation.source, parts.names.label(var, place)
        line = "" if source is None else f" ({os.path.basename(source.file)}:{source.line})"
        if name == "stop_gradient":
            text = f"stop_gradient cuts the gradient of {label}{line}"
        elif equation.primitive.family == "constant":
            text = f"{name} of {label} has no derivative, it is flat or jumps{line}"
        else:
            text = f"the derivative of {name} with respect to {label} is 0 here{line}"
        if text not in texts:
            texts.append(text)
    if not texts:
        return (f"{parts.names.symbol} is not used in computing {parts.names.loss}",)
    more = len(texts) - _MOST
    return (*texts[:_MOST], f"and {more:,} more of the kind") if more > 0 else tuple(texts)


def statement(parts: Parts, zeros: tuple[str, ...]) -> str:
    """Return the last line of an explanation.

    Parameters
    ----------
    parts : Parts
    zeros : tuple of str
        What `blocked` found.

    Returns
    -------
    str
    """
    symbol, loss, count = parts.names.symbol, parts.names.loss, parts.paths.count
    gradient = parts.gradient
    head = f"∂{loss}/∂{symbol} = {number(gradient)}"
    if math.isnan(gradient):
        return f"{head}: a local derivative on the way is infinite or not a number."
    if not count:
        return f"{head}: no path leads from {symbol} to {loss}; {zeros[0]}."
    if zeros:
        return f"{head}: nothing comes through; {zeros[0]}."
    if gradient == 0:
        ends = "the paths cancel exactly" if count > 1 else "the product is too small to represent"
        return f"{head}: {ends}."
    ways = "along one path" if count == 1 else f"summed over {counted(count)} paths"
    change = f"raising {symbol} by a small h changes {loss} by about {number(gradient)}·h"
    return f"{head}: {change} ({ways})."
