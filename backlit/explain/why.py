"""Why a gradient is zero, not a number, or large: the edge of the graph where it became so."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as onp

from backlit.core import tree
from backlit.core.errors import DifferentiationError
from backlit.core.evaluate import values as evaluate_all
from backlit.core.graph import Equation, Graph, Literal, Var, as_operand
from backlit.core.inlining import without_calls
from backlit.core.tracing import function_name, leaf_names
from backlit.explain.answers import Edge, Why, summary
from backlit.explain.causes import cause_of_size, cause_of_wrong, cause_of_zero
from backlit.explain.drawing.arrays import Facts
from backlit.explain.drawing.route import route_picture
from backlit.explain.flow import ArrayEdge, flow
from backlit.explain.formula import number
from backlit.explain.growth import Growth, steady_growth
from backlit.explain.names import find_array, require_floats
from backlit.explain.scalars import operand_values
from backlit.transforms import trace

_MOST_EDGES = 5
# In the picture: an edge has a way of its own.
_MOST_DRAWN = 3
_WRONG = "is not finite here"
# An edge that multiplies the largest gradient by less than this is not worth showing.
_NOTABLE = 1.5
# A single edge may owe its slope to the values that the steps made: they are named first unless it
# multiplies the gradient by this many times more than all of them.
_COMPARABLE = 10.0


def why_zero(f: Callable[..., Any], *args: Any, wrt: str | None = None) -> Why:
    """Find where the gradient of a loss with respect to an array becomes zero.

    Parameters
    ----------
    f : callable
        Returns one number, the loss.
    *args : trees of arrays
        Its arguments.
    wrt : str, optional
        Path of the array, as in `explain_weight`. By default every array whose gradient is zero
        throughout is asked about.

    Returns
    -------
    Why
        Its edges are those that receive a gradient from above and send none on: a relu that is off,
        a sigmoid in saturation, a factor of zero, an operation that is flat.

    Raises
    ------
    InputError
        If there is no such array.
    DifferentiationError
        If f does not return one real number.

    Examples
    --------
    >>> import backlit.numpy as np
    >>> why = why_zero(lambda w: np.maximum(w * 2.0, 0.0), -1.0)
    >>> why.holds, why.edges[0].operation
    (True, 'maximum')
    """
    question = _Question(f, args, wrt)
    question.names_whole = wrt is None
    found = question.flow
    asked = question.asked(lambda g: g is None or not onp.any(g))
    if wrt is None and asked:
        question.narrow(asked)
        found = question.flow
    names = question.names_of(asked or question.wrt)
    if not asked:
        return question.answer(False, f"the gradient with respect to {names} is not zero", ())
    if reason := question.never(asked):
        return question.answer(True, f"the gradient with respect to {names} is zero: {reason}", ())
    dying = [e for e in found.edges if _any(e.upstream) and not _any(e.contribution)]
    dying = list({(e.equation, e.slot): e for e in map(question.left_floats, dying)}.values())
    edges = tuple([question.edge(e, *cause_of_zero(*question.context(e))) for e in dying])
    if not edges:
        end = "contributions cancel exactly, or are too small to be represented"
        return question.answer(True, f"the gradient with respect to {names} is zero: {end}", ())
    first = edges[0]
    head = f"the gradient with respect to {names} is zero: it stops at {first.operation}"
    return question.answer(True, f"{head}{_place(first)}; {first.cause}", edges)


def why_nan(f: Callable[..., Any], *args: Any, wrt: str | None = None) -> Why:
    """Find where the loss or its gradient leaves the finite numbers.

    Parameters
    ----------
    f : callable
        Returns one number, the loss.
    *args : trees of arrays
        Its arguments.
    wrt : str, optional
        Path of the array, as in `explain_weight`; by default all arrays of floats.

    Returns
    -------
    Why
        Its first edge is the operation that reads finite numbers and makes others: on the way
        forward if there is one that the loss depends on, else on the way back.

    Raises
    ------
    InputError
        If there is no such array.
    DifferentiationError
        If f does not return one real number.

    Examples
    --------
    >>> import numpy, backlit.numpy as np
    >>> why = why_nan(lambda x: np.sum(np.sqrt(x)), numpy.array([4.0, 0.0]))
    >>> why.edges[0].operation, why.edges[0].contribution.wrong
    ('sqrt', 1)
    """
    question = _Question(f, args, wrt)
    found = question.flow
    asked = question.asked(lambda g: g is not None and not _finite(g))
    names = question.names_of(asked or question.wrt)
    forward = question.first_wrong()
    if forward is not None:
        equation, statement = forward
        edges = [e for e in found.edges if e.equation == equation]
        if not edges:
            return question.answer(True, statement, ())
        first = question.edge(edges[0], *cause_of_wrong(*question.context(edges[0])[:3], True))
        return question.answer(True, f"{statement}; {first.cause}", (first,), _WRONG)
    if not asked:
        text = f"the loss and its gradient with respect to {names} are finite"
        return question.answer(False, text, ())
    leaving = [
        e
        for e in found.edges
        if _finite(e.upstream) and e.contribution is not None and not _finite(e.contribution)
    ]
    edges_shown = tuple(
        [question.edge(e, *cause_of_wrong(*question.context(e)[:3], False)) for e in leaving]
    )
    head = f"the loss is finite, its gradient with respect to {names} is not"
    if not edges_shown:
        return question.answer(True, f"{head}: a sum of contributions overflows", ())
    first = edges_shown[0]
    text = f"{head}: the derivative of {first.operation}{_place(first)} is the first; {first.cause}"
    return question.answer(True, text, edges_shown, _WRONG)


def why_large(f: Callable[..., Any], *args: Any, wrt: str | None = None, above: float = 1.0) -> Why:
    """Find where the gradient grows on its way back.

    Parameters
    ----------
    f : callable
        Returns one number, the loss.
    *args : trees of arrays
        Its arguments.
    wrt : str, optional
        Path of the array, as in `explain_weight`; by default the one with the largest gradient.
    above : float
        The gradient counts as large if an element of it exceeds this, without its sign.

    Returns
    -------
    Why
        Its edges are those where the largest element of the gradient grows most, the strongest
        first. Several steps of one operation at each of which it grows are one edge, and the first
        if they account for as much as any single edge.

    Raises
    ------
    InputError
        If there is no such array.
    DifferentiationError
        If f does not return one real number.

    Examples
    --------
    >>> import backlit.numpy as np
    >>> why = why_large(lambda x: np.exp(x * 100.0), 0.1)
    >>> [edge.operation for edge in why.edges]
    ['exp', 'multiply']
    """
    question = _Question(f, args, wrt)
    sizes = {var: _largest(question.flow.gradients.get(var)) for var in question.wrt}
    var = max(question.wrt, key=lambda v: sizes[v])
    question.narrow([var])
    names = question.names_of([var])
    size = sizes[var]
    what = f"the largest element of the gradient with respect to {names} is {number(size)}"
    if not size > above:
        return question.answer(False, f"{what}, not above {number(above)}", ())
    edges_back = question.flow.edges
    gains = [(gain, e) for e in edges_back if (gain := _gain(e, e)) > _NOTABLE]
    gains.sort(key=lambda pair: -pair[0])
    growth = steady_growth(question.graph, edges_back, _gain, _NOTABLE)
    along = () if growth is None or growth.total**2 < gains[0][0] else growth.edges
    single = [pair for pair in gains if not any(pair[1] is e for e in along)]
    edges = [question.edge(e, *cause_of_size(*question.context(e), gain)) for gain, e in single]
    if not gains:
        return question.answer(True, f"{what}: many contributions add up", ())
    first = edges[0] if edges else None
    most = f"at {first.operation}{_place(first)}" if first is not None else ""
    text = f"{what}: it grows most {most}; {first.cause}" if first is not None else what
    if growth is not None and along:
        one = along[0]
        step = question.edge(one, *cause_of_size(*question.context(one), _gain(one, one)))
        leads = not single or _COMPARABLE * growth.total >= single[0][0]
        edges.insert(0 if leads else 1, replace(step, count=len(along)))
        steadily = question.steady(growth)
        if not leads:
            text = f"{text}; besides, it grows {steadily}"
        else:
            other = f", and {number(single[0][0])} times {most}" if single else ""
            text = f"{what}: it grows {steadily}{other}"
            question.drawn.insert(0, question.drawn.pop())
    return question.answer(True, text, tuple(edges), "grows here")


class _Question:
    """A loss, its values and its backward pass."""

    def __init__(self, f: Callable[..., Any], args: tuple[Any, ...], wrt: str | None) -> None:
        self.function = function_name(f)
        leaves, _ = tree.flatten(args)
        paths = leaf_names(f, args)
        with onp.errstate(all="ignore"):
            self.graph = without_calls(trace(f)(*args)).pruned()
            if wrt is None:
                require_floats(self.function, paths, leaves)
            _require_number(self.graph, self.function)
            self.values = evaluate_all(self.graph, [as_operand(leaf) for leaf in leaves])
        self.names = dict(self.graph.names())
        inputs = self.graph.inputs[: len(leaves)]
        self.names.update(zip(inputs, paths, strict=True))
        if wrt is None:
            self.wrt = [v for v in inputs if v.aval.dtype.kind == "f"]
        else:
            self.wrt = [inputs[find_array(f, paths, leaves, wrt, floats=False)]]
        self.flow = flow(self.graph, self.values, self.wrt)
        self.drawn: list[ArrayEdge] = []
        self.whole = [v for v in inputs if v.aval.dtype.kind in "biu"]
        self.names_whole = False

    def left_floats(self, edge: ArrayEdge) -> ArrayEdge:
        """Return the edge at which the way back to the inputs meets floats again.

        That of a comparison or argmax for an edge that reads what it made; else the edge itself.
        """
        made = {var: k for k, e in enumerate(self.graph.equations) for var in e.outputs}
        result, operand = edge.result, edge.operand
        active = [
            a.aval.dtype.kind
            for a in self.graph.equations[edge.equation].inputs
            if isinstance(a, Var) and a in self.flow.active
        ]
        if "f" in active:
            return edge
        number, slot = edge.equation, edge.slot
        while operand.aval.dtype.kind != "f" and operand in made:
            number, result = made[operand], operand
            inputs = self.graph.equations[number].inputs
            reached = [
                k for k, a in enumerate(inputs) if isinstance(a, Var) and a in self.flow.active
            ]
            if not reached:
                return edge
            floats = [k for k in reached if inputs[k].aval.dtype.kind == "f"]
            slot = (floats or reached)[0]
            operand = inputs[slot]  # type: ignore[assignment]
        if number == edge.equation:
            return edge
        upstream = onp.broadcast_to(0.0, result.aval.shape)
        if onp.shape(edge.upstream) == result.aval.shape:
            upstream = edge.upstream
        return ArrayEdge(number, slot, operand, result, upstream, None)

    def narrow(self, wrt: list[Var]) -> None:
        """Ask about these inputs only."""
        self.wrt = wrt
        self.flow = flow(self.graph, self.values, wrt)

    def asked(self, test: Callable[[Any], bool]) -> list[Var]:
        """Return the inputs whose gradient (or None) passes a test."""
        return [var for var in self.wrt if test(self.flow.gradients.get(var))]

    def names_of(self, inputs: list[Var]) -> str:
        names = [self.names[var] for var in inputs]
        if len(names) > 4:
            return f"{', '.join(names[:3])} and {len(names) - 3} more"
        return ", ".join(names)

    def without_gradient(self) -> str:
        """Say which inputs can have no gradient, or return ""."""
        if not self.names_whole or not self.whole:
            return ""
        kinds = " and ".join(dict.fromkeys([str(var.aval.dtype) for var in self.whole]))
        verb = "holds" if len(self.whole) == 1 else "hold"
        held = f"{self.names_of(self.whole)} {verb} {kinds}"
        return f"; {held}, and only floating-point numbers have gradients"

    def never(self, asked: list[Var]) -> str:
        """Say why no gradient could ever arrive, or return ""."""
        var = asked[0]
        kind = var.aval.dtype
        if kind.kind != "f":
            return f"it holds {kind}, and only floating-point numbers have gradients"
        used = any(var in e.inputs for e in self.graph.equations)
        loss = self.graph.outputs[0]
        if not used and loss is not var:
            return f"{self.function} does not use it in computing the loss"
        return ""

    def context(self, edge: ArrayEdge) -> tuple[Equation, int, list[Any], Any]:
        """Return what the words for an edge depend on: equation, slot, operands and result."""
        equation = self.graph.equations[edge.equation]
        return equation, edge.slot, operand_values(equation, self.values), self.values[edge.result]

    def edge(self, edge: ArrayEdge, cause: str, fix: str) -> Edge:
        equation = self.graph.equations[edge.equation]
        source = equation.source
        result, operand = self.names[edge.result], self.names[edge.operand]
        others = [
            summary("a constant" if isinstance(a, Literal) else self.names[a], value)
            for k, (a, value) in enumerate(zip(equation.inputs, self.context(edge)[2], strict=True))
            if k != edge.slot
        ]
        self.drawn.append(edge)
        sent = edge.contribution
        if sent is None:
            sent = onp.zeros(edge.operand.aval.shape)
        return Edge(
            operation=equation.primitive.name,
            operand=summary(operand, self.values[edge.operand]),
            result=summary(result, self.values[edge.result]),
            others=tuple(others),
            upstream=summary(f"∂L/∂{result}", edge.upstream),
            contribution=summary(f"∂L/∂{operand}", sent),
            cause=cause,
            fix=fix,
            source="" if source is None else f"{os.path.basename(source.file)}:{source.line}",
            code="" if source is None else source.text(),
        )

    def steady(self, growth: Growth) -> str:
        """Say where a gradient grows step by step."""
        sources = [self.graph.equations[e.equation].source for e in growth.edges]
        lines = [f"{os.path.basename(s.file)}:{s.line}" for s in sources if s is not None]
        place = " to ".join(dict.fromkeys([lines[-1], lines[0]])) if lines else ""
        return (
            f"steadily, about {growth.each:.3g} times at each of {len(growth.edges)} steps of "
            f"{growth.operation}{place and f' ({place})'}, {growth.total:.3g} times in all"
        )

    def first_wrong(self) -> tuple[int, str] | None:
        """Return the first operation the loss depends on that left the finite numbers."""
        loss = self.graph.outputs[0]
        if isinstance(loss, Literal) or _finite(self.values[loss]):
            return None
        for var in self.graph.inputs:
            if not _finite(self.values[var]):
                return -1, f"the loss is not finite, because its input {self.names[var]} is not"
        for k, equation in enumerate(self.graph.equations):
            wrong = [v for v in equation.outputs if not _finite(self.values[v])]
            if wrong:
                source = equation.source
                line = "" if source is None else f" ({os.path.basename(source.file)}:{source.line})"
                made = f"{equation.primitive.name} makes {self.names[wrong[0]]}{line}"
                return k, f"the loss is not finite: {made}, the first result that is not"
        return None

    def facts(self) -> Facts:
        """Return what is written on the boxes of a picture, under the names of the answer."""
        facts = Facts(self.flow)
        own = {var: name for var, name in self.names.items() if var is not facts.result}
        facts.names.update(own)
        return facts

    def answer(
        self, holds: bool, statement: str, edges: tuple[Edge, ...], said: str = "stops here"
    ) -> Why:
        merged = _merged(edges)
        picture = None
        if holds and self.drawn:
            title = f"Where the gradient of {self.function} {said.split(' here')[0]}"
            shown = self.drawn[:_MOST_DRAWN]
            with onp.errstate(all="ignore"):
                picture = route_picture(self.facts(), shown, self.wrt, title, said)
        edges = merged[:_MOST_EDGES]
        names = tuple([self.names[var] for var in self.wrt])
        text = statement[0].upper() + statement[1:] + self.without_gradient()
        more = len(merged) - len(edges)
        return Why(self.function, names, holds, edges, more, f"{text}.", picture)


def _require_number(graph: Graph, function: str) -> None:
    avals = [atom.aval for atom in graph.outputs]
    if len(avals) == 1 and avals[0].shape == () and avals[0].dtype.kind in "biu":
        raise DifferentiationError(
            f"{function} has to return one real number, the loss; it returns {avals[0].dtype}, "
            "which jumps and has no slope",
            fix="return a float that changes smoothly: the cross entropy, not a count of hits",
        )
    if len(avals) != 1 or avals[0].shape != () or avals[0].dtype.kind != "f":
        raise DifferentiationError(
            f"{function} has to return one real number, the loss",
            fix="wrap it: lambda *args: f(*args)[0], or sum or average an array",
        )


def _merged(edges: tuple[Edge, ...]) -> tuple[Edge, ...]:
    """Return one edge for all steps of a loop: the first, with their number."""
    groups: dict[tuple[str, ...], list[Edge]] = {}
    for edge in edges:
        # The names of a loop's variables are numbered: h, h_2, h_3.
        names = [re.sub(r"_\d+$|^t\d+$", "", one.name) for one in (edge.operand, edge.result)]
        key = (edge.operation, edge.source, edge.code, *names)
        groups.setdefault(key if edge.source else (str(len(groups)),), []).append(edge)
    return tuple([replace(g[0], count=sum(edge.count for edge in g)) for g in groups.values()])


def _place(edge: Edge) -> str:
    return f" ({edge.source})" if edge.source else ""


def _any(value: Any) -> bool:
    return value is not None and bool(onp.any(value))


def _finite(value: Any) -> bool:
    array = onp.asarray(value)
    return array.dtype.kind != "f" or bool(onp.isfinite(array).all())


def _gain(first: ArrayEdge, last: ArrayEdge) -> float:
    """Return how many times as large what one edge sends on is as what arrives at another."""
    before = _largest(first.upstream)
    return _largest(last.contribution) / before if before > 0 else 0.0


def _largest(value: Any) -> float:
    return 0.0 if value is None or not onp.size(value) else float(onp.max(onp.abs(value)))
