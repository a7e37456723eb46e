"""What the engine knows of a forward pass, by the names that the student gave."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as onp

from backlit.core import tree
from backlit.core.evaluate import values as evaluate_all
from backlit.core.graph import as_operand
from backlit.core.tracing import leaf_names
from backlit.explain.flow import flow
from backlit.explain.handwritten import Assigned
from backlit.explain.mismatch import Mismatch, agree
from backlit.explain.returned import stands_for
from backlit.explain.student import in_a_loop, located, loss_graph, short_names


class Truths:
    """The gradients of a forward pass, and whether a value is one of them.

    Parameters
    ----------
    forward, backward : callable
    args : sequence
        Arguments of the forward pass.
    """

    def __init__(
        self, forward: Callable[..., Any], backward: Callable[..., Any], args: Sequence[Any]
    ) -> None:
        self.forward, self.backward, self.args = forward, backward, args
        with onp.errstate(all="ignore"), located(forward):
            graph = loss_graph(forward, args)
            leaves = tree.flatten(tuple(args))[0]
            known = evaluate_all(graph, [as_operand(leaf) for leaf in leaves])
        floats = [v for v in graph.inputs if v.aval.dtype.kind == "f"]
        found = flow(graph, known, floats)
        self.scale = 1
        self.loss = float(onp.ravel(known[graph.outputs[0]])[0])  # type: ignore[index]
        self.leaves = short_names(leaf_names(forward, args))
        self.gradients: dict[str, Any] = {}
        names = dict(graph.names())
        names.update(zip(graph.inputs, self.leaves, strict=False))
        for var, gradient in found.gradients.items():
            if var is not graph.outputs[0]:
                self.gradients[names[var]] = onp.asarray(gradient)
        # What a name that the forward pass assigns several times stands for at one time or another.
        written = graph.assigned()
        self.versions: dict[str, list[Any]] = {}
        for var, target in written.items():
            if var in found.gradients:
                self.versions.setdefault(target, []).append(onp.asarray(found.gradients[var]))
        self.written = {names[var] for var in (*graph.inputs, *written)}
        unnamed = [var for var in found.gradients if var not in written and var in known]
        self.unnamed = [
            (onp.asarray(known[var]), onp.asarray(found.gradients[var]))
            for var in unnamed
            if var not in graph.inputs and var is not graph.outputs[0]
        ]
        # What a variable of a loop may hold at one step or another: a gradient, or a part of one.
        # That of the -z of exp(-z) is the gradient of z with the wrong sign.
        sent = [edge.contribution for edge in found.edges if edge.contribution is not None]
        minus = {
            var
            for equation in graph.equations
            for var in equation.outputs
            if equation.primitive.name == "negative" and var not in written
        }
        own = [gradient for var, gradient in found.gradients.items() if var not in minus]
        self.sent = [onp.asarray(one) for one in (*own, *sent)]
        self.inputs = {n: known[v] for v, n in zip(graph.inputs, self.leaves, strict=False)}
        for var in floats:  # what the loss does not depend on has the gradient 0
            self.gradients.setdefault(names[var], onp.zeros(var.aval.shape))
        self.floats = [n for n in self.leaves if n in self.gradients]
        self.loss_name = names[graph.outputs[0]]  # type: ignore[index]
        if re.fullmatch(r"t\d+", self.loss_name):
            self.loss_name = "L"

    def learn(self, assigned: Sequence[Assigned]) -> None:
        """Give their names to results of a helper function: ``A = sigmoid(Z)``.

        Parameters
        ----------
        assigned : sequence of Assigned
            What the forward pass assigned.
        """
        for one in assigned:
            if one.name in self.gradients or one.again or not onp.ndim(one.value):
                continue
            same = [gradient for value, gradient in self.unnamed if agree(value, one.value)]
            if same and all(agree(gradient, same[0]) for gradient in same):
                self.gradients[one.name] = same[0]
                self.written.add(one.name)

    def name_of(self, one: Assigned) -> str | None:
        """Return the variable whose gradient a name stands for."""
        if one.name in self.inputs:
            return None
        name = stands_for(one.name, self.gradients)
        if name is not None:
            return name
        # delta2 and the like: whatever it equals, if the student's own forward pass has a name for
        # it. A delta with the wrong sign is found all the same.
        signs = (1, -1) if one.name.startswith("delta") else (1,) if one.name[0] == "d" else ()
        for sign in signs:
            for name, gradient in self.gradients.items():
                if name in self.written and gradient.ndim and onp.any(gradient):
                    if agree(sign * one.value, gradient):
                        return name
        return None

    def true(self, name: str) -> Any:
        """Return the gradient of a variable, in the convention of the backward pass."""
        gradient = self.gradients[name]
        per_example = self.scale != 1 and name not in self.inputs and self.scale in gradient.shape
        return self.scale * gradient if per_example else gradient

    def steps(self, one: Assigned, found: Mismatch) -> Mismatch:
        """Judge a variable that a loop assigns again and again by each of its values.

        Each has to be a gradient or a part of one. The last may be that of what the loop starts
        from, a constant that has no gradient in the forward pass.
        """
        strange = [
            k
            for k, (_, value) in enumerate(one.history)
            if onp.any(value) and not any(self.is_one(value, g) for g in self.sent)
        ]
        last = len(one.history) - 1
        excused = strange == [last] and in_a_loop(self.backward, one.line)
        if not strange or excused:
            return Mismatch(None, "", 0.0)
        if len(strange) == len(one.history) or not one.again:
            return found
        text = f"its value number {strange[0] + 1} is no gradient of the forward pass"
        return Mismatch("other", text, found.error)

    def is_one(self, value: Any, gradient: Any) -> bool:
        """Whether a value is a gradient in one of the two conventions."""
        return agree(value, gradient) or agree(value, self.scale * gradient)
