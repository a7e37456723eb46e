"""Graphs as versioned JSON, and back.

Loading runs nothing from the file and opens no other: primitives are looked up by name in the
registry, arrays are checked against the bytes that are there, places in source code are never
read, and the finished graph must pass the verifier.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

import numpy as onp

from backlit.core.aval import AbstractValue
from backlit.core.errors import GraphError
from backlit.core.graph import Atom, Equation, Graph, Guard, Literal, Provenance, Var
from backlit.core.primitive import registry
from backlit.core.source import Source
from backlit.core.verify import verify

FORMAT = "backlit-graph"
VERSION = 1
_DTYPES = {
    onp.dtype(code).name: onp.dtype(code)
    for code in "?" + onp.typecodes["AllInteger"] + onp.typecodes["Float"]
}
_MAX_DEPTH = 64


def dumps(graph: Graph) -> str:
    """Return a graph as JSON text.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    str

    Examples
    --------
    >>> import backlit as bl
    >>> text = dumps(bl.trace(lambda x: x * 2.0)(3.0))
    >>> loads(text)(5.0)
    (10.0,)
    """
    return json.dumps({"format": FORMAT, "version": VERSION, "graph": _graph_out(graph)})


def loads(text: str) -> Graph:
    """Return the graph that `dumps` wrote.

    Parameters
    ----------
    text : str

    Returns
    -------
    Graph

    Raises
    ------
    GraphError
        If the text is not such a graph; says where.
    """
    try:
        document = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise GraphError(f"not a graph: the text is not JSON ({error})") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise GraphError(f"not a graph: the JSON does not say format {FORMAT!r}")
    if document.get("version") != VERSION:
        raise GraphError(
            f"this graph is of version {_short(document.get('version'))}, and this Backlit "
            f"reads version {VERSION}"
        )
    try:
        graph = _graph_in(document.get("graph"), 0)
        verify(graph)
    except GraphError:
        raise
    except _DAMAGE as error:
        raise GraphError(
            "not a graph: a part is missing or wrong "
            f"({type(error).__name__}: {_escaped(str(error)[:200])})"
        ) from None
    return graph


_DAMAGE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)


def _escaped(text: str) -> str:
    """Write out control characters, which could otherwise speak to the reader's terminal."""
    if text.isprintable():
        return text
    return "".join([c if c.isprintable() else ascii(c)[1:-1] for c in text])


def _short(value: Any) -> str:
    return repr(value)[:60]


def _text_in(value: Any) -> str:
    if not isinstance(value, str):
        raise GraphError(f"not a graph: {_short(value)} is not text")
    return _escaped(value)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


# --- values -----------------------------------------------------------------------------------


