"""Proofs that two expressions over a program are the same function; see `modular`."""

from __future__ import annotations

import random
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as onp
from numpy.typing import NDArray

from backlit.explain.equation.tree import Node
from backlit.explain.equation.values.boxes import boxed
from backlit.explain.equation.values.branches import Choices, Dependence, Sources
from backlit.explain.equation.values.draws import Leaf
from backlit.explain.equation.values.evaluate import Layout
from backlit.explain.equation.values.forward import Forward
from backlit.explain.equation.values.modular import Modular, Unknown
from backlit.explain.equation.values.residues import Undecided, random_prime

if TYPE_CHECKING:
    from backlit.explain.equation.values.program import Program

# What is false passes at one point with probability at most degree/2¹²⁴.
_HIGHEST_DEGREE = 2.0**80
_RUNS = 160
# Multiplications of residues that a proof may take; some hundred nanoseconds each.
_MOST_WORK = 10_000_000


class Prover:
    """Decides identities over a program at random points of a finite field.

    Parameters
    ----------
    program : Program
    seed : int
        Of the prime and the points. Always the same one, so that the same notes have the same
        verdict every time.
    """

    def __init__(self, program: Program, seed: int = 20) -> None:
        self.program = program
        self._rng = random.Random(seed)
        self._prime = random_prime(self._rng)
        self._first: Forward | None = None

    def proved(self, left: Node, right: Node, layout: Layout = "elementwise") -> bool:
        """Tell whether two expressions were shown to be the same function.

        Parameters
        ----------
        left, right : Node
        layout : {"elementwise", "numerator", "denominator"}

        Returns
        -------
        bool
            True only for identities, with a probability of error below 10⁻¹²; False says nothing.
        """
        work = self.program.work * (1 + self.program.directions(left, right))
        if work > _MOST_WORK:
            return False
        if self._first is None:
            self._first = self._scope(self._modular(self._rng.getrandbits(256)))
        modular = self._first.arithmetic
        assert isinstance(modular, Modular)
        try:
            if bool(onp.all(_agreeing(self._first, left, right, layout))):
                return True
        except Undecided:
            return False
        if not modular.conditional and not self._has(_FEW):
            return False
        return self._on_all_branches(left, right, layout, work)

    def _on_all_branches(self, left: Node, right: Node, layout: Layout, work: float) -> bool:
        """Test on branches until each element has been seen on all that it depends on."""
        sources = self._sources(left, right, layout)
        if sources is None:
            return False
        missing = [_Element(k, places) for k, places in enumerate(sources)]
        seed, at_point = self._rng.getrandbits(256), 0
        opened: set[int] = set()
        for _ in range(int(min(_RUNS, 1 + _MOST_WORK / work))):
            choices = Choices(self._rng, (0, -1, None)[min(at_point, 2)])
            scope = self._scope(self._modular(seed, choices))
            try:
                agreeing = _agreeing(scope, left, right, layout)
            except Undecided:
                return False
            opened |= choices.open
            for element in missing:
                if agreeing[element.number]:
                    element.runs.append((seed, choices.made))
                elif not element.places & choices.formal:
                    return False
                # Otherwise perhaps for want of a root: at another point there is one.
            missing = [e for e in missing if not e.complete(opened, choices)]
            if not missing:
                return True
            at_point += 1
            if choices.roots and at_point > 4 * 2 ** max(len(e.places & opened) for e in missing):
                seed, at_point = self._rng.getrandbits(256), 0
        return False

    def _sources(self, left: Node, right: Node, layout: Layout) -> list[set[int]] | None:
        """Return the choices that each element of the two sides depends on."""
        arithmetic = Dependence()
        leaves = {s: _spread(leaf, arithmetic) for s, leaf in self.program.leaves.items()}
        scope = Forward(self.program, arithmetic, leaves, Unknown)
        x, y = scope.evaluate(left, layout), scope.evaluate(right, layout)
        if x.items.size != y.items.size:
            return None
        both = zip(x.items.ravel(), y.items.ravel(), strict=True)
        return [_bits((a or 0) | (b or 0)) for a, b in both]

    def _modular(self, seed: int, choices: Choices | None = None) -> Modular:
        # Variables with few values have them only where choices are made; whole numbers never.
        discrete = self._has(_FEW if choices is None else frozenset(("integer",)))
        return Modular(self._prime, seed, choices, discrete)

    def _scope(self, modular: Modular) -> Forward:
        leaves = {
            symbol: modular.array(_drawn(leaf, modular), bool(leaf.properties & _FEW))
            for symbol, leaf in self.program.leaves.items()
        }
        return Forward(self.program, modular, leaves, Unknown)

    def _has(self, properties: frozenset[str]) -> bool:
        return any(leaf.properties & properties for leaf in self.program.leaves.values())


