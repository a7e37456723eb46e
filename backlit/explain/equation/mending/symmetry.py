"""Claims that hold for symmetric matrices only: ∂(xᵀ A x)/∂x = 2 A x."""

from __future__ import annotations

from dataclasses import replace

import numpy as onp

from backlit.explain.equation.judging.claims import Bound
from backlit.explain.equation.mending.diagnosis import Case, Diagnosis
from backlit.explain.equation.tree import Name
from backlit.explain.equation.values.evaluate import EvaluationFault
from backlit.explain.equation.values.program import Program

_SYMMETRIC = "symmetric"
_POINTS = 5


def symmetric_only(case: Case) -> Diagnosis | None:
    """Find a matrix with which a wrong claim would be right if it were symmetric.

    Parameters
    ----------
    case : Case

    Returns
    -------
    Diagnosis or None
    """
    bound = case.outcome.wrong
    if bound is None or case.outcome.comparison is None:
        return None
    squares = [s for s, leaf in bound.program.leaves.items() if _is_square(leaf.shape)]
    for symbol in squares:
        if _SYMMETRIC not in bound.program.leaves[symbol].properties and _holds(case, symbol):
            name = case.write(Name(bound.scene.binding.show(symbol)))
            said = f"This holds where {name} is symmetric, and the notes do not say that it is."
            fix = f"give it a header: {name}: (n, n) symmetric"
            return Diagnosis("transpose", said, fix, case.equation.right.span)
    return None


def _is_square(shape: tuple[int, ...]) -> bool:
    return len(shape) == 2 and shape[0] == shape[1] > 1


def _holds(case: Case, symbol: str) -> bool:
    """Tell whether a claim holds in all its networks with one matrix drawn symmetric."""
    try:
        return all(_equal(case, bound, symbol) for bound in case.outcome.bounds)
    except EvaluationFault:
        return False


def _equal(case: Case, bound: Bound, symbol: str) -> bool:
    leaf = bound.program.leaves[symbol]
    told = replace(leaf, properties=leaf.properties | {_SYMMETRIC})
    program = Program(
        list(bound.program.definitions.items()), {**bound.program.leaves, symbol: told}
    )
    rng = onp.random.default_rng(0)
    points = [program.draw(rng) for _ in range(_POINTS)]
    found = program.equal(bound.left, bound.right, points, case.outcome.layout)
    return bool(found.equal)
