"""Folders by default, and words as a shell takes them."""

from __future__ import annotations

import shlex
import subprocess

import pytest

from backlit.core.errors import InputError
from backlit.train.tabular.folder import (
    MODEL,
    default_folder,
    joined,
    model_file,
    refuse_swapped,
    typed,
)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("flowers.csv", "flowers"),
        ("data/iris.csv.gz", "iris"),
        ("parts/*.csv", "parts"),
        ("parts/p-*.csv", "p"),
        ("year-20??.parquet", "year-20"),
        ("*.csv", "price"),
        ("../*.csv", "price"),
        ("SELECT a FROM 'new/flowers.csv' JOIN 'other.csv' USING (b)", "flowers"),
        ("SELECT a FROM 'parts/*.parquet' WHERE b = 'x y'", "parts"),
        ("SELECT replace(a, '', 'b') FROM 'money.csv'", "money"),
        ("SELECT 1 AS price", "price"),
    ],
)
def test_the_folder_is_named_after_the_table(source, name):
    assert str(default_folder(source, "price")) == f"backlit-{name}"


def test_names_that_cannot_be_those_of_a_folder_as_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my flowers.csv").write_text("")
    assert str(default_folder("my flowers.csv", "y")) == "backlit-my-flowers"
    assert str(default_folder("*.csv", "a/b")) == "backlit-a-b"
    assert str(default_folder("*.csv", "//")) == "backlit-table"


def test_the_nearest_model_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "backlit-flowers").mkdir()
    (tmp_path / "backlit-flower").mkdir()  # with no model in it
    (tmp_path / "backlit-flowers" / MODEL).write_text("")
    with pytest.raises(InputError, match="there is no model backlit-flowrs") as caught:
        model_file("backlit-flowrs")
    assert caught.value.fix == "did you mean backlit-flowers?"
    with pytest.raises(InputError, match="there is no model no/such") as caught:
        model_file("no/such")
    assert "train one" in (caught.value.fix or "")


@pytest.mark.parametrize(
    "words",
    [["a b", "c'd"], ["SELECT * FROM 'x.csv'", "*"], ["it's $HOME"], ["'\"", "\\'", "!'"], [""]],
)
def test_a_shell_reads_the_same_words(words):
    text = joined(words)
    assert shlex.split(text) == words
    done = subprocess.run(
        ["sh", "-c", f"printf '%s\\n' {text}"], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == words


def test_a_model_in_the_place_of_the_table(tmp_path):
    folder = tmp_path / "backlit-x"
    folder.mkdir()
    refuse_swapped("x.csv", folder)  # a folder of tables, perhaps
    (folder / MODEL).write_text("")
    for model in (folder, folder / MODEL):
        with pytest.raises(InputError, match="x.csv is given as the model") as caught:
            refuse_swapped("x.csv", model)
        assert str(model) in (caught.value.fix or "")
    refuse_swapped(folder, "x.csv")
    refuse_swapped(folder, object())


def test_commands_are_typed_as_this_program_was(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/my venv/bin/backlit", "demo"])
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert typed("backlit doctor") == "'/my venv/bin/backlit' doctor"
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/backlit")
    assert typed("backlit doctor") == "backlit doctor"
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("sys.argv", ["my-script.py"])
    assert typed("backlit doctor") == "backlit doctor"
