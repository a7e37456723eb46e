"""Graphs as JSON: the round trip, and files that were damaged or forged."""

from __future__ import annotations

import base64
import copy
import json
import random
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.core.errors import BacklitError, GraphError
from backlit.core.graph import Graph, Guard, Literal
from backlit.core.serial import FORMAT, VERSION, dumps, loads
from backlit.core.verify import verify

X = onp.array([0.5, -0.25, 1.5])


def program(x: Any) -> Any:
    """Touch everything a graph can hold: constants, guards, loops, branches, indices, sources."""
    table = onp.array([[1, 2], [3, 4]], "int32")
    y = np.sin(x) * 2.0 + onp.float32(1.0)
    if y[0] > 0.0:
        y = y[::-1]
    k = int(np.argmax(y))
    total = bl.fori_loop(0, 3, lambda i, c: c * 0.5 + i, y.sum())
    total = bl.cond(total > 0.0, lambda t: t * 2.0, lambda t: -t, total)
    noise = bl.random.uniform(bl.random.key(3), (3,), onp.float32)
    return (y * noise).astype("float32"), total * k + table[0, 0], np.inf * total, True


def graphs() -> dict[str, Graph]:
    return {
        "program": bl.trace(program)(X),
        "gradient": bl.trace(bl.grad(lambda x: program(x)[1]))(X),
        "tangent": bl.trace(lambda x, t: bl.jvp(lambda x: program(x)[1], (x,), (t,)))(X, X),
        "abstract": bl.trace(lambda x: np.einsum("i,j->ij", x, x).reshape(-1), abstract=True)(X),
        "empty": bl.trace(lambda: ())(),
        "while": bl.trace(lambda x: bl.while_loop(lambda c: c < 9.0, lambda c: c * 2.0, x))(1.0),
    }


@pytest.mark.parametrize("name", graphs())
def test_the_round_trip_keeps_everything(name: str) -> None:
    graph = graphs()[name]
    again = loads(dumps(graph))
    verify(again)
    assert str(again) == str(graph)
    assert dumps(again) == dumps(graph) == graph.to_json()
    assert str(Graph.from_json(graph.to_json())) == str(graph)
    args = [onp.full(v.aval.shape, 0.3, v.aval.dtype)[()] for v in graph.inputs]
    for a, b in zip(again(*args), graph(*args), strict=True):
        onp.testing.assert_array_equal(a, b)
        assert onp.asarray(a).dtype == onp.asarray(b).dtype
    for e, f in zip(again.equations, graph.equations, strict=True):
        assert (e.source, e.provenance, e.primitive) == (f.source, f.provenance, f.primitive)
    for g, h in zip(again.guards, graph.guards, strict=True):
        assert g.outcome == h.outcome and g.source == h.source


CONSTANTS = [
    *(
        0.1,
        -0.0,
        float("inf"),
        float("nan"),
        5e-324,
        2**60,
        True,
        onp.float32(0.1),
        onp.float64(0.1),
    ),
    *(onp.arange(6)[::2], onp.ones((2, 0)), onp.asfortranarray(onp.eye(3)[:2])),
    onp.array([1, 2], ">i4"),
]


@pytest.mark.parametrize("value", CONSTANTS)
def test_constants_keep_every_bit_and_their_weakness(value: Any) -> None:
    graph = Graph((), (), (Literal(value),))
    (atom,) = loads(dumps(graph)).outputs
    assert isinstance(atom, Literal)
    assert type(atom.value) is type(value) or isinstance(value, onp.ndarray)
    assert atom.aval.weak == (not hasattr(value, "dtype"))
    onp.testing.assert_array_equal(atom.value, value)
    assert onp.array_equal(onp.signbit(atom.value), onp.signbit(value))


def test_the_text_is_json_with_a_version() -> None:
    document = json.loads(dumps(bl.trace(np.sin)(1.0)))
    assert document["format"] == FORMAT and document["version"] == VERSION


def test_what_cannot_be_written_is_named() -> None:
    graph = bl.trace(np.sin)(1.0)
    odd = Graph(graph.inputs, graph.equations, graph.outputs, (Guard(graph.inputs[0], object()),))
    with pytest.raises(GraphError, match="of type object cannot be written"):
        dumps(odd)


# --- refused ----------------------------------------------------------------------------------


def document() -> Any:
    return json.loads(dumps(bl.trace(lambda x: np.sin(x) * onp.ones(3))(X)))


def edited(change: Any) -> str:
    body = document()
    change(body)
    return json.dumps(body)


def array(**fields: Any) -> dict[str, Any]:
    data = base64.b64encode(onp.ones(3).tobytes()).decode()
    return {"array": {"dtype": "float64", "shape": [3], "data": data, **fields}}


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"tuple": [value]}
    return value


def put(*path: Any, value: Any) -> Any:
    def change(body: Any) -> None:
        for key in path[:-1]:
            body = body[key]
        body[path[-1]] = value

    return change


