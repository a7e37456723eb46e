"""What a rewriting rule works with: what was made so far, and how new equations are added."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as onp

from backlit.core.errors import BacklitError
from backlit.core.graph import Atom, Equation, Literal, Var
from backlit.core.primitive import registry


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One application of a rule.

    Attributes
    ----------
    rule : str
        What became what.
    equation : Equation
        What it was applied to.
    """

    rule: str
    equation: Equation


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """A product, coefficient · Π factorᵉˣᵖᵒⁿᵉⁿᵗ, broadcast as its parts are.

    Attributes
    ----------
    coefficient : float or ndarray
        All constant factors.
    powers : dict of Var to int
        Never 0. Only factors that are positive for every real argument are below 0.
    """

    coefficient: Any
    powers: dict[Var, int]


Form = tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Lost:
    """What a value has and its form has not.

    Attributes
    ----------
    arguments : frozenset of Var
        Of positive factors that cancelled. A NaN in them is one in the value, which therefore stays
        as it is, unless they come back in what is made of it.
    divisions : int
        By those factors.
    """

    arguments: frozenset[Var]
    divisions: int


@dataclass(slots=True)
class Facts:
    """What `backlit.compiler.algebra` found out about values; all of it starts empty.

    Attributes
    ----------
    forms : dict of Var to Form
        The sum of products that a value is, where that was asked.
    divided : set of Var
        Values whose form has divisions: only where they go can something cancel.
    positive : set of Var
        Values that are positive for every real argument.
    open : set of Var
        Exponentials: they may turn out to be quotients of others.
    relations : dict of Var to dict
        Positive values as powers of others, for what was met before the others were.
    lost : dict of Var to Lost
        What forms have no longer.
    last : tuple
        The equation asked about last, and its product.
    """

    forms: dict[Var, Form] = field(default_factory=dict)
    divided: set[Atom] = field(default_factory=set)
    positive: set[Var] = field(default_factory=set)
    open: set[Var] = field(default_factory=set)
    relations: dict[Var, dict[Var, int]] = field(default_factory=dict)
    lost: dict[Atom, Lost] = field(default_factory=dict)
    last: tuple[Equation | None, Any] = (None, None)


class Context:
    """What a rule may ask, and how it says what it wants instead.

    Parameters
    ----------
    notes : mapping of str to callable
        Per operation, what looks at each new equation of its kind.
    """

    def __init__(self, notes: Mapping[str, Note]) -> None:
        self.notes = notes
        self.makers: dict[Var, Equation] = {}
        self.equations: list[Equation] = []
        self.known: dict[Any, tuple[Var, ...]] = {}
        self.template: Equation | None = None
        self.facts = Facts()

    def maker(self, atom: Atom, *names: str) -> Equation | None:
        """Return what made a value, if it is one of some operations."""
        found = self.makers.get(atom) if isinstance(atom, Var) else None
        return found if found is not None and found.primitive.name in names else None

    def made(self, name: str, x: Atom) -> Var | None:
        """Return what an operation made of an array, if that is among the equations."""
        found = self.known.get((name, (x,), (), False))
        return found[0] if found is not None else None

    def emit(self, equation: Equation) -> tuple[Atom, ...]:
        """Add an equation, or find the values that an equal one computed before."""
        key = _key(equation)
        found = self.known.get(key) if key is not None else None
        if found is not None:
            return found
        self.equations.append(equation)
        for var in equation.outputs:
            self.makers[var] = equation
        if key is not None:
            self.known[key] = equation.outputs
        note = self.notes.get(equation.primitive.name)
        if note is not None:
            with contextlib.suppress(Unlike):
                note(self, equation)
        return equation.outputs

    def build(self, name: str, *inputs: Atom, **params: Any) -> Var:
        """Add an operation on the way to what stands in place of the equation."""
        assert self.template is not None
        primitive = registry[name]
        try:
            aval = primitive.abstract(*[a.aval for a in inputs], **params)
        except BacklitError as error:
            raise Unlike from error
        out = Var(aval)
        source, origin = self.template.source, self.template.provenance
        made = self.emit(Equation(primitive, tuple(inputs), params, (out,), source, origin))[0]
        assert isinstance(made, Var)
        return made

    def apply(self, name: str, *inputs: Atom, **params: Any) -> Atom:
        """Add an operation in place of the equation that is being rewritten."""
        assert self.template is not None
        old = self.template.outputs[0].aval
        made = self.build(name, *inputs, **params)
        if made.aval != old:
            raise Unlike
        return made


class Unlike(Exception):
    """A rewrite would change shape or type: it is not done."""


Rule = Callable[[Context, Equation], "Atom | None"]
Note = Callable[[Context, Equation], None]


def is_number(atom: Atom, value: float) -> bool:
    """Tell whether an operand is a number."""
    if not isinstance(atom, Literal):
        return False
    kind = type(atom.value)
    if kind is float or kind is int:
        return bool(atom.value == value)
    return onp.size(atom.value) == 1 and bool(atom.value == value)


def _key(equation: Equation) -> Any:
    """Return what two equations share if they compute the same, None if that cannot be said.

    A Python number and one of NumPy's are not the same: what is made of them has other types.
    """
    operands: list[Any] = []
    for atom in equation.inputs:
        if isinstance(atom, Var):
            operands.append(atom)
        elif onp.size(atom.value) == 1:
            operands.append(_exact(atom.value))
        else:
            operands.append((id, id(atom.value)))
    params: Any = ()
    if equation.params:
        params = tuple([(k, _exact(value)) for k, value in sorted(equation.params.items())])
    weak = any(var.aval.weak for var in equation.outputs)
    key = (equation.primitive.name, tuple(operands), params, weak)
    try:
        hash(key)
    except TypeError:
        return None
    return key


def _exact(value: Any) -> Any:
    """Return what stands for a value where 1, 1.0 and True differ, and 0.0 and −0.0."""
    kind = type(value)
    if kind is int or kind is str:
        return value
    if kind is tuple:
        return tuple, tuple([_exact(part) for part in value])
    if kind is float:
        return kind, struct.pack("d", value)
    if isinstance(value, (onp.generic, onp.ndarray)) and value.dtype != object:
        return kind, value.shape, value.dtype.str, value.tobytes()
    return kind, value
