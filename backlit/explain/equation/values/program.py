"""Definitions as a program: random points, values, and derivatives by the engine.

A derivative here is total: ∂target/∂s moves s as if it were an input of its own, with everything
that is computed from it following and everything it was computed from held.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from math import prod

import numpy as onp

from backlit.core.errors import InputError
from backlit.explain.equation import tree
from backlit.explain.equation.tree import Node
from backlit.explain.equation.values import stress
from backlit.explain.equation.values.arithmetic import Array, Floats, Shape
from backlit.explain.equation.values.builtin import MOST_ELEMENTS, room
from backlit.explain.equation.values.comparison import Comparison, compare
from backlit.explain.equation.values.differences import complex_step
from backlit.explain.equation.values.draws import Leaf, Random, Values, Waves, draw
from backlit.explain.equation.values.evaluate import EvaluationFault, Layout, evaluate
from backlit.explain.equation.values.functions import builtin
from backlit.explain.equation.values.narrowing import narrowed
from backlit.explain.equation.values.ordering import in_order, used_names
from backlit.explain.equation.values.points import Point
from backlit.explain.equation.values.proofs import Prover

_ATTEMPTS = 200
_NEAREST = 1e-4
_LARGEST = 1e6
_STEPS_WORK = 1e7


class Program:
    """What a student's definitions compute.

    Parameters
    ----------
    definitions : sequence of (str, Node)
        Symbols and what they are, as bound trees, in any order.
    leaves : mapping of str to Leaf
        The variables that nothing defines.

    Attributes
    ----------
    definitions : dict of str to Node
        In an order in which they can be computed.
    leaves : dict of str to Leaf
    functions : tuple of str
        The student's own functions that no definition tells.
    assumed : dict of str to str
        From which of `RANGES` a leaf has to be drawn for all definitions to be finite, as far as
        points drawn until now have shown.

    Raises
    ------
    InputError
        If a definition uses an unknown name, or itself.
    """

    def __init__(self, definitions: Sequence[tuple[str, Node]], leaves: Mapping[str, Leaf]) -> None:
        self.leaves = dict(leaves)
        given = dict(definitions)
        for symbol, count in Counter([*(s for s, _ in definitions), *leaves]).items():
            if count > 1:
                raise InputError(f"{symbol} is defined {count} times", fix="rename one of them")
        self._uses = {s: used_names(node, s, {*given, *leaves}) for s, node in given.items()}
        self.definitions = {symbol: given[symbol] for symbol in in_order(self._uses)}
        self._order = {symbol: k for k, symbol in enumerate(self.definitions)}
        self._above: dict[str, tuple[str, ...]] = {}
        self._ancestors: dict[str, frozenset[str]] = {}
        for symbol in self.definitions:
            above = [{s, *self._ancestors.get(s, ())} for s in self._uses[symbol]]
            self._ancestors[symbol] = frozenset().union(*above)
        self.assumed: dict[str, str] = {}
        self._shapes: dict[str, Shape] = {}
        self._diagonals: dict[tuple[str, str], bool] = {}
        self._checked: set[tuple[str, str]] = set()
        self._stressed: dict[tuple[float, ...], list[Point]] = {}
        self._proofs: dict[tuple[Node, Node, Layout], bool] = {}

    @cached_property
    def functions(self) -> tuple[str, ...]:
        """The student's own functions that no definition tells."""
        found = {
            part.name: None
            for node in self.definitions.values()
            for part in node.walk()
            if isinstance(part, tree.Function) and builtin(part.name) is None
        }
        return tuple(found)

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        """Shapes of all variables.

        Raises
        ------
        ShapeFault, EvaluationFault
            If a definition has no value; its attribute `symbol` says which.
        """
        if len(self._shapes) < len(self.symbols):
            self._try(onp.random.default_rng(0), Floats())
        return self._shapes

    def shape(self, symbol: str) -> Shape:
        """Return the shape of a variable, while the others may not be known yet.

        Parameters
        ----------
        symbol : str

        Returns
        -------
        tuple of int

        Raises
        ------
        EvaluationFault
            If there is no such variable.
        """
        if symbol not in self._ancestors and symbol not in self.leaves:
            raise EvaluationFault(f"{symbol} is not a variable of these definitions")
        return self._shapes[symbol] if symbol in self._shapes else self.shapes[symbol]

    @cached_property
    def plain(self) -> tuple[str, ...]:
        """The variables that are computed without a derivative."""
        made = {
            symbol
            for symbol, node in self.definitions.items()
            if any(isinstance(part, tree.Derivative) for part in node.walk())
        }
        return tuple(s for s in self.symbols if s not in made and not self.ancestors(s) & made)

    @cached_property
    def plainly(self) -> frozenset[str]:
        """The same variables, to look one up."""
        return frozenset(self.plain)

    def diagonal(self, target: str, wrt: str) -> bool:
        """Tell whether each element of a variable depends on the one at its place in another.

        Parameters
        ----------
        target, wrt : str
            Of one shape.

        Returns
        -------
        bool
        """
        return self.diagonal_at(self._probe, target, wrt)

    def diagonal_at(self, point: Point, target: str, wrt: str) -> bool:
        """Tell the same of a point that has values for these two.

        Parameters
        ----------
        point : Point
        target, wrt : str

        Returns
        -------
        bool
        """
        key = (target, wrt)
        if key not in self._diagonals:
            # For random c, cᵀJ is c times the diagonal only if there is nothing else.
            c = onp.random.default_rng(2).uniform(0.5, 2.0, self.shape(target))
            pulled = point.pulled(target, wrt, c)
            apart = onp.abs(pulled - c * point.rows(target, wrt, (None,))[0])
            self._diagonals[key] = bool(onp.all(apart <= 1e-12 * onp.max(onp.abs(pulled))))
        return self._diagonals[key]

    @cached_property
    def _probe(self) -> Point:
        return self.draw(onp.random.default_rng(1))

    @cached_property
    def work(self) -> float:
        """About how many multiplications the definitions take."""
        elements = float(sum(prod(shape) for shape in self.shapes.values()))
        return float(10.0 * elements + elements**1.5)

    def directions(self, *nodes: Node) -> int:
        """Return with respect to how many numbers expressions are differentiated.

        Parameters
        ----------
        *nodes : Node

        Returns
        -------
        int
        """
        total = 0
        for node in nodes:
            for part in node.walk():
                if isinstance(part, tree.Derivative):
                    below = [first_name(w) for w in (part.wrt, part.second) if w is not None]
                    total += prod(prod(self.shape(name)) for name in below)
        return total

    def largest(self, layout: Layout, *nodes: Node, at: Point | None = None) -> float:
        """Return the largest number on the way to expressions, at a point.

        Parameters
        ----------
        layout : {"elementwise", "numerator", "denominator"}
        *nodes : Node
        at : Point, optional
            None for one of its own.

        Returns
        -------
        float
            At least 1.
        """
        sizes = [1.0]

        def observe(value: Array) -> None:
            finite = onp.abs(value)[onp.isfinite(value)]
            sizes.append(float(onp.max(finite, initial=0.0)))

        point = at or self._probe
        with onp.errstate(all="ignore"):
            for node in (*map(self.definitions.__getitem__, self.needed(*nodes)), *nodes):
                evaluate(node, point, point.arithmetic, layout, observe)
        return max(sizes)

    def needed(self, *nodes: Node) -> list[str]:
        """Return the definitions that expressions use, however indirectly, in their order.

        Parameters
        ----------
        *nodes : Node

        Returns
        -------
        list of str
        """
        names = {p.base for node in nodes for p in node.walk() if isinstance(p, tree.Name)}
        found = names.union(*map(self.ancestors, names)) & self.definitions.keys()
        return sorted(found, key=self._order.__getitem__)

    # --- verdicts ---------------------------------------------------------------------------------

    def equal(
        self,
        left: Node,
        right: Node,
        points: Sequence[Point],
        layout: Layout = "elementwise",
    ) -> Comparison:
        """Compare two expressions at points; see `equation.values.comparison`.

        Parameters
        ----------
        left, right : Node
        points : sequence of Point
        layout : {"elementwise", "numerator", "denominator"}

        Returns
        -------
        Comparison

        Raises
        ------
        ShapeFault
            If one of them has no value for its shapes, or the two differ in theirs.
        EvaluationFault
            If one has no value, or the engine's derivatives are not those of the complex step.
        """
        self._check_engine(left, right)
        return compare(self, left, right, points, layout)

    def proved(self, left: Node, right: Node, layout: Layout = "elementwise") -> bool:
        """Tell whether two expressions were shown to be one function; see `values.modular`.

        Parameters
        ----------
        left, right : Node
        layout : {"elementwise", "numerator", "denominator"}

        Returns
        -------
        bool
            False says nothing: not every identity is found.
        """
        key = (left, right, layout)
        if key not in self._proofs:
            self._proofs[key] = self._prover.proved(left, right, layout)
        return self._proofs[key]

    @cached_property
    def _prover(self) -> Prover:
        return Prover(self)

    def _check_engine(self, *nodes: Node) -> None:
        """Compare the derivatives that expressions use with the complex step, each of them once."""
        for node in nodes:
            for part in node.walk():
                if not isinstance(part, tree.Derivative) or part.target is None:
                    continue
                pair = (first_name(part.target), first_name(part.wrt))
                if pair not in self._checked and pair[0] in self.plain and pair[1] in self.plain:
                    self._checked.add(pair)
                    self._check_pair(*pair)

    def _check_pair(self, target: str, wrt: str) -> None:
        size = prod(self.shape(wrt))
        steps = max(1, min(size, int(_STEPS_WORK / self.work)))
        places = onp.random.default_rng(3).permutation(size)[:steps].tolist()
        stepped = complex_step(self._probe, target, wrt, places)
        total = self._probe.rows(target, wrt, (None,)).ravel()[places]
        apart = onp.abs(stepped.sum(axis=0) - total)
        rounding = 1e-12 * self.largest("elementwise", tree.Name(target))
        # log(1 - a) of a saturated unit loses half the digits: both are then right to some of them.
        largest = onp.max(onp.abs(stepped).sum(axis=0), initial=0.0)
        if onp.any(apart > 1e-5 * largest + rounding + 1e-290):
            raise EvaluationFault(
                f"the engine and the complex step disagree on ∂{target}/∂{wrt}: please report this"
            )

    @property
    def symbols(self) -> tuple[str, ...]:
        """All variables, leaves first."""
        return (*self.leaves, *self.definitions)

    def depends(self, target: str, wrt: str) -> bool:
        """Tell whether a variable is computed, however indirectly, from another.

        Parameters
        ----------
        target, wrt : str

        Returns
        -------
        bool

        Examples
        --------
        >>> from backlit.explain.equation.tree import Binary, Name
        >>> program = Program(
        ...     [("z", Binary(" ", Name("w"), Name("x")))], {"w": Leaf(()), "x": Leaf(())}
        ... )
        >>> program.depends("z", "w"), program.depends("w", "z")
        (True, False)
        """
        return wrt == target or wrt in self.ancestors(target)

    def ancestors(self, symbol: str) -> frozenset[str]:
        """Return all variables that one is computed from.

        Parameters
        ----------
        symbol : str

        Returns
        -------
        frozenset of str
        """
        return self._ancestors.get(symbol, frozenset())

    def above(self, symbol: str) -> tuple[str, ...]:
        """Return the definitions that a variable is computed from, in their order.

        Parameters
        ----------
        symbol : str

        Returns
        -------
        tuple of str
        """
        if symbol not in self._above:
            found = self.ancestors(symbol) & self.definitions.keys()
            self._above[symbol] = tuple(sorted(found, key=self._order.__getitem__))
        return self._above[symbol]

    # --- points -----------------------------------------------------------------------------------

    def draw(self, rng: Random) -> Point:
        """Return a random point: all values finite, moderate and, if it can be, away from kinks.

        Where a definition is not finite although it was tried several times, the variables in it
        are drawn from narrower ranges, which `assumed` then tells.

        Parameters
        ----------
        rng : Generator

        Returns
        -------
        Point

        Raises
        ------
        EvaluationFault
            If no such point is found, or a definition has no value for its shapes; the attribute
            `symbol` says which definition.
        """
        failures: dict[str, int] = {}
        for attempt in range(_ATTEMPTS):
            arithmetic = Floats()
            point = self._try(rng, arithmetic)
            bad = self._not_finite(point, _LARGEST if attempt < _ATTEMPTS // 4 else onp.inf)
            # The more is compared, the closer something comes to a kink by chance.
            if bad is None and arithmetic.nearest >= _NEAREST * 0.5 ** (attempt / 2):
                return point
            if bad is not None:
                failures[bad] = failures.get(bad, 0) + 1
                if failures[bad] % 6 == 0:
                    self.assumed.update(narrowed(self, bad, failures[bad] // 6, rng))
        worst = max(failures, key=lambda s: failures[s], default=next(iter(self.definitions), ""))
        fault = EvaluationFault(f"{worst} was not finite at any of {_ATTEMPTS} random points")
        fault.symbol = worst
        raise fault

    def point(
        self, leaves: Mapping[str, Values], rng: Random, arithmetic: Floats | None = None
    ) -> Point:
        """Return the point at some values of the leaves, whatever comes of them.

        Parameters
        ----------
        leaves : mapping of str to array of float
        rng : Generator
            For the student's own functions.
        arithmetic : Floats, optional

        Returns
        -------
        Point
        """
        return Point(self, leaves, Waves(rng), arithmetic or Floats())

    def stressed(self, numbers: tuple[float, ...]) -> list[Point]:
        """Return points that are not moderate; see `equation.values.stress`.

        Parameters
        ----------
        numbers : tuple of float
            Sizes to reach with every variable.

        Returns
        -------
        list of Point
        """
        if numbers not in self._stressed:
            self._stressed[numbers] = stress.points(self, numbers)
        return self._stressed[numbers]

    def _try(self, rng: Random, arithmetic: Floats) -> Point:
        for leaf in self.leaves.values():
            room(leaf.shape)
        leaves = {s: draw(leaf, rng, self.assumed.get(s)) for s, leaf in self.leaves.items()}
        point = self.point(leaves, rng, arithmetic)
        # What is made of derivatives comes last: it needs the shapes of the others.
        elements = 0
        for symbol in (*self.plain, *self.definitions):
            self._shapes[symbol] = tuple(point.value(symbol).shape)
            elements += prod(self._shapes[symbol])
            if elements > MOST_ELEMENTS:
                fault = EvaluationFault("these definitions exceed the cap of a million elements")
                fault.symbol = symbol
                raise fault
        return point

    def _not_finite(self, point: Point, largest: float) -> str | None:
        for symbol in self.definitions:
            value = point.value(symbol)
            if not onp.all(onp.isfinite(value)) or onp.any(onp.abs(value) > largest):
                return symbol
        return None


def first_name(node: Node) -> str:
    """Return the variable of a `Name`, or of an `Element` of one.

    Parameters
    ----------
    node : Node

    Returns
    -------
    str
        Empty if there is none.
    """
    return next((part.base for part in node.walk() if isinstance(part, tree.Name)), "")
