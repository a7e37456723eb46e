"""``backlit predict``: values against a forward pass written by hand, and every output format."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as onp
import pytest

from backlit.data import read_table
from backlit.data.tensorfile import read_tensors
from backlit.train import load, save
from tests.cli.samples import flowers, houses


def forward(folder, columns):
    """Return the outputs of a saved network, from its arrays and its notes on columns alone."""
    arrays, metadata = read_tensors(folder / "model.safetensors")
    notes = json.loads(metadata["preprocessing"])
    features = []
    for column in notes["columns"]:
        values = columns[column["name"]]
        if "mean" in column:
            features.append((onp.array(values, float) - column["mean"]) / column["scale"])
        else:
            features += [[float(v == one) for v in values] for one in column["categories"]]
    A = onp.array(features, onp.float32).T
    layers = len(arrays) // 2
    for k in range(layers):
        A = A @ arrays[f"layers.{k}.W"] + arrays[f"layers.{k}.b"]
        if k < layers - 1:
            A = onp.maximum(A, 0)
    return A, notes["target"]


def test_classes_and_probabilities(run, shop):
    ran = run("predict", shop / "flowers", shop / "flowers.csv", "--out", "p.csv")
    assert ran.code == 0 and ran.out == "" and "60 predictions" in ran.err
    found = read_table("p.csv")
    Z, target = forward(shop / "flowers", flowers())
    names = ["iris", "rose", "tulip"]
    assert target["labels"] == names
    assert found.names == ("prediction", *[f"probability:{name}" for name in names])
    P = onp.exp(Z - Z.max(axis=1, keepdims=True)).astype(float)
    P /= P.sum(axis=1, keepdims=True)
    for k, name in enumerate(names):
        onp.testing.assert_allclose(found[f"probability:{name}"], P[:, k], rtol=1e-5, atol=1e-12)
    assert found["prediction"].tolist() == [names[k] for k in Z.argmax(axis=1)]


def test_numbers_are_in_units_of_the_target(run, shop):
    run("predict", shop / "houses" / "model.safetensors", shop / "houses.csv", "--out", "p.csv")
    found = read_table("p.csv")
    Z, target = forward(shop / "houses", houses())
    assert found.names == ("prediction",)
    wanted = Z[:, 0].astype(float) * target["scale"] + target["mean"]
    onp.testing.assert_allclose(found["prediction"], wanted, rtol=1e-5)
    price = onp.array(houses()["price"])
    assert onp.corrcoef(found["prediction"], price)[0, 1] > 0.9


def test_rows_stay_in_order_and_other_columns_do_not_matter(run, shop, table):
    columns = flowers()
    order = onp.random.default_rng(0).permutation(60)
    mixed = {
        "note": [f"row {k}" for k in order],
        **{name: [columns[name][k] for k in order] for name in ("colour", "width", "length")},
    }
    run("predict", shop / "flowers", table("mixed.csv", mixed), "--out", "mixed-p.csv")
    run("predict", shop / "flowers", shop / "flowers.csv", "--out", "p.csv")
    straight, shuffled = read_table("p.csv"), read_table("mixed-p.csv")
    for name in straight.names:
        assert straight[name][order].tolist() == shuffled[name].tolist()


@pytest.mark.parametrize("kind", ["tsv", "parquet", "json", "ndjson", "jsonl"])
def test_every_format_holds_the_same(run, shop, kind):
    run("predict", shop / "flowers", shop / "flowers.csv", "--out", "p.csv")
    assert run("predict", shop / "flowers", shop / "flowers.csv", "--out", f"p.{kind}").code == 0
    one, other = read_table("p.csv"), read_table(f"p.{kind}")
    assert one.names == other.names and one.kinds == other.kinds
    for name in one.names:
        assert one[name].tolist() == other[name].tolist()


def test_formats_are_what_their_extension_says(run, shop):
    source = "SELECT * FROM '" + str(shop / "houses.csv") + "' LIMIT 2"
    for kind in ("csv", "tsv", "json", "ndjson"):
        run("predict", shop / "houses", source, "--out", f"p.{kind}")
    values = [record["prediction"] for record in json.loads(Path("p.json").read_text())]
    assert [
        json.loads(line)["prediction"] for line in Path("p.ndjson").read_text().splitlines()
    ] == values
    assert Path("p.csv").read_text() == "prediction\n" + "".join(f"{v!r}\n" for v in values)
    assert Path("p.tsv").read_text() == Path("p.csv").read_text()


def test_without_out_csv_goes_to_stdout_and_nothing_else(run, shop):
    run("predict", shop / "flowers", shop / "flowers.csv", "--out", "p.csv")
    for words in ([], ["--out", "-"]):
        ran = run("predict", shop / "flowers", shop / "flowers.csv", *words)
        assert (ran.code, ran.err) == (0, "")
        assert ran.out == Path("p.csv").read_text()


@pytest.mark.parametrize(
    ("labels", "written"),
    [
        ([3, 7], ["3", "7"]),
        (["true", "false"], ["false", "true"]),
        (['say "hi", twice', "line\nbreak"], ["line\nbreak", 'say "hi", twice']),
        (["é", "日本"], ["é", "日本"]),
    ],
)
def test_labels_come_back_as_they_were(run, table, labels, written):
    columns = {"x": list(range(40)), "y": [labels[k >= 20] for k in range(40)]}
    path = table("t.csv", columns)
    assert run("train", path, "--target", "y", "--hidden", "8", "--out", "m", "-q").code == 0
    for kind in ("csv", "json", "parquet"):
        assert run("predict", "m", path, "--out", f"p.{kind}").code == 0
        found = read_table(f"p.{kind}")
        assert list(found.names) == ["prediction", *[f"probability:{label}" for label in written]]
        assert found["prediction"].tolist() == read_table(path)["y"].tolist()


def test_gaps_and_unseen_categories_are_predicted_with_a_warning(run, shop, table):
    columns = {"length": [1.0, None], "width": [4.0, 4.0], "colour": ["blue", "green"]}
    ran = run("predict", shop / "flowers", table("new.csv", columns))
    assert ran.code == 0 and len(ran.out.splitlines()) == 3
    assert "column 'length': 1 of 2 values are missing" in ran.err
    assert "column 'colour'" in ran.err and "green" in ran.err


def test_a_failed_write_leaves_the_old_file(run, shop, monkeypatch):
    Path("p.csv").write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    ran = run("predict", shop / "flowers", shop / "flowers.csv", "--out", "p.csv")
    assert ran.code == 2 and "No space left on device" in ran.err
    assert Path("p.csv").read_text() == "old"


def test_weights_that_overflow_are_said_so(run, shop):
    saved = load(shop / "houses" / "model.safetensors")
    layers = [replace(layer, W=layer.W * onp.float32(1e30)) for layer in saved.model.layers]
    model = replace(saved.model, layers=tuple(layers))
    save("huge.safetensors", model, preprocessing=saved.preprocessing)
    ran = run("predict", "huge.safetensors", shop / "houses.csv")
    assert ran.code == 2 and ran.out == "" and "no finite answer for row 0" in ran.err


def test_a_folder_that_is_not_there(run, shop):
    ran = run("predict", shop / "flowers", shop / "flowers.csv", "--out", "none/p.csv")
    assert ran.code == 2
    assert "there is no folder none to write p.csv into\n  fix: make it first, or" in ran.err
