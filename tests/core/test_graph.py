"""Graphs: what is recorded, how it prints, what is verified, and what evaluating gives."""

from __future__ import annotations

import dataclasses
import linecache
import textwrap
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.core.aval import AbstractValue, aval_of
from backlit.core.errors import BacklitError, GraphError
from backlit.core.evaluate import evaluate, values
from backlit.core.graph import Equation, Graph, Guard, Literal, Provenance, Var
from backlit.core.primitive import Primitive, registry
from backlit.core.verify import verify

X = onp.array([[0.5, -1.0], [2.0, 0.25]])


def network(W1: Any, X: Any, b1: Any) -> Any:
    Z1 = W1 @ X + b1
    A1 = np.tanh(Z1)
    loss = np.mean(A1**2)
    return loss


ARGS = (onp.ones((3, 2)), X, onp.zeros((3, 1)))


# --- names and printing -----------------------------------------------------------------------


def test_results_have_the_users_names() -> None:
    graph = bl.trace(network)(*ARGS)
    names = graph.names()
    assert [names[var] for var in graph.inputs] == ["W1", "X", "b1"]
    assert [names[e.outputs[0]] for e in graph.equations] == ["t1", "Z1", "A1", "t2", "t3", "loss"]


def test_loops_number_the_names_they_assign_again() -> None:
    def f(h: Any) -> Any:
        for _ in range(3):
            h = np.sin(h)
        return h

    graph = bl.trace(f)(1.0)
    names = graph.names()
    assert [names[e.outputs[0]] for e in graph.equations] == ["h_2", "h_3", "h_4"]


def test_names_follow_attributes_subscripts_and_several_targets() -> None:
    class Holder:
        value: Any

    def f(x: Any) -> Any:
        holder, items = Holder(), {}
        holder.value = x * 2.0
        items["k"] = np.sin(x)
        a, b = np.cos(x), np.exp(x)
        c: Any = a + b
        c += 1.0
        if (d := c * c) is not None:
            return d + holder.value + items["k"]

    names = bl.trace(f)(1.0).names()
    found = [name for name in names.values() if not name.startswith("t")]
    assert found == ["x", "holder.value", "items['k']", "a", "b", "c", "c_2", "d"]


def test_arguments_that_are_trees_are_named_by_path() -> None:
    def f(model: Any, *rest: Any, **options: Any) -> Any:
        return model["w"][0] * rest[0] + rest[1]

    graph = bl.trace(f)({"w": [1.0, 2.0]}, 3.0, 4.0)
    assert [var.name for var in graph.inputs] == ["model.w.0", "model.w.1", "rest0", "rest1"]
    assert [v.name for v in bl.trace(onp.add)(1.0, 2.0).inputs][0] is not None


def test_the_printed_graph_shows_types_operations_lines_and_guards() -> None:
    def f(x: Any, limit: float) -> Any:
        y = np.sum(x * 2.0, axis=0)
        if y[0] > limit:
            y = y + onp.array([1.0, 2.0])
        return y, 3

    lines = str(bl.trace(f)(X, 1.0)).splitlines()
    first = f.__code__.co_firstlineno
    assert lines[0] == "graph f(x: float64[2,2], limit: float64~[]) {"
    assert lines[1].split("#")[0].split() == "t1: float64[2,2] = multiply x 2.0".split()
    assert lines[1].endswith(f"# test_graph.py:{first + 1}")
    assert lines[2].split("#")[0].split() == "y: float64[2] = sum[axes=(0,)] t1".split()
    assert "getitem[parts=(('i', 0),)] y" in lines[3]
    assert lines[4].split("#")[0].split() == "t3: bool[] = greater t2 limit".split()
    assert lines[5].split("#")[0].split() == "y_2: float64[2] = add y [1.0, 2.0]".split()
    assert lines[6] == f"  valid where t3 is True  # test_graph.py:{first + 2}"
    assert lines[7:] == ["  return y_2, 3", "}"]


