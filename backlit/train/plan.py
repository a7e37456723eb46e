"""Everything about a run that is decided before its first step."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as onp

import backlit
from backlit import random
from backlit.core import tree
from backlit.core.errors import InputError
from backlit.core.settings import flag, shown, whole
from backlit.nn.initializers import as_key
from backlit.optim import Optimizer
from backlit.optim.catalogue import RULES
from backlit.train.callbacks import Callbacks, EarlyStopping, collected
from backlit.train.evaluation import examples_for
from backlit.train.history import COUNTS, History
from backlit.train.inputs import Array, Examples, parameters
from backlit.train.metrics import METRICS, Metric, Metrics, chosen_metrics, measured
from backlit.train.objective import Loss, Objective, keys, objective_for, output_of, uses_key

_KEYS_AHEAD = 256  # keys of this many steps are made at once


@dataclass(frozen=True, eq=False)
class Plan:
    """What to train on what, and how.

    Attributes
    ----------
    leaves : list of ndarray
        Parameters to start from.
    treedef : TreeDef
    paths : list of str
        Path of each parameter.
    objective : Objective
    optimizer : Optimizer
    train : Examples
    validation : Examples or None
    metrics : dict of str to callable
    output : tuple of int, and dtype
        Shape and type of a prediction; of no meaning if there are no metrics.
    epochs, batch_size : int
    shuffle : bool
    shuffle_key, dropout_key : key
        `dropout_key` is None if the model uses none.
    callbacks : Callbacks
    early_stopping : EarlyStopping or None
    watch : EarlyStopping or None
        How the best model is told: early stopping's rule, or the validation loss.
    settings : dict
    """

    leaves: list[Array]
    treedef: tree.TreeDef
    paths: list[str]
    objective: Objective
    optimizer: Optimizer
    train: Examples
    validation: Examples | None
    metrics: dict[str, Metric]
    output: tuple[tuple[int, ...], Any]
    epochs: int
    batch_size: int
    shuffle: bool
    shuffle_key: Any
    dropout_key: Any
    callbacks: Callbacks
    early_stopping: EarlyStopping | None
    watch: EarlyStopping | None
    settings: dict[str, Any]

    @property
    def rows(self) -> int:
        """Number of training examples."""
        return len(self.train.X)

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return -(-self.rows // self.batch_size)

    @property
    def shuffled(self) -> bool:
        """Whether the order of the rows changes from epoch to epoch.

        A batch that holds all rows is not shuffled: their order would change nothing but the
        rounding of sums.
        """
        return self.shuffle and self.batch_size < self.rows

    def loss_of(self, leaves: Any, x: Any, y: Any, weights: Any, key: Any) -> tuple[Any, Any]:
        """Return the loss of a batch and the predictions, for parameters as a list."""
        model = tree.unflatten(self.treedef, leaves)
        return self.objective(model, x, y, weights, key)

    def order(self, epoch: int) -> Array | None:
        """Return the rows in the order of an epoch, or None for the order of the data."""
        if not self.shuffled:
            return None
        return onp.asarray(random.permutation(random.fold_in(self.shuffle_key, epoch), self.rows))

    def batches(
        self, order: Array | None, first: int = 0
    ) -> Iterator[tuple[int, int, Array, Array, Array | None]]:
        """Yield where each batch from a step on starts and stops, and its examples."""
        X, y, weights = self.train
        for start in range(first * self.batch_size, self.rows, self.batch_size):
            stop = min(start + self.batch_size, self.rows)
            if order is None:
                if stop - start == self.rows:
                    yield start, stop, X, y, weights
                    continue
                rows: Any = slice(start, stop)
                yield start, stop, X[rows], y[rows], None if weights is None else weights[rows]
            else:
                rows = order[start:stop]
                chosen = None if weights is None else weights.take(rows)
                yield start, stop, X.take(rows, axis=0), y.take(rows, axis=0), chosen

    def rows_of(self, order: Array | None, start: int, stop: int) -> Array:
        """Return the rows of a batch as numbers."""
        return onp.arange(start, stop) if order is None else order[start:stop]

    def step_keys(self, step: int) -> Iterator[Any]:
        """Yield the key of each step from `step` on, or None if the model uses none."""
        while True:
            if self.dropout_key is None:
                yield None
            else:
                yield from keys(self.dropout_key, step, _KEYS_AHEAD)
                step += _KEYS_AHEAD


def plan_for(
    model: Any,
    data: Any,
    loss: Loss,
    optimizer: Optimizer,
    *,
    epochs: Any,
    batch_size: Any,
    validation: Any,
    seed: Any,
    shuffle: Any,
    sample_weight: Any,
    metrics: Metrics,
    callbacks: Any,
    early_stopping: Any,
) -> Plan:
    """Check the arguments of `fit` and return the plan they make."""
    epochs = whole(epochs, "epochs", low=1, example=20)
    batch_size = whole(batch_size, "batch_size", low=1, example=32)
    shuffle = flag(shuffle, "shuffle")
    if not isinstance(optimizer, Optimizer):
        name = getattr(optimizer, "__name__", optimizer)
        maker = name if isinstance(name, str) and name in RULES else "adam"
        raise InputError(
            f"optimizer is {shown(optimizer)}; it must be an optimiser that was made",
            fix=f"backlit.optim.{maker}(1e-3)",
        )
    if early_stopping is not None and not isinstance(early_stopping, EarlyStopping):
        raise InputError(
            f"early_stopping is {shown(early_stopping)}; it must be an EarlyStopping",
            fix="early_stopping=EarlyStopping(patience=10)",
        )
    leaves, treedef, paths = parameters(model)
    dtype = onp.result_type(*leaves)
    objective = objective_for(loss, model)
    chosen = chosen_metrics(metrics, objective.name)
    for name in chosen:
        if name in COUNTS or name.startswith("val_"):
            raise InputError(f"a metric cannot be called {name!r}", fix="give it another name")
    train = examples_for(model, data, objective, dtype, sample_weight)
    held_out = None
    if validation is not None:
        held_out = examples_for(model, validation, objective, dtype, name="validation")
    figures = ["loss", *chosen]
    figures += [f"val_{name}" for name in figures] if held_out is not None else []
    watch = early_stopping
    if watch is None and held_out is not None:
        watch = EarlyStopping()
    if watch is not None and watch.monitor not in figures:
        raise InputError(
            f"early stopping watches {watch.monitor!r}, which there is not",
            fix="pass validation=(X, y)"
            if watch.monitor.removeprefix("val_") in figures
            else "one of " + ", ".join(figures),
        )
    output = output_of(model, train.X) if chosen else ((), dtype)
    # Ours take any rows; one of the user's may need both classes, or more than two rows.
    ours = {name: metric for name, metric in chosen.items() if metric in METRICS.values()}
    measured(ours, onp.zeros((len(train.y[:2]), *output[0])), train.y[:2])
    key = as_key(seed)
    named = objective.name is not None
    return Plan(
        leaves=leaves,
        treedef=treedef,
        paths=paths,
        objective=objective.trusting(),  # the targets have just been checked
        optimizer=optimizer,
        train=train,
        validation=held_out,
        metrics=chosen,
        output=output,
        epochs=epochs,
        batch_size=min(batch_size, len(train.X)),
        shuffle=shuffle,
        shuffle_key=random.fold_in(key, 0),
        dropout_key=random.fold_in(key, 1)
        if objective.takes_key and (not named or uses_key(model, train.X[:2]))
        else None,
        callbacks=collected(callbacks),
        early_stopping=early_stopping,
        watch=watch,
        settings={
            "model": repr(model),
            "loss": objective.settings,
            "optimizer": optimizer.describe(),
            "epochs": epochs,
            "batch_size": batch_size,
            "seed": int(seed) if onp.ndim(seed) == 0 else [int(word) for word in key],
            "shuffle": shuffle,
            "metrics": list(chosen),
            "early_stopping": early_stopping.describe() if early_stopping is not None else None,
            "data": _described(train),
            "validation": _described(held_out) if held_out is not None else None,
            "start": _digest(leaves),
            "versions": {
                "backlit": backlit.__version__,
                "numpy": onp.__version__,
                "python": platform.python_version(),
            },
        },
    )


def check_continues(history: History, plan: Plan) -> None:
    """Raise unless a run can go on where a history ended as if it had never stopped.

    Only the number of epochs may differ, and what does not change the result.
    """
    assert history.checkpoint is not None
    free = ("epochs", "start", "versions", "model")
    for name, value in plan.settings.items():
        before = history.settings.get(name)
        if name not in free and before != value:
            if isinstance(before, dict) and isinstance(value, dict):
                changed = {k for k in before | value if before.get(k) != value.get(k)}
                before = {k: v for k, v in before.items() if k in changed}
                value = {k: v for k, v in value.items() if k in changed}
            raise InputError(
                f"the history was made with {name} = {before!r:.120}; this call has {value!r:.120}",
                fix="repeat the settings of the first call; to start anew pass history.model",
            )
    done = history.checkpoint.epoch
    if done >= plan.epochs:
        raise InputError(
            f"the history already has {done} epochs, and epochs is {plan.epochs}",
            fix="epochs counts from the start of the first call: ask for more",
        )


def _described(examples: Examples) -> dict[str, Any]:
    return {
        "rows": len(examples.X),
        "x": f"{examples.X.dtype}{list(examples.X.shape)}",
        "y": f"{examples.y.dtype}{list(examples.y.shape)}",
        "weighted": examples.weights is not None,
        "sha256": _digest([array for array in examples if array is not None]),
    }


def _digest(arrays: list[Array]) -> str:
    """Return the first 64 bits of a hash of arrays, enough to tell whether they are the same."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(onp.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]
