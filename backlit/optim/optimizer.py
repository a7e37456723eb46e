"""What an optimiser is: two pure functions, how they compose, and how an update is applied."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as onp

from backlit.core import tree
from backlit.core.errors import BacklitError, DTypeError, InputError, ShapeError
from backlit.core.settings import number, shown
from backlit.core.tracer import Tracer
from backlit.optim.description import description_of

Tree = Any
State = Any
Leaves = Sequence[Any]
Rate = float | Callable[[Any], Any]


@dataclass(frozen=True, eq=False)
class Optimizer:
    """A rule that turns gradients into updates, as a pair of pure functions.

    Neither function changes its arguments: the state is passed in and a new one comes back, so a
    step can be repeated, stored, traced or differentiated like any other function. Both work on
    flat lists of arrays; `init`, `update` and `step` take trees.

    Attributes
    ----------
    name : str
        What the constructor is called, ``"adam"``.
    settings : mapping of str to number, bool, Schedule or callable
        Arguments of the constructor.
    init_leaves : callable
        ``init_leaves(params) -> state``, a tree of arrays.
    update_leaves : callable
        ``update_leaves(grads, state, params) -> (updates, state)``; `params` may be None.

    Examples
    --------
    >>> from backlit import optim
    >>> rule = optim.sgd(0.5)
    >>> params = {"w": onp.array([1.0, 2.0])}
    >>> state = rule.init(params)
    >>> updates, state = rule.update({"w": onp.array([0.2, 0.4])}, state, params)
    >>> optim.apply(params, updates)
    {'w': array([0.9, 1.8])}
    """

    name: str
    settings: Mapping[str, Any]
    init_leaves: Callable[[Leaves], State]
    update_leaves: Callable[[Leaves, State, Leaves | None], tuple[Leaves, State]]

    def init(self, params: Tree) -> State:
        """Return the state before the first step.

        Parameters
        ----------
        params : tree of arrays

        Returns
        -------
        tree of arrays
            Slots such as velocities are tuples in the order of ``tree.flatten(params)``, in the
            shape and dtype of the parameters.
        """
        return self.init_leaves(tree.flatten(params)[0])

    def update(self, grads: Tree, state: State, params: Tree = None) -> tuple[Tree, State]:
        """Return what to add to the parameters, and the next state.

        Parameters
        ----------
        grads : tree of arrays
            Gradient of the loss, in the shape of the parameters.
        state : tree of arrays
            From `init` or the step before.
        params : tree of arrays, optional
            Needed by rules that look at the parameters (weight decay).

        Returns
        -------
        updates : tree of arrays
            Same shapes as `grads`; the sign is included: add them.
        state : tree of arrays

        Raises
        ------
        ShapeError
            If gradients, state and parameters do not belong together.
        """
        check_state(state)
        leaves, treedef = tree.flatten(grads)
        if params is None:
            updates, state = self.update_leaves(leaves, state, None)
        else:
            values = tree.flatten(params)[0]
            check_same_shapes(leaves, values, "parameters")
            updates, state = self.update_leaves(leaves, state, values)
        return tree.unflatten(treedef, updates), state

    def step(self, grads: Tree, state: State, params: Tree) -> tuple[Tree, State]:
        """Return the updated parameters and the next state: `update` and `apply` in one.

        Parameters
        ----------
        grads, params : tree of arrays
            Of the same shape.
        state : tree of arrays

        Returns
        -------
        params, state : tree of arrays

        Examples
        --------
        >>> from backlit import optim
        >>> rule = optim.sgd(0.5)
        >>> rule.step([onp.array(3.0)], rule.init([onp.array(1.0)]), [onp.array(1.0)])[0]
        [np.float64(-0.5)]
        """
        check_state(state)
        leaves = tree.flatten(grads)[0]
        values, treedef = tree.flatten(params)
        check_same_shapes(leaves, values, "parameters")
        updates, state = self.update_leaves(leaves, state, values)
        moved = [_moved(p, u) for p, u in zip(values, updates, strict=True)]
        return tree.unflatten(treedef, moved), state

    def describe(self) -> dict[str, Any]:
        """Return the name and settings as plain JSON values, enough to build it again.

        Examples
        --------
        >>> from backlit import optim
        >>> optim.momentum(0.1).describe()
        {'name': 'momentum', 'rate': 0.1, 'momentum': 0.9}
        """
        found: dict[str, Any] = {"name": self.name}
        for key, value in self.settings.items():
            found[key] = description_of(value)
        return found

    def __repr__(self) -> str:
        if self.name == "chain":
            return f"chain({', '.join(map(repr, self.settings['parts']))})"
        inside = ", ".join(f"{key}={value!r}" for key, value in self.settings.items())
        return f"{self.name}({inside})"


def apply(params: Tree, updates: Tree) -> Tree:
    """Return parameters plus updates.

    Parameters
    ----------
    params, updates : tree of arrays
        Of the same shape.

    Returns
    -------
    tree of arrays
        New arrays in the dtypes of `params`.

    Raises
    ------
    DTypeError
        If a parameter is not of a floating-point type, so that its update would be lost.
    ShapeError
        If parameters and updates do not belong together.

    Examples
    --------
    >>> apply([onp.array([1.0, 2.0])], [onp.array([0.5, -0.5])])
    [array([1.5, 1.5])]
    """
    values, treedef = tree.flatten(params)
    changes = tree.flatten(updates)[0]
    check_same_shapes(changes, values, "parameters")
    return tree.unflatten(treedef, [_moved(p, u) for p, u in zip(values, changes, strict=True)])


def _moved(value: Any, update: Any) -> Any:
    moved = value + update
    dtype = getattr(value, "dtype", None)
    if dtype is None:
        return moved
    if moved.dtype == dtype and dtype.kind in "fc":
        return moved
    if dtype.kind not in "fc" or (moved.dtype.kind == "c" and dtype.kind == "f"):
        raise DTypeError(
            f"a parameter is {dtype.name}, which cannot hold the {moved.dtype.name} it is updated "
            "to",
            fix="make it a floating-point array, params.astype(float), or keep it out of the tree",
        )
    # A float64 update must not turn a float32 model into a float64 one.
    return moved.astype(dtype)


def chain(*parts: Optimizer) -> Optimizer:
    """Compose rules: each one transforms the updates of the one before.

    Put what changes gradients (clipping, L2 weight decay) before the optimiser and what changes
    updates (decoupled weight decay) after it.

    Parameters
    ----------
    *parts : Optimizer

    Returns
    -------
    Optimizer
        Its state is the tuple of the parts' states.

    Examples
    --------
    >>> from backlit import optim
    >>> rule = optim.chain(optim.clip_by_global_norm(1.0), optim.sgd(0.1))
    >>> updates, _ = rule.update([onp.array([3.0, 4.0])], rule.init([onp.zeros(2)]))
    >>> updates[0].round(3)
    array([-0.06, -0.08])
    """
    for part in parts:
        if not isinstance(part, Optimizer):
            raise InputError(
                f"chain was given {part!r}, which is not an optimiser",
                fix="chain(clip_by_global_norm(1.0), adam(1e-3))",
            )

    def init(params: Leaves) -> State:
        return tuple([part.init_leaves(params) for part in parts])

    def update(grads: Leaves, state: State, params: Leaves | None) -> tuple[Leaves, State]:
        states = []
        for part, old in zip(parts, state, strict=True):
            grads, new = part.update_leaves(grads, old, params)
            states.append(new)
        return grads, tuple(states)

    return Optimizer("chain", {"parts": parts}, init, update)


# Helpers shared by the rules. Counts and rates are Python numbers unless somebody traces them.


def traced(value: Any) -> bool:
    """Tell whether a value is a tracer."""
    return isinstance(value, Tracer)


def check_same_shapes(grads: Leaves, others: Leaves, what: str) -> None:
    """Raise if gradients and what they act on do not match leaf by leaf.

    Parameters
    ----------
    grads, others : sequence of arrays
    what : str
        What `others` are, for the message.
    """
    if len(grads) != len(others):
        raise ShapeError(
            f"there are {len(grads)} gradient arrays but {len(others)} {what}",
            fix="differentiate with respect to the same tree that init was given",
        )
    for index, (grad, other) in enumerate(zip(grads, others, strict=True)):
        if onp.shape(grad) != onp.shape(other):
            raise ShapeError(
                f"gradient {index} has shape {onp.shape(grad)} but the {what} there have shape "
                f"{onp.shape(other)}",
                fix="pass gradients and state that belong to these parameters",
            )


def zeros_like(params: Leaves) -> tuple[Any, ...]:
    """Return one array of zeros per parameter."""
    return tuple([onp.zeros_like(p) for p in params])


def first_count() -> Any:
    """Return the number of steps taken so far, 0, as an array."""
    return onp.zeros((), onp.int64)


def next_count(count: Any) -> Any:
    """Return the number of steps after this one."""
    return count + 1 if traced(count) else onp.array(int(count) + 1)


def rate_at(rate: Rate, count: Any) -> Any:
    """Return the learning rate of the step after `count` steps: a float, or a traced value."""
    if not callable(rate):
        return rate
    value = rate(count if traced(count) else int(count))
    if traced(value):
        return value
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not 0.0 <= found < math.inf:
        raise InputError(
            f"the learning rate's function returned {shown(value)} for step {count}; it must "
            "return a finite number of at least 0",
            fix="call it with that step to see why",
        )
    return found


def power(base: float, count: Any) -> Any:
    """Return ``base ** count`` as a float, or traced if the count is."""
    return base ** (count if traced(count) else int(count))


def fit(scalar: Any, array: Any) -> Any:
    """Return a scalar that leaves the dtype of `array` alone when they are multiplied.

    A Python float adapts to the array by itself; a traced scalar has to be cast.
    """
    return scalar.astype(array.dtype) if traced(scalar) and hasattr(array, "dtype") else scalar


def added(fresh: Any, other: Any) -> Any:
    """Return fresh + other, in place if that is possible: `fresh` was made by the rule itself.

    In place saves an array; a traced operand cannot be written into an ndarray.
    """
    if traced(other):
        return fresh + other
    fresh += other
    return fresh


def scaled(fresh: Any, factor: Any) -> Any:
    """Return fresh · factor, in place if that is possible: `fresh` was made by the rule itself."""
    if traced(factor):
        return fresh * factor
    fresh *= factor
    return fresh


def check_rate(rate: Any) -> Any:
    """Return a learning rate that can be used: a number of at least 0, traced, or callable."""
    if traced(rate):
        return rate
    if callable(rate):
        _check_takes_step(rate)
        return rate
    return number(rate, "rate", low=0, also="a function of the step", example=1e-3)


def _check_takes_step(rate: Callable[..., Any]) -> None:
    try:
        signature = inspect.signature(rate)
    except (TypeError, ValueError):  # not known, as of some functions written in C
        return
    try:
        signature.bind(0)
    except TypeError as error:
        raise InputError(
            f"rate is {shown(rate)}, which cannot be called with a step alone: {error}",
            fix="a function of the step, lambda step: 0.1 / (1 + step), or a schedule that was "
            "made: schedules.cosine(0.1, steps=1000)",
        ) from None


def check_state(state: Any) -> None:
    """Raise if there is no state at all, as before a forgotten `init`."""
    if state is None:
        raise InputError("the state is None", fix="state = opt.init(params) before the first step")


def needs_params(params: Leaves | None, name: str) -> Leaves:
    """Return the parameters, or raise if a rule that needs them was not given any."""
    if params is None:
        raise BacklitError(
            f"{name} looks at the parameters, and update got none",
            fix="opt.update(grads, state, params)",
        )
    return params
