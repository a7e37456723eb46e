"""Graphs as text."""

from __future__ import annotations

import os
from typing import Any

import numpy as onp

from backlit.core.aval import is_uniform
from backlit.core.graph import Graph, Guard, Literal, Var


def format_graph(graph: Graph, indent: str = "") -> str:
    """Return one line per equation: result, type, operation, operands, and the user's line.

    Parameters
    ----------
    graph : Graph
    indent : str
        Put before every line.

    Returns
    -------
    str
    """
    names = graph.names()
    head = ", ".join(f"{names[var]}: {var.aval}" for var in graph.inputs)
    rows: list[tuple[str, str]] = []
    for equation in graph.equations:
        left = ", ".join(f"{names[var]}: {var.aval}" for var in equation.outputs)
        right = " ".join(_atom(a, names) for a in equation.inputs)
        params = _params(equation.params)
        note = ""
        if equation.source is not None:
            note = f"# {os.path.basename(equation.source.file)}:{equation.source.line}"
        if equation.provenance is not None:
            p = equation.provenance
            note += f"  {p.rule} {p.role} of {p.primitive}"
            if p.equation >= 0:
                note += f" ({names[graph.equations[p.equation].outputs[0]]})"
            if p.slot >= 0:
                note += f", argument {p.slot}"
        rows.append((f"{left} = {equation.primitive.name}{params} {right}".rstrip(), note))
    width = min(max((len(text) for text, _ in rows), default=0), 72)
    lines = [f"{indent}graph {graph.name}({head}) {{"]
    for equation, (text, note) in zip(graph.equations, rows, strict=True):
        lines.append(f"{indent}  {text.ljust(width)}  {note}".rstrip())
        for key, value in equation.params.items():
            for part in value if isinstance(value, tuple) else (value,):
                if isinstance(part, Graph):
                    lines.append(f"{indent}    {key}:")
                    lines.append(format_graph(part, indent + "      "))
    lines += [f"{indent}  {_guard(guard, names)}" for guard in graph.guards]
    result = ", ".join(_atom(a, names) for a in graph.outputs)
    lines += [f"{indent}  return {result}", f"{indent}}}"]
    return "\n".join(lines)


def _guard(guard: Guard, names: dict[Var, str]) -> str:
    place = ""
    if guard.source is not None:
        place = f"  # {os.path.basename(guard.source.file)}:{guard.source.line}"
    return f"valid where {names[guard.var]} is {guard.outcome}{place}"


def _atom(atom: Var | Literal, names: dict[Var, str]) -> str:
    if isinstance(atom, Var):
        return names[atom]
    if atom.aval.size <= 4:
        value = atom.value
        return repr(value.tolist() if isinstance(value, (onp.ndarray, onp.generic)) else value)
    if isinstance(atom.value, onp.ndarray) and is_uniform(atom.value):
        return f"<{atom.aval} of {atom.value.flat[0].item()!r}>"
    return f"<{atom.aval}>"


def _params(params: dict[str, Any]) -> str:
    parts = []
    for key, value in params.items():
        if isinstance(value, Graph) or (
            isinstance(value, tuple) and any(isinstance(part, Graph) for part in value)
        ):
            continue
        if isinstance(value, onp.dtype):
            value = value.name
        parts.append(f"{key}={value}")
    return f"[{', '.join(parts)}]" if parts else ""
