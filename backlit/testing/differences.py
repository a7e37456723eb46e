"""Derivatives by finite differences: the independent answer that gradients are compared with.

A central difference has error c₂h² + c₄h⁴ + … + ε/h. Richardson's extrapolation removes the even
powers one after another; Ridders' choice among all extrapolations is the one that changed least,
so neither a step too long (truncation) nor too short (rounding) decides.
(C. J. F. Ridders, "Accurate computation of F′(x) and F′(x)F″(x)", Advances in Engineering Software
4(2), 1982.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as onp

from backlit.core import tree
from backlit.core.errors import DTypeError
from backlit.core.source import Source
from backlit.core.tracing import function_name, leaf_names
from backlit.transforms.arguments import Argnums, argument_places

Array = Any
Vector = onp.ndarray[Any, onp.dtype[onp.float64]]
Run = Callable[[Sequence[Any]], Vector]
# (first step, ratio between steps, number of steps), by element type. The shortest step is near
# eps^(1/3), where rounding and truncation of a plain central difference are about equal.
_STEPS = {
    "float64": (2.0**-6, 4.0, 6),
    "float32": (2.0**-3, 2.0, 6),
    "float16": (2.0**-2, 2.0, 4),
}


def kind_of(value: Any) -> onp.dtype[Any]:
    """Return the element type of an array or number."""
    dtype: onp.dtype[Any] = value.dtype if hasattr(value, "dtype") else onp.result_type(value)
    return dtype


class Flat:
    """A function of trees as a function of its float leaves that returns a list of float arrays.

    Attributes
    ----------
    leaves : list
        The float leaves of the arguments; all others are held fixed.
    names : list of str
        A dotted name for each of them.
    name : str
    """

    def __init__(
        self,
        f: Callable[..., Any],
        args: Sequence[Any],
        names: Sequence[str] | None = None,
        argnums: Argnums | None = None,
    ) -> None:
        if not isinstance(args, (tuple, list)):
            raise DTypeError(
                f"the arguments of {function_name(f)} come as a tuple, not as a "
                f"{type(args).__name__}",
                where=Source.here(),
                fix="check_grads(f, (x,))",
            )
        self._f = f
        self._all, self._treedef = tree.flatten(tuple(args))
        chosen: Sequence[int] = range(len(args))
        if argnums is not None:
            chosen = argument_places(f, args, argnums, "check_grads")
        owners = [n for n, c in enumerate(self._treedef.children) for _ in tree.paths(c, "")]
        self._places = [
            k
            for k, (n, leaf) in enumerate(zip(owners, self._all, strict=True))
            if n in chosen and _is_float(leaf)
        ]
        labels = leaf_names(f, args) if names is None else names
        self.leaves = [self._all[k] for k in self._places]
        self.names = [labels[k] for k in self._places]
        self.name = function_name(f)
        if not self.leaves:
            raise DTypeError(
                f"{function_name(f)} was given no floating-point argument, so there is no gradient "
                "to check",
                where=Source.here(),
                fix="pass floats (3.0 instead of 3, x.astype(float))",
            )

    def __call__(self, *leaves: Any) -> list[Any]:
        """Return the float leaves of the result."""
        values = list(self._all)
        for place, leaf in zip(self._places, leaves, strict=True):
            values[place] = leaf
        out = tree.flatten(self._f(*tree.unflatten(self._treedef, values)))[0]
        return [value for value in out if _is_float(value)]

    def vector(self, leaves: Sequence[Any]) -> Vector:
        """Return the result as one float64 vector."""
        return join(self(*leaves))

    def widened(self) -> Flat:
        """Return the same function at float64 arguments."""

        def wide(*leaves: Any) -> list[Any]:
            return self(*leaves)

        wide.__name__ = self.name
        leaves = [onp.asarray(leaf, onp.float64)[()] for leaf in self.leaves]
        return Flat(wide, leaves, self.names)

    def reference(self) -> Flat:
        """Return the function to take differences of: in float64 if it takes float64.

        Rounding spoils differences long before it spoils a gradient.
        """
        if coarsest(self.leaves) == onp.float64:
            return self
        wide = self.widened()
        try:
            with onp.errstate(all="ignore"):
                wide(*wide.leaves)
        except (TypeError, ValueError):
            return self
        return wide


def _is_float(value: Any) -> bool:
    if isinstance(value, float):
        return True
    dtype = getattr(value, "dtype", None)
    return dtype is not None and dtype.kind == "f"


def join(arrays: Sequence[Array]) -> Vector:
    """Return arrays end to end as one float64 vector."""
    parts = [onp.asarray(a, onp.float64).reshape(-1) for a in arrays]
    return onp.concatenate(parts) if parts else onp.zeros(0)


def coarsest(values: Sequence[Any]) -> onp.dtype[Any]:
    """Return the least precise element type, which bounds what differences can resolve."""
    kinds = [kind_of(v) for v in values]
    return min(kinds, key=lambda k: k.itemsize) if kinds else onp.dtype(onp.float64)


def moved(leaf: Any, step: float, direction: Array) -> Any:
    """Return ``leaf + step · direction`` in the leaf's own type."""
    if type(leaf) is float:
        return float(leaf + step * float(direction))
    return onp.asarray(leaf + onp.asarray(step * direction), kind_of(leaf))[()]


