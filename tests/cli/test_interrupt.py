"""Ctrl-C: whatever training has reached is kept, said, and ends with exit code 130."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as onp
import pytest

from backlit.train import load, loop
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


def test_between_two_runs_the_finished_one_is_kept(run, table, monkeypatch):
    path, usual, histories = table("flowers.csv", flowers()), learning.fit, []

    def fit(*args, **options):
        if histories:  # the second run: before its loop, which would catch Ctrl-C
            raise KeyboardInterrupt
        histories.append(usual(*args, **options))
        return histories[0]

    monkeypatch.setattr(learning, "fit", fit)
    _, saved = ended(run("train", path, *WORDS, "--validation", "0.2"))
    assert same(saved.model, histories[0].model)
    assert saved.info["epochs"] == histories[0].best_epoch


@pytest.mark.parametrize("runs", [0, 1])
def test_while_the_steps_are_compiled(run, table, monkeypatch, runs):
    path = table("flowers.csv", flowers())
    usual, left = loop.compiled_steps, [runs]

    def compiled_steps(*args):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return usual(*args)

    monkeypatch.setattr(loop, "compiled_steps", compiled_steps)
    ran = run("train", path, *WORDS)
    if runs:  # the refit: the model that was measured is kept
        _, saved = ended(ran)
        assert saved.info["refitted"] is False
    else:
        assert ran.code == 130 and ran.out == "" and "nothing was saved" in ran.err
        assert not Path("out/model.safetensors").exists()


def test_an_unfinished_model_goes_beside_a_finished_one(run, table, interrupt):
    path = table("flowers.csv", flowers())
    assert run("train", path, *WORDS).code == 0
    model, report = Path("out/model.safetensors"), Path("out/report.html")
    good = model.read_bytes(), report.read_bytes()
    histories = interrupt(run=1, epochs=2)
    ran = run("train", path, *WORDS[:-1])
    assert ran.code == 130 and "replaced" not in ran.err
    assert ran.err.endswith(
        "error: interrupted; the best model so far is in out/interrupted-model.safetensors; "
        "out/model.safetensors is as it was\n"
    )
    assert (model.read_bytes(), report.read_bytes()) == good
    assert same(load("out/interrupted-model.safetensors").model, histories[0].model)
    assert "model     out/interrupted-model.safetensors (the best so far)" in ran.out
    assert "report " not in ran.out
    # What it suggests is about that model.
    commands = ran.out.partition("What to try next\n")[2].splitlines()
    for command in commands:
        words = shlex.split(command)[1:]
        assert words[1] == "out/interrupted-model.safetensors"
        assert run(*words).code == 0
    # A run that ends well tidies up, and says so.
    interrupt(run=99, epochs=1)
    ran = run("train", path, *WORDS, "-q")
    assert ran.code == 0 and not Path("out/interrupted-model.safetensors").exists()
    assert ran.err == (
        "warning: replaced the model in out and its report; removed "
        "out/interrupted-model.safetensors\n"
    )


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


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_real_signal(tmp_path, name, code):
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
    process.send_signal(getattr(signal, name))
    out, err = process.communicate()
    assert process.returncode == code, err
    assert "the best model so far is in" in err and "Traceback" not in err
    assert "accuracy" in out and "the best so far" in out
    assert load(tmp_path / "out" / "model.safetensors").info["epochs"] < 30000


START = """
import os, signal, sys
sys.argv = [{argv!r}, "doctor"]
from backlit.early import guard_start
guard_start()
os.kill(os.getpid(), signal.SIGINT)
"""


def test_while_the_command_is_loaded():
    script = START.format(argv="/somewhere/bin/backlit")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 130
    assert done.stderr == "\nerror: interrupted; nothing was saved\n"
    # Other programs do with Ctrl-C what they want.
    script = START.format(argv="my-program.py")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "KeyboardInterrupt" in done.stderr


def test_before_there_is_anything_to_run(run, monkeypatch, capfd):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("backlit.cli.run._prepare_streams", stop)
    ran = run("doctor")
    assert (ran.code, ran.out, ran.err) == (130, "", "\nerror: interrupted\n")


def test_signals_are_as_before_afterwards(run, monkeypatch):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    seen = []

    def end(*_):
        seen.append(signal.getsignal(signal.SIGTERM))
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("backlit.cli.doctor.doctor", end)
    ran = run("doctor")
    assert ran.code == 143 and "interrupted; nothing was saved" in ran.err
    assert seen[0] is not signal.SIG_DFL
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_ignored_signals_stay_ignored(run, monkeypatch):
    usual = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        assert run("doctor").code == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, usual)


def test_while_the_library_is_loaded(tmp_path):
    """As above, from the first import on, where it is NumPy that takes the time."""
    (tmp_path / "numpy.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    done = subprocess.run(
        [sys.executable, "-m", "backlit", "doctor"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "\nerror: interrupted; nothing was saved\n"
