"""Ctrl-C: whatever training has reached is kept, said, and ends with exit code 130."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as onp
import pytest

from backlit.train import load
from backlit.train.tabular import learning
from tests.cli.samples import flowers, write_csv


@pytest.fixture
def interrupt(monkeypatch):
    """Make Ctrl-C come after some epochs of a chosen run of `fit`, counted from 1."""

    def interrupt(run: int, epochs: int) -> list[object]:
        usual, histories = learning.fit, []

        def stop(state):
            if state.epoch == epochs:
                raise KeyboardInterrupt

        def fit(*args, **options):
            if len(histories) + 1 == run:
                options["callbacks"] = [stop]
            histories.append(usual(*args, **options))
            return histories[-1]

        monkeypatch.setattr(learning, "fit", fit)
        return histories

    return interrupt


def leaves(model):
    return [array for layer in model.layers for array in (layer.W, layer.b)]


def same(one, other):
    return all(map(onp.array_equal, leaves(one), leaves(other)))


WORDS = ["--target", "species", "--hidden", "8", "--epochs", "30", "--out", "out", "--json"]


def ended(ran):
    assert ran.code == 130 and "Traceback" not in ran.err
    assert "interrupted; the best model so far is in out/model.safetensors" in ran.err
    return json.loads(ran.out), load("out/model.safetensors")


def test_without_validation_the_last_model_is_kept(run, table, interrupt):
    path = table("flowers.csv", flowers())
    histories = interrupt(run=1, epochs=4)
    found, saved = ended(run("train", path, *WORDS))
    assert len(histories) == 1 and len(histories[0].epochs) == 4
    assert same(saved.model, histories[0].model)
    assert saved.info["epochs"] == 4
    assert "Training was interrupted" in Path(found["report"]).read_text()


def test_with_validation_the_best_model_is_kept(run, table, interrupt):
    path = table("flowers.csv", flowers())
    histories = interrupt(run=1, epochs=6)
    _, saved = ended(run("train", path, *WORDS, "--validation", "0.2"))
    assert len(histories) == 1 and same(saved.model, histories[0].best_model)


def test_while_training_on_all_training_rows(run, table, interrupt):
    path = table("flowers.csv", flowers())
    histories = interrupt(run=2, epochs=2)
    _, saved = ended(run("train", path, *WORDS, "--validation", "0.2"))
    assert len(histories) == 2 and same(saved.model, histories[0].model)


def test_while_refitting_the_measured_model_is_kept(run, table, interrupt):
    path = table("flowers.csv", flowers())
    histories = interrupt(run=2, epochs=2)
    found, saved = ended(run("train", path, *WORDS))
    assert len(histories) == 2 and same(saved.model, histories[0].model)
    assert saved.info["refitted"] is False
    assert found["test"]["accuracy"] == saved.info["test"]["accuracy"]


def test_before_the_first_step_nothing_is_saved(run, table, monkeypatch):
    path = table("flowers.csv", flowers())
    usual = learning.fit

    def fit(*args, **options):
        def stop(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr("backlit.train.loop._Run._epoch", stop)
        return usual(*args, **options)

    monkeypatch.setattr(learning, "fit", fit)
    ran = run("train", path, *WORDS)
    assert ran.code == 130 and ran.out == "" and "nothing was saved" in ran.err
    assert not Path("out/model.safetensors").exists()


def test_while_the_report_is_written(run, table, monkeypatch):
    path = table("flowers.csv", flowers())
    assert run("train", path, *WORDS).code == 0
    before = Path("out/model.safetensors").read_bytes()

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("backlit.train.report.write_report", stop)
    ran = run("train", path, *WORDS, "--seed", "1")
    assert ran.code == 130 and ran.out == "" and "nothing was saved" not in ran.err
    message = "error: interrupted; the model is in out/model.safetensors, without a report\n"
    assert ran.err.endswith(message)
    assert Path("out/model.safetensors").read_bytes() != before
    assert not Path("out/report.html").exists()


def test_between_the_measured_model_and_the_last_one(run, table, monkeypatch):
    path = table("flowers.csv", flowers())

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("backlit.train.tabular.problem.Problem.refitted", stop)
    ran = run("train", path, *WORDS)
    assert ran.code == 130 and "the model is in out/model.safetensors" in ran.err
    assert load("out/model.safetensors").info["refitted"] is False


def test_while_the_demo_writes_its_tables(run, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("backlit.train.tabular.showcase._write", stop)
    ran = run("demo", "--epochs", "1", "--out", "d")
    assert ran.code == 130 and "the model is in d/model.safetensors, without a report" in ran.err


@pytest.mark.parametrize("place", ["problem.read_table", "training.learn"])
def test_before_anything_is_saved(run, table, monkeypatch, place):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(f"backlit.train.tabular.{place}", stop)
    ran = run("train", table("flowers.csv", flowers()), *WORDS)
    assert ran.code == 130 and "error: interrupted; nothing was saved\n" in ran.err
    assert not Path("out/model.safetensors").exists()


def test_a_real_signal(tmp_path):
    write_csv(tmp_path / "flowers.csv", flowers())
    words = ["train", "flowers.csv", "--target", "species", "--epochs", "30000", "--out", "out"]
    process = subprocess.Popen(
        [sys.executable, "-m", "backlit", *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("epoch "):
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130, err
    assert "the best model so far is in" in err and "Traceback" not in err
    assert "accuracy" in out and "the best so far" in out
    assert load(tmp_path / "out" / "model.safetensors").info["epochs"] < 30000
