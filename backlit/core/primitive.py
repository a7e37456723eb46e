"""Primitives: the operations a graph is made of, and the registry that lists them all.

A primitive is declared once (see `backlit.ops`), through one of four families that fill in the
rules below. Nothing outside the declaration needs to know a primitive by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from backlit.core.aval import NUMPY_NUMBERS, PYTHON_NUMBERS, AbstractValue
from backlit.core.errors import GraphError

Params = dict[str, Any]
AbstractRule = Callable[..., Any]
PushRule = Callable[[Sequence[Any], Any, Sequence[Any], Params], Any]
PullRule = Callable[[Any, Any, Sequence[Any], Params, Sequence[bool]], Sequence[Any]]


class Symbol:
    """A partial derivative that is known without arithmetic."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


ZERO = Symbol("ZERO")
ONE = Symbol("ONE")
MINUS_ONE = Symbol("MINUS_ONE")
FIRST = Symbol("FIRST")
SECOND = Symbol("SECOND")


@dataclass(frozen=True, slots=True)
class Case:
    """Operands for the registry test.

    Attributes
    ----------
    args : tuple
        A tuple of int is the shape of an array to be drawn from `domain`; an array is used as is.
    params : dict
    """

    args: tuple[Any, ...]
    params: Params = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class Primitive:
    """One operation with everything the engine must know of it.

    Attributes
    ----------
    name : str
        Unique; NumPy's name where NumPy has the operation.
    family : str
        "elementwise", "linear", "bilinear", "custom" or "constant" (no derivative).
    impl : callable
        ``impl(*arrays, **params)`` evaluates with NumPy.
    abstract : callable
        ``abstract(*avals, **params)`` gives the result's `AbstractValue` (a tuple of them if
        `multi`).
    push : callable or None
        Forward rule ``push(tangents, out, args, params)``; a tangent of ``None`` is zero.
    pull : callable or None
        Reverse rule ``pull(cotangent, out, args, params, needs)``: one cotangent, or ``None``,
        per argument; only slots with ``needs[slot]`` matter.
    partials : tuple
        Elementwise only: one of `ZERO`, `ONE`, `MINUS_ONE`, `FIRST`, `SECOND` (that operand) or
        ``partial(*args, out, **params)`` per slot.
    latex : str
        Format string with ``{0}``, ``{1}``, … for the operands.
    multi : bool
        Whether the result is a tuple.
    simple : bool
        Whether the rules are exactly "partial × cotangent", so that a sweep may write them out.
    arity : int
        1 or 2 for a simple primitive that never has parameters, else 0.
    scales : bool
        Whether a local derivative is a number that may be infinite; one that `selects` is 0 or 1.
    shortcut : int
        How the sweep over arrays goes about it: 1, one operand and ``local(x, y)`` is its
        derivative; 3, the same as ``local(x)``; 4, the same as a mask; 2, two operands and
        `array_partials` are theirs; 0, ask `pull`.
    local : callable
    array_partials : tuple
        The same partials with the engine's operations bound to NumPy's functions.
    selects : bool
        Whether the reverse rule makes exact zeros where an operand was not chosen.
    view : bool
        Whether NumPy's result shares memory with the operand.
    python : bool
        Whether it is what an operator of Python's means: of Python numbers alone its result is
        one, which is as weak in type promotion as they are.
    flops : callable
        ``flops(out_aval, avals, params)``: floating-point operations, counting every elementary
        function as one.
    domain : tuple of (float, float)
        Per operand, an interval of points where the primitive is smooth, for tests.
    cases : tuple of Case
        What the registry test feeds it, besides what it makes up itself.
    """

    name: str
    family: str
    impl: Callable[..., Any]
    abstract: AbstractRule
    push: PushRule | None = None
    pull: PullRule | None = None
    partials: tuple[Any, ...] = ()
    latex: str = ""
    multi: bool = False
    simple: bool = False
    arity: int = 0
    scales: bool = False
    shortcut: int = 0
    local: Any = None
    array_partials: tuple[Any, ...] = ()
    selects: bool = False
    view: bool = False
    python: bool = False
    flops: Callable[[AbstractValue, Sequence[AbstractValue], Params], int] = field(
        default=lambda out, avals, params: out.size
    )
    domain: tuple[tuple[float, float], ...] = ()
    cases: tuple[Case, ...] = ()

    def __post_init__(self) -> None:
        if self.name in registry:
            raise GraphError(f"primitive {self.name!r} is declared twice")
        registry[self.name] = self

    def __repr__(self) -> str:
        return self.name

    def settled(self, operands: Sequence[Any], result: Any) -> Any:
        """Return what `impl` gave for arrays and numbers, as a Python number if Python would.

        Parameters
        ----------
        operands : sequence
            None of them traced.
        result : ndarray or scalar, or a tuple of them if `multi`

        Returns
        -------
        ndarray, scalar or Python number, or a tuple of them
        """
        if not self.python or type(result) not in NUMPY_NUMBERS:
            return result
        for x in operands:
            if type(x) not in PYTHON_NUMBERS:
                return result
        return result.item()


registry: dict[str, Primitive] = {}
