"""Hostile notes are refused or read harmlessly: nothing is run, imported, opened or looked up."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backlit.explain.equation.text.entries import Notes
from backlit.explain.equation.text.headers import read_headers
from backlit.explain.equation.text.lexer import tokens
from backlit.explain.equation.text.notes import read
from backlit.explain.equation.text.parser import parse, parse_expression
from backlit.explain.equation.text.tokens import NotationError
from backlit.explain.equation.text.vocabulary import Vocabulary

_CORPUS = Path(__file__).with_name("hostile.py")
_spec = importlib.util.spec_from_file_location("hostile", _CORPUS)
assert _spec is not None and _spec.loader is not None
hostile = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(hostile)
EVERYTHING: list[str] = [*hostile.CODE, *hostile.REFUSED, *hostile.HARMLESS]


def short(note: str) -> str:
    return ascii(note[:40])


@pytest.mark.parametrize("note", hostile.CODE, ids=short)
def test_programs_are_refused_as_such(note: str) -> None:
    notes = read(note)
    assert notes.refusals and not notes.statements
    assert any(refusal.is_code for refusal in notes.refusals)


@pytest.mark.parametrize("note", hostile.REFUSED, ids=short)
def test_what_is_not_notation_or_too_much_is_refused(note: str) -> None:
    assert_well_formed(read(note))
    assert read(note).refusals


@pytest.mark.parametrize("note", hostile.HARMLESS, ids=short)
def test_the_rest_is_read_or_refused(note: str) -> None:
    assert_well_formed(read(note))


def assert_well_formed(notes: Notes) -> None:
    """Every entry points into its line and every refusal says something."""
    lines = [*notes.text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), ""]
    for entry in notes.entries:
        assert 1 <= entry.line <= len(lines)
        start, end = entry.span
        assert 0 <= start <= end
        assert getattr(entry, "message", "x")
    for statement in notes.statements:
        assert statement.span[1] <= len(statement.text)
        for node in statement.equation.walk():
            assert 0 <= node.span[0] <= node.span[1] <= len(statement.text)


# What Python itself reports of imports, files, sockets, processes, compilation and so on.
WATCHER = """
import builtins, json, sys
from backlit.explain.equation.text import notes, printing
from backlit.explain.equation.sheet import check

class Canary:
    def __getattr__(self, name):
        events.append("attribute " + name)
    def __call__(self, *args, **keywords):
        events.append("call")

builtins.canary = Canary()
events, watching = [], False

def hook(event, args):
    # Where it is called from the engine asks itself, by a frame's code.
    by_engine = event in ("builtins.id", "sys._getframe") or args[1:] == ("f_code",)
    if watching and not by_engine:
        events.append(event + " " + repr(args)[:100])

corpus = json.loads(sys.stdin.read())
# What is loaded at first use is loaded now.
check("z = W x\\nL = sum(z^2)\\ndL/dW = 2 z\\ndL/dx = 2 W^T z\\ndL/dx = 2 W z")
sys.addaudithook(hook)
watching = True
for note in corpus:
    found = notes.read(note)
    for statement in found.statements[:20]:
        printing.latex(statement.equation), printing.python(statement.equation)
    if len(note) < 2000:
        check("L = x^2\\n" + note + "\\ndL/dx = 2x").to_text()
watching = False
print(json.dumps(events))
"""


def test_nothing_is_imported_opened_run_or_looked_up() -> None:
    # A hang fails here too.
    result = subprocess.run(
        [sys.executable, "-c", WATCHER],
        input=json.dumps([note for note in EVERYTHING if "\ud800" not in note]),
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert json.loads(result.stdout) == []


def test_the_watcher_would_see_it() -> None:
    bait = WATCHER.replace("found = notes.read(note)", "found = eval(note) or notes.read('a = b')")
    result = subprocess.run(
        [sys.executable, "-c", bait],
        input=json.dumps(["canary.touched", "__import__('os').listdir('.') and None"]),
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    seen = " ".join(json.loads(result.stdout))
    assert "attribute touched" in seen and "os.listdir" in seen and "compile" in seen


def test_ten_megabytes_are_refused_at_once() -> None:
    (refusal,) = read("x = " + "y" * 10_000_000).refusals
    assert "characters" in refusal.message and len(refusal.text) <= 10_000
    for text in ("(" * 10**5 + "x" + ")" * 10**5, "x" * 10**5):
        with pytest.raises(NotationError):
            parse_expression(text)


def test_homoglyphs_and_invisible_characters_are_named() -> None:
    with pytest.raises(NotationError, match=r"U\+0430, cyrillic small letter a"):
        parse("dW = \u0430")
    with pytest.raises(NotationError, match=r"invisible.*U\+202E") as caught:
        parse("dW = \u202eX")
    assert caught.value.span == (5, 6)


PIECES = st.sampled_from(
    [
        *"()[]{}|‖^_'=+-*/.,;:<>!&%$#@~\\ \t\n`\"",
        "\\frac",
        "\\sum",
        "\\partial",
        "\\nabla",
        "∂",
        "∇",
    ]
    + ["\\left", "\\hat", "\\begin{cases}", "\\end{cases}", "\\\\", "\\text{if }", "\\mathrm{d}"]
    + ["dW", "dL", "d", "W", "x", "y'", "e", "σ", "Σ", "sum", "np.", "log", "sqrt", "T", "l", "i"]
    + ["1", "2", ".5", "1e9", "²", "₁", "ᵀ", "**", ":=", "axis=1", "where", "lambda", "⁽", "½", "ŷ"]
    + ["\u200b", "\u0302", "\x00", "import ", "def f(", "```\n", "$$", "|---|\n", "(3,)", "∈", "≈"]
)
KNOWN = Vocabulary(
    frozenset(["W", "x", "y", "y'", "L", "e"]), frozenset(["g"]), layered=frozenset(["W"])
)


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=st.one_of(st.lists(PIECES, max_size=40).map("".join), st.text(max_size=60)))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert_well_formed(read(text))
    for known in (Vocabulary(), KNOWN):
        for attempt in (
            lambda known=known: parse_expression(text, known),
            lambda known=known: parse(text, known),
            lambda known=known: tokens(text),
        ):
            try:
                attempt()
            except NotationError as error:
                assert 0 <= error.span[0] <= error.span[1] <= len(text)
                assert error.what


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=st.lists(PIECES, max_size=12).map(lambda parts: "x: (" + "".join(parts) + ")"))
def test_any_header_is_read_or_refused(text: str) -> None:
    assert_well_formed(read(text))


def test_a_header_can_be_read_alone() -> None:
    with pytest.raises(NotationError):
        read_headers("W: (4, x y)", 0, 11, 1)