class _Element:
    """The choices that an element depends on, and those it was seen right with."""

    def __init__(self, number: int, places: set[int]) -> None:
        self.number = number
        self.places = places
        self.runs: list[tuple[int, list[int]]] = []

    def complete(self, opened: set[int], choices: Choices) -> bool:
        """Tell whether it was right on each branch, with every sign of the roots on it.

        Those signs have to be tried at one point. There they are two numbers, and if x² is under
        the root, one of them is x and the other is not.
        """
        signs = sorted(self.places & opened & choices.roots)
        branch = sorted((self.places & opened) - choices.roots)
        seen: dict[tuple[int, ...], set[tuple[int, ...]]] = {}
        for seed, made in self.runs:
            key = (seed, *(made[k] for k in branch))
            seen.setdefault(key, set()).add(tuple(made[k] for k in signs))
        right = {key[1:] for key, found in seen.items() if len(found) == 2 ** len(signs)}
        return len(right) == prod(choices.among[k] for k in branch)


def _bits(number: int) -> set[int]:
    return {k for k in range(number.bit_length()) if number >> k & 1}


def _agreeing(scope: Forward, left: Node, right: Node, layout: Layout) -> NDArray[Any]:
    """Return where the elements of two expressions agree."""
    x, y = scope.evaluate(left, layout), scope.evaluate(right, layout)
    if x.items.size != y.items.size:
        return onp.array([False])
    if max(x.top, x.bottom, y.top, y.bottom) > _HIGHEST_DEGREE:
        raise Undecided("a degree too high to tell functions apart")
    return onp.asarray(x.items.ravel() == y.items.ravel(), dtype=bool)


# --- variables ------------------------------------------------------------------------------------

_FEW = frozenset(("one-hot rows", "one-hot columns", "binary"))
_SUMS = {"one-hot rows": -1, "rows sum to 1": -1, "one-hot columns": 0, "columns sum to 1": 0}


def _drawn(leaf: Leaf, modular: Modular) -> NDArray[Any]:
    """Return random residues for a variable, with what is said of it.

    While choices are left free, one-hot rows are any that sum to 1: what holds for all of those
    holds for the one-hot ones.
    """
    has, choices = leaf.properties, modular.choices
    items = boxed([_entry(has, modular) for _ in range(prod(leaf.shape))], leaf.shape)
    for name, axis in _SUMS.items():
        if name in has:
            rows = onp.moveaxis(items, axis if items.ndim > 1 else -1, 0)
            if name.startswith("one-hot") and choices is not None:
                chosen = [_opened(choices, len(rows)) for _ in range(prod(rows.shape[1:]))]
                hot = onp.eye(len(rows), dtype=int)[:, chosen].astype(object)
                rows = hot.reshape(rows.shape)
            else:
                rows = onp.concatenate([1 - rows[1:].sum(axis=0, keepdims=True), rows[1:]])
            items = onp.moveaxis(rows, 0, axis if items.ndim > 1 else -1)
    if has & {"symmetric", "positive definite"}:
        items = onp.tril(items) + onp.tril(items, -1).T
    if "diagonal" in has:
        items = onp.diag(onp.diag(items))
    if "upper triangular" in has:
        items = onp.triu(items)
    if "lower triangular" in has:
        items = onp.tril(items)
    return items % modular.prime


def _opened(choices: Choices, among: int) -> int:
    place, chosen = choices.next(among)
    choices.open.add(place)
    return chosen


def _entry(has: frozenset[str], modular: Modular) -> int:
    """Return one element; squares stand for what is positive."""
    if "binary" in has and modular.choices is not None:
        return _opened(modular.choices, 2)
    return modular.drawn(not has.isdisjoint(("positive", "in (0, 1)", "above 1")))


def _spread(leaf: Leaf, arithmetic: Dependence) -> Sources:
    """Return the choices that a variable is made by, as `_drawn` makes them."""
    has = leaf.properties
    items = boxed([_entry_source(has, arithmetic) for _ in range(prod(leaf.shape))], leaf.shape)
    for name, axis in _SUMS.items():
        if name in has and name.startswith("one-hot"):
            rows = onp.moveaxis(items, axis if items.ndim > 1 else -1, 0).copy()
            places = [
                1 << arithmetic.choices.next(len(rows))[0] for _ in range(prod(rows.shape[1:]))
            ]
            rows[:] = boxed(places, rows.shape[1:])
            items = onp.moveaxis(rows, 0, axis if items.ndim > 1 else -1)
    return Sources(items)


def _entry_source(has: frozenset[str], arithmetic: Dependence) -> int:
    return 1 << arithmetic.choices.next()[0] if "binary" in has else 0
