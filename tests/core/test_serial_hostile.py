"""Graphs from strangers: whatever the text, loading gives a sound graph or a GraphError."""

from __future__ import annotations

import copy
import functools
import json
import os
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as onp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import backlit as bl
import backlit.numpy as np
from backlit.core.aval import AbstractValue
from backlit.core.errors import GraphError
from backlit.core.graph import Equation, Graph, Literal, Var
from backlit.core.primitive import registry
from backlit.core.serial import dumps, loads
from backlit.core.source import Source
from backlit.core.verify import PARAMETERS, verify
from backlit.ops.call import call
from backlit.testing import check_grads

X = onp.array([0.5, -0.25, 1.5])


def mlp(W: Any, x: Any) -> Any:
    hidden = np.tanh(W @ x)
    return np.logsumexp(np.concatenate([hidden, x]), axis=0) + np.pad(hidden, 1).mean()


def scanned(x: Any) -> Any:
    def step(c: Any, v: Any) -> tuple[Any, Any]:
        c = np.sin(c + v)
        return c, c * x[0]

    last, ys = bl.scan(step, x.sum(), x)
    return last + ys.sum()


def branched(x: Any) -> Any:
    return bl.cond(x.sum() > 0.0, lambda t: t * x, lambda t: t - 1.0, x * 2.0).sum()


def looped(x: Any) -> Any:
    return bl.while_loop(lambda c: c < x.max() + 9.0, lambda c: c * 2.0 + x[2], np.exp(x[0]))


def indexed(x: Any) -> Any:
    table = np.zeros((4, 3))
    table[1:3, [0, 2]] = x[:2]
    picked = np.take(table[::-1, None], onp.array([[0, 1], [1, 1]]), axis=2)
    return np.einsum("ijkl,k->ijl", picked, np.ones(2)).sum() + x[-1] ** 3


def drawn(x: Any) -> Any:
    noise = bl.random.uniform(bl.random.key(3), (3,), onp.float32)
    return np.softmax((x * noise).astype("float32")).reshape(1, 3).T[::-1]


def called(x: Any) -> Any:
    inner = bl.trace(indexed)(X)
    return call(inner, (np.sin(x),))[0] * 2.0


@functools.cache
def documents() -> dict[str, str]:
    W = onp.ones((3, 3))
    return {
        "mlp": dumps(bl.trace(bl.grad(mlp, argnums=(0, 1)))(W, X)),
        "scan": dumps(bl.trace(bl.grad(scanned))(X)),
        "cond": dumps(bl.trace(bl.grad(branched))(X)),
        "while": dumps(bl.trace(lambda x: bl.jvp(looped, (x,), (x,)))(X)),
        "index": dumps(bl.trace(bl.grad(indexed))(X)),
        "random": dumps(bl.trace(drawn)(X)),
        "call": dumps(bl.trace(bl.grad(called))(X)),
    }


# --- fuzzing ----------------------------------------------------------------------------------

Path_ = tuple[Any, ...]


def places(body: Any, path: Path_ = ()) -> Iterator[Path_]:
    items = body.items() if isinstance(body, dict) else enumerate(body)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, (dict, list)):
            yield from places(value, (*path, key))


@functools.cache
def places_of(name: str) -> list[Path_]:
    return list(places(json.loads(documents()[name])))


def parent(body: Any, path: Path_) -> Any:
    return functools.reduce(lambda at, key: at[key], path[:-1], body)


ODD = [
    *(None, True, False, 0, 1, -1, 2, 7, 10**9, -(2**63), 2**63 - 1, 10**400, 0.5, 1e308),
    *(
        "",
        "x",
        "axes",
        "float64",
        "float32",
        "S1500000000",
        "M8[ns]",
        "ij->ji",
        "/dev/zero",
        "\x1b",
    ),
    *([], {}, [[]], [[[[]]]], [0, 0], [10**15, 1], {"var": 0}, {"var": 3}),
    *({"tuple": []}, {"tuple": [1]}, {"tuple": [0, 0]}, {"tuple": [{"tuple": ["i", 9]}]}),
    *({"float": "0x1p+99999"}, {"float": "nan"}, {"dtype": "float64"}, {"literal": 1}),
    *({"literal": None}, {"literal": {"tuple": []}}, {"literal": {"float": "0x1p+0"}}),
    *({"out": None}, {"dtype": {"dtype": "float32"}}, {"axis": 0}),
]


