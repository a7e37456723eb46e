"""`draw`: any function of this library as a picture of both of its passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as onp

from backlit.core import tree
from backlit.core.errors import DifferentiationError, InputError
from backlit.core.evaluate import values as evaluate_all
from backlit.core.graph import Graph, Var, as_operand
from backlit.core.tracing import function_name, leaf_names
from backlit.explain.derivation.differentiated import inlined
from backlit.explain.document import (
    Box,
    Code,
    Content,
    Document,
    Figure,
    Head,
    Paragraph,
    Part,
    Picture,
    Section,
    Table,
)
from backlit.explain.drawing.arrays import Facts
from backlit.explain.drawing.pictures import graph_picture, slug
from backlit.explain.flow import flow
from backlit.explain.names import find_array, require_floats
from backlit.explain.shown import Shown
from backlit.transforms import trace


@dataclass(frozen=True)
class Drawing(Shown):
    """A picture of a graph; made by `draw`.

    Attributes
    ----------
    picture : Picture
    """

    picture: Picture

    def document(self) -> Document:
        """Return the picture in a document, with what is written in it as tables."""
        picture = self.picture
        parts: list[Part] = [Paragraph((picture.about,)), Figure(picture)]
        boxes = list(zip(picture.forward, picture.backward, strict=True))
        rows: list[tuple[Content, ...]] = [
            ((Code(ahead.lines[0]),), (_rest(ahead),), (_rest(back),))
            for ahead, back in boxes
            if ahead.kind != "local"
        ]
        titles: tuple[str, ...] = ("name", "on the way forward", "on the way back")
        parts.append(Section(("Values and gradients",), (_table("Boxes", titles, rows),)))
        if edges := _edges(boxes, picture.arrows):
            titles = ("from", "to", "local derivative", "sent back")
            parts.append(Section(("Edges",), (_table("Edges", titles, edges),)))
        return Document((picture.title,), tuple(parts))

    def to_dict(self) -> dict[str, Any]:
        """Return the picture as plain data: boxes, arrows, what is folded."""
        return self.picture.to_dict()


def _result(graph: Graph, function: str) -> Var:
    """Return the one output of a graph, or say why there is nothing to go back from."""
    count = len(graph.outputs)
    if count != 1:
        raise DifferentiationError(
            f"{function} has to return one array; it returns {count or 'none'}",
            fix="return one of its results: lambda *args: f(*args)[0]" if count else None,
        )
    result = graph.outputs[0]
    if result.aval.dtype.kind != "f":
        raise DifferentiationError(
            f"{function} returns {result.aval.dtype}, and only floating-point numbers have "
            "gradients",
            fix="return a float that changes smoothly with the arguments",
        )
    if not isinstance(result, Var):
        raise DifferentiationError(
            f"{function} returns a number that does not depend on its arguments"
        )
    return result


def _table(caption: str, titles: Sequence[str], rows: list[tuple[Content, ...]]) -> Table:
    heads = tuple([Head(title) for title in titles])
    return Table(caption, heads, "<" * len(heads), tuple(rows))


def _rest(box: Box) -> str:
    return ", ".join(box.lines[1:]) or box.lines[0]


def _edges(
    boxes: list[tuple[Box, Box]], arrows: tuple[tuple[int, int], ...]
) -> list[tuple[Content, ...]]:
    """Return what is written on the edges, each with its two ends."""
    ends: dict[int, list[int]] = {}
    for start, end in arrows:
        ends.setdefault(start, []).append(end)
    found: list[tuple[Content, ...]] = []
    for start, place in arrows:
        ahead, back = boxes[place]
        if ahead.kind == "local":
            names = [boxes[k][0].lines[0] for k in (start, ends[place][0])]
            texts = [" ".join(ahead.lines), " ".join(back.lines)]
            found.append((*[(Code(name),) for name in names], *[(text,) for text in texts]))
    return found


def draw(
    f: Callable[..., Any],
    *args: Any,
    wrt: str | None = None,
    upstream: Any = None,
) -> Drawing:
    """Draw both passes of a function: values on the way forward, gradients on the way back.

    Parameters
    ----------
    f : callable
        Returns one array: a loss, or the result of a single gate.
    *args : trees of arrays
        Its arguments.
    wrt : str, optional
        Path of the argument whose gradient is wanted; by default all of floating-point type.
    upstream : array, optional
        The gradient that arrives at the result; ones if left out.

    Returns
    -------
    Drawing
        `to_svg`, `to_html` and `save` need the extra ``draw``. A graph of more than 30 operations
        is folded by module, and a long program in stretches; a click on a box opens it.

    Raises
    ------
    DifferentiationError
        If f does not return one real array.
    InputError
        If there is no such argument, if none holds floating-point numbers (3.0, not 3), or if
        `upstream` has another shape than the result.

    Examples
    --------
    >>> gate = draw(lambda x, y: x * y, 3.0, -4.0, upstream=2.0)
    >>> [box.lines for box in gate.picture.backward if box.kind == "input"]
    [('∂L/∂x', '-8'), ('∂L/∂y', '6')]
    """
    leaves, _ = tree.flatten(args)
    paths = leaf_names(f, args)
    function = function_name(f)
    asked = None if wrt is None else find_array(f, paths, leaves, wrt)
    if asked is None:
        require_floats(function, paths, leaves)
    with onp.errstate(all="ignore"):
        graph = trace(f)(*args).pruned()
        graph, _ = inlined(graph, graph.names())
        result = _result(graph, function)
        values = evaluate_all(graph, [as_operand(leaf) for leaf in leaves])
        if upstream is not None and onp.shape(upstream) != result.aval.shape:
            raise InputError(
                f"the gradient that arrives has shape {onp.shape(upstream)}, the result of "
                f"{function} {result.aval.shape}",
                fix="give one number per element of the result",
            )
        inputs = graph.inputs[: len(leaves)]
        if asked is None:
            chosen = [var for var in inputs if var.aval.dtype.kind == "f"]
        else:
            chosen = [inputs[asked]]
        found = flow(graph, values, chosen, upstream)
        name = function if function.isidentifier() else "f"
        facts = Facts(found, given=upstream is not None)
        picture = graph_picture(facts, f"graph-{slug(name)}", f"The graph of {name}")
    return Drawing(picture)
