"""`check_backward`: a hand-written backward pass beside the engine, statement by statement."""

from __future__ import annotations

import inspect
import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as onp

from backlit.core import tree
from backlit.core.errors import BacklitError, DifferentiationError, InputError
from backlit.core.evaluate import values as evaluate_all
from backlit.core.graph import Graph, as_operand
from backlit.core.tracing import argument_names, function_name, leaf_names
from backlit.explain.equation.report import MARKS
from backlit.explain.flow import flow
from backlit.explain.formula import number
from backlit.explain.handwritten import Assigned, run_watched
from backlit.explain.mismatch import Mismatch, agree, compare
from backlit.explain.render.characters import to_ascii
from backlit.explain.views import View
from backlit.transforms import trace

# dW1, dL_dW1, dJdW1, grad_W1, W1_grad, g_W1.
_NAMES = (
    re.compile(r"d(?:[A-Za-z]|loss|cost)_?d_?(?P<name>\w+)"),
    re.compile(r"d_?(?P<name>\w+)"),
    re.compile(r"(?:grad|g)_(?P<name>\w+)"),
    re.compile(r"(?P<name>\w+)_grad"),
)


@dataclass(frozen=True)
class CheckedStatement(View):
    """One name that the backward pass assigned, judged.

    Attributes
    ----------
    name : str
    gradient : str
        What it is compared with, for instance ∂J/∂W1.
    line : int
        In the file of the backward pass.
    code : str
    verdict : {"right", "wrong"}
    kind : str or None
        What is the matter, of `backlit.explain.equation.verdicts.KINDS`; "upstream" where the
        statement is right and what it starts from is not. None if right.
    message : str
    suggestion : str or None
        What would be right, where that was found.
    error : float
        The largest difference, relative to the largest element of the gradient; infinite where the
        shapes differ.
    """

    name: str
    gradient: str
    line: int
    code: str
    verdict: str
    kind: str | None
    message: str
    suggestion: str | None
    error: float


