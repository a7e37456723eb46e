"""Where the boxes of a picture go: a layered layout by graphlay, the extra `draw`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from backlit.core.errors import InputError

Point = tuple[float, float]

_OPTIONS = {
    "direction": "topbottom",
    "spacing": {"layer_gap": 20.0, "node_gap": 22.0, "dummy_gap": 18.0, "port_gap": 12.0},
    "routing": {"style": "orthogonal", "bundle_parallel": False},
}


@dataclass(frozen=True)
class Placed:
    """A layout.

    Attributes
    ----------
    corners : tuple of (x, y)
        Upper left corner of every box, x to the right and y down, both at least 0.
    routes : tuple of tuple of (x, y)
        The way of every arrow, from the edge of one box to the edge of the other.
    width, height : float
        Of the whole.
    """

    corners: tuple[Point, ...]
    routes: tuple[tuple[Point, ...], ...]
    width: float
    height: float


def can_draw() -> bool:
    """Tell whether the library that places boxes is there."""
    return find_spec("graphlay") is not None


def place(sizes: Sequence[tuple[float, float]], arrows: Sequence[tuple[int, int]]) -> Placed:
    """Place boxes in layers, so that every arrow points down.

    Parameters
    ----------
    sizes : sequence of (width, height)
    arrows : sequence of (int, int)
        Without a cycle.

    Returns
    -------
    Placed

    Raises
    ------
    InputError
        If graphlay is not installed.

    Examples
    --------
    >>> found = place([(40, 20), (40, 20)], [(0, 1)])
    >>> found.corners[1][1] > found.corners[0][1] + 20
    True
    """
    if not can_draw():
        from backlit.train.plot import install_command

        raise InputError(
            "pictures of graphs need graphlay, which is not installed",
            fix=install_command("'graphlay<0.4'"),
        )
    import graphlay

    graph = graphlay.Graph()
    for width, height in sizes:
        graph.node(width=width, height=height)
    for start, end in arrows:
        graph.edge(start, end)
    found = graphlay.layout(graph, options=_OPTIONS)
    corners = [
        (node["center"]["x"] - width / 2, node["center"]["y"] - height / 2)
        for node, (width, height) in zip(found.nodes, sizes, strict=True)
    ]
    routes = [[(p["x"], p["y"]) for p in edge["points"]] for edge in found.edges]
    points = [point for route in routes for point in route]
    left = min(x for x, _ in [*corners, *points])
    top = min(y for _, y in [*corners, *points])
    ends = [(x + w, y + h) for (x, y), (w, h) in zip(corners, sizes, strict=True)]
    return Placed(
        corners=tuple([(x - left, y - top) for x, y in corners]),
        routes=tuple([tuple([(x - left, y - top) for x, y in route]) for route in routes]),
        width=max(x for x, _ in [*ends, *points]) - left,
        height=max(y for _, y in [*ends, *points]) - top,
    )