@st.composite
def mutated(draw: Any) -> str:
    name = draw(st.sampled_from(sorted(documents())))
    body = json.loads(documents()[name])
    for _ in range(draw(st.integers(1, 3))):
        path, other = (draw(st.sampled_from(places_of(name))) for _ in range(2))
        action = draw(st.sampled_from(["put", "put", "number", "drop", "copy", "swap", "repeat"]))
        try:
            at, there = parent(body, path), parent(body, other)
            value = copy.deepcopy(there[other[-1]])
            if action == "put":
                at[path[-1]] = draw(st.sampled_from(ODD))
            elif action == "number":
                at[path[-1]] = draw(st.integers(-4, 9))
            elif action == "drop":
                del at[path[-1]]
            elif action == "copy":
                at[path[-1]] = value
            elif action == "swap":
                there[other[-1]], at[path[-1]] = copy.deepcopy(at[path[-1]]), value
            elif isinstance(at, list):
                at.insert(path[-1], copy.deepcopy(at[path[-1]]))
            else:
                at[draw(st.sampled_from(["axis", "shape", "out", "where", "n"]))] = value
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took this place away
    return json.dumps(body)


@settings(
    max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
@given(mutated())
def test_a_changed_graph_is_refused_or_sound(text: str) -> None:
    try:
        graph = loads(text)
    except GraphError:
        return
    verify(graph)
    assert str(graph).replace("\n", "").isprintable()
    assert str(loads(dumps(graph))) == str(graph)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.sampled_from(ODD), st.sampled_from(sorted(PARAMETERS)), st.sampled_from(sorted(registry)))
def test_no_parameter_makes_a_primitive_fail_in_its_own_way(
    value: Any, parameter: str, name: str
) -> None:
    """Build equations by hand: what verify says of them is a GraphError or nothing."""
    inputs = (Var(AbstractValue((2, 3), onp.dtype(float))),)
    out = Var(AbstractValue((2, 3), onp.dtype(float)))
    equation = Equation(registry[name], inputs, {parameter: value}, (out,))
    try:
        verify(Graph(inputs, (equation,), (out,)))
    except GraphError as error:
        assert "breaks a rule" in str(error)


@pytest.mark.parametrize("name", sorted(documents()))
def test_the_graphs_themselves_are_sound(name: str) -> None:
    graph = loads(documents()[name])
    assert dumps(graph) == documents()[name]


def test_the_graphs_have_right_gradients() -> None:
    """The fuzzed documents are of programs that work: nothing is refused for being broken."""
    for f in (scanned, branched, indexed):
        check_grads(f, (X,), order=1)


# --- what a file may not do -------------------------------------------------------------------


def sourced(file: str) -> str:
    body = json.loads(documents()["mlp"])
    for equation in body["graph"]["equations"]:
        equation["source"] = [file, 1, 1, 0, 4, "f", None]
    return json.dumps(body)


def test_no_file_that_a_graph_names_is_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.py"
    secret.write_text("password = 'xyzzy'\n")
    text = sourced(str(secret))
    graph = loads(text)
    assert "password" not in str(graph) + dumps(graph) + " ".join(graph.names().values())
    source = graph.equations[0].source
    assert source is not None
    assert source.excerpt().splitlines() == [f"  at {secret}:1, in f"]
    assert source.text() == "" and source.targets() == ()
    broken = json.loads(text)
    broken["graph"]["equations"][2]["inputs"] = []
    with pytest.raises(GraphError) as caught:
        loads(json.dumps(broken))
    assert "password" not in str(caught.value)


