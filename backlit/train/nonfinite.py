"""Finding the first operation of a step that turned finite numbers into something else.

The step is run once more as a graph with its values, and the graph is walked from the result that
went wrong back along operands that are wrong as well. Only what the result really depends on is
blamed: a branch that ``where`` did not take may hold anything. The batch is traced like the model:
what is computed from the data alone would otherwise run without leaving a record.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as onp

from backlit.core import graph as ir
from backlit.core import tree
from backlit.core.evaluate import evaluate, values
from backlit.core.graph import Atom, Equation, Graph, Var
from backlit.core.inlining import without_calls
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


Origin = Literal["model", "data", "constant"]


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
    origin : {"model", "data", "constant"}
        What the wrong number is made of: something that depends on parameters, the batch alone,
        or a constant that was not finite already.
    source : Source or None
        The line it was written on.
    """

    primitive: str
    direction: str
    operands: tuple[Operand, ...]
    result: Operand
    layer: str
    inside: bool
    origin: Origin
    source: Source | None

    def __str__(self) -> str:
        what = self.primitive
        if self.direction == "backward":
            what = f"the derivative of {what}"
        where = f", {'in' if self.inside else 'after'} {self.layer}" if self.layer else ""
        where += ", from the data alone" if self.origin == "data" else ""
        lines = [f"  first wrong operation: {what}, on the way {self.direction}{where}"]
        lines += [f"    reads {operand}" for operand in self.operands]
        lines.append(f"    makes {self.result}")
        return "\n".join(lines)

    @property
    def fix(self) -> str:
        """Advice for this operation."""
        if self.origin == "constant":
            return (
                "a number the loss brings along is not finite before it meets the model: look at "
                "how it is computed. Made of x and y, without numpy.asarray, it would be traced"
            )
        found = next((a for a in _ADVICE if self.primitive in a.names), _OTHERS)
        if self.origin == "data":
            return f"no parameter has a part in this, nor has the learning rate: {found.data}"
        return found.model


class _Advice(NamedTuple):
    """What helps against an operation that depends on the model, or on the data alone."""

    names: frozenset[str]
    model: str
    data: str


SLOWER = (
    "lower the learning rate, clip the gradient (optim.chain(optim.clip_by_global_norm(1.0), …)), "
    "or scale the inputs"
)
_OTHERS = _Advice(
    frozenset(), SLOWER, "correct or leave out the rows with such numbers, or scale the data"
)
_ADVICE = (
    _Advice(
        frozenset(("log", "log2", "log10", "log1p")),
        "a logarithm needs numbers above 0: take the loss from logits (nn.cross_entropy, "
        "nn.binary_cross_entropy), or np.log(np.maximum(p, 1e-12))",
        "a logarithm needs numbers above 0; correct or leave out the rows with others, or "
        "np.log(np.maximum(x, 1e-12))",
    ),
    _Advice(
        frozenset(("exp", "exp2", "expm1", "sinh", "cosh")),
        "exponentials overflow beyond 88 in float32 and 709 in float64: use np.softmax, "
        "np.log_softmax, np.logsumexp or np.softplus, which do not, or scale the inputs",
        "exponentials overflow beyond 88 in float32 and 709 in float64; scale the data",
    ),
    _Advice(
        frozenset(("divide", "reciprocal")),
        "keep the denominator away from 0, for instance by adding a small number to it",
        "correct or leave out the rows whose denominator is 0, or add a small number to it",
    ),
    _Advice(
        frozenset(("sqrt", "cbrt")),
        "roots have an infinite slope at 0 and no value below it: np.sqrt(x + 1e-12)",
        "roots have no value below 0; correct or leave out the rows that lead there, or "
        "np.sqrt(np.maximum(x, 0.0))",
    ),
    _Advice(
        frozenset(("power",)),
        "roots have an infinite slope at 0 and no value below it: np.sqrt(x + 1e-12)",
        "powers with a fraction need numbers from 0 on, and negative ones numbers other than 0; "
        "correct or leave out the rows with others",
    ),
)


def find_operation(
    loss: Callable[..., Any], model: Any, batch: Sequence[tuple[str, Any]]
) -> Operation | str | None:
    """Run a step again and find what went wrong in it.

    Parameters
    ----------
    loss : callable
        ``loss(model, *arrays) -> scalar``, the arrays being those of the batch of the step.
    model : tree of arrays
        Before the step.
    batch : sequence of (str, array)
        Names of these arrays, and the arrays.

    Returns
    -------
    Operation, str or None
        The path of a parameter, or the name of an array, if that was not finite to begin with;
        None if nothing is wrong.

    Examples
    --------
    >>> import backlit.numpy as np
    >>> with onp.errstate(all="ignore"):
    ...     found = find_operation(lambda w: np.sum(np.log(w)), onp.array([1.0, 0.0]), [])
    >>> found.primitive, found.operands[0].low
    ('log', 0.0)
    """
    every = tuple(range(len(batch)))
    floats = tuple([k for k in every if onp.asarray(batch[k][1]).dtype.kind == "f"])
    # A loss may do with its data what NumPy alone can: then they are left as they are.
    for places in dict.fromkeys((every, floats)):
        try:
            found = _find(loss, model, batch, places)
        except Exception:  # noqa: S112
            continue
        if found is not None:
            return found
    return _find(loss, model, batch, ())