def drop(*path: Any) -> Any:
    def change(body: Any) -> None:
        for key in path[:-1]:
            body = body[key]
        del body[path[-1]]

    return change


EQ = ("graph", "equations", 0)
LIT = ("graph", "equations", 1, "inputs", 1, "literal")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"format": NaN}', "not JSON"),
        ("[]", "does not say format"),
        ('{"format": "other"}', "does not say format"),
        (edited(put("version", value=99)), "version 99, and this Backlit reads"),
        (edited(put("graph", value=None)), "not a graph"),
        (edited(drop("graph", "inputs")), "'inputs'"),
        (edited(put(*EQ, "primitive", value="os.system")), "equation 0 uses 'os.system'"),
        (edited(put(*EQ, "primitive", value=["sin"])), "not a graph"),
        (edited(put(*EQ, "inputs", 0, "var", value=7)), "variable 7 is used before"),
        (edited(put(*EQ, "inputs", 0, "var", value=-1)), "variable -1 is used before"),
        (edited(put(*EQ, "inputs", 0, "var", value=True)), "variable True"),
        (edited(put(*EQ, "params", value={"n": 3})), "not a graph|rule"),
        (edited(put(*EQ, "params", value=[])), "not a graph"),
        (edited(put(*EQ, "source", value=["a", "b", 1, 2, 3, "f"])), "source position|not a graph"),
        (edited(put(*EQ, "source", value=["a"])), "not a graph"),
        (edited(put(*EQ, "provenance", value=["vjp", 9, 0, "local", "sin"])), "earlier equation"),
        (edited(put(*EQ, "outputs", 0, "shape", value=[4])), "shapes and types"),
        (edited(put(*EQ, "outputs", 0, "shape", value=[-1])), "not a list of lengths"),
        (edited(put(*EQ, "outputs", 0, "shape", value="3")), "not a list of lengths"),
        (edited(put(*EQ, "outputs", 0, "dtype", value="O")), "not supported"),
        (edited(put(*EQ, "outputs", 0, "dtype", value="complex128")), "not supported"),
        (edited(put(*EQ, "outputs", 0, "dtype", value="nonsense")), "not a graph"),
        (edited(put(*EQ, "outputs", 0, "dtype", value=3)), "a type is not a name"),
        (edited(put(*EQ, "outputs", value=[])), "not a graph|breaks a rule"),
        (edited(put("graph", "inputs", 0, "name", value=3)), "is not text"),
        (edited(put("graph", "outputs", value=[{"var": 50}])), "variable 50"),
        (edited(put("graph", "guards", value=[{"var": 9, "outcome": True, "source": None}])), "9"),
        (edited(put(*LIT, value=array(shape=[4]))), r"shape \(4,\) has 24 bytes"),
        (edited(put(*LIT, value=array(shape=[10**15]))), "has 24 bytes"),
        (edited(put(*LIT, value=array(data="@@@"))), "damaged"),
        (edited(put(*LIT, value=array(data="QUJD"))), "has 3 bytes"),
        (edited(put(*LIT, value=array(dtype="object"))), "not supported"),
        (edited(put(*LIT, value={"float": "0x1p"})), "not a graph"),
        (edited(put(*LIT, value={"code": "1"})), "unknown kind of value"),
        (edited(put(*LIT, value={"float": "1", "tuple": []})), "is no value"),
        (edited(put(*LIT, value=[1])), "is no value"),
        (edited(put(*LIT, value=nested(80))), "nested too deeply"),
    ],
)
def test_damaged_and_forged_texts_are_refused_with_a_reason(text: str, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        loads(text)


def test_any_single_edit_is_refused_or_gives_a_sound_graph() -> None:
    """Change every place of a document in several ways: nothing else may ever come out."""
    rng = random.Random(0)
    original = json.loads(dumps(bl.trace(program)(X)))
    replacements = [None, True, -1, 10**9, 0.5, "x", "", [], {}, [[]], {"var": 0}, {"tuple": [1]}]
    places: list[tuple[Any, ...]] = []

    def walk(body: Any, path: tuple[Any, ...]) -> None:
        items = body.items() if isinstance(body, dict) else enumerate(body)
        for key, value in items:
            places.append((*path, key))
            if isinstance(value, (dict, list)):
                walk(value, (*path, key))

    walk(original, ())
    outcomes = {"refused": 0, "sound": 0}
    for path in rng.sample(places, min(len(places), 400)):
        changed = copy.deepcopy(original)
        put(*path, value=rng.choice(replacements))(changed)
        try:
            verify(loads(json.dumps(changed)))
            outcomes["sound"] += 1
        except BacklitError:
            outcomes["refused"] += 1
    assert outcomes["refused"] > 100


def test_any_cut_of_the_text_is_refused() -> None:
    text = dumps(bl.trace(program)(X))
    for length in range(0, len(text), 997):
        with pytest.raises(GraphError):
            loads(text[:length])
