"""``backlit explain``: the gradient against differences of a loss written by hand."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import numpy as onp
import pytest

from tests.cli.samples import flowers, houses
from tests.cli.test_predict import forward


def loss_of(folder, columns, row, path=None, index=(), change=0.0):
    """Return the loss of one row after changing one weight, in float64 and in plain NumPy."""
    from backlit.data.tensorfile import read_tensors

    arrays, metadata = read_tensors(folder / "model.safetensors")
    notes = json.loads(metadata["preprocessing"])
    features = []
    for column in notes["columns"]:
        value = columns[column["name"]][row]
        if "mean" in column:
            features.append(onp.float32((value - column["mean"]) / column["scale"]))
        else:
            features += [float(value == one) for one in column["categories"]]
    a = onp.array(features, float)
    arrays = {name: onp.array(array, float) for name, array in arrays.items()}
    if path is not None:
        arrays[path][index] += change
    layers = len(arrays) // 2
    for k in range(layers):
        a = a @ arrays[f"layers.{k}.W"] + arrays[f"layers.{k}.b"]
        a = onp.maximum(a, 0) if k < layers - 1 else a
    target = notes["target"]
    if target["task"] == "regression":
        wanted = (columns[target["name"]][row] - target["mean"]) / target["scale"]
        return (a[0] - onp.float32(wanted)) ** 2
    wanted = target["labels"].index(columns[target["name"]][row])
    return -(a[wanted] - a.max() - onp.log(onp.exp(a - a.max()).sum()))


@pytest.mark.parametrize(
    ("name", "columns", "weight", "path", "index"),
    [
        ("flowers", flowers(), "layers.0.W[1,3]", "layers.0.W", (1, 3)),
        ("flowers", flowers(), "1.W[2,5]", "layers.1.W", (2, 5)),
        ("flowers", flowers(), "layers.2.b[1]", "layers.2.b", (1,)),
        ("houses", houses(), " layers.1.W[ 4 , 2 ] ", "layers.1.W", (4, 2)),
        ("houses", houses(), "0.b[6]", "layers.0.b", (6,)),
    ],
)
@pytest.mark.parametrize("row", [0, 7])
def test_gradient_equals_a_difference_quotient(run, shop, name, columns, weight, path, index, row):
    words = ["--row", row, "--weight", weight, "--format", "json"]
    ran = run("explain", shop / name, shop / f"{name}.csv", *words)
    assert ran.code == 0 and ran.err == ""
    found = json.loads(ran.out)
    step = 1e-6
    up, down = (loss_of(shop / name, columns, row, path, index, s) for s in (step, -step))
    slope = (up - down) / (2 * step)
    e = found["explanation"]
    assert e["loss"]["value"] == pytest.approx(
        loss_of(shop / name, columns, row), rel=1e-4, abs=1e-6
    )
    assert e["gradient"] == pytest.approx(slope, rel=1e-3, abs=1e-6)
    assert e["paths"]["total"] == e["gradient"]
    assert (found["row"], found["target"]) == (row, {"flowers": "species", "houses": "price"}[name])


def test_the_text_shows_every_part_and_adds_up(run, shop):
    ran = run(
        "explain", shop / "flowers", shop / "flowers.csv", "--row", "2", "--weight", "0.W[0,1]"
    )
    assert ran.code == 0 and ran.err == ""
    assert ran.out.startswith("Row 2: species is 'rose', and the model predicts ")
    for part in ("1. Forward pass", "2. Backward pass", "3. The chain", "4. Sum over paths"):
        assert part in ran.out
    shown = re.search(r"the sum over all paths\s+(\S+)\n\s+backlit.grad \S+ \S+\s+(\S+)", ran.out)
    if shown is None:  # a relu may block every path, which is said instead
        assert "= 0" in ran.out
    else:
        assert shown[1] == shown[2]


def test_it_says_which_feature_a_first_weight_multiplies(run, shop):
    columns = flowers()
    words = ["--row", "4", "--format", "json", "--weight"]
    source = [shop / "flowers", shop / "flowers.csv"]
    found = json.loads(run("explain", *source, *words, "0.W[1,0]").out)
    width = onp.array(columns["width"])
    assert found["input"].startswith("the feature 'width', here ")
    from backlit.train import load

    column = load(shop / "flowers" / "model.safetensors").preprocessing.columns[1]
    given = float(found["input"].split()[-1])
    assert given == pytest.approx((width[4] - column.mean) / column.scale, rel=1e-3)
    assert json.loads(run("explain", *source, *words, "1.W[1,0]").out)["input"] == ""
    assert json.loads(run("explain", *source, *words, "0.b[1]").out)["input"] == ""


def test_actual_and_predicted_are_in_terms_of_the_table(run, shop):
    words = ["--row", "3", "--weight", "0.b[0]", "--format", "json"]
    found = json.loads(run("explain", shop / "houses", shop / "houses.csv", *words).out)
    assert found["actual"] == houses()["price"][3]
    Z, target = forward(shop / "houses", houses())
    assert found["predicted"] == pytest.approx(Z[3, 0] * target["scale"] + target["mean"], rel=1e-5)


def test_how_much_to_show(run, shop):
    words = ["--row", "0", "--weight", "0.W[0,1]", "--format", "json"]
    source = [shop / "houses", shop / "houses.csv"]
    few = json.loads(run("explain", *source, *words, "--paths", "1", "--elements", "1").out)
    many = json.loads(run("explain", *source, *words, "--paths", "50", "--elements", "9").out)
    assert len(few["explanation"]["paths"]["largest"]) <= 1
    total = many["explanation"]["paths"]
    assert len(total["largest"]) == min(50, total["count"]) > 1
    assert few["explanation"]["gradient"] == many["explanation"]["gradient"]


def test_python_function_takes_a_table(shop):
    from backlit.cli.explain import explain
    from backlit.data import read_table

    table = read_table(shop / "flowers.csv")
    found = explain(shop / "flowers", table, row=1, weight="layers.0.b[2]")
    assert found.actual == "tulip" and "species is 'tulip'" in str(found)
    assert found.to_dict()["explanation"] == found.explanation.to_dict()


@pytest.mark.parametrize("typed", ["layers.0.w[0,1]", "0.w[0,1]", "LAYERS.0.W[0,1]"])
def test_capitals_are_the_nearest_guess(run, shop, typed):
    source = [shop / "houses", shop / "houses.csv"]
    ran = run("explain", *source, "--row", "0", "--weight", typed)
    assert ran.code == 2 and "fix: did you mean layers.0.W? It has layers.0.W (" in ran.err


@pytest.mark.parametrize(
    ("format_", "begins"),
    [
        ("html", '<!doctype html>\n<html lang="en">'),
        ("svg", "<svg "),
        ("latex", "\\documentclass"),
        ("mathml", "<math "),
        ("text", "Row 2: "),
        ("json", '{"row": 2'),
    ],
)
def test_formats(run, shop, tmp_path, format_, begins):
    words = [shop / "flowers", shop / "flowers.csv", "--row", "2", "--weight", "0.W[0,1]"]
    printed = run("explain", *words, "--format", format_)
    assert printed.code == 0 and printed.err == "" and printed.out.startswith(begins)
    suffix = {"latex": "tex", "mathml": "mml", "text": "txt"}.get(format_, format_)
    file = tmp_path / f"why.{suffix}"
    written = run("explain", *words, "--output", file)
    assert written.code == 0 and written.out == "" and written.err == f"wrote {file}\n"
    assert file.read_text(encoding="utf-8").strip() == printed.out.strip()


def test_a_page_says_which_row_it_is_about(run, shop, tmp_path):
    words = [shop / "flowers", shop / "flowers.csv", "--row", "2", "--weight", "2.b[1]"]
    file = tmp_path / "why.page"
    ran = run("explain", *words, "--format", "html", "--out", file)
    assert ran.code == 0
    page = file.read_text(encoding="utf-8")
    assert "Row 2: species is &#x27;rose&#x27;, and the model predicts " in page
    assert page.count("<svg") == 2 and "The backward pass" in page


def test_a_name_that_says_no_format_is_bad_input(run, shop, tmp_path):
    words = [shop / "flowers", shop / "flowers.csv", "--row", "2", "--weight", "0.W[0,1]"]
    ran = run("explain", *words, "--output", tmp_path / "why.png")
    assert ran.code == 2 and "end its name in one of .txt" in ran.err
    assert list(tmp_path.iterdir()) == []
    ran = run("explain", *words, "--format", "htlm")
    assert ran.code == 2 and "html" in ran.err


def test_help_teaches_the_formats(run):
    text = run("explain", "--help").out
    for word in ("--output", "text|json|latex|html|svg|mathml", ".tex", ".mml", "graphlay"):
        assert word in text


def test_a_terminal_without_unicode_gets_ascii_and_character_references(shop):
    words = [sys.executable, "-m", "backlit", "explain", shop / "flowers", shop / "flowers.csv"]
    words += ["--row", "2", "--weight", "0.W[0,1]", "--format"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    for format_, sign in (
        ("text", "dL/dw"),
        ("json", "\\u"),
        ("html", "&#8706;"),
        ("svg", "&#8706;L/&#8706;"),
    ):
        ran = subprocess.run([*words, format_], env=environment, capture_output=True)
        assert ran.returncode == 0, ran.stderr
        assert sign.encode() in ran.stdout and ran.stdout.isascii()


TITLES = {
    "forward": "1. Forward pass",
    "backward": "2. Backward pass",
    "chain": "3. The chain",
    "paths": "4. Sum over paths",
    "matrices": "5. In matrices",
    "steps": "The steps to every line",
    "elements": "6. Element by element",
    "modes": "7. Forward mode",
    "second": "Second derivatives",
}


@pytest.mark.parametrize("views", [[name] for name in TITLES] + [["paths", "chain"], ["second"]])
def test_views_are_shown_by_name_and_alone(run, shop, views):
    words = ["--row", 2, "--weight", "0.W[0,1]", "--view", " , ".join(views)]
    ran = run("explain", shop / "flowers", shop / "flowers.csv", *words)
    assert ran.code == 0 and ran.err == ""
    assert {name for name, title in TITLES.items() if title in ran.out} == set(views)
    ran = run("explain", shop / "flowers", shop / "flowers.csv", *words, "--format", "json")
    data = json.loads(ran.out)["explanation"]
    tables = {"forward", "backward", "chain", "paths"}
    assert tables & data.keys() == tables & set(views)
    assert data["gradient"] == data["reverse_mode"]


def test_conventions_of_another_text(run, shop):
    def derived(*words):
        common = ["--row", 2, "--weight", "0.W[0,1]", "--view", "matrices"]
        ran = run("explain", shop / "flowers", shop / "flowers.csv", *common, *words)
        assert ran.code == 0 and ran.err == ""
        return ran.out

    rows = derived()
    assert "Z^[1] = x W^[1] + b^[1]" in rows and "∂L/∂A^[1] = W^[2] ∂L/∂Z^[2]" in rows
    columns = derived("--examples", "columns")
    assert "Z^[1] = W^[1] x + b^[1]" in columns and "transpose of the program's" in columns
    assert "∂L/∂W^[1] = ∂L/∂Z^[1] xᵀ" in columns
    numerator = derived("--examples", "columns", "--layout", "numerator")
    assert "numerator layout" in numerator and "∂L/∂W^[1] = x (∂L/∂Z^[1])ᵀ" in numerator


@pytest.mark.parametrize(
    ("option", "typed", "near"),
    [
        ("--view", "chian", "did you mean chain?"),
        ("--layout", "numerater", "did you mean numerator?"),
        ("--examples", "column", "did you mean columns?"),
        ("--format", "hmtl", "did you mean html?"),
    ],
)
def test_an_unknown_word_names_the_option_and_the_choices(run, shop, option, typed, near):
    words = ["--row", 2, "--weight", "0.W[0,1]", option, typed]
    ran = run("explain", shop / "flowers", shop / "flowers.csv", *words)
    assert ran.code != 0 and ran.out == ""
    assert f"{option} is {typed!r}; it must be one of " in ran.err and near in ran.err


def test_help_explains_every_view(run):
    from backlit.explain.selection import VIEWS

    ran = run("explain", "--help")
    assert ran.code == 0
    assert all(f"  {name}" in ran.out for name in VIEWS)
    assert "--view chain,paths" in ran.out and "numerator" in ran.out
