"""The derivation of a gradient as equations: the forward pass, then ∂L/∂name for every name.

The forward equations are the user's lines. The backward equations are read off the engine's own
derivative and brought into textbook form one rule at a time; every step can be evaluated. Forward
mode (tangents that travel with the values) and second derivatives are derived in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as onp

from backlit.core import tree
from backlit.core.aval import AbstractValue
from backlit.core.errors import BacklitError, DifferentiationError, InputError
from backlit.core.evaluate import values as evaluate_all
from backlit.core.graph import Graph, Var, as_operand
from backlit.core.primitive import registry
from backlit.core.tape import is_array
from backlit.core.tracer import bind
from backlit.core.tracing import function_name, trace_flat
from backlit.explain.derivation.checking import doubtful, worked_out
from backlit.explain.derivation.deriving import Deriving
from backlit.explain.derivation.differentiated import forward as pushed
from backlit.explain.derivation.differentiated import inlined, reverse
from backlit.explain.derivation.expression import ONE, Expression, leaf, reduced, stretched
from backlit.explain.derivation.lowering import lowered
from backlit.explain.derivation.modes import Modes as Modes
from backlit.explain.derivation.modes import chain_of
from backlit.explain.derivation.naming import Naming, layer_of
from backlit.explain.derivation.recognised import recognised
from backlit.explain.derivation.sheet import Condition as Condition
from backlit.explain.derivation.sheet import Line as Line
from backlit.explain.derivation.sheet import Sheet as Sheet
from backlit.explain.derivation.sheet import Step as Step
from backlit.explain.equation.text.printing import unicode
from backlit.explain.equation.tree import Derivative, Name, Node
from backlit.transforms import cost, trace

Wanted = str | Sequence[str] | None


def sheet(f: Callable[..., Any], *args: Any, wrt: Wanted = None, abstract: bool = False) -> Sheet:
    """Derive the gradient of a function of arrays that returns one real number.

    Parameters
    ----------
    f : callable
    *args : trees of arrays
        With `abstract`, only their shapes and types matter: arrays, or `AbstractValue`.
    wrt : str or sequence of str, optional
        Which arguments: paths, ends of paths or beginnings of paths. Default: all of
        floating-point type.
    abstract : bool
        Trace by shape only: for a derivation before there is data.

    Returns
    -------
    Sheet

    Raises
    ------
    DifferentiationError
        If f does not return one real number that depends on the arguments.
    InputError
        If there is no argument of a name in `wrt`.

    Examples
    --------
    >>> import backlit.numpy as np
    >>> def loss(w, x, y):
    ...     a = np.sigmoid(w * x)
    ...     return (a - y) ** 2
    >>> [line.left.wrt.base for line in sheet(loss, 0.5, 2.0, 1.0, wrt="w").backward]
    ['a', 'w']
    """
    source = _Traced(f, args, abstract)
    diff = reverse(source.graph, source.loss)
    moving = source.depending(source.chosen(wrt))
    target = source.target

    def derived(guarded: bool) -> Sheet:
        deriving = Deriving(
            source.graph,
            source.naming.copy(),
            diff,
            moving,
            lambda name: Derivative(target, name),
            {diff.seeds[0]: ONE},
            {} if abstract else source.facts(args, moving),
            guarded,
            frozenset() if abstract else source.backwards(args),
        )
        return deriving.sheet(source.function, target)

    return derived(False) if abstract else _guarded(derived, args)


def _guarded(derived: Callable[[bool], Sheet], args: Sequence[Any]) -> Sheet:
    """Return a derivation that divides freely, or, where something is 0 at the arguments, asks."""
    found = derived(False)
    if not any(condition.is_guard for condition in found.conditions):
        return found
    try:
        with onp.errstate(all="ignore"):
            worked_out(
                found, args, equations=[*found.programs, *[x.equation for x in found.forward]]
            )
    except InputError:
        return derived(True)
    return found


class DerivationError(BacklitError, RuntimeError):
    """A step of a derivation does not have the value of its line."""


def confirm(derivation: Sheet, args: Sequence[Any]) -> None:
    """Evaluate every step of a derivation and raise unless all are right.

    Parameters
    ----------
    derivation : Sheet
    args : sequence of trees of arrays
        Arguments of the function.

    Raises
    ------
    DerivationError
        If the two sides of a step differ.
    """
    wrong = doubtful(derivation, args)
    if wrong:
        first = wrong[0]
        raise DerivationError(
            f"the step {first.step.rule!r} in the derivation of {unicode(first.line.left)} changes "
            f"its value by {first.difference:.2g}",
            fix="this is a bug in Backlit; please report it with the function",
        )


def tangents(f: Callable[..., Any], *args: Any, wrt: str, abstract: bool = False) -> Sheet:
    """Derive how a function changes as one argument moves: forward mode.

    Parameters
    ----------
    f : callable
        Returns one real number.
    *args : trees of arrays
    wrt : str
        The argument that moves. For a single number w the lines say ∂name/∂w; an array moves in
        a direction ∂W/∂t that is left open.
    abstract : bool
        As for `sheet`.

    Returns
    -------
    Sheet
        Its backward lines are the tangents, in the order of the program.

    Raises
    ------
    DifferentiationError, InputError
        As for `sheet`, and if `wrt` names several arguments.
    """
    source = _Traced(f, args, abstract)
    chosen = source.chosen(wrt)
    if len(chosen) != 1:
        found = ", ".join([source.names[v] for v in chosen])
        raise InputError(
            f"{wrt!r} names several arguments, and one can move", fix=f"one of {found}"
        )
    (moved,) = chosen
    mine = source.naming.given[moved]
    time = mine if not moved.aval.shape else source.naming.fresh("t")
    diff = pushed(source.graph, chosen)
    direction = ONE if time is mine else leaf(Derivative(mine, time), moved.aval.shape)

    def derived(guarded: bool) -> Sheet:
        deriving = Deriving(
            source.graph,
            source.naming.copy(),
            diff,
            source.depending(chosen),
            lambda name: Derivative(name, time),
            {diff.seeds[0]: direction},
            guarded=guarded,
        )
        return deriving.sheet(source.function, source.target)

    return derived(False) if abstract else _guarded(derived, args)


def second(
    f: Callable[..., Any],
    *args: Any,
    wrt: str,
    index: int | tuple[int, ...] = (),
    others: Wanted = None,
    abstract: bool = False,
) -> Sheet:
    """Derive the second derivatives ∂²L/∂w∂name for one number w: a row of the Hessian.

    Parameters
    ----------
    f : callable
        Returns one real number.
    *args : trees of arrays
    wrt : str
        The argument that w is in.
    index : int or tuple of int
        Place of w in it.
    others : str or sequence of str, optional
        With respect to which arguments to differentiate again. Default: all.
    abstract : bool
        As for `sheet`.

    Returns
    -------
    Sheet
        The first backward pass is part of the program here, ∂L/∂Z written ``dZ``; what is
        differentiated is ``g``, the derivative ∂L/∂w.

    Raises
    ------
    DifferentiationError, InputError
        As for `sheet`, and if L does not depend on w.
    """
    first = sheet(f, *args, wrt=wrt, abstract=abstract)
    names = [argument.name for argument in first.arguments]
    lines = [
        line
        for line in first.backward
        if isinstance(line.left, Derivative) and line.left.wrt in names
    ]
    if len(lines) != 1:
        raise InputError(
            f"{first.function} has {len(lines)} derivatives with respect to {wrt!r}",
            fix="name one array that the loss depends on",
        )
    graph, naming = _program(first, lines[0], index)
    target = graph.outputs[0]
    assert isinstance(target, Var)
    mine = naming.given[target]
    again = reverse(graph, target)
    paths = [argument.path for argument in first.arguments]
    reached = _reached(graph, _chosen(graph.inputs, paths, others, first.function))
    deriving = Deriving(
        graph, naming, again, reached, lambda name: Derivative(mine, name), {again.seeds[0]: ONE}
    )
    found = deriving.sheet(first.function, mine)
    return replace(
        found,
        arguments=first.arguments,
        constants={**first.constants, **found.constants},
        counts=first.counts,
        shapes={**dict.fromkeys(first.counts, ()), **found.shapes},
        conditions=(*first.conditions, *found.conditions),
    )


def _program(first: Sheet, chosen: Line, index: int | tuple[int, ...]) -> tuple[Graph, Naming]:
    """Return a derivation as a program that computes one number of a derivative.

    Its inputs are the function's arguments, then the letters for numbers of elements.
    """
    place = index if isinstance(index, tuple) else (index,)
    shape = chosen.shape
    if len(place) != len(shape) or not all(0 <= k < n for k, n in zip(place, shape, strict=True)):
        raise InputError(
            f"there is no element {place} in an array of shape {shape}",
            fix="give one number per axis, counted from 0",
        )
    letters = [Name(letter) for letter in first.counts]
    names = [*[argument.name for argument in first.arguments], *letters]
    avals = [argument.aval for argument in first.arguments]
    avals += [AbstractValue((), onp.dtype(float)) for _ in letters]

    def run(*inputs: Any) -> list[Any]:
        values: dict[Node, Any] = {Name(name): v for name, v in first.constants.items()}
        values.update(zip(names, inputs, strict=True))
        for line in first.lines:
            values[line.left] = lowered(line.expression, values, first.graphs)
        last = values[chosen.left]
        if place:
            last = bind(registry["getitem"], last, parts=tuple([("i", k) for k in place]))
        return [*[values[line.left] for line in first.lines], last]

    graph, _ = trace_flat(run, avals, [None] * len(avals), first.function, abstract=True)
    naming = Naming(dict(zip(graph.inputs, names, strict=True)))
    for line, atom in zip(first.lines, graph.outputs, strict=False):
        if isinstance(atom, Var) and atom not in naming.given and atom != graph.outputs[-1]:
            naming.given[atom] = _as_name(line.left, naming)
    target = graph.outputs[-1]
    if not isinstance(target, Var):
        raise DifferentiationError(f"that derivative of {first.function} is constant")
    naming.given[target] = naming.fresh("g")
    equations = tuple([replace(equation, source=None) for equation in graph.equations])
    graph = Graph(graph.inputs, equations, (target,), (), graph.name).pruned()
    present = {*graph.inputs, *[v for e in graph.equations for v in e.outputs]}
    naming.given = {v: name for v, name in naming.given.items() if v in present}
    return graph, naming


def _as_name(node: Node, naming: Naming) -> Name:
    """Return a left side as a plain name: dZ for ∂L/∂Z."""
    if isinstance(node, Derivative) and isinstance(node.wrt, Name):
        return naming.fresh(f"d{node.wrt.base}", layer_of(node.wrt))
    assert isinstance(node, Name)
    return naming.fresh(node.base, layer_of(node))


def _chosen(inputs: Sequence[Var], paths: Sequence[str], wrt: Wanted, function: str) -> list[Var]:
    """Return the inputs that some names mean."""
    floats = {v: p for v, p in zip(inputs, paths, strict=False) if v.aval.dtype.kind == "f"}
    if wrt is None:
        return list(floats)
    found: list[Var] = []
    for wish in (wrt,) if isinstance(wrt, str) else wrt:
        mine = [v for v, path in floats.items() if path == wish] or [
            v for v, path in floats.items() if f".{wish}." in f".{path}."
        ]
        if not mine:
            raise InputError(
                f"{function} takes no array of floats called {wish!r}",
                fix="choose from " + ", ".join(floats.values()),
            )
        found += mine
    return found


def modes(f: Callable[..., Any], *args: Any, wrt: str) -> Modes:
    """Derive a function in both modes, count what each costs, and bracket the chain both ways.

    Parameters
    ----------
    f : callable
        Returns one real number.
    *args : trees of arrays
    wrt : str
        One argument.

    Returns
    -------
    Modes

    Raises
    ------
    DifferentiationError, InputError
        As for `tangents`.

    Examples
    --------
    >>> import backlit.numpy as np
    >>> def loss(w, x):
    ...     z = w * x
    ...     a = np.sin(z)
    ...     return np.sum(a * a)
    >>> both = modes(loss, np.ones(3), 2.0, wrt="w")
    >>> [association.total for association in both.associations]
    [18, 36]
    """
    return side_by_side(f, args, wrt, sheet(f, *args, wrt=wrt), tangents(f, *args, wrt=wrt))


def side_by_side(
    f: Callable[..., Any], args: Sequence[Any], wrt: str, reverse: Sheet, forward: Sheet
) -> Modes:
    """Put the two derivations of a function together and count what each mode costs.

    Parameters
    ----------
    f : callable
    args : sequence of trees of arrays
    wrt : str
    reverse, forward : Sheet
        From `sheet` and `tangents`.

    Returns
    -------
    Modes
    """
    source = _Traced(f, args, False)
    (chosen,) = source.chosen(wrt)[:1]
    leaves, treedef = tree.flatten(args)
    which = [k for k, leaf_ in enumerate(leaves) if is_array(leaf_)][
        source.graph.inputs.index(chosen)
    ]

    def alone(value: Any) -> Any:
        return f(*tree.unflatten(treedef, [*leaves[:which], value, *leaves[which + 1 :]]))

    names = {v: source.naming.given[v] for v in source.naming.given}
    return Modes(
        reverse=reverse,
        forward=forward,
        cost=cost(alone, leaves[which]),
        chain=chain_of(source.graph, names, chosen, source.loss),
    )


class _Traced:
    """A function's graph, its names, and the loss."""

    def __init__(self, f: Callable[..., Any], args: Sequence[Any], abstract: bool) -> None:
        self.function = function_name(f)
        shapes = tree.map(_like, tuple(args)) if abstract else tuple(args)
        graph = trace(f, abstract)(*shapes).pruned()
        graph, self.names = inlined(graph, graph.names())
        self.graph = recognised(graph)
        avals = [atom.aval for atom in self.graph.outputs]
        if len(avals) != 1 or avals[0].shape != () or avals[0].dtype.kind != "f":
            raise DifferentiationError(
                "a derivation needs a function that returns one real number; "
                f"{self.function} does not",
                fix="return the loss alone, and sum or average an array",
            )
        loss = self.graph.outputs[0]
        if not isinstance(loss, Var):
            raise DifferentiationError(f"{self.function} returns a constant; its derivative is 0")
        self.loss = loss
        self.naming = Naming.whole(self.graph, self.names)

    @property
    def target(self) -> Name:
        """What the loss is called."""
        return self.naming.given[self.loss]

    def chosen(self, wrt: Wanted) -> list[Var]:
        """Return the inputs that some names mean."""
        paths = [self.names[v] for v in self.graph.inputs]
        return _chosen(self.graph.inputs, paths, wrt, self.function)

    def facts(self, args: Sequence[Any], moving: set[Var]) -> dict[Expression, Expression]:
        """Return which sums of arguments that do not move are 1 in every row or column."""
        found: dict[Expression, Expression] = {}
        leaves = [value for value in tree.flatten(args)[0] if is_array(value)]
        for var, value in zip(self.graph.inputs, leaves, strict=True):
            if var in moving or var not in self.naming.given or onp.ndim(value) != 2:
                continue
            mine = leaf(self.naming.given[var], var.aval.shape)
            for axis in (0, 1):
                if onp.size(value) and onp.all(onp.sum(value, axis=axis) == 1):
                    for kept in (False, True):
                        total = reduced("sum", mine, (axis,), kept)
                        found[total] = stretched(ONE, total.shape)
        return found

    def backwards(self, args: Sequence[Any]) -> frozenset[Var]:
        """Return the whole numbers some of which are negative: as places, counted from the end."""
        whole = [*self.graph.inputs, *[v for e in self.graph.equations for v in e.outputs]]
        whole = [v for v in whole if v.aval.dtype.kind == "i"]
        if not whole:
            return frozenset()
        leaves = [as_operand(x) for x in tree.flatten(args)[0] if is_array(x)]
        found = evaluate_all(self.graph, leaves)
        return frozenset([v for v in whole if onp.any(onp.asarray(found[v]) < 0)])

    def depending(self, chosen: Sequence[Var]) -> set[Var]:
        """Return the variables that depend on some inputs, and these."""
        return _reached(self.graph, chosen)


def _like(value: Any) -> Any:
    """Return an array of a type that only its shape is asked of; anything else as it is."""
    if not isinstance(value, AbstractValue):
        return value
    return onp.broadcast_to(onp.zeros((), value.dtype), value.shape)


def _reached(graph: Graph, chosen: Sequence[Var]) -> set[Var]:
    reached = set(chosen)
    for equation in graph.equations:
        if not reached.isdisjoint(equation.inputs):
            reached.update(equation.outputs)
    return reached
