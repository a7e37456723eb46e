"""What is said of one slip in a hand-written backward pass: its name, its line and no other."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import backlit.numpy as bnp
from backlit.explain.backward import check_backward
from backlit.explain.compared import CheckedStatement
from backlit.explain.handwritten import run_watched, statements_of
from backlit.explain.mismatch import compare

RNG = np.random.default_rng(1)
Write = Callable[..., Any]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(head: str, *lines: str, file: str = "student.py") -> Any:
        path = tmp_path / file
        body = "".join(f"    {line}\n" for line in lines)
        path.write_text(f"import numpy as np\n\ndef student({head}):\n{body}", encoding="utf-8")
        return runpy.run_path(str(path))["student"]

    return written


def judged(forward: Any, backward: Any, args: Any) -> dict[str, CheckedStatement]:
    return {s.name: s for s in check_backward(forward, backward, *args).statements}


# --- several statements in one line ---------------------------------------------------------------


def scaled(gamma: Any, beta: Any, x: Any, y: Any) -> Any:
    mu = np.mean(x, axis=0)
    xhat = x - mu
    out = gamma * xhat + beta
    L = np.sum((out - y) ** 2)
    return L


SCALED = (RNG.normal(size=3), RNG.normal(size=3), RNG.normal(size=(6, 3)), RNG.normal(size=(6, 3)))


def test_each_statement_of_a_line_has_its_own_text_and_diagnosis(write: Write) -> None:
    backward = write(
        "x, y, out, xhat",
        "dout = 2 * (out - y)",
        "dbeta = dout.sum(1); dgamma = (dout * x).sum(0)",
        "return dgamma, dbeta",
    )
    found = judged(scaled, backward, SCALED)
    assert found["dbeta"].code == "dbeta = dout.sum(1)"
    assert found["dbeta"].suggestion == "dbeta = np.sum(dout, axis=0)"
    assert found["dgamma"].code == "dgamma = (dout * x).sum(0)"
    assert found["dgamma"].kind == "symbol" and "‘xhat’" in found["dgamma"].message
    assert found["dgamma"].suggestion == "dgamma = np.sum(dout*xhat, axis=0)"


def test_what_follows_in_the_same_line_is_not_blamed(write: Write) -> None:
    backward = write(
        "x, y, out, xhat",
        "dout = out - y; dbeta = dout.sum(0); dgamma = (dout * xhat).sum(0)",
        "return dgamma, dbeta",
    )
    found = judged(scaled, backward, SCALED)
    assert list(found) == ["dout", "dbeta", "dgamma"]
    assert (found["dout"].kind, found["dout"].suggestion) == ("factor", "dout = 2 * (out - y)")
    assert found["dbeta"].kind == found["dgamma"].kind == "upstream"


def test_statements_of_a_line_are_told_apart_by_what_they_assign(write: Write) -> None:
    f = write(
        "x",
        "if x: b = 1.0; a = b + 1.0",
        "g = {'w': 1.0}; g['v'] = 2.0; b *= 2.0",
        "c = 'a; b'; d, e = 1.0, 2.0; return g, c, d, e",
    )
    run = run_watched(f, [np.array(1.0)])
    assert {one.name: (one.code, one.place[1]) for one in run.assigned} == {
        "a": ("a = b + 1.0", 1),
        "w": ("g = {'w': 1.0}", 0),
        "v": ("g['v'] = 2.0", 1),
        "b": ("b *= 2.0", 2),
        "d": ("d, e = 1.0, 2.0", 1),
        "e": ("d, e = 1.0, 2.0", 1),
    }
    assert run.before == ("c = 'a; b'", "d, e = 1.0, 2.0")
    assert [one.code for one in statements_of("while x:")] == ["while x:"]


# --- the message and the suggestion are about one slip --------------------------------------------


def fitted(w: Any, b: Any, x: Any, y: Any) -> Any:
    z = x @ w + b
    e = z - y
    return bnp.mean(e**2)


FITTED = (RNG.normal(size=3), 0.5, RNG.normal(size=(4, 3)), RNG.normal(size=4))


@pytest.mark.parametrize(
    ("line", "kind", "words", "suggestion"),
    [
        ("db = -2*e.sum()/m", "sign", "it has the opposite sign", "db = 2*e.sum()/m"),
        ("dw = 2*e@x", "one-over-m", "4 times too large: 1/4 is missing", "dw = 2*e@x / m"),
        ("dw = -2*e@x", "one-over-m", "the opposite sign and is 4 times", "dw = 2*e@x / m"),
        ("dw = 2*e@x/m/m", "one-over-m", "1/4 is taken twice", "dw = 2*e@x/m/m * m"),
        ("dw = e@x/m", "factor", "0.5 times", "dw = 2 * e@x/m"),
        ("db = -e.sum()/m", "factor", "the opposite sign and is 0.5 times", "db = 2 * e.sum()/m"),
    ],
)
def test_the_simplest_slip_is_named_and_mended(
    write: Write, line: str, kind: str, words: str, suggestion: str
) -> None:
    backward = write("w, b, x, y", "e = x@w + b - y; m = len(e)", line, "return " + line[:2])
    found = judged(fitted, backward, FITTED)[line[:2]]
    assert found.kind == kind and words in found.message and "‘" not in found.message
    assert found.suggestion == suggestion


def test_a_number_without_a_simple_ratio_is_no_forgotten_factor() -> None:
    one = np.array([1.0, 2.0])
    assert compare(one * 3, one, {}, 1).repair == "{} / 3"
    assert compare(one * -0.25, one, {}, 1).repair == "-4 * {}"
    assert compare(one * 1_000_000.3, one, {}, 1).repair == ""
    assert compare(one * -0.37, one, {}, 1).message == "it is -0.37 times what it should be"
