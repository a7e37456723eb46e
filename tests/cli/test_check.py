"""``backlit check``: what it prints, and how it ends."""

from __future__ import annotations

import io
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from backlit.explain.equation.verdicts import KINDS

GUIDE = (Path(__file__).parents[2] / "docs" / "check.md").read_text("utf-8")

NEURON = """z = w x + b
a = σ(z)
L = -(y log a + (1-y) log(1-a))
"""
RIGHT, WRONG, UNKNOWN = "dL/dz = a - y\n", "dL/dw = (y - a) x\n", "dL/dw = (a - y) q\n"


@pytest.fixture
def notes(tmp_path):
    def write(text: str, name: str = "notes.md") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize(
    ("claims", "code"),
    [(RIGHT, 0), (RIGHT + WRONG, 1), (RIGHT + UNKNOWN, 3), (WRONG + UNKNOWN, 1), ("", 0)],
)
def test_the_exit_code_tells_the_worst(run, notes, claims, code):
    ran = run("check", notes(NEURON + claims))
    assert ran.code == code and ran.err == ""


def test_json_is_a_list_with_one_entry_per_claim(run, notes):
    ran = run("check", notes(NEURON + RIGHT + WRONG + UNKNOWN), "--json")
    assert ran.code == 1 and ran.err == "" and ran.out.count("\n") == 1
    right, wrong, refused = json.loads(ran.out)
    assert list(right) == "line claim verdict proved kind message suggestion span points".split()
    assert (right["line"], right["claim"], right["verdict"]) == (4, "dL/dz = a - y", "right")
    assert right["proved"] is True and right["points"] >= 20
    assert right["kind"] is None and right["suggestion"] is None
    assert (wrong["line"], wrong["verdict"], wrong["kind"]) == (5, "wrong", "sign")
    assert wrong["proved"] is False
    assert (refused["verdict"], refused["span"]) == ("refused", [16, 17])
    assert refused["kind"] in KINDS and "‘q’" in refused["message"]


def test_standard_input_is_read(run, notes, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO((NEURON + RIGHT).encode())))
    ran = run("check", "-")
    assert ran.code == 0 and "✓ line 4: dL/dz = a - y" in ran.out


@pytest.mark.parametrize(
    ("data", "message"), [(None, "cannot read"), (b"\xff\xfe\x00a", "is not UTF-8 text")]
)
def test_a_file_that_cannot_be_read_is_bad_input(run, tmp_path, data, message):
    path = tmp_path / "notes.md"
    if data is not None:
        path.write_bytes(data)
    ran = run("check", path)
    assert ran.code == 2 and ran.out == "" and message in ran.err


def test_the_wrong_part_is_underlined_where_it_stands(run, notes):
    ran = run("check", notes(NEURON + "   so  dL/dw = (y - a) x\n"))
    shown, marked = re.search(r"^(✗.*)\n( *\^+)$", ran.out, re.M).groups()
    assert shown[marked.index("^") : len(marked)] == "(y - a) x"


def test_the_page_shows_what_is_printed(run, notes):
    texts = re.findall(r"^```notes\n(.*?)^```$", GUIDE, re.S | re.M)
    reports = re.findall(r"^```report\n(.*?)^```$", GUIDE, re.S | re.M)
    assert len(texts) == 2
    for text, report in zip(texts, reports, strict=True):
        assert run("check", notes(text)).out == report


def test_the_python_of_the_page_runs(capsys, notes):
    said = [
        "[('dz', 'right'), ('dw', 'right'), ('db', 'wrong')]\ndb = np.sum(dz)\n",
        "['right', 'wrong'] 1 False\n",
    ]
    codes = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.S | re.M)
    for k, (code, out) in enumerate(zip(codes, said, strict=True)):
        runpy.run_path(str(notes(code, f"example{k}.py")))
        assert capsys.readouterr().out == out


def test_the_page_lists_every_kind():
    table = GUIDE.partition("| kind | |")[2]
    assert dict(re.findall(r"^\| `([\w-]+)` \| (.*) \|$", table, re.M)) == KINDS


def test_marks_without_unicode(run, notes, monkeypatch):
    from backlit.explain.equation.sheet import check

    sheet = check(NEURON + RIGHT + WRONG)
    heads = [line for line in sheet.to_text(ascii=True).splitlines() if " line " in line[:8]]
    assert [head.split()[0] for head in heads] == ["ok", "x"]


def test_a_report_without_unicode_underlines_what_it_says():
    from backlit.explain.equation.sheet import check

    report = check("z = w x\na = σ(z)\n∂a/∂w = −a(1−a)x").to_text(ascii=True)
    lines = report.splitlines()
    place = lines.index("x line 3: da/dw = -a(1-a)x")
    start = lines[place + 1].index("^")
    assert lines[place][start : len(lines[place + 1])] == "-a(1-a)x"
    assert report.isascii() and "try: da/dw = " in report


