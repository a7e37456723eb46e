"""Narrower ranges for variables where a definition is not finite: under a logarithm, a root."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from backlit.explain.equation.tree import Call, Name, Node, Power
from backlit.explain.equation.values.draws import RANGES, Random

if TYPE_CHECKING:
    from backlit.explain.equation.values.program import Program

_LIMITED = frozenset(
    "log ln log2 log10 log1p sqrt arcsin arccos asin acos arccosh acosh arctanh atanh gamma "
    "loggamma lgamma gammaln digamma trigamma".split()
)


def narrowed(program: Program, symbol: str, time: int, rng: Random) -> dict[str, str]:
    """Return narrower ranges for what a definition uses, other ones each time.

    Parameters
    ----------
    program : Program
    symbol : str
        What is not finite.
    time : int
        How often this was asked for it, from 1.
    rng : Generator

    Returns
    -------
    dict of str to str
        Keys of `RANGES` by variable.
    """
    found = _leaves_of(program, _limited(program.definitions[symbol]))
    if not found or time > len(RANGES):
        found = _leaves_of(program, [symbol])
    names = list(RANGES)
    ranges = {}
    for leaf in found:
        if not program.leaves[leaf].properties:
            mixed = time > 2 * len(names)
            k = int(rng.integers(len(names))) if mixed else (time - 1) % len(names)
            ranges[leaf] = names[k]
    return ranges


def _leaves_of(program: Program, symbols: Iterable[str]) -> list[str]:
    above = {s for symbol in symbols for s in (symbol, *program.ancestors(symbol))}
    return [leaf for leaf in program.leaves if leaf in above]


def _limited(node: Node) -> list[str]:
    """Return the names that stand where not every number may."""
    parts: list[Node] = []
    for part in node.walk():
        if isinstance(part, Call) and part.function.name in _LIMITED:
            parts.extend(part.args)
        elif isinstance(part, Power):
            parts.append(part.base)
    return [name.base for part in parts for name in part.walk() if isinstance(name, Name)]