def test_large_constants_print_as_their_type_and_inner_graphs_are_indented() -> None:
    def f(x: Any) -> Any:
        return bl.scan(lambda c, row: (c + (row * onp.ones((3, 3))).sum(), None), x, onp.ones(2))[0]

    text = str(bl.trace(f)(1.0))
    assert "<float64[3,3] of 1.0>" in text
    assert "\n    body:\n      graph <lambda>(" in text and "\n        return t" in text
    assert "scan[carries=1, xs=1, length=2, reverse=False]" in text
    cond = str(bl.trace(lambda x: bl.cond(x > 0, np.sin, np.cos, x))(1.0))
    assert cond.count("branches:") == 2 and "sin" in cond and "cos" in cond


def test_a_derivative_prints_the_rule_and_the_forward_operation() -> None:
    text = str(bl.trace(bl.grad(network))(*ARGS))
    assert "vjp local of tanh (A1), argument 0" in text
    assert "vjp product of matmul (t1), argument 0" in text


def test_empty_graphs_print() -> None:
    assert str(bl.trace(lambda: 1.0)()).splitlines()[-2] == "  return 1.0"
    assert repr(Var(aval_of(1.0))) == "Var(_: float64~[])"
    assert repr(Literal(2.0).aval) == repr(aval_of(2.0))


# --- sources ----------------------------------------------------------------------------------


def test_every_operation_knows_its_line_and_columns() -> None:
    def f(x: Any) -> Any:
        π_scaled = np.sin(x) * 3.0 + np.cos(x)  # noqa: PLC2401 - bytes and characters differ
        return π_scaled

    graph = bl.trace(f)(1.0)
    spans = []
    for equation in graph.equations:
        source = equation.source
        assert source is not None and source.file == __file__ and source.function.endswith(".f")
        line = linecache.getline(__file__, source.line)
        spans.append(line[source.column : source.end_column])
    assert spans == ["np.sin(x)", "np.sin(x) * 3.0", "np.cos(x)", "np.sin(x) * 3.0 + np.cos(x)"]
    assert "π_scaled" in graph.names().values()


def test_helpers_and_callers_are_told_apart() -> None:
    def helper(x: Any) -> Any:
        return np.exp(x)

    def f(x: Any) -> Any:
        a = np.sin(x)
        b = helper(a)
        return np.cos(b)

    graph = bl.trace(f)(1.0)
    functions = [e.source.function.split(".")[-1] for e in graph.equations if e.source]
    assert functions == ["f", "helper", "f"]


def test_code_without_a_file_is_fine() -> None:
    code = compile("lambda np, x: np.sin(-x) * 2.0", "<made up>", "eval")
    function = __import__("types").FunctionType(code.co_consts[0], {})
    graph = bl.trace(lambda x: function(np, x))(1.0)
    assert graph.equations[0].source is not None
    assert graph.equations[0].source.file == "<made up>"
    assert set(graph.names().values()) == {"x", "t1", "t2", "t3"}
    with pytest.raises(BacklitError, match="at <made up>:1"):
        bl.trace(lambda x: function(np, x > 0.0))(onp.ones(2))


def test_arguments_that_are_not_numbers_pass_through_or_are_refused() -> None:
    def f(x: Any, kind: str) -> Any:
        return np.sin(x) if kind == "sine" else x

    try:
        graph = bl.trace(f)(1.0, "sine")
    except BacklitError as error:
        assert "kind" in str(error)
    else:
        assert len(graph.inputs) == 1 and [e.primitive.name for e in graph.equations] == ["sin"]


# --- provenance -------------------------------------------------------------------------------


def test_every_equation_of_a_gradient_says_which_rule_it_came_from() -> None:
    graph = bl.trace(bl.grad(network, (0, 2)))(*ARGS)
    forward = [e for e in graph.equations if e.provenance is None]
    assert [e.primitive.name for e in forward] == "matmul add tanh square sum divide".split()
    for equation in graph.equations[len(forward) :]:
        origin = equation.provenance
        assert origin is not None and origin.rule == "vjp"
        assert origin.role in ("local", "product", "sum")
        assert graph.equations[origin.equation].primitive.name == origin.primitive
        assert equation.source == graph.equations[origin.equation].source


