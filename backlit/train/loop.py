"""The training loop."""

from __future__ import annotations

import math
import time
from typing import Any, NoReturn

import numpy as onp

from backlit.core import tree
from backlit.core.errors import InputError
from backlit.core.settings import flag
from backlit.optim import Optimizer, adam
from backlit.train.callbacks import Best, EarlyStopping, TrainingState
from backlit.train.compiled import CompiledSteps, Figures, compiled_steps
from backlit.train.errors import NonFiniteError, TrainingInterrupted
from backlit.train.evaluation import measure
from backlit.train.held_out import HeldOut, held_out_of
from backlit.train.history import Checkpoint, History
from backlit.train.inputs import Array
from backlit.train.metrics import Metrics, measured
from backlit.train.nonfinite import SLOWER, Operation, find_operation
from backlit.train.norms import finite, norm, square
from backlit.train.objective import Loss
from backlit.train.plan import Plan, check_continues, plan_for
from backlit.train.progress import Reporter, reporter_for
from backlit.transforms import value_and_grad

_ADAM = adam(1e-3)


def fit(
    model: Any,
    data: tuple[Any, Any],
    loss: Loss = "cross_entropy",
    optimizer: Optimizer = _ADAM,
    *,
    epochs: int,
    batch_size: int = 32,
    validation: tuple[Any, Any] | None = None,
    seed: Any = 0,
    shuffle: bool = True,
    sample_weight: Any = None,
    metrics: Metrics = None,
    callbacks: Any = (),
    early_stopping: EarlyStopping | None = None,
    progress: bool | None = None,
    jit: bool | None = None,
) -> History:
    """Train a model on examples by mini-batch gradient descent.

    Each epoch visits every row once, in an order that depends on the seed and the epoch only. The
    last batch of an epoch is as short as it has to be: it makes a step like any other, and counts
    by its number of rows in the epoch's mean loss. The same arguments give the same result to the
    bit on the same machine.

    Parameters
    ----------
    model : Module or tree of arrays, or History
        A history is continued: as if the run had never stopped, from its last complete epoch, if
        all other arguments are what they were and `epochs` is larger.
    data : (X, y)
        Inputs of shape (rows, ...) and targets: integer labels from 0 of shape (rows,) or one-hot
        rows for "cross_entropy", numbers of shape (rows,) or (rows, outputs) for "mse". Floats
        are cast to the floating-point type of the model.
    loss : str or callable
        A name of `backlit.nn.LOSSES`, or ``loss(model, x, y)`` that returns the mean over a batch.
        It may also take ``key`` (a random key for training, None for inference) and ``weights``.
    optimizer : Optimizer
        Of `backlit.optim`.
    epochs : int
        How many times to visit the data.
    batch_size : int
        Rows per step; a larger number than there are rows stands for all of them.
    validation : (X, y), optional
        Measured after every epoch in inference mode; never learned from.
    seed : int or key
        Decides the order of the rows and what dropout drops.
    shuffle : bool
        Whether to visit the rows in random order.
    sample_weight : array_like of shape (rows,), optional
        Scaled to mean 1, they multiply the losses of the examples.
    metrics : sequence of str, or mapping of str to ``metric(predictions, y)``, optional
        By default accuracy for classes and r2 for numbers. On the training data they are those of
        the predictions each step made before it changed the model, dropout included; step by step
        and for metrics of your own these are kept for an epoch (rows × outputs numbers).
        ``metrics=()`` does without.
    callbacks : sequence of callables or objects, optional
        Each is called with a `TrainingState` after every epoch, or has ``on_epoch_end`` or
        ``on_step_end``; it may call ``state.stop()``.
    early_stopping : EarlyStopping, optional
    progress : bool, optional
        Whether to report on stderr; by default only once a second has passed.
    jit : bool, optional
        Whether to compile whole epochs, which gives the same numbers within rounding. By default
        it is done where an epoch has 16 steps or more, nobody asks to be called after each, and
        model and loss can be traced by shape.

    Returns
    -------
    History
        ``history.model`` is the trained model. Ctrl-C ends training, or compiling its steps, and
        returns the history as it is, with ``stopped`` "interrupted".

    Raises
    ------
    InputError
        If an argument cannot be used, before the first step.
    NonFiniteError
        If the loss, a gradient or a parameter is no longer finite; it names the first operation
        that went wrong and carries the history with the last good model.
    TrainingInterrupted
        If a callback raises an error, or anything else does after the first step; it carries the
        history.

    References
    ----------
    Robbins and Monro, "A stochastic approximation method", 1951; Rumelhart, Hinton and Williams,
    "Learning representations by back-propagating errors", 1986.

    Examples
    --------
    >>> from backlit import nn, optim
    >>> X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    >>> model = nn.MLP([2, 8, 2], activation="tanh", seed=0)
    >>> history = fit(model, (X, y), optimizer=optim.adam(0.05), epochs=100)
    >>> history.epochs[-1]["accuracy"]
    1.0
    >>> history.model(onp.array(X, "float32")).argmax(axis=1)
    array([0, 1, 1, 0])
    """
    earlier = model if isinstance(model, History) else None
    if earlier is not None and earlier.checkpoint is None:
        raise InputError("this history has no checkpoint to continue from", fix="history.model")
    plan = plan_for(
        earlier.model if earlier is not None else model,
        data,
        loss,
        optimizer,
        epochs=epochs,
        batch_size=batch_size,
        validation=validation,
        seed=seed,
        shuffle=shuffle,
        sample_weight=sample_weight,
        metrics=metrics,
        callbacks=callbacks,
        early_stopping=early_stopping,
    )
    if earlier is not None:
        check_continues(earlier, plan)
    wanted = None if jit is None else flag(jit, "jit")
    return _Run(plan, earlier).train(wanted, progress)


