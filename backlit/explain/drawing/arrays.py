"""What is written on the boxes and edges of a graph of arrays."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as onp

from backlit.core.graph import Atom, Equation, Graph, Literal, Var
from backlit.explain.document import Box
from backlit.explain.drawing.measure import shortened
from backlit.explain.entries import local_derivatives
from backlit.explain.equation.tree import Name
from backlit.explain.flow import ArrayEdge, Flow
from backlit.explain.formula import array_rule, number, plain
from backlit.explain.names import array_names
from backlit.explain.scalars import operand_values

# Characters in one line.
_MOST = 30
_MOST_NAME = 18
_MOST_CHIP = 22
_SMALL = 3
_INFIX = {
    "add": "+",
    "subtract": "-",
    "multiply": "·",
    "divide": "/",
    "matmul": "@",
    "power": "^",
    "less": "<",
    "less_equal": "≤",
    "greater": ">",
    "greater_equal": "≥",
    "equal": "=",
    "not_equal": "≠",
}
_AROUND = {"square": "{}²", "negative": "-{}", "absolute": "|{}|"}
# What the reverse of an operation that only moves or adds does with what arrives.
_UNDONE = {
    "sum": "to each element",
    "broadcast_to": "summed up",
    "reshape": "reshaped back",
    "transpose": "transposed back",
    "getitem": "put back in place",
    "concatenate": "its part",
    "astype": "converted back",
    "pad": "its part",
}

Unit = Var | int


class Facts:
    """Names, values and gradients of a graph.

    A unit is what gets a box: an input, or an operation by its number.

    Parameters
    ----------
    flow : Flow
        The graph with all values and its backward pass.
    given : bool
        Whether the gradient of the result came from outside, so that the result is no loss.
    """

    def __init__(self, flow: Flow, given: bool = False) -> None:
        self.graph: Graph = flow.graph
        self.flow = flow
        self.names = array_names(flow.graph)
        result = flow.graph.outputs[0]
        self.result = result if isinstance(result, Var) else None
        self.target = next(s for s in ("L", "J", "loss") if s not in self.names.values())
        if self.result is not None and not given and not self.result.aval.shape:
            if re.fullmatch(r"t\d+", self.names[self.result]):
                self.names[self.result] = self.target
            self.target = self.names[self.result]
        self.home: dict[Var, Unit] = {var: var for var in self.graph.inputs}
        for k, equation in enumerate(self.graph.equations):
            self.home.update(dict.fromkeys(equation.outputs, k))
        self.sent: dict[tuple[int, int], ArrayEdge] = {(e.equation, e.slot): e for e in flow.edges}

    # --- names --------------------------------------------------------------------------------

    def name(self, atom: Atom) -> str:
        """Return what an operand is called: its name, or the number it is."""
        if isinstance(atom, Literal):
            value = onp.asarray(atom.value)
            return number(value.item()) if value.size == 1 and value.dtype.kind in "fiub" else "…"
        return shortened(self.names[atom], _MOST_NAME)

    def var(self, unit: Unit) -> Var:
        """Return the array that a unit stands for, of several results the first."""
        return self.graph.equations[unit].outputs[0] if isinstance(unit, int) else unit

    def slope(self, name: str) -> str:
        """Return the name of a gradient."""
        return f"∂{self.target}/∂{name}"

    # --- boxes --------------------------------------------------------------------------------

    def boxes(self, unit: Unit) -> tuple[Box, Box]:
        """Return the box of a unit on the way forward and on the way back."""
        var = self.var(unit)
        name, value = self.name(var), self.flow.values[var]
        kind = "result" if var is self.result else "operation" if isinstance(unit, int) else "input"
        lines = [name, summary_line(value)]
        about = f"{self.names[var]}: {summary_line(value)}"
        if isinstance(unit, int):
            equation = self.graph.equations[unit]
            said = self.operation(equation)
            lines.insert(1, said)
            if taken := self.taken(equation):
                lines.insert(2, taken)
            if len(equation.outputs) > 1:
                lines.append(f"and {len(equation.outputs) - 1} more")
            about = f"{self.names[var]} = {said}: {summary_line(value)}"
            about += f", {taken}" if taken else ""
            if equation.source is not None:
                about += f" ({equation.source.line}: {equation.source.text()})"
        forward = Box(tuple(lines), kind, about=about)
        gradient = self.flow.gradients.get(var)
        if gradient is None:
            gone = f"no gradient arrives at {self.names[var]}"
            return forward, Box((name, "no gradient"), kind, faint=True, about=gone)
        slope, line = self.slope(name), summary_line(gradient)
        parts = sum(e.operand is var and e.contribution is not None for e in self.leaving(var))
        told = f"{self.slope(self.names[var])} = {line}"
        lines = [slope, line]
        if parts > 1:
            lines.append(f"sum of {parts:,} contributions")
            told += f", the sum of {parts:,} contributions"
        return forward, Box(tuple(lines), kind, about=told)

    def leaving(self, var: Var) -> Sequence[ArrayEdge]:
        """Return what comes back to an array, by its uses."""
        return self._uses.get(var, ())

    @cached_property
    def _uses(self) -> dict[Var, list[ArrayEdge]]:
        found: dict[Var, list[ArrayEdge]] = {}
        for edge in self.flow.edges:
            found.setdefault(edge.operand, []).append(edge)
        return found

    @cached_property
    def sizes(self) -> dict[Unit, float]:
        """The largest element of each unit's gradient, without its sign."""
        found: dict[Unit, float] = {}
        for var, gradient in self.flow.gradients.items():
            size = float(onp.max(onp.abs(gradient))) if onp.size(gradient) else 0.0
            unit = self.home[var]
            found[unit] = max(size, found.get(unit, 0.0))
        return found

    def operation(self, equation: Equation) -> str:
        """Return an operation as it could be written."""
        names = [self.name(atom) for atom in equation.inputs]
        op = equation.primitive.name
        if op in _INFIX and len(names) == 2:
            text = f"{names[0]} {_INFIX[op]} {names[1]}"
        elif op in _AROUND:
            text = _AROUND[op].format(names[0])
        elif op == "integer_power":
            text = f"{names[0]}^{equation.params['n']}"
        else:
            text = f"{op}({', '.join(names)})"
        return shortened(text, _MOST)

    def taken(self, equation: Equation) -> str:
        """Say which branch an operation took that chooses between several, or return ""."""
        op, test = equation.primitive.name, equation.inputs[0] if equation.inputs else None
        if op not in ("where", "cond") or test is None:
            return ""
        value = onp.asarray(operand_values(equation, self.flow.values)[0])
        if not value.size:
            return ""
        yes = int(onp.count_nonzero(value))
        if op == "cond":
            said = f"took the branch for {'true' if yes else 'false'}"
            return f"{said}: {self._condition(test)}"
        first, second = [self.name(atom) for atom in equation.inputs[1:]]
        if yes in (0, value.size):
            everywhere = "" if value.size == 1 else " everywhere"
            return f"took {first if yes else second}{everywhere}"
        return f"took {first} at {yes:,} of {value.size:,}, else {second}"

    def _condition(self, atom: Atom) -> str:
        """Return a comparison as it is written, through the conversions that follow it."""
        while isinstance(atom, Var) and isinstance(self.home[atom], int):
            equation = self.graph.equations[self.home[atom]]  # type: ignore[index]
            name = equation.primitive.name
            zero = len(equation.inputs) == 2 and isinstance(equation.inputs[1], Literal)
            if name != "astype" and not (name == "not_equal" and zero):
                text = self.operation(equation)
                yes = bool(onp.any(self.flow.values[atom]))
                return text if yes else f"not {text}"
            atom = equation.inputs[0]
        return self.name(atom)

    # --- edges --------------------------------------------------------------------------------

    def chips(self, place: int, slot: int) -> tuple[Box, Box]:
        """Return what is written on an edge: the local derivative, and what is sent back."""
        equation = self.graph.equations[place]
        operand, result = equation.inputs[slot], equation.outputs[0]
        x, y = self.name(operand), self.name(result)
        local = f"∂{y}/∂{x}"
        edge = self.sent.get((place, slot))
        if edge is None or edge.contribution is None:
            nothing = f"no gradient leaves {self.names[result]} by {equation.primitive.name}"
            return (
                Box((f"{local}: none",), "local", faint=True, about=nothing),
                Box(("nothing",), "local", faint=True, about=nothing),
            )
        upstream = self.slope(self.name(edge.result))
        sent = summary_line(edge.contribution)
        args = operand_values(equation, self.flow.values)
        outs = [self.flow.values[var] for var in equation.outputs]
        if onp.size(args[slot]) == 1 and all(onp.size(out) == 1 for out in outs):
            return self._single(equation, slot, args, outs, edge, local)
        formula = self._formula(equation, slot, args, outs[0])
        if formula is None:
            ahead, back = self._moved(equation, slot, upstream)
            forward: tuple[str, ...] = (shortened(f"{local}: {ahead}", _MOST),)
            backward: tuple[str, ...] = (shortened(back, _MOST), sent)
        else:
            forward = _equal(local, formula)
            total = ", summed" if onp.shape(args[slot]) != onp.shape(outs[0]) else ""
            product = upstream if formula == "1" else f"{upstream} · {local}"
            backward = (shortened(f"{product}{total}", _MOST + 4), sent)
        said = f"{self.slope(self.names[result])} sends back to {x}: {sent}"
        return Box(forward, "local"), Box(backward, "local", about=said)

    def _single(
        self,
        equation: Equation,
        slot: int,
        args: Sequence[Any],
        outs: Sequence[Any],
        edge: ArrayEdge,
        local: str,
    ) -> tuple[Box, Box]:
        """Return both chips of an edge between two numbers."""
        entries = local_derivatives(equation, args, outs, slot, onp.zeros(1, onp.intp))
        factor = float(sum(part.values.sum() for part in entries))
        formula = self._formula(equation, slot, args, outs[0]) or ""
        upstream, sent = float(onp.sum(edge.upstream)), float(onp.sum(edge.contribution))
        head = f"{self.slope(self.name(edge.result))} · {local}"
        return (
            Box(local_lines(local, formula, factor), "local"),
            Box(product_lines(head, upstream, factor, sent), "local"),
        )

    def _formula(self, equation: Equation, slot: int, args: Sequence[Any], out: Any) -> str | None:
        """Return the local derivative of an elementwise operation in the names of arrays."""
        atoms = [*equation.inputs, equation.outputs[0]]
        if equation.primitive.family != "elementwise":
            return None
        names = [Name(self.name(atom)) for atom in atoms]
        node = array_rule(equation, args, out, slot, names)
        text = "" if node is None else plain(node)
        if text and len(text) <= _MOST:
            return text
        return f"{equation.primitive.name}′({self.name(equation.inputs[slot])})"

    def _moved(self, equation: Equation, slot: int, upstream: str) -> tuple[str, str]:
        """Say what an operation that is not elementwise does to a change, and to a gradient."""
        op = equation.primitive.name
        if op != "matmul":
            return op, f"{upstream}, {_UNDONE.get(op, f'through {op}')}"
        other = self.name(equation.inputs[1 - slot])
        ranks = [len(atom.aval.shape) for atom in equation.inputs]
        if slot == 0:
            back = f"{upstream} {other}ᵀ" if ranks[1] == 1 else f"{upstream} @ {other}ᵀ"
            return f"· @ {other}", back
        return f"{other} @ ·", f"{other}ᵀ @ {upstream}"


