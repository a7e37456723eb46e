"""The rules a graph must obey, as tables; a failure shows where."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as onp

from backlit.core.aval import AbstractValue
from backlit.core.errors import GraphError
from backlit.core.graph import Equation, Graph, Literal, Var
from backlit.core.primitive import registry

_State = set[Var]
Rule = tuple[str, Callable[[Equation, _State], bool]]

_NUMERIC = "biufc"
_MAX_RANK = 64  # NumPy's
_INT64 = 2**63

# --- operands and parameters ------------------------------------------------------------------


def _is_array(aval: AbstractValue) -> bool:
    """Tell whether NumPy could hold such an array, given the memory."""
    fits = len(aval.shape) <= _MAX_RANK and aval.nbytes < _INT64
    weak = aval.weak and (aval.shape != () or aval.dtype.kind not in "bif")
    return fits and aval.dtype.kind in _NUMERIC and not weak


def _is_constant(value: Any) -> bool:
    if isinstance(value, (onp.ndarray, onp.generic)):
        return value.dtype.kind in _NUMERIC
    if type(value) is int:
        return -_INT64 <= value < 2 * _INT64
    return type(value) in (bool, float)


def _is_parameter(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(_is_parameter(part) and not isinstance(part, Graph) for part in value) or all(
            isinstance(part, Graph) for part in value
        )
    return value is None or _is_constant(value) or isinstance(value, (str, onp.dtype, Graph))


@functools.lru_cache(maxsize=1024)
def _signature(impl: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(impl)


def _call_fits(equation: Equation, _: _State) -> bool:
    """Compare with the call that evaluates: an operand too many could mean ``out=`` to NumPy."""
    primitive, operands = equation.primitive, len(equation.inputs)
    if primitive.partials and operands != len(primitive.partials):
        return False
    if isinstance(primitive.impl, onp.ufunc):
        return operands == primitive.impl.nin and not equation.params
    try:
        _signature(primitive.impl).bind(*equation.inputs, **equation.params)
    except TypeError:
        return False
    return True


def _integer(value: Any, low: int, end: int = _INT64) -> bool:
    return type(value) is int and low <= value < end


def _axes_exist(axes: Any, avals: Sequence[AbstractValue], equation: Equation) -> bool:
    rank = avals[0].ndim
    if not isinstance(axes, tuple) or not all(_integer(k, 0, rank) for k in axes):
        return False
    # A view that names axes permutes or reverses them: it keeps their number.
    kept = not equation.primitive.view or equation.outputs[0].aval.ndim == rank
    return len(set(axes)) == len(axes) and kept


def _shape_possible(shape: Any, avals: Sequence[AbstractValue], _: Equation) -> bool:
    extents = isinstance(shape, tuple) and all(_integer(n, 0) for n in shape)
    return extents and _is_array(AbstractValue(shape, onp.dtype(onp.int8)))


def _widths_fit(width: Any, avals: Sequence[AbstractValue], _: Equation) -> bool:
    return (
        isinstance(width, tuple)
        and len(width) == avals[0].ndim
        and all(
            isinstance(pair, tuple) and len(pair) == 2 and all(_integer(n, 0) for n in pair)
            for pair in width
        )
    )


def _spec_fits(spec: Any, avals: Sequence[AbstractValue], _: Equation) -> bool:
    """Check an explicit einsum of the operands: one letter per axis, lengths that agree."""
    ins, arrow, out = spec.partition("->") if isinstance(spec, str) else ("", "", "")
    terms = ins.split(",")
    if not arrow or [len(t) for t in terms] != [a.ndim for a in avals]:
        return False
    lengths: dict[str, set[int]] = {}
    for term, aval in zip(terms, avals, strict=True):
        own: dict[str, int] = {}
        for letter, extent in zip(term, aval.shape, strict=True):
            if not ("a" <= letter <= "z" or "A" <= letter <= "Z"):
                return False
            if own.setdefault(letter, extent) != extent:
                return False
            lengths.setdefault(letter, set()).add(extent)
    agree = all(len(found - {1}) <= 1 for found in lengths.values())
    return agree and len(set(out)) == len(out) and set(out) <= set(lengths)


def _index_well_formed(parts: Any, avals: Sequence[AbstractValue], _: Equation) -> bool:
    """Check the static part of an index; `backlit.ops.indexing` says what the parts mean."""
    arrays = 0
    for part in parts if isinstance(parts, tuple) else ((),):
        kind, *rest = part if isinstance(part, tuple) and part else ("?",)
        if kind == "a" and rest == [arrays] and type(rest[0]) is int:
            arrays += 1
        elif kind == "s" and len(rest) == 3 and rest[2] != 0:
            if not all(k is None or _integer(k, -_INT64) for k in rest):
                return False
        elif not (kind == "i" and len(rest) == 1 and _integer(rest[0], -_INT64)) and (
            kind not in ("n", "e") or rest
        ):
            return False
    return arrays <= len(avals)


# A parameter of one of these names means the same whichever primitive has it.
PARAMETERS: dict[str, Callable[[Any, Sequence[AbstractValue], Equation], bool]] = {
    "axis": lambda axis, avals, _: _integer(axis, 0, min(a.ndim for a in avals)),
    "axes": _axes_exist,
    "shape": _shape_possible,
    "dtype": lambda dtype, *_: isinstance(dtype, onp.dtype) and dtype.kind in _NUMERIC,
    "n": lambda n, *_: _integer(n, -_INT64),
    "width": _widths_fit,
    "spec": _spec_fits,
    "parts": _index_well_formed,
}


def _parameters_fit(equation: Equation, _: _State) -> bool:
    avals = [a.aval for a in equation.inputs]
    return all(
        _is_parameter(value)
        and (name not in PARAMETERS or PARAMETERS[name](value, avals, equation))
        for name, value in equation.params.items()
    )


# --- control flow -----------------------------------------------------------------------------

Avals = Sequence[AbstractValue]


def _agree(left: Avals, right: Avals) -> bool:
    return [(a.shape, a.dtype) for a in left] == [(a.shape, a.dtype) for a in right]


def _takes(graph: Graph, operands: Avals) -> bool:
    return _agree([var.aval for var in graph.inputs], operands)


def _returns(graph: Graph) -> list[AbstractValue]:
    return [a.aval for a in graph.outputs]


def _call_graph_fits(equation: Equation, *, graph: Any) -> bool:
    return isinstance(graph, Graph) and _takes(graph, [a.aval for a in equation.inputs])


def _branches_fit(equation: Equation, *, branches: Any) -> bool:
    if not isinstance(branches, tuple) or not branches or not equation.inputs:
        return False
    if not all(isinstance(branch, Graph) for branch in branches):
        return False
    index, *operands = equation.inputs
    if index.aval.shape != () or index.aval.dtype.kind not in "biu":
        return False
    if isinstance(index, Literal) and not 0 <= int(index.value) < len(branches):
        return False
    avals = [a.aval for a in operands]
    return all(_takes(b, avals) and _agree(_returns(b), _returns(branches[0])) for b in branches)


def _scan_fits(
    equation: Equation, *, body: Any, carries: Any, xs: Any, length: Any, reverse: Any
) -> bool:
    avals = [a.aval for a in equation.inputs]
    sizes = _integer(carries, 0) and _integer(xs, 0) and _integer(length, 0)
    if not sizes or type(reverse) is not bool or not isinstance(body, Graph):
        return False
    if carries + xs > len(avals) or carries > len(body.outputs):
        return False
    columns = avals[carries : carries + xs]
    if any(column.shape[:1] != (length,) for column in columns):
        return False
    slices = [AbstractValue(column.shape[1:], column.dtype) for column in columns]
    return _takes(body, [*avals[:carries], *slices, *avals[carries + xs :]]) and _agree(
        _returns(body)[:carries], avals[:carries]
    )


def _while_fits(equation: Equation, *, test: Any, body: Any, tests: Any, bodies: Any) -> bool:
    avals = [a.aval for a in equation.inputs]
    if not (_integer(tests, 0) and _integer(bodies, 0) and tests + bodies <= len(avals)):
        return False
    if not isinstance(test, Graph) or not isinstance(body, Graph):
        return False
    carry = avals[tests + bodies :]
    answer = _returns(test)
    return (
        _takes(test, [*avals[:tests], *carry])
        and _takes(body, [*avals[tests : tests + bodies], *carry])
        and _agree(_returns(body), carry)
        and [(a.shape, a.dtype.kind) for a in answer] == [((), "b")]
    )


# Which rule holds is read off the parameters, so that a primitive need not be known by name.
CONTROL: dict[frozenset[str], Callable[..., bool]] = {
    frozenset({"graph"}): _call_graph_fits,
    frozenset({"branches"}): _branches_fit,
    frozenset({"body", "carries", "xs", "length", "reverse"}): _scan_fits,
    frozenset({"test", "body", "tests", "bodies"}): _while_fits,
}


def _graphs_fit(equation: Equation, _: _State) -> bool:
    check = CONTROL.get(frozenset(equation.params))
    return check is None or check(equation, **equation.params)


# --- equations --------------------------------------------------------------------------------


def _types_agree(equation: Equation, _: _State) -> bool:
    expected = equation.primitive.abstract(*[a.aval for a in equation.inputs], **equation.params)
    if not equation.primitive.multi:
        expected = (expected,)
    return _agree(expected, [var.aval for var in equation.outputs])


def _numbers_of_numbers(equation: Equation, _: _State) -> bool:
    """Check that no result is weaker in type promotion than the rule says; it may be stronger."""
    if not any(var.aval.weak for var in equation.outputs):
        return True
    expected = equation.primitive.abstract(*[a.aval for a in equation.inputs], **equation.params)
    if not equation.primitive.multi:
        expected = (expected,)
    return all(a.weak or not v.aval.weak for a, v in zip(expected, equation.outputs, strict=True))


RULES: tuple[Rule, ...] = (
    (
        "the primitive is registered",
        lambda e, _: registry.get(e.primitive.name) is e.primitive,
    ),
    (
        "every literal is a number or an array of numbers",
        lambda e, _: all(_is_constant(a.value) for a in e.inputs if isinstance(a, Literal)),
    ),
    (
        "every operand is a literal or was defined before",
        lambda e, seen: all(isinstance(a, Literal) or a in seen for a in e.inputs),
    ),
    (
        "every result is defined once",
        lambda e, seen: len(set(e.outputs)) == len(e.outputs) and seen.isdisjoint(e.outputs),
    ),
    ("every result is an array", lambda e, _: all(_is_array(var.aval) for var in e.outputs)),
    ("a primitive of one result has one", lambda e, _: e.primitive.multi or len(e.outputs) == 1),
    ("the primitive takes these operands and parameters", _call_fits),
    ("the parameters fit the operands", _parameters_fit),
    ("branches and bodies take and return what the equation does", _graphs_fit),
    ("shapes and types are what the primitive's rule says", _types_agree),
    ("a Python number is made of Python numbers alone", _numbers_of_numbers),
)


def verify(graph: Graph) -> None:
    """Check a graph against every rule.

    Parameters
    ----------
    graph : Graph

    Raises
    ------
    GraphError
        Naming the rule, the neighbouring equations and the user's line.

    Examples
    --------
    >>> import backlit as bl
    >>> verify(bl.trace(lambda x: x + 1.0)(2.0))
    """
    problem = next(_problems(graph), None)
    if problem is None:
        for inner in graph.subgraphs():
            verify(inner)
        return
    index, rule = problem
    where = None
    context = ""
    if index is not None:
        where = graph.equations[index].source
        context = "".join(
            f"\n  {'>' if k == index else ' '} {_brief(graph.equations[k])}"
            for k in range(max(0, index - 2), min(len(graph.equations), index + 3))
        )
    raise GraphError(f"graph {graph.name} breaks a rule: {rule}{context}", where=where)


def _problems(graph: Graph) -> Iterator[tuple[int | None, str]]:
    seen: _State = set(graph.inputs)
    if len(seen) != len(graph.inputs):
        yield None, "inputs are distinct"
    if not all(_is_array(var.aval) for var in graph.inputs):
        yield None, "every input is an array"
    for index, equation in enumerate(graph.equations):
        for rule, holds in RULES:
            try:
                held = holds(equation, seen)
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
                raise GraphError(
                    f"graph {graph.name} breaks a rule: {rule}\n  > {_brief(equation)}: {error}",
                    where=equation.source,
                ) from None
            if not held:
                yield index, rule
        origin = equation.provenance
        if origin is not None and not -1 <= origin.equation < index:
            yield index, "provenance names an earlier equation"
        if origin is not None and origin.equation >= 0:
            if not graph.equations[origin.equation].outputs:
                yield index, "provenance names an equation with a result"
        seen.update(equation.outputs)
    for atom in graph.outputs:
        if isinstance(atom, Var) and atom not in seen:
            yield None, "every output is defined"
        if isinstance(atom, Literal) and not _is_constant(atom.value):
            yield None, "every literal is a number or an array of numbers"
    for guard in graph.guards:
        if guard.var not in seen:
            yield None, "every guard's variable is defined"
        if not _is_constant(guard.outcome):
            yield None, "every guard's outcome is a number or an array of numbers"


def _brief(equation: Equation) -> str:
    inputs = ", ".join(
        str(a.aval) if isinstance(a, Var) or _is_constant(a.value) else type(a.value).__name__
        for a in equation.inputs
    )
    outputs = ", ".join(str(var.aval) for var in equation.outputs)
    return f"{equation.primitive.name}({inputs}) -> {outputs}"
