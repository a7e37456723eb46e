"""Training in native calls: an epoch each, or slices of one short enough to stay responsive."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as onp

import backlit.numpy as np
from backlit import random
from backlit.core import tree
from backlit.ops.control import while_loop
from backlit.ops.indexing import index_set
from backlit.optim import Optimizer
from backlit.train.inputs import Array
from backlit.train.metrics import measured
from backlit.train.norms import finite, norm
from backlit.train.plan import Plan
from backlit.train.rates import hides_infinity, open_rates, values_at, with_rates
from backlit.train.shuffle import Shuffle
from backlit.train.tallies import tallies_for
from backlit.transforms import jit, value_and_grad

# Progress, Ctrl-C and the search for what is not finite wait for the end of a slice.
_SLICE_SECONDS = 0.05
# What may be spent on copies to go back to, and how fast memory is copied and looked through.
_COPYING, _BYTES_PER_SECOND = 0.005, 2e9
# With fewer steps, compiling takes longer than some hundred epochs step by step. Whether to compile
# must not depend on the number of epochs: a continued run has to go the same way.
FEWEST_STEPS = 16


class Figures(NamedTuple):
    """What an epoch's record says of its steps.

    Attributes
    ----------
    loss : float
        Mean over the rows.
    metrics : dict of str to float
    gradient_norm, update_ratio : list of float
        ‖gradient‖ and ‖update‖ / ‖parameter‖ of the last step, one per parameter.
    """

    loss: float
    metrics: dict[str, float]
    gradient_norm: list[float]
    update_ratio: list[float]


class Carried(NamedTuple):
    """What one step hands to the next.

    Attributes
    ----------
    leaves : list of array
        Parameters.
    state : tree
        Of the optimizer.
    total : array of float64, shape ()
        Sum of the examples' losses in this epoch.
    tallies : list of array
        Sums from which the metrics are computed.
    """

    leaves: list[Any]
    state: Any
    total: Any
    tallies: list[Any]


class Reached(NamedTuple):
    """What a slice led to.

    Attributes
    ----------
    steps : int
        Of this epoch, taken so far; if something is not finite, those before the wrong one.
    loss : float
        Mean over the rows so far.
    leaves, state : list of ndarray and tree, or None
        Copies of parameters and optimizer state after those steps, if they were made.
    wrong : bool
        Whether the next step led to something that is not finite.
    """

    steps: int
    loss: float
    leaves: list[Array] | None = None
    state: Any = None
    wrong: bool = False


class CompiledSteps:
    """The steps of an epoch, compiled.

    The program works in place, in arrays of its own. What is handed out are copies.

    Parameters
    ----------
    plan : Plan

    Attributes
    ----------
    figures : Figures
        Of the last complete epoch.
    """

    figures: Figures

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        # The last batch of an epoch may be short, and its step has more to say.
        self.full = plan.steps - 1
        self._gradient = value_and_grad(plan.loss_of, has_aux=True)
        self._rates = open_rates(plan.optimizer)
        self._tallies = tallies_for(plan.metrics, plan.output[0])
        self._seconds = _SLICE_SECONDS  # per step
        self._hides = hides_infinity(plan.optimizer)
        # Where a slice starts and stops in the epoch, and how many steps were before the epoch.
        self._where = onp.zeros(3, onp.int64)
        self._values = onp.zeros(len(self._rates))
        self._order = onp.arange(plan.rows) if plan.shuffled else None
        self._graphs = [
            jit(steps, donate_argnums=(0, 1)).graph(*self._arguments())
            for steps in ((self._steps, self._last) if self.full else (self._last,))
        ]

    def _arguments(self) -> tuple[Any, ...]:
        plan = self.plan
        shape, dtype = plan.output
        sums: list[Any] = []
        kept: tuple[Any, ...] = ()
        if self._tallies is None:  # the user's own metrics want to see all predictions
            counts = ((self.full, plan.batch_size), (plan.rows - self.full * plan.batch_size,))
            kept = tuple([onp.zeros((*count, *shape), dtype) for count in counts])
        else:
            P, y = onp.zeros((2, *shape), dtype), plan.train.y[:2]
            sums = [onp.zeros_like(t.of_batch(P[: len(y)], y)) for t in self._tallies.values()]
        state = tree.map(onp.asarray, plan.optimizer.init(plan.leaves))
        carried = Carried(plan.leaves, state, onp.zeros(()), sums)
        return (
            tuple(carried),
            kept,
            self._where,
            self._values,
            tuple(plan.train),
            self._order,
            plan.dropout_key,
        )

    def _steps(
        self, carried: Any, kept: Any, where: Any, rates: Any, examples: Any, order: Any, key: Any
    ) -> Any:
        """Take the steps first … stop − 1, all of which have full batches."""
        split, size = self.full * self.plan.batch_size, self.plan.batch_size
        optimizer = with_rates(self.plan.optimizer, rates)

        def in_batches(array: Any) -> Any:
            return np.reshape(array[:split], (self.full, size, *array.shape[1:]))

        def step(loop: Any) -> Any:
            k, now, outputs = loop
            if order is None:
                xyw = [None if a is None else np.take(in_batches(a), k, axis=0) for a in examples]
            else:
                rows = np.take(in_batches(order), k, axis=0)
                xyw = [None if a is None else np.take(a, rows, axis=0) for a in examples]
            own = None if key is None else random.fold_in(key, where[2] + k)
            now, P, _ = self._advance(Carried(*now), xyw, own, optimizer)
            return k + 1, tuple(now), tuple([index_set(out, k, P) for out in outputs])

        start = (where[0], carried, kept[:1])
        _, carried, kept_now = while_loop(lambda loop: loop[0] < where[1], step, start)
        return carried, (*kept_now, *kept[1:])

    def _last(
        self, carried: Any, kept: Any, where: Any, rates: Any, examples: Any, order: Any, key: Any
    ) -> Any:
        """Take the last step of the epoch, and return its gradient and its change as well."""
        split = self.full * self.plan.batch_size
        if order is None:
            xyw = [None if a is None else a[split:] for a in examples]
        else:
            xyw = [None if a is None else np.take(a, order[split:], axis=0) for a in examples]
        own = None if key is None else random.fold_in(key, where[2] + self.full)
        old, optimizer = Carried(*carried), with_rates(self.plan.optimizer, rates)
        new, P, grads = self._advance(old, xyw, own, optimizer)
        changes = [a - b for a, b in zip(new.leaves, old.leaves, strict=True)]
        return tuple(new), (*kept[:1], *[P for _ in kept[1:]]), (*grads, *changes)

    def _advance(
        self, now: Carried, xyw: list[Any], key: Any, optimizer: Optimizer
    ) -> tuple[Carried, Any, Any]:
        """Return what a step on a batch hands on, its predictions, and its gradient."""
        x, y, _ = xyw
        (value, P), grads = self._gradient(now.leaves, *xyw, key)
        updates, state = optimizer.update_leaves(grads, now.state, now.leaves)
        pairs = zip(now.leaves, updates, strict=True)
        moved = [np.astype(leaf + update, leaf.dtype) for leaf, update in pairs]
        total = now.total + np.astype(value, onp.float64) * float(x.shape[0])
        if self._hides:
            size = sum(np.sum(np.abs(np.astype(g, onp.float64))) for g in grads)
            total = np.where(np.isfinite(size), total, onp.nan)
        sums = zip(now.tallies, (self._tallies or {}).values(), strict=True)
        tallies = [t + np.astype(tally.of_batch(P, y), t.dtype) for t, tally in sums]
        return Carried(moved, state, total, tallies), P, grads

    def compile(self) -> None:
        """Compile the steps and make room for what they work on."""
        from backlit.compiler import bind, room  # loaded when something is compiled

        plan = self.plan
        args = self._arguments()
        carried, self._kept, *data = args
        self._arrays = [room(a.shape, a.dtype) for a in tree.flatten(carried)[0]]
        self._kept = [room(a.shape, a.dtype) for a in self._kept]
        given = [*self._arrays, *self._kept]
        flat = [*given, *[a for a in tree.flatten(data)[0] if isinstance(a, onp.ndarray)]]
        self._programs = [bind(graph, flat) for graph in self._graphs]
        # Where the compiler could not update in place.
        self._moves = [
            [(a, b) for a, b in zip(given, p.outputs, strict=False) if a is not b]
            for p in self._programs
        ]
        self._says = self._programs[-1].outputs[-2 * len(plan.leaves) :]
        own, sums = len(plan.leaves), len(carried[3])
        self._state_tree = tree.flatten(carried[1])[1]
        self.leaves, self._state = self._arrays[:own], self._arrays[own : -1 - sums]
        self._total, *self._sums = self._arrays[-1 - sums :]
        nbytes = sum(a.nbytes for a in self._arrays)
        self._zeros = [onp.zeros_like(a) for a in (self._total, *self._sums)]
        self._known: list[Array] = []  # parameters handed out, which the arrays hold as well
        self._pace = nbytes / _BYTES_PER_SECOND / _COPYING
        self._shuffle = Shuffle(plan.shuffle_key, plan.rows) if plan.shuffled else None

    def order(self, epoch: int) -> Array | None:
        """Return `Plan.order` of an epoch."""
        return None if self._shuffle is None else self._shuffle(epoch)

    def epoch(
        self, leaves: list[Array], state: Any, before: int, order: Array | None
    ) -> Iterator[Reached]:
        """Take the steps of an epoch, and tell after each slice what it led to.

        Parameters
        ----------
        leaves, state : list of ndarray and tree
            Parameters and optimizer state to start from.
        before : int
            How many steps were taken before this epoch.
        order : ndarray or None
            Order of the rows.
        """
        plan, steps = self.plan, self.full + 1
        anchor = [*leaves, *tree.flatten(state)[0], *self._zeros]
        # A callback may have written into the parameters it was shown.
        known = leaves is self._known and not plan.callbacks.epoch
        self._restore(anchor, len(anchor) - len(self._zeros) if known else 0)
        self._where[2] = before
        self._values[:] = values_at(self._rates, before)
        if self._order is not None and order is not None:
            self._order[:] = order
        done = anchored = 0
        since = time.perf_counter()
        while done < steps:
            size = max(int(_SLICE_SECONDS / self._seconds), 1)
            # Not one step more than there are, and no tiny slice at the end.
            stop = steps if done + 1.5 * size >= steps else done + size
            began = time.perf_counter()
            self._take(done, stop)
            now = time.perf_counter()
            self._seconds = max(now - began, 1e-9) / (stop - done)
            mean = float(self._total) / min(stop * plan.batch_size, plan.rows)
            secured = stop == steps or now - since >= self._pace
            if not (math.isfinite(mean) and (not secured or self._is_fine(stop))):
                yield self._wrong(anchored, stop, anchor)
                return
            if not secured:
                yield Reached(stop, mean)
            else:
                anchor, anchored, since = [a.copy() for a in self._arrays], stop, now
                if stop == steps:
                    self.figures = self._figures(mean, order)
                self._known, state = self._split(anchor)
                yield Reached(stop, mean, self._known, state)
            done = stop

    def _is_fine(self, stop: int) -> bool:
        """Tell whether the parameters are finite after a step."""
        if stop > self.full:
            # Norms that go into the record: sums of what is this small do not overflow.
            self._norms = [norm(array) for array in self._says]
            if sum(self._norms) + sum(self._sizes) < 1e30:
                return True
        return finite(self.leaves)

    def _take(self, first: int, stop: int) -> None:
        """Take some steps of an epoch from where the program's arrays are."""
        self._where[:2] = first, min(stop, self.full)
        if first < self.full:
            self._run(0)
        if stop > self.full:
            self._sizes = [norm(leaf) for leaf in self.leaves]
            self._run(-1)

    def _run(self, which: int) -> None:
        self._programs[which]()
        for array, result in self._moves[which]:
            array[...] = result

    def _restore(self, anchor: list[Array], first: int = 0) -> None:
        for array, value in zip(self._arrays[first:], anchor[first:], strict=True):
            array[...] = value

    def _split(self, arrays: list[Array]) -> tuple[list[Array], Any]:
        """Return parameters and optimizer state out of what steps carry."""
        own, count = len(self.leaves), len(self._state)
        return arrays[:own], tree.unflatten(self._state_tree, arrays[own : own + count])

    def _wrong(self, low: int, high: int, anchor: list[Array]) -> Reached:
        """Return what there was before the step after which something is first not finite.

        The steps are taken again, half of them at a time, by the same code.
        """
        while high - low > 1:
            middle = (low + high) // 2
            self._restore(anchor)
            self._take(low, middle)
            if math.isfinite(float(self._total)) and finite(self.leaves):
                low, anchor = middle, [a.copy() for a in self._arrays]
            else:
                high = middle
        return Reached(low, math.nan, *self._split(anchor), wrong=True)

    def _figures(self, mean: float, order: Array | None) -> Figures:
        plan = self.plan
        count = len(plan.leaves)
        norms = self._norms
        y = plan.train.y
        if self._tallies is None:
            head, tail = self._kept
            rows = self.full * plan.batch_size
            P = onp.concatenate([head.reshape(rows, *plan.output[0]), tail])
            metrics = measured(plan.metrics, P, y if order is None else y[order])
        else:
            pairs = zip(self._tallies.items(), self._sums, strict=True)
            metrics = {name: t.value(value, y, plan.output[0]) for (name, t), value in pairs}
        ratios = [a / (b or math.inf) for a, b in zip(norms[count:], self._sizes, strict=True)]
        return Figures(mean, metrics, norms[:count], ratios)


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
    if wanted is False or plan.callbacks.step:
        return None
    if wanted is None and plan.steps < FEWEST_STEPS:
        return None
    try:
        steps = CompiledSteps(plan)
    except Exception:  # whatever a model or loss says that was not made for arrays without values
        if wanted:
            raise
        return None
    steps.compile()
    return steps
