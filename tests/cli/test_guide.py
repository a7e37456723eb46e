"""The commands and the Python of docs/cli.md, docs/data.md and README.md run as they stand.

What docs/cli.md says of the defaults is so.
"""

from __future__ import annotations

import json
import math
import re
import shlex
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from backlit.train.tabular.recipe import ACTIVATIONS, RATES, recipe_for
from tests.cli.samples import flowers, houses

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "cli.md").read_text("utf-8")


def blocks(language: str, page: str = GUIDE) -> list[str]:
    # Every fence opens or closes a block, so they come in pairs.
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page, re.S | re.M)
    return [text for name, text in found if name == language]


def assert_python_runs(page: str, folder: Path) -> None:
    codes = blocks("python", page)
    assert codes
    for code in codes:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code], cwd=folder, capture_output=True, text=True
        )
        assert done.returncode == 0, (code, done.stderr)


def assert_live(words, ran):
    """An example of an explanation must have something to explain."""
    if words[1] != "explain":
        return
    if "--output" in words:
        assert "∂L/∂w" in Path(words[-1]).read_text("utf-8")
    elif "json" in words:
        assert json.loads(ran.out)["explanation"]["gradient"] != 0
    else:
        (slope,) = re.findall(r"^ *∂L/∂w +(\S+), explained below$", ran.out, re.M)
        assert abs(float(slope)) > 0


@pytest.fixture
def tables(table):
    table("flowers.csv", flowers())
    table("houses.csv", houses())


def test_every_command_works(run, tables):
    commands = [line for block in blocks("") for line in block.splitlines()]
    assert len(commands) >= 11
    for command in commands:
        words = shlex.split(command)
        assert words[0] == "backlit"
        ran = run(*words[1:])
        assert ran.code == 0, (command, ran.err)
        if "--json" in words:
            json.loads(ran.out)
        assert_live(words, ran)


def test_the_python_works(run, tables):
    (code,) = blocks("python")
    lines = code.strip().splitlines()
    for line in lines[:3]:
        module, names = re.fullmatch(r"from (\S+) import (.*)", line).groups()
        found = __import__(module, fromlist=names.split(", "))
        assert all(callable(getattr(found, name)) for name in names.split(", "))
    from backlit.cli.explain import explain
    from backlit.train.tabular import predict, train

    result = train("flowers.csv", "species", epochs=50, progress=False)
    assert len(result.history.curve("loss")) == result.epochs == 50
    assert predict(result.model, "flowers.csv").probabilities.shape == (60, 3)
    found = explain(result.model, "flowers.csv", row=0, weight="layers.0.W[1,5]")
    assert math.isfinite(found.explanation.gradient)


def test_the_page_on_tables(run, tables, table, tmp_path):
    page = (ROOT / "docs" / "data.md").read_text("utf-8")
    assert_python_runs(page, tmp_path)
    columns = houses()
    table("a.csv", {"id": list(range(50)), "area": columns["area"]})
    table("b.csv", {"id": list(range(50)), "price": columns["price"]})
    with duckdb.connect() as db:
        db.execute(f"COPY (FROM '{tmp_path}/b.csv') TO '{tmp_path}/b.parquet'")
    (command,) = [line for block in blocks("", page) for line in block.splitlines()]
    ran = run(*shlex.split(command)[1:], "--epochs", "2")
    assert ran.code == 0, ran.err
    assert "backlit-a/model.safetensors" in ran.out


def test_the_readme(run, tmp_path):
    """Every command works as typed after the ones before it, `make demo` being the first."""
    page = (ROOT / "README.md").read_text("utf-8")
    assert_python_runs(page, tmp_path)
    commands = [line for block in blocks("", page) for line in block.splitlines()]
    assert commands[:2] == ["make demo", "make test"] and len(commands) >= 6
    assert run("demo").code == 0
    for command in commands[2:]:
        program, *words = shlex.split(command)
        assert program in {".venv/bin/backlit", ".venv/bin/python"}
        if program.endswith("python"):  # the scripts have tests of their own
            assert (ROOT / words[0]).is_file()
            continue
        words = [str(ROOT / word) if word.startswith("examples/") else word for word in words]
        ran = run(*words)
        # Notes with something wrong in them are what `check` is shown for.
        assert ran.code == (words[0] == "check"), (command, ran.err)
        assert_live(["backlit", *words], ran)


def test_the_json_example_has_the_fields_there_are(run, tables):
    (example,) = blocks("json")
    found = run("train", "flowers.csv", "--target", "species", "--epochs", "2", "--json")
    assert list(json.loads(example)) == list(json.loads(found.out))


def test_the_table_of_options_is_that_of_the_help(run):
    part = GUIDE.partition("| option |")[2].partition('"Rows"')[0]
    documented = set(re.findall(r"--[a-z][a-z-]+", part))
    help_text = run("train", "--help").out.partition("Examples:")[0]
    known = set(re.findall(r"--[a-z][a-z-]+", help_text)) - {"--help"}
    known -= {"--refit", "--report", "--jit"}  # what `--no-…` switches off
    assert documented == known
    for name in (*ACTIVATIONS, *RATES):
        assert re.search(rf"\b{name}\b", part)


@pytest.mark.parametrize(
    ("rows", "batch", "epochs"),
    [
        (5, 5, 1500),
        (40, 32, 750),  # 2 steps each
        (199, 32, 215),  # 7
        (800, 32, 60),  # 25
        (1000, 32, 60),
        (3999, 32, 48),  # 125
        (5000, 64, 60),  # 79
        (20_000, 128, 39),  # 157
        (100_000, 256, 16),  # 391
        (1_000_000, 256, 10),
    ],
)
def test_defaults_by_rows(rows, batch, epochs):
    recipe = recipe_for(rows)
    assert (recipe.batch, recipe.epochs) == (batch, epochs)
    assert recipe.validation == (0.15 if rows >= 200 else 0.0)
    assert recipe.weight_decay == pytest.approx(20 / math.sqrt(rows), abs=1e-4)
    assert recipe_for(rows, optimizer="sgd").weight_decay == 0
    assert (recipe.rate, recipe.hidden, recipe.patience) == (0.005, (64, 32), 30)


def test_the_learning_rate_rises_and_falls_once():
    recipe = recipe_for(100, epochs=50, batch=10)
    rate = recipe.rule(100).settings["rate"]
    values = [rate(step) for step in range(500)]
    top = values.index(max(values))
    assert values[top] == pytest.approx(recipe.rate)
    assert values[: top + 1] == sorted(values[: top + 1])
    assert values[top:] == sorted(values[top:], reverse=True)
    assert recipe_for(5, epochs=2).rule(5).settings["rate"] == 0.005  # too few steps for that
