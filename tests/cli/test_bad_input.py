"""Every sort of bad input: a message that says what is wrong, exit code 2, and no traceback."""

from __future__ import annotations

import gzip
import json
import os
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from backlit import nn
from backlit.train import load, save
from tests.cli.samples import flowers

ROWS = [f"{k},{k * 7 % 5},{'ab'[k % 2]}" for k in range(20)]
GOOD = "\n".join(["x,z,y", *ROWS]) + "\n"


def with_lines(*lines: str) -> str:
    return "\n".join(["x,z,y", *lines]) + "\n"


FILES = {
    "good.csv": GOOD,
    "empty.csv": "",
    "header.csv": "x,z,y\n",
    "ragged.csv": with_lines("1,2,a", "3,4", "5,6,b"),
    "constant.csv": with_lines(*[f"{k},{k},a" for k in range(20)]),
    "missing.csv": with_lines(*[f",,{'ab'[k % 2]}" for k in range(20)]),
    "rare.csv": with_lines(*ROWS, "99,1,c"),
    "unlabelled.csv": with_lines(*[f"{k},{k}," for k in range(20)]),
    "names.csv": with_lines(*[f"{k},{k},name {k}" for k in range(20)]),
    "infinite.csv": with_lines(
        *[f"{'inf' if k == 3 else k}.0,{k},{'ab'[k % 2]}" for k in range(20)]
    ),
    "typo.csv": with_lines(*[f"{k},{k},{'3O' if k == 30 else k}.5" for k in range(40)]).replace(
        "3O.5", "3O"
    ),
    "twice.csv": "x,x,y\n1,2,a\n3,4,b\n",
    "table.xlsx": "PK\x03\x04 not a table",
    "table.txt.bak": GOOD,
    "broken.json": '[{"x": 1, "y": "a"}, {"x": 2',
    "broken.parquet": "PAR1 but no more",
}

# command line, what the message has to say
TRAIN = {
    "missing file": ("nothing.csv", "there is no file nothing.csv"),
    "a file of nearly that name": ("godo.csv", "fix: did you mean good.csv?"),
    "no name": ("", "the name of the table is empty"),
    "a typing error in a query": ("SELEC * FROM 'good.csv'", "did you mean SELECT?"),
    "a target that is nearly all numbers": ("typo.csv", "'3O' in row 30, line 32 of typo.csv"),
    "empty file": ("empty.csv", "empty.csv is empty"),
    "no rows": ("header.csv", "has no rows"),
    "a workbook": ("table.xlsx", "not a table"),
    "unknown type": ("table.txt.bak", "does not say what kind of table it is"),
    "broken JSON": ("broken.json", "broken.json"),
    "broken Parquet": ("broken.parquet", "broken.parquet"),
    "ragged rows": ("ragged.csv", "has 2 values where 3 are expected"),
    "two columns of one name": ("twice.csv", "'x'"),
    "one class": ("constant.csv", "in every row"),
    "all columns missing": ("missing.csv", "no column can be learned from"),
    "target missing": ("unlabelled.csv", "no value in any row"),
    "an infinite value": ("infinite.json", "infinite.json"),
    "a class with one row": ("rare.csv", "the class 'c' has only 1 row"),
    "a target that differs from row to row": ("names.csv", "20 different values"),
    "a directory": (".", "is a directory"),
    "a pattern that matches nothing": ("none-*.csv", "no file matches"),
    "a query without rows": ("SELECT * FROM 'good.csv' WHERE x > 99", "returns no rows"),
    "a query that fails": ("SELECT nope FROM 'good.csv'", "nope"),
    "a statement": ("DROP TABLE x", "DROP is not a query"),
    "an address": ("https://example.org/x.csv", "is an address"),
}

OPTIONS = {
    "unknown column": (["--target", "Y"], "did you mean 'y'"),
    "task": (["--task", "clasification"], "did you mean classification?"),
    "regression of text": (["--task", "regression"], "holds text"),
    "activation": (["--activation", "rely"], "did you mean relu?"),
    "optimizer": (["--optimizer", "adamm"], "did you mean adam"),
    "optimizer lists all": (["--optimizer", "?"], "adamw, adam, rmsprop, adagrad, sgd"),
    "hidden": (["--hidden", "64;32"], "--hidden is '64;32'"),
    "hidden zero": (
        ["--hidden", "0"],
        "--hidden is '0'; it must be the units of each hidden layer",
    ),
    "hidden too large": (["--hidden", "9999999"], "--hidden is '9999999'"),
    "hidden that no memory holds": (
        ["--hidden", "999999,999999"],
        "--hidden is 999999,999999; it must be fewer units: 1,000,001,999,997 weights",
    ),
    "rate": (["--rate", "0"], "--rate is 0; it must be"),
    "rate not finite": (["--rate", "inf"], "--rate is inf; it must be"),
    "rate not a number": (["--rate", "fast"], "--rate is 'fast'; it must be a number\n"),
    "rate not a number, with =": (["--rate=fast"], "--rate is 'fast'; it must be a number\n"),
    "epochs": (["--epochs", "0"], "--epochs is 0; it must be"),
    "epochs not whole": (["--epochs", "1.5"], "--epochs is '1.5'; it must be a whole number\n"),
    "batch": (["--batch", "-1"], "--batch is -1; it must be"),
    "split": (["--split", "1"], "--split is 1\n  fix: a share of the rows"),
    "seed": (["--seed", "-1"], "--seed is -1; it must be"),
    "validation": (["--validation", "1"], "--validation is 1; it must be"),
    "weight decay": (["--weight-decay", "-1"], "--weight-decay is -1; it must be"),
    "patience": (["--patience", "0"], "--patience is 0; it must be"),
    "a typing error": (["--epoch", "3"], "did you mean --epochs?"),
    "a typing error in a negation": (["--no-reprot"], "did you mean --no-report?"),
    "an option that is like no other": (["--bogus", "1"], "there is no option --bogus\n  fix: see"),
    "an option without a value": (["--seed"], "--seed needs a value"),
    "an option with a value it has no use for": (["--quiet=3"], "'--quiet' does not take a value"),
    "one argument too many": (["more.csv"], "there is no use here for 'more.csv'"),
    "a pattern without quotes": (
        ["empty.csv", "header.csv"],
        "there are 3: good.csv, empty.csv, header.csv\n  fix: to read them as one, put the pattern "
        "in quotes: '*.csv'",
    ),
}


