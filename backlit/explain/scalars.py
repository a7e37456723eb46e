"""The scalar view of a program: single numbers, and the local derivatives between them.

Only what lies between one weight and the loss is kept. On this graph the chain rule is plain: the
derivative of the loss with respect to a number is the sum, over all paths from it to the loss, of
the products of the local derivatives along the path. (F. L. Bauer, "Computational graphs and
rounding error", SIAM J. Numer. Anal. 11(1), 1974.) A sum over paths never has to list them: two
passes over the edges give the sums, the counts and the largest product.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as onp
from numpy.typing import NDArray

from backlit.core.graph import Atom, Equation, Graph, Literal, Var
from backlit.explain.entries import Places, local_derivatives

Floats = NDArray[onp.float64]


@dataclass(frozen=True, eq=False)
class Link:
    """Edges that one operation makes from elements of an operand to elements of a result.

    Attributes
    ----------
    equation : int
        Index in the graph.
    slot : int
        Which operand.
    operand, result : Var
    rows, columns : array of int
        Flat places while the graph is built; numbers of nodes in a `ScalarGraph`.
    local : array of float
        ∂result[row] / ∂operand[column].
    masked : array of bool
        Where `local` counts as zero although it is infinite or NaN.
    """

    equation: int
    slot: int
    operand: Var
    result: Var
    rows: Places
    columns: Places
    local: Floats
    masked: NDArray[onp.bool_]


@dataclass(frozen=True, eq=False)
class ScalarGraph:
    """The numbers between a weight and the loss, and the edges between them.

    Attributes
    ----------
    graph : Graph
    values : dict
        Value of every variable of the graph.
    places : dict of Var to array of int
        Flat places of the elements on the way, in the order the program computes them.
    first : dict of Var to int
        Number of the first of these elements; the others follow.
    size : int
        Number of nodes. The weight is node 0, the loss node ``size - 1``; if there is no way
        from one to the other the graph has no node.
    links : tuple of Link
        In the order of the program, which is also that of the nodes.
    dead_ends : tuple of (Var, int, int)
        Array, flat place and equation where a change caused by the weight has no further effect.
    """

    graph: Graph
    values: dict[Var, Any]
    places: dict[Var, Places]
    first: dict[Var, int]
    size: int
    links: tuple[Link, ...]
    dead_ends: tuple[tuple[Var, int, int], ...]

    def owner(self, node: int) -> tuple[Var, int]:
        """Return the array and the flat place of a node."""
        variables, starts = self._starts
        var = variables[bisect.bisect_right(starts, node) - 1]
        return var, int(self.places[var][node - self.first[var]])

    @cached_property
    def _starts(self) -> tuple[list[Var], list[int]]:
        return list(self.first), list(self.first.values())

    def edges(self, node: int) -> list[tuple[int, int]]:
        """Return the edges that leave a node, each as number of its link and position in it."""
        order, starts, owner, ends = self._leaving
        found = order[starts[node] : starts[node + 1]]
        return [(int(owner[edge]), int(edge - ends[owner[edge]])) for edge in found]

    @cached_property
    def _leaving(self) -> tuple[Places, Places, Places, Places]:
        """Edges sorted by the node they leave, where each node's begin, their links, offsets."""
        lengths = [len(link.columns) for link in self.links]
        source = onp.concatenate([onp.empty(0, onp.intp), *[k.columns for k in self.links]])
        order = onp.argsort(source, kind="stable")
        starts = onp.searchsorted(source[order], onp.arange(self.size + 1))
        owner = onp.repeat(onp.arange(len(lengths)), lengths)
        return order, starts, owner, onp.cumsum([0, *lengths])

    def derivative(self, start: int, end: int) -> float:
        """Return ∂end/∂start, if every path from the weight to the loss passes both nodes."""
        tops = [self.first[link.result] for link in self.links]
        total = onp.zeros(end - start + 1)
        total[-1] = 1.0
        # No edge leads past a node that every path passes: these links lie between the two.
        for link in reversed(
            self.links[bisect.bisect_right(tops, start) : bisect.bisect_right(tops, end)]
        ):
            onp.add.at(total, link.columns - start, total[link.rows - start] * link.local)
        return float(total[0])

    def gather(self, weights: Sequence[Any], seed: int, dtype: Any = float) -> Any:
        """Sum the products of edge weights over all paths from each node to the node `seed`."""
        total = onp.zeros(self.size, dtype)
        total[seed] = 1
        for link, weight in zip(reversed(self.links), reversed(weights), strict=True):
            onp.add.at(total, link.columns, total[link.rows] * weight)
        return total

    def spread(self, weights: Sequence[Any], dtype: Any = float) -> Any:
        """Sum the products of edge weights over all paths from the weight to each node."""
        total = onp.zeros(self.size, dtype)
        total[0] = 1
        for link, weight in zip(self.links, weights, strict=True):
            onp.add.at(total, link.rows, total[link.columns] * weight)
        return total

    def best(self) -> Floats:
        """Return the largest absolute product of any path from each node to the loss."""
        total = onp.zeros(self.size)
        total[self.size - 1] = 1
        for link in reversed(self.links):
            onp.maximum.at(total, link.columns, total[link.rows] * size_of(link.local))
        return total


