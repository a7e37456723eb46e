"""Does a derivative agree with differences, and if not, which operation is to blame?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as onp

from backlit.core.evaluate import values
from backlit.core.graph import Equation, Literal
from backlit.core.tracer import bind
from backlit.testing.differences import (
    Array,
    Flat,
    Vector,
    coarsest,
    difference,
    join,
    kind_of,
    random_direction,
)
from backlit.transforms.forward import jvp
from backlit.transforms.inspection import trace
from backlit.transforms.reverse import vjp

MODES = ("forward", "reverse")
# Relative agreement asked for: float32 gradients may lose a few digits to cancellation.
_RTOL = {"float64": 1e-6, "float32": 5e-3, "float16": 1e-1}


@dataclass(frozen=True)
class Tolerance:
    """How far derivatives may be from differences: ``|a − n| ≤ atol + rtol · size of n``.

    Attributes
    ----------
    rtol, atol : float
    """

    rtol: float
    atol: float

    @classmethod
    def of(cls, flat: Flat, rtol: float | None, atol: float | None) -> Tolerance:
        """Fill in what the user left open from the element type and the size of f."""
        dtype = coarsest(flat.leaves)
        if atol is None:
            with onp.errstate(all="ignore"):
                size = float(onp.max(onp.abs(flat.vector(flat.leaves)), initial=0.0))
            # What rounding of f leaves in a difference quotient at the best step.
            atol = 3.0 * float(onp.finfo(dtype).eps) ** (2.0 / 3.0) * size
        return cls(_RTOL[dtype.name] if rtol is None else rtol, atol)

    def holds(self, found: Vector, expected: Vector) -> bool:
        """Tell whether a derivative agrees with differences in every element."""
        size = onp.abs(expected) + 0.01 * onp.max(onp.abs(expected), initial=0.0)
        with onp.errstate(invalid="ignore"):
            # Written so that a NaN on either side is a disagreement.
            return bool(onp.all(onp.abs(found - expected) <= self.atol + self.rtol * size))


def typed(direction: Array, leaf: Any) -> Any:
    """Return a direction in the leaf's element type."""
    return onp.asarray(direction, kind_of(leaf))[()]


def random_cotangents(flat: Flat, rng: onp.random.Generator) -> list[Any]:
    """Return a random cotangent per result."""
    with onp.errstate(all="ignore"):
        outs = flat(*flat.leaves)
    return [typed(rng.normal(size=onp.shape(out)), out) for out in outs]


def push(flat: Flat, directions: Sequence[Array]) -> tuple[Vector, Vector]:
    """Return value and forward-mode derivative along a direction."""
    tangents = [typed(v, leaf) for v, leaf in zip(directions, flat.leaves, strict=True)]
    with onp.errstate(all="ignore"):
        out, dots = jvp(flat, flat.leaves, tangents)
    return join(out), join(dots)


def pull(flat: Flat, cotangents: Sequence[Array]) -> tuple[Vector, list[Array]]:
    """Return value and reverse-mode gradient for cotangents."""
    with onp.errstate(all="ignore"):
        out, pullback = vjp(flat, *flat.leaves)
        return join(out), list(pullback(list(cotangents)))


def disagreement(
    flat: Flat, modes: Sequence[str], tolerance: Tolerance, rng: onp.random.Generator
) -> str | None:
    """Return the first mode whose derivative along a random direction differs, or None.

    Forward mode gives J v, which differences give as well. Reverse mode gives uᵀJ; then
    ⟨uᵀJ, v⟩ = ⟨u, J v⟩ for any u and v.
    """
    directions = [random_direction(leaf, rng) for leaf in flat.leaves]
    cotangents = random_cotangents(flat, rng)
    reference = flat.reference()
    expected = difference(reference.vector, reference.leaves, directions).value
    for mode in modes:
        if mode == "forward":
            if not tolerance.holds(push(flat, directions)[1], expected):
                return mode
            continue
        weights = join(cotangents)
        back = join(pull(flat, cotangents)[1])
        along = float(back @ join(directions))
        size = float(onp.max(onp.abs(weights * expected), initial=0.0))
        loose = Tolerance(tolerance.rtol, tolerance.atol * _total(weights) + tolerance.rtol * size)
        if not loose.holds(onp.array([along]), onp.array([float(weights @ expected)])):
            return mode
    return None


def _total(weights: Vector) -> float:
    return max(1.0, float(onp.sum(onp.abs(weights))))


def culprit(flat: Flat, rng: onp.random.Generator) -> Equation | None:
    """Return the first operation whose own derivative disagrees with differences at its inputs.

    Every operation is checked alone, at the values it had in the run of f.
    """
    wide = flat.reference()
    with onp.errstate(all="ignore"):
        graph = trace(wide)(*wide.leaves)
        known = values(graph, wide.leaves)
    for equation in graph.equations:
        operands = [a.value if isinstance(a, Literal) else known[a] for a in equation.inputs]
        movable = [
            k
            for k, a in enumerate(equation.inputs)
            if not isinstance(a, Literal) and a.aval.dtype.kind == "f"
        ]
        if movable and _alone_disagrees(equation, operands, movable, rng):
            return equation
    return None


def _alone_disagrees(
    equation: Equation, operands: list[Any], movable: list[int], rng: onp.random.Generator
) -> bool:
    def alone(*floats: Any) -> Any:
        args = list(operands)
        for k, value in zip(movable, floats, strict=True):
            args[k] = value
        return bind(equation.primitive, *args, **equation.params)

    flat = Flat(alone, [operands[k] for k in movable])
    with onp.errstate(all="ignore"):
        if not flat(*flat.leaves):
            return False
    modes = MODES if equation.primitive.pull or equation.primitive.push is None else MODES[:1]
    return disagreement(flat, modes, Tolerance.of(flat, None, None), rng) is not None