def local_lines(local: str, formula: str, value: float) -> tuple[str, ...]:
    """Return a local derivative in at most three short lines.

    Parameters
    ----------
    local : str
        Its name: ``∂y/∂x``.
    formula : str
        "" for none.
    value : float

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> local_lines("∂a/∂z", "a·(1 - a)", 0.25), local_lines("∂z/∂b", "", 1.0)
    (('∂a/∂z = a·(1 - a)', '= 0.25'), ('∂z/∂b = 1',))
    """
    if not formula or formula == number(value):
        return _equal(local, _short(value))
    return (*_equal(local, shortened(formula, _MOST)), f"= {_short(value)}")


def product_lines(head: str, upstream: float, local: float, contribution: float) -> tuple[str, ...]:
    """Return upstream · local = contribution, in symbols if they are short, and in numbers.

    Parameters
    ----------
    head : str
        The symbols.
    upstream, local, contribution : float

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> product_lines("∂L/∂z · ∂z/∂x", 2.0, -4.0, -8.0)
    ('∂L/∂z · ∂z/∂x', '2 · (-4) = -8')
    """
    factor = f"({_short(local)})" if local < 0 else _short(local)
    numbers = _equal(f"{_short(upstream)} · {factor}", _short(contribution))
    return (head, *numbers) if len(head) <= _MOST_CHIP else numbers