@pytest.mark.parametrize("json_", [False, True])
def test_what_ascii_cannot_hold_is_typed_or_escaped(notes, json_):
    words = [sys.executable, "-m", "backlit", "check", notes(NEURON + WRONG), *["--json"] * json_]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    ran = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert ran.returncode == 1 and ran.stdout.isascii() and "?" not in ran.stdout
    if json_:
        assert json.loads(ran.stdout)[0]["suggestion"].startswith("∂L/∂w = ")


HOMEWORK = """
import numpy as np

rng = np.random.default_rng(0)
W, b = rng.normal(size=(2, 3)), rng.normal(size=(2, 1))
X = rng.normal(size=(3, 5))
Y = rng.normal(size=(2, 5))

def forward(W, b, X, Y):
    m = X.shape[1]
    Z = W @ X + b
    E = Z - Y
    L = np.sum(E**2) / (2 * m)
    return L

def backward(X, E, m):
    dZ = E / m
    dW = dZ @ X.T
    db = np.sum(dZ, axis=1, keepdims=True)
    return dW, db
"""


def test_a_hand_written_backward_pass_is_run_and_compared(run, notes):
    path = notes(HOMEWORK, "homework.py")
    ran = run("check", f"{path}:forward,backward")
    assert ran.code == 0 and "3 statements compared, all right" in ran.out
    assert "running" in ran.err
    spoilt = notes(HOMEWORK.replace("dZ @ X.T", "-dZ @ X.T"), "spoilt.py")
    ran = run("check", f"{spoilt}:forward,backward", "--json")
    assert ran.code == 1
    found = {s["name"]: s["verdict"] for s in json.loads(ran.out)["statements"]}
    assert found == {"dZ": "right", "dW": "wrong", "db": "right"}


def test_what_the_file_prints_is_apart_from_the_result(run, notes):
    path = notes(
        f"print('loading')\n{HOMEWORK}".replace("    m =", "    print(1)\n    m ="), "loud.py"
    )
    ran = run("check", f"{path}:forward,backward", "--json")
    assert ran.code == 0 and len(json.loads(ran.out)["statements"]) == 3
    assert "loading\n1\n" in ran.err


def test_nothing_compared_is_not_called_right(run, notes):
    text = HOMEWORK.replace("dZ", "p").replace("dW", "q").replace("db", "r")
    text = text.replace("return q, r", "pass")
    ran = run("check", f"{notes(text, 'silent.py')}:forward,backward")
    assert ran.code == 3 and "Nothing could be compared" in ran.out and "right" not in ran.out


def test_an_error_of_the_users_own_function_is_shown_with_its_line(run, notes):
    spoilt = HOMEWORK.replace("dZ @ X.T", "dZ @ X")
    ran = run("check", f"{notes(spoilt, 'shapes.py')}:forward,backward")
    line = 1 + spoilt.splitlines().index("    dW = dZ @ X")
    assert ran.code == 2 and "stopped with ValueError" in ran.err
    assert f"shapes.py:{line}" in ran.err and "report it" not in ran.err
    assert "\n    dW = dZ @ X\n" in ran.err


def test_arguments_come_from_the_file_where_it_has_them(run, notes):
    given = "args = (np.ones((1, 2)), np.zeros((1, 1)), np.eye(2), np.ones((1, 2)))\n"
    ran = run("check", f"{notes(HOMEWORK + given, 'given.py')}:forward,backward")
    assert ran.code == 0 and "at a loss of 0" in ran.out
    none = HOMEWORK.replace("Y = ", "y = ")
    ran = run("check", f"{notes(none, 'none.py')}:forward,backward")
    assert ran.code == 2 and "no value is known for Y" in ran.err and "args = (" in ran.err
    ran = run("check", f"{notes(HOMEWORK, 'none.py')}:forward,sideways")
    assert ran.code == 2 and "no function 'sideways'" in ran.err
    ran = run("check", f"{notes('1/0', 'broken.py')}:forward,backward")
    assert ran.code == 2 and "ZeroDivisionError" in ran.err
    fails = HOMEWORK.replace("dZ @ X.T", "dZ @ X")
    ran = run("check", f"{notes(fails, 'fails.py')}:forward,backward")
    assert ran.code == 2 and re.search(r"stopped with ValueError: .*\n.*fails.py:18,", ran.err)
    leaves = HOMEWORK.replace("dZ @ X.T", "exit()")
    ran = run("check", f"{notes(leaves, 'leaves.py')}:forward,backward")
    assert ran.code == 2 and re.search(r"stopped with SystemExit.*\n.*leaves.py:18,", ran.err)
    ran = run("check", f"{notes('raise SystemExit(0)', 'leaving.py')}:forward,backward")
    assert ran.code == 2 and "SystemExit" in ran.err
