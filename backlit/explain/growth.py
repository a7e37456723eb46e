"""A gradient that grows a little at each of many steps: what no single operation explains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from backlit.core.graph import Graph, Var
from backlit.explain.flow import ArrayEdge

_FEWEST = 3
# How many strong steps are left out before the others are called steady.
_MOST_STRONG = 5


@dataclass(frozen=True, eq=False)
class Growth:
    """Steps of one operation along a path, at each of which a gradient grows.

    Attributes
    ----------
    operation : str
    edges : tuple of ArrayEdge
        The one nearest the loss first.
    total : float
        How many times as large the gradient is behind the last step as before the first, with what
        happens between the steps.
    """

    operation: str
    edges: tuple[ArrayEdge, ...]
    total: float

    @property
    def each(self) -> float:
        """The factor per step that has the same result."""
        return float(self.total ** (1 / len(self.edges)))


@dataclass(frozen=True, eq=False)
class _Chain:
    product: float
    length: int
    edge: ArrayEdge
    before: _Chain | None


def steady_growth(
    graph: Graph,
    edges: Sequence[ArrayEdge],
    gain: Callable[[ArrayEdge, ArrayEdge], float],
    above: float,
) -> Growth | None:
    """Find the steps of one operation along a path at which a gradient grows most.

    Parameters
    ----------
    graph : Graph
    edges : sequence of ArrayEdge
        In the order of the backward pass.
    gain : callable
        How many times as large what the second edge sends on is as what arrives at the first.
    above : float
        A step counts if the gradient grows more than this.

    Returns
    -------
    Growth or None
        None if there are fewer than three steps. None of them makes up more than half of the growth
        on a logarithmic scale.
    """
    # By operation and operand, for every variable, the chain that ends there and grows most.
    chains: dict[tuple[str, int], dict[Var, _Chain]] = {}
    reached: dict[Var, set[tuple[str, int]]] = {}
    for edge in edges:
        key = graph.equations[edge.equation].primitive.name, edge.slot
        here = gain(edge, edge)
        if here > above:
            chains.setdefault(key, {})
        for one in {*reached.get(edge.result, ()), *([key] if here > above else [])}:
            found = chains[one].get(edge.result)
            if one == key and here > above:
                product, length = (found.product, found.length) if found else (1.0, 0)
                found = _Chain(product * here, length + 1, edge, found)
            known = chains[one].get(edge.operand)
            if found is not None and (known is None or found.product > known.product):
                chains[one][edge.operand] = found
                reached.setdefault(edge.operand, set()).add(one)
    best: Growth | None = None
    for (operation, _), ends in chains.items():
        last = max(ends.values(), key=lambda chain: chain.product)
        steps = [last.edge]  # nearest the inputs first
        while last.before is not None:
            last = last.before
            steps.append(last.edge)
        steady = _steady(operation, steps[::-1], gain)
        if steady is not None and (best is None or steady.total > best.total):
            best = steady
    return best


def _steady(
    operation: str, steps: list[ArrayEdge], gain: Callable[[ArrayEdge, ArrayEdge], float]
) -> Growth | None:
    """Leave out single strong steps until what is left, on one side of them, is steady."""
    for _ in range(_MOST_STRONG):
        if len(steps) < _FEWEST:
            break
        total = gain(steps[0], steps[-1])
        gains = [gain(edge, edge) for edge in steps]
        strongest = max(range(len(steps)), key=lambda k: gains[k])
        if gains[strongest] <= total**0.5:
            return Growth(operation, tuple(steps), total)
        parts = [part for part in (steps[:strongest], steps[strongest + 1 :]) if part]
        steps = max(parts, key=lambda part: gain(part[0], part[-1]))
    return None
