"""Definitions as a program: random points, values, and derivatives by the engine.

A derivative here is total: ∂target/∂s moves s as if it were an input of its own, with everything
that is computed from it following and everything it was computed from held.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from math import prod

import numpy as onp

from backlit.core.errors import InputError
from backlit.explain.equation import tree
from backlit.explain.equation.arithmetic import Floats, Shape
from backlit.explain.equation.draws import RANGES, Leaf, Random, Wave, draw
from backlit.explain.equation.evaluate import (
    EvaluationFault,
)
from backlit.explain.equation.functions import builtin
from backlit.explain.equation.points import Point
from backlit.explain.equation.tree import Node

_ATTEMPTS = 200
_NEAREST = 1e-4
_LARGEST = 1e6


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
        for symbol, count in _counts([*(s for s, _ in definitions), *leaves]).items():
            if count > 1:
                raise InputError(f"{symbol} is defined {count} times", fix="rename one of them")
        self._uses = {symbol: self._names(node, symbol, given) for symbol, node in given.items()}
        self.definitions = {symbol: given[symbol] for symbol in self._sorted(given)}
        self._ancestors: dict[str, frozenset[str]] = {}
        for symbol in self.definitions:
            above = [{s, *self._ancestors.get(s, ())} for s in self._uses[symbol]]
            self._ancestors[symbol] = frozenset().union(*above)
        self.assumed: dict[str, str] = {}
        self._diagonals: dict[tuple[str, str], bool] = {}

    def _names(self, node: Node, symbol: str, given: Mapping[str, Node]) -> tuple[str, ...]:
        running = {part.index for part in node.walk() if isinstance(part, tree.Series)}
        names = {part.base: None for part in node.walk() if isinstance(part, tree.Name)}
        for name in names:
            if name not in given and name not in self.leaves and name not in running:
                raise InputError(f"{name}, in the definition of {symbol}, is not defined")
        return tuple(name for name in names if name in given or name in self.leaves)

    def _sorted(self, given: Mapping[str, Node]) -> list[str]:
        """Return the definitions so that each comes after those it uses, otherwise as written."""
        done: dict[str, None] = {}
        for first in given:
            waiting = [first]
            within: dict[str, None] = {}
            while waiting:
                symbol = waiting[-1]
                within[symbol] = None
                missing = [s for s in self._uses[symbol] if s in given and s not in done]
                for other in missing:
                    if other in within:
                        raise InputError(f"{other} is defined through itself, by way of {symbol}")
                if missing:
                    waiting.append(missing[0])
                else:
                    waiting.pop()
                    within.pop(symbol)
                    done.setdefault(symbol)
        return list(done)

    @cached_property
    def functions(self) -> tuple[str, ...]:
        """The student's own functions that no definition tells."""
        found: dict[str, None] = {}
        for node in self.definitions.values():
            found.update(dict.fromkeys(own_functions(node)))
        return tuple(found)

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        """Shapes of all variables.

        Raises
        ------
        ShapeFault, EvaluationFault
            If a definition has no value; its attribute `symbol` says which.
        """
        point = self._try(onp.random.default_rng(0), Floats())
        return {symbol: tuple(point.value(symbol).shape) for symbol in self.symbols}

    @cached_property
    def plain(self) -> tuple[str, ...]:
        """The variables that are computed without a derivative."""
        made = {
            symbol
            for symbol, node in self.definitions.items()
            if any(isinstance(part, tree.Derivative) for part in node.walk())
        }
        return tuple(s for s in self.symbols if s not in made and not self.ancestors(s) & made)

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
        key = (target, wrt)
        if key not in self._diagonals:
            size = prod(self.shapes[target])
            jacobian = self._probe.rows(target, wrt, range(size)).reshape((size, size))
            off = jacobian[~onp.eye(size, dtype=bool)]
            self._diagonals[key] = not onp.any(off)
        return self._diagonals[key]

    @cached_property
    def _probe(self) -> Point:
        return self.draw(onp.random.default_rng(1))

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

    def direct(self, symbol: str) -> tuple[str, ...]:
        """Return the variables that stand in a definition itself.

        Parameters
        ----------
        symbol : str

        Returns
        -------
        tuple of str
        """
        return self._uses.get(symbol, ())

    # --- points -----------------------------------------------------------------------------------

    def draw(self, rng: Random) -> Point:
        """Return a random point: all values finite, moderate and away from kinks.

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
            if bad is None and arithmetic.nearest >= _NEAREST:
                return point
            if bad is not None:
                failures[bad] = failures.get(bad, 0) + 1
                if failures[bad] % 6 == 0:
                    self._narrow(bad, failures[bad] // 6, rng)
        worst = max(failures, key=lambda s: failures[s], default=next(iter(self.definitions), ""))
        fault = EvaluationFault(f"{worst} was not finite at any of {_ATTEMPTS} random points")
        fault.symbol = worst
        raise fault

    def _try(self, rng: Random, arithmetic: Floats) -> Point:
        leaves = {s: draw(leaf, rng, self.assumed.get(s)) for s, leaf in self.leaves.items()}
        point = Point(self, leaves, _Waves(rng), arithmetic)
        with onp.errstate(all="ignore"):
            for symbol in self.definitions:
                point.value(symbol)
        return point

    def _not_finite(self, point: Point, largest: float) -> str | None:
        for symbol in self.definitions:
            value = point.value(symbol)
            if not onp.all(onp.isfinite(value)) or onp.any(onp.abs(value) > largest):
                return symbol
        return None

    def _narrow(self, symbol: str, time: int, rng: Random) -> None:
        """Draw what a definition uses from a narrower range, another one each time."""
        found = [s for s in self.direct(symbol) if s in self.leaves]
        if not found or time > len(RANGES):
            found = [s for s in self.ancestors(symbol) if s in self.leaves]
        names = list(RANGES)
        for leaf in sorted(found):
            if not self.leaves[leaf].properties:
                mixed = time > 2 * len(names)
                k = int(rng.integers(len(names))) if mixed else (time - 1) % len(names)
                self.assumed[leaf] = names[k]


class _Waves:
    """Stand-ins for the student's own functions, drawn when they are first asked for."""

    def __init__(self, rng: Random) -> None:
        self._seed = int(rng.integers(2**62))
        self._drawn: dict[str, Wave] = {}

    def __call__(self, name: str) -> Wave:
        if name not in self._drawn:
            words = [self._seed, *name.encode()]
            self._drawn[name] = Wave(onp.random.default_rng(words))
        return self._drawn[name]


def own_functions(node: Node) -> Iterable[str]:
    """Yield the names of functions in an expression that the notation does not know.

    Parameters
    ----------
    node : Node

    Yields
    ------
    str
    """
    for part in node.walk():
        if isinstance(part, tree.Function) and builtin(part.name) is None:
            yield part.name


def _counts(symbols: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for symbol in symbols:
        counts[symbol] = counts.get(symbol, 0) + 1
    return counts
