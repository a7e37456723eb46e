"""Places in the user's program: lines, columns, names, and files that are not there."""

from __future__ import annotations

import linecache
import threading
import types
from collections.abc import Iterator
from typing import Any

import numpy as onp
import pytest

import backlit as bl
import backlit.numpy as np
from backlit.core import tree
from backlit.core.errors import BacklitError
from backlit.core.serial import dumps, loads
from backlit.core.source import Source


def pretend(name: str, text: str) -> None:
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)


@pytest.fixture
def cell() -> Iterator[str]:
    """A name like a notebook cell's, whose text is known to linecache only."""
    name = "<cell 1>"
    yield name
    linecache.cache.pop(name, None)


def run(name: str, text: str, x: Any) -> Any:
    """Trace the function that a made-up file defines."""
    pretend(name, text)
    code = compile(text, name, "exec")
    inner = next(c for c in code.co_consts if isinstance(c, types.CodeType))
    return bl.trace(types.FunctionType(inner, {"np": np, "bl": bl}))(x)


def test_names_in_a_cell(cell: str) -> None:
    graph = run(
        cell, "def f(x):\n    größe = np.sin(x); t1 = größe * 2.0\n    return t1 + 1.0\n", 1.0
    )
    assert list(graph.names().values()) == ["x", "größe", "t1", "t2"]
    assert str(graph).splitlines()[1].endswith("# <cell 1>:2")


def test_columns_count_characters_not_bytes(cell: str) -> None:
    graph = run(cell, "def f(x):\n    ä = 'ööö'; y = np.sin(x) * 2.0\n    return y\n", 1.0)
    source = graph.equations[1].source
    assert source is not None
    line = linecache.getline(cell, 2)
    assert line[source.column : source.end_column] == "np.sin(x) * 2.0"
    marks = source.excerpt().splitlines()[2]
    assert marks.count("^") == len("np.sin(x) * 2.0")
    assert graph.names()[graph.outputs[0]] == "y"  # type: ignore[index]


def test_an_expression_over_several_lines(cell: str) -> None:
    text = "def f(x):\n    total = (np.sin(x)\n             + np.cos(x))\n    return total\n"
    graph = run(cell, text, 1.0)
    assert graph.names()[graph.outputs[0]] == "total"  # type: ignore[index]
    source = graph.equations[-1].source
    assert source is not None and (source.line, source.end_line) == (2, 3)
    assert "^" not in source.excerpt() and "total = (np.sin(x)" in source.excerpt()


def test_several_results_of_one_operation_are_numbered(cell: str) -> None:
    text = "def f(x):\n    pair = bl.scan(lambda c, _: (c, c), x, length=2)\n    return pair\n"
    assert list(run(cell, text, 1.0).names().values())[1:] == ["pair", "pair.1"]


def test_text_that_changed_or_is_gone_does_no_harm(cell: str) -> None:
    graph = run(cell, "def f(x):\n    y = np.sin(x)\n    return y\n", 1.0)
    pretend(cell, "this is not ( Python\n")
    assert list(graph.names().values()) == ["x", "t1"]
    del linecache.cache[cell]
    assert list(graph.names().values()) == ["x", "t1"]
    source = graph.equations[0].source
    assert source is not None and source.text() == ""
    assert source.excerpt() == "  at <cell 1>:2, in f"


def test_a_name_of_the_users_that_looks_like_ours(cell: str) -> None:
    text = "def f(t2):\n    t1 = np.sin(t2)\n    return np.cos(np.exp(t1))\n"
    assert list(run(cell, text, 1.0).names().values()) == ["t2", "t1", "t3", "t4"]


def test_code_without_positions(cell: str) -> None:
    text = "def f(x):\n    return np.sin(x)\n"
    pretend(cell, text)
    inner = next(c for c in compile(text, cell, "exec").co_consts if hasattr(c, "co_code"))
    bare = inner.replace(co_linetable=b"")
    source = Source.at(bare, 0)
    assert (source.line, source.column) == (1, -1)
    assert "^" not in source.excerpt() and source.targets() == ()