@pytest.fixture
def files(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def assert_refused(ran, message):
    assert ran.code == 2, ran.err
    assert message in ran.err
    assert ran.err.startswith(("error: ", "warning: "))
    assert "Traceback" not in ran.err and "backlit/" not in ran.err
    assert ran.out == ""


@pytest.mark.parametrize("case", TRAIN)
def test_train_refuses_a_table(run, files, case):
    source, message = TRAIN[case]
    ran = run("train", source, "--target", "y", "--out", "out")
    assert_refused(ran, message)
    assert not (files / "out").exists()


@pytest.mark.parametrize("case", OPTIONS)
def test_train_refuses_an_option(run, files, case):
    words, message = OPTIONS[case]
    target = [] if "--target" in words else ["--target", "y"]
    ran = run("train", "good.csv", *target, "--out", "out", *words)
    assert_refused(ran, message)
    assert not (files / "out").exists()


def test_a_name_with_spaces_and_no_quotes(run, files):
    (files / "my good.csv").write_text(GOOD)
    ran = run("train", "my", "good.csv", "--target", "y")
    assert_refused(ran, "the name my good.csv has spaces\n  fix: put it in quotes: 'my good.csv'")


def test_out_that_is_a_file_stays_as_it_is(run, files):
    kept = files / "kept"
    kept.write_text("mine")
    assert_refused(run("train", "good.csv", "--target", "y", "--out", "kept"), "kept is a file")
    assert_refused(
        run("train", "good.csv", "--target", "y", "--out", "kept/deeper"), "kept is a file"
    )
    assert_refused(run("demo", "--out", "kept"), "kept is a file")
    assert kept.read_text() == "mine"


def test_a_single_missing_column_is_dropped_with_a_warning(run, files):
    text = with_lines(*[f"{k},,{'ab'[k % 2]}" for k in range(20)])
    (files / "gap.csv").write_text(text)
    ran = run("train", "gap.csv", "--target", "y", "--epochs", "3", "--json")
    assert ran.code == 0
    assert ran.err.count("warning: column 'z' is left out: it has no value in any row") == 1
    assert json.loads(ran.out)["features"] == 1


def test_no_permission_to_read(run, files, monkeypatch):
    # Whoever runs the tests as root may read everything, so the system's answer is played.
    usual = Path.open

    def refuse(self, *args, **kwargs):
        if self.name == "good.csv":
            raise PermissionError(13, "Permission denied", str(self))
        return usual(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    assert_refused(run("train", "good.csv", "--target", "y"), "no permission to read good.csv")


def test_no_permission_to_write(run, files, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    ran = run("train", "good.csv", "--target", "y", "--out", "out")
    assert_refused(ran, "no permission to write into")
    assert not (files / "out").exists()


def test_a_folder_that_cannot_be_made(run, files, monkeypatch):
    def refuse(self, *args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", refuse)
    ran = run("train", "good.csv", "--target", "y", "--out", "out")
    assert_refused(ran, "the folder out cannot be made: No space left on device")


NOT_MODELS = {
    "short": b"hi",
    "text": GOOD.encode(),
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "a header larger than the file": struct.pack("<Q", 2**40) + b"{}" + bytes(50),
    "another safetensors file": struct.pack("<Q", 64)
    + b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'.ljust(64)
    + bytes(4),
}


@pytest.mark.parametrize("case", NOT_MODELS)
def test_a_file_that_is_not_a_model(run, files, case):
    (files / "m.safetensors").write_bytes(NOT_MODELS[case])
    assert_refused(run("predict", "m.safetensors", "good.csv"), "m.safetensors")
    ran = run("explain", "m.safetensors", "good.csv", "--row", "0", "--weight", "b[0]")
    assert_refused(ran, "m.safetensors")


def test_a_model_without_preprocessing_or_of_the_wrong_size(run, files, shop):
    save("plain.safetensors", nn.MLP([2, 2], seed=0))
    assert_refused(run("predict", "plain.safetensors", "good.csv"), "not how tables become")
    saved = load(shop / "flowers" / "model.safetensors")
    narrow = replace(saved.model, layers=saved.model.layers[:1])
    save("narrow.safetensors", narrow, preprocessing=saved.preprocessing)
    assert_refused(run("predict", "narrow.safetensors", shop / "flowers.csv"), "is damaged")


PREDICT = {
    "no such model": (["nothing", "good.csv"], "there is no model nothing"),
    "a folder without one": ([".", "good.csv"], "holds no model.safetensors"),
    "missing file": (["{shop}/flowers", "nothing.csv"], "there is no file nothing.csv"),
    "missing columns": (["{shop}/flowers", "good.csv"], "lacks the columns"),
    "what to do about them": (["{shop}/flowers", "good.csv"], "fix: add them, left empty"),
    "model and table swapped": (
        ["good.csv", "{shop}/flowers"],
        "good.csv is given as the model, and the model as the table\n  fix: the model first: ",
    ),
    "unknown extension": (
        ["{shop}/flowers", "{shop}/flowers.csv", "--out", "p.xlsx"],
        "does not say what format",
    ),
    "a directory to write": (
        ["{shop}/flowers", "{shop}/flowers.csv", "--out", "."],
        "is a directory",
    ),
    "no such folder": (
        ["{shop}/flowers", "{shop}/flowers.csv", "--out", "no/p.csv"],
        "there is no folder no",
    ),
    "onto the table itself": (
        ["{shop}/flowers", "{shop}/flowers.csv", "--out", "{shop}/flowers.csv"],
        "is read from",
    ),
}


@pytest.mark.parametrize("case", PREDICT)
def test_predict_refuses(run, files, shop, case):
    words, message = PREDICT[case]
    before = (shop / "flowers.csv").read_bytes()
    assert_refused(run("predict", *[word.format(shop=shop) for word in words]), message)
    assert (shop / "flowers.csv").read_bytes() == before


def test_text_where_numbers_were_at_training(run, shop, table):
    columns = {"length": [1.0, "long"], "width": [1.0, 2.0], "colour": ["red", "red"]}
    ran = run("predict", shop / "flowers", table("new.csv", columns))
    assert_refused(ran, "column 'length' held numbers at training, but row 1")


EXPLAIN = {
    "row too large": (["--row", "60", "--weight", "0.W[0,0]"], "choose one from 0 to 59"),
    "row negative": (["--row", "-1", "--weight", "0.W[0,0]"], "there is no row -1"),
    "no such layer": (["--row", "0", "--weight", "layers.7.W[0,0]"], "layers.0.W (4×8)"),
    "a typing error": (["--row", "0", "--weight", "layer.1.W[0,0]"], "did you mean layers.1.W?"),
    "several arrays": (["--row", "0", "--weight", "W[0,0]"], "several arrays called 'W'"),
    "index too large": (["--row", "0", "--weight", "0.W[4,0]"], "0 to 3 and 0 to 7"),
    "the weight as it was written": (
        ["--row", "0", "--weight", "0.W[4,0]"],
        "there is no weight 0.W[4,0]: layers.0.W has shape 4×8",
    ),
    "too few indices": (["--row", "0", "--weight", "0.W[1]"], "2 indices"),
    "bias": (["--row", "0", "--weight", "0.b[8]"], "give 1 index, counted from 0: 0 to 7"),
    "no weight at all": (["--row", "0", "--weight", "0.W[a,b]"], "does not name a weight"),
    "row not a number": (
        ["--row", "first", "--weight", "0.W[0,0]"],
        "--row is 'first'; it must be a whole number",
    ),
    "format": (["--row", "0", "--weight", "0.W[0,0]", "--format", "yaml"], "one of text, json"),
    "paths": (["--row", "0", "--weight", "0.W[0,0]", "--paths", "-1"], "-1"),
    "no weight": (["--row", "0"], "--weight is missing\n  fix: --weight LAYER.W[i,j]; see"),
}


@pytest.mark.parametrize("case", EXPLAIN)
def test_explain_refuses(run, shop, case):
    words, message = EXPLAIN[case]
    assert_refused(run("explain", shop / "flowers", shop / "flowers.csv", *words), message)


def test_explain_needs_the_right_answer(run, shop, table):
    columns = flowers()
    columns["species"][4] = None
    path = table("gap.csv", columns)
    words = ["--weight", "0.W[0,0]"]
    assert_refused(run("explain", shop / "flowers", path, "--row", "4", *words), "no 'species'")
    columns.pop("species")
    path = table("none.csv", columns)
    assert_refused(run("explain", shop / "flowers", path, "--row", "0", *words), "no column")


def test_a_truncated_archive(run, files):
    packed = gzip.compress(GOOD.encode())
    (files / "cut.csv.gz").write_bytes(packed[: len(packed) // 2])
    assert_refused(run("train", "cut.csv.gz", "--target", "y"), "cut.csv.gz")