def _value_out(value: Any) -> Any:
    """Encode a parameter; the tag of a one-key object tells what it is."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    # First: a numpy.float64 is a float too, but not a weak one.
    if isinstance(value, (onp.ndarray, onp.generic)):
        array = onp.asarray(value)
        data = onp.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
        return {
            "array": {
                "dtype": array.dtype.name,
                "shape": list(array.shape),
                "data": base64.b64encode(data.tobytes()).decode(),
            }
        }
    if isinstance(value, float):
        return {"float": value.hex()}
    if isinstance(value, tuple):
        return {"tuple": [_value_out(part) for part in value]}
    if isinstance(value, onp.dtype):
        return {"dtype": value.name}
    if isinstance(value, Graph):
        return {"graph": _graph_out(value)}
    raise GraphError(f"a graph with a parameter of type {type(value).__name__} cannot be written")


def _value_in(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return _escaped(value)
    if depth > _MAX_DEPTH:
        raise GraphError("not a graph: nested too deeply")
    if not isinstance(value, dict) or len(value) != 1:
        raise GraphError(f"not a graph: {_short(value)} is no value")
    ((tag, body),) = value.items()
    if tag == "float":
        return float.fromhex(body)
    if tag == "tuple":
        return tuple([_value_in(part, depth + 1) for part in body])
    if tag == "dtype":
        return _dtype_in(body)
    if tag == "graph":
        return _graph_in(body, depth + 1)
    if tag == "array":
        return _array_in(body)
    raise GraphError(f"not a graph: unknown kind of value {_short(tag)}")


def _dtype_in(name: Any) -> onp.dtype[Any]:
    if not isinstance(name, str):
        raise GraphError("not a graph: a type is not a name")
    if name not in _DTYPES:
        raise GraphError(f"not a graph: arrays of {_short(name)} are not supported")
    return _DTYPES[name]


def _shape_in(extents: Any) -> tuple[int, ...]:
    if not isinstance(extents, list) or not all(type(n) is int and n >= 0 for n in extents):
        raise GraphError("not a graph: a shape is not a list of lengths")
    return tuple(extents)


def _array_in(body: Any) -> Any:
    dtype, shape = _dtype_in(body["dtype"]), _shape_in(body["shape"])
    try:
        data = base64.b64decode(body["data"], validate=True)
    except binascii.Error as error:
        raise GraphError(f"not a graph: an array's data are damaged ({error})") from None
    if len(data) != AbstractValue(shape, dtype).nbytes:
        raise GraphError(f"not a graph: an array of shape {shape} has {len(data)} bytes")
    array = onp.frombuffer(data, dtype.newbyteorder("<")).astype(dtype).reshape(shape)
    return array if shape else array[()]


# --- graphs -----------------------------------------------------------------------------------


def _graph_out(graph: Graph) -> dict[str, Any]:
    numbers: dict[Var, int] = {}

    def define(var: Var) -> dict[str, Any]:
        numbers[var] = len(numbers)
        described: dict[str, Any] = {"shape": list(var.aval.shape), "dtype": var.aval.dtype.name}
        if var.aval.weak:
            described["weak"] = True
        if var.name is not None:
            described["name"] = var.name
        return described

    def atom(a: Atom) -> dict[str, Any]:
        if isinstance(a, Var):
            return {"var": numbers[a]}
        return {"literal": _value_out(a.value)}

    inputs = [define(var) for var in graph.inputs]
    equations = []
    for e in graph.equations:
        described: dict[str, Any] = {
            "primitive": e.primitive.name,
            "inputs": [atom(a) for a in e.inputs],
            "params": {key: _value_out(value) for key, value in e.params.items()},
            "outputs": [define(var) for var in e.outputs],
        }
        if e.source is not None:
            described["source"] = _source_out(e.source)
        if e.provenance is not None:
            p = e.provenance
            described["provenance"] = [p.rule, p.equation, p.slot, p.role, p.primitive]
        equations.append(described)
    return {
        "name": graph.name,
        "inputs": inputs,
        "equations": equations,
        "outputs": [atom(a) for a in graph.outputs],
        "guards": [
            {
                "var": numbers[g.var],
                "outcome": _value_out(g.outcome),
                "source": None if g.source is None else _source_out(g.source),
            }
            for g in graph.guards
        ],
    }


def _source_out(s: Source) -> list[Any]:
    # The assigned names go along: who loads the graph may have neither the file nor a reason to
    # trust its path.
    names = s.targets()
    assigned = (names[0] if len(names) == 1 else list(names)) if names else None
    return [s.file, s.line, s.end_line, s.column, s.end_column, s.function, assigned]


def _source_in(fields: Any) -> Source | None:
    if fields is None:
        return None
    file, line, end_line, column, end_column, function, assigned = fields
    names = assigned if isinstance(assigned, list) else [] if assigned is None else [assigned]
    if not all(type(n) is int for n in (line, end_line, column, end_column)):
        raise GraphError("not a graph: a source position is damaged")
    return Source(
        *(_text_in(file), line, end_line, column, end_column, _text_in(function)),
        loaded=True,
        assigned=tuple([_text_in(name) for name in names]),
    )


def _graph_in(body: Any, depth: int) -> Graph:
    variables: list[Var] = []

    def define(described: Any) -> Var:
        name = described.get("name")
        name = None if name is None else _text_in(name)
        aval = AbstractValue(
            _shape_in(described["shape"]),
            _dtype_in(described["dtype"]),
            described.get("weak") is True,
        )
        variables.append(Var(aval, name))
        return variables[-1]

    def variable(number: Any) -> Var:
        if type(number) is not int or not 0 <= number < len(variables):
            raise GraphError(f"not a graph: variable {_short(number)} is used before it is defined")
        return variables[number]

    def atom(described: Any) -> Atom:
        if "var" in described:
            return variable(described["var"])
        return Literal(_value_in(described["literal"], depth))

    inputs = tuple([define(d) for d in body["inputs"]])
    equations = []
    for number, described in enumerate(body["equations"]):
        primitive = registry.get(described["primitive"])
        if primitive is None:
            raise GraphError(
                f"not a graph: equation {number} uses {_short(described['primitive'])}, which "
                "this Backlit does not have"
            )
        operands = tuple([atom(d) for d in described["inputs"]])
        params = {_escaped(k): _value_in(v, depth + 1) for k, v in described["params"].items()}
        outputs = tuple([define(d) for d in described["outputs"]])
        provenance = None
        if "provenance" in described:
            rule, equation, slot, role, name = described["provenance"]
            if type(equation) is not int or type(slot) is not int:
                raise GraphError("not a graph: a provenance is damaged")
            provenance = Provenance(_text_in(rule), equation, slot, _text_in(role), _text_in(name))
        source = _source_in(described.get("source"))
        equations.append(Equation(primitive, operands, params, outputs, source, provenance))
    guards = tuple(
        [
            Guard(variable(g["var"]), _value_in(g["outcome"], depth), _source_in(g["source"]))
            for g in body["guards"]
        ]
    )
    outs = tuple([atom(d) for d in body["outputs"]])
    return Graph(inputs, tuple(equations), outs, guards, _text_in(body["name"]))
