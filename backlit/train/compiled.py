"""Many steps of training in one native call, in slices short enough to stay responsive."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as onp

import backlit.numpy as np
from backlit.core import tree
from backlit.ops.control import while_loop
from backlit.ops.indexing import index_set
from backlit.train.inputs import Array
from backlit.train.objective import keys as keys_of
from backlit.train.plan import Plan
from backlit.transforms import jit, value_and_grad

# Progress, Ctrl-C and the search for what is not finite wait for the end of a slice.
_SLICE_SECONDS = 0.05
# With fewer steps an epoch spends its time on its own figures, and compiling does not pay. Whether
# to compile must not depend on the number of epochs: a continued run has to go the same way.
FEWEST_STEPS = 16


class Reached(NamedTuple):
    """What some steps led to.

    Attributes
    ----------
    leaves : list of ndarray
        Parameters.
    state : tree
        Of the optimizer.
    losses : ndarray of shape (steps,)
        Of the steps taken so far in this epoch.
    outputs : ndarray of shape (steps, batch, ...)
        Predictions of those steps; of no rows if nobody asks for them.
    """

    leaves: list[Array]
    state: Any
    losses: Array
    outputs: Array


class Course(NamedTuple):
    """What the steps of an epoch go through, the same for all its slices.

    Attributes
    ----------
    batches : ndarray of int, shape (steps, batch)
        Rows of each step.
    keys : ndarray of uint32, shape (steps, 2), or None
        Random key of each step, if the model uses any.
    """

    batches: Array
    keys: Array | None


class CompiledSteps:
    """The steps of an epoch that have full batches, compiled.

    Parameters
    ----------
    plan : Plan
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        # The last step of an epoch is run by itself: its gradient goes into the record.
        self.count = plan.steps - 1
        self._rate = 0.0  # steps per second
        self._gradient = value_and_grad(plan.loss_of, has_aux=True)
        self._loop = jit(self._steps)

    def _steps(
        self, first: Any, stop: Any, reached: Any, examples: Any, order: Any, keys: Any
    ) -> Any:
        """Take the steps first … stop − 1."""
        X, targets, all_weights = examples

        def step(carry: Any) -> Any:
            k, (leaves, state, losses, outputs) = carry
            rows = np.take(order, k, axis=0)
            x, y = np.take(X, rows, axis=0), np.take(targets, rows, axis=0)
            weights = None if all_weights is None else np.take(all_weights, rows)
            key = None if keys is None else np.take(keys, k, axis=0)
            (value, P), grads = self._gradient(leaves, x, y, weights, key)
            updates, state = self.plan.optimizer.update_leaves(grads, state, leaves)
            moved = [
                np.astype(leaf + update, leaf.dtype)
                for leaf, update in zip(leaves, updates, strict=True)
            ]
            losses = index_set(losses, k, np.astype(value, losses.dtype))
            if outputs.shape[0]:
                outputs = index_set(outputs, k, P)
            return k + 1, Reached(moved, state, losses, outputs)

        return while_loop(lambda carry: carry[0] < stop, step, (first, Reached(*reached)))[1]

    def start(self, leaves: list[Array], state: Any, keep: bool) -> Reached:
        """Return where an epoch begins; `keep` says whether predictions are wanted."""
        shape, dtype = self.plan.output
        kept = self.count if keep else 0
        return Reached(
            leaves,
            tree.map(onp.asarray, state),
            onp.zeros(self.count),
            onp.zeros((kept, self.plan.batch_size, *shape), dtype),
        )

    def course(self, order: Array | None, step: int) -> Course:
        """Return what an epoch goes through.

        Parameters
        ----------
        order : ndarray or None
            Order of the rows.
        step : int
            How many steps were taken before this epoch.
        """
        plan = self.plan
        rows = onp.arange(plan.rows) if order is None else order
        batches = rows[: self.count * plan.batch_size].reshape(self.count, plan.batch_size)
        if plan.dropout_key is None:
            return Course(batches, None)
        return Course(batches, keys_of(plan.dropout_key, step, self.count))

    def take(self, first: int, stop: int, reached: Reached, course: Course) -> Reached:
        """Take some steps of an epoch.

        Parameters
        ----------
        first, stop : int
            Steps of the epoch, counted from 0.
        reached : Reached
            What the steps before led to.
        course : Course
        """
        found: Reached = self._loop(*self._arguments(first, stop, reached, course))
        return found

    def trace(self, reached: Reached, course: Course) -> None:
        """Trace the steps by shape, without compiling them."""
        self._loop.graph(*self._arguments(0, 0, reached, course))

    def _arguments(
        self, first: int, stop: int, reached: Reached, course: Course
    ) -> tuple[Any, ...]:
        examples = tuple(self.plan.train)
        return onp.int64(first), onp.int64(stop), tuple(reached), examples, *course

    def epoch(
        self,
        reached: Reached,
        course: Course,
        after_slice: Callable[[int, int, Reached, Reached], None],
    ) -> Reached:
        """Take all steps of an epoch but the last, slice by slice.

        Parameters
        ----------
        reached : Reached
        course : Course
        after_slice : callable
            ``after_slice(first, stop, before, after)``.
        """
        done = 0
        while done < self.count:
            size = max(int(self._rate * _SLICE_SECONDS), 1)
            # Not one step more than there are, and no tiny slice at the end.
            stop = self.count if done + 1.5 * size >= self.count else done + size
            began = time.perf_counter()
            after = self.take(done, stop, reached, course)
            seconds = max(time.perf_counter() - began, 1e-9)
            if self._rate or stop - done > 1:  # the very first call also compiles
                self._rate = (stop - done) / seconds
            else:
                self._rate = 64 / _SLICE_SECONDS
            after_slice(done, stop, reached, after)
            done, reached = stop, after
        return reached

    def first_wrong(self, first: int, stop: int, before: Reached, course: Course) -> int:
        """Return the step of a slice after which something is first not finite.

        The slice is run again, half of it at a time, by the same code.
        """
        low, high = first, stop  # fine after `low` steps, wrong after `high`
        while high - low > 1:
            middle = (low + high) // 2
            reached = self.take(low, middle, before, course)
            if finite(reached, low, middle):
                low, before = middle, reached
            else:
                high = middle
        return low


def finite(reached: Reached, first: int, stop: int) -> bool:
    """Tell whether the losses of some steps and all parameters are finite."""
    losses = reached.losses[first:stop]
    if not math.isfinite(float(losses.sum())) and not onp.isfinite(losses).all():
        return False
    return all(
        math.isfinite(float(onp.vdot(leaf, leaf))) or bool(onp.isfinite(leaf).all())
        for leaf in reached.leaves
    )


def compiled_steps(plan: Plan, wanted: bool | None) -> CompiledSteps | None:
    """Return the compiled steps of a run, or None if it goes step by step.

    Parameters
    ----------
    plan : Plan
    wanted : bool or None
        None leaves the choice to the size of the data and to what can be compiled.

    Raises
    ------
    Exception
        If compiling is wanted and the loss or the model cannot be traced by shape.
    """
    if wanted is False or plan.callbacks.step or plan.steps < 2:
        return None
    if wanted is None and plan.steps < FEWEST_STEPS:
        return None
    steps = CompiledSteps(plan)
    start = steps.start(plan.leaves, plan.optimizer.init(plan.leaves), bool(plan.metrics))
    course = steps.course(None, 0)
    try:
        steps.trace(start, course)
    except Exception:  # whatever a model or loss says that was not made for arrays without values
        if wanted:
            raise
        return None
    steps.take(0, 0, start, course)
    return steps