def test_errors_point_at_the_callers_line() -> None:
    with pytest.raises(BacklitError) as caught:
        bl.grad(lambda x: x)(3)
    assert caught.value.where is not None and caught.value.where.file == __file__
    assert caught.value.what.startswith("grad of <lambda>") and caught.value.fix
    assert str(caught.value).count("\n") >= 4


def installed(f: types.FunctionType, folder: str = "site-packages") -> types.FunctionType:
    """Return a function as if it came with a package."""
    code = f.__code__.replace(co_filename=f"/opt/{folder}/library/sums.py")
    return types.FunctionType(code, f.__globals__, f.__name__, None, f.__closure__)


def total(x: Any) -> Any:
    return onp.fft.fft(x).sum()


@pytest.mark.parametrize("folder", ["site-packages", "dist-packages"])
def test_behind_a_library_errors_point_at_the_line_that_called_it(folder: str) -> None:
    library = installed(total, folder)
    with pytest.raises(BacklitError, match="fix: ") as caught:
        bl.grad(lambda x: library(x))(onp.ones(3))
    assert caught.value.where is not None and caught.value.where.file == __file__
    assert "lambda x: library(x)" in str(caught.value)


def test_an_installed_program_that_nobody_calls_keeps_its_own_line() -> None:
    raised: list[BacklitError] = []

    def program() -> None:
        try:
            bl.grad(total)(3)
        except BacklitError as error:
            raised.append(error)

    # A thread starts in the standard library: nothing of the user's is further out.
    thread = threading.Thread(target=installed(program))
    thread.start()
    thread.join()
    where = raised[0].where
    assert where is not None and where.file == "/opt/site-packages/library/sums.py"


def test_an_error_is_what_where_and_fix() -> None:
    plain = BacklitError("wrong")
    assert str(plain) == "wrong" and plain.where is None and plain.fix is None


def test_leaves_are_those_of_flatten() -> None:
    sample = {"b": [1.0, (2.0, None)], "a": 3.0}
    assert tree.leaves(sample) == tree.flatten(sample)[0] == [3.0, 1.0, 2.0]
    assert tree.leaves(None) == [] and tree.leaves(4.0) == [4.0]


UNPACKED = [
    ("h, hs = bl.scan(step, x[0], x)", ["h", "hs"]),
    ("(h, c), hs = bl.scan(twice, (x[0], x[1]), x)", ["h", "c", "hs"]),
    ("[h, hs] = bl.scan(step, x[0], x)", ["h", "hs"]),
    ("first, *others = bl.scan(step, x[0], x)", ["t2", "t3"]),
    ("pair, hs = bl.scan(twice, (x[0], x[1]), x)", ["t3", "t4", "t5"]),
    ("q, k, v = np.split(x, 3)", ["q", "k", "v"]),
    ("q, k, v = x", ["q", "k", "v"]),
    ("a, step.b = np.split(x[:2], 2)", ["a", "step.b"]),
    ("a, b = x[0, :2]", ["a", "b"]),
    ("a, b = x[0, 0] * x[1, :2]", ["a", "b"]),
    ("a, b = np.sin(x), np.cos(x)", ["a", "b"]),
]
ALL = [*"hcqkvab", "hs", "step.b", "first", "others", "pair"]


@pytest.mark.parametrize(("line", "expected"), UNPACKED)
def test_a_result_that_is_taken_apart_has_a_name_per_part(
    cell: str, line: str, expected: list[str]
) -> None:
    text = (
        "def f(x):\n"
        "    def step(h, x): return h * x, h + x\n"
        "    def twice(pair, x): return (pair[0] * x, pair[1] + x), pair[0]\n"
        f"    {line}\n"
        "    return 0.0\n"
    )
    graph = run(cell, text, onp.ones((3, 3)))
    names = graph.names()
    assert {name for name in names.values() if name in ALL} == {*expected} & {*ALL}
    last = graph.equations[-1].outputs
    assert [names[v] for v in last] == expected[-len(last) :]
    again = loads(dumps(graph))
    assert list(again.names().values()) == list(names.values())