def random_direction(leaf: Any, rng: onp.random.Generator) -> Array:
    """Return a random direction of the leaf's own magnitude."""
    size = onp.shape(leaf)
    magnitude = float(onp.max(onp.abs(leaf), initial=0.0))
    scale = float(onp.clip(magnitude, 1e-3, 1e3)) if magnitude > 0.0 else 1.0
    # Rounded to a few bits, so that little is lost when a step is added to x in float32.
    return onp.round(rng.normal(size=size) * 8.0 + 0.5) / 8.0 * 2.0 ** onp.round(onp.log2(scale))


def central(run: Run, leaves: Sequence[Any], direction: Sequence[Array], step: float) -> Vector:
    """Return (f(x + h v) − f(x − h v)) / 2h."""
    with onp.errstate(all="ignore"):
        ahead = run([moved(x, step, v) for x, v in zip(leaves, direction, strict=True)])
        behind = run([moved(x, -step, v) for x, v in zip(leaves, direction, strict=True)])
        return (ahead - behind) / (2.0 * step)


@dataclass(frozen=True)
class Difference:
    """A derivative by differences.

    Attributes
    ----------
    value : ndarray of float64
    error : ndarray of float64
        Ridders' estimate of its error; infinite where no step gave a finite number.
    """

    value: Vector
    error: Vector


def difference(run: Run, leaves: Sequence[Any], direction: Sequence[Array]) -> Difference:
    """Return the derivative of a function along a direction, extrapolated to step zero.

    Parameters
    ----------
    run : callable
        Takes a list of arrays, returns a vector of float64.
    leaves : sequence of arrays
    direction : sequence of arrays
        Shaped like `leaves`.

    Returns
    -------
    Difference

    Examples
    --------
    >>> found = difference(lambda x: join([x[0] ** 3]), [2.0], [1.0])
    >>> bool(abs(found.value[0] - 12.0) < 1e-9)
    True
    """
    first, ratio, count = _STEPS[coarsest(leaves).name]
    rows: list[list[Vector]] = []
    best: Vector | None = None
    error: Vector | None = None
    with onp.errstate(all="ignore"):
        for k in range(count):
            row = [central(run, leaves, direction, first / ratio**k)]
            for j in range(1, k + 1):
                weight = ratio ** (2 * j)
                row.append((weight * row[j - 1] - rows[k - 1][j - 1]) / (weight - 1.0))
            for j in range(1, k + 1):
                change = onp.maximum(
                    onp.abs(row[j] - row[j - 1]), onp.abs(row[j] - rows[k - 1][j - 1])
                )
                change = onp.where(onp.isfinite(change), change, onp.inf)
                if best is None or error is None:
                    best, error = row[j], change
                else:
                    best, error = (
                        onp.where(change < error, row[j], best),
                        onp.minimum(change, error),
                    )
            rows.append(row)
    assert best is not None and error is not None
    return Difference(best, error)
