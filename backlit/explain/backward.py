"""`check_backward`: a hand-written backward pass beside the engine, statement by statement."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as onp

from backlit.core.errors import BacklitError, InputError
from backlit.core.tracing import argument_names, function_name
from backlit.explain.compared import BackwardCheck as BackwardCheck
from backlit.explain.compared import CheckedStatement
from backlit.explain.composed import before, composed
from backlit.explain.handwritten import Assigned, run_watched
from backlit.explain.mismatch import Mismatch, agree, compare
from backlit.explain.returned import (
    Order,
    Value,
    assign,
    entry_text,
    forgotten,
    is_data,
    is_number,
    key_of,
    looks_like_gradient,
    order_of,
    values_of,
)
from backlit.explain.slopes import gates_of, masked, mended
from backlit.explain.statement import (
    Pasted,
    as_np,
    diagnose_statement,
    expression_of,
    numpy_names,
    value_of,
)
from backlit.explain.student import in_a_loop, located
from backlit.explain.truths import Truths

# Slips that the numbers alone tell. A scalar is always some number times what it should be.
_CERTAIN = ("sign", "one-over-m", "transpose")
_PLAIN = (*_CERTAIN, "factor")


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
        assigns to ``dW1``, ``dL_dW1``, ``grad_W1``, ``gW1`` or ``W1_grad``, or puts into a dict
        under such a key or under ``W1``, is compared with the gradient of ``W1``. What it returns
        in a tuple is compared in the order of the arguments of `forward`.
    *args : arrays, or trees of them
        Arguments of `forward`.

    Returns
    -------
    BackwardCheck

    Raises
    ------
    InputError
        If a parameter of `backward` cannot be found, or if one of the functions raises an error,
        which is shown with its line and is the cause of this one.
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


class _Check(Truths):
    def result(self) -> BackwardCheck:
        with located(self.forward):
            run = run_watched(self.forward, self.args)
        self.locals = {**self.inputs, **{one.name: one.value for one in run.assigned}}
        self.learn(run.assigned)
        self.lists = {name for name, v in run.variables.items() if isinstance(v, list | tuple)}
        given = self._arguments(run.result)
        with located(self.backward):
            self.run = run_watched(self.backward, given)
        statements = self.run.assigned
        numbers = {k: v for k, v in self.run.variables.items() if is_number(v)}
        self.scope = {**numbers, **self.locals, **numbers}
        named = [(_entry(one), self.name_of(one)) for one in statements]
        plain = {one.name: one.value for one in statements}
        judged = [
            (one, name)
            for one, name in named
            if name is not None and not _repeats(one.name, one.value, plain)
        ]
        values = values_of(self.run, self.gradients, self.loss)
        returned = assign(values, self.gradients, self.floats, self.leaves)
        order = self._order(returned, [name for _, name in judged])
        # A value returned under a name of its own is judged where the name was assigned.
        own = {(one.name, name): one.value for one, name in judged}
        for v in returned:
            if v.target is None or v.value is None or _repeats(v.name, v.value, plain):
                continue
            known = own.get((v.name, v.target))
            same = known is not None and agree(known, v.value)
            if not same or (v.place >= 0 and v.code not in ("", v.name)):
                judged.append((self._as_statement(v), v.target))
        self.scale = self._convention(judged)
        self.truth = {one.name: self.true(name) for one, name in judged}
        for one in statements:
            self.locals.setdefault(one.name, one.value)
        wrong: list[str] = []
        checked = []
        for one, name in judged:
            checked.append((one, name, self._judge(one, name, wrong)))
            if checked[-1][2].verdict == "wrong":
                wrong.append(one.name)
        missing = self._missing(returned, {name for _, name in judged}) if judged else self.floats
        kept = self._excused(checked, returned, missing)
        if order is not None and not order.meant:
            kept.append(self._misplaced(order, returned))
        left = [one.name for one, _, verdict in checked if verdict not in kept]
        return BackwardCheck(
            forward=function_name(self.forward),
            backward=function_name(self.backward),
            file=os.path.basename(inspect.unwrap(self.backward).__code__.co_filename),
            loss=self.loss,
            statements=tuple(kept),
            unknown=tuple(
                [one.name for one, n in named if n is None and looks_like_gradient(one.name)] + left
            ),
            missing=tuple(missing),
            convention=""
            if self.scale == 1
            else f"dZ is taken per example: {self.scale} times ∂{self.loss_name}/∂Z.",
            notes=tuple(self._notes(order, returned, missing)),
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
                there = "there are " + ", ".join(sorted(known))
                if name in self.lists:
                    there = f"have {function_name(self.forward)} return the loss and a cache, "
                    there += f"`return loss, {name}`, and take `cache` for {name!r}"
                raise InputError(
                    f"{function_name(self.backward)} takes {name!r}, which is neither an argument "
                    f"of {function_name(self.forward)} nor a number or an array assigned in it",
                    fix=there,
                )
            else:
                break
        return given

    # --- the convention ---------------------------------------------------------------------------

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
        return self._likely(judged, sizes)

    def _likely(self, judged: Sequence[tuple[Assigned, str]], sizes: set[int]) -> int:
        """Return the convention in which the most statements are right in themselves."""
        lengths = {n for _, name in judged for n in onp.shape(self.gradients[name])}
        votes = {1: 0, **dict.fromkeys(sorted(sizes & lengths), 0)}
        for self.scale in votes:
            self.truth = {one.name: self.true(name) for one, name in judged}
            votes[self.scale] = sum(
                self._right_in_itself(self._whole(one), self.truth[one.name]) for one, _ in judged
            )
        return max(votes, key=votes.__getitem__)  # The first of those that have as many.

    # --- what is returned -------------------------------------------------------------------------

    def _order(self, returned: Sequence[Value], computed: Sequence[str]) -> Order | None:
        parameters = list(inspect.signature(self.backward).parameters)
        documentation = inspect.getdoc(self.backward) or ""
        return order_of(returned, self.floats, (computed, parameters), documentation)

    def _as_statement(self, value: Value) -> Assigned:
        """Return a returned value as if it had been assigned on the line of the return."""
        if value.place >= 0:
            name = f"value {value.place + 1} returned"
            return self._returned(name, value, value.code)
        for one in self.run.assigned:
            if one.name == value.name and agree(one.value, value.value):
                return _entry(one)
        return self._returned(value.name, value, entry_text(self.run.code, value.name))

    def _returned(self, name: str, value: Value, code: str) -> Assigned:
        run = self.run
        place = run.line, len(run.before)
        return Assigned(name, value.value, run.line, code, run.before, place)

    def _misplaced(self, order: Order, returned: Sequence[Value]) -> CheckedStatement:
        pairs = zip(order.found, order.right, strict=True)
        found, right = next((a, b) for a, b in pairs if a != b)
        names = {v.target: v.code for v in returned}
        written = ", ".join(names[name] for name in order.right)
        symbol = f"∂{self.loss_name}/∂"
        return CheckedStatement(
            name="return",
            gradient=", ".join(symbol + name for name in order.right),
            line=self.run.line,
            code=self.run.code,
            verdict="wrong",
            kind="order",
            message=f"returned in another order than the arguments: {symbol}{found} "
            f"stands where {symbol}{right} is expected. If that order is meant, write "
            "it into the function's docstring, or return a dict",
            suggestion=f"return {written}",
            error=float("inf"),
        )

    def _missing(self, returned: Sequence[Value], computed: set[str]) -> list[str]:
        there = {v.target for v in returned if v.target is not None and v.value is not None}
        return forgotten(there, computed, self.floats) if there else []

    def _notes(
        self, order: Order | None, returned: Sequence[Value], missing: Sequence[str]
    ) -> list[str]:
        found = []
        if order is not None and order.meant:
            found.append(
                f"returned in the order {', '.join(order.found)}; the arguments stand in the order "
                + ", ".join(order.right)
            )
        there = {v.target for v in returned if v.target is not None}
        rest = [n for n in self.floats if not (n in there or n in missing or is_data(n))]
        if there and rest:
            found.append("no gradient was returned for " + ", ".join(rest))
        return found

    # --- verdicts ---------------------------------------------------------------------------------

    def _judge(self, one: Assigned, name: str, wrong: Sequence[str]) -> CheckedStatement:
        truth = self.truth[one.name]
        found = compare(one.value, truth, self.scope, self.scale)
        if found.kind is not None and name not in self.floats and len(one.history) > 1:
            if one.again or in_a_loop(self.backward, one.line):
                found = self.steps(one, found)
            elif any(self.is_one(one.value, g) for g in self.versions.get(name, ())):
                found = Mismatch(None, "", 0.0)
        symbol = f"∂{self.loss_name}/∂{name}"
        plain = one
        kind, message, suggestion = found.kind, found.message, None
        if found.kind is not None:
            one = self._whole(one)
            used = [w for w in wrong if re.search(rf"\b{re.escape(w)}\b", expression_of(one.code))]
            if (used or not one.again) and self._right_in_itself(one, truth):
                kind = "upstream"
                cause = used[0] if used else "what it starts from"
                message = f"the statement is right; its value is not, because {cause} is wrong"
            elif other := self._another(one, name):
                kind, message = "symbol", f"this is the gradient of {other}, not of {name}"
            else:
                kind, message, suggestion = self._diagnosis(one, name, found)
        return CheckedStatement(
            name=plain.name,
            gradient=symbol,
            line=plain.line,
            code=plain.code,
            verdict="right" if found.kind is None else "wrong",
            kind=kind,
            message=message,
            suggestion=suggestion,
            error=found.error,
        )

    def _another(self, one: Assigned, name: str) -> str | None:
        """Return the one other argument whose gradient this is."""
        if name not in self.floats or not onp.any(one.value):
            return None
        same = [n for n in self.floats if n != name and agree(one.value, self.gradients[n])]
        return same[0] if len(same) == 1 else None

    def _excused(
        self,
        checked: Sequence[tuple[Assigned, str, CheckedStatement]],
        returned: Sequence[Value],
        missing: Sequence[str],
    ) -> list[CheckedStatement]:
        """Leave out what only its name is wrong of: nothing is if the results are right.

        That is the case if all results are, and that of an intermediate of which right statements
        are made. A sum that is averaged on the way out is right if what is returned is.
        """
        results = {
            n
            for v in returned
            for n in (v.name, key_of(v.name))
            if v.target and (v.place < 0 or v.code in ("", v.name))
        }
        final = [
            (one, name, verdict)
            for one, name, verdict in checked
            if name in self.floats
            and (not returned or one.line == self.run.line or one.name in results)
        ]
        good = {name for _, name, v in final if v.verdict == "right"}
        all_good = bool(final) and all(v.verdict == "right" for _, _, v in final) and not missing
        kept = []
        for entry in checked:
            one, name, verdict = entry
            if verdict.verdict == "wrong" and entry not in final:
                users = [
                    other
                    for two, _, other in checked
                    if two.name != one.name
                    and re.search(rf"\b{re.escape(one.name)}\b", expression_of(two.code))
                ]
                made = name not in self.floats and users
                if all_good or name in good or (made and all(u.verdict == "right" for u in users)):
                    continue
            kept.append(verdict)
        return kept

    def _whole(self, one: Assigned) -> Assigned:
        """Write dZ *= slope, and dZ = dZ * slope, with what dZ was before in its place."""
        whole = composed(one)
        if whole is None or in_a_loop(self.backward, one.line):
            return one
        then = {**self.scope, **before(self.run.assigned, one)}
        value = self._read(expression_of(whole.code), then)
        return whole if value is not None and agree(value, one.value) else one

    def _right_in_itself(self, one: Assigned, truth: Any) -> bool:
        """Whether a statement gives the gradient when what it starts from is right."""
        value = self._read(expression_of(one.code), {**self.scope, **self.truth})
        return value is not None and agree(value, truth)

    def _read(self, code: str, known: Mapping[str, Any]) -> Any:
        """Return what an expression comes to, None if it calls what the notation does not have."""
        try:
            return value_of(f"result = {as_np(code, numpy_names(self.backward))}", known)
        except BacklitError:
            return None

    def _diagnosis(
        self, one: Assigned, name: str, found: Mismatch
    ) -> tuple[str | None, str, str | None]:
        """Ask the equation checker, which knows how students err; else say what the numbers say."""
        pasted = Pasted(self.backward, one, self._seen(one), {**self.scope, **self.truth})
        truth = self.truth[one.name]
        repaired = pasted.repaired(found.repair, truth)
        if one.again:  # of a sum over the steps of a loop one step says little
            return found.kind, found.message, None
        if found.kind not in (*_PLAIN, "shape", "axis"):
            gates = gates_of({n: self.true(n) for n in self.gradients}, self.locals)
            known = {**self.scope, **self.truth}
            slope = masked(one.code, one.value, gates)
            if slope is None:
                slope = mended(pasted.right, gates, known, lambda code: pasted.checked(code, truth))
            if slope is not None:
                return slope.kind, slope.message, slope.code
        shapes = {name: onp.shape(value) for name, value in self.inputs.items()}
        verdict = diagnose_statement(self.forward, self.backward, shapes, one, name)
        if verdict is None or verdict.verdict != "wrong":
            return found.kind, found.message, repaired
        suggestion = pasted.suggested(verdict.suggestion, truth)
        # What is said and what is suggested have to be about one slip, and of two explanations the
        # simpler one is likelier: a number that all elements differ by.
        if repaired is not None and found.kind in _PLAIN:
            simple = suggestion is not None and verdict.kind in (*_PLAIN, "axis", "elementwise")
        else:
            simple = suggestion is not None or repaired is None
        if not simple or (found.kind in _CERTAIN and verdict.kind == "path"):
            return found.kind, found.message, repaired
        if suggestion is None and ("∂" in verdict.message or verdict.kind in ("other", found.kind)):
            return verdict.kind, found.message, None
        return verdict.kind, _in_python(verdict.message), suggestion

    def _seen(self, one: Assigned) -> set[str]:
        """Return the names that the function has at a statement."""
        code = inspect.unwrap(self.backward).__code__
        here = one.place
        later = {o.name for o in self.run.assigned if o.first >= here and o.name != one.name}
        # In the place of dZ *= slope may not stand what that has changed as well: dZ = dA.
        whole = one.made and one.code != one.made[-1][1]
        if whole:
            start = one.history[0][0]
            later |= {o.name for o in self.run.assigned if o.history and o.history[-1][0] > start}
        return (set(code.co_varnames) & set(self.run.variables)) - later - {one.name}


def _in_python(message: str) -> str:
    """Write a message of the equation checker with Python's product and lengths."""
    text = message.replace(" ⊙ ", " * ").replace("the notes do not say", "nothing says")
    return re.sub(r"\bshape\((\w+)\)(?=\[)", r"\1.shape", text)


def _entry(one: Assigned) -> Assigned:
    """Return an entry of a dict with its own part of the text."""
    return replace(one, code=entry_text(one.code, one.name))


def _repeats(name: str, value: Any, plain: Mapping[str, Any]) -> bool:
    """Whether a dict holds under a name what the variable of that name is: that one is judged."""
    key = key_of(name)
    return key != name and key in plain and agree(plain[key], value)
