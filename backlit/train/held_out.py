"""Measuring the model on validation data by compiled code, while it is being trained."""

from __future__ import annotations

from typing import Any

import numpy as onp

import backlit.numpy as np
from backlit.train.compiled import CompiledSteps
from backlit.train.inputs import Array
from backlit.train.metrics import measured
from backlit.train.objective import CHUNK
from backlit.train.plan import Plan
from backlit.train.tallies import tallies_for
from backlit.transforms import jit


class HeldOut:
    """What `backlit.train.evaluation.measure` computes of the validation data, compiled.

    Parameters
    ----------
    plan : Plan
        With validation data.
    leaves : list of ndarray
        Where the parameters are at every call.
    """

    def __init__(self, plan: Plan, leaves: list[Array]) -> None:
        from backlit.compiler import bind  # loaded when something is compiled

        assert plan.validation is not None
        self.plan, self.data = plan, plan.validation
        self._tallies = tallies_for(plan.metrics, plan.output[0])
        of_part = jit(self._of_part)
        self._parts = []
        for start in range(0, len(self.data.X), CHUNK):
            part = slice(start, start + CHUNK)
            args = (leaves, onp.ascontiguousarray(self.data.X[part]), self.data.y[part])
            self._parts.append(bind(of_part.graph(*args), [*leaves, *args[1:]]))

    def _of_part(self, leaves: Any, X: Any, y: Any) -> Any:
        """Return the sum of the losses of some rows, and of each metric or the predictions."""
        value, P = self.plan.loss_of(leaves, X, y, None, None)
        total = np.astype(value, onp.float64) * float(X.shape[0])
        if self._tallies is None:
            return total, P
        return total, *[tally.of_batch(P, y) for tally in self._tallies.values()]

    def __call__(self) -> dict[str, float]:
        """Return the loss and each metric by its name."""
        for part in self._parts:
            part()
        loss = sum(float(part.outputs[0]) for part in self._parts) / len(self.data.X)
        if self._tallies is None:
            P = onp.concatenate([part.outputs[1] for part in self._parts])
            return {"loss": loss} | measured(self.plan.metrics, P, self.data.y)
        found = {"loss": loss}
        for k, (name, tally) in enumerate(self._tallies.items(), 1):
            value = sum(part.outputs[k] for part in self._parts)
            found[name] = tally.value(value, self.data.y, self.plan.output[0])
        return found


def held_out_of(plan: Plan, steps: CompiledSteps | None) -> HeldOut | None:
    """Return what measures the validation data, or None if it is not to be compiled.

    A model that computes something else in inference mode may look at values there only.

    Parameters
    ----------
    plan : Plan
    steps : CompiledSteps or None
        What trains the model.
    """
    if plan.validation is None or steps is None:
        return None
    try:
        return HeldOut(plan, steps.leaves)
    except Exception:  # whatever a model says that was not made for arrays without values
        return None
