"""What training makes smaller, whether it was given by name or as a function."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as onp

import backlit.numpy as np
from backlit import nn, random
from backlit.core.errors import InputError, TracedValueError
from backlit.core.settings import shown
from backlit.nn.losses import loss_name
from backlit.optim.description import description_of
from backlit.train.inputs import Array

Loss = str | Callable[..., Any]
CHUNK = 4096


@dataclass(frozen=True, eq=False)
class Objective:
    """A loss bound to a model's way of being called.

    Attributes
    ----------
    name : str or None
        Name of the loss; None for a function of the user's.
    settings : str or dict
        The loss as plain JSON values.
    formula : callable
        For a named loss ``formula(predictions, y, *, weights, reduction)``, else the user's
        ``formula(model, x, y)``, which may also take `key` and `weights`.
    takes_key, takes_weights : bool
        Whether the model (for a named loss) or the function takes a random key; whether the loss
        takes weights.
    """

    name: str | None
    settings: Any
    formula: Callable[..., Any]
    takes_key: bool
    takes_weights: bool

    def __call__(self, model: Any, x: Any, y: Any, weights: Any, key: Any) -> tuple[Any, Any]:
        """Return the mean loss of a batch, and the predictions if they are known.

        Parameters
        ----------
        model : tree of arrays
        x, y : array
        weights : array of shape (rows,), or None
            Multiply the losses of the examples before they are averaged.
        key : key or None
            None for inference.

        Returns
        -------
        loss : scalar
        predictions : array or None
        """
        if self.name is None:
            given = {} if weights is None else {"weights": weights}
            if self.takes_key:
                given["key"] = key
            L = self.formula(model, x, y, **given)
            single = getattr(L, "shape", None) == () and L.dtype.kind == "f"
            if not single and not isinstance(L, float):
                raise _no_loss(self.formula, L, len(x))
            return L, None
        P = model(x) if key is None else model(x, key=key)
        return self.of_predictions(P, y, weights), P

    def of_predictions(self, P: Any, y: Any, weights: Any) -> Any:
        """Return the mean of a named loss, given predictions."""
        if weights is None:
            return self.formula(P, y)
        # Not the weighted mean of the batch: the weights' own sum varies from batch to batch, and
        # dividing by it would make the average step differ from a step of the whole data.
        losses = self.formula(P, y, reduction="none")
        L = np.mean(losses * weights.reshape(weights.shape + (1,) * (losses.ndim - 1)))
        return L

    def trusting(self) -> Objective:
        """Return the same objective for targets that have been checked once and for all."""
        if self.name is None or "check" not in _names(self.formula):
            return self
        return replace(self, formula=partial(self.formula, check=False))

    def mean(self, model: Any, X: Array, y: Array, weights: Array | None) -> tuple[float, Any]:
        """Return the mean loss over many rows and the predictions, without any randomness.

        A function of the user's is taken to be a mean: it is called on chunks of rows, and its
        values are averaged by their sizes.
        """
        if self.name is not None:
            P = predictions(model, X, CHUNK)
            return float(self.of_predictions(P, y, weights)), P
        total = 0.0
        for start in range(0, len(X), CHUNK):
            part = slice(start, start + CHUNK)
            chosen = None if weights is None else weights[part]
            value, _ = self(model, X[part], y[part], chosen, None)
            total += float(value) * len(X[part])
        return total / len(X), None


def objective_for(loss: Loss, model: Any) -> Objective:
    """Return the objective of a loss for a model.

    Parameters
    ----------
    loss : str or callable
        Name of a loss of `backlit.nn` or of its function, that function itself, or
        ``loss(model, x, y)``.
    model : tree of arrays

    Returns
    -------
    Objective

    Raises
    ------
    InputError
        If there is no such loss, or the model cannot be called.

    Examples
    --------
    >>> objective_for("mse", nn.Dense(2, 1, seed=0)).name
    'mse'
    """
    for name, known in nn.LOSSES.items():
        if loss is known:
            loss = name
    if isinstance(loss, str):
        loss = loss_name(loss)
        formula = nn.LOSSES[loss]
        if not callable(model):
            raise InputError(
                f"the model is a {type(model).__name__}, which cannot be called on inputs",
                fix="make it a backlit.nn.Module with __call__, or pass a loss function of your "
                "own: loss(model, x, y)",
            )
        return Objective(loss, loss, formula, "key" in _names(model), True)
    if not callable(loss):
        if hasattr(loss, "__len__"):
            raise InputError(
                f"loss is {shown(loss)}; it must be a name or a function",
                fix="pass inputs and targets as one argument, a pair: fit(model, (X, y), …)",
            )
        raise InputError(
            f"loss is {shown(loss)}; it must be a name or a function",
            fix="one of " + ", ".join(nn.LOSSES) + ", or a function loss(model, x, y)",
        )
    names = _names(loss)
    _check_takes_batch(loss, names)
    return Objective(None, description_of(loss), loss, "key" in names, "weights" in names)


def _check_takes_batch(loss: Callable[..., Any], names: frozenset[str]) -> None:
    """Raise unless a function of the user's can be called as training will call it."""
    if not names:  # not known, as of some functions written in C
        return
    try:
        more = {name: None for name in ("key", "weights") if name in names}
        inspect.signature(loss).bind(None, None, None, **more)
    except TypeError as error:
        raise InputError(
            f"the loss function {_called(loss)} cannot be called as loss(model, x, y): {error}",
            fix="def loss(model, x, y): return the mean over the rows of x",
        ) from None


