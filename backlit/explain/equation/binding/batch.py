"""Examples: which axis counts them, and which derivatives may stand for one of them.

In the notes of many courses dZ of a loss averaged over m examples is the derivative for each
example by itself, m · ∂J/∂Z, and the 1/m stands in dW; in others it stands in dZ. Both are right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from backlit.explain.equation.binding.names import key_and_form, stem
from backlit.explain.equation.tree import Binary, Call, Name, Node, Number
from backlit.explain.equation.values.functions import ALIASES
from backlit.explain.equation.values.program import Program

# What the number of examples is usually called, and what has one part for each.
COUNTS = ("m", "N", "M", "B", "n")
DATA = frozenset(["X", "x", "Y", "y", "T", "t"])
Find = Callable[[int], int]


def examples_axis(
    spelled: Mapping[str, Name],
    shapes: Mapping[str, tuple[int, ...] | None],
    leaves: Iterable[str],
    find: Find,
    named: Mapping[str, int],
) -> int | None:
    """Return the dimension that counts examples, or None where none or several may.

    Parameters
    ----------
    spelled : mapping of str to Name
        How variables are written.
    shapes : mapping of str to shape or None
    leaves : iterable of str
        Variables that nothing defines.
    find : callable
        Looks a dimension up.
    named : mapping of str to int
        Numbers of the dimensions with a name.

    Returns
    -------
    int or None
        One that inputs and targets have and no weight has.
    """
    for name in COUNTS[:-1]:
        if name in named:
            return named[name]
    data: set[int] = set()
    weights: set[int] = set()
    for symbol in leaves:
        shape = shapes.get(symbol)
        if shape:
            dims = {find(dim) for dim in shape} - {1}
            (data if is_data(spelled[symbol]) else weights).update(dims)
    found = data - weights
    return found.pop() if len(found) == 1 else None


def is_data(name: Name) -> bool:
    """Tell whether a name is usually an input or a target.

    Parameters
    ----------
    name : Name

    Returns
    -------
    bool

    Examples
    --------
    >>> is_data(Name("X")), is_data(Name("A", layer=Number(Fraction(0)))), is_data(Name("W1"))
    (True, True, False)
    """
    key, _ = key_and_form(name)
    return stem(name.base) in DATA or key in (("A", "0"), ("a", "0"))


@dataclass(frozen=True)
class Examples:
    """What is per example in one network.

    Attributes
    ----------
    factor : Node
        The number of examples.
    symbols : frozenset of str
        Variables with one part for each example.
    """

    factor: Node
    symbols: frozenset[str]


def examples(
    program: Program,
    target: str,
    *,
    axis: int | None,
    numbered: frozenset[str],
    numbered_count: int | None,
    counts: frozenset[str],
    written: int | None,
    lengths_of_axis: frozenset[str],
) -> Examples | None:
    """Tell what is per example of a loss, or None where it is no average over examples.

    Parameters
    ----------
    program : Program
    target : str
        The loss.
    axis : int or None
        The length of the axis that counts examples.
    numbered : frozenset of str
        Variables written once for each example, a^{(i)}.
    numbered_count : int or None
        How many examples those are.
    counts : frozenset of str
        Variables that are the number of examples, where there is no axis.
    written : int or None
        The number of examples that the notes write: m = 3.
    lengths_of_axis : frozenset of str
        Variables that are defined as the length of the axis: m = X.shape[1].

    Returns
    -------
    Examples or None
    """
    chain = {target, *program.ancestors(target)}
    nodes = [node for symbol, node in program.definitions.items() if symbol in chain]
    shapes = program.shapes
    if numbered & chain and numbered_count is not None:
        if _divides(nodes, Number(Fraction(numbered_count))):
            return Examples(Number(Fraction(numbered_count)), numbered)
    if axis is not None:
        lengths = [Number(Fraction(axis)), *(Name(s) for s in sorted(lengths_of_axis))]
        if any(_divides(nodes, n) for n in lengths) or any(map(_averages, nodes)):
            own = frozenset(s for s, shape in shapes.items() if axis in shape)
            return Examples(Number(Fraction(axis)), own)
    inner = frozenset(s for s in program.definitions if s != target)
    for symbol in sorted(counts & chain):
        if _divides(nodes, Name(symbol)):
            return Examples(Name(symbol), inner)
    if written is not None and _divides(nodes, Number(Fraction(written))):
        return Examples(Number(Fraction(written)), inner)
    return None


def _averages(node: Node) -> bool:
    return any(
        isinstance(part, Call) and ALIASES.get(part.function.name, part.function.name) == "mean"
        for part in node.walk()
    )


def _divides(nodes: Iterable[Node], count: Node) -> bool:
    """Tell whether something is divided by a number: 1/m, or by a multiple of it, 1/(2m)."""
    return any(
        isinstance(part, Binary) and part.op == "/" and _is_multiple(part.right, count)
        for node in nodes
        for part in node.walk()
    )


def _is_multiple(node: Node, count: Node) -> bool:
    if isinstance(node, Binary) and node.op in (" ", ".", "*"):
        return _is_multiple(node.left, count) or _is_multiple(node.right, count)
    return node == count
