"""A random point of a program: values in double precision, derivatives by the engine's sweeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as onp

import backlit.numpy as engine
from backlit.core.tracer import Tracer
from backlit.explain.equation.arithmetic import Array, Engine, Floats
from backlit.explain.equation.draws import Values
from backlit.explain.equation.scopes import Functions, Offsets, Place, Scope
from backlit.ops.sweep import Recorded

if TYPE_CHECKING:
    from backlit.explain.equation.program import Program


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
        self.shapes = [scope.program.shapes[symbol] for symbol in wrt]

        def run(*inputs: Array) -> Any:
            leaves, offsets = dict(scope.leaves), dict(scope.offsets)
            for symbol, x in zip(wrt, inputs, strict=True):
                offsets[symbol] = (*offsets.get(symbol, ()), x)
            return result(_Traced(scope.program, leaves, scope.functions, offsets))

        self._recorded = Recorded(run, [onp.zeros(shape) for shape in self.shapes])
        self.result = self._recorded.out

    def sweep(self, result: Array, place: Place) -> list[Array]:
        """Return the derivatives of one element of a result, or of the sum of all."""
        if type(result) is not Tracer or not self._recorded.tape.owns(result):
            return [onp.zeros(shape) for shape in self.shapes]
        seed = onp.full(result.shape, 1.0 if place is None else 0.0)
        if place is not None:
            seed.flat[place] = 1.0
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
        self._whole: _Sweeps | None = None

    def rows(self, target: str, wrt: str, places: Sequence[Place]) -> Array:
        """Return derivatives of elements of a variable."""
        return onp.stack([self._row(target, k)[wrt] for k in places])

    def _row(self, target: str, place: Place) -> Mapping[str, Array]:
        """Return the derivatives of one element with respect to every variable: one sweep."""
        key = (target, place)
        if key not in self._found:
            sweeps, result = self._run(target)
            found = sweeps.sweep(result, place)
            self._found[key] = dict(zip(self.program.symbols, found, strict=True))
        return self._found[key]

    def _run(self, target: str) -> tuple[_Sweeps, Array]:
        """Return a traced run that computes a variable, and its result there.

        One run serves all variables. Those that are made of derivatives have runs of their own,
        since they differentiate while they are traced.
        """
        plain = self.program.plain
        if target not in plain:
            if target not in self._runs:
                run = _Sweeps(self, self.program.symbols, lambda scope: scope.value(target))
                self._runs[target] = run
            return self._runs[target], self._runs[target].result
        if self._whole is None:
            self._whole = _Sweeps(
                self, self.program.symbols, lambda scope: {s: scope.value(s) for s in plain}
            )
        return self._whole, self._whole.result[target]