def test_a_pipe_is_never_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    if hasattr(os, "mkfifo"):
        os.mkfifo(pipe)
    else:  # a system without named pipes
        pipe.mkdir()
    assert "pipe:1" in str(loads(sourced(str(pipe))))
    source = Source(str(pipe), 1, 1, 0, 4, "f")
    assert source.text() == "" and source.targets() == ()
    assert source.excerpt() == f"  at {pipe}:1, in f"


def test_names_travel_with_the_graph() -> None:
    def f(x: Any) -> Any:
        speed = np.sin(x)
        return speed * 2.0

    again = loads(dumps(bl.trace(f)(1.0)))
    assert "speed" in again.names().values()
    assert str(again) == str(bl.trace(f)(1.0))


def test_control_characters_are_written_out() -> None:
    body = json.loads(documents()["mlp"])
    body["graph"]["name"] = "f\x1b[31m\u202e"
    body["graph"]["inputs"][0]["name"] = "W\x07"
    body["graph"]["equations"][0]["source"] = ["a\x1b]0;b\n.py", 1, 1, 0, 0, "g\r", "v\x9b"]
    text = str(loads(json.dumps(body)))
    assert text.replace("\n", "").isprintable()
    assert r"f\x1b[31m\u202e(W\x07" in text
    body["graph"]["equations"][0]["params"] = {"\x1b[2J": 1}
    with pytest.raises(GraphError) as caught:
        loads(json.dumps(body))
    assert "\x1b" not in str(caught.value)


# --- one equation at a time -------------------------------------------------------------------


def described(shape: list[int], dtype: str = "float64") -> dict[str, Any]:
    return {"shape": shape, "dtype": dtype}


def tupled(*parts: Any) -> dict[str, Any]:
    return {"tuple": [tupled(*p) if isinstance(p, tuple) else p for p in parts]}


def one(
    primitive: str,
    params: dict[str, Any],
    ins: list[Any],
    outs: list[Any],
    operands: list[Any] | None = None,
) -> str:
    """Return the text of a graph of one equation."""
    equation = {
        "primitive": primitive,
        "inputs": operands or [{"var": k} for k in range(len(ins))],
        "params": params,
        "outputs": outs,
    }
    graph = {"name": "f", "inputs": ins, "equations": [equation], "outputs": [], "guards": []}
    return json.dumps({"format": "backlit-graph", "version": 1, "graph": graph})


M, V = described([2, 3]), described([3])
KEY, KEY4 = described([2], "uint32"), described([4], "uint32")
HALF = tupled(("s", None, None, 2))

SOUND = [
    ("softmax", {"axes": tupled(1)}, [M], [M]),
    ("cumsum", {"axis": 1}, [M], [M]),
    ("transpose", {"axes": tupled(1, 0)}, [M], [described([3, 2])]),
    ("reshape", {"shape": tupled(6)}, [M], [described([6])]),
    ("pad", {"width": tupled((1, 2))}, [V], [described([6])]),
    ("einsum", {"spec": "ij,j->i"}, [M, V], [described([2])]),
    ("getitem", {"parts": tupled(("s", None, None, -1), ("i", 2))}, [M], [described([2])]),
    ("sin", {}, [V], [V]),
    ("random_bits", {"shape": tupled(3)}, [KEY], [described([3], "uint32")]),
    ("random_fold_in", {}, [KEY, described([], "int64")], [KEY]),
    ("scatter_add", {"shape": tupled(6), "parts": HALF}, [V], [described([6])]),
    ("astype", {"dtype": {"dtype": "float32"}}, [V], [described([3], "float32")]),
]


@pytest.mark.parametrize("case", SOUND, ids=[case[0] for case in SOUND])
def test_sound_equations_load(case: Any) -> None:
    loads(one(*case))