@pytest.mark.parametrize(
    "derivative",
    [
        lambda f: lambda x: bl.jvp(f, (x,), (1.0,))[1],
        lambda f: bl.grad(bl.grad(f)),
        lambda f: bl.hessian(f),
        lambda f: lambda x: bl.jvp(bl.grad(f), (x,), (1.0,))[1],
        lambda f: lambda x: bl.grad(lambda x: bl.jvp(f, (x,), (1.0,))[1])(x),
        lambda f: bl.jacobian(lambda x: np.stack([f(x), x])),
    ],
)
def test_only_the_users_own_operations_have_no_provenance(derivative: Any) -> None:
    def f(x: Any) -> Any:
        return np.tan(x) / x * np.relu(x)

    def around(x: Any) -> Any:
        before = np.sin(x)
        inner = derivative(f)(before)
        return np.cos(np.sum(inner))

    graph = bl.trace(around)(0.7)
    verify(graph)
    own = [e for e in graph.equations if e.provenance is None]
    names = [e.primitive.name for e in own]
    assert names[0] == "sin" and names[-1] == "cos"
    assert set(names) <= {"sin", "cos", "sum", "tan", "divide", "multiply", "relu", "reshape",
                          "concatenate"}, names  # fmt: skip
    derivatives = [e for e in graph.equations if e.provenance is not None]
    assert len(derivatives) >= 4
    for e in derivatives:
        assert e.provenance is not None and e.provenance.rule in ("vjp", "jvp")
        assert e.provenance.slot >= (0 if e.provenance.role == "local" else -1)


def test_a_pullback_from_outside_has_no_forward_equation_here() -> None:
    _, pullback = bl.vjp(lambda x: np.sin(x) * x, 2.0)
    graph = bl.trace(lambda g: pullback(g)[0])(1.0)
    verify(graph)
    origins = [e.provenance for e in graph.equations]
    assert origins and all(p is not None and p.equation == -1 for p in origins)
    assert {p.primitive for p in origins if p} == {"sin", "multiply"}


def test_pruning_keeps_what_outputs_and_guards_need_and_renumbers_provenance() -> None:
    def f(x: Any) -> Any:
        np.exp(x)  # used by nobody
        y = np.sin(x)
        if np.cos(x) > 0.0:
            y = y * 2.0
        return y

    graph = bl.trace(bl.grad(f))(0.5)
    pruned = graph.pruned()
    verify(pruned)
    assert "exp" not in [e.primitive.name for e in pruned.equations]
    kept = {e.primitive.name for e in pruned.equations}
    assert {"greater", "cos", "multiply"} <= kept and len(pruned.guards) == 1
    assert pruned(onp.float64(0.5)) == graph(onp.float64(0.5))
    for e in pruned.equations:
        if e.provenance is not None and e.provenance.equation >= 0:
            assert pruned.equations[e.provenance.equation].primitive.name == e.provenance.primitive


# --- evaluating -------------------------------------------------------------------------------


def test_evaluating_again_gives_other_values_for_other_arguments() -> None:
    graph = bl.trace(network)(*ARGS)
    other = (onp.full((3, 2), 0.3), X * 2.0, onp.ones((3, 1)))
    assert graph(*other)[0] == pytest.approx(network(*other))
    assert evaluate(graph, ARGS)[0] == pytest.approx(network(*ARGS))


def test_a_graph_can_be_differentiated() -> None:
    graph = bl.trace(network)(*ARGS)
    found = bl.grad(lambda w: graph(w, *ARGS[1:])[0])(ARGS[0])
    onp.testing.assert_allclose(found, bl.grad(network)(*ARGS))


def test_values_keeps_every_intermediate() -> None:
    graph = bl.trace(network)(*ARGS)
    known = {graph.names()[var]: value for var, value in values(graph, ARGS).items()}
    onp.testing.assert_allclose(known["Z1"], ARGS[0] @ X)
    onp.testing.assert_allclose(known["A1"], onp.tanh(ARGS[0] @ X))
    inner = bl.trace(lambda x: bl.scan(lambda c, _: (c * 2.0, c), x, length=2))(1.0)
    assert len(values(inner, (1.0,))) == 3


