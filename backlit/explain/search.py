"""The paths with the largest products, found without listing the others."""

from __future__ import annotations

import heapq
import itertools

from backlit.explain.scalars import ScalarGraph, size_of

# Edges along a path, as (link, position in the link).
Edges = tuple[tuple[int, int], ...]


def largest_paths(scalars: ScalarGraph, count: int) -> list[Edges]:
    """Return the paths from the weight to the loss whose products are largest in absolute value.

    Best-first search: a path begun is continued in the order of the largest product that any
    continuation can reach, which one pass over the edges has found beforehand.

    Parameters
    ----------
    scalars : ScalarGraph
    count : int
        At most how many.

    Returns
    -------
    list of tuple of (int, int)
        Largest first; per edge the number of the link and the position in it.

    References
    ----------
    Hart, Nilsson and Raphael, "A formal basis for the heuristic determination of minimum cost
    paths", 1968.
    """
    if not scalars.size or count < 1:
        return []
    links = scalars.links
    best, last = scalars.best(), scalars.size - 1
    ticket = itertools.count()
    # (−bound, −length, ticket, node, size so far, edges): among equals the longest first, so that
    # a tie (all products zero, say) is followed to its end instead of being explored in breadth.
    heap: list[tuple[float, int, int, int, float, Edges]] = [
        (-float(best[0]), 0, next(ticket), 0, 1.0, ())
    ]
    found: list[Edges] = []
    while heap and len(found) < count:
        _, _, _, node, size, edges = heapq.heappop(heap)
        if node == last:
            found.append(edges)
            continue
        for link, k in scalars.edges(node):
            target = int(links[link].rows[k])
            longer = size * float(size_of(links[link].local[k]))
            bound = -float(size_of(longer * best[target]))
            step = (*edges, (link, k))
            heapq.heappush(heap, (bound, -len(step), next(ticket), target, longer, step))
    return found