@pytest.mark.parametrize(
    "case",
    [
        ("softmax", {"axes": "abc"}, [M], [M]),
        ("softmax", {"axes": tupled(2)}, [M], [M]),
        ("softmax", {}, [M], [M]),
        ("cumsum", {"axis": 7}, [M], [M]),
        ("cumsum", {"axis": True}, [M], [M]),
        ("flip", {"axes": tupled(9)}, [M], [M]),
        ("transpose", {"axes": tupled(0, 0)}, [M], [described([2, 2])]),
        ("transpose", {"axes": tupled(0)}, [M], [described([2])]),
        ("pad", {"width": tupled((-3, 3))}, [V], [V]),
        ("reshape", {"shape": tupled({"float": "0x1.8p+1"})}, [V], [V]),
        ("reshape", {"shape": tupled(*[1] * 70, 3)}, [V], [described([1] * 70 + [3])]),
        ("sin", {"out": None}, [V], [V]),
        ("add", {"dtype": "float32"}, [V, V], [V]),
        ("sin", {}, [V, V], [V]),
        ("sin", {}, [], [described([])]),
        ("where", {}, [described([3], "bool")], [described([3], "int64")]),
        ("astype", {"dtype": "S1500000000"}, [V], [described([3], "float32")]),
        ("einsum", {"spec": "ij,j->ik"}, [M, V], [described([2, 3])]),
        ("einsum", {"spec": "i\x1b,\x1b->i"}, [M, V], [described([2])]),
        ("einsum", {"spec": "ij,j"}, [M, V], [described([2])]),
        ("integer_power", {"n": 10**30}, [V], [V]),
        ("random_bits", {"shape": tupled(3)}, [V], [described([3], "uint32")]),
        ("random_bits", {"shape": tupled(3)}, [KEY4], [described([3], "uint32")]),
        ("random_fold_in", {}, [KEY, V], [KEY]),
        ("random_fold_in", {}, [KEY, described([3], "int64")], [KEY]),
        ("random_fold_in", {}, [KEY4, described([], "int64")], [KEY]),
        ("scatter_add", {"shape": tupled(4), "parts": tupled(("i", 9))}, [V], [described([4])]),
        ("scatter_add", {"shape": tupled(4), "parts": HALF}, [V], [described([4])]),
        ("scatter_add", {"shape": tupled(2, 3), "parts": HALF}, [M], [M]),
        ("getitem", {"parts": tupled(("i", 5))}, [V], [described([])]),
        ("getitem", {"parts": tupled(("i",))}, [V], [described([])]),
        ("getitem", {"parts": tupled(("s", None, None, 0))}, [V], [V]),
        ("getitem", {"parts": tupled(("a", 0))}, [V, V], [V]),
        ("getitem", {"parts": tupled(("a", 1))}, [V, described([3], "int64")], [V]),
        ("getitem", {"parts": tupled(("e",), ("e",))}, [V], [V]),
        ("add", {}, [V], [V], [{"var": 0}, {"literal": 10**400}]),
        ("add", {}, [V], [V], [{"var": 0}, {"literal": None}]),
        ("add", {}, [V], [V], [{"var": 0}, {"literal": "abc"}]),
        ("add", {}, [V], [V], [{"var": 0}, {"literal": {"tuple": [1]}}]),
        ("add", {}, [V], [V], [{"var": 0}, {"literal": {"float": "0x1p+99999"}}]),
        ("sin", {}, [described([2**62])], [described([2**62])]),
        ("concatenate", {"axis": 0}, [V, described([])], [V]),
    ],
    ids=lambda case: f"{case[0]}-{str(case[1])[:30]}",
)
def test_unsound_equations_are_refused(case: Any) -> None:
    with pytest.raises(GraphError):
        loads(one(*case))


def test_a_constant_result_is_a_number_too() -> None:
    body = json.loads(one("sin", {}, [V], [V]))
    body["graph"]["outputs"] = [{"literal": {"tuple": []}}]
    with pytest.raises(GraphError, match="number"):
        loads(json.dumps(body))


def control(name: str) -> Equation:
    graph = loads(documents()[name])
    return next(e for e in graph.equations if any(True for _ in Graph((), (e,), ()).subgraphs()))


def changed(params: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**params, **changes}