def _equal(left: str, right: str) -> tuple[str, ...]:
    """Return an equation in one line if it is short, else in two."""
    whole = f"{left} = {right}"
    return (whole,) if len(whole) <= _MOST_CHIP else (left, f"= {right}")


def _short(value: float) -> str:
    """Return a number with four digits: on the edges there is little room."""
    return f"{value + 0.0:.4g}"


def summary_line(value: Any) -> str:
    """Return an array in one short line.

    Parameters
    ----------
    value : array

    Returns
    -------
    str

    Examples
    --------
    >>> summary_line(0.5), summary_line(onp.array([1.0, -2.5]))
    ('0.5', '[1, -2.5]')
    >>> summary_line(onp.linspace(-1.0, 1.0, 12).reshape(3, 4))
    '3×4, from -1 to 1'
    """
    array = onp.asarray(value)
    if array.size == 1 and array.dtype.kind in "fiub":
        return number(array.item())
    shape = "×".join(map(str, array.shape))
    if array.dtype.kind not in "fiub" or not array.size:
        return f"{shape} {array.dtype}"
    if array.ndim == 1 and array.size <= _SMALL:
        return f"[{', '.join([f'{v:.5g}' for v in array.astype(float)])}]"
    good = array[onp.isfinite(array)]
    if good.size < array.size:
        return f"{shape}, {array.size - good.size:,} not finite"
    low, high = float(array.min()), float(array.max())
    return f"{shape}, all {low:.4g}" if low == high else f"{shape}, from {low:.4g} to {high:.4g}"