def _no_loss(loss: Callable[..., Any], value: Any, rows: int) -> InputError:
    """Return the error for a function of the user's that did not return one number."""
    shape = getattr(value, "shape", None)
    what = f"an array of shape {shape}" if shape else shown(value)
    return InputError(
        f"the loss function {_called(loss)} returned {what} for {rows} rows; it must return one "
        "floating-point number",
        fix="sum or average it: np.mean(…)" if shape else "return the mean loss alone",
    )


def _called(function: Any) -> str:
    return getattr(function, "__qualname__", None) or shown(function)


def _names(function: Any) -> frozenset[str]:
    """Return the names of the parameters of a function or of a model's ``__call__``."""
    try:
        return frozenset(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return frozenset()


def predictions(model: Any, X: Array, batch_size: int) -> Any:
    """Return the model's outputs for all rows, computed some rows at a time, in inference mode."""
    if len(X) <= batch_size:
        return model(X)
    parts = [model(X[start : start + batch_size]) for start in range(0, len(X), batch_size)]
    return onp.concatenate(parts)


def output_of(model: Any, X: Array) -> tuple[tuple[int, ...], Any]:
    """Return shape and dtype of the model's output for one row, found by trying two.

    Raises
    ------
    InputError
        If the model does not return one row of numbers per row of inputs.
    """
    rows = min(len(X), 2)
    with onp.errstate(all="ignore"):
        out = model(X[:rows])
    if not isinstance(out, onp.ndarray) or out.shape[:1] != (rows,) or out.dtype.kind != "f":
        shape = getattr(out, "shape", None)
        what = f"a {type(out).__name__}" if shape is None else f"{out.dtype} of shape {shape}"
        raise InputError(
            f"for {rows} rows of inputs the model returned {what}",
            fix="return an array of floats with one row per row of inputs",
        )
    return out.shape[1:], out.dtype


def uses_key(model: Any, x: Array) -> bool:
    """Tell whether a model that takes a key does anything with it.

    Making a key for every step costs as much as a small network, so that models without dropout
    should not pay for it.

    Parameters
    ----------
    model : callable
    x : array
        A few rows of inputs.

    Returns
    -------
    bool

    Examples
    --------
    >>> uses_key(nn.Dropout(0.5), onp.ones((1, 2))), uses_key(nn.Dropout(0.0), onp.ones((1, 2)))
    (True, False)
    """
    from backlit.transforms import trace

    try:
        with onp.errstate(all="ignore"):
            graph = trace(lambda key: model(x, key=key))(random.key(0))
    except TracedValueError:
        return True  # it takes the key apart in Python, which is use enough
    (key,) = graph.inputs
    pruned = graph.pruned()
    return key in pruned.outputs or any(key in equation.inputs for equation in pruned.equations)


def keys(base: Any, first: int, count: int) -> Any:
    """Return ``random.fold_in(base, step)`` for many steps at once.

    Parameters
    ----------
    base : key
    first, count : int
        Steps first … first + count − 1.

    Returns
    -------
    ndarray of uint32, shape (count, 2)

    Examples
    --------
    >>> base = random.key(7)
    >>> bool((keys(base, 3, 2)[1] == random.fold_in(base, 4)).all())
    True
    """
    from backlit.ops.random import philox

    steps = onp.arange(first, first + count, dtype=onp.uint64)
    counter = onp.zeros((4, count), onp.uint32)
    counter[0], counter[1] = steps & onp.uint64(0xFFFFFFFF), steps >> onp.uint64(32)
    counter[3] = 1
    return onp.ascontiguousarray(philox(counter, base)[:2].T)
