"""Finding the first operation of a step that turned finite numbers into something else.

The step is run once more as a graph with its values, and the graph is walked from the result that
went wrong back along operands that are wrong as well. Only what the result really depends on is
blamed: a branch that ``where`` did not take may hold anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as onp

from backlit.core import tree
from backlit.core.evaluate import values
from backlit.core.graph import Atom, Equation, Graph, Literal, Var
from backlit.core.source import Source
from backlit.train.inputs import Array
from backlit.transforms import trace, value_and_grad


@dataclass(frozen=True)
class Operand:
    """A value an operation read or made.

    Attributes
    ----------
    name : str
        The user's name for it, a parameter's path, or what made it.
    kind : str
        Type and shape, ``float32[32,10]``.
    low, high : float
        Smallest and largest finite element; NaN if there is none.
    wrong, size : int
        How many elements are not finite, out of how many.
    """

    name: str
    kind: str
    low: float
    high: float
    wrong: int
    size: int

    def __str__(self) -> str:
        what = f"{self.name}: {self.kind}"
        if self.wrong == self.size:
            return f"{what}, nothing finite" if self.size > 1 else f"{what}, not finite"
        if self.size == 1:
            return f"{what} = {self.low:.6g}"
        what += f" from {self.low:.6g} to {self.high:.6g}"
        return what + (f", {self.wrong} of {self.size} not finite" if self.wrong else "")


@dataclass(frozen=True)
class Operation:
    """The operation that made the first number that is not finite.

    Attributes
    ----------
    primitive : str
        Name of the forward operation: ``"log"``.
    direction : {"forward", "backward"}
        Whether it went wrong on the way to the loss, or its derivative on the way back.
    operands : tuple of Operand
        What it read; of a derivative, what the failing part of it read.
    result : Operand
    layer : str
        Path of the module whose parameters it uses or comes after; "" if there is none.
    inside : bool
        Whether it reads a parameter of that module itself.
    source : Source or None
        The line it was written on.
    """

    primitive: str
    direction: str
    operands: tuple[Operand, ...]
    result: Operand
    layer: str
    inside: bool
    source: Source | None

    def __str__(self) -> str:
        what = self.primitive
        if self.direction == "backward":
            what = f"the derivative of {what}"
        where = f", {'in' if self.inside else 'after'} {self.layer}" if self.layer else ""
        lines = [f"  first wrong operation: {what}, on the way {self.direction}{where}"]
        lines += [f"    reads {operand}" for operand in self.operands]
        lines.append(f"    makes {self.result}")
        return "\n".join(lines)

    @property
    def fix(self) -> str:
        """Advice for this operation."""
        for names, advice in _ADVICE:
            if self.primitive in names:
                return advice
        return SLOWER


SLOWER = (
    "lower the learning rate, clip the gradient (optim.chain(optim.clip_by_global_norm(1.0), …)), "
    "or scale the inputs"
)
_ADVICE: tuple[tuple[frozenset[str], str], ...] = (
    (
        frozenset(("log", "log2", "log10", "log1p")),
        "a logarithm needs numbers above 0: take the loss from logits (nn.cross_entropy, "
        "nn.binary_cross_entropy), or np.log(np.maximum(p, 1e-12))",
    ),
    (
        frozenset(("exp", "exp2", "expm1", "sinh", "cosh")),
        "exponentials overflow beyond 88 in float32 and 709 in float64: use np.softmax, "
        "np.log_softmax, np.logsumexp or np.softplus, which do not, or scale the inputs",
    ),
    (
        frozenset(("divide", "reciprocal")),
        "keep the denominator away from 0, for instance by adding a small number to it",
    ),
    (
        frozenset(("sqrt", "power", "cbrt")),
        "roots have an infinite slope at 0 and no value below it: np.sqrt(x + 1e-12)",
    ),
)


def find_operation(
    loss: Callable[[Any], Any], model: Any, batch: Sequence[tuple[str, Any]]
) -> Operation | str | None:
    """Run a step again and find what went wrong in it.

    Parameters
    ----------
    loss : callable
        ``loss(model) -> scalar`` for the batch of the step.
    model : tree of arrays
        Before the step.
    batch : sequence of (str, array)
        Names of arrays the loss reads besides the model.

    Returns
    -------
    Operation, str or None
        The path of a parameter if that was not finite to begin with; None if nothing is wrong.

    Examples
    --------
    >>> import backlit.numpy as np
    >>> with onp.errstate(all="ignore"):
    ...     found = find_operation(lambda w: np.sum(np.log(w)), onp.array([1.0, 0.0]), [])
    >>> found.primitive, found.operands[0].low
    ('log', 0.0)
    """
    leaves, _ = tree.flatten(model)

    def step(model: Any) -> Any:
        return value_and_grad(loss)(model)

    with onp.errstate(all="ignore"):
        graph = trace(step)(model)
        known = values(graph, leaves)
    search = _Search(graph, known, batch)
    for atom in graph.outputs:  # the loss first, then the gradients
        if isinstance(atom, Var) and _wrong(known[atom]):
            return search.blame(atom)
    return None


class _Search:
    """A walk back from a wrong value over wrong operands."""

    def __init__(
        self, graph: Graph, known: dict[Var, Any], batch: Sequence[tuple[str, Any]]
    ) -> None:
        self.graph = graph
        self.known = known
        self.batch = batch
        self.maker = {var: k for k, e in enumerate(graph.equations) for var in e.outputs}
        self.paths = {var: _without_argument(var.name or "") for var in graph.inputs}

    def value(self, atom: Atom) -> Any:
        return atom.value if isinstance(atom, Literal) else self.known[atom]

    def blame(self, wrong: Var) -> Operation | str:
        """Return the earliest cause of a wrong value."""
        causes: list[int] = []
        queue, seen = [wrong], {wrong}
        while queue:
            var = queue.pop()
            if var not in self.maker:
                return self.paths[var]
            k = self.maker[var]
            atoms = self._guilty(self.graph.equations[k], var)
            if not any(isinstance(atom, Var) for atom in atoms):
                causes.append(k)
            for atom in atoms:
                if isinstance(atom, Var) and atom not in seen:
                    seen.add(atom)
                    queue.append(atom)
        return self._describe(min(causes))

    def _guilty(self, equation: Equation, result: Var) -> list[Atom]:
        """Return the operands that made the result wrong by being wrong themselves."""
        wrong = [atom for atom in equation.inputs if _wrong(self.value(atom))]
        if equation.primitive.name != "where":
            return wrong
        spoilt = ~onp.isfinite(self.known[result])
        chosen, first, second = equation.inputs
        taken = onp.broadcast_to(onp.asarray(self.value(chosen), bool), spoilt.shape)
        parts = ((first, taken), (second, ~taken))
        return [atom for atom, mask in parts if atom in wrong and bool((spoilt & mask).any())]

    def _describe(self, k: int) -> Operation:
        equation = self.graph.equations[k]
        origin, forward = equation.provenance, equation
        if origin is not None and origin.equation >= 0:
            forward = self.graph.equations[origin.equation]
        name = equation.primitive.name if origin is None else origin.primitive
        result = next(var for var in equation.outputs if _wrong(self.known[var]))
        layer, inside = self._layer(forward)
        return Operation(
            primitive=name,
            direction="forward" if origin is None else "backward",
            operands=tuple([_measured(self._name(a), self.value(a)) for a in equation.inputs]),
            result=_measured(self._name(result), self.known[result]),
            layer=layer,
            inside=inside,
            source=equation.source,
        )

    def _layer(self, start: Equation) -> tuple[str, bool]:
        """Return the module of the nearest parameters before an equation."""
        level, seen, inside = [start], set[int](), True
        while level:
            found = [self.paths[a] for e in level for a in e.inputs if a in self.paths]
            if found:
                return found[-1].rpartition(".")[0], inside
            inside = False
            before = {
                self.maker[a]
                for e in level
                for a in e.inputs
                if isinstance(a, Var) and self.maker[a] not in seen
            }
            seen |= before
            level = [self.graph.equations[k] for k in sorted(before)]
        return "", False

    def _name(self, atom: Atom) -> str:
        """Return what a reader would call a value."""
        if isinstance(atom, Literal):
            for name, array in self.batch:
                if isinstance(atom.value, onp.ndarray) and onp.may_share_memory(atom.value, array):
                    return name
            return "a constant"
        if atom in self.paths:
            return self.paths[atom]
        equation = self.graph.equations[self.maker[atom]]
        if equation.provenance is not None:
            return f"a {'gradient' if equation.provenance.role != 'local' else 'local derivative'}"
        return self.graph.assigned().get(atom) or f"the result of {equation.primitive.name}"


def _without_argument(name: str) -> str:
    """Return a parameter's path without the name of the argument it came in."""
    return name.partition(".")[2] or name


def _wrong(value: Any) -> bool:
    array = onp.asarray(value)
    return array.dtype.kind == "f" and not bool(onp.isfinite(array).all())


def _measured(name: str, value: Any) -> Operand:
    array: Array = onp.asarray(value)
    kind = f"{array.dtype}[{','.join(map(str, array.shape))}]"
    good = array[onp.isfinite(array)] if array.dtype.kind == "f" else array.ravel()
    low, high = (float(good.min()), float(good.max())) if good.size else (math.nan, math.nan)
    return Operand(name, kind, low, high, array.size - good.size, array.size)