def test_a_wrong_number_of_arguments_is_refused() -> None:
    with pytest.raises(GraphError, match="takes 3 arrays, got 1"):
        bl.trace(network)(*ARGS)(1.0)


def test_a_graph_is_used_only_where_it_holds() -> None:
    graph = bl.trace(lambda x, y: (x if x[0] > 0.0 else -x) * y)(onp.ones(2), 1.0)
    assert graph(onp.array([2.0, -3.0]), 2.0)[0].tolist() == [4.0, -6.0]
    with pytest.raises(GraphError, match=r"holds only where .* would be False") as caught:
        graph(onp.array([-2.0, 3.0]), 1.0)
    assert "x if x[0] > 0.0 else -x" in str(caught.value) and "trace" in str(caught.value)
    with pytest.raises(GraphError, match=r"traced for x of shape \(2,\), and got \(3,\)"):
        graph(onp.ones(3), 1.0)
    masked = bl.trace(lambda x: x[x > 0.0].sum())(onp.array([1.0, -1.0]))
    assert masked(onp.array([5.0, -2.0])) == (5.0,)
    with pytest.raises(GraphError, match="holds only where"):
        masked(onp.array([5.0, 2.0]))
    found = bl.grad(lambda x: graph(x, 3.0)[0].sum())(onp.array([2.0, -3.0]))
    assert found.tolist() == [3.0, 3.0]
    with pytest.raises(GraphError, match="holds only where"):
        bl.grad(lambda x: graph(x, 3.0)[0].sum())(onp.array([-2.0, -3.0]))


def test_an_edited_graph_does_not_remember_the_old_one() -> None:
    graph = bl.trace(lambda x: x * 2.0 if x > 0.0 else x)(1.0)
    assert graph(3.0) == (6.0,)
    edited = dataclasses.replace(graph, outputs=graph.inputs, guards=())
    assert edited(-3.0) == (-3.0,) and graph(3.0) == (6.0,)
    body = bl.trace(np.sin, abstract=True)(1.0)
    for derivative in (bl.grad, bl.jacfwd):
        assert derivative(lambda x: body(x)[0])(0.0) == 1.0
        other = dataclasses.replace(body, outputs=body.inputs)
        assert derivative(lambda x, g=other: g(x)[0] * 3.0)(1.0) == 3.0


def test_results_do_not_share_memory_with_the_graphs_constants() -> None:
    graph = bl.trace(lambda x: (np.ones(3), x))(1.0)
    (out, _) = graph(2.0)
    out[0] = 99.0
    assert graph(2.0)[0].tolist() == [1.0, 1.0, 1.0]


# --- verifying --------------------------------------------------------------------------------

SCALAR = AbstractValue((), onp.dtype(float))