def _find(
    loss: Callable[..., Any],
    model: Any,
    batch: Sequence[tuple[str, Any]],
    places: Sequence[int],
) -> Operation | str | None:
    """Find what went wrong by tracing the model and some arrays of the batch."""
    leaves, _ = tree.flatten(model)
    arrays = [array for _, array in batch]

    def given(traced: Sequence[Any]) -> list[Any]:
        known = dict(zip(places, traced, strict=True))
        return [known.get(k, array) for k, array in enumerate(arrays)]

    chosen = [arrays[k] for k in places]
    with onp.errstate(all="ignore"):
        graph = trace(lambda m, *traced: value_and_grad(loss)(m, *given(traced)))(model, *chosen)
        names = [_without_argument(var.name or "") for var in graph.inputs]
        if any(e.primitive.name == "call" for e in graph.equations):
            forward = trace(lambda m, *traced: loss(m, *given(traced)))(model, *chosen)
            graph = _differentiated(without_calls(forward), leaves, chosen)
        known = values(graph, [*leaves, *chosen])
    names[len(leaves) :] = [batch[k][0] for k in places]
    search = _Search(graph, known, batch, names[: len(leaves)], names[len(leaves) :])
    for atom in graph.outputs:  # the loss first, then the gradients
        if isinstance(atom, Var) and _wrong(known[atom]):
            return search.blame(atom)
    return None


def _differentiated(forward: Graph, leaves: Sequence[Any], chosen: Sequence[Any]) -> Graph:
    """Return a graph of a loss and its gradient, whose operations have the lines of the loss.

    The derivative of a compiled function does not know the lines of the function.
    """

    def step(leaves: Sequence[Any], *traced: Any) -> Any:
        return value_and_grad(lambda leaves: evaluate(forward, [*leaves, *traced])[0])(leaves)

    graph = trace(step)(list(leaves), *chosen)
    again = [k for k, e in enumerate(graph.equations) if e.provenance is None]
    if len(again) != len(forward.equations):
        return graph
    equations = list(graph.equations)
    for k, equation in zip(again, forward.equations, strict=True):
        equations[k] = replace(equations[k], source=equation.source)
    for k, equation in enumerate(equations):
        origin = equation.provenance
        if origin is not None and origin.equation >= 0:
            equations[k] = replace(equation, source=equations[origin.equation].source)
    return replace(graph, equations=tuple(equations))


class _Search:
    """A walk back from a wrong value over wrong operands.

    The inputs of the graph are parameters and then arrays of the batch, with these names.
    """

    def __init__(
        self,
        graph: Graph,
        known: dict[Var, Any],
        batch: Sequence[tuple[str, Any]],
        paths: Sequence[str],
        names: Sequence[str],
    ) -> None:
        self.graph = graph
        self.known = known
        self.batch = batch
        self.maker = {var: k for k, e in enumerate(graph.equations) for var in e.outputs}
        self.paths = dict(zip(graph.inputs, paths, strict=False))
        self.data = dict(zip(graph.inputs[len(paths) :], names, strict=True))
        self.moving = set(self.paths)  # what depends on parameters
        for equation in graph.equations:
            if not self.moving.isdisjoint(equation.inputs):
                self.moving.update(equation.outputs)

    def value(self, atom: Atom) -> Any:
        return atom.value if isinstance(atom, ir.Literal) else self.known[atom]

    def blame(self, wrong: Var) -> Operation | str:
        """Return the earliest cause of a wrong value."""
        causes: list[int] = []
        queue, seen = [wrong], {wrong}
        while queue:
            var = queue.pop()
            if var not in self.maker:
                return self._name(var)
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
            origin=self._origin(equation),
            source=equation.source,
        )

    def _origin(self, equation: Equation) -> Origin:
        """Return what an operation makes its wrong numbers of; the values it reads are fine."""
        if any(_wrong(a.value) for a in equation.inputs if isinstance(a, ir.Literal)):
            return "constant"
        return "data" if self.moving.isdisjoint(equation.inputs) else "model"

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
                if isinstance(a, Var) and a in self.maker and self.maker[a] not in seen
            }
            seen |= before
            level = [self.graph.equations[k] for k in sorted(before)]
        return "", False

    def _name(self, atom: Atom) -> str:
        """Return what a reader would call a value."""
        if isinstance(atom, ir.Literal):
            for name, array in self.batch:
                if isinstance(atom.value, onp.ndarray) and onp.may_share_memory(atom.value, array):
                    return name
            return "a constant"
        if atom in self.paths or atom in self.data:
            return self.paths.get(atom) or self.data[atom]
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
