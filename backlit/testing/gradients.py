"""`check_grads`: do the derivatives of a function agree with finite differences?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as onp

from backlit.core.errors import BacklitError, DifferentiationError
from backlit.core.source import Source
from backlit.core.tracing import require_function
from backlit.testing.compare import (
    MODES,
    Tolerance,
    disagreement,
    pull,
    push,
    random_cotangents,
    typed,
)
from backlit.testing.differences import Flat, Vector, random_direction
from backlit.testing.report import report_on
from backlit.transforms.arguments import Argnums
from backlit.transforms.forward import jvp
from backlit.transforms.reverse import vjp


class GradientCheckError(BacklitError, AssertionError):
    """A derivative does not agree with finite differences."""


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int = 2,
    modes: Sequence[str] = MODES,
    rtol: float | None = None,
    atol: float | None = None,
    seed: int = 0,
    argnums: Argnums | None = None,
) -> None:
    """Raise unless the derivatives of f agree with finite differences at these arguments.

    Each mode is compared with Richardson-extrapolated central differences along a random
    direction, which costs a dozen evaluations of f whatever the number of inputs. For order 2 the
    derivatives themselves are checked in every mode (forward over reverse, reverse over reverse,
    …), and so on. At a kink (relu at 0) differences give the mean of both slopes: choose other
    points.

    Parameters
    ----------
    f : callable
        Takes and returns trees; float arrays among the results are checked.
    args : tuple of trees
        The arguments; float leaves are differentiated, all others stay as they are.
    order : int
        1, 2, …
    modes : sequence of str
        "forward", "reverse" or both.
    rtol, atol : float, optional
        ``|gradient − difference| ≤ atol + rtol · size``. Defaults follow the element type: 1e-6
        relative for float64, 5e-3 for float32, and the rounding error of f absolute.
    seed : int
        Chooses the directions.
    argnums : int or sequence of int, optional
        Check only the derivatives in these arguments and hold the others fixed.

    Raises
    ------
    GradientCheckError
        Naming mode and order, the worst input element with both values, and where it can be
        found, the operation and line that are to blame.
    DTypeError
        If no argument holds floats.

    Examples
    --------
    >>> import backlit.numpy as np
    >>> check_grads(lambda x: np.sin(x) * x, (onp.array([0.3, 1.2]),))
    >>> try:
    ...     check_grads(np.relu, (0.0,), order=1)
    ... except GradientCheckError as error:
    ...     print(error.what.splitlines()[0])
    the forward-mode derivative of relu (order 1) is not what differences give
    """
    require_function(f, "check_grads")
    modes = _checked_modes(modes)
    if type(order) is not int or order < 1:
        raise DifferentiationError(
            f"order is 1, 2, …, not {order!r}", where=Source.here(), fix="order=2"
        )
    flat = Flat(f, args, argnums=argnums)
    values = _steady(flat)
    rng = onp.random.default_rng(seed)
    _same_under_tracing(flat, values, modes, rng)
    _check(flat, order, modes, (rtol, atol), rng, ())


def _checked_modes(modes: Sequence[str]) -> tuple[str, ...]:
    chosen = (modes,) if isinstance(modes, str) else tuple(modes)
    if not chosen or not set(chosen) <= set(MODES):
        raise DifferentiationError(
            f"modes are {MODES}, not {modes!r}", where=Source.here(), fix='modes=("reverse",)'
        )
    return chosen


def _steady(flat: Flat) -> Vector:
    """Return the value of f, after checking that it is finite and stays the same."""
    with onp.errstate(all="ignore"):
        values, again = flat.vector(flat.leaves), flat.vector(flat.leaves)
    if not onp.array_equal(values, again, equal_nan=True):
        raise GradientCheckError(
            f"{flat.name} gives different results for the same arguments, so differences say "
            "nothing about its derivative",
            where=Source.here(),
            fix="draw random numbers outside, or from a fixed key",
        )
    if not onp.all(onp.isfinite(values)):
        raise GradientCheckError(
            f"{flat.name} is not finite at these arguments",
            where=Source.here(),
            fix="check it at points inside its domain",
        )
    return values


def _same_under_tracing(
    flat: Flat, values: Vector, modes: Sequence[str], rng: onp.random.Generator
) -> None:
    """Check that f computes the same numbers with and without derivatives."""
    zeros = [onp.zeros(onp.shape(leaf)) for leaf in flat.leaves]
    for mode in modes:
        if mode == "forward":
            traced = push(flat, zeros)[0]
        else:
            traced = pull(flat, random_cotangents(flat, rng))[0]
        if not onp.allclose(traced, values, rtol=1e-5, atol=0.0):
            raise GradientCheckError(
                f"{flat.name} returns {_brief(traced)} in {mode} mode and {_brief(values)} without "
                "derivatives",
                where=Source.here(),
                fix="it may write into an array that another name shares, or ask for the type of "
                "its argument",
            )


def _brief(values: Vector) -> str:
    return onp.array2string(values, precision=6, threshold=6)


def _check(
    flat: Flat,
    order: int,
    modes: Sequence[str],
    tolerances: tuple[float | None, float | None],
    rng: onp.random.Generator,
    inner: tuple[str, ...],
) -> None:
    tolerance = Tolerance.of(flat, *tolerances)
    wrong = disagreement(flat, modes, tolerance, rng)
    if wrong is not None:
        _fail(flat, wrong, inner, tolerance, rng)
    if order == 1:
        return
    for mode in modes:
        _check(_derivative(flat, mode, rng), order - 1, modes, tolerances, rng, (mode, *inner))


def _derivative(flat: Flat, mode: str, rng: onp.random.Generator) -> Flat:
    """Return the derivative of f in one mode as a function of f's arguments and the direction."""
    count = len(flat.leaves)
    extra: list[Any]
    if mode == "forward":
        extra = [typed(random_direction(leaf, rng), leaf) for leaf in flat.leaves]
        labels = [f"tangent of {name}" for name in flat.names]

        def derivative(*leaves: Any) -> Any:
            return jvp(flat, leaves[:count], leaves[count:])[1]
    else:
        extra = random_cotangents(flat, rng)
        labels = [f"cotangent of result {k}" for k in range(len(extra))]

        def derivative(*leaves: Any) -> Any:
            return vjp(flat, *leaves[:count])[1](list(leaves[count:]))

    derivative.__name__ = flat.name
    return Flat(derivative, (*flat.leaves, *extra), [*flat.names, *labels])


# What may be behind a disagreement, the commonest first.
_WHY = (
    "at a kink (abs or relu at 0) or the edge of a domain (sqrt at 0) no derivative agrees with "
    "differences: check at smooth points; differences do not see what stop_gradient cuts; else the "
    "rule of the operation named above is wrong"
)


def _fail(
    flat: Flat,
    mode: str,
    inner: tuple[str, ...],
    tolerance: Tolerance,
    rng: onp.random.Generator,
) -> None:
    how = f"{mode}-mode derivative" if not inner else f"{' over '.join((mode, *inner))} derivative"
    what = f"the {how} of {flat.name} (order {len(inner) + 1}) is not what differences give"
    report = report_on(flat, mode, tolerance, rng, failed=True)
    details = "\n".join(f"  {line}" for line in report.details())
    raise GradientCheckError(f"{what}\n{details}", where=Source.here(), fix=_WHY)