def broken(kind: str) -> Graph:
    """Return a graph that breaks one rule."""
    graph = bl.trace(network)(*ARGS)
    first, second, *rest = graph.equations
    edit = dataclasses.replace
    other: dict[str, Any] = {
        "operand": {"equations": (second, first, *rest)},
        "twice": {"equations": (first, edit(second, outputs=first.outputs), *rest)},
        "type": {"equations": (edit(first, outputs=(Var(SCALAR),)), *rest)},
        "count": {
            "equations": (edit(first, outputs=(first.outputs[0], Var(SCALAR))), second, *rest)
        },
        "refused": {"equations": (edit(first, inputs=(Var(SCALAR), *first.inputs[1:])), *rest)},
        "inputs": {"inputs": (graph.inputs[0], *graph.inputs)},
        "output": {"outputs": (Var(SCALAR),)},
        "guard": {"guards": (Guard(Var(SCALAR), True),)},
        "provenance": {
            "equations": (
                edit(first, provenance=Provenance("vjp", 5, 0, "local", "tanh")),
                second,
                *rest,
            )
        },
    }
    return edit(graph, **other[kind])


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("operand", "every operand is a literal or was defined before"),
        ("twice", "every result is defined once"),
        ("type", "shapes and types are what the primitive's rule says"),
        ("count", "a primitive of one result has one"),
        ("refused", "breaks a rule"),
        ("inputs", "inputs are distinct"),
        ("output", "every output is defined"),
        ("guard", "every guard's variable is defined"),
        ("provenance", "provenance names an earlier equation"),
    ],
)
def test_the_verifier_names_the_rule(kind: str, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        verify(broken(kind))


def test_the_verifier_shows_the_neighbours_and_the_users_line() -> None:
    with pytest.raises(GraphError) as caught:
        verify(broken("twice"))
    text = str(caught.value)
    assert "graph network breaks a rule" in text
    assert "    matmul(float64[3,2], float64[2,2]) -> float64[3,2]" in text
    assert "  > add(float64[3,2], float64[3,1]) -> float64[3,2]" in text
    assert "Z1 = W1 @ X + b1" in text and "test_graph.py" in text


def test_the_verifier_refuses_shapes_the_rule_itself_refuses() -> None:
    x, y = (Var(AbstractValue((n,), onp.dtype(float))) for n in (2, 3))
    equation = Equation(registry["add"], (x, y), {}, (Var(SCALAR),))
    with pytest.raises(BacklitError, match="add|broadcast|rule"):
        verify(Graph((x, y), (equation,), equation.outputs))


def test_the_verifier_looks_into_inner_graphs() -> None:
    outer = bl.trace(lambda x: bl.scan(lambda c, _: (c * 2.0, None), x, length=2)[0])(1.0)
    (equation,) = outer.equations
    body = equation.params["body"]
    bad = dataclasses.replace(body, equations=())
    wrong = dataclasses.replace(equation, params={**equation.params, "body": bad})
    with pytest.raises(GraphError, match="every output is defined"):
        verify(dataclasses.replace(outer, equations=(wrong,)))


def test_the_verifier_refuses_unregistered_primitives() -> None:
    graph = bl.trace(np.sin)(1.0)
    stranger = dataclasses.replace(graph.equations[0], primitive=_unregistered())
    with pytest.raises(GraphError, match="the primitive is registered"):
        verify(dataclasses.replace(graph, equations=(stranger,)))


def _unregistered() -> Primitive:
    sine = registry.pop("sin")
    try:
        return dataclasses.replace(sine)
    finally:
        registry["sin"] = sine


def test_primitives_cannot_be_declared_twice() -> None:
    with pytest.raises(GraphError, match="'sin' is declared twice"):
        dataclasses.replace(registry["sin"])
    assert repr(registry["sin"]) == "sin"


# --- abstract values --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "float64~[]"),
        (True, "bool~[]"),
        (3, "int64~[]"),
        (onp.float32(1.0), "float32[]"),
        (onp.ones((2, 3), "int8"), "int8[2,3]"),
        ([[1, 2]], "int64[1,2]"),
    ],
)
def test_abstract_values(value: Any, text: str) -> None:
    aval = aval_of(value)
    assert str(aval) == text
    assert (aval.ndim, aval.size) == (onp.ndim(value), onp.size(value))
    assert aval.nbytes == onp.asarray(value).nbytes
    assert aval_of(aval_holder(aval)) is aval


def aval_holder(aval: AbstractValue) -> Any:
    return Literal(0.0) if aval is None else Var(aval)


def test_functions_without_a_name_or_signature_are_named_somehow() -> None:
    class Model:
        def __call__(self, x: Any) -> Any:
            return x * 2.0

    assert bl.trace(Model())(1.0).name == "Model"
    assert [v.name for v in bl.trace(Model())(1.0).inputs] == ["x"]
    assert bl.trace(max)(1.0, 2.0).name == "max"


def test_the_printer_is_stable() -> None:
    graph = bl.trace(lambda x: np.sin(x) * 2.0)(1.0)
    shape = textwrap.dedent(
        """\
        graph <lambda>(x: float64~[]) {
          t1: float64[] = sin x
          t2: float64[] = multiply t1 2.0
          return t2
        }"""
    )
    assert [line.split("  #")[0].rstrip() for line in str(graph).splitlines()] == shape.splitlines()
