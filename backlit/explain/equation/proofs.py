"""Proofs that two expressions over a program are the same function; see `modular`."""

from __future__ import annotations

import random
from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as onp
from numpy.typing import NDArray

from backlit.explain.equation import tree
from backlit.explain.equation.boxes import boxed
from backlit.explain.equation.draws import Leaf
from backlit.explain.equation.evaluate import Layout
from backlit.explain.equation.forward import Forward
from backlit.explain.equation.modular import Modular, Unknown
from backlit.explain.equation.residues import Undecided, random_prime
from backlit.explain.equation.tree import Node

if TYPE_CHECKING:
    from backlit.explain.equation.program import Program

# What is false passes at one point with probability at most degree/2¹²⁴.
_HIGHEST_DEGREE = 2.0**80
_PASSES, _TRIES = 12, 48
# Multiplications of residues that a proof may take; some hundred nanoseconds each.
_MOST_WORK = 3_000_000


class Prover:
    """Decides identities over a program at random points of a finite field.

    Parameters
    ----------
    program : Program
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        # Always the same random numbers: the same notes have the same verdict every time.
        self._rng = random.Random(20)
        self._prime = random_prime(self._rng)
        self._discrete = any(leaf.properties & _DISCRETE for leaf in program.leaves.values())
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
        if self._work((left, right)) > _MOST_WORK:
            return False
        if self._first is None:
            self._first = self._scope(free=True)
        modular = self._first.arithmetic
        assert isinstance(modular, Modular)
        try:
            if _equal(self._first, left, right, layout):
                return True
        except Undecided:
            return self._on_branches(left, right, layout)
        if not (modular.conditional or modular.roots or self._discrete):
            return False
        return self._on_branches(left, right, layout)

    def _on_branches(self, left: Node, right: Node, layout: Layout) -> bool:
        """Test at points that take branches, until each was seen to go both ways.

        A root of what is always a square, √x² say, would be a branch that none of the points
        shows: each number under a root has to be no square at some of them.
        """
        branches: list[list[bool]] = []
        roots: list[list[bool]] = []
        for _ in range(_TRIES):
            scope = self._scope(free=False)
            modular = scope.arithmetic
            assert isinstance(modular, Modular)
            try:
                equal = _equal(scope, left, right, layout)
            except Undecided:
                return False
            roots.append(modular.roots)
            if equal:
                branches.append(modular.conditions)
                wanted = _PASSES if modular.conditions else 1
                if len(branches) >= wanted and _both(branches) and _no_square(roots):
                    return True
            elif all(modular.roots):
                return False
            # Otherwise perhaps for want of a root: at another point it is one.
        return False

    def _scope(self, free: bool) -> Forward:
        # Among 0 and 1 all values are tried; among whole numbers they are not.
        whole = any("integer" in leaf.properties for leaf in self.program.leaves.values())
        discrete = self._discrete if free else whole
        modular = Modular(self._prime, self._rng, free, discrete)
        leaves = {
            symbol: modular.array(_drawn(leaf, modular), bool(leaf.properties & _DISCRETE))
            for symbol, leaf in self.program.leaves.items()
        }
        return Forward(self.program, modular, leaves, lambda name: Unknown(modular, name))

    def _work(self, nodes: tuple[Node, ...]) -> float:
        """Return about how many multiplications the derivatives in expressions take."""
        shapes, work = self.program.shapes, 0.0
        for node in nodes:
            for part in node.walk():
                if isinstance(part, tree.Derivative):
                    work += self._run(part, shapes)
        return work

    def _run(self, node: tree.Derivative, shapes: dict[str, tuple[int, ...]]) -> float:
        directions = 1
        for wrt in filter(None, (node.wrt, node.second)):
            name = next(part.base for part in wrt.walk() if isinstance(part, tree.Name))
            directions *= prod(shapes.get(name, ()))
        sizes = [prod(shapes[symbol]) for symbol in self.program.definitions]
        return 10.0 * directions * sum(sizes)


def _both(seen: Sequence[Sequence[bool]]) -> bool:
    """Tell whether every branch was seen to go both ways."""
    return all(any(way) and not all(way) for way in zip(*seen, strict=True))


def _no_square(seen: Sequence[Sequence[bool]]) -> bool:
    return not any(all(way) for way in zip(*seen, strict=True))


def _equal(scope: Forward, left: Node, right: Node, layout: Layout) -> bool:
    x, y = scope.evaluate(left, layout), scope.evaluate(right, layout)
    if max(x.top, x.bottom, y.top, y.bottom) > _HIGHEST_DEGREE:
        return False
    same = x.items.ravel() == y.items.ravel()
    return x.items.size == y.items.size and bool(onp.all(same))


# --- variables ------------------------------------------------------------------------------------


_DISCRETE = frozenset(("one-hot rows", "one-hot columns", "binary", "integer"))
_SUMS = {"one-hot rows": -1, "rows sum to 1": -1, "one-hot columns": 0, "columns sum to 1": 0}


def _drawn(leaf: Leaf, modular: Modular) -> NDArray[Any]:
    """Return random residues for a variable, with what is said of it.

    Squares stand for what is positive. While conditions are free, one-hot rows are any that sum
    to 1: what holds for all of those holds for the one-hot ones.
    """
    has, p = leaf.properties, modular.prime
    items = boxed([_entry(has, modular) for _ in range(prod(leaf.shape))], leaf.shape)
    for name, axis in _SUMS.items():
        if name in has:
            one_hot = name.startswith("one-hot") and not modular.free
            items = _summing_to_one(items, axis if items.ndim > 1 else -1, one_hot, modular)
    if has & {"symmetric", "positive definite"}:
        items = onp.tril(items) + onp.tril(items, -1).T
    if "diagonal" in has:
        items = onp.diag(onp.diag(items))
    if "upper triangular" in has:
        items = onp.triu(items)
    if "lower triangular" in has:
        items = onp.tril(items)
    return items % p


def _entry(has: frozenset[str], modular: Modular) -> int:
    if "binary" in has and not modular.free:
        modular.conditions.append(modular.below(2) == 1)
        return int(modular.conditions[-1])
    positive = not has.isdisjoint(("positive", "in (0, 1)", "above 1", *_SUMS))
    while True:
        x = modular.drawn(positive)
        if "in (0, 1)" in has and not modular.is_square(1 - x):
            continue
        if "above 1" in has and not modular.is_square(x - 1):
            continue
        return x


def _summing_to_one(
    items: NDArray[Any], axis: int, one_hot: bool, modular: Modular
) -> NDArray[Any]:
    rows = onp.moveaxis(items, axis, 0)
    if one_hot:
        flat = onp.zeros_like(rows).reshape((len(rows), -1))
        for k in range(flat.shape[1]):
            place = modular.below(len(rows))
            flat[place, k] = 1
            modular.conditions.extend(i == place for i in range(len(rows)))
        rows = flat.reshape(rows.shape)
    else:
        rows = rows.copy()
        rows[0] = 1 - rows[1:].sum(axis=0)
    return onp.moveaxis(rows, 0, axis)
