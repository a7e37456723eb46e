"""Builds the parts of an explanation from the scalar view of a program."""

from __future__ import annotations

import math
import os
from functools import cached_property
from typing import Any

import numpy as onp

from backlit.core.graph import Equation, Literal, Var
from backlit.core.source import Source
from backlit.explain.equation.tree import Node
from backlit.explain.formula import local_rule, number, plain
from backlit.explain.names import Names
from backlit.explain.scalars import Link, ScalarGraph, operand_values
from backlit.explain.search import Edges, largest_paths
from backlit.explain.verdict import blocked, statement
from backlit.explain.views import (
    Accumulated,
    Backward,
    Computed,
    Element,
    Explanation,
    Factor,
    Path,
    Paths,
    Program,
    Term,
)

# Elements of a constant that are written out where it is used.
_WRITTEN_OUT = 4


class Parts:
    """Everything an explanation shows, worked out part by part.

    Parameters
    ----------
    scalars : ScalarGraph
    names : Names
    most_paths, most_elements : int
        How many paths, and how many elements per array, to show.
    """

    def __init__(
        self, scalars: ScalarGraph, names: Names, most_paths: int, most_elements: int
    ) -> None:
        self.scalars = scalars
        self.names = names
        self._most_paths = most_paths
        self._most_elements = most_elements
        local = [link.local for link in scalars.links]
        one = onp.ones(1, object)
        if not scalars.size:
            self.delta, self.tangent = onp.zeros(0), onp.zeros(0)
            self.ways_out = self.ways_in = onp.zeros(0, object)
            return
        last = scalars.size - 1
        self.delta = scalars.gather(local, last)
        self.tangent = scalars.spread(local)
        self.ways_out = scalars.gather([one] * len(local), last, object)
        self.ways_in = scalars.spread([one] * len(local), object)

    @property
    def gradient(self) -> float:
        """Return the sum over all paths."""
        return float(self.delta[0]) if self.scalars.size else 0.0

    def explanation(
        self, function: str, weight: Var, place: int, loss: float, exact: float, program: Program
    ) -> Explanation:
        """Return the finished explanation.

        Parameters
        ----------
        function : str
            Name of the explained function.
        weight : Var
        place : int
            Flat place of the weight in its array.
        loss : float
        exact : float
            The gradient by reverse mode.
        program : Program
        """
        # The weight under its own name; everywhere else it goes by its symbol.
        index = onp.unravel_index(place, weight.aval.shape) if weight.aval.shape else ()
        value = float(onp.ravel(self.scalars.values[weight])[place])
        chosen = Element(self.names.path(weight), tuple(int(k) for k in index), value, True)
        paths = self.paths
        zeros = blocked(self)
        return Explanation(
            function=function,
            weight=chosen,
            symbol=self.names.symbol,
            loss=self.names.end(loss),
            loss_name=self.names.loss_name,
            gradient=self.gradient,
            reverse_mode=exact,
            difference=abs(self.gradient - exact),
            forward=self.forward,
            backward=self.backward,
            chain=self.chain,
            paths=paths,
            zeros=zeros,
            guards=self.guards,
            statement=statement(self, zeros),
            program=program,
            letter=self.names.letter,
        )

    # --- elements and edges -------------------------------------------------------------------

    def element(self, node: int) -> Element:
        """Return a node as an element with name, place and value."""
        return self.names.element(*self.scalars.owner(node))

    def edges(self, node: int) -> list[tuple[Link, int]]:
        """Return the edges that leave a node, each as its link and the position in it."""
        return [(self.scalars.links[i], k) for i, k in self.scalars.edges(node)]

    def equation(self, link: Link) -> Equation:
        """Return the operation an edge belongs to."""
        return self.scalars.graph.equations[link.equation]

    def rule(self, link: Link, k: int) -> tuple[str, Node | None]:
        """Return the local derivative of an edge in words and as a formula, or "" and None."""
        if link.masked[k]:
            return "0 behind a choice", None
        equation = self.equation(link)
        args = operand_values(equation, self.scalars.values)
        outs = [self.scalars.values[var] for var in equation.outputs]
        ends = (
            self.scalars.owner(int(link.rows[k]))[1],
            self.scalars.owner(int(link.columns[k]))[1],
        )
        found = local_rule(equation, args, outs, link.slot, ends, self.names.node)
        return ("" if found is None else plain(found)), found

    def _shown(self, var: Var) -> list[int]:
        """Return the nodes of an array that carry most of the weight's gradient, by place."""
        first = self.scalars.first[var]
        nodes = onp.arange(first, first + len(self.scalars.places[var]))
        # What flows through an element: the sum of the products of all paths through it.
        flow = onp.nan_to_num(onp.abs(self.tangent[nodes] * self.delta[nodes]))
        largest = nodes[onp.argsort(-flow, kind="stable")[: self._most_elements]]
        return sorted(int(node) for node in largest)

    # --- the parts ----------------------------------------------------------------------------

    @cached_property
    def forward(self) -> tuple[Computed, ...]:
        """Return the forward pass: the arguments that are used, then every operation."""
        graph = self.scalars.graph
        used = {a for e in graph.equations for a in e.inputs} | set(graph.outputs)
        rows = [
            self._computed(v, "argument", self._path(v), None) for v in graph.inputs if v in used
        ]
        for equation in graph.equations:
            operands = tuple([self._operand(atom) for atom in equation.inputs])
            for var in equation.outputs:
                rows.append(self._computed(var, equation.primitive.name, operands, equation))
        return tuple(rows)

    def _path(self, var: Var) -> tuple[str, ...]:
        """Return the path of an argument that has another name here."""
        path = self.names.path(var)
        return () if path == self.names.array(var) else (path,)

    def _operand(self, atom: Any) -> str:
        if not isinstance(atom, Literal):
            return self.names.array(atom)
        if atom.aval.size == 1:
            return number(onp.ravel(atom.value)[0])
        if atom.aval.size <= _WRITTEN_OUT and len(atom.aval.shape) == 1:
            return f"({', '.join([number(value) for value in atom.value])})"
        return f"constant{list(atom.aval.shape)}"

    def _computed(
        self, var: Var, operation: str, operands: tuple[str, ...], equation: Equation | None
    ) -> Computed:
        array = onp.asarray(self.scalars.values[var])
        source = None if equation is None else equation.source
        reached = self.scalars.places.get(var, ())
        numeric = array.size and array.dtype.kind in "fiub"
        return Computed(
            name=self.names.array(var),
            named=self.names.named(var),
            operation=operation,
            operands=operands,
            shape=array.shape,
            elements=tuple(self.element(node) for node in self._shown(var)) if len(reached) else (),
            reached=len(reached),
            values=tuple(float(v) for v in array.ravel()) if numeric and array.size <= 4 else (),
            low=float(array.min()) if numeric else 0.0,
            high=float(array.max()) if numeric else 0.0,
            source="" if source is None else f"{os.path.basename(source.file)}:{source.line}",
            code="" if source is None else source.text(),
            array=self.names.tree(var),
        )

    @cached_property
    def backward(self) -> tuple[Backward, ...]:
        """Return the backward pass, from the loss to the weight."""
        steps = []
        for var in reversed(self.scalars.places):
            nodes = self._shown(var)
            shown = tuple(self._accumulated(node) for node in nodes)
            steps.append(Backward(self.names.array(var), shown, len(self.scalars.places[var])))
        return tuple(steps)

    def _accumulated(self, node: int) -> Accumulated:
        terms = []
        for link, k in self.edges(node):
            upstream, local = float(self.delta[link.rows[k]]), float(link.local[k])
            terms.append((upstream * local, upstream, local, link, k))
        # Not a number first: it is what the reader looks for.
        terms.sort(key=lambda t: -abs(t[0]) if t[0] == t[0] else -onp.inf)
        kept = tuple([self._term(*term) for term in terms[: self._most_elements]])
        rest = sum(product for product, *_ in terms[self._most_elements :])
        return Accumulated(
            self.element(node), float(self.delta[node]), kept, len(terms), float(rest)
        )

    def _term(self, product: float, upstream: float, local: float, link: Link, k: int) -> Term:
        rule, formula = self.rule(link, k)
        return Term(
            result=self.element(int(link.rows[k])),
            operation=self.equation(link).primitive.name,
            upstream=upstream,
            local=local,
            rule=rule,
            contribution=product,
            formula=formula,
        )

    @cached_property
    def waists(self) -> list[int]:
        """Return the nodes that every path passes, from the weight to the loss."""
        if not self.scalars.size:
            return []
        total = self.ways_out[0]
        through = self.ways_in * self.ways_out
        return [int(node) for node in onp.flatnonzero(through == total)]

    @cached_property
    def chain(self) -> tuple[Factor, ...]:
        """Return one factor of the chain rule per pair of neighbouring waists, loss first."""
        factors = []
        for start, end in reversed(list(zip(self.waists, self.waists[1:], strict=False))):
            paths = int(self.ways_out[start] // self.ways_out[end])
            operation = rule = ""
            formula: Node | None = None
            edges = self.edges(start)
            if paths == 1 and len(edges) == 1:
                link, k = edges[0]
                local = float(link.local[k])
                operation = self.equation(link).primitive.name
                rule, formula = self.rule(link, k)
            else:
                local = self.scalars.derivative(start, end)
                operations = {self.equation(link).primitive.name for link, _ in edges}
                direct = all(int(link.rows[k]) == end for link, k in edges)
                operation = operations.pop() if direct and len(operations) == 1 else ""
            factors.append(
                Factor(
                    result=self.element(end),
                    element=self.element(start),
                    operation=operation,
                    upstream=float(self.delta[end]),
                    local=local,
                    paths=paths,
                    rule=rule,
                    gradient=float(self.delta[start]),
                    formula=formula,
                )
            )
        return tuple(factors)

    @cached_property
    def paths(self) -> Paths:
        """Return the number of paths, the largest ones and the sum of the others."""
        scalars = self.scalars
        if not scalars.size:
            return Paths(0, 0, (), 0.0, 0.0, 0.0)
        open_edges = [onp.array(link.local != 0, object) for link in scalars.links]
        open_paths = scalars.gather(open_edges, scalars.size - 1, object)[0]
        largest = tuple(self._way(edges) for edges in largest_paths(scalars, self._most_paths))
        shown = float(sum(path.product for path in largest))
        count, total = int(self.ways_out[0]), self.gradient
        rest = 0.0 if count == len(largest) else total - shown
        return Paths(count, int(open_paths), largest, shown, rest, total)

    def _way(self, edges: Edges) -> Path:
        links = self.scalars.links
        nodes = [0, *[int(links[i].rows[k]) for i, k in edges]]
        factors = tuple(float(links[i].local[k]) for i, k in edges)
        return Path(tuple(self.element(node) for node in nodes), factors, math.prod(factors))

    @cached_property
    def guards(self) -> tuple[str, ...]:
        """Return the branches the program took on values."""
        return tuple(
            f"{self.names.array(guard.var)} is {guard.outcome}{_place(guard.source)}"
            for guard in self.scalars.graph.guards
        )


def _place(source: Source | None) -> str:
    """Return text and line of a branch."""
    if source is None:
        return ""
    return f" in `{source.text()}` ({os.path.basename(source.file)}:{source.line})"
