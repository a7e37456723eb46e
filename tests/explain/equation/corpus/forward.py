"""Forward passes written by hand, and their derivatives by differences.

Nothing here knows the checker: a forward pass is a Python function in plain NumPy that names what
it computes, and a derivative is what happens when the value of a name is moved a little. The labels
of the corpus and of its mutants rest on this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = Any
_STEP = 1e-4
_WEIGHTS = ((1, 8 / 12), (-1, -8 / 12), (2, -1 / 12), (-2, 1 / 12))


class Run:
    """The values of one forward pass; what is set is moved first where somebody asks for it."""

    def __init__(self, given: Mapping[str, Array], moved: Mapping[str, Array]) -> None:
        self.__dict__["_values"] = {}
        self.__dict__["_moved"] = moved
        for name, value in given.items():
            self[name] = value

    def __setitem__(self, name: str, value: Array) -> None:
        self._values[name] = np.asarray(value, float) + self._moved.get(name, 0.0)

    def __getitem__(self, name: str) -> Array:
        return self._values[name]

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    __setattr__ = __setitem__
    __getattr__ = __getitem__


@dataclass(frozen=True)
class Given:
    """What a value that is not computed is drawn from."""

    draw: Callable[[np.random.Generator], Array]
    is_number: bool = False


def positive(*shape: int) -> Given:
    return Given(lambda rng: rng.uniform(0.5, 2, shape))


def unit(*shape: int) -> Given:
    return Given(lambda rng: rng.uniform(0.15, 0.85, shape))


def number(value: int) -> Given:
    return Given(lambda rng: float(value), is_number=True)


def symmetric(n: int) -> Given:
    def draw(rng: np.random.Generator) -> Array:
        matrix = rng.normal(size=(n, n))
        return matrix + matrix.T

    return Given(draw)


def definite(n: int, symmetric: bool = True) -> Given:
    """Return a matrix whose determinant is positive."""

    def draw(rng: np.random.Generator) -> Array:
        matrix = rng.normal(size=(n, n))
        skew = 0 if symmetric else matrix - matrix.T
        return matrix @ matrix.T + np.identity(n) + 0.3 * skew

    return Given(draw)


def one_hot(*shape: int, axis: int = 0) -> Given:
    def draw(rng: np.random.Generator) -> Array:
        order = rng.normal(size=shape)
        return (order == order.max(axis=axis, keepdims=True)).astype(float)

    return Given(draw)


def drawn(name: str, count: int, given: Any) -> dict[str, Any]:
    """Return ``name1``, ``name2``, … for examples or steps with a name each."""
    return {f"{name}{i}": given for i in range(1, count + 1)}


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def relu(z: Array) -> Array:
    return np.where(z > 0, z, 0.0)


def softmax(z: Array, axis: int = -1) -> Array:
    powers = np.exp(z)
    return powers / np.sum(powers, axis=axis, keepdims=True)


@dataclass(frozen=True)
class Network:
    """One forward pass.

    Attributes
    ----------
    forward : callable
        ``forward(run)`` computes from what is given, in order.
    given : dict of str to Given
    ranges : dict of str to int
        How far running letters go, from 1.
    functions : dict of str to callable
        Functions of the notes: ``f(run, x)``.
    examples : set of str
        What there is once per example, so that its bare derivative may be of the loss of one.
    per_example : bool
        Whether it is; otherwise it is of the average.
    count : str
        The number of examples.
    """

    forward: Callable[[Run], None]
    given: Mapping[str, Given]
    ranges: Mapping[str, int] = field(default_factory=dict)
    functions: Mapping[str, Callable[[Run, Array], Array]] = field(default_factory=dict)
    examples: frozenset[str] = frozenset()
    per_example: bool = False
    count: str = "m"

    def run(self, given: Mapping[str, Array], moved: Mapping[str, Array]) -> Run:
        run = Run(given, moved)
        self.forward(run)
        return run


NETWORKS: dict[str, Network] = {}


def network(
    title: str,
    *,
    ranges: Mapping[str, int] | None = None,
    functions: Mapping[str, Callable[[Run, Array], Array]] | None = None,
    per_example: str = "",
    averaged: str = "",
    count: str = "m",
    **given: Given | int | tuple[int, ...],
) -> Callable[[Callable[[Run], None]], Callable[[Run], None]]:
    """Register a forward pass for the sheet of this title; a shape is filled with normal numbers.

    Notes that average over examples say what there is once per example, under the convention that
    their bare derivatives are in.
    """

    def register(forward: Callable[[Run], None]) -> Callable[[Run], None]:
        assert title not in NETWORKS
        NETWORKS[title] = Network(
            forward,
            {name: _given(what) for name, what in given.items()},
            ranges or {},
            functions or {},
            frozenset((per_example or averaged).split()),
            bool(per_example),
            count,
        )
        return forward

    return register


def _given(what: Given | int | tuple[int, ...]) -> Given:
    if isinstance(what, Given):
        return what
    return Given(lambda rng: 0.8 * rng.normal(size=what))


class Point:
    """A network at values drawn at random."""

    def __init__(self, network: Network, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.network = network
        self.given = {name: what.draw(rng) for name, what in network.given.items()}
        self.run = network.run(self.given, {})
        self.numbers = {
            name: int(self.given[name]) for name, what in network.given.items() if what.is_number
        }
        self.scalars = [name for name in self.run if name not in self.given]
        self.scalars = [name for name in self.scalars if not self.run[name].shape]
        self._jacobians: dict[str, dict[str, Array]] = {}

    @property
    def loss(self) -> str:
        """The last number that is computed."""
        return self.scalars[-1]

    def derivative(self, target: str, wrt: str) -> Array:
        """Return ∂target/∂wrt, of the shape of the one followed by that of the other.

        Everything downstream of `wrt` follows when it moves, everything upstream is held.
        """
        if wrt not in self._jacobians:
            names = [name for name in self.run if name not in self.numbers]
            slopes = differences(
                lambda moved: [self.network.run(self.given, {wrt: moved})[n] for n in names],
                self.run[wrt].shape,
            )
            self._jacobians[wrt] = dict(zip(names, slopes, strict=True))
        return self._jacobians[wrt][target]

    def moved(self, moved: Mapping[str, Array]) -> Run:
        return self.network.run(self.given, moved)


def differences(
    f: Callable[[Array], list[Array]], shape: tuple[int, ...], step: float = _STEP
) -> list[Array]:
    """Return how the arrays that f returns change with each entry of its argument, at 0."""
    columns = []
    for place in np.ndindex(shape):
        total: list[Array] | None = None
        for steps, weight in _WEIGHTS:
            moved = np.zeros(shape)
            moved[place] = steps * step
            found = [weight / step * value for value in f(moved)]
            total = found if total is None else [a + b for a, b in zip(total, found, strict=True)]
        assert total is not None
        columns.append(total)
    return [
        np.stack(entries, axis=-1).reshape((*np.shape(entries[0]), *shape))
        for entries in zip(*columns, strict=True)
    ]