class _Run:
    """A run in progress.

    What a run has reached changes by single assignments of new values, so that Ctrl-C between any
    two instructions finds something consistent.
    """

    def __init__(self, plan: Plan, earlier: History | None) -> None:
        self.plan = plan
        self.gradient = value_and_grad(plan.loss_of, has_aux=True)
        start = Checkpoint(0, 0, plan.leaves, plan.optimizer.init(plan.leaves), Best())
        self.done = start
        self.records: list[dict[str, Any]] = []
        self.settings = plan.settings
        if earlier is not None and earlier.checkpoint is not None:
            self.done = earlier.checkpoint
            self.records = earlier.epochs[: self.done.epoch]
            first = {name: earlier.settings[name] for name in ("start", "model")}
            self.settings = plan.settings | first
        # Parameters and optimiser state now, and the parameters one step ago.
        self.now = (self.done.leaves, self.done.state, self.done.leaves)
        self.state = TrainingState(plan.epochs, plan.treedef, self.done.leaves)
        self.state.epoch, self.state.step = self.done.epoch, self.done.step
        self.errors: Any = onp.geterr()  # the user's own settings, for callbacks
        self.ready = False  # whether there is all that the steps need
        self.compiled: CompiledSteps | None = None
        self.held_out: HeldOut | None = None
        self.outputs: Array | None = None
        self.reporter: Reporter | None = None

    def train(self, jit: bool | None, progress: bool | None) -> History:
        """Run until the end, whatever it is, and return or attach the history."""
        history: History | None = None
        try:
            self._get_ready(jit, progress)  # Ctrl-C is answered in there as well
            history = self._until_stopped()
        except KeyboardInterrupt:
            history = self.history("interrupted", "interrupted by Ctrl-C")
        except NonFiniteError as error:
            history = error.history
            raise
        except Exception as error:
            begun = self.ready and self.state.step > 0
            if not begun and not isinstance(error, _CallbackFailed):
                raise
            cause = error.cause if isinstance(error, _CallbackFailed) else error
            who = "a callback" if isinstance(error, _CallbackFailed) else "a step"
            place = f"epoch {self.state.epoch}, step {self.state.step}"
            history = self.history("error", f"{who} raised {type(cause).__name__}")
            what, advice = f"{who} raised {type(cause).__name__} at {place}: {cause}", ""
            if isinstance(cause, InputError):
                what = f"training stopped at {place}: {cause.what}"
                advice = f"{cause.fix}; " if cause.fix else ""
            raise TrainingInterrupted(
                what,
                history,
                fix=f"{advice}the model as it was is in the attribute history.model of this error",
            ) from cause
        finally:
            if self.reporter is not None:
                self.reporter.close(history.reason if history is not None else "an error")
        return history

    def _get_ready(self, jit: bool | None, progress: bool | None) -> None:
        """Compile the steps or make room for what they keep."""
        plan = self.plan
        self.compiled = compiled_steps(plan, jit)
        self.held_out = held_out_of(plan, self.compiled)
        if plan.metrics and self.compiled is None:
            shape, dtype = plan.output
            self.outputs = onp.empty((plan.rows, *shape), dtype)
        self.reporter = reporter_for(progress, plan.epochs, self.done.epoch)
        self.ready = True

    def _until_stopped(self) -> History:
        plan, state = self.plan, self.state
        while self.done.epoch < plan.epochs:
            self._epoch()
            if state.stop_reason is not None:
                return self.history("callback", state.stop_reason)
            rule, best = plan.early_stopping, self.done.best
            if rule is not None and best.waited >= rule.patience:
                waited = f"{best.waited} epoch{'s' * (best.waited != 1)}"
                reason = f"{rule.monitor} did not improve for {waited}"
                return self.history("early stopping", reason)
        return self.history("finished", "finished")

    def _epoch(self) -> None:
        plan, state, compiled = self.plan, self.state, self.compiled
        began = time.perf_counter()
        state.epoch = self.done.epoch + 1
        order = plan.order(state.epoch) if compiled is None else compiled.order(state.epoch)
        # Overflows are looked for after every step or slice; NumPy's warnings would repeat them.
        with onp.errstate(all="ignore"):
            if compiled is None:
                figures = self._steps(order, began)
            else:
                figures = self._compiled_steps(compiled, order, began)
            if figures is not None:
                self._close_epoch(figures, began)

    def _steps(self, order: Array | None, began: float, first: int = 0) -> Figures | None:
        """Take the steps of an epoch; return nothing if a callback stopped in the middle of it."""
        plan, state = self.plan, self.state
        total, grads = 0.0, None
        key_of_steps = plan.step_keys(state.step)
        for start, stop, x, y, weights in plan.batches(order, first):
            leaves, opt_state, _ = self.now
            key = next(key_of_steps)
            (value, P), grads = self.gradient(leaves, x, y, weights, key)
            loss = float(value)
            check = sum(map(square, grads), loss)
            if not math.isfinite(check) and not (math.isfinite(loss) and finite(grads)):
                self._fail(loss, order, start, stop, x, y, weights, key)
            if self.outputs is not None:
                self.outputs[start:stop] = P
            updates, opt_state = plan.optimizer.update_leaves(grads, opt_state, leaves)
            new = _moved(leaves, updates)
            self.now = (new, opt_state, leaves)
            state.step += 1
            total += loss * (stop - start)
            self._report(stop, total / stop, began)
            if plan.callbacks.step:
                state.loss, state.leaves = loss, new
                self._call(plan.callbacks.step)
                if state.stop_reason is not None and stop < plan.rows:
                    return None
        leaves, _, before = self.now
        if not finite(leaves):
            self._fail_update(order, self.plan.steps - 1)
        metrics = {}
        if self.outputs is not None:
            y = plan.train.y if order is None else plan.train.y[order]
            metrics = measured(plan.metrics, self.outputs, y)
        pairs = zip(leaves, before, strict=True)
        ratios = [norm(new - old) / (norm(old) or math.inf) for new, old in pairs]
        return Figures(total / plan.rows, metrics, [norm(g) for g in grads or ()], ratios)

    def _compiled_steps(
        self, steps: CompiledSteps, order: Array | None, began: float
    ) -> Figures | None:
        """Take the steps of an epoch, as many at a time as keep the run responsive."""
        plan, state, earlier = self.plan, self.state, self.state.step
        leaves, opt_state, _ = self.now
        try:
            for reached in steps.epoch(leaves, opt_state, earlier, order):
                if reached.leaves is not None:
                    self.now = (reached.leaves, reached.state, self.now[0])
                    state.step = earlier + reached.steps
                if reached.wrong:
                    self._fail_compiled(order, reached.steps)
                self._report(min(reached.steps * plan.batch_size, plan.rows), reached.loss, began)
        except IndexError:
            # Compiled code does not say which; the same steps in the open do.
            self._steps(order, began, state.step - earlier)
            raise
        return steps.figures

    def _report(self, rows: int, loss: float, began: float) -> None:
        if self.reporter is not None:
            rate = rows / (time.perf_counter() - began)
            self.reporter.step(self.state.epoch, rows / self.plan.rows, loss, rate)

    def _fail_compiled(self, order: Array | None, wrong: int) -> NoReturn:
        """Raise the error for a compiled step, by taking it once more in the open."""
        plan = self.plan
        leaves, opt_state, _ = self.now
        key = next(plan.step_keys(self.state.step))
        start, stop, x, y, weights = next(plan.batches(order, wrong))
        (value, _), grads = self.gradient(leaves, x, y, weights, key)
        updates, opt_state = plan.optimizer.update_leaves(grads, opt_state, leaves)
        new = _moved(leaves, updates)
        if math.isfinite(float(value)) and finite(grads) and not finite(new):
            self.state.step += 1
            self.now = (new, opt_state, leaves)
            self._fail_update(order, wrong)
        self._fail(float(value), order, start, stop, x, y, weights, key)

    def _close_epoch(self, figures: Figures, began: float) -> None:
        plan, state = self.plan, self.state
        leaves, opt_state, _ = self.now
        train_seconds = time.perf_counter() - began
        record: dict[str, Any] = {"epoch": state.epoch, "loss": figures.loss} | figures.metrics
        if plan.validation is not None:
            if self.held_out is not None:
                found = self.held_out()
            else:
                model = tree.unflatten(plan.treedef, leaves)
                found = measure(model, plan.validation, plan.objective, plan.metrics)
            record |= {f"val_{name}": value for name, value in found.items()}
        record["steps"] = plan.steps
        record["samples_per_second"] = plan.rows / max(train_seconds, 1e-9)
        record["gradient_norm"] = dict(zip(plan.paths, figures.gradient_norm, strict=True))
        record["update_ratio"] = dict(zip(plan.paths, figures.update_ratio, strict=True))
        record["seconds"] = time.perf_counter() - began
        best = self.done.best
        if plan.watch is not None:
            best = best.after(plan.watch, record, state.epoch, leaves)
        self.records.append(record)
        self.done = Checkpoint(state.epoch, state.step, leaves, opt_state, best)
        if self.reporter is not None:
            self.reporter.epoch(record)
        state.loss, state.leaves, state.metrics = figures.loss, leaves, record
        if plan.callbacks.epoch:
            self._call(plan.callbacks.epoch)

    def _call(self, callbacks: Any) -> None:
        with onp.errstate(**self.errors):
            for callback in callbacks:
                try:
                    callback(self.state)
                except Exception as error:
                    raise _CallbackFailed(error) from error

    def history(self, stopped: str, reason: str, leaves: list[Array] | None = None) -> History:
        """Return the history so far.

        Parameters
        ----------
        stopped, reason : str
        leaves : list of ndarray, optional
            Parameters of the model, if they are neither the last nor the best.
        """
        plan, best = self.plan, self.done.best

        def model_of(leaves: list[Array]) -> Any:
            return tree.unflatten(plan.treedef, leaves)

        if leaves is None:
            leaves = self.now[0]
            rule = plan.early_stopping
            restore = rule.restore_best if rule is not None else stopped == "interrupted"
            if restore and best.leaves is not None and stopped != "error":
                leaves = best.leaves
        return History(
            model=model_of(leaves),
            epochs=self.records,
            settings=self.settings,
            stopped=stopped,
            reason=reason,
            best_model=None if best.leaves is None else model_of(best.leaves),
            best_epoch=best.epoch,
            checkpoint=self.done,
        )

    def _fail(
        self, loss: float, order: Any, start: int, stop: int, x: Any, y: Any, weights: Any, key: Any
    ) -> NoReturn:
        """Raise the error for a step whose loss or gradient is not finite."""
        plan, leaves = self.plan, self.now[0]
        if not finite(leaves):
            # The step before overflowed the parameters; its own loss and gradient were finite.
            self._fail_update(order, start // plan.batch_size - 1)
        model = tree.unflatten(plan.treedef, leaves)
        named = [("x", x), ("y", y), *([("weights", weights)] if weights is not None else [])]

        def loss_of(model: Any, x: Any, y: Any, weights: Any = None) -> Any:
            return plan.objective(model, x, y, weights, key)[0]

        found = find_operation(loss_of, model, named)
        what = f"the loss is {loss}" if not math.isfinite(loss) else "the gradient is not finite"
        detail = "  the same step, run again, went well: the loss is not a pure function"
        if self.compiled is not None:
            detail += ", or its numbers lie within rounding of the largest there are"
        operation = found if isinstance(found, Operation) else None
        if operation is not None:
            detail = str(operation)
        self._raise(what, detail, plan.rows_of(order, start, stop), leaves, operation)

    def _fail_update(self, order: Any, step: int) -> NoReturn:
        """Raise the error for a step of this epoch whose update made a parameter overflow."""
        leaves, _, before = self.now
        pairs = zip(self.plan.paths, leaves, strict=True)
        path = next(path for path, leaf in pairs if not finite([leaf]))
        detail = "  loss and gradient of the step were finite, the step itself was too large"
        # A function that saturates can hide an overflow until the epoch ends.
        good = before if finite(before) else self.done.leaves
        start = step * self.plan.batch_size
        rows = self.plan.rows_of(order, start, min(start + self.plan.batch_size, self.plan.rows))
        self._raise(f"the update of {path} is not finite", detail, rows, good, None)

    def _raise(
        self, what: str, detail: str, rows: Array, good: list[Array], operation: Operation | None
    ) -> NoReturn:
        state = self.state
        step = state.step + (good is self.now[0])
        history = self.history("non-finite", f"{what} in epoch {state.epoch}, step {step}", good)
        shown = ", ".join(map(str, rows[:8])) + (", …" if len(rows) > 8 else "")
        fix = operation.fix if operation is not None else SLOWER
        raise NonFiniteError(
            f"training stopped in epoch {state.epoch}, step {step}: {what}\n{detail}\n"
            f"  rows of the batch, counted from 0 in the data given to fit: {shown}",
            history,
            epoch=state.epoch,
            step=step,
            rows=rows,
            operation=operation,
            where=operation.source if operation is not None else None,
            fix=f"{fix}; the last good model is in the attribute history.model of this error",
        )


class _CallbackFailed(Exception):
    """Carries an error out of a callback."""

    def __init__(self, cause: Exception) -> None:
        self.cause = cause


def _moved(leaves: list[Array], updates: Any) -> list[Array]:
    """Return parameters plus updates, in the dtypes of the parameters."""
    pairs = zip(leaves, updates, strict=True)
    return [onp.add(leaf, update, dtype=leaf.dtype) for leaf, update in pairs]