@dataclass(frozen=True)
class BackwardCheck(View):
    """What `check_backward` found.

    Attributes
    ----------
    forward, backward : str
        Names of the functions.
    file : str
    loss : float
    statements : tuple of CheckedStatement
        In the order of the backward pass.
    unknown : tuple of str
        Names that no gradient of the forward pass belongs to.
    missing : tuple of str
        Where no statement could be judged, the arguments whose gradients the backward pass may have
        been meant to compute. Of which others it should, data or weights, nothing says.
    convention : str
        Whether dZ stands for ∂J/∂Z or for the gradient per example.
    """

    forward: str
    backward: str
    file: str
    loss: float
    statements: tuple[CheckedStatement, ...]
    unknown: tuple[str, ...]
    missing: tuple[str, ...]
    convention: str

    @property
    def ok(self) -> bool:
        """Whether every statement that could be judged is right, and there was one."""
        return bool(self.statements) and all(s.verdict == "right" for s in self.statements)

    @property
    def exit_code(self) -> int:
        """0 if all is right, 1 if something is wrong, 3 if nothing could be judged."""
        return 3 if not self.statements else 0 if self.ok else 1

    def to_json(self) -> str:
        """Return everything as JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=2)

    def __str__(self) -> str:
        return self.to_text()

    def to_text(self, ascii: bool = False) -> str:
        """Return a report to read.

        Parameters
        ----------
        ascii : bool
            Whether it stays within ASCII.

        Returns
        -------
        str
        """
        lines = [f"{self.backward} beside the engine, at a loss of {number(self.loss)}", ""]
        for s in self.statements:
            mark = MARKS[s.verdict][ascii]
            lines.append(f"  {mark} {self.file}:{s.line}  {s.code}")
            if s.verdict == "wrong" or s.message:
                lines.append(f"      {s.name}: {s.message}")
            if s.suggestion:
                lines.append(f"      instead: {s.suggestion}")
        if self.convention:
            lines += ["", f"  {self.convention}"]
        if self.unknown:
            lines += ["", "  not compared: " + ", ".join(self.unknown)]
        if self.missing:
            lines += ["", "  no gradient was computed for " + ", ".join(self.missing)]
        wrong = sum(s.verdict == "wrong" for s in self.statements)
        total = f"{len(self.statements)} statement{'s' * (len(self.statements) != 1)}"
        said = f"{total} compared, {f'{wrong} wrong' if wrong else 'all right'}."
        lines += ["", said if self.statements else "Nothing could be compared."]
        text = "\n".join(lines)
        return to_ascii(text) if ascii else text


def check_backward(
    forward: Callable[..., Any], backward: Callable[..., Any], *args: Any
) -> BackwardCheck:
    """Run a hand-written backward pass and compare all it computes with the engine's gradients.

    Parameters
    ----------
    forward : callable
        Written with NumPy or `backlit.numpy`; returns the loss, or a tuple that begins with it.
    backward : callable
        The gradients by hand. Its parameters are found by name: arguments of `forward`, variables
        that `forward` assigned, ``cache`` for what `forward` returned besides the loss. What it
        assigns to ``dW1``, ``dL_dW1``, ``grad_W1`` or ``W1_grad``, or puts into a dict under such a
        key, is compared with the gradient of ``W1``.
    *args : arrays, or trees of them
        Arguments of `forward`.

    Returns
    -------
    BackwardCheck

    Raises
    ------
    InputError
        If a parameter of `backward` cannot be found.
    DifferentiationError
        If `forward` does not return a loss.

    Examples
    --------
    >>> import numpy
    >>> def forward(w, b, x, y):
    ...     z = x @ w + b
    ...     e = z - y
    ...     return numpy.mean(e**2)
    >>> def backward(x, e):
    ...     dz = 2 * e / len(e)
    ...     dw = x @ dz
    ...     db = numpy.sum(dz)
    ...     return dw, db
    >>> x = numpy.array([[1.0, 2.0], [3.0, 5.0]])
    >>> check = check_backward(forward, backward, numpy.ones(2), 0.5, x, numpy.zeros(2))
    >>> [(s.name, s.verdict) for s in check.statements]
    [('dz', 'right'), ('dw', 'wrong'), ('db', 'right')]
    """
    return _Check(forward, backward, args).result()


class _Check:
    def __init__(
        self, forward: Callable[..., Any], backward: Callable[..., Any], args: Sequence[Any]
    ) -> None:
        self.forward, self.backward, self.args = forward, backward, args
        with onp.errstate(all="ignore"):
            graph = _loss_graph(forward, args)
            leaves = tree.flatten(tuple(args))[0]
            known = evaluate_all(graph, [as_operand(leaf) for leaf in leaves])
        floats = [v for v in graph.inputs if v.aval.dtype.kind == "f"]
        found = flow(graph, known, floats)
        self.loss = float(onp.ravel(known[graph.outputs[0]])[0])  # type: ignore[index]
        self.leaves = [name.rpartition(".")[2] for name in leaf_names(forward, args)]
        self.gradients: dict[str, Any] = {}
        names = dict(graph.names())
        names.update(zip(graph.inputs, self.leaves, strict=False))
        for var, gradient in found.gradients.items():
            if var is not graph.outputs[0]:
                self.gradients[names[var]] = onp.asarray(gradient)
        self.inputs = {n: known[v] for v, n in zip(graph.inputs, self.leaves, strict=False)}
        self.loss_name = names[graph.outputs[0]]  # type: ignore[index]
        if re.fullmatch(r"t\d+", self.loss_name):
            self.loss_name = "L"

    def result(self) -> BackwardCheck:
        out, assigned = run_watched(self.forward, self.args)
        self.locals = {**self.inputs, **{one.name: one.value for one in assigned}}
        _, statements = run_watched(self.backward, self._arguments(out))
        named = [(one, self._name(one)) for one in statements]
        judged = [(one, name) for one, name in named if name is not None]
        self.scale = self._convention(judged)
        self.truth = {one.name: self._true(name) for one, name in judged}
        for one in statements:
            self.locals.setdefault(one.name, one.value)
        wrong: list[str] = []
        checked = []
        for one, name in judged:
            checked.append(self._judge(one, name, wrong))
            if checked[-1].verdict == "wrong":
                wrong.append(one.name)
        computed = {name for _, name in judged}
        kinds = {n for n, v in self.inputs.items() if onp.result_type(v).kind == "f"}
        missing = [n for n in self.leaves if n in kinds and n in self.gradients]
        return BackwardCheck(
            forward=function_name(self.forward),
            backward=function_name(self.backward),
            file=os.path.basename(inspect.unwrap(self.backward).__code__.co_filename),
            loss=self.loss,
            statements=tuple(checked),
            unknown=tuple([one.name for one, name in named if name is None and _like(one)]),
            missing=tuple([n for n in missing if n not in computed]) if not checked else (),
            convention=""
            if self.scale == 1
            else f"dZ is taken per example: {self.scale} times ∂{self.loss_name}/∂Z.",
        )

    # --- calling the student's functions ----------------------------------------------------------

    def _arguments(self, out: Any) -> list[Any]:
        """Return what the parameters of the backward pass ask for by name."""
        known: dict[str, Any] = {**self.locals}
        known.update(zip(argument_names(self.forward, len(self.args)), self.args, strict=False))
        rest = out[1:] if isinstance(out, tuple) else ()
        known["cache"] = known["caches"] = rest[0] if len(rest) == 1 else rest
        known["loss"] = out[0] if isinstance(out, tuple) else out
        given = []
        for name, parameter in inspect.signature(self.backward).parameters.items():
            if name in known:
                given.append(known[name])
            elif re.fullmatch(rf"(dout|upstream|d{self.loss_name})", name):
                given.append(1.0)
            elif parameter.default is parameter.empty and parameter.kind in (
                parameter.POSITIONAL_ONLY,
                parameter.POSITIONAL_OR_KEYWORD,
            ):
                raise InputError(
                    f"{function_name(self.backward)} takes {name!r}, which is neither an argument "
                    f"of {function_name(self.forward)} nor assigned in it",
                    fix="there are " + ", ".join(sorted(known)),
                )
            else:
                break
        return given

    # --- names ------------------------------------------------------------------------------------

    def _name(self, one: Assigned) -> str | None:
        """Return the variable whose gradient a name stands for."""
        if one.name in self.inputs:
            return None
        for pattern in _NAMES:
            match = pattern.fullmatch(one.name)
            if match and match["name"] in self.gradients:
                return match["name"]
        # delta2 and the like: whatever it equals.
        if one.name.startswith("d"):
            for name, gradient in self.gradients.items():
                if gradient.ndim and agree(one.value, gradient):
                    return name
        return None

    def _convention(self, judged: Sequence[tuple[Assigned, str]]) -> int:
        """Return m if intermediate gradients are taken per example, else 1.

        The first one that tells the two apart decides.
        """
        sizes: set[int] = {n for v in self.inputs.values() for n in onp.shape(v) if n > 1}
        for one, name in judged:
            gradient = self.gradients[name]
            if name in self.inputs or one.value.shape != gradient.shape:
                continue
            # With the wrong sign as well: that is another matter.
            for signed in (one.value, -one.value):
                if agree(signed, gradient):
                    return 1
                for size in sorted(sizes & set(gradient.shape)):
                    if agree(signed, size * gradient):
                        return size
        return 1

    def _true(self, name: str) -> Any:
        gradient = self.gradients[name]
        per_example = self.scale != 1 and name not in self.inputs and self.scale in gradient.shape
        return self.scale * gradient if per_example else gradient

    # --- verdicts ---------------------------------------------------------------------------------

    def _judge(self, one: Assigned, name: str, wrong: Sequence[str]) -> CheckedStatement:
        truth = self.truth[one.name]
        found = compare(one.value, truth, self.locals, self.scale)
        symbol = f"∂{self.loss_name}/∂{name}"
        kind, message, suggestion = found.kind, found.message, None
        if found.kind is not None:
            used = [w for w in wrong if re.search(rf"\b{w}\b", one.code.partition("=")[2])]
            if used and self._right_in_itself(one, truth):
                kind = "upstream"
                message = f"the statement is right; its value is not, because {used[0]} is wrong"
            else:
                kind, message, suggestion = self._diagnosis(one, found)
        return CheckedStatement(
            name=one.name,
            gradient=symbol,
            line=one.line,
            code=one.code,
            verdict="right" if found.kind is None else "wrong",
            kind=kind,
            message=message,
            suggestion=suggestion,
            error=found.error,
        )

    def _right_in_itself(self, one: Assigned, truth: Any) -> bool:
        """Whether a statement gives the gradient when what it starts from is right."""
        from backlit.explain.statement import value_of

        try:
            value = value_of(one.code, {**self.locals, **self.truth})
        except BacklitError:
            return False
        return value is not None and agree(value, truth)

    def _diagnosis(self, one: Assigned, found: Mismatch) -> tuple[str | None, str, str | None]:
        """Ask the equation checker, which knows how students err; else say what the numbers say."""
        from backlit.explain.statement import diagnose_statement

        shapes = {name: onp.shape(value) for name, value in self.inputs.items()}
        verdict = diagnose_statement(self.forward, self.backward, shapes, one)
        if verdict is None or verdict.verdict != "wrong":
            return found.kind, found.message, None
        if verdict.kind == "other" and found.kind != "other":
            return found.kind, found.message, verdict.suggestion
        return verdict.kind, verdict.message, verdict.suggestion


def _loss_graph(forward: Callable[..., Any], args: Sequence[Any]) -> Graph:
    graph = trace(forward)(*args)
    loss = graph.outputs[0] if graph.outputs else None
    if loss is None or loss.aval.size != 1 or loss.aval.dtype.kind != "f":
        raise DifferentiationError(
            f"{function_name(forward)} has to return the loss, one real number, or a tuple that "
            "begins with it"
        )
    return Graph(graph.inputs, graph.equations, (loss,), graph.guards, graph.name).pruned()


def _like(one: Assigned) -> bool:
    """Whether a name looks like that of a gradient."""
    return any(pattern.fullmatch(one.name) for pattern in _NAMES)
