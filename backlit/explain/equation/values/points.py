"""A random point of a program: values in double precision, derivatives by the engine's sweeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as onp

import backlit.numpy as engine
from backlit.core.tracer import Tracer
from backlit.explain.equation.tree import Node
from backlit.explain.equation.values.arithmetic import Array, Engine, Floats
from backlit.explain.equation.values.draws import Values
from backlit.explain.equation.values.evaluate import Layout
from backlit.explain.equation.values.scopes import Functions, Offsets, Place, Scope
from backlit.ops.sweep import Recorded

if TYPE_CHECKING:
    from backlit.explain.equation.values.program import Program


# A variable that needs less than one of so many is computed apart from the others.
_LITTLE = 10


class _Sweeps:
    """One traced run of a program, to be swept backwards from any of its results.

    Parameters
    ----------
    scope : Scope
        Around this run: its values of the leaves and its offsets, which may be traced themselves.
    wrt : sequence of str
    result : callable
        ``result(scope)``: what of the traced run to keep.
    """

    def __init__(self, scope: Scope, wrt: Sequence[str], result: Callable[[Scope], Any]) -> None:
        self.wrt = tuple(wrt)
        self.shapes = [scope.program.shape(symbol) for symbol in wrt]

        def run(*inputs: Array) -> Any:
            leaves, offsets = dict(scope.leaves), dict(scope.offsets)
            for symbol, x in zip(wrt, inputs, strict=True):
                offsets[symbol] = (*offsets.get(symbol, ()), x)
            return result(_Traced(scope.program, leaves, scope.functions, offsets))

        self._recorded = Recorded(run, [onp.zeros(shape) for shape in self.shapes])
        self.result = self._recorded.out

    def sweep(self, result: Array, place: Place) -> list[Array]:
        """Return the derivatives of one element of a result, or of the sum of all."""
        seed = onp.full(result.shape, 1.0 if place is None else 0.0)
        if place is not None:
            seed.flat[place] = 1.0
        return self.pull(result, seed)

    def pull(self, result: Array, seed: Values) -> list[Array]:
        """Return the derivatives of the sum of a result's elements times those of `seed`."""
        if type(result) is not Tracer or not self._recorded.tape.owns(result):
            return [onp.zeros(shape) for shape in self.shapes]
        with onp.errstate(all="ignore"):
            found = self._recorded.sweep([(result.id, seed)])
        zipped = zip(found, self.shapes, strict=True)
        return [onp.zeros(shape) if part is None else part for part, shape in zipped]


class _Differentiated(Scope):
    """A scope whose derivatives are the engine's."""

    def rows(self, target: str, wrt: str, places: Sequence[Place]) -> Array:
        """Return derivatives of elements of a variable."""
        sweeps = _Sweeps(self, (wrt,), lambda scope: scope.value(target))
        return engine.stack([sweeps.sweep(sweeps.result, k)[0] for k in places])

    def second_rows(
        self, target: str, place: Place, wrt: str, second: str, places: Sequence[Place]
    ) -> Array:
        """Return derivatives, with respect to `second`, of elements of one row."""
        sweeps = _Sweeps(self, (second,), lambda scope: scope.rows(target, wrt, (place,))[0])
        return engine.stack([sweeps.sweep(sweeps.result, k)[0] for k in places])


class _Traced(_Differentiated):
    """Values under differentiation: what is evaluated here is recorded by the engine."""

    def __init__(
        self,
        program: Program,
        leaves: Mapping[str, Array],
        functions: Functions,
        offsets: Offsets,
    ) -> None:
        super().__init__(program, Engine(), leaves, functions, offsets)


class Point(_Differentiated):
    """Values and derivatives of a program's variables at one random point, each computed once.

    Made by `Program.draw`.
    """

    def __init__(
        self,
        program: Program,
        leaves: Mapping[str, Values],
        functions: Functions,
        arithmetic: Floats,
    ) -> None:
        super().__init__(program, arithmetic, leaves, functions)
        self._runs: dict[str, _Sweeps] = {}
        self._found: dict[tuple[str, Place], dict[str, Array]] = {}

    def value(self, symbol: str) -> Array:
        """Return the value of a variable; what has none as a real number is NaN."""
        with onp.errstate(all="ignore"):
            return super().value(symbol)

    def evaluate(self, node: Node, layout: Layout = "elementwise") -> Array:
        """Return the value of an expression; what has none as a real number is NaN."""
        with onp.errstate(all="ignore"):
            return super().evaluate(node, layout)

    def diagonal(self, target: str, wrt: str) -> bool:
        """Tell whether each element of a variable depends on that at its place in another only."""
        return self.program.diagonal_at(self, target, wrt)

    def rows(self, target: str, wrt: str, places: Sequence[Place]) -> Array:
        """Return derivatives of elements of a variable."""
        return onp.stack([self._row(target, k, wrt) for k in places])

    def pulled(self, target: str, wrt: str, cotangent: Values) -> Values:
        """Return the derivative of the sum of a variable's elements times those of `cotangent`.

        Parameters
        ----------
        target, wrt : str
        cotangent : array of float, in the shape of the target

        Returns
        -------
        array of float, in the shape of wrt
        """
        run = self._run(target)
        found = run.pull(run.result[target], cotangent)
        zero = onp.zeros(self.program.shape(wrt))
        return onp.asarray(dict(zip(run.wrt, found, strict=True)).get(wrt, zero))

    def _row(self, target: str, place: Place, wrt: str) -> Array:
        """Return the derivative of one element: one sweep serves every variable."""
        key = (target, place)
        if key not in self._found:
            run = self._run(target)
            found = run.sweep(run.result[target], place)
            self._found[key] = dict(zip(run.wrt, found, strict=True))
        if wrt not in self._found[key]:
            return onp.zeros(self.program.shape(wrt))
        return self._found[key][wrt]

    def _run(self, target: str) -> _Sweeps:
        """Return a traced run that computes a variable.

        One run serves all variables. Those that are made of derivatives have runs of their own,
        since they differentiate while they are traced, and those that need little of a long
        program.
        """
        plain, own = self.program.plain, (*self.program.ancestors(target), target)
        shared = target in self.program.plainly and _LITTLE * len(own) > len(plain)
        key = "" if shared else target
        if key not in self._runs:
            kept, wrt = (plain, plain) if shared else ((target,), own)
            with onp.errstate(all="ignore"):
                self._runs[key] = _Sweeps(
                    self, wrt, lambda scope: {s: scope.value(s) for s in kept}
                )
        return self._runs[key]
