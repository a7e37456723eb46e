"""The rules a graph must obey, as a table; a failure shows where."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from backlit.core.errors import GraphError
from backlit.core.graph import Equation, Graph, Literal, Var
from backlit.core.primitive import registry

_State = set[Var]
Rule = tuple[str, Callable[[Equation, _State], bool]]


def _types_agree(equation: Equation, _: _State) -> bool:
    expected = equation.primitive.abstract(*[a.aval for a in equation.inputs], **equation.params)
    if not equation.primitive.multi:
        expected = (expected,)
    found = tuple(var.aval for var in equation.outputs)
    return len(expected) == len(found) and all(
        e.shape == f.shape and e.dtype == f.dtype for e, f in zip(expected, found, strict=True)
    )


RULES: tuple[Rule, ...] = (
    (
        "the primitive is registered",
        lambda e, _: registry.get(e.primitive.name) is e.primitive,
    ),
    (
        "every operand is a literal or was defined before",
        lambda e, seen: all(isinstance(a, Literal) or a in seen for a in e.inputs),
    ),
    (
        "every result is defined once",
        lambda e, seen: len(set(e.outputs)) == len(e.outputs) and not seen & set(e.outputs),
    ),
    ("a primitive of one result has one", lambda e, _: e.primitive.multi or len(e.outputs) == 1),
    ("shapes and types are what the primitive's rule says", _types_agree),
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
    for index, equation in enumerate(graph.equations):
        for rule, holds in RULES:
            try:
                held = holds(equation, seen)
            except (TypeError, ValueError, IndexError) as error:
                raise GraphError(
                    f"graph {graph.name} breaks a rule: {rule}\n  > {_brief(equation)}: {error}",
                    where=equation.source,
                ) from None
            if not held:
                yield index, rule
        origin = equation.provenance
        if origin is not None and not -1 <= origin.equation < index:
            yield index, "provenance names an earlier equation"
        seen.update(equation.outputs)
    for atom in graph.outputs:
        if isinstance(atom, Var) and atom not in seen:
            yield None, "every output is defined"
    for guard in graph.guards:
        if guard.var not in seen:
            yield None, "every guard's variable is defined"


def _brief(equation: Equation) -> str:
    inputs = ", ".join(str(a.aval) for a in equation.inputs)
    outputs = ", ".join(str(var.aval) for var in equation.outputs)
    return f"{equation.primitive.name}({inputs}) -> {outputs}"