def other_inputs(graph: Graph) -> Graph:
    return Graph(graph.inputs[1:], graph.equations, graph.outputs, (), graph.name)


def other_outputs(graph: Graph) -> Graph:
    return Graph(graph.inputs, graph.equations, (Literal(onp.ones((7, 7))),) * 9, (), graph.name)


@pytest.mark.parametrize(
    "name,change",
    [
        ("cond", lambda p: changed(p, branches=())),
        ("cond", lambda p: changed(p, branches=p["branches"][0])),
        ("cond", lambda p: changed(p, branches=(p["branches"][0], 3))),
        ("cond", lambda p: changed(p, branches=(p["branches"][0], other_inputs(p["branches"][1])))),
        (
            "cond",
            lambda p: changed(p, branches=(p["branches"][0], other_outputs(p["branches"][1]))),
        ),
        ("scan", lambda p: changed(p, body=other_inputs(p["body"]))),
        ("scan", lambda p: changed(p, body=other_outputs(p["body"]))),
        ("scan", lambda p: changed(p, carries=99)),
        ("scan", lambda p: changed(p, carries=-1)),
        ("scan", lambda p: changed(p, xs=p["xs"] + 1)),
        ("scan", lambda p: changed(p, length=p["length"] + 1)),
        ("scan", lambda p: changed(p, reverse=0)),
        ("call", lambda p: changed(p, graph=other_inputs(p["graph"]))),
        ("call", lambda p: changed(p, graph=other_outputs(p["graph"]))),
        ("call", lambda p: changed(p, graph=3)),
        ("while", lambda p: changed(p, test=p["body"])),
        ("while", lambda p: changed(p, body=p["test"])),
        ("while", lambda p: changed(p, tests=p["tests"] + 1)),
        ("while", lambda p: changed(p, bodies=10**9)),
        ("while", lambda p: changed(p, more=1)),
    ],
)
def test_branches_and_bodies_must_fit(name: str, change: Callable[[Any], Any]) -> None:
    e = control(name)
    inputs = tuple(a for a in e.inputs if isinstance(a, Var))

    def graph(params: dict[str, Any]) -> Graph:
        equation = Equation(e.primitive, e.inputs, params, e.outputs)
        return Graph(tuple(dict.fromkeys(inputs)), (equation,), e.outputs)

    verify(graph(dict(e.params)))
    with pytest.raises(GraphError, match="breaks a rule"):
        verify(graph(change(dict(e.params))))


def test_a_branch_that_is_not_there_is_refused() -> None:
    e = control("cond")
    operands = (Literal(7), *e.inputs[1:])
    inputs = tuple(dict.fromkeys(a for a in operands if isinstance(a, Var)))
    with pytest.raises(GraphError, match="branches"):
        verify(Graph(inputs, (Equation(e.primitive, operands, e.params, e.outputs),), e.outputs))


# --- memory -----------------------------------------------------------------------------------

HUGE = [10**9]
BOMBS = {
    "index": one(
        "getitem",
        {"parts": tupled(("a", 0))},
        [V, described(HUGE, "int64")],
        [described(HUGE)],
    ),
    "pieces": one(
        "last_writes",
        {"parts": tupled(("a", 0)), "shape": tupled(10**12)},
        [described(HUGE, "int64")],
        [described(HUGE, "bool")],
    ),
    "shape": one("broadcast_to", {"shape": tupled(10**15)}, [V], [described([10**15])]),
    "bits": one(
        "random_bits",
        {"shape": tupled(10**12)},
        [described([2], "uint32")],
        [described([10**12], "uint32")],
    ),
    "rank": one("sin", {}, [described([1] * 5000)], [described([1] * 5000)]),
    "type": one("astype", {"dtype": {"dtype": "f8," * 5000}}, [V], [V]),
}


@pytest.mark.parametrize("name", BOMBS)
def test_memory_stays_near_the_size_of_the_text(name: str) -> None:
    tracemalloc.start()
    try:
        loads(BOMBS[name])
    except GraphError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 2**20 + 100 * len(BOMBS[name])