def size_of(local: Any) -> Any:
    """Return absolute values, finite so that they can be compared."""
    return onp.nan_to_num(onp.abs(local), nan=onp.finfo(float).max)


def scalar_graph(
    graph: Graph, values: dict[Var, Any], weight: Var, place: int, loss: Atom
) -> ScalarGraph:
    """Return everything between one element of an input and the loss.

    Parameters
    ----------
    graph : Graph
        Pruned, so that it ends with the loss.
    values : dict
        Value of every variable.
    weight : Var
        Input the element belongs to.
    place : int
        Flat place of the element.
    loss : Var or Literal
        A scalar output of the graph.

    Returns
    -------
    ScalarGraph
    """
    reached: dict[Var, Any] = {weight: _mask(weight, [place])}
    links, dead_ends = _forward(graph, values, reached)
    if not isinstance(loss, Var) or loss not in reached:
        return ScalarGraph(graph, values, {}, {}, 0, (), tuple(dead_ends))
    needed: dict[Var, Any] = {loss: _mask(loss, [0])}
    kept: list[tuple[Link, Any]] = []
    for link in reversed(links):
        if link.result in needed:
            keep = needed[link.result][link.rows]
            if keep.any():
                mask = needed.setdefault(link.operand, _mask(link.operand, []))
                mask[link.columns[keep]] = True
                kept.append((link, keep))
    # Reached and needed: `needed` grew from edges between reached elements only.
    places = {var: onp.flatnonzero(needed[var]) for var in reached if var in needed}
    first: dict[Var, int] = {}
    size = 0
    for var, where in places.items():
        first[var] = size
        size += len(where)
    numbered = [
        replace(
            link,
            rows=first[link.result] + onp.searchsorted(places[link.result], link.rows[keep]),
            columns=first[link.operand]
            + onp.searchsorted(places[link.operand], link.columns[keep]),
            local=link.local[keep],
            masked=link.masked[keep],
        )
        for link, keep in reversed(kept)
    ]
    whole = ScalarGraph(graph, values, places, first, size, tuple(numbered), tuple(dead_ends))
    return _masked(whole)


def _mask(var: Var, places: Sequence[int]) -> Any:
    mask = onp.zeros(var.aval.size, bool)
    mask[list(places)] = True
    return mask


def operand_values(equation: Equation, values: dict[Var, Any]) -> list[Any]:
    """Return the values an operation was applied to."""
    return [a.value if isinstance(a, Literal) else values[a] for a in equation.inputs]


def _forward(
    graph: Graph, values: dict[Var, Any], reached: dict[Var, Any]
) -> tuple[list[Link], list[tuple[Var, int, int]]]:
    """Follow the elements that the weight can change; `reached` is filled in."""
    links: list[Link] = []
    dead_ends: list[tuple[Var, int, int]] = []
    for number, equation in enumerate(graph.equations):
        for slot, operand in enumerate(equation.inputs):
            if not isinstance(operand, Var) or operand not in reached:
                continue
            args = operand_values(equation, values)
            outs = [values[var] for var in equation.outputs]
            places = onp.flatnonzero(reached[operand])
            alive = _mask(operand, [])
            for part in local_derivatives(equation, args, outs, slot, places):
                result = equation.outputs[part.result]
                ends = part.rows, part.columns
                unmasked = onp.zeros(len(part.rows), bool)
                links.append(Link(number, slot, operand, result, *ends, part.values, unmasked))
                reached.setdefault(result, _mask(result, []))[part.rows] = True
                alive[part.columns] = True
            dead_ends += [(operand, int(p), number) for p in places if not alive[p]]
    return links, dead_ends


def _masked(whole: ScalarGraph) -> ScalarGraph:
    """Apply the engine's zero-times-infinity policy (docs/conventions.md).

    Behind a choice, where nothing comes from above, a local derivative that is infinite or NaN
    counts as zero.
    """
    if all(onp.isfinite(link.local).all() for link in whole.links):
        return whole
    equations = whole.graph.equations
    behind: set[Var] = set()
    gradient = onp.zeros(whole.size)
    gradient[-1] = 1.0
    links: list[Link] = []
    for link in reversed(whole.links):
        primitive = equations[link.equation].primitive
        upstream, masked = gradient[link.rows], link.masked
        if link.result in behind and primitive.simple:
            masked = (upstream == 0) & ~onp.isfinite(link.local)
        if link.result in behind or primitive.selects:
            behind.add(link.operand)
        local = onp.where(masked, 0.0, link.local)
        onp.add.at(gradient, link.columns, upstream * local)
        links.append(replace(link, local=local, masked=masked))
    return replace(whole, links=tuple(reversed(links)))
