"""Where a gradient is worst, and how its error depends on the step of the difference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as onp

from backlit.core.errors import DifferentiationError
from backlit.core.source import Source
from backlit.testing.compare import (
    MODES,
    Tolerance,
    culprit,
    disagreement,
    pull,
    push,
    random_cotangents,
)
from backlit.testing.differences import (
    Array,
    Flat,
    Run,
    Vector,
    central,
    coarsest,
    difference,
    join,
    moved,
)

_MOST = 512
_CURVE = tuple(range(1, 13))


@dataclass(frozen=True)
class Worst:
    """The element of the arguments whose gradient is furthest from the differences.

    Attributes
    ----------
    argument : str
        Dotted name: ``model.layers.0.W``.
    index : tuple of int
        Place in that array; empty for a scalar.
    analytic, numeric : float
        The gradient, and the derivative by differences.
    """

    argument: str
    index: tuple[int, ...]
    analytic: float
    numeric: float

    @property
    def error(self) -> float:
        """Relative error, between 0 and 1 unless one of the two is not finite."""
        size = max(abs(self.analytic), abs(self.numeric))
        return abs(self.analytic - self.numeric) / size if size > 0.0 else 0.0

    def __str__(self) -> str:
        place = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        return (
            f"{self.argument}{place}: gradient {self.analytic:.10g}, "
            f"by differences {self.numeric:.10g}, relative error {self.error:.2g}"
        )


@dataclass(frozen=True)
class GradientReport:
    """What `gradient_report` found.

    Attributes
    ----------
    name : str
        The function.
    mode : str
        "forward" or "reverse".
    dtype : str
        The least precise element type among the arguments.
    worst : Worst
    curve : tuple of (float, float)
        Step h of the central difference at the worst element, and the relative difference between
        it and the gradient. For a right gradient the error falls like h² until rounding, which
        grows like 1/h, takes over.
    agrees : bool
        Whether every element that was checked is within tolerance.
    checked, elements : int
        How many elements were compared, of how many.
    operation : str or None
        The first operation whose own derivative disagrees at the values it had, with its line.
    hint : str or None

    Examples
    --------
    >>> report = gradient_report(lambda w: (w * w).sum(), (onp.array([1.0, 2.0]),))
    >>> print(report)  # doctest: +ELLIPSIS
    gradient of <lambda>, reverse mode, float64: agrees with differences
    worst of 2 elements: w[0]: gradient 2, by differences 2, relative error 0
              step     error
             1e-01   ...
             1e-12   ...
    """

    name: str
    mode: str
    dtype: str
    worst: Worst
    curve: tuple[tuple[float, float], ...]
    agrees: bool
    checked: int
    elements: int
    operation: str | None
    hint: str | None

    def details(self) -> list[str]:
        """Return the lines that say where and why, without the curve."""
        share = f"{self.checked} of {self.elements}" if self.checked < self.elements else ""
        lines = [f"worst of {share or self.elements} elements: {self.worst}"]
        if self.operation is not None:
            lines.append(f"first operation that disagrees: {self.operation}")
        if self.hint is not None:
            lines.append(f"hint: {self.hint}")
        return lines

    def __str__(self) -> str:
        verdict = "agrees with differences" if self.agrees else "DISAGREES with differences"
        lines = [f"gradient of {self.name}, {self.mode} mode, {self.dtype}: {verdict}"]
        lines += self.details()
        lines.append(f"{'step':>14}{'error':>10}")
        lines += [f"{step:>14.0e}{error:>10.1e}" for step, error in self.curve]
        return "\n".join(lines)


def gradient_report(
    f: Callable[..., Any], args: Sequence[Any], mode: str = "reverse", seed: int = 0
) -> GradientReport:
    """Compare a gradient with differences element by element, and say where it is worst.

    Parameters
    ----------
    f : callable
        Returns a tree of float arrays; if that is not one number, a random weighting of all
        elements is differentiated.
    args : tuple of trees
        The arguments; float leaves are checked, all others stay as they are.
    mode : str
        "reverse" or "forward".
    seed : int
        Chooses the weighting, and 512 elements where there are more.

    Returns
    -------
    GradientReport
        Prints as a table.

    Raises
    ------
    DTypeError
        If no argument holds floats.

    Examples
    --------
    >>> report = gradient_report(lambda x: x**3, (2.0,))
    >>> report.agrees, report.worst.analytic
    (True, 12.0)
    """
    return report_on(Flat(f, args), mode, None, onp.random.default_rng(seed))


def report_on(
    flat: Flat,
    mode: str,
    tolerance: Tolerance | None,
    rng: onp.random.Generator,
    failed: bool = False,
) -> GradientReport:
    """Return the report for a flattened function; `failed` if it is known to disagree somewhere."""
    if mode not in MODES:
        raise DifferentiationError(
            f"unknown mode {mode!r}", where=Source.here(), fix="'forward' or 'reverse'"
        )
    if tolerance is None:
        tolerance = Tolerance.of(flat, None, None)
    weights = _weights(flat, rng)
    sites = _sites(flat, rng)
    analytic = _analytic(flat, mode, weights, sites)
    reference = flat.reference()
    exact = _weighted(reference, weights)
    numeric = onp.array([_numeric(reference, exact, site) for site in sites])
    with onp.errstate(invalid="ignore"):
        gap = onp.abs(analytic - numeric)
    k = int(onp.argmax(onp.where(onp.isnan(gap), onp.inf, gap)))
    place, index = sites[k]
    worst = Worst(flat.names[place], index, float(analytic[k]), float(numeric[k]))
    agrees = tolerance.holds(analytic, numeric) and not failed
    return GradientReport(
        name=flat.name,
        mode=mode,
        dtype=coarsest(flat.leaves).name,
        worst=worst,
        curve=_curve(flat, _weighted(flat, weights), sites[k], worst.analytic),
        agrees=agrees,
        checked=len(sites),
        elements=sum(int(onp.size(leaf)) for leaf in flat.leaves),
        operation=None if agrees else _operation(flat, rng),
        hint=None if agrees else _hint(flat, mode, exact, sites[k], rng),
    )


Site = tuple[int, tuple[int, ...]]


def _weights(flat: Flat, rng: onp.random.Generator) -> list[Array]:
    """Return how much each element of the results counts."""
    weights = random_cotangents(flat, rng)
    if len(weights) == 1 and onp.size(weights[0]) == 1:
        weights = [onp.ones_like(weights[0])]
    return weights


def _weighted(flat: Flat, weights: list[Array]) -> Run:
    """Return f followed by the weighted sum of its results."""
    row = join(weights)

    def run(leaves: Sequence[Any]) -> Vector:
        with onp.errstate(invalid="ignore"):
            return onp.array([row @ flat.vector(leaves)])

    return run


def _sites(flat: Flat, rng: onp.random.Generator) -> list[Site]:
    """Return the places of all elements, or of some of very many."""
    sites = [(k, i) for k, leaf in enumerate(flat.leaves) for i in onp.ndindex(onp.shape(leaf))]
    if not sites:
        raise DifferentiationError(
            f"the arguments of {flat.name} hold no elements",
            where=Source.here(),
            fix="call it with arrays that are not empty",
        )
    if len(sites) <= _MOST:
        return sites
    return [sites[k] for k in sorted(rng.choice(len(sites), _MOST, replace=False))]


def _unit(flat: Flat, site: Site) -> list[Array]:
    """Return the direction of one element."""
    directions = [onp.zeros(onp.shape(leaf)) for leaf in flat.leaves]
    directions[site[0]][site[1]] = 1.0
    return directions


def _analytic(flat: Flat, mode: str, weights: list[Array], sites: list[Site]) -> Vector:
    if mode == "reverse":
        found = pull(flat, weights)[1]
        return onp.array([float(onp.asarray(found[k])[i]) for k, i in sites])
    row = join(weights)
    with onp.errstate(invalid="ignore"):
        return onp.array([float(row @ push(flat, _unit(flat, site))[1]) for site in sites])


def _numeric(flat: Flat, run: Run, site: Site) -> float:
    leaf = flat.leaves[site[0]]
    largest = float(onp.max(onp.abs(leaf), initial=0.0))
    scale = 2.0 ** round(float(onp.log2(onp.clip(largest, 1e-3, 1e3)))) if largest > 0.0 else 1.0
    along = [v * scale for v in _unit(flat, site)]
    return float(difference(run, flat.leaves, along).value[0]) / scale


def _curve(flat: Flat, run: Run, site: Site, analytic: float) -> tuple[tuple[float, float], ...]:
    points = []
    for k in _CURVE:
        step = 10.0**-k
        numeric = float(central(run, flat.leaves, _unit(flat, site), step)[0])
        size = max(abs(analytic), abs(numeric))
        points.append((step, abs(analytic - numeric) / size if size > 0.0 else 0.0))
    return tuple(points)


def _operation(flat: Flat, rng: onp.random.Generator) -> str | None:
    equation = culprit(flat, rng)
    if equation is None:
        return None
    if equation.source is None:
        return equation.primitive.name
    return f"{equation.primitive.name}\n{equation.source.excerpt()}"


def _hint(flat: Flat, mode: str, run: Run, site: Site, rng: onp.random.Generator) -> str | None:
    """Return what is likely to be the matter, if it can be told."""
    dtype = coarsest(flat.leaves).name
    if dtype != "float64":
        wide = flat.reference()
        if (
            wide is not flat
            and disagreement(wide, (mode,), Tolerance.of(wide, None, None), rng) is None
        ):
            return f"{dtype}: rounding hides the gradient; pass float64"
        return None
    sides = [_one_sided(flat, run, site, step) for step in (1e-6, -1e-6)]
    size = max(abs(sides[0]), abs(sides[1]))
    if abs(sides[0] - sides[1]) > 1e-3 * size:
        return (
            f"f has a kink here: slope {sides[1]:.4g} on the left, {sides[0]:.4g} on the right "
            "(docs/conventions.md says which value is used); move the argument off it"
        )
    return None


def _one_sided(flat: Flat, run: Run, site: Site, step: float) -> float:
    unit = _unit(flat, site)
    with onp.errstate(all="ignore"):
        here = run(flat.leaves)
        there = run([moved(x, step, v) for x, v in zip(flat.leaves, unit, strict=True)])
    return float((there[0] - here[0]) / step)
